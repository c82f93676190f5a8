/* SPDX-License-Identifier: BSD-2-Clause */
/* Unix sockets at a path which a lock beside them keeps for one process. */
#ifndef PEERLANE_SOCKET_H
#define PEERLANE_SOCKET_H

#include <stdbool.h>

#include <peerlane/error.h>

/* Whether the open file `fd` is still the one at `path`: a lock on one that has been replaced meanwhile keeps
 * nobody off. Any thread. */
bool pl_socket_is_file(int fd, const char *path);

/* Whether a socket can be had at `path`: there is nothing, or a socket. Changes nothing. `other` as below. Returns 0,
 * or -EEXIST with `err` filled. Any thread. */
int pl_socket_check(const char *path, const char *other, struct pl_error *err);

/* Removes a socket that a former process left at `path`; whoever has the lock knows that it is nobody's. Anything
 * else is not ours to remove. `other` says how to have another path: "use another path".
 *
 * Returns 0, also if there is none, or -EEXIST (no socket) or what unlink() says, with `err` filled. */
int pl_socket_remove_stale(const char *path, const char *other, struct pl_error *err);

#endif
