/* SPDX-License-Identifier: BSD-2-Clause */
#include "pace.h"
#include "frame.h"

static double step_ns(const struct gen_rate *rate, unsigned size)
{
	switch (rate->kind) {
	case GEN_RATE_PPS:
		return 1e9 / rate->value;
	case GEN_RATE_BPS:
		return 8e9 * size / rate->value;
	case GEN_RATE_PERCENT:
		return 8e9 * (size + GEN_WIRE_OVERHEAD) / (rate->line_bps * rate->value / 100);
	case GEN_RATE_MAX:
		break;
	}
	return 0;
}

struct gen_time gen_rate_step(const struct gen_rate *rate, unsigned size)
{
	double ns = step_ns(rate, size);
	uint64_t whole = (uint64_t)ns;

	return (struct gen_time){.ns = whole, .frac = (uint32_t)((ns - (double)whole) * 0x1p32)};
}

double gen_rate_pps(const struct gen_rate *rate, const uint16_t *sizes, unsigned n)
{
	double ns = 0;

	for (unsigned i = 0; i < n; i++)
		ns += step_ns(rate, sizes[i]);
	return ns > 0 ? 1e9 * n / ns : 0;
}
