/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenCL devices that can run a program as an accelerator's is: they share the host's addresses. */
#ifndef ACCEL_OPENCL_DEVICE_H
#define ACCEL_OPENCL_DEVICE_H

#include <stdbool.h>

#include <peerlane/accel.h>

#include "opencl_api.h"

#define OPENCL_DEVICES_MAX 32u

struct opencl_device_id {
	cl_platform_id platform;
	cl_device_id device;
};

struct opencl_device {
	struct opencl_api cl;
	cl_device_id id;
	char name[128];
	cl_context context;
	cl_command_queue queue; /* one launch after the other */
	bool svm; /* sees all of the host's memory by itself (fine-grained system SVM) */
	/* Does not end what it was given: it is left as it is, with the memory that it may touch. */
	bool hung;
};

/* Devices of all platforms into ids[OPENCL_DEVICES_MAX]. Returns how many, at least 1, or -errno with
 * `err` filled: -ENODEV, ... */
int opencl_devices(const struct opencl_api *cl, struct opencl_device_id *ids, struct pl_error *err);

/* What a device is called. */
void opencl_device_describe(const struct opencl_api *cl, const struct opencl_device_id *id,
			    struct pl_accel_info *info);

/* Opens a device and tries whether it shares the host's addresses. info->no_persistent and info->why say
 * whether a kernel that runs sees what the host stores. Takes up to a second where PoCL compiles for the
 * first time. Returns 0 or -errno with `err` filled. */
int opencl_device_open(struct opencl_device *d, const struct opencl_api *cl,
		       const struct opencl_device_id *id, struct pl_accel_info *info,
		       struct pl_error *err);
void opencl_device_close(struct opencl_device *d);

/* Builds a program: OpenCL C 2.0, or 3.0 with its features `atomic_order_acq_rel` and
 * `atomic_scope_device`. Returns 0 or -errno with the log's first error in `err`. */
int opencl_program_build(const struct opencl_device *d, const char *source, cl_program *program,
			 struct pl_error *err);

/* Page-aligned memory of the host that a kernel can be given. */
struct opencl_memory {
	void *base;
	size_t len_bytes;
	cl_mem buffer; /* NULL: needs none */
};
int opencl_memory_new(const struct opencl_device *d, struct opencl_memory *m, size_t len_bytes,
		      struct pl_error *err);
void opencl_memory_free(const struct opencl_device *d, struct opencl_memory *m);
cl_int opencl_kernel_set_memory(const struct opencl_device *d, cl_kernel kernel,
				const struct opencl_memory *m);

/* Starts a kernel of one dimension. *event is the caller's. Any thread. */
cl_int opencl_start(const struct opencl_device *d, cl_kernel kernel, size_t groups,
		    size_t group_items, cl_event *event);

/* Execution status of an event: CL_COMPLETE, more: not yet complete, or negative: failed. */
cl_int opencl_status(const struct opencl_device *d, cl_event event);

/* Waits until the event is complete, or has failed; `hung` is set if that takes longer than `timeout_ms`. */
cl_int opencl_wait(struct opencl_device *d, cl_event event, unsigned timeout_ms);

/* Fills `err` with "NAME: cannot ACTION: CL_ERROR" and returns the errno. */
int opencl_fail(const struct opencl_device *d, cl_int error, const char *action,
		struct pl_error *err);

#endif
