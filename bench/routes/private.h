/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of bench/routes share. */
#ifndef BENCH_ROUTES_PRIVATE_H
#define BENCH_ROUTES_PRIVATE_H

#include "routes.h"

typedef unsigned __int128 addr128; /* an address, first bit on top; IPv4 in the top 32 bits */

static inline addr128 prefix_number(const struct prefix *p)
{
	addr128 a = 0;
	unsigned i;

	for (i = 0; i < 16; i++)
		a = a << 8 | p->bytes[i];
	return a;
}

/* splitmix64. */
static inline uint64_t random64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Below `n`. */
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((random64(state) >> 32) * n >> 32);
}

/* By address, then length. */
int prefix_compare(const void *a, const void *b);

/* ---- the model: what a table is like, as the generator knows it ----
 *
 * A binary trie of routes. Its *leaves* are the routes that cover no other one, and a node *has* the
 * leaves at and below it. One that has 2^i and no other routes below it may be *full*: the leaves
 * are all of the ranges i bits longer, side by side. From the top down, a node
 *
 *   - that has 2^i leaves, is full or not;
 *   - unless it is itself the leaf, is a *cover*, a route too, or not;
 *   - unless it is full, shares its leaves out to its two halves, the smaller of which gets none, few,
 *     or up to the half.
 *
 * Each of these depends on the depth and on how many leaves the node has; whether it is a cover, also
 * on whether a cover is above it. How often each outcome occurred in a real table is the number of
 * balls that an urn begins with. The generator draws them without putting them back: where it comes
 * to the same nodes as often, it gets the same number of each. */

#define MODEL_SIZES 22u /* see model_size() */
#define MODEL_FULLS 13u /* 2^0 to 2^12 leaves */
#define MODEL_SHARES 8u /* see model_share() */

struct model_urn {
	uint32_t yes, no;
};

/* The nodes of one depth. */
struct model_depth {
	uint32_t most; /* leaves that one has */
	struct model_urn full[MODEL_FULLS];
	struct model_urn cover[2][MODEL_SIZES];	     /* not full; [1]: with a cover above */
	struct model_urn cover_full[2][MODEL_FULLS]; /* full */
	uint32_t share[MODEL_SIZES][MODEL_SHARES];
};

/* A large range of addresses, for IPv4 what IANA hands out, and how many leaves are in it. Where the
 * table has none, none are made. */
struct model_block {
	uint32_t bits; /* the first `block_len` */
	uint32_t leaves;
};

/* Few routes are longer than `usual_len`. Those are no part of all this: they are scattered, some at
 * each of `long_at.yes` routes of the usual length. */
struct model {
	uint8_t family, block_len, usual_len;
	uint8_t longer[2];  /* their lengths, by turns */
	uint8_t sample_len; /* a neighbourhood's */
	uint32_t routes;    /* all */
	uint32_t n_longer;
	struct model_urn long_at;
	uint32_t n_blocks;
	const struct model_block *blocks;
	const struct model_depth *depths; /* from block_len to usual_len */
};

extern const struct model model_ipv4, model_ipv6;

#define MODEL_DEPTHS_MAX 64u

/* The class of a number of leaves: 1 to 8 by themselves, then up to 12, 16, 24, 32, 48... */
static inline unsigned model_size(uint32_t n)
{
	static const uint16_t last[MODEL_SIZES - 1] = {
		1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 4096};
	unsigned size = 0;

	while (size < MODEL_SIZES - 1 && n > last[size])
		size++;
	return size;
}

/* i if `n` is 2^i, else MODEL_FULLS. */
static inline unsigned model_full(uint32_t n)
{
	return n & (n - 1) ? MODEL_FULLS : (unsigned)__builtin_ctz(n | 1u << MODEL_FULLS);
}

/* The largest smaller half of `n` that belongs to a class of shares. Each has its own up to 8; of
 * more than that: none, one, up to an eighth, a quarter, three eighths, seven 16ths; less than the
 * half; the half. */
static inline uint32_t model_share(uint32_t n, unsigned share)
{
	static const uint8_t parts[MODEL_SHARES - 2] = {0, 0, 2, 4, 6, 7};

	if (n <= 8)
		return share < n / 2 ? share : n / 2;
	if (share < 2)
		return share;
	if (share >= MODEL_SHARES - 2)
		return share == MODEL_SHARES - 2 ? (n - 1) / 2 : n / 2;
	return (uint32_t)((uint64_t)n * parts[share] / 16);
}

/* Prints model.c for a table. Returns 0 or -ENOMEM. */
int model_print(const struct routes *r);

#endif
