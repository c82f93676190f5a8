/* SPDX-License-Identifier: BSD-2-Clause */
/* An accelerator's memory that emulated NICs have no way of their own to, and what moves packets there and back: a
 * thread, which does it late, and in an order of its own. It alone, and the test, have the memory. */
#ifndef TESTS_MOVER_H
#define TESTS_MOVER_H

#include <stdbool.h>

#include <peerlane/memory.h>

struct mover;

/* Fills in `remote`. Ends the program if it cannot. */
struct mover *mover_new(struct pl_remote *remote, size_t len_bytes, size_t page_bytes);
void mover_free(struct mover *mover);

/* The memory, as the accelerator's program sees it. */
uint8_t *mover_memory(const struct mover *mover);

/* From now on nothing is moved, and whoever asks is told so; or again. */
void mover_fail(struct mover *mover, bool fail);

/* So far: times it was asked, the most pieces at once, bytes into the memory and out of it. */
struct mover_counts {
	unsigned batches, largest;
	uint64_t written, read;
};
struct mover_counts mover_counts(struct mover *mover);

#endif
