/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of both families as 128-bit numbers. Private to router/tables. */
#ifndef PEERLANE_TABLES_KEY_H
#define PEERLANE_TABLES_KEY_H

#include <stdbool.h>
#include <stdint.h>

/* Bit 0 is the top bit of `hi`. IPv4 addresses lie in bits 0 to 31, the rest is zero. */
struct key {
	uint64_t hi, lo;
};

#define KEY_BITS 128u

/* The first `len` bits, the others zero. */
static inline struct key key_mask(struct key k, unsigned len)
{
	if (len < 64) {
		k.hi &= len ? ~0ull << (64 - len) : 0;
		k.lo = 0;
	} else if (len < 128) {
		k.lo &= len > 64 ? ~0ull << (128 - len) : 0;
	}
	return k;
}

/* Bits `from` to `to` less one as a number; they lie in one half. */
static inline uint32_t key_index(struct key k, unsigned from, unsigned to)
{
	uint64_t bits = to <= 64 ? k.hi >> (64 - to) : k.lo >> (128 - to);

	return (uint32_t)(bits & ((1ull << (to - from)) - 1));
}

#endif
