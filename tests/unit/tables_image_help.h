/* SPDX-License-Identifier: BSD-2-Clause */
/* The image as such, whatever it answers: blocks in use, how they are made, and that none is given back
 * that a reader can reach. */
#ifndef PEERLANE_TESTS_TABLES_IMAGE_HELP_H
#define PEERLANE_TESTS_TABLES_IMAGE_HELP_H

#include "../../router/tables/private.h"
#include "tables_help.h"

#define NO_ROUTE_REASON 7

static unsigned graces;
static const struct tables *watched; /* looked through at every wait; NULL: none */

static inline void check_reachable(const struct tables *t);

static inline void grace(void)
{
	graces++;
	if (watched)
		check_reachable(watched);
}

/* Blocks by kind, as the image has them. */
struct found {
	uint32_t wide, mid4, last4;
	bool last4_full; /* then a block of the last level may be wide though it need not */
};

/* A block's entries, or a root's, as 32-bit ones. */
struct entries {
	uint32_t entry[TRIE_BLOCK];
	bool narrow;
};

/* The block that entry `e` of an IPv4 root (`level` 0) or middle block (1) names. */
static inline struct entries block4(const struct tables_view *v, uint32_t e, unsigned level,
				    struct found *found)
{
	uint32_t number = e & ~(TRIE_CHILD | TRIE_WIDE), i;
	struct entries b = {.narrow = !(e & TRIE_WIDE)};
	const uint16_t *narrow = (level ? v->last4 : v->mid4) + number * TRIE_BLOCK;

	for (i = 0; i < TRIE_BLOCK; i++) {
		if (!b.narrow)
			b.entry[i] = v->wide4[number * TRIE_BLOCK + i];
		else if (narrow[i] & NARROW_CHILD)
			b.entry[i] = TRIE_CHILD | (narrow[i] & ~NARROW_CHILD);
		else
			b.entry[i] = narrow[i];
	}
	*(b.narrow ? level ? &found->last4 : &found->mid4 : &found->wide) += 1;
	return b;
}

static inline void check_not_uniform(const uint32_t *entries)
{
	unsigned i;

	for (i = 0; i < TRIE_BLOCK; i++)
		if (entries[i] != entries[0] || entries[i] & TRIE_CHILD)
			return;
	fail_msg("a block with nothing but %u", entries[0]);
}

static inline void check_below4(const struct tables_view *v, const uint32_t *entries, uint32_t n,
				unsigned level, struct found *found)
{
	uint32_t i, k;

	for (i = 0; i < n; i++) {
		struct entries b;
		bool fits = true;

		if (!(entries[i] & TRIE_CHILD))
			continue;
		assert_true(level < 2);
		b = block4(v, entries[i], level, found);
		check_not_uniform(b.entry);
		for (k = 0; k < TRIE_BLOCK; k++)
			if (b.entry[k] & TRIE_CHILD ? b.entry[k] & TRIE_WIDE
						    : b.entry[k] >= NARROW_CHILD)
				fits = false;
		if (b.narrow)
			assert_true(fits);
		else if (fits)
			assert_true(found->last4_full && level == 1);
		check_below4(v, b.entry, TRIE_BLOCK, level + 1, found);
	}
}

static inline void check_below6(const struct tables_view *v, const uint32_t *entries, uint32_t n,
				struct found *found)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (entries[i] & TRIE_CHILD) {
			const uint32_t *block =
				v->blocks6 + (size_t)(entries[i] & ~TRIE_CHILD) * TRIE_BLOCK;

			found->wide++;
			check_not_uniform(block);
			check_below6(v, block, TRIE_BLOCK, found);
		}
}

/* Every block in use is reached from a root, none has entries that are all the same, and none is wide
 * without need. */
static inline void check_image(const struct tables *t)
{
	const struct pool *pool = &t->v4.kinds[BLOCKS_LAST].pool;
	const struct tables_view *v = tables_view(t);
	/* Once all were in use, what was made then may still be wide. */
	struct found four = {.last4_full = pool->top == pool->limit}, six = {0};
	struct tables_stats stats = stats_of(t);

	check_below4(v, v->root4, TRIE4_ROOT, 0, &four);
	check_below6(v, v->root6_global, TRIE6_GLOBAL_ROOT, &six);
	check_below6(v, v->root6_other, TRIE6_OTHER_ROOT, &six);
	assert_int_equal(four.mid4, stats.mid4);
	assert_int_equal(four.last4, stats.last4);
	assert_int_equal(four.wide, stats.wide4);
	assert_int_equal(four.mid4 + four.last4 + four.wide, stats.blocks4);
	assert_int_equal(six.wide, stats.blocks6);
}

static inline void check_reachable4(const struct tables *t, const uint32_t *entries, uint32_t n,
				    unsigned level)
{
	struct found found = {0};
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t number = entries[i] & ~(TRIE_CHILD | TRIE_WIDE);
		unsigned kind = entries[i] & TRIE_WIDE ? BLOCKS_WIDE
				: level		       ? BLOCKS_LAST
						       : BLOCKS_MID;
		struct entries b;

		if (!(entries[i] & TRIE_CHILD))
			continue;
		assert_true(pool_in_use(&t->v4.kinds[kind].pool, number));
		b = block4(tables_view(t), entries[i], level, &found);
		check_reachable4(t, b.entry, TRIE_BLOCK, level + 1);
	}
}

static inline void check_reachable6(const struct tables *t, const uint32_t *entries, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t number = entries[i] & ~TRIE_CHILD;

		if (!(entries[i] & TRIE_CHILD))
			continue;
		assert_true(pool_in_use(&t->v6.kinds[BLOCKS_WIDE].pool, number));
		check_reachable6(t, tables_view(t)->blocks6 + (size_t)number * TRIE_BLOCK,
				 TRIE_BLOCK);
	}
}

/* What a reader can reach is not given back yet: once the wait is over, it would be used again. In the
 * middle of an update too, where it waits for blocks. */
static inline void check_reachable(const struct tables *t)
{
	const struct tables_view *v = tables_view(t);

	check_reachable4(t, v->root4, TRIE4_ROOT, 0);
	check_reachable6(t, v->root6_other, TRIE6_OTHER_ROOT);
	if (graces % 16 == 0) /* it is large */
		check_reachable6(t, v->root6_global, TRIE6_GLOBAL_ROOT);
}

static inline uint32_t blocks_in_use(const struct tables *t)
{
	struct tables_stats stats = stats_of(t);

	return stats.blocks4 + stats.blocks6;
}

static inline void check_empty(const struct tables *t)
{
	struct tables_stats stats = stats_of(t);

	assert_int_equal(stats.routes4, 0);
	assert_int_equal(stats.routes6, 0);
	assert_int_equal(stats.blocks4, 0);
	assert_int_equal(stats.blocks6, 0);
}

#endif
