/* SPDX-License-Identifier: BSD-2-Clause */
/* What was measured, by whose figure it is. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread series_spread(const struct series *s)
{
	struct series sorted = *s;

	if (!s->n)
		return (struct spread){0};
	qsort(sorted.at, sorted.n, sizeof(sorted.at[0]), by_value);
	return (struct spread){sorted.at[0], sorted.at[sorted.n / 2], sorted.at[sorted.n - 1]};
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* The unit belongs to the rest. */
static bool same_key(const struct key *a, const struct key *b)
{
	return a->part == b->part && same_text(a->what, b->what) && same_text(a->how, b->how) &&
	       same_text(a->where, b->where) && same_text(a->point, b->point) &&
	       a->family == b->family && a->burst == b->burst && a->depth == b->depth &&
	       a->frame == b->frame;
}

const struct series *device_series(const struct device *d, struct key key)
{
	for (unsigned i = 0; i < d->n_results; i++)
		if (same_key(&d->results[i].key, &key))
			return &d->results[i].series;
	return NULL;
}

void device_note(struct device *d, struct key key, double value)
{
	struct series *s = (struct series *)device_series(d, key);

	if (!s) {
		if (d->n_results == RESULTS_MAX)
			die("more than %u results", RESULTS_MAX);
		d->results[d->n_results].key = key;
		s = &d->results[d->n_results++].series;
	}
	s->at[s->n++] = value;
}

/* The value that so many of ten thousand are at most. */
static double percentile(const double *sorted, size_t n, size_t of_10000)
{
	size_t at = (n * of_10000 + 9999) / 10000;

	return sorted[at ? at - 1 : 0];
}

void device_note_percentiles(struct device *d, struct key key, double *values, size_t n)
{
	static const struct {
		const char *name;
		size_t of_10000;
	} kinds[] = {{"p50", 5000}, {"p99", 9900}, {"p99.9", 9990}, {"max", 10000}};

	if (!n)
		die("%s: nothing was measured", key.what);
	qsort(values, n, sizeof(*values), by_value);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		key.point = kinds[i].name;
		device_note(d, key, percentile(values, n, kinds[i].of_10000));
	}
}

const char *launch_name(enum pl_accel_launch launch)
{
	return launch == PL_ACCEL_BURST ? "burst" : "persistent";
}
