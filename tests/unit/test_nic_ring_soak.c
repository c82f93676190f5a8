/* SPDX-License-Identifier: BSD-2-Clause */
/* Days of going round rings in a minute: two queues with the smallest rings on one pool that is too small
 * for them, and a device made by hand that receives bursts of any size, damaged frames among them, stops
 * transmitting for a while, and goes away. Every frame that leaves is one that came in, in order, and in the
 * end every buffer is in the pool. SOAK_FRAMES=n in the environment makes it longer or shorter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring_device.h"
#include "sanitized.h"

#define RING PL_NIC_RING_MIN
#define POOL_BUFFERS 200u /* both queues would hold 252 */
#define FRAME_LEN 60u
#define BURST 64u

#ifdef SANITIZED
#define FRAMES 4000000ull
#else
#define FRAMES 100000000ull
#endif

/* What a frame consists of, several times over. */
struct content {
	uint64_t seq, seq_inverted;
	uint32_t queue;
	uint32_t fill[10];
};
_Static_assert(sizeof(struct content) == FRAME_LEN + 4, "with padding");

struct world {
	struct ring_device device;
	struct pl_pool pool;
	uint64_t random;
	uint64_t seq_in[DEVICE_QUEUES];
	uint64_t seq_out[DEVICE_QUEUES][DEVICE_QUEUES]; /* next at least; by queues out and in */
	uint64_t received, bad, sent, dropped_by_us, lost_in_device;
	unsigned stalled[DEVICE_QUEUES]; /* for so many turns it transmits nothing */
	uint32_t kept[POOL_BUFFERS];
	unsigned n_kept, keep_for;
	unsigned sending; /* the queue that transmits */
	unsigned vanished;
};

/* SplitMix64: each run the same. */
static uint64_t random64(struct world *w)
{
	uint64_t x = w->random += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static unsigned below(struct world *w, unsigned n)
{
	return (unsigned)((random64(w) >> 32) * n >> 32);
}

/* ---- the device ---- */

static void receive_bad(struct world *w, unsigned queue)
{
	static const uint8_t data[FRAME_LEN];

	switch (below(w, 3)) {
	case 0:
		device_receive(&w->device, queue, data, FRAME_LEN, RX_WHOLE | RX_RXE, FRAME_LEN);
		break;
	case 1:
		device_receive(&w->device, queue, data, FRAME_LEN, RX_WHOLE, 4000);
		break;
	default:
		if (device_rx_room(&w->device, queue) < 2)
			return;
		device_receive(&w->device, queue, data, FRAME_LEN, RX_DD, FRAME_LEN);
		device_receive(&w->device, queue, data, FRAME_LEN, RX_WHOLE, FRAME_LEN);
	}
	w->bad++;
}

static void receive(struct world *w, unsigned queue)
{
	unsigned n = below(w, device_rx_room(&w->device, queue) + 1);

	for (unsigned i = 0; i < n && device_rx_room(&w->device, queue); i++) {
		struct content content = {.queue = queue};

		if (below(w, 64) == 0) {
			receive_bad(w, queue);
			continue;
		}
		content.seq = w->seq_in[queue]++;
		content.seq_inverted = ~content.seq;
		memset(content.fill, (int)content.seq, sizeof(content.fill));
		device_receive(&w->device, queue, (const uint8_t *)&content, FRAME_LEN, RX_WHOLE,
			       FRAME_LEN);
		w->received++;
	}
}

static void check_sent(void *ctx, const uint8_t *data, uint32_t len)
{
	struct world *w = ctx;
	struct content content;
	uint32_t fill;
	uint64_t *least;

	assert_int_equal(len, FRAME_LEN);
	memcpy(&content, data, FRAME_LEN);
	memset(&fill, (int)content.seq, sizeof(fill));
	if (content.queue >= DEVICE_QUEUES || content.seq_inverted != ~content.seq ||
	    content.fill[0] != fill || content.fill[8] != fill)
		fail_msg("a frame of queue %u left that never came in", w->sending);
	/* Those between were dropped, or left by the other queue; never late, never twice. */
	least = &w->seq_out[w->sending][content.queue];
	if (content.seq < *least)
		fail_msg("frame %lu left after %lu", content.seq, *least - 1);
	*least = content.seq + 1;
	w->sent++;
}

static void transmit(struct world *w, unsigned queue)
{
	if (w->stalled[queue]) {
		w->stalled[queue]--;
		return;
	}
	if (below(w, 256) == 0)
		w->stalled[queue] = below(w, 64);
	w->sending = queue;
	device_transmit(&w->device, queue, below(w, RING + 1), check_sent, w);
}

/* It goes, and comes back with empty rings. */
static void vanish(struct world *w, unsigned queue)
{
	struct pl_queue *q = w->device.queues[queue];
	struct pl_error err;

	/* What has been received, and not taken, is lost; what was not reported counts as dropped. */
	pl_queue_leave(q);
	pl_queue_collect(q);
	nic_queue_prepare(w->device.nic.queues[queue]);
	device_reset_queue(&w->device, queue);
	assert_int_equal(pl_queue_resume(q, &err), 0);
	w->vanished++;
}

/* ---- the plane ---- */

/* Others take buffers for a while: the rings run dry. */
static void keep_some(struct world *w)
{
	if (w->keep_for) {
		w->keep_for--;
		return;
	}
	pl_pool_put(&w->pool, w->kept, w->n_kept, PL_OWNER_BURST);
	w->n_kept = 0;
	if (below(w, 16) == 0) {
		w->n_kept = pl_pool_get(&w->pool, w->kept, below(w, POOL_BUFFERS), PL_OWNER_BURST);
		w->keep_for = below(w, 32);
	}
}

static void forward(struct world *w, unsigned queue)
{
	struct pl_queue *q = w->device.queues[queue];
	uint32_t frame[BURST];
	uint16_t len[BURST];
	unsigned n = pl_queue_rx(q, frame, len, 1 + below(w, BURST));
	unsigned straight = below(w, n + 1);
	unsigned across = below(w, n - straight + 1);

	pl_queue_tx(q, frame, len, straight);
	pl_queue_tx(w->device.queues[1 - queue], frame + straight, len + straight, across);
	pl_pool_put(&w->pool, frame + straight + across, n - straight - across, PL_OWNER_BURST);
	w->dropped_by_us += n - straight - across;
}

static void turn(struct world *w)
{
	for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++)
		receive(w, queue);
	keep_some(w);
	for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++)
		forward(w, queue);
	for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++) {
		pl_queue_flush(w->device.queues[queue]);
		transmit(w, queue);
	}
	if (below(w, 4096) == 0)
		vanish(w, below(w, DEVICE_QUEUES));
}

/* No more comes in, and all goes out. */
static void drain(struct world *w)
{
	w->keep_for = 0;
	for (unsigned i = 0; i < 4; i++) {
		pl_pool_put(&w->pool, w->kept, w->n_kept, PL_OWNER_BURST);
		w->n_kept = 0;
		for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++)
			forward(w, queue);
		for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++) {
			pl_queue_flush(w->device.queues[queue]);
			w->sending = queue;
			device_transmit(&w->device, queue, RING, check_sent, w);
			pl_queue_flush(w->device.queues[queue]);
		}
	}
}

static uint64_t sum(const struct world *w, size_t stat)
{
	uint64_t n = 0;

	for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++) {
		const struct pl_queue_stats *stats = &w->device.queues[queue]->stats;

		n += pl_stat_read((const pl_stat *)((const char *)stats + stat));
	}
	return n;
}

static void check_accounts(struct world *w)
{
	uint64_t rx = sum(w, offsetof(struct pl_queue_stats, rx_packets));
	uint64_t tx = sum(w, offsetof(struct pl_queue_stats, tx_packets));
	uint64_t dropped = sum(w, offsetof(struct pl_queue_stats, tx_dropped));

	/* Taken: all but what lay in rings that vanished. Each went one of three ways. */
	assert_in_range(rx, w->received - w->vanished * (RING - 1), w->received);
	assert_int_equal(rx, tx + dropped + w->dropped_by_us);
	/* Sent, and not reported, before a ring vanished: counts as dropped. */
	assert_in_range(w->sent, tx, tx + w->vanished * (RING - 1));
	assert_in_range(sum(w, offsetof(struct pl_queue_stats, rx_errors)),
			w->bad - w->vanished * (RING - 1), w->bad);
	assert_true(sum(w, offsetof(struct pl_queue_stats, rx_nobuf)) > 0);
	assert_true(dropped > 0);
	printf("%llu frames received, %llu sent: %llu times round the RX rings, %llu round the TX "
	       "rings; "
	       "%u times away\n",
	       (unsigned long long)w->received, (unsigned long long)w->sent,
	       (unsigned long long)(w->received / RING), (unsigned long long)(w->sent / RING),
	       w->vanished);
}

static void test_soak(void **state)
{
	static struct world w;
	const char *wanted = getenv("SOAK_FRAMES");
	uint64_t frames = wanted ? strtoull(wanted, NULL, 0) : FRAMES;
	struct pl_error err;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.random = 20261125;
	assert_int_equal(pl_pool_init(&w.pool, POOL_BUFFERS, 2048, &err), 0);
	device_open(&w.device, RING);
	for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++)
		device_queue(&w.device, queue, &w.pool);
	for (uint64_t turns = 0; w.received < frames; turns++) {
		assert_true(turns < frames); /* buffers that leak bring it to a stop */
		turn(&w);
	}
	drain(&w);
	check_accounts(&w);
	for (unsigned queue = 0; queue < DEVICE_QUEUES; queue++)
		pl_queue_close(w.device.queues[queue]);
	device_close(&w.device);
	assert_int_equal(w.pool.n_free, w.pool.n_bufs);
	pl_pool_fini(&w.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_soak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
