/* SPDX-License-Identifier: BSD-2-Clause */
/* Netlink messages as the kernel builds them, for the tests of the mirror. */
#ifndef PEERLANE_TESTS_NETLINK_BUILD_H
#define PEERLANE_TESTS_NETLINK_BUILD_H

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>

#define BUILD_BYTES 8192

/* Room for one message, built from its front. */
struct build {
	char bytes[BUILD_BYTES] __attribute__((aligned(8)));
};

static inline struct nlmsghdr *build_begin(struct build *b, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(b, 0, sizeof(*b));
	nlh = mnl_nlmsg_put_header(b->bytes);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return nlh;
}

static inline void build_addr(struct nlmsghdr *nlh, uint16_t type, const char *text)
{
	uint8_t bytes[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	inet_pton(family, text, bytes);
	mnl_attr_put(nlh, type, family == AF_INET ? 4 : 16, bytes);
}

static inline const struct nlmsghdr *build_link(struct build *b, uint16_t type, unsigned ifindex,
						const char *name, unsigned flags, unsigned mtu,
						const uint8_t mac[6])
{
	struct nlmsghdr *nlh = build_begin(b, type, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	ifi->ifi_flags = flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
	return nlh;
}

static inline const struct nlmsghdr *build_neighbour(struct build *b, uint16_t type,
						     unsigned ifindex, const char *addr,
						     uint16_t state, const uint8_t *mac)
{
	struct nlmsghdr *nlh = build_begin(b, type, 0);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = state;
	build_addr(nlh, NDA_DST, addr);
	if (mac)
		mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
	return nlh;
}

/* A route without its hops; they are put behind it. */
static inline struct nlmsghdr *build_route(struct build *b, uint16_t type, uint16_t flags,
					   uint8_t rtn, const char *dst, uint8_t len,
					   uint32_t metric)
{
	struct nlmsghdr *nlh = build_begin(b, type, flags);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = strchr(dst, ':') ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = len;
	rtm->rtm_table = rtn == RTN_LOCAL || rtn == RTN_BROADCAST || rtn == RTN_ANYCAST ||
					 rtn == RTN_MULTICAST
				 ? RT_TABLE_LOCAL
				 : RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = rtn;
	mnl_attr_put_u32(nlh, RTA_TABLE, rtm->rtm_table);
	if (len)
		build_addr(nlh, RTA_DST, dst);
	if (metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, metric);
	return nlh;
}

/* A unicast route by one hop; `gateway` NULL: connected. */
static inline const struct nlmsghdr *build_via(struct build *b, uint16_t type, uint16_t flags,
					       const char *dst, uint8_t len, uint32_t metric,
					       const char *gateway, unsigned ifindex)
{
	struct nlmsghdr *nlh = build_route(b, type, flags, RTN_UNICAST, dst, len, metric);

	if (gateway)
		build_addr(nlh, RTA_GATEWAY, gateway);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	return nlh;
}

struct build_hop {
	const char *gateway;
	unsigned ifindex;
	unsigned weight;
};

static inline void build_multipath(struct nlmsghdr *nlh, const struct build_hop *hops, unsigned n)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, RTA_MULTIPATH);

	nest->nla_type = RTA_MULTIPATH; /* the kernel sets no NLA_F_NESTED here */
	for (unsigned i = 0; i < n; i++) {
		struct rtnexthop *rtnh = mnl_nlmsg_get_payload_tail(nlh);

		*rtnh = (struct rtnexthop){.rtnh_len = sizeof(*rtnh),
					   .rtnh_hops = (unsigned char)(hops[i].weight - 1),
					   .rtnh_ifindex = (int)hops[i].ifindex};
		nlh->nlmsg_len += sizeof(*rtnh);
		if (hops[i].gateway)
			build_addr(nlh, RTA_GATEWAY, hops[i].gateway);
		rtnh->rtnh_len =
			(unsigned short)((char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)rtnh);
	}
	mnl_attr_nest_end(nlh, nest);
}

#endif
