/* SPDX-License-Identifier: BSD-2-Clause */
/* All that was measured, as JSON. */
#include <jansson.h>
#include <unistd.h>

#include "bench.h"

/* Jansson reports a value that could not be made by failing to add it: NULL is passed on. */
static void add(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value))
		die("--json: no memory");
}

static void add_text(json_t *object, const char *name, const char *text)
{
	if (text)
		add(object, name, json_string(text));
}

static void add_number(json_t *object, const char *name, uint64_t n)
{
	if (n)
		add(object, name, json_integer((json_int_t)n));
}

static json_t *result_json(const struct result *r)
{
	struct spread spread = series_spread(&r->series);
	json_t *object = json_object(), *all = json_array();

	add_text(object, "part", part_names[r->key.part]);
	add_text(object, "what", r->key.what);
	add_text(object, "how", r->key.how);
	add_text(object, "where", r->key.where);
	add_text(object, "point", r->key.point);
	add_text(object, "unit", r->key.unit);
	add_number(object, "family", r->key.family);
	add_number(object, "burst", r->key.burst);
	add_number(object, "depth", r->key.depth);
	add_number(object, "frame_bytes", r->key.frame);
	add(object, "min", json_real(spread.min));
	add(object, "median", json_real(spread.median));
	add(object, "max", json_real(spread.max));
	for (unsigned i = 0; i < r->series.n; i++)
		json_array_append_new(all, json_real(r->series.at[i]));
	add(object, "all", all);
	return object;
}

static json_t *device_json(const struct device *d)
{
	json_t *object = json_object(), *results = json_array();

	add_text(object, "device", d->label);
	if (!d->cpu) {
		add_text(object, "kind", pl_accel_kind_name(d->info.kind));
		add(object, "index", json_integer(d->info.index));
		add_text(object, "name", d->info.name);
		add_text(object, "driver", d->info.driver);
		add_number(object, "memory_bytes", d->info.memory_bytes);
		add_number(object, "workers", d->workers);
	}
	for (unsigned i = 0; i < d->n_results; i++)
		json_array_append_new(results, result_json(&d->results[i]));
	add(object, "results", results);
	return object;
}

void report_json(const struct bench *b, int argc, char **argv)
{
	const struct settings *o = &b->settings;
	json_t *object = json_object(), *devices = json_array(), *command = json_array();

	for (int i = 0; i < argc; i++)
		json_array_append_new(command, json_string(argv[i]));
	add(object, "command", command);
	add(object, "routes4", json_integer((json_int_t)o->n4));
	add(object, "routes6", json_integer((json_int_t)o->n6));
	add(object, "frame_bytes", json_integer(64));
	add(object, "repetitions", json_integer((json_int_t)o->repetitions));
	add(object, "ms", json_integer((json_int_t)o->ms));
	add(object, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	for (unsigned i = 0; i < b->n_devices; i++)
		json_array_append_new(devices, device_json(&b->devices[i]));
	add(object, "devices", devices);
	if (json_dump_file(object, o->json, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		die("--json: cannot write %s", o->json);
	json_decref(object);
}
