/* SPDX-License-Identifier: BSD-2-Clause */
/* Updates: tables built from nothing, and routes that come and go in full tables. All tables get
 * the same routes in the same order, in turns. */
#include <string.h>

#include "../net/options.h"
#include "fib.h"

#define BATCH 256u /* changes before Peerlane's tables settle, as the daemon has them do */
/* Turns of churn, each of which gets its share of the time that a build may take. */
#define CHURNS 10
#define WINDOW 1024u /* routes that go before the first of them comes back */

const char *const update_names[UPDATES] = {
	[SORTED] = "sorted",
	[SHUFFLED] = "shuffled",
	[CHURN] = "churn",
	[REPLACE] = "replace",
};

enum change { ADD, DELETE, MOVE };

static void change(const struct table *t, const struct match *m, const struct route *r,
		   enum change what)
{
	static const char *const names[] = {"add", "delete", "replace"};
	char text[PREFIX_STRLEN];
	int rc;

	if (what == DELETE)
		rc = t->kind->del(t->table, &r->prefix);
	else if (what == ADD)
		rc = t->kind->add(t->table, &r->prefix, r->nexthop);
	else
		rc = t->kind->add(t->table, &r->prefix, 1 + r->nexthop % m->routes.n_nexthops);
	if (rc < 0)
		die("%s: cannot %s %s: %s", t->kind->name, names[what],
		    prefix_print(&r->prefix, text), strerror(-rc));
}

static void settle(const struct table *t)
{
	if (t->kind->settle)
		t->kind->settle(t->table);
}

/* Changes routes one by one until all are done or `until` has come. Returns how many. */
static uint32_t change_all(const struct table *t, const struct match *m, const struct route *list,
			   uint32_t n, enum change what, double until)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (i % BATCH == 0 && i) {
			settle(t);
			if (now_s() > until)
				break;
		}
		change(t, m, &list[i], what);
	}
	settle(t);
	return i;
}

static void record(struct table *t, enum update u, uint32_t n, double seconds)
{
	struct series *s = &t->rate[u];

	s->at[s->n++] = n / seconds;
}

static const struct route *order(const struct match *m, enum update u)
{
	return u == SORTED ? m->routes.sorted : m->routes.shuffled;
}

static void create(struct table *t, const struct match *m, bool lasting)
{
	double start = now_s();

	t->table = t->kind->create(&m->routes, lasting);
	if (!t->table)
		die("%s: cannot be made", t->kind->name);
	t->create_s.at[t->create_s.n++] = now_s() - start;
}

/* Fills a new table, as far as time allows. */
static void fill(struct table *t, const struct match *m, enum update u, double limit_s)
{
	double start = now_s();
	uint32_t n = change_all(t, m, order(m, u), m->routes.n, ADD, start + limit_s);

	record(t, u, n, now_s() - start);
	t->sampled[u] = n < m->routes.n;
}

static void build_and_drop(struct table *t, const struct match *m, enum update u)
{
	if (t->sampled[u])
		return; /* it was too slow before */
	create(t, m, false);
	fill(t, m, u, (double)m->options->limit_s);
	t->kind->destroy(t->table);
}

/* The last build takes its time. It then is all that counts of a slow table: a part of the routes
 * is what slow tables are less slow with. */
static void build_and_keep(struct table *t, const struct match *m)
{
	if (t->sampled[SORTED])
		t->rate[SORTED].n = 0;
	create(t, m, true);
	fill(t, m, SORTED, 1e9);
	t->bytes = t->kind->bytes(t->table, &m->routes);
	pages_describe(t->kind->memory(t->table), t->pages);
}

void match_builds(struct match *m)
{
	unsigned n = (unsigned)m->options->builds;

	for (unsigned r = 0; r < n; r++)
		for (unsigned i = 0; i < m->n_tables; i++) {
			struct table *t = &m->tables[(i + r) % m->n_tables];

			build_and_drop(t, m, SHUFFLED);
			if (r + 1 < n)
				build_and_drop(t, m, SORTED);
		}
	for (unsigned i = 0; i < m->n_tables; i++)
		build_and_keep(&m->tables[i], m);
}

/* Routes leave and come back, or change their next hop and change back, a window at a time; other
 * ones each repetition. So the table is at the end what it was at the beginning. Returns how many
 * routes; as many as are wanted if time allows. */
static uint32_t churn(struct table *t, const struct match *m, enum update u, unsigned r,
		      double until)
{
	const struct table_routes *routes = &m->routes;
	uint32_t want = (uint32_t)m->options->churn, done = 0;
	uint64_t at = (uint64_t)r * want % routes->n;

	while (done < want && now_s() < until) {
		uint32_t n = want - done < WINDOW ? want - done : WINDOW;

		if (n > routes->n - at)
			n = (uint32_t)(routes->n - at);
		change_all(t, m, routes->shuffled + at, n, u == CHURN ? DELETE : MOVE, 1e18);
		change_all(t, m, routes->shuffled + at, n, ADD, 1e18);
		done += n;
		at = (at + n) % routes->n;
	}
	return done;
}

static void timed_churn(struct table *t, const struct match *m, enum update u, unsigned r)
{
	double start = now_s();
	uint32_t n = churn(t, m, u, r, start + (double)m->options->limit_s / CHURNS);

	record(t, u, 2 * n, now_s() - start);
	t->sampled[u] |= n < m->options->churn;
}

void match_churn(struct match *m)
{
	for (enum update u = CHURN; u < UPDATES; u++)
		for (unsigned r = 0; r < m->options->repetitions; r++)
			for (unsigned i = 0; i < m->n_tables; i++)
				timed_churn(&m->tables[(i + r) % m->n_tables], m, u, r);
}

static void count_build(struct table *full, const struct match *m, enum update u)
{
	struct table t = {.kind = full->kind};

	create(&t, m, false);
	t.kind->watch(t.table);
	change_all(&t, m, order(m, u), m->routes.n, ADD, 1e18);
	full->dirty[u] = (double)t.kind->written(t.table) / m->routes.n;
	t.kind->destroy(t.table);
}

void match_dirty(struct match *m)
{
	for (unsigned i = 0; i < m->n_tables; i++) {
		struct table *t = &m->tables[i];

		if (!t->kind->watch)
			continue;
		count_build(t, m, SORTED);
		count_build(t, m, SHUFFLED);
		t->kind->watch(t->table);
		for (enum update u = CHURN; u < UPDATES; u++) {
			uint64_t before = t->kind->written(t->table);
			uint32_t n = churn(t, m, u, 0, 1e18);

			t->dirty[u] = (double)(t->kind->written(t->table) - before) / (2 * n);
		}
	}
}
