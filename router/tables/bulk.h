/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bulk lookups have in common. Private to lookup_*.c. */
#ifndef PEERLANE_TABLES_BULK_H
#define PEERLANE_TABLES_BULK_H

#include <string.h>

#include "image.h"
#include "lanes.h"

/* Below this, as signed numbers, are the entries that name a narrow block, and those alone. */
#define WIDE_CHILD (TRIE_CHILD | TRIE_WIDE)

/* Where walks go on below `entry`; the next byte of their addresses is at `shift` in `addr`. */
static inline lanes block_at(lanes entry, lanes addr, int shift)
{
	/* Shifting by a block's size also loses TRIE_CHILD. */
	return (entry << 8) + (addr >> shift & 0xff);
}

/* Half an address, host order. */
static inline uint64_t half(const uint8_t *bytes)
{
	uint64_t x;

	memcpy(&x, bytes, sizeof(x));
	return __builtin_bswap64(x);
}

#endif
