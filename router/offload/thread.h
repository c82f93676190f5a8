/* SPDX-License-Identifier: BSD-2-Clause */
/* The offload thread: opens, watches, rests and reopens the accelerator, and has its copy of the tables
 * follow. What the control thread's side (offload.c) and the thread (thread.c) share. */
#ifndef PEERLANE_OFFLOAD_THREAD_H
#define PEERLANE_OFFLOAD_THREAD_H

#include <pthread.h>

#include "copy.h"
#include "private.h"

/* Who may touch the copy, and the accelerator: the thread, but for WANTED, when the control thread may. */
enum offload_filling { FILLING_NONE, FILLING_WANTED, FILLING_DONE };

struct offload {
	/* As given. */
	struct offload_config config;
	struct tables *tables;
	struct pl_pool **pools; /* by plane; NULL: it has none yet */

	struct offload_shared shared;
	struct offload_plane *planes;
	struct copy copy;
	_Atomic uint8_t *used; /* by next hop: marks that came from the accelerator */

	pthread_t thread;
	bool started;
	bool left;		  /* it does not come back from the driver */
	atomic_bool stop;	  /* set by the control thread, which then rings the bell */
	_Atomic int filling;	  /* enum offload_filling */
	int filled;		  /* how that went, when it is DONE */
	struct pl_error unfilled; /* and why not */
	int event_fd;

	/* What is shown. */
	_Atomic int state; /* enum offload_state */
	pl_stat faults, opens;
	pl_stat retry_at_ms;  /* by CLOCK_MONOTONIC */
	pthread_mutex_t lock; /* of these: */
	struct pl_error fault;
	struct pl_accel_info device;
	unsigned workers;
};

/* Opens the accelerator of the next generation, which has the lanes of all planes that have a pool. No plane
 * is attached. Returns 0 or -errno with `err` filled. */
int offload_open(struct offload *o, struct pl_error *err);

/* Starts the program and has it end again, so that what stands against it is known before packets are. The
 * copy is filled. Returns 0 or -errno with `err` filled. */
int offload_prove(struct offload *o, struct pl_error *err);

/* Has planes use the accelerator from now on. */
void offload_serve(struct offload *o);

/* Stores the phase of the present generation. */
void offload_set_phase(struct offload *o, enum offload_phase phase);

/* Wakes the thread. Any thread. */
void offload_ring(struct offload *o);

/* The thread: of struct offload. */
void *offload_main(void *arg);

uint64_t offload_now_ms(void);

#endif
