/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "private.h"

static const struct pl_port_ops *ops_of(const struct pl_port_config *config)
{
	return config->pci ? &nic_port_ops : &afxdp_port_ops;
}

static bool ring_size_valid(unsigned size)
{
	return size >= 64 && size <= 4096 && (size & (size - 1)) == 0;
}

int pl_port_probe(const struct pl_port_config *config, struct pl_port_caps *caps,
		  struct pl_error *err)
{
	*caps = (struct pl_port_caps){0};
	return ops_of(config)->probe(config, caps, err);
}

int pl_port_open(struct pl_port **port, const struct pl_port_config *config, struct pl_error *err)
{
	*port = NULL;
	if (!ring_size_valid(config->ring_size))
		return pl_error_set(err, -EINVAL, "use a power of two from 64 to 4096",
				    "%s: rings of %u descriptors are not possible", config->name,
				    config->ring_size);
	return ops_of(config)->open(port, config, err);
}

int pl_port_queue_open(struct pl_port *port, unsigned index, struct pl_pool *pool,
		       struct pl_queue **queue, struct pl_error *err)
{
	*queue = NULL;
	return port->ops->queue_open(port, index, pool, queue, err);
}

int pl_port_start(struct pl_port *port, struct pl_error *err)
{
	return port->ops->start ? port->ops->start(port, err) : 0;
}

int pl_port_accept_mac(struct pl_port *port, const uint8_t mac[6], struct pl_error *err)
{
	return port->ops->accept_mac(port, mac, err);
}

int pl_port_set_mtu(struct pl_port *port, unsigned mtu, struct pl_error *err)
{
	return port->ops->set_mtu(port, mtu, err);
}

void pl_port_info(const struct pl_port *port, struct pl_port_info *info)
{
	*info = (struct pl_port_info){0};
	port->ops->info(port, info);
}

int pl_port_event_fd(const struct pl_port *port)
{
	return port->ops->event_fd ? port->ops->event_fd(port) : -1;
}

void pl_port_state(struct pl_port *port, struct pl_port_state *state)
{
	*state = (struct pl_port_state){0};
	port->ops->state(port, state);
}

unsigned pl_port_counters(struct pl_port *port, struct pl_nic_counter *counters)
{
	return port->ops->counters ? port->ops->counters(port, counters) : 0;
}

uint64_t pl_port_rx_lost(struct pl_port *port)
{
	return port->ops->rx_lost ? port->ops->rx_lost(port) : 0;
}

void pl_port_leave(struct pl_port *port)
{
	port->ops->leave(port);
}

int pl_port_return(struct pl_port *port, struct pl_error *err)
{
	return port->ops->retake(port, err);
}

/* First no device of any kind has memory of ours any more, then each gives its queues back. */
void pl_ports_close(struct pl_port *const *ports, unsigned n)
{
	struct closing closing = {0};

	for (unsigned i = 0; i < n; i++)
		if (ports[i])
			ports[i]->ops->let_go(ports[i], &closing);
	closing_run(&closing);
	for (unsigned i = 0; i < n; i++)
		if (ports[i])
			ports[i]->ops->free(ports[i]);
}
