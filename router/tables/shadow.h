/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes of one family as the control thread remembers them: a path-compressed binary radix
 * tree. Private to router/tables, control thread only. */
#ifndef PEERLANE_TABLES_SHADOW_H
#define PEERLANE_TABLES_SHADOW_H

#include "key.h"

#define SHADOW_NONE 0u /* no node */

/* A route, or a fork: a node without a route has two children. */
struct shadow_node {
	struct key key;	   /* bits behind `len` are zero */
	uint32_t child[2]; /* by the bit at `len`; SHADOW_NONE */
	uint32_t nexthop;  /* if `route` */
	uint8_t len;
	bool route;
};

struct shadow {
	struct shadow_node *nodes; /* node 0 is not used */
	uint32_t root;
	uint32_t n_nodes, capacity; /* of the array, node 0 counted */
	uint32_t free;		    /* unused nodes, chained by child[0] */
	uint32_t n_free;
	uint32_t n_routes;
};

void shadow_init(struct shadow *s);
void shadow_fini(struct shadow *s);

/* Inserts or replaces. Returns 0, or -ENOMEM and has changed nothing; never fails for a route that
 * is there or was taken away by shadow_hide(). */
int shadow_set(struct shadow *s, struct key key, unsigned len, uint32_t nexthop);

/* Takes a route away but leaves its node, so that shadow_set() can put it back. The route is
 * there. */
void shadow_hide(struct shadow *s, struct key key, unsigned len);

/* Removes the node that shadow_hide() left, if the tree does not need it as a fork. */
void shadow_prune(struct shadow *s, struct key key, unsigned len);

/* The route of exactly this prefix, or NULL. Valid until the next change. */
const struct shadow_node *shadow_get(const struct shadow *s, struct key key, unsigned len);

/* The longest route, of at most `len` bits, that covers the first `len` bits of `key`; or NULL. */
const struct shadow_node *shadow_match(const struct shadow *s, struct key key, unsigned len);

/* The topmost node inside the prefix, itself included, or SHADOW_NONE. *cover is the next hop of
 * the longest route that is shorter than the prefix and covers it, 0 if there is none. */
uint32_t shadow_below(const struct shadow *s, struct key key, unsigned len, uint32_t *cover);

#endif
