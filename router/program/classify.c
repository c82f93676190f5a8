/* SPDX-License-Identifier: BSD-2-Clause */
/* Which class of punts a frame belongs to. Frames are anybody's: nothing is taken for granted but
 * their length, and the program's verdict on them. */
#include <stdbool.h>
#include <string.h>

#include "police.h"

#define ETHER_HEADER 14u
#define VLAN_TAG 4u
#define VLAN_TAGS_MAX 2u
#define ARP_BYTES 28u
#define ARP_SENDER 14u /* the sender's IPv4 address, behind the start of the ARP header */

#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u
#define TYPE_VLAN 0x8100u
#define TYPE_QINQ 0x88a8u
#define TYPE_IPV6 0x86ddu

#define PROTO_HOP_BY_HOP 0u
#define PROTO_IGMP 2u
#define PROTO_TCP 6u
#define PROTO_UDP 17u
#define PROTO_ROUTING 43u
#define PROTO_FRAGMENT 44u
#define PROTO_ESP 50u
#define PROTO_AH 51u
#define PROTO_ICMP6 58u
#define PROTO_NONE 59u
#define PROTO_OPTIONS 60u
#define PROTO_EIGRP 88u
#define PROTO_OSPF 89u
#define PROTO_PIM 103u
#define PROTO_VRRP 112u

#define TCP_SYN 0x02u /* of the flags at byte 13 */

#define EXTENSIONS_MAX 6u /* IPv6 headers looked behind; who has more is in no hurry */

/* Whom a packet is for. */
enum addressee {
	TO_ANYONE,
	TO_US,	  /* an address of this router, or an IPv6 link-local one */
	TO_LINK,  /* a group that no router forwards to: 224.0.0.0/24, ff02::/16 */
	TO_GROUP, /* another multicast group, or a broadcast address */
};

/* What is known of an IP packet after reading its headers. */
struct ip {
	uint64_t src[2]; /* wire order; IPv4 as ::ffff:a.b.c.d, as neighbours are keyed */
	uint8_t dst[16];
	bool v6;
	uint8_t ttl;
	uint8_t protocol; /* behind IPv6's extension headers */
	uint32_t payload; /* where the protocol's header begins, from the frame's first byte */
	uint32_t end;	  /* of the packet, within the frame */
};

static uint32_t read16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint64_t read64_wire(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Whether `bytes` of the protocol's header are there. None are in fragments but the first. */
static bool has_payload(const struct ip *ip, uint32_t bytes)
{
	return ip->payload <= ip->end && ip->end - ip->payload >= bytes;
}

static bool read_ipv4(struct ip *ip, const uint8_t *frame, uint32_t len, uint32_t at)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *h = frame + at;
	uint8_t src[16];
	uint32_t header_len, total_len;

	if (len < at + 20 || h[0] >> 4 != 4)
		return false;
	header_len = (h[0] & 15) * 4u;
	total_len = read16(h + 2);
	if (header_len < 20 || total_len < header_len || total_len > len - at)
		return false;
	memcpy(src, mapped, 12);
	memcpy(src + 12, h + 12, 4);
	memcpy(ip->src, src, 16);
	memcpy(ip->dst, h + 16, 4);
	ip->v6 = false;
	ip->ttl = h[8];
	ip->protocol = h[9];
	ip->payload = at + header_len;
	ip->end = at + total_len;
	if (read16(h + 6) & 0x1fff) /* not the first fragment */
		ip->payload = ip->end;
	return true;
}

/* Passes over the extension headers of IPv6 (RFC 8200 4). */
static void pass_extensions(struct ip *ip, const uint8_t *frame)
{
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		const uint8_t *h = frame + ip->payload;
		bool first = true;

		if (ip->protocol != PROTO_HOP_BY_HOP && ip->protocol != PROTO_ROUTING &&
		    ip->protocol != PROTO_OPTIONS && ip->protocol != PROTO_FRAGMENT)
			return;
		if (!has_payload(ip, 8))
			break;
		if (ip->protocol == PROTO_FRAGMENT) {
			first = !(read16(h + 2) & 0xfff8);
			ip->payload += 8;
		} else {
			ip->payload += 8 + 8u * h[1];
		}
		ip->protocol = h[0];
		if (!first || ip->payload > ip->end) {
			ip->payload = ip->end;
			return;
		}
	}
	ip->protocol = PROTO_NONE;
	ip->payload = ip->end;
}

static bool read_ipv6(struct ip *ip, const uint8_t *frame, uint32_t len, uint32_t at)
{
	const uint8_t *h = frame + at;

	if (len < at + 40 || h[0] >> 4 != 6 || read16(h + 4) > len - at - 40)
		return false;
	ip->src[0] = read64_wire(h + 8);
	ip->src[1] = read64_wire(h + 16);
	memcpy(ip->dst, h + 24, 16);
	ip->v6 = true;
	ip->ttl = h[7];
	ip->protocol = h[6];
	ip->payload = at + 40;
	ip->end = at + 40 + read16(h + 4);
	pass_extensions(ip, frame);
	return true;
}

/* ---- neighbours and addresses ---- */

/* Whether the tables have the sender as a neighbour on the port, at the MAC the frame is from. `port`:
 * as in struct neighbour. */
static bool is_known(const struct tables_view *view, const uint64_t addr[2], uint32_t port,
		     const uint8_t *frame)
{
	uint32_t index = neighbour_lookup(view, addr[0], addr[1], port);
	const struct nexthop *nexthop = view->nexthops + index;
	uint64_t dmac;

	if (index == 0 || NEXTHOP_KIND(PL_LOAD64(&nexthop->info)) != NEXTHOP_FORWARD)
		return false;
	dmac = PL_LOAD64(&nexthop->dmac) >> 16;
	return !memcmp(&dmac, frame + 6, 6);
}

/* Why the destination's route would punt; REASON_COUNT if it would not. */
static uint32_t route_reason(const struct tables_view *view, const struct ip *ip)
{
	uint64_t hi, lo, info;
	uint32_t index, dst;

	if (ip->v6) {
		hi = __builtin_bswap64(read64_wire(ip->dst));
		lo = __builtin_bswap64(read64_wire(ip->dst + 8));
		index = route6_lookup(view, hi, lo);
	} else {
		memcpy(&dst, ip->dst, 4);
		index = route4_lookup(view, __builtin_bswap32(dst));
	}
	info = PL_LOAD64(&view->nexthops[index].info);
	return NEXTHOP_KIND(info) == NEXTHOP_PUNT ? NEXTHOP_REASON(info) : REASON_COUNT;
}

/* Whom the packet is for. A frame to a group of MACs is nobody's own, whatever the IP header says. */
static enum addressee find_addressee(const struct tables_view *view, const struct ip *ip,
				     bool group_mac)
{
	static const uint8_t everyone[4] = {255, 255, 255, 255};
	const uint8_t *d = ip->dst;
	uint32_t reason;

	if (ip->v6) {
		if (d[0] == 0xff)
			return (d[1] & 15) == 2 ? TO_LINK : TO_GROUP;
		if (d[0] == 0xfe && (d[1] & 0xc0) == 0x80)
			return group_mac ? TO_ANYONE : TO_US;
	} else {
		if (d[0] >> 4 == 14)
			return d[0] == 224 && d[1] == 0 && d[2] == 0 ? TO_LINK : TO_GROUP;
		if (!memcmp(d, everyone, 4))
			return TO_GROUP;
	}
	reason = route_reason(view, ip);
	if (reason == REASON_BROADCAST)
		return TO_GROUP;
	return reason == REASON_LOCAL && !group_mac ? TO_US : TO_ANYONE;
}

/* ---- protocols ---- */

/* Neighbour discovery (RFC 4861: its hop limit is 255, so no router has forwarded it), and multicast
 * listener discovery (RFC 3810: hop limit 1), without which switches keep its groups from us. */
static bool is_nd(const struct ip *ip, const uint8_t *frame)
{
	uint32_t type;

	if (!ip->v6 || ip->protocol != PROTO_ICMP6 || !has_payload(ip, 1))
		return false;
	type = frame[ip->payload];
	return (type >= 133 && type <= 137 && ip->ttl == 255) ||
	       (((type >= 130 && type <= 132) || type == 143) && ip->ttl == 1);
}

/* BGP and LDP. */
static bool is_tcp_routing(uint32_t port)
{
	return port == 179 || port == 646;
}

/* RIP, RIPng, LDP; BFD on one hop, its echoes, on several hops, on LAG members (RFC 5881, 5883,
 * 7130). */
static bool is_udp_routing(uint32_t port)
{
	return port == 520 || port == 521 || port == 646 || port == 3784 || port == 3785 ||
	       port == 4784 || port == 6784;
}

/* Whether a routing protocol is spoken to `to`. */
static bool is_routing(const struct ip *ip, const uint8_t *frame, enum addressee to)
{
	const uint8_t *ports = frame + ip->payload;

	if (to == TO_ANYONE)
		return false;
	switch (ip->protocol) {
	case PROTO_IGMP:
		return !ip->v6;
	case PROTO_EIGRP:
	case PROTO_OSPF:
	case PROTO_PIM:
	case PROTO_VRRP:
		return true;
	case PROTO_AH:
	case PROTO_ESP: /* OSPFv3 may be inside (RFC 4552) */
		return to == TO_LINK;
	case PROTO_TCP:
		return to == TO_US && has_payload(ip, 4) &&
		       (is_tcp_routing(read16(ports)) || is_tcp_routing(read16(ports + 2)));
	case PROTO_UDP:
		return has_payload(ip, 4) && is_udp_routing(read16(ports + 2));
	default:
		return false;
	}
}

/* Whether a TCP segment claims to be of a connection that is there. */
static bool is_tcp_within(const struct ip *ip, const uint8_t *frame)
{
	return ip->protocol == PROTO_TCP && has_payload(ip, 20) &&
	       !(frame[ip->payload + 13] & TCP_SYN);
}

/* Groups that bridges do not forward to: LLDP, LACP, IS-IS (IEEE 802.1Q table 8-1); and
 * AllIntermediateSystems (ISO 9542). */
static bool is_link_protocol(const uint8_t *frame)
{
	static const uint8_t bridges[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	static const uint8_t systems[6] = {0x09, 0x00, 0x2b, 0x00, 0x00, 0x05};

	return (!memcmp(frame, bridges, 5) && frame[5] < 0x20) || !memcmp(frame, systems, 6);
}

/* ---- classes ---- */

static uint64_t mac_source(const uint8_t *frame)
{
	uint64_t mac = 0;

	memcpy(&mac, frame + 6, 6);
	return mac;
}

/* Senders of IPv6 have 2^64 addresses each to choose from, but for the link-local ones. */
static uint64_t ip_source(const struct ip *ip)
{
	bool link_local = (ip->src[0] & 0xc0ff) == 0x80fe;

	return !ip->v6 || link_local ? ip->src[1] : ip->src[0];
}

/* The class of what must be looked into. `tagged`: the frame is one of the port's VLANs, whose
 * neighbours the tables do not have. */
static enum limit_class classify_ip(const struct tables_view *view, const struct ip *ip,
				    const uint8_t *frame, uint32_t port, bool tagged,
				    uint64_t *source)
{
	enum addressee to = find_addressee(view, ip, frame[0] & 1);
	uint32_t mapped = ip->v6 ? neighbour_mapped(ip->src[0], ip->src[1]) : 0;
	bool known = !tagged && is_known(view, ip->src, port | mapped, frame);

	*source = ip_source(ip);
	if (is_nd(ip, frame)) {
		*source = mac_source(frame);
		return known ? LIMIT_ARP_ND : LIMIT_ARP_ND_NEW;
	}
	if (is_routing(ip, frame, to))
		return known ? LIMIT_ROUTING : LIMIT_ROUTING_NEW;
	if (to != TO_US)
		return LIMIT_OTHER;
	return is_tcp_within(ip, frame) ? LIMIT_TCP : LIMIT_LOCAL;
}

static enum limit_class classify_arp(const struct tables_view *view, const uint8_t *frame,
				     uint32_t len, uint32_t at, uint32_t port, bool tagged)
{
	uint8_t sender[16] = {[10] = 0xff, [11] = 0xff};
	uint64_t addr[2];

	if (tagged || len < at + ARP_BYTES)
		return LIMIT_ARP_ND_NEW;
	memcpy(sender + 12, frame + at + ARP_SENDER, 4);
	memcpy(addr, sender, 16);
	return is_known(view, addr, port, frame) ? LIMIT_ARP_ND : LIMIT_ARP_ND_NEW;
}

/* The class that a reason decides alone; LIMIT_COUNT if the frame must be looked into. */
static enum limit_class class_of_reason(enum reason reason)
{
	switch (reason) {
	case REASON_TTL:
		return LIMIT_TTL;
	case REASON_MTU:
		return LIMIT_MTU;
	case REASON_NO_ROUTE:
	case REASON_UNREACHABLE:
	case REASON_PROHIBIT:
		return LIMIT_NO_ROUTE;
	case REASON_UNRESOLVED:
		return LIMIT_UNRESOLVED;
	case REASON_FOREIGN:
	case REASON_ENCAP:
		return LIMIT_OTHER;
	default:
		return LIMIT_COUNT;
	}
}

enum limit_class police_classify(const struct tables_view *view, const uint8_t *frame, uint32_t len,
				 uint32_t port, enum reason reason, uint64_t *source)
{
	enum limit_class class = class_of_reason(reason);
	uint32_t at = ETHER_HEADER, type;
	bool tagged = false;
	struct ip ip;

	*source = 0;
	if (len < ETHER_HEADER)
		return LIMIT_OTHER;
	*source = mac_source(frame);
	type = read16(frame + 12);
	for (unsigned i = 0; i < VLAN_TAGS_MAX && (type == TYPE_VLAN || type == TYPE_QINQ); i++) {
		if (len < at + VLAN_TAG)
			return LIMIT_OTHER;
		tagged = true;
		type = read16(frame + at + 2);
		at += VLAN_TAG;
	}
	if (type == TYPE_ARP)
		return classify_arp(view, frame, len, at, port, tagged);
	if ((type == TYPE_IPV4 && read_ipv4(&ip, frame, len, at)) ||
	    (type == TYPE_IPV6 && read_ipv6(&ip, frame, len, at))) {
		if (class == LIMIT_COUNT)
			return classify_ip(view, &ip, frame, port, tagged, source);
		*source = ip_source(&ip);
		return class;
	}
	if (class != LIMIT_COUNT)
		return class;
	return is_link_protocol(frame) ? LIMIT_ROUTING_NEW : LIMIT_OTHER;
}
