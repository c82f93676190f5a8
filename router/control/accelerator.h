/* SPDX-License-Identifier: BSD-2-Clause */
/* The accelerator of Mode=nic-cpu-gpu and Mode=nic-gpu: which one, from its opening to its end, and what the log
 * says of it. With Mode=nic-cpu there is none, and all of this does nothing. Control thread.
 *
 * What asks a driver at the start runs on a thread that has been confined first (privileges_confine_driver()),
 * and so are the threads that drivers make: those were there before the daemon confines itself. */
#ifndef PEERLANE_CONTROL_ACCELERATOR_H
#define PEERLANE_CONTROL_ACCELERATOR_H

#include <stdio.h>

#include "router.h"

/* Chooses it (router->accelerator). Starts drivers, which takes up to seconds. Returns 0, or -errno with
 * `err` filled: -ENODEV, with each kind and why it cannot be had, if there is none that can. */
int accelerator_probe(struct router *router, struct pl_error *err);

/* Packets of bursts that may be under way at once, of each plane. */
unsigned accelerator_packets(const struct config *config);

/* Makes router->packets: memory of the accelerator that accelerator_probe() chose for packets, `n` of `len_bytes`.
 * Before it is opened. Returns 0, or -errno with `err` filled; accelerator_packets_free() is to be called in both
 * cases. */
int accelerator_packets_new(struct router *router, unsigned n, size_t len_bytes,
			    struct pl_error *err);
void accelerator_packets_free(struct router *router);

/* Opens it. After the tables have been made. Returns 0, or -errno with `err` filled. */
int accelerator_open(struct router *router, struct pl_error *err);

/* Fills its tables and starts its thread. Before the daemon confines itself: that thread opens the
 * accelerator again after a fault. Returns 0, or -errno with `err` filled. */
int accelerator_start(struct router *router, struct pl_error *err);

/* Readable when accelerator_follow() is to be called; -1: there is none. */
int accelerator_fd(const struct router *router);

/* Does what its thread leaves to this one, and tells the log of faults and of their end. */
void accelerator_follow(struct router *router, uint64_t now_ms);

/* Ends its thread. The planes have stopped. */
void accelerator_stop(struct router *router);

/* Gives it back. Returns false if it hangs: it may still write to the planes' buffers, wherever they lie, and the tables, which
 * must stay. */
bool accelerator_free(struct router *router);

/* Prints what accelerator_probe() found. */
void accelerator_print(const struct router *router, FILE *out);

/* "opencl:0 NAME", for the log and the control socket. Returns `out`. */
#define ACCELERATOR_NAME_SIZE 160
const char *accelerator_name(const struct pl_accel_info *info, char out[ACCELERATOR_NAME_SIZE]);

const char *accelerator_launch_name(enum pl_accel_launch launch);

#endif
