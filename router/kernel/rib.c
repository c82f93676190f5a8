/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes: all candidates of every prefix, in the order in which the kernel considers them.
 *
 * Notifications say what was done, not where the kernel put it; where it did comes from knowing the
 * kernel (net/ipv4/fib_trie.c fib_table_insert(), net/ipv6/ip6_fib.c fib6_add_rt2node()). Where
 * they do not tell all, `doubt` asks for a dump, which gives the order itself. */
#include <linux/if.h>
#include <linux/rtnetlink.h>
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

struct entry *entry_get(struct replica *r, const struct prefix *prefix)
{
	struct entry *e = entry_find(r, prefix);

	if (e)
		return e;
	e = slab_take(&r->entry_slab);
	if (!e)
		return NULL;
	e->prefix = *prefix;
	TAILQ_INIT(&e->routes);
	hash_add(&r->entries, &e->node, prefix_hash(prefix));
	return e;
}

/* ---- candidates ---- */

static bool same_class(const struct route *a, const struct route *b)
{
	return a->table == b->table && a->metric == b->metric;
}

/* Whether the kernel speaks of this one. */
static bool says_same(const struct route *route, const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;

	return route->table == is->table && route->metric == is->metric &&
	       route->protocol == is->protocol && route->scope == is->scope &&
	       route->rest == is->rest && path_says(route->path, is, msg->hops);
}

static struct route *find_same(const struct entry *e, const struct nl_message *msg)
{
	struct route *route;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	if (says_same(route, msg))
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

/* Drops one that is not, or no more, among its entry's. */
static void route_discard(struct replica *r, struct route *route)
{
	path_leave(route->path, route);
	path_put(r, route->path);
	r->sources[route->source]--;
	slab_give(&r->route_slab, route);
	r->stats.routes--;
}

void route_free(struct replica *r, struct route *route)
{
	struct entry *e = route->entry;

	TAILQ_REMOVE(&e->routes, route, of_entry);
	if (e->best == route)
		e->best = NULL;
	route_discard(r, route);
	entry_dirty(r, e);
}

/* A candidate with its path, not yet among its entry's. */
static struct route *route_new(struct replica *r, struct entry *e, const struct nl_route *is,
			       const struct nl_hop *hops)
{
	struct route *route = slab_take(&r->route_slab);

	if (!route)
		return NULL;
	route->path = path_get(r, is, hops);
	if (!route->path) {
		slab_give(&r->route_slab, route);
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
	path_join(route->path, route);
	r->stats.routes++;
	return route;
}

/* Puts `new` where `old` is. */
static void supersede(struct replica *r, struct route *old, struct route *new)
{
	TAILQ_INSERT_BEFORE(old, new, of_entry);
	route_free(r, old);
}

/* Of two that the kernel says are one keeps the known one, unless hops have died or revived. */
static struct route *confirm(struct replica *r, struct route *known, struct route *new)
{
	if (known->path != new->path) {
		supersede(r, known, new);
		return new;
	}
	known->generation = new->generation;
	known->missed = 0;
	route_discard(r, new);
	return known;
}

/* ---- from a dump: in the kernel's order ---- */

static void add_dumped(struct replica *r, struct entry *e, struct route *new,
		       const struct nl_message *msg)
{
	struct route *same = find_same(e, msg);

	if (!same) {
		e->differs = true;
	} else {
		bool again = same->generation == new->generation;

		new = confirm(r, same, new);
		if (again) /* a dump that was disturbed repeats itself */
			return;
		TAILQ_REMOVE(&e->routes, new, of_entry);
	}
	insert_last(e, new);
}

/* Whether a dump says of a prefix what we know: its only candidate, dead hops included. As a rule
 * nearly all of a million. */
static bool confirm_only(struct replica *r, const struct entry *e, const struct nl_message *msg)
{
	struct route *only = TAILQ_FIRST(&e->routes);

	if (!only || TAILQ_NEXT(only, of_entry) || !says_same(only, msg) ||
	    !path_has_hops(only->path, msg->hops))
		return false;
	only->generation = r->generation[NL_ROUTE];
	only->missed = 0;
	return true;
}

/* ---- IPv4 notifications ---- */

static void add4(struct replica *r, struct entry *e, struct route *new,
		 const struct nl_message *msg)
{
	struct route *same = find_same(e, msg), *first = first_of_class(e, new);

	if (same) {
		/* Said again, as when its next hop object changed; or older than the dump, and
		 * then what it replaced may not be what we think. */
		if (r->overlapped && msg->flags & NLM_F_REPLACE && same != first)
			r->doubt = true;
		confirm(r, same, new);
		return;
	}
	if (!first || (msg->flags & NLM_F_APPEND && !(msg->flags & NLM_F_REPLACE))) {
		insert_last(e, new);
		return;
	}
	TAILQ_INSERT_BEFORE(first, new, of_entry);
	if (msg->flags & NLM_F_REPLACE)
		route_free(r, first);
}

/* Returns false if it is not there. */
static bool del4(struct replica *r, struct entry *e, const struct nl_message *msg)
{
	struct route *same = find_same(e, msg);

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
	       hops_equal(a->hops, b->hops, a->n_hops);
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

static unsigned class_size(const struct entry *e, const struct route *like)
{
	struct route *route;
	unsigned n = 0;

	TAILQ_FOREACH(route, &e->routes, of_entry)
	n += same_class(route, like);
	return n;
}

static void add6(struct replica *r, struct entry *e, struct route *new, uint16_t flags)
{
	struct route *old = victim6(r, e, new, flags);

	/* A set may take along what stands behind the one that it replaces. */
	if (flags & NLM_F_REPLACE && new->path->n_hops > 1 && class_size(e, new) > 1)
		r->doubt = true;
	if (old)
		supersede(r, old, new);
	else
		insert_last(e, new);
}

/* Alike but for the weight, which a hop that leaves does not tell, and being dead. */
static bool same_way(const struct nl_hop *a, const struct nl_hop *b)
{
	struct nl_hop as_b = *a;

	as_b.weight = b->weight;
	return hops_equal(&as_b, b, 1);
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

	for (unsigned i = 0; i < path->n_hops; i++) {
		/* One only: another may differ in its encapsulation. */
		if (is.n_hops == i && same_way(&path->hops[i], hop))
			continue;
		hops[is.n_hops++] = path->hops[i];
	}
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
		if (p->n_hops == is->n_hops && hops_equal(p->hops, msg->hops, p->n_hops)) {
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

/* ---- both ---- */

static void route_del(struct replica *r, const struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	struct entry *e = entry_find(r, &is->prefix);
	bool found = false;

	if (e)
		e->told = r->generation[NL_ROUTE];
	if (e)
		found = is->prefix.family == AF_INET ? del4(r, e, msg) : del6(r, e, msg);
	/* Not known: gone before, or we missed something. */
	if (!found && !r->overlapped)
		r->doubt = true;
}

static void say_cut(struct replica *r, const struct prefix *prefix)
{
	char text[PREFIX_STRLEN];

	replica_note(r, NOTE_CUT, "%s has more than %d next hops: the rest is left out",
		     prefix_print(prefix, text), NL_HOPS_MAX);
}

/* Hops die with their links, and count as dead without carrier. That we know sooner, and without a
 * dump: only what is dead for other reasons need be remembered. */
static void see_for_ourselves(const struct replica *r, struct nl_message *msg)
{
	for (unsigned i = 0; i < msg->route.n_hops; i++) {
		const struct link *link;

		if (!(msg->hops[i].flags & NL_HOP_DEAD))
			continue;
		link = link_find(r, msg->hops[i].ifindex);
		if (link && (!(link->is.flags & IFF_UP) ||
			     (link->port >= 0 && !(link->is.flags & IFF_LOWER_UP))))
			msg->hops[i].flags &= (uint8_t)~NL_HOP_DEAD;
	}
}

void route_apply(struct replica *r, struct nl_message *msg)
{
	const struct nl_route *is = &msg->route;
	struct entry *e;
	struct route *new;

	if (unfollowed_why(is) != UNFOLLOWED_NOT) {
		unfollowed_apply(r, msg);
		return;
	}
	if (is->cut)
		say_cut(r, &is->prefix);
	if (msg->del) {
		route_del(r, msg);
		return;
	}
	e = entry_get(r, &is->prefix);
	if (!e) {
		replica_no_memory(r);
		return;
	}
	see_for_ourselves(r, msg);
	if (r->dumping && confirm_only(r, e, msg))
		return;
	entry_dirty(r, e);
	if (!r->dumping)
		e->told = r->generation[NL_ROUTE];
	new = route_new(r, e, is, msg->hops);
	if (!new) {
		replica_no_memory(r);
		return;
	}
	/* Dead for a reason that we do not see, or its link has come up since this was said. */
	if (new->path->refs == 1 && path_has_dead(new->path))
		r->doubt = true;
	if (r->dumping)
		add_dumped(r, e, new, msg);
	else if (is->prefix.family == AF_INET)
		add4(r, e, new, msg);
	else
		add6(r, e, new, msg->flags);
}

static void sweep_entry(struct replica *r, struct entry *e)
{
	struct route *route, *next;

	for (route = TAILQ_FIRST(&e->routes); route; route = next) {
		next = TAILQ_NEXT(route, of_entry);
		if (route->generation == r->generation[NL_ROUTE])
			continue;
		if (replica_is_gone(e->prefix.family, &route->missed, r->sweep.disturbed)) {
			e->differs = true;
			route_free(r, route);
		} else {
			r->sweep.all = false;
		}
	}
}

bool routes_sweep(struct replica *r, unsigned max)
{
	uint64_t *place = &r->sweep.routes;

	while (*place < HASH_PLACE_END) {
		uint64_t from = *place;
		struct hash_node *node = hash_visit(&r->entries, place);

		for (; node; node = node->next)
			if (!hash_is_before(node, from))
				sweep_entry(r, CONTAINER(node, struct entry, node));
		if (!max--)
			return *place >= HASH_PLACE_END;
	}
	return true;
}
