/* SPDX-License-Identifier: BSD-2-Clause */
/* Hands a NIC over to user space (vfio-pci, or our module) and back to the kernel's driver, through sysfs.
 * Loads no module. */
#ifndef PEERLANE_CLI_BIND_H
#define PEERLANE_CLI_BIND_H

#include <jansson.h>
#include <stdbool.h>

#include <peerlane/error.h>

/* The machine that it is done to. */
struct bind_world {
	const char *sysfs; /* "/sys" */
	const char *proc;  /* "/proc" */
	const char *
		state; /* a folder for what must be remembered until the machine restarts, and for a
			    * lock: one run at a time; it is made when it is needed */
	json_t *ports; /* what the daemon answers to "show ports"; NULL. Stays the caller's */
	const char *unknown; /* why it does not answer; NULL: it does, or does not run */

	/* Writes a line to a file of sysfs, by its full path. Returns 0 or -errno. */
	int (*write)(void *ctx, const char *path, const char *line);
	void *ctx;
};

/* Writes to the file itself. `ctx` is not used. */
int bind_write(void *ctx, const char *path, const char *line);

/* Binds a device, named by its address (also "03:00.0", "pci:0000:03:00.0") or its network interface, to
 * "vfio" or "kmod"; NULL: vfio if it has an IOMMU, else kmod.
 *
 * Refuses, unless `force`, what carries the machine's default route, an ssh session or a port of the
 * daemon, and any if that does not answer. If a step fails the ones before are undone. Returns 0 and what
 * docs/protocol.md describes, or -errno with `err` filled. */
int bind_device(const struct bind_world *world, const char *device, const char *backend, bool force,
		json_t **data, struct pl_error *err);

/* Gives it back to the driver it was taken from; if that is not known, or not there any more, to whichever
 * driver the kernel finds for it. Refuses, unless `force`, what is a port of the daemon's, or may be. The same
 * otherwise. */
int unbind_device(const struct bind_world *world, const char *device, bool force, json_t **data,
		  struct pl_error *err);

#endif
