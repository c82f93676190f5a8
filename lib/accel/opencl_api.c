/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opencl_api.h"

#define LOADER "libOpenCL.so.1"

/* ---- where PoCL keeps what it compiles ----
 *
 * PoCL, the OpenCL of CPUs, writes all that it compiles to a folder: $POCL_CACHE_DIR, else below
 * $XDG_CACHE_HOME or $HOME, else one in /tmp of a name that anyone could have taken before, and loads
 * code from there. It crashes if it cannot write there. So it is always told a folder that is ours. */

/* Makes the folder if need be. */
static bool can_write(const char *folder)
{
	return (mkdir(folder, 0700) == 0 || errno == EEXIST) &&
	       access(folder, R_OK | W_OK | X_OK) == 0;
}

static char own_cache[64]; /* made by make_own_cache() */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_own_cache(void)
{
	nftw(own_cache, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* One for this process alone. */
static const char *make_own_cache(void)
{
	snprintf(own_cache, sizeof(own_cache), "/tmp/peerlane-opencl-XXXXXX");
	if (!mkdtemp(own_cache))
		return NULL;
	atexit(remove_own_cache);
	return own_cache;
}

/* `name` below the folder that `variable` names, if that can be written to. */
static bool below(char *folder, size_t size, const char *variable, const char *name)
{
	const char *base = getenv(variable);

	if (!base || base[0] != '/')
		return false;
	return snprintf(folder, size, "%s%s", base, name) < (int)size && can_write(folder);
}

static int find_cache(struct pl_error *err)
{
	const char *told = getenv("POCL_CACHE_DIR");
	const char *folder;
	char path[512];

	if (told && can_write(told))
		return 0;
	if (told)
		return pl_error_set(err, -EIO, "set POCL_CACHE_DIR to a folder that can be",
				    "OpenCL: cannot write to %s, POCL_CACHE_DIR", told);
	/* The first is systemd's (CacheDirectory=). */
	if (below(path, sizeof(path), "CACHE_DIRECTORY", "/opencl") ||
	    (below(path, sizeof(path), "XDG_CACHE_HOME", "") &&
	     below(path, sizeof(path), "XDG_CACHE_HOME", "/peerlane-opencl")) ||
	    (below(path, sizeof(path), "HOME", "/.cache") &&
	     below(path, sizeof(path), "HOME", "/.cache/peerlane-opencl")))
		folder = path;
	else
		folder = make_own_cache();
	if (!folder)
		return pl_error_set(
			err, -EIO, "set POCL_CACHE_DIR to a folder that can be written",
			"OpenCL: cannot make a folder for compiled programs in /tmp: %m");
	if (setenv("POCL_CACHE_DIR", folder, 1) < 0)
		return pl_error_set(err, -ENOMEM, NULL, "OpenCL: out of memory");
	return 0;
}

/* ---- the loader ---- */

int opencl_api_load(struct opencl_api *cl, struct pl_error *err)
{
	void *loader;
	int rc;

	rc = find_cache(err);
	if (rc)
		return rc;
	/* PoCL runs ld, and ends the process where it finds none. */
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 0);
	loader = dlopen(LOADER, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!loader)
		return pl_error_set(
			err, -ENODEV,
			"apt install ocl-icd-libopencl1, and the device's driver; for the "
			"CPU: pocl-opencl-icd",
			"OpenCL: no loader: %s", dlerror());
#define X(name)                                                                            \
	cl->name = (__typeof__(&name))dlsym(loader, #name);                                \
	if (!cl->name)                                                                     \
		return pl_error_set(err, -ENOTSUP, "use the loader of Debian 12 or later", \
				    "OpenCL: the loader has no function " #name            \
				    ", of OpenCL 2.0");
	OPENCL_FUNCTIONS(X)
#undef X
	return 0;
}

void opencl_signals_keep(struct opencl_signals *s)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &s->mask);
	for (int i = 1; i < _NSIG; i++)
		sigaction(i, NULL, &s->actions[i]);
}

void opencl_signals_restore(const struct opencl_signals *s)
{
	/* Those that the C library keeps for itself it refuses. */
	for (int i = 1; i < _NSIG; i++)
		sigaction(i, &s->actions[i], NULL);
	pthread_sigmask(SIG_SETMASK, &s->mask, NULL);
}

const char *opencl_error_name(cl_int error)
{
	switch (error) {
#define X(name)    \
	case name: \
		return #name;
		X(CL_DEVICE_NOT_FOUND)
		X(CL_DEVICE_NOT_AVAILABLE)
		X(CL_COMPILER_NOT_AVAILABLE)
		X(CL_MEM_OBJECT_ALLOCATION_FAILURE)
		X(CL_OUT_OF_RESOURCES)
		X(CL_OUT_OF_HOST_MEMORY)
		X(CL_BUILD_PROGRAM_FAILURE)
		X(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
		X(CL_INVALID_VALUE)
		X(CL_INVALID_DEVICE)
		X(CL_INVALID_QUEUE_PROPERTIES)
		X(CL_INVALID_BUILD_OPTIONS)
		X(CL_INVALID_KERNEL_NAME)
		X(CL_INVALID_KERNEL_DEFINITION)
		X(CL_INVALID_KERNEL_ARGS)
		X(CL_INVALID_WORK_GROUP_SIZE)
		X(CL_INVALID_WORK_ITEM_SIZE)
		X(CL_INVALID_OPERATION)
		X(CL_INVALID_BUFFER_SIZE)
#undef X
	default:
		return "an error of its own";
	}
}

int opencl_errno(cl_int error)
{
	return error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_RESOURCES ||
			       error == CL_OUT_OF_HOST_MEMORY
		       ? -ENOMEM
		       : -EIO;
}
