/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a packet is punted or dropped: the one list. Counters, JSON, `peerlane show counters` and
 * docs/counters.md come from it.
 *
 * X(symbol, kind, "name", "what it means") */
#ifndef PEERLANE_PROGRAM_REASONS_H
#define PEERLANE_PROGRAM_REASONS_H

/* clang-format off */
#define REASONS(X) \
	X(ARP,          PUNT, "arp",               "ARP, for the kernel to answer or learn from") \
	X(GROUP_MAC,    PUNT, "group-mac",         "broadcast or multicast destination MAC") \
	X(VLAN,         PUNT, "vlan",              "VLAN tag: the kernel's VLAN interfaces on the port see it") \
	X(ETHERTYPE,    PUNT, "ethertype",         "Ethernet type that is neither IPv4 nor IPv6") \
	X(OPTIONS,      PUNT, "ip-options",        "IPv4 header with options") \
	X(HOP_BY_HOP,   PUNT, "hop-by-hop",        "IPv6 hop-by-hop options") \
	X(LOCAL,        PUNT, "local",             "addressed to this router") \
	X(BROADCAST,    PUNT, "broadcast",         "limited or subnet broadcast destination") \
	X(MULTICAST,    PUNT, "multicast",         "multicast destination") \
	X(LINK_LOCAL,   PUNT, "link-local",        "IPv6 link-local source or destination") \
	X(ODD_SOURCE,   PUNT, "odd-source",        "unspecified or IPv4-mapped source: the kernel decides") \
	X(ODD_DESTINATION, PUNT, "odd-destination", "unspecified IPv6 destination: the kernel decides") \
	X(TTL,          PUNT, "ttl-exceeded",      "TTL or hop limit used up: the kernel sends Time Exceeded") \
	X(NO_ROUTE,     PUNT, "no-route",          "no route: the kernel sends Unreachable") \
	X(UNREACHABLE,  PUNT, "unreachable",       "route of type unreachable: the kernel sends Unreachable") \
	X(PROHIBIT,     PUNT, "prohibit",          "route of type prohibit: the kernel sends Prohibited") \
	X(MTU,          PUNT, "mtu-exceeded",      "longer than the next hop's MTU: the kernel fragments or sends Too Big") \
	X(UNRESOLVED,   PUNT, "unresolved",        "neighbour not resolved: the kernel resolves it and forwards") \
	X(FOREIGN,      PUNT, "foreign-interface", "route leads out of an interface that is no port of ours") \
	X(ENCAP,        PUNT, "encapsulation",     "route with an encapsulation, by TOS or source, or with an attribute not known here") \
	X(RUNT,         DROP, "runt",              "shorter than its Ethernet and IP headers") \
	X(NOT_OUR_MAC,  DROP, "not-our-mac",       "unicast destination MAC that is not the port's") \
	X(PORT_DOWN,    DROP, "port-down",         "received on a port whose TAP interface is down") \
	X(VERSION,      DROP, "bad-version",       "IP version does not match the Ethernet type") \
	X(HEADER_LEN,   DROP, "bad-header-length", "IPv4 header length under 20 bytes or beyond the packet") \
	X(TOTAL_LEN,    DROP, "bad-length",        "IP length beyond the frame, or shorter than the header") \
	X(CHECKSUM,     DROP, "bad-checksum",      "IPv4 header checksum wrong") \
	X(SOURCE,       DROP, "bad-source",        "source that must not be on a wire: multicast, loopback, limited broadcast") \
	X(DESTINATION,  DROP, "bad-destination",   "destination that must not be on a wire: loopback, IPv4's unspecified") \
	X(BLACKHOLE,    DROP, "blackhole",         "route of type blackhole") \
	X(LIMIT_ARP_ND,      DROP, "limit-arp-nd",      "ARP or neighbour discovery of a known neighbour, beyond the limit ArpNd=") \
	X(LIMIT_ARP_ND_NEW,  DROP, "limit-arp-nd-new",  "ARP or neighbour discovery, beyond the limit ArpNdNew=") \
	X(LIMIT_ROUTING,     DROP, "limit-routing",     "routing protocol of a known neighbour, beyond the limit Routing=") \
	X(LIMIT_ROUTING_NEW, DROP, "limit-routing-new", "routing protocol, beyond the limit RoutingNew=") \
	X(LIMIT_TCP,         DROP, "limit-tcp",         "TCP to this router within connections, beyond the limit Tcp=") \
	X(LIMIT_LOCAL,       DROP, "limit-local",       "addressed to this router, beyond the limit Local=") \
	X(LIMIT_TTL,         DROP, "limit-ttl",         "TTL or hop limit used up, beyond the limit Ttl=") \
	X(LIMIT_MTU,         DROP, "limit-mtu",         "longer than the next hop's MTU, beyond the limit Mtu=") \
	X(LIMIT_NO_ROUTE,    DROP, "limit-no-route",    "no route, or one that refuses, beyond the limit NoRoute=") \
	X(LIMIT_UNRESOLVED,  DROP, "limit-unresolved",  "neighbour not resolved, beyond the limit Unresolved=") \
	X(LIMIT_OTHER,       DROP, "limit-other",       "other packets for the kernel, beyond the limit Other=") \
	X(ACCELERATOR,       DROP, "accelerator",       "with an accelerator when it failed, or by one that gave no verdict there is; with Mode=nic-gpu also while there is none") \
	X(PUNT_BUFFER,       DROP, "punt-buffer",       "for the kernel, from an accelerator's memory, with no buffer left to copy it into")
/* clang-format on */

enum reason {
#define X(symbol, kind, name, text) REASON_##symbol,
	REASONS(X)
#undef X
		REASON_COUNT
};

#endif
