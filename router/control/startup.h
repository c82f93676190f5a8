/* SPDX-License-Identifier: BSD-2-Clause */
/* Start-up and stop: from a configuration to planes that forward, and back. Control thread. */
#ifndef PEERLANE_CONTROL_STARTUP_H
#define PEERLANE_CONTROL_STARTUP_H

#include "router.h"

/* Asks every device what it can do and decides buffers and copy mode. Opens nothing that stays
 * open. `router` is zeroed but for `config` and `log`. Returns 0, or -errno with `err` filled. */
int router_probe(struct router *router, struct pl_error *err);

/* Does all of start-up after router_probe(): pools, faces, ports, mirror, confinement, planes. When
 * it returns 0, packets are forwarded. The process is confined then, or may be (privileges.h). Else
 * -errno with `err` filled and everything undone. All signals that the caller wants for itself are
 * blocked: threads inherit the mask. */
int router_start(struct router *router, struct pl_error *err);

/* Stops forwarding and gives everything back. The TAPs stay, without carrier unless another holds
 * the descriptor (keep.h). Accepts a router whose start failed at any step. */
void router_stop(struct router *router);

/* Prints what router_probe() found. */
void router_print(const struct router *router, FILE *out);

#endif
