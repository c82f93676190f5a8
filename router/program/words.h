/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames as aligned words, and verdicts: the ground the packet program stands on.
 *
 * A frame's first byte lies 2 modulo 16, so every offset below that is 2 modulo 4 (modulo 8) is a
 * naturally aligned 32-bit (64-bit) word: GPUs fault on others. Words are little-endian; what is
 * called "wire order" has the wire's first byte lowest. */
#ifndef PEERLANE_PROGRAM_WORDS_H
#define PEERLANE_PROGRAM_WORDS_H

#include "reasons.h"
#include <peerlane/lang.h>

/* Offsets of words from a frame's first byte. Those that are 14 modulo 16 begin 16 aligned bytes. */
#define AT_DMAC (-2) /* 64 bits: two bytes of headroom, then the destination MAC */
#define AT_SMAC 6    /* 64 bits: source MAC, then the Ethernet type */
#define AT_IP 14

#define ETHER_LEN 14u
#define IPV4_LEN 20u
#define IPV6_LEN 40u

/* Ethernet types in wire order, as they lie in bits 48-63 of the word at AT_SMAC. */
#define ETHER_IPV4 0x0008u
#define ETHER_IPV6 0xdd86u
#define ETHER_ARP 0x0608u
#define ETHER_VLAN 0x0081u	   /* 802.1Q */
#define ETHER_QINQ 0xa888u	   /* 802.1ad */
#define ETHER_GROUP_BIT (1u << 16) /* of the word at AT_DMAC: I/G bit of the MAC's first byte */

/* As in peerlane/burst.h, which not all of the compilers can read; cpu.c asserts that they agree. */
#define VERDICT_TX(port) ((uint32_t)(port)&0xff)
#define VERDICT_PUNT(reason) (1u << 8 | (uint32_t)(reason))
#define VERDICT_DROP(reason) (2u << 8 | (uint32_t)(reason))
#define VERDICT_NONE 0xffffffffu /* not settled yet: the packet goes on to the next step */

PL_FN uint32_t frame32(PL_G const uint8_t *frame, int at)
{
	return *(PL_G const uint32_t *)(frame + at);
}

PL_FN uint64_t frame64(PL_G const uint8_t *frame, int at)
{
	return *(PL_G const uint64_t *)(frame + at);
}

PL_FN void frame32_set(PL_G uint8_t *frame, int at, uint32_t word)
{
	*(PL_G uint32_t *)(frame + at) = word;
}

/* Sets the words at `at` and `at` + 8; `at` is 14 modulo 16. */
PL_FN void frame_pair_set(PL_G uint8_t *frame, int at, uint64_t first, uint64_t second)
{
	PL_PAIR_SET(frame + at, first, second);
}

/* What the program looks at of a frame, from AT_DMAC to 62 bytes after its first: read once, since a
 * device that shares the host's memory goes there each time. */
struct header {
	uint64_t word[8];
};

PL_FN struct header header_of(PL_G const uint8_t *frame)
{
	PL_G const pl_pair *pairs = (PL_G const pl_pair *)(frame + AT_DMAC);
	struct header header;
	int i;

	for (i = 0; i < 4; i++) {
		pl_pair pair = pairs[i];

		header.word[2 * i] = pair.x;
		header.word[2 * i + 1] = pair.y;
	}
	return header;
}

PL_FN uint64_t header64(const struct header *header, int at)
{
	return header->word[(at - AT_DMAC) / 8];
}

PL_FN uint32_t header32(const struct header *header, int at)
{
	return (uint32_t)(header->word[(at - AT_DMAC) / 8] >> (at - AT_DMAC) % 8 * 8);
}

PL_FN uint32_t swap16(uint32_t x)
{
	return (x >> 8 & 0xff) | (x & 0xff) << 8;
}

PL_FN uint32_t swap32(uint32_t x)
{
	return swap16(x) << 16 | swap16(x >> 16);
}

PL_FN uint64_t swap64(uint64_t x)
{
	return (uint64_t)swap32((uint32_t)x) << 32 | swap32((uint32_t)(x >> 32));
}

#endif
