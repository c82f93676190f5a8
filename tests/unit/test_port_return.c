/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP ports whose device is deleted and made anew while the plane runs. Needs root; skipped
 * without. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "afxdp_lab.h"

static const char *const peer_of[N_PORTS] = {"a0", "b0"};
static const char *const device_of[N_PORTS] = {"r0", "r1"};

static void remove_device(unsigned port)
{
	char command[64];

	snprintf(command, sizeof(command), "ip link del %s", device_of[port]);
	sh(command);
}

static void make_device(unsigned port)
{
	char command[400];

	snprintf(command, sizeof(command),
		 "ip link add %s numtxqueues 1 numrxqueues 1 type veth peer name %s "
		 "numtxqueues 1 numrxqueues 1 && for d in %s %s; do "
		 "sysctl -qw net.ipv6.conf.$d.disable_ipv6=1; ip link set $d up || exit 1; done && "
		 "ethtool -K %s gro on txvlan off",
		 peer_of[port], device_of[port], peer_of[port], device_of[port], peer_of[port]);
	sh(command);
}

/* ---- what a control thread does ---- */

struct change {
	unsigned port;
	uint32_t collected;
	int rc;
};

static void leave(struct pl_plane *plane, void *ctx)
{
	struct change *change = ctx;

	pl_plane_unwatch(plane, plane->ports[change->port].wire);
	pl_queue_leave(plane->ports[change->port].wire);
}

static void collect(struct pl_plane *plane, void *ctx)
{
	struct change *change = ctx;

	change->collected = pl_queue_collect(plane->ports[change->port].wire);
}

static void resume(struct pl_plane *plane, void *ctx)
{
	struct change *change = ctx;
	struct pl_error err;

	change->rc = pl_queue_resume(plane->ports[change->port].wire, &err);
	if (!change->rc)
		change->rc = pl_plane_watch(plane, plane->ports[change->port].wire);
}

/* What the plane was kept from its packets by, from one device to the next: its own time, and how
 * often it had to wait for something. Not how late it was: others may have had its processor. */
static struct kept {
	uint64_t cpu_ns;
	long waits;
} kept;

/* Of the calling thread. */
static struct kept used_so_far(void)
{
	struct timespec cpu;
	struct rusage usage;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	getrusage(RUSAGE_THREAD, &usage);
	return (struct kept){(uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec,
			     usage.ru_nvcsw};
}

struct step {
	void (*fn)(struct pl_plane *plane, void *ctx);
	struct change *change;
};

static void measured(struct pl_plane *plane, void *ctx)
{
	struct step *step = ctx;
	struct kept before = used_so_far(), after;

	step->fn(plane, step->change);
	after = used_so_far();
	kept.cpu_ns += after.cpu_ns - before.cpu_ns;
	kept.waits += after.waits - before.waits;
}

static void run(struct router *r, void (*fn)(struct pl_plane *plane, void *ctx),
		struct change *change)
{
	struct step step = {fn, change};

	pl_plane_run(&r->plane, measured, &step);
}

/* Returns how many buffers came back. */
static uint32_t lose(struct router *r, unsigned port)
{
	struct change change = {.port = port};

	kept = (struct kept){0};
	run(r, leave, &change);
	pl_port_leave(r->port[port]);
	run(r, collect, &change);
	return change.collected;
}

static void regain(struct router *r, unsigned port)
{
	struct change change = {.port = port};
	struct pl_error err;
	int rc = -EBUSY;

	for (unsigned i = 0; i < 200 && rc; i++, usleep(5000))
		rc = pl_port_return(r->port[port], &err);
	if (rc)
		fail_msg("%s (%s)", err.what, err.remedy);
	run(r, resume, &change);
	assert_int_equal(change.rc, 0);
}

/* ---- tests ---- */

static void check_traffic(uint32_t n)
{
	int a = host_open("a0");
	int b = host_open("b0");

	traffic(a, b, n, 1514);
	traffic(b, a, n, 1514);
	close(a);
	close(b);
}

/* Frames towards both ports, whether anybody takes them or not, and more than the rings hold. */
static void push(unsigned from)
{
	int fd = host_open(peer_of[from]);

	for (uint32_t i = 0; i < 2000; i++)
		send_frame(fd, i, 100);
	close(fd);
}

static void count_missing(struct pl_plane *plane, void *missing)
{
	*(uint32_t *)missing = plane->pool.n_bufs - plane->pool.n_free;
}

/* All buffers but those of `rings` ports are in the pool. */
static void check_buffers(struct router *r, uint32_t rings)
{
	uint32_t missing;

	pl_plane_run(&r->plane, count_missing, &missing);
	assert_in_range(missing, 0, rings * pl_queue_bufs(RING));
}

/* Whichever device goes, also the one through whose socket the other has joined, and again and
 * again: the ports forward afterwards, and no buffer is missing. */
static void test_device_returns(void **state)
{
	struct router r;
	struct kept best = {UINT64_MAX, LONG_MAX};

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_start(&r);
	for (unsigned round = 0; round < 12; round++) {
		unsigned port = round / 2 % 2;
		uint64_t before = pl_stat_read(&r.plane.ports[port].wire->stats.rx_packets);

		push(0);
		push(1);
		remove_device(port);
		push(!port); /* to a device that is gone, and nobody has been told */
		assert_true(lose(&r, port) > RING / 2);
		check_buffers(&r, 1);
		push(!port); /* to a queue that has left */
		make_device(port);
		regain(&r, port);
		best.cpu_ns = kept.cpu_ns < best.cpu_ns ? kept.cpu_ns : best.cpu_ns;
		best.waits = kept.waits < best.waits ? kept.waits : best.waits;
		check_traffic(300);
		assert_true(pl_stat_read(&r.plane.ports[port].wire->stats.rx_packets) >=
			    before + 300);
	}
	/* Closing and binding wait 15 ms and more for the kernel: nothing of that may be the
	 * plane's. */
	printf("the plane was kept from its packets for %.0f us and %ld waits at best\n",
	       (double)best.cpu_ns / 1e3, best.waits);
	assert_true(best.cpu_ns < 5000000);
	assert_int_equal(best.waits, 0);
	router_close(&r); /* checks the pool */
}

/* Both at once: the region is registered anew. */
static void test_all_devices_return(void **state)
{
	struct router r;

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_start(&r);
	for (unsigned round = 0; round < 4; round++) {
		unsigned first = round % 2;

		push(0);
		remove_device(0);
		remove_device(1);
		lose(&r, first);
		lose(&r, !first);
		check_buffers(&r, 0);
		make_device(0);
		make_device(1);
		regain(&r, !first);
		regain(&r, first);
		check_traffic(300);
	}
	router_close(&r);
}

/* A try that fails leaves it to the next, and a device that goes in between is no trouble. */
static void test_return_fails_at_first(void **state)
{
	struct router r;
	struct pl_error err;

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_start(&r);
	remove_device(1);
	lose(&r, 1);
	assert_int_equal(pl_port_return(r.port[1], &err), -ENODEV);
	make_device(1);
	sh("ip link set r1 mtu 9000");
	expect_error(pl_port_return(r.port[1], &err), -EMSGSIZE, &err, "MTU 9000", "mtu 1772");
	sh("ip link set r1 mtu 1500");
	assert_int_equal(pl_port_return(r.port[1], &err), 0);
	assert_int_not_equal(program_on("r1"), 0);
	/* Taken over, not yet resumed, and gone again. */
	remove_device(1);
	make_device(1);
	regain(&r, 1);
	check_traffic(300);
	router_close(&r);
	assert_int_equal(program_on("r0"), 0);
	assert_int_equal(program_on("r1"), 0);
}

static void refresh(struct pl_plane *plane, void *port)
{
	struct pl_queue *wire = plane->ports[*(unsigned *)port].wire;

	wire->ops->refresh_stats(wire);
}

/* More than the port's rings hold, while the plane is kept from taking them. */
static void overrun(struct pl_plane *plane, void *port)
{
	push(*(unsigned *)port);
	refresh(plane, port);
}

/* Counters go on from one device to the next, those that the kernel keeps for us, too. */
static void test_drops_count_on(void **state)
{
	struct router r;
	const pl_stat *dropped;
	uint64_t before;
	unsigned port = 0;

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_start(&r);
	dropped = &r.plane.ports[port].wire->stats.rx_dropped;
	for (unsigned round = 0; round < 3; round++) {
		before = pl_stat_read(dropped);
		pl_plane_run(&r.plane, overrun, &port);
		assert_true(pl_stat_read(dropped) > before);
		before = pl_stat_read(dropped);
		remove_device(port);
		lose(&r, port);
		make_device(port);
		regain(&r, port);
		pl_plane_run(&r.plane, refresh, &port);
		assert_true(pl_stat_read(dropped) >= before);
	}
	router_close(&r);
}

/* A router that ends while a device is away gives everything back, too. */
static void test_close_while_away(void **state)
{
	struct router r;

	(void)state;
	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_start(&r);
	push(0);
	remove_device(0);
	lose(&r, 0);
	router_close(&r);
	make_device(0);
	router_open(&r, PL_ATTACH_AUTO, 2048);
	router_start(&r);
	check_traffic(300);
	router_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_returns),
		cmocka_unit_test(test_all_devices_return),
		cmocka_unit_test(test_return_fails_at_first),
		cmocka_unit_test(test_drops_count_on),
		cmocka_unit_test(test_close_while_away),
	};
	int skip = afxdp_lab_enter();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
