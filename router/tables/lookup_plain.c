/* SPDX-License-Identifier: BSD-2-Clause */
/* lookup.h without vector instructions. */
#include "lookup.h"

#include <string.h>

#include "bulk.h"

/* IPv4: a level of the trie at a time, in short loops over a block of keys. No branch depends on where
 * a walk ends: a key whose walk has ended goes on loading entry 0, which is in the nearest cache, and
 * what it loads is not used. So many keys in a block that many misses can be under way, and so few
 * that all that is known of them is in the first-level cache. */
#define BLOCK 256u

/* Loops go in steps of so many keys. */
#define STEP 16u

static inline uint32_t whole_steps(uint32_t n)
{
	return (n + STEP - 1) & ~(STEP - 1);
}

/* An entry that names a narrow block. */
static inline bool has_narrow_child(uint32_t entry)
{
	return (int32_t)entry < (int32_t)WIDE_CHILD;
}

/* Two results are stored as one word: with a store for each, stores would be what limits. */
static inline void store_pair(uint32_t *to, uint32_t first, uint32_t second)
{
	uint64_t pair = first | (uint64_t)second << 32;

	memcpy(to, &pair, sizeof(pair));
}

static inline void store_quad(uint16_t *to, uint16_t a, uint16_t b, uint16_t c, uint16_t d)
{
	uint64_t quad = a | (uint64_t)b << 16 | (uint64_t)c << 32 | (uint64_t)d << 48;

	memcpy(to, &quad, sizeof(quad));
}

/* The middle level. Entries are widened with their sign: so NARROW_CHILD becomes TRIE_CHILD, and what
 * goes on below gets to the slow way, like a wide child. Returns whether there is any. */
static inline bool middle4(const uint16_t *mid, const uint32_t *at, uint32_t *entry, uint32_t n)
{
	uint16_t below[BLOCK];
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i += STEP)
		for (uint32_t k = i; k < i + STEP; k += 4)
			store_quad(below + k, PL_LOAD16(mid + at[k]), PL_LOAD16(mid + at[k + 1]),
				   PL_LOAD16(mid + at[k + 2]), PL_LOAD16(mid + at[k + 3]));
	for (uint32_t i = 0; i < n; i++) {
		entry[i] = has_narrow_child(entry[i]) ? (uint32_t)(int16_t)below[i] : entry[i];
		left |= entry[i];
	}
	return left & TRIE_CHILD;
}

/* A block: `n` is a multiple of STEP. */
static inline void block4(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			  uint32_t n)
{
	const uint32_t *root = view->root4;
	uint32_t at[BLOCK];

	for (uint32_t i = 0; i < n; i += STEP)
		for (uint32_t k = i; k < i + STEP; k += 2)
			store_pair(nexthop + k, PL_LOAD32(root + (dst[k] >> 16)),
				   PL_LOAD32(root + (dst[k + 1] >> 16)));
	/* Loads first, whatever the entry: so the compiler can make vectors of it. */
	for (uint32_t i = 0; i < n; i++) {
		uint32_t entry = nexthop[i], byte = dst[i] >> 8 & 0xff;

		at[i] = has_narrow_child(entry) ? (entry << 8) + byte : 0;
	}
	if (!middle4(view->mid4, at, nexthop, n))
		return;
	for (uint32_t i = 0; i < n; i++)
		if (nexthop[i] & TRIE_CHILD)
			nexthop[i] = route4_lookup(view, dst[i]);
}

void lookup4_plain(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
		   unsigned n)
{
	uint32_t key[BLOCK], answer[BLOCK];

	for (; n >= BLOCK; n -= BLOCK, dst += BLOCK, nexthop += BLOCK)
		block4(view, dst, nexthop, BLOCK);
	if (n % STEP == 0) {
		block4(view, dst, nexthop, n);
		return;
	}
	memcpy(key, dst, n * sizeof(*key));
	memset(key + n, 0, (whole_steps(n) - n) * sizeof(*key));
	block4(view, key, answer, whole_steps(n));
	memcpy(nexthop, answer, n * sizeof(*answer));
}

/* IPv6, where walks are of unequal length: nothing beats one after the other while the tables are in
 * the caches. */
void lookup6_plain(const struct tables_view *view, const uint8_t (*dst)[16], uint32_t *nexthop,
		   unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		nexthop[i] = route6_lookup(view, half(dst[i]), half(dst[i] + 8));
}
