/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP ports on real veth devices: what they receive and send. Needs
 * root; skipped without. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <net/if.h>

#include <cmocka.h>

#include "afxdp_lab.h"

static void check_both_ways(enum pl_attach attach, uint32_t buf_bytes, size_t len_max)
{
	struct router r;
	int a = host_open("a0");
	int b = host_open("b0");

	router_open(&r, attach, buf_bytes);
	router_start(&r);
	traffic(a, b, 20000, len_max);
	traffic(b, a, 20000, len_max);
	pl_plane_stop(&r.plane);
	assert_int_equal(pl_stat_read(&r.plane.ports[0].wire->stats.rx_packets), 20000);
	assert_int_equal(pl_stat_read(&r.plane.ports[0].wire->stats.tx_packets), 20000);
	assert_int_equal(pl_stat_read(&r.plane.ports[1].wire->stats.tx_bytes),
			 pl_stat_read(&r.plane.ports[0].wire->stats.rx_bytes));
	router_close(&r);
	close(a);
	close(b);
}

static void test_forward_native(void **state)
{
	(void)state;
	check_both_ways(PL_ATTACH_NATIVE, 2048, 1514);
}

static void test_forward_generic(void **state)
{
	(void)state;
	check_both_ways(PL_ATTACH_GENERIC, 2048, 1514);
}

static void test_forward_large(void **state)
{
	(void)state;
	sh("for d in a0 b0 r0 r1; do ip link set $d mtu 3488 || exit 1; done");
	check_both_ways(PL_ATTACH_AUTO, 4096, 3488 + 14);
	sh("for d in a0 b0 r0 r1; do ip link set $d mtu 1500 || exit 1; done");
}

/* Bursts of nearly as much as the smallest ring holds, for a plane that sleeps before each. */
static void test_smallest_ring(void **state)
{
	struct router r;
	int a = host_open("a0");
	int b = host_open("b0");

	(void)state;
	router_open_ring(&r, PL_ATTACH_AUTO, 2048, 64);
	router_start(&r);
	for (unsigned round = 0; round < 200; round++)
		traffic(round % 2 ? a : b, round % 2 ? b : a, 40, 200);
	router_close(&r);
	close(a);
	close(b);
}

/* Makes what leaves `device` VLAN 100's, with the tag beside the frame as a VLAN interface leaves
 * it: what becomes of the tag is the device's. */
static void tag_what_leaves(const char *device)
{
	const struct bpf_insn program[] = {
		{BPF_ALU | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, htons(ETH_P_8021Q)},
		{BPF_ALU | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 100},
		{BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_vlan_push},
		{BPF_ALU | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 /* TC_ACT_OK */},
		{BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tag", "BSD", program,
				     sizeof(program) / sizeof(program[0]), NULL);
	assert_true(opts.prog_fd >= 0);
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

/* A tag must be in the frame for the packet program to see: else a VLAN's frames would be routed
 * as if they had none. */
static void check_sees_tag(enum pl_attach attach)
{
	struct router r;
	int a = host_open("a0");
	struct pollfd pollfd = {.events = POLLIN};
	uint32_t frame;
	uint16_t len;

	router_open(&r, attach, 2048);
	sh("ethtool -k r0 | grep -q 'rx-vlan-offload: off'");
	sh("ethtool -k r0 | grep -q 'rx-vlan-stag-hw-parse: off'");
	send_frame(a, 0, 60);
	pollfd.fd = r.plane.ports[0].wire->event_fd;
	assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
	assert_int_equal(pl_queue_rx(r.plane.ports[0].wire, &frame, &len, 1), 1);
	assert_int_equal(len, 64);
	assert_memory_equal(r.plane.pool.base + frame + 12, "\x81\x00\x00\x64\x88\xb5", 6);
	pl_pool_put(&r.plane.pool, &frame, 1, PL_OWNER_BURST);
	router_close(&r);
	sh("ethtool -k r0 | grep -q 'rx-vlan-offload: on'");
	sh("ethtool -k r0 | grep -q 'rx-vlan-stag-hw-parse: on'");
	close(a);
}

static void test_sees_vlan_tags(void **state)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("a0"),
		    .attach_point = BPF_TC_EGRESS | BPF_TC_INGRESS);

	(void)state;
	tag_what_leaves("a0");
	sh("ethtool -K r0 rxvlan on rx-vlan-stag-hw-parse on"); /* a killed router left it off */
	check_sees_tag(PL_ATTACH_NATIVE);
	check_sees_tag(PL_ATTACH_GENERIC);
	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
}

/* Sends frames of 64 flows, UDP from different ports. All must arrive, some by either queue, and
 * come back. */
static void check_flows_reach_both(struct pl_queue *queue[2])
{
	static const char headers[] = "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x08\0"
				      "\x45\0\0\x2e\0\0\0\0\x40\x11\0\0"
				      "\x0a\0\0\1\x0a\0\0\2";
	uint8_t data[60] = {0}, got[128];
	int a = host_open("a0");
	struct pollfd pollfd = {.fd = a, .events = POLLIN};
	unsigned arrived[2] = {0}, back = 0;

	memcpy(data, headers, sizeof(headers) - 1);
	for (unsigned flow = 0; flow < 64; flow++) {
		data[35] = (uint8_t)flow; /* source port */
		assert_int_equal(send(a, data, sizeof(data), 0), sizeof(data));
	}
	for (unsigned tries = 0; arrived[0] + arrived[1] < 64 && tries < PATIENCE_MS; tries++) {
		for (unsigned i = 0; i < 2; i++) {
			uint32_t frame[64];
			uint16_t len[64];
			unsigned n = pl_queue_rx(queue[i], frame, len, 64);

			pl_queue_tx(queue[i], frame, len, n);
			pl_queue_flush(queue[i]);
			arrived[i] += n;
		}
		usleep(1000);
	}
	assert_int_equal(arrived[0] + arrived[1], 64);
	assert_true(arrived[0] > 0 && arrived[1] > 0);
	for (; back < 64 && poll(&pollfd, 1, PATIENCE_MS) == 1; back++)
		assert_int_equal(recv(a, got, sizeof(got), 0), sizeof(data));
	assert_int_equal(back, 64);
	close(a);
}

static void test_two_planes(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_pool pool[2];
	struct pl_queue *queue[2], *third;
	struct pl_port *port;
	struct pl_port_info info;
	struct pl_error err;

	(void)state;
	set_queues("2");
	config.n_queues = 2;
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pl_pool_init(&pool[i], pl_queue_bufs(RING), 2048, &err), 0);
		if (pl_port_queue_open(port, i, &pool[i], &queue[i], &err))
			fail_msg("%s (%s)", err.what, err.remedy);
	}
	assert_int_equal(pl_port_queue_open(port, 2, &pool[0], &third, &err), -EINVAL);
	assert_null(third);
	pl_port_info(port, &info);
	assert_string_equal(info.attach, "native");
	assert_string_equal(info.copy, "copy");
	assert_int_equal(info.n_queues, 2);
	assert_int_equal(info.ifindex, if_nametoindex("r0"));
	check_flows_reach_both(queue);
	for (unsigned i = 0; i < 2; i++) {
		pl_queue_close(queue[i]);
		pl_pool_fini(&pool[i]);
	}
	pl_port_close(port);
	set_queues("1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward_native), cmocka_unit_test(test_forward_generic),
		cmocka_unit_test(test_forward_large),  cmocka_unit_test(test_smallest_ring),
		cmocka_unit_test(test_two_planes),     cmocka_unit_test(test_sees_vlan_tags),
	};
	int skip = afxdp_lab_enter();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
