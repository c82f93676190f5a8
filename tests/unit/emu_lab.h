/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the emulated NICs' engine share: an emulated 82599 with its registers set up by hand,
 * rings and buffers in memory mapped for it, a wire in memory, and what has been reported. */
#ifndef PEERLANE_TESTS_EMU_LAB_H
#define PEERLANE_TESTS_EMU_LAB_H

#include <stddef.h>
#include <stdint.h>

#include <peerlane/memory.h>
#include <peerlane/pci.h>

#include "emu/emu.h"

#define LAB_RING 64u /* descriptors */
#define LAB_QUEUES 4u
#define LAB_BUF 2048u
#define LAB_OFFSET 2u /* of a frame in its buffer */
#define LAB_PATIENCE_MS 20000
#define LAB_SENT_MAX 4096u

/* ---- registers of the 82599 ---- */

#define CTRL 0x00000
#define CTRL_MASTER_DISABLE (1u << 2)
#define EIMS 0x00880
#define EIMC 0x00888
#define EICR 0x00800
#define GPIE 0x00898
#define IVAR(n) (0x00900 + 4 * (n))
#define RDBAL(q) (0x01000 + 0x40 * (q))
#define RDBAH(q) (0x01004 + 0x40 * (q))
#define RDLEN(q) (0x01008 + 0x40 * (q))
#define RDH(q) (0x01010 + 0x40 * (q))
#define SRRCTL(q) (0x01014 + 0x40 * (q))
#define SRRCTL_ADVANCED (1u << 25)
#define SRRCTL_DROP_EN (1u << 28)
#define RDT(q) (0x01018 + 0x40 * (q))
#define RXDCTL(q) (0x01028 + 0x40 * (q))
#define DCTL_ENABLE (1u << 25)
#define QPRC(q) (0x01030 + 0x40 * (q))
#define QPRDC(q) (0x01430 + 0x40 * (q))
#define RDRXCTL 0x02f00
#define RDRXCTL_CRCSTRIP (1u << 1)
#define RXCTRL 0x03000
#define RXMPC0 0x03fa0
#define CRCERRS 0x04000
#define RUC 0x040a4
#define ROC 0x040ac
#define TPR 0x040d0
#define HLREG0 0x04240
#define HLREG0_RXCRCSTRP (1u << 1)
#define MAXFRS 0x04268
#define LINKS 0x042a4
#define LINKS_UP (1u << 30)
#define DMATXCTL 0x04a80
#define FCTRL 0x05080
#define FCTRL_SBP (1u << 1)
#define FCTRL_MPE (1u << 8)
#define FCTRL_UPE (1u << 9)
#define FCTRL_BAM (1u << 10)
#define MCSTCTRL 0x05090
#define MTA(n) (0x05200 + 4 * (n))
#define TDBAL(q) (0x06000 + 0x40 * (q))
#define TDBAH(q) (0x06004 + 0x40 * (q))
#define TDLEN(q) (0x06008 + 0x40 * (q))
#define TDH(q) (0x06010 + 0x40 * (q))
#define TDT(q) (0x06018 + 0x40 * (q))
#define TXDCTL(q) (0x06028 + 0x40 * (q))
#define RETA(n) (0x0eb00 + 4 * (n))
#define RSSRK(n) (0x0eb80 + 4 * (n))
#define MRQC 0x0ec80

/* ---- descriptors ---- */

#define RX_DD (1u << 0)
#define RX_EOP (1u << 1)
#define RX_IPCS (1u << 6)
#define RX_RXE (1u << 29)
#define RX_IPE (1u << 31)

#define TX_DATA (3u << 20)
#define TX_EOP (1u << 24)
#define TX_IFCS (1u << 25)
#define TX_RS (1u << 27)
#define TX_DEXT (1u << 29)
#define TX_PLAIN (TX_DATA | TX_EOP | TX_IFCS | TX_DEXT)
#define TX_DD 1u

union lab_desc {
	struct {
		uint64_t buffer, other;
	} read;
	uint32_t word[4]; /* what was written back */
};

struct lab_sent {
	uint32_t len;
	uint8_t data[16000];
};

struct lab {
	struct emu *emu;
	struct pl_pci *pci;
	struct emu_wire *wire;
	struct pl_region region; /* rings, then buffers */
	struct pl_dma dma;
	union lab_desc *rx[LAB_QUEUES], *tx[LAB_QUEUES];
	uint32_t rx_tail[LAB_QUEUES], tx_tail[LAB_QUEUES];
	char reports[4096];
	struct lab_sent *sent; /* by the NIC, the first LAB_SENT_MAX */
	unsigned n_sent;
};

/* Powers the NIC on and waits for its link. `queues` RX and TX queues are enabled, RX rings empty; frames for
 * lab_mac and broadcasts are received, up to 1518 bytes with FCS. */
void lab_open(struct lab *lab, unsigned queues);
/* What a wire in memory keeps the frames by: `sent` of emu_wire_memory(), for `lab`. */
void lab_note_sent(void *lab, const struct emu_frame *frames, unsigned n);
/* The same, with frames that the NIC sends given to `sent` rather than kept. */
void lab_open_to(struct lab *lab, unsigned queues,
		 void (*sent)(void *ctx, const struct emu_frame *frames, unsigned n), void *ctx);
/* The same, on any wire. */
void lab_open_wire(struct lab *lab, unsigned queues, struct emu_wire *wire);
void lab_close(struct lab *lab);
extern const uint8_t lab_mac[6];

uint32_t lab_read(struct lab *lab, uint32_t offset);
void lab_write(struct lab *lab, uint32_t offset, uint32_t value);

/* Turns the emulator until nothing moves. */
void lab_settle(struct lab *lab);

/* Has the NIC reported something with these words (all of it is then forgotten)? Fails if not. */
void lab_expect_report(struct lab *lab, const char *words);
void lab_expect_no_report(struct lab *lab);

/* Buffer `i` of queue `q`'s RX or TX side: LAB_BUF bytes, of which the frame begins at LAB_OFFSET. */
uint8_t *lab_rx_buffer(struct lab *lab, unsigned q, unsigned i);
uint8_t *lab_tx_buffer(struct lab *lab, unsigned q, unsigned i);
/* Where the NIC finds a byte of the region. */
uint64_t lab_address(struct lab *lab, const void *at);

/* Gives the NIC `n` more descriptors of RX queue `q`, with buffers filled with 0xa5. */
void lab_give(struct lab *lab, unsigned q, unsigned n);

/* Checks that descriptor `i` of RX queue `q` is done with all of the frame, whose status may have these
 * bits beside DD and EOP. */
void lab_expect_rx(struct lab *lab, unsigned q, unsigned i, const struct emu_frame *frame,
		   uint32_t status);
void lab_expect_not_rx(struct lab *lab, unsigned q, unsigned i);

/* Writes descriptor `i` of TX queue `q` for `len` bytes of buffer `i`. */
void lab_tx_desc(struct lab *lab, unsigned q, unsigned i, uint32_t command, uint32_t len,
		 uint32_t paylen);
/* Rings the doorbell. */
void lab_tx_ring(struct lab *lab, unsigned q, uint32_t tail);

/* A frame of `len` bytes for lab_mac, whose contents depend on `seq`. */
void lab_frame(uint8_t *data, uint32_t len, uint32_t seq);

#endif
