/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stand-in's own parts share:
 *
 *     cuda_stand_in.c           the driver, devices, the context, memory
 *     cuda_stand_in_programs.c  modules, streams, programs that run
 *     cuda_stand_in_virtual.c   virtual memory management */
#ifndef TESTS_CUDA_STAND_IN_PRIVATE_H
#define TESTS_CUDA_STAND_IN_PRIVATE_H

#include <pthread.h>

#include "cuda_stand_in.h"

#include "../../lib/accel/cuda_api.h"

#define EXPORT __attribute__((visibility("default")))
#define DECLARE(member, symbol, parameters) EXPORT int symbol parameters;
CUDA_FUNCTIONS(DECLARE)
CUDA_PACKET_FUNCTIONS(DECLARE)

struct cuda_stand_in *stand_in(void);

/* Over everything. Each call takes it by the functions below, and gives it back. */
extern pthread_mutex_t stand_in_lock;

/* Result of the fault, 0: none. With the lock. */
extern int stand_in_sticky;

/* Takes the lock. Returns what the call must return at once, the lock given back, or 0. */
int stand_in_enter_any(const char *call);

/* As that, for calls that need the thread's context, and fail after a fault. */
int stand_in_enter(const char *call);

/* Gives the lock back, and returns `result`. */
int stand_in_leave(int result);

/* An implicit synchronisation: no program runs any more. With the lock. */
void stand_in_synchronize(void);

/* Ends all programs with a fault (struct cuda_stand_in.fault). Without the lock. */
void stand_in_fault(int result);

/* What belongs to the context and ends with it. With the lock. */
enum piece_kind { OF_DEVICE, OF_HOST, REGISTERED, STREAM, MODULE };

/* From now on `at`, which is freed with the context or by stand_in_drop() (but REGISTERED), is of it. */
void stand_in_keep(enum piece_kind kind, void *at, size_t bytes);

/* Returns 0, or `otherwise` if there is no such. */
int stand_in_drop(enum piece_kind kind, const void *at, int otherwise);

/* Whether all of these bytes lie in one piece. */
bool stand_in_owns(const void *at, size_t bytes);

/* Whether all of these bytes are mapped memory of the device's that it may use. With the lock. */
bool stand_in_accessible(const void *at, size_t bytes);

#endif
