/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane whose processor takes bursts and gives them back later: what it does while they are under way.
 * The processor here is told by the test, or by a thread that stands in for a device, what is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <peerlane/plane.h>

#define N_PORTS 3u
#define N_FRAMES 3000u
#define FRAME_LEN 60u
#define SLOTS_MAX 8u
#define POOL_BUFS 8192u

/* The frames: bytes 0 and 1 the verdict wanted, 4 to 7 a number. */
static uint8_t data[N_PORTS][N_FRAMES][FRAME_LEN];
static struct pl_mem_frame list[N_PORTS][N_FRAMES];

struct processor {
	struct pl_burst slots[SLOTS_MAX];
	unsigned n_slots, burst_packets;
	uint64_t submitted, completed;
	_Atomic uint64_t posted, done; /* bursts: what a device knows and says */

	/* Bursts are given up, as by a processor whose device hangs: with this verdict. */
	_Atomic uint16_t given_up;
	struct pl_burst lost;
	struct pl_holder holder;
	uint32_t kept[POOL_BUFS];
	uint32_t n_kept;
};

/* What a port sent: numbers, by the port that they came in on. */
struct wire {
	uint32_t seq[N_PORTS][N_FRAMES];
	uint32_t n[N_PORTS];
};

static struct bench {
	struct pl_plane plane;
	struct processor processor;
	struct wire wire[N_PORTS];
} b;

static void record(void *ctx, const uint8_t *frame, uint16_t len)
{
	struct wire *wire = ctx;
	unsigned from = frame[8];

	(void)len;
	memcpy(&wire->seq[from][wire->n[from]++ % N_FRAMES], frame + 4, 4);
}

static struct pl_burst *next(void *ctx)
{
	struct processor *p = ctx;

	return p->submitted - p->completed < p->n_slots ? &p->slots[p->submitted % p->n_slots]
							: NULL;
}

static void submit(void *ctx, struct pl_burst *burst)
{
	struct processor *p = ctx;

	assert_ptr_equal(burst, next(p));
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = 0xffff; /* none yet */
	/* Release: pairs with the device's load. */
	atomic_store_explicit(&p->posted, ++p->submitted, memory_order_release);
}

/* What the device does to a burst. */
static void decide(struct pl_burst *burst)
{
	for (uint32_t i = 0; i < burst->n; i++)
		memcpy(&burst->verdict[i], burst->base + burst->frame[i], 2);
}

static struct pl_burst *give_up(struct processor *p, const struct pl_burst *burst, uint16_t verdict)
{
	p->lost.n = burst->n;
	p->lost.port = burst->port;
	for (uint32_t i = 0; i < burst->n; i++) {
		p->lost.frame[i] = burst->frame[i];
		p->lost.verdict[i] = verdict;
		if (PL_VERDICT_KIND(verdict) == PL_VERDICT_KEEP)
			p->kept[p->n_kept++] = burst->frame[i];
	}
	return &p->lost;
}

static struct pl_burst *complete(void *ctx)
{
	struct processor *p = ctx;
	struct pl_burst *burst = &p->slots[p->completed % p->n_slots];
	uint16_t given_up;

	if (p->completed == p->submitted)
		return NULL;
	/* Acquire: pairs with the device's store. */
	if (p->completed < atomic_load_explicit(&p->done, memory_order_acquire)) {
		p->completed++;
		return burst;
	}
	/* Relaxed: a wish. */
	given_up = atomic_load_explicit(&p->given_up, memory_order_relaxed);
	if (!given_up)
		return NULL;
	p->completed++;
	return give_up(p, burst, given_up);
}

/* The test as the device: has what is submitted done, up to `n` bursts more. */
static void finish(unsigned n)
{
	struct processor *p = &b.processor;

	while (n-- && p->done < p->posted) {
		decide(&p->slots[p->done % p->n_slots]);
		p->done++;
	}
}

static void each_kept(struct pl_holder *holder, void (*fn)(void *ctx, uint32_t frame), void *ctx)
{
	struct processor *p = (void *)((char *)holder - offsetof(struct processor, holder));

	for (uint32_t i = 0; i < p->n_kept; i++)
		fn(ctx, p->kept[i]);
}

static void frames_make(uint16_t verdict)
{
	for (unsigned port = 0; port < N_PORTS; port++)
		for (uint32_t seq = 0; seq < N_FRAMES; seq++) {
			uint8_t *frame = data[port][seq];

			memset(frame, 0, FRAME_LEN);
			memcpy(frame, &verdict, 2);
			memcpy(frame + 4, &seq, 4);
			frame[8] = (uint8_t)port;
			list[port][seq] = (struct pl_mem_frame){frame, FRAME_LEN};
		}
}

static void feed(unsigned port, uint32_t n)
{
	assert_int_equal(pl_mem_queue_feed(b.plane.ports[port].wire, list[port], n), 0);
}

static void bench_open(unsigned n_slots, unsigned burst_packets, bool loop)
{
	struct pl_error err;

	memset(&b, 0, sizeof(b));
	assert_int_equal(pl_pool_init(&b.plane.pool, POOL_BUFS, 2048, &err), 0);
	b.processor.n_slots = n_slots;
	b.processor.burst_packets = burst_packets;
	b.processor.holder.each_held = each_kept;
	pl_pool_join(&b.plane.pool, &b.processor.holder);
	b.plane.cpu = -1;
	b.plane.n_ports = N_PORTS;
	b.plane.processor = (struct pl_processor){.next = next,
						  .submit = submit,
						  .complete = complete,
						  .burst_packets = &b.processor.burst_packets,
						  .ctx = &b.processor};
	for (unsigned i = 0; i < N_PORTS; i++) {
		b.plane.ports[i].wire = pl_mem_queue_new(&b.plane.pool, loop, record, &b.wire[i]);
		b.plane.ports[i].face = pl_mem_queue_new(&b.plane.pool, false, NULL, NULL);
		assert_non_null(b.plane.ports[i].wire);
		assert_non_null(b.plane.ports[i].face);
	}
	assert_int_equal(pl_plane_init(&b.plane, &err), 0);
}

static void bench_close(void)
{
	pl_plane_fini(&b.plane);
	assert_int_equal(b.plane.pool.n_free, b.plane.pool.n_bufs); /* none leaked */
	for (unsigned i = 0; i < N_PORTS; i++) {
		pl_queue_close(b.plane.ports[i].wire);
		pl_queue_close(b.plane.ports[i].face);
	}
	pl_pool_part(&b.plane.pool, &b.processor.holder);
	assert_null(b.plane.pool.holders);
	pl_pool_fini(&b.plane.pool);
}

static void expect_in_order(const struct wire *wire, unsigned from, uint32_t first, uint32_t n)
{
	assert_int_equal(wire->n[from], n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(wire->seq[from][i], first + i);
}

/* ---- turns ---- */

static void test_hands_on_what_is_done_in_order(void **state)
{
	(void)state;
	bench_open(4, 100, false);
	frames_make(PL_VERDICT(PL_VERDICT_TX, 2));
	pl_plane_enter();
	feed(0, 600);
	/* As many bursts as there are slots; of none of them anything goes out. */
	assert_int_equal(pl_plane_turn(&b.plane), 400);
	assert_int_equal(pl_plane_turn(&b.plane), 0);
	assert_int_equal(b.wire[2].n[0], 0);
	assert_int_equal(pl_stat_read(&b.plane.stats.working_turns), 1);
	assert_int_equal(pl_stat_read(&b.plane.stats.pool_free), POOL_BUFS - 400);
	/* Each that is done makes room for one more. */
	finish(1);
	assert_int_equal(pl_plane_turn(&b.plane), 100);
	expect_in_order(&b.wire[2], 0, 0, 100);
	finish(4);
	assert_int_equal(pl_plane_turn(&b.plane), 100);
	expect_in_order(&b.wire[2], 0, 0, 500);
	/* A turn that only hands on has worked, too, and says that it has taken nothing. */
	finish(1);
	assert_int_equal(pl_plane_turn(&b.plane), 0);
	expect_in_order(&b.wire[2], 0, 0, 600);
	assert_int_equal(pl_stat_read(&b.plane.stats.working_turns), 4);
	assert_int_equal(pl_stat_read(&b.plane.stats.pool_free), POOL_BUFS);
	pl_plane_drain(&b.plane); /* nothing to do */
	/* Bursts are as large as the processor has them now. */
	b.processor.burst_packets = 50;
	feed(1, 120);
	assert_int_equal(pl_plane_turn(&b.plane), 120);
	assert_int_equal(b.processor.submitted, 9);
	finish(3);
	assert_int_equal(pl_plane_turn(&b.plane), 0);
	expect_in_order(&b.wire[2], 1, 0, 120);
	pl_plane_leave();
	bench_close();
}

/* However few slots there are, ports that have packets take their turns. */
static void test_no_port_is_left_out(void **state)
{
	(void)state;
	for (unsigned n_slots = 1; n_slots <= 5; n_slots++) {
		uint32_t least = UINT32_MAX, most = 0;

		bench_open(n_slots, PL_BURST_MAX, true);
		frames_make(PL_VERDICT(PL_VERDICT_TX, 0));
		pl_plane_enter();
		for (unsigned i = 0; i < N_PORTS; i++)
			feed(i, N_FRAMES);
		for (unsigned turn = 0; turn < 100; turn++) {
			pl_plane_turn(&b.plane);
			finish(turn % n_slots + 1);
		}
		finish(n_slots);
		pl_plane_drain(&b.plane);
		for (unsigned i = 0; i < N_PORTS; i++) {
			uint32_t n = b.wire[0].n[i];

			least = n < least ? n : least;
			most = n > most ? n : most;
		}
		assert_true(least > 0);
		assert_true(most - least <= PL_BURST_MAX);
		pl_plane_leave();
		bench_close();
	}
}

/* A turn takes no more of a queue than a burst can be, whatever size the processor wants. */
static void test_takes_no_more_than_a_burst_at_once(void **state)
{
	(void)state;
	bench_open(SLOTS_MAX, 300, false);
	frames_make(PL_VERDICT(PL_VERDICT_TX, 1));
	pl_plane_enter();
	feed(0, N_FRAMES);
	assert_int_equal(pl_plane_turn(&b.plane), PL_BURST_MAX);
	finish(SLOTS_MAX);
	pl_plane_drain(&b.plane);
	expect_in_order(&b.wire[1], 0, 0, PL_BURST_MAX);
	pl_plane_leave();
	bench_close();
}

static void count(void *ctx, uint32_t frame)
{
	assert_int_equal(frame % 16, 2);
	++*(uint32_t *)ctx;
}

static void test_buffers_that_the_processor_keeps(void **state)
{
	struct pl_pool *pool = &b.plane.pool;
	uint32_t kept = 0;

	(void)state;
	bench_open(4, 100, false);
	frames_make(PL_VERDICT(PL_VERDICT_TX, 2));
	pl_plane_enter();
	feed(0, 300);
	assert_int_equal(pl_plane_turn(&b.plane), 300);
	finish(1);
	b.processor.given_up = PL_VERDICT(PL_VERDICT_KEEP, 7);
	pl_plane_drain(&b.plane);
	/* What is done is sent; the others are drops, whose buffers are not to be had. */
	expect_in_order(&b.wire[2], 0, 0, 100);
	assert_int_equal(pl_stat_read(&b.plane.stats.drop[7]), 200);
	assert_int_equal(pl_stat_read(&b.plane.stats.bad_port), 0);
	assert_int_equal(pool->n_free, POOL_BUFS - 200);
	for (struct pl_holder *holder = pool->holders; holder; holder = holder->next)
		holder->each_held(holder, count, &kept);
	assert_int_equal(kept, 200);
	pl_pool_put(pool, b.processor.kept, 200, PL_OWNER_PROCESSOR);
	/* Without need to keep them they are drops as any. */
	b.processor.given_up = PL_VERDICT(PL_VERDICT_DROP, 7);
	feed(1, 100);
	assert_int_equal(pl_plane_turn(&b.plane), 100);
	pl_plane_drain(&b.plane);
	assert_int_equal(pl_stat_read(&b.plane.stats.drop[7]), 300);
	pl_plane_leave();
	bench_close();
}

/* ---- the thread ---- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void await(const pl_stat *stat, uint64_t least)
{
	double until = seconds() + 30;

	while (pl_stat_read(stat) < least) {
		if (seconds() > until)
			fail_msg("waited in vain for a counter to reach %lu", least);
		usleep(100);
	}
}

static void start(void)
{
	struct pl_error err;

	if (pl_plane_start(&b.plane, &err))
		fail_msg("%s", err.what);
}

/* Has all that was posted done, as a device of its own thread would, while the plane runs. */
static void finish_posted(void)
{
	struct processor *p = &b.processor;
	/* Acquire: what was submitted is seen. Release: with its verdicts. */
	uint64_t posted = atomic_load_explicit(&p->posted, memory_order_acquire);

	for (uint64_t i = atomic_load_explicit(&p->done, memory_order_relaxed); i < posted; i++) {
		decide(&p->slots[i % p->n_slots]);
		atomic_store_explicit(&p->done, i + 1, memory_order_release);
	}
}

static void await_posted(uint64_t least)
{
	double until = seconds() + 30;

	while (atomic_load_explicit(&b.processor.posted, memory_order_relaxed) < least) {
		if (seconds() > until)
			fail_msg("waited in vain for a burst");
		usleep(100);
	}
}

static void test_does_not_sleep_before_they_are_back(void **state)
{
	uint64_t sleeps, turns;

	(void)state;
	bench_open(2, 256, false);
	frames_make(PL_VERDICT(PL_VERDICT_TX, 1));
	feed(0, 100);
	start();
	await_posted(1);
	sleeps = pl_stat_read(&b.plane.stats.sleeps);
	turns = pl_stat_read(&b.plane.stats.turns);
	await(&b.plane.stats.turns, turns + 1000); /* many times what would do without */
	assert_int_equal(pl_stat_read(&b.plane.stats.sleeps), sleeps);
	pl_plane_synchronize(); /* it holds up no writer */
	finish_posted();
	await(&b.plane.ports[1].wire->stats.tx_packets, 100);
	await(&b.plane.stats.sleeps, sleeps + 1);
	pl_plane_stop(&b.plane);
	bench_close();
}

/* Something that another thread asks of a plane with a burst under way. */
struct asked {
	void (*ask)(struct asked *asked);
	pthread_t thread;
	_Atomic bool answered;
	uint64_t sent; /* when it was called */
};

static void note_sent(struct pl_plane *plane, void *ctx)
{
	struct asked *asked = ctx;

	asked->sent = pl_stat_read(&plane->ports[1].wire->stats.tx_packets);
}

static void ask_run(struct asked *asked)
{
	pl_plane_run(&b.plane, note_sent, asked);
}

static void ask_stop(struct asked *asked)
{
	pl_plane_stop(&b.plane);
	note_sent(&b.plane, asked);
}

static void *asker(void *ctx)
{
	struct asked *asked = ctx;

	asked->ask(asked);
	asked->answered = true;
	return NULL;
}

/* In the C library's place. */
static _Atomic unsigned yields;

int sched_yield(void)
{
	yields++;
	return 0;
}

static void await_yields(unsigned least)
{
	double until = seconds() + 30;

	while (yields < least) {
		if (seconds() > until)
			fail_msg("waited in vain for the plane to yield");
		usleep(100);
	}
}

/* One that has to wait for a processor that may need its core lets go of that, in drains too; no other does. */
static void test_yields_the_core_that_it_shares(void **state)
{
	(void)state;
	for (unsigned shares = 0; shares < 2; shares++) {
		struct asked run = {.ask = ask_run};
		uint64_t turns;

		bench_open(2, 256, false);
		b.plane.processor.shares_cores = shares;
		frames_make(PL_VERDICT(PL_VERDICT_TX, 1));
		yields = 0;
		start();
		await(&b.plane.stats.sleeps, 1);
		assert_int_equal(yields, 0); /* nothing to wait for */
		pl_plane_stop(&b.plane);
		feed(0, 100);
		start();
		await_posted(1);
		turns = pl_stat_read(&b.plane.stats.turns);
		await(&b.plane.stats.turns, turns + 1000);
		assert_true(shares ? yields > 900 : yields == 0);
		assert_int_equal(pthread_create(&run.thread, NULL, asker, &run), 0);
		usleep(20000); /* it drains */
		yields = 0;
		usleep(20000);
		if (shares)
			await_yields(1);
		else
			assert_int_equal(yields, 0);
		finish_posted();
		pthread_join(run.thread, NULL);
		pl_plane_stop(&b.plane);
		bench_close();
	}
}

/* Neither is done before the burst has come back and gone out; and it takes no more meanwhile. */
static void test_run_and_stop_wait(void **state)
{
	void (*const asks[])(struct asked * asked) = {ask_run, ask_stop};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct asked asked = {.ask = asks[i]};
		uint64_t posted;

		bench_open(4, 100, true);
		frames_make(PL_VERDICT(PL_VERDICT_TX, 1));
		feed(0, N_FRAMES);
		start();
		await_posted(1);
		assert_int_equal(pthread_create(&asked.thread, NULL, asker, &asked), 0);
		usleep(20000);
		assert_false(asked.answered);
		posted = atomic_load_explicit(&b.processor.posted, memory_order_relaxed);
		finish_posted();
		while (!asked.answered)
			finish_posted(); /* submitted before it saw the wish */
		pthread_join(asked.thread, NULL);
		assert_true(asked.sent >= 100 * posted);
		assert_int_equal(asked.sent % 100, 0);
		if (asks[i] == ask_run) {
			struct asked stop = {.ask = ask_stop};

			assert_int_equal(pthread_create(&stop.thread, NULL, asker, &stop), 0);
			while (!stop.answered)
				finish_posted();
			pthread_join(stop.thread, NULL);
		}
		/* All that was ever submitted is back. */
		assert_int_equal(b.processor.completed, b.processor.submitted);
		bench_close();
	}
}

/* A processor that gives up lets both go on, though it still has the buffers. */
static void test_run_and_stop_with_buffers_kept(void **state)
{
	struct asked asked = {0};

	(void)state;
	bench_open(4, 100, false);
	frames_make(PL_VERDICT(PL_VERDICT_TX, 1));
	feed(0, 100);
	start();
	await_posted(1);
	atomic_store_explicit(&b.processor.given_up, PL_VERDICT(PL_VERDICT_KEEP, 1),
			      memory_order_relaxed);
	pl_plane_run(&b.plane, note_sent, &asked);
	await(&b.plane.stats.drop[1], 100);
	await(&b.plane.stats.sleeps, 1); /* nor does it keep it awake */
	assert_int_equal(pl_stat_read(&b.plane.stats.pool_free), POOL_BUFS - 100);
	pl_plane_stop(&b.plane);
	assert_int_equal(b.processor.n_kept, 100);
	pl_pool_put(&b.plane.pool, b.processor.kept, 100, PL_OWNER_PROCESSOR);
	bench_close();
}

/* A device of its own thread: bursts take no time, or some. */
static _Atomic bool device_stops;

static void *device(void *ctx)
{
	unsigned random = 1;

	(void)ctx;
	while (!device_stops) {
		random = random * 1103515245 + 12345;
		if (random >> 28 == 0)
			usleep(random >> 20 & 127);
		finish_posted();
	}
	return NULL;
}

static void test_beside_a_device(void **state)
{
	pthread_t thread;
	uint64_t sent;

	(void)state;
	bench_open(4, 64, false);
	frames_make(PL_VERDICT(PL_VERDICT_TX, 1));
	device_stops = false;
	assert_int_equal(pthread_create(&thread, NULL, device, NULL), 0);
	for (unsigned round = 1; round <= 100; round++) {
		memset(b.wire, 0, sizeof(b.wire));
		feed(0, N_FRAMES);
		feed(2, N_FRAMES);
		sent = pl_stat_read(&b.plane.ports[1].wire->stats.tx_packets);
		start();
		if (round % 2) /* else it is stopped in the midst of it */
			await(&b.plane.ports[1].wire->stats.tx_packets, sent + 1000);
		pl_plane_stop(&b.plane);
		assert_int_equal(b.plane.pool.n_free, POOL_BUFS);
		expect_in_order(&b.wire[1], 0, 0, b.wire[1].n[0]);
		expect_in_order(&b.wire[1], 2, 0, b.wire[1].n[2]);
	}
	device_stops = true;
	pthread_join(thread, NULL);
	bench_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hands_on_what_is_done_in_order),
		cmocka_unit_test(test_no_port_is_left_out),
		cmocka_unit_test(test_takes_no_more_than_a_burst_at_once),
		cmocka_unit_test(test_buffers_that_the_processor_keeps),
		cmocka_unit_test(test_does_not_sleep_before_they_are_back),
		cmocka_unit_test(test_yields_the_core_that_it_shares),
		cmocka_unit_test(test_run_and_stop_wait),
		cmocka_unit_test(test_run_and_stop_with_buffers_kept),
		cmocka_unit_test(test_beside_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
