/* SPDX-License-Identifier: BSD-2-Clause */
/* peerlane-gen: sends frames through a router, and says what became of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define EXIT_FINE 0
#define EXIT_USAGE 1
#define EXIT_NOT_FINE 2 /* ran, and the result is not what was demanded */
#define EXIT_CANNOT 3	/* did not run, or not to the end; or cannot write the result */

static atomic_bool interrupted;
static struct gen_progress progress;

static void on_signal(int number)
{
	(void)number;
	atomic_store_explicit(&interrupted, true, memory_order_relaxed);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int fail(int status, const struct pl_error *err)
{
	fprintf(stderr, "peerlane-gen: %s\n", err->what);
	if (err->remedy[0])
		fprintf(stderr, "     %s\n", err->remedy);
	return status;
}

static void show_progress(const struct gen_run *run, uint64_t now_ns)
{
	gen_report_progress(stderr, run, now_ns, &progress);
}

static int json_failed(const struct gen_settings *settings, struct pl_error *err)
{
	return pl_error_set(err, -EIO,
			    "name a file in a folder that is there, or - for standard output",
			    "--json: cannot write %s: %s", settings->json, strerror(errno));
}

/* Before the run, which may be long. `to` stays NULL if no JSON is wanted. */
static int open_json(const struct gen_settings *settings, FILE **to, struct pl_error *err)
{
	if (!settings->json)
		return 0;
	*to = strcmp(settings->json, "-") == 0 ? stdout : fopen(settings->json, "we");
	return *to ? 0 : json_failed(settings, err);
}

static int write_json(const struct gen_run *run, const struct pl_error *failed, FILE *to, int argc,
		      char *const *argv, struct pl_error *err)
{
	json_t *report = gen_report_json(run, failed, argc, argv);
	bool written = report &&
		       json_dumpf(report, to, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) == 0 &&
		       fputc('\n', to) != EOF && fflush(to) == 0;

	json_decref(report);
	return written ? 0 : json_failed(run->settings, err);
}

/* Returns the exit status. */
static int run_all(struct gen_run *run, const struct gen_settings *settings, int argc,
		   char *const *argv)
{
	struct pl_error err = {0}, json_err = {0};
	FILE *json = NULL;
	int rc = open_json(settings, &json, &err), unwritten;

	if (!rc)
		rc = gen_run_open(run, settings, &interrupted, &err);
	if (!rc)
		rc = gen_run(run, settings->quiet ? NULL : show_progress, &err);
	if (rc)
		fail(EXIT_CANNOT, &err);
	/* What was found until it failed is worth telling, too. */
	if (run->counting && json != stdout)
		gen_report_text(stdout, run);
	unwritten = json ? write_json(run, rc ? &err : NULL, json, argc, argv, &json_err) : 0;
	if (json && json != stdout && fclose(json) && !unwritten)
		unwritten = json_failed(settings, &json_err);
	if (unwritten)
		fail(EXIT_CANNOT, &json_err);
	if (rc || unwritten)
		return EXIT_CANNOT;
	return gen_report_fine(run) ? EXIT_FINE : EXIT_NOT_FINE;
}

int main(int argc, char **argv)
{
	static struct gen_settings settings;
	static struct gen_run run;
	struct pl_error err = {0};
	int rc = gen_settings_parse(&settings, argc - 1, argv + 1, &err);

	if (rc) {
		rc = fail(EXIT_USAGE, &err);
	} else if (settings.help) {
		gen_settings_help(stdout);
	} else if (settings.version) {
		puts("peerlane-gen " PEERLANE_VERSION);
	} else {
		catch_signals();
		rc = run_all(&run, &settings, argc, argv);
		gen_run_close(&run);
	}
	gen_settings_free(&settings);
	if (fflush(stdout)) {
		pl_error_set(&err, -errno, NULL, "cannot write to standard output: %s",
			     strerror(errno));
		rc = fail(EXIT_CANNOT, &err);
	}
	return rc;
}
