/* SPDX-License-Identifier: BSD-2-Clause */
/* What of the kernel's is not followed is said, in the log when it comes and goes, and to who asks. */
#include "mirror_help.h"

/* ---- asking ---- */

struct asked {
	const char *text;
	uint64_t routes;
	unsigned found, all;
};

static bool look(void *ctx, const struct mirror_unfollowed *u)
{
	struct asked *a = ctx;

	a->all++;
	if (strcmp(u->text, a->text) == 0) {
		a->found++;
		a->routes = u->routes;
	}
	return true;
}

/* Expects `all` things not followed, among them this text with so many routes. */
static void expect_told(struct fixture *f, unsigned all, const char *text, uint64_t routes)
{
	struct asked a = {.text = text};

	unfollowed_each(&f->r, look, &a);
	assert_int_equal(a.all, all);
	assert_int_equal(a.found, text[0] != '\0');
	assert_int_equal(a.routes, routes);
}

static void expect_note(struct fixture *f, unsigned notes, const char *part)
{
	assert_int_equal(f->notes, notes);
	if (!strstr(f->last_note, part))
		fail_msg("\"%s\" is not in \"%s\"", part, f->last_note);
}

/* ---- policy rules ---- */

static void test_rules(void **state)
{
	struct fixture *f = *state;

	dump_begin(f);
	default_rules(f, RTM_NEWRULE);
	rule(f, RTM_NEWRULE, AF_INET, 100, 10, "10.0.0.7");
	dump_end(f);
	assert_int_equal(f->r.stats.unsupported, 1);
	expect_note(f, 1, "IPv4 rule 100: from 10.0.0.7/32 lookup 10 is not followed");
	expect_told(f, 1, "rule 100: from 10.0.0.7/32 lookup 10", 0);

	/* Said again, as a notification older than the dump may. */
	rule(f, RTM_NEWRULE, AF_INET, 100, 10, "10.0.0.7");
	expect_note(f, 1, "");
	rule(f, RTM_NEWRULE, AF_INET, 100, 10, "10.0.0.8");
	expect_note(f, 2, "10.0.0.8/32");
	assert_int_equal(f->r.stats.unsupported, 2);
	rule(f, RTM_DELRULE, AF_INET, 100, 10, "10.0.0.7");
	expect_note(f, 3, "which was not followed, is gone");
	rule(f, RTM_DELRULE, AF_INET, 100, 10, "10.0.0.8");
	assert_int_equal(f->r.stats.unsupported, 0);
	expect_told(f, 0, "", 0);

	/* A dump without it. */
	rule(f, RTM_NEWRULE, AF_INET, 200, 10, "10.0.0.7");
	dump_begin(f);
	assert_int_equal(f->r.stats.unsupported, 1); /* as long as the dump has not ended */
	default_rules(f, RTM_NEWRULE);
	dump_end(f);
	assert_int_equal(f->r.stats.unsupported, 0);
	expect_note(f, 6, "rule 200: from 10.0.0.7/32 lookup 10, which was not followed, is gone");
}

/* With the first rule of its own IPv4 looks in local before main, for good. */
static void test_rule_splits_tables(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh =
		build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_LOCAL, "10.9.0.0", 16, 0);

	mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
	apply(f, nlh);
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.9.1.0", 24, 0, NULL, FACE1));
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.0.0.0", 8, 0, NULL, FACE1));
	default_rules(f, RTM_NEWRULE);
	commit(f);
	expect(f, "10.9.1.1", NEXTHOP_GLEAN, 0);
	expect(f, "10.9.2.1", NEXTHOP_PUNT, REASON_LOCAL);
	rule(f, RTM_NEWRULE, AF_INET, 100, 10, "10.0.0.7");
	commit(f);
	expect(f, "10.9.1.1", NEXTHOP_PUNT, REASON_LOCAL);
	expect(f, "10.8.1.1", NEXTHOP_GLEAN, 0);
	rule(f, RTM_DELRULE, AF_INET, 100, 10, "10.0.0.7");
	commit(f);
	expect(f, "10.9.1.1", NEXTHOP_PUNT, REASON_LOCAL);
}

/* Ten thousand rules do not make as many lines; all are told to who asks. */
static void test_many_rules(void **state)
{
	struct fixture *f = *state;

	default_rules(f, RTM_NEWRULE);
	f->notes = 0;
	for (uint32_t i = 1; i <= 10000; i++)
		rule(f, RTM_NEWRULE, AF_INET, i, 10, "10.0.0.7");
	expect_note(f, 33, "peerlane show sync");
	expect_told(f, 10000, "rule 777: from 10.0.0.7/32 lookup 10", 0);
}

static void test_default_rule_goes(void **state)
{
	struct fixture *f = *state;

	default_rules(f, RTM_NEWRULE);
	f->notes = 0;
	for (unsigned i = 1; i <= 2; i++) {
		rule(f, RTM_DELRULE, AF_INET, 32766, RT_TABLE_MAIN, NULL);
		assert_int_equal(f->notes, i);
		assert_non_null(strstr(f->last_note, "\"lookup main\", is gone"));
		rule(f, RTM_NEWRULE, AF_INET, 32766, RT_TABLE_MAIN, NULL);
		assert_int_equal(f->notes, i);
	}
	dump_begin(f);
	rule(f, RTM_NEWRULE, AF_INET, 0, RT_TABLE_LOCAL, NULL);
	dump_end(f);
	assert_int_equal(f->notes, 3);
}

static void test_rule_texts(void **state)
{
	const uint16_t ports[2] = {80, 90};
	struct fixture *f = *state;
	struct nlmsghdr *nlh = build_begin(&f->b, RTM_NEWRULE, 0);
	struct fib_rule_hdr *hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));

	hdr->family = AF_INET6;
	hdr->action = FR_ACT_GOTO;
	hdr->dst_len = 32;
	hdr->flags = FIB_RULE_INVERT;
	build_addr(nlh, FRA_DST, "2001:db8::");
	mnl_attr_put_u32(nlh, FRA_PRIORITY, 50);
	mnl_attr_put_u32(nlh, FRA_FWMARK, 5);
	mnl_attr_put_u32(nlh, FRA_FWMASK, 7);
	mnl_attr_put_strz(nlh, FRA_IIFNAME, "pl\x1b[0m");
	mnl_attr_put(nlh, FRA_DPORT_RANGE, sizeof(ports), ports);
	mnl_attr_put_u8(nlh, FRA_IP_PROTO, 6);
	mnl_attr_put_u32(nlh, FRA_GOTO, 60);
	mnl_attr_put_u32(nlh, FRA_MAX + 1, 1);
	assert_int_equal(nl_parse(nlh, &f->msg), 1);
	assert_string_equal(f->msg.rule.text,
			    "50: not from all to 2001:db8::/32 fwmark 0x5/0x7 iif pl?[0m ipproto 6 "
			    "dport 80-90 goto 60 (and more)");

	nlh = build_begin(&f->b, RTM_NEWRULE, 0);
	hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	hdr->family = AF_INET;
	hdr->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, 1000);
	mnl_attr_put_u8(nlh, FRA_L3MDEV, 1);
	assert_int_equal(nl_parse(nlh, &f->msg), 1);
	assert_string_equal(f->msg.rule.text, "1000: from all lookup [l3mdev-table]");
	assert_false(f->msg.rule.plain);

	/* As long as can be: cut off, not written beyond. */
	nlh = build_begin(&f->b, RTM_NEWRULE, 0);
	hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	*hdr = (struct fib_rule_hdr){
		.family = AF_INET6, .src_len = 128, .dst_len = 128, .tos = 255, .action = 99};
	build_addr(nlh, FRA_SRC, "2001:db8:1234:1234:1234:1234:1234:1234");
	build_addr(nlh, FRA_DST, "2001:db8:1234:1234:1234:1234:1234:1235");
	mnl_attr_put_strz(nlh, FRA_IIFNAME, "fifteen-letters");
	mnl_attr_put_strz(nlh, FRA_OIFNAME, "fifteen-letters-and-more");
	assert_int_equal(nl_parse(nlh, &f->msg), 1);
	assert_int_equal(strlen(f->msg.rule.text), sizeof(f->msg.rule.text) - 1);
}

/* ---- routes ---- */

/* A route of table 10, or with a TOS, or by source, as `how` says: t, o, s. */
static void odd(struct fixture *f, uint16_t type, uint16_t flags, const char *dst, uint32_t metric,
		char how)
{
	struct nlmsghdr *nlh = build_route(&f->b, type, flags, RTN_UNICAST, dst,
					   strchr(dst, ':') ? 128 : 32, metric);
	struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (how == 't') {
		mnl_attr_put_u32(nlh, RTA_TABLE, 1000);
		rtm->rtm_table = RT_TABLE_COMPAT;
	} else if (how == 'o') {
		rtm->rtm_tos = 8;
	} else {
		rtm->rtm_src_len = 48;
		build_addr(nlh, RTA_SRC, "2001:db8:5::");
	}
	mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
	apply(f, nlh);
}

static void test_routes(void **state)
{
	struct fixture *f = *state;

	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.0", 0, 't');
	expect_note(f, 1, "IPv4 routes of table 1000 are not followed: there is 10.9.0.0/32");
	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.1", 0, 't');
	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.1", 0, 'o');
	expect_note(f, 2, "IPv4 routes with a TOS");
	odd(f, RTM_NEWROUTE, CREATE, "2001:db8::", 1024, 's');
	expect_note(f, 3, "IPv6 routes by source");
	commit(f);
	expect(f, "10.9.0.0", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect_told(f, 3, "routes of table 1000", 2);
	expect_told(f, 3, "routes with a TOS", 1);
	expect_told(f, 3, "routes by source", 1);
	assert_int_equal(f->r.stats.unsupported, 4);
	assert_int_equal(f->r.stats.routes, 0);

	odd(f, RTM_DELROUTE, 0, "10.9.0.0", 0, 't');
	expect_note(f, 3, "");
	odd(f, RTM_DELROUTE, 0, "10.9.0.1", 0, 't');
	expect_note(f, 4, "IPv4 routes of table 1000, which are not followed, are gone");
	expect_told(f, 2, "", 0);
	odd(f, RTM_DELROUTE, 0, "10.9.0.1", 0, 't'); /* one never heard of */
	dump_begin(f);
	odd(f, RTM_NEWROUTE, NLM_F_MULTI, "10.9.0.1", 0, 'o');
	dump_end(f);
	expect_note(f, 5, "IPv6 routes by source, which are not followed, are gone");
	expect_told(f, 1, "routes with a TOS", 1);
}

/* Candidates that differ in their way only are one; it is gone when the last of them is. */
static void test_replaced_and_appended(void **state)
{
	struct fixture *f = *state;

	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.0", 0, 't');
	for (unsigned i = 0; i < 3; i++)
		odd(f, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "10.9.0.0", 0, 't');
	expect_told(f, 1, "routes of table 1000", 1);
	odd(f, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, "10.9.0.0", 0, 't');
	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.0", 5, 't');
	expect_told(f, 1, "routes of table 1000", 2);
	odd(f, RTM_DELROUTE, 0, "10.9.0.0", 0, 't');
	expect_told(f, 1, "routes of table 1000", 2);
	odd(f, RTM_DELROUTE, 0, "10.9.0.0", 0, 't');
	expect_told(f, 1, "routes of table 1000", 1);

	/* Dumps count anew. */
	for (unsigned i = 0; i < 3; i++) {
		dump_begin(f);
		odd(f, RTM_NEWROUTE, NLM_F_MULTI, "10.9.0.0", 5, 't');
		odd(f, RTM_NEWROUTE, NLM_F_MULTI, "10.9.0.0", 5, 't');
		dump_end(f);
	}
	odd(f, RTM_DELROUTE, 0, "10.9.0.0", 5, 't');
	expect_told(f, 1, "routes of table 1000", 1);
	odd(f, RTM_DELROUTE, 0, "10.9.0.0", 5, 't');
	expect_told(f, 0, "", 0);
}

/* Where a TOS or the source decides, the kernel does. */
static void test_left_to_the_kernel(void **state)
{
	static const struct {
		const char *dst;
		char how;
	} cases[] = {{"10.9.0.1", 'o'}, {"2001:db8::1", 's'}};
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		const char *dst = cases[i].dst;

		odd(f, RTM_NEWROUTE, CREATE, dst, 0, cases[i].how);
		commit(f);
		expect(f, dst, NEXTHOP_PUNT, REASON_ENCAP);
		apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, dst, i ? 128 : 32, 0, NULL, FACE0));
		commit(f);
		expect(f, dst, NEXTHOP_PUNT, REASON_ENCAP);
		odd(f, RTM_NEWROUTE, CREATE, dst, 5, cases[i].how);
		odd(f, RTM_DELROUTE, 0, dst, 0, cases[i].how);
		commit(f);
		expect(f, dst, NEXTHOP_PUNT, REASON_ENCAP);
		odd(f, RTM_DELROUTE, 0, dst, 5, cases[i].how);
		commit(f);
		expect(f, dst, NEXTHOP_GLEAN, 0);
		odd(f, RTM_NEWROUTE, CREATE, dst, 0, cases[i].how);
		apply(f, build_via(&f->b, RTM_DELROUTE, 0, dst, i ? 128 : 32, 0, NULL, FACE0));
		commit(f);
		expect(f, dst, NEXTHOP_PUNT, REASON_ENCAP);
		dump_begin(f);
		dump_end(f);
		expect(f, dst, NEXTHOP_PUNT, REASON_NO_ROUTE);
		assert_int_equal(f->r.entries.count, 0);
	}
	assert_false(f->r.doubt);
}

/* They go like others with what they depend on, and as silently; what that is we have not kept. Where
 * packets depend on them all is read anew; of other tables only the count is wrong until then. */
static void test_silent_end(void **state)
{
	struct fixture *f = *state;

	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
	address(f, RTM_NEWADDR, FOREIGN, "192.0.2.1");
	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.1", 0, 't');
	object(f, RTM_DELNEXTHOP, 1, "10.0.0.2");
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", IFF_UP, 1500, MAC1));
	address(f, RTM_DELADDR, FOREIGN, "192.0.2.1");
	expect_doubt(f, false);
	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.1", 0, 'o');
	address(f, RTM_NEWADDR, FOREIGN, "192.0.2.1");
	address(f, RTM_DELADDR, FOREIGN, "192.0.2.1");
	expect_doubt(f, true);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", UP, 1500, MAC1));
	expect_doubt(f, true);
	object(f, RTM_NEWNEXTHOP, 1, "10.0.0.2");
	object(f, RTM_DELNEXTHOP, 1, "10.0.0.2");
	expect_doubt(f, true);
}

/* Counted by a dump, and spoken of by a notification that may be older or newer than that: as two it
 * would outlive its end. */
static void test_counted_twice(void **state)
{
	struct fixture *f = *state;

	dump_begin(f);
	odd(f, RTM_NEWROUTE, NLM_F_MULTI, "10.9.0.1", 0, 'o');
	f->r.dumping = false;
	f->r.overlapped = true;
	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.2", 0, 'o'); /* only the notification has it */
	expect_doubt(f, false);
	odd(f, RTM_NEWROUTE, CREATE, "10.9.0.1", 0, 'o');
	expect_doubt(f, true);
	dump_begin(f);
	odd(f, RTM_NEWROUTE, NLM_F_MULTI, "10.9.0.1", 0, 'o');
	dump_end(f);
	f->r.overlapped = false;
	odd(f, RTM_DELROUTE, 0, "10.9.0.1", 0, 'o');
	commit(f);
	expect_doubt(f, false);
	expect_told(f, 0, "", 0);
	expect(f, "10.9.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
}

static void test_encapsulated(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	for (unsigned i = 0; i < 3; i++) {
		nlh = (struct nlmsghdr *)build_via(&f->b, RTM_NEWROUTE, CREATE, "10.9.0.0",
						   (uint8_t)(16 + i), 0, "10.0.0.2", FACE0);
		mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, 1);
		apply(f, nlh);
	}
	expect_told(f, 1, "routes with encapsulations, left to the kernel", 3);
}

/* ---- links ---- */

static void test_face_in_a_bridge(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	apply(f, build_link(&f->b, RTM_NEWLINK, 77, "br0", UP, 1500, MAC0));
	nlh = (struct nlmsghdr *)build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", UP, 1500, MAC1);
	mnl_attr_put_u32(nlh, IFLA_MASTER, 77);
	apply(f, nlh);
	apply(f, nlh);
	expect_note(f, 1, "pl1 now belongs to br0");
	expect_told(f, 1, "pl1 belongs to br0", 0);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", UP, 1500, MAC1));
	expect_note(f, 2, "no other interface any more");
	expect_told(f, 0, "", 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_rules),
		TEST(test_rule_splits_tables),
		TEST(test_many_rules),
		TEST(test_default_rule_goes),
		TEST(test_rule_texts),
		TEST(test_routes),
		TEST(test_replaced_and_appended),
		TEST(test_left_to_the_kernel),
		TEST(test_silent_end),
		TEST(test_counted_twice),
		TEST(test_encapsulated),
		TEST(test_face_in_a_bridge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
