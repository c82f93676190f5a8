/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82576's registers that are emulated, by section of the datasheet: offset, name, how many, how far
 * apart; what they hold after a reset; the bits that can be written; those that are read-only. */
#include "82576.h"

#define ALL 0xFFFFFFFFu

#define READ(name) .read = m82576_##name##_read
#define WRITE(name) .write = m82576_##name##_write

#define RX_QUEUES(at, label, ...)                                \
	{                                                        \
		R_RX(0) + (at), label, QUEUES, 0x40, __VA_ARGS__ \
	}
#define TX_QUEUES(at, label, ...)                                \
	{                                                        \
		R_TX(0) + (at), label, QUEUES, 0x40, __VA_ARGS__ \
	}

#define STAT(offset, label, n)                           \
	{                                                \
		offset, label, n, 4, 0, 0, 0, READ(stat) \
	}
#define STAT_WIDE(offset, label)                                        \
	{offset, label "L", 0, 0, 0, 0, 0, READ(stat)},                 \
	{                                                               \
		(offset) + 4, label "H", 0, 0, 0, 0, 0, READ(stat_high) \
	}
/* A statistic that nothing here ever counts. */
#define NEVER(offset, label)                 \
	{                                    \
		offset, label, 0, 0, 0, 0, 0 \
	}

/* clang-format off */
static const struct emu_reg regs[] = {
	/* 8.2 general */
	{R_CTRL, "CTRL", 0, 0, CTRL_FD | BIT(3) | 2u << 8 | BIT(20), 0xDC7C1BC5, BIT(25), READ(ctrl), WRITE(ctrl)},
	{R_STATUS, "STATUS", 0, 0, 0, BIT(10), ALL, EMU_REG_LOOSE, READ(status)},
	{R_CTRL_EXT, "CTRL_EXT", 0, 0, 0, 0x15CFDFFF, 0, EMU_REG_LOOSE, .write = m82576_ctrl_ext_write},
	{R_MDIC, "MDIC", 0, 0, 0, 0x6FFFFFFF, MDIC_READY, READ(mdic), WRITE(mdic)},
	{0x00028, "FCAL", 0, 0, 0x00C28001, ALL, 0},
	{0x0002C, "FCAH", 0, 0, 0x0100, 0xFFFF, 0},
	{0x00030, "FCT", 0, 0, 0x8808, 0xFFFF, 0},
	{0x00034, "CONNSW", 0, 0, 0, 0x7, 0x600},
	{0x00038, "VET", 0, 0, 0x81008100, ALL, 0},
	{0x00E00, "LEDCTL", 0, 0, 0x07068302, ALL, 0, EMU_REG_STICKY},

	/* 8.3 packet buffers: as the reset leaves them */
	{0x02404, "RXPBS", 0, 0, 0x40, 0x7F, 0, EMU_REG_STICKY},
	{0x03404, "TXPBS", 0, 0, 0x28, 0x7F, 0, EMU_REG_STICKY},

	/* 8.4 EEPROM */
	{R_EECD, "EECD", 0, 0, BIT(4), 0x77, ALL, EMU_REG_STICKY, READ(eecd)},
	{R_EERD, "EERD", 0, 0, 0, ALL, 0, .read = emu_eerd_read, .write = emu_eerd_write},
	{R_EEMNGCTL, "EEMNGCTL", 0, 0, 0, 0, ALL, READ(eemngctl)},

	/* 8.5 flow control */
	{0x00170, "FCTTV", 0, 0, 0, 0xFFFF, 0},
	{0x02160, "FCRTL", 0, 0, 0, 0x8000FFF0, 0},
	{0x02168, "FCRTH", 0, 0, 0, 0xFFF0, 0},
	{0x02460, "FCRTV", 0, 0, 0, 0xFFFF, 0},

	/* 8.6 PCIe, 8.7 semaphores */
	{0x05B00, "GCR", 0, 0, 0x00050000, ALL, 0, EMU_REG_STICKY},
	{R_SWSM, "SWSM", 0, 0, 0, 3, ALL, EMU_REG_STICKY, .read = emu_swsm_read, .write = emu_swsm_write},
	{0x05B54, "FWSM", 0, 0, 0, 0, ALL},
	{R_SW_FW_SYNC, "SW_FW_SYNC", 0, 0, 0, 0x1F, 0x1F0000, EMU_REG_STICKY, .read = emu_sync_read, .write = emu_sync_write},

	/* 8.8 interrupts */
	{0x000C0, "ICR", 0, 0, 0, ICR_ALL, BIT(31), READ(icr), WRITE(icr)},
	{0x000C8, "ICS", 0, 0, 0, ICR_ALL, 0, WRITE(ics)},
	{0x000D0, "IMS", 0, 0, 0, ICR_ALL, 0, READ(ims), WRITE(ims)},
	{0x000D8, "IMC", 0, 0, 0, ALL, 0, READ(ims), WRITE(imc)},
	{0x000E0, "IAM", 0, 0, 0, ICR_ALL, 0},
	{R_GPIE, "GPIE", 0, 0, 0, 0xC0000FF1, 0, WRITE(gpie)},
	{0x01520, "EICS", 0, 0, 0, ALL, 0, WRITE(eics)},
	{0x01524, "EIMS", 0, 0, 0, ALL, 0, READ(eims), WRITE(eims)},
	{0x01528, "EIMC", 0, 0, 0, ALL, 0, WRITE(eimc)},
	{R_EIAC, "EIAC", 0, 0, 0, EICR_ALL, 0, WRITE(eiac)},
	{0x01530, "EIAM", 0, 0, 0, EICR_ALL, 0, WRITE(eiam)},
	{0x01580, "EICR", 0, 0, 0, ALL, 0, READ(eicr), WRITE(eicr)},
	{R_EITR, "EITR", VECTORS, 4, 0, 0xFFFFFFFC, 0, EMU_REG_STICKY, .write = m82576_eitr_write},
	{0x01700, "IVAR", 8, 4, 0, 0x9F9F9F9F, 0, WRITE(ivar)},
	{0x01740, "IVAR_MISC", 0, 0, 0, 0x9F9F, 0, WRITE(ivar_misc)},

	/* 8.10 receive */
	{R_RCTL, "RCTL", 0, 0, 0, 0x04DFB0FE, 0, WRITE(rctl)},
	RX_QUEUES(RING_BAL, "RDBAL", 0, ALL, 0, .write = emu_queue_bal_write),
	RX_QUEUES(RING_BAH, "RDBAH", 0, ALL, 0, .write = emu_queue_bah_write),
	RX_QUEUES(RING_LEN, "RDLEN", 0, 0xFFFFF, 0, .write = emu_queue_len_write),
	RX_QUEUES(RING_SRRCTL, "SRRCTL", 0x400, 0x8FF03F7F, 0, .write = emu_queue_srrctl_write),
	RX_QUEUES(RING_HEAD, "RDH", 0, 0xFFFF, 0, .read = emu_queue_head_read, .write = emu_queue_head_write),
	RX_QUEUES(RING_DCA, "RXCTL", 0xA200, 0xFF00A2E0, 0),
	RX_QUEUES(RING_TAIL, "RDT", 0, 0xFFFF, 0, .write = emu_queue_tail_write),
	RX_QUEUES(RING_DCTL, "RXDCTL", 1u << 16, 0x061F1F1F, 0, .read = emu_queue_dctl_read, WRITE(dctl)),
	RX_QUEUES(RING_DROPPED, "RQDPC", 0, 0, 0, READ(dropped)),
	{R_RXCSUM, "RXCSUM", 0, 0, 0x300, 0x3BFF, 0},
	{R_RLPML, "RLPML", 0, 0, 0x2600, 0x3FFF, 0, WRITE(rlpml)},
	{0x05008, "RFCTL", 0, 0, 0, 0x7FFFF, 0},

	/* 8.11 filters */
	{R_MTA, "MTA", 128, 4, 0, ALL, 0, WRITE(mta)},
	{R_RAL, "RAL", 16, 8, 0, ALL, 0, WRITE(ra)},
	{R_RAL + 4, "RAH", 16, 8, 0, RAH_AV | 0x03FDFFFF, 0, WRITE(ra)},
	{R_RAL16, "RAL 16+", 8, 8, 0, ALL, 0, WRITE(ra)},
	{R_RAL16 + 4, "RAH 16+", 8, 8, 0, RAH_AV | 0x03FDFFFF, 0, WRITE(ra)},
	{0x05480, "PSRTYPE", 8, 4, 0, 0x7FFFF, 0},
	{0x05600, "VFTA", 128, 4, 0, ALL, 0},
	{R_MRQC, "MRQC", 0, 0, 0, 0x01FF0007, 0, WRITE(mrqc)},
	{0x05C00, "RETA", 32, 4, 0, 0x0F0F0F0F, 0, WRITE(reta)},
	{0x05C80, "RSSRK", 10, 4, 0, ALL, 0, WRITE(rssrk)},
	{0x0A000, "UTA", 128, 4, 0, ALL, 0},

	/* 8.12 transmit */
	{R_TCTL, "TCTL", 0, 0, 0xA40400F8, 0xF5FFFFFA, 0, WRITE(tctl)},
	{0x00404, "TCTL_EXT", 0, 0, 0x00010840, 0xFFFFF, 0},
	{0x00410, "TIPG", 0, 0, 0x00601008, 0x3FFFFFFF, 0},
	{0x03590, "DTXCTL", 0, 0, 0x44, 0x7F, 0},
	TX_QUEUES(RING_BAL, "TDBAL", 0, ALL, 0, .write = emu_queue_bal_write),
	TX_QUEUES(RING_BAH, "TDBAH", 0, ALL, 0, .write = emu_queue_bah_write),
	TX_QUEUES(RING_LEN, "TDLEN", 0, 0xFFFFF, 0, .write = emu_queue_len_write),
	TX_QUEUES(RING_HEAD, "TDH", 0, 0xFFFF, 0, .read = emu_queue_head_read, .write = emu_queue_head_write),
	TX_QUEUES(RING_DCA, "TXCTL", 0x2A00, 0xFF002A20, 0),
	TX_QUEUES(RING_TAIL, "TDT", 0, 0xFFFF, 0, .write = emu_queue_tail_write),
	TX_QUEUES(RING_DCTL, "TXDCTL", 0, 0x0E1F1F1F, 0, .read = emu_queue_dctl_read, WRITE(dctl)),
	TX_QUEUES(RING_WBAL, "TDWBAL", 0, 0xFFFFFFFD, 0, WRITE(wbal)),
	TX_QUEUES(RING_WBAL + 4, "TDWBAH", 0, ALL, 0),

	/* 8.19 statistics */
	STAT(0x04000, "CRCERRS", 0),
	NEVER(0x04004, "ALGNERRC"),
	NEVER(0x04008, "SYMERRS"),
	NEVER(0x0400C, "RXERRC"),
	STAT(0x04010, "MPC", 0),
	NEVER(0x04014, "SCC"),
	NEVER(0x04018, "ECOL"),
	NEVER(0x0401C, "MCC"),
	NEVER(0x04020, "LATECOL"),
	NEVER(0x04028, "COLC"),
	NEVER(0x04030, "DC"),
	NEVER(0x04034, "TNCRS"),
	NEVER(0x0403C, "HTDPMC"),
	NEVER(0x04040, "RLEC"),
	NEVER(0x04048, "XONRXC"),
	NEVER(0x0404C, "XONTXC"),
	NEVER(0x04050, "XOFFRXC"),
	NEVER(0x04054, "XOFFTXC"),
	NEVER(0x04058, "FCRUC"),
	STAT(0x0405C, "PRC64...1522", 6),
	STAT(0x04074, "GPRC", 0),
	STAT(0x04078, "BPRC", 0),
	STAT(0x0407C, "MPRC", 0),
	STAT(0x04080, "GPTC", 0),
	STAT_WIDE(0x04088, "GORC"),
	STAT_WIDE(0x04090, "GOTC"),
	NEVER(0x040A0, "RNBC"),
	STAT(0x040A4, "RUC", 0),
	NEVER(0x040A8, "RFC"),
	STAT(0x040AC, "ROC", 0),
	NEVER(0x040B0, "RJC"),
	NEVER(0x040B4, "MNGPRC"),
	NEVER(0x040B8, "MNGPDC"),
	NEVER(0x040BC, "MNGPTC"),
	STAT_WIDE(0x040C0, "TOR"),
	STAT_WIDE(0x040C8, "TOT"),
	STAT(0x040D0, "TPR", 0),
	STAT(0x040D4, "TPT", 0),
	STAT(0x040D8, "PTC64...1522", 6),
	STAT(0x040F0, "MPTC", 0),
	STAT(0x040F4, "BPTC", 0),

	/* wake-up, management: held, of no effect */
	{0x05800, "WUC", 0, 0, 0, 0x1F, 0, EMU_REG_STICKY | EMU_REG_LOOSE},
	{0x05808, "WUFC", 0, 0, 0, ALL, 0, EMU_REG_STICKY},
	{0x05820, "MANC", 0, 0, 0, ALL, 0, EMU_REG_STICKY},
	/* virtual functions: there are none */
	{0x0581C, "VT_CTL", 0, 0, 0, 0x70000380, 0},
};

/* The first four queues where older controllers have them. */
static const struct emu_reg_alias aliases[] = {
	{0x00004, R_CTRL, 1, 4, 4},
	{0x02800 + RING_BAL, R_RX(0) + RING_BAL, 4, 0x100, 0x40},
	{0x02800 + RING_BAH, R_RX(0) + RING_BAH, 4, 0x100, 0x40},
	{0x02800 + RING_LEN, R_RX(0) + RING_LEN, 4, 0x100, 0x40},
	{0x02800 + RING_SRRCTL, R_RX(0) + RING_SRRCTL, 4, 0x100, 0x40},
	{0x02800 + RING_HEAD, R_RX(0) + RING_HEAD, 4, 0x100, 0x40},
	{0x02800 + RING_DCA, R_RX(0) + RING_DCA, 4, 0x100, 0x40},
	{0x02800 + RING_TAIL, R_RX(0) + RING_TAIL, 4, 0x100, 0x40},
	{0x02800 + RING_DCTL, R_RX(0) + RING_DCTL, 4, 0x100, 0x40},
	{0x02800 + RING_DROPPED, R_RX(0) + RING_DROPPED, 4, 0x100, 0x40},
	{0x03800 + RING_BAL, R_TX(0) + RING_BAL, 4, 0x100, 0x40},
	{0x03800 + RING_BAH, R_TX(0) + RING_BAH, 4, 0x100, 0x40},
	{0x03800 + RING_LEN, R_TX(0) + RING_LEN, 4, 0x100, 0x40},
	{0x03800 + RING_HEAD, R_TX(0) + RING_HEAD, 4, 0x100, 0x40},
	{0x03800 + RING_DCA, R_TX(0) + RING_DCA, 4, 0x100, 0x40},
	{0x03800 + RING_TAIL, R_TX(0) + RING_TAIL, 4, 0x100, 0x40},
	{0x03800 + RING_DCTL, R_TX(0) + RING_DCTL, 4, 0x100, 0x40},
	{0x03800 + RING_WBAL, R_TX(0) + RING_WBAL, 4, 0x100, 0x40},
	{0x03800 + RING_WBAL + 4, R_TX(0) + RING_WBAL + 4, 4, 0x100, 0x40},
};
/* clang-format on */

struct emu_regfile m82576_file = {
	.regs = regs,
	.n_regs = sizeof(regs) / sizeof(regs[0]),
	.aliases = aliases,
	.n_aliases = sizeof(aliases) / sizeof(aliases[0]),
	.bytes = 128u << 10,
};
