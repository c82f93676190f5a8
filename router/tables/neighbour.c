/* SPDX-License-Identifier: BSD-2-Clause */
/* The neighbour hash. How readers probe it is in image.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "private.h"
#include "store.h"

/* A slot: NEIGHBOUR_FREE, holding a neighbour, or NEIGHBOUR_GONE; the latter first in limbo, then
 * reusable. */
enum { SLOT_FREE, SLOT_USED, SLOT_LIMBO, SLOT_REUSABLE };

struct neighbour_key {
	uint64_t addr[2];
	uint32_t port;
};

static struct neighbour_key make_key(uint16_t port, const struct ip_addr *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct neighbour_key key = {.port = port};

	if (addr->family == AF_INET) {
		memcpy(key.addr, mapped, 12);
		memcpy((uint8_t *)key.addr + 12, addr->bytes, 4);
	} else {
		memcpy(key.addr, addr->bytes, 16);
		key.port |= neighbour_mapped(key.addr[0], key.addr[1]);
	}
	return key;
}

static uint32_t start_of(const struct neighbour_key *key)
{
	return neighbour_hash(key->addr[0], key->addr[1], key->port);
}

/* The slot that holds the neighbour, or NULL. */
static struct neighbour *find(struct neighbours *n, const struct neighbour_key *key)
{
	uint32_t i;

	for (i = start_of(key);; i++) {
		struct neighbour *slot = &n->slots[i & n->mask];

		if (slot->nexthop == NEIGHBOUR_FREE)
			return NULL;
		if (slot->nexthop != NEIGHBOUR_GONE && slot->addr[0] == key->addr[0] &&
		    slot->addr[1] == key->addr[1] && slot->port == key->port)
			return slot;
	}
}

/* The first slot of its sequence that readers have left, for a neighbour that is not there. */
static uint32_t find_room(const struct neighbours *n, const struct neighbour_key *key)
{
	uint32_t i = start_of(key) & n->mask;

	while (n->state[i] == SLOT_USED || n->state[i] == SLOT_LIMBO)
		i = (i + 1) & n->mask;
	return i;
}

static void key_fill(struct tables *t, struct neighbour *slot, const struct neighbour_key *key)
{
	fill64(t, slot->addr, key->addr, 2);
	fill32(t, &slot->port, &key->port, 1);
}

uint32_t neighbours_slots(uint32_t n)
{
	uint32_t n_slots = NEIGHBOURS_MIN;

	while (n_slots / 4 < n)
		n_slots *= 2;
	return n_slots;
}

/* Turns to the table of this size whose first slot this is. Its slots are free. */
static void use_table(struct tables *t, uint32_t first, uint32_t n_slots)
{
	struct neighbours *n = &t->neighbours;

	n->first = first;
	n->mask = n_slots - 1;
	n->slots = n->all + first;
	if (n->top < first + n_slots)
		n->top = first + n_slots;
	memset(n->state, SLOT_FREE, n_slots);
	n->used = n->gone = n->n_limbo = 0;
}

/* Release, like every store that publishes: who sees the word sees the table. */
static void publish_table(struct tables *t)
{
	const struct neighbours *n = &t->neighbours;

	store64(t, &t->head_image->neighbours, (uint64_t)n->mask << 32 | n->first);
}

int neighbours_init(struct tables *t, uint32_t limit)
{
	struct neighbours *n = &t->neighbours;
	uint32_t most = neighbours_slots(limit);

	*n = (struct neighbours){.all = section_base(t, TABLES_NEIGHBOURS), .limit = limit};
	n->state = space_reserve(most * sizeof(*n->state), false);
	n->limbo = space_reserve(most * sizeof(*n->limbo), false);
	if (!n->state || !n->limbo)
		return -ENOMEM;
	use_table(t, 2 * NEIGHBOURS_MIN, NEIGHBOURS_MIN);
	publish_table(t);
	return 0;
}

void neighbours_fini(struct neighbours *n)
{
	uint32_t most = neighbours_slots(n->limit);

	if (n->state)
		space_release(n->state, most * sizeof(*n->state));
	if (n->limbo)
		space_release(n->limbo, most * sizeof(*n->limbo));
	*n = (struct neighbours){0};
}

/* Clears what an earlier table has left in the slots of one that is to be used. */
static void clear_slots(struct tables *t, struct neighbour *slots, uint32_t n_slots)
{
	static const struct neighbour_key nobody;
	static const uint32_t none = NEIGHBOUR_FREE;
	uint32_t i;

	for (i = 0; i < n_slots; i++) {
		if (slots[i].nexthop == NEIGHBOUR_FREE)
			continue;
		key_fill(t, &slots[i], &nobody);
		fill32(t, &slots[i].nexthop, &none, 1);
	}
}

/* Moves the neighbours, without those that are gone, to another table: one twice as large if they
 * fill more than a quarter of this, which was never used before; else the other one of this size.
 *
 * Readers have left that one. If it ever held, it did right before this one, of which no slot was gone at
 * first. Now more than a quarter of them is, so some neighbour was deleted since readers began to leave,
 * and make_room() has seen to it that none is in limbo: a grace period has passed after that. */
static void rebuild(struct tables *t)
{
	struct neighbours *n = &t->neighbours;
	const struct neighbour *old = n->slots;
	uint32_t n_old = n->mask + 1, used = n->used, i;

	if ((used + 1) * 4 > n_old) {
		use_table(t, 4 * n_old, 2 * n_old);
	} else {
		use_table(t, n->first ^ n_old, n_old);
		clear_slots(t, n->slots, n_old);
	}
	for (i = 0; i < n_old; i++) {
		struct neighbour_key key = {{old[i].addr[0], old[i].addr[1]}, old[i].port};
		uint32_t at;

		if (old[i].nexthop == NEIGHBOUR_FREE || old[i].nexthop == NEIGHBOUR_GONE)
			continue;
		at = find_room(n, &key);
		key_fill(t, &n->slots[at], &key);
		fill32(t, &n->slots[at].nexthop, &old[i].nexthop, 1);
		n->state[at] = SLOT_USED;
	}
	n->used = used;
	publish_table(t);
}

/* True if one more would fill the table beyond a half. */
static bool is_crowded(const struct neighbours *n)
{
	return (n->used + n->gone + 1) * 2 > n->mask + 1;
}

/* Those that are gone may be what crowds the table: then their slots can be had by waiting for
 * readers to leave them, and another table of the same size only so. */
static void make_room(struct tables *t)
{
	struct neighbours *n = &t->neighbours;

	if (!is_crowded(n))
		return;
	if ((n->used + 1) * 4 <= n->mask + 1)
		tables_settle(t);
	if (is_crowded(n))
		rebuild(t);
}

int tables_neighbour_set(struct tables *t, uint16_t port, const struct ip_addr *addr,
			 uint32_t nexthop)
{
	struct neighbour_key key = make_key(port, addr);
	struct neighbours *n = &t->neighbours;
	struct neighbour *slot;
	uint32_t i;

	if (nexthop == 0 || !pool_in_use(&t->nexthops, nexthop))
		return -EINVAL;
	slot = find(n, &key);
	if (slot) {
		store32(t, &slot->nexthop, nexthop);
		log_commit(t);
		return 0;
	}
	if (n->used == n->limit)
		return -ENOSPC;
	make_room(t);
	i = find_room(n, &key);
	key_fill(t, &n->slots[i], &key);
	/* Release: who sees the next hop sees the key. */
	store32(t, &n->slots[i].nexthop, nexthop);
	if (n->state[i] == SLOT_REUSABLE)
		n->gone--;
	n->state[i] = SLOT_USED;
	n->used++;
	log_commit(t);
	return 0;
}

int tables_neighbour_del(struct tables *t, uint16_t port, const struct ip_addr *addr)
{
	struct neighbour_key key = make_key(port, addr);
	struct neighbours *n = &t->neighbours;
	struct neighbour *slot = find(n, &key);
	uint32_t i;

	if (!slot)
		return -ENOENT;
	i = (uint32_t)(slot - n->slots);
	store32(t, &slot->nexthop, NEIGHBOUR_GONE);
	n->state[i] = SLOT_LIMBO;
	n->limbo[n->n_limbo++] = i;
	n->used--;
	n->gone++;
	log_commit(t);
	return 0;
}

/* Frees the reusable slots that end a run: no probe needs to pass them. */
static void free_run(struct tables *t, uint32_t i)
{
	struct neighbours *n = &t->neighbours;

	if (n->state[(i + 1) & n->mask] != SLOT_FREE)
		return;
	for (; n->state[i] == SLOT_REUSABLE; i = (i - 1) & n->mask) {
		store32(t, &n->slots[i].nexthop, NEIGHBOUR_FREE);
		n->state[i] = SLOT_FREE;
		n->gone--;
	}
}

void neighbours_settle(struct tables *t)
{
	struct neighbours *n = &t->neighbours;
	uint32_t i;

	for (i = 0; i < n->n_limbo; i++)
		n->state[n->limbo[i]] = SLOT_REUSABLE;
	for (i = 0; i < n->n_limbo; i++)
		free_run(t, n->limbo[i]);
	n->n_limbo = 0;
}

bool neighbours_limbo(const struct tables *t)
{
	return t->neighbours.n_limbo;
}
