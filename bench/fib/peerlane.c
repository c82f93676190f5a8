/* SPDX-License-Identifier: BSD-2-Clause */
/* Peerlane's tables as contestants. */
#include <stdlib.h>
#include <string.h>

#include "../../router/tables/log.h"
#include "../../router/tables/lookup.h"
#include "../../router/tables/tables.h"
#include "../net/options.h"
#include "fib.h"

#define LOG_BYTES ((size_t)64 << 20) /* more than a batch of changes takes */

struct ours {
	struct tables *tables;
	struct tables_copy *copy; /* that throws away what it is told; NULL: none */
};

static void no_reader(void)
{
}

static void *create(const struct table_routes *routes, bool lasting)
{
	struct nexthop_spec spec = {.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = 1};
	struct ours *o = calloc(1, sizeof(*o));
	uint32_t index = 0;

	(void)lasting;
	if (!o || !(o->tables = tables_new(no_reader, 0)))
		die("Peerlane: no memory for tables");
	for (uint32_t i = 1; i <= routes->n_nexthops; i++) {
		spec.dmac[4] = (uint8_t)(i >> 8);
		spec.dmac[5] = (uint8_t)i;
		if (tables_nexthop_new(o->tables, &spec, &index) || index != i)
			die("Peerlane: no next hop %u", i);
	}
	return o;
}

static void destroy(void *table)
{
	struct ours *o = table;

	if (o->copy)
		tables_copy_free(o->copy);
	tables_free(o->tables);
	free(o);
}

static int add(void *table, const struct prefix *p, uint32_t nexthop)
{
	return tables_route_set(((struct ours *)table)->tables, p, nexthop);
}

static int del(void *table, const struct prefix *p)
{
	return tables_route_del(((struct ours *)table)->tables, p);
}

/* With a copy: as its thread would, since the tables wait for it before they use things again. */
static void settle(void *table)
{
	struct tables_change change;
	struct ours *o = table;

	if (o->copy) {
		while (tables_copy_next(o->copy, &change) > 0)
			;
		tables_copy_done(o->copy, tables_copy_position(o->copy));
	}
	tables_settle(o->tables);
}

static const struct tables_view *view_of(const void *table)
{
	return tables_view(((const struct ours *)table)->tables);
}

static int put_nowhere(void *ctx, enum tables_section section, const void *image, size_t length)
{
	(void)ctx;
	(void)section;
	(void)image;
	(void)length;
	return 0;
}

static void watch(void *table)
{
	struct ours *o = table;

	o->copy = tables_copy_new(o->tables, LOG_BYTES, NULL, NULL);
	if (!o->copy || tables_copy_fill(o->copy, put_nowhere, NULL))
		die("Peerlane: no memory for a log of changes");
}

static uint64_t written(const void *table)
{
	struct tables_copy_stats stats;

	tables_copy_stats(((const struct ours *)table)->copy, &stats);
	if (stats.losses)
		die("Peerlane: a batch of changes is too large for the log");
	return stats.bytes;
}

/* Of one family: the tables hold both, and the other one has nothing but its roots. */
static size_t bytes(const void *table, const struct table_routes *routes)
{
	struct tables_stats stats;

	tables_stats(((const struct ours *)table)->tables, &stats);
	if (routes->family == AF_INET)
		return stats.image_bytes -
		       (TRIE6_GLOBAL_ROOT + TRIE6_OTHER_ROOT) * sizeof(uint32_t);
	return stats.image_bytes - TRIE4_ROOT * sizeof(uint32_t);
}

static const void *memory4(const void *table)
{
	return view_of(table)->root4;
}

static const void *memory6(const void *table)
{
	return view_of(table)->root6_global;
}

static const struct table_kind kind4 = {
	.name = "Peerlane",
	.create = create,
	.destroy = destroy,
	.add = add,
	.del = del,
	.settle = settle,
	.bytes = bytes,
	.memory = memory4,
	.watch = watch,
	.written = written,
};

static const struct table_kind kind6 = {
	.name = "Peerlane",
	.create = create,
	.destroy = destroy,
	.add = add,
	.del = del,
	.settle = settle,
	.bytes = bytes,
	.memory = memory6,
	.watch = watch,
	.written = written,
};

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
	return tables_route_match(((const struct ours *)table)->tables, &a, &matched, &nexthop)
		       ? 0
		       : nexthop;
}

static bool choose(void *table, int variant)
{
	(void)table;
	return lookup_for((enum cpu_isa)variant);
}

static void lookup4(const void *table, int variant, const struct keys *keys, uint32_t first,
		    unsigned n, union results *results)
{
	lookup_for((enum cpu_isa)variant)->ipv4(view_of(table), keys->v4 + first, results->u32, n);
}

static void lookup6(const void *table, int variant, const struct keys *keys, uint32_t first,
		    unsigned n, union results *results)
{
	lookup_for((enum cpu_isa)variant)->ipv6(view_of(table), keys->v6 + first, results->u32, n);
}

static void answers(const union results *results, unsigned n, uint32_t *out)
{
	memcpy(out, results->u32, n * sizeof(*out));
}

static const struct contestant_kind contestants4[] = {
	{"Peerlane plain C", &kind4, CPU_ISA_PLAIN, choose, lookup4, answers},
	{"Peerlane AVX2", &kind4, CPU_ISA_AVX2, choose, lookup4, answers},
	{"Peerlane AVX-512", &kind4, CPU_ISA_AVX512, choose, lookup4, answers},
	{0},
};

static const struct contestant_kind contestants6[] = {
	{"Peerlane plain C", &kind6, CPU_ISA_PLAIN, choose, lookup6, answers},
	{"Peerlane AVX2", &kind6, CPU_ISA_AVX2, choose, lookup6, answers},
	{"Peerlane AVX-512", &kind6, CPU_ISA_AVX512, choose, lookup6, answers},
	{0},
};

const struct contestant_kind *peerlane_contestants(uint8_t family)
{
	return family == AF_INET ? contestants4 : contestants6;
}
