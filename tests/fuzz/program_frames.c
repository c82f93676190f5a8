/* SPDX-License-Identifier: BSD-2-Clause */
#include "program_frames.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ETHERNET 14u

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint32_t frames_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 32);
}

/* ---- addresses ---- */

/* Both sides of every boundary that means something, and some in the middle. */
static const uint8_t edges4[][4] = {
	{0, 0, 0, 0},	      {0, 0, 0, 1},	    {0, 255, 255, 255},	  {1, 0, 0, 0},
	{126, 255, 255, 255}, {127, 0, 0, 0},	    {127, 0, 0, 1},	  {127, 255, 255, 255},
	{128, 0, 0, 0},	      {223, 255, 255, 255}, {224, 0, 0, 0},	  {224, 0, 0, 5},
	{239, 255, 255, 255}, {240, 0, 0, 0},	    {255, 255, 255, 254}, {255, 255, 255, 255},
	{169, 254, 0, 1},     {10, 0, 0, 1},	    {192, 0, 2, 1},	  {100, 64, 0, 0},
};

static const uint8_t edges6[][16] = {
	{0},
	{[15] = 1},
	{[15] = 2},
	{[14] = 1},
	{[10] = 0xff, 0xff, 10, 0, 0, 1},
	{[10] = 0xff, 0xfe, 10, 0, 0, 1},
	{[9] = 1, 0xff, 0xff, 10, 0, 0, 1},
	{[7] = 1},
	{0x00, 0x64, 0xff, 0x9b, [12] = 192, 0, 2, 1},
	{0x1f, 0xff, 0xff},
	{0x20},
	{0x20, 0x01, 0x0d, 0xb8, [15] = 1},
	{0x3f, 0xff, 0xff},
	{0x40},
	{0xfc},
	{0xfd, [15] = 1},
	{0xfe, 0x7f, 0xff},
	{0xfe, 0x80, [15] = 1},
	{0xfe, 0xbf, 0xff},
	{0xfe, 0xc0},
	{0xfe, 0xff, 0xff},
	{0xff},
	{0xff, 0x02, [15] = 1},
	{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff},
};

static struct ref_addr edge(unsigned n_bytes, unsigned i)
{
	struct ref_addr addr = {.n_bytes = n_bytes};

	if (n_bytes == 4)
		memcpy(addr.bytes, edges4[i % COUNT(edges4)], 4);
	else
		memcpy(addr.bytes, edges6[i % COUNT(edges6)], 16);
	return addr;
}

/* One more or one less than an address. */
static void step(struct ref_addr *addr, bool up)
{
	for (unsigned i = addr->n_bytes; i-- > 0;) {
		addr->bytes[i] = (uint8_t)(addr->bytes[i] + (up ? 1 : -1));
		if (addr->bytes[i] != (up ? 0 : 255))
			break;
	}
}

static void fill_host_bits(struct ref_addr *addr, unsigned len, uint32_t with)
{
	for (unsigned bit = len; bit < 8 * addr->n_bytes; bit++)
		if (with >> bit % 32 & 1)
			addr->bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static struct ref_addr near_route(const struct ref_route *route, unsigned how, uint32_t bits)
{
	struct ref_addr addr = route->addr;

	switch (how % 5) {
	case 0: /* the first */
		break;
	case 1: /* the last */
		fill_host_bits(&addr, route->len, UINT32_MAX);
		break;
	case 2: /* the one before */
		step(&addr, false);
		break;
	case 3: /* the one after */
		fill_host_bits(&addr, route->len, UINT32_MAX);
		step(&addr, true);
		break;
	default:
		fill_host_bits(&addr, route->len, bits);
	}
	return addr;
}

/* An address out of three numbers. */
static struct ref_addr address(const struct twin *t, unsigned n_bytes, unsigned kind, unsigned i,
			       uint32_t bits)
{
	const struct ref_route *route = &t->ref.routes[i % REF_ROUTES_MAX];
	const struct ref_neighbour *n = &t->ref.neighbours[i % REF_NEIGHBOURS_MAX];
	struct ref_addr addr;

	if (kind % 8 < 4 && route->addr.n_bytes == n_bytes)
		return near_route(route, kind / 8, bits);
	if (kind % 8 < 7 && n->addr.n_bytes == n_bytes) {
		addr = n->addr;
		if (kind / 8 % 4 == 3)
			step(&addr, kind / 32 % 2);
		return addr;
	}
	return edge(n_bytes, i);
}

struct ref_addr frames_address(const struct twin *t, unsigned n_bytes, struct fuzz_input *in)
{
	unsigned kind = fuzz_u8(in), i;
	struct ref_addr addr = {.n_bytes = n_bytes};

	if (kind >= 0xf0) {
		for (i = 0; i < n_bytes; i++)
			addr.bytes[i] = fuzz_u8(in);
		return addr;
	}
	i = fuzz_u8(in);
	return address(t, n_bytes, kind, i, kind % 8 < 4 && kind / 8 % 5 == 4 ? fuzz_u32(in) : 0);
}

/* Places in use come first in the lists: mostly one of them. */
static struct ref_addr random_address(const struct twin *t, unsigned n_bytes, uint64_t *seed)
{
	uint32_t r = frames_random(seed), bits = frames_random(seed);
	unsigned i = r >> 8 & 0xff;

	if (r >> 16 & 3)
		i %= 16;
	if ((r >> 20 & 15) == 0) {
		struct ref_addr addr = {.n_bytes = n_bytes};

		for (unsigned k = 0; k < n_bytes; k++)
			addr.bytes[k] = (uint8_t)(frames_random(seed) >> 8);
		return addr;
	}
	return address(t, n_bytes, r & 0xff, i, bits);
}

/* ---- frames ---- */

/* MACs are 02:00:00:00:00:PORT (fuzz_program.c); bursts come in on port 0 unless told. */
static void ethernet(struct made_frame *f, unsigned type, unsigned ip_len)
{
	f->len = (uint16_t)(ETHERNET + ip_len < 60 ? 60 : ETHERNET + ip_len);
	memcpy(f->bytes, (uint8_t[12]){2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x99, 1}, 12);
	put16(f->bytes + 12, type);
	for (unsigned i = ETHERNET; i < f->len; i++)
		f->bytes[i] = (uint8_t)(i * 7);
}

static void checksum(struct made_frame *f)
{
	uint8_t *ip = f->bytes + ETHERNET;

	put16(ip + 10, reference_checksum(ip, ip[0] % 16 * 4u));
}

/* What both families have in common. `mask` says which fields the input sets. */
static void other_fields(struct fuzz_input *in, unsigned mask, struct made_frame *f)
{
	if (mask & 1)
		f->bytes[fuzz_u8(in) % 6] ^= fuzz_u8(in);
	if (mask & 2)
		put16(f->bytes + 12, fuzz_u16(in));
	if (mask & 4)
		f->len = (uint16_t)(fuzz_u16(in) % (MADE_FRAME_MAX + 1));
	if (mask & 8)
		f->skip = fuzz_u8(in);
}

static unsigned payload_len(struct fuzz_input *in)
{
	unsigned len = fuzz_u8(in);

	return len < 0xf0 ? len : fuzz_u16(in) % (MADE_FRAME_MAX - ETHERNET - 60);
}

void frames_ipv4(const struct twin *t, struct fuzz_input *in, struct made_frame *f)
{
	unsigned mask = fuzz_u16(in), header_len = mask & 0x10 ? 20 + fuzz_u8(in) % 11 * 4u : 20;
	unsigned ip_len = header_len + payload_len(in);
	uint8_t *ip = f->bytes + ETHERNET;

	memset(f, 0, sizeof(*f));
	ethernet(f, 0x0800, ip_len);
	ip[0] = (uint8_t)(0x40 | header_len / 4);
	put16(ip + 2, mask & 0x20 ? fuzz_u16(in) : ip_len);
	put16(ip + 6, mask & 0x40 ? fuzz_u16(in) : 0);
	ip[8] = mask & 0x80 ? fuzz_u8(in) : 64;
	ip[9] = mask & 0x100 ? fuzz_u8(in) : 17;
	if (mask & 0x200)
		memcpy(ip + 12, frames_address(t, 4, in).bytes, 4);
	else
		memcpy(ip + 12, (uint8_t[4]){198, 51, 100, 1}, 4);
	memcpy(ip + 16, frames_address(t, 4, in).bytes, 4);
	if (mask & 0x400)
		put16(ip + 20, fuzz_u16(in));
	checksum(f);
	if (mask & 0x800)
		ip[0] = fuzz_u8(in);
	if (mask & 0x1000)
		put16(ip + 10, ip[10] * 256u + ip[11] + fuzz_u16(in));
	other_fields(in, mask >> 13 & 7, f);
}

void frames_ipv6(const struct twin *t, struct fuzz_input *in, struct made_frame *f)
{
	unsigned mask = fuzz_u16(in), payload = payload_len(in);
	uint8_t *ip = f->bytes + ETHERNET;

	memset(f, 0, sizeof(*f));
	ethernet(f, 0x86dd, 40 + payload);
	put16(ip, mask & 0x10 ? fuzz_u16(in) : 0x6000);
	put16(ip + 4, mask & 0x20 ? fuzz_u16(in) : payload);
	ip[6] = mask & 0x40 ? fuzz_u8(in) : 17;
	ip[7] = mask & 0x80 ? fuzz_u8(in) : 64;
	if (mask & 0x200)
		memcpy(ip + 8, frames_address(t, 16, in).bytes, 16);
	else
		memcpy(ip + 8, (uint8_t[16]){0x20, 1, 0x0d, 0xb8, 0xff, [15] = 1}, 16);
	memcpy(ip + 24, frames_address(t, 16, in).bytes, 16);
	if (mask & 0x400)
		put16(ip + 40, fuzz_u16(in));
	other_fields(in, mask >> 11 & 15, f);
}

void frames_raw(struct fuzz_input *in, struct made_frame *f)
{
	memset(f, 0, sizeof(*f));
	f->skip = fuzz_u8(in);
	f->len = (uint16_t)(fuzz_u16(in) % (MADE_FRAME_MAX + 1));
	/* Half of them to us: the others get no further than that. */
	if (f->skip & 0x80)
		f->bytes[0] = 2;
	for (unsigned i = f->skip & 0x80 ? 6 : 0; i < f->len && in->at < in->end; i++)
		f->bytes[i] = fuzz_u8(in);
}

/* ---- relatives ---- */

static bool is_type(const struct made_frame *f, unsigned type)
{
	return f->bytes[12] * 256u + f->bytes[13] == type;
}

/* Makes the IP packet `len` bytes, and the frame fit for it most of the time. */
static void vary_length(uint64_t *seed, struct made_frame *f)
{
	static const uint16_t edges[] = {0,   1,   13,	 14,   19,   20,   21,	 24,   39,  40,
					 44,  46,  47,	 60,   64,   65,   99,	 100,  101, 575,
					 576, 577, 1279, 1280, 1281, 1499, 1500, 1501, 1514};
	uint32_t r = frames_random(seed);
	unsigned len = r & 1 ? edges[(r >> 8) % COUNT(edges)]
			     : (r >> 8) % (MADE_FRAME_MAX - ETHERNET);
	uint8_t *ip = f->bytes + ETHERNET;

	if (r & 2)
		f->len = (uint16_t)len;
	if ((r & 0xc) == 0)
		return;
	if (is_type(f, 0x0800))
		put16(ip + 2, len);
	else if (is_type(f, 0x86dd))
		put16(ip + 4, len < 40 ? len : len - 40);
	if (r & 0x10)
		f->len = (uint16_t)(ETHERNET + len);
}

static void vary_address(const struct twin *t, uint64_t *seed, struct made_frame *f, bool source)
{
	uint8_t *ip = f->bytes + ETHERNET;

	if (is_type(f, 0x86dd))
		memcpy(ip + (source ? 8 : 24), random_address(t, 16, seed).bytes, 16);
	else
		memcpy(ip + (source ? 12 : 16), random_address(t, 4, seed).bytes, 4);
}

/* A field of the IP header that is a number of few bits. */
static void vary_field(uint64_t *seed, struct made_frame *f)
{
	static const uint8_t ttls[] = {0, 1, 2, 64, 255},
			     protocols[] = {0, 1, 6, 17, 44, 58, 132, 136};
	uint32_t r = frames_random(seed);
	uint8_t *ip = f->bytes + ETHERNET;
	bool six = is_type(f, 0x86dd);

	switch (r % 5) {
	case 0:
		ip[six ? 7 : 8] = r & 0x100 ? ttls[(r >> 16) % COUNT(ttls)] : (uint8_t)(r >> 16);
		break;
	case 1:
		ip[six ? 6 : 9] = protocols[(r >> 16) % COUNT(protocols)];
		break;
	case 2: /* fragments, and what only looks like one */
		put16(ip + 6, r & 0x100 ? r >> 16 : 1u << (r >> 16) % 16);
		break;
	case 3: /* ports */
		put16(ip + (six ? 40 : 20) + (r >> 8 & 2), r >> 16);
		break;
	default:
		ip[0] = (uint8_t)(r & 0x700 ? (six ? 0x60 : 0x40) | (r >> 16 & 15) : r >> 16);
	}
}

static void vary_once(const struct twin *t, uint64_t *seed, struct made_frame *f)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x88cc};
	uint32_t r = frames_random(seed);

	switch (r % 16) {
	case 0: /* a bit, of the headers or anywhere */
		f->bytes[(r >> 8) % (r & 0x80 ? 64 : MADE_FRAME_MAX)] ^=
			(uint8_t)(1 << (r >> 4 & 7));
		break;
	case 1:
		put16(f->bytes + 12, types[(r >> 8) % COUNT(types)]);
		break;
	case 2:
		vary_address(t, seed, f, true);
		break;
	case 3:
	case 4:
		vary_length(seed, f);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		vary_field(seed, f);
		break;
	case 9:
		f->skip = (uint16_t)(r >> 8);
		break;
	default:
		vary_address(t, seed, f, false);
	}
}

/* Chooses the identification so that the checksum, which is right then too, is one where adding to
 * it carries, or one of the two zeroes (RFC 1624 3). */
static void vary_checksum(uint64_t *seed, struct made_frame *f)
{
	static const uint16_t edges[] = {0,	 1,	 0x00ff, 0x0100, 0xfeff,
					 0xfeff, 0xff00, 0xfffe, 0xffff};
	unsigned want = edges[frames_random(seed) % COUNT(edges)], id;
	uint8_t *ip = f->bytes + ETHERNET;

	put16(ip + 4, 0);
	/* In ones' complement: the identification is what the checksum is to be less. */
	id = reference_checksum(ip, ip[0] % 16 * 4u) + (0xffff - want);
	put16(ip + 4, id > 0xffff ? id - 0xffff : id);
	checksum(f);
	if (want == 0xffff && !ip[10] && !ip[11])
		put16(ip + 10, want);
}

void frames_vary(const struct twin *t, uint64_t *seed, struct made_frame *f)
{
	uint32_t r = frames_random(seed);

	for (unsigned i = 0; i < r % 4; i++)
		vary_once(t, seed, f);
	if (!is_type(f, 0x0800) || !(r >> 8 & 15))
		return;
	if ((r >> 12 & 7) == 0)
		vary_checksum(seed, f);
	else
		checksum(f);
}
