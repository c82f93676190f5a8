/* SPDX-License-Identifier: BSD-2-Clause */
/* Accelerators by OpenCL.
 *
 * The program follows 64-bit addresses that it finds in the mailbox, so only devices will do that share the
 * host's address space: CPUs' (PoCL), and those with fine-grained system SVM. That is tried out before a
 * device is used (opencl_device.c). Their memory, then, is the host's: what is asked for as the device's is
 * mapped here, and written and read by this process. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "opencl_device.h"
#include "private.h"

#define ENTRY "program_run"

/* Work items of a group, at most. */
#define GROUP_ITEMS 256u
/* A CPU's driver runs the items of a group in turn, which gains nothing; and PoCL 3.1 runs twice what one item
 * alone is to do between two barriers, where a loop comes round between them. */
#define GROUP_ITEMS_CPU 1u

/* A program that has been told to rest, and has nothing to do, ends within this. */
#define FIRST_RUN_TIMEOUT_MS 10000u

struct opencl {
	struct opencl_device device;
	cl_program program;
	cl_kernel kernel;
	size_t group_items;
	cl_event last; /* of the last launch, or NULL */
};

/* ---- finding ---- */

/* Its memory is the host's: so it has some if it can be used at all. */
static void judge_packets(struct pl_accel_info *info)
{
	info->no_packets = info->unusable;
	if (info->unusable)
		info->why_no_packets = info->why;
	else
		accel_packets_of_host_judge(info);
}

static unsigned scan_none(struct pl_accel_info *info, int rc)
{
	info->kind = PL_ACCEL_OPENCL;
	info->index = UINT_MAX;
	info->unusable = rc;
	judge_packets(info);
	return 1;
}

static unsigned scan_devices(struct pl_accel_info *infos, unsigned max)
{
	struct opencl_device_id ids[OPENCL_DEVICES_MAX];
	struct opencl_api cl;
	int n;

	if (!max)
		return 0;
	infos[0] = (struct pl_accel_info){0};
	n = opencl_api_load(&cl, &infos[0].why);
	if (!n)
		n = opencl_devices(&cl, ids, &infos[0].why);
	if (n < 0)
		return scan_none(&infos[0], n);
	if ((unsigned)n > max)
		n = (int)max;
	for (int i = 0; i < n; i++) {
		struct pl_accel_info *info = &infos[i];
		struct opencl_device device;

		*info = (struct pl_accel_info){.index = (unsigned)i};
		info->unusable = opencl_device_open(&device, &cl, &ids[i], info, &info->why);
		if (!info->unusable)
			opencl_device_close(&device);
		judge_packets(info);
	}
	return (unsigned)n;
}

static unsigned scan(struct pl_accel_info *infos, unsigned max)
{
	struct opencl_signals signals;
	unsigned n;

	opencl_signals_keep(&signals);
	n = scan_devices(infos, max);
	opencl_signals_restore(&signals);
	return n;
}

/* ---- memory ---- */

static int alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
		 struct pl_accel_memory *memory, struct pl_error *err)
{
	struct opencl *o = accel->state;
	struct opencl_memory *block = calloc(1, sizeof(*block));
	int rc;

	if (!block)
		return pl_error_set(err, -ENOMEM, NULL, "%s: out of memory", o->device.name);
	rc = opencl_memory_new(&o->device, block, len_bytes, err);
	if (rc) {
		free(block);
		return rc;
	}
	*memory = (struct pl_accel_memory){
		.host = place == PL_ACCEL_SHARED ? block->base : NULL,
		.device = (uintptr_t)block->base,
		.len_bytes = len_bytes,
		.handle = block,
	};
	return 0;
}

static void free_memory(struct pl_accel *accel, struct pl_accel_memory *memory)
{
	struct opencl *o = accel->state;

	opencl_memory_free(&o->device, memory->handle);
	free(memory->handle);
}

static int attach(struct pl_accel *accel, void *base, size_t len_bytes, uint64_t *device,
		  struct pl_error *err)
{
	(void)accel, (void)len_bytes, (void)err;
	*device = (uintptr_t)base;
	return 0;
}

static int write_bytes(struct pl_accel *accel, uint64_t to, const void *bytes, size_t len_bytes,
		       struct pl_error *err)
{
	(void)accel, (void)err;
	memcpy((void *)(uintptr_t)to, bytes, len_bytes);
	return 0;
}

static int read_bytes(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
		      struct pl_error *err)
{
	(void)accel, (void)err;
	memcpy(bytes, (const void *)(uintptr_t)from, len_bytes);
	return 0;
}

static int zero_bytes(struct pl_accel *accel, uint64_t at, size_t len_bytes, struct pl_error *err)
{
	(void)accel, (void)err;
	memset((void *)(uintptr_t)at, 0, len_bytes);
	return 0;
}

/* ---- running ---- */

/* Enqueues launch number `launch`, to the mailbox in `mailbox`. */
static cl_int enqueue(struct opencl *o, const struct opencl_memory *mailbox, uint64_t launch,
		      unsigned workers, cl_event *event)
{
	cl_ulong number = launch;
	cl_int error = opencl_kernel_set_memory(&o->device, o->kernel, mailbox);

	if (!error)
		error = o->device.cl.clSetKernelArg(o->kernel, 1, sizeof(number), &number);
	if (!error)
		error = opencl_start(&o->device, o->kernel, workers, o->group_items, event);
	return error;
}

static int launch(struct pl_accel *accel, uint64_t number, struct pl_error *err)
{
	struct opencl *o = accel->state;
	const struct opencl_memory *mailbox = accel->mailbox_memory.handle;
	cl_event event;
	cl_int error = enqueue(o, mailbox, number, accel->n_workers, &event);

	if (error)
		return opencl_fail(&o->device, error, "start the program", err);
	/* The queue is in order, and hands an error on: the last event tells of all. */
	if (o->last)
		o->device.cl.clReleaseEvent(o->last);
	o->last = event;
	return 0;
}

static int ended(struct pl_accel *accel, struct pl_error *err)
{
	struct opencl *o = accel->state;
	cl_int status = o->last ? opencl_status(&o->device, o->last) : CL_COMPLETE;

	if (status < 0)
		return opencl_fail(&o->device, status, "run the program", err);
	return status == CL_COMPLETE;
}

/* ---- opening and closing ---- */

static unsigned suitable_workers(const struct opencl_device *d,
				 const struct pl_accel_config *config)
{
	cl_device_type type = 0;
	cl_uint units = 1;

	d->cl.clGetDeviceInfo(d->id, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
	/* A CPU's driver may run one group when another has ended, which waits for bursts. */
	if (type & CL_DEVICE_TYPE_CPU)
		return 1;
	d->cl.clGetDeviceInfo(d->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units), &units, NULL);
	return units < config->n_lanes ? units : config->n_lanes;
}

static size_t suitable_items(const struct opencl *o)
{
	const struct opencl_device *d = &o->device;
	cl_device_type type = 0;
	size_t max = 1;

	d->cl.clGetDeviceInfo(d->id, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
	if (type & CL_DEVICE_TYPE_CPU)
		return GROUP_ITEMS_CPU;
	d->cl.clGetKernelWorkGroupInfo(o->kernel, d->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof(max),
				       &max, NULL);
	return max < GROUP_ITEMS ? max : GROUP_ITEMS;
}

/* All that a program looks at when it is told to rest and has nothing to do. */
struct first_run {
	struct mailbox mailbox;
	struct mailbox_worker worker;
	struct mailbox_slot slots[MAILBOX_SLOTS];
	uint8_t context[4096];
};

/* Runs the program once, with nothing to do. Drivers compile a part of it only then, for which they want
 * files and system calls that a process may have given up when it starts it later. */
static int run_first(struct opencl *o, struct pl_error *err)
{
	struct opencl_memory memory;
	struct first_run *run;
	cl_event event;
	cl_int error;
	int rc = opencl_memory_new(&o->device, &memory, sizeof(*run), err);

	if (rc)
		return rc;
	run = memory.base;
	run->worker.next[0] = 1;
	run->mailbox.n_lanes = run->mailbox.n_workers = 1;
	accel_tell_rest(&run->mailbox, 1, UINT64_MAX);
	run->mailbox.workers = (uintptr_t)&run->worker;
	run->mailbox.lanes[0].slots = (uintptr_t)run->slots;
	run->mailbox.context = (uintptr_t)&run->context;
	error = enqueue(o, &memory, 1, 1, &event);
	if (!error) {
		error = opencl_wait(&o->device, event, FIRST_RUN_TIMEOUT_MS);
		o->device.cl.clReleaseEvent(event);
	}
	if (o->device.hung)
		return pl_error_set(err, -EIO, NULL,
				    "%s: the program does not end when it is told to",
				    o->device.name);
	opencl_memory_free(&o->device, &memory);
	return error < 0 ? opencl_fail(&o->device, error, "run the program", err) : 0;
}

static int load_program(struct opencl *o, const char *source, struct pl_error *err)
{
	struct opencl_device *d = &o->device;
	cl_bool all = CL_TRUE;
	cl_int error;
	int rc = opencl_program_build(d, source, &o->program, err);

	if (rc)
		return rc;
	o->kernel = d->cl.clCreateKernel(o->program, ENTRY, &error);
	if (error) {
		o->kernel = NULL;
		return opencl_fail(d, error, "find " ENTRY " in the program", err);
	}
	if (d->svm)
		error = d->cl.clSetKernelExecInfo(
			o->kernel, CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM, sizeof(all), &all);
	if (error)
		return opencl_fail(d, error, "let the program see the host's memory", err);
	o->group_items = suitable_items(o);
	return run_first(o, err);
}

static void close_device(struct pl_accel *accel)
{
	struct opencl *o = accel->state;
	const struct opencl_api *cl = &o->device.cl;

	if (o->device.hung) /* all of it stays */
		return;
	if (o->last)
		cl->clReleaseEvent(o->last);
	if (o->kernel)
		cl->clReleaseKernel(o->kernel);
	if (o->program)
		cl->clReleaseProgram(o->program);
	opencl_device_close(&o->device);
	free(o);
}

static int find(const struct opencl_api *cl, unsigned index, struct opencl_device_id *id,
		struct pl_error *err)
{
	struct opencl_device_id ids[OPENCL_DEVICES_MAX];
	int n = opencl_devices(cl, ids, err);

	if (n < 0)
		return n;
	if (index >= (unsigned)n)
		return pl_error_set(err, -ENODEV, "see: peerlane devices",
				    "OpenCL: no device %u, there are %d", index, n);
	*id = ids[index];
	return 0;
}

static int open_quietly(struct pl_accel *accel, const struct pl_accel_config *config,
			struct pl_error *err)
{
	struct opencl_device_id id;
	struct opencl_api cl;
	struct opencl *o;
	int rc;

	rc = opencl_api_load(&cl, err);
	if (!rc)
		rc = find(&cl, config->index, &id, err);
	if (rc)
		return rc;
	if (!config->program.opencl)
		return pl_error_set(err, -ENOTSUP, NULL, "OpenCL: the program is not made for it");
	o = calloc(1, sizeof(*o));
	if (!o)
		return pl_error_set(err, -ENOMEM, NULL, "OpenCL: out of memory");
	accel->info.index = config->index;
	rc = opencl_device_open(&o->device, &cl, &id, &accel->info, err);
	if (rc) {
		free(o);
		return rc;
	}
	accel->state = o;
	judge_packets(&accel->info);
	if (config->launch == PL_ACCEL_PERSISTENT && accel->info.no_persistent) {
		rc = accel->info.no_persistent;
		if (err)
			*err = accel->info.why;
	} else {
		rc = load_program(o, config->program.opencl, err);
	}
	if (!rc)
		rc = accel_fit_workers(accel, config, suitable_workers(&o->device, config), err);
	if (rc) {
		close_device(accel);
		accel->state = NULL;
		return rc;
	}
	return 0;
}

static int open_device(struct pl_accel *accel, const struct pl_accel_config *config,
		       struct pl_error *err)
{
	struct opencl_signals signals;
	int rc;

	opencl_signals_keep(&signals);
	rc = open_quietly(accel, config, err);
	opencl_signals_restore(&signals);
	return rc;
}

/* ---- packets ---- */

static int find_any(unsigned index, struct pl_error *err)
{
	struct opencl_device_id id;
	struct opencl_api cl;
	int rc = opencl_api_load(&cl, err);

	return rc ? rc : find(&cl, index, &id, err);
}

/* Whether the device shares the host's addresses is seen when it is opened: it cannot be without. */
static int packets_new(struct pl_accel_packets *packets, unsigned index, size_t len_bytes,
		       struct pl_error *err)
{
	struct opencl_signals signals;
	int rc;

	opencl_signals_keep(&signals);
	rc = find_any(index, err);
	opencl_signals_restore(&signals);
	return rc ? rc : accel_packets_of_host(packets, "OpenCL", len_bytes, err);
}

const struct accel_ops accel_opencl = {
	.kind = PL_ACCEL_OPENCL,
	.scan = scan,
	.open = open_device,
	.close = close_device,
	.alloc = alloc,
	.free = free_memory,
	.attach = attach,
	.write = write_bytes,
	.read = read_bytes,
	.zero = zero_bytes,
	.launch = launch,
	.ended = ended,
	.packets_new = packets_new,
	.packets_free = accel_packets_of_host_free,
};
