/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the 82576, i350 and i210 that we use, by the names of their datasheets.
 *
 * Section numbers in the igb files are those of the 82576EB's datasheet unless another is named. What
 * it has in 4.5 (initialisation) the i350's has in 4.6; the i210's numbers are nearly the same. */
#ifndef PEERLANE_IGB_REGS_H
#define PEERLANE_IGB_REGS_H

/* ---- general: 8.2 ---- */

#define IGB_CTRL 0x00000u
#define IGB_CTRL_FD (1u << 0)
#define IGB_CTRL_MASTER_DISABLE (1u << 2) /* GIO master disable */
#define IGB_CTRL_SLU (1u << 6)		  /* set link up */
#define IGB_CTRL_SPEED_1000 (2u << 8)
#define IGB_CTRL_SPEED_MASK (3u << 8)
#define IGB_CTRL_FRCSPD (1u << 11)
#define IGB_CTRL_FRCDPLX (1u << 12)
#define IGB_CTRL_SDP0_DATA (1u << 18)
#define IGB_CTRL_SDP1_DATA (1u << 19)
#define IGB_CTRL_RST (1u << 26)
#define IGB_CTRL_RFCE (1u << 27) /* obey pause frames */
#define IGB_CTRL_TFCE (1u << 28) /* send them */
#define IGB_CTRL_VME (1u << 30)	 /* take VLAN tags off */
#define IGB_CTRL_PHY_RST (1u << 31)

#define IGB_STATUS 0x00008u
#define IGB_STATUS_LU (1u << 1) /* link up */
#define IGB_STATUS_FUNCTION(s) ((s) >> 2 & 3)
#define IGB_STATUS_SPEED(s) ((s) >> 6 & 3) /* 10, 100, 1000, 1000 */
#define IGB_STATUS_MASTER_ENABLED (1u << 19)
#define IGB_STATUS_PF_RST_DONE (1u << 21) /* i350, i210 */

#define IGB_CTRL_EXT 0x00018u
#define IGB_CTRL_EXT_SDP3_DATA (1u << 7) /* 1: laser or SFP cage off */
#define IGB_CTRL_EXT_LINK_MODE(e) ((e) >> 22 & 3)
enum { IGB_LINK_MODE_COPPER, IGB_LINK_MODE_KX, IGB_LINK_MODE_SGMII, IGB_LINK_MODE_SERDES };
#define IGB_CTRL_EXT_DRV_LOAD (1u << 28)

#define IGB_MDIC 0x00020u
#define IGB_MDIC_DATA 0xffffu
#define IGB_MDIC_REGISTER(r) ((uint32_t)(r) << 16)
#define IGB_MDIC_PHY(a) ((uint32_t)(a) << 21) /* 82576; the others have it in MDICNFG */
#define IGB_MDIC_OP_WRITE (1u << 26)
#define IGB_MDIC_OP_READ (2u << 26)
#define IGB_MDIC_READY (1u << 28)
#define IGB_MDIC_ERROR (1u << 30)

#define IGB_CONNSW 0x00034u
#define IGB_CONNSW_ENRGSRC (1u << 2)
#define IGB_MDICNFG 0x00e04u /* i350, i210 */
#define IGB_MDICNFG_EXTERNAL (1u << 31)
#define IGB_PHPM 0x00e14u /* i350, i210 */
#define IGB_PHPM_GO_LINK_DISCONNECT (1u << 5)
#define IGB_SERDES_CTRL 0x00024u
#define IGB_SERDES_CTRL_NO_LOOPBACK 0x0400u

/* ---- EEPROM: 8.4 ---- */

#define IGB_EECD 0x00010u
#define IGB_EECD_PRESENT (1u << 8)
#define IGB_EECD_AUTO_RD (1u << 9)	   /* auto-read done */
#define IGB_EECD_FLASH_DETECTED (1u << 19) /* i210 */
#define IGB_EERD 0x00014u
#define IGB_EERD_START (1u << 0)
#define IGB_EERD_DONE (1u << 1)
#define IGB_EERD_WORD(w) ((uint32_t)(w) << 2)
#define IGB_EERD_DATA(v) ((uint16_t)((v) >> 16))
#define IGB_EEPROM_SUM 0xbabau
#define IGB_EEMNGCTL 0x01010u
#define IGB_EEMNGCTL_I210 0x12030u
#define IGB_EEMNGCTL_CFG_DONE(function) (1u << (18 + (function)))

/* ---- semaphores: 8.7 ---- */

#define IGB_SWSM 0x05b50u
#define IGB_SWSM_SMBI (1u << 0)	   /* ours, against other software; set by reading */
#define IGB_SWSM_SWESMBI (1u << 1) /* against firmware */
#define IGB_SW_FW_SYNC 0x05b5cu
#define IGB_SYNC_EEPROM (1u << 0)
#define IGB_SYNC_FIRMWARE_SHIFT 16
#define IGB_MANC 0x05820u
#define IGB_MANC_BLK_PHY_RST (1u << 18) /* management uses the PHY: do not reset it */

/* ---- flow control: 8.5 ---- */

#define IGB_FCAL 0x00028u
#define IGB_FCAH 0x0002cu
#define IGB_FCT 0x00030u
#define IGB_FCTTV 0x00170u
#define IGB_FCRTL 0x02160u
#define IGB_FCRTL_XONE (1u << 31)
#define IGB_FCRTH 0x02168u
#define IGB_FCRTV 0x02460u

/* ---- interrupts: 8.8 ---- */

#define IGB_ICR 0x000c0u
#define IGB_ICR_LSC (1u << 2) /* link status change */
#define IGB_IMS 0x000d0u
#define IGB_IMC 0x000d8u
#define IGB_GPIE 0x01514u
#define IGB_GPIE_NSICR (1u << 0)	 /* ICR is cleared by any read */
#define IGB_GPIE_MULTIPLE_MSIX (1u << 4) /* causes go by IVAR */
#define IGB_GPIE_EIAME (1u << 30)	 /* EIAM acts when a message is sent */
#define IGB_GPIE_PBA_SUPPORT (1u << 31)
#define IGB_EIMS 0x01524u
#define IGB_EIMC 0x01528u
#define IGB_EIAC 0x0152cu
#define IGB_EIAM 0x01530u
#define IGB_EICR 0x01580u
#define IGB_EITR(vector) (0x01680u + 4u * (vector))
#define IGB_EITR_US(us) ((uint32_t)(us) << 2)
#define IGB_IVAR(n) (0x01700u + 4u * (n))
#define IGB_IVARS 8u
#define IGB_IVAR_MISC 0x01740u
#define IGB_IVAR_VALID 0x80u

/* ---- receive: 8.10, 8.11 ---- */

#define IGB_RCTL 0x00100u
#define IGB_RCTL_RXEN (1u << 1)
#define IGB_RCTL_UPE (1u << 3) /* all unicasts */
#define IGB_RCTL_MPE (1u << 4) /* all multicasts */
#define IGB_RCTL_LPE (1u << 5) /* long packets: RLPML is the limit */
#define IGB_RCTL_BAM (1u << 15)
#define IGB_RCTL_SECRC (1u << 26)
#define IGB_RXCSUM 0x05000u
#define IGB_RXCSUM_PCSD (1u << 13) /* the RSS hash in place of a checksum */
#define IGB_RLPML 0x05004u
#define IGB_RFCTL 0x05008u
#define IGB_RFCTL_IPV6_EX_DIS (1u << 16)
#define IGB_MTA(n) (0x05200u + 4u * (n))
#define IGB_MTA_WORDS 128u
#define IGB_RAL(n) ((n) < 16 ? 0x05400u + 8u * (n) : 0x054e0u + 8u * ((n)-16))
#define IGB_RAH(n) (IGB_RAL(n) + 4u)
#define IGB_RAH_AV (1u << 31)
#define IGB_UTA(n) (0x0a000u + 4u * (n))
#define IGB_UTA_WORDS 128u

/* Queues 0 to 3 can also be found elsewhere, as in older controllers. */
#define IGB_RX_QUEUE(q) (0x0c000u + 0x40u * (q))
#define IGB_RDBAL(q) (IGB_RX_QUEUE(q) + 0x00u)
#define IGB_RDBAH(q) (IGB_RX_QUEUE(q) + 0x04u)
#define IGB_RDLEN(q) (IGB_RX_QUEUE(q) + 0x08u)
#define IGB_SRRCTL(q) (IGB_RX_QUEUE(q) + 0x0cu)
#define IGB_SRRCTL_BSIZEPACKET(bytes) ((uint32_t)(bytes) >> 10)
#define IGB_SRRCTL_ADVANCED (1u << 25) /* descriptors: advanced, one buffer */
#define IGB_SRRCTL_DROP_EN (1u << 31)
#define IGB_RDH(q) (IGB_RX_QUEUE(q) + 0x10u)
#define IGB_RDT(q) (IGB_RX_QUEUE(q) + 0x18u)
#define IGB_RXDCTL(q) (IGB_RX_QUEUE(q) + 0x28u)
#define IGB_RQDPC(q) (IGB_RX_QUEUE(q) + 0x30u)
#define IGB_DVMOLR(q) (IGB_RX_QUEUE(q) + 0x38u) /* i350, i210 */
#define IGB_DVMOLR_CRC_STRIP (1u << 31)
#define IGB_MPC 0x04010u /* packets missed: the FIFO was full */
#define IGB_XDCTL_THRESHOLDS(prefetch, host, writeback) \
	((prefetch) | (host) << 8 | (writeback) << 16)
#define IGB_XDCTL_ENABLE (1u << 25)

#define IGB_MRQC 0x05818u
#define IGB_MRQC_RSS 2u
#define IGB_MRQC_TCP4 (1u << 16)
#define IGB_MRQC_IP4 (1u << 17)
#define IGB_MRQC_TCP6_EX (1u << 18)
#define IGB_MRQC_IP6 (1u << 20)
#define IGB_MRQC_TCP6 (1u << 21)
#define IGB_MRQC_UDP4 (1u << 22)
#define IGB_MRQC_UDP6 (1u << 23)
#define IGB_RETA(n) (0x05c00u + 4u * (n))
#define IGB_RETA_WORDS 32u
#define IGB_RSSRK(n) (0x05c80u + 4u * (n))
#define IGB_RSSRK_WORDS 10u

/* ---- transmit: 8.12 ---- */

#define IGB_TCTL 0x00400u
#define IGB_TCTL_EN (1u << 1)
#define IGB_TCTL_PSP (1u << 3) /* pad short packets */
#define IGB_TX_QUEUE(q) (0x0e000u + 0x40u * (q))
#define IGB_TDBAL(q) (IGB_TX_QUEUE(q) + 0x00u)
#define IGB_TDBAH(q) (IGB_TX_QUEUE(q) + 0x04u)
#define IGB_TDLEN(q) (IGB_TX_QUEUE(q) + 0x08u)
#define IGB_TDH(q) (IGB_TX_QUEUE(q) + 0x10u)
#define IGB_TDT(q) (IGB_TX_QUEUE(q) + 0x18u)
#define IGB_TXDCTL(q) (IGB_TX_QUEUE(q) + 0x28u)

/* ---- 1000BASE-X and SGMII: the PCS ---- */

#define IGB_PCS_CFG0 0x04200u
#define IGB_PCS_CFG0_ENABLE (1u << 3)
#define IGB_PCS_LCTL 0x04208u
#define IGB_PCS_LCTL_SPEED_1000 (2u << 1)
#define IGB_PCS_LCTL_FULL_DUPLEX (1u << 3)
#define IGB_PCS_LCTL_FORCE (1u << 4)
#define IGB_PCS_LCTL_FORCE_LINK (1u << 5)
#define IGB_PCS_LCTL_FORCE_FLOW_CONTROL (1u << 7)
#define IGB_PCS_LCTL_AN_ENABLE (1u << 16)
#define IGB_PCS_LCTL_AN_RESTART (1u << 17)
#define IGB_PCS_LCTL_AN_TIMEOUT (1u << 18)
#define IGB_PCS_LSTAT 0x0420cu
#define IGB_PCS_LSTAT_LINK_OK (1u << 0)
#define IGB_PCS_LSTAT_SPEED(s) ((s) >> 1 & 3)
#define IGB_PCS_LSTAT_SYNC_OK (1u << 4)
#define IGB_PCS_ANADV 0x04218u
#define IGB_PCS_LPAB 0x0421cu
#define IGB_PCS_PAUSE (1u << 7)
#define IGB_PCS_PAUSE_ASYMMETRIC (1u << 8)

/* ---- the PHY's registers: IEEE 802.3, clause 22 ---- */

#define PHY_CONTROL 0u
#define PHY_CONTROL_RESTART (1u << 9)
#define PHY_CONTROL_AUTONEG (1u << 12)
#define PHY_ID1 2u
#define PHY_ADVERTISE 4u
#define PHY_PARTNER 5u
#define PHY_ABLE_802_3 1u
#define PHY_ABLE_10_FULL (1u << 6)
#define PHY_ABLE_100_FULL (1u << 8)
#define PHY_ABLE_PAUSE (1u << 10)
#define PHY_1000T_CONTROL 9u
#define PHY_1000T_HALF (1u << 8)
#define PHY_1000T_FULL (1u << 9)

#endif
