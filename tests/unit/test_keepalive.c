/* SPDX-License-Identifier: BSD-2-Clause */
/* Which neighbours the kernel is asked to look after, and when: messages and marks in, requests
 * out. That a real kernel does what is asked is the lab test's business
 * (tests/lab/test_neighbours.py). */
#include "mirror_help.h"

static uint8_t used_marks[65536]; /* as planes keep them */

static bool on_take_used(void *ctx, uint32_t nexthop)
{
	bool used;
	(void)ctx;

	assert_true(nexthop < sizeof(used_marks));
	used = used_marks[nexthop];
	used_marks[nexthop] = 0;
	return used;
}

static int setup_usage(void **state)
{
	struct fixture *f;

	memset(used_marks, 0, sizeof(used_marks));
	if (setup(state))
		return -1;
	f = *state;
	f->r.take_used = on_take_used;
	return 0;
}

/* A packet to `text`, as a plane marks it. */
static void use(struct fixture *f, const char *text, unsigned port)
{
	const struct tables_view *v = tables_view(f->tables);
	struct ip_addr addr;
	uint32_t index;

	assert_int_equal(ip_addr_parse(text, &addr), 0);
	index = tables_image_lookup(f->tables, &addr);
	if (NEXTHOP_KIND(v->nexthops[index].info) == NEXTHOP_GROUP)
		index = v->slots[(uint32_t)v->nexthops[index].group];
	if (NEXTHOP_KIND(v->nexthops[index].info) == NEXTHOP_GLEAN)
		index = peer_find(&f->r, port, &addr)->attached->index;
	assert_int_equal(NEXTHOP_KIND(v->nexthops[index].info), NEXTHOP_FORWARD);
	used_marks[index] = 1;
}

static void networks(struct fixture *f)
{
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.0.0.0", 8, 0, NULL, FACE0));
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "fd00::", 64, 0, NULL, FACE0));
	commit(f);
}

static void expect_asked(struct fixture *f, unsigned asked, const char *last)
{
	struct ip_addr addr;

	assert_int_equal(f->asked, asked);
	assert_int_equal(ip_addr_parse(last, &addr), 0);
	assert_memory_equal(&f->last_asked, &addr, sizeof(addr));
}

/* Only what is stale and used is confirmed, at most every 10 s. */
static void stale_and_used(void **state)
{
	struct fixture *f = *state;
	uint64_t now = 1000000;

	networks(f);
	neighbour(f, "10.0.0.7", FACE0, NUD_STALE, PEER);
	neighbour(f, "10.0.0.8", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "fd00::7", FACE0, NUD_STALE, PEER);
	replica_tick(&f->r, now);
	assert_int_equal(f->asked, 0);
	use(f, "10.0.0.7", 0);
	use(f, "10.0.0.8", 0);
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 1, "10.0.0.7");
	use(f, "10.0.0.7", 0);
	use(f, "fd00::7", 0);
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 2, "fd00::7");
	/* Used before it became stale, and not since. */
	neighbour(f, "10.0.0.8", FACE0, NUD_STALE, PEER);
	replica_tick(&f->r, now += 20000);
	assert_int_equal(f->asked, 2);
	use(f, "10.0.0.7", 0);
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 3, "10.0.0.7");
	/* It answered, and is stale again: that is another matter. */
	neighbour(f, "10.0.0.7", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.0.7", FACE0, NUD_STALE, PEER);
	use(f, "10.0.0.7", 0);
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 4, "10.0.0.7");
	assert_int_equal(f->asked_external, 0);
}

/* Packets of a route mark its next hop, or a group's member: the gateway behind is used. */
static void gateways(void **state)
{
	const struct build_hop hops[] = {{"10.0.0.2", FACE0, 1}, {"10.0.1.2", FACE1, 1}};
	struct fixture *f = *state;
	uint64_t now = 1000000;
	struct nlmsghdr *nlh;

	replica_tick(&f->r, now);
	neighbour(f, "10.0.0.2", FACE0, NUD_STALE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_STALE, PEER);
	neighbour(f, "10.0.0.3", FACE0, NUD_STALE, PEER);
	via(f, RTM_NEWROUTE, CREATE, 0, "10.0.0.3", FACE0);
	nlh = build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_UNICAST, "10.8.1.0", 24, 0);
	build_multipath(nlh, hops, 2);
	apply(f, nlh);
	commit(f);
	replica_tick(&f->r, now += 1000);
	assert_int_equal(f->asked, 0);
	use(f, "10.9.0.1", 0);
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 1, "10.0.0.3");
	use(f, "10.8.1.1", 0); /* the group's first slot */
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 2, "10.0.0.2");
	/* One that failed is asked for, used or not, every 5 s; the kernel is not disturbed at it. */
	neighbour(f, "10.0.1.2", FACE1, NUD_FAILED, NULL);
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 3, "10.0.1.2");
	replica_tick(&f->r, now += 4000);
	assert_int_equal(f->asked, 3);
	neighbour(f, "10.0.1.2", FACE1, NUD_INCOMPLETE, NULL);
	replica_tick(&f->r, now += 1000);
	assert_int_equal(f->asked, 3);
	/* Collected by the kernel: a gateway is wanted back. */
	apply(f, build_neighbour(&f->b, RTM_DELNEIGH, FACE1, "10.0.1.2", NUD_FAILED, NULL));
	replica_tick(&f->r, now += 1000);
	expect_asked(f, 4, "10.0.1.2");
	/* Out of a port that is down nothing is asked. */
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", 0, 1500, MAC1));
	replica_tick(&f->r, now += 20000);
	assert_int_equal(f->asked, 4);
}

/* Those that belong to others: flags are kept, and what the kernel keeps resolved by itself is left
 * alone. */
static void those_of_others(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	networks(f);
	nlh = (struct nlmsghdr *)build_neighbour(&f->b, RTM_NEWNEIGH, FACE0, "10.0.0.5", NUD_STALE,
						 PEER);
	((struct ndmsg *)mnl_nlmsg_get_payload(nlh))->ndm_flags = NTF_EXT_LEARNED;
	apply(f, nlh);
	nlh = (struct nlmsghdr *)build_neighbour(&f->b, RTM_NEWNEIGH, FACE0, "10.0.0.6", NUD_STALE,
						 PEER);
	mnl_attr_put_u32(nlh, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	apply(f, nlh);
	use(f, "10.0.0.5", 0);
	use(f, "10.0.0.6", 0);
	replica_tick(&f->r, 1000000);
	expect_asked(f, 1, "10.0.0.5");
	assert_int_equal(f->asked_external, 1);
}

/* An index that is used again does not make its new owner used. */
static void marks_do_not_outlive_a_neighbour(void **state)
{
	struct fixture *f = *state;
	uint32_t index;
	struct ip_addr addr;

	networks(f);
	neighbour(f, "10.0.0.7", FACE0, NUD_STALE, PEER);
	use(f, "10.0.0.7", 0);
	ip_addr_parse("10.0.0.7", &addr);
	index = peer_find(&f->r, 0, &addr)->attached->index;
	apply(f, build_neighbour(&f->b, RTM_DELNEIGH, FACE0, "10.0.0.7", NUD_STALE, PEER));
	commit(f);
	neighbour(f, "10.0.0.8", FACE0, NUD_STALE, PEER);
	ip_addr_parse("10.0.0.8", &addr);
	assert_int_equal(peer_find(&f->r, 0, &addr)->attached->index, index);
	replica_tick(&f->r, 1000000);
	assert_int_equal(f->asked, 0);
}

#define MANY 4000u

static const char *many(char text[40], unsigned i, bool six)
{
	snprintf(text, 40, six ? "fd00::%x:%x" : "10.9.%u.%u", i / 250, 1 + i % 250);
	return text;
}

/* Runs `ms` of ticks; no tick asks for more than `most`. Returns how many asked for anything. */
static unsigned run_ticks(struct fixture *f, uint64_t *now, unsigned ms, unsigned most)
{
	uint64_t end = *now + ms;
	unsigned ticks = 0;

	while (*now < end) {
		unsigned before = f->asked;
		uint64_t next = replica_tick(&f->r, *now);

		assert_true(next > *now && next <= *now + 1000);
		assert_in_range(f->asked - before, 0, most);
		ticks += f->asked != before;
		*now = next;
	}
	return ticks;
}

/* Thousands on one network, all used and stale at once, and a gateway among them: what is asked of
 * the kernel is spread, the gateway comes first, all get their turn, and each once. When they are
 * gone, so is what they took. */
static void thousands(void **state)
{
	struct fixture *f = *state;
	struct tables_stats before, after;
	size_t buckets = f->r.peers.n;
	uint64_t now = 1000000;
	char text[40];

	networks(f);
	tables_settle(f->tables);
	tables_stats(f->tables, &before);
	for (unsigned i = 0; i < 2 * MANY; i++)
		neighbour(f, many(text, i / 2, i & 1), FACE0, NUD_STALE, PEER);
	neighbour(f, "10.0.0.2", FACE0, NUD_FAILED, NULL);
	assert_int_equal(f->r.stats.neighbours, 2 * MANY);
	run_ticks(f, &now, 1000, 0);
	for (unsigned i = 0; i < 2 * MANY; i++)
		use(f, many(text, i / 2, i & 1), 0);
	via(f, RTM_NEWROUTE, CREATE, 0, "10.0.0.2", FACE0);
	commit(f);
	expect_asked(f, 1, "10.0.0.2");
	assert_in_range(run_ticks(f, &now, 9000, 80), 2 * MANY / 80, 9000 / 50);
	assert_in_range(f->asked, 2 * MANY + 2, 2 * MANY + 3); /* the gateway again, it failed */
	run_ticks(f, &now, 20000, 1);

	for (unsigned i = 0; i < 2 * MANY; i++)
		apply(f, build_neighbour(&f->b, RTM_DELNEIGH, FACE0, many(text, i / 2, i & 1),
					 NUD_STALE, PEER));
	commit(f);
	run_ticks(f, &now, 1000, 1);
	tables_settle(f->tables);
	tables_stats(f->tables, &after);
	assert_int_equal(after.neighbours, 0);
	assert_int_equal(after.nexthops, before.nexthops + 1);
	assert_int_equal(f->r.peers.count, 1);
	assert_int_equal(f->r.peers.n, buckets);
}

/* Thousands of dead gateways do not keep neighbours in use from being confirmed. */
static void dead_gateways_leave_room(void **state)
{
	struct fixture *f = *state;
	uint64_t now = 1000000;
	struct ip_addr addr;
	char text[40];

	networks(f);
	replica_tick(&f->r, now);
	for (unsigned i = 0; i < MANY; i++) {
		apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "172.16.0.0", 24, i + 1,
				   many(text, i, false), FACE0));
		neighbour(f, many(text, i, false), FACE0, NUD_FAILED, NULL);
	}
	commit(f);
	assert_int_equal(f->asked, 64);
	neighbour(f, "fd00::7", FACE0, NUD_STALE, PEER);
	use(f, "fd00::7", 0);
	run_ticks(f, &now, 3000, 80);
	assert_in_range(f->asked, 64 + 2000 / 50 * 50, MANY);
	ip_addr_parse("fd00::7", &addr);
	assert_int_not_equal(peer_find(&f->r, 0, &addr)->asked_ms, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_usage, teardown)
	const struct CMUnitTest tests[] = {
		TEST(stale_and_used),  TEST(gateways),
		TEST(those_of_others), TEST(marks_do_not_outlive_a_neighbour),
		TEST(thousands),       TEST(dead_gateways_leave_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
