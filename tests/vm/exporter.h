/* SPDX-License-Identifier: BSD-2-Clause */
/* A test's exporter of dma-bufs (exporter.c), /dev/peerlane-exporter. */
#ifndef EXPORTER_H
#define EXPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct exporter_export {
	__u32 n_pages; /* 1 to 64 */
	__s32 fd;      /* out */
};

#define EXPORTER_EXPORT _IOWR('x', 0, struct exporter_export)
/* Tells importers that the buffer last exported through this file moves. */
#define EXPORTER_MOVE _IO('x', 1)
/* How many times it is mapped, and pinned: maps | pins << 16. */
#define EXPORTER_COUNT _IO('x', 2)

#endif
