/* SPDX-License-Identifier: BSD-2-Clause */
/* The classes of punts, each with a limit of its own: the one list. Configuration, `peerlane show
 * limits`, the policer (police.h) and its tests come from it.
 *
 * X(symbol, "name", "Key", rate, depth, "what is in it")
 *
 * `rate` is the default, packets a second of each port and plane. `depth` is how many may come at
 * once: what all classes let through at once must fit the ring of a face (POLICE_DEPTH_SUM). */
#ifndef PEERLANE_PROGRAM_LIMIT_CLASSES_H
#define PEERLANE_PROGRAM_LIMIT_CLASSES_H

/* clang-format off */
#define LIMITS(X) \
	X(ARP_ND,      "arp-nd",      "ArpNd",        5000, 256, "ARP and neighbour discovery of known neighbours") \
	X(ARP_ND_NEW,  "arp-nd-new",  "ArpNdNew",     1000,  96, "ARP and neighbour discovery of anyone else") \
	X(ROUTING,     "routing",     "Routing",     20000,  64, "routing protocols of known neighbours") \
	X(ROUTING_NEW, "routing-new", "RoutingNew",   5000,  32, "routing protocols of anyone else, and protocols of the link") \
	X(TCP,         "tcp",         "Tcp",       1000000, 352, "TCP to this router, but for the first packets of connections") \
	X(LOCAL,       "local",       "Local",       20000,  64, "all else that is addressed to this router") \
	X(TTL,         "ttl",         "Ttl",          1000,  16, "TTL or hop limit used up") \
	X(MTU,         "mtu",         "Mtu",         10000,  48, "longer than the next hop's MTU") \
	X(NO_ROUTE,    "no-route",    "NoRoute",      1000,  16, "no route, or one that refuses") \
	X(UNRESOLVED,  "unresolved",  "Unresolved",   1000,  32, "neighbour not resolved") \
	X(OTHER,       "other",       "Other",       20000,  48, "all else that is the kernel's: VLANs, options, groups, interfaces that are no ports")
/* clang-format on */

enum limit_class {
#define X(symbol, name, key, rate, depth, text) LIMIT_##symbol,
	LIMITS(X)
#undef X
		LIMIT_COUNT
};

#define LIMIT_NONE 0xffffffffu	 /* as a rate: not limited */
#define LIMIT_RATE_MAX 10000000u /* packets a second; the least is 1 */

#endif
