/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "eeprom.h"

/* Long enough for a driver that does not wait to see it. */
#define LOAD_NS 3000000u
#define READ_NS 10000u

#define WORDS (sizeof(((struct emu_nic *)NULL)->eeprom) / sizeof(uint16_t))

/* Where the sections of an 82599's EEPROM lie (6.2): of what a driver looks at, the core's alone. */
#define CORE0_POINTER 0x09u
#define CORE0_AT 0x80u
#define CORE0_WORDS 5u
#define MODULES_FIRST 0x03u
#define MODULES 12u

void emu_eeprom_seal(struct emu_nic *nic, unsigned first_module, unsigned n_modules)
{
	const uint16_t *words = nic->eeprom;
	uint16_t sum = 0;

	for (unsigned i = 0; i < EMU_EEPROM_CHECKSUM_AT; i++)
		sum = (uint16_t)(sum + words[i]);
	for (unsigned m = first_module; m < first_module + n_modules; m++) {
		unsigned at = words[m];

		if (at == 0 || at == 0xFFFF)
			continue;
		for (unsigned i = 1; i <= words[at]; i++)
			sum = (uint16_t)(sum + words[at + i]);
	}
	nic->eeprom[EMU_EEPROM_CHECKSUM_AT] = (uint16_t)(EMU_EEPROM_CHECKSUM - sum);
	if (nic->faults[EMU_FAULT_CHECKSUM])
		nic->eeprom[EMU_EEPROM_CHECKSUM_AT] ^= 0x0100;
}

void emu_eeprom_fill_82599(struct emu_nic *nic)
{
	uint16_t *core = nic->eeprom + CORE0_AT;

	memset(nic->eeprom, 0xFF, sizeof(nic->eeprom));
	for (unsigned i = 0; i <= EMU_EEPROM_CHECKSUM_AT; i++)
		nic->eeprom[i] = 0;
	/* Bits 7:6 are the signature, 01b for a valid one (6.2.2). */
	nic->eeprom[0] = 0x0040;
	for (unsigned m = MODULES_FIRST; m < MODULES_FIRST + MODULES; m++)
		nic->eeprom[m] = 0xFFFF;
	nic->eeprom[CORE0_POINTER] = CORE0_AT;
	core[0] = CORE0_WORDS;
	for (unsigned i = 0; i < 3; i++) /* 6.3.5: the first byte is the low one */
		core[1 + i] = (uint16_t)(nic->mac[2 * i] | nic->mac[2 * i + 1] << 8);
	core[4] = 0;
	core[5] = 0;
	emu_eeprom_seal(nic, MODULES_FIRST, MODULES);
}

void emu_eeprom_load(struct emu_eeprom *eeprom, uint64_t now_ns)
{
	eeprom->ready_ns = now_ns + LOAD_NS;
	eeprom->eerd = 0;
	eeprom->eerd_done_ns = 0;
}

bool emu_eeprom_ready(const struct emu_nic *nic, const struct emu_eeprom *eeprom, uint64_t now_ns)
{
	return now_ns >= eeprom->ready_ns && !nic->faults[EMU_FAULT_EEPROM];
}

void emu_eerd_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, uint32_t value)
{
	struct emu_eeprom *eeprom = nic->model->eeprom_of(nic);
	unsigned at = value >> 2 & 0x3FFF;
	uint64_t now_ns = emu_now_ns();

	(void)reg, (void)index;
	if (!(value & EMU_EERD_START))
		return;
	if (eeprom->eerd_done_ns && now_ns < eeprom->eerd_done_ns)
		emu_report(nic, "EERD written while a read is under way");
	if (!emu_eeprom_ready(nic, eeprom, now_ns))
		emu_report(nic, "EERD written before the EEPROM's auto-read is done");
	if (at >= WORDS)
		emu_report(nic, "read of EEPROM word 0x%x, which is beyond its end", at);
	eeprom->eerd = (uint32_t)(at < WORDS ? nic->eeprom[at] : 0xFFFF) << 16 | at << 2;
	eeprom->eerd_done_ns = now_ns + READ_NS;
}

uint32_t emu_eerd_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	struct emu_eeprom *eeprom = nic->model->eeprom_of(nic);

	(void)reg, (void)index;
	if (!eeprom->eerd_done_ns)
		return 0;
	if (emu_now_ns() < eeprom->eerd_done_ns || nic->faults[EMU_FAULT_EEPROM])
		return eeprom->eerd & 0xFFFC;
	return eeprom->eerd | EMU_EERD_DONE;
}

uint32_t emu_swsm_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	struct emu_eeprom *eeprom = nic->model->eeprom_of(nic);
	uint32_t value = (eeprom->smbi ? EMU_SWSM_SMBI : 0) |
			 (eeprom->swesmbi ? EMU_SWSM_SWESMBI : 0);

	(void)reg, (void)index;
	eeprom->smbi = true; /* whoever reads 0 has it */
	return value;
}

void emu_swsm_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, uint32_t value)
{
	struct emu_eeprom *eeprom = nic->model->eeprom_of(nic);

	(void)reg, (void)index;
	if (!(value & EMU_SWSM_SMBI))
		eeprom->smbi = false;
	eeprom->swesmbi = value & EMU_SWSM_SWESMBI;
}

void emu_sync_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, uint32_t value)
{
	struct emu_eeprom *eeprom = nic->model->eeprom_of(nic);

	(void)reg, (void)index;
	if (!eeprom->swesmbi)
		emu_report(nic, "SW_FW_SYNC written without SWSM.SWESMBI held");
	eeprom->sync = value;
}

uint32_t emu_sync_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index)
{
	(void)reg, (void)index;
	return nic->model->eeprom_of(nic)->sync;
}
