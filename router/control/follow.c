/* SPDX-License-Identifier: BSD-2-Clause */
#include "follow.h"

#include <string.h>

static void link_changed(void *ctx, unsigned index, bool carrier)
{
	struct router *router = ctx;
	struct router_port *port = &router->ports[index];
	int rc = face_set_carrier(port->face, carrier);

	port->carrier = carrier;
	if (rc)
		log_warning(router->log, "%s: cannot switch the TAP's carrier %s: %s", port->name,
			    carrier ? "on" : "off", strerror(-rc));
	log_info(router->log, "%s: link of %s is %s", port->name, port->device,
		 carrier ? "up" : "down");
}

static void face_mac_changed(void *ctx, unsigned index, const uint8_t mac[6])
{
	struct router *router = ctx;
	struct router_port *port = &router->ports[index];
	struct pl_error err;

	if (!memcmp(port->mac, mac, 6))
		return;
	if (pl_port_accept_mac(port->port, mac, &err)) {
		log_error(router->log, LOG_LEVEL_WARNING, &err);
		return;
	}
	memcpy(port->mac, mac, 6);
	log_info(router->log, "%s: MAC is now %02x:%02x:%02x:%02x:%02x:%02x", port->name, mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void face_mtu_changed(void *ctx, unsigned index, unsigned mtu)
{
	struct router *router = ctx;
	struct router_port *port = &router->ports[index];
	struct pl_error err;

	if (mtu == port->mtu)
		return;
	if (mtu > router_mtu_max(router)) {
		pl_error_set(&err, 0,
			     "longer buffers need a restart, with the device's MTU set before",
			     "%s: MTU %u does not fit buffers of %u bytes: frames above MTU %u "
			     "will not pass",
			     port->name, mtu, router->buf_bytes, router_mtu_max(router));
		log_error(router->log, LOG_LEVEL_WARNING, &err);
		return;
	}
	if (pl_port_set_mtu(port->port, mtu, &err)) {
		log_error(router->log, LOG_LEVEL_WARNING, &err);
		return;
	}
	port->mtu = mtu;
	log_info(router->log, "%s: MTU is now %u, on %s too", port->name, mtu, port->device);
}

static void note(void *ctx, const char *text)
{
	struct router *router = ctx;

	log_info(router->log, "kernel: %s", text);
}

struct mirror_events follow_events(struct router *router)
{
	return (struct mirror_events){
		.link_changed = link_changed,
		.face_mac_changed = face_mac_changed,
		.face_mtu_changed = face_mtu_changed,
		.note = note,
		.ctx = router,
	};
}

void follow_lost_faces(struct router *router)
{
	for (unsigned i = 0; i < router->n_ports; i++) {
		struct router_port *port = &router->ports[i];
		struct pl_error err;

		if (port->lost_told || !face_lost(port->face))
			continue;
		port->lost_told = true;
		pl_error_set(&err, 0, "restart peerlaned: it makes the TAP again",
			     "%s: somebody has deleted the TAP interface", port->name);
		log_error(router->log, LOG_LEVEL_WARNING, &err);
	}
}
