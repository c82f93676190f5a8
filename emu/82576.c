/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82576 as a whole: resets, its EEPROM, and what takes time. As in the 82599's model what has become
 * due is found out by the next access, or the next turn, and delays are shorter than the hardware's, but
 * never nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "82576.h"

/* 4.2.1.6.1: no access within a millisecond of a reset; the bit is seen a while longer. */
#define HANDS_OFF_NS 1000000u
#define RESET_NS 1100000u
#define LOAD_NS 3000000u
#define MASTER_NS 50000u

void m82576_later(struct m82576 *m, uint64_t *at_ns, uint64_t delay_ns)
{
	*at_ns = m->now_ns + delay_ns;
	if (*at_ns < m->next_ns)
		m->next_ns = *at_ns;
}

bool m82576_due(struct m82576 *m, uint64_t *at_ns, bool held)
{
	if (!*at_ns || held)
		return false;
	if (*at_ns > m->now_ns) {
		if (*at_ns < m->next_ns)
			m->next_ns = *at_ns;
		return false;
	}
	*at_ns = 0;
	return true;
}

/* ---- reset ---- */

/* All that a reset and the power-on have in common. The PHY keeps its link over a software reset. */
static void start_over(struct emu_nic *nic, unsigned keep)
{
	struct m82576 *m = m82576_of(nic);

	emu_regfile_reset(nic, &m82576_file, keep);
	emu_engine_reset(nic);
	m82576_cause_reset(nic);
	m82576_queues_reset(nic);
	m82576_stats_reset(nic);
	m->master = true;
	m->master_ns = m->mdic_ns = 0;
	emu_eeprom_load(&m->eeprom, m->now_ns);
	m82576_later(m, &m->load_ns, LOAD_NS);
}

static void reset(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);

	if (m->master && !nic->faults[EMU_FAULT_MASTER] && (nic->n_rx || nic->n_tx))
		emu_report(nic, "reset with queues enabled and without master disable");
	start_over(nic, EMU_REG_STICKY);
	m->hands_off_ns = m->now_ns + HANDS_OFF_NS;
	m82576_later(m, &m->reset_ns, RESET_NS);
	m82576_paths(nic);
	m82576_link(nic);
}

/* 8.2.1: the PHY is reset while its bit is set, for 100 us at least. */
static void follow_phy_reset(struct emu_nic *nic, bool on)
{
	struct m82576 *m = m82576_of(nic);

	if (on && !m->phy_reset_ns) {
		m->phy_reset_ns = m->now_ns;
		m82576_phy_reset(nic);
	} else if (!on && m->phy_reset_ns) {
		if (m->now_ns - m->phy_reset_ns < 100000)
			emu_report(nic, "CTRL.PHY_RST set for less than 100 us");
		m->phy_reset_ns = 0;
		m82576_phy_reset(nic);
	}
}

M82576_WRITE(ctrl)
{
	struct m82576 *m = m82576_of(nic);
	bool disable = value & CTRL_MASTER_DISABLE;
	bool was = emu_bar_load(nic, reg->offset) & CTRL_MASTER_DISABLE;

	(void)index;
	if (value & CTRL_RST) {
		reset(nic);
		return;
	}
	if (value & CTRL_VME)
		emu_report(nic, "CTRL.VME: stripping of VLAN tags is not emulated");
	emu_bar_store(nic, reg->offset, value);
	if (disable && !was) {
		m82576_later(m, &m->master_ns, MASTER_NS);
	} else if (!disable) {
		m->master_ns = 0;
		m->master = true;
		m82576_paths(nic);
	}
	follow_phy_reset(nic, value & CTRL_PHY_RST);
	m82576_link(nic);
}

M82576_READ(ctrl)
{
	(void)index;
	return emu_bar_load(nic, reg->offset) | (m82576_of(nic)->reset_ns ? CTRL_RST : 0);
}

M82576_READ(status)
{
	const struct m82576 *m = m82576_of(nic);
	uint32_t value = STATUS_FD | (m->master ? STATUS_MASTER : 0);

	(void)reg, (void)index;
	if (nic->link)
		value |= STATUS_LU | m82576_speed(m) << STATUS_SPEED_SHIFT;
	return value;
}

M82576_WRITE(ctrl_ext)
{
	(void)index;
	if (value & CTRL_EXT_LINK_MODE)
		emu_report(nic, "CTRL_EXT.LINK_MODE: nothing but copper is emulated");
	emu_bar_store(nic, reg->offset, value);
}

/* Looks at all that may have happened. */
static void settle(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);

	if (m->now_ns < m->next_ns)
		return;
	m->next_ns = UINT64_MAX;
	if (m82576_due(m, &m->reset_ns, nic->faults[EMU_FAULT_RESET]))
		m82576_paths(nic);
	if (m82576_due(m, &m->load_ns, nic->faults[EMU_FAULT_EEPROM])) {
		/* The first address comes from the EEPROM. */
		const uint8_t *mac = nic->mac;

		emu_bar_store(nic, R_RAL,
			      mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24);
		emu_bar_store(nic, R_RAL + 4, RAH_AV | mac[4] | mac[5] << 8);
		m82576_mac(nic, 0);
	}
	if (m82576_due(m, &m->master_ns, nic->faults[EMU_FAULT_MASTER])) {
		m->master = false;
		m82576_paths(nic);
	}
	m82576_phy_settle(nic);
	m82576_queues_settle(nic);
}

/* ---- EEPROM and semaphores ---- */

static void fill_eeprom(struct emu_nic *nic)
{
	memset(nic->eeprom, 0xFF, sizeof(nic->eeprom));
	memset(nic->eeprom, 0, EMU_EEPROM_CHECKSUM_AT * sizeof(nic->eeprom[0]));
	for (unsigned i = 0; i < 3; i++)
		nic->eeprom[i] = (uint16_t)(nic->mac[2 * i] | nic->mac[2 * i + 1] << 8);
	emu_eeprom_seal(nic, 0, 0);
}

M82576_READ(eecd)
{
	struct m82576 *m = m82576_of(nic);
	uint32_t value = emu_bar_load(nic, reg->offset) | EECD_PRES | 2u << EECD_SIZE_SHIFT;

	(void)index;
	if (value & EECD_REQ)
		value |= EECD_GNT;
	if (emu_eeprom_ready(nic, &m->eeprom, m->now_ns))
		value |= EECD_AUTO_RD;
	return value;
}

/* ---- emu_model_ops ---- */

static struct emu_eeprom *eeprom_of(struct emu_nic *nic)
{
	return &m82576_of(nic)->eeprom;
}

static int open_model(struct emu_nic *nic)
{
	int rc = emu_regfile_init(&m82576_file);

	if (rc)
		return rc;
	nic->model_state = calloc(1, sizeof(struct m82576));
	return nic->model_state ? 0 : -ENOMEM;
}

static void power_on(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);

	*m = (struct m82576){.now_ns = emu_now_ns(), .next_ns = UINT64_MAX};
	nic->link = false;
	fill_eeprom(nic);
	start_over(nic, 0);
	m82576_paths(nic);
	m82576_phy_reset(nic);
}

/* Says so where something is touched that may not be: in a reset. CTRL is what drivers wait for. */
static void check_reset(struct emu_nic *nic, uint32_t offset, const char *access)
{
	struct m82576 *m = m82576_of(nic);

	if (m->now_ns < m->hands_off_ns)
		emu_report(nic, "%s of 0x%05x within 1 ms of a reset", access, offset);
	else if (m->reset_ns && offset != R_CTRL)
		emu_report(nic, "%s of 0x%05x before a reset is completed", access, offset);
}

static uint32_t read_register(struct emu_nic *nic, uint32_t offset)
{
	struct m82576 *m = m82576_of(nic);

	m->now_ns = emu_now_ns();
	settle(nic);
	check_reset(nic, offset, "read");
	return emu_regfile_read(nic, &m82576_file, offset);
}

static void write_register(struct emu_nic *nic, uint32_t offset, uint32_t value)
{
	struct m82576 *m = m82576_of(nic);

	m->now_ns = emu_now_ns();
	settle(nic);
	check_reset(nic, offset, "write");
	if (!m->reset_ns)
		emu_regfile_write(nic, &m82576_file, offset, value);
}

static void link_event(struct emu_nic *nic)
{
	m82576_of(nic)->now_ns = emu_now_ns();
	m82576_link(nic);
}

static uint64_t tick(struct emu_nic *nic, uint64_t now_ns)
{
	struct m82576 *m = m82576_of(nic);
	uint64_t next_ns;

	m->now_ns = now_ns;
	settle(nic);
	next_ns = emu_causes_tick(nic, &m->causes, now_ns);
	return next_ns < m->next_ns ? next_ns : m->next_ns;
}

static void fault_event(struct emu_nic *nic, enum emu_fault fault)
{
	struct m82576 *m = m82576_of(nic);

	if (fault == EMU_FAULT_CHECKSUM)
		fill_eeprom(nic);
	m->now_ns = emu_now_ns();
	m->next_ns = 0;
	m82576_link(nic);
	settle(nic);
}

const struct emu_model_ops emu_82576 = {
	.name = "82576",
	.device = 0x10C9,
	.rx_damaged = BIT(31), /* 7.1.5 */
	.rx_bad_checksum = BIT(30),
	.n_vectors = 10, /* those of the physical function, unless the EEPROM says otherwise */
	.open = open_model,
	.power_on = power_on,
	.read = read_register,
	.write = write_register,
	.queue_event = m82576_queue_event,
	.link_event = link_event,
	.tick = tick,
	.fault_event = fault_event,
	.queue_of = m82576_queue_of,
	.eeprom_of = eeprom_of,
};
