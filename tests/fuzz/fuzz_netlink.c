/* SPDX-License-Identifier: BSD-2-Clause */
/* The netlink parser: any datagram is read without a byte too far, and what it says is within the
 * bounds that its users rely on. */
#include <stdlib.h>
#include <string.h>

#include "../../router/kernel/netlink.h"
#include "fuzz.h"

static void must(int ok)
{
	if (!ok)
		abort();
}

static unsigned bytes_of(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static void check_addr(const struct ip_addr *addr, int optional)
{
	must(bytes_of(addr->family) || (optional && addr->family == 0));
	for (unsigned i = bytes_of(addr->family); i < 16; i++)
		must(addr->bytes[i] == 0);
}

/* `exact`: nothing is set behind the length. */
static void check_prefix(const struct prefix *p, int exact)
{
	unsigned bits = 8 * bytes_of(p->family);

	must(bits && p->len <= bits);
	for (unsigned bit = exact ? p->len : bits; bit < 128; bit++)
		must(!(p->bytes[bit / 8] >> (7 - bit % 8) & 1));
}

static void check_hop(const struct nl_hop *hop)
{
	must(hop->weight >= 1);
	check_addr(&hop->gateway, 1);
}

static void check(void *ctx, const struct nl_message *msg)
{
	const struct nl_route *route = &msg->route;
	const struct nl_nexthop *nh = &msg->nexthop;

	(void)ctx;
	switch (msg->kind) {
	case NL_LINK:
		must(msg->link.ifindex > 0 && msg->link.ifindex <= INT32_MAX &&
		     memchr(msg->link.name, 0, sizeof(msg->link.name)));
		break;
	case NL_ADDR:
		check_prefix(&msg->addr.prefix, 0);
		break;
	case NL_NEIGHBOUR:
		must(msg->neighbour.ifindex > 0);
		check_addr(&msg->neighbour.addr, 0);
		break;
	case NL_ROUTE:
		check_prefix(&route->prefix, 1);
		check_addr(&route->source, 1);
		must(route->n_hops <= NL_HOPS_MAX && (!route->nh_id || !route->n_hops));
		for (unsigned i = 0; i < route->n_hops; i++)
			check_hop(&msg->hops[i]);
		break;
	case NL_NEXTHOP:
		must(nh->id && nh->n_members <= NL_HOPS_MAX);
		for (unsigned i = 0; i < nh->n_members; i++)
			must(msg->members[i].weight >= 1 && msg->members[i].weight <= 65536);
		if (!nh->n_members)
			check_hop(&nh->hop);
		break;
	case NL_RULE:
		must(bytes_of(msg->rule.family) != 0);
		break;
	default:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nl_parse_all(data, size, check, NULL);
	return 0;
}
