/* SPDX-License-Identifier: BSD-2-Clause */
/* What an answer of the daemon's has under a key. */
#ifndef PEERLANE_CLI_ANSWER_H
#define PEERLANE_CLI_ANSWER_H

#include <jansson.h>

/* "" if it is no text, or not there. Valid as long as the object. */
static inline const char *text(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* 0 if it is no whole number, or not there. */
static inline json_int_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

#endif
