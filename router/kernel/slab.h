/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for millions of objects of one size, which come and go: taken from the system and given back
 * in pieces of a megabyte, so that neither makes anybody wait, and nothing is kept when all have
 * gone. One thread. */
#ifndef PEERLANE_KERNEL_SLAB_H
#define PEERLANE_KERNEL_SLAB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct slab_piece;

struct slab {
	size_t size;			      /* of an object */
	LIST_HEAD(, slab_piece) roomy, fully; /* with room, and without */
	struct slab_piece *spare;	      /* an empty one, kept for what comes next; NULL */
};

/* `size`: up to 64 KiB. */
void slab_init(struct slab *s, size_t size);

/* Frees all objects at once. Harmless on a zeroed struct. */
void slab_fini(struct slab *s);

/* Zeroed and aligned to 8, or NULL: no memory. */
void *slab_take(struct slab *s);
void slab_give(struct slab *s, void *object);

#endif
