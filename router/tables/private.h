/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of router/tables (and their tests) share. Control thread only. */
#ifndef PEERLANE_TABLES_PRIVATE_H
#define PEERLANE_TABLES_PRIVATE_H

#include "key.h"
#include "pool.h"
#include "sections.h"
#include "slots.h"
#include "tables.h"
#include "trie.h"

/* One section of the image. */
struct section {
	const char *name;
	uint32_t element, word; /* bytes, see struct tables_section_info */
	uint32_t limit;		/* elements */
	const uint32_t *top;	/* elements from here on were never used; NULL: all are in use */
	size_t start;		/* bytes into the image */
};

/* The table of neighbours that holds, and what only the control thread knows of it. */
struct neighbours {
	struct neighbour *all, *slots; /* the section; the table's part of it */
	uint32_t first, mask;	       /* the table's first slot, its number of slots less one */
	uint32_t top;		       /* slots of the section from here on were never used */
	uint32_t limit;		       /* neighbours there may be */
	uint8_t *state;		       /* per slot of the table, see neighbour.c */
	uint32_t *limbo;	       /* slots that wait for a grace period */
	uint32_t used, gone, n_limbo;
};

struct tables {
	tables_grace_fn *grace;
	uint32_t n_graces; /* grace periods waited for, from 1 */
	uint8_t no_route_reason;

	/* The image: one piece of address space, cut up. */
	uint8_t *image;
	size_t image_bytes;
	struct section sections[TABLES_SECTIONS];
	struct tables_view view;
	struct tables_head *head_image;
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

	struct tables_copy *copies; /* all that are registered */
	bool recording;		    /* some are live: see store.h */
};

/* Limits below the public ones, to see what running out does. `slots` is a multiple of
 * TABLES_GROUP_SLOTS_MAX. `last4` and `mid4` are how many of IPv4's blocks are narrow ones of bits 24 to
 * 31 and 16 to 23. `nodes` is for each family. None of `neighbours`, `nodes`, `mid4`: the public limit, or as
 * many as can be. */
struct tables_limits {
	uint32_t blocks4, last4, blocks6, nexthops, slots, neighbours, mid4, nodes;
};

struct tables *tables_new_limited(tables_grace_fn *grace, uint8_t no_route_reason,
				  const struct tables_limits *limits);

/* Commits what is recorded, waits for a grace period and for the copies, and frees all that is in
 * limbo. */
void tables_wait(struct tables *t);

/* ---- log.c ---- */

/* Records that `length` bytes of the image were stored, for all live copies. `reachable`: to words
 * that readers may reach. */
void log_record(struct tables *t, const void *at, size_t length, bool reachable);

void log_commit_all(struct tables *t);

/* Shows copies what has been recorded. At the end of every function that stores; where much has come
 * together log_record() does. */
static inline void log_commit(struct tables *t)
{
	if (t->recording)
		log_commit_all(t);
}

/* Waits until all live copies have passed what is committed; two seconds at most for each, which is lost then. */
void log_wait(struct tables *t);

/* ---- sections.c ---- */

/* Lays the image out and reserves it. Returns 0 or -ENOMEM. */
int sections_init(struct tables *t, const struct tables_limits *limits);
void sections_fini(struct tables *t);

void *section_base(const struct tables *t, enum tables_section section);

/* ---- neighbour.c ---- */

#define NEIGHBOURS_MIN 64u /* slots of the smallest table */

/* Slots of a table that so many neighbours fill to a quarter at most. */
uint32_t neighbours_slots(uint32_t n);

/* Makes an empty table. Returns 0 or -ENOMEM. */
int neighbours_init(struct tables *t, uint32_t limit);
void neighbours_settle(struct tables *t);
bool neighbours_limbo(const struct tables *t);
void neighbours_fini(struct neighbours *n);

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
