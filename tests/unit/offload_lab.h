/* SPDX-License-Identifier: BSD-2-Clause */
/* Planes with the processors of router/offload over the host accelerator, between wires that make up packets of
 * many flows, and that look at what is sent: each flow's in order, none twice, all rewritten once. The
 * test stands in for the offload's thread, and the program can be made to fail. */
#ifndef PEERLANE_TESTS_OFFLOAD_LAB_H
#define PEERLANE_TESTS_OFFLOAD_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../router/offload/private.h"

#define LAB_PLANES 2u
#define LAB_PORTS 3u /* packets that come in on 0 and 1 leave by 2; 2 receives none */
#define LAB_FLOWS 16u
#define LAB_POOL_BUFS 16384u
#define LAB_HOST_BUFS (OFFLOAD_LENT_BUFS + 2 * PL_BURST_MAX) /* beside these, in `lab_remote` */

/* Packets lie in memory that the planes have no way to: a touch would end the test by SIGSEGV. */
extern bool lab_remote;

/* What the program does with each burst. */
enum lab_fault {
	LAB_NONE,
	LAB_HANGS, /* stops in the midst of it, until there is another fault to have */
	LAB_ENDS,  /* ends in the midst of it */
	LAB_SLOW,  /* takes lab_slow_us for it */
	LAB_LIES,  /* gives some packets verdicts that are none */
};
extern _Atomic int lab_fault;
extern _Atomic unsigned lab_slow_us;
extern _Atomic unsigned lab_hanging; /* workers that do */

struct lab_wire {
	struct pl_queue q;
	struct lab_plane *plane;
	unsigned port;
	_Atomic uint64_t left;	  /* packets that are still to arrive */
	uint32_t next[LAB_FLOWS]; /* number of each flow's next packet */
	uint8_t ttl;
	/* Of what was sent: by port and flow, the last packet's number and one. */
	uint32_t seen[LAB_PORTS][LAB_FLOWS];
};

struct lab_plane {
	struct pl_plane plane;
	struct offload_plane offload;
	struct lab_wire wires[LAB_PORTS];
	struct pl_region elsewhere; /* lab_remote: what stands for the accelerator's memory */
	struct pl_remote remote;
	_Atomic unsigned most_under_way;
	_Atomic uint64_t received, sent;
};

struct lab {
	struct offload_shared shared;
	struct tables *tables;
	enum pl_accel_launch launch;
	uint64_t generation;
	struct police *police[LAB_PLANES];
	struct lab_plane planes[LAB_PLANES];
};

/* Planes whose processors have no accelerator yet. `limited`: punts are. */
struct lab *lab_new(enum pl_accel_launch launch, unsigned hang_ms, bool limited);

/* Stops the planes; the accelerator is closed, or never was opened. All packets are accounted for, and all
 * buffers in their pools. */
void lab_free(struct lab *lab);

void lab_start(struct lab *lab);
void lab_stop(struct lab *lab);

/* Has `n` packets arrive at each of ports 0 and 1 of every plane. */
void lab_feed(struct lab *lab, uint64_t n);
bool lab_all_arrived(struct lab *lab);
uint64_t lab_sent(struct lab *lab);

/* Up to `n` buffers with empty frames, as a port would receive them. The plane's thread. */
uint32_t lab_receive(struct lab_plane *plane, uint32_t *frame, uint32_t n);

/* What the offload's thread does. */
void lab_set(struct lab *lab, enum offload_phase phase);
void lab_open(struct lab *lab); /* the next generation's, and then CPU */
int lab_close(struct lab *lab, unsigned timeout_ms);
void lab_await_detached(struct lab *lab);

/* Sums over the planes. */
uint64_t lab_sum(struct lab *lab, size_t offset); /* of a pl_stat of struct offload_plane */
#define LAB_SUM(lab, stat) lab_sum(lab, offsetof(struct offload_plane, stat))
uint64_t lab_dropped(struct lab *lab, enum reason reason);

/* Waits 100 s at most. */
#define lab_await(condition)                                                \
	do {                                                                \
		for (unsigned lab_tries = 0; !(condition); lab_tries++) {   \
			if (lab_tries > 500000)                             \
				fail_msg("waited in vain for " #condition); \
			usleep(200);                                        \
		}                                                           \
	} while (0)

#endif
