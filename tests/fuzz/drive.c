/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target without libFuzzer, by any compiler: the inputs in the files and folders named,
 * and mutations of them, the same in every run. Takes of libFuzzer's options -runs=N (mutations),
 * -seed=N, -max_total_time=SECONDS and -max_len=BYTES.
 *
 * It does not look at coverage and finds little that is new: it is for tests, and for going over
 * much in a short time. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fuzz.h"

#define FILE_MAX (1u << 20)

struct input {
	uint8_t *bytes;
	size_t len;
};

static struct input *corpus;
static size_t n_corpus;

static unsigned long long runs = 20000, max_seconds, max_len = 4096;
static unsigned seed = 1;

static void *must(void *p)
{
	if (p)
		return p;
	perror("fuzz");
	exit(1);
}

/* ---- the corpus ---- */

static void read_file(const char *path)
{
	FILE *file = must(fopen(path, "rbe"));
	struct input in = {.bytes = must(malloc(FILE_MAX))};

	in.len = fread(in.bytes, 1, FILE_MAX, file);
	if (ferror(file)) {
		perror(path);
		exit(1);
	}
	fclose(file);
	in.bytes = must(realloc(in.bytes, in.len ? in.len : 1));
	corpus = must(realloc(corpus, (n_corpus + 1) * sizeof(*corpus)));
	corpus[n_corpus++] = in;
}

static void read_path(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n;

	if (stat(path, &st)) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		read_file(path);
		return;
	}
	/* In one order everywhere: the mutations depend on it. */
	n = scandir(path, &entries, NULL, alphasort);
	if (n < 0) {
		perror(path);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			read_path(name);
		free(entries[i]);
	}
	free(entries);
}

/* ---- mutations ---- */

static size_t below(size_t n)
{
	return n ? ((size_t)rand_r(&seed) << 15 ^ (size_t)rand_r(&seed)) % n : 0;
}

/* Puts a piece of another input at `at`. */
static size_t splice(uint8_t *input, size_t len, size_t at)
{
	const struct input *other = &corpus[below(n_corpus)];
	size_t from = below(other->len), n = 1 + below(64);

	if (n > other->len - from)
		n = other->len - from;
	if (len + n > max_len)
		return len;
	memmove(input + at + n, input + at, len - at);
	memcpy(input + at, other->bytes + from, n);
	return len + n;
}

/* Changes `len` bytes at `input` here and there; returns the new length. */
static size_t mutate(uint8_t *input, size_t len)
{
	static const char odd[] = "\n\r\t =[]{}\":,;#/-0123456789eE.\\\xff\x80";

	for (size_t i = 1 + below(6); i > 0 && len > 0; i--) {
		size_t at = below(len), n = 1 + below(16);

		if (n > len - at)
			n = len - at;
		switch (below(8)) {
		case 0: /* a bit */
			input[at] ^= (uint8_t)(1 << below(8));
			break;
		case 1: /* a byte */
			input[at] = (uint8_t)below(256);
			break;
		case 2: /* a character that means something */
			input[at] = (uint8_t)odd[below(sizeof(odd))];
			break;
		case 3: /* some bytes less */
			memmove(input + at, input + at + n, len - at - n);
			len -= n;
			break;
		case 4: /* some bytes twice */
			if (len + n > max_len)
				break;
			memmove(input + at + n, input + at, len - at);
			len += n;
			break;
		case 5: /* a cut, now and then */
			len = below(16) ? len : at;
			break;
		default:
			len = splice(input, len, at);
		}
	}
	return len;
}

/* On the heap and exactly as long as it is, so that a sanitizer sees any byte too far. */
static void run(const uint8_t *input, size_t len)
{
	uint8_t *copy = must(malloc(len ? len : 1));

	memcpy(copy, input, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_mutation(uint8_t *input)
{
	const struct input *from = &corpus[below(n_corpus)];
	size_t len = from->len < max_len ? from->len : max_len;

	memcpy(input, from->bytes, len);
	run(input, mutate(input, len));
}

/* ---- options ---- */

static bool option(const char *arg, const char *name, unsigned long long *value)
{
	size_t len = strlen(name);
	char *end;

	if (strncmp(arg, name, len) != 0)
		return false;
	errno = 0;
	*value = strtoull(arg + len, &end, 10);
	if (errno || end == arg + len || *end) {
		fprintf(stderr, "fuzz: %s: not a number\n", arg);
		exit(2);
	}
	return true;
}

static void read_argument(const char *arg)
{
	unsigned long long start;

	if (option(arg, "-seed=", &start))
		seed = (unsigned)start;
	else if (!option(arg, "-runs=", &runs) && !option(arg, "-max_len=", &max_len) &&
		 !option(arg, "-max_total_time=", &max_seconds)) {
		if (arg[0] == '-') {
			fprintf(stderr, "fuzz: %s: unknown option\n", arg);
			exit(2);
		}
		read_path(arg);
	}
}

int main(int argc, char **argv)
{
	unsigned long long i;
	uint8_t *input;
	time_t start = time(NULL);

	for (int k = 1; k < argc; k++)
		read_argument(argv[k]);
	if (!n_corpus) {
		fprintf(stderr,
			"usage: %s [-runs=N] [-seed=N] [-max_total_time=SECONDS] "
			"[-max_len=BYTES] FILE|FOLDER...\n",
			argv[0]);
		return 2;
	}
	for (size_t k = 0; k < n_corpus; k++)
		run(corpus[k].bytes, corpus[k].len);
	input = must(malloc(max_len + 1));
	for (i = 0; i < runs; i++) {
		if (max_seconds && (unsigned long long)(time(NULL) - start) >= max_seconds)
			break;
		run_mutation(input);
	}
	printf("%zu inputs, %llu mutations\n", n_corpus, i);
	free(input);
	for (size_t k = 0; k < n_corpus; k++)
		free(corpus[k].bytes);
	free(corpus);
	return 0;
}
