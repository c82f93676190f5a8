/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of a PCI device as dma-bufs (barmem.c), /dev/peerlane-barmem. */
#ifndef BARMEM_H
#define BARMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct barmem_export {
	__u64 length; /* from the BAR's beginning on; whole pages */
	__s32 fd;     /* out */
	__u32 reserved;
};

#define BARMEM_EXPORT _IOWR('b', 0, struct barmem_export)
/* How many times any of it is mapped for a device. */
#define BARMEM_MAPS _IO('b', 1)

#endif
