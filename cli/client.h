/* SPDX-License-Identifier: BSD-2-Clause */
/* The command's end of the control socket: requests out, answers in. */
#ifndef PEERLANE_CLI_CLIENT_H
#define PEERLANE_CLI_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#include <peerlane/error.h>

struct client {
	int fd;
	unsigned id; /* of the last request */
	char *in;    /* what was received beyond the last answer */
	size_t in_len, room;
	char code[32]; /* of the daemon's last error: "EINVAL" */
};

/* Connects. Returns 0, or -errno with `err` filled. */
int client_open(struct client *client, const char *path, struct pl_error *err);

/* Sends a request and waits for its answer. `args` may be NULL and stays the caller's.
 *
 * Returns 0 and the data, a new reference; -EREMOTEIO when the daemon refused, with its words in
 * `err` and client->code; another -errno when it cannot be reached any more, `err` filled. */
int client_ask(struct client *client, const char *command, json_t *args, json_t **data,
	       struct pl_error *err);

/* The same for a listing, which comes in pages: `page` gets the list named `list` of each, borrowed,
 * while the daemon is at the next one. */
int client_ask_pages(struct client *client, const char *command, json_t *args, const char *list,
		     void (*page)(void *ctx, json_t *rows), void *ctx, struct pl_error *err);

void client_close(struct client *client);

#endif
