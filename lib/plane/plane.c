/* SPDX-License-Identifier: BSD-2-Clause */
/* One turn of a plane's loop: take, process, sort by verdict, hand on. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "private.h"

/* Shows others how many buffers are left; the pool's own figure is the plane's alone. */
static void publish_pool(struct pl_plane *plane)
{
	/* Relaxed, as pl_stat_add(). */
	atomic_store_explicit(&plane->stats.pool_free, pl_pool_free(&plane->pool),
			      memory_order_relaxed);
}

static void free_packets(struct pl_plane *plane, const uint32_t *frame, uint32_t n)
{
	pl_pool_put(&plane->pool, frame, n, PL_OWNER_BURST);
}

/* Counts `n` packets of a verdict that is not TX to a port that is there. */
static void count_reason(struct pl_plane *plane, const struct pl_plane_port *from,
			 enum bucket bucket, uint16_t verdict, uint32_t n)
{
	struct pl_plane_stats *stats = &plane->stats;

	if (bucket == BUCKET_PUNT && from->face)
		pl_stat_add(&stats->punt[PL_VERDICT_LOW(verdict)], n);
	else if (bucket == BUCKET_DROP || bucket == BUCKET_KEEP)
		pl_stat_add(&stats->drop[PL_VERDICT_LOW(verdict)], n);
	else
		pl_stat_add(&stats->bad_port, n);
}

/* Hands on `n` packets that all go the same way. Whoever takes them also frees them. */
static void hand_on(struct pl_plane *plane, const struct pl_plane_port *from, enum bucket bucket,
		    const uint32_t *frame, const uint16_t *len, uint32_t n)
{
	if (bucket < BUCKET_PUNT)
		pl_queue_tx(plane->ports[bucket].wire, frame, len, n);
	else if (bucket == BUCKET_PUNT && from->face)
		pl_queue_tx(from->face, frame, len, n);
	else if (bucket == BUCKET_KEEP)
		pl_pool_move(&plane->pool, frame, n, PL_OWNER_BURST, PL_OWNER_PROCESSOR);
	else
		free_packets(plane, frame, n);
}

static inline enum bucket bucket_of(const struct pl_plane_private *priv, uint16_t verdict)
{
	return verdict < N_VERDICTS ? priv->verdict_bucket[verdict] : BUCKET_BAD;
}

/* Whether all packets have the first one's verdict: the common case of one flow, or of one way
 * out. One pass without branches, which the compiler makes vectors of. */
static bool all_alike(const struct pl_burst *burst)
{
	uint16_t odd = 0;

	for (uint32_t i = 0; i < burst->n; i++)
		odd |= burst->verdict[i] ^ burst->verdict[0];
	return odd == 0;
}

/* Sorts a mixed burst by where its packets go, and hands each part on: a counting sort, which is
 * stable, so packets of a flow stay in order. */
static void sort_and_hand_on(struct pl_plane *plane, const struct pl_plane_port *from,
			     const struct pl_burst *burst)
{
	struct pl_plane_private *priv = plane->priv;
	uint16_t count[N_BUCKETS] = {0};
	uint16_t at[N_BUCKETS];
	uint16_t start = 0;

	for (uint32_t i = 0; i < burst->n; i++) {
		enum bucket bucket = bucket_of(priv, burst->verdict[i]);

		priv->bucket[i] = (uint8_t)bucket;
		count[bucket]++;
		if (bucket >= BUCKET_PUNT)
			count_reason(plane, from, bucket, burst->verdict[i], 1);
	}
	for (unsigned b = 0; b < N_BUCKETS; b++) {
		at[b] = start;
		start += count[b];
	}
	for (uint32_t i = 0; i < burst->n; i++) {
		unsigned to = at[priv->bucket[i]]++;

		priv->sorted_frame[to] = burst->frame[i];
		priv->sorted_len[to] = burst->len[i];
	}
	for (unsigned b = 0; b < N_BUCKETS; b++)
		if (count[b])
			hand_on(plane, from, b, priv->sorted_frame + at[b] - count[b],
				priv->sorted_len + at[b] - count[b], count[b]);
}

static void dispatch(struct pl_plane *plane, const struct pl_plane_port *from,
		     const struct pl_burst *burst)
{
	enum bucket bucket;

	if (!all_alike(burst)) {
		sort_and_hand_on(plane, from, burst);
		return;
	}
	bucket = bucket_of(plane->priv, burst->verdict[0]);
	if (bucket >= BUCKET_PUNT)
		count_reason(plane, from, bucket, burst->verdict[0], burst->n);
	hand_on(plane, from, bucket, burst->frame, burst->len, burst->n);
}

/* Hands on all bursts that have their verdicts. */
static void dispatch_completed(struct pl_plane *plane)
{
	const struct pl_processor *processor = &plane->processor;
	struct pl_plane_private *priv = plane->priv;
	struct pl_burst *burst;

	while (priv->under_way && (burst = processor->complete(processor->ctx))) {
		priv->under_way--;
		priv->worked = true;
		dispatch(plane, &plane->ports[burst->port], burst);
	}
}

/* Returns whether the processor can take more. */
static bool turn_wire(struct pl_plane *plane, unsigned port, unsigned *taken)
{
	const struct pl_processor *processor = &plane->processor;
	struct pl_queue *wire = plane->ports[port].wire;
	unsigned left = PL_BURST_MAX, max, n;

	do {
		struct pl_burst *burst = processor->next(processor->ctx);

		if (!burst)
			return false;
		max = *processor->burst_packets;
		n = pl_queue_rx(wire, burst->frame, burst->len, left < max ? left : max);
		if (!n)
			break;
		burst->base = plane->pool.base;
		burst->n = n;
		burst->port = port;
		plane->priv->under_way++;
		processor->submit(processor->ctx, burst);
		dispatch_completed(plane);
		*taken += n;
		left -= n;
	} while (n == max && left);
	return true;
}

/* Goes round the ports. Where the processor can take no more, the next turn goes on: with the port that
 * got nothing, so that none is left out however many there are. */
static unsigned turn_wires(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;
	unsigned port = priv->first, taken = 0;

	for (unsigned i = 0; i < plane->n_ports; i++) {
		unsigned before = taken;
		unsigned next = port + 1 < plane->n_ports ? port + 1 : 0;

		if (plane->ports[port].wire && !turn_wire(plane, port, &taken)) {
			priv->first = taken == before ? port : next;
			break;
		}
		port = next;
	}
	return taken;
}

/* What the kernel sends out of a port goes out as it is: the kernel has decided already. */
static unsigned turn_face(struct pl_plane *plane, const struct pl_plane_port *port)
{
	struct pl_burst *burst = &plane->priv->burst;

	burst->n = pl_queue_rx(port->face, burst->frame, burst->len, PL_BURST_CACHED);
	if (!burst->n)
		return 0;
	if (port->wire) {
		pl_queue_tx(port->wire, burst->frame, burst->len, burst->n);
	} else {
		pl_stat_add(&plane->stats.bad_port, burst->n);
		free_packets(plane, burst->frame, burst->n);
	}
	return burst->n;
}

/* Starts what is to be transmitted, and holds no reference into the tables any more. */
static void end_turn(struct pl_plane *plane)
{
	bool pending = false;

	for (unsigned i = 0; i < plane->n_ports; i++) {
		if (plane->ports[i].wire)
			pending |= pl_queue_flush(plane->ports[i].wire);
		if (plane->ports[i].face)
			pending |= pl_queue_flush(plane->ports[i].face);
	}
	plane->priv->pending = pending;
	publish_pool(plane);
	plane_quiescent();
}

unsigned pl_plane_turn(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;
	unsigned taken;

	priv->worked = false;
	dispatch_completed(plane);
	taken = turn_wires(plane);
	for (unsigned i = 0; i < plane->n_ports; i++)
		if (plane->ports[i].face)
			taken += turn_face(plane, &plane->ports[i]);
	priv->worked |= taken > 0;
	pl_stat_add(&plane->stats.turns, 1);
	if (priv->worked)
		pl_stat_add(&plane->stats.working_turns, 1);
	end_turn(plane);
	return taken;
}

void pl_plane_drain(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;

	while (priv->under_way) {
		priv->worked = false;
		dispatch_completed(plane);
		end_turn(plane);
		plane_wait(plane);
	}
}

static void make_verdict_buckets(struct pl_plane *plane)
{
	uint8_t *bucket = plane->priv->verdict_bucket;

	memset(bucket, BUCKET_BAD, N_VERDICTS);
	for (unsigned i = 0; i < plane->n_ports; i++)
		if (plane->ports[i].wire)
			bucket[PL_VERDICT(PL_VERDICT_TX, i)] = (uint8_t)i;
	memset(bucket + PL_VERDICT(PL_VERDICT_PUNT, 0), BUCKET_PUNT, PL_REASONS_MAX);
	memset(bucket + PL_VERDICT(PL_VERDICT_DROP, 0), BUCKET_DROP, PL_REASONS_MAX);
	memset(bucket + PL_VERDICT(PL_VERDICT_KEEP, 0), BUCKET_KEEP, PL_REASONS_MAX);
}

/* Level-triggered, what arrived before the plane slept wakes it all the same; `edge`: each signal wakes
 * it once, see arm_queues(). */
static int watch(struct pl_plane_private *priv, int fd, bool edge)
{
	struct epoll_event event = {.events = EPOLLIN | (edge ? EPOLLET : 0)};

	return epoll_ctl(priv->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int watch_queue(struct pl_plane_private *priv, const struct pl_queue *q)
{
	if (!q)
		return 0;
	if (q->event_fd < 0) {
		priv->must_poll = true;
		return 0;
	}
	return watch(priv, q->event_fd, q->event_edge);
}

int pl_plane_watch(struct pl_plane *plane, const struct pl_queue *q)
{
	return watch_queue(plane->priv, q);
}

void pl_plane_unwatch(struct pl_plane *plane, const struct pl_queue *q)
{
	if (plane->priv)
		epoll_ctl(plane->priv->epoll_fd, EPOLL_CTL_DEL, q->event_fd, NULL);
}

static int open_events(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;
	int rc = 0;

	priv->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (priv->epoll_fd < 0)
		return -errno;
	priv->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (priv->wake_fd < 0)
		return -errno;
	rc = watch(priv, priv->wake_fd, false);
	for (unsigned i = 0; !rc && i < plane->n_ports; i++) {
		rc = watch_queue(priv, plane->ports[i].wire);
		if (!rc)
			rc = watch_queue(priv, plane->ports[i].face);
	}
	return rc;
}

int pl_plane_init(struct pl_plane *plane, struct pl_error *err)
{
	int rc;

	plane->priv = NULL;
	if (plane->n_ports > PL_PORTS_MAX || !plane->processor.submit)
		return pl_error_set(err, -EINVAL, NULL,
				    "plane %u: has %u ports, of %u possible, and %s processor",
				    plane->index, plane->n_ports, PL_PORTS_MAX,
				    plane->processor.submit ? "a" : "no");
	plane->priv = aligned_alloc(_Alignof(struct pl_plane_private), sizeof(*plane->priv));
	if (!plane->priv)
		return pl_error_set(err, -ENOMEM, NULL, "plane %u: no memory", plane->index);
	memset(plane->priv, 0, sizeof(*plane->priv));
	plane->priv->epoll_fd = -1;
	plane->priv->wake_fd = -1;
	sem_init(&plane->priv->ran, 0, 0);
	publish_pool(plane);
	make_verdict_buckets(plane);
	rc = open_events(plane);
	if (rc) {
		pl_plane_fini(plane);
		return pl_error_set(
			err, rc, rc == -EMFILE ? "raise LimitNOFILE= (ulimit -n)" : NULL,
			"plane %u: cannot watch its queues: %s", plane->index, strerror(-rc));
	}
	return 0;
}

void pl_plane_fini(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;

	if (!priv)
		return;
	sem_destroy(&priv->ran);
	if (priv->wake_fd >= 0)
		close(priv->wake_fd);
	if (priv->epoll_fd >= 0)
		close(priv->epoll_fd);
	free(priv);
	plane->priv = NULL;
}
