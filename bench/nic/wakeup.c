/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a frame waits for a plane that sleeps: it comes on a wire, the emulator stores it and sends an
 * interrupt, and the plane wakes and takes it. */
#include "bench.h"

#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How long both sides are left alone, so that they sleep: longer than either goes round idle. */
#define QUIET_US 300u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A wire that brings one frame at a time, and notes when the NIC takes it. Nobody reads its descriptor: the
 * emulator watches for edges. */
struct single {
	struct emu_wire wire;
	struct emu_frame frame;
	atomic_bool waiting;
	_Atomic uint64_t taken_ns;
};

static unsigned single_arrived(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct single *s = (struct single *)wire;

	/* Acquire: pairs with send_one(). */
	if (!max || !atomic_load_explicit(&s->waiting, memory_order_acquire))
		return 0;
	atomic_store_explicit(&s->taken_ns, now_ns(), memory_order_relaxed);
	frames[0] = s->frame;
	atomic_store_explicit(&s->waiting, false, memory_order_relaxed);
	return 1;
}

static void single_send(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	(void)wire, (void)frames, (void)n;
}

static bool single_link(struct emu_wire *wire)
{
	(void)wire;
	return true;
}

static void single_close(struct emu_wire *wire)
{
	close(wire->event_fd);
	free(wire);
}

static const struct emu_wire_ops single_ops = {
	.arrived = single_arrived,
	.send = single_send,
	.link = single_link,
	.close = single_close,
};

static struct emu_wire *single_new(void)
{
	struct single *s = calloc(1, sizeof(*s));

	if (!s)
		die("no memory");
	s->wire = (struct emu_wire){
		.ops = &single_ops,
		.kind = "single",
		.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.patient = true,
	};
	if (s->wire.event_fd < 0)
		die("eventfd: %s", strerror(errno));
	return &s->wire;
}

static void send_one(struct single *s)
{
	/* Release: the frame is there. */
	atomic_store_explicit(&s->waiting, true, memory_order_release);
	eventfd_write(s->wire.event_fd, 1);
}

/* The plane's side. */
struct arrival {
	struct pl_immediate immediate;
	uint64_t ns;
	sem_t seen; /* orders it */
};

static void note_packet(void *ctx, struct pl_burst *burst)
{
	struct arrival *arrival = ctx;

	arrival->ns = now_ns();
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_DROP, 0);
	sem_post(&arrival->seen);
}

static void await_arrival(struct arrival *arrival)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	while (sem_timedwait(&arrival->seen, &until))
		if (errno != EINTR)
			die("a frame did not wake the plane");
}

static void measure_one(struct world *w, struct single *s, struct arrival *arrival,
			struct wakeup *result)
{
	uint64_t start, turns;

	/* Until the plane sleeps: it makes no more turns. */
	do {
		turns = pl_stat_read(&w->plane.stats.turns);
		usleep(QUIET_US);
	} while (pl_stat_read(&w->plane.stats.turns) != turns);
	start = now_ns();
	send_one(s);
	await_arrival(arrival);
	result->from_wire[result->n] = (double)(arrival->ns - start) / 1e3;
	result->from_nic[result->n] =
		(double)(arrival->ns - atomic_load_explicit(&s->taken_ns, memory_order_relaxed)) /
		1e3;
	result->n++;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void wakeup_measure(const struct options *o, struct wakeup *result)
{
	struct emu_wire *wires[N_NICS] = {single_new(), single_new()};
	struct single *s = (struct single *)wires[0];
	struct world *w = world_open(o, wires);
	struct arrival arrival;
	struct pl_error err;

	s->frame = w->frames[0];
	sem_init(&arrival.seen, 0, 0);
	result->n = 0;
	result->from_wire = calloc(o->wakeups, sizeof(double));
	result->from_nic = calloc(o->wakeups, sizeof(double));
	if (!result->from_wire || !result->from_nic)
		die("no memory");
	w->plane.processor = pl_immediate_processor(&arrival.immediate, note_packet, &arrival);
	pin(o->emu_core);
	if (emu_start(w->emu, o->emu_core, &err) || pl_plane_start(&w->plane, &err))
		die("%s", err.what);
	while (result->n < o->wakeups)
		measure_one(w, s, &arrival, result);
	pl_plane_stop(&w->plane);
	emu_stop(w->emu);
	world_close(w);
	sem_destroy(&arrival.seen);
	qsort(result->from_wire, result->n, sizeof(double), by_value);
	qsort(result->from_nic, result->n, sizeof(double), by_value);
}
