/* SPDX-License-Identifier: BSD-2-Clause */
/* routes: prints whole routing tables, and what characterises them. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/options.h"
#include "private.h"

#define TEMPLATES_MAX 64u

/* How a prefix becomes a line: `%` stands for it. Several are taken by turns. */
struct templates {
	const char *text[TEMPLATES_MAX];
	unsigned n;
};

struct options {
	uint32_t n4, n6;
	uint64_t seed;
	bool shuffle, stats, model;
	struct templates line4, line6;
	const char *file;
};

static const char usage[] =
	"routes [OPTION]... [FILE]\n"
	"Prints a routing table like the Internet's of January 2024, or that in FILE (-: standard\n"
	"input): a prefix a line. All of both families, unless -4 or -6 says how many.\n"
	"  -4, --ipv4 N      so many IPv4 prefixes, at most 901899\n"
	"  -6, --ipv6 N      so many IPv6 prefixes, at most 160147\n"
	"  -r, --seed N      other numbers, other tables (1)\n"
	"  -s, --shuffle     in random order\n"
	"      --line4 TEXT  prints TEXT for an IPv4 prefix, which takes the place of %\n"
	"      --line6 TEXT  the same for IPv6. Given several times: by turns\n"
	"      --stats       prints lengths, nesting and clustering instead\n"
	"      --model       prints model.c for the table instead\n"
	"For instance, for `ip -batch -`, over two gateways:\n"
	"  routes -4 10000 --line4 'route add % via 10.0.0.2' --line4 'route add % via 10.0.1.2'\n";

static void add_template(struct templates *t, const char *text)
{
	if (t->n == TEMPLATES_MAX)
		die("at most %u lines to take by turns", TEMPLATES_MAX);
	if (!strchr(text, '%'))
		die("\"%s\" has no %% for the prefix", text);
	t->text[t->n++] = text;
}

static void parse(struct options *o, int argc, char **argv)
{
	enum { LINE4 = 256, LINE6, STATS, MODEL };
	static const struct option longs[] = {
		{"ipv4", required_argument, NULL, '4'},
		{"ipv6", required_argument, NULL, '6'},
		{"seed", required_argument, NULL, 'r'},
		{"shuffle", no_argument, NULL, 's'},
		{"line4", required_argument, NULL, LINE4},
		{"line6", required_argument, NULL, LINE6},
		{"stats", no_argument, NULL, STATS},
		{"model", no_argument, NULL, MODEL},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool n4 = false, n6 = false;
	int c;

	while ((c = getopt_long(argc, argv, "4:6:r:sh", longs, NULL)) != -1) {
		switch (c) {
		case '4':
			o->n4 = (uint32_t)number("--ipv4", optarg, 0, ROUTES_FULL4);
			n4 = true;
			break;
		case '6':
			o->n6 = (uint32_t)number("--ipv6", optarg, 0, ROUTES_FULL6);
			n6 = true;
			break;
		case 'r':
			o->seed = number("--seed", optarg, 0, UINT64_MAX);
			break;
		case 's':
			o->shuffle = true;
			break;
		case LINE4:
			add_template(&o->line4, optarg);
			break;
		case LINE6:
			add_template(&o->line6, optarg);
			break;
		case STATS:
			o->stats = true;
			break;
		case MODEL:
			o->model = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			fputs(usage, stderr);
			exit(EXIT_FAILURE);
		}
	}
	if (!n4 && !n6) {
		o->n4 = ROUTES_FULL4;
		o->n6 = ROUTES_FULL6;
	}
	o->file = argv[optind];
	if (o->file && (n4 || n6 || argv[optind + 1]))
		die("one FILE, and no --ipv4 or --ipv6 then: a file's table is printed whole");
}

/* ---- output ---- */

static void print_lines(const struct prefix *list, uint32_t n, const struct templates *t)
{
	char text[PREFIX_STRLEN];
	uint32_t i;

	for (i = 0; i < n; i++) {
		const char *line = t->n ? t->text[i % t->n] : "%", *mark = strchr(line, '%');

		printf("%.*s%s%s\n", (int)(mark - line), line, prefix_print(&list[i], text),
		       mark + 1);
	}
}

static void print_histogram(const char *name, const uint32_t *count, unsigned n)
{
	unsigned i;

	printf("%s:", name);
	for (i = 0; i < n; i++)
		if (count[i])
			printf(" %u=%u", i, count[i]);
	printf("\n");
}

static void print_stats(const struct routes *r, uint8_t family)
{
	static struct routes_stats s;

	if (routes_stats(r, family, &s))
		die("no memory");
	printf("%s: %u prefixes, %u more twice, %u with their sibling\n",
	       family == AF_INET ? "IPv4" : "IPv6", s.n, s.duplicates, s.siblings);
	print_histogram("  by length", s.length, 129);
	print_histogram("  by how many cover it", s.depth, ROUTES_DEPTHS);
	print_histogram("  ranges of that length that have longer ones inside", s.occupied, 128);
	print_histogram("  runs of neighbours of the same length, by log2 of how many", s.run,
			ROUTES_RUNS);
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1};
	char error[ROUTES_ERROR_MAX];
	struct routes r;

	parse(&o, argc, argv);
	if (o.file ? routes_read(&r, o.file, error) : routes_generate(&r, o.seed, o.n4, o.n6))
		die("routes: %s", o.file ? error : "no memory");
	if (o.shuffle)
		routes_shuffle(&r, o.seed);
	if (o.model) {
		if (model_print(&r))
			die("routes: no memory");
	} else if (o.stats) {
		print_stats(&r, AF_INET);
		print_stats(&r, AF_INET6);
	} else {
		print_lines(r.list, r.n4, &o.line4);
		print_lines(r.list + r.n4, r.n6, &o.line6);
	}
	routes_free(&r);
	if (fflush(stdout) || ferror(stdout))
		die("routes: cannot write all of it");
	return EXIT_SUCCESS;
}
