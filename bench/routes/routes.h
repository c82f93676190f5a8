/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole routing tables: read from a file, or generated so that they resemble the Internet's.
 *
 * For benchmarks and tests; any thread, one at a time per struct. */
#ifndef BENCH_ROUTES_H
#define BENCH_ROUTES_H

#include <stdint.h>

#include "../../router/tables/prefix.h"

/* What a default-free router had in January 2024: the table that the generator's model was measured
 * on, and the most it makes. */
#define ROUTES_FULL4 901899u
#define ROUTES_FULL6 160147u

#define ROUTES_READ_MAX (1u << 22) /* of one family, from a file */
#define ROUTES_ERROR_MAX 256

struct routes {
	struct prefix *list; /* n4 IPv4 prefixes, then n6 IPv6 */
	uint32_t n4, n6;
};

/* Makes a table of exactly so many prefixes, all different, in the order of their addresses; the
 * same for the same arguments.
 *
 * Lengths, nesting and clustering are those of a real table (see private.h). A small one is a sample
 * of whole neighbourhoods out of a full one (IPv4 /16, IPv6 /32, with few of the covers beyond).
 *
 * Returns 0 and *r, for routes_free(); -ENOMEM, or -EINVAL: more than ROUTES_FULL4 or ROUTES_FULL6. */
int routes_generate(struct routes *r, uint64_t seed, uint32_t n4, uint32_t n6);

/* Reads a file, "-": standard input. One prefix a line ("192.0.2.0/24", "2001:db8::/32"), `#` begins
 * a comment; spaces, CRs and empty lines are skipped. Keeps the order within each family, and what
 * is there twice.
 *
 * Returns 0 and *r, for routes_free(); or -errno and in `error` where and what is wrong. */
int routes_read(struct routes *r, const char *path, char error[ROUTES_ERROR_MAX]);

void routes_free(struct routes *r);

/* Brings each family's prefixes into a random order. */
void routes_shuffle(struct routes *r, uint64_t seed);

/* A next hop for the prefix, 0 to n - 1: the same for the same arguments, otherwise random and
 * independent of all other prefixes'. In a real table neighbouring routes mostly go the same way,
 * which tables that merge equal neighbours profit from: this is their worst case. */
uint32_t routes_nexthop(const struct prefix *p, uint64_t seed, uint32_t n);

#define ROUTES_DEPTHS 12 /* how many others may cover one; the last counts all deeper ones */
#define ROUTES_RUNS 16

/* What characterises the table of one family. */
struct routes_stats {
	uint32_t n, duplicates;	       /* n: without those */
	uint32_t length[129];	       /* by length */
	uint32_t depth[ROUTES_DEPTHS]; /* by how many others cover it */
	uint32_t occupied
		[128]; /* by length: address ranges of that length that have longer ones inside */
	uint32_t siblings;	   /* those that differ only in the last bit from another */
	uint32_t run[ROUTES_RUNS]; /* runs of same-length neighbours: of 1, 2-3, 4-7, ... */
};

/* Returns 0 or -ENOMEM. */
int routes_stats(const struct routes *r, uint8_t family, struct routes_stats *s);

#endif
