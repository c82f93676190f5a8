/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "frame.h"

#define IP_AT 14u
#define SUM4_AT 24u /* IPv4's header checksum */
#define SOURCE4_AT 26u
#define SOURCE6_AT 22u
#define UDP4_AT 34u
#define UDP6_AT 54u

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

uint32_t gen_sum(const void *data, uint32_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;
	uint16_t word;

	for (; len >= 2; len -= 2, p += 2) {
		memcpy(&word, p, 2);
		sum += word;
	}
	if (len) {
		word = 0;
		memcpy(&word, p, 1);
		sum += word;
	}
	return sum;
}

void gen_filler_init(struct gen_filler *filler)
{
	uint32_t x = 1;

	for (unsigned i = 0; i < GEN_FILLER_MAX; i++) {
		x = x * 1664525u + 1013904223u;
		filler->bytes[i] = (uint8_t)(x >> 24);
	}
	filler->sum[0] = 0;
	for (unsigned i = 1; i <= GEN_FILLER_MAX; i++) {
		unsigned even = (i - 1) & ~1u;

		filler->sum[i] =
			gen_fold(filler->sum[even] + gen_sum(filler->bytes + even, i - even));
	}
}

static void fill_udp(struct gen_template *t, unsigned at, uint16_t port)
{
	put16(t->header + at + 2, port);
	put16(t->header + at + 4, t->payload_len + 8);
}

void gen_template_init(struct gen_template *t, uint8_t family, unsigned size,
		       const struct gen_headers *headers, const struct gen_filler *filler)
{
	uint8_t *ip = t->header + IP_AT;

	*t = (struct gen_template){.family = family, .len = size - GEN_FCS};
	t->payload_len = t->len - (family == AF_INET ? GEN_HEADER4 : GEN_HEADER6);
	memcpy(t->header, headers->dmac, 6);
	memcpy(t->header + 6, headers->smac, 6);
	if (family == AF_INET) {
		put16(t->header + 12, ETHERTYPE_IP);
		ip[0] = 0x45;
		put16(ip + 2, t->len - IP_AT);
		ip[8] = headers->ttl;
		ip[9] = IPPROTO_UDP;
		t->sum = gen_sum(ip, 12);
		/* UDP's checksum is 0: not computed (RFC 768). The record and the filler tell more. */
		fill_udp(t, UDP4_AT, headers->port);
	} else {
		put16(t->header + 12, ETHERTYPE_IPV6);
		ip[0] = 0x60;
		put16(ip + 4, t->payload_len + 8);
		ip[6] = IPPROTO_UDP;
		ip[7] = headers->ttl;
		fill_udp(t, UDP6_AT, headers->port);
		/* Pseudo-header's length and protocol, ports and length (RFC 8200 8.1). */
		t->sum = htons(t->payload_len + 8) + htons(IPPROTO_UDP) +
			 gen_sum(t->header + UDP6_AT, 8) +
			 filler->sum[t->payload_len - GEN_RECORD_BYTES];
	}
}

void gen_flow_tx_init(struct gen_flow_tx *flow)
{
	unsigned bytes = flow->family == AF_INET ? 4 : 16;

	flow->sum = gen_sum(flow->source, bytes) + gen_sum(flow->destination, bytes);
	if (flow->family == AF_INET6)
		flow->sum += flow->source_port;
}

/* The words of a record: summed as they lie, all in even places. */
static uint64_t record_sum(const uint8_t *record)
{
	uint32_t words[4];
	uint16_t run;

	memcpy(&run, record, 2);
	memcpy(words, record + 2, 16);
	return (uint64_t)run + words[0] + words[1] + words[2] + words[3];
}

static void build4(uint8_t *frame, const struct gen_template *t, const struct gen_flow_tx *flow)
{
	uint16_t sum = (uint16_t)~gen_fold((uint64_t)t->sum + flow->sum);

	memcpy(frame, t->header, GEN_HEADER4);
	memcpy(frame + SUM4_AT, &sum, 2);
	memcpy(frame + SOURCE4_AT, flow->source, 4);
	memcpy(frame + SOURCE4_AT + 4, flow->destination, 4);
	memcpy(frame + UDP4_AT, &flow->source_port, 2);
}

static void build6(uint8_t *frame, const struct gen_template *t, const struct gen_flow_tx *flow)
{
	uint16_t sum;

	memcpy(frame, t->header, GEN_HEADER6);
	memcpy(frame + SOURCE6_AT, flow->source, 16);
	memcpy(frame + SOURCE6_AT + 16, flow->destination, 16);
	memcpy(frame + UDP6_AT, &flow->source_port, 2);
	sum = (uint16_t)~gen_fold(record_sum(frame + GEN_HEADER6) + t->sum + flow->sum);
	if (!sum)
		sum = 0xffff;
	memcpy(frame + UDP6_AT + 6, &sum, 2);
}

void gen_frame_build(uint8_t *frame, const struct gen_template *t, const struct gen_flow_tx *flow,
		     const struct gen_record *record, const struct gen_filler *filler)
{
	uint32_t header = t->family == AF_INET ? GEN_HEADER4 : GEN_HEADER6;
	uint32_t rest = t->payload_len - GEN_RECORD_BYTES;

	gen_record_put(frame + header, record, t->payload_len);
	if (t->family == AF_INET)
		build4(frame, t, flow);
	else
		build6(frame, t, flow);
	if (rest)
		memcpy(frame + header + GEN_RECORD_BYTES, filler->bytes, rest);
}

/* Where the UDP header of an unfragmented UDP packet to our port is; 0: it is none. `payload_len` becomes 0 if the
 * lengths in its headers are not right, as when it was cut; there is a record's room all the same. Lengths are read
 * once: the frame may lie in memory that another process writes. */
static uint32_t find_udp(const uint8_t *frame, uint32_t len, uint16_t port, uint32_t *payload_len)
{
	const uint8_t *ip = frame + IP_AT;
	uint32_t type, at, ip_payload;

	if (len < GEN_SIZE_MIN4 - GEN_FCS)
		return 0;
	type = get16(frame + 12);
	if (type == ETHERTYPE_IP) {
		at = UDP4_AT;
		if (ip[0] != 0x45 || ip[9] != IPPROTO_UDP || get16(ip + 6) & 0x3fff)
			return 0;
		ip_payload = get16(ip + 2) - 20;
	} else if (type == ETHERTYPE_IPV6) {
		at = UDP6_AT;
		if (len < GEN_SIZE_MIN6 - GEN_FCS || ip[0] >> 4 != 6 || ip[6] != IPPROTO_UDP)
			return 0;
		ip_payload = get16(ip + 4);
	} else {
		return 0;
	}
	if (get16(frame + at + 2) != port)
		return 0;
	if (ip_payload > len - at || get16(frame + at + 4) != ip_payload ||
	    ip_payload < 8 + GEN_RECORD_BYTES)
		*payload_len = 0;
	else
		*payload_len = ip_payload - 8;
	return at;
}

/* Whether the checksum is right of what the record and the filler do not cover. */
static bool sum_right(const uint8_t *frame, uint32_t udp, uint32_t payload_len,
		      const struct gen_filler *filler)
{
	uint64_t sum;

	if (udp == UDP4_AT)
		return gen_fold(gen_sum(frame + IP_AT, 20)) == 0xffff;
	sum = gen_sum(frame + SOURCE6_AT, 32 + 8) + (uint32_t)htons(payload_len + 8) +
	      htons(IPPROTO_UDP) + record_sum(frame + GEN_HEADER6);
	return gen_fold(sum + filler->sum[payload_len - GEN_RECORD_BYTES]) == 0xffff;
}

enum gen_kind gen_frame_parse(const uint8_t *frame, uint32_t len, uint16_t port, uint16_t run,
			      const struct gen_filler *filler, struct gen_record *record)
{
	uint32_t payload_len, rest, udp = find_udp(frame, len, port, &payload_len);
	const uint8_t *payload = frame + udp + 8;

	if (!udp)
		return GEN_FOREIGN;
	if (!payload_len)
		return run && gen_record_run(payload) == run ? GEN_DAMAGED : GEN_FOREIGN;
	rest = payload_len - GEN_RECORD_BYTES;
	if (rest > GEN_FILLER_MAX)
		return GEN_FOREIGN;
	switch (gen_record_get(payload, run, record, payload_len)) {
	case GEN_RECORD_NONE:
		return GEN_FOREIGN;
	case GEN_RECORD_DAMAGED:
		return GEN_DAMAGED;
	case GEN_RECORD_GOOD:
		break;
	}
	if (rest && memcmp(payload + GEN_RECORD_BYTES, filler->bytes, rest) != 0)
		return GEN_CORRUPT;
	return sum_right(frame, udp, payload_len, filler) ? GEN_GOOD : GEN_CORRUPT;
}
