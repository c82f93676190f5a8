/* SPDX-License-Identifier: BSD-2-Clause */
/* What the offload's thread (offload.c, copy.c) and the planes' processors (processor.c) share.
 *
 * Who may touch the accelerator. The thread owns it. A plane uses its lane of it while it is *attached*,
 * which it is while it has bursts under way there, until it looks for the next one then: so one that sleeps is
 * not. The thread tells by `word` what planes are to do, and waits for them to detach before it takes
 * away what they use:
 *
 *	plane, to attach: attached = 1; does word still say ACCEL, of that generation? else attached = 0
 *	thread:           word = anything else; is attached 0?
 *
 * Both store first and look then, all sequentially consistent: at least one sees what the other stored. A
 * plane that is attached looks at `word` in every turn, and does not sleep, so it detaches soon: when its
 * bursts are complete (CPU), or with what is done by then (FAULT, QUIET).
 *
 * The course of it, by the thread alone; generations are openings, counted from 1:
 *
 *	CPU -> ACCEL	opened and filled
 *	ACCEL -> CPU	to be filled anew, in good health. Once all have detached no burst is under way.
 *	-> FAULT	the accelerator is not believed in any more. Planes detach, and keep the buffers that
 *			it may still write to. Once they have, it may be closed.
 *	-> QUIET	it is known to touch packets no more: ended, or closed. Planes give back what they kept,
 *			and detach if they have not yet.
 *	-> CPU		the next generation is opened, which needs QUIET before it
 *
 * So the order of packets is kept. On the way to the CPU in good health a plane takes nothing until all that is
 * under way is complete. After a fault what is done comes first, then nothing more of the accelerator's is
 * transmitted: the CPU's bursts, complete at once, overtake only what is dropped. Back on the accelerator,
 * nothing of the CPU's is under way.
 *
 * A plane whose packets lie in the accelerator's memory (remote.h) has none of "the CPU": packets wait, if that is
 * soon over, or are dropped. */
#ifndef PEERLANE_OFFLOAD_PRIVATE_H
#define PEERLANE_OFFLOAD_PRIVATE_H

#include <stdatomic.h>

#include "offload.h"

/* A burst that takes so long has a hung accelerator, unless the configuration says otherwise. One made of this
 * machine's cores may have to wait for them. */
#define OFFLOAD_HANG_MS 500u
#define OFFLOAD_HANG_CPU_MS 2000u

/* So long at most packets wait, in the NIC's ring, for tables to be filled that are the accelerator's alone. */
#define OFFLOAD_WAIT_MS 200u

enum offload_phase { PHASE_CPU, PHASE_ACCEL, PHASE_FAULT, PHASE_QUIET };

#define OFFLOAD_WORD(generation, phase) ((uint64_t)(generation) << 2 | (phase))
#define OFFLOAD_PHASE(word) ((enum offload_phase)((word)&3))
#define OFFLOAD_GENERATION(word) ((uint64_t)(word) >> 2)

struct offload_shared {
	_Atomic uint64_t word; /* OFFLOAD_WORD(); stored by the thread, sequentially consistent */

	/* The thread has told the program to rest, and wants to know when it is started. See offload_rest(). */
	_Atomic bool at_rest;

	/* Set by the thread before `word` says ACCEL, and left alone while a plane is attached. */
	struct pl_accel *accel;
	enum pl_accel_launch launch;
	unsigned hang_ms;

	/* A generation that a plane has found hung, or could not start; the bell rings. The thread looks
	 * whether it is the present one: so nobody has to take it back. */
	_Atomic uint64_t distrusted;
	int bell_fd;   /* eventfd that wakes the thread; rung when the program is started, too */
	pl_stat wakes; /* times that this was */
};

/* Every MAILBOX_SLOTS may be with an accelerator that hangs. */
#define OFFLOAD_KEPT_MAX (MAILBOX_SLOTS * PL_BURST_MAX)

/* What becomes of `own`. */
enum offload_own {
	OWN_FREE,  /* to be filled */
	OWN_DONE,  /* has its verdicts, and is to be completed */
	OWN_WAITS, /* for the accelerator, or to be dropped */
};

struct offload_plane {
	/* Looked at by the thread, too; on lines of their own. */
	_Alignas(128) _Atomic bool attached;
	pl_stat bursts, packets; /* that the accelerator has processed */
	pl_stat cpu_packets;	 /* that the CPU has in its place */
	pl_stat lost_packets;	 /* dropped: with one that failed or erred, or for want of one */

	/* The plane's own. */
	_Alignas(128) struct offload_shared *shared;
	unsigned lane;
	unsigned under_way;	/* on the accelerator */
	unsigned burst_packets; /* what suits whoever gets the next burst */
	enum offload_own own_is;
	uint64_t distrusted; /* generation, as in `shared`, by this plane */

	/* How long the oldest burst has been waited for: */
	unsigned looks;	    /* in vain, since the clock was read */
	uint64_t looked_ms; /* when that was; 0: not for this burst */
	unsigned waited_ms;

	/* How long packets have waited for it: see should_wait(). */
	uint64_t wait_began_ms, wait_looked_ms;

	const struct tables *tables;
	struct police *police;	 /* NULL: punts are not limited */
	struct pl_processor cpu; /* for when the accelerator cannot be had */
	struct pl_pool *pool;
	struct offload_remote *remote; /* NULL: all packets are in the host's memory */
	struct pl_burst own;  /* filled while nothing is under way: copied then, or for the CPU */
	struct pl_burst lost; /* as it comes back to the plane */

	/* Buffers that a failed accelerator may still write to: PL_OWNER_PROCESSOR. */
	struct pl_holder holder;
	uint64_t kept_generation;
	uint32_t n_kept;
	uint32_t kept[OFFLOAD_KEPT_MAX];
};

/* Makes a plane's processor, on memory of `plane`, which must be aligned as its type and live as long. The
 * lane of the accelerator is the plane's by pl_accel_attach(), each time it is opened. Control thread.
 * Returns 0 or -errno with `err` filled. */
int offload_plane_init(struct offload_plane *plane, struct offload_shared *shared, unsigned lane,
		       const struct tables *tables, enum cpu_isa isa, struct pl_pool *pool,
		       struct police *police, struct pl_processor *processor, struct pl_error *err);

/* The plane has stopped, and keeps nothing. Accepts a zeroed one. */
void offload_plane_fini(struct offload_plane *plane);

/* Whether the plane may be using the accelerator. After a store to `word`, see above. Any thread. */
static inline bool offload_plane_attached(const struct offload_plane *plane)
{
	return atomic_load_explicit(&plane->attached, memory_order_seq_cst);
}

/* The plane has stopped and the accelerator is quiet: gives what is kept back to the pool. Control thread. */
void offload_plane_release(struct offload_plane *plane);

/* ---- rest ----
 *
 * That no burst is forgotten by a program that ends for want of work is pl_accel_run()'s business, which follows
 * each post. That the thread learns of it, and so has the program rest again, is by at_rest:
 *
 *	the thread:    at_rest = 1; tell the program to rest
 *	whoever posts: pl_accel_run(); at_rest? then swap it for 0, and whoever found 1 rings the bell
 *
 * If pl_accel_run() started the program, it had seen it told to rest, and so at_rest is seen, too. Else the
 * program ran on, or another one started it, who rings: and a bell too many does no harm. */

/* Tells the program to end when it has nothing to do. The thread. */
void offload_rest(struct offload_shared *shared);

/* Behind a post: has the program do it. Planes that are attached, and the thread. Returns 0 or -errno with
 * `err` filled, as pl_accel_run(). */
int offload_wake(struct offload_shared *shared, struct pl_error *err);

#endif
