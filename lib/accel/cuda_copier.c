/* SPDX-License-Identifier: BSD-2-Clause */
/* See cuda_copier.h. A launch for each batch: what the host has stored before it the program sees, and what the
 * program has stored is seen by the host, and on the device by whatever the host tells thereupon, once the stream
 * says that it has ended. So packets are in the device's memory before their descriptors are written back, and the
 * packet program hears of them after that, by an acquire (mailbox_device.h). */
#include "cuda_copier.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "copier_device.h"

/* copier_device.c, as clang has compiled it. */
extern const char copier_ptx[];

#define BLOCK 256u
#define LIST_BYTES (PL_REMOTE_COPIES_MAX * sizeof(struct copier_piece))
#define SHARED_BYTES (LIST_BYTES + PL_REMOTE_STAGING) /* the list, then the staging memory */

/* Of a batch: far more than a GPU takes, and enough for a stand-in of it under a sanitizer. */
#define PATIENCE_NS 4000000000u

struct cuda_copier {
	struct cuda_api api;
	int device;
	uint64_t there; /* the device's memory */
	size_t len_bytes;
	struct pl_region shared; /* the host's: stays where it is, whatever becomes of contexts */
	uint64_t here;		 /* where the device finds it */
	pthread_mutex_t lock;	 /* over what is of the context, and each batch */
	struct CUctx_st *context;
	struct CUmod_st *module;
	struct CUfunc_st *function; /* NULL: lost */
	struct CUstream_st *stream;
	bool late; /* a batch has not ended in time: what it has yet to move nobody knows */
	_Atomic uint64_t batches, pieces, bytes_to, bytes_from;
};

/* ---- what is of the context ---- */

/* Lets go of all there is. Of a context that has failed this does nothing, and it goes with the context. */
static void let_go(struct cuda_copier *c)
{
	const struct cuda_api *api = &c->api;

	if (!c->context)
		return;
	api->context_set(c->context);
	if (c->here)
		api->host_unregister(c->shared.base);
	if (c->stream)
		api->stream_destroy(c->stream);
	if (c->module)
		api->module_unload(c->module);
	api->context_set(NULL);
	api->context_release(c->device);
	c->context = NULL;
	c->module = NULL;
	c->function = NULL;
	c->stream = NULL;
	c->here = 0;
	c->late = false;
}

/* Returns a result. */
static int share(struct cuda_copier *c)
{
	int result = c->api.host_register(c->shared.base, SHARED_BYTES,
					  CU_MEMHOST_PORTABLE | CU_MEMHOST_DEVICEMAP);

	if (result)
		return result;
	result = c->api.host_to_device(&c->here, c->shared.base, 0);
	if (result)
		c->api.host_unregister(c->shared.base);
	return result;
}

static int launch(struct cuda_copier *c, unsigned n, uint32_t shift)
{
	uint64_t pieces = c->here, here = c->here + LIST_BYTES;
	void *parameters[] = {&c->there, &here, &pieces, &n, &shift}; /* copied by the call */
	unsigned grid = ((n << shift) + BLOCK - 1) / BLOCK;

	return c->api.launch(c->function, grid ? grid : 1, 1, 1, BLOCK, 1, 1, 0, c->stream,
			     parameters, NULL);
}

/* All that may wait for a program that runs on the device: so the first launch, too. */
static int set_up(struct cuda_copier *c, struct pl_error *err)
{
	const struct cuda_api *api = &c->api;
	int result = api->context_retain(&c->context, c->device), rc;

	if (result) {
		c->context = NULL;
		return cuda_fail(api, err, result, "CUDA: cannot open device %d", c->device);
	}
	result = api->context_set(c->context);
	if (!result)
		result = api->module_load(&c->module, copier_ptx, 0, NULL, NULL);
	if (!result)
		result = api->module_function(&c->function, c->module, "copy_run");
	if (!result)
		result = api->stream_create(&c->stream, CU_STREAM_NON_BLOCKING);
	if (!result)
		result = share(c);
	if (!result)
		result = launch(c, 0, COPIER_SHIFT_MIN);
	if (!result)
		result = api->stream_wait(c->stream);
	if (!result)
		return 0;
	rc = cuda_fail(api, err, result, "CUDA: cannot have device %d move packets", c->device);
	let_go(c);
	return rc;
}

void cuda_copier_lose(struct cuda_copier *c)
{
	pthread_mutex_lock(&c->lock);
	let_go(c);
	pthread_mutex_unlock(&c->lock);
}

int cuda_copier_find(struct cuda_copier *c, struct pl_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->function)
		rc = set_up(c, err);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* ---- making it ---- */

int cuda_copier_new(struct cuda_copier **copier, const struct cuda_api *api, int device,
		    const struct pl_remote *remote, struct pl_error *err)
{
	struct cuda_copier *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return pl_error_set(err, -ENOMEM, NULL, "CUDA: out of memory");
	*c = (struct cuda_copier){.api = *api,
				  .device = device,
				  .there = remote->device,
				  .len_bytes = remote->len_bytes};
	pthread_mutex_init(&c->lock, NULL);
	rc = pl_region_alloc(&c->shared, SHARED_BYTES, err);
	if (!rc)
		rc = set_up(c, err);
	if (rc)
		cuda_copier_free(c);
	else
		*copier = c;
	return rc;
}

void cuda_copier_free(struct cuda_copier *c)
{
	if (!c)
		return;
	let_go(c);
	pl_region_free(&c->shared);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

uint8_t *cuda_copier_staging(const struct cuda_copier *c)
{
	return c->shared.base + LIST_BYTES;
}

/* ---- batches ---- */

/* The words that a piece has some of. Returns how many, 0 if they are not where they can be. */
static uint32_t describe(const struct cuda_copier *c, const struct pl_remote_copy *copy,
			 struct copier_piece *piece)
{
	uint32_t before = copy->offset % COPIER_WORD;
	size_t at = (size_t)(copy->staging - cuda_copier_staging(c));
	uint32_t n = (before + copy->len_bytes + COPIER_WORD - 1) / COPIER_WORD;

	*piece = (struct copier_piece){.there = copy->offset / COPIER_WORD,
				       .here = (uint32_t)(at / COPIER_WORD),
				       .n_words = n,
				       .write = copy->write};
	if (at >= PL_REMOTE_STAGING || at % COPIER_WORD != before ||
	    at - before + (size_t)n * COPIER_WORD > PL_REMOTE_STAGING ||
	    (size_t)copy->offset - before + (size_t)n * COPIER_WORD > c->len_bytes)
		return 0;
	return n;
}

/* Writes the list. Returns the longest piece's words; 0: there is one that cannot be. */
static uint32_t list(struct cuda_copier *c, const struct pl_remote_copy *copies, unsigned n,
		     uint64_t bytes[2])
{
	struct copier_piece *pieces = (struct copier_piece *)c->shared.base;
	uint32_t longest = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t n_words = describe(c, &copies[i], &pieces[i]);

		if (!n_words)
			return 0;
		if (n_words > longest)
			longest = n_words;
		bytes[copies[i].write] += n_words * COPIER_WORD;
	}
	return longest;
}

/* As many items as give each of them four words at most, which it moves in one go; a warp's are the most. */
static uint32_t shift_for(uint32_t n_words)
{
	uint32_t shift = COPIER_SHIFT_MIN;

	while (shift < COPIER_SHIFT_MAX && 4u << shift < n_words)
		shift++;
	return shift;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Waits for the batch. Returns a result; CUDA_ERROR_NOT_READY: it has not ended in time. */
static int await(const struct cuda_copier *c)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	int result;

	do
		result = c->api.stream_query(c->stream);
	while (result == CUDA_ERROR_NOT_READY && now_ns() < until);
	return result;
}

static void add(_Atomic uint64_t *count, uint64_t n)
{
	/* Relaxed: a count says nothing of anything else. */
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

/* With the lock. Returns a result. */
static int run(struct cuda_copier *c, const struct pl_remote_copy *copies, unsigned n)
{
	uint64_t bytes[2] = {0};
	uint32_t longest;
	int result = c->api.context_set(c->context);

	/* Until the late one has ended the list is its; and so was the staging memory: what has been put there since may
	 * be what it has read by now. */
	if (!result && c->late) {
		result = c->api.stream_query(c->stream);
		c->late = result != 0;
		if (!result)
			result = CUDA_ERROR_NOT_READY;
	}
	if (result)
		return result;
	longest = list(c, copies, n, bytes);
	if (!longest)
		return CUDA_ERROR_INVALID_VALUE;
	result = launch(c, n, shift_for(longest));
	if (result)
		return result;
	result = await(c);
	c->late = result == CUDA_ERROR_NOT_READY;
	if (result)
		return result;
	add(&c->batches, 1);
	add(&c->pieces, n);
	add(&c->bytes_to, bytes[1] + n * sizeof(struct copier_piece));
	add(&c->bytes_from, bytes[0]);
	return 0;
}

int cuda_copier_copy(struct cuda_copier *c, const struct pl_remote_copy *copies, unsigned n)
{
	int result = CUDA_ERROR_INVALID_VALUE;

	if (!n || n > PL_REMOTE_COPIES_MAX)
		return -EINVAL;
	pthread_mutex_lock(&c->lock);
	if (c->function)
		result = run(c, copies, n);
	pthread_mutex_unlock(&c->lock);
	return result ? -EIO : 0;
}

void cuda_copier_moved(struct cuda_copier *c, struct pl_accel_moved *moved)
{
	/* Relaxed: as they are counted. */
	*moved = (struct pl_accel_moved){
		.batches = atomic_load_explicit(&c->batches, memory_order_relaxed),
		.pieces = atomic_load_explicit(&c->pieces, memory_order_relaxed),
		.bytes_to = atomic_load_explicit(&c->bytes_to, memory_order_relaxed),
		.bytes_from = atomic_load_explicit(&c->bytes_from, memory_order_relaxed),
	};
}
