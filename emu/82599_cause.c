/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82599's interrupt registers (8.2.3.5) over cause.c: queues' causes are MSI-X vectors, 64 of them,
 * of which the first 16 are EICR's low bits and all are those of the extended registers. */
#include <string.h>

#include "82599.h"

void m82599_cause_reset(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	emu_causes_reset(&m->causes);
	m->causes.single = true; /* GPIE.Multiple_MSIX is 0 */
	memset(m->rx_vector, M82599_NONE, sizeof(m->rx_vector));
	memset(m->tx_vector, M82599_NONE, sizeof(m->tx_vector));
}

void m82599_queue_event(struct emu_nic *nic, unsigned queue, bool tx)
{
	struct m82599 *m = m82599_of(nic);
	unsigned vector = tx ? m->tx_vector[queue] : m->rx_vector[queue];

	if (vector != M82599_NONE)
		emu_causes_set(nic, &m->causes, (uint64_t)1 << vector, 0);
}

/* ---- causes ---- */

M82599_READ(eicr)
{
	struct m82599 *m = m82599_of(nic);
	uint32_t gpie = emu_bar_load(nic, R_GPIE);
	uint32_t value = ((uint32_t)m->causes.queue & EICR_QUEUES) | m->causes.other;

	(void)reg, (void)index;
	/* 8.2.3.5.18: with OCD a read clears the other causes alone. */
	if (gpie & GPIE_OCD)
		emu_causes_clear(&m->causes, 0, EICR_OCD);
	else
		emu_causes_clear(&m->causes, EICR_QUEUES, EICR_OTHER);
	if (!(gpie & GPIE_EIAME)) /* 8.2.3.5.6: then reads mask, not messages */
		emu_causes_disable(&m->causes, m->causes.auto_mask, m->causes.other_auto_mask);
	return value;
}

M82599_WRITE(eicr)
{
	(void)reg, (void)index;
	emu_causes_clear(&m82599_of(nic)->causes, value & EICR_QUEUES, value & EICR_OTHER);
}

M82599_WRITE(eics)
{
	(void)reg, (void)index;
	emu_causes_set(nic, &m82599_of(nic)->causes, value & EICR_QUEUES, value & EICR_OTHER);
}

M82599_WRITE(eics_ex)
{
	(void)reg;
	emu_causes_set(nic, &m82599_of(nic)->causes, (uint64_t)value << 32 * index, 0);
}

/* ---- masks ---- */

M82599_READ(eims)
{
	const struct emu_causes *causes = &m82599_of(nic)->causes;

	(void)reg, (void)index;
	return ((uint32_t)causes->queue_mask & EICR_QUEUES) | causes->other_mask;
}

static void enable(struct emu_nic *nic, uint64_t queue, uint32_t other)
{
	uint32_t gpie = emu_bar_load(nic, R_GPIE);

	if ((queue || other) && gpie & GPIE_MSIX && !(gpie & GPIE_PBA))
		emu_report(nic, "interrupts enabled in MSI-X mode without GPIE.PBA_support");
	emu_causes_enable(nic, &m82599_of(nic)->causes, queue, other);
}

M82599_WRITE(eims)
{
	(void)reg, (void)index;
	enable(nic, value & EICR_QUEUES, value & EICR_OTHER);
}

M82599_WRITE(eimc)
{
	(void)reg, (void)index;
	emu_causes_disable(&m82599_of(nic)->causes, value & EICR_QUEUES, value & EICR_OTHER);
}

M82599_READ(eims_ex)
{
	(void)reg;
	return (uint32_t)(m82599_of(nic)->causes.queue_mask >> 32 * index);
}

M82599_WRITE(eims_ex)
{
	(void)reg;
	enable(nic, (uint64_t)value << 32 * index, 0);
}

M82599_WRITE(eimc_ex)
{
	(void)reg;
	emu_causes_disable(&m82599_of(nic)->causes, (uint64_t)value << 32 * index, 0);
}

/* ---- what goes with a message ---- */

M82599_WRITE(eiac)
{
	struct emu_causes *causes = &m82599_of(nic)->causes;

	(void)index;
	emu_bar_store(nic, reg->offset, value);
	/* 8.2.3.5.5: vectors from 16 on always clear theirs. */
	causes->auto_clear = ~(uint64_t)EICR_QUEUES | (value & EICR_QUEUES);
}

M82599_WRITE(eiam)
{
	struct emu_causes *causes = &m82599_of(nic)->causes;

	(void)index;
	emu_bar_store(nic, reg->offset, value);
	causes->auto_mask = (causes->auto_mask & ~(uint64_t)EICR_QUEUES) | (value & EICR_QUEUES);
	causes->other_auto_mask = value & EICR_OTHER;
	emu_bar_store(nic, R_EIAM_EX, (uint32_t)causes->auto_mask);
}

M82599_WRITE(eiam_ex)
{
	struct emu_causes *causes = &m82599_of(nic)->causes;
	uint64_t half = (uint64_t)0xFFFFFFFF << 32 * index;

	emu_bar_store(nic, reg->offset + index * reg->step, value);
	causes->auto_mask = (causes->auto_mask & ~half) | (uint64_t)value << 32 * index;
	if (index == 0)
		emu_bar_store(nic, R_EIAM, (value & EICR_QUEUES) | causes->other_auto_mask);
}

/* 8.2.3.5.12: the interval in units of 2.048 us; the counter is set too, unless CNT_WDIS says not to. */
M82599_WRITE(eitr)
{
	struct m82599 *m = m82599_of(nic);
	unsigned vector = reg->first + index;

	emu_bar_store(nic, reg->offset + index * reg->step, EITR_INTERVAL(value) << 3);
	if (vector >= EMU_VECTORS_MAX)
		return;
	m->causes.interval_ns[vector] = (uint64_t)EITR_INTERVAL(value) * EITR_UNIT_NS;
	if (!(value & EITR_CNT_WDIS))
		m->causes.quiet_until_ns[vector] =
			m->now_ns + (uint64_t)EITR_COUNTER(value) * 4 * EITR_UNIT_NS;
	emu_causes_tick(nic, &m->causes, m->now_ns);
}

M82599_WRITE(gpie)
{
	struct m82599 *m = m82599_of(nic);

	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m->causes.single = !(value & GPIE_MSIX);
	m->causes.auto_mask_on = value & GPIE_EIAME;
	emu_causes_tick(nic, &m->causes, m->now_ns);
}

/* ---- which vector ---- */

static uint8_t vector_of(uint32_t byte)
{
	return byte & IVAR_VALID ? byte & 0x3F : M82599_NONE;
}

/* 8.2.3.5.16: queues 2n and 2n + 1, receive and transmit each. */
M82599_WRITE(ivar)
{
	struct m82599 *m = m82599_of(nic);

	emu_bar_store(nic, reg->offset + index * reg->step, value);
	m->rx_vector[2 * index] = vector_of(value);
	m->tx_vector[2 * index] = vector_of(value >> 8);
	m->rx_vector[2 * index + 1] = vector_of(value >> 16);
	m->tx_vector[2 * index + 1] = vector_of(value >> 24);
}

/* 8.2.3.5.17: the TCP timer's, which never expires here, and all other causes'. */
M82599_WRITE(ivar_misc)
{
	struct m82599 *m = m82599_of(nic);
	uint8_t vector = vector_of(value >> 8);

	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m->causes.other_vector = vector == M82599_NONE ? -1 : vector;
	emu_causes_tick(nic, &m->causes, m->now_ns);
}
