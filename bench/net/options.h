/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and exits, shared by the small programs of this folder. */
#ifndef BENCH_NET_OPTIONS_H
#define BENCH_NET_OPTIONS_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Ends the program with a message. */
static inline void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* The number in `text`, which must be all of it and within bounds; `name` is for the message. */
static inline unsigned long long number(const char *name, const char *text, unsigned long long min,
					unsigned long long max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || n < min || n > max)
		die("%s: \"%s\" is no number from %llu to %llu", name, text, min, max);
	return n;
}

static inline unsigned long long power_of_two(const char *name, const char *text,
					      unsigned long long max)
{
	unsigned long long n = number(name, text, 1, max);

	if (n & (n - 1))
		die("%s: %llu is not a power of two", name, n);
	return n;
}

static inline double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
