/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's side of the mailbox: bursts of planes, and updates. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include <peerlane/cache.h>

#include "private.h"

#define LINE_BYTES 64u

_Static_assert(PL_BURST_MAX == MAILBOX_BURST, "a slot holds a burst");
_Static_assert(PL_BURST_MAX <= 0xffff && PL_PORTS_MAX <= 0xff, "MAILBOX_POSTED() holds both");

/* A device reads and writes lines whole: each array begins with one, and so does its own part. */
#define BEGINS_LINE(member) \
	_Static_assert(offsetof(struct mailbox_slot, member) % MAILBOX_LINE == 0, "begins a line")
BEGINS_LINE(frame);
BEGINS_LINE(len);
BEGINS_LINE(spare);
BEGINS_LINE(done);
BEGINS_LINE(verdict);
BEGINS_LINE(copied);

/* The slot of burst `number`, from 1. */
static struct mailbox_slot *slot_of(const struct accel_lane *lane, uint64_t number)
{
	return &lane->slots[(number - 1) % MAILBOX_SLOTS];
}

static uint64_t completed(const struct accel_lane *lane)
{
	/* Relaxed: by the plane, which alone stores it. */
	return atomic_load_explicit(&lane->completed, memory_order_relaxed);
}

static struct pl_burst *burst_of(struct accel_lane *lane, uint64_t number)
{
	return &lane->bursts[(number - 1) % MAILBOX_SLOTS];
}

struct pl_burst *pl_accel_next(struct pl_accel *accel, unsigned lane_index)
{
	struct accel_lane *lane = &accel->lanes[lane_index];

	if (lane->submitted - completed(lane) == MAILBOX_SLOTS)
		return NULL;
	return burst_of(lane, lane->submitted + 1);
}

/* Has the device see what NICs have written of the burst. If it cannot it must not process it, nor any that comes
 * later. */
static bool flush(struct pl_accel *accel, struct accel_lane *lane)
{
	struct pl_error err;
	int rc;

	if (!lane->flush)
		return true;
	rc = lane->flush_failed ? 0 : accel->ops->flush(accel, &err);
	if (rc) {
		lane->flush_failed = true;
		accel_fail(accel, rc, &err);
	}
	return !lane->flush_failed;
}

void pl_accel_submit(struct pl_accel *accel, unsigned lane_index)
{
	struct accel_lane *lane = &accel->lanes[lane_index];
	uint64_t number = ++lane->submitted;
	const struct pl_burst *burst = burst_of(lane, number);
	struct mailbox_slot *slot = slot_of(lane, number);

	assert(burst->n <= MAILBOX_BURST && burst->port <= 0xff);
	if (!flush(accel, lane))
		return;
	for (uint32_t i = 0; i < burst->n; i++)
		assert(burst->frame[i] % 16 == 2); /* GPUs fault on unaligned words */
	memcpy(slot->frame, burst->frame, burst->n * sizeof(burst->frame[0]));
	memcpy(slot->len, burst->len, burst->n * sizeof(burst->len[0]));
	/* Before the device can see the burst, for pl_accel_updates_applied(). Release as what comes next is. */
	atomic_store_explicit(&lane->posted, number, memory_order_release);
	/* Release: behind all that is in the slot and the frames. Sequentially consistent: before
	 * pl_accel_run() looks at `rest`, see mailbox_look(). */
	__atomic_store_n(&slot->posted, MAILBOX_POSTED(number, burst->port, burst->n),
			 __ATOMIC_SEQ_CST);
}

static void claim(const void *at, size_t len_bytes)
{
	for (size_t i = 0; i < len_bytes; i += LINE_BYTES)
		pl_prefetch_write((const uint8_t *)at + i);
}

/* Asks for the lines of a slot that is through, of which a burst of `n` has been, so that they are here when the next
 * one is put in: the device's side has them, if it is another core. */
static void claim_slot(const struct mailbox_slot *slot, uint32_t n)
{
	claim(slot, sizeof(slot->posted));
	claim(slot->frame, n * sizeof(slot->frame[0]));
	claim(slot->len, n * sizeof(slot->len[0]));
}

/* Frames get shorter, and nothing else, whatever the device says: what is sent and punted lies in its buffer. */
static void shorten(struct pl_burst *burst, const uint16_t *len)
{
	for (uint32_t i = 0; i < burst->n; i++)
		burst->len[i] = len[i] < burst->len[i] ? len[i] : burst->len[i];
}

/* The oldest burst under way, which is the plane's again. */
static struct pl_burst *take_back(struct accel_lane *lane)
{
	uint64_t number = completed(lane) + 1;

	/* Sequentially consistent, for pl_accel_completed(). */
	atomic_store(&lane->completed, number);
	return burst_of(lane, number);
}

struct pl_burst *pl_accel_complete(struct pl_accel *accel, unsigned lane_index)
{
	struct accel_lane *lane = &accel->lanes[lane_index];
	uint64_t number = completed(lane) + 1;
	const struct mailbox_slot *slot = slot_of(lane, number);
	struct pl_burst *burst;

	/* Acquire: pairs with mailbox_finish(). A worker that is ahead of this burst has not been in its slot,
	 * which is reused only after the burst is taken back. */
	if (number > lane->submitted || __atomic_load_n(&slot->done, __ATOMIC_ACQUIRE) != number)
		return NULL;
	burst = take_back(lane);
	memcpy(burst->verdict, slot->verdict, burst->n * sizeof(burst->verdict[0]));
	if (slot->shortened == number)
		shorten(burst, slot->len);
	claim_slot(slot, burst->n);
	return burst;
}

void pl_accel_lend(struct pl_accel *accel, unsigned lane_index, const uint32_t *frames, uint32_t n,
		   uint32_t total)
{
	struct accel_lane *lane = &accel->lanes[lane_index];
	struct mailbox_slot *slot = slot_of(lane, lane->submitted + 1);

	assert(n <= total && total <= MAILBOX_BURST);
	memcpy(slot->spare, frames, n * sizeof(frames[0]));
	slot->n_spare = total;
}

const uint16_t *pl_accel_copied(const struct pl_accel *accel, unsigned lane_index, uint32_t *n)
{
	const struct accel_lane *lane = &accel->lanes[lane_index];
	const struct mailbox_slot *slot = slot_of(lane, completed(lane));

	*n = slot->n_copied;
	return slot->copied;
}

struct pl_burst *pl_accel_abandon(struct pl_accel *accel, unsigned lane_index)
{
	struct accel_lane *lane = &accel->lanes[lane_index];

	return completed(lane) == lane->submitted ? NULL : take_back(lane);
}

uint64_t pl_accel_submitted(const struct pl_accel *accel, unsigned lane)
{
	return atomic_load(&accel->lanes[lane].posted);
}

uint64_t pl_accel_completed(const struct pl_accel *accel, unsigned lane)
{
	return atomic_load(&accel->lanes[lane].completed);
}

bool pl_accel_update(struct pl_accel *accel, uint64_t to, const void *bytes, uint32_t length,
		     uint32_t word)
{
	struct mailbox_updates *updates = &accel->mailbox->updates;
	struct mailbox_update record = {.to = to, .length = length, .word = word};
	size_t need = sizeof(record) + (length + 7u) / 8 * 8;
	/* Relaxed: by the thread that alone stores it. */
	uint64_t at = atomic_load_explicit(&accel->posted, memory_order_relaxed);
	uint64_t left = MAILBOX_CHUNK - at % MAILBOX_CHUNK; /* of the chunk */
	uint8_t *ring = accel->updates;

	assert(to != 0 && length != 0 && length <= MAILBOX_UPDATE_MAX && length % word == 0 &&
	       to % word == 0 && (word == 2 || word == 4 || word == 8));
	if (need > left)
		need += left;
	/* Acquire: pairs with the device's release behind its last look at what is overwritten. */
	if (at + need - __atomic_load_n(&updates->applied, __ATOMIC_ACQUIRE) > ACCEL_UPDATES_BYTES)
		return false;
	if (need > left) {
		memset(ring + at % ACCEL_UPDATES_BYTES, 0, sizeof(record.to));
		need -= left;
		at += left;
	}
	memcpy(ring + at % ACCEL_UPDATES_BYTES, &record, sizeof(record));
	memcpy(ring + at % ACCEL_UPDATES_BYTES + sizeof(record), bytes, length);
	atomic_store_explicit(&accel->posted, at + need, memory_order_relaxed);
	/* As in pl_accel_submit(). */
	__atomic_store_n(&updates->head, at + need, __ATOMIC_SEQ_CST);
	return true;
}

uint64_t pl_accel_updates_posted(const struct pl_accel *accel)
{
	return atomic_load_explicit(&accel->posted, memory_order_relaxed);
}

uint64_t pl_accel_updates_applied(const struct pl_accel *accel)
{
	uint64_t applied = __atomic_load_n(&accel->mailbox->updates.applied, __ATOMIC_ACQUIRE);

	/* Pairs with PL_AWAITED() in mailbox_found(), or on CUDA with what lang.h assumes there: a burst that the
	 * caller finds not submitted after this sees what is applied. */
	PL_FENCE_SYSTEM();
	return applied;
}
