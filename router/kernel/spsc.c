/* SPDX-License-Identifier: BSD-2-Clause */
#include "spsc.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct spsc_slot, data) % 16 == 2, "data as misaligned as in the pools");

int spsc_init(struct spsc *ring, uint32_t n_slots, uint32_t capacity_bytes)
{
	uint32_t lines;

	memset(ring, 0, sizeof(*ring));
	if (!n_slots || n_slots & (n_slots - 1) || !capacity_bytes || capacity_bytes > UINT16_MAX)
		return -EINVAL;

	/* An odd number of cache lines: slots a power of two apart would all compete for the same
	 * few sets of the first-level cache. */
	lines = (offsetof(struct spsc_slot, data) + capacity_bytes - 1) / SPSC_LINE_BYTES + 1;
	lines |= 1;
	ring->slots = aligned_alloc(SPSC_LINE_BYTES, (size_t)n_slots * lines * SPSC_LINE_BYTES);
	if (!ring->slots)
		return -ENOMEM;
	memset(ring->slots, 0, (size_t)n_slots * lines * SPSC_LINE_BYTES);
	ring->n_slots = n_slots;
	ring->slot_bytes = lines * SPSC_LINE_BYTES;
	ring->capacity_bytes = capacity_bytes;
	return 0;
}

void spsc_fini(struct spsc *ring)
{
	free(ring->slots);
	memset(ring, 0, sizeof(*ring));
}
