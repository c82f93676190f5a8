/* SPDX-License-Identifier: BSD-2-Clause */
/* ECMP groups: which way flows go, and that packets of one flow go one way. */
#include <stdio.h>

#include "world.h"

#define MEMBERS 4u
#define FLOWS 2000u

/* Adds 10.30/16 and 2001:db8:30::/48, a group of `n` members of weight 1 (member i: MAC
 * 02:..:30:0i out of port 1). Returns the group. */
static uint32_t add_group(struct world *w, unsigned n, uint32_t members[MEMBERS])
{
	struct nexthop_member m[MEMBERS];
	uint32_t group;

	for (unsigned i = 0; i < n; i++) {
		members[i] =
			world_hop(w, &(struct nexthop_spec){.kind = NEXTHOP_FORWARD,
							    .mtu = 1500,
							    .port = 1,
							    .dmac = {2, 0, 0, 0, 0x30, (uint8_t)i},
							    .smac = {2, 0, 0, 0, 0, 1}});
		m[i] = (struct nexthop_member){.nexthop = members[i], .weight = 1};
	}
	group = world_hop(
		w, &(struct nexthop_spec){.kind = NEXTHOP_GROUP, .members = m, .n_members = n});
	world_route(w, "10.30.0.0/16", group);
	world_route(w, "2001:db8:30::/48", group);
	return group;
}

static struct frame flow(unsigned family, unsigned i)
{
	struct frame f = frame_to(family ? "2001:db8:30::1" : "10.30.0.1", 80);

	frame_set_ports(&f, (uint16_t)(1024 + i), 443);
	return f;
}

/* Member that each of `n` frames went to, all having been sent in order out of port 1. */
static void receive_members(struct world *w, const struct frame *in, unsigned n, uint8_t *member)
{
	world_receive(w, 0, in, n);
	assert_int_equal(w->wire[1].n, n);
	for (unsigned i = 0; i < n; i++) {
		uint16_t to = (uint16_t)get16(w->wire[1].frames[i].bytes + 4);
		struct frame out = frame_forwarded(&in[i], 1, to);

		assert_int_equal(to >> 8, 0x30);
		member[i] = (uint8_t)to;
		assert_int_equal(w->wire[1].frames[i].len, out.len);
		assert_memory_equal(w->wire[1].frames[i].bytes, out.bytes, out.len);
	}
}

static struct frame flows[FLOWS];

/* Flows that differ in one field alone are spread evenly by it. With 2000 flows and 4 members, 500
 * each with a standard deviation of 19: 100 away is no chance. */
static void assert_spread(const uint8_t *member)
{
	unsigned count[MEMBERS] = {0};

	for (unsigned i = 0; i < FLOWS; i++)
		count[member[i]]++;
	for (unsigned i = 0; i < MEMBERS; i++)
		assert_in_range(count[i], FLOWS / MEMBERS - 100, FLOWS / MEMBERS + 100);
}

static void every_field_spreads(void **state)
{
	static uint8_t member[FLOWS];
	struct world *w = *state;
	uint32_t members[MEMBERS];

	add_group(w, MEMBERS, members);
	for (unsigned family = 0; family < 2; family++) {
		for (unsigned field = 0; field < 4; field++) {
			for (unsigned i = 0; i < FLOWS; i++) {
				struct frame *f = &flows[i];
				char addr[40];

				*f = flow(family, 0);
				snprintf(addr, sizeof(addr),
					 family ? "2001:db8:30::%x:%x" : "10.30.%u.%u", i / 256,
					 i % 256);
				if (field == 0)
					frame_set_ports(f, (uint16_t)i, 443);
				else if (field == 1)
					frame_set_ports(f, 1024, (uint16_t)i);
				else if (field == 2)
					frame_set_src(f, addr);
				else
					frame_set_dst(f, addr);
			}
			receive_members(w, flows, FLOWS, member);
			assert_spread(member);
		}
	}
}

/* The same flow takes the same member, whatever else is in its packets and around them. */
static void flows_stick(void **state)
{
	static uint8_t first[FLOWS], again[FLOWS];
	struct world *w = *state;
	uint32_t members[MEMBERS];

	add_group(w, MEMBERS, members);
	for (unsigned family = 0; family < 2; family++) {
		for (unsigned i = 0; i < FLOWS; i++)
			flows[i] = flow(family, i);
		receive_members(w, flows, FLOWS, first);
		for (unsigned i = 0; i < FLOWS; i++) {
			struct frame *f = &flows[i];

			f->bytes[14 + 1] ^= 0x0c; /* TOS, flow label */
			f->bytes[60] ^= 0xff;	  /* payload */
			if (!family)
				put16(f->bytes + 18, i); /* identification */
			frame_set_ttl(f, (uint8_t)(2 + i % 200));
		}
		receive_members(w, flows, FLOWS, again);
		assert_memory_equal(first, again, FLOWS);
	}
}

/* All fragments of a packet, the first with its ports among them, go where their addresses and
 * protocol say. */
static void fragments_go_one_way(void **state)
{
	static const unsigned fragments[] = {0x2000, 0x2005, 0x000a, 0x1fff};
	static uint8_t member[FLOWS];
	struct world *w = *state;
	uint32_t members[MEMBERS];
	unsigned n = 0;

	add_group(w, MEMBERS, members);
	for (unsigned packet = 0; packet < 400; packet++) {
		for (unsigned k = 0; k < 4; k++, n++) {
			flows[n] = flow(0, 0);
			/* what lies where ports would is payload in all but the first */
			put16(flows[n].bytes + 34, packet * 4 + k);
			put16(flows[n].bytes + 20, fragments[k]);
			frame_set_dst(&flows[n], packet % 2 ? "10.30.9.9" : "10.30.77.1");
		}
	}
	receive_members(w, flows, n, member);
	for (unsigned i = 8; i < n; i++)
		assert_int_equal(member[i], member[i % 8]);
}

/* IPv6 packets whose first next header is no transport have no ports. */
static void extension_headers_hide_ports(void **state)
{
	static uint8_t member[FLOWS];
	struct world *w = *state;
	uint32_t members[MEMBERS];

	add_group(w, MEMBERS, members);
	for (unsigned i = 0; i < FLOWS; i++) {
		flows[i] = flow(1, i);
		flows[i].bytes[14 + 6] = i % 2 ? 44 : 60;
	}
	receive_members(w, flows, FLOWS, member);
	for (unsigned i = 2; i < FLOWS; i++)
		assert_int_equal(member[i], member[i % 2]);
}

/* Only these protocols have ports in their first four bytes. */
static void protocols_with_ports(void **state)
{
	static uint8_t member[512];
	struct world *w = *state;
	uint32_t members[MEMBERS];

	add_group(w, MEMBERS, members);
	for (unsigned protocol = 1; protocol < 256; protocol++) {
		bool ports = protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
		bool differ = false;

		for (unsigned i = 0; i < 128; i++) {
			flows[i] = flow(i / 64, i);
			flows[i].bytes[14 + (i / 64 ? 6 : 9)] = (uint8_t)protocol;
			if (i < 64)
				frame4_checksum(&flows[i]);
		}
		receive_members(w, flows, 128, member);
		for (unsigned i = 0; i < 128; i++)
			differ |= member[i] != member[i / 64 * 64];
		assert_int_equal(differ, ports);
	}
}

/* What lies behind the IP packet is Ethernet padding, not ports. */
static void padding_is_no_port(void **state)
{
	static uint8_t member[FLOWS];
	struct world *w = *state;
	uint32_t members[MEMBERS];

	add_group(w, MEMBERS, members);
	for (unsigned i = 0; i < FLOWS; i++) {
		flows[i] = frame_to(i % 2 ? "2001:db8:30::1" : "10.30.0.1", i % 2 ? 43 : 23);
		put16(flows[i].bytes + 14 + (i % 2 ? 42 : 22), i);
	}
	receive_members(w, flows, FLOWS, member);
	for (unsigned i = 2; i < FLOWS; i++)
		assert_int_equal(member[i], member[i % 2]);
}

/* A member that goes takes its flows along and leaves the others' where they are. */
static void others_stay_when_a_member_goes(void **state)
{
	static uint8_t before[FLOWS], after[FLOWS];
	struct world *w = *state;
	uint32_t members[MEMBERS], group = add_group(w, MEMBERS, members);
	struct nexthop_member three[3] = {{members[0], 1}, {members[1], 1}, {members[3], 1}};
	unsigned moved = 0;

	for (unsigned i = 0; i < FLOWS; i++)
		flows[i] = flow(i % 2, i);
	receive_members(w, flows, FLOWS, before);
	assert_int_equal(tables_nexthop_set(w->tables, group,
					    &(struct nexthop_spec){.kind = NEXTHOP_GROUP,
								   .members = three,
								   .n_members = 3}),
			 0);
	receive_members(w, flows, FLOWS, after);
	for (unsigned i = 0; i < FLOWS; i++) {
		assert_int_not_equal(after[i], 2);
		moved += before[i] != 2 && after[i] != before[i];
	}
	/* slots are a power of two, so a few must move to keep three members even */
	assert_in_range(moved, 0, FLOWS / 20);
}

static void weights_count(void **state)
{
	static uint8_t member[FLOWS];
	struct world *w = *state;
	uint32_t members[MEMBERS], group = add_group(w, 2, members);
	struct nexthop_member weighted[2] = {{members[0], 3}, {members[1], 1}};
	unsigned first = 0;

	assert_int_equal(tables_nexthop_set(w->tables, group,
					    &(struct nexthop_spec){.kind = NEXTHOP_GROUP,
								   .members = weighted,
								   .n_members = 2}),
			 0);
	for (unsigned i = 0; i < FLOWS; i++)
		flows[i] = flow(i % 2, i);
	receive_members(w, flows, FLOWS, member);
	for (unsigned i = 0; i < FLOWS; i++)
		first += member[i] == 0;
	assert_in_range(first, FLOWS * 3 / 4 - 100, FLOWS * 3 / 4 + 100);
}

/* Members of every kind: each flow fares as if its member were the route's next hop. */
static void members_of_all_kinds(void **state)
{
	struct world *w = *state;
	uint32_t drop = world_hop(
		w, &(struct nexthop_spec){.kind = NEXTHOP_DROP, .reason = REASON_BLACKHOLE});
	uint32_t punt = world_hop(
		w, &(struct nexthop_spec){.kind = NEXTHOP_PUNT, .reason = REASON_FOREIGN});
	struct nexthop_member m[4] = {{w->via1, 1}, {w->glean2, 1}, {drop, 1}, {punt, 1}};
	uint32_t group = world_hop(
		w, &(struct nexthop_spec){.kind = NEXTHOP_GROUP, .members = m, .n_members = 4});
	unsigned dropped, punted;

	/* ... and the neighbour is found behind the group. */
	world_route(w, "10.3.0.9/32", group);
	world_route(w, "2001:db8:3::9/128", group);
	for (unsigned i = 0; i < FLOWS; i++) {
		flows[i] = frame_to(i % 2 ? "2001:db8:3::9" : "10.3.0.9", 80);
		frame_set_ports(&flows[i], (uint16_t)i, 443);
	}
	world_receive(w, 0, flows, FLOWS);
	dropped = (unsigned)pl_stat_read(&w->plane.stats.drop[REASON_BLACKHOLE]);
	punted = (unsigned)pl_stat_read(&w->plane.stats.punt[REASON_FOREIGN]);
	assert_int_equal(w->wire[1].n + w->wire[2].n + dropped + punted, FLOWS);
	assert_int_equal(w->face[0].n, punted);
	assert_in_range(w->wire[1].n, FLOWS / 4 - 100, FLOWS / 4 + 100);
	assert_in_range(w->wire[2].n, FLOWS / 4 - 100, FLOWS / 4 + 100);
	assert_in_range(dropped, FLOWS / 4 - 100, FLOWS / 4 + 100);
	for (unsigned i = 0; i < w->wire[2].n; i++)
		assert_int_equal(get16(w->wire[2].frames[i].bytes + 4), 0x2209);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_spreads),
		cmocka_unit_test(flows_stick),
		cmocka_unit_test(fragments_go_one_way),
		cmocka_unit_test(extension_headers_hide_ports),
		cmocka_unit_test(protocols_with_ports),
		cmocka_unit_test(padding_is_no_port),
		cmocka_unit_test(others_stay_when_a_member_goes),
		cmocka_unit_test(weights_count),
		cmocka_unit_test(members_of_all_kinds),
	};

	return run_for_all_isas("ecmp", tests, sizeof(tests) / sizeof(tests[0]));
}
