/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run finds that only receives, of another that begins before it, warms up first, or has another clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/gen/clock.h"
#include "../../bench/gen/report.h"

#define FRAMES 1000u
#define FLOWS 3u

static struct gen_filler filler;
static atomic_bool interrupted;

/* The other run: its stream, which goes to the receiver's loop while that looks what has come. */
static struct {
	struct gen_targets to, from[GEN_FAMILIES];
	struct gen_stream stream;
	struct gen_end_ops ops;
	unsigned (*receive)(struct gen_end *end, struct gen_frame *frames, unsigned max);
	uint64_t clock_ns; /* how far its clock is ahead of ours */
	bool warms_up;
	uint32_t first; /* number of what is sent first, once anybody listens */
} other;

static struct gen_settings settings;
static struct gen_run run;

static void begin(bool warmup)
{
	other.stream.mark = warmup ? GEN_WARMUP : 0;
	gen_stream_start(&other.stream, 0, FRAMES);
	for (uint32_t i = 0; i < FLOWS; i++)
		other.stream.flows[i].seq = warmup ? 0 : other.first;
}

static unsigned receive(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	if (!other.stream.left && other.warms_up) {
		other.warms_up = false;
		begin(false);
	}
	(void)gen_stream_send(&other.stream, gen_clock_ns() + other.clock_ns, UINT64_MAX);
	return other.receive(end, frames, max);
}

/* Returns what the receiver reports; and its text, which is to be freed. */
static json_t *listen_to_other(char **text)
{
	static const uint16_t sizes[] = {64};
	static char *const args[] = {"--rx", "loop", "--flows", "3", "--duration", "50ms"};
	struct pl_error err;
	json_t *report;
	size_t len;
	FILE *to;

	assert_int_equal(gen_settings_parse(&settings, 6, args, &err), 0);
	assert_int_equal(gen_run_open(&run, &settings, &interrupted, &err), 0);
	assert_int_equal(gen_targets_add(&other.to, "198.51.100.0/24", &err), 0);
	assert_int_equal(gen_stream_init(&other.stream, run.ends[0],
					 &(struct gen_stream_config){
						 .destinations = &other.to,
						 .sources = other.from,
						 .run = 0x1234,
						 .n_flows = FLOWS,
						 .sizes = sizes,
						 .n_sizes = 1,
						 .rate.kind = GEN_RATE_MAX,
						 .port = 9,
						 .ttl = 64,
					 },
					 &filler, &err),
			 0);
	begin(other.warms_up);
	other.ops = *run.ends[0]->ops;
	other.receive = other.ops.receive;
	other.ops.receive = receive;
	run.ends[0]->ops = &other.ops;
	assert_int_equal(gen_run(&run, NULL, &err), 0);
	assert_int_equal(other.stream.left, 0);
	report = gen_report_json(&run, NULL, 0, NULL);
	to = open_memstream(text, &len);
	assert_non_null(to);
	gen_report_text(to, &run);
	assert_int_equal(fclose(to), 0);
	return report;
}

static int tear_down(void **state)
{
	(void)state;
	gen_stream_fini(&other.stream);
	gen_targets_fini(&other.to);
	gen_run_close(&run); /* by the operations that are the other's */
	memset(&other, 0, sizeof(other));
	gen_settings_free(&settings);
	return 0;
}

static json_int_t number_in(const json_t *report, const char *key)
{
	assert_true(json_is_integer(json_object_get(report, key)));
	return json_integer_value(json_object_get(report, key));
}

static void assert_all_in_order(const json_t *report)
{
	assert_int_equal(number_in(report, "received"), FRAMES);
	assert_int_equal(number_in(report, "reordered"), 0);
	assert_int_equal(number_in(report, "duplicated"), 0);
	assert_int_equal(number_in(report, "before_window"), 0);
	assert_int_equal(number_in(report, "others"), 0);
}

static void a_warm_up_does_not_count(void **state)
{
	char *text;
	json_t *report;

	(void)state;
	other.warms_up = true;
	report = listen_to_other(&text);
	assert_all_in_order(report);
	assert_int_equal(number_in(report, "stale"), FRAMES);
	assert_non_null(strstr(text, "stale        1000 of a warm-up"));
	json_decref(report);
	free(text);
}

static void who_joins_late_finds_order(void **state)
{
	char *text;
	json_t *report;

	(void)state;
	other.first = 3000000000u;
	report = listen_to_other(&text);
	assert_all_in_order(report);
	json_decref(report);
	free(text);
}

static void a_sender_on_this_machine_is_assumed(void **state)
{
	const json_t *latency;
	char *text;
	json_t *report;

	(void)state;
	report = listen_to_other(&text);
	assert_all_in_order(report);
	latency = json_object_get(report, "latency_ns");
	assert_int_equal(number_in(latency, "n"), FRAMES);
	assert_true(number_in(latency, "max") < (json_int_t)GEN_SECOND);
	assert_string_equal(json_string_value(json_object_get(report, "latency_clock")), "assumed");
	assert_non_null(strstr(text, "if the sender runs on this machine"));
	json_decref(report);
	free(text);
}

/* Its clock is an hour ahead, or began longer ago than ours did: nobody knows how long frames took. */
static void latency_by_another_clock_is_not_known(void **state)
{
	const uint64_t clocks[] = {3600 * GEN_SECOND, -(gen_clock_ns() + 3600 * GEN_SECOND)};

	for (unsigned i = 0; i < 2; i++) {
		char *text;
		json_t *report;

		other.clock_ns = clocks[i];
		report = listen_to_other(&text);
		assert_all_in_order(report);
		assert_int_equal(number_in(report, "stale"), 0);
		assert_true(json_is_null(json_object_get(report, "latency_ns")));
		assert_string_equal(json_string_value(json_object_get(report, "latency_clock")),
				    "other");
		assert_non_null(strstr(text, "latency      not known"));
		json_decref(report);
		free(text);
		tear_down(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_warm_up_does_not_count, tear_down),
		cmocka_unit_test_teardown(who_joins_late_finds_order, tear_down),
		cmocka_unit_test_teardown(a_sender_on_this_machine_is_assumed, tear_down),
		cmocka_unit_test(latency_by_another_clock_is_not_known),
	};

	gen_filler_init(&filler);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
