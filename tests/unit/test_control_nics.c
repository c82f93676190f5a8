/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon does with ports that are NICs which we drive ourselves: a real router, as in
 * test_control.c, over emulated ones. Link, MTU, MAC, a NIC that vanishes and returns, and what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <net/if.h>

#include "../../router/control/request.h"
#include "control_world.h"

#define PATIENCE_MS 10000

static struct control_world *world;

/* ---- waiting and asking ---- */

/* Runs the router until `fn` is true. */
#define until(condition)                                                    \
	do {                                                                \
		uint64_t end_ = router_now_ms() + PATIENCE_MS;              \
		while (!(condition)) {                                      \
			control_world_run(world);                           \
			if (router_now_ms() > end_)                         \
				fail_msg("not so in time: %s", #condition); \
		}                                                           \
	} while (0)

/* Whether the kernel says that the port's TAP has a carrier. */
static bool tap_linked(unsigned port)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "pl%u", port);
	assert_int_equal(0, ioctl(fd, SIOCGIFFLAGS, &ifr));
	close(fd);
	return ifr.ifr_flags & IFF_RUNNING;
}

static bool said(const char *text)
{
	fflush(world->log.out);
	return strstr(world->said, text) != NULL;
}

static bool linked(unsigned port)
{
	struct mirror_link link;

	mirror_port_link(world->router.mirror, port, &link);
	return link.carrier;
}

/* The port's row of `show ports`; to be freed with the answer, which is *answer. */
static json_t *shown(unsigned port, json_t **answer)
{
	static const char line[] = "{\"id\":1,\"command\":\"show ports\"}";
	char *text = request_answer(&world->router, line, strlen(line));

	*answer = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(*answer);
	return json_array_get(json_object_get(json_object_get(*answer, "data"), "ports"), port);
}

static const char *text(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "(none)";
}

static json_int_t counted(unsigned port, const char *key)
{
	json_t *answer, *counters = json_object_get(shown(port, &answer), "device_counters");
	json_int_t n;

	assert_true(json_is_integer(json_object_get(counters, key)));
	n = json_integer_value(json_object_get(counters, key));
	json_decref(answer);
	return n;
}

/* ---- frames ---- */

/* UDP to 203.0.113.1, which leaves by pl1; `len` without FCS. */
static void make_frame(uint8_t *frame, uint32_t len, const uint8_t dmac[6])
{
	static const uint8_t start[] = {0x02, 0, 0,  0,	 0, 9, 0x08, 0, 0x45, 0, 0,   0, 0,   0,
					0,    0, 64, 17, 0, 0, 10,   0, 1,    9, 203, 0, 113, 1};
	uint32_t sum = 0;

	memset(frame, 0, len);
	memcpy(frame, dmac, 6);
	memcpy(frame + 6, start, sizeof(start));
	frame[16] = (uint8_t)((len - 14) >> 8);
	frame[17] = (uint8_t)(len - 14);
	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
}

static const uint8_t mac0[6] = {0x02, 0, 0, 0, 0, 0};

/* Whether a packet of so many bytes gets from one NIC's wire to the other's. */
static bool passes(uint32_t mtu)
{
	static uint8_t frame[16384];
	unsigned before = world->sent[1].n;

	make_frame(frame, mtu + 14, mac0);
	control_world_arrive(world, 0, frame, mtu + 14);
	return world->sent[1].n == before + 1 && world->sent[1].len == mtu + 14 &&
	       world->sent[1].frame[22] == 63; /* TTL */
}

/* ---- tests ---- */

static void test_shown(void **state)
{
	json_int_t received, sent;
	json_t *answer, *port;

	(void)state;
	until(linked(0) && linked(1));
	assert_true(said("pl0: link of emu:mem0 is up, 10000 Mb/s"));
	until(passes(100));
	port = shown(0, &answer);
	assert_string_equal("nic", text(port, "kind"));
	assert_string_equal("emu:mem0", text(port, "device"));
	assert_string_equal("ixgbe", text(port, "driver"));
	assert_string_equal("82599ES (emulated)", text(port, "model"));
	assert_string_equal("up", text(port, "link"));
	assert_true(json_is_null(json_object_get(port, "attach")));
	assert_true(json_is_null(json_object_get(port, "copy")));
	assert_int_equal(10000, json_integer_value(json_object_get(port, "speed_mbps")));
	assert_int_equal(0, json_integer_value(json_object_get(port, "device_ifindex")));
	json_decref(answer);
	received = counted(0, "rx_bytes");
	sent = counted(1, "tx_packets");
	assert_true(passes(100));
	assert_int_equal(received + 118, counted(0, "rx_bytes")); /* with FCS */
	assert_int_equal(sent + 1, counted(1, "tx_packets"));
	assert_int_equal(0, counted(1, "rx_packets"));
}

/* The cable is the TAP's carrier and the mirror's link, at once. */
static void test_link(void **state)
{
	json_t *answer;

	(void)state;
	until(tap_linked(1));
	emu_wire_memory_link(world->wires[1], false);
	until(!linked(1));
	assert_false(tap_linked(1));
	assert_true(said("pl1: link of emu:mem1 is down"));
	assert_string_equal("down", text(shown(1, &answer), "link"));
	json_decref(answer);
	assert_false(passes(100)); /* the only route there is dead */
	emu_wire_memory_link(world->wires[1], true);
	until(linked(1) && tap_linked(1));
	control_world_command(world, "ip route replace 203.0.113.0/24 via 10.0.2.2");
	until(passes(100));
}

/* The NIC takes what the TAP takes, and no more. */
static void test_mtu(void **state)
{
	json_int_t too_long = counted(0, "rx_oversize");

	(void)state;
	until(passes(1500));
	assert_false(passes(1505)); /* a VLAN tag more than a frame may have */
	assert_int_equal(too_long + 1, counted(0, "rx_oversize"));
	control_world_command(world, "ip link set pl0 mtu 9000 && ip link set pl1 mtu 9000");
	until(world->router.ports[0].mtu == 9000 && world->router.ports[1].mtu == 9000);
	assert_true(said("pl0: MTU is now 9000, on emu:mem0 too"));
	assert_true(passes(9000));
	assert_false(passes(9005));
	/* What the NIC cannot do is said, and changes nothing. */
	control_world_command(world, "ip link set pl0 mtu 16000");
	assert_true(said("pl0: MTU 16000 of pl0 does not fit"));
	assert_int_equal(9000, world->router.ports[0].mtu);
	control_world_command(world, "ip link set pl0 mtu 1500 && ip link set pl1 mtu 1500");
	until(world->router.ports[0].mtu == 1500 && world->router.ports[1].mtu == 1500);
	assert_false(passes(1505));
	assert_true(passes(1500));
}

static void test_mac(void **state)
{
	static const uint8_t other[6] = {0x02, 0, 0, 0, 0, 0x77};
	uint8_t frame[60];

	(void)state;
	make_frame(frame, 60, other);
	assert_int_equal(0, control_world_arrive(world, 0, frame, 60));
	control_world_command(world, "ip link set pl0 address 02:00:00:00:00:77");
	until(!memcmp(world->router.ports[0].mac, other, 6));
	assert_int_equal(1, control_world_arrive(world, 0, frame, 60));
	memcpy(frame, mac0, 6);
	assert_int_equal(0, control_world_arrive(world, 0, frame, 60));
	control_world_command(world, "ip link set pl0 address 02:00:00:00:00:00");
	until(!memcmp(world->router.ports[0].mac, mac0, 6));
	assert_int_equal(1, control_world_arrive(world, 0, frame, 60));
}

static void count_held(void *ctx, uint32_t frame)
{
	(void)frame;
	++*(uint32_t *)ctx;
}

/* Buffers in the rings of a port. */
static uint32_t held(unsigned port)
{
	struct pl_queue *wire = world->router.planes[0].ports[port].wire;
	uint32_t n = 0;

	wire->holder->each_held(wire->holder, count_held, &n);
	return n;
}

static void test_pulled_out(void **state)
{
	const struct pl_pool *pool = &world->router.planes[0].pool;
	json_t *answer;

	(void)state;
	until(passes(100));
	emu_inject(world->router.ports[0].pci, EMU_FAULT_REMOVED, true);
	until(world->router.ports[0].gone);
	assert_true(said("pl0: emu:mem0 is gone; it is taken over again when it is back"));
	assert_false(tap_linked(0));
	assert_false(linked(0));
	assert_true(linked(1));
	assert_string_equal("gone", text(shown(0, &answer), "link"));
	json_decref(answer);
	assert_int_equal(0, held(0));
	assert_true(held(1) > 0);
	assert_int_equal(pool->n_bufs, pool->n_free + held(1));
	assert_false(passes(100));
	/* Nothing is lost that is set meanwhile. */
	control_world_command(world, "ip link set pl0 mtu 1400");
	until(world->router.ports[0].mtu == 1400);
	emu_inject(world->router.ports[0].pci, EMU_FAULT_REMOVED, false);
	until(linked(0) && tap_linked(0));
	assert_true(said("pl0: emu:mem0 is back"));
	assert_false(world->router.ports[0].gone);
	assert_true(held(0) > 0);
	assert_int_equal(pool->n_bufs, pool->n_free + held(0) + held(1));
	until(passes(1400));
	assert_false(passes(1405));
	assert_string_equal("up", text(shown(0, &answer), "link"));
	json_decref(answer);
	control_world_command(world, "ip link set pl0 mtu 1500");
	until(world->router.ports[0].mtu == 1500);
}

/* Back, but not well: tried again until it works. */
static void test_returns_broken(void **state)
{
	(void)state;
	emu_inject(world->router.ports[1].pci, EMU_FAULT_REMOVED, true);
	until(world->router.ports[1].gone);
	emu_inject(world->router.ports[1].pci, EMU_FAULT_EEPROM, true);
	emu_inject(world->router.ports[1].pci, EMU_FAULT_REMOVED, false);
	until(world->router.ports[1].device_retry.told);
	assert_true(world->router.ports[1].gone);
	emu_inject(world->router.ports[1].pci, EMU_FAULT_EEPROM, false);
	until(!world->router.ports[1].gone && linked(1));
	control_world_command(world, "ip route replace 203.0.113.0/24 via 10.0.2.2");
	until(passes(100));
}

static void test_nothing_illegal(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONTROL_WORLD_PORTS; i++) {
		struct emu_stats stats;

		emu_stats(world->router.ports[i].pci, &stats);
		assert_int_equal(0, stats.illegal);
		assert_int_equal(0, stats.dma_faults);
	}
}

static int make_world(void **state)
{
	(void)state;
	world = control_world_new_nics();
	if (!world)
		exit(77); /* meson: skipped */
	return 0;
}

static int free_world(void **state)
{
	(void)state;
	control_world_free(world);
	return 0;
}

/* ---- the kernel wants it back: what emulated ones cannot, put before their own ---- */

static struct {
	struct pl_pci_ops ops;
	const struct pl_pci_ops *own;
	bool wanted, master;
	unsigned released;
} back;

static int back_bus_master(struct pl_pci *pci, bool on)
{
	back.master = on;
	return back.own->bus_master(pci, on);
}

static bool back_lost(struct pl_pci *pci)
{
	(void)pci;
	return back.wanted;
}

/* Only once it is stopped. */
static void back_release(struct pl_pci *pci)
{
	(void)pci;
	assert_false(back.master);
	back.released++;
}

/* The last test: it does not come back. */
static void test_wanted_back(void **state)
{
	struct pl_pci *pci = world->router.ports[1].pci;
	uint64_t later;

	(void)state;
	until(linked(1));
	back.own = pci->ops;
	back.ops = *pci->ops;
	back.ops.bus_master = back_bus_master;
	back.ops.lost = back_lost;
	back.ops.release = back_release;
	back.master = true;
	pci->ops = &back.ops;
	back.wanted = true;
	until(back.released);
	assert_true(world->router.ports[1].gone);
	assert_true(said("pl1: emu:"));
	assert_true(said("is the kernel's again"));
	assert_false(tap_linked(1));
	assert_true(linked(0));
	/* Although it answers. */
	later = router_now_ms() + 2500;
	until(router_now_ms() > later);
	assert_true(world->router.ports[1].gone);
	assert_int_equal(1, back.released);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_pulled_out),
		cmocka_unit_test(test_returns_broken),
		cmocka_unit_test(test_nothing_illegal),
		cmocka_unit_test(test_wanted_back),
	};

	return cmocka_run_group_tests(tests, make_world, free_world);
}
