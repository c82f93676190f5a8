/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports and their queues: one burst interface over whatever moves the packets. */
#ifndef PEERLANE_PORT_H
#define PEERLANE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/burst.h>
#include <peerlane/error.h>
#include <peerlane/memory.h>
#include <peerlane/stat.h>

struct pl_queue;

/* Counters of one queue. Written by its plane alone, read by anyone (see pl_stat_read()). */
struct pl_queue_stats {
	pl_stat rx_packets, rx_bytes;
	pl_stat tx_packets, tx_bytes;
	pl_stat rx_nobuf;   /* refills that found the pool dry */
	pl_stat rx_dropped; /* lost before us: ring full, no buffer; see pl_port_rx_lost(), too */
	pl_stat rx_errors;  /* received damaged, as the device says, and dropped */
	pl_stat tx_dropped; /* ring full, link down or refused by the device */
	pl_stat tx_wakeups; /* system calls made to start transmission */
};

/* What a kind of port must implement for its queues. All are called by the plane that owns the
 * queue, never concurrently. */
struct pl_queue_ops {
	/* Takes up to `max` received packets, oldest first; their buffers become the caller's
	 * (PL_OWNER_BURST). Those in an accelerator's memory are no longer than
	 * pl_pool_frame_max(), so that any buffer holds a copy. Refills the ring; never blocks.
	 * Returns how many. */
	unsigned (*rx)(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max);

	/* Takes over `n` packets to transmit in order. Those that do not fit go back to the pool
	 * and count as tx_dropped. May leave the start of transmission to flush(). Frames in an
	 * accelerator's memory are of 17 bytes or more, as every IP packet's is: NICs take no
	 * less, and nobody can pad them there. A shorter one goes out with what lies behind it. */
	void (*tx)(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n);

	/* Starts what tx() left and takes completed buffers back to the pool. Called once per turn
	 * of the plane's loop. Returns true while packets wait to be transmitted that calling
	 * again may move and no event will announce, so that the plane comes back rather than
	 * sleeps. */
	bool (*flush)(struct pl_queue *q);

	/* Brings rx_dropped up to date from the device. A slow call, about once a second. May be
	 * NULL. */
	void (*refresh_stats)(struct pl_queue *q);

	/* The plane is about to sleep: has event_fd signalled by whatever arrives from now on.
	 * Returns false if something has arrived already: then the plane must not sleep. NULL:
	 * event_fd always tells. */
	bool (*arm)(struct pl_queue *q);

	/* Releases the queue. Its plane has stopped and holds no packets. Its buffers return to the
	 * pool. */
	void (*close)(struct pl_queue *q);

	/* A device that goes away and comes back: see pl_queue_leave(), pl_queue_collect() and
	 * pl_queue_resume(). NULL: that does not happen to queues of this kind. */
	void (*leave)(struct pl_queue *q);
	uint32_t (*collect)(struct pl_queue *q);
	int (*resume)(struct pl_queue *q, struct pl_error *err);
};

/* The RX and the TX queue that one plane has of one port. */
struct pl_queue {
	const struct pl_queue_ops *ops;
	struct pl_pool *pool;
	int event_fd; /* readable (poll) when rx() has something; -1: none, must be polled */
	/* Whether each signal of event_fd is to be told once (EPOLLET), and nobody reads it: so
	 * it is for interrupts, which arm() asks for. */
	bool event_edge;
	struct pl_holder
		*holder; /* of what lies in the rings, but for AF_XDP: see pl_pool_join() */
	struct pl_queue_stats stats;
};

static inline unsigned pl_queue_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	return q->ops->rx(q, frame, len, max);
}

static inline void pl_queue_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len,
			       unsigned n)
{
	q->ops->tx(q, frame, len, n);
}

static inline bool pl_queue_flush(struct pl_queue *q)
{
	return q->ops->flush(q);
}

enum pl_attach { PL_ATTACH_AUTO, PL_ATTACH_NATIVE, PL_ATTACH_GENERIC };

struct pl_pci;
struct pl_nic_counter;

struct pl_port_config {
	const char *name;   /* "pl0", for messages */
	const char *device; /* "eth1"; of a NIC whatever it is to be called */
	unsigned n_queues;  /* one per plane; 0, of AF_XDP, only to probe: whatever there are */
	unsigned ring_size; /* descriptors per ring, a power of two, 64 to 4096 */

	/* The PCI device to drive ourselves (peerlane/nic.h): kind "nic". It stays the caller's and
	 * must outlive the port. NULL: the network device `device`, by AF_XDP. */
	struct pl_pci *pci;

	/* AF_XDP alone */
	enum pl_attach attach;
	bool zero_copy; /* what pl_port_probe() allowed for all ports of the planes */

	/* NICs alone */
	unsigned mtu;
	unsigned moderation_us; /* least time between two interrupts of a queue; 0: none */
	bool flow_control;	/* send and obey pause frames */
};

/* What a device can do, asked before any queue is opened. */
struct pl_port_caps {
	uint8_t mac[6];
	unsigned mtu;	    /* that it has now; of a NIC that asked for */
	unsigned mtu_max;   /* whatever the buffers */
	uint32_t buf_sizes; /* sizes of buffers that it can receive into, all in one: 2048 | 4096 */
	unsigned ifindex;   /* of the network device underneath; 0: there is none */
	unsigned max_queues;
	bool zero_copy;
	const char *model, *backend; /* as in pl_port_info */
};

/* The longest MTU of an AF_XDP port whose frames, with a VLAN tag, buffers of `buf_bytes` hold.
 *
 * In copy mode the kernel uses all of a buffer behind what it keeps in front of a frame. In zero-copy
 * mode the device is told how long a buffer is, in units of its own; what is longer it drops, and no
 * counter of ours says so. Linux does not tell the unit. The coarsest one known is 1 KB (ixgbe with an
 * 82599, igb, igc: SRRCTL), so whole KB count, the FCS included. */
unsigned pl_port_afxdp_mtu_max(uint32_t buf_bytes, bool zero_copy);

/* Buffers that a queue may hold at a time: on its RX side as many as the ring has descriptors,
 * on its TX side as many again. A plane needs a pool of these for every wire, one burst
 * (PL_BURST_MAX) for itself, and what its faces hold; then no ring ever starves another. */
static inline uint32_t pl_queue_bufs(unsigned ring_size)
{
	return 2 * ring_size;
}

struct pl_port;

/* What became of a port, for logs and `show`. */
struct pl_port_info {
	const char *kind;    /* "afxdp", "nic" */
	const char *attach;  /* "native", "generic"; NULL: not AF_XDP */
	const char *copy;    /* "zero-copy", "copy"; NULL: not AF_XDP */
	const char *driver;  /* "ixgbe"; NULL: not a NIC of ours */
	const char *model;   /* "82599ES"; NULL likewise */
	const char *backend; /* how we reach it: "emulated"; NULL likewise */
	unsigned ifindex;    /* of the network device underneath; 0: there is none */
	unsigned n_queues;
	unsigned ring_size;
};

/* How a device fares that has no network device of the kernel's to tell. */
struct pl_port_state {
	bool present; /* false: it is gone, and the rest is not known */
	bool carrier;
	unsigned mbps;	   /* 0: not known */
	const char *media; /* "10GBASE-SR"; NULL: not known. Valid as long as the port */
};

/* Asks what the device can do. Opens nothing that stays open. A NIC is reset.
 *
 * Returns 0 or -errno with `err` filled (-ENODEV: no such device; -EPROTOTYPE: not an Ethernet one;
 * -EPERM: missing privilege; -EINVAL: more queues than the device has, or fewer than it receives
 * on; -EBUSY: another program has a socket on it; of a NIC as pl_nic_open()). Control thread. */
int pl_port_probe(const struct pl_port_config *config, struct pl_port_caps *caps,
		  struct pl_error *err);

/* Opens a port. Queues are opened one by one afterwards, and then it is started.
 *
 * AF_XDP: loads and attaches our XDP program by bpf_link, so that whatever ends the process also
 * detaches it. Until the port is closed the device leaves VLAN tags in the frames. A
 * veth's peer must, too, send them there (ethtool -K PEER txvlan off): beside the frame they reach
 * no XDP program. A NIC is reset.
 *
 * Returns 0 and the port, or -errno with `err` filled and nothing left behind (-EBUSY: another XDP
 * program is on the device; -EOPNOTSUPP: it always takes VLAN tags off; -EMSGSIZE: its MTU is too
 * large for any buffer; others as pl_port_probe()). */
int pl_port_open(struct pl_port **port, const struct pl_port_config *config, struct pl_error *err);

/* Opens queue `index` of the port on `pool`, whose plane will own it. The pool's region is
 * registered with the kernel, or mapped for the device, at its first queue and shared by all its
 * queues, so that a packet received on one leaves on another without being copied by us.
 *
 * Waits up to half a second for a former owner's hold on the device's queue to end. Returns 0
 * and the queue, or -errno with `err` filled (-EMSGSIZE: the pool's buffers are too small for
 * the MTU, see pl_port_afxdp_mtu_max(); -ENOBUFS: not enough memory may be locked; -EOPNOTSUPP and others as pl_pci_dma_import(): part of the
 * pool is an accelerator's memory, and the device does not reach it, as AF_XDP never does). Control thread,
 * planes not running. */
int pl_port_queue_open(struct pl_port *port, unsigned index, struct pl_pool *pool,
		       struct pl_queue **queue, struct pl_error *err);

/* All queues are open: has the device receive and transmit, if it does not yet. Control thread.
 * Returns 0, or -errno with `err` filled, and then it does not. */
int pl_port_start(struct pl_port *port, struct pl_error *err);

/* Lets frames for `mac` and all multicast frames through the device's filters. Control thread.
 * Returns 0 or -errno with `err` filled. */
int pl_port_accept_mac(struct pl_port *port, const uint8_t mac[6], struct pl_error *err);

/* Sets the MTU of the device. Control thread. Returns 0 or -errno with `err` filled
 * (-EMSGSIZE: the buffers of its queues are too small for that). */
int pl_port_set_mtu(struct pl_port *port, unsigned mtu, struct pl_error *err);

void pl_port_info(const struct pl_port *port, struct pl_port_info *info);

/* A descriptor that is readable when pl_port_state() may have changed, which is to be called
 * then; and about once a second besides, for a device that vanishes does not say so. -1: there
 * is a network device of the kernel's (pl_port_info.ifindex), and netlink tells. */
int pl_port_event_fd(const struct pl_port *port);

/* How the device is now. Only if there is an event_fd. Control thread. */
void pl_port_state(struct pl_port *port, struct pl_port_state *state);

/* What the device itself has counted since the port was opened, into PL_NIC_COUNTERS_MAX places.
 * Returns how many, which is 0 for AF_XDP. Control thread. */
unsigned pl_port_counters(struct pl_port *port, struct pl_nic_counter *counters);

/* Frames that arrived at the device since the port was opened and that it lost for want of a buffer, where no
 * queue's rx_dropped counts them: with AF_XDP and zero-copy a plane that is too slow leaves the device none. Control
 * thread. */
uint64_t pl_port_rx_lost(struct pl_port *port);

/* ---- a device that goes away, and one of its name that comes back, while planes run ----
 *
 * Each queue stays what it is to its plane, counters included. What needs the plane or its pool is
 * done on the plane's thread (pl_plane_run()), and short; what takes time is the control thread's:
 *	away: pl_queue_leave() and pl_plane_unwatch() of each queue; pl_port_leave();
 *	pl_queue_collect() of each;
 *	back: pl_port_return(), again and again until it works; pl_queue_resume() and
 *	pl_plane_watch() of each. */

/* The queue's plane lets go of the device: from then on rx() gives nothing, and tx() drops and
 * counts. What the device had not taken counts as dropped, too. Plane. */
static inline void pl_queue_leave(struct pl_queue *q)
{
	q->ops->leave(q);
}

/* Closes the port's sockets and its hold on the device. It may take tens of milliseconds. Control
 * thread. */
void pl_port_leave(struct pl_port *port);

/* Brings all buffers that the device had back to the pool: the kernel holds some in lists of its
 * own, so they are known by who had them last. The device must be gone, or pl_port_leave() might
 * be too early for one that writes into them by itself. Plane. Returns how many. */
static inline uint32_t pl_queue_collect(struct pl_queue *q)
{
	return q->ops->collect(q);
}

/* One try to take the device over that has the port's name now: what succeeds stays for the next
 * try. Never waits for another's hold to end. What pl_port_accept_mac() set is to be set again.
 * Control thread. Returns 0, or -errno with `err` filled as pl_port_open() and
 * pl_port_queue_open().
 * */
int pl_port_return(struct pl_port *port, struct pl_error *err);

/* Gives the device buffers and has it receive. Plane. Returns 0, or -errno with `err` filled: the
 * device is gone again. */
static inline int pl_queue_resume(struct pl_queue *q, struct pl_error *err)
{
	return q->ops->resume(q, err);
}

/* Closes all these ports (NULL: none) and those of their queues that are open, together: for each
 * socket the kernel waits some 15 ms, and so for all of them at once. The queues' planes have
 * stopped. */
void pl_ports_close(struct pl_port *const *ports, unsigned n);

static inline void pl_port_close(struct pl_port *port)
{
	pl_ports_close(&port, 1);
}

static inline void pl_queue_close(struct pl_queue *q)
{
	if (q)
		q->ops->close(q);
}

/* ---- the in-memory port: for tests and for measuring the loop alone, no I/O ---- */

/* A frame to be received, as it would lie on the wire. Not owned. */
struct pl_mem_frame {
	const uint8_t *data;
	uint16_t len;
};

/* Creates a queue whose rx() copies frames from a list into the pool's buffers, as a NIC's DMA
 * would, and whose tx() hands every frame to `sent` (may be NULL: only counted) and frees it.
 * `loop`: start over at the list's end, for benchmarks; else rx() returns 0 there.
 *
 * Returns NULL with errno on failure. */
struct pl_queue *pl_mem_queue_new(struct pl_pool *pool, bool loop,
				  void (*sent)(void *ctx, const uint8_t *data, uint16_t len),
				  void *ctx);

/* Replaces the list of frames to be received; `frames` stays the caller's and must outlive its
 * use. The queue's event_fd is readable until rx() has taken the last one, so a plane may sleep
 * on it. Only while the plane is not polling.
 *
 * Returns 0, or -EMSGSIZE, and keeps the former list, when a frame is longer than
 * pl_pool_frame_max(). */
int pl_mem_queue_feed(struct pl_queue *q, const struct pl_mem_frame *frames, unsigned n);

#endif
