/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's parts: main.c (the PCI driver, reset, bus mastering), file.c (the character device),
 * dma.c (memory of the user), dmabuf.c (memory of other devices), irq.c (interrupts).
 *
 * Locks, in the order they are taken:
 *
 *  device_lock          the driver core's, held around probe, remove and error handlers. What holds
 *                       one of the locks below only ever tries to take it.
 *  peerlane_dev.lock    all state that has no other lock. Nothing is copied to or from user space
 *                       and no user page is faulted in under it: both may take for ever.
 *  mmap_lock            held around mmap() and faults
 *  dma_resv of a buffer taken in dmabuf.c; held by exporters around move_notify()
 *  peerlane_dev.bar     BAR 0 is there and may be mapped
 *  peerlane_dev.master  bus mastering; a spinlock, since move_notify() switches it off
 */
#ifndef PEERLANE_PRIVATE_H
#define PEERLANE_PRIVATE_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "peerlane.h"

#define PEERLANE_MAX_MAPS 4096u
/* What a scatterlist's entry holds at most. It is a multiple of every page's size, so that no page
 * is divided. */
#define PEERLANE_MAX_SEGMENT SZ_2G

struct peerlane_file;

/* A function that is bound. Lives until it is removed and the last file is closed. */
struct peerlane_dev {
	struct device dev;
	struct cdev cdev;
	struct mutex lock;
	struct pci_dev *pdev;	    /* valid while !gone */
	struct peerlane_file *file; /* the open one */
	bool gone;		    /* changed under lock and bar */
	bool clean;		    /* reset since it was last open */

	struct mutex bar;
	resource_size_t bar_start;
	u64 bar_len; /* whole pages */

	spinlock_t master;
	bool revoked; /* a dma-buf was; no bus mastering before a reset */

	u32 n_vectors;
};

/* Memory that the device reaches. */
struct peerlane_map {
	struct peerlane_dev *dev;
	struct sg_table *sgt; /* mapped for the device; NULL: not, or no more */

	/* The user's: */
	struct mm_struct *mm; /* charged for n_pages */
	unsigned long n_pages;
	struct sg_append_table pages;

	/* or a dma-buf's: */
	struct dma_buf_attachment *attach;
	struct eventfd_ctx *revoked;
	bool pinned;
};

struct peerlane_vector;

/* An open file. */
struct peerlane_file {
	struct peerlane_dev *dev;
	struct address_space *mapping; /* where its mappings of BAR 0 are found */
	bool failed;		       /* the device had an error since */
	struct xarray maps;
	u32 next_map, n_maps;
	struct peerlane_vector *vectors; /* NULL before the first is asked for */
	u32 n_vectors;			 /* how many of these the machine gave */
};

/* A mapping's segments, copied for the user while nothing could change them. */
struct peerlane_segments {
	struct peerlane_segment *segment; /* kvfree() */
	u32 n, page_shift;
};

union peerlane_args {
	struct peerlane_info info;
	struct peerlane_bus_master bus_master;
	struct peerlane_irq irq;
	struct peerlane_dma_map dma_map;
	struct peerlane_dma_unmap dma_unmap;
	struct peerlane_dmabuf_map dmabuf_map;
	struct peerlane_reset reset;
};

/* main.c */
extern struct class peerlane_class;
bool peerlane_can_reset(struct peerlane_dev *dev);
/* The lock is held, or probe() runs. Its DMA passes tables of addresses. */
bool peerlane_translated(struct peerlane_dev *dev);
/* They are its own, and its interrupts are remapped: it reaches what is mapped, and nothing else. */
bool peerlane_confined(struct peerlane_dev *dev);
/* After unmapping, and before memory is let go of. */
void peerlane_flush(struct peerlane_dev *dev);
/* Takes the lock. -EAGAIN after a second of trying. */
int peerlane_reset(struct peerlane_dev *dev);
int peerlane_master_on(struct peerlane_dev *dev);
void peerlane_master_off(struct peerlane_dev *dev);
/* From move_notify(): off, and it stays so. Returns when the device's last write has landed. */
void peerlane_revoke(struct peerlane_dev *dev);

/* file.c */
extern const struct file_operations peerlane_fops;
/* Takes the lock unless the process is killed. -ENODEV, -EIO: it is not held. */
int peerlane_lock(struct peerlane_file *file);
void peerlane_zap(struct peerlane_dev *dev);

/* dma.c */
int peerlane_dma_map(struct peerlane_file *file, union peerlane_args *args);
void peerlane_dma_map_undo(struct peerlane_file *file, union peerlane_args *args);
int peerlane_dma_unmap(struct peerlane_file *file, union peerlane_args *args);
/* All mappings; the lock is held. */
void peerlane_unmap_all(struct peerlane_file *file);
/* What both kinds share: the lock is held. */
int peerlane_segments(struct peerlane_dev *dev, struct sg_table *sgt, u32 *room,
		      struct peerlane_segments *out);
int peerlane_map_add(struct peerlane_file *file, struct peerlane_map *map, u32 *id);
/* Not held: copies what peerlane_segments() gave to the user and frees it. */
int peerlane_segments_out(struct peerlane_segments *segments, u64 user);

/* dmabuf.c */
int peerlane_dmabuf_map(struct peerlane_file *file, union peerlane_args *args);
void peerlane_dmabuf_map_undo(struct peerlane_file *file, union peerlane_args *args);
void peerlane_dmabuf_release(struct peerlane_map *map);

/* irq.c */
int peerlane_irq(struct peerlane_file *file, union peerlane_args *args);
/* The lock is held for these. */
void peerlane_irq_free_all(struct peerlane_file *file);
void peerlane_irq_signal_all(struct peerlane_file *file);

#endif
