/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes of many small tables, made at random, and of tables that run out of blocks: all answers,
 * in all ways to look up, after every change. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../bench/routes/routes.h"
#include "../../router/tables/private.h"
#include "tables_help.h"
#include "tables_reference.h"

/* One thread has no races to find, and the sanitizer makes the reference very slow. */
#ifdef TSAN
#define SCALE(n) ((n) / 20)
#else
#define SCALE(n) (n)
#endif

#define SEED 1
#define NO_ROUTE_REASON 7
#define ROUNDS SCALE(400u)
#define CHANGES 60u /* of one small table */
#define ROUTES_AT_MOST 40u
#define N_NEXTHOPS 65000u
#define SOME_NEXTHOPS 64u

static void grace(void)
{
}

/* One small table: its addresses share beginnings, and it leads to few or to many next hops. */
struct small {
	struct tables *t;
	struct reference *r;
	uint64_t *seed;
	uint8_t family;
	addr128 base[3];
	uint32_t nexthop[SOME_NEXTHOPS], n_nexthops;
};

/* Anywhere; in IPv6 half of them at the edges of 2000::/3, in which another root is used. */
static addr128 any_base(uint8_t family, uint64_t *seed)
{
	static const uint64_t edges[] = {0x1fffffffffffffff, 0x2000000000000000, 0x3fffffffffffffff,
					 0x4000000000000000};
	addr128 any = (addr128)random64(seed) << 64 | random64(seed);

	if (family == AF_INET6 && random_below(seed, 2))
		return (addr128)edges[random_below(seed, 4)] << 64 | random64(seed);
	return any & ~host_bits(family_bits(family));
}

static void make_small(struct small *s)
{
	static const uint8_t few[] = {1, 2, 3, SOME_NEXTHOPS};
	unsigned i;

	s->family = random_below(s->seed, 2) ? AF_INET : AF_INET6;
	for (i = 0; i < 3; i++)
		s->base[i] = any_base(s->family, s->seed);
	s->n_nexthops = few[random_below(s->seed, 4)];
	for (i = 0; i < s->n_nexthops; i++)
		s->nexthop[i] = random_below(s->seed, N_NEXTHOPS + 1);
}

/* One that goes along with one of the bases up to some bit, to nest, or leaves it there, to touch. */
static struct prefix any_prefix(struct small *s)
{
	unsigned bits = family_bits(s->family), len = random_below(s->seed, bits + 1);
	addr128 addr = s->base[random_below(s->seed, 3)];

	/* Those that are as large as a whole root take long. */
	if (len < 8 && random_below(s->seed, 16))
		len += 8;
	if (random_below(s->seed, 2))
		addr ^= (addr128)1 << (127 - random_below(s->seed, bits));
	return to_prefix(s->family, addr, len);
}

/* Changes one route and checks all. */
static void change(struct small *s)
{
	struct prefix p = any_prefix(s);
	struct check c = {.t = s->t, .r = s->r};
	uint32_t nexthop = s->nexthop[random_below(s->seed, s->n_nexthops)], i;

	if (random_below(s->seed, 3) == 0) {
		i = random_below(s->seed, s->r->n_routes);
		if (s->r->routes[i].used)
			p = s->r->routes[i].prefix;
	}
	if (reference_get(s->r, &p) && random_below(s->seed, 2)) {
		assert_int_equal(tables_route_del(s->t, &p), 0);
		reference_del(s->r, &p);
	} else if (reference_get(s->r, &p) || s->r->n4 + s->r->n6 < ROUTES_AT_MOST) {
		assert_int_equal(tables_route_set(s->t, &p, nexthop), 0);
		reference_set(s->r, &p, nexthop);
	}
	check_all(s->t, s->r);
	check_prefix(&c, &p);
	for (i = 0; i < 3; i++) {
		struct ip_addr addr = to_addr(s->family, s->base[i] ^ random64(s->seed));

		check_addr(&c, &addr);
	}
	check_done(&c);
}

static void remove_all(struct small *s)
{
	uint32_t i;

	for (i = 0; i < s->r->n_routes; i++) {
		struct prefix p = s->r->routes[i].prefix;

		if (!s->r->routes[i].used)
			continue;
		assert_int_equal(tables_route_del(s->t, &p), 0);
		reference_del(s->r, &p);
		check_all(s->t, s->r);
	}
	tables_settle(s->t);
}

static void small_tables(void **state)
{
	uint64_t seed = SEED;
	struct small s = {.seed = &seed};
	struct tables_stats empty, stats;
	unsigned round, i;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	s.t = tables_new(grace, NO_ROUTE_REASON);
	s.r = reference_new(ROUTES_AT_MOST);
	assert_non_null(s.t);
	make_nexthops(s.t, N_NEXTHOPS);
	tables_stats(s.t, &empty);
	for (round = 0; round < ROUNDS; round++) {
		make_small(&s);
		for (i = 0; i < CHANGES; i++)
			change(&s);
		remove_all(&s);
		tables_stats(s.t, &stats);
		assert_memory_equal(&stats, &empty, sizeof(stats));
	}
	reference_free(s.r);
	tables_free(s.t);
}

/* ---- running out of blocks ---- */

#define LIMIT_ROUTES4 SCALE(60000u)
#define LIMIT_ROUTES6 SCALE(20000u)

/* Sets what fits. Returns how many did not. */
static uint32_t set_what_fits(struct tables *t, struct reference *r, const struct routes *routes)
{
	uint32_t refused = 0, n = routes->n4 + routes->n6, i;

	for (i = 0; i < n; i++) {
		const struct prefix *p = &routes->list[i];
		uint32_t nexthop = 1 + routes_nexthop(p, SEED, 255);
		struct tables_stats before, after;
		int err;

		tables_stats(t, &before);
		err = tables_route_set(t, p, nexthop);
		if (!err) {
			reference_set(r, p, nexthop);
			continue;
		}
		assert_int_equal(err, -ENOSPC);
		tables_stats(t, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		refused++;
		if (refused % 2000 == 1)
			check_all(t, r);
	}
	check_all(t, r);
	return refused;
}

/* Room for most of a table. What does not fit is refused and changes no answer; what has been
 * removed makes room for others. */
static void full_table_works_on(void **state)
{
	const struct tables_limits limits = {.blocks4 = SCALE(1000),
					     .last4 = SCALE(300),
					     .blocks6 = SCALE(3000),
					     .nexthops = 256,
					     .slots = 256};
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	struct reference *r = reference_new(LIMIT_ROUTES4 + LIMIT_ROUTES6);
	uint32_t refused, refused_again, i, n = LIMIT_ROUTES4 + LIMIT_ROUTES6;
	struct routes routes;

	(void)state;
	assert_non_null(t);
	make_nexthops(t, 255);
	assert_int_equal(routes_generate(&routes, SEED, LIMIT_ROUTES4, LIMIT_ROUTES6), 0);
	routes_shuffle(&routes, SEED);
	refused = set_what_fits(t, r, &routes);
	assert_true(r->n4 < LIMIT_ROUTES4 && r->n6 < LIMIT_ROUTES6); /* both ran out */
	/* The neighbours of those that were refused go. */
	for (i = 0; i < n; i += 2) {
		const struct prefix *p = &routes.list[i];
		bool existed = reference_get(r, p);
		int err = tables_route_del(t, p);

		/* Removing may take a block. */
		assert_true(err == (existed ? 0 : -ENOENT) || (existed && err == -ENOSPC));
		if (!err)
			reference_del(r, p);
	}
	check_all(t, r);
	routes_shuffle(&routes, SEED + 1);
	refused_again = set_what_fits(t, r, &routes);
	print_message("%u of %u refused, then %u\n", refused, n, refused_again);
	assert_int_equal(r->n4 + r->n6, n - refused_again);
	routes_free(&routes);
	reference_free(r);
	tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_tables),
		cmocka_unit_test(full_table_works_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
