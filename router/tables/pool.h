/* SPDX-License-Identifier: BSD-2-Clause */
/* Indices of things that readers may still see after they were given back. Private to
 * router/tables, control thread only. */
#ifndef PEERLANE_TABLES_POOL_H
#define PEERLANE_TABLES_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_NONE 0xffffffffu

/* An index is never used yet, in use, in limbo (waiting for a grace period) or free. */
struct pool {
	uint32_t *next; /* chains of the free and of the limbo list; POOL_IN_USE */
	uint32_t limit; /* indices are below this */
	uint32_t top;	/* those from here on were never used */
	uint32_t free, limbo, limbo_last;
	uint32_t used; /* number in use, not counting limbo */
};

/* Returns 0 or -ENOMEM. */
int pool_init(struct pool *p, uint32_t limit);
void pool_fini(struct pool *p);

/* Returns a free index, the lowest never used if there is none, or POOL_NONE. */
uint32_t pool_take(struct pool *p);

/* False: pool_take() would find none. */
static inline bool pool_has(const struct pool *p)
{
	return p->free != POOL_NONE || p->top < p->limit;
}

/* Puts an index that is no longer published into limbo. */
void pool_give(struct pool *p, uint32_t index);

/* Frees what is in limbo. A grace period has passed since the last pool_give(). */
void pool_settle(struct pool *p);

bool pool_in_use(const struct pool *p, uint32_t index);

/* Address space, zeroed, whose pages are taken when first written; NULL with errno.
 *
 * The start is aligned to 2 MB and the kernel asked for huge pages where `huge`. */
void *space_reserve(size_t bytes, bool huge);
void space_release(void *space, size_t bytes);

#endif
