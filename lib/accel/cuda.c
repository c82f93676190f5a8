/* SPDX-License-Identifier: BSD-2-Clause */
/* Accelerators of NVIDIA, by the CUDA driver.
 *
 * The program is a grid of blocks in a stream of its own. It may run for hours, and a good part of the
 * driver's calls wait, or may, until nothing runs on the device (CUDA programming guide, "implicit
 * synchronization"; forums of NVIDIA's for what it leaves out):
 *
 *	allocating, freeing, registering, unregistering	  all that changes the GPU's page tables
 *	loading and unloading modules, resetting a context
 *	anything in the default stream
 *	setting memory (cuMemset...), and copying from the device to itself: kernels of the driver's, which
 *		are loaded when first used, and need a multiprocessor with room beside ours
 *	copying from or to memory that is not locked: through buffers that the driver waits for
 *
 * None of this is done while the program runs, memory is not set at all, and what is written, read or
 * zeroed meanwhile goes through a locked buffer of ours, in a second stream, by the GPU's copy engine.
 * That the two streams do not get into each other's way rests on their being non-blocking, and on
 * CUDA_DEVICE_MAX_CONNECTIONS (queues to the device, by default 8) not being set to 1.
 *
 * A fault of the program breaks the context: every call fails from then on, and the memory is lost. Then
 * the context is reset, and a new one may be made. NVIDIA's documentation has it that only a new process
 * helps; if so, opening fails again, and says so. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_packets.h"
#include "private.h"

/* Work items of a worker. A burst of 256 is done at one go; and 256 times the 255 registers that a thread
 * can have at most are what every multiprocessor has, so a launch cannot fail for want of them. */
#define BLOCK 256u

/* Of the locked buffer. Large enough for the PCI bus to be what limits. */
#define STAGING_BYTES ((size_t)1 << 20)

struct cuda {
	struct cuda_api api;
	int device;
	struct CUctx_st *context; /* NULL: not retained */
	struct CUmod_st *module;
	struct CUfunc_st *function;
	struct CUstream_st *running, *copying;
	void *staging; /* for copies */
	void *attached[MAILBOX_LANES_MAX];
	unsigned n_attached;
	struct cuda_copier *copiers[MAILBOX_LANES_MAX]; /* of lanes' packets */
	unsigned n_copiers;
};

/* ---- which devices there are ---- */

/* The version of NVIDIA's kernel module; "" if it cannot be told. */
static void kernel_driver(char *text, size_t size)
{
	FILE *file = fopen("/sys/module/nvidia/version", "re");

	text[0] = '\0';
	if (!file)
		return;
	if (fgets(text, (int)size, file))
		text[strcspn(text, "\n")] = '\0';
	fclose(file);
}

/* Whether device `ordinal` can be used at all: fills in info->unusable and info->why. */
static void judge(const struct cuda_api *api, int device, struct pl_accel_info *info)
{
	int capability =
		10 * cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
		cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
	const char *lacks = NULL;

	if (capability < CUDA_CAPABILITY_MIN) {
		info->unusable = pl_error_set(
			&info->why, -ENOTSUP, "use a GPU of Turing (2018) or later",
			"CUDA: %s has compute capability %d.%d, which is less than 7.5", info->name,
			capability / 10, capability % 10);
		return;
	}
	if (cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE) ==
	    CU_COMPUTEMODE_PROHIBITED) {
		info->unusable = pl_error_set(&info->why, -ENOTSUP, "nvidia-smi -c DEFAULT",
					      "CUDA: %s is in a mode that prohibits computing",
					      info->name);
		return;
	}
	if (!cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY))
		lacks = "read the host's memory";
	else if (!cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING))
		lacks = "have one address space with the host";
	else if (!cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED))
		lacks = "have packet buffers registered";
	if (lacks)
		info->unusable = pl_error_set(&info->why, -ENOTSUP, NULL, "CUDA: %s cannot %s",
					      info->name, lacks);
}

/* Whether a program may stay on it. */
static void judge_persistent(const struct cuda_api *api, int device, struct pl_accel_info *info)
{
	const char *blocking = getenv("CUDA_LAUNCH_BLOCKING");
	const char *queues = getenv("CUDA_DEVICE_MAX_CONNECTIONS");

	if (cuda_attribute(api, device, CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT))
		info->no_persistent = pl_error_set(
			&info->why, -ENOTSUP, "use Launch=burst, or take the display off the GPU",
			"CUDA: %s drives a display, so programs may run for some seconds only",
			info->name);
	else if (blocking && strcmp(blocking, "0") != 0)
		info->no_persistent =
			pl_error_set(&info->why, -ENOTSUP, "unset CUDA_LAUNCH_BLOCKING",
				     "CUDA: CUDA_LAUNCH_BLOCKING has launches wait for their end");
	else if (queues && strcmp(queues, "1") == 0)
		info->no_persistent = pl_error_set(
			&info->why, -ENOTSUP, "unset CUDA_DEVICE_MAX_CONNECTIONS",
			"CUDA: CUDA_DEVICE_MAX_CONNECTIONS has copies wait for programs");
}

int cuda_examine(const struct cuda_api *api, unsigned index, int *device,
		 struct pl_accel_info *info)
{
	char module[40];
	size_t bytes = 0;
	int result;

	memset(info, 0, sizeof(*info));
	info->kind = PL_ACCEL_CUDA;
	info->index = index;
	result = api->device_get(device, (int)index);
	if (!result)
		result = api->device_name(info->name, sizeof(info->name), *device);
	if (!result)
		result = api->device_memory(&bytes, *device);
	if (result) {
		info->unusable = cuda_fail(api, &info->why, result, "CUDA: no device %u", index);
		info->no_packets = info->unusable;
		info->why_no_packets = info->why;
		return info->unusable;
	}
	info->memory_bytes = bytes;
	kernel_driver(module, sizeof(module));
	snprintf(info->driver, sizeof(info->driver), "%s%sCUDA %d.%d, compute capability %d.%d",
		 module, module[0] ? ", " : "", api->version / 1000, api->version % 1000 / 10,
		 cuda_attribute(api, *device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
		 cuda_attribute(api, *device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
	judge(api, *device, info);
	cuda_packets_judge(api, *device, info);
	if (!info->unusable)
		judge_persistent(api, *device, info);
	return info->unusable;
}

static unsigned cuda_scan(struct pl_accel_info *infos, unsigned max)
{
	struct pl_accel_info none = {.kind = PL_ACCEL_CUDA, .index = UINT_MAX};
	struct cuda_api api;
	int count = 0, device, result;

	if (!max)
		return 0;
	none.unusable = cuda_api_load(&api, &none.why);
	if (!none.unusable) {
		result = api.device_count(&count);
		if (!result && !count)
			result = CUDA_ERROR_NO_DEVICE;
		if (result)
			none.unusable = cuda_fail(&api, &none.why, result, "CUDA: no devices");
	}
	if (none.unusable) {
		none.no_packets = none.unusable;
		none.why_no_packets = none.why;
		infos[0] = none;
		return 1;
	}
	if ((unsigned)count > max)
		count = (int)max;
	for (int i = 0; i < count; i++)
		cuda_examine(&api, (unsigned)i, &device, &infos[i]);
	return (unsigned)count;
}

/* ---- memory ---- */

/* Makes the context that of the calling thread, as every call of the driver wants. Threads come and go, and
 * it is a matter of nanoseconds: so it is done each time. */
static int enter(const struct cuda *cuda, struct pl_error *err, const char *doing)
{
	int result = cuda->api.context_set(cuda->context);

	return result ? cuda_fail(&cuda->api, err, result, "CUDA: cannot %s", doing) : 0;
}

/* Refuses what would wait for a program that runs, maybe for ever. */
static int enter_at_rest(const struct cuda *cuda, struct pl_error *err, const char *doing)
{
	int rc = enter(cuda, err, doing);

	if (!rc && cuda->running && cuda->api.stream_query(cuda->running) == CUDA_ERROR_NOT_READY)
		return pl_error_set(err, -EIO, NULL, "CUDA: cannot %s while the program runs",
				    doing);
	return rc;
}

/* Copies through the locked buffer: `to_device` there, or else back; `host` NULL: zeros. */
static int copy(struct cuda *cuda, bool to_device, uint64_t device, void *host, size_t len_bytes,
		struct pl_error *err)
{
	const struct cuda_api *api = &cuda->api;
	int rc = enter(cuda, err, "copy"), result = 0;
	size_t part;

	if (rc)
		return rc;
	if (!host)
		memset(cuda->staging, 0, len_bytes < STAGING_BYTES ? len_bytes : STAGING_BYTES);
	for (size_t at = 0; at < len_bytes && !result; at += part) {
		part = len_bytes - at < STAGING_BYTES ? len_bytes - at : STAGING_BYTES;
		if (to_device && host)
			memcpy(cuda->staging, (char *)host + at, part);
		result = to_device
				 ? api->copy_to(device + at, cuda->staging, part, cuda->copying)
				 : api->copy_from(cuda->staging, device + at, part, cuda->copying);
		if (!result)
			result = api->stream_wait(cuda->copying);
		if (!result && !to_device)
			memcpy((char *)host + at, cuda->staging, part);
	}
	return result ? cuda_fail(api, err, result, "CUDA: cannot copy %zu bytes %s the device",
				  len_bytes, to_device ? "to" : "from")
		      : 0;
}

static int cuda_write(struct pl_accel *accel, uint64_t to, const void *bytes, size_t len_bytes,
		      struct pl_error *err)
{
	return copy(accel->state, true, to, (void *)bytes, len_bytes, err);
}

static int cuda_read(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
		     struct pl_error *err)
{
	return copy(accel->state, false, from, bytes, len_bytes, err);
}

static int cuda_zero(struct pl_accel *accel, uint64_t at, size_t len_bytes, struct pl_error *err)
{
	return copy(accel->state, true, at, NULL, len_bytes, err);
}

/* Memory of the host's that the device sees, page-aligned and zeroed. Returns a result. */
static int alloc_shared(struct cuda *cuda, size_t len_bytes, void **host, uint64_t *device)
{
	const struct cuda_api *api = &cuda->api;
	int result = api->host_alloc(host, len_bytes, CU_MEMHOST_PORTABLE | CU_MEMHOST_DEVICEMAP);

	if (result)
		return result;
	result = api->host_to_device(device, *host, 0);
	if (result)
		api->host_free(*host);
	else
		memset(*host, 0, len_bytes);
	return result;
}

static void cuda_free(struct pl_accel *accel, struct pl_accel_memory *memory)
{
	struct cuda *cuda = accel->state;

	/* If the context has failed this does nothing, and the memory goes with the context. */
	cuda->api.context_set(cuda->context);
	if (memory->host)
		cuda->api.host_free(memory->host);
	else
		cuda->api.memory_free(memory->device);
}

static int cuda_alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
		      struct pl_accel_memory *memory, struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	int rc = enter_at_rest(cuda, err, "allocate memory"), result;

	if (rc)
		return rc;
	*memory = (struct pl_accel_memory){.len_bytes = len_bytes};
	if (place == PL_ACCEL_DEVICE)
		result = cuda->api.memory_alloc(&memory->device, len_bytes);
	else
		result = alloc_shared(cuda, len_bytes, &memory->host, &memory->device);
	if (result)
		return cuda_fail(&cuda->api, err, result, "CUDA: cannot allocate %zu KiB of %s",
				 len_bytes >> 10,
				 place == PL_ACCEL_DEVICE ? "the device's memory"
							  : "memory shared with the device");
	if (place == PL_ACCEL_DEVICE)
		rc = cuda_zero(accel, memory->device, len_bytes, err);
	if (rc)
		cuda_free(accel, memory);
	return rc;
}

static int cuda_attach(struct pl_accel *accel, void *base, size_t len_bytes, uint64_t *device,
		       struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	int rc = enter_at_rest(cuda, err, "attach packet buffers"), result;

	if (rc)
		return rc;
	result = cuda->api.host_register(base, len_bytes,
					 CU_MEMHOST_PORTABLE | CU_MEMHOST_DEVICEMAP);
	if (!result) {
		cuda->attached[cuda->n_attached++] = base; /* of one lane each */
		result = cuda->api.host_to_device(device, base, 0);
	}
	return result ? cuda_fail(&cuda->api, err, result,
				  "CUDA: cannot lock %zu KiB of packet buffers in memory",
				  len_bytes >> 10)
		      : 0;
}

static int cuda_use_packets(struct pl_accel *accel, const struct pl_remote *remote,
			    struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	struct cuda_copier *copier = cuda_packets_copier(remote);
	int rc = copier ? enter_at_rest(cuda, err, "attach packets") : 0;

	if (rc || !copier)
		return rc;
	cuda->copiers[cuda->n_copiers++] = copier; /* of one lane each */
	return cuda_copier_find(copier, err);
}

/* ---- opening and closing ---- */

static void close_context(struct cuda *cuda)
{
	const struct cuda_api *api = &cuda->api;
	bool failed = api->context_set(cuda->context) ||
		      (cuda->running && api->stream_query(cuda->running));

	/* All that is the context's goes with it, and the device writes nowhere any more. */
	if (failed) {
		for (unsigned i = 0; i < cuda->n_copiers; i++)
			cuda_copier_lose(cuda->copiers[i]);
		api->context_reset(cuda->device);
	}
	for (unsigned i = 0; i < cuda->n_attached; i++)
		api->host_unregister(cuda->attached[i]); /* should it outlive a reset */
	if (!failed && cuda->staging)
		api->host_free(cuda->staging);
	if (!failed && cuda->running)
		api->stream_destroy(cuda->running);
	if (!failed && cuda->copying)
		api->stream_destroy(cuda->copying);
	if (!failed && cuda->module)
		api->module_unload(cuda->module);
	api->context_set(NULL);
	api->context_release(cuda->device);
}

static void cuda_close(struct pl_accel *accel)
{
	struct cuda *cuda = accel->state;

	if (cuda->context)
		close_context(cuda);
	free(cuda);
	accel->state = NULL;
}

/* Has the driver compile the program for the device. */
static int load_program(struct cuda *cuda, const char *ptx, struct pl_error *err)
{
	char log[2048] = "";
	int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {log, (void *)sizeof(log)};
	int result;

	result = cuda->api.module_load(&cuda->module, ptx, 2, options, values);
	if (result) {
		log[strcspn(log, "\n")] = '\0';
		return cuda_fail(&cuda->api, err, result, "CUDA: cannot load the program%s%.100s",
				 log[0] ? ": " : "", log);
	}
	/* Now and not with the first launch: it may have to load code, and wait for the device. */
	result = cuda->api.module_function(&cuda->function, cuda->module, "program_run");
	if (result)
		return cuda_fail(&cuda->api, err, result, "CUDA: the program has no program_run");
	return 0;
}

/* How many workers: by default as many as can be on the device at once, and no more than a lane has slots
 * (accel_fit_workers()), so that each burst under way has a worker of its own. More than can be there at once
 * would, if the program stays, wait for ever.
 *
 * What a worker does with a burst is mostly to wait: for four round trips over the PCI bus (`posted`, the slot, headers,
 * and the stores being seen before `done`), and for four or five accesses to the device's memory, each of which depends on
 * the one before. An H100 did 118 million packets a second in bursts of 256 by the eight workers of one lane, and 164
 * million in bursts of 1024 (docs/measurements): more workers would want more slots. */
static int choose_workers(struct pl_accel *accel, const struct pl_accel_config *config,
			  struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	unsigned resident;
	int each = 0, result, rc;

	result = cuda->api.occupancy(&each, cuda->function, (int)BLOCK, 0);
	if (result)
		return cuda_fail(&cuda->api, err, result,
				 "CUDA: cannot find out how many workers have room");
	resident =
		(unsigned)each * (unsigned)cuda_attribute(&cuda->api, cuda->device,
							  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
	if (!resident)
		return pl_error_set(err, -ENOTSUP, NULL, "CUDA: %s has no room for one worker",
				    accel->info.name);
	rc = accel_fit_workers(accel, config, resident, err);
	if (rc)
		return rc;
	if (config->launch == PL_ACCEL_PERSISTENT && accel->n_workers > resident)
		return pl_error_set(err, -EINVAL, "use fewer, or Launch=burst",
				    "CUDA: %s has room for %u workers at once, not %u",
				    accel->info.name, resident, accel->n_workers);
	return 0;
}

static int open_device(struct pl_accel *accel, const struct pl_accel_config *config,
		       struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	const struct cuda_api *api = &cuda->api;
	uint64_t ignored;
	int rc, result;

	rc = cuda_api_load(&cuda->api, err);
	if (rc)
		return rc;
	rc = cuda_examine(api, config->index, &cuda->device, &accel->info);
	if (!rc && config->launch == PL_ACCEL_PERSISTENT)
		rc = accel->info.no_persistent;
	if (rc) {
		if (err)
			*err = accel->info.why;
		return rc;
	}
	accel->flushes = cuda_packets_flush(api, cuda->device);
	result = api->context_retain(&cuda->context, cuda->device);
	if (result) {
		cuda->context = NULL;
		return cuda_fail(api, err, result, "CUDA: cannot open %s", accel->info.name);
	}
	rc = enter(cuda, err, "use the device");
	if (!rc)
		rc = load_program(cuda, config->program.ptx, err);
	if (!rc)
		rc = choose_workers(accel, config, err);
	if (rc)
		return rc;
	result = api->stream_create(&cuda->running, CU_STREAM_NON_BLOCKING);
	if (!result)
		result = api->stream_create(&cuda->copying, CU_STREAM_NON_BLOCKING);
	if (!result)
		result = alloc_shared(cuda, STAGING_BYTES, &cuda->staging, &ignored);
	return result ? cuda_fail(api, err, result, "CUDA: cannot set up %s", accel->info.name) : 0;
}

static int cuda_open(struct pl_accel *accel, const struct pl_accel_config *config,
		     struct pl_error *err)
{
	int rc;

	if (!config->program.ptx)
		return pl_error_set(err, -ENOTSUP, "use Accelerator=opencl",
				    "CUDA: the program has no form for it");
	accel->state = calloc(1, sizeof(struct cuda));
	if (!accel->state)
		return pl_error_set(err, -ENOMEM, NULL, "CUDA: out of memory");
	rc = open_device(accel, config, err);
	if (rc)
		cuda_close(accel);
	return rc;
}

/* ---- running ---- */

static int cuda_launch(struct pl_accel *accel, uint64_t launch, struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	void *parameters[] = {&accel->mailbox_memory.device, &launch}; /* copied by the call */
	int rc = enter(cuda, err, "start the program"), result;

	if (rc)
		return rc;
	/* In its stream's order: behind what was launched before. The driver makes what the host has
	 * stored visible to what is launched after it. */
	result = cuda->api.launch(cuda->function, accel->n_workers, 1, 1, BLOCK, 1, 1, 0,
				  cuda->running, parameters, NULL);
	return result ? cuda_fail(&cuda->api, err, result, "CUDA: cannot start the program") : 0;
}

static int cuda_ended(struct pl_accel *accel, struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	int rc = enter(cuda, err, "ask for the program"), result;

	if (rc)
		return rc;
	result = cuda->api.stream_query(cuda->running);
	if (result == CUDA_SUCCESS)
		return 1;
	if (result == CUDA_ERROR_NOT_READY)
		return 0;
	return cuda_fail(&cuda->api, err, result, "CUDA: the program has failed");
}

static int cuda_flush(struct pl_accel *accel, struct pl_error *err)
{
	struct cuda *cuda = accel->state;
	int rc = enter(cuda, err, "wait for what NICs have written"), result;

	if (rc)
		return rc;
	result = cuda->api.flush_rdma(CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX,
				      CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER);
	return result ? cuda_fail(&cuda->api, err, result,
				  "CUDA: cannot wait for what NICs have written")
		      : 0;
}

const struct accel_ops accel_cuda = {
	.kind = PL_ACCEL_CUDA,
	.scan = cuda_scan,
	.open = cuda_open,
	.close = cuda_close,
	.alloc = cuda_alloc,
	.free = cuda_free,
	.attach = cuda_attach,
	.write = cuda_write,
	.read = cuda_read,
	.zero = cuda_zero,
	.launch = cuda_launch,
	.ended = cuda_ended,
	.flush = cuda_flush,
	.packets_new = cuda_packets_new,
	.packets_free = cuda_packets_free,
	.packets_moved = cuda_packets_moved,
	.use_packets = cuda_use_packets,
};
