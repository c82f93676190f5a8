/* SPDX-License-Identifier: BSD-2-Clause */
/* What `peerlane devices` says of a device, in JSON. */
#ifndef PEERLANE_CLI_WORDS_H
#define PEERLANE_CLI_WORDS_H

#include <jansson.h>
#include <stdbool.h>

/* Names come from outside and may be no UTF-8. */
json_t *json_text(const char *text);

/* null for NULL and "". */
json_t *text_or_null(const char *text);

/* Adds what stands in the way, and what removes it. `blocks`: as long as it does, the device cannot be
 * used; else it can, but not as it should. */
void obstacle(json_t *list, bool blocks, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
