/* SPDX-License-Identifier: BSD-2-Clause */
/* The planes' buffers: of what size, how many, and where they lie. Control thread.
 *
 * All are in main memory, or, where packets lie in an accelerator's, those that NICs receive into are there, and in main
 * memory those that the kernel's packets, to and from it, pass through. */
#ifndef PEERLANE_CONTROL_BUFFERS_H
#define PEERLANE_CONTROL_BUFFERS_H

#include <stdio.h>

#include "router.h"

/* Decides copy mode and size of buffers by what the ports' devices can do, of which all are known: the smallest
 * that the longest MTU fits and that all can receive into. Returns 0, or -EMSGSIZE with `err` filled. */
int buffers_choose(struct router *router, struct pl_error *err);

/* Longest MTU of a port for which frames, with a VLAN tag, fit a plane's buffers, and that its device
 * can do. */
unsigned router_mtu_max(const struct router *router, const struct router_port *port);

/* Checks that the planes' buffers are not too many, that the memory can be had that packets are to lie in, and that
 * the NIC of each port reaches it, with a piece of it. After accelerator_probe(). Nothing stays. Returns 0, or -errno with `err` filled. */
int buffers_probe(struct router *router, struct pl_error *err);

/* Makes the pool of each plane. Returns 0, or -errno with `err` filled; buffers_fini() is to be called in both
 * cases. */
int buffers_init(struct router *router, struct pl_error *err);

/* Frees them. No port, processor or accelerator uses one any more. */
void buffers_fini(struct router *router);

/* "4096 of 2048 bytes for each plane (8 MiB)", for --check. */
void buffers_print(const struct router *router, FILE *out);

/* "4096 buffers of 2048 bytes", of a plane, for the log. Returns `out`. */
const char *buffers_describe(const struct router *router, const struct pl_pool *pool, char *out,
			     size_t size);

#endif
