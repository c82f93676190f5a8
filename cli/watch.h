/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates of all ports, live. */
#ifndef PEERLANE_CLI_WATCH_H
#define PEERLANE_CLI_WATCH_H

#include "client.h"
#include "grammar.h"

/* Looks at the ports every `interval_s` and prints their rates: redrawn in place on a terminal,
 * line after line elsewhere, JSON lines with -j. Ends after `count` of them, by q or Ctrl-C.
 *
 * Returns 0, or what client_ask() returns, with `err` filled. The terminal is left as it was. */
int watch(struct client *client, const struct invocation *invocation, struct pl_error *err);

#endif
