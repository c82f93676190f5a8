/* SPDX-License-Identifier: BSD-2-Clause */
/* What the 82576, i350 and i210 count: 8.19. */
#include "igb.h"

/* clang-format off */
/* Reading clears; of pairs, the lower half is to be read first, and the upper one clears both. */
const struct nic_counter_register igb_counters[IGB_COUNTERS] = {
	{"rx_packets", "good frames received", 0x4074, 0},
	{"rx_bytes", "bytes of good frames received, with FCS", 0x4088, 0x408c},
	{"rx_broadcast", "broadcasts received", 0x4078, 0},
	{"rx_multicast", "multicasts received", 0x407c, 0},
	{"rx_total_packets", "frames received, damaged and unwanted ones, too", 0x40d0, 0},
	{"rx_64", "frames received of 64 bytes", 0x405c, 0},
	{"rx_65_127", "frames received of 65 to 127 bytes", 0x4060, 0},
	{"rx_128_255", "frames received of 128 to 255 bytes", 0x4064, 0},
	{"rx_256_511", "frames received of 256 to 511 bytes", 0x4068, 0},
	{"rx_512_1023", "frames received of 512 to 1023 bytes", 0x406c, 0},
	{"rx_1024_max", "frames received of 1024 bytes and more", 0x4070, 0},
	{"rx_missed", "frames lost: the FIFO was full", 0x4010, 0},
	{"rx_no_buffers", "frames that found no descriptor, and waited in the FIFO", 0x40a0, 0},
	{"rx_crc_errors", "frames with a wrong checksum", 0x4000, 0},
	{"rx_alignment_errors", "frames that did not end on a byte", 0x4004, 0},
	{"rx_errors", "symbols received wrong", 0x400c, 0},
	{"rx_length_errors", "frames of another length than they say", 0x4040, 0},
	{"rx_undersize", "frames too short", 0x40a4, 0},
	{"rx_fragments", "frames too short, with a wrong checksum", 0x40a8, 0},
	{"rx_oversize", "frames too long", 0x40ac, 0},
	{"rx_jabber", "frames too long, with a wrong checksum", 0x40b0, 0},
	{"rx_xon", "requests received to go on", 0x4048, 0},
	{"rx_xoff", "requests received to pause", 0x4050, 0},
	{"tx_packets", "good frames sent", 0x4080, 0},
	{"tx_bytes", "bytes of good frames sent, with FCS", 0x4090, 0x4094},
	{"tx_broadcast", "broadcasts sent", 0x40f4, 0},
	{"tx_multicast", "multicasts sent", 0x40f0, 0},
	{"tx_xon", "requests sent to go on", 0x404c, 0},
	{"tx_xoff", "requests sent to pause", 0x4054, 0},
	{"tx_late_collisions", "late collisions: the other end does not do full duplex", 0x4020, 0},
	{"link_symbol_errors", "symbols received wrong, on fiber", 0x4008, 0},
	{"link_sequence_errors", "losses of synchronisation, on fiber", 0x4038, 0},
	/* A register for each queue, added up. */
	{"rx_dropped", "frames dropped for want of a descriptor", IGB_RQDPC(0), 0},
};
/* clang-format on */

static uint64_t dropped(struct pl_nic *nic)
{
	uint64_t sum = 0;

	for (unsigned q = 0; q < nic->config.n_queues; q++) {
		sum += nic_read(nic, IGB_RQDPC(q));
		/* Not cleared by reading. */
		if (igb_of(nic)->mac == IGB_I210)
			nic_write(nic, IGB_RQDPC(q), 0);
	}
	return sum;
}

static void read_all(struct pl_nic *nic, uint64_t since[IGB_COUNTERS])
{
	for (unsigned i = 0; i < IGB_COUNTERS; i++) {
		const struct nic_counter_register *counter = &igb_counters[i];

		if (counter->offset == IGB_RQDPC(0)) {
			since[i] = dropped(nic);
			continue;
		}
		since[i] = nic_read(nic, counter->offset);
		if (counter->offset_high)
			since[i] |= (uint64_t)nic_read(nic, counter->offset_high) << 32;
	}
}

void igb_forget_counts(struct pl_nic *nic)
{
	uint64_t since[IGB_COUNTERS];

	read_all(nic, since);
}

void igb_count(struct pl_nic *nic)
{
	uint64_t since[IGB_COUNTERS];

	read_all(nic, since);
	if (nic_is_gone(nic)) /* they have read as all ones */
		return;
	for (unsigned i = 0; i < IGB_COUNTERS; i++)
		nic->counters[i] += since[i];
}
