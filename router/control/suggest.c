/* SPDX-License-Identifier: BSD-2-Clause */
#include "suggest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 31u

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static int lower(char c)
{
	return tolower((unsigned char)c);
}

/* Optimal string alignment distance over the whole matrix: words are short. */
unsigned suggest_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned char d[WORD_MAX + 1][WORD_MAX + 1];

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned char)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			unsigned differ = lower(a[i - 1]) != lower(b[j - 1]);
			unsigned best =
				min3(d[i - 1][j] + 1u, d[i][j - 1] + 1u, d[i - 1][j - 1] + differ);

			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				best = min3(best, best, d[i - 2][j - 2] + 1u);
			d[i][j] = (unsigned char)best;
		}
	}
	return d[la][lb];
}

const char *suggest_nearest(const char *word, const char *const *words, size_t n_words)
{
	const char *nearest = NULL;
	unsigned least = WORD_MAX;

	for (size_t i = 0; i < n_words; i++) {
		unsigned distance = suggest_distance(word, words[i]);

		if (distance < least) {
			least = distance;
			nearest = words[i];
		}
	}
	/* A third of the letters wrong is a typing error, more is another word. */
	return least <= 1 + strlen(word) / 3 && nearest && least < strlen(nearest) ? nearest : NULL;
}
