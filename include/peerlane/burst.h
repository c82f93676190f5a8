/* SPDX-License-Identifier: BSD-2-Clause */
/* A burst: the packets one poll of one queue returned, as arrays. */
#ifndef PEERLANE_BURST_H
#define PEERLANE_BURST_H

#include <stdint.h>

#define PL_BURST_MAX 1024u /* packets */
#define PL_PORTS_MAX 32u
#define PL_REASONS_MAX 64u

/* A verdict says what becomes of a packet: the kind in the high byte, a port's index or a reason's
 * number in the low byte. What the reasons mean is the processor's business (see
 * router/program/reasons.h); the library only counts them. */
enum pl_verdict_kind {
	PL_VERDICT_TX = 0,
	PL_VERDICT_PUNT = 1,
	PL_VERDICT_DROP = 2,
	PL_VERDICT_KEEP =
		3, /* a drop; but the buffer is the processor's (PL_OWNER_PROCESSOR), which gives
			      * it back to the pool itself */
};
#define PL_VERDICT_KINDS 4u

#define PL_VERDICT(kind, low) ((uint16_t)((kind) << 8 | (low)))
#define PL_VERDICT_KIND(verdict) ((unsigned)(verdict) >> 8)
#define PL_VERDICT_LOW(verdict) ((unsigned)(verdict) % 256)

struct pl_burst {
	uint8_t *base; /* of the region the frames are offsets into */
	uint32_t n;
	uint32_t port;			/* index of the port they came in on */
	uint32_t frame[PL_BURST_MAX];	/* offset of the first byte, 2 modulo 16 */
	uint16_t len[PL_BURST_MAX];	/* frame bytes, Ethernet header included, FCS not */
	uint16_t verdict[PL_BURST_MAX]; /* set by the processor */
};

#endif
