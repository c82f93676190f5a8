/* SPDX-License-Identifier: BSD-2-Clause */
/* See paced.h. What comes is made when the NIC asks for it: what is due by then. So a NIC that asks late gets frames
 * that have waited, and their times begin when they were due. */
#include <string.h>

#include "paced.h"

#define PAYLOAD_AT 42u
#define BATCH 64u
#define WAITING_MAX 4096u /* frames; more are lost, as on a NIC of which nobody takes them */
#define TIMES_MAX 1000000u
#define TIME_EACH \
	8u /* one frame of so many is timed: the times, not the clock, are what is to be measured */

struct paced {
	struct emu_wire in, out;
	uint32_t len;
	uint8_t bytes[BATCH][2048];
	_Atomic double mpps;
	double used_mpps; /* that `start_ns` began with */
	uint64_t start_ns, given;
	_Atomic uint64_t offered, left;
	double *us;
	size_t n;
};

static unsigned give(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct paced *p = (struct paced *)((char *)wire - offsetof(struct paced, in));
	/* Relaxed: it says nothing of anything else. */
	double mpps = atomic_load_explicit(&p->mpps, memory_order_relaxed);
	uint64_t now = now_ns(), due;

	if (mpps != p->used_mpps) {
		p->used_mpps = mpps;
		p->start_ns = now;
		p->given = 0;
	}
	due = (uint64_t)((double)(now - p->start_ns) * mpps / 1e3);
	if (due - p->given > WAITING_MAX) {
		atomic_fetch_add_explicit(&p->offered, due - p->given - WAITING_MAX,
					  memory_order_relaxed);
		p->given = due - WAITING_MAX;
	}
	if (max > BATCH)
		max = BATCH;
	if (max > due - p->given)
		max = (unsigned)(due - p->given);
	for (unsigned i = 0; i < max; i++, p->given++) {
		uint64_t at = p->start_ns + (uint64_t)((double)p->given * 1e3 / mpps);

		memcpy(p->bytes[i] + PAYLOAD_AT, &at, sizeof(at));
		frames[i] = (struct emu_frame){p->bytes[i], p->len};
	}
	atomic_fetch_add_explicit(&p->offered, max, memory_order_relaxed);
	return max;
}

static void take(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	struct paced *p = (struct paced *)((char *)wire - offsetof(struct paced, out));
	uint64_t now = now_ns(), at;

	for (unsigned i = 0; i < n && p->n < TIMES_MAX; i += TIME_EACH) {
		memcpy(&at, frames[i].data + PAYLOAD_AT, sizeof(at));
		p->us[p->n++] = (double)(now - at) / 1e3;
	}
	atomic_fetch_add_explicit(&p->left, n, memory_order_relaxed);
}

static unsigned give_nothing(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	(void)wire, (void)frames, (void)max;
	return 0;
}

static void take_nothing(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	(void)wire, (void)frames, (void)n;
}

/* Whoever turns it is not to sleep: that would be timed. */
static bool awake(struct emu_wire *wire)
{
	const struct paced *p = (struct paced *)((char *)wire - offsetof(struct paced, in));

	return atomic_load_explicit(&p->mpps, memory_order_relaxed) > 0;
}

static bool plugged(struct emu_wire *wire)
{
	(void)wire;
	return true;
}

static void unplug(struct emu_wire *wire)
{
	(void)wire;
}

struct paced *paced_new(struct emu_wire *wires[2], const uint8_t *frame, uint32_t len)
{
	static const struct emu_wire_ops in = {.arrived = give,
					       .send = take_nothing,
					       .flush = awake,
					       .link = plugged,
					       .close = unplug};
	static const struct emu_wire_ops out = {
		.arrived = give_nothing, .send = take, .link = plugged, .close = unplug};
	struct paced *p = checked(calloc(1, sizeof(*p)));

	p->in = (struct emu_wire){.ops = &in, .kind = "paced", .event_fd = -1};
	p->out = (struct emu_wire){.ops = &out, .kind = "paced", .event_fd = -1};
	p->len = len;
	p->us = checked(calloc(TIMES_MAX, sizeof(*p->us)));
	for (unsigned i = 0; i < BATCH; i++)
		memcpy(p->bytes[i], frame, len);
	wires[0] = &p->in;
	wires[1] = &p->out;
	return p;
}

void paced_free(struct paced *p)
{
	free(p->us);
	free(p);
}

void paced_set(struct paced *p, double mpps)
{
	atomic_store_explicit(&p->mpps, mpps, memory_order_relaxed);
}

uint64_t paced_offered(const struct paced *p)
{
	return atomic_load_explicit(&p->offered, memory_order_relaxed);
}

uint64_t paced_left(const struct paced *p)
{
	return atomic_load_explicit(&p->left, memory_order_relaxed);
}

void paced_begin(struct paced *p)
{
	p->n = 0;
}

double *paced_times(struct paced *p, size_t *n)
{
	*n = p->n;
	return p->us;
}
