/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be typed: one table that the parser, the help and the completion read. */
#ifndef PEERLANE_CLI_GRAMMAR_H
#define PEERLANE_CLI_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <peerlane/error.h>

#define GRAMMAR_ARGS_MAX 2
#define GRAMMAR_CHOICES_MAX 4

/* What a command does, for main() to dispatch on. */
enum action {
	ACTION_PORTS,
	ACTION_ROUTES,
	ACTION_NEIGHBORS,
	ACTION_NEXTHOPS,
	ACTION_COUNTERS,
	ACTION_LIMITS,
	ACTION_PLANES,
	ACTION_ACCELERATOR,
	ACTION_ROUTE,
	ACTION_SYNC,
	ACTION_VERSION,
	ACTION_AUDIT,
	ACTION_WATCH,
	ACTION_CLEANUP,
	ACTION_DEVICES,
	ACTION_BIND,
	ACTION_UNBIND,
	ACTION_HELP,
};

struct grammar_arg {
	const char *key;			  /* in the request's args; NULL: no argument */
	const char *placeholder;		  /* "ADDRESS" */
	const char *choices[GRAMMAR_CHOICES_MAX]; /* if it is one of few words */
	bool required;
};

struct grammar_command {
	const char *words; /* "show ports": also the request's command */
	struct grammar_arg args[GRAMMAR_ARGS_MAX];
	const char *list; /* key of the rows, for listings that come in pages; NULL */
	enum action action;
	const char *help;
};

struct grammar_option {
	char letter;
	const char *name;
	const char *value; /* placeholder; NULL: a switch */
	const char *only;  /* commands that it is for; NULL: all */
	const char *help;
};

extern const struct grammar_command grammar_commands[];
extern const unsigned grammar_n_commands;
extern const struct grammar_option grammar_options[];
extern const unsigned grammar_n_options;

/* A command line understood. Strings point into argv. */
struct invocation {
	const struct grammar_command *command;
	const char *args[GRAMMAR_ARGS_MAX]; /* by place in the command; NULL: not given */
	const char *socket;
	bool socket_given;
	bool json;
	bool force;
	double interval_s;
	unsigned long count; /* 0: until stopped */
};

/* Understands main()'s command line. Options may stand anywhere; argv is put in another order.
 * Returns 0, or -EINVAL with `err` filled; `invocation->json` is valid even then. */
int grammar_parse(struct invocation *invocation, int argc, char **argv, struct pl_error *err);

/* Prints the words that may follow `words` and begin like the last one, a line each. */
void grammar_complete(FILE *out, int n_words, char *const *words);

void grammar_help(FILE *out);

#endif
