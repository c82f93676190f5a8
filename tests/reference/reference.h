/* SPDX-License-Identifier: BSD-2-Clause */
/* What a router must do with a frame, written slowly and obviously from the RFCs: byte by byte,
 * linear search through plain lists, checksums from the whole header. It shares the names of the
 * fates (program/reasons.h) with the packet program and nothing else: it is there to be compared
 * with it (twin.h). */
#ifndef TESTS_REFERENCE_REFERENCE_H
#define TESTS_REFERENCE_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../router/program/reasons.h"

#define REF_PORTS_MAX 8u
#define REF_HOPS_MAX 48u
#define REF_MEMBERS_MAX 16u
#define REF_ROUTES_MAX 96u
#define REF_NEIGHBOURS_MAX 48u
#define REF_FRAME_MAX 2048u

/* An address: 4 or 16 bytes in the wire's order, the rest zero. */
struct ref_addr {
	unsigned n_bytes;
	uint8_t bytes[16];
};

enum ref_kind {
	REF_UNUSED,
	REF_PUNT,
	REF_DROP,
	REF_FORWARD, /* to the neighbour `dmac` out of `port` */
	REF_NETWORK, /* connected: each destination is a neighbour on `port`, or unknown */
	REF_GROUP,   /* equal-cost paths */
};

struct ref_hop {
	enum ref_kind kind;
	enum reason reason; /* PUNT, DROP; NETWORK: punted so while the neighbour is unknown */
	unsigned mtu;	    /* IP bytes */
	unsigned port;
	uint8_t dmac[6], smac[6];
	unsigned n_members; /* GROUP */
	unsigned members[REF_MEMBERS_MAX];
	unsigned weights[REF_MEMBERS_MAX];
};

struct ref_route {
	struct ref_addr addr; /* n_bytes 0: unused */
	unsigned len;	      /* bits */
	unsigned hop;
};

struct ref_neighbour {
	struct ref_addr addr; /* n_bytes 0: unused */
	unsigned port;
	unsigned hop;
};

struct ref_port {
	uint8_t mac[6];
	bool up;
};

/* All that a router knows. An address without a route is punted with REASON_NO_ROUTE. */
struct ref_router {
	struct ref_port ports[REF_PORTS_MAX];
	struct ref_hop hops[REF_HOPS_MAX];
	struct ref_route routes[REF_ROUTES_MAX];
	struct ref_neighbour neighbours[REF_NEIGHBOURS_MAX];
	unsigned n_routes, n_neighbours; /* places to look at, unused ones among them */
};

enum ref_fate { REF_SENT, REF_PUNTED, REF_DROPPED };

struct ref_result {
	enum ref_fate fate;
	unsigned port;	    /* SENT: out of this */
	enum reason reason; /* PUNTED, DROPPED */
	unsigned len;	    /* SENT: bytes, no padding */
	uint8_t frame[REF_FRAME_MAX];
	/* It went over a group, and this is its flow: packets of one flow must take one way. */
	bool by_group;
	uint8_t flow[40];
};

/* Says what must become of the `len` bytes at `frame`, at most REF_FRAME_MAX, that came in on
 * `port`, if the group of paths that it comes to, should there be one, sends it by its member
 * `way`. Returns how many ways there are: 1, or the members of that group. */
unsigned reference(const struct ref_router *router, unsigned port, const uint8_t *frame,
		   unsigned len, unsigned way, struct ref_result *result);

/* The IPv4 header's checksum as it must be (RFC 1071), its own field taken as zero. `ip` has at
 * least `header_len` bytes. */
unsigned reference_checksum(const uint8_t *ip, unsigned header_len);

#endif
