/* SPDX-License-Identifier: BSD-2-Clause */
/* See cuda_stand_in.h: the driver, its devices, the context of one of them, and memory. */
#include "cuda_stand_in_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cuda_stand_in_fn cuda_stand_in;

#define INVALID_CONTEXT 201
#define NOT_REGISTERED 713

/* What belongs to the context. */
struct piece {
	enum piece_kind kind;
	char *at;
	size_t bytes;
	struct piece *next;
};

pthread_mutex_t stand_in_lock = PTHREAD_MUTEX_INITIALIZER;
int stand_in_sticky;
static bool started;
static unsigned generation; /* of the context; it changes with each reset */
static struct piece *pieces;
static _Thread_local unsigned current; /* the generation that the thread has set */

/* ---- what all calls begin with ---- */

/* Whether this call is one that is to fail; with the lock. */
static int injected(const char *call)
{
	struct cuda_stand_in *s = stand_in();

	if (!s->fail || strcmp(s->fail, call) != 0)
		return 0;
	if (s->after) {
		s->after--;
		return 0;
	}
	return s->fail_result;
}

int stand_in_enter_any(const char *call)
{
	int result;

	pthread_mutex_lock(&stand_in_lock);
	result = injected(call);
	if (!result && !started && strcmp(call, "cuInit") != 0 &&
	    strcmp(call, "cuDriverGetVersion") != 0)
		result = 3; /* CUDA_ERROR_NOT_INITIALIZED */
	if (result)
		pthread_mutex_unlock(&stand_in_lock);
	return result;
}

int stand_in_enter(const char *call)
{
	int result = stand_in_enter_any(call);

	if (result)
		return result;
	result = stand_in_sticky;
	if (!stand_in()->contexts || current != generation)
		result = INVALID_CONTEXT;
	if (result)
		pthread_mutex_unlock(&stand_in_lock);
	return result;
}

int stand_in_leave(int result)
{
	pthread_mutex_unlock(&stand_in_lock);
	return result;
}

/* ---- the driver and its devices ---- */

int cuDriverGetVersion(int *version)
{
	int result = stand_in_enter_any("cuDriverGetVersion");

	if (result)
		return result;
	*version = stand_in()->version;
	return stand_in_leave(0);
}

int cuInit(unsigned flags)
{
	int result = stand_in_enter_any("cuInit");

	if (result)
		return result;
	if (flags)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (!stand_in()->n_devices)
		return stand_in_leave(CUDA_ERROR_NO_DEVICE);
	started = true;
	return stand_in_leave(0);
}

/* Newer than the driver's list. */
#define UNHEARD_OF 4242

int cuGetErrorName(int result, const char **name)
{
	if (result == UNHEARD_OF)
		return CUDA_ERROR_INVALID_VALUE;
	*name = result == CUDA_ERROR_OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
		: result == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
		: result == CUDA_ERROR_NO_DEVICE       ? "CUDA_ERROR_NO_DEVICE"
		: result == CUDA_ERROR_INVALID_PTX     ? "CUDA_ERROR_INVALID_PTX"
						       : "CUDA_ERROR_OTHER";
	return 0;
}

int cuGetErrorString(int result, const char **text)
{
	if (result == UNHEARD_OF)
		return CUDA_ERROR_INVALID_VALUE;
	*text = "said by a stand-in";
	return 0;
}

int cuDeviceGetCount(int *count)
{
	int result = stand_in_enter_any("cuDeviceGetCount");

	if (result)
		return result;
	*count = stand_in()->n_devices;
	return stand_in_leave(0);
}

int cuDeviceGet(int *device, int ordinal)
{
	int result = stand_in_enter_any("cuDeviceGet");

	if (result)
		return result;
	if (ordinal < 0 || ordinal >= stand_in()->n_devices)
		return stand_in_leave(CUDA_ERROR_INVALID_DEVICE);
	*device = ordinal;
	return stand_in_leave(0);
}

int cuDeviceGetName(char *name, int len, int device)
{
	int result = stand_in_enter_any("cuDeviceGetName");

	if (result)
		return result;
	snprintf(name, (size_t)len, "stand-in %d", device);
	return stand_in_leave(0);
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
	int result = stand_in_enter_any("cuDeviceTotalMem_v2");

	(void)device;
	if (result)
		return result;
	*bytes = stand_in()->device_bytes;
	return stand_in_leave(0);
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
	const struct cuda_stand_in *s = stand_in();
	int result = stand_in_enter_any("cuDeviceGetAttribute");

	(void)device;
	if (result)
		return result;
	switch (attribute) {
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		*value = s->multiprocessors;
		break;
	case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT:
		*value = s->display;
		break;
	case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
		*value = !s->no_mapping;
		break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
		*value = s->compute_mode;
		break;
	case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
		*value = !s->no_unified;
		break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		*value = s->capability / 10;
		break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
		*value = s->capability % 10;
		break;
	case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
		*value = !s->no_register;
		break;
	case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
		*value = !s->no_virtual;
		break;
	case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED:
		*value = s->rdma;
		break;
	case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS:
		*value = s->flush_options;
		break;
	case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING:
		*value = s->ordering;
		break;
	case CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED:
		*value = s->dma_buf;
		break;
	default:
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	}
	return stand_in_leave(0);
}

/* ---- the primary context ---- */

static void forget(struct piece **at)
{
	struct piece *piece = *at;

	*at = piece->next;
	if (piece->kind != REGISTERED)
		free(piece->at);
	free(piece);
	stand_in()->allocations--;
}

/* All that belongs to the context is gone. With the lock. */
static void reset(void)
{
	stand_in_synchronize();
	while (pieces)
		forget(&pieces);
	generation++;
	if (!stand_in()->faults_stay)
		stand_in_sticky = 0;
}

int cuDevicePrimaryCtxRetain(struct CUctx_st **context, int device)
{
	int result = stand_in_enter_any("cuDevicePrimaryCtxRetain");

	(void)device;
	if (result)
		return result;
	if (stand_in_sticky)
		return stand_in_leave(stand_in_sticky);
	if (stand_in()->compute_mode == CU_COMPUTEMODE_PROHIBITED)
		return stand_in_leave(CUDA_ERROR_UNKNOWN);
	if (!stand_in()->contexts++)
		generation++;
	*context = (struct CUctx_st *)(uintptr_t)generation;
	return stand_in_leave(0);
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
	int result = stand_in_enter_any("cuDevicePrimaryCtxRelease_v2");

	(void)device;
	if (result)
		return result;
	if (!stand_in()->contexts)
		return stand_in_leave(INVALID_CONTEXT);
	if (!--stand_in()->contexts)
		reset();
	return stand_in_leave(0);
}

int cuDevicePrimaryCtxReset_v2(int device)
{
	int result = stand_in_enter_any("cuDevicePrimaryCtxReset_v2");

	(void)device;
	if (result)
		return result;
	reset();
	return stand_in_leave(0);
}

int cuCtxSetCurrent(struct CUctx_st *context)
{
	int result = stand_in_enter_any("cuCtxSetCurrent");

	if (result)
		return result;
	if (context && (uintptr_t)context != generation)
		return stand_in_leave(INVALID_CONTEXT);
	current = (unsigned)(uintptr_t)context;
	return stand_in_leave(0);
}

/* ---- memory ---- */

static size_t used_bytes(enum piece_kind kind)
{
	size_t sum = 0;

	for (const struct piece *piece = pieces; piece; piece = piece->next)
		if ((piece->kind == OF_DEVICE) == (kind == OF_DEVICE))
			sum += piece->bytes;
	return sum;
}

/* The piece that has all of these bytes. */
static const struct piece *piece_of(const void *at, size_t bytes)
{
	for (const struct piece *piece = pieces; piece; piece = piece->next)
		if ((const char *)at >= piece->at &&
		    (const char *)at + bytes <= piece->at + piece->bytes)
			return piece;
	return NULL;
}

bool stand_in_owns(const void *at, size_t bytes)
{
	return piece_of(at, bytes);
}

void stand_in_keep(enum piece_kind kind, void *at, size_t bytes)
{
	struct piece *piece = calloc(1, sizeof(*piece));

	piece->kind = kind;
	piece->at = at;
	piece->bytes = bytes;
	piece->next = pieces;
	pieces = piece;
	stand_in()->allocations++;
}

static int add(enum piece_kind kind, void *at, size_t bytes)
{
	size_t room = kind == OF_DEVICE ? stand_in()->device_bytes : stand_in()->lockable_bytes;

	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	if (bytes > room || used_bytes(kind) > room - bytes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!at) {
		at = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
		memset(at, 0xa5, bytes);
	}
	stand_in_keep(kind, at, bytes);
	return 0;
}

int stand_in_drop(enum piece_kind kind, const void *at, int otherwise)
{
	for (struct piece **piece = &pieces; *piece; piece = &(*piece)->next)
		if ((*piece)->at == at && (*piece)->kind == kind) {
			forget(piece);
			return 0;
		}
	return otherwise;
}

int cuMemAlloc_v2(uint64_t *device, size_t bytes)
{
	int result = stand_in_enter("cuMemAlloc_v2");

	if (result)
		return result;
	stand_in_synchronize();
	result = add(OF_DEVICE, NULL, bytes);
	if (!result)
		*device = (uint64_t)(uintptr_t)pieces->at;
	return stand_in_leave(result);
}

int cuMemFree_v2(uint64_t device)
{
	int result = stand_in_enter("cuMemFree_v2");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(
		stand_in_drop(OF_DEVICE, (void *)(uintptr_t)device, CUDA_ERROR_INVALID_VALUE));
}

int cuMemHostAlloc(void **host, size_t bytes, unsigned flags)
{
	int result = stand_in_enter("cuMemHostAlloc");

	if (result)
		return result;
	stand_in_synchronize();
	if (flags != (CU_MEMHOST_PORTABLE | CU_MEMHOST_DEVICEMAP))
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	result = add(OF_HOST, NULL, bytes);
	if (!result)
		*host = pieces->at;
	return stand_in_leave(result);
}

int cuMemFreeHost(void *host)
{
	int result = stand_in_enter("cuMemFreeHost");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(stand_in_drop(OF_HOST, host, CUDA_ERROR_INVALID_VALUE));
}

int cuMemHostRegister_v2(void *host, size_t bytes, unsigned flags)
{
	int result = stand_in_enter("cuMemHostRegister_v2");

	if (result)
		return result;
	stand_in_synchronize();
	if (((uintptr_t)host | bytes) & 4095 ||
	    flags != (CU_MEMHOST_PORTABLE | CU_MEMHOST_DEVICEMAP))
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (piece_of(host, 1))
		return stand_in_leave(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
	return stand_in_leave(add(REGISTERED, host, bytes));
}

int cuMemHostUnregister(void *host)
{
	int result = stand_in_enter("cuMemHostUnregister");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(stand_in_drop(REGISTERED, host, NOT_REGISTERED));
}

int cuMemHostGetDevicePointer_v2(uint64_t *device, void *host, unsigned flags)
{
	int result = stand_in_enter("cuMemHostGetDevicePointer_v2");
	const struct piece *piece;

	if (result)
		return result;
	piece = piece_of(host, 1);
	if (flags || !piece || piece->kind == OF_DEVICE)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	*device = (uint64_t)(uintptr_t)host;
	return stand_in_leave(0);
}

/* ---- copies ---- */

/* Copies are done at once, as by an engine of the device's own. */
static int copy(const char *call, void *to, const void *from, size_t bytes, const void *device,
		const void *host, const struct CUstream_st *stream)
{
	int result = stand_in_enter(call);
	const struct piece *piece;

	if (result)
		return result;
	if (!stream)
		stand_in_synchronize(); /* the default stream's ways */
	piece = piece_of(device, bytes);
	if ((!piece || piece->kind != OF_DEVICE) && !stand_in_accessible(device, bytes))
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	piece = piece_of(host, bytes);
	if (!piece || piece->kind == OF_DEVICE)
		stand_in()->pageable++;
	memcpy(to, from, bytes);
	return stand_in_leave(0);
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, struct CUstream_st *stream)
{
	void *device = (void *)(uintptr_t)to;

	return copy("cuMemcpyHtoDAsync_v2", device, from, bytes, device, from, stream);
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, struct CUstream_st *stream)
{
	const void *device = (const void *)(uintptr_t)from;

	return copy("cuMemcpyDtoHAsync_v2", to, device, bytes, device, to, stream);
}

struct cuda_stand_in *stand_in(void)
{
	static struct cuda_stand_in self = {
		.version = 12020,
		.n_devices = 1,
		.capability = 75,
		.rdma = 1,
		.dma_buf = 1,
		.ordering = CU_GPU_DIRECT_RDMA_WRITES_ORDERING_OWNER,
		.flush_options = CU_FLUSH_GPU_DIRECT_RDMA_WRITES_OPTION_HOST,
		.multiprocessors = 4,
		.blocks_each = 4,
		.device_bytes = (size_t)1 << 30,
		.lockable_bytes = (size_t)1 << 30,
		.ptx_version = 82,
		.fault = stand_in_fault,
	};

	return &self;
}

EXPORT struct cuda_stand_in *cuda_stand_in(void)
{
	return stand_in();
}
