/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run found, for people and as JSON; and whether that is what was demanded. */
#ifndef GEN_REPORT_H
#define GEN_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "run.h"

/* A line about the run so far. `before` is what the line before was about, and becomes what this one is. */
struct gen_progress {
	uint64_t sent, received, ns;
};
void gen_report_progress(FILE *to, const struct gen_run *run, uint64_t now_ns,
			 struct gen_progress *before);

void gen_report_text(FILE *to, const struct gen_run *run);

/* NULL: no memory. The caller's. `argv` are the command's words. `failed` (NULL: it did not) says why the run did not go
 * to its end; one that never began counting has no more to say. */
json_t *gen_report_json(const struct gen_run *run, const struct pl_error *failed, int argc,
			char *const *argv);

/* Whether nothing was corrupted, not more was lost than allowed, and, if the settings are strict, nothing was reordered,
 * duplicated, misrouted or lost by the generator itself, which was fast enough. */
bool gen_report_fine(const struct gen_run *run);

#endif
