/* SPDX-License-Identifier: BSD-2-Clause */
#include "words.h"

#include <stdarg.h>
#include <stdio.h>

json_t *json_text(const char *text)
{
	char clean[512];
	size_t i;

	for (i = 0; text[i] && i < sizeof(clean) - 1; i++)
		clean[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	clean[i] = '\0';
	return json_string(clean);
}

json_t *text_or_null(const char *text)
{
	return text && text[0] ? json_text(text) : json_null();
}

void obstacle(json_t *list, bool blocks, const char *remedy, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	json_array_append_new(list, json_pack("{s:o, s:o, s:b}", "what", json_text(what), "remedy",
					      json_text(remedy), "blocks", blocks));
}
