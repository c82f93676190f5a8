/* SPDX-License-Identifier: BSD-2-Clause */
/* Receive, transmit and interrupts of the 82576, i350 and i210. */
#include <errno.h>

#include "igb.h"

#define FCS_BYTES 4u

#define QUEUE_US 20000u
#define DRAIN_US 10000u

/* 7.3.8: a vector that does not mask itself is to be moderated. */
#define OTHER_INTERVAL_US 100u

/* RXDCTL, 8.10.10: descriptors are fetched ahead when 8 are free on the chip and 8 in memory, and each is
 * written back as it is done: the 82576 may else keep up to WTHRESH to itself until its interrupt timer
 * ends. TXDCTL, 8.12.13: likewise, and those that ask for a report get it at once. */
#define RX_THRESHOLDS IGB_XDCTL_THRESHOLDS(8u, 8u, 1u)
#define TX_THRESHOLDS IGB_XDCTL_THRESHOLDS(8u, 1u, 0u)

/* ---- what is received ---- */

static void write_address(struct pl_nic *nic, unsigned n, const uint8_t *mac)
{
	uint32_t low = 0, high = 0;

	if (mac) {
		low = mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24;
		high = mac[4] | mac[5] << 8 | IGB_RAH_AV;
	}
	nic_write(nic, IGB_RAH(n), 0); /* what is half the old and half the new one is nobody's */
	nic_write(nic, IGB_RAL(n), low);
	nic_write(nic, IGB_RAH(n), high);
}

/* RAL, RAH: 8.11. RCTL: 8.10.1. */
void igb_set_mac(struct pl_nic *nic)
{
	write_address(nic, 0, nic->mac);
	if (nic->promiscuous)
		nic_set(nic, IGB_RCTL, IGB_RCTL_UPE);
	else
		nic_unset(nic, IGB_RCTL, IGB_RCTL_UPE);
}

/* RLPML, 8.10: everything counts, VLAN tags and FCS, too. With flow control the sender is asked to stop
 * while two such frames still fit into the FIFO, and to go on 16 bytes below that: 3.5.5, 8.5. */
void igb_set_mtu(struct pl_nic *nic)
{
	uint32_t longest = nic->config.mtu + PL_NIC_FRAME_OVERHEAD + FCS_BYTES;
	uint32_t high = (igb_of(nic)->rx_fifo - 2 * longest) & ~15u;

	nic_write(nic, IGB_RLPML, longest);
	if (!nic->config.flow_control)
		return;
	nic_write(nic, IGB_FCRTL, (high - 16) | IGB_FCRTL_XONE);
	nic_write(nic, IGB_FCRTH, high);
}

/* The tables that a reset leaves as they are: 4.5.9. */
static void clear_filters(struct pl_nic *nic)
{
	for (unsigned i = 1; i < igb_of(nic)->addresses; i++)
		write_address(nic, i, NULL);
	for (unsigned i = 0; i < IGB_MTA_WORDS; i++)
		nic_write(nic, IGB_MTA(i), 0);
	for (unsigned i = 0; i < IGB_UTA_WORDS; i++)
		nic_write(nic, IGB_UTA(i), 0);
}

/* ---- RSS: 7.1.1.7 ---- */

static void start_rss(struct pl_nic *nic)
{
	/* Of IPv6 the types with and without extension headers, which we have switched off (RFCTL). */
	const uint32_t types = IGB_MRQC_IP4 | IGB_MRQC_TCP4 | IGB_MRQC_UDP4 | IGB_MRQC_IP6 |
			       IGB_MRQC_TCP6 | IGB_MRQC_TCP6_EX | IGB_MRQC_UDP6;

	for (unsigned i = 0; i < IGB_RSSRK_WORDS; i++)
		nic_write(nic, IGB_RSSRK(i), NIC_RSS_KEY_WORD);
	/* The queue is in the lowest bits of an entry. */
	for (unsigned i = 0; i < IGB_RETA_WORDS; i++)
		nic_write(nic, IGB_RETA(i), nic_rss_table_word(nic, i));
	nic_write(nic, IGB_MRQC, nic->config.n_queues == 1 ? 0 : IGB_MRQC_RSS | types);
}

/* ---- receive: 4.5.9 ---- */

/* Queue 0 is enabled by a reset; nothing may change while one is. */
static int disable_queue(struct pl_nic *nic, uint32_t dctl, struct pl_error *err)
{
	nic_write(nic, dctl, 0);
	return igb_wait(nic, dctl, IGB_XDCTL_ENABLE, 0, QUEUE_US, err, "did not disable a queue");
}

static int start_rx_queue(struct pl_nic *nic, unsigned q, struct pl_error *err)
{
	uint64_t ring = nic_rx_ring_address(nic, q);
	int rc = disable_queue(nic, IGB_RXDCTL(q), err);
	uint32_t srrctl = IGB_SRRCTL_BSIZEPACKET(nic_rx_buffer_bytes(nic, q)) | IGB_SRRCTL_ADVANCED;

	if (rc)
		return rc;
	nic_write(nic, IGB_RDBAL(q), (uint32_t)ring);
	nic_write(nic, IGB_RDBAH(q), (uint32_t)(ring >> 32));
	nic_write(nic, IGB_RDLEN(q), nic->config.ring_size * 16);
	/* A queue without descriptors must not keep the others' frames in the FIFO; unless the sender is
	 * asked to wait, that is. 8.10.2. */
	if (nic->config.n_queues > 1 && !nic->config.flow_control)
		srrctl |= IGB_SRRCTL_DROP_EN;
	nic_write(nic, IGB_SRRCTL(q), srrctl);
	/* i350 datasheet 8.10: whether the FCS goes is said here and in RCTL, alike. */
	if (igb_of(nic)->mac != IGB_82576)
		nic_set(nic, IGB_DVMOLR(q), IGB_DVMOLR_CRC_STRIP);
	nic_write(nic, IGB_RDH(q), 0);
	nic_write(nic, IGB_RDT(q), 0);
	nic_write(nic, IGB_RXDCTL(q), RX_THRESHOLDS | IGB_XDCTL_ENABLE);
	return 0;
}

int igb_start_receive(struct pl_nic *nic, struct pl_error *err)
{
	int rc = 0;

	clear_filters(nic);
	/* The hash excludes checksums (RXCSUM), which are the packet program's. IPv6 extension headers can
	 * have the 82576 hang, as its specification update says, unless it ignores them (RFCTL). */
	nic_write(nic, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	nic_set(nic, IGB_RFCTL, IGB_RFCTL_IPV6_EX_DIS);
	start_rss(nic);
	igb_set_mtu(nic);
	igb_set_mac(nic);
	for (unsigned q = 0; !rc && q < nic->config.n_queues; q++)
		rc = start_rx_queue(nic, q, err);
	if (rc)
		return rc;
	/* All multicasts: who wants which is the kernel's to know. Long frames, to RLPML. No damaged ones.
	 * Before the queues' acknowledgement, should a device withhold that until reception is on. What comes
	 * before there are buffers is dropped. */
	nic_set(nic, IGB_RCTL,
		IGB_RCTL_RXEN | IGB_RCTL_MPE | IGB_RCTL_LPE | IGB_RCTL_BAM | IGB_RCTL_SECRC);
	for (unsigned q = 0; !rc && q < nic->config.n_queues; q++)
		rc = igb_wait(nic, IGB_RXDCTL(q), IGB_XDCTL_ENABLE, IGB_XDCTL_ENABLE, QUEUE_US, err,
			      "did not enable a receive queue");
	return rc;
}

/* ---- transmit: 4.5.10 ---- */

static int start_tx_queue(struct pl_nic *nic, unsigned q, struct pl_error *err)
{
	uint64_t ring = nic_tx_ring_address(nic, q);
	int rc = disable_queue(nic, IGB_TXDCTL(q), err);

	if (rc)
		return rc;
	nic_write(nic, IGB_TDBAL(q), (uint32_t)ring);
	nic_write(nic, IGB_TDBAH(q), (uint32_t)(ring >> 32));
	nic_write(nic, IGB_TDLEN(q), nic->config.ring_size * 16);
	nic_write(nic, IGB_TDH(q), 0);
	nic_write(nic, IGB_TDT(q), 0);
	nic_write(nic, IGB_TXDCTL(q), TX_THRESHOLDS | IGB_XDCTL_ENABLE);
	return 0;
}

int igb_start_transmit(struct pl_nic *nic, struct pl_error *err)
{
	int rc = 0;

	for (unsigned q = 0; !rc && q < nic->config.n_queues; q++)
		rc = start_tx_queue(nic, q, err);
	if (rc)
		return rc;
	/* Likewise. */
	nic_set(nic, IGB_TCTL, IGB_TCTL_EN | IGB_TCTL_PSP);
	for (unsigned q = 0; !rc && q < nic->config.n_queues; q++)
		rc = igb_wait(nic, IGB_TXDCTL(q), IGB_XDCTL_ENABLE, IGB_XDCTL_ENABLE, QUEUE_US, err,
			      "did not enable a transmit queue");
	return rc;
}

/* 4.5.9.1: a queue's bit reads as cleared when its last access to memory has ended. */
static void stop_receive(struct pl_nic *nic)
{
	for (unsigned q = 0; q < nic->config.n_queues && !nic->gone; q++) {
		nic_unset(nic, IGB_RXDCTL(q), IGB_XDCTL_ENABLE);
		(void)nic_wait(nic, IGB_RXDCTL(q), IGB_XDCTL_ENABLE, 0, QUEUE_US);
	}
	if (!nic->gone)
		nic_unset(nic, IGB_RCTL, IGB_RCTL_RXEN);
}

/* 4.5.10.1: likewise, after what is in the ring has been sent; with the link down it cannot be. */
static void stop_transmit(struct pl_nic *nic)
{
	bool up = igb_of(nic)->link_up;

	for (unsigned q = 0; q < nic->config.n_queues && !nic->gone; q++) {
		if (up)
			(void)nic_wait(nic, IGB_TDH(q), 0xffff, nic_read(nic, IGB_TDT(q)),
				       DRAIN_US);
		nic_unset(nic, IGB_TXDCTL(q), IGB_XDCTL_ENABLE);
		(void)nic_wait(nic, IGB_TXDCTL(q), IGB_XDCTL_ENABLE, 0, QUEUE_US);
	}
	if (!nic->gone)
		nic_unset(nic, IGB_TCTL, IGB_TCTL_EN);
}

void igb_stop_queues(struct pl_nic *nic)
{
	stop_receive(nic);
	stop_transmit(nic);
}

/* Queues 0 to 3 are found here, too. */
uint32_t igb_rx_tail(unsigned queue)
{
	return IGB_RDT(queue);
}

uint32_t igb_tx_tail(unsigned queue)
{
	return IGB_TDT(queue);
}

/* ---- interrupts: 7.3 ---- */

/* 4.5.4. EICR is not to be read while causes are cleared by themselves (8.8.5); ICR is cleared by that. */
void igb_mask_interrupts(struct pl_nic *nic)
{
	nic_write(nic, IGB_EIMC, UINT32_MAX);
	nic_write(nic, IGB_IMC, UINT32_MAX);
	nic_write(nic, IGB_EICR, UINT32_MAX);
	(void)nic_read(nic, IGB_ICR);
}

/* IVAR, 7.3.1.2 and 8.8.13: which vector a receive queue signals. Transmission signals none: buffers come
 * back when the plane looks. The 82576 has queues n and n + 8 in a register, the others 2n and 2n + 1. */
static void map_vectors(struct pl_nic *nic)
{
	uint32_t ivar[IGB_IVARS] = {0};
	bool by_eight = igb_of(nic)->mac == IGB_82576;

	for (unsigned q = 0; q < nic->config.n_queues; q++) {
		unsigned word = by_eight ? q % 8 : q / 2;
		unsigned half = by_eight ? q / 8 : q % 2;

		ivar[word] |= (q | IGB_IVAR_VALID) << 16 * half;
	}
	for (unsigned i = 0; i < IGB_IVARS; i++)
		nic_write(nic, IGB_IVAR(i), ivar[i]);
	nic_write(nic, IGB_IVAR_MISC, (NIC_OTHER_VECTOR(nic) | IGB_IVAR_VALID) << 8);
}

void igb_start_interrupts(struct pl_nic *nic)
{
	uint32_t other = 1u << NIC_OTHER_VECTOR(nic);
	uint32_t queues = other - 1;

	/* GPIE, 7.3.2.11: causes to vectors; a message sent clears its cause (EIAC, 8.8.5) and, for queues,
	 * masks it (EIAM, 8.8.6) until it is armed again. */
	nic_write(nic, IGB_GPIE,
		  IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_EIAME | IGB_GPIE_PBA_SUPPORT | IGB_GPIE_NSICR);
	nic_write(nic, IGB_EIAC, queues | other);
	nic_write(nic, IGB_EIAM, queues);
	map_vectors(nic);
	/* EITR, 8.8: microseconds. */
	for (unsigned q = 0; q < nic->config.n_queues; q++)
		nic_write(nic, IGB_EITR(q), IGB_EITR_US(nic->config.moderation_us));
	nic_write(nic, IGB_EITR(NIC_OTHER_VECTOR(nic)), IGB_EITR_US(OTHER_INTERVAL_US));
	nic_write(nic, IGB_IMS, IGB_ICR_LSC);
	nic_write(nic, IGB_EIMS, other);
}

void igb_arm(struct pl_nic *nic, unsigned vector)
{
	nic_write(nic, IGB_EIMS, 1u << vector);
}

/* The read returns once the write has arrived. */
void igb_clear(struct pl_nic *nic, unsigned vector)
{
	nic_write(nic, IGB_EICR, 1u << vector);
	(void)nic_read(nic, IGB_STATUS);
}
