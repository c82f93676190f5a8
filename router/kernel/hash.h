/* SPDX-License-Identifier: BSD-2-Clause */
/* A chained hash table of nodes that live inside what they index. One thread. */
#ifndef PEERLANE_KERNEL_HASH_H
#define PEERLANE_KERNEL_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash {
	struct hash_node **buckets;
	size_t mask; /* number of buckets less one */
	size_t count;
};

/* Returns 0 or -ENOMEM. */
int hash_init(struct hash *h);

/* Frees the buckets; the nodes are the caller's. Harmless on a zeroed struct. */
void hash_fini(struct hash *h);

/* Never fails: a table that cannot grow keeps working with longer chains. */
void hash_add(struct hash *h, struct hash_node *node, uint64_t hash);
void hash_del(struct hash *h, struct hash_node *node);

/* Gives memory back that a table was larger for. Not during a walk. */
void hash_trim(struct hash *h);

/* Candidates with exactly this hash; the caller compares keys. NULL at the end. */
struct hash_node *hash_find(const struct hash *h, uint64_t hash);
struct hash_node *hash_find_next(const struct hash_node *node);

/* All nodes, in no order: start with NULL. The node given must still be in the table. */
struct hash_node *hash_walk(const struct hash *h, const struct hash_node *node);

/* All nodes; the body may delete `node` (and no other) from the table. */
#define HASH_EACH_SAFE(h, node, after)                                                          \
	for ((node) = hash_walk((h), NULL); (node) && ((after) = hash_walk((h), (node)), true); \
	     (node) = (after))

/* Hash of bytes, for keys. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);

#define CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
