/* SPDX-License-Identifier: BSD-2-Clause */
/* The igb driver on an emulated 82576: does it do what the datasheet asks for, and in that order; and what
 * becomes of failures. Offsets and bits are the datasheet's (chapter 8), written down here once more. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nic_lab.h"

/* What no failure may exceed; the driver's limits are a tenth of it, machines may be busy. */
#define BOUND_MS 10000u

/* ---- the order of bring-up ---- */

enum { R, W };

/* An access, with these bits of the value. */
struct step {
	const char *section, *what;
	int kind;
	uint32_t offset, bits, value;
};

#define RXQ(n, at) (0xc000u + 0x40u * (n) + (at))
#define TXQ(n, at) (0xe000u + 0x40u * (n) + (at))
#define ENABLE (1u << 25)
#define ALL 0xffffffffu
#define MDIC 0x00020u
#define MDIC_WRITE(reg) (1u << 26 | 1u << 21 | (uint32_t)(reg) << 16)
#define MDIC_MASK 0x0fff0000u

/* clang-format off */
static const struct step bring_up[] = {
	{"4.5.4", "interrupts are masked: vectors", W, 0x01528, ALL, ALL},
	{"4.5.4", "interrupts are masked: causes", W, 0x000d8, ALL, ALL},
	{"8.2.1", "the PCIe master is disabled", W, 0x00000, 1u << 2, 1u << 2},
	{"8.2.2", "... which is waited for", R, 0x00008, 1u << 19, 0},
	{"4.5.5", "software reset", W, 0x00000, 1u << 26, 1u << 26},
	{"4.5.5", "... which is waited for", R, 0x00000, 1u << 26, 0},
	{"4.5.4", "interrupts are masked again", W, 0x01528, ALL, ALL},
	{"8.4", "the EEPROM's auto-read is waited for", R, 0x00010, 1u << 9, 1u << 9},
	{"8.7", "the EEPROM's semaphore is taken", W, 0x05b5c, 1, 1},
	{"8.4", "the EEPROM's last word is read", W, 0x00014, ALL, 0x3f << 2 | 1},
	{"8.7", "the EEPROM's semaphore is given back", W, 0x05b5c, 1, 0},
	{"8.11", "the address is read", R, 0x05400, ALL, 0x33221102},
	{"8.2.3", "firmware is told of the driver", W, 0x00018, 1u << 28, 1u << 28},
	{"4.5.6", "flow control is off", W, 0x00000, 3u << 27, 0},
	{"4.5.6", "flow control: no threshold", W, 0x02168, ALL, 0},
	{"4.5.7", "link: speed and duplex are the PHY's", W, 0x00000, 3u << 11, 0},
	{"4.5.7", "link: wanted", W, 0x00000, 1u << 6, 1u << 6},
	{"8.7", "the PHY's semaphore is taken", W, 0x05b5c, 2, 2},
	{"8.2.1", "the PHY is reset", W, 0x00000, 1u << 31, 1u << 31},
	{"8.2.1", "... and no longer", W, 0x00000, 1u << 31, 0},
	{"4.5.7", "firmware's part is waited for", R, 0x01010, 1u << 18, 1u << 18},
	{"802.3", "offered: 10 and 100, full duplex, no pause", W, MDIC, MDIC_MASK | 0xde0, MDIC_WRITE(4) | 0x140},
	{"802.3", "offered: 1000, full duplex", W, MDIC, MDIC_MASK | 0x300, MDIC_WRITE(9) | 0x200},
	{"802.3", "negotiation begins", W, MDIC, MDIC_MASK | 0x1200, MDIC_WRITE(0) | 0x1200},
	{"8.7", "the PHY's semaphore is given back", W, 0x05b5c, 2, 0},
	{"4.5.8", "counters are cleared", R, 0x04074, 0, 0},
	{"4.5.9", "receive: unused addresses", W, 0x054e4 + 8 * 7, ALL, 0},
	{"4.5.9", "receive: multicast table", W, 0x05200 + 4 * 127, ALL, 0},
	{"7.1.1.7", "receive: the hash in place of a checksum", W, 0x05000, ALL, 1u << 13},
	{"7.1.1.7", "receive: RSS key", W, 0x05c80 + 4 * 9, ALL, 0x5a6d5a6d},
	{"7.1.1.7", "receive: RSS table", W, 0x05c00 + 4 * 31, 0x0f0f0f0f, 0x01000100},
	{"7.1.1.7", "receive: RSS", W, 0x05818, 0x00f30007, 0x00f30002},
	{"8.10", "receive: longest frame, with FCS and tags", W, 0x05004, ALL, 1500 + 22 + 4},
	{"8.11", "receive: our address", W, 0x05404, ALL, 0x80005544},
	{"4.5.9", "queue 0: disabled", W, RXQ(0, 0x28), ENABLE, 0},
	{"4.5.9", "... which is waited for", R, RXQ(0, 0x28), ENABLE, 0},
	{"4.5.9", "queue 0: base", W, RXQ(0, 0x00), 0, 0},
	{"4.5.9", "queue 0: length", W, RXQ(0, 0x08), ALL, LAB_RING * 16},
	{"8.10.2", "queue 0: advanced descriptors, buffers of 2 KB, drops", W, RXQ(0, 0x0c), ALL,
	 1u << 31 | 1u << 25 | 2},
	{"8.10.10", "queue 0: enabled, written back one by one", W, RXQ(0, 0x28), ENABLE | 0x1f0000, ENABLE | 0x10000},
	{"8.10.10", "queue 1: enabled", W, RXQ(1, 0x28), ENABLE, ENABLE},
	{"8.10.1", "receive: all multicasts, broadcasts, long frames; no FCS, nothing damaged", W, 0x00100,
	 0x0400803e, 0x04008032},
	{"8.10.10", "queue 0 is waited for", R, RXQ(0, 0x28), ENABLE, ENABLE},
	{"8.10.10", "queue 1 is waited for", R, RXQ(1, 0x28), ENABLE, ENABLE},
	{"4.5.10", "queue 0: base", W, TXQ(0, 0x00), 0, 0},
	{"4.5.10", "queue 0: length", W, TXQ(0, 0x08), ALL, LAB_RING * 16},
	{"8.12.13", "queue 0: enabled, each report written at once", W, TXQ(0, 0x28), ENABLE | 0x1f0000, ENABLE},
	{"4.5.10", "transmit: enabled, short frames padded", W, 0x00400, 0xa, 0xa},
	{"8.12.13", "queue 0 is waited for", R, TXQ(0, 0x28), ENABLE, ENABLE},
	{"8.12.13", "queue 1 is waited for", R, TXQ(1, 0x28), ENABLE, ENABLE},
	{"7.3.2.11", "interrupts: MSI-X, masked as they are sent", W, 0x01514, 1u << 30 | 1u << 4, 1u << 30 | 1u << 4},
	{"8.8.5", "interrupts: cleared as they are sent", W, 0x0152c, ALL, 7},
	{"8.8.6", "interrupts: the queues' are masked", W, 0x01530, ALL, 3},
	{"8.8.13", "interrupts: queue 0 to vector 0", W, 0x01700, ALL, 0x80},
	{"8.8.13", "interrupts: queue 1 to vector 1", W, 0x01704, ALL, 0x81},
	{"8.8", "interrupts: all else to vector 2", W, 0x01740, 0xff00, 0x8200},
	{"8.8", "interrupts: changes of the link", W, 0x000d0, ALL, 1u << 2},
	{"8.8", "interrupts: of those the vector", W, 0x01524, ALL, 1u << 2},
};
/* clang-format on */
#define BRING_UP_STEPS (sizeof(bring_up) / sizeof(bring_up[0]))

static bool is_step(const struct access *access, const struct step *step)
{
	return access->write == (step->kind == W) && access->offset == step->offset &&
	       (access->value & step->bits) == step->value;
}

static void end(struct nic_lab *lab)
{
	assert_int_equal(atomic_load(&lab->reports), 0);
	lab_close(lab);
}

static void test_bring_up_in_order(void **state)
{
	struct nic_lab lab;
	unsigned at = 0;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab);
	for (unsigned i = 0; i < BRING_UP_STEPS; i++) {
		const struct step *step = &bring_up[i];

		while (at < lab.spy.n_log && !is_step(&lab.spy.log[at], step))
			at++;
		if (at == lab.spy.n_log)
			fail_msg("not after what comes before it: %s %s", step->section,
				 step->what);
		at++;
	}
	end(&lab);
}

/* The other way round, and no DMA afterwards. */
static void test_stop_in_order(void **state)
{
	static const struct step steps[] = {
		{"4.5.4", "interrupts are masked", W, 0x01528, ALL, ALL},
		{"4.5.9.1", "queue 0 is disabled", W, RXQ(0, 0x28), ENABLE, 0},
		{"4.5.9.1", "... which is waited for", R, RXQ(0, 0x28), ENABLE, 0},
		{"4.5.9.1", "then reception ends", W, 0x00100, 1u << 1, 0},
		{"4.5.10.1", "queue 1 is disabled", W, TXQ(1, 0x28), ENABLE, 0},
		{"4.5.10.1", "... which is waited for", R, TXQ(1, 0x28), ENABLE, 0},
		{"4.5.10", "transmission ends", W, 0x00400, 1u << 1, 0},
		{"8.2.1", "the PCIe master is disabled", W, 0x00000, 1u << 2, 1u << 2},
		{"8.2.2", "... which is waited for", R, 0x00008, 1u << 19, 0},
		{"8.2.3", "firmware is told", W, 0x00018, 1u << 28, 0},
	};
	struct nic_lab lab;
	unsigned at;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	at = lab.spy.n_log;
	pl_nic_stop(lab.nic);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		while (at < lab.spy.n_log && !is_step(&lab.spy.log[at], &steps[i]))
			at++;
		if (at == lab.spy.n_log)
			fail_msg("not after what comes before it: %s %s", steps[i].section,
				 steps[i].what);
		at++;
	}
	assert_false(lab.spy.bus_master);
	end(&lab);
}

/* ---- identity and configuration ---- */

static void test_identity(void **state)
{
	struct pl_nic_caps caps;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	pl_nic_caps(lab.nic, &caps);
	assert_string_equal(caps.model, "82576");
	assert_memory_equal(caps.mac, lab_mac, 6);
	assert_int_equal(caps.max_queues, 9); /* of 10 vectors one is for all else */
	assert_true(caps.mtu_max >= 9000);
	assert_int_equal(caps.speed_mbps, 1000);
	end(&lab);
}

static void test_too_many_queues(void **state)
{
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 10);
	assert_int_equal(lab_try(&lab, &err), -EINVAL);
	assert_non_null(strstr(err.what, "no 10 queues: it has 9"));
	end(&lab);
}

/* Each queue its share of RETA's 128 bytes, and its vector: 8.8.13. */
static void test_queues(void **state)
{
	struct nic_lab lab;

	(void)state;
	for (unsigned n = 2; n <= 9; n++) {
		unsigned share[9] = {0};

		lab_open(&lab, n);
		lab_start(&lab);
		for (unsigned i = 0; i < 128; i++) {
			uint32_t four = lab_written(&lab, 0x05c00 + i / 4 * 4);
			unsigned queue = four >> 8 * (i % 4) & 0xff;

			assert_true(queue < n);
			share[queue]++;
		}
		for (unsigned q = 0; q < n; q++) {
			uint32_t ivar = lab_written(&lab, 0x01700 + 4 * (q % 8));

			assert_in_range(share[q], 128 / n, 128 / n + 1);
			assert_int_equal(ivar >> (q < 8 ? 0 : 16) & 0xff, 0x80 | q);
			/* Tails are where the rings are full. */
			assert_int_equal(pl_pci_read(&lab.spy.pci, RXQ(q, 0x18)), LAB_RING - 1);
		}
		end(&lab);
	}
}

static void test_one_queue(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	assert_int_equal(lab_written(&lab, 0x05818), 0);		/* no RSS */
	assert_false(lab_written(&lab, RXQ(0, 0x0c)) & 1u << 31);	/* waits for buffers */
	assert_int_equal(lab_written(&lab, 0x01740) >> 8 & 0xff, 0x81); /* the other vector: 1 */
	end(&lab);
}

/* 8.8: microseconds, from bit 2 on. */
static void test_moderation(void **state)
{
	static const unsigned us[] = {0, 1, 50, 1000};
	struct nic_lab lab;

	(void)state;
	for (unsigned i = 0; i < sizeof(us) / sizeof(us[0]); i++) {
		lab_open(&lab, 2);
		lab.config.moderation_us = us[i];
		lab_start(&lab);
		assert_int_equal(lab_written(&lab, 0x01680), us[i] << 2);
		assert_int_equal(lab_written(&lab, 0x01684), us[i] << 2);
		assert_in_range(lab_written(&lab, 0x01688), 1 << 2, 1000 << 2); /* the link's */
		end(&lab);
	}
}

/* With it a full ring holds up rather than drops; pause frames are sent while two frames still fit, and
 * obeyed, if the other end does likewise. */
static void test_flow_control(void **state)
{
	uint32_t high, low;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab.config.flow_control = true;
	lab_start(&lab);
	high = lab_written(&lab, 0x02168);
	low = lab_written(&lab, 0x02160);
	assert_true(low & 1u << 31);
	low &= ~(1u << 31);
	assert_int_equal((high | low) & 0xf, 0);
	assert_true(low < high && high <= 65536 - 2 * 1526);
	assert_true(lab_written(&lab, 0x02460) < lab_written(&lab, 0x00170));
	assert_false(lab_written(&lab, RXQ(0, 0x0c)) & 1u << 31);
	lab_wait_link(&lab, true);
	assert_int_equal(lab_written(&lab, 0x00000) & 3u << 27, 3u << 27);
	end(&lab);
}

/* Another end that does not know pause frames. */
static bool no_pause(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	if (write || offset != MDIC)
		return false;
	*value = spy->inner->ops->read(spy->inner, offset);
	if ((*value >> 16 & 0x1f) == 5)
		*value &= ~(1u << 10);
	return true;
}

static void test_no_flow_control_alone(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab.config.flow_control = true;
	lab.spy.instead = no_pause;
	lab_start(&lab);
	lab_wait_link(&lab, true);
	assert_int_equal(lab_written(&lab, 0x00000) & 3u << 27, 0);
	end(&lab);
}

static void test_jumbo(void **state)
{
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab.buf_bytes = 16384;
	lab.config.mtu = 9000;
	lab_start(&lab);
	assert_int_equal(lab_written(&lab, 0x05004), 9000 + 22 + 4);
	assert_int_equal(lab_written(&lab, RXQ(1, 0x0c)) & 0x7f, 16);
	assert_int_equal(pl_nic_set_mtu(lab.nic, 1500, &err), 0);
	assert_int_equal(lab_written(&lab, 0x05004), 1500 + 22 + 4);
	assert_int_equal(pl_nic_set_mtu(lab.nic, 9703, &err), -EMSGSIZE);
	end(&lab);
}

/* ---- the link ---- */

/* By its interrupt. */
static void wait_event(struct nic_lab *lab)
{
	struct pollfd fd = {.fd = pl_nic_event_fd(lab->nic), .events = POLLIN};

	assert_int_equal(poll(&fd, 1, 20000), 1);
}

static void test_link(void **state)
{
	struct pl_nic_link link;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	for (unsigned turn = 0; turn < 3; turn++) {
		lab_wait_link(&lab, true);
		assert_int_equal(pl_nic_link(lab.nic, &link), 0);
		assert_int_equal(link.mbps, 1000);
		assert_string_equal(link.media, "1000BASE-T");
		emu_wire_memory_link(lab.wire, false);
		wait_event(&lab);
		lab_wait_link(&lab, false);
		assert_int_equal(pl_nic_link(lab.nic, &link), 0);
		assert_int_equal(link.mbps, 0);
		emu_wire_memory_link(lab.wire, true);
		wait_event(&lab);
	}
	end(&lab);
}

/* ---- failures ---- */

struct fault {
	enum emu_fault fault;
	int rc;
	const char *says; /* the step that failed */
};

static const struct fault faults[] = {
	{EMU_FAULT_RESET, -ETIMEDOUT, "did not come out of reset"},
	{EMU_FAULT_EEPROM, -ETIMEDOUT, "did not finish reading its EEPROM"},
	{EMU_FAULT_CHECKSUM, -EIO, "checksum is wrong"},
	{EMU_FAULT_RX_ENABLE, -ETIMEDOUT, "did not enable a receive queue"},
	{EMU_FAULT_TX_ENABLE, -ETIMEDOUT, "did not enable a transmit queue"},
	{EMU_FAULT_REMOVED, -ENODEV, "is gone"},
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static void check_error(const struct pl_error *err, const struct fault *fault)
{
	if (strncmp(err->what, "pl0: emulated 82576 (emu:lab) ", 30) ||
	    !strstr(err->what, fault->says))
		fail_msg("'%s' does not say '%s'", err->what, fault->says);
	assert_int_not_equal(err->remedy[0], '\0');
}

static void test_faults_at_open(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FAULTS; i++) {
		uint64_t begin;
		struct pl_error err;
		struct nic_lab lab;

		lab_open(&lab, 2);
		emu_inject(lab.device, faults[i].fault, true);
		begin = lab_now_ms();
		assert_int_equal(lab_try(&lab, &err), faults[i].rc);
		assert_true(lab_now_ms() - begin < BOUND_MS);
		check_error(&err, &faults[i]);
		lab_check_clean(&lab);
		emu_inject(lab.device, faults[i].fault, false);
		lab_start(&lab);
		lab_wait_link(&lab, true);
		lab_close(&lab);
	}
}

/* The fault begins while the NIC runs. */
static void test_faults_at_restart(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FAULTS; i++) {
		uint64_t begin;
		struct pl_error err;
		struct nic_lab lab;

		lab_open(&lab, 2);
		lab_start(&lab);
		emu_inject(lab.device, faults[i].fault, true);
		begin = lab_now_ms();
		for (unsigned turn = 0; turn < 2; turn++) {
			assert_int_equal(pl_nic_start(lab.nic, &err), faults[i].rc);
			check_error(&err, &faults[i]);
			assert_false(lab.spy.bus_master);
		}
		assert_true(lab_now_ms() - begin < BOUND_MS);
		emu_inject(lab.device, faults[i].fault, false);
		if (pl_nic_start(lab.nic, &err))
			fail_msg("%s", err.what);
		lab_wait_link(&lab, true);
		lab_close(&lab);
	}
}

/* No link is a state, not a failure. */
static void test_no_link(void **state)
{
	struct pl_nic_link link;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_inject(lab.device, EMU_FAULT_LINK, true);
	lab_start(&lab);
	assert_int_equal(pl_nic_link(lab.nic, &link), 0);
	assert_false(link.up);
	emu_inject(lab.device, EMU_FAULT_LINK, false);
	lab_wait_link(&lab, true);
	end(&lab);
}

/* What does not end is ended by the bus, soon. */
static void test_will_not_stop(void **state)
{
	static const enum emu_fault stuck[] = {EMU_FAULT_RX_DISABLE, EMU_FAULT_MASTER};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t begin;
		struct nic_lab lab;

		lab_open(&lab, 9);
		lab_start(&lab);
		emu_inject(lab.device, stuck[i], true);
		begin = lab_now_ms();
		pl_nic_stop(lab.nic);
		assert_true(lab_now_ms() - begin < BOUND_MS);
		assert_false(lab.spy.bus_master);
		lab_stop(&lab);
		lab_check_clean(&lab);
		emu_inject(lab.device, stuck[i], false);
		lab_start(&lab);
		lab_wait_link(&lab, true);
		lab_close(&lab);
	}
}

static void test_removed_while_running(void **state)
{
	uint32_t frames[8];
	uint16_t len[8];
	struct pl_nic_link link;
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	emu_inject(lab.device, EMU_FAULT_REMOVED, true);
	assert_int_equal(pl_nic_link(lab.nic, &link), -ENODEV);
	assert_false(link.up);
	assert_true(lab_counter(&lab, "rx_bytes") < 1 << 20); /* all ones are no counts */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pl_queue_rx(lab.queues[i], frames, len, 8), 0);
		pl_queue_flush(lab.queues[i]);
	}
	pl_nic_stop(lab.nic);
	assert_int_equal(pl_nic_start(lab.nic, &err), -ENODEV);
	emu_inject(lab.device, EMU_FAULT_REMOVED, false);
	if (pl_nic_start(lab.nic, &err))
		fail_msg("%s", err.what);
	lab_wait_link(&lab, true);
	lab_close(&lab);
}

/* Gone at a certain access of its registers. */
static unsigned gone_at;

static bool go(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	(void)write, (void)offset, (void)value;
	if (spy->n_log == gone_at)
		emu_inject(spy->inner, EMU_FAULT_REMOVED, true);
	return false;
}

static void test_removed_at_any_time(void **state)
{
	bool came_up = false;

	(void)state;
	for (gone_at = 0; !came_up; gone_at += 1 + gone_at / 64) {
		struct pl_error err;
		struct nic_lab lab;
		int rc;

		lab_open(&lab, 2);
		lab.spy.instead = go;
		rc = lab_try(&lab, &err);
		came_up = !rc;
		if (rc) {
			assert_int_equal(rc, -ENODEV);
			assert_non_null(strstr(err.what, "is gone"));
			lab_check_clean(&lab);
		}
		lab_close(&lab);
	}
	assert_true(gone_at > 500); /* it was gone all along the way */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bring_up_in_order),
		cmocka_unit_test(test_stop_in_order),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_too_many_queues),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_one_queue),
		cmocka_unit_test(test_moderation),
		cmocka_unit_test(test_flow_control),
		cmocka_unit_test(test_no_flow_control_alone),
		cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_faults_at_open),
		cmocka_unit_test(test_faults_at_restart),
		cmocka_unit_test(test_no_link),
		cmocka_unit_test(test_will_not_stop),
		cmocka_unit_test(test_removed_while_running),
		cmocka_unit_test(test_removed_at_any_time),
	};

	lab_model = EMU_82576;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
