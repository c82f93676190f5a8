/* SPDX-License-Identifier: BSD-2-Clause */
/* When each frame is due. The schedule is fixed by the rate alone: a frame that could not be sent in time is
 * still due when it was, and its latency is counted from then. */
#ifndef GEN_PACE_H
#define GEN_PACE_H

#include <stdbool.h>
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
	bool bounded; /* by line_bps, whatever the kind: frames leave no faster than the line carries them */
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

/* The line that frames leave by, as a bucket: it may be that much ahead of the clock. So what a turn of the loop
 * that came late has to make good costs nothing; a burst of that size every queue behind the line has room for. */
#define GEN_LINE_AHEAD_NS 100000u

struct gen_line {
	double byte_ns; /* what a byte takes; 0: the line bounds nothing, and nothing is to be asked of it */
	unsigned size_max;    /* of frames, with FCS */
	struct gen_time free; /* when it has carried all */
};

void gen_line_init(struct gen_line *line, const struct gen_rate *rate, const uint16_t *sizes,
		   unsigned n);

/* Starts over, idle. */
static inline void gen_line_start(struct gen_line *line, uint64_t now_ns)
{
	line->free = (struct gen_time){.ns = now_ns};
}

static inline bool gen_line_full(const struct gen_line *line, uint64_t now_ns)
{
	return line->free.ns > now_ns + GEN_LINE_AHEAD_NS;
}

/* How many frames of the largest size it takes at `now_ns`. */
unsigned gen_line_room(struct gen_line *line, uint64_t now_ns);

/* They were sent; `bytes` of all, with FCS. */
void gen_line_take(struct gen_line *line, unsigned frames, uint64_t bytes);

/* Frames a second that it carries, of the sizes that it was made for; 0: not bounded. */
double gen_line_pps(const struct gen_rate *rate, const uint16_t *sizes, unsigned n);

#endif
