// SPDX-License-Identifier: GPL-2.0
/*
 * peerlane.ko: PCI functions for a driver in user space.
 *
 * What a process with an open device can do: anything that the device can. With an IOMMU that
 * translates, remaps interrupts and keeps it apart from other devices, the device reaches what was
 * mapped for it. Without one it reaches all of memory, and whoever has it open owns the machine; so
 * then CAP_SYS_RAWIO is asked for besides the permissions of the file.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/slab.h>

#include "compat.h"
#include "private.h"

#define MAX_DEVICES 256

static dev_t first_devt;
static DEFINE_IDA(minors);

/* No devnode(): a device's name has a slash in it, and its mode is 0600 until udev is asked. */
struct class peerlane_class = {
	.name = "peerlane",
};

bool peerlane_can_reset(struct peerlane_dev *dev)
{
	return dev->pdev->reset_methods[0];
}

bool peerlane_translated(struct peerlane_dev *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&dev->pdev->dev);

	return domain && domain->type & __IOMMU_DOMAIN_PAGING;
}

/* Bridges do no DMA of their own. */
static int is_other(struct device *d, void *own)
{
	return d != own && !(dev_is_pci(d) && pci_is_bridge(to_pci_dev(d)));
}

/* The devices of a group share one table of addresses, or reach each other beside it: what the
 * kernel maps for another one is this one's, too. And without remapping of interrupts a write
 * raises any. */
bool peerlane_confined(struct peerlane_dev *dev)
{
	struct device *d = &dev->pdev->dev;
	struct iommu_group *group;
	bool confined;

	if (!peerlane_translated(dev))
		return false;
	group = iommu_group_get(d);
	if (!group)
		return false;
	confined = !iommu_group_for_each_dev(group, d, is_other) && peerlane_isolated_msi(d, group);
	iommu_group_put(group);
	return confined;
}

/* What was unmapped is out of the device's reach when this returns. With a queue of flushes (the
 * usual setting, not iommu.strict=1) the IOMMU may remember it for a while, and memory that is let
 * go of is soon somebody else's. */
void peerlane_flush(struct peerlane_dev *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&dev->pdev->dev);

	if (domain && domain->type == IOMMU_DOMAIN_DMA_FQ)
		iommu_flush_iotlb_all(domain);
}

int peerlane_master_on(struct peerlane_dev *dev)
{
	int ret = 0;

	spin_lock(&dev->master);
	if (dev->revoked)
		ret = -ESTALE;
	else
		pci_set_master(dev->pdev);
	spin_unlock(&dev->master);
	return ret;
}

/* The read of its status pushes what the device wrote before it. */
void peerlane_master_off(struct peerlane_dev *dev)
{
	spin_lock(&dev->master);
	pci_clear_master(dev->pdev);
	spin_unlock(&dev->master);
	pci_wait_for_pending_transaction(dev->pdev);
}

void peerlane_revoke(struct peerlane_dev *dev)
{
	spin_lock(&dev->master);
	dev->revoked = true;
	pci_clear_master(dev->pdev);
	spin_unlock(&dev->master);
	pci_wait_for_pending_transaction(dev->pdev);
}

/* Bus mastering is off in the state that is saved and restored around the reset, and a buffer that
 * is revoked meanwhile leaves it off. The registers are out of reach until the function answers. */
static int try_reset(struct peerlane_dev *dev)
{
	bool revoked;
	int ret;

	spin_lock(&dev->master);
	revoked = dev->revoked;
	dev->revoked = false;
	spin_unlock(&dev->master);
	peerlane_master_off(dev);

	mutex_lock(&dev->bar);
	peerlane_zap(dev);
	ret = pci_try_reset_function(dev->pdev);
	/* For slot_reset(): a state is restored once. */
	if (!ret)
		pci_save_state(dev->pdev);
	mutex_unlock(&dev->bar);
	if (!ret)
		return 0;

	spin_lock(&dev->master);
	dev->revoked |= revoked;
	spin_unlock(&dev->master);
	return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

/* The device's lock may be remove()'s, who waits for ours. */
int peerlane_reset(struct peerlane_dev *dev)
{
	unsigned int tries;
	int ret;

	for (tries = 0; tries < 100; tries++) {
		mutex_lock(&dev->lock);
		ret = dev->gone ? -ENODEV : try_reset(dev);
		mutex_unlock(&dev->lock);
		if (ret != -EAGAIN)
			break;
		msleep(10);
	}
	return ret;
}

/* In remove(), which has the device's lock already: for the next driver. */
static void reset_locked(struct peerlane_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int ret;

	if (dev->clean || !peerlane_can_reset(dev) || !pci_device_is_present(pdev))
		return;
	pci_cfg_access_lock(pdev);
	ret = pci_save_state(pdev);
	if (!ret) {
		ret = __pci_reset_function_locked(pdev);
		pci_restore_state(pdev);
	}
	pci_cfg_access_unlock(pdev);
	if (ret)
		pci_warn(pdev, "not reset: %d\n", ret);
}

static void release(struct device *d)
{
	struct peerlane_dev *dev = container_of(d, struct peerlane_dev, dev);

	ida_free(&minors, MINOR(d->devt) - MINOR(first_devt));
	mutex_destroy(&dev->bar);
	mutex_destroy(&dev->lock);
	kfree(dev);
}

/* From here on put_device() is what frees it. */
static struct peerlane_dev *new_device(struct pci_dev *pdev)
{
	struct peerlane_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int minor, ret;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	minor = ida_alloc_max(&minors, MAX_DEVICES - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(dev);
		return ERR_PTR(minor);
	}
	mutex_init(&dev->lock);
	mutex_init(&dev->bar);
	spin_lock_init(&dev->master);
	dev->pdev = pdev;
	dev->bar_start = pci_resource_start(pdev, 0);
	dev->bar_len = pci_resource_len(pdev, 0);
	dev->n_vectors = max(pci_msix_vec_count(pdev), 0);
	device_initialize(&dev->dev);
	dev->dev.class = &peerlane_class;
	dev->dev.parent = &pdev->dev;
	dev->dev.devt = MKDEV(MAJOR(first_devt), MINOR(first_devt) + minor);
	dev->dev.release = release;
	ret = dev_set_name(&dev->dev, "peerlane/%s", pci_name(pdev));
	if (ret) {
		put_device(&dev->dev);
		return ERR_PTR(ret);
	}
	return dev;
}

/* A mapping of BAR 0 must give that and nothing else: neither what shares its page, nor the table
 * that says where interrupts are written. */
static int check_bar(struct pci_dev *pdev)
{
	u32 table;

	if (!(pci_resource_flags(pdev, 0) & IORESOURCE_MEM) || !pci_resource_len(pdev, 0) ||
	    !PAGE_ALIGNED(pci_resource_start(pdev, 0)) ||
	    !PAGE_ALIGNED(pci_resource_len(pdev, 0))) {
		pci_err(pdev, "BAR 0 is not whole pages of memory\n");
		return -EINVAL;
	}
	if (!pdev->msix_cap)
		return 0;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	if ((table & PCI_MSIX_TABLE_BIR) == 0) {
		pci_err(pdev, "the MSI-X table is in BAR 0\n");
		return -EINVAL;
	}
	return 0;
}

/* The device stays in D0 while it is bound: the core resumed it for probe(), and only a driver that
 * does runtime power management lets it go again. */
static int enable(struct pci_dev *pdev)
{
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_regions(pdev, KBUILD_MODNAME);
	if (ret)
		goto disable;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		goto release;
	dma_set_max_seg_size(&pdev->dev, PEERLANE_MAX_SEGMENT);
	dma_set_seg_boundary(&pdev->dev, ULONG_MAX);
	/* The firmware or another driver may have left it on. */
	pci_clear_master(pdev);
	pci_save_state(pdev);
	return 0;
release:
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
	return ret;
}

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct peerlane_dev *dev;
	int ret;

	ret = check_bar(pdev);
	if (ret)
		return ret;
	ret = enable(pdev);
	if (ret)
		return ret;
	dev = new_device(pdev);
	if (IS_ERR(dev)) {
		ret = PTR_ERR(dev);
		goto disable;
	}
	pci_set_drvdata(pdev, dev);
	cdev_init(&dev->cdev, &peerlane_fops);
	dev->cdev.owner = THIS_MODULE;
	ret = cdev_device_add(&dev->cdev, &dev->dev);
	if (ret)
		goto put;
	pci_info(pdev, "for user space, %s, %s\n",
		 peerlane_confined(dev)	    ? "behind an IOMMU"
		 : peerlane_translated(dev) ? "behind an IOMMU that does not keep it apart"
					    : "without an IOMMU",
		 peerlane_can_reset(dev) ? "reset at open and close" : "which cannot reset it");
	return 0;
put:
	put_device(&dev->dev);
disable:
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	return ret;
}

static void remove(struct pci_dev *pdev)
{
	struct peerlane_dev *dev = pci_get_drvdata(pdev);

	cdev_device_del(&dev->cdev, &dev->dev);
	mutex_lock(&dev->lock);
	mutex_lock(&dev->bar);
	dev->gone = true;
	peerlane_zap(dev);
	mutex_unlock(&dev->bar);
	peerlane_master_off(dev);
	if (dev->file)
		peerlane_irq_free_all(dev->file);
	reset_locked(dev);
	if (dev->file)
		peerlane_unmap_all(dev->file);
	mutex_unlock(&dev->lock);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	put_device(&dev->dev);
}

/* What the user's driver knew of the device is no longer so: the file is of no use. Who waits for
 * an interrupt is woken. */
static pci_ers_result_t error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct peerlane_dev *dev = pci_get_drvdata(pdev);

	if (state == pci_channel_io_normal)
		return PCI_ERS_RESULT_CAN_RECOVER;
	mutex_lock(&dev->lock);
	spin_lock(&dev->master);
	pci_clear_master(pdev);
	spin_unlock(&dev->master);
	if (dev->file) {
		dev->file->failed = true;
		peerlane_irq_signal_all(dev->file);
	}
	mutex_unlock(&dev->lock);
	return state == pci_channel_io_frozen ? PCI_ERS_RESULT_NEED_RESET
					      : PCI_ERS_RESULT_DISCONNECT;
}

/* With the state that probe() or the last reset saved: no bus mastering. */
static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers error_handlers = {
	.error_detected = error_detected,
	.slot_reset = slot_reset,
};

/* A driver in user space would find the device without its state, and no one tells it. */
static int suspend(struct device *d)
{
	struct peerlane_dev *dev = pci_get_drvdata(to_pci_dev(d));
	int ret;

	mutex_lock(&dev->lock);
	ret = dev->file ? -EBUSY : 0;
	mutex_unlock(&dev->lock);
	return ret;
}

static int resume(struct device *d)
{
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(pm_ops, suspend, resume);

/* The devices that Peerlane's drivers know (lib/nic/ids.c). They are bound where driver_override
 * says so, and not because the module is loaded: they have drivers in the kernel. Others come by
 * driver_override or new_id. */
#define INTEL(device) PCI_DEVICE_DRIVER_OVERRIDE(PCI_VENDOR_ID_INTEL, device, true)
static const struct pci_device_id ids[] = {
	{INTEL(0x10fb)}, {INTEL(0x1507)}, {INTEL(0x154d)}, {INTEL(0x1557)},
	{INTEL(0x1528)}, {INTEL(0x1560)}, {INTEL(0x1563)}, {INTEL(0x15d1)},
	{INTEL(0x10c9)}, {INTEL(0x10e8)}, {INTEL(0x1526)}, {INTEL(0x1521)},
	{INTEL(0x1533)}, {INTEL(0x157b)}, {INTEL(0x10e6)}, {INTEL(0x10e7)},
	{INTEL(0x1522)}, {INTEL(0x1523)}, {INTEL(0x1524)}, {INTEL(0x1536)},
	{INTEL(0x1537)}, {INTEL(0x1538)}, {INTEL(0x157c)}, {},
};

static struct pci_driver driver = {
	.name = KBUILD_MODNAME,
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.err_handler = &error_handlers,
	.driver.pm = pm_sleep_ptr(&pm_ops),
};

static int __init peerlane_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&first_devt, 0, MAX_DEVICES, KBUILD_MODNAME);
	if (ret)
		return ret;
	ret = class_register(&peerlane_class);
	if (ret)
		goto unregister_chrdev;
	ret = pci_register_driver(&driver);
	if (ret)
		goto unregister_class;
	return 0;
unregister_class:
	class_unregister(&peerlane_class);
unregister_chrdev:
	unregister_chrdev_region(first_devt, MAX_DEVICES);
	return ret;
}

static void __exit peerlane_exit(void)
{
	pci_unregister_driver(&driver);
	class_unregister(&peerlane_class);
	unregister_chrdev_region(first_devt, MAX_DEVICES);
	ida_destroy(&minors);
}

module_init(peerlane_init);
module_exit(peerlane_exit);

MODULE_DESCRIPTION("PCI functions for Peerlane's drivers in user space");
MODULE_LICENSE("GPL");
MODULE_VERSION("1");
PEERLANE_IMPORT_DMA_BUF;
