/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that vanish and return, and TAPs that somebody deletes, while the router runs. Control
 * thread. */
#ifndef PEERLANE_CONTROL_REOPEN_H
#define PEERLANE_CONTROL_REOPEN_H

#include "router.h"

/* The port's device is gone: lets go of it, and takes back the buffers that it had. Planes run on,
 * for the others. */
void reopen_lost(struct router *router, unsigned port);

/* A device of the port's name is there, or has changed: reopen_run() is to try it. Or it has gone
 * again. */
void reopen_soon(struct router *router, unsigned port);

/* Tries what is due: devices that are back, and TAPs that are lost. Returns in how many ms there is
 * something to do again, at most `max_ms`. */
int reopen_run(struct router *router, int max_ms);

#endif
