/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits on punts: how tokens come and go, which class each kind of frame is in, that a flood leaves
 * others their share, and that nothing beyond a frame is read. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "../../router/program/cpu.h"
#include "../../router/program/police.h"
#include "../../router/tables/tables.h"

#define MS 1000000ull
#define S (1000 * MS)
#define PORTS 2u

static uint64_t now; /* of the clock that tests turn */

static uint64_t test_clock(void)
{
	return now;
}

/* ---- frames, written by hand ---- */

struct packet {
	uint32_t len;
	uint8_t bytes[256];
};

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t neighbour_mac[6] = {0x02, 0, 0, 0, 0, 0x99};
static const uint8_t stranger_mac[6] = {0x02, 0, 0, 0, 0, 0x66};

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static struct packet ether(const uint8_t *dst, const uint8_t *src, unsigned type)
{
	struct packet p = {.len = 14};

	memcpy(p.bytes, dst, 6);
	memcpy(p.bytes + 6, src, 6);
	put16(p.bytes + 12, type);
	return p;
}

static void append(struct packet *p, const void *bytes, uint32_t n)
{
	assert_true(p->len + n <= sizeof(p->bytes));
	memcpy(p->bytes + p->len, bytes, n);
	p->len += n;
}

/* An IP packet without payload; the destination's MAC is that of its group if it is to one. */
static struct packet ip_packet(const char *src, const char *dst, unsigned protocol, unsigned ttl)
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
static void carry(struct packet *p, const void *bytes, uint32_t n)
{
	append(p, bytes, n);
	if (p->bytes[14] >> 4 == 6)
		put16(p->bytes + 18, p->len - 54);
	else
		put16(p->bytes + 16, p->len - 14);
}

static struct packet with_ports(struct packet p, unsigned from, unsigned to, unsigned flags)
{
	uint8_t header[20] = {0};

	put16(header, from);
	put16(header + 2, to);
	header[12] = 0x50;
	header[13] = (uint8_t)flags;
	carry(&p, header, sizeof(header));
	return p;
}

static struct packet tcp(const char *src, const char *dst, unsigned from, unsigned to)
{
	return with_ports(ip_packet(src, dst, 6, 64), from, to, 0x10);
}

static struct packet udp(const char *src, const char *dst, unsigned to)
{
	return with_ports(ip_packet(src, dst, 17, 64), 49152, to, 0);
}

static struct packet icmp6(const char *src, const char *dst, unsigned type, unsigned ttl)
{
	struct packet p = ip_packet(src, dst, 58, ttl);

	carry(&p, (uint8_t[24]){(uint8_t)type}, 24);
	return p;
}

static struct packet arp(const uint8_t *mac, const char *sender)
{
	struct packet p = ether((uint8_t[]){255, 255, 255, 255, 255, 255}, mac, 0x0806);
	uint8_t body[28] = {0, 1, 8, 0, 6, 4, 0, 1};

	memcpy(body + 8, mac, 6);
	assert_int_equal(inet_pton(AF_INET, sender, body + 14), 1);
	append(&p, body, sizeof(body));
	return p;
}

static struct packet from_mac(struct packet p, const uint8_t *mac)
{
	memcpy(p.bytes + 6, mac, 6);
	return p;
}

/* Puts VLAN tags in front of what is there. */
static struct packet tagged(struct packet p, unsigned tags)
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

static void no_grace(void)
{
}

static struct tables *tables;

static void set_route(const char *text, enum reason reason)
{
	const struct nexthop_spec spec = {.kind = NEXTHOP_PUNT, .reason = (uint8_t)reason};
	struct prefix prefix;
	uint32_t index;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(tables_nexthop_new(tables, &spec, &index), 0);
	assert_int_equal(tables_route_set(tables, &prefix, index), 0);
}

static void set_neighbour(const char *text, const struct nexthop_spec *spec)
{
	struct ip_addr addr;
	uint32_t index;

	assert_int_equal(ip_addr_parse(text, &addr), 0);
	assert_int_equal(tables_nexthop_new(tables, spec, &index), 0);
	assert_int_equal(tables_neighbour_set(tables, 0, &addr, index), 0);
}

static int make_tables(void **state)
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

static int free_tables(void **state)
{
	(void)state;
	tables_free(tables);
	return 0;
}

/* ---- classes ---- */

static enum limit_class classify(const struct packet *p, uint32_t port, enum reason reason,
				 uint64_t *source)
{
	/* On the heap and just as long as it is: a sanitizer sees any byte too far. */
	uint8_t *copy = malloc(p->len ? p->len : 1);
	enum limit_class class;

	assert_non_null(copy);
	memcpy(copy, p->bytes, p->len);
	class = police_classify(tables_view(tables), copy, p->len, port, reason, source);
	free(copy);
	return class;
}

static void expect_on(struct packet p, uint32_t port, enum reason reason, enum limit_class want)
{
	uint64_t source;
	enum limit_class got = classify(&p, port, reason, &source);

	if (got != want)
		fail_msg("a frame of %u bytes, %s: class %s, not %s", p.len, "as built",
			 limit_name(got), limit_name(want));
}

#define expect(packet, reason, class) expect_on(packet, 0, REASON_##reason, LIMIT_##class)

static void test_reasons_that_decide(void **state)
{
	struct packet bgp = tcp("192.0.2.9", "192.0.2.1", 179, 40000);

	(void)state;
	expect(bgp, TTL, TTL);
	expect(bgp, MTU, MTU);
	expect(bgp, NO_ROUTE, NO_ROUTE);
	expect(bgp, UNREACHABLE, NO_ROUTE);
	expect(bgp, PROHIBIT, NO_ROUTE);
	expect(bgp, UNRESOLVED, UNRESOLVED);
	expect(bgp, FOREIGN, OTHER);
	expect(bgp, ENCAP, OTHER);
}

static void test_arp(void **state)
{
	struct packet cut = arp(neighbour_mac, "192.0.2.9");

	(void)state;
	expect(arp(neighbour_mac, "192.0.2.9"), ARP, ARP_ND);
	expect(arp(stranger_mac, "192.0.2.9"), ARP, ARP_ND_NEW);   /* forged, or moved */
	expect(arp(neighbour_mac, "192.0.2.8"), ARP, ARP_ND_NEW);  /* not a neighbour */
	expect(arp(neighbour_mac, "192.0.2.10"), ARP, ARP_ND_NEW); /* one that failed */
	expect_on(arp(neighbour_mac, "192.0.2.9"), 1, REASON_ARP, LIMIT_ARP_ND_NEW);
	cut.len--;
	expect(cut, ARP, ARP_ND_NEW);
}

static void test_neighbour_discovery(void **state)
{
	(void)state;
	for (unsigned type = 133; type <= 137; type++) {
		expect(icmp6("2001:db8::9", "2001:db8::1", type, 255), LOCAL, ARP_ND);
		expect(icmp6("fe80::9", "ff02::1:ff00:1", type, 255), GROUP_MAC, ARP_ND);
		expect(icmp6("fe80::8", "fe80::1", type, 255), LINK_LOCAL, ARP_ND_NEW);
		expect(icmp6("::", "ff02::1:ff00:1", type, 255), GROUP_MAC, ARP_ND_NEW);
		/* What a router has forwarded is none. */
		expect(icmp6("2001:db8::9", "2001:db8::1", type, 254), LOCAL, LOCAL);
	}
	expect(icmp6("2001:db8::9", "2001:db8::1", 128, 255), LOCAL, LOCAL); /* ping */
	expect(icmp6("fe80::9", "fe80::1", 128, 64), LINK_LOCAL, LOCAL);
	/* Listener discovery: behind a hop-by-hop header with a router alert. */
	for (unsigned type = 130; type <= 132; type++) {
		struct packet mld = ip_packet("fe80::9", "ff02::16", 0, 1);

		carry(&mld, (uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}, 8);
		carry(&mld, (uint8_t[24]){(uint8_t)type}, 24);
		expect(mld, GROUP_MAC, ARP_ND);
		mld.bytes[21] = 2; /* hop limit */
		expect(mld, GROUP_MAC, OTHER);
	}
}

static void test_routing_by_protocol(void **state)
{
	static const unsigned protocols[] = {88, 89, 103, 112};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned n = protocols[i];

		expect(ip_packet("192.0.2.9", "224.0.0.5", n, 1), GROUP_MAC, ROUTING);
		expect(ip_packet("192.0.2.8", "224.0.0.5", n, 1), GROUP_MAC, ROUTING_NEW);
		expect(ip_packet("192.0.2.9", "192.0.2.1", n, 1), LOCAL, ROUTING);
		expect(ip_packet("fe80::9", "ff02::5", n, 1), GROUP_MAC, ROUTING);
		expect(ip_packet("fe80::8", "fe80::1", n, 1), LINK_LOCAL, ROUTING_NEW);
		/* Not for us: what others speak to each other is not protected. */
		expect(ip_packet("192.0.2.9", "198.51.100.1", n, 1), FOREIGN, OTHER);
		expect(ip_packet("192.0.2.9", "198.51.100.1", n, 1), OPTIONS, OTHER);
	}
	expect(ip_packet("192.0.2.9", "239.1.1.1", 2, 1), GROUP_MAC, ROUTING); /* IGMP report */
	expect(ip_packet("192.0.2.9", "239.1.1.1", 17, 1), GROUP_MAC, OTHER);
	expect(ip_packet("fe80::9", "ff02::5", 50, 1), GROUP_MAC, ROUTING); /* OSPFv3 in ESP */
	expect(ip_packet("2001:db8::9", "2001:db8::1", 50, 1), LOCAL, LOCAL);
}

static void test_routing_by_port(void **state)
{
	static const unsigned udp_ports[] = {520, 521, 646, 3784, 3785, 4784, 6784};
	struct packet forged = from_mac(tcp("192.0.2.9", "192.0.2.1", 40000, 179), stranger_mac);

	(void)state;
	expect(tcp("192.0.2.9", "192.0.2.1", 179, 40000), LOCAL, ROUTING);
	expect(tcp("192.0.2.9", "192.0.2.1", 40000, 179), LOCAL, ROUTING);
	expect(tcp("2001:db8::9", "2001:db8::1", 40000, 179), LOCAL, ROUTING);
	expect(tcp("fe80::9", "fe80::1", 40000, 179), LINK_LOCAL, ROUTING);
	expect(tcp("198.51.100.7", "192.0.2.1", 40000, 179), LOCAL, ROUTING_NEW); /* multihop */
	expect(forged, LOCAL, ROUTING_NEW);
	expect(tcp("192.0.2.9", "192.0.2.1", 40000, 646), LOCAL, ROUTING);
	expect(tcp("192.0.2.9", "192.0.2.1", 40000, 22), LOCAL, TCP);
	expect(with_ports(ip_packet("192.0.2.9", "192.0.2.1", 6, 64), 40000, 22, 0x02), LOCAL,
	       LOCAL); /* SYN */
	for (unsigned i = 0; i < 7; i++)
		expect(udp("192.0.2.9", "192.0.2.1", udp_ports[i]), LOCAL, ROUTING);
	expect(udp("192.0.2.9", "224.0.0.9", 520), GROUP_MAC, ROUTING);
	expect(udp("fe80::9", "ff02::9", 521), GROUP_MAC, ROUTING);
	expect(udp("192.0.2.9", "192.0.2.255", 520), BROADCAST, ROUTING);
	expect(udp("192.0.2.9", "255.255.255.255", 67), BROADCAST, OTHER); /* DHCP */
	expect(udp("192.0.2.9", "192.0.2.1", 161), LOCAL, LOCAL);
}

/* A frame to all does not become one's own by its IP address: the kernel would not take it. */
static void test_group_mac_with_our_address(void **state)
{
	struct packet p = tcp("192.0.2.9", "192.0.2.1", 40000, 179);

	(void)state;
	memset(p.bytes, 0xff, 6);
	expect(p, GROUP_MAC, OTHER);
}

static void test_fragments_and_extensions(void **state)
{
	struct packet p = tcp("192.0.2.9", "192.0.2.1", 40000, 179);
	struct packet later = ip_packet("fe80::9", "ff02::5", 44, 1);
	struct packet first = ip_packet("2001:db8::9", "2001:db8::1", 44, 64);
	struct packet many = ip_packet("2001:db8::9", "2001:db8::1", 60, 64);

	(void)state;
	put16(p.bytes + 20, 0x2000); /* the first of several */
	expect(p, LOCAL, ROUTING);
	put16(p.bytes + 20, 0x2001); /* where ports would be is something else */
	expect(p, LOCAL, LOCAL);
	p = ip_packet("192.0.2.9", "224.0.0.5", 89, 1);
	put16(p.bytes + 20, 1);
	expect(p, GROUP_MAC, ROUTING); /* the protocol is in all of them */
	carry(&later, (uint8_t[]){89, 0, 0, 8, 0, 0, 0, 1}, 8);
	expect(later, GROUP_MAC, ROUTING);
	carry(&first, (uint8_t[]){6, 0, 0, 1, 0, 0, 0, 1}, 8);
	expect(with_ports(first, 179, 40000, 0x10), LOCAL, ROUTING);
	/* As many headers as one likes: looked behind for a while, never beyond the end. */
	for (unsigned i = 0; i < 20; i++)
		carry(&many, (uint8_t[]){60, 0, 1, 4, 0, 0, 0, 0}, 8);
	expect(many, LOCAL, LOCAL);
	many.bytes[55] = 255;
	expect(many, LOCAL, LOCAL);
}

static void test_vlans(void **state)
{
	(void)state;
	for (unsigned tags = 1; tags <= 2; tags++) {
		struct packet bgp = tagged(tcp("192.0.2.9", "192.0.2.1", 40000, 179), tags);

		expect(bgp, VLAN, ROUTING_NEW);
		expect(tagged(arp(neighbour_mac, "192.0.2.9"), tags), VLAN, ARP_ND_NEW);
		expect(tagged(icmp6("fe80::9", "ff02::1", 134, 255), tags), VLAN, ARP_ND_NEW);
		expect(tagged(ip_packet("192.0.2.9", "224.0.0.5", 89, 1), tags), VLAN, ROUTING_NEW);
		expect(tagged(udp("192.0.2.9", "192.0.2.1", 161), tags), VLAN, LOCAL);
		expect(tagged(udp("192.0.2.9", "198.51.100.1", 9), tags), VLAN, OTHER);
	}
	expect(tagged(arp(neighbour_mac, "192.0.2.9"), 3), VLAN, OTHER);
}

static void test_other_protocols(void **state)
{
	static const uint8_t isis[6] = {0x01, 0x80, 0xc2, 0, 0, 0x14};
	static const uint8_t lldp[6] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
	static const uint8_t all_is[6] = {0x09, 0, 0x2b, 0, 0, 5};
	static const uint8_t bridged[6] = {0x01, 0x80, 0xc2, 0, 0, 0x20};

	(void)state;
	expect(ether(isis, neighbour_mac, 1497), GROUP_MAC, ROUTING_NEW);
	expect(ether(all_is, neighbour_mac, 1497), GROUP_MAC, ROUTING_NEW);
	expect(ether(lldp, neighbour_mac, 0x88cc), GROUP_MAC, ROUTING_NEW);
	expect(ether(bridged, neighbour_mac, 1497), GROUP_MAC, OTHER);
	expect(ether(our_mac, neighbour_mac, 0x88cc), ETHERTYPE, OTHER);
}

static uint64_t source_of(struct packet p, enum reason reason)
{
	uint64_t source;

	classify(&p, 0, reason, &source);
	return source;
}

static void test_sources(void **state)
{
	uint64_t four = source_of(udp("192.0.2.9", "192.0.2.1", 9), REASON_LOCAL);
	uint64_t six = source_of(udp("2001:db8::9", "2001:db8::1", 9), REASON_LOCAL);
	uint64_t link = source_of(udp("fe80::9", "fe80::1", 9), REASON_LINK_LOCAL);

	(void)state;
	/* The address counts, not ports or MACs: those are to be had for nothing. */
	assert_true(four == source_of(udp("192.0.2.9", "192.0.2.1", 10), REASON_LOCAL));
	assert_true(four == source_of(from_mac(udp("192.0.2.9", "10.0.0.1", 9), stranger_mac),
				      REASON_NO_ROUTE));
	assert_true(four != source_of(udp("192.0.2.8", "192.0.2.1", 9), REASON_LOCAL));
	assert_true(six == source_of(udp("2001:db8::abcd", "2001:db8::1", 9), REASON_LOCAL));
	assert_true(six != source_of(udp("2001:db8:0:1::9", "2001:db8::1", 9), REASON_LOCAL));
	assert_true(link != source_of(udp("fe80::8", "fe80::1", 9), REASON_LINK_LOCAL));
	assert_true(source_of(arp(neighbour_mac, "192.0.2.9"), REASON_ARP) ==
		    source_of(arp(neighbour_mac, "192.0.2.8"), REASON_ARP));
	assert_true(source_of(arp(neighbour_mac, "192.0.2.9"), REASON_ARP) !=
		    source_of(arp(stranger_mac, "192.0.2.9"), REASON_ARP));
}

/* Whatever is punted for whatever reason has a class, and no byte beyond it is read. */
static void test_any_bytes(void **state)
{
	struct packet seeds[] = {
		tcp("192.0.2.9", "192.0.2.1", 40000, 179),
		arp(neighbour_mac, "192.0.2.9"),
		icmp6("fe80::9", "ff02::1", 134, 255),
		tagged(udp("fe80::9", "ff02::9", 521), 2),
		ip_packet("2001:db8::9", "2001:db8::1", 0, 64),
		ether(our_mac, neighbour_mac, 0x8100),
	};
	unsigned seen[LIMIT_COUNT] = {0}, seed = 1;

	(void)state;
	carry(&seeds[4], (uint8_t[]){44, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 58, 1}, 18);
	for (unsigned i = 0; i < 400000; i++) {
		struct packet p = seeds[rand_r(&seed) % (sizeof(seeds) / sizeof(seeds[0]))];
		enum reason reason = (enum reason)((unsigned)rand_r(&seed) % REASON_RUNT);
		unsigned changes = (unsigned)rand_r(&seed) % 6;
		enum limit_class class;
		uint64_t source;

		for (unsigned k = 0; k < changes; k++)
			p.bytes[(unsigned)rand_r(&seed) % p.len] = (uint8_t)rand_r(&seed);
		if (rand_r(&seed) % 2)
			p.len = (uint32_t)rand_r(&seed) % (p.len + 1);
		class = classify(&p, (uint32_t)rand_r(&seed) % PORTS, reason, &source);
		assert_in_range(class, 0, LIMIT_COUNT - 1);
		seen[class]++;
	}
	for (unsigned class = 0; class < LIMIT_COUNT; class ++)
		if (!seen[class])
			fail_msg("no frame was of class %s", limit_name(class));
}

/* ---- tokens ---- */

struct fixture {
	struct police *police;
	struct pl_burst *burst;
	uint8_t *base;
};

static const uint32_t *rates_with(enum limit_class class, uint32_t rate)
{
	static uint32_t rates[LIMIT_COUNT];

	for (unsigned c = 0; c < LIMIT_COUNT; c++)
		rates[c] = LIMIT_NONE;
	rates[class] = rate;
	return rates;
}

static struct fixture make(enum limit_class class, uint32_t rate)
{
	struct fixture f = {
		.police = police_new(PORTS, rates_with(class, rate), 7, test_clock),
		.burst = calloc(1, sizeof(*f.burst)),
		.base = calloc(PL_BURST_MAX, 256),
	};

	assert_non_null(f.police);
	assert_non_null(f.burst);
	assert_non_null(f.base);
	f.burst->base = f.base;
	return f;
}

static void drop(struct fixture *f)
{
	police_free(f->police);
	free(f->burst);
	free(f->base);
}

static void add(struct fixture *f, struct packet p, uint16_t verdict)
{
	uint32_t i = f->burst->n++;

	assert_in_range(i, 0, PL_BURST_MAX - 1);
	f->burst->frame[i] = i * 256;
	f->burst->len[i] = (uint16_t)p.len;
	f->burst->verdict[i] = verdict;
	memcpy(f->base + i * 256, p.bytes, p.len);
}

/* How many of the burst still are punts; empties it. */
static unsigned run(struct fixture *f, uint32_t port)
{
	unsigned punts = 0;

	f->burst->port = port;
	police_burst(f->police, tables_view(tables), f->burst);
	for (uint32_t i = 0; i < f->burst->n; i++)
		punts += PL_VERDICT_KIND(f->burst->verdict[i]) == PL_VERDICT_PUNT;
	f->burst->n = 0;
	return punts;
}

static struct packet from(unsigned host)
{
	char src[32];

	snprintf(src, sizeof(src), "10.%u.%u.%u", host >> 16 & 255, host >> 8 & 255, host & 255);
	return udp(src, "192.0.2.1", 9);
}

/* `n` packets to us from as many hosts, from `first` on (or from one alone); how many pass. */
static unsigned send_local(struct fixture *f, unsigned n, unsigned first, bool one_host)
{
	for (unsigned i = 0; i < n; i++)
		add(f, from(one_host ? first : first + i),
		    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	return run(f, 0);
}

/* A bucket is full at the start, and then lets through exactly its rate. Each packet is from a host
 * of its own, so that all tokens can be taken. */
static void test_rate(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 20000);
	unsigned depth = limit_depth(LIMIT_LOCAL, 20000), host = 0, passed = 0;

	(void)state;
	now = 12345;
	assert_int_equal(send_local(&f, 1000, 0, false), depth);
	for (unsigned ms = 0; ms < 2000; ms++) {
		now += MS;
		passed += send_local(&f, 100, host += 100, false);
	}
	assert_int_equal(passed, 40000);
	drop(&f);
}

/* Nothing is lost to rounding: 3 a second, asked for every 7 ms. */
static void test_slow_rate(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 3);
	unsigned host = 0, passed = 0;

	(void)state;
	now = 99;
	assert_int_equal(send_local(&f, 100, 0, false), 3); /* a second's worth, not 64 */
	for (unsigned i = 0; i < 100000; i++) {
		now += 7 * MS;
		passed += send_local(&f, 2, host += 2, false);
	}
	assert_int_equal(passed, 2100);
	drop(&f);
}

static void test_pauses_and_clock_steps(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 1000000);
	unsigned depth = limit_depth(LIMIT_LOCAL, 1000000);

	(void)state;
	now = 10 * S;
	assert_int_equal(send_local(&f, 500, 0, false), depth);
	now += 365ull * 86400 * S; /* a year: full, no more */
	assert_int_equal(send_local(&f, 500, 1000, false), depth);
	now -= 100 * S; /* back: nothing gained, nothing stuck */
	assert_int_equal(send_local(&f, 500, 2000, false), 0);
	now += 10000; /* 10 us bring 10 tokens */
	assert_int_equal(send_local(&f, 500, 3000, false), 10);
	now = UINT64_MAX;
	assert_int_equal(send_local(&f, 500, 4000, false), depth);
	now = 0;
	assert_int_equal(send_local(&f, 500, 5000, false), 0);
	now = 10000;
	assert_int_equal(send_local(&f, 500, 6000, false), 10);
	drop(&f);
}

/* Every rate from the least to the most that may be configured keeps its word for a second. */
static void test_all_rates(void **state)
{
	static const uint32_t rates[] = {1, 2, 15, 16, 1000, 999999, LIMIT_RATE_MAX};

	(void)state;
	for (unsigned c = 0; c < LIMIT_COUNT; c++) {
		for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
			uint32_t depth = limit_depth(c, rates[i]);

			assert_in_range(depth, 1, rates[i]);
			assert_in_range(depth, 1, limit_depth(c, LIMIT_RATE_MAX));
		}
	}
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct fixture f = make(LIMIT_LOCAL, rates[i]);
		uint64_t passed = 0;
		unsigned host = 0;

		now = 0;
		send_local(&f, 100, 0, false);
		for (unsigned step = 0; step < 1000; step++) {
			now += 1000; /* a microsecond */
			passed += send_local(&f, 20, host += 20, false);
		}
		/* Hosts that share a counter may leave the reserve alone. */
		assert_in_range(passed, rates[i] > 1000 ? rates[i] / 1000 - 32 : rates[i] / 1000,
				rates[i] / 1000);
		drop(&f);
	}
}

static void test_refused_rates(void **state)
{
	(void)state;
	assert_null(police_new(1, rates_with(LIMIT_TTL, 0), 0, test_clock));
	assert_int_equal(errno, EINVAL);
	assert_null(police_new(1, rates_with(LIMIT_TTL, LIMIT_RATE_MAX + 1), 0, test_clock));
	assert_int_equal(errno, EINVAL);
}

static void test_unlimited_and_counters(void **state)
{
	struct fixture f = make(LIMIT_TTL, 16);
	const struct police_stats *local = police_stats(f.police, 0, LIMIT_LOCAL);
	const struct police_stats *ttl = police_stats(f.police, 0, LIMIT_TTL);

	(void)state;
	now = 0;
	assert_int_equal(send_local(&f, 1000, 1, true), 1000);
	assert_int_equal(pl_stat_read(&local->passed), 1000);
	for (unsigned i = 0; i < 20; i++)
		add(&f, from(i), PL_VERDICT(PL_VERDICT_PUNT, REASON_TTL));
	assert_int_equal(run(&f, 0), 16);
	assert_int_equal(pl_stat_read(&ttl->passed), 16);
	assert_int_equal(pl_stat_read(&ttl->dropped), 4);
	assert_int_equal(pl_stat_read(&local->dropped), 0);
	/* The other port has a bucket of its own. */
	for (unsigned i = 0; i < 20; i++)
		add(&f, from(i), PL_VERDICT(PL_VERDICT_PUNT, REASON_TTL));
	assert_int_equal(run(&f, 1), 16);
	assert_int_equal(pl_stat_read(&ttl->passed), 16);
	drop(&f);
}

/* Only punts are touched, and what is beyond the limit says so. */
static void test_verdicts(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 1);

	(void)state;
	now = 0;
	add(&f, from(1), PL_VERDICT(PL_VERDICT_TX, 1));
	add(&f, from(2), PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	add(&f, from(3), PL_VERDICT(PL_VERDICT_DROP, REASON_CHECKSUM));
	add(&f, from(4), PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	add(&f, from(5), PL_VERDICT(PL_VERDICT_PUNT, REASON_NO_ROUTE));
	f.burst->port = 0;
	police_burst(f.police, tables_view(tables), f.burst);
	assert_int_equal(f.burst->verdict[0], PL_VERDICT(PL_VERDICT_TX, 1));
	assert_int_equal(f.burst->verdict[1], PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	assert_int_equal(f.burst->verdict[2], PL_VERDICT(PL_VERDICT_DROP, REASON_CHECKSUM));
	assert_int_equal(f.burst->verdict[3], PL_VERDICT(PL_VERDICT_DROP, REASON_LIMIT_LOCAL));
	assert_int_equal(f.burst->verdict[4], PL_VERDICT(PL_VERDICT_PUNT, REASON_NO_ROUTE));
	drop(&f);
}

static uint64_t clock_reads;

static uint64_t counting_clock(void)
{
	clock_reads++;
	return now;
}

static void test_clock_is_read_once(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 100);

	(void)state;
	police_free(f.police);
	f.police = police_new(PORTS, rates_with(LIMIT_LOCAL, 100), 0, counting_clock);
	clock_reads = 0;
	for (unsigned i = 0; i < 256; i++)
		add(&f, from(i), PL_VERDICT(PL_VERDICT_TX, 1));
	run(&f, 0);
	assert_int_equal(clock_reads, 0);
	send_local(&f, 256, 0, false);
	assert_int_equal(clock_reads, 1);
	drop(&f);
}

/* ---- fairness ---- */

/* One host, or a few, send as fast as they can for a second; one that asks ten times meanwhile gets
 * all its answers, and the flood its share. */
static void flood_beside_one(enum limit_class class, uint32_t rate, unsigned hosts)
{
	struct fixture f = make(class, rate);
	enum reason reason = class == LIMIT_LOCAL ? REASON_LOCAL : REASON_TTL;
	unsigned light = 0, heavy = 0;

	now = 5 * S;
	for (unsigned ms = 0; ms < 1000; ms++) {
		now += MS;
		for (unsigned i = 0; i < 500; i++)
			add(&f, from(1 + i % hosts), PL_VERDICT(PL_VERDICT_PUNT, reason));
		heavy += run(&f, 0);
		if (ms % 100 == 50) {
			add(&f, from(77777), PL_VERDICT(PL_VERDICT_PUNT, reason));
			light += run(&f, 0);
		}
	}
	if (light != 10)
		fail_msg("%s, %u hosts: %u of 10 passed", limit_name(class), hosts, light);
	/* A bucket of tokens, then the rate. */
	assert_in_range(heavy, rate * 95 / 100, rate + limit_depth(class, rate));
	drop(&f);
}

static void test_flood_leaves_room(void **state)
{
	static const unsigned hosts[] = {1, 2, 4, 8};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		flood_beside_one(LIMIT_LOCAL, 20000, hosts[i]);
		flood_beside_one(LIMIT_LOCAL, 1000, hosts[i]);
		flood_beside_one(LIMIT_TTL, 1000, hosts[i]);
	}
}

/* Forged BGP, from everywhere and in the neighbour's name, takes nothing from the neighbour. */
static void test_forged_routing(void **state)
{
	uint32_t rates[LIMIT_COUNT];
	struct fixture f = make(LIMIT_ROUTING, 20000);
	unsigned passed = 0;

	(void)state;
	for (unsigned c = 0; c < LIMIT_COUNT; c++)
		rates[c] = limit_default(c);
	police_free(f.police);
	now = S;
	f.police = police_new(PORTS, rates, 1, test_clock);
	for (unsigned ms = 0; ms < 1000; ms++) {
		now += MS;
		for (unsigned i = 0; i < 400; i++) {
			char src[32];

			snprintf(src, sizeof(src), "10.0.%u.%u", ms % 256, i % 256);
			add(&f,
			    from_mac(tcp(i % 2 ? src : "192.0.2.9", "192.0.2.1", 40000, 179),
				     stranger_mac),
			    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
		}
		run(&f, 0);
		add(&f, tcp("192.0.2.9", "192.0.2.1", 40000, 179),
		    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
		passed += run(&f, 0);
	}
	assert_int_equal(passed, 1000);
	assert_int_equal(pl_stat_read(&police_stats(f.police, 0, LIMIT_ROUTING)->dropped), 0);
	assert_true(pl_stat_read(&police_stats(f.police, 0, LIMIT_ROUTING_NEW)->dropped) > 390000);
	drop(&f);
}

static uint32_t test_room(void *ctx)
{
	return *(uint32_t *)ctx;
}

/* TCP leaves to the others what they may need; they do not ask for room. */
static void test_tcp_yields(void **state)
{
	struct fixture f = make(LIMIT_TCP, LIMIT_NONE);
	uint32_t others = POLICE_DEPTH_SUM - limit_depth(LIMIT_TCP, LIMIT_RATE_MAX);
	uint32_t rooms[] = {0, others - 1, others, others + 1, others + 7, UINT32_MAX};
	unsigned want[] = {0, 0, 0, 1, 7, 20};

	(void)state;
	now = 0;
	for (unsigned i = 0; i < 6; i++) {
		police_set_room(f.police, 0, test_room, &rooms[i]);
		for (unsigned k = 0; k < 20; k++) {
			add(&f, tcp("10.0.0.1", "192.0.2.1", 40000, 22),
			    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
			add(&f, udp("10.0.0.1", "192.0.2.1", 161),
			    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
		}
		assert_int_equal(run(&f, 0), 20 + want[i]);
	}
	drop(&f);
}

/* ---- the list ---- */

static void test_names(void **state)
{
	char name[64];

	(void)state;
	for (unsigned c = 0; c < LIMIT_COUNT; c++) {
		snprintf(name, sizeof(name), "limit-%s", limit_name(c));
		assert_string_equal(name, reason_name(limit_reason(c)));
		assert_int_equal(reason_kind(limit_reason(c)), PL_VERDICT_DROP);
		snprintf(name, sizeof(name), "%s=", limit_key(c));
		assert_non_null(strstr(reason_text(limit_reason(c)), name));
		assert_true(limit_text(c)[0] && limit_default(c) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons_that_decide),
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_neighbour_discovery),
		cmocka_unit_test(test_routing_by_protocol),
		cmocka_unit_test(test_routing_by_port),
		cmocka_unit_test(test_group_mac_with_our_address),
		cmocka_unit_test(test_fragments_and_extensions),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_other_protocols),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_slow_rate),
		cmocka_unit_test(test_pauses_and_clock_steps),
		cmocka_unit_test(test_all_rates),
		cmocka_unit_test(test_refused_rates),
		cmocka_unit_test(test_unlimited_and_counters),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_clock_is_read_once),
		cmocka_unit_test(test_flood_leaves_room),
		cmocka_unit_test(test_forged_routing),
		cmocka_unit_test(test_tcp_yields),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, make_tables, free_tables);
}
