/* SPDX-License-Identifier: BSD-2-Clause */
/* Which devices the drivers know, by PCI id. */
#include "private.h"

#include <stddef.h>

/* clang-format off */
static const struct nic_id ids[] = {
	/* 82599 with SFP+ */
	{0x10fb, "82599ES", "ixgbe"},
	{0x1507, "82599ES", "ixgbe"}, /* X520-P2 express module */
	{0x154d, "82599ES", "ixgbe"}, /* X520 */
	{0x1557, "82599EN", "ixgbe"}, /* one port */
	/* 10GBASE-T */
	{0x1528, "X540-AT2", "ixgbe"},
	{0x1560, "X540-AT1", "ixgbe"},
	{0x1563, "X550-AT2", "ixgbe"},
	{0x15d1, "X550-AT", "ixgbe"},
	/* 1000BASE-T */
	{0x10c9, "82576", "igb"},
	{0x10e8, "82576", "igb"}, /* four ports */
	{0x1526, "82576", "igb"}, /* four ports */
	{0x1521, "i350", "igb"},
	{0x1533, "i210", "igb"},
	{0x157b, "i210", "igb"}, /* without flash */
	/* 1000BASE-X, backplanes, SGMII */
	{0x10e6, "82576", "igb"}, /* fiber */
	{0x10e7, "82576", "igb"},
	{0x1522, "i350", "igb"}, /* fiber */
	{0x1523, "i350", "igb"},
	{0x1524, "i350", "igb"}, /* SGMII */
	{0x1536, "i210", "igb"}, /* fiber */
	{0x1537, "i210", "igb"},
	{0x1538, "i210", "igb"}, /* SGMII */
	{0x157c, "i210", "igb"}, /* without flash */
};
/* clang-format on */

const struct nic_id *nic_id_find(uint16_t vendor, uint16_t device)
{
	for (size_t i = 0; vendor == PL_PCI_VENDOR_INTEL && i < sizeof(ids) / sizeof(ids[0]); i++)
		if (ids[i].device == device)
			return &ids[i];
	return NULL;
}

const char *pl_nic_model(uint16_t vendor, uint16_t device)
{
	const struct nic_id *id = nic_id_find(vendor, device);

	return id ? id->model : NULL;
}
