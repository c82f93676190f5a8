/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program in the forms that accelerators take. */
#ifndef PEERLANE_PROGRAM_ACCEL_H
#define PEERLANE_PROGRAM_ACCEL_H

#include <peerlane/accel.h>

/* Its context (pl_accel_set_context()) is a struct program_context, see device.h. */
extern const struct pl_accel_program program_accel;

#endif
