/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>

#include "report.h"

#define FLOWS_SHOWN 100u /* with trouble, unless all are wanted */

static const double percents[] = {50, 90, 99, 99.9, 99.99};
static const char *const percent_names[] = {"p50", "p90", "p99", "p99.9", "p99.99"};
#define N_PERCENTS (sizeof(percents) / sizeof(percents[0]))

static double per_second(const struct gen_run *run, uint64_t n)
{
	double seconds = gen_run_seconds(run);

	return seconds > 0 ? (double)n / seconds : 0;
}

static double loss_percent(const struct gen_run *run)
{
	uint64_t sent = gen_run_sent(run);

	return sent ? 100.0 * (double)gen_run_lost(run) / (double)sent : 0;
}

static uint64_t sent_bytes(const struct gen_run *run)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < run->n_streams; i++)
		bytes += run->streams[i].sent_bytes;
	return bytes;
}

/* Arrived, and lost before they were seen. */
static uint64_t missed_by_ends(const struct gen_run *run)
{
	uint64_t missed = 0;

	for (unsigned i = 0; i < run->n_ends; i++)
		missed += run->lost[i].missed;
	return missed;
}

static uint64_t refused_by_ends(const struct gen_run *run)
{
	uint64_t refused = 0;

	for (unsigned i = 0; i < run->n_ends; i++)
		refused += run->lost[i].refused;
	return refused;
}

static uint64_t corrupted(const struct gen_run *run)
{
	return run->flows.all.corrupted + run->damaged;
}

bool gen_report_fine(const struct gen_run *run)
{
	const struct gen_settings *s = run->settings;
	const struct gen_totals *all = &run->flows.all;

	if (corrupted(run) || (s->judges_loss && loss_percent(run) > s->loss_max))
		return false;
	return !s->strict ||
	       (!all->reordered && !all->duplicated && !run->misrouted && !missed_by_ends(run) &&
		!refused_by_ends(run) &&
		(s->rate.kind == GEN_RATE_MAX || gen_run_limit(run) == GEN_LIMIT_NONE));
}

/* ---- text ---- */

void gen_report_progress(FILE *to, const struct gen_run *run, uint64_t now_ns,
			 struct gen_progress *before)
{
	uint64_t sent = gen_run_sent(run), received = run->flows.all.received;
	uint64_t since = before->ns ? before->ns : run->start_ns;
	double seconds = (double)(now_ns - since) / 1e9;

	/* What is under way is not lost. */
	fprintf(to,
		"%4.0f s: sent %.4f Mpps, received %.4f Mpps; reordered %" PRIu64
		", duplicated %" PRIu64 ", "
		"corrupted %" PRIu64 "; latency p50 %.1f us, p99 %.1f us\n",
		(double)(now_ns - run->start_ns) / 1e9,
		(double)(sent - before->sent) / seconds / 1e6,
		(double)(received - before->received) / seconds / 1e6, run->flows.all.reordered,
		run->flows.all.duplicated, corrupted(run),
		(double)gen_histogram_percentile(run->latency, 50) / 1e3,
		(double)gen_histogram_percentile(run->latency, 99) / 1e3);
	*before = (struct gen_progress){sent, received, now_ns};
}

static void print_times(FILE *to, const char *what, const struct gen_histogram *h)
{
	if (!h->n)
		return;
	fprintf(to, "%-12s", what);
	for (unsigned i = 0; i < N_PERCENTS; i++)
		fprintf(to, " %s %.1f", percent_names[i],
			(double)gen_histogram_percentile(h, percents[i]) / 1e3);
	fprintf(to, " max %.1f us (min %.1f, mean %.1f)\n", (double)h->max / 1e3,
		(double)h->min / 1e3, gen_histogram_mean(h) / 1e3);
}

static void print_limit(FILE *to, const struct gen_run *run)
{
	static const char *const what[] = {
		[GEN_LIMIT_CORE] = "the time of its core",
		[GEN_LIMIT_END] = "that the end took no more",
		[GEN_LIMIT_LINE] = "the line rate",
	};
	double asked = gen_run_asked_pps(run);

	switch (gen_run_limit(run)) {
	case GEN_LIMIT_NONE:
		fprintf(to, "generator    kept to the rate asked for (%.0f pps)\n", asked);
		break;
	case GEN_LIMIT_CORE:
	case GEN_LIMIT_END:
	case GEN_LIMIT_LINE:
		if (asked > 0)
			fprintf(to, "generator    WAS THE LIMIT: asked for %.0f pps, sent %.0f; ",
				asked, per_second(run, gen_run_sent(run)));
		else
			fputs("generator    sent as fast as it could; ", to);
		fprintf(to, "what held it up was %s\n", what[gen_run_limit(run)]);
		break;
	}
}

/* What the router is not to blame for. */
static void print_own_losses(FILE *to, const struct gen_run *run)
{
	for (unsigned i = 0; i < run->n_ends; i++) {
		if (run->lost[i].refused)
			fprintf(to,
				"             %" PRIu64 " were dropped when sent, by %s "
				"itself\n",
				run->lost[i].refused, run->ends[i]->name);
		if (run->lost[i].missed)
			fprintf(to,
				"             %" PRIu64
				" arrived at %s, and were lost there before the "
				"generator took them\n",
				run->lost[i].missed, run->ends[i]->name);
	}
}

static bool in_trouble(const struct gen_run *run, uint32_t flow, uint64_t sent)
{
	const struct gen_flow *f = gen_flows_get(&run->flows, flow);

	return f->reordered || f->duplicated || f->corrupted ||
	       (gen_run_judges(run) && f->received + f->corrupted < sent);
}

static uint64_t flow_sent(const struct gen_run *run, uint32_t flow)
{
	uint32_t per_stream = run->settings->flows;

	return run->n_streams
		       ? gen_stream_flow_sent(&run->streams[flow / per_stream], flow % per_stream)
		       : 0;
}

static uint32_t count_troubled(const struct gen_run *run)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < run->flows.n; i++)
		n += in_trouble(run, i, flow_sent(run, i));
	return n;
}

static void print_latency(FILE *to, const struct gen_run *run)
{
	if (gen_run_clock(run) == GEN_CLOCK_OTHER) {
		fputs("latency      not known: frames were sent by another machine's clock\n", to);
		return;
	}
	print_times(to, "latency", run->latency);
	if (gen_run_clock(run) == GEN_CLOCK_ASSUMED && run->latency->n)
		fputs("             if the sender runs on this machine; else not known\n", to);
}

static void print_received(FILE *to, const struct gen_run *run)
{
	const struct gen_totals *all = &run->flows.all;

	fprintf(to, "received     %" PRIu64 " frames: %.0f pps\n", all->received,
		per_second(run, all->received));
	if (gen_run_judges(run))
		fprintf(to, "lost         %" PRIu64 " (%.6f %%)\n", gen_run_lost(run),
			loss_percent(run));
	print_own_losses(to, run);
	fprintf(to, "reordered    %" PRIu64 " (RFC 4737)", all->reordered);
	if (all->before_window)
		fprintf(to, "; %" PRIu64 " of them so late that they may be duplicates",
			all->before_window);
	fprintf(to, "\nduplicated   %" PRIu64 "\ncorrupted    %" PRIu64 "\n", all->duplicated,
		corrupted(run));
	if (run->misrouted)
		fprintf(to, "misrouted    %" PRIu64 " arrived at an end that only sends\n",
			run->misrouted);
	if (run->stale)
		fprintf(to, "stale        %" PRIu64 " of a warm-up, which do not count\n",
			run->stale);
	fprintf(to, "others       %" PRIu64 " frames that are not ours\n", run->foreign);
	if (run->flows.n > 1)
		fprintf(to, "flows        %u, %u of them with losses or other trouble\n",
			run->flows.n, count_troubled(run));
	print_latency(to, run);
}

void gen_report_text(FILE *to, const struct gen_run *run)
{
	uint64_t sent = gen_run_sent(run);

	if (run->n_streams) {
		fprintf(to, "sent         %" PRIu64 " frames in %.3f s: %.0f pps, %.1f Mbps\n",
			sent, gen_run_seconds(run), per_second(run, sent),
			per_second(run, 8 * sent_bytes(run)) / 1e6);
		print_limit(to, run);
	}
	for (unsigned i = 0; i < run->n_streams; i++)
		if (run->streams[i].asked_pps > 0)
			print_times(to, "sent late", run->streams[i].lateness);
	if (gen_run_judges(run) || !run->n_streams)
		print_received(to, run);
	else
		print_own_losses(to, run);
}

/* ---- JSON ---- */

static json_t *times_json(const struct gen_histogram *h)
{
	json_t *o = json_object();

	json_object_set_new(o, "n", json_integer((json_int_t)h->n));
	if (!h->n)
		return o;
	json_object_set_new(o, "min", json_integer((json_int_t)h->min));
	json_object_set_new(o, "mean", json_real(gen_histogram_mean(h)));
	for (unsigned i = 0; i < N_PERCENTS; i++)
		json_object_set_new(
			o, percent_names[i],
			json_integer((json_int_t)gen_histogram_percentile(h, percents[i])));
	json_object_set_new(o, "max", json_integer((json_int_t)h->max));
	return o;
}

static json_t *flow_json(const struct gen_run *run, uint32_t at)
{
	const struct gen_flow *f = gen_flows_get(&run->flows, at);
	uint64_t sent = flow_sent(run, at), came = f->received + f->corrupted;
	json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "flow", (json_int_t)at, "received",
			      (json_int_t)f->received, "reordered", (json_int_t)f->reordered,
			      "duplicated", (json_int_t)f->duplicated, "corrupted",
			      (json_int_t)f->corrupted, "before_window",
			      (json_int_t)f->before_window);

	if (gen_run_judges(run)) {
		json_object_set_new(o, "sent", json_integer((json_int_t)sent));
		json_object_set_new(o, "lost",
				    json_integer((json_int_t)(sent > came ? sent - came : 0)));
	}
	return o;
}

static json_t *flows_json(const struct gen_run *run)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < run->flows.n; i++) {
		if (run->settings->per_flow ||
		    (in_trouble(run, i, flow_sent(run, i)) && json_array_size(list) < FLOWS_SHOWN))
			json_array_append_new(list, flow_json(run, i));
	}
	return list;
}

static json_t *ends_json(const struct gen_run *run)
{
	json_t *list = json_array(), *end;

	for (unsigned i = 0; i < run->n_ends; i++) {
		end = json_pack("{s:s, s:b, s:I, s:I}", "name", run->ends[i]->name, "receives",
				run->receives[i], "refused", (json_int_t)run->lost[i].refused,
				"missed", (json_int_t)run->lost[i].missed);
		for (unsigned k = 0; k < run->n_streams; k++)
			if (run->streams[k].end == run->ends[i])
				json_object_set_new(end, "sent",
						    json_integer((json_int_t)run->streams[k].sent));
		json_array_append_new(list, end);
	}
	return list;
}

static void add_sent(json_t *o, const struct gen_run *run)
{
	static const char *const limits[] = {"none", "core", "end", "line"};
	struct gen_histogram *late = run->streams[0].lateness;
	double asked = gen_run_asked_pps(run);
	uint64_t sent = gen_run_sent(run);

	json_object_set_new(o, "sent", json_integer((json_int_t)sent));
	json_object_set_new(o, "sent_bytes", json_integer((json_int_t)sent_bytes(run)));
	json_object_set_new(o, "sent_pps", json_real(per_second(run, sent)));
	json_object_set_new(o, "sent_bps", json_real(per_second(run, 8 * sent_bytes(run))));
	json_object_set_new(o, "asked_pps", asked > 0 ? json_real(asked) : json_null());
	json_object_set_new(o, "limited_by", json_string(limits[gen_run_limit(run)]));
	if (gen_run_judges(run)) {
		json_object_set_new(o, "lost", json_integer((json_int_t)gen_run_lost(run)));
		json_object_set_new(o, "loss_percent", json_real(loss_percent(run)));
	}
	/* Of the stream that was latest. */
	for (unsigned i = 1; i < run->n_streams; i++)
		if (run->streams[i].lateness->max > late->max)
			late = run->streams[i].lateness;
	json_object_set_new(o, "lateness_ns", asked > 0 ? times_json(late) : json_null());
}

static json_t *command_json(int argc, char *const *argv)
{
	json_t *command = json_array(), *word;

	for (int i = 0; i < argc; i++) {
		word = json_string(argv[i]);
		json_array_append_new(command, word ? word : json_string("(not UTF-8)"));
	}
	return command;
}

/* All that was counted. */
static void add_results(json_t *o, const struct gen_run *run)
{
	static const char *const clocks[] = {"own", "assumed", "other"};
	const struct gen_totals *all = &run->flows.all;
	json_t *sizes = json_array();

	for (unsigned i = 0; i < run->settings->n_sizes; i++)
		json_array_append_new(sizes, json_integer(run->settings->sizes[i]));
	json_object_set_new(o, "run", run->id ? json_integer(run->id) : json_null());
	json_object_set_new(o, "sizes", sizes);
	json_object_set_new(o, "began_ns", json_integer((json_int_t)run->start_ns));
	json_object_set_new(o, "ended_ns", json_integer((json_int_t)run->stop_ns));
	json_object_set_new(o, "seconds", json_real(gen_run_seconds(run)));
	if (run->n_streams)
		add_sent(o, run);
	json_object_set_new(o, "received", json_integer((json_int_t)all->received));
	json_object_set_new(o, "received_pps", json_real(per_second(run, all->received)));
	json_object_set_new(o, "reordered", json_integer((json_int_t)all->reordered));
	json_object_set_new(o, "duplicated", json_integer((json_int_t)all->duplicated));
	json_object_set_new(o, "before_window", json_integer((json_int_t)all->before_window));
	json_object_set_new(o, "window", json_integer(run->flows.window_bits));
	json_object_set_new(o, "corrupted", json_integer((json_int_t)corrupted(run)));
	json_object_set_new(o, "corrupted_of_no_flow", json_integer((json_int_t)run->damaged));
	json_object_set_new(o, "misrouted", json_integer((json_int_t)run->misrouted));
	json_object_set_new(o, "stale", json_integer((json_int_t)run->stale));
	json_object_set_new(o, "others", json_integer((json_int_t)run->foreign));
	json_object_set_new(o, "latency_clock", json_string(clocks[gen_run_clock(run)]));
	json_object_set_new(o, "latency_ns",
			    gen_run_clock(run) == GEN_CLOCK_OTHER ? json_null()
								  : times_json(run->latency));
	json_object_set_new(o, "ends", ends_json(run));
	json_object_set_new(o, "n_flows", json_integer(run->flows.n));
	json_object_set_new(o, "n_flows_in_trouble", json_integer(count_troubled(run)));
	json_object_set_new(o, "flows", flows_json(run));
}

json_t *gen_report_json(const struct gen_run *run, const struct pl_error *failed, int argc,
			char *const *argv)
{
	json_t *o = json_object();

	json_object_set_new(o, "format", json_integer(1));
	json_object_set_new(o, "command", command_json(argc, argv));
	json_object_set_new(o, "error", failed ? json_string(failed->what) : json_null());
	if (run->counting)
		add_results(o, run);
	json_object_set_new(o, "fine", json_boolean(!failed && gen_report_fine(run)));
	return o;
}
