/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers on other threads while routes of a table as large as the Internet's change.
 *
 * A prefix has next hops of its own: its routes lead to no other, and few others' do. One in eight
 * comes, goes and changes, and a long one in each of these, which takes a block and gives it back; the
 * others stay. So it is known beforehand what an address may be
 * answered: a next hop of a prefix that covers it, of those down to the longest that stays. Anything
 * else is torn, or out of a block that was used again too early. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "readers_help.h"

#include "../../bench/routes/routes.h"
#include "tables_reference.h"

/* Readers race with the writer in a small table too. */
#ifdef TSAN
#define SCALE(n) ((n) / 50)
#define CHANGES 10000u
#else
#define SCALE(n) (n)
#define CHANGES 40000u
#endif

#define SEED 1
#define NO_ROUTE_REASON 7
#define READERS 2u
#define SETTLE 256u	      /* changes between two grace periods */
#define READS_MIN 100000u     /* of each reader */
#define N_NEXTHOPS 60000u     /* about half in narrow blocks, half in wide ones */
#define QUERIES SCALE(32768u) /* of each family */
#define BATCH 64u
#define LEGAL_MAX 48u

struct query {
	uint32_t legal[LEGAL_MAX];
	uint32_t n_legal;
	uint32_t moving; /* the prefix that it was made for */
};

/* Addresses of one family, in the form that lookups take, and what they may be answered. */
struct queries {
	struct query *query;
	uint32_t *dst4;
	uint8_t (*dst6)[16];
};

struct world {
	struct tables *t;
	struct routes routes;
	struct prefix *moving; /* IPv4, then IPv6 */
	bool *present;
	uint32_t n_moving4, n_moving;
	struct queries q4, q6;
	_Atomic bool stop;
	_Atomic uint32_t hot; /* the batch of queries that the writer is at */
	_Atomic(unsigned long) reads[READERS];
	_Atomic(unsigned long) wrong;
	char first_wrong[128]; /* written by who made `wrong` 1, read after the readers ended */
};

/* Two for those that change, the first for those that stay. */
static uint32_t nexthop_of(const struct prefix *p, unsigned version)
{
	return 1 + routes_nexthop(p, version, N_NEXTHOPS);
}

/* Longer than nearly all: it has a block of its own, which comes and goes with it. */
static bool is_long(const struct prefix *p)
{
	return p->len > (p->family == AF_INET ? 24 : 48);
}

static bool is_moving(const struct prefix *p)
{
	return is_long(p) || routes_nexthop(p, 99, 8) == 0;
}

/* ---- what may be answered ---- */

static void add_legal(struct query *q, uint32_t nexthop)
{
	assert_true(q->n_legal < LEGAL_MAX);
	q->legal[q->n_legal++] = nexthop;
}

static void find_legal(const struct reference *all, const struct ip_addr *addr, struct query *q)
{
	unsigned len = family_bits(addr->family);
	const struct reference_route *route;

	while ((route = reference_match(all, addr, len))) {
		add_legal(q, nexthop_of(&route->prefix, 0));
		if (!is_moving(&route->prefix))
			return;
		add_legal(q, nexthop_of(&route->prefix, 1));
		if (route->prefix.len == 0)
			break;
		len = route->prefix.len - 1u;
	}
	add_legal(q, 0);
}

static void make_queries(struct world *w, const struct reference *all, struct queries *qs,
			 uint32_t first, uint32_t n, uint64_t *seed)
{
	uint32_t i;

	qs->query = calloc(QUERIES, sizeof(*qs->query));
	qs->dst4 = calloc(QUERIES, sizeof(*qs->dst4));
	qs->dst6 = calloc(QUERIES, sizeof(*qs->dst6));
	assert_true(qs->query && qs->dst4 && qs->dst6 && n);
	for (i = 0; i < QUERIES; i++) {
		struct query *q = &qs->query[i];
		addr128 any = (addr128)random64(seed) << 64 | random64(seed);
		const struct prefix *p;
		struct ip_addr addr;

		q->moving = first + random_below(seed, n);
		p = &w->moving[q->moving];
		addr = to_addr(p->family, to_number(p->bytes) | (any & host_bits(p->len)));
		find_legal(all, &addr, q);
		qs->dst4[i] = (uint32_t)(to_number(addr.bytes) >> 96);
		memcpy(qs->dst6[i], addr.bytes, 16);
	}
}

static void free_queries(struct queries *qs)
{
	free(qs->query);
	free(qs->dst4);
	free(qs->dst6);
}

static void add(struct world *w, struct reference *all, const struct prefix *p)
{
	if (reference_get(all, p))
		return;
	assert_int_equal(tables_route_set(w->t, p, nexthop_of(p, 0)), 0);
	reference_set(all, p, nexthop_of(p, 0));
	if (!is_moving(p))
		return;
	w->present[w->n_moving] = true;
	w->moving[w->n_moving++] = *p;
	w->n_moving4 += p->family == AF_INET;
}

/* Under each that moves another one, long. */
static void add_all(struct world *w, struct reference *all, uint64_t *seed)
{
	uint32_t n = w->routes.n4 + w->routes.n6, i;

	for (i = 0; i < n; i++) {
		const struct prefix *p = &w->routes.list[i];
		addr128 any = (addr128)random64(seed) << 64 | random64(seed);
		struct prefix below =
			to_prefix(p->family, to_number(p->bytes) | (any & host_bits(p->len)),
				  (p->family == AF_INET ? 25 : 49) + random_below(seed, 8));

		add(w, all, p);
		if (is_moving(p) && !is_long(p))
			add(w, all, &below);
	}
}

static void set_up(struct world *w)
{
	struct reference *all;
	uint64_t seed = SEED;
	uint32_t n;

	w->t = tables_new(grace, NO_ROUTE_REASON);
	assert_non_null(w->t);
	make_nexthops(w->t, N_NEXTHOPS);
	assert_int_equal(
		routes_generate(&w->routes, SEED, SCALE(ROUTES_FULL4), SCALE(ROUTES_FULL6)), 0);
	n = 2 * (w->routes.n4 + w->routes.n6);
	all = reference_new(n);
	w->moving = calloc(n, sizeof(*w->moving));
	w->present = calloc(n, sizeof(*w->present));
	assert_true(w->moving && w->present);
	add_all(w, all, &seed);
	make_queries(w, all, &w->q4, 0, w->n_moving4, &seed);
	make_queries(w, all, &w->q6, w->n_moving4, w->n_moving - w->n_moving4, &seed);
	reference_free(all);
}

static void tear_down(struct world *w)
{
	free_queries(&w->q4);
	free_queries(&w->q6);
	free(w->moving);
	free(w->present);
	routes_free(&w->routes);
	tables_free(w->t);
}

/* ---- reading ---- */

static void check(struct world *w, const struct look *look, const struct queries *qs, uint32_t at,
		  uint32_t nexthop)
{
	const struct query *q = &qs->query[at];
	const struct prefix *p = &w->moving[q->moving];
	char text[PREFIX_STRLEN];
	uint32_t i;

	for (i = 0; i < q->n_legal; i++)
		if (q->legal[i] == nexthop)
			return;
	if (atomic_fetch_add_explicit(&w->wrong, 1, memory_order_relaxed) == 0)
		snprintf(w->first_wrong, sizeof(w->first_wrong), "%s: %u for an address in %s",
			 look->name, nexthop, prefix_print(p, text));
}

/* With time between two loads for blocks to be given back and used again. */
static void slow4(const struct tables *t, const uint32_t *dst, uint32_t *nexthop, unsigned n)
{
	const struct tables_view *v = tables_view(t);
	unsigned i;

	for (i = 0; i < n; i++)
		nexthop[i] = route4_lookup(v, dst[i]);
}

static void slow6(const struct tables *t, const uint8_t (*dst)[16], uint32_t *nexthop, unsigned n)
{
	const struct tables_view *v = tables_view(t);
	unsigned i;

	for (i = 0; i < n; i++) {
		addr128 a = to_number(dst[i]);

		nexthop[i] = route6_lookup(v, (uint64_t)(a >> 64), (uint64_t)a);
	}
}

static const struct look slow = {"slow", slow4, slow6};

static void read_batch(struct world *w, const struct look *look, uint64_t *seed)
{
	uint32_t at = atomic_load_explicit(&w->hot, memory_order_relaxed), nexthop[BATCH], i;

	if (random_below(seed, 4) == 0)
		at = random_below(seed, QUERIES - BATCH);

	if (look->ipv4) {
		look->ipv4(w->t, w->q4.dst4 + at, nexthop, BATCH);
		for (i = 0; i < BATCH; i++)
			check(w, look, &w->q4, at + i, nexthop[i]);
	}
	if (look->ipv6) {
		look->ipv6(w->t, (const uint8_t(*)[16])w->q6.dst6 + at, nexthop, BATCH);
		for (i = 0; i < BATCH; i++)
			check(w, look, &w->q6, at + i, nexthop[i]);
	}
}

struct reader {
	struct world *w;
	unsigned index;
};

static void *reader(void *arg)
{
	const struct reader *self = arg;
	struct world *w = self->w;
	uint64_t seed = 100 + self->index;
	unsigned long reads = 0;

	dawdle_seed = seed;
	urcu_qsbr_register_thread();
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		read_batch(w, &looks[reads / BATCH % N_LOOKS], &seed);
		read_batch(w, &slow, &seed);
		reads += BATCH;
		atomic_store_explicit(&w->reads[self->index], reads, memory_order_relaxed);
		READER_SAYS();
		urcu_qsbr_quiescent_state();
	}
	READER_SAYS();
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* ---- changing ---- */

/* One of the prefixes that queries were made for, mostly one of a batch, so that readers and writer
 * meet. */
static void change(struct world *w, uint64_t *seed)
{
	uint32_t hot = atomic_load_explicit(&w->hot, memory_order_relaxed);
	uint32_t at = random_below(seed, 8) ? hot + random_below(seed, BATCH)
					    : random_below(seed, QUERIES);
	uint32_t i = (random_below(seed, 2) ? &w->q4 : &w->q6)->query[at].moving;
	const struct prefix *p = &w->moving[i];

	if (w->present[i] && random_below(seed, 2)) {
		assert_int_equal(tables_route_del(w->t, p), 0);
		w->present[i] = false;
	} else {
		assert_int_equal(tables_route_set(w->t, p, nexthop_of(p, random_below(seed, 2))),
				 0);
		w->present[i] = true;
	}
}

static bool all_have_read(struct world *w)
{
	unsigned i;

	for (i = 0; i < READERS; i++)
		if (atomic_load_explicit(&w->reads[i], memory_order_relaxed) < SCALE(READS_MIN))
			return false;
	return true;
}

static void readers_see_old_or_new(void **state)
{
	struct timespec some = {.tv_nsec = 1000000};
	struct reader readers[READERS];
	pthread_t threads[READERS];
	static struct world w;
	uint64_t seed = SEED;
	unsigned i, n;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	set_up(&w);
	for (i = 0; i < READERS; i++) {
		readers[i] = (struct reader){&w, i};
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &readers[i]), 0);
	}
	/* Until both sides have done enough, on however busy a machine. */
	for (n = 0; n < CHANGES || !all_have_read(&w); n++) {
		if (n >= 4 * CHANGES)
			nanosleep(&some, NULL);
		change(&w, &seed);
		if (n % SETTLE == 0)
			tables_settle(w.t);
		if (n % (16 * SETTLE) == 0)
			atomic_store_explicit(&w.hot, random_below(&seed, QUERIES - BATCH),
					      memory_order_relaxed);
	}
	atomic_store_explicit(&w.stop, true, memory_order_relaxed);
	for (i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	print_message("%u changes, %lu and %lu reads, %lu grace periods\n", n, w.reads[0],
		      w.reads[1], graces);
	if (w.wrong)
		fail_msg("%lu wrong answers; the first: %s", w.wrong, w.first_wrong);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_old_or_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
