/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>

#include <peerlane/nic.h>

#include "../kernel/interface.h"
#include <emu/emu.h>

/* Illegal uses of emulated devices, and troubles with their cables, that are worth a line each. Uses are all
 * counted (`show ports`). */
#define REPORTS_MAX 20u

/* Of a port whose wire has none, unless MTU= is given. */
#define MTU_SHARED 1500u

/* Opens the device of a port that is one on the PCI bus. Returns 0, or -errno with `err` filled. */
static int open_pci(const struct config_port *port, struct pl_pci **pci, struct pl_error *err)
{
	struct pl_error plain;
	int rc = pl_pci_open(pci, strchr(port->device, ':') + 1, port->backend, &plain);

	return rc ? pl_error_set(err, rc, plain.remedy, "%s: %s", port->name, plain.what) : 0;
}

/* ---- emulated ones ---- */

static bool is_emulated(const struct config_port *port)
{
	return port->kind == CONFIG_EMU;
}

/* Any thread that touches a device. */
static void on_report(void *ctx, const char *nic, const char *what)
{
	struct router *router = ctx;
	/* Relaxed: only a number. */
	unsigned before = atomic_fetch_add_explicit(&router->reports, 1, memory_order_relaxed);

	if (before < REPORTS_MAX)
		log_warning(router->log, "emulated 82599 %s: %s%s", nic, what,
			    before + 1 == REPORTS_MAX ? " (what comes is only counted)" : "");
}

static const char *nic_name(const struct config_port *port)
{
	return strchr(port->device, ':') + 1;
}

/* What an emulated NIC's wire is like: its interface, or memory that carries whatever a NIC sends. */
static int probe_wire(const struct config_port *port, struct pl_port_caps *caps,
		      struct pl_error *err)
{
	const struct pl_port_config asked = {.name = port->name, .device = port->interface};
	int rc;

	if (port->wire[0]) {
		*caps = (struct pl_port_caps){.mtu = MTU_SHARED, .mtu_max = UINT_MAX};
		emu_wire_shared_mac(port->wire, caps->mac);
		return 0;
	}
	rc = pl_port_probe(&asked, caps, err);
	/* It will be zero-copy if it can. */
	if (!rc && caps->zero_copy)
		caps->mtu_max = pl_port_afxdp_mtu_max(4096, true);
	return rc;
}

static bool same_folder(const char *a, const char *b)
{
	const char *end_a = strrchr(a, '/'), *end_b = strrchr(b, '/');

	return end_a && end_b && end_a - a == end_b - b && !memcmp(a, b, (size_t)(end_a - a));
}

/* Whether the port could have its shared wire. A folder that is not there is made with the control socket. */
static int check_wire(const struct config *config, const struct config_port *port,
		      struct pl_error *err)
{
	int rc = emu_wire_shared_check(port->wire, err);

	return rc == -ENOENT && same_folder(port->wire, config->control_socket) ? 0 : rc;
}

/* Asks a NIC that has no cable. */
static int probe_emulated(const struct config_port *port, const struct pl_port_config *asked,
			  struct pl_port_caps *caps, struct pl_error *err)
{
	struct emu_nic_config nic = {.name = nic_name(port), .model = EMU_82599};
	struct pl_port_config config = *asked;
	struct pl_port_caps wire;
	struct emu *emu;
	int rc = probe_wire(port, &wire, err);

	if (rc)
		return rc;
	memcpy(nic.mac, wire.mac, sizeof(nic.mac));
	config.mtu = port->mtu ? port->mtu : wire.mtu;
	emu = emu_new(NULL, NULL);
	if (!emu)
		return pl_error_set(err, -errno, NULL, "%s: %s", port->name, strerror(errno));
	rc = emu_add(emu, &nic, &config.pci, err);
	if (!rc) {
		rc = pl_port_probe(&config, caps, err);
		pl_pci_close(config.pci);
	}
	emu_free(emu);
	/* What the wire cannot carry is of no use. */
	if (!rc && wire.mtu_max < caps->mtu_max)
		caps->mtu_max = wire.mtu_max;
	return rc;
}

/* Puts in front of an error, which is about an interface or a file, whose port these are for. */
static int of_port(const struct config_port *port, int rc, struct pl_error *err)
{
	struct pl_error plain = *err;

	return pl_error_set(err, rc, plain.remedy, "%s: %s: %s", port->name, port->device,
			    plain.what);
}

static int open_wire(const struct config_port *port, struct emu_nic_config *nic,
		     struct pl_error *err)
{
	int rc = 0;

	if (port->mtu && port->interface[0])
		rc = interface_set_mtu(port->interface, port->mtu, err);
	if (!rc && port->wire[0])
		rc = emu_wire_shared(port->wire, &nic->wire, nic->mac, err);
	else if (!rc)
		rc = emu_wire_netdev(port->interface, &nic->wire, nic->mac, err);
	if (!rc && port->capture[0])
		rc = emu_wire_capture(nic->wire, port->capture, &nic->wire, err);
	return rc;
}

static int open_emulated(struct router *router, unsigned index, struct pl_error *err)
{
	const struct config_port *port = &router->config->ports[index];
	struct emu_nic_config nic = {.name = nic_name(port), .model = EMU_82599};
	int rc;

	if (!router->emu) {
		router->emu = emu_new(on_report, router);
		if (!router->emu)
			return pl_error_set(err, -errno, NULL, "%s: %s", port->name,
					    strerror(errno));
	}
	rc = open_wire(port, &nic, err);
	if (!rc)
		rc = emu_add(router->emu, &nic, &router->ports[index].pci, err);
	router->ports[index].emulated = !rc;
	return rc ? of_port(port, rc, err) : 0;
}

/* ---- all of them ---- */

int devices_probe(const struct config *config, const struct config_port *port,
		  const struct pl_port_config *asked, struct pl_port_caps *caps,
		  struct pl_error *err)
{
	struct pl_port_config nic = *asked;
	int rc = port->wire[0] ? check_wire(config, port, err) : 0;

	if (rc)
		return rc;
	if (is_emulated(port))
		return probe_emulated(port, asked, caps, err);
	rc = open_pci(port, &nic.pci, err);
	if (rc)
		return rc;
	rc = pl_port_probe(&nic, caps, err);
	pl_pci_close(nic.pci);
	return rc;
}

/* Puts in front of an error where the operator asked for the port, and behind its remedy the one that is always
 * there. */
static int not_reached(const struct config_port *port, int rc, struct pl_error *err)
{
	struct pl_error plain = *err;
	char remedy[sizeof(plain.remedy) + 32];

	snprintf(remedy, sizeof(remedy), "%s%sMode=nic-cpu-gpu", plain.remedy,
		 plain.remedy[0] ? ", or " : "use ");
	return pl_error_set(err, rc, remedy, "%.100s: Mode=nic-gpu: %s", port->device_at,
			    plain.what);
}

int devices_try_memory(const struct config_port *port, const struct pl_remote *remote,
		       struct pl_error *err)
{
	struct emu_nic_config nic = {.name = nic_name(port), .model = EMU_82599};
	struct emu *emu = is_emulated(port) ? emu_new(NULL, NULL) : NULL;
	struct pl_pci *pci = NULL;
	struct pl_dma dma = {0};
	int rc;

	if (!is_emulated(port))
		rc = open_pci(port, &pci, err);
	else if (!emu)
		rc = pl_error_set(err, -errno, NULL, "%s: %s", port->name, strerror(errno));
	else
		rc = emu_add(emu, &nic, &pci, err);
	if (rc)
		goto free;
	rc = pl_pci_dma_import(pci, remote, &dma, err);
	if (rc)
		not_reached(port, rc, err);
	else
		pl_pci_dma_unmap(pci, &dma);
	pl_pci_close(pci);
free:
	if (emu)
		emu_free(emu);
	return rc;
}

int devices_open(struct router *router, struct pl_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < router->config->n_ports && !rc; i++) {
		const struct config_port *port = &router->config->ports[i];

		if (port->kind == CONFIG_PCI)
			rc = open_pci(port, &router->ports[i].pci, err);
		else if (is_emulated(port))
			rc = open_emulated(router, i, err);
	}
	return rc;
}

int devices_start(struct router *router, struct pl_error *err)
{
	/* On any core that the planes leave free. */
	return router->emu ? emu_start(router->emu, -1, err) : 0;
}

static bool has_wire(const struct router_port *port)
{
	/* The only ones of these whose packets pass a network interface. */
	return port->pci && port->interface;
}

bool devices_wire(struct router_port *port, char name[CONFIG_NAME_SIZE])
{
	if (!has_wire(port))
		return false;
	if (port->wire_ifindex && if_indextoname(port->wire_ifindex, name))
		return true;
	port->wire_ifindex = if_nametoindex(port->interface);
	strcpy(name, port->interface);
	return port->wire_ifindex;
}

int devices_set_wire_mtu(struct router_port *port, unsigned mtu, struct pl_error *err)
{
	char name[CONFIG_NAME_SIZE];

	if (!has_wire(port))
		return 0;
	return interface_set_mtu(devices_wire(port, name) ? name : port->interface, mtu, err);
}

bool devices_wire_away(struct router_port *port)
{
	char name[CONFIG_NAME_SIZE];

	return has_wire(port) && !devices_wire(port, name);
}

bool devices_emu_stats(const struct router_port *port, struct emu_stats *stats)
{
	if (!port->emulated)
		return false;
	emu_stats(port->pci, stats);
	return true;
}

void devices_close(struct router *router)
{
	if (router->emu)
		emu_stop(router->emu);
	for (unsigned i = 0; i < router->n_ports; i++) {
		pl_pci_close(router->ports[i].pci);
		router->ports[i].pci = NULL;
	}
	if (router->emu)
		emu_free(router->emu);
	router->emu = NULL;
}
