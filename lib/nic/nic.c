/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a NIC, whoever drives it: open, queues, start, stop, close. Knows no registers. */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <peerlane/error.h>

/* RFC 791: every IPv4 link takes that much. */
#define MTU_MIN 68u

static const struct nic_driver *const drivers[] = {&igb_driver, &ixgbe_driver};

static const struct nic_driver *driver_of(const struct nic_id *id)
{
	for (size_t i = 0; id && i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(drivers[i]->name, id->driver))
			return drivers[i];
	return NULL;
}

/* ---- what is asked for, and what can be done ---- */

static int check_config(const struct pl_nic *nic, struct pl_error *err)
{
	const struct pl_nic_config *config = &nic->config;
	unsigned size = config->ring_size;

	if (size < PL_NIC_RING_MIN || size > PL_NIC_RING_MAX || size & (size - 1))
		return pl_error_set(err, -EINVAL, "use a power of two from 64 to 4096",
				    "%s: rings cannot have %u descriptors", nic->name, size);
	if (config->moderation_us > PL_NIC_MODERATION_MAX_US)
		return pl_error_set(err, -EINVAL, "use 0 to 1000",
				    "%s: interrupts cannot be %u microseconds apart", nic->name,
				    config->moderation_us);
	if (config->n_queues < 1 || config->n_queues > nic->caps.max_queues)
		return pl_error_set(err, -EINVAL, "use fewer planes",
				    "%s: %s (%s) has no %u queues: it has %u", nic->name,
				    nic->caps.model, nic->pci->name, config->n_queues,
				    nic->caps.max_queues);
	return 0;
}

static int check_mtu(const struct pl_nic *nic, unsigned mtu, struct pl_error *err)
{
	if (mtu < MTU_MIN || mtu > nic->caps.mtu_max)
		return pl_error_set(err, -EMSGSIZE, NULL,
				    "%s: %s (%s) cannot have an MTU of %u: %u to %u", nic->name,
				    nic->caps.model, nic->pci->name, mtu, MTU_MIN,
				    nic->caps.mtu_max);
	for (unsigned i = 0; i < nic->config.n_queues; i++) {
		const struct pl_pool *pool;

		if (!nic->queues[i])
			continue;
		pool = nic_queue_base(nic->queues[i])->pool;
		if (mtu + PL_NIC_FRAME_OVERHEAD > nic_frame_room(pool))
			return pl_error_set(err, -EMSGSIZE, "restart with that MTU configured",
					    "%s: an MTU of %u does not fit buffers of %u bytes",
					    nic->name, mtu, pool->buf_bytes);
	}
	return 0;
}

/* ---- open and close ---- */

static int make_rings(struct pl_nic *nic, struct pl_error *err)
{
	int rc = pl_region_alloc(&nic->rings, nic_rings_bytes(nic), err);

	if (rc)
		return rc;
	return pl_pci_dma_map(nic->pci, nic->rings.base, nic->rings.len_bytes,
			      nic->rings.page_bytes, &nic->rings_dma, err);
}

static int make_event(struct pl_nic *nic, struct pl_error *err)
{
	nic->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nic->event_fd < 0)
		return pl_error_set(err, -errno, "raise LimitNOFILE= (ulimit -n)",
				    "%s: cannot make an event descriptor: %s", nic->name,
				    strerror(errno));
	return pl_pci_irq(nic->pci, NIC_OTHER_VECTOR(nic), nic->event_fd, err);
}

/* Undoes whatever part of pl_nic_open() was done. The device does no DMA. */
static void nic_free(struct pl_nic *nic)
{
	struct pl_error ignored;

	if (nic->event_fd >= 0) {
		(void)pl_pci_irq(nic->pci, NIC_OTHER_VECTOR(nic), -1, &ignored);
		close(nic->event_fd);
	}
	pl_pci_dma_unmap(nic->pci, &nic->rings_dma);
	pl_region_free(&nic->rings);
	free(nic->state);
	free(nic);
}

int pl_nic_open(struct pl_nic **result, struct pl_pci *pci, const struct pl_nic_config *config,
		struct pl_error *err)
{
	const struct nic_id *id = nic_id_find(pci->vendor, pci->device);
	struct pl_nic *nic;
	int rc;

	*result = NULL;
	if (!driver_of(id))
		return pl_error_set(err, -ENODEV, "`peerlane devices` lists what can be driven",
				    "%s: %s is a device (%04x:%04x) that we have no driver for",
				    config->name, pci->name, pci->vendor, pci->device);
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", config->name);
	nic->pci = pci;
	nic->driver = driver_of(id);
	nic->config = *config;
	snprintf(nic->name, sizeof(nic->name), "%s", config->name);
	nic->config.name = nic->name;
	nic->caps.driver = nic->driver->name;
	nic->caps.model = id->model;
	nic->event_fd = -1;

	rc = nic->driver->reset(nic, err);
	if (!rc)
		rc = check_config(nic, err);
	if (!rc)
		rc = check_mtu(nic, config->mtu, err);
	if (!rc)
		rc = make_rings(nic, err);
	if (!rc)
		rc = make_event(nic, err);
	if (rc) {
		nic_free(nic);
		return rc;
	}
	memcpy(nic->mac, nic->caps.mac, sizeof(nic->mac));
	nic->fresh = true;
	*result = nic;
	return 0;
}

void pl_nic_close(struct pl_nic *nic)
{
	struct pl_error ignored;

	if (!nic)
		return;
	pl_nic_stop(nic);
	for (unsigned i = 0; i < nic->config.n_queues; i++)
		if (nic->queues[i])
			pl_queue_close(nic_queue_base(nic->queues[i]));
	/* So that whoever drives it next finds it as the EEPROM sets it up. */
	if (!nic->fresh && !nic_is_gone(nic))
		(void)nic->driver->reset(nic, &ignored);
	nic_free(nic);
}

void pl_nic_caps(const struct pl_nic *nic, struct pl_nic_caps *caps)
{
	*caps = nic->caps;
}

int pl_nic_queue_open(struct pl_nic *nic, unsigned index, struct pl_pool *pool,
		      struct pl_queue **queue, struct pl_error *err)
{
	struct nic_queue *q;
	int rc;

	*queue = NULL;
	if (index >= nic->config.n_queues || nic->queues[index] || nic->started)
		return pl_error_set(err, -EINVAL, NULL, "%s: queue %u cannot be opened", nic->name,
				    index);
	rc = nic_queue_new(nic, index, pool, &q, err);
	if (rc)
		return rc;
	rc = check_mtu(nic, nic->config.mtu, err);
	if (rc) {
		nic_queue_base(q)->ops->close(nic_queue_base(q));
		return rc;
	}
	*queue = nic_queue_base(q);
	return 0;
}

/* ---- start and stop ---- */

/* Ends all DMA, whatever state the device is in: what its own registers do not bring about, the bus
 * does. */
static void quiesce(struct pl_nic *nic)
{
	struct pl_error ignored;

	nic->started = false;
	if (!nic_is_gone(nic))
		nic->driver->stop(nic);
	(void)pl_pci_bus_master(nic->pci, false, &ignored);
}

static int begin(struct pl_nic *nic, struct pl_error *err)
{
	int rc;

	for (unsigned i = 0; i < nic->config.n_queues; i++)
		nic_queue_prepare(nic->queues[i]);
	rc = pl_pci_bus_master(nic->pci, true, err);
	if (!rc)
		rc = nic->driver->start(nic, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < nic->config.n_queues; i++)
		nic_queue_fill(nic->queues[i]);
	return nic->driver->receive ? nic->driver->receive(nic, err) : 0;
}

int pl_nic_start(struct pl_nic *nic, struct pl_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < nic->config.n_queues; i++)
		if (!nic->queues[i])
			return pl_error_set(err, -EINVAL, NULL, "%s: queue %u is not open",
					    nic->name, i);
	pl_nic_stop(nic);
	if (!nic->fresh)
		rc = nic->driver->reset(nic, err);
	if (rc)
		return rc;
	nic->fresh = false;
	rc = begin(nic, err);
	if (rc)
		quiesce(nic);
	else
		nic->started = true;
	return rc;
}

void pl_nic_stop(struct pl_nic *nic)
{
	if (!nic->started)
		return;
	if (!nic_is_gone(nic))
		nic_count(nic); /* the next start clears what it has counted */
	quiesce(nic);
}

/* ---- while it runs ---- */

int pl_nic_event_fd(const struct pl_nic *nic)
{
	return nic->event_fd;
}

int pl_nic_link(struct pl_nic *nic, struct pl_nic_link *link)
{
	uint64_t events;

	*link = (struct pl_nic_link){.media = "unknown"};
	/* Before the state is read: what changes later is announced again. */
	if (read(nic->event_fd, &events, sizeof(events)) < 0 && errno != EAGAIN)
		return -errno;
	if (nic_is_gone(nic))
		return -ENODEV;
	if (!nic->started)
		return 0;
	if (nic_is_reset(nic))
		return -ENODEV;
	nic_count(nic); /* before what sticks at its end does */
	nic->driver->link(nic, link);
	if (!nic_is_gone(nic))
		return 0;
	*link = (struct pl_nic_link){.media = "unknown"}; /* bits of all ones */
	return -ENODEV;
}

/* What is not running, or is gone, gets it when it is started. */
static bool is_running(struct pl_nic *nic)
{
	return nic->started && !nic_is_gone(nic);
}

int pl_nic_set_mac(struct pl_nic *nic, const uint8_t mac[6], struct pl_error *err)
{
	static const uint8_t none[6];

	if (mac[0] & 1 || !memcmp(mac, none, 6))
		return pl_error_set(err, -EINVAL, NULL,
				    "%s: %02x:%02x:%02x:%02x:%02x:%02x is not %s", nic->name,
				    mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
				    "the address of a port");
	memcpy(nic->mac, mac, sizeof(nic->mac));
	if (is_running(nic))
		nic->driver->set_mac(nic);
	return 0;
}

int pl_nic_set_promiscuous(struct pl_nic *nic, bool on, struct pl_error *err)
{
	(void)err; /* there is none that cannot */
	nic->promiscuous = on;
	if (is_running(nic))
		nic->driver->set_mac(nic);
	return 0;
}

int pl_nic_set_mtu(struct pl_nic *nic, unsigned mtu, struct pl_error *err)
{
	int rc = check_mtu(nic, mtu, err);

	if (rc)
		return rc;
	nic->config.mtu = mtu;
	if (is_running(nic))
		nic->driver->set_mtu(nic);
	return 0;
}

unsigned pl_nic_counters(struct pl_nic *nic, struct pl_nic_counter *counters)
{
	const struct nic_driver *driver = nic->driver;

	if (is_running(nic))
		nic_count(nic);
	for (unsigned i = 0; i < driver->n_counters; i++)
		counters[i] = (struct pl_nic_counter){driver->counter_registers[i].name,
						      driver->counter_registers[i].text,
						      nic->counters[i]};
	return driver->n_counters;
}
