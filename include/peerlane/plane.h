/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane: all that one core needs to forward, shared with no other core. */
#ifndef PEERLANE_PLANE_H
#define PEERLANE_PLANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <peerlane/burst.h>
#include <peerlane/error.h>
#include <peerlane/memory.h>
#include <peerlane/port.h>
#include <peerlane/stat.h>

/* What decides about packets. The library knows nothing of IP; the router supplies this. All functions
 * are called by the plane's thread.
 *
 * Bursts are *under way* from submit() to complete(), several at a time if the processor can. All come
 * back, soon: the plane does not sleep, stop, or do what pl_plane_run() wants, before. What a processor
 * cannot give back soon, since a device that hangs may still write to it, it gives back with
 * PL_VERDICT_KEEP, and keeps the buffers; it is then a holder (pl_pool_join()). */
struct pl_processor {
	/* An empty burst for the plane to fill (`base`, `n`, `port`, `frame`, `len`) and submit before
	 * it calls anything else of the processor, or not at all. NULL: as many are under way as can be. */
	struct pl_burst *(*next)(void *ctx);

	/* Takes the burst that next() gave. Its buffers stay PL_OWNER_BURST. */
	void (*submit)(void *ctx, struct pl_burst *burst);

	/* The oldest burst under way, if it has its verdicts: all verdict[] set, frames perhaps rewritten,
	 * len[] perhaps shortened. Else NULL. In the order of submission; but bursts of which nothing
	 * is transmitted or punted may come later. Valid until the next call of any of these. */
	struct pl_burst *(*complete)(void *ctx);

	/* Where it says how many packets the plane should take at most for the burst that next() gave last, up
	 * to PL_BURST_MAX. */
	const unsigned *burst_packets;

	/* It uses cores that planes may be on: while the plane waits for bursts, and has nothing else to do,
	 * it lets others have its core. Or else it would wait for who waits for its core. */
	bool shares_cores;
	void *ctx;
};

/* Packets that a plane takes at a time for its own core. A turn takes up to PL_BURST_MAX per queue, in
 * several goes: a burst of 256 small packets and what is known about them stay in the first-level cache
 * from pass to pass, 1024 do not. */
#define PL_BURST_CACHED 256u

/* What a processor is that has its answers at once, on the plane's core. */
struct pl_immediate {
	struct pl_burst burst;
	unsigned burst_packets; /* PL_BURST_CACHED */
	bool submitted;
	void (*process)(void *ctx, struct pl_burst *burst); /* sets verdict[] of all packets */
	void *ctx;
};

/* Fills in `immediate`, which must live as long as the processor is used. */
struct pl_processor pl_immediate_processor(struct pl_immediate *immediate,
					   void (*process)(void *ctx, struct pl_burst *burst),
					   void *ctx);

/* One port as a plane sees it. */
struct pl_plane_port {
	struct pl_queue *wire; /* the device's queue; NULL: no such port */
	struct pl_queue *face; /* the kernel's side: tx() punts, rx() gives what the kernel sends
				* out of this port */
};

struct pl_plane_stats {
	pl_stat punt[PL_REASONS_MAX]; /* by reason */
	pl_stat drop[PL_REASONS_MAX];
	pl_stat bad_port;      /* verdict named a port, face or reason that is not there: dropped */
	pl_stat turns;	       /* turns of the loop */
	pl_stat working_turns; /* those that took a packet, or handed one on */
	pl_stat sleeps;
	pl_stat pool_free; /* buffers in the plane's pool at the end of the last turn */
	pl_stat cpu_ns;	   /* thread CPU time, brought up to date about once a second */
};

/* Starts on a cache line of its own (so memory for it must be had by aligned_alloc()): planes in an
 * array share none, whose counters each would take from the other's core. */
struct pl_plane {
	_Alignas(64) unsigned index;
	int cpu; /* core its thread is pinned to; -1: not pinned */
	bool busy_poll;
	struct pl_pool pool;
	struct pl_plane_port ports[PL_PORTS_MAX];
	unsigned n_ports;
	struct pl_processor processor;
	void (*on_thread)(void *ctx); /* called on its thread before the first turn; or NULL */
	void *on_thread_ctx;
	struct pl_plane_stats stats;
	/* private to lib/plane */
	struct pl_plane_private *priv;
};

/* Prepares a plane whose pool, ports and processor are filled in; they stay as they are until
 * pl_plane_fini(), but for what pl_plane_run() does. Returns 0 or -errno with `err` filled. */
int pl_plane_init(struct pl_plane *plane, struct pl_error *err);

/* One turn of the loop: hands on the bursts that have their verdicts; takes up to PL_BURST_MAX packets
 * from every wire, in bursts of the processor's size, and submits them, as long as it can take more; then
 * takes up to PL_BURST_CACHED from every face, and sends them. Returns the number of packets taken. For
 * tests and benchmarks; the caller's thread stands in for the plane's and must have called
 * pl_plane_enter(). */
unsigned pl_plane_turn(struct pl_plane *plane);

/* Takes nothing, and hands on what is under way until nothing is. As pl_plane_turn(). */
void pl_plane_drain(struct pl_plane *plane);

/* Registers the calling thread as a reader of the tables (liburcu QSBR), or ends that. Planes'
 * threads do it themselves. */
void pl_plane_enter(void);
void pl_plane_leave(void);

/* Starts the plane's thread, pinned to plane->cpu. Returns 0 or -errno with `err` filled. */
int pl_plane_start(struct pl_plane *plane, struct pl_error *err);

/* Stops and joins the thread, once nothing is under way. Accepts one never started. */
void pl_plane_stop(struct pl_plane *plane);

/* Runs `fn` on the plane's thread between two turns, when no burst is under way, and waits for
 * it; of a plane that has not been started or initialised, on the caller's. Packets wait
 * meanwhile: be short. Control thread. */
void pl_plane_run(struct pl_plane *plane, void (*fn)(struct pl_plane *plane, void *ctx), void *ctx);

/* Lets the plane's sleep end when a queue has something, or no more: for a queue of the plane's
 * whose descriptor changes. Within pl_plane_run(). Returns 0 or -errno. */
int pl_plane_watch(struct pl_plane *plane, const struct pl_queue *q);
void pl_plane_unwatch(struct pl_plane *plane, const struct pl_queue *q);

/* Frees what pl_plane_init() made. Queues and pool stay the caller's. */
void pl_plane_fini(struct pl_plane *plane);

/* Waits until every plane has passed a point at which it holds no reference to anything in the
 * tables that had been unpublished before the call. For writers; must not be called by a plane. */
void pl_plane_synchronize(void);

#endif
