/* SPDX-License-Identifier: BSD-2-Clause */
/* What outlives the daemon: marking TAP interfaces as ours, and removing them and old sockets.
 *
 * The mark is the interface's alias, which `ip link` shows, which lives exactly as long as the
 * interface and in the same network namespace: no file can be lost or lie. */
#ifndef PEERLANE_CONTROL_CLEANUP_H
#define PEERLANE_CONTROL_CLEANUP_H

#include "config.h"

#define CLEANUP_ALIAS "peerlaned"

/* Marks the TAP `ifindex`. An alias that the operator gave it is replaced. Returns 0 or -errno. */
int cleanup_mark(unsigned ifindex);

/* Told of each thing that was removed: the name of a TAP, the path of a socket. */
typedef void cleanup_fn(void *ctx, const char *what);

/* Removes the TAPs of the configured ports, and all that bear the mark, in this network namespace,
 * and what a daemon has left at the configured control socket. Nothing is removed while a daemon
 * runs there, or one of the TAPs is in use, or one of the configuration is not a TAP.
 * Returns 0, or -errno with `err` filled (-EBUSY: these). */
int cleanup_run(const struct config *config, cleanup_fn *removed, void *ctx, struct pl_error *err);

#endif
