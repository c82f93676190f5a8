/* SPDX-License-Identifier: BSD-2-Clause */
/* Peerlane's route tables beside DPDK's: lookups, updates, builds, bytes. All in one process and in
 * turns, since machines are shared; every answer compared before anything is timed. */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "../net/options.h"
#include "../routes/routes.h"
#include "fib.h"

enum row_kind { FLAG, NUMBER, TEXT };

/* The options, each a member of struct options. */
static const struct row {
	const char *name, *argument, *help;
	enum row_kind kind;
	size_t at;
	unsigned long long min, max;
} rows[] = {
#define AT(member) offsetof(struct options, member)
	{"routes", "FILE", "prefixes, one a line (\"-\": standard input) instead of generated ones",
	 TEXT, AT(routes), 0, 0},
	{"v4", "N", "IPv4 prefixes to generate (a full table)", NUMBER, AT(n4), 0, ROUTES_FULL4},
	{"v6", "N", "IPv6 prefixes to generate (a full table)", NUMBER, AT(n6), 0, ROUTES_FULL6},
	{"family", "4|6", "one family only", NUMBER, AT(family), 4, 6},
	{"nexthops", "N", "next hops, given out at random (255)", NUMBER, AT(nexthops), 2,
	 NEXTHOPS_MAX},
	{"correlated", NULL, "give neighbouring prefixes the same next hop, mostly", FLAG,
	 AT(correlated), 0, 0},
	{"only", "TEXT",
	 "only peers whose names contain this, and Peerlane; \"Peerlane\": no peers", TEXT,
	 AT(only), 0, 0},
	{"keys", "N", "addresses of each pattern (1048576)", NUMBER, AT(keys), 1, 1 << 26},
	{"bulk", "N", "addresses per call (1024)", NUMBER, AT(bulk), 1, BULK_MAX},
	{"repetitions", "N", "turns, of lookups and of churn; 0: none (11)", NUMBER,
	 AT(repetitions), 0, REPETITIONS_MAX},
	{"ms", "MS", "milliseconds of lookups per turn, at least (20)", NUMBER, AT(ms), 1, 10000},
	{"builds", "N", "times that each table is built in each order (3)", NUMBER, AT(builds), 1,
	 BUILDS_MAX},
	{"churn", "N", "routes per turn that go and come back; 0: none (16384)", NUMBER, AT(churn),
	 0, ROUTES_READ_MAX},
	{"limit", "S", "seconds after which a slow table's build is cut short (5)", NUMBER,
	 AT(limit_s), 1, 3600},
	{"seed", "N", "of everything that is random (1)", NUMBER, AT(seed), 0, 1ull << 32},
	{"core", "N", "core to run on (the first allowed)", NUMBER, AT(core), 0, CPU_SETSIZE - 1},
	{"json", "FILE", "write everything that was measured", TEXT, AT(json), 0, 0},
	{"bars", NULL, "say which of the aims are reached", FLAG, AT(bars), 0, 0},
	{"quick", NULL, "a small table and few turns: to see that it works", FLAG, AT(quick), 0, 0},
	{"help", NULL, "this", FLAG, 0, 0, 0},
#undef AT
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void __attribute__((noreturn)) print_usage(void)
{
	char left[64];

	printf("usage: fib [OPTION]...\n"
	       "Peerlane's route tables beside DPDK's. Without --routes for generated routes.\n");
	for (size_t i = 0; i < N_ROWS; i++) {
		snprintf(left, sizeof(left), "--%s %s", rows[i].name,
			 rows[i].argument ? rows[i].argument : "");
		printf("  %-18s %s\n", left, rows[i].help);
	}
	exit(EXIT_SUCCESS);
}

static void set_option(struct options *o, const struct row *row, const char *value)
{
	void *member = (char *)o + row->at;
	char name[32];

	snprintf(name, sizeof(name), "--%s", row->name);
	if (!strcmp(row->name, "help"))
		print_usage();
	if (row->kind == FLAG)
		*(bool *)member = true;
	else if (row->kind == TEXT)
		*(const char **)member = value;
	else
		*(unsigned long long *)member = number(name, value, row->min, row->max);
}

static void set_quick(struct options *o)
{
	o->n4 = 20000;
	o->n6 = 5000;
	o->keys = 1 << 16;
	o->repetitions = 3;
	o->ms = 1;
	o->builds = 1;
	o->churn = 2048;
}

static void read_options(struct options *o, int argc, char **argv)
{
	struct option table[N_ROWS + 1] = {0};
	int c, index;

	*o = (struct options){
		.n4 = ROUTES_FULL4,
		.n6 = ROUTES_FULL6,
		.nexthops = 255,
		.keys = 1 << 20,
		.bulk = 1024,
		.repetitions = 11,
		.ms = 20,
		.builds = 3,
		.churn = 16384,
		.limit_s = 5,
		.seed = 1,
		.core = CORE_ANY,
	};
	for (size_t i = 0; i < N_ROWS; i++)
		table[i] = (struct option){rows[i].name, rows[i].kind != FLAG, NULL, 0};
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--quick")) /* a default: other options change it */
			set_quick(o);
	while ((c = getopt_long(argc, argv, "", table, &index)) != -1) {
		if (c)
			die("try: fib --help");
		set_option(o, &rows[index], optarg);
	}
	if (optind < argc)
		die("\"%s\": no such argument; try: fib --help", argv[optind]);
	if (o->family == 5)
		die("--family: 4 or 6");
}

static int pin(const struct options *o)
{
	cpu_set_t set;
	int core = (int)o->core;

	if (o->core == CORE_ANY) {
		sched_getaffinity(0, sizeof(set), &set);
		for (core = 0; !CPU_ISSET(core, &set);)
			core++;
	}
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("--core: cannot run on core %d: %s", core, strerror(errno));
	return core;
}

static void read_routes(const struct options *o, struct routes *r)
{
	char error[ROUTES_ERROR_MAX];
	int rc;

	if (o->routes && routes_read(r, o->routes, error))
		die("--routes: %s", error);
	if (o->routes)
		return;
	rc = routes_generate(r, o->seed, (uint32_t)o->n4, (uint32_t)o->n6);
	if (rc)
		die("cannot generate routes: %s", strerror(-rc));
}

/* ---- who takes part ---- */

static struct table *table_of(struct match *m, const struct table_kind *kind)
{
	for (unsigned i = 0; i < m->n_tables; i++)
		if (m->tables[i].kind == kind)
			return &m->tables[i];
	m->tables[m->n_tables].kind = kind;
	return &m->tables[m->n_tables++];
}

static void enter(struct match *m, const struct contestant_kind *list, const char *only)
{
	for (; list->name; list++)
		if (!only || strstr(list->name, only))
			m->contestants[m->n_contestants++] = (struct contestant){
				.kind = list, .table = table_of(m, list->table)};
}

/* Takes those out that this processor or this build of theirs cannot run. */
static void leave_unable(struct match *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_contestants; i++) {
		struct contestant *c = &m->contestants[i];

		if (!c->kind->choose || c->kind->choose(c->table->table, c->kind->variant))
			m->contestants[n++] = *c;
		else
			fprintf(stderr, "%s: not possible here\n", c->kind->name);
	}
	m->n_contestants = n;
}

static struct match *match_new(const struct options *o, const struct routes *r, uint8_t family)
{
	struct match *m = calloc(1, sizeof(*m));

	if (!m)
		die("no memory");
	m->options = o;
	m->routes.family = family;
	if (!o->family || o->family == (family == AF_INET ? 4 : 6))
		table_routes_make(&m->routes, o, r, family);
	return m;
}

static void match_run(struct match *m)
{
	const struct options *o = m->options;

	enter(m, peerlane_contestants(m->routes.family), NULL);
	enter(m, dpdk_contestants(m->routes.family), o->only);
	for (enum pattern p = 0; p < PATTERNS; p++)
		keys_make(&m->keys[p], p, &m->routes, (uint32_t)o->keys, o->seed);
	pages_describe(m->keys[0].v4 ? (void *)m->keys[0].v4 : (void *)m->keys[0].v6,
		       m->pages_keys);
	match_builds(m);
	leave_unable(m);
	match_compare(m);
	match_lookups(m);
	if (!o->churn || !o->repetitions)
		return;
	match_churn(m);
	match_dirty(m);
	match_compare(m);
}

static void match_end(struct match *m)
{
	for (unsigned i = 0; i < m->n_tables; i++)
		m->tables[i].kind->destroy(m->tables[i].table);
	for (enum pattern p = 0; p < PATTERNS; p++)
		keys_free(&m->keys[p]);
}

/* ---- where ---- */

static void read_cpu(char *name, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256], *value;

	snprintf(name, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "model name", 10) || !(value = strstr(line, ": ")))
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(name, size, "%s", value + 2);
		break;
	}
	if (f)
		fclose(f);
}

static void read_setting(struct setting *s, int core, int argc, char **argv)
{
	time_t now = time(NULL);
	struct utsname uts;

	*s = (struct setting){.core = core, .argc = argc, .argv = argv};
	strftime(s->date, sizeof(s->date), "%Y-%m-%dT%H:%M:%S%z", localtime(&now));
	read_cpu(s->cpu, sizeof(s->cpu));
	if (!uname(&uts))
		snprintf(s->kernel, sizeof(s->kernel), "%s", uts.release);
}

int main(int argc, char **argv)
{
	struct options o;
	struct setting s;
	struct routes r;
	struct match *m[2];

	read_options(&o, argc, argv);
	read_setting(&s, pin(&o), argc, argv);
	read_routes(&o, &r);
	m[0] = match_new(&o, &r, AF_INET);
	m[1] = match_new(&o, &r, AF_INET6);
	routes_free(&r);
	if (!m[0]->routes.n && !m[1]->routes.n)
		die("no routes to measure with");
	s.dpdk = "not asked for";
	if (!o.only || strcmp(o.only, "Peerlane"))
		s.dpdk = dpdk_start(s.core, &m[0]->routes, &m[1]->routes);
	report_setting(&s);
	for (unsigned i = 0; i < 2; i++) {
		if (!m[i]->routes.n)
			continue;
		match_run(m[i]);
		report_print(m[i]);
		fflush(stdout);
		match_end(m[i]);
	}
	for (unsigned i = 0; o.bars && i < 2; i++)
		if (m[i]->routes.n)
			report_bars(m[i]);
	if (o.json)
		report_json(&o, &s, m);
	for (unsigned i = 0; i < 2; i++) {
		table_routes_free(&m[i]->routes);
		free(m[i]);
	}
	return 0;
}
