/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82599's rings: their registers (8.2.3.8, 8.2.3.9) become struct emu_ring. A queue is enabled, and
 * disabled, some time after it has been asked for, which is when its ENABLE bit reads so. */
#include "82599.h"

#define QUEUE_NS 20000u

static struct emu_queue queue_at(struct emu_nic *nic, unsigned n, bool tx)
{
	struct m82599 *m = m82599_of(nic);
	struct emu_ring *ring = tx ? &nic->tx[n] : &nic->rx[n];

	return (struct emu_queue){
		.ring = ring,
		.due_ns = tx ? &m->tx_ns[n] : &m->rx_ns[n],
		.on = &ring->enabled,
		.base = tx ? R_TX(n) : R_RX(n),
		.n = n,
		.tx = tx,
	};
}

/* Whose registers of the table these are. */
struct emu_queue m82599_queue_of(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	return queue_at(nic, reg->first + index,
			reg->offset >= R_TX(0) && reg->offset < R_TX(EMU_QUEUES_MAX));
}

void m82599_queues_reset(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	for (unsigned n = 0; n < EMU_QUEUES_MAX; n++) {
		nic->rx[n] = (struct emu_ring){.tail_at = R_RX(n) + RING_TAIL};
		nic->tx[n] = (struct emu_ring){.tail_at = R_TX(n) + RING_TAIL};
		m->rx_ns[n] = m->tx_ns[n] = 0;
	}
	nic->n_rx = nic->n_tx = 0;
}

/* ---- enable and disable ---- */

static void turn_on(struct emu_nic *nic, const struct emu_queue *q)
{
	struct emu_ring *ring = q->ring;

	if (q->tx) {
		ring->writeback_threshold = TXDCTL_WTHRESH(emu_bar_load(nic, q->base + RING_DCTL));
	} else {
		uint32_t srrctl = emu_bar_load(nic, q->base + RING_SRRCTL);

		ring->buffer_bytes = SRRCTL_BSIZEPACKET(srrctl) * 1024;
		ring->drop = srrctl & SRRCTL_DROP_EN;
	}
	emu_queue_start(nic, q);
}

static void settle(struct emu_nic *nic, const struct emu_queue *q)
{
	struct m82599 *m = m82599_of(nic);
	bool on = emu_queue_wanted(nic, q), held;

	if (on)
		held = q->tx ? nic->faults[EMU_FAULT_TX_ENABLE] ||
				       !(emu_bar_load(nic, R_DMATXCTL) & DMATXCTL_TE)
			     : nic->faults[EMU_FAULT_RX_ENABLE];
	else
		held = !q->tx && nic->faults[EMU_FAULT_RX_DISABLE];
	if (!m82599_due(m, q->due_ns, held))
		return;
	if (on)
		turn_on(nic, q);
	else
		q->ring->enabled = false;
	emu_queues_count(nic, EMU_QUEUES_MAX);
}

void m82599_queues_settle(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	for (unsigned n = 0; n < EMU_QUEUES_MAX; n++) {
		struct emu_queue rx, tx;

		if (!m->rx_ns[n] && !m->tx_ns[n])
			continue;
		rx = queue_at(nic, n, false);
		tx = queue_at(nic, n, true);
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

/* The enable bit of a control register has been written. */
static void want(struct emu_nic *nic, const struct emu_queue *q, uint32_t value)
{
	bool on = value & DCTL_ENABLE, was = emu_queue_wanted(nic, q);

	if (on && !was && q->ring->enabled)
		emu_report(nic, "%s queue %u enabled before it has been disabled",
			   emu_queue_kind(q), q->n);
	if (on && !was && !is_complete(nic, q)) {
		emu_bar_store(nic, q->base + RING_DCTL, value & ~DCTL_ENABLE);
		return;
	}
	emu_bar_store(nic, q->base + RING_DCTL, value);
	if (on != was)
		m82599_later(m82599_of(nic), q->due_ns, QUEUE_NS);
}

M82599_WRITE(rxdctl)
{
	struct emu_queue q = m82599_queue_of(nic, reg, index);

	if (value & RXDCTL_VME)
		emu_report(nic, "RXDCTL[%u].VME: stripping of VLAN tags is not emulated", q.n);
	want(nic, &q, value & ~DCTL_SWFLSH);
}

M82599_WRITE(txdctl)
{
	struct emu_queue q = m82599_queue_of(nic, reg, index);

	/* 8.2.3.9.10 */
	if (TXDCTL_PTHRESH(value) && !TXDCTL_HTHRESH(value))
		emu_report(nic, "TXDCTL[%u] has PTHRESH without HTHRESH", q.n);
	/* 4.6.8: transmission as a whole is enabled first. */
	if (value & DCTL_ENABLE && !(emu_bar_load(nic, R_DMATXCTL) & DMATXCTL_TE))
		emu_report(nic, "transmit queue %u enabled before DMATXCTL.TE", q.n);
	want(nic, &q, value & ~DCTL_SWFLSH);
}

M82599_WRITE(rscctl)
{
	if (value & RSCCTL_RSCEN)
		emu_report(nic, "RSCCTL[%u].RSCEN: coalescing is not emulated",
			   m82599_queue_of(nic, reg, index).n);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}

M82599_WRITE(tdwbal)
{
	if (value & TDWBAL_ENABLE)
		emu_report(nic, "TDWBAL[%u].Head_WB_En: head write-back is not emulated", index);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}
