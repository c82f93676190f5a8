/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the ends have links. */
#ifndef GEN_LINKS_H
#define GEN_LINKS_H

#include <stdatomic.h>

#include "end.h"

/* Waits until all ends have a link: what is sent into one that is not up yet is lost, many interfaces lose theirs
 * when they are opened, and some take several seconds to find out how fast both sides are. If any had none, they must
 * have kept theirs for half a second, which the other side may need. Returns 0, at once when `interrupted`; or
 * -ENETDOWN with `err` filled: one has none after `wait_ns`, or is gone. */
int gen_links_await(struct gen_end *const *ends, unsigned n, uint64_t wait_ns,
		    const atomic_bool *interrupted, struct pl_error *err);

/* Returns 0, or -ENETDOWN with `err` filled: one is gone. */
int gen_links_check(struct gen_end *const *ends, unsigned n, struct pl_error *err);

#endif
