/* SPDX-License-Identifier: BSD-2-Clause */
/* IP packets: single ones with everything that a header may say, flows, fragments. */
#include <netinet/in.h>
#include <string.h>

#include "address.h"
#include "differ.h"
#include "make.h"

static unsigned protocol4(struct rng *rng)
{
	return one_in(rng, 16) ? rnd(rng, 256)
			       : PICK(rng, 17, 17, 17, 6, 6, 1, 1, 1, 1, 2, 47, 50, 132, 136);
}

static unsigned protocol6(struct rng *rng)
{
	return one_in(rng, 16)
		       ? rnd(rng, 256)
		       : PICK(rng, 17, 17, 17, 6, 6, 58, 58, 58, 58, 50, 59, 132, 136, 4, 41);
}

/* One field of the header that says something else than is so. Checksums are right afterwards, but
 * for the last case. */
static void wrong_field4(struct rng *rng, uint8_t *ip, unsigned len)
{
	unsigned header_len = (ip[0] & 15u) * 4;

	switch (rnd(rng, 8)) {
	case 0:
		ip[0] = (uint8_t)(rnd(rng, 16) << 4 | (ip[0] & 15));
		break;
	case 1:
		ip[0] = (uint8_t)(0x40 | rnd(rng, 16));
		break;
	case 2:
		put16(ip + 2, rnd(rng, 0x10000));
		break;
	case 3:
		put16(ip + 2, rnd(rng, 24));
		break;
	case 4:
		put16(ip + 2, len + 1 + rnd(rng, 10));
		break;
	case 5:
		put16(ip + 2, len - rnd(rng, len - 19 < 12 ? len - 19 : 12));
		break;
	default:
		put16(ip + 10, one_in(rng, 2) ? rnd(rng, 0x10000) : get16(ip + 10) ^ 0xffff);
		return;
	}
	header_len = (ip[0] & 15u) * 4;
	if (header_len < 20 || header_len > len)
		header_len = 20;
	put16(ip + 10, 0);
	put16(ip + 10, checksum_fold(checksum_add(0, ip, header_len)));
}

static void addresses4(struct rng *rng, unsigned port, uint8_t *ip)
{
	address_dst4(rng, port, ip + 16);
	if (address_is_routable4(ip + 16))
		address_src4(rng, port, ip + 12);
	else
		address_far4(rng, port, ip + 12);
}

unsigned make_ipv4(struct rng *rng, unsigned port, uint8_t *ip)
{
	unsigned len = make_length(rng), header_len = 20;

	memset(ip, 0, 20);
	ip[1] = (uint8_t)(one_in(rng, 4) ? rnd(rng, 256) : 0);
	put16(ip + 4, rnd(rng, 0x10000));
	if (one_in(rng, 3))
		put16(ip + 6, 0x4000);
	else if (one_in(rng, 16))
		put16(ip + 6, rnd(rng, 0x10000));
	ip[8] = (uint8_t)make_ttl(rng);
	ip[9] = (uint8_t)protocol4(rng);
	addresses4(rng, port, ip);
	if (one_in(rng, 10))
		header_len += make_options4(rng, ip + 20);
	if (len < header_len)
		len = header_len + (one_in(rng, 2) ? len : 0);
	ip[0] = 0x40; /* for the pseudo header */
	make_payload(rng, port, ip, ip[9], ip + header_len, len - header_len);
	seal_ipv4(ip, header_len, len);
	if (one_in(rng, 12))
		wrong_field4(rng, ip, len);
	return len;
}

static void wrong_field6(struct rng *rng, uint8_t *ip, unsigned len)
{
	switch (rnd(rng, 4)) {
	case 0:
		ip[0] = (uint8_t)(rnd(rng, 16) << 4 | (ip[0] & 15));
		break;
	case 1:
		put16(ip + 4, rnd(rng, 0x10000));
		break;
	case 2:
		put16(ip + 4, len - 40 + 1 + rnd(rng, 10));
		break;
	default:
		put16(ip + 4, rnd(rng, len - 39));
	}
}

unsigned make_ipv6(struct rng *rng, unsigned port, uint8_t *ip)
{
	unsigned len = make_length(rng), at = 40;
	uint8_t *last = ip + 6;
	unsigned protocol = protocol6(rng);

	if (len < 40)
		len += 40;
	memset(ip, 0, 40);
	if (one_in(rng, 4))
		put32(ip, (uint32_t)rng_next(rng) & 0xfffffff);
	ip[7] = (uint8_t)make_ttl(rng);
	address_dst6(rng, port, ip + 24);
	address_src6(rng, port, ip + 8);
	ip[0] |= 0x60;
	if (one_in(rng, 5))
		at += make_extensions6(rng, ip + at, len - at, ip + 6, &last);
	*last = (uint8_t)protocol;
	make_payload(rng, port, ip, protocol, ip + at, len - at);
	seal_ipv6(ip, len);
	if (one_in(rng, 12))
		wrong_field6(rng, ip, len);
	return len;
}

/* ---- groups of eight ---- */

unsigned make_flow(struct rng group, unsigned i, unsigned port, uint8_t *ip, uint64_t number)
{
	bool v6 = one_in(&group, 2);
	unsigned header_len = v6 ? 40 : 20, protocol = one_in(&group, 2) ? 17 : 6;
	unsigned len = header_len + 28 + rnd(&group, 1200);
	uint32_t ports = (uint32_t)rng_next(&group);
	uint8_t *p = ip + header_len;
	struct rng own = rng_of(number, i);

	memset(ip, 0, header_len);
	if (v6) {
		address_far6(&group, port, ip + 8);
		address_far6(&group, (port + 1 + rnd(&group, 2)) % PORTS, ip + 24);
		ip[6] = (uint8_t)protocol;
		ip[7] = 64;
		seal_ipv6(ip, len);
	} else {
		address_far4(&group, port, ip + 12);
		address_far4(&group, (port + 1 + rnd(&group, 2)) % PORTS, ip + 16);
		ip[8] = 64;
		ip[9] = (uint8_t)protocol;
		put16(ip + 4, (unsigned)number & 0xffff);
		seal_ipv4(ip, 20, len);
	}
	make_random(&own, p, len - header_len);
	put32(p, ports);
	if (protocol == 17)
		put16(p + 4, len - header_len);
	else
		p[12] = 0x50, p[13] = 0x10;
	seal_payload(ip, protocol, p, len - header_len);
	return len;
}

/* Where fragment `i` of a packet of `total` bytes begins and how long it is. The eighth lies over
 * others, now and then; the order is mixed. */
struct piece {
	unsigned at, len;
	bool more;
};

static struct piece piece_of(struct rng *group, unsigned i, unsigned total)
{
	unsigned order = rnd(group, 4), pieces = 2 + rnd(group, 6), size;
	struct piece piece;

	size = (total / pieces + 7) & ~7u;
	if (order == 0)
		i = pieces - 1 - i % pieces;
	i %= pieces;
	piece.at = i * size;
	if (piece.at >= total)
		piece.at = total > 8 ? (total - 1) & ~7u : 0;
	piece.len = total - piece.at < size ? total - piece.at : size;
	piece.more = piece.at + piece.len < total;
	if (order == 1 && i == 1) /* over the first */
		piece.at -= 8;
	return piece;
}

unsigned make_fragments4(struct rng group, unsigned i, unsigned port, uint8_t *ip)
{
	static uint8_t whole[4096];
	unsigned total = 64 + rnd(&group, one_in(&group, 4) ? 3000 : 1000);
	struct piece piece;

	memset(ip, 0, 20);
	put16(ip + 4, rnd(&group, 0x10000));
	ip[8] = (uint8_t)(one_in(&group, 8) ? 1 : 64);
	ip[9] = (uint8_t)PICK(&group, 17, 1, 6, 253);
	address_far4(&group, port, ip + 12);
	if (one_in(&group, 3))
		address_router4(&group, port, ip + 16);
	else
		address_dst4(&group, port, ip + 16);
	ip[0] = 0x40;
	memset(whole, 0, 20);
	make_payload(&group, port, ip, ip[9], whole, total);
	if (ip[9] == 1) {
		whole[0] = 8;
		whole[1] = 0;
		seal_payload(ip, 1, whole, total);
	}
	piece = piece_of(&group, i, total);
	memcpy(ip + 20, whole + piece.at, piece.len);
	put16(ip + 6, piece.at / 8 | (piece.more ? 0x2000 : 0));
	seal_ipv4(ip, 20, 20 + piece.len);
	return 20 + piece.len;
}

unsigned make_fragments6(struct rng group, unsigned i, unsigned port, uint8_t *ip)
{
	static uint8_t whole[4096];
	unsigned total = 64 + rnd(&group, one_in(&group, 4) ? 3000 : 1000), protocol;
	uint8_t *header = ip + 40;
	struct piece piece;

	memset(ip, 0, 48);
	ip[6] = IPPROTO_FRAGMENT;
	ip[7] = (uint8_t)(one_in(&group, 8) ? 1 : 64);
	protocol = PICK(&group, 17, 58, 6, 253);
	address_far6(&group, port, ip + 8);
	if (one_in(&group, 3))
		address_router6(&group, port, ip + 24);
	else
		address_dst6(&group, port, ip + 24);
	ip[0] = 0x60;
	make_payload(&group, port, ip, protocol, whole, total);
	if (protocol == 58) {
		whole[0] = 128;
		whole[1] = 0;
		seal_payload(ip, 58, whole, total);
	}
	header[0] = (uint8_t)protocol;
	put32(header + 4, (uint32_t)rng_next(&group));
	piece = piece_of(&group, i, total);
	put16(header + 2, piece.at | piece.more);
	memcpy(ip + 48, whole + piece.at, piece.len);
	seal_ipv6(ip, 48 + piece.len);
	return 48 + piece.len;
}
