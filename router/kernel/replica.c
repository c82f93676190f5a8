/* SPDX-License-Identifier: BSD-2-Clause */
#include "replica.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../program/reasons.h"

static int ports_init(struct replica *r, const struct mirror_port *ports, unsigned n_ports)
{
	r->ports = calloc(n_ports ? n_ports : 1, sizeof(*r->ports));
	if (!r->ports)
		return -ENOMEM;
	r->n_ports = n_ports;
	for (unsigned i = 0; i < n_ports; i++) {
		struct port *p = &r->ports[i];

		snprintf(p->name, sizeof(p->name), "%s", ports[i].name);
		if (ports[i].device)
			snprintf(p->device_name, sizeof(p->device_name), "%s", ports[i].device);
		p->face_ifindex = ports[i].face_ifindex;
		p->device_ifindex = ports[i].device_ifindex;
		p->carrier = !p->device_ifindex;
	}
	return 0;
}

int replica_init(struct replica *r, struct tables *tables, const struct mirror_port *ports,
		 unsigned n_ports, const struct mirror_events *events)
{
	*r = (struct replica){.tables = tables};
	if (events)
		r->events = *events;
	TAILQ_INIT(&r->dirty);
	TAILQ_INIT(&r->refused);
	r->no_room = (struct adjacency){.key = {.kind = NEXTHOP_PUNT, .reason = REASON_NO_ROUTE},
					.refs = 1};
	LIST_INIT(&r->stale_paths);
	TAILQ_INIT(&r->failed_paths);
	slab_init(&r->entry_slab, sizeof(struct entry));
	slab_init(&r->route_slab, sizeof(struct route));
	LIST_INIT(&r->rules);
	keepalive_init(r);
	LIST_INIT(&r->unfollowed_kinds);
	if (hash_init(&r->links) || hash_init(&r->peers) || hash_init(&r->adjacencies) ||
	    hash_init(&r->unfollowed) || hash_init(&r->paths) || hash_init(&r->objects) ||
	    hash_init(&r->object_uses) || hash_init(&r->entries) || ports_init(r, ports, n_ports)) {
		replica_fini(r);
		return -ENOMEM;
	}
	return 0;
}

/* Frees what a table's nodes are the first member of. */
static void free_nodes(struct hash *h)
{
	struct hash_node *node, *next;

	HASH_EACH_SAFE(h, node, next)
	{
		free(node);
	}
}

static void free_adjacencies(struct replica *r)
{
	for (uint32_t i = 0; i < r->by_index_len; i++) {
		if (!r->by_index[i])
			continue;
		free(r->by_index[i]->members);
		free(r->by_index[i]->weights);
		free(r->by_index[i]);
	}
	free(r->by_index);
}

static void free_ports(struct replica *r)
{
	for (unsigned i = 0; i < r->n_ports; i++) {
		free(r->ports[i].addrs);
		free(r->ports[i].addr_generations);
	}
	free(r->ports);
}

_Static_assert(offsetof(struct link, node) == 0 && offsetof(struct peer, node) == 0 &&
		       offsetof(struct path, node) == 0 && offsetof(struct object, node) == 0 &&
		       offsetof(struct object_use, node) == 0,
	       "free_nodes() frees them by their nodes");

void replica_fini(struct replica *r)
{
	if (r->ports) {
		free_adjacencies(r);
		free_nodes(&r->unfollowed);
		free_nodes(&r->links);
		free_nodes(&r->peers);
		free_nodes(&r->paths);
		free_nodes(&r->objects);
		free_nodes(&r->object_uses);
		free_ports(r);
	}
	slab_fini(&r->entry_slab);
	slab_fini(&r->route_slab);
	rules_fini(r);
	unfollowed_fini(r);
	hash_fini(&r->unfollowed);
	free(r->covers);
	hash_fini(&r->links);
	hash_fini(&r->peers);
	hash_fini(&r->adjacencies);
	hash_fini(&r->paths);
	hash_fini(&r->objects);
	hash_fini(&r->object_uses);
	hash_fini(&r->entries);
	*r = (struct replica){0};
}

static void say(struct replica *r, const char *fmt, va_list ap)
{
	char text[256];

	if (!r->events.note)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	r->events.note(r->events.ctx, text);
}

void replica_say(struct replica *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(r, fmt, ap);
	va_end(ap);
}

void replica_note(struct replica *r, enum note once, const char *fmt, ...)
{
	va_list ap;

	if (r->noted[once])
		return;
	r->noted[once] = true;
	va_start(ap, fmt);
	say(r, fmt, ap);
	va_end(ap);
}

const char *replica_family_name(uint8_t family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

void replica_no_memory(struct replica *r)
{
	replica_note(r, NOTE_MEMORY,
		     "out of memory while following the kernel's routes; they will be read again");
	r->doubt = true;
}

void replica_apply(struct replica *r, struct nl_message *msg)
{
	r->stats.messages++;
	switch (msg->kind) {
	case NL_LINK:
		link_apply(r, msg);
		break;
	case NL_ADDR:
		addr_apply(r, msg);
		break;
	case NL_NEXTHOP:
		object_apply(r, msg);
		break;
	case NL_NEIGHBOUR:
		peer_apply(r, msg);
		break;
	case NL_ROUTE:
		route_apply(r, msg);
		break;
	case NL_RULE:
		rule_apply(r, msg);
		break;
	default:
		break;
	}
}

bool replica_commit(struct replica *r, unsigned max)
{
	bool done;

	if (r->objects_changed) {
		r->objects_changed = false;
		paths_objects_changed(r);
	}
	done = routes_commit(r, max);
	tables_settle(r->tables);
	return done;
}

bool replica_commit_stale(struct replica *r, unsigned max)
{
	bool done;

	if (LIST_EMPTY(&r->stale_paths))
		return true;
	done = routes_commit_stale(r, max);
	tables_settle(r->tables);
	return done;
}

bool replica_is_committed(const struct replica *r)
{
	return TAILQ_EMPTY(&r->dirty) && LIST_EMPTY(&r->stale_paths) && !r->objects_changed;
}

void replica_mark(struct replica *r)
{
	for (unsigned kind = 0; kind < NL_KINDS; kind++)
		r->generation[kind]++;
}

/* A dump of IPv6 routes that changes disturb starts over at the root and skips as many nodes as it
 * had been through (net/ipv6/ip6_fib.c fib6_dump_table()): it repeats routes, and leaves some out that
 * nobody has touched, without a mark. One that is left out by several dumps in a row is gone. */
#define MISSED_ENOUGH 3

bool replica_is_gone(uint8_t family, uint8_t *missed, bool disturbed)
{
	return ++*missed >= MISSED_ENOUGH || !disturbed || family != AF_INET6;
}

void replica_sweep_begin(struct replica *r, bool disturbed)
{
	r->sweep = (struct sweep){.disturbed = disturbed, .all = true};
}

bool replica_sweep(struct replica *r, unsigned max)
{
	if (!routes_sweep(r, max) || !unfollowed_sweep(r, max))
		return false;
	objects_sweep(r);
	peers_sweep(r);
	addrs_sweep(r);
	links_sweep(r);
	rules_sweep(r);
	r->noted[NOTE_NO_NEXTHOP] = false;
	r->noted[NOTE_MEMORY] = false;
	return true;
}

uint64_t replica_tick(struct replica *r, uint64_t now_ms)
{
	hash_trim(&r->peers);
	hash_trim(&r->adjacencies);
	hash_trim(&r->paths);
	hash_trim(&r->objects);
	hash_trim(&r->object_uses);
	hash_trim(&r->unfollowed);
	hash_trim(&r->entries);
	routes_retry(r, now_ms);
	return keepalive_tick(r, now_ms);
}
