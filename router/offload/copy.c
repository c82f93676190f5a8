/* SPDX-License-Identifier: BSD-2-Clause */
/* The copy of the tables in an accelerator's memory.
 *
 * When may what a change took out of use be used again? When no burst runs that began before worker 0 had
 * applied the change's updates, for it may have read the words from before. So for a position of the log,
 * up to which all is posted, the thread
 *	1. waits until the program has applied what was posted then (pl_accel_updates_applied()),
 *	2. notes how many bursts each lane has submitted (pl_accel_submitted()): among those are all that
 *	   may have begun before it was applied,
 *	3. waits until as many have completed (pl_accel_completed()), and says tables_copy_done().
 * Step 2 is right because a worker that read a word from before its change had made a fence after it took
 * its burst, and here one comes after `applied` is seen. Of two such fences (sequentially consistent, at the
 * scope of device and host) one is first: if the worker's is, the burst is found among those submitted; if
 * the one here is, the worker reads what was applied before (peerlane/mailbox_device.h has its half). */
#include "copy.h"

#include <errno.h>
#include <string.h>

#include "../program/device.h"
#include "../tables/tables.h"

/* Records that are posted in one go: between two of them the thread looks at all else. */
#define RECORDS_PER_GO 1024u

#define ROOM_ALIGN ((size_t)64 << 10)

void copy_init(struct copy *copy, struct tables *tables, unsigned n_lanes, size_t log_bytes,
	       size_t slack, tables_copy_wake_fn *wake, void *ctx)
{
	*copy = (struct copy){
		.tables = tables,
		.n_lanes = n_lanes,
		.log_bytes = log_bytes,
		.slack = slack,
		.wake = wake,
		.wake_ctx = ctx,
	};
}

static void set_memory_stat(struct copy *copy)
{
	uint64_t bytes = copy->context.len_bytes + copy->marks.len_bytes;

	for (unsigned i = 0; i < TABLES_SECTIONS; i++)
		bytes += copy->sections[i].memory.len_bytes;
	/* Relaxed: a figure to be shown. */
	atomic_store_explicit(&copy->memory_bytes, bytes, memory_order_relaxed);
}

void copy_forget(struct copy *copy)
{
	memset(copy->sections, 0, sizeof(copy->sections));
	memset(&copy->context, 0, sizeof(copy->context));
	memset(&copy->marks, 0, sizeof(copy->marks));
	copy->accel = NULL;
	set_memory_stat(copy);
}

void copy_fini(struct copy *copy)
{
	if (copy->log)
		tables_copy_free(copy->log);
	copy->log = NULL;
}

/* ---- filling ---- */

/* Has the section hold `used` bytes and more, in memory that is zero beyond what was ever written. */
static int make_room(struct copy *copy, enum tables_section i, struct pl_error *err)
{
	struct copy_section *s = &copy->sections[i];
	struct tables_section_info info;
	size_t room;
	int ret;

	tables_section_info(copy->tables, i, &info);
	s->word = info.word;
	s->max = info.max;
	/* Used for the next time that it grows. */
	if (s->memory.len_bytes >= info.max || s->memory.len_bytes >= info.used + copy->slack)
		return 0;
	room = 2 * info.used + copy->slack;
	room = (room + ROOM_ALIGN - 1) & ~(ROOM_ALIGN - 1);
	if (room > info.max)
		room = info.max;
	pl_accel_free(copy->accel, &s->memory);
	ret = pl_accel_alloc(copy->accel, PL_ACCEL_DEVICE, room, &s->memory, err);
	if (ret)
		memset(&s->memory, 0, sizeof(s->memory));
	return ret;
}

static int make_rooms(struct copy *copy, struct pl_error *err)
{
	struct tables_section_info nexthops;
	int ret = 0;

	for (unsigned i = 0; i < TABLES_SECTIONS && !ret; i++)
		ret = make_room(copy, i, err);
	tables_section_info(copy->tables, TABLES_NEXTHOPS, &nexthops);
	if (!ret && !copy->marks.len_bytes)
		ret = pl_accel_alloc(copy->accel, PL_ACCEL_DEVICE, nexthops.max / nexthops.element,
				     &copy->marks, err);
	if (!ret && !copy->context.len_bytes)
		ret = pl_accel_alloc(copy->accel, PL_ACCEL_DEVICE, sizeof(struct program_context),
				     &copy->context, err);
	set_memory_stat(copy);
	return ret;
}

/* Tells the program where everything is. */
static int set_context(struct copy *copy, struct pl_error *err)
{
	struct program_context context = {.used = copy->marks.device};
	int ret;

	for (unsigned i = 0; i < TABLES_SECTIONS; i++)
		context.section[i] = copy->sections[i].memory.device;
	ret = pl_accel_write(copy->accel, copy->context.device, &context, sizeof(context), err);
	if (!ret)
		pl_accel_set_context(copy->accel, copy->context.device);
	return ret;
}

struct filling {
	struct copy *copy;
	struct pl_error *err;
};

/* Next hops of which there is something in so many bytes: a change need not go to the end of the last. */
static uint32_t nexthops_in(size_t len_bytes)
{
	return (uint32_t)((len_bytes + sizeof(struct nexthop) - 1) / sizeof(struct nexthop));
}

/* A tables_copy_put_fn. */
static int put(void *ctx, enum tables_section section, const void *bytes, size_t length)
{
	struct filling *f = ctx;

	if (section == TABLES_NEXTHOPS)
		f->copy->n_nexthops = nexthops_in(length);
	return pl_accel_write(f->copy->accel, f->copy->sections[section].memory.device, bytes,
			      length, f->err);
}

/* Registers with the tables, unless it is. */
static int open_log(struct copy *copy, struct pl_error *err)
{
	if (copy->log && tables_copy_state(copy->log) == TABLES_COPY_GONE)
		copy_fini(copy);
	if (copy->log)
		return 0;
	copy->log = tables_copy_new(copy->tables, copy->log_bytes, copy->wake, copy->wake_ctx);
	return copy->log ? 0
			 : pl_error_set(err, -errno, NULL,
					"cannot make the log of changes (%zu bytes): %s",
					copy->log_bytes, strerror(errno));
}

int copy_fill(struct copy *copy, struct pl_accel *accel, struct pl_error *err)
{
	struct filling filling = {copy, err};
	int ret;

	copy->accel = accel;
	ret = open_log(copy, err);
	if (!ret)
		ret = make_rooms(copy, err);
	if (!ret)
		ret = set_context(copy, err);
	copy->left = 0;
	copy->first_epoch = copy->n_epochs = 0;
	if (!ret)
		ret = tables_copy_fill(copy->log, put, &filling);
	if (ret)
		return ret;
	copy->position = copy->queued = tables_copy_position(copy->log);
	pl_stat_add(&copy->fills, 1);
	return 0;
}

/* ---- following ---- */

/* Posts what is left of the change in hand, word by word where it ends. False: there is no room now. */
static bool post(struct copy *copy)
{
	const struct tables_change *change = &copy->change;
	const struct copy_section *s = &copy->sections[change->section];

	while (copy->left) {
		uint32_t at = change->length - copy->left;
		uint32_t length = copy->left < MAILBOX_UPDATE_MAX ? copy->left : MAILBOX_UPDATE_MAX;

		if (!pl_accel_update(copy->accel, s->memory.device + change->offset + at,
				     (const uint8_t *)change->bytes + at, length, s->word))
			return false;
		copy->left -= length;
		pl_stat_add(&copy->updates, 1);
		pl_stat_add(&copy->update_bytes, length);
	}
	copy->position = tables_copy_position(copy->log);
	return true;
}
_Static_assert(MAILBOX_UPDATE_MAX % 8 == 0, "split between words");

/* Takes the next record in hand. As tables_copy_next(), and -EOVERFLOW if its section has outgrown the
 * memory here. */
static int take(struct copy *copy)
{
	struct tables_change *change = &copy->change;
	int more = tables_copy_next(copy->log, change);
	size_t end = change->offset + change->length;

	if (more != 1)
		return more;
	if (end > copy->sections[change->section].memory.len_bytes)
		return -EOVERFLOW;
	if (change->section == TABLES_NEXTHOPS && end > copy->n_nexthops * sizeof(struct nexthop))
		copy->n_nexthops = nexthops_in(end);
	copy->left = change->length;
	return 1;
}

int copy_follow(struct copy *copy)
{
	for (unsigned i = 0; i < RECORDS_PER_GO; i++) {
		int more = copy->left ? 1 : take(copy);

		if (more != 1)
			return more;
		if (!post(copy))
			return 1;
	}
	return 1;
}

/* Has the position up to which all is posted waited for, unless enough are: then a later one stands for
 * it. */
static void queue_position(struct copy *copy)
{
	struct copy_epoch *e;

	if (copy->queued == copy->position || copy->n_epochs == COPY_EPOCHS)
		return;
	e = &copy->epochs[(copy->first_epoch + copy->n_epochs++) % COPY_EPOCHS];
	e->position = copy->queued = copy->position;
	e->posted = pl_accel_updates_posted(copy->accel);
	e->applied = false;
}

static bool has_passed(const struct copy *copy, const struct copy_epoch *e)
{
	for (unsigned i = 0; i < copy->n_lanes; i++)
		if (pl_accel_completed(copy->accel, i) < e->fence[i])
			return false;
	return true;
}

bool copy_settle(struct copy *copy)
{
	uint64_t applied = pl_accel_updates_applied(copy->accel);

	queue_position(copy);
	for (unsigned i = 0; i < copy->n_epochs; i++) {
		struct copy_epoch *e = &copy->epochs[(copy->first_epoch + i) % COPY_EPOCHS];

		if (e->applied || e->posted > applied)
			continue;
		for (unsigned lane = 0; lane < copy->n_lanes; lane++)
			e->fence[lane] = pl_accel_submitted(copy->accel, lane);
		e->applied = true;
	}
	while (copy->n_epochs) {
		const struct copy_epoch *e = &copy->epochs[copy->first_epoch];

		if (!e->applied || !has_passed(copy, e))
			break;
		tables_copy_done(copy->log, e->position);
		copy->first_epoch = (copy->first_epoch + 1) % COPY_EPOCHS;
		copy->n_epochs--;
	}
	return !copy->left && !copy->n_epochs && copy->queued == copy->position;
}

bool copy_rest(struct copy *copy)
{
	return !copy->left && !copy->n_epochs && tables_copy_rest(copy->log);
}

void copy_rise(struct copy *copy)
{
	tables_copy_rise(copy->log);
}

void copy_want(struct copy *copy)
{
	tables_copy_want(copy->log);
}

void copy_gone(struct copy *copy)
{
	if (copy->log)
		tables_copy_gone(copy->log);
}

/* ---- marks ---- */

int copy_read_marks(struct copy *copy, _Atomic uint8_t *used, struct pl_error *err)
{
	uint8_t marks[4096];
	uint32_t at, i, n;
	int ret;

	for (at = 0; at < copy->n_nexthops; at += n) {
		bool any = false;

		n = copy->n_nexthops - at;
		if (n > sizeof(marks))
			n = sizeof(marks);
		ret = pl_accel_read(copy->accel, marks, copy->marks.device + at, n, err);
		if (ret)
			return ret;
		for (i = 0; i < n; i++)
			if (marks[i]) {
				/* Relaxed: a mark says nothing about anything but itself. */
				atomic_store_explicit(&used[at + i], 1, memory_order_relaxed);
				any = true;
			}
		ret = any ? pl_accel_zero(copy->accel, copy->marks.device + at, n, err) : 0;
		if (ret)
			return ret;
	}
	return 0;
}
