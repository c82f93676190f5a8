/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes: the image's answers against a list of routes searched from end to end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../router/tables/private.h"
#include "tables_help.h"

#define NO_ROUTE_REASON 7

/* One thread has no races to find, and the sanitizer makes the reference very slow. */
#ifdef TSAN
#define STEPS(n) ((n) / 20)
#else
#define STEPS(n) (n)
#endif

static unsigned graces;
static const struct tables *watched; /* looked through at every wait; NULL: none */

static void check_reachable(const struct tables *t);

static void grace(void)
{
	graces++;
	if (watched)
		check_reachable(watched);
}

/* ---- the reference ---- */

#define REFERENCE_MAX 512

struct reference {
	struct {
		addr128 addr;
		unsigned len;
		uint32_t nexthop;
	} route[REFERENCE_MAX];
	unsigned n;
};

static int reference_find(const struct reference *r, addr128 addr, unsigned len)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (r->route[i].len == len && r->route[i].addr == addr)
			return (int)i;
	return -1;
}

static void reference_set(struct reference *r, addr128 addr, unsigned len, uint32_t nexthop)
{
	int i = reference_find(r, addr, len);

	if (i < 0)
		i = (int)r->n++;
	r->route[i].addr = addr;
	r->route[i].len = len;
	r->route[i].nexthop = nexthop;
}

static void reference_del(struct reference *r, unsigned i)
{
	r->route[i] = r->route[--r->n];
}

/* Index of the longest match, -1 if there is none. */
static int reference_match(const struct reference *r, addr128 addr)
{
	int best = -1;
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (!((addr ^ r->route[i].addr) & ~host_bits(r->route[i].len)) &&
		    (best < 0 || r->route[i].len > r->route[best].len))
			best = (int)i;
	return best;
}

/* ---- comparing ---- */

static void check_addr(const struct tables *t, const struct reference *r, uint8_t family,
		       addr128 number)
{
	struct ip_addr addr;
	struct prefix matched;
	uint32_t nexthop, want;
	int best;

	/* IPv4 has nothing behind its 32 bits. */
	number &= ~host_bits(family_bits(family));
	addr = to_addr(family, number);
	best = reference_match(r, number);
	want = best < 0 ? 0 : r->route[best].nexthop;
	if (tables_image_lookup(t, &addr) != want) {
		char text[PREFIX_STRLEN];

		fail_msg("%s leads to %u, not to %u", ip_addr_print(&addr, text),
			 tables_image_lookup(t, &addr), want);
	}
	if (best < 0) {
		assert_int_equal(tables_route_match(t, &addr, &matched, &nexthop), -ENOENT);
		return;
	}
	assert_int_equal(tables_route_match(t, &addr, &matched, &nexthop), 0);
	assert_int_equal(nexthop, want);
	assert_int_equal(matched.len, r->route[best].len);
	assert_true(to_number(matched.bytes) == r->route[best].addr);
}

/* First and last address of the prefix, their neighbours outside, and some inside and elsewhere. */
static void check_around(const struct tables *t, const struct reference *r, uint8_t family,
			 addr128 addr, unsigned len, uint64_t *seed)
{
	addr128 one = (addr128)1 << (128 - family_bits(family));
	addr128 any = (addr128)random64(seed) << 64 | random64(seed);

	check_addr(t, r, family, addr);
	check_addr(t, r, family, addr | host_bits(len));
	check_addr(t, r, family, addr - one);
	check_addr(t, r, family, (addr | host_bits(len)) + one);
	check_addr(t, r, family, addr | (any & host_bits(len)));
	check_addr(t, r, family, any);
	if (r->n)
		check_addr(t, r, family, r->route[any % r->n].addr);
}

/* ---- the image as such ---- */

/* Blocks by kind, as the image has them. */
struct found {
	uint32_t wide, mid4, last4;
	bool last4_full; /* then a block of the last level may be wide though it need not */
};

/* A block's entries, or a root's, as 32-bit ones. */
struct entries {
	uint32_t entry[TRIE_BLOCK];
	bool narrow;
};

/* The block that entry `e` of an IPv4 root (`level` 0) or middle block (1) names. */
static struct entries block4(const struct tables_view *v, uint32_t e, unsigned level,
			     struct found *found)
{
	uint32_t number = e & ~(TRIE_CHILD | TRIE_WIDE), i;
	struct entries b = {.narrow = !(e & TRIE_WIDE)};
	const uint16_t *narrow = (level ? v->last4 : v->mid4) + number * TRIE_BLOCK;

	for (i = 0; i < TRIE_BLOCK; i++) {
		if (!b.narrow)
			b.entry[i] = v->wide4[number * TRIE_BLOCK + i];
		else if (narrow[i] & NARROW_CHILD)
			b.entry[i] = TRIE_CHILD | (narrow[i] & ~NARROW_CHILD);
		else
			b.entry[i] = narrow[i];
	}
	*(b.narrow ? level ? &found->last4 : &found->mid4 : &found->wide) += 1;
	return b;
}

static void check_not_uniform(const uint32_t *entries)
{
	unsigned i;

	for (i = 0; i < TRIE_BLOCK; i++)
		if (entries[i] != entries[0] || entries[i] & TRIE_CHILD)
			return;
	fail_msg("a block with nothing but %u", entries[0]);
}

static void check_below4(const struct tables_view *v, const uint32_t *entries, uint32_t n,
			 unsigned level, struct found *found)
{
	uint32_t i, k;

	for (i = 0; i < n; i++) {
		struct entries b;
		bool fits = true;

		if (!(entries[i] & TRIE_CHILD))
			continue;
		assert_true(level < 2);
		b = block4(v, entries[i], level, found);
		check_not_uniform(b.entry);
		for (k = 0; k < TRIE_BLOCK; k++)
			if (b.entry[k] & TRIE_CHILD ? b.entry[k] & TRIE_WIDE
						    : b.entry[k] >= NARROW_CHILD)
				fits = false;
		if (b.narrow)
			assert_true(fits);
		else if (fits)
			assert_true(found->last4_full && level == 1);
		check_below4(v, b.entry, TRIE_BLOCK, level + 1, found);
	}
}

static void check_below6(const struct tables_view *v, const uint32_t *entries, uint32_t n,
			 struct found *found)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (entries[i] & TRIE_CHILD) {
			const uint32_t *block =
				v->blocks6 + (size_t)(entries[i] & ~TRIE_CHILD) * TRIE_BLOCK;

			found->wide++;
			check_not_uniform(block);
			check_below6(v, block, TRIE_BLOCK, found);
		}
}

/* Every block in use is reached from a root, none has entries that are all the same, and none is wide
 * without need. */
static void check_image(const struct tables *t)
{
	const struct pool *pool = &t->v4.kinds[BLOCKS_LAST].pool;
	const struct tables_view *v = tables_view(t);
	/* Once all were in use, what was made then may still be wide. */
	struct found four = {.last4_full = pool->top == pool->limit}, six = {0};
	struct tables_stats stats;

	tables_stats(t, &stats);
	check_below4(v, v->root4, TRIE4_ROOT, 0, &four);
	check_below6(v, v->root6_global, TRIE6_GLOBAL_ROOT, &six);
	check_below6(v, v->root6_other, TRIE6_OTHER_ROOT, &six);
	assert_int_equal(four.mid4, stats.mid4);
	assert_int_equal(four.last4, stats.last4);
	assert_int_equal(four.wide, stats.wide4);
	assert_int_equal(four.mid4 + four.last4 + four.wide, stats.blocks4);
	assert_int_equal(six.wide, stats.blocks6);
}

static void check_reachable4(const struct tables *t, const uint32_t *entries, uint32_t n,
			     unsigned level)
{
	struct found found = {0};
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t number = entries[i] & ~(TRIE_CHILD | TRIE_WIDE);
		unsigned kind = entries[i] & TRIE_WIDE ? BLOCKS_WIDE
				: level		       ? BLOCKS_LAST
						       : BLOCKS_MID;
		struct entries b;

		if (!(entries[i] & TRIE_CHILD))
			continue;
		assert_true(pool_in_use(&t->v4.kinds[kind].pool, number));
		b = block4(tables_view(t), entries[i], level, &found);
		check_reachable4(t, b.entry, TRIE_BLOCK, level + 1);
	}
}

static void check_reachable6(const struct tables *t, const uint32_t *entries, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t number = entries[i] & ~TRIE_CHILD;

		if (!(entries[i] & TRIE_CHILD))
			continue;
		assert_true(pool_in_use(&t->v6.kinds[BLOCKS_WIDE].pool, number));
		check_reachable6(t, tables_view(t)->blocks6 + (size_t)number * TRIE_BLOCK,
				 TRIE_BLOCK);
	}
}

/* What a reader can reach is not given back yet: once the wait is over, it would be used again. In the
 * middle of an update too, where it waits for blocks. */
static void check_reachable(const struct tables *t)
{
	const struct tables_view *v = tables_view(t);

	check_reachable4(t, v->root4, TRIE4_ROOT, 0);
	check_reachable6(t, v->root6_other, TRIE6_OTHER_ROOT);
	if (graces % 16 == 0) /* it is large */
		check_reachable6(t, v->root6_global, TRIE6_GLOBAL_ROOT);
}

static uint32_t blocks_in_use(const struct tables *t)
{
	struct tables_stats stats;

	tables_stats(t, &stats);
	return stats.blocks4 + stats.blocks6;
}

static void check_empty(const struct tables *t)
{
	struct tables_stats stats;

	tables_stats(t, &stats);
	assert_int_equal(stats.routes4, 0);
	assert_int_equal(stats.routes6, 0);
	assert_int_equal(stats.blocks4, 0);
	assert_int_equal(stats.blocks6, 0);
}

/* ---- tests ---- */

static void starts_without_routes(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct ip_addr v4 = addr_of("198.51.100.1"), v6 = addr_of("2001:db8::1");
	const struct tables_view *v = tables_view(t);

	(void)state;
	assert_int_equal(tables_image_lookup(t, &v4), 0);
	assert_int_equal(tables_image_lookup(t, &v6), 0);
	assert_int_equal(NEXTHOP_KIND(v->nexthops[0].info), NEXTHOP_PUNT);
	assert_int_equal(NEXTHOP_REASON(v->nexthops[0].info), NO_ROUTE_REASON);
	assert_int_equal(v->ports[0].mac, 0);
	assert_int_equal(v->ports[65535].mac, 0);
	tables_free(t);
}

/* One after the other, each alone. */
static void each_length_alone(struct tables *t, uint8_t family, addr128 base)
{
	struct reference r = {0};
	uint64_t seed = 1;
	unsigned len;

	for (len = 0; len <= family_bits(family); len++) {
		addr128 addr = base & ~host_bits(len);
		struct prefix p = to_prefix(family, addr, len);
		uint32_t nexthop;

		assert_int_equal(tables_route_get(t, &p, &nexthop), -ENOENT);
		assert_int_equal(tables_route_set(t, &p, 1 + len), 0);
		reference_set(&r, addr, len, 1 + len);
		assert_int_equal(tables_route_get(t, &p, &nexthop), 0);
		assert_int_equal(nexthop, 1 + len);
		check_around(t, &r, family, addr, len, &seed);
		assert_int_equal(tables_route_del(t, &p), 0);
		reference_del(&r, 0);
		check_around(t, &r, family, addr, len, &seed);
		assert_int_equal(tables_route_del(t, &p), -ENOENT);
	}
	check_empty(t);
}

/* All of them nested, put in and taken out in an order that `step` makes, prime to the number. */
static void all_lengths_nested(struct tables *t, uint8_t family, addr128 base, unsigned step)
{
	unsigned n = family_bits(family) + 1, i, len, bit;
	struct reference r = {0};
	uint64_t seed = step;

	for (i = 0; i < 2 * n; i++) {
		len = i * step % n;
		struct prefix p = to_prefix(family, base, len);

		if (i < n) {
			assert_int_equal(tables_route_set(t, &p, 1 + len), 0);
			reference_set(&r, base & ~host_bits(len), len, 1 + len);
		} else {
			assert_int_equal(tables_route_del(t, &p), 0);
			reference_del(&r,
				      (unsigned)reference_find(&r, base & ~host_bits(len), len));
		}
		check_around(t, &r, family, base & ~host_bits(len), len, &seed);
		/* Addresses that leave the path at each bit. */
		for (bit = 0; bit < n - 1; bit++)
			check_addr(t, &r, family, base ^ (addr128)1 << (127 - bit));
	}
	tables_settle(t);
	check_empty(t);
}

static const char *const bases[] = {
	"192.0.2.129",
	"0.0.0.0",
	"255.255.255.255",
	"10.127.255.1",
	/* 2000::/3: first, last, inside */
	"2000::",
	"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"2001:db8:0:8000:7fff:ffff:0:ff",
	/* the rest: around it, first, last */
	"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"4000::",
	"::",
	"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"fd00:0:0:1::1",
};

static void every_prefix_length(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	unsigned i;

	(void)state;
	make_nexthops(t, 129);
	for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		struct ip_addr a = addr_of(bases[i]);

		each_length_alone(t, a.family, to_number(a.bytes));
		all_lengths_nested(t, a.family, to_number(a.bytes), 1);
		all_lengths_nested(t, a.family, to_number(a.bytes), 2);
		/* Longest first; 33 and 129 are no multiples of 32 and 128. */
		all_lengths_nested(t, a.family, to_number(a.bytes), family_bits(a.family));
	}
	check_image(t);
	tables_free(t);
}

/* Prefixes that often nest, touch and share blocks: few values per byte, all lengths. */
static addr128 random_base(uint8_t family, uint64_t *seed)
{
	static const uint8_t common[] = {0x00, 0x01, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xff};
	uint64_t bits = random64(seed);
	addr128 a = 0;
	unsigned i;

	for (i = 0; i < 16; i++) {
		unsigned pick = i < 2 ? 8 : 2; /* towards the end 0 or 1 */

		a = a << 8 | common[(bits >> (3 * i)) % pick];
	}
	if (random_below(seed, 4) == 0)
		a ^= (addr128)random64(seed) << random_below(seed, 65);
	return a & ~host_bits(family_bits(family));
}

struct op {
	bool set;
	addr128 addr;
	unsigned len;
	uint32_t nexthop;
};

static struct op random_op(const struct reference *r, uint8_t family, unsigned target,
			   unsigned nexthops, uint64_t *seed)
{
	struct op op = {.nexthop = random_below(seed, nexthops + 1)};

	/* Those that no narrow block takes, now and then. */
	if (random_below(seed, 8) == 0)
		op.nexthop += NARROW_CHILD;

	op.set = r->n == 0 || (r->n < REFERENCE_MAX && random_below(seed, 2 * target) >= r->n);
	if (op.set && (r->n == 0 || random_below(seed, 4))) {
		op.len = random_below(seed, family_bits(family) + 1);
		/* Those that take all of the 2^21 entries of a root: a few are enough. */
		if (op.len <= 3 && random_below(seed, 8))
			op.len += 16;
		op.addr = random_base(family, seed) & ~host_bits(op.len);
	} else {
		unsigned i = random_below(seed, r->n);

		op.addr = r->route[i].addr;
		op.len = r->route[i].len;
	}
	return op;
}

static int apply(struct tables *t, uint8_t family, const struct op *op)
{
	struct prefix p = to_prefix(family, op->addr, op->len);

	return op->set ? tables_route_set(t, &p, op->nexthop) : tables_route_del(t, &p);
}

static void apply_reference(struct reference *r, const struct op *op)
{
	if (op->set)
		reference_set(r, op->addr, op->len, op->nexthop);
	else
		reference_del(r, (unsigned)reference_find(r, op->addr, op->len));
}

static void delete_all(struct tables *t, struct reference *r, uint8_t family, uint64_t *seed)
{
	while (r->n) {
		unsigned i = random_below(seed, r->n);
		struct op op = {.addr = r->route[i].addr, .len = r->route[i].len};

		assert_int_equal(apply(t, family, &op), 0);
		reference_del(r, i);
		check_around(t, r, family, op.addr, op.len, seed);
	}
	check_empty(t);
}

/* Few next hops make blocks collapse often; next hop 0 stands for a route that says "no route". */
static void churn(uint8_t family, unsigned n_ops, unsigned target, unsigned nexthops, uint64_t seed)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct reference r = {0};
	unsigned i;

	print_message("seed %llu\n", (unsigned long long)seed);
	make_nexthops(t, NARROW_CHILD + nexthops);
	for (i = 0; i < n_ops; i++) {
		struct op op = random_op(&r, family, target, nexthops, &seed);

		assert_int_equal(apply(t, family, &op), 0);
		apply_reference(&r, &op);
		check_around(t, &r, family, op.addr, op.len, &seed);
		if (i % 64 == 0)
			tables_settle(t);
		if (i % 10000 == 0)
			check_image(t);
	}
	delete_all(t, &r, family, &seed);
	check_image(t);
	tables_free(t);
}

static void churn_ipv4(void **state)
{
	(void)state;
	churn(AF_INET, STEPS(100000), 200, 3, 42);
	churn(AF_INET, STEPS(50000), 20, 1, 43);
	churn(AF_INET, STEPS(20000), 500, 100, 44);
}

static void churn_ipv6(void **state)
{
	(void)state;
	churn(AF_INET6, STEPS(100000), 200, 3, 45);
	churn(AF_INET6, STEPS(50000), 20, 1, 46);
	churn(AF_INET6, STEPS(20000), 500, 100, 47);
}

/* Routes that say the same need no blocks, however many. */
static void one_nexthop_needs_no_blocks(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct prefix all4 = prefix_of("0.0.0.0/0"), all6 = prefix_of("::/0");
	struct prefix odd = prefix_of("2001:db8::1/128");
	uint64_t seed = 48;
	unsigned i;

	(void)state;
	make_nexthops(t, 2);
	assert_int_equal(tables_route_set(t, &all4, 1), 0);
	assert_int_equal(tables_route_set(t, &all6, 1), 0);
	for (i = 0; i < 2000; i++) {
		uint8_t family = i % 2 ? AF_INET : AF_INET6;
		/* Not so short that they cover everything between them. */
		unsigned len = 20 + random_below(&seed, family_bits(family) - 19);
		struct prefix p = to_prefix(family, random_base(family, &seed), len);

		assert_int_equal(tables_route_set(t, &p, 1), 0);
		assert_int_equal(blocks_in_use(t), 0);
	}
	/* Bits 24 to 127 in strides of 8. */
	assert_int_equal(tables_route_set(t, &odd, 2), 0);
	assert_int_equal(blocks_in_use(t), 13);
	assert_int_equal(tables_route_set(t, &odd, 1), 0);
	assert_int_equal(blocks_in_use(t), 0);
	/* Without the cover the others show again, and are gone when it is back. */
	assert_int_equal(tables_route_del(t, &all6), 0);
	assert_true(blocks_in_use(t) > 0);
	check_image(t);
	assert_int_equal(tables_route_set(t, &all6, 1), 0);
	assert_int_equal(blocks_in_use(t), 0);
	tables_free(t);
}

/* Beside a table with blocks enough: a change is refused exactly if its outcome does not fit. */
static void churn_without_space(uint8_t family, uint32_t limit, uint64_t seed)
{
	const struct tables_limits limits = {.blocks4 = limit,
					     .last4 = limit / 3,
					     .blocks6 = limit,
					     .nexthops = NARROW_CHILD + 4,
					     .slots = 256};
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	struct tables *roomy = tables_new(grace, NO_ROUTE_REASON);
	struct reference r = {0};
	unsigned i, j, refused_set = 0, refused_del = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	make_nexthops(t, NARROW_CHILD + 3);
	make_nexthops(roomy, NARROW_CHILD + 3);
	watched = t;
	for (i = 0; i < STEPS(20000); i++) {
		struct op op = random_op(&r, family, 40, 3, &seed), undo = op;
		int was = reference_find(&r, op.addr, op.len);

		assert_int_equal(apply(roomy, family, &op), 0);
		if (blocks_in_use(roomy) <= limit) {
			assert_int_equal(apply(t, family, &op), 0);
			apply_reference(&r, &op);
		} else {
			assert_int_equal(apply(t, family, &op), -ENOSPC);
			refused_set += op.set;
			refused_del += !op.set;
			undo.set = was >= 0;
			undo.nexthop = undo.set ? r.route[was].nexthop : 0;
			assert_int_equal(apply(roomy, family, &undo), 0);
			for (j = 0; j < r.n; j++)
				check_around(t, &r, family, r.route[j].addr, r.route[j].len, &seed);
		}
		assert_int_equal(blocks_in_use(t), blocks_in_use(roomy));
		check_around(t, &r, family, op.addr, op.len, &seed);
		if (i % 5000 == 0)
			check_image(t);
	}
	/* The test is none unless it happened, and removing routes really may need blocks. */
	assert_true(refused_set > STEPS(100));
	assert_true(refused_del > 0);
	watched = NULL;
	tables_free(roomy);
	tables_free(t);
}

/* Nor does a route that was refused leave anything behind that only the control thread has. */
static void refused_routes_leave_no_nodes(void **state)
{
	const struct tables_limits limits = {
		.blocks4 = 1, .last4 = 1, .blocks6 = 1, .nexthops = 4, .slots = 256};
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	struct prefix fits = prefix_of("10.0.0.0/24"), refused = prefix_of("11.1.1.0/32");
	uint32_t before;

	(void)state;
	make_nexthops(t, 1);
	assert_int_equal(tables_route_set(t, &fits, 1), 0);
	before = shadow_nodes(&t->v4.shadow);
	assert_int_equal(tables_route_set(t, &refused, 1), -ENOSPC);
	assert_int_equal(shadow_nodes(&t->v4.shadow), before);
	assert_int_equal(tables_route_del(t, &fits), 0);
	assert_int_equal(shadow_nodes(&t->v4.shadow), 1);
	tables_free(t);
}

static void out_of_blocks_changes_nothing(void **state)
{
	(void)state;
	graces = 0;
	churn_without_space(AF_INET, 12, 49);
	churn_without_space(AF_INET6, 60, 50);
	/* Blocks in limbo were waited for and used again. */
	assert_true(graces > 0);
}

static void check_kinds(const struct tables *t, uint32_t mid4, uint32_t last4, uint32_t wide4)
{
	struct tables_stats stats;

	tables_stats(t, &stats);
	assert_int_equal(stats.mid4, mid4);
	assert_int_equal(stats.last4, last4);
	assert_int_equal(stats.wide4, wide4);
	assert_int_equal(stats.routes4_bytes, 4 * TRIE4_ROOT + 512 * (mid4 + last4) + 1024 * wide4);
	check_image(t);
}

static void must_lead(const struct tables *t, const char *addr, uint32_t nexthop)
{
	struct ip_addr a = addr_of(addr);

	assert_int_equal(tables_image_lookup(t, &a), nexthop);
}

static void set_route(struct tables *t, const char *prefix, uint32_t nexthop)
{
	struct prefix p = prefix_of(prefix);

	assert_int_equal(tables_route_set(t, &p, nexthop), 0);
}

/* 32767 is the last index that fits 16 bits. */
static void blocks_widen_and_narrow(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct prefix p = prefix_of("10.0.0.0/16");

	(void)state;
	make_nexthops(t, 40000);
	set_route(t, "10.0.1.0/24", 32767);
	check_kinds(t, 1, 0, 0);
	set_route(t, "10.0.2.0/24", 32768);
	check_kinds(t, 0, 0, 1);
	set_route(t, "10.0.1.1/32", 5); /* a narrow block below a wide one */
	check_kinds(t, 0, 1, 1);
	set_route(t, "10.0.2.0/24", 6);
	check_kinds(t, 1, 1, 0);
	set_route(t, "10.0.1.0/24", 40000); /* both levels by one change */
	check_kinds(t, 0, 0, 2);
	must_lead(t, "10.0.1.0", 40000);
	must_lead(t, "10.0.1.1", 5);
	must_lead(t, "10.0.1.2", 40000);
	must_lead(t, "10.0.2.1", 6);
	must_lead(t, "10.0.3.1", 0);
	set_route(t, "10.0.1.1/32", 40000); /* uniform: the large index moves up */
	check_kinds(t, 0, 0, 1);
	set_route(t, "10.0.0.0/16", 40000);
	set_route(t, "10.0.2.0/24", 40000);
	check_kinds(t, 0, 0, 0); /* the root takes any index */
	set_route(t, "10.0.2.9/32", 1);
	check_kinds(t, 0, 0, 2);
	assert_int_equal(tables_route_del(t, &p), 0);
	set_route(t, "10.0.1.0/24", 2);
	set_route(t, "10.0.1.1/32", 2);
	check_kinds(t, 0, 0, 2);
	set_route(t, "10.0.2.0/24", 3);
	check_kinds(t, 1, 1, 0);
	must_lead(t, "10.0.2.9", 1);
	must_lead(t, "10.0.2.10", 3);
	tables_free(t);
}

/* An entry of the root counts as seen to only with narrow blocks of both levels to spare: here one waits
 * for a grace period while all changes that would look at the entries go by. */
static void blocks_narrow_after_limbo(void **state)
{
	const struct tables_limits limits = {
		.blocks4 = 16, .mid4 = 1, .last4 = 16, .blocks6 = 16, .nexthops = 4, .slots = 256};
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	struct prefix first = prefix_of("10.0.0.0/24"), other = prefix_of("12.0.0.0/16");
	struct tables_stats stats;
	uint32_t i;

	(void)state;
	make_nexthops(t, 2);
	assert_int_equal(tables_route_set(t, &first, 1), 0);
	set_route(t, "11.0.0.0/24", 1);
	tables_stats(t, &stats);
	assert_int_equal(stats.mid4, 1);
	assert_int_equal(stats.wide4, 1);
	assert_int_equal(tables_route_del(t, &first), 0);
	for (i = 0; i <= TRIE4_ROOT; i++)
		assert_int_equal(tables_route_set(t, &other, 1 + i % 2), 0);
	tables_settle(t);
	for (i = 0; i <= TRIE4_ROOT; i++)
		assert_int_equal(tables_route_set(t, &other, 1 + i % 2), 0);
	check_kinds(t, 1, 0, 0);
	tables_free(t);
}

#ifndef TSAN

/* Address `i` of as many as one likes, all far from each other. */
static addr128 scattered(uint32_t i)
{
	return (addr128)(i * 2654435761u) << 96;
}

/* Routes to addresses `first` to `end` less one, to next hops 1 to `nexthops` in turn. */
static void each_scattered(struct tables *t, uint32_t first, uint32_t end, unsigned len,
			   uint32_t nexthops, bool add)
{
	uint32_t i;

	for (i = first; i < end; i++) {
		struct prefix p = to_prefix(AF_INET, scattered(i), len);

		assert_int_equal(add ? tables_route_set(t, &p, 1 + i % nexthops)
				     : tables_route_del(t, &p),
				 0);
		if (i % 256 == 0)
			tables_settle(t);
	}
}

static void check_scattered(const struct tables *t, uint32_t first, uint32_t end, unsigned len,
			    uint32_t nexthops)
{
	uint32_t i;

	for (i = first; i < end; i++) {
		struct ip_addr a = to_addr(AF_INET, scattered(i) | (i % 3 ? host_bits(len) : 0));

		assert_int_equal(tables_image_lookup(t, &a), 1 + i % nexthops);
	}
}

/* A next hop for each route: many blocks are wide, until their routes have gone. */
static void more_nexthops_than_15_bits(void **state)
{
	enum { N = 50000 };
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct tables_stats stats;

	(void)state;
	make_nexthops(t, N);
	each_scattered(t, 0, N, 24, N, true);
	check_scattered(t, 0, N, 24, N);
	check_image(t);
	tables_stats(t, &stats);
	assert_true(stats.wide4 > (N - NARROW_CHILD) / 2);
	each_scattered(t, NARROW_CHILD - 1, N, 24, N, false);
	check_scattered(t, 0, NARROW_CHILD - 1, 24, N);
	check_image(t);
	tables_stats(t, &stats);
	assert_int_equal(stats.wide4, 0);
	each_scattered(t, 0, NARROW_CHILD - 1, 24, N, false);
	check_empty(t);
	tables_free(t);
}

/* More last blocks than there are narrow ones. Those that came first, which have the narrow ones, go;
 * the others become narrow while routes change. */
static void more_last_blocks_than_15_bits(void **state)
{
	enum { N = 70000, GONE = 50000 };
	struct prefix other = to_prefix(AF_INET, scattered(N), 32);
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct tables_stats stats;
	uint32_t i;

	(void)state;
	make_nexthops(t, 2);
	each_scattered(t, 0, N, 32, 2, true);
	for (i = 0; i < N; i++) {
		struct ip_addr next = to_addr(AF_INET, scattered(i) ^ (addr128)1 << 96);

		assert_int_equal(tables_image_lookup(t, &next), 0);
	}
	check_scattered(t, 0, N, 32, 2);
	check_image(t);
	tables_stats(t, &stats);
	assert_int_equal(stats.last4, TABLES_LAST4_MAX);
	assert_true(stats.wide4 >= N - TABLES_LAST4_MAX);

	each_scattered(t, 0, GONE, 32, 2, false);
	tables_settle(t);
	for (i = 0; i <= TRIE4_ROOT; i++)
		assert_int_equal(tables_route_set(t, &other, 1 + i % 2), 0);
	check_scattered(t, GONE, N, 32, 2);
	check_image(t);
	tables_stats(t, &stats);
	assert_true(stats.last4 > (N - GONE) / 2);
	assert_int_equal(stats.wide4, 0);
	tables_free(t);
}

#endif

static void refuses_nonsense(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct prefix p = prefix_of("192.0.2.0/24");
	uint32_t nexthop;

	(void)state;
	make_nexthops(t, 1);
	assert_int_equal(tables_route_set(t, &p, 2), -EINVAL); /* no such next hop */
	p.bytes[3] = 1;					       /* a bit behind the length */
	assert_int_equal(tables_route_set(t, &p, 1), -EINVAL);
	p = prefix_of("192.0.2.0/24");
	p.len = 33;
	assert_int_equal(tables_route_set(t, &p, 1), -EINVAL);
	assert_int_equal(tables_route_get(t, &p, &nexthop), -ENOENT);
	p.family = AF_UNIX;
	assert_int_equal(tables_route_set(t, &p, 1), -EINVAL);
	assert_int_equal(tables_route_del(t, &p), -ENOENT);
	check_empty(t);
	tables_free(t);
}

static void prefixes_in_text(void **state)
{
	static const char *const good[] = {"0.0.0.0/0", "192.0.2.0/24",	 "192.0.2.1/32",
					   "::/0",	"2001:db8::/32", "2001:db8::1/128",
					   "8000::/1",	"10.128.0.0/9",	 "fe80::/10"};
	static const char *const bad[] = {"",
					  "192.0.2.0/33",
					  "192.0.2.0/",
					  "192.0.2.0/-1",
					  "192.0.2.0/+8",
					  "192.0.2/24",
					  "192.0.2.1/24",
					  "192.0.2.0/08",
					  "192.0.2.0/ 24",
					  "192.0.2.0/24 ",
					  "2001:db8::/129",
					  "2001:db8::1/64",
					  "::g/64",
					  "/24",
					  "192.0.2.0/4294967320",
					  "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1"};
	struct prefix p = {0}, q;
	struct ip_addr a;
	char text[PREFIX_STRLEN];
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		p = prefix_of(good[i]);
		assert_string_equal(prefix_print(&p, text), good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		q = p;
		assert_int_equal(prefix_parse(bad[i], &q), -EINVAL);
		assert_memory_equal(&p, &q, sizeof(p));
	}
	p = prefix_of("192.0.2.7");
	assert_string_equal(prefix_print(&p, text), "192.0.2.7/32");
	p = prefix_of("2001:db8::7");
	assert_string_equal(prefix_print(&p, text), "2001:db8::7/128");
	a = addr_of("2001:db8::7");
	assert_string_equal(ip_addr_print(&a, text), "2001:db8::7");
	assert_int_equal(ip_addr_parse("192.0.2.256", &a), -EINVAL);
	assert_int_equal(ip_addr_parse("192.0.2.1/32", &a), -EINVAL);
}

static void prefixes_compared(void **state)
{
	struct prefix p = prefix_of("10.0.0.0/8"), q = prefix_of("10.255.0.0/16"), made;
	struct prefix six = prefix_of("a00::/8"); /* the same bits */
	uint8_t bytes[] = {10, 255, 129, 77};

	(void)state;
	assert_true(prefix_covers(&p, &q));
	assert_true(prefix_covers(&p, &p));
	assert_false(prefix_covers(&q, &p));
	assert_false(prefix_covers(&p, &six));
	assert_false(prefix_equal(&p, &six));
	assert_true(prefix_hash(&p) != prefix_hash(&six));
	q = prefix_of("11.0.0.0/16");
	assert_false(prefix_covers(&p, &q));
	p = prefix_of("0.0.0.0/0");
	assert_true(prefix_covers(&p, &q));
	made = prefix_make(AF_INET, bytes, 17);
	p = prefix_of("10.255.128.0/17");
	assert_true(prefix_equal(&made, &p));
	assert_true(prefix_hash(&made) == prefix_hash(&p));
	made = prefix_make(AF_INET, bytes, 32);
	p = prefix_of("10.255.129.77/32");
	assert_true(prefix_equal(&made, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_in_text),
		cmocka_unit_test(prefixes_compared),
		cmocka_unit_test(starts_without_routes),
		cmocka_unit_test(blocks_widen_and_narrow),
		cmocka_unit_test(blocks_narrow_after_limbo),
#ifndef TSAN /* see STEPS() */
		cmocka_unit_test(more_nexthops_than_15_bits),
		cmocka_unit_test(more_last_blocks_than_15_bits),
#endif
		cmocka_unit_test(refuses_nonsense),
		cmocka_unit_test(every_prefix_length),
		cmocka_unit_test(churn_ipv4),
		cmocka_unit_test(churn_ipv6),
		cmocka_unit_test(one_nexthop_needs_no_blocks),
		cmocka_unit_test(out_of_blocks_changes_nothing),
		cmocka_unit_test(refused_routes_leave_no_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
