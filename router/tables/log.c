/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs: rings of records, written by the control thread, read by the thread of the copy.
 *
 * Positions count bytes and never go back. A record is a header of one word and its bytes, padded to
 * words; it never wraps: where the ring's end is too near, a header of WRAP says to go on at its
 * start. The record written last can be extended by a store that goes on where it ended, until it is
 * committed. */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "private.h"

#define HEADER_BYTES sizeof(uint64_t)
#define HEADER_WRAP 0xffu /* as a section */
#define HEADER(section, length, offset) \
	((uint64_t)(section) | (uint64_t)(length) << 8 | (uint64_t)(offset) << 24)
#define HEADER_SECTION(header) ((unsigned)(header)&0xff)
#define HEADER_LENGTH(header) ((uint32_t)((header) >> 8) & 0xffff)
#define HEADER_OFFSET(header) ((size_t)((header) >> 24))

#define RECORD_MAX 4096u /* bytes */

/* Bytes that are not shown longer, however much a call stores: so a copy whose thread keeps up needs a
 * log for what it is behind, not for what a call may store. */
#define UNSEEN_MAX (TABLES_LOG_MIN / 4)

/* Between looks at a copy that is waited for, and for how long it is: longer than it takes to find out that
 * an accelerator hangs. */
#define PAUSE_MIN_NS 4000
#define PAUSE_MAX_NS 512000
#define WAIT_MAX_NS 2000000000u

/* The record that may be extended. */
struct open_record {
	uint64_t at; /* position */
	size_t offset;
	uint32_t length; /* 0: none is open */
	unsigned section;
	bool reachable;
};

struct tables_copy {
	/* The control thread's. */
	struct tables *tables;
	struct tables_copy *next;
	tables_copy_wake_fn *wake;
	void *wake_ctx;
	uint8_t *ring;
	size_t ring_bytes;
	bool live;	/* as far as the control thread knows */
	uint64_t write; /* end of what is written, committed or not */
	uint64_t committed;
	uint64_t tail; /* `done` as last read */
	struct open_record open;
	struct tables_copy_stats stats;

	/* The copy's thread's; the control thread's while the state is WANTED. */
	_Alignas(64) uint64_t cursor;
	uint64_t
		known; /* head as last read: each look at it takes the line from the control thread */

	/* Shared. */
	_Alignas(64) _Atomic uint64_t head; /* stored by the control thread */
	_Alignas(64) _Atomic uint64_t done; /* by the copy's */
	_Alignas(64) _Atomic int state;	    /* rarely; looked at with every record */
	atomic_bool resting;		    /* set by the copy's thread: see wake_resting() */
};

struct tables_copy *tables_copy_new(struct tables *t, size_t log_bytes, tables_copy_wake_fn *wake,
				    void *ctx)
{
	struct tables_copy *c;

	if (log_bytes < TABLES_LOG_MIN || log_bytes & (log_bytes - 1)) {
		errno = EINVAL;
		return NULL;
	}
	c = aligned_alloc(64, sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct tables_copy){.tables = t,
				  .ring_bytes = log_bytes,
				  .next = t->copies,
				  .wake = wake,
				  .wake_ctx = ctx};
	c->ring = malloc(log_bytes);
	if (!c->ring) {
		free(c);
		errno = ENOMEM;
		return NULL;
	}
	atomic_init(&c->state, TABLES_COPY_WANTED);
	t->copies = c;
	return c;
}

/* Works out whether any copy is to be recorded for. */
static void set_recording(struct tables *t)
{
	const struct tables_copy *c;

	t->recording = false;
	for (c = t->copies; c; c = c->next)
		t->recording |= c->live;
}

void tables_copy_free(struct tables_copy *copy)
{
	struct tables *t = copy->tables;
	struct tables_copy **at = &t->copies;

	while (*at != copy)
		at = &(*at)->next;
	*at = copy->next;
	set_recording(t);
	free(copy->ring);
	free(copy);
}

/* Changes the state if it is `from`; others may be changing it. Release: what was done before, to the
 * copy or the log, is seen by who sees the new state with acquire. And sequentially consistent, for
 * wake_resting(). */
static bool turn(struct tables_copy *c, int from, enum tables_copy_state to)
{
	return atomic_compare_exchange_strong_explicit(&c->state, &from, to, memory_order_seq_cst,
						       memory_order_acquire);
}

/* Wakes the copy's thread if it rests. After the head or the state was changed.
 *
 * No change is slept through. It is a store, then this load; of the thread, a store to `resting`, then loads
 * of head and state. All are sequentially consistent, so they have one order: either the load here comes
 * after the thread's store, and finds that it rests; or before it, and then so does the change, which the
 * thread's loads find. While the thread is awake this costs a load of a word that nobody writes. */
static void wake_resting(struct tables_copy *c)
{
	if (!atomic_load_explicit(&c->resting, memory_order_seq_cst))
		return;
	/* Swapped, so that the thread which asks again in between is either not forgotten or woken. */
	if (atomic_exchange_explicit(&c->resting, false, memory_order_acq_rel))
		c->wake(c->wake_ctx);
}

int tables_copy_fill(struct tables_copy *copy, tables_copy_put_fn *put, void *ctx)
{
	struct tables *t = copy->tables;
	unsigned i;

	if (tables_copy_state(copy) != TABLES_COPY_WANTED)
		return -EAGAIN;
	for (i = 0; i < TABLES_SECTIONS; i++) {
		struct tables_section_info info;
		int err;

		tables_section_info(t, i, &info);
		err = put(ctx, i, info.base, info.used);
		if (err)
			return err;
	}
	copy->tail = copy->cursor = copy->known = copy->write = copy->committed;
	copy->open.length = 0;
	/* Relaxed: the state comes after it. */
	atomic_store_explicit(&copy->done, copy->committed, memory_order_relaxed);
	copy->stats.fills++;
	copy->live = turn(copy, TABLES_COPY_WANTED, TABLES_COPY_LIVE);
	set_recording(t);
	wake_resting(copy);
	return copy->live ? 0 : -EAGAIN;
}

void tables_copy_stats(const struct tables_copy *copy, struct tables_copy_stats *stats)
{
	*stats = copy->stats;
}

/* ---- recording ---- */

static uint8_t *ring_at(const struct tables_copy *c, uint64_t position)
{
	return c->ring + (position & (c->ring_bytes - 1));
}

static size_t to_ring_end(const struct tables_copy *c, uint64_t position)
{
	return c->ring_bytes - (position & (c->ring_bytes - 1));
}

static size_t record_bytes(size_t length)
{
	return HEADER_BYTES + ((length + 7) & ~(size_t)7);
}

static bool has_room(struct tables_copy *c, uint64_t end)
{
	if (end - c->tail <= c->ring_bytes)
		return true;
	/* Acquire: pairs with tables_copy_done(): what lay there has been read. */
	c->tail = atomic_load_explicit(&c->done, memory_order_acquire);
	return end - c->tail <= c->ring_bytes;
}

static void header_put(struct tables_copy *c, uint64_t at, uint64_t header)
{
	memcpy(ring_at(c, at), &header, sizeof(header));
}

/* The log is full: what is not committed is dropped. */
static void lose(struct tables_copy *c)
{
	c->write = c->committed;
	c->live = false;
	c->stats.losses++;
	turn(c, TABLES_COPY_LIVE, TABLES_COPY_LOST);
	wake_resting(c);
}

/* Adds the bytes to the open record if they go on where it ends. */
static bool extend(struct tables_copy *c, unsigned section, size_t offset, const void *bytes,
		   size_t length, bool reachable)
{
	struct open_record *r = &c->open;
	size_t total = r->length + length;

	if (!r->length || r->section != section || r->offset + r->length != offset ||
	    r->reachable != reachable || total > RECORD_MAX ||
	    record_bytes(total) > to_ring_end(c, r->at) ||
	    !has_room(c, r->at + record_bytes(total)))
		return false;
	memcpy(ring_at(c, r->at) + HEADER_BYTES + r->length, bytes, length);
	r->length = (uint32_t)total;
	header_put(c, r->at, HEADER(section, total, r->offset));
	c->write = r->at + record_bytes(total);
	return true;
}

static void record(struct tables_copy *c, unsigned section, size_t offset, const void *bytes,
		   size_t length, bool reachable)
{
	uint64_t at = c->write;

	c->stats.bytes += length;
	if (extend(c, section, offset, bytes, length, reachable))
		return;
	if (record_bytes(length) > to_ring_end(c, at))
		at += to_ring_end(c, at);
	if (!has_room(c, at + record_bytes(length))) {
		lose(c);
		return;
	}
	if (at != c->write)
		header_put(c, c->write, HEADER(HEADER_WRAP, 0, 0));
	header_put(c, at, HEADER(section, length, offset));
	memcpy(ring_at(c, at) + HEADER_BYTES, bytes, length);
	c->open = (struct open_record){at, offset, (uint32_t)length, section, reachable};
	c->write = at + record_bytes(length);
	c->stats.records++;
}

void log_record(struct tables *t, const void *at, size_t length, bool reachable)
{
	size_t offset = (size_t)((uintptr_t)at - (uintptr_t)t->image);
	struct tables_copy *c;
	bool much = false;
	unsigned section;

	assert(offset < t->image_bytes && length <= RECORD_MAX);
	for (section = 0; section + 1 < TABLES_SECTIONS; section++)
		if (offset < t->sections[section + 1].start)
			break;
	offset -= t->sections[section].start;
	for (c = t->copies; c; c = c->next)
		if (c->live) {
			record(c, section, offset, at, length, reachable);
			much |= c->write - c->committed >= UNSEEN_MAX;
		}
	if (much)
		log_commit_all(t);
}

void log_commit_all(struct tables *t)
{
	struct tables_copy *c;

	for (c = t->copies; c; c = c->next) {
		if (!c->live)
			continue;
		/* Relaxed: a state is all that is read. */
		if (atomic_load_explicit(&c->state, memory_order_relaxed) != TABLES_COPY_LIVE)
			c->live = false;
		if (c->committed == c->write)
			continue;
		c->committed = c->write;
		c->open.length = 0;
		/* Pairs with tables_copy_next(), which then reads the records: release would do. Sequentially
		 * consistent for wake_resting(). */
		atomic_store_explicit(&c->head, c->write, memory_order_seq_cst);
		wake_resting(c);
	}
	set_recording(t);
}

/* True if the copy has passed all that is committed, or is not to be waited for. */
static bool has_passed(const struct tables_copy *c)
{
	/* Acquire: pairs with tables_copy_done(). */
	return tables_copy_state(c) != TABLES_COPY_LIVE ||
	       atomic_load_explicit(&c->done, memory_order_acquire) >= c->committed;
}

/* Waits for one copy. One that takes too long is lost: the thread that follows may be held up by a driver, and
 * this one must not be. Nothing is read too late by that: what is used again now is not recorded for a copy
 * that is lost, whose bursts go on with what it has. */
static void wait_for(struct tables_copy *c)
{
	struct timespec pause = {.tv_nsec = PAUSE_MIN_NS};
	/* Pauses are counted, and not by the clock: when the whole machine stands still nobody is late. */
	uint64_t waited_ns = 0;

	while (c->live && !has_passed(c)) {
		if (waited_ns >= WAIT_MAX_NS) {
			lose(c);
			break;
		}
		nanosleep(&pause, NULL);
		waited_ns += (uint64_t)pause.tv_nsec;
		if (pause.tv_nsec < PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
}

void log_wait(struct tables *t)
{
	struct tables_copy *c;

	for (c = t->copies; c; c = c->next)
		wait_for(c);
	set_recording(t);
}

/* ---- replaying ---- */

int tables_copy_next(struct tables_copy *copy, struct tables_change *change)
{
	/* First: in other states the cursor is the control thread's. And before the head: a copy that is
	 * lost gets no more records, so the head is final then. */
	enum tables_copy_state state = tables_copy_state(copy);
	uint64_t header;

	if (state != TABLES_COPY_LIVE && state != TABLES_COPY_LOST)
		return 0;
	if (copy->cursor == copy->known) {
		/* Acquire: pairs with log_commit_all(). */
		copy->known = atomic_load_explicit(&copy->head, memory_order_acquire);
		if (copy->cursor == copy->known)
			return state == TABLES_COPY_LOST ? -EOVERFLOW : 0;
	}
	memcpy(&header, ring_at(copy, copy->cursor), sizeof(header));
	if (HEADER_SECTION(header) == HEADER_WRAP) {
		copy->cursor += to_ring_end(copy, copy->cursor);
		memcpy(&header, ring_at(copy, copy->cursor), sizeof(header));
	}
	*change = (struct tables_change){
		.section = HEADER_SECTION(header),
		.length = HEADER_LENGTH(header),
		.offset = HEADER_OFFSET(header),
		.bytes = ring_at(copy, copy->cursor) + HEADER_BYTES,
	};
	copy->cursor += record_bytes(change->length);
	return 1;
}

uint64_t tables_copy_position(const struct tables_copy *copy)
{
	return copy->cursor;
}

void tables_copy_done(struct tables_copy *copy, uint64_t position)
{
	/* Release: pairs with has_room() and has_passed(). */
	atomic_store_explicit(&copy->done, position, memory_order_release);
}

bool tables_copy_rest(struct tables_copy *copy)
{
	int state;

	/* See wake_resting(). */
	atomic_store_explicit(&copy->resting, true, memory_order_seq_cst);
	state = atomic_load_explicit(&copy->state, memory_order_seq_cst);
	if (state == TABLES_COPY_LIVE &&
	    atomic_load_explicit(&copy->head, memory_order_seq_cst) == copy->cursor &&
	    /* Relaxed: it is this thread's own. */
	    atomic_load_explicit(&copy->done, memory_order_relaxed) == copy->cursor)
		return true;
	if (state == TABLES_COPY_WANTED || state == TABLES_COPY_GONE)
		return true;
	tables_copy_rise(copy);
	return false;
}

void tables_copy_rise(struct tables_copy *copy)
{
	/* Relaxed: a wake that is one too many does no harm. */
	atomic_store_explicit(&copy->resting, false, memory_order_relaxed);
}

void tables_copy_want(struct tables_copy *copy)
{
	if (!turn(copy, TABLES_COPY_LIVE, TABLES_COPY_WANTED))
		turn(copy, TABLES_COPY_LOST, TABLES_COPY_WANTED);
}

enum tables_copy_state tables_copy_state(const struct tables_copy *copy)
{
	/* Acquire: pairs with turn(). */
	return (enum tables_copy_state)atomic_load_explicit(&copy->state, memory_order_acquire);
}

void tables_copy_gone(struct tables_copy *copy)
{
	/* Release: see turn(). */
	atomic_store_explicit(&copy->state, TABLES_COPY_GONE, memory_order_release);
}
