/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process has something open: for messages that say who is in the way. */
#ifndef PEERLANE_HOLDER_H
#define PEERLANE_HOLDER_H

/* Looks for a process in our network namespace with a descriptor of which proc(5)'s fdinfo has all
 * of these lines ("iff:\tpl0"), up to a NULL. Slow: reads all of /proc. Returns its id, 0 if none is
 * found, or can be looked at; 1, the service manager, only if no other has it. */
int pl_find_holder(const char *const *lines);

#endif
