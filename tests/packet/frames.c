/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames for the tests, and a slow router to compare with: byte by byte, checksums from the whole
 * header, nothing shared with the code under test. */
#include <arpa/inet.h>

#include "world.h"

void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool is_ipv4(const struct frame *f)
{
	return get16(f->bytes + 12) == 0x0800;
}

void frame4_checksum(struct frame *f)
{
	uint8_t *ip = f->bytes + 14;
	unsigned header_len = (ip[0] & 15) * 4;
	uint32_t sum = 0;

	put16(ip + 10, 0);
	for (unsigned i = 0; i < header_len; i += 2)
		sum += get16(ip + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum & 0xffff);
}

static struct frame ethernet(unsigned type, unsigned ip_len)
{
	struct frame f = {.len = (uint16_t)(14 + ip_len < 60 ? 60 : 14 + ip_len)};

	memcpy(f.bytes, (uint8_t[]){0x02, 0, 0, 0, 0, 0}, 6);
	memcpy(f.bytes + 6, (uint8_t[]){0x02, 0, 0, 0, 0x99, 0x01}, 6);
	put16(f.bytes + 12, type);
	for (unsigned i = 14; i < f.len; i++)
		f.bytes[i] = (uint8_t)(i * 7);
	return f;
}

struct frame frame4(const char *dst, unsigned ip_len)
{
	struct frame f = ethernet(0x0800, ip_len);
	uint8_t *ip = f.bytes + 14;

	ip[0] = 0x45;
	ip[1] = 0;
	put16(ip + 2, ip_len);
	put16(ip + 4, 0x1234);
	put16(ip + 6, 0);
	ip[8] = 64;
	ip[9] = 17;
	frame_set_src(&f, "198.51.100.1");
	frame_set_dst(&f, dst);
	frame_set_ports(&f, 1000, 2000);
	return f;
}

struct frame frame6(const char *dst, unsigned ip_len)
{
	struct frame f = ethernet(0x86dd, ip_len);
	uint8_t *ip = f.bytes + 14;

	ip[0] = 0x60;
	memset(ip + 1, 0, 3);
	put16(ip + 4, ip_len - 40);
	ip[6] = 17;
	ip[7] = 64;
	frame_set_src(&f, "2001:db8:ff::1");
	frame_set_dst(&f, dst);
	frame_set_ports(&f, 1000, 2000);
	return f;
}

struct frame frame_to(const char *dst, unsigned ip_len)
{
	return strchr(dst, ':') ? frame6(dst, ip_len) : frame4(dst, ip_len);
}

static void set_addr(struct frame *f, const char *addr, unsigned at4, unsigned at6)
{
	uint8_t *ip = f->bytes + 14;

	if (is_ipv4(f)) {
		assert_int_equal(inet_pton(AF_INET, addr, ip + at4), 1);
		frame4_checksum(f);
	} else {
		assert_int_equal(inet_pton(AF_INET6, addr, ip + at6), 1);
	}
}

void frame_set_src(struct frame *f, const char *addr)
{
	set_addr(f, addr, 12, 8);
}

void frame_set_dst(struct frame *f, const char *addr)
{
	set_addr(f, addr, 16, 24);
}

void frame_set_ttl(struct frame *f, uint8_t ttl)
{
	if (is_ipv4(f)) {
		f->bytes[14 + 8] = ttl;
		frame4_checksum(f);
	} else {
		f->bytes[14 + 7] = ttl;
	}
}

void frame_set_ports(struct frame *f, uint16_t src, uint16_t dst)
{
	uint8_t *udp = f->bytes + 14 + (is_ipv4(f) ? (f->bytes[14] & 15) * 4 : 40);

	put16(udp, src);
	put16(udp + 2, dst);
}

struct frame frame_forwarded(const struct frame *in, unsigned port, uint16_t to)
{
	struct frame f = *in;
	uint8_t *ip = f.bytes + 14;

	memcpy(f.bytes, (uint8_t[]){0x02, 0, 0, 0, (uint8_t)(to >> 8), (uint8_t)to}, 6);
	memcpy(f.bytes + 6, (uint8_t[]){0x02, 0, 0, 0, 0, (uint8_t)port}, 6);
	if (is_ipv4(&f)) {
		ip[8]--;
		frame4_checksum(&f);
		f.len = (uint16_t)(14 + get16(ip + 2));
	} else {
		ip[7]--;
		f.len = (uint16_t)(14 + 40 + get16(ip + 4));
	}
	return f;
}
