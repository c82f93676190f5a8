/* SPDX-License-Identifier: BSD-2-Clause */
#include "slots.h"

#include <errno.h>

#include "pool.h"

/* State of a range's first slot: in use or not first (0), free, or in limbo; with its order. */
#define STATE_FREE 0x10u
#define STATE_LIMBO 0x20u
#define STATE_ORDER 0x0fu

#define TOP_ORDER (SLOTS_ORDERS - 1)

int slots_init(struct slots *s, uint32_t limit)
{
	unsigned order;

	*s = (struct slots){.limit = limit, .limbo = SLOTS_NONE};
	for (order = 0; order < SLOTS_ORDERS; order++)
		s->free[order] = SLOTS_NONE;
	s->next = space_reserve(limit * sizeof(*s->next), false);
	s->prev = space_reserve(limit * sizeof(*s->prev), false);
	s->state = space_reserve(limit, false);
	if (s->next && s->prev && s->state)
		return 0;
	slots_fini(s);
	return -ENOMEM;
}

void slots_fini(struct slots *s)
{
	if (s->next)
		space_release(s->next, s->limit * sizeof(*s->next));
	if (s->prev)
		space_release(s->prev, s->limit * sizeof(*s->prev));
	if (s->state)
		space_release(s->state, s->limit);
	*s = (struct slots){0};
}

static void list_add(struct slots *s, uint32_t first, unsigned order)
{
	uint32_t head = s->free[order];

	s->state[first] = (uint8_t)(STATE_FREE | order);
	s->next[first] = head;
	s->prev[first] = SLOTS_NONE;
	if (head != SLOTS_NONE)
		s->prev[head] = first;
	s->free[order] = first;
}

static void list_del(struct slots *s, uint32_t first, unsigned order)
{
	uint32_t next = s->next[first], prev = s->prev[first];

	s->state[first] = 0;
	if (next != SLOTS_NONE)
		s->prev[next] = prev;
	if (prev != SLOTS_NONE)
		s->next[prev] = next;
	else
		s->free[order] = next;
}

uint32_t slots_take(struct slots *s, unsigned order)
{
	unsigned have = order;
	uint32_t first;

	while (have < SLOTS_ORDERS && s->free[have] == SLOTS_NONE)
		have++;
	if (have < SLOTS_ORDERS) {
		first = s->free[have];
		list_del(s, first, have);
	} else if (s->top < s->limit) {
		first = s->top;
		s->top += 1u << TOP_ORDER;
		have = TOP_ORDER;
	} else {
		return SLOTS_NONE;
	}
	while (have > order) {
		have--;
		list_add(s, first + (1u << have), have);
	}
	s->used += 1u << order;
	return first;
}

void slots_give(struct slots *s, uint32_t first, unsigned order)
{
	s->state[first] = (uint8_t)(STATE_LIMBO | order);
	s->next[first] = s->limbo;
	s->limbo = first;
	s->used -= 1u << order;
}

/* Frees a range together with its buddies that are free. */
static void merge(struct slots *s, uint32_t first, unsigned order)
{
	for (; order < TOP_ORDER; order++) {
		uint32_t buddy = first ^ 1u << order;

		if (s->state[buddy] != (STATE_FREE | order))
			break;
		list_del(s, buddy, order);
		first &= ~(1u << order);
	}
	list_add(s, first, order);
}

void slots_settle(struct slots *s)
{
	uint32_t first, next;

	for (first = s->limbo; first != SLOTS_NONE; first = next) {
		unsigned order = s->state[first] & STATE_ORDER;

		next = s->next[first];
		s->state[first] = 0;
		merge(s, first, order);
	}
	s->limbo = SLOTS_NONE;
}
