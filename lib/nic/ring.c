/* SPDX-License-Identifier: BSD-2-Clause */
/* Queues over advanced descriptors: an RX and a TX ring in memory that the device reads and writes.
 *
 * Places in a ring are numbered without end; where they lie is the number modulo the ring's size. The
 * device owns the descriptors from its head to the tail that we write; one stays free, since a tail
 * that equals the head says that all is the processor's (82599 datasheet 7.1.9, 7.2.3.3).
 *
 * Once set up, a queue is its plane's alone. It takes no lock and allocates nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "descriptor.h"
#include "private.h"

/* Frames are received this far into their buffers: the IP header is aligned then, as everywhere (see
 * PL_FRAME_OFFSET). Buffers lie a power of two apart, so the first bytes of all frames would share a few
 * sets of the first-level cache; hence neighbours differ by COLOUR_STEP. That takes a plane with the packet
 * program from 7.9 to 7.3 ns a packet (bench/nic); twice as many do no better. */
#define FRAME_START 2u
#define COLOURS 4u
#define COLOUR_STEP 64u
#define FRAME_START_MAX (FRAME_START + (COLOURS - 1) * COLOUR_STEP)
#define FCS_BYTES 4u

_Static_assert(FRAME_START % 16 == PL_FRAME_OFFSET % 16, "frames keep their residue modulo 16");
_Static_assert(FRAME_START_MAX + FCS_BYTES <= PL_FRAME_OFFSET, "room as pl_pool_frame_max() says");

/* The RX ring is topped up when this many descriptors, or a quarter of it, at least are missing. */
#define REFILL_MIN 32u
#define REFILL_CHUNK 128u

/* A TX descriptor in so many asks for a report, and so does the last one before the tail is written:
 * buffers come back in groups, but all of them come back. */
#define REPORT_EVERY 32u

/* tx() writes the tail when so many frames wait for it; else flush() does, once for all bursts of a turn. */
#define TAIL_AT 64u

/* What the device takes at least: it pads to 60 bytes by itself, but not from less (82599 datasheet,
 * 8.2.3.22.8, TXPADEN). */
#define TX_LEN_MIN 17u

/* A TX descriptor that reports. */
struct mark {
	uint32_t place;
	uint32_t bytes; /* nic_queue.tx_bytes with its frame */
};

struct nic_queue {
	struct pl_queue q;
	struct pl_nic *nic;
	struct pl_pci *pci;
	const struct pl_dma *dma; /* of the pool */
	uint32_t mask;		  /* descriptors in each ring, less one */
	unsigned index;
	bool left; /* its plane has let go of the device */

	union nic_rx_desc *rx;
	uint32_t *rx_frame;  /* in whose buffer each descriptor receives */
	uint32_t rx_next;    /* the next to be received */
	uint32_t rx_given;   /* the next to be given to the device: its tail */
	uint32_t rx_tail_at; /* the tail's register */
	uint32_t rx_room;    /* bytes that any frame has in its buffer */
	uint32_t rx_damaged; /* nic_driver.rx_damaged */
	uint32_t buf_shift;
	bool rx_starved;  /* the last refill found too few buffers */
	bool rx_in_frame; /* the last descriptor did not end its frame */

	union nic_tx_desc *tx;
	uint32_t *tx_frame;
	struct mark *marks;
	uint32_t tx_first;   /* the oldest that the device has */
	uint32_t tx_next;    /* the next to be written */
	uint32_t tx_rung;    /* the tail as last written */
	uint32_t tx_tail_at; /* its register */
	uint32_t tx_bytes;   /* of all frames so far, modulo 2^32 */
	uint32_t tx_counted; /* of those that are done */
	uint32_t mark_first, mark_next;
	struct pl_holder holder;
};

static struct nic_queue *nic_queue_of(struct pl_queue *q)
{
	return (struct nic_queue *)q;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool unlikely(bool condition)
{
	return __builtin_expect(condition, false);
}

/* ---- receive ---- */

/* Gives buffers to the device, each with the place in it where a frame is to start. What the stores cannot
 * change is kept at hand, which the compiler cannot know. */
static void give(struct nic_queue *nq, const uint32_t *frame, uint32_t n)
{
	const struct pl_dma dma = *nq->dma;
	union nic_rx_desc *rx = nq->rx;
	uint32_t *rx_frame = nq->rx_frame;
	uint32_t mask = nq->mask, first = nq->rx_given, shift = nq->buf_shift;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = (first + i) & mask;
		uint32_t number = frame[i] >> shift;
		/* Of buffers of 2048 bytes two neighbours fill the sets of the cache once. */
		uint32_t start =
			(number << shift) + FRAME_START + number / 2 % COLOURS * COLOUR_STEP;

		rx_frame[slot] = start;
		rx[slot].read.packet = pl_dma_address(&dma, start);
		rx[slot].read.header = 0;
	}
	nq->rx_given = first + n;
}

/* Tops the ring up from the pool: here, and nowhere else, so that it depends neither on transmission nor
 * on what becomes of the packets. */
static void refill(struct nic_queue *nq)
{
	uint32_t room = nq->mask - (nq->rx_given - nq->rx_next);
	uint32_t before = nq->rx_given;
	uint32_t frame[REFILL_CHUNK];

	if (room < smaller(REFILL_MIN, nq->mask / 4))
		return;
	nq->rx_starved = false;
	while (room) {
		uint32_t want = smaller(room, REFILL_CHUNK);
		uint32_t n = pl_pool_get_rx(nq->q.pool, frame, want, PL_OWNER_RX_RING);

		give(nq, frame, n);
		room -= n;
		if (n < want) {
			nq->rx_starved = true;
			pl_stat_add(&nq->q.stats.rx_nobuf, 1);
			break;
		}
	}
	if (nq->rx_given != before)
		pl_pci_ring(nq->pci, nq->rx_tail_at, nq->rx_given & nq->mask);
}

/* Whether the device has received into a descriptor. Acquire: what it wrote before, the frame and the rest
 * of the descriptor, is there then; pairs with the release of an emulated device. */
static bool received(const struct nic_queue *nq, uint32_t place)
{
	const uint32_t *status = &nq->rx[place & nq->mask].done.status;

	return __atomic_load_n(status, __ATOMIC_ACQUIRE) & NIC_RX_DD;
}

/* A descriptor that is not a frame of its own, whole and in order: back to the pool. A frame over several,
 * which there is not as long as the device receives no longer ones than it was told to, counts once. */
static void discard(struct nic_queue *nq, const uint32_t *frame, uint32_t status)
{
	if (!nq->rx_in_frame)
		pl_stat_add(&nq->q.stats.rx_errors, 1);
	nq->rx_in_frame = !(status & NIC_RX_EOP);
	pl_pool_put(nq->q.pool, frame, 1, PL_OWNER_RX_RING);
}

/* `ours`: the processor is going to look at what is received. Known where this is inlined, since asking for each
 * packet would show. */
static inline __attribute__((always_inline)) unsigned take(struct pl_queue *q, uint32_t *frame,
							   uint16_t *len, unsigned max, bool ours)
{
	struct nic_queue *nq = nic_queue_of(q);
	/* Behind the last one given lie descriptors that are done, from the round before. */
	uint32_t given = smaller(max, nq->rx_given - nq->rx_next);
	const union nic_rx_desc *rx = nq->rx;
	const uint32_t *rx_frame = nq->rx_frame;
	uint8_t *base = q->pool->base;
	uint32_t first = nq->rx_next, mask = nq->mask, room = nq->rx_room;
	uint32_t kind = NIC_RX_EOP | nq->rx_damaged;
	uint64_t bytes = 0;
	unsigned done = 0, n = 0;

	while (done < given && received(nq, first + done))
		done++;
	pl_pci_read_barrier();
	for (unsigned i = 0; i < done; i++) {
		uint32_t slot = (first + i) & mask;
		uint32_t status = rx[slot].done.status;
		uint32_t length = rx[slot].done.length;

		frame[n] = rx_frame[slot];
		len[n] = (uint16_t)length;
		/* Neither 0 nor beyond the buffer, whatever the device says. */
		if (unlikely((status & kind) != NIC_RX_EOP || length - 1 >= room ||
			     nq->rx_in_frame)) {
			discard(nq, &frame[n], status);
			continue;
		}
		if (ours)
			__builtin_prefetch(base + frame[n]);
		bytes += length;
		n++;
	}
	nq->rx_next = first + done;
	refill(nq);
	if (!n)
		return 0;
	pl_pool_move(q->pool, frame, n, PL_OWNER_RX_RING, PL_OWNER_BURST);
	pl_stat_add(&q->stats.rx_packets, n);
	pl_stat_add(&q->stats.rx_bytes, bytes);
	return n;
}

static unsigned nic_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	if (unlikely(q->pool->n_remote != 0))
		return take(q, frame, len, max, false);
	return take(q, frame, len, max, true);
}

/* ---- transmit ---- */

/* Whether the device is done with a descriptor that reports, and all before it. Acquire: it has read the
 * frames by then; pairs with the release of an emulated device. */
static bool transmitted(const struct nic_queue *nq, uint32_t place)
{
	const uint32_t *status = &nq->tx[place & nq->mask].done.status;

	return __atomic_load_n(status, __ATOMIC_ACQUIRE) & NIC_TX_DD;
}

/* Gives the buffers of the oldest `n` descriptors back to the pool. */
static void free_oldest(struct nic_queue *nq, uint32_t n)
{
	uint32_t slot = nq->tx_first & nq->mask;
	uint32_t straight = smaller(n, nq->mask + 1 - slot);

	pl_pool_put(nq->q.pool, nq->tx_frame + slot, straight, PL_OWNER_TX_RING);
	pl_pool_put(nq->q.pool, nq->tx_frame, n - straight, PL_OWNER_TX_RING);
	nq->tx_first += n;
}

/* Takes back what the device is done with, as far as it has reported. */
static void reclaim(struct nic_queue *nq)
{
	uint32_t end = nq->tx_first;
	uint32_t bytes = nq->tx_counted;
	uint32_t n;

	while (nq->mark_first != nq->mark_next) {
		const struct mark *mark = &nq->marks[nq->mark_first & nq->mask];

		if (!transmitted(nq, mark->place))
			break;
		end = mark->place + 1;
		bytes = mark->bytes;
		nq->mark_first++;
	}
	n = end - nq->tx_first;
	if (!n)
		return;
	pl_stat_add(&nq->q.stats.tx_packets, n);
	pl_stat_add(&nq->q.stats.tx_bytes, bytes - nq->tx_counted);
	nq->tx_counted = bytes;
	free_oldest(nq, n);
}

static uint32_t tx_room(const struct nic_queue *nq)
{
	return nq->mask - (nq->tx_next - nq->tx_first);
}

/* Has the descriptor before `tx_next` report, if it does not. */
static void report_last(struct nic_queue *nq)
{
	uint32_t place = nq->tx_next - 1;

	if (nq->mark_first != nq->mark_next &&
	    nq->marks[(nq->mark_next - 1) & nq->mask].place == place)
		return;
	nq->tx[place & nq->mask].read.command |= NIC_TX_RS;
	nq->marks[nq->mark_next++ & nq->mask] = (struct mark){place, nq->tx_bytes};
}

/* Writes the tail, if there is something new: the device transmits up to there. */
static void ring_tail(struct nic_queue *nq)
{
	if (nq->tx_rung == nq->tx_next)
		return;
	report_last(nq);
	pl_pci_ring(nq->pci, nq->tx_tail_at, nq->tx_next & nq->mask);
	nq->tx_rung = nq->tx_next;
}

/* Zeros for a frame shorter than the device can take. In an accelerator's memory there is none, unless that has
 * erred, and nobody writes zeros there: see pl_queue_ops.tx. */
static uint32_t pad(const struct nic_queue *nq, uint32_t frame, uint32_t len)
{
	if (!pl_pool_is_remote(nq->q.pool, frame))
		memset(pl_pool_data(nq->q.pool, frame) + len, 0, TX_LEN_MIN - len);
	return TX_LEN_MIN;
}

/* Writes descriptors of `n` frames that lie in the ring without a break. */
static void put_run(struct nic_queue *nq, const uint32_t *frame, const uint16_t *len, uint32_t n)
{
	const struct pl_dma dma = *nq->dma; /* which the stores below cannot change */
	uint32_t slot = nq->tx_next & nq->mask;
	union nic_tx_desc *desc = nq->tx + slot;
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t length = len[i];

		if (unlikely(length < TX_LEN_MIN))
			length = pad(nq, frame[i], length);
		desc[i].read.packet = pl_dma_address(&dma, frame[i]);
		desc[i].read.command = NIC_TX_DTYP_DATA | NIC_TX_DEXT | NIC_TX_IFCS | NIC_TX_EOP |
				       length;
		desc[i].read.payload = length << NIC_TX_PAYLEN_SHIFT;
		bytes += length;
	}
	memcpy(nq->tx_frame + slot, frame, n * sizeof(*frame));
	nq->tx_next += n;
	nq->tx_bytes += bytes;
}

static void nic_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	struct nic_queue *nq = nic_queue_of(q);
	uint32_t fit;

	if (tx_room(nq) < n)
		reclaim(nq);
	/* With the link down what is in the ring stays there, and what comes is dropped. */
	fit = smaller(tx_room(nq), n);
	pl_pool_move(q->pool, frame, fit, PL_OWNER_BURST, PL_OWNER_TX_RING);
	for (uint32_t at = 0; at < fit;) {
		uint32_t run = smaller(fit - at, REPORT_EVERY - nq->tx_next % REPORT_EVERY);

		put_run(nq, frame + at, len + at, run);
		if (nq->tx_next % REPORT_EVERY == 0)
			report_last(nq);
		at += run;
	}
	if (nq->tx_next - nq->tx_rung >= TAIL_AT)
		ring_tail(nq);
	if (unlikely(fit < n)) {
		pl_pool_put(q->pool, frame + fit, n - fit, PL_OWNER_BURST);
		pl_stat_add(&q->stats.tx_dropped, n - fit);
	}
}

/* The return value: an RX ring without descriptors would never have an interrupt sent, and one with few
 * might lose what comes at once. Buffers come back to the pool without any event. */
static bool nic_flush(struct pl_queue *q)
{
	struct nic_queue *nq = nic_queue_of(q);

	ring_tail(nq);
	reclaim(nq);
	return nq->rx_starved;
}

/* ---- sleep ---- */

/* What the device writes before its cause is cleared is seen by the look that follows; what it writes
 * after that sets the cause again, and an interrupt is sent at once when it is armed. */
static bool nic_arm(struct pl_queue *q)
{
	struct nic_queue *nq = nic_queue_of(q);
	const struct nic_driver *driver = nq->nic->driver;

	driver->clear(nq->nic, nq->index);
	if (nq->rx_next != nq->rx_given && received(nq, nq->rx_next))
		return false;
	driver->arm(nq->nic, nq->index);
	return true;
}

static void nic_refresh_stats(struct pl_queue *q)
{
	const struct nic_queue *nq = nic_queue_of(q);

	atomic_store_explicit(&q->stats.rx_dropped, pl_stat_read(&nq->nic->lost[nq->index]),
			      memory_order_relaxed); /* as pl_stat_add() */
}

/* ---- a queue without its device ---- */

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

static void nic_leave(struct pl_queue *q);
static uint32_t nic_collect(struct pl_queue *q);
static int nic_resume(struct pl_queue *q, struct pl_error *err);
static void nic_close(struct pl_queue *q);

static const struct pl_queue_ops away_ops = {
	.rx = away_rx,
	.tx = away_tx,
	.flush = away_flush,
	.close = nic_close,
	.leave = nic_leave,
	.collect = nic_collect,
	.resume = nic_resume,
};

static const struct pl_queue_ops nic_ops = {
	.rx = nic_rx,
	.tx = nic_tx,
	.flush = nic_flush,
	.refresh_stats = nic_refresh_stats,
	.arm = nic_arm,
	.close = nic_close,
	.leave = nic_leave,
	.collect = nic_collect,
	.resume = nic_resume,
};

static void nic_leave(struct pl_queue *q)
{
	struct nic_queue *nq = nic_queue_of(q);

	if (q->ops == &nic_ops) {
		reclaim(nq);
		/* What the device has not reported as sent. */
		pl_stat_add(&q->stats.tx_dropped, nq->tx_next - nq->tx_first);
	}
	q->ops = &away_ops;
	nq->left = true;
}

/* Nothing is written to the rings any more: what lies in them is known by ours alone. */
static uint32_t nic_collect(struct pl_queue *q)
{
	struct nic_queue *nq = nic_queue_of(q);
	uint32_t before = pl_pool_free(q->pool);

	for (; nq->rx_next != nq->rx_given; nq->rx_next++)
		pl_pool_put(q->pool, &nq->rx_frame[nq->rx_next & nq->mask], 1, PL_OWNER_RX_RING);
	free_oldest(nq, nq->tx_next - nq->tx_first);
	return pl_pool_free(q->pool) - before;
}

static void nic_each_held(struct pl_holder *holder, void (*fn)(void *ctx, uint32_t frame),
			  void *ctx)
{
	const struct nic_queue *nq =
		(const void *)((const char *)holder - offsetof(struct nic_queue, holder));

	for (uint32_t i = nq->rx_next; i != nq->rx_given; i++)
		fn(ctx, nq->rx_frame[i & nq->mask]);
	for (uint32_t i = nq->tx_first; i != nq->tx_next; i++)
		fn(ctx, nq->tx_frame[i & nq->mask]);
}

static void receive_again(struct nic_queue *nq)
{
	nq->left = false;
	nq->q.ops = &nic_ops;
	refill(nq);
}

static int nic_resume(struct pl_queue *q, struct pl_error *err)
{
	(void)err; /* a device that is gone again shows by its registers, not here */
	receive_again(nic_queue_of(q));
	return 0;
}

/* ---- set up and taken down ---- */

/* Both rings of a queue, one after the other, each aligned to its size. */
static uint64_t ring_offset(const struct pl_nic *nic, unsigned index, bool tx)
{
	return (2 * index + tx) * (uint64_t)nic->config.ring_size * NIC_DESC_BYTES;
}

uint64_t nic_rx_ring_address(const struct pl_nic *nic, unsigned index)
{
	return pl_dma_address(&nic->rings_dma, ring_offset(nic, index, false));
}

uint64_t nic_tx_ring_address(const struct pl_nic *nic, unsigned index)
{
	return pl_dma_address(&nic->rings_dma, ring_offset(nic, index, true));
}

unsigned nic_rx_buffer_bytes(const struct pl_nic *nic, unsigned index)
{
	return nic->queues[index]->q.pool->buf_bytes;
}

unsigned nic_frame_room(const struct pl_pool *pool)
{
	return pool->buf_bytes - FRAME_START_MAX - FCS_BYTES;
}

void nic_queue_prepare(struct nic_queue *q)
{
	size_t bytes = (size_t)(q->mask + 1) * NIC_DESC_BYTES;

	if (!q->left) {
		nic_leave(&q->q);
		nic_collect(&q->q);
		q->left = false;
	}
	memset(q->rx, 0, bytes);
	memset(q->tx, 0, bytes);
	q->rx_next = q->rx_given = 0;
	q->rx_starved = q->rx_in_frame = false;
	q->tx_first = q->tx_next = q->tx_rung = 0;
	q->tx_bytes = q->tx_counted = 0;
	q->mark_first = q->mark_next = 0;
}

void nic_queue_fill(struct nic_queue *q)
{
	if (!q->left)
		receive_again(q);
}

struct pl_queue *nic_queue_base(struct nic_queue *q)
{
	return &q->q;
}

/* Undoes map_parts(), also half of it. */
static void unmap_parts(struct pl_nic *nic, struct nic_mapping *mapping)
{
	pl_pci_dma_unmap(nic->pci, &mapping->host);
	pl_pci_dma_unmap(nic->pci, &mapping->remote);
	free(mapping->address);
	*mapping = (struct nic_mapping){0};
}

/* One list of pieces for a pool's both parts, so that where a frame lies is looked up in one step: none is larger than
 * the smaller ones', nor than what divides the first part. */
static int join_parts(struct nic_mapping *mapping, const struct pl_pool *pool)
{
	const struct pl_dma *host = &mapping->host, *remote = &mapping->remote;
	uint64_t host_at = pool->remote->len_bytes;
	uint64_t len_bytes = host_at + pool->region.len_bytes;
	unsigned shift = (unsigned)__builtin_ctzll(host_at), n;

	shift = smaller(shift, smaller(host->shift, remote->shift));
	n = (unsigned)((len_bytes - 1) >> shift) + 1;
	mapping->address = calloc(n, sizeof(*mapping->address));
	if (!mapping->address)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (uint64_t)i << shift;

		mapping->address[i] = at < host_at ? pl_dma_address(remote, at)
						   : pl_dma_address(host, at - host_at);
	}
	mapping->dma = (struct pl_dma){
		.address = mapping->address,
		.shift = shift,
		.n = n,
		.base = pool->base,
		.len_bytes = len_bytes,
	};
	return 0;
}

static int map_parts(struct pl_nic *nic, struct nic_mapping *mapping, struct pl_pool *pool,
		     struct pl_error *err)
{
	const struct pl_region *region = &pool->region;
	int rc = pl_pci_dma_map(nic->pci, region->base, region->len_bytes, region->page_bytes,
				&mapping->host, err);

	mapping->dma = mapping->host;
	if (!rc && pool->remote)
		rc = pl_pci_dma_import(nic->pci, pool->remote, &mapping->remote, err);
	if (!rc && pool->remote) {
		rc = join_parts(mapping, pool);
		if (rc)
			pl_error_set(err, rc, NULL, "%s: no memory for DMA addresses", nic->name);
	}
	if (rc)
		unmap_parts(nic, mapping);
	else
		mapping->pool = pool;
	return rc;
}

/* The pool's mapping, made for the first queue on it. Returns 0, or -errno with `err` filled. */
static int map_pool(struct pl_nic *nic, struct pl_pool *pool, struct nic_mapping **mapping,
		    struct pl_error *err)
{
	*mapping = NULL;
	for (unsigned i = 0; i < PL_NIC_QUEUES_MAX; i++) {
		if (nic->mappings[i].pool == pool) {
			*mapping = &nic->mappings[i];
			return 0;
		}
		if (!nic->mappings[i].pool && !*mapping)
			*mapping = &nic->mappings[i];
	}
	/* There is room for one per queue. */
	return map_parts(nic, *mapping, pool, err);
}

/* Unless another queue is on the pool. */
static void unmap_pool(struct pl_nic *nic, const struct pl_pool *pool)
{
	for (unsigned i = 0; i < PL_NIC_QUEUES_MAX; i++)
		if (nic->queues[i] && nic->queues[i]->q.pool == pool)
			return;
	for (unsigned i = 0; i < PL_NIC_QUEUES_MAX; i++)
		if (nic->mappings[i].pool == pool)
			unmap_parts(nic, &nic->mappings[i]);
}

static void queue_free(struct nic_queue *nq)
{
	if (nq->q.event_fd >= 0)
		close(nq->q.event_fd);
	free(nq->rx_frame);
	free(nq->tx_frame);
	free(nq->marks);
	free(nq);
}

/* NULL with errno: without memory, or a descriptor for its events. */
static struct nic_queue *queue_alloc(unsigned ring_size)
{
	struct nic_queue *nq = aligned_alloc(64, (sizeof(*nq) + 63) / 64 * 64);

	if (!nq)
		return NULL;
	memset(nq, 0, sizeof(*nq));
	nq->mask = ring_size - 1;
	nq->rx_frame = calloc(ring_size, sizeof(*nq->rx_frame));
	nq->tx_frame = calloc(ring_size, sizeof(*nq->tx_frame));
	nq->marks = calloc(ring_size, sizeof(*nq->marks));
	nq->q.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!nq->rx_frame || !nq->tx_frame || !nq->marks || nq->q.event_fd < 0) {
		int why = errno;

		queue_free(nq);
		errno = why;
		return NULL;
	}
	return nq;
}

static void set_up(struct nic_queue *nq, struct pl_nic *nic, unsigned index, struct pl_pool *pool)
{
	uint8_t *rings = nic->rings.base;

	nq->q.ops = &away_ops;
	nq->q.pool = pool;
	nq->q.event_edge = true;
	nq->nic = nic;
	nq->pci = nic->pci;
	nq->index = index;
	nq->rx = (union nic_rx_desc *)(rings + ring_offset(nic, index, false));
	nq->tx = (union nic_tx_desc *)(rings + ring_offset(nic, index, true));
	nq->rx_damaged = nic->driver->rx_damaged;
	nq->rx_tail_at = nic->driver->rx_tail(index);
	nq->tx_tail_at = nic->driver->tx_tail(index);
	/* From an accelerator's memory it may have to be copied to where frames begin in the host's: frames with two
	 * VLAN tags at the longest MTU have no room there. */
	nq->rx_room = pool->n_remote ? pl_pool_frame_max(pool) : pool->buf_bytes - FRAME_START_MAX;
	nq->buf_shift = (uint32_t)__builtin_ctz(pool->buf_bytes);
}

/* Rings and buffers must each lie in one piece for the device. */
static int check_pieces(const struct pl_nic *nic, const struct pl_dma *dma,
			const struct pl_pool *pool, struct pl_error *err)
{
	static const char remedy[] = "provide huge pages (vm.nr_hugepages), or use smaller rings";

	if (nic->config.ring_size * NIC_DESC_BYTES > (uint64_t)1 << nic->rings_dma.shift)
		return pl_error_set(err, -EMSGSIZE, remedy,
				    "%s: a ring of %u descriptors is not contiguous for the device",
				    nic->name, nic->config.ring_size);
	if (pool->buf_bytes > (uint64_t)1 << dma->shift)
		return pl_error_set(err, -EMSGSIZE,
				    pool->remote ? "use smaller buffers"
						 : "provide huge pages (vm.nr_hugepages)",
				    "%s: buffers of %u bytes are not contiguous for the device",
				    nic->name, pool->buf_bytes);
	return 0;
}

int nic_queue_new(struct pl_nic *nic, unsigned index, struct pl_pool *pool, struct nic_queue **q,
		  struct pl_error *err)
{
	struct nic_queue *nq = queue_alloc(nic->config.ring_size);
	struct nic_mapping *mapping;
	int rc;

	*q = NULL;
	if (!nq)
		return pl_error_set(err, -errno,
				    errno == EMFILE ? "raise LimitNOFILE= of the unit, or ulimit -n"
						    : "free some memory, or use smaller rings",
				    "%s: cannot set up queue %u: %s", nic->name, index,
				    strerror(errno));
	rc = map_pool(nic, pool, &mapping, err);
	if (rc)
		goto failed;
	rc = check_pieces(nic, &mapping->dma, pool, err);
	if (!rc)
		rc = pl_pci_irq(nic->pci, index, nq->q.event_fd, err);
	if (rc)
		goto failed;
	set_up(nq, nic, index, pool);
	nq->dma = &mapping->dma;
	nic->queues[index] = nq;
	nq->holder.each_held = nic_each_held;
	nq->q.holder = &nq->holder;
	pl_pool_join(pool, &nq->holder);
	*q = nq;
	return 0;

failed:
	unmap_pool(nic, pool);
	queue_free(nq);
	return rc;
}

static void nic_close(struct pl_queue *q)
{
	struct nic_queue *nq = nic_queue_of(q);
	struct pl_nic *nic = nq->nic;
	struct pl_error ignored;

	if (nic->started) /* the device would write into buffers that others have by then */
		pl_nic_stop(nic);
	nic_collect(q);
	pl_pool_part(q->pool, &nq->holder);
	(void)pl_pci_irq(nic->pci, nq->index, -1, &ignored);
	nic->queues[nq->index] = NULL;
	unmap_pool(nic, q->pool);
	queue_free(nq);
}
