/* SPDX-License-Identifier: BSD-2-Clause */
/* The host as an accelerator, with planes' and the updating thread beside it: order, resting and waking,
 * updates as a program sees them that runs, and faults. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/accel/private.h"
#include "remote_help.h"

#define LANES_MAX 4u
static struct echo_lane lanes[LANES_MAX];

/* A test that hangs is to fail, whatever waits for what. */
static void watch(void)
{
	alarm(100);
}

static void run(struct pl_accel *accel)
{
	struct pl_error err;

	if (pl_accel_run(accel, &err))
		fail_msg("%s", err.what);
}

static void wait_ended(struct pl_accel *accel)
{
	while (pl_accel_ended(accel, NULL) == 0)
		usleep(20);
	assert_int_equal(pl_accel_ended(accel, NULL), 1);
}

/* ---- planes ---- */

struct plane {
	struct echo_lane *lane;
	pthread_t thread;
	unsigned bursts, under_way, pause_us, seed;
};

static void *plane_main(void *arg)
{
	struct plane *plane = arg;
	struct echo_lane *lane = plane->lane;

	while (lane->completed < plane->bursts) {
		if (lane->submitted < plane->bursts &&
		    lane->submitted - lane->completed < plane->under_way &&
		    echo_submit(lane, (uint32_t)rand_r(&plane->seed) % 20)) {
			run(lane->accel);
			if (plane->pause_us && rand_r(&plane->seed) % 4 == 0)
				usleep((unsigned)rand_r(&plane->seed) % plane->pause_us);
		}
		if (echo_complete(lane) < 0)
			sched_yield();
	}
	return NULL;
}

static void planes_start(struct plane *planes, unsigned n, unsigned bursts, unsigned under_way,
			 unsigned pause_us)
{
	for (unsigned i = 0; i < n; i++) {
		planes[i] = (struct plane){.lane = &lanes[i],
					   .bursts = bursts,
					   .under_way = under_way,
					   .pause_us = pause_us,
					   .seed = i + 1};
		assert_int_equal(pthread_create(&planes[i].thread, NULL, plane_main, &planes[i]),
				 0);
	}
}

static void planes_join(struct plane *planes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(pthread_join(planes[i].thread, NULL), 0);
}

/* Every burst comes back once, in order, with its own answers (echo_complete() looks). */
static void check_order(unsigned n, unsigned workers, enum pl_accel_launch launch)
{
	struct plane planes[LANES_MAX];

	watch();
	echo_open(lanes, n, workers, launch, echo_run);
	planes_start(planes, n, 2000, MAILBOX_SLOTS, 0);
	planes_join(planes, n);
	echo_close(lanes, n);
}

static void test_order_persistent(void **state)
{
	(void)state;
	check_order(1, 0, PL_ACCEL_PERSISTENT);
	check_order(3, 2, PL_ACCEL_PERSISTENT);
	check_order(1, 4, PL_ACCEL_PERSISTENT);
	check_order(2, 4, PL_ACCEL_PERSISTENT);
}

static void test_order_burst(void **state)
{
	(void)state;
	check_order(1, 0, PL_ACCEL_BURST);
	check_order(3, 2, PL_ACCEL_BURST);
	check_order(2, 4, PL_ACCEL_BURST);
}

/* Told to rest again and again while planes submit: no burst waits for good. */
static void check_rest(unsigned n, unsigned workers, unsigned under_way, bool wait)
{
	struct plane planes[LANES_MAX];
	struct pl_accel *accel;
	const unsigned bursts = 1000;
	uint64_t done;

	watch();
	echo_open(lanes, n, workers, PL_ACCEL_PERSISTENT, echo_run);
	accel = lanes[0].accel;
	assert_int_equal(pl_accel_ended(accel, NULL), 1); /* never started */
	planes_start(planes, n, bursts, under_way, 50);
	do {
		pl_accel_rest(accel);
		if (wait)
			for (unsigned i = 0; i < 100 && pl_accel_ended(accel, NULL) == 0; i++)
				sched_yield();
		assert_true(pl_accel_ended(accel, NULL) >= 0);
		done = 0;
		for (unsigned i = 0; i < n; i++)
			done += pl_accel_completed(accel, i);
	} while (done < (uint64_t)n * bursts);
	planes_join(planes, n);
	pl_accel_rest(accel);
	wait_ended(accel);
	echo_close(lanes, n);
}

static void test_rest(void **state)
{
	(void)state;
	check_rest(1, 1, 1, true);
	check_rest(1, 1, 1, false);
	check_rest(1, 2, 2, true);
	check_rest(2, 1, 3, false);
	check_rest(3, 3, 2, true);
	check_rest(2, 4, MAILBOX_SLOTS, false);
}

/* Updates alone wake it too. They are long, so that the ring of updates is filled anew again and again: that it
 * is not while the program reads it ThreadSanitizer would see. */
static void test_update_wakes(void **state)
{
	uint64_t words[MAILBOX_UPDATE_MAX / 8], seen[MAILBOX_UPDATE_MAX / 8];
	const uint64_t updates = 3 * ACCEL_UPDATES_BYTES / sizeof(words);
	struct pl_accel_memory memory;
	struct pl_accel *accel;

	(void)state;
	watch();
	echo_open(lanes, 1, 1, PL_ACCEL_PERSISTENT, echo_run);
	accel = lanes[0].accel;
	assert_int_equal(pl_accel_alloc(accel, PL_ACCEL_DEVICE, sizeof(words), &memory, NULL), 0);
	for (uint64_t i = 1; i <= updates; i++) {
		if (i % 3 == 0)
			pl_accel_rest(accel);
		for (unsigned k = 0; k < MAILBOX_UPDATE_MAX / 8; k++)
			words[k] = i + k;
		assert_true(pl_accel_update(accel, memory.device, words, sizeof(words), 8));
		run(accel);
		while (pl_accel_updates_applied(accel) != pl_accel_updates_posted(accel))
			sched_yield();
		assert_int_equal(pl_accel_read(accel, seen, memory.device, sizeof(seen), NULL), 0);
		assert_memory_equal(seen, words, sizeof(seen));
	}
	echo_close(lanes, 1);
}

/* The plane's half of promise 4 (docs/architecture.md) against the program's: this thread is the one worker of a
 * launch, and tells it to end in the same moment as the plane submits. */
struct duel {
	struct echo_lane *lane;
	_Atomic unsigned round, ready; /* that is to be run; that the plane has run */
	_Atomic bool stop;
};

static void *duel_main(void *arg)
{
	struct duel *duel = arg;

	for (unsigned round = 1;; round++) {
		while (duel->round < round)
			if (duel->stop)
				return NULL;
		/* It has `rest` at hand, and `posted` not: the store would like to come after the load. */
		(void)__atomic_load_n(&duel->lane->accel->mailbox->rest, __ATOMIC_RELAXED);
		assert_true(echo_submit(duel->lane, 0));
		run(duel->lane->accel);
		duel->ready = round;
	}
}

static void idle_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	(void)mailbox, (void)worker, (void)launch;
}

static void test_rest_amid_submission(void **state)
{
	struct duel duel = {.lane = &lanes[0]};
	time_t end = time(NULL) + 2;
	struct pl_accel *accel;
	pthread_t thread;

	(void)state;
	watch();
	echo_open(lanes, 1, 1, PL_ACCEL_PERSISTENT, idle_run);
	accel = lanes[0].accel;
	assert_int_equal(pthread_create(&thread, NULL, duel_main, &duel), 0);
	for (unsigned round = 1; time(NULL) < end; round++) {
		struct mailbox_group group;
		struct mailbox_at at;
		uint64_t launch;

		run(accel);
		launch = accel->launches;
		mailbox_enter(&at, &group, accel->mailbox, 0, launch);
		duel.round = round;
		for (volatile unsigned i = 0; i < round % 256; i++)
			;
		/* As pl_accel_rest(), without its lock: at once. */
		accel_tell_rest(accel->mailbox, 1, launch);
		while (mailbox_wait(&at, &group))
			mailbox_finish(&at, &group);
		while (duel.ready < round)
			;
		if (echo_complete(&lanes[0]) >= 0)
			continue;
		/* It was missed: then the plane has started another launch, which finds it. */
		assert_int_equal(accel->launches, launch + 1);
		pl_accel_rest(accel);
		echo_run(accel->mailbox, 0, launch + 1);
		assert_int_equal(echo_complete(&lanes[0]), 0);
	}
	duel.stop = true;
	pthread_join(thread, NULL);
	echo_close(lanes, 1);
}

/* ---- updates beside bursts ---- */

/* The program's table. `current` names a block; the writer fills one before it names it, and spoils another
 * when no burst can be reading it. */
#define BLOCKS 4u
#define BLOCK_WORDS 16u
#define SPOILT 0xffffffffu
struct checked {
	uint64_t twice; /* the same number in both halves */
	uint32_t first, second;
	uint32_t current, pad;
	uint32_t blocks[BLOCKS][BLOCK_WORDS];
};

enum finding { FINE, TORN, MISORDERED, HALF_FILLED, SPOILT_SEEN };

/* The block is read plainly: ThreadSanitizer sees if what names it does not come after what is in it, or if it
 * is used again too soon. */
static uint16_t check_table(const struct checked *table)
{
	uint64_t twice = PL_LOAD64(&table->twice);
	uint32_t second = PL_LOAD32(&table->second); /* is stored after the first */
	uint32_t first = PL_LOAD32(&table->first);
	uint32_t current = PL_LOAD32(&table->current);
	const uint32_t *block = table->blocks[current];

	if (twice >> 32 != (uint32_t)twice)
		return TORN;
	if (first < second)
		return MISORDERED;
	for (unsigned i = 0; i < BLOCK_WORDS; i++) {
		if (block[i] == SPOILT)
			return SPOILT_SEEN;
		if (block[i] != block[0])
			return HALF_FILLED;
	}
	return FINE;
}

static void checker_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	const struct checked *table = (const struct checked *)(uintptr_t)mailbox->context;
	struct mailbox_group group;
	struct mailbox_at at;

	mailbox_enter(&at, &group, mailbox, worker, launch);
	while (mailbox_wait(&at, &group)) {
		struct mailbox_slot *burst = mailbox_burst(&group);

		for (uint32_t i = 0; i < mailbox_n(&group); i++)
			burst->verdict[i] = check_table(table);
		mailbox_finish(&at, &group);
	}
}

struct checking_plane {
	struct echo_lane *lane;
	pthread_t thread;
	_Atomic bool *stop;
	unsigned found[SPOILT_SEEN + 1];
};

static void *checking_main(void *arg)
{
	struct checking_plane *plane = arg;
	struct echo_lane *lane = plane->lane;
	struct pl_burst *burst;
	bool stop;

	do {
		stop = atomic_load(plane->stop);
		while (!stop && (burst = pl_accel_next(lane->accel, lane->index))) {
			burst->n = 4;
			for (unsigned i = 0; i < burst->n; i++)
				burst->frame[i] = PL_FRAME_OFFSET;
			pl_accel_submit(lane->accel, lane->index);
			run(lane->accel);
		}
		while ((burst = pl_accel_complete(lane->accel, lane->index)))
			for (unsigned i = 0; i < burst->n; i++)
				plane->found[burst->verdict[i]]++;
		sched_yield();
	} while (!stop || pl_accel_completed(lane->accel, lane->index) <
				  pl_accel_submitted(lane->accel, lane->index));
	return NULL;
}

static void post(struct pl_accel *accel, uint64_t to, const void *bytes, uint32_t length,
		 uint32_t word)
{
	while (!pl_accel_update(accel, to, bytes, length, word)) {
		run(accel);
		sched_yield();
	}
}

#define AT(memory, field) ((memory).device + offsetof(struct checked, field))

/* What no burst may see any more after this, may be used again: the epoch (tables/log.h). */
static void wait_epoch(struct pl_accel *accel, unsigned n)
{
	uint64_t posted = pl_accel_updates_posted(accel), submitted;

	run(accel);
	while (pl_accel_updates_applied(accel) < posted)
		sched_yield();
	for (unsigned i = 0; i < n; i++) {
		submitted = pl_accel_submitted(accel, i);
		while (pl_accel_completed(accel, i) < submitted)
			sched_yield();
	}
}

static void update_all(struct pl_accel *accel, struct pl_accel_memory memory, unsigned n,
		       uint32_t number)
{
	uint64_t twice = (uint64_t)number << 32 | number;
	uint32_t block[BLOCK_WORDS], current = number % BLOCKS;
	uint64_t at = AT(memory, blocks) + current * sizeof(block);

	post(accel, AT(memory, twice), &twice, 8, 8);
	post(accel, AT(memory, first), &number, 4, 4);
	post(accel, AT(memory, second), &number, 4, 4);
	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		block[i] = number;
	post(accel, at, block, sizeof(block), 4);
	post(accel, AT(memory, current), &current, 4, 4);
	run(accel);
	if (number % 8 == 0) {
		uint64_t old = AT(memory, blocks) + (current + 1) % BLOCKS * sizeof(block);

		wait_epoch(accel, n);
		for (unsigned i = 0; i < BLOCK_WORDS; i++)
			block[i] = SPOILT;
		assert_int_equal(pl_accel_write(accel, old, block, sizeof(block), NULL), 0);
	}
	/* A block is left at the next number and filled again BLOCKS later: an epoch lies between. */
	if (number % 2 == 0)
		wait_epoch(accel, n);
}

static bool all_completed(struct pl_accel *accel, unsigned n, uint64_t bursts)
{
	for (unsigned i = 0; i < n; i++)
		if (pl_accel_completed(accel, i) < bursts)
			return false;
	return true;
}

static void check_updates(unsigned n, unsigned workers, enum pl_accel_launch launch, bool rests)
{
	struct checking_plane planes[LANES_MAX];
	struct pl_accel_memory memory;
	struct pl_accel *accel;
	_Atomic bool stop = false;

	watch();
	echo_open(lanes, n, workers, launch, checker_run);
	accel = lanes[0].accel;
	assert_int_equal(
		pl_accel_alloc(accel, PL_ACCEL_DEVICE, sizeof(struct checked), &memory, NULL), 0);
	pl_accel_set_context(accel, memory.device);
	for (unsigned i = 0; i < n; i++) {
		planes[i] = (struct checking_plane){.lane = &lanes[i], .stop = &stop};
		assert_int_equal(pthread_create(&planes[i].thread, NULL, checking_main, &planes[i]),
				 0);
	}
	for (uint32_t number = 1; number < 2000 || !all_completed(accel, n, 100); number++) {
		update_all(accel, memory, n, number);
		if (rests && number % 16 == 0)
			pl_accel_rest(accel);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(pthread_join(planes[i].thread, NULL), 0);
		for (unsigned k = TORN; k <= SPOILT_SEEN; k++)
			assert_int_equal(planes[i].found[k], 0);
		assert_true(planes[i].found[FINE] > 0);
	}
	echo_close(lanes, n);
}

static void test_updates(void **state)
{
	(void)state;
	check_updates(1, 1, PL_ACCEL_PERSISTENT, false);
	check_updates(2, 2, PL_ACCEL_PERSISTENT, true);
	check_updates(1, 3, PL_ACCEL_PERSISTENT, true);
	check_updates(1, 2, PL_ACCEL_BURST, false);
}

/* ---- faults ---- */

static _Atomic bool hung;

/* Takes the second burst and keeps it, while `hung`. */
static void hanging_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	struct mailbox_group group;
	struct mailbox_at at;

	mailbox_enter(&at, &group, mailbox, worker, launch);
	while (mailbox_wait(&at, &group)) {
		while (mailbox_n(&group) == 2 && atomic_load(&hung))
			usleep(100);
		echo_process(&at, &group);
		mailbox_finish(&at, &group);
	}
}

static void test_hang(void **state)
{
	struct pl_burst *burst;
	struct pl_accel *accel;

	(void)state;
	watch();
	atomic_store(&hung, true);
	echo_open(lanes, 1, 1, PL_ACCEL_PERSISTENT, hanging_run);
	accel = lanes[0].accel;
	for (unsigned i = 1; i <= 4; i++)
		assert_true(echo_submit(&lanes[0], i));
	run(accel);
	while (echo_complete(&lanes[0]) < 0)
		usleep(100);
	pl_accel_rest(accel);
	usleep(10000);
	assert_int_equal(pl_accel_ended(accel, NULL), 0);
	assert_int_equal(pl_accel_close(accel, 20), -ETIMEDOUT);
	assert_int_equal(pl_accel_close(accel, 0), -ETIMEDOUT);
	assert_int_equal(echo_complete(&lanes[0]), -1);
	atomic_store(&hung, false);
	wait_ended(accel);
	while ((burst = pl_accel_abandon(accel, 0)))
		pl_pool_put(&lanes[0].pool, burst->frame, burst->n, PL_OWNER_BURST);
	echo_close(lanes, 1);
}

/* Ends by itself after the first burst. */
static void quitting_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	struct mailbox_group group;
	struct mailbox_at at;

	mailbox_enter(&at, &group, mailbox, worker, launch);
	if (mailbox_wait(&at, &group)) {
		echo_process(&at, &group);
		mailbox_finish(&at, &group);
	}
}

static void test_quits(void **state)
{
	struct pl_burst *burst;
	struct pl_accel *accel;
	struct pl_error err;

	(void)state;
	watch();
	echo_open(lanes, 1, 1, PL_ACCEL_PERSISTENT, quitting_run);
	accel = lanes[0].accel;
	for (unsigned i = 0; i < 3; i++)
		assert_true(echo_submit(&lanes[0], 1));
	run(accel);
	while (pl_accel_ended(accel, &err) == 0)
		usleep(20);
	assert_int_equal(pl_accel_ended(accel, &err), -EIO);
	assert_non_null(strstr(err.what, "the program ended"));
	assert_int_equal(echo_complete(&lanes[0]), 0);
	assert_int_equal(echo_complete(&lanes[0]), -1);
	while ((burst = pl_accel_abandon(accel, 0)))
		pl_pool_put(&lanes[0].pool, burst->frame, burst->n, PL_OWNER_BURST);
	pl_accel_rest(accel);
	assert_int_equal(pl_accel_run(accel, &err), -EIO); /* for good */
	echo_close(lanes, 1);
}

static void refuse(struct pl_accel_config config, int code, const char *why)
{
	struct pl_accel *accel;
	struct pl_error err;

	assert_int_equal(pl_accel_open(&accel, &config, &err), code);
	assert_null(accel);
	if (!strstr(err.what, why))
		fail_msg("\"%s\" does not say \"%s\"", err.what, why);
}

static void test_refused(void **state)
{
	const struct pl_accel_config good = {
		.kind = PL_ACCEL_HOST, .n_lanes = 4, .program.host = echo_run};
	struct pl_accel_config config;

	(void)state;
	assert_int_equal(pl_accel_close(NULL, 0), 0);
	for (unsigned lanes_bad = 0; lanes_bad <= MAILBOX_LANES_MAX + 1;
	     lanes_bad += MAILBOX_LANES_MAX + 1) {
		config = good;
		config.n_lanes = lanes_bad;
		refuse(config, -EINVAL, "1 to 64 lanes");
	}
	config = good;
	config.n_workers = 6;
	refuse(config, -EINVAL, "6 workers cannot share 4 lanes");
	config.n_workers = 4 * (MAILBOX_SLOTS + 1);
	refuse(config, -EINVAL, "36 workers cannot share 4 lanes");
	config = good;
	config.index = 1;
	refuse(config, -ENODEV, "host 1");
	config = good;
	config.program.host = NULL;
	refuse(config, -ENOTSUP, "not made for it");
	config = good;
	config.kind = PL_ACCEL_KINDS;
	refuse(config, -ENODEV, "no such kind");
}

static void test_scan(void **state)
{
	struct pl_accel_info infos[32];
	unsigned n = pl_accel_scan(infos, 32), hosts = 0;

	(void)state;
	for (unsigned i = 0; i < n; i++)
		if (infos[i].kind == PL_ACCEL_HOST) {
			hosts++;
			assert_int_equal(infos[i].index, 0);
			assert_int_equal(infos[i].unusable, 0);
			assert_int_equal(infos[i].no_packets, 0);
			assert_true((access("/dev/udmabuf", R_OK | W_OK) == 0) ==
				    !infos[i].no_dmabuf);
			/* What is to be done is said apart from what is missing. */
			assert_true(!infos[i].no_dmabuf == !infos[i].dmabuf_remedy);
			assert_true(!infos[i].no_dmabuf || !strchr(infos[i].no_dmabuf, '('));
			assert_non_null(strstr(infos[i].name, "host"));
		}
	assert_int_equal(hosts, 1);
	assert_int_equal(pl_accel_scan(infos, 0), 0);
	assert_string_equal(pl_accel_kind_name(PL_ACCEL_OPENCL), "opencl");
	assert_null(pl_accel_kind_name(PL_ACCEL_KINDS));
}

/* Memory that nobody freed goes with the accelerator (under AddressSanitizer: LeakSanitizer sees the
 * records of it). */
static void test_memory(void **state)
{
	struct pl_accel_memory memory[3];
	uint8_t bytes[100], back[100];
	struct pl_accel *accel;

	(void)state;
	echo_open(lanes, 1, 1, PL_ACCEL_PERSISTENT, echo_run);
	accel = lanes[0].accel;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pl_accel_alloc(accel, i ? PL_ACCEL_DEVICE : PL_ACCEL_SHARED, 4096,
						&memory[i], NULL),
				 0);
		assert_int_equal(memory[i].host == NULL, i != 0);
	}
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i + 1);
	for (unsigned at = 0; at < 9; at++) {
		assert_int_equal(pl_accel_write(accel, memory[1].device + at, bytes + at, 91, NULL),
				 0);
		assert_int_equal(pl_accel_zero(accel, memory[1].device + at + 3, 5, NULL), 0);
		assert_int_equal(pl_accel_read(accel, back, memory[1].device + at, 91, NULL), 0);
		for (unsigned i = 0; i < 91; i++)
			assert_int_equal(back[i], i >= 3 && i < 8 ? 0 : at + i + 1);
	}
	pl_accel_free(accel, &memory[1]);
	assert_int_equal(memory[1].device, 0);
	pl_accel_free(accel, &memory[1]); /* zeroed */
	echo_close(lanes, 1);
}

static void test_remote(void **state)
{
	(void)state;
	remote_check_device(
		(struct pl_accel_config){.kind = PL_ACCEL_HOST, .program.host = echo_run});
	remote_check_device((struct pl_accel_config){
		.kind = PL_ACCEL_HOST, .n_workers = 3, .program.host = echo_run});
}

static void test_packets_refused(void **state)
{
	struct pl_accel_packets packets;
	struct pl_error err;

	(void)state;
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_HOST, 1, 4096, &err), -ENODEV);
	assert_non_null(strstr(err.what, "host 1: there is one"));
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_HOST, 0, 0, &err), -EINVAL);
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_KINDS, 0, 4096, &err), -ENODEV);
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_HOST, 0, (size_t)1 << 32, &err),
			 -EINVAL);
	assert_int_equal(packets.remote.len_bytes, 0);
	pl_accel_packets_free(&packets);
}

/* Memory that is inherited; a file stands for the dma-buf. */
static void test_packets_given(void **state)
{
	int fd = memfd_create("given", 0);
	struct pl_accel_packets packets, other;
	struct pl_error err;
	char text[16];

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)(3 * PL_REMOTE_GRAIN + 4096)), 0);
	snprintf(text, sizeof(text), "%d", fd);
	setenv("PEERLANE_PACKETS_FD", text, 1);
	assert_int_equal(
		pl_accel_packets_new(&packets, PL_ACCEL_HOST, 0, 4 * PL_REMOTE_GRAIN, &err),
		-ENOMEM);
	assert_non_null(strstr(err.what, "is of 6 MiB, and 8 are needed"));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_HOST, 0, 5, &err), 0);
		assert_int_equal(packets.remote.len_bytes, 3 * PL_REMOTE_GRAIN);
		assert_int_equal(packets.remote.dmabuf_fd, fd);
		assert_null(packets.remote.no_dmabuf);
		memset((void *)(uintptr_t)packets.remote.device, 'x', 3 * PL_REMOTE_GRAIN);
		assert_int_equal(pl_accel_packets_new(&other, PL_ACCEL_HOST, 0, 5, &err), -ENOMEM);
		assert_non_null(strstr(err.what, "in use"));
		pl_accel_packets_free(&packets);
	}
	assert_int_equal(pread(fd, text, 1, 3 * PL_REMOTE_GRAIN - 1), 1);
	assert_int_equal(text[0], 'x');
	close(fd);
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_HOST, 0, 5, &err), -EINVAL);
	assert_non_null(strstr(err.what, "Bad file descriptor"));
	setenv("PEERLANE_PACKETS_FD", "none", 1);
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_HOST, 0, 5, &err), -EINVAL);
	unsetenv("PEERLANE_PACKETS_FD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_persistent),
		cmocka_unit_test(test_order_burst),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_rest_amid_submission),
		cmocka_unit_test(test_update_wakes),
		cmocka_unit_test(test_updates),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_quits),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_packets_refused),
		cmocka_unit_test(test_packets_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
