/* SPDX-License-Identifier: BSD-2-Clause */
/* The few vector operations that lookup_*.c and program/passes.c need, for the instruction set this
 * file is compiled for: LANES packets side by side, one 32-bit word of each. Without vector
 * instructions a vector is one word, and their loops read as the scalar loops they then are.
 *
 * `lanes` takes the operators of uint32_t. A lanemask has one bit per lane. */
#ifndef PEERLANE_TABLES_LANES_H
#define PEERLANE_TABLES_LANES_H

#include <stdint.h>

typedef uint32_t lanemask;

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "lanes_avx512.h"
#elif defined(__AVX2__)
#include "lanes_avx2.h"
#else
#include "lanes_plain.h"
#endif

/* The name of a build's function: `function` and the instruction set's. */
#define LANES_NAME(function, isa) LANES_JOIN(function, isa)
#define LANES_JOIN(a, b) a##b

#define LANES_ALL ((lanemask)((1ull << LANES) - 1))

/* 16-bit byte swap in the lower half of each lane; the upper half must be zero. */
static inline lanes lanes_swap16(lanes v)
{
	return v >> 8 | (v & 0xff) << 8;
}

#endif
