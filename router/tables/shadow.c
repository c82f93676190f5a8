/* SPDX-License-Identifier: BSD-2-Clause */
#include "shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define NUMBERS_MIN 4u

int shadow_init(struct shadow *s, uint32_t limit)
{
	*s = (struct shadow){.limit = limit, .top = 1};
	s->nodes = space_reserve(limit * sizeof(*s->nodes), true);
	return s->nodes ? 0 : -ENOMEM;
}

void shadow_fini(struct shadow *s)
{
	uint32_t i;

	if (!s->nodes)
		return;
	for (i = 0; i < s->top; i++)
		free(s->nodes[i].number);
	space_release(s->nodes, s->limit * sizeof(*s->nodes));
	s->nodes = NULL;
}

/* ---- one node ---- */

static bool holds(const struct shadow_node *n, unsigned slot)
{
	return n->has[slot / 64] >> slot % 64 & 1;
}

/* How many numbers lie before that of a slot. */
static unsigned rank(const struct shadow_node *n, unsigned slot)
{
	uint64_t below = n->has[slot / 64] & ((1ull << slot % 64) - 1);

	return n->before[slot / 64] + (unsigned)__builtin_popcountll(below);
}

static unsigned count(const struct shadow_node *n)
{
	return n->before[SHADOW_WORDS - 1] +
	       (unsigned)__builtin_popcountll(n->has[SHADOW_WORDS - 1]);
}

/* Makes room for one number more. There is room for the next power of two, NUMBERS_MIN at least,
 * always. */
static int make_room(struct shadow_node *n)
{
	unsigned have = count(n);
	uint32_t *number;

	if (have & (have - 1) || (have && have < NUMBERS_MIN))
		return 0;
	number = realloc(n->number, (have ? 2 * have : NUMBERS_MIN) * sizeof(*number));
	if (!number)
		return -ENOMEM;
	n->number = number;
	return 0;
}

/* Sets a slot's number. If the slot is empty there is room. */
static void hold(struct shadow_node *n, unsigned slot, uint32_t number)
{
	unsigned at = rank(n, slot), w;

	if (!holds(n, slot)) {
		memmove(n->number + at + 1, n->number + at, (count(n) - at) * sizeof(*n->number));
		n->has[slot / 64] |= 1ull << slot % 64;
		for (w = slot / 64 + 1; w < SHADOW_WORDS; w++)
			n->before[w]++;
	}
	n->number[at] = number;
}

/* Gives back what a quarter of the room and no more is used of: half of it. A node that had more numbers
 * than these has room for four times as many, from when they were twice as many; and afterwards what
 * make_room() would have made. */
static void give_room(struct shadow_node *n, unsigned have)
{
	uint32_t *number = realloc(n->number, 2 * have * sizeof(*number));

	if (number) /* else it keeps what it has */
		n->number = number;
}

static void drop(struct shadow_node *n, unsigned slot)
{
	unsigned at = rank(n, slot), have, w;

	memmove(n->number + at, n->number + at + 1, (count(n) - at - 1) * sizeof(*n->number));
	n->has[slot / 64] &= ~(1ull << slot % 64);
	for (w = slot / 64 + 1; w < SHADOW_WORDS; w++)
		n->before[w]--;
	have = count(n);
	if (have == 0) {
		free(n->number);
		n->number = NULL;
	} else if (have >= NUMBERS_MIN && !(have & (have - 1))) {
		give_room(n, have);
	}
}

/* ---- nodes ---- */

/* SHADOW_NONE: there are as many as there may be. */
static uint32_t node_new(struct shadow *s)
{
	uint32_t n = s->free;

	if (n != SHADOW_NONE)
		s->free = (uint32_t)s->nodes[n].has[0];
	else if (s->top < s->limit)
		n = s->top++;
	else
		return SHADOW_NONE;
	s->nodes[n] = (struct shadow_node){0};
	return n;
}

static void node_free(struct shadow *s, uint32_t n)
{
	free(s->nodes[n].number); /* room that was made and not used */
	s->nodes[n].number = NULL;
	s->nodes[n].has[0] = s->free;
	s->free = n;
}

uint32_t shadow_child(const struct shadow *s, uint32_t node, unsigned cell)
{
	const struct shadow_node *n = &s->nodes[node];
	unsigned slot = SHADOW_NODES + cell;

	return holds(n, slot) ? n->number[rank(n, slot)] : SHADOW_NONE;
}

/* Each bit twice. */
static uint64_t twice(uint32_t bits)
{
	uint64_t x = bits;

	x = (x | x << 16) & 0x0000ffff0000ffff;
	x = (x | x << 8) & 0x00ff00ff00ff00ff;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
	x = (x | x << 2) & 0x3333333333333333;
	x = (x | x << 1) & 0x5555555555555555;
	return x | x << 1;
}

/* Goes down bit by bit. The spots of a length are a row of bits in `has`, from the spot of the first
 * one on; `cells` has those reached so far, and a row twice as long for the next length. */
void shadow_bare_cells(const struct shadow *s, uint32_t node, unsigned spot, uint64_t cells[4])
{
	const uint64_t *has = s->nodes[node].has;
	unsigned row = 1u << (31 - __builtin_clz(spot)), w;

	memset(cells, 0, 4 * sizeof(cells[0]));
	cells[(spot - row) / 64] = 1ull << (spot - row) % 64;
	for (row *= 2; row <= SHADOW_CELLS; row *= 2) {
		for (w = row == SHADOW_CELLS ? 2 : 1; w-- > 0;) {
			cells[2 * w + 1] = twice((uint32_t)(cells[w] >> 32));
			cells[2 * w] = twice((uint32_t)cells[w]);
		}
		if (row < 64)
			cells[0] &= ~(has[0] >> row);
		for (w = 0; w < row / 64; w++)
			cells[w] &= ~has[row / 64 + w];
	}
}

/* ---- paths ---- */

/* The spot of a prefix in the node at `depth`, or that of the cell it is below. */
static unsigned spot_at(struct key key, unsigned len, unsigned depth)
{
	unsigned end = len < depth + SHADOW_STRIDE ? len : depth + SHADOW_STRIDE;

	return end > depth ? 1u << (end - depth) | key_index(key, depth, end) : 1;
}

/* Adds the node to the path. */
static void step(struct shadow_path *path, uint32_t node)
{
	unsigned depth = path->n * SHADOW_STRIDE;

	path->node[path->n] = node;
	path->spot[path->n++] = (uint16_t)spot_at(path->key, path->len, depth);
	path->whole = path->len <= depth + SHADOW_STRIDE;
}

void shadow_find(const struct shadow *s, struct key key, unsigned len, struct shadow_path *path)
{
	uint32_t node = 0;

	path->key = key;
	path->len = len;
	path->n = 0;
	do {
		step(path, node);
		if (path->whole)
			break;
		node = shadow_child(s, node, path->spot[path->n - 1] - SHADOW_CELLS);
	} while (node != SHADOW_NONE);
}

int shadow_make(struct shadow *s, struct key key, unsigned len, struct shadow_path *path)
{
	uint32_t last, fresh, there;
	int err;

	shadow_find(s, key, len, path);
	if (shadow_get(s, path, &there))
		return 0;
	for (;;) {
		last = path->node[path->n - 1];
		err = make_room(&s->nodes[last]);
		if (!err && path->whole)
			return 0;
		if (err)
			break;
		fresh = node_new(s);
		if (fresh == SHADOW_NONE) {
			err = -ENOSPC;
			break;
		}
		hold(&s->nodes[last], path->spot[path->n - 1] - SHADOW_CELLS + SHADOW_NODES, fresh);
		step(path, fresh);
	}
	shadow_prune(s, path);
	return err;
}

bool shadow_get(const struct shadow *s, const struct shadow_path *path, uint32_t *nexthop)
{
	const struct shadow_node *n = &s->nodes[path->node[path->n - 1]];
	unsigned spot = path->spot[path->n - 1];

	if (!path->whole || !holds(n, spot))
		return false;
	*nexthop = n->number[rank(n, spot)];
	return true;
}

bool shadow_cover(const struct shadow *s, const struct shadow_path *path, uint32_t *nexthop,
		  unsigned *len)
{
	unsigned i, spot;

	for (i = path->n; i-- > 0;) {
		const struct shadow_node *n = &s->nodes[path->node[i]];

		if (n->before[SHADOW_NODES / 64] == 0)
			continue; /* children alone */
		spot = path->spot[i];
		if (path->whole && i == path->n - 1)
			spot /= 2;
		for (; spot; spot /= 2)
			if (holds(n, spot)) {
				*nexthop = n->number[rank(n, spot)];
				*len = i * SHADOW_STRIDE + 31 - (unsigned)__builtin_clz(spot);
				return true;
			}
	}
	*nexthop = 0;
	return false;
}

void shadow_put(struct shadow *s, const struct shadow_path *path, uint32_t nexthop)
{
	struct shadow_node *n = &s->nodes[path->node[path->n - 1]];
	unsigned spot = path->spot[path->n - 1];

	s->n_routes += !holds(n, spot);
	hold(n, spot, nexthop);
}

void shadow_remove(struct shadow *s, const struct shadow_path *path)
{
	drop(&s->nodes[path->node[path->n - 1]], path->spot[path->n - 1]);
	s->n_routes--;
	shadow_prune(s, path);
}

void shadow_prune(struct shadow *s, const struct shadow_path *path)
{
	unsigned i;

	for (i = path->n - 1; i > 0 && count(&s->nodes[path->node[i]]) == 0; i--) {
		node_free(s, path->node[i]);
		drop(&s->nodes[path->node[i - 1]], path->spot[i - 1] - SHADOW_CELLS + SHADOW_NODES);
	}
}
