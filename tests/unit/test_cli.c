/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's command: its grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../cli/grammar.h"

#define WORDS_MAX 16

/* Splits a command line at its spaces; two in a row make an empty word. */
static int split(char *text, char *argv[WORDS_MAX])
{
	int argc = 0;

	while (text && argc < WORDS_MAX - 1)
		argv[argc++] = strsep(&text, " ");
	argv[argc] = NULL;
	return argc;
}

static int parse(struct invocation *inv, const char *line, struct pl_error *err)
{
	static char text[256];
	char *argv[WORDS_MAX];
	int argc;

	snprintf(text, sizeof(text), "peerlane%s%s", line[0] ? " " : "", line);
	argc = split(text, argv);
	return grammar_parse(inv, argc, argv, err);
}

static void test_commands_parse(void **state)
{
	static const struct {
		const char *line;
		enum action action;
		const char *arg0, *arg1;
		bool json;
		const char *socket;
	} cases[] = {
		{"show ports", ACTION_PORTS, NULL, NULL, false, "/run/peerlane/control.sock"},
		{"-j show ports", ACTION_PORTS, NULL, NULL, true, "/run/peerlane/control.sock"},
		{"show ports --json -s /x", ACTION_PORTS, NULL, NULL, true, "/x"},
		{"--socket=/x show routes", ACTION_ROUTES, NULL, NULL, false, "/x"},
		{"show routes ipv6 -js/x", ACTION_ROUTES, "ipv6", NULL, true, "/x"},
		{"show routes 10.0.0.0/8", ACTION_ROUTES, NULL, "10.0.0.0/8", false,
		 "/run/peerlane/control.sock"},
		{"show routes ipv4 10.0.0.0/8", ACTION_ROUTES, "ipv4", "10.0.0.0/8", false,
		 "/run/peerlane/control.sock"},
		{"show route 192.0.2.1", ACTION_ROUTE, "192.0.2.1", NULL, false,
		 "/run/peerlane/control.sock"},
		{"cleanup -j", ACTION_CLEANUP, NULL, NULL, true, "/run/peerlane/control.sock"},
		{"devices", ACTION_DEVICES, NULL, NULL, false, "/run/peerlane/control.sock"},
		{"help", ACTION_HELP, NULL, NULL, false, "/run/peerlane/control.sock"},
		{"show nothing -h", ACTION_HELP, NULL, NULL, false, "/run/peerlane/control.sock"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct invocation inv;
		struct pl_error err;

		if (parse(&inv, cases[i].line, &err))
			fail_msg("%s: %s", cases[i].line, err.what);
		assert_int_equal(cases[i].action, inv.command->action);
		assert_int_equal(cases[i].json, inv.json);
		assert_string_equal(cases[i].socket, inv.socket);
		assert_string_equal(cases[i].arg0 ? cases[i].arg0 : "",
				    inv.args[0] ? inv.args[0] : "");
		assert_string_equal(cases[i].arg1 ? cases[i].arg1 : "",
				    inv.args[1] ? inv.args[1] : "");
	}
}

static void test_watch_parses(void **state)
{
	struct invocation inv;
	struct pl_error err;

	(void)state;
	assert_int_equal(0, parse(&inv, "watch -i 0.5 -n3", &err));
	assert_int_equal(ACTION_WATCH, inv.command->action);
	assert_true(inv.interval_s > 0.49 && inv.interval_s < 0.51);
	assert_int_equal(3, inv.count);
	assert_int_equal(0, parse(&inv, "watch", &err));
	assert_int_equal(0, inv.count);
}

static void test_wrong_usage(void **state)
{
	static const struct {
		const char *line, *what, *remedy;
	} cases[] = {
		{"", "no command", "see peerlane help"},
		{"show", "\"show\": unknown command",
		 "show what? ports, routes, neighbors, ... see peerlane help"},
		{"show port", "\"show port\": unknown command",
		 "did you mean \"peerlane show ports\"?"},
		{"show neighbours", "\"show neighbours\": unknown command",
		 "did you mean \"peerlane show neighbors\"?"},
		{"reload", "\"reload\": unknown command", "see peerlane help"},
		{"show route", "show route: needs ADDRESS", "see peerlane help"},
		{"show ports pl0", "show ports: does not know what to do with \"pl0\"",
		 "see peerlane help"},
		{"show routes ipv4 1.0.0.0/8 x", "show routes: does not know what to do with \"x\"",
		 "see peerlane help"},
		{"--jsno show ports", "--jsno: unknown option", "did you mean --json?"},
		{"-z show ports", "-z: unknown option", "see peerlane help"},
		{"-zj show ports", "-z: unknown option", "see peerlane help"},
		{"show ports -jz", "-z: unknown option", "see peerlane help"},
		{"--json=yes show ports", "--json=yes: takes no value", "see peerlane help"},
		{"show ports -s", "-s: needs a value", "see peerlane help"},
		{"show ports -js", "-s: needs a value", "see peerlane help"},
		{"show ports --socket", "--socket: needs a value", "see peerlane help"},
		{"show ports -n 3", "show ports: has an option that is for watch", "leave it out"},
		{"devices --force", "devices: has an option that is for bind, unbind",
		 "leave it out"},
		{"watch -f -n 1", "there are options for bind, unbind and for watch",
		 "leave one of them out"},
		{"bind", "bind: needs DEVICE", "see peerlane help"},
		{"bind eth1 uio", "bind: does not know what to do with \"uio\"",
		 "see peerlane help"},
		{"watch -i 0", "--interval 0: not a time", "use 0.1 to 3600 seconds"},
		{"watch -i x", "--interval x: not a time", "use 0.1 to 3600 seconds"},
		{"watch -i nan", "--interval nan: not a time", "use 0.1 to 3600 seconds"},
		{"watch -n 0", "--count 0: not a number", "use a whole number from 1"},
		{"watch -n -1", "--count -1: not a number", "use a whole number from 1"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct invocation inv;
		struct pl_error err = {"no error", ""};

		if (parse(&inv, cases[i].line, &err) == 0)
			fail_msg("accepted: %s", cases[i].line);
		assert_string_equal(cases[i].what, err.what);
		assert_string_equal(cases[i].remedy, err.remedy);
	}
}

/* Every word that completion offers leads, word by word, to a command that parses. */
static void test_completion(void **state)
{
	static const struct {
		const char *typed, *offered;
	} cases[] = {
		{"", "show\naudit\nwatch\ncleanup\ndevices\nbind\nunbind\nhelp\n"},
		{"s", "show\n"},
		{"show ", "ports\nroutes\nroute\nneighbors\nnexthops\ncounters\nlimits\nplanes\nacc"
			  "elerator\nsync\nversion\n"},
		{"show ne", "neighbors\nnexthops\n"},
		{"-j -s /x show p", "ports\nplanes\n"},
		{"--socket=/x show p", "ports\nplanes\n"},
		{"-s show", ""},
		{"show routes ", "ipv4\nipv6\n"},
		{"show routes ipv6 ", ""},
		{"show ports ", ""},
		{"show --j", "--json\n"},
		{"nonsense ", ""},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char typed[64], offered[512] = "", *argv[WORDS_MAX];
		FILE *out = fmemopen(offered, sizeof(offered), "w");

		snprintf(typed, sizeof(typed), "%s", cases[i].typed);
		grammar_complete(out, split(typed, argv), argv);
		fclose(out);
		if (strcmp(cases[i].offered, offered) != 0)
			fail_msg("\"%s\" offers: %s", cases[i].typed, offered);
	}
}

/* The manual page and the help know every command and option. */
static void test_manual_has_every_command(void **state)
{
	static char page[65536], help[8192];
	FILE *file = fopen(SOURCE_ROOT "/docs/man/peerlane.1.scd", "r");
	FILE *out = fmemopen(help, sizeof(help), "w");
	char word[64];

	(void)state;
	assert_non_null(file);
	assert_true(fread(page, 1, sizeof(page) - 1, file) > 0);
	fclose(file);
	grammar_help(out);
	fclose(out);
	for (unsigned i = 0; i < grammar_n_commands; i++) {
		snprintf(word, sizeof(word), "*%s*", grammar_commands[i].words);
		if (!strstr(page, word))
			fail_msg("peerlane(1) lacks %s", word);
		assert_non_null(strstr(help, grammar_commands[i].words));
	}
	for (unsigned i = 0; i < grammar_n_options; i++) {
		snprintf(word, sizeof(word), "*-%c*, *--%s*", grammar_options[i].letter,
			 grammar_options[i].name);
		if (!strstr(page, word))
			fail_msg("peerlane(1) lacks %s", word);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_parse),
		cmocka_unit_test(test_watch_parses),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_manual_has_every_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
