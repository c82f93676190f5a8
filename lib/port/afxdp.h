/* SPDX-License-Identifier: BSD-2-Clause */
/* What afxdp.c (ports) and afxdp_queue.c (queues) share. See Documentation/networking/af_xdp.rst
 * of the kernel for rings, UMEM and need-wakeup. */
#ifndef PEERLANE_PORT_AFXDP_H
#define PEERLANE_PORT_AFXDP_H

#include <net/if.h>

#include <xdp/xsk.h>

#include "private.h"

/* Beside the MTU a frame has an Ethernet header and perhaps a VLAN tag. */
#define FRAME_OVERHEAD 18u

/* The kernel takes chunks of a page at most (Documentation/networking/af_xdp.rst). */
#define AFXDP_BUF_BYTES_MAX 4096u

/* Binding a queue fails with EBUSY for 10 to 20 ms after its former owner has closed it, since the
 * kernel lets go of it in the background. */
#define BIND_RETRY_MS 5u
#define BIND_TRIES 100u

struct afxdp_port {
	struct pl_port port;
	char name[32];
	char device[IF_NAMESIZE];
	unsigned ifindex;
	unsigned n_queues;
	unsigned ring_size;
	uint32_t buf_bytes; /* of the smallest buffers among its queues' */
	enum pl_attach attach;
	bool native;
	bool zero_copy;
	bool returning;	      /* what fails is tried again: no long search for the reason */
	unsigned strip;	      /* what closing switches on again: NETDEV_STRIPS_... */
	uint64_t device_lost; /* frames that the device has lost, as of the last look, */
	uint64_t rx_lost;     /* and those of them since the port was opened */
	int link_fd;	      /* the attachment of our program; closing it detaches */
	int map_fd;	      /* the program's map from queues to sockets */
	int filter_fd;	      /* keeps the device's MAC filters open; -1: none */
	struct redirect *program;
	struct pl_queue **queues; /* by index; NULL: not open */
};

static inline struct afxdp_port *afxdp_port_of(struct pl_port *port)
{
	return (struct afxdp_port *)port;
}

/* Waits BIND_RETRY_MS. */
void afxdp_sleep_before_retry(void);

/* Refuses buffers of `buf_bytes` if the device's MTU allows longer frames than they hold, and
 * remembers it for later changes of the MTU. Returns 0 or -errno with `err` filled. */
int afxdp_check_room(struct afxdp_port *port, uint32_t buf_bytes, struct pl_error *err);

/* Gives the queue a socket, in one try, unless it has one; and takes it away, if it has one, leaving
 * it to `closing` to end it. Of the queue's plane nothing is touched, it must have left
 * (pl_queue_leave()) or stopped. Returns 0 or -errno with `err` filled (-EBUSY: taken, perhaps by a
 * former owner for some more milliseconds). */
int afxdp_queue_bind(struct pl_queue *q, struct pl_error *err);
void afxdp_queue_unbind(struct pl_queue *q, struct closing *closing);

/* See pl_port_queue_open(). */
int afxdp_queue_open(struct pl_port *port, unsigned index, struct pl_pool *pool,
		     struct pl_queue **queue, struct pl_error *err);

#endif
