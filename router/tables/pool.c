/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#define POOL_IN_USE 0xfffffffeu
#define HUGE_PAGE ((size_t)2 << 20)

int pool_init(struct pool *p, uint32_t limit)
{
	*p = (struct pool){.limit = limit, .free = POOL_NONE, .limbo = POOL_NONE};
	p->next = space_reserve(limit * sizeof(*p->next), false);
	return p->next ? 0 : -ENOMEM;
}

void pool_fini(struct pool *p)
{
	if (p->next)
		space_release(p->next, p->limit * sizeof(*p->next));
	p->next = NULL;
}

uint32_t pool_take(struct pool *p)
{
	uint32_t index = p->free;

	if (index != POOL_NONE)
		p->free = p->next[index];
	else if (p->top < p->limit)
		index = p->top++;
	else
		return POOL_NONE;
	p->next[index] = POOL_IN_USE;
	p->used++;
	return index;
}

void pool_give(struct pool *p, uint32_t index)
{
	assert(pool_in_use(p, index));
	if (p->limbo == POOL_NONE)
		p->limbo_last = index;
	p->next[index] = p->limbo;
	p->limbo = index;
	p->used--;
}

void pool_settle(struct pool *p)
{
	if (p->limbo == POOL_NONE)
		return;
	p->next[p->limbo_last] = p->free;
	p->free = p->limbo;
	p->limbo = POOL_NONE;
}

bool pool_in_use(const struct pool *p, uint32_t index)
{
	return index < p->top && p->next[index] == POOL_IN_USE;
}

/* Over-reserves and cuts off what lies before and behind the aligned part. */
static uint8_t *map_aligned(size_t bytes)
{
	uint8_t *base, *start;
	size_t before;

	base = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)base & (HUGE_PAGE - 1);
	start = base + before;
	if (before)
		munmap(base, before);
	if (before < HUGE_PAGE)
		munmap(start + bytes, HUGE_PAGE - before);
	return start;
}

/* Whole huge pages, so that what is cut off is whole pages too. */
static size_t round_up(size_t bytes)
{
	return (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

void *space_reserve(size_t bytes, bool huge)
{
	void *space = map_aligned(round_up(bytes));

	/* Refused where the kernel is built without them: then ordinary pages do. */
	if (space)
		madvise(space, round_up(bytes), huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return space;
}

void space_release(void *space, size_t bytes)
{
	munmap(space, round_up(bytes));
}
