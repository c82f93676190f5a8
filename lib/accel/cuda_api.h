/* SPDX-License-Identifier: BSD-2-Clause */
/* What we use of the CUDA driver's interface, declared by ourselves, so that building needs nothing of NVIDIA's.
 *
 * Names, values and parameters are those of NVIDIA's cuda.h. Its binary interface is stable: a function that
 * changed has a new name (..._v2) and the old one stays. tests/unit/cuda_header.c holds all of this against
 * cuda.h where there is one. A result is 0 or one of CUDA_ERROR_...; a device is a number. */
#ifndef PEERLANE_ACCEL_CUDA_API_H
#define PEERLANE_ACCEL_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

#include <peerlane/error.h>

struct CUctx_st;
struct CUmod_st;
struct CUfunc_st;
struct CUstream_st;

/* X(member, symbol, parameters): what is looked up in libcuda.so.1, first of all what tells its version. The
 * newest are those of the primary context, in their form of CUDA 11.0. */
/* clang-format off */
#define CUDA_FUNCTIONS(X) \
	X(driver_version,     cuDriverGetVersion,         (int *version)) \
	X(init,               cuInit,                     (unsigned flags)) \
	X(error_name,         cuGetErrorName,             (int result, const char **name)) \
	X(error_string,       cuGetErrorString,           (int result, const char **text)) \
	X(device_count,       cuDeviceGetCount,           (int *count)) \
	X(device_get,         cuDeviceGet,                (int *device, int ordinal)) \
	X(device_name,        cuDeviceGetName,            (char *name, int len, int device)) \
	X(device_memory,      cuDeviceTotalMem_v2,        (size_t *bytes, int device)) \
	X(device_attribute,   cuDeviceGetAttribute,       (int *value, int attribute, int device)) \
	X(context_retain,     cuDevicePrimaryCtxRetain,   (struct CUctx_st **context, int device)) \
	X(context_release,    cuDevicePrimaryCtxRelease_v2, (int device)) \
	X(context_reset,      cuDevicePrimaryCtxReset_v2, (int device)) \
	X(context_set,        cuCtxSetCurrent,            (struct CUctx_st *context)) \
	X(module_load,        cuModuleLoadDataEx,         (struct CUmod_st **module, const void *image, \
		unsigned n_options, int *options, void **values)) \
	X(module_unload,      cuModuleUnload,             (struct CUmod_st *module)) \
	X(module_function,    cuModuleGetFunction,        (struct CUfunc_st **function, \
		struct CUmod_st *module, const char *name)) \
	X(occupancy,          cuOccupancyMaxActiveBlocksPerMultiprocessor, (int *blocks, \
		struct CUfunc_st *function, int block_size, size_t shared_bytes)) \
	X(memory_alloc,       cuMemAlloc_v2,              (uint64_t *device, size_t bytes)) \
	X(memory_free,        cuMemFree_v2,               (uint64_t device)) \
	X(host_alloc,         cuMemHostAlloc,             (void **host, size_t bytes, unsigned flags)) \
	X(host_free,          cuMemFreeHost,              (void *host)) \
	X(host_register,      cuMemHostRegister_v2,       (void *host, size_t bytes, unsigned flags)) \
	X(host_unregister,    cuMemHostUnregister,        (void *host)) \
	X(host_to_device,     cuMemHostGetDevicePointer_v2, (uint64_t *device, void *host, \
		unsigned flags)) \
	X(copy_to,            cuMemcpyHtoDAsync_v2,       (uint64_t to, const void *from, size_t bytes, \
		struct CUstream_st *stream)) \
	X(copy_from,          cuMemcpyDtoHAsync_v2,       (void *to, uint64_t from, size_t bytes, \
		struct CUstream_st *stream)) \
	X(stream_create,      cuStreamCreate,             (struct CUstream_st **stream, unsigned flags)) \
	X(stream_destroy,     cuStreamDestroy_v2,         (struct CUstream_st *stream)) \
	X(stream_query,       cuStreamQuery,              (struct CUstream_st *stream)) \
	X(stream_wait,        cuStreamSynchronize,        (struct CUstream_st *stream)) \
	X(launch,             cuLaunchKernel,             (struct CUfunc_st *function, unsigned grid_x, \
		unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z, \
		unsigned shared_bytes, struct CUstream_st *stream, void **parameters, void **extra))

/* What packets in the device's memory need beside that (cuda_packets.c). An older driver lacks some, which are NULL then:
 * cuFlushGPUDirectRDMAWrites() is of CUDA 11.3, cuMemGetHandleForAddressRange() of 11.7. */
#define CUDA_PACKET_FUNCTIONS(X) \
	X(granularity,        cuMemGetAllocationGranularity, (size_t *bytes, \
		const struct cuda_allocation *allocation, int option)) \
	X(address_reserve,    cuMemAddressReserve,        (uint64_t *device, size_t bytes, \
		size_t alignment, uint64_t wish, unsigned long long flags)) \
	X(address_free,       cuMemAddressFree,           (uint64_t device, size_t bytes)) \
	X(physical_create,    cuMemCreate,                (unsigned long long *handle, size_t bytes, \
		const struct cuda_allocation *allocation, unsigned long long flags)) \
	X(physical_release,   cuMemRelease,               (unsigned long long handle)) \
	X(map,                cuMemMap,                   (uint64_t device, size_t bytes, size_t offset, \
		unsigned long long handle, unsigned long long flags)) \
	X(unmap,              cuMemUnmap,                 (uint64_t device, size_t bytes)) \
	X(set_access,         cuMemSetAccess,             (uint64_t device, size_t bytes, \
		const struct cuda_access *access, size_t n)) \
	X(range_handle,       cuMemGetHandleForAddressRange, (void *handle, uint64_t device, \
		size_t bytes, int type, unsigned long long flags)) \
	X(flush_rdma,         cuFlushGPUDirectRDMAWrites, (int target, int scope))
/* clang-format on */

struct cuda_location {
	int type; /* CU_MEM_LOCATION_TYPE_... */
	int id;
};

/* CUmemAllocationProp: what physical memory is to be like. */
struct cuda_allocation {
	int type; /* CU_MEM_ALLOCATION_TYPE_... */
	int handle_types;
	struct cuda_location location;
	void *of_windows;
	unsigned char compression;
	unsigned char rdma; /* NICs are to reach it */
	unsigned short usage;
	unsigned char reserved[4];
};

/* CUmemAccessDesc: who may do what with mapped memory. */
struct cuda_access {
	struct cuda_location location;
	int flags; /* CU_MEM_ACCESS_FLAGS_... */
};

struct cuda_api {
#define CUDA_MEMBER(member, symbol, parameters) int(*member) parameters;
	CUDA_FUNCTIONS(CUDA_MEMBER)
	CUDA_PACKET_FUNCTIONS(CUDA_MEMBER)
#undef CUDA_MEMBER
	int version; /* of CUDA that the driver is for: 1000 * major + 10 * minor */
};

/* What runs with this: the functions above, and programs in PTX ISA 6.3 for sm_75. */
#define CUDA_VERSION_MIN 11000
#define CUDA_DRIVER_MIN "450.36" /* the driver that came with it */
#define CUDA_CAPABILITY_MIN 75

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_INVALID_VALUE = 1,
	CUDA_ERROR_OUT_OF_MEMORY = 2,
	CUDA_ERROR_STUB_LIBRARY = 34,
	CUDA_ERROR_DEVICE_UNAVAILABLE = 46,
	CUDA_ERROR_NO_DEVICE = 100,
	CUDA_ERROR_INVALID_DEVICE = 101,
	CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
	CUDA_ERROR_ECC_UNCORRECTABLE = 214,
	CUDA_ERROR_INVALID_PTX = 218,
	CUDA_ERROR_JIT_COMPILER_NOT_FOUND = 221,
	CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
	CUDA_ERROR_JIT_COMPILATION_DISABLED = 223,
	CUDA_ERROR_OPERATING_SYSTEM = 304,
	CUDA_ERROR_NOT_FOUND = 500,
	CUDA_ERROR_NOT_READY = 600,
	CUDA_ERROR_ILLEGAL_ADDRESS = 700,
	CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
	CUDA_ERROR_LAUNCH_TIMEOUT = 702,
	CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED = 712,
	CUDA_ERROR_MISALIGNED_ADDRESS = 716,
	CUDA_ERROR_LAUNCH_FAILED = 719,
	CUDA_ERROR_NOT_SUPPORTED = 801,
	CUDA_ERROR_SYSTEM_NOT_READY = 802,
	CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
	CUDA_ERROR_UNKNOWN = 999,
};

enum {
	CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
	CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT = 17,
	CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY = 19,
	CU_DEVICE_ATTRIBUTE_COMPUTE_MODE = 20,
	CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING = 41,
	CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
	CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
	CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED = 99,
	CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED = 102,
	CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED = 110,
	CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS = 117,
	CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING = 118,
	CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED = 124,
};
enum { CU_MEM_ALLOCATION_TYPE_PINNED = 1 };
enum { CU_MEM_LOCATION_TYPE_DEVICE = 1 };
enum { CU_MEM_ACCESS_FLAGS_PROT_READWRITE = 3 };
enum { CU_MEM_ALLOC_GRANULARITY_MINIMUM = 0 };
enum { CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD = 1 };
enum { CU_FLUSH_GPU_DIRECT_RDMA_WRITES_OPTION_HOST = 1 };
enum { CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX = 0 };
enum { CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER = 100 };
enum { CU_GPU_DIRECT_RDMA_WRITES_ORDERING_OWNER = 100 };
enum { CU_COMPUTEMODE_PROHIBITED = 2 };
enum { CU_STREAM_NON_BLOCKING = 1 };
enum { CU_JIT_ERROR_LOG_BUFFER = 5, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6 };
/* Seen by all contexts; with an address of the device. The same for cuMemHostAlloc() and ...Register(). */
#define CU_MEMHOST_PORTABLE 1u
#define CU_MEMHOST_DEVICEMAP 2u

/* Loads the driver and starts it (cuInit); takes up to seconds the first time. It stays loaded: there is
 * nothing to undo. Returns 0, or with `err` filled -ENODEV (there is no driver, or no GPU), -ENOTSUP (it is
 * too old), -EIO. Any thread. */
int cuda_api_load(struct cuda_api *api, struct pl_error *err);

/* An attribute of a device; 0: it has none, or the driver does not know it. */
int cuda_attribute(const struct cuda_api *api, int device, int which);

/* Says that `result` came of what the format tells ("cannot do this to that"). Returns -errno. */
int cuda_fail(const struct cuda_api *api, struct pl_error *err, int result, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
