/* SPDX-License-Identifier: BSD-2-Clause */
/* A chained hash table of nodes that live inside what they index. One thread.
 *
 * Grows by a bucket with each node, and shrinks by a limited number of them at a time (linear
 * hashing): with a million nodes as with ten, no call takes long. */
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
	size_t n;    /* buckets in use */
	size_t mask; /* the lowest 2^k - 1 that is no less than n - 1 */
	size_t room; /* of the array */
	size_t count;
};

/* Returns 0 or -ENOMEM. */
int hash_init(struct hash *h);

/* Frees the buckets; the nodes are the caller's. Harmless on a zeroed struct. */
void hash_fini(struct hash *h);

/* Never fails: a table that cannot grow keeps working with longer chains. */
void hash_add(struct hash *h, struct hash_node *node, uint64_t hash);
void hash_del(struct hash *h, struct hash_node *node);

/* Gives memory back that a table was larger for, a part of it in each call. Not during a walk. */
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

/* A walk that may pause while the table changes: nodes that are there all the while are met exactly
 * once, however it grows and shrinks. From *place (0: the first) on; sets *place to where to go on,
 * which is below HASH_PLACE_END until all have been met. Returns the first node of a chain, of which
 * those that hash_is_before() that place have been met already; NULL: none there. */
#define HASH_PLACE_END ((uint64_t)1 << 62)
struct hash_node *hash_visit(const struct hash *h, uint64_t *place);
bool hash_is_before(const struct hash_node *node, uint64_t place);

/* Hash of bytes, for keys. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);

#define CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
