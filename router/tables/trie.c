/* SPDX-License-Identifier: BSD-2-Clause */
#include "trie.h"

#include "private.h"
#include "store.h"

#define STRIDE 8u
#define NO_BLOCK 0u /* as an entry: no child */

/* One call of trie_update(). */
struct update {
	struct tables *t;
	const struct trie *trie;
	const struct shadow_node *nodes;
	struct key key; /* the prefix */
	unsigned len;
	uint32_t inside, cover; /* see shadow_below() */
};

static uint32_t *block_of(const struct update *u, uint32_t entry)
{
	return u->trie->family->blocks + (size_t)(entry & ~TRIE_CHILD) * TRIE_BLOCK;
}

/* Gives back a child that no published entry refers to any more, and all below it. */
static void release(struct update *u, uint32_t child)
{
	const uint32_t *block = block_of(u, child);
	unsigned i;

	for (i = 0; i < TRIE_BLOCK; i++)
		if (block[i] & TRIE_CHILD)
			release(u, block[i]);
	pool_give(&u->trie->family->pool, child & ~TRIE_CHILD);
}

static void entry_set(struct update *u, uint32_t *entry, uint32_t value)
{
	uint32_t old = *entry;

	if (old == value)
		return;
	store32(u->t, entry, value);
	if (old & TRIE_CHILD)
		release(u, old);
}

/* True if all entries are the same next hop. */
static bool uniform(const uint32_t *block)
{
	unsigned i;

	if (block[0] & TRIE_CHILD)
		return false;
	for (i = 1; i < TRIE_BLOCK; i++)
		if (block[i] != block[0])
			return false;
	return true;
}

/* Copies the entries into a new block. Returns it as an entry, or NO_BLOCK. */
static uint32_t block_new(struct update *u, const uint32_t *entries)
{
	struct pool *pool = &u->trie->family->pool;
	uint32_t index = pool_take(pool);

	if (index == POOL_NONE) {
		tables_settle(u->t);
		index = pool_take(pool);
	}
	if (index == POOL_NONE)
		return NO_BLOCK;
	fill32(u->t, block_of(u, index), entries, TRIE_BLOCK);
	return index | TRIE_CHILD;
}

static bool descend(struct update *u, uint32_t *entries, unsigned from, unsigned to);
static bool paint(struct update *u, uint32_t *entries, unsigned from, uint32_t node, uint32_t first,
		  uint32_t last, uint32_t cover);

/* Updates the block of bits from `depth` on: the part of it inside the prefix if that is longer,
 * else all of it, from `node` and `cover`. */
static bool update_block(struct update *u, uint32_t *block, unsigned depth, uint32_t node,
			 uint32_t cover)
{
	if (u->len > depth)
		return descend(u, block, depth, depth + STRIDE);
	return paint(u, block, depth, node, 0, TRIE_BLOCK - 1, cover);
}

/* An entry that has a child: changes the child in place; one that became uniform is replaced by its
 * next hop. */
static bool update_child(struct update *u, uint32_t *entry, unsigned depth, uint32_t node,
			 uint32_t cover)
{
	uint32_t *block = block_of(u, *entry);
	bool done = update_block(u, block, depth, node, cover);

	if (uniform(block))
		entry_set(u, entry, block[0]);
	return done;
}

/* An entry that has none: makes one aside, publishes it if it is not uniform. */
static bool update_leaf(struct update *u, uint32_t *entry, unsigned depth, uint32_t node,
			uint32_t cover)
{
	uint32_t block[TRIE_BLOCK], value = NO_BLOCK;
	unsigned i;

	for (i = 0; i < TRIE_BLOCK; i++)
		block[i] = *entry;
	if (update_block(u, block, depth, node, cover)) {
		if (uniform(block)) {
			entry_set(u, entry, block[0]);
			return true;
		}
		value = block_new(u, block);
	}
	if (value == NO_BLOCK) {
		for (i = 0; i < TRIE_BLOCK; i++)
			if (block[i] & TRIE_CHILD)
				release(u, block[i]);
		return false;
	}
	entry_set(u, entry, value);
	return true;
}

static bool update_entry(struct update *u, uint32_t *entry, unsigned depth, uint32_t node,
			 uint32_t cover)
{
	if (*entry & TRIE_CHILD)
		return update_child(u, entry, depth, node, cover);
	return update_leaf(u, entry, depth, node, cover);
}

/* Sets the entry, whose range ends at bit `depth`, to what the shadow's subtree `node` says, and
 * `cover` where that says nothing. */
static bool paint_entry(struct update *u, uint32_t *entry, unsigned depth, uint32_t node,
			uint32_t cover)
{
	const struct shadow_node *n = &u->nodes[node];

	if (node != SHADOW_NONE && n->len == depth) {
		if (n->route)
			cover = n->nexthop;
		if (!n->child[0] && !n->child[1])
			node = SHADOW_NONE;
	}
	if (node != SHADOW_NONE)
		return update_entry(u, entry, depth, node, cover);
	entry_set(u, entry, cover);
	return true;
}

static void paint_plain(struct update *u, uint32_t *entries, uint32_t first, uint32_t end,
			uint32_t cover)
{
	for (; first < end; first++)
		entry_set(u, &entries[first], cover);
}

/* The same for entries `first` to `last` of a root or block of bits from `from` on; `node`, if any,
 * lies within them. */
static bool paint(struct update *u, uint32_t *entries, unsigned from, uint32_t node, uint32_t first,
		  uint32_t last, uint32_t cover)
{
	unsigned to = from == u->trie->skip ? u->trie->root_end : from + STRIDE;
	const struct shadow_node *n = &u->nodes[node];
	uint32_t start, end, inner;
	bool done;

	if (node == SHADOW_NONE) {
		paint_plain(u, entries, first, last + 1, cover);
		return true;
	}
	start = key_index(n->key, from, to);
	end = n->len < to ? start + (1u << (to - n->len)) : start + 1;
	paint_plain(u, entries, first, start, cover);
	paint_plain(u, entries, end, last + 1, cover);
	if (n->len >= to)
		return paint_entry(u, &entries[start], to, node, cover);
	inner = n->route ? n->nexthop : cover;
	done = paint(u, entries, from, n->child[0], start, start + (end - start) / 2 - 1, inner);
	return paint(u, entries, from, n->child[1], start + (end - start) / 2, end - 1, inner) &&
	       done;
}

/* Finds the entries inside the prefix, in this root or block of bits `from` to `to` less one or
 * below it, and paints them. */
static bool descend(struct update *u, uint32_t *entries, unsigned from, unsigned to)
{
	uint32_t first;

	if (u->len > to)
		return update_entry(u, &entries[key_index(u->key, from, to)], to, u->inside,
				    u->cover);
	first = key_index(u->key, from, to);
	return paint(u, entries, from, u->inside, first, first + (1u << (to - u->len)) - 1,
		     u->cover);
}

bool trie_update(struct tables *t, const struct trie *trie, struct key key, unsigned len)
{
	const struct shadow *shadow = &trie->family->shadow;
	struct update u = {
		.t = t,
		.trie = trie,
		.nodes = shadow->nodes,
		.key = key,
		.len = len,
	};

	u.inside = shadow_below(shadow, key, len, &u.cover);
	return descend(&u, trie->root, trie->skip, trie->root_end);
}
