/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of bench/fib share: routes, keys, tables, contestants, and what was measured.
 *
 * A *table* is something that routes are put into (Peerlane's tables, an rte_fib); a *contestant*
 * is one way to look addresses up in it (plain C, AVX-512). One thread does everything. */
#ifndef BENCH_FIB_FIB_H
#define BENCH_FIB_FIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "../../router/tables/prefix.h"

#define BULK_MAX 4096u
#define REPETITIONS_MAX 1001u
#define BUILDS_MAX 101u
#define TABLES_MAX 8u
#define CONTESTANTS_MAX 16u
#define CORE_ANY (~0ull)
#define NEXTHOPS_MAX 32767u /* what the peers' 2-byte entries hold */

struct options {
	const char *routes, *json, *only;
	unsigned long long n4, n6, family, nexthops, seed;
	unsigned long long keys, bulk, repetitions, ms, builds, churn, limit_s, core;
	bool correlated, quick, bars;
};

/* ---- routes ---- */

struct route {
	struct prefix prefix;
	uint32_t nexthop; /* 1 and up: 0 is what a miss answers */
};

/* The routes of one family. No two have the same prefix, none is the default route: the peers' LPM
 * tables cannot hold that. */
struct table_routes {
	uint8_t family;
	uint32_t n;
	uint32_t n_nexthops;
	struct route *sorted, *shuffled; /* the same routes, by address and in random order */
	/* Blocks of 256 entries that the prefixes need below 24 bits, 8 bits a level: peers' tables
	 * must be told when they are made. The same if no two prefixes had one in common; and how
	 * many more those prefixes would need that go and come back, if what goes left its blocks
	 * behind. */
	uint32_t blocks, blocks_apart, blocks_churned;
};

/* ---- keys ---- */

enum pattern { UNIFORM, IN_PREFIX, FLOWS, SEQUENTIAL, PATTERNS };
extern const char *const pattern_names[PATTERNS];

/* Addresses to look up, in the form that all APIs ask for. */
struct keys {
	uint32_t n;
	uint32_t *v4;	   /* host order; NULL: IPv6 */
	uint8_t (*v6)[16]; /* wire order */
};

/* ---- tables and contestants ---- */

struct table_kind {
	const char *name;
	/* `lasting`: for all the churn, too. Returns NULL if it cannot be made, and says why on
	 * stderr. */
	void *(*create)(const struct table_routes *routes, bool lasting);
	void (*destroy)(void *table);
	/* Inserts or replaces; removes. Return 0 or a negative number. */
	int (*add)(void *table, const struct prefix *p, uint32_t nexthop);
	int (*del)(void *table, const struct prefix *p);
	void (*settle)(void *table); /* after a batch of changes; NULL: nothing to do */
	/* Of what lookups read, for the routes that are in it. */
	size_t (*bytes)(const void *table, const struct table_routes *routes);
	const void *(*memory)(const void *table); /* an address in the root: to see its pages */
	/* Begins to count the bytes that are written to the image, which makes changes slower; and how
	 * many there were. NULL: it cannot. */
	void (*watch)(void *table);
	uint64_t (*written)(const void *table);
};

/* Room for a bulk's results, in whichever form the API has. */
union results {
	uint32_t u32[BULK_MAX];
	int32_t i32[BULK_MAX];
	uint64_t u64[BULK_MAX];
};

struct contestant_kind {
	const char *name;
	const struct table_kind *table;
	int variant; /* its number among those that share its functions */
	/* Before a series of lookups; NULL: nothing to do. Returns false if this processor or build
	 * cannot. */
	bool (*choose)(void *table, int variant);
	/* Looks keys `first` to `first + n - 1` up. */
	void (*lookup)(const void *table, int variant, const struct keys *keys, uint32_t first,
		       unsigned n, union results *results);
	/* The results as next hops, 0 for a miss. */
	void (*answers)(const union results *results, unsigned n, uint32_t *answers);
};

/* Lists that end with one without a name. */
const struct contestant_kind *peerlane_contestants(uint8_t family);
const struct contestant_kind *dpdk_contestants(uint8_t family);

/* Answers by the control thread's record of the routes, not by the image. `table` is Peerlane's. */
uint32_t peerlane_reference(const void *table, uint8_t family, const struct keys *keys, uint32_t i);

/* Starts DPDK, with memory for the tables of these routes (of either family there may be none), on
 * `core`. Before that it has no contestants. Returns its version, or why it is not there. */
const char *dpdk_start(int core, const struct table_routes *v4, const struct table_routes *v6);

/* ---- what was measured ---- */

/* Numbers of one kind, in the order they were measured. */
struct series {
	unsigned n;
	double at[REPETITIONS_MAX];
};

struct spread {
	double min, median, max;
};

struct spread series_spread(const struct series *s);

/* The spread of a / b, element by element. */
struct spread series_ratio(const struct series *a, const struct series *b);

/* Kinds of updates. The first two build the table from nothing. */
enum update { SORTED, SHUFFLED, CHURN, REPLACE, UPDATES };
extern const char *const update_names[UPDATES];

struct table {
	const struct table_kind *kind;
	void *table;
	struct series create_s;	     /* to make it, empty */
	struct series rate[UPDATES]; /* updates per second */
	double dirty[UPDATES];	     /* bytes written to the image per update; 0: not counted */
	bool sampled[UPDATES];	     /* not all routes: what the time limit allowed */
	size_t bytes;
	char pages[64];
};

struct contestant {
	const struct contestant_kind *kind;
	struct table *table;
	uint32_t passes[PATTERNS];    /* over the keys, per repetition */
	struct series mlps[PATTERNS]; /* million lookups per second */
};

/* One family's measurement. */
struct match {
	const struct options *options;
	struct table_routes routes;
	struct keys keys[PATTERNS];
	struct table tables[TABLES_MAX];
	unsigned n_tables;
	struct contestant contestants[CONTESTANTS_MAX];
	unsigned n_contestants;
	char pages_keys[64];
};

/* Where it was measured. */
struct setting {
	char date[32], cpu[128], kernel[65];
	const char *dpdk; /* its version, or why there is none */
	int core;
	int argc;
	char **argv;
};

/* ---- routes.c ---- */

struct routes;

/* Gives the routes of one family next hops and both orders. */
void table_routes_make(struct table_routes *t, const struct options *o, const struct routes *r,
		       uint8_t family);
void table_routes_free(struct table_routes *t);

/* ---- keys.c ---- */

void keys_make(struct keys *k, enum pattern pattern, const struct table_routes *routes, uint32_t n,
	       uint64_t seed);
void keys_free(struct keys *k);

/* ---- lookups.c, updates.c ---- */

/* Dies if any contestant's answer differs from another's, for any key. */
void match_compare(struct match *m);
void match_lookups(struct match *m);

/* Builds all tables, in turns, from nothing, and leaves them full. */
void match_builds(struct match *m);
void match_churn(struct match *m);

/* Counts the bytes that updates write to the images. */
void match_dirty(struct match *m);

/* ---- report.c ---- */

const char *family_name(uint8_t family);

/* Seconds to build the whole table from nothing in this order; 0: not known. */
double table_seconds(const struct match *m, const struct table *t, enum update u);

void report_setting(const struct setting *s);
void report_print(const struct match *m);

/* ---- bars.c ---- */

/* Prints each bar of the family and whether it is reached. */
void report_bars(const struct match *m);

/* Those for lookups, as plot.py wants them. */
json_t *bars_json(uint8_t family);

/* ---- json.c ---- */

/* Writes all that was measured to o->json, of the families that have routes. */
void report_json(const struct options *o, const struct setting *s, struct match *const matches[2]);

/* ---- memory.c ---- */

/* Memory on transparent huge pages where the system has them. Ends the program if there is none. */
void *pages_new(size_t bytes);
void pages_free(void *p, size_t bytes);

/* Says what pages lie behind an address. */
void pages_describe(const void *p, char text[64]);

/* Sees to it that so many 2 MiB pages are free until pages_unreserve(), which leaves them to
 * whoever has taken them. Returns false where that is not allowed. */
bool pages_reserve(unsigned n);
void pages_unreserve(void);

/* ---- random numbers ---- */

/* SplitMix64. */
static inline uint64_t random64(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Below `n`. */
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((random64(state) >> 32) * n >> 32);
}

#endif
