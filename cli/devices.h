/* SPDX-License-Identifier: BSD-2-Clause */
/* What could be a port or process packets, and what stands in the way. Needs no daemon: it asks the machine itself. */
#ifndef PEERLANE_CLI_DEVICES_H
#define PEERLANE_CLI_DEVICES_H

#include <jansson.h>

#include <peerlane/accel.h>
#include <peerlane/error.h>

/* Where to look, and what the daemon says. */
struct devices_sources {
	const char *sysfs; /* "/sys" */
	json_t *ports;	   /* the data of its answer to "show ports"; NULL: it was not asked. Stays
			     * the caller's */
	json_t *accelerator;			  /* the same, of "show accelerator" */
	const struct pl_accel_info *accelerators; /* as pl_accel_scan() found them */
	unsigned n_accelerators;
	const char *daemon; /* "running", "not running", or why it is not known */
};

/* Gives the data of the listing, which docs/protocol.md describes and render() prints. Returns 0 and a new
 * reference, or -errno with `err` filled. */
int devices_list(const struct devices_sources *sources, json_t **data, struct pl_error *err);

#endif
