/* SPDX-License-Identifier: BSD-2-Clause */
/* The seccomp filters: which system calls a confined daemon may still make.
 *
 * A call that is not on the list fails with ENOSYS, as on a kernel that does not have it: a newer C
 * library that tries newer calls first then takes the older ones, and the router lives. */
#ifndef PEERLANE_CONTROL_SYSCALLS_H
#define PEERLANE_CONTROL_SYSCALLS_H

#include <linux/filter.h>
#include <stdbool.h>

#include "config.h"

/* What depends on the configuration. */
struct syscalls_needs {
	bool may_write;	  /* files may be opened for writing: something else watches over which */
	bool has_devices; /* there are devices on the PCI bus to drive */
	bool has_wires;	  /* an emulated NIC makes memory for whoever joins its shared wire */
	bool has_accelerator; /* one that has a driver in the kernel, perhaps */
};

/* Loads the filter of the control thread, which all threads made from now on inherit. `mode`: YES,
 * or LOG: what would fail is done, and noted in the kernel's log. Never may files be created.
 *
 * Returns 0 or -errno. */
int syscalls_confine(enum config_seccomp mode, const struct syscalls_needs *needs);

/* Makes the narrower filter of planes and faces, for a thread to load itself: nothing can be opened
 * any more. `program->filter` is the caller's to free. Before syscalls_confine(). Returns 0 or
 * -errno. */
int syscalls_export_worker(enum config_seccomp mode, const struct syscalls_needs *needs,
			   struct sock_fprog *program);

/* Loads the filter of a thread that runs an accelerator's driver, code of others that compiles programs:
 * it makes files, executes memory and programs, talks to the driver's part in the kernel, and does
 * nothing else to the machine. Wants no_new_privs. Returns 0 or -errno. */
int syscalls_confine_driver(enum config_seccomp mode);

#endif
