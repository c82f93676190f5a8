/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's forwarding switches: what the kernel must be told to route packets that reach it
 * through a TAP. Control thread, in the TAP's network namespace. */
#ifndef PEERLANE_KERNEL_FORWARDING_H
#define PEERLANE_KERNEL_FORWARDING_H

#include <stdbool.h>

#include <peerlane/error.h>

/* Has the kernel route packets from and to interface `name` as we do:
 *
 * net.ipv4.conf.NAME.forwarding=1
 * net.ipv4.conf.NAME.ignore_routes_with_linkdown=1   a route out of a port without carrier does
 *                                                    not count
 * net.ipv4.conf.NAME.accept_redirects=0              a router believes no redirects (RFC 1812
 *                                                    5.2.7.2), as with net.ipv4.ip_forward=1; for
 *                                                    IPv6 `forwarding` says so
 * the first two for net.ipv6, unless the kernel or the interface has no IPv6, and
 * net.ipv6.conf.NAME.force_forwarding=1   where the kernel has it (6.17), else
 *                                         forwarding_enable6_all().
 *
 * Returns 0 and whether the latter was needed and changed the whole machine, or -errno with `err`
 * filled. */
int forwarding_enable(const char *name, bool *everywhere, struct pl_error *err);

/* net.ipv6.conf.all.forwarding=1, without which kernels before 6.17 forward no IPv6 packet at all.
 *
 * That makes a router of every interface, and a router does not listen to router advertisements:
 * the machine's own management interface would lose its default route. So interfaces that
 * listened (accept_ra=1) get accept_ra=2, "even when forwarding", first. Nothing is changed where
 * forwarding was on before. Returns 0 and whether anything was, or -errno with `err` filled. */
int forwarding_enable6_all(bool *changed, struct pl_error *err);

#endif
