/* SPDX-License-Identifier: BSD-2-Clause */
/* Link of the 82576, i350 and i210: the PHY on copper, the controller's own PCS on everything else. */
#include <errno.h>

#include "igb.h"

#define MS 1000u

/* ---- what is shared: 4.6 ---- */

/* First against other software, which reading takes; then against firmware, which writing takes, if it
 * sticks. One who died with it would keep it for good, so after the time that 4.6 allows it is ours. */
static int take_semaphore(struct pl_nic *nic)
{
	int rc = nic_wait(nic, IGB_SWSM, IGB_SWSM_SMBI, 0, 1000 * MS);

	if (rc == -ENODEV)
		return rc;
	for (unsigned i = 0; i < 100; i++) {
		nic_set(nic, IGB_SWSM, IGB_SWSM_SWESMBI);
		if (nic_read(nic, IGB_SWSM) & IGB_SWSM_SWESMBI)
			return nic_is_gone(nic) ? -ENODEV : 0;
		nic_sleep_us(1 * MS);
	}
	return -ETIMEDOUT;
}

static void give_semaphore(struct pl_nic *nic)
{
	nic_unset(nic, IGB_SWSM, IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
}

int igb_sync_take(struct pl_nic *nic, uint32_t what, struct pl_error *err)
{
	static const char failed[] = "does not let its EEPROM or PHY go: firmware keeps it";
	int rc;

	for (unsigned left = 200; left; left--) {
		uint32_t taken, others = what | what << IGB_SYNC_FIRMWARE_SHIFT;

		/* Software that has kept it for a second is no more; no reset but the bus's gives back what it
		 * has left. */
		if (left == 1)
			others ^= what;
		rc = take_semaphore(nic);
		if (rc)
			return nic_fail(nic, rc, err, failed);
		taken = nic_read(nic, IGB_SW_FW_SYNC);
		if (!(taken & others)) {
			nic_write(nic, IGB_SW_FW_SYNC, taken | what);
			give_semaphore(nic);
			return 0;
		}
		give_semaphore(nic);
		nic_sleep_us(5 * MS);
	}
	return nic_fail(nic, -ETIMEDOUT, err, failed);
}

void igb_sync_give(struct pl_nic *nic, uint32_t what)
{
	/* Without the semaphore rather than not at all: others wait for it. */
	(void)take_semaphore(nic);
	nic_unset(nic, IGB_SW_FW_SYNC, what);
	give_semaphore(nic);
}

static uint32_t phy_sync(struct pl_nic *nic)
{
	static const uint32_t ports[4] = {1u << 1, 1u << 2, 1u << 5, 1u << 6};

	return ports[igb_of(nic)->function];
}

/* ---- the PHY's registers: MDIC, 8.2.4 ---- */

/* The 82576 is told that its own PHY is meant by address 1; the others are by MDICNFG. */
static int mdic(struct pl_nic *nic, uint32_t command, struct pl_error *err)
{
	int rc;

	if (igb_of(nic)->mac == IGB_82576)
		command |= IGB_MDIC_PHY(1);
	nic_write(nic, IGB_MDIC, command);
	rc = igb_wait(nic, IGB_MDIC, IGB_MDIC_READY, IGB_MDIC_READY, 50 * MS, err,
		      "has a PHY that does not answer");
	if (!rc && nic_read(nic, IGB_MDIC) & IGB_MDIC_ERROR)
		rc = igb_fail(nic, -EIO, err, "has a PHY that answers with an error");
	return rc;
}

static int read_phy(struct pl_nic *nic, unsigned reg, uint16_t *value, struct pl_error *err)
{
	int rc = mdic(nic, IGB_MDIC_OP_READ | IGB_MDIC_REGISTER(reg), err);

	*value = rc ? 0 : nic_read(nic, IGB_MDIC) & IGB_MDIC_DATA;
	return rc;
}

static int write_phy(struct pl_nic *nic, unsigned reg, unsigned value, struct pl_error *err)
{
	return mdic(nic, IGB_MDIC_OP_WRITE | IGB_MDIC_REGISTER(reg) | value, err);
}

/* ---- copper ---- */

/* CTRL.PHY_RST, 8.2.1: 100 us at least. Firmware then sets the PHY up from the EEPROM, and says so, unless
 * there is none to do it. Not while management uses the link. */
static void reset_phy(struct pl_nic *nic)
{
	const struct igb *igb = igb_of(nic);
	uint32_t done = IGB_EEMNGCTL_CFG_DONE(igb->function);

	if (nic_read(nic, IGB_MANC) & IGB_MANC_BLK_PHY_RST)
		return;
	nic_set(nic, IGB_CTRL, IGB_CTRL_PHY_RST);
	nic_sleep_us(200);
	nic_unset(nic, IGB_CTRL, IGB_CTRL_PHY_RST);
	nic_sleep_us(200);
	(void)nic_wait(nic, igb->mac == IGB_I210 ? IGB_EEMNGCTL_I210 : IGB_EEMNGCTL, done, done,
		       100 * MS);
}

/* Offers 10, 100 and 1000 Mbit/s, full duplex only: a router has no use for the other. */
static int negotiate(struct pl_nic *nic, struct pl_error *err)
{
	unsigned offer = PHY_ABLE_802_3 | PHY_ABLE_10_FULL | PHY_ABLE_100_FULL;
	uint16_t id, gigabit = 0;
	int rc = read_phy(nic, PHY_ID1, &id, err);

	if (!rc && (id == 0 || id == UINT16_MAX))
		rc = igb_fail(nic, -EIO, err, "has no PHY that could be found");
	if (nic->config.flow_control)
		offer |= PHY_ABLE_PAUSE;
	if (!rc)
		rc = write_phy(nic, PHY_ADVERTISE, offer, err);
	if (!rc)
		rc = read_phy(nic, PHY_1000T_CONTROL, &gigabit, err);
	if (!rc)
		rc = write_phy(nic, PHY_1000T_CONTROL, (gigabit & ~PHY_1000T_HALF) | PHY_1000T_FULL,
			       err);
	/* All else zero: neither powered down nor isolated nor looped back. */
	if (!rc)
		rc = write_phy(nic, PHY_CONTROL, PHY_CONTROL_AUTONEG | PHY_CONTROL_RESTART, err);
	return rc;
}

/* 4.5.7: the MAC takes speed and duplex from the PHY, and the link as soon as that has one. */
static int start_copper(struct pl_nic *nic, struct pl_error *err)
{
	uint32_t sync = phy_sync(nic);
	int rc;

	nic_unset(nic, IGB_CTRL, IGB_CTRL_FRCSPD | IGB_CTRL_FRCDPLX);
	nic_set(nic, IGB_CTRL, IGB_CTRL_SLU);
	if (igb_of(nic)->mac != IGB_82576) {
		nic_unset(nic, IGB_MDICNFG, IGB_MDICNFG_EXTERNAL);
		nic_unset(nic, IGB_PHPM, IGB_PHPM_GO_LINK_DISCONNECT);
	}
	rc = igb_sync_take(nic, sync, err);
	if (rc)
		return rc;
	reset_phy(nic);
	rc = negotiate(nic, err);
	igb_sync_give(nic, sync);
	return rc;
}

/* ---- fiber, backplane, SGMII ---- */

/* 4.5.7: the PCS negotiates what there is to negotiate; on a backplane (KX) nothing, it is 1000 Mbit/s.
 * A PHY behind SGMII keeps its own settings and tells the PCS what it has found. */
static void start_pcs(struct pl_nic *nic)
{
	const struct igb *igb = igb_of(nic);
	bool forced = igb->link_mode == IGB_LINK_MODE_KX;
	uint32_t control = nic_read(nic, IGB_PCS_LCTL);

	nic_write(nic, IGB_SERDES_CTRL, IGB_SERDES_CTRL_NO_LOOPBACK);
	nic_unset(nic, IGB_CTRL_EXT, IGB_CTRL_EXT_SDP3_DATA); /* laser or cage on */
	if (igb->mac == IGB_82576) {
		nic_set(nic, IGB_CTRL, IGB_CTRL_SDP0_DATA | IGB_CTRL_SDP1_DATA);
		nic_set(nic, IGB_CONNSW, IGB_CONNSW_ENRGSRC);
	}
	nic_set(nic, IGB_PCS_CFG0, IGB_PCS_CFG0_ENABLE);
	control &= ~(IGB_PCS_LCTL_AN_ENABLE | IGB_PCS_LCTL_FORCE | IGB_PCS_LCTL_FORCE_LINK |
		     IGB_PCS_LCTL_FORCE_FLOW_CONTROL);
	if (igb->link_mode == IGB_LINK_MODE_SGMII) {
		control &= ~IGB_PCS_LCTL_AN_TIMEOUT;
		nic_set(nic, IGB_CTRL, IGB_CTRL_SLU);
	} else {
		control |= IGB_PCS_LCTL_SPEED_1000 | IGB_PCS_LCTL_FULL_DUPLEX;
		nic_unset(nic, IGB_CTRL, IGB_CTRL_SPEED_MASK);
		nic_set(nic, IGB_CTRL,
			IGB_CTRL_SLU | IGB_CTRL_FD | IGB_CTRL_SPEED_1000 | IGB_CTRL_FRCSPD |
				IGB_CTRL_FRCDPLX);
	}
	nic_unset(nic, IGB_PCS_ANADV, IGB_PCS_PAUSE | IGB_PCS_PAUSE_ASYMMETRIC);
	if (nic->config.flow_control)
		nic_set(nic, IGB_PCS_ANADV, IGB_PCS_PAUSE);
	control |= forced ? IGB_PCS_LCTL_FORCE | IGB_PCS_LCTL_FORCE_FLOW_CONTROL
			  : IGB_PCS_LCTL_AN_ENABLE | IGB_PCS_LCTL_AN_RESTART;
	nic_write(nic, IGB_PCS_LCTL, control);
}

/* ---- flow control: 4.5.6 ---- */

/* Whether the other end pauses, too: 802.3, annex 28B. Where nothing is negotiated it is as configured. */
static bool partner_pauses(struct pl_nic *nic)
{
	uint32_t sync = phy_sync(nic);
	struct pl_error ignored;
	uint16_t partner = 0;

	switch (igb_of(nic)->link_mode) {
	case IGB_LINK_MODE_KX:
		return true;
	case IGB_LINK_MODE_COPPER:
		if (igb_sync_take(nic, sync, &ignored))
			return false;
		(void)read_phy(nic, PHY_PARTNER, &partner, &ignored);
		igb_sync_give(nic, sync);
		return partner & PHY_ABLE_PAUSE;
	default:
		return nic_read(nic, IGB_PCS_LPAB) & IGB_PCS_PAUSE;
	}
}

/* When the link has come up. Also if it is off: firmware or the PHY may have switched it on. */
static void set_flow_control(struct pl_nic *nic)
{
	if (nic->config.flow_control && partner_pauses(nic))
		nic_set(nic, IGB_CTRL, IGB_CTRL_RFCE | IGB_CTRL_TFCE);
	else
		nic_unset(nic, IGB_CTRL, IGB_CTRL_RFCE | IGB_CTRL_TFCE);
}

/* What a pause frame looks like, how long it holds (in slots of 512 bit times: the longest there is), and
 * that it is renewed in time. When one is sent, igb_set_mtu() says. */
static void prepare_flow_control(struct pl_nic *nic)
{
	nic_unset(nic, IGB_CTRL, IGB_CTRL_RFCE | IGB_CTRL_TFCE);
	nic_write(nic, IGB_FCAL, 0x00c28001);
	nic_write(nic, IGB_FCAH, 0x0100);
	nic_write(nic, IGB_FCT, 0x8808);
	nic_write(nic, IGB_FCTTV, 0xffff);
	nic_write(nic, IGB_FCRTV, 0x7fff);
	nic_write(nic, IGB_FCRTL, 0);
	nic_write(nic, IGB_FCRTH, 0);
}

int igb_start_link(struct pl_nic *nic, struct pl_error *err)
{
	struct igb *igb = igb_of(nic);

	igb->link_up = false;
	prepare_flow_control(nic);
	if (igb->link_mode == IGB_LINK_MODE_COPPER)
		return start_copper(nic, err);
	start_pcs(nic);
	return 0;
}

/* ---- what has become of it ---- */

static void copper_link(struct pl_nic *nic, struct pl_nic_link *link)
{
	static const struct {
		unsigned mbps;
		const char *media;
	} speeds[4] = {
		{10, "10BASE-T"}, {100, "100BASE-TX"}, {1000, "1000BASE-T"}, {1000, "1000BASE-T"}};
	uint32_t status = nic_read(nic, IGB_STATUS);
	unsigned speed = IGB_STATUS_SPEED(status);

	link->up = status & IGB_STATUS_LU;
	link->mbps = link->up ? speeds[speed].mbps : 0;
	link->media = link->up ? speeds[speed].media : "1000BASE-T";
}

static void pcs_link(struct pl_nic *nic, struct pl_nic_link *link)
{
	static const unsigned speeds[4] = {10, 100, 1000, 1000};
	static const char *const media[4] = {NULL, "1000BASE-KX", "SGMII", "1000BASE-X"};
	const uint32_t good = IGB_PCS_LSTAT_LINK_OK | IGB_PCS_LSTAT_SYNC_OK;
	uint32_t status = nic_read(nic, IGB_PCS_LSTAT);

	link->up = (status & good) == good;
	link->mbps = link->up ? speeds[IGB_PCS_LSTAT_SPEED(status)] : 0;
	link->media = media[igb_of(nic)->link_mode];
}

/* The cause is forgotten first, so a change after the look has the device signal again. */
void igb_link(struct pl_nic *nic, struct pl_nic_link *link)
{
	struct igb *igb = igb_of(nic);

	(void)nic_read(nic, IGB_ICR);
	if (igb->link_mode == IGB_LINK_MODE_COPPER)
		copper_link(nic, link);
	else
		pcs_link(nic, link);
	if (nic_is_gone(nic)) {
		*link = (struct pl_nic_link){.media = link->media};
		return;
	}
	if (link->up && !igb->link_up)
		set_flow_control(nic);
	igb->link_up = link->up;
}
