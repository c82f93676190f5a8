/* SPDX-License-Identifier: BSD-2-Clause */
/* The figures as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fib.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread series_spread(const struct series *s)
{
	struct series sorted = *s;

	if (!s->n)
		return (struct spread){0};
	qsort(sorted.at, sorted.n, sizeof(sorted.at[0]), by_value);
	return (struct spread){sorted.at[0], sorted.at[sorted.n / 2], sorted.at[sorted.n - 1]};
}

struct spread series_ratio(const struct series *a, const struct series *b)
{
	struct series ratio = {.n = a->n < b->n ? a->n : b->n};

	for (unsigned i = 0; i < ratio.n; i++)
		ratio.at[i] = a->at[i] / b->at[i];
	return series_spread(&ratio);
}

const char *family_name(uint8_t family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

void report_setting(const struct setting *s)
{
	printf("date: %s\ncpu: %s, core %d\nkernel: %s\ndpdk: %s\ncommand:", s->date, s->cpu,
	       s->core, s->kernel, s->dpdk);
	for (int i = 0; i < s->argc; i++)
		printf(" %s", s->argv[i]);
	printf("\n");
}

double table_seconds(const struct match *m, const struct table *t, enum update u)
{
	double rate = series_spread(&t->rate[u]).median;

	if (u > SHUFFLED || t->sampled[u] || !(rate > 0))
		return 0;
	return series_spread(&t->create_s).median + m->routes.n / rate;
}

/* ---- lookups ---- */

/* The first table is ours, its first contestant plain C, its last the best instruction set. */
static const struct contestant *our_best(const struct match *m)
{
	const struct contestant *best = m->contestants;

	for (unsigned i = 0; i < m->n_contestants; i++)
		if (m->contestants[i].table == m->tables)
			best = &m->contestants[i];
	return best;
}

static void print_lookups(const struct match *m, enum pattern p)
{
	const struct contestant *best = our_best(m), *plain = m->contestants;

	printf("\n%s, %s keys\n%-24s %8s %8s %8s %6s   %-20s %s\n", family_name(m->routes.family),
	       pattern_names[p], "Mlookups/s, one core", "min", "median", "max", "ns",
	       best->kind->name, plain->kind->name);
	for (unsigned i = 0; i < m->n_contestants; i++) {
		const struct contestant *c = &m->contestants[i];
		struct spread s = series_spread(&c->mlps[p]);
		struct spread b = series_ratio(&best->mlps[p], &c->mlps[p]);
		struct spread a = series_ratio(&plain->mlps[p], &c->mlps[p]);

		printf("%-24s %8.1f %8.1f %8.1f %6.2f   %4.2f / %4.2f / %4.2f x", c->kind->name,
		       s.min, s.median, s.max, 1e3 / s.median, b.min, b.median, b.max);
		printf("   %4.2f / %4.2f / %4.2f x\n", a.min, a.median, a.max);
	}
}

/* ---- updates ---- */

static void print_rates(const struct match *m, enum update u)
{
	const struct table *ours = m->tables;

	for (unsigned i = 0; i < m->n_tables; i++) {
		const struct table *t = &m->tables[i];
		struct spread s = series_spread(&t->rate[u]);
		struct spread r = series_ratio(&ours->rate[u], &t->rate[u]);

		if (!t->rate[u].n)
			continue;
		printf("%-10s %-16s %9.4f %9.4f %9.4f", update_names[u], t->kind->name, s.min / 1e6,
		       s.median / 1e6, s.max / 1e6);
		if (table_seconds(m, t, u) > 0)
			printf(" %8.3f", table_seconds(m, t, u));
		else
			printf(" %8s", "");
		if (t->dirty[u] > 0)
			printf(" %7.1f", t->dirty[u]);
		else
			printf(" %7s", "");
		printf("   %5.2f / %5.2f / %5.2f x%s\n", r.min, r.median, r.max,
		       t->sampled[u] ? "   sampled" : "");
	}
}

static void print_tables(const struct match *m)
{
	printf("\n%s, tables\n%-16s %12s  %s\n", family_name(m->routes.family), "", "bytes",
	       "pages");
	for (unsigned i = 0; i < m->n_tables; i++)
		printf("%-16s %12zu  %s\n", m->tables[i].kind->name, m->tables[i].bytes,
		       m->tables[i].pages);
	printf("\n%s, million updates a second, one core\n%-10s %-16s %9s %9s %9s %8s %7s   %s\n",
	       family_name(m->routes.family), "", "", "min", "median", "max", "table s", "dirty B",
	       "Peerlane is");
	for (enum update u = 0; u < UPDATES; u++)
		print_rates(m, u);
}

void report_print(const struct match *m)
{
	const struct options *o = m->options;

	printf("\n%s: %u routes to %u %snext hops; bulks of %llu, %llu keys on pages of %s; "
	       "%llu repetitions of %llu ms\n",
	       family_name(m->routes.family), m->routes.n, m->routes.n_nexthops,
	       o->correlated ? "correlated " : "random ", o->bulk, o->keys, m->pages_keys,
	       o->repetitions, o->ms);
	for (enum pattern p = 0; o->repetitions && p < PATTERNS; p++)
		print_lookups(m, p);
	print_tables(m);
}
