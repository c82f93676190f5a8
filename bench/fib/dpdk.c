/* SPDX-License-Identifier: BSD-2-Clause */
/* DPDK's tables as contestants: rte_fib (DIR-24-8), rte_fib6 (trie), rte_lpm, rte_lpm6.
 *
 * All keep a record of the routes beside the table, as Peerlane does: rte_fib and rte_fib6 in an
 * rte_rib, rte_lpm in sorted arrays, rte_lpm6 in a hash table. Their memory comes from DPDK's heap,
 * which is reserved at the start, on 2 MiB pages if the system grants them. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include <rte_lpm6.h>
#include <rte_memory.h>
#include <rte_version.h>

#include "../net/options.h"
#include "fib.h"

#define TBL24 ((size_t)1 << 24) /* entries of the first level of all of them */
#define BLOCK 256u
#define RECORD_BYTES ((size_t)1024)

/* Beyond what the routes need: what a table frees may come back late. */
#define BLOCKS_SPARE 64u

static uint32_t ipv4(const struct prefix *p)
{
	uint32_t word;

	memcpy(&word, p->bytes, sizeof(word));
	return be32toh(word);
}

/* The first level and the blocks that the routes need, of which more may be reserved. */
static size_t table_bytes(const struct table_routes *routes, size_t entry_bytes)
{
	return (TBL24 + (size_t)routes->blocks * BLOCK) * entry_bytes;
}

static void *created(void *table, const char *name)
{
	if (!table)
		fprintf(stderr, "%s: %s\n", name, rte_strerror(rte_errno));
	return table;
}

/* ---- rte_fib ---- */

static void *fib_create(const struct table_routes *routes, enum rte_fib_dir24_8_nh_sz size,
			const char *name)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.max_routes = (int)routes->n,
		.dir24_8 = {.nh_sz = size, .num_tbl8 = routes->blocks + BLOCKS_SPARE},
	};

	return created(rte_fib_create(name, SOCKET_ID_ANY, &conf), name);
}

static void *fib2_create(const struct table_routes *routes, bool lasting)
{
	(void)lasting;
	return fib_create(routes, RTE_FIB_DIR24_8_2B, "fib2");
}

static void *fib4_create(const struct table_routes *routes, bool lasting)
{
	(void)lasting;
	return fib_create(routes, RTE_FIB_DIR24_8_4B, "fib4");
}

static void fib_destroy(void *table)
{
	rte_fib_free(table);
}

static int fib_add(void *table, const struct prefix *p, uint32_t nexthop)
{
	return rte_fib_add(table, ipv4(p), p->len, nexthop);
}

static int fib_del(void *table, const struct prefix *p)
{
	return rte_fib_delete(table, ipv4(p), p->len);
}

static size_t bytes2(const void *table, const struct table_routes *routes)
{
	(void)table;
	return table_bytes(routes, 2);
}

static size_t bytes4(const void *table, const struct table_routes *routes)
{
	(void)table;
	return table_bytes(routes, 4);
}

static const void *fib_memory(const void *table)
{
	return rte_fib_get_dp((struct rte_fib *)table);
}

static bool fib_choose(void *table, int variant)
{
	return !rte_fib_select_lookup(table, (enum rte_fib_lookup_type)variant);
}

static void fib_lookup(const void *table, int variant, const struct keys *keys, uint32_t first,
		       unsigned n, union results *results)
{
	(void)variant;
	rte_fib_lookup_bulk((struct rte_fib *)table, keys->v4 + first, results->u64, (int)n);
}

/* A miss answers the default next hop, which is 0. */
static void answers64(const union results *results, unsigned n, uint32_t *answers)
{
	for (unsigned i = 0; i < n; i++)
		answers[i] = (uint32_t)results->u64[i];
}

static const struct table_kind fib2 = {
	.name = "rte_fib 2-byte",
	.create = fib2_create,
	.destroy = fib_destroy,
	.add = fib_add,
	.del = fib_del,
	.bytes = bytes2,
	.memory = fib_memory,
};

static const struct table_kind fib4 = {
	.name = "rte_fib 4-byte",
	.create = fib4_create,
	.destroy = fib_destroy,
	.add = fib_add,
	.del = fib_del,
	.bytes = bytes4,
	.memory = fib_memory,
};

/* ---- rte_lpm ---- */

static void *lpm_create(const struct table_routes *routes, bool lasting)
{
	(void)lasting;
	struct rte_lpm_config conf = {
		.max_rules = routes->n,
		.number_tbl8s = routes->blocks + BLOCKS_SPARE,
	};

	return created(rte_lpm_create("lpm", SOCKET_ID_ANY, &conf), "lpm");
}

static void lpm_destroy(void *table)
{
	rte_lpm_free(table);
}

static int lpm_add(void *table, const struct prefix *p, uint32_t nexthop)
{
	return rte_lpm_add(table, ipv4(p), p->len, nexthop);
}

static int lpm_del(void *table, const struct prefix *p)
{
	return rte_lpm_delete(table, ipv4(p), p->len);
}

static const void *itself(const void *table)
{
	return table;
}

static void lpm_lookup(const void *table, int variant, const struct keys *keys, uint32_t first,
		       unsigned n, union results *results)
{
	(void)variant;
	rte_lpm_lookup_bulk(table, keys->v4 + first, results->u32, n);
}

static void lpm_answers(const union results *results, unsigned n, uint32_t *answers)
{
	for (unsigned i = 0; i < n; i++)
		answers[i] = results->u32[i] & RTE_LPM_LOOKUP_SUCCESS ? results->u32[i] & 0xffffff
								      : 0;
}

static void lpm_lookupx4(const void *table, int variant, const struct keys *keys, uint32_t first,
			 unsigned n, union results *results)
{
	const uint32_t *key = keys->v4 + first;
	unsigned i;

	(void)variant;
	for (i = 0; i + 4 <= n; i += 4)
		rte_lpm_lookupx4(table, _mm_loadu_si128((const void *)(key + i)), results->u32 + i,
				 0);
	for (; i < n; i++)
		if (rte_lpm_lookup(table, key[i], &results->u32[i]))
			results->u32[i] = 0;
}

static void lpm_answersx4(const union results *results, unsigned n, uint32_t *answers)
{
	memcpy(answers, results->u32, n * sizeof(*answers));
}

static const struct table_kind lpm = {
	.name = "rte_lpm",
	.create = lpm_create,
	.destroy = lpm_destroy,
	.add = lpm_add,
	.del = lpm_del,
	.bytes = bytes4,
	.memory = itself,
};

/* ---- rte_fib6 ----
 *
 * Addresses are passed as void: they are arrays of bytes up to DPDK 24.07, structs of one later. */

/* rte_fib6 sets aside what a prefix could need by itself, and does not take it back when the prefix
 * goes (trie_modify()): so it must be made for many more blocks than it uses. With 2-byte entries
 * it can number 2^15 - 1, which a full table's prefixes ask for many times over. */
static void *fib6_create(const struct table_routes *routes, enum rte_fib_trie_nh_sz size,
			 bool lasting, const char *name)
{
	uint32_t churned = lasting ? routes->blocks_churned : 0;
	struct rte_fib6_conf conf = {
		.type = RTE_FIB6_TRIE,
		.max_routes = (int)routes->n,
		.trie = {.nh_sz = size, .num_tbl8 = routes->blocks_apart + churned + BLOCKS_SPARE},
	};

	return created(rte_fib6_create(name, SOCKET_ID_ANY, &conf), name);
}

static void *fib6_4_create(const struct table_routes *routes, bool lasting)
{
	return fib6_create(routes, RTE_FIB6_TRIE_4B, lasting, "fib6-4");
}

static void fib6_destroy(void *table)
{
	rte_fib6_free(table);
}

static int fib6_add(void *table, const struct prefix *p, uint32_t nexthop)
{
	return rte_fib6_add(table, (const void *)p->bytes, p->len, nexthop);
}

static int fib6_del(void *table, const struct prefix *p)
{
	return rte_fib6_delete(table, (const void *)p->bytes, p->len);
}

static const void *fib6_memory(const void *table)
{
	return rte_fib6_get_dp((struct rte_fib6 *)table);
}

static bool fib6_choose(void *table, int variant)
{
	return !rte_fib6_select_lookup(table, (enum rte_fib6_lookup_type)variant);
}

static void fib6_lookup(const void *table, int variant, const struct keys *keys, uint32_t first,
			unsigned n, union results *results)
{
	(void)variant;
	rte_fib6_lookup_bulk((struct rte_fib6 *)table, (void *)(keys->v6 + first), results->u64,
			     (int)n);
}

static const struct table_kind fib6_4 = {
	.name = "rte_fib6 4-byte",
	.create = fib6_4_create,
	.destroy = fib6_destroy,
	.add = fib6_add,
	.del = fib6_del,
	.bytes = bytes4,
	.memory = fib6_memory,
};

/* ---- rte_lpm6 ---- */

static void *lpm6_create(const struct table_routes *routes, bool lasting)
{
	(void)lasting;
	struct rte_lpm6_config conf = {
		.max_rules = routes->n,
		.number_tbl8s = routes->blocks + BLOCKS_SPARE,
	};

	return created(rte_lpm6_create("lpm6", SOCKET_ID_ANY, &conf), "lpm6");
}

static void lpm6_destroy(void *table)
{
	rte_lpm6_free(table);
}

static int lpm6_add(void *table, const struct prefix *p, uint32_t nexthop)
{
	return rte_lpm6_add(table, (const void *)p->bytes, p->len, nexthop);
}

static int lpm6_del(void *table, const struct prefix *p)
{
	return rte_lpm6_delete(table, (const void *)p->bytes, p->len);
}

static void lpm6_lookup(const void *table, int variant, const struct keys *keys, uint32_t first,
			unsigned n, union results *results)
{
	(void)variant;
	rte_lpm6_lookup_bulk_func(table, (void *)(keys->v6 + first), results->i32, n);
}

static void lpm6_answers(const union results *results, unsigned n, uint32_t *answers)
{
	for (unsigned i = 0; i < n; i++)
		answers[i] = results->i32[i] == -1 ? 0 : (uint32_t)results->i32[i];
}

static const struct table_kind lpm6 = {
	.name = "rte_lpm6",
	.create = lpm6_create,
	.destroy = lpm6_destroy,
	.add = lpm6_add,
	.del = lpm6_del,
	.bytes = bytes4,
	.memory = itself,
};

/* ---- all of them ---- */

/* The scalar one of rte_fib is what RTE_FIB_LOOKUP_DEFAULT stands for without AVX-512. */
static const struct contestant_kind contestants4[] = {
	{"rte_fib 2-byte scalar", &fib2, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO, fib_choose,
	 fib_lookup, answers64},
	{"rte_fib 2-byte AVX-512", &fib2, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512, fib_choose,
	 fib_lookup, answers64},
	{"rte_fib 4-byte scalar", &fib4, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO, fib_choose,
	 fib_lookup, answers64},
	{"rte_fib 4-byte AVX-512", &fib4, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512, fib_choose,
	 fib_lookup, answers64},
	{"rte_lpm bulk", &lpm, 0, NULL, lpm_lookup, lpm_answers},
	{"rte_lpm x4", &lpm, 0, NULL, lpm_lookupx4, lpm_answersx4},
	{0},
};

static const struct contestant_kind contestants6[] = {
	{"rte_fib6 4-byte scalar", &fib6_4, RTE_FIB6_LOOKUP_TRIE_SCALAR, fib6_choose, fib6_lookup,
	 answers64},
	{"rte_fib6 4-byte AVX-512", &fib6_4, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512, fib6_choose,
	 fib6_lookup, answers64},
	{"rte_lpm6 bulk", &lpm6, 0, NULL, lpm6_lookup, lpm6_answers},
	{0},
};

static bool started;

const struct contestant_kind *dpdk_contestants(uint8_t family)
{
	static const struct contestant_kind none[] = {{0}};

	if (!started)
		return none;
	return family == AF_INET ? contestants4 : contestants6;
}

/* ---- the environment ---- */

/* What all tables of a family take together. Their records of the routes were seen to take 790 bytes
 * a route in IPv4, most of it two rte_rib, and 490 in IPv6. */
static size_t heap_bytes(const struct table_routes *routes)
{
	size_t blocks = routes->blocks + BLOCKS_SPARE,
	       apart = (size_t)routes->blocks_apart + routes->blocks_churned;

	if (!routes->n)
		return 0;
	if (routes->family == AF_INET)
		return (TBL24 + blocks * BLOCK) * (2 + 4 + 4) + routes->n * RECORD_BYTES;
	return (2 * TBL24 + (blocks + apart) * BLOCK) * 4 + routes->n * RECORD_BYTES;
}

static int start(int core, size_t heap_mb, bool huge)
{
	char lcores[32], mb[32];
	char *argv[] = {"fib",
			"--no-pci",
			"--no-telemetry",
			"--in-memory",
			"--iova-mode=va",
			"--log-level=*:error",
			"--force-max-simd-bitwidth=512",
			"-m",
			mb,
			"--lcores",
			lcores,
			huge ? NULL : "--no-huge",
			NULL};

	snprintf(lcores, sizeof(lcores), "0@%d", core);
	snprintf(mb, sizeof(mb), "%zu", heap_mb);
	return rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - (huge ? 2 : 1), argv);
}

const char *dpdk_start(int core, const struct table_routes *v4, const struct table_routes *v6)
{
	size_t v4_bytes = heap_bytes(v4), v6_bytes = heap_bytes(v6);
	size_t mb = ((v4_bytes > v6_bytes ? v4_bytes : v6_bytes) >> 20) + 64;
	bool huge = pages_reserve((unsigned)(mb + 1) / 2);

	if (!huge)
		fprintf(stderr,
			"DPDK gets pages of 4 KiB, and is the slower for it: run as root, or "
			"reserve "
			"2 MiB pages:\n  sysctl vm.nr_hugepages=%zu\n",
			(mb + 1) / 2);
	started = start(core, (mb + 1) & ~(size_t)1, huge) >= 0;
	pages_unreserve();
	if (!started)
		die("DPDK does not start: %s\nsomebody may have taken its pages: try again; "
		    "without it: "
		    "--only Peerlane",
		    rte_strerror(rte_errno));
	return rte_version();
}
