/* SPDX-License-Identifier: BSD-2-Clause */
/* What is the same for all kinds of accelerators: the mailbox's memory, launching and ending, faults. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "private.h"

static const struct accel_ops *const kinds[PL_ACCEL_KINDS] = {
	[PL_ACCEL_CUDA] = &accel_cuda,
	[PL_ACCEL_OPENCL] = &accel_opencl,
	[PL_ACCEL_HOST] = &accel_host,
};

/* Memory that the device gave. */
struct accel_block {
	struct pl_accel_memory memory;
	struct accel_block *next;
};

const char *pl_accel_kind_name(enum pl_accel_kind kind)
{
	static const char *const names[PL_ACCEL_KINDS] = {
		[PL_ACCEL_CUDA] = "cuda",
		[PL_ACCEL_OPENCL] = "opencl",
		[PL_ACCEL_HOST] = "host",
	};

	return kind < PL_ACCEL_KINDS ? names[kind] : NULL;
}

unsigned pl_accel_scan(struct pl_accel_info *infos, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PL_ACCEL_KINDS; i++)
		if (n < max)
			n += kinds[i]->scan(infos + n, max - n);
	return n;
}

void pl_accel_info(const struct pl_accel *accel, struct pl_accel_info *info)
{
	*info = accel->info;
}

unsigned pl_accel_workers(const struct pl_accel *accel)
{
	return accel->n_workers;
}

/* ---- memory ---- */

int pl_accel_alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
		   struct pl_accel_memory *memory, struct pl_error *err)
{
	struct accel_block *block = calloc(1, sizeof(*block));
	int rc;

	*memory = (struct pl_accel_memory){0};
	if (!block)
		return pl_error_set(err, -ENOMEM, NULL, "%s: out of memory", accel->info.name);
	rc = accel->ops->alloc(accel, place, len_bytes, &block->memory, err);
	if (rc) {
		free(block);
		return rc;
	}
	block->next = accel->blocks;
	accel->blocks = block;
	*memory = block->memory;
	return 0;
}

void pl_accel_free(struct pl_accel *accel, struct pl_accel_memory *memory)
{
	for (struct accel_block **p = &accel->blocks; *p; p = &(*p)->next) {
		struct accel_block *block = *p;

		if (block->memory.device != memory->device)
			continue;
		*p = block->next;
		accel->ops->free(accel, &block->memory);
		free(block);
		break;
	}
	*memory = (struct pl_accel_memory){0};
}

int pl_accel_attach(struct pl_accel *accel, unsigned lane, struct pl_pool *pool,
		    struct pl_error *err)
{
	struct mailbox_lane *box = &accel->mailbox->lanes[lane];
	uint64_t device;
	int rc = accel->ops->attach(accel, pool->region.base, pool->region.len_bytes, &device, err);

	if (!rc && pool->remote && accel->ops->use_packets)
		rc = accel->ops->use_packets(accel, pool->remote, err);
	if (rc)
		return rc;
	/* Offsets are from the pool's beginning, which the region need not be. */
	device -= (uint64_t)(pool->region.base - pool->base);
	box->base = pool->remote ? pool->remote->device : device;
	box->spares = pool->remote ? device : 0;
	accel->lanes[lane].flush = pool->remote && accel->flushes;
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		accel->lanes[lane].bursts[i].base = pool->base;
	return 0;
}

int pl_accel_packets_new(struct pl_accel_packets *packets, enum pl_accel_kind kind, unsigned index,
			 size_t len_bytes, struct pl_error *err)
{
	int rc;

	*packets = (struct pl_accel_packets){0};
	if (kind >= PL_ACCEL_KINDS)
		return pl_error_set(err, -ENODEV, NULL, "no such kind of accelerator");
	if (len_bytes == 0 || len_bytes > ((size_t)1 << 32) - PL_REMOTE_GRAIN)
		return pl_error_set(err, -EINVAL, "use fewer or smaller buffers",
				    "%s: cannot make %zu bytes of memory for packets: must be "
				    "more than none, and less than 4 GiB",
				    pl_accel_kind_name(kind), len_bytes);
	len_bytes = (len_bytes + PL_REMOTE_GRAIN - 1) / PL_REMOTE_GRAIN * PL_REMOTE_GRAIN;
	rc = kinds[kind]->packets_new(packets, index, len_bytes, err);
	if (rc)
		*packets = (struct pl_accel_packets){0};
	else
		packets->kind = kind;
	return rc;
}

void pl_accel_packets_free(struct pl_accel_packets *packets)
{
	if (packets->remote.len_bytes)
		kinds[packets->kind]->packets_free(packets);
	*packets = (struct pl_accel_packets){0};
}

void pl_accel_packets_moved(const struct pl_accel_packets *packets, struct pl_accel_moved *moved)
{
	*moved = (struct pl_accel_moved){0};
	if (kinds[packets->kind]->packets_moved)
		kinds[packets->kind]->packets_moved(packets, moved);
}

void pl_accel_set_context(struct pl_accel *accel, uint64_t device)
{
	accel->mailbox->context = device;
}

int pl_accel_write(struct pl_accel *accel, uint64_t to, const void *bytes, size_t len_bytes,
		   struct pl_error *err)
{
	return accel->ops->write(accel, to, bytes, len_bytes, err);
}

int pl_accel_read(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
		  struct pl_error *err)
{
	return accel->ops->read(accel, bytes, from, len_bytes, err);
}

int pl_accel_zero(struct pl_accel *accel, uint64_t at, size_t len_bytes, struct pl_error *err)
{
	return accel->ops->zero(accel, at, len_bytes, err);
}

/* ---- opening ---- */

/* Each worker has some lanes whole, or each lane has some workers. */
int accel_fit_workers(struct pl_accel *accel, const struct pl_accel_config *config, unsigned suits,
		      struct pl_error *err)
{
	unsigned wanted = config->n_workers ? config->n_workers : suits;
	unsigned of_lane = wanted / config->n_lanes;

	if (of_lane > MAILBOX_SLOTS)
		of_lane = MAILBOX_SLOTS;
	accel->n_workers = of_lane ? of_lane * config->n_lanes : wanted;
	if (config->n_workers && accel->n_workers != config->n_workers)
		return pl_error_set(
			err, -EINVAL, "use no more workers than lanes, or a multiple",
			"%s: %u workers cannot share %u lanes evenly, at most %u a lane",
			pl_accel_kind_name(config->kind), config->n_workers, config->n_lanes,
			MAILBOX_SLOTS);
	return 0;
}

/* Where each worker begins: see mailbox.h. */
static int place_workers(struct pl_accel *accel, struct pl_error *err)
{
	struct pl_accel_memory memory;
	size_t len_bytes = accel->n_workers * sizeof(struct mailbox_worker);
	struct mailbox_worker *workers = calloc(accel->n_workers, sizeof(*workers));
	int rc;

	if (!workers)
		return pl_error_set(err, -ENOMEM, NULL, "%s: out of memory", accel->info.name);
	for (unsigned w = 0; w < accel->n_workers; w++)
		for (unsigned lane = 0; lane < accel->n_lanes; lane++)
			workers[w].next[lane] = w / accel->n_lanes + 1;
	rc = pl_accel_alloc(accel, PL_ACCEL_DEVICE, len_bytes, &memory, err);
	if (!rc)
		rc = accel->ops->write(accel, memory.device, workers, len_bytes, err);
	if (!rc)
		accel->mailbox->workers = memory.device;
	free(workers);
	return rc;
}

static int place_lanes(struct pl_accel *accel, struct pl_error *err)
{
	struct pl_accel_memory memory;
	size_t lane_bytes = MAILBOX_SLOTS * sizeof(struct mailbox_slot);
	int rc = pl_accel_alloc(accel, PL_ACCEL_SHARED, accel->n_lanes * lane_bytes, &memory, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < accel->n_lanes; i++) {
		size_t at = i * lane_bytes;

		accel->lanes[i].slots = (struct mailbox_slot *)((uint8_t *)memory.host + at);
		accel->mailbox->lanes[i].slots = memory.device + at;
	}
	return 0;
}

static int place_updates(struct pl_accel *accel, struct pl_error *err)
{
	struct pl_accel_memory memory;
	int rc = pl_accel_alloc(accel, PL_ACCEL_SHARED, ACCEL_UPDATES_BYTES, &memory, err);

	if (rc)
		return rc;
	accel->updates = memory.host;
	accel->mailbox->updates.ring = memory.device;
	accel->mailbox->updates.ring_bytes = ACCEL_UPDATES_BYTES;
	return 0;
}

static int make_mailbox(struct pl_accel *accel, struct pl_error *err)
{
	int rc = pl_accel_alloc(accel, PL_ACCEL_SHARED, sizeof(struct mailbox),
				&accel->mailbox_memory, err);

	if (rc)
		return rc;
	accel->mailbox = accel->mailbox_memory.host;
	accel->mailbox->n_lanes = accel->n_lanes;
	accel->mailbox->n_workers = accel->n_workers;
	/* Each launch is to end. */
	if (accel->launch == PL_ACCEL_BURST)
		accel_tell_rest(accel->mailbox, accel->n_workers, UINT64_MAX);
	rc = place_workers(accel, err);
	if (!rc)
		rc = place_lanes(accel, err);
	if (!rc)
		rc = place_updates(accel, err);
	return rc;
}

static void free_all(struct pl_accel *accel)
{
	while (accel->blocks) {
		struct pl_accel_memory memory = accel->blocks->memory;

		pl_accel_free(accel, &memory);
	}
}

static struct pl_accel *new_accel(const struct pl_accel_config *config)
{
	struct pl_accel *accel = calloc(1, sizeof(*accel));
	size_t lanes_bytes = config->n_lanes * sizeof(*accel->lanes);

	if (!accel)
		return NULL;
	accel->lanes = aligned_alloc(_Alignof(struct accel_lane), lanes_bytes);
	if (!accel->lanes) {
		free(accel);
		return NULL;
	}
	memset(accel->lanes, 0, lanes_bytes);
	accel->ops = kinds[config->kind];
	accel->launch = config->launch;
	accel->n_lanes = config->n_lanes;
	pthread_mutex_init(&accel->lock, NULL);
	return accel;
}

static void free_accel(struct pl_accel *accel)
{
	pthread_mutex_destroy(&accel->lock);
	free(accel->lanes);
	free(accel);
}

int pl_accel_open(struct pl_accel **out, const struct pl_accel_config *config, struct pl_error *err)
{
	struct pl_accel *accel;
	int rc;

	*out = NULL;
	if (config->kind >= PL_ACCEL_KINDS)
		return pl_error_set(err, -ENODEV, NULL, "no such kind of accelerator");
	if (config->n_lanes == 0 || config->n_lanes > MAILBOX_LANES_MAX)
		return pl_error_set(err, -EINVAL, NULL, "an accelerator has 1 to %u lanes, not %u",
				    MAILBOX_LANES_MAX, config->n_lanes);
	accel = new_accel(config);
	if (!accel)
		return pl_error_set(err, -ENOMEM, NULL, "%s: out of memory",
				    pl_accel_kind_name(config->kind));
	rc = accel->ops->open(accel, config, err);
	if (rc)
		goto no_device;
	rc = make_mailbox(accel, err);
	if (rc)
		goto close;
	*out = accel;
	return 0;
close:
	free_all(accel);
	accel->ops->close(accel);
no_device:
	free_accel(accel);
	return rc;
}

/* ---- running ---- */

/* Whether the last launch goes on until pl_accel_rest(). Sequentially consistent, see mailbox_look(). If
 * it has been told to end since, it sees what this caller has posted before. */
static bool stays(const struct pl_accel *accel)
{
	return __atomic_load_n(&accel->mailbox->rest, __ATOMIC_SEQ_CST) <
	       atomic_load(&accel->launches);
}

/* With the lock held. */
static int fail(struct pl_accel *accel, int rc, const struct pl_error *err)
{
	if (!accel->failed) {
		accel->failed = rc;
		accel->why = *err;
	}
	return rc;
}

void accel_fail(struct pl_accel *accel, int rc, const struct pl_error *err)
{
	pthread_mutex_lock(&accel->lock);
	fail(accel, rc, err);
	pthread_mutex_unlock(&accel->lock);
}

int pl_accel_run(struct pl_accel *accel, struct pl_error *err)
{
	struct pl_error why;
	int rc;

	if (stays(accel))
		return 0;
	pthread_mutex_lock(&accel->lock);
	rc = accel->failed;
	if (rc)
		why = accel->why;
	else if (!stays(accel)) {
		uint64_t launch = atomic_load(&accel->launches) + 1;

		/* First: from here on others may count on this launch. If it fails, they learn it from
		 * pl_accel_ended(). */
		atomic_store(&accel->launches, launch);
		rc = accel->ops->launch(accel, launch, &why);
		if (rc)
			fail(accel, rc, &why);
	}
	pthread_mutex_unlock(&accel->lock);
	if (rc && err)
		*err = why;
	return rc;
}

void pl_accel_rest(struct pl_accel *accel)
{
	if (accel->launch == PL_ACCEL_BURST)
		return;
	pthread_mutex_lock(&accel->lock);
	accel_tell_rest(accel->mailbox, accel->n_workers, atomic_load(&accel->launches));
	pthread_mutex_unlock(&accel->lock);
}

int pl_accel_ended(struct pl_accel *accel, struct pl_error *err)
{
	struct pl_error why;
	int rc;

	pthread_mutex_lock(&accel->lock);
	rc = accel->failed;
	if (rc) {
		why = accel->why;
	} else {
		rc = accel->ops->ended(accel, &why);
		if (rc == 1 && stays(accel))
			rc = pl_error_set(&why, -EIO, NULL,
					  "%s: the program ended, and was not told to",
					  accel->info.name);
		if (rc < 0)
			fail(accel, rc, &why);
	}
	pthread_mutex_unlock(&accel->lock);
	if (rc < 0 && err)
		*err = why;
	return rc;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Whether the device is done with all that was launched: ended, or failed. */
static bool wait_ended(struct pl_accel *accel, unsigned timeout_ms)
{
	uint64_t until_ns = now_ns() + timeout_ms * UINT64_C(1000000);
	struct timespec nap = {.tv_nsec = 20000};
	struct pl_error ignored;
	int rc;

	for (;;) {
		pthread_mutex_lock(&accel->lock);
		rc = accel->ops->ended(accel, &ignored);
		pthread_mutex_unlock(&accel->lock);
		if (rc != 0)
			return true;
		if (now_ns() >= until_ns)
			return false;
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 1000000)
			nap.tv_nsec *= 2;
	}
}

int pl_accel_close(struct pl_accel *accel, unsigned timeout_ms)
{
	if (!accel)
		return 0;
	accel_tell_rest(accel->mailbox, accel->n_workers, UINT64_MAX);
	if (!wait_ended(accel, timeout_ms))
		return -ETIMEDOUT;
	free_all(accel);
	accel->ops->close(accel);
	free_accel(accel);
	return 0;
}
