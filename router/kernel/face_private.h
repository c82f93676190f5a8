/* SPDX-License-Identifier: BSD-2-Clause */
/* What face.c (control thread), face_queue.c (planes) and face_thread.c share. */
#ifndef PEERLANE_KERNEL_FACE_PRIVATE_H
#define PEERLANE_KERNEL_FACE_PRIVATE_H

#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bell.h"
#include "face.h"
#include "spsc.h"

#define FACE_RING_SLOTS 256u /* from the kernel */

/* One plane's way to and from one TAP. */
struct face_queue {
	struct pl_queue queue; /* first: the plane's handle */
	struct face *face;
	struct spsc to_kernel;	 /* plane -> thread */
	struct spsc from_kernel; /* thread -> plane; only at the face's home plane */
	struct bell bell;	 /* the thread rings it, the plane's poll waits for it */
	bool unannounced;	 /* plane: submitted to to_kernel since the last flush() */
};

struct face {
	struct faces *set;
	char name[IFNAMSIZ];
	int fd;
	unsigned ifindex;
	unsigned n_planes;
	unsigned home_plane; /* to which all goes that the kernel sends */
	struct face_start start;
	atomic_bool lost;	    /* the interface has been deleted under us; by the thread */
	atomic_int next_fd;	    /* its successor, for the thread to take over; -1: none */
	struct face_queue **queues; /* by plane, NULL where none was asked for */
	struct face_stats stats;    /* written by the thread */
};

struct faces {
	struct face *faces[PL_PORTS_MAX];
	unsigned n;
	int epoll_fd;	  /* all TAPs and the bell */
	struct bell bell; /* planes and faces_stop() ring it, the thread sleeps on it */
	pthread_t thread;
	void (*on_thread)(void *ctx); /* see faces_on_thread() */
	void *on_thread_ctx;
	bool running;
	atomic_bool stop;
};

/* Makes or frees a plane's queue. NULL with errno; accepts NULL. Control thread. */
struct face_queue *face_queue_new(struct face *face, struct pl_pool *pool, bool home);
void face_queue_free(struct face_queue *fq);

/* Body of the thread; `arg` is the struct faces. */
void *faces_thread(void *arg);

#endif
