/* SPDX-License-Identifier: BSD-2-Clause */
/* Narrow and wide blocks of IPv4: which are which, and when one becomes the other. */
#include "tables_image_help.h"

static void check_kinds(const struct tables *t, uint32_t mid4, uint32_t last4, uint32_t wide4)
{
	struct tables_stats stats = stats_of(t);

	assert_int_equal(stats.mid4, mid4);
	assert_int_equal(stats.last4, last4);
	assert_int_equal(stats.wide4, wide4);
	assert_int_equal(stats.routes4_bytes, 4 * TRIE4_ROOT + 512 * (mid4 + last4) + 1024 * wide4);
	check_image(t);
}

static void must_lead(const struct tables *t, const char *addr, uint32_t nexthop)
{
	struct ip_addr a = addr_of(addr);

	assert_int_equal(tables_image_lookup(t, &a), nexthop);
}

static void set_route(struct tables *t, const char *prefix, uint32_t nexthop)
{
	struct prefix p = prefix_of(prefix);

	assert_int_equal(tables_route_set(t, &p, nexthop), 0);
}

/* 32767 is the last index that fits 16 bits. */
static void blocks_widen_and_narrow(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct prefix p = prefix_of("10.0.0.0/16");

	(void)state;
	make_nexthops(t, 40000);
	set_route(t, "10.0.1.0/24", 32767);
	check_kinds(t, 1, 0, 0);
	set_route(t, "10.0.2.0/24", 32768);
	check_kinds(t, 0, 0, 1);
	set_route(t, "10.0.1.1/32", 5); /* a narrow block below a wide one */
	check_kinds(t, 0, 1, 1);
	set_route(t, "10.0.2.0/24", 6);
	check_kinds(t, 1, 1, 0);
	set_route(t, "10.0.1.0/24", 40000); /* both levels by one change */
	check_kinds(t, 0, 0, 2);
	must_lead(t, "10.0.1.0", 40000);
	must_lead(t, "10.0.1.1", 5);
	must_lead(t, "10.0.1.2", 40000);
	must_lead(t, "10.0.2.1", 6);
	must_lead(t, "10.0.3.1", 0);
	set_route(t, "10.0.1.1/32", 40000); /* uniform: the large index moves up */
	check_kinds(t, 0, 0, 1);
	set_route(t, "10.0.0.0/16", 40000);
	set_route(t, "10.0.2.0/24", 40000);
	check_kinds(t, 0, 0, 0); /* the root takes any index */
	set_route(t, "10.0.2.9/32", 1);
	check_kinds(t, 0, 0, 2);
	assert_int_equal(tables_route_del(t, &p), 0);
	set_route(t, "10.0.1.0/24", 2);
	set_route(t, "10.0.1.1/32", 2);
	check_kinds(t, 0, 0, 2);
	set_route(t, "10.0.2.0/24", 3);
	check_kinds(t, 1, 1, 0);
	must_lead(t, "10.0.2.9", 1);
	must_lead(t, "10.0.2.10", 3);
	tables_free(t);
}

/* An entry of the root counts as seen to only with narrow blocks of both levels to spare: here one waits
 * for a grace period while all changes that would look at the entries go by. */
static void blocks_narrow_after_limbo(void **state)
{
	const struct tables_limits limits = {
		.blocks4 = 16, .mid4 = 1, .last4 = 16, .blocks6 = 16, .nexthops = 4, .slots = 256};
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	struct prefix first = prefix_of("10.0.0.0/24"), other = prefix_of("12.0.0.0/16");
	struct tables_stats stats;
	uint32_t i;

	(void)state;
	make_nexthops(t, 2);
	assert_int_equal(tables_route_set(t, &first, 1), 0);
	set_route(t, "11.0.0.0/24", 1);
	tables_stats(t, &stats);
	assert_int_equal(stats.mid4, 1);
	assert_int_equal(stats.wide4, 1);
	assert_int_equal(tables_route_del(t, &first), 0);
	for (i = 0; i <= TRIE4_ROOT; i++)
		assert_int_equal(tables_route_set(t, &other, 1 + i % 2), 0);
	tables_settle(t);
	for (i = 0; i <= TRIE4_ROOT; i++)
		assert_int_equal(tables_route_set(t, &other, 1 + i % 2), 0);
	check_kinds(t, 1, 0, 0);
	tables_free(t);
}

#ifndef TSAN

/* Address `i` of as many as one likes, all far from each other. */
static addr128 scattered(uint32_t i)
{
	return (addr128)(i * 2654435761u) << 96;
}

/* Routes to addresses `first` to `end` less one, to next hops 1 to `nexthops` in turn. */
static void each_scattered(struct tables *t, uint32_t first, uint32_t end, unsigned len,
			   uint32_t nexthops, bool add)
{
	uint32_t i;

	for (i = first; i < end; i++) {
		struct prefix p = to_prefix(AF_INET, scattered(i), len);

		assert_int_equal(add ? tables_route_set(t, &p, 1 + i % nexthops)
				     : tables_route_del(t, &p),
				 0);
		if (i % 256 == 0)
			tables_settle(t);
	}
}

static void check_scattered(const struct tables *t, uint32_t first, uint32_t end, unsigned len,
			    uint32_t nexthops)
{
	uint32_t i;

	for (i = first; i < end; i++) {
		struct ip_addr a = to_addr(AF_INET, scattered(i) | (i % 3 ? host_bits(len) : 0));

		assert_int_equal(tables_image_lookup(t, &a), 1 + i % nexthops);
	}
}

/* A next hop for each route: many blocks are wide, until their routes have gone. */
static void more_nexthops_than_15_bits(void **state)
{
	enum { N = 50000 };
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct tables_stats stats;

	(void)state;
	make_nexthops(t, N);
	each_scattered(t, 0, N, 24, N, true);
	check_scattered(t, 0, N, 24, N);
	check_image(t);
	tables_stats(t, &stats);
	assert_true(stats.wide4 > (N - NARROW_CHILD) / 2);
	each_scattered(t, NARROW_CHILD - 1, N, 24, N, false);
	check_scattered(t, 0, NARROW_CHILD - 1, 24, N);
	check_image(t);
	tables_stats(t, &stats);
	assert_int_equal(stats.wide4, 0);
	each_scattered(t, 0, NARROW_CHILD - 1, 24, N, false);
	check_empty(t);
	tables_free(t);
}

/* More last blocks than there are narrow ones. Those that came first, which have the narrow ones, go;
 * the others become narrow while routes change. */
static void more_last_blocks_than_15_bits(void **state)
{
	enum { N = 70000, GONE = 50000 };
	struct prefix other = to_prefix(AF_INET, scattered(N), 32);
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct tables_stats stats;
	uint32_t i;

	(void)state;
	make_nexthops(t, 2);
	each_scattered(t, 0, N, 32, 2, true);
	for (i = 0; i < N; i++) {
		struct ip_addr next = to_addr(AF_INET, scattered(i) ^ (addr128)1 << 96);

		assert_int_equal(tables_image_lookup(t, &next), 0);
	}
	check_scattered(t, 0, N, 32, 2);
	check_image(t);
	tables_stats(t, &stats);
	assert_int_equal(stats.last4, TABLES_LAST4_MAX);
	assert_true(stats.wide4 >= N - TABLES_LAST4_MAX);

	each_scattered(t, 0, GONE, 32, 2, false);
	tables_settle(t);
	for (i = 0; i <= TRIE4_ROOT; i++)
		assert_int_equal(tables_route_set(t, &other, 1 + i % 2), 0);
	check_scattered(t, GONE, N, 32, 2);
	check_image(t);
	tables_stats(t, &stats);
	assert_true(stats.last4 > (N - GONE) / 2);
	assert_int_equal(stats.wide4, 0);
	tables_free(t);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_widen_and_narrow),
		cmocka_unit_test(blocks_narrow_after_limbo),
#ifndef TSAN /* one thread has no races to find, and these are many routes */
		cmocka_unit_test(more_nexthops_than_15_bits),
		cmocka_unit_test(more_last_blocks_than_15_bits),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
