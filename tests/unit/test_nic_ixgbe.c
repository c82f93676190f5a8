/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82599's driver on an emulated one: does it do what the datasheet asks for, and in that order? Offsets
 * and bits are the datasheet's (section 8.2.3), written down here once more. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nic_lab.h"

/* ---- the order of bring-up ---- */

enum { R, W };

/* An access, with these bits of the value. */
struct step {
	const char *section, *what;
	int kind;
	uint32_t offset, bits, value;
};

#define RXQ(n, at) (0x1000u + 0x40u * (n) + (at))
#define TXQ(n, at) (0x6000u + 0x40u * (n) + (at))
#define ENABLE (1u << 25)
#define ALL 0xffffffffu

/* clang-format off */
static const struct step bring_up[] = {
	{"4.6.3.1", "interrupts are masked", W, 0x00888, 0x7fffffff, 0x7fffffff},
	{"5.2.5.3.2", "the PCIe master is disabled", W, 0x00000, 1u << 2, 1u << 2},
	{"5.2.5.3.2", "... which is waited for", R, 0x00008, 1u << 19, 0},
	{"4.6.3.2", "software and link are reset", W, 0x00000, 1u << 26 | 1u << 3, 1u << 26 | 1u << 3},
	{"4.6.3.2", "... which is waited for", R, 0x00000, 1u << 26 | 1u << 3, 0},
	{"4.6.3.1", "interrupts are masked again", W, 0x00888, 0x7fffffff, 0x7fffffff},
	{"4.6.3", "the EEPROM's auto-read is waited for", R, 0x10010, 1u << 9, 1u << 9},
	{"4.6.3", "initialisation of DMA is waited for", R, 0x02f00, 1u << 3, 1u << 3},
	{"4.6.3.2", "flow control: threshold", W, 0x03260, 0x0007ffe0, 512 * 1024 - 0x6000},
	{"4.6.3.2", "flow control is off", W, 0x03d00, 3u << 3, 0},
	{"4.6.4", "link: 10 Gb/s serial is SFI", W, 0x042a8, 3u << 16, 2u << 16},
	{"4.6.4", "link: restarted in another mode, that negotiates", W, 0x042a0, 1u << 15 | 1u << 12,
	 1u << 15 | 1u << 12},
	{"4.6.4", "... which is waited for", R, 0x042b0, 1u << 16, 1u << 16},
	{"4.6.4", "link: 10 Gb/s serial, restarted", W, 0x042a0, 7u << 13 | 1u << 12, 3u << 13 | 1u << 12},
	{"4.6.5", "counters are cleared", R, 0x04074, 0, 0},
	{"4.6.7", "receive: unused addresses", W, 0x0a204 + 8 * 127, ALL, 0},
	{"4.6.7", "receive: pools", W, 0x0a600 + 4 * 255, ALL, 0},
	{"4.6.7", "receive: multicast table", W, 0x05200 + 4 * 127, ALL, 0},
	{"4.6.7", "receive: broadcasts and multicasts", W, 0x05080, 7u << 8, 1u << 10 | 1u << 8},
	{"4.6.7", "receive: RSS key", W, 0x0eb80 + 4 * 9, ALL, 0x5a6d5a6d},
	{"4.6.7", "receive: RSS table", W, 0x0eb00 + 4 * 31, 0, 0},
	{"4.6.7", "receive: RSS", W, 0x0ec80, 0x00f3000f, 0x00f30001},
	{"4.6.7", "receive: no coalescing", W, 0x05008, 1u << 5, 1u << 5},
	{"4.6.7", "receive: FCS stripped by DMA", W, 0x02f00, 1u << 1, 1u << 1},
	{"4.6.7", "receive: packet buffer", W, 0x03c00, 0x3ffu << 10, 512u << 10},
	{"4.6.7", "receive: longest frame", W, 0x04268, 0xffffu << 16, (1500u + 22) << 16},
	{"4.6.7", "receive: jumbo", W, 0x04240, 1u << 2 | 1u << 1, 1u << 2 | 1u << 1},
	{"4.6.7.1", "queue 0: base", W, RXQ(0, 0x00), 0, 0},
	{"4.6.7.1", "queue 0: length", W, RXQ(0, 0x08), ALL, LAB_RING * 16},
	{"4.6.7.1", "queue 0: advanced descriptors, buffers of 2 KB", W, RXQ(0, 0x14), 7u << 25 | 0x1f,
	 1u << 25 | 2},
	{"4.6.7", "queue 0: a descriptor does not overtake its frame", W, RXQ(0, 0x0c), 1u << 15 | 1u << 13, 0},
	{"4.6.7.1", "queue 0: enabled", W, RXQ(0, 0x28), ENABLE, ENABLE},
	{"4.6.7.1", "... which is waited for", R, RXQ(0, 0x28), ENABLE, ENABLE},
	{"4.6.7.1", "queue 1: enabled", W, RXQ(1, 0x28), ENABLE, ENABLE},
	{"4.6.7.1", "... which is waited for", R, RXQ(1, 0x28), ENABLE, ENABLE},
	{"4.6.7", "receive: no snoop disabled", W, 0x00018, 1u << 16, 1u << 16},
	{"4.6.8", "transmit: no limits of rates", W, 0x04984, ALL, 0},
	{"4.6.8", "transmit: FCS and padding", W, 0x04240, 1u << 10 | 1u, 1u << 10 | 1u},
	{"4.6.8", "transmit: arbiter off", W, 0x04900, 1u << 6, 1u << 6},
	{"4.6.8", "transmit: requests", W, 0x08100, 0xfff, 0xfff},
	{"4.6.8", "transmit: packet buffer", W, 0x0cc00, 0x3ffu << 10, 160u << 10},
	{"4.6.8", "transmit: threshold, one frame less", W, 0x04950, 0x3ff, 150},
	{"4.6.8", "transmit: no traffic classes", W, 0x08120, 0xf, 0},
	{"4.6.8", "transmit: arbiter on", W, 0x04900, 1u << 6, 0},
	{"4.6.8", "transmit: enabled", W, 0x04a80, 1, 1},
	{"4.6.8.1", "queue 0: base", W, TXQ(0, 0x00), 0, 0},
	{"4.6.8.1", "queue 0: length", W, TXQ(0, 0x08), ALL, LAB_RING * 16},
	{"4.6.8.1", "queue 0: reports come in order", W, TXQ(0, 0x0c), 1u << 11, 0},
	{"4.6.8.1", "queue 0: enabled, each report written at once", W, TXQ(0, 0x28), ENABLE | 0x7f << 16,
	 ENABLE},
	{"4.6.8.1", "... which is waited for", R, TXQ(0, 0x28), ENABLE, ENABLE},
	{"4.6.8.1", "queue 1: enabled", W, TXQ(1, 0x28), ENABLE, ENABLE},
	{"4.6.8.1", "... which is waited for", R, TXQ(1, 0x28), ENABLE, ENABLE},
	{"4.6.6", "interrupts: MSI-X, masked automatically", W, 0x00898, 1u << 30 | 1u << 4,
	 1u << 30 | 1u << 4},
	{"4.6.6", "interrupts: queues 0 and 1 to vectors 0 and 1", W, 0x00900, ALL, 0x81818080},
	{"4.6.6", "interrupts: all else to vector 2", W, 0x00a00, 0xff00, 0x8200},
	{"4.6.6", "interrupts: cleared as they are sent", W, 0x00810, 0xffff, 3},
	{"4.6.6", "interrupts: masked as they are sent", W, 0x00890, 0xffff, 3},
	{"4.6.6", "interrupts: no moderation", W, 0x00820, 0xff8, 0},
	{"4.6.6", "interrupts: old causes are cleared", W, 0x00800, 0x7fffffff, 0x7fffffff},
	{"4.6.7", "receive: the path is halted", W, 0x08d00, 1u << 1, 1u << 1},
	{"4.6.7", "... which is waited for", R, 0x08d04, 1, 1},
	{"4.6.7", "receive: enabled", W, 0x03000, 1, 1},
	{"4.6.7", "receive: the path goes on", W, 0x08d00, 1u << 1, 0},
	{"4.6.3", "interrupts: changes of the link", W, 0x00880, 1u << 20, 1u << 20},
};
/* clang-format on */
#define BRING_UP_STEPS (sizeof(bring_up) / sizeof(bring_up[0]))

static bool is_step(const struct access *access, const struct step *step)
{
	return access->write == (step->kind == W) && access->offset == step->offset &&
	       (access->value & step->bits) == step->value;
}

/* Index of the first access of this kind from `from` on, or the log's length. */
static unsigned find(const struct nic_lab *lab, unsigned from, const struct step *step)
{
	while (from < lab->spy.n_log && !is_step(&lab->spy.log[from], step))
		from++;
	return from;
}

/* Each step after the one before it, from this access on. */
static void check_order(const struct nic_lab *lab, unsigned at, const struct step *steps,
			unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		at = find(lab, at, &steps[i]);
		if (at == lab->spy.n_log)
			fail_msg("not after what comes before it: %s %s", steps[i].section,
				 steps[i].what);
		at++;
	}
}

static void test_bring_up_in_order(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab);
	check_order(&lab, 0, bring_up, BRING_UP_STEPS);
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

/* clang-format off */
static const struct step stop[] = {
	{"4.6.3.1", "interrupts are masked", W, 0x00888, 0x7fffffff, 0x7fffffff},
	{"4.6.7.1.2", "receive queue 0 is disabled", W, RXQ(0, 0x28), ENABLE, 0},
	{"4.6.7.1.2", "... which is waited for", R, RXQ(0, 0x28), ENABLE, 0},
	{"4.6.7.1.2", "receive queue 1 is disabled", W, RXQ(1, 0x28), ENABLE, 0},
	{"4.6.7.1.2", "... which is waited for", R, RXQ(1, 0x28), ENABLE, 0},
	{"4.6.7.1.2", "then reception", W, 0x03000, 1, 0},
	{"4.6.8.1.2", "transmit queue 0 has sent all", R, TXQ(0, 0x10), 0, 0},
	{"4.6.8.1.2", "... and is disabled", W, TXQ(0, 0x28), ENABLE, 0},
	{"4.6.8.1.2", "... which is waited for", R, TXQ(0, 0x28), ENABLE, 0},
	{"4.6.8.1.2", "transmit queue 1 is disabled", W, TXQ(1, 0x28), ENABLE, 0},
	{"4.6.8.1.2", "... which is waited for", R, TXQ(1, 0x28), ENABLE, 0},
	{"4.6.8.1.2", "then transmission", W, 0x04a80, 1, 0},
	{"5.2.5.3.2", "the PCIe master is disabled", W, 0x00000, 1u << 2, 1u << 2},
	{"5.2.5.3.2", "... which is waited for", R, 0x00008, 1u << 19, 0},
	{"8.2.3.1.3", "firmware is told", W, 0x00018, 1u << 28, 0},
};
/* clang-format on */

/* 4.6.7.1.2: what a queue had under way is over 100 us after it was disabled. */
static void check_pause(const struct nic_lab *lab, unsigned from)
{
	static const struct step disabled = {"", "", R, RXQ(1, 0x28), ENABLE, 0};
	static const struct step off = {"", "", W, 0x03000, 1, 0};
	unsigned at = find(lab, from, &disabled), end = find(lab, at, &off);

	assert_true(end < lab->spy.n_log);
	assert_true(lab->spy.log[end].us - lab->spy.log[at].us >= 100);
}

static void test_stop_in_order(void **state)
{
	struct nic_lab lab;
	unsigned from;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	from = lab.spy.n_log;
	pl_nic_stop(lab.nic);
	check_order(&lab, from, stop, sizeof(stop) / sizeof(stop[0]));
	check_pause(&lab, from);
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

/* What must not be: reception before all queues are there, transmission before the buffers are divided;
 * descriptors of a queue that is not enabled yet. */
static void test_nothing_too_early(void **state)
{
	static const struct step rx_on = {"", "", W, 0x03000, 1, 1};
	static const struct step rx_queue = {"", "", R, RXQ(15, 0x28), ENABLE, ENABLE};
	static const struct step tx_on = {"", "", W, 0x04a80, 1, 1};
	static const struct step tx_queue = {"", "", W, TXQ(0, 0x28), ENABLE, ENABLE};
	static const struct step unmasked = {"", "", W, 0x00880, 0, 0};
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 16);
	lab_start(&lab);
	assert_true(find(&lab, 0, &rx_queue) < find(&lab, 0, &rx_on));
	assert_true(find(&lab, 0, &tx_on) < find(&lab, 0, &tx_queue));
	assert_true(find(&lab, 0, &rx_on) < find(&lab, 0, &unmasked));
	/* All tails are where the rings are full. */
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(pl_pci_read(&lab.spy.pci, RXQ(i, 0x18)), LAB_RING - 1);
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

/* ---- identity ---- */

static void test_identity(void **state)
{
	struct pl_nic_caps caps;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	pl_nic_caps(lab.nic, &caps);
	assert_string_equal(caps.model, "82599ES");
	assert_memory_equal(caps.mac, lab_mac, 6);
	assert_int_equal(caps.max_queues, 16);
	assert_true(caps.mtu_max >= 9000);
	assert_int_equal(caps.speed_mbps, 10000);
	lab_close(&lab);
}

/* What cannot be had is refused with its reason. */
static void refuse(const struct pl_nic_config *config, int rc, const char *reason)
{
	struct pl_error err;
	struct nic_lab lab;

	lab_open(&lab, 1);
	lab.config = *config;
	assert_int_equal(lab_try(&lab, &err), rc);
	if (!strstr(err.what, reason))
		fail_msg("'%s' does not say '%s'", err.what, reason);
	lab_close(&lab);
}

static void test_refused(void **state)
{
	const struct pl_nic_config ok = {
		.name = "pl0", .n_queues = 1, .ring_size = LAB_RING, .mtu = 1500};
	struct pl_nic_config config;

	(void)state;
	config = ok, config.n_queues = 17, refuse(&config, -EINVAL, "no 17 queues: it has 16");
	config = ok, config.n_queues = 0, refuse(&config, -EINVAL, "no 0 queues");
	config = ok, config.ring_size = 32, refuse(&config, -EINVAL, "32 descriptors");
	config = ok, config.ring_size = 8192, refuse(&config, -EINVAL, "8192 descriptors");
	config = ok, config.ring_size = 96, refuse(&config, -EINVAL, "96 descriptors");
	config = ok, config.moderation_us = 1001, refuse(&config, -EINVAL, "1001 microseconds");
	config = ok, config.mtu = 9703, refuse(&config, -EMSGSIZE, "MTU of 9703");
	config = ok, config.mtu = 67, refuse(&config, -EMSGSIZE, "MTU of 67");
	config = ok, config.mtu = 9000, refuse(&config, -EMSGSIZE, "buffers of 2048 bytes");
}

static void test_unknown_device(void **state)
{
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab.spy.pci.device = 0x10ed; /* the 82599's virtual function */
	assert_int_equal(lab_try(&lab, &err), -ENODEV);
	assert_non_null(strstr(err.what, "8086:10ed"));
	assert_int_equal(lab.spy.n_log, 0); /* not touched */
	lab_close(&lab);
}

/* ---- what the configuration becomes ---- */

/* 8.2.3.5.12: units of 2.048 us, in bits 11:3; what is asked for is the least. */
static void test_moderation(void **state)
{
	static const unsigned us[] = {0, 1, 2, 3, 50, 999, 1000};
	struct nic_lab lab;

	(void)state;
	for (unsigned i = 0; i < sizeof(us) / sizeof(us[0]); i++) {
		uint32_t units;

		lab_open(&lab, 2);
		lab.config.moderation_us = us[i];
		lab_start(&lab);
		for (unsigned queue = 0; queue < 2; queue++) {
			units = lab_written(&lab, 0x00820 + 4 * queue) >> 3 & 0x1ff;
			assert_true(units * 2048 >= us[i] * 1000);
			assert_true(units * 2000 < us[i] * 1000 + 2000);
		}
		/* Changes of the link are not masked when they are told, so they are moderated, a bit. */
		units = lab_written(&lab, 0x00820 + 4 * 2) >> 3 & 0x1ff;
		assert_in_range(units, 1, 500);
		lab_close(&lab);
	}
}

/* 7.1.2.8.3: 128 entries, each queue its share. */
static void test_redirection_table(void **state)
{
	struct nic_lab lab;

	(void)state;
	for (unsigned n = 2; n <= 16; n++) {
		unsigned share[16] = {0};

		lab_open(&lab, n);
		lab_start(&lab);
		for (unsigned i = 0; i < 128; i++) {
			uint32_t four = lab_written(&lab, 0x0eb00 + i / 4 * 4);
			unsigned queue = four >> 8 * (i % 4) & 0xff;

			assert_true(queue < n);
			share[queue]++;
		}
		for (unsigned i = 0; i < n; i++)
			assert_in_range(share[i], 128 / n, 128 / n + 1);
		/* More than one: those that are not emptied do not hold up the others. */
		assert_true(lab_written(&lab, RXQ(n - 1, 0x14)) & 1u << 28);
		lab_close(&lab);
	}
}

static void test_one_queue(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	assert_int_equal(lab_written(&lab, 0x0ec80), 0);		/* no RSS */
	assert_false(lab_written(&lab, RXQ(0, 0x14)) & 1u << 28);	/* waits for buffers */
	assert_int_equal(lab_written(&lab, 0x00a00) >> 8 & 0xff, 0x81); /* the other vector: 1 */
	lab_close(&lab);
}

static void test_flow_control(void **state)
{
	uint32_t high, low;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab); /* off */
	assert_int_equal(lab_written(&lab, 0x03200), 0);
	assert_int_equal(lab_written(&lab, 0x03220), 0);
	assert_false(lab_written(&lab, 0x03260) & 1u << 31);
	assert_int_equal(lab_written(&lab, 0x032a0), 0);
	assert_int_equal(lab_written(&lab, 0x03d00) & 3u << 3, 0);
	assert_int_equal(lab_written(&lab, 0x04294) & (1u << 3 | 1u << 2), 0);
	lab_stop(&lab);

	lab.config.flow_control = true;
	lab_start(&lab);
	high = lab_written(&lab, 0x03260);
	low = lab_written(&lab, 0x03220);
	assert_true(high & 1u << 31);
	assert_true(low & 1u << 31);
	high &= ~(1u << 31), low &= ~(1u << 31);
	/* 8.2.3.3.3, 8.2.3.3.4: units of 32 bytes; room for what comes before the other end stops. */
	assert_int_equal((high | low) & 0x1f, 0);
	assert_true(low < high && high <= 512 * 1024 - 0x6000);
	/* 8.2.3.3.2, 8.2.3.3.5: refreshed before it runs out. */
	assert_true(lab_written(&lab, 0x032a0) < (lab_written(&lab, 0x03200) & 0xffff));
	assert_int_equal(lab_written(&lab, 0x03d00) & 3u << 3, 1u << 3);
	assert_int_equal(lab_written(&lab, 0x04294) & (1u << 3 | 1u << 2), 1u << 3);
	/* With it a full ring holds up rather than drops. */
	assert_false(lab_written(&lab, RXQ(0, 0x14)) & 1u << 28);
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

static void test_jumbo(void **state)
{
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab.buf_bytes = 16384;
	lab.config.mtu = 9000;
	lab_start(&lab);
	assert_int_equal(lab_written(&lab, 0x04268) >> 16, 9022);
	assert_int_equal(lab_written(&lab, RXQ(0, 0x14)) & 0x1f, 16);
	assert_int_equal(pl_nic_set_mtu(lab.nic, 1500, &err), 0);
	assert_int_equal(lab_written(&lab, 0x04268) >> 16, 1522);
	assert_int_equal(pl_nic_set_mtu(lab.nic, 9703, &err), -EMSGSIZE);
	assert_int_equal(pl_nic_set_mtu(lab.nic, 67, &err), -EMSGSIZE);
	assert_int_equal(lab_written(&lab, 0x04268) >> 16, 1522);
	lab_close(&lab);
}

/* The longest frame that is let through, with a VLAN tag that MAXFRS does not count, fits every buffer from
 * where the first byte is received on. */
static void test_mtu_within_buffers(void **state)
{
	struct pl_error err;
	struct nic_lab lab;
	unsigned mtu = 1500;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	while (pl_nic_set_mtu(lab.nic, mtu + 1, &err) == 0)
		mtu++;
	assert_non_null(strstr(err.what, "buffers of 2048 bytes"));
	assert_int_equal(lab_written(&lab, 0x04268) >> 16, mtu + 22);
	assert_in_range(mtu, 1700, 2048 - 2 - 22);
	lab_close(&lab);
}

/* ---- life ---- */

static void test_stop_and_start(void **state)
{
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab);
	for (unsigned i = 0; i < 3; i++) {
		pl_nic_stop(lab.nic);
		assert_false(lab.spy.bus_master);
		for (unsigned queue = 0; queue < 2; queue++) {
			assert_false(pl_pci_read(&lab.spy.pci, RXQ(queue, 0x28)) & ENABLE);
			assert_false(pl_pci_read(&lab.spy.pci, TXQ(queue, 0x28)) & ENABLE);
		}
		pl_nic_stop(lab.nic); /* nothing happens */
		if (pl_nic_start(lab.nic, &err))
			fail_msg("%s", err.what);
		assert_true(lab.spy.bus_master);
		lab_wait_link(&lab, true);
	}
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

/* 8.2.3.1.1, 4.6.3.2: nothing is touched for 1 ms after a reset began, and for 10 ms after it ended. */
static void test_pauses(void **state)
{
	static const struct step reset = {"", "", W, 0, 1u << 26, 1u << 26};
	static const struct step done = {"", "", R, 0, 1u << 26, 0};
	const struct access *log;
	unsigned began, ended;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	log = lab.spy.log;
	began = find(&lab, 0, &reset);
	ended = find(&lab, began, &done);
	assert_true(log[began + 1].us - log[began].us >= 1000);
	assert_true(log[ended + 1].us - log[ended].us >= 10000);
	lab_close(&lab);
}

/* The first start needs no second reset. */
static void test_one_reset(void **state)
{
	unsigned resets = 0;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	for (unsigned i = 0; i < lab.spy.n_log; i++)
		resets += lab.spy.log[i].write && lab.spy.log[i].offset == 0 &&
			  lab.spy.log[i].value & 1u << 26;
	assert_int_equal(resets, 1);
	lab_close(&lab);
}

static void test_queues_missing(void **state)
{
	struct pl_queue *queue;
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	assert_int_equal(pl_nic_open(&lab.nic, &lab.spy.pci, &lab.config, &err), 0);
	assert_int_equal(pl_nic_start(lab.nic, &err), -EINVAL);
	assert_non_null(strstr(err.what, "queue 0 is not open"));
	assert_int_equal(pl_pool_init(&lab.pools[0], 512, 2048, &err), 0);
	assert_int_equal(pl_nic_queue_open(lab.nic, 2, &lab.pools[0], &queue, &err), -EINVAL);
	assert_int_equal(pl_nic_queue_open(lab.nic, 0, &lab.pools[0], &lab.queues[0], &err), 0);
	assert_int_equal(pl_nic_queue_open(lab.nic, 0, &lab.pools[0], &queue, &err), -EINVAL);
	assert_null(queue);
	lab_close(&lab);
}

/* ---- link ---- */

static bool is_readable(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static void wait_for_event(int fd)
{
	uint64_t end = lab_now_ms() + 20000;

	while (!is_readable(fd))
		assert_true(lab_now_ms() < end);
}

static void test_link(void **state)
{
	struct pl_nic_link link;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	assert_int_equal(pl_nic_link(lab.nic, &link), 0);
	assert_int_equal(link.mbps, 10000);
	assert_string_equal(link.media, "10GBASE-SR");
	for (unsigned i = 0; i < 3; i++) {
		assert_false(is_readable(pl_nic_event_fd(lab.nic)));
		emu_wire_memory_link(lab.wire, i % 2);
		wait_for_event(pl_nic_event_fd(lab.nic)); /* LSC */
		assert_int_equal(pl_nic_link(lab.nic, &link), 0);
		assert_int_equal(link.up, i % 2);
		assert_int_equal(link.mbps, i % 2 ? 10000 : 0);
	}
	pl_nic_stop(lab.nic);
	assert_int_equal(pl_nic_link(lab.nic, &link), 0);
	assert_false(link.up);
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bring_up_in_order),
		cmocka_unit_test(test_stop_in_order),
		cmocka_unit_test(test_nothing_too_early),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_device),
		cmocka_unit_test(test_moderation),
		cmocka_unit_test(test_redirection_table),
		cmocka_unit_test(test_one_queue),
		cmocka_unit_test(test_flow_control),
		cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_mtu_within_buffers),
		cmocka_unit_test(test_stop_and_start),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_one_reset),
		cmocka_unit_test(test_queues_missing),
		cmocka_unit_test(test_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
