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

static struct gen_time time_of(double ns)
{
	uint64_t whole = (uint64_t)ns;

	return (struct gen_time){.ns = whole, .frac = (uint32_t)((ns - (double)whole) * 0x1p32)};
}

struct gen_time gen_rate_step(const struct gen_rate *rate, unsigned size)
{
	return time_of(step_ns(rate, size));
}

double gen_rate_pps(const struct gen_rate *rate, const uint16_t *sizes, unsigned n)
{
	double ns = 0;

	for (unsigned i = 0; i < n; i++)
		ns += step_ns(rate, sizes[i]);
	return ns > 0 ? 1e9 * n / ns : 0;
}

void gen_line_init(struct gen_line *line, const struct gen_rate *rate, const uint16_t *sizes,
		   unsigned n)
{
	*line = (struct gen_line){.byte_ns = rate->bounded ? 8e9 / rate->line_bps : 0};
	for (unsigned i = 0; i < n; i++)
		line->size_max = sizes[i] > line->size_max ? sizes[i] : line->size_max;
}

unsigned gen_line_room(struct gen_line *line, uint64_t now_ns)
{
	/* What it could have carried while it was idle is lost. */
	if (line->free.ns < now_ns)
		gen_line_start(line, now_ns);
	if (gen_line_full(line, now_ns))
		return 0;
	return 1 + (unsigned)((double)(now_ns + GEN_LINE_AHEAD_NS - line->free.ns) /
			      (line->byte_ns * (line->size_max + GEN_WIRE_OVERHEAD)));
}

void gen_line_take(struct gen_line *line, unsigned frames, uint64_t bytes)
{
	gen_time_add(&line->free,
		     time_of(line->byte_ns * (double)(bytes + frames * GEN_WIRE_OVERHEAD)));
}

double gen_line_pps(const struct gen_rate *rate, const uint16_t *sizes, unsigned n)
{
	struct gen_rate all = {GEN_RATE_PERCENT, 100, rate->line_bps, true};

	return rate->bounded ? gen_rate_pps(&all, sizes, n) : 0;
}
