/* SPDX-License-Identifier: BSD-2-Clause */
/* From routes to tables: which candidate of a prefix counts, what is hidden by a local network, what
 * becomes of a prefix that the tables have no room for. Works off the entries that rib.c and others
 * mark as dirty. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../program/reasons.h"
#include "replica.h"

/* ---- what there is to do ---- */

static void unrefuse(struct replica *r, struct entry *e)
{
	if (!e->refused)
		return;
	e->refused = false;
	TAILQ_REMOVE(&r->refused, e, of_queue);
	r->stats.refused--;
}

void entry_dirty(struct replica *r, struct entry *e)
{
	if (e->is_dirty)
		return;
	unrefuse(r, e);
	e->is_dirty = true;
	TAILQ_INSERT_TAIL(&r->dirty, e, of_queue);
}

/* Walks through the entries, which are freed in routes_commit() only and made by routes alone: so it
 * may stop between two of them for other news. */
static struct hash_node *next_entry(struct replica *r, struct hash_node *node, unsigned *n)
{
	if (++*n % 4096 == 0 && r->breathe)
		r->breathe(r->breathe_ctx);
	return hash_walk(&r->entries, node);
}

/* ---- which one counts ---- */

/* IPv4's local and main are one trie in the kernel, until there is a policy rule for the first time
 * (net/ipv4/fib_frontend.c fib_unmerge()): the longest prefix of both wins. IPv6, and IPv4 since then,
 * look in local first: a network there hides what main has inside it. */
static bool local_first(const struct replica *r, uint8_t family)
{
	return family == AF_INET6 || r->split4;
}

void routes_split4(struct replica *r)
{
	struct hash_node *node = NULL;
	unsigned n = 0;

	if (r->split4)
		return;
	r->split4 = true;
	while ((node = next_entry(r, node, &n))) {
		struct entry *e = CONTAINER(node, struct entry, node);

		if (e->prefix.family == AF_INET)
			entry_dirty(r, e);
	}
}

static bool hidden(const struct replica *r, const struct entry *e)
{
	for (unsigned i = 0; i < r->n_covers; i++)
		if (r->covers[i].len < e->prefix.len && prefix_covers(&r->covers[i], &e->prefix))
			return true;
	return false;
}

static struct route *choose(const struct replica *r, const struct entry *e)
{
	bool is_hidden = local_first(r, e->prefix.family) && hidden(r, e);
	struct route *route;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	{
		if (is_hidden && route->table != RT_TABLE_LOCAL)
			return NULL;
		if (route->path->usable)
			return route;
	}
	return NULL;
}

static void dirty_inside(struct replica *r, const struct prefix *cover)
{
	struct hash_node *node = NULL;
	unsigned n = 0;

	while ((node = next_entry(r, node, &n))) {
		struct entry *e = CONTAINER(node, struct entry, node);

		if (e->prefix.len > cover->len && prefix_covers(cover, &e->prefix))
			entry_dirty(r, e);
	}
}

/* Notes whether an entry hides others from now on. There are few such: ff00::/8, and what an
 * administrator makes local as a whole. */
static void update_cover(struct replica *r, struct entry *e)
{
	bool cover = local_first(r, e->prefix.family) &&
		     e->prefix.len < (e->prefix.family == AF_INET ? 32 : 128) && e->best &&
		     e->best->table == RT_TABLE_LOCAL;
	struct prefix *covers;

	if (cover == e->cover)
		return;
	if (cover) {
		covers = realloc(r->covers, (r->n_covers + 1) * sizeof(*covers));
		if (!covers) {
			replica_no_memory(r);
			return;
		}
		r->covers = covers;
		covers[r->n_covers++] = e->prefix;
	} else {
		for (unsigned i = 0; i < r->n_covers; i++)
			if (prefix_equal(&r->covers[i], &e->prefix))
				r->covers[i--] = r->covers[--r->n_covers];
	}
	e->cover = cover;
	dirty_inside(r, &e->prefix);
}

/* Makes the tables hold what `wanted` says, NULL: nothing. Returns 0 or -errno. */
static int install(struct replica *r, struct entry *e, struct adjacency *wanted)
{
	int rc;

	if (wanted == e->installed)
		return 0;
	if (wanted)
		rc = tables_route_set(r->tables, &e->prefix, wanted->index);
	else
		rc = tables_route_del(r->tables, &e->prefix);
	if (rc)
		return rc;
	r->stats.route_changes++;
	if (wanted)
		adjacency_ref(wanted);
	if (e->installed)
		adjacency_put(r, e->installed);
	e->installed = wanted;
	return 0;
}

/* ---- when there is no room ---- */

/* Where more than the destination decides, TOS or source, the kernel does. */
static struct adjacency *odd_punt(struct replica *r)
{
	const struct adjacency_key key = {.kind = NEXTHOP_PUNT, .reason = REASON_ENCAP};
	struct adjacency *punt = adjacency_get(r, &key);

	return punt ? punt : adjacency_ref(&r->no_room);
}

static bool left_to_kernel(const struct entry *e)
{
	return e->squeezed || (e->best && e->best->path->failed);
}

/* What the tables are to hold for an entry: a reference, or NULL: nothing. */
static struct adjacency *wanted_by(struct replica *r, const struct entry *e)
{
	if (e->odd)
		return odd_punt(r);
	if (left_to_kernel(e))
		return adjacency_ref(&r->no_room);
	return e->best ? adjacency_ref(e->best->path->adjacency) : NULL;
}

/* That an entry is left to the kernel has no place in the tables: then the network around it that ends
 * on a byte is left to it, which as a rule needs no more room; or, should it be refused too, the next
 * one. Or `on` false: there is no need any more. */
static void squeeze(struct replica *r, struct entry *e, bool on)
{
	struct prefix around;
	struct entry *outer;

	if (e->squeezes == on || !e->prefix.len)
		return;
	around =
		prefix_make(e->prefix.family, e->prefix.bytes, (uint8_t)((e->prefix.len - 1) & ~7));
	outer = on ? entry_get(r, &around) : entry_find(r, &around);
	if (!outer) {
		replica_no_memory(r);
		return;
	}
	e->squeezes = on;
	outer->squeezed += on ? 1 : -1;
	entry_dirty(r, outer);
}

/* It is tried again by and by. */
static void refuse(struct replica *r, struct entry *e)
{
	char text[PREFIX_STRLEN];

	e->refused = true;
	TAILQ_INSERT_TAIL(&r->refused, e, of_queue);
	r->stats.refused++;
	r->retries = 0;
	replica_note(
		r, NOTE_FULL,
		"the tables are full, %s and maybe more have no room: packets there are left to "
		"the kernel, a limited number; let less routes in (filters, aggregation)",
		prefix_print(&e->prefix, text));
}

#define RETRY_MS 1000
#define RETRIES_MIN 64u

/* A few each time; more and more as long as they find room. */
void routes_retry(struct replica *r, uint64_t now_ms)
{
	struct entry *e;

	/* An audit would take what finds room now for what it has found. */
	if (now_ms - r->retry_ms < RETRY_MS || r->audit.running)
		return;
	r->retry_ms = now_ms;
	if (r->noted[NOTE_FULL] && !r->stats.refused && replica_is_committed(r)) {
		r->noted[NOTE_FULL] = false;
		replica_say(r, "the tables have room again: all routes are in use");
	}
	r->retries = r->retries ? 4 * r->retries : RETRIES_MIN;
	paths_retry(r, r->retries);
	for (unsigned n = 0; n < r->retries && (e = TAILQ_FIRST(&r->refused)); n++)
		entry_dirty(r, e);
}

/* ---- into the tables ---- */

/* Returns false if the entry has no room in the tables. */
static bool entry_install(struct replica *r, struct entry *e)
{
	struct adjacency *wanted = wanted_by(r, e);
	int rc = install(r, e, wanted);

	/* One that is in there stays, as a punt; for a new one that would be no easier. */
	squeeze(r, e, rc && (!e->installed || install(r, e, &r->no_room)));
	if (wanted)
		adjacency_put(r, wanted);
	return !rc && !(e->best && left_to_kernel(e));
}

static void entry_commit(struct replica *r, struct entry *e)
{
	struct adjacency *before = e->installed;

	e->best = choose(r, e);
	if (!entry_install(r, e))
		refuse(r, e);
	if (r->audit.running && e->told != r->generation[NL_ROUTE] &&
	    (e->differs || e->installed != before)) {
		r->audit.found++;
		r->audit.mended += !e->refused;
	}
	e->differs = false;
	/* Last: links that are heard of meanwhile may take the best one's path away. */
	update_cover(r, e);
	if (TAILQ_EMPTY(&e->routes) && !e->installed && !e->odd && !e->squeezed && !e->is_dirty &&
	    !e->refused) {
		hash_del(&r->entries, &e->node);
		slab_give(&r->entry_slab, e);
	}
}

/* The next entry to be brought into the tables, as it has changed itself; NULL: none. */
static struct entry *next_dirty(struct replica *r)
{
	struct entry *e = TAILQ_FIRST(&r->dirty);

	if (!e)
		return NULL;
	TAILQ_REMOVE(&r->dirty, e, of_queue);
	e->is_dirty = false;
	return e;
}

/* The same for one with a path that has changed. */
static struct entry *next_stale(struct replica *r)
{
	struct route *route = paths_next_stale(r);

	if (!route)
		return NULL;
	unrefuse(r, route->entry);
	return route->entry;
}

bool routes_commit_stale(struct replica *r, unsigned max)
{
	struct entry *e;

	for (; max && (e = next_stale(r)); max--)
		if (!e->is_dirty) /* else it has its turn in routes_commit() */
			entry_commit(r, e);
	return LIST_EMPTY(&r->stale_paths);
}

bool routes_commit(struct replica *r, unsigned max)
{
	struct entry *e;

	for (; max && ((e = next_dirty(r)) || (e = next_stale(r))); max--)
		entry_commit(r, e);
	return TAILQ_EMPTY(&r->dirty) && LIST_EMPTY(&r->stale_paths);
}
