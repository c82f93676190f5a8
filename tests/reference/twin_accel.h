/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program on an accelerator, with a copy of tables that follows them, for the twin. A thread of
 * its own replays the tables' changes, as the control thread may have to wait for that.
 *
 * Whatever fails is a report on standard error and abort(). */
#ifndef TESTS_REFERENCE_TWIN_ACCEL_H
#define TESTS_REFERENCE_TWIN_ACCEL_H

#include <stdbool.h>

#include <peerlane/accel.h>

#include "../../router/tables/tables.h"

struct twin_accel;

/* Opens the first device of a kind, and copies the tables. `remote`: packets lie in its memory while it has them, and
 * of each that is punted there must be a copy, the same to the last byte, in a buffer of the host's. Returns NULL with `err` filled where there is no
 * such device. */
struct twin_accel *twin_accel_new(struct tables *tables, enum pl_accel_kind kind,
				  enum pl_accel_launch launch, bool remote, size_t arena_bytes,
				  struct pl_error *err);
void twin_accel_free(struct twin_accel *a);

/* Where the frames of bursts are to lie: page-aligned, of as many bytes as was asked for. */
uint8_t *twin_accel_base(const struct twin_accel *a);

/* Whether the device itself reads and writes them there: else they are copied back and forth. */
bool twin_accel_in_place(const struct twin_accel *a);

/* "opencl, burst" */
const char *twin_accel_name(const struct twin_accel *a);

/* Waits until the copy has all changes made so far, then runs a burst whose frames are there. It goes in pieces,
 * several under way at a time. */
void twin_accel_run(struct twin_accel *a, struct pl_burst *burst);

/* Whether a packet was rewritten with next hop `index` since this was last asked. */
bool twin_accel_take_used(struct twin_accel *a, uint32_t index);

#endif
