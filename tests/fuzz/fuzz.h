/* SPDX-License-Identifier: BSD-2-Clause */
/* A fuzz target: libFuzzer's entry; drive.c runs it without libFuzzer. See README.md. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Aborts when the target does what it must never do. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input that is read from its front; what is beyond its end reads as zero. */
struct fuzz_input {
	const uint8_t *at, *end;
};

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint16_t low = fuzz_u8(in);

	return (uint16_t)(low | fuzz_u8(in) << 8);
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
	uint32_t low = fuzz_u16(in);

	return low | (uint32_t)fuzz_u16(in) << 16;
}

#endif
