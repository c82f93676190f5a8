/* SPDX-License-Identifier: BSD-2-Clause */
/* Advanced descriptors, as the 82599 and its kin (82576, X540, ...) have them: 16 bytes, little endian,
 * which the processor writes in one form and the device, done with them, in another. */
#ifndef PEERLANE_NIC_DESCRIPTOR_H
#define PEERLANE_NIC_DESCRIPTOR_H

#include <stddef.h>
#include <stdint.h>

#define NIC_DESC_BYTES 16u

/* Receive: 82599 datasheet 7.1.6; 82576 datasheet 7.1.5. */
union nic_rx_desc {
	struct {
		uint64_t packet; /* address of the buffer */
		uint64_t
			header; /* of one for headers, which we never split; its bit 0 becomes DD */
	} read;
	struct {
		uint16_t type;
		uint16_t header_info;
		uint32_t rss_hash;
		uint32_t status; /* NIC_RX_...; errors in the upper 12 bits */
		uint16_t length; /* bytes in this buffer */
		uint16_t vlan;
	} done;
};

#define NIC_RX_DD (1u << 0)  /* descriptor done */
#define NIC_RX_EOP (1u << 1) /* the frame ends in this buffer */
/* The MAC saw it damaged: CRC, length, symbols. In each family a bit of its own: what it is in the 82599
 * and its kin says in the 82576 and its kin that a TCP or UDP checksum is wrong. */
#define NIC_RX_RXE_82599 (1u << 29)
#define NIC_RX_RXE_82576 (1u << 31)

/* Transmit, data: 82599 datasheet 7.2.3.2.4; 82576 datasheet 7.2.2.3. */
union nic_tx_desc {
	struct {
		uint64_t packet; /* address of the buffer */
		uint32_t command;
		uint32_t payload; /* frame bytes from bit 14 on */
	} read;
	struct {
		uint64_t reserved;
		uint32_t next;
		uint32_t status; /* NIC_TX_DD */
	} done;
};

#define NIC_TX_DTYP_DATA (3u << 20) /* advanced, data */
#define NIC_TX_EOP (1u << 24)	    /* the frame ends with this descriptor */
#define NIC_TX_IFCS (1u << 25)	    /* append the FCS */
#define NIC_TX_RS (1u << 27)	    /* report when done: write DD */
#define NIC_TX_DEXT (1u << 29)	    /* advanced */
#define NIC_TX_PAYLEN_SHIFT 14
#define NIC_TX_DD (1u << 0)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "descriptors are little endian");
_Static_assert(sizeof(union nic_rx_desc) == NIC_DESC_BYTES, "82599 7.1.6.1");
_Static_assert(offsetof(union nic_rx_desc, read.header) == 8, "82599 7.1.6.1");
_Static_assert(offsetof(union nic_rx_desc, done.rss_hash) == 4, "82599 7.1.6.2");
_Static_assert(offsetof(union nic_rx_desc, done.status) == 8, "82599 7.1.6.2");
_Static_assert(offsetof(union nic_rx_desc, done.length) == 12, "82599 7.1.6.2");
_Static_assert(offsetof(union nic_rx_desc, done.vlan) == 14, "82599 7.1.6.2");
_Static_assert(sizeof(union nic_tx_desc) == NIC_DESC_BYTES, "82599 7.2.3.2.4");
_Static_assert(offsetof(union nic_tx_desc, read.command) == 8, "82599 7.2.3.2.4");
_Static_assert(offsetof(union nic_tx_desc, read.payload) == 12, "82599 7.2.3.2.4");
_Static_assert(offsetof(union nic_tx_desc, done.status) == 12, "82599 7.2.3.2.4");

#endif
