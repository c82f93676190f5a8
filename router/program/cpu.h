/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program driven on a CPU: a processor for planes. */
#ifndef PEERLANE_PROGRAM_CPU_H
#define PEERLANE_PROGRAM_CPU_H

#include <peerlane/plane.h>
#include <stdbool.h>

#include "../tables/isa.h"
#include "../tables/tables.h"
#include "police.h"
#include "reasons.h"

/* Fills in a processor that runs the packet program on the calling plane's core, reading `tables`.
 * One per plane: it owns scratch memory. Returns 0, -EINVAL (`isa` not supported here), -ENOMEM. */
int cpu_processor_init(struct pl_processor *processor, const struct tables *tables,
		       enum cpu_isa isa);

/* Runs the program on a burst of the caller's, at once. The plane's thread, or whoever else has a
 * processor for himself. */
void cpu_process(const struct pl_processor *processor, struct pl_burst *burst);

/* Limits what the processor lets its plane punt. `police` stays the caller's and must live as long;
 * before the plane starts. */
void cpu_processor_limit(struct pl_processor *processor, struct police *police);

void cpu_processor_fini(struct pl_processor *processor);

/* Whether the processor has sent a packet by next hop `index` (below TABLES_NEXTHOPS_MAX) since this
 * was last asked. Any one thread, while the processor runs. */
bool cpu_processor_take_used(const struct pl_processor *processor, uint32_t index);

/* Name ("no-route"), meaning and kind of a reason; NULL if `reason` is out of range. Any thread. */
const char *reason_name(unsigned reason);
const char *reason_text(unsigned reason);
enum pl_verdict_kind reason_kind(unsigned reason);

#endif
