/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane in either mode: with the CPU's processor, or an accelerator's. */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "planes.h"

#define WINDOWS 5u
#define DISTURBED_MAX 50u /* windows that are done again */
#define BUFFERS 16384u	  /* what the daemon has for two ports, about */

/* ---- modes ---- */

/* As the daemon has it, though nothing here is punted. */
static struct police *new_police(void)
{
	uint32_t rates[LIMIT_COUNT];

	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		rates[i] = limit_default(i);
	return checked(police_new(2, rates, 0, NULL));
}

static void open_offload(struct mode *m, struct tables *tables, struct pl_pool *pool, bool stays)
{
	struct offload_config config = {
		.kind = m->device->info.kind,
		.index = m->device->info.index,
		.launch = device_launch(m->device),
		.n_planes = 1,
		.stays = stays,
		.hang_ms = HANG_MS,
		.isa = cpu_isa_best(),
	};
	uint64_t until = now_ns() + PATIENCE_NS;
	struct offload_stats stats;
	struct pl_error err;

	if (offload_new(&m->offload, &config, tables, &err) ||
	    offload_processor(m->offload, 0, pool, m->police, &m->processor, &err) ||
	    offload_start(m->offload, &err))
		die("%s: %s", m->device->label, err.what);
	do {
		offload_attend(m->offload);
		offload_stats(m->offload, &stats);
		if (now_ns() > until)
			die("%s: does not get ready", m->device->label);
	} while (stats.state != OFFLOAD_READY);
}

void mode_open(struct mode *m, struct bench *b, struct device *d, struct tables *tables,
	       struct pl_pool *pool, bool stays)
{
	*m = (struct mode){.device = d, .police = new_police()};
	if (d) {
		threads_elsewhere(b);
		open_offload(m, tables, pool, stays);
		thread_here(b);
		return;
	}
	if (cpu_processor_init(&m->processor, tables, cpu_isa_best()))
		die("no packet program");
	cpu_processor_limit(&m->processor, m->police);
}

void mode_close(struct mode *m)
{
	struct offload_stats stats;

	if (m->offload) {
		offload_stats(m->offload, &stats);
		if (stats.faults)
			die("%s: failed: %s", m->device->label, stats.fault.what);
		if (stats.cpu_packets || stats.lost_packets)
			die("%s: %llu packets left to the CPU, %llu lost", m->device->label,
			    (unsigned long long)stats.cpu_packets,
			    (unsigned long long)stats.lost_packets);
		offload_stop(m->offload);
		if (offload_free(m->offload))
			die("%s: does not end", m->device->label);
	} else {
		cpu_processor_fini(&m->processor);
	}
	police_free(m->police);
}

/* ---- planes between memory ports ---- */

struct pl_plane *plane_open(struct bench *b)
{
	struct pl_plane *plane = checked(aligned_alloc(_Alignof(struct pl_plane), sizeof(*plane)));
	struct pl_error err;

	memset(plane, 0, sizeof(*plane));
	plane->cpu = b->core;
	if (pl_pool_init(&plane->pool, BUFFERS, 2048, &err))
		die("%s", err.what);
	plane->n_ports = 2;
	for (unsigned i = 0; i < plane->n_ports; i++)
		plane->ports[i].wire = checked(pl_mem_queue_new(&plane->pool, true, NULL, NULL));
	return plane;
}

void plane_close(struct pl_plane *plane)
{
	if (plane->pool.n_free != plane->pool.n_bufs)
		die("%u buffers leaked", plane->pool.n_bufs - plane->pool.n_free);
	pl_plane_fini(plane);
	for (unsigned i = 0; i < plane->n_ports; i++)
		pl_queue_close(plane->ports[i].wire);
	pl_pool_fini(&plane->pool);
	free(plane);
}

/* ---- turns ---- */

void turns_begin(struct turns *t, const struct pl_plane *plane)
{
	*t = (struct turns){.worked = pl_stat_read(&plane->stats.working_turns),
			    .last_ns = now_ns()};
}

bool turns_one(struct turns *t, struct pl_plane *plane)
{
	unsigned taken = pl_plane_turn(plane);
	uint64_t now = now_ns(), worked = pl_stat_read(&plane->stats.working_turns);
	bool moved = worked != t->worked;

	if (moved)
		t->ns += now - t->last_ns;
	t->taken += taken;
	t->worked = worked;
	t->last_ns = now;
	return moved;
}

/* How many times the calling thread has had to leave its core to another. */
static long disturbances(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

double turns_cost(const struct bench *b, struct turns *t,
		  void (*run)(void *ctx, struct turns *t, uint64_t ns), void *ctx)
{
	uint64_t ns = b->settings.ms * 1000000 / WINDOWS, until = now_ns() + PATIENCE_NS;
	struct series windows = {0};

	run(ctx, t, ns); /* warms up */
	for (unsigned i = 0; windows.n < WINDOWS; i++) {
		struct turns before = *t;
		long disturbed = disturbances();

		run(ctx, t, ns);
		disturbed = disturbances() - disturbed;
		if (now_ns() > until)
			die("a plane gets no packets");
		if (t->taken == before.taken || (disturbed && i < DISTURBED_MAX))
			continue;
		windows.at[windows.n++] =
			(double)(t->ns - before.ns) / (double)(t->taken - before.taken);
	}
	return series_spread(&windows).median;
}
