/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory regions that devices can DMA to, an accelerator's memory that they can, and pools of packet buffers
 * cut from them. */
#ifndef PEERLANE_MEMORY_H
#define PEERLANE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <peerlane/error.h>

/* A contiguous piece of virtual memory, populated, on 2 MB pages where they can be had. */
struct pl_region {
	uint8_t *base;	    /* aligned to page_bytes */
	size_t len_bytes;   /* a multiple of page_bytes */
	size_t page_bytes;  /* 2 MiB, or the system's page size: then the fallback was taken */
	size_t guard_bytes; /* in front of it nobody may touch so many: see pl_pool_init_remote() */
};

/* Maps and populates at least `len_bytes` (below 4 GiB: packets are 32-bit offsets).
 *
 * Falls back to ordinary pages when no 2 MB pages are free: the caller sees it by page_bytes and
 * tells the operator. Returns 0, -EINVAL or -ENOMEM with `err` filled. Any thread. */
int pl_region_alloc(struct pl_region *region, size_t len_bytes, struct pl_error *err);

/* Unmaps. No device may still hold addresses of it. Accepts a zeroed region. */
void pl_region_free(struct pl_region *region);

/* A piece that is moved between an accelerator's memory and `staging`. */
struct pl_remote_copy {
	uint8_t *staging; /* its first byte there, whose address is `offset` modulo 16 */
	uint32_t offset;  /* its first byte in the accelerator's memory */
	uint32_t len_bytes;
	bool write; /* to the accelerator; else from it */
};

/* Memory of an accelerator that packets lie in: NICs write them there and read them from there, the accelerator
 * processes them, and the processor touches none of it. Whoever has made it keeps it, and this, until all pools
 * on it are gone. */
struct pl_remote {
	size_t len_bytes;  /* a multiple of PL_REMOTE_GRAIN */
	size_t page_bytes; /* what it consists of: no piece for a device is smaller */
	/* What stands for it where NICs' addresses are made (pl_pci_dma_import()); -1: no NIC reaches it,
	 * because of `no_dmabuf`, which ends a sentence: "the driver is not the open one". */
	int dmabuf_fd;
	const char *no_dmabuf;
	const char *
		dmabuf_remedy; /* what would help: "install nvidia-open"; NULL: nothing that is known */
	/* Where an emulated NIC's DMA engine, which is of this process, finds it; NULL: nowhere. */
	void *emulated;
	/* Nowhere, but it can have the accelerator move pieces between it and memory of the host's, as over a bus;
	 * NULL: it cannot. `staging` makes that ready, and returns this memory, PL_REMOTE_STAGING bytes at
	 * a page's boundary, always the same; or NULL with `err` filled. Before an accelerator runs on the device: the
	 * control thread.
	 * `copy` moves `n` pieces, up to PL_REMOTE_COPIES_MAX, in any order, and has moved
	 * them all when it returns. Words of 16 bytes, of which a piece has some, may be moved whole.
	 * Returns 0, or -errno: the accelerator has failed, and what has been moved nobody knows. One thread at a
	 * time, which alone uses the staging memory. */
	uint8_t *(*staging)(const struct pl_remote *remote, struct pl_error *err);
	int (*copy)(const struct pl_remote *remote, const struct pl_remote_copy *copies,
		    unsigned n);
	uint64_t device; /* where the accelerator's program finds it */
};
#define PL_REMOTE_GRAIN ((size_t)2 << 20) /* bytes */
#define PL_REMOTE_COPIES_MAX 2048u
#define PL_REMOTE_STAGING ((size_t)4 << 20)

/* Where a frame's first byte lies in its buffer: 256 bytes of headroom that AF_XDP demands, then 2
 * more so that the IP header behind the 14-byte Ethernet header is 16-byte aligned. Ports that
 * receive elsewhere in the buffer still keep this residue modulo 16. */
#define PL_FRAME_OFFSET 258u

/* Who has a buffer. Kept only in builds with PL_DEBUG_OWNERSHIP; see pl_pool_move(). */
enum pl_owner {
	PL_OWNER_POOL,
	PL_OWNER_RX_RING,
	PL_OWNER_BURST,
	PL_OWNER_TX_RING,
	PL_OWNER_PROCESSOR, /* by PL_VERDICT_KEEP */
};

/* Who keeps buffers of a pool: see pl_pool_join(). */
struct pl_holder {
	/* Calls `fn` for each of them. The plane's thread. */
	void (*each_held)(struct pl_holder *holder, void (*fn)(void *ctx, uint32_t frame),
			  void *ctx);
	struct pl_holder *next; /* of pl_pool.holders */
};

struct pl_afxdp_umem; /* lib/port/afxdp: the kernel's registration of a pool's region */

/* Buffers of one size in one region. Belongs to one plane: one thread at a time, no locks.
 *
 * A packet is the 32-bit offset of its frame's first byte from the pool's base; its buffer is
 * found by masking, which is why buf_bytes is a power of two.
 *
 * A pool may have a first part in an accelerator's memory, whose buffers NICs receive into. Offsets are as if
 * the two were one; behind the first part's addresses there is nothing, so that who touches a packet
 * there dies of it. The second part is the region. */
struct pl_pool {
	uint8_t *base;
	uint32_t buf_bytes;
	uint32_t n_bufs;   /* of both parts */
	uint32_t n_free;   /* of the region's */
	uint32_t n_remote; /* buffers of the first part; 0: there is none */
	uint32_t *stack;   /* free buffers' offsets, last in first out: the warmest go first */
	uint32_t n_remote_free;
	uint32_t *remote_stack;
	const struct pl_remote *remote; /* NULL: no first part */
	struct pl_region region;
	struct pl_afxdp_umem
		*umem; /* owned by lib/port/afxdp, NULL while no AF_XDP queue is open */
	struct pl_holder *holders;
#ifdef PL_DEBUG_OWNERSHIP
	uint8_t *owner; /* enum pl_owner per buffer */
#endif
};

/* Creates `n_bufs` buffers of `buf_bytes` in a new region: 2048, 4096, or 16384 for jumbo
 * frames, which not all kinds of ports can receive into (pl_port_caps.buf_sizes).
 *
 * Returns 0, -EINVAL, -ENOMEM with `err` filled and the pool zeroed. */
int pl_pool_init(struct pl_pool *pool, uint32_t n_bufs, uint32_t buf_bytes, struct pl_error *err);

/* The same with as many buffers in `remote` as fit, and `n_host` in a new region. The latter are for what the
 * processor reads and writes: packets from the kernel and to it.
 *
 * Returns 0, -EINVAL (also: `remote` is no multiple of PL_REMOTE_GRAIN, or both together are 4 GiB), -ENOMEM
 * with `err` filled and the pool zeroed. */
int pl_pool_init_remote(struct pl_pool *pool, const struct pl_remote *remote, uint32_t n_host,
			uint32_t buf_bytes, struct pl_error *err);

/* Frees the region. Every queue that used the pool must be closed before. */
void pl_pool_fini(struct pl_pool *pool);

/* Takes every buffer back, whoever has it. Only when nobody uses one any more: planes stopped,
 * bursts done with, the region no device's. */
void pl_pool_reset(struct pl_pool *pool);

/* Largest frame (Ethernet header included, FCS not) that a buffer holds. */
static inline uint32_t pl_pool_frame_max(const struct pl_pool *pool)
{
	return pool->buf_bytes - PL_FRAME_OFFSET;
}

/* Only a frame of the region's may be touched there. */
static inline uint8_t *pl_pool_data(const struct pl_pool *pool, uint32_t frame)
{
	return pool->base + frame;
}

static inline bool pl_pool_is_remote(const struct pl_pool *pool, uint32_t frame)
{
	return frame < (uint64_t)pool->n_remote * pool->buf_bytes;
}

/* Free buffers of both parts. */
static inline uint32_t pl_pool_free(const struct pl_pool *pool)
{
	return pool->n_free + pool->n_remote_free;
}

/* Puts a holder on the pool's list, and takes it off. The kernel does not say which buffers it has of an
 * AF_XDP queue that is given up, so what others have must be known: whoever keeps buffers beyond a turn of
 * the plane's loop, but for AF_XDP queues themselves, is on the list. The plane does not run. */
static inline void pl_pool_join(struct pl_pool *pool, struct pl_holder *holder)
{
	holder->next = pool->holders;
	pool->holders = holder;
}

static inline void pl_pool_part(struct pl_pool *pool, const struct pl_holder *holder)
{
	struct pl_holder **at = &pool->holders;

	while (*at && *at != holder)
		at = &(*at)->next;
	if (*at)
		*at = holder->next;
}

#ifdef PL_DEBUG_OWNERSHIP
/* Records that `n` buffers pass from one owner to the next; aborts with a message that names the
 * buffer when one of them was not the former owner's. */
void pl_pool_move(struct pl_pool *pool, const uint32_t *frames, uint32_t n, enum pl_owner from,
		  enum pl_owner to);
#else
static inline void pl_pool_move(struct pl_pool *pool, const uint32_t *frames, uint32_t n,
				enum pl_owner from, enum pl_owner to)
{
	(void)pool, (void)frames, (void)n, (void)from, (void)to;
}
#endif

/* Takes up to `n` of the region's buffers, as frame offsets at PL_FRAME_OFFSET, for `owner`.
 *
 * Returns how many were there. The owning plane only. */
static inline uint32_t pl_pool_get(struct pl_pool *pool, uint32_t *frames, uint32_t n,
				   enum pl_owner owner)
{
	if (n > pool->n_free)
		n = pool->n_free;
	pool->n_free -= n;
	memcpy(frames, pool->stack + pool->n_free, n * sizeof(*frames));
	pl_pool_move(pool, frames, n, PL_OWNER_POOL, owner);
	return n;
}

/* The same for a device to receive into: of the first part, if there is one. */
static inline uint32_t pl_pool_get_rx(struct pl_pool *pool, uint32_t *frames, uint32_t n,
				      enum pl_owner owner)
{
	if (__builtin_expect(!pool->n_remote, true))
		return pl_pool_get(pool, frames, n, owner);
	if (n > pool->n_remote_free)
		n = pool->n_remote_free;
	pool->n_remote_free -= n;
	memcpy(frames, pool->remote_stack + pool->n_remote_free, n * sizeof(*frames));
	pl_pool_move(pool, frames, n, PL_OWNER_POOL, owner);
	return n;
}

/* What pl_pool_put() does for a pool of two parts. */
void pl_pool_put_parts(struct pl_pool *pool, const uint32_t *frames, uint32_t n);

/* Gives `n` buffers back, of either part; `frames` may point anywhere inside them. The owning plane only. */
static inline void pl_pool_put(struct pl_pool *pool, const uint32_t *frames, uint32_t n,
			       enum pl_owner owner)
{
	uint32_t *top = pool->stack + pool->n_free;
	uint32_t mask = ~(pool->buf_bytes - 1); /* which the stores below cannot change */

	pl_pool_move(pool, frames, n, owner, PL_OWNER_POOL);
	if (__builtin_expect(pool->n_remote != 0, false)) {
		pl_pool_put_parts(pool, frames, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		top[i] = (frames[i] & mask) + PL_FRAME_OFFSET;
	pool->n_free += n;
}

#endif
