// SPDX-License-Identifier: GPL-2.0
/* Exports the memory behind BAR 2 of QEMU's ivshmem-plain as dma-bufs, for tests: it stands in for a GPU's
 * memory, which has no pages of the kernel's either and is reached by addresses on the bus alone. */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "barmem.h"

#define BAR 2

static struct pci_dev *device;
static atomic_t maps;

/* Only for who says that it can do with memory that is no pages. */
static int attach(struct dma_buf *buf, struct dma_buf_attachment *attachment)
{
	return attachment->peer2peer ? 0 : -EOPNOTSUPP;
}

static struct sg_table *map(struct dma_buf_attachment *attachment, enum dma_data_direction dir)
{
	size_t len = attachment->dmabuf->size;
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	dma_addr_t address;
	int ret;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (ret)
		goto free;
	address = dma_map_resource(attachment->dev, pci_resource_start(device, BAR), len, dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
	ret = dma_mapping_error(attachment->dev, address);
	if (ret)
		goto free_table;
	sg_set_page(sgt->sgl, NULL, len, 0);
	sg_dma_address(sgt->sgl) = address;
	sg_dma_len(sgt->sgl) = len;
	atomic_inc(&maps);
	return sgt;
free_table:
	sg_free_table(sgt);
free:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void unmap(struct dma_buf_attachment *attachment, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	dma_unmap_resource(attachment->dev, sg_dma_address(sgt->sgl), sg_dma_len(sgt->sgl), dir,
			   DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
	atomic_dec(&maps);
}

static int pin(struct dma_buf_attachment *attachment)
{
	return 0;
}

static void unpin(struct dma_buf_attachment *attachment)
{
}

static int mmap(struct dma_buf *buf, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > buf->size)
		return -EINVAL;
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	return io_remap_pfn_range(vma, vma->vm_start, pci_resource_start(device, BAR) >> PAGE_SHIFT,
				  vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static void release(struct dma_buf *buf)
{
}

static const struct dma_buf_ops buffer_ops = {
	.attach = attach,
	.map_dma_buf = map,
	.unmap_dma_buf = unmap,
	.pin = pin,
	.unpin = unpin,
	.mmap = mmap,
	.release = release,
};

static long export(struct barmem_export __user *user)
{
	DEFINE_DMA_BUF_EXPORT_INFO(export);
	struct barmem_export a;
	struct dma_buf *buf;

	if (copy_from_user(&a, user, sizeof(a)))
		return -EFAULT;
	if (!a.length || !PAGE_ALIGNED(a.length) || a.length > pci_resource_len(device, BAR))
		return -EINVAL;
	export.ops = &buffer_ops;
	export.size = a.length;
	export.priv = device;
	export.flags = O_RDWR;
	buf = dma_buf_export(&export);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	a.fd = dma_buf_fd(buf, O_CLOEXEC);
	if (a.fd < 0) {
		dma_buf_put(buf);
		return a.fd;
	}
	return copy_to_user(user, &a, sizeof(a)) ? -EFAULT : 0;
}

static long ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd == BARMEM_EXPORT)
		return export((struct barmem_export __user *)arg);
	return cmd == BARMEM_MAPS ? atomic_read(&maps) : -ENOTTY;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = ioctl,
};

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peerlane-barmem",
	.fops = &fops,
	.mode = 0600,
};

/* One is enough. It stays for as long as the module does, whose exports hold on to it. */
static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	if (device)
		return -EBUSY;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	device = pdev;
	return misc_register(&misc);
}

static void remove(struct pci_dev *pdev)
{
	misc_deregister(&misc);
	device = NULL;
}

static const struct pci_device_id ids[] = {{PCI_DEVICE(0x1af4, 0x1110)}, {}};

static struct pci_driver barmem = {
	.name = "peerlane-barmem",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.driver.suppress_bind_attrs = true,
};

module_pci_driver(barmem);

MODULE_DESCRIPTION("Test exporter of PCI memory as dma-bufs");
MODULE_LICENSE("GPL");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS("DMA_BUF");
#else
MODULE_IMPORT_NS(DMA_BUF);
#endif
