/* SPDX-License-Identifier: BSD-2-Clause */
#include "request.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "show.h"
#include "suggest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ARGS_MAX 4

static const struct command {
	const char *name;
	show_fn *run;
	const char *args[ARGS_MAX]; /* keys it understands */
} commands[] = {
	{"show ports", show_ports, {NULL}},
	{"show routes", show_routes, {"family", "prefix", "after"}},
	{"show neighbors", show_neighbours, {"after"}},
	{"show nexthops", show_nexthops, {"after"}},
	{"show counters", show_counters, {NULL}},
	{"show limits", show_limits, {NULL}},
	{"show planes", show_planes, {NULL}},
	{"show accelerator", show_accelerator, {NULL}},
	{"show route", show_fate, {"address"}},
	{"show sync", show_sync, {NULL}},
	{"audit", audit, {NULL}},
	{"show version", show_version, {NULL}},
};

/* ---- answers ---- */

/* Frees `data`; `id` is borrowed. */
static char *print_data(json_t *id, json_t *data)
{
	json_t *answer = json_pack("{s:O, s:b, s:o}", "id", id, "ok", 1, "data", data);
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	return text;
}

json_t *request_error(int code, const struct pl_error *err)
{
	const char *name = strerrorname_np(code);

	return json_pack("{s:s, s:o, s:o}", "code", name ? name : "EIO", "message",
			 show_text(err->what), "remedy", show_text(err->remedy));
}

static char *print_error(json_t *id, int code, const struct pl_error *err)
{
	json_t *answer =
		json_pack("{s:O?, s:b, s:o}", "id", id, "ok", 0, "error", request_error(code, err));
	char *text;

	text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	return text;
}

char *request_refusal(int code, const char *message, const char *remedy)
{
	struct pl_error err;

	pl_error_set(&err, -code, remedy, "%s", message);
	return print_error(NULL, code, &err);
}

/* ---- requests ---- */

static const struct command *find_command(const char *name, struct pl_error *err)
{
	const char *names[COUNT(commands)], *meant;
	char remedy[128] = "see docs/protocol.md, or: peerlane help";

	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
		names[i] = commands[i].name;
	}
	meant = suggest_nearest(name, names, COUNT(commands));
	if (meant)
		snprintf(remedy, sizeof(remedy), "did you mean \"%s\"?", meant);
	pl_error_set(err, -EINVAL, remedy, "\"%.60s\": unknown command", name);
	return NULL;
}

/* Refuses an argument that the command would ignore. */
static int check_args(const struct command *command, json_t *args, struct pl_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(args, key, value) {
		bool known = false;

		for (unsigned i = 0; i < ARGS_MAX && command->args[i]; i++)
			known = known || !strcmp(key, command->args[i]);
		if (!known)
			return pl_error_set(err, -EINVAL, "see docs/protocol.md",
					    "\"%s\" has no argument \"%.40s\"", command->name, key);
	}
	return 0;
}

/* Finds and runs the command of a request. Returns its data, or NULL with *code and `err`. */
static json_t *run(struct router *router, json_t *request, int *code, struct pl_error *err)
{
	json_t *name = json_object_get(request, "command");
	json_t *args = json_object_get(request, "args");
	const struct command *command;
	json_t *none = NULL, *data;
	const char *key;
	json_t *value;

	*code = EINVAL;
	json_object_foreach(request, key, value) {
		if (strcmp(key, "id") != 0 && strcmp(key, "command") != 0 &&
		    strcmp(key, "args") != 0) {
			pl_error_set(err, -EINVAL, "a request has id, command and args",
				     "\"%.40s\": unknown key of a request", key);
			return NULL;
		}
	}
	if (!json_is_string(name)) {
		pl_error_set(err, -EINVAL, "such as {\"id\":1,\"command\":\"show ports\"}",
			     "the request has no \"command\"");
		return NULL;
	}
	command = find_command(json_string_value(name), err);
	if (!command)
		return NULL;
	if (args && !json_is_object(args)) {
		pl_error_set(err, -EINVAL, "such as \"args\":{\"address\":\"192.0.2.1\"}",
			     "\"args\" is not an object");
		return NULL;
	}
	if (!args)
		args = none = json_object();
	data = check_args(command, args, err) ? NULL : command->run(router, args, code, err);
	json_decref(none);
	return data;
}

char *request_answer(struct router *router, const char *line, size_t len)
{
	json_error_t where;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
	struct pl_error err = {"out of memory", ""};
	json_t *id, *data;
	int code = ENOMEM;
	char *text;

	if (!json_is_object(request)) {
		if (request)
			pl_error_set(&err, -EINVAL, "a request is {\"id\":1,\"command\":\"...\"}",
				     "the request is not an object");
		else
			pl_error_set(&err, -EINVAL, "a request is one line of JSON",
				     "not JSON, at column %d: %.120s", where.column, where.text);
		json_decref(request);
		return print_error(NULL, EINVAL, &err);
	}
	id = json_object_get(request, "id");
	data = run(router, request, &code, &err);
	if (data)
		text = print_data(id ? id : json_null(), data);
	else
		text = print_error(id, code, &err);
	json_decref(request);
	return text;
}
