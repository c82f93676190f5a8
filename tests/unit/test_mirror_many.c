/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror without a kernel: many routes, gone through in pieces between which others come and go;
 * and more than the tables have room for. */
#include "mirror_help.h"

#include "../../router/tables/private.h"

#define MANY 200u

static const char *many(unsigned i)
{
	static char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.0", i / 100, i % 100);
	return text;
}

static void many_via(struct fixture *f, uint16_t type, unsigned i, const char *gateway,
		     unsigned ifindex)
{
	apply(f, build_via(&f->b, type, type == RTM_NEWROUTE ? CREATE : 0, many(i), 24, 0, gateway,
			   ifindex));
}

static void face0(struct fixture *f, unsigned flags)
{
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", flags, 1500, MAC0));
}

static void neighbours(struct fixture *f)
{
	neighbour(f, "10.0.0.2", FACE0, NUD_REACHABLE, PEER);
	neighbour(f, "10.0.1.2", FACE1, NUD_REACHABLE, PEER2);
}

/* A link that goes takes no route at once, but all of them in the end; whatever comes, goes or returns
 * in between. */
static void test_routes_follow_a_path_by_and_by(void **state)
{
	struct fixture *f = *state;
	unsigned gone = 0;

	neighbours(f);
	for (unsigned i = 0; i < MANY; i++)
		many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
	commit(f);
	face0(f, 0);
	for (unsigned i = 0; i < MANY; i++)
		expect_forward(f, many(i), 0, PEER, 1500);
	assert_false(replica_commit(&f->r, MANY / 2));
	for (unsigned i = 0; i < MANY; i++)
		gone += NEXTHOP_KIND(lookup(f, many(i))->info) == NEXTHOP_PUNT;
	assert_int_equal(gone, MANY / 2);
	/* Each in turn, so that the one whose turn it is is among them. */
	for (unsigned i = 0; i < MANY; i += 2) {
		many_via(f, RTM_DELROUTE, i, "10.0.0.2", FACE0);
		assert_false(replica_commit(&f->r, 1));
	}
	many_via(f, RTM_NEWROUTE, 0, "10.0.0.2", FACE0);
	many_via(f, RTM_NEWROUTE, 2, "10.0.1.2", FACE1);
	commit(f);
	for (unsigned i = 0; i < MANY; i++)
		if (i == 2)
			expect_forward(f, many(i), 1, PEER2, 1500);
		else
			expect(f, many(i), NEXTHOP_PUNT, REASON_NO_ROUTE);

	/* Back, gone and back again before the first has been gone through. */
	face0(f, UP);
	replica_commit(&f->r, 10);
	face0(f, 0);
	replica_commit(&f->r, 20);
	face0(f, UP);
	commit(f);
	for (unsigned i = 0; i < MANY; i++)
		if (i % 2 || i == 0)
			expect_forward(f, many(i), 0, PEER, 1500);
	for (unsigned i = 0; i < MANY; i++)
		many_via(f, RTM_DELROUTE, i, i == 2 ? "10.0.1.2" : "10.0.0.2",
			 i == 2 ? FACE1 : FACE0);
	commit(f);
	assert_int_equal(f->r.stats.routes, 0);
	assert_int_equal(f->r.entries.count, 0);
}

/* Links come between two pieces of a sweep, and tables shrink: what was dumped stays, the rest goes. */
static void test_sweep_in_pieces(void **state)
{
	struct fixture *f = *state;
	unsigned pieces = 0;

	neighbours(f);
	for (unsigned i = 0; i < MANY; i++)
		many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
	commit(f);
	dump_begin(f);
	neighbours(f);
	for (unsigned i = 0; i < MANY; i += 40)
		many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
	f->r.dumping = false;
	replica_sweep_begin(&f->r, false);
	while (!replica_sweep(&f->r, 5)) {
		face0(f, pieces++ % 2 ? UP : 0);
		replica_tick(&f->r, 1000000 + 1000 * pieces);
	}
	assert_in_range(pieces, MANY / 10, 4 * MANY);
	face0(f, UP);
	commit(f);
	assert_int_equal(f->r.stats.routes, MANY / 40);
	assert_int_equal(f->r.entries.count, MANY / 40);
	for (unsigned i = 0; i < MANY; i++)
		if (i % 40)
			expect(f, many(i), NEXTHOP_PUNT, REASON_NO_ROUTE);
		else
			expect_forward(f, many(i), 0, PEER, 1500);
}

/* A dump that says what is known changes nothing and has nothing gone through. */
static void test_dump_of_what_is_known(void **state)
{
	struct fixture *f = *state;

	neighbours(f);
	for (unsigned i = 0; i < MANY; i++)
		many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
	commit(f);
	dump_begin(f);
	neighbours(f);
	for (unsigned i = 0; i < MANY; i++)
		many_via(f, RTM_NEWROUTE, i, i == 7 ? "10.0.1.2" : "10.0.0.2",
			 i == 7 ? FACE1 : FACE0);
	f->r.dumping = false;
	assert_true(sweep(f, false));
	assert_false(replica_is_committed(&f->r));
	assert_true(replica_commit(&f->r, 1)); /* the one that differs */
	expect_forward(f, many(7), 1, PEER2, 1500);
	expect_forward(f, many(8), 0, PEER, 1500);
	assert_int_equal(f->r.stats.routes, MANY);
}

struct listed {
	unsigned met[MANY], n, page;
};

static bool list(void *ctx, const struct mirror_route *route)
{
	struct listed *l = ctx;

	if (route->prefix.len == 24)
		l->met[route->prefix.bytes[1] * 100 + route->prefix.bytes[2]]++;
	return ++l->n % l->page != 0;
}

/* Pages between which the table of routes grows tenfold and shrinks again. */
static void test_listing_while_routes_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct listed l = {.page = 7};
	uint64_t place = 0;
	char text[32];
	bool more;

	for (unsigned i = 0; i < MANY; i++)
		many_via(f, RTM_NEWROUTE, i, NULL, FACE0);
	for (unsigned turn = 0;; turn++) {
		more = !replica_each_route(&f->r, &place, list, &l);
		if (!more)
			break;
		for (unsigned i = 0; i < 10 * MANY && turn % 4 < 2; i++) {
			snprintf(text, sizeof(text), "20.%u.%u.%u", i % 8, i / 200, i % 200);
			apply(f, build_via(&f->b, turn % 4 ? RTM_DELROUTE : RTM_NEWROUTE,
					   turn % 4 ? 0 : CREATE, text, 32, 0, NULL, FACE0));
		}
		commit(f);
		replica_tick(&f->r, 1000 * turn);
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(l.met[i], 1);
}

/* ---- what comes in the midst of a commit ---- */

/* Long work lets links be heard of in between: here the very one that the route leads out of. */
static void link_goes(void *ctx)
{
	struct fixture *f = ctx;

	f->r.breathe = NULL;
	face0(f, 0);
}

/* A dump takes seconds, and has prefixes half told. A link that goes meanwhile takes the others' routes
 * at once. */
static void test_link_goes_amid_a_dump(void **state)
{
	struct fixture *f = *state;

	neighbours(f);
	for (unsigned i = 0; i < MANY; i++) {
		many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
		apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, many(i), 24, 9, "10.0.1.2", FACE1));
	}
	commit(f);
	dump_begin(f);
	neighbours(f);
	for (unsigned i = 0; i < 10; i++)
		many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
	f->r.dumping = false;
	face0(f, 0);
	f->r.dumping = true;
	while (!replica_commit_stale(&f->r, 7))
		;
	for (unsigned i = 0; i < MANY; i++)
		expect_forward(f, many(i), i >= 10, i >= 10 ? PEER2 : PEER, 1500);
	for (unsigned i = 0; i < MANY; i++) {
		if (i >= 10)
			many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
		apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, many(i), 24, 9, "10.0.1.2", FACE1));
	}
	dump_end(f);
	for (unsigned i = 0; i < MANY; i++)
		expect_forward(f, many(i), 1, PEER2, 1500);
	assert_int_equal(f->r.stats.routes, 2 * MANY);
}

static void test_link_goes_amid_a_commit(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *nlh;

	neighbours(f);
	for (unsigned i = 0; i < 5000; i++)
		many_via(f, RTM_NEWROUTE, i, "10.0.1.2", FACE1);
	commit(f);
	/* Of table local: hides what main has inside, so all entries are looked at. */
	nlh = build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_MULTICAST, "ff00::", 8, 256);
	mnl_attr_put_u32(nlh, RTA_OIF, FACE0);
	apply(f, nlh);
	f->r.breathe = link_goes;
	f->r.breathe_ctx = f;
	commit(f);
	assert_null(f->r.breathe);
	expect(f, "ff02::1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	assert_int_equal(f->r.n_covers, 0);
	face0(f, UP);
	commit(f);
	expect(f, "ff02::1", NEXTHOP_PUNT, REASON_MULTICAST);
	expect_forward(f, many(4999), 1, PEER2, 1500);
}

/* ---- too many ---- */

static int setup_cramped(void **state)
{
	static const struct mirror_port ports[] = {{"pl0", FACE0, 0}, {"pl1", FACE1, 0}};
	static const struct tables_limits limits = {
		.blocks4 = 4, .blocks6 = 4, .nexthops = 6, .slots = 256};
	struct fixture *f = calloc(1, sizeof(*f));
	struct mirror_events events = {.note = on_note, .ctx = f};

	if (!f)
		return -1;
	f->tables = tables_new_limited(no_readers, REASON_NO_ROUTE, &limits);
	if (!f->tables || replica_init(&f->r, f->tables, ports, 2, &events))
		return -1;
	links(f);
	neighbours(f);
	*state = f;
	return 0;
}

static void ticks(struct fixture *f, unsigned n)
{
	static uint64_t now_ms = 1000000;

	while (n--) {
		replica_tick(&f->r, now_ms += 1000);
		commit(f);
	}
}

static void route(struct fixture *f, uint16_t type, const char *dst, uint8_t len, unsigned port)
{
	apply(f, build_via(&f->b, type, type == RTM_NEWROUTE ? CREATE : 0, dst, len, 0,
			   port ? "10.0.1.2" : "10.0.0.2", port ? FACE1 : FACE0));
}

static bool none_shown(void *ctx, const struct mirror_route *shown)
{
	unsigned *in_use = ctx;

	*in_use += shown->installed;
	return true;
}

static unsigned in_use(struct fixture *f)
{
	uint64_t place = 0;
	unsigned n = 0;

	assert_true(replica_each_route(&f->r, &place, none_shown, &n));
	return n;
}

/* What has no room follows no shorter route: the kernel gets it, and says why in the log. What had room
 * before keeps it, and the rest takes it as soon as there is some. */
static void test_no_room_for_routes(void **state)
{
	struct fixture *f = *state;

	route(f, RTM_NEWROUTE, "0.0.0.0", 0, 1);
	route(f, RTM_NEWROUTE, "10.9.0.0", 16, 1);
	route(f, RTM_NEWROUTE, "10.9.1.0", 25, 0);
	route(f, RTM_NEWROUTE, "10.8.1.0", 25, 0);
	commit(f); /* two blocks each: all there are */
	assert_int_equal(f->r.stats.refused, 0);
	f->notes = 0;
	route(f, RTM_NEWROUTE, "10.9.2.0", 25, 0); /* a third in 10.9.0.0/16 */
	route(f, RTM_NEWROUTE, "10.7.0.0", 20, 0); /* the first in 10.7.0.0/16 */
	commit(f);
	assert_int_equal(f->r.stats.refused, 2);
	assert_int_equal(f->r.stats.routes, 6);
	assert_int_equal(in_use(f), 4);
	assert_int_equal(f->notes, 1);
	assert_non_null(strstr(f->last_note, "the tables are full"));
	expect(f, "10.9.2.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect(f, "10.7.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect_forward(f, "10.9.1.1", 0, PEER, 1500);
	expect_forward(f, "10.9.1.129", 1, PEER2, 1500);
	expect_forward(f, "10.9.3.1", 1, PEER2, 1500);
	expect_forward(f, "10.8.1.1", 0, PEER, 1500);
	expect_forward(f, "192.0.2.1", 1, PEER2, 1500);
	ticks(f, 5);
	assert_int_equal(f->r.stats.refused, 2);
	assert_int_equal(f->notes, 1);

	route(f, RTM_DELROUTE, "10.8.1.0", 25, 0);
	commit(f);
	ticks(f, 3);
	assert_int_equal(f->r.stats.refused, 0);
	assert_int_equal(in_use(f), 5);
	assert_int_equal(f->notes, 2);
	assert_non_null(strstr(f->last_note, "room again"));
	expect_forward(f, "10.9.2.1", 0, PEER, 1500);
	expect_forward(f, "10.9.2.129", 1, PEER2, 1500);
	expect_forward(f, "10.7.0.1", 0, PEER, 1500);
	expect_forward(f, "10.7.16.1", 1, PEER2, 1500);
	expect_forward(f, "10.8.1.1", 1, PEER2, 1500);
}

/* That there is no room for it is no difference from the kernel's, which an audit would find. */
static void test_no_room_is_no_drift(void **state)
{
	struct fixture *f = *state;

	for (unsigned turn = 0; turn < 2; turn++) {
		if (turn)
			dump_begin(f);
		f->r.audit = (struct audit){.running = turn};
		for (unsigned i = 0; i < 1000; i += 100) { /* a block each */
			many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
			apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, many(i), 24, 9, "10.0.1.2",
					   FACE1));
		}
		neighbours(f);
		f->r.dumping = false;
		if (turn)
			assert_true(sweep(f, false));
		replica_tick(&f->r, 1000000);
		commit(f);
		assert_true(f->r.stats.refused > 0);
	}
	assert_int_equal(f->r.audit.found, 0);
}

/* One that goes while it has no room takes along what was said for its sake. */
static void test_refused_route_goes(void **state)
{
	struct fixture *f = *state;
	size_t entries;

	route(f, RTM_NEWROUTE, "0.0.0.0", 0, 1);
	route(f, RTM_NEWROUTE, "10.9.1.0", 25, 0);
	route(f, RTM_NEWROUTE, "10.8.1.0", 25, 0);
	commit(f);
	entries = f->r.entries.count;
	for (unsigned i = 0; i < 10; i++)
		many_via(f, RTM_NEWROUTE, i, "10.0.0.2", FACE0);
	for (unsigned i = 0; i < 10; i++)
		route(f, RTM_NEWROUTE, "10.7.9.0", (uint8_t)(22 + i), 0);
	commit(f);
	assert_int_equal(f->r.stats.refused, 20);
	expect(f, "10.0.3.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect(f, "10.7.9.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	for (unsigned i = 0; i < 10; i++)
		many_via(f, RTM_DELROUTE, i, "10.0.0.2", FACE0);
	for (unsigned i = 0; i < 10; i++)
		route(f, RTM_DELROUTE, "10.7.9.0", (uint8_t)(22 + i), 0);
	commit(f);
	ticks(f, 2);
	assert_int_equal(f->r.stats.refused, 0);
	assert_int_equal(f->r.entries.count, entries);
	expect_forward(f, "10.0.3.1", 1, PEER2, 1500);
	expect_forward(f, "10.7.9.1", 1, PEER2, 1500);
}

/* The same for want of next hops: two are the attached neighbours', one is the tables' own. */
static void test_no_room_for_next_hops(void **state)
{
	struct fixture *f = *state;

	route(f, RTM_NEWROUTE, "0.0.0.0", 0, 1);
	route(f, RTM_NEWROUTE, "10.9.0.0", 16, 0);
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.8.0.0", 16, 0, "10.0.0.3", FACE0));
	commit(f);
	assert_int_equal(f->r.stats.refused, 0);
	apply(f, build_via(&f->b, RTM_NEWROUTE, CREATE, "10.7.0.0", 16, 0, "10.0.0.4", FACE0));
	commit(f);
	assert_int_equal(f->r.stats.refused, 1);
	expect(f, "10.7.0.1", NEXTHOP_PUNT, REASON_NO_ROUTE);
	expect_forward(f, "10.6.0.1", 1, PEER2, 1500);
	apply(f, build_via(&f->b, RTM_DELROUTE, 0, "10.8.0.0", 16, 0, "10.0.0.3", FACE0));
	commit(f);
	ticks(f, 2);
	assert_int_equal(f->r.stats.refused, 0);
	expect(f, "10.7.0.1", NEXTHOP_PUNT, REASON_UNRESOLVED);
	expect_forward(f, "10.8.0.1", 1, PEER2, 1500);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define CRAMPED(fn) cmocka_unit_test_setup_teardown(fn, setup_cramped, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_routes_follow_a_path_by_and_by),
		TEST(test_sweep_in_pieces),
		TEST(test_dump_of_what_is_known),
		TEST(test_listing_while_routes_come_and_go),
		TEST(test_link_goes_amid_a_dump),
		TEST(test_link_goes_amid_a_commit),
		CRAMPED(test_no_room_for_routes),
		CRAMPED(test_no_room_is_no_drift),
		CRAMPED(test_refused_route_goes),
		CRAMPED(test_no_room_for_next_hops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
