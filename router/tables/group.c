/* SPDX-License-Identifier: BSD-2-Clause */
/* ECMP groups: who gets which slots. */
#include <errno.h>

#include "private.h"
#include "store.h"

#define GROUP_FIRST(group) ((uint32_t)(group))
#define GROUP_MASK(group) ((uint32_t)((group) >> 32))

/* A member with the slots due to it. Members named twice are one with both weights. */
struct share {
	uint32_t nexthop;
	uint64_t weight;
	uint32_t held;	/* slots it has now */
	uint32_t quota; /* slots still to be given */
	int64_t lacks;	/* slots times the total of weights; below 0: was rounded up */
};

static int merge_members(struct tables *t, const struct nexthop_member *members, unsigned n_members,
			 struct share *shares, unsigned *n_shares, uint64_t *total)
{
	unsigned i, j, n = 0;

	*total = 0;
	for (i = 0; i < n_members; i++) {
		const struct nexthop_member *m = &members[i];

		if (!m->weight || !pool_in_use(&t->nexthops, m->nexthop) ||
		    NEXTHOP_KIND(t->nexthops_image[m->nexthop].info) == NEXTHOP_GROUP)
			return -EINVAL;
		for (j = 0; j < n && shares[j].nexthop != m->nexthop; j++)
			;
		if (j == TABLES_GROUP_SLOTS_MAX)
			return -EINVAL;
		if (j == n)
			shares[n++] = (struct share){.nexthop = m->nexthop};
		shares[j].weight += m->weight;
		*total += m->weight;
	}
	*n_shares = n;
	return n ? 0 : -EINVAL;
}

/* The smallest power of two of slots that gives each member exactly its share; the most there can be
 * if none does. */
static unsigned order_for(const struct share *shares, unsigned n, uint64_t total)
{
	unsigned order, i;

	for (order = 0; 1u << order < TABLES_GROUP_SLOTS_MAX; order++) {
		for (i = 0; i < n; i++)
			if ((shares[i].weight << order) % total)
				break;
		if (i == n)
			break;
	}
	return order;
}

/* Counts the slots that members have in group word `old`, as they repeat in `n_slots`. */
static void count_held(const struct tables *t, uint64_t old, uint32_t n_slots, struct share *shares,
		       unsigned n)
{
	uint32_t i;
	unsigned j;

	for (i = 0; i < n_slots; i++)
		for (j = 0; j < n; j++)
			if (shares[j].nexthop ==
			    t->slots_image[GROUP_FIRST(old) + (i & GROUP_MASK(old))])
				shares[j].held++;
}

/* True if it would lose a slot, and flows with it, for want of rounding up. */
static bool would_lose(const struct share *s)
{
	return s->lacks > 0 && s->held > s->quota;
}

/* Gives one more slot to the member that lacks most, but first to those that would lose one. */
static void give_slot(struct share *shares, unsigned n, uint64_t total)
{
	unsigned i, most = 0;

	for (i = 1; i < n; i++) {
		bool loses = would_lose(&shares[i]), most_loses = would_lose(&shares[most]);

		if (loses != most_loses ? loses : shares[i].lacks > shares[most].lacks)
			most = i;
	}
	shares[most].quota++;
	shares[most].lacks -= (int64_t)total;
}

/* Gives one slot to each member to whom less than one is due: a path with a small weight still is a path.
 * The others share by weight what is left, of which less than one may be due to some of them then. Lowers
 * the total of weights and the slots to those others'. */
static void give_least(struct share *shares, unsigned n, uint64_t *total, uint32_t *n_slots)
{
	bool again;
	unsigned i;

	do {
		again = false;
		for (i = 0; i < n; i++) {
			if (shares[i].quota || shares[i].weight * *n_slots >= *total)
				continue;
			shares[i].quota = 1;
			*total -= shares[i].weight;
			--*n_slots;
			again = true;
		}
	} while (again);
}

/* What is due to each, rounded down or up: up for those that have as much already, so that as few flows
 * as can be must move, then by largest remainder. */
static void apportion(struct share *shares, unsigned n, uint64_t total, uint32_t n_slots)
{
	uint32_t given = 0;
	unsigned i;

	give_least(shares, n, &total, &n_slots);
	for (i = 0; i < n; i++) {
		uint64_t due = shares[i].weight * n_slots;

		if (shares[i].quota)
			continue;
		shares[i].quota = (uint32_t)(due / total);
		shares[i].lacks = (int64_t)(due % total);
		given += shares[i].quota;
	}
	for (; given < n_slots; given++)
		give_slot(shares, n, total);
}

/* Fills `slots`: first those whose old member still has slots due, then the rest. */
static void fill(struct tables *t, const uint64_t *old, struct share *shares, unsigned n,
		 uint32_t *slots, uint32_t n_slots)
{
	const uint32_t *was = old ? t->slots_image + GROUP_FIRST(*old) : NULL;
	uint32_t i, j;

	for (i = 0; i < n_slots; i++) {
		slots[i] = SLOTS_NONE;
		if (!was)
			continue;
		for (j = 0; j < n; j++)
			if (shares[j].nexthop == was[i & GROUP_MASK(*old)])
				break;
		if (j < n && shares[j].quota) {
			slots[i] = shares[j].nexthop;
			shares[j].quota--;
		}
	}
	for (i = j = 0; i < n_slots; i++) {
		if (slots[i] != SLOTS_NONE)
			continue;
		while (!shares[j].quota)
			j++;
		slots[i] = shares[j].nexthop;
		shares[j].quota--;
	}
}

static uint32_t take(struct tables *t, unsigned order)
{
	uint32_t first = slots_take(&t->slots, order);

	if (first == SLOTS_NONE) {
		tables_settle(t);
		first = slots_take(&t->slots, order);
	}
	return first;
}

int group_new(struct tables *t, const struct nexthop_member *members, unsigned n_members,
	      const uint64_t *old, uint64_t *group)
{
	struct share shares[TABLES_GROUP_SLOTS_MAX];
	uint32_t slots[TABLES_GROUP_SLOTS_MAX], first, i, n_slots;
	unsigned n, order;
	uint64_t total;
	int err;

	err = merge_members(t, members, n_members, shares, &n, &total);
	if (err)
		return err;
	order = order_for(shares, n, total);
	/* A group never shrinks, so that old slots map to new ones. */
	while (old && 1u << order < GROUP_MASK(*old) + 1)
		order++;
	n_slots = 1u << order;
	first = take(t, order);
	if (first == SLOTS_NONE)
		return -ENOSPC;
	if (old)
		count_held(t, *old, n_slots, shares, n);
	apportion(shares, n, total, n_slots);
	fill(t, old, shares, n, slots, n_slots);
	/* Published by the store of the group word. */
	fill32(t, &t->slots_image[first], slots, n_slots);
	for (i = 0; i < n_slots; i++)
		t->member_slots[slots[i]]++;
	*group = (uint64_t)(n_slots - 1) << 32 | first;
	return 0;
}

void group_del(struct tables *t, uint64_t group)
{
	uint32_t i;

	for (i = 0; i <= GROUP_MASK(group); i++)
		t->member_slots[t->slots_image[GROUP_FIRST(group) + i]]--;
	slots_give(&t->slots, GROUP_FIRST(group), (unsigned)__builtin_ctz(GROUP_MASK(group) + 1));
}
