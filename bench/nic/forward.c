/* SPDX-License-Identifier: BSD-2-Clause */
/* Forwarding from one emulated NIC to the other: the emulator on one core, a plane on the other. Both sides
 * tell how much of their time they spent on turns that found nothing: whoever had least to wait is the
 * limit. */
#include "bench.h"

#include <pthread.h>
#include <string.h>

/* A side that had less of its time had to share its core. */
#define OWN_CORE 0.98

/* One side's time. */
struct side {
	uint64_t idle_ns, ns, cpu_ns;
	uint64_t moved, working_turns;
};

struct emulator {
	struct world *w;
	int core;
	atomic_bool stop;
	struct side side;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static bool was_disturbed(const struct side *side)
{
	return (double)side->cpu_ns < OWN_CORE * (double)side->ns;
}

/* Of its time; 0 for a side that another process kept from its core all the while. */
static double idle_share(const struct side *side)
{
	return side->ns ? (double)side->idle_ns / (double)side->ns : 0;
}

/* Notes a turn that moved `moved` and ended at `now`; the last one ended at `*last`. */
static void note_turn(struct side *side, unsigned moved, uint64_t now, uint64_t *last)
{
	if (moved)
		side->working_turns++;
	else
		side->idle_ns += now - *last;
	side->moved += moved;
	*last = now;
}

static void *emulate(void *arg)
{
	struct emulator *e = arg;
	uint64_t start, last;

	pin(e->core);
	e->side.cpu_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID);
	start = last = now_ns();
	while (!atomic_load_explicit(&e->stop, memory_order_relaxed))
		note_turn(&e->side, emu_turn(e->w->emu), now_ns(), &last);
	e->side.ns = last - start;
	e->side.cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void forward_for(struct world *w, unsigned ms, struct side *side)
{
	uint64_t start = now_ns(), last = start, end = start + ms * 1000000ull;

	memset(side, 0, sizeof(*side));
	side->cpu_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID);
	while (last < end)
		note_turn(side, pl_plane_turn(&w->plane), now_ns(), &last);
	side->ns = last - start;
	side->cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* What is under way arrives, and comes back to the pool. */
static void settle(struct world *w)
{
	unsigned quiet = 0;

	while (quiet < 1000)
		quiet = pl_plane_turn(&w->plane) + emu_turn(w->emu) ? 0 : quiet + 1;
}

void forward_measure(struct world *w, const struct options *o, const struct pl_processor *processor,
		     struct forward *result)
{
	static struct emulator e;
	struct side warm_up, plane;
	uint64_t sent;
	pthread_t thread;
	double start, seconds;

	e = (struct emulator){.w = w, .core = o->emu_core};
	pin(o->plane_core);
	w->plane.processor = *processor;
	pl_plane_enter();
	emu_wire_memory_feed(w->wires[0], w->frames, o->frames, true);
	if (pthread_create(&thread, NULL, emulate, &e))
		die("cannot start a thread");
	forward_for(w, o->ms / 5 + 1, &warm_up);
	sent = emu_wire_memory_sent(w->wires[1]);
	start = now_s();
	forward_for(w, o->ms, &plane);
	seconds = now_s() - start;
	sent = emu_wire_memory_sent(w->wires[1]) - sent;
	atomic_store_explicit(&e.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	emu_wire_memory_feed(w->wires[0], NULL, 0, false);
	settle(w);
	pl_plane_leave();

	result->disturbed += was_disturbed(&plane) || was_disturbed(&e.side);
	figures_add(&result->mpps, (double)sent / seconds / 1e6);
	figures_add(&result->plane_idle, idle_share(&plane));
	figures_add(&result->emu_idle, idle_share(&e.side));
	figures_add(&result->burst,
		    plane.working_turns ? (double)plane.moved / (double)plane.working_turns : 0);
}
