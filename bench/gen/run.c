/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "clock.h"
#include "links.h"
#include "run.h"

#define ASK_EVERY (100 * GEN_MS)
#define ASK_FOR (5 * GEN_SECOND)
#define GRACE (10 * GEN_MS) /* for frames that were due before the end */
#define RECEIVES 4u	    /* bursts from an end before others have their turn */

/* From `since` to `now`, both modulo 2^GEN_TIME_BITS; negative if `now` was before. */
static int64_t elapsed(uint64_t now, uint64_t since)
{
	return (int64_t)((now - since) << (64 - GEN_TIME_BITS)) >> (64 - GEN_TIME_BITS);
}

/* ---- receiving ---- */

static void send_one(struct gen_end *end, const uint8_t *data, unsigned len)
{
	struct gen_frame frame = {.len = len};

	/* Who asked asks again. */
	if (end->ops->reserve(end, &frame, 1) == 0)
		return;
	memcpy(frame.data, data, len);
	end->ops->commit(end, &frame, 1);
}

static void take_foreign(struct gen_run *run, struct gen_end *end, const struct gen_frame *frame)
{
	/* A copy: the frame may lie in memory that another process writes. Nothing longer is to be answered. */
	uint8_t copy[256], reply[GEN_HOST_FRAME_MAX];
	uint32_t copied = frame->len < sizeof(copy) ? frame->len : sizeof(copy);
	unsigned len;

	run->foreign += run->counting;
	memcpy(copy, frame->data, copied);
	len = gen_host_take(&end->host, copy, copied, reply);
	if (len)
		send_one(end, reply, len);
}

static void take_latency(struct gen_run *run, int64_t latency, uint64_t now_ns)
{
	/* The clock began with the machine. */
	if ((uint64_t)latency > now_ns)
		run->other_clock = true;
	gen_histogram_add(run->latency, latency > 0 ? (uint64_t)latency : 0, 1);
}

static void take_record(struct gen_run *run, unsigned at, const struct gen_record *r, bool corrupt,
			uint64_t now_ns)
{
	if (run->id && r->run != run->id) {
		/* Read in the burst that told whose frames count. */
		run->foreign++;
	} else if (r->flow & GEN_WARMUP) {
		run->stale++;
	} else if (!run->receives[at]) {
		run->misrouted++;
	} else if (r->flow >= run->flows.n) {
		run->foreign++;
	} else {
		run->id = r->run;
		if (gen_flows_take(&run->flows, r->flow, r->seq, corrupt))
			take_latency(run, elapsed(now_ns, r->time_ns), now_ns);
	}
}

/* Takes a burst off an end. All get the time at which it was seen: one after the other in the driver's queue they
 * have come before. Returns how many. */
static unsigned receive(struct gen_run *run, unsigned at)
{
	struct gen_end *end = run->ends[at];
	struct gen_frame frames[GEN_BURST];
	struct gen_record records[GEN_BURST];
	enum gen_kind kinds[GEN_BURST];
	unsigned n = end->ops->receive(end, frames, GEN_BURST);
	uint64_t now_ns;

	if (!n)
		return 0;
	now_ns = gen_clock_ns();
	for (unsigned i = 0; i < n; i++) {
		kinds[i] = gen_frame_parse(frames[i].data, frames[i].len, run->settings->port,
					   run->id, run->filler, &records[i]);
		if (kinds[i] <= GEN_CORRUPT && records[i].flow < run->flows.n)
			__builtin_prefetch(gen_flows_get(&run->flows, records[i].flow), 1);
	}
	for (unsigned i = 0; i < n; i++) {
		if (kinds[i] == GEN_FOREIGN)
			take_foreign(run, end, &frames[i]);
		else if (!run->counting)
			continue;
		else if (kinds[i] == GEN_DAMAGED)
			run->damaged++;
		else
			take_record(run, at, &records[i], kinds[i] == GEN_CORRUPT, now_ns);
	}
	end->ops->release(end);
	return n;
}

static unsigned receive_all(struct gen_run *run)
{
	unsigned n = 0;

	for (unsigned i = 0; i < run->n_ends; i++) {
		struct gen_end *end = run->ends[i];

		for (unsigned k = 0; k < RECEIVES; k++) {
			unsigned got = receive(run, i);

			n += got;
			if (got < GEN_BURST)
				break;
		}
		if (end->ops->flush)
			end->ops->flush(end);
	}
	return n;
}

/* ---- phases ---- */

static bool is_interrupted(const struct gen_run *run)
{
	/* Relaxed: nothing comes with it. */
	return atomic_load_explicit(run->interrupted, memory_order_relaxed);
}

/* The first end, and family, whose gateway has not answered; false: all have. */
static bool unresolved(const struct gen_run *run, unsigned *at, enum gen_family *family)
{
	for (*at = 0; *at < run->n_ends; (*at)++) {
		const struct gen_host *host = &run->ends[*at]->host;

		for (*family = 0; *family < GEN_FAMILIES; (*family)++)
			if (host->has[*family] && host->has_gateway[*family] &&
			    !host->resolved[*family])
				return true;
	}
	return false;
}

static void ask_all(struct gen_run *run)
{
	for (unsigned i = 0; i < run->n_ends; i++) {
		const struct gen_host *host = &run->ends[i]->host;

		for (enum gen_family f = 0; f < GEN_FAMILIES; f++) {
			uint8_t frame[GEN_HOST_FRAME_MAX];

			if (host->has[f] && host->has_gateway[f] && !host->resolved[f])
				send_one(run->ends[i], frame, gen_host_ask(host, f, frame));
		}
	}
}

/* Asks for the gateways' MACs until all are known; thereby they learn ours. */
static int resolve(struct gen_run *run, struct pl_error *err)
{
	uint64_t now_ns = gen_clock_ns(), end_ns = now_ns + ASK_FOR, ask_ns = now_ns;
	enum gen_family family;
	unsigned at;

	while (unresolved(run, &at, &family) && !is_interrupted(run)) {
		if (now_ns >= end_ns)
			return pl_error_set(
				err, -EHOSTUNREACH,
				"see that the router has it at that end's other side; or "
				"give --gateway-mac",
				"%s: no answer from its %s gateway within %u s",
				run->ends[at]->name, family == GEN_V4 ? "IPv4" : "IPv6",
				(unsigned)(ASK_FOR / GEN_SECOND));
		if (now_ns >= ask_ns) {
			ask_all(run);
			ask_ns = now_ns + ASK_EVERY;
		}
		receive_all(run);
		sched_yield();
		now_ns = gen_clock_ns();
	}
	return 0;
}

static void read_counters(struct gen_run *run, struct gen_end_counters *to)
{
	for (unsigned i = 0; i < run->n_ends; i++)
		if (run->ends[i]->ops->counters)
			run->ends[i]->ops->counters(run->ends[i], &to[i]);
}

struct phase {
	uint64_t until_ns; /* what is due before is sent */
	uint64_t look_ns;  /* when links are looked at, and progress told */
	void (*progress)(const struct gen_run *run, uint64_t now_ns);
};

/* One turn: sends what is due, receives what has come. Returns how many were sent; `left`: whether more are
 * to be, ever. */
static unsigned turn(struct gen_run *run, const struct phase *phase, uint64_t now_ns, bool *left)
{
	unsigned sent = 0;

	*left = run->n_streams == 0;
	for (unsigned i = 0; i < run->n_streams; i++) {
		sent += gen_stream_send(&run->streams[i], now_ns, phase->until_ns);
		*left |= run->streams[i].left > 0;
	}
	if (sent)
		run->stop_ns = gen_clock_ns();
	receive_all(run);
	return sent;
}

/* Whether a frame that is still to be sent waits for the line. */
static bool waits(const struct gen_run *run, const struct phase *phase, uint64_t now_ns)
{
	for (unsigned i = 0; i < run->n_streams; i++)
		if (gen_stream_waits(&run->streams[i], now_ns, phase->until_ns))
			return true;
	return false;
}

/* Until when the sending took: as long as the schedule says, or as it did if that was longer. */
static void note_stop(struct gen_run *run, const struct phase *phase, uint64_t now_ns)
{
	if (is_interrupted(run) || !run->n_streams)
		run->stop_ns = now_ns;
	for (unsigned i = 0; i < run->n_streams && !is_interrupted(run); i++) {
		const struct gen_stream *s = &run->streams[i];
		/* What is left was held up; without a schedule there was something to send until the end, or the count. */
		uint64_t due = s->left ? phase->until_ns : s->asked_pps > 0 ? s->at.due.ns : 0;

		due = due < phase->until_ns ? due : phase->until_ns;
		run->stop_ns = due > run->stop_ns ? due : run->stop_ns;
	}
}

/* Sends and receives until all is sent, it is time, or we are interrupted. */
static int send_phase(struct gen_run *run, struct phase *phase, struct pl_error *err)
{
	bool left = true;
	int rc = 0;

	for (;;) {
		uint64_t now_ns = gen_clock_ns();
		unsigned sent = turn(run, phase, now_ns, &left);

		if (!left || is_interrupted(run) || now_ns >= phase->until_ns + GRACE ||
		    (now_ns >= phase->until_ns && !sent && !waits(run, phase, now_ns))) {
			note_stop(run, phase, now_ns);
			return 0;
		}
		if (now_ns >= phase->look_ns) {
			rc = gen_links_check(run->ends, run->n_ends, err);
			if (rc) {
				run->stop_ns = now_ns;
				return rc;
			}
			if (phase->progress)
				phase->progress(run, now_ns);
			phase->look_ns += GEN_SECOND;
		}
	}
}

/* Receives what is still under way: until no more frame of ours has come for as long as the settings say, whatever
 * others send; or all has come, and a moment for duplicates has passed. Of another's frames nobody knows what is under
 * way. */
static void drain(struct gen_run *run)
{
	const struct gen_totals *all = &run->flows.all;
	uint64_t last_ns = gen_clock_ns(), now_ns = last_ns, came, before = 0;
	bool complete = false;

	while (run->n_streams &&
	       now_ns - last_ns < (complete ? 10 * GEN_MS : run->settings->drain_ns)) {
		receive_all(run);
		now_ns = gen_clock_ns();
		came = all->received + all->corrupted + run->damaged;
		if (came != before && !complete)
			last_ns = now_ns;
		before = came;
		complete = run->counting && gen_run_lost(run) == 0;
	}
}

static void start(struct gen_run *run, bool counting)
{
	const struct gen_settings *s = run->settings;
	uint64_t count = counting && s->count ? s->count : UINT64_MAX;

	gen_flows_reset(&run->flows);
	gen_histogram_clear(run->latency);
	run->damaged = run->foreign = run->stale = run->misrouted = 0;
	run->other_clock = false;
	read_counters(run, run->lost_before);
	run->counting = counting;
	run->start_ns = run->stop_ns = gen_clock_ns();
	for (unsigned i = 0; i < run->n_streams; i++) {
		run->streams[i].mark = counting ? 0 : GEN_WARMUP;
		gen_stream_start(&run->streams[i], run->start_ns, count);
	}
}

int gen_run(struct gen_run *run, void (*progress)(const struct gen_run *run, uint64_t now_ns),
	    struct pl_error *err)
{
	const struct gen_settings *s = run->settings;
	struct phase phase = {0};
	int rc = 0;

	if (s->warmup_ns && run->n_streams && !is_interrupted(run)) {
		start(run, false);
		phase.until_ns = run->start_ns + s->warmup_ns;
		phase.look_ns = run->start_ns + GEN_SECOND;
		rc = send_phase(run, &phase, err);
		if (!rc)
			drain(run);
	}
	if (!rc && is_interrupted(run))
		rc = pl_error_set(err, -EINTR, NULL, "interrupted before anything was measured");
	if (rc)
		return rc;
	start(run, true);
	phase.until_ns = s->duration_ns ? run->start_ns + s->duration_ns : UINT64_MAX - GRACE;
	phase.look_ns = run->start_ns + GEN_SECOND;
	phase.progress = progress;
	rc = send_phase(run, &phase, err);
	drain(run);
	read_counters(run, run->lost);
	for (unsigned i = 0; i < run->n_ends; i++) {
		run->lost[i].refused -= run->lost_before[i].refused;
		run->lost[i].missed -= run->lost_before[i].missed;
	}
	return rc;
}

/* ---- open and close ---- */

/* Gives the end the addresses that the settings say. */
static int set_host(struct gen_end *end, const struct gen_end_settings *s, struct pl_error *err)
{
	struct gen_host *host = &end->host;

	if (s->has_mac)
		memcpy(host->mac, s->mac, 6);
	for (unsigned f = 0; f < GEN_FAMILIES; f++) {
		host->has[f] = s->has_address[f];
		memcpy(host->address[f], s->address[f], 16);
		host->has_gateway[f] = s->has_gateway[f];
		memcpy(host->gateway[f], s->gateway[f], 16);
		host->resolved[f] = s->has_gateway_mac;
		memcpy(host->gateway_mac[f], s->gateway_mac, 6);
	}
	return s->has_mac && end->ops->accept_mac ? end->ops->accept_mac(end, s->mac, err) : 0;
}

/* Frames of most flows would arrive at queues that nobody reads, and be taken for lost. */
static int check_queues(const struct gen_end *end, const struct gen_end_settings *s,
			struct pl_error *err)
{
	char remedy[sizeof(err->remedy)];

	if (!s->rx || end->queues <= 1)
		return 0;
	snprintf(remedy, sizeof(remedy),
		 "ethtool -L %s combined 1; or name the queue that all comes to, as in %s:0",
		 strchr(s->name, ':') + 1, s->name);
	return pl_error_set(err, -EINVAL, remedy,
			    "%s: receives by one queue, and the interface has %u", s->name,
			    end->queues);
}

static unsigned largest(const struct gen_settings *s)
{
	unsigned size = 0;

	for (unsigned i = 0; i < s->n_sizes; i++)
		size = s->sizes[i] > size ? s->sizes[i] : size;
	/* Answers to ARP and neighbour discovery need room, too. */
	return size > GEN_HOST_FRAME_MAX + GEN_FCS ? size : GEN_HOST_FRAME_MAX + GEN_FCS;
}

static int open_ends(struct gen_run *run, struct pl_error *err)
{
	const struct gen_settings *s = run->settings;

	for (unsigned i = 0; i < s->n_ends; i++) {
		int rc = gen_end_open(s->ends[i].name, largest(s), &run->ends[i], err);

		if (rc)
			return rc;
		run->n_ends++;
		run->receives[i] = s->ends[i].rx;
		rc = check_queues(run->ends[i], &s->ends[i], err);
		if (!rc)
			rc = set_host(run->ends[i], &s->ends[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Streams are made once the gateways' MACs are known. */
static int make_streams(struct gen_run *run, struct pl_error *err)
{
	const struct gen_settings *s = run->settings;

	for (unsigned i = 0; i < s->n_ends; i++) {
		const struct gen_stream_config config = {
			.destinations = &s->ends[i].destinations,
			.sources = s->ends[i].sources,
			.run = run->id,
			.first_flow = run->n_streams * s->flows,
			.n_flows = s->flows,
			.sizes = s->sizes,
			.n_sizes = s->n_sizes,
			.rate = s->rate,
			.port = s->port,
			.ttl = s->ttl,
			.seed = s->seed,
		};
		int rc;

		if (!s->ends[i].tx)
			continue;
		rc = gen_stream_init(&run->streams[run->n_streams], run->ends[i], &config,
				     run->filler, err);
		if (rc)
			return rc;
		run->n_streams++;
	}
	return 0;
}

static int draw_id(struct gen_run *run, struct pl_error *err)
{
	while (run->id == GEN_RUN_ANY)
		if (getrandom(&run->id, sizeof(run->id), 0) < 0 && errno != EINTR)
			return pl_error_set(err, -errno, NULL, "no random number: %s",
					    strerror(errno));
	return 0;
}

static int pin(int core, struct pl_error *err)
{
	cpu_set_t set;

	if (core < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return pl_error_set(err, -errno, "give one that this process may use (taskset -p)",
				    "--core: cannot run on core %d: %s", core, strerror(errno));
	return 0;
}

int gen_run_open(struct gen_run *run, const struct gen_settings *settings, atomic_bool *interrupted,
		 struct pl_error *err)
{
	unsigned n_tx = 0;
	int rc;

	*run = (struct gen_run){.settings = settings, .interrupted = interrupted};
	for (unsigned i = 0; i < settings->n_ends; i++)
		n_tx += settings->ends[i].tx;
	rc = pin(settings->core, err);
	if (!rc && n_tx)
		rc = draw_id(run, err);
	if (rc)
		return rc;
	run->filler = malloc(sizeof(*run->filler));
	run->latency = malloc(sizeof(*run->latency));
	if (!run->filler || !run->latency ||
	    gen_flows_init(&run->flows, settings->flows * (n_tx ? n_tx : 1)))
		return pl_error_set(err, -ENOMEM, "use fewer flows", "no memory");
	gen_filler_init(run->filler);
	rc = open_ends(run, err);
	if (!rc)
		rc = gen_links_await(run->ends, run->n_ends, settings->link_wait_ns, interrupted,
				     err);
	if (!rc)
		rc = resolve(run, err);
	return rc ? rc : make_streams(run, err);
}

void gen_run_close(struct gen_run *run)
{
	for (unsigned i = 0; i < run->n_streams; i++)
		gen_stream_fini(&run->streams[i]);
	for (unsigned i = 0; i < run->n_ends; i++)
		gen_end_close(run->ends[i]);
	gen_flows_fini(&run->flows);
	free(run->filler);
	free(run->latency);
	*run = (struct gen_run){0};
}

/* ---- results ---- */

uint64_t gen_run_sent(const struct gen_run *run)
{
	uint64_t sent = 0;

	for (unsigned i = 0; i < run->n_streams; i++)
		sent += run->streams[i].sent;
	return sent;
}

bool gen_run_judges(const struct gen_run *run)
{
	bool receives = false;

	for (unsigned i = 0; i < run->n_ends; i++)
		receives |= run->receives[i];
	return receives && run->n_streams > 0;
}

uint64_t gen_run_lost(const struct gen_run *run)
{
	uint64_t sent = gen_run_sent(run);
	uint64_t came = run->flows.all.received + run->flows.all.corrupted + run->damaged;

	return gen_run_judges(run) && sent > came ? sent - came : 0;
}

double gen_run_asked_pps(const struct gen_run *run)
{
	double pps = 0;

	for (unsigned i = 0; i < run->n_streams; i++)
		pps += run->streams[i].asked_pps;
	return pps;
}

double gen_run_seconds(const struct gen_run *run)
{
	return (double)(run->stop_ns - run->start_ns) / 1e9;
}

enum gen_clock gen_run_clock(const struct gen_run *run)
{
	if (run->n_streams)
		return GEN_CLOCK_OWN;
	return run->other_clock ? GEN_CLOCK_OTHER : GEN_CLOCK_ASSUMED;
}

enum gen_limit gen_run_limit(const struct gen_run *run)
{
	double seconds = gen_run_seconds(run);
	uint64_t busy = 0, full = 0;
	bool limited = false, line = false;

	for (unsigned i = 0; i < run->n_streams; i++) {
		const struct gen_stream *s = &run->streams[i];
		/* By how much the schedule was not kept: what sizes came last, if they differ, is no matter. */
		double behind = (double)(int64_t)(run->stop_ns - s->at.due.ns) / 1e9;

		busy += s->busy;
		full += s->full;
		limited |= s->asked_pps <= 0 ||
			   (behind * s->asked_pps > 1 && behind > seconds / 1000);
		line |= s->line_pps > 0 && (double)s->sent >= 0.999 * s->line_pps * seconds;
	}
	if (!limited)
		return GEN_LIMIT_NONE;
	if (line)
		return GEN_LIMIT_LINE;
	return 2 * full > busy ? GEN_LIMIT_END : GEN_LIMIT_CORE;
}
