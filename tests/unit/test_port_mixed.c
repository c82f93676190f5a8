/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports of different kinds on the buffers of one plane: r0 by AF_XDP, and a NIC of our own, which is an
 * emulated one on a wire in memory. Each may go while the other moves packets, and they are closed in any
 * order. Needs root; skipped without. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <emu/emu.h>

#include "afxdp_lab.h"

#define LEN_MAX 1514u
#define BATCH 128u /* frames on their way at a time */

enum { AFXDP, NIC };

static struct mixed {
	struct pl_plane plane;
	struct pl_immediate immediate;
	struct pl_port *port[2];
	struct emu *emu;
	struct pl_pci *pci;
	struct emu_wire *wire;
	atomic_uint n_sent; /* by the NIC, each as frame_make() makes that number modulo BATCH */
	atomic_uint n_wrong;

	/* What the processor keeps of what comes by AF_XDP, as with a device that hangs. */
	struct pl_holder holder;
	atomic_uint keep; /* packets more */
	uint32_t kept[BATCH], n_kept;
} m;

static void on_sent(void *ctx, const struct emu_frame *frames, unsigned n)
{
	uint8_t want[4096];

	(void)ctx;
	for (unsigned i = 0; i < n; i++) {
		/* Relaxed: read when the number is. */
		unsigned seq = atomic_load_explicit(&m.n_sent, memory_order_relaxed);

		if (frame_make(want, seq % BATCH, LEN_MAX) != frames[i].len ||
		    memcmp(want, frames[i].data, frames[i].len) != 0)
			atomic_fetch_add_explicit(&m.n_wrong, 1, memory_order_relaxed);
		/* Release: pairs with the acquire in await_sent(). */
		atomic_store_explicit(&m.n_sent, seq + 1, memory_order_release);
	}
}

static void swap_ports(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++) {
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_TX, !burst->port);
		if (burst->port == AFXDP && atomic_load(&m.keep)) {
			atomic_fetch_sub(&m.keep, 1);
			burst->verdict[i] = PL_VERDICT(PL_VERDICT_KEEP, 0);
			m.kept[m.n_kept++] = burst->frame[i];
		}
	}
}

static void each_kept(struct pl_holder *holder, void (*fn)(void *ctx, uint32_t frame), void *ctx)
{
	(void)holder;
	for (uint32_t i = 0; i < m.n_kept; i++)
		fn(ctx, m.kept[i]);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void open_one(unsigned which)
{
	struct pl_port_config config = config_of(which == AFXDP ? "r0" : "emu:mem0");
	struct pl_error err;

	config.mtu = 1500;
	config.pci = which == NIC ? m.pci : NULL;
	if (pl_port_open(&m.port[which], &config, &err) ||
	    pl_port_queue_open(m.port[which], 0, &m.plane.pool, &m.plane.ports[which].wire, &err) ||
	    pl_port_start(m.port[which], &err))
		fail_msg("%s (%s)", err.what, err.remedy);
}

static void await_carrier(void)
{
	struct pl_port_state state;
	uint64_t end = now_ms() + PATIENCE_MS;

	do {
		pl_port_state(m.port[NIC], &state);
		assert_true(now_ms() < end);
	} while (!state.carrier);
}

static void mixed_open(void)
{
	struct emu_nic_config nic = {
		.name = "mem0", .model = EMU_82599, .mac = {0x02, 0, 0, 0, 0, 0x11}};
	struct pl_error err = {.what = "no error"};

	memset(&m, 0, sizeof(m));
	m.emu = emu_new(NULL, NULL);
	m.wire = nic.wire = emu_wire_memory(on_sent, NULL);
	assert_true(m.emu && m.wire);
	if (emu_add(m.emu, &nic, &m.pci, &err) ||
	    pl_pool_init(&m.plane.pool, 2 * pl_queue_bufs(RING) + PL_BURST_MAX, 2048, &err))
		fail_msg("%s", err.what);
	m.holder.each_held = each_kept;
	pl_pool_join(&m.plane.pool, &m.holder);
	open_one(AFXDP);
	open_one(NIC);
	m.plane.n_ports = 2;
	m.plane.cpu = -1;
	m.plane.processor = pl_immediate_processor(&m.immediate, swap_ports, NULL);
	if (pl_plane_init(&m.plane, &err) || emu_start(m.emu, -1, &err) ||
	    pl_plane_start(&m.plane, &err))
		fail_msg("%s", err.what);
	await_carrier();
}

static void mixed_close(bool nic_first)
{
	struct pl_port *ports[] = {m.port[nic_first ? NIC : AFXDP],
				   m.port[nic_first ? AFXDP : NIC]};
	struct emu_stats stats;

	pl_plane_stop(&m.plane);
	pl_plane_fini(&m.plane);
	pl_ports_close(ports, 2);
	assert_int_equal(m.plane.pool.n_free, m.plane.pool.n_bufs);
	emu_stats(m.pci, &stats);
	assert_int_equal(0, stats.illegal);
	emu_stop(m.emu);
	pl_pci_close(m.pci);
	emu_free(m.emu);
	pl_pool_fini(&m.plane.pool);
}

/* ---- frames ---- */

static void await_sent(unsigned n)
{
	for (uint64_t end = now_ms() + PATIENCE_MS;
	     atomic_load_explicit(&m.n_sent, memory_order_acquire) < n;)
		if (now_ms() > end)
			fail_msg("the NIC has sent %u frames of %u", atomic_load(&m.n_sent), n);
	assert_int_equal(0, atomic_load(&m.n_wrong));
}

static void to_nic(unsigned batches)
{
	int host = host_open("a0");

	for (unsigned i = 0; i < batches; i++) {
		unsigned before = atomic_load_explicit(&m.n_sent, memory_order_acquire);

		for (uint32_t seq = 0; seq < BATCH; seq++)
			send_frame(host, seq, LEN_MAX);
		await_sent(before + BATCH);
	}
	close(host);
}

/* Has `batches` arrive at the NIC, and at the host if there is one. */
static void from_nic(unsigned batches, int host)
{
	/* Written once: the emulator may still look at those of the last time. */
	static uint8_t data[BATCH][4096];
	static struct emu_frame frames[BATCH];
	const struct pl_queue *wire = m.plane.ports[NIC].wire;

	for (uint32_t seq = 0; seq < BATCH && !frames[seq].data; seq++)
		frames[seq] = (struct emu_frame){data[seq],
						 (uint32_t)frame_make(data[seq], seq, LEN_MAX)};
	for (unsigned i = 0; i < batches; i++) {
		uint64_t before = pl_stat_read(&wire->stats.rx_packets);
		uint64_t end = now_ms() + PATIENCE_MS;

		emu_wire_memory_feed(m.wire, frames, BATCH, false);
		for (uint32_t seq = 0; seq < BATCH && host >= 0; seq++)
			expect_frame(host, seq, LEN_MAX);
		while (pl_stat_read(&wire->stats.rx_packets) < before + BATCH)
			if (now_ms() > end)
				fail_msg("the NIC does not receive");
	}
}

/* Both ways, and so much that every buffer has been everywhere. */
static void traffic_both_ways(void)
{
	int host;

	to_nic(40);
	host = host_open("a0");
	from_nic(40, host);
	close(host);
}

/* ---- one goes ---- */

struct change {
	unsigned port;
	int rc;
	uint32_t missing;
};

static void leave(struct pl_plane *plane, void *ctx)
{
	struct pl_queue *q = plane->ports[((struct change *)ctx)->port].wire;

	pl_plane_unwatch(plane, q);
	pl_queue_leave(q);
}

static void collect(struct pl_plane *plane, void *ctx)
{
	struct change *change = ctx;

	pl_queue_collect(plane->ports[change->port].wire);
	change->missing = plane->pool.n_bufs - plane->pool.n_free;
}

static void resume(struct pl_plane *plane, void *ctx)
{
	struct change *change = ctx;
	struct pl_queue *q = plane->ports[change->port].wire;
	struct pl_error err;

	change->rc = pl_queue_resume(q, &err);
	if (!change->rc)
		change->rc = pl_plane_watch(plane, q);
}

/* What the port had comes back, and of the other's nothing. */
static void lose(unsigned which)
{
	struct change change = {.port = which};

	pl_plane_run(&m.plane, leave, &change);
	pl_port_leave(m.port[which]);
	pl_plane_run(&m.plane, collect, &change);
	assert_in_range(change.missing, RING / 2, pl_queue_bufs(RING));
}

static void regain(unsigned which)
{
	struct change change = {.port = which};
	struct pl_error err;
	int rc = -EBUSY;

	for (uint64_t end = now_ms() + PATIENCE_MS; rc && now_ms() < end; usleep(1000))
		rc = pl_port_return(m.port[which], &err);
	if (rc)
		fail_msg("%s (%s)", err.what, err.remedy);
	pl_plane_run(&m.plane, resume, &change);
	assert_int_equal(0, change.rc);
	if (which == NIC)
		await_carrier();
}

/* ---- tests ---- */

static void test_share_buffers(void **state)
{
	(void)state;
	for (unsigned nic_first = 0; nic_first < 2; nic_first++) {
		mixed_open();
		traffic_both_ways();
		mixed_close(nic_first);
		assert_int_equal(0, program_on("r0"));
	}
}

static void new_device(void)
{
	sh("ip link add a0 type veth peer name r0 && for d in a0 r0; do "
	   "sysctl -qw net.ipv6.conf.$d.disable_ipv6=1; ip link set $d up || exit 1; done "
	   "&& ethtool -K a0 gro on txvlan off");
}

static void test_afxdp_goes(void **state)
{
	(void)state;
	mixed_open();
	for (unsigned round = 0; round < 3; round++) {
		traffic_both_ways();
		sh("ip link del r0");
		lose(AFXDP);
		from_nic(20, -1);
		new_device();
		regain(AFXDP);
	}
	traffic_both_ways();
	mixed_close(false);
}

static void give_kept_back(struct pl_plane *plane, void *ctx)
{
	(void)ctx;
	pl_pool_put(&plane->pool, m.kept, m.n_kept, PL_OWNER_PROCESSOR);
	m.n_kept = 0;
}

/* A port goes whose buffers the processor still keeps: they were the port's last, but are not taken for
 * what the port had. Or they would be in the pool twice. */
static void test_afxdp_goes_and_buffers_are_kept(void **state)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	int host;

	(void)state;
	mixed_open();
	traffic_both_ways();
	atomic_store(&m.keep, BATCH);
	host = host_open("a0");
	for (uint32_t seq = 0; seq < BATCH; seq++)
		send_frame(host, seq, LEN_MAX);
	while (pl_stat_read(&m.plane.stats.drop[0]) < BATCH)
		assert_true(now_ms() < end);
	close(host);
	sh("ip link del r0");
	lose(AFXDP);
	from_nic(20, -1);
	pl_plane_run(&m.plane, give_kept_back, NULL);
	new_device();
	regain(AFXDP);
	traffic_both_ways();
	mixed_close(false);
}

static void test_nic_goes(void **state)
{
	int host;

	(void)state;
	mixed_open();
	for (unsigned round = 0; round < 3; round++) {
		const struct pl_queue *wire = m.plane.ports[NIC].wire;
		uint64_t dropped, end = now_ms() + PATIENCE_MS;

		traffic_both_ways();
		emu_inject(m.pci, EMU_FAULT_REMOVED, true);
		lose(NIC);
		dropped = pl_stat_read(&wire->stats.tx_dropped);
		host = host_open("a0");
		for (uint32_t seq = 0; seq < BATCH; seq++)
			send_frame(host, seq, LEN_MAX);
		while (pl_stat_read(&wire->stats.tx_dropped) < dropped + BATCH)
			assert_true(now_ms() < end);
		close(host);
		emu_inject(m.pci, EMU_FAULT_REMOVED, false);
		regain(NIC);
	}
	traffic_both_ways();
	mixed_close(true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share_buffers),
		cmocka_unit_test(test_nic_goes),
		cmocka_unit_test(test_afxdp_goes),
		cmocka_unit_test(test_afxdp_goes_and_buffers_are_kept),
	};
	int rc = afxdp_lab_enter();

	return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
