/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4 options and IPv6 extension headers. */
#include <netinet/in.h>
#include <string.h>

#include "address.h"
#include "differ.h"
#include "make.h"

/* One option of up to `room` bytes; returns how many it has. */
static unsigned option4(struct rng *rng, uint8_t *p, unsigned room)
{
	static const uint8_t kinds[] = {7, 7, 68, 68, 131, 137, 148, 148, 130, 133, 134, 136, 82};
	unsigned len, type = one_in(rng, 8) ? rnd(rng, 256) : kinds[rnd(rng, sizeof(kinds))];

	if (room < 4 || one_in(rng, 4)) {
		p[0] = (uint8_t)(one_in(rng, 8) ? 0 : 1);
		return 1;
	}
	len = type == 148 ? 4 : 3 + 4 * rnd(rng, 9);
	if (type == 68)
		len++;
	if (len > room)
		len = type == 68 ? 4 : 3;
	memset(p, 0, len);
	p[0] = (uint8_t)type;
	p[1] = (uint8_t)len;
	p[2] = (uint8_t)(type == 148 ? 0 : type == 68 ? 5 + 4 * rnd(rng, 3) : 4 + 4 * rnd(rng, 3));
	if (type == 68)
		p[3] = (uint8_t)(PICK(rng, 0, 1, 3, 2) | (one_in(rng, 4) ? rnd(rng, 16) << 4 : 0));
	for (unsigned at = type == 68 ? 4 : 3; at + 4 <= len; at += 4)
		if (type != 148)
			address_dst4(rng, 0, p + at);
	if (one_in(rng, 8))
		p[1 + rnd(rng, 2)] = (uint8_t)rnd(rng, 50); /* wrong length or pointer */
	return len;
}

unsigned make_options4(struct rng *rng, uint8_t *p)
{
	unsigned len = 4 * (1 + rnd(rng, 10)), at = 0;

	memset(p, 0, len);
	while (at < len && (!at || !one_in(rng, 4)))
		at += option4(rng, p + at, len - at);
	return len;
}

/* Options of a hop-by-hop or destination header: `len` bytes, right or wrong. */
static void options6(struct rng *rng, uint8_t *p, unsigned len)
{
	static const uint8_t kinds[] = {1,    1,    5,	  0xc2, 0x04, 0x26,
					0x07, 0x63, 0x8a, 0xc9, 0x1e, 0x3e};
	unsigned at = 0;

	memset(p, 0, len);
	while (at + 2 < len && !one_in(rng, 5)) {
		unsigned type = one_in(rng, 8) ? rnd(rng, 256) : kinds[rnd(rng, sizeof(kinds))];
		unsigned size = type == 5 ? 2 : type == 0xc2 ? 4 : rnd(rng, 8);

		if (at + 2 + size > len)
			break;
		p[at] = (uint8_t)type;
		p[at + 1] = (uint8_t)(one_in(rng, 16) ? rnd(rng, 256) : size);
		if (type != 5)
			make_random(rng, p + at + 2, size);
		at += 2 + size;
	}
	if (len - at >= 2) {
		p[at] = 1; /* PadN over the rest */
		p[at + 1] = (uint8_t)(len - at - 2);
	}
}

static unsigned extension6(struct rng *rng, unsigned type, uint8_t *p, unsigned room)
{
	unsigned len = 8 * (1 + (one_in(rng, 3) ? rnd(rng, 4) : 0));

	if (type == IPPROTO_FRAGMENT || len > room)
		len = 8;
	make_random(rng, p, len);
	p[1] = (uint8_t)(len / 8 - 1);
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_DSTOPTS:
		options6(rng, p + 2, len - 2);
		break;
	case IPPROTO_ROUTING:
		p[2] = (uint8_t)PICK(rng, 0, 0, 2, 3, 4, 253);
		p[3] = (uint8_t)(one_in(rng, 2) ? 0 : rnd(rng, 4));
		if (len >= 24)
			address_dst6(rng, 0, p + 8);
		break;
	case IPPROTO_FRAGMENT:
		p[1] = 0;
		put16(p + 2, one_in(rng, 3) ? 0 : (rnd(rng, 200) << 3 | rnd(rng, 2)));
		break;
	case IPPROTO_AH:
		p[1] = (uint8_t)(len / 4 - 2);
		break;
	}
	if (one_in(rng, 16))
		p[1] = (uint8_t)rnd(rng, 256);
	return len;
}

unsigned make_extensions6(struct rng *rng, uint8_t *p, unsigned room, uint8_t *next, uint8_t **last)
{
	static const uint8_t types[] = {0, 60, 60, 43, 44, 44, 51, 135, 139, 140, 253};
	unsigned n = 1 + (one_in(rng, 3) ? rnd(rng, 6) : 0), at = 0;

	*last = next;
	for (unsigned i = 0; i < n && room - at >= 8; i++) {
		unsigned type = i == 0 && one_in(rng, 3) ? 0 : types[rnd(rng, sizeof(types))];

		**last = (uint8_t)type;
		*last = p + at;
		at += extension6(rng, type, p + at, room - at);
	}
	return at;
}
