/* SPDX-License-Identifier: BSD-2-Clause */
/* The differences from the kernel's router that stay: the one list. docs/differences.md is written
 * from it, and compare.c has a predicate for each, by which the differential test knows it.
 *
 * X(symbol, "name", "what differs", "why it stays") */
/* clang-format off */
X(REDIRECT, "redirect",
  "No ICMP or ICMPv6 redirect is sent for a packet that Peerlane forwards out of the port it "
  "came in on.",
  "A redirect saves a hop in a network with two routers and hosts that believe redirects, which"
  " most do not. Leaving such packets to the kernel, so that it sends one, would make routing "
  "between networks that share a port slow. The kernel still sends one for a packet that "
  "reaches it for another reason.")
X(OWN_SOURCE, "own-source",
  "An IPv4 packet whose source is one of the router's own addresses is forwarded; so is one "
  "that leaves by the port it came in on and whose source has no unicast route (a broadcast "
  "address, an unreachable or blackhole route). The kernel drops both; without `rp_filter` it "
  "looks at no other source.",
  "To know a source takes a second look-up for every packet, and sources are not validated "
  "otherwise. Where packets with forged sources matter, they are to be filtered at the edge by "
  "what tells all forged ones, not only these.")
X(ECMP_MEMBER, "ecmp-member",
  "Of a route's several next hops Peerlane may choose another for a flow than the kernel would.",
  "The kernel's hash has a secret that is made anew at each boot: no two kernels agree either. "
  "Peerlane's tells flows apart by their ports too, where the kernel by default "
  "(`fib_multipath_hash_policy=0`) uses addresses alone. A flow stays on one next hop; but "
  "packets of it that are left to the kernel, those with options or too long for the route, "
  "take the kernel's choice.")
X(OVERTAKEN, "overtaken",
  "Of one flow, a packet that Peerlane leaves to the kernel (with options, to be fragmented, or "
  "while the neighbour is being resolved) may be overtaken by a later one that it forwards itself.",
  "To hold back the later one would need a queue per flow. IP promises no order, and flows that "
  "mix such packets are rare.")
X(FAILED_GATEWAY, "failed-gateway",
  "Where `net.ipv6.conf.all.forwarding` is 0, an IPv6 packet whose route's gateway has failed "
  "takes the next less specific route, if there is one, and the gateway is looked for once a "
  "minute. A kernel router answers Address Unreachable.",
  "Peerlane leaves such a packet to the kernel, and a kernel that is told to forward for single"
  " interfaces only (`force_forwarding`, Linux 6.17) looks for reachable gateways as a host "
  "does. Setting `net.ipv6.conf.all.forwarding=1` ends the difference, and makes all other "
  "interfaces forward, too: that is for the operator to say.")
X(LEARNED_MTU, "learned-mtu",
  "A smaller path MTU that an ICMP or ICMPv6 error has told to the router itself does not hold "
  "for packets that Peerlane forwards. The kernel applies it to forwarded IPv6 packets, and to "
  "IPv4 ones if it is below `net.ipv4.route.min_pmtu`.",
  "The router's own path MTUs are for packets that it sends itself; whoever sends through it "
  "learns them from the router at which a packet does not fit. They come from errors that "
  "anyone can forge, and no notification tells of them.")
/* clang-format on */
