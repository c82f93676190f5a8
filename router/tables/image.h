/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables as the packet program sees them: flat arrays, and how to look things up in them.
 *
 * Shared by every processor (see peerlane/lang.h). Changed by the control thread alone, through tables.h,
 * while planes read: every word named below is written with one aligned store, after all it refers
 * to is in place. */
#ifndef PEERLANE_TABLES_IMAGE_H
#define PEERLANE_TABLES_IMAGE_H

#include <peerlane/lang.h>

/* Tries. IPv4: root of 2^16 entries, then 8-8. IPv6: 2000::/3 has a root of 2^21 entries indexed by
 * bits 3 to 23; all other addresses one of 2^16 entries indexed by bits 0 to 15; then 8-bit strides.
 *
 * An entry of 32 bits, in the roots, the blocks of IPv6 and the wide blocks of IPv4, is a next hop's
 * index, or with TRIE_CHILD the number of a block of 256 entries. Index 0 is the next hop "no
 * route".
 *
 * Nearly all blocks of IPv4 are narrow, with entries of 16 bits: a next hop's index below 2^15, or
 * with NARROW_CHILD the number of a narrow block. Those of bits 16 to 23 are in `mid4`, those of
 * bits 24 to 31, which have next hops only, in `last4`. What a narrow block cannot hold, a higher
 * index or a wide child, is in a wide one, of either level, in `wide4`; TRIE_WIDE beside TRIE_CHILD
 * says that a child is there. Blocks are aligned to their size. */
#define TRIE_CHILD 0x80000000u
#define TRIE_WIDE 0x40000000u
#define NARROW_CHILD 0x8000u
#define TRIE_BLOCK 256u

#define TRIE4_ROOT (1u << 16)
#define TRIE6_GLOBAL_ROOT (1u << 21)
#define TRIE6_OTHER_ROOT (1u << 16)

/* What a next hop does with a packet. */
#define NEXTHOP_PUNT 0u	   /* `reason` says why */
#define NEXTHOP_DROP 1u	   /* `reason` says why */
#define NEXTHOP_FORWARD 2u /* rewrite and transmit */
#define NEXTHOP_GLEAN 3u   /* connected network: look the destination up among the neighbours */
#define NEXTHOP_GROUP 4u   /* ECMP: the flow's hash picks a slot */

/* A next hop: four words, each read and written whole, each consistent in itself. */
struct nexthop {
	uint64_t info;	/* bits 0-7 kind, 8-15 reason, 16-31 MTU (IP bytes), 32-47 port */
	uint64_t dmac;	/* bits 16-63: destination MAC in wire order; bits 0-15 zero */
	uint64_t smac;	/* bits 0-47: source MAC in wire order; bits 48-63 zero */
	uint64_t group; /* bits 0-31 first slot, 32-63 number of slots less one (2^n - 1) */
};
PL_ASSERT(sizeof(struct nexthop) == 32, "a next hop is four words");

#define NEXTHOP_KIND(info) ((uint32_t)(info)&0xff)
#define NEXTHOP_REASON(info) ((uint32_t)(info) >> 8 & 0xff)
#define NEXTHOP_MTU(info) ((uint32_t)(info) >> 16)
#define NEXTHOP_PORT(info) ((uint32_t)((info) >> 32) & 0xffff)

/* A neighbour: open addressing, linear probing. A table of 2^k slots begins at slot 2 * 2^k or at
 * 3 * 2^k, so that those of all sizes lie apart; `neighbours` in the head says which one holds. IPv4
 * addresses are keyed as ::ffff:a.b.c.d, and `port` has NEIGHBOUR_MAPPED set for the IPv6 address that
 * is spelt so. `nexthop` is written last (release) and read first (acquire); the key of a slot in use
 * never changes, and a slot is reused only after a grace period. */
struct neighbour {
	uint64_t addr[2]; /* wire order */
	uint32_t port;
	uint32_t nexthop; /* index; NEIGHBOUR_FREE ends a probe, NEIGHBOUR_GONE does not */
};
PL_ASSERT(sizeof(struct neighbour) == 24, "three words");
#define NEIGHBOUR_MAPPED (1u << 16)
#define NEIGHBOUR_FREE 0u
#define NEIGHBOUR_GONE 0xffffffffu

/* The table of neighbours that holds: bits 0-31 its first slot, 32-63 its number of slots less one. */
struct tables_head {
	uint64_t neighbours;
};
#define NEIGHBOURS_FIRST(word) ((uint32_t)(word))
#define NEIGHBOURS_MASK(word) ((uint32_t)((word) >> 32))

/* What the program must know of the port a packet came in on. */
struct table_port {
	uint64_t mac; /* bits 16-63 in wire order, like nexthop.dmac; bits 0-15: 1 if up, else 0 */
};

/* The flat arrays that make up the image (sections.h). */
enum tables_section {
	TABLES_HEAD,
	TABLES_ROOT4,
	TABLES_ROOT6_OTHER,
	TABLES_PORTS,
	TABLES_SLOTS,
	TABLES_NEXTHOPS,
	TABLES_ROOT6_GLOBAL,
	TABLES_MID4,
	TABLES_LAST4,
	TABLES_WIDE4,
	TABLES_BLOCKS6,
	TABLES_NEIGHBOURS,
	TABLES_SECTIONS /* how many */
};

/* Where all of it is. Of the image itself (tables_view()) or of a copy of it. */
struct tables_view {
	PL_G const struct tables_head *head;
	PL_G const uint32_t *root4;
	PL_G const uint16_t *mid4;
	PL_G const uint16_t *last4;
	PL_G const uint32_t *wide4;
	PL_G const uint32_t *root6_global;
	PL_G const uint32_t *root6_other;
	PL_G const uint32_t *blocks6;
	PL_G const struct nexthop *nexthops;
	PL_G const uint32_t *slots; /* of ECMP groups: next hop indices */
	PL_G const struct neighbour *neighbours;
	PL_G const struct table_port *ports;
	/* Per next hop: set when a packet is rewritten with it. The reader's own, shared with no other
	 * (cpu.h); NULL in the view that the tables give out. */
	PL_G uint8_t *used;
};

/* Entry `i` of a block of 32-bit entries: that which `entry` names. */
PL_FN uint32_t trie_entry32(PL_G const uint32_t *blocks, uint32_t entry, uint32_t i)
{
	return PL_LOAD32(blocks + (uint64_t)(entry & ~(TRIE_CHILD | TRIE_WIDE)) * TRIE_BLOCK + i);
}

/* Next hop index for an IPv4 destination given in host order. */
PL_FN uint32_t route4_lookup(const struct tables_view *view, uint32_t dst)
{
	uint32_t entry = PL_LOAD32(view->root4 + (dst >> 16)), mid = dst >> 8 & 0xff;

	if (!(entry & TRIE_CHILD))
		return entry;
	if (!(entry & TRIE_WIDE)) {
		entry = PL_LOAD16(view->mid4 + (entry & ~TRIE_CHILD) * TRIE_BLOCK + mid);
		if (!(entry & NARROW_CHILD))
			return entry;
		entry &= ~NARROW_CHILD;
	} else {
		entry = trie_entry32(view->wide4, entry, mid);
		if (!(entry & TRIE_CHILD))
			return entry;
		if (entry & TRIE_WIDE)
			return trie_entry32(view->wide4, entry, dst & 0xff);
		entry &= ~TRIE_CHILD;
	}
	return PL_LOAD16(view->last4 + entry * TRIE_BLOCK + (dst & 0xff));
}

/* Next hop index for an IPv6 destination: `hi` and `lo` in host order, bit 63 of `hi` first. */
PL_FN uint32_t route6_lookup(const struct tables_view *view, uint64_t hi, uint64_t lo)
{
	int shift;
	uint32_t entry;

	if (hi >> 61 == 1) {
		entry = PL_LOAD32(view->root6_global + (hi >> 40 & (TRIE6_GLOBAL_ROOT - 1)));
		shift = 32;
	} else {
		entry = PL_LOAD32(view->root6_other + (hi >> 48));
		shift = 40;
	}
	for (; entry & TRIE_CHILD && shift >= 0; shift -= 8)
		entry = trie_entry32(view->blocks6, entry, (uint32_t)(hi >> shift & 0xff));
	for (shift = 56; entry & TRIE_CHILD; shift -= 8)
		entry = trie_entry32(view->blocks6, entry, (uint32_t)(lo >> shift & 0xff));
	return entry;
}

/* NEIGHBOUR_MAPPED for an IPv6 address (wire order) out of ::ffff:0:0/96, else 0. */
PL_FN uint32_t neighbour_mapped(uint64_t a0, uint64_t a1)
{
	return a0 == 0 && (a1 & 0xffffffffu) == 0xffff0000u ? NEIGHBOUR_MAPPED : 0;
}

/* Start of a neighbour's probe sequence. In the words the last bytes of an address, where neighbours
 * differ, are the top bits, which a product alone would not carry down: hence the shifts (the end is
 * MurmurHash3's 64-bit finaliser). */
PL_FN uint32_t neighbour_hash(uint64_t a0, uint64_t a1, uint32_t port)
{
	uint64_t h = (a0 ^ port) * 0x9e3779b97f4a7c15ul;

	h ^= h >> 32 ^ a1;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdul;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ul;
	return (uint32_t)(h >> 32);
}

/* Next hop index of the neighbour `addr` (wire order) on `port`, as struct neighbour has them; 0 if
 * there is none. */
PL_FN uint32_t neighbour_lookup(const struct tables_view *view, uint64_t a0, uint64_t a1,
				uint32_t port)
{
	uint64_t table = PL_LOAD64(&view->head->neighbours);
	PL_G const struct neighbour *slots = view->neighbours + NEIGHBOURS_FIRST(table);
	uint32_t i = neighbour_hash(a0, a1, port);

	for (;; i++) {
		PL_G const struct neighbour *n = slots + (i & NEIGHBOURS_MASK(table));
		uint32_t nexthop = PL_LOAD32(&n->nexthop);

		if (nexthop == NEIGHBOUR_FREE)
			return 0;
		if (nexthop != NEIGHBOUR_GONE && PL_LOAD64(&n->addr[0]) == a0 &&
		    PL_LOAD64(&n->addr[1]) == a1 && PL_LOAD32(&n->port) == port)
			return nexthop;
	}
}

#endif
