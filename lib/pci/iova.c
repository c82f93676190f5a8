/* SPDX-License-Identifier: BSD-2-Clause */
#include "iova.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LOWEST ((uint64_t)16 << 20)

static int compare(const void *a, const void *b)
{
	const struct iova_range *r = a, *s = b;

	return (r->first > s->first) - (r->first < s->first);
}

int iova_init(struct iova *iova, const struct iova_range *allowed, unsigned n_allowed)
{
	*iova = (struct iova){0};
	iova->allowed = calloc(n_allowed ? n_allowed : 1, sizeof(*allowed));
	if (!iova->allowed)
		return -ENOMEM;
	for (unsigned i = 0; i < n_allowed; i++) {
		if (allowed[i].last < LOWEST)
			continue;
		iova->allowed[iova->n_allowed] = allowed[i];
		if (allowed[i].first < LOWEST)
			iova->allowed[iova->n_allowed].first = LOWEST;
		iova->n_allowed++;
	}
	if (iova->n_allowed)
		qsort(iova->allowed, iova->n_allowed, sizeof(*allowed), compare);
	return 0;
}

void iova_fini(struct iova *iova)
{
	free(iova->allowed);
	free(iova->taken);
	*iova = (struct iova){0};
}

/* Finds room between `first` and `last`, both in it. */
static bool fits(uint64_t first, uint64_t last, uint64_t len, uint64_t align, uint64_t *address)
{
	uint64_t start = (first + align - 1) & ~(align - 1);

	if (start < first || start > last || last - start < len - 1)
		return false;
	*address = start;
	return true;
}

/* Finds room in an allowed range, beside what is taken of it. */
static bool find(const struct iova *iova, const struct iova_range *allowed, uint64_t len,
		 uint64_t align, uint64_t *address)
{
	uint64_t first = allowed->first;

	for (unsigned i = 0; i < iova->n_taken; i++) {
		const struct iova_range *taken = &iova->taken[i];

		if (taken->last < first)
			continue;
		if (taken->first > allowed->last)
			break;
		if (taken->first > first && fits(first, taken->first - 1, len, align, address))
			return true;
		if (taken->last >= allowed->last)
			return false;
		first = taken->last + 1;
	}
	return fits(first, allowed->last, len, align, address);
}

static int insert(struct iova *iova, struct iova_range range)
{
	struct iova_range *grown =
		reallocarray(iova->taken, iova->n_taken + 1, sizeof(*iova->taken));
	unsigned at = 0;

	if (!grown)
		return -ENOMEM;
	iova->taken = grown;
	while (at < iova->n_taken && grown[at].first < range.first)
		at++;
	memmove(grown + at + 1, grown + at, (iova->n_taken - at) * sizeof(*grown));
	grown[at] = range;
	iova->n_taken++;
	return 0;
}

int iova_take(struct iova *iova, uint64_t len, uint64_t align, uint64_t *address)
{
	if (!len)
		return -ENOSPC;
	for (unsigned i = 0; i < iova->n_allowed; i++)
		if (find(iova, &iova->allowed[i], len, align, address))
			return insert(iova, (struct iova_range){*address, *address + len - 1});
	return -ENOSPC;
}

void iova_give(struct iova *iova, uint64_t address)
{
	for (unsigned i = 0; i < iova->n_taken; i++) {
		if (iova->taken[i].first != address)
			continue;
		iova->n_taken--;
		memmove(iova->taken + i, iova->taken + i + 1,
			(iova->n_taken - i) * sizeof(*iova->taken));
		return;
	}
}
