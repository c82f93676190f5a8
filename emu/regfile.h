/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers by table: what a controller's registers are called, where they are, what they hold after a
 * reset, and which bits can be written. A model says so once, and only what has effects of its own is
 * written as functions. */
#ifndef EMU_REGFILE_H
#define EMU_REGFILE_H

#include "private.h"

struct emu_reg;

typedef uint32_t (*emu_reg_read)(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
/* `value`: as written, without what cannot be written (`rw` applied). */
typedef void (*emu_reg_write)(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			      uint32_t value);

enum emu_reg_flags {
	EMU_REG_STICKY = 1 << 0, /* survives a software reset */
	EMU_REG_LOOSE = 1 << 1,	 /* what is written to bits that are not in `rw` says nothing */
	EMU_REG_WIRE = 1 << 2,	 /* survives a software reset, not a link reset */
};

/* `n` registers (0: one), `step` bytes apart. Bits outside of `rw` and `ro` are reserved: to write
 * something else than what they hold is reported. Of a register without `rw` and `write` every write
 * is. */
struct emu_reg {
	uint32_t offset;
	const char *name;
	uint16_t n, step;
	uint32_t reset, rw, ro;
	unsigned flags;
	emu_reg_read read;   /* NULL: what it holds */
	emu_reg_write write; /* NULL: it holds what is written */
	unsigned first;	     /* number of the first of them, for one that is in two rows */
};

/* "RDT[5]", "CTRL". */
struct emu_reg_name {
	char text[40];
};
struct emu_reg_name emu_reg_name(const struct emu_reg *reg, unsigned index);

/* The same register at another place: `n` of them, `step` apart, are those at `to`. */
struct emu_reg_alias {
	uint32_t offset, to;
	uint16_t n, step, to_step;
};

struct emu_regfile {
	const struct emu_reg *regs;
	unsigned n_regs;
	const struct emu_reg_alias *aliases;
	unsigned n_aliases;
	uint32_t bytes;	 /* beyond there are none */
	uint16_t *index; /* of each word: its register's place in `regs` plus 1, or 0 */
	uint16_t *alias; /* of each word: likewise */
};

/* Makes the indexes; later calls do nothing. Returns 0 or -ENOMEM. Not thread-safe. */
int emu_regfile_init(struct emu_regfile *file);

/* What a driver's access does. Offsets are multiples of 4. */
uint32_t emu_regfile_read(struct emu_nic *nic, const struct emu_regfile *file, uint32_t offset);
void emu_regfile_write(struct emu_nic *nic, const struct emu_regfile *file, uint32_t offset,
		       uint32_t value);

/* Puts all registers that have none of `keep`'s flags to what they hold after a reset. */
void emu_regfile_reset(struct emu_nic *nic, const struct emu_regfile *file, unsigned keep);

/* What a register holds. Tails are written by planes at any time. */
static inline uint32_t emu_bar_load(const struct emu_nic *nic, uint32_t offset)
{
	_Atomic uint32_t *word = (_Atomic uint32_t *)&nic->regs[offset / 4];

	/* Acquire: pairs with pl_pci_ring(). */
	return atomic_load_explicit(word, memory_order_acquire);
}

static inline void emu_bar_store(struct emu_nic *nic, uint32_t offset, uint32_t value)
{
	_Atomic uint32_t *word = (_Atomic uint32_t *)&nic->regs[offset / 4];

	/* Release, as pl_pci_ring() for a driver that rings through pl_pci_write(). */
	atomic_store_explicit(word, value, memory_order_release);
}

#endif
