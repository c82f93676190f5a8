/* SPDX-License-Identifier: BSD-2-Clause */
#include "tables_reference.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/tables/lookup.h"
#include "tables_help.h"

/* ---- routes ---- */

struct reference *reference_new(uint32_t capacity)
{
	struct reference *r = calloc(1, sizeof(*r));
	uint32_t i;

	assert_non_null(r);
	for (r->mask = 1; r->mask < 2 * capacity; r->mask *= 2)
		;
	r->buckets = malloc(r->mask * sizeof(*r->buckets));
	r->routes = calloc(capacity, sizeof(*r->routes));
	r->maybe = calloc(r->mask, 1);
	assert_non_null(r->buckets);
	assert_non_null(r->routes);
	assert_non_null(r->maybe);
	for (i = 0; i < r->mask; i++)
		r->buckets[i] = REFERENCE_NONE;
	r->mask--;
	r->n_routes = capacity;
	for (i = 0; i < capacity; i++)
		r->routes[i].next = i + 1 < capacity ? i + 1 : REFERENCE_NONE;
	return r;
}

void reference_free(struct reference *r)
{
	free(r->routes);
	free(r->buckets);
	free(r->maybe);
	free(r);
}

/* Where the index of the prefix's route is, or would be. */
static uint32_t *find(const struct reference *r, const struct prefix *p, uint64_t hash)
{
	uint32_t *at = &r->buckets[hash & r->mask];

	while (*at != REFERENCE_NONE && !prefix_equal(&r->routes[*at].prefix, p))
		at = &r->routes[*at].next;
	return at;
}

static void count(struct reference *r, const struct prefix *p, uint32_t change)
{
	bool is6 = p->family == AF_INET6;

	*(is6 ? &r->n6 : &r->n4) += change;
	r->of_length[is6][p->len] += change;
}

void reference_set(struct reference *r, const struct prefix *p, uint32_t nexthop)
{
	uint64_t hash = prefix_hash(p);
	uint32_t *at = find(r, p, hash), i = *at;

	if (i == REFERENCE_NONE) {
		i = r->unused;
		assert_int_not_equal(i, REFERENCE_NONE);
		r->unused = r->routes[i].next;
		r->routes[i] = (struct reference_route){
			.prefix = *p, .next = REFERENCE_NONE, .used = true};
		*at = i;
		r->maybe[hash >> 32 & r->mask] |= (uint8_t)(1u << (hash >> 29 & 7));
		count(r, p, 1);
	}
	r->routes[i].nexthop = nexthop;
}

bool reference_del(struct reference *r, const struct prefix *p)
{
	uint32_t *at = find(r, p, prefix_hash(p)), i = *at;

	if (i == REFERENCE_NONE)
		return false;
	count(r, p, -1u);
	*at = r->routes[i].next;
	r->routes[i].next = r->unused;
	r->routes[i].used = false;
	r->unused = i;
	return true;
}

const struct reference_route *reference_get(const struct reference *r, const struct prefix *p)
{
	uint64_t hash = prefix_hash(p);
	uint32_t i;

	if (!(r->maybe[hash >> 32 & r->mask] & 1u << (hash >> 29 & 7)))
		return NULL;
	i = *find(r, p, hash);
	return i == REFERENCE_NONE ? NULL : &r->routes[i];
}

const struct reference_route *reference_match(const struct reference *r, const struct ip_addr *addr,
					      unsigned max_len)
{
	const uint32_t *of_length = r->of_length[addr->family == AF_INET6];
	unsigned len = max_len + 1;

	while (len--) {
		struct prefix p;
		const struct reference_route *route;

		if (!of_length[len])
			continue;
		p = prefix_make(addr->family, addr->bytes, (uint8_t)len);
		route = reference_get(r, &p);
		if (route)
			return route;
	}
	return NULL;
}

/* ---- comparing ---- */

static void differ(const char *name, uint8_t family, const void *bytes, uint32_t got, uint32_t want)
{
	struct ip_addr addr = {.family = family};
	char text[PREFIX_STRLEN];

	memcpy(addr.bytes, bytes, family_bits(family) / 8);
	fail_msg("%s: %s leads to %u, not to %u", name, ip_addr_print(&addr, text), got, want);
}

static void check_batch4(struct check *c, const struct look *look)
{
	uint32_t got[CHECK_BATCH];
	unsigned i;

	look->ipv4(c->t, c->dst4, got, c->n4);
	for (i = 0; i < c->n4; i++) {
		uint32_t wire = htonl(c->dst4[i]);

		if (got[i] != c->want4[i])
			differ(look->name, AF_INET, &wire, got[i], c->want4[i]);
	}
}

static void check_batch6(struct check *c, const struct look *look)
{
	uint32_t got[CHECK_BATCH];
	unsigned i;

	look->ipv6(c->t, (const uint8_t(*)[16])c->dst6, got, c->n6);
	for (i = 0; i < c->n6; i++)
		if (got[i] != c->want6[i])
			differ(look->name, AF_INET6, c->dst6[i], got[i], c->want6[i]);
}

void check_done(struct check *c)
{
	unsigned i;

	for (i = 0; i < N_LOOKS; i++) {
		check_batch4(c, &looks[i]);
		check_batch6(c, &looks[i]);
	}
	c->n += c->n4 + c->n6;
	c->n4 = c->n6 = 0;
}

void check_addr(struct check *c, const struct ip_addr *addr)
{
	const struct reference_route *route =
		reference_match(c->r, addr, family_bits(addr->family));
	uint32_t want = route ? route->nexthop : 0, word;

	if (addr->family == AF_INET) {
		memcpy(&word, addr->bytes, sizeof(word));
		c->dst4[c->n4] = ntohl(word);
		c->want4[c->n4++] = want;
	} else {
		memcpy(c->dst6[c->n6], addr->bytes, 16);
		c->want6[c->n6++] = want;
	}
	if (c->n4 == CHECK_BATCH || c->n6 == CHECK_BATCH)
		check_done(c);
}

void check_prefix(struct check *c, const struct prefix *p)
{
	addr128 one = (addr128)1 << (128 - family_bits(p->family));
	addr128 first = to_number(p->bytes), last = first | host_bits(p->len);
	struct ip_addr addrs[4] = {
		to_addr(p->family, first),
		to_addr(p->family, last),
		to_addr(p->family, first - one),
		to_addr(p->family, last + one),
	};
	unsigned i;

	for (i = 0; i < 4; i++)
		check_addr(c, &addrs[i]);
}

void check_all(const struct tables *t, const struct reference *r)
{
	struct check c = {.t = t, .r = r};
	struct tables_stats stats;
	uint32_t i, nexthop;

	tables_stats(t, &stats);
	assert_int_equal(stats.routes4, r->n4);
	assert_int_equal(stats.routes6, r->n6);
	for (i = 0; i < r->n_routes; i++) {
		const struct reference_route *route = &r->routes[i];

		if (!route->used)
			continue;
		assert_int_equal(tables_route_get(t, &route->prefix, &nexthop), 0);
		assert_int_equal(nexthop, route->nexthop);
		check_prefix(&c, &route->prefix);
	}
	check_done(&c);
	assert_int_equal(c.n, 4ull * (r->n4 + r->n6));
}

/* ---- ways to look up ---- */

static void one_by_one4(const struct tables *t, const uint32_t *dst, uint32_t *nexthop, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct ip_addr addr = to_addr(AF_INET, (addr128)dst[i] << 96);

		nexthop[i] = tables_image_lookup(t, &addr);
	}
}

static void one_by_one6(const struct tables *t, const uint8_t (*dst)[16], uint32_t *nexthop,
			unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct ip_addr addr = {.family = AF_INET6};

		memcpy(addr.bytes, dst[i], 16);
		nexthop[i] = tables_image_lookup(t, &addr);
	}
}

/* In bulk; what this processor has no build for, one by one. */
static void bulk4(enum cpu_isa isa, const struct tables *t, const uint32_t *dst, uint32_t *nexthop,
		  unsigned n)
{
	const struct lookup *lookup = lookup_for(isa);

	if (lookup)
		lookup->ipv4(tables_view(t), dst, nexthop, n);
	else
		one_by_one4(t, dst, nexthop, n);
}

static void bulk6(enum cpu_isa isa, const struct tables *t, const uint8_t (*dst)[16],
		  uint32_t *nexthop, unsigned n)
{
	const struct lookup *lookup = lookup_for(isa);

	if (lookup)
		lookup->ipv6(tables_view(t), dst, nexthop, n);
	else
		one_by_one6(t, dst, nexthop, n);
}

#define BULK(name, isa)                                                                         \
	static void name##4(const struct tables *t, const uint32_t *dst, uint32_t *nexthop,     \
			    unsigned n)                                                         \
	{                                                                                       \
		bulk4(isa, t, dst, nexthop, n);                                                 \
	}                                                                                       \
	static void name##6(const struct tables *t, const uint8_t(*dst)[16], uint32_t *nexthop, \
			    unsigned n)                                                         \
	{                                                                                       \
		bulk6(isa, t, dst, nexthop, n);                                                 \
	}
BULK(plain, CPU_ISA_PLAIN)
BULK(avx2_, CPU_ISA_AVX2)
BULK(avx512_, CPU_ISA_AVX512)

const struct look looks[N_LOOKS] = {
	{"one by one", one_by_one4, one_by_one6},
	{"plain C", plain4, plain6},
	{"AVX2", avx2_4, avx2_6},
	{"AVX-512", avx512_4, avx512_6},
};
