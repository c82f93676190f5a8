/* SPDX-License-Identifier: BSD-2-Clause */
/* A face as its planes see it: the queue operations, called by the plane alone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "face_private.h"

/* Kernel to wire: copies out of the ring into buffers of the plane's pool. */
static unsigned face_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	struct face_queue *fq = (struct face_queue *)q;
	uint64_t bytes = 0;
	unsigned n, got;

	if (!fq->from_kernel.slots)
		return 0;
	n = spsc_peek(&fq->from_kernel, max);
	if (n == 0) {
		if (!bell_rearm(&fq->bell))
			return 0;
		n = spsc_peek(&fq->from_kernel, max);
		if (n == 0)
			return 0;
		/* They came between the two looks and nobody announces them: keep the descriptor
		 * readable until they are taken. */
		bell_ring(&fq->bell);
	}

	got = pl_pool_get(q->pool, frame, n, PL_OWNER_BURST);
	if (got < n)
		pl_stat_add(&q->stats.rx_nobuf, 1);
	for (unsigned i = 0; i < got; i++) {
		const struct spsc_slot *slot = spsc_peeked(&fq->from_kernel, i);

		memcpy(pl_pool_data(q->pool, frame[i]), slot->data, slot->len_bytes);
		len[i] = (uint16_t)slot->len_bytes;
		bytes += slot->len_bytes;
	}
	spsc_release(&fq->from_kernel, got);
	pl_stat_add(&q->stats.rx_packets, got);
	pl_stat_add(&q->stats.rx_bytes, bytes);
	return got;
}

/* Wire to kernel: copies into the ring, and gives the buffers back at once. */
static void face_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	struct face_queue *fq = (struct face_queue *)q;
	unsigned room = spsc_reserve(&fq->to_kernel, n);
	unsigned filled = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n && filled < room; i++) {
		struct spsc_slot *slot;

		if (len[i] > fq->to_kernel.capacity_bytes)
			continue;
		slot = spsc_reserved(&fq->to_kernel, filled++);
		memcpy(slot->data, pl_pool_data(q->pool, frame[i]), len[i]);
		slot->len_bytes = len[i];
		bytes += len[i];
	}
	spsc_submit(&fq->to_kernel, filled);
	fq->unannounced |= filled > 0;
	pl_pool_put(q->pool, frame, n, PL_OWNER_BURST);
	pl_stat_add(&q->stats.tx_packets, filled);
	pl_stat_add(&q->stats.tx_bytes, bytes);
	pl_stat_add(&q->stats.tx_dropped, n - filled);
}

uint32_t face_queue_room(void *queue)
{
	struct face_queue *fq = queue;

	return spsc_reserve(&fq->to_kernel, FACE_PUNT_SLOTS);
}

/* Wakes the thread for what this turn has punted: once per turn, and only if it sleeps. */
static bool face_flush(struct pl_queue *q)
{
	struct face_queue *fq = (struct face_queue *)q;

	if (fq->unannounced) {
		fq->unannounced = false;
		if (bell_ring(&fq->face->set->bell))
			pl_stat_add(&q->stats.tx_wakeups, 1);
	}
	return false;
}

static void face_refresh_stats(struct pl_queue *q)
{
	struct face_queue *fq = (struct face_queue *)q;
	const struct face_stats *stats = &fq->face->stats;

	if (fq->from_kernel.slots)
		atomic_store_explicit(&q->stats.rx_dropped,
				      pl_stat_read(&stats->ring_full) +
					      pl_stat_read(&stats->too_long),
				      memory_order_relaxed);
}

/* The rings hold copies, no buffers; the memory is the face's, for the thread may still be at it. */
static void face_close(struct pl_queue *q)
{
	(void)q;
}

static const struct pl_queue_ops face_queue_ops = {
	.rx = face_rx,
	.tx = face_tx,
	.flush = face_flush,
	.refresh_stats = face_refresh_stats,
	.close = face_close,
};

struct face_queue *face_queue_new(struct face *face, struct pl_pool *pool, bool home)
{
	struct face_queue *fq = aligned_alloc(alignof(struct face_queue), sizeof(*fq));
	int rc;

	if (!fq)
		return NULL;
	memset(fq, 0, sizeof(*fq));
	fq->queue.ops = &face_queue_ops;
	fq->queue.pool = pool;
	fq->face = face;
	fq->bell.fd = -1;
	rc = bell_init(&fq->bell);
	fq->queue.event_fd = fq->bell.fd;
	if (rc == 0)
		rc = spsc_init(&fq->to_kernel, FACE_PUNT_SLOTS, pl_pool_frame_max(pool));
	/* A byte more than fits a buffer: by it the thread knows a frame that was cut off. */
	if (rc == 0 && home)
		rc = spsc_init(&fq->from_kernel, FACE_RING_SLOTS, pl_pool_frame_max(pool) + 1);
	if (rc < 0) {
		face_queue_free(fq);
		errno = -rc;
		return NULL;
	}
	return fq;
}

void face_queue_free(struct face_queue *fq)
{
	if (!fq)
		return;
	bell_fini(&fq->bell);
	spsc_fini(&fq->from_kernel);
	spsc_fini(&fq->to_kernel);
	free(fq);
}
