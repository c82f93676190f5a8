/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator: balls drawn from the model's urns, from the top of the trie down and from the first
 * address to the last. */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct generator {
	const struct model *model;
	uint64_t seed;
	struct prefix *out, *end; /* what is made, and where there is no more room for it */
	struct model_urn long_at;
	uint32_t longer; /* still to be made */
	struct model_depth urns[MODEL_DEPTHS_MAX];
};

static uint32_t balls(const struct model_urn *u)
{
	return u->yes + u->no;
}

static bool draw(struct generator *g, struct model_urn *u)
{
	uint32_t all = balls(u);

	if (all == 0)
		return false;
	if (random_below(&g->seed, all) < u->yes) {
		u->yes--;
		return true;
	}
	u->no--;
	return false;
}

/* Of `n` urns the one with a ball that is nearest to number `want`, if any. */
static unsigned nearest_urn(const struct model_urn *u, unsigned n, unsigned want)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (want >= i && balls(&u[want - i]))
			return want - i;
		if (want + i < n && balls(&u[want + i]))
			return want + i;
	}
	return want;
}

static bool is_cover(struct generator *g, unsigned depth, uint32_t n, bool is_full, bool covered)
{
	struct model_depth *d = &g->urns[depth - g->model->block_len];

	if (is_full)
		return draw(g, &d->cover_full[covered][model_full(n)]);
	return draw(g,
		    &d->cover[covered][nearest_urn(d->cover[covered], MODEL_SIZES, model_size(n))]);
}

static bool is_full(struct generator *g, unsigned depth, uint32_t n)
{
	unsigned i = model_full(n);

	if (n == 1 && depth == g->model->usual_len)
		return true;
	return i < MODEL_FULLS && draw(g, &g->urns[depth - g->model->block_len].full[i]);
}

static uint32_t sum(const uint32_t share[MODEL_SHARES])
{
	uint32_t all = 0;
	unsigned i;

	for (i = 0; i < MODEL_SHARES; i++)
		all += share[i];
	return all;
}

/* The class of shares for nodes of this size, or of the next smaller that has a ball. */
static unsigned draw_share(struct generator *g, unsigned depth, unsigned size)
{
	uint32_t(*share)[MODEL_SHARES] = g->urns[depth - g->model->block_len].share, dice;
	unsigned i;

	while (size > 0 && sum(share[size]) == 0)
		size--;
	if (sum(share[size]) == 0)
		return 0;
	dice = random_below(&g->seed, sum(share[size]));
	for (i = 0; dice >= share[size][i]; i++)
		dice -= share[size][i];
	share[size][i]--;
	return i;
}

/* The smaller half's share of `n` leaves. */
static uint32_t share(struct generator *g, unsigned depth, uint32_t n)
{
	unsigned part = draw_share(g, depth, model_size(n));
	uint32_t most = g->model->depths[depth + 1 - g->model->block_len].most;
	uint32_t high = model_share(n, part), low = part ? model_share(n, part - 1) + 1 : 0;

	/* No half has more than any real one, unless both must. */
	if (n - high > most)
		high = n / 2;
	if (n - low > most)
		low = n / 2 > most ? n / 2 : n - most;
	if (low >= high)
		return high;
	/* Of the small shares, the smaller are more frequent. */
	if (part == 2)
		high = low + random_below(&g->seed, high - low + 1);
	return low + random_below(&g->seed, high - low + 1);
}

static void put(struct generator *g, addr128 addr, unsigned len)
{
	struct prefix *p = g->out;
	unsigned i;

	if (p == g->end)
		return;
	g->out++;
	*p = (struct prefix){.family = g->model->family, .len = (uint8_t)len};
	for (i = 0; i < (len + 7) / 8; i++)
		p->bytes[i] = (uint8_t)(addr >> (120 - 8 * i));
}

/* Some longer ones below a route of the usual length, each in a piece of its own: so many that none
 * are left at the last such place. */
static void put_longer(struct generator *g, addr128 addr)
{
	const struct model *m = g->model;
	uint32_t per_place = g->longer / (g->long_at.yes + 1), n, i;
	addr128 piece;

	n = 1 + random_below(&g->seed, 2 * per_place);
	if (n > g->longer || g->long_at.yes == 0)
		n = g->longer;
	if (n > 64)
		n = 64;
	for (i = 0; i < n; i++) {
		unsigned len = m->longer[i % 2];

		piece = (addr128)1 << (128 - m->usual_len - 6);
		put(g,
		    addr | ((i * piece + (random64(&g->seed) & (piece - 1))) &
			    ~(addr128)0 << (128 - len)),
		    len);
	}
	g->longer -= n;
}

static void put_leaf(struct generator *g, addr128 addr, unsigned len)
{
	const struct model *m = g->model;

	put(g, addr, len);
	if (len < m->usual_len)
		return;
	if (draw(g, &g->long_at))
		put_longer(g, addr);
}

/* Makes the `n` leaves, at least one, and the covers that have the first `depth` bits of `addr`. */
static void fill(struct generator *g, addr128 addr, unsigned depth, uint32_t n, bool covered)
{
	bool full = is_full(g, depth, n);
	uint32_t half, i;

	assert(depth < g->model->usual_len || n == 1);
	if (full && n == 1) {
		put_leaf(g, addr, depth);
		return;
	}
	if (is_cover(g, depth, n, full, covered)) {
		put(g, addr, depth);
		covered = true;
	}
	if (full) {
		unsigned len = depth + model_full(n);

		for (i = 0; i < n; i++)
			put_leaf(g, addr | (addr128)i << (128 - len), len);
		return;
	}
	half = share(g, depth, n);
	if (random64(&g->seed) & 1)
		half = n - half;
	if (half)
		fill(g, addr, depth + 1, half, covered);
	if (n - half)
		fill(g, addr | (addr128)1 << (127 - depth), depth + 1, n - half, covered);
}

static uint32_t scaled(uint64_t leaves, uint64_t routes, uint64_t of_routes)
{
	return (uint32_t)((leaves * routes + of_routes / 2) / of_routes);
}

static void scale_urns(struct model_urn *u, unsigned n, uint64_t routes, uint64_t of_routes)
{
	for (; n--; u++) {
		u->yes = scaled(u->yes, routes, of_routes);
		u->no = scaled(u->no, routes, of_routes);
	}
}

/* Fills the urns for about `n` routes. */
static void fill_urns(struct generator *g, uint32_t n)
{
	const struct model *m = g->model;
	unsigned n_depths = m->usual_len - m->block_len + 1u, i, size, part;

	g->long_at = m->long_at;
	scale_urns(&g->long_at, 1, n, m->routes);
	g->longer = scaled(m->n_longer, n, m->routes);
	for (i = 0; i < n_depths; i++) {
		struct model_depth *d = &g->urns[i];

		*d = m->depths[i];
		scale_urns(d->full, MODEL_FULLS, n, m->routes);
		scale_urns(d->cover[0], 2 * MODEL_SIZES, n, m->routes);
		scale_urns(d->cover_full[0], 2 * MODEL_FULLS, n, m->routes);
		for (size = 0; size < MODEL_SIZES; size++)
			for (part = 0; part < MODEL_SHARES; part++)
				d->share[size][part] = scaled(d->share[size][part], n, m->routes);
	}
}

/* Makes about `n` routes. The blocks' share of them is the real one. */
static void fill_blocks(struct generator *g, uint32_t n)
{
	const struct model *m = g->model;
	uint64_t before = 0, upto = 0;
	uint32_t i, leaves;

	fill_urns(g, n);
	for (i = 0; i < m->n_blocks; i++, before = upto) {
		upto += m->blocks[i].leaves;
		leaves = scaled(upto, n, m->routes) - scaled(before, n, m->routes);
		if (leaves)
			fill(g, (addr128)m->blocks[i].bits << (128 - m->block_len), m->block_len,
			     leaves, false);
	}
}

/* Prefixes of one neighbourhood: next to each other in the list. */
struct group {
	uint32_t first, n;
};

static int group_compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static uint32_t find_groups(const struct model *m, const struct prefix *list, uint32_t n,
			    struct group *groups)
{
	addr128 last = 0, here;
	uint32_t n_groups = 0, i;

	for (i = 0; i < n; i++, last = here) {
		here = prefix_number(&list[i]) >> (128 - m->sample_len);
		if (i == 0 || here != last)
			groups[n_groups++] = (struct group){.first = i};
		groups[n_groups - 1].n++;
	}
	return n_groups;
}

/* Keeps `want` of the `n` prefixes: all of some neighbourhoods, of the last one the first. */
static int keep_some(const struct model *m, struct prefix *list, uint32_t n, uint32_t want,
		     uint64_t seed)
{
	struct group *groups = malloc(n * sizeof(*groups));
	uint32_t n_groups, n_kept, left = want, i;
	struct prefix *to = list;

	if (!groups)
		return -ENOMEM;
	n_groups = find_groups(m, list, n, groups);
	for (n_kept = 0; left; n_kept++) {
		struct group *g = &groups[n_kept + random_below(&seed, n_groups - n_kept)],
			     pick = *g;

		*g = groups[n_kept];
		if (pick.n > left)
			pick.n = left;
		groups[n_kept] = pick;
		left -= pick.n;
	}
	qsort(groups, n_kept, sizeof(*groups), group_compare);
	for (i = 0; i < n_kept; to += groups[i++].n)
		memmove(to, &list[groups[i].first], groups[i].n * sizeof(*list));
	free(groups);
	return 0;
}

/* How many routes to aim at: what comes out is left to chance, and what is too much thrown away. */
static uint32_t aim(const struct model *m)
{
	return m->routes + m->routes / 50;
}

/* Puts `n` prefixes into `list`, which has room for twice as many as are aimed at. */
static int generate(struct generator *g, const struct model *m, struct prefix *list, uint64_t seed,
		    uint32_t n)
{
	uint32_t made;

	if (n == 0)
		return 0;
	g->model = m;
	g->seed = seed;
	g->end = list + 2 * (size_t)aim(m);
	do {
		g->out = list;
		fill_blocks(g, aim(m));
		made = (uint32_t)(g->out - list);
	} while (made < n);
	return keep_some(m, list, made, n, seed);
}

int routes_generate(struct routes *r, uint64_t seed, uint32_t n4, uint32_t n6)
{
	/* The IPv6 prefixes are made behind the IPv4 ones that are kept. */
	size_t room = 2 * ((size_t)aim(&model_ipv4) + aim(&model_ipv6));
	struct prefix *list, *fit;
	struct generator *g;
	int err = -ENOMEM;

	if (n4 > ROUTES_FULL4 || n6 > ROUTES_FULL6)
		return -EINVAL;
	g = malloc(sizeof(*g));
	list = malloc(room * sizeof(*list));
	if (!g || !list)
		goto fail;
	err = generate(g, &model_ipv4, list, seed, n4);
	if (!err)
		err = generate(g, &model_ipv6, list + n4, ~seed, n6);
	if (err)
		goto fail;
	free(g);
	fit = realloc(list, ((size_t)n4 + n6 + 1) * sizeof(*list));
	*r = (struct routes){.list = fit ? fit : list, .n4 = n4, .n6 = n6};
	return 0;
fail:
	free(list);
	free(g);
	return err;
}
