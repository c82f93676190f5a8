/* SPDX-License-Identifier: BSD-2-Clause */
/* What the receiver knows of each flow: which numbers have come, and in which order.
 *
 * Reordering is RFC 4737's: a packet is reordered if its number is less than the one that was expected next, which
 * is one more than the greatest that has come. A packet whose number has come already is a duplicate and
 * nothing else. Both are told by a bitmap of the numbers before the expected one: of at least GEN_WINDOW_MIN, of more
 * the fewer flows there are. A packet from before the window counts as reordered, for whether it is a
 * duplicate is not known any more: these are counted besides. */
#ifndef GEN_FLOWS_H
#define GEN_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#define GEN_WINDOW_MIN 256u
#define GEN_WINDOW_MAX 65536u
/* All windows together: 32 MiB at most, and as much again for the counters of a million flows. */
#define GEN_WINDOWS_BITS (1u << 28)

struct gen_flow {
	uint64_t next;	   /* the number expected next */
	uint64_t received; /* different ones, not corrupted */
	uint32_t reordered, duplicated, corrupted, before_window;
	uint64_t window[]; /* bit n: of the number that is n modulo the window's size */
};

struct gen_totals {
	uint64_t received, reordered, duplicated, corrupted, before_window;
};

struct gen_flows {
	uint32_t n;
	uint32_t window_bits; /* a power of two */
	uint32_t stride;      /* bytes */
	uint8_t *flows;
	struct gen_totals all;
};

/* Returns 0 or -ENOMEM. `n` from 1 to GEN_FLOWS_MAX. */
int gen_flows_init(struct gen_flows *flows, uint32_t n);
void gen_flows_fini(struct gen_flows *flows);

/* As if nothing had come. */
void gen_flows_reset(struct gen_flows *flows);

static inline struct gen_flow *gen_flows_get(const struct gen_flows *flows, uint32_t flow)
{
	return (struct gen_flow *)(void *)(flows->flows + (uint64_t)flow * flows->stride);
}

/* A packet has come; `flow` is below flows->n. Returns whether it counts as received. */
bool gen_flows_take(struct gen_flows *flows, uint32_t flow, uint32_t seq, bool corrupt);

#endif
