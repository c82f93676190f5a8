/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPU's passes over a burst: what cpu.c and the builds of passes.c agree on. */
#ifndef PEERLANE_PROGRAM_PASSES_H
#define PEERLANE_PROGRAM_PASSES_H

#include <peerlane/burst.h>

#include "../tables/lookup.h"

/* Packets taken through all passes together. Enough to have many table reads under way at once,
 * few enough that keys and headers are still in the nearest caches at the last pass. */
#define PASS_PACKETS 256u

/* Lanes beyond the last key, that vectors may read and write. */
#define PASS_SLACK LOOKUP_SLACK

/* What the passes hand on about the well-formed packets of one family, in their order. */
struct keys {
	uint32_t n;
	uint32_t at[PASS_PACKETS + PASS_SLACK];	  /* place in the burst */
	uint32_t dst[PASS_PACKETS + PASS_SLACK];  /* destination's first 32 bits, host order */
	uint32_t dst2[PASS_PACKETS + PASS_SLACK]; /* IPv6: the next 32 bits */
	uint32_t size[PASS_PACKETS + PASS_SLACK]; /* IP bytes; KEY_LAST_HOP if TTL is up */
	uint32_t word[PASS_PACKETS + PASS_SLACK]; /* that with the TTL or hop limit, decremented */
	uint32_t nexthop[PASS_PACKETS + PASS_SLACK]; /* of the route */
};

/* Flag in keys.size: larger than any MTU, so that one comparison sends the packet to the slow way
 * for either cause. */
#define KEY_LAST_HOP 0x10000u

struct passes_scratch {
	struct keys v4, v6;
};

/* Runs the packet program on all of a burst. Each equals program_packet() on every packet. */
typedef void passes_fn(struct passes_scratch *scratch, const struct tables_view *view,
		       struct pl_burst *burst);
passes_fn passes_plain;
#ifdef __x86_64__
passes_fn passes_avx2, passes_avx512;
#endif

#endif
