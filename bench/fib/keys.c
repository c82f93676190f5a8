/* SPDX-License-Identifier: BSD-2-Clause */
/* The addresses that are looked up. */
#include <endian.h>
#include <string.h>

#include "fib.h"

#define N_FLOWS 64u
/* Of a sweep, before it goes on elsewhere: so that not one place in the table decides. */
#define SWEEP 4096u

const char *const pattern_names[PATTERNS] = {
	[UNIFORM] = "uniform",
	[IN_PREFIX] = "in-prefix",
	[FLOWS] = "64 flows",
	[SEQUENTIAL] = "sequential",
};

/* Host order; IPv4 in the upper half of `hi`. */
struct address {
	uint64_t hi, lo;
};

static struct address random_address(uint64_t *state)
{
	struct address a;

	a.hi = random64(state);
	a.lo = random64(state);
	return a;
}

/* All of IPv4; all of 2000::/3, which is what is handed out of IPv6. */
static struct address uniform(uint8_t family, uint64_t *state)
{
	struct address a = random_address(state);

	if (family == AF_INET6)
		a.hi = a.hi >> 3 | 1ull << 61;
	return a;
}

/* A random route, and random bits behind its prefix. */
static struct address in_prefix(const struct table_routes *routes, uint64_t *state)
{
	const struct prefix *p = &routes->sorted[random_below(state, routes->n)].prefix;
	struct address a = random_address(state);
	uint64_t word[2];

	memcpy(word, p->bytes, sizeof(word));
	if (p->len < 64)
		a.hi &= ~0ull >> p->len;
	else
		a.hi = 0;
	if (p->len > 64)
		a.lo &= p->len < 128 ? ~0ull >> (p->len - 64) : 0;
	a.hi |= be64toh(word[0]);
	a.lo |= be64toh(word[1]);
	return a;
}

static struct address plus_one(struct address a, uint8_t family)
{
	if (family == AF_INET) {
		a.hi += 1ull << 32;
	} else {
		a.lo++;
		a.hi += a.lo == 0;
	}
	return a;
}

static void put(struct keys *k, uint32_t i, struct address a)
{
	uint64_t word[2] = {htobe64(a.hi), htobe64(a.lo)};

	if (k->v4) {
		k->v4[i] = (uint32_t)(a.hi >> 32);
		return;
	}
	memcpy(k->v6[i], word, sizeof(word));
}

void keys_make(struct keys *k, enum pattern pattern, const struct table_routes *routes, uint32_t n,
	       uint64_t seed)
{
	struct address flows[N_FLOWS], a = {0};
	uint64_t state = seed + pattern;

	*k = (struct keys){.n = n};
	if (routes->family == AF_INET)
		k->v4 = pages_new(n * sizeof(*k->v4));
	else
		k->v6 = pages_new(n * sizeof(*k->v6));
	for (uint32_t i = 0; i < N_FLOWS; i++)
		flows[i] = in_prefix(routes, &state);
	for (uint32_t i = 0; i < n; i++) {
		if (pattern == UNIFORM)
			a = uniform(routes->family, &state);
		else if (pattern == FLOWS)
			a = flows[random_below(&state, N_FLOWS)];
		else if (pattern == IN_PREFIX || i % SWEEP == 0)
			a = in_prefix(routes, &state);
		else
			a = plus_one(a, routes->family);
		put(k, i, a);
	}
}

void keys_free(struct keys *k)
{
	pages_free(k->v4, k->n * sizeof(*k->v4));
	pages_free(k->v6, k->n * sizeof(*k->v6));
}
