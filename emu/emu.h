/* SPDX-License-Identifier: BSD-2-Clause */
/* Emulated NICs: an 82599 (and an 82576) as a driver sees them, without one in the machine.
 *
 * A NIC is a pl_pci device like any other: registers with the datasheet's reset values and side
 * effects, descriptor rings read and written in memory by a DMA engine, MSI-X vectors. What lies
 * beyond its port is a wire. All NICs of an `emu` are played by one thread (emu_start()), or by whoever
 * calls emu_turn(). Everything a driver does that a real device would not stand is reported. */
#ifndef EMU_EMU_H
#define EMU_EMU_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>
#include <peerlane/pci.h>

struct emu;
struct emu_wire;

/* `report` is told of each illegal use in words (any thread that touches the device; may be NULL), of the
 * same over and over once, and of trouble on wires. It must not touch the device itself. Returns NULL with errno. */
struct emu *emu_new(void (*report)(void *ctx, const char *nic, const char *what), void *ctx);

enum emu_model { EMU_82599, EMU_82576 };

struct emu_nic_config {
	const char *name; /* "eth1": the device is emu:eth1 */
	enum emu_model model;
	uint8_t mac[6];	       /* in its EEPROM */
	struct emu_wire *wire; /* becomes the NIC's, also on failure; NULL: no cable */
};

/* Adds a NIC. It is freed by pl_pci_close(), before emu_free(). Before emu_start(). Returns 0, or -errno
 * with `err` filled. */
int emu_add(struct emu *emu, const struct emu_nic_config *config, struct pl_pci **pci,
	    struct pl_error *err);

/* Starts the thread, pinned to `cpu` (-1: not), with all signals blocked. It sleeps while nothing is to
 * be done. Returns 0 or -errno with `err` filled. */
int emu_start(struct emu *emu, int cpu, struct pl_error *err);

/* Stops and joins it. Accepts one never started. */
void emu_stop(struct emu *emu);

/* One turn of all NICs; for tests without a thread. Returns how many frames moved. */
unsigned emu_turn(struct emu *emu);

void emu_free(struct emu *emu);

/* ---- faults, for tests ---- */

enum emu_fault {
	EMU_FAULT_RESET,     /* never comes out of reset */
	EMU_FAULT_EEPROM,    /* never done reading its EEPROM */
	EMU_FAULT_CHECKSUM,  /* EEPROM with a wrong checksum */
	EMU_FAULT_DMA_INIT,  /* RDRXCTL.DMAIDONE never set */
	EMU_FAULT_LINK,	     /* link never up */
	EMU_FAULT_RX_ENABLE, /* RXDCTL.ENABLE never acknowledged */
	EMU_FAULT_TX_ENABLE,
	EMU_FAULT_RX_DISABLE, /* RXDCTL.ENABLE never reads as cleared */
	EMU_FAULT_MASTER,     /* STATUS.GIO master never reads as disabled */
	EMU_FAULT_REMOVED, /* surprise removal: all registers read as ones, no DMA, no interrupts */
	EMU_FAULT_CRC,	   /* frames arrive damaged */
	EMU_FAULTS
};

/* Switches a fault on or off. Any thread. */
void emu_inject(struct pl_pci *pci, enum emu_fault fault, bool on);

/* From now on compares, at each turn, all descriptors that the NIC owns with what they were when it got
 * them, and reports changes. Slow. Any thread; returns 0 or -ENOMEM. */
int emu_watch_descriptors(struct pl_pci *pci);

/* What a NIC reads and writes by DMA, each byte of which crosses its bus. */
enum emu_dma_kind {
	EMU_DMA_HOST,	/* packets in main memory */
	EMU_DMA_REMOTE, /* packets in memory of an accelerator (pl_pci_dma_import()) */
	EMU_DMA_DESCRIPTORS,
	EMU_DMA_KINDS
};

/* What went wrong so far, and what went through. Any thread. */
struct emu_stats {
	uint64_t illegal; /* uses reported, DMA faults included */
	uint64_t
		dma_faults; /* accesses to addresses that were not mapped, or without bus mastering */
	uint64_t interrupts; /* MSI-X messages sent */
	uint64_t dma_bytes_read[EMU_DMA_KINDS], dma_bytes_written[EMU_DMA_KINDS];
	uint64_t wire_lost_to_nic, wire_lost_from_nic; /* frames, see emu_wire_ops.lost() */
};
void emu_stats(struct pl_pci *pci, struct emu_stats *stats);

/* ---- wires ---- */

/* A frame on the wire, without FCS. */
struct emu_frame {
	const uint8_t *data;
	uint32_t len;
};

/* What is at the other end. All are called by the emulator's thread. */
struct emu_wire_ops {
	/* Lends up to `max` frames that have arrived, in order, until the next call of arrived(). Those of
	 * a patient wire are asked for again only once all have been stored; another's are the NIC's
	 * to store, keep or drop. */
	unsigned (*arrived)(struct emu_wire *wire, struct emu_frame *frames, unsigned max);
	/* Whether those lent are no more to be stored. May be NULL: they always are. */
	bool (*recalled)(struct emu_wire *wire);
	/* Takes copies of frames that the NIC sends. What does not fit is dropped by the wire. */
	void (*send)(struct emu_wire *wire, const struct emu_frame *frames, unsigned n);
	/* Once per turn, after the others; may be NULL. Returns true if it wants to be called again
	 * soon though no event will tell. */
	bool (*flush)(struct emu_wire *wire);
	/* Looks at what event_fd may tell of beside frames: before the emulator's thread sleeps, when it
	 * has slept, and now and then. May be NULL. */
	void (*look)(struct emu_wire *wire);
	/* Whether there is something at the other end. */
	bool (*link)(struct emu_wire *wire);
	/* How many frames have got lost on the wire itself so far: on their way to the NIC, and from it.
	 * May be NULL: none. Also by who asks for emu_stats(), never at the same time as another. */
	void (*lost)(struct emu_wire *wire, uint64_t *to_nic, uint64_t *from_nic);
	void (*close)(struct emu_wire *wire);
};

struct emu_wire {
	const struct emu_wire_ops *ops;
	const char *kind; /* "netdev", "memory", "shared", ... */
	int event_fd;	  /* readable when arrived() has something, or the link changes; -1: poll */
	bool patient;	  /* frames wait on the wire until the NIC has descriptors for them */
	/* Told by the wire of trouble that the operator should know of; NULL: nobody listens. Set by
	 * emu_add(), which passes it on to emu_new()'s `report`. */
	void (*say)(void *ctx, const char *what);
	void *say_ctx;
};

/* A network interface of the caller's network namespace, taken over by an AF_XDP socket: what arrives on
 * it is what arrives at the NIC, past the kernel. The link is the interface's carrier; an interface that
 * vanishes is a cable pulled, and one of its name that appears is plugged in. It receives all frames,
 * whomever they are for. Lost are frames that come while the socket is full, and those
 * sent by the NIC that the interface does not: too long for its buffers (3838 bytes), too many, or it has
 * no carrier. Control thread. Returns 0 or -errno with `err` filled as pl_port_open(). `mac` gets the
 * interface's address. */
int emu_wire_netdev(const char *ifname, struct emu_wire **wire, uint8_t mac[6],
		    struct pl_error *err);

/* Offers the frames of a list, over and over or once, as fast as they are taken, and hands what is sent
 * to `sent` (NULL: counted only). NULL with errno. */
struct emu_wire *emu_wire_memory(void (*sent)(void *ctx, const struct emu_frame *frames,
					      unsigned n),
				 void *ctx);
/* The list, which stays the caller's. It takes the place of a former one at once, of which nothing is used
 * any more once a turn is over that has begun since. Any thread. */
void emu_wire_memory_feed(struct emu_wire *wire, const struct emu_frame *frames, unsigned n,
			  bool loop);
/* The cable is there (as at first) or pulled. */
void emu_wire_memory_link(struct emu_wire *wire, bool up);
uint64_t emu_wire_memory_sent(const struct emu_wire *wire); /* frames so far. Any thread */

/* Memory shared with another process, which joins by the socket at `path` (wire_client.h) that this makes,
 * for us alone (0600); one that is there and nobody's is replaced. There is a link while somebody has
 * joined: one at a time, until it leaves or ends, or writes into the memory what makes no sense, of which
 * the operator is told. Lost on the way to the NIC are as many frames as there were such; from the NIC
 * those for which there was no room. `path`.lock keeps others off. Each has memory of its own, which one that was
 * thrown out may keep: what comes later are accept4(), sendmsg(), messages on the socket, and for whoever
 * comes after the first memfd_create(), ftruncate(), fcntl() and mmap(). `mac` gets emu_wire_shared_mac(). Control
 * thread. Returns 0 or -errno with `err` filled: -EBUSY when another NIC has the path. */
int emu_wire_shared(const char *path, struct emu_wire **wire, uint8_t mac[6], struct pl_error *err);
/* Whether it could be had at `path`, but for one that another NIC has, which may be about to end: the path is not too
 * long, its folder is there (else -ENOENT) and can be written to, and what lies there is a socket. Changes nothing.
 * Returns 0, or -errno with `err` filled, as emu_wire_shared() would say it. Any thread. */
int emu_wire_shared_check(const char *path, struct pl_error *err);
/* A locally administered address, which is another for another path, and the same after a restart. */
void emu_wire_shared_mac(const char *path, uint8_t mac[6]);

/* Writes everything that passes `inner` (which becomes its own) to a capture file (libpcap), both ways.
 * Returns 0 or -errno with `err` filled. */
int emu_wire_capture(struct emu_wire *inner, const char *path, struct emu_wire **wire,
		     struct pl_error *err);

#endif
