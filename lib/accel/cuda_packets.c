/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of NVIDIA's GPUs for packets, by the driver's virtual memory management: addresses, physical memory and the
 * mapping of one to the other are had apart, none is of a context, and so none goes with a context that has
 * failed. For NICs it is exported as a dma-buf.
 *
 * What a NIC has written is seen by the program because:
 *
 *	the NIC writes the packet, then the descriptor that says so; PCIe takes both in that order as far as their
 *	ways are one, and behind that lets neither the descriptor, the plane's store of `posted`, nor the answer to
 *	the GPU's look at it, which goes down to the GPU the way that the packet went, overtake it there;
 *	the GPU then has the packet before it has the answer, and CU_GPU_DIRECT_RDMA_WRITES_ORDERING_OWNER says
 *	that what it has it sees; where the driver does not say so, cuFlushGPUDirectRDMAWrites() between the
 *	descriptor and `posted` waits for it;
 *	the look, an acquire (PL_AWAIT64), empties the multiprocessor's own cache. */
#include "cuda_packets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cuda_packets {
	struct cuda_api api;
	int device;
	struct cuda_copier *copier; /* NULL: no emulated NIC has asked for it */
	char no_dmabuf[160];
};

/* ---- what a device can do ---- */

/* NVIDIA's kernel module, when it is loaded, tells which of the two it is. */
static bool kernel_module_is_open(void)
{
	FILE *file = fopen("/proc/driver/nvidia/version", "re");
	char line[160] = "";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return strstr(line, "Open Kernel Module");
}

/* Whether NICs' writes are seen by the device without more. */
static bool ordered(const struct cuda_api *api, int device)
{
	return cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING) >=
	       CU_GPU_DIRECT_RDMA_WRITES_ORDERING_OWNER;
}

/* Whether the driver can be told to wait for them. */
static bool can_flush(const struct cuda_api *api, int device)
{
	int options = cuda_attribute(api, device,
				     CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS);

	return api->flush_rdma && (options & CU_FLUSH_GPU_DIRECT_RDMA_WRITES_OPTION_HOST);
}

bool cuda_packets_flush(const struct cuda_api *api, int device)
{
	return !ordered(api, device) && can_flush(api, device);
}

static bool can_rdma(const struct cuda_api *api, int device)
{
	return cuda_attribute(api, device,
			      CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED);
}

/* Which link of the chain from a NIC to the device's memory is missing, and what would help (NULL: nothing that is
 * known); NULL: none is, as far as the driver knows. */
static const char *unreached(const struct cuda_api *api, int device, const char **remedy)
{
	*remedy = NULL;
	if (!api->range_handle) {
		*remedy = "install NVIDIA's driver 515.43 (CUDA 11.7) or newer";
		return "the driver is too old: it has no cuMemGetHandleForAddressRange";
	}
	if (!cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED)) {
		bool open = kernel_module_is_open();

		*remedy = open ? "run Linux 5.12 or newer" : "install nvidia-open";
		return open ? "the driver has no dma-buf of it"
			    : "NVIDIA's kernel module is not the open one";
	}
	if (!can_rdma(api, device)) {
		*remedy = "use one that has, as those for data centres and workstations";
		return "the GPU has no GPUDirect RDMA";
	}
	if (!ordered(api, device) && !can_flush(api, device))
		return "the driver does not say when the GPU sees what a NIC has written "
		       "(GPU_DIRECT_RDMA_WRITES_ORDERING)";
	return NULL;
}

static const char *lacks(const struct cuda_api *api)
{
	if (!api->granularity || !api->address_reserve || !api->address_free ||
	    !api->physical_create || !api->physical_release || !api->map || !api->unmap ||
	    !api->set_access)
		return "has no cuMemCreate, cuMemMap and their like";
	return NULL;
}

void cuda_packets_judge(const struct cuda_api *api, int device, struct pl_accel_info *info)
{
	if (info->unusable) {
		info->no_packets = info->unusable;
		info->why_no_packets = info->why;
		return;
	}
	if (lacks(api))
		info->no_packets = pl_error_set(
			&info->why_no_packets, -ENOTSUP,
			"install a newer NVIDIA driver, or use Mode=nic-cpu-gpu",
			"CUDA: %s has no memory for packets: the driver's libcuda.so.1 %s",
			info->name, lacks(api));
	else if (!cuda_attribute(api, device,
				 CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED))
		info->no_packets = pl_error_set(
			&info->why_no_packets, -ENOTSUP, "use Mode=nic-cpu-gpu",
			"CUDA: %s has no memory for packets: no virtual memory management",
			info->name);
	else
		info->no_dmabuf = unreached(api, device, &info->dmabuf_remedy);
}

/* ---- making it ---- */

/* Has physical memory behind remote->device, all of it, and the device use it. Returns a result. */
static int map(const struct cuda_api *api, const struct cuda_allocation *allocation,
	       const struct pl_remote *remote)
{
	struct cuda_access access = {allocation->location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	unsigned long long physical;
	int result = api->physical_create(&physical, remote->len_bytes, allocation, 0);

	if (result)
		return result;
	result = api->map(remote->device, remote->len_bytes, 0, physical, 0);
	/* It stays as long as it is mapped. */
	api->physical_release(physical);
	if (result)
		return result;
	result = api->set_access(remote->device, remote->len_bytes, &access, 1);
	if (result)
		api->unmap(remote->device, remote->len_bytes);
	return result;
}

static void export(struct cuda_packets *p, int device, struct pl_remote *remote)
{
	const struct cuda_api *api = &p->api;
	const char *why = unreached(api, device, &remote->dmabuf_remedy), *name;
	int result;

	remote->dmabuf_fd = -1;
	if (why) {
		snprintf(p->no_dmabuf, sizeof(p->no_dmabuf), "%s", why);
		return;
	}
	result = api->range_handle(&remote->dmabuf_fd, remote->device, remote->len_bytes,
				   CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD, 0);
	if (!result)
		return;
	remote->dmabuf_fd = -1;
	if (api->error_name(result, &name) || !name)
		name = "an error without a name";
	snprintf(p->no_dmabuf, sizeof(p->no_dmabuf), "the driver makes no dma-buf of it: %s (%d)",
		 name, result);
}

/* As much as wanted and a multiple of what the device gives; addresses alone at first. Returns a result. */
static int reserve(const struct cuda_api *api, const struct cuda_allocation *allocation,
		   size_t len_bytes, struct pl_remote *remote)
{
	size_t grain = 0;
	int result = api->granularity(&grain, allocation, CU_MEM_ALLOC_GRANULARITY_MINIMUM);

	if (result)
		return result;
	/* Both are powers of two. */
	remote->page_bytes = grain;
	remote->len_bytes = (len_bytes + grain - 1) / grain * grain;
	return api->address_reserve(&remote->device, remote->len_bytes, 0, 0, 0);
}

static int make(struct cuda_packets *p, int device, struct pl_remote *remote, size_t len_bytes,
		const char *name, struct pl_error *err)
{
	const struct cuda_api *api = &p->api;
	struct cuda_allocation allocation = {
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.location = {CU_MEM_LOCATION_TYPE_DEVICE, device},
		.rdma = can_rdma(api, device),
	};
	int result = reserve(api, &allocation, len_bytes, remote);

	if (result)
		return cuda_fail(api, err, result,
				 "CUDA: cannot reserve addresses of %s for packets: %zu MiB", name,
				 len_bytes >> 20);
	result = map(api, &allocation, remote);
	if (result) {
		api->address_free(remote->device, remote->len_bytes);
		return cuda_fail(api, err, result,
				 "CUDA: cannot have %zu MiB of the memory of %s for packets",
				 remote->len_bytes >> 20, name);
	}
	export(p, device, remote);
	return 0;
}

/* ---- emulated NICs ---- */

static struct cuda_packets *packets_of(const struct pl_remote *remote)
{
	return ((const struct pl_accel_packets *)remote)->handle;
}

static uint8_t *staging(const struct pl_remote *remote, struct pl_error *err)
{
	struct cuda_packets *p = packets_of(remote);

	if (!p->copier && cuda_copier_new(&p->copier, &p->api, p->device, remote, err))
		return NULL;
	return cuda_copier_staging(p->copier);
}

static int copy(const struct pl_remote *remote, const struct pl_remote_copy *copies, unsigned n)
{
	return cuda_copier_copy(packets_of(remote)->copier, copies, n);
}

struct cuda_copier *cuda_packets_copier(const struct pl_remote *remote)
{
	return remote->copy == copy ? packets_of(remote)->copier : NULL;
}

void cuda_packets_moved(const struct pl_accel_packets *packets, struct pl_accel_moved *moved)
{
	const struct cuda_packets *p = packets->handle;

	if (p->copier)
		cuda_copier_moved(p->copier, moved);
}

int cuda_packets_new(struct pl_accel_packets *packets, unsigned index, size_t len_bytes,
		     struct pl_error *err)
{
	struct cuda_packets *p = calloc(1, sizeof(*p));
	struct pl_accel_info info;
	int device, rc;

	if (!p)
		return pl_error_set(err, -ENOMEM, NULL, "CUDA: out of memory");
	rc = cuda_api_load(&p->api, err);
	if (!rc) {
		cuda_examine(&p->api, index, &device, &info);
		rc = info.no_packets;
		if (rc && err)
			*err = info.why_no_packets;
	}
	if (!rc) {
		p->device = device;
		rc = make(p, device, &packets->remote, len_bytes, info.name, err);
	}
	if (rc) {
		free(p);
		return rc;
	}
	packets->remote.no_dmabuf = packets->remote.dmabuf_fd < 0 ? p->no_dmabuf : NULL;
	packets->remote.staging = staging;
	packets->remote.copy = copy;
	packets->handle = p;
	return 0;
}

/* If the device has failed for good nothing of this works, and the memory goes with the process. */
void cuda_packets_free(struct pl_accel_packets *packets)
{
	struct cuda_packets *p = packets->handle;
	const struct pl_remote *remote = &packets->remote;

	cuda_copier_free(p->copier);
	if (remote->dmabuf_fd >= 0)
		close(remote->dmabuf_fd);
	if (p->api.unmap(remote->device, remote->len_bytes) == 0)
		p->api.address_free(remote->device, remote->len_bytes);
	free(p);
}
