// SPDX-License-Identifier: GPL-2.0
/* Exports pages as dma-bufs, for tests: buffers of many segments, which move when told to. */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "exporter.h"

#define MAX_PAGES 64

struct buffer {
	unsigned int n_pages;
	struct page *pages[MAX_PAGES];
	atomic_t maps, pins;
};

struct exporter {
	struct mutex lock;
	struct dma_buf *last;
};

static struct sg_table *map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct buffer *buffer = attach->dmabuf->priv;
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, buffer->n_pages, GFP_KERNEL);
	if (ret)
		goto free;
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, buffer->pages[i], PAGE_SIZE, 0);
	ret = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (ret)
		goto free_table;
	atomic_inc(&buffer->maps);
	return sgt;
free_table:
	sg_free_table(sgt);
free:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	struct buffer *buffer = attach->dmabuf->priv;

	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
	atomic_dec(&buffer->maps);
}

static int pin(struct dma_buf_attachment *attach)
{
	struct buffer *buffer = attach->dmabuf->priv;

	atomic_inc(&buffer->pins);
	return 0;
}

static void unpin(struct dma_buf_attachment *attach)
{
	struct buffer *buffer = attach->dmabuf->priv;

	atomic_dec(&buffer->pins);
}

static void release_buffer(struct buffer *buffer)
{
	unsigned int i;

	for (i = 0; i < buffer->n_pages; i++)
		if (buffer->pages[i])
			__free_page(buffer->pages[i]);
	kfree(buffer);
}

static void release_dmabuf(struct dma_buf *buf)
{
	struct buffer *buffer = buf->priv;

	WARN_ON(atomic_read(&buffer->maps) || atomic_read(&buffer->pins));
	release_buffer(buffer);
}

static const struct dma_buf_ops buffer_ops = {
	.map_dma_buf = map,
	.unmap_dma_buf = unmap,
	.pin = pin,
	.unpin = unpin,
	.release = release_dmabuf,
};

static struct dma_buf *new_buffer(unsigned int n_pages)
{
	DEFINE_DMA_BUF_EXPORT_INFO(export);
	struct buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	struct dma_buf *buf;
	unsigned int i;

	if (!buffer)
		return ERR_PTR(-ENOMEM);
	buffer->n_pages = n_pages;
	for (i = 0; i < n_pages; i++) {
		buffer->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!buffer->pages[i]) {
			release_buffer(buffer);
			return ERR_PTR(-ENOMEM);
		}
	}
	export.ops = &buffer_ops;
	export.size = (size_t)n_pages << PAGE_SHIFT;
	export.flags = O_RDWR;
	export.priv = buffer;
	buf = dma_buf_export(&export);
	if (IS_ERR(buf))
		release_buffer(buffer);
	return buf;
}

static int export(struct exporter *exporter, struct exporter_export __user *user)
{
	struct exporter_export a;
	struct dma_buf *buf;

	if (copy_from_user(&a, user, sizeof(a)))
		return -EFAULT;
	if (!a.n_pages || a.n_pages > MAX_PAGES)
		return -EINVAL;
	buf = new_buffer(a.n_pages);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	/* The user may close it as soon as there is a descriptor. */
	get_dma_buf(buf);
	a.fd = dma_buf_fd(buf, O_CLOEXEC);
	if (a.fd < 0) {
		dma_buf_put(buf);
		dma_buf_put(buf);
		return a.fd;
	}
	if (exporter->last)
		dma_buf_put(exporter->last);
	exporter->last = buf;
	return copy_to_user(user, &a, sizeof(a)) ? -EFAULT : 0;
}

static long ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct exporter *exporter = file->private_data;
	struct buffer *buffer;
	long ret = 0;

	mutex_lock(&exporter->lock);
	if (cmd == EXPORTER_EXPORT) {
		ret = export(exporter, (struct exporter_export __user *)arg);
	} else if (!exporter->last) {
		ret = -EINVAL;
	} else if (cmd == EXPORTER_MOVE) {
		dma_resv_lock(exporter->last->resv, NULL);
		dma_buf_move_notify(exporter->last);
		dma_resv_unlock(exporter->last->resv);
	} else if (cmd == EXPORTER_COUNT) {
		buffer = exporter->last->priv;
		ret = atomic_read(&buffer->maps) | atomic_read(&buffer->pins) << 16;
	} else {
		ret = -ENOTTY;
	}
	mutex_unlock(&exporter->lock);
	return ret;
}

static int open(struct inode *inode, struct file *file)
{
	struct exporter *exporter = kzalloc(sizeof(*exporter), GFP_KERNEL);

	if (!exporter)
		return -ENOMEM;
	mutex_init(&exporter->lock);
	file->private_data = exporter;
	return 0;
}

static int release(struct inode *inode, struct file *file)
{
	struct exporter *exporter = file->private_data;

	if (exporter->last)
		dma_buf_put(exporter->last);
	kfree(exporter);
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = open,
	.release = release,
	.unlocked_ioctl = ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peerlane-exporter",
	.fops = &fops,
	.mode = 0600,
};

module_misc_device(device);

MODULE_DESCRIPTION("Test exporter of dma-bufs");
MODULE_LICENSE("GPL");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS("DMA_BUF");
#else
MODULE_IMPORT_NS(DMA_BUF);
#endif
