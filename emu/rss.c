/* SPDX-License-Identifier: BSD-2-Clause */
/* What a frame is, as far as a NIC looks, and its hash (82599 datasheet 7.1.2.8, 82576 7.1.2.10). */
#include <string.h>

#include "engine.h"

#define ETHERTYPE_IP4 0x0800u
#define ETHERTYPE_IP6 0x86ddu
#define ETHERTYPE_VLAN 0x8100u

enum {
	PROTO_HOP_BY_HOP = 0,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_OPTIONS = 60,
	PROTO_SCTP = 132,
	PROTO_NONE = 256
};

/* RSS types of a descriptor (82599 datasheet 7.1.2.8.1). */
enum {
	HASHED_TCP4 = 1,
	HASHED_IP4 = 2,
	HASHED_TCP6 = 3,
	HASHED_IP6 = 5,
	HASHED_UDP4 = 7,
	HASHED_UDP6 = 8
};

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* ---- the hash ---- */

/* The 32 bits of the key that bit `bit` of the input, if set, adds. */
static uint32_t key_window(const uint8_t *key, unsigned bit)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < 5; i++)
		bits = bits << 8 | key[bit / 8 + i];
	return (uint32_t)(bits >> (8 - bit % 8));
}

/* The window that begins at the key's last 32 bits, of an input's last bit but none, is not needed: 36
 * bytes of input reach to bit 287 + 32. */
void emu_toeplitz_make(struct emu_toeplitz *toeplitz, const uint8_t key[40])
{
	memcpy(toeplitz->key, key, 40);
	toeplitz->made = true;
	for (unsigned at = 0; at < EMU_RSS_INPUT_MAX; at++) {
		uint32_t *byte = toeplitz->byte[at];

		byte[0] = 0;
		for (unsigned bit = 0; bit < 8; bit++)
			for (unsigned below = 0; below < 1u << bit; below++)
				byte[1u << bit | below] = byte[below] ^
							  key_window(key, at * 8 + 7 - bit);
	}
}

static inline uint32_t hash_bytes(const struct emu_toeplitz *toeplitz, unsigned at,
				  const uint8_t *input, unsigned n)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < n; i++)
		hash ^= toeplitz->byte[at + i][input[i]];
	return hash;
}

/* ---- frames ---- */

/* Sum over an IPv4 header of 20 bytes is all ones. */
static uint8_t check_header(const uint8_t *ip, uint32_t header)
{
	uint64_t sum = 0;

	for (uint32_t at = 0; at < header; at += 4) {
		uint32_t word;

		memcpy(&word, ip + at, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16) == 0xffff ? EMU_CHECKSUM_GOOD : EMU_CHECKSUM_BAD;
}

/* Notes the protocol. Returns whether there are ports to hash. */
static bool note_transport(struct emu_parsed *parsed, unsigned proto, uint32_t room)
{
	if (proto == PROTO_TCP && room >= 20)
		parsed->packet_type |= EMU_TYPE_TCP;
	else if (proto == PROTO_UDP && room >= 8)
		parsed->packet_type |= EMU_TYPE_UDP;
	else if (proto == PROTO_SCTP && room >= 12)
		parsed->packet_type |= EMU_TYPE_SCTP;
	return parsed->packet_type & (EMU_TYPE_TCP | EMU_TYPE_UDP);
}

static void parse_ip4(unsigned types, const struct emu_toeplitz *toeplitz, const uint8_t *ip,
		      uint32_t len, struct emu_parsed *parsed)
{
	uint32_t header = (ip[0] & 15u) * 4;
	unsigned wanted;

	if (len < 20 || ip[0] >> 4 != 4 || header < 20 || len < header)
		return;
	parsed->packet_type = header > 20 ? EMU_TYPE_IP4_OPTIONS : EMU_TYPE_IP4;
	parsed->checksum = check_header(ip, header);
	wanted = types & EMU_RSS_IP4;
	/* Fragments, the first one included, are known by their addresses alone. */
	if (!(get16(ip + 6) & 0x3fff) && note_transport(parsed, ip[9], len - header))
		wanted |= types &
			  (parsed->packet_type & EMU_TYPE_TCP ? EMU_RSS_TCP4 : EMU_RSS_UDP4);
	if (!wanted)
		return;
	parsed->hash = hash_bytes(toeplitz, 0, ip + 12, 8);
	parsed->rss_type = HASHED_IP4;
	if (wanted == EMU_RSS_IP4)
		return;
	parsed->hash ^= hash_bytes(toeplitz, 8, ip + header, 4);
	parsed->rss_type = wanted & EMU_RSS_TCP4 ? HASHED_TCP4 : HASHED_UDP4;
}

/* Passes over extension headers. Returns the protocol behind them, and where it begins; PROTO_NONE when
 * it is a fragment, or cannot be found. */
static unsigned skip_extensions(const uint8_t *ip, uint32_t len, uint32_t *at,
				struct emu_parsed *parsed)
{
	unsigned proto = ip[6];

	*at = 40;
	while (proto == PROTO_HOP_BY_HOP || proto == PROTO_OPTIONS || proto == PROTO_ROUTING ||
	       proto == PROTO_FRAGMENT) {
		parsed->packet_type = EMU_TYPE_IP6_EXTENSIONS;
		if (proto == PROTO_FRAGMENT || *at + 8 > len)
			return PROTO_NONE;
		proto = ip[*at];
		*at += 8 + ip[*at + 1] * 8u;
		if (*at > len)
			return PROTO_NONE;
	}
	return proto;
}

static void parse_ip6(unsigned types, const struct emu_toeplitz *toeplitz, const uint8_t *ip,
		      uint32_t len, struct emu_parsed *parsed)
{
	unsigned wanted = types & EMU_RSS_IP6;
	unsigned proto;
	uint32_t at;

	if (len < 40 || ip[0] >> 4 != 6)
		return;
	parsed->packet_type = EMU_TYPE_IP6;
	proto = skip_extensions(ip, len, &at, parsed);
	if (proto != PROTO_NONE && note_transport(parsed, proto, len - at))
		wanted |= types &
			  (parsed->packet_type & EMU_TYPE_TCP ? EMU_RSS_TCP6 : EMU_RSS_UDP6);
	if (!wanted)
		return;
	parsed->hash = hash_bytes(toeplitz, 0, ip + 8, 32);
	parsed->rss_type = HASHED_IP6;
	if (wanted == EMU_RSS_IP6)
		return;
	parsed->hash ^= hash_bytes(toeplitz, 32, ip + at, 4);
	parsed->rss_type = wanted & EMU_RSS_TCP6 ? HASHED_TCP6 : HASHED_UDP6;
}

void emu_parse(const struct emu_rss *rss, const struct emu_toeplitz *toeplitz, const uint8_t *frame,
	       uint32_t len, struct emu_parsed *parsed)
{
	unsigned types = rss->on ? rss->types : 0;
	uint32_t type = get16(frame + 12);
	uint32_t at = 14;

	*parsed = (struct emu_parsed){0};
	if (type == ETHERTYPE_VLAN) {
		type = get16(frame + 16);
		at = 18;
	}
	if (type == ETHERTYPE_IP4)
		parse_ip4(types, toeplitz, frame + at, len - at, parsed);
	else if (type == ETHERTYPE_IP6)
		parse_ip6(types, toeplitz, frame + at, len - at, parsed);
}

uint32_t emu_rss_hash(const struct emu_rss *rss, const uint8_t *frame, uint32_t len, unsigned *type)
{
	static const uint8_t of[] = {
		[HASHED_TCP4] = EMU_RSS_TCP4, [HASHED_IP4] = EMU_RSS_IP4,
		[HASHED_TCP6] = EMU_RSS_TCP6, [HASHED_IP6] = EMU_RSS_IP6,
		[HASHED_UDP4] = EMU_RSS_UDP4, [HASHED_UDP6] = EMU_RSS_UDP6,
	};
	struct emu_toeplitz toeplitz;
	struct emu_parsed parsed;

	emu_toeplitz_make(&toeplitz, rss->key);
	emu_parse(rss, &toeplitz, frame, len, &parsed);
	*type = of[parsed.rss_type];
	return parsed.hash;
}
