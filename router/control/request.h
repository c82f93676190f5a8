/* SPDX-License-Identifier: BSD-2-Clause */
/* The control protocol: a JSON request in a line, a JSON answer in a line (docs/protocol.md). */
#ifndef PEERLANE_CONTROL_REQUEST_H
#define PEERLANE_CONTROL_REQUEST_H

#include <jansson.h>
#include <stddef.h>

#include "router.h"

/* Answers one request. Never fails for what the request says: errors are answers too. Returns a
 * line without newline in memory that the caller frees, or NULL when out of memory. */
char *request_answer(struct router *router, const char *line, size_t len);

/* The answer that says `code` (an errno, positive) to nobody's request: its id is null. In memory that the caller
 * frees; NULL: out of memory. */
char *request_refusal(int code, const char *message, const char *remedy);

/* An error as all answers have it, of an errno (positive): code, message, remedy. NULL: out of memory. */
json_t *request_error(int code, const struct pl_error *err);

#endif
