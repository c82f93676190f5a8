/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the 82599's registers are and what their bits mean, as far as the model gives them a meaning
 * (datasheet 331520, section 8.2.3; the numbers behind are of its subsections). */
#ifndef EMU_82599_REGS_H
#define EMU_82599_REGS_H

#define BIT(n) (1u << (n))

#define R_CTRL 0x00000 /* 1.1 */
#define CTRL_MASTER_DISABLE BIT(2)
#define CTRL_LRST BIT(3)
#define CTRL_RST BIT(26)
#define R_STATUS 0x00008 /* 1.2 */
#define STATUS_LINK_UP BIT(7)
#define STATUS_MASTER BIT(19)
#define R_CTRL_EXT 0x00018
#define R_ESDP 0x00020
#define R_I2CCTL 0x00028
#define I2CCTL_CLK_IN BIT(0)
#define I2CCTL_CLK_OUT BIT(1)
#define I2CCTL_DATA_IN BIT(2)
#define I2CCTL_DATA_OUT BIT(3)
#define R_LEDCTL 0x00200
#define R_EXVET 0x05078

#define R_EEC 0x10010 /* 2.1 */
#define EEC_REQ BIT(6)
#define EEC_GNT BIT(7)
#define EEC_PRES BIT(8)
#define EEC_AUTO_RD BIT(9)
#define EEC_SIZE_SHIFT 11      /* 64 words, times two to this */
#define EEC_DONE (0x7Fu << 15) /* each part of the load */
#define R_EERD 0x10014
#define R_SWSM 0x10140 /* 4.9 */
#define R_FWSM 0x10148
#define FWSM_PASS_THROUGH (2u << 1)
#define FWSM_VALID BIT(15)
#define FWSM_BAD_CHECKSUM (1u << 19)
#define R_SW_FW_SYNC 0x10160
#define SYNC_SW_PHY0 BIT(1)
#define R_GCR_EXT 0x11050
#define R_PICAUSE 0x110B0

#define R_EICR 0x00800 /* 5.1 */
#define EICR_QUEUES 0x0000FFFFu
#define EICR_OTHER 0x7FFF0000u
#define EICR_OCD 0x3FFF0000u /* all that a read clears with GPIE.OCD */
#define EICR_RX_MISS BIT(17)
#define EICR_LSC BIT(20)
#define R_EICS 0x00808
#define R_EIAC 0x00810
#define R_EITR0 0x00820	 /* 24 */
#define R_EITR24 0x12300 /* and on */
#define EITR_INTERVAL(value) ((value) >> 3 & 0x1FF)
#define EITR_COUNTER(value) ((value) >> 21 & 0x7F) /* without the interval's two low bits */
#define EITR_CNT_WDIS BIT(31)
#define EITR_UNIT_NS 2048u
#define R_EIMS 0x00880
#define R_EIMC 0x00888
#define R_EIAM 0x00890
#define R_EIAM_EX 0x00AD0 /* 2 */
#define R_GPIE 0x00898
#define GPIE_MSIX BIT(4)
#define GPIE_OCD BIT(5)
#define GPIE_EIAME BIT(30)
#define GPIE_PBA BIT(31)
#define R_IVAR 0x00900
#define R_IVAR_MISC 0x00A00
#define IVAR_VALID BIT(7)

#define R_RXCSUM 0x05000
#define R_FCTRL 0x05080 /* 7.1 */
#define FCTRL_SBP BIT(1)
#define FCTRL_MPE BIT(8)
#define FCTRL_UPE BIT(9)
#define FCTRL_BAM BIT(10)
#define R_VLNCTRL 0x05088
#define VLNCTRL_VFE BIT(30)
#define R_MCSTCTRL 0x05090
#define MCSTCTRL_MO 3u
#define MCSTCTRL_MFE BIT(2)
#define R_MTA 0x05200
#define R_RAL 0x0A200
#define R_RAH 0x0A204
#define RAH_AV BIT(31)
#define R_MRQC 0x0EC80
#define MRQC_MRQE 0xFu
#define MRQC_RSS 1u
#define R_RETA 0x0EB00
#define R_RSSRK 0x0EB80

/* Of a queue, from R_RX(q) and R_TX(q) on (8.1 and on, 9.5 and on). */
#define R_RX(q) ((q) < 64 ? 0x01000 + (q)*0x40u : 0x0D000 + ((q)-64) * 0x40u)
#define R_TX(q) (0x06000 + (q)*0x40u)
#define RING_DCA 0x0C
#define RING_SRRCTL 0x14 /* receive */
#define RXDCTL_VME BIT(30)
#define TXDCTL_PTHRESH(value) ((value)&0x7F)
#define TXDCTL_HTHRESH(value) ((value) >> 8 & 0x7F)
#define TXDCTL_WTHRESH(value) ((value) >> 16 & 0x7F)
#define RSCCTL_RSCEN BIT(0)
#define TDWBAL_ENABLE BIT(0)
#define SRRCTL_BSIZEPACKET(value) ((value)&0x1F) /* in KB */
#define SRRCTL_DROP_EN BIT(28)

#define R_RDRXCTL 0x02F00 /* 8.8 */
#define RDRXCTL_CRCSTRIP BIT(1)
#define RDRXCTL_DMAIDONE BIT(3)
#define RDRXCTL_RSCFRSTSIZE (0x1Fu << 17)
#define RDRXCTL_RSCACKC BIT(25)
#define RDRXCTL_FCOE_WRFIX BIT(26)
#define R_RXCTRL 0x03000
#define RXCTRL_RXEN BIT(0)
#define R_RXPBSIZE 0x03C00

#define R_RTTDCS 0x04900 /* 10.2 */
#define RTTDCS_ARBDIS BIT(6)
#define R_DMATXCTL 0x04A80 /* 9.2 */
#define DMATXCTL_TE BIT(0)
#define R_SECTXCTRL 0x08800 /* 12 */
#define R_SECTXSTAT 0x08804
#define R_SECRXCTRL 0x08D00
#define R_SECRXSTAT 0x08D04
#define SEC_PATH_DIS BIT(1) /* in both: stops the path */
#define SEC_RDY BIT(0)

#define R_HLREG0 0x04240 /* 22.8 */
#define HLREG0_TXCRCEN BIT(0)
#define HLREG0_RXCRCSTRP BIT(1)
#define HLREG0_JUMBOEN BIT(2)
#define R_MSCA 0x0425C
#define MSCA_COMMAND BIT(30)
#define R_MSRWD 0x04260
#define R_MAXFRS 0x04268
#define R_AUTOC 0x042A0 /* 22.19 */
#define AUTOC_FLU BIT(0)
#define AUTOC_RESTART BIT(12)
#define AUTOC_LMS(value) ((value) >> 13 & 7)
#define LMS_1G 0u
#define LMS_1G_AN 2u
#define LMS_10G_SERIAL 3u
#define LMS_NEGOTIATED 4u /* this bit in all of them */
#define R_LINKS 0x042A4
#define LINKS_BLOCK_LOCK BIT(4)
#define LINKS_SIGNAL BIT(12)
#define LINKS_1G_ENABLED BIT(21)
#define LINKS_SERIAL_ENABLED BIT(24)
#define LINKS_MODE_1G (0u << 26)
#define LINKS_MODE_SERIAL (2u << 26)
#define LINKS_1G (2u << 28)
#define LINKS_10G (3u << 28)
#define LINKS_UP BIT(30)
#define R_AUTOC2 0x042A8
#define AUTOC2_SERIAL(value) ((value) >> 16 & 3)
#define AUTOC2_SFI 2u
#define R_ANLP1 0x042B0
#define ANLP1_STATE_BEGUN (1u << 16)

/* Statistics (23). */
#define R_CRCERRS 0x04000
#define R_RXMPC 0x03FA0 /* 8 */
#define R_RUC 0x040A4
#define R_ROC 0x040AC
#define R_PRC64 0x0405C
#define R_GPRC 0x04074
#define R_BPRC 0x04078
#define R_MPRC 0x0407C
#define R_GPTC 0x04080
#define R_GORCL 0x04088
#define R_GOTCL 0x04090
#define R_TORL 0x040C0
#define R_TPR 0x040D0
#define R_TPT 0x040D4
#define R_PTC64 0x040D8
#define R_MPTC 0x040F0
#define R_BPTC 0x040F4
#define R_RXDGPC 0x02F50
#define R_RXDGBCL 0x02F54
#define R_TXDGPC 0x087A0
#define R_TXDGBCL 0x087A4
#define R_RQSMR 0x02300 /* 32: 4 queues to counters each */
#define R_TQSM 0x08600
#define R_QPRC 0x01030 /* 16, 0x40 apart */
#define R_QBRCL 0x01034
#define R_QBRCH 0x01038
#define R_QPRDC 0x01430
#define R_QPTC 0x08680	/* 16 */
#define R_QBTCL 0x08700 /* 16, 8 apart */
#define R_QBTCH 0x08704

#endif
