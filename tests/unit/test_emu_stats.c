/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics of the emulated 82599 (8.2.3.23 of the datasheet, 331520): cleared as they are read, wide ones
 * in halves, those of queues by their maps. What the engine counts is put there by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "emu_bench.h"

#define GPRC 0x04074
#define GORCL 0x04088
#define GORCH 0x0408C
#define RQSMR(n) (0x02300 + 4 * (n))
#define TQSM(n) (0x08600 + 4 * (n))
#define QPRC(n) (0x01030 + 0x40 * (n))
#define QBRC_L(n) (0x01034 + 0x40 * (n))
#define QBRC_H(n) (0x01038 + 0x40 * (n))
#define QPRDC(n) (0x01430 + 0x40 * (n))
#define QPTC(n) (0x08680 + 4 * (n))
#define QBTC_L(n) (0x08700 + 8 * (n))
#define QBTC_H(n) (0x08704 + 8 * (n))

static void reading_clears(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	assert_int_equal(bench_read(&bench, GPRC), 0);
	bench.nic->counts.rx_packets += 1000;
	assert_int_equal(bench_read(&bench, GPRC), 1000);
	assert_int_equal(bench_read(&bench, GPRC), 0);
	bench.nic->counts.rx_packets += 7;
	assert_int_equal(bench_read(&bench, GPRC), 7);
	/* TPR (8.2.3.23.59) counts the same, and is read for itself. */
	assert_int_equal(bench_read(&bench, 0x040D0), 1007);
	bench_legal(&bench);
	bench_close(&bench);
}

static void each_has_its_register(void **state)
{
	static const struct {
		uint32_t offset;
		size_t at;
	} registers[] = {
		{0x04000, offsetof(struct emu_counts, rx_crc_errors)}, /* CRCERRS */
		{0x03FA0, offsetof(struct emu_counts, rx_missed)},     /* RXMPC[0] */
		{0x040A4, offsetof(struct emu_counts, rx_undersize)},  /* RUC */
		{0x040AC, offsetof(struct emu_counts, rx_oversize)},   /* ROC */
		{0x0405C, offsetof(struct emu_counts, rx_size[0])},    /* PRC64 */
		{0x04060, offsetof(struct emu_counts, rx_size[1])},    /* PRC127 */
		{0x04064, offsetof(struct emu_counts, rx_size[2])},    /* PRC255 */
		{0x04068, offsetof(struct emu_counts, rx_size[3])},    /* PRC511 */
		{0x0406C, offsetof(struct emu_counts, rx_size[4])},    /* PRC1023 */
		{0x04070, offsetof(struct emu_counts, rx_size[5])},    /* PRC1522 */
		{0x04078, offsetof(struct emu_counts, rx_broadcast)},  /* BPRC */
		{0x0407C, offsetof(struct emu_counts, rx_multicast)},  /* MPRC */
		{0x04080, offsetof(struct emu_counts, tx_packets)},    /* GPTC */
		{0x040D4, offsetof(struct emu_counts, tx_packets)},    /* TPT */
		{0x040D8, offsetof(struct emu_counts, tx_size[0])},    /* PTC64 */
		{0x040EC, offsetof(struct emu_counts, tx_size[5])},    /* PTC1522 */
		{0x040F0, offsetof(struct emu_counts, tx_multicast)},  /* MPTC */
		{0x040F4, offsetof(struct emu_counts, tx_broadcast)},  /* BPTC */
		{0x04088, offsetof(struct emu_counts, rx_bytes)},      /* GORCL */
		{0x04090, offsetof(struct emu_counts, tx_bytes)},      /* GOTCL */
		{0x02F50, offsetof(struct emu_counts, rx_packets)},    /* RXDGPC */
		{0x087A0, offsetof(struct emu_counts, tx_packets)},    /* TXDGPC */
	};
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		uint64_t *count = (uint64_t *)((uint8_t *)&bench.nic->counts + registers[i].at);

		bench_read(&bench, registers[i].offset);
		*count += 1 + i;
		assert_int_equal(bench_read(&bench, registers[i].offset), 1 + i);
	}
	/* Pause frames are not emulated; their counters are there. */
	assert_int_equal(bench_read(&bench, 0x03F68), 0);
	bench_legal(&bench);
	bench_close(&bench);
}

/* 36 bits: the lower half is read first, and both are of that moment. */
static void wide_ones_are_read_low_half_first(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench.nic->counts.rx_bytes += 0x5FFFFFFFFull;
	assert_int_equal(bench_read(&bench, GORCL), 0xFFFFFFFF);
	bench.nic->counts.rx_bytes += 0x200000002ull;
	assert_int_equal(bench_read(&bench, GORCH), 5);
	assert_int_equal(bench_read(&bench, GORCL), 2);
	assert_int_equal(bench_read(&bench, GORCH), 2);
	bench_legal(&bench);
	bench_read(&bench, GORCH);
	bench_illegal(&bench, "GORCH read before its lower half");
	bench_close(&bench);
}

/* They stay at their greatest value. */
static void counters_do_not_wrap(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench.nic->counts.rx_packets += 0x100000005ull;
	assert_int_equal(bench_read(&bench, GPRC), 0xFFFFFFFF);
	assert_int_equal(bench_read(&bench, GPRC), 0);
	bench.nic->counts.rx_bytes += 0x1000000005ull;
	assert_int_equal(bench_read(&bench, GORCL), 0xFFFFFFFF);
	assert_int_equal(bench_read(&bench, GORCH), 0xF);
	bench_close(&bench);
}

/* 8.2.3.23.71, 8.2.3.23.73: after a reset all queues count with counter 0. */
static void queues_count_by_their_maps(void **state)
{
	struct bench bench;
	struct emu_counts *counts;

	(void)state;
	bench_open_ready(&bench);
	counts = &bench.nic->counts;
	counts->queue[0].rx_packets += 1;
	counts->queue[127].rx_packets += 2;
	assert_int_equal(bench_read(&bench, QPRC(0)), 3);
	assert_int_equal(bench_read(&bench, QPRC(0)), 0);

	/* Queue 5 with counter 1, queue 127 with 15; what came before stays where it was. */
	counts->queue[5].rx_packets += 4;
	bench_write(&bench, RQSMR(1), 1u << 8);
	bench_write(&bench, RQSMR(31), 15u << 24);
	bench_write(&bench, TQSM(1), 1u << 8);
	counts->queue[5].rx_packets += 8;
	counts->queue[5].rx_bytes += 0x300000001ull;
	counts->queue[5].rx_dropped += 16;
	counts->queue[127].rx_packets += 32;
	counts->queue[5].tx_packets += 64;
	counts->queue[5].tx_bytes += 0x700000001ull;
	assert_int_equal(bench_read(&bench, QPRC(0)), 4);
	assert_int_equal(bench_read(&bench, QPRC(1)), 8);
	assert_int_equal(bench_read(&bench, QPRC(15)), 32);
	assert_int_equal(bench_read(&bench, QPRDC(1)), 16);
	assert_int_equal(bench_read(&bench, QBRC_L(1)), 1);
	assert_int_equal(bench_read(&bench, QBRC_H(1)), 3);
	assert_int_equal(bench_read(&bench, QPTC(1)), 64);
	assert_int_equal(bench_read(&bench, QBTC_L(1)), 1);
	assert_int_equal(bench_read(&bench, QBTC_H(1)), 7);
	assert_int_equal(bench_read(&bench, QPRC(1)), 0);
	assert_int_equal(bench_read(&bench, QBRC_L(1)), 0);
	bench_legal(&bench);
	bench_close(&bench);
}

static void a_reset_forgets(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench.nic->counts.rx_packets += 9;
	bench.nic->counts.queue[3].rx_packets += 9;
	bench_write(&bench, 0, 1u << 26);
	bench_pass(&bench, LONG_NS);
	assert_int_equal(bench_read(&bench, GPRC), 0);
	assert_int_equal(bench_read(&bench, QPRC(0)), 0);
	bench_close(&bench);
}

/* 8.2.3.5.1: bit 17 when packets are missed. */
static void missed_packets_are_a_cause(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_read(&bench, 0x00800);
	bench.nic->counts.rx_missed++;
	bench_pass(&bench, 0);
	assert_int_equal(bench_read(&bench, 0x00800), 1u << 17);
	bench_pass(&bench, 0);
	assert_int_equal(bench_read(&bench, 0x00800), 0);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_clears),
		cmocka_unit_test(each_has_its_register),
		cmocka_unit_test(wide_ones_are_read_low_half_first),
		cmocka_unit_test(counters_do_not_wrap),
		cmocka_unit_test(queues_count_by_their_maps),
		cmocka_unit_test(a_reset_forgets),
		cmocka_unit_test(missed_packets_are_a_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
