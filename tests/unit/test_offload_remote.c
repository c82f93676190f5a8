/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in the accelerator's memory, from one emulated NIC to another and to the kernel: under load, when buffers of
 * either kind run out, when the accelerator fails in whatever way, and while its tables are filled anew. What leaves
 * is looked at in remote_lab.c; that no buffer is lost and each packet accounted for, by lab_free() and the checks of
 * who owns buffers. */
#include <errno.h>
#include <string.h>
#include <time.h>

/* The packet program, whose answers a test may change. */
#define program_run honest_program_run
#include "../../router/program/device.c"
#undef program_run

#include "offload_faults.h"
#include "offload_program.h"
#include "remote_lab.h"
#include "sanitized.h"

#ifdef SANITIZED
#define FRAMES 20000u /* that arrive at each port */
#define SOAK_FRAMES 60000u
#else
#define FRAMES 60000u
#define SOAK_FRAMES 400000u
#endif

#define HANG_MS 1000u /* more than a busy machine keeps a thread from its core */

static struct lab *start(struct lab_config config)
{
	memset(&faults, 0, sizeof(faults));
	atomic_store(&slow_program_hangs, false);
	atomic_store(&slow_program_dawdles, 0);
	if (!config.offload.hang_ms) /* where nothing hangs the machine may be slow */
		config.offload.hang_ms = 60000;
	return lab_new(&config);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Of what has arrived each has met its fate, but for `lost` that were to be forwarded. */
static void expect_all(struct lab *lab, uint64_t lost)
{
	assert_int_equal(lab_forwarded(lab) + lost, lab_arrived(lab, LAB_FORWARD));
	assert_int_equal(lab_punted(lab, LAB_TTL), lab_arrived(lab, LAB_TTL));
	assert_int_equal(lab_punted(lab, LAB_ARP), lab_arrived(lab, LAB_ARP));
	assert_int_equal(lab_dropped(lab, REASON_CHECKSUM), lab_arrived(lab, LAB_BAD));
}

/* Frames of every length to every fate. */
static void test_every_fate(void **state)
{
	struct lab *lab = start((struct lab_config){.mix = {.ttl = 3, .arp = 50, .bad = 7}});

	(void)state;
	lab_offer(lab, FRAMES);
	lab_settle(lab);
	assert_int_equal(lab_arrived(lab, LAB_FORWARD) + lab_arrived(lab, LAB_TTL) +
				 lab_arrived(lab, LAB_ARP) + lab_arrived(lab, LAB_BAD),
			 LAB_PORTS * FRAMES);
	assert_true(lab_punted(lab, LAB_TTL) > 2 * (LAB_LEN_MAX - LAB_LEN_MIN));
	expect_all(lab, lab_tx_dropped(lab));
	assert_int_equal(lab_stats(lab).lost_packets, 0);
	lab_free(lab);
}

/* Few buffers, each used over and over, and last those that were given back last: what the program, or a NIC, found in
 * one of a packet that was there before would be seen. */
static void test_no_stale_lines(void **state)
{
	struct lab *lab = start((struct lab_config){
		.remote_bytes = PL_REMOTE_GRAIN, .ring = 64, .mix = {.ttl = 101}});

	(void)state;
	lab_offer(lab, SOAK_FRAMES);
	lab_settle(lab);
	expect_all(lab, lab_tx_dropped(lab));
	lab_free(lab);
}

/* There are hardly more than the rings have, and the accelerator keeps what it has: NICs receive no more, and drop, until
 * it goes on. */
static void test_remote_buffers_run_out(void **state)
{
	struct lab *lab = start((struct lab_config){.remote_bytes = PL_REMOTE_GRAIN,
						    .ring = 512,
						    .impatient = true,
						    .mix = {.ttl = 10},
						    .offload = {.program = &slow_program}});
	uint64_t lost;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = lab_nobuf(lab);

		lost = lab_nic_lost(lab);
		atomic_store(&slow_program_hangs, true);
		lab_offer(lab, FRAMES / 4);
		lab_await(lab, lab_nic_lost(lab) > lost);
		atomic_store(&slow_program_hangs, false);
		lab_settle(lab);
		assert_true(lab_nobuf(lab) > before);
		/* As well as ever. */
		lost = lab_nic_lost(lab);
		for (unsigned k = 0; k < 100; k++) {
			lab_offer(lab, 32);
			lab_settle(lab);
		}
		assert_int_equal(lab_nic_lost(lab), lost);
	}
	assert_int_equal(lab_dropped(lab, REASON_PUNT_BUFFER), 0);
	lab_free(lab);
}

/* More punts at a time than buffers to copy them into. What the kernel sends has some all the same. */
static void test_host_buffers_run_out(void **state)
{
	struct lab *lab = start(
		(struct lab_config){.n_host = 256, .ring = 64, .mix = {.ttl = 1, .small = true}});
	uint64_t punted;

	(void)state;
	lab_tap(lab, 32);
	lab_offer(lab, FRAMES);
	lab_settle(lab);
	assert_true(lab_dropped(lab, REASON_PUNT_BUFFER) > 0);
	assert_true(lab_punted(lab, LAB_TTL) > 0);
	assert_int_equal(lab_punted(lab, LAB_TTL) + lab_dropped(lab, REASON_PUNT_BUFFER),
			 LAB_PORTS * FRAMES);
	assert_true(lab_tap_left(lab) > 0);
	lab_tap(lab, 0);
	lab_settle(lab);
	punted = lab_punted(lab, LAB_TTL);
	for (unsigned i = 1; i <= 200; i++) {
		lab_offer(lab, 1 + i % 4);
		lab_settle(lab);
		punted += LAB_PORTS * (1 + i % 4);
		assert_int_equal(lab_punted(lab, LAB_TTL), punted);
	}
	lab_free(lab);
}

/* A flood of what is punted leaves ARP its way to the kernel, and what is forwarded its way on. */
static void test_punt_flood(void **state)
{
	struct lab *lab = start((struct lab_config){.limited = true,
						    .mix = {.ttl = 2, .arp = 1000, .small = true}});

	(void)state;
	lab_offer(lab, 4 * FRAMES);
	lab_settle(lab);
	assert_int_equal(lab_punted(lab, LAB_ARP), lab_arrived(lab, LAB_ARP));
	assert_int_equal(lab_dropped(lab, REASON_PUNT_BUFFER), 0);
	assert_true(lab_punted(lab, LAB_TTL) > 0);
	assert_true(lab_dropped(lab, REASON_LIMIT_TTL) > lab_arrived(lab, LAB_TTL) / 2);
	assert_int_equal(lab_punted(lab, LAB_TTL) + lab_dropped(lab, REASON_LIMIT_TTL),
			 lab_arrived(lab, LAB_TTL));
	assert_int_equal(lab_forwarded(lab) + lab_tx_dropped(lab), lab_arrived(lab, LAB_FORWARD));
	lab_free(lab);
}

/* What the kernel sends leaves by the same NICs as what is forwarded, each in order. */
static void test_tap_at_full_load(void **state)
{
	struct lab *lab = start((struct lab_config){.mix = {.arp = 20}});

	(void)state;
	lab_tap(lab, PL_BURST_CACHED);
	lab_offer(lab, FRAMES);
	lab_settle(lab);
	lab_await(lab, lab_tap_left(lab) > FRAMES / 4);
	assert_true(lab_forwarded(lab) > 0);
	assert_int_equal(lab_punted(lab, LAB_ARP), lab_arrived(lab, LAB_ARP));
	lab_free(lab);
}

/* ---- faults ---- */

static struct lab *start_faulty(void)
{
	return start((struct lab_config){
		.mix = {.ttl = 11, .arp = 50},
		.offload = {.hang_ms = HANG_MS, .retry_ms = 20, .program = &slow_program}});
}

/* While it cannot be had all is dropped, and nothing else. */
static void expect_drops(struct lab *lab)
{
	uint64_t dropped = lab_dropped(lab, REASON_ACCELERATOR);

	lab_settle(lab); /* what was under way, too */
	dropped = lab_dropped(lab, REASON_ACCELERATOR);
	lab_offer(lab, 1000);
	lab_settle(lab);
	assert_int_equal(lab_dropped(lab, REASON_ACCELERATOR), dropped + LAB_PORTS * 1000);
}

static void await_state(struct lab *lab, enum offload_state wanted)
{
	lab_await(lab, lab_stats(lab).state == wanted);
}

/* It works as before. */
static void expect_recovery(struct lab *lab)
{
	uint64_t lost, forwarded;

	await_state(lab, OFFLOAD_READY);
	lab_settle(lab);
	lost = lab_dropped(lab, REASON_ACCELERATOR);
	forwarded = lab_forwarded(lab);
	for (unsigned i = 0; i < 30; i++) { /* several times round the slots */
		lab_offer(lab, 100);
		lab_settle(lab);
	}
	assert_int_equal(lab_dropped(lab, REASON_ACCELERATOR), lost);
	assert_true(lab_forwarded(lab) > forwarded + LAB_PORTS * 2500);
	assert_int_equal(lab_dropped(lab, REASON_PUNT_BUFFER), 0);
}

/* The device fails under load; cannot be had for a while; has no memory at first. */
static void test_comes_back_after_faults(void **state)
{
	struct lab *lab = start_faulty();
	_Atomic int *const ways[] = {&faults.ended, &faults.run, &faults.read};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		uint64_t forwarded = lab_forwarded(lab), opens = lab_stats(lab).opens;

		lab_tap(lab, 1);
		lab_offer(lab, FRAMES / 10);
		lab_await(lab, lab_forwarded(lab) > forwarded);
		atomic_store(i % 2 ? &faults.open : &faults.alloc, i % 2 ? -ENODEV : -ENOMEM);
		atomic_store(&faults.ended, -EIO);
		atomic_store(ways[i % 3], -EIO);
		await_state(lab, OFFLOAD_FAILED);
		expect_drops(lab);
		if (i % 2 == 0) { /* opened, and then it fails again */
			faults.run = faults.read = faults.ended = 0;
			lab_await(lab, lab_stats(lab).opens > opens);
		}
		memset(&faults, 0, sizeof(faults));
		lab_tap(lab, 0);
		expect_recovery(lab);
	}
	lab_free(lab);
}

/* Bursts are with a program that hangs, and later goes on with them all the same. Their buffers, and those lent to it,
 * are out of use until then. */
static void test_hung_program_keeps_buffers(void **state)
{
	struct lab *lab = start_faulty();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t lost = lab_stats(lab).lost_packets, faults_before = lab_stats(lab).faults;
		unsigned free_before;

		lab_settle(lab);
		free_before = (unsigned)pl_stat_read(&lab->plane.stats.pool_free);
		atomic_store(&slow_program_hangs, true);
		lab_offer(lab, FRAMES / 10);
		lab_await(lab, lab_stats(lab).faults > faults_before);
		lab_await(lab, lab_stats(lab).lost_packets > lost);
		expect_drops(lab);
		assert_int_equal(lab_stats(lab).state, OFFLOAD_FAILED);
		assert_true(pl_stat_read(&lab->plane.stats.pool_free) < free_before);
		atomic_store(&slow_program_hangs, false);
		expect_recovery(lab);
	}
	lab_free(lab);
}

/* Bursts that take long, but come, are no fault. */
static void test_slow_program(void **state)
{
	struct lab *lab = start_faulty();

	(void)state;
	atomic_store(&slow_program_dawdles, 500);
	lab_offer(lab, FRAMES / 10);
	lab_settle(lab);
	assert_int_equal(lab_stats(lab).faults, 0);
	expect_all(lab, lab_tx_dropped(lab));
	lab_free(lab);
}

/* ---- a device that errs ---- */

enum lie {
	LIE_NONE,
	LIE_PLACE_BEYOND, /* a copy in a place that there is not */
	LIE_PLACE_TWICE,  /* two packets' copies in the same one */
	LIE_NO_COPIES,	  /* none has been made */
	LIE_MANY_COPIES,  /* more than there are places */
	LIE_KEEP,	  /* it keeps the packet */
	LIES
};
static _Atomic int lie;

/* About every other punt of a burst. */
static void change_answers(const struct mailbox_group *group)
{
	struct mailbox_slot *burst = mailbox_burst(group);
	unsigned punts = 0;
	uint16_t before = 0;

	for (uint32_t i = 0; i < mailbox_n(group); i++) {
		if (PL_VERDICT_KIND(burst->verdict[i]) != PL_VERDICT_PUNT)
			continue;
		if (punts++ % 2 == 0)
			before = burst->copied[i];
		else if (lie == LIE_PLACE_BEYOND)
			burst->copied[i] = i % 4 ? UINT16_MAX : (uint16_t)burst->n_copied;
		else if (lie == LIE_PLACE_TWICE)
			burst->copied[i] = before;
		else if (lie == LIE_KEEP)
			burst->verdict[i] = PL_VERDICT(PL_VERDICT_KEEP, REASON_TTL);
	}
	if (lie == LIE_NO_COPIES)
		burst->n_copied = 0;
	else if (lie == LIE_MANY_COPIES)
		burst->n_copied = UINT32_MAX - (mailbox_n(group) & 1);
}

static void run_and_lie(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	struct tables_view view = view_of((const struct program_context *)mailbox->context);
	struct mailbox_group group;
	struct mailbox_at at;

	mailbox_enter(&at, &group, mailbox, worker, launch);
	while (mailbox_wait(&at, &group)) {
		process(&view, &group);
		change_answers(&group);
		mailbox_finish(&at, &group);
	}
}

/* What it says of a copy that is none is not believed, and costs nothing but the packet: the other copies are right,
 * and in bursts that follow all are. */
static void test_lies_about_copies(void **state)
{
	static const struct pl_accel_program lying = {.host = run_and_lie};
	struct lab *lab = start(
		(struct lab_config){.mix = {.ttl = 2, .arp = 50}, .offload = {.program = &lying}});

	(void)state;
	for (lie = LIE_PLACE_BEYOND; lie < LIES; lie++) {
		int now = lie;
		uint64_t denied = lab_dropped(lab, REASON_ACCELERATOR), punted, arrived;

		lab_offer(lab, FRAMES / 10);
		lab_settle(lab);
		if (now == LIE_MANY_COPIES)
			assert_int_equal(lab_dropped(lab, REASON_ACCELERATOR), denied);
		else
			assert_true(lab_dropped(lab, REASON_ACCELERATOR) > denied);
		denied = lab_dropped(lab, REASON_ACCELERATOR);
		lie = LIE_NONE;
		punted = lab_punted(lab, LAB_TTL) + lab_punted(lab, LAB_ARP);
		arrived = lab_arrived(lab, LAB_TTL) + lab_arrived(lab, LAB_ARP);
		assert_int_equal(punted + denied, arrived);
		for (unsigned i = 0; i < 30; i++) {
			lab_offer(lab, 100);
			lab_settle(lab);
		}
		assert_int_equal(lab_dropped(lab, REASON_ACCELERATOR), denied);
		lie = now;
	}
	lie = LIE_NONE;
	assert_int_equal(lab_stats(lab).faults, 0);
	lab_free(lab);
}

/* ---- tables that are filled anew ---- */

static void add_routes(struct lab *lab, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		const uint8_t bytes[16] = {0x20, 1, 0xd, 0xb8, (uint8_t)(i >> 8), (uint8_t)i};
		struct prefix p = prefix_make(AF_INET6, bytes, 64);

		assert_int_equal(tables_route_set(lab->tables, &p, 1 + i % 2), 0);
	}
}

/* Packets wait in the ring: none is lost, however many times. */
static void test_refill_loses_nothing(void **state)
{
	struct lab *lab = start(
		(struct lab_config){.mix = {.ttl = 11, .arp = 50}, .offload = {.slack_bytes = 1}});
	uint64_t began = 0, longest = 0;
	unsigned n = 0;

	(void)state;
	while (n < 600) {
		lab_offer(lab, 200);
		add_routes(lab, n, 10);
		n += 10;
		for (unsigned k = 0; k < 20; k++) {
			bool fills = lab_stats(lab).state == OFFLOAD_FILLING;
			uint64_t now = now_ms();

			if (fills && !began)
				began = now;
			if (began && now - began > longest)
				longest = now - began;
			if (!fills)
				began = 0;
			usleep(200);
			lab_attend(lab);
		}
	}
	await_state(lab, OFFLOAD_READY);
	lab_settle(lab);
	assert_int_equal(lab_stats(lab).faults, 0);
	assert_true(lab_stats(lab).fills >= 2);
	if (longest < OFFLOAD_WAIT_MS / 2) { /* the machine was not too busy for it */
		assert_int_equal(lab_stats(lab).lost_packets, 0);
		expect_all(lab, lab_tx_dropped(lab));
	}
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_fate),
		cmocka_unit_test(test_no_stale_lines),
		cmocka_unit_test(test_remote_buffers_run_out),
		cmocka_unit_test(test_host_buffers_run_out),
		cmocka_unit_test(test_punt_flood),
		cmocka_unit_test(test_tap_at_full_load),
		cmocka_unit_test(test_comes_back_after_faults),
		cmocka_unit_test(test_hung_program_keeps_buffers),
		cmocka_unit_test(test_slow_program),
		cmocka_unit_test(test_lies_about_copies),
		cmocka_unit_test(test_refill_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
