/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPU's passes against the one-packet program: the same verdicts, lengths and bytes on random
 * and hostile frames, for every instruction set that this processor has. What the one-packet
 * program itself must answer is tested in tests/packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../router/program/cpu.h"
#include "../../router/program/packet.h"
#include "../../router/program/passes.h"

#define BUF 2048u
#define BLOCKS 64u
#define LEAF_BLOCKS 48u /* blocks from here on have no children */
#define NEIGHBOURS 64u

enum {
	HOP_NO_ROUTE,
	HOP_FORWARD,
	HOP_NARROW,
	HOP_LOCAL,
	HOP_BLACKHOLE,
	HOP_GLEAN,
	HOP_GROUP,
	HOP_ROUTES_END,
	HOP_FAILED = HOP_ROUTES_END,
	HOP_NEIGHBOUR,
	HOP_COUNT
};

static uint64_t seed = 0x1234567;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 33) % below);
}

static uint32_t rnd32(void)
{
	return rnd(0x10000) << 16 | rnd(0x10000);
}

/* ---- tables made by hand: any flat image will do ---- */

struct world {
	struct tables_view view;
	struct tables_head head;
	uint32_t *root4, *wide4, *root6_global, *root6_other, *blocks6;
	uint16_t *mid4, *last4;
	struct nexthop nexthops[HOP_COUNT];
	uint32_t slots[8];
	struct neighbour neighbours[NEIGHBOURS];
	struct table_port ports[2];
	uint8_t used[HOP_COUNT];
};

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

static uint64_t mac_high(const uint8_t mac[6])
{
	uint64_t word = 0;

	memcpy((uint8_t *)&word + 2, mac, 6);
	return word;
}

static uint64_t hop_info(uint64_t kind, uint64_t reason, uint64_t mtu, uint64_t port)
{
	return kind | reason << 8 | mtu << 16 | port << 32;
}

/* An entry that is a hop or, one time in two, a child between `from` and `to`. */
static uint32_t random_entry(uint32_t from, uint32_t to)
{
	if (from < to && rnd(2))
		return TRIE_CHILD | (from + rnd(to - from));
	return rnd(HOP_ROUTES_END);
}

static void fill_nexthops(struct world *w)
{
	const struct nexthop all[HOP_COUNT] = {
		[HOP_NO_ROUTE] = {.info = hop_info(NEXTHOP_PUNT, REASON_NO_ROUTE, 0, 0)},
		[HOP_FORWARD] = {.info = hop_info(NEXTHOP_FORWARD, 0, 1500, 1)},
		[HOP_NARROW] = {.info = hop_info(NEXTHOP_FORWARD, 0, 100, 2)},
		[HOP_LOCAL] = {.info = hop_info(NEXTHOP_PUNT, REASON_LOCAL, 0, 0)},
		[HOP_BLACKHOLE] = {.info = hop_info(NEXTHOP_DROP, REASON_BLACKHOLE, 0, 0)},
		[HOP_GLEAN] = {.info = hop_info(NEXTHOP_GLEAN, REASON_UNRESOLVED, 1400, 3)},
		[HOP_GROUP] = {.info = hop_info(NEXTHOP_GROUP, 0, 0, 0), .group = 7ull << 32},
		[HOP_FAILED] = {.info = hop_info(NEXTHOP_PUNT, REASON_UNREACHABLE, 0, 0)},
		[HOP_NEIGHBOUR] = {.info = hop_info(NEXTHOP_FORWARD, 0, 1500, 3)},
	};

	memcpy(w->nexthops, all, sizeof(all));
	for (unsigned i = 0; i < HOP_COUNT; i++) {
		w->nexthops[i].dmac = (uint64_t)rnd32() << 32 | rnd(0x10000) << 16;
		w->nexthops[i].smac = (uint64_t)rnd(0x10000) << 32 | rnd32();
	}
	for (unsigned i = 0; i < 8; i++)
		w->slots[i] = rnd(HOP_GROUP);
}

/* Addresses 192.0.2.x and 2001:db8::x, which frames are also made with. */
static void neighbour_address(unsigned i, bool v6, uint64_t addr[2])
{
	const uint8_t v4[16] = {[10] = 0xff, 0xff, 192, 0, 2, (uint8_t)i};
	const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)i};

	memcpy(addr, v6 ? six : v4, 16);
}

static void fill_neighbours(struct world *w)
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t addr[2];
		uint32_t at;

		neighbour_address(i, i & 1, addr);
		at = neighbour_hash(addr[0], addr[1], 3);
		while (w->neighbours[at % NEIGHBOURS].nexthop != NEIGHBOUR_FREE)
			at++;
		w->neighbours[at % NEIGHBOURS] = (struct neighbour){
			.addr = {addr[0], addr[1]},
			.port = 3,
			.nexthop = i % 5 == 4 ? NEIGHBOUR_GONE
				   : i % 5    ? HOP_NEIGHBOUR
					      : HOP_FAILED,
		};
	}
}

/* The same for IPv4: the first LEAF_BLOCKS wide blocks are middle ones, the others last ones. */
static uint32_t random_entry4(uint32_t from, uint32_t to)
{
	uint32_t entry = random_entry(from, to);

	if (entry & TRIE_CHILD && rnd(2))
		return entry | TRIE_WIDE;
	return entry;
}

static uint16_t random_narrow(uint32_t to)
{
	uint32_t entry = random_entry(0, to);

	return (uint16_t)(entry & TRIE_CHILD ? entry | NARROW_CHILD : entry);
}

static uint16_t *halves(size_t n)
{
	uint16_t *p = calloc(n, sizeof(*p));

	assert_non_null(p);
	return p;
}

static uint32_t *words(size_t n)
{
	uint32_t *p = calloc(n, sizeof(*p));

	assert_non_null(p);
	return p;
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->root4 = words(TRIE4_ROOT);
	w->mid4 = halves(BLOCKS * TRIE_BLOCK);
	w->last4 = halves(BLOCKS * TRIE_BLOCK);
	w->wide4 = words(BLOCKS * TRIE_BLOCK);
	w->root6_global = words(TRIE6_GLOBAL_ROOT);
	w->root6_other = words(TRIE6_OTHER_ROOT);
	w->blocks6 = words(BLOCKS * TRIE_BLOCK);
	for (uint32_t i = 0; i < TRIE4_ROOT; i++)
		w->root4[i] = random_entry4(0, LEAF_BLOCKS);
	for (uint32_t i = 0; i < BLOCKS * TRIE_BLOCK; i++) {
		uint32_t block = i / TRIE_BLOCK;

		w->mid4[i] = random_narrow(BLOCKS);
		w->last4[i] = random_narrow(0);
		w->wide4[i] = block < LEAF_BLOCKS ? random_entry4(LEAF_BLOCKS, BLOCKS)
						  : random_entry(0, 0);
		/* IPv6: children in the next tier of 8 blocks, so up to 8 levels */
		w->blocks6[i] = block < BLOCKS - 8
					? random_entry(block / 8 * 8 + 8, block / 8 * 8 + 16)
					: random_entry(0, 0);
	}
	for (uint32_t i = 0; i < TRIE6_GLOBAL_ROOT; i++)
		w->root6_global[i] = random_entry(0, 8);
	for (uint32_t i = 0; i < TRIE6_OTHER_ROOT; i++)
		w->root6_other[i] = random_entry(0, 8);
	fill_nexthops(w);
	fill_neighbours(w);
	/* the neighbours' networks are connected ones */
	w->root4[0xc000] = HOP_GLEAN;
	w->root6_global[0x20010d & (TRIE6_GLOBAL_ROOT - 1)] = HOP_GLEAN;
	w->ports[0].mac = mac_high(our_mac) | 1;
	w->ports[1].mac = mac_high(our_mac);
	w->head.neighbours = (uint64_t)(NEIGHBOURS - 1) << 32; /* from slot 0 */
	w->view = (struct tables_view){
		.head = &w->head,
		.root4 = w->root4,
		.mid4 = w->mid4,
		.last4 = w->last4,
		.wide4 = w->wide4,
		.root6_global = w->root6_global,
		.root6_other = w->root6_other,
		.blocks6 = w->blocks6,
		.nexthops = w->nexthops,
		.slots = w->slots,
		.neighbours = w->neighbours,
		.ports = w->ports,
		.used = w->used,
	};
	return w;
}

static void world_free(struct world *w)
{
	free(w->root4);
	free(w->mid4);
	free(w->last4);
	free(w->wide4);
	free(w->root6_global);
	free(w->root6_other);
	free(w->blocks6);
	free(w);
}

/* ---- frames ---- */

static void random_bytes(uint8_t *p, unsigned n)
{
	while (n--)
		*p++ = (uint8_t)rnd(256);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint8_t random_ttl(void)
{
	static const uint8_t ttls[] = {0, 1, 2, 64, 64, 64, 128, 255};

	return ttls[rnd(sizeof(ttls))];
}

static void random_addr4(uint8_t *addr)
{
	static const uint8_t firsts[] = {0, 127, 224, 239, 240, 255};

	random_bytes(addr, 4);
	addr[0] = (uint8_t)(1 + rnd(126));
	if (rnd(4) == 0)
		memcpy(addr, (uint8_t[]){192, 0, 2, (uint8_t)rnd(24)}, 4);
	if (rnd(16) == 0)
		addr[0] = firsts[rnd(sizeof(firsts))];
	if (rnd(64) == 0)
		memset(addr, rnd(2) ? 0 : 0xff, 4);
}

static void random_addr6(uint8_t *addr)
{
	random_bytes(addr, 16);
	if (rnd(4))
		addr[0] = (uint8_t)(0x20 | (addr[0] & 0x1f));
	if (rnd(4) == 0)
		neighbour_address(rnd(24), true, (uint64_t *)memset(addr, 0, 16));
	if (rnd(16) == 0)
		put16(addr, rnd(2) ? 0xfe80 + rnd(0x40) : 0xff02);
	if (rnd(16) == 0)
		memset(addr, 0, 8 + rnd(9));
	if (rnd(64) == 0)
		memcpy(addr, (uint8_t[16]){[10] = 0xff, 0xff, 10, 1, 2, 3}, 16);
	if (rnd(64) == 0)
		memcpy(addr, (uint8_t[16]){[15] = (uint8_t)rnd(3)}, 16);
}

/* Returns the IP length. */
static unsigned make_ipv4(uint8_t *ip)
{
	unsigned header_len = rnd(16) ? 20 : 24 + 4 * rnd(10);
	unsigned total_len = header_len + rnd(rnd(4) ? 60 : 1450);
	uint32_t sum = 0;

	ip[0] = (uint8_t)(0x40 | header_len / 4);
	put16(ip + 2, total_len);
	put16(ip + 6, rnd(4) ? 0x4000 : rnd(0x10000));
	ip[8] = random_ttl();
	ip[9] = rnd(2) ? 17 : (uint8_t)rnd(256);
	random_addr4(ip + 12);
	random_addr4(ip + 16);
	put16(ip + 10, 0);
	for (unsigned i = 0; i < header_len; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
	return total_len;
}

static unsigned make_ipv6(uint8_t *ip)
{
	unsigned payload = rnd(rnd(4) ? 60 : 1400);

	ip[0] = (uint8_t)(0x60 | rnd(16));
	put16(ip + 4, payload);
	ip[6] = rnd(2) ? 6 : (uint8_t)rnd(256);
	if (rnd(16) == 0)
		ip[6] = 0;
	ip[7] = random_ttl();
	random_addr6(ip + 8);
	random_addr6(ip + 24);
	return 40 + payload;
}

/* A frame as a host, a broken host or an attacker may send it. */
static uint16_t make_frame(uint8_t *frame)
{
	static const unsigned types[] = {0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x88cc};
	unsigned kind = rnd(16), ip_len = rnd(200), len;

	random_bytes(frame, 200);
	memcpy(frame, our_mac, 6);
	if (rnd(16) == 0)
		frame[rnd(6)] ^= (uint8_t)(1 << rnd(8));
	put16(frame + 12, kind < 7 ? 0x0800 : kind < 14 ? 0x86dd : types[rnd(6)]);
	if (kind < 7)
		ip_len = make_ipv4(frame + 14);
	else if (kind < 14)
		ip_len = make_ipv6(frame + 14);
	if (rnd(8) == 0)
		frame[14 + rnd(40)] ^= (uint8_t)(1 << rnd(8));
	len = 14 + ip_len;
	if (len < 60)
		len = 60;
	if (rnd(16) == 0)
		len = rnd(len + 1);
	return (uint16_t)len;
}

/* ---- the property ---- */

struct buffers {
	uint8_t *base;
	struct pl_burst burst;
};

static void buffers_new(struct buffers *b)
{
	b->base = aligned_alloc(4096, PL_BURST_MAX * BUF);
	assert_non_null(b->base);
	b->burst.base = b->base;
}

static void make_burst(struct buffers *b)
{
	static const uint32_t sizes[] = {0, 1, 7, 15, 16, 17, 64, 255, 256, 257, 1024};

	memset(b->base, 0, PL_BURST_MAX * BUF);
	b->burst.n = rnd(2) ? sizes[rnd(11)] : rnd(PL_BURST_MAX + 1);
	b->burst.port = rnd(16) == 0;
	for (uint32_t i = 0; i < b->burst.n; i++) {
		b->burst.frame[i] = i * BUF + 2 + 16 * rnd(16);
		b->burst.len[i] = make_frame(b->base + b->burst.frame[i]);
		b->burst.verdict[i] = 0xffff;
	}
}

static void copy_burst(struct buffers *to, const struct buffers *from)
{
	memcpy(to->base, from->base, PL_BURST_MAX * BUF);
	to->burst = from->burst;
	to->burst.base = to->base;
}

static void run_one_by_one(const struct tables_view *view, struct pl_burst *burst)
{
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = (uint16_t)program_packet(view, burst->base + burst->frame[i],
							     burst->len + i, burst->port);
}

static void assert_same(const struct buffers *want, const struct buffers *got)
{
	for (uint32_t i = 0; i < want->burst.n; i++) {
		assert_int_equal(want->burst.verdict[i], got->burst.verdict[i]);
		assert_int_equal(want->burst.len[i], got->burst.len[i]);
	}
	assert_memory_equal(want->base, got->base, PL_BURST_MAX * BUF);
}

/* Next hops are marked as used exactly if a frame went out with their MACs, which no two share. */
static void assert_marks(struct world *w, const struct pl_burst *burst)
{
	uint8_t want[HOP_COUNT] = {0};

	for (uint32_t i = 0; i < burst->n; i++) {
		uint64_t dmac = frame64(burst->base + burst->frame[i], AT_DMAC);

		if (PL_VERDICT_KIND(burst->verdict[i]) != PL_VERDICT_TX)
			continue;
		for (unsigned h = 0; h < HOP_COUNT; h++)
			want[h] |= w->nexthops[h].dmac == dmac;
	}
	assert_memory_equal(w->used, want, sizeof(want));
	memset(w->used, 0, sizeof(w->used));
}

static void check_passes(enum cpu_isa isa, passes_fn *passes)
{
	struct world *w = world_new();
	struct passes_scratch *scratch = calloc(1, sizeof(*scratch));
	static struct buffers want, got;
	unsigned seen[REASON_COUNT] = {0}, sent = 0;

	if (isa > cpu_isa_best()) {
		print_message("[  SKIPPED ] %s: not on this processor\n", cpu_isa_name(isa));
		free(scratch);
		world_free(w);
		skip();
	}
	buffers_new(&want);
	buffers_new(&got);
	for (unsigned round = 0; round < 150; round++) {
		make_burst(&want);
		copy_burst(&got, &want);
		run_one_by_one(&w->view, &want.burst);
		assert_marks(w, &want.burst);
		passes(scratch, &w->view, &got.burst);
		assert_marks(w, &got.burst);
		assert_same(&want, &got);
		for (uint32_t i = 0; i < want.burst.n; i++) {
			if (PL_VERDICT_KIND(want.burst.verdict[i]) == PL_VERDICT_TX)
				sent++;
			else
				seen[PL_VERDICT_LOW(want.burst.verdict[i])]++;
		}
	}
	/* The frames were varied enough to see every fate that these tables can give. */
	assert_in_range(sent, 1000, UINT32_MAX);
	for (unsigned r = 0; r < REASON_LIMIT_ARP_ND; r++) /* those are the policer's */
		if (r != REASON_PROHIBIT && r != REASON_FOREIGN && r != REASON_ENCAP && !seen[r])
			fail_msg("no packet was found to be %s", reason_name(r));
	free(want.base);
	free(got.base);
	free(scratch);
	world_free(w);
}

static void plain_equals_program(void **state)
{
	(void)state;
	check_passes(CPU_ISA_PLAIN, passes_plain);
}

#ifdef __x86_64__
static void avx2_equals_program(void **state)
{
	(void)state;
	check_passes(CPU_ISA_AVX2, passes_avx2);
}

static void avx512_equals_program(void **state)
{
	(void)state;
	check_passes(CPU_ISA_AVX512, passes_avx512);
}
#endif

/* ip_decrease_ttl() of Linux, include/net/ip.h, on the header's bytes: the checksum as a number of
 * the wire's byte order, one added for the TTL's byte, the carry brought around. */
static void ttl_less_is_the_kernels(void **state)
{
	(void)state;
	for (uint32_t check = 0; check < 0x10000; check++) {
		for (uint32_t ttl = 1; ttl < 256; ttl += 127) {
			uint32_t sum = check + 0x0001; /* htons(0x0100) */
			uint32_t want;

			sum += sum >= 0xffff;
			want = (sum & 0xffff) << 16 | 0x1100 | (ttl - 1);
			assert_int_equal(ipv4_ttl_less(check << 16 | 0x1100 | ttl), want);
		}
	}
}

static void reasons_have_names(void **state)
{
	(void)state;
	for (unsigned r = 0; r < REASON_COUNT; r++) {
		assert_true(strlen(reason_name(r)) > 0);
		assert_true(strlen(reason_text(r)) > 0);
		for (unsigned k = 0; k < r; k++)
			assert_string_not_equal(reason_name(r), reason_name(k));
	}
	assert_string_equal(reason_name(REASON_NO_ROUTE), "no-route");
	assert_int_equal(reason_kind(REASON_NO_ROUTE), PL_VERDICT_PUNT);
	assert_int_equal(reason_kind(REASON_CHECKSUM), PL_VERDICT_DROP);
	assert_null(reason_name(REASON_COUNT));
	assert_null(reason_text(REASON_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_equals_program),
#ifdef __x86_64__
		cmocka_unit_test(avx2_equals_program),	   cmocka_unit_test(avx512_equals_program),
#endif
		cmocka_unit_test(ttl_less_is_the_kernels), cmocka_unit_test(reasons_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
