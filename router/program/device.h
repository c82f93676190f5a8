/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program as an accelerator runs it (peerlane/accel.h), and what it must be told. */
#ifndef PEERLANE_PROGRAM_DEVICE_H
#define PEERLANE_PROGRAM_DEVICE_H

#include "../tables/image.h"
#include <peerlane/mailbox.h>

/* The program's context, in the device's memory: where, to the device, are the copy of the tables, by
 * enum tables_section, and a byte for each next hop, which is set when a packet is rewritten with it. */
struct program_context {
	uint64_t section[TABLES_SECTIONS];
	uint64_t used;
};

#ifdef PL_HOST
/* On the host accelerator. */
void program_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch);
#endif

#endif
