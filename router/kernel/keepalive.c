/* SPDX-License-Identifier: BSD-2-Clause */
/* Which neighbours the kernel is asked to look after, and when.
 *
 * The kernel does not see the packets that we forward: it would let the neighbours they go to turn
 * stale and collect them. So it is asked (NTF_USE) to confirm a stale one that packets have been
 * sent to since it was last looked at, as it would by itself had it forwarded them; one that
 * nobody uses is left to its garbage collection. Gateways of routes are asked for while they are
 * not resolved, used or not, so that the first packet finds them.
 *
 * All are looked at about once a second, a part of them at a time. What is asked of the kernel at
 * once is limited, and grows with their number so that a stale one is asked about well before it
 * is collected (gc_stale_time, 60 s): all of them take 512 ticks, 26 s. */
#include <linux/neighbour.h>

#include "replica.h"

/* How often the kernel is asked about one neighbour that does not become reachable. Going from STALE
 * through DELAY (5 s) and PROBE to REACHABLE or FAILED takes it 5 to 8 s. */
#define STALE_AGAIN_MS 10000
#define GATEWAY_AGAIN_MS 5000

#define ROUND_MS 1000	    /* from one look at a neighbour to the next */
#define TICK_MS 50	    /* while a round is under way */
#define LOOKS_PER_TICK 8192 /* a millisecond's worth */
#define ASKS_PER_TICK 64

/* Asks, if the budget is not used up and the port can send. */
static void ask(struct replica *r, struct peer *peer)
{
	const struct port *port = &r->ports[peer->port];

	if (!r->solicit || !r->asks_left || !port->admin_up || !port->running)
		return;
	r->asks_left--;
	peer->asked_ms = r->now_ms;
	r->solicit(r->solicit_ctx, port->face_ifindex, &peer->addr, peer->external);
}

/* Whether packets have been sent to the neighbour since the last look. Takes all its marks. */
static bool take_used(const struct replica *r, const struct peer *peer)
{
	const struct adjacency *adj;
	bool used = false;

	if (!r->take_used)
		return false;
	LIST_FOREACH(adj, &peer->adjacencies, of_peer)
	used |= r->take_used(r->take_used_ctx, adj->index);
	return used;
}

/* A gateway that is not resolved, and nobody is at it. */
static bool wants_resolving(const struct peer *peer)
{
	return peer->gateway_refs && !peer->managed && !peer_usable(peer) &&
	       !(peer->state & NUD_INCOMPLETE);
}

static bool asked_within(const struct replica *r, const struct peer *peer, unsigned ms)
{
	return peer->asked_ms && r->now_ms - peer->asked_ms < ms;
}

void keepalive_gateway(struct replica *r, struct peer *peer)
{
	if (wants_resolving(peer) && !asked_within(r, peer, GATEWAY_AGAIN_MS))
		ask(r, peer);
}

static void look_at(struct replica *r, struct peer *peer)
{
	bool used = take_used(r, peer);

	if (used)
		peer->used_ms = r->now_ms;
	if (used && peer->state == NUD_STALE && !peer->managed &&
	    !asked_within(r, peer, STALE_AGAIN_MS))
		ask(r, peer);
	keepalive_gateway(r, peer);
}

/* Goes on with the round, or begins one, until `reserve` of what may be asked is left. */
static void look_through(struct replica *r, struct peer_queue *q, unsigned reserve)
{
	unsigned looks = LOOKS_PER_TICK;
	struct peer *peer;

	if (!q->left && r->now_ms >= q->next_ms) {
		q->left = q->count;
		q->next_ms = r->now_ms + ROUND_MS;
	}
	while (q->left && looks && r->asks_left > reserve) {
		peer = TAILQ_FIRST(&q->peers);
		TAILQ_REMOVE(&q->peers, peer, turn);
		TAILQ_INSERT_TAIL(&q->peers, peer, turn);
		look_at(r, peer);
		q->left--;
		looks--;
	}
}

uint64_t keepalive_tick(struct replica *r, uint64_t now_ms)
{
	uint64_t next_ms;

	r->now_ms = now_ms;
	r->asks_left = ASKS_PER_TICK + (unsigned)(r->peers.count / 512);
	/* Routes depend on gateways; but dead ones must not keep the others from being confirmed. */
	look_through(r, &r->gateways, r->asks_left / 4);
	look_through(r, &r->others, 0);
	if (r->gateways.left || r->others.left)
		return now_ms + TICK_MS;
	next_ms = r->gateways.next_ms < r->others.next_ms ? r->gateways.next_ms : r->others.next_ms;
	return next_ms > now_ms ? next_ms : now_ms + TICK_MS;
}

static struct peer_queue *queue_of(struct replica *r, const struct peer *peer)
{
	return peer->gateway_refs ? &r->gateways : &r->others;
}

void keepalive_add(struct replica *r, struct peer *peer)
{
	struct peer_queue *q = queue_of(r, peer);

	TAILQ_INSERT_TAIL(&q->peers, peer, turn);
	q->count++;
}

void keepalive_del(struct replica *r, struct peer *peer)
{
	struct peer_queue *q = queue_of(r, peer);

	TAILQ_REMOVE(&q->peers, peer, turn);
	q->count--;
	if (q->left > q->count)
		q->left = q->count;
}

void keepalive_init(struct replica *r)
{
	TAILQ_INIT(&r->gateways.peers);
	TAILQ_INIT(&r->others.peers);
	r->asks_left = ASKS_PER_TICK;
}
