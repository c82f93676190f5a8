/* SPDX-License-Identifier: BSD-2-Clause */
/* What the router does when the kernel tells of a change to a port or its device. */
#ifndef PEERLANE_CONTROL_FOLLOW_H
#define PEERLANE_CONTROL_FOLLOW_H

#include "router.h"

/* The mirror's events for `router`. */
struct mirror_events follow_events(struct router *router);

/* Looks what MTU, MAC and carrier the device has, which is open, and passes on what is new. */
void follow_device(struct router *router, unsigned port);

#endif
