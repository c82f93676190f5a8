/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of large tables compare them with: all routes in one hash table, by prefix, asked for
 * one length after the other, the longest first. Shares no code with the tables. */
#ifndef PEERLANE_TESTS_TABLES_REFERENCE_H
#define PEERLANE_TESTS_TABLES_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../router/tables/tables.h"

#define REFERENCE_NONE 0xffffffffu

struct reference_route {
	struct prefix prefix;
	uint32_t nexthop;
	uint32_t next; /* in its bucket, or in the list of unused ones */
	bool used;
};

struct reference {
	struct reference_route *routes; /* in no order; some unused */
	uint32_t n_routes, unused;	/* how many there are; the first unused one */
	uint32_t *buckets, mask;
	uint8_t *
		maybe; /* a bit per some hash, set if a prefix of it was ever there: most were not */
	uint32_t n4, n6;
	uint32_t of_length[2][129]; /* how many; [1]: IPv6 */
};

/* For `capacity` routes at most. Never NULL. */
struct reference *reference_new(uint32_t capacity);
void reference_free(struct reference *r);

/* Inserts or replaces. */
void reference_set(struct reference *r, const struct prefix *p, uint32_t nexthop);

/* Deletes; false if there is no such route. */
bool reference_del(struct reference *r, const struct prefix *p);

/* The route of exactly this prefix, or NULL. */
const struct reference_route *reference_get(const struct reference *r, const struct prefix *p);

/* The longest route for an address that is no longer than `max_len`, or NULL. */
const struct reference_route *reference_match(const struct reference *r, const struct ip_addr *addr,
					      unsigned max_len);

/* ---- comparing a table with it ---- */

#define CHECK_BATCH 256u

/* Addresses are gathered and looked up many at a time, in each way that there is. */
struct check {
	const struct tables *t;
	const struct reference *r;
	uint64_t n; /* addresses checked */
	uint32_t dst4[CHECK_BATCH], want4[CHECK_BATCH];
	uint8_t dst6[CHECK_BATCH][16];
	uint32_t want6[CHECK_BATCH];
	unsigned n4, n6;
};

/* Checks what is said about an address. The test fails here or in check_done(). */
void check_addr(struct check *c, const struct ip_addr *addr);

/* Checks the prefix's first, last, one-below and one-above address. */
void check_prefix(struct check *c, const struct prefix *p);

/* Checks what is gathered. To be called before the table changes. */
void check_done(struct check *c);

/* Checks all prefixes of the reference, how many there are, and what each leads to by itself. */
void check_all(const struct tables *t, const struct reference *r);

/* ---- ways to look up ---- */

typedef void look4_fn(const struct tables *t, const uint32_t *dst, uint32_t *nexthop, unsigned n);
typedef void look6_fn(const struct tables *t, const uint8_t (*dst)[16], uint32_t *nexthop,
		      unsigned n);

/* For destinations as lookup.h has them: IPv4 in host order, IPv6 in wire order. */
struct look {
	const char *name;
	look4_fn *ipv4;
	look6_fn *ipv6;
};

#define N_LOOKS 4u
extern const struct look looks[N_LOOKS];

#endif
