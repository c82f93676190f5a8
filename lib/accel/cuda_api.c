/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the CUDA driver, and saying what its errors mean. */
#include "cuda_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define INSTALL "install NVIDIA driver " CUDA_DRIVER_MIN " or newer (CUDA 11.0)"
#define REPORT                                                                             \
	"please report this, with what nvidia-smi says; until then Accelerator=opencl or " \
	"Mode=nic-cpu"
#define RESTART                                                                                    \
	"see dmesg for \"NVRM: Xid\"; it is tried again, but a driver may need the process to be " \
	"restarted after this"

/* What to do about a result, and the errno it stands for. Any other is EIO, without advice. */
static const struct advice {
	int result, code;
	const char *remedy;
} advices[] = {
	{CUDA_ERROR_OUT_OF_MEMORY, ENOMEM,
	 "see nvidia-smi for who uses the GPU's memory, and ulimit -l for memory that may be "
	 "locked"},
	{CUDA_ERROR_STUB_LIBRARY, ENODEV, "the library found is the toolkit's stub: " INSTALL},
	{CUDA_ERROR_DEVICE_UNAVAILABLE, EIO,
	 "another process has the GPU for itself: end it, or: nvidia-smi -c DEFAULT"},
	{CUDA_ERROR_NO_DEVICE, ENODEV, "see nvidia-smi, and whether CUDA_VISIBLE_DEVICES hides it"},
	{CUDA_ERROR_INVALID_DEVICE, ENODEV, "see: peerlane devices"},
	{CUDA_ERROR_NO_BINARY_FOR_GPU, ENOTSUP, REPORT},
	{CUDA_ERROR_ECC_UNCORRECTABLE, EIO,
	 "the GPU's memory has failed: see nvidia-smi -q -d ECC; reset or replace it"},
	{CUDA_ERROR_INVALID_PTX, ENOTSUP, REPORT},
	{CUDA_ERROR_JIT_COMPILER_NOT_FOUND, ENOTSUP,
	 "install libnvidia-ptxjitcompiler.so.1 of the driver's version"},
	{CUDA_ERROR_UNSUPPORTED_PTX_VERSION, ENOTSUP, INSTALL},
	{CUDA_ERROR_JIT_COMPILATION_DISABLED, ENOTSUP, "unset CUDA_DISABLE_PTX_JIT"},
	{CUDA_ERROR_OPERATING_SYSTEM, EIO,
	 "may the process open /dev/nvidiactl, /dev/nvidia0 and /dev/nvidia-uvm?"},
	{CUDA_ERROR_ILLEGAL_ADDRESS, EIO, RESTART},
	{CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, ENOTSUP, NULL},
	{CUDA_ERROR_LAUNCH_TIMEOUT, EIO,
	 "the GPU drives a display and limits how long a program runs: use Launch=burst"},
	{CUDA_ERROR_MISALIGNED_ADDRESS, EIO, RESTART},
	{CUDA_ERROR_LAUNCH_FAILED, EIO, RESTART},
	{CUDA_ERROR_NOT_SUPPORTED, ENOTSUP, NULL},
	{CUDA_ERROR_SYSTEM_NOT_READY, EIO, "start nvidia-fabricmanager"},
	{CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, ENOTSUP,
	 "the driver's library and its kernel module differ: restart the machine"},
	{CUDA_ERROR_UNKNOWN, EIO, "is the module nvidia-uvm loaded? nvidia-modprobe -u -c 0"},
};

int cuda_fail(const struct cuda_api *api, struct pl_error *err, int result, const char *fmt, ...)
{
	const struct advice *advice = NULL;
	const char *name = NULL, *text = NULL;
	char doing[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(doing, sizeof(doing), fmt, args);
	va_end(args);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].result == result)
			advice = &advices[i];
	if (api->error_name(result, &name) || !name)
		name = "an error that it has no name for";
	if (api->error_string(result, &text) || !text)
		text = "no explanation";
	return pl_error_set(err, advice ? -advice->code : -EIO, advice ? advice->remedy : NULL,
			    "%s: %s (%d, %s)", doing, name, result, text);
}

int cuda_attribute(const struct cuda_api *api, int device, int which)
{
	int value = 0;

	return api->device_attribute(&value, which, device) == CUDA_SUCCESS ? value : 0;
}

/* Looks all functions up; *missing is the first that is not there and must be, or NULL. */
static void look_up(struct cuda_api *api, void *library, const char **missing)
{
	*missing = NULL;
	/* POSIX has dlsym() return functions as void *: stored as one, without a cast of the pointer. */
#define LOOK_UP(member, symbol, parameters)               \
	*(void **)&api->member = dlsym(library, #symbol); \
	if (!api->member && !*missing)                    \
		*missing = #symbol;
	CUDA_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
#define LOOK_UP(member, symbol, parameters) *(void **)&api->member = dlsym(library, #symbol);
	CUDA_PACKET_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
}

int cuda_api_load(struct cuda_api *api, struct pl_error *err)
{
	const char *missing;
	void *library;
	int result;

	memset(api, 0, sizeof(*api));
	/* The driver has threads and hooks of its own, and may not be unloaded once started. */
	library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!library)
		return pl_error_set(err, -ENODEV, INSTALL, "CUDA: no driver: %s", dlerror());
	look_up(api, library, &missing);
	dlclose(library);
	if (api->driver_version && api->driver_version(&api->version) == CUDA_SUCCESS &&
	    api->version < CUDA_VERSION_MIN)
		return pl_error_set(err, -ENOTSUP, INSTALL,
				    "CUDA: the driver is too old: it is for CUDA %d.%d",
				    api->version / 1000, api->version % 1000 / 10);
	if (missing)
		return pl_error_set(err, -ENOTSUP, INSTALL,
				    "CUDA: the driver's libcuda.so.1 has no %s", missing);
	result = api->init(0);
	if (result)
		return cuda_fail(api, err, result, "CUDA: cannot start the driver");
	return 0;
}
