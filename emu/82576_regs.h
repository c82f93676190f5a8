/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the 82576's registers are and what their bits mean, as far as the model gives them a meaning
 * (82576EB datasheet, chapter 8). */
#ifndef EMU_82576_REGS_H
#define EMU_82576_REGS_H

#define BIT(n) (1u << (n))

/* 8.2 general */
#define R_CTRL 0x00000
#define CTRL_FD BIT(0)
#define CTRL_MASTER_DISABLE BIT(2)
#define CTRL_SLU BIT(6)
#define CTRL_RST BIT(26)
#define CTRL_VME BIT(30)
#define CTRL_PHY_RST BIT(31)
#define R_STATUS 0x00008
#define STATUS_FD BIT(0)
#define STATUS_LU BIT(1)
#define STATUS_SPEED_SHIFT 6
#define STATUS_MASTER BIT(19)
#define R_CTRL_EXT 0x00018
#define CTRL_EXT_LINK_MODE (3u << 22)
#define R_MDIC 0x00020
#define MDIC_REGISTER(value) ((value) >> 16 & 31)
#define MDIC_PHY(value) ((value) >> 21 & 31)
#define MDIC_OP(value) ((value) >> 26 & 3)
#define MDIC_WRITE 1u
#define MDIC_READ 2u
#define MDIC_READY BIT(28)
#define MDIC_ERROR BIT(30)

/* 8.4 EEPROM, 8.7 semaphores */
#define R_EECD 0x00010
#define EECD_REQ BIT(6)
#define EECD_GNT BIT(7)
#define EECD_PRES BIT(8)
#define EECD_AUTO_RD BIT(9)
#define EECD_SIZE_SHIFT 11
#define R_EERD 0x00014
#define R_EEMNGCTL 0x01010
#define EEMNGCTL_CFG_DONE BIT(18)
#define R_SWSM 0x05B50
#define R_SW_FW_SYNC 0x05B5C
#define SYNC_PHY BIT(1)

/* 8.8 interrupts */
#define R_GPIE 0x01514
#define GPIE_NSICR BIT(0)
#define GPIE_MSIX BIT(4)
#define GPIE_EIAME BIT(30)
#define R_EIAC 0x0152C
#define R_EITR 0x01680
#define EITR_INTERVAL_US(value) ((value) >> 2 & 0x1FFF)
#define EITR_COUNTER_US(value) ((value) >> 21 & 0x3FF)
#define EITR_KEEP_COUNTER BIT(31)
#define IVAR_VALID 0x80u
#define ICR_LSC BIT(2)
#define ICR_ALL 0x7FFFFFFFu
#define VECTORS 25u /* bits of EICR */
#define EICR_ALL (BIT(VECTORS) - 1)

/* 8.10, 8.11 receive */
#define R_RCTL 0x00100
#define RCTL_RXEN BIT(1)
#define RCTL_SBP BIT(2)
#define RCTL_UPE BIT(3)
#define RCTL_MPE BIT(4)
#define RCTL_LPE BIT(5)
#define RCTL_LBM (3u << 6)
#define RCTL_MO(value) ((value) >> 12 & 3)
#define RCTL_BAM BIT(15)
#define RCTL_VFE BIT(18)
#define RCTL_SECRC BIT(26)
#define R_RLPML 0x05004
#define R_MTA 0x05200
#define R_RAL 0x05400
#define R_RAL16 0x054E0 /* 16 and on */
#define RAH_AV BIT(31)
#define R_MRQC 0x05818
#define MRQC_MODE 7u
#define MRQC_RSS 2u
#define R_RXCSUM 0x05000
#define RXCSUM_PCSD BIT(13)

/* Queues: those of receive and those of transmit have the same layout. */
#define QUEUES 16u
#define R_RX(queue) (0x0C000 + 0x40 * (queue))
#define R_TX(queue) (0x0E000 + 0x40 * (queue))
#define RING_SRRCTL 0x0C
#define RING_DCA 0x14
#define RING_DROPPED 0x30
#define RING_WBAL 0x38
#define SRRCTL_BSIZEPACKET(value) ((value)&0x7F)
#define SRRCTL_DROP_EN BIT(31)
#define DCTL_PTHRESH(value) ((value)&31)
#define DCTL_HTHRESH(value) ((value) >> 8 & 31)
#define DCTL_WTHRESH(value) ((value) >> 16 & 31)

/* 8.12 transmit */
#define R_TCTL 0x00400
#define TCTL_EN BIT(1)

/* The PHY's: IEEE 802.3, clause 22. */
#define PHY_CONTROL 0
#define CONTROL_RESTART BIT(9)
#define CONTROL_POWER_DOWN BIT(11)
#define CONTROL_AUTONEG BIT(12)
#define CONTROL_RESET BIT(15)
#define PHY_STATUS 1
#define STATUS_LINK BIT(2)
#define STATUS_AUTONEG_DONE BIT(5)
#define PHY_ID1 2
#define PHY_ID2 3
#define PHY_ADVERTISE 4
#define PHY_PARTNER 5
#define ABLE_10_FULL BIT(6)
#define ABLE_100_FULL BIT(8)
#define PHY_1000T_CONTROL 9
#define CONTROL_1000T_FULL BIT(9)
#define PHY_1000T_STATUS 10

#endif
