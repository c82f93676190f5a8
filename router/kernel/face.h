/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel faces: the TAP interface of each port, and the thread that moves packets between TAPs
 * and planes.
 *
 * A plane sees a face as a queue (peerlane/port.h): tx() punts, rx() gives what the kernel sends
 * out of the port. Behind each such queue are two single-producer single-consumer rings of slots
 * into and out of which the plane copies, so that no plane ever makes a system call for a punt or
 * waits for a TAP: a full ring drops and counts tx_dropped. What the kernel sends on one port's
 * TAP always passes the same plane, so its order is kept. */
#ifndef PEERLANE_KERNEL_FACE_H
#define PEERLANE_KERNEL_FACE_H

#include <peerlane/port.h>

struct face_config {
	const char *name; /* of the TAP: "pl0" */
	uint8_t mac[6];
	unsigned mtu;
	unsigned n_planes;
};

struct face;
struct faces;

/* The set of all faces and their thread. NULL with errno on failure. */
struct faces *faces_new(void);

/* Creates the TAP, or takes over one left by a former run if it has our name and is a free TAP;
 * sets MAC and MTU, turns IPv4 and IPv6 forwarding on for it, carrier off, and brings it up. The
 * TAP is persistent (IFF_PERSIST) so that addresses and routes survive the daemon.
 *
 * Returns 0, or -errno with `err` filled (-EBUSY: the name is taken by another interface or
 * another daemon; -EPERM). Before faces_start(). */
int face_open(struct faces *faces, const struct face_config *config, struct face **face,
	      struct pl_error *err);

unsigned face_ifindex(const struct face *face);

/* The queue of plane `plane`, whose buffers come from `pool`. Owned by the face. Before
 * faces_start(). NULL with errno. */
struct pl_queue *face_queue(struct face *face, unsigned plane, struct pl_pool *pool);

/* Carrier of the TAP: the port's link state. Any thread. Returns 0 or -errno. */
int face_set_carrier(struct face *face, bool up);

/* Statistics of the TAP side, beside the queues' own. */
struct face_stats {
	pl_stat to_kernel;    /* frames written to the TAP */
	pl_stat from_kernel;  /* frames read from it */
	pl_stat write_failed; /* refused by the TAP: interface down, no memory */
	pl_stat ring_full;    /* read from the TAP, but the plane did not keep up */
};
const struct face_stats *face_stats(const struct face *face);

int faces_start(struct faces *faces, struct pl_error *err);
void faces_stop(struct faces *faces);

/* Closes everything; `keep`: the TAPs stay (without carrier), else they are removed. Planes and
 * thread have stopped. */
void faces_free(struct faces *faces, bool keep);

#endif
