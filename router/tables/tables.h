/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes, next hops and neighbours: the control thread's side of the tables.
 *
 * All functions here are for the control thread alone, except tables_view(). Readers on other
 * threads see each address's answer change from old to new at once, never anything else. What a
 * change takes out of use is reused only after the grace period given at creation, and after all
 * accelerators that keep a copy have passed it (log.h).
 *
 * A function that fails leaves the tables, as readers and later calls see them, as they were. */
#ifndef PEERLANE_TABLES_TABLES_H
#define PEERLANE_TABLES_TABLES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "prefix.h"

/* Limits. Memory is reserved as address space and taken as it is used. A block is one of a trie
 * (image.h): IPv4 needs one for each /16 and each /24 with longer prefixes in it that lead elsewhere
 * than the rest of it. Those that cannot be narrow, for a next hop's index from 2^15 on or because all
 * TABLES_LAST4_MAX are in use or wait for a grace period, are wide, and take twice the memory. */
#define TABLES_NEXTHOPS_MAX (1u << 20)
#define TABLES_SLOTS_MAX (1u << 22)   /* of all ECMP groups together */
#define TABLES_BLOCKS4_MAX (1u << 20) /* narrow or wide: of 512 or 1024 bytes */
#define TABLES_LAST4_MAX (1u << 15)
#define TABLES_BLOCKS6_MAX (1u << 21) /* of 1024 bytes */
/* Of each family, in the control thread's record: one for each prefix of 0, 8, 16, ... bits that has
 * longer routes in it. */
#define TABLES_NODES_MAX (1u << 24)
#define TABLES_NEIGHBOURS_MAX (1u << 20)
#define TABLES_GROUP_SLOTS_MAX 256u /* of one ECMP group: weights are kept to 1/256 */

/* Waits until every reader has moved on from all that was unpublished before (see
 * pl_plane_synchronize()). */
typedef void tables_grace_fn(void);

struct tables;

/* Returns NULL with errno. Initially every address leads to next hop 0, "no route", which punts
 * with `no_route_reason`, and every port is down. */
struct tables *tables_new(tables_grace_fn *grace, uint8_t no_route_reason);
void tables_free(struct tables *t); /* no reader may be left, nor copy */

/* Where the image is: the same until tables_free(). Any thread may ask; who looks something up there is
 * registered for the grace period, and keeps no index beyond its next quiescent state. */
const struct tables_view *tables_view(const struct tables *t);

/* Waits for a grace period, and for accelerators, if anything waits to be reused, then makes it so.
 * Call after a batch of changes; others call it when they run out. */
void tables_settle(struct tables *t);

/* ---- routes ---- */

/* Inserts or replaces. Returns 0, -ENOSPC (more blocks or nodes needed than there are; readers may have
 * seen the new answer for a moment), -ENOMEM (of a new route alone), or -EINVAL (prefix malformed, or no
 * such next hop). */
int tables_route_set(struct tables *t, const struct prefix *p, uint32_t nexthop);

/* Returns 0, -ENOENT, or -ENOSPC: removing a route may take a block too. */
int tables_route_del(struct tables *t, const struct prefix *p);

/* Next hop of exactly this prefix into *nexthop. Returns 0 or -ENOENT. */
int tables_route_get(const struct tables *t, const struct prefix *p, uint32_t *nexthop);

/* Longest matching route, from the control thread's own record (not the image). Returns 0 with
 * *matched and *nexthop, or -ENOENT. */
int tables_route_match(const struct tables *t, const struct ip_addr *addr, struct prefix *matched,
		       uint32_t *nexthop);

/* What the image answers: what a packet would get. */
uint32_t tables_image_lookup(const struct tables *t, const struct ip_addr *addr);

/* ---- next hops ---- */

struct nexthop_member {
	uint32_t nexthop; /* index of one that is no group */
	uint32_t weight;  /* at least 1 */
};

struct nexthop_spec {
	uint8_t kind;	/* NEXTHOP_* */
	uint8_t reason; /* PUNT, DROP, and GLEAN: punted for this if the neighbour is unknown */
	uint16_t mtu;	/* IP bytes: FORWARD, GLEAN */
	uint16_t port;	/* FORWARD, GLEAN: at most 255 */
	uint8_t dmac[6], smac[6];	      /* FORWARD */
	const struct nexthop_member *members; /* GROUP */
	unsigned n_members;
};

/* Returns 0 and the new index, -EINVAL or -ENOSPC. A group gets the fewest slots that keep to the
 * weights exactly, or else TABLES_GROUP_SLOTS_MAX, of which each member has its due rounded down or up.
 * Members whose due is less than one get one, and the others share the rest in the same way. A member named
 * twice counts with both weights. */
int tables_nexthop_new(struct tables *t, const struct nexthop_spec *spec, uint32_t *index);

/* Changes one in place; routes that lead to it follow at once. The port and MACs of a FORWARD are
 * in place before its kind. A group whose members or weights change moves as few slots, and flows, as
 * shares rounded down or up allow: of members of equal weight none but the flows of one that leaves,
 * and to one that joins or comes back none but its share.
 *
 * One change cannot be a single store: a FORWARD that gets another MAC and, with it, another port,
 * MTU or second MAC. So that no reader takes one word from before and one from after, its packets
 * are punted with `no_route_reason` for a grace period, which the call waits for. The same wait
 * keeps apart a FORWARD that ceased to be one and comes back with other MACs. Returns as above, and
 * -EINVAL for next hop 0, one that is not in use, and a member, of this or another group, that would
 * become a group. */
int tables_nexthop_set(struct tables *t, uint32_t index, const struct nexthop_spec *spec);

/* Frees one, not next hop 0, that no route, group or neighbour refers to any more. */
void tables_nexthop_del(struct tables *t, uint32_t index);

/* ---- neighbours ---- */

/* Inserts or replaces. Returns 0, -ENOSPC (there are TABLES_NEIGHBOURS_MAX), or -EINVAL (`nexthop` is 0
 * or not in use). */
int tables_neighbour_set(struct tables *t, uint16_t port, const struct ip_addr *addr,
			 uint32_t nexthop);

/* Returns 0 or -ENOENT. */
int tables_neighbour_del(struct tables *t, uint16_t port, const struct ip_addr *addr);

/* ---- ports ---- */

void tables_port_set(struct tables *t, uint16_t port, const uint8_t mac[6], bool up);

/* ---- figures ---- */

struct tables_stats {
	/* In use, without what waits for a grace period; next hop 0 is counted. */
	uint32_t routes4, routes6, blocks4, blocks6, nexthops, slots, neighbours;
	uint32_t mid4, last4, wide4;	     /* blocks4 by kind */
	size_t routes4_bytes, routes6_bytes; /* the tries: roots and blocks in use */
	size_t image_bytes;		     /* those, next hops, slots, neighbours in use */
};
void tables_stats(const struct tables *t, struct tables_stats *stats);

#endif
