/* SPDX-License-Identifier: BSD-2-Clause */
/* What a port asks of, and sets on, the network device underneath it. Control thread. */
#ifndef PEERLANE_PORT_NETDEV_H
#define PEERLANE_PORT_NETDEV_H

#include <stdint.h>

struct netdev {
	uint8_t mac[6];
	unsigned ifindex;
	unsigned mtu;
	unsigned n_queues; /* in use for both directions */
};

/* Returns 0, -ENODEV, -EPROTOTYPE when the device is not an Ethernet one, or another -errno. */
int netdev_query(const char *device, struct netdev *dev);

/* Returns 0 or -errno. */
int netdev_set_mtu(const char *device, unsigned mtu);

/* Opens a socket that, as long as it is open, lets frames for `mac` and all multicast through the
 * device's filters. Returns the descriptor or -errno. */
int netdev_open_filter(unsigned ifindex, const uint8_t mac[6]);

#endif
