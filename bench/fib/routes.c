/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes of one family: next hops, both orders, and how many blocks they need. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/options.h"
#include "../routes/routes.h"
#include "fib.h"

/* Of correlated next hops: routes whose first bits agree have the same, but for one in eight. */
#define REGION_BITS4 14u
#define REGION_BITS6 28u

static uint32_t nexthop_of(const struct prefix *p, const struct options *o)
{
	uint32_t n = (uint32_t)o->nexthops;
	uint8_t bits = p->family == AF_INET ? REGION_BITS4 : REGION_BITS6;
	struct prefix region = prefix_make(p->family, p->bytes, bits);

	if (o->correlated && routes_nexthop(p, o->seed + 1, 8) != 0)
		return 1 + routes_nexthop(&region, o->seed, n);
	return 1 + routes_nexthop(p, o->seed, n);
}

static int by_address(const void *a, const void *b)
{
	const struct prefix *p = a, *q = b;
	int order = memcmp(p->bytes, q->bytes, sizeof(p->bytes));

	return order ? order : p->len - q->len;
}

static bool same_bits(const struct prefix *p, const struct prefix *q, uint8_t bits)
{
	struct prefix a = prefix_make(p->family, p->bytes, bits);
	struct prefix b = prefix_make(q->family, q->bytes, bits);

	return prefix_equal(&a, &b);
}

/* A block of bits `level` to `level` + 7 is needed wherever a prefix is longer than `level`. Such
 * prefixes with the same first bits may have others between them, but only shorter ones of those
 * very bits. */
static uint32_t count_blocks(const struct table_routes *t)
{
	uint8_t bits = t->family == AF_INET ? 32 : 128;
	uint32_t n = 0;

	for (uint8_t level = 24; level < bits; level += 8) {
		const struct prefix *last = NULL;

		for (uint32_t i = 0; i < t->n; i++) {
			const struct prefix *p = &t->sorted[i].prefix;

			if (p->len <= level)
				continue;
			n += !last || !same_bits(last, p, level);
			last = p;
		}
	}
	return n;
}

/* The first `n` routes, over and over if there are fewer. */
static uint32_t count_blocks_apart(const struct table_routes *t, const struct route *list,
				   uint64_t n)
{
	uint32_t blocks = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint8_t len = list[i % t->n].prefix.len;

		blocks += len > 24 ? (len - 24u + 7) / 8 : 0;
	}
	return blocks;
}

static struct route *new_routes(uint32_t n)
{
	struct route *list = calloc(n, sizeof(*list));

	if (!list)
		die("no memory for %u routes", n);
	return list;
}

/* Fisher and Yates. */
static void shuffle(struct route *list, uint32_t n, uint64_t state)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = random_below(&state, i);
		struct route other = list[k];

		list[k] = list[i - 1];
		list[i - 1] = other;
	}
}

void table_routes_make(struct table_routes *t, const struct options *o, const struct routes *r,
		       uint8_t family)
{
	uint32_t n = family == AF_INET ? r->n4 : r->n6;
	struct prefix *from = r->list + (family == AF_INET ? 0 : r->n4);

	*t = (struct table_routes){.family = family, .n_nexthops = (uint32_t)o->nexthops};
	if (!n)
		return;
	qsort(from, n, sizeof(*from), by_address);
	t->sorted = new_routes(n);
	for (uint32_t i = 0; i < n; i++) {
		if (!from[i].len || (i && prefix_equal(&from[i], &from[i - 1])))
			continue;
		t->sorted[t->n++] = (struct route){from[i], nexthop_of(&from[i], o)};
	}
	if (t->n < n)
		fprintf(stderr, "%u default or repeated routes left out\n", n - t->n);
	if (!t->n)
		return;
	t->shuffled = new_routes(n);
	memcpy(t->shuffled, t->sorted, t->n * sizeof(*t->sorted));
	shuffle(t->shuffled, t->n, o->seed);
	t->blocks = count_blocks(t);
	t->blocks_apart = count_blocks_apart(t, t->sorted, t->n);
	t->blocks_churned = count_blocks_apart(t, t->shuffled, o->churn * o->repetitions);
}

void table_routes_free(struct table_routes *t)
{
	free(t->sorted);
	free(t->shuffled);
}
