/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82576's rings, filters, RSS and both paths (8.10 to 8.12): they become struct emu_ring, emu_filter
 * and emu_rss. A queue is enabled, and disabled, some time after it has been asked for, which is when its
 * ENABLE bit reads so. */
#include <string.h>

#include "82576.h"

#define QUEUE_NS 20000u

/* With FCS; without RCTL.LPE. */
#define FRAME_MAX 1518u

static struct emu_queue queue_at(struct emu_nic *nic, unsigned n, bool tx)
{
	struct m82576 *m = m82576_of(nic);

	if (tx)
		return (struct emu_queue){&nic->tx[n], &m->tx_ns[n], &m->tx_on[n], R_TX(n),
					  n,	       true};
	return (struct emu_queue){&nic->rx[n], &m->rx_ns[n], &m->rx_on[n], R_RX(n), n, false};
}

/* Whose registers of the table these are. */
struct emu_queue m82576_queue_of(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	return queue_at(nic, index, reg->offset >= R_TX(0));
}

/* ---- both paths ---- */

static bool rx_enabled(const struct emu_nic *nic)
{
	return emu_bar_load(nic, R_RCTL) & RCTL_RXEN;
}

static bool tx_enabled(const struct emu_nic *nic)
{
	return emu_bar_load(nic, R_TCTL) & TCTL_EN;
}

void m82576_paths(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);
	bool on = m->master && !m->reset_ns;

	nic->rx_on = on && rx_enabled(nic);
	nic->tx_on = on && tx_enabled(nic);
}

static void decode_filter(struct emu_nic *nic)
{
	struct emu_filter *filter = &nic->filter;
	uint32_t rctl = emu_bar_load(nic, R_RCTL);

	filter->pass_errors = rctl & RCTL_SBP;
	filter->multicast_all = rctl & RCTL_MPE;
	filter->unicast_all = rctl & RCTL_UPE;
	filter->broadcast = rctl & RCTL_BAM;
	filter->multicast_shift = RCTL_MO(rctl);
	filter->multicast_on = true;
	filter->strip_crc = rctl & RCTL_SECRC;
	filter->frame_max = rctl & RCTL_LPE ? emu_bar_load(nic, R_RLPML) : FRAME_MAX;
	filter->tags_count = rctl & RCTL_LPE;
}

M82576_WRITE(rctl)
{
	(void)index;
	if (value & RCTL_LBM)
		emu_report(nic, "RCTL.LBM: the controller has no loopback of its own (3.5.6.2)");
	if (value & RCTL_VFE)
		emu_report(nic, "RCTL.VFE: filtering of VLANs is not emulated");
	emu_bar_store(nic, reg->offset, value);
	decode_filter(nic);
	m82576_paths(nic);
}

M82576_WRITE(rlpml)
{
	(void)index;
	emu_bar_store(nic, reg->offset, value);
	decode_filter(nic);
}

M82576_WRITE(tctl)
{
	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m82576_paths(nic);
}

M82576_WRITE(mta)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	nic->filter.multicast[index] = value;
}

void m82576_mac(struct emu_nic *nic, unsigned index)
{
	uint32_t at = index < 16 ? R_RAL + 8 * index : R_RAL16 + 8 * (index - 16);
	uint32_t low = emu_bar_load(nic, at), high = emu_bar_load(nic, at + 4);
	uint8_t *mac = nic->filter.mac[index];

	for (unsigned i = 0; i < 4; i++)
		mac[i] = (uint8_t)(low >> 8 * i);
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
	nic->filter.valid[index] = high & RAH_AV;
}

M82576_WRITE(ra)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	m82576_mac(nic, index + (reg->offset >= R_RAL16 ? 16 : 0));
}

/* ---- RSS: 7.1.1.7 ---- */

M82576_WRITE(mrqc)
{
	static const struct {
		unsigned bit, type;
	} types[] = {{16, EMU_RSS_TCP4}, {17, EMU_RSS_IP4},  {20, EMU_RSS_IP6},
		     {21, EMU_RSS_TCP6}, {22, EMU_RSS_UDP4}, {23, EMU_RSS_UDP6}};
	unsigned mode = value & MRQC_MODE;

	(void)index;
	if (mode && mode != MRQC_RSS)
		emu_report(nic, "MRQC mode %u: pools are not emulated", mode);
	if (mode == MRQC_RSS && !(emu_bar_load(nic, R_RXCSUM) & RXCSUM_PCSD))
		emu_report(nic, "RSS without RXCSUM.PCSD: both want the same bytes");
	emu_bar_store(nic, reg->offset, value);
	nic->rss.on = mode == MRQC_RSS;
	nic->rss.types = 0;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (value >> types[i].bit & 1)
			nic->rss.types |= types[i].type;
}

M82576_WRITE(rssrk)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	for (unsigned i = 0; i < 4; i++) /* the first byte is the low one */
		nic->rss.key[4 * index + i] = (uint8_t)(value >> 8 * i);
}

M82576_WRITE(reta)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	for (unsigned i = 0; i < 4; i++)
		nic->rss.table[4 * index + i] = value >> 8 * i & 0xF;
}

/* ---- enable and disable ---- */

void m82576_queues_reset(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);

	memset(&nic->filter, 0, sizeof(nic->filter));
	memset(&nic->rss, 0, sizeof(nic->rss));
	decode_filter(nic);
	for (unsigned n = 0; n < QUEUES; n++) {
		nic->rx[n] = (struct emu_ring){.tail_at = R_RX(n) + RING_TAIL};
		nic->tx[n] = (struct emu_ring){.tail_at = R_TX(n) + RING_TAIL};
		m->rx_ns[n] = m->tx_ns[n] = 0;
		m->rx_on[n] = m->tx_on[n] = n == 0;
	}
	/* Queue 0 is enabled by a reset, with a ring of length 0, which does nothing. */
	emu_bar_store(nic, R_RX(0) + RING_DCTL,
		      emu_bar_load(nic, R_RX(0) + RING_DCTL) | DCTL_ENABLE);
	emu_bar_store(nic, R_TX(0) + RING_DCTL,
		      emu_bar_load(nic, R_TX(0) + RING_DCTL) | DCTL_ENABLE);
	nic->n_rx = nic->n_tx = 0;
}

static void turn_on(struct emu_nic *nic, const struct emu_queue *q)
{
	struct emu_ring *ring = q->ring;

	if (q->tx) {
		ring->writeback_threshold = DCTL_WTHRESH(emu_bar_load(nic, q->base + RING_DCTL));
	} else {
		uint32_t srrctl = emu_bar_load(nic, q->base + RING_SRRCTL);

		ring->buffer_bytes = SRRCTL_BSIZEPACKET(srrctl) * 1024;
		ring->drop = srrctl & SRRCTL_DROP_EN;
	}
	emu_queue_start(nic, q);
}

/* 4.5.9, 4.5.10: queues are enabled, and acknowledged, before the path as a whole is. */
static bool is_held(const struct emu_nic *nic, const struct emu_queue *q, bool on)
{
	if (!on)
		return !q->tx && nic->faults[EMU_FAULT_RX_DISABLE];
	return nic->faults[q->tx ? EMU_FAULT_TX_ENABLE : EMU_FAULT_RX_ENABLE];
}

static void settle(struct emu_nic *nic, const struct emu_queue *q)
{
	bool on = emu_queue_wanted(nic, q);

	if (!m82576_due(m82576_of(nic), q->due_ns, is_held(nic, q, on)))
		return;
	*q->on = on;
	if (on)
		turn_on(nic, q);
	else
		q->ring->enabled = false;
	emu_queues_count(nic, QUEUES);
}

void m82576_queues_settle(struct emu_nic *nic)
{
	for (unsigned n = 0; n < QUEUES; n++) {
		struct emu_queue rx = queue_at(nic, n, false), tx = queue_at(nic, n, true);

		if (*rx.due_ns)
			settle(nic, &rx);
		if (*tx.due_ns)
			settle(nic, &tx);
	}
}

/* Without what a queue must have it is never enabled. */
static bool is_complete(struct emu_nic *nic, const struct emu_queue *q)
{
	uint32_t srrctl = emu_bar_load(nic, q->base + RING_SRRCTL);

	return emu_queue_is_complete(nic, q, SRRCTL_BSIZEPACKET(srrctl), SRRCTL_DESCTYPE(srrctl));
}

M82576_WRITE(dctl)
{
	struct emu_queue q = m82576_queue_of(nic, reg, index);
	bool on = value & DCTL_ENABLE, was = emu_queue_wanted(nic, &q);

	value &= ~DCTL_SWFLSH;
	/* 8.12.13 */
	if (q.tx && DCTL_PTHRESH(value) && !DCTL_HTHRESH(value))
		emu_report(nic, "TXDCTL[%u] has PTHRESH without HTHRESH", q.n);
	if (on && !was && *q.on)
		emu_report(nic, "%s queue %u enabled before it has been disabled",
			   emu_queue_kind(&q), q.n);
	if (on && !was && !is_complete(nic, &q))
		value &= ~DCTL_ENABLE;
	emu_bar_store(nic, q.base + RING_DCTL, value);
	if (emu_queue_wanted(nic, &q) != was)
		m82576_later(m82576_of(nic), q.due_ns, QUEUE_NS);
}

M82576_WRITE(wbal)
{
	if (value & 1)
		emu_report(nic, "TDWBAL[%u].Head_WB_En: head write-back is not emulated", index);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}
