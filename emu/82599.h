/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the 82599's model share: 82599.c (resets, link, what takes time), 82599_table.c (all
 * registers), 82599_queue.c (rings), 82599_path.c (filters, RSS, both paths), 82599_cause.c (interrupts),
 * 82599_stats.c. */
#ifndef EMU_82599_H
#define EMU_82599_H

#include "82599_regs.h"
#include "cause.h"
#include "eeprom.h"
#include "i2c.h"
#include "queue.h"

#define M82599_QUEUE_COUNTERS 16u
#define M82599_STATS 32u

/* What a driver has read of a counter. One with upper bits in a register of their own is read, and
 * cleared, by its lower half. */
struct m82599_stat {
	uint64_t seen;
	uint32_t high;
	bool has_high; /* to be read next */
};

/* Counts of the queues that are mapped to it, since it was read. */
struct m82599_queue_counter {
	uint64_t rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes;
	struct m82599_stat rx_half, tx_half;
};

struct m82599 {
	struct emu_causes causes;
	struct emu_eeprom eeprom;
	struct emu_i2c module;
	uint64_t missed_seen; /* of emu_counts.rx_missed */
	uint64_t now_ns;      /* of the access */
	uint64_t next_ns;     /* the first of those below; 0: look at all */

	/* When something will have happened; 0: nothing is to. */
	uint64_t reset_ns, load_ns, dma_init_ns, master_ns, link_ns, rx_stop_ns, tx_stop_ns, mdi_ns;
	uint64_t rx_ns[EMU_QUEUES_MAX], tx_ns[EMU_QUEUES_MAX];

	uint64_t hands_off_ns; /* no access before: reset */
	bool master;	       /* may make requests */

	uint8_t rx_vector[EMU_QUEUES_MAX], tx_vector[EMU_QUEUES_MAX]; /* M82599_NONE */

	struct m82599_stat stats[M82599_STATS];
	struct m82599_queue_counter queue[M82599_QUEUE_COUNTERS];
	struct emu_counts queue_seen; /* what of emu_counts.queue has gone into those */
};

#define M82599_NONE 0xFFu

extern struct emu_regfile m82599_file;

static inline struct m82599 *m82599_of(struct emu_nic *nic)
{
	return nic->model_state;
}

/* Has something happen in `delay_ns`. */
void m82599_later(struct m82599 *m, uint64_t *at_ns, uint64_t delay_ns);

/* Whether it is time, and then never again; not while it is `held`. */
bool m82599_due(struct m82599 *m, uint64_t *at_ns, bool held);

/* Looks at all that may have happened. */
void m82599_settle(struct emu_nic *nic);

/* Sets rx_on and tx_on. */
void m82599_paths(struct emu_nic *nic);

/* Decodes everything anew: reset. */
void m82599_path_reset(struct emu_nic *nic);
void m82599_mac(struct emu_nic *nic, unsigned index);

struct emu_queue m82599_queue_of(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
void m82599_queues_reset(struct emu_nic *nic);
void m82599_queues_settle(struct emu_nic *nic);

void m82599_cause_reset(struct emu_nic *nic);
void m82599_queue_event(struct emu_nic *nic, unsigned queue, bool tx);

void m82599_stats_reset(struct emu_nic *nic);

/* Registers with effects, for the table. */
#define M82599_READ(name)                                                             \
	uint32_t m82599_##name##_read(struct emu_nic *nic, const struct emu_reg *reg, \
				      unsigned index)
#define M82599_WRITE(name)                                                                         \
	void m82599_##name##_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index, \
				   uint32_t value)

M82599_READ(ctrl);
M82599_WRITE(ctrl);
M82599_READ(status);
M82599_READ(eec);
M82599_READ(fwsm);
M82599_READ(msca);
M82599_WRITE(msca);
M82599_READ(msrwd);
M82599_READ(i2cctl);
M82599_WRITE(i2cctl);
M82599_WRITE(autoc);
M82599_READ(links);
M82599_READ(anlp1);
M82599_READ(rdrxctl);
M82599_WRITE(w1c);

M82599_READ(eicr);
M82599_WRITE(eicr);
M82599_WRITE(eics);
M82599_READ(eims);
M82599_WRITE(eims);
M82599_WRITE(eimc);
M82599_WRITE(eiac);
M82599_WRITE(eiam);
M82599_WRITE(eics_ex);
M82599_READ(eims_ex);
M82599_WRITE(eims_ex);
M82599_WRITE(eimc_ex);
M82599_WRITE(eiam_ex);
M82599_WRITE(eitr);
M82599_WRITE(gpie);
M82599_WRITE(ivar);
M82599_WRITE(ivar_misc);

M82599_WRITE(rxdctl);
M82599_WRITE(txdctl);
M82599_WRITE(rscctl);
M82599_WRITE(tdwbal);

M82599_WRITE(fctrl);
M82599_WRITE(vlnctrl);
M82599_WRITE(mcstctrl);
M82599_WRITE(mta);
M82599_WRITE(ra);
M82599_WRITE(mrqc);
M82599_WRITE(rssrk);
M82599_WRITE(reta);
M82599_WRITE(rxpbsize);
M82599_WRITE(rxctrl);
M82599_WRITE(rdrxctl);
M82599_WRITE(hlreg0);
M82599_WRITE(maxfrs);
M82599_WRITE(secrxctrl);
M82599_READ(secrxstat);
M82599_WRITE(sectxctrl);
M82599_READ(sectxstat);
M82599_WRITE(dmatxctl);
M82599_WRITE(arbitrated);

M82599_READ(stat);
M82599_READ(stat_high);
M82599_READ(queue_stat);
M82599_WRITE(stat_map);

#endif
