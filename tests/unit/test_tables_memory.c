/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of routes when there is no memory for them, or no node, and the memory that deleted ones give
 * back. The linker leads the tables' calls of realloc() here. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "../../router/tables/private.h"
#include "tables_help.h"

#define NO_ROUTE_REASON 7
#define NEVER 1000000u

static unsigned allocations_left = NEVER; /* then they fail */

void *__real_realloc(void *p, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes)
{
	if (allocations_left == 0)
		return NULL;
	if (allocations_left != NEVER)
		allocations_left--;
	return __real_realloc(p, bytes);
}

static void grace(void)
{
}

/* ---- memory ---- */

struct route {
	bool there;
	uint32_t nexthop;
};

static struct route route_of(const struct tables *t, const struct prefix *p)
{
	struct route r = {0};

	r.there = tables_route_get(t, p, &r.nexthop) == 0;
	return r;
}

/* Sets a route with no memory at all, then for one allocation, and so on, until that does. Returns how
 * often it failed: each time without a trace. */
static unsigned set_in_want(struct tables *t, const struct prefix *p, uint32_t nexthop)
{
	const struct shadow *s = p->family == AF_INET ? &t->v4.shadow : &t->v6.shadow;
	struct ip_addr addr = to_addr(p->family, to_number(p->bytes));
	struct route before = route_of(t, p), after;
	uint32_t nodes = shadow_nodes(s), n_routes = s->n_routes;
	uint32_t answer = tables_image_lookup(t, &addr);
	unsigned failed;
	int err;

	for (failed = 0;; failed++) {
		allocations_left = failed;
		err = tables_route_set(t, p, nexthop);
		allocations_left = NEVER;
		if (!err)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_false(before.there);
		after = route_of(t, p);
		assert_false(after.there);
		assert_int_equal(shadow_nodes(s), nodes);
		assert_int_equal(s->n_routes, n_routes);
		assert_int_equal(tables_image_lookup(t, &addr), answer);
	}
	after = route_of(t, p);
	assert_true(after.there && after.nexthop == nexthop);
	return failed;
}

/* Routes close together and far apart, of all lengths. */
static struct prefix any_prefix(uint8_t family, uint64_t *seed)
{
	addr128 any = (addr128)random64(seed) << 64 | random64(seed), near = 0x03;
	unsigned i;

	for (i = 0; i < 15; i++)
		near = near << 8 | 0x03;
	return to_prefix(family, random_below(seed, 2) ? any & near : any,
			 random_below(seed, family_bits(family) + 1));
}

static void want_of_memory(uint8_t family, uint64_t seed)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct shadow *s = family == AF_INET ? &t->v4.shadow : &t->v6.shadow;
	struct prefix prefixes[600];
	unsigned most = 0, failed, i;
	int err;

	print_message("seed %llu\n", (unsigned long long)seed);
	make_nexthops(t, 3);
	for (i = 0; i < 600; i++) {
		prefixes[i] = any_prefix(family, &seed);
		failed = set_in_want(t, &prefixes[i], 1 + i % 3);
		most = failed > most ? failed : most;
	}
	/* As many as there are nodes on the way to a host, or nearly. */
	assert_true(most >= family_bits(family) / 8 - 1);
	/* To delete takes none. */
	allocations_left = 0;
	for (i = 0; i < 600; i++) {
		err = tables_route_del(t, &prefixes[i]);
		assert_true(!err || err == -ENOENT);
	}
	allocations_left = NEVER;
	assert_int_equal(s->n_routes, 0);
	assert_int_equal(shadow_nodes(s), 1);
	tables_free(t);
}

static void want_of_memory_changes_nothing(void **state)
{
	(void)state;
	want_of_memory(AF_INET, 60);
	want_of_memory(AF_INET6, 61);
}

static struct prefix eighth(unsigned i)
{
	return to_prefix(AF_INET, (addr128)i << 120, 8);
}

/* Also where there is no room for one more route in the node. */
static void replacing_takes_no_memory(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	unsigned n, i;

	(void)state;
	make_nexthops(t, 2);
	for (n = 0; n < 40; n++) {
		struct prefix p = eighth(n);

		assert_int_equal(tables_route_set(t, &p, 1), 0);
		allocations_left = 0;
		for (i = 0; i <= n; i++) {
			p = eighth(i);
			assert_int_equal(tables_route_set(t, &p, 1 + n % 2), 0);
		}
		allocations_left = NEVER;
	}
	tables_free(t);
}

/* What most routes of a node took comes back when they go, whether or not all of them do. */
static void deleted_routes_give_memory_back(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	const struct shadow_node *root = &t->v4.shadow.nodes[0];
	struct prefix p;
	unsigned i;

	(void)state;
	make_nexthops(t, 2);
	for (i = 0; i < 256; i++) {
		p = eighth(i);
		assert_int_equal(tables_route_set(t, &p, 1 + i % 2), 0);
	}
	assert_true(malloc_usable_size(root->number) >= 256 * sizeof(uint32_t));
	for (i = 0; i < 248; i++) {
		p = eighth(i);
		assert_int_equal(tables_route_del(t, &p), 0);
		/* Four times what there is, and the C library's own. */
		assert_true(malloc_usable_size(root->number) <=
			    4 * (256 - i) * sizeof(uint32_t) + 32);
	}
	for (i = 248; i < 256; i++) {
		struct route r;

		p = eighth(i);
		r = route_of(t, &p);
		assert_true(r.there && r.nexthop == 1 + i % 2);
	}
	tables_free(t);
}

/* ---- nodes ---- */

static void nodes_run_out(void **state)
{
	const struct tables_limits limits = {
		.blocks4 = 16, .last4 = 16, .blocks6 = 16, .nexthops = 4, .slots = 256, .nodes = 3};
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	struct prefix first = prefix_of("10.0.0.0/24"), second = prefix_of("11.0.0.0/24");
	struct prefix near = prefix_of("10.0.1.0/24"), eight = prefix_of("11.0.0.0/8");
	struct ip_addr addr = addr_of("11.0.0.1");
	uint32_t nexthop;

	(void)state;
	make_nexthops(t, 1);
	assert_int_equal(tables_route_set(t, &first, 1), 0); /* the root's and two */
	assert_int_equal(tables_route_set(t, &second, 1), -ENOSPC);
	assert_int_equal(tables_route_get(t, &second, &nexthop), -ENOENT);
	assert_int_equal(tables_image_lookup(t, &addr), 0);
	assert_int_equal(shadow_nodes(&t->v4.shadow), 3);
	assert_int_equal(tables_route_set(t, &near, 1), 0);
	assert_int_equal(tables_route_set(t, &eight, 1), 0);
	assert_int_equal(tables_route_del(t, &first), 0);
	assert_int_equal(tables_route_set(t, &second, 1), -ENOSPC);
	assert_int_equal(tables_route_del(t, &near), 0);
	assert_int_equal(tables_route_set(t, &second, 1), 0);
	tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(want_of_memory_changes_nothing),
		cmocka_unit_test(replacing_takes_no_memory),
		cmocka_unit_test(deleted_routes_give_memory_back),
		cmocka_unit_test(nodes_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
