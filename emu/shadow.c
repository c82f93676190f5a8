/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors as they were when a tail first covered them: whoever changes one that the NIC owns is found
 * out at the next turn. For tests; it reads all of each ring at every turn. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct emu_shadow {
	struct emu_descriptor *rings[2][EMU_QUEUES_MAX]; /* NULL: not used yet */
};

int emu_watch_descriptors(struct pl_pci *pci)
{
	struct emu_nic *nic = (struct emu_nic *)pci;
	struct emu_shadow *shadow = calloc(1, sizeof(*shadow));

	if (!shadow)
		return -ENOMEM;
	emu_lock(nic);
	emu_shadow_free(nic->engine);
	nic->engine->shadow = shadow;
	emu_unlock(nic);
	return 0;
}

void emu_shadow_forget(struct emu_engine *engine)
{
	if (!engine->shadow)
		return;
	for (unsigned i = 0; i < EMU_QUEUES_MAX; i++) {
		free(engine->shadow->rings[0][i]);
		free(engine->shadow->rings[1][i]);
		engine->shadow->rings[0][i] = engine->shadow->rings[1][i] = NULL;
	}
}

void emu_shadow_free(struct emu_engine *engine)
{
	emu_shadow_forget(engine);
	free(engine->shadow);
	engine->shadow = NULL;
}

void emu_shadow_look(struct emu_nic *nic, unsigned queue, bool tx,
		     const struct emu_descriptor *descriptors, uint32_t tail)
{
	struct emu_ring *ring = tx ? &nic->tx[queue] : &nic->rx[queue];
	struct emu_descriptor **copy = &nic->engine->shadow->rings[tx][queue];
	uint32_t at = ring->head;

	if (!*copy)
		*copy = calloc(EMU_RING_MAX, sizeof(**copy));
	if (!*copy || ring->n > EMU_RING_MAX)
		return;
	for (; at != ring->tail_seen; at = at + 1 == ring->n ? 0 : at + 1)
		if (memcmp(&(*copy)[at], &descriptors[at], sizeof(**copy)))
			break;
	if (at != ring->tail_seen) {
		emu_ring_stuck(nic, ring, tx ? "TX" : "RX", queue,
			       "descriptor %u was written while it was the NIC's", at);
		return;
	}
	for (; at != tail; at = at + 1 == ring->n ? 0 : at + 1)
		(*copy)[at] = descriptors[at];
}

void emu_shadow_turn(struct emu_nic *nic)
{
	struct emu_descriptor *descriptors;

	for (unsigned i = 0; i < nic->n_rx; i++)
		emu_ring_look(nic, i, false, &descriptors);
	for (unsigned i = 0; i < nic->n_tx; i++)
		emu_ring_look(nic, i, true, &descriptors);
}
