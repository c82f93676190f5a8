/* SPDX-License-Identifier: BSD-2-Clause */
/* The offload thread.
 *
 * Its life: it serves (the program runs or rests, the copy follows the tables) until the copy must be filled
 * anew, which the control thread does for it (refill()), or something is found wrong, after which the
 * accelerator is closed, and opened again later (recover()).
 *
 * It sleeps on its bell alone. Planes ring it when they wake a program that rested, or find it hung; the
 * control thread when the tables change while nothing else keeps the thread awake, when it has filled the
 * copy, and when all is to stop. Beside that the thread looks
 *	- each 0.05 to 1 ms while updates, or bursts that they wait for, are under way,
 *	- each 10 ms (half of `idle_ms`) while the program runs, whether it has failed, or has nothing to do and may rest,
 *	- not at all while it rests. */
#include "thread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MIN_NS 50000u
#define PAUSE_MAX_NS 1000000u
#define MARKS_MS 1000u
#define CLOSE_MS 200u	  /* at a time, for a program to end that has failed */
#define PROVE_MS 5000u	  /* for one that has never run: drivers may take their time */
#define RETRY_MAX 60u	  /* times the first wait */
#define HEALTHY_MS 60000u /* without a fault: then the next wait is the first again */
#define REFILL 1

/* What the thread remembers while it serves. */
struct watch {
	uint64_t now_ms, ticked_ms;
	uint64_t busy_ms;  /* when a burst or an update was last under way */
	uint64_t marks_ms; /* when the marks were read last */
	uint64_t submitted, marked, applied;
	unsigned waited_ms; /* for updates to be applied, since any were */
	unsigned pause_ns;
	bool ended; /* the program, that was told to rest */
};

uint64_t offload_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void offload_ring(struct offload *o)
{
	uint64_t one = 1;
	/* Fails only when the counter would overflow, and then it is readable. */
	ssize_t written = write(o->shared.bell_fd, &one, sizeof(one));

	(void)written;
}

static void call_control(struct offload *o)
{
	uint64_t one = 1;
	ssize_t written = write(o->event_fd, &one, sizeof(one));

	(void)written; /* as above */
}

static bool stopping(const struct offload *o)
{
	/* Acquire: pairs with offload_stop(). */
	return atomic_load_explicit(&o->stop, memory_order_acquire);
}

/* Sleeps until the bell rings, or for so long; NULL: for ever. */
static void sleep_for(struct offload *o, const struct timespec *time)
{
	struct pollfd bell = {.fd = o->shared.bell_fd, .events = POLLIN};
	uint64_t rings;

	if (ppoll(&bell, 1, time, NULL) > 0) {
		ssize_t got = read(bell.fd, &rings, sizeof(rings));

		(void)got;
	}
}

static void sleep_ns(struct offload *o, unsigned ns)
{
	struct timespec time = {.tv_nsec = ns};

	sleep_for(o, &time);
}

static void sleep_ms(struct offload *o, uint64_t ms)
{
	struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	sleep_for(o, &time);
}

/* ---- state ---- */

static uint64_t word_of(const struct offload *o)
{
	/* Relaxed: this thread alone stores it. */
	return atomic_load_explicit(&o->shared.word, memory_order_relaxed);
}

void offload_set_phase(struct offload *o, enum offload_phase phase)
{
	uint64_t word = OFFLOAD_WORD(OFFLOAD_GENERATION(word_of(o)), phase);

	/* See private.h. */
	atomic_store_explicit(&o->shared.word, word, memory_order_seq_cst);
}

static void set_state(struct offload *o, enum offload_state state)
{
	/* Relaxed: a figure to be shown. */
	atomic_store_explicit(&o->state, state, memory_order_relaxed);
	call_control(o);
}

static void note_fault(struct offload *o, const struct pl_error *why)
{
	pthread_mutex_lock(&o->lock);
	o->fault = *why;
	pthread_mutex_unlock(&o->lock);
	pl_stat_add(&o->faults, 1);
}

static int fail(struct offload *o, struct pl_error *err, const char *what)
{
	return pl_error_set(err, -EIO, NULL, "%s:%u (%s): %s", pl_accel_kind_name(o->device.kind),
			    o->device.index, o->device.name, what);
}

static int hangs(struct offload *o, struct pl_error *err, const char *does_not)
{
	char what[128];

	snprintf(what, sizeof(what), "hangs: %s within %u ms", does_not, o->config.hang_ms);
	return fail(o, err, what);
}

static bool any_attached(const struct offload *o)
{
	for (unsigned i = 0; i < o->config.n_planes; i++)
		if (offload_plane_attached(&o->planes[i]))
			return true;
	return false;
}

/* A plane has said that the accelerator of this generation hangs, or cannot be started. */
static bool is_distrusted(const struct offload *o)
{
	/* Relaxed: it says nothing of anything else. */
	return atomic_load_explicit(&o->shared.distrusted, memory_order_relaxed) ==
	       OFFLOAD_GENERATION(word_of(o));
}

/* Finds out why a plane has: the accelerator has failed, and says what it was; or else it hangs. */
static int why_distrusted(struct offload *o, struct pl_error *err)
{
	int ended = pl_accel_ended(o->shared.accel, err);

	return ended < 0 ? ended : hangs(o, err, "a burst is not done");
}

/* ---- opening ---- */

int offload_open(struct offload *o, struct pl_error *err)
{
	const struct pl_accel_config config = {
		.kind = o->config.kind,
		.index = o->config.index,
		.launch = o->config.launch,
		.n_lanes = o->config.n_planes,
		.program = *o->config.program,
	};
	struct pl_accel *accel;
	struct pl_accel_info info;
	uint64_t generation = OFFLOAD_GENERATION(word_of(o)) + 1;
	int ret = pl_accel_open(&accel, &config, err);

	/* Too late: the pools may be gone. */
	if (!ret && stopping(o)) {
		pl_accel_close(accel, CLOSE_MS);
		ret = pl_error_set(err, -ECANCELED, NULL, "accelerator: it is stopped");
	}
	for (unsigned i = 0; i < o->config.n_planes && !ret; i++)
		if (o->pools[i]) {
			ret = pl_accel_attach(accel, i, o->pools[i], err);
			if (ret) /* nothing has run */
				pl_accel_close(accel, CLOSE_MS);
		}
	if (ret)
		return ret;
	pl_accel_info(accel, &info);
	pthread_mutex_lock(&o->lock);
	o->device = info;
	o->workers = pl_accel_workers(accel);
	pthread_mutex_unlock(&o->lock);
	pl_stat_add(&o->opens, 1);
	o->shared.accel = accel;
	/* See private.h. */
	atomic_store_explicit(&o->shared.word, OFFLOAD_WORD(generation, PHASE_CPU),
			      memory_order_seq_cst);
	set_state(o, OFFLOAD_FILLING);
	return 0;
}

/* Waits until the program, told to rest, has ended. */
static int await_end(struct offload *o, unsigned ms, struct pl_error *err)
{
	uint64_t end = offload_now_ms() + ms;
	int ended;

	while ((ended = pl_accel_ended(o->shared.accel, err)) == 0 && !stopping(o)) {
		if (offload_now_ms() > end)
			return hangs(o, err, "its program does not end");
		sleep_ns(o, PAUSE_MAX_NS);
	}
	return ended < 0 ? ended : 0;
}

int offload_prove(struct offload *o, struct pl_error *err)
{
	int ret = pl_accel_run(o->shared.accel, err);

	if (ret)
		return ret;
	pl_accel_rest(o->shared.accel);
	return await_end(o, PROVE_MS, err);
}

void offload_serve(struct offload *o)
{
	/* Relaxed: the phase comes after it. */
	atomic_store_explicit(&o->shared.at_rest, true, memory_order_relaxed);
	offload_set_phase(o, PHASE_ACCEL);
	set_state(o, OFFLOAD_READY);
}

/* ---- serving ---- */

static unsigned tick_ms(const struct offload *o)
{
	return (o->config.idle_ms + 1) / 2;
}

static uint64_t count_submitted(const struct offload *o, bool *under_way)
{
	const struct pl_accel *accel = o->shared.accel;
	uint64_t sum = 0;

	*under_way = false;
	for (unsigned i = 0; i < o->config.n_planes; i++) {
		uint64_t completed = pl_accel_completed(accel, i);
		uint64_t submitted = pl_accel_submitted(accel, i);

		sum += submitted;
		*under_way |= submitted != completed;
	}
	return sum;
}

/* Updates are applied even if no burst ever comes, whom a plane would miss. Time passes only as the thread
 * looks: one that was kept from its core for a second has not waited for a second. */
static int check_updates(struct offload *o, struct watch *w, uint64_t step_ms, struct pl_error *err)
{
	uint64_t applied = pl_accel_updates_applied(o->shared.accel);
	unsigned step_max = o->config.hang_ms / 8 + 1;

	if (applied != w->applied || applied == pl_accel_updates_posted(o->shared.accel))
		w->waited_ms = 0;
	else
		w->waited_ms += step_ms < step_max ? (unsigned)step_ms : step_max;
	w->applied = applied;
	if (w->waited_ms >= o->config.hang_ms)
		return hangs(o, err, "it does not take changes of the tables");
	return 0;
}

static int read_marks(struct offload *o, struct watch *w, struct pl_error *err)
{
	if (w->marked == w->submitted)
		return 0;
	w->marked = w->submitted;
	w->marks_ms = w->now_ms;
	return copy_read_marks(&o->copy, o->used, err);
}

/* While the program runs, whether it may rest; while it should, whether it does. */
static int tick(struct offload *o, struct watch *w, struct pl_error *err)
{
	bool under_way, rests;
	uint64_t submitted = count_submitted(o, &under_way);
	uint64_t step_ms = w->now_ms - w->ticked_ms;
	int ret = pl_accel_ended(o->shared.accel, err);

	w->ticked_ms = w->now_ms;
	if (ret < 0)
		return ret;
	w->ended = ret > 0;
	if (under_way || submitted != w->submitted)
		w->busy_ms = w->now_ms;
	w->submitted = submitted;
	ret = check_updates(o, w, step_ms, err);
	if (!ret && w->now_ms - w->marks_ms >= MARKS_MS)
		ret = read_marks(o, w, err);
	/* Relaxed: this thread alone sets it. */
	rests = atomic_load_explicit(&o->shared.at_rest, memory_order_relaxed);
	if (ret || rests || o->config.stays || w->now_ms - w->busy_ms < o->config.idle_ms)
		return ret;
	ret = read_marks(o, w, err);
	if (!ret)
		offload_rest(&o->shared);
	return ret;
}

/* Sleeps as long as nothing needs it. */
static void doze(struct offload *o, struct watch *w, bool moved, bool settled)
{
	/* Relaxed: whoever clears it rings the bell afterwards. */
	bool rests = atomic_load_explicit(&o->shared.at_rest, memory_order_relaxed);

	if (!settled) {
		w->busy_ms = w->now_ms;
		w->pause_ns = moved ? PAUSE_MIN_NS : 2 * w->pause_ns;
		if (w->pause_ns > PAUSE_MAX_NS)
			w->pause_ns = PAUSE_MAX_NS;
		sleep_ns(o, w->pause_ns);
		return;
	}
	w->pause_ns = PAUSE_MIN_NS;
	if (!copy_rest(&o->copy))
		return;
	if (rests && w->ended)
		sleep_for(o, NULL);
	else
		sleep_ms(o, tick_ms(o));
	copy_rise(&o->copy);
}

/* Until the stop (0), or -errno with `err` filled, or REFILL: the copy is to be filled anew. */
static int serve(struct offload *o, struct pl_error *err)
{
	uint64_t now = offload_now_ms();
	struct watch w = {
		.ticked_ms = now, .busy_ms = now, .marks_ms = now, .pause_ns = PAUSE_MIN_NS};
	int ret = o->config.stays ? offload_wake(&o->shared, err) : 0;

	while (!ret && !stopping(o)) {
		uint64_t posted = pl_accel_updates_posted(o->shared.accel);
		bool moved, settled;

		w.now_ms = offload_now_ms();
		if (is_distrusted(o))
			return why_distrusted(o, err);
		if (copy_follow(&o->copy) == -EOVERFLOW)
			return REFILL;
		moved = pl_accel_updates_posted(o->shared.accel) != posted;
		if (moved)
			w.ended = false;
		ret = moved ? offload_wake(&o->shared, err) : 0;
		settled = copy_settle(&o->copy);
		if (!ret && w.now_ms - w.ticked_ms >= tick_ms(o))
			ret = tick(o, &w, err);
		if (!ret)
			doze(o, &w, moved, settled);
	}
	return ret;
}

/* ---- filling anew ---- */

/* Hands the copy to the control thread, and waits until it has filled it. */
static int have_filled(struct offload *o, struct pl_error *err)
{
	int filling;

	/* Release: the copy is the other's now; and acquire, below: ours again. */
	atomic_store_explicit(&o->filling, FILLING_WANTED, memory_order_release);
	call_control(o);
	for (;;) {
		filling = atomic_load_explicit(&o->filling, memory_order_acquire);
		if (filling == FILLING_DONE || stopping(o))
			break;
		sleep_for(o, NULL);
	}
	if (filling != FILLING_DONE)
		return 0;
	atomic_store_explicit(&o->filling, FILLING_NONE, memory_order_relaxed);
	if (o->filled)
		*err = o->unfilled;
	return o->filled;
}

/* Waits until no plane has a burst on the accelerator, which is in good health. */
static int await_planes(struct offload *o, struct pl_error *err)
{
	while (any_attached(o) && !stopping(o)) {
		int ended = pl_accel_ended(o->shared.accel, err);

		if (ended < 0)
			return ended;
		if (is_distrusted(o))
			return why_distrusted(o, err);
		sleep_ns(o, PAUSE_MAX_NS);
	}
	return 0;
}

/* Has the tables filled anew while planes use their own cores, or let packets wait. Updates that are posted are applied before:
 * none may come later. */
static int refill(struct offload *o, struct pl_error *err)
{
	struct pl_accel *accel = o->shared.accel;
	int ret;

	set_state(o, OFFLOAD_FILLING);
	offload_set_phase(o, PHASE_CPU);
	ret = await_planes(o, err);
	if (!ret)
		ret = pl_accel_run(accel, err);
	if (ret)
		return ret;
	pl_accel_rest(accel);
	ret = await_end(o, o->config.hang_ms, err);
	if (!ret && pl_accel_updates_applied(accel) != pl_accel_updates_posted(accel))
		ret = fail(o, err, "its program has ended with changes of the tables left over");
	if (ret || stopping(o))
		return ret;
	copy_want(&o->copy);
	ret = have_filled(o, err);
	if (!ret && !stopping(o))
		offload_serve(o);
	return ret;
}

/* ---- faults ---- */

/* Lets go of the accelerator that has failed. Takes until it does no more, which may be never. */
static void abandon(struct offload *o)
{
	offload_set_phase(o, PHASE_FAULT);
	copy_gone(&o->copy);
	pl_accel_rest(o->shared.accel);
	while (any_attached(o) && !stopping(o))
		sleep_ns(o, PAUSE_MAX_NS);
	while (!stopping(o)) {
		if (!pl_accel_close(o->shared.accel, CLOSE_MS)) {
			o->shared.accel = NULL;
			copy_forget(&o->copy);
			offload_set_phase(o, PHASE_QUIET);
			return;
		}
		sleep_ms(o, 1000);
	}
}

/* Opens it anew, has it filled and serves. */
static int retry(struct offload *o, struct pl_error *err)
{
	int ret = offload_open(o, err);

	if (ret)
		return ret;
	ret = have_filled(o, err);
	if (stopping(o))
		return 0;
	if (!ret)
		ret = offload_prove(o, err);
	if (!ret)
		offload_serve(o);
	return ret;
}

/* After a fault: waits, and tries again, at ever longer intervals, until it works. */
static void recover(struct offload *o, struct pl_error *why, unsigned *wait_ms)
{
	const unsigned max = RETRY_MAX * o->config.retry_ms;
	int ret;

	do {
		uint64_t until;

		note_fault(o, why);
		set_state(o, OFFLOAD_FAILED);
		if (o->shared.accel)
			abandon(o);
		until = offload_now_ms() + *wait_ms;
		/* Relaxed: a figure to be shown. */
		atomic_store_explicit(&o->retry_at_ms, until, memory_order_relaxed);
		while (offload_now_ms() < until && !stopping(o))
			sleep_ms(o, until - offload_now_ms());
		*wait_ms = *wait_ms > max / 2 ? max : 2 * *wait_ms;
		ret = stopping(o) ? 0 : retry(o, why);
	} while (ret && !stopping(o));
}

void *offload_main(void *arg)
{
	struct offload *o = arg;
	unsigned wait_ms = o->config.retry_ms;

	pthread_setname_np(pthread_self(), "offload");
	if (o->config.on_thread)
		o->config.on_thread(o->config.on_thread_ctx);
	while (!stopping(o)) {
		uint64_t since = offload_now_ms();
		struct pl_error why;
		int ret = serve(o, &why);

		if (offload_now_ms() - since > HEALTHY_MS)
			wait_ms = o->config.retry_ms;
		if (ret == REFILL)
			ret = refill(o, &why);
		if (ret)
			recover(o, &why, &wait_ms);
	}
	return NULL;
}
