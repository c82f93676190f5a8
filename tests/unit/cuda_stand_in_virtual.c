/* SPDX-License-Identifier: BSD-2-Clause */
/* See cuda_stand_in.h: virtual memory management, which is of no context. */
#include "cuda_stand_in_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Addresses that are reserved, as a whole with physical memory or without. */
struct range {
	char *at;
	size_t bytes;
	const struct physical *mapped; /* NULL: nothing */
	bool accessible;
	struct range *next;
};

struct physical {
	int file;
	size_t bytes;
	bool rdma;
	unsigned references; /* the handle and mappings */
	bool released;
};

static struct range *ranges;

#define GRAIN ((size_t)2 << 20)

static struct range *range_at(const void *at, size_t bytes)
{
	for (struct range *range = ranges; range; range = range->next)
		if (range->at == at && range->bytes == bytes)
			return range;
	return NULL;
}

bool stand_in_accessible(const void *at, size_t bytes)
{
	for (const struct range *range = ranges; range; range = range->next)
		if ((const char *)at >= range->at &&
		    (const char *)at + bytes <= range->at + range->bytes)
			return range->accessible;
	return false;
}

static void put_physical(struct physical *physical)
{
	if (--physical->references)
		return;
	close(physical->file);
	stand_in()->device_bytes += physical->bytes;
	stand_in()->ranges--;
	free(physical);
}

static bool odd(const struct cuda_location *location)
{
	return location->type != CU_MEM_LOCATION_TYPE_DEVICE || location->id < 0 ||
	       location->id >= stand_in()->n_devices;
}

int cuMemGetAllocationGranularity(size_t *bytes, const struct cuda_allocation *allocation,
				  int option)
{
	int result = stand_in_enter_any("cuMemGetAllocationGranularity");

	if (result)
		return result;
	if (odd(&allocation->location) || option != CU_MEM_ALLOC_GRANULARITY_MINIMUM)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	*bytes = GRAIN;
	return stand_in_leave(0);
}

int cuMemAddressReserve(uint64_t *device, size_t bytes, size_t alignment, uint64_t wish,
			unsigned long long flags)
{
	int result = stand_in_enter_any("cuMemAddressReserve");
	struct range *range;
	char *at;

	if (result)
		return result;
	if (!bytes || bytes % GRAIN || alignment || wish || flags)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	at = mmap(NULL, bytes + GRAIN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return stand_in_leave(CUDA_ERROR_OUT_OF_MEMORY);
	range = calloc(1, sizeof(*range));
	range->at = at + (-(uintptr_t)at & (GRAIN - 1));
	munmap(at, (size_t)(range->at - at));
	munmap(range->at + bytes, (size_t)(at + GRAIN - range->at));
	range->bytes = bytes;
	range->next = ranges;
	ranges = range;
	stand_in()->ranges++;
	*device = (uintptr_t)range->at;
	return stand_in_leave(0);
}

int cuMemAddressFree(uint64_t device, size_t bytes)
{
	int result = stand_in_enter_any("cuMemAddressFree");
	struct range *range;

	if (result)
		return result;
	range = range_at((void *)(uintptr_t)device, bytes);
	if (!range || range->mapped)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	for (struct range **at = &ranges; *at; at = &(*at)->next)
		if (*at == range) {
			*at = range->next;
			break;
		}
	munmap(range->at, bytes);
	free(range);
	stand_in()->ranges--;
	return stand_in_leave(0);
}

int cuMemCreate(unsigned long long *handle, size_t bytes, const struct cuda_allocation *allocation,
		unsigned long long flags)
{
	struct cuda_stand_in *s = stand_in();
	int result = stand_in_enter_any("cuMemCreate");
	struct physical *physical;

	if (result)
		return result;
	stand_in_synchronize();
	if (!bytes || bytes % GRAIN || flags || odd(&allocation->location) ||
	    allocation->type != CU_MEM_ALLOCATION_TYPE_PINNED || allocation->handle_types ||
	    allocation->of_windows || allocation->usage)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (allocation->rdma && !s->rdma)
		return stand_in_leave(CUDA_ERROR_NOT_SUPPORTED);
	if (bytes > s->device_bytes)
		return stand_in_leave(CUDA_ERROR_OUT_OF_MEMORY);
	physical = calloc(1, sizeof(*physical));
	physical->file = memfd_create("stand-in", MFD_CLOEXEC);
	if (physical->file < 0 || posix_fallocate(physical->file, 0, (off_t)bytes))
		abort();
	physical->bytes = bytes;
	physical->rdma = allocation->rdma;
	physical->references = 1;
	s->device_bytes -= bytes;
	s->ranges++;
	*handle = (uintptr_t)physical;
	return stand_in_leave(0);
}

int cuMemRelease(unsigned long long handle)
{
	struct physical *physical = (struct physical *)(uintptr_t)handle;
	int result = stand_in_enter_any("cuMemRelease");

	if (result)
		return result;
	if (physical->released)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	physical->released = true;
	put_physical(physical);
	return stand_in_leave(0);
}

int cuMemMap(uint64_t device, size_t bytes, size_t offset, unsigned long long handle,
	     unsigned long long flags)
{
	struct physical *physical = (struct physical *)(uintptr_t)handle;
	int result = stand_in_enter_any("cuMemMap");
	struct range *range;

	if (result)
		return result;
	stand_in_synchronize();
	range = range_at((void *)(uintptr_t)device, bytes);
	if (!range || range->mapped || offset || flags || physical->released ||
	    physical->bytes != bytes)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	range->mapped = physical;
	physical->references++;
	if (mmap(range->at, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, physical->file, 0) ==
	    MAP_FAILED)
		abort();
	return stand_in_leave(0);
}

int cuMemUnmap(uint64_t device, size_t bytes)
{
	int result = stand_in_enter_any("cuMemUnmap");
	struct range *range;

	if (result)
		return result;
	stand_in_synchronize();
	range = range_at((void *)(uintptr_t)device, bytes);
	if (!range || !range->mapped)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (mmap(range->at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	    MAP_FAILED)
		abort();
	put_physical((struct physical *)range->mapped);
	range->mapped = NULL;
	range->accessible = false;
	return stand_in_leave(0);
}

int cuMemSetAccess(uint64_t device, size_t bytes, const struct cuda_access *access, size_t n)
{
	int result = stand_in_enter_any("cuMemSetAccess");
	struct range *range;

	if (result)
		return result;
	stand_in_synchronize();
	range = range_at((void *)(uintptr_t)device, bytes);
	if (!range || !range->mapped || n != 1 || odd(&access->location) ||
	    access->flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (mprotect(range->at, bytes, PROT_READ | PROT_WRITE))
		abort();
	if (!range->accessible)
		memset(range->at, 0xa5, bytes);
	range->accessible = true;
	return stand_in_leave(0);
}

int cuMemGetHandleForAddressRange(void *handle, uint64_t device, size_t bytes, int type,
				  unsigned long long flags)
{
	int result = stand_in_enter_any("cuMemGetHandleForAddressRange");
	const struct range *range;

	if (result)
		return result;
	range = range_at((void *)(uintptr_t)device, bytes);
	if (!range || !range->mapped || type != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD || flags)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (!stand_in()->dma_buf || !range->mapped->rdma)
		return stand_in_leave(CUDA_ERROR_NOT_SUPPORTED);
	*(int *)handle = dup(range->mapped->file);
	return stand_in_leave(0);
}

int cuFlushGPUDirectRDMAWrites(int target, int scope)
{
	int result = stand_in_enter("cuFlushGPUDirectRDMAWrites");

	if (result)
		return result;
	if (target != CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX ||
	    scope != CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER ||
	    !(stand_in()->flush_options & CU_FLUSH_GPU_DIRECT_RDMA_WRITES_OPTION_HOST))
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	stand_in()->flushes++;
	return stand_in_leave(0);
}
