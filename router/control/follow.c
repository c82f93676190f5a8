/* SPDX-License-Identifier: BSD-2-Clause */
/* TAP and device keep the same MTU, whichever of them is changed; the TAP follows the device's MAC
 * as long as it has no other of its own. What a TAP is given while its device is away holds when the
 * device returns.
 *
 * Each change made here comes back as news, by then perhaps outdated by another. So news only make
 * us look: what is compared, and passed on, is what TAP and device are like at that moment. After a
 * change both are alike, and later news of it find nothing to do: the two cannot chase each other.
 *
 * Of a device that is without a link after the start it is not said at once, nor does a TAP that was kept from a
 * former run lose its carrier: NO_LINK_MS.
 *
 * Of a NIC that we drive ourselves there is no news from the kernel, and nobody but us changes it: its
 * own event descriptor, and a look every second, tell of its link and whether it is there. That look is
 * also at the MTU of the interface that is an emulated one's cable: what is longer would be lost there
 * without a trace. */
#include "follow.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "../kernel/interface.h"
#include "buffers.h"
#include "devices.h"
#include "reopen.h"

/* How often NICs are looked at unasked: one that is pulled out does not say so. */
#define LOOK_MS 1000u

/* A NIC was reset at the start, by us, or by its driver in the kernel when our XDP program came; its link may
 * take this long to come up before it is said that there is none: with 10GBASE-T several seconds. */
#define NO_LINK_MS 15000u

#define MAC_FORMAT "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_BYTES(m) (m)[0], (m)[1], (m)[2], (m)[3], (m)[4], (m)[5]

/* ---- MTU ---- */

/* Says that `who` has an MTU beyond our buffers, or of a NIC beyond what it can do. */
static void warn_mtu(const struct router *router, const struct router_port *port, const char *who,
		     unsigned mtu)
{
	unsigned max = router_mtu_max(router, port);
	struct pl_error err;
	char remedy[160];

	if (mtu > port->caps.mtu_max)
		snprintf(remedy, sizeof(remedy), "ip link set %s mtu %u", who, max);
	else if (port->pci)
		snprintf(remedy, sizeof(remedy),
			 "ip link set %s mtu %u; or put MTU=%u into [Port %s] and restart "
			 "peerlaned, "
			 "which then takes longer buffers if all ports can",
			 who, max, mtu, port->name);
	else
		snprintf(remedy, sizeof(remedy),
			 "ip link set %s mtu %u; or set that of %s and restart peerlaned, which "
			 "then "
			 "takes longer buffers",
			 who, max, port->device);
	pl_error_set(&err, 0, remedy,
		     "%s: MTU %u of %s does not fit buffers of %u bytes: what is longer than %u "
		     "will not pass",
		     port->name, mtu, who, router->buf_bytes, max);
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

/* The operator has changed the MTU of the device, or of its cable. */
static void device_mtu_changed(struct router *router, struct router_port *port, unsigned mtu)
{
	struct pl_error err;

	if (mtu > router_mtu_max(router, port)) {
		warn_mtu(router, port, port->interface ? port->interface : port->device, mtu);
		return;
	}
	if (mtu == port->mtu)
		return;
	/* Its own interface has it; a NIC of ours has not. */
	if ((port->pci && pl_port_set_mtu(port->port, mtu, &err)) ||
	    face_set_mtu(port->face, mtu, &err)) {
		log_error(router->log, LOG_LEVEL_WARNING, &err);
		return;
	}
	port->mtu = mtu;
	log_info(router->log, "%s: MTU is now %u, as that of %s", port->name, mtu, port->device);
}

/* Gives the device the TAP's new MTU. */
static void pass_mtu_on(const struct router *router, struct router_port *port, unsigned mtu)
{
	struct pl_error err;

	if (pl_port_set_mtu(port->port, mtu, &err)) {
		log_error(router->log, LOG_LEVEL_WARNING, &err);
		return;
	}
	if (devices_set_wire_mtu(port, mtu, &err))
		log_error(router->log, LOG_LEVEL_WARNING, &err);
	port->mtu = mtu;
	port->device_mtu = mtu;
	log_info(router->log, "%s: MTU is now %u, on %s too", port->name, mtu, port->device);
}

static void face_mtu_changed(void *ctx, unsigned index, unsigned heard)
{
	struct router *router = ctx;
	struct router_port *port = &router->ports[index];
	uint8_t mac[6];
	unsigned mtu;

	(void)heard;
	if (face_query(port->face, mac, &mtu) || mtu == port->mtu)
		return;
	if (mtu > router_mtu_max(router, port)) {
		warn_mtu(router, port, port->name, mtu);
		return;
	}
	if (port->gone || devices_wire_away(port)) {
		port->mtu = mtu;
		port->mtu_waits = true;
		log_info(router->log, "%s: MTU is now %u, and will be that of %s", port->name, mtu,
			 port->device);
		return;
	}
	pass_mtu_on(router, port, mtu);
}

/* ---- MAC ---- */

/* Has the port receive what is sent to the TAP's new MAC. Returns false if it cannot. */
static bool accept_mac(struct router *router, struct router_port *port, const uint8_t mac[6])
{
	struct pl_error err;

	/* Of a device that is away: when it is taken over again. */
	if (!port->gone && pl_port_accept_mac(port->port, mac, &err)) {
		log_error(router->log, LOG_LEVEL_WARNING, &err);
		return false;
	}
	memcpy(port->mac, mac, 6);
	return true;
}

/* The operator has changed the device's MAC from `former`. */
static void device_mac_changed(struct router *router, struct router_port *port,
			       const uint8_t former[6])
{
	const uint8_t *mac = port->device_mac;
	struct pl_error err;

	if (memcmp(port->mac, mac, 6) == 0)
		return;
	if (memcmp(port->mac, former, 6) != 0) {
		log_info(router->log, "%s: MAC of %s is now " MAC_FORMAT "; %s keeps " MAC_FORMAT,
			 port->name, port->device, MAC_BYTES(mac), port->name,
			 MAC_BYTES(port->mac));
		return;
	}
	if (face_set_mac(port->face, mac, &err)) {
		log_error(router->log, LOG_LEVEL_WARNING, &err);
		return;
	}
	if (accept_mac(router, port, mac))
		log_info(router->log, "%s: MAC is now " MAC_FORMAT ", as that of %s", port->name,
			 MAC_BYTES(mac), port->device);
}

static void face_mac_changed(void *ctx, unsigned index, const uint8_t heard[6])
{
	struct router *router = ctx;
	struct router_port *port = &router->ports[index];
	uint8_t mac[6];
	unsigned mtu;

	(void)heard;
	if (face_query(port->face, mac, &mtu) || memcmp(port->mac, mac, 6) == 0)
		return;
	if (accept_mac(router, port, mac))
		log_info(router->log, "%s: MAC is now " MAC_FORMAT, port->name, MAC_BYTES(mac));
}

/* ---- the device ---- */

/* At the start, when nobody has just pulled a plug, a dead link is worth more than a line. */
static void warn_no_link(struct router *router, const struct router_port *port, bool admin_up)
{
	struct pl_error err;
	char remedy[96];

	if (!admin_up)
		snprintf(remedy, sizeof(remedy), "ip link set %s up", port->interface);
	else if (port->interface)
		snprintf(remedy, sizeof(remedy), "see to the cable and the other end: ethtool %s",
			 port->interface);
	else
		snprintf(remedy, sizeof(remedy), "see to the cable and the other end");
	pl_error_set(&err, 0, remedy, "%s: %s %s", port->name, port->device,
		     admin_up ? "has no carrier" : "is down");
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

/* "up, 10000 Mb/s"; how fast a network device of the kernel's is ethtool tells. */
static const char *link_text(const struct router_port *port, char *out, size_t size)
{
	if (port->carrier && port->state.mbps)
		snprintf(out, size, "up, %u Mb/s", port->state.mbps);
	else
		snprintf(out, size, "%s", port->carrier ? "up" : "down");
	return out;
}

/* From now on, once, there is NO_LINK_MS for the link to come up. */
static void expect_link(struct router_port *port)
{
	if (!port->no_link_ms)
		port->no_link_ms = router_now_ms() + NO_LINK_MS;
}

static void carrier_changed(struct router *router, struct router_port *port, bool carrier,
			    bool admin_up)
{
	bool first = !port->heard;
	char text[32];
	int rc;

	if (!first && port->carrier == carrier)
		return;
	port->heard = true;
	port->carrier = carrier;
	rc = face_lost(port->face) ? 0 : face_set_carrier(port->face, carrier);
	if (rc)
		log_warning(router->log, "%s: cannot switch the TAP's carrier %s: %s", port->name,
			    carrier ? "on" : "off", strerror(-rc));
	if (port->gone)
		return;
	if (first && !carrier && admin_up) {
		expect_link(port);
	} else if (first && !carrier) {
		port->no_link_ms = 0;
		warn_no_link(router, port, admin_up);
	} else {
		log_info(router->log, "%s: link of %s is %s", port->name, port->device,
			 link_text(port, text, sizeof(text)));
	}
}

/* Passes on what MTU and MAC the device has now. */
static void compare_device(struct router *router, struct router_port *port,
			   const struct interface *now)
{
	uint8_t former[6];

	if (now->mtu != port->device_mtu) {
		port->device_mtu = now->mtu;
		device_mtu_changed(router, port, now->mtu);
	}
	if (memcmp(now->mac, port->device_mac, 6) != 0) {
		memcpy(former, port->device_mac, 6);
		memcpy(port->device_mac, now->mac, 6);
		device_mac_changed(router, port, former);
	}
}

/* A device that is up and has had no link since the start, whose TAP has been kept from a former run: whether
 * the TAP, and what the kernel has on it, is spared the loss of a carrier that will be back in a moment. */
static bool spare_carrier(struct router_port *port, bool carrier, bool admin_up)
{
	if (port->heard || !port->kept || carrier || !admin_up)
		return false;
	expect_link(port);
	return router_now_ms() < port->no_link_ms;
}

/* Takes over the link of a NIC that is there and in use. */
static void nic_link(struct router *router, struct router_port *port)
{
	unsigned index = (unsigned)(port - router->ports);

	pl_port_state(port->port, &port->state);
	if (port->state.carrier)
		port->no_link_ms = 0;
	if ((port->heard && port->carrier == port->state.carrier) ||
	    spare_carrier(port, port->state.carrier, port->state.present))
		return;
	/* The mirror first: it goes by this, and not by what the kernel says once the TAP has it. */
	mirror_set_carrier(router->mirror, index, port->state.carrier);
	carrier_changed(router, port, port->state.carrier, true);
}

/* Passes on what MTU the cable of an emulated NIC has now. */
static void compare_wire(struct router *router, struct router_port *port)
{
	char name[CONFIG_NAME_SIZE];
	struct interface now;

	if (!devices_wire(port, name) || interface_query(name, &now) || now.mtu == port->device_mtu)
		return;
	port->device_mtu = now.mtu;
	device_mtu_changed(router, port, now.mtu);
}

void follow_device(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];
	struct interface now;

	/* What the operator set meanwhile is newer than what the device brings along. */
	if (port->mtu_waits && !devices_wire_away(port)) {
		port->mtu_waits = false;
		pass_mtu_on(router, port, port->mtu);
	}
	if (port->pci) {
		nic_link(router, port);
		compare_wire(router, port);
		return;
	}
	/* One that was renamed is still the port's, and its former name perhaps another's. */
	if (if_nametoindex(port->device) == port->info.ifindex &&
	    !interface_query(port->device, &now))
		compare_device(router, port, &now);
	if (port->device_carrier)
		port->no_link_ms = 0;
	if (!spare_carrier(port, port->device_carrier, port->device_up))
		carrier_changed(router, port, port->device_carrier, port->device_up);
}

static void device_changed(void *ctx, unsigned index, const struct mirror_device *heard)
{
	struct router *router = ctx;
	struct router_port *port = &router->ports[index];

	port->device_there = heard->present;
	port->device_up = heard->admin_up;
	port->device_carrier = heard->carrier;
	if (!port->gone && (!heard->present || heard->ifindex != port->info.ifindex)) {
		port->gone = true;
		carrier_changed(router, port, false, false);
		reopen_lost(router, index);
	}
	if (port->gone)
		reopen_soon(router, index);
	else
		follow_device(router, index);
}

/* A NIC that no longer answers, as if it had been pulled out: as device_changed(). */
static void nic_gone(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];

	port->gone = true;
	port->device_there = false;
	mirror_set_carrier(router->mirror, index, false);
	carrier_changed(router, port, false, false);
	reopen_lost(router, index);
}

/* Notices that the kernel has a NIC, or wants it: then the port stops and leaves it, if it still answers,
 * and the kernel gets it. It does not come back: a confined daemon opens no device. */
static void follow_loss(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];
	struct pl_error err;
	char remedy[96];

	if (port->lost || !pl_pci_lost(port->pci))
		return;
	port->lost = true;
	port->device_retry = (struct retry){0};
	if (!port->gone)
		nic_gone(router, index);
	pl_pci_release(port->pci);
	snprintf(remedy, sizeof(remedy), "peerlane bind %s, and then restart peerlaned",
		 port->pci->name);
	pl_error_set(&err, 0, remedy,
		     "%s: %s is the kernel's again: unbound, removed, or in an error; the port "
		     "forwards nothing more",
		     port->name, port->device);
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

static void follow_state(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];
	struct pl_port_state now;

	follow_loss(router, index);
	if (port->lost)
		return;
	if (!port->gone)
		follow_device(router, index);
	if (!port->gone && !port->state.present)
		nic_gone(router, index);
	if (!port->gone)
		return;
	pl_port_state(port->port, &now);
	if (now.present == port->device_there)
		return;
	port->device_there = now.present;
	reopen_soon(router, index);
}

/* The time that a device had for its link after the start is over: there is none. */
static void give_link_up(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];

	if (!port->no_link_ms || router_now_ms() < port->no_link_ms || port->gone)
		return;
	/* Netlink has nothing new to tell of the kernel's. */
	if (!port->pci)
		follow_device(router, index);
	port->no_link_ms = 0;
	warn_no_link(router, port, port->pci || port->device_up);
}

void follow_states(struct router *router)
{
	for (unsigned i = 0; i < router->n_ports; i++) {
		if (router->ports[i].pci)
			follow_state(router, i);
		give_link_up(router, i);
	}
}

void follow_run(struct router *router, uint64_t now_ms)
{
	if (now_ms < router->states_ms + LOOK_MS)
		return;
	router->states_ms = now_ms;
	follow_states(router);
}

static void note(void *ctx, const char *text)
{
	struct router *router = ctx;

	log_info(router->log, "kernel: %s", text);
}

struct mirror_events follow_events(struct router *router)
{
	return (struct mirror_events){
		.device_changed = device_changed,
		.face_mac_changed = face_mac_changed,
		.face_mtu_changed = face_mtu_changed,
		.note = note,
		.ctx = router,
	};
}
