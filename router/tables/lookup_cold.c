/* SPDX-License-Identifier: BSD-2-Clause */
/* The `cold` lookups of lookup.h, compiled once per instruction set (lanes.h); LOOKUP_ISA is the end of
 * the names. A level of the trie at a time, for a block of keys: all loads are asked for before the
 * first is waited for, so that the cache misses of a whole block overlap. */
#include "lookup.h"

#include "bulk.h"

#define NAME(function) LANES_NAME(function, LOOKUP_ISA)

/* Enough for the memory to be kept busy, few enough for what is known of them to stay in the
 * first-level cache. */
#define BLOCK 256u
_Static_assert(LANES <= LOOKUP_SLACK, "what is read and written beyond the last key");

/* The lanes of the vector at `i` that hold keys: what is beyond the last of `n` is anything. */
static inline lanemask keys_mask(uint32_t i, uint32_t n)
{
	return lanes_below(lanes_count(i), lanes_set(n));
}

/* ---- IPv4 ---- */

/* Returns whether a walk has not ended: in a wide block, or below 24 bits. */
static bool block4(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
		   uint32_t n)
{
	uint32_t at[BLOCK];
	lanemask any = 0, left = 0;

	for (uint32_t i = 0; i < n; i += LANES) {
		lanes addr = lanes_load(dst + i);
		lanes entry = lanes_gather(addr, LANES_ALL, view->root4, addr >> 16);

		lanes_store(nexthop + i, entry);
		lanes_store(at + i, block_at(entry, addr, 8));
		any |= keys_mask(i, n) & lanes_less(entry, lanes_set(0));
	}
	if (!any)
		return false;
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(view->mid4 + at[i]);
	for (uint32_t i = 0; i < n; i += LANES) {
		lanes entry = lanes_load(nexthop + i);
		lanemask more = lanes_less(entry, lanes_set(WIDE_CHILD));

		/* With its sign: NARROW_CHILD becomes TRIE_CHILD. */
		entry = lanes_gather16(entry, more, view->mid4, lanes_load(at + i));
		lanes_store(nexthop + i, entry);
		left |= keys_mask(i, n) & lanes_less(entry, lanes_set(0));
	}
	return left != 0;
}

void NAME(lookup4_cold_)(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			 unsigned n)
{
	while (n > 0) {
		uint32_t keys = n < BLOCK ? n : BLOCK;
		bool left = block4(view, dst, nexthop, keys);

		for (uint32_t i = 0; left && i < keys; i++)
			if (nexthop[i] & TRIE_CHILD)
				nexthop[i] = route4_lookup(view, dst[i]);
		n -= keys;
		dst += keys;
		nexthop += keys;
	}
}

/* ---- IPv6 ---- */

/* One level for all walks that go on (`more`); the next byte of their addresses is at `shift` in
 * `addr`. Returns whether there is one that goes on further. */
static bool level6(const uint32_t *blocks, const uint32_t *addr, int shift, uint32_t *entry,
		   lanemask *more, uint32_t n)
{
	uint32_t at[BLOCK];
	lanemask any = 0;

	for (uint32_t i = 0; i < n; i += LANES)
		lanes_store(at + i, block_at(lanes_load(entry + i), lanes_load(addr + i), shift));
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(blocks + at[i]);
	for (uint32_t i = 0; i < n; i += LANES) {
		lanes e = lanes_gather(lanes_load(entry + i), more[i / LANES], blocks,
				       lanes_load(at + i));

		lanes_store(entry + i, e);
		more[i / LANES] &= lanes_less(e, lanes_set(0));
		any |= more[i / LANES];
	}
	return any != 0;
}

static bool block6(const struct tables_view *view, const uint32_t *dst, const uint32_t *dst2,
		   uint32_t *nexthop, uint32_t n)
{
	const uint32_t *root = view->root6_global;
	lanemask more[BLOCK / LANES], any = 0, left = 0;

	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(root + (dst[i] >> 8 & (TRIE6_GLOBAL_ROOT - 1)));
	for (uint32_t i = 0; i < n; i += LANES) {
		lanes first = lanes_load(dst + i);
		lanemask global = keys_mask(i, n) & lanes_eq(first >> 29, lanes_set(1));
		lanes entry = lanes_gather(lanes_set(TRIE_CHILD), global, root,
					   first >> 8 & (TRIE6_GLOBAL_ROOT - 1));

		lanes_store(nexthop + i, entry);
		more[i / LANES] = global & lanes_less(entry, lanes_set(0));
		any |= more[i / LANES];
	}
	if (any && level6(view->blocks6, dst, 0, nexthop, more, n))
		for (int shift = 24; shift >= 0; shift -= 8)
			if (!level6(view->blocks6, dst2, shift, nexthop, more, n))
				break;
	for (uint32_t i = 0; i < n; i += LANES)
		left |= keys_mask(i, n) & lanes_less(lanes_load(nexthop + i), lanes_set(0));
	return left != 0;
}

bool NAME(lookup6_cold_)(const struct tables_view *view, const uint32_t *dst, const uint32_t *dst2,
			 uint32_t *nexthop, unsigned n)
{
	bool left = false;

	for (; n > BLOCK; n -= BLOCK, dst += BLOCK, dst2 += BLOCK, nexthop += BLOCK)
		left |= block6(view, dst, dst2, nexthop, BLOCK);
	return block6(view, dst, dst2, nexthop, n) || left;
}
