/* SPDX-License-Identifier: BSD-2-Clause */
/* The device's side of the mailbox as a GPU runs it: a group of many items, which are threads here, between
 * barriers that all must come to. What test_mailbox.c has of a group of one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <peerlane/lang.h>

#define ITEMS_MAX 64u
static unsigned n_items;
static pthread_barrier_t barrier;
static _Thread_local unsigned item;

#undef PL_ITEM
#undef PL_ITEMS
#undef PL_BARRIER
#undef PL_TAKE32
#define PL_ITEM() item
#define PL_ITEMS() n_items
#define PL_BARRIER() ((void)pthread_barrier_wait(&barrier))
#define PL_TAKE32(p) __atomic_fetch_add((uint32_t *)(p), 1u, __ATOMIC_RELAXED)

#include "../../lib/accel/private.h"
#include "remote_help.h"

/* echo_process() has one item do all. */
static void process(const struct mailbox_at *at, struct mailbox_group *group)
{
	struct mailbox_slot *burst = mailbox_burst(group);

	for (uint32_t i = PL_ITEM(); i < mailbox_n(group); i += PL_ITEMS()) {
		uint8_t *frame = mailbox_base(group) + burst->frame[i];
		uint16_t verdict;

		memcpy(&verdict, frame, 2);
		if (PL_VERDICT_KIND(verdict) == PL_VERDICT_PUNT &&
		    !mailbox_take(group, i, burst->len[i]))
			verdict = ECHO_NO_BUFFER;
		burst->verdict[i] = verdict;
		frame[3] = (uint8_t)at->worker;
		burst->len[i]--;
	}
	if (PL_ITEM() == 0)
		burst->shortened = group->number;
	mailbox_copy(group);
}

static struct mailbox *mailbox;
static struct mailbox_group shared;

static void *run_item(void *arg)
{
	struct mailbox_at at;

	item = (unsigned)(uintptr_t)arg;
	mailbox_enter(&at, &shared, mailbox, 0, 1);
	while (mailbox_wait(&at, &shared)) {
		process(&at, &shared);
		mailbox_finish(&at, &shared);
	}
	return NULL;
}

static void run_group(struct pl_accel *accel)
{
	pthread_t threads[ITEMS_MAX];

	mailbox = accel->mailbox;
	memset(&shared, 0xa5, sizeof(shared)); /* a GPU's is not zeroed */
	assert_int_equal(pthread_barrier_init(&barrier, NULL, n_items), 0);
	for (uintptr_t i = 0; i < n_items; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_item, (void *)i), 0);
	for (unsigned i = 0; i < n_items; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

static void idle_run(struct mailbox *ignored, uint32_t worker, uint64_t launch)
{
	(void)ignored, (void)worker, (void)launch;
}

/* Bursts and updates, as many as are posted at a time, by a group of `items`. */
static void check(unsigned items)
{
	static struct remote_lane lane;
	struct pl_accel_config config = {.kind = PL_ACCEL_HOST,
					 .launch = PL_ACCEL_BURST,
					 .n_lanes = 1,
					 .n_workers = 1,
					 .program.host = idle_run};
	uint8_t bytes[MAILBOX_UPDATE_MAX], is[sizeof(bytes)];
	struct pl_accel_packets packets;
	struct pl_accel_memory table;
	struct pl_accel *accel;
	struct pl_error err;

	n_items = items;
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_HOST, 0, REMOTE_BYTES, &err), 0);
	assert_int_equal(pl_accel_open(&accel, &config, &err), 0);
	assert_int_equal(pl_accel_alloc(accel, PL_ACCEL_DEVICE, sizeof(bytes), &table, &err), 0);
	remote_attach(&lane, accel, &packets.remote);
	for (unsigned turn = 0; turn < 12; turn++) {
		static const uint32_t sizes[] = {1, 31, 64, 200, PL_BURST_MAX, 0};

		memset(bytes, (int)turn, sizeof(bytes));
		assert_true(pl_accel_update(accel, table.device, bytes, sizeof(bytes), 8));
		while (remote_submit(&lane, sizes[turn % 6], 0, (turn + lane.submitted) % 3,
				     turn % 4 ? PL_BURST_MAX : sizes[turn % 6] / 3))
			;
		run_group(accel);
		for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
			assert_true(remote_complete(&lane));
		assert_int_equal(pl_accel_read(accel, is, table.device, sizeof(is), &err), 0);
		assert_memory_equal(is, bytes, sizeof(bytes));
	}
	assert_int_equal(pl_accel_close(accel, 10000), 0);
	remote_detach(&lane);
	pl_accel_packets_free(&packets);
}

/* One item to a packet's copy, or 32 together. */
static void test_items(void **state)
{
	(void)state;
	check(1);
	check(2);
	check(7);
	check(32);
	check(64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_items)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
