/* SPDX-License-Identifier: BSD-2-Clause */
/* What a network interface is like at this moment, and changing it. For whoever acts on
 * notifications, which tell of the past. Any thread that may open sockets. */
#ifndef PEERLANE_KERNEL_INTERFACE_H
#define PEERLANE_KERNEL_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>

struct interface {
	uint8_t mac[6];
	unsigned mtu;
	bool up; /* administratively */
};

/* Returns 0 or -errno (-ENODEV: there is none). */
int interface_query(const char *name, struct interface *out);

/* Return 0, or -errno with `err` filled. */
int interface_set_mac(const char *name, const uint8_t mac[6], struct pl_error *err);
int interface_set_mtu(const char *name, unsigned mtu, struct pl_error *err);
int interface_bring_up(const char *name, struct pl_error *err);

/* Gives it an alias, of at most 255 bytes, instead of any other. Returns 0 or -errno. */
int interface_set_alias(unsigned ifindex, const char *alias);

/* Has the kernel act at once on a carrier that has just been taken off or put on: routes over the
 * interface die or live again, and whoever listens is told. By itself the kernel lets the second
 * carrier lost within a second wait for the rest of that second (net/core/link_watch.c), and a
 * port's TAP always is the second, after its device. Does nothing if the kernel has acted already:
 * of a carrier put on after it had made the interface "down", the link watch tells.
 * Returns 0 or -errno. */
int interface_tell_carrier(unsigned ifindex, bool up);

#endif
