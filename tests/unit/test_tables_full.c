/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes of a table as large as the Internet's: every prefix, and a million changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../bench/routes/routes.h"
#include "../../router/tables/private.h"
#include "tables_help.h"
#include "tables_reference.h"

/* One thread has no races to find, and the sanitizer makes all of this very slow. */
#ifdef TSAN
#define SCALE(n) ((n) / 50)
#else
#define SCALE(n) (n)
#endif

#define SEED 1
#define BATCH 1000u /* changes, then the table may settle */
#define NO_ROUTE_REASON 7

/* As many as make entries that a narrow block cannot hold, with indices up to twice what it can. */
#define MANY_NEXTHOPS 65000u

static void grace(void)
{
}

/* A table, what it should be, and the prefixes that they are about. */
struct world {
	struct tables *t;
	struct reference *r;
	struct routes routes;
	uint32_t n, n_nexthops;
	uint64_t seed;
	struct tables_stats empty;
};

static void world_init(struct world *w, uint32_t n4, uint32_t n6, uint32_t n_nexthops)
{
	*w = (struct world){.n = n4 + n6, .n_nexthops = n_nexthops, .seed = SEED};
	print_message("seed %llu\n", (unsigned long long)w->seed);
	w->t = tables_new(grace, NO_ROUTE_REASON);
	assert_non_null(w->t);
	make_nexthops(w->t, n_nexthops);
	tables_stats(w->t, &w->empty);
	assert_int_equal(routes_generate(&w->routes, w->seed, n4, n6), 0);
	w->r = reference_new(w->n + 64);
}

static void world_fini(struct world *w)
{
	reference_free(w->r);
	routes_free(&w->routes);
	tables_free(w->t);
}

static void set(struct world *w, const struct prefix *p, uint32_t nexthop)
{
	assert_int_equal(tables_route_set(w->t, p, nexthop), 0);
	reference_set(w->r, p, nexthop);
}

static void del(struct world *w, const struct prefix *p)
{
	bool existed = reference_del(w->r, p);

	assert_int_equal(tables_route_del(w->t, p), existed ? 0 : -ENOENT);
}

static uint32_t any_nexthop(struct world *w)
{
	return random_below(&w->seed, w->n_nexthops + 1); /* 0: a route that says "no route" */
}

/* ---- all of it ---- */

static void set_all(struct world *w, uint32_t n_nexthops)
{
	uint32_t i;

	for (i = 0; i < w->n; i++) {
		const struct prefix *p = &w->routes.list[i];

		set(w, p, 1 + routes_nexthop(p, n_nexthops, n_nexthops));
		if (i % BATCH == 0)
			tables_settle(w->t);
	}
	assert_int_equal(w->r->n4 + w->r->n6, w->n); /* none is there twice */
}

/* With few next hops, then, changed in place, with so many that most blocks become wide. */
static void every_prefix(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, SCALE(ROUTES_FULL4), SCALE(ROUTES_FULL6), MANY_NEXTHOPS);
	set_all(&w, 255);
	check_all(w.t, w.r);
	routes_shuffle(&w.routes, w.seed);
	set_all(&w, MANY_NEXTHOPS);
	check_all(w.t, w.r);
	world_fini(&w);
}

/* ---- churn ---- */

/* A prefix that comes, goes or changes: mostly the generator's, now and then a cover of all or of a
 * large part, or a long one. */
static struct prefix any_prefix(struct world *w)
{
	static const uint8_t large[2][4] = {{0, 1, 4, 12}, {0, 2, 3, 22}};
	const struct prefix *p = &w->routes.list[random_below(&w->seed, w->n)];
	unsigned kind = random_below(&w->seed, 4000), is6 = p->family == AF_INET6;

	if (kind == 0)
		return to_prefix(p->family, to_number(p->bytes),
				 large[is6][random_below(&w->seed, 4)]);
	if (kind < 8)
		return to_prefix(p->family, to_number(p->bytes) | 1ull << 33 | (addr128)77 << 96,
				 family_bits(p->family) - random_below(&w->seed, 8));
	return *p;
}

/* Half of the prefixes are there, at the end of a long time; those that are change as often as they
 * go. */
static void change(struct world *w, const struct prefix *p)
{
	if (reference_get(w->r, p) && random_below(&w->seed, 2))
		del(w, p);
	else
		set(w, p, any_nexthop(w));
}

/* One batch: then a sample of what was touched, and of anything. */
static void churn_batch(struct world *w)
{
	struct check c = {.t = w->t, .r = w->r};
	struct prefix touched[BATCH];
	unsigned i;

	for (i = 0; i < BATCH; i++) {
		touched[i] = any_prefix(w);
		change(w, &touched[i]);
	}
	tables_settle(w->t);
	for (i = 0; i < BATCH; i += 1 + random_below(&w->seed, 16))
		check_prefix(&c, &touched[i]);
	for (i = 0; i < 32; i++) {
		addr128 any = (addr128)random64(&w->seed) << 64 | random64(&w->seed);
		struct ip_addr addr = to_addr(i % 2 ? AF_INET : AF_INET6, any);

		check_addr(&c, &addr);
	}
	check_done(&c);
}

/* Down to the empty table, in no order: nothing of what all the changes took may stay. */
static void shrink(struct world *w)
{
	struct check c = {.t = w->t, .r = w->r};
	struct tables_stats stats;
	uint32_t i;

	for (i = 0; i < w->r->n_routes; i++) {
		struct prefix p = w->r->routes[i].prefix;

		if (!w->r->routes[i].used)
			continue;
		del(w, &p);
		if (i % 8 == 0) {
			check_prefix(&c, &p);
			check_done(&c);
		}
		if (i % BATCH == 0)
			tables_settle(w->t);
	}
	tables_settle(w->t);
	tables_stats(w->t, &stats);
	assert_memory_equal(&stats, &w->empty, sizeof(stats));
}

static void million_changes(void **state)
{
	struct world w;
	unsigned i;

	(void)state;
	world_init(&w, SCALE(150000), SCALE(50000), MANY_NEXTHOPS);
	for (i = 0; i < SCALE(1000000) / BATCH; i++)
		churn_batch(&w);
	check_all(w.t, w.r);
	shrink(&w);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(million_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
