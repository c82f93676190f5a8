/* SPDX-License-Identifier: BSD-2-Clause */
#include "trie.h"

#include <assert.h>
#include <errno.h>

#include "private.h"
#include "store.h"

/* One call of trie_update(). */
struct update {
	struct tables *t;
	struct trie_family *family;
	const struct shadow_path *path;
	uint32_t nexthop;
};

/* A root or block that the update has reached. Here and in what follows, an entry is as in a root or
 * wide block, whatever its block stores. */
struct level {
	struct level *above; /* NULL: a root */
	uint32_t at;	     /* its place in the one above */
	struct block_kind *kind;
	uint32_t number; /* of the block */
	/* The entries; one is NULL. */
	uint32_t *wide;
	uint16_t *narrow;
	bool aside; /* not in the image yet: `wide` alone is set */
};

/* ---- entries ---- */

static uint32_t get(const struct level *l, uint32_t i)
{
	uint32_t entry;

	if (l->wide)
		return l->wide[i];
	entry = l->narrow[i];
	return entry & NARROW_CHILD ? entry ^ (NARROW_CHILD | TRIE_CHILD) : entry;
}

/* Narrow children are so few that their numbers fit. */
static bool fits_narrow(uint32_t entry)
{
	return entry < NARROW_CHILD || (entry & (TRIE_CHILD | TRIE_WIDE)) == TRIE_CHILD;
}

static uint16_t to_narrow(uint32_t entry)
{
	return (uint16_t)(entry & TRIE_CHILD ? entry | NARROW_CHILD : entry);
}

static void put(struct update *u, struct level *l, uint32_t i, uint32_t entry)
{
	if (l->aside)
		l->wide[i] = entry;
	else if (l->wide)
		store32(u->t, &l->wide[i], entry);
	else
		store16(u->t, &l->narrow[i], to_narrow(entry));
}

/* ---- blocks ---- */

static void use_block(struct level *l, struct block_kind *kind, uint32_t number)
{
	size_t first = (size_t)number * TRIE_BLOCK;

	l->kind = kind;
	l->number = number;
	l->wide = kind->wide ? kind->wide + first : NULL;
	l->narrow = kind->narrow ? kind->narrow + first : NULL;
}

/* The narrow kind of blocks below a level; NULL if the family has none. */
static struct block_kind *narrow_below(struct update *u, const struct level *above)
{
	if (u->family->n_kinds == 1)
		return NULL;
	return &u->family->kinds[above->above ? BLOCKS_LAST : BLOCKS_MID];
}

/* The child that entry `i` names. */
static struct level child_of(struct update *u, struct level *above, uint32_t i)
{
	uint32_t entry = get(above, i);
	struct block_kind *narrow = narrow_below(u, above);
	struct level child = {.above = above, .at = i};

	use_block(&child, !narrow || entry & TRIE_WIDE ? &u->family->kinds[BLOCKS_WIDE] : narrow,
		  entry & ~(TRIE_CHILD | u->family->wide_mark));
	return child;
}

/* There are as many wide blocks as there may be blocks of any kind: one is free, or will be after a
 * grace period, when the caller has made sure that not all in use are wide. */
static uint32_t take_wide(struct update *u)
{
	struct pool *pool = &u->family->kinds[BLOCKS_WIDE].pool;
	uint32_t number = pool_take(pool);

	if (number == POOL_NONE) {
		tables_settle(u->t);
		number = pool_take(pool);
	}
	assert(number != POOL_NONE);
	return number;
}

/* Copies the entries into a new block below `above`, narrow if it can be. Returns it as an entry, not
 * yet put anywhere. The caller has counted it. */
static uint32_t new_block(struct update *u, const struct level *above, const uint32_t *entries)
{
	struct block_kind *narrow = narrow_below(u, above);
	struct level block;
	uint16_t values[TRIE_BLOCK];
	uint32_t number, i;

	for (i = 0; narrow && i < TRIE_BLOCK && fits_narrow(entries[i]); i++)
		values[i] = to_narrow(entries[i]);
	if (i == TRIE_BLOCK) {
		number = pool_take(&narrow->pool);
		if (number != POOL_NONE) {
			use_block(&block, narrow, number);
			fill16(u->t, block.narrow, values, TRIE_BLOCK);
			return TRIE_CHILD | number;
		}
		u->family->to_revisit = TRIE4_ROOT;
	}
	number = take_wide(u);
	use_block(&block, &u->family->kinds[BLOCKS_WIDE], number);
	fill32(u->t, block.wide, entries, TRIE_BLOCK);
	return TRIE_CHILD | u->family->wide_mark | number;
}

static void give(struct update *u, const struct level *l)
{
	pool_give(&l->kind->pool, l->number);
	u->family->n_blocks--;
}

/* Gives back all blocks below one that was made aside. */
static void give_below(struct update *u, struct level *l)
{
	struct level child;
	uint32_t i;

	for (i = 0; i < TRIE_BLOCK; i++)
		if (get(l, i) & TRIE_CHILD) {
			child = child_of(u, l, i);
			give_below(u, &child);
			give(u, &child);
		}
}

static void set(struct update *u, struct level *l, uint32_t i, uint32_t entry);

/* Moves a block to a new one with these entries. */
static void move(struct update *u, struct level *l, const uint32_t *entries)
{
	struct pool *pool = &l->kind->pool;
	uint32_t number = l->number;

	set(u, l->above, l->at, new_block(u, l->above, entries));
	*l = child_of(u, l->above, l->at);
	pool_give(pool, number);
}

static void copy(const struct level *l, uint32_t *entries)
{
	uint32_t i;

	for (i = 0; i < TRIE_BLOCK; i++)
		entries[i] = get(l, i);
}

/* Changes an entry; a child that it had is the caller's. A narrow block that cannot take it becomes a
 * wide one with it, and so do, where they must, those above. */
static void set(struct update *u, struct level *l, uint32_t i, uint32_t entry)
{
	uint32_t entries[TRIE_BLOCK];

	if (get(l, i) == entry)
		return;
	if (!l->narrow || fits_narrow(entry)) {
		put(u, l, i, entry);
		return;
	}
	copy(l, entries);
	entries[i] = entry;
	move(u, l, entries);
}

/* True if all entries are the same next hop. */
static bool uniform(const struct level *l)
{
	uint32_t first = get(l, 0), i;

	if (first & TRIE_CHILD)
		return false;
	for (i = 1; i < TRIE_BLOCK; i++)
		if (get(l, i) != first)
			return false;
	return true;
}

/* A wide block that a narrow one could replace. */
static bool needlessly_wide(struct update *u, const struct level *l)
{
	struct block_kind *narrow = narrow_below(u, l->above);
	uint32_t i;

	if (!l->wide || !narrow || !pool_has(&narrow->pool))
		return false;
	for (i = 0; i < TRIE_BLOCK; i++)
		if (!fits_narrow(l->wide[i]))
			return false;
	return true;
}

/* After a block's entries changed: one that became uniform is replaced by its next hop, which can only
 * be that of the update. */
static void tidy(struct update *u, struct level *l)
{
	uint32_t entries[TRIE_BLOCK];

	if (get(l, 0) == u->nexthop && uniform(l)) {
		set(u, l->above, l->at, get(l, 0));
		give(u, l);
	} else if (needlessly_wide(u, l)) {
		copy(l, entries);
		move(u, l, entries);
	}
}

/* Puts a block that was made aside where it belongs, or the next hop if it is uniform. Returns false
 * if there may be no more blocks. */
static bool publish(struct update *u, struct level *l)
{
	if (uniform(l)) {
		set(u, l->above, l->at, get(l, 0));
		return true;
	}
	if (u->family->n_blocks == u->family->max_blocks)
		return false;
	u->family->n_blocks++;
	set(u, l->above, l->at, new_block(u, l->above, l->wide));
	return true;
}

/* ---- which entries ---- */

static bool descend(struct update *u, struct level *l, unsigned depth);
static bool paint(struct update *u, struct level *l, unsigned depth, uint32_t above, uint32_t node,
		  unsigned spot);

/* The block of bits from `depth` on: the part of it inside the prefix if that is longer, else all of
 * it, which the shadow has in `node`. */
static bool update_block(struct update *u, struct level *l, unsigned depth, uint32_t node)
{
	if (u->path->len > depth)
		return descend(u, l, depth);
	return paint(u, l, depth, 0, node, 1);
}

/* An entry that has a child: changes the child in place. */
static bool update_child(struct update *u, struct level *l, uint32_t i, unsigned depth,
			 uint32_t node)
{
	struct level child = child_of(u, l, i);
	bool done = update_block(u, &child, depth, node);

	tidy(u, &child);
	return done;
}

/* An entry that has none: makes one aside, publishes it if it is not uniform. */
static bool update_leaf(struct update *u, struct level *l, uint32_t i, unsigned depth,
			uint32_t node)
{
	uint32_t entries[TRIE_BLOCK], k;
	struct level child = {.above = l, .at = i, .wide = entries, .aside = true};

	for (k = 0; k < TRIE_BLOCK; k++)
		entries[k] = get(l, i);
	if (update_block(u, &child, depth, node) && publish(u, &child))
		return true;
	give_below(u, &child);
	return false;
}

/* An entry, whose range ends at bit `depth`, of which a part changes. */
static bool update_entry(struct update *u, struct level *l, uint32_t i, unsigned depth,
			 uint32_t node)
{
	if (get(l, i) & TRIE_CHILD)
		return update_child(u, l, i, depth, node);
	return update_leaf(u, l, i, depth, node);
}

/* Goes on towards the prefix. */
static bool descend(struct update *u, struct level *l, unsigned depth)
{
	const struct shadow_path *path = u->path;
	unsigned last = path->n - 1, end = depth + SHADOW_STRIDE;

	if (path->len <= end)
		return paint(u, l, depth, 0, path->node[last], path->spot[last]);
	return update_entry(u, l, key_index(path->key, depth, end), end, SHADOW_NONE);
}

static bool paint_cell(struct update *u, struct level *l, uint32_t cell, unsigned end,
		       uint32_t child)
{
	if (child != SHADOW_NONE)
		return update_entry(u, l, cell, end, child);
	/* No routes inside: no block. */
	assert(!(get(l, cell) & TRIE_CHILD));
	set(u, l, cell, u->nexthop);
	return true;
}

/* The trie that answers for addresses that begin with these three bits. */
static const struct trie *trie_of(const struct update *u, uint32_t bits)
{
	if (u->family == &u->t->v4)
		return &u->t->trie4;
	return bits == 1 ? &u->t->trie6_global : &u->t->trie6_other;
}

/* The entries of a root for addresses that begin with these `end` bits: one, or 2^n of them. */
static bool paint_root(struct update *u, uint32_t bits, unsigned end, uint32_t child)
{
	const struct trie *trie = trie_of(u, bits >> (end - 3));
	struct level root = {.wide = trie->root};
	uint32_t n = 1u << (trie->root_end - end), i;

	if (child != SHADOW_NONE && end < trie->root_end)
		return paint(u, NULL, end, bits, child, 1);
	i = bits * n & ((1u << (trie->root_end - trie->skip)) - 1);
	if (child != SHADOW_NONE)
		return update_entry(u, &root, i, end, child);
	for (; n > 0; n--, i++)
		if (root.wide[i] != u->nexthop)
			store32(u->t, &root.wide[i], u->nexthop);
	return true;
}

/* One of the cells that paint() changes. */
static bool paint_one(struct update *u, struct level *l, unsigned end, uint32_t above,
		      uint32_t node, uint32_t cell)
{
	uint32_t child = shadow_child(&u->family->shadow, node, cell);

	if (l)
		return paint_cell(u, l, cell, end, child);
	return paint_root(u, above << SHADOW_STRIDE | cell, end, child);
}

/* Changes what no longer route covers of the prefix at a spot of the shadow's node, which is for bits
 * from `depth` on. Its cells are the entries of a block; or, without one, of roots, and the `above`
 * are the bits before. */
static bool paint(struct update *u, struct level *l, unsigned depth, uint32_t above, uint32_t node,
		  unsigned spot)
{
	unsigned end = depth + SHADOW_STRIDE, w;
	uint64_t cells[SHADOW_CELLS / 64];
	bool done = true;

	if (spot >= SHADOW_CELLS) /* most routes: one cell */
		return paint_one(u, l, end, above, node, spot - SHADOW_CELLS);
	shadow_bare_cells(&u->family->shadow, node, spot, cells);
	for (w = 0; w < SHADOW_CELLS / 64; w++)
		for (; cells[w]; cells[w] &= cells[w] - 1)
			if (!paint_one(u, l, end, above, node,
				       w * 64 + (unsigned)__builtin_ctzll(cells[w])))
				done = false;
	return done;
}

/* Makes those blocks below an entry of IPv4's root narrow that are wide only because all narrow ones
 * were in use when they were made. */
static void narrow_below_entry(struct update *u, uint32_t i)
{
	struct level root = {.wide = u->t->trie4.root}, mid, last;
	uint32_t k;

	if (!(get(&root, i) & TRIE_WIDE))
		return;
	mid = child_of(u, &root, i);
	for (k = 0; k < TRIE_BLOCK; k++)
		if (get(&mid, k) & TRIE_WIDE) {
			last = child_of(u, &mid, k);
			tidy(u, &last);
		}
	tidy(u, &mid);
}

static bool has_narrow_to_spare(const struct trie_family *f)
{
	return pool_has(&f->kinds[BLOCKS_MID].pool) && pool_has(&f->kinds[BLOCKS_LAST].pool);
}

/* One entry with each change, until all have been seen with narrow blocks to spare. */
static void revisit(struct update *u)
{
	uint32_t *left = &u->family->to_revisit;

	if (*left == 0 || !has_narrow_to_spare(u->family))
		return;
	narrow_below_entry(u, *left - 1);
	if (has_narrow_to_spare(u->family))
		(*left)--;
}

int trie_family_init(struct trie_family *f, const uint32_t limits[BLOCK_KINDS], uint32_t nodes)
{
	unsigned i;

	f->max_blocks = limits[BLOCKS_WIDE];
	if (shadow_init(&f->shadow, nodes))
		return -ENOMEM;
	for (i = 0; i < f->n_kinds; i++)
		if (pool_init(&f->kinds[i].pool, limits[i]))
			return -ENOMEM;
	return 0;
}

void trie_family_fini(struct trie_family *f)
{
	unsigned i;

	for (i = 0; i < f->n_kinds; i++)
		pool_fini(&f->kinds[i].pool);
	shadow_fini(&f->shadow);
}

bool trie_family_waits(const struct trie_family *f)
{
	unsigned i;

	for (i = 0; i < f->n_kinds; i++)
		if (f->kinds[i].pool.limbo != POOL_NONE)
			return true;
	return false;
}

void trie_family_settle(struct trie_family *f)
{
	unsigned i;

	for (i = 0; i < f->n_kinds; i++)
		pool_settle(&f->kinds[i].pool);
}

bool trie_update(struct tables *t, struct trie_family *family, const struct shadow_path *path,
		 uint32_t nexthop)
{
	unsigned last = path->n - 1, depth = last * SHADOW_STRIDE;
	struct update u = {.t = t, .family = family, .path = path, .nexthop = nexthop};
	const struct trie *trie = trie_of(&u, key_index(path->key, 0, 3));
	struct level root = {.wide = trie->root};

	revisit(&u);
	if (path->len <= trie->root_end)
		return paint(&u, NULL, depth, depth ? key_index(path->key, 0, depth) : 0,
			     path->node[last], path->spot[last]);
	return update_entry(&u, &root, key_index(path->key, trie->skip, trie->root_end),
			    trie->root_end, SHADOW_NONE);
}
