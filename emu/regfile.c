/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "regfile.h"

int emu_regfile_init(struct emu_regfile *file)
{
	uint16_t *index, *alias;

	if (file->index)
		return 0;
	index = calloc(file->bytes / 4, sizeof(*index));
	alias = calloc(file->bytes / 4, sizeof(*alias));
	if (!index || !alias) {
		free(index);
		free(alias);
		return -ENOMEM;
	}
	for (unsigned r = 0; r < file->n_regs; r++) {
		const struct emu_reg *reg = &file->regs[r];

		for (unsigned i = 0; i < (reg->n ? reg->n : 1); i++)
			index[(reg->offset + i * reg->step) / 4] = (uint16_t)(r + 1);
	}
	for (unsigned a = 0; a < file->n_aliases; a++)
		for (unsigned i = 0; i < file->aliases[a].n; i++)
			alias[(file->aliases[a].offset + i * file->aliases[a].step) / 4] =
				(uint16_t)(a + 1);
	file->index = index;
	file->alias = alias;
	return 0;
}

struct emu_reg_name emu_reg_name(const struct emu_reg *reg, unsigned index)
{
	struct emu_reg_name name;

	if (reg->n || reg->first)
		snprintf(name.text, sizeof(name.text), "%s[%u]", reg->name, reg->first + index);
	else
		snprintf(name.text, sizeof(name.text), "%s", reg->name);
	return name;
}

/* The register at an offset, and where it really is; NULL: there is none. */
static const struct emu_reg *find(const struct emu_regfile *file, uint32_t *offset, unsigned *nth)
{
	const struct emu_reg *reg;

	if (*offset >= file->bytes)
		return NULL;
	if (file->alias[*offset / 4]) {
		const struct emu_reg_alias *alias = &file->aliases[file->alias[*offset / 4] - 1];

		*offset = alias->to +
			  (*offset - alias->offset) / alias->step * (uint32_t)alias->to_step;
	}
	if (!file->index[*offset / 4])
		return NULL;
	reg = &file->regs[file->index[*offset / 4] - 1];
	*nth = reg->n ? (*offset - reg->offset) / reg->step : 0;
	return reg;
}

uint32_t emu_regfile_read(struct emu_nic *nic, const struct emu_regfile *file, uint32_t offset)
{
	uint32_t at = offset;
	unsigned nth;
	const struct emu_reg *reg = find(file, &at, &nth);

	if (!reg) {
		emu_report(nic, "read of 0x%05x, where no register is", offset);
		return 0;
	}
	return reg->read ? reg->read(nic, reg, nth) : emu_bar_load(nic, at);
}

void emu_regfile_write(struct emu_nic *nic, const struct emu_regfile *file, uint32_t offset,
		       uint32_t value)
{
	uint32_t at = offset, now, reserved;
	unsigned nth;
	const struct emu_reg *reg = find(file, &at, &nth);

	if (!reg) {
		emu_report(nic, "write of 0x%08x to 0x%05x, where no register is", value, offset);
		return;
	}
	if (!reg->rw && !reg->write) {
		emu_report(nic, "write of 0x%08x to %s, which is read-only", value,
			   emu_reg_name(reg, nth).text);
		return;
	}
	now = emu_bar_load(nic, at);
	reserved = (value ^ now) & ~(reg->rw | reg->ro);
	if (reserved && !(reg->flags & EMU_REG_LOOSE))
		emu_report(nic, "write of 0x%08x to %s changes reserved bits 0x%08x", value,
			   emu_reg_name(reg, nth).text, reserved);
	value = (value & reg->rw) | (now & ~reg->rw);
	if (reg->write)
		reg->write(nic, reg, nth, value);
	else
		emu_bar_store(nic, at, value);
}

void emu_regfile_reset(struct emu_nic *nic, const struct emu_regfile *file, unsigned keep)
{
	for (unsigned r = 0; r < file->n_regs; r++) {
		const struct emu_reg *reg = &file->regs[r];

		if (reg->flags & keep)
			continue;
		for (unsigned i = 0; i < (reg->n ? reg->n : 1); i++)
			emu_bar_store(nic, reg->offset + i * reg->step, reg->reset);
	}
}
