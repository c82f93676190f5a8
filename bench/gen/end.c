/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "end.h"

static const char *after(const char *text, const char *start)
{
	size_t len = strlen(start);

	return strncmp(text, start, len) == 0 && text[len] ? text + len : NULL;
}

int gen_end_open(const char *name, unsigned size_max, struct gen_end **end, struct pl_error *err)
{
	const char *rest;
	int rc;

	*end = NULL;
	if (strcmp(name, "loop") == 0)
		rc = gen_end_loop(size_max, end, err);
	else if ((rest = after(name, "afxdp:")))
		rc = gen_end_afxdp(rest, size_max, end, err);
	else if ((rest = after(name, "wire:")))
		rc = gen_end_wire(rest, size_max, end, err);
	else
		rc = pl_error_set(err, -EINVAL, "use afxdp:INTERFACE[:QUEUE], wire:PATH or loop",
				  "\"%s\" is no end", name);
	if (!rc)
		(*end)->name = name;
	return rc;
}
