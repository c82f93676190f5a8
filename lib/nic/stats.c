/* SPDX-License-Identifier: BSD-2-Clause */
/* What devices count, in registers that are cleared as they are read and stick at their end:
 * added up in 64 bits. The control thread alone reads them; planes see the sums. */
#include "private.h"

/* What the device has counted since the last time. */
struct since {
	uint64_t counters[PL_NIC_COUNTERS_MAX];
	uint64_t dropped[PL_NIC_QUEUES_MAX];
	uint64_t missed;
};

static uint64_t read_dropped(struct pl_nic *nic, struct since *since)
{
	uint64_t sum = 0;

	for (unsigned q = 0; q < nic->config.n_queues; q++) {
		since->dropped[q] = nic->driver->dropped(nic, q);
		sum += since->dropped[q];
	}
	return sum;
}

/* Of two halves the lower comes first: reading the upper one clears both. */
static uint64_t read_register(struct pl_nic *nic, const struct nic_counter_register *counter)
{
	uint64_t value = nic_read(nic, counter->offset);

	if (counter->offset_high)
		value |= (uint64_t)(nic_read(nic, counter->offset_high) & counter->high_mask) << 32;
	return value;
}

static void read_all(struct pl_nic *nic, struct since *since)
{
	const struct nic_driver *driver = nic->driver;

	since->missed = 0;
	for (unsigned i = 0; i < driver->n_counters; i++) {
		const struct nic_counter_register *counter = &driver->counter_registers[i];

		since->counters[i] = counter->offset == NIC_COUNTER_DROPPED
					     ? read_dropped(nic, since)
					     : read_register(nic, counter);
		if (counter->offset == driver->missed)
			since->missed = since->counters[i];
	}
}

void nic_count(struct pl_nic *nic)
{
	struct since since;

	read_all(nic, &since);
	if (nic_is_gone(nic)) /* all ones, or some of them, are no counts */
		return;
	for (unsigned i = 0; i < nic->driver->n_counters; i++)
		nic->counters[i] += since.counters[i];
	for (unsigned q = 0; q < nic->config.n_queues; q++)
		pl_stat_add(&nic->lost[q], since.dropped[q]);
	pl_stat_add(&nic->lost[0], since.missed);
}

void nic_forget_counts(struct pl_nic *nic)
{
	struct since since;

	read_all(nic, &since);
}
