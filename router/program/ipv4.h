/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program's IPv4 part. */
#ifndef PEERLANE_PROGRAM_IPV4_H
#define PEERLANE_PROGRAM_IPV4_H

#include "hop.h"

/* Words of the header, from a frame's first byte. */
#define AT_IPV4_LEN AT_IP	 /* version, header length, TOS, total length */
#define AT_IPV4_FRAG (AT_IP + 4) /* identification, flags, fragment offset */
#define AT_IPV4_TTL (AT_IP + 8)	 /* TTL, protocol, checksum */
#define AT_IPV4_SRC (AT_IP + 12)
#define AT_IPV4_DST (AT_IP + 16)
#define AT_IPV4_PORTS (AT_IP + 20)

#define IPV4_FRAGMENT 0xff3f0000u /* of the word at AT_IPV4_FRAG: MF and offset */

/* Sum of the header's 16-bit words, folded once: 0xffff if the checksum is right. At most 30 words,
 * never all zero, so the folded sum is between 1 and 0xffff + 29 and congruent to the sum modulo
 * 0xffff: no other value means "right" (RFC 1071). */
PL_FN uint32_t ipv4_sum(const struct header *header, PL_G const uint8_t *frame, uint32_t header_len)
{
	uint32_t sum = 0;
	int at;

	for (at = AT_IP; at < AT_IP + (int)IPV4_LEN; at += 4) {
		uint32_t word = header32(header, at);

		sum += (word & 0xffff) + (word >> 16);
	}
	for (; at < AT_IP + (int)header_len; at += 4) {
		uint32_t word = frame32(frame, at);

		sum += (word & 0xffff) + (word >> 16);
	}
	return (sum & 0xffff) + (sum >> 16);
}

/* Addresses in host order. What the kernel drops for certain is dropped; a packet without a source it
 * forwards never, but takes as its own if it is for a group or all (DHCP, IGMP). Sources in
 * 240.0.0.0/4 are forwarded as the kernel does (RFC 1812 5.3.7, RFC 6890, net/ipv4/route.c). */
PL_FN uint32_t ipv4_check_addresses(uint32_t src, uint32_t dst)
{
	if (src >> 28 == 0xe || src == 0xffffffffu || src >> 24 == 127)
		return VERDICT_DROP(REASON_SOURCE);
	if (src == 0)
		return VERDICT_PUNT(REASON_ODD_SOURCE);
	if (dst >> 24 == 127 || dst == 0)
		return VERDICT_DROP(REASON_DESTINATION);
	if (dst >> 28 == 0xe)
		return VERDICT_PUNT(REASON_MULTICAST);
	if (dst == 0xffffffffu)
		return VERDICT_PUNT(REASON_BROADCAST);
	return VERDICT_NONE;
}

/* Judges a packet whose Ethernet header is right by its own header alone (RFC 1812 5.2.2). */
PL_FN uint32_t ipv4_check(const struct header *header, PL_G const uint8_t *frame, uint32_t len)
{
	uint32_t word, header_len, total_len, verdict;

	if (len < ETHER_LEN + IPV4_LEN)
		return VERDICT_DROP(REASON_RUNT);
	word = header32(header, AT_IPV4_LEN);
	if ((word >> 4 & 0xf) != 4)
		return VERDICT_DROP(REASON_VERSION);
	header_len = (word & 0xf) * 4;
	if (header_len < IPV4_LEN || header_len > len - ETHER_LEN)
		return VERDICT_DROP(REASON_HEADER_LEN);
	total_len = swap16(word >> 16);
	if (total_len > len - ETHER_LEN || total_len < header_len)
		return VERDICT_DROP(REASON_TOTAL_LEN);
	if (ipv4_sum(header, frame, header_len) != 0xffff)
		return VERDICT_DROP(REASON_CHECKSUM);
	verdict = ipv4_check_addresses(swap32(header32(header, AT_IPV4_SRC)),
				       swap32(header32(header, AT_IPV4_DST)));
	if (verdict == VERDICT_NONE && header_len > IPV4_LEN)
		verdict = VERDICT_PUNT(REASON_OPTIONS);
	return verdict;
}

/* Hash of a packet's flow. A fragment has no ports even if it is the first, so that all of a
 * packet's fragments go one way. */
PL_FN uint32_t ipv4_flow(const struct header *header)
{
	uint32_t protocol = header32(header, AT_IPV4_TTL) >> 8 & 0xff;
	uint32_t total_len = swap16(header32(header, AT_IPV4_LEN) >> 16);
	uint64_t last = protocol;
	uint64_t hash;

	if (flow_has_ports(protocol) && !(header32(header, AT_IPV4_FRAG) & IPV4_FRAGMENT) &&
	    total_len >= IPV4_LEN + 4)
		last |= (uint64_t)header32(header, AT_IPV4_PORTS) << 32;
	hash = flow_mix(0, header32(header, AT_IPV4_SRC) | (uint64_t)header32(header, AT_IPV4_DST)
								   << 32);
	return flow_finish(flow_mix(hash, last));
}

/* The word at AT_IPV4_TTL with one TTL less: checksum and TTL change by one each (RFC 1624 with the
 * Linux kernel's choice between the two zeroes, ip_decrease_ttl()). The TTL is not 0. */
PL_FN uint32_t ipv4_ttl_less(uint32_t word)
{
	return word - 1 + (word >= 0xfffe0000u ? 0x20000u : 0x10000u);
}

/* What becomes of a checked packet whose route leads to next hop `index`. */
PL_FN uint32_t ipv4_route(const struct tables_view *view, const struct header *header,
			  PL_G uint8_t *frame, uint16_t *len, uint32_t index)
{
	struct hop hop = hop_at(view, index);
	uint32_t word = header32(header, AT_IPV4_TTL);
	uint32_t total_len = swap16(header32(header, AT_IPV4_LEN) >> 16);
	uint32_t verdict;

	if (NEXTHOP_KIND(hop.info) == NEXTHOP_GROUP)
		hop = hop_of_group(view, hop, ipv4_flow(header));
	if (NEXTHOP_KIND(hop.info) == NEXTHOP_GLEAN)
		hop = hop_of_neighbour(view, hop, 0, 0,
				       0xffff0000ul | (uint64_t)header32(header, AT_IPV4_DST)
							      << 32);
	verdict = hop_verdict(hop);
	if (verdict != VERDICT_NONE)
		return verdict;
	if ((word & 0xff) <= 1)
		return VERDICT_PUNT(REASON_TTL);
	if (total_len > hop.mtu)
		return VERDICT_PUNT(REASON_MTU);

	frame_pair_set(frame, AT_IPV4_LEN, header64(header, AT_IPV4_LEN),
		       (uint64_t)header32(header, AT_IPV4_SRC) << 32 | ipv4_ttl_less(word));
	*len = (uint16_t)(ETHER_LEN + total_len);
	return hop_rewrite(view, hop, frame, ETHER_IPV4);
}

PL_FN uint32_t ipv4_packet(const struct tables_view *view, const struct header *header,
			   PL_G uint8_t *frame, uint16_t *len)
{
	uint32_t verdict = ipv4_check(header, frame, *len);

	if (verdict != VERDICT_NONE)
		return verdict;
	return ipv4_route(view, header, frame, len,
			  route4_lookup(view, swap32(header32(header, AT_IPV4_DST))));
}

#endif
