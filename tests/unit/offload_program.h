/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program, made slow: its lookups dawdle between one load and the next, now and then long enough
 * for the tables to change a lot. And it can be made to hang. */
#ifndef PEERLANE_TESTS_OFFLOAD_PROGRAM_H
#define PEERLANE_TESTS_OFFLOAD_PROGRAM_H

#include <stdatomic.h>

#include <peerlane/accel.h>

/* While this is set the program stops in the midst of the next packet that it looks up. */
extern atomic_bool slow_program_hangs;

/* One load in so many is followed by a sleep of a millisecond; 0: none. */
extern atomic_uint slow_program_dawdles;

extern const struct pl_accel_program slow_program;

#endif
