/* SPDX-License-Identifier: BSD-2-Clause */
/* The in-memory port: receives from a list of frames, transmits into a function. No I/O, so that
 * what is around it can be tested and measured alone. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <peerlane/port.h>

#define PREFETCH_AHEAD 16u /* packets */

/* Frames of neighbouring buffers are a power of two apart, so their first bytes would all fall
 * into one or two sets of the first-level cache. Small frames are therefore moved back by
 * COLOUR_STEP times a number that differs between neighbours; 16 of them spread the frames over
 * half the sets of a cache of 64. */
#define COLOUR_STEP 64u
#define COLOURS 16u
#define COLOURED_MAX 512u /* bytes of a frame that is moved; larger ones spread by their length */

_Static_assert(PL_FRAME_OFFSET + COLOURED_MAX + COLOURS * COLOUR_STEP <= 2048,
	       "a moved frame stays in its buffer");

struct mem_queue {
	struct pl_queue q;
	const struct pl_mem_frame *frames;
	unsigned n, next;
	bool loop;
	uint32_t buf_shift;
	void (*sent)(void *ctx, const uint8_t *data, uint16_t len);
	void *ctx;
};

static struct mem_queue *mem_queue_of(struct pl_queue *q)
{
	return (struct mem_queue *)q;
}

/* Copies a frame as DMA would. Frames of 32 to 64 bytes, those of the measurements, without a
 * call: two halves that overlap by what is missing to 64. */
static inline void copy_frame(uint8_t *to, const uint8_t *from, uint16_t len)
{
	if (len >= 32 && len <= 64) {
		memcpy(to, from, 32);
		memcpy(to + len - 32, from + len - 32, 32);
	} else {
		memcpy(to, from, len);
	}
}

static inline uint32_t colour(const struct mem_queue *mq, uint32_t frame, uint16_t len)
{
	uint32_t shift = (frame >> mq->buf_shift) / 2 % COLOURS * COLOUR_STEP;

	return len <= COLOURED_MAX ? frame + shift : frame;
}

/* Receives `n` frames of the list, which has them from `next` on, into buffers already taken. */
static uint64_t receive_run(struct mem_queue *mq, uint32_t *frame, uint16_t *len, unsigned n)
{
	const struct pl_mem_frame *in = mq->frames + mq->next;
	unsigned in_list = mq->n - mq->next;
	uint8_t *base = mq->q.pool->base;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < in_list) /* beyond `n`, too: the next call's */
			__builtin_prefetch(in[i + PREFETCH_AHEAD].data);
		frame[i] = colour(mq, frame[i], in[i].len);
		len[i] = in[i].len;
		copy_frame(base + frame[i], in[i].data, in[i].len);
		bytes += in[i].len;
	}
	return bytes;
}

static unsigned mem_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	struct mem_queue *mq = mem_queue_of(q);
	unsigned left = mq->n - mq->next;
	unsigned want = mq->loop && mq->n ? max : left < max ? left : max;
	unsigned got, done = 0;
	uint64_t bytes = 0;

	if (!want)
		return 0;
	got = pl_pool_get(q->pool, frame, want, PL_OWNER_BURST);
	if (got < want)
		pl_stat_add(&q->stats.rx_nobuf, 1);
	while (done < got) {
		unsigned run = mq->n - mq->next;

		if (run > got - done)
			run = got - done;
		bytes += receive_run(mq, frame + done, len + done, run);
		done += run;
		mq->next += run;
		if (mq->loop && mq->next == mq->n)
			mq->next = 0;
	}
	if (mq->next == mq->n) {
		eventfd_t ignored;

		eventfd_read(q->event_fd, &ignored);
	}
	pl_stat_add(&q->stats.rx_packets, got);
	pl_stat_add(&q->stats.rx_bytes, bytes);
	return got;
}

static void mem_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	struct mem_queue *mq = mem_queue_of(q);
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += len[i];
	if (mq->sent)
		for (unsigned i = 0; i < n; i++)
			mq->sent(mq->ctx, pl_pool_data(q->pool, frame[i]), len[i]);
	pl_pool_put(q->pool, frame, n, PL_OWNER_BURST);
	pl_stat_add(&q->stats.tx_packets, n);
	pl_stat_add(&q->stats.tx_bytes, bytes);
}

static bool mem_flush(struct pl_queue *q)
{
	(void)q;
	return false;
}

static void mem_close(struct pl_queue *q)
{
	close(q->event_fd);
	free(mem_queue_of(q));
}

static const struct pl_queue_ops mem_ops = {
	.rx = mem_rx,
	.tx = mem_tx,
	.flush = mem_flush,
	.close = mem_close,
};

struct pl_queue *pl_mem_queue_new(struct pl_pool *pool, bool loop,
				  void (*sent)(void *ctx, const uint8_t *data, uint16_t len),
				  void *ctx)
{
	struct mem_queue *mq = calloc(1, sizeof(*mq));

	if (!mq)
		return NULL;
	mq->q.ops = &mem_ops;
	mq->q.pool = pool;
	mq->loop = loop;
	mq->buf_shift = (uint32_t)__builtin_ctz(pool->buf_bytes);
	mq->sent = sent;
	mq->ctx = ctx;
	mq->q.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mq->q.event_fd < 0) {
		int code = errno;

		free(mq);
		errno = code;
		return NULL;
	}
	return &mq->q;
}

int pl_mem_queue_feed(struct pl_queue *q, const struct pl_mem_frame *frames, unsigned n)
{
	struct mem_queue *mq = mem_queue_of(q);
	eventfd_t ignored;

	for (unsigned i = 0; i < n; i++)
		if (frames[i].len > pl_pool_frame_max(q->pool))
			return -EMSGSIZE;
	mq->frames = frames;
	mq->n = n;
	mq->next = 0;
	if (n)
		eventfd_write(q->event_fd, 1);
	else
		eventfd_read(q->event_fd, &ignored);
	return 0;
}
