/* SPDX-License-Identifier: BSD-2-Clause */
/* What a packet costs each side alone: the emulator fills the RX ring of the first NIC and empties the TX ring
 * of the second while the driver waits; then the driver takes all there is and sends it on. On one core,
 * all that the emulator has written is in that core's caches. Apart, it comes from the other's, as it would
 * from memory or the last-level cache with a NIC. */
#include "bench.h"

#include <pthread.h>
#include <string.h>

#define BURST 256u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Whose turn it is, when the emulator has a core of its own. */
enum turn { TURN_DRIVER, TURN_EMULATOR, TURN_NOBODY };

struct emulator {
	struct world *w;
	int core;
	_Atomic enum turn turn;
	uint64_t ns, moved;
};

static void emulate_all(struct emulator *e)
{
	uint64_t start = now_ns();
	unsigned moved;

	while ((moved = emu_turn(e->w->emu)) > 0)
		e->moved += moved;
	e->ns += now_ns() - start;
}

static void *emulate(void *arg)
{
	struct emulator *e = arg;

	pin(e->core);
	for (;;) {
		/* Acquire and release: what one side wrote is there for the other. */
		enum turn turn = atomic_load_explicit(&e->turn, memory_order_acquire);

		if (turn == TURN_NOBODY)
			return NULL;
		if (turn != TURN_EMULATOR)
			continue;
		emulate_all(e);
		atomic_store_explicit(&e->turn, TURN_DRIVER, memory_order_release);
	}
}

static void let_emulate(struct emulator *e, bool apart)
{
	if (!apart) {
		emulate_all(e);
		return;
	}
	atomic_store_explicit(&e->turn, TURN_EMULATOR, memory_order_release);
	while (atomic_load_explicit(&e->turn, memory_order_acquire) != TURN_DRIVER)
		;
}

/* Takes all that has been received, and sends it on. Returns how many. */
static unsigned drive(struct world *w)
{
	uint32_t frame[BURST];
	uint16_t len[BURST];
	unsigned n, all = 0;

	while ((n = pl_queue_rx(w->queues[0], frame, len, BURST)) > 0) {
		pl_queue_tx(w->queues[1], frame, len, n);
		all += n;
	}
	pl_queue_flush(w->queues[0]);
	pl_queue_flush(w->queues[1]);
	return all;
}

/* The same, by turns of a plane. */
static unsigned drive_plane(struct world *w)
{
	unsigned n, all = 0;

	while ((n = pl_plane_turn(&w->plane)) > 0)
		all += n;
	return all;
}

void cost_measure(struct world *w, const struct options *o, const struct pl_processor *processor,
		  bool apart, struct cost *result)
{
	unsigned (*ours)(struct world * w) = processor ? drive_plane : drive;
	static struct emulator e;
	uint64_t end, driver_ns = 0, driven = 0, warm_up = 16;
	pthread_t thread;

	e = (struct emulator){.w = w, .core = o->emu_core};
	pin(o->plane_core);
	if (processor)
		w->plane.processor = *processor;
	pl_plane_enter();
	emu_wire_memory_feed(w->wires[0], w->frames, o->frames, true);
	if (apart && pthread_create(&thread, NULL, emulate, &e))
		die("cannot start a thread");
	end = now_ns() + o->ms * 1000000ull;
	do {
		uint64_t start, ns;
		unsigned n;

		let_emulate(&e, apart);
		start = now_ns();
		n = ours(w);
		ns = now_ns() - start;
		if (warm_up) {
			warm_up--;
			e.ns = e.moved = 0;
			continue;
		}
		driver_ns += ns;
		driven += n;
	} while (now_ns() < end || !driven);
	emu_wire_memory_feed(w->wires[0], NULL, 0, false);
	let_emulate(&e, apart);
	while (drive(w))
		let_emulate(&e, apart);
	let_emulate(&e, apart);
	drive(w);
	pl_plane_leave();
	if (apart) {
		atomic_store_explicit(&e.turn, TURN_NOBODY, memory_order_release);
		pthread_join(thread, NULL);
	}
	figures_add(&result->ours, (double)driver_ns / (double)driven);
	/* Each packet moves twice: in and out. */
	figures_add(&result->emulator, 2 * (double)e.ns / (double)e.moved);
}
