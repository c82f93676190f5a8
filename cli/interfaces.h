/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's Ethernet interfaces in this network namespace, as far as a port could be made of them. */
#ifndef PEERLANE_CLI_INTERFACES_H
#define PEERLANE_CLI_INTERFACES_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>

struct interface {
	char name[IFNAMSIZ];
	char kind[16];	       /* "veth", "bridge", ...; "": there is hardware behind it */
	char driver[32];       /* "": not told */
	char master[IFNAMSIZ]; /* the bridge, bond or VRF that it belongs to; "": none */
	uint8_t mac[6];
	unsigned mtu;
	unsigned n_queues; /* that it receives on; 0: not told */
	bool up, carrier;
	uint32_t xdp_program; /* id of the one attached to it; 0: none */
};

/* Lists them in the order of their indices. Returns 0 and an array that
 * the caller frees, or -errno with `err` filled. */
int interfaces_list(struct interface **list, unsigned *n, struct pl_error *err);

#endif
