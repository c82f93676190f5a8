/* SPDX-License-Identifier: BSD-2-Clause */
/* Next hops in the tables, shared and counted, and the neighbours behind them. */
#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "../program/reasons.h"
#include "replica.h"

static uint64_t peer_hash(unsigned port, const struct ip_addr *addr)
{
	return hash_bytes(port, addr, sizeof(*addr));
}

struct peer *peer_find(const struct replica *r, unsigned port, const struct ip_addr *addr)
{
	struct hash_node *node = hash_find(&r->peers, peer_hash(port, addr));

	for (; node; node = hash_find_next(node)) {
		struct peer *peer = CONTAINER(node, struct peer, node);

		if (peer->port == port && memcmp(&peer->addr, addr, sizeof(*addr)) == 0)
			return peer;
	}
	return NULL;
}

static struct peer *peer_get(struct replica *r, unsigned port, const struct ip_addr *addr)
{
	struct peer *peer = peer_find(r, port, addr);

	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->addr = *addr;
	peer->port = (uint16_t)port;
	LIST_INIT(&peer->adjacencies);
	hash_add(&r->peers, &peer->node, peer_hash(port, addr));
	keepalive_add(r, peer);
	return peer;
}

static void peer_release(struct replica *r, struct peer *peer)
{
	if (peer->known || !LIST_EMPTY(&peer->adjacencies))
		return;
	hash_del(&r->peers, &peer->node);
	keepalive_del(r, peer);
	free(peer);
}

/* Counts routes' references (`by` 1 or -1). */
static void peer_gateway(struct replica *r, struct peer *peer, int by)
{
	keepalive_del(r, peer);
	peer->gateway_refs += (unsigned)by;
	keepalive_add(r, peer);
}

bool peer_usable(const struct peer *peer)
{
	if (!peer->known || !peer->has_mac || peer->state == NUD_NONE ||
	    peer->state & (NUD_FAILED | NUD_INCOMPLETE))
		return false;
	/* The kernel's own entries for multicast and broadcast: such packets are punted anyway. */
	return !(peer->state & NUD_NOARP && peer->mac[0] & 1);
}

/* ---- next hops ---- */

uint16_t adjacency_mtu(const struct replica *r, const struct adjacency_key *key)
{
	unsigned mtu = r->ports[key->port].mtu;

	if (key->mtu && key->mtu < mtu)
		mtu = key->mtu;
	return mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
}

static struct nexthop_spec spec_of(const struct replica *r, const struct adjacency *adj)
{
	const struct adjacency_key *key = &adj->key;
	struct nexthop_spec spec = {.kind = key->kind, .reason = key->reason, .port = key->port};

	switch (key->kind) {
	case NEXTHOP_FORWARD:
		spec.mtu = adjacency_mtu(r, key);
		if (!peer_usable(adj->peer)) {
			spec.kind = NEXTHOP_PUNT;
			spec.reason = REASON_UNRESOLVED;
			break;
		}
		memcpy(spec.dmac, adj->peer->mac, sizeof(spec.dmac));
		memcpy(spec.smac, r->ports[key->port].mac, sizeof(spec.smac));
		break;
	case NEXTHOP_GLEAN:
		spec.mtu = adjacency_mtu(r, key);
		spec.reason = REASON_UNRESOLVED;
		break;
	case NEXTHOP_GROUP:
		spec.members = adj->weights;
		spec.n_members = adj->n_members;
		break;
	default:
		break;
	}
	return spec;
}

static void say_full(struct replica *r, int code)
{
	replica_note(r, NOTE_NO_NEXTHOP,
		     "the tables have no room for a next hop (%s): packets there are left to the "
		     "kernel until there is",
		     strerror(-code));
}

static void adjacency_refresh(struct replica *r, struct adjacency *adj)
{
	struct nexthop_spec spec = spec_of(r, adj);
	int rc = tables_nexthop_set(r->tables, adj->index, &spec);

	if (rc)
		say_full(r, rc);
}

static int index_record(struct replica *r, struct adjacency *adj)
{
	if (adj->index >= r->by_index_len) {
		uint32_t len = adj->index + adj->index / 2 + 64;
		struct adjacency **by_index = realloc(r->by_index, len * sizeof(*by_index));

		if (!by_index)
			return -ENOMEM;
		memset(by_index + r->by_index_len, 0, (len - r->by_index_len) * sizeof(*by_index));
		r->by_index = by_index;
		r->by_index_len = len;
	}
	r->by_index[adj->index] = adj;
	return 0;
}

/* Puts a new one into the tables. Returns 0 or -errno. */
static int adjacency_publish(struct replica *r, struct adjacency *adj)
{
	struct nexthop_spec spec = spec_of(r, adj);
	int rc = tables_nexthop_new(r->tables, &spec, &adj->index);

	if (rc)
		return rc;
	rc = index_record(r, adj);
	if (rc) {
		tables_nexthop_del(r->tables, adj->index);
		return rc;
	}
	r->stats.nexthops++;
	/* What a former owner of the index was used for does not count. */
	if (r->take_used)
		r->take_used(r->take_used_ctx, adj->index);
	return 0;
}

static struct adjacency *adjacency_find(const struct replica *r, const struct adjacency_key *key,
					uint64_t hash)
{
	struct hash_node *node = hash_find(&r->adjacencies, hash);

	for (; node; node = hash_find_next(node)) {
		struct adjacency *adj = CONTAINER(node, struct adjacency, node);

		if (memcmp(&adj->key, key, sizeof(*key)) == 0)
			return adj;
	}
	return NULL;
}

static struct adjacency *adjacency_new(struct replica *r, const struct adjacency_key *key,
				       uint64_t hash)
{
	struct adjacency *adj = calloc(1, sizeof(*adj));
	int rc = -ENOMEM;

	if (!adj)
		goto fail;
	adj->key = *key;
	adj->refs = 1;
	if (key->kind == NEXTHOP_FORWARD) {
		adj->peer = peer_get(r, key->port, &key->addr);
		if (!adj->peer)
			goto fail_free;
	}
	rc = adjacency_publish(r, adj);
	if (rc)
		goto fail_peer;
	hash_add(&r->adjacencies, &adj->node, hash);
	if (!adj->peer)
		return adj;
	LIST_INSERT_HEAD(&adj->peer->adjacencies, adj, of_peer);
	if (!key->attached) {
		peer_gateway(r, adj->peer, 1);
		keepalive_gateway(r, adj->peer);
	}
	return adj;

fail_peer:
	if (adj->peer)
		peer_release(r, adj->peer);
fail_free:
	free(adj);
fail:
	say_full(r, rc);
	return NULL;
}

struct adjacency *adjacency_get(struct replica *r, const struct adjacency_key *key)
{
	uint64_t hash = hash_bytes(0, key, sizeof(*key));
	struct adjacency *adj = adjacency_find(r, key, hash);

	return adj ? adjacency_ref(adj) : adjacency_new(r, key, hash);
}

struct adjacency *adjacency_ref(struct adjacency *adj)
{
	adj->refs++;
	return adj;
}

static void put_all(struct replica *r, struct adjacency **members, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		adjacency_put(r, members[i]);
}

void adjacency_put(struct replica *r, struct adjacency *adj)
{
	if (--adj->refs)
		return;
	r->by_index[adj->index] = NULL;
	r->stats.nexthops--;
	tables_nexthop_del(r->tables, adj->index);
	if (adj->key.kind == NEXTHOP_GROUP) {
		put_all(r, adj->members, adj->n_members);
		free(adj->members);
		free(adj->weights);
	} else {
		hash_del(&r->adjacencies, &adj->node);
	}
	if (adj->peer) {
		LIST_REMOVE(adj, of_peer);
		if (!adj->key.attached)
			peer_gateway(r, adj->peer, -1);
		peer_release(r, adj->peer);
	}
	free(adj);
}

/* Gives a group its own copies of members and weights. Returns 0 or -ENOMEM. */
static int group_fill(struct adjacency *group, struct adjacency **members, const uint32_t *weights,
		      unsigned n)
{
	group->members = calloc(n, sizeof(struct adjacency *));
	group->weights = calloc(n, sizeof(*group->weights));
	group->n_members = n;
	if (!group->members || !group->weights)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		group->members[i] = members[i];
		group->weights[i] = (struct nexthop_member){members[i]->index, weights[i]};
	}
	return 0;
}

struct adjacency *adjacency_group(struct replica *r, struct adjacency **members,
				  const uint32_t *weights, unsigned n)
{
	struct adjacency *group = calloc(1, sizeof(*group));
	int rc = -ENOMEM;

	if (!group)
		goto fail;
	group->key.kind = NEXTHOP_GROUP;
	group->refs = 1;
	rc = group_fill(group, members, weights, n);
	if (!rc)
		rc = adjacency_publish(r, group);
	if (!rc)
		return group;
	free(group->members);
	free(group->weights);
	free(group);
fail:
	say_full(r, rc);
	put_all(r, members, n);
	return NULL;
}

static bool group_same(const struct adjacency *group, struct adjacency **members,
		       const uint32_t *weights, unsigned n)
{
	if (group->n_members != n)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (group->members[i] != members[i] || group->weights[i].weight != weights[i])
			return false;
	return true;
}

int group_set(struct replica *r, struct adjacency *group, struct adjacency **members,
	      const uint32_t *weights, unsigned n)
{
	struct adjacency old = *group;
	struct nexthop_spec spec;
	int rc = 0;

	if (group_same(group, members, weights, n)) {
		put_all(r, members, n);
		return 0;
	}
	rc = group_fill(group, members, weights, n);
	if (!rc) {
		spec = spec_of(r, group);
		rc = tables_nexthop_set(r->tables, group->index, &spec);
	}
	if (rc) {
		free(group->members);
		free(group->weights);
		group->members = old.members;
		group->weights = old.weights;
		group->n_members = old.n_members;
		put_all(r, members, n);
		say_full(r, rc);
		return rc;
	}
	put_all(r, old.members, old.n_members);
	free(old.members);
	free(old.weights);
	return 0;
}

void adjacencies_port_changed(struct replica *r, unsigned port)
{
	struct hash_node *node = NULL;

	while ((node = hash_walk(&r->adjacencies, node))) {
		struct adjacency *adj = CONTAINER(node, struct adjacency, node);

		if (adj->key.port == port &&
		    (adj->key.kind == NEXTHOP_FORWARD || adj->key.kind == NEXTHOP_GLEAN))
			adjacency_refresh(r, adj);
	}
}

/* ---- neighbours ---- */

/* A usable neighbour is found by glean; first what it leads to is made, then it. */
static void peer_attach(struct replica *r, struct peer *peer)
{
	struct adjacency_key key = {
		.kind = NEXTHOP_FORWARD, .port = peer->port, .attached = 1, .addr = peer->addr};
	struct adjacency *adj = adjacency_get(r, &key);

	if (!adj)
		return;
	if (tables_neighbour_set(r->tables, peer->port, &peer->addr, adj->index)) {
		replica_no_memory(r);
		adjacency_put(r, adj);
		return;
	}
	peer->attached = adj;
	r->stats.neighbours++;
}

static void peer_detach(struct replica *r, struct peer *peer)
{
	struct adjacency *adj = peer->attached;

	tables_neighbour_del(r->tables, peer->port, &peer->addr);
	r->stats.neighbours--;
	peer->attached = NULL;
	adjacency_put(r, adj);
}

/* What of a neighbour matters to packets. */
struct face_of_peer {
	bool usable;
	uint8_t mac[6];
};

static struct face_of_peer seen(const struct peer *peer)
{
	struct face_of_peer s = {.usable = peer_usable(peer)};

	if (s.usable)
		memcpy(s.mac, peer->mac, sizeof(s.mac));
	return s;
}

/* Brings the tables up to date after a change; may free the peer. */
static void peer_changed(struct replica *r, struct peer *peer, const struct face_of_peer *before)
{
	struct face_of_peer now = seen(peer);
	struct adjacency *adj;

	if (now.usable != before->usable || memcmp(now.mac, before->mac, sizeof(now.mac)) != 0) {
		r->stats.neighbour_changes++;
		LIST_FOREACH(adj, &peer->adjacencies, of_peer)
		adjacency_refresh(r, adj);
	}
	/* The last reference to the peer may be the attached adjacency's: see to that last. */
	if (now.usable && !peer->attached)
		peer_attach(r, peer);
	else if (!now.usable && peer->attached)
		peer_detach(r, peer);
	else
		peer_release(r, peer);
}

void peer_apply(struct replica *r, const struct nl_message *msg)
{
	const struct nl_neighbour *n = &msg->neighbour;
	int port = link_port(r, n->ifindex);
	struct face_of_peer before;
	struct peer *peer;

	if (port < 0)
		return;
	peer = msg->del ? peer_find(r, (unsigned)port, &n->addr)
			: peer_get(r, (unsigned)port, &n->addr);
	if (!peer) {
		if (!msg->del)
			replica_no_memory(r);
		return;
	}
	before = seen(peer);
	peer->known = !msg->del;
	peer->state = msg->del ? NUD_NONE : n->state;
	peer->has_mac = !msg->del && n->has_mac;
	peer->external = !msg->del && n->external;
	peer->managed = !msg->del && n->managed;
	if (peer->state &
	    NUD_REACHABLE) /* answered: when it is stale again is the kernel's choice */
		peer->asked_ms = 0;
	memcpy(peer->mac, n->mac, sizeof(peer->mac));
	peer->generation = r->generation[NL_NEIGHBOUR];
	peer_changed(r, peer, &before);
}

void peers_sweep(struct replica *r)
{
	struct hash_node *node, *next;

	HASH_EACH_SAFE(&r->peers, node, next)
	{
		struct peer *peer = CONTAINER(node, struct peer, node);
		struct face_of_peer before = seen(peer);

		if (!peer->known || peer->generation == r->generation[NL_NEIGHBOUR])
			continue;
		peer->known = peer->external = peer->managed = false;
		peer->state = NUD_NONE;
		peer_changed(r, peer, &before);
	}
}
