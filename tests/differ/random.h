/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that a seed and a frame's number determine. */
#ifndef TESTS_DIFFER_RANDOM_H
#define TESTS_DIFFER_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15ul; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}

static inline struct rng rng_of(uint64_t seed, uint64_t number)
{
	struct rng rng = {seed * 0x9e3779b97f4a7c15ul ^ number << 1};

	rng.state = rng_next(&rng);
	return rng;
}

/* 0 to n - 1 */
static inline unsigned rnd(struct rng *rng, unsigned n)
{
	return (unsigned)((rng_next(rng) >> 32) * n >> 32);
}

static inline bool one_in(struct rng *rng, unsigned n)
{
	return rnd(rng, n) == 0;
}

static inline unsigned pick_of(struct rng *rng, const uint8_t *list, unsigned n)
{
	return list[rnd(rng, n)];
}
#define PICK(rng, ...) \
	pick_of(rng, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

#endif
