/* SPDX-License-Identifier: BSD-2-Clause */
#include "queue.h"

/* RDLEN and TDLEN: bytes, a multiple of 128. */
#define LEN_MAX 0xFFF80u

const char *emu_queue_kind(const struct emu_queue *q)
{
	return q->tx ? "transmit" : "receive";
}

bool emu_queue_wanted(const struct emu_nic *nic, const struct emu_queue *q)
{
	return emu_bar_load(nic, q->base + RING_DCTL) & DCTL_ENABLE;
}

bool emu_queue_is_complete(struct emu_nic *nic, const struct emu_queue *q, unsigned buffer_kb,
			   unsigned descriptor_type)
{
	const char *lacks = NULL;

	if (emu_bar_load(nic, q->base + RING_LEN) == 0)
		lacks = "a ring of length 0";
	else if (!q->tx && buffer_kb == 0)
		lacks = "SRRCTL.BSIZEPACKET of 0";
	else if (!q->tx && buffer_kb > 16)
		lacks = "SRRCTL.BSIZEPACKET of more than 16 KB";
	else if (!q->tx && descriptor_type != SRRCTL_ADVANCED)
		lacks = "a descriptor type that is not emulated: SRRCTL.DESCTYPE is not 1";
	if (lacks)
		emu_report(nic, "%s queue %u enabled with %s", emu_queue_kind(q), q->n, lacks);
	return !lacks;
}

void emu_queue_start(struct emu_nic *nic, const struct emu_queue *q)
{
	struct emu_ring *ring = q->ring;

	ring->base = (uint64_t)emu_bar_load(nic, q->base + RING_BAH) << 32 |
		     emu_bar_load(nic, q->base + RING_BAL);
	ring->n = emu_bar_load(nic, q->base + RING_LEN) / 16;
	ring->enabled = true;
	emu_ring_start(nic, ring);
}

void emu_queues_count(struct emu_nic *nic, unsigned n)
{
	nic->n_rx = nic->n_tx = 0;
	for (unsigned i = 0; i < n; i++) {
		if (nic->rx[i].enabled)
			nic->n_rx = i + 1;
		if (nic->tx[i].enabled)
			nic->n_tx = i + 1;
	}
}

/* ---- accesses ---- */

static struct emu_queue queue_of(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	return nic->model->queue_of(nic, reg, index);
}

uint32_t emu_queue_dctl_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	struct emu_queue q = queue_of(nic, reg, index);
	uint32_t value = emu_bar_load(nic, q.base + RING_DCTL);

	return (value & ~DCTL_ENABLE) | (*q.on ? DCTL_ENABLE : 0);
}

static bool may_write(struct emu_nic *nic, const struct emu_queue *q, const struct emu_reg *reg)
{
	if (!emu_queue_wanted(nic, q) && !*q->on)
		return true;
	emu_report(nic, "write of %s[%u] while the %s queue is enabled", reg->name, q->n,
		   emu_queue_kind(q));
	return false;
}

static void write_at_rest(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			  uint32_t value)
{
	struct emu_queue q = queue_of(nic, reg, index);

	if (may_write(nic, &q, reg))
		emu_bar_store(nic, reg->offset + index * reg->step, value);
}

void emu_queue_bal_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			 uint32_t value)
{
	if (value % 128)
		emu_report(nic, "%s[%u] 0x%08x is not a multiple of 128", reg->name,
			   queue_of(nic, reg, index).n, value);
	write_at_rest(nic, reg, index, value & ~127u);
}

void emu_queue_bah_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			 uint32_t value)
{
	write_at_rest(nic, reg, index, value);
}

void emu_queue_len_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			 uint32_t value)
{
	if (value & ~LEN_MAX)
		emu_report(nic, "%s[%u] %u is not a multiple of 128 up to %u", reg->name,
			   queue_of(nic, reg, index).n, value, LEN_MAX);
	write_at_rest(nic, reg, index, value & LEN_MAX);
}

void emu_queue_srrctl_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			    uint32_t value)
{
	write_at_rest(nic, reg, index, value);
}

uint32_t emu_queue_head_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	return queue_of(nic, reg, index).ring->head;
}

/* The hardware's; a driver may put it to 0 before it enables the queue. */
void emu_queue_head_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			  uint32_t value)
{
	struct emu_queue q = queue_of(nic, reg, index);

	if (!may_write(nic, &q, reg))
		return;
	if (value)
		emu_report(nic, "%s[%u] set to %u, not 0", reg->name, q.n, value);
	q.ring->head = 0;
}

/* Tails are stored in the BAR, where the engine finds them, by whichever way they come. */
void emu_queue_tail_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			  uint32_t value)
{
	struct emu_queue q = queue_of(nic, reg, index);

	if (!q.ring->enabled && value != q.ring->head)
		emu_report(nic, "%s[%u] set to %u while the %s queue is not enabled", reg->name,
			   q.n, value, emu_queue_kind(&q));
	else if (q.ring->enabled && value >= q.ring->n)
		emu_report(nic, "%s[%u] set to %u, beyond a ring of %u", reg->name, q.n, value,
			   q.ring->n);
	emu_bar_store(nic, q.ring->tail_at, value);
}
