/* SPDX-License-Identifier: BSD-2-Clause */
/* The netlink parser: what it reads, and that no bytes can hurt it. Run under ASan and UBSan. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../router/kernel/netlink.h"
#include "netlink_build.h"

static const uint8_t MAC[6] = {2, 0, 0, 0, 0, 9};
static struct nl_message msg;

static void assert_addr(const struct ip_addr *addr, const char *text)
{
	struct ip_addr wanted;

	assert_int_equal(ip_addr_parse(text, &wanted), 0);
	assert_memory_equal(addr, &wanted, sizeof(wanted));
}

/* Notifications recorded from Linux 6.18: the layout is the kernel's, not this test's. */

/* ip route add 10.9.0.0/16 via 10.0.0.2 dev f0 metric 7 */
static const uint8_t recorded4[] __attribute__((aligned(4))) = {
	0x44, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x06, 0xd6, 0xce, 0x03, 0x6b, 0x14, 0x12,
	0x00, 0x00, 0x02, 0x10, 0x00, 0x00, 0xfe, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x08, 0x00, 0x0f, 0x00, 0xfe, 0x00, 0x00, 0x00, 0x08, 0x00, 0x01, 0x00, 0x0a, 0x09,
	0x00, 0x00, 0x08, 0x00, 0x06, 0x00, 0x07, 0x00, 0x00, 0x00, 0x08, 0x00, 0x05, 0x00,
	0x0a, 0x00, 0x00, 0x02, 0x08, 0x00, 0x04, 0x00, 0x05, 0x00, 0x00, 0x00,
};

/* ip -6 route append 2001:db8::/32 via fd00::3, where there was one via fd00::2 */
static const uint8_t recorded6[] __attribute__((aligned(4))) = {
	0xa8, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x0c, 0xd7, 0xce, 0x03, 0x6b, 0x1c, 0x12,
	0x00, 0x00, 0x0a, 0x20, 0x00, 0x00, 0xfe, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x08, 0x00, 0x0f, 0x00, 0xfe, 0x00, 0x00, 0x00, 0x14, 0x00, 0x01, 0x00, 0x20, 0x01,
	0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x08, 0x00, 0x06, 0x00, 0x00, 0x04, 0x00, 0x00, 0x3c, 0x00, 0x09, 0x00, 0x1c, 0x00,
	0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x14, 0x00, 0x05, 0x00, 0xfd, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x1c, 0x00,
	0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x14, 0x00, 0x05, 0x00, 0xfd, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x24, 0x00,
	0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static void test_recorded(void **state)
{
	(void)state;

	assert_int_equal(nl_parse((const void *)recorded4, &msg), 1);
	assert_int_equal(msg.kind, NL_ROUTE);
	assert_false(msg.del);
	assert_int_equal(msg.route.prefix.family, AF_INET);
	assert_int_equal(msg.route.prefix.len, 16);
	assert_int_equal(msg.route.prefix.bytes[1], 9);
	assert_int_equal(msg.route.table, RT_TABLE_MAIN);
	assert_int_equal(msg.route.type, RTN_UNICAST);
	assert_int_equal(msg.route.metric, 7);
	assert_int_equal(msg.route.protocol, RTPROT_BOOT);
	assert_int_equal(msg.route.n_hops, 1);
	assert_int_equal(msg.hops[0].ifindex, 5);
	assert_int_equal(msg.hops[0].weight, 1);
	assert_false(msg.hops[0].flags);
	assert_addr(&msg.hops[0].gateway, "10.0.0.2");

	assert_int_equal(nl_parse((const void *)recorded6, &msg), 1);
	assert_int_equal(msg.flags & NLM_F_APPEND, NLM_F_APPEND);
	assert_int_equal(msg.route.prefix.len, 32);
	assert_int_equal(msg.route.metric, 1024);
	assert_int_equal(msg.route.n_hops, 2);
	assert_false(msg.hops[0].flags);
	assert_addr(&msg.hops[0].gateway, "fd00::2");
	assert_addr(&msg.hops[1].gateway, "fd00::3");
}

static void test_link(void **state)
{
	struct build b;
	struct nlmsghdr *nlh;
	(void)state;

	nlh = (struct nlmsghdr *)build_link(&b, RTM_NEWLINK, 7, "pl0", IFF_UP | IFF_LOWER_UP, 1500,
					    MAC);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_int_equal(msg.link.ifindex, 7);
	assert_string_equal(msg.link.name, "pl0");
	assert_int_equal(msg.link.mtu, 1500);
	assert_memory_equal(msg.link.mac, MAC, 6);
	/* A bridge that lets go of a port says DELLINK of it. */
	((struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_family = AF_BRIDGE;
	nlh->nlmsg_type = RTM_DELLINK;
	assert_int_equal(nl_parse(nlh, &msg), 0);
}

static void test_neighbour(void **state)
{
	struct build b;
	struct nlmsghdr *nlh;
	(void)state;

	nlh = (struct nlmsghdr *)build_neighbour(&b, RTM_NEWNEIGH, 7, "fd00::2", NUD_STALE, MAC);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_addr(&msg.neighbour.addr, "fd00::2");
	assert_true(msg.neighbour.has_mac);
	((struct ndmsg *)mnl_nlmsg_get_payload(nlh))->ndm_flags = NTF_PROXY;
	assert_int_equal(nl_parse(nlh, &msg), 0);
	((struct ndmsg *)mnl_nlmsg_get_payload(nlh))->ndm_flags = 0;
	((struct ndmsg *)mnl_nlmsg_get_payload(nlh))->ndm_family = AF_BRIDGE;
	assert_int_equal(nl_parse(nlh, &msg), 0);
	/* An IPv6 address where an IPv4 one belongs. */
	((struct ndmsg *)mnl_nlmsg_get_payload(nlh))->ndm_family = AF_INET;
	assert_int_equal(nl_parse(nlh, &msg), -EBADMSG);
}

static void test_multipath(void **state)
{
	const struct build_hop hops[] = {{"10.0.1.2", 8, 256}, {NULL, 7, 1}};
	struct build b;
	struct nlmsghdr *nlh = build_route(&b, RTM_NEWROUTE, 0, RTN_UNICAST, "10.9.0.0", 16, 0);
	(void)state;

	build_multipath(nlh, hops, 2);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_int_equal(msg.route.n_hops, 2);
	assert_int_equal(msg.hops[0].weight, 256);
	assert_int_equal(msg.hops[0].ifindex, 8);
	assert_addr(&msg.hops[0].gateway, "10.0.1.2");
	assert_int_equal(msg.hops[1].gateway.family, 0);
}

/* IPv6 siblings are the same set wherever their circle begins. */
static void test_siblings_in_one_order(void **state)
{
	const struct build_hop one[] = {{"fd00::2", 7, 1}, {"fd00::3", 7, 2}, {"fd01::2", 8, 1}};
	const struct build_hop two[] = {{"fd01::2", 8, 1}, {"fd00::2", 7, 1}, {"fd00::3", 7, 2}};
	static struct nl_message other;
	struct build b;
	struct nlmsghdr *nlh;
	(void)state;

	nlh = build_route(&b, RTM_NEWROUTE, 0, RTN_UNICAST, "2001:db8::", 32, 1024);
	build_multipath(nlh, one, 3);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	nlh = build_route(&b, RTM_NEWROUTE, 0, RTN_UNICAST, "2001:db8::", 32, 1024);
	build_multipath(nlh, two, 3);
	assert_int_equal(nl_parse(nlh, &other), 1);
	assert_memory_equal(msg.hops, other.hops, 3 * sizeof(msg.hops[0]));
}

static void test_many_hops_are_cut(void **state)
{
	static struct build_hop hops[300];
	struct build b;
	struct nlmsghdr *nlh = build_route(&b, RTM_NEWROUTE, 0, RTN_UNICAST, "10.9.0.0", 16, 0);
	(void)state;

	for (unsigned i = 0; i < 300; i++)
		hops[i] = (struct build_hop){"10.0.0.2", i + 1, 1};
	build_multipath(nlh, hops, 300);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_int_equal(msg.route.n_hops, NL_HOPS_MAX);
	assert_true(msg.route.cut);
}

static void test_route_details(void **state)
{
	struct build b;
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	uint8_t via[18] = {AF_INET6, 0, 0xfe, 0x80, [17] = 1};
	(void)state;

	/* IPv4 via IPv6, with an MTU. */
	nlh = build_route(&b, RTM_NEWROUTE, 0, RTN_UNICAST, "10.9.0.0", 16, 0);
	mnl_attr_put(nlh, RTA_VIA, sizeof(via), via);
	mnl_attr_put_u32(nlh, RTA_OIF, 7);
	nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	mnl_attr_put_u32(nlh, RTAX_MTU, 1400);
	mnl_attr_nest_end(nlh, nest);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_addr(&msg.hops[0].gateway, "fe80::1");
	assert_int_equal(msg.route.mtu, 1400);
	assert_false(msg.hops[0].flags);

	/* Encapsulated. */
	nlh = (struct nlmsghdr *)build_via(&b, RTM_NEWROUTE, 0, "10.9.0.0", 16, 0, "10.0.0.2", 7);
	mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, 1);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_int_equal(msg.hops[0].flags, NL_HOP_OPAQUE);

	/* An attribute of a kernel to come. */
	nlh = (struct nlmsghdr *)build_via(&b, RTM_NEWROUTE, 0, "10.9.0.0", 16, 0, "10.0.0.2", 7);
	mnl_attr_put_u32(nlh, 200, 1);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_int_equal(msg.hops[0].flags, NL_HOP_OPAQUE);

	/* A table beyond 255, and bits behind the prefix length. */
	nlh = (struct nlmsghdr *)build_via(&b, RTM_NEWROUTE, 0, "10.9.1.1", 16, 0, "10.0.0.2", 7);
	mnl_attr_put_u32(nlh, RTA_TABLE, 1000);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_int_equal(msg.route.table, 1000);
	assert_int_equal(msg.route.prefix.bytes[2], 0);

	/* A learnt exception of the cache. */
	((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_flags = RTM_F_CLONED;
	assert_int_equal(nl_parse(nlh, &msg), 0);
}

static void test_nexthop(void **state)
{
	struct build b;
	struct nlmsghdr *nlh = build_begin(&b, RTM_NEWNEXTHOP, 0);
	struct nhmsg *nhm = mnl_nlmsg_put_extra_header(nlh, sizeof(*nhm));
	/* id 1 weight 4, id 2 weight 256 */
	const uint8_t group[] = {1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 255, 0, 0, 0};
	(void)state;

	mnl_attr_put_u32(nlh, NHA_ID, 10);
	mnl_attr_put(nlh, NHA_GROUP, sizeof(group), group);
	assert_int_equal(nl_parse(nlh, &msg), 1);
	assert_int_equal(msg.nexthop.n_members, 2);
	assert_int_equal(msg.members[0].weight, 4);
	assert_int_equal(msg.members[1].weight, 256);
	mnl_attr_put(nlh, NHA_GROUP, sizeof(group) - 1, group);
	assert_int_equal(nl_parse(nlh, &msg), -EBADMSG);
}

/* ---- malformed ---- */

/* One well-formed message of each kind. Returns how many. */
static unsigned samples(struct build *b)
{
	const struct build_hop hops[] = {{"fd00::2", 7, 1}, {"fd00::3", 7, 2}};
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	unsigned n = 0;

	build_link(&b[n++], RTM_NEWLINK, 7, "pl0", IFF_UP, 1500, MAC);
	build_neighbour(&b[n++], RTM_NEWNEIGH, 7, "10.0.0.2", NUD_REACHABLE, MAC);
	nlh = (struct nlmsghdr *)build_via(&b[n++], RTM_NEWROUTE, 0, "10.9.0.0", 16, 5, "10.0.0.2",
					   7);
	nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	mnl_attr_put_u32(nlh, RTAX_MTU, 1400);
	mnl_attr_nest_end(nlh, nest);
	nlh = build_route(&b[n++], RTM_NEWROUTE, 0, RTN_UNICAST, "2001:db8::", 32, 1024);
	build_multipath(nlh, hops, 2);
	nlh = build_begin(&b[n++], RTM_NEWADDR, 0);
	((struct ifaddrmsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg)))
		->ifa_family = AF_INET;
	build_addr(nlh, IFA_ADDRESS, "10.0.0.1");
	nlh = build_begin(&b[n++], RTM_NEWNEXTHOP, 0);
	((struct nhmsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct nhmsg)))->nh_family =
		AF_INET;
	mnl_attr_put_u32(nlh, NHA_ID, 1);
	build_addr(nlh, NHA_GATEWAY, "10.0.0.2");
	nlh = build_begin(&b[n++], RTM_NEWRULE, 0);
	((struct rtmsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtmsg)))->rtm_family =
		AF_INET;
	mnl_attr_put_u32(nlh, 6, 100); /* FRA_PRIORITY */
	return n;
}

/* Parses a copy whose end is the end of its allocation, so that ASan sees a step beyond. */
static int parse_exact(const void *bytes, size_t len)
{
	void *copy = malloc(len);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	((struct nlmsghdr *)copy)->nlmsg_len = (uint32_t)len;
	rc = nl_parse(copy, &msg);
	free(copy);
	return rc;
}

static void test_truncated(void **state)
{
	static struct build b[16];
	unsigned n = samples(b);
	(void)state;

	for (unsigned i = 0; i < n; i++) {
		const struct nlmsghdr *nlh = (const void *)b[i].bytes;

		assert_int_equal(parse_exact(nlh, nlh->nlmsg_len), 1);
		for (size_t len = NLMSG_HDRLEN; len < nlh->nlmsg_len; len++) {
			int rc = parse_exact(nlh, len);

			assert_true(rc == 1 || rc == 0 || rc == -EBADMSG);
			/* Cut inside the family header, or inside the last attribute, which has at
			 * least 4 bytes and at most 3 of padding. */
			if (len < NLMSG_HDRLEN + 8u || len == nlh->nlmsg_len - 5u)
				assert_int_equal(rc, -EBADMSG);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What libFuzzer feeds: as one received datagram. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	nl_parse_all(copy, size, NULL, NULL);
	free(copy);
	return 0;
}

static void test_mutated(void **state)
{
	static struct build b[16];
	unsigned n = samples(b);
	uint32_t x = 12345;
	(void)state;

	for (unsigned round = 0; round < 200000; round++) {
		struct build copy = b[round % n];
		uint32_t len = ((struct nlmsghdr *)copy.bytes)->nlmsg_len;

		for (unsigned k = 0; k < 1 + round % 4; k++) {
			x = x * 1664525 + 1013904223;
			copy.bytes[NLMSG_HDRLEN + (x >> 8) % (len - NLMSG_HDRLEN)] =
				(char)(x & 1 ? x >> 24 : (x >> 24) % 24);
		}
		LLVMFuzzerTestOneInput((const uint8_t *)copy.bytes, len);
	}
}

#ifndef NETLINK_FUZZER
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_neighbour),
		cmocka_unit_test(test_multipath),
		cmocka_unit_test(test_siblings_in_one_order),
		cmocka_unit_test(test_many_hops_are_cut),
		cmocka_unit_test(test_route_details),
		cmocka_unit_test(test_nexthop),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
