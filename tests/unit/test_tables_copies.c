/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies that follow the tables by their logs while everything in them changes. */
#include <errno.h>

#include "tables_churn_help.h"

/* The copies that the grace function replays into, as their threads would while the control thread
 * waits. */
static struct replica *followers[3];
static unsigned graces;

static void follow(struct replica *r)
{
	if (tables_copy_state(r->copy) == TABLES_COPY_LIVE && replica_replay(r) == 0)
		tables_copy_done(r->copy, tables_copy_position(r->copy));
}

static void grace(void)
{
	graces++;
	for (unsigned i = 0; i < 3; i++)
		if (followers[i])
			follow(followers[i]);
}

#define HOPS 20u	 /* next hops 1 to 20 are no groups, */
#define GROUPS 10u	 /* 21 to 30 come to be some */
#define NEIGHBOURS 2000u /* more than there may be */

struct churn {
	struct tables *t;
	uint64_t seed;
	unsigned neighbours_wanted;
};

static struct nexthop_spec random_hop(uint64_t *seed)
{
	unsigned x = random_below(seed, 4);
	struct nexthop_spec spec = {
		.kind = (uint8_t)random_below(seed, NEXTHOP_GROUP),
		.reason = (uint8_t)x,
		.mtu = (uint16_t)(1500 + x),
		.port = (uint16_t)x,
		.dmac = {2, 0, 0, 0, 0, (uint8_t)random_below(seed, 4)},
		.smac = {2, 0, 0, 0, 1, (uint8_t)random_below(seed, 4)},
	};

	return spec;
}

static void change_hop(struct churn *c)
{
	struct nexthop_spec spec = random_hop(&c->seed);

	assert_int_equal(tables_nexthop_set(c->t, 1 + random_below(&c->seed, HOPS), &spec), 0);
}

static void change_group(struct churn *c)
{
	struct nexthop_member members[8];
	struct nexthop_spec spec = random_hop(&c->seed);
	uint32_t index = 1 + HOPS + random_below(&c->seed, GROUPS);
	unsigned n = 1 + random_below(&c->seed, 8), i;
	int err;

	if (random_below(&c->seed, 4)) {
		for (i = 0; i < n; i++)
			members[i] = (struct nexthop_member){1 + random_below(&c->seed, HOPS),
							     1 + random_below(&c->seed, 3)};
		spec = (struct nexthop_spec){
			.kind = NEXTHOP_GROUP, .members = members, .n_members = n};
	}
	err = tables_nexthop_set(c->t, index, &spec);
	assert_true(!err || err == -ENOSPC);
}

static struct prefix random_prefix(struct churn *c)
{
	uint8_t family = random_below(&c->seed, 2) ? AF_INET : AF_INET6;
	addr128 any = (addr128)random64(&c->seed) << 64 | random64(&c->seed), base;

	/* Few of them, close together, of any length from /8 on. */
	if (family == AF_INET) {
		base = (addr128)10 << 120 | (any & (addr128)0x010303 << 96);
		return to_prefix(family, base, 8 + random_below(&c->seed, 25));
	}
	base = (random_below(&c->seed, 2) ? (addr128)0x2001 : (addr128)0xfd00) << 112;
	base |= any & ((addr128)0x03030303 << 64 | 0x3);
	return to_prefix(family, base, 8 + random_below(&c->seed, 121));
}

static void change_route(struct churn *c)
{
	struct prefix p = random_prefix(c);
	int err;

	if (random_below(&c->seed, 2))
		err = tables_route_set(c->t, &p, 1 + random_below(&c->seed, HOPS + GROUPS));
	else
		err = tables_route_del(c->t, &p);
	assert_true(!err || err == -ENOENT || err == -ENOSPC);
}

/* A next hop that comes, is used and goes. */
static void exchange_hop(struct churn *c)
{
	struct nexthop_spec spec = random_hop(&c->seed);
	struct prefix p = random_prefix(c);
	uint32_t index, before;

	assert_int_equal(tables_nexthop_new(c->t, &spec, &index), 0);
	if (!tables_route_get(c->t, &p, &before) && !tables_route_set(c->t, &p, index))
		assert_int_equal(tables_route_set(c->t, &p, before), 0);
	tables_nexthop_del(c->t, index);
}

static void change_neighbour(struct churn *c)
{
	struct ip_addr addr = neighbour_addr(random_below(&c->seed, NEIGHBOURS));
	struct tables_stats stats;
	int err;

	tables_stats(c->t, &stats);
	if (random_below(&c->seed, 400) == 0)
		c->neighbours_wanted = random_below(&c->seed, NEIGHBOURS);
	if (stats.neighbours < c->neighbours_wanted)
		err = tables_neighbour_set(c->t, 1, &addr, 1 + random_below(&c->seed, HOPS));
	else
		err = tables_neighbour_del(c->t, 1, &addr);
	assert_true(!err || err == -ENOENT || err == -ENOSPC);
}

static void change_port(struct churn *c)
{
	uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)random_below(&c->seed, 256)};

	tables_port_set(c->t, (uint16_t)random_below(&c->seed, 256), mac,
			random_below(&c->seed, 2));
}

static void churn_init(struct churn *c, uint64_t seed)
{
	uint32_t index;

	*c = (struct churn){tables_new_limited(grace, NO_ROUTE_REASON, &small), seed, 100};
	assert_non_null(c->t);
	for (unsigned i = 1; i <= HOPS + GROUPS; i++) {
		struct nexthop_spec spec = random_hop(&c->seed);

		assert_int_equal(tables_nexthop_new(c->t, &spec, &index), 0);
		assert_int_equal(index, i);
	}
}

static void churn_batch(struct churn *c)
{
	static void (*const changes[])(struct churn *) = {
		change_hop,	  change_group,	    change_route,     change_route, change_route,
		change_neighbour, change_neighbour, change_neighbour, exchange_hop, change_port,
	};
	unsigned n = 1 + random_below(&c->seed, 60);

	while (n--)
		changes[random_below(&c->seed, 10)](c);
	if (random_below(&c->seed, 2))
		tables_settle(c->t);
}

/* The copy answers what the image does. */
static void check_answers(struct churn *c, const struct replica *r)
{
	const struct tables_view *v = tables_view(c->t);

	for (unsigned i = 0; i < 100; i++) {
		struct prefix p = random_prefix(c);
		struct ip_addr addr = {.family = p.family};
		addr128 a = to_number(p.bytes);
		uint32_t index;

		memcpy(addr.bytes, p.bytes, sizeof(addr.bytes));
		if (p.family == AF_INET)
			index = route4_lookup(&r->view, (uint32_t)(a >> 96));
		else
			index = route6_lookup(&r->view, (uint64_t)(a >> 64), (uint64_t)a);
		assert_int_equal(index, tables_image_lookup(c->t, &addr));
		assert_memory_equal(&r->view.nexthops[index], &v->nexthops[index],
				    sizeof(struct nexthop));
	}
	for (unsigned i = 0; i < NEIGHBOURS; i += 2) {
		struct ip_addr addr = neighbour_addr(i);
		uint64_t word[2];

		memcpy(word, addr.bytes, 16);
		assert_int_equal(neighbour_lookup(&r->view, word[0], word[1], 1),
				 neighbour_lookup(v, word[0], word[1], 1));
	}
}

#define BATCHES 1500u

/* One copy from the beginning, one from the middle of life, and one that is lost now and then. */
static void copies_follow(void **state)
{
	static struct replica first, later, poor;
	struct tables_copy_stats stats;
	struct prefix all = prefix_of("0.0.0.0/0");
	struct churn c;
	unsigned batch;

	(void)state;
	print_message("seed %u\n", 55u);
	churn_init(&c, 55);
	replica_init(&first, c.t, 4 << 20);
	replica_init(&poor, c.t, TABLES_LOG_MIN);
	replica_fill(&first);
	replica_fill(&poor);
	followers[0] = &first;
	followers[1] = &poor;
	for (batch = 0; batch < BATCHES; batch++) {
		if (batch == BATCHES / 2) {
			replica_init(&later, c.t, 4 << 20);
			replica_fill(&later);
			followers[2] = &later;
		}
		if (batch % 50 == 0) /* a quarter of a megabyte */
			tables_route_set(c.t, &all, 1 + batch / 50 % HOPS);
		churn_batch(&c);
		follow(&first);
		replica_check(&first, c.t);
		if (batch >= BATCHES / 2) {
			follow(&later);
			replica_check(&later, c.t);
		}
		if (tables_copy_state(poor.copy) == TABLES_COPY_LOST) {
			assert_int_equal(replica_replay(&poor), -EOVERFLOW);
			tables_copy_want(poor.copy);
			replica_fill(&poor);
		}
		follow(&poor);
		replica_check(&poor, c.t);
		if (batch % 16 == 0)
			check_answers(&c, &first);
	}
	tables_copy_stats(first.copy, &stats);
	assert_int_equal(stats.losses, 0);
	tables_copy_stats(poor.copy, &stats);
	assert_in_range(stats.losses, BATCHES / 75, BATCHES);
	assert_int_equal(stats.fills, stats.losses + 1);
	assert_true(graces > BATCHES / 3);
	replica_fini(&poor);
	replica_fini(&first);
	replica_fini(&later);
	tables_free(c.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
