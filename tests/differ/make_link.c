/* SPDX-License-Identifier: BSD-2-Clause */
/* What neighbours say to each other: ARP, neighbour discovery.
 *
 * A host's MAC follows from its address, so that no frame changes what another has said: whether
 * the kernel believes an ARP reply depends on how long ago it believed another (a tick of its
 * clock, with locktime=0). And only few hosts speak: its tables of neighbours are the whole
 * machine's. */
#include <netinet/in.h>
#include <string.h>

#include "address.h"
#include "differ.h"
#include "make.h"

static void host_mac(unsigned port, unsigned host, uint8_t mac[6])
{
	memcpy(mac, (uint8_t[]){2, 0, 0, 0, (uint8_t)(port + 1), (uint8_t)host}, 6);
}

/* .77 and .78 are no neighbours until they say so; .100 and .101 never do. */
static unsigned speaker(struct rng *rng)
{
	return one_in(rng, 8) ? 77 + rnd(rng, 2) : 2 + rnd(rng, 8);
}

unsigned make_arp(struct rng *rng, unsigned port, uint8_t *arp)
{
	unsigned host = speaker(rng);

	put16(arp, one_in(rng, 16) ? rnd(rng, 20) : 1);
	put16(arp + 2, one_in(rng, 16) ? 0x86dd : 0x0800);
	arp[4] = (uint8_t)(one_in(rng, 16) ? rnd(rng, 12) : 6);
	arp[5] = (uint8_t)(one_in(rng, 16) ? rnd(rng, 12) : 4);
	put16(arp + 6, one_in(rng, 8) ? rnd(rng, 16) : 1 + rnd(rng, 2));
	host_mac(port, host, arp + 8);
	memcpy(arp + 14, (uint8_t[]){10, 0, (uint8_t)(port + 1), (uint8_t)host}, 4);
	if (one_in(rng, 8)) /* a probe (RFC 5227), or from another network */
		memcpy(arp + 14,
		       one_in(rng, 2) ? (uint8_t[]){0, 0, 0, 0} : (uint8_t[]){10, 11, 0, 9}, 4);
	memset(arp + 18, 0, 6);
	if (one_in(rng, 4))
		address_dst4(rng, port, arp + 24);
	else
		address_router4(rng, port, arp + 24);
	if (one_in(rng, 16)) { /* a wrong bit anywhere but in the sender's MAC */
		unsigned at = rnd(rng, 22);

		arp[at < 8 ? at : at + 6] ^= (uint8_t)(1 << rnd(rng, 8));
	}
	return 28;
}

/* The source or target link-layer address option, right or wrong. */
static unsigned link_option(struct rng *rng, unsigned port, unsigned host, uint8_t *p)
{
	if (one_in(rng, 4))
		return 0;
	p[0] = (uint8_t)(one_in(rng, 8) ? rnd(rng, 32) : 1 + rnd(rng, 2));
	p[1] = (uint8_t)(one_in(rng, 8) ? rnd(rng, 4) : 1);
	host_mac(port, host, p + 2);
	return 8;
}

static void solicited_node(const uint8_t target[16], uint8_t group[16])
{
	memset(group, 0, 16);
	memcpy(group, (uint8_t[]){0xff, 2}, 2);
	memcpy(group + 11, (uint8_t[]){1, 0xff, target[13], target[14], target[15]}, 5);
}

static void neighbour6(struct rng *rng, unsigned port, unsigned host, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (one_in(rng, 3)) {
		memcpy(addr, (uint8_t[]){0xfe, 0x80}, 2);
		addr[15] = 2; /* the one host that has one */
	} else if (!one_in(rng, 16)) {
		put32(addr, 0xfd000001 + port);
		addr[15] = (uint8_t)host;
	}
}

unsigned make_nd(struct rng *rng, unsigned port, uint8_t *ip)
{
	unsigned host = speaker(rng), len = 8;
	uint8_t *icmp = ip + 40, *target = icmp + 8;

	memset(ip, 0, 40 + 80);
	ip[0] = 0x60;
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = (uint8_t)(one_in(rng, 8) ? make_ttl(rng) : 255);
	neighbour6(rng, port, host, ip + 8);
	icmp[0] = (uint8_t)PICK(rng, 135, 135, 135, 135, 136, 136, 133, 134, 137);
	icmp[1] = (uint8_t)(one_in(rng, 16) ? rnd(rng, 256) : 0);
	address_router6(rng, port, ip + 24);
	switch (icmp[0]) {
	case 134:
		put32(icmp + 4, (uint32_t)rng_next(rng));
		len = 16;
		break;
	case 136:
		icmp[4] = (uint8_t)(rnd(rng, 8) << 5);
		neighbour6(rng, port, host, target);
		len = 24;
		break;
	case 137:
		neighbour6(rng, port, 2, target);
		address_dst6(rng, port, target + 16);
		len = 40;
		break;
	case 135:
		address_router6(rng, port, target);
		if (one_in(rng, 4))
			address_dst6(rng, port, target);
		if (one_in(rng, 2))
			solicited_node(target, ip + 24);
		len = 24;
		break;
	}
	len += link_option(rng, port, host, icmp + len);
	seal_payload(ip, IPPROTO_ICMPV6, icmp, len);
	if (one_in(rng, 16))
		icmp[rnd(rng, len)] ^= (uint8_t)(1 << rnd(rng, 8));
	seal_ipv6(ip, 40 + len);
	return 40 + len;
}

unsigned make_redirect4(struct rng *rng, uint8_t *ip)
{
	uint8_t *icmp = ip + 20, *quoted = icmp + 8;

	memset(ip, 0, 64);
	memcpy(ip + 12, (uint8_t[]){10, 0, 2, 2, 10, 0, 2, 1}, 8);
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	icmp[0] = 5;
	icmp[1] = (uint8_t)rnd(rng, 4);
	memcpy(icmp + 4, (uint8_t[]){10, 0, 2, (uint8_t)(3 + rnd(rng, 7))}, 4);
	quoted[8] = 64;
	quoted[9] = IPPROTO_ICMP;
	memcpy(quoted + 12, (uint8_t[]){10, 0, 2, 1, 10, 29, 0, (uint8_t)rnd(rng, 16)}, 8);
	seal_ipv4(quoted, 20, 36);
	seal_payload(quoted, IPPROTO_ICMP, quoted + 20, 16); /* an echo reply */
	seal_payload(ip, IPPROTO_ICMP, icmp, 44);
	seal_ipv4(ip, 20, 64);
	return 64;
}
