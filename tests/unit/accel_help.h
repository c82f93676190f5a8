/* SPDX-License-Identifier: BSD-2-Clause */
/* A program simple enough to check an accelerator by, and bursts for it. */
#ifndef PEERLANE_TESTS_ACCEL_HELP_H
#define PEERLANE_TESTS_ACCEL_HELP_H

#include <string.h>

#include <peerlane/accel.h>
#include <peerlane/mailbox_device.h>

#define ECHO_FRAME_LEN 60u

/* The verdict where the host has lent no buffer. */
#define ECHO_NO_BUFFER PL_VERDICT(PL_VERDICT_DROP, 77)

/* Of each packet: the frame's first two bytes are the verdict, the fourth becomes the worker's number, and
 * the length loses one. */
static inline void echo_process(const struct mailbox_at *at, struct mailbox_group *group)
{
	struct mailbox_slot *burst = mailbox_burst(group);

	for (uint32_t i = 0; i < mailbox_n(group); i++) {
		uint8_t *frame = mailbox_base(group) + burst->frame[i];
		uint16_t verdict;

		memcpy(&verdict, frame, 2);
		if (mailbox_copies(group) && PL_VERDICT_KIND(verdict) == PL_VERDICT_PUNT &&
		    !mailbox_take(group, i, burst->len[i]))
			verdict = ECHO_NO_BUFFER;
		burst->verdict[i] = verdict;
		frame[3] = (uint8_t)at->worker;
		mailbox_shorten(group, i, (uint16_t)(burst->len[i] - 1));
	}
	if (mailbox_copies(group))
		mailbox_copy(group);
}

static inline void echo_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	struct mailbox_group group;
	struct mailbox_at at;

	mailbox_enter(&at, &group, mailbox, worker, launch);
	while (mailbox_wait(&at, &group)) {
		echo_process(&at, &group);
		mailbox_finish(&at, &group);
	}
}

/* The plane's side of a lane. */
struct echo_lane {
	struct pl_accel *accel;
	unsigned index;
	struct pl_pool pool; /* attached */
	uint64_t submitted, completed;
};

/* Submits a burst of `n` packets, whose verdicts tell its number and theirs, if there is room. */
static inline bool echo_submit(struct echo_lane *lane, uint32_t n)
{
	struct pl_burst *burst = pl_accel_next(lane->accel, lane->index);

	if (!burst)
		return false;
	assert_ptr_equal(burst->base, lane->pool.base);
	lane->submitted++;
	burst->n = n;
	burst->port = lane->index;
	assert_int_equal(pl_pool_get(&lane->pool, burst->frame, n, PL_OWNER_BURST), n);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *frame = burst->base + burst->frame[i];
		uint16_t verdict = (uint16_t)(lane->submitted * 7 + i);

		memcpy(frame, &verdict, 2);
		frame[3] = 0xff;
		burst->len[i] = ECHO_FRAME_LEN;
		burst->verdict[i] = 0xdead;
	}
	pl_accel_submit(lane->accel, lane->index);
	return true;
}

/* Takes the oldest burst back, if it is done, and checks it. Returns the worker that did it, or -1. An
 * empty one tells none: 0. */
static inline int echo_complete(struct echo_lane *lane)
{
	struct pl_burst *burst = pl_accel_complete(lane->accel, lane->index);
	int worker = 0;

	if (!burst)
		return -1;
	lane->completed++;
	assert_int_equal(burst->port, lane->index);
	for (uint32_t i = 0; i < burst->n; i++) {
		uint8_t *frame = burst->base + burst->frame[i];

		assert_int_equal(burst->verdict[i], (uint16_t)(lane->completed * 7 + i));
		assert_int_equal(burst->len[i], ECHO_FRAME_LEN - 1);
		assert_true(i == 0 || worker == frame[3]);
		worker = frame[3];
	}
	pl_pool_put(&lane->pool, burst->frame, burst->n, PL_OWNER_BURST);
	return worker;
}

/* Opens an accelerator whose lanes have a pool each: enough for full bursts; where there are very many lanes, for
 * such of a packet. */
static inline void echo_open_as(struct echo_lane *lanes, const struct pl_accel_config *config)
{
	uint32_t bufs = MAILBOX_SLOTS * (config->n_lanes <= 8 ? PL_BURST_MAX : 1);
	struct pl_accel *accel;
	struct pl_error err;

	if (pl_accel_open(&accel, config, &err))
		fail_msg("%s", err.what);
	for (unsigned i = 0; i < config->n_lanes; i++) {
		lanes[i] = (struct echo_lane){.accel = accel, .index = i};
		assert_int_equal(pl_pool_init(&lanes[i].pool, bufs, 2048, &err), 0);
		assert_int_equal(pl_accel_attach(accel, i, &lanes[i].pool, &err), 0);
	}
}

/* A host accelerator for `n` lanes. */
static inline void echo_open(struct echo_lane *lanes, unsigned n, unsigned workers,
			     enum pl_accel_launch launch,
			     void (*program)(struct mailbox *, uint32_t, uint64_t))
{
	struct pl_accel_config config = {
		.kind = PL_ACCEL_HOST,
		.launch = launch,
		.n_lanes = n,
		.n_workers = workers,
		.program.host = program,
	};

	echo_open_as(lanes, &config);
}

/* Nothing is under way any more. */
static inline void echo_close(struct echo_lane *lanes, unsigned n)
{
	assert_int_equal(pl_accel_close(lanes[0].accel, 10000), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(lanes[i].pool.n_free, lanes[i].pool.n_bufs);
		pl_pool_fini(&lanes[i].pool);
	}
}

#endif
