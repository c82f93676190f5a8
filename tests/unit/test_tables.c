/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes: the image's answers against a list of routes searched from end to end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sanitized.h"
#include "tables_image_help.h"

/* Sanitizers make the reference very slow, and one thread has no races to find. */
#ifdef TSAN
#define STEPS(n) ((n) / 20)
#elif defined(SANITIZED)
#define STEPS(n) ((n) / 4)
#else
#define STEPS(n) (n)
#endif

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_without_routes),
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
