/* SPDX-License-Identifier: BSD-2-Clause */
/* Moves pieces between a GPU's memory and the host's. To the host only tests compile it. */
#include "copier_device.h"

/* Loads that are on their way together, of each item: one after the other each would take a turn over the bus. */
#define AHEAD 4u

/* Item `lane` of those that share a piece moves every `n_lanes`th word. */
PL_FN void move(PL_G pl_pair *to, PL_G const pl_pair *from, uint32_t n_words, uint32_t lane,
		uint32_t n_lanes)
{
	pl_pair word[AHEAD];
	uint32_t at, i;

	for (at = lane; at < n_words; at += AHEAD * n_lanes) {
		for (i = 0; i < AHEAD; i++)
			if (at + i * n_lanes < n_words)
				word[i] = from[at + i * n_lanes];
		for (i = 0; i < AHEAD; i++)
			if (at + i * n_lanes < n_words)
				PL_PAIR_SET(to + at + i * n_lanes, word[i].x, word[i].y);
	}
}

PL_FN void run(uint64_t there, uint64_t here, uint64_t pieces, uint32_t n, uint32_t shift,
	       uint32_t item, uint32_t n_items)
{
	PL_G const struct copier_piece *list = (PL_G const struct copier_piece *)pieces;
	uint32_t n_lanes = 1u << shift, lane = item & (n_lanes - 1), i;

	for (i = item >> shift; i < n; i += n_items >> shift) {
		pl_pair words = *(PL_G const pl_pair *)&list[i];
		uint32_t n_words = (uint32_t)words.y;
		PL_G pl_pair *gpu = (PL_G pl_pair *)there + (uint32_t)words.x;
		PL_G pl_pair *host = (PL_G pl_pair *)here + (uint32_t)(words.x >> 32);
		uint32_t write = (uint32_t)(words.y >> 32);

		move(write ? gpu : host, write ? host : gpu, n_words, lane, n_lanes);
	}
}

#ifdef PL_HOST
void copy_run(uint64_t there, uint64_t here, uint64_t pieces, uint32_t n, uint32_t shift,
	      uint32_t item, uint32_t n_items)
{
	run(there, here, pieces, n, shift, item, n_items);
}
#else
PL_ENTRY void copy_run(uint64_t there, uint64_t here, uint64_t pieces, uint32_t n, uint32_t shift)
{
	run(there, here, pieces, n, shift, PL_GROUP() * PL_ITEMS() + PL_ITEM(),
	    PL_GROUPS() * PL_ITEMS());
}
#endif
