/* SPDX-License-Identifier: BSD-2-Clause */
/* What the drivers (ixgbe, igb), the rings and nic.c share.
 *
 * nic.c knows no registers; a driver knows registers and no buffers; ring.c knows descriptors and
 * buffers, and of registers the tails and those that arm interrupts. */
#ifndef PEERLANE_NIC_PRIVATE_H
#define PEERLANE_NIC_PRIVATE_H

#include <peerlane/nic.h>
#include <peerlane/stat.h>

struct nic_queue;

/* A driver. Functions that return int return 0 or -errno with `err` filled. Control thread. */
struct nic_driver {
	const char *name; /* "ixgbe" */

	/* Resets the device and reads its identity: fills nic->caps. DMA is off afterwards. */
	int (*reset)(struct pl_nic *nic, struct pl_error *err);

	/* All of the bring-up that comes after reset: MAC filters, RSS, packet buffers, interrupts,
	 * each queue of nic->queues (its rings are prepared: nic_queue_prepare()) enabled with its
	 * acknowledgement awaited, transmit on. Bus mastering is on already. Tails of RX rings are left
	 * to ring.c. */
	int (*start)(struct pl_nic *nic, struct pl_error *err);

	/* Turns reception on, once the RX rings have buffers. NULL: start() has done so. */
	int (*receive)(struct pl_nic *nic, struct pl_error *err);

	/* Quiesces: no DMA once it returns, or it gives up waiting; never fails. */
	void (*stop)(struct pl_nic *nic);

	void (*link)(struct pl_nic *nic, struct pl_nic_link *link);
	/* What is received: nic->mac, nic->promiscuous. By itself, or as part of start(). */
	void (*set_mac)(struct pl_nic *nic);
	void (*set_mtu)(struct pl_nic *nic); /* nic->config.mtu; likewise */

	/* What the device counts (stats.c). */
	const struct nic_counter_register *counter_registers;
	unsigned n_counters;
	uint32_t missed; /* the one of packets lost for want of room in the device */
	/* Reads, and clears, how many were lost for want of a descriptor in queue `queue`. */
	uint32_t (*dropped)(struct pl_nic *nic, unsigned queue);

	/* The bit of a receive descriptor's status that says that the frame is damaged. */
	uint32_t rx_damaged;

	/* Offsets of registers that planes use. */
	uint32_t (*rx_tail)(unsigned queue);
	uint32_t (*tx_tail)(unsigned queue);
	/* Lets vector `vector` interrupt for what comes from now on; whatever has come since the cause
	 * was last cleared counts. Its own plane. */
	void (*arm)(struct pl_nic *nic, unsigned vector);
	/* Forgets the vector's cause, before the last look at a ring: when it returns the device has taken
	 * note, so what it writes to a ring later sets the cause again. */
	void (*clear)(struct pl_nic *nic, unsigned vector);
};

struct nic_counter_register {
	const char *name, *text;
	uint32_t offset;      /* or NIC_COUNTER_DROPPED */
	uint32_t offset_high; /* of the upper bits; 0: 32 bits are all */
	uint32_t high_mask;   /* which of those there are */
};

/* Instead of an offset: what nic_driver.dropped() says of all queues. */
#define NIC_COUNTER_DROPPED UINT32_MAX

extern const struct nic_driver ixgbe_driver, igb_driver;

/* A device that a driver knows (ids.c). */
struct nic_id {
	uint16_t device; /* vendor: PL_PCI_VENDOR_INTEL */
	const char *model;
	const char *driver; /* nic_driver.name */
};

/* NULL: none does. */
const struct nic_id *nic_id_find(uint16_t vendor, uint16_t device);

/* A pool as this NIC's device knows it: mapped once however many queues use it (ring.c). */
struct nic_mapping {
	struct pl_pool *pool;	    /* NULL: free */
	struct pl_dma dma;	    /* of the pool's base and what follows, both parts */
	struct pl_dma host, remote; /* as the device's backend has mapped each part */
	uint64_t *address;	    /* dma.address, if there are two */
};

/* MSI-X vectors: one per queue pair, and the last for all other causes. */
#define NIC_OTHER_VECTOR(nic) ((nic)->config.n_queues)

struct pl_nic {
	struct pl_pci *pci;
	const struct nic_driver *driver;
	struct pl_nic_config config;
	char name[32];
	struct pl_nic_caps caps;
	uint8_t mac[6]; /* received, beside broadcast and multicast */
	bool promiscuous;
	bool fresh;   /* reset, and not started since */
	bool started; /* receives and transmits */
	bool gone;    /* registers have read as all ones, or were reset */
	struct nic_queue *queues[PL_NIC_QUEUES_MAX]; /* by index; NULL: not open */
	struct nic_mapping mappings[PL_NIC_QUEUES_MAX];
	struct pl_region rings; /* of all queues' descriptors */
	struct pl_dma rings_dma;
	int event_fd;				/* of NIC_OTHER_VECTOR */
	uint64_t counters[PL_NIC_COUNTERS_MAX]; /* of driver->counter_registers */
	/* Packets lost for want of a descriptor in each queue; in the first one's of room in the device, too.
	 * Read by planes. */
	pl_stat lost[PL_NIC_QUEUES_MAX];
	void *state; /* the driver's own; freed with free() */
};

/* ---- registers (reg.c) ---- */

static inline uint32_t nic_read(struct pl_nic *nic, uint32_t offset)
{
	return pl_pci_read(nic->pci, offset);
}

static inline void nic_write(struct pl_nic *nic, uint32_t offset, uint32_t value)
{
	pl_pci_write(nic->pci, offset, value);
}

static inline void nic_set(struct pl_nic *nic, uint32_t offset, uint32_t bits)
{
	nic_write(nic, offset, nic_read(nic, offset) | bits);
}

static inline void nic_unset(struct pl_nic *nic, uint32_t offset, uint32_t bits)
{
	nic_write(nic, offset, nic_read(nic, offset) & ~bits);
}

/* Waits until the register's `bits` read as `value`. Returns 0, -ETIMEDOUT, or -ENODEV when the
 * device is gone (all ones), which it notes in nic->gone. */
int nic_wait(struct pl_nic *nic, uint32_t offset, uint32_t bits, uint32_t value,
	     unsigned timeout_us);

/* Fills `err`: "pl0: 82599ES (0000:03:00.0) did not come out of reset". Returns `code`. */
int nic_fail(struct pl_nic *nic, int code, struct pl_error *err, const char *what);

/* Reads all ones from the register that never does (STATUS, the same in all families): the device is
 * gone. Notes and returns it. */
bool nic_is_gone(struct pl_nic *nic);

/* Likewise, or has been gone and is back, of which it has started: it is not as start() left it. */
bool nic_is_reset(struct pl_nic *nic);

void nic_sleep_us(unsigned us);

/* ---- RSS: key and table are the same in all families ---- */

/* With 16 bits over and over, source and destination can be exchanged, and the hash stays: both directions
 * of a flow get to the same queue (Woo and Park, 2012). */
#define NIC_RSS_KEY_WORD 0x5a6d5a6du

/* Four entries of the indirection table, a byte each: hashes to queues in turn. */
static inline uint32_t nic_rss_table_word(const struct pl_nic *nic, unsigned word)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value |= (4 * word + i) % nic->config.n_queues << 8 * i;
	return value;
}

/* ---- counters (stats.c) ---- */

/* Adds what the device has counted since the last time to nic->counters and nic->lost. */
void nic_count(struct pl_nic *nic);

/* Has all counters of the device begin with zero. */
void nic_forget_counts(struct pl_nic *nic);

/* ---- rings (ring.c) ---- */

/* Bytes that nic->rings must have at least, rings_dma made, before the first nic_queue_new(). The device
 * must find each ring in one piece, to which they are aligned by their size. */
static inline size_t nic_rings_bytes(const struct pl_nic *nic)
{
	return (size_t)nic->config.n_queues * 2 * nic->config.ring_size * 16;
}

/* Device addresses of queue `index`'s rings of config.ring_size descriptors of 16 bytes. */
uint64_t nic_rx_ring_address(const struct pl_nic *nic, unsigned index);
uint64_t nic_tx_ring_address(const struct pl_nic *nic, unsigned index);

/* Bytes of buffers of the queue that the device may be told of (SRRCTL.BSIZEPACKET), a multiple of
 * 1024. Frames never reach that far beyond a buffer: the longest frame received is limited. */
unsigned nic_rx_buffer_bytes(const struct pl_nic *nic, unsigned index);

/* Bytes of a frame, without FCS, for which a pool's buffers have room wherever frames start in them. */
unsigned nic_frame_room(const struct pl_pool *pool);

/* Empty rings, all descriptors zero; the former ones' buffers have been taken back, unless the queue's
 * plane has left it: then by pl_queue_collect(), before. The device does no DMA. */
void nic_queue_prepare(struct nic_queue *q);

/* Fills the RX ring from the pool and writes its tail; from then on the plane's calls reach the device. Not
 * if its plane has left it: then pl_queue_resume() does that. */
void nic_queue_fill(struct nic_queue *q);

/* Makes queue `index`, which is neither prepared nor filled yet, and sets nic->queues: memory for what lies
 * in its rings, the pool mapped, an eventfd on MSI-X vector `index`. Its close() undoes all that, and stops
 * the NIC if need be. Returns 0 or -errno with `err` filled (-EMSGSIZE: not contiguous for the device). */
int nic_queue_new(struct pl_nic *nic, unsigned index, struct pl_pool *pool, struct nic_queue **q,
		  struct pl_error *err);

struct pl_queue *nic_queue_base(struct nic_queue *q);

#endif
