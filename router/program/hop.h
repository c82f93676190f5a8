/* SPDX-License-Identifier: BSD-2-Clause */
/* From the next hop that a route names to a verdict: ECMP groups, neighbours, the rewrite. */
#ifndef PEERLANE_PROGRAM_HOP_H
#define PEERLANE_PROGRAM_HOP_H

#include "../tables/image.h"
#include "words.h"

/* Protocols whose first four bytes are the ports. */
#define IP_TCP 6u
#define IP_UDP 17u
#define IP_SCTP 132u
#define IP_UDPLITE 136u

/* A next hop as read once: `info` decides, so it is loaded a single time. */
struct hop {
	PL_G const struct nexthop *nexthop;
	uint64_t info;
	uint32_t index;
	uint32_t mtu; /* IP bytes */
};

PL_FN struct hop hop_at(const struct tables_view *view, uint32_t index)
{
	struct hop hop;

	hop.nexthop = view->nexthops + index;
	hop.index = index;
	hop.info = PL_LOAD64(&hop.nexthop->info);
	hop.mtu = NEXTHOP_MTU(hop.info);
	return hop;
}

/* The member of an ECMP group that a flow is on. */
PL_FN struct hop hop_of_group(const struct tables_view *view, struct hop hop, uint32_t hash)
{
	uint64_t group = PL_LOAD64(&hop.nexthop->group);
	uint32_t slot = (uint32_t)group + (hash & (uint32_t)(group >> 32));

	return hop_at(view, PL_LOAD32(view->slots + slot));
}

/* The neighbour (address in wire order, and neighbour_mapped() of it; see struct neighbour) behind a
 * connected network. One that is not known is punted for the reason that the network's next hop
 * carries. */
PL_FN struct hop hop_of_neighbour(const struct tables_view *view, struct hop glean, uint32_t mapped,
				  uint64_t a0, uint64_t a1)
{
	uint32_t index = neighbour_lookup(view, a0, a1, NEXTHOP_PORT(glean.info) | mapped);
	struct hop hop;

	if (index == 0) {
		glean.info = (glean.info & ~(uint64_t)0xff) | NEXTHOP_PUNT;
		return glean;
	}
	hop = hop_at(view, index);
	if (hop.mtu > glean.mtu)
		hop.mtu = glean.mtu;
	return hop;
}

/* VERDICT_NONE for a hop that forwards, else its punt or drop. Groups lead to no groups and
 * neighbours to no networks; should one, the kernel finds the way. */
PL_FN uint32_t hop_verdict(struct hop hop)
{
	switch (NEXTHOP_KIND(hop.info)) {
	case NEXTHOP_FORWARD:
		return VERDICT_NONE;
	case NEXTHOP_PUNT:
		return VERDICT_PUNT(NEXTHOP_REASON(hop.info));
	case NEXTHOP_DROP:
		return VERDICT_DROP(NEXTHOP_REASON(hop.info));
	default:
		return VERDICT_PUNT(REASON_UNRESOLVED);
	}
}

/* Writes the MACs at once; the two bytes of headroom before the frame are lost. Marks
 * the next hop as used. */
PL_FN uint32_t hop_rewrite(const struct tables_view *view, struct hop hop, PL_G uint8_t *frame,
			   uint32_t ether_type)
{
	PL_MARK(view->used + hop.index);
	frame_pair_set(frame, AT_DMAC, PL_LOAD64(&hop.nexthop->dmac),
		       PL_LOAD64(&hop.nexthop->smac) | (uint64_t)ether_type << 48);
	return VERDICT_TX(NEXTHOP_PORT(hop.info));
}

/* One round of mixing in a flow's hash: every input bit reaches the upper half. */
PL_FN uint64_t flow_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ul;
	return hash ^ hash >> 32;
}

PL_FN uint32_t flow_finish(uint64_t hash)
{
	return (uint32_t)(hash * 0xd6e8feb86659fd93ul >> 32);
}

PL_FN uint32_t flow_has_ports(uint32_t protocol)
{
	return protocol == IP_TCP || protocol == IP_UDP || protocol == IP_SCTP ||
	       protocol == IP_UDPLITE;
}

#endif
