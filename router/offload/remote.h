/* SPDX-License-Identifier: BSD-2-Clause */
/* Host buffers of a plane whose packets lie in the accelerator's memory: what is punted is copied into them by the
 * program, for neither the plane nor the kernel can read it where it is.
 *
 * Each slot of the plane's lane has its own, *lent*: PL_OWNER_PROCESSOR, known to the program by their places
 * (pl_accel_lend()). Once a burst is complete those that were copied into take the place of the packets in it, and
 * before the slot's next burst the pool fills their places. Else they stay, over faults and openings.
 *
 * A buffer that the program may write to is nobody else's. Those that are lent it may write to at any time, hung or
 * not, and they are given to nobody before the accelerator is quiet. Those that have left with a burst it
 * does not write to any more: that the burst is done is the last that its worker stores, behind a barrier of all its
 * items; no other worker is ever in this slot before the next burst is; and to that one other buffers are lent.
 *
 * The plane's own; but for the first and the last, when it does not run. */
#ifndef PEERLANE_OFFLOAD_REMOTE_H
#define PEERLANE_OFFLOAD_REMOTE_H

#include <peerlane/accel.h>

struct offload_remote;

/* Takes what is to be lent from the pool: see OFFLOAD_LENT_BUFS. NULL: no memory. */
struct offload_remote *offload_remote_new(struct pl_pool *pool);

/* Gives it back. The accelerator is quiet. */
void offload_remote_release(struct offload_remote *remote);

/* Accepts NULL. What has not been released the accelerator may still write to: it is lost to the pool. */
void offload_remote_free(struct offload_remote *remote);

/* As pl_holder.each_held. */
void offload_remote_each(const struct offload_remote *remote, void (*fn)(void *ctx, uint32_t frame),
			 void *ctx);

/* Fills the places of the burst that is to be submitted next, as far as the pool has buffers; of an accelerator
 * of a new generation, all of them. Before each pl_accel_submit(). */
void offload_remote_lend(struct offload_remote *remote, struct pl_accel *accel, unsigned lane,
			 uint64_t generation);

/* Puts host buffers in the place of what is punted of the burst that pl_accel_complete() gave; the packets' own go
 * back to the pool. A punt for which the device does not name a copy is dropped. After each pl_accel_complete().
 * Returns how many were dropped. */
uint32_t offload_remote_swap(struct offload_remote *remote, const struct pl_accel *accel,
			     unsigned lane, struct pl_burst *burst);

/* The burst that pl_accel_abandon() gave: nothing of it is used. */
void offload_remote_lose(struct offload_remote *remote);

#endif
