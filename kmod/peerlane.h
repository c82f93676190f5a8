/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * What user space and peerlane.ko say to each other.
 *
 * Each PCI function bound to the driver "peerlane" is a character device, /dev/peerlane/<address>
 * (/dev/peerlane/0000:03:00.0). Opening it resets the function and is exclusive: -EBUSY while
 * another open file description is alive, be it through a descriptor that was duplicated or
 * inherited, or through a mapping. -EACCES: not opened with O_RDWR. -EPERM: no IOMMU confines this
 * function to what is mapped for it (PEERLANE_FEATURE_IOMMU), and the caller lacks CAP_SYS_RAWIO or
 * the kernel is locked down. -EAGAIN: something else holds the device just now.
 *
 * When the last reference to the open file goes, however that comes: bus mastering is switched off,
 * interrupts are released, the function is reset, and all memory is unmapped and unpinned.
 *
 * mmap() at offset 0 and up gives BAR 0, uncached, and no byte beyond it. It needs MAP_SHARED. An
 * access while the function is being reset waits; once the device is gone it raises SIGBUS.
 *
 * Configuration space is sysfs' business (/sys/bus/pci/devices/<address>/config).
 *
 * Every ioctl takes a pointer to a structure that begins with its size in `argsz` and with `flags`.
 *
 *  -EINVAL   argsz is less than the structure's size in the first version of the interface, or a
 *            flag that does not exist, a reserved member that is not zero, or a value out of range
 *  -E2BIG    argsz is more than the kernel knows, and what it does not know is not all zero
 *  -EFAULT   the structure, or what it points at, is not accessible
 *  -ENODEV   the device is gone, or no longer bound to this driver: close the file
 *  -EIO      the device or its link had an error from which the kernel recovers: open it anew
 *  -ENOTTY   no such ioctl
 *
 * The kernel writes no further than argsz. An ioctl that fails has changed nothing, and has written
 * nothing to user memory but where it is said.
 */
#ifndef PEERLANE_UAPI_H
#define PEERLANE_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Counts up with each addition; additions keep what exists. */
#define PEERLANE_UAPI_VERSION 1

/* The size is no part of the number: structures may grow. */
#define PEERLANE_IOC 0xf7
#define PEERLANE_INFO _IO(PEERLANE_IOC, 0x00)
#define PEERLANE_BUS_MASTER _IO(PEERLANE_IOC, 0x01)
#define PEERLANE_IRQ _IO(PEERLANE_IOC, 0x02)
#define PEERLANE_DMA_MAP _IO(PEERLANE_IOC, 0x03)
#define PEERLANE_DMA_UNMAP _IO(PEERLANE_IOC, 0x04)
#define PEERLANE_DMABUF_MAP _IO(PEERLANE_IOC, 0x05)
#define PEERLANE_RESET _IO(PEERLANE_IOC, 0x06)

/*
 * PEERLANE_INFO: what this is. `flags` must be zero.
 */
struct peerlane_info {
	__u32 argsz;
	__u32 flags;
	/* all out */
	__u32 version;	 /* PEERLANE_UAPI_VERSION of the kernel's side */
	__u32 features;	 /* PEERLANE_FEATURE_* */
	__u64 bar_len;	 /* of BAR 0, bytes */
	__u32 n_vectors; /* MSI-X; 0: has none */
	__u32 max_maps;	 /* mappings at a time, of both kinds together */
	__u16 vendor;
	__u16 device;
	__u16 subsystem_vendor;
	__u16 subsystem_device;
	__u8 revision;
	__u8 reserved[7]; /* read as zero */
};

/* The function can be reset. Without it PEERLANE_RESET and PEERLANE_DMABUF_MOVABLE are refused, and
 * a new user of the device finds its registers as the last one left them. */
#define PEERLANE_FEATURE_RESET (1u << 0)
/* An IOMMU translates the device's addresses, for no other device too, and its interrupts are
 * remapped: it reaches what is mapped, and nothing else. */
#define PEERLANE_FEATURE_IOMMU (1u << 1)
/* A dma-buf was revoked: bus mastering cannot be switched on before PEERLANE_RESET. */
#define PEERLANE_FEATURE_REVOKED (1u << 2)

/*
 * PEERLANE_BUS_MASTER: lets the device read and write memory, or no more. Off after open and reset.
 * Interrupts are writes to memory too: none is raised while it is off.
 *
 *  -ESTALE   a dma-buf was revoked: the device may still hold its addresses. PEERLANE_RESET first.
 */
struct peerlane_bus_master {
	__u32 argsz;
	__u32 flags; /* 0 */
	__u32 on;    /* 0 or 1 */
	__u32 reserved;
};

/*
 * PEERLANE_IRQ: has an MSI-X vector signal an eventfd: each interrupt adds one. Replaces what it
 * signalled before, if anything, and loses no interrupt in doing so. -1: it signals nothing any
 * more. Once the call returns the old eventfd is not touched. PEERLANE_RESET leaves this be.
 *
 *  -EBADF, -EINVAL   not open, not an eventfd
 *  -ENOSPC           the machine has run out of vectors
 */
struct peerlane_irq {
	__u32 argsz;
	__u32 flags; /* 0 */
	__u32 vector;
	__s32 fd;
};

/* A run of addresses that is contiguous for the device. */
struct peerlane_segment {
	__u64 address;
	__u64 len;
};

/*
 * PEERLANE_DMA_MAP: pins pages of the calling process and makes them accessible to the device, for
 * reading and for writing; the process must be able to write there. The pages count against
 * RLIMIT_MEMLOCK of the process (mm's pinned pages), unless it has CAP_IPC_LOCK. They stay pinned
 * until PEERLANE_DMA_UNMAP or the end of the open file, whatever becomes of the address space.
 *
 * The segments come in the order of the region, without gaps; neighbours in it that are neighbours
 * for the device too are one. A page of any size lies in one.
 *
 *  -EINVAL       vaddr or length is not a multiple of the page size, or length is 0 or above 1 TiB,
 *                or the range wraps
 *  -ENOSPC       there are more segments than `n_segments`, which is set to how many: nothing is
 *                mapped. (Or, with n_segments as it was, max_maps mappings exist.)
 *  -ENOMEM       RLIMIT_MEMLOCK, or no memory
 *  -EFAULT       not all of the range is memory that can be pinned
 *  -EOPNOTSUPP   the device would not see what the processor writes: DMA is not coherent here, or
 *                would pass bounce buffers
 */
struct peerlane_dma_map {
	__u32 argsz;
	__u32 flags; /* 0 */
	__u64 vaddr;
	__u64 length;
	__u64 segments;	  /* address of an array of struct peerlane_segment, which is filled in */
	__u32 n_segments; /* in: room for so many; out: how many there are */
	/* out */
	__u32 id; /* for PEERLANE_DMA_UNMAP; not 0 */
	/* The largest power of two such that each piece of that many bytes, counted from the start
	 * of the region, lies in one segment: 1 << page_shift. At most what covers the region. */
	__u32 page_shift;
	__u32 reserved; /* 0 */
};

/*
 * PEERLANE_DMA_UNMAP: ends a mapping of either kind. The device must have stopped using it.
 *
 *  -ENOENT   no such mapping
 */
struct peerlane_dma_unmap {
	__u32 argsz;
	__u32 flags; /* 0 */
	__u32 id;
	__u32 reserved; /* 0 */
};

/*
 * PEERLANE_DMABUF_MAP: makes a dma-buf (memory of a GPU, say) accessible to the device. Segments,
 * id and page_shift as in struct peerlane_dma_map.
 *
 * Without flags the exporter keeps the buffer in its place while the mapping exists; it may refuse,
 * or move it to where every device can reach it first.
 *
 * With PEERLANE_DMABUF_MOVABLE the buffer may stay in memory that only peers can reach, and the
 * exporter may move it later. It is then revoked: bus mastering is switched off, the mapping ends,
 * `event_fd` is signalled. What is left to do is PEERLANE_DMA_UNMAP of its id, PEERLANE_RESET, and
 * to set up anew. With PEERLANE_DMABUF_PIN as well the exporter is asked to keep it in place for as
 * long as the mapping exists; revoking stays possible.
 *
 *  -EBADF, -EINVAL   `fd` is not open, not a dma-buf; `event_fd` is not an eventfd
 *  -ENOSPC           as above
 *  -EOPNOTSUPP       as above; or PEERLANE_DMABUF_MOVABLE and the function cannot be reset
 *  others            as the exporter has it
 */
struct peerlane_dmabuf_map {
	__u32 argsz;
	__u32 flags; /* PEERLANE_DMABUF_* */
	__s32 fd;
	__s32 event_fd; /* an eventfd, with PEERLANE_DMABUF_MOVABLE; -1: none */
	__u64 length;	/* out: of the buffer */
	__u64 segments;
	__u32 n_segments;
	__u32 id;
	__u32 page_shift;
	__u32 reserved; /* 0 */
};

#define PEERLANE_DMABUF_MOVABLE (1u << 0)
#define PEERLANE_DMABUF_PIN (1u << 1)

/*
 * PEERLANE_RESET: resets the function: its registers and queues are as after power-up. Bus
 * mastering is off afterwards; mappings and interrupts stay.
 *
 *  -EAGAIN       something else holds the device just now; bus mastering is off all the same
 *  -EOPNOTSUPP   it cannot be reset
 *  others        the reset failed; bus mastering is off
 */
struct peerlane_reset {
	__u32 argsz;
	__u32 flags; /* 0 */
};

#endif
