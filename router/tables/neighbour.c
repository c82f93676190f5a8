/* SPDX-License-Identifier: BSD-2-Clause */
/* The neighbour hash. How readers probe it is in image.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

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

/* Release: pairs with the readers' PL_LOAD32(): who sees the next hop sees the key. */
static void nexthop_store(struct neighbour *slot, uint32_t nexthop)
{
	__atomic_store_n(&slot->nexthop, nexthop, __ATOMIC_RELEASE);
}

/* Puts a neighbour that is not there into the first slot of its sequence that readers have left. */
static void place(struct neighbours *n, const struct neighbour_key *key, uint32_t nexthop)
{
	uint32_t i = start_of(key) & n->mask;
	struct neighbour *slot;

	while (n->state[i] == SLOT_USED || n->state[i] == SLOT_LIMBO)
		i = (i + 1) & n->mask;
	slot = &n->slots[i];
	__atomic_store_n(&slot->addr[0], key->addr[0], __ATOMIC_RELAXED);
	__atomic_store_n(&slot->addr[1], key->addr[1], __ATOMIC_RELAXED);
	__atomic_store_n(&slot->port, key->port, __ATOMIC_RELAXED);
	nexthop_store(slot, nexthop);
	if (n->state[i] == SLOT_REUSABLE)
		n->gone--;
	n->state[i] = SLOT_USED;
	n->used++;
}

int neighbours_init(struct neighbours *n, uint32_t n_slots)
{
	*n = (struct neighbours){
		.slots = calloc(n_slots, sizeof(*n->slots)),
		.state = calloc(n_slots, sizeof(*n->state)),
		.limbo = calloc(n_slots, sizeof(*n->limbo)),
		.mask = n_slots - 1,
	};
	if (n->slots && n->state && n->limbo)
		return 0;
	free(n->slots);
	neighbours_fini(n);
	return -ENOMEM;
}

void neighbours_fini(struct neighbours *n)
{
	free(n->state);
	free(n->limbo);
	*n = (struct neighbours){0};
}

/* Moves the neighbours to a new table, without those that are gone, at most a quarter full, and not
 * much less than an eighth. */
static int rebuild(struct tables *t)
{
	struct neighbours *old = &t->neighbours, fresh;
	uint32_t n_slots = old->mask + 1, i;
	int err;

	if ((old->used + 1) * 4 > n_slots)
		n_slots *= 2;
	while (n_slots > NEIGHBOURS_MIN && (old->used + 1) * 8 < n_slots)
		n_slots /= 2;
	err = neighbours_init(&fresh, n_slots);
	if (err)
		return err;
	for (i = 0; i <= old->mask; i++) {
		const struct neighbour *slot = &old->slots[i];
		struct neighbour_key key = {{slot->addr[0], slot->addr[1]}, slot->port};

		if (old->state[i] == SLOT_USED)
			place(&fresh, &key, slot->nexthop);
	}
	err = tables_publish_neighbours(t, fresh.slots, fresh.mask);
	if (err) {
		free(fresh.slots);
		neighbours_fini(&fresh);
		return err;
	}
	neighbours_fini(old);
	*old = fresh;
	return 0;
}

int tables_neighbour_set(struct tables *t, uint16_t port, const struct ip_addr *addr,
			 uint32_t nexthop)
{
	struct neighbour_key key = make_key(port, addr);
	struct neighbours *n = &t->neighbours;
	struct neighbour *slot;
	int err;

	if (nexthop == 0 || !pool_in_use(&t->nexthops, nexthop))
		return -EINVAL;
	slot = find(n, &key);
	if (slot) {
		nexthop_store(slot, nexthop);
		return 0;
	}
	if ((n->used + n->gone + 1) * 2 > n->mask + 1) {
		err = rebuild(t);
		if (err)
			return err;
	}
	place(n, &key, nexthop);
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
	nexthop_store(slot, NEIGHBOUR_GONE);
	n->state[i] = SLOT_LIMBO;
	n->limbo[n->n_limbo++] = i;
	n->used--;
	n->gone++;
	/* Far too large: give memory back. If there is none for the smaller one, next time. */
	if (n->mask + 1 > NEIGHBOURS_MIN && n->used * 32 < n->mask)
		rebuild(t);
	return 0;
}

/* Frees the reusable slots that end a run: no probe needs to pass them. */
static void free_run(struct neighbours *n, uint32_t i)
{
	if (n->state[(i + 1) & n->mask] != SLOT_FREE)
		return;
	for (; n->state[i] == SLOT_REUSABLE; i = (i - 1) & n->mask) {
		nexthop_store(&n->slots[i], NEIGHBOUR_FREE);
		n->state[i] = SLOT_FREE;
		n->gone--;
	}
}

void neighbours_settle(struct neighbours *n)
{
	uint32_t i;

	for (i = 0; i < n->n_limbo; i++)
		n->state[n->limbo[i]] = SLOT_REUSABLE;
	for (i = 0; i < n->n_limbo; i++)
		free_run(n, n->limbo[i]);
	n->n_limbo = 0;
}
