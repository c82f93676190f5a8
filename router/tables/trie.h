/* SPDX-License-Identifier: BSD-2-Clause */
/* The image of a trie, kept equal to the shadow. Private to router/tables, control thread only. */
#ifndef PEERLANE_TABLES_TRIE_H
#define PEERLANE_TABLES_TRIE_H

#include "image.h"
#include "pool.h"
#include "shadow.h"

struct tables;

/* The blocks of one kind. One of the two pointers, into the image, is set. */
struct block_kind {
	uint32_t *wide;
	uint16_t *narrow;
	struct pool pool;
};

/* The wide kind is the one that IPv6 has; the narrow ones are by the level of their blocks. */
enum { BLOCKS_WIDE, BLOCKS_MID, BLOCKS_LAST, BLOCK_KINDS };

/* What the tries of one family share. */
struct trie_family {
	struct shadow shadow;
	struct block_kind kinds[BLOCK_KINDS];
	unsigned n_kinds;
	uint32_t wide_mark;  /* of an entry with a wide child, beside TRIE_CHILD */
	uint32_t n_blocks;   /* in use, of all kinds */
	uint32_t max_blocks; /* the wide kind has room for as many */
	uint32_t to_revisit; /* entries of the root: see revisit() */
};

/* `n_kinds` is set. `limits` on blocks; `nodes`: of the shadow. Returns 0 or -ENOMEM; trie_family_fini()
 * either way. */
int trie_family_init(struct trie_family *f, const uint32_t limits[BLOCK_KINDS], uint32_t nodes);
void trie_family_fini(struct trie_family *f);

bool trie_family_waits(const struct trie_family *f); /* for a grace period */
void trie_family_settle(struct trie_family *f);	     /* after one */

/* One trie: a root indexed by bits `skip` to `root_end` less one, then strides of 8 bits. */
struct trie {
	uint32_t *root; /* in the image */
	unsigned skip, root_end;
};

/* Gives a next hop to all addresses of a prefix that are in no longer route. The path is whole.
 *
 * Each address's answer changes by one store; each block is complete before it is referred to. Runs
 * tables_settle() when blocks are free but for a grace period. Returns false if blocks ran out: then
 * all is done but for entries that need a block more, which have their old next hop. A second call
 * does those too, unless what comes out needs more blocks than there are. */
bool trie_update(struct tables *t, struct trie_family *family, const struct shadow_path *path,
		 uint32_t nexthop);

#endif
