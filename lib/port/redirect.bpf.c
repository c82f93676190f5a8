/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Our whole share in the kernel's receive path: hands every packet of a queue to the AF_XDP socket
 * that has the queue. A queue without a socket goes on to the kernel's stack. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1); /* set to the device's number of queues before loading */
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

SEC("xdp")
int pl_redirect(struct xdp_md *ctx)
{
	return (int)bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
