// SPDX-License-Identifier: GPL-2.0
/* Memory that another driver exports as a dma-buf. */
#include <linux/dma-buf.h>
#include <linux/slab.h>

#include "compat.h"
#include "private.h"

/* The exporter holds the buffer's lock, and moves the buffer when this returns. The device knows
 * the old addresses from rings that are its user's business: it has to be stopped. */
static void move_notify(struct dma_buf_attachment *attach)
{
	struct peerlane_map *map = attach->importer_priv;

	if (!map->sgt)
		return;
	peerlane_revoke(map->dev);
	dma_buf_unmap_attachment(attach, map->sgt, DMA_BIDIRECTIONAL);
	map->sgt = NULL;
	peerlane_flush(map->dev);
	if (map->revoked)
		peerlane_signal(map->revoked);
}

static const struct dma_buf_attach_ops attach_ops = {
	.allow_peer2peer = true,
	.move_notify = move_notify,
};

/* The lock is held: `pdev` is there. */
void peerlane_dmabuf_release(struct peerlane_map *map)
{
	struct dma_buf *buf = map->attach->dmabuf;

	peerlane_map_lock(map->attach);
	if (map->sgt)
		dma_buf_unmap_attachment(map->attach, map->sgt, DMA_BIDIRECTIONAL);
	map->sgt = NULL;
	peerlane_flush(map->dev);
	if (map->pinned)
		dma_buf_unpin(map->attach);
	peerlane_map_unlock(map->attach);
	dma_buf_detach(buf, map->attach);
	/* Some are unmapped only there. */
	peerlane_flush(map->dev);
	dma_buf_put(buf);
	if (map->revoked)
		eventfd_ctx_put(map->revoked);
}

/* Under the buffer's lock where it can move, so that it does not before its segments are copied. */
static int map_attached(struct peerlane_map *map, struct peerlane_dmabuf_map *a,
			struct peerlane_segments *segments)
{
	struct sg_table *sgt;
	int ret;

	if (a->flags & PEERLANE_DMABUF_PIN) {
		ret = dma_buf_pin(map->attach);
		if (ret)
			return ret;
		map->pinned = true;
	}
	sgt = dma_buf_map_attachment(map->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	map->sgt = sgt;
	return peerlane_segments(map->dev, sgt, &a->n_segments, segments);
}

static int attach(struct peerlane_map *map, struct dma_buf *buf, u32 flags)
{
	struct device *d = &map->dev->pdev->dev;

	if (!(flags & PEERLANE_DMABUF_MOVABLE))
		map->attach = dma_buf_attach(buf, d);
	else if (!peerlane_can_reset(map->dev))
		return -EOPNOTSUPP;
	else
		map->attach = dma_buf_dynamic_attach(buf, d, &attach_ops, map);
	if (IS_ERR(map->attach)) {
		int ret = PTR_ERR(map->attach);

		map->attach = NULL;
		return ret;
	}
	/* The attachment's; the caller keeps its own. */
	get_dma_buf(buf);
	return 0;
}

/* The lock is held. On failure nothing is left but the map itself. */
static int import(struct peerlane_file *file, struct peerlane_map *map, struct dma_buf *buf,
		  struct peerlane_dmabuf_map *a, struct peerlane_segments *segments)
{
	int ret;

	ret = attach(map, buf, a->flags);
	if (ret)
		return ret;
	peerlane_map_lock(map->attach);
	ret = map_attached(map, a, segments);
	peerlane_map_unlock(map->attach);
	if (!ret)
		ret = peerlane_map_add(file, map, &a->id);
	if (ret) {
		kvfree(segments->segment);
		segments->segment = NULL;
		peerlane_dmabuf_release(map);
		map->revoked = NULL;
	}
	return ret;
}

/* Both the map and the buffer are the caller's; on success the map is the file's. */
static int locked_import(struct peerlane_file *file, struct peerlane_map *map, struct dma_buf *buf,
			 struct peerlane_dmabuf_map *a, struct peerlane_segments *segments)
{
	int ret;

	if (a->event_fd >= 0) {
		map->revoked = eventfd_ctx_fdget(a->event_fd);
		if (IS_ERR(map->revoked))
			return PTR_ERR(map->revoked);
	}
	ret = peerlane_lock(file);
	if (!ret) {
		ret = import(file, map, buf, a, segments);
		mutex_unlock(&file->dev->lock);
	}
	/* import() clears it where it has let go of it. */
	if (ret && map->revoked)
		eventfd_ctx_put(map->revoked);
	return ret;
}

int peerlane_dmabuf_map(struct peerlane_file *file, union peerlane_args *args)
{
	struct peerlane_dmabuf_map *a = &args->dmabuf_map;
	struct peerlane_segments segments = {};
	struct peerlane_map *map;
	struct dma_buf *buf;
	int ret;

	if (a->flags & ~(PEERLANE_DMABUF_MOVABLE | PEERLANE_DMABUF_PIN) || a->reserved ||
	    a->event_fd < -1)
		return -EINVAL;
	if (!(a->flags & PEERLANE_DMABUF_MOVABLE) &&
	    (a->flags & PEERLANE_DMABUF_PIN || a->event_fd != -1))
		return -EINVAL;
	buf = dma_buf_get(a->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map) {
		dma_buf_put(buf);
		return -ENOMEM;
	}
	map->dev = file->dev;
	ret = locked_import(file, map, buf, a, &segments);
	if (ret) {
		kfree(map);
	} else {
		a->length = buf->size;
		a->n_segments = segments.n;
		a->page_shift = segments.page_shift;
		ret = peerlane_segments_out(&segments, a->segments);
		if (ret)
			peerlane_dmabuf_map_undo(file, args);
	}
	dma_buf_put(buf);
	return ret;
}
