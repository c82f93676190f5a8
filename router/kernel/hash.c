/* SPDX-License-Identifier: BSD-2-Clause */
#include "hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64u
#define TRIM_BUCKETS 65536u /* in one hash_trim(): some tenths of a millisecond */

/* Bucket i of 2^k splits into i and i + 2^k. Those with numbers from `n` on have not split off yet. */
static size_t bucket_of(const struct hash *h, uint64_t hash)
{
	size_t i = hash & h->mask;

	return i < h->n ? i : hash & h->mask >> 1;
}

static bool resize(struct hash *h, size_t room)
{
	struct hash_node **buckets = reallocarray(h->buckets, room, sizeof(*buckets));

	if (!buckets)
		return false;
	h->buckets = buckets;
	h->room = room;
	return true;
}

int hash_init(struct hash *h)
{
	*h = (struct hash){.n = BUCKETS_MIN, .mask = BUCKETS_MIN - 1};
	if (!resize(h, BUCKETS_MIN))
		return -ENOMEM;
	memset(h->buckets, 0, BUCKETS_MIN * sizeof(*h->buckets));
	return 0;
}

void hash_fini(struct hash *h)
{
	free(h->buckets);
	*h = (struct hash){0};
}

/* Adds a bucket, and moves there what belongs there. */
static void split(struct hash *h)
{
	struct hash_node **from, **to;

	/* A large array is not copied, but mapped elsewhere. */
	if (h->n == h->room && !resize(h, 2 * h->room))
		return;
	if (h->n > h->mask)
		h->mask = 2 * h->mask + 1;
	from = &h->buckets[h->n & h->mask >> 1];
	to = &h->buckets[h->n];
	while (*from) {
		struct hash_node *node = *from;

		if ((node->hash & h->mask) == h->n) {
			*from = node->next;
			*to = node;
			to = &node->next;
		} else {
			from = &node->next;
		}
	}
	*to = NULL;
	h->n++;
}

/* The reverse. */
static void merge(struct hash *h)
{
	struct hash_node **link;

	h->n--;
	link = &h->buckets[h->n & h->mask >> 1];
	while (*link)
		link = &(*link)->next;
	*link = h->buckets[h->n];
	if (h->n - 1 == h->mask >> 1)
		h->mask >>= 1;
}

void hash_add(struct hash *h, struct hash_node *node, uint64_t hash)
{
	struct hash_node **head;

	if (h->count >= h->n)
		split(h);
	head = &h->buckets[bucket_of(h, hash)];
	node->hash = hash;
	node->next = *head;
	*head = node;
	h->count++;
}

void hash_del(struct hash *h, struct hash_node *node)
{
	struct hash_node **link = &h->buckets[bucket_of(h, node->hash)];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	h->count--;
}

void hash_trim(struct hash *h)
{
	/* A factor of 8, so that what comes and goes does not make it grow and shrink each time. */
	for (unsigned i = 0; i < TRIM_BUCKETS && h->n > BUCKETS_MIN && h->count * 8 < h->n; i++)
		merge(h);
	if (h->n * 4 <= h->room && h->room > BUCKETS_MIN)
		resize(h, h->room / 2);
}

static struct hash_node *same_hash(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *hash_find(const struct hash *h, uint64_t hash)
{
	return same_hash(h->buckets[bucket_of(h, hash)], hash);
}

struct hash_node *hash_find_next(const struct hash_node *node)
{
	return same_hash(node->next, node->hash);
}

struct hash_node *hash_walk(const struct hash *h, const struct hash_node *node)
{
	size_t i = 0;

	if (node) {
		if (node->next)
			return node->next;
		i = bucket_of(h, node->hash) + 1;
	}
	for (; i < h->n; i++)
		if (h->buckets[i])
			return h->buckets[i];
	return NULL;
}

/* ---- a walk that pauses ---- */

/* A split tells nodes apart by one more bit of their hashes, from the lowest up. In the order of the
 * hashes read from the other end a bucket's are thus next to each other, and so are the two's that it
 * splits into. Two bits are dropped to leave a sign, and room for the end. */
static uint64_t reverse(uint64_t v)
{
	v = __builtin_bswap64(v);
	v = (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
	v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
	v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
	return v;
}

bool hash_is_before(const struct hash_node *node, uint64_t place)
{
	return reverse(node->hash) >> 2 < place;
}

struct hash_node *hash_visit(const struct hash *h, uint64_t *place)
{
	size_t i = bucket_of(h, reverse(*place << 2));
	/* How many bits of the hash tell this bucket from others. */
	int bits = __builtin_popcountll(h->mask) -
		   (i <= h->mask >> 1 && i + (h->mask >> 1) + 1 >= h->n);
	uint64_t step = HASH_PLACE_END >> bits;

	*place = (*place & ~(step - 1)) + step;
	return h->buckets[i];
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = seed ^ len * 0x9e3779b97f4a7c15u, word;

	for (; len; p += 8, len = len > 8 ? len - 8 : 0) {
		word = 0;
		memcpy(&word, p, len < 8 ? len : 8);
		h = (h ^ word) * 0xd6e8feb86659fd93u;
		h ^= h >> 32;
	}
	return h;
}
