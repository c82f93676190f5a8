/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane between in-memory ports: where packets go, that none is lost or leaked, and how its
 * thread starts, sleeps and stops. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <peerlane/plane.h>

#define N_FRAMES 3000u
#define FRAME_LEN 60u
#define N_PORTS 3u

/* The frames of the tests: byte 0 and 1 are the verdict wanted, bytes 4 to 7 a number. */
static uint8_t data[N_FRAMES][FRAME_LEN];
static struct pl_mem_frame list[N_FRAMES];

/* What a port sent. */
struct wire {
	uint32_t seq[N_FRAMES];
	uint32_t n;
};

struct bench {
	struct pl_plane plane;
	struct pl_immediate immediate;
	struct wire wire[N_PORTS];
	struct wire face[N_PORTS];
};

static void record(void *ctx, const uint8_t *frame, uint16_t len)
{
	struct wire *wire = ctx;

	assert_int_equal(len, FRAME_LEN);
	assert_true(wire->n < N_FRAMES);
	memcpy(&wire->seq[wire->n++], frame + 4, 4);
}

static void verdict_by_frame(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++) {
		assert_int_equal(burst->frame[i] % 16, 2);
		assert_int_equal(burst->len[i], FRAME_LEN);
		memcpy(&burst->verdict[i], burst->base + burst->frame[i], 2);
	}
}

static void frames_make(uint16_t (*verdict)(uint32_t seq))
{
	for (uint32_t seq = 0; seq < N_FRAMES; seq++) {
		uint16_t v = verdict(seq);

		memset(data[seq], (int)seq, FRAME_LEN);
		memcpy(data[seq], &v, 2);
		memcpy(data[seq] + 4, &seq, 4);
		list[seq] = (struct pl_mem_frame){data[seq], FRAME_LEN};
	}
}

static void bench_open(struct bench *b, bool loop)
{
	struct pl_error err;

	memset(b, 0, sizeof(*b));
	assert_int_equal(pl_pool_init(&b->plane.pool, 2048, 2048, &err), 0);
	b->plane.cpu = -1;
	b->plane.n_ports = N_PORTS;
	b->plane.processor = pl_immediate_processor(&b->immediate, verdict_by_frame, NULL);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct pl_plane_port *port = &b->plane.ports[i];

		port->wire = pl_mem_queue_new(&b->plane.pool, loop, record, &b->wire[i]);
		port->face = pl_mem_queue_new(&b->plane.pool, false, record, &b->face[i]);
		assert_non_null(port->wire);
		assert_non_null(port->face);
	}
}

static void bench_init(struct bench *b)
{
	struct pl_error err;

	assert_int_equal(pl_plane_init(&b->plane, &err), 0);
	pl_plane_enter();
}

static void bench_fini(struct bench *b)
{
	pl_plane_leave();
	pl_plane_fini(&b->plane);
}

static void bench_close(struct bench *b)
{
	assert_int_equal(b->plane.pool.n_free, b->plane.pool.n_bufs); /* none leaked */
	for (unsigned i = 0; i < N_PORTS; i++) {
		pl_queue_close(b->plane.ports[i].wire);
		pl_queue_close(b->plane.ports[i].face);
	}
	pl_pool_fini(&b->plane.pool);
}

/* Everything in `wire` is of the sort wanted, complete, and in order. */
static void expect_all(const struct wire *wire, uint16_t (*verdict)(uint32_t seq), uint16_t want)
{
	uint32_t n = 0;

	for (uint32_t seq = 0; seq < N_FRAMES; seq++)
		if (verdict(seq) == want)
			assert_int_equal(wire->seq[n++], seq);
	assert_int_equal(wire->n, n);
}

static uint16_t all_to_port_2(uint32_t seq)
{
	(void)seq;
	return PL_VERDICT(PL_VERDICT_TX, 2);
}

/* No pattern with a period that could match a burst's. */
static uint16_t mixed(uint32_t seq)
{
	switch (seq * 2654435761u >> 29) {
	case 0:
	case 1:
		return PL_VERDICT(PL_VERDICT_TX, 0);
	case 2:
		return PL_VERDICT(PL_VERDICT_TX, 1);
	case 3:
		return PL_VERDICT(PL_VERDICT_TX, 2);
	case 4:
		return PL_VERDICT(PL_VERDICT_PUNT, 5);
	case 5:
		return PL_VERDICT(PL_VERDICT_DROP, 9);
	case 6:
		return PL_VERDICT(PL_VERDICT_TX, 17); /* no such port */
	default:
		return PL_VERDICT(4, 1); /* no such verdict */
	}
}

static void run_dry(struct bench *b)
{
	while (pl_plane_turn(&b->plane))
		;
}

static void test_one_way_out(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b, false);
	bench_init(&b);
	frames_make(all_to_port_2);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	/* No more than a full burst per queue and turn. */
	assert_int_equal(pl_plane_turn(&b.plane), PL_BURST_MAX);
	run_dry(&b);
	expect_all(&b.wire[2], all_to_port_2, PL_VERDICT(PL_VERDICT_TX, 2));
	assert_int_equal(pl_stat_read(&b.plane.ports[0].wire->stats.rx_packets), N_FRAMES);
	assert_int_equal(pl_stat_read(&b.plane.ports[2].wire->stats.tx_bytes),
			 N_FRAMES * FRAME_LEN);
	assert_int_equal(pl_stat_read(&b.plane.stats.turns), 4);
	assert_int_equal(pl_stat_read(&b.plane.stats.working_turns), 3);
	bench_fini(&b);
	bench_close(&b);
}

static uint32_t count(uint16_t (*verdict)(uint32_t seq), uint16_t want)
{
	uint32_t n = 0;

	for (uint32_t seq = 0; seq < N_FRAMES; seq++)
		n += verdict(seq) == want;
	return n;
}

static void test_sorts_by_verdict(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b, false);
	bench_init(&b);
	frames_make(mixed);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[1].wire, list, N_FRAMES), 0);
	run_dry(&b);
	for (unsigned i = 0; i < N_PORTS; i++)
		expect_all(&b.wire[i], mixed, PL_VERDICT(PL_VERDICT_TX, i));
	/* Punts go to the face of the port they came in on. */
	expect_all(&b.face[1], mixed, PL_VERDICT(PL_VERDICT_PUNT, 5));
	assert_int_equal(b.face[0].n + b.face[2].n, 0);
	assert_int_equal(pl_stat_read(&b.plane.stats.punt[5]),
			 count(mixed, PL_VERDICT(PL_VERDICT_PUNT, 5)));
	assert_int_equal(pl_stat_read(&b.plane.stats.drop[9]),
			 count(mixed, PL_VERDICT(PL_VERDICT_DROP, 9)));
	assert_int_equal(pl_stat_read(&b.plane.stats.bad_port),
			 count(mixed, PL_VERDICT(PL_VERDICT_TX, 17)) +
				 count(mixed, PL_VERDICT(4, 1)));
	bench_fini(&b);
	bench_close(&b);
}

static uint16_t all_odd;
static uint16_t all_alike(uint32_t seq)
{
	(void)seq;
	return all_odd;
}

/* Whole bursts of each verdict take a shorter way: the same must come of it. */
static void test_bursts_of_one_verdict(void **state)
{
	static const struct {
		uint16_t verdict;
		unsigned punt, drop, bad; /* whether all are counted there */
	} cases[] = {
		{PL_VERDICT(PL_VERDICT_PUNT, 63), 1, 0, 0},
		{PL_VERDICT(PL_VERDICT_DROP, 63), 0, 1, 0},
		{PL_VERDICT(PL_VERDICT_PUNT, 64), 0, 0, 1}, /* no such reason */
		{PL_VERDICT(PL_VERDICT_DROP, 255), 0, 0, 1},
		{PL_VERDICT(PL_VERDICT_TX, N_PORTS), 0, 0, 1},
		{0xffff, 0, 0, 1},
	};
	static struct bench b;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		all_odd = cases[i].verdict;
		bench_open(&b, false);
		bench_init(&b);
		frames_make(all_alike);
		assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
		run_dry(&b);
		assert_int_equal(pl_stat_read(&b.plane.stats.punt[63]), cases[i].punt * N_FRAMES);
		assert_int_equal(pl_stat_read(&b.plane.stats.drop[63]), cases[i].drop * N_FRAMES);
		assert_int_equal(pl_stat_read(&b.plane.stats.bad_port), cases[i].bad * N_FRAMES);
		assert_int_equal(b.face[0].n, cases[i].punt * N_FRAMES);
		bench_fini(&b);
		bench_close(&b);
	}
}

static void test_faces_send_out_of_their_port(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b, false);
	bench_init(&b);
	frames_make(mixed); /* whose verdicts must not matter */
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[2].face, list, N_FRAMES), 0);
	run_dry(&b);
	assert_int_equal(b.wire[2].n, N_FRAMES);
	for (uint32_t seq = 0; seq < N_FRAMES; seq++)
		assert_int_equal(b.wire[2].seq[seq], seq);
	bench_fini(&b);
	bench_close(&b);
}

static void test_ports_that_are_not_there(void **state)
{
	static struct bench b;
	struct pl_queue *wire, *face;

	(void)state;
	bench_open(&b, false);
	wire = b.plane.ports[2].wire;
	face = b.plane.ports[0].face;
	b.plane.ports[2].wire = NULL;
	b.plane.ports[0].face = NULL;
	bench_init(&b);
	frames_make(mixed);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[2].face, list, 100), 0);
	run_dry(&b);
	expect_all(&b.wire[0], mixed, PL_VERDICT(PL_VERDICT_TX, 0));
	expect_all(&b.wire[1], mixed, PL_VERDICT(PL_VERDICT_TX, 1));
	assert_int_equal(b.wire[2].n, 0);
	assert_int_equal(pl_stat_read(&b.plane.stats.bad_port),
			 count(mixed, PL_VERDICT(PL_VERDICT_TX, 2)) +
				 count(mixed, PL_VERDICT(PL_VERDICT_TX, 17)) +
				 count(mixed, PL_VERDICT(4, 1)) +
				 count(mixed, PL_VERDICT(PL_VERDICT_PUNT, 5)) + 100);
	assert_int_equal(pl_stat_read(&b.plane.stats.punt[5]), 0);
	bench_fini(&b);
	b.plane.ports[2].wire = wire;
	b.plane.ports[0].face = face;
	bench_close(&b);
}

/* ---- a queue that transmits only when it is let, as a device with a full ring ---- */

struct slow_queue {
	struct pl_queue q;
	uint32_t held[64];
	unsigned n_held;
	bool open;
};

static unsigned slow_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	(void)q, (void)frame, (void)len, (void)max;
	return 0;
}

static void slow_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	struct slow_queue *slow = (struct slow_queue *)q;
	unsigned fit = 64 - slow->n_held < n ? 64 - slow->n_held : n;

	(void)len;
	pl_pool_move(q->pool, frame, fit, PL_OWNER_BURST, PL_OWNER_TX_RING);
	memcpy(slow->held + slow->n_held, frame, fit * sizeof(frame[0]));
	slow->n_held += fit;
	pl_pool_put(q->pool, frame + fit, n - fit, PL_OWNER_BURST);
	pl_stat_add(&q->stats.tx_packets, fit);
	pl_stat_add(&q->stats.tx_dropped, n - fit);
}

static bool slow_flush(struct pl_queue *q)
{
	struct slow_queue *slow = (struct slow_queue *)q;

	if (slow->open) {
		pl_pool_put(q->pool, slow->held, slow->n_held, PL_OWNER_TX_RING);
		slow->n_held = 0;
	}
	return slow->n_held > 0;
}

static const struct pl_queue_ops slow_ops = {.rx = slow_rx, .tx = slow_tx, .flush = slow_flush};

static void test_full_tx_ring(void **state)
{
	static struct bench b;
	struct slow_queue slow = {.q = {.ops = &slow_ops, .event_fd = -1}};
	struct pl_queue *wire;

	(void)state;
	bench_open(&b, false);
	wire = b.plane.ports[2].wire;
	slow.q.pool = &b.plane.pool;
	b.plane.ports[2].wire = &slow.q;
	bench_init(&b);
	frames_make(mixed);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	run_dry(&b);
	/* The others are none the worse for it, and what did not fit is accounted for. */
	expect_all(&b.wire[0], mixed, PL_VERDICT(PL_VERDICT_TX, 0));
	expect_all(&b.wire[1], mixed, PL_VERDICT(PL_VERDICT_TX, 1));
	assert_int_equal(pl_stat_read(&slow.q.stats.tx_packets), 64);
	assert_int_equal(pl_stat_read(&slow.q.stats.tx_dropped),
			 count(mixed, PL_VERDICT(PL_VERDICT_TX, 2)) - 64);
	assert_int_equal(b.plane.pool.n_free, b.plane.pool.n_bufs - 64);
	slow.open = true;
	pl_plane_turn(&b.plane);
	bench_fini(&b);
	b.plane.ports[2].wire = wire;
	bench_close(&b);
}

static void test_pool_runs_dry(void **state)
{
	static struct bench b;
	uint32_t kept[2048];

	(void)state;
	bench_open(&b, false);
	bench_init(&b);
	frames_make(all_to_port_2);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	assert_int_equal(pl_pool_get(&b.plane.pool, kept, 2048, PL_OWNER_BURST), 2048);
	assert_int_equal(pl_plane_turn(&b.plane), 0);
	assert_int_equal(pl_stat_read(&b.plane.ports[0].wire->stats.rx_nobuf), 1);
	pl_pool_put(&b.plane.pool, kept, 2048, PL_OWNER_BURST);
	run_dry(&b);
	expect_all(&b.wire[2], all_to_port_2, PL_VERDICT(PL_VERDICT_TX, 2));
	bench_fini(&b);
	bench_close(&b);
}

static void test_frames_of_all_lengths(void **state)
{
	static uint8_t frame[1790];
	struct pl_mem_frame one = {frame, sizeof(frame)};
	struct pl_error err;
	struct pl_pool pool;
	struct pl_queue *q;

	(void)state;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 31);
	assert_int_equal(pl_pool_init(&pool, 64, 2048, &err), 0);
	q = pl_mem_queue_new(&pool, true, NULL, NULL);
	for (uint16_t len = 1; len <= sizeof(frame); len++) {
		uint32_t frames[64];
		uint16_t lens[64];

		one.len = len;
		assert_int_equal(pl_mem_queue_feed(q, &one, 1), 0);
		assert_int_equal(pl_queue_rx(q, frames, lens, 64), 64);
		for (unsigned i = 0; i < 64; i++) {
			assert_int_equal(lens[i], len);
			assert_int_equal(frames[i] % 16, 2);
			assert_int_equal(frames[i] / 2048, (frames[i] + len - 1) / 2048);
			assert_memory_equal(pl_pool_data(&pool, frames[i]), frame, len);
		}
		pl_queue_tx(q, frames, lens, 64);
	}
	one.len = 1791;
	assert_int_equal(pl_mem_queue_feed(q, &one, 1), -EMSGSIZE);
	pl_queue_close(q);
	pl_pool_fini(&pool);
}

/* ---- the thread ---- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Waits up to 30 s for a counter to reach `least`. */
static void await(const pl_stat *stat, uint64_t least)
{
	double until = seconds() + 30;

	while (pl_stat_read(stat) < least) {
		if (seconds() > until)
			fail_msg("waited in vain for a counter to reach %lu", least);
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
}

static void start(struct bench *b)
{
	struct pl_error err;

	if (pl_plane_start(&b->plane, &err))
		fail_msg("%s", err.what);
}

static void test_thread_forwards_sleeps_and_wakes(void **state)
{
	static struct bench b;
	struct pl_error err;

	(void)state;
	bench_open(&b, false);
	frames_make(all_to_port_2);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	start(&b);
	assert_int_equal(pl_plane_start(&b.plane, &err), -EALREADY);
	await(&b.plane.ports[2].wire->stats.tx_packets, N_FRAMES);
	await(&b.plane.stats.sleeps, 1);
	/* While it sleeps it holds up no writer, and stops at once. */
	pl_plane_synchronize();
	pl_plane_stop(&b.plane);
	expect_all(&b.wire[2], all_to_port_2, PL_VERDICT(PL_VERDICT_TX, 2));
	/* Frames that are there before it starts, or while it sleeps, wake it alike. */
	b.wire[2].n = 0;
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	start(&b);
	await(&b.plane.ports[2].wire->stats.tx_packets, 2 * N_FRAMES);
	pl_plane_stop(&b.plane);
	expect_all(&b.wire[2], all_to_port_2, PL_VERDICT(PL_VERDICT_TX, 2));
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

static void test_stops_quickly_while_asleep(void **state)
{
	static struct bench b;
	struct pl_error err;
	double best = 60;

	(void)state;
	bench_open(&b, false);
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	/* Others may have the processors meanwhile: the quickest of some times counts. */
	for (unsigned i = 0; i < 10; i++) {
		uint64_t sleeps = pl_stat_read(&b.plane.stats.sleeps);
		double before;

		start(&b);
		await(&b.plane.stats.sleeps, sleeps + 1);
		before = seconds();
		pl_plane_stop(&b.plane);
		if (seconds() - before < best)
			best = seconds() - before;
	}
	assert_true(best < 0.1);
	pl_plane_stop(&b.plane); /* one that does not run */
	pl_plane_fini(&b.plane);
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

static void test_busy_poll_never_sleeps(void **state)
{
	static struct bench b;
	struct pl_error err;

	(void)state;
	bench_open(&b, false);
	b.plane.busy_poll = true;
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	start(&b);
	await(&b.plane.stats.turns, 10000);
	pl_plane_synchronize(); /* it passes quiescent states all the same */
	/* Without a packet, too, its CPU time is kept up to date. */
	await(&b.plane.stats.cpu_ns, 1);
	await(&b.plane.stats.cpu_ns, pl_stat_read(&b.plane.stats.cpu_ns) + 1);
	pl_plane_stop(&b.plane);
	assert_int_equal(pl_stat_read(&b.plane.stats.sleeps), 0);
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

static void count_only(void *ctx, const uint8_t *frame, uint16_t len)
{
	(void)ctx, (void)frame, (void)len;
}

static void test_start_and_stop_1000_times(void **state)
{
	static struct bench b;
	struct pl_error err;

	(void)state;
	bench_open(&b, false);
	for (unsigned i = 0; i < N_PORTS; i++)
		pl_queue_close(b.plane.ports[i].wire);
	frames_make(mixed);
	for (unsigned i = 0; i < N_PORTS; i++)
		b.plane.ports[i].wire = pl_mem_queue_new(&b.plane.pool, true, count_only, NULL);
	b.face[0].n = 0;
	pl_queue_close(b.plane.ports[0].face);
	b.plane.ports[0].face = pl_mem_queue_new(&b.plane.pool, false, count_only, NULL);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	for (unsigned i = 0; i < 1000; i++) {
		start(&b);
		if (i % 100 == 0)
			await(&b.plane.stats.working_turns, i / 100 + 1);
		pl_plane_stop(&b.plane);
		assert_int_equal(b.plane.pool.n_free, b.plane.pool.n_bufs);
	}
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

static uint16_t all_dropped(uint32_t seq)
{
	(void)seq;
	return PL_VERDICT(PL_VERDICT_DROP, 9);
}

/* The number of turns when it was called, and whose thread that was. */
struct call {
	uint64_t turns;
	pthread_t thread;
	unsigned calls;
};

static void note_call(struct pl_plane *plane, void *ctx)
{
	struct call *call = ctx;

	call->turns = pl_stat_read(&plane->stats.turns);
	call->thread = pthread_self();
	call->calls++;
}

/* Of a plane that is busy, asleep, about to sleep, or not there: each call is made once, between two
 * turns, and on the plane's thread if it has one. */
static void test_run_between_turns(void **state)
{
	static struct bench b;
	struct pl_error err;
	struct call call = {0};

	(void)state;
	bench_open(&b, true);	  /* frames without end: never asleep */
	frames_make(all_dropped); /* the recorder does not hold them all */
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	pl_plane_run(&b.plane, note_call, &call);
	assert_true(pthread_equal(call.thread, pthread_self()));
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	for (unsigned busy = 0; busy < 2; busy++) {
		if (!busy)
			assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, 0), 0);
		else
			assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES),
					 0);
		call.calls = 0;
		start(&b);
		for (unsigned i = 1; i <= 2000; i++) {
			pl_plane_run(&b.plane, note_call, &call);
			assert_int_equal(call.calls, i);
			assert_false(pthread_equal(call.thread, pthread_self()));
			if (i % 100 == 0) /* let it fall asleep */
				usleep(500);
		}
		pl_plane_stop(&b.plane);
	}
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

/* In the place of libc's: who writes may be kept from it for a while. */
static bool write_late;

int eventfd_write(int fd, eventfd_t value)
{
	if (write_late)
		usleep(500);
	return write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

/* What wakes a plane up for a call must not keep it awake afterwards, nor if the plane was awake. */
static void test_sleeps_on_after_calls(void **state)
{
	static struct bench b;
	struct pl_error err;
	struct call call = {0};

	(void)state;
	bench_open(&b, false);
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	for (unsigned round = 0; round < 20; round++) {
		uint64_t before;

		write_late = true;
		start(&b);
		pl_plane_run(&b.plane, note_call, &call); /* finds it awake or about to sleep */
		write_late = false;
		usleep(1000);
		before = pl_stat_read(&b.plane.stats.sleeps);
		usleep(2000);
		assert_in_range(pl_stat_read(&b.plane.stats.sleeps) - before, 0, 10);
		pl_plane_stop(&b.plane);
	}
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

static void test_start_on_a_core_that_is_not_there(void **state)
{
	static struct bench b;
	struct pl_error err;

	(void)state;
	bench_open(&b, false);
	b.plane.cpu = 1023;
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	assert_int_equal(pl_plane_start(&b.plane, &err), -EINVAL);
	assert_non_null(strstr(err.what, "core 1023"));
	assert_non_null(strstr(err.remedy, "nproc"));
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

static void test_init_refuses(void **state)
{
	struct pl_plane plane = {.n_ports = PL_PORTS_MAX + 1};
	struct pl_error err;

	(void)state;
	assert_int_equal(pl_plane_init(&plane, &err), -EINVAL);
	plane.n_ports = 0;
	assert_int_equal(pl_plane_init(&plane, &err), -EINVAL);
	assert_non_null(strstr(err.what, "no processor"));
	pl_plane_fini(&plane);
}

/* ---- publication: what a plane sees of tables that change ---- */

struct table {
	uint64_t a, b; /* equal, as long as nobody frees it under the reader */
};

static struct table *_Atomic published;

static void read_table(void *ctx, struct pl_burst *burst)
{
	/* Acquire: pairs with the release in test_writer_waits_for_readers(). */
	const struct table *table = atomic_load_explicit(&published, memory_order_acquire);

	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = table->a == table->b ? PL_VERDICT(PL_VERDICT_DROP, 0)
							 : PL_VERDICT(PL_VERDICT_DROP, 1);
}

static void test_writer_waits_for_readers(void **state)
{
	static struct bench b;
	struct pl_error err;
	struct table *old, *new = calloc(1, sizeof(*new));

	(void)state;
	assert_non_null(new);
	atomic_store_explicit(&published, new, memory_order_release);
	bench_open(&b, true);
	frames_make(mixed);
	b.plane.processor = pl_immediate_processor(&b.immediate, read_table, NULL);
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[0].wire, list, N_FRAMES), 0);
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
	start(&b);
	await(&b.plane.stats.working_turns, 1);
	for (uint64_t i = 1; i <= 500; i++) {
		old = atomic_load_explicit(&published, memory_order_relaxed);
		new = malloc(sizeof(*new));
		assert_non_null(new);
		new->a = new->b = i;
		/* Release: the table is complete when the plane sees it. */
		atomic_store_explicit(&published, new, memory_order_release);
		pl_plane_synchronize();
		old->a = ~i; /* seen by nobody any more */
		free(old);
	}
	pl_plane_stop(&b.plane);
	assert_true(pl_stat_read(&b.plane.stats.drop[0]) > 0);
	assert_int_equal(pl_stat_read(&b.plane.stats.drop[1]), 0);
	free(atomic_load_explicit(&published, memory_order_relaxed));
	pl_plane_fini(&b.plane);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_way_out),
		cmocka_unit_test(test_sorts_by_verdict),
		cmocka_unit_test(test_bursts_of_one_verdict),
		cmocka_unit_test(test_faces_send_out_of_their_port),
		cmocka_unit_test(test_ports_that_are_not_there),
		cmocka_unit_test(test_full_tx_ring),
		cmocka_unit_test(test_pool_runs_dry),
		cmocka_unit_test(test_frames_of_all_lengths),
		cmocka_unit_test(test_thread_forwards_sleeps_and_wakes),
		cmocka_unit_test(test_stops_quickly_while_asleep),
		cmocka_unit_test(test_busy_poll_never_sleeps),
		cmocka_unit_test(test_start_and_stop_1000_times),
		cmocka_unit_test(test_run_between_turns),
		cmocka_unit_test(test_sleeps_on_after_calls),
		cmocka_unit_test(test_start_on_a_core_that_is_not_there),
		cmocka_unit_test(test_init_refuses),
		cmocka_unit_test(test_writer_waits_for_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
