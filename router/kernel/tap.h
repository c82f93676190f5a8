/* SPDX-License-Identifier: BSD-2-Clause */
/* One TAP interface: making it and taking it over. Control thread, in the network
 * namespace where the TAP is to be. */
#ifndef PEERLANE_KERNEL_TAP_H
#define PEERLANE_KERNEL_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>

/* Attaches to the TAP `name`, without carrier; makes it if there is none. It goes away with its
 * descriptor unless it was or is made persistent (tap_set_persistent()). From then on it belongs to
 * root: others need CAP_NET_ADMIN to attach to it.
 *
 * Returns a non-blocking descriptor of which read() takes a frame that the kernel sends and write()
 * gives it one, and `*created`; or -errno with `err` filled: -EBUSY when the name belongs to an
 * interface that is no TAP, or to a TAP that another process holds; -EPERM; -ENOENT without
 * /dev/net/tun; -EINVAL for a name that no interface can have. */
int tap_attach(const char *name, bool *created, struct pl_error *err);

/* Whether the descriptor is attached to the TAP `name` of this network namespace. */
bool tap_is(int fd, const char *name);

/* Whether the TAP outlives its descriptor. Returns 0 or -errno. */
int tap_set_persistent(int fd, bool persistent);

/* Returns 0 or -errno (-EBADFD: the interface has been deleted). Any thread. May wait for the
 * kernel's configuration lock. */
int tap_set_carrier(int fd, bool up);

#endif
