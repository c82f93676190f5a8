/* SPDX-License-Identifier: BSD-2-Clause */
/* A device with bursts on its lanes. What is done to packets is compared with what the one-packet program does
 * on the CPU before anything is timed. */
#include <string.h>
#include <unistd.h>

#include "../../router/program/packet.h"
#include "bench.h"

#define AGREEMENT_NS 2000000000u /* until a device has followed what changed before */
#define WARM_UP 5u		 /* a fraction of the time that is measured */

/* ---- opening ---- */

/* The copy of the tables is filled, and the program may run. */
static void await_ready(struct session *s)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	struct offload_stats stats;

	do {
		offload_attend(s->offload);
		offload_stats(s->offload, &stats);
		if (stats.state == OFFLOAD_FAILED)
			die("%s: %s", s->device->label, stats.fault.what);
		if (now_ns() > until)
			die("%s: the tables do not get there", s->device->label);
		usleep(100);
	} while (stats.state != OFFLOAD_READY);
	s->device->workers = stats.workers;
}

static void open_offload(struct session *s, bool stays)
{
	struct offload_config config = {
		.kind = s->device->info.kind,
		.index = s->device->info.index,
		.launch = s->launch,
		.n_planes = s->n_lanes,
		.stays = stays,
		.hang_ms = HANG_MS,
		.isa = cpu_isa_best(),
	};
	struct pl_error err;

	if (offload_new(&s->offload, &config, s->bench->tables, &err))
		die("%s: %s", s->device->label, err.what);
	for (unsigned i = 0; i < s->n_lanes; i++)
		if (offload_processor(s->offload, i, &s->lanes[i].pool, NULL,
				      &s->lanes[i].processor, &err))
			die("%s: %s", s->device->label, err.what);
	if (offload_start(s->offload, &err))
		die("%s: %s", s->device->label, err.what);
	await_ready(s);
}

void session_open(struct session *s, struct bench *b, struct device *d, enum pl_accel_launch launch,
		  unsigned n_lanes, bool in_device, bool stays)
{
	unsigned n_chunks = n_lanes > 1 ? MAILBOX_SLOTS : b->n_frames / CHUNK;

	*s = (struct session){.bench = b, .device = d, .launch = launch, .n_lanes = n_lanes};
	s->lanes = checked(calloc(n_lanes, sizeof(*s->lanes)));
	for (unsigned i = 0; i < n_lanes; i++)
		lane_init(&s->lanes[i], b, in_device ? d : NULL, i * n_chunks * CHUNK, n_chunks);
	if (d->cpu) {
		if (cpu_processor_init(&s->lanes[0].processor, b->tables, cpu_isa_best()))
			die("no packet program");
		return;
	}
	threads_elsewhere(b);
	open_offload(s, stays);
	thread_here(b);
}

/* What the CPU did in an accelerator's place is no figure of the accelerator's. */
static void close_offload(struct session *s)
{
	struct offload_stats stats;

	offload_stats(s->offload, &stats);
	if (stats.faults)
		die("%s: failed: %s", s->device->label, stats.fault.what);
	if (stats.cpu_packets || stats.lost_packets)
		die("%s: %llu packets were left to the CPU, %llu lost", s->device->label,
		    (unsigned long long)stats.cpu_packets, (unsigned long long)stats.lost_packets);
	offload_stop(s->offload);
	if (offload_free(s->offload))
		die("%s: does not end", s->device->label);
}

void session_close(struct session *s)
{
	for (unsigned i = 0; i < s->n_lanes; i++)
		lane_drain(&s->lanes[i]);
	if (s->offload)
		close_offload(s);
	else
		cpu_processor_fini(&s->lanes[0].processor);
	for (unsigned i = 0; i < s->n_lanes; i++)
		lane_fini(&s->lanes[i]);
	free(s->lanes);
}

/* ---- whether it is right ---- */

/* The frame of `l` numbered `i`, processed once, against what the CPU makes of the same. */
static bool agrees(const struct lane *l, const struct tables_view *view, unsigned i,
		   const struct pl_burst *burst, const uint8_t *processed)
{
	_Alignas(64) uint8_t room[2 * FRAME_ROOM] = {0};
	uint8_t *frame = room + 2;
	uint16_t len = FRAME_BYTES;
	uint32_t verdict;

	memcpy(frame, l->bench->frames[l->family == 6][(l->first + i) % l->bench->n_frames],
	       FRAME_BYTES);
	verdict = program_packet(view, frame, &len, 0);
	return burst->verdict[i] == verdict && burst->len[i] == len &&
	       !memcmp(processed, frame, FRAME_BYTES);
}

/* Runs one burst through. Returns how many packets differ. */
static unsigned compare(struct lane *l, const struct tables_view *view, unsigned family)
{
	uint8_t frames[CHUNK][FRAME_ROOM];
	unsigned wrong = 0;

	lane_load(l, family);
	l->lenient = true;
	lane_submit(l, CHUNK, now_ns());
	lane_await(l);
	l->lenient = false;
	lane_get(l, 0, frames);
	for (unsigned i = 0; i < CHUNK; i++)
		wrong += !agrees(l, view, i, l->last, frames[i]);
	lane_load(l, family);
	return wrong;
}

void session_load(struct session *s, unsigned family)
{
	uint8_t *used = checked(calloc(TABLES_NEXTHOPS_MAX, 1));
	struct tables_view view = *tables_view(s->bench->tables);
	uint64_t until = now_ns() + AGREEMENT_NS;

	view.used = used;
	for (unsigned i = 0; i < s->n_lanes; i++) {
		unsigned wrong;

		while ((wrong = compare(&s->lanes[i], &view, family)))
			if (now_ns() > until)
				die("%s: %u of %u IPv%u packets are not processed as the CPU does",
				    s->device->label, wrong, CHUNK, family);
	}
	free(used);
}

/* ---- running ---- */

static uint64_t run_until(struct session *s, unsigned burst, unsigned depth, uint64_t end)
{
	uint64_t packets = 0, now = now_ns(), ignored;
	unsigned n;

	while (now < end) {
		for (unsigned i = 0; i < s->n_lanes; i++) {
			struct lane *l = &s->lanes[i];

			while (lane_under_way(l) < depth && lane_submit(l, burst, now))
				;
			while ((n = lane_complete(l, &ignored))) {
				packets += n;
				if (s->churn && l->probe)
					churn_seen(s->churn, l->probe_verdict, now_ns());
			}
		}
		now = now_ns();
	}
	return packets;
}

double session_run(struct session *s, unsigned burst, unsigned depth, unsigned ms)
{
	uint64_t start, packets;
	double seconds;

	for (unsigned i = 0; i < s->n_lanes; i++)
		lane_load(&s->lanes[i], s->lanes[i].family);
	run_until(s, burst, depth, now_ns() + ms * 1000000ull / WARM_UP);
	start = now_ns();
	packets = run_until(s, burst, depth, start + ms * 1000000ull);
	seconds = (double)(now_ns() - start) / 1e9;
	for (unsigned i = 0; i < s->n_lanes; i++) {
		lane_drain(&s->lanes[i]);
		lane_check(&s->lanes[i]);
	}
	return (double)packets / seconds / 1e6;
}
