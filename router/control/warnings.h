/* SPDX-License-Identifier: BSD-2-Clause */
/* What works, but not as the operator may think: said at start-up. */
#ifndef PEERLANE_CONTROL_WARNINGS_H
#define PEERLANE_CONTROL_WARNINGS_H

#include "router.h"

/* Pools on ordinary pages: what it costs, and the sysctl with the number needed. */
void warn_ordinary_pages(const struct router *router);

/* A device with IP addresses of its own: the kernel no longer sees traffic for them. */
void warn_device_addresses(const struct router *router, unsigned port);

/* A device with more queues than there are planes: what arrives on the others is not forwarded. */
void warn_unserved_queues(const struct router *router, unsigned port);

/* An accelerator that is made of the machine's own cores. */
void warn_accelerator(const struct router *router);

/* A TAP that was taken over and is down, as it was left. */
void warn_tap_down(const struct router *router, const struct router_port *port);

#endif
