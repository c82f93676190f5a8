/* SPDX-License-Identifier: BSD-2-Clause */
/* What leaves by one end: flows that take turns, sizes that take turns, and when each frame is due. */
#ifndef GEN_STREAM_H
#define GEN_STREAM_H

#include "end.h"
#include "frame.h"
#include "histogram.h"
#include "pace.h"
#include "targets.h"

struct gen_cursor {
	uint32_t flow, size; /* of the next frame; indices */
	uint32_t first;	     /* of the sizes: the one that came with the first flow */
	struct gen_time due;
};

struct gen_stream {
	struct gen_end *end;
	const struct gen_filler *filler;
	uint16_t run;		      /* its number, in each frame */
	uint32_t first_flow, n_flows; /* numbers on the wire start at the former */
	uint32_t mark;		      /* GEN_WARMUP: what is sent does not count; else 0 */
	struct gen_flow_tx *flows;
	unsigned n_sizes;
	struct gen_template *templates[GEN_FAMILIES]; /* n_sizes of each family that is used */
	struct gen_time *steps;			      /* by size */
	double asked_pps;			      /* 0: as many as there can be */
	double line_pps;			      /* 0: not bounded */
	struct gen_cursor at;
	struct gen_line line;
	uint64_t left;		   /* frames still to be sent */
	uint64_t sent, sent_bytes; /* bytes with FCS */
	uint64_t busy, full;	   /* calls with something to send; the end took not all of it */
	struct gen_histogram *lateness; /* of sends, as against when they were due */
};

struct gen_stream_config {
	const struct gen_targets *destinations;
	const struct gen_targets
		*sources; /* GEN_FAMILIES; of one that is empty the host's address */
	uint16_t run;	  /* not GEN_RUN_ANY */
	uint32_t first_flow, n_flows;
	const uint16_t *sizes; /* with FCS; they take turns */
	unsigned n_sizes;
	struct gen_rate rate;
	uint16_t port;
	uint8_t ttl;
	uint64_t seed;
};

/* The end's host has an address, and the MAC of its gateway, of every family that destinations have. The
 * filler must outlive it. Returns 0 or -errno with `err` filled. */
int gen_stream_init(struct gen_stream *stream, struct gen_end *end,
		    const struct gen_stream_config *config, const struct gen_filler *filler,
		    struct pl_error *err);
void gen_stream_fini(struct gen_stream *stream);

/* Starts over: the first frame is due at `now_ns`, `count` frames in all (UINT64_MAX: without end). */
void gen_stream_start(struct gen_stream *stream, uint64_t now_ns, uint64_t count);

/* Sends up to GEN_BURST of the frames that are due at `now_ns`, and were so before `until_ns`, as far as the line
 * carries them. Returns how many. */
unsigned gen_stream_send(struct gen_stream *stream, uint64_t now_ns, uint64_t until_ns);

/* Whether it has a frame that was due before `until_ns` and waits for the line. */
bool gen_stream_waits(const struct gen_stream *stream, uint64_t now_ns, uint64_t until_ns);

/* How many frames of its flow `index` (from 0) have been sent: they take turns. */
static inline uint64_t gen_stream_flow_sent(const struct gen_stream *stream, uint32_t index)
{
	return stream->sent / stream->n_flows + (index < stream->sent % stream->n_flows);
}

#endif
