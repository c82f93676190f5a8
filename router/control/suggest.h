/* SPDX-License-Identifier: BSD-2-Clause */
/* "Did you mean": the word nearest to a mistyped one. Used by daemon and command alike. */
#ifndef PEERLANE_CONTROL_SUGGEST_H
#define PEERLANE_CONTROL_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours; case does not count) that turn `a` into `b`.
 * Words longer than 31 characters count as unlike any other. */
unsigned suggest_distance(const char *a, const char *b);

/* The word nearest to `word`, or NULL if none is near enough to be meant. */
const char *suggest_nearest(const char *word, const char *const *words, size_t n_words);

#endif
