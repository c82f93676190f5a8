/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator's frames: what is built is read again, what was damaged is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "../../bench/gen/frame.h"

#define PORT 9
#define RUN 0x1234

static struct gen_filler filler;

static const struct gen_record some = {
	.run = RUN, .flow = 0xabcdef, .seq = 0x89abcdef, .time_ns = 0xfedcba987654};

static uint32_t build(uint8_t *frame, uint8_t family, unsigned size)
{
	const struct gen_headers headers = {
		.smac = {2, 1}, .dmac = {2, 2}, .port = PORT, .ttl = 64};
	struct gen_template t;
	struct gen_flow_tx flow = {.family = family, .source_port = htons(1025)};

	for (unsigned i = 0; i < 16; i++) {
		flow.source[i] = (uint8_t)(i + 10);
		flow.destination[i] = (uint8_t)(i + 200);
	}
	gen_template_init(&t, family, size, &headers, &filler);
	gen_flow_tx_init(&flow);
	gen_frame_build(frame, &t, &flow, &some, &filler);
	return t.len;
}

static void assert_same(const struct gen_record *a, const struct gen_record *b)
{
	assert_int_equal(a->run, b->run);
	assert_int_equal(a->flow, b->flow);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->time_ns, b->time_ns);
}

static const uint8_t families[] = {AF_INET, AF_INET6};

static unsigned size_min(uint8_t family)
{
	return family == AF_INET ? GEN_SIZE_MIN4 : GEN_SIZE_MIN6;
}

static void every_size_is_read_again(void **state)
{
	uint8_t *frame = malloc(GEN_SIZE_MAX);
	struct gen_record r;

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned size = size_min(families[f]); size <= GEN_SIZE_MAX; size++) {
			uint32_t len = build(frame, families[f], size);

			assert_int_equal(len, size - 4);
			assert_int_equal(gen_frame_parse(frame, len, PORT, RUN, &filler, &r),
					 GEN_GOOD);
			assert_same(&r, &some);
		}
	}
	free(frame);
}

/* Byte by byte, from the RFCs: what a router, or a host, would check. */
static void headers_are_right(void **state)
{
	uint8_t frame[256];
	uint32_t len = build(frame, AF_INET, 64);
	static const uint8_t head[] = {2, 2, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 8, 0, 0x45, 0, 0, 46};
	uint32_t sum = 0;

	(void)state;
	assert_memory_equal(frame, head, sizeof(head));
	assert_int_equal(frame[22], 64);
	assert_int_equal(frame[23], IPPROTO_UDP);
	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_int_equal(frame[26], 10);
	assert_int_equal(frame[30], 200);
	assert_int_equal(frame[34] << 8 | frame[35], 1025);
	assert_int_equal(frame[36] << 8 | frame[37], PORT);
	assert_int_equal(frame[38] << 8 | frame[39], 26);

	len = build(frame, AF_INET6, 101);
	assert_int_equal(frame[12] << 8 | frame[13], 0x86dd);
	assert_int_equal(frame[18] << 8 | frame[19], 43);
	assert_int_equal(frame[58] << 8 | frame[59], 43);
	frame[len] = 0;
	sum = 43 + IPPROTO_UDP;
	for (unsigned i = 22; i < len; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
}

/* What a router does to a frame leaves it as good as it was. */
static void forwarding_is_no_damage(void **state)
{
	uint8_t frame[256];
	struct gen_record r;
	uint32_t len = build(frame, AF_INET, 64);
	uint32_t sum = 0;

	(void)state;
	memset(frame, 7, 12);
	frame[22]--;
	memset(frame + 24, 0, 2);
	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	/* And padding, as of a switch. */
	assert_int_equal(gen_frame_parse(frame, len + 4, PORT, RUN, &filler, &r), GEN_GOOD);
	len = build(frame, AF_INET6, 84);
	memset(frame, 7, 12);
	frame[21]--;
	assert_int_equal(gen_frame_parse(frame, len, PORT, RUN, &filler, &r), GEN_GOOD);
}

/* No wrong bit behind the Ethernet header goes unnoticed, but in IPv6's fields that nothing covers: traffic class,
 * flow label and hop limit. */
static void every_wrong_bit_is_found(void **state)
{
	uint8_t frame[256];
	struct gen_record r;

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned size = size_min(families[f]); size <= size_min(families[f]) + 7;
		     size += 7) {
			uint32_t len = build(frame, families[f], size);

			for (unsigned bit = 14 * 8; bit < len * 8; bit++) {
				unsigned at = bit / 8;
				enum gen_kind kind;

				frame[at] ^= (uint8_t)(1u << bit % 8);
				kind = gen_frame_parse(frame, len, PORT, RUN, &filler, &r);
				frame[at] ^= (uint8_t)(1u << bit % 8);
				if (families[f] == AF_INET6 &&
				    ((at >= 14 && at < 18 && (at > 14 || bit % 8 < 4)) || at == 21))
					continue;
				/* UDP's source port and checksum are covered by nothing in IPv4. */
				if (families[f] == AF_INET && (at == 34 || at == 35 || at >= 40) &&
				    at < 42)
					continue;
				assert_int_not_equal(kind, GEN_GOOD);
				/* What is in the payload is known for ours. */
				if (at >= len - (size - size_min(families[f])) - GEN_RECORD_BYTES)
					assert_int_not_equal(kind, GEN_FOREIGN);
			}
		}
	}
}

static void two_wrong_bits_of_a_record_are_found(void **state)
{
	uint8_t p[GEN_RECORD_BYTES];
	struct gen_record r;

	(void)state;
	gen_record_put(p, &some, GEN_RECORD_BYTES);
	assert_int_equal(gen_record_get(p, RUN, &r, GEN_RECORD_BYTES), GEN_RECORD_GOOD);
	assert_same(&r, &some);
	/* Another length is another record. */
	assert_int_equal(gen_record_get(p, RUN, &r, GEN_RECORD_BYTES + 1), GEN_RECORD_DAMAGED);
	for (unsigned a = 0; a < 8 * GEN_RECORD_BYTES; a++) {
		for (unsigned b = a + 1; b < 8 * GEN_RECORD_BYTES; b++) {
			p[a / 8] ^= (uint8_t)(1u << a % 8);
			p[b / 8] ^= (uint8_t)(1u << b % 8);
			assert_int_not_equal(gen_record_get(p, RUN, &r, GEN_RECORD_BYTES),
					     GEN_RECORD_GOOD);
			p[a / 8] ^= (uint8_t)(1u << a % 8);
			p[b / 8] ^= (uint8_t)(1u << b % 8);
		}
	}
}

/* The instruction and its definition agree; the value is the published check of CRC-32C ("123456789"). */
static void crc_is_castagnoli(void **state)
{
	uint64_t x = 1, word;
	uint32_t crc;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		assert_int_equal(gen_crc((uint32_t)(x >> 7), x),
				 gen_crc_slow((uint32_t)(x >> 7), x));
	}
	memcpy(&word, "12345678", 8);
	crc = gen_crc_slow(~0u, le64toh(word)) ^ '9';
	for (unsigned i = 0; i < 8; i++)
		crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	assert_int_equal(~crc, 0xe3069283u);
}

static void others_frames_are_foreign(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} changes[] = {
		{12, 0x81}, /* VLAN */
		{14, 0x46}, /* options */
		{23, 6},    /* TCP */
		{20, 0x20}, /* a fragment */
		{37, 10},   /* another port */
	};
	uint8_t frame[256], copy[256];
	struct gen_record r;
	uint32_t len = build(frame, AF_INET, 64);

	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(copy, frame, sizeof(copy));
		copy[changes[i].at] = changes[i].value;
		assert_int_equal(gen_frame_parse(copy, len, PORT, RUN, &filler, &r), GEN_FOREIGN);
	}
	for (uint32_t cut = 0; cut < len; cut++)
		assert_int_equal(gen_frame_parse(frame, cut, PORT, RUN, &filler, &r), GEN_FOREIGN);
	/* Neither run nor check. */
	frame[42] ^= 1;
	frame[59] ^= 1;
	assert_int_equal(gen_frame_parse(frame, len, PORT, RUN, &filler, &r), GEN_FOREIGN);
}

/* What another run sent is not ours, though it be as good; a receiver that has no run yet takes it. */
static void another_runs_frames_are_foreign(void **state)
{
	uint8_t frame[256];
	struct gen_record r;

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		uint32_t len = build(frame, families[f], size_min(families[f]) + 7);

		for (unsigned bit = 0; bit < 16; bit++)
			assert_int_equal(
				gen_frame_parse(frame, len, PORT, RUN ^ 1u << bit, &filler, &r),
				GEN_FOREIGN);
		assert_int_equal(gen_frame_parse(frame, len, PORT, GEN_RUN_ANY, &filler, &r),
				 GEN_GOOD);
		assert_same(&r, &some);
		/* Its damage is not ours either. */
		frame[len - 1] ^= 1;
		assert_int_equal(gen_frame_parse(frame, len, PORT, RUN + 1, &filler, &r),
				 GEN_FOREIGN);
		assert_int_equal(gen_frame_parse(frame, len, PORT, GEN_RUN_ANY, &filler, &r),
				 GEN_CORRUPT);
		frame[len - 10] ^= 1; /* in the record */
		assert_int_equal(gen_frame_parse(frame, len, PORT, RUN + 1, &filler, &r),
				 GEN_FOREIGN);
		assert_int_equal(gen_frame_parse(frame, len, PORT, GEN_RUN_ANY, &filler, &r),
				 GEN_FOREIGN);
	}
}

/* A frame that was cut, or whose lengths are wrong, is corrupted, not another's. */
static void wrong_lengths_are_damage(void **state)
{
	static const unsigned at[][2] = {{17, 39}, {19, 59}}; /* of IP, of UDP */
	uint8_t frame[1514], copy[1514];
	struct gen_record r = {0};

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		uint32_t len = build(frame, families[f], 1518);
		uint32_t shortest = f ? GEN_SIZE_MIN6 - GEN_FCS : GEN_SIZE_MIN4 - GEN_FCS;

		for (uint32_t cut = shortest; cut < len; cut++)
			assert_int_equal(gen_frame_parse(frame, cut, PORT, RUN, &filler, &r),
					 GEN_DAMAGED);
		for (unsigned i = 0; i < 2; i++) {
			memcpy(copy, frame, len);
			copy[at[f][i]] ^= 1;
			assert_int_equal(gen_frame_parse(copy, len, PORT, RUN, &filler, &r),
					 GEN_DAMAGED);
		}
		/* Of another program that uses the port. */
		memcpy(copy, frame, len);
		copy[f ? GEN_HEADER6 : GEN_HEADER4] ^= 1;
		assert_int_equal(gen_frame_parse(copy, 100, PORT, RUN, &filler, &r), GEN_FOREIGN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_is_read_again),
		cmocka_unit_test(headers_are_right),
		cmocka_unit_test(forwarding_is_no_damage),
		cmocka_unit_test(every_wrong_bit_is_found),
		cmocka_unit_test(two_wrong_bits_of_a_record_are_found),
		cmocka_unit_test(crc_is_castagnoli),
		cmocka_unit_test(others_frames_are_foreign),
		cmocka_unit_test(another_runs_frames_are_foreign),
		cmocka_unit_test(wrong_lengths_are_damage),
	};

	gen_filler_init(&filler);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
