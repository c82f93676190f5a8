/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors whose closing takes the kernel long, closed all at once. */
#ifndef PEERLANE_PORT_CLOSING_H
#define PEERLANE_PORT_CLOSING_H

/* Zeroed: empty. */
struct closing {
	int *fds;
	unsigned n, room;
};

/* Puts `fd` on the list, or closes it at once when there is no memory. A negative one is left out. */
void closing_add(struct closing *closing, int fd);

/* The same with a duplicate of `fd`: whoever closes `fd` meanwhile is not kept waiting. */
void closing_add_copy(struct closing *closing, int fd);

/* Closes what is on the list, and empties it. Where the kernel waits until nobody looks at a device's
 * socket any more, some 15 ms for each, it waits for all of them in the same time. */
void closing_run(struct closing *closing);

#endif
