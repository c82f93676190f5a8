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

/* Bit `i`, below KEY_BITS. */
static inline unsigned key_bit(struct key k, unsigned i)
{
	return (i < 64 ? k.hi >> (63 - i) : k.lo >> (127 - i)) & 1;
}

/* How many leading bits are equal. */
static inline unsigned key_common(struct key a, struct key b)
{
	if (a.hi != b.hi)
		return (unsigned)__builtin_clzll(a.hi ^ b.hi);
	if (a.lo != b.lo)
		return 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
	return KEY_BITS;
}

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
