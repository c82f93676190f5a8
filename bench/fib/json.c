/* SPDX-License-Identifier: BSD-2-Clause */
/* All that was measured, as JSON: plot.py draws it. */
#include <jansson.h>
#include <sys/socket.h>

#include "../net/options.h"
#include "fib.h"

/* Jansson reports a value that could not be made by failing to add it: NULL is passed on. */
static void add(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value))
		die("--json: no memory");
}

static json_t *series_json(const struct series *s)
{
	struct spread spread = series_spread(s);
	json_t *object = json_object(), *all = json_array();

	for (unsigned i = 0; i < s->n; i++)
		json_array_append_new(all, json_real(s->at[i]));
	add(object, "min", json_real(spread.min));
	add(object, "median", json_real(spread.median));
	add(object, "max", json_real(spread.max));
	add(object, "all", all);
	return object;
}

static json_t *contestant_json(const struct contestant *c)
{
	json_t *object = json_object(), *mlps = json_object();

	for (enum pattern p = 0; p < PATTERNS; p++)
		add(mlps, pattern_names[p], series_json(&c->mlps[p]));
	add(object, "name", json_string(c->kind->name));
	add(object, "table", json_string(c->table->kind->name));
	add(object, "mlookups_per_s", mlps);
	return object;
}

static json_t *table_json(const struct table *t)
{
	json_t *object = json_object(), *rates = json_object(), *dirty = json_object();
	json_t *sampled = json_array();

	for (enum update u = 0; u < UPDATES; u++) {
		if (!t->rate[u].n)
			continue;
		add(rates, update_names[u], series_json(&t->rate[u]));
		if (t->dirty[u] > 0)
			add(dirty, update_names[u], json_real(t->dirty[u]));
		if (t->sampled[u])
			json_array_append_new(sampled, json_string(update_names[u]));
	}
	add(object, "name", json_string(t->kind->name));
	add(object, "bytes", json_integer((json_int_t)t->bytes));
	add(object, "pages", json_string(t->pages));
	add(object, "updates_per_s", rates);
	add(object, "dirty_bytes_per_update", dirty);
	add(object, "sampled", sampled);
	return object;
}

static json_t *match_json(const struct match *m)
{
	json_t *object = json_object(), *contestants = json_array(), *tables = json_array();

	for (unsigned i = 0; i < m->n_contestants; i++)
		json_array_append_new(contestants, contestant_json(&m->contestants[i]));
	for (unsigned i = 0; i < m->n_tables; i++)
		json_array_append_new(tables, table_json(&m->tables[i]));
	add(object, "family", json_integer(m->routes.family == AF_INET ? 4 : 6));
	add(object, "routes", json_integer(m->routes.n));
	add(object, "contestants", contestants);
	add(object, "tables", tables);
	add(object, "bars", bars_json(m->routes.family));
	return object;
}

static json_t *setting_json(const struct options *o, const struct setting *s)
{
	json_t *object = json_object(), *command = json_array();

	for (int i = 0; i < s->argc; i++)
		json_array_append_new(command, json_string(s->argv[i]));
	add(object, "date", json_string(s->date));
	add(object, "cpu", json_string(s->cpu));
	add(object, "kernel", json_string(s->kernel));
	add(object, "dpdk", json_string(s->dpdk));
	add(object, "command", command);
	add(object, "nexthops", json_integer((json_int_t)o->nexthops));
	add(object, "correlated", json_boolean(o->correlated));
	add(object, "keys", json_integer((json_int_t)o->keys));
	add(object, "bulk", json_integer((json_int_t)o->bulk));
	return object;
}

void report_json(const struct options *o, const struct setting *s, struct match *const matches[2])
{
	json_t *object = setting_json(o, s), *families = json_array();

	for (unsigned i = 0; i < 2; i++)
		if (matches[i]->routes.n)
			json_array_append_new(families, match_json(matches[i]));
	add(object, "families", families);
	if (json_dump_file(object, o->json, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		die("--json: cannot write %s", o->json);
	json_decref(object);
}
