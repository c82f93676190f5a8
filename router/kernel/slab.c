/* SPDX-License-Identifier: BSD-2-Clause */
#include "slab.h"

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PIECE_BYTES ((size_t)1 << 20) /* its alignment too: by which an object finds its piece */

/* At the start of a piece; objects follow. */
struct slab_piece {
	LIST_ENTRY(slab_piece) of_slab;
	void *free;	/* objects given back, each pointing to the next */
	uint32_t used;	/* objects taken */
	uint32_t fresh; /* objects that were never taken begin with this */
	uint32_t limit;
};

#define HEADER_BYTES 64u
_Static_assert(sizeof(struct slab_piece) <= HEADER_BYTES, "the header has its place");

void slab_init(struct slab *s, size_t size)
{
	*s = (struct slab){.size = (size + 7) & ~(size_t)7};
	LIST_INIT(&s->roomy);
	LIST_INIT(&s->fully);
}

/* Over-reserves and cuts off what lies before and behind the aligned part. */
static struct slab_piece *map_piece(void)
{
	char *base = mmap(NULL, 2 * PIECE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (base == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)base & (PIECE_BYTES - 1);
	if (before)
		munmap(base, before);
	munmap(base + before + PIECE_BYTES, PIECE_BYTES - before);
	return (struct slab_piece *)(base + before);
}

static struct slab_piece *piece_new(struct slab *s)
{
	struct slab_piece *piece = s->spare ? s->spare : map_piece();

	if (!piece)
		return NULL;
	if (s->spare)
		ASAN_UNPOISON_MEMORY_REGION(piece, PIECE_BYTES);
	s->spare = NULL;
	*piece = (struct slab_piece){
		.limit = (uint32_t)((PIECE_BYTES - HEADER_BYTES) / s->size),
	};
	LIST_INSERT_HEAD(&s->roomy, piece, of_slab);
	return piece;
}

static void unmap_piece(struct slab_piece *piece)
{
	ASAN_UNPOISON_MEMORY_REGION(piece, PIECE_BYTES);
	munmap(piece, PIECE_BYTES);
}

static void pieces_free(struct slab_piece *piece)
{
	struct slab_piece *next;

	for (; piece; piece = next) {
		next = LIST_NEXT(piece, of_slab);
		unmap_piece(piece);
	}
}

void slab_fini(struct slab *s)
{
	pieces_free(LIST_FIRST(&s->roomy));
	pieces_free(LIST_FIRST(&s->fully));
	if (s->spare)
		unmap_piece(s->spare);
	*s = (struct slab){0};
}

static void *object_at(const struct slab *s, struct slab_piece *piece, uint32_t i)
{
	return (char *)piece + HEADER_BYTES + i * s->size;
}

void *slab_take(struct slab *s)
{
	struct slab_piece *piece = LIST_FIRST(&s->roomy);
	void *object;

	if (!piece)
		piece = piece_new(s);
	if (!piece)
		return NULL;
	object = piece->free;
	if (object) {
		/* Poisoned so that the sanitizer tells when what was given back is used. */
		ASAN_UNPOISON_MEMORY_REGION(object, s->size);
		memcpy(&piece->free, object, sizeof(piece->free));
	} else {
		object = object_at(s, piece, piece->fresh++);
	}
	if (++piece->used == piece->limit) {
		LIST_REMOVE(piece, of_slab);
		LIST_INSERT_HEAD(&s->fully, piece, of_slab);
	}
	return memset(object, 0, s->size);
}

void slab_give(struct slab *s, void *object)
{
	struct slab_piece *piece =
		(struct slab_piece *)((uintptr_t)object & ~(uintptr_t)(PIECE_BYTES - 1));

	memcpy(object, &piece->free, sizeof(piece->free));
	piece->free = object;
	ASAN_POISON_MEMORY_REGION(object, s->size);
	if (piece->used-- == piece->limit) {
		LIST_REMOVE(piece, of_slab);
		LIST_INSERT_HEAD(&s->roomy, piece, of_slab);
	}
	if (piece->used)
		return;
	LIST_REMOVE(piece, of_slab);
	if (s->spare)
		unmap_piece(piece);
	else
		s->spare = piece;
}
