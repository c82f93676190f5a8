/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <peerlane/memory.h>

int pl_pool_init(struct pl_pool *pool, uint32_t n_bufs, uint32_t buf_bytes, struct pl_error *err)
{
	int rc;

	*pool = (struct pl_pool){0};
	/* AF_XDP takes chunks of the first two sizes only (Documentation/networking/af_xdp.rst). */
	if (n_bufs == 0 || (buf_bytes != 2048 && buf_bytes != 4096 && buf_bytes != 16384))
		return pl_error_set(err, -EINVAL, "use buffers of 2048, 4096 or 16384 bytes",
				    "cannot make a pool of %u buffers of %u bytes", n_bufs,
				    buf_bytes);
	pool->stack = calloc(n_bufs, sizeof(*pool->stack));
	if (!pool->stack)
		goto no_memory;
#ifdef PL_DEBUG_OWNERSHIP
	pool->owner = calloc(n_bufs, sizeof(*pool->owner)); /* all zero: PL_OWNER_POOL */
	if (!pool->owner)
		goto no_memory;
#endif
	rc = pl_region_alloc(&pool->region, (size_t)n_bufs * buf_bytes, err);
	if (rc) {
		pl_pool_fini(pool);
		return rc;
	}
	pool->base = pool->region.base;
	pool->buf_bytes = buf_bytes;
	pool->n_bufs = n_bufs;
	pl_pool_reset(pool);
	return 0;

no_memory:
	pl_pool_fini(pool);
	return pl_error_set(err, -ENOMEM, NULL, "no memory to keep account of %u buffers", n_bufs);
}

void pl_pool_reset(struct pl_pool *pool)
{
	pool->n_free = pool->n_bufs;
	for (uint32_t i = 0; i < pool->n_bufs; i++)
		pool->stack[i] = i * pool->buf_bytes + PL_FRAME_OFFSET;
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
	free(pool->stack);
	*pool = (struct pl_pool){0};
}

#ifdef PL_DEBUG_OWNERSHIP
static const char *owner_name(unsigned owner)
{
	static const char *const names[] = {
		[PL_OWNER_POOL] = "the pool",
		[PL_OWNER_RX_RING] = "an RX ring",
		[PL_OWNER_BURST] = "a burst",
		[PL_OWNER_TX_RING] = "a TX ring",
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
