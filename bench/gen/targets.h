/* SPDX-License-Identifier: BSD-2-Clause */
/* Where frames go to: addresses, prefixes, ranges, files of them. */
#ifndef GEN_TARGETS_H
#define GEN_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>

/* Addresses that follow each other: a range; or a prefix, of which host_bits vary. */
struct gen_target {
	uint8_t family;
	uint8_t host_bits;
	uint64_t range; /* how many from `first` on; 0: by host_bits */
	uint8_t first[16];
};

struct gen_targets {
	struct gen_target *list;
	uint32_t n, room;
};

/* SplitMix64: the same from the same seed, everywhere. */
static inline uint64_t gen_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Adds "192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9" or the same of IPv6, or what a file of that name has
 * line by line ("#" starts a comment). What can be no destination of a forwarded packet (multicast, loopback
 * and the like) is left out of files, and refused otherwise. Returns 0 or -errno with `err` filled. */
int gen_targets_add(struct gen_targets *targets, const char *text, struct pl_error *err);

/* Moves those of a family to `to`. Returns 0 or -ENOMEM with `err` filled. */
int gen_targets_move(struct gen_targets *to, struct gen_targets *from, uint8_t family,
		     struct pl_error *err);

/* Removes those of a family. */
void gen_targets_drop(struct gen_targets *targets, uint8_t family);
bool gen_targets_has(const struct gen_targets *targets, uint8_t family);

/* The address for the i-th of n flows: from each target in turn, or where there are more of them than flows
 * from one at random; within it at random, but nothing that no router forwards to, and of IPv4 prefixes never the first
 * or the last address, which may be a network's and its broadcast. */
void gen_targets_draw(const struct gen_targets *targets, uint32_t i, uint32_t n, uint64_t *random,
		      uint8_t *family, uint8_t address[16]);

void gen_targets_fini(struct gen_targets *targets);

#endif
