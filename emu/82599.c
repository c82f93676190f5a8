/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82599 as a whole: resets, its EEPROM, the link, and what takes time.
 *
 * Nothing runs by itself: what has become due is found out by the next access, or the next turn. Delays
 * are shorter than the hardware's, but never nothing, so that a driver that does not wait is caught. */
#include <errno.h>
#include <stdlib.h>

#include "82599.h"

/* 8.2.3.1.1: no access within about a millisecond of a reset; the bit is seen a while longer. */
#define HANDS_OFF_NS 1000000u
#define RESET_NS 1100000u
#define LOAD_NS 3000000u
#define DMA_INIT_NS 5000000u
#define MASTER_NS 50000u
#define LINK_NS 10000000u
#define MDI_NS 30000u

void m82599_later(struct m82599 *m, uint64_t *at_ns, uint64_t delay_ns)
{
	*at_ns = m->now_ns + delay_ns;
	if (*at_ns < m->next_ns)
		m->next_ns = *at_ns;
}

bool m82599_due(struct m82599 *m, uint64_t *at_ns, bool held)
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

/* ---- link ---- */

static void set_link(struct emu_nic *nic, bool up)
{
	struct m82599 *m = m82599_of(nic);

	if (!up)
		m->link_ns = 0;
	if (nic->link == up)
		return;
	nic->link = up;
	emu_causes_set(nic, &m->causes, 0, EICR_LSC);
}

/* Whether AUTOC asks for what an SFP+ module can do (4.6.4.2). */
static bool mode_fits(const struct emu_nic *nic)
{
	unsigned mode = AUTOC_LMS(emu_bar_load(nic, R_AUTOC));

	if (mode == LMS_10G_SERIAL)
		return AUTOC2_SERIAL(emu_bar_load(nic, R_AUTOC2)) == AUTOC2_SFI;
	return mode == LMS_1G || mode == LMS_1G_AN;
}

static void follow_wire(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);
	bool there = nic->wire_link || emu_bar_load(nic, R_AUTOC) & AUTOC_FLU;

	if (!there || nic->faults[EMU_FAULT_LINK] || !mode_fits(nic))
		set_link(nic, false);
	else if (!nic->link && !m->link_ns)
		m82599_later(m, &m->link_ns, LINK_NS);
}

M82599_WRITE(autoc)
{
	(void)index;
	emu_bar_store(nic, reg->offset, value & ~AUTOC_RESTART);
	if (!(value & AUTOC_RESTART))
		return;
	set_link(nic, false);
	follow_wire(nic);
}

/* The negotiation of backplanes, which never ends here, begins at once in the modes that have one. */
M82599_READ(anlp1)
{
	(void)reg, (void)index;
	return AUTOC_LMS(emu_bar_load(nic, R_AUTOC)) & LMS_NEGOTIATED ? ANLP1_STATE_BEGUN : 0;
}

M82599_READ(links)
{
	bool serial = AUTOC_LMS(emu_bar_load(nic, R_AUTOC)) == LMS_10G_SERIAL;
	uint32_t value = serial ? LINKS_MODE_SERIAL | LINKS_SERIAL_ENABLED | LINKS_10G
				: LINKS_MODE_1G | LINKS_1G_ENABLED | LINKS_1G;

	(void)reg, (void)index;
	if (nic->wire_link)
		value |= LINKS_SIGNAL;
	if (nic->link)
		value |= LINKS_UP | (serial ? LINKS_BLOCK_LOCK : 0);
	return value;
}

/* ---- reset ---- */

/* All that a reset and the power-on have in common. `keep`: registers that stay. */
static void start_over(struct emu_nic *nic, unsigned keep)
{
	struct m82599 *m = m82599_of(nic);

	emu_regfile_reset(nic, &m82599_file, keep);
	emu_engine_reset(nic);
	m82599_cause_reset(nic);
	m82599_queues_reset(nic);
	m82599_stats_reset(nic);
	m->master = true;
	m->master_ns = m->rx_stop_ns = m->tx_stop_ns = m->mdi_ns = 0;
	emu_eeprom_load(&m->eeprom, m->now_ns);
	m82599_later(m, &m->load_ns, LOAD_NS);
	m82599_later(m, &m->dma_init_ns, DMA_INIT_NS);
	m82599_path_reset(nic);
}

static void reset(struct emu_nic *nic, bool link)
{
	struct m82599 *m = m82599_of(nic);

	/* 4.2.1.6.1: master disable (5.2.5.3.2) goes before. */
	if (m->master && !nic->faults[EMU_FAULT_MASTER] && (nic->n_rx || nic->n_tx))
		emu_report(nic, "reset with queues enabled and without master disable");
	start_over(nic, EMU_REG_STICKY | (link ? 0 : EMU_REG_WIRE));
	m->hands_off_ns = m->now_ns + HANDS_OFF_NS;
	m82599_later(m, &m->reset_ns, RESET_NS);
	m82599_paths(nic);
	if (link) {
		set_link(nic, false);
		follow_wire(nic);
	}
}

M82599_WRITE(ctrl)
{
	struct m82599 *m = m82599_of(nic);
	bool disable = value & CTRL_MASTER_DISABLE;
	bool was = emu_bar_load(nic, reg->offset) & CTRL_MASTER_DISABLE;

	(void)index;
	if (value & (CTRL_RST | CTRL_LRST)) {
		reset(nic, value & CTRL_LRST);
		return;
	}
	emu_bar_store(nic, reg->offset, value);
	if (disable && !was) {
		m82599_later(m, &m->master_ns, MASTER_NS);
	} else if (!disable) {
		m->master_ns = 0;
		m->master = true;
		m82599_paths(nic);
	}
}

M82599_READ(ctrl)
{
	(void)index;
	return emu_bar_load(nic, reg->offset) | (m82599_of(nic)->reset_ns ? CTRL_RST : 0);
}

M82599_READ(status)
{
	(void)reg, (void)index;
	return (m82599_of(nic)->master ? STATUS_MASTER : 0) | (nic->link ? STATUS_LINK_UP : 0);
}

void m82599_settle(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	if (m->now_ns < m->next_ns)
		return;
	m->next_ns = UINT64_MAX;
	if (m82599_due(m, &m->reset_ns, nic->faults[EMU_FAULT_RESET]))
		m82599_paths(nic);
	if (m82599_due(m, &m->load_ns, nic->faults[EMU_FAULT_EEPROM])) {
		/* 8.2.3.7.9: the first address comes from the EEPROM. */
		const uint8_t *mac = nic->mac;

		emu_bar_store(nic, R_RAL,
			      mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24);
		emu_bar_store(nic, R_RAH, RAH_AV | mac[4] | mac[5] << 8);
		m82599_mac(nic, 0);
	}
	m82599_due(m, &m->dma_init_ns, nic->faults[EMU_FAULT_DMA_INIT]);
	if (m82599_due(m, &m->master_ns, nic->faults[EMU_FAULT_MASTER])) {
		m->master = false;
		m82599_paths(nic);
	}
	m82599_due(m, &m->rx_stop_ns, false);
	m82599_due(m, &m->tx_stop_ns, false);
	m82599_due(m, &m->mdi_ns, false);
	if (m82599_due(m, &m->link_ns, false))
		set_link(nic, true);
	m82599_queues_settle(nic);
}

/* ---- EEPROM, semaphores, MDIO, others ---- */

M82599_READ(eec)
{
	struct m82599 *m = m82599_of(nic);
	uint32_t value = emu_bar_load(nic, reg->offset) | EEC_PRES | 5u << EEC_SIZE_SHIFT;

	(void)index;
	if (value & EEC_REQ)
		value |= EEC_GNT;
	if (emu_eeprom_ready(nic, &m->eeprom, m->now_ns))
		value |= EEC_AUTO_RD | EEC_DONE;
	return value;
}

M82599_READ(fwsm)
{
	(void)reg, (void)index;
	return FWSM_VALID | FWSM_PASS_THROUGH |
	       (nic->faults[EMU_FAULT_CHECKSUM] ? FWSM_BAD_CHECKSUM : 0);
}

/* MDIO: there is no PHY on it, and so nobody answers. */
M82599_WRITE(msca)
{
	struct m82599 *m = m82599_of(nic);

	(void)index;
	if (m->mdi_ns)
		emu_report(nic, "MSCA written while a command is under way");
	emu_bar_store(nic, reg->offset, value & ~MSCA_COMMAND);
	if (value & MSCA_COMMAND)
		m82599_later(m, &m->mdi_ns, MDI_NS);
}

M82599_READ(msca)
{
	(void)index;
	return emu_bar_load(nic, reg->offset) | (m82599_of(nic)->mdi_ns ? MSCA_COMMAND : 0);
}

M82599_READ(msrwd)
{
	(void)index;
	return 0xFFFF0000 | emu_bar_load(nic, reg->offset);
}

/* The SFP+ module's wires (8.2.3.1.5), which the firmware may move, too. */
M82599_WRITE(i2cctl)
{
	struct m82599 *m = m82599_of(nic);

	(void)index;
	if (!(m->eeprom.sync & SYNC_SW_PHY0))
		emu_report(nic, "I2CCTL written without SW_FW_SYNC.SW_PHY_SM0 held");
	emu_bar_store(nic, reg->offset, value);
	emu_i2c_drive(&m->module, value & I2CCTL_CLK_OUT, value & I2CCTL_DATA_OUT);
}

M82599_READ(i2cctl)
{
	uint32_t value = emu_bar_load(nic, reg->offset);

	(void)index;
	return value | (value & I2CCTL_CLK_OUT ? I2CCTL_CLK_IN : 0) |
	       (emu_i2c_data(&m82599_of(nic)->module) ? I2CCTL_DATA_IN : 0);
}

M82599_WRITE(w1c)
{
	uint32_t at = reg->offset + index * reg->step;

	emu_bar_store(nic, at, emu_bar_load(nic, at) & ~value);
}

/* ---- emu_model_ops ---- */

static struct emu_eeprom *eeprom_of(struct emu_nic *nic)
{
	return &m82599_of(nic)->eeprom;
}

static int open_model(struct emu_nic *nic)
{
	int rc = emu_regfile_init(&m82599_file);

	if (rc)
		return rc;
	nic->model_state = calloc(1, sizeof(struct m82599));
	return nic->model_state ? 0 : -ENOMEM;
}

static void power_on(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	*m = (struct m82599){.now_ns = emu_now_ns(), .next_ns = UINT64_MAX};
	nic->link = false;
	m->missed_seen = nic->counts.rx_missed;
	emu_eeprom_fill_82599(nic);
	emu_sfp_init(&m->module);
	start_over(nic, 0);
	follow_wire(nic);
}

/* Says so where something is touched that may not be: in a reset. CTRL is what drivers wait for. */
static void check_reset(struct emu_nic *nic, uint32_t offset, const char *access)
{
	struct m82599 *m = m82599_of(nic);

	if (m->now_ns < m->hands_off_ns)
		emu_report(nic, "%s of 0x%05x within 1 ms of a reset", access, offset);
	else if (m->reset_ns && offset != R_CTRL)
		emu_report(nic, "%s of 0x%05x before a reset is completed", access, offset);
}

static uint32_t read_register(struct emu_nic *nic, uint32_t offset)
{
	struct m82599 *m = m82599_of(nic);

	m->now_ns = emu_now_ns();
	m82599_settle(nic);
	check_reset(nic, offset, "read");
	return emu_regfile_read(nic, &m82599_file, offset);
}

static void write_register(struct emu_nic *nic, uint32_t offset, uint32_t value)
{
	struct m82599 *m = m82599_of(nic);

	m->now_ns = emu_now_ns();
	m82599_settle(nic);
	/* A second reset may follow at once: it is how pending requests are got rid of (5.2.5.3.2). */
	if (offset != R_CTRL)
		check_reset(nic, offset, "write");
	if (offset == R_CTRL || !m->reset_ns)
		emu_regfile_write(nic, &m82599_file, offset, value);
}

static void link_event(struct emu_nic *nic)
{
	m82599_of(nic)->now_ns = emu_now_ns();
	follow_wire(nic);
}

static uint64_t tick(struct emu_nic *nic, uint64_t now_ns)
{
	struct m82599 *m = m82599_of(nic);
	uint64_t next_ns;

	m->now_ns = now_ns;
	m82599_settle(nic);
	if (nic->counts.rx_missed != m->missed_seen) {
		m->missed_seen = nic->counts.rx_missed;
		emu_causes_set(nic, &m->causes, 0, EICR_RX_MISS);
	}
	next_ns = emu_causes_tick(nic, &m->causes, now_ns);
	return next_ns < m->next_ns ? next_ns : m->next_ns;
}

static void fault_event(struct emu_nic *nic, enum emu_fault fault)
{
	struct m82599 *m = m82599_of(nic);

	if (fault == EMU_FAULT_CHECKSUM)
		emu_eeprom_fill_82599(nic);
	m->now_ns = emu_now_ns();
	m->next_ns = 0;
	follow_wire(nic);
	m82599_settle(nic);
}

const struct emu_model_ops emu_82599 = {
	.name = "82599ES",
	.device = 0x10FB,
	.n_vectors = 64,
	.rx_damaged = BIT(29), /* 7.1.6.2 */
	.rx_bad_checksum = BIT(31),
	.open = open_model,
	.power_on = power_on,
	.read = read_register,
	.write = write_register,
	.queue_event = m82599_queue_event,
	.link_event = link_event,
	.tick = tick,
	.fault_event = fault_event,
	.queue_of = m82599_queue_of,
	.eeprom_of = eeprom_of,
};
