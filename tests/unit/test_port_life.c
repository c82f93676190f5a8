/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP ports on veth devices that go down, lose their carrier or vanish, and of processes that
 * are killed. Needs root; skipped without. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "afxdp_lab.h"

/* ---- devices that do not transmit ---- */

/* Takes frames in up to the one of this number, which must come; returns how many. */
static unsigned drain(int fd, uint32_t last_seq)
{
	uint8_t frame[4096];
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	uint32_t seq = ~last_seq;
	unsigned n = 0;

	while (seq != last_seq) {
		if (poll(&pollfd, 1, PATIENCE_MS) != 1)
			fail_msg("frame %u did not arrive", last_seq);
		/* It also fails once after the device was down. */
		if (recv(fd, frame, sizeof(frame), MSG_DONTWAIT) < 18)
			continue;
		memcpy(&seq, frame + 14, sizeof(seq));
		n++;
	}
	return n;
}

/* Sends several times as many frames as the rings hold, and on until the plane, which may have
 * come late, has found its ring full. */
static void overrun(struct router *r, int fd)
{
	const pl_stat *dropped = &r->plane.ports[1].wire->stats.tx_dropped;
	uint64_t before = pl_stat_read(dropped);
	uint32_t seq = 0;

	while (seq < 10 * RING || (seq < 10000 * RING && pl_stat_read(dropped) == before))
		send_frame(fd, seq++, 100);
	assert_true(pl_stat_read(dropped) > before);
}

/* Until the plane has taken all that has come: a plane that came late may find its rings full of it. */
static void await_rest(const struct router *r)
{
	uint64_t before = pl_stat_read(&r->plane.stats.sleeps);

	for (unsigned ms = 0; pl_stat_read(&r->plane.stats.sleeps) == before; ms++) {
		if (ms > PATIENCE_MS)
			fail_msg("the plane comes to no rest");
		usleep(1000);
	}
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
		traffic(a, b, 1000, 1514);
		sh(take_down);
		overrun(&r, a);
		await_rest(&r);
		sh(bring_up);
		send_frame(a, UINT32_MAX, 100);
		drain(b, UINT32_MAX);
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

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	assert_false(transmit(&r, 0, 10, 60));
	expect_tx(&r, 10, 600, 0);
	assert_int_equal(drain(b, 9), 10);
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
	assert_int_equal(drain(b, 79), 3);
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
	assert_int_equal(drain(b, 78), 12);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_down_and_up),
		cmocka_unit_test(test_carrier_lost_and_back),
		cmocka_unit_test(test_link_down_counts),
		cmocka_unit_test(test_carrier_lost_counts),
		cmocka_unit_test(test_device_removed),
		cmocka_unit_test(test_open_close_often),
		cmocka_unit_test(test_killed_leaves_nothing),
	};
	int skip = afxdp_lab_enter();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
