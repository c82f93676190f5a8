// SPDX-License-Identifier: GPL-2.0
/* Memory of the user, pinned and mapped for the device. */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "private.h"

/* The longest region: 1 TiB. */
#define MAX_LENGTH (1ull << 40)

/* Pinned pages have a count of their own in the address space, beside that of mlock(); the same
 * limit is for each, as drivers of RDMA devices have it. */
static int charge(struct mm_struct *mm, unsigned long n_pages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(n_pages, &mm->pinned_vm) > limit && !capable(CAP_IPC_LOCK)) {
		atomic64_sub(n_pages, &mm->pinned_vm);
		return -ENOMEM;
	}
	return 0;
}

static void unpin(struct peerlane_map *map)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&map->pages.sgt, sg, i) {
		unpin_user_page_range_dirty_lock(sg_page(sg), DIV_ROUND_UP(sg->length, PAGE_SIZE),
						 true);
		cond_resched();
	}
	sg_free_append_table(&map->pages);
	atomic64_sub(map->n_pages, &map->mm->pinned_vm);
	mmdrop(map->mm);
}

/* Neighbours among pages become one entry, so that a huge page is one. */
static int pin_pages(struct peerlane_map *map, unsigned long address)
{
	const unsigned long batch = PAGE_SIZE / sizeof(struct page *);
	unsigned long left = map->n_pages;
	struct page **pages;
	int n, ret = 0;

	pages = (struct page **)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	while (left && !ret) {
		cond_resched();
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		n = pin_user_pages_fast(address, min(left, batch), FOLL_WRITE | FOLL_LONGTERM,
					pages);
		if (n <= 0) {
			ret = n ? n : -EFAULT;
			break;
		}
		left -= n;
		address += (unsigned long)n << PAGE_SHIFT;
		ret = sg_alloc_append_table_from_pages(
			&map->pages, pages, n, 0, (unsigned long)n << PAGE_SHIFT,
			PEERLANE_MAX_SEGMENT, left, GFP_KERNEL_ACCOUNT);
		/* Then none of them is in the table. */
		if (ret)
			unpin_user_pages(pages, n);
	}
	free_page((unsigned long)pages);
	return ret;
}

static struct peerlane_map *pin(struct peerlane_dev *dev, u64 vaddr, u64 length)
{
	struct peerlane_map *map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!map)
		return ERR_PTR(-ENOMEM);
	map->dev = dev;
	map->mm = current->mm;
	map->n_pages = length >> PAGE_SHIFT;
	ret = charge(map->mm, map->n_pages);
	if (ret) {
		kfree(map);
		return ERR_PTR(ret);
	}
	mmgrab(map->mm);
	ret = pin_pages(map, vaddr);
	if (ret) {
		unpin(map);
		kfree(map);
		return ERR_PTR(ret);
	}
	return map;
}

/* The device and the processor share memory for as long as a mapping exists; there is no moment at
 * which to copy to bounce buffers or to flush caches. */
static bool coherent(struct peerlane_dev *dev, const struct peerlane_segment *segment, u32 n)
{
	struct device *d = &dev->pdev->dev;

	if (!dev_is_dma_coherent(d))
		return false;
	/* Behind an IOMMU whole pages are not bounced, and dma_need_sync() does not know. */
	if (peerlane_translated(dev))
		return true;
	while (n--)
		if (dma_need_sync(d, segment[n].address))
			return false;
	return true;
}

/* Each run of addresses that the device finds contiguous. `out` NULL: only counts them. */
static u32 walk(struct sg_table *sgt, struct peerlane_segment *out)
{
	u64 address = 0, len = 0;
	struct scatterlist *sg;
	unsigned int i;
	u32 n = 0;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (!sg_dma_len(sg))
			continue;
		if (n && sg_dma_address(sg) == address + len) {
			len += sg_dma_len(sg);
		} else {
			address = sg_dma_address(sg);
			len = sg_dma_len(sg);
			n++;
		}
		if (out)
			out[n - 1] = (struct peerlane_segment){address, len};
	}
	return n;
}

int peerlane_segments(struct peerlane_dev *dev, struct sg_table *sgt, u32 *room,
		      struct peerlane_segments *out)
{
	u64 offset = 0, borders = 0;
	u32 i, n = walk(sgt, NULL);

	if (!n)
		return -EINVAL;
	if (n > *room) {
		*room = n;
		return -ENOSPC;
	}
	out->segment = kvmalloc_array(n, sizeof(*out->segment), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!out->segment)
		return -ENOMEM;
	walk(sgt, out->segment);
	if (!coherent(dev, out->segment, n)) {
		kvfree(out->segment);
		out->segment = NULL;
		return -EOPNOTSUPP;
	}
	for (i = 0; i < n; i++) {
		borders |= offset;
		offset += out->segment[i].len;
	}
	out->n = n;
	out->page_shift = borders ? __ffs64(borders) : order_base_2(offset);
	return 0;
}

int peerlane_segments_out(struct peerlane_segments *segments, u64 user)
{
	size_t size = array_size(segments->n, sizeof(*segments->segment));
	int ret = 0;

	if (copy_to_user(u64_to_user_ptr(user), segments->segment, size))
		ret = -EFAULT;
	kvfree(segments->segment);
	segments->segment = NULL;
	return ret;
}

int peerlane_map_add(struct peerlane_file *file, struct peerlane_map *map, u32 *id)
{
	int ret;

	if (file->n_maps >= PEERLANE_MAX_MAPS)
		return -ENOSPC;
	/* The id of a mapping that has ended is not the next one's, for a user's sake. */
	ret = xa_alloc_cyclic(&file->maps, id, map, XA_LIMIT(1, INT_MAX), &file->next_map,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return ret;
	file->n_maps++;
	return 0;
}

static void release(struct peerlane_map *map)
{
	if (map->attach) {
		peerlane_dmabuf_release(map);
	} else {
		dma_unmap_sgtable(&map->dev->pdev->dev, map->sgt, DMA_BIDIRECTIONAL, 0);
		peerlane_flush(map->dev);
		unpin(map);
	}
	kfree(map);
}

/* Makes pinned pages the device's. On failure they are still the caller's. */
static int map_pinned(struct peerlane_file *file, struct peerlane_map *map,
		      struct peerlane_dma_map *a, struct peerlane_segments *segments)
{
	struct device *d = &file->dev->pdev->dev;
	int ret;

	ret = dma_map_sgtable(d, &map->pages.sgt, DMA_BIDIRECTIONAL, 0);
	if (ret)
		return ret;
	map->sgt = &map->pages.sgt;
	ret = peerlane_segments(file->dev, map->sgt, &a->n_segments, segments);
	if (!ret) {
		ret = peerlane_map_add(file, map, &a->id);
		if (!ret)
			return 0;
		kvfree(segments->segment);
		segments->segment = NULL;
	}
	dma_unmap_sgtable(d, map->sgt, DMA_BIDIRECTIONAL, 0);
	peerlane_flush(file->dev);
	map->sgt = NULL;
	return ret;
}

int peerlane_dma_map(struct peerlane_file *file, union peerlane_args *args)
{
	struct peerlane_dma_map *a = &args->dma_map;
	struct peerlane_segments segments = {};
	struct peerlane_map *map;
	u64 end;
	int ret;

	if (a->flags || a->reserved || !a->length || a->length > MAX_LENGTH ||
	    !PAGE_ALIGNED(a->vaddr) || !PAGE_ALIGNED(a->length) ||
	    check_add_overflow(a->vaddr, a->length, &end) || end > ULONG_MAX)
		return -EINVAL;
	map = pin(file->dev, a->vaddr, a->length);
	if (IS_ERR(map))
		return PTR_ERR(map);
	ret = peerlane_lock(file);
	if (!ret) {
		ret = map_pinned(file, map, a, &segments);
		mutex_unlock(&file->dev->lock);
	}
	if (ret) {
		unpin(map);
		kfree(map);
		return ret;
	}
	/* From here on the map may be gone at any time: another thread guessed its id. */
	a->n_segments = segments.n;
	a->page_shift = segments.page_shift;
	ret = peerlane_segments_out(&segments, a->segments);
	if (ret)
		peerlane_dma_map_undo(file, args);
	return ret;
}

static int unmap(struct peerlane_file *file, u32 id)
{
	struct peerlane_map *map;
	int ret;

	ret = peerlane_lock(file);
	if (ret)
		return ret;
	map = xa_erase(&file->maps, id);
	if (map) {
		file->n_maps--;
		release(map);
	}
	mutex_unlock(&file->dev->lock);
	return map ? 0 : -ENOENT;
}

void peerlane_dma_map_undo(struct peerlane_file *file, union peerlane_args *args)
{
	unmap(file, args->dma_map.id);
}

void peerlane_dmabuf_map_undo(struct peerlane_file *file, union peerlane_args *args)
{
	unmap(file, args->dmabuf_map.id);
}

int peerlane_dma_unmap(struct peerlane_file *file, union peerlane_args *args)
{
	struct peerlane_dma_unmap *a = &args->dma_unmap;

	if (a->flags || a->reserved)
		return -EINVAL;
	return unmap(file, a->id);
}

void peerlane_unmap_all(struct peerlane_file *file)
{
	struct peerlane_map *map;
	unsigned long id;

	xa_for_each(&file->maps, id, map) {
		xa_erase(&file->maps, id);
		release(map);
	}
	file->n_maps = 0;
}
