/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of router/tables (and their tests) share. Control thread only. */
#ifndef PEERLANE_TABLES_PRIVATE_H
#define PEERLANE_TABLES_PRIVATE_H

#include "key.h"
#include "pool.h"
#include "slots.h"
#include "tables.h"
#include "trie.h"

/* A view and what goes with it when it is replaced. */
struct view_box {
	struct tables_view view;
	struct neighbour *neighbours; /* to be freed with the view */
	struct view_box *next;	      /* in limbo */
};

/* The neighbours' table, and what only the control thread knows of it. */
struct neighbours {
	struct neighbour *slots; /* owned by the current view's box */
	uint8_t *state;		 /* per slot, see neighbour.c */
	uint32_t *limbo;	 /* slots that wait for a grace period */
	uint32_t mask;		 /* number of slots less one */
	uint32_t used, gone, n_limbo;
};

struct tables {
	tables_grace_fn *grace;
	uint32_t n_graces; /* grace periods waited for, from 1 */
	uint8_t no_route_reason;

	_Atomic(const struct tables_view *) view; /* of `box` */
	struct view_box *box, *old_boxes;

	/* The image: one piece of address space, cut up. */
	void *image;
	size_t image_bytes;
	struct nexthop *nexthops_image;
	uint32_t *slots_image;
	struct table_port *ports_image;

	struct trie_family v4, v6;
	struct trie trie4, trie6_global, trie6_other;

	struct pool nexthops;
	uint32_t *forward_left; /* per next hop: n_graces when it last ceased to be FORWARD */
	uint32_t *member_slots; /* per next hop: how many slots of groups hold it */
	struct slots slots;

	struct neighbours neighbours;
};

/* Limits below the public ones, to see what running out does. `slots` is a multiple of
 * TABLES_GROUP_SLOTS_MAX. `last4` is how many of IPv4's blocks are narrow ones of bits 24 to 31. */
struct tables_limits {
	uint32_t blocks4, last4, blocks6, nexthops, slots;
};

struct tables *tables_new_limited(tables_grace_fn *grace, uint8_t no_route_reason,
				  const struct tables_limits *limits);

/* Waits for a grace period and frees all that is in limbo. */
void tables_wait(struct tables *t);

/* ---- neighbour.c ---- */

#define NEIGHBOURS_MIN 64u /* slots of the smallest table */

int neighbours_init(struct neighbours *n, uint32_t n_slots);
void neighbours_settle(struct neighbours *n);
void neighbours_fini(struct neighbours *n); /* all but `slots` */

/* Publishes a view with this table of neighbours; the old ones go to limbo. Returns 0, or -ENOMEM and
 * leaves everything. */
int tables_publish_neighbours(struct tables *t, struct neighbour *slots, uint32_t mask);

/* ---- group.c ---- */

/* Takes slots for a group of these members and fills them, keeping the members of the slots that
 * group word `old` describes (0: none) where the weights allow. Counts member_slots.
 *
 * Returns 0 and the group word, -EINVAL or -ENOSPC. */
int group_new(struct tables *t, const struct nexthop_member *members, unsigned n_members,
	      const uint64_t *old, uint64_t *group);

/* Puts a group's slots in limbo. Its word is no longer published. */
void group_del(struct tables *t, uint64_t group);

#endif
