/* SPDX-License-Identifier: BSD-2-Clause */
/* A second opinion on what the tests expect: the reference router (tests/reference), which is told
 * of every change to a world's tables and asked about every frame that something is expected of. */
#ifndef TESTS_PACKET_SECOND_H
#define TESTS_PACKET_SECOND_H

#include "../../router/tables/tables.h"
#include "../reference/reference.h"

#define SECOND_INDEXES 64u /* of next hops in the tables */

struct second {
	struct ref_router router;
	unsigned hop_of[SECOND_INDEXES]; /* by index in the tables */
	unsigned n_hops;
	/* More than the reference has room for: it has no opinion. */
	bool full;
};

void second_hop(struct second *s, uint32_t index, const struct nexthop_spec *spec);
void second_route(struct second *s, const struct prefix *prefix, uint32_t index);
void second_neighbour(struct second *s, uint16_t port, const struct ip_addr *addr, uint32_t index);
void second_port(struct second *s, uint16_t port, const uint8_t mac[6], bool up);

/* Whether a frame received on port 0 may have this fate: `reason` if it is not SENT, else `port` and
 * the bytes that leave. */
bool second_agrees(const struct second *s, const uint8_t *frame, unsigned len, enum ref_fate fate,
		   enum reason reason, unsigned port, const uint8_t *out, unsigned out_len);

#endif
