/* SPDX-License-Identifier: BSD-2-Clause */
/* A histogram of times in the manner of HdrHistogram: 128 buckets to each doubling, so that a value is known to
 * less than 1 % (1/128), from a nanosecond to 18 minutes, in 35 kB whatever there is to count. */
#ifndef GEN_HISTOGRAM_H
#define GEN_HISTOGRAM_H

#include <stdint.h>

#define GEN_HISTOGRAM_SUB 7  /* bits */
#define GEN_HISTOGRAM_TOP 40 /* values of 2^40 ns and more are counted as the largest below */
#define GEN_HISTOGRAM_BUCKETS ((GEN_HISTOGRAM_TOP - GEN_HISTOGRAM_SUB + 1) << GEN_HISTOGRAM_SUB)

/* Of times that are longer with every frame, as in an overload, 64 bits hold less than two minutes' sum. */
__extension__ typedef unsigned __int128 gen_sum_ns;

struct gen_histogram {
	uint64_t n;
	uint64_t min, max; /* exact */
	gen_sum_ns sum;	   /* exact */
	uint64_t count[GEN_HISTOGRAM_BUCKETS];
};

static inline void gen_histogram_clear(struct gen_histogram *h)
{
	*h = (struct gen_histogram){.min = UINT64_MAX};
}

static inline unsigned gen_histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value >> GEN_HISTOGRAM_TOP)
		value = (1ull << GEN_HISTOGRAM_TOP) - 1;
	if (value < 2u << GEN_HISTOGRAM_SUB)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - GEN_HISTOGRAM_SUB;
	return (shift << GEN_HISTOGRAM_SUB) + (unsigned)(value >> shift);
}

static inline void gen_histogram_add(struct gen_histogram *h, uint64_t value, uint64_t times)
{
	h->n += times;
	h->sum += (gen_sum_ns)value * times;
	h->min = value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
	h->count[gen_histogram_bucket(value)] += times;
}

/* 0 when there are none. */
static inline double gen_histogram_mean(const struct gen_histogram *h)
{
	return h->n ? (double)h->sum / (double)h->n : 0;
}

/* The least value that `percent` of all values do not exceed: at most 1/128 more than the true one, never less,
 * and never beyond the greatest. 0 when there are none. */
uint64_t gen_histogram_percentile(const struct gen_histogram *h, double percent);

#endif
