/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator's frames: Ethernet, IPv4 or IPv6, UDP, a record (record.h), a filler. Knows nothing of
 * ends, time or flows' state.
 *
 * Sizes that users see count the FCS, as RFC 2544 does; lengths of frames in memory do not. */
#ifndef GEN_FRAME_H
#define GEN_FRAME_H

#include "record.h"

#define GEN_FCS 4u
#define GEN_WIRE_OVERHEAD 20u /* preamble and gap between frames, in bytes of line */
#define GEN_HEADER4 42u	      /* Ethernet, IPv4, UDP */
#define GEN_HEADER6 62u
#define GEN_SIZE_MIN4 (GEN_HEADER4 + GEN_RECORD_BYTES + GEN_FCS) /* 64 */
#define GEN_SIZE_MIN6 (GEN_HEADER6 + GEN_RECORD_BYTES + GEN_FCS) /* 84 */
#define GEN_SIZE_MAX 9018u
#define GEN_FILLER_MAX (GEN_SIZE_MAX - GEN_SIZE_MIN4)

/* What stands behind the record: always the same bytes, so that a single wrong one is found by comparing. */
struct gen_filler {
	uint8_t bytes[GEN_FILLER_MAX];
	uint16_t
		sum[GEN_FILLER_MAX + 1]; /* Internet checksum, not inverted, of the first n bytes */
};

void gen_filler_init(struct gen_filler *filler);

/* What all frames of a family and a size have in common. */
struct gen_template {
	uint8_t header[GEN_HEADER6 + 2];
	uint8_t family;	      /* AF_INET or AF_INET6 */
	uint32_t len;	      /* of the frame */
	uint32_t payload_len; /* of UDP */
	uint32_t
		sum; /* of what does not vary: IPv4: of the IP header; IPv6: what UDP's checksum is over */
};

/* One flow as its sender has it. */
struct gen_flow_tx {
	uint32_t seq;	      /* of the next frame */
	uint32_t sum;	      /* of addresses and source port, as in gen_template.sum */
	uint16_t source_port; /* network order */
	uint8_t family;
	uint8_t source[16], destination[16]; /* IPv4: the first 4 bytes */
};

struct gen_headers {
	uint8_t smac[6], dmac[6];
	uint16_t port; /* UDP, destination */
	uint8_t ttl;
};

/* `size` with FCS, from GEN_SIZE_MIN4 or _MIN6 to GEN_SIZE_MAX. */
void gen_template_init(struct gen_template *t, uint8_t family, unsigned size,
		       const struct gen_headers *headers, const struct gen_filler *filler);

/* Computes `sum`, once the other members are set. */
void gen_flow_tx_init(struct gen_flow_tx *flow);

/* Writes a frame of t->len bytes. */
void gen_frame_build(uint8_t *frame, const struct gen_template *t, const struct gen_flow_tx *flow,
		     const struct gen_record *record, const struct gen_filler *filler);

enum gen_kind {
	GEN_GOOD,
	GEN_CORRUPT, /* its record is whole, something else is not */
	GEN_DAMAGED, /* the run's, but not even the record is to be trusted */
	GEN_FOREIGN, /* another run's, or no generator's */
};

/* Reads a frame that came from outside, of the run `run` or of any (GEN_RUN_ANY); `record` is filled if it is good
 * or corrupt. Checked are the record, every byte of the filler, IPv4's header checksum, and IPv6's UDP checksum. */
enum gen_kind gen_frame_parse(const uint8_t *frame, uint32_t len, uint16_t port, uint16_t run,
			      const struct gen_filler *filler, struct gen_record *record);

/* Sum of 16-bit words in memory's order, an odd byte at the end padded; and that as 16 bits. */
uint32_t gen_sum(const void *data, uint32_t len);
static inline uint16_t gen_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

#endif
