/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82576's interrupt registers (7.3, 8.8) over cause.c, whose causes are the bits of EICR, one for each
 * vector. All that is not a queue's has ICR and IMS to itself, and one vector: what is newly let through
 * there becomes that vector's cause. Nothing but MSI-X is emulated. */
#include <string.h>

#include "82576.h"

void m82576_cause_reset(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);

	emu_causes_reset(&m->causes);
	m->icr = m->ims = 0;
	m->other_vector = -1;
	memset(m->rx_vector, M82576_NONE, sizeof(m->rx_vector));
	memset(m->tx_vector, M82576_NONE, sizeof(m->tx_vector));
}

void m82576_queue_event(struct emu_nic *nic, unsigned queue, bool tx)
{
	struct m82576 *m = m82576_of(nic);
	unsigned vector = tx ? m->tx_vector[queue] : m->rx_vector[queue];

	if (vector != M82576_NONE)
		emu_causes_set(nic, &m->causes, (uint64_t)1 << vector, 0);
}

/* ---- ICR and IMS ---- */

static void let_through(struct emu_nic *nic, uint32_t icr, uint32_t ims)
{
	struct m82576 *m = m82576_of(nic);
	bool more = icr & ims & ~(m->icr & m->ims);

	m->icr = icr;
	m->ims = ims;
	if (more && m->other_vector >= 0)
		emu_causes_set(nic, &m->causes, (uint64_t)1 << m->other_vector, 0);
}

void m82576_cause(struct emu_nic *nic, uint32_t causes)
{
	let_through(nic, m82576_of(nic)->icr | causes, m82576_of(nic)->ims);
}

/* A read clears, if GPIE.NSICR is set or nothing is let through. */
M82576_READ(icr)
{
	struct m82576 *m = m82576_of(nic);
	uint32_t value = m->icr;

	(void)reg, (void)index;
	if (emu_bar_load(nic, R_GPIE) & GPIE_NSICR || !m->ims)
		m->icr = 0;
	return value;
}

M82576_WRITE(icr)
{
	(void)reg, (void)index;
	m82576_of(nic)->icr &= ~value;
}

M82576_WRITE(ics)
{
	(void)reg, (void)index;
	m82576_cause(nic, value);
}

M82576_READ(ims)
{
	(void)reg, (void)index;
	return m82576_of(nic)->ims;
}

M82576_WRITE(ims)
{
	(void)reg, (void)index;
	let_through(nic, m82576_of(nic)->icr, m82576_of(nic)->ims | value);
}

M82576_WRITE(imc)
{
	(void)reg, (void)index;
	m82576_of(nic)->ims &= ~value;
}

/* ---- EICR and EIMS ---- */

/* 8.8.5: not to be read while causes are cleared by themselves. */
M82576_READ(eicr)
{
	struct m82576 *m = m82576_of(nic);
	uint32_t value = (uint32_t)m->causes.queue;

	(void)reg, (void)index;
	if (m->causes.auto_clear)
		emu_report(nic, "EICR read while EIAC is in use");
	emu_causes_clear(&m->causes, EICR_ALL, 0);
	if (!m->causes.auto_mask_on)
		emu_causes_disable(&m->causes, m->causes.auto_mask, 0);
	return value;
}

M82576_WRITE(eicr)
{
	(void)reg, (void)index;
	emu_causes_clear(&m82576_of(nic)->causes, value & EICR_ALL, 0);
}

M82576_WRITE(eics)
{
	(void)reg, (void)index;
	emu_causes_set(nic, &m82576_of(nic)->causes, value & EICR_ALL, 0);
}

M82576_READ(eims)
{
	(void)reg, (void)index;
	return (uint32_t)m82576_of(nic)->causes.queue_mask;
}

M82576_WRITE(eims)
{
	(void)reg, (void)index;
	if (value && !(emu_bar_load(nic, R_GPIE) & GPIE_MSIX))
		emu_report(nic,
			   "EIMS written without GPIE.Multiple_MSIX: nothing else is emulated");
	emu_causes_enable(nic, &m82576_of(nic)->causes, value & EICR_ALL, 0);
}

M82576_WRITE(eimc)
{
	(void)reg, (void)index;
	emu_causes_disable(&m82576_of(nic)->causes, value & EICR_ALL, 0);
}

/* ---- what goes with a message ---- */

M82576_WRITE(eiac)
{
	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m82576_of(nic)->causes.auto_clear = value & EICR_ALL;
}

M82576_WRITE(eiam)
{
	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m82576_of(nic)->causes.auto_mask = value & EICR_ALL;
}

/* The interval in microseconds; the counter is set, too, unless CNT_INGR says not to. */
M82576_WRITE(eitr)
{
	struct m82576 *m = m82576_of(nic);

	emu_bar_store(nic, reg->offset + index * reg->step, value & ~EITR_KEEP_COUNTER);
	m->causes.interval_ns[index] = (uint64_t)EITR_INTERVAL_US(value) * 1000;
	if (!(value & EITR_KEEP_COUNTER))
		m->causes.quiet_until_ns[index] =
			m->now_ns + (uint64_t)EITR_COUNTER_US(value) * 1000;
	emu_causes_tick(nic, &m->causes, m->now_ns);
}

M82576_WRITE(gpie)
{
	struct m82576 *m = m82576_of(nic);

	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m->causes.auto_mask_on = value & GPIE_EIAME;
}

/* ---- which vector: 7.3.1.2, 8.8.13 ---- */

static uint8_t vector_of(struct emu_nic *nic, uint32_t byte)
{
	if (!(byte & IVAR_VALID))
		return M82576_NONE;
	if ((byte & 0x1F) >= nic->model->n_vectors) {
		emu_report(nic, "IVAR names vector %u, which there is not", byte & 0x1F);
		return M82576_NONE;
	}
	return byte & 0x1F;
}

/* Queues n and n + 8, receive and transmit each. */
M82576_WRITE(ivar)
{
	struct m82576 *m = m82576_of(nic);

	emu_bar_store(nic, reg->offset + index * reg->step, value);
	m->rx_vector[index] = vector_of(nic, value);
	m->tx_vector[index] = vector_of(nic, value >> 8);
	m->rx_vector[index + 8] = vector_of(nic, value >> 16);
	m->tx_vector[index + 8] = vector_of(nic, value >> 24);
}

/* The TCP timer's, which never expires here, and all other causes'. */
M82576_WRITE(ivar_misc)
{
	uint8_t vector = vector_of(nic, value >> 8);

	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m82576_of(nic)->other_vector = vector == M82576_NONE ? -1 : vector;
}
