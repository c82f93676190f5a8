/* SPDX-License-Identifier: BSD-2-Clause */
/* Bulk lookup: the next hops of many destinations, whose walks through the trie advance together so
 * that their cache misses overlap. For readers, on the CPU; image.h has the lookup of one.
 *
 * Like every reader the caller holds its view no longer than to its next quiescent state (tables.h).
 * While routes change, each answer is the one before or the one after a change to that destination;
 * two in the same call may differ in which. */
#ifndef PEERLANE_TABLES_LOOKUP_H
#define PEERLANE_TABLES_LOOKUP_H

#include <stdbool.h>

#include "image.h"
#include "isa.h"

/* nexthop[i] = route4_lookup(view, dst[i]), for any `n`; destinations in host order. Touches no word
 * of either array beyond the first `n`; the two do not overlap. */
typedef void lookup4_fn(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			unsigned n);

/* The same for IPv6: destinations in wire order, at any alignment. */
typedef void lookup6_fn(const struct tables_view *view, const uint8_t (*dst)[16], uint32_t *nexthop,
			unsigned n);

struct lookup {
	lookup4_fn *ipv4;
	lookup6_fn *ipv6;
};

/* The build for an instruction set; NULL if this processor does not have it. */
const struct lookup *lookup_for(enum cpu_isa isa);

/* Lookups for the packet program. They expect to find little of the tables in the caches, as where
 * packets pass between two lookups, and prefetch, which takes longer where there was no need. They read
 * and write up to LOOKUP_SLACK words beyond the first `n`. */
#define LOOKUP_SLACK 16u

typedef void lookup4_cold_fn(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			     unsigned n);

/* From the first 64 bits of addresses, given in host order as two arrays of words. What they do not
 * decide, a destination out of 2000::/3 or one inside of longer prefixes, has TRIE_CHILD set in its
 * answer, and the caller is to ask route6_lookup(). Returns whether there is such a one. */
typedef bool lookup6_cold_fn(const struct tables_view *view, const uint32_t *dst,
			     const uint32_t *dst2, uint32_t *nexthop, unsigned n);

/* The builds by name, for code that is itself built for an instruction set. */
lookup4_fn lookup4_plain;
lookup6_fn lookup6_plain;
lookup4_cold_fn lookup4_cold_plain;
lookup6_cold_fn lookup6_cold_plain;
#ifdef __x86_64__
lookup4_fn lookup4_avx2, lookup4_avx512;
lookup6_fn lookup6_avx2, lookup6_avx512;
lookup4_cold_fn lookup4_cold_avx2, lookup4_cold_avx512;
lookup6_cold_fn lookup6_cold_avx2, lookup6_cold_avx512;
#endif

#endif
