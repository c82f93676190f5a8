/* SPDX-License-Identifier: BSD-2-Clause */
/* What every frame of the generator carries at the start of its UDP payload: 18 bytes, which is what an
 * IPv4 frame of 64 bytes has room for (64 - 14 Ethernet - 20 IPv4 - 8 UDP - 4 FCS).
 *
 *	 0  run    2 bytes, little-endian: a number of the sender's run, random, not 0
 *	 2  a      8 bytes, little-endian: flow (bits 0 to 22), whether it is of a warm-up (23),
 *	           sequence number (24 to 55), time stamp's bits 0 to 7 (56 to 63)
 *	10  b      8 bytes, little-endian: time stamp's bits 8 to 47 (0 to 39), check (40 to 63)
 *
 * The check is the low 24 bits of the CRC-32C of payload length, a, b and run: any one or two wrong bits are
 * found, of others all but one in 16 million. What another run sent is told from what this one did, but
 * where both have drawn the same number: once in 65,535. */
#ifndef GEN_RECORD_H
#define GEN_RECORD_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

#define GEN_RECORD_BYTES 18u
#define GEN_FLOWS_MAX 1000000u
#define GEN_WARMUP \
	(1u        \
	 << 23) /* in the flow's number: a frame that does not count, with a numbering of its own */
#define GEN_TIME_BITS 48 /* of nanoseconds: 78 hours */

#define GEN_RUN_ANY \
	0u /* no run's number: of a receiver that does not know yet whose frames will come */

struct gen_record {
	uint16_t run;
	uint32_t flow;	  /* below 2^23, and GEN_WARMUP */
	uint32_t seq;	  /* counts from 0 in its flow, and wraps */
	uint64_t time_ns; /* when it was to be sent, CLOCK_MONOTONIC modulo 2^GEN_TIME_BITS */
};

/* CRC-32C (Castagnoli) of eight more bytes, without the usual inversions; bit by bit. */
static inline uint32_t gen_crc_slow(uint32_t crc, uint64_t word)
{
	word ^= crc;
	for (unsigned i = 0; i < 64; i++)
		word = word >> 1 ^ (word & 1 ? 0x82f63b78u : 0);
	return (uint32_t)word;
}

static inline uint32_t gen_crc(uint32_t crc, uint64_t word)
{
#ifdef __SSE4_2__
	return (uint32_t)_mm_crc32_u64(crc, word);
#else
	return gen_crc_slow(crc, word);
#endif
}

#define GEN_B_TIME ((1ull << 40) - 1)

static inline uint64_t gen_check(uint16_t run, uint64_t a, uint64_t b, uint32_t payload_len)
{
	b = (b & GEN_B_TIME) | (uint64_t)run << 40;
	return gen_crc(gen_crc(~payload_len, a), b) & 0xffffff;
}

/* Writes the record of a payload of `payload_len` bytes. */
static inline void gen_record_put(uint8_t *p, const struct gen_record *r, uint32_t payload_len)
{
	uint64_t a = r->flow | (uint64_t)r->seq << 24 | r->time_ns << 56;
	uint64_t b = r->time_ns >> 8 & GEN_B_TIME;
	uint16_t run = htole16(r->run);

	b |= gen_check(r->run, a, b, payload_len) << 40;
	a = htole64(a);
	b = htole64(b);
	memcpy(p, &run, 2);
	memcpy(p + 2, &a, 8);
	memcpy(p + 10, &b, 8);
}

enum gen_record_state {
	GEN_RECORD_GOOD,
	GEN_RECORD_DAMAGED, /* the run's, but not as it was sent: `r` is not to be trusted */
	GEN_RECORD_NONE,    /* another run's, or no record */
};

static inline uint16_t gen_record_run(const uint8_t *p)
{
	uint16_t run;

	memcpy(&run, p, 2);
	return le16toh(run);
}

/* Reads a record of the run `run`, or of whichever it is for GEN_RUN_ANY. */
static inline enum gen_record_state gen_record_get(const uint8_t *p, uint16_t run,
						   struct gen_record *r, uint32_t payload_len)
{
	uint64_t a, b;
	bool mine;

	memcpy(&a, p + 2, 8);
	memcpy(&b, p + 10, 8);
	a = le64toh(a);
	b = le64toh(b);
	r->run = gen_record_run(p);
	r->flow = a & 0xffffff;
	r->seq = (uint32_t)(a >> 24);
	r->time_ns = a >> 56 | (b & GEN_B_TIME) << 8;
	mine = r->run == run;
	if (gen_check(r->run, a, b, payload_len) == b >> 40)
		return mine || (run == GEN_RUN_ANY && r->run) ? GEN_RECORD_GOOD : GEN_RECORD_NONE;
	/* One whose run's number was damaged is whole with the right one. */
	return run && (mine || gen_check(run, a, b, payload_len) == b >> 40) ? GEN_RECORD_DAMAGED
									     : GEN_RECORD_NONE;
}

#endif
