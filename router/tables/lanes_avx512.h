/* SPDX-License-Identifier: BSD-2-Clause */
/* lanes.h for AVX-512 (F, BW, DQ, VL). */
#include <immintrin.h>

#define LANES 16u
typedef uint32_t lanes __attribute__((vector_size(64)));

static inline lanes lanes_set(uint32_t x)
{
	return (lanes)_mm512_set1_epi32((int)x);
}

/* first, first + 1, ... */
static inline lanes lanes_count(uint32_t first)
{
	return lanes_set(first) + (lanes){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

static inline lanes lanes_load(const uint32_t *p)
{
	return (lanes)_mm512_loadu_si512(p);
}

/* LANES 16-bit words, zero-extended. */
static inline lanes lanes_load16(const uint16_t *p)
{
	return (lanes)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}

static inline void lanes_store(uint32_t *p, lanes v)
{
	_mm512_storeu_si512(p, (__m512i)v);
}

/* Stores the lanes in `mask` one after the other; writes LANES words whatever the mask. Packing in
 * a register first: the form that packs into memory is microcode on Zen 4. */
static inline void lanes_pack(uint32_t *p, lanes v, lanemask mask)
{
	_mm512_storeu_si512(p, _mm512_maskz_compress_epi32((__mmask16)mask, (__m512i)v));
}

static inline lanemask lanes_eq(lanes a, lanes b)
{
	return _mm512_cmpeq_epu32_mask((__m512i)a, (__m512i)b);
}

/* a < b, unsigned */
static inline lanemask lanes_below(lanes a, lanes b)
{
	return _mm512_cmplt_epu32_mask((__m512i)a, (__m512i)b);
}

/* a < b, signed */
static inline lanemask lanes_less(lanes a, lanes b)
{
	return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b);
}

static inline lanes lanes_swap32(lanes v)
{
	const __m512i order = _mm512_broadcast_i32x4(
		_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));

	return (lanes)_mm512_shuffle_epi8((__m512i)v, order);
}

/* table[index] for the lanes in `mask`, `old` for the others. Elements are loaded whole: x86 never
 * tears an aligned 32-bit load, a gather's included. */
static inline lanes lanes_gather(lanes old, lanemask mask, const uint32_t *table, lanes index)
{
	return (lanes)_mm512_mask_i32gather_epi32((__m512i)old, (__mmask16)mask, (__m512i)index,
						  table, 4);
}

/* The same for a table of 16-bit words, sign-extended. The aligned 32-bit word is loaded that holds
 * one; the table is aligned to 4 bytes and of an even length. */
static inline lanes lanes_gather16(lanes old, lanemask mask, const uint16_t *table, lanes index)
{
	lanes pair = lanes_gather(old, mask, (const uint32_t *)table, index >> 1);
	__m512i word = _mm512_srlv_epi32((__m512i)pair, (__m512i)((index & 1) << 4));

	return (lanes)_mm512_mask_srai_epi32((__m512i)old, (__mmask16)mask,
					     _mm512_slli_epi32(word, 16), 16);
}

/* The first two 32-bit words of 16 addresses, host order. */
static inline void lanes_addresses(const uint8_t (*addr)[16], lanes *first, lanes *second)
{
	const __m512i heads =
		_mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
	__m512i lower = _mm512_permutex2var_epi32(_mm512_loadu_si512(addr), heads,
						  _mm512_loadu_si512(addr + 4));
	__m512i upper = _mm512_permutex2var_epi32(_mm512_loadu_si512(addr + 8), heads,
						  _mm512_loadu_si512(addr + 12));

	*first = lanes_swap32((lanes)_mm512_shuffle_i64x2(lower, upper, 0x44));
	*second = lanes_swap32((lanes)_mm512_shuffle_i64x2(lower, upper, 0xee));
}

/* 16 bytes of every fourth packet from `frame[0]` on, side by side. */
static inline __m512i lanes_fourths(const uint8_t *base, const uint32_t *frame, int at)
{
	__m512i v = _mm512_castsi128_si512(_mm_load_si128((const __m128i *)(base + frame[0] + at)));

	v = _mm512_inserti32x4(v, _mm_load_si128((const __m128i *)(base + frame[4] + at)), 1);
	v = _mm512_inserti32x4(v, _mm_load_si128((const __m128i *)(base + frame[8] + at)), 2);
	return _mm512_inserti32x4(v, _mm_load_si128((const __m128i *)(base + frame[12] + at)), 3);
}

/* Four words of each packet from `at` (2 modulo 16: a 16-byte boundary in memory), transposed:
 * out[w] has word w of all packets. */
static inline void lanes_words4(const uint8_t *base, const uint32_t *frame, int at, lanes out[4])
{
	__m512i p0 = lanes_fourths(base, frame + 0, at), p1 = lanes_fourths(base, frame + 1, at);
	__m512i p2 = lanes_fourths(base, frame + 2, at), p3 = lanes_fourths(base, frame + 3, at);
	__m512i lo01 = _mm512_unpacklo_epi32(p0, p1), hi01 = _mm512_unpackhi_epi32(p0, p1);
	__m512i lo23 = _mm512_unpacklo_epi32(p2, p3), hi23 = _mm512_unpackhi_epi32(p2, p3);

	out[0] = (lanes)_mm512_unpacklo_epi64(lo01, lo23);
	out[1] = (lanes)_mm512_unpackhi_epi64(lo01, lo23);
	out[2] = (lanes)_mm512_unpacklo_epi64(hi01, hi23);
	out[3] = (lanes)_mm512_unpackhi_epi64(hi01, hi23);
}

/* The first of those words alone. */
static inline lanes lanes_word(const uint8_t *base, const uint32_t *frame, int at)
{
	__m512i p0 = lanes_fourths(base, frame + 0, at), p1 = lanes_fourths(base, frame + 1, at);
	__m512i p2 = lanes_fourths(base, frame + 2, at), p3 = lanes_fourths(base, frame + 3, at);

	return (lanes)_mm512_unpacklo_epi64(_mm512_unpacklo_epi32(p0, p1),
					    _mm512_unpacklo_epi32(p2, p3));
}
