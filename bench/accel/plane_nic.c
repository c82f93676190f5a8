/* SPDX-License-Identifier: BSD-2-Clause */
/* The same between emulated 82599s, those of bench/nic: the emulator fills and empties their rings between
 * turns, on the plane's core, and its time is not counted. */
#include <string.h>

#include "planes.h"

#include "../nic/bench.h"

#define RING 4096u   /* more than can be under way: nothing is dropped for want of a descriptor */
#define PORTION 256u /* frames on the wire at a time: those before have been taken */
#define FRAMES 16384u

struct wire {
	struct world *w;
	uint64_t fed;
};

static void next_portion(struct wire *wire, const struct turns *t)
{
	if (t->taken != wire->fed)
		return;
	emu_wire_memory_feed(wire->w->wires[0], wire->w->frames + wire->fed % FRAMES, PORTION,
			     false);
	wire->fed += PORTION;
}

/* The emulator does all that it can, then the plane has a turn; its time alone is counted. */
static void run_for(void *ctx, struct turns *t, uint64_t ns)
{
	struct wire *wire = ctx;
	uint64_t end = now_ns() + ns;

	do {
		next_portion(wire, t);
		while (emu_turn(wire->w->emu) > 0)
			;
		/* What it has stored arrives: frames, in lines that the device's core had last. */
		atomic_thread_fence(memory_order_seq_cst);
		t->last_ns = now_ns();
		turns_one(t, &wire->w->plane);
	} while (t->last_ns < end);
}

/* All that has been fed is on the wire again, and nothing is there twice. */
static void let_go(struct wire *wire, struct turns *t)
{
	const struct emu_wire *out = wire->w->wires[1];
	uint64_t until = now_ns() + PATIENCE_NS;

	while (emu_wire_memory_sent(out) != wire->fed) {
		while (emu_turn(wire->w->emu) > 0)
			;
		turns_one(t, &wire->w->plane);
		if (t->last_ns > until)
			die("emulated NICs: %llu packets came, %llu were sent",
			    (unsigned long long)wire->fed,
			    (unsigned long long)emu_wire_memory_sent(out));
	}
}

double plane_nic_cost(struct bench *b, struct device *d, bool remote)
{
	struct options o = {
		.frames = FRAMES, .ring = RING, .plane_core = b->core, .n_host = PACKETS_HOST};
	struct pl_accel_packets packets = {0};
	struct world *w;
	struct mode mode;
	struct wire wire = {0};
	struct turns t;
	double ns;

	if (remote) {
		packets_open(&packets, d);
		o.remote = &packets.remote;
	}
	wire.w = w = world_open(&o, NULL);
	mode_open(&mode, b, d, w->tables, &w->plane.pool, true);
	w->plane.processor = mode.processor;
	pl_plane_enter();
	turns_begin(&t, &w->plane);
	ns = turns_cost(b, &t, run_for, &wire);
	let_go(&wire, &t);
	pl_plane_leave();
	mode_close(&mode);
	world_close(w);
	pl_accel_packets_free(&packets);
	return ns;
}
