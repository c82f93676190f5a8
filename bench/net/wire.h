/* SPDX-License-Identifier: BSD-2-Clause */
/* What the flood puts on the wire and the sink reads back: shared by both programs and their BPF
 * halves. Frames are Ethernet, IPv4 or IPv6, UDP to the discard port, then a sequence number. */
#ifndef BENCH_NET_WIRE_H
#define BENCH_NET_WIRE_H

#include <linux/types.h>

#define WIRE_DISCARD_PORT 9
#define WIRE_SOURCE_PORT 1024 /* of flow 0; flow n has the n-th after it */
#define WIRE_FLOWS_MAX 1024u  /* a power of two */
#define WIRE_HEADER4 42u      /* Ethernet, IPv4 and UDP */
#define WIRE_HEADER6 62u      /* Ethernet, IPv6 and UDP */
#define WIRE_TCP4 54u	      /* Ethernet, IPv4 and TCP */
#define WIRE_TCP6 74u	      /* Ethernet, IPv6 and TCP */
#define WIRE_ND 78u	      /* Ethernet, IPv6 and a neighbour solicitation without options */
#define WIRE_TEMPLATE 80u     /* holds any of these */
#define WIRE_ARP 0x10000u     /* as a protocol: none of IP's */
#define WIRE_FRAME_MIN (WIRE_HEADER4 + 8u)

/* What flood.bpf.c writes into every frame. */
struct flood_config {
	__u8 header[WIRE_TEMPLATE];
	__u8 ask[WIRE_HEADER4]; /* an ARP request */
	__u32 ask_every;	/* as every so many-th frame; 0: never */
	__u32 ipv6;		/* the template is IPv6 */
	__u32 destinations; /* a power of two: addresses drawn at random from the first one up */
	__u32 sources;	    /* likewise */
	__u32 flows;	    /* a power of two: source ports that take turns */
	__u32 protocol;	    /* of the template; only UDP is numbered */
	__u32 header_sum;   /* IPv4: sum of the header's 16-bit words but the addresses' */
	__u32 payload_sum;  /* TCP, ND: the same of header and pseudo-header, without source port */
};

/* What sink.bpf.c counts, one per CPU that receives. */
struct sink_counters {
	__u64 packets;
	__u64 bytes;
	__u64 repeated; /* the same sequence number as the one before in its flow */
	__u64 late;	/* a lower one: reordered, or repeated after others */
	__u64 pad[4];	/* to a cache line */
};

#define SINK_CPUS_MAX 64u

#endif
