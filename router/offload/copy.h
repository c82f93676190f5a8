/* SPDX-License-Identifier: BSD-2-Clause */
/* The copy of the tables in an accelerator's memory, which its program reads while it changes.
 *
 * The control thread fills it (copy_fill()); the offload thread follows the tables' log (tables/log.h) from
 * then on: what is recorded is posted to the program as updates, and what a change took out of use is
 * released when no burst that may have seen it runs any more. Each function says which of the two may call
 * it; never both at a time. */
#ifndef PEERLANE_OFFLOAD_COPY_H
#define PEERLANE_OFFLOAD_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/accel.h>
#include <peerlane/stat.h>

#include "../tables/log.h"

/* Positions of the log that are on their way: posted, but not yet passed by all bursts. */
#define COPY_EPOCHS 16u

/* Where the log was when updates had been posted up to `posted`. */
struct copy_epoch {
	uint64_t position, posted;
	bool applied; /* then `fence` is set: */
	uint64_t
		fence[MAILBOX_LANES_MAX]; /* bursts that each lane had submitted when it was seen */
};

struct copy_section {
	struct pl_accel_memory memory;
	uint32_t word; /* bytes */
	size_t max;
};

struct copy {
	struct tables *tables;
	struct tables_copy *log; /* NULL: none is registered */
	struct pl_accel *accel;	 /* NULL: it has no memory */
	unsigned n_lanes;
	size_t log_bytes;
	size_t slack; /* bytes that a section has at least beyond twice what is in use */
	tables_copy_wake_fn *wake;
	void *wake_ctx;

	struct copy_section sections[TABLES_SECTIONS];
	struct pl_accel_memory context, marks;
	uint32_t n_nexthops; /* that there may be marks of */

	struct tables_change change; /* in hand, of which */
	uint32_t left;		     /* bytes are still to be posted */
	uint64_t position;	     /* of the log, up to which all is posted */
	uint64_t queued;	     /* up to which it is in `epochs` */
	struct copy_epoch epochs[COPY_EPOCHS];
	unsigned first_epoch, n_epochs;

	pl_stat fills, updates, update_bytes, memory_bytes;
};

/* ---- control thread ---- */

/* Prepares a copy without memory. `log_bytes` and `slack` as in struct offload_config. `wake` is called by
 * the control thread when there is something to follow after copy_rest(). */
void copy_init(struct copy *copy, struct tables *tables, unsigned n_lanes, size_t log_bytes,
	       size_t slack, tables_copy_wake_fn *wake, void *ctx);

/* Makes room in the memory of `accel`, whose program does not run, for what the tables hold and more,
 * fills it, and has the log go on from there. Room that it has from before is kept if it is enough.
 * Returns 0 or -errno with `err` filled; then it is to be forgotten (copy_forget()), or filled again. */
int copy_fill(struct copy *copy, struct pl_accel *accel, struct pl_error *err);

/* No thread uses it any more. */
void copy_fini(struct copy *copy);

/* ---- the offload thread ---- */

/* Posts what has been recorded. Returns 1 if there is more, which did not fit; 0 if that was all;
 * -EOVERFLOW if the copy cannot follow any more and must be filled anew: the log was full, or a section
 * has outgrown its memory. */
int copy_follow(struct copy *copy);

/* Releases what all bursts have passed. Returns true if nothing is on its way any more. */
bool copy_settle(struct copy *copy);

/* Whether the thread may sleep until `wake` is called; see tables_copy_rest(). */
bool copy_rest(struct copy *copy);
void copy_rise(struct copy *copy);

/* Before it is filled anew. The program has ended, with all updates applied, and no burst is under way. */
void copy_want(struct copy *copy);

/* The accelerator has failed: no grace period waits for the copy any more. */
void copy_gone(struct copy *copy);

/* The accelerator is closed, or about to be; its memory goes with it. After copy_gone(). */
void copy_forget(struct copy *copy);

/* Sets in `used` what the program has marked since this was last called; `used` has TABLES_NEXTHOPS_MAX
 * bytes. A mark made meanwhile may be missed: the next packet makes it again. Returns 0 or -errno with
 * `err` filled. */
int copy_read_marks(struct copy *copy, _Atomic uint8_t *used, struct pl_error *err);

#endif
