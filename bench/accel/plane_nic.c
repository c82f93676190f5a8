/* SPDX-License-Identifier: BSD-2-Clause */
/* The same between emulated 82599s, those of bench/nic: the emulator fills and empties their rings between
 * turns, on the plane's core, and its time is not counted. */
#include <string.h>

#include "planes.h"

#include "../nic/bench.h"

#define RING 1024u
#define FRAMES 16384u

/* What the emulator has received is taken, processed and sent. */
static void forward_all(struct world *w, struct turns *t)
{
	uint64_t until = now_ns() + PATIENCE_NS, taken;

	t->last_ns = now_ns();
	do {
		taken = t->taken;
		turns_one(t, &w->plane);
		if (t->last_ns > until)
			die("emulated NICs: %llu packets are not sent",
			    (unsigned long long)(t->taken - t->sent));
	} while (t->taken != taken || t->taken != t->sent);
}

/* The emulator does all that it can, then the plane. */
static void run_for(struct world *w, struct turns *t, uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	turns_begin(t, &w->plane);
	do {
		while (emu_turn(w->emu) > 0)
			;
		forward_all(w, t);
	} while (t->last_ns < end);
}

double plane_nic_cost(struct bench *b, struct device *d)
{
	struct options o = {.frames = FRAMES, .ring = RING, .plane_core = b->core};
	struct world *w = world_open(&o, NULL);
	struct mode mode;
	struct turns t;

	mode_open(&mode, b, d, w->tables, &w->plane.pool, true);
	w->plane.processor = mode.processor;
	pl_plane_enter();
	emu_wire_memory_feed(w->wires[0], w->frames, o.frames, true);
	run_for(w, &t, b->settings.ms * 200000);
	run_for(w, &t, b->settings.ms * 1000000);
	/* The rest of what is on the rings; then nothing comes any more. */
	emu_wire_memory_feed(w->wires[0], NULL, 0, false);
	for (unsigned i = 0; i < 4; i++) {
		struct turns rest;

		run_for(w, &rest, 0);
	}
	pl_plane_leave();
	mode_close(&mode);
	world_close(w);
	if (!t.sent)
		die("emulated NICs: nothing was sent");
	return (double)t.ns / (double)t.sent;
}
