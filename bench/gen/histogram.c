/* SPDX-License-Identifier: BSD-2-Clause */
#include <math.h>

#include "histogram.h"

/* The greatest value that falls into a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2u << GEN_HISTOGRAM_SUB)
		return bucket;
	shift = (bucket >> GEN_HISTOGRAM_SUB) - 1;
	return (((uint64_t)bucket - ((uint64_t)shift << GEN_HISTOGRAM_SUB) + 1) << shift) - 1;
}

uint64_t gen_histogram_percentile(const struct gen_histogram *h, double percent)
{
	uint64_t wanted = (uint64_t)ceil(percent / 100 * (double)h->n), seen = 0, end;

	if (!h->n)
		return 0;
	if (wanted < 1)
		wanted = 1;
	if (wanted > h->n)
		wanted = h->n;
	for (unsigned i = 0; i < GEN_HISTOGRAM_BUCKETS; i++) {
		seen += h->count[i];
		if (seen < wanted)
			continue;
		end = bucket_end(i);
		return end < h->max && i < GEN_HISTOGRAM_BUCKETS - 1 ? end : h->max;
	}
	return h->max;
}
