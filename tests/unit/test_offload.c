/* SPDX-License-Identifier: BSD-2-Clause */
/* An accelerator's copy of the tables, its rest, and what happens when it fails: by hand, one plane at a
 * time. */
#include <pthread.h>
#include <stdatomic.h>

#include "offload_faults.h"
#include "offload_help.h"
#include "offload_program.h"

#define NEXTHOPS 40u

static const struct tables_limits small = {.blocks4 = 400,
					   .last4 = 300,
					   .blocks6 = 2000,
					   .nexthops = 8192,
					   .slots = 4096,
					   .neighbours = 1500};

/* Planes are this thread. */
static void no_grace(void)
{
}

/* ---- with the accelerator well ---- */

static void start(struct lab *lab, struct offload_config config)
{
	memset(&faults, 0, sizeof(faults));
	atomic_store(&slow_program_hangs, false);
	atomic_store(&slow_program_dawdles, 0);
	if (!config.hang_ms) /* where nothing hangs the machine may be slow */
		config.hang_ms = LAB_LIMIT_MS;
	lab_start(lab, lab_tables(no_grace, &small, NEXTHOPS), 1, config);
}

/* Until the accelerator answers so, as it did before until then: it is told of changes, but not at once. */
static void await_next(struct lab *lab, const struct ip_addr *to, uint32_t before, uint32_t answer)
{
	uint64_t end = lab_now_us() + 1000ull * LAB_LIMIT_MS;
	uint32_t got;

	while ((got = lab_ask(lab, 0, to)) != answer) {
		assert_int_equal(got, before);
		if (lab_now_us() > end)
			fail_msg("the answer is %u still, not %u", got, answer);
		offload_attend(lab->offload);
	}
}

static void await_answer(struct lab *lab, const struct ip_addr *to, uint32_t answer)
{
	await_next(lab, to, lab_ask(lab, 0, to), answer);
}

/* Whoever sees a change sees those before it. How soon is bench/accel's to say. */
static void changes_are_seen_in_order(void **state)
{
	static struct lab lab;
	struct prefix ten = prefix_of("10.0.0.0/8"), six = prefix_of("2001:db8:1::/48");
	struct ip_addr in4 = addr_of("10.1.2.3"), in6 = addr_of("2001:db8:1::1");
	uint32_t is6 = 0;
	unsigned i;

	(void)state;
	start(&lab, (struct offload_config){0});
	assert_int_equal(lab_ask(&lab, 0, &in4), 0);
	for (i = 0; i < 500; i++) {
		assert_int_equal(tables_route_set(lab.t, &ten, 1 + i % NEXTHOPS), 0);
		assert_int_equal(tables_route_set(lab.t, &six, 1 + (i + 7) % NEXTHOPS), 0);
		await_next(&lab, &in6, is6, 1 + (i + 7) % NEXTHOPS);
		is6 = 1 + (i + 7) % NEXTHOPS;
		assert_int_equal(lab_ask(&lab, 0, &in4), 1 + i % NEXTHOPS);
	}
	/* All of these packets were the accelerator's. */
	assert_int_equal(lab_stats(&lab).cpu_packets, 0);
	assert_in_range(lab_stats(&lab).packets, 1001, UINT32_MAX);
	assert_int_equal(lab_stats(&lab).fills, 1);
	lab_stop(&lab);
}

/* The next hops that packets are sent by are known, some time later, and only once. */
static void marks_come_back(void **state)
{
	static struct lab lab;
	struct prefix ten = prefix_of("10.0.0.0/8");
	struct ip_addr in4 = addr_of("10.1.2.3");
	uint64_t end;

	(void)state;
	start(&lab, (struct offload_config){0});
	assert_int_equal(tables_route_set(lab.t, &ten, 5), 0);
	assert_false(offload_take_used(lab.offload, 5));
	await_answer(&lab, &in4, 5);
	end = lab_now_us() + 1000ull * LAB_LIMIT_MS;
	while (!offload_take_used(lab.offload, 5)) {
		assert_true(lab_now_us() < end);
		lab_pause_us(1000);
	}
	assert_false(offload_take_used(lab.offload, 4));
	lab_await(&lab, OFFLOAD_READY, true);
	offload_take_used(lab.offload, 5);
	assert_false(offload_take_used(lab.offload, 5));
	lab_stop(&lab);
}

/* Also those of the next hop that was made last, after the tables were filled. */
static void last_mark_comes_back(void **state)
{
	static struct lab lab;
	struct prefix ten = prefix_of("10.0.0.0/8");
	struct ip_addr in4 = addr_of("10.1.2.3");
	struct nexthop_spec spec = lab_nexthop(NEXTHOPS + 1);
	uint32_t last;
	uint64_t end;

	(void)state;
	start(&lab, (struct offload_config){0});
	assert_int_equal(tables_nexthop_new(lab.t, &spec, &last), 0);
	assert_int_equal(tables_route_set(lab.t, &ten, last), 0);
	await_answer(&lab, &in4, last);
	end = lab_now_us() + 1000ull * LAB_LIMIT_MS;
	while (!offload_take_used(lab.offload, last)) {
		assert_true(lab_now_us() < end);
		lab_pause_us(1000);
	}
	lab_stop(&lab);
}

#ifdef TSAN
#define NAPS 300u
#else
#define NAPS 1000u
#endif

/* It rests when there is nothing to do; a packet wakes it, and so does a change, however soon or late they
 * come. */
static void rests_and_wakes(void **state)
{
	static struct lab lab;
	struct prefix ten = prefix_of("10.0.0.0/8");
	struct ip_addr in4 = addr_of("10.1.2.3");
	struct offload_stats stats;
	uint64_t seed = 17, wakes;
	unsigned i;

	(void)state;
	start(&lab, (struct offload_config){.idle_ms = 1});
	for (i = 0; i < NAPS; i++) {
		/* It is told to rest 1 to 3 ms after the last burst. */
		unsigned us = random_below(&seed, 4000);

		assert_int_equal(tables_route_set(lab.t, &ten, 1 + i % NEXTHOPS), 0);
		if (i % 3 == 0)
			tables_wait(lab.t);
		if (i % 2)
			await_answer(&lab, &in4, 1 + i % NEXTHOPS);
		lab_pause_us(us);
	}
	stats = lab_await(&lab, OFFLOAD_READY, true);
	wakes = stats.wakes;
	assert_in_range(wakes, NAPS / 10, UINT32_MAX);
	/* By itself it stays at rest. */
	lab_pause_us(200000);
	stats = lab_stats(&lab);
	assert_true(stats.at_rest);
	assert_int_equal(stats.wakes, wakes);
	lab_expect_no_fault(&lab);
	assert_int_equal(stats.cpu_packets, 0);
	lab_stop(&lab);
}

static void stays_awake_if_told_to(void **state)
{
	static struct lab lab;

	(void)state;
	start(&lab, (struct offload_config){.stays = true});
	lab_await(&lab, OFFLOAD_READY, false);
	lab_pause_us(200000);
	assert_false(lab_stats(&lab).at_rest);
	lab_stop(&lab);
}

/* Every /24 of 10.0.0.0/16 to /17 and so on: more blocks than there was room for at first. */
static void add_blocks(struct lab *lab, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct prefix p =
			to_prefix(AF_INET6, (addr128)0x20010db8 << 96 | (addr128)i << 80, 64);

		assert_int_equal(tables_route_set(lab->t, &p, 1 + i % NEXTHOPS), 0);
	}
}

static struct ip_addr nth_address(unsigned i)
{
	return to_addr(AF_INET6, (addr128)0x20010db8 << 96 | (addr128)i << 80 | 1);
}

static void grows(void **state)
{
	static struct lab lab;
	struct offload_stats stats;
	uint64_t memory;

	(void)state;
	start(&lab, (struct offload_config){.slack_bytes = 1});
	memory = lab_stats(&lab).memory_bytes;
	add_blocks(&lab, 600);
	for (unsigned i = 0; i < 600; i += 23) {
		struct ip_addr to = nth_address(i);

		await_answer(&lab, &to, 1 + i % NEXTHOPS);
	}
	stats = lab_await(&lab, OFFLOAD_READY, true);
	assert_in_range(stats.fills, 2, 20);
	assert_true(stats.memory_bytes > memory);
	lab_expect_no_fault(&lab);
	/* It is the accelerator that knows them. */
	stats = lab_stats(&lab);
	for (unsigned i = 0; i < 600; i++) {
		struct ip_addr to = nth_address(i);

		assert_int_equal(lab_ask(&lab, 0, &to), 1 + i % NEXTHOPS);
	}
	assert_int_equal(lab_stats(&lab).cpu_packets, stats.cpu_packets);
	lab_stop(&lab);
}

/* A burst that is under way, or back but not handed on, has its plane use the accelerator: nothing is filled anew
 * beneath it. */
static void planes_are_waited_for(void **state)
{
	static struct lab lab;
	struct ip_addr in4 = addr_of("10.1.2.3");
	const struct pl_burst *burst;

	(void)state;
	start(&lab, (struct offload_config){.slack_bytes = 1});
	lab_await(&lab, OFFLOAD_READY, true);
	lab_submit(&lab, 0, &in4, 1);
	add_blocks(&lab, 600);
	while (lab_stats(&lab).state != OFFLOAD_FILLING)
		lab_pause_us(1000);
	for (unsigned i = 0; i < 300; i++) {
		offload_attend(lab.offload);
		assert_int_equal(lab_stats(&lab).fills, 1);
		lab_pause_us(1000);
	}
	burst = lab_complete(&lab, 0);
	assert_int_equal(lab_answer(burst, 0), 0);
	lab_put(&lab, 0, burst);
	lab_await(&lab, OFFLOAD_READY, true);
	assert_in_range(lab_stats(&lab).fills, 2, 20);
	assert_int_equal(lab_stats(&lab).packets, 1);
	lab_expect_no_fault(&lab);
	lab_stop(&lab);
}

static atomic_bool waited;

static void *wait_for_copies(void *arg)
{
	tables_wait(arg);
	atomic_store(&waited, true);
	return NULL;
}

/* A burst that began before a change holds up what the change took out of use, though the change has long been
 * applied by another worker. */
static void burst_holds_up_reuse(void **state)
{
	static struct lab lab;
	struct prefix ten = prefix_of("10.0.0.0/8");
	struct ip_addr in4 = addr_of("10.1.2.3");
	uint64_t updates, end = lab_now_us() + 1000ull * LAB_LIMIT_MS;
	pthread_t thread;

	(void)state;
	memset(&faults, 0, sizeof(faults));
	n_workers = 2;
	lab_start(&lab, lab_tables(no_grace, &small, NEXTHOPS), 2,
		  (struct offload_config){.hang_ms = LAB_LIMIT_MS, .program = &slow_program});
	assert_int_equal(tables_route_set(lab.t, &ten, 1), 0);
	tables_wait(lab.t);
	/* Lane 1 is worker 1's, and worker 0 applies updates. */
	atomic_store(&slow_program_hangs, true);
	lab_submit(&lab, 1, &in4, 1);
	lab_pause_us(50000);
	updates = lab_stats(&lab).updates;
	assert_int_equal(tables_route_set(lab.t, &ten, 2), 0);
	atomic_store(&waited, false);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_copies, lab.t), 0);
	while (lab_stats(&lab).updates == updates) {
		assert_true(lab_now_us() < end);
		lab_pause_us(1000);
	}
	lab_pause_us(300000);
	assert_false(atomic_load(&waited));
	atomic_store(&slow_program_hangs, false);
	lab_put(&lab, 1, lab_complete(&lab, 1));
	pthread_join(thread, NULL);
	lab.processors[1].next(lab.processors[1].ctx);
	n_workers = 0;
	lab_stop(&lab);
}

/* ---- faults ---- */

/* After a fault: the CPU answers at once, the fault has its name, and the accelerator comes back, by the
 * tables as they are by then. */
static void expect_recovery(struct lab *lab, struct faults *injection, const char *name)
{
	struct prefix ten = prefix_of("10.0.0.0/8");
	struct ip_addr in4 = addr_of("10.1.2.3");
	struct offload_stats stats = lab_await(lab, OFFLOAD_FAILED, false), after;
	uint32_t answer = 1 + (uint32_t)stats.faults % NEXTHOPS;

	assert_non_null(strstr(stats.fault.what, name));
	/* What suits the CPU, for which the bursts are now. */
	lab->processors[0].next(lab->processors[0].ctx);
	assert_int_equal(*lab->processors[0].burst_packets, PL_BURST_CACHED);
	assert_int_equal(tables_route_set(lab->t, &ten, answer), 0);
	tables_wait(lab->t); /* not for the copy */
	assert_int_equal(lab_ask(lab, 0, &in4), answer);
	assert_in_range(lab_stats(lab).cpu_packets, stats.cpu_packets + 1, UINT32_MAX);
	memset(injection, 0, sizeof(*injection));
	atomic_store(&slow_program_hangs, false);
	lab_await(lab, OFFLOAD_READY, true);
	lab->processors[0].next(lab->processors[0].ctx);
	assert_int_equal(*lab->processors[0].burst_packets, PL_BURST_MAX);
	stats = lab_stats(lab);
	assert_int_equal(lab_ask(lab, 0, &in4), answer);
	after = lab_stats(lab);
	assert_int_equal(after.packets, stats.packets + 1);
	assert_int_equal(after.cpu_packets, stats.cpu_packets);
}

/* More than a busy machine keeps a thread from its core. */
#define HANG_MS 1000u

static void start_faulty(struct lab *lab)
{
	start(lab, (struct offload_config){
			   .hang_ms = HANG_MS, .retry_ms = 20, .program = &slow_program});
}

static void comes_back_after_each_fault(void **state)
{
	static struct lab lab;
	struct ip_addr in4 = addr_of("10.1.2.3");
	struct offload_stats stats;
	unsigned i;

	(void)state;
	start_faulty(&lab);
	for (i = 0; i < 3; i++) {
		/* The program, or the device, has failed. */
		lab_ask(&lab, 0, &in4);
		atomic_store(&faults.ended, -EIO);
		expect_recovery(&lab, &faults, "injected");
		/* It cannot be started: a plane finds that out, and has it said what it was. */
		lab_await(&lab, OFFLOAD_READY, true);
		lab_pause_us(50000); /* all sleep */
		atomic_store(&faults.ended, -EIO);
		atomic_store(&faults.run, -EIO);
		lab_ask(&lab, 0, &in4);
		expect_recovery(&lab, &faults, "injected");
		/* Its memory cannot be read. */
		atomic_store(&faults.read, -EIO);
		lab_ask(&lab, 0, &in4);
		expect_recovery(&lab, &faults, "injected");
	}
	stats = lab_stats(&lab);
	assert_int_equal(stats.faults, 9);
	assert_int_equal(stats.opens, 10);
	lab_stop(&lab);
}

/* The device is gone, comes back, and has no memory at first. */
static void is_tried_again_and_again(void **state)
{
	static struct lab lab;
	struct ip_addr in4 = addr_of("10.1.2.3");
	uint64_t end = lab_now_us() + 1000ull * LAB_LIMIT_MS;

	(void)state;
	start_faulty(&lab);
	atomic_store(&faults.open, -ENODEV);
	lab_ask(&lab, 0, &in4);
	atomic_store(&faults.ended, -EIO);
	lab_await(&lab, OFFLOAD_FAILED, false);
	atomic_store(&faults.ended, 0);
	while (lab_stats(&lab).faults < 4) {
		assert_true(lab_now_us() < end);
		lab_ask(&lab, 0, &in4);
	}
	assert_int_equal(lab_stats(&lab).opens, 1);
	atomic_store(&faults.alloc, -ENOMEM);
	atomic_store(&faults.open, 0);
	while (lab_stats(&lab).opens < 3) {
		assert_true(lab_now_us() < end);
		lab_ask(&lab, 0, &in4);
		offload_attend(lab.offload);
	}
	lab_await(&lab, OFFLOAD_FAILED, false);
	expect_recovery(&lab, &faults, "injected");
	lab_stop(&lab);
}

/* More memory cannot be had: a fault like any other. */
static void cannot_grow(void **state)
{
	static struct lab lab;

	(void)state;
	start(&lab, (struct offload_config){.slack_bytes = 1, .retry_ms = 20});
	atomic_store(&faults.alloc, -ENOMEM);
	add_blocks(&lab, 600);
	expect_recovery(&lab, &faults, "injected");
	for (unsigned i = 0; i < 600; i++) {
		struct ip_addr to = nth_address(i);

		assert_int_equal(lab_ask(&lab, 0, &to), 1 + i % NEXTHOPS);
	}
	lab_stop(&lab);
}

/* Bursts are with a program that hangs. They come back as lost; their buffers only when it has ended. */
static void hung_program_keeps_buffers(void **state)
{
	static struct lab lab;
	struct ip_addr in4 = addr_of("10.1.2.3");
	const struct pl_burst *burst;
	struct offload_stats stats;
	unsigned i;

	(void)state;
	start_faulty(&lab);
	atomic_store(&slow_program_hangs, true);
	for (i = 0; i < 3; i++)
		lab_submit(&lab, 0, &in4, 1);
	for (i = 0; i < 3; i++) {
		burst = lab_complete(&lab, 0);
		assert_int_equal(lab_answer(burst, 0), LAB_KEPT);
		lab_put(&lab, 0, burst);
	}
	stats = lab_await(&lab, OFFLOAD_FAILED, false);
	assert_non_null(strstr(stats.fault.what, "hangs"));
	assert_int_equal(stats.lost_packets, 3);
	/* Not while it hangs, however long. */
	for (i = 0; i < 100; i++) {
		assert_int_equal(lab_ask(&lab, 0, &in4), 0);
		lab_pause_us(5000);
		assert_int_equal(lab.pools[0].n_free, LAB_BUFS - 3);
	}
	assert_int_equal(lab_stats(&lab).state, OFFLOAD_FAILED);
	expect_recovery(&lab, &faults, "hangs");
	lab.processors[0].next(lab.processors[0].ctx);
	assert_int_equal(lab.pools[0].n_free, LAB_BUFS);
	lab_stop(&lab);
}

/* ... and may outlive all else. */
static void hung_program_is_left(void **state)
{
	static struct lab lab;
	struct ip_addr in4 = addr_of("10.1.2.3");

	(void)state;
	start_faulty(&lab);
	atomic_store(&slow_program_hangs, true);
	lab_submit(&lab, 0, &in4, 1);
	lab_put(&lab, 0, lab_complete(&lab, 0));
	lab_await(&lab, OFFLOAD_FAILED, false);
	offload_stop(lab.offload);
	assert_int_equal(offload_free(lab.offload), -ETIMEDOUT);
	tables_free(lab.t);
	/* The pool and the accelerator stay. Its thread goes on, and ends with the process. */
	atomic_store(&slow_program_hangs, false);
}

/* Nor does a driver that does not return keep anything from stopping. */
static void stuck_driver_is_left(void **state)
{
	static struct lab lab;
	uint64_t begin;

	(void)state;
	start(&lab, (struct offload_config){.stays = true, .retry_ms = 1, .stop_ms = 2000});
	atomic_store(&faults.stuck, 1);
	atomic_store(&faults.ended, -EIO);
	lab_await(&lab, OFFLOAD_FAILED, false);
	atomic_store(&faults.ended, 0);
	begin = lab_now_us();
	while (!atomic_load(&faults.is_stuck) && lab_now_us() - begin < 1000ull * LAB_LIMIT_MS)
		lab_pause_us(1000);
	begin = lab_now_us();
	offload_stop(lab.offload);
	assert_in_range(lab_now_us() - begin, 1500000, 1000ull * LAB_LIMIT_MS);
	begin = lab_now_us();
	assert_int_equal(offload_free(lab.offload), -ETIMEDOUT);
	assert_in_range(lab_now_us() - begin, 0, 1500000); /* it has been waited for */
	/* It returns after all, and finds all that it uses, but the pools. */
	pl_pool_fini(&lab.pools[0]);
	memset(&lab.pools[0], 0xee, sizeof(lab.pools[0]));
	atomic_store(&faults.stuck, 0);
	lab_pause_us(300000);
}

/* Until the state is this, while nobody attends. */
static void await_unattended(struct lab *lab, enum offload_state state)
{
	uint64_t end = lab_now_us() + 1000ull * LAB_LIMIT_MS;

	while (lab_stats(lab).state != state) {
		if (lab_now_us() > end)
			fail_msg("is in state %u, not %u", lab_stats(lab).state, state);
		lab_pause_us(200);
	}
}

/* It stops soon whatever it waits for: to be filled anew, to be tried again, to be filled then. */
static void stops_in_any_state(void **state)
{
	const unsigned patient_ms = 2 * LAB_LIMIT_MS;
	static struct lab lab;
	uint64_t begin;

	(void)state;
	begin = lab_now_us();
	start(&lab, (struct offload_config){.slack_bytes = 1});
	add_blocks(&lab, 600);
	await_unattended(&lab, OFFLOAD_FILLING);
	lab_stop(&lab);
	start(&lab, (struct offload_config){.stays = true, .retry_ms = patient_ms});
	atomic_store(&faults.ended, -EIO);
	await_unattended(&lab, OFFLOAD_FAILED);
	lab_stop(&lab);
	start(&lab, (struct offload_config){.stays = true, .retry_ms = 1});
	atomic_store(&faults.ended, -EIO);
	await_unattended(&lab, OFFLOAD_FAILED);
	await_unattended(&lab, OFFLOAD_FILLING);
	assert_int_equal(lab_stats(&lab).opens, 2);
	lab_stop(&lab);
	assert_true(lab_now_us() - begin < 1000ull * LAB_LIMIT_MS);
}

static void says_what_it_cannot_do(void **state)
{
	struct tables *t = lab_tables(no_grace, &small, 1);
	struct offload_config config = {.kind = PL_ACCEL_HOST, .n_planes = 0};
	struct offload *o = NULL;
	struct pl_error err;

	(void)state;
	memset(&faults, 0, sizeof(faults));
	assert_int_equal(offload_new(&o, &config, t, &err), -EINVAL);
	config.n_planes = MAILBOX_LANES_MAX + 1;
	assert_int_equal(offload_new(&o, &config, t, &err), -EINVAL);
	config.n_planes = 1;
	atomic_store(&faults.open, -ENODEV);
	assert_int_equal(offload_new(&o, &config, t, &err), -ENODEV);
	assert_string_equal(err.what, injected.what);
	atomic_store(&faults.open, 0);
	assert_int_equal(offload_new(&o, &config, t, &err), 0);
	atomic_store(&faults.alloc, -ENOMEM);
	assert_int_equal(offload_start(o, &err), -ENOMEM);
	atomic_store(&faults.alloc, 0);
	atomic_store(&faults.run, -EIO);
	assert_int_equal(offload_start(o, &err), -EIO);
	atomic_store(&faults.run, 0);
	assert_int_equal(offload_free(o), 0);
	assert_int_equal(offload_free(NULL), 0);
	tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_seen_in_order),
		cmocka_unit_test(marks_come_back),
		cmocka_unit_test(last_mark_comes_back),
		cmocka_unit_test(rests_and_wakes),
		cmocka_unit_test(stays_awake_if_told_to),
		cmocka_unit_test(grows),
		cmocka_unit_test(planes_are_waited_for),
		cmocka_unit_test(burst_holds_up_reuse),
		cmocka_unit_test(comes_back_after_each_fault),
		cmocka_unit_test(is_tried_again_and_again),
		cmocka_unit_test(cannot_grow),
		cmocka_unit_test(hung_program_keeps_buffers),
		cmocka_unit_test(hung_program_is_left),
		cmocka_unit_test(stuck_driver_is_left),
		cmocka_unit_test(stops_in_any_state),
		cmocka_unit_test(says_what_it_cannot_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
