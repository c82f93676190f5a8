/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames through a driver and the emulated NIC that it drives: which are received, on which queue, and how
 * they are counted. With the argument 82576 it is that, and the igb driver; else an 82599. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nic_lab.h"

#define FRAMES_MAX 512u
#define LEN_MAX 9100u
#define PATIENCE_MS 20000u

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t multicast[6] = {0x33, 0x33, 0x00, 0x00, 0x00, 0x01};
static const uint8_t stranger[6] = {0x02, 0x99, 0x88, 0x77, 0x66, 0x55};

/* Frames of a test, each with its number at its end. */
struct batch {
	uint8_t data[FRAMES_MAX][128];
	struct emu_frame frames[FRAMES_MAX];
	unsigned n;
};

static uint8_t *add(struct batch *batch, const uint8_t to[6], uint16_t type, unsigned len)
{
	uint8_t *frame = batch->data[batch->n];

	assert_true(batch->n < FRAMES_MAX && len <= sizeof(batch->data[0]));
	memset(frame, 0, sizeof(batch->data[0]));
	memcpy(frame, to, 6);
	frame[6] = 0x02;
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	frame[len - 2] = (uint8_t)(batch->n >> 8);
	frame[len - 1] = (uint8_t)batch->n;
	batch->frames[batch->n++] = (struct emu_frame){frame, len};
	return frame;
}

/* A frame that is received in any case, and ends what has arrived. */
static void add_end(struct batch *batch)
{
	add(batch, broadcast, 0x88b5, 60);
}

/* What was received, by the number in the batch. */
struct got {
	bool frame[FRAMES_MAX];
	unsigned queue[FRAMES_MAX];
	unsigned n;
};

static void take(struct nic_lab *lab, unsigned queue, struct got *got)
{
	struct pl_queue *q = lab->queues[queue];
	uint32_t frame[32];
	uint16_t len[32];
	unsigned n = pl_queue_rx(q, frame, len, 32);

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *end = pl_pool_data(q->pool, frame[i]) + len[i];
		unsigned number = (unsigned)end[-2] << 8 | end[-1];

		assert_true(number < FRAMES_MAX && !got->frame[number]);
		got->frame[number] = true;
		got->queue[number] = queue;
		got->n++;
	}
	pl_pool_put(q->pool, frame, n, PL_OWNER_BURST);
	pl_queue_flush(q);
}

/* Offers the batch, and receives until its last frame is there. One queue keeps order, so that what is
 * missing then has not been received. */
static void offer(struct nic_lab *lab, const struct batch *batch, struct got *got)
{
	uint64_t end = lab_now_ms() + PATIENCE_MS;
	struct emu_stats stats;

	memset(got, 0, sizeof(*got));
	emu_wire_memory_feed(lab->wire, batch->frames, batch->n, false);
	while (!got->frame[batch->n - 1]) {
		for (unsigned i = 0; i < lab->config.n_queues; i++)
			take(lab, i, got);
		assert_true(lab_now_ms() < end);
	}
	/* The turn that has stored the last frame is over when the NIC's lock can be had, and with it all
	 * use of the batch. */
	emu_stats(lab->device, &stats);
}

static void start(struct nic_lab *lab, unsigned n_queues)
{
	lab_open(lab, n_queues);
	lab_start(lab);
	lab_wait_link(lab, true);
}

static void end(struct nic_lab *lab)
{
	assert_int_equal(atomic_load(&lab->reports), 0);
	lab_close(lab);
}

/* ---- filters ---- */

/* Which of: our address, another, a multicast, a broadcast; then the end. */
static void check_filter(struct nic_lab *lab, const uint8_t ours[6], bool others)
{
	static struct batch batch;
	struct got got;

	batch.n = 0;
	add(&batch, ours, 0x88b5, 60);
	add(&batch, stranger, 0x88b5, 60);
	add(&batch, multicast, 0x88b5, 60);
	add(&batch, broadcast, 0x88b5, 60);
	add_end(&batch);
	offer(lab, &batch, &got);
	assert_true(got.frame[0]);
	assert_int_equal(got.frame[1], others);
	assert_true(got.frame[2]);
	assert_true(got.frame[3]);
}

/* From this access on: what is half the old and half the new address has never been valid. */
static void check_never_half(const struct nic_lab *lab, unsigned from)
{
	uint32_t at = lab_model == EMU_82599 ? 0x0a200 : 0x05400;
	bool valid = true;
	unsigned n = 0;

	for (unsigned i = from; i < lab->spy.n_log; i++) {
		const struct access *access = &lab->spy.log[i];

		if (!access->write)
			continue;
		if (access->offset == at + 4)
			valid = access->value >> 31;
		if (access->offset != at)
			continue;
		assert_false(valid);
		n++;
	}
	assert_int_equal(n, 1);
	assert_true(valid);
}

static void test_filters(void **state)
{
	static const uint8_t other[6] = {0x06, 0x01, 0x02, 0x03, 0x04, 0xfe};
	struct pl_error err;
	struct nic_lab lab;
	unsigned before;

	(void)state;
	start(&lab, 1);
	check_filter(&lab, lab_mac, false);
	assert_int_equal(pl_nic_set_promiscuous(lab.nic, true, &err), 0);
	check_filter(&lab, lab_mac, true);
	assert_int_equal(pl_nic_set_promiscuous(lab.nic, false, &err), 0);
	check_filter(&lab, lab_mac, false);

	before = lab.spy.n_log;
	assert_int_equal(pl_nic_set_mac(lab.nic, other, &err), 0);
	check_never_half(&lab, before);
	check_filter(&lab, other, false);
	assert_int_equal(pl_nic_set_mac(lab.nic, multicast, &err), -EINVAL);
	assert_int_equal(pl_nic_set_mac(lab.nic, (const uint8_t[6]){0}, &err), -EINVAL);
	check_filter(&lab, other, false);
	/* Both hold over a start. */
	assert_int_equal(pl_nic_set_promiscuous(lab.nic, true, &err), 0);
	assert_int_equal(pl_nic_start(lab.nic, &err), 0);
	lab_wait_link(&lab, true);
	check_filter(&lab, other, true);
	assert_int_equal(pl_nic_set_promiscuous(lab.nic, false, &err), 0);
	check_filter(&lab, other, false);
	end(&lab);
}

/* ---- lengths ---- */

/* Frames of these lengths, without FCS; whether they are received. */
static void check_length(struct nic_lab *lab, unsigned len, bool tagged, bool received)
{
	static uint8_t data[LEN_MAX];
	static struct batch batch;
	struct got got;
	struct emu_frame both[2];

	batch.n = 0;
	add(&batch, lab_mac, 0x88b5, 60); /* for its number */
	add_end(&batch);
	memset(data, 0, sizeof(data));
	memcpy(data, lab_mac, 6);
	data[12] = tagged ? 0x81 : 0x88;
	data[13] = tagged ? 0x00 : 0xb5;
	both[0] = (struct emu_frame){data, len};
	both[1] = batch.frames[1];
	memset(&got, 0, sizeof(got));
	memcpy(batch.frames, both, sizeof(both));
	offer(lab, &batch, &got);
	assert_int_equal(got.frame[0], received);
}

static void test_lengths(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab.buf_bytes = 16384;
	lab.config.mtu = 9000;
	lab_start(&lab);
	lab_wait_link(&lab, true);
	check_length(&lab, 1514, false, true);
	check_length(&lab, 9014, false, true);
	check_length(&lab, 9018, true, true);
	check_length(&lab, 9022, true, true); /* with two tags */
	check_length(&lab, 9023, true, false);
	assert_int_equal(lab_counter(&lab, "rx_oversize"), 1);
	assert_int_equal(pl_nic_set_mtu(lab.nic, 1500, NULL), 0);
	check_length(&lab, 1514, false, true);
	check_length(&lab, 1522, true, true);
	check_length(&lab, 1523, true, false);
	assert_int_equal(lab_counter(&lab, "rx_oversize"), 2);
	end(&lab);
}

/* ---- RSS ---- */

#define FLOWS 120u

/* UDP or TCP over IPv4 or IPv6, addresses and ports by `a` and `b`. */
static void add_flow(struct batch *batch, unsigned a, unsigned b, bool ipv6, uint8_t protocol)
{
	uint8_t *frame = add(batch, lab_mac, ipv6 ? 0x86dd : 0x0800, 100);
	uint8_t *ip = frame + 14, *l4 = ip + (ipv6 ? 40 : 20);

	if (ipv6) {
		ip[0] = 0x60;
		ip[5] = 46; /* payload */
		ip[6] = protocol;
		ip[8] = ip[24] = 0x20;
		ip[22] = (uint8_t)(a >> 8), ip[23] = (uint8_t)a;
		ip[38] = (uint8_t)(b >> 8), ip[39] = (uint8_t)b;
	} else {
		ip[0] = 0x45;
		ip[3] = 86; /* total length */
		ip[9] = protocol;
		ip[12] = ip[16] = 10;
		ip[14] = (uint8_t)(a >> 8), ip[15] = (uint8_t)a;
		ip[18] = (uint8_t)(b >> 8), ip[19] = (uint8_t)b;
	}
	l4[0] = (uint8_t)(a * 7 >> 8), l4[1] = (uint8_t)(a * 7);
	l4[2] = (uint8_t)(b * 7 >> 8), l4[3] = (uint8_t)(b * 7);
	if (protocol == 6)
		l4[12] = 0x50;
}

static void check_rss(struct nic_lab *lab, bool ipv6, uint8_t protocol)
{
	static struct batch batch;
	unsigned share[PL_NIC_QUEUES_MAX] = {0};
	struct got got;

	batch.n = 0;
	for (unsigned i = 0; i < FLOWS; i++) {
		add_flow(&batch, 100 + i * 3, 2000 + i * 5, ipv6, protocol);
		add_flow(&batch, 2000 + i * 5, 100 + i * 3, ipv6, protocol);
	}
	offer(lab, &batch, &got);
	while (got.n < batch.n) /* other queues' */
		for (unsigned i = 0; i < lab->config.n_queues; i++)
			take(lab, i, &got);
	for (unsigned i = 0; i < FLOWS; i++) {
		/* Both directions together. */
		assert_int_equal(got.queue[2 * i], got.queue[2 * i + 1]);
		share[got.queue[2 * i]]++;
	}
	for (unsigned i = 0; i < lab->config.n_queues; i++)
		assert_true(share[i] > 0);
}

static void test_rss(void **state)
{
	struct nic_lab lab;

	(void)state;
	for (unsigned n = 2; n <= 4; n += 2) {
		start(&lab, n);
		for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
			check_rss(&lab, ipv6, 6);
			check_rss(&lab, ipv6, 17);
			check_rss(&lab, ipv6, 47); /* addresses alone */
		}
		end(&lab);
	}
}

/* ---- counters ---- */

static void test_counters(void **state)
{
	static struct batch batch;
	uint64_t packets = 0, bytes = 0;
	struct pl_error err;
	struct got got;
	struct nic_lab lab;

	(void)state;
	start(&lab, 1);
	for (unsigned turn = 0; turn < 3; turn++) {
		batch.n = 0;
		for (unsigned len = 60; len < 90; len++) {
			add(&batch, lab_mac, 0x88b5, len);
			bytes += len + 4;
		}
		add(&batch, multicast, 0x88b5, 60);
		add_end(&batch);
		bytes += 2 * 64;
		packets += batch.n;
		offer(&lab, &batch, &got);
		/* They go on over a start: nothing is lost, or counted twice. */
		if (turn == 1) {
			assert_int_equal(pl_nic_start(lab.nic, &err), 0);
			lab_wait_link(&lab, true);
		}
		/* Each reading clears them in the device. */
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(lab_counter(&lab, "rx_packets"), packets);
			assert_int_equal(lab_counter(&lab, "rx_bytes"), bytes);
			assert_int_equal(lab_counter(&lab, "rx_multicast_packets"), turn + 1);
			assert_int_equal(lab_counter(&lab, "rx_broadcast_packets"), turn + 1);
			assert_int_equal(lab_counter(&lab, "rx_size_64"), 3 * (turn + 1));
			assert_int_equal(lab_counter(&lab, "rx_size_65_127"), 29 * (turn + 1));
		}
	}
	assert_int_equal(lab_counter(&lab, "rx_crc_errors"), 0);
	end(&lab);
}

/* Damaged frames are counted, and are nobody's. */
static void test_damaged(void **state)
{
	static struct batch bad, good;
	uint64_t until = lab_now_ms() + PATIENCE_MS;
	struct got got;
	struct nic_lab lab;

	(void)state;
	start(&lab, 1);
	bad.n = good.n = 0;
	for (unsigned i = 0; i < 10; i++)
		add(&bad, lab_mac, 0x88b5, 60);
	for (unsigned i = 0; i < 20; i++)
		add(&good, lab_mac, 0x88b5, 60);
	emu_inject(lab.device, EMU_FAULT_CRC, true);
	emu_wire_memory_feed(lab.wire, bad.frames, bad.n, false);
	memset(&got, 0, sizeof(got));
	while (lab_counter(&lab, "rx_crc_errors") < bad.n) {
		take(&lab, 0, &got);
		assert_true(lab_now_ms() < until);
		usleep(10000);
	}
	take(&lab, 0, &got);
	assert_int_equal(got.n, 0);
	emu_inject(lab.device, EMU_FAULT_CRC, false);
	offer(&lab, &good, &got);
	assert_int_equal(got.n, good.n);
	assert_int_equal(lab_counter(&lab, "rx_crc_errors"), bad.n);
	assert_int_equal(lab_counter(&lab, "rx_packets"), good.n);
	end(&lab);
}

/* What its plane sees of a queue. */
static void check_dropped(struct nic_lab *lab, unsigned queue, uint64_t dropped)
{
	lab->queues[queue]->ops->refresh_stats(lab->queues[queue]);
	assert_int_equal(pl_stat_read(&lab->queues[queue]->stats.rx_dropped), dropped);
}

/* A ring that nobody empties: what there is no descriptor for is counted as lost. */
static void test_no_descriptors(void **state)
{
	static struct batch batch;
	uint64_t until = lab_now_ms() + PATIENCE_MS;
	struct nic_lab lab;

	(void)state;
	lab_open_on(&lab, 2, false);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	batch.n = 0;
	for (unsigned i = 0; i < LAB_RING + 20; i++)
		add(&batch, lab_mac, 0x88b5, 60);
	emu_wire_memory_feed(lab.wire, batch.frames, batch.n, false);
	/* One descriptor of a ring is never given to the device. */
	while (lab_counter(&lab, "rx_no_descriptor") < 21) {
		assert_true(lab_now_ms() < until);
		usleep(10000);
	}
	assert_int_equal(lab_counter(&lab, "rx_no_descriptor"), 21);
	check_dropped(&lab, 0, 21);
	check_dropped(&lab, 1, 0);
	end(&lab);
}

/* One queue alone holds up what comes, in the device's buffer, until that is full. */
static void test_no_room(void **state)
{
	static struct batch batch;
	uint64_t until = lab_now_ms() + PATIENCE_MS;
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open_on(&lab, 1, false);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	batch.n = 0;
	for (unsigned i = 0; i < LAB_RING; i++)
		add(&batch, lab_mac, 0x88b5, 60);
	emu_wire_memory_feed(lab.wire, batch.frames, batch.n, true);
	while (lab_counter(&lab, "rx_missed_packets") < 100) {
		assert_true(lab_now_ms() < until);
		usleep(10000);
	}
	emu_wire_memory_feed(lab.wire, NULL, 0, false);
	assert_int_equal(pl_nic_start(lab.nic, &err), 0); /* which forgets none */
	check_dropped(&lab, 0, lab_counter(&lab, "rx_missed_packets"));
	end(&lab);
}

/* Lower halves wrap; upper halves are read with them. */
static uint64_t told;

static bool tell(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	(void)spy;
	if (write || (offset != 0x04088 && offset != 0x0408c))
		return false;
	*value = offset == 0x04088 ? (uint32_t)told : (uint32_t)(told >> 32) & 0xf;
	if (offset == 0x0408c)
		told = 0; /* 8.2.3.23: cleared by reading the upper half */
	return true;
}

static void test_counter_pairs(void **state)
{
	struct pl_nic_link link;
	struct nic_lab lab;

	(void)state;
	start(&lab, 1);
	lab.spy.instead = tell;
	told = 0xfffffffffull; /* all of its 36 bits */
	assert_int_equal(lab_counter(&lab, "rx_bytes"), 0xfffffffffull);
	told = 1;
	assert_int_equal(lab_counter(&lab, "rx_bytes"), 0x1000000000ull);
	told = 0x123456789ull;
	assert_int_equal(lab_counter(&lab, "rx_bytes"), 0x1123456789ull);
	/* They stay at their end. Whoever looks at the link now and then has none get there. */
	told = 0xf00000000ull;
	assert_int_equal(pl_nic_link(lab.nic, &link), 0);
	assert_int_equal(told, 0);
	told = 0xf00000000ull;
	assert_int_equal(lab_counter(&lab, "rx_bytes"), 0x2f23456789ull);
	lab.spy.instead = NULL;
	end(&lab);
}

/* ---- interrupts ---- */

static bool arm(struct nic_lab *lab)
{
	return lab->queues[0]->ops->arm(lab->queues[0]);
}

/* The device has taken note of what is cleared, which only a read tells, before the ring is looked at. */
static void check_cleared(const struct nic_lab *lab, unsigned from)
{
	const struct access *log = lab->spy.log + from;

	assert_int_equal(lab->spy.n_log - from, 3);
	assert_true(log[0].write && log[0].value == 1);
	assert_int_equal(log[0].offset, lab_model == EMU_82599 ? 0x00800 : 0x01580);
	assert_false(log[1].write);
	assert_true(log[2].write && log[2].value == 1);
	assert_int_equal(log[2].offset, lab_model == EMU_82599 ? 0x00880 : 0x01524);
}

static void test_arm(void **state)
{
	static struct batch batch;
	struct got got;
	struct nic_lab lab;

	(void)state;
	start(&lab, 1);
	for (unsigned turn = 0; turn < 20; turn++) {
		uint64_t until = lab_now_ms() + PATIENCE_MS;
		unsigned before = lab.spy.n_log;
		uint64_t count;

		assert_true(arm(&lab));
		check_cleared(&lab, before);
		batch.n = 0;
		add(&batch, lab_mac, 0x88b5, 60);
		emu_wire_memory_feed(lab.wire, batch.frames, batch.n, false);
		while (read(lab.queues[0]->event_fd, &count, sizeof(count)) < 0)
			assert_true(lab_now_ms() < until);
		/* Something is there: no sleep until it has been taken. */
		assert_false(arm(&lab));
		memset(&got, 0, sizeof(got));
		take(&lab, 0, &got);
		assert_int_equal(got.n, 1);
		/* What interrupted is masked. */
		assert_int_equal(read(lab.queues[0]->event_fd, &count, sizeof(count)), -1);
	}
	end(&lab);
}

/* ---- gone and back ---- */

/* Faster than anybody looked: its registers answer, but all that start() has set up is lost. */
static void test_reset_unseen(void **state)
{
	struct pl_nic_link link;
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	start(&lab, 1);
	emu_inject(lab.device, EMU_FAULT_REMOVED, true);
	emu_inject(lab.device, EMU_FAULT_REMOVED, false);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pl_nic_link(lab.nic, &link), -ENODEV);
		assert_false(link.up);
	}
	assert_true(pl_nic_answers(lab.nic));
	if (pl_nic_start(lab.nic, &err))
		fail_msg("%s", err.what);
	lab_wait_link(&lab, true);
	end(&lab);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_rss),	cmocka_unit_test(test_counters),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_no_room), cmocka_unit_test(test_counter_pairs),
		cmocka_unit_test(test_arm),	cmocka_unit_test(test_reset_unseen),
	};

	if (argc > 1 && !strcmp(argv[1], "82576"))
		lab_model = EMU_82576;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
