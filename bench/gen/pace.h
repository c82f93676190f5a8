/* SPDX-License-Identifier: BSD-2-Clause */
/* When each frame is due. The schedule is fixed by the rate alone: a frame that could not be sent in time is
 * still due when it was, and its latency is counted from then. */
#ifndef GEN_PACE_H
#define GEN_PACE_H

#include <stdint.h>

enum gen_rate_kind {
	GEN_RATE_MAX,	  /* no schedule: due is what is sent, at once */
	GEN_RATE_PPS,	  /* frames a second */
	GEN_RATE_BPS,	  /* bits of frames a second, FCS counted */
	GEN_RATE_PERCENT, /* of line_bps, of which each frame takes GEN_WIRE_OVERHEAD bytes more */
};

struct gen_rate {
	enum gen_rate_kind kind;
	double value;
	double line_bps;
};

/* Time in nanoseconds and parts of 2^32 of one: after an hour of 100 million frames a second the error is below
 * 0.1 ms, which is the rounding of steps. */
struct gen_time {
	uint64_t ns;
	uint32_t frac;
};

static inline void gen_time_add(struct gen_time *t, struct gen_time step)
{
	uint64_t frac = (uint64_t)t->frac + step.frac;

	t->ns += step.ns + (frac >> 32);
	t->frac = (uint32_t)frac;
}

/* What a frame of `size` bytes (with FCS) takes of the schedule. 0 for GEN_RATE_MAX. */
struct gen_time gen_rate_step(const struct gen_rate *rate, unsigned size);

/* Frames a second that are asked for when sizes, of equal weight, are these; 0 for GEN_RATE_MAX. */
double gen_rate_pps(const struct gen_rate *rate, const uint16_t *sizes, unsigned n);

#endif
