/* SPDX-License-Identifier: BSD-2-Clause */
/* What is compared of an output, and which outputs of two routers belong together.
 *
 * Not compared is what depends on time or chance in the kernel itself, and which two kernels of the
 * same make do not agree upon either. It is taken out of packets that the router has made (and
 * whose checksums are right: a wrong one stays as it is, and shows):
 *
 *   IPv4 identification, the identification in IPv6 fragment headers; the clock in ICMP timestamp
 *   replies and IPv4 timestamp options, also quoted ones; the checksums over these. Not looked at
 *   are reports of group membership and ICMP errors about reassembly that took too long: both come
 *   when a timer says so. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "differ.h"

#define OPTION_TIMESTAMP 68u

static const char *const names[ACCEPTED_COUNT] = {
	[ACCEPTED_NONE] = "none",
#define X(symbol, name, what, why) [ACCEPTED_##symbol] = name,
#include "accepted.h"
#undef X
};

const char *accepted_name(enum accepted which)
{
	return names[which];
}

/* ---- looking at an output ---- */

/* Where the IP header is, or 0 if it is no IP. */
static unsigned ip_at(const uint8_t *bytes, unsigned len)
{
	unsigned at = 14, type = len >= 14 ? get16(bytes + 12) : 0;

	for (; (type == 0x8100 || type == 0x88a8) && len >= at + 4; at += 4)
		type = get16(bytes + at + 2);
	if (type == 0x0800 && len >= at + 20 && bytes[at] >> 4 == 4)
		return at;
	if (type == 0x86dd && len >= at + 40 && bytes[at] >> 4 == 6)
		return at;
	return 0;
}

static bool is_from_router(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? world_is_router4(ip + 12) : world_is_router6(ip + 8);
}

static bool is_ecmp(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? world_is_ecmp4(ip + 16) : world_is_ecmp6(ip + 24);
}

/* Type and code of the ICMP message in a packet of the router's, or -1. */
static int router_icmp(const uint8_t *ip, unsigned len)
{
	struct payload p = packet_payload(ip, len);
	unsigned icmp = ip[0] >> 4 == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (!p.at || p.protocol != icmp || p.later || p.len < 8 || !is_from_router(ip))
		return -1;
	return (int)get16(ip + p.at);
}

static bool is_redirect(const uint8_t *ip, unsigned len)
{
	int icmp = router_icmp(ip, len);

	return icmp >= 0 && icmp >> 8 == (ip[0] >> 4 == 4 ? 5 : 137);
}

/* A packet that the router sends when one of its timers says so. */
static bool is_timed(const uint8_t *ip, unsigned len)
{
	int icmp = router_icmp(ip, len);

	if (ip[0] >> 4 == 4)
		return (ip[9] == IPPROTO_IGMP && is_from_router(ip)) || icmp == 0x0b01;
	return icmp >> 8 == 131 || icmp >> 8 == 132 || icmp >> 8 == 143 || icmp == 0x0301;
}

/* ---- taking out what is not compared ---- */

static bool blank_timestamps(uint8_t *ip, unsigned header_len)
{
	bool any = false;

	for (unsigned at = 20; at + 1 < header_len;) {
		unsigned option = ip[at], size = option <= 1 ? 1 : ip[at + 1];

		if (option == 0 || (option > 1 && size < 2) || at + size > header_len)
			break;
		if (option == OPTION_TIMESTAMP && size > 4) {
			memset(ip + at + 4, 0, size - 4);
			any = true;
		}
		at += size;
	}
	return any;
}

static void normalise_icmp4(uint8_t *icmp, unsigned len)
{
	static const uint8_t errors[] = {3, 4, 5, 11, 12};
	uint8_t *quoted = icmp + 8;

	if (checksum_fold(checksum_add(0, icmp, len)))
		return;
	if (icmp[0] == 14 && len >= 20) {
		memset(icmp + 8, 0, 12);
		put16(icmp + 2, 0);
	}
	if (memchr(errors, icmp[0], sizeof(errors)) && len >= 28 && quoted[0] >> 4 == 4) {
		unsigned header = (quoted[0] & 15u) * 4;

		if (header <= len - 8 && blank_timestamps(quoted, header)) {
			put16(quoted + 10, 0);
			put16(icmp + 2, 0);
		}
	}
}

static void normalise4(uint8_t *ip, unsigned len)
{
	struct payload p = packet_payload(ip, len);
	bool ours = is_from_router(ip);

	if (!p.at || checksum_fold(checksum_add(0, ip, p.at)))
		return;
	if (ours)
		put16(ip + 4, 0);
	if (blank_timestamps(ip, p.at) || ours)
		put16(ip + 10, 0);
	if (ours && ip[9] == IPPROTO_ICMP && !p.fragment && p.len >= 8)
		normalise_icmp4(ip + p.at, p.len);
}

static void normalise6(uint8_t *ip, unsigned len)
{
	struct payload p = packet_payload(ip, len);

	if (p.fragment_at && is_from_router(ip))
		put32(ip + p.fragment_at + 4, 0);
}

/* ---- hashes ---- */

static uint64_t hash_bytes(uint64_t hash, const uint8_t *p, unsigned len)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ul;
		hash ^= hash >> 29;
	}
	for (; len; p++, len--)
		hash = (hash ^ *p) * 0x100000001b3ul;
	return hash ^ hash >> 32;
}

/* Packets whose order counts: forwarded ones with the same addresses, protocol and ports. Not 0. */
static uint64_t flow_of(const uint8_t *ip, unsigned len)
{
	struct payload p = packet_payload(ip, len);
	uint64_t hash = 1 + p.protocol;

	if (!p.at || is_from_router(ip))
		return 0;
	hash = ip[0] >> 4 == 4 ? hash_bytes(hash, ip + 12, 8) : hash_bytes(hash, ip + 8, 32);
	if (!p.fragment && p.len >= 4 && (p.protocol == IPPROTO_TCP || p.protocol == IPPROTO_UDP))
		hash = hash_bytes(hash, ip + p.at, 4);
	return hash | 1;
}

/* Where the IP packet or ARP message in a frame ends, as its header has it; `len` if it is neither. */
static unsigned content_end(const uint8_t *bytes, unsigned len)
{
	unsigned at = ip_at(bytes, len);

	if (!at)
		return get16(bytes + 12) == 0x0806 ? 14 + 28 : len;
	return at + (bytes[at] >> 4 == 4 ? get16(bytes + at + 2) : 40 + get16(bytes + at + 4));
}

void strip_padding(struct outputs *out)
{
	for (unsigned i = 0; i < out->n; i++) {
		struct output *o = &out->at[i];
		unsigned end = content_end(o->bytes, o->len), first = end;

		while (first < o->len && !o->bytes[first])
			first++;
		if (o->len == PADDED_LEN && end < o->len && first == o->len)
			o->len = end;
	}
}

void normalise(struct outputs *out)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < out->n; i++) {
		struct output *o = &out->at[i];
		unsigned at = ip_at(o->bytes, o->len);

		if (at && is_timed(o->bytes + at, o->len - at))
			continue;
		if (kept != i)
			out->at[kept] = *o;
		o = &out->at[kept++];
		memcpy(o->compare, o->bytes, o->len);
		o->flow = 0;
		if (at) {
			if (o->bytes[at] >> 4 == 4)
				normalise4(o->compare + at, o->len - at);
			else
				normalise6(o->compare + at, o->len - at);
			o->flow = flow_of(o->bytes + at, o->len - at);
		}
		o->hash = hash_bytes(o->len, o->compare, o->len);
	}
	out->n = kept;
}

/* ---- belonging together ---- */

static int by_content(const void *a, const void *b)
{
	const struct output *x = *(const struct output *const *)a;
	const struct output *y = *(const struct output *const *)b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->compare, y->compare, x->len);
}

static int by_flow(const void *a, const void *b)
{
	const struct output *x = *(const struct output *const *)a;
	const struct output *y = *(const struct output *const *)b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->flow != y->flow)
		return x->flow < y->flow ? -1 : 1;
	return x < y ? -1 : x > y; /* as they came */
}

static void mark_left_over(struct outputs out[TWINS])
{
	static struct output *sorted[TWINS][OUTPUTS_MAX];
	unsigned k = 0, p = 0;

	for (unsigned twin = 0; twin < TWINS; twin++) {
		for (unsigned i = 0; i < out[twin].n; i++) {
			sorted[twin][i] = &out[twin].at[i];
			sorted[twin][i]->left_over = false;
		}
		qsort(sorted[twin], out[twin].n, sizeof(sorted[0][0]), by_content);
	}
	while (k < out[KERNEL].n || p < out[PEERLANE].n) {
		int order = k == out[KERNEL].n ? 1
			    : p == out[PEERLANE].n
				    ? -1
				    : by_content(&sorted[KERNEL][k], &sorted[PEERLANE][p]);

		if (order < 0)
			sorted[KERNEL][k++]->left_over = true;
		else if (order > 0)
			sorted[PEERLANE][p++]->left_over = true;
		else
			k++, p++;
	}
}

/* Those that are not left over, each flow in the order in which it came. */
static unsigned in_order(struct outputs *out, struct output *sorted[OUTPUTS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < out->n; i++)
		if (!out->at[i].left_over && out->at[i].flow)
			sorted[n++] = &out->at[i];
	qsort(sorted, n, sizeof(sorted[0]), by_flow);
	return n;
}

static bool order_differs(struct outputs out[TWINS])
{
	static struct output *sorted[TWINS][OUTPUTS_MAX];
	unsigned n = in_order(&out[KERNEL], sorted[KERNEL]);

	if (in_order(&out[PEERLANE], sorted[PEERLANE]) != n)
		return true;
	for (unsigned i = 0; i < n; i++)
		if (sorted[KERNEL][i]->hash != sorted[PEERLANE][i]->hash)
			return true;
	return false;
}

/* Whether a forwarded packet took the way through the kernel: one with options, and the fragments
 * of one that was too long. */
static bool was_left_to_kernel(const struct output *o, const struct frame *frames, unsigned n)
{
	unsigned at = ip_at(o->bytes, o->len);
	const uint8_t *ip = o->bytes + at;

	if (!at)
		return false;
	if (ip[0] >> 4 == 6)
		return ip[6] == IPPROTO_HOPOPTS;
	if ((ip[0] & 15) > 5 || !(get16(ip + 6) & 0x3fff))
		return (ip[0] & 15) > 5;
	/* length, identification and offset of a fragment that came as one */
	for (unsigned i = 0; i < n; i++)
		if (memcmp(frames[i].bytes + 14 + 2, ip + 2, 6) == 0)
			return false;
	return true;
}

/* Makes flows of their own of packets that the kernel forwarded. */
static void split_flows(struct outputs *out, const struct frame *frames, unsigned n)
{
	for (unsigned i = 0; i < out->n; i++)
		if (out->at[i].flow && was_left_to_kernel(&out->at[i], frames, n))
			out->at[i].flow ^= 2;
}

/* ---- differences that stay ---- */

static bool explains_redirect(const struct output *o)
{
	unsigned at = ip_at(o->bytes, o->len);

	return at && is_redirect(o->bytes + at, o->len - at);
}

/* Whether the output is the frame's packet, forwarded: TTL and checksum aside. */
static bool is_forwarded(const struct output *o, const struct frame *frame)
{
	unsigned out_at = ip_at(o->bytes, o->len), in_at = ip_at(frame->bytes, frame->len);
	const uint8_t *in = frame->bytes + in_at, *ip = o->bytes + out_at;
	unsigned len = o->len - out_at;

	if (!out_at || !in_at || frame->len - in_at < len || in[0] != ip[0])
		return false;
	if (ip[0] >> 4 == 6)
		return memcmp(in, ip, 7) == 0 && in[7] == ip[7] + 1 &&
		       memcmp(in + 8, ip + 8, len - 8) == 0;
	return memcmp(in, ip, 8) == 0 && in[8] == ip[8] + 1 && in[9] == ip[9] &&
	       memcmp(in + 12, ip + 12, len - 12) == 0;
}

/* Whether the output is a part of the frame's IPv4 packet, which may be a fragment itself. */
static bool is_fragment(const struct output *o, const struct frame *frame)
{
	unsigned out_at = ip_at(o->bytes, o->len), in_at = ip_at(frame->bytes, frame->len);
	const uint8_t *in = frame->bytes + in_at, *ip = o->bytes + out_at;
	unsigned in_header = (in[0] & 15u) * 4, header = (ip[0] & 15u) * 4, from, len;

	if (!out_at || !in_at || in[0] >> 4 != 4 || ip[0] >> 4 != 4 || o->len - out_at < header ||
	    !(get16(ip + 6) & 0x3fff) || memcmp(in + 4, ip + 4, 2) != 0 || in[9] != ip[9] ||
	    in[8] != ip[8] + 1 || memcmp(in + 12, ip + 12, 8) != 0)
		return false;
	len = o->len - out_at - header;
	from = ((get16(ip + 6) & 0x1fff) - (get16(in + 6) & 0x1fff)) * 8;
	return from < FRAME_MAX && in_at + in_header + from + len <= frame->len &&
	       memcmp(in + in_header + from, ip + header, len) == 0;
}

static bool is_any_forwarded(const struct output *o, const struct frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (is_forwarded(o, &frames[i]))
			return true;
	return false;
}

static bool explains_own_source(const struct output *o, const struct frame *frames, unsigned n)
{
	const uint8_t *ip = o->bytes + 14;

	for (unsigned i = 0; i < n; i++) {
		/* Of several ways the kernel may have taken that back. */
		bool back = frames[i].port == o->port || world_is_ecmp4(ip + 16);

		if (ip[0] >> 4 == 4 && is_forwarded(o, &frames[i]))
			return world_is_router4(ip + 12) ||
			       (back && world_is_not_unicast4(ip + 12));
	}
	return false;
}

/* The same packet, out of another port to another neighbour. */
static bool explains_ecmp_member(const struct output *k, const struct output *p)
{
	unsigned at = ip_at(k->bytes, k->len);

	return at && is_ecmp(k->bytes + at) && k->port != p->port && k->len == p->len &&
	       memcmp(k->compare + 12, p->compare + 12, k->len - 12) == 0;
}

/* What is to be true of a packet's destination. */
typedef bool destination_fn(const uint8_t *ip, unsigned len);

static bool is_to_failed(const uint8_t *ip, unsigned len)
{
	return len >= 40 && ip[0] >> 4 == 6 && world_is_failed6(ip + 24);
}

/* To where the MTU may have been learned. */
static bool is_to_victim(const uint8_t *ip, unsigned len)
{
	if (len >= 20 && ip[0] >> 4 == 4)
		return world_is_victim4(ip + 16);
	return len >= 40 && ip[0] >> 4 == 6 && world_is_victim6(ip + 24);
}

/* Whether the output is the router's ICMP error of this type and code, about such a packet. */
static bool is_error(const struct output *o, int icmp, destination_fn *is)
{
	unsigned at = ip_at(o->bytes, o->len), len = o->len - at;
	const uint8_t *ip = o->bytes + at;
	struct payload p;

	if (!at || router_icmp(ip, len) != icmp)
		return false;
	p = packet_payload(ip, len);
	return p.len > 8 && is(ip + p.at + 8, p.len - 8);
}

/* Peerlane forwards the packet whole, the kernel says that it is too big or sends it in fragments. */
static bool explains_learned_mtu(const struct output *o, enum twin twin, const struct frame *frames,
				 unsigned n)
{
	unsigned at = ip_at(o->bytes, o->len);

	if (twin == PEERLANE)
		return at && is_to_victim(o->bytes + at, o->len - at) &&
		       is_any_forwarded(o, frames, n);
	for (unsigned i = 0; i < n && at && is_to_victim(o->bytes + at, o->len - at); i++)
		if (is_fragment(o, &frames[i]))
			return true;
	return is_error(o, o->bytes[at] >> 4 == 4 ? 0x0304 : 0x0200, is_to_victim);
}

/* Peerlane forwards the packet elsewhere, or says that it is too big there or its source of another
 * link, and what the router itself answers there goes that way too. The kernel says that it cannot. Either may look for
 * the gateway. */
static bool explains_failed_gateway(const struct output *o, enum twin twin,
				    const struct frame *frames, unsigned n)
{
	unsigned at = ip_at(o->bytes, o->len), len = o->len - at;
	const uint8_t *ip = o->bytes + at;

	if (!at)
		return false;
	if (len >= 64 && router_icmp(ip, len) == 0x8700)
		return world_is_failed6(ip + 48);
	if (is_error(o, 0x0102, is_to_failed))
		return true;
	if (twin == KERNEL)
		return is_error(o, 0x0103, is_to_failed);
	if (is_error(o, 0x0200, is_to_failed))
		return true;
	return is_to_failed(ip, len) && (is_from_router(ip) || is_any_forwarded(o, frames, n));
}

static struct output *find_other_member(struct outputs *peerlane, const struct output *k)
{
	for (unsigned i = 0; i < peerlane->n; i++)
		if (peerlane->at[i].left_over && explains_ecmp_member(k, &peerlane->at[i]))
			return &peerlane->at[i];
	return NULL;
}

/* What explains an output that only one of the routers has. */
static enum accepted explanation(const struct output *o, enum twin twin, const struct frame *frames,
				 unsigned n)
{
	if (explains_redirect(o))
		return ACCEPTED_REDIRECT;
	if (explains_learned_mtu(o, twin, frames, n))
		return ACCEPTED_LEARNED_MTU;
	if (twin == PEERLANE && explains_own_source(o, frames, n))
		return ACCEPTED_OWN_SOURCE;
	if (explains_failed_gateway(o, twin, frames, n))
		return ACCEPTED_FAILED_GATEWAY;
	return ACCEPTED_NONE;
}

static void explain(struct outputs out[TWINS], const struct frame *frames, unsigned n,
		    struct verdict *verdict)
{
	for (unsigned i = 0; i < out[KERNEL].n; i++) {
		struct output *k = &out[KERNEL].at[i];
		struct output *p = k->left_over ? find_other_member(&out[PEERLANE], k) : NULL;

		if (!p)
			continue;
		k->left_over = p->left_over = false;
		verdict->accepted[ACCEPTED_ECMP_MEMBER]++;
	}
	for (unsigned twin = 0; twin < TWINS; twin++) {
		for (unsigned i = 0; i < out[twin].n; i++) {
			struct output *o = &out[twin].at[i];
			enum accepted which = o->left_over ? explanation(o, twin, frames, n)
							   : ACCEPTED_NONE;

			if (which == ACCEPTED_NONE)
				continue;
			o->left_over = false;
			verdict->accepted[which]++;
		}
	}
}

struct verdict compare(struct outputs out[TWINS], const struct frame *frames, unsigned n)
{
	struct verdict verdict = {0};

	mark_left_over(out);
	if (order_differs(out)) {
		split_flows(&out[KERNEL], frames, n);
		split_flows(&out[PEERLANE], frames, n);
		verdict.order = order_differs(out);
		verdict.accepted[ACCEPTED_OVERTAKEN] += !verdict.order;
	}
	explain(out, frames, n, &verdict);
	for (unsigned twin = 0; twin < TWINS; twin++)
		for (unsigned i = 0; i < out[twin].n; i++)
			verdict.unexplained += out[twin].at[i].left_over;
	return verdict;
}
