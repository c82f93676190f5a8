/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror's answers to who asks what it knows, and why a packet fares as it does. */
#include <errno.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../program/reasons.h"
#include "show.h"

static const char *const reason_names[] = {
#define X(symbol, kind, name, text) [REASON_##symbol] = name,
	REASONS(X)
#undef X
};

static const char *type_name(uint8_t type)
{
	static const char *const names[] = {
		[RTN_UNICAST] = "unicast",
		[RTN_LOCAL] = "local",
		[RTN_BROADCAST] = "broadcast",
		[RTN_ANYCAST] = "anycast",
		[RTN_MULTICAST] = "multicast",
		[RTN_BLACKHOLE] = "blackhole",
		[RTN_UNREACHABLE] = "unreachable",
		[RTN_PROHIBIT] = "prohibit",
		[RTN_THROW] = "throw",
	};

	return type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "unknown";
}

static const char *neighbour_state_name(uint16_t state)
{
	static const struct {
		uint16_t state;
		const char *name;
	} names[] = {
		{NUD_PERMANENT, "PERMANENT"}, {NUD_NOARP, "NOARP"},
		{NUD_REACHABLE, "REACHABLE"}, {NUD_STALE, "STALE"},
		{NUD_DELAY, "DELAY"},	      {NUD_PROBE, "PROBE"},
		{NUD_FAILED, "FAILED"},	      {NUD_INCOMPLETE, "INCOMPLETE"},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (state & names[i].state)
			return names[i].name;
	return "NONE";
}

/* ---- hops and routes ---- */

static void describe_gateway(const struct replica *r, const struct nl_hop *hop,
			     struct mirror_hop *out)
{
	const struct peer *peer = peer_find(r, (unsigned)out->port, &hop->gateway);

	if (peer && peer_usable(peer)) {
		out->state = "resolved";
		memcpy(out->mac, peer->mac, sizeof(out->mac));
	} else {
		out->state = "unresolved";
	}
}

static void describe_hop(const struct replica *r, const struct leg *leg, struct mirror_hop *out)
{
	const struct nl_hop *hop = leg->hop;
	const struct link *link = link_find(r, hop->ifindex);

	*out = (struct mirror_hop){.gateway = hop->gateway,
				   .port = link_port(r, hop->ifindex),
				   .weight = leg->weight,
				   .usable = hop_usable(r, hop)};
	if (link)
		memcpy(out->device, link->is.name, sizeof(out->device));
	else
		snprintf(out->device, sizeof(out->device), "if%u", hop->ifindex);
	if (!out->usable)
		out->state = link && !(link->is.flags & IFF_UP) ? "down"
			     : hop->flags & NL_HOP_DEAD		? "dead"
								: "no carrier";
	else if (out->port < 0)
		out->state = "foreign";
	else if (hop->flags & NL_HOP_OPAQUE)
		out->state = "left to the kernel";
	else if (hop->gateway.family)
		describe_gateway(r, hop, out);
	else
		out->state = "connected";
}

void show_route(const struct replica *r, const struct route *route,
		struct mirror_hop hops[MIRROR_HOPS_MAX], struct mirror_route *out)
{
	const struct entry *e = route->entry;
	const struct path *path = route->path;
	struct leg legs[NL_HOPS_MAX];
	bool blackhole;
	unsigned n = path_legs(r, path, legs, &blackhole);

	for (unsigned i = 0; i < n; i++)
		describe_hop(r, &legs[i], &hops[i]);
	*out = (struct mirror_route){
		.prefix = e->prefix,
		.type = type_name(blackhole ? RTN_BLACKHOLE : path->type),
		.table = route->table,
		.metric = route->metric,
		.protocol = route->protocol,
		.mtu = path->mtu,
		.nh_id = path->nh_id,
		.installed = e->best == route && e->installed && e->installed == path->adjacency,
		.hops = hops,
		.n_hops = n,
	};
	if (out->installed)
		out->nexthop = e->installed->index;
}

/* Returns false if `fn` did for any of them. */
static bool each_route_of(const struct replica *r, const struct entry *e,
			  bool (*fn)(void *, const struct mirror_route *), void *ctx)
{
	const struct route *route;
	bool more = true;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	{
		struct mirror_hop hops[MIRROR_HOPS_MAX];
		struct mirror_route out;

		show_route(r, route, hops, &out);
		more = fn(ctx, &out) && more;
	}
	return more;
}

bool replica_each_route(const struct replica *r, uint64_t *place,
			bool (*fn)(void *, const struct mirror_route *), void *ctx)
{
	bool more = true;

	while (more && *place < HASH_PLACE_END) {
		uint64_t from = *place;
		struct hash_node *node = hash_visit(&r->entries, place);

		for (; node; node = node->next)
			if (!hash_is_before(node, from))
				more = each_route_of(r, CONTAINER(node, struct entry, node), fn,
						     ctx) &&
				       more;
	}
	return *place >= HASH_PLACE_END;
}

bool mirror_each_route(struct mirror *m, uint64_t *place,
		       bool (*fn)(void *, const struct mirror_route *), void *ctx)
{
	return replica_each_route(mirror_replica(m), place, fn, ctx);
}

/* ---- neighbours ---- */

void mirror_each_neighbour(struct mirror *m, bool (*fn)(void *, const struct mirror_neighbour *),
			   void *ctx)
{
	const struct replica *r = mirror_replica(m);
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->peers, node))) {
		const struct peer *peer = CONTAINER(node, struct peer, node);
		struct mirror_neighbour out = {.addr = peer->addr,
					       .port = peer->port,
					       .usable = peer_usable(peer),
					       .state = neighbour_state_name(peer->state),
					       .used_ms = peer->used_ms};

		memcpy(out.device, r->ports[peer->port].name, sizeof(out.device));
		if (peer->has_mac)
			memcpy(out.mac, peer->mac, sizeof(out.mac));
		if (!fn(ctx, &out))
			return;
	}
}

/* ---- next hops ---- */

void show_nexthop(const struct replica *r, const struct adjacency *adj, struct mirror_nexthop *out)
{
	const struct adjacency_key *key = &adj->key;
	static const char *const kinds[] = {
		[NEXTHOP_PUNT] = "punt",   [NEXTHOP_DROP] = "drop",   [NEXTHOP_FORWARD] = "forward",
		[NEXTHOP_GLEAN] = "glean", [NEXTHOP_GROUP] = "group",
	};
	bool resolved = adj->peer && peer_usable(adj->peer);

	*out = (struct mirror_nexthop){.index = adj->index,
				       .kind = kinds[key->kind],
				       .addr = key->addr,
				       .port = -1,
				       .references = adj->refs};
	switch (key->kind) {
	case NEXTHOP_FORWARD:
		if (!resolved) {
			out->kind = "punt";
			out->reason = reason_names[REASON_UNRESOLVED];
		} else {
			memcpy(out->dmac, adj->peer->mac, sizeof(out->dmac));
			memcpy(out->smac, r->ports[key->port].mac, sizeof(out->smac));
		}
		/* fall through */
	case NEXTHOP_GLEAN:
		out->port = key->port;
		out->mtu = adjacency_mtu(r, key);
		break;
	case NEXTHOP_GROUP:
		out->members = adj->weights;
		out->n_members = adj->n_members;
		break;
	default:
		out->reason = reason_names[key->reason];
		break;
	}
}

void mirror_each_nexthop(struct mirror *m, bool (*fn)(void *, const struct mirror_nexthop *),
			 void *ctx)
{
	const struct replica *r = mirror_replica(m);

	for (uint32_t i = 0; i < r->by_index_len; i++) {
		struct mirror_nexthop out;

		if (!r->by_index[i])
			continue;
		show_nexthop(r, r->by_index[i], &out);
		if (!fn(ctx, &out))
			return;
	}
}

/* ---- ports ---- */

void mirror_port_link(const struct mirror *m, unsigned port, struct mirror_link *link)
{
	const struct port *p = &mirror_replica((struct mirror *)m)->ports[port];

	*link = (struct mirror_link){.mtu = p->mtu,
				     .admin_up = p->admin_up,
				     .carrier = p->carrier,
				     .addrs = p->addrs,
				     .n_addrs = p->n_addrs};
	memcpy(link->mac, p->mac, sizeof(link->mac));
	memcpy(link->device, p->device, sizeof(link->device));
}

void mirror_each_unfollowed(const struct mirror *m,
			    bool (*fn)(void *, const struct mirror_unfollowed *), void *ctx)
{
	unfollowed_each(mirror_replica((struct mirror *)m), fn, ctx);
}

/* ---- why ---- */

/* The longest installed prefix around an address. The table's own record would give the prefix but
 * not the candidate; both are asked to agree in the tests. */
static const struct entry *longest(const struct replica *r, const struct ip_addr *addr)
{
	int len = addr->family == AF_INET ? 32 : 128;

	for (; len >= 0; len--) {
		struct prefix p = prefix_make(addr->family, addr->bytes, (uint8_t)len);
		const struct entry *e = entry_find(r, &p);

		if (e && e->installed)
			return e;
	}
	return NULL;
}

static const struct adjacency *by_index(const struct replica *r, uint32_t index)
{
	return index < r->by_index_len ? r->by_index[index] : NULL;
}

int replica_explain(const struct replica *r, const struct ip_addr *addr,
		    struct mirror_hop hops[MIRROR_HOPS_MAX], struct mirror_explanation *e)
{
	const struct entry *entry = longest(r, addr);
	const struct adjacency *adj;
	const struct peer *peer;

	*e = (struct mirror_explanation){.nexthop = tables_image_lookup(r->tables, addr)};
	e->route.type = "none";
	e->via = (struct mirror_nexthop){.index = e->nexthop,
					 .kind = "punt",
					 .reason = reason_names[REASON_NO_ROUTE],
					 .port = -1};
	adj = by_index(r, e->nexthop);
	if (adj)
		show_nexthop(r, adj, &e->via);
	if (adj && adj->key.kind == NEXTHOP_GLEAN) {
		peer = peer_find(r, adj->key.port, addr);
		if (peer && peer->attached)
			show_nexthop(r, peer->attached, &e->neighbour);
	}
	if (!entry || !entry->best)
		return -ENOENT;
	show_route(r, entry->best, hops, &e->route);
	return 0;
}
