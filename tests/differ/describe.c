/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>

#include "differ.h"

void hex(FILE *to, const uint8_t *bytes, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		fprintf(to, "%02x", bytes[i]);
}

static void mac(FILE *to, const uint8_t *m)
{
	fprintf(to, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void ip_packet(FILE *to, const uint8_t *ip, unsigned len, unsigned depth);

static void transport(FILE *to, const uint8_t *p, const struct payload *is, unsigned depth)
{
	if (is->later)
		return;
	if ((is->protocol == IPPROTO_UDP || is->protocol == IPPROTO_TCP) && is->len >= 4)
		fprintf(to, " ports %u > %u", get16(p), get16(p + 2));
	if (is->protocol == IPPROTO_TCP && is->len >= 14)
		fprintf(to, " flags %02x", p[13]);
	if ((is->protocol == IPPROTO_ICMP || is->protocol == IPPROTO_ICMPV6) && is->len >= 8) {
		bool v6 = is->protocol == IPPROTO_ICMPV6;
		bool error = v6 ? p[0] < 128
				: p[0] == 3 || p[0] == 4 || p[0] == 5 || p[0] == 11 || p[0] == 12;

		fprintf(to, " type %u code %u info %08x", p[0], p[1], get32(p + 4));
		if (error && depth < 3) {
			fprintf(to, " [");
			ip_packet(to, p + 8, is->len - 8, depth + 1);
			fprintf(to, "]");
		}
	}
}

static void ip_packet(FILE *to, const uint8_t *ip, unsigned len, unsigned depth)
{
	struct payload is = packet_payload(ip, len);
	char src[64], dst[64];

	if (!is.at) {
		fprintf(to, "no whole IP header in %u bytes", len);
		return;
	}
	if (ip[0] >> 4 == 4) {
		inet_ntop(AF_INET, ip + 12, src, sizeof(src));
		inet_ntop(AF_INET, ip + 16, dst, sizeof(dst));
		fprintf(to, "%s > %s ihl %u tos %02x len %u id %04x frag %04x ttl %u", src, dst,
			ip[0] & 15u, ip[1], get16(ip + 2), get16(ip + 4), get16(ip + 6), ip[8]);
		if (checksum_fold(checksum_add(0, ip, is.at)))
			fprintf(to, " BAD CHECKSUM");
	} else {
		inet_ntop(AF_INET6, ip + 8, src, sizeof(src));
		inet_ntop(AF_INET6, ip + 24, dst, sizeof(dst));
		fprintf(to, "%s > %s class/label %07x payload %u hops %u", src, dst,
			get32(ip) & 0xfffffff, get16(ip + 4), ip[7]);
		if (is.at > 40)
			fprintf(to, " extensions %u+%u", ip[6], is.at - 40);
		if (is.fragment_at)
			fprintf(to, " frag %04x id %08x", get16(ip + is.fragment_at + 2),
				get32(ip + is.fragment_at + 4));
	}
	fprintf(to, " proto %u", is.protocol);
	transport(to, ip + is.at, &is, depth);
}

void describe(FILE *to, const uint8_t *bytes, unsigned len)
{
	unsigned type, at = 14;

	fprintf(to, "%u bytes ", len);
	if (len < 14)
		return;
	mac(to, bytes + 6);
	fprintf(to, " > ");
	mac(to, bytes);
	type = get16(bytes + 12);
	for (; (type == 0x8100 || type == 0x88a8) && len >= at + 4; at += 4) {
		fprintf(to, " VLAN %04x", get16(bytes + at));
		type = get16(bytes + at + 2);
	}
	fprintf(to, " type %04x ", type);
	if (type == 0x0800 || type == 0x86dd)
		ip_packet(to, bytes + at, len - at, 0);
	else if (type == 0x0806 && len >= at + 28)
		fprintf(to, "ARP op %u %u.%u.%u.%u > %u.%u.%u.%u", get16(bytes + at + 6),
			bytes[at + 14], bytes[at + 15], bytes[at + 16], bytes[at + 17],
			bytes[at + 24], bytes[at + 25], bytes[at + 26], bytes[at + 27]);
}
