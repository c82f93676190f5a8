/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says over rtnetlink, as plain structs. A pure function of bytes: no socket, no
 * state, so that anything can be fed to it. */
#ifndef PEERLANE_KERNEL_NETLINK_H
#define PEERLANE_KERNEL_NETLINK_H

#include <linux/netlink.h>

#include "../tables/prefix.h"

enum nl_kind { NL_LINK, NL_ADDR, NL_NEXTHOP, NL_NEIGHBOUR, NL_ROUTE, NL_RULE, NL_KINDS };

struct nl_link {
	uint32_t ifindex;
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	char name[16];
	uint8_t mac[6];	 /* zero if it has none of 6 bytes */
	uint32_t master; /* interface that it belongs to: a bridge, a VRF; 0: none */
};

struct nl_addr {
	uint32_t ifindex;
	struct prefix prefix; /* the whole address, and its network's length */
};

struct nl_neighbour {
	uint32_t ifindex;
	uint16_t state; /* NUD_* */
	struct ip_addr addr;
	bool has_mac;
	uint8_t mac[6];
	bool external; /* put there by a daemon (NTF_EXT_LEARNED) */
	bool managed;  /* the kernel keeps it resolved by itself (NTF_EXT_MANAGED) */
};

/* One way out. No padding, so that hops can be hashed and compared as bytes. */
struct nl_hop {
	uint32_t ifindex;
	uint16_t weight;	/* 1 to 65535 */
	uint8_t flags;		/* NL_HOP_* */
	struct ip_addr gateway; /* family 0: directly connected */
};
#define NL_HOP_OPAQUE 1 /* encapsulated, or says something that we do not know */
#define NL_HOP_ONLINK 4 /* of IPv4 routes, which it tells apart */
#define NL_HOP_DEAD 2	/* the kernel does not use it, and may again without a word */

_Static_assert(sizeof(struct nl_hop) == 24, "no padding");

/* More hops than this, in one route or group, are cut off and reported. */
#define NL_HOPS_MAX 256

struct nl_route {
	struct prefix prefix;
	uint32_t table;
	uint32_t metric;
	uint32_t mtu;	/* of the route; 0: none */
	uint32_t nh_id; /* next hop object; 0: none. Then the hops are left out */
	uint8_t type;	/* RTN_* */
	uint8_t protocol;
	uint8_t scope;
	uint8_t tos;
	bool by_source;	      /* IPv6 source prefix */
	uint64_t source_hash; /* of that */
	bool cut;	      /* more than NL_HOPS_MAX hops */
	uint64_t
		rest; /* hash of what else tells two IPv4 routes apart: preferred source, metrics */
	struct ip_addr source; /* preferred, of an IPv4 route; family 0: none */
	unsigned n_hops;
};

struct nl_member {
	uint32_t id;
	uint32_t weight;
};

struct nl_nexthop {
	uint32_t id;
	bool blackhole;
	bool cut;
	unsigned n_members; /* 0: not a group, then `hop` */
	struct nl_hop hop;
};

struct nl_rule {
	uint8_t family;
	uint8_t action; /* FR_ACT_* */
	uint32_t priority;
	uint32_t table;
	bool plain;	/* has neither selector nor condition */
	uint64_t id;	/* hash of all that it says */
	char text[128]; /* as `ip rule` would print it */
};

struct nl_message {
	enum nl_kind kind;
	bool del;
	uint16_t flags; /* NLM_F_* */
	union {
		struct nl_link link;
		struct nl_addr addr;
		struct nl_neighbour neighbour;
		struct nl_route route;
		struct nl_nexthop nexthop;
		struct nl_rule rule;
	};
	struct nl_hop hops[NL_HOPS_MAX];       /* of a route */
	struct nl_member members[NL_HOPS_MAX]; /* of a next hop group */
};

/* Parses the message at `nlh`, all of whose nlmsg_len bytes are readable.
 *
 * Returns 1 with *out, 0 if it is of no interest here (another family or type, a cloned route), or
 * -EBADMSG if it is malformed. */
int nl_parse(const struct nlmsghdr *nlh, struct nl_message *out);

/* Parses every message in a buffer, as received (`data` is aligned to 4). `fn` is called for each
 * that is of interest. Returns how many were malformed; for fuzzing and tests. */
unsigned nl_parse_all(const void *data, size_t len, void (*fn)(void *, const struct nl_message *),
		      void *ctx);

#endif
