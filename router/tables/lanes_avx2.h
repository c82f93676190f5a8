/* SPDX-License-Identifier: BSD-2-Clause */
/* lanes.h for AVX2. */
#include <immintrin.h>

#define LANES 8u
typedef uint32_t lanes __attribute__((vector_size(32)));

static inline lanes lanes_set(uint32_t x)
{
	return (lanes)_mm256_set1_epi32((int)x);
}

/* first, first + 1, ... */
static inline lanes lanes_count(uint32_t first)
{
	return lanes_set(first) + (lanes){0, 1, 2, 3, 4, 5, 6, 7};
}

static inline lanes lanes_load(const uint32_t *p)
{
	return (lanes)_mm256_loadu_si256((const __m256i *)p);
}

/* LANES 16-bit words, zero-extended. */
static inline lanes lanes_load16(const uint16_t *p)
{
	return (lanes)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}

static inline void lanes_store(uint32_t *p, lanes v)
{
	_mm256_storeu_si256((__m256i *)p, (__m256i)v);
}

/* Stores the lanes in `mask` one after the other; may write LANES words whatever the mask. */
static inline void lanes_pack(uint32_t *p, lanes v, lanemask mask)
{
	uint32_t word[LANES];

	lanes_store(word, v);
	for (; mask; mask &= mask - 1)
		*p++ = word[__builtin_ctz(mask)];
}

static inline lanemask lanes_eq(lanes a, lanes b)
{
	return (lanemask)_mm256_movemask_ps(
		_mm256_castsi256_ps(_mm256_cmpeq_epi32((__m256i)a, (__m256i)b)));
}

/* a < b, unsigned: unless a is the larger or they are the same */
static inline lanemask lanes_below(lanes a, lanes b)
{
	return lanes_eq((lanes)_mm256_max_epu32((__m256i)a, (__m256i)b), a) ^ 0xff;
}

/* a < b, signed */
static inline lanemask lanes_less(lanes a, lanes b)
{
	return (lanemask)_mm256_movemask_ps(
		_mm256_castsi256_ps(_mm256_cmpgt_epi32((__m256i)b, (__m256i)a)));
}

static inline lanes lanes_swap32(lanes v)
{
	const __m256i order = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));

	return (lanes)_mm256_shuffle_epi8((__m256i)v, order);
}

/* A full-width mask, as AVX2's gather wants it. */
static inline __m256i lanes_widen(lanemask mask)
{
	const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);

	return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)mask), bit), bit);
}

/* table[index] for the lanes in `mask`, `old` for the others. Elements are loaded whole: x86 never
 * tears an aligned 32-bit load, a gather's included. */
static inline lanes lanes_gather(lanes old, lanemask mask, const uint32_t *table, lanes index)
{
	return (lanes)_mm256_mask_i32gather_epi32((__m256i)old, (const int *)table, (__m256i)index,
						  lanes_widen(mask), 4);
}

/* The same for a table of 16-bit words, sign-extended. The aligned 32-bit word is loaded that holds
 * one; the table is aligned to 4 bytes and of an even length. */
static inline lanes lanes_gather16(lanes old, lanemask mask, const uint16_t *table, lanes index)
{
	__m256i wide = lanes_widen(mask);
	__m256i pair = _mm256_mask_i32gather_epi32((__m256i)old, (const int *)table,
						   (__m256i)(index >> 1), wide, 4);
	__m256i word = _mm256_srlv_epi32(pair, (__m256i)((index & 1) << 4));

	return (lanes)_mm256_blendv_epi8((__m256i)old,
					 _mm256_srai_epi32(_mm256_slli_epi32(word, 16), 16), wide);
}

/* The first halves of addresses 0 and 2, then of 1 and 3. */
static inline __m256i lanes_heads(const uint8_t (*addr)[16])
{
	return _mm256_unpacklo_epi64(_mm256_loadu_si256((const __m256i *)addr),
				     _mm256_loadu_si256((const __m256i *)(addr + 2)));
}

/* The first two 32-bit words of 8 addresses, host order. */
static inline void lanes_addresses(const uint8_t (*addr)[16], lanes *first, lanes *second)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256 lower = _mm256_castsi256_ps(lanes_heads(addr));
	__m256 upper = _mm256_castsi256_ps(lanes_heads(addr + 4));
	__m256i even = _mm256_castps_si256(_mm256_shuffle_ps(lower, upper, 0x88));
	__m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(lower, upper, 0xdd));

	*first = lanes_swap32((lanes)_mm256_permutevar8x32_epi32(even, order));
	*second = lanes_swap32((lanes)_mm256_permutevar8x32_epi32(odd, order));
}

/* 16 bytes of every fourth packet from `frame[0]` on, side by side. */
static inline __m256i lanes_fourths(const uint8_t *base, const uint32_t *frame, int at)
{
	__m256i v = _mm256_castsi128_si256(_mm_load_si128((const __m128i *)(base + frame[0] + at)));

	return _mm256_inserti128_si256(v, _mm_load_si128((const __m128i *)(base + frame[4] + at)),
				       1);
}

/* Four words of each packet from `at` (2 modulo 16: a 16-byte boundary in memory), transposed:
 * out[w] has word w of all packets. */
static inline void lanes_words4(const uint8_t *base, const uint32_t *frame, int at, lanes out[4])
{
	__m256i p0 = lanes_fourths(base, frame + 0, at), p1 = lanes_fourths(base, frame + 1, at);
	__m256i p2 = lanes_fourths(base, frame + 2, at), p3 = lanes_fourths(base, frame + 3, at);
	__m256i lo01 = _mm256_unpacklo_epi32(p0, p1), hi01 = _mm256_unpackhi_epi32(p0, p1);
	__m256i lo23 = _mm256_unpacklo_epi32(p2, p3), hi23 = _mm256_unpackhi_epi32(p2, p3);

	out[0] = (lanes)_mm256_unpacklo_epi64(lo01, lo23);
	out[1] = (lanes)_mm256_unpackhi_epi64(lo01, lo23);
	out[2] = (lanes)_mm256_unpacklo_epi64(hi01, hi23);
	out[3] = (lanes)_mm256_unpackhi_epi64(hi01, hi23);
}

/* The first of those words alone. */
static inline lanes lanes_word(const uint8_t *base, const uint32_t *frame, int at)
{
	__m256i p0 = lanes_fourths(base, frame + 0, at), p1 = lanes_fourths(base, frame + 1, at);
	__m256i p2 = lanes_fourths(base, frame + 2, at), p3 = lanes_fourths(base, frame + 3, at);

	return (lanes)_mm256_unpacklo_epi64(_mm256_unpacklo_epi32(p0, p1),
					    _mm256_unpacklo_epi32(p2, p3));
}
