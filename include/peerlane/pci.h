/* SPDX-License-Identifier: BSD-2-Clause */
/* One PCI function in user space: registers, interrupts, addresses for DMA.
 *
 * Drivers (lib/nic) use this alone, whatever is behind it: a device on the bus or an emulated one
 * (emu/). Control registers pass pl_pci_read() and pl_pci_write(), which can be traced; a queue's
 * doorbell, written once per burst, passes pl_pci_ring(). */
#ifndef PEERLANE_PCI_H
#define PEERLANE_PCI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/error.h>
#include <peerlane/memory.h>

#define PL_PCI_VENDOR_INTEL 0x8086u

/* Where a device finds a region of memory that was mapped for it: in pieces of 1 << shift bytes,
 * each contiguous for the device, with no order among them. What a device is to read or write in
 * one go must lie in one piece. */
struct pl_dma {
	const uint64_t *address; /* of each piece, as the device says it */
	unsigned shift;
	unsigned n;
	void *base; /* as the processor says it; NULL: not at all */
	size_t len_bytes;
};

/* The device's address of the byte `offset` bytes into the region. */
static inline uint64_t pl_dma_address(const struct pl_dma *dma, uint64_t offset)
{
	return dma->address[offset >> dma->shift] + (offset & (((uint64_t)1 << dma->shift) - 1));
}

struct pl_pci;

/* What a way to reach devices implements. */
struct pl_pci_ops {
	const char *backend; /* "vfio", "kmod", "emulated" */

	/* Registers in BAR 0, 32 bits wide. NULL: they are memory at pl_pci.bar, and nothing
	 * else has to happen. Any thread. */
	uint32_t (*read)(struct pl_pci *pci, uint32_t offset);
	void (*write)(struct pl_pci *pci, uint32_t offset, uint32_t value);

	/* Called after a doorbell has been stored in pl_pci.bar. NULL: a store is all it takes. The
	 * thread that owns the queue. */
	void (*rung)(struct pl_pci *pci);

	/* Configuration space, 1, 2 or 4 bytes. Return 0 or -errno. Control thread, as all
	 * below. */
	int (*config_read)(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t *value);
	int (*config_write)(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t value);

	/* Lets the device read and write memory, or no more. Returns 0 or -errno. */
	int (*bus_master)(struct pl_pci *pci, bool on);

	/* Has MSI-X vector `vector` signal this eventfd (which stays the caller's); -1: nothing any
	 * more. Returns 0 or -errno. */
	int (*irq)(struct pl_pci *pci, unsigned vector, int event_fd);

	/* See pl_pci_dma_map(). */
	int (*dma_map)(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		       struct pl_dma *dma);
	void (*dma_unmap)(struct pl_pci *pci, struct pl_dma *dma);

	/* See pl_pci_dma_import(); dma_unmap() ends it, too. NULL: not to be had by this way. */
	int (*dma_import)(struct pl_pci *pci, const struct pl_remote *remote, struct pl_dma *dma,
			  struct pl_error *err);

	/* See pl_pci_lost() and pl_pci_release(). NULL, both: that does not happen. */
	bool (*lost)(struct pl_pci *pci);
	void (*release)(struct pl_pci *pci);

	void (*close)(struct pl_pci *pci);
};

struct pl_pci {
	const struct pl_pci_ops *ops;
	char name[40]; /* "0000:03:00.0", "emu:eth1" */
	uint16_t vendor, device;
	unsigned n_vectors;    /* MSI-X */
	volatile uint8_t *bar; /* BAR 0; doorbells are stored here in any case */
	size_t bar_bytes;
	bool trace;
};

/* How a device on the bus is reached. */
enum pl_pci_backend {
	PL_PCI_AUTO, /* as what it is bound to has it */
	PL_PCI_VFIO, /* vfio-pci */
	PL_PCI_KMOD, /* our kernel module, peerlane */
};

/* Opens the device at an address such as "0000:03:00.0", for this process alone, and resets it: no
 * bus master, no interrupts, memory enabled. It must be bound to vfio-pci or peerlane already.
 *
 * From then on this process has a handler for SIGBUS: what the kernel raises when the registers of a
 * device that has gone are touched makes them read as all ones instead. A thread that touches
 * registers must not block SIGBUS.
 *
 * Returns 0, or -errno with `err` filled: -ENODEV (there is no such device), -ENXIO (bound to nothing,
 * or to another driver), -EPERM and -EACCES, -EBUSY (another process has it, or a device of its IOMMU
 * group is not for user space), -EOPNOTSUPP (no IOMMU, too few vectors, registers that cannot be
 * mapped, another version of the module), and what the kernel says. Control thread. */
int pl_pci_open(struct pl_pci **pci, const char *address, enum pl_pci_backend backend,
		struct pl_error *err);

/* Whether the kernel wants the device back, or has taken it away, for good; the answer stays true. One
 * that has been taken away reads as all ones, like one that has been pulled out. One that is wanted works
 * as before, and should be stopped: its next driver may let it read and write memory before it has reset
 * it. Then pl_pci_release() should follow, for which the kernel waits. Control thread. */
bool pl_pci_lost(struct pl_pci *pci);

/* Gives a device that is lost back to the kernel. From then on its registers read as all ones; what is
 * left of `pci` fails with -ENODEV, and takes pl_pci_dma_unmap() and pl_pci_close(). Control thread. */
void pl_pci_release(struct pl_pci *pci);

/* What a backend does to a `pci` whose other members it has filled in: reads the environment's
 * PEERLANE_TRACE. */
void pl_pci_init(struct pl_pci *pci);

/* Reads and writes a control register. With PEERLANE_TRACE=regs in the environment each writes a
 * line "r|w offset value" (hexadecimal) to the standard error. A device that is gone reads as
 * all ones. With memory they are in order: what was written to it before is there for the device
 * when a register is written, and what is read of it afterwards is as new as the register. Any
 * thread. */
uint32_t pl_pci_read(struct pl_pci *pci, uint32_t offset);
void pl_pci_write(struct pl_pci *pci, uint32_t offset, uint32_t value);

/* Orders all of the caller's writes to memory before what it stores next, for a device that reads
 * both. On x86 stores are seen in order by devices too; on Arm C11's fences are for the domain of
 * the processors, and devices may be outside of it. */
static inline void pl_pci_write_barrier(void)
{
#ifdef __aarch64__
	__asm__ volatile("dmb oshst" ::: "memory");
#else
	atomic_signal_fence(memory_order_release); /* the compiler alone */
#endif
}

/* Orders the read of a descriptor's "done", or of a register, before all reads after it. */
static inline void pl_pci_read_barrier(void)
{
#ifdef __aarch64__
	__asm__ volatile("dmb oshld" ::: "memory");
#else
	atomic_signal_fence(memory_order_acquire);
#endif
}

/* Writes a doorbell (a ring's tail): what was written before, descriptors and packets, is there for
 * the device when it sees it. Not traced. */
static inline void pl_pci_ring(struct pl_pci *pci, uint32_t offset, uint32_t value)
{
	_Atomic uint32_t *bell = (_Atomic uint32_t *)(uintptr_t)(pci->bar + offset);

	pl_pci_write_barrier();
	/* Release: pairs with the acquire of an emulated device's thread. */
	atomic_store_explicit(bell, value, memory_order_release);
	if (pci->ops->rung)
		pci->ops->rung(pci);
}

/* Makes a region accessible to the device. `page_bytes` is the size of the pages it lies on
 * (pl_region.page_bytes): no piece is smaller. The addresses stay the backend's, until
 * pl_pci_dma_unmap(), before which the device must have stopped using them.
 *
 * Returns 0, or -errno with `err` filled (-ENOMEM: too much memory locked). Control thread. */
int pl_pci_dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		   struct pl_dma *dma, struct pl_error *err);
void pl_pci_dma_unmap(struct pl_pci *pci, struct pl_dma *dma);

/* The same for an accelerator's memory, which the device then reaches without a detour through main memory. What
 * `remote` says of it is read here alone. `dma->base` is NULL.
 *
 * If its owner has to move it none the less, the device is lost (pl_pci_lost()): what it had is not good any more,
 * and it does no DMA.
 *
 * Returns 0, or -errno with `err` filled, which names the link of the chain that is missing: -EOPNOTSUPP (the memory
 * is not for other devices, or this way to the device cannot), -ENOMEM, and what the owner's driver says.
 * Control thread. */
int pl_pci_dma_import(struct pl_pci *pci, const struct pl_remote *remote, struct pl_dma *dma,
		      struct pl_error *err);

/* The rest of pl_pci_ops, with `err` filled on failure. */
int pl_pci_bus_master(struct pl_pci *pci, bool on, struct pl_error *err);
int pl_pci_irq(struct pl_pci *pci, unsigned vector, int event_fd, struct pl_error *err);

/* Ends DMA (bus mastering off) and lets go of the device. Accepts NULL. */
void pl_pci_close(struct pl_pci *pci);

#endif
