/* SPDX-License-Identifier: BSD-2-Clause */
/* Planes over the host accelerator: order within flows with many bursts under way, on the way to the CPU
 * and back, and with every fault; and that all packets are accounted for, one by one (lab_free()).
 *
 * With the argument "remote" the same with packets in memory that is the accelerator's alone. Then there is no way to
 * the CPU: packets wait, or are lost, and lab_free() sees to it that none has been the CPU's. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "offload_lab.h"

#define PACKETS 50000u /* for each wire that receives */
#define NEVER_MS 60000u
#define HANG_MS 1000u /* more than a busy machine keeps a thread from its core */

static bool bell_rang(struct lab *lab)
{
	eventfd_t ignored;

	return eventfd_read(lab->shared.bell_fd, &ignored) == 0;
}

/* Goes through all that is fed, and ends in good health. */
static void finish(struct lab *lab)
{
	lab_await(lab_all_arrived(lab));
	lab_stop(lab); /* waits for what is under way */
	lab_set(lab, PHASE_CPU);
	assert_int_equal(lab_close(lab, 10000), 0);
}

/* Returns whether each plane has had many bursts under way at a time: not if others have the processors so much that a
 * plane is slower than the device. */
static bool pass_with_many_under_way(enum pl_accel_launch launch)
{
	struct lab *lab = lab_new(launch, NEVER_MS, false);
	bool many = true;

	lab_open(lab);
	lab_set(lab, PHASE_ACCEL);
	lab_slow_us = 3000;
	lab_fault = LAB_SLOW; /* so that bursts pile up */
	lab_feed(lab, PACKETS);
	lab_start(lab);
	finish(lab);
	for (unsigned plane = 0; plane < LAB_PLANES; plane++)
		many &= lab->planes[plane].most_under_way >= 4;
	assert_int_equal(lab_sent(lab), 4 * PACKETS);
	assert_int_equal(LAB_SUM(lab, packets), 4 * PACKETS);
	assert_true(LAB_SUM(lab, bursts) >= 4 * PACKETS / PL_BURST_MAX);
	lab_free(lab);
	return many;
}

static void test_order_with_many_under_way(void **state)
{
	const enum pl_accel_launch launches[] = {PL_ACCEL_PERSISTENT, PL_ACCEL_BURST};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned tries = 20;

		while (!pass_with_many_under_way(launches[i]))
			assert_true(--tries > 0);
	}
}

/* What becomes of packets while there is no accelerator. */
static uint64_t without(struct lab *lab)
{
	return lab_remote ? LAB_SUM(lab, lost_packets) : LAB_SUM(lab, cpu_packets);
}

/* A device that says what no program says is not believed: the packet is dropped and counted, and its buffer is not
 * lost. lab_free() looks for every one of both. */
static void test_lies(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, NEVER_MS, true);
	uint64_t lost;

	(void)state;
	lab_open(lab);
	lab_set(lab, PHASE_ACCEL);
	lab_fault = LAB_LIES;
	lab_feed(lab, PACKETS);
	lab_start(lab);
	finish(lab);
	lost = lab_dropped(lab, REASON_ACCELERATOR);
	assert_true(lost >= 4 * PACKETS / 3);
	assert_int_equal(lab_sent(lab), 4 * PACKETS - lost);
	assert_int_equal(LAB_SUM(lab, packets), 4 * PACKETS - lost);
	lab_free(lab);
}

/* In good health nothing is lost on the way to the CPU and back, nor overtaken; but where packets are the
 * accelerator's, what has waited too long for it is dropped and counted, if others have the processors meanwhile. */
static void test_to_the_cpu_and_back(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, NEVER_MS, false);
	uint64_t fed = 0;

	(void)state;
	lab_open(lab);
	lab_start(lab);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before = LAB_SUM(lab, packets), cpu;

		lab_feed(lab, PACKETS / 5);
		fed += 4 * (PACKETS / 5);
		lab_set(lab, PHASE_ACCEL);
		lab_await(LAB_SUM(lab, packets) > before || lab_all_arrived(lab));
		lab_set(lab, PHASE_CPU);
		lab_await_detached(lab);
		cpu = LAB_SUM(lab, cpu_packets);
		if (!lab_remote)
			lab_await(LAB_SUM(lab, cpu_packets) > cpu || lab_all_arrived(lab));
	}
	lab_set(lab, PHASE_ACCEL);
	finish(lab);
	assert_int_equal(lab_sent(lab) + LAB_SUM(lab, lost_packets), fed);
	assert_true(lab_remote || LAB_SUM(lab, lost_packets) == 0);
	assert_true(LAB_SUM(lab, packets) > 0);
	assert_true(lab_remote || LAB_SUM(lab, cpu_packets) > 0);
	lab_free(lab);
}

static void nothing(struct pl_plane *plane, void *ctx)
{
	(void)plane, (void)ctx;
}

/* Buffers in the pool of a plane of which nothing is under way or kept. */
static uint64_t all_free(void)
{
	return lab_remote ? LAB_POOL_BUFS + LAB_HOST_BUFS - OFFLOAD_LENT_BUFS : LAB_POOL_BUFS;
}

/* All planes have found out that the accelerator hangs, and go on with the CPU. */
static void await_hang(struct lab *lab)
{
	uint64_t lost[LAB_PLANES], before;

	for (unsigned i = 0; i < LAB_PLANES; i++)
		lost[i] = pl_stat_read(&lab->planes[i].offload.lost_packets);
	lab_fault = LAB_HANGS;
	lab_feed(lab, PACKETS);
	for (unsigned i = 0; i < LAB_PLANES; i++)
		lab_await(pl_stat_read(&lab->planes[i].offload.lost_packets) > lost[i]);
	assert_int_equal(lab->shared.distrusted, lab->generation);
	assert_true(bell_rang(lab));
	before = without(lab);
	lab_feed(lab, PACKETS);
	lab_await(without(lab) > before);
	lab_await(lab_all_arrived(lab));
}

/* Its buffers stay out of use until it is known to be quiet: what it writes when it goes on after all would
 * be seen in packets that are sent, by a TTL that is one too small. */
static void test_hang(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, HANG_MS, false);

	(void)state;
	lab_open(lab);
	lab_start(lab);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t packets = LAB_SUM(lab, packets);

		lab_set(lab, PHASE_ACCEL);
		lab_feed(lab, PACKETS);
		lab_await(LAB_SUM(lab, packets) > packets);
		await_hang(lab);
		lab_await_detached(lab); /* by themselves */
		lab_set(lab, PHASE_FAULT);
		assert_int_equal(lab_close(lab, 1), -ETIMEDOUT);
		for (unsigned plane = 0; plane < LAB_PLANES; plane++) {
			/* Held, and they hold up nobody. */
			pl_plane_run(&lab->planes[plane].plane, nothing, NULL);
			assert_true(pl_stat_read(&lab->planes[plane].plane.stats.pool_free) <
				    all_free());
		}
		lab_feed(lab, PACKETS);
		lab_fault = LAB_NONE; /* it goes on with what it had */
		lab_await(lab_close(lab, 100) == 0);
		lab_feed(lab, 1);
		for (unsigned plane = 0; plane < LAB_PLANES; plane++)
			lab_await(pl_stat_read(&lab->planes[plane].plane.stats.pool_free) ==
				  all_free());
		lab_open(lab);
	}
	finish(lab);
	assert_int_equal(lab_dropped(lab, REASON_ACCELERATOR), LAB_SUM(lab, lost_packets));
	lab_free(lab);
}

/* The thread finds out first, and that it is quiet: what was under way is dropped, and nothing kept. */
static void test_ends_by_itself(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, NEVER_MS, false);
	struct pl_error err;

	(void)state;
	lab_open(lab);
	lab_start(lab);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t lost = LAB_SUM(lab, lost_packets), before;

		lab_set(lab, PHASE_ACCEL);
		lab_fault = LAB_ENDS;
		lab_feed(lab, PACKETS);
		lab_await(pl_accel_ended(lab->shared.accel, &err) < 0);
		lab_set(lab, PHASE_QUIET);
		lab_await_detached(lab);
		assert_true(LAB_SUM(lab, lost_packets) > lost);
		assert_int_equal(lab->shared.distrusted, 0);
		before = without(lab);
		lab_feed(lab, PACKETS);
		lab_await(without(lab) > before);
		lab_fault = LAB_NONE;
		assert_int_equal(lab_close(lab, 10000), 0);
		lab_open(lab);
	}
	lab_await(lab_all_arrived(lab));
	for (unsigned plane = 0; plane < LAB_PLANES; plane++)
		assert_int_equal(lab->planes[plane].offload.n_kept, 0);
	finish(lab);
	lab_free(lab);
}

/* Bursts that take long, but come, are no fault. */
static void test_slow(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, HANG_MS, false);

	(void)state;
	lab_open(lab);
	lab_set(lab, PHASE_ACCEL);
	lab_slow_us = 20000;
	lab_fault = LAB_SLOW;
	lab_feed(lab, PACKETS / 2);
	lab_start(lab);
	finish(lab);
	assert_int_equal(lab->shared.distrusted, 0);
	assert_int_equal(lab_sent(lab), 2 * PACKETS);
	lab_free(lab);
}

/* A plane that sleeps holds up neither rest nor a change of generations; and comes back to a new one. */
static void test_asleep(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, NEVER_MS, false);
	struct pl_error err;
	unsigned wakes = 0;

	(void)state;
	lab_open(lab);
	lab_set(lab, PHASE_ACCEL);
	lab_start(lab);
	for (unsigned i = 1; i <= 20; i++) {
		lab_feed(lab, 100);
		lab_await(lab_sent(lab) == 400 * i);
		lab_await_detached(lab);
		/* What the last round had rest was started, and that was told, once. */
		assert_int_equal(pl_stat_read(&lab->shared.wakes), wakes);
		assert_int_equal(bell_rang(lab), wakes > 0 && i % 2 == 0);
		offload_rest(&lab->shared);
		lab_await(pl_accel_ended(lab->shared.accel, &err) == 1);
		if (i % 2) {
			wakes++;
			continue;
		}
		lab_set(lab, PHASE_FAULT);
		assert_int_equal(lab_close(lab, 10000), 0);
		lab_open(lab);
		lab->shared.at_rest = false;
		lab_set(lab, PHASE_ACCEL);
	}
	assert_int_equal(LAB_SUM(lab, cpu_packets), 0);
	finish(lab);
	lab_free(lab);
}

/* A plane that does nothing but attach, submit a packet, and detach. */
struct hammer {
	struct lab_plane *plane;
	uint64_t handled;
	_Atomic bool stop;
};

static void *hammer_main(void *arg)
{
	struct hammer *hammer = arg;
	struct lab_plane *p = hammer->plane;
	const struct pl_processor *processor = &p->plane.processor;
	struct pl_burst *burst;
	bool stop;

	pl_plane_enter();
	do {
		stop = hammer->stop;
		burst = processor->next(processor->ctx);
		if (burst && !stop) {
			burst->base = p->plane.pool.base;
			burst->n = lab_receive(p, burst->frame, 1);
			burst->port = 0;
			burst->len[0] = 60;
			processor->submit(processor->ctx, burst);
			p->received++;
		}
		while ((burst = processor->complete(processor->ctx))) {
			uint16_t verdict = burst->verdict[0];

			pl_pool_put(&p->plane.pool, burst->frame, burst->n, PL_OWNER_BURST);
			hammer->handled++;
			if (verdict == PL_VERDICT(PL_VERDICT_DROP, REASON_ACCELERATOR))
				pl_stat_add(&p->plane.stats.drop[REASON_ACCELERATOR], 1);
			else
				p->sent++;
		}
	} while (!stop || p->received != hammer->handled);
	processor->next(processor->ctx);
	pl_plane_leave();
	return NULL;
}

static void spin(unsigned turns)
{
	for (volatile unsigned i = 0; i < turns; i++)
		;
}

/* Whoever has told planes to leave the accelerator, and seen that they have, has it for itself. */
static void test_attach_and_detach(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, NEVER_MS, false);
	struct hammer hammer = {.plane = &lab->planes[0]};
	struct offload_plane *plane = &lab->planes[0].offload;
	time_t end = time(NULL) + 2;
	unsigned uses = 0;
	pthread_t thread;

	(void)state;
	lab_open(lab);
	assert_int_equal(pthread_create(&thread, NULL, hammer_main, &hammer), 0);
	for (unsigned turn = 0; time(NULL) < end; turn++) {
		uint64_t before = pl_accel_submitted(lab->shared.accel, 0);

		lab_set(lab, PHASE_ACCEL);
		spin(turn % 512);
		lab_set(lab, PHASE_CPU);
		while (offload_plane_attached(plane))
			sched_yield();
		uses += pl_accel_submitted(lab->shared.accel, 0) != before;
		before = pl_accel_submitted(lab->shared.accel, 0);
		assert_int_equal(pl_accel_completed(lab->shared.accel, 0), before);
		spin(512);
		assert_int_equal(pl_accel_submitted(lab->shared.accel, 0), before);
	}
	hammer.stop = true;
	pthread_join(thread, NULL);
	assert_true(uses > 0);
	assert_int_equal(lab_close(lab, 10000), 0);
	lab_free(lab);
}

/* What is to be punted passes the limits, whoever found that out. */
static void test_limits(void **state)
{
	struct lab *lab = lab_new(PL_ACCEL_PERSISTENT, NEVER_MS, true);

	(void)state;
	for (unsigned i = 0; i < LAB_PLANES; i++)
		lab->planes[i].wires[0].ttl = lab->planes[i].wires[1].ttl = 1;
	lab_open(lab);
	lab_set(lab, PHASE_ACCEL);
	lab_feed(lab, PACKETS);
	lab_start(lab);
	finish(lab);
	assert_int_equal(lab_sent(lab), 0);
	assert_int_equal(LAB_SUM(lab, packets), 4 * PACKETS);
	/* A port's bucket lets a thousand through, or so. */
	assert_true(lab_dropped(lab, REASON_LIMIT_TTL) > 2 * PACKETS);
	assert_true(lab_dropped(lab, REASON_LIMIT_TTL) < 4 * PACKETS);
	lab_free(lab);
}

#define WAIT_US (OFFLOAD_WAIT_MS * 1000)
#define TIMELY_TRIES 20 /* others may have the processors for longer than packets wait */

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* While tables are being filled: whether packets were seen to wait, before they were dropped. */
static bool wait_in_vain(struct lab *lab)
{
	uint64_t lost = LAB_SUM(lab, lost_packets), lost_soon;
	int64_t fed_us = now_us();
	bool arrived, timely;

	lab_feed(lab, 1000);
	usleep(WAIT_US / 4);
	arrived = lab_all_arrived(lab);
	lost_soon = LAB_SUM(lab, lost_packets);
	timely = now_us() - fed_us < WAIT_US;
	if (timely) {
		assert_false(arrived);
		assert_int_equal(lost_soon, lost);
	}
	lab_await(lab_all_arrived(lab));
	lab_await(LAB_SUM(lab, lost_packets) == lost + 4000);
	return timely;
}

/* Whether packets that came while tables were being filled were all sent when that was done. */
static bool wait_for_tables(struct lab *lab)
{
	uint64_t sent = lab_sent(lab), lost = LAB_SUM(lab, lost_packets);
	bool all;

	lab_feed(lab, 1000);
	usleep(WAIT_US / 4);
	lab_set(lab, PHASE_ACCEL);
	lab_await(lab_sent(lab) + LAB_SUM(lab, lost_packets) == sent + lost + 4000);
	all = lab_sent(lab) == sent + 4000;
	lab_set(lab, PHASE_CPU);
	lab_await_detached(lab);
	return all;
}

/* The tables take long to be filled: packets wait no longer than they may. And those of a fault do not wait. */
static void test_waits_for_a_while(void **state)
{
	unsigned tries = 0, waited = 0, sent = 0;
	struct lab *lab;

	(void)state;
	if (!lab_remote)
		skip();
	lab = lab_new(PL_ACCEL_PERSISTENT, NEVER_MS, false);
	lab_open(lab);
	lab_start(lab);
	while ((waited < 3 || sent < 3) && tries++ < TIMELY_TRIES) {
		waited += wait_in_vain(lab);
		usleep(2 * WAIT_US); /* those that come a while later wait anew */
		sent += wait_for_tables(lab);
	}
	assert_true(waited > 0 && sent > 0);
	lab_set(lab, PHASE_FAULT);
	lab_feed(lab, PACKETS);
	lab_await(lab_all_arrived(lab));
	finish(lab);
	lab_free(lab);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_with_many_under_way),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_to_the_cpu_and_back),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_ends_by_itself),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_asleep),
		cmocka_unit_test(test_attach_and_detach),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_waits_for_a_while),
	};

	lab_remote = argc > 1 && !strcmp(argv[1], "remote");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
