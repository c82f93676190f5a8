/* SPDX-License-Identifier: BSD-2-Clause */
/* CUDA accelerators, over a stand-in for NVIDIA's driver (cuda_stand_in.h): that the driver is asked what its
 * documentation allows, in an order that cannot wait for a running program, and that each of its failures has
 * a name. Nothing here has to do with a GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "../../router/program/accel.h"
#include "cuda_help.h"

/* ---- the driver and its devices ---- */

/* As a scan and opening tell it. */
static void refuse_driver(int rc, const char *what, const char *remedy)
{
	struct pl_accel_info infos[8];

	assert_int_equal(accel_cuda.scan(infos, 8), 1);
	assert_int_equal(infos[0].index, UINT_MAX);
	assert_int_equal(infos[0].unusable, rc);
	assert_text(infos[0].why.what, what);
	assert_text(infos[0].why.remedy, remedy);
	refuse(rc, what, remedy);
}

static void test_driver(void **state)
{
	static const char *const symbols[] = {"cuInit", "cuMemAlloc_v2", "cuMemHostRegister_v2",
					      "cuDevicePrimaryCtxReset_v2", "cuLaunchKernel"};

	(void)state;
	hidden = "libcuda.so.1";
	refuse_driver(-ENODEV, "no driver: /nonexistent/libcuda.so.1", "450.36");
	for (unsigned i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		hidden = symbols[i];
		refuse_driver(-ENOTSUP, symbols[i], "450.36");
	}
	/* An old driver that lacks a function as well: its age is the cause. */
	gpu->version = 10020;
	refuse_driver(-ENOTSUP, "for CUDA 10.2", "450.36");
	hidden = NULL;
	refuse_driver(-ENOTSUP, "for CUDA 10.2", "450.36");
	gpu->version = 11000;
	fail_at("cuInit", CUDA_ERROR_STUB_LIBRARY);
	refuse_driver(-ENODEV, "said by a stand-in", "stub");
	fail_at("cuInit", CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
	refuse_driver(-ENOTSUP, "(803, ", "restart the machine");
	fail_at("cuInit", 4242);
	refuse_driver(-EIO, "no name for (4242, no explanation)", "");
	fail_at("cuInit", CUDA_ERROR_NO_DEVICE);
	refuse_driver(-ENODEV, "CUDA_ERROR_NO_DEVICE", "CUDA_VISIBLE_DEVICES");
}

static void test_scan(void **state)
{
	struct pl_accel_info infos[8];

	(void)state;
	gpu->n_devices = 3;
	gpu->device_bytes = 123456789;
	assert_int_equal(accel_cuda.scan(infos, 8), 3);
	assert_int_equal(accel_cuda.scan(infos, 2), 2);
	assert_int_equal(infos[1].index, 1);
	assert_string_equal(infos[1].name, "stand-in 1");
	assert_text(infos[1].driver, "CUDA 12.2, compute capability 7.5");
	assert_int_equal(infos[1].memory_bytes, 123456789);
	assert_int_equal(infos[1].unusable, 0);
	assert_int_equal(infos[1].no_persistent, 0);
}

/* What a device lacks: in the scan, and when it is opened. */
static void refuse_device(const char *what, const char *remedy)
{
	struct pl_accel_info info;

	assert_int_equal(accel_cuda.scan(&info, 1), 1);
	assert_int_equal(info.index, 0);
	assert_int_equal(info.unusable, -ENOTSUP);
	assert_text(info.why.what, what);
	refuse(-ENOTSUP, what, remedy);
	setup(NULL);
}

static void test_device(void **state)
{
	struct pl_accel_config config = config_of(1, 1, PL_ACCEL_PERSISTENT);

	(void)state;
	gpu->capability = 70;
	refuse_device("capability 7.0, which is less than 7.5", "Turing");
	gpu->compute_mode = CU_COMPUTEMODE_PROHIBITED;
	refuse_device("prohibits computing", "nvidia-smi -c DEFAULT");
	gpu->no_mapping = 1;
	refuse_device("cannot read the host's memory", "");
	gpu->no_unified = 1;
	refuse_device("one address space", "");
	gpu->no_register = 1;
	refuse_device("registered", "");

	config.index = 1;
	refuse_config(&config, -ENODEV, "no device 1", "peerlane devices");
	config = config_of(1, 1, PL_ACCEL_PERSISTENT);
	config.program.ptx = NULL;
	refuse_config(&config, -ENOTSUP, "no form", "opencl");
}

/* May run for each burst, but not stay. */
static void refuse_persistent(const char *what, const char *remedy)
{
	struct pl_accel_info info;

	assert_int_equal(accel_cuda.scan(&info, 1), 1);
	assert_int_equal(info.unusable, 0);
	assert_int_equal(info.no_persistent, -ENOTSUP);
	assert_text(info.why.what, what);
	refuse(-ENOTSUP, what, remedy);
	open_lanes(1, 1, PL_ACCEL_BURST);
	pump(1, 3);
	close_lanes(1);
	setup(NULL);
}

static void test_persistent(void **state)
{
	(void)state;
	gpu->display = 1;
	refuse_persistent("drives a display", "Launch=burst");
	setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
	refuse_persistent("CUDA_LAUNCH_BLOCKING", "unset");
	setenv("CUDA_DEVICE_MAX_CONNECTIONS", "1", 1);
	refuse_persistent("CUDA_DEVICE_MAX_CONNECTIONS", "unset");
}

static void test_program(void **state)
{
	struct pl_accel_config config = config_of(1, 1, PL_ACCEL_PERSISTENT);
	struct pl_accel *accel;

	(void)state;
	config.program = program_accel;
	assert_int_equal(pl_accel_open(&accel, &config, NULL), 0);
	assert_int_equal(pl_accel_close(accel, 1000), 0);

	gpu->ptx_version = 62;
	refuse(-ENOTSUP, "(222, ", "450.36");
	fail_at("cuModuleLoadDataEx", CUDA_ERROR_INVALID_PTX);
	refuse(-ENOTSUP, "line 7; error   : no such instruction", "report");
	fail_at("cuModuleLoadDataEx", CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
	refuse(-ENOTSUP, "cannot load the program", "libnvidia-ptxjitcompiler");
	setup(NULL);
	config.program.ptx = "//\n.version 6.3\n.target sm_75\n.visible .entry other(\n";
	refuse_config(&config, -EIO, "has no program_run", "");
}

/* No memory, at each call of the driver that opening makes, one after the other. */
static void test_no_memory(void **state)
{
	static const char *const calls[] = {
		"cuDevicePrimaryCtxRetain",
		"cuCtxSetCurrent",
		"cuModuleLoadDataEx",
		"cuModuleGetFunction",
		"cuStreamCreate",
		"cuOccupancyMaxActiveBlocksPerMultiprocessor",
		"cuMemAlloc_v2",
		"cuMemHostAlloc",
		"cuMemHostGetDevicePointer_v2",
		"cuMemcpyHtoDAsync_v2",
		"cuStreamSynchronize",
	};
	struct pl_accel_config config = config_of(1, 1, PL_ACCEL_PERSISTENT);

	(void)state;
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (unsigned after = 0;; after++) {
			struct pl_accel *accel;
			struct pl_error err;

			fail_at(calls[i], CUDA_ERROR_OUT_OF_MEMORY);
			gpu->after = after;
			if (!pl_accel_open(&accel, &config, &err)) {
				gpu->fail = NULL;
				assert_int_equal(pl_accel_close(accel, 1000), 0);
				assert_true(after > 0);
				break;
			}
			gpu->fail = NULL;
			assert_text(err.what, "CUDA_ERROR_OUT_OF_MEMORY");
			assert_text(err.remedy, "nvidia-smi");
			assert_int_equal(gpu->contexts, 0);
			assert_int_equal(gpu->allocations, 0);
		}
	}
}

static void test_workers(void **state)
{
	struct pl_accel_config config = config_of(3, 18, PL_ACCEL_PERSISTENT);
	struct pl_accel *accel;

	(void)state;
	/* 16 have room. */
	refuse_config(&config, -EINVAL, "room for 16 workers at once, not 18", "Launch=burst");
	config.n_workers = 0;
	assert_int_equal(pl_accel_open(&accel, &config, NULL), 0);
	assert_int_equal(pl_accel_workers(accel), 15);
	assert_int_equal(pl_accel_close(accel, 1000), 0);
	config.n_lanes = 1;
	assert_int_equal(pl_accel_open(&accel, &config, NULL), 0);
	assert_int_equal(pl_accel_workers(accel), MAILBOX_SLOTS);
	assert_int_equal(pl_accel_close(accel, 1000), 0);
	config.n_lanes = 64;
	assert_int_equal(pl_accel_open(&accel, &config, NULL), 0);
	assert_int_equal(pl_accel_workers(accel), 16);
	assert_int_equal(pl_accel_close(accel, 1000), 0);
	gpu->blocks_each = 0;
	refuse(-ENOTSUP, "no room for one worker", "");
}

/* ---- memory ---- */

static void fill(uint8_t *bytes, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)((i * 31 + seed) >> 3);
}

/* Copies of all sizes, to the device and back, and zeros between what stays. */
static void copy_some(struct pl_accel *accel, const struct pl_accel_memory *memory, uint8_t *out,
		      uint8_t *in)
{
	static const size_t sizes[] = {1, 7, 4096, 1 << 20, (1 << 20) + 1, (3 << 20) - 5};
	struct pl_error err;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i];

		fill(out, n, i);
		assert_int_equal(pl_accel_write(accel, memory->device + 3, out, n, &err), 0);
		memset(in, 0xee, n);
		assert_int_equal(pl_accel_read(accel, in, memory->device + 3, n, &err), 0);
		assert_memory_equal(in, out, n);
		assert_int_equal(pl_accel_zero(accel, memory->device + 3 + n / 3, n / 2, &err), 0);
		memset(out + n / 3, 0, n / 2);
		assert_int_equal(pl_accel_read(accel, in, memory->device + 3, n, &err), 0);
		assert_memory_equal(in, out, n);
	}
}

static void test_memory(void **state)
{
	size_t n = 4 << 20;
	uint8_t *out = malloc(n), *in = malloc(n);
	struct pl_accel_memory device, shared, more;
	struct pl_error err;

	(void)state;
	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	assert_int_equal(pl_accel_alloc(lanes[0].accel, PL_ACCEL_DEVICE, n, &device, &err), 0);
	assert_null(device.host);
	memset(out, 0, n);
	assert_int_equal(pl_accel_read(lanes[0].accel, in, device.device, n, &err), 0);
	assert_memory_equal(in, out, n);
	assert_int_equal(pl_accel_alloc(lanes[0].accel, PL_ACCEL_SHARED, 10000, &shared, &err), 0);
	assert_int_equal((uintptr_t)shared.host % 4096, 0);
	assert_memory_equal(shared.host, out, 10000);
	copy_some(lanes[0].accel, &device, out, in);

	/* While the program runs: copies do not wait for it; what would, is refused. */
	run();
	assert_int_equal(gpu->running, 1);
	copy_some(lanes[0].accel, &device, out, in);
	assert_int_equal(pl_accel_alloc(lanes[0].accel, PL_ACCEL_DEVICE, n, &more, &err), -EIO);
	assert_text(err.what, "while the program runs");
	assert_int_equal(gpu->running, 1);
	pump(1, 5);
	pl_accel_rest(lanes[0].accel);
	while (pl_accel_ended(lanes[0].accel, &err) == 0)
		usleep(100);

	assert_int_equal(
		pl_accel_alloc(lanes[0].accel, PL_ACCEL_DEVICE, (size_t)1 << 40, &more, &err),
		-ENOMEM);
	assert_text(err.what, "1073741824 KiB of the device's memory");
	gpu->lockable_bytes = 0;
	assert_int_equal(pl_accel_alloc(lanes[0].accel, PL_ACCEL_SHARED, 1, &more, &err), -ENOMEM);
	assert_text(err.remedy, "ulimit -l");
	pl_accel_free(lanes[0].accel, &device);
	pl_accel_free(lanes[0].accel, &shared);
	close_lanes(1);
	free(out);
	free(in);
}

static void test_attach(void **state)
{
	struct pl_error err;

	(void)state;
	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	assert_int_equal(pl_accel_attach(lanes[0].accel, 0, &lanes[0].pool, &err), -EIO);
	assert_text(err.what, "packet buffers");
	gpu->lockable_bytes = 0;
	assert_int_equal(pl_accel_attach(lanes[0].accel, 0,
					 &(struct pl_pool){.region = {.base = (uint8_t *)4096,
								      .len_bytes = 8192}},
					 &err),
			 -ENOMEM);
	assert_text(err.what, "8 KiB of packet buffers");
	assert_text(err.remedy, "ulimit -l");
	close_lanes(1);
}

/* ---- running ---- */

static void test_stays(void **state)
{
	struct pl_error err;

	(void)state;
	open_lanes(2, 4, PL_ACCEL_PERSISTENT);
	assert_int_equal(pl_accel_ended(lanes[0].accel, &err), 1);
	for (unsigned turn = 1; turn <= 3; turn++) {
		pump(2, turn * 200);
		assert_int_equal(gpu->launches, turn);
		assert_int_equal(gpu->grid, 4);
		assert_int_equal(gpu->block, 256);
		assert_int_equal(pl_accel_ended(lanes[0].accel, &err), 0);
		pl_accel_rest(lanes[0].accel);
		while (pl_accel_ended(lanes[0].accel, &err) == 0)
			usleep(100);
		assert_int_equal(pl_accel_ended(lanes[0].accel, &err), 1);
	}
	close_lanes(2);
}

static void test_each_burst(void **state)
{
	(void)state;
	open_lanes(2, 2, PL_ACCEL_BURST);
	pump(2, 100);
	assert_int_equal(gpu->launches, 200);
	close_lanes(2);
}

/* Updates go to the device's memory while the program runs, and are read back from there. */
static void test_updates(void **state)
{
	struct pl_accel_memory memory;
	struct pl_accel *accel;
	struct pl_error err;
	uint64_t words[512], back[512];

	(void)state;
	open_lanes(1, 2, PL_ACCEL_PERSISTENT);
	accel = lanes[0].accel;
	assert_int_equal(pl_accel_alloc(accel, PL_ACCEL_DEVICE, sizeof(words), &memory, &err), 0);
	for (unsigned i = 0; i < 512; i++) {
		words[i] = i * UINT64_C(0x9e3779b97f4a7c15);
		assert_true(
			pl_accel_update(accel, memory.device + 8 * i, &words[i], 8, i % 2 ? 8 : 4));
		run();
		if (i % 64 == 0)
			pump(1, i / 64 + 1);
	}
	while (pl_accel_updates_applied(accel) != pl_accel_updates_posted(accel))
		usleep(100);
	assert_int_equal(pl_accel_read(accel, back, memory.device, sizeof(back), &err), 0);
	assert_memory_equal(back, words, sizeof(words));
	assert_int_equal(gpu->launches, 1);
	close_lanes(1);
}

/* A thread that has never had the context. */
static void *run_elsewhere(void *arg)
{
	(void)arg;
	run();
	return NULL;
}

static void test_threads(void **state)
{
	struct pl_error err;
	pthread_t thread;

	(void)state;
	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	assert_true(echo_submit(&lanes[0], 7));
	assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, NULL), 0);
	pthread_join(thread, NULL);
	while (echo_complete(&lanes[0]) < 0)
		usleep(100);
	assert_int_equal(pl_accel_ended(lanes[0].accel, &err), 0);
	close_lanes(1);
}

/* ---- faults ---- */

static void test_launch_fails(void **state)
{
	struct pl_error err;

	(void)state;
	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	fail_at("cuLaunchKernel", CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	assert_int_equal(pl_accel_run(lanes[0].accel, &err), -ENOTSUP);
	assert_text(err.what, "cannot start the program");
	gpu->fail = NULL;
	assert_int_equal(pl_accel_ended(lanes[0].accel, &err), -ENOTSUP);
	close_lanes(1);
}

/* A fault at run time: named; then all is let go of, and the device opened anew. */
static void fault_once(void)
{
	struct pl_accel_memory memory;
	struct pl_error err;
	uint8_t byte;

	open_lanes(2, 2, PL_ACCEL_PERSISTENT);
	assert_int_equal(pl_accel_alloc(lanes[0].accel, PL_ACCEL_DEVICE, 4096, &memory, &err), 0);
	pump(2, 20);
	gpu->fault(CUDA_ERROR_ILLEGAL_ADDRESS);
	assert_int_equal(pl_accel_ended(lanes[0].accel, &err), -EIO);
	assert_text(err.what, "CUDA_ERROR_ILLEGAL_ADDRESS");
	assert_text(err.remedy, "NVRM: Xid");
	assert_int_equal(pl_accel_read(lanes[0].accel, &byte, memory.device, 1, &err), -EIO);
	assert_int_equal(pl_accel_run(lanes[0].accel, &err), -EIO);
	close_lanes(2);
}

static void test_fault(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fault_once();
	/* As the documentation has it, for good. */
	gpu->faults_stay = true;
	fault_once();
	refuse(-EIO, "cannot open stand-in 0: CUDA_ERROR_ILLEGAL_ADDRESS", "restarted");
	gpu->faults_stay = false;
	gpu->fault(0);
	fault_once();
}

/* Somebody else in the process has the device's context too, which does not end with us: it is reset. */
static void test_fault_beside_others(void **state)
{
	struct pl_error err;

	(void)state;
	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	gpu->contexts++;
	pump(1, 3);
	gpu->fault(CUDA_ERROR_LAUNCH_FAILED);
	assert_int_equal(pl_accel_ended(lanes[0].accel, &err), -EIO);
	assert_int_equal(pl_accel_close(lanes[0].accel, 1000), 0);
	pl_pool_fini(&lanes[0].pool);
	assert_int_equal(gpu->contexts, 1);
	assert_int_equal(gpu->allocations, 0);

	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	pump(1, 3);
	gpu->contexts--;
	close_lanes(1);
}

static void test_hang(void **state)
{
	struct pl_error err;

	(void)state;
	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	atomic_store(&gpu->hang, true);
	pump(1, 3);
	pl_accel_rest(lanes[0].accel);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pl_accel_ended(lanes[0].accel, &err), 0);
		assert_int_equal(pl_accel_close(lanes[0].accel, 30), -ETIMEDOUT);
		assert_int_equal(gpu->running, 1);
	}
	assert_int_equal(gpu->contexts, 1);
	atomic_store(&gpu->hang, false);
	close_lanes(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_driver, setup),
		cmocka_unit_test_setup(test_scan, setup),
		cmocka_unit_test_setup(test_device, setup),
		cmocka_unit_test_setup(test_persistent, setup),
		cmocka_unit_test_setup(test_program, setup),
		cmocka_unit_test_setup(test_no_memory, setup),
		cmocka_unit_test_setup(test_workers, setup),
		cmocka_unit_test_setup(test_memory, setup),
		cmocka_unit_test_setup(test_attach, setup),
		cmocka_unit_test_setup(test_stays, setup),
		cmocka_unit_test_setup(test_each_burst, setup),
		cmocka_unit_test_setup(test_updates, setup),
		cmocka_unit_test_setup(test_threads, setup),
		cmocka_unit_test_setup(test_launch_fails, setup),
		cmocka_unit_test_setup(test_fault, setup),
		cmocka_unit_test_setup(test_fault_beside_others, setup),
		cmocka_unit_test_setup(test_hang, setup),
	};

	return cuda_has_stand_in() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
