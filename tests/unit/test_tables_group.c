/* SPDX-License-Identifier: BSD-2-Clause */
/* The slots of ECMP groups, as readers find them: shares, and which flows move. */
#include <errno.h>

#include "../../router/tables/private.h"
#include "tables_help.h"

static unsigned graces;

static void grace(void)
{
	graces++;
}

struct slots_seen {
	unsigned n;
	uint32_t nexthop[TABLES_GROUP_SLOTS_MAX];
};

static struct slots_seen read_slots(const struct tables *t, uint32_t index)
{
	const struct tables_view *v = tables_view(t);
	uint64_t group = v->nexthops[index].group;
	struct slots_seen seen = {.n = (unsigned)(group >> 32) + 1};
	unsigned i;

	assert_int_equal(NEXTHOP_KIND(v->nexthops[index].info), NEXTHOP_GROUP);
	assert_true(seen.n <= TABLES_GROUP_SLOTS_MAX && !(seen.n & (seen.n - 1)));
	for (i = 0; i < seen.n; i++)
		seen.nexthop[i] = v->slots[(uint32_t)group + i];
	return seen;
}

static unsigned count_slots(const struct slots_seen *seen, uint32_t nexthop)
{
	unsigned i, n = 0;

	for (i = 0; i < seen->n; i++)
		n += seen->nexthop[i] == nexthop;
	return n;
}

static struct nexthop_spec group_spec(const struct nexthop_member *members, unsigned n)
{
	return (struct nexthop_spec){.kind = NEXTHOP_GROUP, .members = members, .n_members = n};
}

static void shares_follow_weights(void **state)
{
	/* Worked out by hand: slots in all, then each member's (members are next hops 1, 2, ...). */
	static const struct {
		unsigned n, weight[5], slots, share[5];
	} cases[] = {
		{1, {5}, 1, {1}},
		{2, {1, 1}, 2, {1, 1}},
		{2, {1, 3}, 4, {1, 3}},
		{2, {6, 2}, 4, {3, 1}},
		{4, {1, 1, 1, 1}, 4, {1, 1, 1, 1}},
		{2, {1, 255}, 256, {1, 255}},
		/* 85.33 each */
		{3, {1, 1, 1}, 256, {86, 85, 85}},
		/* 36.57, 73.14, 146.29 */
		{3, {1, 2, 4}, 256, {37, 73, 146}},
		/* 51.2 each */
		{5, {1, 1, 1, 1, 1}, 256, {52, 51, 51, 51, 51}},
		/* 0.26 and 255.74: one at least */
		{2, {1, 1000}, 256, {1, 255}},
		/* 0.0026 twice, 255.99 */
		{3, {1, 1, 100000}, 256, {1, 1, 254}},
		{2, {4294967295, 4294967295}, 2, {1, 1}},
	};
	struct tables *t = tables_new(grace, 7);
	unsigned i, j;

	(void)state;
	make_nexthops(t, 5);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nexthop_member members[5];
		struct nexthop_spec spec = group_spec(members, cases[i].n);
		struct slots_seen seen;
		uint32_t group;

		for (j = 0; j < cases[i].n; j++)
			members[j] = (struct nexthop_member){1 + j, cases[i].weight[j]};
		assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
		seen = read_slots(t, group);
		assert_int_equal(seen.n, cases[i].slots);
		assert_int_equal(stats_of(t).slots, cases[i].slots);
		for (j = 0; j < cases[i].n; j++)
			assert_int_equal(count_slots(&seen, 1 + j), cases[i].share[j]);
		tables_nexthop_del(t, group);
		assert_int_equal(stats_of(t).slots, 0);
	}
	tables_free(t);
}

/* Many members whose due is less than a slot get one each; those with more share the rest by weight, not
 * by what is left when slots are taken from them. */
static void small_members_leave_the_rest_in_proportion(void **state)
{
	/* The first members' weights, then that of so many small ones; the shares of the first. */
	static const struct {
		unsigned n, weight[3], n_small, small, share[3];
	} cases[] = {
		{1, {1000}, 100, 1, {156}},
		/* 156 slots as 2 to 1, as 9 to 2 to 1 */
		{2, {2000, 1000}, 100, 1, {104, 52}},
		{3, {117000, 26000, 13000}, 100, 1, {117, 26, 13}},
		/* 1.002 due to the second, but 0.42 when the small ones have got theirs */
		{2, {65000, 256}, 150, 1, {105, 1}},
		{1, {1000}, 255, 1, {1}},
	};
	struct tables *t = tables_new(grace, 7);
	unsigned i, j;

	(void)state;
	make_nexthops(t, 255);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nexthop_member members[256];
		struct nexthop_spec spec = group_spec(members, cases[i].n + cases[i].n_small);
		struct slots_seen seen;
		uint32_t group;

		for (j = 0; j < spec.n_members; j++)
			members[j] = (struct nexthop_member){j, j < cases[i].n ? cases[i].weight[j]
									       : cases[i].small};
		assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
		seen = read_slots(t, group);
		assert_int_equal(seen.n, 256);
		for (j = 0; j < spec.n_members; j++)
			assert_int_equal(count_slots(&seen, j),
					 j < cases[i].n ? cases[i].share[j] : 1);
		tables_nexthop_del(t, group);
		tables_settle(t);
	}
	tables_free(t);
}

/* 251 slots for two, five for five small ones: whose the odd one is stays as it is when members come in
 * another order. */
static void order_of_members_moves_nothing(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct nexthop_member members[7], reverse[7];
	struct nexthop_spec spec = group_spec(members, 7), again = group_spec(reverse, 7);
	struct slots_seen before, after;
	uint32_t group;
	unsigned i;

	(void)state;
	make_nexthops(t, 7);
	for (i = 0; i < 7; i++)
		reverse[6 - i] = members[i] = (struct nexthop_member){1 + i, i < 2 ? 100000 : 1};
	assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
	before = read_slots(t, group);
	assert_int_equal(before.n, 256);
	assert_int_equal(count_slots(&before, 1) + count_slots(&before, 2), 251);
	assert_int_equal(tables_nexthop_set(t, group, &again), 0);
	after = read_slots(t, group);
	assert_memory_equal(&before, &after, sizeof(before));
	tables_free(t);
}

static void member_named_twice_counts_twice(void **state)
{
	static const struct nexthop_member members[] = {{1, 1}, {2, 2}, {1, 1}};
	struct nexthop_spec spec = group_spec(members, 3);
	struct tables *t = tables_new(grace, 7);
	struct slots_seen seen;
	uint32_t group;

	(void)state;
	make_nexthops(t, 2);
	assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
	seen = read_slots(t, group);
	assert_int_equal(seen.n, 2);
	assert_int_equal(count_slots(&seen, 1), 1);
	tables_free(t);
}

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Each member has its due, rounded down or up. */
static void assert_shares(const struct slots_seen *seen, const struct nexthop_member *members,
			  unsigned n)
{
	unsigned total = 0, i;

	for (i = 0; i < n; i++)
		total += members[i].weight;
	for (i = 0; i < n; i++) {
		unsigned due = members[i].weight * seen->n, down = due / total;

		assert_in_range(count_slots(seen, members[i].nexthop), down,
				down + (due % total != 0));
	}
}

/* The most slots that can stay with their members if each gets its due of `now->n` rounded down or up. */
static unsigned most_kept(const struct slots_seen *old, unsigned n_slots,
			  const struct nexthop_member *members, unsigned n)
{
	unsigned total = 0, kept = 0, up = n_slots, want_up = 0, i;

	for (i = 0; i < n; i++)
		total += members[i].weight;
	for (i = 0; i < n; i++) {
		unsigned due = members[i].weight * n_slots, down = due / total;
		unsigned had = count_slots(old, members[i].nexthop);

		up -= down; /* slots left for rounding up */
		kept += lesser(had, down);
		want_up += had > down && due % total;
	}
	return kept + lesser(up, want_up);
}

/* However members and weights change, each member keeps as many of the slots it had as its new share
 * allows, and shares are such that all together keep the most. */
static void changes_disturb_least(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct nexthop_member members[12] = {{1, 1}, {2, 1}};
	struct nexthop_spec spec = group_spec(members, 2);
	struct slots_seen old, now;
	uint64_t seed = 51;
	uint32_t group;
	unsigned round, i, n, all;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	make_nexthops(t, 12);
	assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
	for (round = 0; round < 5000; round++) {
		old = read_slots(t, group);
		for (i = n = 0; i < 12; i++)
			if (random_below(&seed, 3) == 0)
				members[n++] =
					(struct nexthop_member){1 + i, 1 + random_below(&seed, 4)};
		if (!n)
			continue;
		spec.n_members = n;
		assert_int_equal(tables_nexthop_set(t, group, &spec), 0);
		now = read_slots(t, group);
		/* A flow's slot is its hash modulo the number of slots, so old slots repeat. */
		assert_true(now.n >= old.n);
		for (i = old.n; i < now.n; i++)
			old.nexthop[i] = old.nexthop[i - old.n];
		old.n = now.n;
		for (i = all = 0; i < 12; i++) {
			unsigned kept = 0, slot;

			for (slot = 0; slot < now.n; slot++)
				kept += now.nexthop[slot] == 1 + i && old.nexthop[slot] == 1 + i;
			assert_int_equal(
				kept, lesser(count_slots(&old, 1 + i), count_slots(&now, 1 + i)));
			all += kept;
		}
		assert_int_equal(all, most_kept(&old, now.n, members, n));
		assert_shares(&now, members, n);
		assert_int_equal(stats_of(t).slots, now.n);
		if (round % 16 == 0)
			tables_settle(t);
	}
	tables_nexthop_del(t, group);
	for (i = 1; i <= 12; i++)
		tables_nexthop_del(t, i);
	assert_int_equal(stats_of(t).slots, 0);
	assert_int_equal(stats_of(t).nexthops, 1);
	tables_free(t);
}

/* Where each of many flows, by their hashes, goes. */
#define FLOWS 100000u
static void flows_go(const struct tables *t, uint32_t group, uint32_t *member)
{
	struct slots_seen seen = read_slots(t, group);
	uint64_t seed = 58;
	unsigned i;

	for (i = 0; i < FLOWS; i++)
		member[i] = seen.nexthop[random64(&seed) & (seen.n - 1)];
}

static uint32_t flows_before[FLOWS], flows_after[FLOWS];

/* Sets the group and returns the share of flows that move. Those that move leave `from` or, if that is
 * 0, go to `to` or, if that is 0 too, any way. */
static double share_moved(struct tables *t, uint32_t group, const struct nexthop_member *members,
			  unsigned n, uint32_t from, uint32_t to)
{
	struct nexthop_spec spec = group_spec(members, n);
	unsigned i, moved = 0;

	flows_go(t, group, flows_before);
	assert_int_equal(tables_nexthop_set(t, group, &spec), 0);
	flows_go(t, group, flows_after);
	for (i = 0; i < FLOWS; i++) {
		if (flows_before[i] == flows_after[i]) {
			assert_int_not_equal(flows_after[i], from);
			continue;
		}
		moved++;
		if (from)
			assert_int_equal(flows_before[i], from);
		else if (to)
			assert_int_equal(flows_after[i], to);
	}
	return (double)moved / FLOWS;
}

/* A slot of 256 more or less, and six standard deviations of a share of 100,000 flows. */
static void assert_near(double share, double due)
{
	assert_true(share > due - 0.004 - 0.01 && share < due + 0.004 + 0.01);
}

/* Members of equal weight: when one leaves its flows move, all and no others; when it comes back, or
 * another joins, flows move to it alone, as many as are its share. */
static void only_flows_concerned_move(void **state)
{
	struct tables *t = tables_new(grace, 7);
	struct nexthop_member members[40];
	struct nexthop_spec spec = group_spec(members, 1);
	double left, came, worst_left = 0, worst_came = 0;
	uint64_t seed = 59;
	uint32_t group;
	unsigned n, i;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	make_nexthops(t, 40);
	members[0] = (struct nexthop_member){1, 1};
	assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
	for (n = 2; n <= 40; n++) {
		unsigned leaver = random_below(&seed, n), back = random_below(&seed, n);
		uint32_t gone;

		members[n - 1] = (struct nexthop_member){n, 1};
		came = share_moved(t, group, members, n, 0, n);
		assert_near(came, 1.0 / n);
		gone = members[leaver].nexthop;
		for (i = leaver; i + 1 < n; i++)
			members[i] = members[i + 1];
		left = share_moved(t, group, members, n - 1, gone, 0);
		assert_near(left, 1.0 / n);
		for (i = n - 1; i > back; i--)
			members[i] = members[i - 1];
		members[back] = (struct nexthop_member){gone, 1};
		came = share_moved(t, group, members, n, 0, gone);
		assert_near(came, 1.0 / n);
		worst_left = left * n > worst_left ? left * n : worst_left;
		worst_came = came * n > worst_came ? came * n : worst_came;
	}
	print_message("moved, in shares of a member: at most %.2f when one leaves, %.2f when it "
		      "comes back\n",
		      worst_left, worst_came);
	tables_free(t);
}

/* Another weight moves what one member has more and another less, no more. */
static void weights_move_the_least(void **state)
{
	/* Shares before and after worked out by hand: what grows, summed up. */
	static const struct {
		uint32_t before[3], after[3];
		double moved;
	} cases[] = {
		{{1, 1, 0}, {3, 1, 0}, 0.25},	 /* 1/2 to 3/4 */
		{{1, 1, 1}, {1, 1, 2}, 1.0 / 6}, /* 1/3 to 1/2 */
		{{4, 2, 2}, {2, 4, 2}, 0.25},	 /* 1/4 to 1/2 */
		{{1, 2, 3}, {3, 2, 1}, 2.0 / 6}, {{5, 5, 5}, {9, 9, 9}, 0},
	};
	struct tables *t = tables_new(grace, 7);
	unsigned i, j;

	(void)state;
	make_nexthops(t, 3);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nexthop_member before[3], after[3];
		unsigned n = cases[i].before[2] ? 3 : 2;
		struct nexthop_spec spec = group_spec(before, n);
		uint32_t group;
		double moved;

		for (j = 0; j < n; j++) {
			before[j] = (struct nexthop_member){1 + j, cases[i].before[j]};
			after[j] = (struct nexthop_member){1 + j, cases[i].after[j]};
		}
		assert_int_equal(tables_nexthop_new(t, &spec, &group), 0);
		moved = share_moved(t, group, after, n, 0, 0);
		assert_near(moved, cases[i].moved);
		if (cases[i].moved == 0)
			assert_true(moved == 0);
	}
	tables_free(t);
}

/* 512 slots: as 512 groups of one, then, freed and put together again, as 2 of 256. */
static void slots_run_out_and_come_back(void **state)
{
	const struct tables_limits limits = {
		.blocks4 = 16, .last4 = 16, .blocks6 = 16, .nexthops = 1024, .slots = 512};
	struct tables *t = tables_new_limited(grace, 7, &limits);
	static const struct nexthop_member one[] = {{1, 1}}, three[] = {{1, 1}, {2, 1}, {3, 1}};
	struct nexthop_spec small = group_spec(one, 1), big = group_spec(three, 3);
	struct nexthop_spec drop = {.kind = NEXTHOP_DROP};
	uint32_t groups[512], extra;
	struct slots_seen before, after;
	unsigned round, i;

	(void)state;
	make_nexthops(t, 3);
	graces = 0;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 512; i++)
			assert_int_equal(tables_nexthop_new(t, &small, &groups[i]), 0);
		assert_int_equal(tables_nexthop_new(t, &small, &extra), -ENOSPC);
		before = read_slots(t, groups[7]);
		assert_int_equal(tables_nexthop_set(t, groups[7], &big), -ENOSPC);
		after = read_slots(t, groups[7]);
		assert_int_equal(after.n, before.n);
		assert_int_equal(after.nexthop[0], before.nexthop[0]);
		assert_int_equal(stats_of(t).nexthops, 4 + 512);
		for (i = 0; i < 512; i++)
			tables_nexthop_del(t, groups[i]);
		for (i = 0; i < 2; i++)
			assert_int_equal(tables_nexthop_new(t, &big, &groups[i]), 0);
		assert_int_equal(tables_nexthop_new(t, &small, &extra), -ENOSPC);
		/* No longer a group: its slots come back. */
		assert_int_equal(tables_nexthop_set(t, groups[0], &drop), 0);
		assert_int_equal(tables_nexthop_set(t, groups[0], &big), 0);
		for (i = 0; i < 2; i++)
			tables_nexthop_del(t, groups[i]);
		assert_int_equal(stats_of(t).slots, 0);
	}
	assert_true(graces > 0);
	tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(small_members_leave_the_rest_in_proportion),
		cmocka_unit_test(order_of_members_moves_nothing),
		cmocka_unit_test(member_named_twice_counts_twice),
		cmocka_unit_test(changes_disturb_least),
		cmocka_unit_test(only_flows_concerned_move),
		cmocka_unit_test(weights_move_the_least),
		cmocka_unit_test(slots_run_out_and_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
