/* SPDX-License-Identifier: BSD-2-Clause */
/* Accelerators as `peerlane devices` lists them. */
#ifndef PEERLANE_CLI_ACCELERATORS_H
#define PEERLANE_CLI_ACCELERATORS_H

#include <jansson.h>

#include <peerlane/accel.h>

/* A list of what was found, which docs/protocol.md describes. `daemon` is the data of the daemon's answer to
 * "show accelerator", and stays the caller's; NULL: it was not asked. NULL when out of memory. */
json_t *accelerators_list(const struct pl_accel_info *infos, unsigned n, json_t *daemon);

#endif
