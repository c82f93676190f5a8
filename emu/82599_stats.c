/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82599's statistics (8.2.3.23) over what the engine counts: each is cleared as it is read, and
 * stays at its greatest value when that is reached. Of those in two halves the lower is read first; that
 * reads and clears the counter, and the upper half is what it was then. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "82599.h"

#define MAX_32 0xFFFFFFFFull
#define MAX_36 0xFFFFFFFFFull

#define COUNT(member) offsetof(struct emu_counts, member)

static const struct stat {
	uint32_t offset;
	uint16_t at;   /* in struct emu_counts */
	uint16_t wide; /* its upper half is the next register */
} stats[] = {
	{R_CRCERRS, COUNT(rx_crc_errors), 0}, {R_RXMPC, COUNT(rx_missed), 0},
	{R_RUC, COUNT(rx_undersize), 0},      {R_ROC, COUNT(rx_oversize), 0},
	{R_PRC64, COUNT(rx_size[0]), 0},      {R_PRC64 + 4, COUNT(rx_size[1]), 0},
	{R_PRC64 + 8, COUNT(rx_size[2]), 0},  {R_PRC64 + 12, COUNT(rx_size[3]), 0},
	{R_PRC64 + 16, COUNT(rx_size[4]), 0}, {R_PRC64 + 20, COUNT(rx_size[5]), 0},
	{R_GPRC, COUNT(rx_packets), 0},	      {R_BPRC, COUNT(rx_broadcast), 0},
	{R_MPRC, COUNT(rx_multicast), 0},     {R_GPTC, COUNT(tx_packets), 0},
	{R_GORCL, COUNT(rx_bytes), 1},	      {R_GOTCL, COUNT(tx_bytes), 1},
	{R_TORL, COUNT(rx_bytes), 1},	      {R_TPR, COUNT(rx_packets), 0},
	{R_TPT, COUNT(tx_packets), 0},	      {R_PTC64, COUNT(tx_size[0]), 0},
	{R_PTC64 + 4, COUNT(tx_size[1]), 0},  {R_PTC64 + 8, COUNT(tx_size[2]), 0},
	{R_PTC64 + 12, COUNT(tx_size[3]), 0}, {R_PTC64 + 16, COUNT(tx_size[4]), 0},
	{R_PTC64 + 20, COUNT(tx_size[5]), 0}, {R_MPTC, COUNT(tx_multicast), 0},
	{R_BPTC, COUNT(tx_broadcast), 0},     {R_RXDGPC, COUNT(rx_packets), 0},
	{R_RXDGBCL, COUNT(rx_bytes), 1},      {R_TXDGPC, COUNT(tx_packets), 0},
	{R_TXDGBCL, COUNT(tx_bytes), 1},
};

#define N_STATS (sizeof(stats) / sizeof(stats[0]))
static_assert(N_STATS <= M82599_STATS, "each has its state");

static uint64_t counted(const struct emu_nic *nic, const struct stat *stat)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)&nic->counts + stat->at, sizeof(value));
	return value;
}

void m82599_stats_reset(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	memset(m->stats, 0, sizeof(m->stats));
	memset(m->queue, 0, sizeof(m->queue));
	for (unsigned i = 0; i < N_STATS; i++)
		m->stats[i].seen = counted(nic, &stats[i]);
	m->queue_seen = nic->counts;
}

static const struct stat *stat_at(uint32_t offset)
{
	for (unsigned i = 0; i < N_STATS; i++)
		if (stats[i].offset == offset)
			return &stats[i];
	return NULL;
}

/* The lower half of a counter in two, whose upper half waits to be read. */
static uint32_t read_low(struct m82599_stat *half, uint64_t value)
{
	if (value > MAX_36)
		value = MAX_36;
	half->high = (uint32_t)(value >> 32);
	half->has_high = true;
	return (uint32_t)value;
}

static uint32_t read_high(struct emu_nic *nic, struct m82599_stat *half, const char *name)
{
	uint32_t high = half->high;

	if (!half->has_high)
		emu_report(nic, "%s read before its lower half", name);
	half->high = 0;
	half->has_high = false;
	return high;
}

M82599_READ(stat)
{
	const struct stat *stat = stat_at(reg->offset + index * reg->step);
	struct m82599_stat *state;
	uint64_t now, value;

	if (!stat)
		return 0; /* of an array of which the emulated device uses the first alone */
	state = &m82599_of(nic)->stats[stat - stats];
	now = counted(nic, stat);
	value = now - state->seen;
	state->seen = now;
	if (stat->wide)
		return read_low(state, value);
	return (uint32_t)(value > MAX_32 ? MAX_32 : value);
}

M82599_READ(stat_high)
{
	const struct stat *stat = stat_at(reg->offset - 4);

	(void)index;
	return read_high(nic, &m82599_of(nic)->stats[stat - stats], reg->name);
}

/* ---- by queue ---- */

static struct m82599_queue_counter *counter_of(struct emu_nic *nic, uint32_t map, unsigned queue)
{
	uint32_t word = emu_bar_load(nic, map + queue / 4 * 4);

	return &m82599_of(nic)->queue[word >> queue % 4 * 8 & 0xF];
}

/* Brings what has been counted since the last time to where the maps of queues now say. */
static void gather(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);

	for (unsigned q = 0; q < EMU_QUEUES_MAX; q++) {
		struct m82599_queue_counter *rx = counter_of(nic, R_RQSMR, q);
		struct m82599_queue_counter *tx = counter_of(nic, R_TQSM, q);

		rx->rx_packets +=
			nic->counts.queue[q].rx_packets - m->queue_seen.queue[q].rx_packets;
		rx->rx_bytes += nic->counts.queue[q].rx_bytes - m->queue_seen.queue[q].rx_bytes;
		rx->rx_dropped +=
			nic->counts.queue[q].rx_dropped - m->queue_seen.queue[q].rx_dropped;
		tx->tx_packets +=
			nic->counts.queue[q].tx_packets - m->queue_seen.queue[q].tx_packets;
		tx->tx_bytes += nic->counts.queue[q].tx_bytes - m->queue_seen.queue[q].tx_bytes;
		m->queue_seen.queue[q] = nic->counts.queue[q];
	}
}

static uint64_t take(uint64_t *count)
{
	uint64_t value = *count;

	*count = 0;
	return value;
}

static uint32_t take_32(uint64_t *count)
{
	uint64_t value = take(count);

	return (uint32_t)(value > MAX_32 ? MAX_32 : value);
}

M82599_READ(queue_stat)
{
	struct m82599_queue_counter *counter = &m82599_of(nic)->queue[index];

	gather(nic);
	switch (reg->offset) {
	case R_QPRC:
		return take_32(&counter->rx_packets);
	case R_QPRDC:
		return take_32(&counter->rx_dropped);
	case R_QPTC:
		return take_32(&counter->tx_packets);
	case R_QBRCL:
		return read_low(&counter->rx_half, take(&counter->rx_bytes));
	case R_QBRCH:
		return read_high(nic, &counter->rx_half, reg->name);
	case R_QBTCL:
		return read_low(&counter->tx_half, take(&counter->tx_bytes));
	default:
		return read_high(nic, &counter->tx_half, reg->name);
	}
}

M82599_WRITE(stat_map)
{
	gather(nic);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}
