/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables as a whole: memory, the view, grace periods, ports, figures. */
#include "tables.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"
#include "store.h"

#define NARROW_BYTES (TRIE_BLOCK * sizeof(uint16_t))
#define WIDE_BYTES (TRIE_BLOCK * sizeof(uint32_t))

static int image_init(struct tables *t, const struct tables_limits *limits)
{
	void *base[TABLES_SECTIONS];
	unsigned i;

	if (sections_init(t, limits))
		return -ENOMEM;
	for (i = 0; i < TABLES_SECTIONS; i++)
		base[i] = section_base(t, i);
	tables_view_of(base, &t->view);
	t->head_image = base[TABLES_HEAD];
	t->nexthops_image = base[TABLES_NEXTHOPS];
	t->slots_image = base[TABLES_SLOTS];
	t->ports_image = base[TABLES_PORTS];
	t->trie4.root = base[TABLES_ROOT4];
	t->trie6_global.root = base[TABLES_ROOT6_GLOBAL];
	t->trie6_other.root = base[TABLES_ROOT6_OTHER];
	t->v4.kinds[BLOCKS_MID].narrow = base[TABLES_MID4];
	t->v4.kinds[BLOCKS_LAST].narrow = base[TABLES_LAST4];
	t->v4.kinds[BLOCKS_WIDE].wide = base[TABLES_WIDE4];
	t->v6.kinds[BLOCKS_WIDE].wide = base[TABLES_BLOCKS6];
	t->v4.n_kinds = BLOCK_KINDS;
	t->v4.wide_mark = TRIE_WIDE;
	t->v6.n_kinds = 1;
	t->trie4.root_end = 16;
	t->trie6_global.skip = 3;
	t->trie6_global.root_end = 24;
	t->trie6_other.root_end = 16;
	return 0;
}

static int pools_init(struct tables *t, const struct tables_limits *limits)
{
	const uint32_t blocks4[BLOCK_KINDS] = {limits->blocks4, limits->mid4, limits->last4};
	const uint32_t blocks6[BLOCK_KINDS] = {limits->blocks6};
	size_t per_nexthop = limits->nexthops * sizeof(uint32_t);

	t->forward_left = space_reserve(per_nexthop, false);
	t->member_slots = space_reserve(per_nexthop, false);
	if (!t->forward_left || !t->member_slots || pool_init(&t->nexthops, limits->nexthops) ||
	    trie_family_init(&t->v4, blocks4, limits->nodes) ||
	    trie_family_init(&t->v6, blocks6, limits->nodes) ||
	    slots_init(&t->slots, limits->slots) || neighbours_init(t, limits->neighbours))
		return -ENOMEM;
	return 0;
}

struct tables *tables_new_limited(tables_grace_fn *grace, uint8_t no_route_reason,
				  const struct tables_limits *given)
{
	const struct nexthop_spec no_route = {.kind = NEXTHOP_PUNT, .reason = no_route_reason};
	struct tables_limits limits = *given;
	struct tables *t = calloc(1, sizeof(*t));
	uint32_t index;

	if (!t)
		return NULL;
	if (!limits.neighbours)
		limits.neighbours = TABLES_NEIGHBOURS_MAX;
	/* No more blocks of bits 16 to 23 than the root has entries. */
	if (!limits.mid4)
		limits.mid4 = TRIE4_ROOT;
	if (!limits.nodes)
		limits.nodes = TABLES_NODES_MAX;
	t->grace = grace;
	t->n_graces = 1;
	t->no_route_reason = no_route_reason;
	t->nexthops.limit = limits.nexthops;
	if (image_init(t, &limits) || pools_init(t, &limits))
		goto fail;
	/* The first index is 0, which an image of zeros leads to. */
	if (tables_nexthop_new(t, &no_route, &index))
		goto fail;
	return t;
fail:
	tables_free(t);
	errno = ENOMEM;
	return NULL;
}

struct tables *tables_new(tables_grace_fn *grace, uint8_t no_route_reason)
{
	static const struct tables_limits limits = {
		.blocks4 = TABLES_BLOCKS4_MAX,
		.last4 = TABLES_LAST4_MAX,
		.blocks6 = TABLES_BLOCKS6_MAX,
		.nexthops = TABLES_NEXTHOPS_MAX,
		.slots = TABLES_SLOTS_MAX,
		.neighbours = TABLES_NEIGHBOURS_MAX,
	};

	return tables_new_limited(grace, no_route_reason, &limits);
}

void tables_free(struct tables *t)
{
	size_t per_nexthop = t->nexthops.limit * sizeof(uint32_t);

	assert(!t->copies);
	neighbours_fini(&t->neighbours);
	slots_fini(&t->slots);
	trie_family_fini(&t->v6);
	trie_family_fini(&t->v4);
	pool_fini(&t->nexthops);
	if (t->member_slots)
		space_release(t->member_slots, per_nexthop);
	if (t->forward_left)
		space_release(t->forward_left, per_nexthop);
	sections_fini(t);
	free(t);
}

const struct tables_view *tables_view(const struct tables *t)
{
	return &t->view;
}

void tables_wait(struct tables *t)
{
	log_commit(t);
	t->grace();
	log_wait(t);
	t->n_graces++;
	trie_family_settle(&t->v4);
	trie_family_settle(&t->v6);
	pool_settle(&t->nexthops);
	slots_settle(&t->slots);
	neighbours_settle(t);
	log_commit(t);
}

void tables_settle(struct tables *t)
{
	if (trie_family_waits(&t->v4) || trie_family_waits(&t->v6) ||
	    t->nexthops.limbo != POOL_NONE || t->slots.limbo != SLOTS_NONE || neighbours_limbo(t))
		tables_wait(t);
}

void tables_port_set(struct tables *t, uint16_t port, const uint8_t mac[6], bool up)
{
	uint64_t word = up;

	memcpy((uint8_t *)&word + 2, mac, 6);
	store64(t, &t->ports_image[port].mac, word);
	log_commit(t);
}

void tables_stats(const struct tables *t, struct tables_stats *stats)
{
	*stats = (struct tables_stats){
		.routes4 = t->v4.shadow.n_routes,
		.routes6 = t->v6.shadow.n_routes,
		.blocks4 = t->v4.n_blocks,
		.blocks6 = t->v6.n_blocks,
		.nexthops = t->nexthops.used,
		.slots = t->slots.used,
		.neighbours = t->neighbours.used,
	};
	stats->mid4 = t->v4.kinds[BLOCKS_MID].pool.used;
	stats->last4 = t->v4.kinds[BLOCKS_LAST].pool.used;
	stats->wide4 = t->v4.kinds[BLOCKS_WIDE].pool.used;
	stats->routes4_bytes = TRIE4_ROOT * sizeof(uint32_t) + stats->wide4 * WIDE_BYTES +
			       ((size_t)stats->mid4 + stats->last4) * NARROW_BYTES;
	stats->routes6_bytes = (TRIE6_GLOBAL_ROOT + TRIE6_OTHER_ROOT) * sizeof(uint32_t) +
			       stats->blocks6 * WIDE_BYTES;
	stats->image_bytes = stats->routes4_bytes + stats->routes6_bytes +
			     stats->nexthops * sizeof(struct nexthop) +
			     stats->slots * sizeof(uint32_t) +
			     stats->neighbours * sizeof(struct neighbour);
}
