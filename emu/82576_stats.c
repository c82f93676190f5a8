/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82576's statistics (8.19) over what the engine counts: each is cleared as it is read, and stays at
 * its greatest value when that is reached. Of those in two halves, 64 bits, the lower is read first; the
 * upper one clears both. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "82576.h"

#define COUNT(member) offsetof(struct emu_counts, member)

static const struct stat {
	uint32_t offset;
	uint16_t at;   /* in struct emu_counts */
	uint16_t wide; /* its upper half is the next register */
} stats[] = {
	{0x04000, COUNT(rx_crc_errors), 0}, {0x04010, COUNT(rx_missed), 0},
	{0x040A4, COUNT(rx_undersize), 0},  {0x040AC, COUNT(rx_oversize), 0},
	{0x0405C, COUNT(rx_size[0]), 0},    {0x04060, COUNT(rx_size[1]), 0},
	{0x04064, COUNT(rx_size[2]), 0},    {0x04068, COUNT(rx_size[3]), 0},
	{0x0406C, COUNT(rx_size[4]), 0},    {0x04070, COUNT(rx_size[5]), 0},
	{0x04074, COUNT(rx_packets), 0},    {0x04078, COUNT(rx_broadcast), 0},
	{0x0407C, COUNT(rx_multicast), 0},  {0x04080, COUNT(tx_packets), 0},
	{0x04088, COUNT(rx_bytes), 1},	    {0x04090, COUNT(tx_bytes), 1},
	{0x040C0, COUNT(rx_bytes), 1},	    {0x040C8, COUNT(tx_bytes), 1},
	{0x040D0, COUNT(rx_packets), 0},    {0x040D4, COUNT(tx_packets), 0},
	{0x040D8, COUNT(tx_size[0]), 0},    {0x040DC, COUNT(tx_size[1]), 0},
	{0x040E0, COUNT(tx_size[2]), 0},    {0x040E4, COUNT(tx_size[3]), 0},
	{0x040E8, COUNT(tx_size[4]), 0},    {0x040EC, COUNT(tx_size[5]), 0},
	{0x040F0, COUNT(tx_multicast), 0},  {0x040F4, COUNT(tx_broadcast), 0},
};

#define N_STATS (sizeof(stats) / sizeof(stats[0]))
static_assert(N_STATS <= M82576_STATS, "each has its state");

static uint64_t counted(const struct emu_nic *nic, const struct stat *stat)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)&nic->counts + stat->at, sizeof(value));
	return value;
}

void m82576_stats_reset(struct emu_nic *nic)
{
	struct m82576 *m = m82576_of(nic);

	for (unsigned i = 0; i < N_STATS; i++)
		m->stats[i].seen = m->stats[i].latched = counted(nic, &stats[i]);
	for (unsigned q = 0; q < QUEUES; q++)
		m->dropped_seen[q] = nic->counts.queue[q].rx_dropped;
}

static const struct stat *stat_at(uint32_t offset)
{
	const struct stat *stat = stats;

	while (stat->offset != offset)
		stat++;
	return stat;
}

static uint32_t to_32(uint64_t value)
{
	return (uint32_t)(value > UINT32_MAX ? UINT32_MAX : value);
}

M82576_READ(stat)
{
	const struct stat *stat = stat_at(reg->offset + index * reg->step);
	struct m82576_stat *state = &m82576_of(nic)->stats[stat - stats];
	uint64_t value;

	state->latched = counted(nic, stat);
	value = state->latched - state->seen;
	if (stat->wide)
		return (uint32_t)value;
	state->seen = state->latched;
	return to_32(value);
}

/* What the counter was when its lower half was read. */
M82576_READ(stat_high)
{
	const struct stat *stat = stat_at(reg->offset - 4);
	struct m82576_stat *state = &m82576_of(nic)->stats[stat - stats];
	uint64_t value = state->latched - state->seen;

	(void)index;
	state->seen = state->latched;
	return (uint32_t)(value >> 32);
}

/* RQDPC: packets of a queue that found no descriptor, and were dropped (SRRCTL.Drop_En). */
M82576_READ(dropped)
{
	uint64_t *seen = &m82576_of(nic)->dropped_seen[index];
	uint64_t now = nic->counts.queue[index].rx_dropped, value = now - *seen;

	(void)reg;
	*seen = now;
	return to_32(value);
}
