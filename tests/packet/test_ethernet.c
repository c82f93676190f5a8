/* SPDX-License-Identifier: BSD-2-Clause */
/* Fates decided by the Ethernet header: the first two rows of DESIGN's table. */
#include "world.h"

static const unsigned ip_types[] = {0x0800, 0x86dd};

/* Frames of both families that would be forwarded. */
static struct frame good(unsigned i)
{
	return i ? frame6("2001:db8:1::1", 60) : frame4("10.1.0.1", 46);
}

static void arp_is_punted(void **state)
{
	struct frame f = good(0);

	put16(f.bytes + 12, 0x0806);
	expect_punt(*state, &f, REASON_ARP); /* a reply, to us */
	memset(f.bytes, 0xff, 6);
	expect_punt(*state, &f, REASON_ARP); /* a request, to all */
	f.len = 14;
	expect_punt(*state, &f, REASON_ARP);
}

static void vlan_is_punted(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = good(i);

		put16(f.bytes + 12, i ? 0x88a8 : 0x8100);
		expect_punt(*state, &f, REASON_VLAN);
		f.bytes[0] |= 1;
		expect_punt(*state, &f, REASON_VLAN);
	}
}

static void group_mac_is_punted(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = good(i);

		memcpy(f.bytes, (uint8_t[]){0x01, 0x00, 0x5e, 0, 0, 5}, 6);
		expect_punt(*state, &f, REASON_GROUP_MAC);
		memcpy(f.bytes, (uint8_t[]){0x33, 0x33, 0xff, 0, 0, 1}, 6); /* ND */
		expect_punt(*state, &f, REASON_GROUP_MAC);
		memset(f.bytes, 0xff, 6);
		expect_punt(*state, &f, REASON_GROUP_MAC);
		put16(f.bytes + 12, 0x88cc);
		expect_punt(*state, &f, REASON_GROUP_MAC);
		/* our own MAC with the group bit set */
		f = good(i);
		f.bytes[0] |= 1;
		expect_punt(*state, &f, REASON_GROUP_MAC);
	}
}

static void unknown_type_is_punted(void **state)
{
	static const unsigned types[] = {0x0000, 0x0026, 0x05dc, 0x0801, 0x0008,
					 0x86dc, 0xdd86, 0x8847, 0x88cc, 0xffff};

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct frame f = good(0);

		put16(f.bytes + 12, types[i]);
		expect_punt(*state, &f, REASON_ETHERTYPE);
	}
}

/* One bit off in each byte of the MAC, the group bit left alone. */
static void other_mac_is_dropped(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned byte = 0; byte < 6; byte++) {
			struct frame f = good(i);

			f.bytes[byte] ^= 0x80;
			expect_drop(*state, &f, REASON_NOT_OUR_MAC);
		}
	}
}

/* ARP for somebody else's unicast MAC is none of our business. */
static void other_mac_is_dropped_whatever_the_type(void **state)
{
	static const unsigned types[] = {0x0806, 0x8100, 0x88cc};

	for (unsigned i = 0; i < 3; i++) {
		struct frame f = good(0);

		f.bytes[5] = 0x77;
		put16(f.bytes + 12, types[i]);
		expect_drop(*state, &f, REASON_NOT_OUR_MAC);
	}
}

static void port_down_drops(void **state)
{
	struct world *w = *state;

	world_port(w, 0, (uint8_t[]){0x02, 0, 0, 0, 0, 0}, false);
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = good(i);

		expect_drop(w, &f, REASON_PORT_DOWN);
		f.bytes[5] = 0x77;
		expect_drop(w, &f, REASON_NOT_OUR_MAC);
	}
}

/* The MAC compared is that of the port the packet came in on, and of the moment. */
static void mac_is_the_ports(void **state)
{
	struct world *w = *state;
	struct frame f = good(0), out;

	world_receive(w, 1, &f, 1);
	assert_int_equal(pl_stat_read(&w->plane.stats.drop[REASON_NOT_OUR_MAC]), 1);
	world_port(w, 0, (uint8_t[]){0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7}, true);
	expect_drop(w, &f, REASON_NOT_OUR_MAC);
	memcpy(f.bytes, (uint8_t[]){0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7}, 6);
	out = frame_forwarded(&f, 1, 0x1101);
	expect_sent(w, &f, 1, &out);
}

/* Every length up to the headers', the bytes beyond it being those of a good packet. */
static void runts_are_dropped(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned headers = 14 + (i ? 40 : 20);

		for (uint16_t len = 1; len < headers; len++) {
			struct frame f = good(i);

			f.len = len;
			expect_drop(*state, &f, REASON_RUNT);
		}
	}
}

/* Too short to have a type: nothing else about it is looked at. */
static void runts_have_no_mac(void **state)
{
	struct frame f = good(0);

	memset(f.bytes, 0xff, 6);
	f.len = 13;
	expect_drop(*state, &f, REASON_RUNT);
}

static void type_and_version_must_agree(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = good(i);

		put16(f.bytes + 12, ip_types[!i]);
		expect_drop(*state, &f, REASON_VERSION);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_is_punted),
		cmocka_unit_test(vlan_is_punted),
		cmocka_unit_test(group_mac_is_punted),
		cmocka_unit_test(unknown_type_is_punted),
		cmocka_unit_test(other_mac_is_dropped),
		cmocka_unit_test(other_mac_is_dropped_whatever_the_type),
		cmocka_unit_test(port_down_drops),
		cmocka_unit_test(mac_is_the_ports),
		cmocka_unit_test(runts_are_dropped),
		cmocka_unit_test(runts_have_no_mac),
		cmocka_unit_test(type_and_version_must_agree),
	};

	return run_for_all_isas("ethernet", tests, sizeof(tests) / sizeof(tests[0]));
}
