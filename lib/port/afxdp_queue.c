/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP queues: one socket with its four rings each, on a UMEM that all sockets of a pool share.
 *
 * What decides the speed here is the number of system calls. Receiving makes none: the kernel
 * fills the RX ring as long as it finds buffers in the fill ring. In copy mode it transmits only
 * inside our sendto(), so each call should find as many packets as it is willing to take. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "afxdp.h"

/* Ring entries are moved in chunks of this many, by way of a small array on the stack. */
#define CHUNK 256u

/* The fill ring is topped up when this much of it, or a quarter, at least is missing. */
#define REFILL_MIN 64u

/* Calls of sendto() that lost a packet before the turn goes on: with the carrier away the kernel
 * drops one packet per call, and the other ports are not to wait for that. */
#define REFUSALS_MAX 4u

/* Packets that one sendto() takes at most in copy mode, before Linux 6.17 (TX_BATCH_SIZE). */
#define TX_BUDGET_OLD 32u

/* Socket option of Linux 6.17 (if_xdp.h), not yet in the headers we build with. */
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

struct afxdp_queue;

/* The kernel's registration of a pool's region, and what the queues on it share. */
struct pl_afxdp_umem {
	struct xsk_umem *xsk;	   /* NULL: no queue is bound */
	struct xsk_ring_prod fill; /* libxdp hands these rings to the first socket */
	struct xsk_ring_cons comp;
	struct afxdp_queue *queues[PL_PORTS_MAX]; /* by their slot; NULL: free */
	unsigned n_queues;
	unsigned n_bound;
	/* The queue through whose socket others join: what libxdp's own descriptor of the UMEM
	 * refers to. */
	struct afxdp_queue *anchor;
	/* Who has a buffer that is not in the pool, nor another kind's queue's: HOLDER_RX or _TX of a
	 * slot. Written when a ring of ours gets it, and not when the pool or another does. */
	uint8_t holder[];
};

#define HOLDER_POOL 0u
#define HOLDER_RX(slot) ((uint8_t)(2 * (slot) + 1))
#define HOLDER_TX(slot) ((uint8_t)(2 * (slot) + 2))
_Static_assert(2 * PL_PORTS_MAX + 2 < 256, "a slot's holders fit a byte");

/* What the last sendto() found. */
enum tx_state {
	TX_WORKS,
	TX_REFUSED, /* packets taken and dropped, none sent: no carrier, or a receiver is full */
	TX_DOWN,    /* the device is down or gone; nothing is taken */
};

struct afxdp_queue {
	struct pl_queue q;
	struct xsk_ring_cons rx, comp;
	struct xsk_ring_prod tx, fill;
	uint32_t rx_max;	 /* buffers that the RX side may hold */
	uint32_t rx_outstanding; /* and does: in the fill ring, the RX ring, the kernel */
	uint32_t tx_max;
	uint32_t tx_outstanding; /* in the TX ring, the kernel, the completion ring */
	uint32_t tx_taken;	 /* place in the TX ring that the kernel has got to, at least */
	uint32_t tx_counted; /* place up to which packets have been counted as sent or refused */
	enum tx_state tx_state;
	bool has_budget;	 /* raise_tx_budget() worked */
	uint64_t dropped_before; /* rx_dropped of former sockets, each of which counts from 0 */
	int fd;
	uint8_t *holder; /* the UMEM's */
	uint32_t buf_shift;
	unsigned slot;
	struct xsk_socket *xsk; /* NULL: not bound */
	struct afxdp_port *port;
	unsigned index;
};

static struct afxdp_queue *afxdp_queue_of(struct pl_queue *q)
{
	return (struct afxdp_queue *)q;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Notes in whose hands the buffers are now. */
static void hold(struct afxdp_queue *aq, const uint32_t *frame, uint32_t n, uint8_t holder)
{
	for (uint32_t i = 0; i < n; i++)
		aq->holder[frame[i] >> aq->buf_shift] = holder;
}

/* ---- receive ---- */

/* Tops the fill ring up from the pool: here, and nowhere else, so that it depends neither on
 * transmission nor on what becomes of the packets. */
static void refill(struct afxdp_queue *aq)
{
	uint32_t room = aq->rx_max - aq->rx_outstanding;
	uint32_t frame[CHUNK];

	/* The kernel shows packets in the RX ring a moment before it gives the fill ring's entries
	 * back (xsk_flush()): there may be less room than rx_outstanding says. */
	room = smaller(room, xsk_prod_nb_free(&aq->fill, room));
	if (room < smaller(REFILL_MIN, aq->rx_max / 4))
		return;
	while (room) {
		uint32_t want = room < CHUNK ? room : CHUNK;
		uint32_t n = pl_pool_get(aq->q.pool, frame, want, PL_OWNER_RX_RING);
		uint32_t idx = 0;

		/* Cannot fail: there is room. */
		xsk_ring_prod__reserve(&aq->fill, n, &idx);
		for (uint32_t i = 0; i < n; i++)
			*xsk_ring_prod__fill_addr(&aq->fill, idx + i) = frame[i];
		hold(aq, frame, n, HOLDER_RX(aq->slot));
		xsk_ring_prod__submit(&aq->fill, n);
		aq->rx_outstanding += n;
		room -= n;
		if (n < want) {
			pl_stat_add(&aq->q.stats.rx_nobuf, 1);
			break;
		}
	}
	/* Zero-copy only: the driver had run out of buffers and gone to sleep. */
	if (xsk_ring_prod__needs_wakeup(&aq->fill))
		recvfrom(aq->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static unsigned afxdp_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	uint64_t bytes = 0;
	uint32_t idx = 0;
	uint32_t n = xsk_ring_cons__peek(&aq->rx, max, &idx);

	if (!n) {
		refill(aq); /* after a time without buffers */
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&aq->rx, idx + i);

		/* The kernel wrote the headers on another core, most likely. */
		__builtin_prefetch(q->pool->base + desc->addr);
		frame[i] = (uint32_t)desc->addr;
		len[i] = (uint16_t)desc->len;
		bytes += desc->len;
	}
	xsk_ring_cons__release(&aq->rx, n);
	aq->rx_outstanding -= n;
	pl_pool_move(q->pool, frame, n, PL_OWNER_RX_RING, PL_OWNER_BURST);
	refill(aq);
	pl_stat_add(&q->stats.rx_packets, n);
	pl_stat_add(&q->stats.rx_bytes, bytes);
	return n;
}

/* ---- transmit ---- */

/* Takes buffers that the kernel is done with back to the pool. */
static void reclaim(struct afxdp_queue *aq)
{
	uint32_t frame[CHUNK];
	uint32_t idx = 0;
	uint32_t n;

	while ((n = xsk_ring_cons__peek(&aq->comp, CHUNK, &idx)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			frame[i] = (uint32_t)*xsk_ring_cons__comp_addr(&aq->comp, idx + i);
		xsk_ring_cons__release(&aq->comp, n);
		pl_pool_put(aq->q.pool, frame, n, PL_OWNER_TX_RING);
		aq->tx_outstanding -= n;
	}
}

/* Where the kernel says it has got to in the TX ring. Acquire: pairs with the kernel's release of
 * the entries before it, which may then be written again. */
static uint32_t tx_consumer(const struct afxdp_queue *aq)
{
	return __atomic_load_n(aq->tx.consumer, __ATOMIC_ACQUIRE);
}

/* The later of two places in the ring, which are less than 2^31 apart. */
static uint32_t later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0 ? a : b;
}

/* Packets in the TX ring that the kernel has not looked at, as far as we know. */
static uint32_t tx_unsent(const struct afxdp_queue *aq)
{
	return aq->tx.cached_prod - later(aq->tx_taken, tx_consumer(aq));
}

/* Counts what the kernel has taken since the last time: sent, unless note_refused() came by. An
 * entry is not written again before it has been counted (make_room()). */
static void count_taken(struct afxdp_queue *aq)
{
	uint32_t consumer = tx_consumer(aq);
	uint64_t packets = 0, bytes = 0;

	if (aq->tx_counted == consumer)
		return;
	for (uint32_t i = aq->tx_counted; i != consumer; i++) {
		uint32_t len = xsk_ring_prod__tx_desc(&aq->tx, i)->len;

		packets += len != 0;
		bytes += len;
	}
	aq->tx_counted = consumer;
	aq->tx_taken = later(aq->tx_taken, consumer);
	pl_stat_add(&aq->q.stats.tx_packets, packets);
	pl_stat_add(&aq->q.stats.tx_bytes, bytes);
}

/* A call ended in EBUSY: the kernel took one packet and dropped it, the last one it took
 * (xsk_generic_xmit(), NET_XMIT_DROP). Its length becomes zero, so that it will not count as sent.
 *
 * Which one it was the kernel says when it has sent others in the same call. Before 6.17 it does
 * not say even then; the entry marked may then be that of one sent, which is wrong by the
 * difference of their lengths, never by a packet.
 *
 * Returns true if, as far as can be told, nothing was sent. */
static bool note_refused(struct afxdp_queue *aq)
{
	uint32_t next = aq->tx_taken + 1;

	aq->tx_taken = later(next, tx_consumer(aq));
	xsk_ring_prod__tx_desc(&aq->tx, aq->tx_taken - 1)->len = 0;
	pl_stat_add(&aq->q.stats.tx_dropped, 1);
	return aq->tx_taken == next;
}

/* One call to the kernel to transmit. Returns 0 or errno. */
static int wake_kernel(struct afxdp_queue *aq)
{
	pl_stat_add(&aq->q.stats.tx_wakeups, 1);
	return sendto(aq->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
}

/* Makes the kernel transmit what is in the TX ring, and finds out whether the device does.
 *
 * In copy mode a call takes a limited number of packets (raise_tx_budget()) and then fails with
 * EAGAIN; it also does when the socket's send buffer or the completion ring is full. Kernels that
 * know the budget tell the two apart by where they say they have got to. Older ones say it only
 * once they have looked at all that was there when they last said it: there a kick goes on for as
 * many calls as the packets would need. */
static void kick(struct afxdp_queue *aq)
{
	unsigned refusals_left = aq->tx_state == TX_WORKS ? REFUSALS_MAX : 1;
	uint32_t calls_left = tx_unsent(aq) / TX_BUDGET_OLD + 1;

	if (!xsk_ring_prod__needs_wakeup(&aq->tx))
		aq->tx_state = TX_WORKS; /* zero-copy: the driver is at it */
	while (aq->tx.cached_prod != tx_consumer(aq) && xsk_ring_prod__needs_wakeup(&aq->tx)) {
		uint32_t unsent = tx_unsent(aq);
		int code = wake_kernel(aq);

		if (code == EBUSY) {
			aq->tx_state = note_refused(aq) ? TX_REFUSED : TX_WORKS;
			if (--refusals_left == 0)
				break;
		} else if (code == EAGAIN) {
			aq->tx_state = TX_WORKS;
			/* No progress: receivers must let go of packets first. */
			if (aq->has_budget ? tx_unsent(aq) == unsent : --calls_left == 0)
				break;
		} else {
			/* All sent; or nothing will be until a link comes up or memory is free. */
			if (code == ENETDOWN || code == ENXIO)
				aq->tx_state = TX_DOWN;
			else if (unsent)
				aq->tx_state = TX_WORKS;
			break;
		}
	}
	count_taken(aq);
}

/* Places for `n` packets, or as many as there are. */
static uint32_t make_room(struct afxdp_queue *aq, uint32_t n)
{
	if (aq->tx_max - aq->tx_outstanding < n)
		reclaim(aq);
	if (aq->tx_max - aq->tx_outstanding < n) {
		kick(aq);
		reclaim(aq);
	}
	/* A driver may show completions a moment before it gives the TX ring's entries back. */
	count_taken(aq);
	return smaller(n, smaller(aq->tx_max - aq->tx_outstanding,
				  aq->tx.size - (aq->tx.cached_prod - aq->tx_counted)));
}

/* Puts `n` packets into the TX ring, which has room for them. */
static void submit(struct afxdp_queue *aq, const uint32_t *frame, const uint16_t *len, uint32_t n)
{
	uint32_t idx = 0;

	pl_pool_move(aq->q.pool, frame, n, PL_OWNER_BURST, PL_OWNER_TX_RING);
	hold(aq, frame, n, HOLDER_TX(aq->slot));
	/* Cannot fail: there is room. */
	xsk_ring_prod__reserve(&aq->tx, n, &idx);
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__tx_desc(&aq->tx, idx + i) =
			(struct xdp_desc){.addr = frame[i], .len = len[i]};
	xsk_ring_prod__submit(&aq->tx, n);
	aq->tx_outstanding += n;
}

/* Tries a device that did not transmit, with what is in the ring or else with one of `n` packets:
 * no more than that is there to go out, old, when the link comes back. Returns how many it took. */
static uint32_t try_again(struct afxdp_queue *aq, const uint32_t *frame, const uint16_t *len,
			  uint32_t n)
{
	uint32_t taken = 0;

	if (!tx_unsent(aq)) {
		taken = make_room(aq, smaller(n, 1));
		submit(aq, frame, len, taken);
	}
	kick(aq);
	return taken;
}

static void afxdp_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	uint32_t taken = aq->tx_state == TX_WORKS ? 0 : try_again(aq, frame, len, n);

	if (aq->tx_state == TX_WORKS) {
		uint32_t fit = make_room(aq, n - taken);

		submit(aq, frame + taken, len + taken, fit);
		taken += fit;
	}
	if (taken < n) {
		pl_pool_put(q->pool, frame + taken, n - taken, PL_OWNER_BURST);
		pl_stat_add(&q->stats.tx_dropped, n - taken);
	}
}

static bool afxdp_flush(struct pl_queue *q)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);

	if (!aq->tx_outstanding)
		return false;
	if (tx_unsent(aq))
		kick(aq);
	count_taken(aq);
	reclaim(aq);
	/* While the device is down no coming back helps; the next packet does. */
	return tx_unsent(aq) && aq->tx_state != TX_DOWN;
}

static void afxdp_refresh_stats(struct pl_queue *q)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	struct xdp_statistics stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(q->event_fd, SOL_XDP, XDP_STATISTICS, &stats, &len))
		return;
	/* Only this thread writes it: see pl_stat_add(). */
	atomic_store_explicit(&q->stats.rx_dropped,
			      aq->dropped_before + stats.rx_dropped + stats.rx_ring_full,
			      memory_order_relaxed);
}

/* ---- a queue whose device is gone ---- */

static unsigned away_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	(void)q, (void)frame, (void)len, (void)max;
	return 0;
}

static void away_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	(void)len;
	pl_pool_put(q->pool, frame, n, PL_OWNER_BURST);
	pl_stat_add(&q->stats.tx_dropped, n);
}

static bool away_flush(struct pl_queue *q)
{
	(void)q;
	return false;
}

static void afxdp_leave(struct pl_queue *q);
static uint32_t afxdp_collect(struct pl_queue *q);
static int afxdp_resume(struct pl_queue *q, struct pl_error *err);
static void afxdp_close(struct pl_queue *q);

static const struct pl_queue_ops away_ops = {
	.rx = away_rx,
	.tx = away_tx,
	.flush = away_flush,
	.close = afxdp_close,
	.leave = afxdp_leave,
	.collect = afxdp_collect,
	.resume = afxdp_resume,
};

static void afxdp_leave(struct pl_queue *q)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);

	if (q->ops == &away_ops)
		return;
	afxdp_refresh_stats(q);
	aq->dropped_before = pl_stat_read(&q->stats.rx_dropped);
	count_taken(aq);
	/* What the device has not taken will not be sent. */
	for (; aq->tx_counted != aq->tx.cached_prod; aq->tx_counted++)
		if (xsk_ring_prod__tx_desc(&aq->tx, aq->tx_counted)->len)
			pl_stat_add(&q->stats.tx_dropped, 1);
	q->ops = &away_ops;
}

/* One that somebody else has: the byte still says which of our queues had it before. */
static void not_ours(void *ctx, uint32_t frame)
{
	struct afxdp_queue *aq = ctx;

	aq->holder[frame >> aq->buf_shift] = HOLDER_POOL;
}

static uint32_t afxdp_collect(struct pl_queue *q)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	struct pl_pool *pool = q->pool;
	uint32_t before = pool->n_free;

	for (uint32_t i = 0; i < pool->n_free; i++)
		aq->holder[pool->stack[i] >> aq->buf_shift] = HOLDER_POOL;
	for (struct pl_holder *other = pool->holders; other; other = other->next)
		other->each_held(other, not_ours, aq);
	for (uint32_t i = 0; i < pool->n_bufs; i++) {
		uint32_t frame = i << aq->buf_shift;
		uint8_t holder = aq->holder[i];

		if (holder != HOLDER_RX(aq->slot) && holder != HOLDER_TX(aq->slot))
			continue;
		aq->holder[i] = HOLDER_POOL;
		pl_pool_put(pool, &frame, 1,
			    holder == HOLDER_RX(aq->slot) ? PL_OWNER_RX_RING : PL_OWNER_TX_RING);
	}
	aq->rx_outstanding = aq->tx_outstanding = 0;
	return pool->n_free - before;
}

/* ---- open and close ---- */

/* The pool's record of its queues, made for the first of them. NULL: no memory. */
static struct pl_afxdp_umem *umem_get(struct pl_pool *pool)
{
	if (!pool->umem)
		pool->umem = calloc(1, sizeof(*pool->umem) + pool->n_bufs);
	return pool->umem;
}

static void umem_put(struct pl_pool *pool)
{
	if (pool->umem->n_queues)
		return;
	free(pool->umem);
	pool->umem = NULL;
}

/* Registers the region with the kernel. */
static int umem_register(struct pl_pool *pool, const struct afxdp_port *port, struct pl_error *err)
{
	const struct xsk_umem_config config = {
		.fill_size = port->ring_size,
		.comp_size = port->ring_size,
		.frame_size = pool->buf_bytes,
		.frame_headroom = PL_FRAME_OFFSET - 256, /* the kernel's own XDP headroom */
	};
	struct pl_afxdp_umem *umem = pool->umem;
	int rc;

	memset(&umem->fill, 0, sizeof(umem->fill));
	memset(&umem->comp, 0, sizeof(umem->comp));
	rc = xsk_umem__create(&umem->xsk, pool->base, (uint64_t)pool->n_bufs * pool->buf_bytes,
			      &umem->fill, &umem->comp, &config);

	if (!rc)
		return 0;
	umem->xsk = NULL;
	if (rc == -ENOBUFS)
		return pl_error_set(err, rc,
				    "raise LimitMEMLOCK= (ulimit -l), or grant CAP_IPC_LOCK",
				    "%s: cannot lock %u kB of packet buffers in memory", port->name,
				    (unsigned)((uint64_t)pool->n_bufs * pool->buf_bytes / 1024));
	return pl_error_set(err, rc, rc == -EPERM ? "start as root, or grant CAP_NET_RAW" : NULL,
			    "%s: cannot register packet buffers with the kernel: %s", port->name,
			    strerror(-rc));
}

static void umem_unregister(struct pl_afxdp_umem *umem)
{
	xsk_umem__delete(umem->xsk);
	umem->xsk = NULL;
	umem->anchor = NULL;
}

/* Lets one sendto() transmit a whole ring in copy mode rather than 32 packets, where the kernel
 * knows how; elsewhere it takes more calls. Over veth, 60-byte frames, system and user time per
 * forwarded packet: 538 ns with 32 per call, 504 with 64, 474 with 128, 469 with 256, 440 with
 * 1024. The send buffer stays as it is: its limit holds packets back in our ring where a veth's
 * own, of 256, would drop them. */
static void raise_tx_budget(struct afxdp_queue *aq)
{
	int budget = (int)aq->tx_max;

	aq->has_budget =
		setsockopt(aq->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget)) == 0;
}

/* What there is to do once the socket is bound. */
static void note_bound(struct afxdp_queue *aq)
{
	struct pl_afxdp_umem *umem = aq->q.pool->umem;

	if (umem->n_bound++ == 0)
		umem->anchor = aq;
	aq->fd = xsk_socket__fd(aq->xsk);
	aq->q.event_fd = aq->fd;
	/* Fill and completion rings are as large as those of the pool's first queue. */
	aq->rx_max = smaller(aq->rx.size, aq->fill.size);
	aq->tx_max = smaller(aq->tx.size, aq->comp.size);
	aq->tx_taken = aq->tx_counted = aq->tx.cached_prod;
	aq->tx_state = TX_WORKS;
	raise_tx_budget(aq);
}

int afxdp_queue_bind(struct pl_queue *q, struct pl_error *err)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	struct afxdp_port *port = aq->port;
	const struct xsk_socket_config config = {
		.rx_size = port->ring_size,
		.tx_size = port->ring_size,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = (port->zero_copy ? XDP_ZEROCOPY : XDP_COPY) | XDP_USE_NEED_WAKEUP,
	};
	struct pl_afxdp_umem *umem = q->pool->umem;
	int rc;

	if (aq->xsk)
		return 0;
	rc = umem->xsk ? 0 : umem_register(q->pool, port, err);
	if (rc)
		return rc;
	/* libxdp leaves some of these as they are. */
	memset(&aq->rx, 0, sizeof(aq->rx));
	memset(&aq->tx, 0, sizeof(aq->tx));
	memset(&aq->fill, 0, sizeof(aq->fill));
	memset(&aq->comp, 0, sizeof(aq->comp));
	rc = xsk_socket__create_shared(&aq->xsk, port->device, aq->index, umem->xsk, &aq->rx,
				       &aq->tx, &aq->fill, &aq->comp, &config);
	if (!rc) {
		note_bound(aq);
		return 0;
	}
	aq->xsk = NULL;
	/* The first socket is the UMEM's own, which libxdp cannot bind a second time. */
	if (umem->n_bound == 0)
		umem_unregister(umem);
	return pl_error_set(
		err, rc, rc == -EBUSY ? "stop the other program (ss --xdp -ap shows it)" : NULL,
		"%s: cannot bind an AF_XDP socket to %s queue %u: %s", port->name, port->device,
		aq->index, rc == -EBUSY ? "another program has one there" : strerror(-rc));
}

/* Others join the UMEM through a socket that is bound to a device that is there: the kernel refuses
 * any other. libxdp takes its own descriptor of the UMEM, the first socket's, for that. When that
 * one goes, the descriptor is made another's. */
static void move_anchor(struct pl_afxdp_umem *umem)
{
	for (unsigned i = 0; i < PL_PORTS_MAX; i++) {
		struct afxdp_queue *other = umem->queues[i];

		if (!other || !other->xsk)
			continue;
		if (dup3(other->fd, xsk_umem__fd(umem->xsk), O_CLOEXEC) >= 0)
			umem->anchor = other;
		return;
	}
}

void afxdp_queue_unbind(struct pl_queue *q, struct closing *closing)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	struct pl_afxdp_umem *umem = q->pool->umem;

	if (!aq->xsk)
		return;
	closing_add_copy(closing, aq->fd);
	xsk_socket__delete(aq->xsk);
	aq->xsk = NULL;
	aq->fd = -1;
	q->event_fd = -1;
	if (--umem->n_bound == 0)
		umem_unregister(umem);
	else if (umem->anchor == aq)
		move_anchor(umem);
}

static void queue_free(struct afxdp_queue *aq)
{
	struct pl_pool *pool = aq->q.pool;

	pool->umem->queues[aq->slot] = NULL;
	pool->umem->n_queues--;
	umem_put(pool);
	aq->port->queues[aq->index] = NULL;
	free(aq);
}

static void afxdp_close(struct pl_queue *q)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	struct closing closing = {0};

	bpf_map_delete_elem(aq->port->map_fd, &aq->index);
	afxdp_queue_unbind(q, &closing);
	closing_run(&closing);
	afxdp_collect(q);
	queue_free(aq);
}

static const struct pl_queue_ops afxdp_ops = {
	.rx = afxdp_rx,
	.tx = afxdp_tx,
	.flush = afxdp_flush,
	.refresh_stats = afxdp_refresh_stats,
	.close = afxdp_close,
	.leave = afxdp_leave,
	.collect = afxdp_collect,
	.resume = afxdp_resume,
};

static int afxdp_resume(struct pl_queue *q, struct pl_error *err)
{
	struct afxdp_queue *aq = afxdp_queue_of(q);
	int rc;

	refill(aq);
	rc = xsk_socket__update_xskmap(aq->xsk, aq->port->map_fd);
	if (rc)
		return pl_error_set(err, -errno, NULL,
				    "%s: cannot direct packets of %s queue %u to its socket: %s",
				    aq->port->name, aq->port->device, aq->index, strerror(errno));
	q->ops = &afxdp_ops;
	return 0;
}

/* A queue with its place among the pool's and the port's, not bound. NULL: no memory. */
static struct afxdp_queue *queue_new(struct afxdp_port *port, unsigned index, struct pl_pool *pool)
{
	struct pl_afxdp_umem *umem = umem_get(pool);
	struct afxdp_queue *aq;

	if (!umem)
		return NULL;
	aq = umem->n_queues < PL_PORTS_MAX ? aligned_alloc(64, (sizeof(*aq) + 63) / 64 * 64) : NULL;
	if (!aq) {
		umem_put(pool);
		return NULL;
	}
	memset(aq, 0, sizeof(*aq));
	aq->q.ops = &away_ops;
	aq->q.pool = pool;
	aq->q.event_fd = -1;
	aq->fd = -1;
	aq->port = port;
	aq->index = index;
	aq->holder = umem->holder;
	aq->buf_shift = (uint32_t)__builtin_ctz(pool->buf_bytes);
	while (umem->queues[aq->slot])
		aq->slot++;
	umem->queues[aq->slot] = aq;
	umem->n_queues++;
	port->queues[index] = &aq->q;
	return aq;
}

int afxdp_queue_open(struct pl_port *base, unsigned index, struct pl_pool *pool,
		     struct pl_queue **queue, struct pl_error *err)
{
	struct afxdp_port *port = afxdp_port_of(base);
	struct afxdp_queue *aq;
	int rc;

	if (index >= port->n_queues || port->queues[index])
		return pl_error_set(err, -EINVAL, NULL, "%s: queue %u of %u%s", port->name, index,
				    port->n_queues,
				    index < port->n_queues ? " is open already" : "");
	if (pool->buf_bytes > AFXDP_BUF_BYTES_MAX)
		return pl_error_set(err, -EINVAL, "use buffers of 2048 or 4096 bytes",
				    "%s: AF_XDP does not take buffers of %u bytes", port->name,
				    pool->buf_bytes);
	if (pool->remote)
		return pl_error_set(err, -EOPNOTSUPP,
				    "have Peerlane drive the NIC (peerlane devices, peerlane bind)",
				    "%s: AF_XDP cannot receive into an accelerator's memory: the "
				    "kernel drives the device",
				    port->name);
	rc = afxdp_check_room(port, pool->buf_bytes, err);
	if (rc)
		return rc;
	aq = queue_new(port, index, pool);
	if (!aq)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", port->name);
	rc = afxdp_queue_bind(&aq->q, err);
	for (unsigned i = 1; rc == -EBUSY && i < BIND_TRIES; i++) {
		afxdp_sleep_before_retry();
		rc = afxdp_queue_bind(&aq->q, err);
	}
	if (!rc)
		rc = afxdp_resume(&aq->q, err);
	if (rc) {
		afxdp_close(&aq->q);
		return rc;
	}
	*queue = &aq->q;
	return 0;
}
