/* SPDX-License-Identifier: BSD-2-Clause */
/* A run: ends are opened, gateways resolved, frames sent and received by turns on one core, and counted. */
#ifndef GEN_RUN_H
#define GEN_RUN_H

#include <stdatomic.h>

#include "flows.h"
#include "settings.h"
#include "stream.h"

/* What was the limit of what was sent. */
enum gen_limit {
	GEN_LIMIT_NONE, /* as much was sent as was asked for */
	GEN_LIMIT_CORE, /* this program: its core had no more time */
	GEN_LIMIT_END,	/* an end that took no more */
	GEN_LIMIT_LINE, /* that of --line-rate: it was full all the time */
};

struct gen_run {
	const struct gen_settings *settings;
	struct gen_filler *filler;
	struct gen_end *ends[GEN_ENDS_MAX];
	bool receives[GEN_ENDS_MAX];
	struct gen_end_counters lost[GEN_ENDS_MAX]; /* by ends themselves, since `start_ns` */
	struct gen_end_counters lost_before[GEN_ENDS_MAX];
	unsigned n_ends;
	struct gen_stream streams[GEN_ENDS_MAX];
	unsigned n_streams;
	/* The number that its frames carry. A run that only receives has none: it takes the first whose frame counts,
	 * and until then this is GEN_RUN_ANY. */
	uint16_t id;
	struct gen_flows flows;
	struct gen_histogram *latency; /* of what counts as received */
	bool counting;
	uint64_t damaged;   /* of flows that cannot be told any more */
	uint64_t foreign;   /* frames of others, other runs among them */
	uint64_t stale;	    /* of a warm-up, that of another's sender too */
	uint64_t misrouted; /* ours, at an end that only sends */
	bool other_clock;   /* a frame came from before this machine's start, or from the future */
	uint64_t start_ns, stop_ns; /* of sending; CLOCK_MONOTONIC */
	atomic_bool *interrupted;   /* set by a signal's handler: stop sending and report */
};

/* Opens what the settings say, which must outlive the run, and asks for the gateways' MACs. Returns 0 or
 * -errno with `err` filled; then, too, gen_run_close() is to be called. */
int gen_run_open(struct gen_run *run, const struct gen_settings *settings, atomic_bool *interrupted,
		 struct pl_error *err);

/* Runs to the end. `progress` (may be NULL) is told once a second. Returns 0 or -errno with `err` filled (-ENETDOWN: an
 * end is gone; -EINTR: interrupted before anything counted): if `counting`, what was found until then is there. */
int gen_run(struct gen_run *run, void (*progress)(const struct gen_run *run, uint64_t now_ns),
	    struct pl_error *err);

void gen_run_close(struct gen_run *run);

uint64_t gen_run_sent(const struct gen_run *run);
bool gen_run_judges(const struct gen_run *run); /* sends and receives: what is lost is known */
/* Sent, and neither received nor corrupted; 0 unless gen_run_judges(). */
uint64_t gen_run_lost(const struct gen_run *run);
double gen_run_asked_pps(const struct gen_run *run); /* 0: as many as there can be */
double gen_run_seconds(const struct gen_run *run);   /* of sending */

/* By whose clock frames say when they were due, and what latencies therefore are. */
enum gen_clock {
	GEN_CLOCK_OWN,	   /* ours: right */
	GEN_CLOCK_ASSUMED, /* a sender's that may be on this machine: right if it is */
	GEN_CLOCK_OTHER,   /* another machine's: not known */
};

enum gen_clock gen_run_clock(const struct gen_run *run);
enum gen_limit gen_run_limit(const struct gen_run *run);

#endif
