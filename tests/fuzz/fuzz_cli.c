/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's command: answers of a daemon that may be none of ours, and what is typed.
 *
 * The first byte says what the rest is: a letter, the data of an answer to be shown by the command
 * of that place in the grammar; '<', what comes over the socket when it has asked; '>', words of a
 * command line, one in each line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../cli/client.h"
#include "../../cli/grammar.h"
#include "../../cli/render.h"
#include "fuzz.h"

#define WORDS_MAX 16
#define ANSWERS_MAX 65536u /* fits a socket's buffer */

static FILE *nowhere;

/* Shown to nobody; of what was printed no byte disturbs a terminal. */
static void show(enum action action, json_t *data)
{
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		abort();
	render(action, data, memory);
	fclose(memory);
	for (size_t i = 0; i < len; i++)
		if ((text[i] >= 0 && text[i] < ' ' && text[i] != '\n') || text[i] == 0x7f)
			abort();
	free(text);
}

static void show_answer(unsigned command, const char *text, size_t len)
{
	json_t *data = json_loadb(text, len, 0, NULL), *first;

	if (!data)
		return;
	show(grammar_commands[command % grammar_n_commands].action, data);
	first = json_array_get(json_object_get(data, "ports"), 0);
	rates_between(first, json_array_get(json_object_get(data, "ports"), 1), 0.5);
	json_decref(data);
}

static void add_page(void *ctx, json_t *rows)
{
	listing_add(ctx, rows);
}

static void ask(const char *answers, size_t len)
{
	struct client client = {.fd = -1};
	struct pl_error err = {"", ""};
	struct listing listing;
	int fds[2];

	if (len > ANSWERS_MAX)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		abort();
	client.fd = fds[0];
	if (len && send(fds[1], answers, len, 0) != (ssize_t)len)
		abort();
	shutdown(fds[1], SHUT_WR);
	listing_begin(&listing, ACTION_ROUTES);
	if (client_ask_pages(&client, "show routes", NULL, "routes", add_page, &listing, &err) > 0)
		abort();
	listing_end(&listing, nowhere);
	client_close(&client);
	close(fds[1]);
}

static void understand(const char *input, size_t len)
{
	char *text = strndup(input, len), *rest = text, *word;
	char *argv[WORDS_MAX + 2] = {"peerlane"};
	struct pl_error err = {"", ""};
	struct invocation inv;
	int argc = 1;

	if (!text)
		abort();
	while (argc <= WORDS_MAX && (word = strsep(&rest, "\n")))
		argv[argc++] = word;
	grammar_complete(nowhere, argc - 1, argv + 1);
	if (grammar_parse(&inv, argc, argv, &err) ? err.what[0] == '\0' : !inv.command)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data + 1;

	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	if (!nowhere)
		abort();
	if (size == 0)
		return 0;
	if (data[0] == '<')
		ask(rest, size - 1);
	else if (data[0] == '>')
		understand(rest, size - 1);
	else
		show_answer(data[0] >= 'a' ? data[0] - 'a' : data[0], rest, size - 1);
	return 0;
}
