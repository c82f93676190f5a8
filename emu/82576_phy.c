/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82576's own PHY, by MDIC (8.2.4), and the link: the other end of the cable can do 10, 100 and
 * 1000 Mbit/s, full duplex, and pause frames. */
#include <string.h>

#include "82576.h"

/* Real ones take some seconds. */
#define LINK_NS 10000000u
#define MDIC_NS 50000u
#define CONFIGURE_NS 1000000u

static bool negotiates(const struct m82576 *m)
{
	uint16_t control = m->phy[PHY_CONTROL];

	return control & CONTROL_AUTONEG && !(control & CONTROL_POWER_DOWN) && !m->phy_reset_ns;
}

/* What both can do at best; 3: nothing. */
unsigned m82576_speed(const struct m82576 *m)
{
	if (m->phy[PHY_1000T_CONTROL] & CONTROL_1000T_FULL)
		return 2;
	if (m->phy[PHY_ADVERTISE] & ABLE_100_FULL)
		return 1;
	return m->phy[PHY_ADVERTISE] & ABLE_10_FULL ? 0 : 3;
}

/* The MAC has a link when the PHY has one and CTRL.SLU lets it (4.5.7). */
void m82576_link(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);
	bool there = nic->wire_link && !nic->faults[EMU_FAULT_LINK] && negotiates(m) &&
		     m82576_speed(m) != 3;
	bool up;

	if (!there) {
		m->phy_link = false;
		m->link_ns = 0;
	} else if (!m->phy_link && !m->link_ns) {
		m82576_later(m, &m->link_ns, LINK_NS);
	}
	up = m->phy_link && emu_bar_load(nic, R_CTRL) & CTRL_SLU;
	if (nic->link == up)
		return;
	nic->link = up;
	m82576_cause(nic, ICR_LSC);
}

void m82576_phy_reset(struct emu_nic *nic)
{
	static const uint16_t initial[32] = {
		[PHY_CONTROL] = CONTROL_AUTONEG | BIT(8) | BIT(6),
		[PHY_STATUS] = 0x7949,
		[PHY_ID1] = 0x02A8,
		[PHY_ID2] = 0x0391,
		[PHY_ADVERTISE] = 0x0DE1,
		[PHY_PARTNER] = 0x0DE1,
		[PHY_1000T_CONTROL] = CONTROL_1000T_FULL,
		[PHY_1000T_STATUS] = 0x7C00,
	};
	struct m82576 *m = m82576_of(nic);

	memcpy(m->phy, initial, sizeof(m->phy));
	m->phy_link = false;
	m->link_ns = 0;
	m82576_later(m, &m->phy_ns, CONFIGURE_NS);
	m82576_link(nic);
}

void m82576_phy_settle(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);

	m82576_due(m, &m->phy_ns, m->phy_reset_ns);
	m82576_due(m, &m->mdic_ns, false);
	if (m82576_due(m, &m->link_ns, false)) {
		m->phy_link = true;
		m82576_link(nic);
	}
}

M82576_READ(eemngctl)
{
	(void)reg, (void)index;
	return m82576_of(nic)->phy_ns ? 0 : EEMNGCTL_CFG_DONE;
}

/* ---- the registers' way ---- */

static uint16_t phy_read(struct m82576 *m, unsigned n)
{
	uint16_t value = m->phy[n];

	if (n == PHY_STATUS && m->phy_link)
		value |= STATUS_LINK | STATUS_AUTONEG_DONE;
	return value;
}

static void phy_write(struct emu_nic *nic, unsigned n, uint16_t value)
{
	struct m82576 *m = m82576_of(nic);

	switch (n) {
	case PHY_CONTROL:
		if (value & CONTROL_RESET) {
			m82576_phy_reset(nic);
			return;
		}
		m->phy[n] = value & ~CONTROL_RESTART;
		if (value & CONTROL_RESTART) {
			m->phy_link = false;
			m->link_ns = 0;
		}
		m82576_link(nic);
		break;
	case PHY_ADVERTISE:
	case PHY_1000T_CONTROL:
		m->phy[n] = value; /* counts from the next negotiation on */
		break;
	default:
		emu_report(nic, "write of PHY register %u, which is not emulated", n);
	}
}

M82576_WRITE(mdic)
{
	struct m82576 *m = m82576_of(nic);
	unsigned n = MDIC_REGISTER(value);

	(void)index;
	if (m->mdic_ns)
		emu_report(nic, "MDIC written while a command is under way");
	if (!(m->eeprom.sync & SYNC_PHY))
		emu_report(nic, "MDIC written without SW_FW_SYNC's bit of the PHY");
	value &= ~(MDIC_READY | MDIC_ERROR);
	if (MDIC_PHY(value) != 1 || m->phy_reset_ns)
		value |= MDIC_ERROR;
	else if (MDIC_OP(value) == MDIC_READ)
		value = (value & 0xFFFF0000) | phy_read(m, n);
	else if (MDIC_OP(value) == MDIC_WRITE)
		phy_write(nic, n, (uint16_t)value);
	emu_bar_store(nic, reg->offset, value);
	m82576_later(m, &m->mdic_ns, MDIC_NS);
}

M82576_READ(mdic)
{
	(void)index;
	return emu_bar_load(nic, reg->offset) | (m82576_of(nic)->mdic_ns ? 0 : MDIC_READY);
}
