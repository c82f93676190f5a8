/* SPDX-License-Identifier: BSD-2-Clause */
/* What routes lead to: paths, shared by the routes that say the same, and the kernel's next hop
 * objects behind some of them. */
#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "../program/reasons.h"
#include "replica.h"

/* ---- next hop objects ---- */

static uint64_t object_hash(uint32_t id)
{
	return hash_bytes(0, &id, sizeof(id));
}

struct object *object_find(const struct replica *r, uint32_t id)
{
	struct hash_node *node = hash_find(&r->objects, object_hash(id));

	for (; node; node = hash_find_next(node)) {
		struct object *object = CONTAINER(node, struct object, node);

		if (object->is.id == id)
			return object;
	}
	return NULL;
}

/* ---- what needs an object ---- */

static struct object_use *use_find(const struct replica *r, uint32_t id)
{
	struct hash_node *node = hash_find(&r->object_uses, object_hash(id));

	for (; node; node = hash_find_next(node)) {
		struct object_use *use = CONTAINER(node, struct object_use, node);

		if (use->id == id)
			return use;
	}
	return NULL;
}

/* A path, or a group as its member, needs the object. Returns 0 or -ENOMEM. */
static int use_add(struct replica *r, uint32_t id)
{
	struct object_use *use = use_find(r, id);

	if (!use) {
		use = calloc(1, sizeof(*use));
		if (!use)
			return -ENOMEM;
		use->id = id;
		hash_add(&r->object_uses, &use->node, object_hash(id));
	}
	use->n++;
	return 0;
}

static void use_drop(struct replica *r, uint32_t id)
{
	struct object_use *use = use_find(r, id);

	if (--use->n)
		return;
	hash_del(&r->object_uses, &use->node);
	free(use);
}

static int use_members(struct replica *r, const struct object *object)
{
	for (unsigned i = 0; i < object->is.n_members; i++) {
		if (!use_add(r, object->members[i].id))
			continue;
		while (i-- > 0)
			use_drop(r, object->members[i].id);
		return -ENOMEM;
	}
	return 0;
}

static void object_free(struct replica *r, struct object *object)
{
	for (unsigned i = 0; i < object->is.n_members; i++)
		use_drop(r, object->members[i].id);
	hash_del(&r->objects, &object->node);
	free(object);
	r->objects_changed = true;
}

/* The dump of an audit has another object than we, or none. */
static void object_differs(struct replica *r)
{
	if (!r->audit.running)
		return;
	r->audit.found++;
	r->audit.mended++;
}

void object_apply(struct replica *r, const struct nl_message *msg)
{
	const struct nl_nexthop *is = &msg->nexthop;
	struct object *old = object_find(r, is->id), *object;
	size_t members = is->n_members * sizeof(struct nl_member);

	r->audit.spoilt = r->audit.spoilt || !r->dumping;
	if (msg->del) {
		/* With the object go the IPv4 routes over it, without a word; a group that has it
		 * may be one of theirs. A routing daemon deletes what nothing needs any more. */
		if (!r->dumping && (r->n_odd || use_find(r, is->id)))
			r->doubt = true;
		if (old)
			object_free(r, old);
		return;
	}
	if (is->cut)
		replica_note(r, NOTE_CUT,
			     "next hop group %u has more than %d members: the rest "
			     "is left out",
			     is->id, NL_HOPS_MAX);
	if (old && memcmp(&old->is, is, sizeof(*is)) == 0 &&
	    memcmp(old->members, msg->members, members) == 0) {
		old->generation = r->generation[NL_NEXTHOP];
		return;
	}
	object = calloc(1, sizeof(*object) + members);
	if (object) {
		object->is = *is;
		memcpy(object->members, msg->members, members);
	}
	if (!object || use_members(r, object)) {
		free(object);
		replica_no_memory(r);
		return;
	}
	object_differs(r);
	if (old)
		object_free(r, old);
	object->generation = r->generation[NL_NEXTHOP];
	hash_add(&r->objects, &object->node, object_hash(is->id));
	r->objects_changed = true;
}

void objects_sweep(struct replica *r)
{
	struct hash_node *node, *next;

	HASH_EACH_SAFE(&r->objects, node, next)
	{
		struct object *object = CONTAINER(node, struct object, node);

		if (object->generation == r->generation[NL_NEXTHOP])
			continue;
		object_differs(r);
		object_free(r, object);
	}
}

bool objects_lead_out(const struct replica *r, uint32_t ifindex)
{
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->objects, node)))
		if (CONTAINER(node, struct object, node)->is.hop.ifindex == ifindex)
			return true;
	return false;
}

/* ---- the ways out of a path ---- */

static unsigned group_legs(const struct replica *r, const struct object *group, struct leg *legs)
{
	unsigned n = 0;

	for (unsigned i = 0; i < group->is.n_members; i++) {
		const struct object *member = object_find(r, group->members[i].id);

		/* Groups have no groups inside, and a blackhole only alone. */
		if (member && !member->is.n_members)
			legs[n++] = (struct leg){&member->is.hop, group->members[i].weight};
	}
	return n;
}

/* The object behind a path's legs, when a group's only member is one too. */
static bool is_blackhole(const struct replica *r, const struct object *object)
{
	if (object->is.n_members == 1)
		object = object_find(r, object->members[0].id);
	return object && !object->is.n_members && object->is.blackhole;
}

unsigned path_legs(const struct replica *r, const struct path *path, struct leg legs[NL_HOPS_MAX],
		   bool *blackhole)
{
	const struct object *object;

	*blackhole = false;
	if (!path->nh_id) {
		for (unsigned i = 0; i < path->n_hops; i++)
			legs[i] = (struct leg){&path->hops[i], path->hops[i].weight};
		return path->n_hops;
	}
	object = object_find(r, path->nh_id);
	if (!object)
		return 0;
	*blackhole = is_blackhole(r, object);
	if (*blackhole)
		return 0;
	if (object->is.n_members)
		return group_legs(r, object, legs);
	legs[0] = (struct leg){&object->is.hop, 1};
	return 1;
}

/* As the kernel with ignore_routes_with_linkdown, which our faces have. Of interfaces that are not
 * ours only whether they are up counts: what leads there is the kernel's to judge. */
bool hop_usable(const struct replica *r, const struct nl_hop *hop)
{
	const struct link *link = link_find(r, hop->ifindex);

	if (!link)
		return true; /* not heard of yet: the kernel decides */
	if (!(link->is.flags & IFF_UP) || hop->flags & NL_HOP_DEAD)
		return false;
	return link->port < 0 || (link->is.flags & IFF_LOWER_UP && r->ports[link->port].carrier);
}

static struct adjacency *fixed(struct replica *r, uint8_t kind, uint8_t reason)
{
	struct adjacency_key key = {.kind = kind, .reason = reason};

	return adjacency_get(r, &key);
}

static struct adjacency *hop_adjacency(struct replica *r, const struct path *path,
				       const struct nl_hop *hop)
{
	int port = link_port(r, hop->ifindex);
	struct adjacency_key key = {.kind = hop->gateway.family ? NEXTHOP_FORWARD : NEXTHOP_GLEAN,
				    .mtu = path->mtu > UINT16_MAX ? 0 : (uint16_t)path->mtu};

	if (hop->flags & NL_HOP_OPAQUE && port >= 0)
		replica_note(r, NOTE_OPAQUE,
			     "%s: a route with an encapsulation or an attribute that is not known "
			     "here is left to the kernel",
			     r->ports[port].name);
	if (port < 0)
		return fixed(r, NEXTHOP_PUNT, REASON_FOREIGN);
	if (hop->flags & NL_HOP_OPAQUE)
		return fixed(r, NEXTHOP_PUNT, REASON_ENCAP);
	key.port = (uint16_t)port;
	key.addr = hop->gateway;
	return adjacency_get(r, &key);
}

/* ---- working out ---- */

/* What a path comes to now. */
struct outcome {
	bool usable;
	struct adjacency *adjacency; /* a reference; NULL though usable: no room in the tables */
};

/* Several ways: a group, which a path keeps and changes in place for as long as it has any way, so
 * that the routes over it need not be touched. */
static struct adjacency *resolve_group(struct replica *r, struct path *path, const struct leg *legs,
				       unsigned n)
{
	struct adjacency *members[NL_HOPS_MAX];
	uint32_t weights[NL_HOPS_MAX];
	struct adjacency *group = path->adjacency;

	for (unsigned i = 0; i < n; i++) {
		members[i] = hop_adjacency(r, path, legs[i].hop);
		weights[i] = legs[i].weight;
		if (members[i])
			continue;
		while (i-- > 0)
			adjacency_put(r, members[i]);
		return NULL;
	}
	if (!group || group->key.kind != NEXTHOP_GROUP)
		return adjacency_group(r, members, weights, n);
	return group_set(r, group, members, weights, n) ? NULL : adjacency_ref(group);
}

static struct outcome resolve_hops(struct replica *r, struct path *path)
{
	struct leg legs[NL_HOPS_MAX];
	bool blackhole;
	unsigned all = path_legs(r, path, legs, &blackhole), n = 0;

	if (blackhole)
		return (struct outcome){true, fixed(r, NEXTHOP_DROP, REASON_BLACKHOLE)};
	for (unsigned i = 0; i < all; i++)
		if (hop_usable(r, legs[i].hop))
			legs[n++] = legs[i];
	if (!n)
		return (struct outcome){0};
	if (path->type == RTN_BROADCAST)
		return (struct outcome){true, fixed(r, NEXTHOP_PUNT, REASON_BROADCAST)};
	if (path->type == RTN_MULTICAST)
		return (struct outcome){true, fixed(r, NEXTHOP_PUNT, REASON_MULTICAST)};
	if (all == 1)
		return (struct outcome){true, hop_adjacency(r, path, legs[0].hop)};
	return (struct outcome){true, resolve_group(r, path, legs, n)};
}

static struct outcome resolve(struct replica *r, struct path *path)
{
	switch (path->type) {
	case RTN_UNICAST:
	case RTN_BROADCAST:
	case RTN_MULTICAST:
		return resolve_hops(r, path);
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return (struct outcome){true, fixed(r, NEXTHOP_PUNT, REASON_LOCAL)};
	case RTN_BLACKHOLE:
		return (struct outcome){true, fixed(r, NEXTHOP_DROP, REASON_BLACKHOLE)};
	case RTN_UNREACHABLE:
		return (struct outcome){true, fixed(r, NEXTHOP_PUNT, REASON_UNREACHABLE)};
	case RTN_PROHIBIT:
		return (struct outcome){true, fixed(r, NEXTHOP_PUNT, REASON_PROHIBIT)};
	default: /* RTN_THROW: the search ends here, as if there were no route */
		return (struct outcome){true, fixed(r, NEXTHOP_PUNT, REASON_NO_ROUTE)};
	}
}

/* Its routes, which may be a million, are gone through by and by: routes_commit(). */
static void make_stale(struct replica *r, struct path *path)
{
	if (!path->stale && !LIST_EMPTY(&path->routes))
		LIST_INSERT_HEAD(&r->stale_paths, path, of_stale);
	path->stale = LIST_FIRST(&path->routes);
}

static void stale_from(struct path *path, struct route *route)
{
	path->stale = route;
	if (!route)
		LIST_REMOVE(path, of_stale);
}

struct route *paths_next_stale(struct replica *r)
{
	struct path *path = LIST_FIRST(&r->stale_paths);
	struct route *route;

	if (!path)
		return NULL;
	route = path->stale;
	stale_from(path, LIST_NEXT(route, of_path));
	return route;
}

/* Before those that are stale: it is looked at for its own sake. */
void path_join(struct path *path, struct route *route)
{
	LIST_INSERT_HEAD(&path->routes, route, of_path);
}

void path_leave(struct path *path, struct route *route)
{
	if (path->stale == route)
		stale_from(path, LIST_NEXT(route, of_path));
	LIST_REMOVE(route, of_path);
}

static void set_failed(struct replica *r, struct path *path, bool failed)
{
	if (path->failed)
		TAILQ_REMOVE(&r->failed_paths, path, of_failed);
	if (failed)
		TAILQ_INSERT_TAIL(&r->failed_paths, path, of_failed);
	path->failed = failed;
}

static void path_update(struct replica *r, struct path *path)
{
	struct outcome now = resolve(r, path);
	struct adjacency *old = path->adjacency;

	set_failed(r, path, now.usable && !now.adjacency);
	if (old != now.adjacency || path->usable != now.usable)
		make_stale(r, path);
	path->usable = now.usable;
	path->adjacency = now.adjacency;
	if (old)
		adjacency_put(r, old);
}

/* ---- sharing ---- */

static uint64_t path_hash(const struct nl_route *route, const struct nl_hop *hops)
{
	uint64_t h = (uint64_t)route->type << 32 | route->mtu;

	h = hash_bytes(h, &route->nh_id, sizeof(route->nh_id));
	return hash_bytes(h, hops, route->n_hops * sizeof(*hops));
}

static struct path *find(const struct replica *r, const struct nl_route *route,
			 const struct nl_hop *hops, uint64_t hash)
{
	struct hash_node *node = hash_find(&r->paths, hash);

	for (; node; node = hash_find_next(node)) {
		struct path *path = CONTAINER(node, struct path, node);

		if (path->type == route->type && path->mtu == route->mtu &&
		    path->nh_id == route->nh_id && path->n_hops == route->n_hops &&
		    memcmp(path->hops, hops, path->n_hops * sizeof(*hops)) == 0)
			return path;
	}
	return NULL;
}

struct path *path_get(struct replica *r, const struct nl_route *route, const struct nl_hop *hops)
{
	uint64_t hash = path_hash(route, hops);
	struct path *path = find(r, route, hops, hash);

	if (path) {
		path->refs++;
		return path;
	}
	path = calloc(1, sizeof(*path) + route->n_hops * sizeof(*hops));
	if (!path || (route->nh_id && use_add(r, route->nh_id))) {
		free(path);
		return NULL;
	}
	path->refs = 1;
	path->type = route->type;
	path->mtu = route->mtu;
	path->nh_id = route->nh_id;
	path->n_hops = route->n_hops;
	memcpy(path->hops, hops, route->n_hops * sizeof(*hops));
	LIST_INIT(&path->routes);
	hash_add(&r->paths, &path->node, hash);
	path_update(r, path);
	return path;
}

void path_put(struct replica *r, struct path *path)
{
	if (--path->refs)
		return;
	hash_del(&r->paths, &path->node);
	set_failed(r, path, false);
	if (path->nh_id)
		use_drop(r, path->nh_id);
	if (path->adjacency)
		adjacency_put(r, path->adjacency);
	free(path);
}

/* ---- when something underneath changes ---- */

static bool path_uses_link(const struct replica *r, const struct path *path, uint32_t ifindex)
{
	struct leg legs[NL_HOPS_MAX];
	bool blackhole;
	unsigned n = path_legs(r, path, legs, &blackhole);

	for (unsigned i = 0; i < n; i++)
		if (legs[i].hop->ifindex == ifindex)
			return true;
	return false;
}

/* Hops alike but for being dead or not. */
bool hops_equal(const struct nl_hop *a, const struct nl_hop *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (a[i].ifindex != b[i].ifindex || a[i].weight != b[i].weight ||
		    (a[i].flags ^ b[i].flags) & ~NL_HOP_DEAD ||
		    memcmp(&a[i].gateway, &b[i].gateway, sizeof(a[i].gateway)) != 0)
			return false;
	return true;
}

bool path_says(const struct path *path, const struct nl_route *route, const struct nl_hop *hops)
{
	return path->type == route->type && path->mtu == route->mtu &&
	       path->nh_id == route->nh_id && path->n_hops == route->n_hops &&
	       hops_equal(path->hops, hops, route->n_hops);
}

bool path_has_hops(const struct path *path, const struct nl_hop *hops)
{
	return memcmp(path->hops, hops, path->n_hops * sizeof(*hops)) == 0;
}

bool path_has_dead(const struct path *path)
{
	for (unsigned i = 0; i < path->n_hops; i++)
		if (path->hops[i].flags & NL_HOP_DEAD)
			return true;
	return false;
}

bool paths_dead_on(const struct replica *r, uint32_t ifindex)
{
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->paths, node))) {
		const struct path *path = CONTAINER(node, struct path, node);

		for (unsigned i = 0; i < path->n_hops; i++)
			if (path->hops[i].ifindex == ifindex && path->hops[i].flags & NL_HOP_DEAD)
				return true;
	}
	return false;
}

bool paths_lead_out(const struct replica *r, uint32_t ifindex, bool (*counts)(const struct route *))
{
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->paths, node))) {
		const struct path *path = CONTAINER(node, struct path, node);
		const struct route *route;

		if (!path_uses_link(r, path, ifindex))
			continue;
		LIST_FOREACH(route, &path->routes, of_path)
		if (!counts || counts(route))
			return true;
	}
	return false;
}

void paths_link_changed(struct replica *r, uint32_t ifindex)
{
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->paths, node))) {
		struct path *path = CONTAINER(node, struct path, node);

		if (path_uses_link(r, path, ifindex))
			path_update(r, path);
	}
}

void paths_objects_changed(struct replica *r)
{
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->paths, node))) {
		struct path *path = CONTAINER(node, struct path, node);

		if (path->nh_id)
			path_update(r, path);
	}
}

void paths_retry(struct replica *r, unsigned max)
{
	struct path *path;

	for (; max && (path = TAILQ_FIRST(&r->failed_paths)); max--) {
		path_update(r, path);
		if (path->failed)
			return;
	}
}
