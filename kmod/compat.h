/* SPDX-License-Identifier: GPL-2.0 */
/* What changed its name or its arguments between Linux 6.1 and 6.13. */
#ifndef PEERLANE_COMPAT_H
#define PEERLANE_COMPAT_H

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/eventfd.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/mm.h>
#include <linux/version.h>

static inline void peerlane_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

static inline void peerlane_vm_flags(struct vm_area_struct *vma, unsigned long set,
				     unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

/* Whether what the device writes raises no interrupts but its own. */
static inline bool peerlane_isolated_msi(struct device *d, struct iommu_group *group)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return iommu_group_has_isolated_msi(group);
#else
	return irq_domain_check_msi_remap() || device_iommu_capable(d, IOMMU_CAP_INTR_REMAP);
#endif
}

/* The buffer's lock around mapping. Before 6.2 not of attachments that do not follow moves: their
 * exporters may take it themselves. */
static inline bool peerlane_map_is_locked(struct dma_buf_attachment *attach)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return true;
#else
	return dma_buf_attachment_is_dynamic(attach);
#endif
}

static inline void peerlane_map_lock(struct dma_buf_attachment *attach)
{
	if (peerlane_map_is_locked(attach))
		dma_resv_lock(attach->dmabuf->resv, NULL);
}

static inline void peerlane_map_unlock(struct dma_buf_attachment *attach)
{
	if (peerlane_map_is_locked(attach))
		dma_resv_unlock(attach->dmabuf->resv);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define PEERLANE_IMPORT_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#else
#define PEERLANE_IMPORT_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#endif

#endif
