/* SPDX-License-Identifier: BSD-2-Clause */
#include "second.h"

#include <string.h>

static struct ref_addr addr_of(uint8_t family, const uint8_t *bytes)
{
	struct ref_addr addr = {.n_bytes = family == AF_INET ? 4 : 16};

	memcpy(addr.bytes, bytes, addr.n_bytes);
	return addr;
}

/* Place of the hop that has `index` in the tables, a new one if there is none yet. */
static struct ref_hop *hop_at(struct second *s, uint32_t index)
{
	if (index >= SECOND_INDEXES || s->n_hops + 1 >= REF_HOPS_MAX) {
		s->full = true;
		return &s->router.hops[0];
	}
	if (!s->hop_of[index])
		s->hop_of[index] = ++s->n_hops;
	return &s->router.hops[s->hop_of[index]];
}

static unsigned place_of(struct second *s, uint32_t index)
{
	return (unsigned)(hop_at(s, index) - s->router.hops);
}

void second_hop(struct second *s, uint32_t index, const struct nexthop_spec *spec)
{
	static const enum ref_kind kinds[] = {
		[NEXTHOP_PUNT] = REF_PUNT,	 [NEXTHOP_DROP] = REF_DROP,
		[NEXTHOP_FORWARD] = REF_FORWARD, [NEXTHOP_GLEAN] = REF_NETWORK,
		[NEXTHOP_GROUP] = REF_GROUP,
	};
	struct ref_hop *hop = hop_at(s, index);

	*hop = (struct ref_hop){.kind = kinds[spec->kind],
				.reason = (enum reason)spec->reason,
				.mtu = spec->mtu,
				.port = spec->port};
	memcpy(hop->dmac, spec->dmac, 6);
	memcpy(hop->smac, spec->smac, 6);
	if (spec->kind != NEXTHOP_GROUP)
		return;
	s->full = s->full || spec->n_members > REF_MEMBERS_MAX;
	for (unsigned i = 0; i < spec->n_members && !s->full; i++)
		hop->members[hop->n_members++] = place_of(s, spec->members[i].nexthop);
}

void second_route(struct second *s, const struct prefix *prefix, uint32_t index)
{
	struct ref_route route = {.addr = addr_of(prefix->family, prefix->bytes),
				  .len = prefix->len,
				  .hop = place_of(s, index)};

	for (unsigned i = 0; i < s->router.n_routes; i++) {
		struct ref_route *old = &s->router.routes[i];

		if (old->len == route.len &&
		    memcmp(&old->addr, &route.addr, sizeof(old->addr)) == 0) {
			*old = route;
			return;
		}
	}
	if (s->router.n_routes == REF_ROUTES_MAX)
		s->full = true;
	else
		s->router.routes[s->router.n_routes++] = route;
}

void second_neighbour(struct second *s, uint16_t port, const struct ip_addr *addr, uint32_t index)
{
	if (s->router.n_neighbours == REF_NEIGHBOURS_MAX)
		s->full = true;
	else
		s->router.neighbours[s->router.n_neighbours++] = (struct ref_neighbour){
			addr_of(addr->family, addr->bytes), port, place_of(s, index)};
}

void second_port(struct second *s, uint16_t port, const uint8_t mac[6], bool up)
{
	memcpy(s->router.ports[port].mac, mac, 6);
	s->router.ports[port].up = up;
}

bool second_agrees(const struct second *s, const uint8_t *frame, unsigned len, enum ref_fate fate,
		   enum reason reason, unsigned port, const uint8_t *out, unsigned out_len)
{
	static struct ref_result says;
	unsigned ways = 1;

	for (unsigned way = 0; way < ways && !s->full; way++) {
		ways = reference(&s->router, 0, frame, len, way, &says);
		if (says.fate == fate &&
		    (fate == REF_SENT ? says.port == port && says.len == out_len &&
						memcmp(says.frame, out, out_len) == 0
				      : says.reason == reason))
			return true;
	}
	return s->full;
}
