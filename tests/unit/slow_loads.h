/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads from tables that dawdle, by a function of the includer's: the windows that a real reader leaves between
 * one load and the next are some nanoseconds wide. To be included before any header that loads. */
#ifndef PEERLANE_TESTS_SLOW_LOADS_H
#define PEERLANE_TESTS_SLOW_LOADS_H

#include <peerlane/lang.h>

static void dawdle(void);

static inline uint16_t slow_load16(const uint16_t *p)
{
	uint16_t value = PL_LOAD16(p);

	dawdle();
	return value;
}

static inline uint32_t slow_load32(const uint32_t *p)
{
	uint32_t value = PL_LOAD32(p);

	dawdle();
	return value;
}

static inline uint64_t slow_load64(const uint64_t *p)
{
	uint64_t value = PL_LOAD64(p);

	dawdle();
	return value;
}

#undef PL_LOAD16
#undef PL_LOAD32
#undef PL_LOAD64
#define PL_LOAD16(p) slow_load16(p)
#define PL_LOAD32(p) slow_load32(p)
#define PL_LOAD64(p) slow_load64(p)

#endif
