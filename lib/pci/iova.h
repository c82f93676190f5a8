/* SPDX-License-Identifier: BSD-2-Clause */
/* Which addresses an IOMMU translates for a device, and which of them are taken. No system calls. */
#ifndef PEERLANE_PCI_IOVA_H
#define PEERLANE_PCI_IOVA_H

#include <stdint.h>

struct iova_range {
	uint64_t first, last; /* both are in it */
};

struct iova {
	struct iova_range *allowed; /* in order */
	unsigned n_allowed;
	struct iova_range *taken; /* in order */
	unsigned n_taken;
};

/* Starts with nothing taken, of ranges in any order, which do not overlap. What lies below 16 MiB is
 * left alone, so that a device that is given 0, or nearly so, by mistake reaches nothing. Returns 0 or
 * -ENOMEM. */
int iova_init(struct iova *iova, const struct iova_range *allowed, unsigned n_allowed);
void iova_fini(struct iova *iova);

/* Takes `len` bytes at a multiple of `align`, a power of two: the lowest place there is. Returns 0, or
 * -ENOMEM, -ENOSPC. */
int iova_take(struct iova *iova, uint64_t len, uint64_t align, uint64_t *address);

/* Gives back what begins at an address. */
void iova_give(struct iova *iova, uint64_t address);

#endif
