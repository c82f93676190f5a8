/* SPDX-License-Identifier: BSD-2-Clause */
/* The limits on what planes punt: making them, and telling the operator when one is reached. Control
 * thread. */
#ifndef PEERLANE_CONTROL_PUNT_LIMITS_H
#define PEERLANE_CONTROL_PUNT_LIMITS_H

#include "router.h"

/* Makes the limits of each plane, as the configuration says, for its processor. Returns 0 or -ENOMEM; in
 * both cases limits_fini() gives back what was made, once planes and processors are gone. */
int limits_init(struct router *router);
void limits_fini(struct router *router);

/* Packets of a class on a port, over all planes. */
struct limit_counts {
	uint64_t passed, dropped;
};
struct limit_counts limits_count(const struct router *router, unsigned port,
				 enum limit_class class);

/* Whether the class is being limited on the port now: limits_follow() saw drops of late. */
bool limits_reached(const struct router *router, unsigned port, enum limit_class class);

/* Looks at the counters, about once a second however often it is called, and logs for each port and
 * class when the limit is first reached, and when it has not been for LIMITS_QUIET_MS. */
#define LIMITS_QUIET_MS 10000u
void limits_follow(struct router *router, uint64_t now_ms);

#endif
