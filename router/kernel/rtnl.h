/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror's rtnetlink sockets. All non-blocking; control thread only. */
#ifndef PEERLANE_KERNEL_RTNL_H
#define PEERLANE_KERNEL_RTNL_H

#include <libmnl/libmnl.h>
#include <peerlane/error.h>
#include <stdbool.h>
#include <stdint.h>

#include "../tables/prefix.h"

/* Room for one receive: the kernel fills up to 32 KiB per call, a notification is far smaller. */
#define RTNL_BUFFER_BYTES (64u * 1024)

struct rtnl {
	struct mnl_socket *notify; /* of addresses, next hop objects, routes, rules */
	struct mnl_socket *live;   /* of links and neighbours, which must not wait for a dump */
	struct mnl_socket *dump;
	struct mnl_socket *ask; /* to look after neighbours */
	uint32_t dump_seq;	/* of the dump last asked for: its answers carry it */
};

/* Opens and subscribes. Returns 0, or -errno with `err` filled and nothing left open. */
int rtnl_open(struct rtnl *s, struct pl_error *err);
void rtnl_close(struct rtnl *s);

/* Receive buffer of the notification sockets, beyond net.core.rmem_max where we may. */
void rtnl_set_buffer(struct rtnl *s, unsigned bytes);

/* Asks for all objects of `type` (RTM_GET*) and `family`. Returns 0 or -errno. */
int rtnl_dump(struct rtnl *s, uint16_t type, uint8_t family);

/* Reads one datagram from the kernel. Returns its length, 0 if there is none, or -errno (-ENOBUFS:
 * some were lost). */
int rtnl_receive(struct mnl_socket *socket, void *buffer, size_t len);

/* Has the kernel resolve or confirm a neighbour (NTF_USE), making it if need be. `external`: it is
 * known as NTF_EXT_LEARNED, which it would lose were it not said again. Errors are the kernel's to
 * keep: the neighbour is asked for again. */
void rtnl_use_neighbour(struct rtnl *s, unsigned ifindex, const struct ip_addr *addr,
			bool external);

/* How often, since it started, the kernel has refused to make a neighbour of `family` because its
 * table was full. Returns 0 or -errno. */
int rtnl_neighbours_refused(struct rtnl *s, uint8_t family, uint64_t *refused);

#endif
