/* SPDX-License-Identifier: BSD-2-Clause */
/* Queues over descriptor rings, against a device made by hand that also does what no device should. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ring_device.h"

#define RING 64u
#define POOL_BUFFERS 256u
#define FRAME_LEN 60u

struct world {
	struct ring_device device;
	struct pl_pool pool;
	struct pl_queue *q; /* of queue 0 */
	uint32_t seq_in, seq_out;
};

static void world_open(struct world *w)
{
	struct pl_error err;

	memset(w, 0, sizeof(*w));
	assert_int_equal(pl_pool_init(&w->pool, POOL_BUFFERS, 2048, &err), 0);
	device_open(&w->device, RING);
	device_queue(&w->device, 0, &w->pool);
	w->q = w->device.queues[0];
}

static void world_close(struct world *w)
{
	pl_queue_close(w->q);
	device_close(&w->device);
	assert_int_equal(w->pool.n_free, w->pool.n_bufs); /* none leaked */
	pl_pool_fini(&w->pool);
}

static uint64_t stat(const pl_stat *s)
{
	return pl_stat_read(s);
}

/* Frames of many lengths, each with its number and bytes that follow from it. */
static uint16_t numbered(uint8_t *frame, uint32_t seq)
{
	uint16_t len = (uint16_t)(FRAME_LEN + seq * 2654435761u % 1455);

	memset(frame, (int)(seq % 251), len);
	memcpy(frame, &seq, sizeof(seq));
	return len;
}

static void expect_numbered(const uint8_t *data, uint32_t len, uint32_t seq)
{
	uint8_t frame[2048];

	assert_int_equal(len, numbered(frame, seq));
	assert_memory_equal(data, frame, len);
}

static void receive_numbered(struct world *w, unsigned n)
{
	uint8_t frame[2048];

	while (n--) {
		uint16_t len = numbered(frame, w->seq_in++);

		device_receive(&w->device, 0, frame, len, RX_WHOLE, len);
	}
}

static void sent_numbered(void *ctx, const uint8_t *data, uint32_t len)
{
	struct world *w = ctx;

	expect_numbered(data, len, w->seq_out++);
}

static void sent_any(void *ctx, const uint8_t *data, uint32_t len)
{
	(void)ctx, (void)data, (void)len;
}

/* Takes `n` buffers that look like received frames. */
static void make_frames(struct world *w, uint32_t *frame, uint16_t *len, unsigned n)
{
	assert_int_equal(pl_pool_get(&w->pool, frame, n, PL_OWNER_BURST), n);
	for (unsigned i = 0; i < n; i++) {
		memset(pl_pool_data(&w->pool, frame[i]), (int)i, FRAME_LEN);
		len[i] = FRAME_LEN;
	}
}

/* Many times round both rings, in bursts of all sizes: in order, unharmed, none lost. */
static void test_in_order_around_the_ring(void **state)
{
	static struct world w;
	uint32_t frame[RING];
	uint16_t len[RING];
	uint32_t x = 1;

	(void)state;
	world_open(&w);
	assert_int_equal(device_rx_room(&w.device, 0), RING - 1); /* one stays free */
	while (w.seq_in < 200 * RING) {
		unsigned in = (x = x * 1664525 + 1013904223) >> 16;
		unsigned max = (x = x * 1664525 + 1013904223) >> 16;
		unsigned n;

		receive_numbered(&w, in % (device_rx_room(&w.device, 0) + 1));
		n = pl_queue_rx(w.q, frame, len, 1 + max % RING);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(frame[i] % 16, 2);
		pl_queue_tx(w.q, frame, len, n);
		pl_queue_flush(w.q);
		device_transmit(&w.device, 0, RING, sent_numbered, &w);
	}
	while (w.seq_out < w.seq_in) {
		unsigned n = pl_queue_rx(w.q, frame, len, RING);

		assert_true(n > 0);
		pl_queue_tx(w.q, frame, len, n);
		pl_queue_flush(w.q);
		device_transmit(&w.device, 0, RING, sent_numbered, &w);
	}
	pl_queue_flush(w.q);
	assert_int_equal(stat(&w.q->stats.rx_packets), w.seq_in);
	assert_int_equal(stat(&w.q->stats.tx_packets), w.seq_in);
	assert_int_equal(stat(&w.q->stats.rx_bytes), stat(&w.q->stats.tx_bytes));
	assert_int_equal(stat(&w.q->stats.rx_errors) + stat(&w.q->stats.tx_dropped), 0);
	world_close(&w);
}

/* What is done stays done in memory: after a round without buffers it must not be taken again. */
static void test_dry_pool(void **state)
{
	static struct world w;
	uint32_t kept[POOL_BUFFERS], frame[2 * RING];
	uint16_t len[2 * RING];
	unsigned n_kept;

	(void)state;
	world_open(&w);
	n_kept = pl_pool_get(&w.pool, kept, POOL_BUFFERS, PL_OWNER_BURST);
	receive_numbered(&w, RING - 1);
	assert_int_equal(device_rx_room(&w.device, 0), 0);
	assert_int_equal(pl_queue_rx(w.q, frame, len, 2 * RING), RING - 1);
	assert_int_equal(stat(&w.q->stats.rx_nobuf), 1);
	/* No event would ever come of a ring without descriptors. */
	assert_true(pl_queue_flush(w.q));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pl_queue_rx(w.q, frame + RING, len + RING, RING), 0);
	assert_int_equal(stat(&w.q->stats.rx_nobuf), 4);
	/* Some come back: they are filled in, and the others later. */
	pl_pool_put(&w.pool, kept, 5, PL_OWNER_BURST);
	assert_int_equal(pl_queue_rx(w.q, frame + RING, len + RING, RING), 0);
	assert_int_equal(device_rx_room(&w.device, 0), 5);
	assert_true(pl_queue_flush(w.q));
	receive_numbered(&w, 5);
	assert_int_equal(pl_queue_rx(w.q, frame + RING, len + RING, RING), 5);
	for (unsigned i = 0; i < 5; i++)
		expect_numbered(pl_pool_data(&w.pool, frame[RING + i]), len[RING + i],
				RING - 1 + i);
	pl_pool_put(&w.pool, frame + RING, 5, PL_OWNER_BURST);
	pl_pool_put(&w.pool, frame, RING - 1, PL_OWNER_BURST);
	pl_pool_put(&w.pool, kept + 5, n_kept - 5, PL_OWNER_BURST);
	assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 0);
	assert_int_equal(device_rx_room(&w.device, 0), RING - 1);
	assert_false(pl_queue_flush(w.q));
	world_close(&w);
}

/* A device that transmits nothing: the ring fills, what comes then is dropped, and reception goes on. */
static void test_full_tx_ring(void **state)
{
	static struct world w;
	uint32_t frame[RING];
	uint16_t len[RING];

	(void)state;
	world_open(&w);
	for (unsigned round = 0; round < 100; round++) {
		receive_numbered(&w, 40);
		assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 40);
		pl_queue_tx(w.q, frame, len, 40);
		pl_queue_flush(w.q);
	}
	assert_int_equal(stat(&w.q->stats.tx_dropped), 4000 - (RING - 1));
	assert_int_equal(stat(&w.q->stats.tx_packets), 0);
	assert_in_range(w.pool.n_free, POOL_BUFFERS - 2 * (RING - 1),
			POOL_BUFFERS - (RING - 1) - (RING - 1 - 32));
	/* It goes on: those of then come out, in order. */
	assert_int_equal(device_transmit(&w.device, 0, 2 * RING, sent_numbered, &w), RING - 1);
	pl_queue_flush(w.q);
	assert_int_equal(stat(&w.q->stats.tx_packets), RING - 1);
	w.seq_out = w.seq_in;
	receive_numbered(&w, 31);
	assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 31);
	pl_queue_tx(w.q, frame, len, 31);
	pl_queue_flush(w.q);
	assert_int_equal(device_transmit(&w.device, 0, 2 * RING, sent_numbered, &w), 31);
	world_close(&w);
}

/* Buffers come back when the device has reported, not before, and then all of them. */
static void test_reports_in_groups(void **state)
{
	static struct world w;
	uint32_t frame[48];
	uint16_t len[48];
	uint32_t before;

	(void)state;
	world_open(&w);
	before = w.pool.n_free;
	make_frames(&w, frame, len, 48);
	pl_queue_tx(w.q, frame, len, 48);
	assert_int_equal(device_transmit(&w.device, 0, 48, sent_any, NULL), 0); /* not yet */
	pl_queue_flush(w.q);
	assert_int_equal(device_transmit(&w.device, 0, 31, sent_any, NULL), 31);
	pl_queue_flush(w.q);
	assert_int_equal(w.pool.n_free, before - 48);
	assert_int_equal(device_transmit(&w.device, 0, 1, sent_any, NULL), 1);
	pl_queue_flush(w.q);
	assert_int_equal(w.pool.n_free, before - 16);
	assert_int_equal(stat(&w.q->stats.tx_packets), 32);
	assert_int_equal(stat(&w.q->stats.tx_bytes), 32 * FRAME_LEN);
	assert_int_equal(device_transmit(&w.device, 0, 15, sent_any, NULL), 15);
	pl_queue_flush(w.q);
	assert_int_equal(w.pool.n_free, before - 16);
	assert_int_equal(device_transmit(&w.device, 0, 1, sent_any, NULL), 1);
	pl_queue_flush(w.q);
	assert_int_equal(w.pool.n_free, before);
	world_close(&w);
}

/* One tail write per burst; small bursts of one turn share one. */
static void test_tails(void **state)
{
	static struct world w;
	uint32_t frame[RING];
	uint16_t len[RING];

	(void)state;
	world_open(&w);
	assert_int_equal(w.device.n_bells, 1);
	receive_numbered(&w, 50);
	assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 50);
	assert_int_equal(w.device.n_bells, 2);
	for (unsigned i = 0; i < 50; i++)
		pl_queue_tx(w.q, frame + i, len + i, 1);
	assert_int_equal(w.device.n_bells, 2);
	pl_queue_flush(w.q);
	assert_int_equal(w.device.n_bells, 3);
	pl_queue_flush(w.q);
	assert_int_equal(w.device.n_bells, 3);
	assert_int_equal(device_transmit(&w.device, 0, RING, sent_numbered, &w), 50);
	world_close(&w);
}

/* Between good frames, each of these is dropped and counted, once. */
static void test_bad_frames(void **state)
{
	static const struct {
		uint32_t status;
		uint16_t length;
	} bad[] = {
		{RX_WHOLE | RX_RXE, 60},
		{RX_WHOLE, 0},
		{RX_WHOLE, 2048 - 2 - 3 * 64 + 1}, /* beyond the buffer, where it starts last */
		{RX_WHOLE, 2048},
		{RX_WHOLE, 65535},
		{RX_WHOLE | RX_RXE, 65535},
	};
	static struct world w;
	uint32_t frame[RING];
	uint16_t len[RING];
	uint8_t data[60] = {0};
	unsigned n_bad = sizeof(bad) / sizeof(bad[0]);

	(void)state;
	world_open(&w);
	for (unsigned i = 0; i < n_bad; i++) {
		uint32_t first = w.seq_in;

		receive_numbered(&w, 2);
		device_receive(&w.device, 0, data, sizeof(data), bad[i].status, bad[i].length);
		receive_numbered(&w, 3);
		assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 5);
		for (unsigned j = 0; j < 5; j++)
			expect_numbered(pl_pool_data(&w.pool, frame[j]), len[j], first + j);
		assert_int_equal(stat(&w.q->stats.rx_errors), i + 1);
		pl_pool_put(&w.pool, frame, 5, PL_OWNER_BURST);
	}
	/* The longest that fits is good. */
	device_receive(&w.device, 0, data, sizeof(data), RX_WHOLE, 2048 - 2 - 3 * 64);
	assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 1);
	assert_int_equal(len[0], 2048 - 2 - 3 * 64);
	pl_pool_put(&w.pool, frame, 1, PL_OWNER_BURST);
	/* Nothing but bad ones: no packet, but the ring goes on. */
	for (unsigned i = 0; i < 10 * RING; i++) {
		device_receive(&w.device, 0, data, sizeof(data), RX_WHOLE | RX_RXE, 60);
		assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 0);
	}
	assert_int_equal(stat(&w.q->stats.rx_errors), n_bad + 10 * RING);
	world_close(&w);
}

/* Frames over several descriptors are dropped whole, also when calls of rx() fall between. */
static void test_frames_in_pieces(void **state)
{
	static struct world w;
	uint32_t frame[RING];
	uint16_t len[RING];
	uint8_t data[60] = {0};
	unsigned good = 0, pieces = 0;

	(void)state;
	world_open(&w);
	for (unsigned max = 1; max <= 7; max++) {
		uint32_t first = w.seq_in;

		receive_numbered(&w, 1);
		device_receive(&w.device, 0, data, 60, RX_DD, 60);
		device_receive(&w.device, 0, data, 60, RX_DD, 60);
		device_receive(&w.device, 0, data, 60, RX_WHOLE, 60);
		receive_numbered(&w, 1);
		device_receive(&w.device, 0, data, 60, RX_DD, 60);
		device_receive(&w.device, 0, data, 60, RX_WHOLE | RX_RXE, 60);
		for (unsigned i = 0; i < 7; i++) {
			unsigned n = pl_queue_rx(w.q, frame, len, max);

			for (unsigned j = 0; j < n; j++)
				expect_numbered(pl_pool_data(&w.pool, frame[j]), len[j], first++);
			pl_pool_put(&w.pool, frame, n, PL_OWNER_BURST);
		}
		assert_int_equal(first, w.seq_in);
		good += 2;
		pieces += 2;
		assert_int_equal(stat(&w.q->stats.rx_packets), good);
		assert_int_equal(stat(&w.q->stats.rx_errors), pieces);
	}
	world_close(&w);
}

static void sent_padded(void *ctx, const uint8_t *data, uint32_t len)
{
	static const uint8_t zeros[3];

	assert_int_equal(len, 17);
	assert_int_equal(data[13], 0xee);
	assert_memory_equal(data + 14, zeros, 3);
	++*(unsigned *)ctx;
}

/* The device cannot take less than 17 bytes; nothing of a former frame leaves in their place. */
static void test_shortest_frames(void **state)
{
	static struct world w;
	uint32_t frame[1];
	uint16_t len[1] = {14};
	unsigned n = 0;

	(void)state;
	world_open(&w);
	assert_int_equal(pl_pool_get(&w.pool, frame, 1, PL_OWNER_BURST), 1);
	memset(pl_pool_data(&w.pool, frame[0]), 0xee, 64);
	pl_queue_tx(w.q, frame, len, 1);
	pl_queue_flush(w.q);
	device_transmit(&w.device, 0, 1, sent_padded, &n);
	assert_int_equal(n, 1);
	world_close(&w);
}

/* A frame is seen before the cause is cleared, or by the look after it; only then the queue is armed. */
static void test_arming(void **state)
{
	static struct world w;
	uint32_t frame[RING];
	uint16_t len[RING];

	(void)state;
	world_open(&w);
	assert_true(w.q->event_edge);
	assert_int_equal(w.device.irq_fd[0], w.q->event_fd);
	assert_true(fcntl(w.q->event_fd, F_GETFL) & O_NONBLOCK);
	assert_true(w.q->ops->arm(w.q));
	assert_true(w.device.armed[0]);
	w.device.armed[0] = false;
	receive_numbered(&w, 1);
	assert_false(w.q->ops->arm(w.q));
	assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 1);
	pl_pool_put(&w.pool, frame, 1, PL_OWNER_BURST);
	w.device.frame_while_clearing = true;
	assert_false(w.q->ops->arm(w.q));
	w.device.frame_while_clearing = false;
	assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 1);
	pl_pool_put(&w.pool, frame, 1, PL_OWNER_BURST);
	assert_false(w.device.armed[0]);
	assert_int_equal(w.device.n_cleared, 3);
	/* Without a descriptor given, the one to be given next is one of a former round: done. */
	for (unsigned i = 0; i < 3; i++) {
		receive_numbered(&w, RING / 2);
		pl_pool_put(&w.pool, frame, pl_queue_rx(w.q, frame, len, RING), PL_OWNER_BURST);
	}
	while (w.pool.n_free)
		pl_pool_get(&w.pool, frame, 1, PL_OWNER_BURST);
	receive_numbered(&w, device_rx_room(&w.device, 0));
	pl_queue_rx(w.q, frame, len, RING);
	assert_true(w.q->ops->arm(w.q));
	pl_queue_leave(w.q);
	pl_queue_collect(w.q);
	pl_pool_reset(&w.pool);
	world_close(&w);
}

/* The device goes while frames lie in both rings; it comes back with rings of its own making. */
static void test_leaves_and_returns(void **state)
{
	static struct world w;
	struct nic_queue *nq;
	uint32_t frame[RING];
	uint16_t len[RING];
	struct pl_error err;

	(void)state;
	world_open(&w);
	nq = w.device.nic.queues[0];
	for (unsigned round = 1; round <= 3; round++) {
		receive_numbered(&w, 20);
		make_frames(&w, frame, len, 40);
		pl_queue_tx(w.q, frame, len, 40);
		pl_queue_flush(w.q);
		assert_int_equal(device_transmit(&w.device, 0, 35, sent_any, NULL), 35);
		pl_queue_leave(w.q);
		/* 32 are known to have been sent. */
		assert_int_equal(stat(&w.q->stats.tx_packets), round * 32);
		assert_int_equal(stat(&w.q->stats.tx_dropped), round * 8 + (round - 1) * 3);
		assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 0);
		make_frames(&w, frame, len, 3);
		pl_queue_tx(w.q, frame, len, 3);
		assert_int_equal(stat(&w.q->stats.tx_dropped), round * 11);
		assert_false(pl_queue_flush(w.q));
		assert_null(w.q->ops->arm);
		assert_int_equal(pl_queue_collect(w.q), RING - 1 + 8);
		assert_int_equal(w.pool.n_free, w.pool.n_bufs);
		nic_queue_prepare(nq);
		device_reset_queue(&w.device, 0);
		/* The control thread's part ends here; the plane's pool is not touched. */
		nic_queue_fill(nq);
		assert_int_equal(w.pool.n_free, w.pool.n_bufs);
		assert_int_equal(pl_queue_resume(w.q, &err), 0);
		assert_int_equal(device_rx_room(&w.device, 0), RING - 1);
		w.seq_in = w.seq_out = 0;
		receive_numbered(&w, 20);
		assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 20);
		for (unsigned i = 0; i < 20; i++)
			expect_numbered(pl_pool_data(&w.pool, frame[i]), len[i], i);
		pl_pool_put(&w.pool, frame, 20, PL_OWNER_BURST);
	}
	world_close(&w);
}

/* Started anew without a plane: the rings' buffers come back by themselves. */
static void test_prepared_anew(void **state)
{
	static struct world w;
	uint32_t frame[RING];
	uint16_t len[RING];

	(void)state;
	world_open(&w);
	for (unsigned i = 0; i < 5; i++) {
		receive_numbered(&w, 20);
		make_frames(&w, frame, len, 40);
		pl_queue_tx(w.q, frame, len, 40);
		pl_queue_flush(w.q);
		nic_queue_prepare(w.device.nic.queues[0]);
		assert_int_equal(w.pool.n_free, w.pool.n_bufs);
		device_reset_queue(&w.device, 0);
		nic_queue_fill(w.device.nic.queues[0]);
		assert_int_equal(pl_queue_rx(w.q, frame, len, RING), 0);
	}
	world_close(&w);
}

/* Closing a queue of a NIC that runs stops it, before anybody else gets the buffers. */
static void test_close_stops_first(void **state)
{
	static struct world w;
	struct pl_queue *other;

	(void)state;
	world_open(&w);
	device_queue(&w.device, 1, &w.pool);
	other = w.device.queues[1];
	assert_int_equal(w.device.n_mapped, 2); /* rings, and the pool once */
	assert_true(nic_rx_ring_address(&w.device.nic, 0) != nic_rx_ring_address(&w.device.nic, 1));
	w.device.nic.started = true;
	pl_queue_close(other);
	assert_int_equal(w.device.n_stops, 1);
	assert_int_equal(w.device.n_mapped, 2);
	pl_queue_close(w.q);
	assert_int_equal(w.device.n_stops, 1);
	assert_int_equal(w.device.n_mapped, 1);
	device_close(&w.device);
	assert_int_equal(w.pool.n_free, w.pool.n_bufs);
	pl_pool_fini(&w.pool);
}

static void expect_refusal(struct ring_device *d, struct pl_pool *pool, int code, const char *what)
{
	struct nic_queue *nq;
	struct pl_error err;

	assert_int_equal(nic_queue_new(&d->nic, 0, pool, &nq, &err), code);
	assert_non_null(strstr(err.what, what));
	assert_null(nq);
}

static void test_refusals(void **state)
{
	static struct ring_device d;
	struct pl_pool pool;
	struct pl_error err;

	(void)state;
	assert_int_equal(pl_pool_init(&pool, 64, 16384, &err), 0);
	device_open(&d, PL_NIC_RING_MAX);
	d.maps_left = 0;
	expect_refusal(&d, &pool, -ENOMEM, "cannot map");
	d.maps_left = 2;
	d.piece_shift = 13;
	expect_refusal(&d, &pool, -EMSGSIZE, "buffers of 16384 bytes are not contiguous");
	assert_int_equal(d.n_mapped, 1);
	device_close(&d);
	device_open(&d, PL_NIC_RING_MAX);
	d.nic.rings_dma.shift = 12; /* looked at, not used */
	expect_refusal(&d, &pool, -EMSGSIZE, "a ring of 4096 descriptors is not contiguous");
	device_close(&d);
	pl_pool_fini(&pool);
}

/* Large buffers take large frames. */
static void test_jumbo(void **state)
{
	static struct ring_device d;
	static uint8_t data[9018];
	struct pl_queue *q;
	struct pl_pool pool;
	struct pl_error err;
	uint32_t frame[8];
	uint16_t len[8];

	(void)state;
	assert_int_equal(pl_pool_init(&pool, 256, 16384, &err), 0);
	device_open(&d, RING);
	device_queue(&d, 0, &pool);
	q = d.queues[0];
	assert_int_equal(nic_rx_buffer_bytes(&d.nic, 0), 16384);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < 300; i++) {
		device_receive(&d, 0, data, sizeof(data), RX_WHOLE, sizeof(data));
		assert_int_equal(pl_queue_rx(q, frame, len, 8), 1);
		assert_int_equal(len[0], sizeof(data));
		assert_memory_equal(pl_pool_data(&pool, frame[0]), data, sizeof(data));
		pl_queue_tx(q, frame, len, 1);
		pl_queue_flush(q);
		assert_int_equal(device_transmit(&d, 0, 1, sent_any, NULL), 1);
	}
	pl_queue_close(q);
	device_close(&d);
	assert_int_equal(pool.n_free, pool.n_bufs);
	pl_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_around_the_ring),
		cmocka_unit_test(test_dry_pool),
		cmocka_unit_test(test_full_tx_ring),
		cmocka_unit_test(test_reports_in_groups),
		cmocka_unit_test(test_tails),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_frames_in_pieces),
		cmocka_unit_test(test_shortest_frames),
		cmocka_unit_test(test_arming),
		cmocka_unit_test(test_leaves_and_returns),
		cmocka_unit_test(test_prepared_anew),
		cmocka_unit_test(test_close_stops_first),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_jumbo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
