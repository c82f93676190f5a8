/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in an accelerator's memory that this process cannot reach: the accelerator moves them, between its memory
 * and a staging memory of the host's, which stands for the wire's end of the bus. What it takes to have it do so
 * is the same for one piece and for a thousand; so a turn's pieces are collected, and moved together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"

/* What a piece takes of the staging memory at most, beyond its bytes: it begins where it does in a word. */
#define SLACK (2 * EMU_MOVE_WORD)

int emu_moves_new(struct emu_moves **moves, const struct pl_remote *remote, struct pl_error *err)
{
	uint8_t *staging = remote->staging(remote, err);

	if (!staging)
		return -EIO;
	*moves = calloc(1, sizeof(**moves));
	if (!*moves)
		return pl_error_set(err, -ENOMEM, NULL, "emulated NICs: out of memory");
	(*moves)->remote = remote;
	(*moves)->staging = staging;
	return 0;
}

bool emu_moves_room(const struct emu_nic *nic, unsigned n, size_t len_bytes)
{
	return nic->n_moves + n <= PL_REMOTE_COPIES_MAX &&
	       nic->move_bytes + len_bytes + n * SLACK <= PL_REMOTE_STAGING;
}

uint8_t *emu_moves_add(struct emu_nic *nic, struct emu_moves *moves, uint64_t offset, uint32_t len,
		       bool write)
{
	uint8_t *at = moves->staging + nic->move_bytes + offset % EMU_MOVE_WORD;

	moves->copies[moves->n++] = (struct pl_remote_copy){
		.staging = at, .offset = (uint32_t)offset, .len_bytes = len, .write = write};
	nic->n_moves++;
	nic->move_bytes += (offset % EMU_MOVE_WORD + len + EMU_MOVE_WORD - 1) &
			   ~(EMU_MOVE_WORD - 1);
	return at;
}

int emu_moves_run(struct emu_nic *nic)
{
	int failed = 0;

	for (unsigned i = 0; i < EMU_MAPPINGS_MAX; i++) {
		struct emu_moves *moves = nic->moves[i];
		int rc;

		if (!moves || moves->done == moves->n)
			continue;
		rc = moves->remote->copy(moves->remote, moves->copies + moves->done,
					 moves->n - moves->done);
		moves->done = moves->n;
		if (rc)
			failed = rc;
	}
	if (failed) {
		nic->stats.dma_faults++;
		emu_report(nic, "DMA fault: an accelerator does not move packets: %s",
			   strerror(-failed));
	}
	return failed;
}

void emu_moves_forget(struct emu_nic *nic)
{
	for (unsigned i = 0; i < EMU_MAPPINGS_MAX; i++)
		if (nic->moves[i])
			nic->moves[i]->n = nic->moves[i]->done = 0;
	nic->n_moves = 0;
	nic->move_bytes = 0;
}
