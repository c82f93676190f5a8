/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables as a whole: memory, the view, grace periods, ports, figures. */
#include "tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define PORTS_MAX (1u << 16) /* whatever 16 bits can name */

#define NARROW_BYTES (TRIE_BLOCK * sizeof(uint16_t))
#define WIDE_BYTES (TRIE_BLOCK * sizeof(uint32_t))

/* Hands out the next piece of the image. With `base` NULL only counts. */
static void *cut(uint8_t *base, size_t *offset, size_t bytes)
{
	void *piece = base ? base + *offset : NULL;

	*offset += bytes;
	return piece;
}

/* Lays the image out: what is small and always read first, so that it shares a huge page. Returns
 * the number of bytes. */
static size_t lay_out(struct tables *t, const struct tables_limits *limits, uint8_t *base)
{
	size_t at = 0;

	t->trie4.root = cut(base, &at, TRIE4_ROOT * sizeof(uint32_t));
	t->trie6_other.root = cut(base, &at, TRIE6_OTHER_ROOT * sizeof(uint32_t));
	t->ports_image = cut(base, &at, PORTS_MAX * sizeof(struct table_port));
	t->slots_image = cut(base, &at, limits->slots * sizeof(uint32_t));
	t->nexthops_image = cut(base, &at, limits->nexthops * sizeof(struct nexthop));
	t->trie6_global.root = cut(base, &at, TRIE6_GLOBAL_ROOT * sizeof(uint32_t));
	t->v4.kinds[BLOCKS_MID].narrow = cut(base, &at, (size_t)TRIE4_ROOT * NARROW_BYTES);
	t->v4.kinds[BLOCKS_LAST].narrow = cut(base, &at, (size_t)limits->last4 * NARROW_BYTES);
	at = (at + WIDE_BYTES - 1) & ~(WIDE_BYTES - 1);
	t->v4.kinds[BLOCKS_WIDE].wide = cut(base, &at, limits->blocks4 * WIDE_BYTES);
	t->v6.kinds[BLOCKS_WIDE].wide = cut(base, &at, limits->blocks6 * WIDE_BYTES);
	return at;
}

static int image_init(struct tables *t, const struct tables_limits *limits)
{
	t->image_bytes = lay_out(t, limits, NULL);
	t->image = space_reserve(t->image_bytes, true);
	if (!t->image)
		return -ENOMEM;
	lay_out(t, limits, t->image);
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
	/* No more blocks of bits 16 to 23 than the root has entries. */
	const uint32_t blocks4[BLOCK_KINDS] = {limits->blocks4, TRIE4_ROOT, limits->last4};
	const uint32_t blocks6[BLOCK_KINDS] = {limits->blocks6};
	size_t per_nexthop = limits->nexthops * sizeof(uint32_t);

	t->forward_left = space_reserve(per_nexthop, false);
	t->member_slots = space_reserve(per_nexthop, false);
	if (!t->forward_left || !t->member_slots || pool_init(&t->nexthops, limits->nexthops) ||
	    trie_family_init(&t->v4, blocks4) || trie_family_init(&t->v6, blocks6) ||
	    slots_init(&t->slots, limits->slots))
		return -ENOMEM;
	return 0;
}

static const struct tables_view *current_view(struct tables *t, struct view_box *box)
{
	box->view = (struct tables_view){
		.root4 = t->trie4.root,
		.mid4 = t->v4.kinds[BLOCKS_MID].narrow,
		.last4 = t->v4.kinds[BLOCKS_LAST].narrow,
		.wide4 = t->v4.kinds[BLOCKS_WIDE].wide,
		.root6_global = t->trie6_global.root,
		.root6_other = t->trie6_other.root,
		.blocks6 = t->v6.kinds[BLOCKS_WIDE].wide,
		.nexthops = t->nexthops_image,
		.slots = t->slots_image,
		.neighbours = box->neighbours,
		.ports = t->ports_image,
	};
	return &box->view;
}

int tables_publish_neighbours(struct tables *t, struct neighbour *slots, uint32_t mask)
{
	struct view_box *box = calloc(1, sizeof(*box)), *old = t->box;

	if (!box)
		return -ENOMEM;
	box->neighbours = slots;
	current_view(t, box);
	box->view.neighbour_mask = mask;
	t->box = box;
	/* Release: pairs with the load in tables_view(), for the view and the table behind it. */
	atomic_store_explicit(&t->view, &box->view, memory_order_release);
	if (old) {
		old->next = t->old_boxes;
		t->old_boxes = old;
	}
	return 0;
}

static void free_old_boxes(struct tables *t)
{
	struct view_box *box;

	while ((box = t->old_boxes)) {
		t->old_boxes = box->next;
		free(box->neighbours);
		free(box);
	}
}

struct tables *tables_new_limited(tables_grace_fn *grace, uint8_t no_route_reason,
				  const struct tables_limits *limits)
{
	const struct nexthop_spec no_route = {.kind = NEXTHOP_PUNT, .reason = no_route_reason};
	struct tables *t = calloc(1, sizeof(*t));
	uint32_t index;

	if (!t)
		return NULL;
	t->grace = grace;
	t->n_graces = 1;
	t->no_route_reason = no_route_reason;
	t->nexthops.limit = limits->nexthops;
	if (image_init(t, limits) || pools_init(t, limits) ||
	    neighbours_init(&t->neighbours, NEIGHBOURS_MIN))
		goto fail;
	if (tables_publish_neighbours(t, t->neighbours.slots, t->neighbours.mask)) {
		free(t->neighbours.slots);
		goto fail;
	}
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
	};

	return tables_new_limited(grace, no_route_reason, &limits);
}

void tables_free(struct tables *t)
{
	size_t per_nexthop = t->nexthops.limit * sizeof(uint32_t);

	free_old_boxes(t);
	if (t->box) {
		free(t->box->neighbours);
		free(t->box);
	}
	neighbours_fini(&t->neighbours);
	slots_fini(&t->slots);
	trie_family_fini(&t->v6);
	trie_family_fini(&t->v4);
	pool_fini(&t->nexthops);
	if (t->member_slots)
		space_release(t->member_slots, per_nexthop);
	if (t->forward_left)
		space_release(t->forward_left, per_nexthop);
	if (t->image)
		space_release(t->image, t->image_bytes);
	free(t);
}

const struct tables_view *tables_view(const struct tables *t)
{
	/* Acquire: pairs with the store in tables_publish_neighbours(). */
	return atomic_load_explicit(&t->view, memory_order_acquire);
}

void tables_wait(struct tables *t)
{
	t->grace();
	t->n_graces++;
	trie_family_settle(&t->v4);
	trie_family_settle(&t->v6);
	pool_settle(&t->nexthops);
	slots_settle(&t->slots);
	neighbours_settle(&t->neighbours);
	free_old_boxes(t);
}

void tables_settle(struct tables *t)
{
	if (trie_family_waits(&t->v4) || trie_family_waits(&t->v6) ||
	    t->nexthops.limbo != POOL_NONE || t->slots.limbo != SLOTS_NONE ||
	    t->neighbours.n_limbo || t->old_boxes)
		tables_wait(t);
}

void tables_port_set(struct tables *t, uint16_t port, const uint8_t mac[6], bool up)
{
	uint64_t word = up;

	memcpy((uint8_t *)&word + 2, mac, 6);
	/* Release like every other word; it refers to nothing. */
	__atomic_store_n(&t->ports_image[port].mac, word, __ATOMIC_RELEASE);
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
