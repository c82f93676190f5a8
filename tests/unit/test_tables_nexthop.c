/* SPDX-License-Identifier: BSD-2-Clause */
/* Next hops, neighbours and ports, as readers find them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../router/tables/private.h"
#include "tables_help.h"

static unsigned graces;

static void grace(void)
{
	graces++;
}

/* ---- next hops ---- */

static const struct nexthop_spec forward_spec = {
	.kind = NEXTHOP_FORWARD,
	.mtu = 9000,
	.port = 0x12,
	.dmac = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55},
	.smac = {0x06, 0xaa, 0xbb, 0xcc, 0xdd, 0xee},
};

static void words_are_laid_out(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct nexthop_spec spec = forward_spec;
	const struct nexthop *nexthop;
	static const uint8_t zero[2];
	uint32_t index;

	(void)state;
	assert_int_equal(tables_nexthop_new(t, &spec, &index), 0);
	nexthop = &tables_view(t)->nexthops[index];
	assert_int_equal(NEXTHOP_KIND(nexthop->info), NEXTHOP_FORWARD);
	assert_int_equal(NEXTHOP_MTU(nexthop->info), 9000);
	assert_int_equal(NEXTHOP_PORT(nexthop->info), 0x12);
	/* The 8 bytes as they lie in memory: written 2 bytes before the frame, dmac is in place. */
	assert_memory_equal(&nexthop->dmac, zero, 2);
	assert_memory_equal((const uint8_t *)&nexthop->dmac + 2, spec.dmac, 6);
	assert_memory_equal(&nexthop->smac, spec.smac, 6);
	assert_memory_equal((const uint8_t *)&nexthop->smac + 6, zero, 2);

	spec = (struct nexthop_spec){.kind = NEXTHOP_DROP, .reason = 0xfe};
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	assert_int_equal(NEXTHOP_KIND(nexthop->info), NEXTHOP_DROP);
	assert_int_equal(NEXTHOP_REASON(nexthop->info), 0xfe);

	spec = (struct nexthop_spec){
		.kind = NEXTHOP_GLEAN, .reason = 3, .mtu = 0xffff, .port = 0xff};
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	assert_int_equal(NEXTHOP_KIND(nexthop->info), NEXTHOP_GLEAN);
	assert_int_equal(NEXTHOP_REASON(nexthop->info), 3);
	assert_int_equal(NEXTHOP_MTU(nexthop->info), 0xffff);
	assert_int_equal(NEXTHOP_PORT(nexthop->info), 0xff);
	tables_free(t);
}

/* A grace period is waited for where words could mix, and only there. */
static void waits_where_words_could_mix(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct nexthop_spec spec = forward_spec, punt = {.kind = NEXTHOP_PUNT, .reason = 1};
	uint32_t index;

	(void)state;
	assert_int_equal(tables_nexthop_new(t, &spec, &index), 0);
	graces = 0;
	spec.dmac[5]++; /* one word each */
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	spec.smac[5]++;
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	spec.mtu--;
	spec.port++;
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	assert_int_equal(tables_nexthop_set(t, index, &punt), 0);
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	assert_int_equal(graces, 0);
	spec.port++; /* two words */
	spec.dmac[5]++;
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	assert_int_equal(graces, 1);
	spec.smac[5]++; /* two words */
	spec.dmac[5]++;
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	assert_int_equal(graces, 2);
	assert_int_equal(tables_nexthop_set(t, index, &punt), 0);
	spec.dmac[5]++; /* readers may still be at the old one */
	assert_int_equal(tables_nexthop_set(t, index, &spec), 0);
	assert_int_equal(graces, 3);
	assert_memory_equal((const uint8_t *)&tables_view(t)->nexthops[index].dmac + 2, spec.dmac,
			    6);
	tables_free(t);
}

static void indices_run_out_and_come_back(void **state)
{
	const struct tables_limits limits = {
		.blocks4 = 16, .last4 = 16, .blocks6 = 16, .nexthops = 10, .slots = 256};
	struct tables *t = tables_new_limited(grace, 7, &limits);
	struct nexthop_spec spec = {.kind = NEXTHOP_DROP};
	uint32_t index;
	bool seen[10] = {true};
	unsigned i, round;

	(void)state;
	graces = 0;
	for (round = 0; round < 3; round++) {
		memset(seen + 1, 0, 9);
		for (i = 1; i < 10; i++) {
			assert_int_equal(tables_nexthop_new(t, &spec, &index), 0);
			assert_true(index < 10 && !seen[index]);
			seen[index] = true;
		}
		/* From the second round on the indices of the first had to be waited for. */
		assert_int_equal(graces, round);
		assert_int_equal(tables_nexthop_new(t, &spec, &index), -ENOSPC);
		assert_int_equal(stats_of(t).nexthops, 10);
		for (i = 1; i < 10; i++)
			tables_nexthop_del(t, i);
		assert_int_equal(stats_of(t).nexthops, 1);
	}
	tables_free(t);
}

static void refuses_nonsense(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct nexthop_spec spec = {.kind = 99};
	struct nexthop_member members[257] = {{1, 1}};
	struct ip_addr addr = addr_of("192.0.2.1");
	uint32_t index, group;
	unsigned i;

	(void)state;
	assert_int_equal(tables_nexthop_new(t, &spec, &index), -EINVAL);
	spec.kind = NEXTHOP_DROP;
	assert_int_equal(tables_nexthop_set(t, 0, &spec), -EINVAL);
	assert_int_equal(tables_nexthop_set(t, 1, &spec), -EINVAL);
	spec = (struct nexthop_spec){.kind = NEXTHOP_FORWARD,
				     .port = 256}; /* no verdict names it */
	assert_int_equal(tables_nexthop_new(t, &spec, &index), -EINVAL);
	make_nexthops(t, 258);
	spec = (struct nexthop_spec){.kind = NEXTHOP_GROUP, .members = members};
	assert_int_equal(tables_nexthop_new(t, &spec, &group), -EINVAL); /* no member */
	spec.n_members = 1;
	members[0] = (struct nexthop_member){1, 0}; /* no weight */
	assert_int_equal(tables_nexthop_new(t, &spec, &group), -EINVAL);
	members[0] = (struct nexthop_member){259, 1}; /* not there */
	assert_int_equal(tables_nexthop_new(t, &spec, &group), -EINVAL);
	for (i = 0; i < 257; i++)
		members[i] = (struct nexthop_member){1 + i, 1};
	spec.n_members = 257; /* more than slots */
	assert_int_equal(tables_nexthop_new(t, &spec, &group), -EINVAL);
	assert_int_equal(stats_of(t).slots, 0);
	spec.n_members = 1;
	assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
	members[0].nexthop = group; /* a group of groups, made either way */
	assert_int_equal(tables_nexthop_new(t, &spec, &index), -EINVAL);
	members[0].nexthop = 2;
	assert_int_equal(tables_nexthop_set(t, 1, &spec), -EINVAL);
	assert_int_equal(tables_nexthop_set(t, 2, &spec), -EINVAL); /* its own member */
	assert_int_equal(tables_neighbour_set(t, 0, &addr, 0), -EINVAL);
	assert_int_equal(tables_neighbour_set(t, 0, &addr, 10000), -EINVAL);
	tables_free(t);
}

/* ---- neighbours ---- */

static uint32_t lookup(const struct tables *t, uint16_t port, const struct ip_addr *addr)
{
	uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};
	uint32_t mapped = 0;
	uint64_t word[2];

	if (addr->family == AF_INET)
		memcpy(bytes + 12, addr->bytes, 4);
	else
		memcpy(bytes, addr->bytes, 16);
	memcpy(word, bytes, 16);
	if (addr->family == AF_INET6)
		mapped = neighbour_mapped(word[0], word[1]);
	return neighbour_lookup(tables_view(t), word[0], word[1], port | mapped);
}

static uint64_t neighbours_table(const struct tables *t)
{
	return tables_view(t)->head->neighbours;
}

static const struct neighbour *neighbour_slots(const struct tables *t)
{
	return tables_view(t)->neighbours + NEIGHBOURS_FIRST(neighbours_table(t));
}

static struct ip_addr neighbour_addr(unsigned i)
{
	uint8_t family = i % 2 ? AF_INET : AF_INET6;

	if (family == AF_INET)
		return to_addr(family, (addr128)(0x0a000000 + i / 2) << 96);
	return to_addr(family, (addr128)0xfe80 << 112 | (i / 2 + 1));
}

/* IPv6 addresses that spell an IPv4 one are other neighbours than it. */
static void families_are_kept_apart(void **state)
{
	static const char *const alike[] = {"10.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1",
					    "ff00::10.0.0.1"};
	struct tables *t = tables_new(grace, 7);

	(void)state;
	make_nexthops(t, 4);
	for (unsigned i = 0; i < 4; i++) {
		struct ip_addr addr = addr_of(alike[i]);

		assert_int_equal(lookup(t, 1, &addr), 0);
		assert_int_equal(tables_neighbour_set(t, 1, &addr, i + 1), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		struct ip_addr addr = addr_of(alike[i]);

		assert_int_equal(lookup(t, 1, &addr), i + 1);
		assert_int_equal(tables_neighbour_del(t, 1, &addr), 0);
		assert_int_equal(lookup(t, 1, &addr), 0);
	}
	tables_free(t);
}

#define NEIGHBOURS 4000

/* Every address on two ports; what is there, what is not, and what was, after each step. */
static void neighbours_churn(void **state)
{
	static uint32_t want[2 * NEIGHBOURS];
	struct tables *t = tables_new(grace, 7);
	uint64_t seed = 52;
	unsigned step, i, n = 0, target = 50;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	memset(want, 0, sizeof(want));
	make_nexthops(t, 200);
	for (step = 0; step < 200000; step++) {
		/* Grows, shrinks and grows, past several sizes of the table. */
		if (step % 20000 == 0)
			target = step / 20000 % 2 ? 50 : NEIGHBOURS;
		i = random_below(&seed, 2 * NEIGHBOURS);
		struct ip_addr addr = neighbour_addr(i / 2);
		uint16_t port = (uint16_t)(i % 2);

		if (n < target || random_below(&seed, 3) == 0) {
			n += !want[i];
			want[i] = 1 + random_below(&seed, 200);
			assert_int_equal(tables_neighbour_set(t, port, &addr, want[i]), 0);
		} else if (want[i]) {
			n--;
			want[i] = 0;
			assert_int_equal(tables_neighbour_del(t, port, &addr), 0);
		} else {
			assert_int_equal(tables_neighbour_del(t, port, &addr), -ENOENT);
		}
		assert_int_equal(lookup(t, port, &addr), want[i]);
		assert_int_equal(lookup(t, !port, &addr), want[i ^ 1]);
		assert_int_equal(stats_of(t).neighbours, n);
		if (step % 100 == 0)
			tables_settle(t);
		if (step % 10000 == 0)
			for (i = 0; i < 2 * NEIGHBOURS; i++) {
				addr = neighbour_addr(i / 2);
				assert_int_equal(lookup(t, (uint16_t)(i % 2), &addr), want[i]);
			}
	}
	tables_free(t);
}

/* One neighbour after the other comes and goes: the table stays as small as it is, and once settled
 * no slot is left behind. */
static void tombstones_go_away(void **state)
{
	struct tables *t = tables_new(grace, 7);
	uint64_t table = neighbours_table(t);
	uint32_t slot;
	unsigned i;

	(void)state;
	make_nexthops(t, 1);
	for (i = 0; i < 100000; i++) {
		struct ip_addr addr = neighbour_addr(i);

		assert_int_equal(tables_neighbour_set(t, 0, &addr, 1), 0);
		assert_int_equal(tables_neighbour_del(t, 0, &addr), 0);
		assert_int_equal(lookup(t, 0, &addr), 0);
		if (i % 1000 == 0)
			tables_settle(t);
	}
	assert_int_equal(NEIGHBOURS_MASK(neighbours_table(t)), NEIGHBOURS_MASK(table));
	tables_settle(t);
	for (slot = 0; slot <= NEIGHBOURS_MASK(table); slot++)
		assert_int_equal(neighbour_slots(t)[slot].nexthop, NEIGHBOUR_FREE);
	tables_free(t);
}

/* A reader may still be at the slot of a neighbour that is gone: its key stays until a grace period
 * has passed. */
static void keys_outlive_their_neighbours(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct neighbour *before;
	uint32_t slot, n_slots;
	uint64_t table;
	unsigned i, gone = 0;

	(void)state;
	make_nexthops(t, 2);
	for (i = 0; i < 600; i++) {
		struct ip_addr addr = neighbour_addr(i);

		assert_int_equal(tables_neighbour_set(t, 0, &addr, 1), 0);
	}
	for (i = 0; i < 500; i++) {
		struct ip_addr addr = neighbour_addr(i);

		assert_int_equal(tables_neighbour_del(t, 0, &addr), 0);
	}
	table = neighbours_table(t);
	n_slots = NEIGHBOURS_MASK(table) + 1;
	before = malloc(n_slots * sizeof(*before));
	assert_non_null(before);
	memcpy(before, neighbour_slots(t), n_slots * sizeof(*before));
	for (i = 1000; i < 1300; i++) {
		struct ip_addr addr = neighbour_addr(i);

		assert_int_equal(tables_neighbour_set(t, 0, &addr, 2), 0);
	}
	assert_int_equal(neighbours_table(t), table); /* they did not move to another one */
	for (slot = 0; slot < n_slots; slot++) {
		if (before[slot].nexthop != NEIGHBOUR_GONE)
			continue;
		gone++;
		assert_memory_equal(&before[slot], &neighbour_slots(t)[slot], sizeof(*before));
	}
	assert_int_equal(gone, 500);
	free(before);
	tables_free(t);
}

/* One neighbour more than there may be is refused and changes nothing; where one has gone another has
 * room at once, however often, without a table beyond the largest. */
static void neighbours_run_out(void **state)
{
	const struct tables_limits limits = {.blocks4 = 16,
					     .last4 = 16,
					     .blocks6 = 16,
					     .nexthops = 16,
					     .slots = 256,
					     .neighbours = 1000};
	struct tables *t = tables_new_limited(grace, 7, &limits);
	struct tables_section_info all;
	uint64_t seed = 53;
	struct ip_addr addr;
	unsigned i, round;

	(void)state;
	make_nexthops(t, 2);
	for (i = 0; i < 1000; i++) {
		addr = neighbour_addr(i);
		assert_int_equal(tables_neighbour_set(t, 0, &addr, 1), 0);
	}
	for (round = 0; round < 20000; round++) {
		uint64_t table = neighbours_table(t);
		unsigned come = 1000 + round, go = random_below(&seed, 1000) + round;

		addr = neighbour_addr(come);
		assert_int_equal(tables_neighbour_set(t, 0, &addr, 2), -ENOSPC);
		assert_int_equal(lookup(t, 0, &addr), 0);
		assert_int_equal(neighbours_table(t), table);
		assert_int_equal(stats_of(t).neighbours, 1000);
		addr = neighbour_addr(round);
		assert_int_equal(tables_neighbour_set(t, 0, &addr, 2), 0); /* not one more */
		addr = neighbour_addr(go);
		assert_int_equal(tables_neighbour_del(t, 0, &addr), 0);
		if (go != round) { /* keep those from round + 1 on */
			assert_int_equal(tables_neighbour_set(t, 0, &addr, 1), 0);
			addr = neighbour_addr(round);
			assert_int_equal(tables_neighbour_del(t, 0, &addr), 0);
		}
		addr = neighbour_addr(come);
		assert_int_equal(tables_neighbour_set(t, 0, &addr, 1), 0);
	}
	for (i = 0; i < 1000; i++) {
		addr = neighbour_addr(20000 + i);
		assert_int_equal(lookup(t, 0, &addr), 1);
	}
	tables_section_info(t, TABLES_NEIGHBOURS, &all);
	assert_true(all.used <= all.max);
	assert_true(NEIGHBOURS_MASK(neighbours_table(t)) < 4 * 1024);
	tables_free(t);
}

/* The next neighbour from *i on whose probes begin at the first slot of a table of 64. */
static struct ip_addr colliding_addr(unsigned *i)
{
	for (;; ++*i) {
		struct ip_addr addr = to_addr(AF_INET6, (addr128)0xfe80 << 112 | *i);
		uint64_t word[2];

		memcpy(word, addr.bytes, 16);
		if (neighbour_hash(word[0], word[1], 0) % 64 == 0) {
			++*i;
			return addr;
		}
	}
}

/* Slots that are gone but can't be freed, because the probes of one that stays pass them: then the
 * neighbours move to the other table of the same size, and back again the next time. */
static void neighbours_move_aside(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct ip_addr addr[33];
	unsigned round, i, next = 0;

	(void)state;
	make_nexthops(t, 2);
	addr[32] = colliding_addr(&next);
	assert_int_equal(tables_neighbour_set(t, 0, &addr[32], 1), 0);
	for (round = 0; round < 6; round++) {
		uint32_t stale = round % 2 ? 3 * 64 : 2 * 64, fresh = round % 2 ? 2 * 64 : 3 * 64;

		assert_int_equal(NEIGHBOURS_FIRST(neighbours_table(t)), stale);
		addr[0] = addr[32];
		for (i = 1; i < 33; i++) {
			addr[i] = colliding_addr(&next);
			if (i < 32)
				assert_int_equal(tables_neighbour_set(t, 0, &addr[i], 1), 0);
		}
		for (i = 0; i < 31; i++)
			assert_int_equal(tables_neighbour_del(t, 0, &addr[i]), 0);
		assert_int_equal(tables_neighbour_set(t, 0, &addr[32], 2), 0);
		assert_int_equal(NEIGHBOURS_FIRST(neighbours_table(t)), fresh);
		assert_int_equal(NEIGHBOURS_MASK(neighbours_table(t)), 63);
		for (i = 0; i < 31; i++)
			assert_int_equal(lookup(t, 0, &addr[i]), 0);
		assert_int_equal(lookup(t, 0, &addr[31]), 1);
		assert_int_equal(lookup(t, 0, &addr[32]), 2);
		assert_int_equal(tables_neighbour_del(t, 0, &addr[31]), 0);
		tables_settle(t);
	}
	tables_free(t);
}

/* Tables of all sizes, and the two of one size, have no slot in common. */
static void tables_lie_apart(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct {
		uint64_t first, end;
	} seen[32];
	uint64_t table = 0;
	unsigned i, j, n = 0;

	(void)state;
	make_nexthops(t, 1);
	for (i = 0; i < 20000; i++) {
		struct ip_addr addr = neighbour_addr(i), gone = neighbour_addr(i / 2);

		assert_int_equal(tables_neighbour_set(t, 0, &addr, 1), 0);
		if (i % 2)
			assert_int_equal(tables_neighbour_del(t, 0, &gone), 0);
		if (neighbours_table(t) == table)
			continue;
		table = neighbours_table(t);
		for (j = 0; j < n && seen[j].first != NEIGHBOURS_FIRST(table); j++)
			;
		assert_true(j < 32);
		seen[j].first = NEIGHBOURS_FIRST(table);
		seen[j].end = seen[j].first + NEIGHBOURS_MASK(table) + 1;
		n += j == n;
	}
	assert_true(n > 4);
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			assert_true(i == j || seen[i].end <= seen[j].first ||
				    seen[j].end <= seen[i].first);
	tables_free(t);
}

/* Hosts of one network differ in the last bits alone and must spread all the same. Linear probing at
 * load a takes (1 + 1 / (1 - a)) / 2 probes on average for those present (Knuth, volume 3, 6.4):
 * 1.5 at the 1/2 that the table never exceeds. */
static void hosts_of_a_network_spread(void **state)
{
	static const char *const networks[] = {"10.1.0.0", "2001:db8::", "fe80::0200:00ff:fe00:0"};
	unsigned n, i;

	(void)state;
	for (n = 0; n < 3; n++) {
		struct tables *t = tables_new(grace, 7);
		struct ip_addr base = addr_of(networks[n]), addr;
		unsigned hosts = 4096, probes = 0;
		addr128 one = (addr128)1 << (128 - family_bits(base.family));

		make_nexthops(t, 1);
		for (i = 0; i < hosts; i++) {
			addr = to_addr(base.family, to_number(base.bytes) + i * one);
			assert_int_equal(tables_neighbour_set(t, 1, &addr, 1), 0);
		}
		for (i = 0; i <= NEIGHBOURS_MASK(neighbours_table(t)); i++) {
			const struct neighbour *s = &neighbour_slots(t)[i];
			uint32_t start = neighbour_hash(s->addr[0], s->addr[1], s->port);

			if (s->nexthop != NEIGHBOUR_FREE)
				probes += 1 + ((i - start) & NEIGHBOURS_MASK(neighbours_table(t)));
		}
		assert_true(probes >= hosts);
		assert_true(probes < hosts * 2);
		tables_free(t);
	}
}

/* ---- ports ---- */

static void ports_are_told(void **state)
{
	static const uint8_t mac[6] = {0x02, 1, 2, 3, 4, 5};
	struct tables *t = tables_new(grace, 7);
	const struct table_port *port = &tables_view(t)->ports[31];

	(void)state;
	tables_port_set(t, 31, mac, true);
	assert_memory_equal((const uint8_t *)&port->mac + 2, mac, 6);
	assert_int_equal(port->mac & 0xffff, 1);
	tables_port_set(t, 31, mac, false);
	assert_int_equal(port->mac & 0xffff, 0);
	tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_laid_out),
		cmocka_unit_test(waits_where_words_could_mix),
		cmocka_unit_test(indices_run_out_and_come_back),
		cmocka_unit_test(refuses_nonsense),
		cmocka_unit_test(families_are_kept_apart),
		cmocka_unit_test(neighbours_churn),
		cmocka_unit_test(tombstones_go_away),
		cmocka_unit_test(keys_outlive_their_neighbours),
		cmocka_unit_test(neighbours_run_out),
		cmocka_unit_test(neighbours_move_aside),
		cmocka_unit_test(tables_lie_apart),
		cmocka_unit_test(hosts_of_a_network_spread),
		cmocka_unit_test(ports_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
