/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: clients, lines in, lines out. Knows nothing of what the lines say.
 *
 * Nothing here blocks. A client gets its next request answered only when it has read the answer
 * to the one before, so what is buffered for it never exceeds one answer, however slowly it
 * reads. All functions: control thread. */
#ifndef PEERLANE_CONTROL_SERVER_H
#define PEERLANE_CONTROL_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include <peerlane/error.h>

#define SERVER_LINE_MAX 65536u /* bytes of a request, newline included */
#define SERVER_CLIENTS_MAX 32u

struct server;

/* Answers one line (no newline at its end; not terminated). Returns a line in memory that the
 * server frees, without newline, or NULL when out of memory: the client is then dropped. */
typedef char *server_answer_fn(void *ctx, const char *line, size_t len);

/* What to say to a client that cannot be served ("too many clients"), as above. */
typedef char *server_refuse_fn(void *ctx, int code, const char *message, const char *remedy);

struct server_config {
	const char *path;  /* of the socket; its folder is made if it is missing */
	const char *group; /* that may use it beside its owner; "": none */
	server_answer_fn *answer;
	server_refuse_fn *refuse;
	void *ctx;
};

/* Makes the folder in which `path`, absolute, lies, if it is missing; its parent must exist. Returns 0 or
 * -errno with `err` filled. */
int server_make_folder(const char *path, struct pl_error *err);

/* Locks `path`.lock, so that no second daemon takes the socket away, replaces a socket that a
 * former run left, and listens.
 *
 * Returns 0 or -errno with `err` filled (-EBUSY: another daemon has it) and nothing left behind
 * but the lock's file. */
int server_open(struct server **server, const struct server_config *config, struct pl_error *err);

/* Only takes the lock, so that no daemon starts on `path` meanwhile. *server is NULL when there is
 * nothing of a daemon at `path`. Returns 0 or -errno with `err` filled (-EBUSY: one runs). */
int server_claim(struct server **server, const char *path, struct pl_error *err);

/* Removes what a daemon left at the path that was claimed: socket and lock. Accepts NULL. Returns
 * whether there was a socket. */
bool server_clear(struct server *server);

/* Readable when server_run() has something to do. */
int server_fd(const struct server *server);

/* Handles what there is, without blocking beyond a bounded batch. */
void server_run(struct server *server);

unsigned server_clients(const struct server *server);

/* Serves a connected stream socket that the caller made, as if it had come in. Returns 0 or
 * -errno; the socket is the server's either way. For tests. */
int server_adopt(struct server *server, int fd);

/* Drops all clients and removes the socket. */
void server_close(struct server *server);

#endif
