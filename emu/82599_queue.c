/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82599's rings: their registers (8.2.3.8, 8.2.3.9) become struct emu_ring. A queue is enabled, and
 * disabled, some time after it has been asked for, which is when its ENABLE bit reads so. */
#include "82599.h"

#define QUEUE_NS 20000u

#define LEN_MAX 0xFFF80u

struct queue {
	struct emu_ring *ring;
	uint64_t *due_ns;
	uint32_t base; /* of its registers */
	unsigned n;
	bool tx;
};

/* Whose registers of the table these are. */
static struct queue queue_of(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	struct m82599 *m = m82599_of(nic);
	bool tx = reg->offset >= R_TX(0) && reg->offset < R_TX(EMU_QUEUES_MAX);
	unsigned n = reg->first + index;

	return (struct queue){
		.ring = tx ? &nic->tx[n] : &nic->rx[n],
		.due_ns = tx ? &m->tx_ns[n] : &m->rx_ns[n],
		.base = tx ? R_TX(n) : R_RX(n),
		.n = n,
		.tx = tx,
	};
}

static const char *kind(const struct queue *q)
{
	return q->tx ? "transmit" : "receive";
}

static bool wanted(const struct emu_nic *nic, const struct queue *q)
{
	return emu_bar_load(nic, q->base + RING_DCTL) & DCTL_ENABLE;
}

/* Whether a register may be written, which is only while its queue is disabled. */
static bool may_write(struct emu_nic *nic, const struct queue *q, const struct emu_reg *reg)
{
	if (!wanted(nic, q) && !q->ring->enabled)
		return true;
	emu_report(nic, "write of %s[%u] while the %s queue is enabled", reg->name, q->n, kind(q));
	return false;
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

static void count_enabled(struct emu_nic *nic)
{
	nic->n_rx = nic->n_tx = 0;
	for (unsigned n = 0; n < EMU_QUEUES_MAX; n++) {
		if (nic->rx[n].enabled)
			nic->n_rx = n + 1;
		if (nic->tx[n].enabled)
			nic->n_tx = n + 1;
	}
}

static void turn_on(struct emu_nic *nic, const struct queue *q)
{
	struct emu_ring *ring = q->ring;

	ring->base = (uint64_t)emu_bar_load(nic, q->base + RING_BAH) << 32 |
		     emu_bar_load(nic, q->base + RING_BAL);
	ring->n = emu_bar_load(nic, q->base + RING_LEN) / 16;
	if (q->tx) {
		ring->writeback_threshold = TXDCTL_WTHRESH(emu_bar_load(nic, q->base + RING_DCTL));
	} else {
		uint32_t srrctl = emu_bar_load(nic, q->base + RING_SRRCTL);

		ring->buffer_bytes = SRRCTL_BSIZEPACKET(srrctl) * 1024;
		ring->drop = srrctl & SRRCTL_DROP_EN;
	}
	ring->enabled = true;
	emu_ring_start(nic, ring);
}

static void settle(struct emu_nic *nic, const struct queue *q)
{
	struct m82599 *m = m82599_of(nic);
	bool on = wanted(nic, q), held;

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
	count_enabled(nic);
}

void m82599_queues_settle(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	for (unsigned n = 0; n < EMU_QUEUES_MAX; n++) {
		if (m->rx_ns[n])
			settle(nic, &(struct queue){&nic->rx[n], &m->rx_ns[n], R_RX(n), n, false});
		if (m->tx_ns[n])
			settle(nic, &(struct queue){&nic->tx[n], &m->tx_ns[n], R_TX(n), n, true});
	}
}

/* What a queue must have before it is enabled. Without, it never is. */
static bool is_complete(struct emu_nic *nic, const struct queue *q)
{
	uint32_t len = emu_bar_load(nic, q->base + RING_LEN);
	uint32_t srrctl = emu_bar_load(nic, q->base + RING_SRRCTL);
	const char *lacks = NULL;

	if (len == 0)
		lacks = "a ring of length 0";
	else if (!q->tx && SRRCTL_BSIZEPACKET(srrctl) == 0)
		lacks = "SRRCTL.BSIZEPACKET of 0";
	else if (!q->tx && SRRCTL_BSIZEPACKET(srrctl) > 16)
		lacks = "SRRCTL.BSIZEPACKET of more than 16 KB";
	else if (!q->tx && SRRCTL_DESCTYPE(srrctl) != SRRCTL_ADVANCED)
		lacks = "a descriptor type that is not emulated: SRRCTL.DESCTYPE is not 1";
	if (lacks)
		emu_report(nic, "%s queue %u enabled with %s", kind(q), q->n, lacks);
	return !lacks;
}

/* The enable bit of a control register has been written. */
static void want(struct emu_nic *nic, const struct queue *q, uint32_t value)
{
	bool on = value & DCTL_ENABLE, was = wanted(nic, q);

	if (on && !was && q->ring->enabled)
		emu_report(nic, "%s queue %u enabled before it has been disabled", kind(q), q->n);
	if (on && !was && !is_complete(nic, q)) {
		emu_bar_store(nic, q->base + RING_DCTL, value & ~DCTL_ENABLE);
		return;
	}
	emu_bar_store(nic, q->base + RING_DCTL, value);
	if (on != was)
		m82599_later(m82599_of(nic), q->due_ns, QUEUE_NS);
}

M82599_READ(dctl)
{
	struct queue q = queue_of(nic, reg, index);
	uint32_t value = emu_bar_load(nic, q.base + RING_DCTL);

	return (value & ~DCTL_ENABLE) | (q.ring->enabled ? DCTL_ENABLE : 0);
}

M82599_WRITE(rxdctl)
{
	struct queue q = queue_of(nic, reg, index);

	if (value & RXDCTL_VME)
		emu_report(nic, "RXDCTL[%u].VME: stripping of VLAN tags is not emulated", q.n);
	want(nic, &q, value & ~DCTL_SWFLSH);
}

M82599_WRITE(txdctl)
{
	struct queue q = queue_of(nic, reg, index);

	/* 8.2.3.9.10 */
	if (TXDCTL_PTHRESH(value) && !TXDCTL_HTHRESH(value))
		emu_report(nic, "TXDCTL[%u] has PTHRESH without HTHRESH", q.n);
	/* 4.6.8: transmission as a whole is enabled first. */
	if (value & DCTL_ENABLE && !(emu_bar_load(nic, R_DMATXCTL) & DMATXCTL_TE))
		emu_report(nic, "transmit queue %u enabled before DMATXCTL.TE", q.n);
	want(nic, &q, value & ~DCTL_SWFLSH);
}

/* ---- the ring ---- */

M82599_WRITE(bal)
{
	struct queue q = queue_of(nic, reg, index);

	if (value % 128)
		emu_report(nic, "%s[%u] 0x%08x is not a multiple of 128", reg->name, q.n, value);
	if (may_write(nic, &q, reg))
		emu_bar_store(nic, q.base + RING_BAL, value & ~127u);
}

M82599_WRITE(bah)
{
	struct queue q = queue_of(nic, reg, index);

	if (may_write(nic, &q, reg))
		emu_bar_store(nic, q.base + RING_BAH, value);
}

M82599_WRITE(len)
{
	struct queue q = queue_of(nic, reg, index);

	if (value & ~LEN_MAX)
		emu_report(nic, "%s[%u] %u is not a multiple of 128 up to %u", reg->name, q.n,
			   value, LEN_MAX);
	if (may_write(nic, &q, reg))
		emu_bar_store(nic, q.base + RING_LEN, value & LEN_MAX);
}

M82599_READ(head)
{
	return queue_of(nic, reg, index).ring->head;
}

/* The hardware's; a driver may put it to 0 before it enables the queue. */
M82599_WRITE(head)
{
	struct queue q = queue_of(nic, reg, index);

	if (!may_write(nic, &q, reg))
		return;
	if (value)
		emu_report(nic, "%s[%u] set to %u, not 0", reg->name, q.n, value);
	q.ring->head = 0;
}

/* Tails are stored in the BAR, where the engine finds them, by whichever way they come. */
M82599_WRITE(tail)
{
	struct queue q = queue_of(nic, reg, index);

	if (!q.ring->enabled && value != q.ring->head)
		emu_report(nic, "%s[%u] set to %u while the %s queue is not enabled", reg->name,
			   q.n, value, kind(&q));
	else if (q.ring->enabled && value >= q.ring->n)
		emu_report(nic, "%s[%u] set to %u, beyond a ring of %u", reg->name, q.n, value,
			   q.ring->n);
	emu_bar_store(nic, q.ring->tail_at, value);
}

M82599_WRITE(srrctl)
{
	struct queue q = queue_of(nic, reg, index);

	if (may_write(nic, &q, reg))
		emu_bar_store(nic, q.base + RING_SRRCTL, value);
}

M82599_WRITE(rscctl)
{
	if (value & RSCCTL_RSCEN)
		emu_report(nic, "RSCCTL[%u].RSCEN: coalescing is not emulated",
			   queue_of(nic, reg, index).n);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}

M82599_WRITE(tdwbal)
{
	if (value & TDWBAL_ENABLE)
		emu_report(nic, "TDWBAL[%u].Head_WB_En: head write-back is not emulated", index);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}
