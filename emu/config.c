/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space, as far as drivers look: identity, command, BARs, and the capabilities for
 * power management, MSI-X and PCI Express where the 82599 has them (9.3.2). */
#include <string.h>

#include "bus.h"

#define COMMAND 0x04u
#define COMMAND_MEMORY (1u << 1)
#define COMMAND_MASTER (1u << 2)
#define BAR0 0x10u
#define BAR4 0x20u
#define MSIX_BAR_BYTES (16u << 10)
#define CAP_PM 0x40u
#define CAP_MSIX 0x70u
#define CAP_PCIE 0xA0u

static void put(struct emu_nic *nic, unsigned offset, unsigned bytes, uint32_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		nic->config[offset + i] = (uint8_t)(value >> 8 * i);
}

void emu_config_reset(struct emu_nic *nic)
{
	memset(nic->config, 0, sizeof(nic->config));
	put(nic, 0x00, 2, PL_PCI_VENDOR_INTEL);
	put(nic, 0x02, 2, nic->model->device);
	put(nic, COMMAND, 2, COMMAND_MEMORY);
	put(nic, 0x06, 2, 0x0010);     /* status: there is a list of capabilities */
	put(nic, 0x08, 4, 0x02000001); /* class: Ethernet controller; revision 1 */
	put(nic, BAR0, 4, 0x4);	       /* memory, 64 bits */
	put(nic, BAR4, 4, 0x4);
	put(nic, 0x2C, 2, PL_PCI_VENDOR_INTEL);
	put(nic, 0x34, 1, CAP_PM);
	put(nic, 0x3D, 1, 1); /* INTA */
	put(nic, CAP_PM, 4, 0x00030001 | CAP_MSIX << 8);
	put(nic, CAP_MSIX, 2, 0x0011 | CAP_PCIE << 8);
	put(nic, CAP_MSIX + 2, 2, nic->model->n_vectors - 1);
	put(nic, CAP_MSIX + 4, 4, 4);	       /* table: BAR 4, offset 0 */
	put(nic, CAP_MSIX + 8, 4, 0x2000 | 4); /* pending bits: BAR 4, offset 0x2000 */
	put(nic, CAP_PCIE, 4, 0x00020010);
	nic->bus_master = false;
}

bool emu_config_valid(unsigned offset, unsigned bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4) && offset % bytes == 0 &&
	       offset + bytes <= sizeof(((struct emu_nic *)NULL)->config);
}

uint32_t emu_config_read(const struct emu_nic *nic, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)nic->config[offset + i] << 8 * i;
	return value;
}

/* Bits of a dword of configuration space that can be written; all others stay. */
static uint32_t writable(unsigned dword)
{
	switch (dword) {
	case COMMAND:
		return 0x0546; /* memory, master, parity, SERR, no INTx; the status stays */
	case 0x0C:
		return 0x000000FF; /* cache line size */
	case BAR0:
		return ~(EMU_BAR_BYTES - 1);
	case BAR4:
		return ~(MSIX_BAR_BYTES - 1);
	case BAR0 + 4:
	case BAR4 + 4:
		return 0xFFFFFFFF;
	case 0x3C:
		return 0x000000FF; /* interrupt line */
	case CAP_PM + 4:
		return 0x00000003; /* power state */
	case CAP_MSIX:
		return 0xC0000000; /* enable, function mask */
	case CAP_PCIE + 8:
		return 0x00007FFF; /* device control */
	default:
		return 0;
	}
}

void emu_config_write(struct emu_nic *nic, unsigned offset, unsigned bytes, uint32_t value)
{
	uint32_t mask = writable(offset & ~3u) >> 8 * (offset & 3);
	uint32_t now = emu_config_read(nic, offset, bytes);

	put(nic, offset, bytes, (now & ~mask) | (value & mask));
	nic->bus_master = emu_config_read(nic, COMMAND, 2) & COMMAND_MASTER;
}

void emu_config_bus_master(struct emu_nic *nic, bool on)
{
	uint32_t command = emu_config_read(nic, COMMAND, 2) & ~COMMAND_MASTER;

	emu_config_write(nic, COMMAND, 2, command | (on ? COMMAND_MASTER : 0));
}
