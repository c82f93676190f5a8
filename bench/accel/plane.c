/* SPDX-License-Identifier: BSD-2-Clause */
/* What a packet costs a plane's core in each mode, the device's time excluded: turns that moved something are
 * counted, turns that only waited for the device are not. Frames of 64 bytes, between memory ports and between
 * emulated NICs. Each repetition has both modes, one after the other, and its own ratio; before and after, what a
 * cache line takes from core to core: by that it counts for near cores or far ones, too, if it was the same. */
#include <string.h>

#include "planes.h"

#define ONE_ROUTE_FRAMES 16384u
#define LINE_FAR_NS 100.0 /* between those of cores that share a cache and of others */

const char cores_near[] = "near", cores_far[] = "far";

/* A list for a memory port, over frames that lie FRAME_ROOM apart. */
static struct pl_mem_frame *list_of(uint8_t (*frames)[FRAME_ROOM], unsigned n)
{
	struct pl_mem_frame *list = checked(calloc(n, sizeof(*list)));

	for (unsigned i = 0; i < n; i++)
		list[i] = (struct pl_mem_frame){frames[i], FRAME_BYTES};
	return list;
}

/* To the addresses of 198.18.0.0/15, far from each other. */
static uint8_t (*one_route_frames(void))[FRAME_ROOM]
{
	uint8_t(*frames)[FRAME_ROOM] =
		checked(aligned_alloc(64, (size_t)ONE_ROUTE_FRAMES * FRAME_ROOM));

	for (unsigned i = 0; i < ONE_ROUTE_FRAMES; i++) {
		unsigned host = i * 40503;
		struct ip_addr to = {
			.family = AF_INET,
			.bytes = {198, (uint8_t)(18 + (host >> 16 & 1)), (uint8_t)(host >> 8),
				  (uint8_t)host},
		};

		frame_make(frames[i], &to);
	}
	return frames;
}

static void run_for(void *ctx, struct turns *t, uint64_t ns)
{
	struct pl_plane *plane = ctx;
	uint64_t end;

	t->last_ns = now_ns();
	end = t->last_ns + ns;
	while (t->last_ns < end)
		turns_one(t, plane);
}

/* Everything that was taken leaves: nothing is under way then. */
static void let_go(struct pl_plane *plane)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	struct turns t;

	pl_mem_queue_feed(plane->ports[0].wire, NULL, 0);
	turns_begin(&t, plane);
	while (plane->pool.n_free < plane->pool.n_bufs) {
		turns_one(&t, plane);
		if (t.last_ns > until)
			die("packets stay in the plane");
	}
}

static double measure_mode(struct bench *b, struct device *d, struct tables *tables,
			   const struct pl_mem_frame *list, unsigned n)
{
	struct pl_plane *plane = plane_open(b);
	struct pl_error err;
	struct turns t;
	struct mode mode;
	double ns;

	mode_open(&mode, b, d, tables, &plane->pool, true);
	plane->processor = mode.processor;
	if (pl_plane_init(plane, &err))
		die("%s", err.what);
	pl_mem_queue_feed(plane->ports[0].wire, list, n);
	pl_plane_enter();
	turns_begin(&t, plane);
	ns = turns_cost(b, &t, run_for, plane);
	let_go(plane);
	pl_plane_leave();
	mode_close(&mode);
	if (pl_stat_read(&plane->ports[1].wire->stats.tx_packets) !=
	    pl_stat_read(&plane->ports[0].wire->stats.rx_packets))
		die("not all packets that were received were sent");
	plane_close(plane);
	return ns;
}

struct pair {
	double line_ns; /* before it */
	double cpu, accel;
	double remote; /* packets in the accelerator's memory; 0: not measured */
};

static void note(struct device *d, const char *ports, const char *cores, const struct pair *p)
{
	struct key key = {.part = PART_PLANE, .what = ports, .unit = "ns", .how = "nic-cpu"};

	key.point = cores;
	device_note(d, key, p->cpu);
	key.how = "nic-cpu-gpu";
	device_note(d, key, p->accel);
	key.how = "nic-gpu";
	if (p->remote > 0)
		device_note(d, key, p->remote);
	key.how = "ratio";
	key.unit = "";
	device_note(d, key, p->accel / p->cpu);
}

/* Both modes have been measured: where the cores were the whole time is told by the line before and now. */
static void note_pair(struct bench *b, struct device *d, const char *ports, const struct pair *p)
{
	bool far = p->line_ns >= LINE_FAR_NS;

	note(d, ports, NULL, p);
	if ((line_ns(b) >= LINE_FAR_NS) == far)
		note(d, ports, far ? cores_far : cores_near, p);
}

void plane_measure(struct bench *b, struct device *d)
{
	uint8_t(*one)[FRAME_ROOM] = one_route_frames();
	struct pl_mem_frame *one_list = list_of(one, ONE_ROUTE_FRAMES);
	struct pl_mem_frame *full_list = list_of(b->frames[0], b->n_frames);
	struct key line = {
		.part = PART_PLANE, .what = "a cache line to the other core", .unit = "ns"};
	struct pair p = {.line_ns = line_ns(b)};

	device_note(d, line, p.line_ns);
	p.cpu = measure_mode(b, NULL, b->one, one_list, ONE_ROUTE_FRAMES);
	p.accel = measure_mode(b, d, b->one, one_list, ONE_ROUTE_FRAMES);
	note_pair(b, d, "memory ports, one route", &p);
	p.line_ns = line_ns(b);
	p.cpu = measure_mode(b, NULL, b->tables, full_list, b->n_frames);
	p.accel = measure_mode(b, d, b->tables, full_list, b->n_frames);
	note_pair(b, d, "memory ports, full table", &p);
	p.line_ns = line_ns(b);
	p.cpu = plane_nic_cost(b, NULL, false);
	p.accel = plane_nic_cost(b, d, false);
	if (!d->info.no_packets)
		p.remote = plane_nic_cost(b, d, true);
	note_pair(b, d, "emulated 82599, one route", &p);
	free(one_list);
	free(full_list);
	free(one);
}
