/* SPDX-License-Identifier: BSD-2-Clause */
/* Every store to the image goes through these. Private to router/tables, control thread only.
 *
 * Words that readers may reach already are stored whole, with release: pairs with PL_LOAD16/32/64(),
 * so that a reader who sees a word sees all that it refers to. What no reader can reach yet, a
 * block or a key, is filled first and published by such a word. */
#ifndef PEERLANE_TABLES_STORE_H
#define PEERLANE_TABLES_STORE_H

#include <stdint.h>

struct tables;

static inline void store16(struct tables *t, uint16_t *at, uint16_t value)
{
	(void)t;
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline void store32(struct tables *t, uint32_t *at, uint32_t value)
{
	(void)t;
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline void store64(struct tables *t, uint64_t *at, uint64_t value)
{
	(void)t;
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* Fills `n` words that no reader can reach yet. */
static inline void fill16(struct tables *t, uint16_t *at, const uint16_t *values, unsigned n)
{
	(void)t;
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&at[i], values[i], __ATOMIC_RELAXED);
}

static inline void fill32(struct tables *t, uint32_t *at, const uint32_t *values, unsigned n)
{
	(void)t;
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&at[i], values[i], __ATOMIC_RELAXED);
}

static inline void fill64(struct tables *t, uint64_t *at, const uint64_t *values, unsigned n)
{
	(void)t;
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&at[i], values[i], __ATOMIC_RELAXED);
}

#endif
