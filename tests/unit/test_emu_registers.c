/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the emulated 82599: what they hold after a reset, what can be written, what takes time.
 * Numbers are sections of the 82599's datasheet (331520), where what is expected comes from; offsets and
 * bits are written out here, so that nothing is taken from what is tested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "emu_bench.h"

#define CTRL 0x00000
#define STATUS 0x00008
#define EEC 0x10010
#define EERD 0x10014
#define SWSM 0x10140
#define FWSM 0x10148
#define SW_FW_SYNC 0x10160
#define FCTRL 0x05080
#define MCSTCTRL 0x05090
#define RAL0 0x0A200
#define RAH0 0x0A204
#define RDRXCTL 0x02F00
#define MAXFRS 0x04268
#define HLREG0 0x04240
#define AUTOC 0x042A0
#define LINKS 0x042A4
#define EICR 0x00800

#define CTRL_MASTER_DISABLE (1u << 2)
#define CTRL_LRST (1u << 3)
#define CTRL_RST (1u << 26)
#define STATUS_MASTER (1u << 19)
#define EEC_PRES (1u << 8)
#define EEC_AUTO_RD (1u << 9)
#define RDRXCTL_DMAIDONE (1u << 3)
#define LINKS_UP (1u << 30)
#define LINKS_SPEED (3u << 28)
#define LINKS_10G (3u << 28)
#define AUTOC_RESTART (1u << 12)
#define EICR_LSC (1u << 20)

/* ---- after a reset ---- */

static const struct {
	uint32_t offset, mask, value;
	const char *what;
} defaults[] = {
	{0x00008, 0x0008000C, 0x00080000, "8.2.3.1.2 STATUS: master enabled, LAN 0"},
	{0x03D00, 0xFFFFFFFF, 0, "8.2.3.3.7 FCCFG"},
	{0x03200, 0xFFFFFFFF, 0, "8.2.3.3.2 FCTTV"},
	{0x032A0, 0xFFFFFFFF, 0, "8.2.3.3.5 FCRTV"},
	{0x00880, 0xFFFFFFFF, 0, "8.2.3.5.3 EIMS: nothing let through"},
	{0x00AA0, 0xFFFFFFFF, 0, "8.2.3.5.8 EIMS(1)"},
	{0x00820, 0xFFFFFFFF, 0, "8.2.3.5.12 EITR[0]"},
	{0x12300, 0xFFFFFFFF, 0, "8.2.3.5.12 EITR[24]"},
	{0x00900, 0x80808080, 0, "8.2.3.5.16 IVAR[0]: no queue has a vector"},
	{0x009FC, 0x80808080, 0, "8.2.3.5.16 IVAR[63]"},
	{0x00A00, 0x00008080, 0, "8.2.3.5.17 IVAR_MISC"},
	{0x00898, 0xC0000030, 0, "8.2.3.5.18 GPIE: no MSI-X mode"},
	{0x05080, 0xFFFFFFFF, 0, "8.2.3.7.1 FCTRL: nothing but what RAL says"},
	{0x05088, 0x4000FFFF, 0x8100, "8.2.3.7.2 VLNCTRL: VET 0x8100, no VFE"},
	{0x05090, 0x7, 0, "8.2.3.7.3 MCSTCTRL"},
	{0x0EC80, 0xF, 0, "8.2.3.7.12 MRQC: no RSS"},
	{0x0A20C, 1u << 31, 0, "8.2.3.7.9 RAH[1] is not valid"},
	{0x0A5FC, 1u << 31, 0, "8.2.3.7.9 RAH[127] is not valid"},
	{0x01028, 1u << 25, 0, "8.2.3.8.6 RXDCTL[0]: disabled"},
	{0x0DFE8, 1u << 25, 0, "8.2.3.8.6 RXDCTL[127]"},
	{0x01014, 0x0E00001F, 2, "8.2.3.8.7 SRRCTL[0]: legacy, 2 KB"},
	{0x02F00, 1u << 1, 0, "8.2.3.8.8 RDRXCTL: no CRCStrip"},
	{0x02F00, 0x1Fu << 17, 8u << 17, "8.2.3.8.8 RDRXCTL: RSCFRSTSIZE is not 0"},
	{0x03C00, 0xFFFFFFFF, 0x200u << 10, "8.2.3.8.9 RXPBSIZE[0]: 512 KB"},
	{0x03C1C, 0xFFFFFFFF, 0x200u << 10, "8.2.3.8.9 RXPBSIZE[7]"},
	{0x03000, 1, 0, "8.2.3.8.10 RXCTRL: off"},
	{0x04A80, 1, 0, "8.2.3.9.2 DMATXCTL: off"},
	{0x06028, 1u << 25, 0, "8.2.3.9.10 TXDCTL[0]: disabled"},
	{0x07FE8, 1u << 25, 0, "8.2.3.9.10 TXDCTL[127]"},
	{0x0CC00, 0xFFFFFFFF, 0xA0u << 10, "8.2.3.9.13 TXPBSIZE[0]: 160 KB"},
	{0x08120, 0xF, 0, "8.2.3.9.15 MTQC"},
	{0x04950, 0x3FF, 0x96, "8.2.3.9.16 TXPBTHRESH[0]"},
	{0x0496C, 0x3FF, 0, "8.2.3.9.16 TXPBTHRESH[7]"},
	{0x04900, 1u << 6, 0, "8.2.3.10.2 RTTDCS: the arbiter is on"},
	{0x0100C, 1u << 12, 1u << 12, "8.2.3.11.1 DCA_RXCTRL[0]: bit 12, to be cleared"},
	{0x08D00, 2, 0, "8.2.3.12.5 SECRXCTRL: the path is open"},
	{0x04240, 0x08008407, 0x08000403,
	 "8.2.3.22.8 HLREG0: CRC, strip, pad, length errors; no jumbo, no loopback"},
	{0x04268, 0xFFFF0000, 0x05EE0000, "8.2.3.22.13 MAXFRS: 1518"},
	{0x042A0, 7u << 13, 3u << 13, "8.2.3.22.19 AUTOC of an SFP+ port: 10G serial"},
	{0x042A8, 3u << 16, 2u << 16, "8.2.3.22.22 AUTOC2: SFI"},
	{0x04294, 0xF, 0, "8.2.3.22.34 MFLCN"},
	{0x02300, 0xFFFFFFFF, 0, "8.2.3.23.71 RQSMR[0]"},
};

static void check_defaults(struct bench *bench)
{
	for (unsigned i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		uint32_t value = bench_read(bench, defaults[i].offset);

		if ((value & defaults[i].mask) != defaults[i].value)
			fail_msg("%s: 0x%08x", defaults[i].what, value);
	}
}

static void reset(struct bench *bench, uint32_t bits)
{
	bench_write(bench, CTRL, bits);
	bench_pass(bench, LONG_NS);
}

static void registers_hold_their_defaults(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	check_defaults(&bench);
	bench_legal(&bench);
	bench_close(&bench);
}

static void a_reset_puts_defaults_back(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_write(&bench, FCTRL, 0x700);
	bench_write(&bench, MCSTCTRL, 4);
	bench_write(&bench, 0x05088, 0x88A8);
	bench_write(&bench, 0x03C00, 0x100u << 10);
	bench_write(&bench, MAXFRS, 9018u << 16);
	bench_set(&bench, HLREG0, 1u << 2);
	bench_write(&bench, 0x00880, EICR_LSC);
	bench_write(&bench, 0x00900, 0x81808180);
	bench_write(&bench, 0x0EC80, 0x00F30001);
	bench_write(&bench, RAL0 + 8, 0x12345678);
	bench_write(&bench, RAH0 + 8, 1u << 31 | 0x9ABC);
	bench_write(&bench, RAL0, 0);
	bench_write(&bench, 0x05200, 0xFFFFFFFF); /* MTA[0] */
	bench_write(&bench, 0x0EB00, 0x01010101); /* RETA[0] */
	reset(&bench, CTRL_RST);
	check_defaults(&bench);
	/* 8.2.3.7.8, 8.2.3.7.9: the first address is loaded anew. */
	assert_int_equal(bench_read(&bench, RAL0), 0x33221102);
	assert_int_equal(bench_read(&bench, RAH0), 1u << 31 | 0x5544);
	/* And so is what the engine goes by. */
	assert_false(bench.nic->filter.multicast_all);
	assert_false(bench.nic->filter.valid[1]);
	assert_int_equal(bench.nic->filter.multicast[0], 0);
	assert_int_equal(bench.nic->rss.table[0], 0);
	assert_false(bench.nic->rss.on);
	assert_int_equal(bench.nic->filter.frame_max, 1518);
	bench_legal(&bench);
	bench_close(&bench);
}

/* 8.2.3.1.1: the bit clears itself, and nothing may be touched for about a millisecond. */
static void a_reset_takes_its_time(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_write(&bench, CTRL, CTRL_RST);
	bench_pass(&bench, 1000 * US);
	assert_true(bench_read(&bench, CTRL) & CTRL_RST);
	bench_legal(&bench);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, CTRL) & CTRL_RST);
	bench_legal(&bench);

	bench_write(&bench, CTRL, CTRL_RST);
	bench_pass(&bench, 900 * US);
	bench_read(&bench, STATUS);
	bench_illegal(&bench, "within 1 ms of a reset");
	bench_write(&bench, FCTRL, 0x400);
	bench_illegal(&bench, "within 1 ms of a reset");
	bench_pass(&bench, LONG_NS);
	assert_int_equal(bench_read(&bench, FCTRL), 0);
	/* 5.2.5.3.2: two in a row are a way out, more than a microsecond apart. */
	bench_write(&bench, CTRL, CTRL_RST);
	bench_pass(&bench, 2 * US);
	bench_write(&bench, CTRL, CTRL_RST);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, CTRL) & CTRL_RST);
	bench_legal(&bench);
	bench_close(&bench);
}

/* 4.2.1.6: a software reset leaves the link alone, a link reset starts it anew. */
static void a_link_reset_takes_the_link_down(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	assert_true(bench_read(&bench, LINKS) & LINKS_UP);
	bench_write(&bench, CTRL, CTRL_RST);
	bench_pass(&bench, 2000 * US);
	assert_true(bench_read(&bench, LINKS) & LINKS_UP);
	bench_write(&bench, CTRL, CTRL_RST | CTRL_LRST);
	bench_pass(&bench, 2000 * US);
	assert_false(bench_read(&bench, CTRL) & (CTRL_RST | CTRL_LRST));
	assert_false(bench_read(&bench, LINKS) & LINKS_UP);
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, LINKS) & LINKS_UP);
	bench_legal(&bench);
	bench_close(&bench);
}

/* 5.2.5.3.2: requests end some time after CTRL says so. */
static void master_disable_is_acknowledged(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_set(&bench, 0x04A80, 1); /* DMATXCTL.TE */
	assert_true(bench.nic->tx_on);
	bench_set(&bench, CTRL, CTRL_MASTER_DISABLE);
	assert_true(bench_read(&bench, STATUS) & STATUS_MASTER);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, STATUS) & STATUS_MASTER);
	assert_false(bench.nic->tx_on);
	reset(&bench, CTRL_RST);
	assert_true(bench_read(&bench, STATUS) & STATUS_MASTER);
	assert_false(bench_read(&bench, CTRL) & CTRL_MASTER_DISABLE);
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- what can be written ---- */

static void read_only_registers_stay(void **state)
{
	static const uint32_t offsets[] = {STATUS, FWSM, LINKS, 0x04074 /* GPRC */, 0x08D04};
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		uint32_t before = bench_read(&bench, offsets[i]);

		bench_write(&bench, offsets[i], ~before);
		bench_illegal(&bench, "read-only");
		assert_int_equal(bench_read(&bench, offsets[i]), before);
	}
	/* Bits of registers that can be written otherwise: 8.2.3.8.8 DMAIDONE, 8.2.3.2.1 EE_PRES. A
	 * driver that reads, changes and writes does nothing wrong. */
	bench_write(&bench, RDRXCTL, (bench_read(&bench, RDRXCTL) & ~RDRXCTL_DMAIDONE) | 2);
	assert_true(bench_read(&bench, RDRXCTL) & RDRXCTL_DMAIDONE);
	bench_write(&bench, EEC, 0);
	assert_true(bench_read(&bench, EEC) & EEC_PRES);
	bench_legal(&bench);
	bench_close(&bench);
}

static void reserved_bits_are_reported(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	/* 8.2.3.7.1: bits 0 and 11 and on of FCTRL are reserved. */
	bench_write(&bench, FCTRL, 0x400 | 1u << 12);
	bench_illegal(&bench, "to FCTRL changes reserved bits 0x00001000");
	assert_int_equal(bench_read(&bench, FCTRL), 0x400);
	/* 8.2.3.7.15: four bits for each entry of the redirection table. */
	bench_write(&bench, 0x0EB04, 0x10);
	bench_illegal(&bench, "RETA[1] changes reserved bits 0x00000010");
	/* 8.2.3.22.8: bit 3 of HLREG0 must stay set. */
	bench_unset(&bench, HLREG0, 1u << 3);
	bench_illegal(&bench, "HLREG0");
	bench_close(&bench);
}

static void offsets_without_registers_are_reported(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_read(&bench, 0x00700);
	bench_illegal(&bench, "read of 0x00700, where no register is");
	bench_write(&bench, 0x1FFFC, 1);
	bench_illegal(&bench, "to 0x1fffc, where no register is");
	assert_int_equal(bench_read(&bench, 0x00802), 0xFFFFFFFF);
	bench_illegal(&bench, "not a multiple of 4");
	assert_int_equal(bench_read(&bench, EMU_BAR_BYTES), 0xFFFFFFFF);
	bench_illegal(&bench, "beyond the BAR");
	bench_close(&bench);
}

/* 8.2.2: registers that older controllers had elsewhere are in both places. */
static void aliases_are_the_same_register(void **state)
{
	static const struct {
		uint32_t alias, offset, value;
	} pairs[] = {
		{0x05400, 0x0A200, 0x44332211}, /* RAL[0] */
		{0x0547C, 0x0A27C, 0x80006655}, /* RAH[15] */
		{0x05480, 0x0EA00, 0x1330},	/* PSRTYPE[0] */
		{0x05818, 0x0EC80, 0x00300001}, /* MRQC */
		{0x05C7C, 0x0EB7C, 0x03020100}, /* RETA[31] */
		{0x05CA4, 0x0EBA4, 0xDEADBEEF}, /* RSSRK[9] */
		{0x02100, 0x01014, 0x02000402}, /* SRRCTL[0] */
		{0x0213C, 0x013D4, 0x02000404}, /* SRRCTL[15] */
		{0x02200, 0x0100C, 0x00002200}, /* DCA_RXCTRL[0] */
	};
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		bench_write(&bench, pairs[i].alias, pairs[i].value);
		assert_int_equal(bench_read(&bench, pairs[i].offset), pairs[i].value);
		assert_int_equal(bench_read(&bench, pairs[i].alias), pairs[i].value);
	}
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- EEPROM ---- */

/* 8.2.3.2.2 */
static uint16_t eeprom_word(struct bench *bench, unsigned at)
{
	uint32_t value;

	bench_write(bench, EERD, at << 2 | 1);
	assert_false(bench_read(bench, EERD) & 2); /* DONE */
	bench_pass(bench, LONG_NS);
	value = bench_read(bench, EERD);
	assert_true(value & 2);
	assert_int_equal(value >> 2 & 0x3FFF, at);
	return (uint16_t)(value >> 16);
}

/* 6.4.4 and 6.2: words 0 to 0x3F and the sections that words 3 to 0xE point to, each behind its length,
 * add up to 0xBABA. */
static uint16_t eeprom_sum(struct bench *bench)
{
	uint16_t sum = 0;

	for (unsigned i = 0; i <= 0x3F; i++)
		sum = (uint16_t)(sum + eeprom_word(bench, i));
	for (unsigned m = 0x03; m <= 0x0E; m++) {
		unsigned at = eeprom_word(bench, m), n;

		if (at == 0 || at == 0xFFFF)
			continue;
		n = eeprom_word(bench, at);
		for (unsigned i = 1; i <= n; i++)
			sum = (uint16_t)(sum + eeprom_word(bench, at + i));
	}
	return sum;
}

static void the_eeprom_can_be_read(void **state)
{
	struct bench bench;
	unsigned core;

	(void)state;
	bench_open_ready(&bench);
	/* 6.2.2: the signature of a valid EEPROM, 01b. */
	assert_int_equal(eeprom_word(&bench, 0) >> 6 & 3, 1);
	assert_int_equal(eeprom_sum(&bench), 0xBABA);
	/* 6.3.5: LAN core 0's section, behind word 9, has the MAC in its words 1 to 3. */
	core = eeprom_word(&bench, 0x09);
	assert_int_equal(eeprom_word(&bench, core + 1), 0x1102);
	assert_int_equal(eeprom_word(&bench, core + 2), 0x3322);
	assert_int_equal(eeprom_word(&bench, core + 3), 0x5544);
	bench_legal(&bench);

	/* EEC.EE_Size (8.2.3.2.1): 64 words times two to this. */
	assert_int_equal(64u << (bench_read(&bench, EEC) >> 11 & 0xF), 2048);
	eeprom_word(&bench, 2048);
	bench_illegal(&bench, "beyond its end");
	bench_write(&bench, EERD, 1);
	bench_write(&bench, EERD, 1 << 2 | 1);
	bench_illegal(&bench, "under way");
	bench_close(&bench);
}

static void a_wrong_checksum_shows(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	emu_inject(bench.pci, EMU_FAULT_CHECKSUM, true);
	assert_int_not_equal(eeprom_sum(&bench), 0xBABA);
	/* 8.2.3.4.10: EXT_ERR_IND 1 is an invalid EEPROM checksum. */
	assert_int_equal(bench_read(&bench, FWSM) >> 19 & 0x3F, 1);
	emu_inject(bench.pci, EMU_FAULT_CHECKSUM, false);
	assert_int_equal(eeprom_sum(&bench), 0xBABA);
	assert_int_equal(bench_read(&bench, FWSM) >> 19 & 0x3F, 0);
	bench_close(&bench);
}

/* 4.6.3: what a driver waits for after a reset. */
static void initialisation_takes_its_time(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench);
	assert_false(bench_read(&bench, EEC) & EEC_AUTO_RD);
	assert_false(bench_read(&bench, RDRXCTL) & RDRXCTL_DMAIDONE);
	assert_int_equal(bench_read(&bench, RAH0), 0);
	bench_write(&bench, EERD, 1);
	bench_illegal(&bench, "before the EEPROM's auto-read is done");
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, EEC) & EEC_AUTO_RD);
	assert_true(bench_read(&bench, RDRXCTL) & RDRXCTL_DMAIDONE);
	assert_int_equal(bench_read(&bench, RAL0), 0x33221102);
	assert_int_equal(bench_read(&bench, RAH0), 1u << 31 | 0x5544);
	bench_close(&bench);
}

/* 10.5.4: whoever reads SMBI as 0 has it; SW_FW_SYNC is written under SWESMBI. */
static void semaphores_are_taken_by_reading(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	assert_int_equal(bench_read(&bench, SWSM) & 1, 0);
	assert_int_equal(bench_read(&bench, SWSM) & 1, 1);
	bench_write(&bench, SWSM, 0);
	assert_int_equal(bench_read(&bench, SWSM) & 1, 0);
	bench_write(&bench, SWSM, 3);
	assert_int_equal(bench_read(&bench, SWSM), 3);
	bench_write(&bench, SW_FW_SYNC, 2);
	assert_int_equal(bench_read(&bench, SW_FW_SYNC), 2);
	bench_write(&bench, SWSM, 0);
	bench_legal(&bench);
	bench_write(&bench, SW_FW_SYNC, 0);
	bench_illegal(&bench, "SWESMBI");
	bench_close(&bench);
}

/* ---- MDIO and I2C ---- */

/* 8.2.3.22.11: the command bit clears itself. Nobody answers on an SFP+ board. */
static void mdio_commands_complete(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_write(&bench, 0x0425C, 1u << 30 | 1u << 16);
	assert_true(bench_read(&bench, 0x0425C) >> 30 & 1);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, 0x0425C) >> 30 & 1);
	assert_int_equal(bench_read(&bench, 0x04260) >> 16, 0xFFFF);
	bench_legal(&bench);
	bench_close(&bench);
}

/* 8.2.3.1.5: bit 1 drives the clock, bit 3 the data, bit 2 is what is on the data wire. */
static bool i2c_wires(struct bench *bench, bool clock, bool data)
{
	bench_write(bench, 0x00028, (clock ? 1u << 1 : 0) | (data ? 1u << 3 : 0));
	return bench_read(bench, 0x00028) >> 2 & 1;
}

static bool i2c_bit(struct bench *bench, bool bit)
{
	bool seen;

	i2c_wires(bench, false, bit);
	seen = i2c_wires(bench, true, bit);
	i2c_wires(bench, false, bit);
	return seen;
}

static void i2c_start(struct bench *bench)
{
	i2c_wires(bench, true, true);
	i2c_wires(bench, true, false);
	i2c_wires(bench, false, false);
}

/* Returns whether it was acknowledged. */
static bool i2c_send(struct bench *bench, uint8_t byte)
{
	for (int i = 7; i >= 0; i--)
		i2c_bit(bench, byte >> i & 1);
	return !i2c_bit(bench, true);
}

static uint8_t i2c_receive(struct bench *bench, bool more)
{
	unsigned byte = 0;

	for (unsigned i = 0; i < 8; i++)
		byte = byte << 1 | i2c_bit(bench, true);
	i2c_bit(bench, !more);
	return (uint8_t)byte;
}

static void a_module_answers_on_i2c(void **state)
{
	struct bench bench;
	uint8_t sum = 0, bytes[64];

	(void)state;
	bench_open_ready(&bench);
	i2c_wires(&bench, true, true);
	bench_illegal(&bench, "SW_PHY_SM0");
	bench_write(&bench, SWSM, 2);
	bench_write(&bench, SW_FW_SYNC, 2);
	i2c_start(&bench);
	assert_false(i2c_send(&bench, 0xA4)); /* nobody */
	i2c_start(&bench);
	assert_true(i2c_send(&bench, 0xA0));
	assert_true(i2c_send(&bench, 0));
	i2c_start(&bench);
	assert_true(i2c_send(&bench, 0xA1));
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = i2c_receive(&bench, i + 1 < sizeof(bytes));
	/* SFF-8472, table 3.1: an SFP, 10GBASE-SR, and the sum of bytes 0 to 62 in byte 63. */
	assert_int_equal(bytes[0], 0x03);
	assert_true(bytes[3] & 0x10);
	assert_memory_equal(bytes + 40, "Emulated", 8);
	for (unsigned i = 0; i < 63; i++)
		sum = (uint8_t)(sum + bytes[i]);
	assert_int_equal(bytes[63], sum);
	/* It has let go of the wire. */
	assert_true(i2c_wires(&bench, true, true));
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- link ---- */

static void the_link_follows_the_wire(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench);
	bench_pass(&bench, 0);
	assert_false(bench_read(&bench, LINKS) & LINKS_UP);
	bench_pass(&bench, LONG_NS);
	/* 8.2.3.22.20; bit 7 is reserved, since the specification update's change 12. */
	assert_int_equal(bench_read(&bench, LINKS) & (LINKS_UP | 1u << 7), LINKS_UP);
	assert_int_equal(bench_read(&bench, LINKS) & LINKS_SPEED, LINKS_10G);
	assert_true(bench_read(&bench, EICR) & EICR_LSC);
	assert_false(bench_read(&bench, EICR) & EICR_LSC);

	emu_wire_memory_link(bench.wire, false);
	bench_pass(&bench, 0);
	assert_true(bench_read(&bench, EICR) & EICR_LSC);
	emu_wire_memory_link(bench.wire, true);
	bench_pass(&bench, 0);
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, EICR) & EICR_LSC);
	assert_true(bench_read(&bench, LINKS) & LINKS_UP);
	bench_close(&bench);
}

/* 8.2.3.22.19: settings take effect, and the bit clears itself. */
static void autoc_restarts_the_link(void **state)
{
	struct bench bench;
	uint32_t autoc;

	(void)state;
	bench_open_ready(&bench);
	autoc = bench_read(&bench, AUTOC);
	bench_write(&bench, AUTOC, autoc | AUTOC_RESTART);
	assert_int_equal(bench_read(&bench, AUTOC), autoc);
	assert_false(bench_read(&bench, LINKS) & LINKS_UP);
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, LINKS) & LINKS_UP);
	/* 10 GbE over four lanes (001b) is not what an SFP+ module does. */
	bench_write(&bench, AUTOC, (autoc & ~(7u << 13)) | 1u << 13 | AUTOC_RESTART);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, LINKS) & LINKS_UP);
	bench_legal(&bench);
	bench_close(&bench);
}

/* Link modes 000b and 010b are 1 GbE (8.2.3.22.19), which the module can do, too. */
static void the_link_can_be_slow(void **state)
{
	static const uint32_t modes[] = {0u << 13, 2u << 13};
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t autoc = bench_read(&bench, AUTOC) & ~(7u << 13);

		bench_write(&bench, AUTOC, autoc | modes[i] | AUTOC_RESTART);
		bench_pass(&bench, LONG_NS);
		assert_true(bench_read(&bench, LINKS) & LINKS_UP);
		assert_int_equal(bench_read(&bench, LINKS) & LINKS_SPEED, 2u << 28);
	}
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- anything ---- */

/* A driver that writes anything anywhere is told so, and nothing worse happens (which the sanitizers would
 * see): after a power-on all is well. */
static void nothing_that_is_written_breaks_it(void **state)
{
	struct bench bench;
	uint64_t random = 1;

	(void)state;
	bench_open_ready(&bench);
	pl_pci_bus_master(bench.pci, true, NULL);
	for (unsigned i = 0; i < 300000; i++) {
		uint32_t offset, value;

		random = random * 6364136223846793005u + 1442695040888963407u;
		offset = (uint32_t)(random >> 33) % (128u << 10) & ~3u;
		random = random * 6364136223846793005u + 1442695040888963407u;
		value = (uint32_t)(random >> 32);
		if (offset == CTRL) /* it would be in reset most of the time */
			value &= ~(CTRL_RST | CTRL_LRST);
		if (i & 1)
			bench_read(&bench, offset);
		else
			bench_write(&bench, offset, value);
		if (i % 64 == 0)
			bench_pass(&bench, 100 * US);
	}
	emu_inject(bench.pci, EMU_FAULT_REMOVED, true);
	emu_inject(bench.pci, EMU_FAULT_REMOVED, false);
	bench_pass(&bench, LONG_NS);
	bench.n_said = 0;
	check_defaults(&bench);
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- faults ---- */

static void faults_keep_waiting(void **state)
{
	static const struct {
		enum emu_fault fault;
		uint32_t offset, mask, stuck, healed;
	} faults[] = {
		{EMU_FAULT_RESET, CTRL, CTRL_RST, CTRL_RST, 0},
		{EMU_FAULT_EEPROM, EEC, EEC_AUTO_RD, 0, EEC_AUTO_RD},
		{EMU_FAULT_DMA_INIT, RDRXCTL, RDRXCTL_DMAIDONE, 0, RDRXCTL_DMAIDONE},
		{EMU_FAULT_LINK, LINKS, LINKS_UP, 0, LINKS_UP},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct bench bench;

		bench_open_ready(&bench);
		emu_inject(bench.pci, faults[i].fault, true);
		reset(&bench, CTRL_RST | CTRL_LRST);
		bench_pass(&bench, LONG_NS);
		assert_int_equal(bench_read(&bench, faults[i].offset) & faults[i].mask,
				 faults[i].stuck);
		emu_inject(bench.pci, faults[i].fault, false);
		bench_pass(&bench, LONG_NS);
		assert_int_equal(bench_read(&bench, faults[i].offset) & faults[i].mask,
				 faults[i].healed);
		bench_close(&bench);
	}
}

static void master_disable_can_be_refused(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	emu_inject(bench.pci, EMU_FAULT_MASTER, true);
	bench_set(&bench, CTRL, CTRL_MASTER_DISABLE);
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, STATUS) & STATUS_MASTER);
	bench_close(&bench);
}

static void a_device_that_is_gone_reads_as_ones(void **state)
{
	struct bench bench;
	uint32_t value;

	(void)state;
	bench_open_ready(&bench);
	bench_write(&bench, FCTRL, 0x400);
	pl_pci_bus_master(bench.pci, true, NULL);
	emu_inject(bench.pci, EMU_FAULT_REMOVED, true);
	assert_int_equal(bench_read(&bench, STATUS), 0xFFFFFFFF);
	assert_int_equal(bench_read(&bench, 0x00700), 0xFFFFFFFF);
	bench_write(&bench, FCTRL, 0x200);
	assert_int_equal(bench.pci->ops->config_read(bench.pci, 0, 2, &value), 0);
	assert_int_equal(value, 0xFFFF);
	bench_pass(&bench, LONG_NS);
	bench_legal(&bench);
	/* Back: as from power-on. */
	emu_inject(bench.pci, EMU_FAULT_REMOVED, false);
	assert_false(bench.nic->bus_master);
	assert_false(bench_read(&bench, EEC) & EEC_AUTO_RD);
	bench_pass(&bench, LONG_NS);
	bench_pass(&bench, LONG_NS);
	check_defaults(&bench);
	assert_true(bench_read(&bench, LINKS) & LINKS_UP);
	bench_legal(&bench);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_hold_their_defaults),
		cmocka_unit_test(a_reset_puts_defaults_back),
		cmocka_unit_test(a_reset_takes_its_time),
		cmocka_unit_test(a_link_reset_takes_the_link_down),
		cmocka_unit_test(master_disable_is_acknowledged),
		cmocka_unit_test(read_only_registers_stay),
		cmocka_unit_test(reserved_bits_are_reported),
		cmocka_unit_test(offsets_without_registers_are_reported),
		cmocka_unit_test(aliases_are_the_same_register),
		cmocka_unit_test(the_eeprom_can_be_read),
		cmocka_unit_test(a_wrong_checksum_shows),
		cmocka_unit_test(initialisation_takes_its_time),
		cmocka_unit_test(semaphores_are_taken_by_reading),
		cmocka_unit_test(mdio_commands_complete),
		cmocka_unit_test(a_module_answers_on_i2c),
		cmocka_unit_test(the_link_follows_the_wire),
		cmocka_unit_test(autoc_restarts_the_link),
		cmocka_unit_test(the_link_can_be_slow),
		cmocka_unit_test(nothing_that_is_written_breaks_it),
		cmocka_unit_test(faults_keep_waiting),
		cmocka_unit_test(master_disable_can_be_refused),
		cmocka_unit_test(a_device_that_is_gone_reads_as_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
