/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes that are not followed: of tables other than main and local, for one TOS or source only, of
 * types unknown. They are counted by what keeps us from following them, so that what is said of them
 * stays true. Of each is kept what tells routes apart for the kernel: prefix, metric, and TOS or
 * source. Packets to a prefix that main or local has such a route for are left to the kernel. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica.h"

/* Why, with a count of routes. */
struct unfollowed_kind {
	LIST_ENTRY(unfollowed_kind) of_replica;
	enum unfollowed_why why;
	uint8_t family;
	uint32_t table; /* BY_TABLE */
	uint64_t routes;
	bool said;
};

/* Without padding: hashed and compared as bytes. */
struct __attribute__((packed)) unfollowed_key {
	struct prefix prefix;
	uint8_t tos;
	uint32_t table;
	uint32_t metric;
	uint64_t source;
};

struct unfollowed {
	struct hash_node node;
	struct unfollowed_key key;
	struct unfollowed_kind *kind;
	struct entry *entry; /* that it makes odd; NULL: of another table */
	uint32_t generation;
	uint8_t missed; /* dumps in a row that left it out */
	unsigned n;	/* candidates, or for IPv6 hops, that are alike in all of the key */
};

_Static_assert(offsetof(struct unfollowed, node) == 0, "replica_fini() frees them by their nodes");

enum unfollowed_why unfollowed_why(const struct nl_route *is)
{
	if (is->table != RT_TABLE_LOCAL && is->table != RT_TABLE_MAIN)
		return UNFOLLOWED_TABLE;
	if (is->tos)
		return UNFOLLOWED_TOS;
	if (is->by_source)
		return UNFOLLOWED_SOURCE;
	if (is->type < RTN_UNICAST || is->type > RTN_THROW)
		return UNFOLLOWED_TYPE;
	return UNFOLLOWED_NOT;
}

static void describe(const struct unfollowed_kind *kind, char *text, size_t len)
{
	switch (kind->why) {
	case UNFOLLOWED_TABLE:
		snprintf(text, len, "routes of table %u", kind->table);
		break;
	case UNFOLLOWED_TOS:
		snprintf(text, len, "routes with a TOS");
		break;
	case UNFOLLOWED_SOURCE:
		snprintf(text, len, "routes by source");
		break;
	default:
		snprintf(text, len, "routes of types unknown here");
		break;
	}
}

/* ---- kinds ---- */

static struct unfollowed_kind *kind_get(struct replica *r, const struct nl_route *is)
{
	enum unfollowed_why why = unfollowed_why(is);
	uint32_t table = why == UNFOLLOWED_TABLE ? is->table : 0;
	struct unfollowed_kind *kind;

	LIST_FOREACH(kind, &r->unfollowed_kinds, of_replica)
	if (kind->why == why && kind->family == is->prefix.family && kind->table == table)
		return kind;
	kind = calloc(1, sizeof(*kind));
	if (!kind)
		return NULL;
	kind->why = why;
	kind->family = is->prefix.family;
	kind->table = table;
	LIST_INSERT_HEAD(&r->unfollowed_kinds, kind, of_replica);
	return kind;
}

static void kind_grew(struct replica *r, struct unfollowed_kind *kind, const struct prefix *first)
{
	char text[64], prefix[PREFIX_STRLEN];

	r->stats.unsupported++;
	if (kind->routes++ || r->n_kinds_said >= REPLICA_SAID_MAX)
		return;
	kind->said = true;
	r->n_kinds_said++;
	describe(kind, text, sizeof(text));
	replica_say(r, "%s %s are not followed: there is %s", replica_family_name(kind->family),
		    text, prefix_print(first, prefix));
	if (r->n_kinds_said == REPLICA_SAID_MAX)
		replica_say(r, "more that is not followed is in: peerlane show sync");
}

static void kind_shrank(struct replica *r, struct unfollowed_kind *kind)
{
	char text[64];

	r->stats.unsupported--;
	if (--kind->routes)
		return;
	if (kind->said) {
		r->n_kinds_said--;
		describe(kind, text, sizeof(text));
		replica_say(r, "%s %s, which are not followed, are gone",
			    replica_family_name(kind->family), text);
	}
	LIST_REMOVE(kind, of_replica);
	free(kind);
}

/* ---- routes ---- */

static struct unfollowed *find(const struct replica *r, const struct unfollowed_key *key,
			       uint64_t hash)
{
	struct hash_node *node = hash_find(&r->unfollowed, hash);

	for (; node; node = hash_find_next(node)) {
		struct unfollowed *u = CONTAINER(node, struct unfollowed, node);

		if (memcmp(&u->key, key, sizeof(*key)) == 0)
			return u;
	}
	return NULL;
}

static struct unfollowed *add(struct replica *r, const struct nl_route *is,
			      const struct unfollowed_key *key, uint64_t hash)
{
	struct unfollowed *u = calloc(1, sizeof(*u));

	if (u && unfollowed_why(is) != UNFOLLOWED_TABLE)
		u->entry = entry_get(r, &is->prefix);
	if (u && (u->entry || unfollowed_why(is) == UNFOLLOWED_TABLE))
		u->kind = kind_get(r, is);
	if (!u || !u->kind) {
		if (u && u->entry)
			entry_dirty(r, u->entry);
		free(u);
		replica_no_memory(r);
		return NULL;
	}
	if (u->entry) {
		u->entry->odd++;
		r->n_odd++;
		entry_dirty(r, u->entry);
	}
	u->key = *key;
	u->generation = r->generation[NL_ROUTE];
	hash_add(&r->unfollowed, &u->node, hash);
	kind_grew(r, u->kind, &is->prefix);
	return u;
}

static void drop(struct replica *r, struct unfollowed *u)
{
	hash_del(&r->unfollowed, &u->node);
	kind_shrank(r, u->kind);
	if (u->entry) {
		u->entry->odd--;
		r->n_odd--;
		entry_dirty(r, u->entry);
	}
	free(u);
}

/* How many are alike after a message: to IPv4 it adds a candidate, to IPv6 hops, of which a set is
 * announced whole. A dump counts anew. */
static unsigned count(const struct replica *r, const struct unfollowed *u,
		      const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	bool six = is->prefix.family == AF_INET6;
	unsigned n = six && is->n_hops ? is->n_hops : 1;

	if (r->dumping)
		return (u->generation == r->generation[NL_ROUTE] ? u->n : 0) + n;
	if (six && (msg->flags & NLM_F_REPLACE || n > 1))
		return n;
	if (msg->flags & NLM_F_REPLACE && u->n)
		return u->n;
	return u->n + n;
}

void unfollowed_apply(struct replica *r, const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	struct unfollowed_key key = {.prefix = is->prefix,
				     .tos = is->tos,
				     .table = is->table,
				     .metric = is->metric,
				     .source = is->source_hash};
	uint64_t hash = hash_bytes(0, &key, sizeof(key));
	struct unfollowed *u = find(r, &key, hash);
	unsigned gone = is->prefix.family == AF_INET6 && is->n_hops ? is->n_hops : 1;

	/* Did the dump count it with this, or without? Wrongly, and its prefix would be left to the
	 * kernel for good, or be ours too soon. */
	if (u && u->entry && !r->dumping && r->overlapped)
		r->doubt = true;
	if (!u && !msg->del)
		u = add(r, is, &key, hash);
	if (!u)
		return;
	if (u->entry && !r->dumping)
		u->entry->told = r->generation[NL_ROUTE];
	if (msg->del) {
		if (u->n <= gone)
			drop(r, u);
		else
			u->n -= gone;
		return;
	}
	u->n = count(r, u, msg);
	u->generation = r->generation[NL_ROUTE];
	u->missed = 0;
}

static void sweep(struct replica *r, struct unfollowed *u)
{
	if (u->generation == r->generation[NL_ROUTE])
		return;
	if (replica_is_gone(u->key.prefix.family, &u->missed, r->sweep.disturbed))
		drop(r, u);
	else
		r->sweep.all = false;
}

bool unfollowed_sweep(struct replica *r, unsigned max)
{
	uint64_t *place = &r->sweep.unfollowed;

	while (*place < HASH_PLACE_END) {
		uint64_t from = *place;
		struct hash_node *node = hash_visit(&r->unfollowed, place), *next;

		for (; node; node = next) {
			next = node->next;
			if (!hash_is_before(node, from))
				sweep(r, CONTAINER(node, struct unfollowed, node));
		}
		if (!max--)
			return *place >= HASH_PLACE_END;
	}
	return true;
}

void unfollowed_fini(struct replica *r)
{
	struct unfollowed_kind *kind;

	while ((kind = LIST_FIRST(&r->unfollowed_kinds))) {
		LIST_REMOVE(kind, of_replica);
		free(kind);
	}
}

/* ---- to be shown ---- */

static bool tell_kinds(const struct replica *r, unfollowed_fn *fn, void *ctx)
{
	const struct unfollowed_kind *kind;

	LIST_FOREACH(kind, &r->unfollowed_kinds, of_replica)
	{
		struct mirror_unfollowed u = {.family = kind->family, .routes = kind->routes};

		describe(kind, u.text, sizeof(u.text));
		if (!fn(ctx, &u))
			return false;
	}
	return true;
}

/* Routes over hops that are left to the kernel; a path has a reference for each. */
static bool tell_opaque(const struct replica *r, unfollowed_fn *fn, void *ctx)
{
	struct mirror_unfollowed u = {.text = "routes with encapsulations, left to the kernel"};
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->paths, node))) {
		const struct path *path = CONTAINER(node, struct path, node);
		struct leg legs[NL_HOPS_MAX];
		bool blackhole;
		unsigned n = path_legs(r, path, legs, &blackhole), i;

		for (i = 0; i < n; i++)
			if (legs[i].hop->flags & NL_HOP_OPAQUE &&
			    link_port(r, legs[i].hop->ifindex) >= 0)
				break;
		if (i < n)
			u.routes += path->refs;
	}
	return !u.routes || fn(ctx, &u);
}

static bool tell_masters(const struct replica *r, unfollowed_fn *fn, void *ctx)
{
	for (unsigned i = 0; i < r->n_ports; i++) {
		const struct link *link = link_find(r, r->ports[i].face_ifindex);
		const struct link *master = link ? link_find(r, link->is.master) : NULL;
		struct mirror_unfollowed u = {0};

		if (!link || !link->is.master)
			continue;
		snprintf(u.text, sizeof(u.text), "%s belongs to %s", r->ports[i].name,
			 master ? master->is.name : "another interface");
		if (!fn(ctx, &u))
			return false;
	}
	return true;
}

void unfollowed_each(const struct replica *r, unfollowed_fn *fn, void *ctx)
{
	if (rules_each_unfollowed(r, fn, ctx) && tell_masters(r, fn, ctx) && tell_kinds(r, fn, ctx))
		tell_opaque(r, fn, ctx);
}
