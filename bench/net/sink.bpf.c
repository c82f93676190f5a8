/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Counts and drops what the flood sent, and checks that every flow's numbers only ever rise: with
 * none late and none repeated, nothing was reordered or duplicated. All else passes. */
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire.h"

struct sink_counters counters[SINK_CPUS_MAX];
__u64 next_in_flow[WIRE_FLOWS_MAX]; /* one above the highest seen: the lowest that may come */

/* The UDP header, if this is a packet of the flood, else NULL. */
static __always_inline struct udphdr *flood_udp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct udphdr *udp;

	if (data + WIRE_FRAME_MIN > end)
		return NULL;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + sizeof(*eth);

		if (ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
			return NULL;
		udp = data + sizeof(*eth) + sizeof(*ip);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data + sizeof(*eth);

		if (data + WIRE_HEADER6 > end || ip->nexthdr != IPPROTO_UDP)
			return NULL;
		udp = data + sizeof(*eth) + sizeof(*ip);
	} else {
		return NULL;
	}
	if ((void *)(udp + 1) + sizeof(__u64) > end || udp->dest != bpf_htons(WIRE_DISCARD_PORT))
		return NULL;
	return udp;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	struct sink_counters *c = &counters[bpf_get_smp_processor_id() % SINK_CPUS_MAX];
	struct udphdr *udp = flood_udp(ctx);
	__u64 number;
	__u32 flow;
	__u64 *next;

	if (!udp)
		return XDP_PASS;
	/* A comparison, no remainder: clang makes that a mask before the bytes are swapped, and behind
	 * the swap the verifier of Linux 6.1 sees no bound. */
	flow = (__u32)bpf_ntohs(udp->source) - WIRE_SOURCE_PORT;
	if (flow >= WIRE_FLOWS_MAX)
		return XDP_PASS;
	next = &next_in_flow[flow];
	number = *(__u64 *)(udp + 1);
	if (number + 1 == *next)
		c->repeated++;
	else if (number < *next)
		c->late++;
	else
		*next = number + 1;
	c->packets++;
	c->bytes += ctx->data_end - ctx->data;
	return XDP_DROP;
}

char licence[] SEC("license") = "Dual BSD/GPL";
