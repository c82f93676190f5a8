/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "clock.h"
#include "links.h"

#define LOOK_EVERY (10 * GEN_MS)
#define SETTLES (500 * GEN_MS)

static enum gen_link link_of(struct gen_end *end)
{
	return end->ops->link ? end->ops->link(end) : GEN_LINK_UP;
}

/* The first end that has no link; NULL: all have. */
static struct gen_end *end_down(struct gen_end *const *ends, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (link_of(ends[i]) != GEN_LINK_UP)
			return ends[i];
	return NULL;
}

int gen_links_await(struct gen_end *const *ends, unsigned n, uint64_t wait_ns,
		    const atomic_bool *interrupted, struct pl_error *err)
{
	const struct timespec pause = {.tv_nsec = LOOK_EVERY};
	uint64_t now_ns = gen_clock_ns(), end_ns = now_ns + wait_ns;
	uint64_t down_ns = 0; /* when one was last seen down; 0: never */

	/* Relaxed: nothing comes with it. */
	while (!atomic_load_explicit(interrupted, memory_order_relaxed)) {
		struct gen_end *down = end_down(ends, n);
		int rc = down ? gen_links_check(ends, n, err) : 0;

		if (rc)
			return rc;
		if (!down && (!down_ns || now_ns - down_ns >= SETTLES))
			return 0;
		if (down && now_ns >= end_ns)
			return pl_error_set(err, -ENETDOWN,
					    "set it up (ip link set ... up), and what it is "
					    "connected with; or wait longer (--link-wait)",
					    "%s: has no link within %.3g s", down->name,
					    (double)wait_ns / GEN_SECOND);
		if (down)
			down_ns = now_ns;
		nanosleep(&pause, NULL);
		now_ns = gen_clock_ns();
	}
	return 0;
}

int gen_links_check(struct gen_end *const *ends, unsigned n, struct pl_error *err)
{
	for (unsigned i = 0; i < n; i++)
		if (link_of(ends[i]) == GEN_LINK_GONE)
			return pl_error_set(err, -ENETDOWN, "see whether the other side still runs",
					    "%s: is gone, or who was at its other side",
					    ends[i]->name);
	return 0;
}
