/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/mman.h>

#include "region.h"

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* The C library of Debian 12 knows it, some older headers do not: Linux 5.14, mm.h. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static size_t round_up(size_t value, size_t step)
{
	return (value + step - 1) / step * step;
}

int region_populate(uint8_t *base, size_t len, size_t page_bytes)
{
	if (madvise(base, len, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL) /* EINVAL: a kernel before 5.14 */
		return -errno;
	for (size_t at = 0; at < len; at += page_bytes)
		((volatile uint8_t *)base)[at] = 0;
	return 0;
}

/* MAP_POPULATE would not say that it failed (a limit on the cgroup's huge pages, say): the first
 * packet would, with SIGBUS. */
static int map_huge(struct pl_region *region, size_t len_bytes)
{
	size_t len = round_up(len_bytes, HUGE_PAGE_BYTES);
	void *base = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	int rc;

	if (base == MAP_FAILED)
		return -errno;
	*region = (struct pl_region){base, len, HUGE_PAGE_BYTES, 0};
	rc = region_populate(base, len, HUGE_PAGE_BYTES);
	if (rc)
		pl_region_free(region);
	return rc;
}

/* Ordinary pages, laid out so that the kernel can still back them with transparent huge pages:
 * aligned to 2 MiB by mapping that much more and trimming both ends. The `guard` bytes in front stay what
 * all of it is at first: taken, and not to be touched. */
static int map_small(struct pl_region *region, size_t guard, size_t len_bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = round_up(len_bytes, page_bytes);
	size_t room = guard + len + HUGE_PAGE_BYTES - page_bytes;
	uint8_t *map = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;
	int rc;

	if (map == MAP_FAILED)
		return -errno;
	before = round_up((uintptr_t)map, HUGE_PAGE_BYTES) - (uintptr_t)map;
	if (before)
		munmap(map, before);
	if (room - before - guard - len)
		munmap(map + before + guard + len, room - before - guard - len);
	*region = (struct pl_region){map + before + guard, len, page_bytes, guard};
	/* A hint: a kernel built without transparent huge pages refuses it, and that is fine. */
	(void)madvise(region->base, len, MADV_HUGEPAGE);
	rc = mprotect(region->base, len, PROT_READ | PROT_WRITE) ? -errno : 0;
	if (!rc)
		rc = region_populate(region->base, len, page_bytes);
	if (rc)
		pl_region_free(region);
	return rc;
}

/* Huge pages cannot be put behind a guard safely: where there are none left mmap() may fail with the addresses
 * already given up, for any other thread to get. */
int region_alloc_behind(struct pl_region *region, size_t guard_bytes, size_t len_bytes,
			struct pl_error *err)
{
	int rc;

	*region = (struct pl_region){0};
	if (len_bytes == 0 || guard_bytes >= (size_t)1 << 32 ||
	    len_bytes >= ((size_t)1 << 32) - guard_bytes)
		return pl_error_set(err, -EINVAL, "use fewer or smaller buffers",
				    "cannot map a memory region of %zu bytes: must be between 1 "
				    "and 4 GiB less one",
				    guard_bytes + len_bytes);
	if (!guard_bytes && map_huge(region, len_bytes) == 0)
		return 0;
	rc = map_small(region, guard_bytes, len_bytes);
	if (rc)
		return pl_error_set(err, -ENOMEM, "free some memory, or use smaller rings",
				    "cannot map a memory region of %zu bytes: %s", len_bytes,
				    strerror(-rc));
	return 0;
}

int pl_region_alloc(struct pl_region *region, size_t len_bytes, struct pl_error *err)
{
	return region_alloc_behind(region, 0, len_bytes, err);
}

void pl_region_free(struct pl_region *region)
{
	if (region->base)
		munmap(region->base - region->guard_bytes, region->guard_bytes + region->len_bytes);
	*region = (struct pl_region){0};
}
