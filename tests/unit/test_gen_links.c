/* SPDX-License-Identifier: BSD-2-Clause */
/* Links are waited for, by ends that have them as is said here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/gen/clock.h"
#include "../../bench/gen/links.h"

#define SLACK_NS \
	(400 * GEN_MS) /* less than a link must have lasted; others may have the processor */

static struct gen_end ends[2];
static struct gen_end *const both[2] = {&ends[0], &ends[1]};
static uint64_t up_ns; /* when the second end's link comes; 0: it is up */
static bool gone;
static atomic_bool interrupted;

static enum gen_link link_up(struct gen_end *end)
{
	(void)end;
	return GEN_LINK_UP;
}

static enum gen_link link_as_said(struct gen_end *end)
{
	(void)end;
	return gone ? GEN_LINK_GONE : gen_clock_ns() < up_ns ? GEN_LINK_DOWN : GEN_LINK_UP;
}

static int set_up(void **state)
{
	static const struct gen_end_ops up = {.link = link_up}, as_said = {.link = link_as_said};

	(void)state;
	ends[0] = (struct gen_end){.ops = &up, .name = "first"};
	ends[1] = (struct gen_end){.ops = &as_said, .name = "second"};
	up_ns = 0;
	gone = false;
	interrupted = false;
	return 0;
}

static void links_that_are_up_cost_no_time(void **state)
{
	static const struct gen_end_ops none = {.link = NULL};
	uint64_t start_ns = gen_clock_ns();
	struct pl_error err;

	(void)state;
	ends[0].ops = &none;
	assert_int_equal(gen_links_await(both, 2, 0, &interrupted, &err), 0);
	assert_true(gen_clock_ns() - start_ns < SLACK_NS);
}

static void one_that_comes_must_last(void **state)
{
	uint64_t start_ns = gen_clock_ns();
	struct pl_error err;

	(void)state;
	up_ns = start_ns + 200 * GEN_MS;
	assert_int_equal(gen_links_await(both, 2, 30 * GEN_SECOND, &interrupted, &err), 0);
	/* It was seen down last some 10 ms before. */
	assert_true(gen_clock_ns() - start_ns >= 600 * GEN_MS);
}

static void one_that_does_not_come_is_named(void **state)
{
	uint64_t start_ns = gen_clock_ns();
	struct pl_error err;

	(void)state;
	up_ns = UINT64_MAX;
	assert_int_equal(gen_links_await(both, 2, 100 * GEN_MS, &interrupted, &err), -ENETDOWN);
	assert_true(gen_clock_ns() - start_ns >= 100 * GEN_MS);
	assert_string_equal(err.what, "second: has no link within 0.1 s");
	assert_non_null(strstr(err.remedy, "--link-wait"));
}

static void one_that_is_gone_is_not_waited_for(void **state)
{
	uint64_t start_ns = gen_clock_ns();
	struct pl_error err;

	(void)state;
	gone = true;
	assert_int_equal(gen_links_await(both, 2, 30 * GEN_SECOND, &interrupted, &err), -ENETDOWN);
	assert_true(gen_clock_ns() - start_ns < 10 * GEN_SECOND);
	assert_non_null(strstr(err.what, "second: is gone"));
	assert_int_equal(gen_links_check(both, 1, &err), 0);
	assert_int_equal(gen_links_check(both, 2, &err), -ENETDOWN);
}

static void who_is_interrupted_does_not_wait(void **state)
{
	uint64_t start_ns = gen_clock_ns();
	struct pl_error err;

	(void)state;
	up_ns = UINT64_MAX;
	interrupted = true;
	assert_int_equal(gen_links_await(both, 2, 30 * GEN_SECOND, &interrupted, &err), 0);
	assert_true(gen_clock_ns() - start_ns < 10 * GEN_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(links_that_are_up_cost_no_time, set_up),
		cmocka_unit_test_setup(one_that_comes_must_last, set_up),
		cmocka_unit_test_setup(one_that_does_not_come_is_named, set_up),
		cmocka_unit_test_setup(one_that_is_gone_is_not_waited_for, set_up),
		cmocka_unit_test_setup(who_is_interrupted_does_not_wait, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
