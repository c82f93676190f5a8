/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stand-in's own parts share. */
#ifndef TESTS_CUDA_STAND_IN_PRIVATE_H
#define TESTS_CUDA_STAND_IN_PRIVATE_H

#include "cuda_stand_in.h"

#include "../../lib/accel/cuda_api.h"

#define EXPORT __attribute__((visibility("default")))
#define DECLARE(member, symbol, parameters) EXPORT int symbol parameters;
CUDA_FUNCTIONS(DECLARE)
CUDA_PACKET_FUNCTIONS(DECLARE)

struct cuda_stand_in *stand_in(void);

/* Takes the lock. Returns what the call must return at once, the lock given back, or 0. */
int stand_in_enter_any(const char *call);

/* As that, for calls that need the thread's context, and fail after a fault. */
int stand_in_enter(const char *call);

/* Gives the lock back, and returns `result`. */
int stand_in_leave(int result);

/* An implicit synchronisation: no program runs any more. With the lock. */
void stand_in_synchronize(void);

/* Whether all of these bytes are mapped memory of the device's that it may use. With the lock. */
bool stand_in_accessible(const void *at, size_t bytes);

#endif
