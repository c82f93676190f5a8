/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

#include <peerlane/error.h>

int pl_error_set(struct pl_error *err, int code, const char *remedy, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return code;
	va_start(args, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, args);
	va_end(args);
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy ? remedy : "");
	return code;
}
