/* SPDX-License-Identifier: BSD-2-Clause */
/* Fates decided by the route: forwarding with the exact bytes out, the other kinds of next hop,
 * TTL, MTU, neighbours. */
#include <stdio.h>

#include "world.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes in and bytes out, checksums added up on paper. */
static void ipv4_to_the_byte(void **state)
{
	static const struct frame in = {
		60,
		{0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x99, 0x01, 0x08, 0x00,
		 0x45, 0x00, 0x00, 0x1c, 0x12, 0x34, 0x00, 0x00, 0x40, 0x11, 0x32, 0x65, 0xc6, 0x33,
		 0x64, 0x01, 0x0a, 0x01, 0x02, 0x03, 0x03, 0xe8, 0x07, 0xd0, 0x00, 0x08, 0x00, 0x00,
		 /* padding */
		 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee,
		 0xee, 0xee, 0xee, 0xee}};
	static const struct frame out = {42, {0x02, 0x00, 0x00, 0x00, 0x11, 0x01, 0x02, 0x00, 0x00,
					      0x00, 0x00, 0x01, 0x08, 0x00, 0x45, 0x00, 0x00, 0x1c,
					      0x12, 0x34, 0x00, 0x00, 0x3f, 0x11, 0x33, 0x65, 0xc6,
					      0x33, 0x64, 0x01, 0x0a, 0x01, 0x02, 0x03, 0x03, 0xe8,
					      0x07, 0xd0, 0x00, 0x08, 0x00, 0x00}};

	expect_sent(*state, &in, 1, &out);
}

static void ipv6_to_the_byte(void **state)
{
	static const struct frame in = {
		62, {0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x99, 0x01, 0x86,
		     0xdd, 0x6a, 0xbc, 0xde, 0xf0, 0x00, 0x08, 0x11, 0x02, 0x20, 0x01, 0x0d, 0xb8,
		     0x00, 0xff, 0,    0,    0,	   0,	 0,    0,    0,	   0,	 0,    0x01, 0x20,
		     0x01, 0x0d, 0xb8, 0x00, 0x02, 0,	 0,    0,    0,	   0,	 0,    0,    0,
		     0,	   0x07, 0x03, 0xe8, 0x07, 0xd0, 0x00, 0x08, 0x12, 0x34}};
	static const struct frame out = {
		62, {0x02, 0x00, 0x00, 0x00, 0x22, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x86,
		     0xdd, 0x6a, 0xbc, 0xde, 0xf0, 0x00, 0x08, 0x11, 0x01, 0x20, 0x01, 0x0d, 0xb8,
		     0x00, 0xff, 0,    0,    0,	   0,	 0,    0,    0,	   0,	 0,    0x01, 0x20,
		     0x01, 0x0d, 0xb8, 0x00, 0x02, 0,	 0,    0,    0,	   0,	 0,    0,    0,
		     0,	   0x07, 0x03, 0xe8, 0x07, 0xd0, 0x00, 0x08, 0x12, 0x34}};

	expect_sent(*state, &in, 2, &out);
}

/* All checksums there are: identification runs through 2^16 values. Compared with the checksum of
 * the whole new header. Every other packet goes to a neighbour, which the CPU's passes treat apart
 * from what a route forwards. */
static void checksum_is_updated(void **state)
{
	enum { BATCH = 1024 };
	static struct frame in[2 * BATCH];
	struct world *w = *state;

	for (unsigned id = 0; id < 0x10000; id += BATCH) {
		for (unsigned i = 0; i < 2 * BATCH; i++) {
			in[i] = frame4(i % 2 ? "10.3.0.9" : "10.1.0.1", 46);
			put16(in[i].bytes + 18, id + i / 2);
			frame4_checksum(&in[i]);
		}
		world_receive(w, 0, in, 2 * BATCH);
		assert_int_equal(w->wire[1].n, BATCH);
		assert_int_equal(w->wire[2].n, BATCH);
		for (unsigned i = 0; i < BATCH; i++) {
			struct frame out1 = frame_forwarded(&in[2 * i], 1, 0x1101);
			struct frame out2 = frame_forwarded(&in[2 * i + 1], 2, 0x2209);

			assert_memory_equal(w->wire[1].frames[i].bytes, out1.bytes, out1.len);
			assert_memory_equal(w->wire[2].frames[i].bytes, out2.bytes, out2.len);
		}
	}
}

/* A sender may write the checksum zero as 0xffff; both verify. What Linux makes of it, from its
 * ip_decrease_ttl(): 0xffff + 0x0100 with the carry brought round is 0x0100. */
static void checksum_of_all_ones_is_a_zero(void **state)
{
	struct frame f = frame4("10.1.0.1", 46), out;
	unsigned id = 0;

	do {
		put16(f.bytes + 18, id++);
		frame4_checksum(&f);
	} while (get16(f.bytes + 24) != 0);
	put16(f.bytes + 24, 0xffff);
	out = frame_forwarded(&f, 1, 0x1101);
	assert_int_equal(get16(out.bytes + 24), 0x0100);
	expect_sent(*state, &f, 1, &out);
}

static void kinds_of_next_hop(void **state)
{
	static const struct {
		unsigned n;
		enum reason reason;
	} kinds[] = {
		{4, REASON_LOCAL},	 {5, REASON_BROADCAST}, {6, REASON_BLACKHOLE},
		{7, REASON_UNREACHABLE}, {8, REASON_PROHIBIT},	{9, REASON_FOREIGN},
	};
	static const uint8_t ttls[] = {0, 1, 64};

	/* A used-up TTL does not matter to what is not forwarded. */
	for (unsigned i = 0; i < COUNT(kinds) * 2 * COUNT(ttls); i++) {
		unsigned k = i % COUNT(kinds), t = i / COUNT(kinds) % COUNT(ttls);
		char dst[32];
		struct frame f;

		snprintf(dst, sizeof(dst),
			 i < COUNT(kinds) * COUNT(ttls) ? "10.%u.0.1" : "2001:db8:%u::1",
			 kinds[k].n);
		f = frame_to(dst, 1500);
		frame_set_ttl(&f, ttls[t]);
		if (reason_kind(kinds[k].reason) == PL_VERDICT_DROP)
			expect_drop(*state, &f, kinds[k].reason);
		else
			expect_punt(*state, &f, kinds[k].reason);
	}
}

static void no_route_is_punted(void **state)
{
	struct frame f4 = frame4("192.0.2.1", 60), f6 = frame6("2001:db9::1", 60);
	struct frame other = frame6("fd00::1", 60);

	expect_punt(*state, &f4, REASON_NO_ROUTE);
	expect_punt(*state, &f6, REASON_NO_ROUTE);
	expect_punt(*state, &other, REASON_NO_ROUTE);
}

static const char *const via1_dst[] = {"10.1.0.1", "2001:db8:1::1"};

static void ttl_used_up_is_punted(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = frame_to(via1_dst[i], 60), out;

		for (uint8_t ttl = 0; ttl < 2; ttl++) {
			frame_set_ttl(&f, ttl);
			expect_punt(*state, &f, REASON_TTL);
		}
		for (unsigned ttl = 2; ttl < 256; ttl++) {
			frame_set_ttl(&f, (uint8_t)ttl);
			out = frame_forwarded(&f, 1, 0x1101);
			expect_sent(*state, &f, 1, &out);
		}
	}
}

static void mtu_is_the_limit(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = frame_to(via1_dst[i], 1500), out;

		out = frame_forwarded(&f, 1, 0x1101);
		expect_sent(*state, &f, 1, &out);
		f = frame_to(via1_dst[i], 1501);
		expect_punt(*state, &f, REASON_MTU);
		/* Time Exceeded comes before Packet Too Big. */
		frame_set_ttl(&f, 1);
		expect_punt(*state, &f, REASON_TTL);
	}
}

/* It is the packet that must fit, not its Ethernet padding. */
static void padding_is_trimmed(void **state)
{
	struct world *w = *state;
	uint32_t narrow = world_hop(w, &(struct nexthop_spec){.kind = NEXTHOP_FORWARD,
							      .mtu = 100,
							      .port = 1,
							      .dmac = {2, 0, 0, 0, 0x11, 0x02},
							      .smac = {2, 0, 0, 0, 0, 1}});

	world_route(w, "10.20.0.0/16", narrow);
	world_route(w, "2001:db8:20::/48", narrow);
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = frame_to(i ? "2001:db8:20::1" : "10.20.0.1", 100), out;

		f.len += 700;
		out = frame_forwarded(&f, 1, 0x1102);
		assert_int_equal(out.len, 114);
		expect_sent(w, &f, 1, &out);
	}
}

/* The smallest there are: a header and nothing else. */
static void headers_alone_are_forwarded(void **state)
{
	struct frame f4 = frame4("10.1.0.1", 20), f6 = frame6("2001:db8:1::1", 40), out;

	f4.len = 34;
	frame4_checksum(&f4);
	out = frame_forwarded(&f4, 1, 0x1101);
	expect_sent(*state, &f4, 1, &out);
	f6.len = 54;
	out = frame_forwarded(&f6, 1, 0x1101);
	expect_sent(*state, &f6, 1, &out);
}

static void fragments_are_forwarded(void **state)
{
	static const unsigned fragments[] = {0x2000, 0x2010, 0x0010, 0x4000};

	for (unsigned i = 0; i < COUNT(fragments); i++) {
		struct frame f = frame4("10.1.0.1", 100), out;

		put16(f.bytes + 20, fragments[i]);
		frame4_checksum(&f);
		out = frame_forwarded(&f, 1, 0x1101);
		expect_sent(*state, &f, 1, &out);
	}
}

static void neighbours_are_reached(void **state)
{
	static const char *const nine[] = {"10.3.0.9", "2001:db8:3::9"};

	for (unsigned i = 0; i < 2; i++) {
		struct frame f = frame_to(nine[i], 1400), out;

		out = frame_forwarded(&f, 2, 0x2209);
		expect_sent(*state, &f, 2, &out);
		frame_set_ttl(&f, 1);
		expect_punt(*state, &f, REASON_TTL);
		/* the neighbour's MTU is less than the network's */
		f = frame_to(nine[i], 1401);
		expect_punt(*state, &f, REASON_MTU);
	}
}

/* ... and the network's counts where it is the lesser. */
static void network_mtu_is_a_limit_too(void **state)
{
	static const char *const nine[] = {"10.3.0.9", "2001:db8:3::9"};
	struct world *w = *state;

	world_hop_set(w, w->glean2,
		      &(struct nexthop_spec){.kind = NEXTHOP_GLEAN,
					     .reason = REASON_UNRESOLVED,
					     .mtu = 1300,
					     .port = 2});
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = frame_to(nine[i], 1300), out = frame_forwarded(&f, 2, 0x2209);

		expect_sent(w, &f, 2, &out);
		f = frame_to(nine[i], 1301);
		expect_punt(w, &f, REASON_MTU);
	}
}

static void unknown_neighbours_are_punted(void **state)
{
	static const char *const unknown[] = {"10.3.0.8", "2001:db8:3::8"};
	static const char *const failed[] = {"10.3.0.10", "2001:db8:3::10"};
	static const uint8_t ttls[] = {0, 1, 64};

	for (unsigned i = 0; i < 2 * COUNT(ttls); i++) {
		struct frame f = frame_to(unknown[i % 2], 60);

		frame_set_ttl(&f, ttls[i / 2]);
		expect_punt(*state, &f, REASON_UNRESOLVED);
		f = frame_to(failed[i % 2], 60);
		frame_set_ttl(&f, ttls[i / 2]);
		expect_punt(*state, &f, REASON_UNREACHABLE);
	}
}

/* A neighbour of the same address on another port is somebody else. */
static void neighbours_belong_to_a_port(void **state)
{
	struct world *w = *state;
	struct frame f = frame4("10.3.0.77", 60);

	world_neighbour(w, 1, "10.3.0.77", w->via1);
	expect_punt(w, &f, REASON_UNRESOLVED);
}

/* An IPv6 packet does not reach the IPv4 host whose address it spells. */
static void mapped_addresses_are_no_neighbours(void **state)
{
	struct frame f = frame6("::ffff:10.3.0.9", 60);

	world_route(*state, "::ffff:0:0/96", ((struct world *)*state)->glean2);
	expect_punt(*state, &f, REASON_UNRESOLVED);
}

static void longest_prefix_wins(void **state)
{
	struct world *w = *state;
	struct frame f4 = frame4("10.1.2.3", 60), f6 = frame6("2001:db8:1:2:3:4:5:6", 60);
	struct frame out;

	world_route(w, "10.1.2.3/32", w->via2);
	world_route(w, "2001:db8:1:2:3:4:5:6/128", w->via2);
	out = frame_forwarded(&f4, 2, 0x2201);
	expect_sent(w, &f4, 2, &out);
	out = frame_forwarded(&f6, 2, 0x2201);
	expect_sent(w, &f6, 2, &out);
	f4 = frame4("10.1.2.2", 60);
	out = frame_forwarded(&f4, 1, 0x1101);
	expect_sent(w, &f4, 1, &out);
	f6 = frame6("2001:db8:1:2:3:4:5:7", 60);
	out = frame_forwarded(&f6, 1, 0x1101);
	expect_sent(w, &f6, 1, &out);
}

/* Outside 2000::/3 the tables have another root. */
static void unique_local_addresses_are_routed(void **state)
{
	struct world *w = *state;
	struct frame f = frame6("fd12:3456:789a:1::1", 60), out;

	world_route(w, "fd12:3456:789a::/48", w->via2);
	out = frame_forwarded(&f, 2, 0x2201);
	expect_sent(w, &f, 2, &out);
}

/* Which of `hops` a packet to `dst` marks as used: bit i for hops[i]. */
static unsigned marked_by(struct world *w, const char *dst, uint8_t ttl, const uint32_t *hops,
			  unsigned n)
{
	struct frame f = frame_to(dst, 60);
	unsigned marks = 0;

	frame_set_ttl(&f, ttl);
	world_receive(w, 0, &f, 1);
	for (unsigned i = 0; i < n; i++) {
		marks |= (unsigned)cpu_processor_take_used(&w->plane.processor, hops[i]) << i;
		assert_false(cpu_processor_take_used(&w->plane.processor, hops[i]));
	}
	return marks;
}

/* What a packet is sent with is marked: a plain next hop, a group's member, a neighbour; and nothing
 * by a packet that is not sent, nor the group or network on the way. */
static void next_hops_are_marked_as_used(void **state)
{
	struct world *w = *state;
	struct nexthop_member member = {w->via2, 1};
	uint32_t near = world_hop(
		w, &(struct nexthop_spec){.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = 2});
	uint32_t group = world_hop(
		w,
		&(struct nexthop_spec){.kind = NEXTHOP_GROUP, .members = &member, .n_members = 1});
	const uint32_t hops[] = {w->via1, w->via2, near, group, w->glean2};
	static const struct {
		const char *dst4, *dst6;
		unsigned marks;
	} cases[] = {
		{"10.1.0.1", "2001:db8:1::1", 1},   {"10.2.0.1", "2001:db8:2::1", 2},
		{"10.3.0.20", "2001:db8:3::20", 4}, {"10.40.0.1", "2001:db8:40::1", 2},
		{"10.3.0.77", "2001:db8:3::77", 0}, {"10.4.0.1", "2001:db8:4::1", 0},
		{"10.6.0.1", "2001:db8:6::1", 0},
	};

	world_neighbour(w, 2, "10.3.0.20", near);
	world_neighbour(w, 2, "2001:db8:3::20", near);
	world_route(w, "10.40.0.0/16", group);
	world_route(w, "2001:db8:40::/48", group);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		assert_int_equal(marked_by(w, cases[i].dst4, 64, hops, COUNT(hops)),
				 cases[i].marks);
		assert_int_equal(marked_by(w, cases[i].dst6, 64, hops, COUNT(hops)),
				 cases[i].marks);
		assert_int_equal(marked_by(w, cases[i].dst4, 1, hops, COUNT(hops)), 0);
		assert_int_equal(marked_by(w, cases[i].dst6, 1, hops, COUNT(hops)), 0);
	}
}

/* A burst of all sorts: what leaves a port leaves it in the order it came, and so do punts. */
static void order_is_kept(void **state)
{
	enum { N = 2000 };
	static struct frame in[N];
	static const char *const dst[] = {"10.1.0.1",	   "2001:db8:2::1", "10.2.0.1", "10.4.0.1",
					  "2001:db8:1::1", "10.6.0.1",	    "10.3.0.9"};
	struct world *w = *state;
	unsigned sent = 0;

	for (unsigned i = 0; i < N; i++) {
		in[i] = frame_to(dst[(i * i + i / 7) % COUNT(dst)], 60);
		put16(in[i].bytes + in[i].len - 2, i);
	}
	world_receive(w, 0, in, N);
	for (unsigned q = 0; q < WORLD_PORTS * 2; q++) {
		const struct capture *c = q < WORLD_PORTS ? &w->wire[q] : &w->face[q - WORLD_PORTS];
		int last = -1;

		for (unsigned i = 0; i < c->n; i++) {
			int number = (int)get16(c->frames[i].bytes + c->frames[i].len - 2);

			assert_true(number > last);
			last = number;
		}
		sent += c->n;
		if (q == 1 || q == 2 || q == WORLD_PORTS)
			assert_in_range(c->n, 100, N);
	}
	assert_int_equal(sent + pl_stat_read(&w->plane.stats.drop[REASON_BLACKHOLE]), N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_to_the_byte),
		cmocka_unit_test(ipv6_to_the_byte),
		cmocka_unit_test(checksum_is_updated),
		cmocka_unit_test(checksum_of_all_ones_is_a_zero),
		cmocka_unit_test(kinds_of_next_hop),
		cmocka_unit_test(no_route_is_punted),
		cmocka_unit_test(ttl_used_up_is_punted),
		cmocka_unit_test(mtu_is_the_limit),
		cmocka_unit_test(padding_is_trimmed),
		cmocka_unit_test(headers_alone_are_forwarded),
		cmocka_unit_test(fragments_are_forwarded),
		cmocka_unit_test(neighbours_are_reached),
		cmocka_unit_test(network_mtu_is_a_limit_too),
		cmocka_unit_test(unknown_neighbours_are_punted),
		cmocka_unit_test(neighbours_belong_to_a_port),
		cmocka_unit_test(mapped_addresses_are_no_neighbours),
		cmocka_unit_test(longest_prefix_wins),
		cmocka_unit_test(unique_local_addresses_are_routed),
		cmocka_unit_test(next_hops_are_marked_as_used),
		cmocka_unit_test(order_is_kept),
	};

	return run_for_all_isas("route", tests, sizeof(tests) / sizeof(tests[0]));
}
