/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes docs/counters.md from the list of reasons, to its output. */
#include <stdio.h>

#include "cpu.h"

static void write_kind(enum pl_verdict_kind kind)
{
	printf("| name | meaning |\n| --- | --- |\n");
	for (unsigned r = 0; r < REASON_COUNT; r++)
		if (reason_kind(r) == kind)
			printf("| `%s` | %s |\n", reason_name(r), reason_text(r));
}

int main(void)
{
	printf("<!-- SPDX-License-Identifier: BSD-2-Clause -->\n"
	       "<!-- Written by router/program/counters_doc.c from router/program/reasons.h: "
	       "change that. -->\n"
	       "# Counters of fates\n\n"
	       "The packet program transmits, punts or drops every packet that is received, "
	       "and counts each punt and drop\n"
	       "under the one name that says why. `peerlane show counters` prints them, for "
	       "all planes together. What is\n"
	       "lost before or after (a full ring, a dry pool, a device that is down) is in "
	       "`peerlane show ports`.\n\n"
	       "## Punted\n\n"
	       "Handed to the kernel through the TAP interface of the port it came in on, as "
	       "it was received.\n\n");
	write_kind(PL_VERDICT_PUNT);
	printf("\n## Dropped\n\n");
	write_kind(PL_VERDICT_DROP);
	return 0;
}
