/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters with one writer and any number of readers, without locks or locked instructions. */
#ifndef PEERLANE_STAT_H
#define PEERLANE_STAT_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t pl_stat;

/* Adds to a counter that only this thread writes. Relaxed: readers want a recent value, and no
 * other data depends on it. */
static inline void pl_stat_add(pl_stat *stat, uint64_t n)
{
	uint64_t now = atomic_load_explicit(stat, memory_order_relaxed);

	atomic_store_explicit(stat, now + n, memory_order_relaxed);
}

static inline uint64_t pl_stat_read(const pl_stat *stat)
{
	return atomic_load_explicit((pl_stat *)stat, memory_order_relaxed);
}

#endif
