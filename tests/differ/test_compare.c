/* SPDX-License-Identifier: BSD-2-Clause */
/* The comparison itself: what it must see, what it must not, and what each accepted difference
 * excuses and does not. Outputs are put into its hands; no router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "differ.h"
#include "make.h"

static struct outputs out[TWINS];
static struct frame sent; /* into port 0; len 0: none */

static int setup(void **state)
{
	(void)state;
	sent.len = 0;
	for (unsigned twin = 0; twin < TWINS; twin++) {
		if (!out[twin].at)
			out[twin].at = calloc(OUTPUTS_MAX, sizeof(struct output));
		assert_non_null(out[twin].at);
		out[twin].n = 0;
	}
	return 0;
}

static int free_outputs(void **state)
{
	(void)state;
	for (unsigned twin = 0; twin < TWINS; twin++)
		free(out[twin].at);
	return 0;
}

static struct output *add(enum twin twin, unsigned port, const uint8_t *ip, unsigned len)
{
	struct output *o = &out[twin].at[out[twin].n++];

	memset(o, 0, sizeof(*o));
	o->port = port;
	o->len = 14 + len;
	o->bytes[5] = (uint8_t)port;
	put16(o->bytes + 12, ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(o->bytes + 14, ip, len);
	return o;
}

static void add_both(unsigned port, const uint8_t *ip, unsigned len)
{
	add(KERNEL, port, ip, len);
	add(PEERLANE, port, ip, len);
}

static struct verdict verdict(void)
{
	normalise(&out[KERNEL]);
	normalise(&out[PEERLANE]);
	return compare(out, &sent, sent.len > 0);
}

static void expect_equal(void)
{
	struct verdict v = verdict();

	assert_int_equal(v.unexplained, 0);
	assert_false(v.order);
}

static void expect_unexplained(unsigned n)
{
	assert_int_equal(verdict().unexplained, n);
}

static void expect_accepted(enum accepted which, unsigned n)
{
	struct verdict v = verdict();

	assert_int_equal(v.unexplained, 0);
	assert_int_equal(v.accepted[which], n);
}

/* A UDP packet of 40 bytes, whose id and payload are its number. */
static const uint8_t *packet4(const char src[4], const char dst[4], unsigned number)
{
	static uint8_t ip[40];

	memset(ip, 0, sizeof(ip));
	put16(ip + 4, number);
	ip[8] = 63;
	ip[9] = 17;
	memcpy(ip + 12, src, 4);
	memcpy(ip + 16, dst, 4);
	put16(ip + 24, 20);
	put16(ip + 30, number);
	seal_ipv4(ip, 20, sizeof(ip));
	return ip;
}

#define FAR "\x0a\x0b\x01\x02"
#define OTHER "\x0a\x0d\x01\x02"
#define ROUTER "\x0a\x00\x01\x01"
#define ECMP "\x0a\x16\x01\x02"
#define VICTIM "\x0a\x1c\x00\x02"

/* An ICMP message of the router's to FAR, which quotes a packet to `about`. */
static const uint8_t *error4(unsigned type, unsigned code, const char about[4])
{
	static uint8_t ip[64];

	memset(ip, 0, sizeof(ip));
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, ROUTER FAR, 8);
	ip[20] = (uint8_t)type;
	ip[21] = (uint8_t)code;
	memcpy(ip + 28, packet4(FAR, about, 7), 36);
	seal_payload(ip, 1, ip + 20, 44);
	seal_ipv4(ip, 20, sizeof(ip));
	return ip;
}

static void nothing_equals_nothing(void **state)
{
	(void)state;
	expect_equal();
}

static void same_packets_are_equal(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		add_both(i % PORTS, packet4(FAR, OTHER, i), 40);
	expect_equal();
}

/* Each bit of a frame, in either twin. */
static void every_bit_counts(void **state)
{
	for (unsigned bit = 0; bit < 54 * 8; bit++) {
		struct output *o;

		setup(state);
		add_both(1, packet4(FAR, OTHER, 1), 40);
		o = &out[bit % TWINS].at[0];
		o->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_unexplained(2);
	}
}

/* As a wire has it, a frame of 60 bytes; but only by zeros, and nothing but padding is taken off. */
static void padding_is_taken_off(void **state)
{
	const uint8_t *ip = packet4(FAR, OTHER, 1);
	struct output *o;

	(void)state;
	add(KERNEL, 1, ip, 40);
	o = add(PEERLANE, 1, ip, 40);
	o->len = PADDED_LEN;
	strip_padding(&out[KERNEL]);
	strip_padding(&out[PEERLANE]);
	assert_int_equal(o->len, 54);
	expect_equal();
	o->len = PADDED_LEN;
	o->bytes[59] = 1;
	strip_padding(&out[PEERLANE]);
	assert_int_equal(o->len, PADDED_LEN);
	o->bytes[59] = 0;
	o->len = PADDED_LEN - 1;
	strip_padding(&out[PEERLANE]);
	assert_int_equal(o->len, PADDED_LEN - 1);
}

static void one_missing_is_seen(void **state)
{
	for (unsigned twin = 0; twin < TWINS; twin++) {
		setup(state);
		add_both(1, packet4(FAR, OTHER, 1), 40);
		add(twin, 1, packet4(FAR, OTHER, 2), 40);
		expect_unexplained(1);
		assert_true(out[twin].at[1].left_over);
		assert_false(out[twin].at[0].left_over);
	}
}

static void one_twice_is_seen(void **state)
{
	(void)state;
	add_both(1, packet4(FAR, OTHER, 1), 40);
	add(PEERLANE, 1, packet4(FAR, OTHER, 1), 40);
	expect_unexplained(1);
}

static void other_port_is_seen(void **state)
{
	(void)state;
	add(KERNEL, 0, packet4(FAR, OTHER, 1), 40);
	add(PEERLANE, 1, packet4(FAR, OTHER, 1), 40);
	expect_unexplained(2);
}

static void length_counts(void **state)
{
	(void)state;
	add_both(1, packet4(FAR, OTHER, 1), 40);
	out[KERNEL].at[0].len++; /* padding, with zeroes */
	expect_unexplained(2);
}

static void order_of_a_flow_counts(void **state)
{
	struct verdict v;

	(void)state;
	add(KERNEL, 1, packet4(FAR, OTHER, 1), 40);
	add(KERNEL, 1, packet4(FAR, OTHER, 2), 40);
	add(PEERLANE, 1, packet4(FAR, OTHER, 2), 40);
	add(PEERLANE, 1, packet4(FAR, OTHER, 1), 40);
	v = verdict();
	assert_int_equal(v.unexplained, 0);
	assert_true(v.order);
}

/* A long packet's fragments, or one with options: the kernel's. */
static void overtaking_the_kernels_is_accepted(void **state)
{
	uint8_t options[44];

	(void)state;
	memcpy(options, packet4(FAR, OTHER, 1), 20);
	memset(options + 20, 1, 4);
	memcpy(options + 24, packet4(FAR, OTHER, 1) + 20, 20);
	seal_ipv4(options, 24, sizeof(options));
	add(KERNEL, 1, options, sizeof(options));
	add(KERNEL, 1, packet4(FAR, OTHER, 2), 40);
	add(PEERLANE, 1, packet4(FAR, OTHER, 2), 40);
	add(PEERLANE, 1, options, sizeof(options));
	expect_accepted(ACCEPTED_OVERTAKEN, 1);
	assert_false(verdict().order);
}

static void order_between_flows_does_not(void **state)
{
	(void)state;
	add(KERNEL, 1, packet4(FAR, OTHER, 1), 40);
	add(KERNEL, 1, packet4(OTHER, FAR, 2), 40);
	add(PEERLANE, 1, packet4(OTHER, FAR, 2), 40);
	add(PEERLANE, 1, packet4(FAR, OTHER, 1), 40);
	expect_equal();
}

static void identification_of_the_routers_does_not_count(void **state)
{
	(void)state;
	add(KERNEL, 1, packet4(ROUTER, FAR, 1), 40);
	add(PEERLANE, 1, packet4(ROUTER, FAR, 1), 40);
	put16(out[KERNEL].at[0].bytes + 14 + 4, 99);
	put16(out[KERNEL].at[0].bytes + 14 + 10, 0);
	put16(out[KERNEL].at[0].bytes + 14 + 10,
	      checksum_fold(checksum_add(0, out[KERNEL].at[0].bytes + 14, 20)));
	expect_equal();
}

static void its_wrong_checksum_does(void **state)
{
	(void)state;
	add_both(1, packet4(ROUTER, FAR, 1), 40);
	out[PEERLANE].at[0].bytes[14 + 10] ^= 1;
	expect_unexplained(2);
}

static void redirects_are_accepted(void **state)
{
	(void)state;
	add(KERNEL, 0, error4(5, 1, OTHER), 64);
	expect_accepted(ACCEPTED_REDIRECT, 1);
}

static void other_errors_are_not(void **state)
{
	(void)state;
	add(KERNEL, 0, error4(3, 4, OTHER), 64);
	add(KERNEL, 0, error4(11, 0, OTHER), 64);
	expect_unexplained(2);
}

/* Sends a packet into port 0, with one more TTL than it has. */
static void send_one(const uint8_t *ip, unsigned len)
{
	setup(NULL);
	sent.len = 14 + len;
	put16(sent.bytes + 12, ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(sent.bytes + 14, ip, len);
	sent.bytes[14 + (ip[0] >> 4 == 4 ? 8 : 7)]++;
}

/* As an output of `port` that `twin` alone has, of a packet sent into port 0 with one more TTL. */
static void forwarded(enum twin twin, unsigned port, const char src[4], const char sent_src[4])
{
	send_one(packet4(sent_src, OTHER, 1), 40);
	add(twin, port, packet4(src, OTHER, 1), 40);
}

static void own_source_is_accepted_if_peerlane_forwards_it(void **state)
{
	static const char own[] = "\x0a\x00\x02\x01", broadcast[] = "\x0a\x00\x02\xff";

	(void)state;
	forwarded(PEERLANE, 1, own, own);
	expect_accepted(ACCEPTED_OWN_SOURCE, 1);
	forwarded(KERNEL, 1, own, own);
	expect_unexplained(1);
	forwarded(PEERLANE, 1, own, FAR); /* not what was sent */
	expect_unexplained(1);
	forwarded(PEERLANE, 1, FAR, FAR);
	expect_unexplained(1);
	forwarded(PEERLANE, 1, broadcast, broadcast);
	expect_unexplained(1);
	forwarded(PEERLANE, 0, broadcast, broadcast);
	expect_accepted(ACCEPTED_OWN_SOURCE, 1);
}

static void ecmp_member_is_accepted_in_pairs(void **state)
{
	(void)state;
	add(KERNEL, 1, packet4(FAR, ECMP, 1), 40);
	add(PEERLANE, 2, packet4(FAR, ECMP, 1), 40);
	expect_accepted(ACCEPTED_ECMP_MEMBER, 1);
	setup(state);
	add(PEERLANE, 2, packet4(FAR, ECMP, 1), 40);
	expect_unexplained(1);
	setup(state);
	add(KERNEL, 1, packet4(FAR, ECMP, 1), 40);
	add(PEERLANE, 2, packet4(FAR, ECMP, 2), 40);
	expect_unexplained(2);
}

static void learned_mtu_is_accepted_where_it_may_be(void **state)
{
	(void)state;
	send_one(packet4(FAR, VICTIM, 1), 40);
	add(KERNEL, 0, error4(3, 4, VICTIM), 64);
	add(PEERLANE, 1, packet4(FAR, VICTIM, 1), 40);
	expect_accepted(ACCEPTED_LEARNED_MTU, 2);
}

/* Not whatever has to do with such a destination. */
static void learned_mtu_excuses_nothing_else(void **state)
{
	(void)state;
	send_one(packet4(FAR, VICTIM, 1), 40);
	add(PEERLANE, 0, error4(3, 4, VICTIM), 64);
	add(KERNEL, 0, error4(3, 1, VICTIM), 64);
	add(KERNEL, 1, packet4(FAR, VICTIM, 1), 40);
	add(PEERLANE, 1, packet4(FAR, VICTIM, 2), 40); /* other bytes than were sent */
	expect_unexplained(4);
	send_one(packet4(FAR, VICTIM, 1), 40);
	sent.bytes[14 + 8]--; /* the TTL is not counted down */
	add(PEERLANE, 1, packet4(FAR, VICTIM, 1), 40);
	expect_unexplained(1);
}

/* The first or second part of packet4(FAR, VICTIM, 1). */
static const uint8_t *half(unsigned which)
{
	static uint8_t ip[20 + 16];
	unsigned len = which ? 4 : 16;

	memcpy(ip, packet4(FAR, VICTIM, 1), 20);
	memcpy(ip + 20, packet4(FAR, VICTIM, 1) + 20 + (which ? 16 : 0), len);
	put16(ip + 6, which ? 2 : 0x2000);
	seal_ipv4(ip, 20, 20 + len);
	return ip;
}

static void fragments_are_the_kernels_learned_mtu(void **state)
{
	(void)state;
	send_one(packet4(FAR, VICTIM, 1), 40);
	add(KERNEL, 1, half(0), 36);
	add(KERNEL, 1, half(1), 24);
	add(PEERLANE, 1, packet4(FAR, VICTIM, 1), 40);
	expect_accepted(ACCEPTED_LEARNED_MTU, 3);
	out[KERNEL].at[1].bytes[14 + 20] ^= 1;
	add(PEERLANE, 1, half(1), 24);
	expect_unexplained(2);
}

/* A packet without payload, or the router's error of this type and code that quotes one. */
static const uint8_t *to_failed(int icmp)
{
	static const uint8_t failed[16] = {0xfd, 5, [15] = 9},
			     router[16] = {0xfd, [3] = 1, [15] = 1};
	static uint8_t ip[88];
	uint8_t *quoted = ip + (icmp < 0 ? 0 : 48);

	memset(ip, 0, sizeof(ip));
	ip[0] = quoted[0] = 6 << 4;
	ip[7] = quoted[7] = 63;
	ip[6] = quoted[6] = 59;
	memcpy(quoted + 24, failed, 16);
	quoted[8] = 0xfd;
	if (icmp < 0)
		return ip;
	ip[5] = 48;
	ip[6] = 58;
	memcpy(ip + 8, router, 16);
	ip[24] = 0xfd;
	put16(ip + 40, (unsigned)icmp);
	seal_payload(ip, 58, ip + 40, 48);
	return ip;
}

static void failed_gateway_excuses_what_it_entails(void **state)
{
	(void)state;
	send_one(to_failed(-1), 40);
	add(KERNEL, 0, to_failed(0x0103), 88);
	add(PEERLANE, 2, to_failed(-1), 40);
	expect_accepted(ACCEPTED_FAILED_GATEWAY, 2);
	send_one(to_failed(-1), 40);
	add(KERNEL, 0, to_failed(0x0102), 88);
	add(PEERLANE, 0, to_failed(0x0200), 88);
	expect_accepted(ACCEPTED_FAILED_GATEWAY, 2);

	send_one(to_failed(-1), 40);
	add(PEERLANE, 0, to_failed(0x0103), 88);
	add(KERNEL, 0, to_failed(0x0100), 88);
	add(KERNEL, 0, to_failed(-1), 40);
	expect_unexplained(3);
	send_one(to_failed(-1), 40);
	sent.bytes[14 + 7]--;
	add(PEERLANE, 2, to_failed(-1), 40);
	expect_unexplained(1);
}

static void reports_by_timers_are_not_looked_at(void **state)
{
	(void)state;
	add(KERNEL, 0, error4(11, 1, OTHER), 64);
	expect_equal();
}

/* Frames are determined by seed and number, within bounds, and not all alike. */
static void frames_repeat(void **state)
{
	static struct frame a, b;
	unsigned longest = 0, shortest = FRAME_MAX;

	(void)state;
	for (uint64_t number = 0; number < 20000; number++) {
		generate(&a, 42, number);
		memset(&b, 0xee, sizeof(b));
		generate(&b, 42, number);
		assert_int_equal(a.port, b.port);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.bytes, b.bytes, a.len);
		assert_true(a.port < PORTS && a.len >= 14 && a.len <= FRAME_MAX);
		longest = a.len > longest ? a.len : longest;
		shortest = a.len < shortest ? a.len : shortest;
		generate(&b, 43, number);
		assert_false(a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0);
	}
	assert_int_equal(shortest, 14);
	assert_true(longest >= 14 + PORT_MTU + 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_equals_nothing, setup),
		cmocka_unit_test_setup(same_packets_are_equal, setup),
		cmocka_unit_test_setup(every_bit_counts, setup),
		cmocka_unit_test_setup(padding_is_taken_off, setup),
		cmocka_unit_test_setup(one_missing_is_seen, setup),
		cmocka_unit_test_setup(one_twice_is_seen, setup),
		cmocka_unit_test_setup(other_port_is_seen, setup),
		cmocka_unit_test_setup(length_counts, setup),
		cmocka_unit_test_setup(order_of_a_flow_counts, setup),
		cmocka_unit_test_setup(overtaking_the_kernels_is_accepted, setup),
		cmocka_unit_test_setup(order_between_flows_does_not, setup),
		cmocka_unit_test_setup(identification_of_the_routers_does_not_count, setup),
		cmocka_unit_test_setup(its_wrong_checksum_does, setup),
		cmocka_unit_test_setup(redirects_are_accepted, setup),
		cmocka_unit_test_setup(other_errors_are_not, setup),
		cmocka_unit_test_setup(own_source_is_accepted_if_peerlane_forwards_it, setup),
		cmocka_unit_test_setup(ecmp_member_is_accepted_in_pairs, setup),
		cmocka_unit_test_setup(learned_mtu_is_accepted_where_it_may_be, setup),
		cmocka_unit_test_setup(learned_mtu_excuses_nothing_else, setup),
		cmocka_unit_test_setup(fragments_are_the_kernels_learned_mtu, setup),
		cmocka_unit_test_setup(failed_gateway_excuses_what_it_entails, setup),
		cmocka_unit_test_setup(reports_by_timers_are_not_looked_at, setup),
		cmocka_unit_test(frames_repeat),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, free_outputs);
}
