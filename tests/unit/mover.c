/* SPDX-License-Identifier: BSD-2-Clause */
/* See mover.h. One lock over everything. */
#include "mover.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WORD 16u
#define LATE_NS 30000u /* at most */

struct mover {
	const struct pl_remote *remote; /* whose it is */
	struct pl_region memory, staging;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct pl_remote_copy *copies; /* NULL: nothing to do */
	unsigned n;
	bool fail, stop;
	unsigned seed;
	struct mover_counts counts;
	struct mover *next;
};

static struct mover *movers;

/* All words that the piece has some of. */
static void move(const struct mover *mover, const struct pl_remote_copy *copy)
{
	uint32_t before = copy->offset % WORD;
	uint32_t len = (before + copy->len_bytes + WORD - 1) / WORD * WORD;
	uint8_t *there = mover->memory.base + copy->offset - before;
	uint8_t *here = copy->staging - before;

	if (copy->write)
		memcpy(there, here, len);
	else
		memcpy(here, there, len);
}

static bool is_right(const struct mover *mover, const struct pl_remote_copy *copy)
{
	const uint8_t *end = mover->staging.base + PL_REMOTE_STAGING;

	return copy->len_bytes && copy->offset % WORD == (uintptr_t)copy->staging % WORD &&
	       copy->offset + copy->len_bytes <= mover->memory.len_bytes &&
	       copy->staging >= mover->staging.base && copy->staging + copy->len_bytes <= end;
}

static void move_all(struct mover *mover)
{
	unsigned order[PL_REMOTE_COPIES_MAX], n = mover->n;
	const struct timespec late = {.tv_nsec = (long)(rand_r(&mover->seed) % LATE_NS)};

	nanosleep(&late, NULL);
	for (unsigned i = 0; i < n; i++) {
		unsigned j = (unsigned)rand_r(&mover->seed) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct pl_remote_copy *copy = &mover->copies[order[i]];

		if (!is_right(mover, copy)) {
			fputs("mover: a piece that is nowhere\n", stderr);
			abort();
		}
		move(mover, copy);
		*(copy->write ? &mover->counts.written : &mover->counts.read) += copy->len_bytes;
		if (i % 16 == 0)
			sched_yield();
	}
}

static void *run(void *arg)
{
	struct mover *mover = arg;

	pthread_mutex_lock(&mover->lock);
	while (!mover->stop) {
		if (mover->copies) {
			move_all(mover);
			mover->copies = NULL;
			pthread_cond_broadcast(&mover->changed);
		} else {
			pthread_cond_wait(&mover->changed, &mover->lock);
		}
	}
	pthread_mutex_unlock(&mover->lock);
	return NULL;
}

static int copy(const struct pl_remote *remote, const struct pl_remote_copy *copies, unsigned n)
{
	struct mover *mover = movers;
	int rc = 0;

	while (mover->remote != remote)
		mover = mover->next;
	pthread_mutex_lock(&mover->lock);
	mover->counts.batches++;
	if (n > mover->counts.largest)
		mover->counts.largest = n;
	if (mover->fail || !n || n > PL_REMOTE_COPIES_MAX) {
		rc = -EIO;
	} else {
		mover->n = n;
		mover->copies = copies;
		pthread_cond_broadcast(&mover->changed);
		while (mover->copies)
			pthread_cond_wait(&mover->changed, &mover->lock);
	}
	pthread_mutex_unlock(&mover->lock);
	return rc;
}

static uint8_t *staging(const struct pl_remote *remote, struct pl_error *err)
{
	const struct mover *mover = movers;

	(void)err;
	while (mover->remote != remote)
		mover = mover->next;
	return mover->staging.base;
}

struct mover *mover_new(struct pl_remote *remote, size_t len_bytes, size_t page_bytes)
{
	struct mover *mover = calloc(1, sizeof(*mover));
	struct pl_error err;

	if (!mover || pl_region_alloc(&mover->memory, len_bytes, &err) ||
	    pl_region_alloc(&mover->staging, PL_REMOTE_STAGING, &err))
		abort();
	mover->remote = remote;
	mover->seed = 1;
	pthread_mutex_init(&mover->lock, NULL);
	pthread_cond_init(&mover->changed, NULL);
	*remote = (struct pl_remote){
		.len_bytes = len_bytes,
		.page_bytes = page_bytes,
		.dmabuf_fd = -1,
		.no_dmabuf = "it is a thread's",
		.copy = copy,
		.staging = staging,
	};
	mover->next = movers;
	movers = mover;
	if (pthread_create(&mover->thread, NULL, run, mover))
		abort();
	return mover;
}

void mover_free(struct mover *mover)
{
	struct mover **at = &movers;

	pthread_mutex_lock(&mover->lock);
	mover->stop = true;
	pthread_cond_broadcast(&mover->changed);
	pthread_mutex_unlock(&mover->lock);
	pthread_join(mover->thread, NULL);
	while (*at != mover)
		at = &(*at)->next;
	*at = mover->next;
	pl_region_free(&mover->memory);
	pl_region_free(&mover->staging);
	pthread_mutex_destroy(&mover->lock);
	pthread_cond_destroy(&mover->changed);
	free(mover);
}

uint8_t *mover_memory(const struct mover *mover)
{
	return mover->memory.base;
}

void mover_fail(struct mover *mover, bool fail)
{
	pthread_mutex_lock(&mover->lock);
	mover->fail = fail;
	pthread_mutex_unlock(&mover->lock);
}

struct mover_counts mover_counts(struct mover *mover)
{
	struct mover_counts counts;

	pthread_mutex_lock(&mover->lock);
	counts = mover->counts;
	pthread_mutex_unlock(&mover->lock);
	return counts;
}
