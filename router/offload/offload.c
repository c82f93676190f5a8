/* SPDX-License-Identifier: BSD-2-Clause */
/* The control thread's side of an accelerator. */
#include "offload.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../program/accel.h"
#include "thread.h"

/* Twice what a change of ::/0 takes. */
#define LOG_BYTES ((size_t)16 << 20)
#define SLACK_BYTES ((size_t)4 << 20)
#define RETRY_MS 1000u
#define IDLE_MS 20u
#define STOP_MS 10000u /* drivers may take their time */
#define CLOSE_MS 1000u /* for a program to end when all of it does */

static void wake(void *ctx)
{
	offload_ring(ctx);
}

/* Puts what suits in place of what is left open. */
static void set_config(struct offload *o, const struct offload_config *config)
{
	struct offload_config *c = &o->config;

	*c = *config;
	if (!c->program)
		c->program = &program_accel;
	if (!c->log_bytes)
		c->log_bytes = LOG_BYTES;
	if (!c->slack_bytes)
		c->slack_bytes = SLACK_BYTES;
	if (!c->retry_ms)
		c->retry_ms = RETRY_MS;
	if (!c->idle_ms)
		c->idle_ms = IDLE_MS;
	if (!c->stop_ms)
		c->stop_ms = STOP_MS;
	o->shared.launch = c->launch;
}

/* What depends on the device: before anything runs on it. */
static void set_hang(struct offload *o)
{
	if (!o->config.hang_ms)
		o->config.hang_ms = o->device.is_cpu ? OFFLOAD_HANG_CPU_MS : OFFLOAD_HANG_MS;
	o->shared.hang_ms = o->config.hang_ms;
}

static void release(struct offload *o)
{
	if (o->planes)
		for (unsigned i = 0; i < o->config.n_planes; i++)
			offload_plane_fini(&o->planes[i]);
	copy_fini(&o->copy);
	if (o->event_fd >= 0)
		close(o->event_fd);
	if (o->shared.bell_fd >= 0)
		close(o->shared.bell_fd);
	pthread_mutex_destroy(&o->lock);
	free(o->used);
	free(o->pools);
	free(o->planes);
	free(o);
}

static int make(struct offload *o, struct pl_error *err)
{
	unsigned n = o->config.n_planes;
	size_t planes_bytes = n * sizeof(*o->planes);
	int ret;

	o->planes = aligned_alloc(_Alignof(struct offload_plane), planes_bytes);
	o->pools = calloc(n, sizeof(struct pl_pool *));
	o->used = calloc(TABLES_NEXTHOPS_MAX, 1);
	if (!o->planes || !o->pools || !o->used)
		return pl_error_set(err, -ENOMEM, NULL, "accelerator: no memory");
	memset(o->planes, 0, planes_bytes);
	o->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	o->shared.bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (o->event_fd < 0 || o->shared.bell_fd < 0)
		return pl_error_set(err, -errno, NULL, "accelerator: cannot make an eventfd: %s",
				    strerror(errno));
	ret = offload_open(o, err);
	if (!ret)
		set_hang(o);
	return ret;
}

int offload_new(struct offload **offload, const struct offload_config *config,
		struct tables *tables, struct pl_error *err)
{
	struct offload *o;
	int ret;

	if (!config->n_planes || config->n_planes > MAILBOX_LANES_MAX)
		return pl_error_set(err, -EINVAL, NULL, "accelerator: %u planes; 1 to %u can be",
				    config->n_planes, MAILBOX_LANES_MAX);
	o = aligned_alloc(_Alignof(struct offload), sizeof(*o));
	if (!o)
		return pl_error_set(err, -ENOMEM, NULL, "accelerator: no memory");
	memset(o, 0, sizeof(*o));
	o->event_fd = o->shared.bell_fd = -1;
	o->tables = tables;
	set_config(o, config);
	pthread_mutex_init(&o->lock, NULL);
	copy_init(&o->copy, tables, config->n_planes, o->config.log_bytes, o->config.slack_bytes,
		  wake, o);
	ret = make(o, err);
	if (ret) {
		release(o);
		return ret;
	}
	*offload = o;
	return 0;
}

int offload_processor(struct offload *offload, unsigned plane, struct pl_pool *pool,
		      struct police *police, struct pl_processor *processor, struct pl_error *err)
{
	int ret = pl_accel_attach(offload->shared.accel, plane, pool, err);

	if (!ret)
		ret = offload_plane_init(&offload->planes[plane], &offload->shared, plane,
					 offload->tables, offload->config.isa, pool, police,
					 processor, err);
	if (ret)
		return ret;
	processor->shares_cores = offload->device.is_cpu;
	offload->pools[plane] = pool;
	return 0;
}

/* All signals are for the thread that runs the program. */
static int start_thread(struct offload *o)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&o->thread, NULL, offload_main, o);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int offload_start(struct offload *offload, struct pl_error *err)
{
	int ret = copy_fill(&offload->copy, offload->shared.accel, err);

	if (!ret)
		ret = offload_prove(offload, err);
	if (ret) {
		copy_gone(&offload->copy);
		return ret;
	}
	offload_serve(offload);
	ret = start_thread(offload);
	if (ret)
		return pl_error_set(err, -ret, NULL, "accelerator: cannot start its thread: %s",
				    strerror(ret));
	offload->started = true;
	return 0;
}

int offload_event_fd(const struct offload *offload)
{
	return offload->event_fd;
}

void offload_attend(struct offload *offload)
{
	uint64_t events;
	ssize_t got = read(offload->event_fd, &events, sizeof(events));

	(void)got; /* none: asked for nothing, or twice */
	/* Acquire: the copy is this thread's now. */
	if (atomic_load_explicit(&offload->filling, memory_order_acquire) != FILLING_WANTED)
		return;
	offload->filled = copy_fill(&offload->copy, offload->shared.accel, &offload->unfilled);
	/* Release: and now the other's again. */
	atomic_store_explicit(&offload->filling, FILLING_DONE, memory_order_release);
	offload_ring(offload);
}

bool offload_take_used(struct offload *offload, uint32_t index)
{
	/* Relaxed: a mark says nothing about anything but itself. One that is made between the load and
	 * the store is lost, and the answer the same. */
	bool used = atomic_load_explicit(&offload->used[index], memory_order_relaxed);

	if (used)
		atomic_store_explicit(&offload->used[index], 0, memory_order_relaxed);
	for (unsigned i = 0; i < offload->config.n_planes; i++)
		if (offload->pools[i])
			used |= cpu_processor_take_used(&offload->planes[i].cpu, index);
	return used;
}

static void add_planes(const struct offload *o, struct offload_stats *stats)
{
	for (unsigned i = 0; i < o->config.n_planes; i++) {
		struct offload_plane *plane = &o->planes[i];

		stats->bursts += pl_stat_read(&plane->bursts);
		stats->packets += pl_stat_read(&plane->packets);
		stats->cpu_packets += pl_stat_read(&plane->cpu_packets);
		stats->lost_packets += pl_stat_read(&plane->lost_packets);
	}
}

void offload_stats(const struct offload *offload, struct offload_stats *stats)
{
	struct offload *o = (struct offload *)offload; /* the lock is no part of what it says */
	uint64_t now = offload_now_ms(), retry = pl_stat_read(&o->retry_at_ms);

	/* Relaxed, all of them: figures to be shown. */
	*stats = (struct offload_stats){
		.state = (enum offload_state)atomic_load_explicit(&o->state, memory_order_relaxed),
		.launch = o->config.launch,
		.faults = pl_stat_read(&o->faults),
		.opens = pl_stat_read(&o->opens),
		.wakes = pl_stat_read(&o->shared.wakes),
		.memory_bytes = pl_stat_read(&o->copy.memory_bytes),
		.fills = pl_stat_read(&o->copy.fills),
		.updates = pl_stat_read(&o->copy.updates),
		.update_bytes = pl_stat_read(&o->copy.update_bytes),
	};
	stats->at_rest = stats->state == OFFLOAD_READY &&
			 atomic_load_explicit(&o->shared.at_rest, memory_order_relaxed);
	if (stats->state == OFFLOAD_FAILED && retry > now)
		stats->retry_in_ms = retry - now;
	add_planes(o, stats);
	pthread_mutex_lock(&o->lock);
	stats->fault = o->fault;
	stats->device = o->device;
	stats->workers = o->workers;
	pthread_mutex_unlock(&o->lock);
}

/* The accelerator, unless it hangs, is closed, and pools have their buffers back. */
static void shut(struct offload *o)
{
	offload_set_phase(o, PHASE_FAULT);
	if (o->shared.accel) {
		pl_accel_rest(o->shared.accel);
		if (pl_accel_close(o->shared.accel, CLOSE_MS))
			return;
		o->shared.accel = NULL;
		copy_forget(&o->copy);
	}
	offload_set_phase(o, PHASE_QUIET);
	for (unsigned i = 0; i < o->config.n_planes; i++)
		if (o->pools[i])
			offload_plane_release(&o->planes[i]);
}

/* Has the thread end. Returns false if it does not. */
static bool join(struct offload *o)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	uint64_t until = offload_now_ms() + o->config.stop_ms;

	/* Release: nothing goes with it; the bell has it seen. */
	atomic_store_explicit(&o->stop, true, memory_order_release);
	offload_ring(o);
	while (pthread_tryjoin_np(o->thread, NULL)) {
		if (offload_now_ms() >= until) {
			pthread_detach(o->thread);
			return false;
		}
		nanosleep(&nap, NULL);
	}
	return true;
}

void offload_stop(struct offload *offload)
{
	if (offload->started) {
		offload->left = !join(offload);
		offload->started = false;
	}
	if (offload->left) /* the accelerator, and the copy, are with it */
		return;
	copy_gone(&offload->copy);
	shut(offload);
}

int offload_free(struct offload *offload)
{
	int ret;

	if (!offload)
		return 0;
	offload_stop(offload);
	if (offload->left) /* with all that it may come back to */
		return -ETIMEDOUT;
	/* What hangs touches the planes' pools and the accelerator's own memory, nothing of this. */
	ret = offload->shared.accel ? -ETIMEDOUT : 0;
	release(offload);
	return ret;
}
