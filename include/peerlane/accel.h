/* SPDX-License-Identifier: BSD-2-Clause */
/* Accelerators: devices that run a program on bursts. CUDA, OpenCL, or threads of the host.
 *
 * An accelerator that is open has a mailbox (mailbox.h): planes submit bursts to their lane and take them
 * back in order, one thread posts updates to the program's memory, and the program serves both. The
 * program is started by pl_accel_run() and ends when it is told to rest, or after what was posted
 * (PL_ACCEL_BURST). While it runs nothing is asked of a driver.
 *
 * The library knows nothing of what the program does with a packet. */
#ifndef PEERLANE_ACCEL_H
#define PEERLANE_ACCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/burst.h>
#include <peerlane/error.h>
#include <peerlane/mailbox.h>
#include <peerlane/memory.h>

enum pl_accel_kind { PL_ACCEL_CUDA, PL_ACCEL_OPENCL, PL_ACCEL_HOST };
#define PL_ACCEL_KINDS 3u

/* How the program comes to run. */
enum pl_accel_launch {
	PL_ACCEL_PERSISTENT, /* once; it then looks for work by itself */
	PL_ACCEL_BURST,	     /* for each burst */
};

/* A program, in the form that each kind wants; NULL: it has none for that kind. Its entry point is
 *	void program_run(struct mailbox *mailbox, uint64_t launch)
 * run by all workers' groups. */
struct pl_accel_program {
	const char *opencl; /* source text, OpenCL C 2.0 */
	const char *ptx;
	/* Worker `worker` of it; a group of one. Returns when the program is to end. */
	void (*host)(struct mailbox *mailbox, uint32_t worker, uint64_t launch);
};

/* A device that is there, or a kind of which none is and why. */
struct pl_accel_info {
	enum pl_accel_kind kind;
	unsigned index; /* among those of its kind */
	char name[128];
	char driver[128];
	uint64_t memory_bytes; /* of its own; 0: none, it uses the host's */
	bool is_cpu;	       /* made of cores of this machine, which planes then lack */
	int unusable;	       /* 0, or -errno: the device cannot be opened, */
	int no_persistent;     /* or not with PL_ACCEL_PERSISTENT; */
	struct pl_error why;   /* and why */
	int no_packets;	       /* 0, or -errno: pl_accel_packets_new() has none of its memory, */
	struct pl_error why_no_packets;
	/* If it has: because of what no NIC reaches it, as in struct pl_remote, as far as can be told without
	 * making any; NULL: they do. */
	const char *no_dmabuf;
	const char *dmabuf_remedy; /* and what would help; NULL: nothing that is known */
};

/* Lists devices of all kinds, CUDA first, and one entry (index UINT_MAX) for a kind that has none.
 * Starts drivers: takes up to seconds. Returns how many. Control thread. */
unsigned pl_accel_scan(struct pl_accel_info *infos, unsigned max);

/* "cuda", "opencl", "host"; NULL if out of range. */
const char *pl_accel_kind_name(enum pl_accel_kind kind);

struct pl_accel_config {
	enum pl_accel_kind kind;
	unsigned index;
	enum pl_accel_launch launch;
	unsigned n_lanes;
	unsigned n_workers; /* 0: what suits the device */
	struct pl_accel_program program;
};

struct pl_accel;

/* Opens the device, loads the program, makes the mailbox. Nothing runs yet. Control thread, or
 * whichever thread alone tries again after a fault.
 *
 * Returns 0, or -errno with `err` filled: -ENODEV (no such device; no driver), -ENOTSUP (the device
 * or its driver lacks what is needed), -ENOMEM, -EINVAL, -EIO (the driver failed). */
int pl_accel_open(struct pl_accel **accel, const struct pl_accel_config *config,
		  struct pl_error *err);

/* Ends the program and lets go of the device and of all memory that came from it. A program that does not
 * end within `timeout_ms` is left, with the device and all memory it might touch: then returns -ETIMEDOUT,
 * and it may be called again. No plane uses a lane of it any more. Accepts NULL. */
int pl_accel_close(struct pl_accel *accel, unsigned timeout_ms);

void pl_accel_info(const struct pl_accel *accel, struct pl_accel_info *info);
unsigned pl_accel_workers(const struct pl_accel *accel);

/* ---- memory ---- */

enum pl_accel_place {
	PL_ACCEL_SHARED, /* the host's, seen by the device */
	PL_ACCEL_DEVICE, /* the device's; zeroed */
};

struct pl_accel_memory {
	void *host; /* NULL: the host does not see it */
	uint64_t device;
	size_t len_bytes;
	void *handle; /* private to the kind */
};

/* Returns 0, or -ENOMEM or -EIO with `err` filled. Whoever opened the device. */
int pl_accel_alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
		   struct pl_accel_memory *memory, struct pl_error *err);

/* The program does not run. Accepts a zeroed one. */
void pl_accel_free(struct pl_accel *accel, struct pl_accel_memory *memory);

/* Has the device see the pool's region, as that of lane `lane`. The pool must outlive the accelerator. Of one whose
 * first part is the device's own memory the lane's packets are of that, and those that are punted are copied
 * into buffers of the region (pl_accel_lend()).
 * Returns 0 or -errno with `err` filled. */
int pl_accel_attach(struct pl_accel *accel, unsigned lane, struct pl_pool *pool,
		    struct pl_error *err);

/* The address that the program finds in the mailbox as its context. Before it runs. */
void pl_accel_set_context(struct pl_accel *accel, uint64_t device);

/* Copies to and from the device's memory, without any order to what a program that runs does there.
 * Return 0 or -errno with `err` filled. One thread at a time, whichever. */
int pl_accel_write(struct pl_accel *accel, uint64_t to, const void *bytes, size_t len_bytes,
		   struct pl_error *err);
int pl_accel_read(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
		  struct pl_error *err);
int pl_accel_zero(struct pl_accel *accel, uint64_t at, size_t len_bytes, struct pl_error *err);

/* ---- running ---- */

/* Has the program do all that the caller has posted, starting it if need be: to be called after bursts are
 * submitted or updates posted. While a PL_ACCEL_PERSISTENT program runs this looks at two words, no
 * more; otherwise it is launched. Any thread that may make system calls. Returns 0, or -errno with
 * `err` filled: it has failed, as pl_accel_ended() says from then on. */
int pl_accel_run(struct pl_accel *accel, struct pl_error *err);

/* Tells the program to end once it has done what is posted. Does not wait. Any thread. */
void pl_accel_rest(struct pl_accel *accel);

/* Whether the program has ended: 1 yes (or never started), 0 no, or -errno with `err` filled: it, or the
 * device, has failed, and the accelerator can only be closed. */
int pl_accel_ended(struct pl_accel *accel, struct pl_error *err);

/* ---- bursts: the plane that owns the lane ---- */

/* The burst to be filled and submitted next; NULL: MAILBOX_SLOTS are under way. Its `base` is the pool's. */
struct pl_burst *pl_accel_next(struct pl_accel *accel, unsigned lane);

/* Hands the device the burst that pl_accel_next() gave. Its frames are 2 modulo 16. pl_accel_run() must
 * follow. Of a lane whose packets lie in the device's memory it first waits, where the device needs that, until it
 * sees what NICs have written there; if that fails the burst stays under way, and the accelerator has failed. */
void pl_accel_submit(struct pl_accel *accel, unsigned lane);

/* The oldest burst under way if it is done, else NULL. Valid until the next call for this lane, which may
 * reuse it. */
struct pl_burst *pl_accel_complete(struct pl_accel *accel, unsigned lane);

/* The oldest burst under way, done or not, for what is to be given up once the program has ended: after
 * this the accelerator can only be closed. Else as pl_accel_complete(). */
struct pl_burst *pl_accel_abandon(struct pl_accel *accel, unsigned lane);

/* Bursts submitted, and taken back, so far. Any thread: sequentially consistent loads. */
uint64_t pl_accel_submitted(const struct pl_accel *accel, unsigned lane);
uint64_t pl_accel_completed(const struct pl_accel *accel, unsigned lane);

/* ---- packets in the accelerator's memory ---- */

/* Memory of a device for packets, as pl_pool_init_remote() wants it. It is not of an opening (pl_accel_open()): one that
 * fails, or hangs, takes nothing of it away from NICs, and the next one finds it at the same address. */
struct pl_accel_packets {
	struct pl_remote remote; /* first */
	enum pl_accel_kind kind;
	void *handle; /* private to the kind */
};

/* Makes at least `len_bytes` of it, populated. It is not zeroed.
 *
 * Returns 0, or -errno with `err` filled and `packets` zeroed: -ENODEV, -ENOMEM, -EINVAL (0 bytes, or 4 GiB and more),
 * -ENOTSUP (the device or its driver lacks what is needed), -EIO. That no NIC reaches it, or no emulated one does, is no
 * failure: see struct pl_remote. No program runs on the device. Control thread.
 *
 * For tests: where PEERLANE_PACKETS_FD is in the environment, memory for a device that shares the host's addresses
 * is all of the dma-buf that this inherited descriptor is of. It is had once at a time. */
int pl_accel_packets_new(struct pl_accel_packets *packets, enum pl_accel_kind kind, unsigned index,
			 size_t len_bytes, struct pl_error *err);

/* No accelerator is open that has a pool of it attached, and no pool on it is left. Accepts a zeroed one. */
void pl_accel_packets_free(struct pl_accel_packets *packets);

/* What the device has moved to its memory and from there for emulated NICs (struct pl_remote, `copy`), so far. */
struct pl_accel_moved {
	uint64_t batches, pieces;
	/* Over the bus: words of 16 bytes, of which a packet has some, and what tells the device of each packet. */
	uint64_t bytes_to, bytes_from;
};

/* All 0 where NICs have a way of their own. Any thread. */
void pl_accel_packets_moved(const struct pl_accel_packets *packets, struct pl_accel_moved *moved);

/* Puts host buffers, as frame offsets, into places [0, n) of those that the burst that pl_accel_next() gave has for what is
 * punted. They stay from burst to burst of the same slot (number of the burst, from 0, modulo MAILBOX_SLOTS) until the
 * accelerator is closed. `total` is how many places are filled now. The plane that owns the lane, before
 * pl_accel_submit(). */
void pl_accel_lend(struct pl_accel *accel, unsigned lane, const uint32_t *frames, uint32_t n,
		   uint32_t total);

/* Of the burst that pl_accel_complete() gave last: how many places, from 0 on, have been copied into; and for each packet of
 * it that is punted, which one. What did not find a place has been dropped by the program. */
const uint16_t *pl_accel_copied(const struct pl_accel *accel, unsigned lane, uint32_t *n);

/* ---- updates: one thread ---- */

/* Posts a store of up to MAILBOX_UPDATE_MAX bytes, in words of `word` (2, 4, 8) bytes. pl_accel_run() must
 * follow. Returns false if there is no room now. */
bool pl_accel_update(struct pl_accel *accel, uint64_t to, const void *bytes, uint32_t length,
		     uint32_t word);

/* Positions: behind the last one posted; behind the last one that is applied. A burst that is not among
 * those that pl_accel_submitted() tells after the latter sees what is applied. */
uint64_t pl_accel_updates_posted(const struct pl_accel *accel);
uint64_t pl_accel_updates_applied(const struct pl_accel *accel);

#endif
