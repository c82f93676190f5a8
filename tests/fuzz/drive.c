/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target as a test: its seeds, files named on the command line, and a fixed number of
 * mutations of the seeds, the same in every run. For longer hunts link the target with clang's
 * -fsanitize=fuzzer instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MUTATIONS 20000
#define INPUT_MAX 4096

/* Changes `len` bytes at `input` here and there; returns the new length. */
static size_t mutate(uint8_t *input, size_t len, unsigned *seed)
{
	static const char odd[] = "\n\r\t =[]{}\":,;#/-0123456789eE.\\\xff\x80";
	unsigned changes = 1 + (unsigned)rand_r(seed) % 6;

	for (unsigned i = 0; i < changes && len > 0; i++) {
		size_t at = (size_t)rand_r(seed) % len, n = 1 + (size_t)rand_r(seed) % 16;

		if (n > len - at)
			n = len - at;
		switch (rand_r(seed) % 5) {
		case 0: /* a bit */
			input[at] ^= (uint8_t)(1 << rand_r(seed) % 8);
			break;
		case 1: /* a character that means something */
			input[at] = (uint8_t)odd[(size_t)rand_r(seed) % sizeof(odd)];
			break;
		case 2: /* some bytes less */
			memmove(input + at, input + at + n, len - at - n);
			len -= n;
			break;
		case 3: /* some bytes twice */
			if (len + n > INPUT_MAX)
				break;
			memmove(input + at + n, input + at, len - at);
			len += n;
			break;
		default: /* a cut */
			len = at;
		}
	}
	return len;
}

/* On the heap and exactly as long as it is, so that a sanitizer sees any byte too far. */
static void run(const uint8_t *input, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, input, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_file(const char *path)
{
	static uint8_t input[1 << 20];
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(1);
	}
	run(input, fread(input, 1, sizeof(input), file));
	fclose(file);
}

int main(int argc, char **argv)
{
	uint8_t input[INPUT_MAX];
	unsigned seed = 1, n_seeds = 0;

	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	for (; fuzz_seeds[n_seeds]; n_seeds++)
		run((const uint8_t *)fuzz_seeds[n_seeds], strlen(fuzz_seeds[n_seeds]));
	for (unsigned i = 0; i < MUTATIONS; i++) {
		const char *from = fuzz_seeds[i % n_seeds];
		size_t len = strlen(from);

		memcpy(input, from, len);
		run(input, mutate(input, len, &seed));
	}
	return 0;
}
