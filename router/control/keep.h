/* SPDX-License-Identifier: BSD-2-Clause */
/* TAPs that the service manager holds for us while no daemon does (systemd's file descriptor store,
 * sd_pid_notify_with_fds(3)): they keep their carrier from one daemon to the next, so that the kernel
 * and routing daemons notice nothing of a restart or crash. Without a store, all of this does nothing.
 * Control thread. */
#ifndef PEERLANE_CONTROL_KEEP_H
#define PEERLANE_CONTROL_KEEP_H

#include "router.h"

/* The descriptor of TAP `name` that was kept, the caller's from then on; 0: none. The store may have
 * others of that name, of former TAPs: they are closed, and keep_tap() has the store forget them.
 * Only at the start: once for each name, before keep_end(). */
int keep_find(const char *name);

/* Closes those that are of no port, and has the store forget them. */
void keep_end(const struct router *router);

/* Has the port's TAP kept, instead of a former one. */
void keep_tap(const struct router_port *port);

#endif
