/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror without a kernel: dumps, what is swept away after them, and audits. */
#include "mirror_help.h"

static struct nlattr *nlh_multipath(struct nlmsghdr *nlh)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
			return attr;
	}
	fail();
	return NULL;
}

static void dumped6(struct fixture *f, const char *dst)
{
	apply(f, build_via(&f->b, RTM_NEWROUTE, NLM_F_MULTI, dst, 48, 1024, "fd00::2", FACE0));
}

/* IPv6 dumps under churn leave out routes that are there. */
static void test_disturbed_dump_takes_nothing_away_at_once(void **state)
{
	struct fixture *f = *state;
	uint64_t changes;

	neighbour(f, "fd00::2", FACE0, NUD_REACHABLE, PEER);
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.9.0.0", 16, 0, NULL, FACE0));
	dumped6(f, "2001:db8:1::");
	dumped6(f, "2001:db8:2::");
	commit(f);
	changes = f->r.stats.route_changes;
	for (unsigned i = 1; i <= 3; i++) {
		replica_mark(&f->r);
		f->r.dumping = true;
		links(f);
		neighbour(f, "fd00::2", FACE0, NUD_REACHABLE, PEER);
		dumped6(f, "2001:db8:1::");
		f->r.dumping = false;
		assert_int_equal(sweep(f, true), i == 3);
		commit(f);
		expect_forward(f, "2001:db8:1::1", 0, PEER, 1500);
		/* IPv4's can be believed. */
		expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
		if (i < 3)
			expect_forward(f, "2001:db8:2::1", 0, PEER, 1500);
		else
			expect(f, "2001:db8:2::1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	}
	assert_int_equal(f->r.stats.route_changes, changes + 2);
}

/* Nor those that are not followed, which leave their prefix to the kernel. */
static void test_disturbed_dump_keeps_routes_by_source(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	for (unsigned i = 0; i <= 6; i++) {
		dump_begin(f);
		dumped6(f, "2001:db8:1::");
		if (i % 3 == 0) { /* not in two dumps, then again, then in three not */
			nlh = build_route(&f->b, RTM_NEWROUTE, NLM_F_MULTI, RTN_UNICAST,
					  "2001:db8:1::", 48, 1024);
			((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_src_len = 48;
			build_addr(nlh, RTA_SRC, "2001:db8:5::");
			mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
			if (i < 6)
				apply(f, nlh);
		}
		f->r.dumping = false;
		assert_int_equal(sweep(f, true), i % 3 == 0);
		commit(f);
		if (i < 6)
			expect(f, "2001:db8:1::1", NEXTHOP_PUNT, REASON_ENCAP);
	}
	assert_int_equal(f->r.stats.unsupported, 0);
	expect(f, "2001:db8:1::1", NEXTHOP_PUNT, REASON_UNRESOLVED);
}

static void test_misses_in_a_row_count(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 9; i++) {
		replica_mark(&f->r);
		f->r.dumping = true;
		links(f);
		if (i % 3 == 0)
			dumped6(f, "2001:db8:1::");
		f->r.dumping = false;
		assert_int_equal(sweep(f, true), i % 3 == 0);
		commit(f);
		assert_int_equal(f->r.stats.routes, 1);
	}
	replica_mark(&f->r);
	links(f);
	assert_true(sweep(f, false));
	commit(f);
	assert_int_equal(f->r.stats.routes, 0);
}

/* A dump may say the same twice; that must not change the order of candidates. */
static void test_dump_repeats_itself(void **state)
{
	struct fixture *f = *state;

	dump_begin(f);
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.0.2", FACE0);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.1.2", FACE1);
	via(f, RTM_NEWROUTE, NLM_F_MULTI, 0, "10.0.0.2", FACE0);
	dump_end(f);
	expect_forward(f, "10.9.0.1", 0, PEER, 1500);
	assert_int_equal(f->r.stats.routes, 2);
}

/* ---- audits ---- */

static void audit_begin(struct fixture *f)
{
	f->r.audit = (struct audit){.running = true};
	dump_begin(f);
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
}

static void expect_audit(struct fixture *f, bool is_void, unsigned found, unsigned mended)
{
	dump_end(f);
	assert_int_equal(f->r.audit.spoilt, is_void);
	assert_int_equal(f->r.audit.found, found);
	assert_int_equal(f->r.audit.mended, mended);
}

static void dumped4(struct fixture *f, const char *dst, uint32_t metric, const char *gateway)
{
	apply(f, build_via(&f->b, RTM_NEWROUTE, NLM_F_MULTI, dst, 16, metric, gateway, FACE0));
}

static void test_audit_finds_drift(void **state)
{
	struct fixture *f = *state;

	audit_begin(f);
	dumped4(f, "10.7.0.0", 0, "10.0.0.2");
	dumped4(f, "10.8.0.0", 0, "10.0.0.2");
	dumped4(f, "10.9.0.0", 0, "10.0.0.2");
	dump_end(f);

	audit_begin(f);
	dumped4(f, "10.7.0.0", 0, "10.0.0.2");
	dumped4(f, "10.8.0.0", 0, "10.0.0.2");
	dumped4(f, "10.9.0.0", 0, "10.0.0.2");
	expect_audit(f, false, 0, 0);

	/* One gone, one led elsewhere, one with a candidate that does not count yet, one new. */
	audit_begin(f);
	dumped4(f, "10.8.0.0", 0, NULL);
	dumped4(f, "10.9.0.0", 0, "10.0.0.2");
	dumped4(f, "10.9.0.0", 7, NULL);
	dumped4(f, "10.6.0.0", 0, NULL);
	expect_audit(f, false, 4, 4);
	expect(f, "10.7.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect(f, "10.8.0.1", NEXTHOP_GLEAN, 0);

	audit_begin(f);
	dumped4(f, "10.8.0.0", 0, NULL);
	dumped4(f, "10.9.0.0", 0, "10.0.0.2");
	dumped4(f, "10.9.0.0", 7, NULL);
	dumped4(f, "10.6.0.0", 0, NULL);
	expect_audit(f, false, 0, 0);
}

/* What notifications speak of while the dump goes on is no drift, whichever of the two came first. */
static void test_audit_under_way_is_told(void **state)
{
	struct fixture *f = *state;

	audit_begin(f);
	dumped4(f, "10.7.0.0", 0, "10.0.0.2");
	dumped4(f, "10.8.0.0", 0, "10.0.0.2"); /* new: its notification is yet to be read */
	f->r.dumping = false;
	f->r.overlapped = true;
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.8.0.0", 16, 0, "10.0.0.2", FACE0));
	apply(f, build_via(&f->b, RTM_DELROUTE, 0, "10.7.0.0", 16, 0, "10.0.0.2", FACE0));
	expect_audit(f, false, 0, 0);
	expect(f, "10.7.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect_forward(f, "10.8.0.1", 0, PEER, 1500);
}

static void by_tos(struct fixture *f, uint16_t type, uint16_t flags, const char *dst)
{
	struct nlmsghdr *nlh = build_route(&f->b, type, flags, RTN_UNICAST, dst, 16, 0);

	((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_tos = 8;
	mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
	apply(f, nlh);
}

/* Of a route that is not followed too: with it, its prefix is left to the kernel. */
static void test_audit_under_way_is_told_of_odd_routes(void **state)
{
	struct fixture *f = *state;

	by_tos(f, RTM_NEWROUTE, CREATE, "10.7.0.0");
	commit(f);
	audit_begin(f);
	by_tos(f, RTM_NEWROUTE, NLM_F_MULTI, "10.7.0.0");
	f->r.dumping = false;
	f->r.overlapped = true;
	by_tos(f, RTM_NEWROUTE, CREATE, "10.8.0.0");
	by_tos(f, RTM_DELROUTE, 0, "10.7.0.0");
	expect_audit(f, false, 0, 0);
	expect(f, "10.7.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect(f, "10.8.0.1", NEXTHOP_PUNT, REASON_ENCAP);

	/* Nobody spoke of this one. */
	audit_begin(f);
	expect_audit(f, false, 1, 1);
	expect(f, "10.8.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
}

static void test_audit_is_void_when_much_changes(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++) {
		audit_begin(f);
		f->r.dumping = false;
		if (i == 0)
			object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
		else if (i == 1)
			address(f, RTM_NEWADDR, FACE0, "10.0.0.1");
		else
			apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", 0, 1500, MAC0));
		dump_end(f);
		assert_true(f->r.audit.spoilt);
	}
}

static void test_audit_finds_objects(void **state)
{
	struct fixture *f = *state;

	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
	object(f, RTM_NEWNEXTHOP, 2, "10.0.0.2");
	audit_begin(f);
	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.3"); /* another gateway; 2 is gone; 3 is new */
	object(f, RTM_NEWNEXTHOP, 3, "10.0.0.3");
	expect_audit(f, false, 3, 3);
}

/* ---- what goes without a word ---- */

/* Next hop objects go with their link, and leave their groups, unannounced: also those that no route
 * is over. */
static void test_link_takes_objects_along(void **state)
{
	struct fixture *f = *state;

	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", IFF_UP, 1500, MAC1));
	expect_doubt(f, false);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", IFF_UP, 1500, MAC0));
	expect_doubt(f, true);
	apply(f, build_link(&f->b, RTM_DELLINK, FACE0, "pl0", 0, 1500, MAC0));
	expect_doubt(f, true);
}

/* To the kernel they are two: one goes, the other stays. */
static void test_onlink_tells_apart(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		struct nlmsghdr *nlh;

		via(f, RTM_NEWROUTE, NLM_F_CREATE, 0, "10.0.0.2", FACE0);
		nlh = (struct nlmsghdr *)build_via(&f->b, i ? RTM_DELROUTE : RTM_NEWROUTE,
						   NLM_F_CREATE, "10.9.0.0", 16, 0, "10.0.0.2",
						   FACE0);
		((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_flags = RTNH_F_ONLINK;
		apply(f, nlh);
		assert_int_equal(f->r.stats.routes, 2 - i);
	}
	expect_doubt(f, false);
}

/* Two ways by one gateway, one of them encapsulated: that goes, the other stays. */
static void test_one_of_two_by_a_gateway_goes(void **state)
{
	const struct build_hop hops[] = {{"fd00::2", FACE0, 1}, {"fd00::2", FACE0, 1}};
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	neighbour(f, "fd00::2", FACE0, NUD_REACHABLE, PEER);
	nlh = build_route(&f->b, RTM_NEWROUTE, NLM_F_CREATE, RTN_UNICAST, "2001:db8::", 32, 1024);
	build_multipath(nlh, hops, 2);
	assert_int_equal(nl_parse(nlh, &f->msg), 1);
	f->msg.hops[0].flags = NL_HOP_OPAQUE;
	replica_apply(&f->r, &f->msg);
	nlh = (struct nlmsghdr *)build_via(&f->b, RTM_DELROUTE, 0, "2001:db8::", 32, 1024,
					   "fd00::2", FACE0);
	mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, 1);
	apply(f, nlh);
	commit(f);
	expect_doubt(f, false);
	expect_forward(f, "2001:db8::1", 0, PEER, 1500);
}

/* A set that replaces one takes with it what stands behind that, of whatever kind: unannounced. */
static void test_replaced_set_takes_others_along(void **state)
{
	const struct build_hop hops[] = {{"fd00::2", FACE0, 1}, {"fd00::3", FACE0, 1}};
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	for (unsigned i = 0; i < 3; i++) {
		if (i == 2)
			apply(f, build_via(&f->b, RTM_NEWROUTE, NLM_F_APPEND, "2001:db8::", 32,
					   1024, NULL, FACE1));
		nlh = build_route(&f->b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, RTN_UNICAST,
				  "2001:db8::", 32, 1024);
		build_multipath(nlh, hops, 2 - (i == 1));
		apply(f, nlh);
		expect_doubt(f, i == 2);
	}
}

static struct nlmsghdr *two_ways(struct fixture *f, uint16_t type, const char *dst, unsigned dead)
{
	bool six = strchr(dst, ':') != NULL;
	const struct build_hop hops[] = {{six ? "fd00::2" : "10.0.0.2", FACE0, 1},
					 {six ? "fd01::2" : "10.0.1.2", FACE1, 1}};
	struct nlmsghdr *nlh = build_route(&f->b, type, NLM_F_MULTI, RTN_UNICAST, dst, 24, 1024);
	struct rtnexthop *rtnh;

	build_multipath(nlh, hops, 2);
	rtnh = mnl_attr_get_payload(nlh_multipath(nlh));
	if (dead == 1)
		rtnh = RTNH_NEXT(rtnh);
	if (dead < 2)
		rtnh->rtnh_flags = RTNH_F_DEAD;
	return nlh;
}

/* What the kernel holds for dead is not used, though its link be up: the interface has lost its last
 * address. It may revive with the first. */
static void test_dead_hops(void **state)
{
	static const char *const dst[] = {"10.9.0.0", "2001:db8::"}, *const in[] = {"10.9.0.1",
										    "2001:db8::1"};
	struct fixture *f = *state;

	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
	neighbour(f, "fd00::2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "fd01::2", FACE1, NUD_REACHABLE, PEER2);
	for (unsigned i = 0; i < 2; i++) {
		replica_mark(&f->r);
		f->r.dumping = true;
		apply(f, two_ways(f, RTM_NEWROUTE, dst[i], 0));
		f->r.dumping = false;
		commit(f);
		assert_int_equal(lookup(f, in[i])->group >> 32, 0); /* one slot */
		/* It may have been dead for want of a carrier that has come meanwhile: once more. */
		expect_doubt(f, true);
		replica_mark(&f->r);
		f->r.dumping = true;
		apply(f, two_ways(f, RTM_NEWROUTE, dst[i], 0));
		f->r.dumping = false;
		expect_doubt(f, false);
		address(f, RTM_NEWADDR, FACE0, "10.0.0.1");
		expect_doubt(f, true);
		address(f, RTM_NEWADDR, FACE1, "10.0.1.1");
		expect_doubt(f, false);
		/* The same route to the kernel, whatever its flags were. */
		apply(f, two_ways(f, RTM_DELROUTE, dst[i], 1));
		commit(f);
		expect_doubt(f, false);
		expect(f, in[i], NEXTHOP_PUNT, REASON_NO_ROUTE);
	}
}

/* Dead because its link is down: that we see for ourselves, and see at once when it is up again. */
static void test_dead_with_its_link(void **state)
{
	struct fixture *f = *state;

	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
	apply(f, two_ways(f, RTM_NEWROUTE, "10.9.0.0", 2));
	commit(f);
	assert_int_equal(f->r.paths.count, 1);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", 0, 1500, MAC1));
	replica_mark(&f->r);
	f->r.dumping = true;
	apply(f, two_ways(f, RTM_NEWROUTE, "10.9.0.0", 1));
	f->r.dumping = false;
	commit(f);
	assert_int_equal(f->r.paths.count, 1);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", UP, 1500, MAC1));
	commit(f);
	assert_int_equal(lookup(f, "10.9.0.1")->group >> 32, 1); /* both again */
	assert_int_equal(f->r.stats.route_changes, 1);
}

/* Without carrier, too. */
static void test_dead_without_carrier(void **state)
{
	struct fixture *f = *state;

	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", IFF_UP, 1500, MAC1));
	apply(f, two_ways(f, RTM_NEWROUTE, "10.9.0.0", 1));
	commit(f);
	assert_int_equal(lookup(f, "10.9.0.1")->group >> 32, 0);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", UP, 1500, MAC1));
	commit(f);
	assert_int_equal(lookup(f, "10.9.0.1")->group >> 32, 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_disturbed_dump_takes_nothing_away_at_once),
		TEST(test_disturbed_dump_keeps_routes_by_source),
		TEST(test_misses_in_a_row_count),
		TEST(test_dump_repeats_itself),
		TEST(test_audit_finds_drift),
		TEST(test_audit_under_way_is_told),
		TEST(test_audit_under_way_is_told_of_odd_routes),
		TEST(test_audit_is_void_when_much_changes),
		TEST(test_audit_finds_objects),
		TEST(test_link_takes_objects_along),
		TEST(test_onlink_tells_apart),
		TEST(test_one_of_two_by_a_gateway_goes),
		TEST(test_replaced_set_takes_others_along),
		TEST(test_dead_hops),
		TEST(test_dead_with_its_link),
		TEST(test_dead_without_carrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
