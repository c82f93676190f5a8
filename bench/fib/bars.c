/* SPDX-License-Identifier: BSD-2-Clause */
/* What Peerlane aims at on a full table of the Internet's routes, and whether it is reached. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fib.h"

/* At least these ratios of medians. */
static const struct bar {
	uint8_t family;
	const char *ours, *peer;
	double ratio[PATTERNS];
} bars[] = {
	{AF_INET, "Peerlane AVX-512", "rte_fib 2-byte AVX-512", {4.5, 1.35, 1.0, 1.0}},
	{AF_INET, "Peerlane plain C", "rte_fib 2-byte scalar", {2.0, 1.0, 0.65, 0.65}},
	{AF_INET6, "Peerlane AVX-512", "rte_fib6 4-byte AVX-512", {1.0, 1.5, 1.3, 0.85}},
	{AF_INET6, "Peerlane plain C", "rte_fib6 4-byte scalar", {0.9, 1.0, 1.0, 0.9}},
};

/* And these of tables. */
static const struct table_bar {
	uint8_t family;
	const char *peer;
	double updates, updates_ratio; /* million a second; over the peer's */
	double bytes, build_s;
} table_bars[] = {
	{AF_INET, "rte_fib 2-byte", 1.0, 2.0, 14e6, 0.5},
	{AF_INET6, "rte_fib6 4-byte", 0.7, 2.0, 48e6, 0.5},
};

static const struct contestant *find_contestant(const struct match *m, const char *name)
{
	for (unsigned i = 0; i < m->n_contestants; i++)
		if (!strcmp(m->contestants[i].kind->name, name))
			return &m->contestants[i];
	return NULL;
}

static const struct table *find_table(const struct match *m, const char *name)
{
	for (unsigned i = 0; i < m->n_tables; i++)
		if (!strcmp(m->tables[i].kind->name, name))
			return &m->tables[i];
	return NULL;
}

static void print_value(double value, bool at_least, double limit)
{
	bool reached = at_least ? value >= limit : value <= limit;

	printf("   %6.2f %s\n", value, reached ? "reached" : "MISSED");
}

static void print_bar(const struct match *m, const struct bar *bar)
{
	const struct contestant *ours = find_contestant(m, bar->ours);
	const struct contestant *peer = find_contestant(m, bar->peer);
	char title[64];

	for (enum pattern p = 0; p < PATTERNS; p++) {
		snprintf(title, sizeof(title), "%s / %s", bar->ours, bar->peer);
		printf("%s %-42s %-10s at least %5.2f", family_name(m->routes.family), title,
		       pattern_names[p], bar->ratio[p]);
		if (ours && peer && ours->mlps[p].n)
			print_value(series_ratio(&ours->mlps[p], &peer->mlps[p]).median, true,
				    bar->ratio[p]);
		else
			printf("   not measured\n");
	}
}

static void print_limit(const struct match *m, const char *what, bool at_least, double limit,
			double value)
{
	printf("%s %-53s %-8s %5.2f", family_name(m->routes.family), what,
	       at_least ? "at least" : "at most", limit);
	if (value > 0)
		print_value(value, at_least, limit);
	else
		printf("   not measured\n");
}

static void print_table_bar(const struct match *m, const struct table_bar *bar)
{
	const struct table *ours = m->tables, *peer = find_table(m, bar->peer);
	char title[64];

	for (enum update u = 0; u < UPDATES; u++) {
		snprintf(title, sizeof(title), "million updates/s, %s", update_names[u]);
		print_limit(m, title, true, bar->updates,
			    series_spread(&ours->rate[u]).median / 1e6);
		snprintf(title, sizeof(title), "updates / %s, %s", bar->peer, update_names[u]);
		print_limit(m, title, true, bar->updates_ratio,
			    peer ? series_ratio(&ours->rate[u], &peer->rate[u]).median : 0);
	}
	print_limit(m, "image, MB", false, bar->bytes / 1e6, (double)ours->bytes / 1e6);
	for (enum update u = SORTED; u <= SHUFFLED; u++) {
		snprintf(title, sizeof(title), "full table from nothing, %s, s", update_names[u]);
		print_limit(m, title, false, bar->build_s, table_seconds(m, ours, u));
	}
}

void report_bars(const struct match *m)
{
	printf("\n%s: bars, for medians on a full table of the Internet's routes\n",
	       family_name(m->routes.family));
	for (size_t i = 0; i < sizeof(bars) / sizeof(bars[0]); i++)
		if (bars[i].family == m->routes.family)
			print_bar(m, &bars[i]);
	for (size_t i = 0; i < sizeof(table_bars) / sizeof(table_bars[0]); i++)
		if (table_bars[i].family == m->routes.family)
			print_table_bar(m, &table_bars[i]);
}

json_t *bars_json(uint8_t family)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		json_t *ratios;

		if (bars[i].family != family)
			continue;
		ratios = json_object();
		for (enum pattern p = 0; p < PATTERNS; p++)
			json_object_set_new(ratios, pattern_names[p], json_real(bars[i].ratio[p]));
		json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "ours", bars[i].ours,
						      "peer", bars[i].peer, "ratio", ratios));
	}
	return list;
}
