/* SPDX-License-Identifier: BSD-2-Clause */
/* A frame: what is in it, to whom it is on the link, and what happened to it on its way. */
#include <string.h>

#include "differ.h"
#include "make.h"

#define GROUP 8u /* frames that may belong together */

static void random_mac(struct rng *rng, uint8_t mac[6])
{
	make_random(rng, mac, 6);
	mac[0] &= 0xfe;
}

/* As the IP packet wants it (multicast), or as it should not be. */
static void destination_mac(struct rng *rng, const uint8_t *ip, unsigned type, uint8_t mac[6])
{
	bool group = type == 0x0800 ? ip[16] >> 4 == 14 : type == 0x86dd && ip[24] == 0xff;

	if (group ? one_in(rng, 4) : !one_in(rng, 16))
		return;
	if (group && !one_in(rng, 4)) {
		if (type == 0x0800)
			memcpy(mac, (uint8_t[]){1, 0, 0x5e, ip[17] & 0x7f, ip[18], ip[19]}, 6);
		else
			memcpy(mac, (uint8_t[]){0x33, 0x33, ip[36], ip[37], ip[38], ip[39]}, 6);
		return;
	}
	switch (rnd(rng, 6)) {
	case 0:
		memset(mac, 0xff, 6);
		break;
	case 1:
		random_mac(rng, mac);
		break;
	case 2:
		mac[5] ^= (uint8_t)(1 << rnd(rng, 8));
		break;
	case 3:
		memcpy(mac, (uint8_t[]){1, 0x80, 0xc2, 0, 0, (uint8_t)rnd(rng, 16)}, 6);
		break;
	case 4:
		memcpy(mac, (uint8_t[]){1, 0, 0x5e, 0, 0, (uint8_t)rnd(rng, 10)}, 6);
		break;
	default:
		memset(mac, 0, 6);
	}
}

static void source_mac(struct rng *rng, uint8_t mac[6])
{
	if (!one_in(rng, 32))
		return;
	if (one_in(rng, 2))
		random_mac(rng, mac);
	else
		make_random(rng, mac, 6); /* perhaps of a group */
}

/* Neither IP nor ARP, or not what the type says. */
static unsigned make_other(struct rng *rng, struct frame *frame)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8847, 0x88cc, 0x8863,
					 0x888e, 0x9000, 0x0000, 0x0001, 0x002e, 0x0400,
					 0x05dc, 0x05ff, 0x0600, 0x88f7};
	unsigned len = make_length(rng);

	put16(frame->bytes + 12, one_in(rng, 4) ? rnd(rng, 0x10000) : types[rnd(rng, 16)]);
	make_random(rng, frame->bytes + 14, len);
	return len;
}

/* Writes what is behind the MACs; returns its length without the Ethernet type. */
static unsigned make_content(struct rng *rng, struct frame *frame)
{
	uint8_t *type = frame->bytes + 12, *ip = frame->bytes + 14;
	unsigned what = rnd(rng, 100);

	if (what < 48) {
		put16(type, 0x0800);
		return make_ipv4(rng, frame->port, ip);
	}
	if (what < 88) {
		put16(type, 0x86dd);
		return make_ipv6(rng, frame->port, ip);
	}
	if (what < 92) {
		put16(type, 0x0806);
		return make_arp(rng, frame->port, ip);
	}
	if (what < 96) {
		put16(type, 0x86dd);
		return make_nd(rng, frame->port, ip);
	}
	if (what == 96) {
		frame->port = 1;
		put16(type, 0x0800);
		return make_redirect4(rng, ip);
	}
	return make_other(rng, frame);
}

/* A tag or two between the MACs and the type. */
static void add_vlan(struct rng *rng, struct frame *frame)
{
	unsigned tags = one_in(rng, 4) ? 2 : 1;

	for (unsigned i = 0; i < tags; i++) {
		memmove(frame->bytes + 16, frame->bytes + 12, frame->len - 12);
		put16(frame->bytes + 12, one_in(rng, 4) ? 0x88a8 : 0x8100);
		put16(frame->bytes + 14, rnd(rng, 8) << 13 | (one_in(rng, 2) ? 0 : rnd(rng, 4096)));
		frame->len += 4;
	}
}

/* What bad cables and bad programs do. No bit of ARP is changed here: see make_link.c. */
static void damage(struct rng *rng, struct frame *frame, bool arp)
{
	unsigned extra;

	switch (rnd(rng, arp ? 2 : 4)) {
	case 0:
		frame->len = 14 + rnd(rng, frame->len - 13);
		break;
	case 1:
		extra = rnd(rng, 100);
		if (frame->len + extra > FRAME_MAX)
			break;
		make_random(rng, frame->bytes + frame->len, extra);
		frame->len += extra;
		break;
	default:
		for (unsigned n = 1 + (one_in(rng, 4) ? rnd(rng, 8) : 0); n; n--) {
			unsigned within = frame->len < 80 || one_in(rng, 4) ? frame->len : 80;

			frame->bytes[rnd(rng, within)] ^= (uint8_t)(1 << rnd(rng, 8));
		}
	}
}

static void pad(struct rng *rng, struct frame *frame)
{
	unsigned to = one_in(rng, 4) ? frame->len + rnd(rng, 40) : 60;

	if (frame->len >= to)
		return;
	if (one_in(rng, 2))
		make_random(rng, frame->bytes + frame->len, to - frame->len);
	frame->len = to;
}

/* The group's frames belong together: one in four is a flow, one in eight a fragmented packet. */
static bool make_of_group(struct frame *frame, uint64_t seed)
{
	struct rng group = rng_of(~seed, frame->number / GROUP);
	unsigned i = (unsigned)(frame->number % GROUP), what = rnd(&group, 16);
	uint8_t *ip = frame->bytes + 14;
	unsigned len;

	if (what >= 6)
		return false;
	frame->port = rnd(&group, PORTS);
	if (what < 4)
		len = make_flow(group, i, frame->port, ip, frame->number);
	else if (what == 4)
		len = make_fragments4(group, i, frame->port, ip);
	else
		len = make_fragments6(group, i, frame->port, ip);
	put16(frame->bytes + 12, ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	frame->len = 14 + len;
	return true;
}

void generate(struct frame *frame, uint64_t seed, uint64_t number)
{
	struct rng rng = rng_of(seed, number);
	bool grouped, arp;

	frame->number = number;
	frame->port = rnd(&rng, PORTS);
	memset(frame->bytes, 0, sizeof(frame->bytes));
	grouped = make_of_group(frame, seed);
	if (!grouped)
		frame->len = 14 + make_content(&rng, frame);
	memcpy(frame->bytes, (uint8_t[]){2, 0, 0, 0, (uint8_t)(frame->port + 1), 1}, 6);
	memcpy(frame->bytes + 6, (uint8_t[]){2, 0, 0, 0, (uint8_t)(frame->port + 1), 2}, 6);
	if (grouped)
		return;
	destination_mac(&rng, frame->bytes + 14, get16(frame->bytes + 12), frame->bytes);
	source_mac(&rng, frame->bytes + 6);
	arp = get16(frame->bytes + 12) == 0x0806;
	if (one_in(&rng, 2))
		pad(&rng, frame);
	if (one_in(&rng, 24))
		add_vlan(&rng, frame);
	if (one_in(&rng, 10))
		damage(&rng, frame, arp);
}
