/* SPDX-License-Identifier: BSD-2-Clause */
/* What an emulated NIC transmits, when it says so, and each illegal use of its TX rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu_lab.h"

/* Puts frame number `seq` of `len` bytes into buffer `i`. */
static void fill(struct lab *lab, unsigned i, uint32_t len, uint32_t seq)
{
	lab_frame(lab_tx_buffer(lab, 0, i) + LAB_OFFSET, len, seq);
}

/* A frame in one descriptor, and the tail behind it. */
static void send_one(struct lab *lab, unsigned i, uint32_t len, uint32_t seq)
{
	fill(lab, i, len, seq);
	lab_tx_desc(lab, 0, i, TX_PLAIN | TX_RS, len, len);
	lab_tx_ring(lab, 0, (i + 1) % LAB_RING);
	lab_settle(lab);
}

/* The last frame that was sent. */
static void expect_sent(struct lab *lab, unsigned n, uint32_t len, uint32_t seq)
{
	uint8_t want[1600];

	assert_int_equal(lab->n_sent, n);
	assert_int_equal(lab->sent[n - 1].len, len);
	lab_frame(want, len, seq);
	assert_memory_equal(lab->sent[n - 1].data, want, len);
}

static bool is_done(struct lab *lab, unsigned i)
{
	return __atomic_load_n(&lab->tx[0][i].word[3], __ATOMIC_ACQUIRE) & TX_DD;
}

/* ---- frames ---- */

static void test_lengths(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < 1514 - 60 + 1; i++) {
		send_one(&lab, i % LAB_RING, 60 + i, i);
		expect_sent(&lab, i + 1, 60 + i, i);
		assert_int_equal(lab.tx[0][i % LAB_RING].word[3], TX_DD);
		assert_int_equal(lab_read(&lab, TDH(0)), (i + 1) % LAB_RING);
	}
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* Short ones leave with zeros at their end. */
static void test_padding(void **state)
{
	static const uint8_t zeros[60];
	struct lab lab;
	unsigned n = 0;

	(void)state;
	lab_open(&lab, 1);
	for (uint32_t len = 17; len < 60; len++, n++) {
		uint8_t want[60];

		memset(lab_tx_buffer(&lab, 0, n % LAB_RING), 0xee, 100);
		send_one(&lab, n % LAB_RING, len, len);
		assert_int_equal(lab.n_sent, n + 1);
		assert_int_equal(lab.sent[n].len, 60);
		lab_frame(want, len, len);
		assert_memory_equal(lab.sent[n].data, want, len);
		assert_memory_equal(lab.sent[n].data + len, zeros, 60 - len);
	}
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* Only descriptors that ask for it are written back. */
static void test_reports(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < 40; i++) {
		fill(&lab, i, 60 + i, i);
		lab_tx_desc(&lab, 0, i, i % 8 == 7 ? TX_PLAIN | TX_RS : TX_PLAIN, 60 + i, 60 + i);
	}
	lab_tx_ring(&lab, 0, 40);
	lab_settle(&lab);
	assert_int_equal(lab.n_sent, 40);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(lab.tx[0][i].word[3] == TX_DD, i % 8 == 7);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* Descriptor `i` is `len` bytes more of frame number `seq`, of which there are `paylen` in all. */
static void put_part(struct lab *lab, unsigned i, uint32_t from, uint32_t len, uint32_t paylen,
		     uint32_t seq, bool last)
{
	uint8_t frame[4096];

	lab_frame(frame, paylen, seq);
	memcpy(lab_tx_buffer(lab, 0, i) + LAB_OFFSET, frame + from, len);
	lab_tx_desc(lab, 0, i, last ? TX_PLAIN | TX_RS : TX_PLAIN & ~TX_EOP, len, paylen);
}

/* A frame of several buffers, the end of which comes later, and over the ring's end. */
static void test_several_buffers(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < LAB_RING - 2; i++)
		send_one(&lab, i, 60, i);
	put_part(&lab, LAB_RING - 2, 0, 100, 1301, 7, false);
	put_part(&lab, LAB_RING - 1, 100, 1, 1301, 7, false);
	lab_tx_ring(&lab, 0, 0);
	lab_settle(&lab);
	assert_int_equal(lab.n_sent, LAB_RING - 2);
	put_part(&lab, 0, 101, 1200, 1301, 7, true);
	lab_tx_ring(&lab, 0, 1);
	lab_settle(&lab);
	expect_sent(&lab, LAB_RING - 1, 1301, 7);
	assert_true(is_done(&lab, 0));
	send_one(&lab, 1, 60, 8);
	expect_sent(&lab, LAB_RING, 60, 8);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* More than a turn may send, with everything mixed, leaves in order. */
static void test_order(void **state)
{
	unsigned at = 0, seq = 0;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned room = LAB_RING - 1; room >= 2; seq++) {
			uint32_t len = 60 + seq * 37 % 1400;

			if (seq % 3) {
				fill(&lab, at, len, seq);
				lab_tx_desc(&lab, 0, at, TX_PLAIN, len, len);
				room--;
			} else {
				put_part(&lab, at, 0, 50, len, seq, false);
				at = (at + 1) % LAB_RING;
				put_part(&lab, at, 50, len - 50, len, seq, true);
				room -= 2;
			}
			at = (at + 1) % LAB_RING;
		}
		lab_tx_ring(&lab, 0, at);
		lab_settle(&lab);
	}
	assert_in_range(seq, LAB_SENT_MAX / 2, LAB_SENT_MAX * 2);
	assert_int_equal(lab.n_sent, seq < LAB_SENT_MAX ? seq : LAB_SENT_MAX);
	for (unsigned i = 0; i < lab.n_sent; i++) {
		uint32_t got;

		memcpy(&got, lab.sent[i].data + 14, sizeof(got));
		assert_int_equal(got, i);
		assert_int_equal(lab.sent[i].len, 60 + i * 37 % 1400);
	}
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* As long as the device takes them: 15.5 KB, in one buffer or in eight. */
#define LONG_BYTES 15872u
#define PIECES 8u
#define PIECE_BYTES (LONG_BYTES / PIECES)

/* Puts the long frame into the first buffers, which lie one behind the other. Returns what it is, to be freed. */
static uint8_t *long_frame(struct lab *lab)
{
	uint8_t *frame = malloc(LONG_BYTES);

	assert_non_null(frame);
	lab_frame(frame, LONG_BYTES, 1);
	memcpy(lab_tx_buffer(lab, 0, 0) + LAB_OFFSET, frame, LONG_BYTES);
	return frame;
}

/* Descriptors from `at` on for all of its pieces; `last`: of the last one. */
static void long_in_pieces(struct lab *lab, unsigned at, uint32_t last)
{
	for (unsigned i = 0; i < PIECES; i++) {
		lab_tx_desc(lab, 0, at + i, i + 1 == PIECES ? last : TX_PLAIN & ~TX_EOP,
			    PIECE_BYTES, LONG_BYTES);
		lab->tx[0][at + i].read.buffer =
			lab_address(lab, lab_tx_buffer(lab, 0, 0) + LAB_OFFSET) + i * PIECE_BYTES;
	}
}

static void expect_long(struct lab *lab, unsigned n, uint8_t *want)
{
	assert_int_equal(lab->n_sent, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(lab->sent[i].len, LONG_BYTES);
		assert_memory_equal(lab->sent[i].data, want, LONG_BYTES);
	}
	lab_expect_no_report(lab);
	lab_close(lab);
	free(want);
}

static void test_long_frames(void **state)
{
	struct lab lab;
	uint8_t *want;

	(void)state;
	lab_open(&lab, 1);
	want = long_frame(&lab);
	lab_tx_desc(&lab, 0, 0, TX_PLAIN | TX_RS, LONG_BYTES, LONG_BYTES);
	long_in_pieces(&lab, 1, TX_PLAIN | TX_RS);
	lab_tx_ring(&lab, 0, 1 + PIECES);
	lab_settle(&lab);
	expect_long(&lab, 2, want);
}

/* More long frames in pieces than are put together in one turn. */
static void test_many_long_frames(void **state)
{
	struct lab lab;
	uint8_t *want;

	(void)state;
	lab_open(&lab, 1);
	want = long_frame(&lab);
	for (unsigned i = 0; i < 7; i++)
		long_in_pieces(&lab, i * PIECES, TX_PLAIN);
	lab_tx_ring(&lab, 0, 7 * PIECES);
	assert_int_equal(emu_turn(lab.emu), 4); /* in 64 KB */
	lab_settle(&lab);
	expect_long(&lab, 7, want);
}

/* With WTHRESH descriptors are written back together; the last ones when nothing more comes. */
static void test_write_back_threshold(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_write(&lab, TXDCTL(0), 0);
	while (lab_read(&lab, TXDCTL(0)) & DCTL_ENABLE)
		lab_settle(&lab);
	lab_write(&lab, TXDCTL(0), DCTL_ENABLE | 8u << 16 | 1u << 8);
	while (!(lab_read(&lab, TXDCTL(0)) & DCTL_ENABLE))
		lab_settle(&lab);
	for (unsigned i = 0; i < 12; i++) {
		fill(&lab, i, 60, i);
		lab_tx_desc(&lab, 0, i, TX_PLAIN | TX_RS, 60, 60);
	}
	for (unsigned i = 0; i < 7; i++) {
		lab_tx_ring(&lab, 0, i + 1);
		emu_turn(lab.emu);
		assert_int_equal(lab.n_sent, i + 1);
	}
	assert_false(is_done(&lab, 0));
	lab_tx_ring(&lab, 0, 8);
	emu_turn(lab.emu);
	for (unsigned i = 0; i < 8; i++)
		assert_true(is_done(&lab, i));
	lab_tx_ring(&lab, 0, 12);
	emu_turn(lab.emu);
	assert_false(is_done(&lab, 8));
	lab_settle(&lab);
	for (unsigned i = 8; i < 12; i++)
		assert_true(is_done(&lab, i));
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* Without a link descriptors stay where they are, and leave when it is back. */
static void test_link_down(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_wire_memory_link(lab.wire, false);
	send_one(&lab, 0, 60, 1);
	assert_int_equal(lab.n_sent, 0);
	assert_int_equal(lab_read(&lab, TDH(0)), 0);
	emu_wire_memory_link(lab.wire, true);
	while (!(lab_read(&lab, LINKS) & LINKS_UP))
		lab_settle(&lab);
	lab_settle(&lab);
	expect_sent(&lab, 1, 60, 1);
	lab_close(&lab);
}

/* ---- illegal uses ---- */

/* Descriptors that no device would send, and what is said of each. The second of two is one. */
static const struct {
	uint64_t other; /* the upper half */
	const char *words;
} bad[] = {
#define LEN(len, paylen) ((uint64_t)(paylen) << 46 | (len))
	{TX_PLAIN | LEN(0, 0), "length 0"},
	{(TX_PLAIN & ~TX_DEXT) | LEN(60, 60), "DEXT clear"},
	{(TX_PLAIN & ~TX_DATA) | 2u << 20 | LEN(60, 60), "context descriptor"},
	{(TX_PLAIN & ~TX_DATA) | LEN(60, 60), "reserved DTYP"},
	{TX_PLAIN | 1u << 16 | LEN(60, 60), "reserved bits"},
	{TX_PLAIN | 1u << 26 | LEN(60, 60), "reserved bits"},
	{TX_PLAIN | 1u << 28 | LEN(60, 60), "reserved bits"},
	{TX_PLAIN | (uint64_t)1 << 44 | LEN(60, 60), "reserved bits"},
	{TX_PLAIN | (uint64_t)1 << 32 | LEN(60, 60), "not written anew"},
	{TX_PLAIN | 1u << 30 | LEN(60, 60), "offload"},		 /* VLE */
	{TX_PLAIN | 1u << 31 | LEN(60, 60), "offload"},		 /* TSE */
	{TX_PLAIN | (uint64_t)1 << 39 | LEN(60, 60), "offload"}, /* CC */
	{TX_PLAIN | (uint64_t)1 << 40 | LEN(60, 60), "offload"}, /* POPTS */
	{TX_PLAIN | 1u << 18 | LEN(60, 60), "offload"},		 /* MAC */
	{(TX_PLAIN & ~TX_IFCS) | LEN(60, 60), "IFCS clear"},
	{TX_PLAIN | LEN(60, 61), "PAYLEN"},
	{TX_PLAIN | LEN(60, 0), "PAYLEN"},
	{TX_PLAIN | LEN(16, 16), "less than 17 bytes"},
	{TX_PLAIN | LEN(15873, 15873), "longer than a buffer may be"},
};

static void test_bad_descriptors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lab lab;

		lab_open(&lab, 1);
		fill(&lab, 0, 60, 1);
		lab_tx_desc(&lab, 0, 0, TX_PLAIN | TX_RS, 60, 60);
		lab_tx_desc(&lab, 0, 1, 0, 0, 0);
		lab.tx[0][1].read.other = bad[i].other;
		lab_tx_ring(&lab, 0, 2);
		lab_settle(&lab);
		/* What is before it is sent. */
		expect_sent(&lab, 1, 60, 1);
		assert_true(is_done(&lab, 0));
		if (!strstr(lab.reports, "TX ring 0: descriptor 1"))
			fail_msg("of \"%s\" only \"%s\" is said", bad[i].words, lab.reports);
		lab_expect_report(&lab, bad[i].words);
		/* And nothing after it. */
		send_one(&lab, 2, 60, 2);
		assert_int_equal(lab.n_sent, 1);
		assert_int_equal(lab_read(&lab, TDH(0)), 1);
		lab_close(&lab);
	}
}

/* Sent again as it was written back. */
static void test_not_written_anew(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < LAB_RING; i++)
		send_one(&lab, i, 60, i);
	lab_tx_ring(&lab, 0, 1);
	lab_settle(&lab);
	lab_expect_report(&lab, "TX ring 0: descriptor 0 has");
	assert_int_equal(lab.n_sent, LAB_RING);
	lab_close(&lab);
}

static void test_tail_beyond(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_tx_ring(&lab, 0, LAB_RING);
	lab_settle(&lab);
	lab_expect_report(&lab, "TX ring 0: tail 64 is beyond");
	lab_close(&lab);
}

/* The driver has put more into the ring than it holds: the tail has gone past the head. */
/* Enabled with a ring that has become shorter, while the head is where it was. */
static void test_head_beyond(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < 10; i++)
		send_one(&lab, i, 60, i);
	assert_int_equal(lab_read(&lab, TDH(0)), 10);
	lab_write(&lab, TXDCTL(0), 0);
	while (lab_read(&lab, TXDCTL(0)) & DCTL_ENABLE)
		emu_turn(lab.emu);
	lab_write(&lab, TDLEN(0), 8 * sizeof(union lab_desc));
	lab_write(&lab, TXDCTL(0), DCTL_ENABLE);
	while (!(lab_read(&lab, TXDCTL(0)) & DCTL_ENABLE))
		emu_turn(lab.emu);
	lab_expect_report(&lab, "the head is 10, beyond the 8 descriptors");
	for (unsigned i = 0; i < 4; i++)
		lab_tx_desc(&lab, 0, i, TX_PLAIN, 60, 60);
	lab_tx_ring(&lab, 0, 3);
	lab_settle(&lab);
	assert_int_equal(lab.n_sent, 10);
	assert_int_equal(lab_read(&lab, TDH(0)), 10);
	lab_close(&lab);
}

static void test_overrun(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	send_one(&lab, 0, 60, 0);
	emu_wire_memory_link(lab.wire, false); /* the NIC looks, and sends nothing */
	lab_settle(&lab);
	emu_wire_memory_link(lab.wire, true);
	/* A frame without end keeps the NIC from emptying the ring. */
	for (unsigned i = 1; i < 11; i++)
		put_part(&lab, i, 0, 100, 1500, 1, false);
	lab_tx_ring(&lab, 0, 11);
	while (!(lab_read(&lab, LINKS) & LINKS_UP))
		lab_settle(&lab);
	lab_settle(&lab);
	lab_expect_no_report(&lab);
	lab_tx_ring(&lab, 0, 5);
	lab_settle(&lab);
	lab_expect_report(&lab, "TX ring 0: tail goes from 11 to 5, past head 1");
	lab_close(&lab);
}

static void test_too_many_buffers(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < 41; i++)
		put_part(&lab, i, 0, 2, 82, 1, i == 40);
	lab_tx_ring(&lab, 0, 41);
	lab_settle(&lab);
	lab_expect_report(&lab, "descriptor 40 is one too many of its frame");
	assert_int_equal(lab.n_sent, 0);
	lab_close(&lab);
}

static void test_frame_too_long(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < 8; i++) {
		lab_tx_desc(&lab, 0, i, i == 7 ? TX_PLAIN : TX_PLAIN & ~TX_EOP, 2000, 16000);
	}
	lab_tx_ring(&lab, 0, 8);
	lab_settle(&lab);
	lab_expect_report(&lab, "descriptor 7 ends a frame that is too long");
	lab_close(&lab);
}

static void test_not_mapped(void **state)
{
	struct emu_stats stats;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	fill(&lab, 0, 60, 1);
	lab_tx_desc(&lab, 0, 0, TX_PLAIN | TX_RS, 60, 60);
	lab_tx_desc(&lab, 0, 1, TX_PLAIN | TX_RS, 60, 60);
	lab.tx[0][1].read.buffer = (uint64_t)(uintptr_t)lab_tx_buffer(&lab, 0, 1);
	lab_tx_ring(&lab, 0, 2);
	lab_settle(&lab);
	lab_expect_report(&lab, "DMA fault");
	expect_sent(&lab, 1, 60, 1);
	emu_stats(lab.pci, &stats);
	assert_int_equal(stats.dma_faults, 1);
	send_one(&lab, 2, 60, 2);
	assert_int_equal(lab.n_sent, 1);
	lab_close(&lab);
}

/* A descriptor that the NIC has, waiting for the frame's end, is changed. */
static void test_written_while_owned(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	assert_int_equal(emu_watch_descriptors(lab.pci), 0);
	put_part(&lab, 0, 0, 100, 200, 1, false);
	lab_tx_ring(&lab, 0, 1);
	lab_settle(&lab);
	lab_expect_no_report(&lab);
	lab.tx[0][0].read.buffer += 64;
	lab_settle(&lab);
	lab_expect_report(&lab, "TX ring 0: descriptor 0 was written while it was the NIC's");
	lab_close(&lab);
}

/* ---- what is counted ---- */

static void test_counts(void **state)
{
	static const uint32_t lens[] = {60, 61, 123, 124, 252, 508, 1020, 1514};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		send_one(&lab, i, lens[i], i);
	memset(lab_tx_buffer(&lab, 0, 8) + LAB_OFFSET, 0xff, 60);
	lab_tx_desc(&lab, 0, 8, TX_PLAIN, 60, 60);
	memset(lab_tx_buffer(&lab, 0, 9) + LAB_OFFSET, 1, 60);
	lab_tx_desc(&lab, 0, 9, TX_PLAIN, 60, 60);
	lab_tx_ring(&lab, 0, 10);
	lab_settle(&lab);
	assert_int_equal(lab_read(&lab, 0x04080), 10); /* GPTC */
	assert_int_equal(lab_read(&lab, 0x040f4), 1);  /* BPTC */
	assert_int_equal(lab_read(&lab, 0x040f0), 1);  /* MPTC */
	assert_int_equal(lab_read(&lab, 0x040d8), 3);  /* PTC64 */
	assert_int_equal(lab_read(&lab, 0x040dc), 2);  /* to 127 with FCS */
	assert_int_equal(lab_read(&lab, 0x040e0), 1);  /* 255 */
	assert_int_equal(lab_read(&lab, 0x040e4), 1);
	assert_int_equal(lab_read(&lab, 0x040e8), 1);
	assert_int_equal(lab_read(&lab, 0x040ec), 2);
	lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_several_buffers),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_long_frames),
		cmocka_unit_test(test_many_long_frames),
		cmocka_unit_test(test_write_back_threshold),
		cmocka_unit_test(test_link_down),
		cmocka_unit_test(test_bad_descriptors),
		cmocka_unit_test(test_not_written_anew),
		cmocka_unit_test(test_tail_beyond),
		cmocka_unit_test(test_head_beyond),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_too_many_buffers),
		cmocka_unit_test(test_frame_too_long),
		cmocka_unit_test(test_not_mapped),
		cmocka_unit_test(test_written_while_owned),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
