/* SPDX-License-Identifier: BSD-2-Clause */
/* Which class of punts each kind of frame is in, whose it counts as, and that nothing beyond a frame is
 * read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "police_help.h"

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
	};

	return cmocka_run_group_tests(tests, make_tables, free_tables);
}
