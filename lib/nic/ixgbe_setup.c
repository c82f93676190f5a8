/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel 82599, X540, X550: from reset to packets, in the order of 4.6.3: link, counters, receive, transmit,
 * interrupts. One traffic class, no virtualisation, no offloads. */
#include "ixgbe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <peerlane/error.h>

#define QUEUE_US (100 * MS)
#define SECURITY_US (40 * MS)

/* 4.6.11.3.4: all of the packet buffers for traffic class 0. */
#define RX_BUFFER_KB_82599 512u
#define RX_BUFFER_KB_X5x0 384u
#define TX_BUFFER_KB 160u
/* TXPBTHRESH: the transmit buffer less the longest frame. */
#define TX_FRAME_KB 10u

/* 4.6.3.2: room left for what is on its way when the pause frame is sent. */
#define PAUSE_ROOM_BYTES 0x6000u
/* ... and how far the buffer empties until the next says "go on". */
#define PAUSE_SPAN_BYTES 0x10000u
#define PAUSE_TIME 0xffffu /* in 512 bit times: until told otherwise */

/* 7.2.3.4: the device fetches descriptors when it has fewer than this many, if as many as fill a cache line
 * are there. WTHRESH is zero: it reports where it is asked to (ring.c), and then at once. */
#define TX_PTHRESH 32u
#define TX_HTHRESH 4u

#define FCS_BYTES 4u

/* 7.3.1.3: a vector that does not mask itself is to be moderated. */
#define OTHER_UNITS 50u

/* ---- general configuration: 4.6.3.2 ---- */

static unsigned rx_buffer_bytes(const struct pl_nic *nic)
{
	bool is_82599 = ixgbe_of(nic)->mac == IXGBE_82599;

	return (is_82599 ? RX_BUFFER_KB_82599 : RX_BUFFER_KB_X5x0) << 10;
}

static void set_flow_control(struct pl_nic *nic)
{
	bool on = nic->config.flow_control;
	uint32_t high = (rx_buffer_bytes(nic) - PAUSE_ROOM_BYTES) & ~(IXGBE_FCRTH_GRAIN - 1);
	uint32_t low = high - PAUSE_SPAN_BYTES;
	uint32_t mac = nic_read(nic, IXGBE_MFLCN) &
		       ~(IXGBE_MFLCN_DPF | IXGBE_MFLCN_RPFCE | IXGBE_MFLCN_RFCE);

	for (unsigned i = 0; i < IXGBE_FCTTVS; i++)
		nic_write(nic, IXGBE_FCTTV(i), on ? PAUSE_TIME << 16 | PAUSE_TIME : 0);
	for (unsigned i = 0; i < IXGBE_TRAFFIC_CLASSES; i++)
		nic_write(nic, IXGBE_FCRTL(i), on && i == 0 ? low | IXGBE_FCRTL_XONE : 0);
	/* The threshold is needed in either case. */
	nic_write(nic, IXGBE_FCRTH(0), on ? high | IXGBE_FCRTH_FCEN : high);
	nic_write(nic, IXGBE_FCRTV, on ? PAUSE_TIME / 2 : 0);
	/* Pause frames are nothing for us, obeyed or not. */
	nic_write(nic, IXGBE_MFLCN, (on ? mac | IXGBE_MFLCN_RFCE : mac) | IXGBE_MFLCN_DPF);
	nic_write(nic, IXGBE_FCCFG, on ? IXGBE_FCCFG_TFCE_LINK : 0);
}

/* ---- counters: 4.6.5 ---- */

/* Each queue counts for itself. */
static void count_from_zero(struct pl_nic *nic)
{
	for (unsigned i = 0; i < PL_NIC_QUEUES_MAX; i += 4)
		nic_write(nic, IXGBE_RQSMR(i / 4),
			  i | (i + 1) << 8 | (i + 2) << 16 | (i + 3) << 24);
	nic_forget_counts(nic);
}

/* ---- receive: 4.6.7 ---- */

static void clear_tables(struct pl_nic *nic)
{
	for (unsigned i = 1; i < IXGBE_RARS; i++)
		nic_write(nic, IXGBE_RAH(i), 0);
	for (unsigned i = 0; i < 2 * IXGBE_RARS; i++)
		nic_write(nic, IXGBE_MPSAR(i), i == 0); /* address 0 is for pool 0 */
	for (unsigned i = 0; i < IXGBE_PFUTAS; i++)
		nic_write(nic, IXGBE_PFUTA(i), 0);
	for (unsigned i = 0; i < IXGBE_VFTAS; i++)
		nic_write(nic, IXGBE_VFTA(i), 0);
	for (unsigned i = 0; i < IXGBE_PFVLVFS; i++)
		nic_write(nic, IXGBE_PFVLVF(i), 0);
	for (unsigned i = 0; i < IXGBE_PFVLVFBS; i++)
		nic_write(nic, IXGBE_PFVLVFB(i), 0);
	for (unsigned i = 0; i < IXGBE_MTAS; i++)
		nic_write(nic, IXGBE_MTA(i), 0);
	/* 8.2.3.7.19: these have no values that a reset gives them. */
	for (unsigned i = 0; i < IXGBE_FTQFS; i++)
		nic_unset(nic, IXGBE_FTQF(i), IXGBE_FTQF_ENABLE);
}

/* 4.6.7: the way from the wire is stopped while reception is switched on. */
static int switch_receive_on(struct pl_nic *nic)
{
	int rc;

	nic_set(nic, IXGBE_SECRXCTRL, IXGBE_SECRXCTRL_RX_DIS);
	rc = nic_wait(nic, IXGBE_SECRXSTAT, IXGBE_SECRXSTAT_RDY, IXGBE_SECRXSTAT_RDY, SECURITY_US);
	nic_set(nic, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
	nic_unset(nic, IXGBE_SECRXCTRL, IXGBE_SECRXCTRL_RX_DIS);
	return rc;
}

/* 7.1.1.1: broadcasts, all multicasts, and our own address or all others, too. */
static void set_filter_control(struct pl_nic *nic)
{
	uint32_t old = nic_read(nic, IXGBE_FCTRL);
	uint32_t control = old & ~(IXGBE_FCTRL_SBP | IXGBE_FCTRL_UPE);
	bool on;

	control |= IXGBE_FCTRL_BAM | IXGBE_FCTRL_MPE;
	if (nic->promiscuous)
		control |= IXGBE_FCTRL_UPE;
	if (control == old)
		return;
	/* 8.2.3.7.1: not while it receives. */
	on = nic_read(nic, IXGBE_RXCTRL) & IXGBE_RXCTRL_RXEN;
	if (on)
		nic_unset(nic, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
	nic_write(nic, IXGBE_FCTRL, control);
	if (on)
		(void)switch_receive_on(nic);
}

void ixgbe_set_mac(struct pl_nic *nic)
{
	const uint8_t *mac = nic->mac;
	uint32_t low = mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24;
	uint32_t high = mac[4] | (uint32_t)mac[5] << 8 | IXGBE_RAH_AV;

	/* 8.2.3.7.8, 8.2.3.7.9: what is half the old and half the new address is nobody's. */
	if (nic_read(nic, IXGBE_RAL(0)) != low || nic_read(nic, IXGBE_RAH(0)) != high) {
		nic_write(nic, IXGBE_RAH(0), 0);
		nic_write(nic, IXGBE_RAL(0), low);
		nic_write(nic, IXGBE_RAH(0), high);
	}
	set_filter_control(nic);
}

/* 8.2.3.22.13: MAXFRS counts the FCS, but not a VLAN tag, and holds with JUMBOEN only. So frames take up to
 * MTU and PL_NIC_FRAME_OVERHEAD of a buffer, in which the FCS that is stripped makes room for a tag. */
void ixgbe_set_mtu(struct pl_nic *nic)
{
	uint32_t longest = nic->config.mtu + PL_NIC_FRAME_OVERHEAD;

	nic_write(nic, IXGBE_MAXFRS, longest << IXGBE_MAXFRS_SHIFT);
	nic_set(nic, IXGBE_HLREG0, IXGBE_HLREG0_JUMBOEN);
}

/* 7.1.2.8. The 82599 and X540 look at 7 bits of the hash. The X550 looks at 9: its other entries repeat the
 * first 128, so that all three spread flows alike. */
static void set_rss(struct pl_nic *nic)
{
	for (unsigned i = 0; i < IXGBE_RSSRKS; i++)
		nic_write(nic, IXGBE_RSSRK(i), NIC_RSS_KEY_WORD);
	for (unsigned i = 0; i < IXGBE_RETAS; i++)
		nic_write(nic, IXGBE_RETA(i), nic_rss_table_word(nic, i));
	for (unsigned i = 0; ixgbe_of(nic)->mac == IXGBE_X550 && i < IXGBE_ERETAS; i++)
		nic_write(nic, IXGBE_ERETA(i), nic_rss_table_word(nic, i % IXGBE_RETAS));
	nic_set(nic, IXGBE_RXCSUM, IXGBE_RXCSUM_PCSD); /* the hash in place of a checksum */
	if (nic->config.n_queues == 1)
		nic_write(nic, IXGBE_MRQC, 0);
	else
		nic_write(nic, IXGBE_MRQC,
			  IXGBE_MRQC_RSS | IXGBE_MRQC_IP4 | IXGBE_MRQC_TCP4 | IXGBE_MRQC_UDP4 |
				  IXGBE_MRQC_IP6 | IXGBE_MRQC_TCP6 | IXGBE_MRQC_UDP6);
}

/* No coalescing (RSC), no NFS filters; the FCS is stripped by both who could do it (8.2.3.8.8). */
static void set_receive_dma(struct pl_nic *nic)
{
	uint32_t control = nic_read(nic, IXGBE_RDRXCTL);

	nic_set(nic, IXGBE_RFCTL,
		IXGBE_RFCTL_RSC_DIS | IXGBE_RFCTL_NFSW_DIS | IXGBE_RFCTL_NFSR_DIS);
	nic_set(nic, IXGBE_RSCDBU, IXGBE_RSCDBU_ACKDIS);
	control &= ~IXGBE_RDRXCTL_RSCFRSTSIZE;
	control |= IXGBE_RDRXCTL_CRCSTRIP | IXGBE_RDRXCTL_RSCACKC | IXGBE_RDRXCTL_FCOE_WRFIX;
	nic_write(nic, IXGBE_RDRXCTL, control);
	nic_set(nic, IXGBE_HLREG0, IXGBE_HLREG0_RXCRCSTRP);
	nic_write(nic, IXGBE_RXPBSIZE(0), rx_buffer_bytes(nic));
	for (unsigned i = 1; i < IXGBE_TRAFFIC_CLASSES; i++)
		nic_write(nic, IXGBE_RXPBSIZE(i), 0);
}

/* 4.6.7.1.1. */
static int enable_rx_queue(struct pl_nic *nic, unsigned i, struct pl_error *err)
{
	uint64_t ring = nic_rx_ring_address(nic, i);
	uint32_t split = nic_rx_buffer_bytes(nic, i) >> 10 | IXGBE_SRRCTL_HEADER_256 |
			 IXGBE_SRRCTL_ADVANCED;
	char what[64];
	int rc;

	/* A queue that nobody empties must not hold up the others; with flow control it is meant to. */
	if (nic->config.n_queues > 1 && !nic->config.flow_control)
		split |= IXGBE_SRRCTL_DROP_EN;
	nic_write(nic, IXGBE_RDBAL(i), (uint32_t)ring);
	nic_write(nic, IXGBE_RDBAH(i), (uint32_t)(ring >> 32));
	nic_write(nic, IXGBE_RDLEN(i), nic->config.ring_size * 16);
	nic_write(nic, IXGBE_SRRCTL(i), split);
	nic_write(nic, IXGBE_RSCCTL(i), 0);
	/* What is written to a buffer must be there before its descriptor says so. */
	nic_unset(nic, IXGBE_DCA_RXCTRL(i),
		  IXGBE_DCA_RXCTRL_BIT12 | IXGBE_DCA_RXCTRL_DATA_RO | IXGBE_DCA_RXCTRL_HEAD_RO);
	nic_write(nic, IXGBE_RXDCTL(i),
		  (nic_read(nic, IXGBE_RXDCTL(i)) & ~IXGBE_RXDCTL_VME) | IXGBE_RXDCTL_ENABLE);
	rc = nic_wait(nic, IXGBE_RXDCTL(i), IXGBE_RXDCTL_ENABLE, IXGBE_RXDCTL_ENABLE, QUEUE_US);
	if (!rc)
		return 0;
	snprintf(what, sizeof(what), "did not enable receive queue %u (RXDCTL.ENABLE)", i);
	return nic_fail(nic, rc, err, what);
}

static int set_up_receive(struct pl_nic *nic, struct pl_error *err)
{
	int rc = 0;

	clear_tables(nic);
	ixgbe_set_mac(nic);
	nic_write(nic, IXGBE_MCSTCTRL, 0);
	nic_unset(nic, IXGBE_VLNCTRL, IXGBE_VLNCTRL_VFE);
	set_rss(nic);
	set_receive_dma(nic);
	ixgbe_set_mtu(nic);
	for (unsigned i = 0; i < nic->config.n_queues && !rc; i++)
		rc = enable_rx_queue(nic, i, err);
	/* The end of 4.6.7: no snooping is done without, in any case. */
	nic_set(nic, IXGBE_CTRL_EXT, IXGBE_CTRL_EXT_NS_DIS);
	return rc;
}

/* ---- transmit: 4.6.8 ---- */

/* 4.6.8.1.1. */
static int enable_tx_queue(struct pl_nic *nic, unsigned i, struct pl_error *err)
{
	uint64_t ring = nic_tx_ring_address(nic, i);
	uint32_t control = TX_PTHRESH << IXGBE_TXDCTL_PTHRESH_SHIFT |
			   TX_HTHRESH << IXGBE_TXDCTL_HTHRESH_SHIFT;
	char what[64];
	int rc;

	nic_write(nic, IXGBE_TDBAL(i), (uint32_t)ring);
	nic_write(nic, IXGBE_TDBAH(i), (uint32_t)(ring >> 32));
	nic_write(nic, IXGBE_TDLEN(i), nic->config.ring_size * 16);
	/* 7.2.3.5: it writes descriptors back, not its head. */
	nic_write(nic, IXGBE_TDWBAL(i), 0);
	nic_write(nic, IXGBE_TDWBAH(i), 0);
	/* A report must not overtake the one before. */
	nic_unset(nic, IXGBE_DCA_TXCTRL(i), IXGBE_DCA_TXCTRL_WRITEBACK_RO);
	nic_write(nic, IXGBE_TXDCTL(i), control | IXGBE_TXDCTL_ENABLE);
	rc = nic_wait(nic, IXGBE_TXDCTL(i), IXGBE_TXDCTL_ENABLE, IXGBE_TXDCTL_ENABLE, QUEUE_US);
	if (!rc)
		return 0;
	snprintf(what, sizeof(what), "did not enable transmit queue %u (TXDCTL.ENABLE)", i);
	return nic_fail(nic, rc, err, what);
}

/* 8.2.3.10.16: each queue's limit lies in memory, which a reset does not clear. */
static void clear_rate_limits(struct pl_nic *nic)
{
	for (unsigned i = 0; i < IXGBE_QUEUES; i++) {
		nic_write(nic, IXGBE_RTTDQSEL, i);
		nic_write(nic, IXGBE_RTTBCNRC, 0);
	}
}

static int set_up_transmit(struct pl_nic *nic, struct pl_error *err)
{
	int rc = 0;

	clear_rate_limits(nic);

	nic_set(nic, IXGBE_HLREG0, IXGBE_HLREG0_TXCRCEN | IXGBE_HLREG0_TXPADEN);
	nic_set(nic, IXGBE_RTTDCS, IXGBE_RTTDCS_ARBDIS);
	nic_write(nic, IXGBE_DTXMXSZRQ, IXGBE_DTXMXSZRQ_MAX);
	for (unsigned i = 0; i < IXGBE_TRAFFIC_CLASSES; i++) {
		nic_write(nic, IXGBE_TXPBSIZE(i), i ? 0 : TX_BUFFER_KB << IXGBE_TXPBSIZE_SHIFT);
		nic_write(nic, IXGBE_TXPBTHRESH(i), i ? 0 : TX_BUFFER_KB - TX_FRAME_KB);
	}
	nic_write(nic, IXGBE_MTQC, 0);
	nic_unset(nic, IXGBE_RTTDCS, IXGBE_RTTDCS_ARBDIS);
	nic_set(nic, IXGBE_DMATXCTL, IXGBE_DMATXCTL_TE);
	for (unsigned i = 0; i < nic->config.n_queues && !rc; i++)
		rc = enable_tx_queue(nic, i, err);
	return rc;
}

/* ---- interrupts: 4.6.6 ---- */

/* A pair of queues shares a vector of the same number; all else has the one after them. */
static void map_vectors(struct pl_nic *nic)
{
	uint32_t other = NIC_OTHER_VECTOR(nic) | IXGBE_IVAR_VALID;

	for (unsigned i = 0; i < nic->config.n_queues; i += 2) {
		uint32_t first = i | IXGBE_IVAR_VALID, second = (i + 1) | IXGBE_IVAR_VALID;
		uint32_t both = first | first << 8;

		if (i + 1 < nic->config.n_queues)
			both |= second << 16 | second << 24;
		nic_write(nic, IXGBE_IVAR(i / 2), both);
	}
	nic_write(nic, IXGBE_IVAR_MISC, other << IXGBE_IVAR_OTHER_SHIFT);
}

static void set_up_interrupts(struct pl_nic *nic)
{
	uint32_t queues = (uint32_t)(((uint64_t)1 << nic->config.n_queues) - 1);
	uint32_t mode = IXGBE_GPIE_MSIX | IXGBE_GPIE_OCD | IXGBE_GPIE_EIAME | IXGBE_GPIE_PBA;
	uint32_t units = (nic->config.moderation_us + IXGBE_EITR_UNIT_US - 1) / IXGBE_EITR_UNIT_US;

	if (units > IXGBE_EITR_INTERVAL_MAX)
		units = IXGBE_EITR_INTERVAL_MAX;
	if (ixgbe_of(nic)->mac == IXGBE_82599)
		mode |= IXGBE_GPIE_SDP2_82599;
	nic_write(nic, IXGBE_GPIE, mode);
	map_vectors(nic);
	/* A vector's cause is cleared and masked as it interrupts; other causes are read. */
	nic_write(nic, IXGBE_EIAC, queues);
	nic_write(nic, IXGBE_EIAM, queues);
	for (unsigned i = 0; i < nic->config.n_queues; i++)
		nic_write(nic, IXGBE_EITR(i),
			  units << IXGBE_EITR_INTERVAL_SHIFT | IXGBE_EITR_CNT_WDIS);
	nic_write(nic, IXGBE_EITR(NIC_OTHER_VECTOR(nic)),
		  OTHER_UNITS << IXGBE_EITR_INTERVAL_SHIFT | IXGBE_EITR_CNT_WDIS);
	nic_write(nic, IXGBE_EICR, IXGBE_EICR_ALL);
}

/* ---- all of it ---- */

int ixgbe_start(struct pl_nic *nic, struct pl_error *err)
{
	int rc;

	nic_set(nic, IXGBE_CTRL_EXT, IXGBE_CTRL_EXT_DRV_LOAD);
	set_flow_control(nic);
	rc = ixgbe_link_setup(nic, err);
	if (rc)
		return rc;
	count_from_zero(nic);
	rc = set_up_receive(nic, err);
	if (rc)
		return rc;
	rc = set_up_transmit(nic, err);
	if (rc)
		return rc;
	set_up_interrupts(nic);
	return nic_is_gone(nic) ? nic_fail(nic, -ENODEV, err, "was to be set up") : 0;
}

/* The last steps of 4.6.7 and 4.6.3. Queues' causes are unmasked by their planes. */
int ixgbe_receive(struct pl_nic *nic, struct pl_error *err)
{
	uint32_t causes = IXGBE_EICR_LSC;
	int rc = switch_receive_on(nic);

	if (rc)
		return nic_fail(nic, rc, err, "did not stop to receive (SECRXSTAT.SECRX_RDY)");
	if (ixgbe_of(nic)->mac == IXGBE_82599)
		causes |= IXGBE_EICR_MODULE;
	nic_write(nic, IXGBE_EIMS, causes);
	return 0;
}
