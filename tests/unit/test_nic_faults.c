/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever goes wrong with a NIC: a clear error, in bounded time, and nothing left behind; and once it goes
 * right again, so does the NIC. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "nic_lab.h"

/* What no failure may exceed; the driver's limits are a tenth of it, machines may be busy. */
#define BOUND_MS 10000u

struct fault {
	enum emu_fault fault;
	int rc;
	const char *says; /* the step that failed */
	bool at_open_only;
};

static const struct fault faults[] = {
	{EMU_FAULT_RESET, -ETIMEDOUT, "did not come out of reset", false},
	{EMU_FAULT_EEPROM, -ETIMEDOUT, "did not read its EEPROM", false},
	{EMU_FAULT_CHECKSUM, -EIO, "checksum is wrong", true},
	{EMU_FAULT_DMA_INIT, -ETIMEDOUT, "did not initialise its DMA", false},
	{EMU_FAULT_RX_ENABLE, -ETIMEDOUT, "did not enable receive queue 0", false},
	{EMU_FAULT_TX_ENABLE, -ETIMEDOUT, "did not enable transmit queue 0", false},
	{EMU_FAULT_REMOVED, -ENODEV, "is gone", false},
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static void check_error(const struct pl_error *err, const struct fault *fault)
{
	if (strncmp(err->what, "pl0: emulated 82599ES (emu:lab) ", 32) ||
	    !strstr(err->what, fault->says))
		fail_msg("'%s' does not say '%s'", err->what, fault->says);
	assert_int_not_equal(err->remedy[0], '\0');
}

/* Works as if nothing had been. */
static void check_works(struct nic_lab *lab)
{
	lab_wait_link(lab, true);
	assert_true(lab->spy.bus_master);
}

static void test_at_open(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FAULTS; i++) {
		const struct fault *fault = &faults[i];
		uint64_t begin;
		struct pl_error err;
		struct nic_lab lab;

		lab_open(&lab, 2);
		emu_inject(lab.device, fault->fault, true);
		begin = lab_now_ms();
		assert_int_equal(lab_try(&lab, &err), fault->rc);
		assert_true(lab_now_ms() - begin < BOUND_MS);
		check_error(&err, fault);
		lab_check_clean(&lab);
		emu_inject(lab.device, fault->fault, false);
		lab_start(&lab);
		check_works(&lab);
		lab_close(&lab);
	}
}

/* The fault begins while the NIC runs. */
static void test_at_restart(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FAULTS; i++) {
		const struct fault *fault = &faults[i];
		uint64_t begin;
		struct pl_error err;
		struct nic_lab lab;

		if (fault->at_open_only)
			continue;
		lab_open(&lab, 2);
		lab_start(&lab);
		emu_inject(lab.device, fault->fault, true);
		begin = lab_now_ms();
		for (unsigned turn = 0; turn < 2; turn++) {
			assert_int_equal(pl_nic_start(lab.nic, &err), fault->rc);
			check_error(&err, fault);
			assert_false(lab.spy.bus_master);
		}
		assert_true(lab_now_ms() - begin < BOUND_MS);
		emu_inject(lab.device, fault->fault, false);
		if (pl_nic_start(lab.nic, &err))
			fail_msg("%s", err.what);
		check_works(&lab);
		lab_close(&lab);
	}
}

/* No link is a state, not a failure. */
static void test_no_link(void **state)
{
	struct pl_nic_link link;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_inject(lab.device, EMU_FAULT_LINK, true);
	lab_start(&lab);
	assert_int_equal(pl_nic_link(lab.nic, &link), 0);
	assert_false(link.up);
	assert_int_equal(link.mbps, 0);
	emu_inject(lab.device, EMU_FAULT_LINK, false);
	lab_wait_link(&lab, true);
	lab_close(&lab);
}

/* What does not end is ended by the bus, soon. */
static void test_will_not_stop(void **state)
{
	static const enum emu_fault stuck[] = {EMU_FAULT_RX_DISABLE, EMU_FAULT_MASTER};
	struct nic_lab lab;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t begin;

		lab_open(&lab, 16);
		lab_start(&lab);
		emu_inject(lab.device, stuck[i], true);
		begin = lab_now_ms();
		pl_nic_stop(lab.nic);
		assert_true(lab_now_ms() - begin < BOUND_MS);
		assert_false(lab.spy.bus_master);
		lab_stop(&lab);
		lab_check_clean(&lab);
		emu_inject(lab.device, stuck[i], false);
		lab_start(&lab);
		check_works(&lab);
		lab_close(&lab);
	}
}

/* 5.2.5.3.2: a master that does not end is flushed, and reset twice. */
static void test_double_reset(void **state)
{
	unsigned resets = 0, flushes = 0;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_inject(lab.device, EMU_FAULT_MASTER, true);
	lab_start(&lab);
	for (unsigned i = 0; i < lab.spy.n_log; i++) {
		const struct access *access = &lab.spy.log[i];

		if (!access->write)
			continue;
		if (access->offset == 0x11050 && access->value & 1u << 30) {
			assert_int_equal(resets, 0);
			assert_true(lab.spy.log[i - 1].write == false); /* read, modified */
			flushes++;
		}
		resets += access->offset == 0 && access->value & 1u << 26;
	}
	assert_int_equal(flushes, 1);
	assert_int_equal(resets, 2);
	assert_false(lab_written(&lab, 0x11050) & 1u << 30);
	assert_false(lab_written(&lab, 0x04240) & 1u << 15); /* no loopback */
	check_works(&lab);
	lab_close(&lab);
}

/* ---- DMA faults ---- */

static uint64_t dma_faults(struct nic_lab *lab)
{
	struct emu_stats stats;

	emu_stats(lab->device, &stats);
	return stats.dma_faults;
}

/* The device's accesses to rings (the first mapping) or buffers (the second) go astray. It stands still
 * then, which hangs nobody; and nothing of ours is lost. Whoever translates the addresses tells of it. */
static void test_dma_fault(void **state)
{
	static uint8_t data[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	static const struct emu_frame frame = {data, sizeof(data)};

	(void)state;
	for (unsigned mapping = 1; mapping <= 2; mapping++) {
		uint64_t begin = lab_now_ms();
		uint32_t frames[8];
		uint16_t len[8];
		struct pl_nic_link link;
		struct nic_lab lab;

		lab_open(&lab, 1);
		lab.spy.refuse.dma_address = mapping;
		lab_start(&lab);
		lab_wait_link(&lab, true);
		emu_wire_memory_feed(lab.wire, &frame, 1, false);
		while (!dma_faults(&lab))
			assert_true(lab_now_ms() - begin < 20000);
		assert_int_equal(pl_queue_rx(lab.queues[0], frames, len, 8), 0);
		pl_queue_flush(lab.queues[0]);
		assert_int_equal(pl_nic_link(lab.nic, &link), 0);
		begin = lab_now_ms();
		lab_stop(&lab);
		assert_true(lab_now_ms() - begin < BOUND_MS);
		lab_check_clean(&lab);

		lab.spy.refuse.dma_address = 0;
		lab_start(&lab);
		check_works(&lab);
		emu_wire_memory_feed(lab.wire, &frame, 1, false);
		begin = lab_now_ms();
		while (pl_queue_rx(lab.queues[0], frames, len, 8) == 0)
			assert_true(lab_now_ms() - begin < 20000);
		pl_pool_put(lab.queues[0]->pool, frames, 1, PL_OWNER_BURST);
		lab_close(&lab);
	}
}

/* ---- surprise removal ---- */

static void test_removed_while_running(void **state)
{
	uint32_t frames[8];
	uint16_t len[8];
	struct pl_nic_link link;
	struct pl_error err;
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	emu_inject(lab.device, EMU_FAULT_REMOVED, true);
	assert_int_equal(pl_nic_link(lab.nic, &link), -ENODEV);
	assert_false(link.up);
	/* All ones are no counts. */
	assert_true(lab_counter(&lab, "rx_bytes") < 1 << 20);
	assert_true(lab_counter(&lab, "rx_crc_errors") < 1 << 20);
	/* Planes notice nothing. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pl_queue_rx(lab.queues[i], frames, len, 8), 0);
		pl_queue_flush(lab.queues[i]);
	}
	/* What is set meanwhile holds for later. */
	assert_int_equal(pl_nic_set_promiscuous(lab.nic, true, &err), 0);
	pl_nic_stop(lab.nic);
	assert_false(lab.spy.bus_master);
	assert_int_equal(pl_nic_start(lab.nic, &err), -ENODEV);

	emu_inject(lab.device, EMU_FAULT_REMOVED, false);
	if (pl_nic_start(lab.nic, &err))
		fail_msg("%s", err.what);
	assert_true(lab_written(&lab, 0x05080) & 1u << 9);
	check_works(&lab);
	lab_close(&lab);
}

/* Gone at a certain access of its registers. */
static unsigned gone_at;

static bool go(struct spy *spy, bool write, uint32_t offset, uint32_t *value)
{
	(void)write, (void)offset, (void)value;
	if (spy->n_log == gone_at)
		emu_inject(spy->inner, EMU_FAULT_REMOVED, true);
	return false;
}

static void test_removed_at_any_time(void **state)
{
	bool came_up = false;

	(void)state;
	for (gone_at = 0; !came_up; gone_at += 1 + gone_at / 16) {
		uint64_t begin;
		struct pl_error err;
		struct nic_lab lab;
		int rc;

		lab_open(&lab, 2);
		lab.spy.instead = go;
		begin = lab_now_ms();
		rc = lab_try(&lab, &err);
		assert_true(lab_now_ms() - begin < BOUND_MS);
		came_up = !rc;
		if (rc) {
			assert_int_equal(rc, -ENODEV);
			assert_non_null(strstr(err.what, "is gone"));
			lab_check_clean(&lab);
		}
		lab_close(&lab);
	}
	assert_true(gone_at > 1000); /* it was gone all along the way */
}

/* Gone amid the reading of counters, half of which then are all ones. */
static void test_removed_while_counting(void **state)
{
	struct nic_lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_start(&lab);
	lab_wait_link(&lab, true);
	gone_at = lab.spy.n_log + 10;
	lab.spy.instead = go;
	assert_int_equal(lab_counter(&lab, "rx_crc_errors"), 0);
	assert_int_equal(lab_counter(&lab, "tx_bytes"), 0);
	assert_int_equal(lab.spy.log[lab.spy.n_log - 1].value, UINT32_MAX);
	lab_close(&lab);
}

/* ---- the bus refuses, or there is no memory ---- */

/* An accelerator's memory. */
static _Alignas(4096) uint8_t elsewhere[PL_REMOTE_GRAIN];
static const struct pl_remote accelerator = {
	.len_bytes = sizeof(elsewhere), .page_bytes = 4096, .dmabuf_fd = -1, .emulated = elsewhere};

static void refuse_on(const struct pl_remote *remote, struct refusals refuse, const char *says)
{
	struct pl_error err;
	struct nic_lab lab;

	lab_open(&lab, 2);
	lab.remote = remote;
	lab.spy.refuse = refuse;
	assert_true(lab_try(&lab, &err) < 0);
	if (!strstr(err.what, says))
		fail_msg("'%s' does not say '%s'", err.what, says);
	lab_check_clean(&lab);
	lab.spy.refuse = (struct refusals){0};
	lab_start(&lab);
	check_works(&lab);
	lab_close(&lab);
}

static void refuse(struct refusals refuse, const char *says)
{
	refuse_on(NULL, refuse, says);
}

static void test_bus_refuses(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++) { /* rings, and two pools */
		refuse((struct refusals){.dma_map = i}, "for DMA");
		refuse((struct refusals){.irq = i}, "MSI-X vector");
	}
	refuse((struct refusals){.bus_master = 1}, "bus mastering on");
	for (unsigned i = 1; i <= 2; i++)
		refuse_on(&accelerator, (struct refusals){.dma_import = i}, "refused");
	refuse_on(&accelerator, (struct refusals){.dma_map = 3}, "for DMA");
}

/* Fails at this call, and at all after it; 0: never. */
static unsigned fail_from, n_calls;

static bool fails(void)
{
	return fail_from && ++n_calls >= fail_from;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	if (!fails())
		return __real_calloc(n, size);
	errno = ENOMEM;
	return NULL;
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	if (!fails())
		return __real_aligned_alloc(alignment, size);
	errno = ENOMEM;
	return NULL;
}

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (!fails())
		return __real_mmap(at, len, prot, flags, fd, offset);
	errno = ENOMEM;
	return MAP_FAILED;
}

int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags)
{
	if (!fails())
		return __real_eventfd(count, flags);
	errno = EMFILE;
	return -1;
}

static unsigned run_out_on(const struct pl_remote *remote)
{
	unsigned failed = 0, n_told = 0;

	for (fail_from = 1;; fail_from = failed + 1) {
		struct pl_error err = {""};
		struct nic_lab lab;
		unsigned from = fail_from;
		int rc;

		fail_from = 0;
		lab_open(&lab, 2);
		lab.remote = remote;
		n_calls = 0;
		fail_from = from;
		rc = lab_try(&lab, &err);
		fail_from = 0;
		if (rc) {
			assert_true(rc == -ENOMEM || rc == -EMFILE);
			assert_int_not_equal(err.what[0], '\0');
			if (rc == -EMFILE && strstr(err.what, "queue")) {
				assert_non_null(strstr(err.what, "Too many open files"));
				assert_non_null(strstr(err.remedy, "LimitNOFILE="));
				n_told++;
			}
			lab_check_clean(&lab);
		}
		lab_close(&lab);
		if (!rc)
			break;
		failed++;
	}
	assert_int_not_equal(n_told, 0); /* what was short, and where more comes from */
	return failed;
}

static void test_no_memory(void **state)
{
	unsigned plain = run_out_on(NULL);

	(void)state;
	assert_true(plain >= 10);
	/* Of each queue's pool a second list of free buffers, and one of both parts' addresses; but as many
	 * as there are of huge pages are not asked for. */
	assert_true(run_out_on(&accelerator) >= plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_open),
		cmocka_unit_test(test_at_restart),
		cmocka_unit_test(test_no_link),
		cmocka_unit_test(test_will_not_stop),
		cmocka_unit_test(test_double_reset),
		cmocka_unit_test(test_dma_fault),
		cmocka_unit_test(test_removed_while_running),
		cmocka_unit_test(test_removed_at_any_time),
		cmocka_unit_test(test_removed_while_counting),
		cmocka_unit_test(test_bus_refuses),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
