/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of an emulated NIC share.
 *
 *	registers     82599*.c, 82576*.c (a model each) over regfile.c (registers by table), queue.c,
 *		      cause.c (interrupts), eeprom.c, i2c.c: what a driver writes becomes a decoded state
 *		      (struct emu_ring, struct emu_filter), and what has been counted becomes what it reads.
 *	engine	      rx.c, tx.c, rss.c, filter.c: frames, descriptors, memory. Knows the decoded state
 *		      alone, no offsets of registers.
 *	bus	      nic.c, config.c, dma.c: the pl_pci device, DMA addresses, faults and reports.
 *	emu.c	      the thread that turns all NICs.
 *
 * A NIC's lock (emu_lock()) is held by whoever reads or writes a register or turns it. Tails are not
 * registers in that sense: a driver stores them in the BAR as it would on hardware, and the engine loads
 * them. */
#ifndef EMU_PRIVATE_H
#define EMU_PRIVATE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "emu.h"

#define EMU_BAR_BYTES (512u << 10)
#define EMU_QUEUES_MAX 128u
#define EMU_VECTORS_MAX 64u
#define EMU_FILTERS_MAX 128u
#define EMU_MAPPINGS_MAX 64u
#define EMU_NICS_MAX 32u

struct emu_nic;
struct emu_engine;

/* ---- the decoded state: written by the model, read by the engine ---- */

struct emu_ring {
	bool enabled;
	uint64_t base;	    /* device address */
	uint32_t n;	    /* descriptors */
	uint32_t head;	    /* the engine's; the model shows it */
	uint32_t tail_at;   /* offset of the tail in the BAR */
	uint32_t tail_seen; /* the last one that the engine has checked */
	/* The engine's: has met what it cannot go on from, an illegal use or a DMA fault, and stands
	 * still until it is enabled anew. */
	bool stuck;
	/* receive */
	uint32_t buffer_bytes;
	bool drop; /* without a descriptor drop, rather than wait (SRRCTL.DROP_EN) */
	/* transmit: descriptors, of those that ask for it, that are written back together (WTHRESH) */
	uint32_t writeback_threshold;
	uint32_t written; /* the engine's: to where that has been done */
};

struct emu_filter {
	bool unicast_all, multicast_all, broadcast;
	bool valid[EMU_FILTERS_MAX];
	uint8_t mac[EMU_FILTERS_MAX][6];
	uint32_t multicast[128];  /* a bit for each of 4096 hashes */
	unsigned multicast_shift; /* which bits of the address: MCSTCTRL.MO */
	bool multicast_on;
	uint32_t frame_max; /* bytes with FCS; a VLAN tag may come on top, */
	bool tags_count;    /* unless tags count, too (82576: RLPML) */
	bool strip_crc;
	bool pass_errors; /* store bad packets: FCTRL.SBP */
};

enum {
	EMU_RSS_TCP4 = 1 << 0,
	EMU_RSS_IP4 = 1 << 1,
	EMU_RSS_IP6 = 1 << 2,
	EMU_RSS_TCP6 = 1 << 3,
	EMU_RSS_UDP4 = 1 << 4,
	EMU_RSS_UDP6 = 1 << 5,
};

struct emu_rss {
	bool on;
	unsigned types; /* EMU_RSS_... */
	uint8_t key[40];
	uint8_t table[128]; /* hash's low 7 bits to queue */
};

/* Counted by the engine, and never taken back; the model shows what has come since the last read. */
struct emu_counts {
	uint64_t rx_packets, rx_bytes; /* good ones, stored or not; bytes with FCS */
	uint64_t rx_broadcast, rx_multicast;
	uint64_t rx_missed; /* no descriptor, no room */
	uint64_t rx_crc_errors, rx_undersize, rx_oversize;
	uint64_t rx_size[6]; /* 64, 65-127, 128-255, 256-511, 512-1023, 1024 and more */
	uint64_t tx_packets, tx_bytes, tx_broadcast, tx_multicast;
	uint64_t tx_size[6];
	struct {
		uint64_t rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes;
	} queue[EMU_QUEUES_MAX];
};

/* A model: the registers of one controller. The NIC's lock is held in all. */
struct emu_reg;
struct emu_queue;
struct emu_eeprom;

struct emu_model_ops {
	const char *name; /* "82599ES" */
	uint16_t device;  /* PCI id */
	unsigned n_vectors;
	/* Bits of a receive descriptor's errors. */
	uint32_t rx_damaged, rx_bad_checksum;
	int (*open)(struct emu_nic *nic); /* makes model_state; 0 or -errno */
	void (*power_on)(struct emu_nic *nic);
	uint32_t (*read)(struct emu_nic *nic, uint32_t offset);
	void (*write)(struct emu_nic *nic, uint32_t offset, uint32_t value);
	/* The engine has written back descriptors of a queue: its cause. */
	void (*queue_event)(struct emu_nic *nic, unsigned queue, bool tx);
	/* The wire's link has come or gone. */
	void (*link_event)(struct emu_nic *nic);
	/* Sends what moderation had put off; returns when it wants to be called again, in ns of
	 * emu_now_ns(), or UINT64_MAX. */
	uint64_t (*tick)(struct emu_nic *nic, uint64_t now_ns);
	/* A fault has been switched on or off. */
	void (*fault_event)(struct emu_nic *nic, enum emu_fault fault);
	/* The queue whose register this is (queue.h). */
	struct emu_queue (*queue_of)(struct emu_nic *nic, const struct emu_reg *reg,
				     unsigned index);
	/* (eeprom.h) */
	struct emu_eeprom *(*eeprom_of)(struct emu_nic *nic);
};
extern const struct emu_model_ops emu_82599, emu_82576;

/* Device addresses of a mapping lie in a window of its own, in which the pieces of memory are shuffled:
 * `window` is a multiple of a piece, and no window begins at 0. */
struct emu_mapping {
	struct pl_dma dma;	/* dma.address is ours; NULL: free */
	enum emu_dma_kind kind; /* of packets in it */
	uint64_t window;
	uint8_t **piece; /* by (address - window) >> dma.shift: dma.n of them */
	unsigned
		n_quick; /* for emu_dma_quick(): the whole ones, or none if the memory is out of reach */
	unsigned uses; /* mappings that have been here before */
};

/* Pieces to be moved to and from one accelerator's memory. */
struct emu_moves {
	const struct pl_remote *remote;
	uint8_t *staging;
	unsigned n, done; /* moved already */
	struct pl_remote_copy copies[PL_REMOTE_COPIES_MAX];
};
#define EMU_MOVE_WORD ((size_t)16)

struct emu_nic {
	struct pl_pci pci; /* first: a pl_pci is its NIC */
	struct emu *emu;
	const struct emu_model_ops *model;
	char name[32];
	pthread_mutex_t lock; /* by emu_lock() */
	atomic_uint waiting;  /* for it: the emulator's thread makes way */
	uint32_t *regs;	      /* the BAR as words */
	uint8_t config[256];  /* PCI configuration space */
	uint8_t mac[6];
	uint16_t eeprom[2048];
	bool faults[EMU_FAULTS];
	bool bus_master;
	int irq_fds[EMU_VECTORS_MAX]; /* -1: none */
	struct emu_mapping mappings[EMU_MAPPINGS_MAX];
	/* Of each mapping. NULL: its memory is in reach. Else pieces' addresses are offsets in it, and what is to be
	 * read or written is moved by others. */
	struct emu_moves *moves[EMU_MAPPINGS_MAX];
	unsigned last_mapping; /* where the last access was */
	unsigned n_moved;      /* mappings with moves */
	/* Of the turn, of all mappings together: NICs share the accelerators' staging memory, one at a time. */
	unsigned n_moves;
	size_t move_bytes; /* of staging memory */
	struct emu_wire *wire;
	bool wire_link; /* written by the engine */
	bool link;	/* the MAC's, written by the model: while it is down no frame passes */
	bool rx_on, tx_on;
	struct emu_ring rx[EMU_QUEUES_MAX], tx[EMU_QUEUES_MAX];
	unsigned n_rx, n_tx; /* beyond these none is enabled */
	struct emu_filter filter;
	struct emu_rss rss;
	struct emu_counts counts;
	struct emu_stats stats;
	char last_report[160];
	void *model_state; /* the model's own; freed with free() */
	struct emu_engine *engine;
};

/* ---- all NICs (emu.c) ---- */

struct emu {
	void (*report)(void *ctx, const char *nic, const char *what);
	void *report_ctx;
	pthread_mutex_t lock; /* of the list: held throughout a turn, before any NIC's */
	atomic_uint waiting;  /* for it */
	struct emu_nic *nics[EMU_NICS_MAX];
	unsigned n_nics;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	atomic_int wanted;  /* 1: the thread sleeps, or is about to: write to bell_fd */
	int bell_fd;	    /* eventfd */
	int epoll_fd;	    /* of bell_fd and the wires' event descriptors, edge-triggered */
	uint64_t looked_ns; /* when wires were last asked to look() */
};

/* Has a NIC, complete and powered on, take part in turns: opens its engine. Returns 0 or -errno. Before
 * emu_start(). */
int emu_attach(struct emu *emu, struct emu_nic *nic);

/* No more: when it returns no turn uses it. Closes its engine and its wire. */
void emu_detach(struct emu *emu, struct emu_nic *nic);

/* There is something to do: a tail or a register has been written. Any thread, without locks. */
void emu_wake(struct emu *emu);

/* For accesses of registers: the emulator's thread, which takes the lock again and again, makes way. */
static inline void emu_lock(struct emu_nic *nic)
{
	atomic_fetch_add_explicit(&nic->waiting, 1, memory_order_relaxed);
	pthread_mutex_lock(&nic->lock);
	atomic_fetch_sub_explicit(&nic->waiting, 1, memory_order_relaxed);
}

static inline void emu_unlock(struct emu_nic *nic)
{
	pthread_mutex_unlock(&nic->lock);
}

/* CLOCK_MONOTONIC (clock.c, of its own so that tests can put theirs in its place). */
uint64_t emu_now_ns(void);

/* ---- bus and reports (nic.c, config.c, dma.c) ---- */

/* An illegal use: counted, and told to whoever wants to know; the same words again and again are told
 * once. The NIC's lock is held, also while it is told. */
void emu_report(struct emu_nic *nic, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The memory at a device address, if all of it is mapped, contiguous, in reach, and the NIC is bus master; else
 * NULL, and it is reported as a DMA fault. The caller counts the bytes. */
void *emu_dma(struct emu_nic *nic, uint64_t address, uint32_t len, bool write);

/* The same for a packet, which need not be in reach: then what is returned has yet to be moved there
 * (emu_moves_run()), or from there, and there must be room (emu_moves_room()). */
void *emu_dma_packet(struct emu_nic *nic, uint64_t address, uint32_t len, bool write);

/* Where the last access was in the same mapping, at once; else NULL. */
static inline void *emu_dma_quick(const struct emu_nic *nic, uint64_t address, uint32_t len)
{
	const struct emu_mapping *mapping = &nic->mappings[nic->last_mapping];
	uint64_t offset = address - mapping->window;
	uint64_t inside = offset & (((uint64_t)1 << mapping->dma.shift) - 1);

	if (__builtin_expect(mapping->dma.address && nic->bus_master &&
				     offset >> mapping->dma.shift < mapping->n_quick &&
				     inside + len <= (uint64_t)1 << mapping->dma.shift,
			     true))
		return mapping->piece[offset >> mapping->dma.shift] + inside;
	return NULL;
}

/* Whether so many pieces more, of so many bytes together, can be moved in one go. */
bool emu_moves_room(const struct emu_nic *nic, unsigned n, size_t len_bytes);

/* Has all moved that has not been yet. Returns 0, or -errno and it is reported as a DMA fault. */
int emu_moves_run(struct emu_nic *nic);

/* What has been moved is done with. */
void emu_moves_forget(struct emu_nic *nic);

/* Counts bytes of a packet that the last call of these found memory for. */
static inline void emu_dma_count(const struct emu_nic *nic, uint64_t bytes[EMU_DMA_KINDS],
				 uint32_t len)
{
	bytes[nic->mappings[nic->last_mapping].kind] += len;
}

/* Sends the MSI-X message of a vector; false if it cannot be sent now (no bus mastering, nobody to be
 * told), and is pending. The model's tick() is called when that changes. */
bool emu_msix(struct emu_nic *nic, unsigned vector);

/* ---- engine ---- */

/* Forgets all about rings and frames on the chip: reset. */
void emu_engine_reset(struct emu_nic *nic);

/* A ring has been enabled: what the engine knew of it is forgotten. */
void emu_ring_start(struct emu_nic *nic, struct emu_ring *ring);

/* Receives what the wire has; transmits what the rings have. Return how many frames moved. */
unsigned emu_rx(struct emu_nic *nic);
unsigned emu_tx(struct emu_nic *nic);

/* The hash of a frame and which RSS type it is (EMU_RSS_..., 0: none). */
uint32_t emu_rss_hash(const struct emu_rss *rss, const uint8_t *frame, uint32_t len,
		      unsigned *type);

#endif
