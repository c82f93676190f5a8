/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82599's receive and transmit paths as a whole: filters and RSS (8.2.3.7) become struct emu_filter
 * and struct emu_rss, and enabling either path is checked against what has to be done before (4.6.7,
 * 4.6.8). */
#include <string.h>

#include "82599.h"

#define SEC_NS 10000u

#define FRAME_MAX 1518u

static bool rx_enabled(const struct emu_nic *nic)
{
	return emu_bar_load(nic, R_RXCTRL) & RXCTRL_RXEN;
}

void m82599_paths(struct emu_nic *nic)
{
	struct m82599 *m = m82599_of(nic);
	bool on = m->master && !m->reset_ns;

	nic->rx_on = on && rx_enabled(nic) && !(emu_bar_load(nic, R_SECRXCTRL) & SEC_PATH_DIS);
	nic->tx_on = on && emu_bar_load(nic, R_DMATXCTL) & DMATXCTL_TE &&
		     !(emu_bar_load(nic, R_SECTXCTRL) & SEC_PATH_DIS);
}

/* ---- filters ---- */

void m82599_mac(struct emu_nic *nic, unsigned index)
{
	uint32_t low = emu_bar_load(nic, R_RAL + 8 * index);
	uint32_t high = emu_bar_load(nic, R_RAH + 8 * index);
	uint8_t *mac = nic->filter.mac[index];

	for (unsigned i = 0; i < 4; i++)
		mac[i] = (uint8_t)(low >> 8 * i);
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
	nic->filter.valid[index] = high & RAH_AV;
}

static void decode_filter(struct emu_nic *nic)
{
	struct emu_filter *filter = &nic->filter;
	uint32_t fctrl = emu_bar_load(nic, R_FCTRL);
	uint32_t mcstctrl = emu_bar_load(nic, R_MCSTCTRL);
	uint32_t hlreg0 = emu_bar_load(nic, R_HLREG0);

	filter->pass_errors = fctrl & FCTRL_SBP;
	filter->multicast_all = fctrl & FCTRL_MPE;
	filter->unicast_all = fctrl & FCTRL_UPE;
	filter->broadcast = fctrl & FCTRL_BAM;
	filter->multicast_shift = mcstctrl & MCSTCTRL_MO;
	filter->multicast_on = mcstctrl & MCSTCTRL_MFE;
	filter->strip_crc = hlreg0 & HLREG0_RXCRCSTRP;
	filter->frame_max = hlreg0 & HLREG0_JUMBOEN ? emu_bar_load(nic, R_MAXFRS) >> 16 : FRAME_MAX;
}

static void decode_rss(struct emu_nic *nic)
{
	/* 8.2.3.7.12, bits 16 and on */
	static const struct {
		unsigned bit, type;
	} types[] = {{16, EMU_RSS_TCP4}, {17, EMU_RSS_IP4},  {20, EMU_RSS_IP6},
		     {21, EMU_RSS_TCP6}, {22, EMU_RSS_UDP4}, {23, EMU_RSS_UDP6}};
	uint32_t mrqc = emu_bar_load(nic, R_MRQC);

	nic->rss.on = (mrqc & MRQC_MRQE) == MRQC_RSS;
	nic->rss.types = 0;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (mrqc >> types[i].bit & 1)
			nic->rss.types |= types[i].type;
}

void m82599_path_reset(struct emu_nic *nic)
{
	memset(&nic->filter, 0, sizeof(nic->filter));
	memset(&nic->rss, 0, sizeof(nic->rss));
	decode_filter(nic);
	decode_rss(nic);
	m82599_paths(nic);
}

static void store_and_decode(struct emu_nic *nic, const struct emu_reg *reg, uint32_t value)
{
	emu_bar_store(nic, reg->offset, value);
	decode_filter(nic);
}

/* 8.2.3.7.1: filters are changed while reception is off. */
M82599_WRITE(fctrl)
{
	(void)index;
	if (rx_enabled(nic) && value != emu_bar_load(nic, reg->offset))
		emu_report(nic, "FCTRL changed while RXCTRL.RXEN is set");
	store_and_decode(nic, reg, value);
}

M82599_WRITE(vlnctrl)
{
	(void)index;
	if (value & VLNCTRL_VFE)
		emu_report(nic, "VLNCTRL.VFE: filtering of VLANs is not emulated");
	emu_bar_store(nic, reg->offset, value);
}

M82599_WRITE(mcstctrl)
{
	(void)index;
	store_and_decode(nic, reg, value);
}

M82599_WRITE(mta)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	nic->filter.multicast[index] = value;
}

M82599_WRITE(ra)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	m82599_mac(nic, index);
}

M82599_WRITE(hlreg0)
{
	(void)index;
	store_and_decode(nic, reg, value);
}

M82599_WRITE(maxfrs)
{
	(void)index;
	store_and_decode(nic, reg, value);
}

/* ---- RSS ---- */

M82599_WRITE(mrqc)
{
	unsigned mode = value & MRQC_MRQE;

	(void)index;
	if (mode > MRQC_RSS)
		emu_report(nic, "MRQC.MRQE %u: pools and traffic classes are not emulated", mode);
	emu_bar_store(nic, reg->offset, value);
	decode_rss(nic);
}

M82599_WRITE(rssrk)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	for (unsigned i = 0; i < 4; i++) /* 8.2.3.7.14: the first byte is the low one */
		nic->rss.key[4 * index + i] = (uint8_t)(value >> 8 * i);
}

M82599_WRITE(reta)
{
	emu_bar_store(nic, reg->offset + index * reg->step, value);
	for (unsigned i = 0; i < 4; i++)
		nic->rss.table[4 * index + i] = value >> 8 * i & 0xF;
}

/* ---- receive ---- */

M82599_WRITE(rxpbsize)
{
	if (rx_enabled(nic))
		emu_report(nic, "RXPBSIZE[%u] written while RXCTRL.RXEN is set", index);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}

M82599_READ(rdrxctl)
{
	(void)index;
	return emu_bar_load(nic, reg->offset) |
	       (m82599_of(nic)->dma_init_ns ? 0 : RDRXCTL_DMAIDONE);
}

M82599_WRITE(rdrxctl)
{
	(void)index;
	emu_bar_store(nic, reg->offset, value & ~RDRXCTL_DMAIDONE);
}

/* What the datasheet wants to be set up before reception is enabled. */
static void check_rx(struct emu_nic *nic)
{
	uint32_t rdrxctl = emu_bar_load(nic, R_RDRXCTL);
	bool mac_strips = emu_bar_load(nic, R_HLREG0) & HLREG0_RXCRCSTRP;
	bool dma_knows = rdrxctl & RDRXCTL_CRCSTRIP;

	/* 4.6.7: the data path is halted meanwhile. */
	if (!(emu_bar_load(nic, R_SECRXCTRL) & SEC_PATH_DIS) || m82599_of(nic)->rx_stop_ns)
		emu_report(nic, "RXCTRL.RXEN set without SECRXCTRL.RX_DIS and SECRXSTAT.SECRX_RDY");
	if (m82599_of(nic)->dma_init_ns)
		emu_report(nic, "RXCTRL.RXEN set before RDRXCTL.DMAIDONE");
	/* 8.2.3.8.8, 8.2.3.22.8 */
	if (dma_knows != mac_strips)
		emu_report(nic, "RXCTRL.RXEN set with RDRXCTL.CRCStrip unlike HLREG0.RXCRCSTRP");
	if (rdrxctl & RDRXCTL_RSCFRSTSIZE)
		emu_report(nic, "RXCTRL.RXEN set with RDRXCTL.RSCFRSTSIZE other than 0");
	if (~rdrxctl & (RDRXCTL_RSCACKC | RDRXCTL_FCOE_WRFIX))
		emu_report(nic, "RXCTRL.RXEN set without RDRXCTL.RSCACKC and FCOE_WRFIX");
}

M82599_WRITE(rxctrl)
{
	(void)index;
	if (value & RXCTRL_RXEN && !rx_enabled(nic))
		check_rx(nic);
	emu_bar_store(nic, reg->offset, value);
	m82599_paths(nic);
}

/* A path that is stopped says so after a while. */
static void stop_path(struct emu_nic *nic, const struct emu_reg *reg, uint32_t value,
		      uint64_t *stop_ns)
{
	bool was = emu_bar_load(nic, reg->offset) & SEC_PATH_DIS;

	emu_bar_store(nic, reg->offset, value);
	if (value & SEC_PATH_DIS && !was)
		m82599_later(m82599_of(nic), stop_ns, SEC_NS);
	m82599_paths(nic);
}

M82599_WRITE(secrxctrl)
{
	(void)index;
	stop_path(nic, reg, value, &m82599_of(nic)->rx_stop_ns);
}

M82599_READ(secrxstat)
{
	(void)reg, (void)index;
	return emu_bar_load(nic, R_SECRXCTRL) & SEC_PATH_DIS && !m82599_of(nic)->rx_stop_ns
		       ? SEC_RDY
		       : 0;
}

/* ---- transmit ---- */

M82599_WRITE(sectxctrl)
{
	(void)index;
	stop_path(nic, reg, value, &m82599_of(nic)->tx_stop_ns);
}

M82599_READ(sectxstat)
{
	(void)reg, (void)index;
	return emu_bar_load(nic, R_SECTXCTRL) & SEC_PATH_DIS && !m82599_of(nic)->tx_stop_ns
		       ? SEC_RDY
		       : 0;
}

M82599_WRITE(dmatxctl)
{
	struct m82599 *m = m82599_of(nic);

	(void)index;
	emu_bar_store(nic, reg->offset, value);
	m82599_paths(nic);
	/* Queues may have been waiting for it. */
	m->next_ns = 0;
	m82599_settle(nic);
}

/* 4.6.8: while the arbiter is off. */
M82599_WRITE(arbitrated)
{
	if (!(emu_bar_load(nic, R_RTTDCS) & RTTDCS_ARBDIS))
		emu_report(nic, "%s written while RTTDCS.ARBDIS is clear",
			   emu_reg_name(reg, index).text);
	emu_bar_store(nic, reg->offset + index * reg->step, value);
}
