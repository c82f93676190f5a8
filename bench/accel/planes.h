/* SPDX-License-Identifier: BSD-2-Clause */
/* Planes, for those measurements that have one. */
#ifndef BENCH_ACCEL_PLANES_H
#define BENCH_ACCEL_PLANES_H

#include "bench.h"

/* The processor of one plane. */
struct mode {
	struct device *device; /* NULL: the CPU */
	struct offload *offload;
	struct police *police;
	struct pl_processor processor;
};

/* The calling thread is the control thread. Ends the program where something fails. */
void mode_open(struct mode *m, struct bench *b, struct device *d, struct tables *tables,
	       struct pl_pool *pool, bool stays);

/* Ends the program if the CPU had to help an accelerator. The plane has stopped. */
void mode_close(struct mode *m);

/* A plane with two memory ports, from the first of which it gets nothing yet, and a pool. The processor is
 * to be filled in, and pl_plane_init() to be called. */
struct pl_plane *plane_open(struct bench *b);

/* Ends the program if a buffer is missing. */
void plane_close(struct pl_plane *plane);

/* Turns of a plane, one after the other. */
struct turns {
	uint64_t taken; /* packets */
	uint64_t ns; /* in turns that moved something: took, or sent on what the device had done */
	uint64_t last_ns; /* end of the last turn */
	uint64_t worked;  /* the plane's count of such turns */
};

void turns_begin(struct turns *t, const struct pl_plane *plane);

/* Returns whether it moved something. */
bool turns_one(struct turns *t, struct pl_plane *plane);

/* Has `run` make turns, for so long at a time, and returns ns per packet taken: the median of some such windows in
 * which the thread had its core to itself, as far as can be had. */
double turns_cost(const struct bench *b, struct turns *t,
		  void (*run)(void *ctx, struct turns *t, uint64_t ns), void *ctx);

/* line.c: ns that a cache line takes from the plane's core to another. */
double line_ns(const struct bench *b);

/* plane_nic.c: ns per packet between emulated NICs; with `remote` their packets lie in the device's memory. */
double plane_nic_cost(struct bench *b, struct device *d, bool remote);

/* nics.c: memory of the device for a plane's packets. Ends the program where it fails. */
void packets_open(struct pl_accel_packets *packets, const struct device *d);

/* Buffers of the host's in such a plane: those for what is punted, and some for the rings. */
#define PACKETS_HOST (OFFLOAD_LENT_BUFS + 2 * PL_BURST_MAX)

#endif
