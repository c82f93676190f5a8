/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies of the tables on accelerators: the log of changes by which they follow, and the epochs by
 * which they hold up reuse.
 *
 * Two threads have to do with a copy. The control thread, that of tables.h, registers it, hands out
 * the whole image (tables_copy_fill()), and from then on records in the copy's log every store to
 * the image: where, and the bytes, in the order in which they are published. The copy's own thread
 * replays the log. As it does so in that order and with those bytes, readers of the copy see the
 * states that readers of the image see, one after the other: each answer old or new. (Bytes read from
 * the image later would not do: they may name blocks that the copy does not have yet.)
 *
 * How to replay. Record by record; all of one before any of the next, as readers of the copy see it.
 * The words of one record, of `word` bytes (sections.h), may go in any order, but each at once. One
 * that goes beyond the memory that the copy has of a section says that it must grow, with zeros.
 *
 * Epochs. What a change took out of use is used again only after every live copy has said, by
 * tables_copy_done(), that it has replayed the log beyond the change and that all bursts which it
 * started before have completed. The control thread waits for that wherever it waits for a grace
 * period. So whoever replays must never wait for the control thread, must look at the log when there
 * are no packets too, or rest, and whoever drives an accelerator that hangs must say tables_copy_gone().
 * Who does not for two seconds, since a driver's call does not return, say, has lost its copy.
 *
 * Rest. A thread that has taken all of the log, and said that it is done with it, owes nothing to any grace
 * period: what was unpublished is in the log before a wait for it begins. It may sleep, after
 * tables_copy_rest(), until the next record is shown, and is woken then.
 *
 * Nothing waits for room in a log; but what a long call records appears in pieces, so that it need not
 * find room for all of it. A copy whose log is full, or that is waited for too long, is lost: what was recorded remains to be replayed,
 * nothing more comes, and it is waited for no more. Its thread then asks for a new filling with
 * tables_copy_want(). */
#ifndef PEERLANE_TABLES_LOG_H
#define PEERLANE_TABLES_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sections.h"
#include "tables.h"

#define TABLES_LOG_MIN ((size_t)64 << 10) /* bytes of the smallest log */

/* The copy's thread owns all of it but the log in states LIVE and LOST; in the others the control
 * thread may fill it. */
enum tables_copy_state {
	TABLES_COPY_WANTED, /* to be filled; nothing is recorded */
	TABLES_COPY_LIVE,
	TABLES_COPY_LOST,
	TABLES_COPY_GONE, /* for good */
};

struct tables_copy;

/* ---- control thread ---- */

/* Wakes the copy's thread, which rests. Called by the control thread, amid a change: it must not wait. */
typedef void tables_copy_wake_fn(void *ctx);

/* Registers a copy, in state WANTED. `wake` may be NULL for a thread that never rests. A store of a word takes 16 bytes of the log, a new block its size
 * and 8; a change of ::/0 alone takes 8.7 MB, one of 0.0.0.0/0 260 KB. The copy is lost if its thread
 * falls further behind than `log_bytes`, which is a power of two, at least TABLES_LOG_MIN. Returns NULL with
 * errno. */
struct tables_copy *tables_copy_new(struct tables *t, size_t log_bytes, tables_copy_wake_fn *wake,
				    void *ctx);

/* The copy's thread uses it no more. Before tables_free(). */
void tables_copy_free(struct tables_copy *copy);

/* Puts the first `length` bytes of a section of the copy, all of it that is in use. Returns 0 or -errno. */
typedef int tables_copy_put_fn(void *ctx, enum tables_section section, const void *bytes,
			       size_t length);

/* Calls `put` for every section, then makes the copy LIVE: its log goes on from there. Returns 0;
 * -EAGAIN if it is not in state WANTED (any more); or what `put` returned if that was not 0, and the
 * copy is WANTED still. */
int tables_copy_fill(struct tables_copy *copy, tables_copy_put_fn *put, void *ctx);

struct tables_copy_stats {
	uint64_t records, bytes; /* recorded so far; without what records take beside the bytes */
	uint64_t fills, losses;
};
void tables_copy_stats(const struct tables_copy *copy, struct tables_copy_stats *stats);

/* ---- the copy's thread ---- */

struct tables_change {
	enum tables_section section;
	uint32_t length; /* bytes, at least 2 */
	size_t offset;	 /* bytes into the section */
	const void *bytes;
};

/* Takes the next record. `bytes` lies in the log and stays until tables_copy_done() passes it.
 *
 * Returns 1; 0 if there is none now, or the copy is neither LIVE nor LOST; -EOVERFLOW if the copy is lost and
 * all that was recorded has been taken. Records appear when the function of tables.h that made them
 * returns, or waits, and within a long one every 16 KiB: whole records, in states that readers of the
 * image have seen. Where a change is undone for want of blocks, a copy sees it come and go as they do. */
int tables_copy_next(struct tables_copy *copy, struct tables_change *change);

/* The position behind the last record taken, of a copy that is LIVE or LOST. */
uint64_t tables_copy_position(const struct tables_copy *copy);

/* All before `position` is replayed, and no burst runs any more that started before it was. */
void tables_copy_done(struct tables_copy *copy, uint64_t position);

/* Asks to be woken, before the thread sleeps. Returns true if it may: there is no record to take, and
 * tables_copy_done() has passed all that were taken, or the copy is WANTED or GONE. From then on the next
 * record that is shown, a loss and the next filling call `wake`, once. It may be called although this
 * returns false. */
bool tables_copy_rest(struct tables_copy *copy);

/* Awake again: spares the control thread a call of `wake`. */
void tables_copy_rise(struct tables_copy *copy);

/* Gives the copy to the control thread to be filled: LIVE or LOST becomes WANTED. No burst uses it, nor
 * will before it is LIVE again; positions from before mean nothing then. */
void tables_copy_want(struct tables_copy *copy);

/* ---- any thread ---- */

/* Whoever sees LIVE sees the copy as it was filled. */
enum tables_copy_state tables_copy_state(const struct tables_copy *copy);

/* The copy is not waited for any more, nor recorded for, whatever it was doing. For good: what has
 * recovered is registered anew. */
void tables_copy_gone(struct tables_copy *copy);

#endif
