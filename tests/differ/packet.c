/* SPDX-License-Identifier: BSD-2-Clause */
#include <netinet/in.h>
#include <string.h>

#include "differ.h"

unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

uint32_t checksum_add(uint32_t sum, const uint8_t *p, unsigned len)
{
	for (; len > 1; p += 2, len -= 2)
		sum += get16(p);
	if (len)
		sum += (uint32_t)*p << 8;
	return sum;
}

uint16_t checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t checksum_pseudo(const uint8_t *ip, unsigned protocol, unsigned len)
{
	bool v6 = ip[0] >> 4 == 6;

	return checksum_add(protocol + len, v6 ? ip + 8 : ip + 12, v6 ? 32 : 8);
}

static struct payload payload4(const uint8_t *ip, unsigned len)
{
	struct payload p = {0};
	unsigned header = (ip[0] & 15u) * 4, total = get16(ip + 2);

	if (header < 20 || header > len || total < header)
		return p;
	p.at = header;
	p.len = (total < len ? total : len) - header;
	p.protocol = ip[9];
	p.fragment = get16(ip + 6) & 0x3fff;
	p.later = get16(ip + 6) & 0x1fff;
	return p;
}

static bool is_extension(unsigned next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH || next == 135 || next == 139 ||
	       next == 140;
}

static struct payload payload6(const uint8_t *ip, unsigned len)
{
	struct payload p = {.at = 40, .protocol = ip[6]};
	unsigned end = 40 + get16(ip + 4);

	if (end > len)
		end = len;
	while (is_extension(p.protocol) && p.at + 8 <= end && !p.later) {
		const uint8_t *header = ip + p.at;
		unsigned size = 8 + header[1] * 8u;

		if (p.protocol == IPPROTO_AH)
			size = 8 + header[1] * 4u;
		if (p.protocol == IPPROTO_FRAGMENT) {
			size = 8;
			p.fragment_at = p.at;
			p.fragment |= get16(header + 2) & 0xfff9;
			p.later = get16(header + 2) & 0xfff8;
		}
		if (p.at + size > end)
			break;
		p.protocol = header[0];
		p.at += size;
	}
	p.len = end - p.at;
	return p;
}

struct payload packet_payload(const uint8_t *ip, unsigned len)
{
	if (len >= 20 && ip[0] >> 4 == 4)
		return payload4(ip, len);
	if (len >= 40 && ip[0] >> 4 == 6)
		return payload6(ip, len);
	return (struct payload){0};
}
