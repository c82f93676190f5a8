/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters (8.2.3.23). All are cleared by being read, and those of 36 bits when their upper half is. */
#include "ixgbe.h"

#define HIGH 0xfu

/* clang-format off */
const struct nic_counter_register ixgbe_counters[IXGBE_COUNTERS] = {
	{"rx_packets", "good packets received", 0x04074, 0},
	{"rx_bytes", "bytes of good packets received, with FCS", 0x04088, 0x0408c, HIGH},
	{"rx_all_packets", "packets received, good or not, for us or not", 0x040d0, 0},
	{"rx_all_bytes", "bytes of packets received, good or not, for us or not", 0x040c0, 0x040c4, HIGH},
	{"rx_broadcast_packets", "good broadcasts received", 0x04078, 0},
	{"rx_multicast_packets", "good multicasts received, broadcasts aside", 0x0407c, 0},
	{"rx_missed_packets", "lost: no room in the packet buffer", IXGBE_RXMPC, 0},
	{"rx_no_descriptor", "lost: no descriptor in the ring", NIC_COUNTER_DROPPED, 0},
	{"rx_crc_errors", "received with a wrong FCS", 0x04000, 0},
	{"rx_illegal_bytes", "received with illegal symbols", 0x04004, 0},
	{"rx_error_bytes", "bytes received with errors", 0x04008, 0},
	{"rx_length_errors", "received with a wrong length field", 0x04040, 0},
	{"rx_undersize", "shorter than 64 bytes, FCS right", 0x040a4, 0},
	{"rx_fragments", "shorter than 64 bytes, FCS wrong", 0x040a8, 0},
	{"rx_oversize", "longer than allowed, FCS right", 0x040ac, 0},
	{"rx_jabber", "longer than allowed, FCS wrong", 0x040b0, 0},
	{"rx_local_faults", "faults of the link seen here", 0x04034, 0},
	{"rx_remote_faults", "faults of the link seen at its other end", 0x04038, 0},
	{"rx_size_64", "received, 64 bytes with FCS", 0x0405c, 0},
	{"rx_size_65_127", "received, 65 to 127 bytes", 0x04060, 0},
	{"rx_size_128_255", "received, 128 to 255 bytes", 0x04064, 0},
	{"rx_size_256_511", "received, 256 to 511 bytes", 0x04068, 0},
	{"rx_size_512_1023", "received, 512 to 1023 bytes", 0x0406c, 0},
	{"rx_size_1024_max", "received, 1024 bytes and more", 0x04070, 0},
	{"rx_pause_on", "pause frames received: go on", 0x041a4, 0},
	{"rx_pause_off", "pause frames received: stop", 0x041a8, 0},
	{"tx_packets", "good packets transmitted", 0x04080, 0},
	{"tx_bytes", "bytes of good packets transmitted, with FCS", 0x04090, 0x04094, HIGH},
	{"tx_broadcast_packets", "broadcasts transmitted", 0x040f4, 0},
	{"tx_multicast_packets", "multicasts transmitted, broadcasts aside", 0x040f0, 0},
	{"tx_size_64", "transmitted, 64 bytes with FCS", 0x040d8, 0},
	{"tx_size_65_127", "transmitted, 65 to 127 bytes", 0x040dc, 0},
	{"tx_size_128_255", "transmitted, 128 to 255 bytes", 0x040e0, 0},
	{"tx_size_256_511", "transmitted, 256 to 511 bytes", 0x040e4, 0},
	{"tx_size_512_1023", "transmitted, 512 to 1023 bytes", 0x040e8, 0},
	{"tx_size_1024_max", "transmitted, 1024 bytes and more", 0x040ec, 0},
	{"tx_pause_on", "pause frames transmitted: go on", 0x03f60, 0},
	{"tx_pause_off", "pause frames transmitted: stop", 0x03f68, 0},
};
/* clang-format on */

_Static_assert(IXGBE_COUNTERS <= PL_NIC_COUNTERS_MAX, "callers have room for them");

uint32_t ixgbe_dropped(struct pl_nic *nic, unsigned queue)
{
	return nic_read(nic, IXGBE_QPRDC(queue));
}
