/* SPDX-License-Identifier: BSD-2-Clause */
#include "reference.h"

#include <string.h>

/* Where several things are wrong with a frame, the first one found in the order of this file names
 * its fate: Ethernet, then the IP header's fields by which the next ones are found, then addresses,
 * then the route, then what forwarding would do to it. */

#define ETHERNET 14u

static unsigned number16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static void end(struct ref_result *result, enum ref_fate fate, enum reason reason)
{
	result->fate = fate;
	result->reason = reason;
}

static bool is_all(const uint8_t *p, unsigned n, uint8_t byte)
{
	for (unsigned i = 0; i < n; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* ---- Ethernet ---- */

/* IEEE 802.3 3.1.1: addresses and type before the data; 802.1Q 9.6, 802.1ad: tagged frames, which
 * are the kernel's to judge; RFC 894, RFC 2464 3, RFC 826: the types of IP and ARP. Returns true if
 * the frame is settled. */
static bool judge_ethernet(const struct ref_port *port, const uint8_t *frame, unsigned len,
			   struct ref_result *result)
{
	unsigned type;

	if (len < ETHERNET) {
		end(result, REF_DROPPED, REASON_RUNT);
		return true;
	}
	type = number16(frame + 12);
	/* 802.3 3.2.3: the first bit of an address sent tells groups from stations. RFC 1812
	 * 5.3.4, RFC 1122 3.3.6: what was sent to a group of stations is not for us to forward. */
	if (frame[0] & 1) {
		end(result, REF_PUNTED,
		    type == 0x0806		       ? REASON_ARP
		    : type == 0x8100 || type == 0x88a8 ? REASON_VLAN
						       : REASON_GROUP_MAC);
		return true;
	}
	/* 802.3 4.1.2.1.2: other stations' frames are discarded. */
	if (memcmp(frame, port->mac, 6) != 0) {
		end(result, REF_DROPPED, REASON_NOT_OUR_MAC);
		return true;
	}
	/* RFC 1812 5.3.12: nothing is taken from an interface that is administratively down. */
	if (!port->up) {
		end(result, REF_DROPPED, REASON_PORT_DOWN);
		return true;
	}
	if (type == 0x0800 || type == 0x86dd)
		return false;
	end(result, REF_PUNTED,
	    type == 0x0806		       ? REASON_ARP
	    : type == 0x8100 || type == 0x88a8 ? REASON_VLAN
					       : REASON_ETHERTYPE);
	return true;
}

/* ---- IPv4: RFC 791 3.1, RFC 1812 5.2.2 ---- */

unsigned reference_checksum(const uint8_t *ip, unsigned header_len)
{
	unsigned sum = 0;

	for (unsigned at = 0; at < header_len; at += 2)
		if (at != 10)
			sum += number16(ip + at);
	while (sum > 0xffff)
		sum = sum % 0x10000 + sum / 0x10000;
	return 0xffff - sum;
}

/* RFC 1071: right if the sum over everything, the checksum included, is all ones. That is also so
 * for the other zero of ones' complement, which is not what reference_checksum() makes. */
static bool checksum_right(const uint8_t *ip, unsigned header_len)
{
	unsigned want = reference_checksum(ip, header_len), is = number16(ip + 10);

	return is == want || (want == 0 && is == 0xffff);
}

/* Sources that no host has. RFC 1812 5.3.7, RFC 1122 3.2.1.3: multicast, limited broadcast and
 * loopback. 240.0.0.0/4 is reserved (RFC 1112 4), yet the kernel forwards it. */
static bool ipv4_source_bad(const uint8_t *src)
{
	return (src[0] >= 224 && src[0] <= 239) || src[0] == 127 || is_all(src, 4, 255);
}

/* RFC 1122 3.2.1.3 (a) and (g): neither may be a destination outside of a host. */
static bool ipv4_destination_bad(const uint8_t *dst)
{
	return dst[0] == 127 || is_all(dst, 4, 0);
}

static bool judge_ipv4(const uint8_t *ip, unsigned len, struct ref_result *result)
{
	unsigned header_len, total_len;

	result->fate = REF_DROPPED;
	if (len < 20) { /* RFC 1812 5.2.2 (1) */
		result->reason = REASON_RUNT;
		return true;
	}
	if (ip[0] / 16 != 4) { /* (3) */
		result->reason = REASON_VERSION;
		return true;
	}
	header_len = ip[0] % 16 * 4u;
	if (header_len < 20 || header_len > len) { /* (4) */
		result->reason = REASON_HEADER_LEN;
		return true;
	}
	total_len = number16(ip + 2);
	if (total_len < header_len || total_len > len) { /* (5), and RFC 791 3.1 */
		result->reason = REASON_TOTAL_LEN;
		return true;
	}
	if (!checksum_right(ip, header_len)) { /* (2) */
		result->reason = REASON_CHECKSUM;
		return true;
	}
	if (ipv4_source_bad(ip + 12)) {
		result->reason = REASON_SOURCE;
		return true;
	}
	/* RFC 1122 3.2.1.3 (a): only of a host that does not know its address yet. To whom it may
	 * speak, the kernel knows. */
	if (is_all(ip + 12, 4, 0)) {
		end(result, REF_PUNTED, REASON_ODD_SOURCE);
		return true;
	}
	if (ipv4_destination_bad(ip + 16)) {
		result->reason = REASON_DESTINATION;
		return true;
	}
	result->fate = REF_PUNTED;
	if (ip[16] >= 224 && ip[16] <= 239) { /* RFC 1112 4 */
		result->reason = REASON_MULTICAST;
		return true;
	}
	if (is_all(ip + 16, 4, 255)) { /* RFC 919 7 */
		result->reason = REASON_BROADCAST;
		return true;
	}
	if (header_len > 20) { /* RFC 1812 5.2.4.1: options want looking at, by the kernel */
		result->reason = REASON_OPTIONS;
		return true;
	}
	return false;
}

/* ---- IPv6: RFC 8200 3 ---- */

/* RFC 4291 2.5.3: ::1 is on no wire, be it source or destination. */
static bool ipv6_loopback(const uint8_t *addr)
{
	return is_all(addr, 15, 0) && addr[15] == 1;
}

/* RFC 4291 2.5.2: unspecified, of a host without an address. RFC 6890 2.2.3, table 20: v4-mapped,
 * which should be on no wire. What becomes of them, the kernel knows. */
static bool ipv6_source_odd(const uint8_t *src)
{
	return is_all(src, 16, 0) || (is_all(src, 10, 0) && src[10] == 0xff && src[11] == 0xff);
}

/* RFC 4291 2.5.6: fe80::/10. Routers must not forward it; to whom it is, the kernel knows. */
static bool link_local(const uint8_t *addr)
{
	return addr[0] == 0xfe && addr[1] >= 0x80 && addr[1] <= 0xbf;
}

static bool judge_ipv6(const uint8_t *ip, unsigned len, struct ref_result *result)
{
	result->fate = REF_DROPPED;
	if (len < 40) {
		result->reason = REASON_RUNT;
		return true;
	}
	if (ip[0] / 16 != 6) {
		result->reason = REASON_VERSION;
		return true;
	}
	if (number16(ip + 4) > len - 40) {
		result->reason = REASON_TOTAL_LEN;
		return true;
	}
	if (ip[8] == 0xff || ipv6_loopback(ip + 8)) { /* RFC 4291 2.7: no multicast source */
		result->reason = REASON_SOURCE;
		return true;
	}
	if (ipv6_loopback(ip + 24)) {
		result->reason = REASON_DESTINATION;
		return true;
	}
	result->fate = REF_PUNTED;
	if (ip[24] == 0xff) {
		result->reason = REASON_MULTICAST;
		return true;
	}
	if (ipv6_source_odd(ip + 8)) {
		result->reason = REASON_ODD_SOURCE;
		return true;
	}
	if (is_all(ip + 24, 16, 0)) { /* RFC 4291 2.5.2 */
		result->reason = REASON_ODD_DESTINATION;
		return true;
	}
	if (link_local(ip + 8) || link_local(ip + 24)) {
		result->reason = REASON_LINK_LOCAL;
		return true;
	}
	if (ip[6] == 0) { /* RFC 8200 4.3: every node on the way looks at these */
		result->reason = REASON_HOP_BY_HOP;
		return true;
	}
	return false;
}

/* ---- the route ---- */

static bool matches(const struct ref_route *route, const struct ref_addr *dst)
{
	unsigned bytes = route->len / 8, bits = route->len % 8;

	if (route->addr.n_bytes != dst->n_bytes ||
	    memcmp(route->addr.bytes, dst->bytes, bytes) != 0)
		return false;
	return bits == 0 || (route->addr.bytes[bytes] ^ dst->bytes[bytes]) >> (8 - bits) == 0;
}

static const struct ref_hop no_route = {.kind = REF_PUNT, .reason = REASON_NO_ROUTE};

/* RFC 1812 5.2.4.3 (2): of the routes that match, the longest. */
static const struct ref_hop *find_route(const struct ref_router *router, const struct ref_addr *dst)
{
	const struct ref_route *best = NULL;

	for (unsigned i = 0; i < router->n_routes; i++) {
		const struct ref_route *route = &router->routes[i];

		if (matches(route, dst) && (!best || route->len > best->len))
			best = route;
	}
	return best ? &router->hops[best->hop] : &no_route;
}

static const struct ref_neighbour *find_neighbour(const struct ref_router *router, unsigned port,
						  const struct ref_addr *dst)
{
	for (unsigned i = 0; i < router->n_neighbours; i++) {
		const struct ref_neighbour *n = &router->neighbours[i];

		if (n->addr.n_bytes == dst->n_bytes && n->port == port &&
		    memcmp(n->addr.bytes, dst->bytes, dst->n_bytes) == 0)
			return n;
	}
	return NULL;
}

/* The protocols whose first 4 bytes are ports: RFC 9293 3.1, RFC 768, RFC 9260 3.1, RFC 3828 3.1. */
static bool has_ports(unsigned protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
}

/* What a flow is (RFC 2991 1): addresses, protocol and ports. A fragment has no ports even if it is
 * the first, as the others of its packet have none (RFC 791 3.2) and must go the same way; nor has
 * what is behind an IPv6 extension header. */
static void fill_flow(const uint8_t *ip, bool is_ipv6, struct ref_result *result)
{
	uint8_t *flow = result->flow;
	unsigned ip_len = is_ipv6 ? 40 + number16(ip + 4) : number16(ip + 2);
	unsigned header_len = is_ipv6 ? 40 : 20, protocol = is_ipv6 ? ip[6] : ip[9];
	bool fragment = !is_ipv6 && (number16(ip + 6) & 0x3fff) != 0;

	memset(flow, 0, sizeof(result->flow));
	memcpy(flow, ip + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8);
	flow[32] = is_ipv6;
	flow[33] = (uint8_t)protocol;
	if (has_ports(protocol) && !fragment && ip_len >= header_len + 4)
		memcpy(flow + 34, ip + header_len, 4);
}

/* ---- forwarding ---- */

/* RFC 1812 5.2.1.2 (4) to (8): TTL less by one and the checksum anew (5.3.1, RFC 791 3.2), to the
 * next hop's station from ours; RFC 8200 3 for the hop limit. Padding is the link's (RFC 894), not
 * the packet's. */
static void forward(const struct ref_hop *hop, const uint8_t *frame, unsigned len, unsigned ip_len,
		    bool is_ipv6, struct ref_result *result)
{
	uint8_t *ip = result->frame + ETHERNET;

	result->fate = REF_SENT;
	result->port = hop->port;
	result->len = ETHERNET + ip_len;
	memcpy(result->frame, frame, len);
	memcpy(result->frame, hop->dmac, 6);
	memcpy(result->frame + 6, hop->smac, 6);
	if (is_ipv6) {
		ip[7]--;
	} else {
		unsigned checksum;

		ip[8]--;
		checksum = reference_checksum(ip, 20);
		ip[10] = (uint8_t)(checksum / 256);
		ip[11] = (uint8_t)(checksum % 256);
	}
}

/* What a hop that is no group and no network makes of a packet. */
static void follow(const struct ref_hop *hop, unsigned mtu, const uint8_t *frame, unsigned len,
		   bool is_ipv6, struct ref_result *result)
{
	const uint8_t *ip = frame + ETHERNET;
	unsigned ip_len = is_ipv6 ? 40 + number16(ip + 4) : number16(ip + 2);
	unsigned ttl = is_ipv6 ? ip[7] : ip[8];

	if (hop->kind == REF_PUNT)
		end(result, REF_PUNTED, hop->reason);
	else if (hop->kind == REF_DROP)
		end(result, REF_DROPPED, hop->reason);
	else if (hop->kind != REF_FORWARD) /* groups in groups and the like: the kernel's */
		end(result, REF_PUNTED, REASON_UNRESOLVED);
	else if (ttl <= 1) /* RFC 1812 5.3.1, RFC 4443 3.3: the kernel says Time Exceeded */
		end(result, REF_PUNTED, REASON_TTL);
	else if (ip_len > mtu) /* RFC 1812 4.2.2.7, RFC 8200 5: it fragments, or says Too Big */
		end(result, REF_PUNTED, REASON_MTU);
	else
		forward(hop, frame, len, ip_len, is_ipv6, result);
}

/* RFC 826, RFC 4861 7.2: the neighbour behind a connected network, if it is known. */
static void follow_network(const struct ref_router *router, const struct ref_hop *network,
			   const struct ref_addr *dst, const uint8_t *frame, unsigned len,
			   bool is_ipv6, struct ref_result *result)
{
	const struct ref_neighbour *n = find_neighbour(router, network->port, dst);
	const struct ref_hop *hop = n ? &router->hops[n->hop] : NULL;

	if (hop)
		follow(hop, hop->mtu < network->mtu ? hop->mtu : network->mtu, frame, len, is_ipv6,
		       result);
	else
		end(result, REF_PUNTED, network->reason);
}

unsigned reference(const struct ref_router *router, unsigned port, const uint8_t *frame,
		   unsigned len, unsigned way, struct ref_result *result)
{
	const uint8_t *ip = frame + ETHERNET;
	struct ref_addr dst = {0};
	const struct ref_hop *hop;
	unsigned ways = 1;
	bool is_ipv6;

	result->by_group = false;
	if (judge_ethernet(&router->ports[port], frame, len, result))
		return 1;
	is_ipv6 = number16(frame + 12) == 0x86dd;
	if (is_ipv6 ? judge_ipv6(ip, len - ETHERNET, result)
		    : judge_ipv4(ip, len - ETHERNET, result))
		return 1;
	dst.n_bytes = is_ipv6 ? 16 : 4;
	memcpy(dst.bytes, ip + (is_ipv6 ? 24 : 16), dst.n_bytes);
	hop = find_route(router, &dst);
	if (hop->kind == REF_GROUP) {
		ways = hop->n_members;
		hop = &router->hops[hop->members[way]];
		result->by_group = true;
		fill_flow(ip, is_ipv6, result);
	}
	if (hop->kind == REF_NETWORK)
		follow_network(router, hop, &dst, frame, len, is_ipv6, result);
	else
		follow(hop, hop->mtu, frame, len, is_ipv6, result);
	return ways;
}
