/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the cache that cores take from each other. */
#ifndef PEERLANE_CACHE_H
#define PEERLANE_CACHE_H

/* Asks for the cache line at `at`, which this core is going to write to: for the line itself, not a copy that must
 * be asked for again before the first store. Does not wait. */
static inline void pl_prefetch_write(const void *at)
{
#ifdef __x86_64__
	/* Not in the baseline, for which compilers ask for a copy; but in every processor of the last ten years,
	 * and of no effect in older ones. */
	__asm__ volatile("prefetchw %0" ::"m"(*(const char *)at));
#else
	__builtin_prefetch(at, 1);
#endif
}

#endif
