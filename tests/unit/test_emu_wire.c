/* SPDX-License-Identifier: BSD-2-Clause */
/* Wires of emulated NICs: network interfaces, with their links going and coming, and capture files. Those
 * on interfaces need root; skipped without. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "afxdp_lab.h"
#include "emu_lab.h"

#define LEN_MAX 1514u

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- capture files ---- */

struct captured {
	uint64_t ns;
	uint32_t len;
	uint8_t data[1600];
};

static unsigned read_capture(const char *path, struct captured *frames, unsigned max)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	struct pcap_pkthdr *header;
	const u_char *data;
	unsigned n = 0;

	if (!pcap)
		fail_msg("%s", error);
	assert_int_equal(pcap_datalink(pcap), DLT_EN10MB);
	while (pcap_next_ex(pcap, &header, &data) == 1) {
		assert_true(n < max);
		assert_int_equal(header->caplen, header->len);
		frames[n].ns =
			(uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec;
		frames[n].len = header->len;
		memcpy(frames[n++].data, data, header->len);
	}
	pcap_close(pcap);
	return n;
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void expect_captured(const struct captured *got, const uint8_t *data, uint32_t len,
			    uint64_t *from_ns, uint64_t to_ns)
{
	assert_int_equal(got->len, len);
	assert_memory_equal(got->data, data, len);
	assert_true(got->ns >= *from_ns && got->ns <= to_ns);
	*from_ns = got->ns;
}

/* All that comes and goes is in the file, in its order and with its time; and can be read while the NIC is
 * there. */
static void test_capture(void **state)
{
	char path[] = "/tmp/emu-wire-XXXXXX";
	int fd = mkstemp(path);
	uint8_t in[3][1514], out[200];
	struct emu_frame list[3];
	struct captured *got = calloc(10, sizeof(*got));
	uint64_t from_ns = wall_ns(), to_ns;
	struct emu_wire *memory, *wire;
	struct pl_error err;
	struct lab lab;

	(void)state;
	assert_true(fd >= 0 && got);
	close(fd);
	memory = emu_wire_memory(lab_note_sent, &lab);
	assert_non_null(memory);
	assert_int_equal(emu_wire_capture(memory, path, &wire, &err), 0);
	lab_open_wire(&lab, 1, wire);
	for (unsigned i = 0; i < 3; i++) {
		list[i] = (struct emu_frame){in[i], 60 + i * 727};
		lab_frame(in[i], list[i].len, i);
	}
	lab_give(&lab, 0, 3);
	emu_wire_memory_feed(memory, list, 2, false);
	lab_settle(&lab);
	lab_frame(out, sizeof(out), 9);
	memcpy(lab_tx_buffer(&lab, 0, 0) + LAB_OFFSET, out, sizeof(out));
	lab_tx_desc(&lab, 0, 0, TX_PLAIN, sizeof(out), sizeof(out));
	lab_tx_ring(&lab, 0, 1);
	lab_settle(&lab);
	emu_wire_memory_feed(memory, list + 2, 1, false);
	lab_settle(&lab);
	emu_turn(lab.emu);
	to_ns = wall_ns();
	lab_expect_rx(&lab, 0, 2, &list[2], 0);
	assert_int_equal(lab.n_sent, 1);
	assert_int_equal(lab.sent[0].len, sizeof(out));
	assert_int_equal(read_capture(path, got, 10), 4);
	expect_captured(&got[0], in[0], list[0].len, &from_ns, to_ns);
	expect_captured(&got[1], in[1], list[1].len, &from_ns, to_ns);
	expect_captured(&got[2], out, sizeof(out), &from_ns, to_ns);
	expect_captured(&got[3], in[2], list[2].len, &from_ns, to_ns);
	lab_close(&lab);
	assert_int_equal(read_capture(path, got, 10), 4);
	unlink(path);
	free(got);
}

static void test_capture_refused(void **state)
{
	struct emu_wire *wire;
	struct pl_error err;
	int rc;

	(void)state;
	rc = emu_wire_capture(emu_wire_memory(NULL, NULL), "/nonexistent/file", &wire, &err);
	expect_error(rc, -ENOENT, &err, "/nonexistent/file", "");
	assert_null(wire);
}

/* ---- memory ---- */

static bool is_readable(const struct emu_wire *wire)
{
	struct pollfd pollfd = {.fd = wire->event_fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

/* A cable that is pulled between the emulator's looks at the link and at frames is reason to look again. */
static void test_pulled_unseen(void **state)
{
	struct emu_wire *wire = emu_wire_memory(NULL, NULL);
	struct emu_frame frame;

	(void)state;
	assert_non_null(wire);
	assert_true(wire->ops->link(wire));
	emu_wire_memory_feed(wire, NULL, 0, false);
	assert_int_equal(wire->ops->arrived(wire, &frame, 1), 0);
	assert_false(is_readable(wire));
	emu_wire_memory_link(wire, false);
	assert_int_equal(wire->ops->arrived(wire, &frame, 1), 0);
	assert_true(is_readable(wire));
	assert_false(wire->ops->link(wire));
	assert_int_equal(wire->ops->arrived(wire, &frame, 1), 0);
	assert_false(is_readable(wire));
	wire->ops->close(wire);
}

/* ---- interfaces ---- */

/* An emulated NIC on r0, whose thread runs unless it is said to be still; a0 is r0's peer. */
static void open_still(struct lab *lab, const char *device)
{
	struct emu_wire *wire;
	struct pl_error err;
	uint8_t mac[6];

	if (emu_wire_netdev(device, &wire, mac, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
	lab_open_wire(lab, 1, wire);
}

static void open_on(struct lab *lab, const char *device)
{
	struct pl_error err;

	open_still(lab, device);
	if (emu_start(lab->emu, -1, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
}

/* Waits for the next frame, and compares it. */
static void expect_at_nic(struct lab *lab, unsigned *rx, const uint8_t *want, uint32_t len)
{
	unsigned slot = *rx % LAB_RING;
	uint64_t end_ms = now_ms() + PATIENCE_MS;

	while (!(__atomic_load_n(&lab->rx[0][slot].word[2], __ATOMIC_ACQUIRE) & RX_DD)) {
		usleep(100);
		if (now_ms() > end_ms)
			fail_msg("frame %u did not get to the NIC", *rx);
	}
	assert_int_equal(lab->rx[0][slot].word[3], len);
	assert_memory_equal(lab_rx_buffer(lab, 0, slot) + LAB_OFFSET, want, len);
	++*rx;
	lab_give(lab, 0, 1);
}

/* Sends a frame of the NIC's. */
static void send_from_nic(struct lab *lab, unsigned *tx, const uint8_t *frame, uint32_t len)
{
	unsigned slot = *tx % LAB_RING;
	uint64_t end_ms = now_ms() + PATIENCE_MS;

	memcpy(lab_tx_buffer(lab, 0, slot) + LAB_OFFSET, frame, len);
	lab_tx_desc(lab, 0, slot, TX_PLAIN | TX_RS, len, len);
	lab_tx_ring(lab, 0, ++*tx % LAB_RING);
	while (!(__atomic_load_n(&lab->tx[0][slot].word[3], __ATOMIC_ACQUIRE) & TX_DD)) {
		usleep(100);
		if (now_ms() > end_ms)
			fail_msg("the NIC did not send frame %u", *tx - 1);
	}
}

static void await_link(struct lab *lab, bool up)
{
	uint64_t end_ms = now_ms() + PATIENCE_MS;

	while (!(lab_read(lab, LINKS) & LINKS_UP) == up) {
		usleep(1000);
		if (now_ms() > end_ms)
			fail_msg("the link did not become %s", up ? "up" : "down");
	}
}

struct rings {
	unsigned rx, tx;
};

/* `n` frames from a host on `peer` to the NIC, and as many back. */
static void exchange(struct lab *lab, struct rings *rings, const char *peer, unsigned n)
{
	int fd = host_open(peer);

	for (unsigned i = 0; i < n; i++) {
		uint8_t frame[4096];
		size_t len = frame_make(frame, i, LEN_MAX);

		send_frame(fd, i, LEN_MAX);
		expect_at_nic(lab, &rings->rx, frame, (uint32_t)len);
		send_from_nic(lab, &rings->tx, frame, (uint32_t)len);
		expect_frame(fd, i, LEN_MAX);
	}
	close(fd);
}

/* On a cable there are frames for others too: which of them are received is the NIC's affair. */
static void test_frames_pass(void **state)
{
	struct rings rings = {0};
	struct lab lab;

	(void)state;
	sh("ip -d link show r0 | grep -q 'promiscuity 0'");
	open_on(&lab, "r0");
	sh("ip -d link show r0 | grep -q 'promiscuity 1'");
	lab_give(&lab, 0, LAB_RING - 1);
	exchange(&lab, &rings, "a0", 500);
	lab_expect_no_report(&lab);
	lab_close(&lab);
	assert_int_equal(program_on("r0"), 0);
	sh("ip -d link show r0 | grep -q 'promiscuity 0'");
}

/* What a veth carries unpadded is padded as on a cable; tags are part of the frame. */
static void test_short_and_tagged(void **state)
{
	uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
	struct rings rings = {0};
	struct lab lab;
	int fd;

	(void)state;
	open_on(&lab, "r0");
	lab_give(&lab, 0, LAB_RING - 1);
	fd = host_open("a0");
	memset(frame + 14, 0x77, 28);
	assert_int_equal(send(fd, frame, 42, 0), 42);
	expect_at_nic(&lab, &rings.rx, frame, 60);
	memcpy(frame + 12, "\x81\0\x20\x05\x88\xb5", 6);
	memset(frame + 18, 0x78, 46);
	assert_int_equal(send(fd, frame, 64, 0), 64);
	expect_at_nic(&lab, &rings.rx, frame, 64);
	close(fd);
	lab_close(&lab);
}

/* All queues that the interface has are taken. */
static void test_several_queues(void **state)
{
	struct rings rings = {0};
	struct lab lab;

	(void)state;
	set_queues("2");
	open_on(&lab, "r0");
	lab_give(&lab, 0, LAB_RING - 1);
	exchange(&lab, &rings, "a0", 200);
	lab_close(&lab);
	set_queues("1");
}

static void test_carrier(void **state)
{
	struct rings rings = {0};
	struct lab lab;

	(void)state;
	open_on(&lab, "r0");
	lab_give(&lab, 0, LAB_RING - 1);
	for (unsigned round = 0; round < 3; round++) {
		sh("ip link set a0 down");
		await_link(&lab, false);
		sh("ip link set a0 up");
		await_link(&lab, true);
		exchange(&lab, &rings, "a0", 20);
	}
	/* An interface that is down is no link either. */
	sh("ip link set r0 down");
	await_link(&lab, false);
	sh("ip link set r0 up");
	await_link(&lab, true);
	exchange(&lab, &rings, "a0", 20);
	lab_close(&lab);
}

static void remake(void)
{
	sh("ip link add a0 numtxqueues 2 numrxqueues 2 type veth peer name r0 numtxqueues 2 "
	   "numrxqueues 2 && for d in a0 r0; do "
	   "sysctl -qw net.ipv6.conf.$d.disable_ipv6=1; ip link set $d up || exit 1; done && "
	   "ethtool -K a0 gro on txvlan off && ethtool -L a0 rx 1 tx 1 && ethtool -L r0 rx 1 tx 1");
}

/* One that goes is a cable pulled; one of its name that comes is it plugged in. */
static void test_device_returns(void **state)
{
	struct rings rings = {0};
	struct lab lab;

	(void)state;
	open_on(&lab, "r0");
	lab_give(&lab, 0, LAB_RING - 1);
	for (unsigned round = 0; round < 5; round++) {
		exchange(&lab, &rings, "a0", 20);
		sh("ip link del r0");
		await_link(&lab, false);
		if (round % 2)
			usleep(30000);
		remake();
		await_link(&lab, true);
	}
	exchange(&lab, &rings, "a0", 20);
	/* And one that is not there as the NIC goes. */
	sh("ip link del r0");
	await_link(&lab, false);
	lab_expect_no_report(&lab);
	lab_close(&lab);
	remake();
}

/* What is too long for the interface is dropped, and counted. */
static void test_too_long(void **state)
{
	static uint8_t frame[4000];
	struct rings rings = {0};
	struct emu_stats stats;
	struct lab lab;

	(void)state;
	/* Over several buffers of the lab's, which lie one behind the other. */
	open_on(&lab, "r0");
	lab_give(&lab, 0, LAB_RING - 1);
	memset(frame, 0xff, 12);
	memcpy(lab_tx_buffer(&lab, 0, 0) + LAB_OFFSET, frame, sizeof(frame));
	send_from_nic(&lab, &rings.tx, frame, 3839);
	emu_stats(lab.pci, &stats);
	assert_int_equal(stats.wire_lost_from_nic, 1);
	assert_int_equal(stats.wire_lost_to_nic, 0);
	exchange(&lab, &rings, "a0", 3);
	lab_close(&lab);
}

/* What comes while nobody takes it does not get lost unseen. */
static void test_overrun(void **state)
{
	const unsigned sent = 3000;
	struct emu_stats stats;
	struct lab lab;
	int fd;

	(void)state;
	open_still(&lab, "r0");
	fd = host_open("a0");
	for (unsigned i = 0; i < sent; i++)
		send_frame(fd, i, LEN_MAX);
	close(fd);
	emu_stats(lab.pci, &stats);
	assert_in_range(stats.wire_lost_to_nic, 1, sent - 1);
	/* All others get to the NIC, which has no descriptors: those for which it has no room it misses. */
	lab_settle(&lab);
	assert_int_equal(stats.wire_lost_to_nic + lab_read(&lab, TPR) + lab_read(&lab, RXMPC0),
			 sent);
	emu_stats(lab.pci, &stats);
	assert_int_equal(stats.wire_lost_from_nic, 0);
	lab_close(&lab);
}

/* An interface that is back and cannot be taken over: it is said why, and it is taken once it can. */
static void test_not_taken(void **state)
{
	uint64_t end_ms = now_ms() + PATIENCE_MS;
	struct lab lab;

	(void)state;
	open_still(&lab, "r0");
	sh("ip link del r0");
	remake();
	sh("ip link set r0 mtu 9000");
	while (!lab.reports[0]) {
		emu_turn(lab.emu);
		if (now_ms() > end_ms)
			fail_msg("nothing was said");
	}
	lab_expect_report(&lab, "its cable is not plugged in: ");
	sh("ip link set r0 mtu 1500");
	while (!(lab_read(&lab, LINKS) & LINKS_UP)) {
		emu_turn(lab.emu);
		if (now_ms() > end_ms)
			fail_msg("the link did not come back");
	}
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

static void test_refused(void **state)
{
	struct emu_wire *wire;
	struct pl_error err;
	uint8_t mac[6];

	(void)state;
	expect_error(emu_wire_netdev("none", &wire, mac, &err), -ENODEV, &err, "none", "ip link");
	assert_null(wire);
	sh("ip link set r0 mtu 9000");
	expect_error(emu_wire_netdev("r0", &wire, mac, &err), -EMSGSIZE, &err, "9000", "mtu");
	sh("ip link set r0 mtu 1500");
	assert_int_equal(program_on("r0"), 0);
}

int main(void)
{
	const struct CMUnitTest captures[] = {
		cmocka_unit_test(test_capture),
		cmocka_unit_test(test_capture_refused),
		cmocka_unit_test(test_pulled_unseen),
	};
	const struct CMUnitTest interfaces[] = {
		cmocka_unit_test(test_frames_pass),    cmocka_unit_test(test_short_and_tagged),
		cmocka_unit_test(test_several_queues), cmocka_unit_test(test_carrier),
		cmocka_unit_test(test_device_returns), cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_overrun),	       cmocka_unit_test(test_not_taken),
		cmocka_unit_test(test_refused),
	};
	int failed = cmocka_run_group_tests(captures, NULL, NULL);
	int skip = afxdp_lab_enter();

	if (skip)
		return failed ? failed : skip;
	return cmocka_run_group_tests(interfaces, NULL, NULL) + failed;
}
