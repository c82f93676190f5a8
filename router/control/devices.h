/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI devices of ports that are NICs which we drive ourselves: had before the ports, given back after
 * them. Emulated ones are played by one thread. Control thread. */
#ifndef PEERLANE_CONTROL_DEVICES_H
#define PEERLANE_CONTROL_DEVICES_H

#include "router.h"

/* Fills in what the device of one of the configuration's ports that is a NIC can do, and its MTU. `asked` is as for
 * pl_port_probe(), without the device. Nothing stays open. Returns 0, or -errno with `err` filled. */
int devices_probe(const struct config *config, const struct config_port *port,
		  const struct pl_port_config *asked, struct pl_port_caps *caps,
		  struct pl_error *err);

/* Whether the port's NIC can be told where this memory is, so that it reads and writes packets there. Nothing stays
 * open. Returns 0, or -errno with `err` filled: what stands in the way, and what an operator can do. */
int devices_try_memory(const struct config_port *port, const struct pl_remote *remote,
		       struct pl_error *err);

/* Gives each port of the configuration that is a NIC its device (router_port.pci). Returns 0, or -errno
 * with `err` filled; devices_close() is to be called in both cases. */
int devices_open(struct router *router, struct pl_error *err);

/* Has the emulated ones played from now on. The thread is confined as its maker is. Returns 0, or -errno
 * with `err` filled. */
int devices_start(struct router *router, struct pl_error *err);

/* What the network interface that is the wire of the port's emulated NIC is called now: one that was renamed
 * still is the wire, as long as it is there. Returns false if there is none, or the port's is no emulated
 * NIC. */
bool devices_wire(struct router_port *port, char name[CONFIG_NAME_SIZE]);

/* Has the wire of an emulated NIC carry frames of this MTU. Does nothing for others. Returns 0, or -errno with
 * `err` filled. */
int devices_set_wire_mtu(struct router_port *port, unsigned mtu, struct pl_error *err);

/* Whether the port's emulated NIC has no wire now. */
bool devices_wire_away(struct router_port *port);

struct emu_stats;

/* What went wrong in the port's emulated device. Returns false if it has none. */
bool devices_emu_stats(const struct router_port *port, struct emu_stats *stats);

/* Gives all devices back. The ports are closed: until then the emulated ones are played. */
void devices_close(struct router *router);

#endif
