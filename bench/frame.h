/* SPDX-License-Identifier: BSD-2-Clause */
/* What benchmarks send: UDP to the discard service, from an address that nobody has. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdint.h>
#include <string.h>

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* All of an IPv4 frame of `len` bytes, without FCS, behind its MACs. It is zeroed before. */
static inline void frame_udp4(uint8_t *frame, uint32_t len, uint8_t ttl, const uint8_t to[4])
{
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;

	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, len - 14);
	ip[8] = ttl;
	ip[9] = 17;
	memcpy(ip + 12, (uint8_t[]){198, 51, 100, 1}, 4);
	memcpy(ip + 16, to, 4);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
	put16(ip + 22, 9); /* discard */
	put16(ip + 24, len - 34);
}

#endif
