/* SPDX-License-Identifier: BSD-2-Clause */
/* What nic.c, config.c and dma.c share: an emulated NIC as a device on a bus. */
#ifndef EMU_BUS_H
#define EMU_BUS_H

#include "private.h"

/* Configuration space (config.c). The NIC's lock is held. */
void emu_config_reset(struct emu_nic *nic);
uint32_t emu_config_read(const struct emu_nic *nic, unsigned offset, unsigned bytes);
void emu_config_write(struct emu_nic *nic, unsigned offset, unsigned bytes, uint32_t value);
bool emu_config_valid(unsigned offset, unsigned bytes);

/* The command register's bus master bit. */
void emu_config_bus_master(struct emu_nic *nic, bool on);

/* pl_pci_ops (dma.c). They take the lock. */
int emu_dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		struct pl_dma *dma);
int emu_dma_import(struct pl_pci *pci, const struct pl_remote *remote, struct pl_dma *dma,
		   struct pl_error *err);
void emu_dma_unmap(struct pl_pci *pci, struct pl_dma *dma);
void emu_dma_unmap_all(struct emu_nic *nic);

/* moves.c: of a mapping, freed by free(). Returns 0 or -errno with `err` filled. */
int emu_moves_new(struct emu_moves **moves, const struct pl_remote *remote, struct pl_error *err);
/* Where a piece will be moved from, or to. There is room. */
uint8_t *emu_moves_add(struct emu_nic *nic, struct emu_moves *moves, uint64_t offset, uint32_t len,
		       bool write);

static inline struct emu_nic *emu_nic_of(struct pl_pci *pci)
{
	return (struct emu_nic *)pci;
}

#endif
