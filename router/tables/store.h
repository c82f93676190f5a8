/* SPDX-License-Identifier: BSD-2-Clause */
/* Every store to the image goes through these. Private to router/tables, control thread only.
 *
 * Words that readers may reach already are stored whole, with release: pairs with PL_LOAD16/32/64(),
 * so that a reader who sees a word sees all that it refers to. What no reader can reach yet, a
 * block or a key, is filled first and published by such a word. While there are copies that follow,
 * all of it is recorded for them (log.h). Stores that come one after the other to words that lie one
 * after the other may reach a copy in any order: each must do for its readers without the other. */
#ifndef PEERLANE_TABLES_STORE_H
#define PEERLANE_TABLES_STORE_H

#include <stdint.h>

#include "private.h"

static inline void store_record(struct tables *t, const void *at, size_t bytes, bool reachable)
{
	if (__builtin_expect(t->recording, 0))
		log_record(t, at, bytes, reachable);
}

static inline void store16(struct tables *t, uint16_t *at, uint16_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	store_record(t, at, sizeof(value), true);
}

static inline void store32(struct tables *t, uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	store_record(t, at, sizeof(value), true);
}

static inline void store64(struct tables *t, uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	store_record(t, at, sizeof(value), true);
}

/* Fills `n` words that no reader can reach yet. */
static inline void fill16(struct tables *t, uint16_t *at, const uint16_t *values, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&at[i], values[i], __ATOMIC_RELAXED);
	store_record(t, at, n * sizeof(*at), false);
}

static inline void fill32(struct tables *t, uint32_t *at, const uint32_t *values, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&at[i], values[i], __ATOMIC_RELAXED);
	store_record(t, at, n * sizeof(*at), false);
}

static inline void fill64(struct tables *t, uint64_t *at, const uint64_t *values, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&at[i], values[i], __ATOMIC_RELAXED);
	store_record(t, at, n * sizeof(*at), false);
}

#endif
