/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in IP packets: transport protocols, and ICMP with the packets that its errors quote. */
#include <netinet/in.h>
#include <string.h>

#include "address.h"
#include "differ.h"
#include "make.h"

/* Destinations about which frames tell the router a smaller MTU; see world_is_victim4(). */
static void victim4(struct rng *rng, uint8_t addr[4])
{
	memcpy(addr, (uint8_t[]){10, 28, 0, (uint8_t)rnd(rng, 16)}, 4);
}

static void victim6(struct rng *rng, uint8_t addr[16])
{
	memset(addr, 0, 16);
	put32(addr, 0xfd080000);
	put16(addr + 14, rnd(rng, 64));
}

void make_random(struct rng *rng, uint8_t *p, unsigned len)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word = rng_next(rng);

		memcpy(p, &word, 8);
	}
	while (len--)
		*p++ = (uint8_t)rng_next(rng);
}

/* Of IP: every length, with the edges of MTUs more often. */
unsigned make_length(struct rng *rng)
{
	static const uint16_t edges[] = {1500, 1400, 1300, 1280, 1000, 576};

	switch (rnd(rng, 8)) {
	case 0 ... 3:
		return rnd(rng, 120);
	case 4:
		return 20 + rnd(rng, 400);
	case 5:
		return edges[rnd(rng, 6)] - 8 + rnd(rng, 17);
	default:
		return rnd(rng, PORT_MTU + 101);
	}
}

unsigned make_ttl(struct rng *rng)
{
	return one_in(rng, 5) ? PICK(rng, 0, 1, 1, 2, 2, 3, 254, 255)
			      : PICK(rng, 64, 64, 128, 255, 63);
}

void seal_ipv4(uint8_t *ip, unsigned header_len, unsigned len)
{
	ip[0] = (uint8_t)(0x40 | header_len / 4);
	put16(ip + 2, len);
	put16(ip + 10, 0);
	put16(ip + 10, checksum_fold(checksum_add(0, ip, header_len)));
}

void seal_ipv6(uint8_t *ip, unsigned len)
{
	ip[0] = (uint8_t)(0x60 | (ip[0] & 15));
	put16(ip + 4, len - 40);
}

/* Where a protocol has its checksum, and how long its header is; 0: none. */
static unsigned checksum_at(unsigned protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case 136: /* UDP-Lite */
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_IGMP:
		return 2;
	default:
		return 0;
	}
}

void seal_payload(const uint8_t *ip, unsigned protocol, uint8_t *p, unsigned len)
{
	unsigned at = checksum_at(protocol);
	bool pseudo = protocol != IPPROTO_ICMP && protocol != IPPROTO_IGMP;
	uint16_t sum;

	if (!at || len < at + 2)
		return;
	put16(p + at, 0);
	sum = checksum_fold(checksum_add(pseudo ? checksum_pseudo(ip, protocol, len) : 0, p, len));
	put16(p + at, protocol == IPPROTO_UDP && !sum ? 0xffff : sum);
}

/* The packet that an ICMP error quotes: mostly one that the router could have sent or forwarded. */
static unsigned quote4(struct rng *rng, unsigned port, uint8_t *ip, unsigned room, bool victim)
{
	unsigned len = room < 28 + 8 ? room : 28 + rnd(rng, room - 28 < 600 ? room - 28 : 600);

	if (len < 28 || one_in(rng, 16)) {
		make_random(rng, ip, len);
		return len;
	}
	memset(ip, 0, 20);
	put16(ip + 4, rnd(rng, 0x10000));
	ip[8] = (uint8_t)make_ttl(rng);
	ip[9] = (uint8_t)PICK(rng, 1, 1, 1, 6, 17, 17, 2, 50, 255);
	if (rnd(rng, 3))
		address_router4(rng, port, ip + 12);
	else
		address_far4(rng, port, ip + 12);
	if (victim)
		victim4(rng, ip + 16);
	else
		address_dst4(rng, port, ip + 16);
	make_random(rng, ip + 20, len - 20);
	ip[20] = ip[9] == 1 ? (uint8_t)PICK(rng, 0, 0, 8, 3, 11) : ip[20];
	seal_ipv4(ip, 20, len + (one_in(rng, 4) ? rnd(rng, 1000) : 0));
	return len;
}

static unsigned quote6(struct rng *rng, unsigned port, uint8_t *ip, unsigned room, bool victim)
{
	unsigned len = room < 48 + 8 ? room : 48 + rnd(rng, room - 48 < 600 ? room - 48 : 600);

	if (len < 48 || one_in(rng, 16)) {
		make_random(rng, ip, len);
		if (victim && len >= 40) /* not of an address that anything else goes to */
			victim6(rng, ip + 24);
		return len;
	}
	memset(ip, 0, 40);
	ip[6] = (uint8_t)PICK(rng, 58, 58, 58, 6, 17, 44, 0, 60, 59);
	ip[7] = (uint8_t)make_ttl(rng);
	if (rnd(rng, 3))
		address_router6(rng, port, ip + 8);
	else
		address_far6(rng, port, ip + 8);
	if (victim)
		victim6(rng, ip + 24);
	else
		address_dst6(rng, port, ip + 24);
	make_random(rng, ip + 40, len - 40);
	ip[40] = ip[6] == 58 ? (uint8_t)PICK(rng, 128, 129, 1, 3) : ip[40];
	seal_ipv6(ip, len);
	return len;
}

static void icmp4(struct rng *rng, unsigned port, uint8_t *p, unsigned len)
{
	static const uint16_t mtus[] = {0, 68, 300, 551, 552, 576, 1280, 1400, 1500, 65535};
	unsigned type = PICK(rng, 8, 8, 8, 0, 3, 3, 3, 11, 4, 5, 12, 13, 14, 17, 42);

	p[0] = (uint8_t)(one_in(rng, 16) ? rnd(rng, 256) : type);
	p[1] = (uint8_t)(p[0] == 3 ? rnd(rng, 18) : one_in(rng, 4) ? rnd(rng, 6) : 0);
	if (p[0] == 3 || p[0] == 4 || p[0] == 5 || p[0] == 11 || p[0] == 12) {
		put32(p + 4, 0);
		if (p[0] == 3)
			put16(p + 6, mtus[rnd(rng, 10)]);
		if (p[0] == 5)
			address_dst4(rng, (port + 1) % PORTS, p + 4);
		quote4(rng, port, p + 8, len - 8, p[0] == 3 && p[1] == 4);
	}
}

static void icmp6(struct rng *rng, unsigned port, uint8_t *p, unsigned len)
{
	static const uint16_t mtus[] = {0, 576, 1279, 1280, 1281, 1400, 1500, 65535};
	unsigned type = PICK(rng, 128, 128, 128, 129, 1, 1, 2, 3, 4, 100, 127, 139, 140, 160);

	p[0] = (uint8_t)(one_in(rng, 16) ? rnd(rng, 256) : type);
	p[1] = (uint8_t)(p[0] < 128 ? rnd(rng, 8) : one_in(rng, 8) ? rnd(rng, 4) : 0);
	if (p[0] < 128) {
		put32(p + 4, p[0] == 2 ? mtus[rnd(rng, 8)] : rnd(rng, 64));
		quote6(rng, port, p + 8, len - 8, p[0] == 2);
	}
}

static void udp(struct rng *rng, uint8_t *p, unsigned len)
{
	static const uint16_t ports[] = {0, 7, 53, 67, 68, 123, 500, 520, 546, 3784, 33434, 65535};

	if (one_in(rng, 3))
		put16(p + 2, ports[rnd(rng, 12)]);
	put16(p + 4, one_in(rng, 16) ? rnd(rng, 1600) : len);
}

static void tcp(struct rng *rng, uint8_t *p)
{
	p[12] = (uint8_t)(one_in(rng, 8) ? rnd(rng, 256) : 0x50);
	p[13] = (uint8_t)(one_in(rng, 4) ? rnd(rng, 256) : PICK(rng, 0x02, 0x10, 0x18, 0x11, 0x04));
}

void make_payload(struct rng *rng, unsigned port, const uint8_t *ip, unsigned protocol, uint8_t *p,
		  unsigned len)
{
	make_random(rng, p, len);
	if (protocol == IPPROTO_ICMP && len >= 8)
		icmp4(rng, port, p, len);
	else if (protocol == IPPROTO_ICMPV6 && len >= 8)
		icmp6(rng, port, p, len);
	else if (protocol == IPPROTO_UDP && len >= 8)
		udp(rng, p, len);
	else if (protocol == IPPROTO_TCP && len >= 20)
		tcp(rng, p);
	seal_payload(ip, protocol, p, len);
	if (one_in(rng, 16) && len)
		p[rnd(rng, len < 20 ? len : 20)] ^= (uint8_t)(1 << rnd(rng, 8));
	if (protocol == IPPROTO_UDP && len >= 8 && ip[0] >> 4 == 4 && one_in(rng, 8))
		put16(p + 6, 0); /* IPv4's "no checksum" */
}
