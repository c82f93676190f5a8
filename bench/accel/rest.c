/* SPDX-License-Identifier: BSD-2-Clause */
/* An idle router: what a second of it costs, all threads together, and how long the first burst after it takes. */
#include <string.h>
#include <unistd.h>

#include "planes.h"

#define WAKE_UPS_MAX 1000u

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void await_rest(const struct offload *offload)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	struct offload_stats stats;

	for (;;) {
		offload_stats(offload, &stats);
		if (stats.at_rest)
			return;
		if (now_ns() > until)
			die("the accelerator does not rest");
		usleep(200);
	}
}

/* Some packets go through first: an accelerator may not be started before they do. */
static void move_some(const struct bench *b, struct pl_plane *plane)
{
	const struct pl_mem_frame frame = {b->frames[0][0], FRAME_BYTES};
	uint64_t until = now_ns() + PATIENCE_NS;

	pl_plane_enter();
	pl_mem_queue_feed(plane->ports[0].wire, &frame, 1);
	pl_plane_turn(plane);
	pl_mem_queue_feed(plane->ports[0].wire, NULL, 0);
	while (plane->pool.n_free < plane->pool.n_bufs) {
		pl_plane_turn(plane);
		if (now_ns() > until)
			die("packets stay in the plane");
	}
	pl_plane_leave();
}

/* ms of CPU time that a second takes of a plane that gets nothing, and all that belongs to it. */
static double measure_idle(struct bench *b, struct device *d, bool stays)
{
	struct pl_plane *plane = plane_open(b);
	double before, start, seconds;
	struct pl_error err;
	struct mode mode;

	mode_open(&mode, b, d, b->one, &plane->pool, stays);
	plane->processor = mode.processor;
	if (pl_plane_init(plane, &err))
		die("%s", err.what);
	move_some(b, plane);
	if (pl_plane_start(plane, &err))
		die("%s", err.what);
	if (mode.offload && !stays)
		await_rest(mode.offload);
	usleep(50000);
	before = cpu_ms();
	start = now_s();
	usleep((useconds_t)(b->settings.quick ? 100000 : 1000000));
	seconds = now_s() - start;
	before = cpu_ms() - before;
	pl_plane_stop(plane);
	mode_close(&mode);
	plane_close(plane);
	return before / seconds;
}

static void measure_wake_ups(struct bench *b, struct device *d)
{
	struct key key = {.part = PART_REST, .what = "wake-up", .unit = "us", .burst = 1};
	unsigned n = (unsigned)b->settings.samples / 20 + 5;
	double us[WAKE_UPS_MAX];
	struct session s;

	if (n > WAKE_UPS_MAX)
		n = WAKE_UPS_MAX;
	session_open(&s, b, d, device_launch(d), 1, false, false);
	session_load(&s, 4);
	for (unsigned i = 0; i < n; i++) {
		uint64_t submitted;

		await_rest(s.offload);
		usleep(1000);
		if (!lane_submit(&s.lanes[0], 1, now_ns()))
			die("%s: takes no burst", d->label);
		submitted = lane_await(&s.lanes[0]);
		us[i] = (double)(now_ns() - submitted) / 1e3;
	}
	device_note_percentiles(d, key, us, n);
	session_close(&s);
}

void rest_measure(struct bench *b, struct device *d)
{
	struct key key = {.part = PART_REST, .what = "idle second", .unit = "ms"};

	key.how = "nic-cpu";
	device_note(d, key, measure_idle(b, NULL, false));
	key.how = "at rest";
	device_note(d, key, measure_idle(b, d, false));
	key.how = "kept awake";
	device_note(d, key, measure_idle(b, d, true));
	measure_wake_ups(b, d);
}
