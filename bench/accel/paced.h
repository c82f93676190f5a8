/* SPDX-License-Identifier: BSD-2-Clause */
/* Wires of emulated NICs on which frames come at an even pace, and are timed from there to where they leave. */
#ifndef BENCH_ACCEL_PACED_H
#define BENCH_ACCEL_PACED_H

#include <emu/emu.h>

#include "bench.h"

struct paced;

/* Of `wires` the first has frames that come, copies of `frame`, and the second those that leave; both become the
 * NICs'. Frames are UDP with at least 8 bytes of payload, in which they carry when they were due. */
struct paced *paced_new(struct emu_wire *wires[2], const uint8_t *frame, uint32_t len);
/* The NICs are closed. */
void paced_free(struct paced *p);

/* From now on so many millions a second; 0: none. Anything that does not find room is lost. Any thread. */
void paced_set(struct paced *p, double mpps);

uint64_t paced_offered(const struct paced *p); /* frames so far */
uint64_t paced_left(const struct paced *p);

/* Forgets the times taken so far. No frame is under way. */
void paced_begin(struct paced *p);

/* Times taken since, in us, of some frames: an array of the wire's own. The emulator's thread has stopped. */
double *paced_times(struct paced *p, size_t *n);

#endif
