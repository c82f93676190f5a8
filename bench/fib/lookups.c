/* SPDX-License-Identifier: BSD-2-Clause */
/* Lookups: first that all contestants agree, then how long they take, in turns. */
#include <stdlib.h>
#include <string.h>

#include "../net/options.h"
#include "fib.h"

#define SAMPLE 65536u /* keys of a pattern that are also looked up in the record of the routes */

static void choose(struct contestant *c)
{
	if (c->kind->choose && !c->kind->choose(c->table->table, c->kind->variant))
		die("%s: cannot be chosen any more", c->kind->name);
}

static unsigned bulk_at(const struct match *m, const struct keys *k, uint32_t first)
{
	uint32_t left = k->n - first, bulk = (uint32_t)m->options->bulk;

	return left < bulk ? left : bulk;
}

static void differ(const struct match *m, enum pattern pattern, uint32_t i, const char *name,
		   uint32_t answer, const char *other, uint32_t other_answer)
{
	const struct keys *k = &m->keys[pattern];
	struct ip_addr a = {.family = m->routes.family};
	uint32_t v4 = k->v4 ? __builtin_bswap32(k->v4[i]) : 0;
	char text[PREFIX_STRLEN];

	if (k->v4)
		memcpy(a.bytes, &v4, sizeof(v4));
	else
		memcpy(a.bytes, k->v6[i], sizeof(a.bytes));
	die("wrong answer for %s (%s keys): %s says next hop %u, %s says %u",
	    ip_addr_print(&a, text), pattern_names[pattern], name, answer, other, other_answer);
}

static void answer_all(const struct match *m, enum pattern pattern, struct contestant *c,
		       uint32_t *answers)
{
	static union results results;
	const struct keys *k = &m->keys[pattern];
	unsigned n;

	choose(c);
	for (uint32_t first = 0; first < k->n; first += n) {
		n = bulk_at(m, k, first);
		c->kind->lookup(c->table->table, c->kind->variant, k, first, n, &results);
		c->kind->answers(&results, n, answers + first);
	}
}

void match_compare(struct match *m)
{
	uint32_t n = (uint32_t)m->options->keys;
	uint32_t *first = calloc(n, sizeof(*first)), *other = calloc(n, sizeof(*other));
	struct contestant *c = m->contestants;

	if (!first || !other)
		die("no memory for %u answers: try a smaller --keys", n);
	for (enum pattern p = 0; p < PATTERNS; p++) {
		answer_all(m, p, &c[0], first);
		for (uint32_t i = 0; i < n && i < SAMPLE; i++) {
			uint32_t truth = peerlane_reference(c[0].table->table, m->routes.family,
							    &m->keys[p], i);

			if (first[i] != truth)
				differ(m, p, i, c[0].kind->name, first[i], "its record", truth);
		}
		for (unsigned k = 1; k < m->n_contestants; k++) {
			answer_all(m, p, &c[k], other);
			for (uint32_t i = 0; i < n; i++)
				if (first[i] != other[i])
					differ(m, p, i, c[0].kind->name, first[i], c[k].kind->name,
					       other[i]);
		}
	}
	free(first);
	free(other);
}

/* Looks all keys up `passes` times. Returns seconds. */
static double run(const struct match *m, const struct contestant *c, const struct keys *k,
		  uint32_t passes)
{
	static union results results;
	double start = now_s();
	unsigned n;

	for (uint32_t pass = 0; pass < passes; pass++)
		for (uint32_t first = 0; first < k->n; first += n) {
			n = bulk_at(m, k, first);
			c->kind->lookup(c->table->table, c->kind->variant, k, first, n, &results);
		}
	return now_s() - start;
}

/* As many passes as take the time asked for, by the second of two that warm up. */
static void calibrate(const struct match *m, struct contestant *c, enum pattern p)
{
	double wanted = (double)m->options->ms / 1e3, once;

	choose(c);
	run(m, c, &m->keys[p], 1);
	once = run(m, c, &m->keys[p], 1);
	c->passes[p] = once < wanted ? (uint32_t)(wanted / once) + 1 : 1;
}

/* Each repetition begins with another contestant: what a predecessor leaves in the caches meets all
 * of them. */
static void repetition(struct match *m, enum pattern p, unsigned r)
{
	for (unsigned i = 0; i < m->n_contestants; i++) {
		struct contestant *c = &m->contestants[(i + r) % m->n_contestants];
		struct series *s = &c->mlps[p];
		double seconds;

		choose(c);
		seconds = run(m, c, &m->keys[p], c->passes[p]);
		s->at[s->n++] = (double)m->keys[p].n * c->passes[p] / seconds / 1e6;
	}
}

void match_lookups(struct match *m)
{
	for (enum pattern p = 0; p < PATTERNS; p++) {
		for (unsigned i = 0; i < m->n_contestants; i++)
			calibrate(m, &m->contestants[i], p);
		for (unsigned r = 0; r < m->options->repetitions; r++)
			repetition(m, p, r);
	}
}
