/* SPDX-License-Identifier: BSD-2-Clause */
/* Next hops. What each word holds is in image.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "private.h"
#include "store.h"

#define NEXTHOP_INFO(kind, reason, mtu, port)                                 \
	((uint64_t)(kind) | (uint64_t)(reason) << 8 | (uint64_t)(mtu) << 16 | \
	 (uint64_t)(port) << 32)

/* Release, see store.h: a reader that sees a kind sees the words that were in place before it. */
static void word_store(struct tables *t, uint64_t *word, uint64_t value)
{
	if (*word != value)
		store64(t, word, value);
}

static bool spec_valid(const struct nexthop_spec *spec)
{
	switch (spec->kind) {
	case NEXTHOP_PUNT:
	case NEXTHOP_DROP:
		return true;
	case NEXTHOP_FORWARD:
	case NEXTHOP_GLEAN:
		return spec->port <= 0xff; /* a verdict has 8 bits for it */
	case NEXTHOP_GROUP:
		return spec->members && spec->n_members;
	default:
		return false;
	}
}

/* The four words; `group` stays what it is unless a group is made. */
static void spec_words(const struct nexthop_spec *spec, struct nexthop *words)
{
	words->info = NEXTHOP_INFO(spec->kind, spec->reason, spec->mtu, spec->port);
	if (spec->kind == NEXTHOP_FORWARD) {
		words->dmac = words->smac = 0;
		memcpy((uint8_t *)&words->dmac + 2, spec->dmac, 6);
		memcpy(&words->smac, spec->smac, 6);
	}
}

static bool is_kind(const struct nexthop *nexthop, uint32_t kind)
{
	return NEXTHOP_KIND(nexthop->info) == kind;
}

/* True if a reader might put old and new words together: it reads `info`, then the MACs. */
static bool would_mix(const struct tables *t, uint32_t index, const struct nexthop *now,
		      const struct nexthop *words)
{
	unsigned macs = (now->dmac != words->dmac) + (now->smac != words->smac);

	if (is_kind(now, NEXTHOP_FORWARD))
		return macs && macs + (now->info != words->info) > 1;
	/* Readers may still be at it from when it was one. */
	return macs && t->forward_left[index] == t->n_graces;
}

static void publish_forward(struct tables *t, uint32_t index, const struct nexthop *words)
{
	struct nexthop *now = &t->nexthops_image[index];

	if (would_mix(t, index, now, words)) {
		if (is_kind(now, NEXTHOP_FORWARD))
			word_store(t, &now->info,
				   NEXTHOP_INFO(NEXTHOP_PUNT, t->no_route_reason, 0, 0));
		tables_wait(t);
	}
	word_store(t, &now->dmac, words->dmac);
	word_store(t, &now->smac, words->smac);
	word_store(t, &now->info, words->info);
}

/* Makes the words the next hop's. */
static void publish(struct tables *t, uint32_t index, const struct nexthop *words)
{
	struct nexthop *now = &t->nexthops_image[index];
	bool was_group = is_kind(now, NEXTHOP_GROUP), was_forward = is_kind(now, NEXTHOP_FORWARD);
	uint64_t old_group = now->group;

	word_store(t, &now->group, words->group);
	if (is_kind(words, NEXTHOP_FORWARD)) {
		publish_forward(t, index, words);
	} else {
		word_store(t, &now->info, words->info);
		if (was_forward)
			t->forward_left[index] = t->n_graces;
	}
	if (was_group)
		group_del(t, old_group);
}

int tables_nexthop_new(struct tables *t, const struct nexthop_spec *spec, uint32_t *index)
{
	struct nexthop words = {0};
	uint32_t i;
	int err;

	if (!spec_valid(spec))
		return -EINVAL;
	i = pool_take(&t->nexthops);
	if (i == POOL_NONE) {
		tables_settle(t);
		i = pool_take(&t->nexthops);
	}
	if (i == POOL_NONE)
		return -ENOSPC;
	if (spec->kind == NEXTHOP_GROUP) {
		err = group_new(t, spec->members, spec->n_members, NULL, &words.group);
		if (err) {
			pool_give(&t->nexthops, i);
			return err;
		}
	}
	/* Nobody refers to it: whatever was here has seen its grace period. */
	fill64(t, &t->nexthops_image[i].info, &words.info, 1);
	spec_words(spec, &words);
	t->forward_left[i] = 0;
	publish(t, i, &words);
	log_commit(t);
	*index = i;
	return 0;
}

/* True if the next hop, were it to become this group, would be in a group. */
static bool would_nest(const struct tables *t, uint32_t index, const struct nexthop_spec *spec)
{
	unsigned i;

	for (i = 0; i < spec->n_members; i++)
		if (spec->members[i].nexthop == index)
			return true;
	return t->member_slots[index];
}

int tables_nexthop_set(struct tables *t, uint32_t index, const struct nexthop_spec *spec)
{
	struct nexthop words;
	const struct nexthop *now;
	int err;

	if (!spec_valid(spec) || index == 0 || !pool_in_use(&t->nexthops, index))
		return -EINVAL;
	if (spec->kind == NEXTHOP_GROUP && would_nest(t, index, spec))
		return -EINVAL;
	now = &t->nexthops_image[index];
	words = *now;
	spec_words(spec, &words);
	if (spec->kind == NEXTHOP_GROUP) {
		err = group_new(t, spec->members, spec->n_members,
				is_kind(now, NEXTHOP_GROUP) ? &now->group : NULL, &words.group);
		if (err)
			return err;
	}
	publish(t, index, &words);
	log_commit(t);
	return 0;
}

void tables_nexthop_del(struct tables *t, uint32_t index)
{
	struct nexthop *now = &t->nexthops_image[index];

	assert(index && pool_in_use(&t->nexthops, index) && !t->member_slots[index]);
	if (is_kind(now, NEXTHOP_GROUP))
		group_del(t, now->group);
	pool_give(&t->nexthops, index);
}
