/* SPDX-License-Identifier: BSD-2-Clause */
/* CUDA accelerators over the stand-in for NVIDIA's driver (cuda_stand_in.h). */
#ifndef TESTS_CUDA_HELP_H
#define TESTS_CUDA_HELP_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/accel/cuda_api.h"
#include "../../lib/accel/private.h"
#include "accel_help.h"
#include "cuda_stand_in.h"

#define LANES 2u
static struct echo_lane lanes[LANES];
static struct cuda_stand_in *gpu, fresh;

/* Enough for the stand-in. */
static const char some_ptx[] = "//\n.version 6.3\n.target sm_75\n.visible .entry program_run(\n";

/* ---- what the loader finds ---- */

static const char *hidden; /* a symbol that is not there; or the library */

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags)
{
	if (hidden && strcmp(name, hidden) == 0)
		name = "/nonexistent/libcuda.so.1";
	return __real_dlopen(name, flags);
}

void *__real_dlsym(void *library, const char *symbol);
void *__wrap_dlsym(void *library, const char *symbol);
void *__wrap_dlsym(void *library, const char *symbol)
{
	return hidden && strcmp(symbol, hidden) == 0 ? NULL : __real_dlsym(library, symbol);
}

/* ---- opening ---- */

static inline struct pl_accel_config config_of(unsigned n, unsigned workers,
					       enum pl_accel_launch launch)
{
	return (struct pl_accel_config){
		.kind = PL_ACCEL_CUDA,
		.launch = launch,
		.n_lanes = n,
		.n_workers = workers,
		.program.ptx = some_ptx,
	};
}

static inline void assert_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* That opening as configured fails, and leaves nothing behind. */
static inline void refuse_config(const struct pl_accel_config *config, int rc, const char *what,
				 const char *remedy)
{
	struct pl_accel *accel;
	struct pl_error err = {"", ""};

	assert_int_equal(pl_accel_open(&accel, config, &err), rc);
	assert_null(accel);
	assert_text(err.what, what);
	assert_text(err.remedy, remedy);
	assert_int_equal(gpu->contexts, 0);
	assert_int_equal(gpu->allocations, 0);
}

static inline void refuse(int rc, const char *what, const char *remedy)
{
	struct pl_accel_config config = config_of(1, 1, PL_ACCEL_PERSISTENT);

	refuse_config(&config, rc, what, remedy);
}

static inline void fail_at(const char *call, int result)
{
	gpu->fail = call;
	gpu->fail_result = result;
	gpu->after = 0;
}

static inline void open_lanes(unsigned n, unsigned workers, enum pl_accel_launch launch)
{
	struct pl_accel_config config = config_of(n, workers, launch);
	struct pl_accel *accel;
	struct pl_error err;

	if (pl_accel_open(&accel, &config, &err))
		fail_msg("%s", err.what);
	for (unsigned i = 0; i < n; i++) {
		lanes[i] = (struct echo_lane){.accel = accel, .index = i};
		assert_int_equal(
			pl_pool_init(&lanes[i].pool, MAILBOX_SLOTS * PL_BURST_MAX, 2048, &err), 0);
		if (pl_accel_attach(accel, i, &lanes[i].pool, &err))
			fail_msg("%s", err.what);
	}
}

/* The program has ended, or the device has failed. */
static inline void close_lanes(unsigned n)
{
	assert_int_equal(pl_accel_close(lanes[0].accel, 10000), 0);
	for (unsigned i = 0; i < n; i++)
		pl_pool_fini(&lanes[i].pool);
	assert_int_equal(gpu->contexts, 0);
	assert_int_equal(gpu->allocations, 0);
	assert_int_equal(gpu->waits, 0);
	assert_int_equal(gpu->pageable, 0);
}

static inline void run(void)
{
	struct pl_error err;

	if (pl_accel_run(lanes[0].accel, &err))
		fail_msg("%s", err.what);
}

/* Submits and takes back until `bursts` went through each lane. */
static inline void pump(unsigned n, unsigned bursts)
{
	unsigned done = 0;

	while (done < n) {
		done = 0;
		for (unsigned i = 0; i < n; i++) {
			struct echo_lane *lane = &lanes[i];

			if (lane->submitted < bursts && echo_submit(lane, lane->submitted % 40))
				run();
			while (echo_complete(lane) >= 0)
				;
			done += lane->completed == bursts;
		}
		usleep(0);
	}
}

static inline int setup(void **state)
{
	(void)state;
	*gpu = fresh;
	gpu->program = echo_run;
	hidden = NULL;
	unsetenv("CUDA_LAUNCH_BLOCKING");
	unsetenv("CUDA_DEVICE_MAX_CONNECTIONS");
	return 0;
}

/* Finds the stand-in. */
static inline bool cuda_has_stand_in(void)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW);
	cuda_stand_in_fn *stand_in;

	/* NVIDIA's own driver, say: this is not for it. */
	if (!library || !dlsym(library, "cuda_stand_in")) {
		puts("SKIP: LD_LIBRARY_PATH does not lead to the stand-in for libcuda.so.1");
		return false;
	}
	*(void **)&stand_in = dlsym(library, "cuda_stand_in");
	gpu = stand_in();
	fresh = *gpu;
	return true;
}

#endif
