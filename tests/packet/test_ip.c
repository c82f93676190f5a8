/* SPDX-License-Identifier: BSD-2-Clause */
/* Fates decided by the IP header alone: wrong headers, addresses that must not be on a wire,
 * options. Every packet here would be forwarded but for the one thing tested. */
#include "world.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void version_wrong_is_dropped(void **state)
{
	for (unsigned version = 0; version < 16; version++) {
		struct frame f = frame4("10.1.0.1", 46);

		f.bytes[14] = (uint8_t)(version << 4 | 5);
		frame4_checksum(&f);
		if (version != 4)
			expect_drop(*state, &f, REASON_VERSION);
		f = frame6("2001:db8:1::1", 60);
		f.bytes[14] = (uint8_t)(version << 4 | 5);
		if (version != 6)
			expect_drop(*state, &f, REASON_VERSION);
	}
}

static void header_length_wrong_is_dropped(void **state)
{
	for (unsigned words = 0; words < 5; words++) {
		struct frame f = frame4("10.1.0.1", 46);

		f.bytes[14] = (uint8_t)(0x40 | words);
		expect_drop(*state, &f, REASON_HEADER_LEN);
	}
	/* 60 bytes of header in 46 of packet, all of the frame */
	for (unsigned words = 12; words < 16; words++) {
		struct frame f = frame4("10.1.0.1", 46);

		f.bytes[14] = (uint8_t)(0x40 | words);
		frame4_checksum(&f);
		expect_drop(*state, &f, REASON_HEADER_LEN);
	}
}

static void total_length_wrong_is_dropped(void **state)
{
	static const unsigned wrong4[] = {0, 19, 101, 102, 0x8000, 0xffff};
	static const unsigned wrong6[] = {61, 62, 0x8000, 0xffff};
	struct frame f;

	for (unsigned i = 0; i < COUNT(wrong4); i++) {
		f = frame4("10.1.0.1", 100);
		put16(f.bytes + 16, wrong4[i]);
		frame4_checksum(&f);
		expect_drop(*state, &f, REASON_TOTAL_LEN);
	}
	for (unsigned i = 0; i < COUNT(wrong6); i++) {
		f = frame6("2001:db8:1::1", 100);
		put16(f.bytes + 18, wrong6[i]);
		expect_drop(*state, &f, REASON_TOTAL_LEN);
	}
	/* shorter than its own header, though longer than 20 bytes */
	f = frame4("10.1.0.1", 60);
	f.bytes[14] = 0x47;
	put16(f.bytes + 16, 24);
	frame4_checksum(&f);
	expect_drop(*state, &f, REASON_TOTAL_LEN);
}

/* Every single bit of the header that only the checksum protects. */
static void checksum_wrong_is_dropped(void **state)
{
	for (unsigned bit = 8; bit < 160; bit++) {
		struct frame f = frame4("10.1.0.1", 46);

		if (bit / 8 == 2 || bit / 8 == 3)
			continue; /* total length: judged before */
		f.bytes[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_drop(*state, &f, REASON_CHECKSUM);
	}
}

static void checksum_of_options_is_checked(void **state)
{
	struct frame f = frame4("10.1.0.1", 60);

	f.bytes[14] = 0x48;
	frame4_checksum(&f);
	expect_punt(*state, &f, REASON_OPTIONS);
	f.bytes[14 + 31] ^= 1;
	expect_drop(*state, &f, REASON_CHECKSUM);
}

/* For each list: sources of both families, edges of their ranges on both sides. */
static void bad_sources_are_dropped(void **state)
{
	static const char *const bad[] = {
		"224.0.0.0",	   "239.255.255.255", "127.0.0.0",
		"127.255.255.255", "255.255.255.255", "ff00::",
		"ff02::1",	   "ffff::1",	      "::1",
	};

	for (unsigned i = 0; i < COUNT(bad); i++) {
		struct frame f = frame_to(strchr(bad[i], ':') ? "2001:db8:1::1" : "10.1.0.1", 60);

		frame_set_src(&f, bad[i]);
		expect_drop(*state, &f, REASON_SOURCE);
	}
}

static void sources_beside_the_bad_ones_pass(void **state)
{
	static const char *const fine[] = {
		"0.0.0.1",   "126.255.255.255", "128.0.0.0",	   "223.255.255.255",
		"::2",	     "240.0.0.0",	"255.255.255.254", "247.1.2.3",
		"::1:0:0:1", "::fffe:a01:1",	"0:0:0:1::",	   "fec0::1",
		"fe7f::1",   "feff:ffff::1",	"0:0:0:1::1",	   "::1:ffff:a01:1",
	};

	for (unsigned i = 0; i < COUNT(fine); i++) {
		struct frame f = frame_to(strchr(fine[i], ':') ? "2001:db8:1::1" : "10.1.0.1", 60);
		struct frame out;

		frame_set_src(&f, fine[i]);
		out = frame_forwarded(&f, 1, 0x1101);
		expect_sent(*state, &f, 1, &out);
	}
}

/* Without a source: never forwarded, but for the kernel itself if for a group or for all (DHCP, IGMP,
 * neighbour discovery). IPv4-mapped: some kernels forward it. */
static void odd_source_is_punted(void **state)
{
	static const char *const pairs[][2] = {
		{"10.1.0.1", "0.0.0.0"},	 {"0.0.0.0", "0.0.0.0"},
		{"224.0.0.22", "0.0.0.0"},	 {"255.255.255.255", "0.0.0.0"},
		{"2001:db8:1::1", "::"},	 {"fe80::1", "::"},
		{"2001:db8:1::1", "::ffff:0:0"}, {"2001:db8:1::1", "::ffff:10.1.0.1"},
	};

	for (unsigned i = 0; i < COUNT(pairs); i++) {
		struct frame f = frame_to(pairs[i][0], 60);

		frame_set_src(&f, pairs[i][1]);
		expect_punt(*state, &f, REASON_ODD_SOURCE);
	}
}

/* The kernel has routes for it, as for any other. */
static void odd_destination_is_punted(void **state)
{
	struct frame f = frame6("::", 60);

	world_route(*state, "::/0", ((struct world *)*state)->via1);
	expect_punt(*state, &f, REASON_ODD_DESTINATION);
}

static void bad_destinations_are_dropped(void **state)
{
	static const char *const bad[] = {"127.0.0.0", "127.0.0.1", "127.255.255.255", "0.0.0.0",
					  "::1"};
	struct world *w = *state;

	world_route(w, "0.0.0.0/0", w->via1);
	world_route(w, "::/0", w->via1);
	for (unsigned i = 0; i < COUNT(bad); i++) {
		struct frame f = frame_to(bad[i], 60);

		expect_drop(w, &f, REASON_DESTINATION);
	}
}

static void destinations_beside_the_bad_ones_pass(void **state)
{
	static const char *const fine[] = {
		"0.0.0.1",	   "126.255.255.255", "128.0.0.0",	 "::2",
		"::1:0:0:1",	   "0:0:0:1::",	      "223.255.255.255", "240.0.0.1",
		"::ffff:10.9.8.7", "fec0::1",	      "fe7f::1"};
	struct world *w = *state;

	world_route(w, "0.0.0.0/0", w->via1);
	world_route(w, "::/0", w->via1);
	for (unsigned i = 0; i < COUNT(fine); i++) {
		struct frame f = frame_to(fine[i], 60);
		struct frame out = frame_forwarded(&f, 1, 0x1101);

		expect_sent(w, &f, 1, &out);
	}
}

static void multicast_is_punted(void **state)
{
	static const char *const groups[] = {"224.0.0.0", "224.0.0.5", "239.255.255.255",
					     "ff00::",	  "ff02::5",   "ffff::1"};
	struct world *w = *state;

	world_route(w, "0.0.0.0/0", w->via1);
	world_route(w, "::/0", w->via1);
	for (unsigned i = 0; i < COUNT(groups); i++) {
		struct frame f = frame_to(groups[i], 60);

		expect_punt(w, &f, REASON_MULTICAST);
	}
}

static void limited_broadcast_is_punted(void **state)
{
	struct world *w = *state;
	struct frame f = frame4("255.255.255.255", 60);

	world_route(w, "0.0.0.0/0", w->via1);
	expect_punt(w, &f, REASON_BROADCAST);
}

static void link_local_is_punted(void **state)
{
	static const char *const addrs[] = {"fe80::", "fe80::1", "febf:ffff::1"};
	struct world *w = *state;

	world_route(w, "::/0", w->via1);
	for (unsigned i = 0; i < COUNT(addrs); i++) {
		struct frame f = frame6(addrs[i], 60);

		expect_punt(w, &f, REASON_LINK_LOCAL);
		f = frame6("2001:db8:1::1", 60);
		frame_set_src(&f, addrs[i]);
		expect_punt(w, &f, REASON_LINK_LOCAL);
	}
}

static void options_are_punted(void **state)
{
	for (unsigned words = 6; words < 16; words++) {
		struct frame f = frame4("10.1.0.1", 100);

		f.bytes[14] = (uint8_t)(0x40 | words);
		frame4_checksum(&f);
		expect_punt(*state, &f, REASON_OPTIONS);
		frame_set_src(&f, "127.0.0.1");
		expect_drop(*state, &f, REASON_SOURCE);
	}
}

/* Hop-by-hop options are for every router; other extension headers are none of ours. */
static void hop_by_hop_is_punted(void **state)
{
	static const uint8_t others[] = {43, 44, 50, 51, 59, 60, 135};
	struct frame f = frame6("2001:db8:1::1", 100);

	f.bytes[14 + 6] = 0;
	expect_punt(*state, &f, REASON_HOP_BY_HOP);
	frame_set_src(&f, "::1");
	expect_drop(*state, &f, REASON_SOURCE);
	for (unsigned i = 0; i < COUNT(others); i++) {
		struct frame out;

		f = frame6("2001:db8:1::1", 100);
		f.bytes[14 + 6] = others[i];
		out = frame_forwarded(&f, 1, 0x1101);
		expect_sent(*state, &f, 1, &out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_wrong_is_dropped),
		cmocka_unit_test(header_length_wrong_is_dropped),
		cmocka_unit_test(total_length_wrong_is_dropped),
		cmocka_unit_test(checksum_wrong_is_dropped),
		cmocka_unit_test(checksum_of_options_is_checked),
		cmocka_unit_test(bad_sources_are_dropped),
		cmocka_unit_test(sources_beside_the_bad_ones_pass),
		cmocka_unit_test(odd_source_is_punted),
		cmocka_unit_test(odd_destination_is_punted),
		cmocka_unit_test(bad_destinations_are_dropped),
		cmocka_unit_test(destinations_beside_the_bad_ones_pass),
		cmocka_unit_test(multicast_is_punted),
		cmocka_unit_test(limited_broadcast_is_punted),
		cmocka_unit_test(link_local_is_punted),
		cmocka_unit_test(options_are_punted),
		cmocka_unit_test(hop_by_hop_is_punted),
	};

	return run_for_all_isas("ip", tests, sizeof(tests) / sizeof(tests[0]));
}
