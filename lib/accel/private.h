/* SPDX-License-Identifier: BSD-2-Clause */
/* What an accelerator is to all kinds (accel.c, mailbox.c), and what each kind supplies. */
#ifndef PEERLANE_ACCEL_PRIVATE_H
#define PEERLANE_ACCEL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <peerlane/accel.h>

/* What a kind supplies. Unless said otherwise a function is called by whoever opened the accelerator,
 * one at a time; those with `err` return 0 or -errno with it filled. */
struct accel_ops {
	enum pl_accel_kind kind;

	/* Lists devices, or one entry (index UINT_MAX) that says why there are none; `kind` and
	 * `index` included. Returns how many, at most `max`. */
	unsigned (*scan)(struct pl_accel_info *infos, unsigned max);

	/* Opens device `config->index` and loads the program. Fills in `state` and `info`, and calls
	 * accel_fit_workers(). */
	int (*open)(struct pl_accel *accel, const struct pl_accel_config *config,
		    struct pl_error *err);

	/* Lets go of the device. The program has ended, or the device has failed; all memory is freed
	 * before. Not called if open() failed. */
	void (*close)(struct pl_accel *accel);

	/* As pl_accel_alloc() and pl_accel_free(); the latter may be of a device that has failed. SHARED
	 * memory is page-aligned and zeroed too. */
	int (*alloc)(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
		     struct pl_accel_memory *memory, struct pl_error *err);
	void (*free)(struct pl_accel *accel, struct pl_accel_memory *memory);

	/* Has the device see host memory, which is page-aligned, until close(): its address there
	 * into *device. Never twice the same. */
	int (*attach)(struct pl_accel *accel, void *base, size_t len_bytes, uint64_t *device,
		      struct pl_error *err);

	/* As pl_accel_write(), _read(), _zero(): also while the program runs, and then without
	 * waiting for it. One thread at a time, whichever. */
	int (*write)(struct pl_accel *accel, uint64_t to, const void *bytes, size_t len_bytes,
		     struct pl_error *err);
	int (*read)(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
		    struct pl_error *err);
	int (*zero)(struct pl_accel *accel, uint64_t at, size_t len_bytes, struct pl_error *err);

	/* Starts program_run(accel->mailbox_memory.device, launch) with `n_workers` groups, once all
	 * that was launched before has ended, and returns at once. Any thread, with accel->lock held. */
	int (*launch)(struct pl_accel *accel, uint64_t launch, struct pl_error *err);

	/* Whether all that was launched has ended: 1 or 0, or -errno if it, or the device, has failed.
	 * Any thread, with accel->lock held; does not wait. */
	int (*ended)(struct pl_accel *accel, struct pl_error *err);

	/* Waits until the device sees what NICs have written to its memory. Only where pl_accel.flushes: else
	 * NULL will do. The plane that submits a burst. */
	int (*flush)(struct pl_accel *accel, struct pl_error *err);

	/* Packets of a lane are about to lie in this memory; NULL: that needs no preparation. Never twice for a
	 * lane. */
	int (*use_packets)(struct pl_accel *accel, const struct pl_remote *remote,
			   struct pl_error *err);

	/* As pl_accel_packets_moved(), with `moved` zeroed; NULL: it moves none. */
	void (*packets_moved)(const struct pl_accel_packets *packets, struct pl_accel_moved *moved);

	/* As pl_accel_packets_new() and _free(); `len_bytes` is a multiple of PL_REMOTE_GRAIN, and `packets`
	 * zeroed: `kind` is set by the caller. No accelerator need be open. */
	int (*packets_new)(struct pl_accel_packets *packets, unsigned index, size_t len_bytes,
			   struct pl_error *err);
	void (*packets_free)(struct pl_accel_packets *packets);
};

/* Of the kinds that are built in. */
extern const struct accel_ops accel_cuda, accel_opencl, accel_host;

/* The host's side of a lane: the plane's. On lines of its own. */
struct accel_lane {
	_Alignas(128) uint64_t submitted;
	_Atomic uint64_t posted;    /* of these; stored by the plane alone */
	_Atomic uint64_t completed; /* stored by the plane alone */
	struct mailbox_slot *slots;
	bool flush; /* before each burst: see accel_ops.flush */
	bool flush_failed;
	/* Bursts under way, as the plane knows them: slots are the device's to read. */
	struct pl_burst bursts[MAILBOX_SLOTS];
};

struct pl_accel {
	const struct accel_ops *ops;
	void *state; /* the kind's own */
	struct pl_accel_info info;
	enum pl_accel_launch launch;
	unsigned n_lanes, n_workers;
	/* What NICs write to the device's memory is seen by it after accel_ops.flush. Set by open(). */
	bool flushes;

	/* Held while something is launched, or it is found out whether all has ended. Not taken for
	 * a burst while a PL_ACCEL_PERSISTENT program runs. */
	pthread_mutex_t lock;
	/* Number of the last launch. The program is at rest, or on its way there, if this is no
	 * greater than mailbox->rest. Stored with the lock held. */
	_Atomic uint64_t launches;

	int failed; /* 0 or -errno, with the lock held; and why: */
	struct pl_error why;

	struct accel_block *blocks; /* memory that is not freed */
	struct mailbox *mailbox;
	struct pl_accel_memory mailbox_memory;
	struct accel_lane *lanes;

	/* Of the thread that posts updates: */
	uint8_t *updates;
	_Atomic uint64_t posted; /* bytes */
};

/* Sets accel->n_workers: as configured, or about `suits` if nothing is. Returns 0 or -EINVAL with `err`
 * filled. */
int accel_fit_workers(struct pl_accel *accel, const struct pl_accel_config *config, unsigned suits,
		      struct pl_error *err);

/* Tells all launches up to this one to end. Of `n_workers`, as the host knows it, whatever a device has written. */
static inline void accel_tell_rest(struct mailbox *mailbox, uint32_t n_workers, uint64_t launch)
{
	/* First: whoever submits a burst looks at this one, and if it does so before, workers find the burst when they
	 * find theirs. */
	__atomic_store_n(&mailbox->rest, launch, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < n_workers; i++)
		__atomic_store_n(&mailbox->rests[i].launch, launch, __ATOMIC_SEQ_CST);
}

/* The accelerator has failed, as pl_accel_ended() says from now on. */
void accel_fail(struct pl_accel *accel, int rc, const struct pl_error *err);

/* Packets' memory of the host's, for kinds that share its addresses (packets.c). `name` begins errors. */
int accel_packets_of_host(struct pl_accel_packets *packets, const char *name, size_t len_bytes,
			  struct pl_error *err);
void accel_packets_of_host_free(struct pl_accel_packets *packets);

/* Fills in no_dmabuf and dmabuf_remedy of a device that has such memory. */
void accel_packets_of_host_judge(struct pl_accel_info *info);

#define ACCEL_UPDATES_BYTES ((size_t)1 << 20) /* of the ring of updates */

#endif
