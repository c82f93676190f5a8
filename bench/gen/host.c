/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <string.h>

#include "frame.h"
#include "host.h"

#define FRAME_MIN 60u /* without FCS */

/* A neighbour solicitation or advertisement with one option: the sender's, or the target's, MAC. */
struct nd_frame {
	struct ether_header eth;
	struct ip6_hdr ip;
	struct nd_neighbor_advert nd; /* laid out like a solicitation */
	struct nd_opt_hdr option;
	uint8_t mac[6];
} __attribute__((packed));

_Static_assert(sizeof(struct nd_frame) == GEN_HOST_FRAME_MAX, "an ND message with one option");

struct arp_frame {
	struct ether_header eth;
	struct ether_arp arp;
} __attribute__((packed));

/* ---- ARP ---- */

static unsigned write_arp(const struct gen_host *host, unsigned op, const uint8_t *to_mac,
			  const void *to, uint8_t *frame)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct arp_frame f = {
		.eth.ether_type = htons(ETHERTYPE_ARP),
		.arp = {.arp_hrd = htons(ARPHRD_ETHER),
			.arp_pro = htons(ETHERTYPE_IP),
			.arp_hln = 6,
			.arp_pln = 4,
			.arp_op = htons((uint16_t)op)},
	};

	memcpy(f.eth.ether_dhost, to_mac ? to_mac : broadcast, 6);
	memcpy(f.eth.ether_shost, host->mac, 6);
	memcpy(f.arp.arp_sha, host->mac, 6);
	memcpy(f.arp.arp_spa, host->address[GEN_V4], 4);
	if (to_mac)
		memcpy(f.arp.arp_tha, to_mac, 6);
	memcpy(f.arp.arp_tpa, to, 4);
	memset(frame, 0, FRAME_MIN);
	memcpy(frame, &f, sizeof(f));
	return FRAME_MIN;
}

static void learn(struct gen_host *host, enum gen_family family, const void *address,
		  const uint8_t *mac)
{
	size_t bytes = family == GEN_V4 ? 4 : 16;

	if (!host->has_gateway[family] || memcmp(host->gateway[family], address, bytes) != 0)
		return;
	memcpy(host->gateway_mac[family], mac, 6);
	host->resolved[family] = true;
}

static unsigned take_arp(struct gen_host *host, const uint8_t *frame, uint32_t len, uint8_t *reply)
{
	struct arp_frame f;

	if (len < sizeof(f) || !host->has[GEN_V4])
		return 0;
	memcpy(&f, frame, sizeof(f));
	if (f.arp.arp_hrd != htons(ARPHRD_ETHER) || f.arp.arp_pro != htons(ETHERTYPE_IP) ||
	    f.arp.arp_hln != 6 || f.arp.arp_pln != 4)
		return 0;
	learn(host, GEN_V4, f.arp.arp_spa, f.arp.arp_sha);
	if (f.arp.arp_op != htons(ARPOP_REQUEST) ||
	    memcmp(f.arp.arp_tpa, host->address[GEN_V4], 4) != 0)
		return 0;
	return write_arp(host, ARPOP_REPLY, f.arp.arp_sha, f.arp.arp_spa, reply);
}

/* ---- neighbour discovery ---- */

/* The sum that is 0xffff when the checksum within is right (RFC 8200 8.1). */
static uint16_t icmp_sum(const uint8_t *frame, uint32_t ip_payload)
{
	return gen_fold((uint64_t)gen_sum(frame + 22, 32) + gen_sum(frame + 54, ip_payload) +
			(uint32_t)htons((uint16_t)ip_payload) + htons(IPPROTO_ICMPV6));
}

static unsigned write_nd(const struct gen_host *host, unsigned type, uint32_t flags,
			 const uint8_t *to_mac, const void *to, const void *target, uint8_t *frame)
{
	const uint32_t ip_payload =
		sizeof(struct nd_frame) - sizeof(struct ether_header) - sizeof(struct ip6_hdr);
	struct nd_frame f = {
		.eth.ether_type = htons(ETHERTYPE_IPV6),
		.ip = {.ip6_flow = htonl(6u << 28), .ip6_plen = htons((uint16_t)ip_payload)},
		.option = {.nd_opt_type = type == ND_NEIGHBOR_SOLICIT ? ND_OPT_SOURCE_LINKADDR
								      : ND_OPT_TARGET_LINKADDR,
			   .nd_opt_len = 1},
	};
	uint16_t sum;

	memcpy(f.eth.ether_dhost, to_mac, 6);
	memcpy(f.eth.ether_shost, host->mac, 6);
	f.ip.ip6_nxt = IPPROTO_ICMPV6;
	f.ip.ip6_hlim = 255;
	memcpy(&f.ip.ip6_src, host->address[GEN_V6], 16);
	memcpy(&f.ip.ip6_dst, to, 16);
	f.nd.nd_na_type = (uint8_t)type;
	f.nd.nd_na_flags_reserved = flags;
	memcpy(&f.nd.nd_na_target, target, 16);
	memcpy(f.mac, host->mac, 6);
	memcpy(frame, &f, sizeof(f));
	sum = (uint16_t)~icmp_sum(frame, ip_payload);
	memcpy(frame + 54 + 2, &sum, 2);
	return sizeof(f);
}

/* The option with a link-layer address, if there is one. */
static const uint8_t *link_option(const uint8_t *at, const uint8_t *end, uint8_t type)
{
	while (end - at >= 8 && at[1] != 0 && end - at >= 8 * at[1]) {
		if (at[0] == type)
			return at + 2;
		at += 8 * at[1];
	}
	return NULL;
}

static unsigned take_nd(struct gen_host *host, const uint8_t *frame, uint32_t len, uint8_t *reply)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	const uint8_t *ip = frame + 14, *nd = frame + 54, *target = nd + 8, *option;
	uint32_t ip_payload;
	bool from_nobody;

	if (len < 54 + 24 || !host->has[GEN_V6])
		return 0;
	ip_payload = (uint32_t)ip[4] << 8 | ip[5];
	if (ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMPV6 || ip[7] != 255 || ip_payload < 24 ||
	    ip_payload > len - 54 || icmp_sum(frame, ip_payload) != 0xffff)
		return 0;
	if (nd[0] == ND_NEIGHBOR_ADVERT) {
		option = link_option(nd + 24, nd + ip_payload, ND_OPT_TARGET_LINKADDR);
		learn(host, GEN_V6, target, option ? option : frame + 6);
		return 0;
	}
	if (nd[0] != ND_NEIGHBOR_SOLICIT || memcmp(target, host->address[GEN_V6], 16) != 0)
		return 0;
	from_nobody = memcmp(ip + 8, (uint8_t[16]){0}, 16) == 0;
	return write_nd(host, ND_NEIGHBOR_ADVERT,
			ND_NA_FLAG_OVERRIDE | (from_nobody ? 0 : ND_NA_FLAG_SOLICITED),
			from_nobody ? all_nodes_mac : frame + 6, from_nobody ? all_nodes : ip + 8,
			target, reply);
}

unsigned gen_host_take(struct gen_host *host, const uint8_t *frame, uint32_t len, uint8_t *reply)
{
	unsigned type;

	if (len < sizeof(struct ether_header))
		return 0;
	type = (unsigned)frame[12] << 8 | frame[13];
	if (type == ETHERTYPE_ARP)
		return take_arp(host, frame, len, reply);
	return type == ETHERTYPE_IPV6 ? take_nd(host, frame, len, reply) : 0;
}

unsigned gen_host_ask(const struct gen_host *host, enum gen_family family, uint8_t *frame)
{
	/* The solicited-node group of the gateway (RFC 4291 2.7.1), and its MAC. */
	uint8_t group[16] = {0xff, 0x02, [11] = 1, [12] = 0xff}, mac[6] = {0x33, 0x33, 0xff};

	if (family == GEN_V4)
		return write_arp(host, ARPOP_REQUEST, NULL, host->gateway[GEN_V4], frame);
	memcpy(group + 13, host->gateway[GEN_V6] + 13, 3);
	memcpy(mac + 3, group + 13, 3);
	return write_nd(host, ND_NEIGHBOR_SOLICIT, 0, mac, group, host->gateway[GEN_V6], frame);
}
