/* SPDX-License-Identifier: BSD-2-Clause */
#include "hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64

int hash_init(struct hash *h)
{
	*h = (struct hash){.buckets = calloc(BUCKETS_MIN, sizeof(*h->buckets)),
			   .mask = BUCKETS_MIN - 1};
	return h->buckets ? 0 : -ENOMEM;
}

void hash_fini(struct hash *h)
{
	free(h->buckets);
	*h = (struct hash){0};
}

static void resize(struct hash *h, size_t mask)
{
	struct hash_node **buckets = calloc(mask + 1, sizeof(*buckets));

	if (!buckets)
		return;
	for (size_t i = 0; i <= h->mask; i++) {
		struct hash_node *node = h->buckets[i], *next;

		for (; node; node = next) {
			struct hash_node **head = &buckets[node->hash & mask];

			next = node->next;
			node->next = *head;
			*head = node;
		}
	}
	free(h->buckets);
	h->buckets = buckets;
	h->mask = mask;
}

void hash_add(struct hash *h, struct hash_node *node, uint64_t hash)
{
	struct hash_node **head;

	if (h->count > h->mask)
		resize(h, h->mask * 2 + 1);
	head = &h->buckets[hash & h->mask];
	node->hash = hash;
	node->next = *head;
	*head = node;
	h->count++;
}

void hash_del(struct hash *h, struct hash_node *node)
{
	struct hash_node **link = &h->buckets[node->hash & h->mask];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	h->count--;
}

void hash_trim(struct hash *h)
{
	size_t mask = h->mask;

	/* A factor of 8, so that what comes and goes does not make it grow and shrink each time. */
	while (mask > BUCKETS_MIN - 1 && h->count * 8 < mask)
		mask /= 2;
	if (mask != h->mask)
		resize(h, mask);
}

static struct hash_node *same_hash(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *hash_find(const struct hash *h, uint64_t hash)
{
	return same_hash(h->buckets[hash & h->mask], hash);
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
		i = (node->hash & h->mask) + 1;
	}
	for (; i <= h->mask; i++)
		if (h->buckets[i])
			return h->buckets[i];
	return NULL;
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
