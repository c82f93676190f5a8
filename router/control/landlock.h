/* SPDX-License-Identifier: BSD-2-Clause */
/* Landlock (landlock(7)): which files a confined daemon may still touch. */
#ifndef PEERLANE_CONTROL_LANDLOCK_H
#define PEERLANE_CONTROL_LANDLOCK_H

/* Leaves the calling thread, and those it makes from now on, with: reading /proc, /sys/devices/system
 * and the folder of the first of `n` sockets; writing beneath /proc/sys/net; /dev/net/tun; and removing files
 * from the folders of all of these. What is open already stays usable. Wants no_new_privs.
 *
 * Returns the kernel's Landlock version, 0 if it has none or it is switched off, or -errno. */
int landlock_confine(const char *const *sockets, unsigned n);

/* The same for a thread that runs an accelerator's driver: reading where libraries and their settings are,
 * executing what lies there, the accelerators' devices, and anything beneath `cache`; where there are devices of
 * NVIDIA's, writing beneath /proc/self/task. Returns likewise; 0 also on a kernel that would keep the cache from being
 * filled (version 1). */
int landlock_confine_driver(const char *cache);

#endif
