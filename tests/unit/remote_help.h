/* SPDX-License-Identifier: BSD-2-Clause */
/* A lane whose packets lie in an accelerator's memory, under the program of accel_help.h: what is punted must be
 * copied into the host's buffers, and nothing else of the host be touched. The memory is such as the test can
 * look into at the address that the device has it at. */
#ifndef PEERLANE_TESTS_REMOTE_HELP_H
#define PEERLANE_TESTS_REMOTE_HELP_H

#include <sched.h>
#include <time.h>

#include "accel_help.h"

#define REMOTE_BUF 2048u
#define REMOTE_BYTES ((size_t)MAILBOX_SLOTS * PL_BURST_MAX * REMOTE_BUF)
#define REMOTE_CANARY 0xc5

enum remote_punts { REMOTE_NONE, REMOTE_SOME, REMOTE_ALL };

struct remote_lane {
	struct pl_accel *accel;
	struct pl_pool pool;
	uint32_t spare[MAILBOX_SLOTS][PL_BURST_MAX];
	uint32_t n_spare[MAILBOX_SLOTS];
	uint64_t submitted, completed;
	uint32_t seed;
};

static inline uint8_t *remote_at(const struct remote_lane *lane, uint32_t frame)
{
	return (uint8_t *)(uintptr_t)lane->pool.remote->device + frame;
}

static inline uint32_t remote_random(struct remote_lane *lane)
{
	lane->seed = lane->seed * 1664525u + 1013904223u;
	return lane->seed >> 8;
}

/* Lane 0 of `accel`, over `remote`; with host buffers for all that can be under way. */
static inline void remote_attach(struct remote_lane *lane, struct pl_accel *accel,
				 const struct pl_remote *remote)
{
	struct pl_error err;

	memset(lane, 0, sizeof(*lane));
	lane->accel = accel;
	lane->seed = 1;
	if (pl_pool_init_remote(&lane->pool, remote, MAILBOX_SLOTS * PL_BURST_MAX, REMOTE_BUF,
				&err))
		fail_msg("%s", err.what);
	if (pl_accel_attach(accel, 0, &lane->pool, &err))
		fail_msg("%s", err.what);
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		assert_int_equal(
			pl_pool_get(&lane->pool, lane->spare[i], PL_BURST_MAX, PL_OWNER_PROCESSOR),
			PL_BURST_MAX);
	memset(lane->pool.region.base, REMOTE_CANARY, lane->pool.region.len_bytes);
}

/* The accelerator is closed. */
static inline void remote_detach(struct remote_lane *lane)
{
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		pl_pool_put(&lane->pool, lane->spare[i], PL_BURST_MAX, PL_OWNER_PROCESSOR);
	assert_int_equal(pl_pool_free(&lane->pool), lane->pool.n_bufs);
	pl_pool_fini(&lane->pool);
}

static inline uint16_t remote_verdict(struct remote_lane *lane, enum remote_punts punts)
{
	bool punt = punts == REMOTE_ALL || (punts == REMOTE_SOME && remote_random(lane) % 2);

	return punt ? PL_VERDICT(PL_VERDICT_PUNT, remote_random(lane) % 256)
		    : PL_VERDICT(remote_random(lane) % 2 * 2, remote_random(lane) % 70);
}

/* Submits `n` packets, of `len` bytes or (0) random lengths, with `n_spare` buffers lent, if there is room. */
static inline bool remote_submit(struct remote_lane *lane, uint32_t n, uint32_t len,
				 enum remote_punts punts, uint32_t n_spare)
{
	struct pl_burst *burst = pl_accel_next(lane->accel, 0);
	unsigned slot = (unsigned)(lane->submitted % MAILBOX_SLOTS);

	if (!burst)
		return false;
	lane->submitted++;
	burst->n = n;
	burst->port = 0;
	assert_int_equal(pl_pool_get_rx(&lane->pool, burst->frame, n, PL_OWNER_BURST), n);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *frame = remote_at(lane, burst->frame[i]);
		uint16_t verdict = remote_verdict(lane, punts);

		for (uint32_t at = 0; at < REMOTE_BUF - PL_FRAME_OFFSET - 2; at += 4)
			memcpy(frame + at, &(uint32_t){remote_random(lane)}, 4);
		memcpy(frame, &verdict, 2);
		burst->len[i] =
			(uint16_t)(len ? len
				       : 1 + remote_random(lane) % pl_pool_frame_max(&lane->pool));
		burst->verdict[i] = 0xdead;
	}
	/* All that are new, or none where they are there still. */
	if (lane->n_spare[slot] != n_spare)
		pl_accel_lend(lane->accel, 0, lane->spare[slot], n_spare, n_spare);
	lane->n_spare[slot] = n_spare;
	pl_accel_submit(lane->accel, 0);
	return true;
}

/* Whether bytes [from, to) of a host buffer are as they were. */
static inline void remote_check_canary(const uint8_t *buffer, uint32_t from, uint32_t to)
{
	static uint8_t canary[REMOTE_BUF];

	if (!canary[0])
		memset(canary, REMOTE_CANARY, sizeof(canary));
	assert_int_equal(memcmp(buffer + from, canary, to - from), 0);
}

/* Of a host buffer: only what packet `at`, of `len` bytes, covers has changed, and to its bytes. */
static inline void remote_check_copy(const struct remote_lane *lane, uint32_t spare,
				     const uint8_t *frame, uint32_t len)
{
	uint8_t *buffer = pl_pool_data(&lane->pool, spare) - PL_FRAME_OFFSET;
	uint32_t begin = PL_FRAME_OFFSET - 2, end = begin + (2 + len + 15) / 16 * 16;

	assert_true(end <= REMOTE_BUF);
	assert_memory_equal(buffer + begin, frame - 2, end - begin);
	memset(buffer + begin, REMOTE_CANARY, end - begin);
	remote_check_canary(buffer, 0, REMOTE_BUF);
}

/* Takes the oldest burst back, if it is done, and checks it. */
static inline bool remote_complete(struct remote_lane *lane)
{
	unsigned slot = (unsigned)(lane->completed % MAILBOX_SLOTS);
	struct pl_burst *burst = pl_accel_complete(lane->accel, 0);
	bool used[PL_BURST_MAX] = {false};
	uint32_t n_punts = 0, n_copied, n_dropped = 0, n_spare = lane->n_spare[slot];
	const uint16_t *copied;

	if (!burst)
		return false;
	lane->completed++;
	copied = pl_accel_copied(lane->accel, 0, &n_copied);
	for (uint32_t i = 0; i < burst->n; i++) {
		const uint8_t *frame = remote_at(lane, burst->frame[i]);
		uint16_t verdict;

		memcpy(&verdict, frame, 2);
		if (PL_VERDICT_KIND(verdict) != PL_VERDICT_PUNT) {
			assert_int_equal(burst->verdict[i], verdict);
			continue;
		}
		n_punts++;
		if (burst->verdict[i] != verdict) {
			assert_int_equal(burst->verdict[i], ECHO_NO_BUFFER);
			n_dropped++;
			continue;
		}
		assert_true(copied[i] < n_copied && !used[copied[i]]);
		used[copied[i]] = true;
		remote_check_copy(lane, lane->spare[slot][copied[i]], frame, burst->len[i] + 1u);
	}
	assert_int_equal(n_copied, n_punts < n_spare ? n_punts : n_spare);
	assert_int_equal(n_dropped, n_punts - n_copied);
	for (uint32_t i = n_copied; i < PL_BURST_MAX; i++)
		remote_check_canary(pl_pool_data(&lane->pool, lane->spare[slot][i]) -
					    PL_FRAME_OFFSET,
				    0, REMOTE_BUF);
	pl_pool_put(&lane->pool, burst->frame, burst->n, PL_OWNER_BURST);
	return true;
}

static inline void remote_wait(struct remote_lane *lane)
{
	time_t end = time(NULL) + 60;
	struct pl_error err;

	while (!remote_complete(lane)) {
		if (pl_accel_ended(lane->accel, &err) < 0)
			fail_msg("%s", err.what);
		assert_true(time(NULL) < end);
		sched_yield();
	}
}

/* An opening of `config`, over `packets`: bursts of all kinds, several under way. */
static inline void remote_check_opening(const struct pl_accel_config *config,
					const struct pl_accel_packets *packets)
{
	static const uint32_t sizes[] = {1, 64, 7, 200, 31, 0, 2, 128};
	static struct remote_lane lane;
	struct pl_accel *accel;
	struct pl_error err;

	if (pl_accel_open(&accel, config, &err))
		fail_msg("%s", err.what);
	remote_attach(&lane, accel, &packets->remote);
	for (unsigned turn = 0; turn < 60; turn++) {
		uint32_t n = turn == 30 ? PL_BURST_MAX : sizes[turn % 8];
		uint32_t n_spare = turn % 5 == 0 ? n / 3 : PL_BURST_MAX;

		while (!remote_submit(&lane, n, 0, turn % 3, n_spare))
			remote_wait(&lane);
		if (pl_accel_run(accel, &err))
			fail_msg("%s", err.what);
	}
	while (lane.completed < lane.submitted)
		remote_wait(&lane);
	assert_int_equal(pl_accel_close(accel, 10000), 0);
	remote_detach(&lane);
}

/* Packets in the memory of a device: as wanted, and there still when it is closed and opened again. */
static inline void remote_check_device(struct pl_accel_config config)
{
	struct pl_accel_packets packets;
	struct pl_remote before;
	struct pl_error err;
	uint8_t *bytes = malloc(REMOTE_BYTES);

	assert_non_null(bytes);
	if (pl_accel_packets_new(&packets, config.kind, config.index, REMOTE_BYTES - 1, &err))
		fail_msg("%s", err.what);
	before = packets.remote;
	assert_int_equal(packets.kind, config.kind);
	assert_int_equal(before.len_bytes, REMOTE_BYTES);
	assert_true(before.page_bytes >= 4096 && REMOTE_BYTES % before.page_bytes == 0);
	assert_int_equal(before.device % before.page_bytes, 0);
	assert_true((before.dmabuf_fd < 0) == (before.no_dmabuf != NULL));
	config.n_lanes = 1;
	for (unsigned i = 0; i < 4; i++) {
		config.launch = i % 2 ? PL_ACCEL_BURST : PL_ACCEL_PERSISTENT;
		if (i)
			assert_memory_equal(bytes, (void *)(uintptr_t)before.device, REMOTE_BYTES);
		remote_check_opening(&config, &packets);
		memcpy(bytes, (void *)(uintptr_t)before.device, REMOTE_BYTES);
		assert_memory_equal(&before, &packets.remote, sizeof(before));
	}
	free(bytes);
	pl_accel_packets_free(&packets);
	assert_int_equal(packets.remote.len_bytes, 0);
	pl_accel_packets_free(&packets);
}

#endif
