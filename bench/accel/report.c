/* SPDX-License-Identifier: BSD-2-Clause */
/* The figures as text. */
#include <string.h>

#include "bench.h"

const char *const part_names[PARTS] = {
	[PART_PROGRAM] = "program", [PART_LATENCY] = "latency", [PART_THROUGHPUT] = "throughput",
	[PART_PLANE] = "plane",	    [PART_NIC] = "nic",		[PART_REST] = "rest",
};

/* "0.61 / 0.63 / 0.70" */
static const char *spread_text(const struct series *s, char text[64])
{
	struct spread at;

	snprintf(text, 64, "-");
	if (!s)
		return text;
	at = series_spread(s);
	snprintf(text, 64, at.max < 1000 ? "%.2f / %.2f / %.2f" : "%.0f / %.0f / %.0f", at.min,
		 at.median, at.max);
	return text;
}

static void print_cell(const struct device *d, struct key key)
{
	char text[64];

	printf(" %25s", spread_text(device_series(d, key), text));
}

static bool has(const struct device *d, enum part part)
{
	for (unsigned i = 0; i < d->n_results; i++)
		if (d->results[i].key.part == part)
			return true;
	return false;
}

static void print_program(const struct device *d)
{
	static const char *const whats[] = {"packets", "lookups"};
	static const char *const points[] = {"p50", "p99", "max"};

	printf("\n%-24s %25s %25s %25s\n", "the program alone, Mpps", "tables at rest",
	       "with changes", "changes made /s");
	for (unsigned i = 0; i < 8; i++) {
		struct key key = {.part = PART_PROGRAM,
				  .what = whats[i / 2 % 2],
				  .where = i < 4 ? NULL : IN_DEVICE,
				  .family = i % 2 ? 6 : 4};

		if (!device_series(d, key))
			continue;
		printf("%-8s IPv%u %-9s ", key.what, key.family, key.where ? "in device" : "");
		print_cell(d, key);
		key.how = "with changes";
		print_cell(d, key);
		key.how = "changes made";
		print_cell(d, key);
		printf("\n");
	}
	if (d->cpu)
		return;
	printf("\n%-24s %25s %25s %25s\n", "a change is seen, us", "p50", "p99", "max");
	for (unsigned family = 4; family <= 6; family += 2) {
		struct key key = {.part = PART_PROGRAM, .what = "visible", .family = family};

		printf("IPv%-21u", family);
		for (unsigned i = 0; i < 3; i++) {
			key.point = points[i];
			print_cell(d, key);
		}
		printf("\n");
	}
}

static void print_latency_rows(const struct device *d, const char *what, const char *how)
{
	static const char *const points[] = {"p50", "p99", "p99.9"};

	for (unsigned burst = 1; burst <= CHUNK; burst *= 2) {
		struct key key = {.part = PART_LATENCY, .what = what, .how = how, .burst = burst};

		key.point = "p50";
		if (!device_series(d, key))
			continue;
		printf("%-6s %-11s %5u", what, how, burst);
		for (unsigned i = 0; i < 3; i++) {
			key.point = points[i];
			print_cell(d, key);
		}
		key.point = NULL;
		key.what = "offered";
		if (!strcmp(what, "paced"))
			print_cell(d, key);
		key.what = "carried";
		if (!strcmp(what, "paced"))
			print_cell(d, key);
		printf("\n");
	}
}

static void print_latency(const struct device *d)
{
	static const char *const hows[] = {"persistent", "burst"};

	printf("\n%-24s %25s %25s %25s %25s %25s\n", "submit to completion, us", "p50", "p99",
	       "p99.9", "offered Mpps", "carried Mpps");
	for (unsigned i = 0; i < 2; i++)
		print_latency_rows(d, "alone", hows[i]);
	for (unsigned i = 0; i < 2; i++)
		print_latency_rows(d, "paced", hows[i]);
}

static void print_throughput(const struct device *d)
{
	static const char *const hows[] = {"persistent", "burst"};

	printf("\n%-24s", "throughput, Mpps");
	for (const unsigned *depth = throughput_depths; *depth; depth++)
		printf(" %15u under way", *depth);
	printf("\n");
	for (unsigned i = 0; i < 2; i++)
		for (const unsigned *size = throughput_sizes; *size; size++) {
			printf("%-12s bursts %5u", hows[i], *size);
			for (const unsigned *depth = throughput_depths; *depth; depth++)
				print_cell(d, (struct key){.part = PART_THROUGHPUT,
							   .what = "throughput",
							   .how = hows[i],
							   .burst = *size,
							   .depth = *depth});
			printf("\n");
		}
}

static void print_modes(const struct device *d, const char *label, struct key key)
{
	static const char *const hows[] = {"nic-cpu", "nic-cpu-gpu", "ratio", "nic-gpu"};

	key.how = hows[0];
	if (!device_series(d, key))
		return;
	printf("%-30s", label);
	for (unsigned i = 0; i < 4; i++) {
		key.how = hows[i];
		print_cell(d, key);
	}
	printf("\n");
}

static void print_plane(const struct device *d)
{
	static const char *const ports[] = {"memory ports, one route", "memory ports, full table",
					    "emulated 82599, one route"};
	struct key line = {.part = PART_PLANE, .what = "a cache line to the other core"};

	printf("\n%-30s %25s %25s %25s %25s\n", "ns a packet of a plane", "nic-cpu", "nic-cpu-gpu",
	       "ratio", "nic-gpu");
	for (unsigned i = 0; i < 3; i++) {
		struct key key = {.part = PART_PLANE, .what = ports[i]};

		print_modes(d, ports[i], key);
		key.point = cores_near;
		print_modes(d, "  while the cores were near", key);
		key.point = cores_far;
		print_modes(d, "  while they were far", key);
	}
	printf("%-30s", line.what);
	print_cell(d, line);
	printf("\n");
}

/* A row for each size of frames, with the modes beside each other. */
static void print_nic_rows(const struct device *d, const char *title, const char *what)
{
	printf("\n%-30s", title);
	for (unsigned m = 0; nic_modes[m]; m++)
		printf(" %25s", nic_modes[m]);
	printf("\n");
	for (const unsigned *size = nic_sizes; *size; size++) {
		struct key key = {.part = PART_NIC, .what = what, .frame = *size};

		printf("%-30u", *size);
		for (unsigned m = 0; nic_modes[m]; m++) {
			key.how = nic_modes[m];
			print_cell(d, key);
		}
		printf("\n");
	}
}

static void print_nic_latency(const struct device *d)
{
	static const char *const points[] = {"p50", "p99", "p99.9"};

	printf("\n%-30s %25s %25s %25s %25s %25s\n", "wire to wire at a pace, us", "p50", "p99",
	       "p99.9", "offered Mpps", "carried Mpps");
	for (unsigned m = 0; nic_modes[m]; m++) {
		struct key key = {
			.part = PART_NIC, .what = "way", .how = nic_modes[m], .frame = 64};

		printf("%-30s", nic_modes[m]);
		for (unsigned i = 0; i < 3; i++) {
			key.point = points[i];
			print_cell(d, key);
		}
		key.point = NULL;
		key.what = "offered";
		print_cell(d, key);
		key.what = "carried";
		print_cell(d, key);
		printf("\n");
	}
}

static void print_nic(const struct device *d)
{
	print_nic_rows(d, "emulated 82599s, Mpps", "throughput");
	print_nic_rows(d, "packet bytes in main memory", "host");
	print_nic_rows(d, "packet bytes in the device's", "remote");
	print_nic_rows(d, "descriptors, bytes a packet", "descriptors");
	print_nic_rows(d, "moved by the device, to it", "moved to");
	print_nic_rows(d, "moved by the device, from it", "moved from");
	print_nic_latency(d);
}

static void print_rest(const struct device *d)
{
	static const char *const hows[] = {"nic-cpu", "at rest", "kept awake"};
	static const char *const points[] = {"p50", "p99", "max"};
	struct key key = {.part = PART_REST, .what = "idle second"};

	printf("\n%-24s %25s %25s %25s\n%24s", "ms of CPU a second, idle", hows[0], hows[1],
	       hows[2], "");
	for (unsigned i = 0; i < 3; i++) {
		key.how = hows[i];
		print_cell(d, key);
	}
	printf("\n%-24s %25s %25s %25s\n%24s", "wake-up from rest, us", points[0], points[1],
	       points[2], "");
	for (unsigned i = 0; i < 3; i++)
		print_cell(d, (struct key){.part = PART_REST,
					   .what = "wake-up",
					   .burst = 1,
					   .point = points[i]});
	printf("\n");
}

void report_print(const struct bench *b, const struct device *d)
{
	static void (*const print[PARTS])(const struct device *d) = {
		print_program, print_latency, print_throughput, print_plane, print_nic, print_rest};
	const struct settings *o = &b->settings;

	printf("\n%s\n%llu IPv4 and %llu IPv6 routes, 64-byte frames, %llu repetitions of %llu ms; "
	       "min / median / max",
	       d->label, o->n4, o->n6, o->repetitions, o->ms);
	if (d->workers)
		printf("; %u workers", d->workers);
	printf("\n");
	for (enum part p = 0; p < PARTS; p++)
		if (has(d, p))
			print[p](d);
	fflush(stdout);
}
