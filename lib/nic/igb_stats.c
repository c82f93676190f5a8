/* SPDX-License-Identifier: BSD-2-Clause */
/* What the 82576, i350 and i210 count: 8.19. */
#include "igb.h"

/* clang-format off */
/* Reading clears them; of pairs the lower half comes first, and reading the upper one clears both. The names
 * are the ixgbe driver's, where the same is counted. */
const struct nic_counter_register igb_counters[IGB_COUNTERS] = {
	{"rx_packets", "good packets received", 0x4074, 0},
	{"rx_bytes", "bytes of good packets received, with FCS", 0x4088, 0x408c, UINT32_MAX},
	{"rx_all_packets", "packets received, good or not, for us or not", 0x40d0, 0},
	{"rx_all_bytes", "bytes of packets received, good or not, for us or not", 0x40c0, 0x40c4, UINT32_MAX},
	{"rx_broadcast_packets", "good broadcasts received", 0x4078, 0},
	{"rx_multicast_packets", "good multicasts received, broadcasts aside", 0x407c, 0},
	{"rx_missed_packets", "lost: no room in the packet buffer", IGB_MPC, 0},
	{"rx_no_descriptor", "lost: no descriptor in the ring", NIC_COUNTER_DROPPED, 0},
	{"rx_late_descriptor", "waited in the packet buffer for a descriptor", 0x40a0, 0},
	{"rx_crc_errors", "received with a wrong FCS", 0x4000, 0},
	{"rx_alignment_errors", "received with an odd number of bits", 0x4004, 0},
	{"rx_phy_errors", "received while the PHY saw an error", 0x400c, 0},
	{"rx_length_errors", "received with a wrong length field", 0x4040, 0},
	{"rx_undersize", "shorter than 64 bytes, FCS right", 0x40a4, 0},
	{"rx_fragments", "shorter than 64 bytes, FCS wrong", 0x40a8, 0},
	{"rx_oversize", "longer than allowed, FCS right", 0x40ac, 0},
	{"rx_jabber", "longer than allowed, FCS wrong", 0x40b0, 0},
	{"rx_size_64", "received, 64 bytes with FCS", 0x405c, 0},
	{"rx_size_65_127", "received, 65 to 127 bytes", 0x4060, 0},
	{"rx_size_128_255", "received, 128 to 255 bytes", 0x4064, 0},
	{"rx_size_256_511", "received, 256 to 511 bytes", 0x4068, 0},
	{"rx_size_512_1023", "received, 512 to 1023 bytes", 0x406c, 0},
	{"rx_size_1024_max", "received, 1024 bytes and more", 0x4070, 0},
	{"rx_pause_on", "pause frames received: go on", 0x4048, 0},
	{"rx_pause_off", "pause frames received: stop", 0x4050, 0},
	{"tx_packets", "good packets transmitted", 0x4080, 0},
	{"tx_bytes", "bytes of good packets transmitted, with FCS", 0x4090, 0x4094, UINT32_MAX},
	{"tx_broadcast_packets", "broadcasts transmitted", 0x40f4, 0},
	{"tx_multicast_packets", "multicasts transmitted, broadcasts aside", 0x40f0, 0},
	{"tx_size_64", "transmitted, 64 bytes with FCS", 0x40d8, 0},
	{"tx_size_65_127", "transmitted, 65 to 127 bytes", 0x40dc, 0},
	{"tx_size_128_255", "transmitted, 128 to 255 bytes", 0x40e0, 0},
	{"tx_size_256_511", "transmitted, 256 to 511 bytes", 0x40e4, 0},
	{"tx_size_512_1023", "transmitted, 512 to 1023 bytes", 0x40e8, 0},
	{"tx_size_1024_max", "transmitted, 1024 bytes and more", 0x40ec, 0},
	{"tx_late_collisions", "the other end does not do full duplex", 0x4020, 0},
	{"tx_pause_on", "pause frames transmitted: go on", 0x404c, 0},
	{"tx_pause_off", "pause frames transmitted: stop", 0x4054, 0},
};
/* clang-format on */

_Static_assert(IGB_COUNTERS <= PL_NIC_COUNTERS_MAX, "callers have room for them");

uint32_t igb_dropped(struct pl_nic *nic, unsigned queue)
{
	uint32_t n = nic_read(nic, IGB_RQDPC(queue));

	/* Not cleared by reading. */
	if (igb_of(nic)->mac == IGB_I210)
		nic_write(nic, IGB_RQDPC(queue), 0);
	return n;
}
