/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that are NICs of our own drivers (lib/nic): words of peerlane/port.h to words of peerlane/nic.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <peerlane/nic.h>

#include "private.h"

/* Buffers that drivers can receive into; jumbo frames need the last. */
#define BUF_SIZES (2048u | 4096u | 16384u)

struct nic_port {
	struct pl_port port;
	struct pl_pci *pci;
	struct pl_nic *nic;
	struct pl_nic_caps caps;
	unsigned n_queues;
	unsigned ring_size;
	bool left; /* nic_leave() was there, and nic_retake() not yet */
};

static struct nic_port *nic_port_of(struct pl_port *port)
{
	return (struct nic_port *)port;
}

static int open_nic(struct pl_nic **nic, const struct pl_port_config *config,
		    struct pl_nic_caps *caps, struct pl_error *err)
{
	const struct pl_nic_config nic_config = {
		.name = config->name,
		.n_queues = config->n_queues,
		.ring_size = config->ring_size,
		.mtu = config->mtu,
		.moderation_us = config->moderation_us,
		.flow_control = config->flow_control,
	};
	int rc = pl_nic_open(nic, config->pci, &nic_config, err);

	if (!rc)
		pl_nic_caps(*nic, caps);
	return rc;
}

static int nic_probe(const struct pl_port_config *config, struct pl_port_caps *caps,
		     struct pl_error *err)
{
	struct pl_nic_caps nic_caps;
	struct pl_nic *nic;
	int rc = open_nic(&nic, config, &nic_caps, err);

	if (rc)
		return rc;
	pl_nic_close(nic);
	memcpy(caps->mac, nic_caps.mac, sizeof(caps->mac));
	caps->mtu = config->mtu;
	caps->mtu_max = nic_caps.mtu_max;
	caps->buf_sizes = BUF_SIZES;
	caps->max_queues = nic_caps.max_queues;
	caps->zero_copy = true;
	caps->model = nic_caps.model;
	caps->backend = config->pci->ops->backend;
	return 0;
}

static int nic_open(struct pl_port **result, const struct pl_port_config *config,
		    struct pl_error *err)
{
	struct nic_port *port = calloc(1, sizeof(*port));
	int rc;

	if (!port)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", config->name);
	rc = open_nic(&port->nic, config, &port->caps, err);
	if (rc) {
		free(port);
		return rc;
	}
	port->port.ops = &nic_port_ops;
	port->pci = config->pci;
	port->n_queues = config->n_queues;
	port->ring_size = config->ring_size;
	*result = &port->port;
	return 0;
}

static int nic_queue_open(struct pl_port *port, unsigned index, struct pl_pool *pool,
			  struct pl_queue **queue, struct pl_error *err)
{
	return pl_nic_queue_open(nic_port_of(port)->nic, index, pool, queue, err);
}

static int nic_start(struct pl_port *port, struct pl_error *err)
{
	return pl_nic_start(nic_port_of(port)->nic, err);
}

static int nic_accept_mac(struct pl_port *port, const uint8_t mac[6], struct pl_error *err)
{
	return pl_nic_set_mac(nic_port_of(port)->nic, mac, err);
}

static int nic_set_mtu(struct pl_port *port, unsigned mtu, struct pl_error *err)
{
	return pl_nic_set_mtu(nic_port_of(port)->nic, mtu, err);
}

static void nic_info(const struct pl_port *base, struct pl_port_info *info)
{
	const struct nic_port *port = (const struct nic_port *)base;

	info->kind = "nic";
	info->driver = port->caps.driver;
	info->model = port->caps.model;
	info->backend = port->pci->ops->backend;
	info->n_queues = port->n_queues;
	info->ring_size = port->ring_size;
}

static int nic_event_fd(const struct pl_port *port)
{
	return pl_nic_event_fd(((const struct nic_port *)port)->nic);
}

static void nic_state(struct pl_port *base, struct pl_port_state *state)
{
	struct nic_port *port = nic_port_of(base);
	struct pl_nic_link link = {0};
	bool works = pl_nic_link(port->nic, &link) == 0;

	/* One that is back does not work before it has been started anew. */
	state->present = works || (port->left && pl_nic_answers(port->nic));
	state->carrier = works && link.up;
	state->mbps = state->carrier ? link.mbps : 0;
	state->media = works ? link.media : NULL;
}

static unsigned nic_counters(struct pl_port *port, struct pl_nic_counter *counters)
{
	return pl_nic_counters(nic_port_of(port)->nic, counters);
}

static void nic_leave(struct pl_port *base)
{
	struct nic_port *port = nic_port_of(base);

	port->left = true;
	pl_nic_stop(port->nic);
}

static int nic_retake(struct pl_port *base, struct pl_error *err)
{
	struct nic_port *port = nic_port_of(base);
	int rc = pl_nic_start(port->nic, err);

	port->left = rc != 0;
	return rc;
}

/* Once stopped a NIC has no memory of ours: there is nothing to wait for. */
static void nic_let_go(struct pl_port *port, struct closing *closing)
{
	(void)closing;
	pl_nic_stop(nic_port_of(port)->nic);
}

static void nic_free(struct pl_port *port)
{
	pl_nic_close(nic_port_of(port)->nic);
	free(port);
}

const struct pl_port_ops nic_port_ops = {
	.probe = nic_probe,
	.open = nic_open,
	.queue_open = nic_queue_open,
	.start = nic_start,
	.accept_mac = nic_accept_mac,
	.set_mtu = nic_set_mtu,
	.info = nic_info,
	.event_fd = nic_event_fd,
	.state = nic_state,
	.counters = nic_counters,
	.leave = nic_leave,
	.retake = nic_retake,
	.let_go = nic_let_go,
	.free = nic_free,
};
