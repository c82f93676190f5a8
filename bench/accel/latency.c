/* SPDX-License-Identifier: BSD-2-Clause */
/* One burst, from submit to completion: alone, and among others that come at an even pace. */
#include <string.h>

#include "bench.h"

#define SHARE \
	0.5 /* of what the device can do: the pace where it cannot do all that was asked for */
#define PACE_MAX_US 1000.0 /* from one burst to the next, at most */
#define LOADED_MIN 20u
#define LOADED_MAX 1000000u

static const unsigned sizes[] = {1, 16, 64, 256, 1024};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void measure_idle(struct session *s, unsigned burst, struct key key)
{
	struct bench *b = s->bench;
	struct lane *l = &s->lanes[0];
	size_t n = b->settings.samples, warm_up = n / 10 + 1;
	double *us = checked(calloc(n, sizeof(*us)));

	for (size_t i = 0; i < n + warm_up; i++) {
		lane_submit(l, burst, now_ns());
		uint64_t submitted = lane_await(l);

		if (i >= warm_up)
			us[i - warm_up] = (double)(now_ns() - submitted) / 1e3;
	}
	device_note_percentiles(s->device, key, us, n);
	free(us);
}

/* Bursts fall due at an even pace; one that finds all slots taken goes later, and counts from then. Returns how
 * many were completed. */
static size_t run_paced(struct session *s, unsigned burst, double interval_ns, uint64_t ns,
			double *us)
{
	struct lane *l = &s->lanes[0];
	uint64_t start = now_ns(), now = start, submitted;
	double due = (double)start;
	size_t n = 0;

	while ((now - start < ns || n < LOADED_MIN) && n < LOADED_MAX) {
		if (now - start > PATIENCE_NS)
			die("bursts do not come back");
		if ((double)now >= due && lane_submit(l, burst, now)) {
			due += interval_ns;
			/* What is late is made up for, but no more than can be under way. */
			if (due < (double)now - interval_ns * MAILBOX_SLOTS)
				due = (double)now;
		}
		while (lane_complete(l, &submitted))
			us[n++] = (double)(now_ns() - submitted) / 1e3;
		now = now_ns();
	}
	return n;
}

static void measure_loaded(struct session *s, unsigned burst, struct key key)
{
	struct bench *b = s->bench;
	double capacity = session_run(s, burst, MAILBOX_SLOTS, (unsigned)b->settings.ms / 2 + 1);
	double mpps = capacity * SHARE < b->settings.mpps ? capacity * SHARE : b->settings.mpps;
	double *us = checked(calloc(LOADED_MAX + MAILBOX_SLOTS, sizeof(*us)));
	uint64_t ns = b->settings.ms * 1000000ull, start;
	size_t n;

	if (mpps < burst / PACE_MAX_US) /* others had the machine */
		mpps = burst / PACE_MAX_US;
	lane_load(&s->lanes[0], s->lanes[0].family);
	run_paced(s, burst, burst * 1e3 / mpps, ns / 5, us);
	lane_drain(&s->lanes[0]);
	start = now_ns();
	n = run_paced(s, burst, burst * 1e3 / mpps, ns, us);
	ns = now_ns() - start;
	lane_drain(&s->lanes[0]);
	lane_check(&s->lanes[0]);
	device_note_percentiles(s->device, key, us, n);
	free(us);
	key.what = "offered";
	key.unit = "Mpps";
	device_note(s->device, key, mpps);
	key.what = "carried";
	device_note(s->device, key, (double)n * burst * 1e3 / (double)ns);
}

static void measure_launch(struct bench *b, struct device *d, enum pl_accel_launch launch)
{
	struct session s;

	session_open(&s, b, d, launch, 1, false, true);
	session_load(&s, 4);
	for (unsigned i = 0; i < N_SIZES; i++) {
		struct key key = {.part = PART_LATENCY,
				  .what = "alone",
				  .unit = "us",
				  .how = launch_name(launch),
				  .burst = sizes[i]};

		lane_load(&s.lanes[0], 4);
		measure_idle(&s, sizes[i], key);
		key.what = "paced";
		measure_loaded(&s, sizes[i], key);
	}
	session_close(&s);
}

void latency_measure(struct bench *b, struct device *d)
{
	if (!d->info.no_persistent)
		measure_launch(b, d, PL_ACCEL_PERSISTENT);
	measure_launch(b, d, PL_ACCEL_BURST);
}
