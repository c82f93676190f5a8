/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenCL's functions, from the ICD loader (libOpenCL.so.1). Loaded when they are asked for: a router
 * that uses no such device runs where there is no loader. */
#ifndef ACCEL_OPENCL_API_H
#define ACCEL_OPENCL_API_H

#include <signal.h>

#define CL_TARGET_OPENCL_VERSION 200
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include <peerlane/error.h>

#define OPENCL_FUNCTIONS(X)          \
	X(clBuildProgram)            \
	X(clCreateBuffer)            \
	X(clCreateCommandQueue)      \
	X(clCreateContext)           \
	X(clCreateKernel)            \
	X(clCreateProgramWithSource) \
	X(clEnqueueNDRangeKernel)    \
	X(clFlush)                   \
	X(clGetDeviceIDs)            \
	X(clGetDeviceInfo)           \
	X(clGetEventInfo)            \
	X(clGetKernelWorkGroupInfo)  \
	X(clGetPlatformIDs)          \
	X(clGetPlatformInfo)         \
	X(clGetProgramBuildInfo)     \
	X(clReleaseCommandQueue)     \
	X(clReleaseContext)          \
	X(clReleaseEvent)            \
	X(clReleaseKernel)           \
	X(clReleaseMemObject)        \
	X(clReleaseProgram)          \
	X(clSetKernelArg)            \
	X(clSetKernelArgSVMPointer)  \
	X(clSetKernelExecInfo)

struct opencl_api {
#define X(name) __typeof__(&name) name;
	OPENCL_FUNCTIONS(X)
#undef X
};

/* Loads the loader, for good: drivers have threads that outlive their use. May set an environment
 * variable (POCL_CACHE_DIR; PATH where there is none) the first time, so not while another thread may look at one. Returns 0, or
 * -ENODEV, -ENOTSUP or -EIO with `err` filled. */
int opencl_api_load(struct opencl_api *cl, struct pl_error *err);

/* Drivers must not have a say in what signals do: PoCL's compiler sets handlers of its own, for SIGTERM among
 * them, and its threads would take signals that are meant for others. Between these two calls this thread takes
 * none, nor will the threads that it makes; the second puts all handlers back. Any thread. */
struct opencl_signals {
	sigset_t mask;
	struct sigaction actions[_NSIG];
};
void opencl_signals_keep(struct opencl_signals *s);
void opencl_signals_restore(const struct opencl_signals *s);

/* "CL_OUT_OF_RESOURCES"; of one that is not known, a text that says so. */
const char *opencl_error_name(cl_int error);

/* -ENOMEM if the error means that, else -EIO. */
int opencl_errno(cl_int error);

#endif
