/* SPDX-License-Identifier: BSD-2-Clause */
#include "twin_accel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../router/program/accel.h"
#include "../../router/program/device.h"
#include "../../router/tables/log.h"
#include "../../router/tables/sections.h"

#define LOG_BYTES ((size_t)32 << 20)
#define BUF_BYTES 2048u
#define SPARE_BYTES 4096u /* any frame of a twin fits behind PL_FRAME_OFFSET */
/* Of a section, beyond twice what it has: it does not grow. */
#define ROOM_BYTES ((size_t)16 << 20)
#define TIMEOUT_S 60

struct twin_accel {
	struct pl_accel *accel;
	char name[64];
	struct pl_pool pool;
	bool remote;
	struct pl_accel_packets packets; /* and, if there are any: */
	uint8_t *arena;
	uint32_t spare[MAILBOX_SLOTS][MAILBOX_BURST];
	struct tables_copy *copy;
	struct pl_accel_memory sections[TABLES_SECTIONS], used, context;
	uint32_t words[TABLES_SECTIONS]; /* sections.h */
	unsigned long pieces;		 /* so far */
	pthread_t thread;
	_Atomic bool stop;
	/* How often the copy's thread has found nothing to do. */
	_Atomic unsigned long idle;
};

__attribute__((noreturn)) static void fail(const struct twin_accel *a, const char *what,
					   const struct pl_error *err)
{
	fprintf(stderr, "twin: %s: %s%s%s\n", a->name, what, err ? ": " : "", err ? err->what : "");
	abort();
}

static void must(const struct twin_accel *a, bool ok, const char *what, const struct pl_error *err)
{
	if (!ok)
		fail(a, what, err);
}

/* Whoever waits goes round by this; too often is a hang. */
static void again(const struct twin_accel *a, const char *what, time_t *begin)
{
	struct timespec now;
	struct pl_error err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!*begin)
		*begin = now.tv_sec;
	must(a, pl_accel_ended(a->accel, &err) >= 0, what, &err);
	must(a, now.tv_sec - *begin < TIMEOUT_S, what, NULL);
	sched_yield();
}

/* ---- the copy ---- */

static int put_section(void *ctx, enum tables_section section, const void *bytes, size_t length)
{
	struct twin_accel *a = ctx;
	struct pl_error err;

	must(a, length <= a->sections[section].len_bytes, "a section has no room", NULL);
	must(a, pl_accel_write(a->accel, a->sections[section].device, bytes, length, &err) == 0,
	     "cannot fill", &err);
	return 0;
}

static void post(struct twin_accel *a, const struct tables_change *change)
{
	const struct pl_accel_memory *to = &a->sections[change->section];
	time_t begin = 0;

	must(a, change->offset + change->length <= to->len_bytes, "a section has no room", NULL);
	for (uint32_t done = 0; done < change->length;) {
		uint32_t length = change->length - done;

		if (length > MAILBOX_UPDATE_MAX)
			length = MAILBOX_UPDATE_MAX;
		while (!pl_accel_update(a->accel, to->device + change->offset + done,
					(const uint8_t *)change->bytes + done, length,
					a->words[change->section])) {
			must(a, pl_accel_run(a->accel, NULL) == 0, "cannot run", NULL);
			again(a, "updates are not applied", &begin);
		}
		done += length;
	}
}

/* Posts all that the log has. */
static bool replay(struct twin_accel *a)
{
	struct tables_change change;
	bool any = false;
	int rc;

	while ((rc = tables_copy_next(a->copy, &change)) == 1) {
		post(a, &change);
		any = true;
	}
	must(a, rc == 0, "the log was too small", NULL);
	return any;
}

/* Waits until the accelerator has applied what was posted, and done what it was given before that. */
static void settle(struct twin_accel *a)
{
	uint64_t posted = pl_accel_updates_posted(a->accel), submitted;
	struct pl_error err;
	time_t begin = 0;

	must(a, pl_accel_run(a->accel, &err) == 0, "cannot run", &err);
	while (pl_accel_updates_applied(a->accel) < posted)
		again(a, "updates are not applied", &begin);
	submitted = pl_accel_submitted(a->accel, 0);
	while (pl_accel_completed(a->accel, 0) < submitted)
		again(a, "a burst is not completed", &begin);
}

static void *follow(void *ctx)
{
	struct twin_accel *a = ctx;

	while (!atomic_load_explicit(&a->stop, memory_order_relaxed)) {
		if (replay(a)) {
			settle(a);
			tables_copy_done(a->copy, tables_copy_position(a->copy));
			continue;
		}
		/* Release: pairs with catch_up(). */
		atomic_fetch_add_explicit(&a->idle, 1, memory_order_release);
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	return NULL;
}

/* Waits until the thread has begun to look, and found nothing. */
static void catch_up(struct twin_accel *a)
{
	unsigned long until = atomic_load_explicit(&a->idle, memory_order_relaxed) + 2;
	time_t begin = 0;

	while (atomic_load_explicit(&a->idle, memory_order_acquire) < until)
		again(a, "does not follow", &begin);
}

static void alloc(struct twin_accel *a, size_t len_bytes, struct pl_accel_memory *memory)
{
	struct pl_error err;

	must(a, pl_accel_alloc(a->accel, PL_ACCEL_DEVICE, len_bytes, memory, &err) == 0,
	     "no memory", &err);
}

static void make_copy(struct twin_accel *a, struct tables *tables)
{
	struct program_context context;
	struct pl_error err;

	for (unsigned i = 0; i < TABLES_SECTIONS; i++) {
		struct tables_section_info info;
		size_t room;

		tables_section_info(tables, i, &info);
		a->words[i] = info.word;
		room = 2 * info.used + ROOM_BYTES;
		alloc(a, room < info.max ? room : info.max, &a->sections[i]);
		context.section[i] = a->sections[i].device;
	}
	alloc(a, TABLES_NEXTHOPS_MAX, &a->used);
	context.used = a->used.device;
	alloc(a, sizeof(context), &a->context);
	must(a, pl_accel_write(a->accel, a->context.device, &context, sizeof(context), &err) == 0,
	     "cannot fill", &err);
	pl_accel_set_context(a->accel, a->context.device);
	a->copy = tables_copy_new(tables, LOG_BYTES, NULL, NULL);
	must(a, a->copy && tables_copy_fill(a->copy, put_section, a) == 0, "cannot fill", NULL);
}

/* ---- packets in the device's memory ---- */

static void make_remote(struct twin_accel *a, enum pl_accel_kind kind, size_t arena_bytes)
{
	struct pl_error err;

	must(a, pl_accel_packets_new(&a->packets, kind, 0, arena_bytes, &err) == 0, "no packets",
	     &err);
	must(a,
	     pl_pool_init_remote(&a->pool, &a->packets.remote, MAILBOX_SLOTS * MAILBOX_BURST,
				 SPARE_BYTES, &err) == 0,
	     "no packets", &err);
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		pl_pool_get(&a->pool, a->spare[i], MAILBOX_BURST, PL_OWNER_PROCESSOR);
	a->arena = aligned_alloc(4096, (arena_bytes + 4095) / 4096 * 4096);
	must(a, a->arena != NULL, "out of memory", NULL);
}

/* Bytes of the arena, of which the frames are. */
static size_t bytes_of(const struct pl_burst *burst)
{
	uint32_t last = burst->n - 1;

	return burst->n ? burst->frame[last] + burst->len[last] + 62u : 0;
}

/* Of what is punted the host has the very frame. */
static void check_copies(const struct twin_accel *a, const struct pl_burst *piece)
{
	unsigned slot = (unsigned)((pl_accel_completed(a->accel, 0) - 1) % MAILBOX_SLOTS);
	bool used[MAILBOX_BURST] = {false};
	uint32_t n_copied, n = 0;
	const uint16_t *copied = pl_accel_copied(a->accel, 0, &n_copied);

	for (uint32_t i = 0; i < piece->n; i++) {
		const uint8_t *frame = a->arena + piece->frame[i], *copy;

		if (PL_VERDICT_KIND(piece->verdict[i]) != PL_VERDICT_PUNT)
			continue;
		n++;
		must(a, copied[i] < n_copied && !used[copied[i]], "a packet has no copy of its own",
		     NULL);
		used[copied[i]] = true;
		copy = pl_pool_data(&a->pool, a->spare[slot][copied[i]]);
		must(a, memcmp(copy - 2, frame - 2, piece->len[i] + 2u) == 0,
		     "a copy is not the packet", NULL);
	}
	must(a, n == n_copied, "more is copied than is punted", NULL);
}

/* ---- bursts ---- */

/* Submits the packets from `first` on, as many as suits. Returns how many; 0: nothing more goes in. */
static uint32_t submit(struct twin_accel *a, const struct pl_burst *burst, uint32_t first)
{
	static const uint32_t sizes[] = {64, 1, 7, 256, 31, 1024, 2, 128};
	struct pl_burst *piece = pl_accel_next(a->accel, 0);
	uint32_t n = burst->n - first;

	if (!piece || !n)
		return 0;
	if (n > sizes[a->pieces % 8])
		n = sizes[a->pieces % 8];
	if (a->remote && a->pieces < MAILBOX_SLOTS)
		pl_accel_lend(a->accel, 0, a->spare[a->pieces], MAILBOX_BURST, MAILBOX_BURST);
	a->pieces++;
	piece->n = n;
	piece->port = burst->port;
	memcpy(piece->frame, burst->frame + first, n * sizeof(piece->frame[0]));
	memcpy(piece->len, burst->len + first, n * sizeof(piece->len[0]));
	memcpy(piece->verdict, burst->verdict + first, n * sizeof(piece->verdict[0]));
	pl_accel_submit(a->accel, 0);
	return n;
}

/* Takes the oldest piece back, to the place that it came from. Returns its packets. */
static uint32_t complete(struct twin_accel *a, struct pl_burst *burst, uint32_t first)
{
	const struct pl_burst *piece;
	time_t begin = 0;

	while (!(piece = pl_accel_complete(a->accel, 0)))
		again(a, "a burst is not completed", &begin);
	must(a, piece->n <= burst->n - first && piece->port == burst->port, "not the oldest burst",
	     NULL);
	if (a->remote)
		check_copies(a, piece);
	memcpy(burst->frame + first, piece->frame, piece->n * sizeof(piece->frame[0]));
	memcpy(burst->len + first, piece->len, piece->n * sizeof(piece->len[0]));
	memcpy(burst->verdict + first, piece->verdict, piece->n * sizeof(piece->verdict[0]));
	return piece->n;
}

void twin_accel_run(struct twin_accel *a, struct pl_burst *burst)
{
	uint32_t submitted = 0, completed = 0, n;
	uint64_t memory = a->packets.remote.device;
	size_t bytes = a->remote ? bytes_of(burst) : 0;
	struct pl_error err;

	catch_up(a);
	if (bytes)
		must(a, pl_accel_write(a->accel, memory, a->arena, bytes, &err) == 0, "cannot fill",
		     &err);
	while (completed < burst->n) {
		while ((n = submit(a, burst, submitted))) {
			submitted += n;
			must(a, pl_accel_run(a->accel, &err) == 0, "cannot run", &err);
		}
		completed += complete(a, burst, completed);
	}
	if (bytes)
		must(a, pl_accel_read(a->accel, a->arena, memory, bytes, &err) == 0, "cannot read",
		     &err);
	/* Found at rest by the next, or on its way there. */
	if (a->pieces % 4 == 0)
		pl_accel_rest(a->accel);
}

bool twin_accel_take_used(struct twin_accel *a, uint32_t index)
{
	uint64_t at = a->used.device + index;
	struct pl_error err;
	uint8_t used;

	must(a, pl_accel_read(a->accel, &used, at, 1, &err) == 0, "cannot read", &err);
	if (used)
		must(a, pl_accel_zero(a->accel, at, 1, &err) == 0, "cannot write", &err);
	return used;
}

/* ---- life ---- */

struct twin_accel *twin_accel_new(struct tables *tables, enum pl_accel_kind kind,
				  enum pl_accel_launch launch, bool remote, size_t arena_bytes,
				  struct pl_error *err)
{
	struct pl_accel_config config = {
		.kind = kind,
		.launch = launch,
		.n_lanes = 1,
		.program = program_accel,
	};
	struct twin_accel *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	snprintf(a->name, sizeof(a->name), "%s, %s%s", pl_accel_kind_name(kind),
		 launch == PL_ACCEL_BURST ? "burst" : "persistent",
		 remote ? ", in its memory" : "");
	if (pl_accel_open(&a->accel, &config, err)) {
		free(a);
		return NULL;
	}
	a->remote = remote;
	if (remote)
		make_remote(a, kind, arena_bytes);
	else
		must(a,
		     pl_pool_init(&a->pool, (uint32_t)(arena_bytes / BUF_BYTES + 1), BUF_BYTES,
				  err) == 0,
		     "no packets", err);
	must(a, pl_accel_attach(a->accel, 0, &a->pool, err) == 0, "no packets", err);
	make_copy(a, tables);
	must(a, pthread_create(&a->thread, NULL, follow, a) == 0, "no thread", NULL);
	return a;
}

void twin_accel_free(struct twin_accel *a)
{
	atomic_store_explicit(&a->stop, true, memory_order_relaxed);
	pthread_join(a->thread, NULL);
	tables_copy_free(a->copy);
	pl_accel_rest(a->accel);
	must(a, pl_accel_close(a->accel, TIMEOUT_S * 1000) == 0, "does not end", NULL);
	pl_pool_fini(&a->pool);
	pl_accel_packets_free(&a->packets);
	free(a->arena);
	free(a);
}

bool twin_accel_in_place(const struct twin_accel *a)
{
	return !a->remote;
}

uint8_t *twin_accel_base(const struct twin_accel *a)
{
	return a->remote ? a->arena : a->pool.base;
}

const char *twin_accel_name(const struct twin_accel *a)
{
	return a->name;
}
