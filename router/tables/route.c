/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes: the shadow is changed, then the image after it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "private.h"

static struct key make_key(const uint8_t bytes[16])
{
	uint64_t word[2];

	memcpy(word, bytes, sizeof(word));
	return (struct key){__builtin_bswap64(word[0]), __builtin_bswap64(word[1])};
}

/* The prefix as a key; false if its length is too large or a bit behind it is set. */
static bool key_of(const struct prefix *p, struct key *key)
{
	struct key masked;

	if (p->family == AF_INET ? p->len > 32 : p->family != AF_INET6 || p->len > 128)
		return false;
	*key = make_key(p->bytes);
	masked = key_mask(*key, p->len);
	return masked.hi == key->hi && masked.lo == key->lo;
}

/* Of an address, of whose bytes IPv4 has only four. */
static struct key addr_key(const struct ip_addr *addr)
{
	return key_mask(make_key(addr->bytes), addr->family == AF_INET ? 32 : KEY_BITS);
}

static struct trie_family *family_of(struct tables *t, uint8_t family)
{
	return family == AF_INET ? &t->v4 : &t->v6;
}

static const struct shadow *shadow_of(const struct tables *t, uint8_t family)
{
	return family == AF_INET ? &t->v4.shadow : &t->v6.shadow;
}

/* A first round that ran out of blocks has given back those no longer needed: the second fails only if
 * there really are too few. */
static bool update(struct tables *t, struct trie_family *family, const struct shadow_path *path,
		   uint32_t nexthop)
{
	return trie_update(t, family, path, nexthop) || trie_update(t, family, path, nexthop);
}

/* Leads all that the prefix decides from one next hop to another. Returns false, and has changed
 * nothing in the end, if that takes more blocks than there are. */
static bool lead(struct tables *t, struct trie_family *family, const struct shadow_path *path,
		 uint32_t from, uint32_t to)
{
	bool done = from == to || update(t, family, path, to), back;

	if (!done) {
		/* What has fitted before fits again. */
		back = update(t, family, path, from);
		assert(back);
		(void)back;
	}
	log_commit(t);
	return done;
}

int tables_route_set(struct tables *t, const struct prefix *p, uint32_t nexthop)
{
	struct trie_family *family = family_of(t, p->family);
	struct shadow_path path;
	struct key key;
	uint32_t old;
	unsigned len;
	int err;

	if (!key_of(p, &key) || !pool_in_use(&t->nexthops, nexthop))
		return -EINVAL;
	err = shadow_make(&family->shadow, key, p->len, &path);
	if (err)
		return err;
	if (!shadow_get(&family->shadow, &path, &old))
		shadow_cover(&family->shadow, &path, &old, &len);
	if (!lead(t, family, &path, old, nexthop)) {
		shadow_prune(&family->shadow, &path);
		return -ENOSPC;
	}
	shadow_put(&family->shadow, &path, nexthop);
	return 0;
}

int tables_route_del(struct tables *t, const struct prefix *p)
{
	struct trie_family *family = family_of(t, p->family);
	struct shadow_path path;
	struct key key;
	uint32_t own, cover;
	unsigned len;

	if (!key_of(p, &key))
		return -ENOENT;
	shadow_find(&family->shadow, key, p->len, &path);
	if (!shadow_get(&family->shadow, &path, &own))
		return -ENOENT;
	shadow_cover(&family->shadow, &path, &cover, &len);
	if (!lead(t, family, &path, own, cover))
		return -ENOSPC;
	shadow_remove(&family->shadow, &path);
	return 0;
}

int tables_route_get(const struct tables *t, const struct prefix *p, uint32_t *nexthop)
{
	const struct shadow *shadow = shadow_of(t, p->family);
	struct shadow_path path;
	struct key key;

	if (!key_of(p, &key))
		return -ENOENT;
	shadow_find(shadow, key, p->len, &path);
	return shadow_get(shadow, &path, nexthop) ? 0 : -ENOENT;
}

int tables_route_match(const struct tables *t, const struct ip_addr *addr, struct prefix *matched,
		       uint32_t *nexthop)
{
	const struct shadow *shadow = shadow_of(t, addr->family);
	unsigned len = addr->family == AF_INET ? 32 : 128;
	struct shadow_path path;

	shadow_find(shadow, addr_key(addr), len, &path);
	if (!shadow_get(shadow, &path, nexthop) && !shadow_cover(shadow, &path, nexthop, &len))
		return -ENOENT;
	*matched = prefix_make(addr->family, addr->bytes, (uint8_t)len);
	return 0;
}

uint32_t tables_image_lookup(const struct tables *t, const struct ip_addr *addr)
{
	struct key key = addr_key(addr);
	const struct tables_view *view = tables_view(t);

	if (addr->family == AF_INET)
		return route4_lookup(view, (uint32_t)(key.hi >> 32));
	return route6_lookup(view, key.hi, key.lo);
}
