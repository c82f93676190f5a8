/* SPDX-License-Identifier: BSD-2-Clause */
/* What plane.c (one turn of the loop) and thread.c (the loop) share. */
#ifndef PEERLANE_PLANE_PRIVATE_H
#define PEERLANE_PLANE_PRIVATE_H

#include <semaphore.h>

#include <peerlane/plane.h>

/* Where packets of a burst can go: to a port by its index, or to one of these. */
enum bucket {
	BUCKET_PUNT = PL_PORTS_MAX,
	BUCKET_DROP,
	BUCKET_KEEP,
	BUCKET_BAD, /* the verdict names what is not there */
	N_BUCKETS
};

#define WANT_STOP 1u
#define WANT_RUN 2u

#define N_VERDICTS (PL_VERDICT_KINDS * 256u)

struct pl_plane_private {
	/* Touched for every packet, by the plane's core only: on cache lines of its own. */
	_Alignas(64) struct pl_burst burst; /* what faces give */
	unsigned under_way;		    /* bursts submitted and not completed */
	unsigned first;			    /* the port that the next turn begins with */
	bool worked;			    /* the last turn took or handed on a packet */
	uint32_t sorted_frame[PL_BURST_MAX];
	uint16_t sorted_len[PL_BURST_MAX];
	uint8_t bucket[PL_BURST_MAX];	    /* of each packet of the burst */
	uint8_t verdict_bucket[N_VERDICTS]; /* enum bucket by verdict; fixed at pl_plane_init() */

	/* Between turns: */
	bool pending;	/* a queue has work left that no event will announce */
	bool must_poll; /* a queue has no event descriptor */
	bool stats_old; /* the slow counters have changed since they were last brought up to date */
	uint64_t stats_at_ms;

	/* The thread: */
	pthread_t thread;
	bool started;
	_Atomic unsigned wanted; /* WANT_..., by the control thread; read once per turn */
	int wake_fd;		 /* eventfd that ends a sleep */
	void (*run)(struct pl_plane *plane, void *ctx); /* WANT_RUN: what */
	void *run_ctx;
	sem_t ran;
	int epoll_fd;
};

/* After a turn: if there is nothing to do but wait for the processor, gives it the core if it may need it. */
void plane_wait(const struct pl_plane *plane);

/* Tells liburcu that this thread holds no reference into the tables now. */
void plane_quiescent(void);

#endif
