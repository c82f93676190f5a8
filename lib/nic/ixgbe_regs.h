/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the 82599, X540 and X550 that we use, and no others. Sections are those of the 82599's
 * datasheet; what X540 and X550 have otherwise says so. */
#ifndef PEERLANE_NIC_IXGBE_REGS_H
#define PEERLANE_NIC_IXGBE_REGS_H

#define IXGBE_BIT(n) (1u << (n))

/* 8.2.3.1 General control */
#define IXGBE_CTRL 0x00000u
#define IXGBE_CTRL_MASTER_DISABLE IXGBE_BIT(2)
#define IXGBE_CTRL_LRST IXGBE_BIT(3) /* MAC and link */
#define IXGBE_CTRL_RST IXGBE_BIT(26) /* all else */
#define IXGBE_STATUS 0x00008u
#define IXGBE_STATUS_LAN_ID(status) ((status) >> 2 & 3)
#define IXGBE_STATUS_MASTER_ENABLED IXGBE_BIT(19)
#define IXGBE_CTRL_EXT 0x00018u
#define IXGBE_CTRL_EXT_NS_DIS IXGBE_BIT(16)   /* no snoop */
#define IXGBE_CTRL_EXT_DRV_LOAD IXGBE_BIT(28) /* tells firmware that there is a driver */
#define IXGBE_ESDP 0x00020u
#define IXGBE_ESDP_TX_DISABLE \
	IXGBE_BIT(3) /* pin 3, as Intel's boards are wired: the laser is off */
#define IXGBE_I2CCTL 0x00028u
#define IXGBE_I2CCTL_CLK_OUT IXGBE_BIT(1)
#define IXGBE_I2CCTL_DATA_IN IXGBE_BIT(2)
#define IXGBE_I2CCTL_DATA_OUT IXGBE_BIT(3)

/* 8.2.3.2 EEPROM */
#define IXGBE_EEC 0x10010u
#define IXGBE_EEC_PRES IXGBE_BIT(8)
#define IXGBE_EEC_ARD IXGBE_BIT(9)	       /* auto-read done */
#define IXGBE_EEC_SIZE(eec) ((eec) >> 11 & 15) /* 64 words, doubled so often */
#define IXGBE_EERD 0x10014u
#define IXGBE_EERD_START IXGBE_BIT(0)
#define IXGBE_EERD_DONE IXGBE_BIT(1)
#define IXGBE_EERD_ADDRESS_SHIFT 2
#define IXGBE_EERD_DATA_SHIFT 16
#define IXGBE_EEMNGCTL 0x10110u
#define IXGBE_EEMNGCTL_CFG_DONE(lan) IXGBE_BIT(18 + (lan))

/* 8.2.3.3 Flow control */
#define IXGBE_FCTTV(n) (0x03200u + 4 * (n)) /* two traffic classes each */
#define IXGBE_FCTTVS 4u
#define IXGBE_FCRTL(n) (0x03220u + 4 * (n))
#define IXGBE_FCRTL_XONE IXGBE_BIT(31)
#define IXGBE_FCRTH(n) (0x03260u + 4 * (n))
#define IXGBE_FCRTH_FCEN IXGBE_BIT(31)
#define IXGBE_FCRTH_GRAIN 32u
#define IXGBE_FCRTV 0x032a0u
#define IXGBE_FCCFG 0x03d00u
#define IXGBE_FCCFG_TFCE_LINK IXGBE_BIT(3)
#define IXGBE_TRAFFIC_CLASSES 8u

/* 8.2.3.4 PCIe */
#define IXGBE_GCR_EXT 0x11050u
#define IXGBE_GCR_EXT_BUFFERS_CLEAR IXGBE_BIT(30)
#define IXGBE_SWSM 0x10140u
#define IXGBE_SWSM_SMBI IXGBE_BIT(0)	/* between drivers: reading takes it */
#define IXGBE_SWSM_SWESMBI IXGBE_BIT(1) /* between software and firmware; 82599 */
#define IXGBE_SW_FW_SYNC 0x10160u
#define IXGBE_SYNC_NVM IXGBE_BIT(0)
#define IXGBE_SYNC_PHY(lan) IXGBE_BIT(1 + (lan))
#define IXGBE_SYNC_MAC IXGBE_BIT(3)
#define IXGBE_SYNC_FW_SHIFT 5		/* firmware's bit of the same resource */
#define IXGBE_SYNC_FLASH IXGBE_BIT(4)	/* hardware has it; X540, X550 */
#define IXGBE_SYNC_REGSMP IXGBE_BIT(31) /* X540, X550: in place of SWESMBI */

/* 8.2.3.5 Interrupts */
#define IXGBE_EICR 0x00800u
#define IXGBE_EICR_QUEUES 0x0000ffffu
#define IXGBE_EICR_LSC IXGBE_BIT(20)
#define IXGBE_EICR_MODULE IXGBE_BIT(26) /* 82599, pin 2: a module has come or gone */
#define IXGBE_EICR_ALL 0x7fffffffu
#define IXGBE_EIAC 0x00810u
#define IXGBE_EITR(n) ((n) < 24 ? 0x00820u + 4 * (n) : 0x12300u + 4 * ((n)-24))
#define IXGBE_EITR_INTERVAL_SHIFT 3
#define IXGBE_EITR_INTERVAL_MAX 511u
#define IXGBE_EITR_UNIT_US 2u /* 2.048 at 1 and 10 Gb/s */
#define IXGBE_EITR_CNT_WDIS IXGBE_BIT(31)
#define IXGBE_EIMS 0x00880u
#define IXGBE_EIMC 0x00888u
#define IXGBE_EIAM 0x00890u
#define IXGBE_GPIE 0x00898u
#define IXGBE_GPIE_SDP2_82599 IXGBE_BIT(2)
#define IXGBE_GPIE_MSIX IXGBE_BIT(4)
#define IXGBE_GPIE_OCD IXGBE_BIT(5)
#define IXGBE_GPIE_EIAME IXGBE_BIT(30)
#define IXGBE_GPIE_PBA IXGBE_BIT(31)
#define IXGBE_IVAR(n) (0x00900u + 4 * (n)) /* two queues each */
#define IXGBE_IVAR_MISC 0x00a00u
#define IXGBE_IVAR_OTHER_SHIFT 8
#define IXGBE_IVAR_VALID IXGBE_BIT(7)
#define IXGBE_EIMC_EX(n) (0x00ab0u + 4 * (n))

/* 8.2.3.7 Receive filters */
#define IXGBE_RXCSUM 0x05000u
#define IXGBE_RXCSUM_PCSD IXGBE_BIT(13)
#define IXGBE_RFCTL 0x05008u
#define IXGBE_RFCTL_RSC_DIS IXGBE_BIT(5)
#define IXGBE_RFCTL_NFSW_DIS IXGBE_BIT(6)
#define IXGBE_RFCTL_NFSR_DIS IXGBE_BIT(7)
#define IXGBE_FCTRL 0x05080u
#define IXGBE_FCTRL_SBP IXGBE_BIT(1)
#define IXGBE_FCTRL_MPE IXGBE_BIT(8)
#define IXGBE_FCTRL_UPE IXGBE_BIT(9)
#define IXGBE_FCTRL_BAM IXGBE_BIT(10)
#define IXGBE_VLNCTRL 0x05088u
#define IXGBE_VLNCTRL_VFE IXGBE_BIT(30)
#define IXGBE_MCSTCTRL 0x05090u
#define IXGBE_MTA(n) (0x05200u + 4 * (n))
#define IXGBE_MTAS 128u
#define IXGBE_VFTA(n) (0x0a000u + 4 * (n))
#define IXGBE_VFTAS 128u
#define IXGBE_RAL(n) (0x0a200u + 8 * (n))
#define IXGBE_RAH(n) (0x0a204u + 8 * (n))
#define IXGBE_RAH_AV IXGBE_BIT(31)
#define IXGBE_RARS 128u
#define IXGBE_MPSAR(n) (0x0a600u + 4 * (n)) /* two for each RAL and RAH */
#define IXGBE_FTQF(n) (0x0e600u + 4 * (n))
#define IXGBE_FTQF_ENABLE IXGBE_BIT(31)
#define IXGBE_FTQFS 128u
#define IXGBE_RETA(n) (0x0eb00u + 4 * (n)) /* four entries each */
#define IXGBE_RETAS 32u
#define IXGBE_RSSRK(n) (0x0eb80u + 4 * (n))
#define IXGBE_RSSRKS 10u
#define IXGBE_MRQC 0x0ec80u
#define IXGBE_MRQC_RSS 1u
#define IXGBE_MRQC_TCP4 IXGBE_BIT(16)
#define IXGBE_MRQC_IP4 IXGBE_BIT(17)
#define IXGBE_MRQC_IP6 IXGBE_BIT(20)
#define IXGBE_MRQC_TCP6 IXGBE_BIT(21)
#define IXGBE_MRQC_UDP4 IXGBE_BIT(22)
#define IXGBE_MRQC_UDP6 IXGBE_BIT(23)
#define IXGBE_ERETA(n) (0x0ee80u + 4 * (n)) /* X550: entries 128 to 511 */
#define IXGBE_ERETAS 96u

/* 8.2.3.8 Receive DMA. Queues 0 to 63; the others are only looked at when DMA is to end. */
#define IXGBE_RX_QUEUE(n) ((n) < 64 ? 0x01000u + 0x40 * (n) : 0x0d000u + 0x40 * ((n)-64))
#define IXGBE_RDBAL(n) (IXGBE_RX_QUEUE(n) + 0x00)
#define IXGBE_RDBAH(n) (IXGBE_RX_QUEUE(n) + 0x04)
#define IXGBE_RDLEN(n) (IXGBE_RX_QUEUE(n) + 0x08)
#define IXGBE_DCA_RXCTRL(n) (IXGBE_RX_QUEUE(n) + 0x0c)
#define IXGBE_DCA_RXCTRL_BIT12 IXGBE_BIT(12) /* 82599: must be cleared */
#define IXGBE_DCA_RXCTRL_DATA_RO IXGBE_BIT(13)
#define IXGBE_DCA_RXCTRL_HEAD_RO IXGBE_BIT(15)
#define IXGBE_SRRCTL(n) (IXGBE_RX_QUEUE(n) + 0x14)
#define IXGBE_SRRCTL_HEADER_256 (4u << 8) /* the reset value; 64 bytes each */
#define IXGBE_SRRCTL_ADVANCED (1u << 25)  /* one buffer per packet */
#define IXGBE_SRRCTL_DROP_EN IXGBE_BIT(28)
#define IXGBE_RDT(n) (IXGBE_RX_QUEUE(n) + 0x18)
#define IXGBE_RXDCTL(n) (IXGBE_RX_QUEUE(n) + 0x28)
#define IXGBE_RXDCTL_ENABLE IXGBE_BIT(25)
#define IXGBE_RXDCTL_VME IXGBE_BIT(30) /* strip VLAN tags */
#define IXGBE_RSCCTL(n) (IXGBE_RX_QUEUE(n) + 0x2c)
#define IXGBE_RDRXCTL 0x02f00u
#define IXGBE_RDRXCTL_CRCSTRIP IXGBE_BIT(1)
#define IXGBE_RDRXCTL_DMAIDONE IXGBE_BIT(3)
#define IXGBE_RDRXCTL_RSCFRSTSIZE (0x1fu << 17)
#define IXGBE_RDRXCTL_RSCACKC IXGBE_BIT(25)
#define IXGBE_RDRXCTL_FCOE_WRFIX IXGBE_BIT(26)
#define IXGBE_RXCTRL 0x03000u
#define IXGBE_RXCTRL_RXEN IXGBE_BIT(0)
#define IXGBE_RSCDBU 0x03028u
#define IXGBE_RSCDBU_ACKDIS IXGBE_BIT(7)
#define IXGBE_RXPBSIZE(n) (0x03c00u + 4 * (n))

/* 8.2.3.9 Transmit DMA */
#define IXGBE_DMATXCTL 0x04a80u
#define IXGBE_DMATXCTL_TE IXGBE_BIT(0)
#define IXGBE_TXPBTHRESH(n) (0x04950u + 4 * (n)) /* KB */
#define IXGBE_TX_QUEUE(n) (0x06000u + 0x40 * (n))
#define IXGBE_TDBAL(n) (IXGBE_TX_QUEUE(n) + 0x00)
#define IXGBE_TDBAH(n) (IXGBE_TX_QUEUE(n) + 0x04)
#define IXGBE_TDLEN(n) (IXGBE_TX_QUEUE(n) + 0x08)
#define IXGBE_DCA_TXCTRL(n) (IXGBE_TX_QUEUE(n) + 0x0c)
#define IXGBE_DCA_TXCTRL_WRITEBACK_RO IXGBE_BIT(11)
#define IXGBE_TDH(n) (IXGBE_TX_QUEUE(n) + 0x10)
#define IXGBE_TDT(n) (IXGBE_TX_QUEUE(n) + 0x18)
#define IXGBE_TXDCTL(n) (IXGBE_TX_QUEUE(n) + 0x28)
#define IXGBE_TXDCTL_PTHRESH_SHIFT 0
#define IXGBE_TXDCTL_HTHRESH_SHIFT 8
#define IXGBE_TXDCTL_ENABLE IXGBE_BIT(25)
#define IXGBE_TDWBAL(n) (IXGBE_TX_QUEUE(n) + 0x38)
#define IXGBE_TDWBAH(n) (IXGBE_TX_QUEUE(n) + 0x3c)
#define IXGBE_DTXMXSZRQ 0x08100u
#define IXGBE_DTXMXSZRQ_MAX 0xfffu
#define IXGBE_MTQC 0x08120u
#define IXGBE_TXPBSIZE(n) (0x0cc00u + 4 * (n))
#define IXGBE_TXPBSIZE_SHIFT 10
#define IXGBE_RTTDQSEL 0x04904u
#define IXGBE_RTTBCNRC 0x04984u /* of the queue in RTTDQSEL */
#define IXGBE_RTTDCS 0x04900u
#define IXGBE_RTTDCS_ARBDIS IXGBE_BIT(6)
#define IXGBE_QUEUES 128u

/* 8.2.3.12 Security block: the way of all that is received, also of what is not encrypted */
#define IXGBE_SECRXCTRL 0x08d00u
#define IXGBE_SECRXCTRL_RX_DIS IXGBE_BIT(1)
#define IXGBE_SECRXSTAT 0x08d04u
#define IXGBE_SECRXSTAT_RDY IXGBE_BIT(0)

/* 8.2.3.22 MAC */
#define IXGBE_HLREG0 0x04240u
#define IXGBE_HLREG0_TXCRCEN IXGBE_BIT(0)
#define IXGBE_HLREG0_RXCRCSTRP IXGBE_BIT(1)
#define IXGBE_HLREG0_JUMBOEN IXGBE_BIT(2)
#define IXGBE_HLREG0_TXPADEN IXGBE_BIT(10)
#define IXGBE_HLREG0_LPBK IXGBE_BIT(15)
#define IXGBE_MSCA 0x0425cu
#define IXGBE_MSCA_DEVICE_SHIFT 16
#define IXGBE_MSCA_PHY_SHIFT 21
#define IXGBE_MSCA_ADDRESS (0u << 26)
#define IXGBE_MSCA_WRITE (1u << 26)
#define IXGBE_MSCA_READ (3u << 26)
#define IXGBE_MSCA_COMMAND IXGBE_BIT(30)
#define IXGBE_MSRWD 0x04260u
#define IXGBE_MSRWD_READ_SHIFT 16
#define IXGBE_MAXFRS 0x04268u
#define IXGBE_MAXFRS_SHIFT 16
#define IXGBE_MFLCN 0x04294u
#define IXGBE_MFLCN_DPF IXGBE_BIT(1)
#define IXGBE_MFLCN_RPFCE IXGBE_BIT(2)
#define IXGBE_MFLCN_RFCE IXGBE_BIT(3)
#define IXGBE_AUTOC 0x042a0u
#define IXGBE_AUTOC_RESTART IXGBE_BIT(12)
#define IXGBE_AUTOC_LMS_MASK (7u << 13)
#define IXGBE_AUTOC_LMS_10G_SERIAL (3u << 13)
#define IXGBE_AUTOC_LMS_NEGOTIATED IXGBE_BIT(15) /* in all modes with this bit */
#define IXGBE_LINKS 0x042a4u
#define IXGBE_LINKS_NON_STANDARD IXGBE_BIT(27) /* X550 */
#define IXGBE_LINKS_SPEED(links) ((links) >> 28 & 3)
#define IXGBE_LINKS_UP IXGBE_BIT(30)
#define IXGBE_AUTOC2 0x042a8u
#define IXGBE_AUTOC2_SERIAL_MASK (3u << 16)
#define IXGBE_AUTOC2_SERIAL_SFI (2u << 16)
#define IXGBE_AUTOC2_LINK_DISABLE (7u << 28) /* by the EEPROM, or when asleep */
#define IXGBE_ANLP1 0x042b0u
#define IXGBE_ANLP1_STATE(anlp1) ((anlp1) >> 16 & 15) /* of the negotiation; 0: not begun */
#define IXGBE_MMNGC 0x042d0u
#define IXGBE_MMNGC_VETO IXGBE_BIT(0) /* management needs the link as it is */
#define IXGBE_CORECTL 0x14f00u

/* 8.2.3.23 Statistics that are more than counters of the whole device */
#define IXGBE_RXMPC 0x03fa0u
#define IXGBE_RQSMR(n) (0x02300u + 4 * (n)) /* which counters count for a queue; four each */
#define IXGBE_QPRDC(n) (0x01430u + 0x40 * (n))

/* 8.2.3.27 Virtualisation: not used, but its tables take part in filtering */
#define IXGBE_PFVLVF(n) (0x0f100u + 4 * (n))
#define IXGBE_PFVLVFS 64u
#define IXGBE_PFVLVFB(n) (0x0f200u + 4 * (n))
#define IXGBE_PFVLVFBS 128u
#define IXGBE_PFUTA(n) (0x0f400u + 4 * (n))
#define IXGBE_PFUTAS 128u

#endif
