/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the machine is reached, or reaches the world, by a network interface. */
#ifndef PEERLANE_CLI_LIFELINE_H
#define PEERLANE_CLI_LIFELINE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a default route, or an ssh session that is established, passes an interface, or one made of
 * it (a bond, a bridge, a VLAN). `why` then says which: "eth1 carries the default route". What cannot be
 * read counts as not there. */
bool lifeline_is(const char *sysfs, const char *proc, const char *interface, char *why,
		 size_t size);

#endif
