/* SPDX-License-Identifier: BSD-2-Clause */
/* The image of a trie, kept equal to the shadow. Private to router/tables, control thread only. */
#ifndef PEERLANE_TABLES_TRIE_H
#define PEERLANE_TABLES_TRIE_H

#include "image.h"
#include "pool.h"
#include "shadow.h"

struct tables;

/* What the tries of one family share. */
struct trie_family {
	struct shadow shadow;
	uint32_t *blocks; /* in the image */
	struct pool pool; /* of blocks */
};

/* One trie: a root indexed by bits `skip` to `root_end` less one, then strides of 8 bits. */
struct trie {
	struct trie_family *family;
	uint32_t *root; /* in the image */
	unsigned skip, root_end;
};

/* Brings all entries inside the prefix up to date with the shadow. `len` is at least trie->skip and
 * the prefix lies where the trie answers.
 *
 * Each address's answer changes by one store; each block is complete before it is referred to. Runs
 * tables_settle() when no block is free. Returns false if blocks ran out: then all is done but for
 * entries that need a block more, which have their old next hop. After tables_settle() a second call
 * does those too, unless what the shadow asks for is more than there are blocks. */
bool trie_update(struct tables *t, const struct trie *trie, struct key key, unsigned len);

#endif
