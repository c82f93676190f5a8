/* SPDX-License-Identifier: BSD-2-Clause */
/* peerlane: the operator's command. Asks the daemon over its control socket, prints what it says; of
 * devices it asks the machine itself. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "client.h"
#include "devices.h"
#include "grammar.h"
#include "render.h"
#include "watch.h"
#include "words.h"

/* Which driver a device was taken from is of use until the machine restarts. */
#define BIND_STATE "/run/peerlane-drivers"

#define ACCELERATORS_MAX 64u

/* What ask_ports() says of a daemon that cannot use anything. */
#define NOT_RUNNING "not running"

#define EXIT_DONE 0
#define EXIT_REFUSED 1 /* by the daemon, or the kernel */
#define EXIT_USAGE 2
#define EXIT_UNREACHED 3
#define EXIT_OUTPUT 4 /* could not be written */

/* An error in JSON. Words of others, which it quotes or of which it is cut short, may be no UTF-8. */
static json_t *error_json(const char *code, const struct pl_error *err)
{
	json_t *error = json_pack("{s:s, s:s, s:s}", "code", code, "message", err->what, "remedy",
				  err->remedy);

	return error ? error
		     : json_pack("{s:s, s:o, s:o}", "code", code, "message", json_text(err->what),
				 "remedy", json_text(err->remedy));
}

/* Says an error, as JSON on standard output if JSON is wanted, else in two lines. */
static int fail(int status, bool json, const char *code, const struct pl_error *err)
{
	if (json) {
		json_t *error = json_pack("{s:o}", "error", error_json(code, err));

		json_dumpf(error, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(error);
	} else {
		/* They may be another's words, or quote some. */
		fputs("peerlane: ", stderr);
		text_print(err->what, stderr);
		fputs(err->remedy[0] ? "\n     " : "", stderr);
		text_print(err->remedy, stderr);
		fputc('\n', stderr);
	}
	return status;
}

/* What was printed may not have arrived: a full disk, a closed pipe. Returns the exit status. */
static int finish_output(int status)
{
	if (!ferror(stdout) && fflush(stdout) == 0)
		return status;
	fprintf(stderr, "peerlane: cannot write to standard output: %s\n", strerror(errno));
	return status == EXIT_DONE ? EXIT_OUTPUT : status;
}

/* The arguments of the request. NULL if one is no UTF-8. */
static json_t *request_args(const struct invocation *inv)
{
	json_t *args = json_object();

	for (unsigned i = 0; i < GRAMMAR_ARGS_MAX; i++) {
		if (inv->args[i] && json_object_set_new(args, inv->command->args[i].key,
							json_string(inv->args[i]))) {
			json_decref(args);
			return NULL;
		}
	}
	return args;
}

/* ---- listings ---- */

/* One as JSON: a line for each row, written as the pages come. */
struct json_listing {
	const char *name;
	bool begun; /* has a row */
};

static void json_rows(void *ctx, json_t *rows)
{
	struct json_listing *l = ctx;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (l->begun)
			fputs(",\n    ", stdout);
		else
			printf("{\n  \"%s\": [\n    ", l->name);
		l->begun = true;
		json_dumpf(row, stdout, 0);
	}
}

static void text_rows(void *ctx, json_t *rows)
{
	listing_add(ctx, rows);
}

/* Ends what has been written of it: with the error, if it is not complete. Returns false if nothing
 * has been written, and nothing is. */
static bool json_end(struct json_listing *l, const char *code, const struct pl_error *err)
{
	json_t *error;

	if (!l->begun && err)
		return false;
	if (l->begun)
		fputs("\n  ]", stdout);
	else
		printf("{\n  \"%s\": []", l->name);
	if (err) {
		error = error_json(code, err);
		fputs(",\n  \"error\": ", stdout);
		json_dumpf(error, stdout, 0);
		json_decref(error);
	}
	fputs("\n}\n", stdout);
	return true;
}

static const char *code_of(const struct client *client, int rc)
{
	return rc == -EREMOTEIO ? client->code : strerrorname_np(-rc);
}

static int status_of(int rc)
{
	if (rc == -EREMOTEIO)
		return EXIT_REFUSED;
	return rc == -EINVAL ? EXIT_USAGE : EXIT_UNREACHED;
}

/* Says why the daemon has not answered. Returns the exit status. */
static int fail_asking(const struct client *client, bool json, int rc, const struct pl_error *err)
{
	return fail(status_of(rc), json, code_of(client, rc), err);
}

static int list_json(struct client *client, const struct grammar_command *command, json_t *args)
{
	struct json_listing l = {.name = command->list};
	struct pl_error err = {.remedy = ""};
	int rc = client_ask_pages(client, command->words, args, command->list, json_rows, &l, &err);

	if (json_end(&l, code_of(client, rc), rc ? &err : NULL))
		return rc ? status_of(rc) : EXIT_DONE;
	return fail_asking(client, true, rc, &err);
}

static int list_text(struct client *client, const struct grammar_command *command, json_t *args)
{
	struct pl_error err = {.remedy = ""};
	struct listing l;
	int rc;

	listing_begin(&l, command->action);
	rc = client_ask_pages(client, command->words, args, command->list, text_rows, &l, &err);
	if (rc) {
		table_end(&l.table);
		return fail_asking(client, false, rc, &err);
	}
	listing_end(&l, stdout);
	return EXIT_DONE;
}

/* ---- commands ---- */

static int show_args(struct client *client, const struct invocation *inv, json_t *args)
{
	const struct grammar_command *command = inv->command;
	struct pl_error err = {.remedy = ""};
	json_t *data;
	int rc;

	if (command->list)
		return inv->json ? list_json(client, command, args)
				 : list_text(client, command, args);
	rc = client_ask(client, command->words, args, &data, &err);
	if (rc)
		return fail_asking(client, inv->json, rc, &err);
	if (inv->json) {
		json_dumpf(data, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		render(command->action, data, stdout);
	}
	json_decref(data);
	return EXIT_DONE;
}

static int show(struct client *client, const struct invocation *inv)
{
	json_t *args = request_args(inv);
	struct pl_error err;
	int status;

	if (!args) {
		pl_error_set(&err, -EINVAL, "type it in ASCII", "%s: an argument is not UTF-8",
			     inv->command->words);
		return fail(EXIT_USAGE, inv->json, "EINVAL", &err);
	}
	status = show_args(client, inv, args);
	json_decref(args);
	return status;
}

static int run_watch(struct client *client, const struct invocation *inv)
{
	struct pl_error err = {.remedy = ""};
	int rc = watch(client, inv, &err);

	return rc ? fail_asking(client, inv->json, rc, &err) : EXIT_DONE;
}

/* Becomes the daemon's own clean-up, which knows what there is to remove. Returns only if there is no
 * such program. */
static int cleanup(const struct invocation *inv)
{
	const char *other = getenv("PEERLANED"), *program = other ? other : PEERLANED_PATH;
	const char *argv[6] = {program, "--cleanup"};
	struct pl_error err;
	unsigned n = 2;
	int code;

	if (inv->json)
		argv[n++] = "--json";
	if (inv->socket_given) {
		argv[n++] = "--control-socket";
		argv[n++] = inv->socket;
	}
	execv(program, (char *const *)argv);
	code = errno;
	pl_error_set(&err, -code, "install it, or say where it is: PEERLANED=/path/to/peerlaned",
		     "%s: cannot run the daemon: %s", program, strerror(code));
	return fail(EXIT_UNREACHED, inv->json, strerrorname_np(code), &err);
}

/* What the daemon uses, if it answers; `daemon` says whether it does. `accelerator` (or NULL) is the answer
 * about that. */
static json_t *ask_ports(const struct invocation *inv, json_t **accelerator,
			 struct pl_error *daemon)
{
	struct client client;
	json_t *ports = NULL;
	int rc = client_open(&client, inv->socket, daemon);

	if (!rc) {
		rc = client_ask(&client, "show ports", NULL, &ports, daemon);
		if (!rc && accelerator)
			rc = client_ask(&client, "show accelerator", NULL, accelerator, daemon);
		client_close(&client);
	}
	if (!rc)
		snprintf(daemon->what, sizeof(daemon->what), "running");
	else if ((rc == -ENOENT || rc == -ECONNREFUSED) && !inv->socket_given)
		snprintf(daemon->what, sizeof(daemon->what), NOT_RUNNING);
	return ports;
}

/* Prints what the machine answered, or its refusal. */
static int say(const struct invocation *inv, int rc, json_t *data, const struct pl_error *err)
{
	if (rc)
		return fail(EXIT_REFUSED, inv->json, strerrorname_np(-rc), err);
	if (inv->json) {
		json_dumpf(data, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		render(inv->command->action, data, stdout);
	}
	json_decref(data);
	return EXIT_DONE;
}

/* Asks the machine itself. */
static int devices(const struct invocation *inv)
{
	static struct pl_accel_info accelerators[ACCELERATORS_MAX];
	struct pl_error err = {.remedy = ""}, daemon;
	struct devices_sources sources = {.sysfs = "/sys", .accelerators = accelerators};
	json_t *data = NULL;
	int rc;

	sources.ports = ask_ports(inv, &sources.accelerator, &daemon);
	sources.daemon = daemon.what;
	sources.n_accelerators = pl_accel_scan(accelerators, ACCELERATORS_MAX);
	rc = devices_list(&sources, &data, &err);
	json_decref(sources.ports);
	json_decref(sources.accelerator);
	return say(inv, rc, data, &err);
}

/* Binds a device, or gives it back. */
static int bind_or_unbind(const struct invocation *inv)
{
	struct pl_error err = {.remedy = ""}, daemon;
	struct bind_world world = {
		.sysfs = "/sys",
		.proc = "/proc",
		.state = BIND_STATE,
		.ports = ask_ports(inv, NULL, &daemon),
		.write = bind_write,
	};
	json_t *data = NULL;
	int rc;

	if (!world.ports && strcmp(daemon.what, NOT_RUNNING) != 0)
		world.unknown = daemon.what;
	if (inv->command->action == ACTION_BIND)
		rc = bind_device(&world, inv->args[0], inv->args[1], inv->force, &data, &err);
	else
		rc = unbind_device(&world, inv->args[0], inv->force, &data, &err);
	json_decref(world.ports);
	return say(inv, rc, data, &err);
}

static int run(const struct invocation *inv)
{
	struct pl_error err = {.remedy = ""};
	struct client client;
	int rc, status;

	rc = client_open(&client, inv->socket, &err);
	if (rc)
		return fail(EXIT_UNREACHED, inv->json, strerrorname_np(-rc), &err);
	if (inv->command->action == ACTION_WATCH)
		status = run_watch(&client, inv);
	else
		status = show(&client, inv);
	client_close(&client);
	return status;
}

int main(int argc, char **argv)
{
	struct pl_error err = {.remedy = ""};
	struct invocation inv;

	if (argc > 1 && !strcmp(argv[1], "--complete")) {
		grammar_complete(stdout, argc - 2, argv + 2);
		return finish_output(EXIT_DONE);
	}
	if (grammar_parse(&inv, argc, argv, &err))
		return finish_output(fail(EXIT_USAGE, inv.json, "EINVAL", &err));
	if (inv.command->action == ACTION_HELP) {
		grammar_help(stdout);
		return finish_output(EXIT_DONE);
	}
	if (inv.command->action == ACTION_CLEANUP)
		return finish_output(cleanup(&inv));
	if (inv.command->action == ACTION_DEVICES)
		return finish_output(devices(&inv));
	if (inv.command->action == ACTION_BIND || inv.command->action == ACTION_UNBIND)
		return finish_output(bind_or_unbind(&inv));
	return finish_output(run(&inv));
}
