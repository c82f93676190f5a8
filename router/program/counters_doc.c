/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes docs/counters.md from the list of reasons. With a file's name: says whether that file is
 * what would be written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

static void write_kind(FILE *out, enum pl_verdict_kind kind)
{
	fprintf(out, "| name | meaning |\n| --- | --- |\n");
	for (unsigned r = 0; r < REASON_COUNT; r++)
		if (reason_kind(r) == kind)
			fprintf(out, "| `%s` | %s |\n", reason_name(r), reason_text(r));
}

static void write_doc(FILE *out)
{
	fprintf(out, "<!-- SPDX-License-Identifier: BSD-2-Clause -->\n"
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
	write_kind(out, PL_VERDICT_PUNT);
	fprintf(out, "\n## Dropped\n\n");
	write_kind(out, PL_VERDICT_DROP);
}

static char *read_file(const char *name)
{
	FILE *in = fopen(name, "r");
	char *text = calloc(1, 1 << 16);

	if (!in || !text) {
		perror(name);
		exit(EXIT_FAILURE);
	}
	text[fread(text, 1, (1 << 16) - 1, in)] = '\0';
	fclose(in);
	return text;
}

static int check(const char *name)
{
	char *have = read_file(name), *want = NULL;
	size_t want_bytes;
	FILE *out = open_memstream(&want, &want_bytes);
	int differ;

	if (!out) {
		perror("open_memstream");
		return EXIT_FAILURE;
	}
	write_doc(out);
	fclose(out);
	differ = strcmp(have, want);
	if (differ)
		fprintf(stderr,
			"%s is not what reasons.h says\n"
			"     write it anew: counters_doc > %s\n",
			name, name);
	free(have);
	free(want);
	return differ ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return check(argv[1]);
	write_doc(stdout);
	return EXIT_SUCCESS;
}
