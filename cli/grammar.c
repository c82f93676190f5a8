/* SPDX-License-Identifier: BSD-2-Clause */
#include "grammar.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "suggest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WORDS_MAX 8

#define SOCKET_DEFAULT "/run/peerlane/control.sock"

/* clang-format off */
const struct grammar_command grammar_commands[] = {
	{"show ports", {{NULL}}, NULL, ACTION_PORTS,
	 "ports, their links, addresses and counters"},
	{"show routes", {{"family", NULL, {"ipv4", "ipv6"}, false},
			 {"prefix", "PREFIX", {NULL}, false}}, "routes", ACTION_ROUTES,
	 "routes as the kernel has them, all or those within a prefix"},
	{"show route", {{"address", "ADDRESS", {NULL}, true}}, NULL, ACTION_ROUTE,
	 "what becomes of a packet to an address, and why"},
	{"show neighbors", {{NULL}}, "neighbors", ACTION_NEIGHBORS,
	 "neighbors and their MAC addresses"},
	{"show nexthops", {{NULL}}, "nexthops", ACTION_NEXTHOPS,
	 "next hops and groups of them, as packets meet them"},
	{"show counters", {{NULL}}, NULL, ACTION_COUNTERS,
	 "packets punted and dropped, by reason"},
	{"show limits", {{NULL}}, NULL, ACTION_LIMITS,
	 "limits on packets for the kernel, and what they let through"},
	{"show planes", {{NULL}}, NULL, ACTION_PLANES,
	 "planes, their cores, buffers and queues"},
	{"show accelerator", {{NULL}}, NULL, ACTION_ACCELERATOR,
	 "the accelerator, what it does, and its last fault"},
	{"show sync", {{NULL}}, NULL, ACTION_SYNC,
	 "how the tables follow the kernel's"},
	{"show version", {{NULL}}, NULL, ACTION_VERSION,
	 "version of the daemon"},
	{"audit", {{NULL}}, NULL, ACTION_AUDIT,
	 "compare all routes with the kernel's now, and mend what differs"},
	{"watch", {{NULL}}, NULL, ACTION_WATCH,
	 "rates of all ports, live; q stops it"},
	{"cleanup", {{NULL}}, NULL, ACTION_CLEANUP,
	 "remove what a former run has left; no daemon may run"},
	{"devices", {{NULL}}, NULL, ACTION_DEVICES,
	 "what could be a port or process packets, and what stands in the way; needs no daemon"},
	{"bind", {{"device", "DEVICE", {NULL}, true},
		  {"backend", NULL, {"vfio", "kmod"}, false}}, NULL, ACTION_BIND,
	 "hand a NIC over to user space; default: vfio if it has an IOMMU"},
	{"unbind", {{"device", "DEVICE", {NULL}, true}}, NULL, ACTION_UNBIND,
	 "give it back to the kernel's driver"},
	{"help", {{NULL}}, NULL, ACTION_HELP,
	 "print this"},
};
const unsigned grammar_n_commands = COUNT(grammar_commands);

const struct grammar_option grammar_options[] = {
	{'j', "json", NULL, NULL, "print JSON, errors too"},
	{'s', "socket", "PATH", NULL, "the daemon's control socket (default " SOCKET_DEFAULT ")"},
	{'i', "interval", "SECONDS", "watch", "time between two looks (default 1)"},
	{'n', "count", "COUNT", "watch", "stop after so many (default: go on)"},
	{'f', "force", NULL, "bind, unbind", "even if the machine is reached by it, or a port uses it"},
	{'h', "help", NULL, NULL, "print this"},
};
const unsigned grammar_n_options = COUNT(grammar_options);
/* clang-format on */

/* ---- words ---- */

/* Splits a command's words at their spaces. Returns how many; they end at a space or the end. */
static unsigned split(const char *words, const char *out[WORDS_MAX], size_t len[WORDS_MAX])
{
	unsigned n = 0;

	while (*words && n < WORDS_MAX) {
		out[n] = words;
		len[n] = strcspn(words, " ");
		words += len[n] + (words[len[n]] == ' ');
		n++;
	}
	return n;
}

/* How many of the first `n` words typed are the command's, in order. */
static unsigned match(const struct grammar_command *command, unsigned n, char *const *typed,
		      unsigned *n_words)
{
	const char *word[WORDS_MAX];
	size_t len[WORDS_MAX];
	unsigned i;

	*n_words = split(command->words, word, len);
	for (i = 0; i < *n_words && i < n; i++)
		if (strlen(typed[i]) != len[i] || memcmp(typed[i], word[i], len[i]) != 0)
			break;
	return i;
}

static bool has_choices(const struct grammar_arg *arg)
{
	return arg->choices[0];
}

static bool is_choice(const struct grammar_arg *arg, const char *word)
{
	for (unsigned i = 0; i < GRAMMAR_CHOICES_MAX && arg->choices[i]; i++)
		if (!strcmp(arg->choices[i], word))
			return true;
	return false;
}

/* ---- parser ---- */

static int set_value(struct invocation *inv, int letter, const char *value, struct pl_error *err)
{
	char *end;

	switch (letter) {
	case 's':
		inv->socket = value;
		inv->socket_given = true;
		return 0;
	case 'i':
		inv->interval_s = strtod(value, &end);
		if (*end || end == value || !(inv->interval_s >= 0.1 && inv->interval_s <= 3600))
			return pl_error_set(err, -EINVAL, "use 0.1 to 3600 seconds",
					    "--interval %.40s: not a time", value);
		return 0;
	default:
		errno = 0;
		inv->count = strtoul(value, &end, 10);
		if (*end || end == value || errno || value[0] == '-' || inv->count == 0)
			return pl_error_set(err, -EINVAL, "use a whole number from 1",
					    "--count %.40s: not a number", value);
		return 0;
	}
}

static bool is_letter_of_ours(int letter)
{
	for (unsigned i = 0; i < grammar_n_options; i++)
		if (grammar_options[i].letter == letter)
			return true;
	return false;
}

/* Describes what getopt_long() refused: `word`, the last it finished with, or `letter` (optopt) if it
 * names one: then `word` may be another, since the letter may be one of several. */
static int bad_option(const char *word, int letter, bool needs_value, struct pl_error *err)
{
	const char *names[COUNT(grammar_options)], *meant;
	char remedy[96] = "see peerlane help";

	if (needs_value && strncmp(word, "--", 2) != 0)
		return pl_error_set(err, -EINVAL, remedy, "-%c: needs a value", letter);
	if (needs_value)
		return pl_error_set(err, -EINVAL, remedy, "%.60s: needs a value", word);
	if (letter && is_letter_of_ours(letter)) /* --json=yes */
		return pl_error_set(err, -EINVAL, remedy, "%.60s: takes no value", word);
	if (letter)
		return pl_error_set(err, -EINVAL, remedy, "-%c: unknown option", letter);
	for (unsigned i = 0; i < grammar_n_options; i++)
		names[i] = grammar_options[i].name;
	meant = suggest_nearest(word + 2, names, grammar_n_options);
	if (meant)
		snprintf(remedy, sizeof(remedy), "did you mean --%s?", meant);
	return pl_error_set(err, -EINVAL, remedy, "%.60s: unknown option", word);
}

/* Notes in *only which commands the options so far are for. */
static int note_commands(int letter, const char **only, struct pl_error *err)
{
	const char *also = NULL;

	for (unsigned i = 0; i < grammar_n_options; i++)
		if (grammar_options[i].letter == letter)
			also = grammar_options[i].only;
	if (also && *only && strcmp(also, *only) != 0)
		return pl_error_set(err, -EINVAL, "leave one of them out",
				    "there are options for %s and for %s", *only, also);
	if (also)
		*only = also;
	return 0;
}

/* Reads the options and puts the other words behind them, at argv[*first]. */
static int read_options(struct invocation *inv, int argc, char **argv, int *first,
			const char **only, struct pl_error *err)
{
	struct option options[COUNT(grammar_options) + 1] = {{0}};
	char letters[2 * COUNT(grammar_options) + 2] = ":";
	int opt, rc = 0;

	for (unsigned i = 0; i < grammar_n_options; i++) {
		const struct grammar_option *o = &grammar_options[i];

		options[i] = (struct option){o->name, o->value ? required_argument : no_argument,
					     NULL, o->letter};
		sprintf(letters + strlen(letters), "%c%s", o->letter, o->value ? ":" : "");
	}
	optind = 0; /* glibc: start over */
	opterr = 0;
	while (!rc && (opt = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		rc = note_commands(opt, only, err);
		if (opt == '?' || opt == ':')
			return bad_option(argv[optind - 1], optopt, opt == ':', err);
		if (opt == 'j')
			inv->json = true;
		else if (opt == 'f')
			inv->force = true;
		else if (opt == 'h')
			inv->command = &grammar_commands[grammar_n_commands - 1];
		else
			rc = rc ? rc : set_value(inv, opt, optarg, err);
	}
	*first = optind;
	return rc;
}

static int unknown_command(unsigned n, char *const *typed, struct pl_error *err)
{
	const char *names[COUNT(grammar_commands)], *meant;
	char line[96] = "", remedy[128] = "see peerlane help";

	for (unsigned i = 0; i < n; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s", i ? " " : "",
			 typed[i]);
	for (unsigned i = 0; i < grammar_n_commands; i++)
		names[i] = grammar_commands[i].words;
	meant = suggest_nearest(line, names, grammar_n_commands);
	if (meant)
		snprintf(remedy, sizeof(remedy), "did you mean \"peerlane %s\"?", meant);
	else if (!strcmp(line, "show"))
		snprintf(remedy, sizeof(remedy),
			 "show what? ports, routes, neighbors, ... see peerlane help");
	if (n == 0)
		return pl_error_set(err, -EINVAL, remedy, "no command");
	return pl_error_set(err, -EINVAL, remedy, "\"%s\": unknown command", line);
}

/* Gives the words behind the command to its arguments in order; one that has only a few words to
 * choose from is passed over if the word is none of them. */
static int read_args(struct invocation *inv, unsigned n, char *const *typed, struct pl_error *err)
{
	const struct grammar_command *command = inv->command;
	unsigned at = 0;

	for (unsigned i = 0; i < GRAMMAR_ARGS_MAX && command->args[i].key; i++) {
		const struct grammar_arg *arg = &command->args[i];

		if (at < n && (!has_choices(arg) || is_choice(arg, typed[at])))
			inv->args[i] = typed[at++];
		else if (arg->required)
			return pl_error_set(err, -EINVAL, "see peerlane help", "%s: needs %s",
					    command->words, arg->placeholder);
	}
	if (at < n)
		return pl_error_set(err, -EINVAL, "see peerlane help",
				    "%s: does not know what to do with \"%.40s\"", command->words,
				    typed[at]);
	return 0;
}

/* Finds the command all of whose words are typed, the longest one. */
static const struct grammar_command *find_command(unsigned n, char *const *typed, unsigned *n_words)
{
	const struct grammar_command *found = NULL;

	*n_words = 0;
	for (unsigned i = 0; i < grammar_n_commands; i++) {
		unsigned words, matched = match(&grammar_commands[i], n, typed, &words);

		if (matched == words && words > *n_words) {
			*n_words = words;
			found = &grammar_commands[i];
		}
	}
	return found;
}

int grammar_parse(struct invocation *inv, int argc, char **argv, struct pl_error *err)
{
	unsigned n, n_words;
	const char *only = NULL;
	char **typed;
	int first = argc, rc;

	*inv = (struct invocation){.socket = SOCKET_DEFAULT, .interval_s = 1};
	/* Whatever else is wrong: errors shall be JSON if JSON was asked for. */
	for (int i = 1; i < argc; i++)
		inv->json |= !strcmp(argv[i], "-j") || !strcmp(argv[i], "--json");
	rc = read_options(inv, argc, argv, &first, &only, err);
	if (rc || inv->command) /* --help, whatever else */
		return rc;
	n = (unsigned)(argc - first);
	typed = argv + first;
	inv->command = find_command(n, typed, &n_words);
	if (!inv->command)
		return unknown_command(n, typed, err);
	if (only && !strstr(only, inv->command->words))
		return pl_error_set(err, -EINVAL, "leave it out",
				    "%s: has an option that is for %s", inv->command->words, only);
	return read_args(inv, n - n_words, typed + n_words, err);
}

/* ---- completion ---- */

static const struct grammar_option *find_option(const char *word, size_t name_len)
{
	for (unsigned i = 0; i < grammar_n_options; i++) {
		const struct grammar_option *option = &grammar_options[i];

		if (word[1] != '-' && word[1] == option->letter)
			return option;
		if (word[1] == '-' && strlen(option->name) == name_len - 2 &&
		    !memcmp(word + 2, option->name, name_len - 2))
			return option;
	}
	return NULL;
}

static void offer(FILE *out, const char *word, size_t len, const char *begun)
{
	if (len >= strlen(begun) && !strncmp(word, begun, strlen(begun)))
		fprintf(out, "%.*s\n", (int)len, word);
}

static void complete_option(FILE *out, const char *begun)
{
	for (unsigned i = 0; i < grammar_n_options; i++) {
		char text[32];

		snprintf(text, sizeof(text), "--%s", grammar_options[i].name);
		offer(out, text, strlen(text), begun);
		snprintf(text, sizeof(text), "-%c", grammar_options[i].letter);
		offer(out, text, strlen(text), begun);
	}
}

/* The choices of the argument that comes after those typed. */
static void complete_args(FILE *out, const struct grammar_command *command, unsigned n_given,
			  const char *begun)
{
	if (n_given >= GRAMMAR_ARGS_MAX || !command->args[n_given].key)
		return;
	for (unsigned i = 0; i < GRAMMAR_CHOICES_MAX && command->args[n_given].choices[i]; i++)
		offer(out, command->args[n_given].choices[i],
		      strlen(command->args[n_given].choices[i]), begun);
}

/* Takes the options and their values out of what is typed. Returns how many words are left; the
 * last one typed stays, unless it is an option's value: then -1. */
static int drop_options(int n, char *const *words, char *out[WORDS_MAX])
{
	int left = 0;

	for (int i = 0; i < n; i++) {
		const struct grammar_option *option;
		const char *word = words[i];
		bool attached;

		if (i == n - 1 || word[0] != '-') {
			if (left < WORDS_MAX)
				out[left++] = words[i];
			continue;
		}
		option = find_option(word, strcspn(word, "="));
		if (!option || !option->value)
			continue;
		attached = word[1] == '-' ? strchr(word, '=') != NULL : word[2] != '\0';
		if (!attached && ++i == n - 1)
			return -1;
	}
	return left;
}

void grammar_complete(FILE *out, int n_words, char *const *words)
{
	char *typed[WORDS_MAX];
	int n = drop_options(n_words, words, typed);
	const char *begun;

	if (n < 1)
		return;
	begun = typed[n - 1];
	if (begun[0] == '-') {
		complete_option(out, begun);
		return;
	}
	for (unsigned i = 0; i < grammar_n_commands; i++) {
		const struct grammar_command *command = &grammar_commands[i];
		const char *word[WORDS_MAX];
		size_t len[WORDS_MAX];
		unsigned n_of_command, given = (unsigned)n - 1;
		unsigned matched = match(command, given, typed, &n_of_command);

		split(command->words, word, len);
		if (matched == n_of_command) {
			complete_args(out, command, given - matched, begun);
			continue;
		}
		if (matched < given)
			continue;
		/* "show" once, not once for each command that begins so. */
		if (given == 0 && i > 0 &&
		    !strncmp(command->words, grammar_commands[i - 1].words, len[0] + 1))
			continue;
		offer(out, word[matched], len[matched], begun);
	}
}

/* ---- help ---- */

static void command_line(const struct grammar_command *command, char *out, size_t size)
{
	size_t len = (size_t)snprintf(out, size, "%s", command->words);

	for (unsigned i = 0; i < GRAMMAR_ARGS_MAX && command->args[i].key; i++) {
		const struct grammar_arg *arg = &command->args[i];
		char words[64] = "";

		for (unsigned j = 0; j < GRAMMAR_CHOICES_MAX && arg->choices[j]; j++)
			snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s",
				 j ? "|" : "", arg->choices[j]);
		len += (size_t)snprintf(out + len, size - len, arg->required ? " %s" : " [%s]",
					arg->placeholder ? arg->placeholder : words);
	}
}

void grammar_help(FILE *out)
{
	char line[96];

	fputs("usage: peerlane [OPTION]... COMMAND\n\n", out);
	for (unsigned i = 0; i < grammar_n_commands; i++) {
		command_line(&grammar_commands[i], line, sizeof(line));
		fprintf(out, "  %-33s %s\n", line, grammar_commands[i].help);
	}
	fputs("\noptions:\n", out);
	for (unsigned i = 0; i < grammar_n_options; i++) {
		const struct grammar_option *option = &grammar_options[i];

		snprintf(line, sizeof(line), "-%c, --%s%s%s", option->letter, option->name,
			 option->value ? " " : "", option->value ? option->value : "");
		fprintf(out, "  %-33s %s%s%s\n", line, option->only ? option->only : "",
			option->only ? ": " : "", option->help);
	}
	fputs("\nexit status: 0 done, 1 refused by the daemon, 2 wrong usage, 3 daemon not "
	      "reached, 4 output not written\nSee peerlane(1).\n",
	      out);
}
