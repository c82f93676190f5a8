/* SPDX-License-Identifier: BSD-2-Clause */
/* What the router does when the kernel tells of a change to a port or its device. */
#ifndef PEERLANE_CONTROL_FOLLOW_H
#define PEERLANE_CONTROL_FOLLOW_H

#include "router.h"

/* The mirror's events for `router`. */
struct mirror_events follow_events(struct router *router);

/* Looks what MTU, MAC and carrier the device has, which is open, and passes on what is new. */
void follow_device(struct router *router, unsigned port);

/* The same of all ports whose device the kernel does not tell of (NICs), and whether it is there at all.
 * When one of them says that something has happened (pl_port_event_fd()), and now and then. */
void follow_states(struct router *router);

/* Calls follow_states() about once a second. */
void follow_run(struct router *router, uint64_t now_ms);

#endif
