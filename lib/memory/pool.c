/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "region.h"

/* A place more than there are buffers: see pl_pool_put_parts(). */
static uint32_t *stack_new(uint32_t n_bufs)
{
	return calloc((size_t)n_bufs + 1, sizeof(uint32_t));
}

/* `remote_bytes`: of the first part. */
static int init(struct pl_pool *pool, size_t remote_bytes, uint32_t n_host, uint32_t buf_bytes,
		struct pl_error *err)
{
	uint32_t n_bufs;
	int rc;

	/* AF_XDP takes chunks of the first two sizes only (Documentation/networking/af_xdp.rst). */
	if (n_host == 0 || (buf_bytes != 2048 && buf_bytes != 4096 && buf_bytes != 16384))
		return pl_error_set(err, -EINVAL, "use buffers of 2048, 4096 or 16384 bytes",
				    "cannot make a pool of %u buffers of %u bytes", n_host,
				    buf_bytes);
	rc = region_alloc_behind(&pool->region, remote_bytes, (size_t)n_host * buf_bytes, err);
	if (rc)
		return rc;
	pool->base = pool->region.base - remote_bytes;
	pool->buf_bytes = buf_bytes;
	pool->n_remote = (uint32_t)(remote_bytes / buf_bytes);
	n_bufs = pool->n_bufs = pool->n_remote + n_host;
	pool->stack = stack_new(n_host);
	pool->remote_stack = pool->n_remote ? stack_new(pool->n_remote) : NULL;
	if (!pool->stack || (pool->n_remote && !pool->remote_stack))
		goto no_memory;
#ifdef PL_DEBUG_OWNERSHIP
	pool->owner = calloc(n_bufs, sizeof(*pool->owner)); /* all zero: PL_OWNER_POOL */
	if (!pool->owner)
		goto no_memory;
#endif
	pl_pool_reset(pool);
	return 0;

no_memory:
	pl_pool_fini(pool);
	return pl_error_set(err, -ENOMEM, NULL, "no memory to keep account of %u buffers", n_bufs);
}

int pl_pool_init(struct pl_pool *pool, uint32_t n_bufs, uint32_t buf_bytes, struct pl_error *err)
{
	*pool = (struct pl_pool){0};
	return init(pool, 0, n_bufs, buf_bytes, err);
}

int pl_pool_init_remote(struct pl_pool *pool, const struct pl_remote *remote, uint32_t n_host,
			uint32_t buf_bytes, struct pl_error *err)
{
	int rc;

	*pool = (struct pl_pool){0};
	if (!remote->len_bytes || remote->len_bytes % PL_REMOTE_GRAIN)
		return pl_error_set(err, -EINVAL, NULL,
				    "cannot make packet buffers of %zu bytes of an accelerator's "
				    "memory: no multiple of %zu",
				    remote->len_bytes, PL_REMOTE_GRAIN);
	rc = init(pool, remote->len_bytes, n_host, buf_bytes, err);
	if (!rc)
		pool->remote = remote;
	return rc;
}

void pl_pool_reset(struct pl_pool *pool)
{
	uint32_t n_remote = pool->n_remote;

	pool->n_remote_free = n_remote;
	for (uint32_t i = 0; i < n_remote; i++)
		pool->remote_stack[i] = i * pool->buf_bytes + PL_FRAME_OFFSET;
	pool->n_free = pool->n_bufs - n_remote;
	for (uint32_t i = 0; i < pool->n_free; i++)
		pool->stack[i] = (n_remote + i) * pool->buf_bytes + PL_FRAME_OFFSET;
#ifdef PL_DEBUG_OWNERSHIP
	memset(pool->owner, PL_OWNER_POOL, pool->n_bufs);
#endif
}

void pl_pool_fini(struct pl_pool *pool)
{
	pl_region_free(&pool->region);
#ifdef PL_DEBUG_OWNERSHIP
	free(pool->owner);
#endif
	free(pool->remote_stack);
	free(pool->stack);
	*pool = (struct pl_pool){0};
}

/* How many of them are of the first part. One pass without branches, which the compiler makes vectors of. */
static uint32_t count_remote(const uint32_t *frames, uint32_t n, uint32_t host_at)
{
	uint32_t remote = 0;

	for (uint32_t i = 0; i < n; i++)
		remote += frames[i] < host_at;
	return remote;
}

/* Puts them on a stack. */
static uint32_t push(uint32_t *stack, uint32_t n_free, const uint32_t *frames, uint32_t n,
		     uint32_t mask)
{
	uint32_t *top = stack + n_free;

	for (uint32_t i = 0; i < n; i++)
		top[i] = (frames[i] & mask) + PL_FRAME_OFFSET;
	return n_free + n;
}

/* As a rule all are of one part: only what is punted, or comes from the kernel, is of the other. Else each goes to
 * the top of both stacks, and one of them grows: no branch to be guessed. */
void pl_pool_put_parts(struct pl_pool *pool, const uint32_t *frames, uint32_t n)
{
	uint32_t n_free = pool->n_free, n_remote_free = pool->n_remote_free;
	uint32_t *stack = pool->stack, *remote_stack = pool->remote_stack;
	uint32_t mask = ~(pool->buf_bytes - 1);
	uint32_t host_at = pool->n_remote * pool->buf_bytes;
	uint32_t n_remote = count_remote(frames, n, host_at);

	if (n_remote == n) {
		pool->n_remote_free = push(remote_stack, n_remote_free, frames, n, mask);
		return;
	}
	if (n_remote == 0) {
		pool->n_free = push(stack, n_free, frames, n, mask);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame = (frames[i] & mask) + PL_FRAME_OFFSET;
		bool remote = frame < host_at;

		stack[n_free] = frame;
		remote_stack[n_remote_free] = frame;
		n_free += !remote;
		n_remote_free += remote;
	}
	pool->n_free = n_free;
	pool->n_remote_free = n_remote_free;
}

#ifdef PL_DEBUG_OWNERSHIP
static const char *owner_name(unsigned owner)
{
	static const char *const names[] = {
		[PL_OWNER_POOL] = "the pool",		[PL_OWNER_RX_RING] = "an RX ring",
		[PL_OWNER_BURST] = "a burst",		[PL_OWNER_TX_RING] = "a TX ring",
		[PL_OWNER_PROCESSOR] = "the processor",
	};

	return owner < sizeof(names) / sizeof(names[0]) ? names[owner] : "nobody known";
}

void pl_pool_move(struct pl_pool *pool, const uint32_t *frames, uint32_t n, enum pl_owner from,
		  enum pl_owner to)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t buf = frames[i] / pool->buf_bytes;

		if (buf >= pool->n_bufs) {
			fprintf(stderr, "peerlane: frame %u is in no buffer: the pool has %u\n",
				frames[i], pool->n_bufs);
			abort();
		}
		if (pool->owner[buf] != from) {
			fprintf(stderr,
				"peerlane: buffer %u (frame %u) was to pass from %s to %s, but "
				"%s has it\n",
				buf, frames[i], owner_name(from), owner_name(to),
				owner_name(pool->owner[buf]));
			abort();
		}
		pool->owner[buf] = (uint8_t)to;
	}
}
#endif
