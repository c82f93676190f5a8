/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of `loop` share: tables, frames to addresses in them, planes between memory ports. All
 * of it ends the program where it fails. The main thread's. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/plane.h>

#include "../router/program/cpu.h"
#include "../router/tables/tables.h"
#include "net/options.h"

#define FRAME_BYTES 64u
#define N_PORTS 5u /* packets come in on 0 and leave by the others */
#define N_NEXTHOPS 16u
#define MANY_ROUTES 100000u
#define REPETITIONS_MAX 1000u
#define PLANES_MAX 64u

struct options {
	unsigned long long repetitions, ms, frames;
	unsigned long long planes; /* at the same time; 0: one alone, of which all else is told */
	unsigned long long v4, v6; /* routes of full tables, for planes beside each other */
	int core;
	bool json;
	enum cpu_isa isa_first, isa_last;
};

/* What is fed: frames on end in one piece of memory, each with its own destination. */
struct traffic {
	struct pl_mem_frame *list;
	uint8_t *bytes;
	unsigned n;
};

/* Routes of one family, and frames to addresses in them. */
struct routed {
	unsigned n;
	struct prefix *routes;
	struct traffic traffic;
};

struct input {
	struct tables *one, *many;
	struct routed one4, one6, many4, many6;
};

static inline void *checked(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

/* SplitMix64: the same routes and destinations every time. */
uint64_t random64(void);

/* One route of each family, and many: MANY_ROUTES random ones, or for planes beside each other options->v4 and
 * options->v6 of tables like the Internet's. */
void input_make(struct input *in, const struct options *options);
void input_free(struct input *in);

/* A plane with N_PORTS memory ports and no processor yet; pl_plane_init() is to be called. */
void plane_make(struct pl_plane *plane);

/* Ends the program if a buffer is missing. */
void plane_free(struct pl_plane *plane);

/* From one of the first half of the frames on, another each time, over and over. */
void plane_feed(struct pl_plane *plane, const struct traffic *traffic);

uint64_t plane_sent(const struct pl_plane *plane); /* packets. Any thread */

/* As the daemon has it, though nothing here is punted. */
struct police *make_police(void);

int by_value(const void *a, const void *b); /* of doubles, for qsort() */

/* loop_cores.c: what `n` threads compute on these cores, in millions of multiplications a second. */
double cores_measure(const int *cores, unsigned n, unsigned long long ms);

/* loop_planes.c: what one plane forwards, and several at the same time. Returns the program's exit status. */
int planes_measure(const struct options *options);

#endif
