/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the tables share: random numbers, addresses as numbers, an image checker. */
#ifndef PEERLANE_TESTS_TABLES_HELP_H
#define PEERLANE_TESTS_TABLES_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../router/tables/shadow.h"
#include "../../router/tables/tables.h"

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

typedef unsigned __int128 addr128; /* an address, first bit on top; IPv4 in the top 32 bits */

/* splitmix64. */
static inline uint64_t random64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline unsigned random_below(uint64_t *state, unsigned n)
{
	return (unsigned)(random64(state) >> 32) % n;
}

static inline unsigned family_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

static inline addr128 to_number(const uint8_t bytes[16])
{
	addr128 a = 0;
	unsigned i;

	for (i = 0; i < 16; i++)
		a = a << 8 | bytes[i];
	return a;
}

static inline struct ip_addr to_addr(uint8_t family, addr128 a)
{
	struct ip_addr addr = {.family = family};
	unsigned i;

	for (i = 0; i < family_bits(family) / 8; i++)
		addr.bytes[i] = (uint8_t)(a >> (120 - 8 * i));
	return addr;
}

/* The bits behind the first `len`. */
static inline addr128 host_bits(unsigned len)
{
	return len == 128 ? 0 : ~(addr128)0 >> len;
}

static inline struct prefix to_prefix(uint8_t family, addr128 a, unsigned len)
{
	struct ip_addr addr = to_addr(family, a & ~host_bits(len));
	struct prefix p = {.family = family, .len = (uint8_t)len};

	memcpy(p.bytes, addr.bytes, 16);
	return p;
}

static inline struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static inline struct ip_addr addr_of(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(text, &a), 0);
	return a;
}

/* Nodes in use, the root counted. */
static inline uint32_t shadow_nodes(const struct shadow *s)
{
	uint32_t n = s->top, i;

	for (i = s->free; i != SHADOW_NONE; i = (uint32_t)s->nodes[i].has[0])
		n--;
	return n;
}

/* Makes `n` next hops, numbered as they come: 1, 2, ... in a new table. */
static inline void make_nexthops(struct tables *t, unsigned n)
{
	struct nexthop_spec spec = {.kind = NEXTHOP_FORWARD};
	uint32_t index;
	unsigned i;

	for (i = 1; i <= n; i++) {
		spec.port = (uint8_t)i; /* as many as ports can be */
		assert_int_equal(tables_nexthop_new(t, &spec, &index), 0);
		assert_int_equal(index, i);
	}
}

static inline struct tables_stats stats_of(const struct tables *t)
{
	struct tables_stats stats;

	tables_stats(t, &stats);
	return stats;
}

#endif
