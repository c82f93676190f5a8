/* SPDX-License-Identifier: BSD-2-Clause */
/* What of show.c is of use without sockets. Private to the mirror; control thread only. */
#ifndef PEERLANE_KERNEL_SHOW_H
#define PEERLANE_KERNEL_SHOW_H

#include "replica.h"

/* The replica of a mirror (mirror.c). */
struct replica *mirror_replica(struct mirror *m);

/* Describe one. What they point to is valid until the replica changes. */
void show_route(const struct replica *r, const struct route *route,
		struct mirror_hop hops[MIRROR_HOPS_MAX], struct mirror_route *out);
void show_nexthop(const struct replica *r, const struct adjacency *adj, struct mirror_nexthop *out);

/* See mirror_each_route(). */
bool replica_each_route(const struct replica *r, uint64_t *place,
			bool (*fn)(void *, const struct mirror_route *), void *ctx);

/* See mirror_explain(). */
int replica_explain(const struct replica *r, const struct ip_addr *addr,
		    struct mirror_hop hops[MIRROR_HOPS_MAX], struct mirror_explanation *e);

#endif
