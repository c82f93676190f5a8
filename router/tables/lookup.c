/* SPDX-License-Identifier: BSD-2-Clause */
/* lookup.h, compiled once per instruction set (lanes.h); LOOKUP_ISA is the end of the names. Keys go
 * through in groups, a level of the trie at a time. */
#include "lookup.h"

#include <string.h>

#include "lanes.h"

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#define NAME(function) CAT(function, LOOKUP_ISA)

/* ---- IPv4 ----
 *
 * Each level in short loops over a block of keys. What can be reckoned is reckoned in vectors; the
 * entries are loaded one by one, which takes less time than to gather them (gathers are microcode on
 * AMD's processors), and is the same in all builds. No branch depends on where a walk ends: a key whose
 * walk has ended goes on loading entry 0, which is in the nearest cache, and what it loads is not used.
 *
 * So many keys in a block that many misses can be under way, and so few that all that is known of
 * them is in the first-level cache. */
#define BLOCK 256u

/* Loops go in steps of so many keys, whatever the lanes. */
#define STEP 16u

/* At least this and below TRIE_WIDE_CHILD, as signed numbers: an entry that names a child to go on
 * to in the fast way. From TRIE_WIDE_CHILD to -1: one for the slow way. Else a next hop. */
#define TRIE_WIDE_CHILD (TRIE_CHILD | TRIE_WIDE)

static inline uint32_t whole_steps(uint32_t n)
{
	return (n + STEP - 1) & ~(STEP - 1);
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

/* Where the walk goes on below `entry`, with the byte at `shift` of the address; 0 at its end. */
static inline lanes next_at(lanes entry, lanes addr, int shift)
{
	/* Shifting by a block's size also loses TRIE_CHILD. */
	return lanes_if_less(entry, lanes_set(TRIE_WIDE_CHILD),
			     (entry << 8) + (addr >> shift & 0xff), lanes_set(0));
}

/* The middle level of IPv4. Entries are widened with their sign: so NARROW_CHILD becomes TRIE_CHILD,
 * and what is to go on below the middle level gets to the slow way, like a wide child. Returns
 * whether there is any. */
static inline bool middle4(const uint16_t *mid, const uint32_t *at, uint32_t *entry, uint32_t n)
{
	uint16_t below[BLOCK];
	lanemask slow = 0;

	for (uint32_t i = 0; i < n; i += STEP)
		for (uint32_t k = i; k < i + STEP; k += 4)
			store_quad(below + k, PL_LOAD16(mid + at[k]), PL_LOAD16(mid + at[k + 1]),
				   PL_LOAD16(mid + at[k + 2]), PL_LOAD16(mid + at[k + 3]));
	for (uint32_t i = 0; i < n; i += LANES) {
		lanes e = lanes_load(entry + i);

		e = lanes_if_less(e, lanes_set(TRIE_WIDE_CHILD), lanes_load16_signed(below + i), e);
		lanes_store(entry + i, e);
		slow |= lanes_less(e, lanes_set(0));
	}
	return slow != 0;
}

/* A block: `n` is a multiple of STEP. */
static inline void block4(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			  uint32_t n, bool cold)
{
	const uint32_t *root = view->root4;
	uint32_t at[BLOCK];
	lanemask children = 0;

	for (uint32_t i = 0; i < n; i += STEP)
		for (uint32_t k = i; k < i + STEP; k += 2)
			store_pair(nexthop + k, PL_LOAD32(root + (dst[k] >> 16)),
				   PL_LOAD32(root + (dst[k + 1] >> 16)));
	for (uint32_t i = 0; i < n; i += LANES) {
		lanes entry = lanes_load(nexthop + i);

		children |= lanes_less(entry, lanes_set(0));
		lanes_store(at + i, next_at(entry, lanes_load(dst + i), 8));
	}
	if (!children)
		return;
	for (uint32_t i = 0; cold && i < n; i += STEP)
		for (uint32_t k = i; k < i + STEP; k++)
			__builtin_prefetch(view->mid4 + at[k]);
	if (!middle4(view->mid4, at, nexthop, n))
		return;
	for (uint32_t i = 0; i < n; i++)
		if (nexthop[i] & TRIE_CHILD)
			nexthop[i] = route4_lookup(view, dst[i]);
}

static inline void lookup4(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			   uint32_t n, bool cold)
{
	uint32_t key[BLOCK], answer[BLOCK];

	for (; n >= BLOCK; n -= BLOCK, dst += BLOCK, nexthop += BLOCK)
		block4(view, dst, nexthop, BLOCK, cold);
	if (n % STEP == 0) {
		block4(view, dst, nexthop, n, cold);
		return;
	}
	memcpy(key, dst, n * sizeof(*key));
	memset(key + n, 0, (whole_steps(n) - n) * sizeof(*key));
	block4(view, key, answer, whole_steps(n), cold);
	memcpy(nexthop, answer, n * sizeof(*answer));
}

void NAME(lookup4_)(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
		    unsigned n)
{
	lookup4(view, dst, nexthop, n, false);
}

void NAME(lookup4_cold_)(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			 unsigned n)
{
	lookup4(view, dst, nexthop, n, true);
}

/* ---- IPv6, in plain C and AVX2 (see lookup.h) ----
 *
 * Walks are of one to five levels. Those of a group advance together, by gathers that leave out the
 * keys whose walks have ended: no good for IPv4, where walks are short and of one length. */
#if LANES <= 8

/* Few enough for the entries to stay in registers, or next to them, from level to level. */
#define GROUP 64u

/* The level of all walks of a group that go on (`more`); the next byte of their addresses is at
 * `shift` in `addr`. Returns whether there is one that goes on further. */
static inline bool level6(const uint32_t *blocks, const uint32_t *addr, int shift, lanes *entry,
			  lanemask *more, uint32_t vectors, bool cold)
{
	uint32_t at[BLOCK];
	lanemask any = 0;

	for (uint32_t v = 0; v < vectors; v++) {
		lanes byte = lanes_load(addr + v * LANES) >> shift & 0xff;

		/* Shifting by a block's size also loses TRIE_CHILD. */
		if (cold)
			lanes_store(at + v * LANES, (entry[v] << 8) + byte);
		else if (more[v])
			entry[v] = lanes_gather(entry[v], more[v], blocks, (entry[v] << 8) + byte);
	}
	for (uint32_t i = 0; cold && i < vectors * LANES; i++)
		__builtin_prefetch(blocks + at[i]);
	for (uint32_t v = 0; v < vectors; v++) {
		if (cold)
			entry[v] =
				lanes_gather(entry[v], more[v], blocks, lanes_load(at + v * LANES));
		more[v] &= lanes_less(entry[v], lanes_set(0));
		any |= more[v];
	}
	return any != 0;
}

/* A group, of as many as fill `vectors`. Keys out of 2000::/3 get TRIE_CHILD, for the caller. Returns
 * whether there is a key left to it. */
static inline bool group6(const struct tables_view *view, const uint32_t *dst, const uint32_t *dst2,
			  uint32_t *nexthop, uint32_t vectors, bool cold)
{
	const uint32_t *root = view->root6_global;
	lanes entry[BLOCK / LANES];
	lanemask more[BLOCK / LANES], any = 0, left = 0;

	for (uint32_t i = 0; cold && i < vectors * LANES; i++)
		__builtin_prefetch(root + (dst[i] >> 8 & (TRIE6_GLOBAL_ROOT - 1)));
	for (uint32_t v = 0; v < vectors; v++) {
		lanes first = lanes_load(dst + v * LANES);
		lanemask global = lanes_eq(first >> 29, lanes_set(1));

		entry[v] = lanes_gather(lanes_set(TRIE_CHILD), global, root,
					first >> 8 & (TRIE6_GLOBAL_ROOT - 1));
		more[v] = global & lanes_less(entry[v], lanes_set(0));
		any |= more[v];
	}
	if (any && level6(view->blocks6, dst, 0, entry, more, vectors, cold))
		for (int shift = 24; shift >= 0; shift -= 8)
			if (!level6(view->blocks6, dst2, shift, entry, more, vectors, cold))
				break;
	for (uint32_t v = 0; v < vectors; v++) {
		lanes_store(nexthop + v * LANES, entry[v]);
		left |= lanes_less(entry[v], lanes_set(0));
	}
	return left != 0;
}

bool NAME(lookup6_cold_)(const struct tables_view *view, const uint32_t *dst, const uint32_t *dst2,
			 uint32_t *nexthop, unsigned n)
{
	bool left = false;

	for (; n > BLOCK; n -= BLOCK, dst += BLOCK, dst2 += BLOCK, nexthop += BLOCK)
		left |= group6(view, dst, dst2, nexthop, BLOCK / LANES, true);
	return group6(view, dst, dst2, nexthop, (n + LANES - 1) / LANES, true) || left;
}

/* Half an address, host order. */
static inline uint64_t half(const uint8_t *bytes)
{
	uint64_t x;

	memcpy(&x, bytes, sizeof(x));
	return __builtin_bswap64(x);
}

#if LANES == 1

/* Without gathers nothing beats one walk after the other. */
void NAME(lookup6_)(const struct tables_view *view, const uint8_t (*dst)[16], uint32_t *nexthop,
		    unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		nexthop[i] = route6_lookup(view, half(dst[i]), half(dst[i] + 8));
}

#else

/* Up to a group of addresses. */
static inline void addresses6(const struct tables_view *view, const uint8_t (*dst)[16],
			      uint32_t *nexthop, uint32_t n)
{
	uint32_t key[GROUP], key2[GROUP], answer[GROUP];
	bool left;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t hi = half(dst[i]);

		key[i] = (uint32_t)(hi >> 32);
		key2[i] = (uint32_t)hi;
	}
	for (uint32_t i = n; i < GROUP; i++)
		key[i] = key2[i] = key[0];
	left = group6(view, key, key2, answer, GROUP / LANES, false);
	for (uint32_t i = 0; left && i < n; i++)
		if (answer[i] & TRIE_CHILD)
			answer[i] = route6_lookup(view, half(dst[i]), half(dst[i] + 8));
	memcpy(nexthop, answer, n * sizeof(*answer));
}

void NAME(lookup6_)(const struct tables_view *view, const uint8_t (*dst)[16], uint32_t *nexthop,
		    unsigned n)
{
	for (; n > GROUP; n -= GROUP, dst += GROUP, nexthop += GROUP)
		addresses6(view, dst, nexthop, GROUP);
	if (n)
		addresses6(view, dst, nexthop, n);
}

#endif
#endif
