/* SPDX-License-Identifier: BSD-2-Clause */
/* The TAP interfaces that outlive the daemon: marking them as ours, and removing them.
 *
 * The mark is the interface's alias, which `ip link` shows, which lives exactly as long as the
 * interface and in the same network namespace: no file can be lost or lie. */
#ifndef PEERLANE_CONTROL_CLEANUP_H
#define PEERLANE_CONTROL_CLEANUP_H

#include "config.h"
#include "log.h"

#define CLEANUP_ALIAS "peerlaned"

/* Marks the TAP `ifindex`. An alias that the operator gave it is replaced. Returns 0 or -errno. */
int cleanup_mark(unsigned ifindex);

/* Removes the TAPs of the configured ports, and all that bear the mark, in this network namespace.
 * Interfaces of these names that are no TAPs are not touched.
 * Returns 0, or -errno with `err` filled (-EBUSY: a daemon uses one of them). */
int cleanup_run(const struct config *config, const struct log *log, struct pl_error *err);

#endif
