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

#include <stdbool.h>

#include <peerlane/port.h>

/* Frames that a plane can punt to one face before the faces' thread comes by. */
#define FACE_PUNT_SLOTS 1024u

struct face_config {
	const char *name; /* of the TAP: "pl0" */
	uint8_t mac[6];
	unsigned mtu;
	unsigned n_planes;
	int kept_fd; /* attached to the TAP already (face_fd() of a former run), ours from then on; 0:
		      * none */
};

struct face;
struct faces;

/* The set of all faces and their thread. NULL with errno on failure. */
struct faces *faces_new(void);

/* Creates the TAP, or takes over one left by a former run if it has our name and is a free TAP.
 *
 * One made here gets MAC and MTU as configured and is brought up. One taken over keeps what an
 * operator may have given it: addresses, routes, its MAC, and whether it is up; the MTU becomes the
 * configured one. In both cases the carrier is off, but for one that was kept (config->kept_fd), whose
 * carrier stays as it is; and these sysctls are set, and no others
 * (forwarding.h):
 *	net.ipv4.conf.NAME.forwarding=1
 *	net.ipv4.conf.NAME.ignore_routes_with_linkdown=1
 *	net.ipv4.conf.NAME.accept_redirects=0
 *	the first two for net.ipv6, unless there is no IPv6, and
 *	net.ipv6.conf.NAME.force_forwarding=1	where the kernel has it (6.17), else
 *	net.ipv6.conf.all.forwarding=1		with accept_ra=2 where it was 1
 * The TAP is persistent (IFF_PERSIST) so that addresses and routes survive the daemon; it is in the
 * network namespace of the calling thread.
 *
 * Returns 0, or -errno with `err` filled (-EBUSY: the name is taken by another interface or
 * another daemon; -EPERM; -EROFS: sysctls cannot be set). A TAP made by a call that fails is gone
 * again. Before faces_start(). */
int face_open(struct faces *faces, const struct face_config *config, struct face **face,
	      struct pl_error *err);

/* What face_open() or face_revive() found and did. Fixed until the next of these. */
struct face_start {
	bool created;	 /* it made the TAP, rather than took it over */
	bool up;	 /* administratively, then */
	bool everywhere; /* it changed net.ipv6.conf.all.forwarding */
	uint8_t mac[6];	 /* of the TAP, then */
};
const struct face_start *face_start(const struct face *face);

unsigned face_ifindex(const struct face *face);

/* The TAP's descriptor, to be passed on; as long as a duplicate is open, the TAP keeps its carrier. */
int face_fd(const struct face *face);

/* Whether the interface has been deleted by someone else. Its port then punts into the void
 * (write_failed) until face_revive(). Any thread. */
bool face_lost(const struct face *face);

/* Makes a lost TAP again as face_open() would, of the same name, and with this carrier; addresses
 * and routes went with the former one. face_ifindex() changes. The thread goes on with it soon
 * (face_lost()); until then calling again does nothing. If somebody deletes it before, face_lost()
 * stays true, perhaps without ever having been false. Control thread. Returns 0 or -errno with `err` filled as face_open(). */
int face_revive(struct face *face, const struct face_config *config, bool carrier,
		struct pl_error *err);

/* Makes the queue of plane `plane`, whose buffers come from `pool`. Owned by the face, closing it
 * does nothing: it is freed by faces_free(). Its rx() gives packets only on the plane to which this
 * TAP's frames go: the face's number, in order of opening, modulo n_planes.
 *
 * To be called once per plane, before faces_start(). NULL with errno. */
struct pl_queue *face_queue(struct face *face, unsigned plane, struct pl_pool *pool);

/* How many more frames the way to the kernel takes now; `queue` is of face_queue(). The plane that
 * owns it. */
uint32_t face_queue_room(void *queue);

/* Carrier of the TAP: the port's link state. When it returns from taking it off, the kernel's routes
 * know of it, and news of it are on their way; when it is put on, the kernel's link watch does that
 * soon after. Control thread: this and the following open sockets, which planes and the faces'
 * thread may not. Returns 0 or -errno. */
int face_set_carrier(struct face *face, bool up);

/* MAC and MTU of the TAP as they are now, whatever was heard last; and changing them. Control thread.
 * Return 0 or -errno, the setters with `err` filled. */
int face_query(const struct face *face, uint8_t mac[6], unsigned *mtu);
int face_set_mac(struct face *face, const uint8_t mac[6], struct pl_error *err);
int face_set_mtu(struct face *face, unsigned mtu, struct pl_error *err);

/* Statistics of the TAP side, beside the queues' own. Written by the faces' thread. */
struct face_stats {
	pl_stat to_kernel;    /* frames written to the TAP */
	pl_stat from_kernel;  /* frames read from it */
	pl_stat write_failed; /* refused by the TAP: interface down, no memory */
	pl_stat ring_full;    /* read from the TAP, but the plane did not keep up */
	pl_stat too_long;     /* read from it, but longer than a buffer holds: MTU raised? */
};
const struct face_stats *face_stats(const struct face *face);

/* Has `fn` called on the thread before it does anything else. Before faces_start(). */
void faces_on_thread(struct faces *faces, void (*fn)(void *ctx), void *ctx);

/* Starts the thread, with all signals blocked. Returns 0, or -errno with `err` filled. */
int faces_start(struct faces *faces, struct pl_error *err);

/* Stops and joins it, at once; what the rings hold is lost. Accepts faces never started. */
void faces_stop(struct faces *faces);

/* Closes everything; `keep`: the TAPs stay, without carrier unless another holds the descriptor
 * (face_fd()); else they are removed, once nobody holds it. Planes and thread have stopped. Accepts
 * NULL. */
void faces_free(struct faces *faces, bool keep);

#endif
