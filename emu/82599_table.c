/* SPDX-License-Identifier: BSD-2-Clause */
/* All registers of the 82599 that are emulated, in the order of the datasheet's section 8.2.3: offset,
 * name, how many, how far apart; what they hold after a reset; the bits that can be written; those that
 * are read-only. */
#include "82599.h"

#define ALL 0xFFFFFFFFu

#define READ(name) .read = m82599_##name##_read
#define WRITE(name) .write = m82599_##name##_write

/* Of receive queues: 0 to 63 and 64 to 127 lie apart. */
#define RX_QUEUES(at, label, ...)                                         \
	{0x01000 + (at), label, 64, 0x40, __VA_ARGS__},                   \
	{                                                                 \
		0x0D000 + (at), label, 64, 0x40, __VA_ARGS__, .first = 64 \
	}
#define TX_QUEUES(at, label, ...)                             \
	{                                                     \
		0x06000 + (at), label, 128, 0x40, __VA_ARGS__ \
	}

/* A statistic that nothing here ever counts. */
#define NEVER(offset, label)                 \
	{                                    \
		offset, label, 0, 0, 0, 0, 0 \
	}
#define NEVER_N(offset, label, n)            \
	{                                    \
		offset, label, n, 4, 0, 0, 0 \
	}

static const struct emu_reg regs[] = {
	/* 8.2.3.1 general control */
	{R_CTRL, "CTRL", 0, 0, 0, CTRL_MASTER_DISABLE | CTRL_LRST | CTRL_RST, 0, READ(ctrl),
	 WRITE(ctrl)},
	{R_STATUS, "STATUS", 0, 0, 0, 0, ALL, READ(status)},
	{R_CTRL_EXT, "CTRL_EXT", 0, 0, 0, BIT(14) | BIT(16) | BIT(17) | BIT(26) | BIT(28), 0},
	{R_ESDP, "ESDP", 0, 0, 0, 0xFCFFFFFF, 0, EMU_REG_WIRE},
	{R_I2CCTL, "I2CCTL", 0, 0, I2CCTL_CLK_OUT | I2CCTL_DATA_OUT,
	 I2CCTL_CLK_OUT | I2CCTL_DATA_OUT, I2CCTL_CLK_IN | I2CCTL_DATA_IN, READ(i2cctl),
	 WRITE(i2cctl)},
	{0x0004C, "TCPTIMER", 0, 0, 0, 0xBFF, BIT(10)},
	{R_LEDCTL, "LEDCTL", 0, 0, 0, 0xCFCFCFEF, 0, EMU_REG_WIRE},
	{R_EXVET, "EXVET", 0, 0, 0x81000000, 0xFFFF0000, 0},

	/* 8.2.3.2 EEPROM and flash */
	{R_EEC, "EEC", 0, 0, BIT(4), 0x77, ALL, EMU_REG_STICKY, READ(eec)},
	{R_EERD, "EERD", 0, 0, 0, ALL, 0, .read = emu_eerd_read, .write = emu_eerd_write},
	{0x1001C, "FLA", 0, 0, 0, 0x37, 0x40000008, EMU_REG_STICKY},
	{0x10200, "GRC", 0, 0, 0, BIT(1), BIT(0), EMU_REG_STICKY},

	/* 8.2.3.3 flow control */
	{0x03008, "PFCTOP", 0, 0, 0x01018808, ALL, 0},
	{0x03200, "FCTTV", 4, 4, 0, ALL, 0},
	{0x03220, "FCRTL", 8, 4, 0, 0x8007FFE0, 0},
	{0x03260, "FCRTH", 8, 4, 0, 0x8007FFE0, 0},
	{0x032A0, "FCRTV", 0, 0, 0, 0xFFFF, 0},
	{0x0CE00, "TFCS", 0, 0, 1, 0, ALL},
	{0x03D00, "FCCFG", 0, 0, 0, 0x18, 0},

	/* 8.2.3.4 PCIe */
	{0x11000, "GCR", 0, 0, 0, ALL, 0, EMU_REG_STICKY},
	{0x10150, "FACTPS", 0, 0, 0x6, 0, ALL, EMU_REG_STICKY},
	{R_SWSM, "SWSM", 0, 0, 0, 3, ALL, EMU_REG_STICKY, .read = emu_swsm_read,
	 .write = emu_swsm_write},
	{R_FWSM, "FWSM", 0, 0, 0, 0, ALL, READ(fwsm)},
	{R_SW_FW_SYNC, "SW_FW_SYNC", 0, 0, 0, 0x1F, 0x3E0, EMU_REG_STICKY, .read = emu_sync_read,
	 .write = emu_sync_write},
	{R_GCR_EXT, "GCR_EXT", 0, 0, 0, 0xC0000013, 0},
	{0x11064, "MREVID", 0, 0, 0x0101, 0, ALL, EMU_REG_STICKY},
	{R_PICAUSE, "PICAUSE", 0, 0, 0, 0x1F, 0, WRITE(w1c)},
	{0x110B8, "PIENA", 0, 0, 0, 0x1F, 0},

	/* 8.2.3.5 interrupts, 8.2.3.6 MSI-X */
	{R_EICR, "EICR", 0, 0, 0, ALL, 0, READ(eicr), WRITE(eicr)},
	{R_EICS, "EICS", 0, 0, 0, ALL, 0, WRITE(eics)},
	{R_EIMS, "EIMS", 0, 0, 0, ALL, 0, READ(eims), WRITE(eims)},
	{R_EIMC, "EIMC", 0, 0, 0, ALL, 0, WRITE(eimc)},
	{R_EIAC, "EIAC", 0, 0, 0, 0x4000FFFF, 0, WRITE(eiac)},
	{R_EIAM, "EIAM", 0, 0, 0, 0x7FFFFFFF, 0, WRITE(eiam)},
	{0x00A90, "EICS_EX", 2, 4, 0, ALL, 0, WRITE(eics_ex)},
	{0x00AA0, "EIMS_EX", 2, 4, 0, ALL, 0, READ(eims_ex), WRITE(eims_ex)},
	{0x00AB0, "EIMC_EX", 2, 4, 0, ALL, 0, WRITE(eimc_ex)},
	{R_EIAM_EX, "EIAM_EX", 2, 4, 0, ALL, 0, WRITE(eiam_ex)},
	{0x00894, "EITRSEL", 0, 0, 0, ALL, 0},
	{R_EITR0, "EITR", 24, 4, 0, 0x8FFF8FF8, 0, WRITE(eitr)},
	{R_EITR24, "EITR", 104, 4, 0, 0x8FFF8FF8, 0, WRITE(eitr), .first = 24},
	{0x0E800, "L34TIMIR", 128, 4, 0, 0x0FF81000, 0},
	{0x0EC90, "LLITHRESH", 0, 0, 0, 0xFFF, 0},
	{0x0EC60, "IMIRVP", 0, 0, 0, 0xF, 0},
	{R_IVAR, "IVAR", 64, 4, 0, 0xBFBFBFBF, 0, WRITE(ivar)},
	{R_IVAR_MISC, "IVAR_MISC", 0, 0, 0, 0xFFFF, 0, WRITE(ivar_misc)},
	{R_GPIE, "GPIE", 0, 0, 0, 0xC000FFFF, 0, WRITE(gpie)},
	{0x110C0, "PBACL", 8, 4, 0, ALL, 0, WRITE(w1c)},

	/* 8.2.3.7 receive */
	{R_FCTRL, "FCTRL", 0, 0, 0, FCTRL_SBP | FCTRL_MPE | FCTRL_UPE | FCTRL_BAM, 0, WRITE(fctrl)},
	{R_VLNCTRL, "VLNCTRL", 0, 0, 0x8100, 0x7000FFFF, 0, WRITE(vlnctrl)},
	{R_MCSTCTRL, "MCSTCTRL", 0, 0, 0, MCSTCTRL_MO | MCSTCTRL_MFE, 0, WRITE(mcstctrl)},
	{0x0EA00, "PSRTYPE", 64, 4, 0, 0xE0001332, 0},
	{R_RXCSUM, "RXCSUM", 0, 0, 0, 0x3000, 0},
	{0x05008, "RFCTL", 0, 0, 0, 0x47E0, 0},
	{R_MTA, "MTA", 128, 4, 0, ALL, 0, WRITE(mta)},
	{R_RAL, "RAL", 128, 8, 0, ALL, 0, WRITE(ra)},
	{R_RAH, "RAH", 128, 8, 0, RAH_AV | 0xFFFF, 0, WRITE(ra)},
	{0x0A600, "MPSAR", 256, 4, 0, ALL, 0},
	{0x0A000, "VFTA", 128, 4, 0, ALL, 0},
	{R_MRQC, "MRQC", 0, 0, 0, 0x00F3000F, 0, WRITE(mrqc)},
	{0x0EC70, "RQTC", 0, 0, 0x77777777, 0x77777777, 0},
	{R_RSSRK, "RSSRK", 10, 4, 0, ALL, 0, WRITE(rssrk)},
	{R_RETA, "RETA", 32, 4, 0, 0x0F0F0F0F, 0, WRITE(reta)},
	{0x0E000, "SAQF", 128, 4, 0, ALL, 0},
	{0x0E200, "DAQF", 128, 4, 0, ALL, 0},
	{0x0E400, "SDPQF", 128, 4, 0, ALL, 0},
	{0x0E600, "FTQF", 128, 4, 0, 0xFE003F1F, 0},
	{0x0EC30, "SYNQF", 0, 0, 0, 0x800000FF, 0},
	{0x05128, "ETQF", 8, 4, 0, 0xCFFFFFFF, 0},
	{0x0EC00, "ETQS", 8, 4, 0, 0xA07F0000, 0},
	{0x051B8, "RXFECCERR0", 0, 0, 0, BIT(9), 0},
	{0x09000, "FHFT", 256, 4, 0, ALL, 0},
	{0x09800, "FHFT", 128, 4, 0, ALL, 0, .first = 256},

	/* 8.2.3.8 receive DMA */
	RX_QUEUES(RING_BAL, "RDBAL", 0, ALL, 0, .write = emu_queue_bal_write),
	RX_QUEUES(RING_BAH, "RDBAH", 0, ALL, 0, .write = emu_queue_bah_write),
	RX_QUEUES(RING_LEN, "RDLEN", 0, ALL, 0, .write = emu_queue_len_write),
	RX_QUEUES(RING_HEAD, "RDH", 0, 0xFFFF, 0, .read = emu_queue_head_read,
		  .write = emu_queue_head_write),
	RX_QUEUES(RING_TAIL, "RDT", 0, 0xFFFF, 0, .write = emu_queue_tail_write),
	RX_QUEUES(RING_DCTL, "RXDCTL", 0, DCTL_ENABLE | DCTL_SWFLSH | RXDCTL_VME, 0,
		  .read = emu_queue_dctl_read, WRITE(rxdctl)),
	RX_QUEUES(RING_SRRCTL, "SRRCTL", 0x00000402, 0x1FC03F1F, 0,
		  .write = emu_queue_srrctl_write),
	RX_QUEUES(0x2C, "RSCCTL", 0, 0xD, 0, WRITE(rscctl)),
	{R_RDRXCTL, "RDRXCTL", 0, 0, 8u << 17,
	 RDRXCTL_CRCSTRIP | RDRXCTL_RSCFRSTSIZE | RDRXCTL_RSCACKC | RDRXCTL_FCOE_WRFIX,
	 RDRXCTL_DMAIDONE, READ(rdrxctl), WRITE(rdrxctl)},
	{R_RXPBSIZE, "RXPBSIZE", 8, 4, 512u << 10, 0x000FFC00, 0, WRITE(rxpbsize)},
	{R_RXCTRL, "RXCTRL", 0, 0, 0, RXCTRL_RXEN, 0, WRITE(rxctrl)},
	{0x03190, "RXMEMWRAP", 0, 0, 0x88888888, 0, ALL},
	{0x03028, "RSCDBU", 0, 0, 0, 0xFF, 0},

	/* 8.2.3.9 transmit */
	{0x08100, "DTXMXSZRQ", 0, 0, 0x10, 0xFFF, 0, WRITE(arbitrated)},
	{R_DMATXCTL, "DMATXCTL", 0, 0, 0x81000000, 0xFFFF0009, 0, WRITE(dmatxctl)},
	{0x04A88, "DTXTCPFLGL", 0, 0, 0x0FF60FF6, 0x0FFF0FFF, 0},
	{0x04A8C, "DTXTCPFLGH", 0, 0, 0x0F7F, 0xFFF, 0},
	TX_QUEUES(RING_BAL, "TDBAL", 0, ALL, 0, .write = emu_queue_bal_write),
	TX_QUEUES(RING_BAH, "TDBAH", 0, ALL, 0, .write = emu_queue_bah_write),
	TX_QUEUES(RING_LEN, "TDLEN", 0, ALL, 0, .write = emu_queue_len_write),
	TX_QUEUES(RING_HEAD, "TDH", 0, 0xFFFF, 0, .read = emu_queue_head_read,
		  .write = emu_queue_head_write),
	TX_QUEUES(RING_TAIL, "TDT", 0, 0xFFFF, 0, .write = emu_queue_tail_write),
	TX_QUEUES(RING_DCTL, "TXDCTL", 0, DCTL_ENABLE | DCTL_SWFLSH | 0x7F7F7F, 0,
		  .read = emu_queue_dctl_read, WRITE(txdctl)),
	TX_QUEUES(0x38, "TDWBAL", 0, 0xFFFFFFFD, 0, WRITE(tdwbal)),
	TX_QUEUES(0x3C, "TDWBAH", 0, ALL, 0),
	{0x0CC00, "TXPBSIZE", 8, 4, 160u << 10, 0x000FFC00, 0, WRITE(arbitrated)},
	{0x0CD10, "MNGTXMAP", 0, 0, 0, 7, 0, WRITE(arbitrated)},
	{0x08120, "MTQC", 0, 0, 0, 0xF, 0, WRITE(arbitrated)},
	{0x04950, "TXPBTHRESH", 0, 0, 0x96, 0x3FF, 0, WRITE(arbitrated)},
	{0x04954, "TXPBTHRESH", 7, 4, 0, 0x3FF, 0, WRITE(arbitrated), .first = 1},

	/* 8.2.3.10 DCB */
	{0x02430, "RTRPCS", 0, 0, 0, 0x7, 0, EMU_REG_LOOSE},
	{R_RTTDCS, "RTTDCS", 0, 0, 0, 0x00C00053, 0, EMU_REG_LOOSE},
	{0x0CD00, "RTTPCS", 0, 0, 4u << 22, 0xFFC00120, 0, EMU_REG_LOOSE},
	{0x03020, "RTRUP2TC", 0, 0, 0, 0x00FFFFFF, 0},
	{0x0C800, "RTTUP2TC", 0, 0, 0, 0x00FFFFFF, 0},
	{0x02140, "RTRPT4C", 8, 4, 0, ALL, 0},
	{0x04904, "RTTDQSEL", 0, 0, 0, 0x7F, 0},
	{0x04908, "RTTDT1C", 0, 0, 0, 0x3FFF, 0},
	{0x04910, "RTTDT2C", 8, 4, 0, ALL, 0},
	{0x0CD20, "RTTPT2C", 8, 4, 0, ALL, 0},
	{0x04984, "RTTBCNRC", 0, 0, 0, 0x80FFFFFF, 0},

	/* 8.2.3.11 DCA; bit 12 of DCA_RXCTRL is to be cleared (4.6.7) */
	RX_QUEUES(RING_DCA, "DCA_RXCTRL", 0xB200, 0xFF00B2E0, 0),
	TX_QUEUES(RING_DCA, "DCA_TXCTRL", 0x2A00, 0xFF002A20, 0),
	{0x11074, "DCA_CTRL", 0, 0, 0, 0x1F, 0},

	/* 8.2.3.12 security: the paths can be stopped, nothing more */
	{R_SECTXCTRL, "SECTXCTRL", 0, 0, 0, 7, 0, WRITE(sectxctrl)},
	{R_SECTXSTAT, "SECTXSTAT", 0, 0, 0, 0, ALL, READ(sectxstat)},
	{0x08808, "SECTXBUFFAF", 0, 0, 0x250, 0x3FF, 0},
	{0x08810, "SECTXMINIFG", 0, 0, 1, ALL, 0},
	{R_SECRXCTRL, "SECRXCTRL", 0, 0, 0, 3, 0, WRITE(secrxctrl)},
	{R_SECRXSTAT, "SECRXSTAT", 0, 0, 0, 0, ALL, READ(secrxstat)},

	/* 8.2.3.22 MAC */
	{0x04200, "PCS1GCFIG", 0, 0, 0, BIT(30), 0, EMU_REG_WIRE | EMU_REG_LOOSE},
	{0x04208, "PCS1GLCTL", 0, 0, 0, 0x02040061, 0, EMU_REG_WIRE | EMU_REG_LOOSE},
	{0x0420C, "PCS1GLSTA", 0, 0, 0, 0, ALL},
	{0x04218, "PCS1GANA", 0, 0, 0, 0xB1A0, 0, EMU_REG_WIRE | EMU_REG_LOOSE},
	{0x0421C, "PCS1GANLP", 0, 0, 0, 0, ALL},
	{R_HLREG0, "HLREG0", 0, 0, 0x0800040B, 0x18F38407, 0, WRITE(hlreg0)},
	{0x04244, "HLREG1", 0, 0, 0, 0, ALL},
	{0x04248, "PAP", 0, 0, 0, 0x000F0000, 0, EMU_REG_LOOSE},
	{R_MSCA, "MSCA", 0, 0, 0, 0x7FFFFFFF, 0, READ(msca), WRITE(msca)},
	{R_MSRWD, "MSRWD", 0, 0, 0, 0xFFFF, 0xFFFF0000, READ(msrwd)},
	{R_MAXFRS, "MAXFRS", 0, 0, 0x05EE0000, 0xFFFF0000, 0, WRITE(maxfrs)},
	{0x04288, "PCSS1", 0, 0, 0, 0, ALL},
	{0x0428C, "PCSS2", 0, 0, 0x8001, 0, ALL},
	{0x04290, "XPCSS", 0, 0, 0, 0, ALL},
	{0x04294, "MFLCN", 0, 0, 0, 0xF, 0},
	{0x0429C, "MACS", 0, 0, 0, 0x0FFF000F, 0xF0000000, EMU_REG_LOOSE},
	{R_AUTOC, "AUTOC", 0, 0, 0xC09C6004, ALL, 0, EMU_REG_WIRE, .write = m82599_autoc_write},
	{R_LINKS, "LINKS", 0, 0, 0, 0, ALL, READ(links)},
	{R_AUTOC2, "AUTOC2", 0, 0, 0x000A0000, 0x40070000, 0, EMU_REG_WIRE | EMU_REG_LOOSE},
	{R_ANLP1, "ANLP1", 0, 0, 0, 0, ALL, READ(anlp1)},
	{0x042B4, "ANLP2", 0, 0, 0, 0, ALL},
	{0x042D0, "MMNGC", 0, 0, 0, 0, ALL},
	{0x042E4, "KRPCSS", 0, 0, 0, 0, ALL},
	{0x04324, "LINKS2", 0, 0, 0, 0, ALL},
	{0x14F00, "CORECTL", 0, 0, 0, 0x1FFFF, 0},

	/* 8.2.3.23 statistics */
	{R_CRCERRS, "CRCERRS", 0, 0, 0, 0, 0, READ(stat)},
	NEVER(0x04004, "ILLERRC"),
	NEVER(0x04008, "ERRBC"),
	NEVER(0x04010, "MSPDC"),
	{R_RXMPC, "RXMPC", 8, 4, 0, 0, 0, READ(stat)},
	NEVER(0x04034, "MLFC"),
	NEVER(0x04038, "MRFC"),
	NEVER(0x04040, "RLEC"),
	NEVER(0x03F60, "LXONTXC"),
	NEVER(0x041A4, "LXONRXCNT"),
	NEVER(0x03F68, "LXOFFTXC"),
	NEVER(0x041A8, "LXOFFRXCNT"),
	NEVER_N(0x03F00, "PXONTXC", 8),
	NEVER_N(0x04140, "PXONRXCNT", 8),
	NEVER_N(0x03F20, "PXOFFTXC", 8),
	NEVER_N(0x04160, "PXOFFRXCNT", 8),
	NEVER_N(0x03240, "PXON2OFFCNT", 8),
	{R_PRC64, "PRC64...1522", 6, 4, 0, 0, 0, READ(stat)},
	{R_GPRC, "GPRC", 0, 0, 0, 0, 0, READ(stat)},
	{R_BPRC, "BPRC", 0, 0, 0, 0, 0, READ(stat)},
	{R_MPRC, "MPRC", 0, 0, 0, 0, 0, READ(stat)},
	{R_GPTC, "GPTC", 0, 0, 0, 0, 0, READ(stat)},
	{R_GORCL, "GORCL", 0, 0, 0, 0, 0, READ(stat)},
	{R_GORCL + 4, "GORCH", 0, 0, 0, 0, 0, READ(stat_high)},
	{R_GOTCL, "GOTCL", 0, 0, 0, 0, 0, READ(stat)},
	{R_GOTCL + 4, "GOTCH", 0, 0, 0, 0, 0, READ(stat_high)},
	{R_RUC, "RUC", 0, 0, 0, 0, 0, READ(stat)},
	NEVER(0x040A8, "RFC"),
	{R_ROC, "ROC", 0, 0, 0, 0, 0, READ(stat)},
	NEVER(0x040B0, "RJC"),
	NEVER(0x040B4, "MNGPRC"),
	NEVER(0x040B8, "MNGPDC"),
	NEVER(0x0CF90, "MNGPTC"),
	{R_TORL, "TORL", 0, 0, 0, 0, 0, READ(stat)},
	{R_TORL + 4, "TORH", 0, 0, 0, 0, 0, READ(stat_high)},
	{R_TPR, "TPR", 0, 0, 0, 0, 0, READ(stat)},
	{R_TPT, "TPT", 0, 0, 0, 0, 0, READ(stat)},
	{R_PTC64, "PTC64...1522", 6, 4, 0, 0, 0, READ(stat)},
	{R_MPTC, "MPTC", 0, 0, 0, 0, 0, READ(stat)},
	{R_BPTC, "BPTC", 0, 0, 0, 0, 0, READ(stat)},
	NEVER(0x04120, "XEC"),
	{R_RXDGPC, "RXDGPC", 0, 0, 0, 0, 0, READ(stat)},
	{R_RXDGBCL, "RXDGBCL", 0, 0, 0, 0, 0, READ(stat)},
	{R_RXDGBCL + 4, "RXDGBCH", 0, 0, 0, 0, 0, READ(stat_high)},
	NEVER_N(0x02F5C, "RXDDGPC...RXDLPBKGBCH", 9),
	{R_TXDGPC, "TXDGPC", 0, 0, 0, 0, 0, READ(stat)},
	{R_TXDGBCL, "TXDGBCL", 0, 0, 0, 0, 0, READ(stat)},
	{R_TXDGBCL + 4, "TXDGBCH", 0, 0, 0, 0, 0, READ(stat_high)},
	{0x02F40, "RXDSTATCTRL", 0, 0, 0, 0x1F, 0},
	NEVER_N(0x041B0, "RXNFGPC...RXNFGBCH", 3),
	NEVER(0x08780, "SSVPC"),
	{R_RQSMR, "RQSMR", 32, 4, 0, 0x0F0F0F0F, 0, WRITE(stat_map)},
	{R_TQSM, "TQSM", 32, 4, 0, 0x0F0F0F0F, 0, WRITE(stat_map)},
	{R_QPRC, "QPRC", 16, 0x40, 0, 0, 0, READ(queue_stat)},
	{R_QPRDC, "QPRDC", 16, 0x40, 0, 0, 0, READ(queue_stat)},
	{R_QBRCL, "QBRC_L", 16, 0x40, 0, 0, 0, READ(queue_stat)},
	{R_QBRCH, "QBRC_H", 16, 0x40, 0, 0, 0, READ(queue_stat)},
	{R_QPTC, "QPTC", 16, 4, 0, 0, 0, READ(queue_stat)},
	{R_QBTCL, "QBTC_L", 16, 8, 0, 0, 0, READ(queue_stat)},
	{R_QBTCH, "QBTC_H", 16, 8, 0, 0, 0, READ(queue_stat)},
	NEVER(0x05118, "FCCRC"),
	NEVER(0x0241C, "FCOERPDC"),
	NEVER(0x02424, "FCLAST"),
	NEVER(0x02428, "FCOEPRC"),
	NEVER(0x0242C, "FCOEDWRC"),
	NEVER(0x08784, "FCOEPTC"),
	NEVER(0x08788, "FCOEDWTC"),

	/* 8.2.3.24 wake-up, 8.2.3.25 manageability */
	{0x05800, "WUC", 0, 0, 0, 0x1F, 0, EMU_REG_STICKY | EMU_REG_LOOSE},
	{0x05808, "WUFC", 0, 0, 0, ALL, 0, EMU_REG_STICKY},
	{0x05810, "WUS", 0, 0, 0, ALL, 0, EMU_REG_STICKY, .write = m82599_w1c_write},
	{0x05820, "MANC", 0, 0, 0, ALL, 0, EMU_REG_STICKY},

	/* 8.2.3.27 virtualisation: held, of no effect */
	{0x051B0, "PFVTCTL", 0, 0, 0, 0x60001F81, 0},
	{0x051E0, "PFVFRE", 2, 4, 0, ALL, 0},
	{0x08110, "PFVFTE", 2, 4, 0, ALL, 0},
	{0x02F04, "PFQDE", 0, 0, 0, 0x00037F03, 0},
	{0x08220, "PFDTXGSWC", 0, 0, 0, 1, 0},
	{0x0F000, "PFVML2FLT", 64, 4, 0, 0x1FC00000, 0},
	{0x0F100, "PFVLVF", 64, 4, 0, 0x80000FFF, 0},
	{0x0F200, "PFVLVFB", 128, 4, 0, ALL, 0},
	{0x0F400, "PFUTA", 128, 4, 0, ALL, 0},
};

/* Other places of the same registers, from the 82598 on. */
static const struct emu_reg_alias aliases[] = {
	{0x00004, R_CTRL, 1, 4, 4},
	{0x02100, R_RX(0) + RING_SRRCTL, 16, 4, 0x40},
	{0x02200, R_RX(0) + RING_DCA, 16, 4, 0x40},
	{0x05400, R_RAL, 32, 4, 4},
	{0x05480, 0x0EA00, 16, 4, 4},
	{0x05818, R_MRQC, 1, 4, 4},
	{0x05C00, R_RETA, 32, 4, 4},
	{0x05C80, R_RSSRK, 10, 4, 4},
	{0x06030, R_QPTC, 16, 0x40, 4},
};

struct emu_regfile m82599_file = {
	.regs = regs,
	.n_regs = sizeof(regs) / sizeof(regs[0]),
	.aliases = aliases,
	.n_aliases = sizeof(aliases) / sizeof(aliases[0]),
	.bytes = 128u << 10,
};
