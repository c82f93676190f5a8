/* SPDX-License-Identifier: BSD-2-Clause */
/* Measurements of the driver of Intel NICs on emulated ones: two of them, a plane between. */
#ifndef BENCH_NIC_BENCH_H
#define BENCH_NIC_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <emu/emu.h>
#include <peerlane/nic.h>
#include <peerlane/plane.h>

#include "../../router/program/cpu.h"
#include "../net/options.h"

#define FRAME_BYTES 60u /* without FCS: 64 on the wire */
#define REPETITIONS_MAX 1000u
#define WAKEUPS_MAX 1000000u
#define N_NICS 2u /* frames come in by the first, and go out by the second */

struct options {
	unsigned repetitions, ms, frames, ring, wakeups;
	int plane_core, emu_core;
	bool json;
	/* An accelerator's memory that the NICs receive into, and buffers of the host's beside it; NULL: the host's
	 * alone. */
	const struct pl_remote *remote;
	uint32_t n_host;
};

/* Sorted figures of some repetitions. */
struct figures {
	unsigned n;
	double value[REPETITIONS_MAX];
};

void figures_add(struct figures *f, double value);
void figures_sort(struct figures *f);

static inline double figures_median(const struct figures *f)
{
	return f->value[f->n / 2];
}

/* Two emulated NICs, running, and a plane that has them as its ports. */
struct world {
	struct emu *emu;
	struct emu_wire *wires[N_NICS];
	struct pl_pci *pci[N_NICS];
	struct pl_nic *nics[N_NICS];
	struct pl_queue *queues[N_NICS];
	struct tables *tables;
	struct pl_processor program;
	struct pl_processor answer; /* "to be transmitted by the second", no questions asked */
	struct pl_immediate immediate;
	struct emu_frame *frames;
	uint8_t *bytes;
	struct pl_plane plane;
};

/* Memory for both, and all of it set up; the emulator's thread does not run. `wires`: the NICs' (NULL:
 * those in memory). Ends the program where something fails, or the emulator reports an illegal use. */
struct world *world_open(const struct options *o, struct emu_wire *const *wires);
void world_close(struct world *w);

/* UDP from 198.51.100.1 to the `i`th address of 198.18.0.0/15, `len` bytes without FCS. */
void world_frame(uint8_t *frame, unsigned i, uint32_t len);

/* Other frames, of `len` bytes without FCS, instead of those there are, which are on no wire any more. */
void world_traffic(struct world *w, unsigned n, uint32_t len);

/* A plane with this processor; it is at rest before and after. */
void world_plane(struct world *w, const struct pl_processor *processor);

void pin(int core);

/* ---- the measurements; each adds one repetition, interleaved with the others ---- */

/* One plane forwards while the emulator's turns are made on the other core. */
struct forward {
	struct figures mpps;
	struct figures plane_idle, emu_idle; /* shares of time in turns that found nothing */
	struct figures burst;		     /* packets per turn of the plane that found some */
	unsigned disturbed; /* repetitions in which one of them did not have its core to itself */
};
void forward_measure(struct world *w, const struct options *o, const struct pl_processor *processor,
		     struct forward *result);

/* Both sides take turns, so that each can be timed alone: ns per packet. */
struct cost {
	struct figures ours, emulator;
};
/* What is ours: turns of a plane with `processor`; NULL: the driver alone. `apart`: the emulator runs on its
 * own core, and all it has written comes from there. */
void cost_measure(struct world *w, const struct options *o, const struct pl_processor *processor,
		  bool apart, struct cost *result);

/* A frame comes while all sleep: us. */
struct wakeup {
	unsigned n;
	double *from_wire; /* it is on the wire: the emulator wakes, stores, interrupts; the plane wakes */
	double *from_nic; /* the emulator is awake and has it */
};
void wakeup_measure(const struct options *o, struct wakeup *result);

#endif
