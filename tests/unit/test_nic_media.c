/* SPDX-License-Identifier: BSD-2-Clause */
/* What the ixgbe driver's link runs over: SFP+ modules of all kinds in an emulated 82599; and, since nobody
 * emulates an X540 or X550, the registers in which they differ played by the one who sits in between. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/i2c.h"
#include "nic_lab.h"

#define R_STATUS 0x00008u
#define R_CTRL 0x00000u
#define R_I2CCTL 0x00028u
#define R_EICS 0x00808u
#define R_SW_FW_SYNC 0x10160u
#define R_SWSM 0x10140u
#define R_EERD 0x10014u
#define R_EEMNGCTL 0x10110u
#define R_CORECTL 0x14f00u
#define R_LINKS 0x042a4u
#define R_MMNGC 0x042d0u
#define R_MSCA 0x0425cu
#define R_MSRWD 0x04260u
#define EICR_MODULE (1u << 26)

/* ---- SFP+ modules ---- */

struct cage {
	bool empty;
	struct emu_i2c module;
	/* Words of the EEPROM from 0x2b on and behind, for those that have values for modules. */
	const uint16_t *words;
	unsigned words_at, n_words;
	uint16_t word;
};

static bool eerd(struct cage *cage, bool write, uint32_t *value)
{
	unsigned at = *value >> 2 & 0x3fff;

	if (!write) {
		*value = (uint32_t)cage->word << 16 | 2;
		return cage->word != 0;
	}
	cage->word = 0;
	if (at == 0x2b)
		cage->word = (uint16_t)cage->words_at;
	else if (at >= cage->words_at && at < cage->words_at + cage->n_words)
		cage->word = cage->words[at - cage->words_at];
	return cage->word != 0;
}

static bool play_module(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	struct cage *cage = spy->ctx;
	bool data;

	if (offset == R_EERD && cage->words)
		return eerd(cage, write, value);
	if (offset != R_I2CCTL)
		return false;
	if (write) {
		emu_i2c_drive(&cage->module, *value & 2, *value & 8);
		return true;
	}
	data = cage->empty ? cage->module.data : emu_i2c_data(&cage->module);
	*value = (cage->module.clock ? 3 : 0) | (cage->module.data ? 8 : 0) | (data ? 4 : 0);
	return true;
}

struct kind {
	uint8_t byte0, byte3, byte6, byte8;
	const char *media;
};

static const struct kind kinds[] = {
	{3, 0x10, 0, 0, "10GBASE-SR"},
	{3, 0x20, 0, 0, "10GBASE-LR"},
	{3, 0x40, 0, 0, "10GBASE-LRM"},
	{3, 0x80, 0, 0, "10GBASE-ER"},
	{3, 0, 0, 0x04, "10GBASE direct attach, passive"},
	{3, 0, 0, 0x08, "10GBASE direct attach, active"},
	{3, 0, 0x01, 0, "1000BASE-SX, which is not supported"},
	{3, 0, 0x02, 0, "1000BASE-LX, which is not supported"},
	{3, 0, 0x08, 0, "1000BASE-T, which is not supported"},
	{3, 0x10, 0x01, 0, "10GBASE-SR"}, /* both speeds */
	{3, 0, 0, 0, "SFP+ module of unknown kind (03 00 00 00)"},
	{0x0d, 0x10, 0, 0, "SFP+ module of unknown kind (0d 10 00 00)"}, /* a QSFP+ */
};

static void set_kind(struct cage *cage, const struct kind *kind)
{
	emu_sfp_init(&cage->module);
	cage->module.memory[0] = kind->byte0;
	cage->module.memory[3] = kind->byte3;
	cage->module.memory[6] = kind->byte6;
	cage->module.memory[8] = kind->byte8;
}

static const char *media(struct nic_lab *lab)
{
	struct pl_nic_link link;

	assert_int_equal(pl_nic_link(lab->nic, &link), 0);
	return link.media;
}

static void test_kinds_of_modules(void **state)
{
	struct cage cage = {.empty = true};
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_sfp_init(&cage.module);
	lab.spy.instead = play_module;
	lab.spy.ctx = &cage;
	lab_start(&lab); /* without a module, too */
	assert_string_equal(media(&lab), "no SFP+ module");
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pl_error err;

		cage.empty = false;
		set_kind(&cage, &kinds[i]);
		assert_int_equal(pl_nic_start(lab.nic, &err), 0);
		assert_string_equal(media(&lab), kinds[i].media);
	}
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

static void wait_for_event(struct nic_lab *lab)
{
	uint64_t until = lab_now_ms() + 20000, count;

	while (read(pl_nic_event_fd(lab->nic), &count, sizeof(count)) < 0) {
		assert_true(lab_now_ms() < until);
		usleep(1000);
	}
}

/* Pin 2 tells that a module has come or gone: it is looked at anew. */
static void test_module_changes(void **state)
{
	struct cage cage = {.empty = false};
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_sfp_init(&cage.module);
	lab.spy.instead = play_module;
	lab.spy.ctx = &cage;
	lab_start(&lab);
	lab_wait_link(&lab, true);
	for (unsigned i = 0; i < 4; i++) {
		cage.empty = i % 2 == 0;
		set_kind(&cage, &kinds[i % 4]);
		/* Before it is told, nothing is known of it. */
		assert_string_equal(media(&lab),
				    i % 2 ? "no SFP+ module" : kinds[i ? i - 1 : 0].media);
		pl_pci_write(&lab.spy.pci, R_EICS, EICR_MODULE);
		wait_for_event(&lab);
		assert_string_equal(media(&lab), i % 2 ? kinds[i].media : "no SFP+ module");
		lab_wait_link(&lab, true); /* it was restarted */
	}
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

/* The board's settings of its analogue part, by kind of module: values in the EEPROM, in order. */
static void test_analogue(void **state)
{
	/* From 0x100 on: 0, then pairs of kind and place up to 0xffff; values end with 0xffff. */
	static const uint16_t words[] = {
		[0] = 1,      [1] = 3,	     [2] = 0x110,   [3] = 5,	   [4] = 0x118,
		[5] = 0xffff, [0x10] = 2,    [0x11] = 0x11, [0x12] = 0x12, [0x13] = 0xffff,
		[0x18] = 3,   [0x19] = 0x21, [0x1a] = 0x22, [0x1b] = 0x23, [0x1c] = 0xffff,
	};
	static const struct {
		unsigned kind;
		uint32_t values[4];
	} expected[] = {{0, {0x21, 0x22, 0x23}}, {4, {0x11, 0x12}}, {5, {0x21, 0x22, 0x23}}};
	struct cage cage = {.words = NULL, .words_at = 0x100, .n_words = 0x1d};
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_sfp_init(&cage.module);
	lab.spy.instead = play_module;
	lab.spy.ctx = &cage;
	lab_start(&lab); /* with the EEPROM's own, which has none */
	for (unsigned i = 0; i < lab.spy.n_log; i++)
		assert_int_not_equal(lab.spy.log[i].offset, R_CORECTL);
	cage.words = words;
	for (unsigned e = 0; e < 3; e++) {
		unsigned n = 0;

		set_kind(&cage, &kinds[expected[e].kind]);
		lab.spy.n_log = 0;
		assert_int_equal(pl_nic_start(lab.nic, &err), 0);
		for (unsigned i = 0; i < lab.spy.n_log; i++)
			if (lab.spy.log[i].write && lab.spy.log[i].offset == R_CORECTL)
				assert_int_equal(lab.spy.log[i].value, expected[e].values[n++]);
		assert_int_equal(expected[e].values[n], 0);
	}
	cage.words = NULL;
	lab_close(&lab);
}

/* ---- X540, X550 ---- */

#define REGSMP (1u << 31)

struct phy {
	uint16_t device;
	unsigned address; /* 32: nobody */
	unsigned lan;	  /* which port's it is */
	uint32_t links;	  /* if not 0 */
	bool smbi, regsmp;
	uint32_t sync;
	unsigned firmware_has_it; /* for so many reads of SW_FW_SYNC */
	unsigned unlocked;	  /* writes without holding the lock */
	unsigned without;	  /* commands without holding the PHY */
	uint32_t msca, address_cycle, data;
	uint16_t an_control, an_status, an_10g, an_provision, an_base, power;
	bool vetoed, lock_kept;
	unsigned resets_beside; /* without holding the PHY */
};

static uint16_t *phy_register(struct phy *phy, unsigned device, unsigned reg)
{
	if (device == 7 && reg == 0)
		return &phy->an_control;
	if (device == 7 && reg == 1)
		return &phy->an_status;
	if (device == 7 && reg == 0x20)
		return &phy->an_10g;
	if (device == 7 && reg == 0xc400)
		return &phy->an_provision;
	if (device == 7 && reg == 0x10)
		return &phy->an_base;
	if (device == 30 && reg == 0)
		return &phy->power;
	return NULL;
}

/* IEEE 802.3 45.3: a frame that sets the address, and one that reads or writes there. */
static void mdio(struct phy *phy, uint32_t command)
{
	unsigned at = command >> 21 & 0x1f, device = command >> 16 & 0x1f;
	uint16_t *reg;

	phy->without += !(phy->sync & 2u << phy->lan);
	phy->msca = command & ~(1u << 30);
	if ((command >> 26 & 3) == 0) {
		phy->address_cycle = command & 0xffff;
		return;
	}
	reg = phy_register(phy, device, phy->address_cycle);
	if ((command >> 26 & 3) == 1) {
		if (at == phy->address && reg)
			*reg = (uint16_t)phy->data;
		return;
	}
	phy->data &= 0xffff;
	if (at != phy->address)
		phy->data |= 0xffff0000;
	else if (device == 1 && phy->address_cycle == 2)
		phy->data |= 0x0154u << 16; /* the X540's */
	else if (reg)
		phy->data |= (uint32_t)*reg << 16;
}

static uint32_t read_sync(struct phy *phy)
{
	uint32_t value = phy->sync | (phy->regsmp || phy->lock_kept ? REGSMP : 0);

	if (phy->firmware_has_it) {
		phy->firmware_has_it--;
		value |= 2u << 5;
	}
	phy->regsmp = true; /* whoever reads 0 has it */
	return value;
}

static void write_sync(struct phy *phy, uint32_t value)
{
	phy->unlocked += !phy->smbi || !phy->regsmp;
	phy->sync = value & 0x1f;
	phy->regsmp = value & REGSMP;
}

static bool play_x540(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	struct phy *phy = spy->ctx;

	switch (offset) {
	case R_CTRL:
		phy->resets_beside += write && *value & 1u << 26 && !(phy->sync & 2u << phy->lan);
		return false;
	case R_STATUS:
		if (!write)
			*value = spy->inner->ops->read(spy->inner, offset) | phy->lan << 2;
		return !write;
	case R_MMNGC:
		*value = phy->vetoed;
		return true;
	case R_SWSM:
		if (!write) {
			*value = phy->smbi;
			phy->smbi = true;
		} else {
			phy->smbi = *value & 1;
		}
		return true;
	case R_SW_FW_SYNC:
		if (write)
			write_sync(phy, *value);
		else
			*value = read_sync(phy);
		return true;
	case R_EEMNGCTL:
		*value = 3u << 18;
		return true;
	case R_MSCA:
		if (write)
			mdio(phy, *value);
		else
			*value = phy->msca;
		return true;
	case R_MSRWD:
		if (write)
			phy->data = *value;
		else
			*value = phy->data;
		return true;
	case R_LINKS:
		if (phy->links)
			*value = phy->links;
		return phy->links != 0;
	default: /* the X550's redirection table goes on */
		return offset >= 0x0ee80 && offset < 0x0f000;
	}
}

static void open_x540(struct nic_lab *lab, struct phy *phy, uint16_t device, unsigned n_queues)
{
	/* Asleep, and offering pauses. */
	*phy = (struct phy){.device = device, .address = 0, .an_base = 3u << 10, .power = 1u << 11};
	lab_open(lab, n_queues);
	lab->spy.pci.device = device;
	lab->spy.instead = play_x540;
	lab->spy.ctx = phy;
}

static void check_free(const struct phy *phy)
{
	assert_false(phy->smbi);
	assert_false(phy->regsmp);
	assert_int_equal(phy->sync, 0);
	assert_int_equal(phy->unlocked, 0);
	assert_int_equal(phy->without, 0);
	assert_int_equal(phy->resets_beside, 0);
}

static void check_reset(const struct nic_lab *lab)
{
	for (unsigned i = 0; i < lab->spy.n_log; i++) {
		const struct access *access = &lab->spy.log[i];

		if (access->write && access->offset == 0)
			assert_false(access->value & 1u << 3); /* the PHY keeps its link */
		assert_true(access->offset != R_I2CCTL);
	}
}

static void test_x540(void **state)
{
	struct pl_nic_caps caps;
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 2);
	phy.address = 9;
	phy.firmware_has_it = 3;
	lab_start(&lab);
	pl_nic_caps(lab.nic, &caps);
	assert_string_equal(caps.model, "X540-AT2");
	assert_string_equal(media(&lab), "10GBASE-T");
	assert_int_equal(phy.power, 0);
	/* Offers 10 and 1 Gb/s, 100 Mb/s and no pauses, and negotiates. */
	assert_int_equal(phy.an_base, 1u << 8);
	assert_int_equal(phy.an_10g, 1u << 12);
	assert_int_equal(phy.an_provision, 1u << 15);
	assert_int_equal(phy.an_control, 1u << 12 | 1u << 9);
	check_free(&phy);
	check_reset(&lab);
	assert_int_equal(lab_written(&lab, 0x03c00), 384u << 10);
	assert_int_equal(lab_written(&lab, 0x03260), 384 * 1024 - 0x6000);
	assert_int_equal(lab_written(&lab, 0x00880), 1u << 20); /* no pins */
	assert_int_equal(atomic_load(&lab.reports), 0);
	lab_close(&lab);
}

static void test_pauses_are_offered(void **state)
{
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 1);
	lab.config.flow_control = true;
	lab_start(&lab);
	assert_int_equal(phy.an_base, 3u << 10 | 1u << 8);
	check_free(&phy);
	lab_close(&lab);
}

/* Negotiates if what is offered changes or there is no link, and else leaves the link that there is. */
static void test_link_stays(void **state)
{
	static const struct {
		uint16_t an_control, an_status, an_base, an_10g, an_provision;
		bool negotiates;
	} cases[] = {
		{1u << 12, 1u << 2, 1u << 8, 1u << 12, 1u << 15, false},
		{1u << 12, 0, 1u << 8, 1u << 12, 1u << 15, true},
		{1u << 12, 1u << 2, 1u << 8 | 3u << 10, 1u << 12, 1u << 15, true},
		{1u << 12, 1u << 2, 1u << 8, 0, 1u << 15, true},
		{1u << 12, 1u << 2, 1u << 8, 1u << 12, 0, true},
		{0, 1u << 2, 1u << 8, 1u << 12, 1u << 15, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct phy phy;
		struct nic_lab lab;

		open_x540(&lab, &phy, 0x1528, 1);
		phy.an_control = cases[i].an_control;
		phy.an_status = cases[i].an_status;
		phy.an_base = cases[i].an_base;
		phy.an_10g = cases[i].an_10g;
		phy.an_provision = cases[i].an_provision;
		lab_start(&lab);
		assert_int_equal(phy.an_control, 1u << 12 | (unsigned)cases[i].negotiates << 9);
		assert_int_equal(phy.an_base, 1u << 8);
		assert_int_equal(phy.an_10g, 1u << 12);
		assert_int_equal(phy.an_provision, 1u << 15);
		check_free(&phy);
		check_reset(&lab);
		lab_close(&lab);
	}
}

/* The second port's PHY is another one, from the first reset on. */
static void test_second_port(void **state)
{
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 1);
	phy.lan = 1;
	lab_start(&lab);
	check_free(&phy);
	lab_close(&lab);
}

/* What is left of a driver that is no more: a reset does not give it back. */
static void test_left_semaphores(void **state)
{
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 1);
	phy.sync = 3;
	phy.smbi = true;
	lab_start(&lab);
	check_free(&phy);
	lab_close(&lab);
}

/* Management uses the link: the PHY is woken, and otherwise left as it is. */
static void test_veto(void **state)
{
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 1);
	phy.vetoed = true;
	lab_start(&lab);
	assert_int_equal(phy.power, 0);
	assert_int_equal(phy.an_control, 0);
	assert_int_equal(phy.an_base, 3u << 10);
	check_free(&phy);
	lab_close(&lab);
}

/* A module that answers later than it is told of is found nevertheless, while there is no link. */
static void test_slow_module(void **state)
{
	struct cage cage = {.empty = true};
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_sfp_init(&cage.module);
	emu_inject(lab.device, EMU_FAULT_LINK, true);
	lab.spy.instead = play_module;
	lab.spy.ctx = &cage;
	lab_start(&lab);
	assert_string_equal(media(&lab), "no SFP+ module");
	assert_string_equal(media(&lab), "no SFP+ module");
	cage.empty = false;
	set_kind(&cage, &kinds[1]);
	assert_string_equal(media(&lab), kinds[1].media);
	emu_inject(lab.device, EMU_FAULT_LINK, false);
	lab_wait_link(&lab, true);
	lab_close(&lab);
}

static void test_x550(void **state)
{
	static const struct {
		uint32_t links;
		unsigned mbps;
	} speeds[] = {
		{1u << 30 | 3u << 28, 10000}, {1u << 30 | 3u << 28 | 1u << 27, 2500},
		{1u << 30 | 2u << 28, 1000},  {1u << 30 | 1u << 28 | 1u << 27, 5000},
		{1u << 30 | 1u << 28, 100},   {3u << 28, 0},
	};
	struct pl_nic_link link;
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1563, 3);
	lab_start(&lab);
	assert_int_equal(phy.an_provision, 1u << 15 | 1u << 11 | 1u << 10);
	for (unsigned i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		phy.links = speeds[i].links;
		assert_int_equal(pl_nic_link(lab.nic, &link), 0);
		assert_int_equal(link.mbps, speeds[i].mbps);
		assert_int_equal(link.up, speeds[i].mbps != 0);
	}
	phy.links = 0;
	/* Entries 128 to 511 repeat the first. */
	for (unsigned i = 0; i < 96; i++)
		assert_int_equal(lab_written(&lab, 0x0ee80 + 4 * i),
				 lab_written(&lab, 0x0eb00 + i % 32 * 4));
	check_free(&phy);
	check_reset(&lab);
	lab_close(&lab);
}

static void test_no_phy(void **state)
{
	struct pl_error err;
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 1);
	phy.address = 32;
	assert_int_equal(lab_try(&lab, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.what, "PHY"));
	lab_check_clean(&lab);
	check_free(&phy);
	phy.address = 0;
	lab_start(&lab);
	lab_close(&lab);
}

/* Firmware that does not give back what it has is taken for dead after a second (X540 datasheet 10.5.4). */
static void test_firmware_keeps_it(void **state)
{
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 1);
	phy.firmware_has_it = UINT32_MAX;
	lab_start(&lab);
	phy.firmware_has_it = 0;
	check_free(&phy);
	lab_close(&lab);
}

/* ... but not if it keeps the register itself. */
static void test_lock_is_kept(void **state)
{
	struct pl_error err;
	struct phy phy;
	struct nic_lab lab;

	(void)state;
	open_x540(&lab, &phy, 0x1528, 1);
	phy.lock_kept = true;
	assert_int_equal(lab_try(&lab, &err), -EBUSY);
	assert_non_null(strstr(err.what, "SW_FW_SYNC"));
	assert_int_not_equal(err.remedy[0], '\0');
	lab_check_clean(&lab);
	phy.lock_kept = false;
	phy.resets_beside = 0;
	lab_start(&lab);
	check_free(&phy);
	lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_of_modules),
		cmocka_unit_test(test_module_changes),
		cmocka_unit_test(test_analogue),
		cmocka_unit_test(test_x540),
		cmocka_unit_test(test_pauses_are_offered),
		cmocka_unit_test(test_link_stays),
		cmocka_unit_test(test_second_port),
		cmocka_unit_test(test_left_semaphores),
		cmocka_unit_test(test_veto),
		cmocka_unit_test(test_slow_module),
		cmocka_unit_test(test_x550),
		cmocka_unit_test(test_no_phy),
		cmocka_unit_test(test_firmware_keeps_it),
		cmocka_unit_test(test_lock_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
