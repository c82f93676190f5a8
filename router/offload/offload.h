/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program on an accelerator, and on the CPU while that cannot be had.
 *
 * Of one accelerator: the thread that opens, watches, rests and reopens it and keeps the copy of the
 * tables in its memory current (offload.c, copy.c), and for each plane a processor (processor.c).
 *
 * A fault: what was under way is dropped and counted once the accelerator is known to touch packets no
 * more (until then those buffers stay with it), what comes is processed by the plane's own core, and the
 * accelerator is tried again, at ever longer intervals.
 *
 * Where a plane's packets lie in the accelerator's own memory (pl_pool_init_remote()) no core of the host
 * reads or writes one. What is to be punted the program copies into buffers of the pool's region that its processor
 * keeps for this (OFFLOAD_LENT_BUFS), and drops what finds none (REASON_PUNT_BUFFER). While the accelerator cannot be
 * had packets are dropped, unseen (REASON_ACCELERATOR): but if it is in good health, and merely has its tables filled,
 * they wait in the NIC's ring, for 200 ms at most, and whatever finds no room there the NIC drops. So a
 * short pause costs nothing, and a long one leaves no queue of packets that are too old. */
#ifndef PEERLANE_OFFLOAD_H
#define PEERLANE_OFFLOAD_H

#include <peerlane/accel.h>
#include <peerlane/plane.h>

#include "../program/cpu.h"
#include "../program/police.h"
#include "../tables/tables.h"

struct offload;

/* Buffers of the region that a plane's processor takes for itself where packets lie in the accelerator's memory: so many
 * as all that is under way, if all of it is to be punted. The pool should have them beside what rings (those that
 * transmit; others receive into the first part) and faces hold. Of a pool that would be left with less than PL_BURST_MAX
 * it takes half: then of a burst with many punts some are dropped. */
#define OFFLOAD_LENT_BUFS (MAILBOX_SLOTS * PL_BURST_MAX)

enum offload_state {
	OFFLOAD_FILLING, /* opened; its tables are being filled: the CPU processes, or packets wait */
	OFFLOAD_READY,
	OFFLOAD_FAILED, /* the CPU processes, or packets are dropped; it is going to be tried again */
};

struct offload_config {
	enum pl_accel_kind kind;
	unsigned index;
	enum pl_accel_launch launch;
	unsigned n_planes;
	bool stays;	  /* never rests, however idle the planes are */
	enum cpu_isa isa; /* of the CPU's part */
	/* What suits, where they are 0: */
	size_t log_bytes;   /* of the copy's log */
	size_t slack_bytes; /* that each section of the copy has beyond twice what is in use */
	unsigned hang_ms;   /* a burst that takes so long has a hung accelerator */
	unsigned retry_ms;  /* before it is tried again; doubles up to 60 times that */
	unsigned idle_ms;   /* without a burst, before it rests */
	unsigned stop_ms;   /* that a driver has to return before it is left where it is */
	const struct pl_accel_program *program; /* NULL: the packet program; tests have others */
	void (*on_thread)(void *ctx);		/* called on its thread first; or NULL */
	void *on_thread_ctx;
};

/* Opens the accelerator and makes its memory. Control thread. Returns 0 or -errno with `err` filled, as
 * pl_accel_open(). */
int offload_new(struct offload **offload, const struct offload_config *config,
		struct tables *tables, struct pl_error *err);

/* Fills in the processor of a plane whose packets are in `pool`, and which may punt what `police` lets it
 * (NULL: all). Takes what it keeps from a pool of two parts, whose first must be this device's memory. Before
 * offload_start(). Returns 0 or -errno with `err` filled. */
int offload_processor(struct offload *offload, unsigned plane, struct pl_pool *pool,
		      struct police *police, struct pl_processor *processor, struct pl_error *err);

/* Fills the tables and starts the thread. Control thread. Returns 0 or -errno with `err` filled. */
int offload_start(struct offload *offload, struct pl_error *err);

/* Readable when offload_attend() is to be called. */
int offload_event_fd(const struct offload *offload);

/* Does what only the control thread can: fills a copy that is to be filled (anew). Control thread. */
void offload_attend(struct offload *offload);

/* Whether a packet has been sent by next hop `index` since this was last asked: by the accelerator, as it
 * was told about a second ago at most, or the CPU. Control thread. */
bool offload_take_used(struct offload *offload, uint32_t index);

struct offload_stats {
	enum offload_state state;
	bool at_rest; /* READY, and the program does not run for want of work */
	struct pl_accel_info device;
	enum pl_accel_launch launch;
	unsigned workers;
	struct pl_error fault;	  /* the last one; what[0] is '\0' if there was none */
	uint64_t faults, opens;	  /* times */
	uint64_t wakes;		  /* times that the program was started, since the last open */
	uint64_t retry_in_ms;	  /* FAILED: until it is tried again */
	uint64_t bursts, packets; /* that the accelerator has processed */
	uint64_t cpu_packets;	  /* that the CPU has in its place */
	uint64_t lost_packets;	  /* dropped: with one that failed or erred, or for want of one */
	uint64_t memory_bytes;	  /* of the device, taken by the tables */
	uint64_t fills, updates, update_bytes; /* of the copy */
};
/* Control thread. */
void offload_stats(const struct offload *offload, struct offload_stats *stats);

/* Stops the thread and the program. The planes have stopped; bursts under way go back to their pools.
 *
 * A thread that does not come back from the driver is left in there: see offload_free(). */
void offload_stop(struct offload *offload);

/* Before tables_free(), and before the pools are freed. Accepts NULL. Returns 0, or -ETIMEDOUT: a hung
 * accelerator, or a driver in which the thread is left, may still touch the pools' memory and the tables, which must
 * then not be freed. */
int offload_free(struct offload *offload);

#endif
