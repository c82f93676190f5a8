/* SPDX-License-Identifier: BSD-2-Clause */
/* One source, three compilers: gcc or clang for the CPU, OpenCL C, and clang to PTX for CUDA.
 *
 * What an accelerator runs or reads (the mailbox, the tables' image, the packet program) is written in what all of them take: no
 * bit-fields, function pointers, VLAs or <stdint.h>; no identifiers `kernel`, `local`, `global`,
 * `class`. Defines fixed-width types, PL_FN (function qualifier), PL_G (pointer to packets or
 * tables), PL_LOAD16/32/64 (a load of a word that another processor may be changing), PL_MARK (sets a
 * byte that another processor may be clearing). */
#ifndef PEERLANE_LANG_H
#define PEERLANE_LANG_H

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)

typedef uchar uint8_t;
typedef ushort uint16_t;
typedef uint uint32_t;
typedef ulong uint64_t;
#define PL_FN static inline
#define PL_G __global
#define PL_ASSERT_CAT2(a, b) a##b
#define PL_ASSERT_CAT(a, b) PL_ASSERT_CAT2(a, b)
#define PL_ASSERT(cond, text) typedef char PL_ASSERT_CAT(pl_assert_, __LINE__)[(cond) ? 1 : -1]
#define PL_LOAD16(p) (*(volatile PL_G const uint16_t *)(p))
#define PL_LOAD32(p) (*(volatile PL_G const uint32_t *)(p))
#define PL_LOAD64(p) (*(volatile PL_G const uint64_t *)(p))
#define PL_MARK(p) (*(volatile PL_G uint8_t *)(p) = 1)

#elif defined(__CUDA__)

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;
#define PL_FN static __attribute__((device)) inline __attribute__((always_inline))
#define PL_G
#define PL_ASSERT(cond, text) static_assert(cond, text)
#define PL_LOAD16(p) (*(volatile const uint16_t *)(p))
#define PL_LOAD32(p) (*(volatile const uint32_t *)(p))
#define PL_LOAD64(p) (*(volatile const uint64_t *)(p))
#define PL_MARK(p) (*(volatile uint8_t *)(p) = 1)

#else

#include <stdint.h>
#define PL_FN static inline
#define PL_G
#define PL_ASSERT(cond, text) _Static_assert(cond, text)
/* Acquire: pairs with the release store that publishes a change (tables/), so that what the word
 * refers to is seen as it was when the word was written. Plain moves on x86. */
#define PL_LOAD16(p) __atomic_load_n((const uint16_t *)(p), __ATOMIC_ACQUIRE)
#define PL_LOAD32(p) __atomic_load_n((const uint32_t *)(p), __ATOMIC_ACQUIRE)
#define PL_LOAD64(p) __atomic_load_n((const uint64_t *)(p), __ATOMIC_ACQUIRE)
/* Relaxed: a mark says nothing about anything but itself. */
#define PL_MARK(p) __atomic_store_n((uint8_t *)(p), (uint8_t)1, __ATOMIC_RELAXED)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the tables are little-endian images");

#endif
#endif
