/* SPDX-License-Identifier: BSD-2-Clause */
#include "shadow.h"

#include <errno.h>
#include <stdlib.h>

void shadow_init(struct shadow *s)
{
	*s = (struct shadow){.n_nodes = 1};
}

void shadow_fini(struct shadow *s)
{
	free(s->nodes);
	shadow_init(s);
}

/* Makes sure that `want` nodes can be had. Moves the nodes. */
static int make_room(struct shadow *s, uint32_t want)
{
	struct shadow_node *nodes;
	uint32_t capacity = s->capacity ? 2 * s->capacity : 64;

	if (s->n_free + (s->capacity - s->n_nodes) >= want && s->capacity)
		return 0;
	if (capacity < s->capacity)
		return -ENOMEM;
	nodes = realloc(s->nodes, capacity * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	s->nodes = nodes;
	s->capacity = capacity;
	return 0;
}

static uint32_t node_new(struct shadow *s, struct key key, unsigned len)
{
	uint32_t n = s->free;

	if (n != SHADOW_NONE) {
		s->free = s->nodes[n].child[0];
		s->n_free--;
	} else {
		n = s->n_nodes++;
	}
	s->nodes[n] = (struct shadow_node){.key = key_mask(key, len), .len = (uint8_t)len};
	return n;
}

static void node_free(struct shadow *s, uint32_t n)
{
	s->nodes[n].child[0] = s->free;
	s->free = n;
	s->n_free++;
}

static unsigned min_len(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* True if the node's prefix covers the first `len` bits of `key`. */
static bool covers(const struct shadow_node *node, struct key key, unsigned len)
{
	return node->len <= len && key_common(node->key, key) >= node->len;
}

/* Puts a new node for the prefix where *link points: above the node there, below a fork with it, or
 * alone. Returns the new node. */
static uint32_t insert(struct shadow *s, uint32_t *link, struct key key, unsigned len)
{
	uint32_t there = *link, fresh = node_new(s, key, len), fork;
	unsigned common;

	if (there == SHADOW_NONE) {
		*link = fresh;
		return fresh;
	}
	common = min_len(key_common(key, s->nodes[there].key), s->nodes[there].len);
	if (common >= len) {
		s->nodes[fresh].child[key_bit(s->nodes[there].key, len)] = there;
		*link = fresh;
		return fresh;
	}
	fork = node_new(s, key, common);
	s->nodes[fork].child[key_bit(key, common)] = fresh;
	s->nodes[fork].child[!key_bit(key, common)] = there;
	*link = fork;
	return fresh;
}

/* The link to the node of exactly this prefix, or else to where it would be put. */
static uint32_t *find_link(struct shadow *s, struct key key, unsigned len)
{
	uint32_t *link = &s->root;

	while (*link != SHADOW_NONE && s->nodes[*link].len < len &&
	       covers(&s->nodes[*link], key, len))
		link = &s->nodes[*link].child[key_bit(key, s->nodes[*link].len)];
	return link;
}

/* True if *link is the node of this prefix, given find_link()'s answer. */
static bool found(const struct shadow *s, const uint32_t *link, struct key key, unsigned len)
{
	return *link != SHADOW_NONE && covers(&s->nodes[*link], key, len);
}

int shadow_set(struct shadow *s, struct key key, unsigned len, uint32_t nexthop)
{
	uint32_t *link = find_link(s, key, len);
	struct shadow_node *node;

	if (found(s, link, key, len)) {
		node = &s->nodes[*link];
	} else {
		/* The route and a fork. */
		if (make_room(s, 2))
			return -ENOMEM;
		node = &s->nodes[insert(s, find_link(s, key, len), key, len)];
	}
	s->n_routes += !node->route;
	node->route = true;
	node->nexthop = nexthop;
	return 0;
}

void shadow_hide(struct shadow *s, struct key key, unsigned len)
{
	s->nodes[*find_link(s, key, len)].route = false;
	s->n_routes--;
}

/* Takes a node that is neither a route nor a fork out of the tree. */
static void take_out(struct shadow *s, uint32_t *link)
{
	uint32_t n = *link;
	struct shadow_node *node = &s->nodes[n];

	if (node->route || (node->child[0] && node->child[1]))
		return;
	*link = node->child[0] ? node->child[0] : node->child[1];
	node_free(s, n);
}

void shadow_prune(struct shadow *s, struct key key, unsigned len)
{
	uint32_t *link = &s->root, *above = NULL;

	while (s->nodes[*link].len < len) {
		above = link;
		link = &s->nodes[*link].child[key_bit(key, s->nodes[*link].len)];
	}
	take_out(s, link);
	/* The fork above may have lost a side. */
	if (above)
		take_out(s, above);
}

const struct shadow_node *shadow_get(const struct shadow *s, struct key key, unsigned len)
{
	const struct shadow_node *node = shadow_match(s, key, len);

	return node && node->len == len ? node : NULL;
}

const struct shadow_node *shadow_match(const struct shadow *s, struct key key, unsigned len)
{
	const struct shadow_node *node, *best = NULL;
	uint32_t n;

	for (n = s->root; n != SHADOW_NONE; n = node->child[key_bit(key, node->len)]) {
		node = &s->nodes[n];
		if (!covers(node, key, len))
			break;
		if (node->route)
			best = node;
		if (node->len == len)
			break;
	}
	return best;
}

uint32_t shadow_below(const struct shadow *s, struct key key, unsigned len, uint32_t *cover)
{
	const struct shadow_node *node;
	uint32_t n;

	*cover = 0;
	for (n = s->root; n != SHADOW_NONE; n = node->child[key_bit(key, node->len)]) {
		node = &s->nodes[n];
		if (node->len >= len)
			return key_common(node->key, key) >= len ? n : SHADOW_NONE;
		if (!covers(node, key, len))
			return SHADOW_NONE;
		if (node->route)
			*cover = node->nexthop;
	}
	return SHADOW_NONE;
}
