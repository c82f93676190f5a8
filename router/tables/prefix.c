/* SPDX-License-Identifier: BSD-2-Clause */
#include "prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static unsigned family_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

struct prefix prefix_make(uint8_t family, const void *bytes, uint8_t len)
{
	struct prefix p = {.family = family, .len = len};

	memcpy(p.bytes, bytes, (len + 7u) / 8);
	if (len % 8)
		p.bytes[len / 8] &= (uint8_t)(0xff00 >> len % 8);
	return p;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && a->len == b->len && !memcmp(a->bytes, b->bytes, 16);
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	struct prefix cut;

	if (outer->family != inner->family || outer->len > inner->len)
		return false;
	cut = prefix_make(inner->family, inner->bytes, outer->len);
	return prefix_equal(outer, &cut);
}

uint64_t prefix_hash(const struct prefix *p)
{
	uint64_t word[2], h;

	memcpy(word, p->bytes, sizeof(word));
	h = (word[0] ^ (uint64_t)p->family << 8 ^ p->len) * 0x9e3779b97f4a7c15;
	h ^= h >> 32 ^ word[1];
	h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
	return h ^ h >> 33;
}

const char *prefix_print(const struct prefix *p, char out[PREFIX_STRLEN])
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(p->family, p->bytes, addr, sizeof(addr));
	snprintf(out, PREFIX_STRLEN, "%s/%u", addr, p->len);
	return out;
}

const char *ip_addr_print(const struct ip_addr *a, char out[PREFIX_STRLEN])
{
	if (!inet_ntop(a->family, a->bytes, out, PREFIX_STRLEN))
		snprintf(out, PREFIX_STRLEN, "none");
	return out;
}

int ip_addr_parse(const char *text, struct ip_addr *a)
{
	struct ip_addr parsed = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(parsed.family, text, parsed.bytes) != 1)
		return -EINVAL;
	*a = parsed;
	return 0;
}

/* A decimal number of at most `max`, without sign, spaces or leading zeros. */
static int parse_len(const char *text, unsigned max, uint8_t *len)
{
	unsigned n = 0;
	const char *s;

	for (s = text; *s >= '0' && *s <= '9' && n <= max; s++)
		n = n * 10 + (unsigned)(*s - '0');
	if (s == text || *s || n > max || (text[0] == '0' && text[1]))
		return -EINVAL;
	*len = (uint8_t)n;
	return 0;
}

int prefix_parse(const char *text, struct prefix *p)
{
	const char *slash = strchr(text, '/');
	size_t addr_len = slash ? (size_t)(slash - text) : strlen(text);
	char addr_text[INET6_ADDRSTRLEN];
	struct prefix parsed;
	struct ip_addr addr;
	uint8_t len;

	if (addr_len >= sizeof(addr_text))
		return -EINVAL;
	memcpy(addr_text, text, addr_len);
	addr_text[addr_len] = 0;
	if (ip_addr_parse(addr_text, &addr))
		return -EINVAL;
	len = (uint8_t)family_bits(addr.family);
	if (slash && parse_len(slash + 1, len, &len))
		return -EINVAL;
	parsed = prefix_make(addr.family, addr.bytes, len);
	if (memcmp(parsed.bytes, addr.bytes, sizeof(parsed.bytes)))
		return -EINVAL;
	*p = parsed;
	return 0;
}
