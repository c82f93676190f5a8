/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PEERLANE_MEMORY_REGION_H
#define PEERLANE_MEMORY_REGION_H

#include <peerlane/memory.h>

/* As pl_region_alloc(), with `guard_bytes` (a multiple of 2 MiB; 0: none) of addresses in front of the region
 * that are nobody's: whoever touches them gets SIGSEGV. Both together are below 4 GiB. On ordinary
 * pages if there is a guard. */
int region_alloc_behind(struct pl_region *region, size_t guard_bytes, size_t len_bytes,
			struct pl_error *err);

/* Faults every page in, so that the first packets do not pay for it. Returns 0 or -errno. */
int region_populate(uint8_t *base, size_t len, size_t page_bytes);

#endif
