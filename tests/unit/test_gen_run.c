/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator's sending, by a clock of our own, and whole runs over an end that does harm of which it keeps book. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "../../bench/gen/report.h"

#define SECOND 1000000000ull
#define RUN 0x1234

static struct gen_filler filler;
static atomic_bool interrupted;

static struct gen_stream_config config(struct gen_targets *to, const struct gen_targets *from,
				       const uint16_t *sizes, unsigned n_sizes, const char *rate)
{
	struct gen_stream_config c = {
		.destinations = to,
		.sources = from,
		.run = RUN,
		.n_flows = 3,
		.sizes = sizes,
		.n_sizes = n_sizes,
		.rate = {.line_bps = 10e9},
		.port = 9,
		.ttl = 64,
	};
	struct pl_error err;

	if (!to->n)
		assert_int_equal(gen_targets_add(to, "198.51.100.0/24", &err), 0);
	assert_int_equal(gen_rate_parse(rate, &c.rate, &err), 0);
	return c;
}

/* Takes what the end has; returns how many. Checks that numbers of each flow follow each other. */
static unsigned take_all(struct gen_end *end, uint32_t *seq)
{
	struct gen_frame frames[GEN_BURST];
	struct gen_record r;
	unsigned n, all = 0;

	while ((n = end->ops->receive(end, frames, GEN_BURST))) {
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(
				gen_frame_parse(frames[i].data, frames[i].len, 9, RUN, &filler, &r),
				GEN_GOOD);
			assert_int_equal(r.seq, seq[r.flow]++);
		}
		end->ops->release(end);
		all += n;
	}
	return all;
}

static void rates_are_kept(void **state)
{
	static const struct {
		const char *rate;
		unsigned size;
		double pps;
	} cases[] = {
		{"1000", 64, 1000},
		{"1Mpps", 64, 1e6},
		{"333333.3", 64, 333333.3},
		{"10%", 64, 1e9 / 672},
		{"100%", 1518, 1e10 / 8 / 1538},
		{"500Mbps", 1000, 62500},
		{"1.5kpps", 64, 1500},
	};
	struct gen_targets to = {0}, from[GEN_FAMILIES] = {0};
	struct gen_end *end;
	struct pl_error err;

	(void)state;
	assert_int_equal(gen_end_open("loop", 1518, &end, &err), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t size = (uint16_t)cases[i].size;
		struct gen_stream_config c = config(&to, from, &size, 1, cases[i].rate);
		struct gen_stream s;
		uint32_t seq[3] = {0};
		uint64_t start = 12345, now = start;

		assert_int_equal(gen_stream_init(&s, end, &c, &filler, &err), 0);
		gen_stream_start(&s, start, UINT64_MAX);
		assert_true(s.asked_pps > cases[i].pps * 0.9999 &&
			    s.asked_pps < cases[i].pps * 1.0001);
		/* A second, in steps of uneven length. */
		for (unsigned k = 0; now < start + SECOND; k++) {
			now += 1000 + k % 7 * 3000;
			while (gen_stream_send(&s, now, start + SECOND))
				take_all(end, seq);
		}
		assert_true((double)s.sent > cases[i].pps * 0.999 &&
			    (double)s.sent < cases[i].pps * 1.001 + 1);
		assert_int_equal(s.sent_bytes, s.sent * size);
		for (unsigned f = 0; f < 3; f++)
			assert_int_equal(gen_stream_flow_sent(&s, f), seq[f]);
		gen_stream_fini(&s);
	}
	gen_end_close(end);
	gen_targets_fini(&to);
}

/* A generator that was held up catches up, and what it sends then says when it should have been sent. */
static void late_frames_tell(void **state)
{
	struct gen_targets to = {0}, from[GEN_FAMILIES] = {0};
	uint16_t size = 64;
	struct gen_stream_config c = config(&to, from, &size, 1, "1Mpps");
	struct gen_frame frames[GEN_BURST];
	struct gen_record r;
	struct gen_stream s;
	struct gen_end *end;
	struct pl_error err;
	unsigned n;

	(void)state;
	assert_int_equal(gen_end_open("loop", 64, &end, &err), 0);
	assert_int_equal(gen_stream_init(&s, end, &c, &filler, &err), 0);
	gen_stream_start(&s, SECOND, 100);
	assert_int_equal(gen_stream_send(&s, SECOND - 1, UINT64_MAX), 0);
	assert_int_equal(gen_stream_send(&s, SECOND, UINT64_MAX), 1);
	/* 50 us of silence. */
	assert_int_equal(gen_stream_send(&s, SECOND + 50000, UINT64_MAX), 50);
	assert_int_equal(gen_stream_send(&s, SECOND + 50000, UINT64_MAX), 0);
	n = end->ops->receive(end, frames, GEN_BURST);
	assert_int_equal(n, 51);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(
			gen_frame_parse(frames[i].data, frames[i].len, 9, RUN, &filler, &r), 0);
		assert_int_equal(r.time_ns, SECOND + i * 1000);
	}
	/* 0 of the first; 49 to 0 us of the others. */
	assert_int_equal(s.lateness->max, 49000);
	assert_int_equal(s.lateness->sum, 50 * 49000 / 2);
	/* No more than the count, nor what is due too late. */
	assert_int_equal(gen_stream_send(&s, SECOND + 60000, SECOND + 55000), 4);
	assert_int_equal(gen_stream_send(&s, 2 * SECOND, UINT64_MAX), 45);
	assert_int_equal(gen_stream_send(&s, 2 * SECOND, UINT64_MAX), 0);
	assert_int_equal(s.sent, 100);
	gen_stream_fini(&s);
	gen_end_close(end);
	gen_targets_fini(&to);
}

/* Whether the rate was kept is a matter of time: of sizes that differ those that came last may have been longer than
 * most. */
static void who_was_late_is_the_limit(void **state)
{
	static const uint16_t sizes[] = {1518, 1518, 1518, 1518, 64, 64, 64, 64};
	struct gen_targets to = {0}, from[GEN_FAMILIES] = {0};
	struct gen_stream_config c = config(&to, from, sizes, 8, "1Mbps");
	struct gen_run run = {.n_streams = 1, .start_ns = SECOND};
	struct gen_stream *s = &run.streams[0];
	const uint64_t step = 12144000; /* ns of 1518 bytes */
	struct gen_end *end;
	struct pl_error err;

	(void)state;
	assert_int_equal(gen_end_open("loop", 1518, &end, &err), 0);
	assert_int_equal(gen_stream_init(s, end, &c, &filler, &err), 0);
	gen_stream_start(s, SECOND, 4);
	assert_int_equal(gen_stream_send(s, SECOND + 3 * step, UINT64_MAX), 4);
	run.stop_ns = SECOND + 4 * step;
	assert_int_equal(gen_run_limit(&run), GEN_LIMIT_NONE);
	/* Half a frame's time is none, two are. */
	run.stop_ns = SECOND + 4 * step + step / 4;
	assert_int_equal(gen_run_limit(&run), GEN_LIMIT_NONE);
	run.stop_ns = SECOND + 6 * step;
	assert_int_equal(gen_run_limit(&run), GEN_LIMIT_CORE);
	gen_stream_fini(s);
	gen_end_close(end);
	gen_targets_fini(&to);
}

static unsigned taken_max;

static unsigned (*reserve_all)(struct gen_end *end, struct gen_frame *frames, unsigned n);

static unsigned reserve_some(struct gen_end *end, struct gen_frame *frames, unsigned n)
{
	return reserve_all(end, frames, n < taken_max ? n : taken_max);
}

/* What an end does not take is sent again later under the same number, not lost. */
static void refusals_leave_no_gaps(void **state)
{
	struct gen_targets to = {0}, from[GEN_FAMILIES] = {0};
	uint16_t sizes[] = {64, 65, 66, 67, 68};
	struct gen_stream_config c = config(&to, from, sizes, 5, "max");
	struct gen_end_ops some;
	uint32_t seq[3] = {0};
	struct gen_stream s;
	struct gen_end *end;
	struct pl_error err;

	(void)state;
	assert_int_equal(gen_end_open("loop", 128, &end, &err), 0);
	some = *end->ops;
	reserve_all = some.reserve;
	some.reserve = reserve_some;
	end->ops = &some;
	assert_int_equal(gen_stream_init(&s, end, &c, &filler, &err), 0);
	gen_stream_start(&s, 1, UINT64_MAX);
	for (taken_max = 0; taken_max < 2 * GEN_BURST; taken_max++) {
		unsigned sent = gen_stream_send(&s, 1, 2);

		assert_int_equal(sent, taken_max < GEN_BURST ? taken_max : GEN_BURST);
		assert_int_equal(take_all(end, seq), sent);
	}
	assert_int_equal(seq[0] + seq[1] + seq[2], s.sent);
	/* One that did not take all is full. */
	assert_int_equal(s.full, GEN_BURST);
	/* Sizes are as if nothing had happened: each flow has each as often. */
	assert_true(s.sent_bytes > s.sent * 65 && s.sent_bytes < s.sent * 67);
	/* Nor is room that is missing a loss. */
	taken_max = GEN_BURST;
	for (unsigned i = 0; i < 20; i++)
		(void)gen_stream_send(&s, 1, 2);
	assert_int_equal(gen_stream_send(&s, 1, 2), 0);
	take_all(end, seq);
	assert_int_equal(seq[0] + seq[1] + seq[2], s.sent);
	gen_stream_fini(&s);
	gen_end_close(end);
	gen_targets_fini(&to);
}

/* Every flow has every size, though both take turns. */
static void flows_have_all_sizes(void **state)
{
	struct gen_targets to = {0}, from[GEN_FAMILIES] = {0};
	uint16_t sizes[] = {64, 128, 256};
	struct gen_stream_config c = config(&to, from, sizes, 3, "max");
	bool seen[3][3] = {0};
	struct gen_frame frames[GEN_BURST];
	struct gen_record r;
	struct gen_stream s;
	struct gen_end *end;
	struct pl_error err;

	(void)state;
	assert_int_equal(gen_end_open("loop", 256, &end, &err), 0);
	assert_int_equal(gen_stream_init(&s, end, &c, &filler, &err), 0);
	gen_stream_start(&s, 1, UINT64_MAX);
	assert_int_equal(gen_stream_send(&s, 1, 2), GEN_BURST);
	assert_int_equal(end->ops->receive(end, frames, GEN_BURST), GEN_BURST);
	for (unsigned i = 0; i < GEN_BURST; i++) {
		assert_int_equal(
			gen_frame_parse(frames[i].data, frames[i].len, 9, RUN, &filler, &r), 0);
		seen[r.flow][frames[i].len == 60 ? 0 : frames[i].len == 124 ? 1 : 2] = true;
	}
	for (unsigned i = 0; i < 9; i++)
		assert_true(seen[i / 3][i % 3]);
	gen_stream_fini(&s);
	gen_end_close(end);
	gen_targets_fini(&to);
}

/* Sizes have their shares, and each flow all of them, whatever the numbers of both. */
static void sizes_have_their_shares(void **state)
{
	static const uint16_t sizes[] = {64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75};
	struct gen_targets to = {0}, from[GEN_FAMILIES] = {0};
	struct gen_frame frames[GEN_BURST];
	struct gen_record r;
	struct gen_end *end;
	struct pl_error err;

	(void)state;
	assert_int_equal(gen_end_open("loop", 128, &end, &err), 0);
	for (unsigned n_sizes = 1; n_sizes <= 12; n_sizes++) {
		for (uint32_t n_flows = 1; n_flows <= 13; n_flows++) {
			struct gen_stream_config c = config(&to, from, sizes, n_sizes, "max");
			unsigned all[12] = {0}, of_flow[13][12] = {0}, n;
			struct gen_stream s;

			c.n_flows = n_flows;
			assert_int_equal(gen_stream_init(&s, end, &c, &filler, &err), 0);
			gen_stream_start(&s, 1, 4 * n_sizes * n_flows);
			while (gen_stream_send(&s, 1, 2)) {
				n = end->ops->receive(end, frames, GEN_BURST);
				for (unsigned i = 0; i < n; i++) {
					unsigned size = frames[i].len + GEN_FCS - sizes[0];

					gen_frame_parse(frames[i].data, frames[i].len, 9, RUN,
							&filler, &r);
					all[size]++;
					of_flow[r.flow][size]++;
				}
				end->ops->release(end);
			}
			for (unsigned size = 0; size < n_sizes; size++) {
				assert_int_equal(all[size], 4 * n_flows);
				for (uint32_t f = 0; f < n_flows; f++)
					assert_int_equal(of_flow[f][size], 4);
			}
			gen_stream_fini(&s);
		}
	}
	gen_end_close(end);
	gen_targets_fini(&to);
}

/* ---- runs ---- */

/* What the harmful end did. */
static struct harm {
	unsigned (*receive)(struct gen_end *end, struct gen_frame *frames, unsigned max);
	uint64_t n, lost, duplicated, reordered, corrupted, damaged;
} harm;

static unsigned harmful_receive(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	struct gen_frame real[GEN_BURST];
	unsigned n = harm.receive(end, real, max / 2), out = 0;

	for (unsigned i = 0; i < n; i++, harm.n++) {
		switch (harm.n % 101) {
		case 10:
			harm.lost++;
			continue;
		case 20:
			frames[out++] = real[i];
			harm.duplicated++;
			break;
		case 30: /* behind the next one; of the same flow, for there is one only */
			if (i + 1 == n)
				break;
			frames[out++] = real[i + 1];
			harm.reordered++;
			frames[out++] = real[i++];
			harm.n++;
			continue;
		case 50: /* in the filler */
			real[i].data[real[i].len - 1] ^= 1;
			harm.corrupted++;
			break;
		case 60: /* in the record */
			real[i].data[50] ^= 1;
			harm.damaged++;
			break;
		}
		frames[out++] = real[i];
	}
	if (!out)
		end->ops->release(end);
	return out;
}

static void parse(struct gen_settings *s, int argc, const char *const *argv)
{
	struct pl_error err;

	if (gen_settings_parse(s, argc, (char *const *)argv, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
}

#define ARGS(...)                                                                 \
	(int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)), \
		(const char *const[])                                             \
	{                                                                         \
		__VA_ARGS__                                                       \
	}

static json_int_t number_in(const json_t *report, const char *key)
{
	const json_t *value = json_object_get(report, key);

	if (!json_is_integer(value))
		fail_msg("%s is no number", key);
	return json_integer_value(value);
}

static void harm_is_reported(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct gen_end_ops harmful;
	struct pl_error err;
	json_t *report, *flow;

	(void)state;
	parse(&s, ARGS("--tx", "loop", "--rx", "loop", "--count", "100000", "--size", "70",
		       "--rate", "1Mpps", "--drain", "50ms", "--loss-max", "1"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	harmful = *run.ends[0]->ops;
	harm.receive = harmful.receive;
	harmful.receive = harmful_receive;
	run.ends[0]->ops = &harmful;
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	assert_true(harm.lost && harm.duplicated && harm.reordered && harm.corrupted &&
		    harm.damaged);
	report = gen_report_json(&run, NULL, 0, NULL);
	assert_int_equal(number_in(report, "sent"), 100000);
	assert_int_equal(harm.n, 100000);
	assert_int_equal(number_in(report, "lost"), harm.lost);
	assert_int_equal(number_in(report, "duplicated"), harm.duplicated);
	assert_int_equal(number_in(report, "reordered"), harm.reordered);
	assert_int_equal(number_in(report, "corrupted"), harm.corrupted + harm.damaged);
	assert_int_equal(number_in(report, "corrupted_of_no_flow"), harm.damaged);
	assert_int_equal(number_in(report, "received"),
			 100000 - harm.lost - harm.corrupted - harm.damaged);
	assert_int_equal(number_in(json_object_get(report, "latency_ns"), "n"),
			 number_in(report, "received"));
	assert_int_equal(number_in(report, "n_flows_in_trouble"), 1);
	flow = json_array_get(json_object_get(report, "flows"), 0);
	assert_int_equal(number_in(flow, "reordered"), harm.reordered);
	assert_int_equal(number_in(flow, "corrupted"), harm.corrupted);
	/* The flow cannot know of what was not to be read. */
	assert_int_equal(number_in(flow, "lost"), harm.lost + harm.damaged);
	assert_false(gen_report_fine(&run));
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);
}

static uint64_t held_since; /* by an end that gives nothing at first */

static unsigned slow_receive(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
	if (!held_since)
		held_since = now;
	/* Nothing in the first 20 ms. */
	return now - held_since < 20000000 ? 0 : harm.receive(end, frames, max);
}

static void latency_is_from_when_it_was_due(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct gen_end_ops slow;
	struct pl_error err;

	(void)state;
	/* The end holds 512 frames. For 20 ms it gives none: of the 2000 that were due until then most
	 * could not even be sent, and yet all have waited. */
	parse(&s, ARGS("--tx", "loop", "--rx", "loop", "--count", "2000", "--rate", "100kpps"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	slow = *run.ends[0]->ops;
	harm.receive = slow.receive;
	slow.receive = slow_receive;
	run.ends[0]->ops = &slow;
	held_since = 0;
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	assert_int_equal(run.flows.all.received, 2000);
	/* They waited 0 to 20 ms, evenly. */
	assert_true(gen_histogram_percentile(run.latency, 50) > 9000000);
	assert_true(gen_histogram_percentile(run.latency, 90) > 17000000);
	assert_true(gen_histogram_percentile(run.streams[0].lateness, 90) > 10000000);
	gen_run_close(&run);
	gen_settings_free(&s);
}

static unsigned room_left;

static unsigned reserve_until_full(struct gen_end *end, struct gen_frame *frames, unsigned n)
{
	n = reserve_all(end, frames, n < room_left ? n : room_left);
	room_left -= n;
	return n;
}

/* An end that takes nothing any more is the limit, though what it took came in time. */
static void who_stops_taking_is_the_limit(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct gen_end_ops full;
	struct pl_error err;

	(void)state;
	parse(&s, ARGS("--tx", "loop", "--rx", "loop", "--duration", "200ms", "--rate", "10kpps",
		       "--drain", "1ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	full = *run.ends[0]->ops;
	reserve_all = full.reserve;
	full.reserve = reserve_until_full;
	run.ends[0]->ops = &full;
	room_left = 500;
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	assert_int_equal(gen_run_sent(&run), 500);
	assert_true(gen_run_seconds(&run) > 0.199);
	assert_int_equal(gen_run_limit(&run), GEN_LIMIT_END);
	gen_run_close(&run);
	gen_settings_free(&s);
}

static enum gen_link link_gone(struct gen_end *end)
{
	(void)end;
	return GEN_LINK_GONE;
}

/* What was found until an end was gone is told, with the reason. */
static void an_end_that_is_gone_ends_it(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct gen_end_ops gone;
	struct pl_error err;
	json_t *report;

	(void)state;
	parse(&s, ARGS("--tx", "loop", "--rx", "loop", "--duration", "60s", "--rate", "10kpps",
		       "--drain", "1ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	gone = *run.ends[0]->ops;
	gone.link = link_gone;
	run.ends[0]->ops = &gone;
	assert_int_equal(gen_run(&run, NULL, &err), -ENETDOWN);
	report = gen_report_json(&run, &err, 0, NULL);
	assert_true(number_in(report, "sent") > 0);
	assert_string_equal(json_string_value(json_object_get(report, "error")), err.what);
	assert_true(json_is_false(json_object_get(report, "fine")));
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);
}

/* Who is interrupted before anything counts sends nothing, and has no figures. */
static void interrupted_before_it_began(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct pl_error err;
	json_t *report;

	(void)state;
	parse(&s, ARGS("--tx", "loop", "--rx", "loop"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	interrupted = true;
	assert_int_equal(gen_run(&run, NULL, &err), -EINTR);
	interrupted = false;
	assert_int_equal(gen_run_sent(&run), 0);
	report = gen_report_json(&run, &err, 0, NULL);
	assert_non_null(json_string_value(json_object_get(report, "error")));
	assert_null(json_object_get(report, "sent"));
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);
}

static void a_warm_up_does_not_count(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct pl_error err;
	json_t *report;

	(void)state;
	parse(&s, ARGS("--tx", "loop", "--rx", "loop", "--warmup", "20ms", "--count", "5000",
		       "--flows", "1000", "--json", "-", "--per-flow", "--drain", "20ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	report = gen_report_json(&run, NULL, 0, NULL);
	assert_int_equal(number_in(report, "sent"), 5000);
	assert_int_equal(number_in(report, "received"), 5000);
	assert_int_equal(number_in(report, "reordered"), 0);
	assert_int_equal(number_in(report, "duplicated"), 0);
	assert_int_equal(json_array_size(json_object_get(report, "flows")), 1000);
	assert_int_equal(number_in(json_array_get(json_object_get(report, "flows"), 999), "sent"),
			 5);
	assert_true(gen_report_fine(&run));
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);
}

/* Who only sends, or only receives, says nothing of loss. */
static void halves_know_half(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct pl_error err;
	json_t *report;

	(void)state;
	parse(&s, ARGS("--rx", "loop", "--duration", "5ms", "--drain", "1ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	report = gen_report_json(&run, NULL, 0, NULL);
	assert_null(json_object_get(report, "sent"));
	assert_null(json_object_get(report, "lost"));
	assert_int_equal(number_in(report, "received"), 0);
	assert_true(gen_run_seconds(&run) >= 0.005);
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);

	parse(&s, ARGS("--tx", "loop", "--destinations", "192.0.2.1", "--count", "100", "--drain",
		       "1ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	report = gen_report_json(&run, NULL, 0, NULL);
	assert_int_equal(number_in(report, "sent"), 100);
	assert_null(json_object_get(report, "lost"));
	assert_int_equal(number_in(report, "misrouted"), 100); /* they came back to the sender */
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);
}

static unsigned (*receive_real)(struct gen_end *end, struct gen_frame *frames, unsigned max);

/* Takes what has come, and shows another's frame in its place, always. */
static unsigned receive_others(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	static uint8_t other[60];

	(void)receive_real(end, frames, max);
	frames[0] = (struct gen_frame){other, sizeof(other)};
	return 1;
}

/* A run ends though others never stop sending. */
static void others_do_not_keep_it(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct gen_end_ops others;
	struct pl_error err;
	json_t *report;

	(void)state;
	parse(&s, ARGS("--tx", "loop", "--rx", "loop", "--count", "100", "--drain", "20ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	others = *run.ends[0]->ops;
	receive_real = others.receive;
	others.receive = receive_others;
	run.ends[0]->ops = &others;
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	report = gen_report_json(&run, NULL, 0, NULL);
	assert_int_equal(number_in(report, "lost"), 100);
	assert_true(number_in(report, "others") > 100);
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);
}

static struct gen_stream elsewhere[2]; /* other generators, each with its number */

/* What has come, and between what other generators send to the same end: of the same flows and numbers. */
static unsigned receive_all_runs(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	(void)gen_stream_send(&elsewhere[elsewhere[0].left == 0],
			      (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec, UINT64_MAX);
	return receive_real(end, frames, max);
}

/* Runs while others send: 1000 frames of the run `first`, then 100 of the one after. */
static void run_beside(struct gen_run *run, uint16_t first)
{
	static const uint16_t size = 64;
	struct gen_targets to = {0}, from[GEN_FAMILIES] = {0};
	struct gen_stream_config c = config(&to, from, &size, 1, "max");
	static struct gen_end_ops beside; /* until the run is closed */
	struct pl_error err;

	beside = *run->ends[0]->ops;
	for (unsigned i = 0; i < 2; i++) {
		c.run = (uint16_t)(first + i);
		assert_int_equal(gen_stream_init(&elsewhere[i], run->ends[0], &c, &filler, &err),
				 0);
		gen_stream_start(&elsewhere[i], 0, i ? 100 : 1000);
	}
	receive_real = beside.receive;
	beside.receive = receive_all_runs;
	run->ends[0]->ops = &beside;
	assert_int_equal(gen_run(run, NULL, &err), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(elsewhere[i].left, 0);
		gen_stream_fini(&elsewhere[i]);
	}
	gen_targets_fini(&to);
	assert_int_equal(run->flows.all.reordered, 0);
	assert_int_equal(run->flows.all.duplicated, 0);
	assert_int_equal(run->damaged, 0);
}

/* Generators that send to one receiver do not spoil what each finds. */
static void another_run_does_not_count(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct pl_error err;
	json_t *report;

	(void)state;
	parse(&s, ARGS("--tx", "loop", "--rx", "loop", "--count", "3000", "--flows", "3", "--drain",
		       "20ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	assert_int_not_equal(run.id, GEN_RUN_ANY);
	run_beside(&run, run.id < 60000 ? run.id + 1 : 1);
	report = gen_report_json(&run, NULL, 0, NULL);
	assert_int_equal(number_in(report, "run"), run.id);
	assert_int_equal(number_in(report, "received"), 3000);
	assert_int_equal(number_in(report, "lost"), 0);
	assert_int_equal(number_in(report, "others"), 1100);
	json_decref(report);
	gen_run_close(&run);
	gen_settings_free(&s);
}

/* Who only receives keeps to the run whose frame counted first. */
static void a_receiver_keeps_to_one_run(void **state)
{
	static struct gen_settings s;
	static struct gen_run run;
	struct pl_error err;

	(void)state;
	parse(&s, ARGS("--rx", "loop", "--flows", "3", "--duration", "50ms"));
	assert_int_equal(gen_run_open(&run, &s, &interrupted, &err), 0);
	assert_int_equal(run.id, GEN_RUN_ANY);
	run_beside(&run, RUN);
	assert_int_equal(run.id, RUN);
	assert_int_equal(run.flows.all.received, 1000);
	assert_int_equal(run.foreign, 100);
	gen_run_close(&run);
	gen_settings_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_kept),
		cmocka_unit_test(late_frames_tell),
		cmocka_unit_test(who_was_late_is_the_limit),
		cmocka_unit_test(refusals_leave_no_gaps),
		cmocka_unit_test(flows_have_all_sizes),
		cmocka_unit_test(sizes_have_their_shares),
		cmocka_unit_test(harm_is_reported),
		cmocka_unit_test(latency_is_from_when_it_was_due),
		cmocka_unit_test(who_stops_taking_is_the_limit),
		cmocka_unit_test(an_end_that_is_gone_ends_it),
		cmocka_unit_test(interrupted_before_it_began),
		cmocka_unit_test(a_warm_up_does_not_count),
		cmocka_unit_test(halves_know_half),
		cmocka_unit_test(others_do_not_keep_it),
		cmocka_unit_test(another_run_does_not_count),
		cmocka_unit_test(a_receiver_keeps_to_one_run),
	};

	gen_filler_init(&filler);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
