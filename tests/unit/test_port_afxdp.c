/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP ports on real veth devices, in a network namespace that ends with this process. Needs
 * root; skipped without. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <cmocka.h>

#include <peerlane/plane.h>
#include <peerlane/port.h>

#define RING 512u
#define N_PORTS 2u
#define WINDOW 128u /* frames on their way at a time: fewer than any buffer between holds */

/* r0 and r1 are the router's devices; a0 and b0 their peers, whose GRO makes the NAPI that a veth
 * needs to accept frames from XDP, and which leave VLAN tags in the frames. */
static const char *const set_up =
	"ip link add a0 numtxqueues 2 numrxqueues 2 type veth peer name r0 numtxqueues 2 "
	"numrxqueues 2 && "
	"ip link add b0 numtxqueues 2 numrxqueues 2 type veth peer name r1 numtxqueues 2 "
	"numrxqueues 2 && "
	"for d in a0 b0 r0 r1; do "
	"sysctl -qw net.ipv6.conf.$d.disable_ipv6=1; ip link set $d up || exit 1; done && "
	"ethtool -K a0 gro on txvlan off && ethtool -K b0 gro on txvlan off";

static void sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Gives all devices `n` queues; repeatedly, since the kernel lets go of closed sockets' queues in
 * the background. */
static void set_queues(const char *n)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "for d in a0 b0 r0 r1; do for try in $(seq 100); do "
		 "ethtool -L $d rx %s tx %s 2>/dev/null && break; sleep 0.01; done || exit; done",
		 n, n);
	sh(command);
}

static struct pl_port_config config_of(const char *device)
{
	return (struct pl_port_config){
		.name = "pl0", .device = device, .n_queues = 1, .ring_size = RING};
}

static __u32 program_on(const char *device)
{
	__u32 id = 0;

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex(device), 0, &id), 0);
	return id;
}

/* ---- a small router: everything from one port goes out of the other ---- */

struct router {
	struct pl_port *port[N_PORTS];
	struct pl_plane plane;
};

static void swap_ports(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++) {
		assert_int_equal(burst->frame[i] % 16, 2);
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_TX, !burst->port);
	}
}

static void router_open_ring(struct router *r, enum pl_attach attach, uint32_t buf_bytes,
			     unsigned ring)
{
	struct pl_error err = {0};

	memset(r, 0, sizeof(*r));
	assert_int_equal(pl_pool_init(&r->plane.pool, N_PORTS * pl_queue_bufs(ring) + PL_BURST_MAX,
				      buf_bytes, &err),
			 0);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct pl_port_config config = config_of(i ? "r1" : "r0");

		config.attach = attach;
		config.ring_size = ring;
		if (pl_port_open(&r->port[i], &config, &err) ||
		    pl_port_queue_open(r->port[i], 0, &r->plane.pool, &r->plane.ports[i].wire,
				       &err))
			fail_msg("%s (%s)", err.what, err.remedy);
	}
	r->plane.n_ports = N_PORTS;
	r->plane.cpu = -1;
	r->plane.processor.process = swap_ports;
	assert_int_equal(pl_plane_init(&r->plane, &err), 0);
}

static void router_open(struct router *r, enum pl_attach attach, uint32_t buf_bytes)
{
	router_open_ring(r, attach, buf_bytes, RING);
}

static void router_start(struct router *r)
{
	struct pl_error err;

	assert_int_equal(pl_plane_start(&r->plane, &err), 0);
}

static void router_close(struct router *r)
{
	pl_plane_stop(&r->plane);
	pl_plane_fini(&r->plane);
	for (unsigned i = 0; i < N_PORTS; i++)
		pl_queue_close(r->plane.ports[i].wire);
	assert_int_equal(r->plane.pool.n_free, r->plane.pool.n_bufs);
	for (unsigned i = 0; i < N_PORTS; i++)
		pl_port_close(r->port[i]);
	pl_pool_fini(&r->plane.pool);
}

/* ---- hosts: packet sockets on the peers ---- */

static int host_open(const char *device)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(ETH_P_ALL),
				   .sll_ifindex = (int)if_nametoindex(device)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	int room = 8 << 20; /* for all of WINDOW, whatever their size */
	int one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Frame number `seq`: of a length and with a content that depend on it. */
static size_t frame_make(uint8_t *frame, uint32_t seq, size_t len_max)
{
	size_t len = 60 + seq * 37 % (len_max - 60 + 1);

	memset(frame, 0xff, 6);			      /* to everyone */
	memcpy(frame + 6, "\2\0\0\0\0\1\x88\xb5", 8); /* local experimental Ethernet type */
	memcpy(frame + 14, &seq, sizeof(seq));
	for (size_t i = 18; i < len; i++)
		frame[i] = (uint8_t)(seq * 7 + i);
	return len;
}

/* Receives one of our frames and compares it with number `seq`. */
static void expect_frame(int fd, uint32_t seq, size_t len_max)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	uint8_t want[4096], got[4096];
	size_t want_len = frame_make(want, seq, len_max);
	ssize_t len;

	if (poll(&pollfd, 1, 2000) != 1)
		fail_msg("frame %u did not arrive", seq);
	len = recv(fd, got, sizeof(got), 0);
	assert_int_equal(len, want_len);
	assert_memory_equal(got, want, want_len);
}

static void send_frame(int fd, uint32_t seq, size_t len_max)
{
	uint8_t frame[4096];
	size_t len = frame_make(frame, seq, len_max);

	/* Older kernels tell a sender that its veth's peer is full; whoever waits for the frame will
	 * miss it. */
	if (send(fd, frame, len, 0) != (ssize_t)len)
		assert_int_equal(errno, ENOBUFS);
}

/* Sends `n` frames and expects all of them at the other side, unchanged and in order. */
static void traffic(int from, int to, uint32_t n, size_t len_max)
{
	for (uint32_t seq = 0; seq < n; seq += WINDOW) {
		for (uint32_t i = seq; i < seq + WINDOW && i < n; i++)
			send_frame(from, i, len_max);
		for (uint32_t i = seq; i < seq + WINDOW && i < n; i++)
			expect_frame(to, i, len_max);
	}
}

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

/* ---- devices that do not transmit ---- */

/* Takes in what there is; returns how many frames, and the number of the last one. */
static unsigned drain(int fd, uint32_t *last_seq)
{
	uint8_t frame[4096];
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	unsigned n = 0;

	while (poll(&pollfd, 1, 200) == 1) {
		/* It also fails once after the device was down. */
		if (recv(fd, frame, sizeof(frame), MSG_DONTWAIT) < 18)
			continue;
		memcpy(last_seq, frame + 14, sizeof(*last_seq));
		n++;
	}
	return n;
}

/* Sends to a port that cannot transmit, then lets it: it must work as before, from the first
 * frame on. */
static void check_recovers(const char *take_down, const char *bring_up)
{
	struct router r;
	int a = host_open("a0");
	int b = host_open("b0");

	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_start(&r);
	for (unsigned round = 0; round < 3; round++) {
		uint32_t last = 0;

		traffic(a, b, 1000, 1514);
		sh(take_down);
		/* Several times as many as the rings hold. */
		for (uint32_t i = 0; i < 5000; i++)
			send_frame(a, i, 100);
		assert_true(pl_stat_read(&r.plane.ports[1].wire->stats.tx_dropped) > 0);
		sh(bring_up);
		send_frame(a, 123456, 100);
		assert_true(drain(b, &last) > 0);
		assert_int_equal(last, 123456);
	}
	traffic(a, b, 1000, 1514);
	traffic(b, a, 1000, 1514);
	router_close(&r);
	close(a);
	close(b);
}

static void test_link_down_and_up(void **state)
{
	(void)state;
	check_recovers("ip link set r1 down", "ip link set r1 up");
}

static void test_carrier_lost_and_back(void **state)
{
	(void)state;
	check_recovers("ip link set b0 down", "ip link set b0 up");
}

/* Gives `n` frames of `len` bytes to r1's queue, and flushes once. The plane does not run. */
static bool transmit(struct router *r, uint32_t seq, unsigned n, uint16_t len)
{
	struct pl_queue *q = r->plane.ports[1].wire;
	uint32_t frame[RING];
	uint16_t lens[RING];

	assert_int_equal(pl_pool_get(&r->plane.pool, frame, n, PL_OWNER_BURST), n);
	for (unsigned i = 0; i < n; i++) {
		frame_make(r->plane.pool.base + frame[i], seq + i, len);
		lens[i] = len;
	}
	pl_queue_tx(q, frame, lens, n);
	return pl_queue_flush(q);
}

static void expect_tx(struct router *r, uint64_t packets, uint64_t bytes, uint64_t dropped)
{
	const struct pl_queue_stats *stats = &r->plane.ports[1].wire->stats;

	assert_int_equal(pl_stat_read(&stats->tx_packets), packets);
	assert_int_equal(pl_stat_read(&stats->tx_bytes), bytes);
	assert_int_equal(pl_stat_read(&stats->tx_dropped), dropped);
}

static void flush_all(struct router *r)
{
	unsigned turns = 0;

	while (pl_queue_flush(r->plane.ports[1].wire))
		assert_true(++turns < 1000);
}

/* The kernel takes packets and drops them: none counts as sent, and none is there to go out when
 * the carrier is back. */
static void test_carrier_lost_counts(void **state)
{
	struct router r;
	int b = host_open("b0");
	uint32_t last;

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	assert_false(transmit(&r, 0, 10, 60));
	expect_tx(&r, 10, 600, 0);
	assert_int_equal(drain(b, &last), 10);
	sh("ip link set b0 down");
	assert_true(transmit(&r, 0, 100, 1514));
	transmit(&r, 0, 8, 60);
	flush_all(&r);
	expect_tx(&r, 10, 600, 108);
	/* More often than the ring has entries: the room of those dropped must come back. */
	for (unsigned i = 0; i < RING + 10; i++)
		assert_false(transmit(&r, 0, 2, 60));
	expect_tx(&r, 10, 600, 108 + 2 * (RING + 10));
	sh("ip link set b0 up");
	transmit(&r, 77, 3, 100);
	assert_int_equal(drain(b, &last), 3);
	assert_int_equal(last, 79);
	expect_tx(&r, 13, 900, 108 + 2 * (RING + 10));
	router_close(&r);
	close(b);
}

/* The kernel takes nothing: what was in the ring stays there and counts when it goes out; what
 * comes after it is dropped rather than kept until then. */
static void test_link_down_counts(void **state)
{
	struct router r;
	int b = host_open("b0");
	uint32_t last;

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	sh("ip link set r1 down");
	assert_false(transmit(&r, 0, 10, 1514));
	expect_tx(&r, 0, 0, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_false(transmit(&r, 10, 8, 60));
	expect_tx(&r, 0, 0, 800);
	sh("ip link set r1 up");
	assert_false(transmit(&r, 77, 2, 60));
	assert_int_equal(drain(b, &last), 12);
	assert_int_equal(last, 78);
	expect_tx(&r, 12, 10 * 1514 + 2 * 60, 800);
	router_close(&r);
	close(b);
}

static void test_device_removed(void **state)
{
	struct router r;
	int a = host_open("a0");
	uint64_t sent;

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	assert_false(transmit(&r, 0, 10, 60));
	sh("ip link del r1");
	transmit(&r, 0, 20, 60);
	transmit(&r, 0, 30, 60);
	/* The first 20 are in the ring of a device that is no more. */
	expect_tx(&r, 10, 600, 30);
	router_start(&r);
	for (uint32_t i = 0; i < 5000; i++)
		send_frame(a, i, 100);
	/* The port that is left still receives; what was for the other is dropped. */
	for (unsigned i = 0; i < 200; i++) {
		if (pl_stat_read(&r.plane.ports[1].wire->stats.tx_dropped) == 30 + 5000)
			break;
		usleep(10000);
	}
	sent = pl_stat_read(&r.plane.ports[0].wire->stats.rx_packets);
	expect_tx(&r, 10, 600, 30 + sent);
	assert_true(sent > 0);
	router_close(&r);
	close(a);
	sh("ip link add b0 numtxqueues 2 numrxqueues 2 type veth peer name r1 numtxqueues 2 "
	   "numrxqueues 2 && for d in b0 r1; do sysctl -qw net.ipv6.conf.$d.disable_ipv6=1; "
	   "ip link set $d up; done && ethtool -K b0 gro on txvlan off");
	set_queues("1");
}

static void test_open_close_often(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct router r;

		router_open(&r, PL_ATTACH_AUTO, 2048);
		assert_int_not_equal(program_on("r0"), 0);
		router_close(&r);
		assert_int_equal(program_on("r0"), 0);
	}
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
	assert_int_equal(poll(&pollfd, 1, 2000), 1);
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
	for (unsigned tries = 0; arrived[0] + arrived[1] < 64 && tries < 2000; tries++) {
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
	for (; back < 64 && poll(&pollfd, 1, 2000) == 1; back++)
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

static void test_killed_leaves_nothing(void **state)
{
	struct router r;
	int pipe_fd[2];
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	child = fork();
	if (child == 0) {
		router_open(&r, PL_ATTACH_AUTO, 2048);
		router_start(&r);
		(void)!write(pipe_fd[1], "", 1);
		pause();
	}
	close(pipe_fd[1]); /* a child that fails ends the read */
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	assert_int_not_equal(program_on("r0"), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(program_on("r0"), 0);
	assert_int_equal(program_on("r1"), 0);
	/* At once again: the kernel may not have let go of the queues yet. */
	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_close(&r);
	close(pipe_fd[0]);
}

/* ---- what cannot be, and what is said about it ---- */

static void expect_error(int rc, int want, const struct pl_error *err, const char *what,
			 const char *remedy)
{
	assert_int_equal(rc, want);
	if (!strstr(err->what, what) || !strstr(err->remedy, remedy))
		fail_msg("\"%s\" (\"%s\") lacks \"%s\" or \"%s\"", err->what, err->remedy, what,
			 remedy);
}

static int probe(const char *device, unsigned n_queues, struct pl_error *err)
{
	struct pl_port_config config = config_of(device);
	struct pl_port_caps caps;

	config.n_queues = n_queues;
	return pl_port_probe(&config, &caps, err);
}

static void test_probe(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port_caps caps;
	struct pl_error err = {0};
	struct pl_port *port;

	(void)state;
	assert_int_equal(pl_port_probe(&config, &caps, &err), 0);
	assert_int_equal(caps.mtu, 1500);
	assert_int_equal(caps.max_queues, 1);
	assert_int_equal(caps.ifindex, if_nametoindex("r0"));
	assert_false(caps.zero_copy); /* veth cannot */
	config.attach = PL_ATTACH_GENERIC;
	assert_int_equal(pl_port_probe(&config, &caps, &err), 0);
	assert_false(caps.zero_copy); /* nor can any device */
	config.attach = PL_ATTACH_AUTO;
	assert_int_equal(caps.mac[0] & 1, 0);
	expect_error(probe("nonesuch", 1, &err), -ENODEV, &err, "nonesuch", "ip link");
	expect_error(probe("a-name-too-long-for-linux", 1, &err), -ENODEV, &err, "too-long", "");
	expect_error(probe("lo", 1, &err), -EPROTOTYPE, &err, "not an Ethernet", "Ethernet");
	expect_error(probe("r0", 3, &err), -EINVAL, &err, "r0 has 1 queues", "ethtool -L r0");
	sh("ethtool -L r0 rx 2 tx 2");
	assert_int_equal(probe("r0", 2, &err), 0);
	expect_error(probe("r0", 1, &err), -EINVAL, &err,
		     "r0 has 2 queues, but 1 plane:", "Planes=2, or: ethtool -L r0 combined 1");
	assert_int_equal(pl_port_open(&port, &config, &err), -EINVAL);
	sh("ethtool -L r0 rx 2 tx 1");
	expect_error(probe("r0", 1, &err), -EINVAL, &err,
		     "r0 has 2 queues, but 1 plane:", "use ethtool -L r0");
	sh("ethtool -L r0 rx 1 tx 1");
}

static void test_mtu_does_not_fit(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port *port;
	struct pl_pool pool;
	struct pl_queue *queue;
	struct pl_error err = {0};

	(void)state;
	sh("ip link set r0 mtu 9000");
	expect_error(pl_port_open(&port, &config, &err), -EMSGSIZE, &err, "MTU 9000", "mtu 3820");
	assert_null(port);
	sh("ip link set r0 mtu 3000");
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	assert_int_equal(pl_pool_init(&pool, 2048, 2048, &err), 0);
	expect_error(pl_port_queue_open(port, 0, &pool, &queue, &err), -EMSGSIZE, &err, "MTU 3000",
		     "4096");
	sh("ip link set r0 mtu 1500");
	assert_int_equal(pl_port_queue_open(port, 0, &pool, &queue, &err), 0);
	assert_int_equal(pl_port_set_mtu(port, 1400, &err), 0);
	assert_int_equal(pl_port_set_mtu(port, 1772, &err), 0);
	expect_error(pl_port_set_mtu(port, 1773, &err), -EMSGSIZE, &err, "MTU 1773", "mtu 1772");
	assert_int_equal(pl_port_set_mtu(port, 1500, &err), 0);
	pl_queue_close(queue);
	pl_pool_fini(&pool);
	pl_port_close(port);
}

static void test_device_taken(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port *port, *other;
	struct pl_error err = {0};

	(void)state;
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	expect_error(pl_port_open(&other, &config, &err), -EBUSY, &err, "another XDP program",
		     "xdp off");
	assert_null(other);
	pl_port_close(port);
}

static void test_queue_taken(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port *port;
	struct pl_queue *queue, *second;
	struct pl_pool pool[2];
	struct pl_error err = {0};

	(void)state;
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pl_pool_init(&pool[i], 2048, 2048, &err), 0);
	assert_int_equal(pl_port_queue_open(port, 0, &pool[0], &queue, &err), 0);
	expect_error(pl_port_queue_open(port, 0, &pool[1], &second, &err), -EBUSY, &err,
		     "r0 queue 0", "ss --xdp");
	assert_int_equal(pool[1].n_free, pool[1].n_bufs);
	pl_queue_close(queue);
	pl_port_close(port);
	pl_pool_fini(&pool[0]);
	pl_pool_fini(&pool[1]);
}

static void test_ring_size(void **state)
{
	static const unsigned bad[] = {0, 32, 100, 8192};
	struct pl_port *port;
	struct pl_error err = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pl_port_config config = config_of("r0");

		config.ring_size = bad[i];
		expect_error(pl_port_open(&port, &config, &err), -EINVAL, &err, "descriptors",
			     "power of two");
	}
}

static void test_accept_mac(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 99};
	struct pl_port_config config = config_of("r0");
	struct pl_port *port;
	struct pl_error err = {0};

	(void)state;
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	assert_int_equal(pl_port_accept_mac(port, mac, &err), 0);
	sh("ip -d link show dev r0 | grep -q 'allmulti 1'");
	assert_int_equal(pl_port_accept_mac(port, mac, &err), 0);
	pl_port_close(port);
	sh("ip -d link show dev r0 | grep -q 'allmulti 0'");
}

/* Runs `body` in a child, since what it gives up cannot be had again. */
static void in_child(void (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		body();
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void child_expect(bool condition, const struct pl_error *err)
{
	if (condition)
		return;
	fprintf(stderr, "unexpected: \"%s\" (\"%s\")\n", err->what, err->remedy);
	_exit(1);
}

static void probe_without_privileges(void)
{
	struct pl_error err = {0};

	child_expect(setresuid(65534, 65534, 65534) == 0, &err);
	child_expect(probe("r0", 1, &err) == -EPERM && strstr(err.what, "not permitted") &&
			     strstr(err.remedy, "CAP_NET_RAW"),
		     &err);
}

static void drop_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		_exit(2);
	data[capability / 32].effective &= ~(1u << capability % 32);
	data[capability / 32].permitted &= ~(1u << capability % 32);
	if (syscall(SYS_capset, &header, data))
		_exit(3);
}

static void open_without_locked_memory(void)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	struct pl_port_config config = config_of("r0");
	struct pl_error err = {0};
	struct pl_port *port;
	struct pl_pool pool;
	struct pl_queue *queue;

	child_expect(pl_port_open(&port, &config, &err) == 0, &err);
	child_expect(pl_pool_init(&pool, 2048, 2048, &err) == 0, &err);
	drop_capability(CAP_IPC_LOCK);
	child_expect(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, &err);
	child_expect(pl_port_queue_open(port, 0, &pool, &queue, &err) == -ENOBUFS &&
			     strstr(err.what, "4096 kB") && strstr(err.remedy, "LimitMEMLOCK"),
		     &err);
}

static void test_missing_privileges(void **state)
{
	(void)state;
	in_child(probe_without_privileges);
	in_child(open_without_locked_memory);
}

static int skipped(const char *reason)
{
	printf("SKIP: %s\n", reason);
	return 77;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_forward_native),
		cmocka_unit_test(test_forward_generic),
		cmocka_unit_test(test_forward_large),
		cmocka_unit_test(test_smallest_ring),
		cmocka_unit_test(test_link_down_and_up),
		cmocka_unit_test(test_carrier_lost_and_back),
		cmocka_unit_test(test_link_down_counts),
		cmocka_unit_test(test_carrier_lost_counts),
		cmocka_unit_test(test_device_removed),
		cmocka_unit_test(test_open_close_often),
		cmocka_unit_test(test_killed_leaves_nothing),
		cmocka_unit_test(test_two_planes),
		cmocka_unit_test(test_sees_vlan_tags),
		cmocka_unit_test(test_mtu_does_not_fit),
		cmocka_unit_test(test_device_taken),
		cmocka_unit_test(test_queue_taken),
		cmocka_unit_test(test_ring_size),
		cmocka_unit_test(test_accept_mac),
		cmocka_unit_test(test_missing_privileges),
	};

	if (geteuid() != 0)
		return skipped("needs root");
	if (unshare(CLONE_NEWNET))
		return skipped("cannot make a network namespace");
	if (system(set_up) != 0)
		return skipped("cannot make veth devices (ip, ethtool)");
	set_queues("1");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
