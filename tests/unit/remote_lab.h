/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane between two emulated NICs whose packets lie in the accelerator's memory, which the host accelerator and the
 * NICs' DMA engine find, and the plane does not: a touch would end the test by SIGSEGV.
 *
 * The wires make up frames, all of whose bytes follow from their number: of each 64 bytes others. Whatever
 * leaves, by a NIC or by a face, is compared byte for byte with what the packet program makes of the same frame in memory
 * of the test's own, and comes in order. Threads: the emulator's, the plane's, the offload's, the accelerator's; the
 * test is the control thread. */
#ifndef PEERLANE_TESTS_REMOTE_LAB_H
#define PEERLANE_TESTS_REMOTE_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <emu/emu.h>
#include <peerlane/nic.h>

#include "../../router/offload/offload.h"
#include "../../router/offload/private.h"

#define LAB_PORTS 2u /* what comes in by one leaves by the other */
#define LAB_LEN_MIN 60u
#define LAB_LEN_MAX 1514u
#define LAB_BUF_BYTES 2048u

enum lab_kind {
	LAB_FORWARD,
	LAB_TTL,  /* punted, in a class that is limited to few */
	LAB_ARP,  /* punted: of a known neighbour */
	LAB_BAD,  /* dropped: its checksum is wrong */
	LAB_FACE, /* sent by the kernel */
	LAB_KINDS
};

/* What arrives: one in so many frames is of this kind, 0: none; the rest is to be forwarded. Changed while nothing
 * arrives. */
struct lab_mix {
	unsigned ttl, arp, bad;
	bool small; /* all of LAB_LEN_MIN */
};

struct lab;

struct lab_port {
	struct emu_wire wire; /* first */
	struct pl_queue face;
	struct lab *lab;
	unsigned index;
	struct pl_pci *pci;
	struct pl_nic *nic;
	struct pl_queue *queue;

	_Atomic uint64_t offered; /* frames that arrive in all */
	_Atomic unsigned
		from_tap; /* frames that the kernel sends by this port in each turn of the plane */

	/* The emulator's thread's: */
	uint64_t arrived;
	pl_stat by_kind[LAB_KINDS];   /* arrived */
	pl_stat left[LAB_PORTS + 1];  /* by the port they came in on, or the kernel's: last */
	uint32_t next[LAB_PORTS + 1]; /* least number that may leave next */
	_Alignas(16) uint8_t buffers[64][LAB_LEN_MAX + 6];

	/* The plane's: */
	uint32_t tap_number, next_punt;
	pl_stat tap_sent, punted[LAB_KINDS];
};

struct lab {
	struct emu *emu;
	struct tables *tables;
	struct police *police;
	struct offload *offload;
	struct pl_accel_packets packets;
	struct pl_plane plane;
	struct lab_port ports[LAB_PORTS];
	struct lab_mix mix;
	uint32_t n_host;
};

struct lab_config {
	size_t remote_bytes; /* 0: plenty, as all of these */
	uint32_t n_host;
	unsigned ring;
	bool limited;	/* punts are, by the default limits */
	bool impatient; /* frames that the NIC has no descriptor for are lost */
	struct lab_mix mix;
	struct offload_config offload;
};

/* Opens and starts all of it. */
struct lab *lab_new(const struct lab_config *config);

/* Stops all of it: what was received is accounted for, and each buffer is where it belongs. */
void lab_free(struct lab *lab);

/* Has `n` frames more arrive at each port. Control thread, as all of these. */
void lab_offer(struct lab *lab, uint64_t n);

/* Has the kernel send `n` frames by each port in each turn of the plane, from now on. */
void lab_tap(struct lab *lab, unsigned n);

/* All that was offered has been received, or (impatient wires) lost. */
bool lab_all_arrived(struct lab *lab);

/* Waits until nothing is under way any more that is to be forwarded, punted or dropped: all has arrived. */
void lab_settle(struct lab *lab);

uint64_t lab_arrived(struct lab *lab, enum lab_kind kind);
uint64_t lab_forwarded(struct lab *lab);
uint64_t lab_tap_left(struct lab *lab); /* of what the kernel sent */
uint64_t lab_punted(struct lab *lab, enum lab_kind kind);
uint64_t lab_dropped(struct lab *lab, enum reason reason);
uint64_t lab_nobuf(struct lab *lab);
uint64_t lab_nic_lost(struct lab *lab); /* not received for want of a descriptor */
uint64_t lab_tx_dropped(struct lab *lab);
struct offload_stats lab_stats(struct lab *lab);

/* What the control thread does beside. */
void lab_attend(struct lab *lab);

/* Waits 100 s at most. */
#define lab_await(lab, condition)                                           \
	do {                                                                \
		for (unsigned lab_tries = 0; !(condition); lab_tries++) {   \
			if (lab_tries > 500000)                             \
				fail_msg("waited in vain for " #condition); \
			lab_attend(lab);                                    \
			usleep(200);                                        \
		}                                                           \
	} while (0)

#endif
