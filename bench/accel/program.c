/* SPDX-License-Identifier: BSD-2-Clause */
/* The program alone: bursts that lie ready, posted ahead on many lanes, so that the device never waits. Packets
 * that are forwarded, and packets that are dropped for their route: checked, and looked up, and that is all
 * (`lookups`). */
#include "bench.h"

#define LANES_GPU MAILBOX_LANES_MAX
#define LANES_CPU 8u
#define VISIBLE_BURST 256u
#define VISIBLE_DEPTH 2u
#define VISIBLE_MIN 5u
#define VISIBLE_TRIES 50u

/* What more than one core of the host's does not keep busy takes more lanes. */
static unsigned lanes_for(const struct bench *b, const struct device *d)
{
	if (d->cpu)
		return 1;
	if (b->settings.lanes)
		return (unsigned)b->settings.lanes;
	return d->info.memory_bytes ? LANES_GPU : LANES_CPU;
}

unsigned program_frames(const struct bench *b)
{
	unsigned chunks = b->settings.quick ? MAILBOX_SLOTS * 2 : LANE_CHUNKS;

	for (unsigned i = 0; i < b->n_devices; i++)
		if (lanes_for(b, &b->devices[i]) * MAILBOX_SLOTS > chunks)
			chunks = lanes_for(b, &b->devices[i]) * MAILBOX_SLOTS;
	return chunks * CHUNK;
}

static void measure_changes(struct session *s, struct key key)
{
	struct bench *b = s->bench;
	struct churn *c;
	double *seen, rate;
	size_t n;

	c = churn_start(s, key.family, (unsigned)b->settings.changes);
	key.how = "with changes";
	device_note(s->device, key, session_run(s, CHUNK, MAILBOX_SLOTS, (unsigned)b->settings.ms));
	rate = churn_stop(c, &seen, &n);
	free(seen);
	key.how = "changes made";
	key.unit = "/s";
	device_note(s->device, key, rate);
	session_load(s, key.family); /* what all those changes came to is right, too */
}

static void measure_rate(struct session *s, const char *what, unsigned family, const char *where)
{
	struct bench *b = s->bench;
	struct key key = {.part = PART_PROGRAM,
			  .what = what,
			  .unit = "Mpps",
			  .where = where,
			  .family = family};

	session_load(s, family);
	device_note(s->device, key, session_run(s, CHUNK, MAILBOX_SLOTS, (unsigned)b->settings.ms));
	if (s->offload && b->settings.changes)
		measure_changes(s, key);
}

/* How long a change takes to be seen, with a burst or two before it. */
static void measure_visible(struct bench *b, struct device *d, unsigned family)
{
	struct key key = {.part = PART_PROGRAM, .what = "visible", .unit = "us", .family = family};
	struct session s;
	struct churn *c;
	double *seen;
	size_t n;

	session_open(&s, b, d, device_launch(d), 1, false, true);
	session_load(&s, family);
	lane_set_probe(&s.lanes[0], true);
	c = churn_start(&s, family, (unsigned)b->settings.changes);
	/* Enough for a percentile, at a change each seven milliseconds. */
	for (unsigned i = 0; i < VISIBLE_TRIES && (i == 0 || churn_n_seen(c) < VISIBLE_MIN); i++)
		session_run(&s, VISIBLE_BURST, VISIBLE_DEPTH, (unsigned)b->settings.ms * 5);
	churn_stop(c, &seen, &n);
	lane_set_probe(&s.lanes[0], false);
	device_note_percentiles(d, key, seen, n);
	free(seen);
	session_close(&s);
}

static void measure_rates(struct bench *b, struct device *d, bool in_device)
{
	const char *where = in_device ? IN_DEVICE : NULL;
	struct session s;

	session_open(&s, b, d, device_launch(d), lanes_for(b, d), in_device, true);
	for (unsigned family = 4; family <= 6; family += 2) {
		measure_rate(&s, "packets", family, where);
		bench_forward(b, false);
		measure_rate(&s, "lookups", family, where);
		bench_forward(b, true);
	}
	session_close(&s);
}

void program_measure(struct bench *b, struct device *d)
{
	measure_rates(b, d, false);
	/* Where it is the host's all the same there is nothing more to be seen but that it works. */
	if (!d->cpu && (d->info.memory_bytes || b->settings.quick) && !d->info.no_packets)
		measure_rates(b, d, true);
	if (d->cpu || !b->settings.changes)
		return;
	for (unsigned family = 4; family <= 6; family += 2)
		measure_visible(b, d, family);
}
