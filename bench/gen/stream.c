/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "stream.h"

#define SOURCE_PORT_FIRST 1024u
#define SOURCE_PORTS (65536u - SOURCE_PORT_FIRST)

/* Frames that are to be sent together. */
struct plan {
	uint32_t flow[GEN_BURST];
	uint32_t size[GEN_BURST];
	uint64_t due[GEN_BURST];
};

static enum gen_family family_of(uint8_t family)
{
	return family == AF_INET ? GEN_V4 : GEN_V6;
}

static void make_flows(struct gen_stream *s, const struct gen_stream_config *c)
{
	const struct gen_host *host = &s->end->host;
	const struct gen_targets *from;
	uint64_t random = c->seed + c->first_flow;
	uint8_t family;

	for (uint32_t i = 0; i < s->n_flows; i++) {
		struct gen_flow_tx *flow = &s->flows[i];

		gen_targets_draw(c->destinations, i, s->n_flows, &random, &flow->family,
				 flow->destination);
		memcpy(flow->source, host->address[family_of(flow->family)], 16);
		from = &c->sources[family_of(flow->family)];
		if (from->n)
			gen_targets_draw(from, i, s->n_flows, &random, &family, flow->source);
		flow->source_port = htons((uint16_t)(SOURCE_PORT_FIRST + i % SOURCE_PORTS));
		gen_flow_tx_init(flow);
	}
}

static int make_templates(struct gen_stream *s, const struct gen_stream_config *c,
			  enum gen_family family)
{
	struct gen_headers headers = {.port = c->port, .ttl = c->ttl};

	s->templates[family] = calloc(c->n_sizes, sizeof(*s->templates[family]));
	if (!s->templates[family])
		return -ENOMEM;
	memcpy(headers.smac, s->end->host.mac, 6);
	memcpy(headers.dmac, s->end->host.gateway_mac[family], 6);
	for (unsigned i = 0; i < c->n_sizes; i++)
		gen_template_init(&s->templates[family][i], family == GEN_V4 ? AF_INET : AF_INET6,
				  c->sizes[i], &headers, s->filler);
	return 0;
}

int gen_stream_init(struct gen_stream *s, struct gen_end *end, const struct gen_stream_config *c,
		    const struct gen_filler *filler, struct pl_error *err)
{
	bool failed;

	*s = (struct gen_stream){
		.end = end,
		.filler = filler,
		.run = c->run,
		.first_flow = c->first_flow,
		.n_flows = c->n_flows,
		.n_sizes = c->n_sizes,
		.asked_pps = gen_rate_pps(&c->rate, c->sizes, c->n_sizes),
		.line_pps = gen_line_pps(&c->rate, c->sizes, c->n_sizes),
	};
	gen_line_init(&s->line, &c->rate, c->sizes, c->n_sizes);
	s->flows = calloc(s->n_flows, sizeof(*s->flows));
	s->steps = calloc(s->n_sizes, sizeof(*s->steps));
	s->lateness = calloc(1, sizeof(*s->lateness));
	failed = !s->flows || !s->steps || !s->lateness ||
		 (gen_targets_has(c->destinations, AF_INET) && make_templates(s, c, GEN_V4)) ||
		 (gen_targets_has(c->destinations, AF_INET6) && make_templates(s, c, GEN_V6));
	if (failed) {
		gen_stream_fini(s);
		return pl_error_set(err, -ENOMEM, "use fewer flows", "no memory for %u flows",
				    c->n_flows);
	}
	for (unsigned i = 0; i < s->n_sizes; i++)
		s->steps[i] = gen_rate_step(&c->rate, c->sizes[i]);
	make_flows(s, c);
	return 0;
}

void gen_stream_fini(struct gen_stream *s)
{
	free(s->flows);
	free(s->steps);
	free(s->lateness);
	free(s->templates[GEN_V4]);
	free(s->templates[GEN_V6]);
	*s = (struct gen_stream){0};
}

void gen_stream_start(struct gen_stream *s, uint64_t now_ns, uint64_t count)
{
	s->at = (struct gen_cursor){.due.ns = now_ns};
	gen_line_start(&s->line, now_ns);
	s->left = count;
	s->sent = s->sent_bytes = s->busy = s->full = 0;
	gen_histogram_clear(s->lateness);
	for (uint32_t i = 0; i < s->n_flows; i++)
		s->flows[i].seq = 0;
}

static inline uint32_t next_of(uint32_t at, uint32_t n)
{
	return at + 1 == n ? 0 : at + 1;
}

/* To the next frame. Where flows and sizes would begin again together, each flow having had the same few all along,
 * sizes begin by one further on: every size has its share of the frames, and every flow all of them. */
static inline void step(const struct gen_stream *s, struct gen_cursor *at)
{
	gen_time_add(&at->due, s->steps[at->size]);
	at->size = next_of(at->size, s->n_sizes);
	at->flow = next_of(at->flow, s->n_flows);
	if (at->flow == 0 && at->size == at->first)
		at->first = at->size = next_of(at->first, s->n_sizes);
}

/* How many frames may leave by one call. */
static unsigned most(struct gen_stream *s, uint64_t now_ns)
{
	unsigned max = s->left < GEN_BURST ? (unsigned)s->left : GEN_BURST;
	unsigned room = s->line.byte_ns > 0 ? gen_line_room(&s->line, now_ns) : max;

	return room < max ? room : max;
}

/* What is due, and how long the frames will be. Returns how many, at most `max`; `at` goes behind them. */
static unsigned make_plan(const struct gen_stream *s, struct gen_cursor *at, unsigned max,
			  uint64_t now_ns, uint64_t until_ns, struct plan *plan,
			  struct gen_frame *frames)
{
	bool paced = s->asked_pps > 0;
	unsigned n;

	for (n = 0; n < max; n++) {
		uint64_t due = paced ? at->due.ns : now_ns;
		uint8_t family = s->flows[at->flow].family;

		if (due > now_ns || due >= until_ns)
			break;
		plan->flow[n] = at->flow;
		plan->size[n] = at->size;
		plan->due[n] = due;
		frames[n].len = s->templates[family_of(family)][at->size].len;
		step(s, at);
	}
	return n;
}

static void build(struct gen_stream *s, const struct plan *plan, const struct gen_frame *frames,
		  unsigned n)
{
	const uint32_t first = s->first_flow | s->mark;

	for (unsigned i = 0; i < n; i++) {
		struct gen_flow_tx *flow = &s->flows[plan->flow[i]];
		const struct gen_record record = {
			.run = s->run,
			.flow = first + plan->flow[i],
			.seq = flow->seq++,
			.time_ns = plan->due[i] & ((1ull << GEN_TIME_BITS) - 1),
		};

		gen_frame_build(frames[i].data,
				&s->templates[family_of(flow->family)][plan->size[i]], flow,
				&record, s->filler);
	}
}

bool gen_stream_waits(const struct gen_stream *s, uint64_t now_ns, uint64_t until_ns)
{
	return s->left && s->asked_pps > 0 && s->at.due.ns <= now_ns && s->at.due.ns < until_ns &&
	       gen_line_full(&s->line, now_ns);
}

unsigned gen_stream_send(struct gen_stream *s, uint64_t now_ns, uint64_t until_ns)
{
	struct gen_cursor behind = s->at;
	struct gen_frame frames[GEN_BURST];
	struct plan plan;
	unsigned n = make_plan(s, &behind, most(s, now_ns), now_ns, until_ns, &plan, frames);
	uint64_t bytes = 0;
	unsigned taken;

	if (!n)
		return 0;
	taken = s->end->ops->reserve(s->end, frames, n);
	build(s, &plan, frames, taken);
	s->end->ops->commit(s->end, frames, taken);
	if (taken == n)
		s->at = behind;
	else
		for (unsigned i = 0; i < taken; i++)
			step(s, &s->at);
	for (unsigned i = 0; i < taken; i++)
		bytes += frames[i].len + GEN_FCS;
	if (s->line.byte_ns > 0)
		gen_line_take(&s->line, taken, bytes);
	s->sent_bytes += bytes;
	s->sent += taken;
	s->left -= taken;
	s->busy++;
	s->full += taken < n;
	/* Without a schedule none is late. */
	for (unsigned i = 0; i < taken && s->asked_pps > 0; i++)
		gen_histogram_add(s->lateness, now_ns - plan.due[i], 1);
	return taken;
}
