/* SPDX-License-Identifier: BSD-2-Clause */
/* Bulk lookup in every build against the lookup of one, over images of random entries: valid, but of
 * forms that a trie made of routes takes rarely. Keys and answers end where memory does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../router/tables/lookup.h"

#define N_MAX 1024u
#define BLOCKS 256u	/* of each kind */
#define TIER 19u	/* IPv6: blocks of a level; 13 levels, bytes 3 to 15 of an address */
#define MID_BLOCKS 128u /* wide blocks from here on are of the last level */
#define UNTOUCHED 0xdeadbeefu

static uint64_t random_state = 1;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 32) * below >> 32);
}

static uint32_t rnd32(void)
{
	return rnd(1u << 16) << 16 | rnd(1u << 16);
}

/* An image whose entries are other than next hops once in `of` (image_new()): the higher, the rarer are
 * long walks. */
struct image {
	struct tables_view view;
	uint32_t *root4, *wide4, *root6_global, *root6_other, *blocks6;
	uint16_t *mid4, *last4;
};

static void *words(size_t n, size_t size)
{
	void *p = calloc(n, size);

	assert_non_null(p);
	return p;
}

static uint32_t any_nexthop(void)
{
	return rnd(4) ? rnd(1000) : rnd(1u << 20);
}

static uint32_t entry4(bool root, uint32_t of)
{
	if (rnd(of))
		return any_nexthop();
	if (rnd(3))
		return TRIE_CHILD | rnd(BLOCKS);
	return TRIE_CHILD | TRIE_WIDE |
	       (root ? rnd(MID_BLOCKS) : MID_BLOCKS + rnd(BLOCKS - MID_BLOCKS));
}

/* Blocks of IPv6 lead to the next tier. */
static struct image *image_new(uint32_t of)
{
	struct image *m = words(1, sizeof(*m));

	m->root4 = words(TRIE4_ROOT, sizeof(uint32_t));
	m->mid4 = words(BLOCKS * TRIE_BLOCK, sizeof(uint16_t));
	m->last4 = words(BLOCKS * TRIE_BLOCK, sizeof(uint16_t));
	m->wide4 = words(BLOCKS * TRIE_BLOCK, sizeof(uint32_t));
	m->root6_global = words(TRIE6_GLOBAL_ROOT, sizeof(uint32_t));
	m->root6_other = words(TRIE6_OTHER_ROOT, sizeof(uint32_t));
	m->blocks6 = words(BLOCKS * TRIE_BLOCK, sizeof(uint32_t));
	for (uint32_t i = 0; i < TRIE4_ROOT; i++) {
		m->root4[i] = entry4(true, of);
		m->root6_other[i] = rnd(of) ? any_nexthop() : TRIE_CHILD | rnd(TIER);
	}
	for (uint32_t i = 0; i < TRIE6_GLOBAL_ROOT; i++)
		m->root6_global[i] = rnd(of) ? any_nexthop() : TRIE_CHILD | rnd(TIER);
	for (uint32_t i = 0; i < BLOCKS * TRIE_BLOCK; i++) {
		uint32_t block = i / TRIE_BLOCK, next = (block / TIER + 1) * TIER;

		m->mid4[i] = (uint16_t)(rnd(of) ? rnd(1u << 15) : NARROW_CHILD | rnd(BLOCKS));
		m->last4[i] = (uint16_t)rnd(1u << 15);
		m->wide4[i] = block < MID_BLOCKS ? entry4(false, of) : any_nexthop();
		m->blocks6[i] = next + TIER > BLOCKS || rnd(of) ? any_nexthop()
								: TRIE_CHILD | (next + rnd(TIER));
	}
	m->view = (struct tables_view){
		.root4 = m->root4,
		.mid4 = m->mid4,
		.last4 = m->last4,
		.wide4 = m->wide4,
		.root6_global = m->root6_global,
		.root6_other = m->root6_other,
		.blocks6 = m->blocks6,
	};
	return m;
}

static void image_free(struct image *m)
{
	free(m->root4);
	free(m->mid4);
	free(m->last4);
	free(m->wide4);
	free(m->root6_global);
	free(m->root6_other);
	free(m->blocks6);
	free(m);
}

/* Memory of `bytes` at least, whose end is returned; what lies behind it cannot be touched. */
static uint8_t *memory_end(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + page - 1) & ~(page - 1);
	uint8_t *p =
		mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + size, page, PROT_NONE), 0);
	return p + size;
}

/* Where keys and answers of a bulk lie: up to the end of memory. */
struct bulk {
	uint8_t *keys_end, *answers_end;
};

static struct bulk bulk_new(void)
{
	return (struct bulk){
		.keys_end = memory_end(N_MAX * 16),
		.answers_end = memory_end((N_MAX + 1) * sizeof(uint32_t)),
	};
}

static void bulk_free(struct bulk *b)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t answers = ((N_MAX + 1) * sizeof(uint32_t) + page - 1) & ~(page - 1);

	munmap(b->keys_end - N_MAX * 16, N_MAX * 16 + page);
	munmap(b->answers_end - answers, answers + page);
}

/* `n` answers at the end of memory, and one before them, which is nobody's. */
static uint32_t *answers_of(const struct bulk *b, unsigned n)
{
	uint32_t *answers = (uint32_t *)b->answers_end - n;

	for (unsigned i = 0; i < n + 1; i++)
		answers[(int)i - 1] = UNTOUCHED;
	return answers;
}

static void random_key6(uint8_t *key)
{
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)rnd(256);
	if (rnd(4))
		key[0] = (uint8_t)(0x20 | (key[0] & 0x1f)); /* 2000::/3 */
}

static uint64_t half(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return __builtin_bswap64(x);
}

static void check4(const struct image *m, const struct lookup *lookup, const struct bulk *b,
		   unsigned n)
{
	uint32_t *keys = (uint32_t *)b->keys_end - n, *answers = answers_of(b, n);

	for (unsigned i = 0; i < n; i++)
		keys[i] = rnd32();
	lookup->ipv4(&m->view, keys, answers, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(answers[i], route4_lookup(&m->view, keys[i]));
	assert_int_equal(answers[-1], UNTOUCHED);
}

static void check6(const struct image *m, const struct lookup *lookup, const struct bulk *b,
		   unsigned n)
{
	uint8_t(*keys)[16] = (uint8_t(*)[16])(b->keys_end - n * 16);
	uint32_t *answers = answers_of(b, n);

	for (unsigned i = 0; i < n; i++)
		random_key6(keys[i]);
	lookup->ipv6(&m->view, (const uint8_t(*)[16])keys, answers, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(answers[i],
				 route6_lookup(&m->view, half(keys[i]), half(keys[i] + 8)));
	assert_int_equal(answers[-1], UNTOUCHED);
}

/* Whether the first 64 bits of an address in 2000::/3 lead to a block. */
static bool is_deep(const struct tables_view *view, uint64_t hi)
{
	uint32_t entry = view->root6_global[hi >> 40 & (TRIE6_GLOBAL_ROOT - 1)];

	for (int shift = 32; shift >= 0 && entry & TRIE_CHILD; shift -= 8)
		entry = trie_entry32(view->blocks6, entry, hi >> shift & 0xff);
	return (entry & TRIE_CHILD) != 0;
}

/* The packet program's lookups. */
static const struct {
	lookup4_cold_fn *ipv4;
	lookup6_cold_fn *ipv6;
} cold[] = {
	[CPU_ISA_PLAIN] = {lookup4_cold_plain, lookup6_cold_plain},
#ifdef __x86_64__
	[CPU_ISA_AVX2] = {lookup4_cold_avx2, lookup6_cold_avx2},
	[CPU_ISA_AVX512] = {lookup4_cold_avx512, lookup6_cold_avx512},
#endif
};

static void check_cold4(const struct image *m, enum cpu_isa isa, unsigned n)
{
	static uint32_t keys[N_MAX + LOOKUP_SLACK], answers[N_MAX + LOOKUP_SLACK + 1];

	for (unsigned i = 0; i < N_MAX + LOOKUP_SLACK; i++)
		keys[i] = rnd32();
	answers[n + LOOKUP_SLACK] = UNTOUCHED;
	cold[isa].ipv4(&m->view, keys, answers, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(answers[i], route4_lookup(&m->view, keys[i]));
	assert_int_equal(answers[n + LOOKUP_SLACK], UNTOUCHED);
}

/* Answers are right, or left to the caller; and those are left to it that two words cannot tell. */
static void check_cold6(const struct image *m, enum cpu_isa isa, unsigned n)
{
	static uint32_t first[N_MAX + LOOKUP_SLACK], second[N_MAX + LOOKUP_SLACK];
	static uint32_t answers[N_MAX + LOOKUP_SLACK + 1];
	bool left = false, got;

	for (unsigned i = 0; i < N_MAX + LOOKUP_SLACK; i++) {
		first[i] = rnd(4) ? 0x20000000 | rnd32() >> 3 : rnd32();
		second[i] = rnd32();
	}
	answers[n + LOOKUP_SLACK] = UNTOUCHED;
	got = cold[isa].ipv6(&m->view, first, second, answers, n);
	for (unsigned i = 0; i < n; i++) {
		uint64_t hi = (uint64_t)first[i] << 32 | second[i];
		bool more = first[i] >> 29 != 1 || is_deep(&m->view, hi);

		left |= more;
		assert_int_equal(answers[i] >> 31, more);
		if (!more)
			assert_int_equal(answers[i], route6_lookup(&m->view, hi, 0));
	}
	assert_int_equal(got, left);
	assert_int_equal(answers[n + LOOKUP_SLACK], UNTOUCHED);
}

/* What keys reach, so that the test cannot pass by never getting anywhere. */
static void count_forms(const struct image *m, unsigned *wide, unsigned *narrow, unsigned *deep)
{
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t dst = rnd32(), entry = m->root4[dst >> 16];

		if (entry & TRIE_WIDE)
			++*wide;
		else if (entry & TRIE_CHILD)
			*narrow +=
				m->mid4[(entry & ~TRIE_CHILD) * TRIE_BLOCK + (dst >> 8 & 0xff)] >=
				NARROW_CHILD;
		*deep += is_deep(&m->view, (uint64_t)rnd32() << 32 | rnd32());
	}
}

static void check_build(enum cpu_isa isa)
{
	static const uint32_t rarities[] = {2, 20, 1000000};
	const struct lookup *lookup = lookup_for(isa);
	unsigned wide = 0, narrow = 0, deep = 0;
	struct bulk b;

	if (!lookup) {
		print_message("[  SKIPPED ] %s: not on this processor\n", cpu_isa_name(isa));
		skip();
	}
	b = bulk_new();
	for (unsigned r = 0; r < sizeof(rarities) / sizeof(rarities[0]); r++) {
		struct image *m = image_new(rarities[r]);

		for (unsigned n = 0; n <= N_MAX; n++) {
			check4(m, lookup, &b, n);
			check6(m, lookup, &b, n);
			check_cold4(m, isa, n);
			check_cold6(m, isa, n);
		}
		count_forms(m, &wide, &narrow, &deep);
		image_free(m);
	}
	assert_true(wide > 10 && narrow > 10 && deep > 10);
	bulk_free(&b);
}

static void plain(void **state)
{
	(void)state;
	check_build(CPU_ISA_PLAIN);
}

#ifdef __x86_64__
static void avx2(void **state)
{
	(void)state;
	check_build(CPU_ISA_AVX2);
}

static void avx512(void **state)
{
	(void)state;
	check_build(CPU_ISA_AVX512);
}
#endif

static void no_other_build(void **state)
{
	(void)state;
	assert_null(lookup_for((enum cpu_isa)(CPU_ISA_AVX512 + 1)));
	assert_null(cpu_isa_name((enum cpu_isa)(CPU_ISA_AVX512 + 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
#ifdef __x86_64__
		cmocka_unit_test(avx2),
		cmocka_unit_test(avx512),
#endif
		cmocka_unit_test(no_other_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
