/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that are NICs of our own, over an emulated one on a wire in memory: what peerlane/port.h says of
 * all ports holds of these. Without root; the emulator is turned by hand. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <emu/emu.h>
#include <peerlane/nic.h>
#include <peerlane/port.h>

#define RING 64u
#define N_BUFS 512u
#define PATIENCE_MS 10000

static const uint8_t nic_mac[6] = {0x02, 0, 0, 0, 0, 0x11};

/* A machine with one emulated NIC. */
struct machine {
	struct emu *emu;
	struct emu_wire *wire;
	struct pl_pci *pci;
	struct pl_pool pool;
	struct pl_port *port;
	struct pl_queue *queue;
	uint8_t sent[2048];
	uint32_t sent_len;
};

static void on_sent(void *ctx, const struct emu_frame *frames, unsigned n)
{
	struct machine *m = ctx;

	m->sent_len = frames[n - 1].len;
	memcpy(m->sent, frames[n - 1].data, m->sent_len);
}

static void machine_begin(struct machine *m, uint32_t buf_bytes)
{
	struct emu_nic_config nic = {.name = "mem0", .model = EMU_82599};
	struct pl_error err = {.what = "no error"};

	*m = (struct machine){0};
	m->emu = emu_new(NULL, NULL);
	m->wire = nic.wire = emu_wire_memory(on_sent, m);
	assert_non_null(m->emu);
	assert_non_null(m->wire);
	memcpy(nic.mac, nic_mac, 6);
	if (emu_add(m->emu, &nic, &m->pci, &err))
		fail_msg("%s", err.what);
	assert_int_equal(0, pl_pool_init(&m->pool, N_BUFS, buf_bytes, &err));
}

/* Checks, too, that the port has given everything back, and that the driver did nothing that a real
 * device would not stand. */
static void machine_end(struct machine *m)
{
	struct emu_stats stats;

	assert_null(m->port);
	assert_int_equal(m->pool.n_free, m->pool.n_bufs);
	emu_stats(m->pci, &stats);
	assert_int_equal(0, stats.illegal);
	pl_pci_close(m->pci);
	emu_free(m->emu);
	pl_pool_fini(&m->pool);
}

static struct pl_port_config config_of(const struct machine *m)
{
	return (struct pl_port_config){.name = "pl0",
				       .device = "emu:mem0",
				       .n_queues = 1,
				       .ring_size = RING,
				       .pci = m->pci,
				       .mtu = 1500};
}

/* All of a start. Whatever it came to, close_port() undoes it. */
static int open_port(struct machine *m, const struct pl_port_config *config, struct pl_error *err)
{
	int rc = pl_port_open(&m->port, config, err);

	if (!rc)
		rc = pl_port_queue_open(m->port, 0, &m->pool, &m->queue, err);
	if (!rc)
		rc = pl_port_start(m->port, err);
	return rc;
}

static void close_port(struct machine *m)
{
	if (m->port)
		pl_port_close(m->port);
	m->port = NULL;
	m->queue = NULL;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct pl_port_state state_of(const struct machine *m)
{
	struct pl_port_state state;

	emu_turn(m->emu);
	pl_port_state(m->port, &state);
	return state;
}

static void await_carrier(const struct machine *m)
{
	for (uint64_t end = now_ms() + PATIENCE_MS; !state_of(m).carrier;)
		if (now_ms() > end)
			fail_msg("no link");
}

/* A frame comes in, and the same buffer goes out again. */
static void expect_passes(struct machine *m)
{
	uint8_t data[100] = {0x02, 0, 0, 0, 0, 0x11, 0x02, 0, 0, 0, 0, 0x22, 0x88, 0xb5, 1, 2, 3};
	struct emu_frame frame = {.data = data, .len = sizeof(data)};
	uint32_t got[4];
	uint16_t len[4];
	unsigned n = 0;

	m->sent_len = 0;
	emu_wire_memory_feed(m->wire, &frame, 1, false);
	for (uint64_t end = now_ms() + PATIENCE_MS; !n && now_ms() < end;) {
		emu_turn(m->emu);
		n = pl_queue_rx(m->queue, got, len, 4);
	}
	assert_int_equal(1, n);
	assert_int_equal(sizeof(data), len[0]);
	assert_int_equal(2, got[0] % 16);
	assert_memory_equal(data, pl_pool_data(&m->pool, got[0]), sizeof(data));
	pl_queue_tx(m->queue, got, len, 1);
	for (uint64_t end = now_ms() + PATIENCE_MS; !m->sent_len && now_ms() < end;) {
		pl_queue_flush(m->queue);
		emu_turn(m->emu);
	}
	assert_int_equal(sizeof(data), m->sent_len);
	assert_memory_equal(data, m->sent, sizeof(data));
}

/* Descriptors that this process has open. */
static unsigned count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static uint64_t counted(struct machine *m, const char *name)
{
	struct pl_nic_counter counters[PL_NIC_COUNTERS_MAX];
	unsigned n = pl_port_counters(m->port, counters);

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(counters[i].name, name))
			return counters[i].value;
	fail_msg("no counter %s", name);
	return 0;
}

/* ---- tests ---- */

static void test_probe(void **state)
{
	struct machine m;
	struct pl_port_caps caps;
	struct pl_port_config config;
	struct pl_error err;
	unsigned open_before;

	(void)state;
	machine_begin(&m, 2048);
	open_before = count_open();
	config = config_of(&m);
	config.mtu = 9000;
	assert_int_equal(0, pl_port_probe(&config, &caps, &err));
	assert_memory_equal(nic_mac, caps.mac, 6);
	assert_int_equal(9000, caps.mtu);
	assert_in_range(caps.mtu_max, 9000, 16000);
	assert_int_equal(2048 | 4096 | 16384, caps.buf_sizes);
	assert_int_equal(0, caps.ifindex);
	assert_int_equal(16, caps.max_queues);
	assert_string_equal("82599ES", caps.model);
	assert_string_equal("emulated", caps.backend);
	assert_int_equal(open_before, count_open());
	config.n_queues = 17;
	assert_int_equal(-EINVAL, pl_port_probe(&config, &caps, &err));
	config.n_queues = 16;
	config.mtu = caps.mtu_max + 1;
	assert_int_equal(-EMSGSIZE, pl_port_probe(&config, &caps, &err));
	assert_int_equal(open_before, count_open());
	machine_end(&m);
}

static void test_life(void **state)
{
	struct machine m;
	struct pl_port_config config;
	struct pl_port_info info;
	struct pl_error err;
	unsigned open_before;

	(void)state;
	machine_begin(&m, 2048);
	open_before = count_open();
	config = config_of(&m);
	for (unsigned round = 0; round < 2; round++) {
		if (open_port(&m, &config, &err))
			fail_msg("%s", err.what);
		pl_port_info(m.port, &info);
		assert_string_equal("nic", info.kind);
		assert_string_equal("ixgbe", info.driver);
		assert_string_equal("emulated", info.backend);
		assert_null(info.attach);
		assert_int_equal(0, info.ifindex);
		await_carrier(&m);
		assert_int_equal(10000, state_of(&m).mbps);
		expect_passes(&m);
		assert_int_equal(1, counted(&m, "rx_packets"));
		assert_int_equal(1, counted(&m, "tx_packets"));
		close_port(&m);
		assert_int_equal(m.pool.n_free, m.pool.n_bufs);
		assert_int_equal(open_before, count_open());
	}
	machine_end(&m);
}

/* The cable pulled and plugged in is an event each time. */
static void test_link_is_told(void **state)
{
	struct machine m;
	struct pl_port_config config;
	struct pl_error err;

	(void)state;
	machine_begin(&m, 2048);
	config = config_of(&m);
	assert_int_equal(0, open_port(&m, &config, &err));
	await_carrier(&m);
	for (unsigned i = 0; i < 6; i++) {
		bool up = i % 2;
		struct pl_port_state now;
		uint64_t end = now_ms() + PATIENCE_MS;

		emu_wire_memory_link(m.wire, up);
		do {
			struct pollfd event = {.fd = pl_port_event_fd(m.port), .events = POLLIN};

			emu_turn(m.emu);
			now.carrier = !up;
			if (poll(&event, 1, 0) == 1)
				pl_port_state(m.port, &now);
			if (now_ms() > end)
				fail_msg("not told that the link is %s", up ? "up" : "down");
		} while (now.carrier != up);
		assert_true(now.present);
	}
	close_port(&m);
	machine_end(&m);
}

static void test_small_buffers(void **state)
{
	struct machine m;
	struct pl_port_config config;
	struct pl_error err;

	(void)state;
	machine_begin(&m, 2048);
	config = config_of(&m);
	config.mtu = 9000;
	assert_int_equal(-EMSGSIZE, open_port(&m, &config, &err));
	assert_non_null(strstr(err.what, "buffers of 2048 bytes"));
	close_port(&m);
	config.mtu = 1500;
	assert_int_equal(0, open_port(&m, &config, &err));
	assert_int_equal(-EMSGSIZE, pl_port_set_mtu(m.port, 4000, &err));
	assert_int_equal(-EMSGSIZE, pl_port_set_mtu(m.port, 67, &err));
	assert_int_equal(0, pl_port_set_mtu(m.port, 1400, &err));
	await_carrier(&m);
	expect_passes(&m);
	close_port(&m);
	machine_end(&m);
}

/* Whatever goes wrong is named and leaves nothing; and once it goes right again so does all else. */
static void test_failed_starts(void **state)
{
	static const struct {
		enum emu_fault fault;
		int rc;
	} faults[] = {
		{EMU_FAULT_RESET, -ETIMEDOUT},	   {EMU_FAULT_EEPROM, -ETIMEDOUT},
		{EMU_FAULT_CHECKSUM, -EIO},	   {EMU_FAULT_DMA_INIT, -ETIMEDOUT},
		{EMU_FAULT_RX_ENABLE, -ETIMEDOUT}, {EMU_FAULT_TX_ENABLE, -ETIMEDOUT},
		{EMU_FAULT_REMOVED, -ENODEV},
	};
	struct machine m;
	struct pl_port_config config;
	unsigned open_before;

	(void)state;
	machine_begin(&m, 2048);
	open_before = count_open();
	config = config_of(&m);
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct pl_error err = {.what = "no error"};

		emu_inject(m.pci, faults[i].fault, true);
		assert_int_equal(faults[i].rc, open_port(&m, &config, &err));
		if (!strstr(err.what, "pl0") || !strstr(err.what, "emu:mem0"))
			fail_msg("which device? %s", err.what);
		close_port(&m);
		emu_inject(m.pci, faults[i].fault, false);
		assert_int_equal(m.pool.n_free, m.pool.n_bufs);
		assert_int_equal(open_before, count_open());
		if (open_port(&m, &config, &err))
			fail_msg("after fault %u: %s", i, err.what);
		await_carrier(&m);
		expect_passes(&m);
		close_port(&m);
	}
	machine_end(&m);
}

/* As the daemon does it when registers read as all ones, and again when they no longer do. */
static void test_gone_and_back(void **state)
{
	static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x33};
	struct machine m;
	struct pl_port_config config;
	struct pl_error err;
	uint64_t before;

	(void)state;
	machine_begin(&m, 2048);
	config = config_of(&m);
	assert_int_equal(0, open_port(&m, &config, &err));
	await_carrier(&m);
	expect_passes(&m);
	before = counted(&m, "rx_packets");
	for (unsigned round = 0; round < 2; round++) {
		emu_inject(m.pci, EMU_FAULT_REMOVED, true);
		assert_false(state_of(&m).present);
		assert_int_equal(before, counted(&m, "rx_packets"));
		pl_queue_leave(m.queue);
		pl_port_leave(m.port);
		assert_true(pl_queue_collect(m.queue) > 0);
		assert_int_equal(m.pool.n_free, m.pool.n_bufs);
		assert_int_equal(-ENODEV, pl_port_return(m.port, &err));
		assert_non_null(strstr(err.what, "emu:mem0"));
		assert_int_equal(0, pl_port_accept_mac(m.port, mac, &err));
		assert_false(state_of(&m).present);
		emu_inject(m.pci, EMU_FAULT_REMOVED, false);
		assert_true(state_of(&m).present); /* after a try that failed, too */
		if (pl_port_return(m.port, &err))
			fail_msg("%s", err.what);
		assert_int_equal(0, pl_queue_resume(m.queue, &err));
		assert_int_equal(0, pl_port_accept_mac(m.port, nic_mac, &err));
		await_carrier(&m);
		expect_passes(&m);
		before++;
		assert_int_equal(before, counted(&m, "rx_packets"));
		assert_int_equal(before, pl_stat_read(&m.queue->stats.rx_packets));
	}
	close_port(&m);
	machine_end(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),	      cmocka_unit_test(test_life),
		cmocka_unit_test(test_link_is_told),  cmocka_unit_test(test_small_buffers),
		cmocka_unit_test(test_failed_starts), cmocka_unit_test(test_gone_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
