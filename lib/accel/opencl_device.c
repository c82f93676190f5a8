/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "opencl_device.h"

/* CL/cl_ext.h, cl_khr_icd: what the loader says where it finds no driver. */
#define NO_PLATFORM (-1001)

int opencl_fail(const struct opencl_device *d, cl_int error, const char *action,
		struct pl_error *err)
{
	return pl_error_set(err, opencl_errno(error), NULL, "%s: cannot %s: %s (%d)", d->name,
			    action, opencl_error_name(error), error);
}

/* ---- finding them ---- */

static unsigned devices_of(const struct opencl_api *cl, cl_platform_id platform,
			   struct opencl_device_id *ids, unsigned max)
{
	cl_device_id devices[OPENCL_DEVICES_MAX];
	cl_uint n = 0;

	if (cl->clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, max, devices, &n) != CL_SUCCESS)
		return 0;
	if (n > max)
		n = max;
	for (unsigned i = 0; i < n; i++)
		ids[i] = (struct opencl_device_id){platform, devices[i]};
	return n;
}

int opencl_devices(const struct opencl_api *cl, struct opencl_device_id *ids, struct pl_error *err)
{
	cl_platform_id platforms[OPENCL_DEVICES_MAX];
	cl_uint n_platforms = 0;
	unsigned n = 0;
	cl_int error = cl->clGetPlatformIDs(OPENCL_DEVICES_MAX, platforms, &n_platforms);

	if (error == NO_PLATFORM || (!error && !n_platforms))
		return pl_error_set(err, -ENODEV,
				    "install the OpenCL driver of the device; for the CPU: apt "
				    "install pocl-opencl-icd",
				    "OpenCL: the loader finds no driver (ICD) in %s",
				    getenv("OCL_ICD_VENDORS") ?: "/etc/OpenCL/vendors");
	if (error)
		return pl_error_set(err, opencl_errno(error), NULL,
				    "OpenCL: cannot list platforms: %s (%d)",
				    opencl_error_name(error), error);
	if (n_platforms > OPENCL_DEVICES_MAX)
		n_platforms = OPENCL_DEVICES_MAX;
	for (unsigned i = 0; i < n_platforms && n < OPENCL_DEVICES_MAX; i++)
		n += devices_of(cl, platforms[i], ids + n, OPENCL_DEVICES_MAX - n);
	if (!n) {
		char name[128] = "?";

		cl->clGetPlatformInfo(platforms[0], CL_PLATFORM_NAME, sizeof(name), name, NULL);
		return pl_error_set(err, -ENODEV, "see that the driver finds its device (clinfo)",
				    "OpenCL: there is a driver (%s), but it has no device", name);
	}
	return (int)n;
}

void opencl_device_describe(const struct opencl_api *cl, const struct opencl_device_id *id,
			    struct pl_accel_info *info)
{
	char platform[64] = "", version[64] = "";
	cl_bool unified = CL_FALSE;
	cl_device_type type = 0;
	cl_ulong bytes = 0;

	info->kind = PL_ACCEL_OPENCL;
	cl->clGetDeviceInfo(id->device, CL_DEVICE_NAME, sizeof(info->name), info->name, NULL);
	info->name[sizeof(info->name) - 1] = '\0';
	cl->clGetPlatformInfo(id->platform, CL_PLATFORM_NAME, sizeof(platform) - 1, platform, NULL);
	cl->clGetDeviceInfo(id->device, CL_DRIVER_VERSION, sizeof(version) - 1, version, NULL);
	snprintf(info->driver, sizeof(info->driver), "%s%s%s", platform, *platform ? " " : "",
		 version);
	cl->clGetDeviceInfo(id->device, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
	info->is_cpu = type & CL_DEVICE_TYPE_CPU;
	cl->clGetDeviceInfo(id->device, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof(unified), &unified,
			    NULL);
	if (!unified && cl->clGetDeviceInfo(id->device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(bytes),
					    &bytes, NULL) == CL_SUCCESS)
		info->memory_bytes = bytes;
}

/* ---- memory ---- */

int opencl_memory_new(const struct opencl_device *d, struct opencl_memory *m, size_t len_bytes,
		      struct pl_error *err)
{
	cl_int error = CL_SUCCESS;

	*m = (struct opencl_memory){.len_bytes = len_bytes};
	m->base = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->base == MAP_FAILED) {
		m->base = NULL;
		return pl_error_set(err, -ENOMEM, NULL, "%s: cannot map %zu bytes: %m", d->name,
				    len_bytes);
	}
	/* For what it is worth: tables are large and read all over. */
	madvise(m->base, len_bytes, MADV_HUGEPAGE);
	if (!d->svm)
		m->buffer = d->cl.clCreateBuffer(d->context,
						 CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, len_bytes,
						 m->base, &error);
	if (error) {
		opencl_memory_free(d, m);
		return opencl_fail(d, error, "register memory", err);
	}
	return 0;
}

void opencl_memory_free(const struct opencl_device *d, struct opencl_memory *m)
{
	if (m->buffer)
		d->cl.clReleaseMemObject(m->buffer);
	if (m->base)
		munmap(m->base, m->len_bytes);
	*m = (struct opencl_memory){0};
}

cl_int opencl_kernel_set_memory(const struct opencl_device *d, cl_kernel kernel,
				const struct opencl_memory *m)
{
	if (d->svm)
		return d->cl.clSetKernelArgSVMPointer(kernel, 0, m->base);
	return d->cl.clSetKernelArg(kernel, 0, sizeof(m->buffer), &m->buffer);
}

/* ---- running ---- */

cl_int opencl_start(const struct opencl_device *d, cl_kernel kernel, size_t groups,
		    size_t group_items, cl_event *event)
{
	size_t items = groups * group_items;
	cl_int error = d->cl.clEnqueueNDRangeKernel(d->queue, kernel, 1, NULL, &items, &group_items,
						    0, NULL, event);

	return error ? error : d->cl.clFlush(d->queue);
}

cl_int opencl_status(const struct opencl_device *d, cl_event event)
{
	cl_int status;
	cl_int error = d->cl.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS,
					    sizeof(status), &status, NULL);

	return error ? error : status;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A probe or a program is to be seen: no hurry. */
static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

cl_int opencl_wait(struct opencl_device *d, cl_event event, unsigned timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;
	cl_int status;

	while ((status = opencl_status(d, event)) > CL_COMPLETE) {
		d->hung = now_ms() > end;
		if (d->hung)
			break;
		pause_us(100);
	}
	return status;
}

/* ---- building ---- */

/* Copies the line of the log that says why. */
static void log_excerpt(char *to, size_t size, const char *log)
{
	const char *at = strstr(log, "error");
	size_t n;

	while (at && at > log && at[-1] != '\n')
		at--;
	if (!at)
		at = log;
	at += strspn(at, " \n");
	n = strcspn(at, "\n");
	snprintf(to, size, "%.*s", (int)n, at);
}

static int build_failed(const struct opencl_device *d, cl_program program, cl_int error,
			struct pl_error *err)
{
	char excerpt[160] = "";
	size_t size = 0;
	char *log = NULL;

	d->cl.clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
	if (size)
		log = calloc(1, size + 1);
	if (log) {
		d->cl.clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
		log_excerpt(excerpt, sizeof(excerpt), log);
		free(log);
	}
	return pl_error_set(err, error == CL_BUILD_PROGRAM_FAILURE ? -ENOTSUP : opencl_errno(error),
			    NULL, "%s: cannot build the program: %s%s%s", d->name,
			    opencl_error_name(error), *excerpt ? ": " : "", excerpt);
}

static int build_as(const struct opencl_device *d, const char *source, const char *options,
		    cl_program *program, struct pl_error *err)
{
	cl_int error;
	int rc;

	*program = d->cl.clCreateProgramWithSource(d->context, 1, &source, NULL, &error);
	if (error)
		return opencl_fail(d, error, "make a program", err);
	error = d->cl.clBuildProgram(*program, 1, &d->id, options, NULL, NULL);
	if (!error)
		return 0;
	rc = build_failed(d, *program, error, err);
	d->cl.clReleaseProgram(*program);
	*program = NULL;
	return rc;
}

int opencl_program_build(const struct opencl_device *d, const char *source, cl_program *program,
			 struct pl_error *err)
{
	/* Tried in turn, whatever version the device says it has: PoCL 3.1 says 1.2, and takes both. */
	if (build_as(d, source, "-cl-std=CL2.0", program, NULL) == 0)
		return 0;
	return build_as(d, source, "-cl-std=CL3.0", program, err);
}

/* ---- opening ---- */

static const char probe_source[] =
	"#if __OPENCL_C_VERSION__ == 200 || defined(__opencl_c_atomic_scope_all_devices)\n"
	"#define SYSTEM memory_scope_all_svm_devices\n"
	"#else\n"
	"#define SYSTEM memory_scope_device\n"
	"#endif\n"
	"#define FENCE(order) atomic_work_item_fence(CLK_GLOBAL_MEM_FENCE, order, SYSTEM)\n"
	/* [0]: where the host's page is to the device */
	"__kernel void address(__global ulong *page) { page[0] = (ulong)page; }\n"
	/* [1]: the address of a page of which nobody told the device; swaps its first words */
	"__kernel void reach(__global ulong *page)\n"
	"{\n"
	"	__global ulong *other = (__global ulong *)page[1];\n"
	"	page[2] = other[0];\n"
	"	other[1] = page[2] + 1;\n"
	"}\n"
	/* [3]: runs; [4]: asked by the host; [5]: that was seen; [6]: how often to look */
	"__kernel void watch(__global volatile ulong *page)\n"
	"{\n"
	"	ulong looks = page[6];\n"
	"	page[3] = 1;\n"
	"	FENCE(memory_order_release);\n"
	"	for (; looks; looks--) {\n"
	"		if (page[4]) {\n"
	"			FENCE(memory_order_acquire);\n"
	"			page[5] = 1;\n"
	"			return;\n"
	"		}\n"
	"	}\n"
	"}\n";

enum { PAGE_ADDRESS, PAGE_OTHER, PAGE_READ, PAGE_RUNS, PAGE_ASKED, PAGE_SEEN, PAGE_LOOKS };
#define PAGE_BYTES 4096u
#define PROBE_TIMEOUT_MS 10000u

struct probe {
	struct opencl_device *device;
	cl_program program;
	struct opencl_memory memory;
	volatile uint64_t *page; /* `memory`; the device writes there */
	volatile uint64_t *other;
};

/* Starts one of the probes' kernels; its event into *event. */
static int probe_start(const struct probe *p, const char *name, cl_event *event,
		       struct pl_error *err)
{
	const struct opencl_device *d = p->device;
	cl_int error;
	cl_kernel kernel = d->cl.clCreateKernel(p->program, name, &error);
	cl_bool all = CL_TRUE;

	if (error)
		return opencl_fail(d, error, "make a kernel of the probe", err);
	error = opencl_kernel_set_memory(d, kernel, &p->memory);
	if (!error && d->svm)
		error = d->cl.clSetKernelExecInfo(kernel, CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM,
						  sizeof(all), &all);
	if (!error)
		error = opencl_start(d, kernel, 1, 1, event);
	/* What is under way holds it. */
	d->cl.clReleaseKernel(kernel);
	return error ? opencl_fail(d, error, "start a probe", err) : 0;
}

static int probe_wait(struct probe *p, cl_event event, struct pl_error *err)
{
	struct opencl_device *d = p->device;
	cl_int status = opencl_wait(d, event, PROBE_TIMEOUT_MS);

	d->cl.clReleaseEvent(event);
	if (d->hung)
		return pl_error_set(err, -EIO, NULL, "%s: does not end a probe of a few words",
				    d->name);
	return status < 0 ? opencl_fail(d, status, "run a probe", err) : 0;
}

static int probe_run(struct probe *p, const char *name, struct pl_error *err)
{
	cl_event event;
	int rc = probe_start(p, name, &event, err);

	return rc ? rc : probe_wait(p, event, err);
}

/* The addresses that the device sees must be the host's, and the memory behind them the same, also what
 * it was not told of: the program follows pointers out of the mailbox. */
static int probe_addresses(struct probe *p, struct pl_error *err)
{
	static const char remedy[] = "use a device that shares the host's memory: a CPU's, or one "
				     "with fine-grained system SVM; or CUDA";
	const struct opencl_device *d = p->device;
	int rc;

	rc = probe_run(p, "address", err);
	if (rc)
		return rc;
	if (p->page[PAGE_ADDRESS] != (uintptr_t)p->page)
		return pl_error_set(err, -ENOTSUP, remedy,
				    "%s: does not share the host's addresses", d->name);
	p->other[0] = 0x5eed;
	p->page[PAGE_OTHER] = (uintptr_t)p->other;
	rc = probe_run(p, "reach", err);
	if (rc)
		return rc;
	if (p->page[PAGE_READ] != 0x5eed || p->other[1] != 0x5eee)
		return pl_error_set(err, -ENOTSUP, remedy,
				    "%s: does not see the host's memory, or the host not its",
				    d->name);
	return 0;
}

/* Whether a kernel that runs and the host see what the other stores. Each round looks sixteen times as
 * often: neither takes long where they do, and where they do not it ends. */
static int probe_running(struct probe *p, bool *yes, struct pl_error *err)
{
	*yes = false;
	for (uint64_t looks = 1 << 16; looks <= 1 << 28 && !*yes; looks <<= 4) {
		uint64_t begin = now_ms();
		cl_event event;
		int rc;

		p->page[PAGE_RUNS] = p->page[PAGE_ASKED] = p->page[PAGE_SEEN] = 0;
		p->page[PAGE_LOOKS] = looks;
		rc = probe_start(p, "watch", &event, err);
		if (rc)
			return rc;
		while (!p->page[PAGE_RUNS] && opencl_status(p->device, event) > CL_COMPLETE)
			pause_us(10);
		p->page[PAGE_ASKED] = 1;
		rc = probe_wait(p, event, err);
		if (rc)
			return rc;
		*yes = p->page[PAGE_SEEN];
		if (now_ms() - begin > 1000)
			break;
	}
	return 0;
}

static int probe(struct opencl_device *d, struct pl_accel_info *info, struct pl_error *err)
{
	struct probe p = {.device = d};
	bool running;
	int rc;

	p.other =
		mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p.other == MAP_FAILED)
		return pl_error_set(err, -ENOMEM, NULL, "%s: out of memory", d->name);
	rc = opencl_memory_new(d, &p.memory, PAGE_BYTES, err);
	if (rc)
		goto unmap;
	p.page = p.memory.base;
	rc = opencl_program_build(d, probe_source, &p.program, err);
	if (rc)
		goto free_memory;
	rc = probe_addresses(&p, err);
	if (!rc)
		rc = probe_running(&p, &running, err);
	if (!rc && !running)
		info->no_persistent = pl_error_set(
			&info->why, -ENOTSUP, "use Launch=burst",
			"%s: what the host stores is not seen by a program that runs", d->name);
	d->cl.clReleaseProgram(p.program);
free_memory:
	if (!d->hung)
		opencl_memory_free(d, &p.memory);
unmap:
	if (!d->hung)
		munmap((void *)p.other, PAGE_BYTES);
	return rc;
}

static bool device_bool(const struct opencl_device *d, cl_device_info what)
{
	cl_bool yes = CL_FALSE;

	return d->cl.clGetDeviceInfo(d->id, what, sizeof(yes), &yes, NULL) == CL_SUCCESS && yes;
}

/* What can be asked for. */
static int check(const struct opencl_device *d, struct pl_error *err)
{
	cl_uint bits = 0;

	d->cl.clGetDeviceInfo(d->id, CL_DEVICE_ADDRESS_BITS, sizeof(bits), &bits, NULL);
	if (!device_bool(d, CL_DEVICE_AVAILABLE))
		return pl_error_set(err, -ENODEV, NULL, "%s: is not available, says its driver",
				    d->name);
	if (!device_bool(d, CL_DEVICE_COMPILER_AVAILABLE))
		return pl_error_set(err, -ENOTSUP, NULL, "%s: its driver has no compiler", d->name);
	if (bits != 64 || !device_bool(d, CL_DEVICE_ENDIAN_LITTLE))
		return pl_error_set(err, -ENOTSUP, NULL,
				    "%s: its addresses are not of 64 bits, or its words not "
				    "little-endian",
				    d->name);
	return 0;
}

int opencl_device_open(struct opencl_device *d, const struct opencl_api *cl,
		       const struct opencl_device_id *id, struct pl_accel_info *info,
		       struct pl_error *err)
{
	cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
					      (cl_context_properties)id->platform, 0};
	cl_device_svm_capabilities svm = 0;
	cl_int error;
	int rc;

	*d = (struct opencl_device){.cl = *cl, .id = id->device};
	opencl_device_describe(cl, id, info);
	snprintf(d->name, sizeof(d->name), "%s", info->name);
	rc = check(d, err);
	if (rc)
		return rc;
	/* Not known by devices of OpenCL 1.2, which have none. */
	cl->clGetDeviceInfo(d->id, CL_DEVICE_SVM_CAPABILITIES, sizeof(svm), &svm, NULL);
	d->svm = svm & CL_DEVICE_SVM_FINE_GRAIN_SYSTEM;
	d->context = cl->clCreateContext(properties, 1, &d->id, NULL, NULL, &error);
	if (error)
		return opencl_fail(d, error, "make a context", err);
	d->queue = cl->clCreateCommandQueue(d->context, d->id, 0, &error);
	if (error) {
		rc = opencl_fail(d, error, "make a queue", err);
		goto release_context;
	}
	rc = probe(d, info, err);
	if (rc)
		opencl_device_close(d);
	return rc;

release_context:
	cl->clReleaseContext(d->context);
	return rc;
}

void opencl_device_close(struct opencl_device *d)
{
	if (d->hung) /* this would wait for it */
		return;
	d->cl.clReleaseCommandQueue(d->queue);
	d->cl.clReleaseContext(d->context);
}
