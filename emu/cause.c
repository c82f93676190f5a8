/* SPDX-License-Identifier: BSD-2-Clause */
#include "cause.h"

void emu_causes_reset(struct emu_causes *causes)
{
	*causes = (struct emu_causes){.other_vector = -1};
}

/* By vector. */
static uint64_t pending(const struct emu_causes *causes)
{
	uint64_t vectors = causes->queue & causes->queue_mask;
	bool other = causes->other & causes->other_mask;

	if (causes->single)
		return vectors || other;
	if (other && causes->other_vector >= 0)
		vectors |= (uint64_t)1 << causes->other_vector;
	return vectors;
}

/* A message has gone out: what goes with it. */
static void sent(struct emu_causes *causes, unsigned vector)
{
	uint64_t queue = causes->single ? UINT64_MAX : (uint64_t)1 << vector;
	bool other = causes->single || (int)vector == causes->other_vector;

	causes->told |= (uint64_t)1 << vector;
	causes->queue &= ~(queue & causes->queue_mask & causes->auto_clear);
	if (!causes->auto_mask_on)
		return;
	causes->queue_mask &= ~(queue & causes->auto_mask);
	if (other)
		causes->other_mask &= ~causes->other_auto_mask;
}

uint64_t emu_causes_tick(struct emu_nic *nic, struct emu_causes *causes, uint64_t now_ns)
{
	uint64_t vectors = pending(causes), next_ns = UINT64_MAX;

	causes->told &= vectors;
	vectors &= ~causes->told;
	for (; vectors; vectors &= vectors - 1) {
		unsigned vector = (unsigned)__builtin_ctzll(vectors);

		if (causes->quiet_until_ns[vector] > now_ns) {
			if (causes->quiet_until_ns[vector] < next_ns)
				next_ns = causes->quiet_until_ns[vector];
			continue;
		}
		/* One that cannot be sent stays pending, as in the MSI-X pending bits, until bus
		 * mastering or the vector's eventfd brings us here again. */
		if (!emu_msix(nic, vector))
			continue;
		causes->quiet_until_ns[vector] = now_ns + causes->interval_ns[vector];
		sent(causes, vector);
	}
	causes->told &= pending(causes);
	return next_ns;
}

/* The clock is read only when a message may have to go. */
static void look(struct emu_nic *nic, struct emu_causes *causes)
{
	if (pending(causes) & ~causes->told)
		emu_causes_tick(nic, causes, emu_now_ns());
}

void emu_causes_set(struct emu_nic *nic, struct emu_causes *causes, uint64_t queue, uint32_t other)
{
	causes->queue |= queue;
	causes->other |= other;
	look(nic, causes);
}

void emu_causes_clear(struct emu_causes *causes, uint64_t queue, uint32_t other)
{
	causes->queue &= ~queue;
	causes->other &= ~other;
	causes->told &= pending(causes);
}

void emu_causes_enable(struct emu_nic *nic, struct emu_causes *causes, uint64_t queue,
		       uint32_t other)
{
	causes->queue_mask |= queue;
	causes->other_mask |= other;
	/* 82599 datasheet 8.2.3.5.18, PBA_support: what is enabled may send again. */
	if (causes->single)
		causes->told = 0;
	causes->told &= ~queue;
	if (other && causes->other_vector >= 0)
		causes->told &= ~((uint64_t)1 << causes->other_vector);
	look(nic, causes);
}

void emu_causes_disable(struct emu_causes *causes, uint64_t queue, uint32_t other)
{
	causes->queue_mask &= ~queue;
	causes->other_mask &= ~other;
	causes->told &= pending(causes);
}
