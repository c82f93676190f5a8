/* SPDX-License-Identifier: BSD-2-Clause */
/* The built-in 10GBASE-T PHYs of X540 and X550, over MDIO (IEEE 802.3 clause 45; X540 datasheet 3.6.3.3). */
#include "ixgbe.h"

#include <errno.h>

#include <peerlane/error.h>

#define COMMAND_US (10 * MS)

#define PHYS 32u

/* MDIO devices of a PHY, and their registers (IEEE 802.3, 45.2). */
#define DEVICE_PMA 1u
#define PMA_ID 2u
#define DEVICE_AN 7u
#define AN_CONTROL 0u
#define AN_CONTROL_RESTART (1u << 9)
#define AN_CONTROL_ENABLE (1u << 12)
#define AN_STATUS 1u
#define AN_STATUS_LINK (1u << 2)
#define AN_BASE 0x10u
#define AN_BASE_100_FULL (1u << 8)
#define AN_BASE_PAUSE (3u << 10) /* both ways, or one */
#define AN_10G 0x20u
#define AN_10G_FULL (1u << 12)
/* The maker's own: what is offered below 10 Gb/s. */
#define AN_PROVISION 0xc400u
#define AN_PROVISION_1G (1u << 15)
#define AN_PROVISION_5G (1u << 11)  /* X550 */
#define AN_PROVISION_2G5 (1u << 10) /* X550 */
#define DEVICE_VENDOR 30u
#define VENDOR_CONTROL 0u
#define VENDOR_CONTROL_LOW_POWER (1u << 11)

static int command(struct pl_nic *nic, uint32_t value)
{
	nic_write(nic, IXGBE_MSCA, value | IXGBE_MSCA_COMMAND);
	return nic_wait(nic, IXGBE_MSCA, IXGBE_MSCA_COMMAND, 0, COMMAND_US);
}

/* 8.2.3.22.11: first the address, then what is to be done there. */
static int mdio_read(struct pl_nic *nic, unsigned phy, unsigned device, unsigned reg,
		     uint16_t *value)
{
	uint32_t where = phy << IXGBE_MSCA_PHY_SHIFT | device << IXGBE_MSCA_DEVICE_SHIFT | reg;
	int rc = command(nic, where | IXGBE_MSCA_ADDRESS);

	if (!rc)
		rc = command(nic, where | IXGBE_MSCA_READ);
	*value = rc ? 0xffff : (uint16_t)(nic_read(nic, IXGBE_MSRWD) >> IXGBE_MSRWD_READ_SHIFT);
	return rc;
}

static int mdio_write(struct pl_nic *nic, unsigned phy, unsigned device, unsigned reg,
		      uint16_t value)
{
	uint32_t where = phy << IXGBE_MSCA_PHY_SHIFT | device << IXGBE_MSCA_DEVICE_SHIFT | reg;
	int rc;

	nic_write(nic, IXGBE_MSRWD, value);
	rc = command(nic, where | IXGBE_MSCA_ADDRESS);
	return rc ? rc : command(nic, where | IXGBE_MSCA_WRITE);
}

/* Nobody at an address: all ones, or zeros. */
static int find_phy(struct pl_nic *nic)
{
	for (unsigned phy = 0; phy < PHYS; phy++) {
		uint16_t id;
		int rc = mdio_read(nic, phy, DEVICE_PMA, PMA_ID, &id);

		if (rc == -ENODEV)
			return rc;
		if (rc || id == 0 || id == 0xffff)
			continue;
		ixgbe_of(nic)->phy = phy;
		return 0;
	}
	return -ETIMEDOUT;
}

/* Changes the bits of `mask` of a register to those of `bits`, which are set in any case. `changed`, if not NULL,
 * becomes true when that makes a difference. */
static int change(struct pl_nic *nic, unsigned device, unsigned reg, uint16_t mask, uint16_t bits,
		  bool *changed)
{
	unsigned phy = ixgbe_of(nic)->phy;
	uint16_t value, wanted;
	int rc = mdio_read(nic, phy, device, reg, &value);

	wanted = (uint16_t)((value & ~mask) | bits);
	if (rc || value == wanted)
		return rc;
	if (changed)
		*changed = true;
	return mdio_write(nic, phy, device, reg, wanted);
}

/* Whoever drove it before may have left it asleep, and no reset of ours wakes it. */
static int wake_up(struct pl_nic *nic)
{
	return change(nic, DEVICE_VENDOR, VENDOR_CONTROL, VENDOR_CONTROL_LOW_POWER, 0, NULL);
}

/* What the PHY is to offer. */
static int offer(struct pl_nic *nic, bool *changed)
{
	bool is_x550 = ixgbe_of(nic)->mac == IXGBE_X550;
	int rc = change(nic, DEVICE_AN, AN_10G, 0, AN_10G_FULL, changed);

	if (!rc)
		rc = change(nic, DEVICE_AN, AN_BASE, AN_BASE_PAUSE,
			    AN_BASE_100_FULL | (nic->config.flow_control ? AN_BASE_PAUSE : 0),
			    changed);
	if (!rc)
		rc = change(nic, DEVICE_AN, AN_PROVISION, 0,
			    AN_PROVISION_1G | (is_x550 ? AN_PROVISION_5G | AN_PROVISION_2G5 : 0),
			    changed);
	return rc ? rc : change(nic, DEVICE_AN, AN_CONTROL, 0, AN_CONTROL_ENABLE, changed);
}

/* Whether the PHY has a link. The bit tells a loss that has been until it is read (45.2.7.2.7). */
static int has_link(struct pl_nic *nic, bool *link)
{
	unsigned phy = ixgbe_of(nic)->phy;
	uint16_t status;
	int rc = mdio_read(nic, phy, DEVICE_AN, AN_STATUS, &status);

	if (!rc)
		rc = mdio_read(nic, phy, DEVICE_AN, AN_STATUS, &status);
	*link = !rc && status & AN_STATUS_LINK;
	return rc;
}

/* A negotiation takes seconds, and our resets spare the PHY: a link that came of the same offer stays. */
static int negotiate(struct pl_nic *nic)
{
	bool changed = false, link;
	int rc = offer(nic, &changed);

	if (!rc)
		rc = has_link(nic, &link);
	if (rc || (link && !changed))
		return rc;
	return change(nic, DEVICE_AN, AN_CONTROL, 0, AN_CONTROL_RESTART, NULL);
}

int ixgbe_phy_setup(struct pl_nic *nic, struct pl_error *err)
{
	struct ixgbe *ixgbe = ixgbe_of(nic);
	uint32_t bus = IXGBE_SYNC_PHY(ixgbe->lan & 1);
	int rc = ixgbe_take(nic, bus);

	if (rc)
		return nic_fail(nic, rc, err, "does not let its PHY be used (SW_FW_SYNC)");
	rc = find_phy(nic);
	if (!rc)
		rc = wake_up(nic);
	if (!rc && !ixgbe_link_is_kept(nic))
		rc = negotiate(nic);
	ixgbe_release(nic, bus);
	if (rc)
		return nic_fail(nic, rc, err, "does not answer for its PHY (MDIO)");
	ixgbe->media = "10GBASE-T";
	return 0;
}
