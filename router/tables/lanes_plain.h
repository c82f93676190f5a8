/* SPDX-License-Identifier: BSD-2-Clause */
/* lanes.h without vector instructions: vectors of one. */
#include <peerlane/lang.h>

#define LANES 1u
typedef uint32_t lanes;

static inline lanes lanes_set(uint32_t x)
{
	return x;
}

static inline lanes lanes_count(uint32_t first)
{
	return first;
}

static inline lanes lanes_load(const uint32_t *p)
{
	return *p;
}

static inline lanes lanes_load16(const uint16_t *p)
{
	return *p;
}

static inline void lanes_store(uint32_t *p, lanes v)
{
	*p = v;
}

static inline void lanes_pack(uint32_t *p, lanes v, lanemask mask)
{
	(void)mask;
	*p = v;
}

static inline lanemask lanes_eq(lanes a, lanes b)
{
	return a == b;
}

static inline lanemask lanes_below(lanes a, lanes b)
{
	return a < b;
}

/* a < b, signed */
static inline lanemask lanes_less(lanes a, lanes b)
{
	return (int32_t)a < (int32_t)b;
}

static inline lanes lanes_swap32(lanes v)
{
	return __builtin_bswap32(v);
}

static inline lanes lanes_gather(lanes old, lanemask mask, const uint32_t *table, lanes index)
{
	return mask ? PL_LOAD32(table + index) : old;
}

static inline lanes lanes_gather16(lanes old, lanemask mask, const uint16_t *table, lanes index)
{
	return mask ? (uint32_t)(int16_t)PL_LOAD16(table + index) : old;
}

static inline void lanes_words4(const uint8_t *base, const uint32_t *frame, int at, lanes out[4])
{
	const uint32_t *word = (const uint32_t *)(base + frame[0] + at);

	out[0] = word[0];
	out[1] = word[1];
	out[2] = word[2];
	out[3] = word[3];
}

static inline lanes lanes_word(const uint8_t *base, const uint32_t *frame, int at)
{
	return *(const uint32_t *)(base + frame[0] + at);
}
