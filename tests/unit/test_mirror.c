/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror without a kernel: messages in, the image out. What the kernel itself would do is the
 * lab test's business (tests/lab/test_mirror.py); here is what a lab can hardly bring about. */
#include "mirror_help.h"

/* ---- tests ---- */

static void test_every_type(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t kind, reason;
	} types[] = {
		{RTN_LOCAL, NEXTHOP_PUNT, REASON_LOCAL},
		{RTN_BROADCAST, NEXTHOP_PUNT, REASON_BROADCAST},
		{RTN_ANYCAST, NEXTHOP_PUNT, REASON_LOCAL},
		{RTN_MULTICAST, NEXTHOP_PUNT, REASON_MULTICAST},
		{RTN_BLACKHOLE, NEXTHOP_DROP, REASON_BLACKHOLE},
		{RTN_UNREACHABLE, NEXTHOP_PUNT, REASON_UNREACHABLE},
		{RTN_PROHIBIT, NEXTHOP_PUNT, REASON_PROHIBIT},
		{RTN_THROW, NEXTHOP_PUNT, REASON_NO_ROUTE},
	};
	struct fixture *f = *state;

	/* Under a default route, so that "no route" must be said, not merely left. */
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "0.0.0.0", 0, 0, NULL, FACE0));
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "::", 0, 1024, NULL, FACE0));
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		static const char *const dst[] = {"192.0.2.1", "2001:db8::1"};

		for (unsigned k = 0; k < 2; k++) {
			uint8_t len = k ? 128 : 32;
			struct nlmsghdr *nlh;

			nlh = build_route(&f->b, RTM_NEWROUTE, CREATE, types[i].type, dst[k], len,
					  0);
			mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
			apply(f, nlh);
			commit(f);
			expect(f, dst[k], types[i].kind, types[i].reason);
			nlh->nlmsg_type = RTM_DELROUTE;
			apply(f, nlh);
			commit(f);
			expect(f, dst[k], NEXTHOP_GLEAN, 0);
		}
	}
	assert_false(f->r.doubt);
}

static void test_gateway_follows_its_neighbour(void **state)
{
	struct fixture *f = *state;
	uint64_t changes;

	via(f, RTM_NEWROUTE, CREATE, 0, "10.0.0.2", FACE0);
	commit(f);
	expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_UNRESOLVED);
	assert_int_equal(f->asked, 1);
	changes = f->r.stats.route_changes;

	/* At once, without a commit, and without a route being written. */
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	expect_forward(f, "10.9.0.1", 0, PEER, 1500);
	neighbour(f, "10.0.0.2", FACE0, NUD_STALE, PEER2);
	expect_forward(f, "10.9.0.1", 0, PEER2, 1500);
	neighbour(f, "10.0.0.2", FACE1, NUD_REACHABLE, PEER); /* of another port */
	expect_forward(f, "10.9.0.1", 0, PEER2, 1500);
	neighbour(f, "10.0.0.2", FACE0, NUD_FAILED, PEER2);
	expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_UNRESOLVED);
	neighbour(f, "10.0.0.2", FACE0, NUD_INCOMPLETE, NULL);
	expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_UNRESOLVED);
	neighbour(f, "10.0.0.2", FACE0, NUD_PERMANENT, PEER);
	expect_forward(f, "10.9.0.1", 0, PEER, 1500);
	apply(f, build_neighbour(&f->b, RTM_DELNEIGH, FACE0, "10.0.0.2", NUD_PERMANENT, PEER));
	expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_UNRESOLVED);
	assert_int_equal(f->r.stats.route_changes, changes);
}

static void test_mtu_and_mac_of_a_face(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	nlh = (struct nlmsghdr *)build_via(&f->b, RTM_NEWROUTE, CREATE, "10.9.0.0", 16, 0,
					   "10.0.0.2", FACE0);
	nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	mnl_attr_put_u32(nlh, RTAX_MTU, 1400);
	mnl_attr_nest_end(nlh, nest);
	apply(f, nlh);
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.8.0.0", 16, 0, "10.0.0.2", FACE0));
	commit(f);
	expect_forward(f, "10.9.0.1", 0, PEER, 1400);
	expect_forward(f, "10.8.0.1", 0, PEER, 1500);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", UP, 1300, PEER2));
	expect_forward(f, "10.9.0.1", 0, PEER, 1300);
	expect_forward(f, "10.8.0.1", 0, PEER, 1300);
	assert_memory_equal(f->r.ports[0].mac, PEER2, 6);
}

static void test_ports_go_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tables_view(f->tables)->ports[0].mac & 1, 1);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", 0, 1500, MAC0));
	assert_int_equal(tables_view(f->tables)->ports[0].mac & 1, 0);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", UP, 1500, MAC0));
	assert_int_equal(tables_view(f->tables)->ports[0].mac & 1, 1);
	apply(f, build_link(&f->b, RTM_DELLINK, FACE0, "pl0", UP, 1500, MAC0));
	assert_int_equal(tables_view(f->tables)->ports[0].mac & 1, 0);
	assert_false(f->r.doubt);
}

/* ---- what the kernel does without a word, and what it does not ---- */

static void test_unused_objects_come_and_go(void **state)
{
	struct fixture *f = *state;

	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
	over_object(f, "10.9.0.0", 1);
	for (uint32_t i = 0; i < 20; i++) {
		object(f, RTM_NEWNEXTHOP, 2, "10.0.0.3");
		object(f, RTM_DELNEXTHOP, 2, "10.0.0.3");
	}
	expect_doubt(f, false);
	object(f, RTM_DELNEXTHOP, 1, "10.0.0.2");
	expect_doubt(f, true);
}

static void test_object_used_through_a_group(void **state)
{
	struct fixture *f = *state;

	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
	group_of(f, 7, 1);
	over_object(f, "10.9.0.0", 7);
	object(f, RTM_DELNEXTHOP, 1, "10.0.0.2");
	expect_doubt(f, true);
}

/* As routing daemons do it: routes first, then groups, then their members. Nothing needs what goes. */
static void test_objects_go_after_their_routes(void **state)
{
	struct fixture *f = *state;

	over_object(f, "10.9.0.0", 7); /* before its objects are heard of */
	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
	group_of(f, 7, 1);
	apply(f, build_route(&f->b, RTM_NEWROUTE, NLM_F_REPLACE, RTN_BLACKHOLE, "10.9.0.0", 24, 0));
	object(f, RTM_DELNEXTHOP, 7, "10.0.0.2");
	object(f, RTM_DELNEXTHOP, 1, "10.0.0.2");
	expect_doubt(f, false);
	assert_int_equal(f->r.object_uses.count, 0);
}

static void test_addresses_that_take_routes_along(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	/* Nothing leads out of there. */
	address(f, RTM_NEWADDR, FOREIGN, "192.0.2.1");
	address(f, RTM_DELADDR, FOREIGN, "192.0.2.1");
	expect_doubt(f, false);

	/* A route goes with the last address of its interface. */
	via(f, RTM_NEWROUTE, CREATE, 0, "10.0.0.2", FACE0);
	address(f, RTM_NEWADDR, FACE0, "10.0.0.1");
	address(f, RTM_NEWADDR, FACE0, "10.0.7.1");
	address(f, RTM_DELADDR, FACE0, "10.0.7.1");
	expect_doubt(f, false);
	address(f, RTM_DELADDR, FACE0, "10.0.0.1");
	expect_doubt(f, true);

	/* And with its preferred source, wherever that is. */
	nlh = build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_UNICAST, "10.8.0.0", 16, 0);
	build_addr(nlh, RTA_GATEWAY, "10.0.0.2");
	mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
	build_addr(nlh, RTA_PREFSRC, "192.0.2.1");
	apply(f, nlh);
	address(f, RTM_DELADDR, FOREIGN, "192.0.2.1");
	expect_doubt(f, true);
	nlh = build_route(&f->b, RTM_DELROUTE, 0, RTN_UNICAST, "10.8.0.0", 16, 0);
	build_addr(nlh, RTA_GATEWAY, "10.0.0.2");
	mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
	build_addr(nlh, RTA_PREFSRC, "192.0.2.1");
	apply(f, nlh);
	address(f, RTM_DELADDR, FOREIGN, "192.0.2.1");
	expect_doubt(f, false);

	/* IPv6 says what goes, but for what goes with IPv6 itself. */
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "2001:db8::", 32, 1024, "fd00::2", FACE0));
	address(f, RTM_DELADDR, FACE0, "fd00::1");
	expect_doubt(f, false);
	address(f, RTM_DELADDR, FACE0, "fe80::1");
	expect_doubt(f, true);
}

static void test_links_that_take_routes_along(void **state)
{
	struct fixture *f = *state;

	apply(f, build_link(&f->b, RTM_NEWLINK, FOREIGN, "eth9", 0, 1500, MAC1));
	apply(f, build_link(&f->b, RTM_DELLINK, FOREIGN, "eth9", 0, 1500, MAC1));
	expect_doubt(f, false);
	via(f, RTM_NEWROUTE, CREATE, 0, "10.0.0.2", FACE0);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", IFF_UP, 1500, MAC0));
	expect_doubt(f, true);
	apply(f, build_link(&f->b, RTM_DELLINK, FACE0, "pl0", 0, 1500, MAC0));
	expect_doubt(f, true);
}

static void test_candidate_without_a_way_is_passed_over(void **state)
{
	struct fixture *f = *state;

	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.0.0.0", 8, 0, NULL, FOREIGN));
	via(f, RTM_NEWROUTE, CREATE, 10, "10.0.0.2", FACE0);
	via(f, RTM_NEWROUTE, CREATE, 20, "10.0.1.2", FACE1);
	commit(f);
	expect_forward(f, "10.9.0.1", 0, PEER, 1500);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", IFF_UP, 1500, MAC0));
	commit(f);
	expect_forward(f, "10.9.0.1", 1, PEER2, 1500);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", IFF_UP, 1500, MAC1));
	commit(f);
	expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_FOREIGN);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", UP, 1500, MAC0));
	commit(f);
	expect_forward(f, "10.9.0.1", 0, PEER, 1500);
}

static void test_opaque_hop_is_the_kernels(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh = (struct nlmsghdr *)build_via(&f->b, RTM_NEWROUTE, CREATE, "10.9.0.0",
							    16, 0, "10.0.0.2", FACE0);

	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	nlh = (struct nlmsghdr *)build_via(&f->b, RTM_NEWROUTE, CREATE, "10.9.0.0", 16, 0,
					   "10.0.0.2", FACE0);
	mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, 1);
	apply(f, nlh);
	commit(f);
	expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_ENCAP);
	assert_int_equal(f->notes, 1);
}

/* A removal of what we do not have means that something was missed, unless the notification is
 * older than the dump. */
static void test_unknown_removal_is_a_doubt(void **state)
{
	struct fixture *f = *state;

	f->r.overlapped = true;
	via(f, RTM_DELROUTE, 0, 0, "10.0.0.2", FACE0);
	assert_false(f->r.doubt);
	f->r.overlapped = false;
	via(f, RTM_DELROUTE, 0, 0, "10.0.0.2", FACE0);
	assert_true(f->r.doubt);
}

static void test_malformed_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh = (struct nlmsghdr *)build_via(&f->b, RTM_NEWROUTE, CREATE, "10.9.0.0",
							    16, 0, "10.0.0.2", FACE0);

	((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_dst_len = 33;
	assert_int_equal(nl_parse(nlh, &f->msg), -EBADMSG);
}

/* The second dump has other candidates in another order; what did not change is not written. */
static void test_dump_reconciles(void **state)
{
	struct fixture *f = *state;
	uint64_t changes;

	dump_begin(f);
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.0.2", FACE0);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.1.2", FACE1);
	apply(f, build_via(&f->b, RTM_NEWROUTE, NLM_F_MULTI, "10.8.0.0", 16, 0, "10.0.0.2", FACE0));
	apply(f, build_via(&f->b, RTM_NEWROUTE, NLM_F_MULTI, "10.7.0.0", 16, 0, "10.0.0.2", FACE0));
	dump_end(f);
	expect_forward(f, "10.9.0.1", 0, PEER, 1500);
	changes = f->r.stats.route_changes;

	dump_begin(f);
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.1.2", FACE1);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.0.2", FACE0);
	apply(f, build_via(&f->b, RTM_NEWROUTE, NLM_F_MULTI, "10.8.0.0", 16, 0, "10.0.0.2", FACE0));
	dump_end(f);
	expect_forward(f, "10.9.0.1", 1, PEER2, 1500); /* order changed */
	expect_forward(f, "10.8.0.1", 0, PEER, 1500);
	expect(f, "10.7.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE); /* gone */
	assert_int_equal(f->r.stats.route_changes, changes + 2);
}

/* After everything is gone nothing is left in the tables: no next hop, slot, block or neighbour. */
static void test_nothing_leaks(void **state)
{
	const struct build_hop hops[] = {{"10.0.0.2", FACE0, 1}, {"10.0.1.2", FACE1, 3}};
	struct fixture *f = *state;
	struct tables_stats before, after;
	struct nlmsghdr *nlh;

	tables_settle(f->tables);
	tables_stats(f->tables, &before);
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	nlh = build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_UNICAST, "10.9.1.0", 24, 0);
	build_multipath(nlh, hops, 2);
	apply(f, nlh);
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.0.0.0", 24, 0, NULL, FACE0));
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "2001:db8::1", 128, 0, "fd00::2", FACE0));
	commit(f);
	tables_stats(f->tables, &after);
	assert_int_not_equal(after.nexthops, before.nexthops);
	assert_int_equal(lookup(f, "10.9.1.1")->group >> 32, 3);
	replica_mark(&f->r);
	assert_true(sweep(f, false));
	commit(f);
	tables_settle(f->tables);
	tables_stats(f->tables, &after);
	assert_int_equal(after.nexthops, before.nexthops);
	assert_int_equal(after.slots, before.slots);
	assert_int_equal(after.neighbours, before.neighbours);
	assert_int_equal(after.routes4 + after.routes6, 0);
	assert_int_equal(after.blocks4 + after.blocks6, before.blocks4 + before.blocks6);
	assert_int_equal(f->r.paths.count + f->r.peers.count + f->r.entries.count, 0);
	assert_int_equal(f->r.stats.nexthops + f->r.stats.neighbours + f->r.stats.routes, 0);
}

/* A sibling leaves a set of which the rest stays, whichever way the kernel lists them. */
static void test_sibling_leaves(void **state)
{
	const struct build_hop hops[] = {
		{"fd00::3", FACE0, 1}, {"fd00::2", FACE0, 1}, {"fd01::2", FACE1, 1}};
	struct fixture *f = *state;
	struct nlmsghdr *nlh =
		build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_UNICAST, "2001:db8::", 32, 1024);

	neighbour(f, "fd00::2", FACE0, NUD_REACHABLE, PEER);
	nlh = build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_UNICAST, "2001:db8::", 32, 1024);
	build_multipath(nlh, hops, 3);
	apply(f, nlh);
	commit(f);
	expect(f, "2001:db8::1", NEXTHOP_GROUP, 0);
	apply(f, build_via(&f->b, RTM_DELROUTE, 0, "2001:db8::", 32, 1024, "fd01::2", FACE1));
	apply(f, build_via(&f->b, RTM_DELROUTE, 0, "2001:db8::", 32, 1024, "fd00::3", FACE0));
	commit(f);
	expect_forward(f, "2001:db8::1", 0, PEER, 1500);
	apply(f, build_via(&f->b, RTM_DELROUTE, 0, "2001:db8::", 32, 1024, "fd00::2", FACE0));
	commit(f);
	expect(f, "2001:db8::1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	assert_false(f->r.doubt);
}

static const char *const storm_gateways[] = {"10.0.0.2", "10.0.1.2", "fd00::2", "fd01::2", NULL};
static const unsigned storm_interfaces[] = {FACE0, FACE1, FOREIGN, 99};

/* A route of any type over any gateway, interface or object; `x` is random. */
static void storm_route(struct fixture *f, uint32_t x)
{
	const char *gateway = storm_gateways[(x >> 8) % 5];
	bool six = gateway ? strchr(gateway, ':') != NULL : x >> 31;
	uint16_t flags =
		(uint16_t)((x >> 12 & 1 ? NLM_F_REPLACE : 0) | (x >> 13 & 1 ? NLM_F_APPEND : 0));
	struct nlmsghdr *nlh = (struct nlmsghdr *)build_via(
		&f->b, x >> 11 & 1 ? RTM_NEWROUTE : RTM_DELROUTE, flags,
		six ? "2001:db8::" : "10.9.0.0", (uint8_t)(16 + (x >> 14) % 9), x >> 17 & 3,
		gateway, storm_interfaces[x >> 19 & 3]);

	if (!(x >> 21 & 7))
		mnl_attr_put_u32(nlh, RTA_NH_ID, 1 + (x >> 24 & 3));
	((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_type = 1 + (x >> 26) % 9;
	apply(f, nlh);
}

/* A next hop object or a group of them, or the removal of one. */
static void storm_object(struct fixture *f, uint32_t x)
{
	static const uint8_t group[16] = {1, [4] = 3, [8] = 2, [12] = 1};
	struct nlmsghdr *nlh = build_begin(&f->b, x >> 5 & 1 ? RTM_NEWNEXTHOP : RTM_DELNEXTHOP, 0);

	((struct nhmsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct nhmsg)))->nh_family =
		AF_INET;
	mnl_attr_put_u32(nlh, NHA_ID, 1 + (x >> 24 & 3));
	if (x >> 6 & 1) {
		mnl_attr_put(nlh, NHA_GROUP, sizeof(group), group);
	} else {
		build_addr(nlh, NHA_GATEWAY, "10.0.0.2");
		mnl_attr_put_u32(nlh, NHA_OIF, FACE0);
	}
	apply(f, nlh);
}

/* Whatever parses is taken, in any order: routes over links and objects never heard of, twice,
 * removed before they came, amid dumps. Nothing breaks, and a dump puts it right. */
static void test_storm(void **state)
{
	struct fixture *f = *state;
	uint32_t x = 1;

	for (unsigned i = 0; i < 60000; i++) {
		x = x * 1664525 + 1013904223;
		storm_route(f, x);
		if (i % 7 == 0)
			neighbour(f, storm_gateways[i % 4], storm_interfaces[i % 2],
				  (uint16_t)(x >> 9 & 0xff), x >> 20 & 1 ? PEER : NULL);
		if (i % 31 == 0)
			apply(f, build_link(&f->b, x >> 23 & 7 ? RTM_NEWLINK : RTM_DELLINK,
					    storm_interfaces[x >> 19 & 3], "if",
					    x >> 9 & 1 ? UP : 0, 1500, MAC0));
		if (i % 17 == 0)
			storm_object(f, x);
		if (i % 13 == 0)
			replica_commit(&f->r, x >> 20 & 15);
	}
	commit(f);

	dump_begin(f);
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.0.2", FACE0);
	dump_end(f);
	expect_forward(f, "10.9.0.1", 0, PEER, 1500);
	assert_int_equal(f->r.stats.routes, 1);
	assert_int_equal(f->r.entries.count, 1);
	assert_int_equal(f->r.paths.count, 1);
	assert_int_equal(f->r.objects.count, 0);
	assert_int_equal(f->r.object_uses.count, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_every_type),
		TEST(test_gateway_follows_its_neighbour),
		TEST(test_mtu_and_mac_of_a_face),
		TEST(test_ports_go_down),
		TEST(test_unused_objects_come_and_go),
		TEST(test_object_used_through_a_group),
		TEST(test_objects_go_after_their_routes),
		TEST(test_addresses_that_take_routes_along),
		TEST(test_links_that_take_routes_along),
		TEST(test_candidate_without_a_way_is_passed_over),
		TEST(test_opaque_hop_is_the_kernels),
		TEST(test_unknown_removal_is_a_doubt),
		TEST(test_malformed_changes_nothing),
		TEST(test_dump_reconciles),
		TEST(test_nothing_leaks),
		TEST(test_sibling_leaves),
		TEST(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
