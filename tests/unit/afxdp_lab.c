/* SPDX-License-Identifier: BSD-2-Clause */
#include "afxdp_lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <cmocka.h>

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

void sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Gives all devices `n` queues; repeatedly, since the kernel lets go of closed sockets' queues in
 * the background. */
void set_queues(const char *n)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "for d in a0 b0 r0 r1; do for try in $(seq 100); do "
		 "ethtool -L $d rx %s tx %s 2>/dev/null && break; sleep 0.01; done || exit; done",
		 n, n);
	sh(command);
}

struct pl_port_config config_of(const char *device)
{
	return (struct pl_port_config){
		.name = "pl0", .device = device, .n_queues = 1, .ring_size = RING};
}

__u32 program_on(const char *device)
{
	__u32 id = 0;

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex(device), 0, &id), 0);
	return id;
}

/* ---- a small router: everything from one port goes out of the other ---- */

static void swap_ports(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++) {
		assert_int_equal(burst->frame[i] % 16, 2);
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_TX, !burst->port);
	}
}

void router_open_ring(struct router *r, enum pl_attach attach, uint32_t buf_bytes, unsigned ring)
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
	r->plane.processor = pl_immediate_processor(&r->immediate, swap_ports, NULL);
	assert_int_equal(pl_plane_init(&r->plane, &err), 0);
}

void router_open(struct router *r, enum pl_attach attach, uint32_t buf_bytes)
{
	router_open_ring(r, attach, buf_bytes, RING);
}

void router_start(struct router *r)
{
	struct pl_error err;

	assert_int_equal(pl_plane_start(&r->plane, &err), 0);
}

void router_close(struct router *r)
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

int host_open(const char *device)
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
size_t frame_make(uint8_t *frame, uint32_t seq, size_t len_max)
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
void expect_frame(int fd, uint32_t seq, size_t len_max)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	uint8_t want[4096], got[4096];
	size_t want_len = frame_make(want, seq, len_max);
	ssize_t len;

	if (poll(&pollfd, 1, PATIENCE_MS) != 1)
		fail_msg("frame %u did not arrive", seq);
	len = recv(fd, got, sizeof(got), 0);
	assert_int_equal(len, want_len);
	assert_memory_equal(got, want, want_len);
}

void send_frame(int fd, uint32_t seq, size_t len_max)
{
	uint8_t frame[4096];
	size_t len = frame_make(frame, seq, len_max);

	/* Older kernels tell a sender that its veth's peer is full; whoever waits for the frame will
	 * miss it. */
	if (send(fd, frame, len, 0) != (ssize_t)len)
		assert_int_equal(errno, ENOBUFS);
}

/* Sends `n` frames and expects all of them at the other side, unchanged and in order. */
void traffic(int from, int to, uint32_t n, size_t len_max)
{
	for (uint32_t seq = 0; seq < n; seq += WINDOW) {
		for (uint32_t i = seq; i < seq + WINDOW && i < n; i++)
			send_frame(from, i, len_max);
		for (uint32_t i = seq; i < seq + WINDOW && i < n; i++)
			expect_frame(to, i, len_max);
	}
}

/* ---- what is said about what cannot be ---- */

void expect_error(int rc, int want, const struct pl_error *err, const char *what,
		  const char *remedy)
{
	assert_int_equal(rc, want);
	if (!strstr(err->what, what) || !strstr(err->remedy, remedy))
		fail_msg("\"%s\" (\"%s\") lacks \"%s\" or \"%s\"", err->what, err->remedy, what,
			 remedy);
}

static int skipped(const char *reason)
{
	printf("SKIP: %s\n", reason);
	return 77;
}

int afxdp_lab_enter(void)
{
	if (geteuid() != 0)
		return skipped("needs root");
	if (unshare(CLONE_NEWNET))
		return skipped("cannot make a network namespace");
	if (system(set_up) != 0)
		return skipped("cannot make veth devices (ip, ethtool)");
	set_queues("1");
	return 0;
}
