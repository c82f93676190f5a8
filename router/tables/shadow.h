/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes of one family as the control thread remembers them: a tree with a node for every 8 bits,
 * in step with the image's blocks. Private to router/tables, control thread only.
 *
 * The node at `depth` has the prefixes of depth + 1 to depth + 8 bits that agree in the first
 * `depth`. Each has its spot there: the number that its bits behind `depth` make with a 1 before
 * them. So half a spot is the prefix one bit shorter, twice a spot the first of the two one bit
 * longer, and spots from 256 on are the node's 256 cells. Spot 1 is for the prefix of no bits, in
 * the tree's root alone. */
#ifndef PEERLANE_TABLES_SHADOW_H
#define PEERLANE_TABLES_SHADOW_H

#include "key.h"

#define SHADOW_STRIDE 8u
#define SHADOW_CELLS 256u /* a cell's spot, less the cell; and the number of them */
#define SHADOW_NODES 512u /* the slot of a cell's child, less the cell */
#define SHADOW_WORDS 12u
#define SHADOW_PATH_MAX (KEY_BITS / SHADOW_STRIDE)
#define SHADOW_NONE 0u /* no node below: the root is below none */

/* 768 slots that each may hold a number: the next hop of the route at a spot, then the child of a
 * cell. The numbers that are there lie one after the other. */
struct shadow_node {
	uint64_t has[SHADOW_WORDS];    /* a bit for each slot */
	uint16_t before[SHADOW_WORDS]; /* numbers held in all words before */
	uint32_t *number;
};

struct shadow {
	struct shadow_node *nodes; /* 0 is the tree's root */
	uint32_t limit;		   /* nodes there may be, the root counted */
	uint32_t top;		   /* those from here on were never used */
	uint32_t free;		   /* unused ones below, chained by has[0]; SHADOW_NONE */
	uint32_t n_routes;
};

/* The nodes on the way to a prefix, from the root on. */
struct shadow_path {
	struct key key;
	unsigned len;
	unsigned n; /* nodes */
	bool whole; /* the last node is the one with the prefix's own spot */
	uint32_t node[SHADOW_PATH_MAX];
	uint16_t spot[SHADOW_PATH_MAX]; /* the prefix's own, or that of the cell it is below */
};

/* Returns 0 or -ENOMEM; shadow_fini() either way. */
int shadow_init(struct shadow *s, uint32_t limit);
void shadow_fini(struct shadow *s);

/* The way to a prefix, as far as there are nodes. */
void shadow_find(const struct shadow *s, struct key key, unsigned len, struct shadow_path *path);

/* The same, and makes what nodes are missing, and room for the route: the next shadow_put() there
 * cannot fail. Takes no memory for a route that is there. Follow with shadow_put() or shadow_prune().
 * Returns 0, or -ENOMEM, or -ENOSPC (more nodes needed than there may be), and has changed nothing. */
int shadow_make(struct shadow *s, struct key key, unsigned len, struct shadow_path *path);

/* Next hop of the route of exactly this prefix into *nexthop; false if there is none. */
bool shadow_get(const struct shadow *s, const struct shadow_path *path, uint32_t *nexthop);

/* Next hop and length of the longest route that is shorter than the prefix and covers it. False: there
 * is none, and *nexthop is 0. */
bool shadow_cover(const struct shadow *s, const struct shadow_path *path, uint32_t *nexthop,
		  unsigned *len);

/* Inserts or replaces the route of the prefix, after shadow_make(). */
void shadow_put(struct shadow *s, const struct shadow_path *path, uint32_t nexthop);

/* Takes the route of the prefix, which is there, away, with the nodes that are not needed then. */
void shadow_remove(struct shadow *s, const struct shadow_path *path);

/* Frees the nodes on the way that hold nothing. */
void shadow_prune(struct shadow *s, const struct shadow_path *path);

/* The node below a cell, or SHADOW_NONE. */
uint32_t shadow_child(const struct shadow *s, uint32_t node, unsigned cell);

/* The cells of the prefix at `spot` that are in no longer route of the same node, as bits. */
void shadow_bare_cells(const struct shadow *s, uint32_t node, unsigned spot, uint64_t cells[4]);

#endif
