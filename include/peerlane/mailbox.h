/* SPDX-License-Identifier: BSD-2-Clause */
/* The mailbox: how planes hand bursts to a program that runs on an accelerator, and how the program's
 * memory is changed while it runs.
 *
 * Seen from both sides, so written in what all compilers take (lang.h). It lies in host memory that the
 * device sees. Pointers in it are the device's, as 64-bit words.
 *
 * A *lane* is one plane's: a ring of slots, each of which holds a burst. A *worker* is one work group
 * (thread block) of the program; it serves lanes, or a share of one:
 *
 *	worker w of W, lanes L:  W <= L: the lanes w, w + W, ... whole
 *				 W = K * L: of lane w % L the bursts whose number is w / L modulo K
 *
 * so that no two workers ever ask for the same burst. They may finish bursts in any order; whoever takes
 * them back does so in the order in which they were submitted.
 *
 * *Updates* are stores to the program's memory, applied by worker 0 alone in the order in which they were
 * posted: each is visible to all workers before the next is made.
 *
 * What workers wait for is for each on a line of its own: looks of a GPU's multiprocessors (an H100's) at one line of the
 * host's memory come one after the other, each a way over the bus, and fences and other looks wait behind them.
 *
 * Ordering. Whoever posts fills the slot (or record), then stores `posted` (or `head`) with release; the worker loads
 * it with acquire. A worker that is done with a burst stores `done` with release at system scope, after
 * a barrier behind which all of its work items' stores lie; the plane loads it with acquire. */
#ifndef PEERLANE_MAILBOX_H
#define PEERLANE_MAILBOX_H

#include <peerlane/lang.h>

#define MAILBOX_LANES_MAX 64u
#define MAILBOX_SLOTS 8u    /* bursts under way per lane; a power of two */
#define MAILBOX_BURST 1024u /* packets: PL_BURST_MAX */
#define MAILBOX_LINE 128u   /* bytes that not both sides should write to, nor two workers look at */
#define MAILBOX_WORKERS_MAX (MAILBOX_LANES_MAX * MAILBOX_SLOTS)

/* A burst and its answer. The host writes the first part and does not read it; the device writes the second,
 * and len where a frame got shorter. The second part begins with its last word, on a line that the host looks at
 * anyway.
 *
 * Where packets lie in the device's memory (`spares` of the lane) those that are punted are copied into the host's:
 * number k of these, in any order, into spare[k], as far as there are n_spare. */
struct mailbox_slot {
	uint64_t posted; /* MAILBOX_POSTED() of the burst in here */
	uint32_t n_spare;
	uint32_t pad0[29];
	uint32_t frame[MAILBOX_BURST];
	uint16_t len[MAILBOX_BURST];
	uint32_t spare[MAILBOX_BURST]; /* buffers, as frames are */

	uint64_t done;	    /* number of the burst, from 1, that the device has done here last */
	uint64_t shortened; /* of the one, in which it changed len[] last */
	uint32_t n_copied;  /* into spare[] */
	uint32_t pad1[27];
	uint16_t verdict[MAILBOX_BURST];
	uint16_t copied[MAILBOX_BURST]; /* of one that is punted: into which of spare[] */
};
PL_ASSERT(sizeof(struct mailbox_slot) % MAILBOX_LINE == 0, "slots share no line");

/* A burst's number and what is read with it in one go: its packets, and the port that they came in on. Of the number
 * there are as many bits as tell it from that of the burst that was in the slot before. */
#define MAILBOX_POSTED(number, port, n) \
	((uint64_t)(number) << 24 | (uint64_t)(port) << 16 | (uint64_t)(n))
#define MAILBOX_POSTED_N(word) ((uint32_t)(word)&0xffff)
#define MAILBOX_POSTED_PORT(word) ((uint32_t)(word) >> 16 & 0xff)
#define MAILBOX_POSTED_IS(word, number) (((word) >> 24) == ((uint64_t)(number)&0xfffffffffful))

/* Burst number b (from 1) is in slot (b - 1) % SLOTS. */
struct mailbox_lane {
	uint64_t base;	 /* of the region that the frames are offsets into, to the device */
	uint64_t slots;	 /* MAILBOX_SLOTS of struct mailbox_slot, to the device */
	uint64_t spares; /* of the region that spare[] are offsets into; 0: nothing is copied */
	uint64_t pad0[13];
};

/* A store of `length` bytes, in words of `word` (2, 4, 8) bytes each of which is stored at once, to
 * address `to` of the device. The bytes follow, padded to 8. Records do not cross a multiple of
 * MAILBOX_CHUNK; `to` 0 says that the next one is behind it. */
struct mailbox_update {
	uint64_t to;
	uint32_t length, word;
};
#define MAILBOX_CHUNK 4096u
#define MAILBOX_UPDATE_MAX 1024u /* bytes of one */

struct mailbox_updates {
	uint64_t head; /* bytes posted so far */
	uint64_t pad0[15];
	uint64_t ring;	     /* to the device */
	uint64_t ring_bytes; /* a power of two */
	uint64_t pad1[14];
	uint64_t applied; /* bytes applied so far; stored by the device, with release */
	uint64_t pad2[15];
};

/* Where a worker is: its own, in the device's memory, from one launch to the next. */
struct mailbox_worker {
	uint64_t next[MAILBOX_LANES_MAX]; /* number of the burst that it waits for, by lane */
	uint64_t applied;		  /* bytes of updates, of worker 0 */
	uint64_t pad[15];
};

/* The program is launched again and again, one launch after the other, numbered from 1. Launch n goes on
 * looking for bursts until `rest` is n or more, for each worker its own. It then does what is posted already, and
 * ends. */
struct mailbox_rest {
	uint64_t launch;
	uint64_t pad[15];
};

struct mailbox {
	uint64_t rest; /* the host's own, stored before those of the workers */
	uint64_t pad0[15];
	uint64_t context; /* what the program needs to know beside the burst, to the device */
	uint64_t workers; /* n_workers of struct mailbox_worker, to the device */
	uint32_t n_lanes, n_workers;
	uint64_t pad1[13];
	struct mailbox_updates updates;
	struct mailbox_lane lanes[MAILBOX_LANES_MAX];
	struct mailbox_rest rests[MAILBOX_WORKERS_MAX]; /* by worker */
};

#endif
