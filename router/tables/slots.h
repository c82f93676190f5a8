/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of ECMP slots: a buddy allocator of 1 to 256 slots, with limbo. Private to router/tables,
 * control thread only. */
#ifndef PEERLANE_TABLES_SLOTS_H
#define PEERLANE_TABLES_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_ORDERS 9u /* 2^0 to 2^8 slots */
#define SLOTS_NONE 0xffffffffu

struct slots {
	uint32_t *next, *prev; /* per first slot of a free range, its list; next: also limbo's */
	uint8_t *state;	       /* per first slot of a range, see slots.c */
	uint32_t limit, top;   /* slots from `top` on were never used */
	uint32_t free[SLOTS_ORDERS];
	uint32_t limbo;
	uint32_t used; /* slots in use, not counting limbo */
};

/* `limit` is a multiple of 256. Returns 0 or -ENOMEM. */
int slots_init(struct slots *s, uint32_t limit);
void slots_fini(struct slots *s);

/* Returns the first of 2^order slots, or SLOTS_NONE. */
uint32_t slots_take(struct slots *s, unsigned order);

/* Puts a range in limbo. */
void slots_give(struct slots *s, uint32_t first, unsigned order);

/* Frees what is in limbo. */
void slots_settle(struct slots *s);

#endif
