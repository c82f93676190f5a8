/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kind of port implements. port.c hands each call of peerlane/port.h to the kind that the
 * port is of; a kind knows nothing of the others. */
#ifndef PEERLANE_PORT_PRIVATE_H
#define PEERLANE_PORT_PRIVATE_H

#include <peerlane/port.h>

#include "closing.h"

struct pl_port_ops {
	/* As the functions of the same name in peerlane/port.h. */
	int (*probe)(const struct pl_port_config *config, struct pl_port_caps *caps,
		     struct pl_error *err);
	int (*open)(struct pl_port **port, const struct pl_port_config *config,
		    struct pl_error *err);
	int (*queue_open)(struct pl_port *port, unsigned index, struct pl_pool *pool,
			  struct pl_queue **queue, struct pl_error *err);
	int (*start)(struct pl_port *port, struct pl_error *err); /* NULL: nothing to be done */
	int (*accept_mac)(struct pl_port *port, const uint8_t mac[6], struct pl_error *err);
	int (*set_mtu)(struct pl_port *port, unsigned mtu, struct pl_error *err);
	void (*info)(const struct pl_port *port, struct pl_port_info *info);
	int (*event_fd)(const struct pl_port *port); /* NULL: it has none, and no state */
	void (*state)(struct pl_port *port, struct pl_port_state *state);
	unsigned (*counters)(struct pl_port *port, struct pl_nic_counter *counters); /* or NULL */
	uint64_t (*rx_lost)(struct pl_port *port); /* NULL: its queues count all */
	void (*leave)(struct pl_port *port);
	int (*retake)(struct pl_port *port, struct pl_error *err); /* pl_port_return() */

	/* The two halves of closing. Lets go of the device: it touches no memory any more, at the
	 * latest once what has been put on the list is closed. */
	void (*let_go)(struct pl_port *port, struct closing *closing);
	/* Closes the queues that are open and frees the port. */
	void (*free)(struct pl_port *port);
};

/* The first member of each kind's own structure. */
struct pl_port {
	const struct pl_port_ops *ops;
};

extern const struct pl_port_ops afxdp_port_ops, nic_port_ops;

#endif
