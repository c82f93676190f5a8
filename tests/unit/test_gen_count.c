/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator's counting: histograms against exact percentiles, flows against what was made to happen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../bench/gen/flows.h"
#include "../../bench/gen/histogram.h"
#include "../../bench/gen/record.h"
#include "../../bench/gen/targets.h"

#define VALUES 100000u

static struct gen_histogram histogram;

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void compare(uint64_t *values, unsigned n)
{
	static const double percents[] = {0, 1, 50, 90, 99, 99.9, 99.99, 100};

	gen_histogram_clear(&histogram);
	for (unsigned i = 0; i < n; i++)
		gen_histogram_add(&histogram, values[i], 1);
	qsort(values, n, sizeof(*values), by_value);
	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		/* The least value that so many do not exceed, counted in hundredths of a percent. */
		uint64_t hundredths = (uint64_t)(percents[i] * 100 + 0.5);
		uint64_t rank = (hundredths * n + 9999) / 10000;
		uint64_t exact = values[rank ? rank - 1 : 0];
		uint64_t got = gen_histogram_percentile(&histogram, percents[i]);

		assert_true(got >= exact);
		assert_true((got - exact) * 100 <= exact);
	}
	assert_int_equal(histogram.n, n);
	assert_int_equal(histogram.min, values[0]);
	assert_int_equal(histogram.max, values[n - 1]);
	assert_int_equal(gen_histogram_percentile(&histogram, 100), values[n - 1]);
}

static void percentiles_are_within_one_percent(void **state)
{
	uint64_t *values = calloc(VALUES, sizeof(*values)), random = 1;

	(void)state;
	for (unsigned i = 0; i < VALUES; i++)
		values[i] = gen_random(&random) % 1000000;
	compare(values, VALUES);
	/* Over all magnitudes. */
	for (unsigned i = 0; i < VALUES; i++)
		values[i] = gen_random(&random) >> (24 + gen_random(&random) % 40);
	compare(values, VALUES);
	/* Few, and alike. */
	for (unsigned i = 0; i < 10; i++)
		values[i] = 12345;
	compare(values, 10);
	values[0] = 7;
	compare(values, 1);
	free(values);
}

static void buckets_join(void **state)
{
	unsigned last = 0;

	(void)state;
	for (uint64_t v = 0; v < 1u << 20; v++) {
		unsigned bucket = gen_histogram_bucket(v);

		assert_true(bucket == last || bucket == last + 1);
		last = bucket;
	}
	assert_int_equal(gen_histogram_bucket((1ull << GEN_HISTOGRAM_TOP) - 1),
			 GEN_HISTOGRAM_BUCKETS - 1);
	assert_int_equal(gen_histogram_bucket(UINT64_MAX), GEN_HISTOGRAM_BUCKETS - 1);
	gen_histogram_clear(&histogram);
	assert_int_equal(gen_histogram_percentile(&histogram, 50), 0);
	gen_histogram_add(&histogram, 5, 3);
	gen_histogram_add(&histogram, UINT64_MAX / 4, 1);
	assert_int_equal(gen_histogram_percentile(&histogram, 75), 5);
	assert_int_equal(gen_histogram_percentile(&histogram, 76), UINT64_MAX / 4);
}

/* An overload's latencies grow with its length: a few minutes of millions of frames a second. */
static void means_of_long_overloads_are_right(void **state)
{
	const uint64_t seconds = 300, pps = 10000000, worst = 100000000000;
	double mean;

	(void)state;
	gen_histogram_clear(&histogram);
	assert_true(gen_histogram_mean(&histogram) == 0);
	for (uint64_t s = 0; s < seconds; s++)
		gen_histogram_add(&histogram, worst * s / (seconds - 1), pps);
	mean = gen_histogram_mean(&histogram);
	assert_true(mean > 0.999 * worst / 2 && mean < 1.001 * worst / 2);
}

static const struct gen_flow *take(struct gen_flows *flows, const uint32_t *numbers, unsigned n)
{
	gen_flows_reset(flows);
	for (unsigned i = 0; i < n; i++)
		(void)gen_flows_take(flows, 0, numbers[i], false);
	return gen_flows_get(flows, 0);
}

#define TAKE(...)                                     \
	take(&flows, (const uint32_t[]){__VA_ARGS__}, \
	     sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void assert_flow(const struct gen_flow *f, unsigned received, unsigned reordered,
			unsigned duplicated)
{
	assert_int_equal(f->received, received);
	assert_int_equal(f->reordered, reordered);
	assert_int_equal(f->duplicated, duplicated);
}

static void reordering_is_that_of_rfc_4737(void **state)
{
	struct gen_flows flows;

	(void)state;
	assert_int_equal(gen_flows_init(&flows, 1), 0);
	assert_flow(TAKE(0, 1, 2, 3), 4, 0, 0);
	assert_flow(TAKE(1, 2, 3, 5), 4, 0, 0); /* losses are no reordering */
	/* RFC 4737, section 7: one late, two late ones, one that is early makes the others late. */
	assert_flow(TAKE(0, 1, 3, 2, 4), 5, 1, 0);
	assert_flow(TAKE(0, 3, 1, 2, 4), 5, 2, 0);
	assert_flow(TAKE(6, 0, 1, 2, 3, 4, 5, 7), 8, 6, 0);
	assert_flow(TAKE(0, 1, 1, 2), 3, 0, 1);
	assert_flow(TAKE(0, 2, 1, 1, 2, 0), 3, 1, 3);
	assert_flow(TAKE(0, 0), 1, 0, 1);
	/* Who joins late sees order from there on. */
	assert_flow(TAKE(3000000000, 3000000001, 3000000003, 3000000002, 3000000002), 4, 1, 1);
	assert_flow(TAKE(UINT32_MAX, 0, 1, UINT32_MAX - 1), 4, 1, 0);
	gen_flows_fini(&flows);
}

static void numbers_wrap(void **state)
{
	struct gen_flows flows;
	struct gen_flow *f;

	(void)state;
	assert_int_equal(gen_flows_init(&flows, 1), 0);
	f = gen_flows_get(&flows, 0);
	for (uint64_t n = 0; n < 1ull << 33; n += 1u << 30)
		(void)gen_flows_take(&flows, 0, (uint32_t)n, false);
	assert_flow(f, 8, 0, 0);
	assert_int_equal(f->next, 7ull * (1u << 30) + 1);
	(void)gen_flows_take(&flows, 0, UINT32_MAX, false);
	(void)gen_flows_take(&flows, 0, 0, false);
	(void)gen_flows_take(&flows, 0, UINT32_MAX, false);
	(void)gen_flows_take(&flows, 0, UINT32_MAX - 1, false);
	assert_flow(f, 11, 1, 1);
	gen_flows_fini(&flows);
}

/* Beyond the window it is not known any more whether a number is new. */
static void windows_end(void **state)
{
	static const uint32_t n_flows[] = {1, 4096, 10000, GEN_FLOWS_MAX};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct gen_flows flows;
		struct gen_flow *f;
		uint32_t w;

		assert_int_equal(gen_flows_init(&flows, n_flows[i]), 0);
		w = flows.window_bits;
		assert_true(w >= GEN_WINDOW_MIN && w <= GEN_WINDOW_MAX);
		assert_true((uint64_t)n_flows[i] * flows.stride <= 80u << 20);
		f = gen_flows_get(&flows, n_flows[i] - 1);
		(void)gen_flows_take(&flows, n_flows[i] - 1, 0, false);
		(void)gen_flows_take(&flows, n_flows[i] - 1, w, false);
		assert_flow(f, 2, 0, 0);
		(void)gen_flows_take(&flows, n_flows[i] - 1, 1, false); /* the oldest in it */
		(void)gen_flows_take(&flows, n_flows[i] - 1, 1, false);
		assert_flow(f, 3, 1, 1);
		assert_int_equal(f->before_window, 0);
		(void)gen_flows_take(&flows, n_flows[i] - 1, 0, false);
		assert_flow(f, 4, 2, 1);
		assert_int_equal(f->before_window, 1);
		/* Far ahead: what the window was full of is of other numbers now. */
		(void)gen_flows_take(&flows, n_flows[i] - 1, 5 * w, false);
		(void)gen_flows_take(&flows, n_flows[i] - 1, 5 * w - 4, false);
		assert_flow(f, 6, 3, 1);
		gen_flows_fini(&flows);
	}
}

/* Flows to which it is known what happened: the counters say just that, of each and in all. */
static void what_happens_is_counted(void **state)
{
	enum { N_FLOWS = 7, N = 20000 };
	uint64_t random = 3, lost[N_FLOWS] = {0}, duplicated[N_FLOWS] = {0};
	uint64_t corrupted[N_FLOWS] = {0}, late[N_FLOWS] = {0}, all_lost = 0;
	struct gen_flows flows;

	(void)state;
	assert_int_equal(gen_flows_init(&flows, N_FLOWS), 0);
	/* Numbers go by twos, so that the second can come first. */
	for (uint32_t seq = 0; seq < N; seq += 2) {
		uint32_t flow = (uint32_t)(gen_random(&random) % N_FLOWS);

		for (uint32_t f = 0; f < N_FLOWS; f++) {
			unsigned what = f == flow ? gen_random(&random) % 5 : 5;
			bool swapped = what == 0;

			if (what == 1) {
				lost[f]++;
			} else {
				assert_int_equal(
					gen_flows_take(&flows, f, seq + swapped, what == 2),
					what != 2);
				corrupted[f] += what == 2;
			}
			assert_true(gen_flows_take(&flows, f, seq + !swapped, false));
			late[f] += swapped;
			if (what == 3) {
				assert_false(gen_flows_take(&flows, f, seq, false));
				duplicated[f]++;
			}
		}
	}
	for (uint32_t f = 0; f < N_FLOWS; f++) {
		const struct gen_flow *flow = gen_flows_get(&flows, f);

		assert_true(lost[f] && late[f] && duplicated[f] && corrupted[f]);
		assert_flow(flow, (unsigned)(N - lost[f] - corrupted[f]), (unsigned)late[f],
			    (unsigned)duplicated[f]);
		assert_int_equal(flow->corrupted, corrupted[f]);
		assert_int_equal(flow->next, N);
		all_lost += lost[f] + corrupted[f];
	}
	assert_int_equal(flows.all.received, N * N_FLOWS - all_lost);
	gen_flows_fini(&flows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_within_one_percent),
		cmocka_unit_test(buckets_join),
		cmocka_unit_test(means_of_long_overloads_are_right),
		cmocka_unit_test(reordering_is_that_of_rfc_4737),
		cmocka_unit_test(numbers_wrap),
		cmocka_unit_test(windows_end),
		cmocka_unit_test(what_happens_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
