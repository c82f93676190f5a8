/* SPDX-License-Identifier: BSD-2-Clause */
#include "accel.h"

#include "device.h"

/* device.c as a text, with all that it includes (meson.build). */
extern const char program_opencl[];
/* and as clang has compiled it for NVIDIA's GPUs. */
extern const char program_ptx[];

const struct pl_accel_program program_accel = {
	.opencl = program_opencl,
	.ptx = program_ptx,
	.host = program_run,
};
