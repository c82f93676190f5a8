/* SPDX-License-Identifier: BSD-2-Clause */
/* The hash of emulated NICs, against the values that Microsoft and Intel have published for it (82599
 * datasheet 7.1.2.8.3, RSS verification suite), and which frames it is taken of. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "emu/private.h"

static const uint8_t key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

#define ALL_TYPES \
	(EMU_RSS_TCP4 | EMU_RSS_UDP4 | EMU_RSS_IP4 | EMU_RSS_TCP6 | EMU_RSS_UDP6 | EMU_RSS_IP6)

enum { TCP = 6, UDP = 17, SCTP = 132 };

struct vector {
	const char *to, *from;
	uint16_t to_port, from_port;
	uint32_t by_address, by_port;
};

static const struct vector vectors4[] = {
	{"161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178},
	{"65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea},
	{"12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a},
	{"209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f},
	{"202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2},
};

static const struct vector vectors6[] = {
	{"3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d},
	{"ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf},
	{"fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
	 0x4b61e985, 0x02d1feef},
};

struct frame {
	uint8_t data[256];
	uint32_t len;
};

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Ports, and room for a TCP header; then up to the shortest frame there is. */
static void put_transport(struct frame *frame, const struct vector *vector)
{
	put16(frame->data + frame->len, vector->from_port);
	put16(frame->data + frame->len + 2, vector->to_port);
	frame->len += 20;
	if (frame->len < 60)
		frame->len = 60;
}

/* `vlan`: with a tag. `options`: bytes of them. */
static struct frame frame4(const struct vector *vector, uint8_t proto, bool vlan, unsigned options)
{
	struct frame frame = {.len = vlan ? 18 : 14};
	uint8_t *ip = frame.data + frame.len;

	put16(frame.data + 12, vlan ? 0x8100 : 0x0800);
	put16(ip - 2, 0x0800);
	ip[0] = (uint8_t)(0x45 + options / 4);
	ip[8] = 64;
	ip[9] = proto;
	assert_int_equal(inet_pton(AF_INET, vector->from, ip + 12), 1);
	assert_int_equal(inet_pton(AF_INET, vector->to, ip + 16), 1);
	frame.len += 20 + options;
	put_transport(&frame, vector);
	return frame;
}

/* `extensions`: a hop-by-hop header, destination options and a routing header. */
static struct frame frame6(const struct vector *vector, uint8_t proto, bool extensions)
{
	struct frame frame = {.len = 54};
	uint8_t *ip = frame.data + 14;

	put16(frame.data + 12, 0x86dd);
	ip[0] = 0x60;
	ip[6] = proto;
	assert_int_equal(inet_pton(AF_INET6, vector->from, ip + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, vector->to, ip + 24), 1);
	if (extensions) {
		ip[6] = 0;
		ip[40] = 60; /* 8 bytes */
		ip[48] = 43;
		ip[49] = 1; /* 16 bytes */
		ip[64] = proto;
		ip[65] = 2; /* 24 bytes */
		frame.len += 48;
	}
	put_transport(&frame, vector);
	return frame;
}

static void expect_hash(unsigned types, const struct frame *frame, unsigned type, uint32_t hash)
{
	struct emu_rss rss = {.on = true, .types = types};
	unsigned got;

	memcpy(rss.key, key, sizeof(key));
	assert_int_equal(emu_rss_hash(&rss, frame->data, frame->len, &got), hash);
	assert_int_equal(got, type);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_published_ip4(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(vectors4); i++) {
		const struct vector *v = &vectors4[i];
		struct frame tcp = frame4(v, TCP, false, 0);

		expect_hash(EMU_RSS_IP4, &tcp, EMU_RSS_IP4, v->by_address);
		expect_hash(EMU_RSS_TCP4, &tcp, EMU_RSS_TCP4, v->by_port);
		expect_hash(ALL_TYPES, &tcp, EMU_RSS_TCP4, v->by_port);
	}
}

static void test_published_ip6(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(vectors6); i++) {
		const struct vector *v = &vectors6[i];
		struct frame tcp = frame6(v, TCP, false);

		expect_hash(EMU_RSS_IP6, &tcp, EMU_RSS_IP6, v->by_address);
		expect_hash(EMU_RSS_TCP6, &tcp, EMU_RSS_TCP6, v->by_port);
		expect_hash(ALL_TYPES, &tcp, EMU_RSS_TCP6, v->by_port);
	}
}

/* UDP is hashed as TCP is, if it is to be; else by addresses, if these are to be; else not at all. */
static void test_types(void **state)
{
	struct frame udp4 = frame4(&vectors4[0], UDP, false, 0);
	struct frame udp6 = frame6(&vectors6[0], UDP, false);
	struct frame sctp4 = frame4(&vectors4[0], SCTP, false, 0);
	struct frame icmp6 = frame6(&vectors6[0], 58, false);

	(void)state;
	expect_hash(ALL_TYPES, &udp4, EMU_RSS_UDP4, vectors4[0].by_port);
	expect_hash(ALL_TYPES & ~EMU_RSS_UDP4, &udp4, EMU_RSS_IP4, vectors4[0].by_address);
	expect_hash(EMU_RSS_TCP4 | EMU_RSS_TCP6 | EMU_RSS_IP6, &udp4, 0, 0);
	expect_hash(ALL_TYPES, &udp6, EMU_RSS_UDP6, vectors6[0].by_port);
	expect_hash(ALL_TYPES & ~EMU_RSS_UDP6, &udp6, EMU_RSS_IP6, vectors6[0].by_address);
	expect_hash(EMU_RSS_TCP4 | EMU_RSS_TCP6 | EMU_RSS_IP4, &udp6, 0, 0);
	expect_hash(ALL_TYPES, &sctp4, EMU_RSS_IP4, vectors4[0].by_address);
	expect_hash(ALL_TYPES, &icmp6, EMU_RSS_IP6, vectors6[0].by_address);
}

/* No fragment has its ports looked at, not even the first, which has them. */
static void test_fragments(void **state)
{
	static const struct {
		uint16_t field;
		bool fragment;
	} fields[] = {{0x2000, true}, {0x0001, true}, {0x2fff, true}, {0x4000, false}};
	struct frame tcp6 = frame6(&vectors6[1], 44, false);

	(void)state;
	for (unsigned i = 0; i < COUNT(fields); i++) {
		struct frame tcp4 = frame4(&vectors4[1], TCP, false, 0);

		put16(tcp4.data + 14 + 6, fields[i].field);
		expect_hash(ALL_TYPES, &tcp4, fields[i].fragment ? EMU_RSS_IP4 : EMU_RSS_TCP4,
			    fields[i].fragment ? vectors4[1].by_address : vectors4[1].by_port);
	}
	tcp6.data[54] = TCP; /* in the fragment header */
	expect_hash(ALL_TYPES, &tcp6, EMU_RSS_IP6, vectors6[1].by_address);
}

/* Ports are found behind tags, options and extension headers. */
static void test_where_ports_are(void **state)
{
	struct frame tagged = frame4(&vectors4[2], TCP, true, 0);
	struct frame options = frame4(&vectors4[3], UDP, false, 40);
	struct frame extensions = frame6(&vectors6[2], UDP, true);

	(void)state;
	expect_hash(ALL_TYPES, &tagged, EMU_RSS_TCP4, vectors4[2].by_port);
	expect_hash(ALL_TYPES, &options, EMU_RSS_UDP4, vectors4[3].by_port);
	expect_hash(ALL_TYPES, &extensions, EMU_RSS_UDP6, vectors6[2].by_port);
}

/* What ends too early, or says so, is not looked at beyond its end. */
static void test_cut_off(void **state)
{
	struct frame short_tcp = frame4(&vectors4[4], TCP, false, 40);
	struct frame bad_length = frame4(&vectors4[4], TCP, false, 0);
	struct frame version = frame4(&vectors4[4], TCP, false, 0);
	struct frame short_extensions = frame6(&vectors6[0], TCP, true);
	struct frame arp = frame4(&vectors4[4], TCP, false, 0);

	(void)state;
	short_tcp.len -= 1; /* one byte less than TCP's header */
	expect_hash(ALL_TYPES, &short_tcp, EMU_RSS_IP4, vectors4[4].by_address);
	short_tcp.len = 60; /* within the options */
	expect_hash(ALL_TYPES, &short_tcp, 0, 0);
	bad_length.data[14] = 0x44;
	expect_hash(ALL_TYPES, &bad_length, 0, 0);
	version.data[14] = 0x65;
	expect_hash(ALL_TYPES, &version, 0, 0);
	short_extensions.data[14 + 49] = 0xff;
	expect_hash(ALL_TYPES, &short_extensions, EMU_RSS_IP6, vectors6[0].by_address);
	put16(arp.data + 12, 0x0806);
	expect_hash(ALL_TYPES, &arp, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_ip4),	cmocka_unit_test(test_published_ip6),
		cmocka_unit_test(test_types),		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_where_ports_are), cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
