/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts in a table what the generator needs to know, and prints it as model.c. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct measure {
	struct model model;	   /* filled in as it becomes known */
	const char *name;	   /* in C */
	const struct prefix *list; /* sorted, none longer than usual */
	uint32_t *leaves;	   /* how many of those before each are leaves */
	struct model_depth depths[MODEL_DEPTHS_MAX];
};

/* First of the prefixes `from` to `to` less one, which have `depth` bits in common, that goes on with
 * a 1. */
static uint32_t find_half(const struct measure *m, uint32_t from, uint32_t to, unsigned depth)
{
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (m->list[middle].bytes[depth / 8] >> (7 - depth % 8) & 1)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

/* True if the prefixes, `n` leaves, are all of the same length, and as many as there can be. */
static bool is_full(const struct measure *m, uint32_t from, uint32_t to, unsigned depth, uint32_t n)
{
	unsigned i = model_full(n);

	if (i == MODEL_FULLS || to - from != n)
		return false;
	for (; from < to; from++)
		if (m->list[from].len != depth + i)
			return false;
	return true;
}

static void put_ball(struct model_urn *u, bool yes)
{
	if (yes)
		u->yes++;
	else
		u->no++;
}

static void put_share(struct model_depth *d, uint32_t n, uint32_t half)
{
	uint32_t smaller = half < n - half ? half : n - half;
	unsigned i = 0;

	while (smaller > model_share(n, i))
		i++;
	d->share[model_size(n)][i]++;
}

/* Counts the node of the prefixes `from` to `to` less one, and all below it. */
static void count(struct measure *m, uint32_t from, uint32_t to, unsigned depth, bool covered)
{
	struct model_depth *d = &m->depths[depth - m->model.block_len];
	uint32_t n = m->leaves[to] - m->leaves[from], half;
	bool is_cover = m->list[from].len == depth && to - from > 1;
	bool full = is_full(m, from + is_cover, to, depth, n);
	unsigned i = model_full(n);

	if (n > d->most)
		d->most = n;
	if (i < MODEL_FULLS)
		put_ball(&d->full[i], full);
	if (full && n == 1)
		return;
	put_ball(full ? &d->cover_full[covered][i] : &d->cover[covered][model_size(n)], is_cover);
	if (full)
		return;
	covered = covered || is_cover;
	from += is_cover;
	half = find_half(m, from, to, depth);
	put_share(d, n, m->leaves[half] - m->leaves[from]);
	if (half > from)
		count(m, from, half, depth + 1, covered);
	if (to > half)
		count(m, half, to, depth + 1, covered);
}

/* The first of `n` prefixes behind `from` that is in another block. */
static uint32_t block_end(const struct measure *m, uint32_t from, uint32_t n)
{
	uint32_t i;

	for (i = from + 1; i < n; i++)
		if ((prefix_number(&m->list[i]) ^ prefix_number(&m->list[from])) >>
		    (128 - m->model.block_len))
			break;
	return i;
}

/* ---- printing ---- */

struct writer {
	unsigned column;
};

/* Prints something that is not to be broken, on the next line if it has no room on this one. */
static void __attribute__((format(printf, 2, 3))) emit(struct writer *w, const char *fmt, ...)
{
	char text[64];
	va_list args;
	unsigned len;

	va_start(args, fmt);
	len = (unsigned)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (w->column + len > 99) {
		printf("\n");
		w->column = 0;
	}
	printf("%s", text);
	w->column += len;
}

static void print_blocks(struct measure *m, uint32_t n)
{
	struct writer w = {0};
	uint32_t from, to;

	printf("static const struct model_block %s_blocks[] = {\n", m->name);
	for (from = 0; from < n; from = to) {
		to = block_end(m, from, n);
		m->model.n_blocks++;
		emit(&w, "{0x%x,%u},",
		     (unsigned)(prefix_number(&m->list[from]) >> (128 - m->model.block_len)),
		     m->leaves[to] - m->leaves[from]);
		count(m, from, to, m->model.block_len, false);
	}
	printf("\n};\n\n");
}

/* Leaves out the empty ones at the end. */
static void print_urns(struct writer *w, const struct model_urn *u, unsigned n)
{
	unsigned i;

	while (n > 1 && u[n - 1].yes + u[n - 1].no == 0)
		n--;
	emit(w, "{");
	for (i = 0; i < n; i++)
		emit(w, "{%u,%u},", u[i].yes, u[i].no);
	emit(w, "},");
}

static void print_share(struct writer *w, const uint32_t share[MODEL_SHARES])
{
	unsigned n = MODEL_SHARES, i;

	while (n > 1 && share[n - 1] == 0)
		n--;
	emit(w, "{");
	for (i = 0; i < n; i++)
		emit(w, "%u,", share[i]);
	emit(w, "},");
}

static void print_depth(const struct model_depth *d, unsigned depth)
{
	struct writer w = {0};
	unsigned size;

	emit(&w, "/* /%u */ {%u,", depth, d->most);
	print_urns(&w, d->full, MODEL_FULLS);
	emit(&w, "{");
	print_urns(&w, d->cover[0], MODEL_SIZES);
	print_urns(&w, d->cover[1], MODEL_SIZES);
	emit(&w, "},{");
	print_urns(&w, d->cover_full[0], MODEL_FULLS);
	print_urns(&w, d->cover_full[1], MODEL_FULLS);
	emit(&w, "},{");
	for (size = 0; size < MODEL_SIZES; size++)
		print_share(&w, d->share[size]);
	emit(&w, "}},");
	printf("\n");
}

static void print_depths(const struct measure *m)
{
	unsigned depth;

	printf("static const struct model_depth %s_depths[] = {\n", m->name);
	for (depth = m->model.block_len; depth <= m->model.usual_len; depth++)
		print_depth(&m->depths[depth - m->model.block_len], depth);
	printf("};\n\n");
}

static void print_model(const struct measure *m)
{
	const struct model *o = &m->model;

	printf("const struct model model_%s = {%s,%u,%u,{%u,%u},%u,%u,%u,{%u,%u},\n%u,%s_blocks,"
	       "%s_depths};\n",
	       m->name, o->family == AF_INET ? "AF_INET" : "AF_INET6", o->block_len, o->usual_len,
	       o->longer[0], o->longer[1], o->sample_len, o->routes, o->n_longer, o->long_at.yes,
	       o->long_at.no, o->n_blocks, m->name, m->name);
}

/* Takes what is longer than usual out of the sorted prefixes, and counts it; what is shorter than a
 * block, too. Returns how many are left. */
static uint32_t take_out(struct model *o, struct prefix *list, uint32_t n)
{
	struct prefix place, last = {0};
	uint32_t kept = 0, i;

	for (i = 0; i < n; i++) {
		if (list[i].len <= o->usual_len) {
			o->long_at.no += list[i].len == o->usual_len;
			if (list[i].len >= o->block_len)
				list[kept++] = list[i];
			continue;
		}
		place = prefix_make(list[i].family, list[i].bytes, o->usual_len);
		o->n_longer++;
		o->long_at.yes += !prefix_equal(&place, &last);
		last = place;
	}
	o->long_at.no -= o->long_at.yes;
	return kept;
}

static void count_leaves(struct measure *m, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		m->leaves[i + 1] =
			m->leaves[i] + (i + 1 == n || !prefix_covers(&m->list[i], &m->list[i + 1]));
}

static int print_family(const struct model *model, const char *name, const struct prefix *list,
			uint32_t n)
{
	struct prefix *sorted = malloc(((size_t)n + 1) * sizeof(*sorted));
	static struct measure m;

	m = (struct measure){.model = *model, .name = name, .list = sorted};
	m.leaves = calloc((size_t)n + 1, sizeof(*m.leaves));
	if (!sorted || !m.leaves) {
		free(sorted);
		free(m.leaves);
		return -ENOMEM;
	}
	memcpy(sorted, list, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), prefix_compare);
	m.model.routes = n;
	n = take_out(&m.model, sorted, n);
	count_leaves(&m, n);
	print_blocks(&m, n);
	print_depths(&m);
	print_model(&m);
	free(sorted);
	free(m.leaves);
	return 0;
}

int model_print(const struct routes *r)
{
	static const struct model ipv4 = {AF_INET, 8, 24, {32, 32}, 16};
	static const struct model ipv6 = {AF_INET6, 20, 48, {64, 128}, 32};
	int err;

	printf("/* SPDX-License-Identifier: BSD-2-Clause */\n"
	       "/* Printed by `routes --model FILE` from a default-free table of January 2024: "
	       "901,899\n"
	       " * IPv4 and 160,147 IPv6 prefixes. */\n"
	       "#include \"private.h\"\n\n/* clang-format off */\n\n");
	err = print_family(&ipv4, "ipv4", r->list, r->n4);
	if (err)
		return err;
	printf("\n");
	return print_family(&ipv6, "ipv6", r->list + r->n4, r->n6);
}
