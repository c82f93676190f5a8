/* SPDX-License-Identifier: BSD-2-Clause */
/* The igb driver where registers do not answer as an emulated 82576's: what they must not say, and what the
 * i350's, the i210's and a fiber 82576's say. Offsets and bits are the datasheets' (chapter 8), written down
 * here once more. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "nic_lab.h"

#define RXQ(n, at) (0xc000u + 0x40u * (n) + (at))
#define ENABLE (1u << 25)
#define ALL 0xffffffffu
#define MDIC 0x00020u

static void end(struct nic_lab *lab)
{
	assert_int_equal(atomic_load(&lab->reports), 0);
	lab_close(lab);
}

/* ---- registers that are not as they should be ---- */

/* Answers some registers in the device's place. */
struct answer {
	uint32_t offset, clear, set; /* bits of what is read */
	bool swallow;		     /* writes do not reach the device */
};

static const struct answer *answers;

static bool answer(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	for (const struct answer *a = answers; a->offset || a->set || a->clear; a++) {
		if (a->offset != offset)
			continue;
		if (write)
			return a->swallow;
		*value = a->swallow ? 0 : spy->inner->ops->read(spy->inner, offset);
		*value = (*value & ~a->clear) | a->set;
		return true;
	}
	return false;
}

static void open_with(struct nic_lab *lab, unsigned n_queues, const struct answer *list)
{
	lab_open(lab, n_queues);
	answers = list;
	lab->spy.instead = answer;
}

static void refused_with(const struct answer *list, int rc, const char *says)
{
	struct pl_error err;
	struct nic_lab lab;

	open_with(&lab, 1, list);
	assert_int_equal(lab_try(&lab, &err), rc);
	if (!strstr(err.what, says))
		fail_msg("'%s' does not say '%s'", err.what, says);
	lab_close(&lab);
}

static void test_bad_answers(void **state)
{
	static const struct answer group[] = {{0x05400, 0, 1, false}, {0}};
	static const struct answer zero[] = {
		{0x05400, ALL, 0, false}, {0x05404, 0xffff, 0, false}, {0}};
	static const struct answer invalid[] = {{0x05404, 1u << 31, 0, false}, {0}};
	static const struct answer silent[] = {{MDIC, 1u << 28, 0, false}, {0}};
	static const struct answer error[] = {{MDIC, 0, 1u << 30, false}, {0}};
	static const struct answer no_phy[] = {{MDIC, 0xffff, 0, false}, {0}};
	static const struct answer kept[] = {{0x05b5c, 0, 1u << 16, false}, {0}};
	static const struct answer stuck[] = {{RXQ(0, 0x28), 0, ENABLE, false}, {0}};

	(void)state;
	refused_with(group, -EIO, "no MAC address");
	refused_with(zero, -EIO, "no MAC address");
	refused_with(invalid, -EIO, "no MAC address");
	refused_with(silent, -ETIMEDOUT, "PHY that does not answer");
	refused_with(error, -EIO, "PHY that answers with an error");
	refused_with(no_phy, -EIO, "no PHY");
	refused_with(kept, -ETIMEDOUT, "firmware keeps it");
	refused_with(stuck, -ETIMEDOUT, "did not disable a queue");
}

/* What software that is no more has kept of the EEPROM and the PHY is taken from it: a reset does not. */
static void test_left_semaphores(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	pl_pci_write(lab.device, 0x05b50, 3);
	pl_pci_write(lab.device, 0x05b5c, 1u << 1 | 1u << 0);
	pl_pci_write(lab.device, 0x05b50, 0);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	assert_int_equal(pl_pci_read(lab.device, 0x05b5c), 0);
	end(&lab);
}

/* Firmware that has the semaphore from when the driver has taken the EEPROM until it has given up giving it back. */
static bool firmware_is_busy(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	static unsigned looks;

	if (write && offset == 0x05b5c && *value & 1)
		looks = 2 +
			100 * 2; /* to give the semaphore, to take it from software; then two a try */
	if (write || offset != 0x05b50 || !looks)
		return false;
	looks--;
	*value = spy->inner->ops->read(spy->inner, offset) & ~2u;
	return true;
}

/* Then it is given back all the same. */
static void test_semaphore_not_had_to_give(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab.spy.instead = firmware_is_busy;
	lab_start(&lab);
	assert_int_equal(pl_pci_read(lab.device, 0x05b5c), 0);
	end(&lab);
}

/* An 82576 that never tells that its EEPROM has been read, as QEMU's: the address is proof, too. */
static void test_no_auto_read(void **state)
{
	static const struct answer list[] = {{0x00010, 1u << 9, 0, false}, {0}};
	struct nic_lab lab;

	(void)state;
	open_with(&lab, 1, list);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	end(&lab);
}

/* Management uses the PHY: it is not reset. */
static void test_managed_phy(void **state)
{
	static const struct answer list[] = {{0x05820, 0, 1u << 18, false}, {0}};
	struct nic_lab lab;

	(void)state;
	open_with(&lab, 1, list);
	lab_start(&lab);
	for (unsigned i = 0; i < lab.spy.n_log; i++)
		if (lab.spy.log[i].write && lab.spy.log[i].offset == 0)
			assert_false(lab.spy.log[i].value & 1u << 31);
	lab_wait_link(&lab, true);
	end(&lab);
}

/* ---- other controllers: the registers that differ are answered here ---- */

/* i350 and i210 datasheets: STATUS.PF_RST_DONE; MDICNFG and PHPM; no PHY's address in MDIC, which the
 * 82576 would take for another PHY's: so it is answered. */
#define FUNCTION_2 (2u << 2)
#define DVMOLR(n) RXQ(n, 0x38)

static const struct answer i350[] = {
	{0x00008, 0, 1u << 21 | FUNCTION_2, false},
	{0x00e04, 0, 1u << 31, true},
	{0x00e14, 0, 1u << 5, true},
	{MDIC, 0, 1u << 28 | 0x0154, true},
	{0x01010, 0, 1u << 20, true},
	{DVMOLR(0), 0, 0, true},
	{DVMOLR(1), 0, 0, true},
	{DVMOLR(2), 0, 0, true},
	{0},
};

static const struct answer i210[] = {
	{0x00008, 0, 1u << 21, false},
	{0x00e04, 0, 1u << 31, true},
	{0x00e14, 0, 1u << 5, true},
	{MDIC, 0, 1u << 28 | 0x0141, true},
	{0x12030, 0, 1u << 18, true},
	{DVMOLR(0), 0, 0, true},
	{DVMOLR(1), 0, 0, true},
	{DVMOLR(2), 0, 0, true},
	{0},
};

static bool was_written(const struct nic_lab *lab, uint32_t offset, uint32_t bits, uint32_t value)
{
	for (unsigned i = 0; i < lab->spy.n_log; i++) {
		const struct access *a = &lab->spy.log[i];

		if (a->write && a->offset == offset && (a->value & bits) == value)
			return true;
	}
	return false;
}

/* The checksum of the third port's part is over words 0xc0 to 0xff, which are an 82576's without meaning:
 * it is wrong. */
static void test_i350_eeprom(void **state)
{
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	open_with(&lab, 1, i350);
	lab.spy.pci.device = 0x1521;
	assert_int_equal(lab_try(&lab, &err), -EIO);
	assert_non_null(strstr(err.what, "i350"));
	assert_non_null(strstr(err.what, "checksum is wrong"));
	assert_true(was_written(&lab, 0x00014, ALL, 0xc0 << 2 | 1));
	assert_true(was_written(&lab, 0x00014, ALL, 0xff << 2 | 1));
	lab_close(&lab);
}

static void check_common(struct nic_lab *lab)
{
	assert_true(was_written(lab, 0x00e04, 1u << 31, 0)); /* its own PHY */
	assert_true(was_written(lab, 0x00e14, 1u << 5, 0));  /* which may have a link */
	assert_true(was_written(lab, MDIC, 0x03ff0000, 0));  /* no address */
	for (unsigned i = 0; i < 3; i++)		     /* DVMOLR.CRC_strip, as RCTL.SECRC */
		assert_true(was_written(lab, DVMOLR(i), 1u << 31, 1u << 31));
	/* Queues 2n and 2n + 1 in a register of vectors. */
	assert_int_equal(lab_written(lab, 0x01700), 0x00810080);
	assert_int_equal(lab_written(lab, 0x01704), 0x00000082);
}

/* Its first port has the checksum where an 82576 has it. */
static void test_i350(void **state)
{
	struct answer list[sizeof(i350) / sizeof(i350[0])];
	struct pl_nic_caps caps;
	struct nic_lab lab;

	(void)state;
	memcpy(list, i350, sizeof(i350));
	list[0].set = 1u << 21;
	list[4].set = 1u << 18;
	open_with(&lab, 3, list);
	lab.spy.pci.device = 0x1521;
	lab_start(&lab);
	check_common(&lab);
	pl_nic_caps(lab.nic, &caps);
	assert_string_equal(caps.model, "i350");
	assert_int_equal(caps.max_queues, 8);
	assert_true(was_written(&lab, 0x05b5c, ALL, 1u << 1)); /* the first port's PHY */
	assert_true(was_written(&lab, 0x0555c, 0, 0));	       /* the last of 32 addresses */
	lab_close(&lab);
}

/* Without flash there is no EEPROM to be summed up. */
static void test_i210(void **state)
{
	struct pl_nic_caps caps;
	struct nic_lab lab;

	(void)state;
	open_with(&lab, 3, i210);
	lab.spy.pci.device = 0x157b;
	lab_start(&lab);
	check_common(&lab);
	pl_nic_caps(lab.nic, &caps);
	assert_string_equal(caps.model, "i210");
	assert_int_equal(caps.max_queues, 4);
	assert_false(was_written(&lab, 0x00014, 0, 0));
	/* Counts of drops are not cleared by being read. */
	(void)lab_counter(&lab, "rx_no_descriptor");
	assert_int_equal(lab_written(&lab, RXQ(2, 0x30)), 0);
	lab_close(&lab);
}

/* 82576 on fiber: the controller's own PCS, no PHY. */
static void test_fiber(void **state)
{
	static const struct answer list[] = {
		{0x00018, 0, 1u << 28 | 3u << 22, true}, /* CTRL_EXT.LINK_MODE: SerDes */
		{0x00024, 0, 0, true},
		{0x04200, 0, 0, true},
		{0x04208, 0, 0, true},
		{0x04218, 0, 3u << 7, true},
		{0x0420c, 0, 0x15, true},
		{0},
	};
	struct pl_nic_link link;
	struct nic_lab lab;

	(void)state;
	open_with(&lab, 1, list);
	lab.spy.pci.device = 0x10e6;
	lab_start(&lab);
	assert_false(was_written(&lab, MDIC, 0, 0));
	assert_true(was_written(&lab, 0x04200, 1u << 3, 1u << 3));	    /* PCS on */
	assert_true(was_written(&lab, 0x04208, 3u << 16 | 0x31, 3u << 16)); /* negotiates */
	assert_true(was_written(&lab, 0x04218, 3u << 7, 0));		    /* no pause */
	assert_true(was_written(&lab, 0x00018, 1u << 7, 0));		    /* laser on */
	assert_true(was_written(&lab, 0x00000, 0x1b41, 0x1a41));	    /* 1000, full duplex */
	assert_int_equal(pl_nic_link(lab.nic, &link), 0);
	assert_true(link.up);
	assert_int_equal(link.mbps, 1000);
	assert_string_equal(link.media, "1000BASE-X");
	lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_left_semaphores),
		cmocka_unit_test(test_semaphore_not_had_to_give),
		cmocka_unit_test(test_no_auto_read),
		cmocka_unit_test(test_managed_phy),
		cmocka_unit_test(test_i350_eeprom),
		cmocka_unit_test(test_i350),
		cmocka_unit_test(test_i210),
		cmocka_unit_test(test_fiber),
	};

	lab_model = EMU_82576;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
