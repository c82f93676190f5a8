/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Sends frames by being test-run on "live" ones: the kernel hands over a page, we write the headers
 * and say XDP_TX, and it leaves by the device that the test run named.
 *
 * The pages are recycled with whatever the receiver left in them (a router has changed addresses
 * and TTL), so every header is written anew each time. */
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>

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

/* Copies bytes `start` to `stop` in words, since they lie in a map and not on the stack. */
static __always_inline void put_words(__u8 *frame, const volatile __u16 *from, unsigned start,
				      unsigned stop)
{
	for (unsigned i = start / 2; i < stop / 2; i++)
		((__u16 *)frame)[i] = from[i];
}

static __always_inline void put_header(__u8 *frame, unsigned start, unsigned stop)
{
	put_words(frame, (const volatile __u16 *)config.header, start, stop);
}

/* Adds to the 32-bit number at `at`; returns the sum of its halves, for checksums. */
static __always_inline __u32 vary(__u8 *at, __u32 varying)
{
	__u32 *number = (__u32 *)at;
	__u32 value = bpf_ntohl(*number) + varying;

	*number = bpf_htonl(value);
	return (value >> 16) + (value & 0xffff);
}

static __always_inline __u16 checksum(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return bpf_htons(~sum & 0xffff);
}

/* Of the header at `at`. The checksum of UDP over IPv6 stays 0: routers do not look at it and the
 * sink takes it. */
static __always_inline void put_source_port(__u8 *at, __u32 port)
{
	*(__u16 *)at = bpf_htons(port);
}

/* Receivers of TCP do look. `sum` is that of all that varies. */
static __always_inline void put_tcp_checksum(__u8 *at, __u32 sum)
{
	*(__u16 *)(at + 16) = checksum(config.payload_sum + sum);
}

/* An ARP request of another sender: its address, and its MAC in both headers, never our own. */
static __always_inline void put_arp_sender(__u8 *frame, __u32 varying)
{
	vary(frame + 28, varying);
	vary(frame + 24, varying + 1);
	vary(frame + 8, varying + 1);
}

/* IPv6 addresses vary in the second 32 bits, those that name networks. */
static __always_inline int make_ipv6(__u8 *frame, __u8 *end, __u64 n, __u32 from, __u32 to,
				     __u32 port)
{
	__u32 sum;

	if (frame + WIRE_HEADER6 + sizeof(n) > end)
		return XDP_ABORTED;
	put_header(frame, 0, WIRE_HEADER6);
	sum = vary(frame + 26, from) + vary(frame + 42, to);
	if (config.protocol == IPPROTO_UDP) {
		put_source_port(frame + 54, port);
		*(__u64 *)(frame + WIRE_HEADER6) = n;
	} else if (config.protocol == IPPROTO_TCP) {
		if (frame + WIRE_TCP6 > end)
			return XDP_ABORTED;
		put_header(frame, WIRE_HEADER6, WIRE_TCP6);
		put_source_port(frame + 54, port);
		put_tcp_checksum(frame + 54, port + sum);
	} else if (config.protocol == IPPROTO_ICMPV6) {
		if (frame + WIRE_ND > end)
			return XDP_ABORTED;
		put_header(frame, WIRE_HEADER6, WIRE_ND);
		*(__u16 *)(frame + 56) = checksum(config.payload_sum + sum);
	}
	return XDP_TX;
}

static __always_inline int make_ipv4(__u8 *frame, __u8 *end, __u64 n, __u32 from, __u32 to,
				     __u32 port)
{
	__u32 sum;

	if (frame + WIRE_TCP4 > end)
		return XDP_ABORTED;
	put_header(frame, 0, WIRE_TCP4);
	sum = vary(frame + 26, from) + vary(frame + 30, to);
	*(__u16 *)(frame + 24) = checksum(config.header_sum + sum);
	if (config.protocol == IPPROTO_UDP) {
		put_source_port(frame + 34, port);
		*(__u64 *)(frame + WIRE_HEADER4) = n;
	} else if (config.protocol == IPPROTO_TCP) {
		put_source_port(frame + 34, port);
		put_tcp_checksum(frame + 34, port + sum);
	}
	return XDP_TX;
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	__u8 *frame = (__u8 *)(long)ctx->data;
	__u8 *end = (__u8 *)(long)ctx->data_end;
	__u64 n = sequence++;
	__u32 to = mix(n) & (config.destinations - 1), from = mix(~n) & (config.sources - 1);
	__u32 port = WIRE_SOURCE_PORT + (n & (config.flows - 1));

	if (config.ask_every && n % config.ask_every == 0) {
		if (frame + WIRE_HEADER4 > end)
			return XDP_ABORTED;
		put_words(frame, (const volatile __u16 *)config.ask, 0, WIRE_HEADER4);
		return XDP_TX;
	}
	if (config.protocol == WIRE_ARP) {
		if (frame + WIRE_HEADER4 > end)
			return XDP_ABORTED;
		put_header(frame, 0, WIRE_HEADER4);
		put_arp_sender(frame, from);
		return XDP_TX;
	}
	return config.ipv6 ? make_ipv6(frame, end, n, from, to, port)
			   : make_ipv4(frame, end, n, from, to, port);
}

char licence[] SEC("license") = "Dual BSD/GPL";
