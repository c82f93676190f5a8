/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the 82576's model share: 82576.c (resets, EEPROM), 82576_phy.c (link), 82576_table.c
 * (all registers), 82576_queue.c (rings, both paths, filters, RSS), 82576_cause.c (interrupts),
 * 82576_stats.c. It has one port, on copper, and no virtual functions. */
#ifndef EMU_82576_H
#define EMU_82576_H

#include "82576_regs.h"
#include "cause.h"
#include "eeprom.h"
#include "queue.h"

#define M82576_STATS 32u

/* What the engine had counted when a counter was cleared, and when it was last read. */
struct m82576_stat {
	uint64_t seen, latched;
};

struct m82576 {
	struct emu_causes causes; /* by vector: EICR */
	uint32_t icr, ims;
	int other_vector; /* that ICR's causes become causes of; -1: none */
	struct emu_eeprom eeprom;
	uint64_t now_ns;  /* of the access */
	uint64_t next_ns; /* the first of those below; 0: look at all */

	/* When something will have happened; 0: nothing is to. */
	uint64_t reset_ns, load_ns, master_ns, link_ns, mdic_ns, phy_ns;
	uint64_t rx_ns[QUEUES], tx_ns[QUEUES];
	bool rx_on[QUEUES], tx_on[QUEUES]; /* how ENABLE reads */

	uint64_t hands_off_ns; /* no access before: reset */
	uint64_t phy_reset_ns; /* CTRL.PHY_RST was set then; 0: it is not */
	bool master;	       /* may make requests */
	bool phy_link;
	uint16_t phy[32];

	uint8_t rx_vector[QUEUES], tx_vector[QUEUES]; /* M82576_NONE */
	struct m82576_stat stats[M82576_STATS];
	uint64_t dropped_seen[QUEUES];
};

#define M82576_NONE 0xFFu

extern struct emu_regfile m82576_file;

static inline struct m82576 *m82576_of(struct emu_nic *nic)
{
	return nic->model_state;
}

/* Has something happen in `delay_ns`. */
void m82576_later(struct m82576 *m, uint64_t *at_ns, uint64_t delay_ns);

/* Whether it is time, and then never again; not while it is `held`. */
bool m82576_due(struct m82576 *m, uint64_t *at_ns, bool held);

void m82576_phy_reset(struct emu_nic *nic);
void m82576_phy_settle(struct emu_nic *nic);
/* The wire, the PHY or CTRL.SLU has changed. */
void m82576_link(struct emu_nic *nic);
unsigned m82576_speed(const struct m82576 *m); /* as STATUS says it */

/* Sets rx_on and tx_on. */
void m82576_paths(struct emu_nic *nic);
struct emu_queue m82576_queue_of(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
void m82576_queues_reset(struct emu_nic *nic);
void m82576_queues_settle(struct emu_nic *nic);
void m82576_mac(struct emu_nic *nic, unsigned index);

void m82576_cause_reset(struct emu_nic *nic);
void m82576_cause(struct emu_nic *nic, uint32_t causes); /* of ICR */
void m82576_queue_event(struct emu_nic *nic, unsigned queue, bool tx);

void m82576_stats_reset(struct emu_nic *nic);

/* Registers with effects, for the table. */
#define M82576_READ(name)                                                             \
	uint32_t m82576_##name##_read(struct emu_nic *nic, const struct emu_reg *reg, \
				      unsigned index)
#define M82576_WRITE(name)                                                                         \
	void m82576_##name##_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, \
				   uint32_t value)

M82576_READ(ctrl);
M82576_WRITE(ctrl);
M82576_READ(status);
M82576_WRITE(ctrl_ext);
M82576_READ(eecd);
M82576_READ(eemngctl);
M82576_READ(mdic);
M82576_WRITE(mdic);

M82576_READ(icr);
M82576_WRITE(icr);
M82576_WRITE(ics);
M82576_READ(ims);
M82576_WRITE(ims);
M82576_WRITE(imc);
M82576_READ(eicr);
M82576_WRITE(eicr);
M82576_WRITE(eics);
M82576_READ(eims);
M82576_WRITE(eims);
M82576_WRITE(eimc);
M82576_WRITE(eiac);
M82576_WRITE(eiam);
M82576_WRITE(eitr);
M82576_WRITE(gpie);
M82576_WRITE(ivar);
M82576_WRITE(ivar_misc);

M82576_WRITE(rctl);
M82576_WRITE(rlpml);
M82576_WRITE(mta);
M82576_WRITE(ra);
M82576_WRITE(mrqc);
M82576_WRITE(rssrk);
M82576_WRITE(reta);
M82576_WRITE(tctl);
M82576_WRITE(dctl);
M82576_WRITE(wbal);

M82576_READ(stat);
M82576_READ(stat_high);
M82576_READ(dropped);

#endif
