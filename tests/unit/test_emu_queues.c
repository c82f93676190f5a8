/* SPDX-License-Identifier: BSD-2-Clause */
/* Queues, filters and both paths of the emulated 82599: enabling with its handshakes, what has to be done
 * in which order, and that all else is reported. Numbers are sections of the 82599's datasheet (331520),
 * where what is expected comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "emu_bench.h"

/* 8.2.3.8 and 8.2.3.9: of queue 0; others are 0x40 further each. */
#define RX 0x01000u
#define TX 0x06000u
#define BAL 0x00
#define BAH 0x04
#define LEN 0x08
#define HEAD 0x10
#define SRRCTL 0x14
#define TAIL 0x18
#define DCTL 0x28
#define ENABLE (1u << 25)
/* One buffer of 2 KB, advanced descriptors, drop when there are none. */
#define SRRCTL_VALUE (2u | 1u << 25 | 1u << 28)

#define RDRXCTL 0x02F00
#define RXCTRL 0x03000
#define DMATXCTL 0x04A80
#define RTTDCS 0x04900
#define SECRXCTRL 0x08D00
#define SECRXSTAT 0x08D04
#define FCTRL 0x05080

static void set_up_ring(struct bench *bench, uint32_t base)
{
	bench_write(bench, base + BAL, 0x12345680);
	bench_write(bench, base + BAH, 0x9);
	bench_write(bench, base + LEN, 64 * 16);
	if (base != TX)
		bench_write(bench, base + SRRCTL, SRRCTL_VALUE);
}

static bool is_enabled(struct bench *bench, uint32_t base)
{
	return bench_read(bench, base + DCTL) & ENABLE;
}

/* ---- handshakes ---- */

/* 4.6.7.1.1: poll until the bit is set; the tail not before. */
static void a_receive_queue_is_enabled_in_a_while(void **state)
{
	struct bench bench;
	uint32_t base = RX + 5 * 0x40;
	const struct emu_ring *ring;

	(void)state;
	bench_open_ready(&bench);
	ring = &bench.nic->rx[5];
	set_up_ring(&bench, base);
	bench_set(&bench, base + DCTL, ENABLE);
	assert_false(is_enabled(&bench, base));
	assert_false(ring->enabled);
	bench_pass(&bench, LONG_NS);
	assert_true(is_enabled(&bench, base));
	assert_true(ring->enabled);
	assert_int_equal(bench.nic->n_rx, 6);
	assert_true(ring->base == 0x912345680);
	assert_int_equal(ring->n, 64);
	assert_int_equal(ring->buffer_bytes, 2048);
	assert_true(ring->drop);
	bench_write(&bench, base + TAIL, 63);
	assert_int_equal(bench_read(&bench, base + TAIL), 63);
	assert_int_equal(bench_read(&bench, base + HEAD), 0);
	bench_legal(&bench);

	/* 4.6.7.1.2: and disabled likewise. */
	bench_unset(&bench, base + DCTL, ENABLE);
	assert_true(is_enabled(&bench, base));
	assert_true(ring->enabled);
	bench_pass(&bench, LONG_NS);
	assert_false(is_enabled(&bench, base));
	assert_false(ring->enabled);
	assert_int_equal(bench.nic->n_rx, 0);
	bench_legal(&bench);
	bench_close(&bench);
}

/* Queues 64 to 127 are elsewhere (8.2.3.8.1). */
static void the_last_queue_is_one(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	set_up_ring(&bench, 0x0D000 + 63 * 0x40);
	bench_write(&bench, 0x0D000 + 63 * 0x40 + DCTL, ENABLE);
	bench_pass(&bench, LONG_NS);
	assert_true(bench.nic->rx[127].enabled);
	assert_int_equal(bench.nic->rx[127].n, 64);
	bench_legal(&bench);
	bench_write(&bench, 0x0D000 + 63 * 0x40 + LEN, 2048);
	bench_illegal(&bench, "RDLEN[127]");
	bench_close(&bench);
}

/* 4.6.8: DMATXCTL.TE first. */
static void a_transmit_queue_wants_transmission(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	set_up_ring(&bench, TX);
	bench_write(&bench, TX + DCTL, ENABLE);
	bench_illegal(&bench, "before DMATXCTL.TE");
	bench_pass(&bench, LONG_NS);
	assert_false(is_enabled(&bench, TX));
	bench_set(&bench, DMATXCTL, 1);
	assert_true(bench.nic->tx_on);
	bench_pass(&bench, LONG_NS);
	assert_true(is_enabled(&bench, TX));
	bench_legal(&bench);
	bench_close(&bench);
}

static void a_transmit_queue_is_enabled_in_a_while(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_set(&bench, DMATXCTL, 1);
	set_up_ring(&bench, TX);
	/* 8.2.3.9.10: WTHRESH is bits 22:16. */
	bench_write(&bench, TX + DCTL, ENABLE | 8u << 16 | 1u << 8 | 32);
	assert_false(is_enabled(&bench, TX));
	bench_pass(&bench, LONG_NS);
	assert_true(is_enabled(&bench, TX));
	assert_true(bench.nic->tx[0].enabled);
	assert_int_equal(bench.nic->tx[0].writeback_threshold, 8);
	bench_legal(&bench);
	bench_close(&bench);
}

static void faults_keep_queues_waiting(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_set(&bench, DMATXCTL, 1);
	emu_inject(bench.pci, EMU_FAULT_RX_ENABLE, true);
	emu_inject(bench.pci, EMU_FAULT_TX_ENABLE, true);
	set_up_ring(&bench, RX);
	set_up_ring(&bench, TX);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_write(&bench, TX + DCTL, ENABLE);
	bench_pass(&bench, LONG_NS);
	assert_false(is_enabled(&bench, RX));
	assert_false(is_enabled(&bench, TX));
	emu_inject(bench.pci, EMU_FAULT_RX_ENABLE, false);
	emu_inject(bench.pci, EMU_FAULT_TX_ENABLE, false);
	assert_true(is_enabled(&bench, RX));
	assert_true(is_enabled(&bench, TX));
	emu_inject(bench.pci, EMU_FAULT_RX_DISABLE, true);
	bench_write(&bench, RX + DCTL, 0);
	bench_pass(&bench, LONG_NS);
	assert_true(is_enabled(&bench, RX));
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- rings ---- */

static void bad_rings_are_reported(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	/* 8.2.3.8.1: the base is aligned to 128 bytes; 8.2.3.8.3: so is the length. */
	bench_write(&bench, RX + BAL, 0x1040);
	bench_illegal(&bench, "RDBAL[0] 0x00001040 is not a multiple of 128");
	bench_write(&bench, TX + BAL, 0x1010);
	bench_illegal(&bench, "TDBAL[0]");
	bench_write(&bench, RX + LEN, 100 * 16);
	bench_illegal(&bench, "RDLEN[0] 1600");
	bench_write(&bench, TX + LEN, 1u << 20);
	bench_illegal(&bench, "TDLEN[0] 1048576");
	bench_write(&bench, RX + HEAD, 3);
	bench_illegal(&bench, "RDH[0] set to 3");

	/* A queue that lacks something is never enabled. */
	bench_write(&bench, RX + SRRCTL, SRRCTL_VALUE);
	bench_write(&bench, RX + LEN, 0);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_illegal(&bench, "receive queue 0 enabled with a ring of length 0");
	bench_write(&bench, RX + LEN, 1024);
	bench_write(&bench, RX + SRRCTL, SRRCTL_VALUE & ~0x1Fu);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_illegal(&bench, "BSIZEPACKET of 0");
	bench_write(&bench, RX + SRRCTL, SRRCTL_VALUE + 16);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_illegal(&bench, "more than 16 KB");
	bench_pass(&bench, LONG_NS);
	assert_false(is_enabled(&bench, RX));
	/* 8.2.3.9.10 */
	bench_set(&bench, DMATXCTL, 1);
	bench_write(&bench, TX + LEN, 1024);
	bench_write(&bench, TX + DCTL, ENABLE | 32);
	bench_illegal(&bench, "PTHRESH without HTHRESH");
	bench_close(&bench);
}

static void enabled_rings_are_not_touched(void **state)
{
	static const uint32_t offsets[] = {BAL, BAH, LEN, HEAD, SRRCTL};
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	set_up_ring(&bench, RX);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_pass(&bench, LONG_NS);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		uint32_t before = bench_read(&bench, RX + offsets[i]);

		bench_write(&bench, RX + offsets[i], 0x400);
		bench_illegal(&bench, "while the receive queue is enabled");
		assert_int_equal(bench_read(&bench, RX + offsets[i]), before);
	}
	/* Nor is it enabled again before it has been disabled. */
	bench_write(&bench, RX + DCTL, 0);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_illegal(&bench, "before it has been disabled");
	bench_close(&bench);
}

static void tails_are_checked(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_write(&bench, RX + TAIL, 0); /* where the head is: nothing is handed over */
	bench_legal(&bench);
	bench_write(&bench, RX + TAIL, 7);
	bench_illegal(&bench, "RDT[0] set to 7 while the receive queue is not enabled");
	set_up_ring(&bench, RX);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_pass(&bench, LONG_NS);
	bench_illegal(&bench, "as its ring is enabled");
	bench_write(&bench, RX + TAIL, 64);
	bench_illegal(&bench, "RDT[0] set to 64, beyond a ring of 64");
	/* However it gets there, it is in the BAR. */
	bench_write(&bench, RX + TAIL, 12);
	assert_int_equal(*(volatile uint32_t *)(bench.pci->bar + RX + TAIL), 12);
	pl_pci_ring(bench.pci, RX + TAIL, 13);
	assert_int_equal(bench_read(&bench, RX + TAIL), 13);
	bench_close(&bench);
}

static void a_reset_disables_queues(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	set_up_ring(&bench, RX);
	bench_write(&bench, RX + DCTL, ENABLE);
	bench_pass(&bench, LONG_NS);
	/* 4.2.1.6.1: master disable comes first. */
	bench_write(&bench, 0, 1u << 26);
	bench_illegal(&bench, "without master disable");
	assert_false(bench.nic->rx[0].enabled);
	assert_int_equal(bench.nic->n_rx, 0);
	bench_pass(&bench, LONG_NS);
	assert_int_equal(bench_read(&bench, RX + BAL), 0);
	assert_int_equal(bench_read(&bench, RX + LEN), 0);
	assert_false(is_enabled(&bench, RX));
	/* Touched as if nothing had happened. */
	bench_write(&bench, RX + TAIL, 5);
	bench_illegal(&bench, "not enabled");
	bench_close(&bench);
}

/* ---- paths ---- */

/* 8.2.3.8.8 */
static void set_up_dma(struct bench *bench)
{
	bench_write(bench, RDRXCTL, 1u << 1 | 1u << 25 | 1u << 26);
}

static void stop_path(struct bench *bench)
{
	bench_set(bench, SECRXCTRL, 2);
	assert_false(bench_read(bench, SECRXSTAT) & 1);
	bench_pass(bench, LONG_NS);
	assert_true(bench_read(bench, SECRXSTAT) & 1);
}

/* 4.6.7: stop the path, wait, enable, start the path. */
static void reception_is_enabled_in_order(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	set_up_dma(&bench);
	stop_path(&bench);
	bench_write(&bench, RXCTRL, 1);
	assert_false(bench.nic->rx_on);
	bench_unset(&bench, SECRXCTRL, 2);
	assert_true(bench.nic->rx_on);
	assert_true(bench.nic->filter.strip_crc);
	bench_legal(&bench);
	bench_write(&bench, RXCTRL, 0);
	assert_false(bench.nic->rx_on);
	bench_legal(&bench);
	bench_close(&bench);
}

static void reception_out_of_order_is_reported(void **state)
{
	static const struct {
		uint32_t rdrxctl;
		bool stop;
		const char *words;
	} wrongs[] = {
		{1u << 1 | 1u << 25 | 1u << 26, false, "SECRX_RDY"},
		{1u << 25 | 1u << 26, true, "RDRXCTL.CRCStrip unlike HLREG0.RXCRCSTRP"},
		{1u << 1 | 1u << 25 | 1u << 26 | 1u << 17, true, "RSCFRSTSIZE"},
		{1u << 1 | 1u << 26, true, "RSCACKC"},
		{1u << 1 | 1u << 25, true, "FCOE_WRFIX"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct bench bench;

		bench_open_ready(&bench);
		bench_write(&bench, RDRXCTL, wrongs[i].rdrxctl);
		if (wrongs[i].stop)
			stop_path(&bench);
		bench_write(&bench, RXCTRL, 1);
		bench_illegal(&bench, wrongs[i].words);
		bench_close(&bench);
	}
}

/* 8.2.3.7.1: filters not while receiving; 4.6.11.3: nor the packet buffer. */
static void filters_change_while_reception_is_off(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	set_up_dma(&bench);
	stop_path(&bench);
	bench_write(&bench, FCTRL, 0x400);
	bench_write(&bench, RXCTRL, 1);
	bench_write(&bench, FCTRL, 0x400); /* as it is */
	bench_legal(&bench);
	bench_write(&bench, FCTRL, 0x600);
	bench_illegal(&bench, "FCTRL changed");
	bench_write(&bench, 0x03C00, 0x80000);
	bench_illegal(&bench, "RXPBSIZE[0]");
	bench_close(&bench);
}

/* 4.6.8: these registers are written while the arbiter is off. */
static void transmission_is_set_up_without_the_arbiter(void **state)
{
	static const uint32_t offsets[] = {0x08100, 0x0CC00, 0x0CC1C, 0x04950,
					   0x0496C, 0x08120, 0x0CD10};
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		bench_write(&bench, offsets[i], 0);
		bench_illegal(&bench, "RTTDCS.ARBDIS");
	}
	bench_set(&bench, RTTDCS, 1u << 6);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		bench_write(&bench, offsets[i], 0);
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- filters and RSS, as the engine sees them ---- */

static void filters_are_decoded(void **state)
{
	static const uint8_t mac[6] = {0x02, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE};
	struct bench bench;
	const struct emu_filter *filter;

	(void)state;
	bench_open_ready(&bench);
	filter = &bench.nic->filter;
	assert_true(filter->valid[0]);
	assert_memory_equal(filter->mac[0], bench.nic->mac, 6);
	/* 8.2.3.7.8: the first byte on the wire is the low one. */
	bench_write(&bench, 0x0A200 + 8 * 127, 0xCCBBAA02);
	bench_write(&bench, 0x0A204 + 8 * 127, 1u << 31 | 0xEEDD);
	assert_true(filter->valid[127]);
	assert_memory_equal(filter->mac[127], mac, 6);
	bench_write(&bench, 0x0A204 + 8 * 127, 0);
	assert_false(filter->valid[127]);

	bench_write(&bench, FCTRL, 1u << 8);
	assert_true(filter->multicast_all && !filter->unicast_all && !filter->broadcast);
	bench_write(&bench, FCTRL, 1u << 9);
	assert_true(!filter->multicast_all && filter->unicast_all && !filter->broadcast);
	bench_write(&bench, FCTRL, 1u << 10 | 1u << 1);
	assert_true(filter->broadcast && filter->pass_errors);
	bench_write(&bench, 0x05200 + 4 * 100, 0x80000001);
	assert_int_equal(filter->multicast[100], 0x80000001);
	bench_write(&bench, 0x05090, 1u << 2 | 2);
	assert_true(filter->multicast_on);
	assert_int_equal(filter->multicast_shift, 2);

	/* 8.2.3.22.13: MFS counts with JUMBOEN only. */
	bench_write(&bench, 0x04268, 9018u << 16);
	assert_int_equal(filter->frame_max, 1518);
	bench_set(&bench, 0x04240, 1u << 2);
	assert_int_equal(filter->frame_max, 9018);
	bench_unset(&bench, 0x04240, 1u << 1);
	assert_false(filter->strip_crc);
	bench_legal(&bench);
	bench_close(&bench);
}

static void rss_is_decoded(void **state)
{
	struct bench bench;
	const struct emu_rss *rss;

	(void)state;
	bench_open_ready(&bench);
	rss = &bench.nic->rss;
	/* 8.2.3.7.14: byte 4n is the low one of word n; 8.2.3.7.15: entry 4n likewise. */
	bench_write(&bench, 0x0EB80 + 4 * 9, 0x28272625);
	assert_int_equal(rss->key[36], 0x25);
	assert_int_equal(rss->key[39], 0x28);
	bench_write(&bench, 0x0EB00 + 4 * 31, 0x0F0E0D0C);
	assert_int_equal(rss->table[124], 0xC);
	assert_int_equal(rss->table[127], 0xF);
	assert_false(rss->on);
	/* 8.2.3.7.12 */
	bench_write(&bench, 0x0EC80, 1 | 1u << 16 | 1u << 17 | 1u << 22);
	assert_true(rss->on);
	assert_int_equal(rss->types, EMU_RSS_TCP4 | EMU_RSS_IP4 | EMU_RSS_UDP4);
	bench_write(&bench, 0x0EC80, 1 | 1u << 20 | 1u << 21 | 1u << 23);
	assert_int_equal(rss->types, EMU_RSS_IP6 | EMU_RSS_TCP6 | EMU_RSS_UDP6);
	bench_legal(&bench);
	bench_close(&bench);
}

static void what_is_not_emulated_says_so(void **state)
{
	static const struct {
		uint32_t offset, value;
	} uses[] = {
		{0x0EC80, 0xA},		  /* MRQC: pools */
		{0x05088, 1u << 30},	  /* VLNCTRL.VFE */
		{RX + DCTL, 1u << 30},	  /* RXDCTL.VME */
		{RX + 0x2C, 1},		  /* RSCCTL.RSCEN */
		{TX + 0x38, 0x1000 | 1u}, /* TDWBAL.Head_WB_En */
	};
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		bench_write(&bench, uses[i].offset, uses[i].value);
		bench_illegal(&bench, "not emulated");
	}
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_receive_queue_is_enabled_in_a_while),
		cmocka_unit_test(the_last_queue_is_one),
		cmocka_unit_test(a_transmit_queue_wants_transmission),
		cmocka_unit_test(a_transmit_queue_is_enabled_in_a_while),
		cmocka_unit_test(faults_keep_queues_waiting),
		cmocka_unit_test(bad_rings_are_reported),
		cmocka_unit_test(enabled_rings_are_not_touched),
		cmocka_unit_test(tails_are_checked),
		cmocka_unit_test(a_reset_disables_queues),
		cmocka_unit_test(reception_is_enabled_in_order),
		cmocka_unit_test(reception_out_of_order_is_reported),
		cmocka_unit_test(filters_change_while_reception_is_off),
		cmocka_unit_test(transmission_is_set_up_without_the_arbiter),
		cmocka_unit_test(filters_are_decoded),
		cmocka_unit_test(rss_is_decoded),
		cmocka_unit_test(what_is_not_emulated_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
