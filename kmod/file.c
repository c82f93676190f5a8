// SPDX-License-Identifier: GPL-2.0
/* The character device: open, close, BAR 0, and the way to the ioctls. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "private.h"

int peerlane_lock(struct peerlane_file *file)
{
	int ret = 0;

	if (mutex_lock_killable(&file->dev->lock))
		return -EINTR;
	if (file->dev->gone)
		ret = -ENODEV;
	else if (file->failed)
		ret = -EIO;
	if (ret)
		mutex_unlock(&file->dev->lock);
	return ret;
}

/* The lock is held. A device that is confined reaches what is mapped for it, and the permissions of
 * the file are enough. */
static int may_open(struct peerlane_dev *dev)
{
	if (dev->gone)
		return -ENODEV;
	if (dev->file)
		return -EBUSY;
	if (peerlane_confined(dev))
		return 0;
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	return security_locked_down(LOCKDOWN_PCI_ACCESS);
}

/* Lets go of the device, if it is still there. */
static void detach(struct peerlane_file *file)
{
	struct peerlane_dev *dev = file->dev;
	int ret;

	mutex_lock(&dev->lock);
	if (!dev->gone) {
		peerlane_master_off(dev);
		peerlane_irq_free_all(file);
	}
	mutex_unlock(&dev->lock);
	/* With its memory still mapped: it may not have heard that it is to be still. */
	ret = peerlane_reset(dev);
	mutex_lock(&dev->lock);
	if (!dev->gone) {
		dev->clean = !ret;
		if (ret && ret != -EOPNOTSUPP)
			pci_warn(dev->pdev, "not reset at close: %d\n", ret);
		peerlane_unmap_all(file);
	}
	dev->file = NULL;
	mutex_unlock(&dev->lock);
}

static void free_file(struct peerlane_file *file)
{
	xa_destroy(&file->maps);
	put_device(&file->dev->dev);
	kfree(file);
}

static int peerlane_open(struct inode *inode, struct file *filp)
{
	struct peerlane_dev *dev = container_of(inode->i_cdev, struct peerlane_dev, cdev);
	struct peerlane_file *file;
	int ret;

	if ((filp->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EACCES;
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	get_device(&dev->dev);
	file->dev = dev;
	file->mapping = filp->f_mapping;
	xa_init_flags(&file->maps, XA_FLAGS_ALLOC1);

	mutex_lock(&dev->lock);
	ret = may_open(dev);
	if (!ret) {
		dev->file = file;
		dev->clean = false;
	}
	mutex_unlock(&dev->lock);
	if (ret)
		goto free;
	ret = peerlane_reset(dev);
	if (ret && ret != -EOPNOTSUPP) {
		mutex_lock(&dev->lock);
		dev->file = NULL;
		mutex_unlock(&dev->lock);
		goto free;
	}
	filp->private_data = file;
	return nonseekable_open(inode, filp);
free:
	free_file(file);
	return ret;
}

/* When the last descriptor and the last mapping are gone, of a process that was killed too. */
static int peerlane_release(struct inode *inode, struct file *filp)
{
	struct peerlane_file *file = filp->private_data;

	detach(file);
	free_file(file);
	return 0;
}

static vm_fault_t fault(struct vm_fault *vmf)
{
	struct peerlane_file *file = vmf->vma->vm_private_data;
	struct peerlane_dev *dev = file->dev;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	mutex_lock(&dev->bar);
	if (!dev->gone && vmf->pgoff < dev->bar_len >> PAGE_SHIFT)
		ret = vmf_insert_pfn(vmf->vma, vmf->address,
				     (dev->bar_start >> PAGE_SHIFT) + vmf->pgoff);
	mutex_unlock(&dev->bar);
	return ret;
}

static const struct vm_operations_struct vm_ops = {
	.fault = fault,
};

/* Pages are inserted when they are touched, so that they can be taken away and come back. */
static int peerlane_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct peerlane_file *file = filp->private_data;
	u64 n_pages = file->dev->bar_len >> PAGE_SHIFT;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC)
		return -EINVAL;
	if (vma->vm_pgoff >= n_pages || vma_pages(vma) > n_pages - vma->vm_pgoff)
		return -EINVAL;
	peerlane_vm_flags(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_private_data = file;
	vma->vm_ops = &vm_ops;
	return 0;
}

/* dev->bar is held: nothing is inserted meanwhile. */
void peerlane_zap(struct peerlane_dev *dev)
{
	if (dev->file)
		unmap_mapping_range(dev->file->mapping, 0, dev->bar_len, true);
}

static int info(struct peerlane_file *file, union peerlane_args *args)
{
	struct peerlane_dev *dev = file->dev;
	struct pci_dev *pdev = dev->pdev;
	int ret;

	if (args->info.flags)
		return -EINVAL;
	ret = peerlane_lock(file);
	if (ret)
		return ret;
	args->info = (struct peerlane_info){
		.argsz = sizeof(args->info),
		.version = PEERLANE_UAPI_VERSION,
		.features = (peerlane_can_reset(dev) ? PEERLANE_FEATURE_RESET : 0) |
			    (peerlane_confined(dev) ? PEERLANE_FEATURE_IOMMU : 0) |
			    (READ_ONCE(dev->revoked) ? PEERLANE_FEATURE_REVOKED : 0),
		.bar_len = dev->bar_len,
		.n_vectors = dev->n_vectors,
		.max_maps = PEERLANE_MAX_MAPS,
		.vendor = pdev->vendor,
		.device = pdev->device,
		.subsystem_vendor = pdev->subsystem_vendor,
		.subsystem_device = pdev->subsystem_device,
		.revision = pdev->revision,
	};
	mutex_unlock(&dev->lock);
	return 0;
}

static int bus_master(struct peerlane_file *file, union peerlane_args *args)
{
	struct peerlane_bus_master *a = &args->bus_master;
	int ret;

	if (a->flags || a->reserved || a->on > 1)
		return -EINVAL;
	ret = peerlane_lock(file);
	if (ret)
		return ret;
	if (a->on)
		ret = peerlane_master_on(file->dev);
	else
		peerlane_master_off(file->dev);
	mutex_unlock(&file->dev->lock);
	return ret;
}

static int reset(struct peerlane_file *file, union peerlane_args *args)
{
	int ret;

	if (args->reset.flags)
		return -EINVAL;
	ret = peerlane_lock(file);
	if (ret)
		return ret;
	mutex_unlock(&file->dev->lock);
	return peerlane_reset(file->dev);
}

/* All structures' sizes are the first version's. One that grows needs both: the least that is
 * taken, and what is known. */
static const struct ioctl {
	int (*run)(struct peerlane_file *file, union peerlane_args *args);
	/* What to do when what run() returned does not reach the user; NULL: returns nothing. */
	void (*undo)(struct peerlane_file *file, union peerlane_args *args);
	size_t size;
	unsigned int cmd;
	bool out;
} ioctls[] = {
	{info, NULL, sizeof(struct peerlane_info), PEERLANE_INFO, true},
	{bus_master, NULL, sizeof(struct peerlane_bus_master), PEERLANE_BUS_MASTER, false},
	{peerlane_irq, NULL, sizeof(struct peerlane_irq), PEERLANE_IRQ, false},
	{peerlane_dma_map, peerlane_dma_map_undo, sizeof(struct peerlane_dma_map), PEERLANE_DMA_MAP,
	 true},
	{peerlane_dma_unmap, NULL, sizeof(struct peerlane_dma_unmap), PEERLANE_DMA_UNMAP, false},
	{peerlane_dmabuf_map, peerlane_dmabuf_map_undo, sizeof(struct peerlane_dmabuf_map),
	 PEERLANE_DMABUF_MAP, true},
	{reset, NULL, sizeof(struct peerlane_reset), PEERLANE_RESET, false},
};

static int args_in(union peerlane_args *args, const struct ioctl *ioctl, void __user *user)
{
	u32 argsz;
	int ret;

	if (get_user(argsz, (u32 __user *)user))
		return -EFAULT;
	if (argsz < ioctl->size)
		return -EINVAL;
	if (argsz > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(args, ioctl->size, user, argsz);
	/* It may have changed between the two looks. */
	args->info.argsz = argsz;
	return ret;
}

static long run(struct peerlane_file *file, const struct ioctl *ioctl, void __user *user)
{
	union peerlane_args args = {};
	int ret;

	ret = args_in(&args, ioctl, user);
	if (ret)
		return ret;
	ret = ioctl->run(file, &args);
	/* -ENOSPC says how many segments there are. */
	if (!ioctl->out || (ret && ret != -ENOSPC))
		return ret;
	if (copy_to_user(user, &args, ioctl->size)) {
		if (!ret && ioctl->undo)
			ioctl->undo(file, &args);
		return -EFAULT;
	}
	return ret;
}

static long peerlane_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		if (ioctls[i].cmd == cmd)
			return run(filp->private_data, &ioctls[i], (void __user *)arg);
	return -ENOTTY;
}

const struct file_operations peerlane_fops = {
	.owner = THIS_MODULE,
	.open = peerlane_open,
	.release = peerlane_release,
	.unlocked_ioctl = peerlane_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = peerlane_mmap,
};
