/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program: one packet in, its verdict out. One source for gcc, clang, OpenCL C and
 * CUDA (peerlane/lang.h has the rules); docs/counters.md lists all it may say.
 *
 * It is also the definition that the CPU's vectorised passes (passes.c) are tested against. */
#ifndef PEERLANE_PROGRAM_PACKET_H
#define PEERLANE_PROGRAM_PACKET_H

#include "ipv4.h"
#include "ipv6.h"

/* Punt by Ethernet type; VERDICT_NONE for IP. */
PL_FN uint32_t ether_check_type(uint32_t type)
{
	switch (type) {
	case ETHER_IPV4:
	case ETHER_IPV6:
		return VERDICT_NONE;
	case ETHER_ARP:
		return VERDICT_PUNT(REASON_ARP);
	case ETHER_VLAN:
	case ETHER_QINQ:
		return VERDICT_PUNT(REASON_VLAN);
	default:
		return VERDICT_PUNT(REASON_ETHERTYPE);
	}
}

/* Judges a frame of at least ETHER_LEN bytes by its Ethernet header. */
PL_FN uint32_t ether_check(const struct header *header, uint64_t port_mac)
{
	uint64_t dmac = header64(header, AT_DMAC);
	uint32_t verdict = ether_check_type((uint32_t)(header64(header, AT_SMAC) >> 48));

	if (dmac & ETHER_GROUP_BIT) {
		if (verdict == VERDICT_PUNT(REASON_ARP) || verdict == VERDICT_PUNT(REASON_VLAN))
			return verdict;
		return VERDICT_PUNT(REASON_GROUP_MAC);
	}
	if (dmac >> 16 != port_mac >> 16)
		return VERDICT_DROP(REASON_NOT_OUR_MAC);
	if (!(port_mac & 0xffff))
		return VERDICT_DROP(REASON_PORT_DOWN);
	return verdict;
}

/* Runs the program on the frame of `*len` bytes that came in on `port`; 2 bytes before and 62
 * after its first byte must be readable, however short it is.
 *
 * A packet to be transmitted is rewritten and `*len` loses what Ethernet padded; any other is left
 * as it is. Returns the verdict (peerlane/burst.h). `view` must stay valid; see tables_view(). */
PL_FN uint32_t program_packet(const struct tables_view *view, PL_G uint8_t *frame, uint16_t *len,
			      uint32_t port)
{
	struct header header = header_of(frame);
	uint32_t verdict;

	if (*len < ETHER_LEN)
		return VERDICT_DROP(REASON_RUNT);
	verdict = ether_check(&header, PL_LOAD64(&view->ports[port].mac));
	if (verdict != VERDICT_NONE)
		return verdict;
	if ((uint32_t)(header64(&header, AT_SMAC) >> 48) == ETHER_IPV4)
		return ipv4_packet(view, &header, frame, len);
	return ipv6_packet(view, &header, frame, len);
}

#endif
