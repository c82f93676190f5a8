/* SPDX-License-Identifier: BSD-2-Clause */
#include "bell.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bell_init(struct bell *bell)
{
	atomic_init(&bell->wanted, 1);
	bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return bell->fd < 0 ? -errno : 0;
}

void bell_fini(struct bell *bell)
{
	if (bell->fd >= 0)
		close(bell->fd);
	bell->fd = -1;
}

bool bell_ring(struct bell *bell)
{
	uint64_t one = 1;
	ssize_t written;

	/* Release: what was published is before it. Pairs with the swaps of the consumer. */
	if (!atomic_exchange_explicit(&bell->wanted, 0, memory_order_acq_rel))
		return false;
	/* Fails only when the counter would overflow, and then the descriptor is readable. */
	written = write(bell->fd, &one, sizeof(one));
	(void)written;
	return true;
}

bool bell_clear(struct bell *bell)
{
	uint64_t count;

	return read(bell->fd, &count, sizeof(count)) == sizeof(count);
}

bool bell_rearm(struct bell *bell)
{
	/* Relaxed: only the consumer itself sets it to 1; a 0 that comes late comes with an event. */
	if (atomic_load_explicit(&bell->wanted, memory_order_relaxed))
		return false;
	/* Rung, but the producer has yet to write: its event will bring the consumer back. */
	if (!bell_clear(bell))
		return false;
	atomic_exchange_explicit(&bell->wanted, 1, memory_order_acq_rel);
	return true;
}
