/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames through faces, both ways, with the test in the place of the planes. Needs root; works in
 * a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "face_lab.h"

#define FRAMES 100000u
#define WINDOW 128u /* frames under way: fewer than a ring holds, so that none may be lost */
#define RING 256u   /* from the kernel */
#define PUNT_RING 1024u
#define FRAME_MAX (2048u - PL_FRAME_OFFSET)

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void report(const char *what, unsigned n, uint64_t start_ns)
{
	uint64_t ns = clock_ns(CLOCK_MONOTONIC) - start_ns;

	print_message("%s: %.3f million frames/s\n", what, (double)n * 1000 / (double)ns);
}

/* Gives buffers back to the pool, as the wire would. */
static void discard(struct lab_face *lab, unsigned plane, const uint32_t *frame, unsigned n)
{
	pl_pool_put(&lab->pool[plane], frame, n, PL_OWNER_BURST);
}

/* Takes `n` frames, numbered from `number` on, of `len` bytes, in any number of goes. */
static void take_frames(struct lab_face *lab, unsigned plane, uint16_t len, uint32_t number,
			unsigned n)
{
	uint32_t frame[WINDOW];
	uint16_t lens[WINDOW];

	while (n) {
		unsigned got = lab_plane_takes(lab, plane, frame, lens, WINDOW);

		assert_true(got <= n);
		for (unsigned i = 0; i < got; i++) {
			assert_int_equal(frame[i] % 16, 2);
			assert_int_equal(lens[i], len);
			assert_true(lab_frame_is(pl_pool_data(&lab->pool[plane], frame[i]), lens[i],
						 number++));
		}
		discard(lab, plane, frame, got);
		n -= got;
	}
}

/* ---- the kernel answers ---- */

static const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 0x02};

static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)data[i] << 8 | (i + 1 < len ? data[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Punts one frame from the wire. */
static void punt(struct lab_face *lab, unsigned plane, const uint8_t *data, uint16_t len)
{
	uint32_t frame;

	assert_int_equal(pl_pool_get(&lab->pool[plane], &frame, 1, PL_OWNER_BURST), 1);
	memcpy(pl_pool_data(&lab->pool[plane], frame), data, len);
	pl_queue_tx(lab->queue[plane], &frame, &len, 1);
	pl_queue_flush(lab->queue[plane]);
}

/* Takes the one frame that the kernel answers with. */
static uint16_t answer(struct lab_face *lab, uint8_t *data)
{
	uint32_t frame;
	uint16_t len;

	lab_plane_takes(lab, 0, &frame, &len, 1);
	memcpy(data, pl_pool_data(&lab->pool[0], frame), len);
	discard(lab, 0, &frame, 1);
	return len;
}

static void fill_arp(uint8_t arp[42], const uint8_t dst[6], const uint8_t src[6], uint16_t op,
		     const char *sender, const char *target, const uint8_t target_mac[6])
{
	static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4};

	memcpy(arp, dst, 6);
	memcpy(arp + 6, src, 6);
	put16(arp + 12, 0x0806);
	memcpy(arp + 14, ethernet_ipv4, 6);
	put16(arp + 20, op);
	memcpy(arp + 22, src, 6);
	assert_int_equal(inet_pton(AF_INET, sender, arp + 28), 1);
	memcpy(arp + 32, target_mac, 6);
	assert_int_equal(inet_pton(AF_INET, target, arp + 38), 1);
}

/* An echo request or reply (`type` 8 or 0) with 56 bytes of payload. */
static void fill_echo(uint8_t echo[98], const uint8_t dst[6], const uint8_t src[6], uint8_t type,
		      const char *from, const char *to)
{
	memset(echo, 0, 98);
	memcpy(echo, dst, 6);
	memcpy(echo + 6, src, 6);
	put16(echo + 12, 0x0800);
	echo[14] = 0x45;
	put16(echo + 16, 84);
	echo[22] = 64;
	echo[23] = 1;
	assert_int_equal(inet_pton(AF_INET, from, echo + 26), 1);
	assert_int_equal(inet_pton(AF_INET, to, echo + 30), 1);
	put16(echo + 24, checksum(echo + 14, 20));
	echo[34] = type;
	put16(echo + 38, 0xbeef);
	put16(echo + 40, 7);
	for (uint8_t i = 0; i < 56; i++)
		echo[42 + i] = i;
	put16(echo + 36, checksum(echo + 34, 64));
}

/* A host on the wire asks for the router's MAC and pings it, through the other plane than that
 * to which the answers go. */
static void test_kernel_answers_arp_and_ping(void **state)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t nobody[6];
	uint8_t request[98], expected[98], got[2048];
	struct lab_face lab;

	(void)state;
	lab_face_open(&lab, true);
	lab_set_address("t0", "192.0.2.1");

	fill_arp(request, broadcast, peer_mac, 1, "192.0.2.2", "192.0.2.1", nobody);
	fill_arp(expected, peer_mac, lab_mac, 2, "192.0.2.1", "192.0.2.2", peer_mac);
	punt(&lab, 1, request, 42);
	assert_int_equal(answer(&lab, got), 42);
	assert_memory_equal(got, expected, 42);

	fill_echo(request, lab_mac, peer_mac, 8, "192.0.2.2", "192.0.2.1");
	fill_echo(expected, peer_mac, lab_mac, 0, "192.0.2.1", "192.0.2.2");
	punt(&lab, 1, request, 98);
	assert_int_equal(answer(&lab, got), 98);
	/* The kernel chooses the identification, and with it the header's checksum. */
	assert_int_equal(checksum(got + 14, 20), 0);
	memcpy(expected + 18, got + 18, 2);
	memcpy(expected + 24, got + 24, 2);
	assert_memory_equal(got, expected, 98);

	assert_int_equal(pl_stat_read(&face_stats(lab.face)->to_kernel), 2);
	assert_int_equal(pl_stat_read(&face_stats(lab.face)->from_kernel), 2);
	assert_int_equal(pl_stat_read(&lab.queue[1]->stats.tx_packets), 2);
	assert_int_equal(pl_stat_read(&lab.queue[1]->stats.tx_bytes), 42 + 98);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.rx_packets), 2);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.rx_bytes), 42 + 98);
	lab_face_close(&lab);
}

/* ---- order, and nothing lost ---- */

static void test_kernel_to_plane_in_order(void **state)
{
	struct lab_face lab;
	uint64_t start_ns;

	(void)state;
	lab_face_open(&lab, true);
	start_ns = clock_ns(CLOCK_MONOTONIC);
	for (uint32_t number = 0; number < FRAMES;) {
		unsigned n = FRAMES - number < WINDOW ? FRAMES - number : WINDOW;

		for (unsigned i = 0; i < n; i++)
			lab_kernel_sends(&lab, 60, number + i);
		take_frames(&lab, 0, 60, number, n);
		number += n;
	}
	report("kernel to plane", FRAMES, start_ns);
	assert_int_equal(pl_stat_read(&face_stats(lab.face)->from_kernel), FRAMES);
	assert_int_equal(pl_stat_read(&face_stats(lab.face)->ring_full), 0);
	/* At rest the descriptor is quiet, and so is the plane that has nothing to do with it. */
	while (pl_queue_rx(lab.queue[0], (uint32_t[1]){0}, (uint16_t[1]){0}, 1))
		fail_msg("a frame too many");
	assert_false(lab_readable(lab.queue[0]));
	assert_false(lab_readable(lab.queue[1]));
	lab_face_close(&lab);
}

static void receive_frame(struct lab_face *lab, uint16_t len, uint32_t number)
{
	struct pollfd fd = {.fd = lab->packet_fd, .events = POLLIN};
	uint8_t data[2048];

	if (poll(&fd, 1, LAB_PATIENCE_MS) != 1)
		fail_msg("frame %u did not reach the kernel", number);
	assert_int_equal(recv(lab->packet_fd, data, sizeof(data), 0), len);
	assert_true(lab_frame_is(data, len, number));
}

static void test_plane_to_kernel_in_order(void **state)
{
	struct lab_face lab;
	uint64_t start_ns;

	(void)state;
	lab_face_open(&lab, true);
	start_ns = clock_ns(CLOCK_MONOTONIC);
	for (uint32_t number = 0; number < FRAMES;) {
		unsigned n = FRAMES - number < WINDOW ? FRAMES - number : WINDOW;

		lab_plane_punts(&lab, 1, 60, number, n);
		for (unsigned i = 0; i < n; i++)
			receive_frame(&lab, 60, number++);
	}
	report("plane to kernel", FRAMES, start_ns);
	lab_wait_stat(&face_stats(lab.face)->to_kernel, FRAMES);
	assert_int_equal(pl_stat_read(&lab.queue[1]->stats.tx_dropped), 0);
	/* At most one per turn. */
	assert_true(pl_stat_read(&lab.queue[1]->stats.tx_wakeups) <= FRAMES / WINDOW + 1);
	lab_face_close(&lab);
}

/* The first face's frames go to the first plane, the second's to the second. */
static void test_faces_spread_over_planes(void **state)
{
	struct face_config config = {.name = "t1", .mtu = 1500, .n_planes = LAB_PLANES};
	struct pl_queue *first[LAB_PLANES], *second[LAB_PLANES];
	struct face *face;
	struct lab_face lab;
	int first_fd;

	(void)state;
	lab_face_open(&lab, false);
	memcpy(config.mac, peer_mac, 6);
	assert_int_equal(face_open(lab.set, &config, &face, NULL), 0);
	for (unsigned i = 0; i < LAB_PLANES; i++) {
		first[i] = lab.queue[i];
		second[i] = face_queue(face, i, &lab.pool[i]);
		assert_non_null(second[i]);
	}
	face_set_carrier(face, true);
	lab_wait_running("t1");
	assert_int_equal(faces_start(lab.set, NULL), 0);

	lab_kernel_sends(&lab, 60, 1);
	take_frames(&lab, 0, 60, 1, 1);
	assert_int_equal(pl_stat_read(&second[0]->stats.rx_packets), 0);

	first_fd = lab.packet_fd;
	lab.packet_fd = lab_packet_socket(face_ifindex(face));
	memcpy(lab.queue, second, sizeof(second));
	lab_kernel_sends(&lab, 60, 2);
	take_frames(&lab, 1, 60, 2, 1);
	assert_int_equal(pl_stat_read(&first[1]->stats.rx_packets), 0);
	close(first_fd);
	lab_face_close(&lab);
}

/* ---- what goes wrong is counted, and nothing else ---- */

static void test_interface_down(void **state)
{
	struct lab_face lab;

	(void)state;
	lab_face_open(&lab, true);
	lab_plane_punts(&lab, 0, 60, 0, 3);
	lab_wait_stat(&face_stats(lab.face)->to_kernel, 3);
	lab_set_up("t0", false);
	lab_plane_punts(&lab, 0, 60, 3, 10);
	lab_wait_stat(&face_stats(lab.face)->write_failed, 10);
	lab_set_up("t0", true);
	lab_plane_punts(&lab, 0, 60, 13, 2);
	lab_wait_stat(&face_stats(lab.face)->to_kernel, 5);
	assert_int_equal(pl_stat_read(&face_stats(lab.face)->write_failed), 10);
	lab_face_close(&lab);
}

/* The thread does not run, so nothing leaves the ring. */
static void test_ring_to_kernel_full(void **state)
{
	struct lab_face lab;

	(void)state;
	lab_face_open(&lab, false);
	for (uint32_t number = 0; number < 1100; number += 100)
		lab_plane_punts(&lab, 0, 60, number, 100);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.tx_packets), PUNT_RING);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.tx_bytes), PUNT_RING * 60);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.tx_dropped), 1100 - PUNT_RING);
	assert_int_equal(lab.pool[0].n_free, LAB_BUFS);
	/* The first are kept, the last dropped; the thread finds them when it comes. */
	assert_int_equal(faces_start(lab.set, NULL), 0);
	for (uint32_t number = 0; number < PUNT_RING; number++)
		receive_frame(&lab, 60, number);
	lab_wait_stat(&face_stats(lab.face)->to_kernel, PUNT_RING);
	lab_face_close(&lab);
}

static void test_ring_from_kernel_full(void **state)
{
	struct lab_face lab;

	(void)state;
	lab_face_open(&lab, true);
	for (uint32_t number = 0; number < 300; number++)
		lab_kernel_sends(&lab, 60, number);
	lab_wait_stat(&face_stats(lab.face)->from_kernel, 300);
	lab_wait_stat(&face_stats(lab.face)->ring_full, 300 - RING);
	lab.queue[0]->ops->refresh_stats(lab.queue[0]);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.rx_dropped), 300 - RING);
	take_frames(&lab, 0, 60, 0, RING);
	lab_kernel_sends(&lab, 60, 300);
	take_frames(&lab, 0, 60, 300, 1);
	lab_face_close(&lab);
}

/* Frames wait in the ring for buffers, and the descriptor stays readable meanwhile. */
static void test_pool_dry(void **state)
{
	uint32_t all[LAB_BUFS], frame[8];
	uint16_t len[8];
	struct lab_face lab;

	(void)state;
	lab_face_open(&lab, true);
	assert_int_equal(pl_pool_get(&lab.pool[0], all, LAB_BUFS, PL_OWNER_BURST), LAB_BUFS);
	discard(&lab, 0, all, 2);
	for (uint32_t number = 0; number < 5; number++)
		lab_kernel_sends(&lab, 60, number);
	lab_wait_stat(&face_stats(lab.face)->from_kernel, 5);
	assert_int_equal(pl_queue_rx(lab.queue[0], frame, len, 8), 2);
	assert_true(lab_frame_is(pl_pool_data(&lab.pool[0], frame[1]), len[1], 1));
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.rx_nobuf), 1);
	lab_wait_readable(lab.queue[0]);
	assert_int_equal(pl_queue_rx(lab.queue[0], frame + 2, len + 2, 6), 0);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.rx_nobuf), 2);
	lab_wait_readable(lab.queue[0]);
	discard(&lab, 0, frame, 2);
	take_frames(&lab, 0, 60, 2, 3);
	discard(&lab, 0, all + 2, LAB_BUFS - 2);
	lab_face_close(&lab);
}

/* The operator raises the MTU beyond what our buffers hold. */
static void test_frames_longer_than_a_buffer(void **state)
{
	struct lab_face lab;

	(void)state;
	lab_face_open(&lab, true);
	lab_set_mtu("t0", 9000);
	lab_kernel_sends(&lab, FRAME_MAX, 0);
	take_frames(&lab, 0, FRAME_MAX, 0, 1);
	lab_kernel_sends(&lab, FRAME_MAX + 1, 1);
	lab_kernel_sends(&lab, 9000, 2);
	lab_kernel_sends(&lab, 60, 3);
	take_frames(&lab, 0, 60, 3, 1);
	assert_int_equal(pl_stat_read(&face_stats(lab.face)->too_long), 2);
	lab.queue[0]->ops->refresh_stats(lab.queue[0]);
	assert_int_equal(pl_stat_read(&lab.queue[0]->stats.rx_dropped), 2);
	lab_face_close(&lab);
}

/* `ip link delete`: seen, survived, and no reason to spin on a dead descriptor. */
static void test_interface_deleted(void **state)
{
	struct timespec nap = {.tv_nsec = 300000000};
	struct lab_face lab;
	uint64_t cpu_ns;

	(void)state;
	lab_face_open(&lab, true);
	assert_false(face_lost(lab.face));
	lab_delete("t0");
	lab_plane_punts(&lab, 0, 60, 0, 4);
	lab_wait_stat(&face_stats(lab.face)->write_failed, 4);
	assert_true(face_lost(lab.face));
	assert_int_equal(face_set_carrier(lab.face, true), -EBADFD);
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	nanosleep(&nap, NULL);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns < 100000000);
	lab_face_close(&lab);
}

static void wait_found(struct face *face)
{
	for (unsigned i = 0; face_lost(face); i++) {
		assert_true(i < LAB_PATIENCE_MS);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

/* The TAP is made again, several times: traffic passes both ways, whatever was under way when the
 * former one went. */
static void test_deleted_interface_is_made_again(void **state)
{
	struct face_config config = {.name = "t0", .mtu = 1500, .n_planes = LAB_PLANES};
	struct lab_face lab;

	(void)state;
	memcpy(config.mac, lab_mac, 6);
	lab_face_open(&lab, true);
	for (unsigned round = 1; round <= 5; round++) {
		uint64_t failed = pl_stat_read(&face_stats(lab.face)->write_failed);
		uint64_t passed;

		lab_delete("t0");
		lab_plane_punts(&lab, 0, 60, 0, 4);
		lab_wait_stat(&face_stats(lab.face)->write_failed, failed + 4);
		assert_true(face_lost(lab.face));
		assert_int_equal(face_revive(lab.face, &config, round % 2, NULL), 0);
		wait_found(lab.face);
		assert_int_equal(if_nametoindex("t0"), face_ifindex(lab.face));
		assert_true(face_start(lab.face)->created);
		assert_int_equal(face_set_carrier(lab.face, true), 0);
		lab_wait_running("t0");
		passed = pl_stat_read(&face_stats(lab.face)->to_kernel);
		lab_plane_punts(&lab, 1, 60, 0, 4);
		lab_wait_stat(&face_stats(lab.face)->to_kernel, passed + 4);
		close(lab.packet_fd);
		lab.packet_fd = lab_packet_socket(face_ifindex(lab.face));
		lab_kernel_sends(&lab, 60, round);
		take_frames(&lab, 0, 60, round, 1);
	}
	lab_face_close(&lab);
	assert_int_equal(if_nametoindex("t0"), 0);
}

/* Idle faces cost nothing, and stop without anything happening that would wake them. */
static void test_idle_and_stop(void **state)
{
	struct timespec nap = {.tv_nsec = 300000000};
	struct lab_face lab;
	uint64_t start_ns;

	(void)state;
	lab_face_open(&lab, true);
	start_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	nanosleep(&nap, NULL);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns < 100000000);
	start_ns = clock_ns(CLOCK_MONOTONIC);
	faces_stop(lab.set);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start_ns < LAB_PATIENCE_MS * 1000000ull);
	faces_stop(lab.set);
	assert_int_equal(faces_start(lab.set, NULL), 0);
	lab_plane_punts(&lab, 0, 60, 0, 1);
	lab_wait_stat(&face_stats(lab.face)->to_kernel, 1);
	lab_face_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_answers_arp_and_ping),
		cmocka_unit_test(test_kernel_to_plane_in_order),
		cmocka_unit_test(test_plane_to_kernel_in_order),
		cmocka_unit_test(test_faces_spread_over_planes),
		cmocka_unit_test(test_interface_down),
		cmocka_unit_test(test_ring_to_kernel_full),
		cmocka_unit_test(test_ring_from_kernel_full),
		cmocka_unit_test(test_pool_dry),
		cmocka_unit_test(test_frames_longer_than_a_buffer),
		cmocka_unit_test(test_interface_deleted),
		cmocka_unit_test(test_deleted_interface_is_made_again),
		cmocka_unit_test(test_idle_and_stop),
	};

	if (!lab_enter())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
