/* SPDX-License-Identifier: BSD-2-Clause */
/* lookup.h with vectors, compiled once per instruction set (lanes.h); LOOKUP_ISA is the end of the
 * names.
 *
 * The walks of a group of keys advance together, a level of the trie at a time, by gathers that leave
 * out the keys whose walks have ended. A vector of 16 is gathered in some 16 cycles, whatever else there
 * is to do, as long as there are others whose loads are under way meanwhile: hence eight vectors, as
 * many as registers hold. */
#include "lookup.h"

#include <string.h>

#include "bulk.h"

#define NAME(function) LANES_NAME(function, LOOKUP_ISA)

#define VECTORS 8u
#define GROUP (VECTORS * LANES)

/* For each vector of a group: unrolled, so that they stay in registers. */
#define EACH_VECTOR _Pragma("GCC unroll 8") for (uint32_t v = 0; v < vectors; v++)

/* ---- IPv4 ---- */

/* What the vectors leave over, for it is rare: wide blocks, and prefixes of more than 24 bits. */
static void finish4(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
		    uint32_t vectors)
{
	for (; vectors > 0; vectors--, dst += LANES, nexthop += LANES) {
		lanemask left = lanes_less(lanes_load(nexthop), lanes_set(0));

		for (; left; left &= left - 1) {
			uint32_t i = (uint32_t)__builtin_ctz(left);

			nexthop[i] = route4_lookup(view, dst[i]);
		}
	}
}

static inline void group4(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
			  uint32_t vectors)
{
	const uint32_t *root = view->root4;
	const uint16_t *mid = view->mid4;
	lanes addr[VECTORS], entry[VECTORS];
	lanemask left = 0;

	EACH_VECTOR
	{
		addr[v] = lanes_load(dst + v * LANES);
		entry[v] = lanes_gather(addr[v], LANES_ALL, root, addr[v] >> 16);
	}
	EACH_VECTOR
	{
		lanemask more = lanes_less(entry[v], lanes_set(WIDE_CHILD));
		lanes at = block_at(entry[v], addr[v], 8);

		/* With its sign: NARROW_CHILD becomes TRIE_CHILD. */
		entry[v] = lanes_gather16(entry[v], more, mid, at);
		left |= lanes_less(entry[v], lanes_set(0));
		lanes_store(nexthop + v * LANES, entry[v]);
	}
	if (__builtin_expect(left, 0))
		finish4(view, dst, nexthop, vectors);
}

/* Less than a group. */
static __attribute__((noinline)) void rest4(const struct tables_view *view, const uint32_t *dst,
					    uint32_t *nexthop, uint32_t n)
{
	uint32_t key[LANES] = {0}, answer[LANES], i = 0;

	if (n >= GROUP / 2) {
		group4(view, dst, nexthop, VECTORS / 2);
		i = GROUP / 2;
	}
	for (; i + LANES <= n; i += LANES)
		group4(view, dst + i, nexthop + i, 1);
	if (i == n)
		return;
	memcpy(key, dst + i, (n - i) * sizeof(*key));
	group4(view, key, answer, 1);
	memcpy(nexthop + i, answer, (n - i) * sizeof(*answer));
}

void NAME(lookup4_)(const struct tables_view *view, const uint32_t *dst, uint32_t *nexthop,
		    unsigned n)
{
	for (; n >= GROUP; n -= GROUP, dst += GROUP, nexthop += GROUP)
		group4(view, dst, nexthop, VECTORS);
	if (n)
		rest4(view, dst, nexthop, n);
}

/* ---- IPv6 ---- */

/* A group of walks: the first 64 bits of the addresses, and where they are. */
struct walks {
	lanes dst[VECTORS], dst2[VECTORS];
	lanes entry[VECTORS];
	lanemask more[VECTORS]; /* those that go on */
};

/* Where walks begin. */
static inline lanes root_at(lanes dst)
{
	return dst >> 8 & (TRIE6_GLOBAL_ROOT - 1);
}

/* Walks so few that they take less time one by one: left to finish6(). */
#define FEW(vectors) ((vectors)*LANES / 16)

static inline uint32_t lanes_in(lanemask mask)
{
	return (uint32_t)__builtin_popcount(mask);
}

/* A level of all walks; the next byte of their addresses is at `shift` in `addr`. Returns how many go
 * on further. */
static inline uint32_t level6(const uint32_t *blocks, struct walks *w, const lanes *addr, int shift,
			      uint32_t vectors)
{
	uint32_t going = 0;

	EACH_VECTOR
	{
		w->entry[v] = lanes_gather(w->entry[v], w->more[v], blocks,
					   block_at(w->entry[v], addr[v], shift));
		w->more[v] &= lanes_less(w->entry[v], lanes_set(0));
		going += lanes_in(w->more[v]);
	}
	return going;
}

/* Walks as far as dst and dst2 lead, unless few are left on the way. Keys out of 2000::/3 get
 * TRIE_CHILD. Returns whether there is an entry with TRIE_CHILD left. */
static inline bool walk6(const struct tables_view *view, struct walks *w, uint32_t vectors)
{
	const uint32_t *root = view->root6_global;
	uint32_t going = 0;
	lanemask left = 0;

	EACH_VECTOR
	{
		lanemask global = lanes_eq(w->dst[v] >> 29, lanes_set(1));

		w->entry[v] = lanes_gather(lanes_set(TRIE_CHILD), global, root, root_at(w->dst[v]));
		w->more[v] = global & lanes_less(w->entry[v], lanes_set(0));
		going += lanes_in(w->more[v]);
	}
	if (going > FEW(vectors))
		going = level6(view->blocks6, w, w->dst, 0, vectors);
	for (int shift = 24; shift >= 0 && going > FEW(vectors); shift -= 8)
		going = level6(view->blocks6, w, w->dst2, shift, vectors);
	EACH_VECTOR left |= lanes_less(w->entry[v], lanes_set(0));
	return left != 0;
}

static void finish6(const struct tables_view *view, const uint8_t (*dst)[16], uint32_t *nexthop,
		    uint32_t vectors)
{
	for (; vectors > 0; vectors--, dst += LANES, nexthop += LANES) {
		lanemask left = lanes_less(lanes_load(nexthop), lanes_set(0));

		for (; left; left &= left - 1) {
			uint32_t i = (uint32_t)__builtin_ctz(left);

			nexthop[i] = route6_lookup(view, half(dst[i]), half(dst[i] + 8));
		}
	}
}

static inline void group6(const struct tables_view *view, const uint8_t (*dst)[16],
			  uint32_t *nexthop, uint32_t vectors)
{
	struct walks w;
	bool left;

	EACH_VECTOR lanes_addresses(dst + v * LANES, &w.dst[v], &w.dst2[v]);
	left = walk6(view, &w, vectors);
	EACH_VECTOR lanes_store(nexthop + v * LANES, w.entry[v]);
	if (left)
		finish6(view, dst, nexthop, vectors);
}

/* Less than a group. */
static __attribute__((noinline)) void rest6(const struct tables_view *view,
					    const uint8_t (*dst)[16], uint32_t *nexthop, uint32_t n)
{
	uint8_t key[LANES][16] = {{0}};
	uint32_t answer[LANES], i = 0;

	if (n >= GROUP / 2) {
		group6(view, dst, nexthop, VECTORS / 2);
		i = GROUP / 2;
	}
	for (; i + LANES <= n; i += LANES)
		group6(view, dst + i, nexthop + i, 1);
	if (i == n)
		return;
	memcpy(key, dst + i, (n - i) * sizeof(*key));
	group6(view, (const uint8_t(*)[16])key, answer, 1);
	memcpy(nexthop + i, answer, (n - i) * sizeof(*answer));
}

void NAME(lookup6_)(const struct tables_view *view, const uint8_t (*dst)[16], uint32_t *nexthop,
		    unsigned n)
{
	for (; n >= GROUP; n -= GROUP, dst += GROUP, nexthop += GROUP)
		group6(view, dst, nexthop, VECTORS);
	if (n)
		rest6(view, dst, nexthop, n);
}
