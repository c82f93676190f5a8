/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel NICs driven from user space: ixgbe (82599, X520, X540, X550), igb (82576, i350, i210).
 *
 * The way of a NIC: pl_nic_open(), pl_nic_queue_open() for each queue, pl_nic_start(); then its
 * queues are the planes' (peerlane/port.h); pl_nic_stop(), the queues closed, pl_nic_close().
 * Control thread, unless said otherwise. */
#ifndef PEERLANE_NIC_H
#define PEERLANE_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>
#include <peerlane/memory.h>
#include <peerlane/pci.h>
#include <peerlane/port.h>

#define PL_NIC_QUEUES_MAX 16u
#define PL_NIC_RING_MIN 64u
#define PL_NIC_RING_MAX 4096u
#define PL_NIC_MODERATION_MAX_US 1000u

/* Bytes of a frame beyond the MTU that buffers must hold: Ethernet header and two VLAN tags. */
#define PL_NIC_FRAME_OVERHEAD 22u

struct pl_nic;

/* The model's name ("82599ES") if a driver of ours knows the device, else NULL. */
const char *pl_nic_model(uint16_t vendor, uint16_t device);

struct pl_nic_config {
	const char *name;   /* of the port, for messages */
	unsigned n_queues;  /* one RX and one TX queue per plane, 1 to caps.max_queues */
	unsigned ring_size; /* descriptors, a power of two, PL_NIC_RING_MIN to _MAX */
	unsigned mtu;
	unsigned
		moderation_us; /* least time between two interrupts of a queue; 0: none; to _MAX_US */
	bool flow_control;     /* send and obey pause frames */
};

struct pl_nic_caps {
	const char *driver; /* "ixgbe" */
	const char *model;
	uint8_t mac[6]; /* the permanent one */
	unsigned max_queues;
	unsigned mtu_max;    /* whatever the buffers */
	unsigned speed_mbps; /* the most it can do */
};

struct pl_nic_link {
	bool up;
	unsigned mbps;
	const char *media; /* "10GBASE-SR", ...; what there is to know of it */
};

/* A counter of the device, as accumulated since pl_nic_open(). */
struct pl_nic_counter {
	const char *name; /* "rx_crc_errors" */
	const char *text; /* what it counts */
	uint64_t value;
};
#define PL_NIC_COUNTERS_MAX 48u

/* Resets the device and reads what it is. `pci` stays the caller's and must outlive the NIC; it
 * must not be bus master. Returns 0 and the NIC, or -errno with `err` filled and the device
 * reset again (-ENODEV: it is gone, or not one we know; -ETIMEDOUT: a step was not completed,
 * which the message names; -EBUSY: its firmware keeps what both share; -EIO: its EEPROM is bad;
 * -EINVAL: config; -EMSGSIZE: it can have no such MTU; as pl_pci_dma_map() and pl_pci_irq()). */
int pl_nic_open(struct pl_nic **nic, struct pl_pci *pci, const struct pl_nic_config *config,
		struct pl_error *err);

void pl_nic_caps(const struct pl_nic *nic, struct pl_nic_caps *caps);

/* Makes queue `index` on `pool`. Before pl_nic_start(). The queue's event_fd is signalled by its
 * MSI-X vector once armed. Returns 0 and the queue, or -errno with `err` filled (-EMSGSIZE:
 * buffers too small for the MTU, or straddling pages that are not contiguous for the device; as
 * pl_pci_dma_import(): its first part is out of reach). */
int pl_nic_queue_open(struct pl_nic *nic, unsigned index, struct pl_pool *pool,
		      struct pl_queue **queue, struct pl_error *err);

/* Sets everything up, in the datasheet's order, and has the queues receive and transmit. All queues
 * are open, and no plane touches them, unless it has left them (pl_queue_leave()): then they get
 * buffers by pl_queue_resume(). Also after a pl_nic_stop(), or a surprise removal, to begin anew.
 * Returns 0, or -errno with `err` filled as pl_nic_open(), and DMA stopped. */
int pl_nic_start(struct pl_nic *nic, struct pl_error *err);

/* Ends all DMA: when it returns the device reads and writes no memory any more (bus mastering is
 * off at the latest then). Planes may go on calling the queues' functions, to no effect. */
void pl_nic_stop(struct pl_nic *nic);

/* A descriptor that is readable when link state may have changed, or the device needs a look for
 * another reason: then call pl_nic_link(). Removal is not announced, and counters do not say
 * when they are full: call it about once a second, too. */
int pl_nic_event_fd(const struct pl_nic *nic);

/* Link state now. Also accumulates the counters: those of bytes stay at their end once they have
 * reached it, after 55 s at 10 Gb/s. Returns 0, or -ENODEV when the device is gone: its
 * registers read as all ones, or did so since it was started, and are reset. */
int pl_nic_link(struct pl_nic *nic, struct pl_nic_link *link);

/* Whether the device's registers answer now. One that was gone is of use again after
 * pl_nic_start(). */
bool pl_nic_answers(struct pl_nic *nic);

/* Frames for `mac`, broadcasts and all multicasts are received, beside nothing else. Holds over
 * pl_nic_start(). Returns 0, or -EINVAL with `err` filled: it is nobody's address, or a multicast one. */
int pl_nic_set_mac(struct pl_nic *nic, const uint8_t mac[6], struct pl_error *err);

/* All frames are received, whoever they are for; or no more. Holds over pl_nic_start(). Returns 0: all
 * devices can. */
int pl_nic_set_promiscuous(struct pl_nic *nic, bool on, struct pl_error *err);

/* Returns 0 or -EMSGSIZE with `err` filled: the queues' buffers are too small, or the device
 * can't. */
int pl_nic_set_mtu(struct pl_nic *nic, unsigned mtu, struct pl_error *err);

/* All counters; reading clears them in the device, so they are accumulated here. Returns how
 * many. */
unsigned pl_nic_counters(struct pl_nic *nic, struct pl_nic_counter *counters);

/* Stops it, if that was not done, closes the queues that are open, whose planes have stopped,
 * resets it and frees it. Accepts NULL. */
void pl_nic_close(struct pl_nic *nic);

#endif
