/* SPDX-License-Identifier: BSD-2-Clause */
/* The mailbox's protocol, both sides on one thread: which worker does what, how a launch ends, and updates
 * that wrap around. (Both at once: test_accel_host.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <peerlane/lang.h>

/* Looks at the mailbox, counted; and it is told to rest between two of them. */
static struct {
	const uint64_t *rest;
	unsigned rest_looks, looks, rest_after;
} watched;

static inline uint64_t plain_poll64(const uint64_t *p)
{
	return PL_POLL64(p);
}

static inline uint64_t watched_poll64(uint64_t *p)
{
	if (watched.rest == p)
		watched.rest_looks++;
	else if (++watched.looks == watched.rest_after)
		__atomic_store_n((uint64_t *)watched.rest, 1, __ATOMIC_RELAXED);
	return plain_poll64(p);
}
#undef PL_POLL64
#define PL_POLL64(p) watched_poll64(p)

#include "../../lib/accel/private.h"
#include "remote_help.h"

#define LANES MAILBOX_LANES_MAX
static struct echo_lane lanes[LANES];

/* As the program of an accelerator on whose behalf the test runs another. */
static void idle_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	(void)mailbox, (void)worker, (void)launch;
}

static void open_lanes(unsigned n, unsigned workers)
{
	echo_open(lanes, n, workers, PL_ACCEL_BURST, idle_run);
}

/* A launch of worker `worker`, which is to end. */
static void launch(unsigned worker)
{
	echo_run(lanes[0].accel->mailbox, worker, 1);
}

static void test_nothing(void **state)
{
	(void)state;
	open_lanes(1, 1);
	launch(0);
	assert_int_equal(echo_complete(&lanes[0]), -1);
	assert_null(pl_accel_abandon(lanes[0].accel, 0));
	echo_close(lanes, 1);
}

static void test_round_and_round(void **state)
{
	(void)state;
	open_lanes(1, 1);
	for (unsigned turn = 0; turn < 100; turn++) {
		unsigned n = turn % MAILBOX_SLOTS + 1;

		for (unsigned i = 0; i < n; i++)
			assert_true(echo_submit(&lanes[0], (turn * 37 + i) % 50));
		assert_int_equal(echo_complete(&lanes[0]), -1);
		launch(0);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(echo_complete(&lanes[0]), 0);
		assert_int_equal(echo_complete(&lanes[0]), -1);
		assert_int_equal(pl_accel_submitted(lanes[0].accel, 0), lanes[0].submitted);
		assert_int_equal(pl_accel_completed(lanes[0].accel, 0), lanes[0].submitted);
	}
	echo_close(lanes, 1);
}

static void test_full(void **state)
{
	(void)state;
	open_lanes(1, 1);
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		assert_true(echo_submit(&lanes[0], PL_BURST_MAX));
	assert_false(echo_submit(&lanes[0], 1));
	launch(0);
	assert_false(echo_submit(&lanes[0], 1)); /* done, but not taken back */
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		assert_int_equal(echo_complete(&lanes[0]), 0);
	assert_true(echo_submit(&lanes[0], 1));
	launch(0);
	assert_int_equal(echo_complete(&lanes[0]), 0);
	echo_close(lanes, 1);
}

/* Each burst is done once, by the worker that mailbox.h names. */
static void check_shares(unsigned n_lanes, unsigned workers)
{
	unsigned of_lane = workers > n_lanes ? workers / n_lanes : 1;

	open_lanes(n_lanes, workers);
	assert_int_equal(pl_accel_workers(lanes[0].accel), workers);
	for (unsigned turn = 0; turn < 5; turn++) {
		for (unsigned i = 0; i < n_lanes; i++)
			for (unsigned k = 0; k < MAILBOX_SLOTS - turn; k++)
				assert_true(echo_submit(&lanes[i], 1));
		for (unsigned w = workers; w-- > 0;)
			launch(w);
		for (unsigned i = 0; i < n_lanes; i++)
			for (unsigned k = 0; k < MAILBOX_SLOTS - turn; k++) {
				uint64_t number = lanes[i].completed; /* from 0 */
				unsigned expected =
					of_lane == 1 ? i % workers
						     : (unsigned)(number % of_lane) * n_lanes + i;

				assert_int_equal(echo_complete(&lanes[i]), expected);
			}
	}
	echo_close(lanes, n_lanes);
}

static void test_shares(void **state)
{
	(void)state;
	check_shares(1, 2);
	check_shares(1, 3);
	check_shares(1, 8);
	check_shares(2, 1);
	check_shares(2, 2);
	check_shares(2, 8);
	check_shares(6, 4);
	check_shares(6, 5);
	check_shares(6, 18);
	check_shares(LANES, 1);
	check_shares(LANES, 63);
	check_shares(LANES, 4 * LANES);
}

/* A burst that is done before an older one waits for it. */
static void test_order(void **state)
{
	(void)state;
	open_lanes(1, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_true(echo_submit(&lanes[0], 3));
	launch(1);
	assert_int_equal(echo_complete(&lanes[0]), -1);
	launch(0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(echo_complete(&lanes[0]), i % 2);
	echo_close(lanes, 1);
}

static void test_abandon(void **state)
{
	struct pl_burst *burst;

	(void)state;
	open_lanes(1, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_true(echo_submit(&lanes[0], i + 1));
	launch(0);
	assert_int_equal(echo_complete(&lanes[0]), 0);
	assert_int_equal(echo_complete(&lanes[0]), -1);
	for (unsigned i = 1; i < 4; i++) {
		burst = pl_accel_abandon(lanes[0].accel, 0);
		assert_non_null(burst);
		assert_int_equal(burst->n, i + 1);
		pl_pool_put(&lanes[0].pool, burst->frame, burst->n, PL_OWNER_BURST);
	}
	assert_null(pl_accel_abandon(lanes[0].accel, 0));
	assert_int_equal(pl_accel_completed(lanes[0].accel, 0), 4);
	echo_close(lanes, 1);
}

/* A launch that is to end does so, however much is submitted meanwhile, once it has done what had been. */
static void test_ends(void **state)
{
	struct mailbox_group group;
	struct mailbox_at at;
	unsigned done = 0;

	(void)state;
	open_lanes(2, 1);
	for (unsigned i = 0; i < 2 * MAILBOX_SLOTS; i++)
		assert_true(echo_submit(&lanes[i % 2], 1));
	mailbox_enter(&at, &group, lanes[0].accel->mailbox, 0, 1);
	while (mailbox_wait(&at, &group)) {
		struct echo_lane *lane = &lanes[group.lane];

		echo_process(&at, &group);
		mailbox_finish(&at, &group);
		assert_int_equal(echo_complete(lane), 0);
		assert_true(echo_submit(lane, 1));
		assert_in_range(++done, 1, 10000);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_true(lanes[i].completed >= MAILBOX_SLOTS);
	launch(0); /* and the next finds what it left */
	for (unsigned i = 0; i < 2 * MAILBOX_SLOTS; i++)
		assert_int_equal(echo_complete(&lanes[i % 2]), 0);
	echo_close(lanes, 2);
}

/* More bursts than there are bits for in MAILBOX_POSTED(). */
static void test_many_bursts(void **state)
{
	/* Each slot has been used by then. */
	const uint64_t before = (UINT64_C(1) << 40) - 2 * MAILBOX_SLOTS;
	struct mailbox_worker *worker;
	struct accel_lane *lane;

	(void)state;
	open_lanes(1, 1);
	lane = &lanes[0].accel->lanes[0];
	worker = (struct mailbox_worker *)(uintptr_t)lanes[0].accel->mailbox->workers;
	lane->submitted = before;
	lane->posted = lane->completed = before;
	worker->next[0] = before + 1;
	launch(0);
	for (unsigned i = 0; i < 4 * MAILBOX_SLOTS; i++) {
		assert_true(echo_submit(&lanes[0], 1));
		launch(0);
		assert_int_equal(echo_complete(&lanes[0]), 0);
	}
	assert_int_equal(lane->completed, before + 4 * MAILBOX_SLOTS);
	echo_close(lanes, 1);
}

/* While there is nothing to do each look is one for bursts; whether to rest is looked at now and then. */
static void test_rests_soon_enough(void **state)
{
	struct mailbox *mailbox;

	(void)state;
	open_lanes(1, 1);
	mailbox = lanes[0].accel->mailbox;
	accel_tell_rest(mailbox, 1, 0);
	watched.rest = &mailbox->rests[0].launch;
	watched.looks = watched.rest_looks = 0;
	watched.rest_after = 10000;
	launch(0);
	watched.rest = NULL;
	/* Two looks a round, one of them for updates. */
	assert_in_range(watched.looks, 10000, 10000 + 3 * 2 * MAILBOX_REST_ROUNDS);
	assert_in_range(watched.rest_looks, 2, 10000 / 2 / MAILBOX_REST_ROUNDS + 3);
	accel_tell_rest(mailbox, 1, UINT64_MAX);
	echo_close(lanes, 1);
}

/* ---- packets in the device's memory ---- */

static struct remote_lane remote_lane;
static struct pl_remote memory_of_device = {
	.len_bytes = REMOTE_BYTES, .page_bytes = PL_REMOTE_GRAIN, .dmabuf_fd = -1};

static void open_remote(void)
{
	struct pl_accel_config config = {.kind = PL_ACCEL_HOST,
					 .launch = PL_ACCEL_BURST,
					 .n_lanes = 1,
					 .n_workers = 1,
					 .program.host = idle_run};
	struct pl_accel *accel;
	struct pl_error err;
	void *at = mmap(NULL, REMOTE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	assert_ptr_not_equal(at, MAP_FAILED);
	memory_of_device.device = (uintptr_t)at;
	assert_int_equal(pl_accel_open(&accel, &config, &err), 0);
	remote_attach(&remote_lane, accel, &memory_of_device);
}

static void close_remote(void)
{
	assert_int_equal(pl_accel_close(remote_lane.accel, 10000), 0);
	remote_detach(&remote_lane);
	munmap((void *)(uintptr_t)memory_of_device.device, REMOTE_BYTES);
}

/* As many bursts as there are slots, at a time. */
static void check_remote(uint32_t n, uint32_t len, enum remote_punts punts, uint32_t n_spare)
{
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		assert_true(remote_submit(&remote_lane, n, len, punts, n_spare));
	assert_false(remote_submit(&remote_lane, n, len, punts, n_spare));
	echo_run(remote_lane.accel->mailbox, 0, 1);
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		assert_true(remote_complete(&remote_lane));
	assert_false(remote_complete(&remote_lane));
}

/* What is punted, and that alone, is copied; as far as buffers are lent. */
static void test_copies(void **state)
{
	(void)state;
	open_remote();
	for (unsigned turn = 0; turn < 2; turn++) {
		check_remote(64, 0, REMOTE_NONE, PL_BURST_MAX);
		check_remote(64, 0, REMOTE_SOME, PL_BURST_MAX);
		check_remote(64, 0, REMOTE_ALL, PL_BURST_MAX);
		check_remote(0, 0, REMOTE_ALL, PL_BURST_MAX);
		check_remote(1, 0, REMOTE_ALL, 1);
		check_remote(1, 0, REMOTE_ALL, 0);
		check_remote(100, 0, REMOTE_ALL, 99);
		check_remote(100, 0, REMOTE_ALL, 100);
		check_remote(100, 0, REMOTE_SOME, 30);
		check_remote(100, 0, REMOTE_SOME, 0);
	}
	check_remote(PL_BURST_MAX, 0, REMOTE_ALL, PL_BURST_MAX);
	check_remote(PL_BURST_MAX, 0, REMOTE_SOME, 200);
	close_remote();
}

/* All lengths that a buffer holds, to the last byte. */
static void test_copies_lengths(void **state)
{
	(void)state;
	open_remote();
	for (uint32_t len = 1; len <= pl_pool_frame_max(&remote_lane.pool); len++) {
		assert_true(remote_submit(&remote_lane, 2, len, REMOTE_ALL, 3));
		echo_run(remote_lane.accel->mailbox, 0, 1);
		assert_true(remote_complete(&remote_lane));
	}
	close_remote();
}

/* A device that says that frames have grown is not believed. */
static void test_lies_about_lengths(void **state)
{
	static const uint16_t said[] = {0, 1, 59, 60, 61, 2047, 2048, UINT16_MAX};
	struct mailbox_slot *slot;
	struct pl_burst *burst;
	struct echo_lane *lane = &lanes[0];

	(void)state;
	open_lanes(1, 1);
	assert_true(echo_submit(lane, 8));
	launch(0);
	slot = lane->accel->lanes[0].slots;
	memcpy(slot->len, said, sizeof(said));
	burst = pl_accel_complete(lane->accel, 0);
	assert_non_null(burst);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(burst->len[i],
				 said[i] < ECHO_FRAME_LEN ? said[i] : ECHO_FRAME_LEN);
	pl_pool_put(&lane->pool, burst->frame, burst->n, PL_OWNER_BURST);
	echo_close(lanes, 1);
}

/* Updates and copies take turns with the same memory of the group. */
static void test_copies_between_updates(void **state)
{
	uint8_t bytes[MAILBOX_UPDATE_MAX], is[sizeof(bytes)];
	struct pl_accel_memory table;
	struct pl_error err;

	(void)state;
	open_remote();
	assert_int_equal(
		pl_accel_alloc(remote_lane.accel, PL_ACCEL_DEVICE, sizeof(bytes), &table, &err), 0);
	for (unsigned turn = 0; turn < 100; turn++) {
		memset(bytes, (int)turn, sizeof(bytes));
		for (unsigned i = 0; i < 1 + turn % 4; i++)
			assert_true(pl_accel_update(remote_lane.accel, table.device, bytes,
						    sizeof(bytes), 8));
		check_remote(40, 60, REMOTE_SOME, PL_BURST_MAX);
		assert_int_equal(
			pl_accel_read(remote_lane.accel, is, table.device, sizeof(is), &err), 0);
		assert_memory_equal(is, bytes, sizeof(bytes));
	}
	close_remote();
}

/* ---- updates ---- */

#define TABLE_BYTES 65536u
static uint8_t expected[TABLE_BYTES], table[TABLE_BYTES];
static struct pl_accel_memory memory;

static void open_table(void)
{
	struct pl_error err;

	open_lanes(1, 2);
	memset(expected, 0, sizeof(expected));
	assert_int_equal(
		pl_accel_alloc(lanes[0].accel, PL_ACCEL_DEVICE, TABLE_BYTES, &memory, &err), 0);
}

static void check_table(void)
{
	struct pl_error err;

	assert_int_equal(pl_accel_updates_applied(lanes[0].accel),
			 pl_accel_updates_posted(lanes[0].accel));
	assert_int_equal(pl_accel_read(lanes[0].accel, table, memory.device, TABLE_BYTES, &err), 0);
	assert_memory_equal(table, expected, TABLE_BYTES);
}

/* A random store; one of 1024 bytes leaves a gap at the end of nearly every chunk. */
static bool post(unsigned *seed)
{
	uint8_t bytes[MAILBOX_UPDATE_MAX];
	uint32_t word = 2u << rand_r(seed) % 3;
	uint32_t most = rand_r(seed) % 8 ? 4 : MAILBOX_UPDATE_MAX / word;
	uint32_t length = word * (1 + (uint32_t)rand_r(seed) % most);
	uint32_t at = (uint32_t)rand_r(seed) % (TABLE_BYTES - length) / word * word;

	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)rand_r(seed);
	if (!pl_accel_update(lanes[0].accel, memory.device + at, bytes, length, word))
		return false;
	memcpy(expected + at, bytes, length);
	return true;
}

static void test_updates(void **state)
{
	unsigned seed = 7;

	(void)state;
	open_table();
	for (unsigned turn = 0; turn < 2000; turn++) {
		unsigned n = (unsigned)rand_r(&seed) % 40;

		for (unsigned i = 0; i < n; i++)
			assert_true(post(&seed));
		if (turn % 3 == 0)
			assert_true(echo_submit(&lanes[0], 1));
		launch(1); /* has none of it */
		if (n)
			assert_true(pl_accel_updates_applied(lanes[0].accel) <
				    pl_accel_updates_posted(lanes[0].accel));
		launch(0);
		check_table();
		if (turn % 3 == 0)
			assert_true(echo_complete(&lanes[0]) >= 0);
	}
	assert_true(pl_accel_updates_posted(lanes[0].accel) > 2 * ACCEL_UPDATES_BYTES);
	echo_close(lanes, 1);
}

/* What does not fit is refused, and what did is all there: one launch applies a full ring. */
static void test_updates_full(void **state)
{
	unsigned seed = 8;

	(void)state;
	open_table();
	for (unsigned turn = 0; turn < 5; turn++) {
		unsigned n = 0, refused = 0;

		while (refused < 50) /* small ones fit still */
			if (post(&seed))
				n++;
			else
				refused++;
		assert_true(n > 1000);
		launch(0);
		check_table();
	}
	echo_close(lanes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_round_and_round),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_rests_soon_enough),
		cmocka_unit_test(test_many_bursts),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_copies_lengths),
		cmocka_unit_test(test_lies_about_lengths),
		cmocka_unit_test(test_copies_between_updates),
		cmocka_unit_test(test_updates),
		cmocka_unit_test(test_updates_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
