/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock that all is timed by. */
#ifndef GEN_CLOCK_H
#define GEN_CLOCK_H

#include <stdint.h>
#include <time.h>

#define GEN_MS 1000000ull
#define GEN_SECOND (1000 * GEN_MS)

static inline uint64_t gen_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * GEN_SECOND + (uint64_t)t.tv_nsec;
}

#endif
