/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A peer to compare with: forwarding in XDP by the kernel's own tables, bpf_fib_lookup(). What it
 * does not want (TTL used up, options, no route, no neighbour, too long) goes up to the kernel. */
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define AF_INET6 10

static __always_inline int forward(struct xdp_md *ctx, struct ethhdr *eth,
				   struct bpf_fib_lookup *fib)
{
	fib->ifindex = ctx->ingress_ifindex;
	if (bpf_fib_lookup(ctx, fib, sizeof(*fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	__builtin_memcpy(eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, fib->smac, ETH_ALEN);
	return bpf_redirect(fib->ifindex, 0);
}

static __always_inline int forward4(struct xdp_md *ctx, struct ethhdr *eth, struct iphdr *ip)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET,
		.tos = ip->tos,
		.l4_protocol = ip->protocol,
		.tot_len = bpf_ntohs(ip->tot_len),
		.ipv4_src = ip->saddr,
		.ipv4_dst = ip->daddr,
	};
	__u32 sum = ip->check + bpf_htons(0x0100);
	int verdict;

	if (ip->ihl != 5 || ip->ttl <= 1)
		return XDP_PASS;
	verdict = forward(ctx, eth, &fib);
	if (verdict == XDP_REDIRECT) {
		ip->check = sum + (sum >= 0xffff);
		ip->ttl--;
	}
	return verdict;
}

static __always_inline int forward6(struct xdp_md *ctx, struct ethhdr *eth, struct ipv6hdr *ip)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET6,
		.flowinfo = *(__be32 *)ip & bpf_htonl(0x0fffffff),
		.l4_protocol = ip->nexthdr,
		.tot_len = bpf_ntohs(ip->payload_len) + sizeof(*ip),
	};
	int verdict;

	if (ip->hop_limit <= 1)
		return XDP_PASS;
	__builtin_memcpy(fib.ipv6_src, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(fib.ipv6_dst, &ip->daddr, sizeof(ip->daddr));
	verdict = forward(ctx, eth, &fib);
	if (verdict == XDP_REDIRECT)
		ip->hop_limit--;
	return verdict;
}

SEC("xdp")
int fib(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *ip = eth + 1;

	if (ip > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP) && ip + sizeof(struct iphdr) <= end)
		return forward4(ctx, eth, ip);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6) && ip + sizeof(struct ipv6hdr) <= end)
		return forward6(ctx, eth, ip);
	return XDP_PASS;
}

char licence[] SEC("license") = "Dual BSD/GPL";
