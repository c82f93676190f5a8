/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program's IPv6 part. */
#ifndef PEERLANE_PROGRAM_IPV6_H
#define PEERLANE_PROGRAM_IPV6_H

#include "hop.h"

/* Words of the header, from a frame's first byte. */
#define AT_IPV6_VERSION AT_IP	 /* version, traffic class, flow label */
#define AT_IPV6_LEN (AT_IP + 4)	 /* payload length, next header, hop limit */
#define AT_IPV6_SRC (AT_IP + 8)	 /* two 64-bit words */
#define AT_IPV6_DST (AT_IP + 24) /* two 64-bit words */
#define AT_IPV6_PORTS (AT_IP + 40)

#define IP_HOP_BY_HOP 0u

/* Of an address's first 64 bits in wire order. */
#define IPV6_IS_MULTICAST(a0) (((a0)&0xff) == 0xff)
#define IPV6_IS_LINK_LOCAL(a0) (((a0)&0xc0ff) == 0x80fe)
/* Last 64 bits of ::1 in wire order. */
#define IPV6_ONE ((uint64_t)1 << 56)

/* Addresses as they lie in the frame. What the kernel drops for certain is dropped (RFC 4291 2.5.3,
 * 2.7). What it drops or not is punted: without a source, by where the packet goes (RFC 4291 2.5.2,
 * net/ipv6/ip6_output.c); an IPv4-mapped source, by the kernel's version. */
PL_FN uint32_t ipv6_check_addresses(const struct header *header)
{
	uint64_t s0 = header64(header, AT_IPV6_SRC), s1 = header64(header, AT_IPV6_SRC + 8);
	uint64_t d0 = header64(header, AT_IPV6_DST), d1 = header64(header, AT_IPV6_DST + 8);

	if (IPV6_IS_MULTICAST(s0) || (s0 == 0 && s1 == IPV6_ONE))
		return VERDICT_DROP(REASON_SOURCE);
	if (d0 == 0 && d1 == IPV6_ONE)
		return VERDICT_DROP(REASON_DESTINATION);
	if (IPV6_IS_MULTICAST(d0))
		return VERDICT_PUNT(REASON_MULTICAST);
	if (s0 == 0 && (s1 == 0 || (s1 & 0xffffffffu) == 0xffff0000u))
		return VERDICT_PUNT(REASON_ODD_SOURCE);
	if (d0 == 0 && d1 == 0)
		return VERDICT_PUNT(REASON_ODD_DESTINATION);
	if (IPV6_IS_LINK_LOCAL(s0) || IPV6_IS_LINK_LOCAL(d0))
		return VERDICT_PUNT(REASON_LINK_LOCAL);
	return VERDICT_NONE;
}

/* Judges a packet whose Ethernet header is right by its own header alone. */
PL_FN uint32_t ipv6_check(const struct header *header, uint32_t len)
{
	uint32_t word, verdict;

	if (len < ETHER_LEN + IPV6_LEN)
		return VERDICT_DROP(REASON_RUNT);
	if ((header32(header, AT_IPV6_VERSION) >> 4 & 0xf) != 6)
		return VERDICT_DROP(REASON_VERSION);
	word = header32(header, AT_IPV6_LEN);
	if (swap16(word) > len - ETHER_LEN - IPV6_LEN)
		return VERDICT_DROP(REASON_TOTAL_LEN);
	verdict = ipv6_check_addresses(header);
	if (verdict == VERDICT_NONE && (word >> 16 & 0xff) == IP_HOP_BY_HOP)
		verdict = VERDICT_PUNT(REASON_HOP_BY_HOP);
	return verdict;
}

/* Hash of a packet's flow. Only the first next header is looked at: behind extension headers, a
 * fragment's among them, flows are told apart by addresses alone. */
PL_FN uint32_t ipv6_flow(const struct header *header)
{
	uint32_t word = header32(header, AT_IPV6_LEN);
	uint32_t protocol = word >> 16 & 0xff;
	uint64_t last = protocol;
	uint64_t hash;

	if (flow_has_ports(protocol) && swap16(word) >= 4)
		last |= (uint64_t)header32(header, AT_IPV6_PORTS) << 32;
	hash = flow_mix(0, header64(header, AT_IPV6_SRC));
	hash = flow_mix(hash, header64(header, AT_IPV6_SRC + 8));
	hash = flow_mix(hash, header64(header, AT_IPV6_DST));
	hash = flow_mix(hash, header64(header, AT_IPV6_DST + 8));
	return flow_finish(flow_mix(hash, last));
}

/* The word at AT_IPV6_LEN with one hop less. The hop limit is not 0. */
PL_FN uint32_t ipv6_hop_limit_less(uint32_t word)
{
	return word - 0x01000000u;
}

/* What becomes of a checked packet whose route leads to next hop `index`. */
PL_FN uint32_t ipv6_route(const struct tables_view *view, const struct header *header,
			  PL_G uint8_t *frame, uint16_t *len, uint32_t index)
{
	struct hop hop = hop_at(view, index);
	uint32_t word = header32(header, AT_IPV6_LEN);
	uint32_t ip_len = IPV6_LEN + swap16(word);
	uint64_t d0 = header64(header, AT_IPV6_DST), d1 = header64(header, AT_IPV6_DST + 8);
	uint32_t verdict;

	if (NEXTHOP_KIND(hop.info) == NEXTHOP_GROUP)
		hop = hop_of_group(view, hop, ipv6_flow(header));
	if (NEXTHOP_KIND(hop.info) == NEXTHOP_GLEAN)
		hop = hop_of_neighbour(view, hop, neighbour_mapped(d0, d1), d0, d1);
	verdict = hop_verdict(hop);
	if (verdict != VERDICT_NONE)
		return verdict;
	if (word >> 24 <= 1)
		return VERDICT_PUNT(REASON_TTL);
	if (ip_len > hop.mtu)
		return VERDICT_PUNT(REASON_MTU);

	frame_pair_set(frame, AT_IPV6_VERSION,
		       (uint64_t)ipv6_hop_limit_less(word) << 32 |
			       header32(header, AT_IPV6_VERSION),
		       header64(header, AT_IPV6_SRC));
	*len = (uint16_t)(ETHER_LEN + ip_len);
	return hop_rewrite(view, hop, frame, ETHER_IPV6);
}

PL_FN uint32_t ipv6_packet(const struct tables_view *view, const struct header *header,
			   PL_G uint8_t *frame, uint16_t *len)
{
	uint32_t verdict = ipv6_check(header, *len);

	if (verdict != VERDICT_NONE)
		return verdict;
	return ipv6_route(view, header, frame, len,
			  route6_lookup(view, swap64(header64(header, AT_IPV6_DST)),
					swap64(header64(header, AT_IPV6_DST + 8))));
}

#endif
