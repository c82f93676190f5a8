/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames for the kernel, written by hand, and tables in which some of their senders are known: what
 * the tests of limits on punts share. Include cmocka.h first. */
#ifndef TESTS_UNIT_POLICE_HELP_H
#define TESTS_UNIT_POLICE_HELP_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../../router/program/cpu.h"
#include "../../router/program/police.h"
#include "../../router/tables/tables.h"

#define PORTS 2u

/* ---- frames, written by hand ---- */

struct packet {
	uint32_t len;
	uint8_t bytes[256];
};

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t neighbour_mac[6] = {0x02, 0, 0, 0, 0, 0x99};
static const uint8_t stranger_mac[6] = {0x02, 0, 0, 0, 0, 0x66};

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline struct packet ether(const uint8_t *dst, const uint8_t *src, unsigned type)
{
	struct packet p = {.len = 14};

	memcpy(p.bytes, dst, 6);
	memcpy(p.bytes + 6, src, 6);
	put16(p.bytes + 12, type);
	return p;
}

static inline void append(struct packet *p, const void *bytes, uint32_t n)
{
	assert_true(p->len + n <= sizeof(p->bytes));
	memcpy(p->bytes + p->len, bytes, n);
	p->len += n;
}

/* An IP packet without payload; the destination's MAC is that of its group if it is to one. */
static inline struct packet ip_packet(const char *src, const char *dst, unsigned protocol,
				      unsigned ttl)
{
	bool v6 = strchr(dst, ':');
	uint8_t header[40] = {0}, mac[6];
	struct packet p;

	memcpy(mac, our_mac, 6);
	if (v6) {
		header[0] = 0x60;
		header[6] = (uint8_t)protocol;
		header[7] = (uint8_t)ttl;
		assert_int_equal(inet_pton(AF_INET6, src, header + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, dst, header + 24), 1);
		if (header[24] == 0xff)
			memcpy(mac, (uint8_t[]){0x33, 0x33, 0, 0, 0, header[39]}, 6);
	} else {
		header[0] = 0x45;
		header[3] = 20;
		header[8] = (uint8_t)ttl;
		header[9] = (uint8_t)protocol;
		assert_int_equal(inet_pton(AF_INET, src, header + 12), 1);
		assert_int_equal(inet_pton(AF_INET, dst, header + 16), 1);
		if (header[16] >> 4 == 14)
			memcpy(mac, (uint8_t[]){0x01, 0, 0x5e, 0, 0, header[19]}, 6);
	}
	p = ether(mac, neighbour_mac, v6 ? 0x86dd : 0x0800);
	append(&p, header, v6 ? 40 : 20);
	return p;
}

/* Adds to what the IP packet carries. */
static inline void carry(struct packet *p, const void *bytes, uint32_t n)
{
	append(p, bytes, n);
	if (p->bytes[14] >> 4 == 6)
		put16(p->bytes + 18, p->len - 54);
	else
		put16(p->bytes + 16, p->len - 14);
}

static inline struct packet with_ports(struct packet p, unsigned from, unsigned to, unsigned flags)
{
	uint8_t header[20] = {0};

	put16(header, from);
	put16(header + 2, to);
	header[12] = 0x50;
	header[13] = (uint8_t)flags;
	carry(&p, header, sizeof(header));
	return p;
}

static inline struct packet tcp(const char *src, const char *dst, unsigned from, unsigned to)
{
	return with_ports(ip_packet(src, dst, 6, 64), from, to, 0x10);
}

static inline struct packet udp(const char *src, const char *dst, unsigned to)
{
	return with_ports(ip_packet(src, dst, 17, 64), 49152, to, 0);
}

static inline struct packet icmp6(const char *src, const char *dst, unsigned type, unsigned ttl)
{
	struct packet p = ip_packet(src, dst, 58, ttl);

	carry(&p, (uint8_t[24]){(uint8_t)type}, 24);
	return p;
}

static inline struct packet arp(const uint8_t *mac, const char *sender)
{
	struct packet p = ether((uint8_t[]){255, 255, 255, 255, 255, 255}, mac, 0x0806);
	uint8_t body[28] = {0, 1, 8, 0, 6, 4, 0, 1};

	memcpy(body + 8, mac, 6);
	assert_int_equal(inet_pton(AF_INET, sender, body + 14), 1);
	append(&p, body, sizeof(body));
	return p;
}

static inline struct packet from_mac(struct packet p, const uint8_t *mac)
{
	memcpy(p.bytes + 6, mac, 6);
	return p;
}

/* Puts VLAN tags in front of what is there. */
static inline struct packet tagged(struct packet p, unsigned tags)
{
	for (unsigned i = 0; i < tags; i++) {
		memmove(p.bytes + 16, p.bytes + 12, p.len - 12);
		put16(p.bytes + 12, i ? 0x88a8 : 0x8100);
		put16(p.bytes + 14, 100);
		p.len += 4;
	}
	return p;
}

/* ---- tables: 192.0.2.1 and 2001:db8::1 are ours, .9 and ::9 neighbours on port 0 ---- */

static inline void no_grace(void)
{
}

static struct tables *tables;

static inline void set_route(const char *text, enum reason reason)
{
	const struct nexthop_spec spec = {.kind = NEXTHOP_PUNT, .reason = (uint8_t)reason};
	struct prefix prefix;
	uint32_t index;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(tables_nexthop_new(tables, &spec, &index), 0);
	assert_int_equal(tables_route_set(tables, &prefix, index), 0);
}

static inline void set_neighbour(const char *text, const struct nexthop_spec *spec)
{
	struct ip_addr addr;
	uint32_t index;

	assert_int_equal(ip_addr_parse(text, &addr), 0);
	assert_int_equal(tables_nexthop_new(tables, spec, &index), 0);
	assert_int_equal(tables_neighbour_set(tables, 0, &addr, index), 0);
}

static inline int make_tables(void **state)
{
	struct nexthop_spec known = {.kind = NEXTHOP_FORWARD, .mtu = 1500};
	const struct nexthop_spec failed = {.kind = NEXTHOP_PUNT, .reason = REASON_UNREACHABLE};

	(void)state;
	tables = tables_new(no_grace, REASON_NO_ROUTE);
	assert_non_null(tables);
	set_route("192.0.2.1/32", REASON_LOCAL);
	set_route("192.0.2.255/32", REASON_BROADCAST);
	set_route("2001:db8::1/128", REASON_LOCAL);
	memcpy(known.dmac, neighbour_mac, 6);
	set_neighbour("192.0.2.9", &known);
	set_neighbour("2001:db8::9", &known);
	set_neighbour("fe80::9", &known);
	set_neighbour("192.0.2.10", &failed);
	return 0;
}

static inline int free_tables(void **state)
{
	(void)state;
	tables_free(tables);
	return 0;
}

#endif
