/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in the memory of NVIDIA's GPUs, over a stand-in for the driver (cuda_stand_in.h): that it is asked what its
 * documentation allows, and which link to a NIC is missing where one is. Nothing here has to do with a GPU. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cuda_help.h"
#include "remote_help.h"

static struct pl_accel_packets packets;

static void packets_new(void)
{
	struct pl_error err;

	if (pl_accel_packets_new(&packets, PL_ACCEL_CUDA, 0, REMOTE_BYTES, &err))
		fail_msg("%s", err.what);
}

static void packets_free(void)
{
	pl_accel_packets_free(&packets);
	assert_int_equal(gpu->ranges, 0);
	assert_int_equal(gpu->device_bytes, fresh.device_bytes);
}

static struct pl_accel_info info_of_gpu(void)
{
	struct pl_accel_info infos[8];

	assert_true(pl_accel_scan(infos, 8) >= 1);
	assert_int_equal(infos[0].kind, PL_ACCEL_CUDA);
	return infos[0];
}

static void test_remote(void **state)
{
	(void)state;
	remote_check_device(config_of(1, 1, PL_ACCEL_BURST));
	remote_check_device(config_of(1, 3, PL_ACCEL_BURST));
	assert_int_equal(gpu->ranges, 0);
	assert_int_equal(gpu->contexts, 0);
	assert_int_equal(gpu->waits, 0);
	assert_int_equal(gpu->flushes, 0);
}

/* What is exported is the memory itself, of which no processor of ours knows an address. */
static void test_packets(void **state)
{
	uint8_t *at;

	(void)state;
	assert_int_equal(info_of_gpu().no_packets, 0);
	assert_null(info_of_gpu().no_dmabuf);
	packets_new();
	assert_null(packets.remote.emulated);
	assert_null(packets.remote.no_dmabuf);
	assert_int_equal(packets.remote.page_bytes, 2 << 20);
	at = mmap(NULL, REMOTE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, packets.remote.dmabuf_fd,
		  0);
	assert_ptr_not_equal(at, MAP_FAILED);
	at[REMOTE_BYTES - 1] = 'x';
	assert_int_equal(((uint8_t *)(uintptr_t)packets.remote.device)[REMOTE_BYTES - 1], 'x');
	munmap(at, REMOTE_BYTES);
	packets_free();
}

/* The context that failed is gone, and the memory is not. */
static void test_packets_fault(void **state)
{
	static struct remote_lane lane;
	struct pl_accel_config config = config_of(1, 1, PL_ACCEL_PERSISTENT);
	struct pl_accel *accel;
	struct pl_error err;

	(void)state;
	packets_new();
	assert_int_equal(pl_accel_open(&accel, &config, &err), 0);
	remote_attach(&lane, accel, &packets.remote);
	assert_true(remote_submit(&lane, 3, 0, REMOTE_ALL, 3));
	assert_int_equal(pl_accel_run(accel, &err), 0);
	remote_wait(&lane);
	gpu->fault(CUDA_ERROR_ILLEGAL_ADDRESS);
	assert_int_equal(pl_accel_ended(accel, &err), -EIO);
	assert_int_equal(pl_accel_close(accel, 1000), 0);
	remote_detach(&lane);
	remote_check_opening(&config, &packets);
	packets_free();
}

/* A device that does not see NICs' writes by itself is told to before each burst, if its packets are there. */
static void test_flush(void **state)
{
	static struct remote_lane lane;
	struct pl_accel_config config = config_of(1, 1, PL_ACCEL_PERSISTENT);
	struct pl_accel *accel;
	struct pl_burst *burst;
	struct pl_error err;

	(void)state;
	gpu->ordering = 0;
	packets_new();
	assert_null(packets.remote.no_dmabuf);
	remote_check_opening(&config, &packets);
	assert_int_equal(gpu->flushes, 60);
	gpu->flushes = 0;
	open_lanes(1, 1, PL_ACCEL_PERSISTENT);
	pump(1, 3);
	pl_accel_rest(lanes[0].accel);
	close_lanes(1);
	assert_int_equal(gpu->flushes, 0);

	assert_int_equal(pl_accel_open(&accel, &config, &err), 0);
	remote_attach(&lane, accel, &packets.remote);
	assert_true(remote_submit(&lane, 3, 0, REMOTE_ALL, 3));
	assert_int_equal(pl_accel_run(accel, &err), 0);
	remote_wait(&lane);
	fail_at("cuFlushGPUDirectRDMAWrites", CUDA_ERROR_UNKNOWN);
	assert_true(remote_submit(&lane, 3, 0, REMOTE_ALL, 3));
	gpu->fail = NULL;
	assert_int_equal(pl_accel_submitted(accel, 0), 1); /* the device has none of it */
	/* Nor of what comes behind it: to the device the one would be the other. */
	assert_true(remote_submit(&lane, 3, 0, REMOTE_ALL, 3));
	assert_int_equal(pl_accel_submitted(accel, 0), 1);
	assert_int_equal(pl_accel_ended(accel, &err), -EIO);
	assert_text(err.what, "cannot wait for what NICs have written");
	for (unsigned i = 0; i < 2; i++) {
		assert_false(remote_complete(&lane));
		burst = pl_accel_abandon(accel, 0);
		assert_non_null(burst);
		pl_pool_put(&lane.pool, burst->frame, burst->n, PL_OWNER_BURST);
	}
	assert_int_equal(pl_accel_close(accel, 10000), 0);
	remote_detach(&lane);
	packets_free();
}

/* The memory is there, and the reason why no NIC reaches it. */
static void unreached(const char *why)
{
	packets_new();
	assert_int_equal(packets.remote.dmabuf_fd, -1);
	assert_text(packets.remote.no_dmabuf, why);
	remote_check_opening(&(struct pl_accel_config){.kind = PL_ACCEL_CUDA,
						       .n_lanes = 1,
						       .program.ptx = some_ptx},
			     &packets);
	packets_free();
}

static void told_unreached(const char *why)
{
	assert_int_equal(info_of_gpu().no_packets, 0);
	assert_text(info_of_gpu().no_dmabuf, why);
	unreached(why);
}

static void test_packets_unreached(void **state)
{
	(void)state;
	gpu->dma_buf = 0;
	told_unreached("is not the open one");
	gpu->dma_buf = 1;
	gpu->rdma = 0;
	told_unreached("no GPUDirect RDMA");
	gpu->rdma = 1;
	gpu->ordering = gpu->flush_options = 0;
	told_unreached("when the GPU sees");
	gpu->flush_options = 2;
	told_unreached("when the GPU sees");
	gpu->flush_options = 1;
	hidden = "cuFlushGPUDirectRDMAWrites";
	told_unreached("when the GPU sees");
	gpu->ordering = 100;
	hidden = "cuMemGetHandleForAddressRange";
	told_unreached("the driver is too old");
	hidden = NULL;
	fail_at("cuMemGetHandleForAddressRange", CUDA_ERROR_OUT_OF_MEMORY);
	unreached("the driver makes no dma-buf of it: CUDA_ERROR_OUT_OF_MEMORY (2)");
}

static void no_packets(int rc, const char *what, const char *remedy)
{
	struct pl_error err = {"", ""};

	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_CUDA, 0, REMOTE_BYTES, &err), rc);
	assert_text(err.what, what);
	assert_text(err.remedy, remedy);
	assert_int_equal(packets.remote.len_bytes, 0);
	assert_int_equal(gpu->ranges, 0);
	assert_int_equal(gpu->device_bytes, fresh.device_bytes);
}

/* Devices and drivers without: they serve packets in the host's memory as before. */
static void test_no_packets(void **state)
{
	static const char *const calls[] = {"cuMemGetAllocationGranularity", "cuMemAddressReserve",
					    "cuMemCreate", "cuMemMap", "cuMemSetAccess"};
	static const char *const symbols[] = {"cuMemCreate", "cuMemSetAccess", "cuMemUnmap"};

	(void)state;
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fail_at(calls[i], CUDA_ERROR_OUT_OF_MEMORY);
		no_packets(-ENOMEM, "for packets", "nvidia-smi");
		gpu->fail = NULL;
	}
	for (unsigned i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		hidden = symbols[i];
		no_packets(-ENOTSUP, "libcuda.so.1 has no cuMemCreate", "newer NVIDIA driver");
		assert_int_equal(info_of_gpu().unusable, 0);
		assert_int_equal(info_of_gpu().no_packets, -ENOTSUP);
		open_lanes(1, 1, PL_ACCEL_PERSISTENT);
		pump(1, 3);
		pl_accel_rest(lanes[0].accel);
		close_lanes(1);
	}
	hidden = NULL;
	gpu->no_virtual = 1;
	no_packets(-ENOTSUP, "no virtual memory management", "Mode=nic-cpu-gpu");
	gpu->no_virtual = 0;
	gpu->capability = 70;
	no_packets(-ENOTSUP, "compute capability 7.0", "Turing");
	assert_int_equal(info_of_gpu().no_packets, -ENOTSUP);
	gpu->capability = 75;
	gpu->device_bytes = REMOTE_BYTES / 2;
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_CUDA, 0, REMOTE_BYTES, NULL),
			 -ENOMEM);
	gpu->device_bytes = fresh.device_bytes;
	hidden = "libcuda.so.1";
	no_packets(-ENODEV, "no driver", "install NVIDIA driver");
	assert_int_equal(info_of_gpu().no_packets, -ENODEV);
	hidden = NULL;
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_CUDA, 7, REMOTE_BYTES, NULL),
			 -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_remote, setup),
		cmocka_unit_test_setup(test_packets, setup),
		cmocka_unit_test_setup(test_packets_fault, setup),
		cmocka_unit_test_setup(test_flush, setup),
		cmocka_unit_test_setup(test_packets_unreached, setup),
		cmocka_unit_test_setup(test_no_packets, setup),
	};

	return cuda_has_stand_in() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
