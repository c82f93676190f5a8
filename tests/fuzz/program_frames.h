/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames for fuzz_program.c: made field by field of an input, and random relatives of them. */
#ifndef TESTS_FUZZ_PROGRAM_FRAMES_H
#define TESTS_FUZZ_PROGRAM_FRAMES_H

#include "../reference/twin.h"
#include "fuzz.h"

/* Long enough for every MTU of Ethernet that is usual and some more. */
#define MADE_FRAME_MAX 1700u

struct made_frame {
	uint16_t len;
	uint16_t skip; /* see twin_frame */
	uint8_t bytes[MADE_FRAME_MAX];
};

/* An address of 4 or 16 bytes: one at the edge of a range that the RFCs know, one in, at the end of
 * or beside a route, a neighbour's, or four or sixteen bytes of the input. */
struct ref_addr frames_address(const struct twin *twin, unsigned n_bytes, struct fuzz_input *in);

/* A frame that would be forwarded, but for those fields that the input sets otherwise. */
void frames_ipv4(const struct twin *twin, struct fuzz_input *in, struct made_frame *f);
void frames_ipv6(const struct twin *twin, struct fuzz_input *in, struct made_frame *f);

/* As many bytes as the input says, of the input. */
void frames_raw(struct fuzz_input *in, struct made_frame *f);

/* The next number of a sequence. */
uint32_t frames_random(uint64_t *seed);

/* Changes up to three things of a frame; an IPv4 checksum mostly stays right. */
void frames_vary(const struct twin *twin, uint64_t *seed, struct made_frame *f);

#endif
