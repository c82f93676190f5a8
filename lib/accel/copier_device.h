/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that moves packets between a GPU's memory and the host's, over the bus: what it is told. */
#ifndef PEERLANE_ACCEL_COPIER_DEVICE_H
#define PEERLANE_ACCEL_COPIER_DEVICE_H

#include <peerlane/lang.h>

/* A piece, in words of COPIER_WORD bytes. As large as one: read from the host's memory in one go, as a NIC reads a
 * descriptor. */
struct copier_piece {
	uint32_t there; /* in the GPU's memory */
	uint32_t here;	/* in the host's */
	uint32_t n_words;
	uint32_t write; /* to the GPU's; 0: from it */
};
#define COPIER_WORD 16u
PL_ASSERT(sizeof(struct copier_piece) == COPIER_WORD, "a piece is a word");
PL_ASSERT(sizeof(pl_pair) == COPIER_WORD, "and so is a pair");

/* Every 1 << `shift` items one after the other, at most a warp, share a piece. */
#define COPIER_SHIFT_MIN 2u
#define COPIER_SHIFT_MAX 5u

#ifdef PL_HOST
/* What item `item` of `n_items` does. */
void copy_run(uint64_t there, uint64_t here, uint64_t pieces, uint32_t n, uint32_t shift,
	      uint32_t item, uint32_t n_items);
#endif

#endif
