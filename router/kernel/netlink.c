/* SPDX-License-Identifier: BSD-2-Clause */
#include "netlink.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hash.h"
#include "netlink_private.h"

int nl_collect(const void *data, size_t len, struct nl_attr *tb, unsigned max, bool *unknown)
{
	const char *p = data;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		unsigned type = a->nla_type & NLA_TYPE_MASK;
		size_t step;

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return -EBADMSG;
		if (type <= max)
			tb[type] = (struct nl_attr){p + NLA_HDRLEN, a->nla_len - NLA_HDRLEN};
		else if (unknown)
			*unknown = true;
		step = NLA_ALIGN(a->nla_len);
		if (step >= len)
			return 0;
		p += step;
		len -= step;
	}
	return len ? -EBADMSG : 0;
}

int nl_collect_message(const struct nlmsghdr *nlh, size_t header, struct nl_attr *tb, unsigned max,
		       bool *unknown)
{
	size_t payload = nlh->nlmsg_len - NLMSG_HDRLEN;
	size_t skip = NLMSG_ALIGN(header);

	if (payload < header)
		return -EBADMSG;
	if (payload <= skip) {
		memset(tb, 0, (max + 1) * sizeof(*tb));
		return 0;
	}
	return nl_collect((const char *)nlh + NLMSG_HDRLEN + skip, payload - skip, tb, max,
			  unknown);
}

bool nl_get_u32(const struct nl_attr *a, uint32_t *value)
{
	if (!a->data)
		return true;
	if (a->len < sizeof(*value))
		return false;
	memcpy(value, a->data, sizeof(*value));
	return true;
}

bool nl_get_addr(const struct nl_attr *a, uint8_t family, struct ip_addr *addr)
{
	unsigned n = nl_addr_bytes(family);

	if (!a->data)
		return true;
	if (!n || a->len != n)
		return false;
	*addr = (struct ip_addr){.family = family};
	memcpy(addr->bytes, a->data, n);
	return true;
}

/* RTA_VIA: a gateway of another family than the route's. */
static bool get_via(const struct nl_attr *a, struct ip_addr *addr)
{
	uint16_t family;
	struct nl_attr rest;

	if (!a->data)
		return true;
	if (a->len < sizeof(family))
		return false;
	memcpy(&family, a->data, sizeof(family));
	rest = (struct nl_attr){(const char *)a->data + sizeof(family), a->len - sizeof(family)};
	if (family > UINT8_MAX)
		return false;
	return nl_get_addr(&rest, (uint8_t)family, addr);
}

static int parse_link(const struct nlmsghdr *nlh, struct nl_link *link)
{
	const struct ifinfomsg *ifi = nl_header(nlh);
	struct nl_attr tb[IFLA_MASTER + 1];
	size_t n;

	if (nl_collect_message(nlh, sizeof(*ifi), tb, IFLA_MASTER, NULL))
		return -EBADMSG;
	/* AF_BRIDGE speaks of a bridge's port, not of the interface. */
	if (ifi->ifi_family != AF_UNSPEC)
		return 0;
	if (ifi->ifi_index <= 0 || !nl_get_u32(&tb[IFLA_MTU], &link->mtu) ||
	    !nl_get_u32(&tb[IFLA_MASTER], &link->master))
		return -EBADMSG;
	link->ifindex = (uint32_t)ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	if (tb[IFLA_IFNAME].data) {
		n = strnlen(tb[IFLA_IFNAME].data, tb[IFLA_IFNAME].len);
		if (n >= sizeof(link->name))
			return -EBADMSG;
		memcpy(link->name, tb[IFLA_IFNAME].data, n);
	}
	if (tb[IFLA_ADDRESS].data && tb[IFLA_ADDRESS].len == sizeof(link->mac))
		memcpy(link->mac, tb[IFLA_ADDRESS].data, sizeof(link->mac));
	return 1;
}

static int parse_addr(const struct nlmsghdr *nlh, struct nl_addr *addr)
{
	const struct ifaddrmsg *ifa = nl_header(nlh);
	struct nl_attr tb[IFA_LOCAL + 1];
	struct ip_addr a = {0};

	if (nl_collect_message(nlh, sizeof(*ifa), tb, IFA_LOCAL, NULL))
		return -EBADMSG;
	if (!nl_addr_bytes(ifa->ifa_family))
		return 0;
	/* IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, if there, ours. */
	if (!nl_get_addr(&tb[IFA_ADDRESS], ifa->ifa_family, &a) ||
	    !nl_get_addr(&tb[IFA_LOCAL], ifa->ifa_family, &a) || !a.family ||
	    ifa->ifa_prefixlen > 8 * nl_addr_bytes(ifa->ifa_family))
		return -EBADMSG;
	addr->ifindex = ifa->ifa_index;
	addr->prefix.family = ifa->ifa_family;
	addr->prefix.len = ifa->ifa_prefixlen;
	memcpy(addr->prefix.bytes, a.bytes, sizeof(a.bytes));
	return 1;
}

static int parse_neighbour(const struct nlmsghdr *nlh, struct nl_neighbour *n)
{
	const struct ndmsg *ndm = nl_header(nlh);
	struct nl_attr tb[NDA_FLAGS_EXT + 1];
	uint32_t flags = 0;

	if (nl_collect_message(nlh, sizeof(*ndm), tb, NDA_FLAGS_EXT, NULL))
		return -EBADMSG;
	/* AF_BRIDGE entries are forwarding databases; proxies have no address of their own. */
	if (!nl_addr_bytes(ndm->ndm_family) || ndm->ndm_flags & NTF_PROXY)
		return 0;
	if (ndm->ndm_ifindex <= 0 || !tb[NDA_DST].data ||
	    !nl_get_addr(&tb[NDA_DST], ndm->ndm_family, &n->addr))
		return -EBADMSG;
	n->ifindex = (uint32_t)ndm->ndm_ifindex;
	n->state = ndm->ndm_state;
	n->has_mac = tb[NDA_LLADDR].data && tb[NDA_LLADDR].len == sizeof(n->mac);
	if (n->has_mac)
		memcpy(n->mac, tb[NDA_LLADDR].data, sizeof(n->mac));
	if (tb[NDA_FLAGS_EXT].data && tb[NDA_FLAGS_EXT].len == sizeof(flags))
		memcpy(&flags, tb[NDA_FLAGS_EXT].data, sizeof(flags));
	n->external = ndm->ndm_flags & NTF_EXT_LEARNED;
	n->managed = flags & NTF_EXT_MANAGED;
	return 1;
}

/* What a route may say without our forwarding being wrong for not knowing it. RTA_SRC and NH_ID
 * are looked at; anything else (labels, encapsulation, what later kernels bring) makes the hop
 * opaque. */
static bool route_attr_known(unsigned type)
{
	switch (type) {
	case RTA_DST:
	case RTA_SRC:
	case RTA_IIF:
	case RTA_OIF:
	case RTA_GATEWAY:
	case RTA_PRIORITY:
	case RTA_PREFSRC:
	case RTA_METRICS:
	case RTA_MULTIPATH:
	case RTA_FLOW:
	case RTA_CACHEINFO:
	case RTA_TABLE:
	case RTA_MARK:
	case RTA_VIA:
	case RTA_PREF:
	case RTA_EXPIRES:
	case RTA_PAD:
	case RTA_UID:
	case RTA_TTL_PROPAGATE:
	case RTA_NH_ID:
		return true;
	default:
		return false;
	}
}

static bool any_unknown(const struct nl_attr *tb, unsigned max)
{
	for (unsigned type = 1; type <= max; type++)
		if (tb[type].data && !route_attr_known(type))
			return true;
	return false;
}

/* The gateway of a route or of one of its hops. */
static bool get_gateway(const struct nl_attr *tb, uint8_t family, struct ip_addr *gateway)
{
	return nl_get_addr(&tb[RTA_GATEWAY], family, gateway) && get_via(&tb[RTA_VIA], gateway);
}

static uint8_t hop_flags(uint8_t family, bool opaque, unsigned rtnh_flags)
{
	bool onlink = family == AF_INET && rtnh_flags & RTNH_F_ONLINK;

	return (uint8_t)((opaque ? NL_HOP_OPAQUE : 0) | (onlink ? NL_HOP_ONLINK : 0) |
			 (rtnh_flags & RTNH_F_DEAD ? NL_HOP_DEAD : 0));
}

static int parse_multipath(const struct nl_attr *mp, struct nl_message *out, bool opaque)
{
	struct nl_route *route = &out->route;
	const char *p = mp->data;
	size_t left = mp->len;

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *rtnh = (const void *)p;
		struct nl_hop hop = {.ifindex = (uint32_t)rtnh->rtnh_ifindex,
				     .weight = (uint16_t)(rtnh->rtnh_hops + 1u)};
		struct nl_attr tb[RTA_MAX + 1];
		bool unknown = opaque;
		size_t step;

		if (rtnh->rtnh_len < sizeof(*rtnh) || rtnh->rtnh_len > left ||
		    nl_collect(p + sizeof(*rtnh), rtnh->rtnh_len - sizeof(*rtnh), tb, RTA_MAX,
			       &unknown) ||
		    !get_gateway(tb, route->prefix.family, &hop.gateway))
			return -EBADMSG;
		hop.flags = hop_flags(route->prefix.family, unknown || any_unknown(tb, RTA_MAX),
				      rtnh->rtnh_flags);
		if (route->n_hops < NL_HOPS_MAX)
			out->hops[route->n_hops++] = hop;
		else
			route->cut = true;
		step = RTNH_ALIGN(rtnh->rtnh_len);
		if (step >= left)
			return 0;
		p += step;
		left -= step;
	}
	return left ? -EBADMSG : 0;
}

static int parse_metrics(const struct nl_attr *metrics, struct nl_route *route)
{
	struct nl_attr tb[RTAX_MAX + 1];

	if (!metrics->data)
		return 0;
	if (nl_collect(metrics->data, metrics->len, tb, RTAX_MAX, NULL) ||
	    !nl_get_u32(&tb[RTAX_MTU], &route->mtu))
		return -EBADMSG;
	return 0;
}

/* In an order in which dead and alive are alike. */
static int hop_compare(const void *a, const void *b)
{
	struct nl_hop x = *(const struct nl_hop *)a, y = *(const struct nl_hop *)b;

	x.flags &= (uint8_t)~NL_HOP_DEAD;
	y.flags &= (uint8_t)~NL_HOP_DEAD;
	return memcmp(&x, &y, sizeof(x));
}

static int parse_hops(const struct nl_attr *tb, struct nl_message *out, bool opaque, unsigned flags)
{
	struct nl_route *route = &out->route;

	opaque = opaque || any_unknown(tb, RTA_MAX);
	if (route->nh_id)
		return 0;
	if (tb[RTA_MULTIPATH].data) {
		if (parse_multipath(&tb[RTA_MULTIPATH], out, opaque))
			return -EBADMSG;
		/* The kernel starts IPv6's circle of siblings anywhere. */
		if (route->prefix.family == AF_INET6)
			qsort(out->hops, route->n_hops, sizeof(*out->hops), hop_compare);
		return 0;
	}
	if (!tb[RTA_OIF].data && !tb[RTA_GATEWAY].data && !tb[RTA_VIA].data)
		return 0;
	out->hops[0] = (struct nl_hop){.weight = 1,
				       .flags = hop_flags(route->prefix.family, opaque, flags)};
	route->n_hops = 1;
	return nl_get_u32(&tb[RTA_OIF], &out->hops[0].ifindex) &&
			       get_gateway(tb, route->prefix.family, &out->hops[0].gateway)
		       ? 0
		       : -EBADMSG;
}

static int parse_route(const struct nlmsghdr *nlh, struct nl_message *out)
{
	const struct rtmsg *rtm = nl_header(nlh);
	struct nl_route *route = &out->route;
	struct nl_attr tb[RTA_MAX + 1];
	struct ip_addr dst = {0};
	bool unknown = false;

	if (nl_collect_message(nlh, sizeof(*rtm), tb, RTA_MAX, &unknown))
		return -EBADMSG;
	if (!nl_addr_bytes(rtm->rtm_family) || rtm->rtm_flags & RTM_F_CLONED)
		return 0;
	route->table = rtm->rtm_table;
	if (rtm->rtm_dst_len > 8 * nl_addr_bytes(rtm->rtm_family) ||
	    !nl_get_addr(&tb[RTA_DST], rtm->rtm_family, &dst) ||
	    (rtm->rtm_dst_len && !tb[RTA_DST].data) || !nl_get_u32(&tb[RTA_TABLE], &route->table) ||
	    !nl_get_u32(&tb[RTA_PRIORITY], &route->metric) ||
	    !nl_get_u32(&tb[RTA_NH_ID], &route->nh_id) || parse_metrics(&tb[RTA_METRICS], route))
		return -EBADMSG;
	route->prefix = prefix_make(rtm->rtm_family, dst.bytes, rtm->rtm_dst_len);
	/* Over a next hop object the kernel calls a route a blackhole while the object is one; that is
	 * the object's to say, which may be replaced without a word on its routes. */
	route->type = route->nh_id && rtm->rtm_type == RTN_BLACKHOLE ? RTN_UNICAST : rtm->rtm_type;
	route->protocol = rtm->rtm_protocol;
	route->scope = rtm->rtm_scope;
	route->tos = rtm->rtm_tos;
	route->by_source = rtm->rtm_src_len != 0;
	if (route->by_source)
		route->source_hash =
			hash_bytes(rtm->rtm_src_len, tb[RTA_SRC].data, tb[RTA_SRC].len);
	if (rtm->rtm_family == AF_INET) {
		if (!nl_get_addr(&tb[RTA_PREFSRC], AF_INET, &route->source))
			return -EBADMSG;
		route->rest = hash_bytes(1, tb[RTA_PREFSRC].data, tb[RTA_PREFSRC].len);
		route->rest = hash_bytes(route->rest, tb[RTA_METRICS].data, tb[RTA_METRICS].len);
		route->rest = hash_bytes(route->rest, tb[RTA_FLOW].data, tb[RTA_FLOW].len);
	}
	return parse_hops(tb, out, unknown, rtm->rtm_flags) ? -EBADMSG : 1;
}

/* A member as in NHA_GROUP. The headers' struct names the second weight byte, of use from Linux 6.12
 * on and zero before, differently from version to version. */
struct group_member {
	uint32_t id;
	uint8_t weight; /* less one */
	uint8_t weight_high;
	uint16_t reserved;
};
_Static_assert(sizeof(struct group_member) == sizeof(struct nexthop_grp), "the kernel's layout");

static int parse_group(const struct nl_attr *group, struct nl_message *out)
{
	struct nl_nexthop *nh = &out->nexthop;
	const char *p = group->data;
	unsigned n = group->len / sizeof(struct group_member);

	if (!n || group->len % sizeof(struct group_member))
		return -EBADMSG;
	nh->cut = n > NL_HOPS_MAX;
	nh->n_members = nh->cut ? NL_HOPS_MAX : n;
	for (unsigned i = 0; i < nh->n_members; i++) {
		struct group_member member;

		memcpy(&member, p + i * sizeof(member), sizeof(member));
		out->members[i] = (struct nl_member){
			.id = member.id,
			.weight = (member.weight | member.weight_high << 8) + 1u,
		};
	}
	return 1;
}

static int parse_nexthop(const struct nlmsghdr *nlh, struct nl_message *out)
{
	const struct nhmsg *nhm = nl_header(nlh);
	struct nl_nexthop *nh = &out->nexthop;
	struct nl_attr tb[NHA_FDB + 1];

	if (nl_collect_message(nlh, sizeof(*nhm), tb, NHA_FDB, NULL) || !tb[NHA_ID].data ||
	    !nl_get_u32(&tb[NHA_ID], &nh->id) || !nh->id)
		return -EBADMSG;
	if (tb[NHA_FDB].data) /* of bridges, never of routes */
		return 0;
	if (tb[NHA_GROUP].data)
		return parse_group(&tb[NHA_GROUP], out);
	nh->blackhole = tb[NHA_BLACKHOLE].data != NULL;
	nh->hop.weight = 1;
	nh->hop.flags = hop_flags(AF_UNSPEC, tb[NHA_ENCAP].data || tb[NHA_ENCAP_TYPE].data, 0);
	if (!nl_get_u32(&tb[NHA_OIF], &nh->hop.ifindex) ||
	    !nl_get_addr(&tb[NHA_GATEWAY], nhm->nh_family, &nh->hop.gateway))
		return -EBADMSG;
	return 1;
}

int nl_parse(const struct nlmsghdr *nlh, struct nl_message *out)
{
	if (nlh->nlmsg_len < NLMSG_HDRLEN)
		return -EBADMSG;
	/* Everything but the arrays, which have their counts. */
	memset(out, 0, offsetof(struct nl_message, hops));
	out->flags = nlh->nlmsg_flags;

	switch (nlh->nlmsg_type) {
	case RTM_DELLINK:
	case RTM_NEWLINK:
		out->kind = NL_LINK;
		out->del = nlh->nlmsg_type == RTM_DELLINK;
		return parse_link(nlh, &out->link);
	case RTM_DELADDR:
	case RTM_NEWADDR:
		out->kind = NL_ADDR;
		out->del = nlh->nlmsg_type == RTM_DELADDR;
		return parse_addr(nlh, &out->addr);
	case RTM_DELNEIGH:
	case RTM_NEWNEIGH:
		out->kind = NL_NEIGHBOUR;
		out->del = nlh->nlmsg_type == RTM_DELNEIGH;
		return parse_neighbour(nlh, &out->neighbour);
	case RTM_DELROUTE:
	case RTM_NEWROUTE:
		out->kind = NL_ROUTE;
		out->del = nlh->nlmsg_type == RTM_DELROUTE;
		return parse_route(nlh, out);
	case RTM_DELNEXTHOP:
	case RTM_NEWNEXTHOP:
		out->kind = NL_NEXTHOP;
		out->del = nlh->nlmsg_type == RTM_DELNEXTHOP;
		return parse_nexthop(nlh, out);
	case RTM_DELRULE:
	case RTM_NEWRULE:
		out->kind = NL_RULE;
		out->del = nlh->nlmsg_type == RTM_DELRULE;
		return nl_parse_rule(nlh, &out->rule);
	default:
		return 0;
	}
}

unsigned nl_parse_all(const void *data, size_t len, void (*fn)(void *, const struct nl_message *),
		      void *ctx)
{
	const char *p = data;
	struct nl_message *msg = malloc(sizeof(*msg));
	unsigned malformed = 0;

	while (msg && len >= NLMSG_HDRLEN) {
		const struct nlmsghdr *nlh = (const void *)p;
		size_t step;
		int rc;

		if (nlh->nlmsg_len < NLMSG_HDRLEN || nlh->nlmsg_len > len) {
			malformed++;
			break;
		}
		rc = nl_parse(nlh, msg);
		if (rc < 0)
			malformed++;
		else if (rc > 0 && fn)
			fn(ctx, msg);
		step = NLMSG_ALIGN(nlh->nlmsg_len);
		if (step >= len)
			break;
		p += step;
		len -= step;
	}
	free(msg);
	return malformed;
}
