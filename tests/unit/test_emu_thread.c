/* SPDX-License-Identifier: BSD-2-Clause */
/* Emulated NICs on their own thread, and a driver on another: nothing is lost, whoever stops when. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu_lab.h"

#define N_FRAMES 97u /* prime to the ring */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for a word that the NIC writes. */
static void await_bit(const uint32_t *word, uint32_t bit)
{
	uint64_t end_ms = now_ms() + LAB_PATIENCE_MS;

	while (!(__atomic_load_n(word, __ATOMIC_ACQUIRE) & bit)) {
		sched_yield();
		if (now_ms() > end_ms)
			fail_msg("the NIC has not woken up");
	}
}

/* Now and then a while, short or long enough for the NIC's thread to sleep. */
static void stop_sometimes(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	switch (*seed >> 16 & 63) {
	case 0:
		usleep(2000);
		break;
	case 1:
	case 2:
		usleep(*seed >> 22 & 127);
		break;
	case 3:
	case 4:
	case 5:
		sched_yield();
		break;
	}
}

static void start(struct lab *lab)
{
	struct pl_error err;

	if (emu_start(lab->emu, -1, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
}

static void feed(struct lab *lab, bool loop)
{
	static uint8_t data[N_FRAMES][400];
	static struct emu_frame list[N_FRAMES];

	for (unsigned i = 0; i < N_FRAMES; i++) {
		list[i] = (struct emu_frame){data[i], 60 + i * 3};
		lab_frame(data[i], list[i].len, i);
	}
	emu_wire_memory_feed(lab->wire, list, N_FRAMES, loop);
}

/* ---- all at once ---- */

/* What the driver sends is in order when it gets to the wire: checked on the NIC's thread. */
struct sink {
	uint32_t next;
	atomic_uint wrong;
};

static void check_sent(void *ctx, const struct emu_frame *frames, unsigned n)
{
	struct sink *sink = ctx;

	for (unsigned i = 0; i < n; i++, sink->next++) {
		uint8_t want[400];
		uint32_t len = 60 + sink->next % N_FRAMES * 3;

		lab_frame(want, len, sink->next % N_FRAMES);
		if (frames[i].len != len || memcmp(frames[i].data, want, len) != 0)
			atomic_fetch_add(&sink->wrong, 1);
	}
}

/* Receives as a driver does, and sends everything back out of the same NIC, out of other buffers. */
static void echo(struct lab *lab, unsigned n)
{
	unsigned rx = 0, tx = 0, freed = 0, seed = 1;

	lab_give(lab, 0, LAB_RING - 1);
	while (tx < n) {
		unsigned slot = rx % LAB_RING;
		uint32_t len;

		stop_sometimes(&seed);
		await_bit(&lab->rx[0][slot].word[2], RX_DD);
		len = lab->rx[0][slot].word[3];
		/* Room in the TX ring, half of it at a time. */
		if (tx - freed == LAB_RING - 1) {
			await_bit(&lab->tx[0][(freed + LAB_RING / 2 - 1) % LAB_RING].word[3],
				  TX_DD);
			freed += LAB_RING / 2;
		}
		memcpy(lab_tx_buffer(lab, 0, tx % LAB_RING) + LAB_OFFSET,
		       lab_rx_buffer(lab, 0, slot) + LAB_OFFSET, len);
		lab_tx_desc(lab, 0, tx % LAB_RING,
			    tx % (LAB_RING / 2) == LAB_RING / 2 - 1 ? TX_PLAIN | TX_RS : TX_PLAIN,
			    len, len);
		tx++;
		lab_tx_ring(lab, 0, tx % LAB_RING);
		lab_give(lab, 0, 1);
		rx++;
	}
}

static void test_echo(void **state)
{
	enum { N = 20000 };
	uint64_t end_ms = now_ms() + LAB_PATIENCE_MS;
	struct sink sink = {0};
	struct lab lab;

	(void)state;
	lab_open_to(&lab, 1, check_sent, &sink);
	feed(&lab, true);
	start(&lab);
	echo(&lab, N);
	while (emu_wire_memory_sent(lab.wire) < N) {
		sched_yield();
		if (now_ms() > end_ms)
			fail_msg("the NIC has not sent everything");
	}
	emu_stop(lab.emu);
	assert_int_equal(sink.next, N);
	assert_int_equal(atomic_load(&sink.wrong), 0);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* ---- one at a time: each may find the NIC's thread asleep, or about to be ---- */

static void test_each_descriptor_wakes(void **state)
{
	unsigned seed = 2;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	feed(&lab, true);
	start(&lab);
	for (unsigned i = 0; i < 3000; i++) {
		stop_sometimes(&seed);
		lab_give(&lab, 0, 1);
		await_bit(&lab.rx[0][i % LAB_RING].word[2], RX_DD);
	}
	emu_stop(lab.emu);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

static void test_each_frame_to_send_wakes(void **state)
{
	unsigned seed = 3;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	start(&lab);
	for (unsigned i = 0; i < 3000; i++) {
		stop_sometimes(&seed);
		lab_frame(lab_tx_buffer(&lab, 0, i % LAB_RING) + LAB_OFFSET, 60, i);
		lab_tx_desc(&lab, 0, i % LAB_RING, TX_PLAIN | TX_RS, 60, 60);
		lab_tx_ring(&lab, 0, (i + 1) % LAB_RING);
		await_bit(&lab.tx[0][i % LAB_RING].word[3], TX_DD);
	}
	emu_stop(lab.emu);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

static void test_each_arrival_wakes(void **state)
{
	unsigned seed = 4;
	uint8_t data[60];
	struct emu_frame frame = {data, sizeof(data)};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	start(&lab);
	lab_give(&lab, 0, LAB_RING / 2);
	lab_frame(data, sizeof(data), 0);
	for (unsigned i = 0; i < 3000; i++) {
		stop_sometimes(&seed);
		/* The former frame has been stored: its list and data are ours again. */
		memcpy(data + 14, &i, sizeof(i));
		emu_wire_memory_feed(lab.wire, &frame, 1, false);
		await_bit(&lab.rx[0][i % LAB_RING].word[2], RX_DD);
		assert_memory_equal(lab_rx_buffer(&lab, 0, i % LAB_RING) + LAB_OFFSET, data, 60);
		lab_give(&lab, 0, 1);
	}
	emu_stop(lab.emu);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* The cable, too, and what comes of it in the model after a time. */
static void test_link_wakes(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	start(&lab);
	for (unsigned i = 0; i < 20; i++) {
		uint32_t want = i % 2 ? LINKS_UP : 0;
		uint64_t end_ms = now_ms() + LAB_PATIENCE_MS;

		usleep(2000);
		emu_wire_memory_link(lab.wire, want);
		while ((lab_read(&lab, LINKS) & LINKS_UP) != want) {
			usleep(100);
			if (now_ms() > end_ms)
				fail_msg("the link has not become %s", want ? "up" : "down");
		}
	}
	lab_close(&lab);
}

/* ---- interrupts that moderation puts off come in time, though nothing else wakes the thread ---- */

static void await_interrupt(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	uint64_t count;

	assert_int_equal(poll(&pollfd, 1, LAB_PATIENCE_MS), 1);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
}

static void test_interrupt_put_off(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint8_t data[60];
	struct emu_frame frame = {data, sizeof(data)};
	struct pl_error err;
	uint64_t from_ms;
	struct lab lab;

	(void)state;
	assert_true(fd >= 0);
	lab_open(&lab, 1);
	assert_int_equal(pl_pci_irq(lab.pci, 0, fd, &err), 0);
	lab_write(&lab, GPIE, 1u << 4 | 1u << 31 | 1u << 30); /* MSI-X, PBA, EIAME */
	lab_write(&lab, IVAR(0), 0x80);
	lab_write(&lab, 0x00810, 1);		       /* EIAC */
	lab_write(&lab, 0x00820, (511u << 3) & 0xff8); /* EITR: 511 times 2.048 us */
	lab_write(&lab, EIMS, 1);
	start(&lab);
	lab_give(&lab, 0, LAB_RING - 1);
	lab_frame(data, sizeof(data), 0);
	from_ms = now_ms();
	for (unsigned i = 0; i < 40; i++) {
		emu_wire_memory_feed(lab.wire, &frame, 1, false);
		await_interrupt(fd);
	}
	/* 39 times a millisecond at least, of which the clock may miss the first and last. */
	assert_true(now_ms() - from_ms >= 38);
	lab_close(&lab);
	close(fd);
}

/* ---- others are let in ---- */

/* The thread is never idle, and yet registers are read, and another NIC comes off. */
static void test_registers_under_load(void **state)
{
	struct emu_nic_config config = {.name = "other", .model = EMU_82599};
	struct pl_pci *other;
	uint64_t from_ms;
	unsigned rx = 0;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	assert_int_equal(emu_add(lab.emu, &config, &other, NULL), 0);
	feed(&lab, true);
	start(&lab);
	lab_give(&lab, 0, LAB_RING - 1);
	from_ms = now_ms();
	for (unsigned i = 0; i < 2000; i++) {
		await_bit(&lab.rx[0][rx++ % LAB_RING].word[2], RX_DD);
		lab_give(&lab, 0, 1);
		assert_int_not_equal(lab_read(&lab, LINKS), UINT32_MAX);
		if (i == 1000)
			pl_pci_close(other);
	}
	assert_true(now_ms() - from_ms < LAB_PATIENCE_MS);
	emu_stop(lab.emu);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* Voluntary switches of all threads, of which the test's own are few. */
static long switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static uint64_t cpu_ms(void)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	return (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000;
}

/* Without work it sleeps, and is not woken for nothing, though frames wait that it cannot take. */
static void test_sleeps(void **state)
{
	uint64_t cpu;
	long before;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	feed(&lab, true);
	start(&lab);
	usleep(100000);
	cpu = cpu_ms();
	before = switches();
	usleep(500000);
	assert_true(cpu_ms() - cpu < 100);
	assert_true(switches() - before < 20);
	lab_give(&lab, 0, 1);
	await_bit(&lab.rx[0][0].word[2], RX_DD);
	lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_each_descriptor_wakes),
		cmocka_unit_test(test_each_frame_to_send_wakes),
		cmocka_unit_test(test_each_arrival_wakes),
		cmocka_unit_test(test_link_wakes),
		cmocka_unit_test(test_interrupt_put_off),
		cmocka_unit_test(test_registers_under_load),
		cmocka_unit_test(test_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
