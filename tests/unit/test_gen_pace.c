/* SPDX-License-Identifier: BSD-2-Clause */
/* A line rate bounds what the generator sends, by a clock of our own: what was held up leaves no faster than a cable
 * would carry it, and nothing else changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../bench/gen/run.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define US 1000ull
#define RUN 0x1234
#define BURST 1489u /* 64-byte frames of 100 us at 10 Gb/s, and the one that is under way */

static struct gen_filler filler;
static const uint16_t shortest[] = {64};

/* A stream to a loop of its own. */
struct sender {
	struct gen_targets to, from[GEN_FAMILIES];
	struct gen_end *end;
	struct gen_stream stream;
};

static void open_sender(struct sender *sender, const char *rate, double line_bps,
			const uint16_t *sizes, unsigned n_sizes)
{
	struct gen_stream_config c = {
		.destinations = &sender->to,
		.sources = sender->from,
		.run = RUN,
		.n_flows = 1,
		.sizes = sizes,
		.n_sizes = n_sizes,
		.rate = {.line_bps = line_bps > 0 ? line_bps : 10e9, .bounded = line_bps > 0},
		.port = 9,
		.ttl = 64,
	};
	struct pl_error err;

	*sender = (struct sender){0};
	assert_int_equal(gen_targets_add(&sender->to, "198.51.100.1", &err), 0);
	assert_int_equal(gen_rate_parse(rate, &c.rate, &err), 0);
	assert_int_equal(gen_end_open("loop", 1518, &sender->end, &err), 0);
	assert_int_equal(gen_stream_init(&sender->stream, sender->end, &c, &filler, &err), 0);
	gen_stream_start(&sender->stream, SECOND, UINT64_MAX);
}

static void close_sender(struct sender *sender)
{
	gen_stream_fini(&sender->stream);
	gen_end_close(sender->end);
	gen_targets_fini(&sender->to);
}

/* Takes what has left. Of the schedule's frames, one each `step_ns` if that is not 0, each says when it was due. */
static void take_all(struct sender *sender, uint64_t step_ns)
{
	struct gen_frame frames[GEN_BURST];
	struct gen_record r;
	unsigned n;

	while ((n = sender->end->ops->receive(sender->end, frames, GEN_BURST))) {
		for (unsigned i = 0; i < n && step_ns; i++) {
			assert_int_equal(
				gen_frame_parse(frames[i].data, frames[i].len, 9, RUN, &filler, &r),
				GEN_GOOD);
			assert_int_equal(r.time_ns, SECOND + r.seq * step_ns);
		}
		sender->end->ops->release(sender->end);
	}
}

/* All that may leave at that time. */
static uint64_t send_at(struct sender *sender, uint64_t now_ns, uint64_t step_ns)
{
	uint64_t before = sender->stream.sent;

	while (gen_stream_send(&sender->stream, now_ns, UINT64_MAX))
		take_all(sender, step_ns);
	return sender->stream.sent - before;
}

static void what_was_held_up_leaves_no_faster_than_the_line(void **state)
{
	struct sender sender;
	struct gen_stream *s = &sender.stream;
	uint64_t now, stalled = SECOND + MS, since, held;

	(void)state;
	open_sender(&sender, "10Mpps", 10e9, shortest, 1);
	for (now = SECOND; now < stalled; now += US)
		(void)send_at(&sender, now, 100);
	held = s->sent;
	/* 4 ms of nothing, of which 40000 frames were due. Of 14.88 million a second 4.88 are for them. */
	since = stalled + 4 * MS;
	for (now = since; s->at.due.ns + US <= now || now == since; now += US) {
		(void)send_at(&sender, now, 100);
		assert_true((s->sent - held) * 672 <= (now - since) * 10 + (BURST + 1) * 672);
		assert_true(now < since + 10 * MS);
	}
	assert_true(now > since + 7 * MS);
	/* Late frames said when they were due, and their lateness is known. */
	assert_true(s->lateness->max > 3900 * US && s->lateness->max < 4 * MS + US);
	assert_int_equal(s->sent, (s->at.due.ns - SECOND) / 100);
	close_sender(&sender);

	/* Without a line all of it leaves at once. */
	open_sender(&sender, "10Mpps", 0, shortest, 1);
	assert_int_equal(send_at(&sender, SECOND + 4 * MS, 100), 40001);
	close_sender(&sender);
}

/* A loop that turns unevenly, as loops do, still sends all that the line carries. */
static void turns_that_come_late_cost_nothing(void **state)
{
	struct sender sender;
	uint64_t now = SECOND;

	(void)state;
	open_sender(&sender, "100%", 10e9, shortest, 1);
	for (unsigned i = 0; i < 20000; i++) {
		(void)send_at(&sender, now, 0);
		assert_true(sender.stream.at.due.ns > now);
		now += i % 7 * 15 * US + i % 101;
	}
	assert_true(sender.stream.sent > 10000000);
	close_sender(&sender);
}

static void without_a_schedule_the_line_is_filled(void **state)
{
	static const struct {
		double line_bps;
		uint16_t sizes[3];
		unsigned n_sizes;
		double pps;
	} cases[] = {
		{10e9, {64}, 1, 1e10 / 672},
		{1e9, {1518}, 1, 1e9 / 8 / 1538},
		{25e9, {64, 570, 1518}, 3, 25e9 / 8 * 3 / (64 + 570 + 1518 + 60)},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sender sender;
		uint64_t now = SECOND;

		open_sender(&sender, "max", cases[i].line_bps, cases[i].sizes, cases[i].n_sizes);
		for (unsigned k = 0; now < 2 * SECOND; k++, now += 3 * US + k % 5 * US)
			(void)send_at(&sender, now, 0);
		assert_true((double)sender.stream.sent > 0.9999 * cases[i].pps);
		assert_true((double)sender.stream.sent < 1.0003 * cases[i].pps);
		close_sender(&sender);
	}
}

/* What the end did not take has not been on the line. */
static void the_line_carries_what_was_taken(void **state)
{
	struct sender sender;
	uint64_t sent = 0;

	(void)state;
	open_sender(&sender, "max", 10e9, shortest, 1);
	for (unsigned i = 0; i < 8; i++) {
		/* The loop has room for 512. */
		for (unsigned k = 0; k < 20; k++)
			sent += gen_stream_send(&sender.stream, SECOND, UINT64_MAX);
		take_all(&sender, 0);
	}
	assert_int_equal(sent, BURST);
	assert_true(sender.stream.full > 0);
	/* Without a schedule there is always more: nothing to wait for. */
	assert_false(gen_stream_waits(&sender.stream, SECOND, UINT64_MAX));
	close_sender(&sender);
}

static void what_waits_for_the_line_is_known(void **state)
{
	struct sender sender;
	struct gen_stream *s = &sender.stream;
	uint64_t now = SECOND + MS;

	(void)state;
	open_sender(&sender, "10Mpps", 10e9, shortest, 1);
	assert_int_equal(send_at(&sender, now, 100), BURST);
	assert_true(gen_stream_waits(s, now, UINT64_MAX));
	assert_false(
		gen_stream_waits(s, now, SECOND + 100 * US)); /* all that was due then is sent */
	assert_false(gen_stream_waits(s, now + 10 * US, UINT64_MAX)); /* the line takes more */
	s->left = 0;
	assert_false(gen_stream_waits(s, now, UINT64_MAX));
	close_sender(&sender);
}

/* Which of them it was: the line, or the core, which did not send what the line would have carried. */
static void the_limit_is_named(void **state)
{
	static const struct {
		const char *rate;
		double line_bps;
		uint64_t turn_ns, stall_ns;
		enum gen_limit limit;
	} cases[] = {
		{"20Mpps", 10e9, US, 0, GEN_LIMIT_LINE},
		{"max", 10e9, US, 0, GEN_LIMIT_LINE},
		{"100%", 10e9, US, 0, GEN_LIMIT_NONE},
		{"50%", 10e9, US, 4 * MS, GEN_LIMIT_NONE},
		{"100%", 10e9, US, 4 * MS, GEN_LIMIT_CORE}, /* it cannot be made good */
		{"20Mpps", 10e9, 150 * US, 0, GEN_LIMIT_CORE},
		{"20Mpps", 0, US, 0, GEN_LIMIT_NONE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gen_run run = {.n_streams = 1, .start_ns = SECOND};
		struct sender sender;
		uint64_t now = SECOND;

		open_sender(&sender, cases[i].rate, cases[i].line_bps, shortest, 1);
		for (; now < SECOND + 200 * MS; now += cases[i].turn_ns) {
			(void)send_at(&sender, now, 0);
			if (cases[i].stall_ns && now > SECOND + 50 * MS &&
			    now <= SECOND + 50 * MS + cases[i].turn_ns)
				now += cases[i].stall_ns;
		}
		run.stop_ns = now - cases[i].turn_ns;
		run.streams[0] = sender.stream;
		assert_int_equal(gen_run_limit(&run), cases[i].limit);
		close_sender(&sender);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_held_up_leaves_no_faster_than_the_line),
		cmocka_unit_test(turns_that_come_late_cost_nothing),
		cmocka_unit_test(without_a_schedule_the_line_is_filled),
		cmocka_unit_test(the_line_carries_what_was_taken),
		cmocka_unit_test(what_waits_for_the_line_is_known),
		cmocka_unit_test(the_limit_is_named),
	};

	gen_filler_init(&filler);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
