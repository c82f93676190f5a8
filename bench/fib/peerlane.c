/* SPDX-License-Identifier: BSD-2-Clause */
/* Peerlane's tables as contestants. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/tables/tables.h"
#include "../net/options.h"
#include "fib.h"

static void no_reader(void)
{
}

static void *create(const struct table_routes *routes, bool lasting)
{
	struct tables *t = tables_new(no_reader, 0);
	struct nexthop_spec spec = {.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = 1};
	uint32_t index = 0;

	(void)lasting;
	for (uint32_t i = 1; t && i <= routes->n_nexthops; i++) {
		spec.dmac[4] = (uint8_t)(i >> 8);
		spec.dmac[5] = (uint8_t)i;
		if (tables_nexthop_new(t, &spec, &index) || index != i)
			die("Peerlane: no next hop %u", i);
	}
	return t;
}

static void destroy(void *table)
{
	tables_free(table);
}

static int add(void *table, const struct prefix *p, uint32_t nexthop)
{
	return tables_route_set(table, p, nexthop);
}

static int del(void *table, const struct prefix *p)
{
	return tables_route_del(table, p);
}

static void settle(void *table)
{
	tables_settle(table);
}

/* Of one family: the tables hold both, and the other one has nothing but its roots. */
static size_t bytes(const void *table, const struct table_routes *routes)
{
	struct tables_stats stats;

	tables_stats(table, &stats);
	if (routes->family == AF_INET)
		return stats.image_bytes -
		       (TRIE6_GLOBAL_ROOT + TRIE6_OTHER_ROOT) * sizeof(uint32_t);
	return stats.image_bytes - TRIE4_ROOT * sizeof(uint32_t);
}

static const void *memory4(const void *table)
{
	return tables_view(table)->root4;
}

static const void *memory6(const void *table)
{
	return tables_view(table)->root6_global;
}

static const struct table_kind kind4 = {"Peerlane", create, destroy, add,
					del,	    settle, bytes,   memory4};
static const struct table_kind kind6 = {"Peerlane", create, destroy, add,
					del,	    settle, bytes,   memory6};

uint32_t peerlane_reference(const void *table, uint8_t family, const struct keys *keys, uint32_t i)
{
	struct ip_addr a = {.family = family};
	struct prefix matched;
	uint32_t nexthop, v4;

	if (family == AF_INET) {
		v4 = __builtin_bswap32(keys->v4[i]);
		memcpy(a.bytes, &v4, sizeof(v4));
	} else {
		memcpy(a.bytes, keys->v6[i], sizeof(a.bytes));
	}
	return tables_route_match(table, &a, &matched, &nexthop) ? 0 : nexthop;
}

static void lookup4(const void *table, int variant, const struct keys *keys, uint32_t first,
		    unsigned n, union results *results)
{
	const struct tables_view *view = tables_view(table);

	(void)variant;
	for (unsigned i = 0; i < n; i++)
		results->u32[i] = route4_lookup(view, keys->v4[first + i]);
}

static void lookup6(const void *table, int variant, const struct keys *keys, uint32_t first,
		    unsigned n, union results *results)
{
	const struct tables_view *view = tables_view(table);

	(void)variant;
	for (unsigned i = 0; i < n; i++) {
		uint64_t word[2];

		memcpy(word, keys->v6[first + i], sizeof(word));
		results->u32[i] = route6_lookup(view, be64toh(word[0]), be64toh(word[1]));
	}
}

static void answers(const union results *results, unsigned n, uint32_t *out)
{
	memcpy(out, results->u32, n * sizeof(*out));
}

static const struct contestant_kind contestants4[] = {
	{"Peerlane plain C", &kind4, 0, NULL, lookup4, answers},
	{0},
};

static const struct contestant_kind contestants6[] = {
	{"Peerlane plain C", &kind6, 0, NULL, lookup6, answers},
	{0},
};

const struct contestant_kind *peerlane_contestants(uint8_t family)
{
	return family == AF_INET ? contestants4 : contestants6;
}
