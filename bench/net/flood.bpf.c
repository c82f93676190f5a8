/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Sends frames by being test-run on "live" ones: the kernel hands over a page, we write the headers
 * and say XDP_TX, and it leaves by the device that the test run named.
 *
 * The pages are recycled with whatever the receiver left in them (a router has changed addresses
 * and TTL), so every header is written anew each time. */
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire.h"

const volatile struct flood_config config;
__u64 sequence; /* of the next frame; one CPU runs us */

static __always_inline __u32 mix(__u32 n)
{
	n *= 2654435761u;
	n ^= n >> 15;
	n *= 0x85ebca6b;
	return n ^ n >> 13;
}

/* Copies the template's first `bytes`, in words, since it lies in a map and not on the stack. */
static __always_inline void put_header(__u8 *frame, unsigned bytes)
{
	const volatile __u16 *from = (const volatile __u16 *)config.header;

	for (unsigned i = 0; i < bytes / 2; i++)
		((__u16 *)frame)[i] = from[i];
}

static __always_inline void put_destination4(__u8 *frame, __u32 varying)
{
	__u32 *destination = (__u32 *)(frame + 30);
	__u32 address = bpf_ntohl(*destination) + varying;
	__u32 sum = config.header_sum + (address >> 16) + (address & 0xffff);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*destination = bpf_htonl(address);
	*(__u16 *)(frame + 24) = bpf_htons(~sum & 0xffff);
}

/* IPv6 destinations vary in the second 32 bits, those that name networks. The UDP checksum, which
 * covers them, stays 0: routers do not look at it and the sink takes it. */
static __always_inline void put_destination6(__u8 *frame, __u32 varying)
{
	__u32 *destination = (__u32 *)(frame + 42);

	*destination = bpf_htonl(bpf_ntohl(*destination) + varying);
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	__u8 *frame = (__u8 *)(long)ctx->data;
	__u8 *end = (__u8 *)(long)ctx->data_end;
	__u64 n = sequence++;
	__u32 varying = mix(n) & (config.destinations - 1);
	__u16 source = bpf_htons(WIRE_SOURCE_PORT + (n & (config.flows - 1)));

	if (config.ipv6) {
		if (frame + WIRE_HEADER6 + sizeof(n) > end)
			return XDP_ABORTED;
		put_header(frame, WIRE_HEADER6);
		put_destination6(frame, varying);
		*(__u16 *)(frame + 54) = source;
		*(__u64 *)(frame + WIRE_HEADER6) = n;
	} else {
		if (frame + WIRE_HEADER4 + sizeof(n) > end)
			return XDP_ABORTED;
		put_header(frame, WIRE_HEADER4);
		put_destination4(frame, varying);
		*(__u16 *)(frame + 34) = source;
		*(__u64 *)(frame + WIRE_HEADER4) = n;
	}
	return XDP_TX;
}

char licence[] SEC("license") = "Dual BSD/GPL";
