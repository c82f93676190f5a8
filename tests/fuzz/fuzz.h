/* SPDX-License-Identifier: BSD-2-Clause */
/* A fuzz target: libFuzzer's entry, and seeds for drive.c, which runs it without libFuzzer. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Aborts when the target does what it must never do. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const char *const fuzz_seeds[]; /* ended by NULL */

#endif
