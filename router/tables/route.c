/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes: the shadow is changed, then the image after it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "private.h"

static struct key make_key(uint8_t family, const uint8_t *bytes)
{
	uint64_t word[2] = {0};

	memcpy(word, bytes, family == AF_INET ? 4 : 16);
	return (struct key){__builtin_bswap64(word[0]), __builtin_bswap64(word[1])};
}

static bool prefix_valid(const struct prefix *p)
{
	struct prefix made;

	if (p->family == AF_INET ? p->len > 32 : p->family != AF_INET6 || p->len > 128)
		return false;
	made = prefix_make(p->family, p->bytes, p->len);
	return prefix_equal(&made, p);
}

static struct trie_family *family_of(struct tables *t, uint8_t family)
{
	return family == AF_INET ? &t->v4 : &t->v6;
}

/* The part of the address space that a trie answers for, or a piece of it. */
struct region {
	const struct trie *trie;
	struct key key;
	unsigned len;
};

/* Updates what the prefix and the region have in common. */
static bool update_region(struct tables *t, const struct region *r, struct key key, unsigned len)
{
	unsigned common = key_common(r->key, key);

	if (common >= r->len && len >= r->len)
		return trie_update(t, r->trie, key, len);
	if (common >= len && len < r->len)
		return trie_update(t, r->trie, r->key, r->len);
	return true;
}

static bool update_image(struct tables *t, uint8_t family, struct key key, unsigned len)
{
	/* 2000::/3, and the rest of the space as prefixes: 0::/3, 4000::/2, 8000::/1. */
	const struct region regions[] = {
		{&t->trie6_global, {1ull << 61, 0}, 3},
		{&t->trie6_other, {0, 0}, 3},
		{&t->trie6_other, {1ull << 62, 0}, 2},
		{&t->trie6_other, {1ull << 63, 0}, 1},
	};
	bool done = true;
	unsigned i;

	if (family == AF_INET)
		return trie_update(t, &t->trie4, key, len);
	for (i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
		done = update_region(t, &regions[i], key, len) && done;
	return done;
}

/* Makes the image follow the shadow. A first round that ran out of blocks has given back those no
 * longer needed: the second fails only if there really are too few. */
static bool follow_shadow(struct tables *t, uint8_t family, struct key key, unsigned len)
{
	return update_image(t, family, key, len) || update_image(t, family, key, len);
}

/* After the shadow was taken back: what has fitted before fits again. */
static void follow_back(struct tables *t, uint8_t family, struct key key, unsigned len)
{
	bool done = follow_shadow(t, family, key, len);

	assert(done);
	(void)done;
}

int tables_route_set(struct tables *t, const struct prefix *p, uint32_t nexthop)
{
	struct key key = make_key(p->family, p->bytes);
	struct shadow *shadow = &family_of(t, p->family)->shadow;
	const struct shadow_node *route;
	uint32_t old_nexthop = 0;
	bool existed;

	if (!prefix_valid(p) || !pool_in_use(&t->nexthops, nexthop))
		return -EINVAL;
	route = shadow_get(shadow, key, p->len);
	existed = route;
	if (existed)
		old_nexthop = route->nexthop;
	if (shadow_set(shadow, key, p->len, nexthop))
		return -ENOMEM;
	if (follow_shadow(t, p->family, key, p->len))
		return 0;
	if (existed)
		shadow_set(shadow, key, p->len, old_nexthop);
	else
		shadow_hide(shadow, key, p->len);
	follow_back(t, p->family, key, p->len);
	if (!existed)
		shadow_prune(shadow, key, p->len);
	return -ENOSPC;
}

int tables_route_del(struct tables *t, const struct prefix *p)
{
	struct key key = make_key(p->family, p->bytes);
	struct shadow *shadow = &family_of(t, p->family)->shadow;
	const struct shadow_node *route;
	uint32_t old_nexthop;

	if (!prefix_valid(p))
		return -ENOENT;
	route = shadow_get(shadow, key, p->len);
	if (!route)
		return -ENOENT;
	old_nexthop = route->nexthop;
	shadow_hide(shadow, key, p->len);
	if (follow_shadow(t, p->family, key, p->len)) {
		shadow_prune(shadow, key, p->len);
		return 0;
	}
	shadow_set(shadow, key, p->len, old_nexthop);
	follow_back(t, p->family, key, p->len);
	return -ENOSPC;
}

int tables_route_get(const struct tables *t, const struct prefix *p, uint32_t *nexthop)
{
	struct key key = make_key(p->family, p->bytes);
	const struct shadow_node *route;

	if (!prefix_valid(p))
		return -ENOENT;
	route = shadow_get(p->family == AF_INET ? &t->v4.shadow : &t->v6.shadow, key, p->len);
	if (!route)
		return -ENOENT;
	*nexthop = route->nexthop;
	return 0;
}

int tables_route_match(const struct tables *t, const struct ip_addr *addr, struct prefix *matched,
		       uint32_t *nexthop)
{
	struct key key = make_key(addr->family, addr->bytes);
	const struct shadow_node *route;

	if (addr->family == AF_INET)
		route = shadow_match(&t->v4.shadow, key, 32);
	else
		route = shadow_match(&t->v6.shadow, key, 128);
	if (!route)
		return -ENOENT;
	*matched = prefix_make(addr->family, addr->bytes, route->len);
	*nexthop = route->nexthop;
	return 0;
}

uint32_t tables_image_lookup(const struct tables *t, const struct ip_addr *addr)
{
	struct key key = make_key(addr->family, addr->bytes);
	const struct tables_view *view = tables_view(t);

	if (addr->family == AF_INET)
		return route4_lookup(view, (uint32_t)(key.hi >> 32));
	return route6_lookup(view, key.hi, key.lo);
}
