/* SPDX-License-Identifier: BSD-2-Clause */
/* The EEPROM behind a controller, and the semaphores by which software and firmware share it: the same
 * registers in the 82599 (8.2.3.2, 8.2.3.4) and the 82576, at offsets of the model's. */
#ifndef EMU_EEPROM_H
#define EMU_EEPROM_H

#include "regfile.h"

#define EMU_EERD_START (1u << 0)
#define EMU_EERD_DONE (1u << 1)

#define EMU_SWSM_SMBI (1u << 0)
#define EMU_SWSM_SWESMBI (1u << 1)

/* Words before the checksum's own, all of which count. */
#define EMU_EEPROM_CHECKSUM_AT 0x3Fu
#define EMU_EEPROM_CHECKSUM 0xBABAu

struct emu_eeprom {
	uint64_t ready_ns; /* when the controller has read it after a reset */
	uint32_t eerd;
	uint64_t eerd_done_ns;
	bool smbi, swesmbi;
	uint32_t sync; /* SW_FW_SYNC: who owns what */
};

/* Makes the checksum right, or, with EMU_FAULT_CHECKSUM, wrong. `modules`: words that point to
 * sections (82599: 0x03 to 0x0E) count what they point to. */
void emu_eeprom_seal(struct emu_nic *nic, unsigned first_module, unsigned n_modules);

/* Contents as an 82599's: the MAC in the core's section. */
void emu_eeprom_fill_82599(struct emu_nic *nic);

/* The controller begins to read it: reset. */
void emu_eeprom_load(struct emu_eeprom *eeprom, uint64_t now_ns);
bool emu_eeprom_ready(const struct emu_nic *nic, const struct emu_eeprom *eeprom, uint64_t now_ns);

/* EERD, the semaphore register and SW_FW_SYNC as a driver reads and writes them: for models' tables. */
uint32_t emu_eerd_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
void emu_eerd_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, uint32_t value);
uint32_t emu_swsm_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
void emu_swsm_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, uint32_t value);
uint32_t emu_sync_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
void emu_sync_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, uint32_t value);

#endif
