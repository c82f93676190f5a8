/* SPDX-License-Identifier: BSD-2-Clause */
/* What a port asks of, and sets on, the network device underneath it. Control thread. */
#ifndef PEERLANE_PORT_NETDEV_H
#define PEERLANE_PORT_NETDEV_H

#include <stdint.h>

struct rtnl_link_stats64;

struct netdev {
	uint8_t mac[6];
	unsigned ifindex;
	unsigned mtu;
	unsigned n_queues;    /* in use for both directions */
	unsigned n_rx_queues; /* in use for receiving */
};

/* Returns 0, -ENODEV, -EPROTOTYPE when the device is not an Ethernet one, or another -errno. */
int netdev_query(const char *device, struct netdev *dev);

/* Returns 0 or -errno. */
int netdev_set_mtu(const char *device, unsigned mtu);

/* Offloads that take VLAN tags off received frames, as bits of what is on. */
enum {
	NETDEV_STRIPS_CTAG = 1 << 0, /* 802.1Q */
	NETDEV_STRIPS_STAG = 1 << 1, /* 802.1ad */
};

/* Asks which of these are on. Returns 0 or -errno. */
int netdev_get_strip(const char *device, unsigned *strip);

/* Switches them on and off. Returns 0 or -errno; what a device cannot switch stays as it is. */
int netdev_set_strip(const char *device, unsigned strip);

/* What the kernel has counted of the device. Returns 0 or -errno. */
int netdev_stats(unsigned ifindex, struct rtnl_link_stats64 *stats);

/* One of the driver's own counters, as ethtool -S names them. Returns 0 or -errno (-ENOENT, -EOPNOTSUPP: it has
 * none of that name). */
int netdev_counter(const char *device, const char *name, uint64_t *value);

/* Opens a socket that, as long as it is open, lets frames for `mac` and all multicast through the
 * device's filters. Returns the descriptor or -errno. */
int netdev_open_filter(unsigned ifindex, const uint8_t mac[6]);

#endif
