/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes: all candidates of every prefix, in the order in which the kernel considers them.
 *
 * Notifications say what was done, not where the kernel put it; where it did comes from knowing the
 * kernel (net/ipv4/fib_trie.c fib_table_insert(), net/ipv6/ip6_fib.c fib6_add_rt2node()). Where
 * they do not tell all, `doubt` asks for a dump, which gives the order itself. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "replica.h"

/* ---- prefixes ---- */

struct entry *entry_find(const struct replica *r, const struct prefix *prefix)
{
	struct hash_node *node = hash_find(&r->entries, prefix_hash(prefix));

	for (; node; node = hash_find_next(node)) {
		struct entry *e = CONTAINER(node, struct entry, node);

		if (prefix_equal(&e->prefix, prefix))
			return e;
	}
	return NULL;
}

static struct entry *entry_get(struct replica *r, const struct prefix *prefix)
{
	struct entry *e = entry_find(r, prefix);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->prefix = *prefix;
	TAILQ_INIT(&e->routes);
	hash_add(&r->entries, &e->node, prefix_hash(prefix));
	return e;
}

void entry_dirty(struct replica *r, struct entry *e)
{
	if (e->is_dirty)
		return;
	e->is_dirty = true;
	LIST_INSERT_HEAD(&r->dirty, e, dirty);
}

/* ---- candidates ---- */

static bool same_class(const struct route *a, const struct route *b)
{
	return a->table == b->table && a->metric == b->metric;
}

static bool same_route(const struct route *a, const struct route *b)
{
	return same_class(a, b) && a->path == b->path && a->protocol == b->protocol &&
	       a->scope == b->scope && a->rest == b->rest;
}

static struct route *find_same(const struct entry *e, const struct route *like)
{
	struct route *route;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	if (same_route(route, like))
		return route;
	return NULL;
}

static struct route *first_of_class(const struct entry *e, const struct route *like)
{
	struct route *route;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	if (same_class(route, like))
		return route;
	return NULL;
}

/* Local before main, then by metric; behind those that are equal. */
static void insert_last(struct entry *e, struct route *new)
{
	struct route *route;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	{
		if (route->table < new->table ||
		    (route->table == new->table && route->metric > new->metric)) {
			TAILQ_INSERT_BEFORE(route, new, of_entry);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&e->routes, new, of_entry);
}

/* A counting filter: which of 255 buckets an address falls into. */
static uint8_t source_bucket(const struct ip_addr *addr)
{
	return (uint8_t)(1 + hash_bytes(0, addr, sizeof(*addr)) % 255);
}

bool routes_prefer(const struct replica *r, const struct ip_addr *addr)
{
	return r->sources[source_bucket(addr)] != 0;
}

void route_free(struct replica *r, struct route *route)
{
	struct entry *e = route->entry;

	TAILQ_REMOVE(&e->routes, route, of_entry);
	LIST_REMOVE(route, of_path);
	path_put(r, route->path);
	if (e->best == route)
		e->best = NULL;
	r->sources[route->source]--;
	free(route);
	r->stats.routes--;
	entry_dirty(r, e);
}

/* A candidate with its path, not yet among its entry's. */
static struct route *route_new(struct replica *r, struct entry *e, const struct nl_route *is,
			       const struct nl_hop *hops)
{
	struct route *route = calloc(1, sizeof(*route));

	if (!route)
		return NULL;
	route->path = path_get(r, is, hops);
	if (!route->path) {
		free(route);
		return NULL;
	}
	route->entry = e;
	route->rest = is->rest;
	route->metric = is->metric;
	route->table = (uint8_t)is->table;
	route->protocol = is->protocol;
	route->scope = is->scope;
	route->generation = r->generation[NL_ROUTE];
	/* The kernel tells when it removes its own. */
	if (is->source.family && is->protocol != RTPROT_KERNEL)
		route->source = source_bucket(&is->source);
	r->sources[route->source]++;
	LIST_INSERT_HEAD(&route->path->routes, route, of_path);
	r->stats.routes++;
	return route;
}

/* Drops one that was never put among its entry's. */
static void route_discard(struct replica *r, struct route *route)
{
	LIST_REMOVE(route, of_path);
	path_put(r, route->path);
	r->sources[route->source]--;
	free(route);
	r->stats.routes--;
}

/* ---- from a dump: in the kernel's order ---- */

static void add_dumped(struct replica *r, struct entry *e, struct route *new)
{
	struct route *same = find_same(e, new);

	if (same) {
		same->generation = new->generation;
		route_discard(r, new);
		TAILQ_REMOVE(&e->routes, same, of_entry);
		new = same;
	}
	insert_last(e, new);
}

/* ---- IPv4 notifications ---- */

static void add4(struct replica *r, struct entry *e, struct route *new, uint16_t flags)
{
	struct route *same = find_same(e, new), *first = first_of_class(e, new);

	if (same) {
		/* Said again, as when its next hop object changed; or older than the dump, and
		 * then what it replaced may not be what we think. */
		same->generation = new->generation;
		route_discard(r, new);
		if (r->overlapped && flags & NLM_F_REPLACE && same != first)
			r->doubt = true;
		return;
	}
	if (!first || (flags & NLM_F_APPEND && !(flags & NLM_F_REPLACE))) {
		insert_last(e, new);
		return;
	}
	TAILQ_INSERT_BEFORE(first, new, of_entry);
	if (flags & NLM_F_REPLACE)
		route_free(r, first);
}

/* Returns false if it is not there. */
static bool del4(struct replica *r, struct entry *e, const struct route *like)
{
	struct route *same = find_same(e, like);

	if (same)
		route_free(r, same);
	return same != NULL;
}

/* ---- IPv6 notifications ---- */

/* Routes of one metric whose hops the kernel joins (rt6_qualify_for_ecmp()). */
static bool joins(const struct route *route)
{
	return !route->path->nh_id && route->path->n_hops && route->protocol != RTPROT_RA &&
	       route->path->hops[0].gateway.family;
}

static bool same_hops(const struct path *a, const struct path *b)
{
	return a->nh_id == b->nh_id && a->n_hops == b->n_hops &&
	       memcmp(a->hops, b->hops, a->n_hops * sizeof(*a->hops)) == 0;
}

/* Puts `new` where `old` is. */
static void supersede(struct replica *r, struct route *old, struct route *new)
{
	TAILQ_INSERT_BEFORE(old, new, of_entry);
	route_free(r, old);
}

/* The one that a new route takes the place of, if any. */
static struct route *victim6(struct replica *r, const struct entry *e, const struct route *new,
			     uint16_t flags)
{
	struct route *route, *first = NULL;
	unsigned n = 0;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	{
		if (!same_class(route, new))
			continue;
		if (same_hops(route->path, new->path))
			return route;
		n++;
	}
	TAILQ_FOREACH(route, &e->routes, of_entry)
	{
		if (!same_class(route, new))
			continue;
		if (!first)
			first = route;
		/* A joined set is announced whole; one replaced goes with all its hops. */
		if (joins(route) && joins(new) && (new->path->n_hops > 1 || flags &NLM_F_REPLACE))
			return route;
		if (flags & NLM_F_REPLACE && joins(route) == joins(new))
			return route;
		/* A sibling announced without the others is none that we understand. */
		if (joins(route) && joins(new))
			r->doubt = true;
	}
	if (flags & NLM_F_REPLACE && n > 1)
		r->doubt = true;
	return flags & NLM_F_REPLACE ? first : NULL;
}

static void add6(struct replica *r, struct entry *e, struct route *new, uint16_t flags)
{
	struct route *old = victim6(r, e, new, flags);

	if (old)
		supersede(r, old, new);
	else
		insert_last(e, new);
}

/* Takes one hop out of a joined set. Returns false if it is not in there. */
static bool leave_set(struct replica *r, struct entry *e, struct route *set,
		      const struct nl_hop *hop)
{
	const struct path *path = set->path;
	struct nl_hop hops[NL_HOPS_MAX];
	struct nl_route is = {.table = set->table,
			      .metric = set->metric,
			      .mtu = path->mtu,
			      .type = path->type,
			      .protocol = set->protocol,
			      .scope = set->scope};
	struct route *rest;

	for (unsigned i = 0; i < path->n_hops; i++)
		if (path->hops[i].ifindex != hop->ifindex ||
		    memcmp(&path->hops[i].gateway, &hop->gateway, sizeof(hop->gateway)) != 0)
			hops[is.n_hops++] = path->hops[i];
	if (is.n_hops == path->n_hops)
		return false;
	if (!is.n_hops) {
		route_free(r, set);
		return true;
	}
	rest = route_new(r, e, &is, hops);
	if (rest)
		supersede(r, set, rest);
	else
		replica_no_memory(r);
	return true;
}

static bool del6(struct replica *r, struct entry *e, const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	struct route *route, *next;
	bool found = false;

	for (route = TAILQ_FIRST(&e->routes); route; route = next) {
		const struct path *p = route->path;

		next = TAILQ_NEXT(route, of_entry);
		if (route->table != is->table || route->metric != is->metric ||
		    p->nh_id != is->nh_id)
			continue;
		if (p->n_hops == is->n_hops &&
		    memcmp(p->hops, msg->hops, p->n_hops * sizeof(*p->hops)) == 0) {
			route_free(r, route);
			return true;
		}
	}
	for (unsigned i = 0; i < is->n_hops; i++) {
		TAILQ_FOREACH(route, &e->routes, of_entry)
		if (route->table == is->table && route->metric == is->metric && joins(route))
			break;
		found = (route && leave_set(r, e, route, &msg->hops[i])) || found;
	}
	return found;
}

/* ---- what is followed ---- */

static bool type_known(uint8_t type)
{
	return type >= RTN_UNICAST && type <= RTN_THROW;
}

static bool follow(struct replica *r, const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	char text[PREFIX_STRLEN];

	prefix_print(&is->prefix, text);
	if (is->table != RT_TABLE_LOCAL && is->table != RT_TABLE_MAIN) {
		replica_note(r, NOTE_TABLE,
			     "%s: routes of table %u are not followed, only those of main and "
			     "local",
			     text, is->table);
	} else if (is->tos) {
		replica_note(r, NOTE_TOS, "%s: routes with a TOS are not followed", text);
	} else if (is->by_source) {
		replica_note(r, NOTE_SOURCE, "%s: routes by source are not followed", text);
	} else if (!type_known(is->type)) {
		replica_note(r, NOTE_TYPE, "%s: routes of type %u are not followed", text,
			     is->type);
	} else {
		if (is->cut)
			replica_note(r, NOTE_CUT,
				     "%s has more than %d next hops: the rest is left out", text,
				     NL_HOPS_MAX);
		return true;
	}
	if (r->dumping)
		r->unsupported++; /* counts after the sweep */
	else if (!msg->del)
		r->stats.unsupported++;
	else if (r->stats.unsupported > r->n_foreign_rules)
		r->stats.unsupported--;
	return false;
}

static void route_del(struct replica *r, const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	struct entry *e = entry_find(r, &is->prefix);
	struct route like = {.table = (uint8_t)is->table,
			     .metric = is->metric,
			     .protocol = is->protocol,
			     .scope = is->scope,
			     .rest = is->rest};
	bool found = false;

	if (e && is->prefix.family == AF_INET) {
		like.path = path_find(r, is, msg->hops);
		found = like.path && del4(r, e, &like);
	} else if (e) {
		found = del6(r, e, msg);
	}
	/* Not known: gone before, or we missed something. */
	if (!found && !r->overlapped)
		r->doubt = true;
}

void route_apply(struct replica *r, const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	struct entry *e;
	struct route *new;

	if (!follow(r, msg))
		return;
	if (msg->del) {
		route_del(r, msg);
		return;
	}
	e = entry_get(r, &is->prefix);
	if (!e) {
		replica_no_memory(r);
		return;
	}
	entry_dirty(r, e);
	new = route_new(r, e, is, msg->hops);
	if (!new)
		replica_no_memory(r);
	else if (r->dumping)
		add_dumped(r, e, new);
	else if (is->prefix.family == AF_INET)
		add4(r, e, new, msg->flags);
	else
		add6(r, e, new, msg->flags);
}

/* Walks through the entries, which are freed in routes_commit() only and made by routes alone: so it
 * may stop between two of them for other news. */
static struct hash_node *next_entry(struct replica *r, struct hash_node *node, unsigned *n)
{
	if (++*n % 4096 == 0 && r->breathe)
		r->breathe(r->breathe_ctx);
	return hash_walk(&r->entries, node);
}

void routes_sweep(struct replica *r)
{
	struct hash_node *node = NULL;
	unsigned n = 0;

	while ((node = next_entry(r, node, &n))) {
		struct entry *e = CONTAINER(node, struct entry, node);
		struct route *route, *next;

		for (route = TAILQ_FIRST(&e->routes); route; route = next) {
			next = TAILQ_NEXT(route, of_entry);
			if (route->generation != r->generation[NL_ROUTE])
				route_free(r, route);
		}
	}
}

/* ---- into the tables ---- */

/* IPv4's local and main are one trie in the kernel, unless there are policy rules: the longest
 * prefix of both wins. IPv6 looks in local first: a network there hides what main has inside it. */
static bool hidden(const struct replica *r, const struct entry *e)
{
	for (unsigned i = 0; i < r->n_covers; i++)
		if (r->covers[i].len < e->prefix.len && prefix_covers(&r->covers[i], &e->prefix))
			return true;
	return false;
}

static struct route *choose(const struct replica *r, const struct entry *e)
{
	bool is_hidden = e->prefix.family == AF_INET6 && hidden(r, e);
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

	while ((node = hash_walk(&r->entries, node))) {
		struct entry *e = CONTAINER(node, struct entry, node);

		if (e->prefix.len > cover->len && prefix_covers(cover, &e->prefix))
			entry_dirty(r, e);
	}
}

/* Notes whether an entry hides others from now on. There are few such: ff00::/8, and what an
 * administrator makes local as a whole. */
static void update_cover(struct replica *r, struct entry *e)
{
	bool cover = e->prefix.family == AF_INET6 && e->prefix.len < 128 && e->best &&
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

static void refused(struct replica *r, struct entry *e, int code)
{
	char text[PREFIX_STRLEN];

	e->refused = true;
	replica_note(r, NOTE_FULL,
		     "%s: the tables refuse a change (%s): it is tried again at the next "
		     "resynchronisation",
		     prefix_print(&e->prefix, text), strerror(-code));
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

static void entry_commit(struct replica *r, struct entry *e)
{
	int rc;

	e->best = choose(r, e);
	e->refused = e->best && e->best->path->failed;
	update_cover(r, e);
	if (e->refused)
		return;
	rc = install(r, e, e->best ? e->best->path->adjacency : NULL);
	if (rc)
		refused(r, e, rc);
	if (TAILQ_EMPTY(&e->routes) && !e->installed) {
		hash_del(&r->entries, &e->node);
		free(e);
	}
}

bool routes_commit(struct replica *r, unsigned max)
{
	struct entry *e;

	for (; max && (e = LIST_FIRST(&r->dirty)); max--) {
		LIST_REMOVE(e, dirty);
		e->is_dirty = false;
		entry_commit(r, e);
	}
	return LIST_EMPTY(&r->dirty);
}

void routes_retry(struct replica *r)
{
	struct hash_node *node = NULL;
	unsigned n = 0;

	while ((node = next_entry(r, node, &n))) {
		struct entry *e = CONTAINER(node, struct entry, node);

		if (e->refused)
			entry_dirty(r, e);
	}
}
