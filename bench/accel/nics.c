/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane between two emulated 82599s in all three modes: how much goes through by size of frames, what of it crosses
 * the bus to main memory and to the device's, and how long a frame takes from wire to wire. The emulator's thread is
 * not the plane's, and not on its core: where it cannot do more, that is what is measured. */
#include <string.h>

#include "paced.h"
#include "planes.h"

#include "../nic/bench.h"

#define RING 4096u
#define FRAMES 4096u
#define PACKETS_BYTES ((size_t)64 << 20)
#define QUIET_NS 20000000u /* without a packet: there are none left */
#define SHARE 0.5     /* of what goes through: the pace where that is not all that was asked for */
#define PACE_MIN 0.01 /* Mpps */

const unsigned nic_sizes[] = {64, 128, 256, 512, 1024, 1518, 0};
const char *const nic_modes[] = {"nic-cpu", "nic-cpu-gpu", "nic-gpu", NULL};
enum { NIC_CPU, NIC_CPU_GPU, NIC_GPU };

/* One mode, with NICs on `wires`, or on such in memory. */
struct setup {
	struct bench *b;
	struct device *d;
	unsigned which;
	struct pl_accel_packets packets;
	struct world *w;
	struct mode mode;
	struct turns t;
};

void packets_open(struct pl_accel_packets *packets, const struct device *d)
{
	struct pl_error err;

	if (pl_accel_packets_new(packets, d->info.kind, d->info.index, PACKETS_BYTES, &err))
		die("%s: %s", d->label, err.what);
}

static void emulator_start(struct setup *s)
{
	struct pl_error err;

	threads_elsewhere(s->b);
	if (emu_start(s->w->emu, -1, &err))
		die("%s", err.what);
	thread_here(s->b);
}

static void setup_open(struct setup *s, struct bench *b, struct device *d, unsigned which,
		       struct emu_wire *const *wires)
{
	struct options o = {
		.frames = FRAMES, .ring = RING, .plane_core = b->core, .n_host = PACKETS_HOST};

	*s = (struct setup){.b = b, .d = d, .which = which};
	if (which == NIC_GPU) {
		packets_open(&s->packets, d);
		o.remote = &s->packets.remote;
	}
	s->w = world_open(&o, wires);
	mode_open(&s->mode, b, which == NIC_CPU ? NULL : d, s->w->tables, &s->w->plane.pool, true);
	s->w->plane.processor = s->mode.processor;
	pl_plane_enter();
	turns_begin(&s->t, &s->w->plane);
}

static void setup_close(struct setup *s)
{
	pl_plane_leave();
	mode_close(&s->mode);
	world_close(s->w);
	pl_accel_packets_free(&s->packets);
}

static void run_for(struct setup *s, uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	do
		turns_one(&s->t, &s->w->plane);
	while (s->t.last_ns < end);
}

/* Until something has come: threads have to be let run first. */
static void run_in(struct setup *s, uint64_t ns)
{
	uint64_t taken = s->t.taken, until = now_ns() + PATIENCE_NS;

	while (s->t.taken == taken)
		if (turns_one(&s->t, &s->w->plane), s->t.last_ns > until)
			die("%s, %s: nothing comes", s->d->label, nic_modes[s->which]);
	run_for(s, ns);
}

/* Packets that the plane has taken, and the device has not given back. */
static uint64_t under_way(const struct setup *s)
{
	const struct pl_queue_stats *in = &s->w->queues[0]->stats, *out = &s->w->queues[1]->stats;

	return pl_stat_read(&in->rx_packets) - pl_stat_read(&out->tx_packets) -
	       pl_stat_read(&out->tx_dropped);
}

/* Until nothing comes any more. The emulator's turns are made here, so that nothing waits for its thread to be let
 * run. */
static void run_out(struct setup *s)
{
	uint64_t moved_ns = now_ns(), until = moved_ns + PATIENCE_NS;

	emu_stop(s->w->emu);
	do {
		if (emu_turn(s->w->emu) + turns_one(&s->t, &s->w->plane) > 0)
			moved_ns = s->t.last_ns;
		if (s->t.last_ns > until)
			die("%s: packets do not end", s->d->label);
	} while (under_way(s) || s->t.last_ns < moved_ns + QUIET_NS);
}

/* ---- throughput, and what crosses the bus ---- */

/* Packets that came in by the first NIC, and left by the second; what each has moved, both ways, and the device. */
struct moved {
	uint64_t packets[N_NICS], bytes[N_NICS][EMU_DMA_KINDS];
	struct pl_accel_moved device;
};

static struct moved count(const struct setup *s)
{
	struct moved m = {.packets = {s->t.taken, emu_wire_memory_sent(s->w->wires[1])}};

	for (unsigned i = 0; i < N_NICS; i++) {
		struct emu_stats stats;

		emu_stats(s->w->pci[i], &stats);
		for (unsigned k = 0; k < EMU_DMA_KINDS; k++)
			m.bytes[i][k] = stats.dma_bytes_read[k] + stats.dma_bytes_written[k];
	}
	if (s->which == NIC_GPU)
		pl_accel_packets_moved(&s->packets, &m.device);
	return m;
}

/* Each NIC's by its own packets: of those that come in more than the plane can do, some are lost. */
static void note_bus(struct setup *s, struct key key, const struct moved *before)
{
	static const char *const whats[EMU_DMA_KINDS] = {
		[EMU_DMA_HOST] = "host",
		[EMU_DMA_REMOTE] = "remote",
		[EMU_DMA_DESCRIPTORS] = "descriptors",
	};
	struct moved m = count(s);
	double in = (double)(m.packets[0] - before->packets[0]);
	double out = (double)(m.packets[1] - before->packets[1]);

	if (s->which == NIC_GPU && m.bytes[0][EMU_DMA_HOST] + m.bytes[1][EMU_DMA_HOST] > 0)
		die("%s: packets went through main memory", s->d->label);
	key.unit = "bytes/packet";
	for (unsigned k = 0; k < EMU_DMA_KINDS; k++) {
		key.what = whats[k];
		device_note(s->d, key,
			    (double)(m.bytes[0][k] - before->bytes[0][k]) / in +
				    (double)(m.bytes[1][k] - before->bytes[1][k]) / out);
	}
	if (!m.device.batches)
		return;
	key.what = "moved to";
	device_note(s->d, key, (double)(m.device.bytes_to - before->device.bytes_to) / in);
	key.what = "moved from";
	device_note(s->d, key, (double)(m.device.bytes_from - before->device.bytes_from) / out);
	key.what = "moved at once";
	key.unit = "packets";
	device_note(s->d, key,
		    (double)(m.device.pieces - before->device.pieces) /
			    (double)(m.device.batches - before->device.batches));
}

static void measure_size(struct setup *s, unsigned size)
{
	struct key key = {.part = PART_NIC,
			  .what = "throughput",
			  .unit = "Mpps",
			  .how = nic_modes[s->which],
			  .frame = size};
	uint64_t ns = s->b->settings.ms * 1000000, start, sent;
	struct world *w = s->w;
	struct moved before;

	world_traffic(w, FRAMES, size - 4);
	before = count(s);
	emu_wire_memory_feed(w->wires[0], w->frames, FRAMES, true);
	emulator_start(s);
	run_in(s, ns / 5);
	start = now_ns();
	sent = emu_wire_memory_sent(w->wires[1]);
	run_for(s, ns);
	device_note(s->d, key,
		    (double)(emu_wire_memory_sent(w->wires[1]) - sent) * 1e3 /
			    (double)(now_ns() - start));
	emu_wire_memory_feed(w->wires[0], NULL, 0, false);
	run_out(s);
	if (count(s).packets[1] == before.packets[1])
		die("%s, %s: nothing came through", s->d->label, nic_modes[s->which]);
	note_bus(s, key, &before);
}

/* ---- from wire to wire ---- */

static void measure_way(struct bench *b, struct device *d, unsigned which)
{
	struct key key = {
		.part = PART_NIC, .what = "throughput", .how = nic_modes[which], .frame = 64};
	const struct series *all = device_series(d, key);
	double capacity = all->at[all->n - 1] * SHARE;
	double mpps = capacity < b->settings.mpps ? capacity : b->settings.mpps, *us;
	uint64_t ns = b->settings.ms * 1000000, start, took_ns, offered, left;
	uint8_t frame[FRAME_BYTES];
	struct emu_wire *wires[2];
	struct paced *p;
	struct setup s;
	size_t n;

	if (mpps < PACE_MIN) /* others had the machine */
		mpps = PACE_MIN;
	world_frame(frame, 1, FRAME_BYTES);
	p = paced_new(wires, frame, FRAME_BYTES);
	setup_open(&s, b, d, which, wires);
	paced_set(p, mpps);
	emulator_start(&s);
	run_in(&s, ns / 5);
	paced_set(p, 0);
	run_out(&s);
	paced_begin(p);
	emulator_start(&s);
	offered = paced_offered(p);
	left = paced_left(p);
	paced_set(p, mpps);
	start = now_ns();
	run_in(&s, ns);
	took_ns = now_ns() - start;
	paced_set(p, 0);
	run_out(&s);
	us = paced_times(p, &n);
	key.what = "offered";
	key.unit = "Mpps";
	device_note(d, key, (double)(paced_offered(p) - offered) * 1e3 / (double)took_ns);
	key.what = "carried";
	device_note(d, key, (double)(paced_left(p) - left) * 1e3 / (double)took_ns);
	key.what = "way";
	key.unit = "us";
	device_note_percentiles(d, key, us, n);
	setup_close(&s);
	paced_free(p);
}

void nic_measure(struct bench *b, struct device *d)
{
	for (unsigned which = NIC_CPU; which <= NIC_GPU; which++) {
		struct setup s;

		if (which == NIC_GPU && d->info.no_packets) {
			printf("%s: nic-gpu: not measured: %s\n", d->label,
			       d->info.why_no_packets.what);
			return;
		}
		setup_open(&s, b, d, which, NULL);
		for (const unsigned *size = nic_sizes; *size; size++)
			measure_size(&s, *size);
		setup_close(&s);
		measure_way(b, d, which);
	}
}
