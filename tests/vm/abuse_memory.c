/* SPDX-License-Identifier: BSD-2-Clause */
/* Abuse of mapping memory. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROOM 512

static struct peerlane_segment segments[ROOM];

static void bad_ranges(int fd, uint8_t *good)
{
	const struct {
		const char *what;
		uint64_t vaddr, length;
		int want;
	} ranges[] = {
		{"size 0", (uintptr_t)good, 0, -EINVAL},
		{"size 1", (uintptr_t)good, 1, -EINVAL},
		{"size 4095", (uintptr_t)good, PAGE - 1, -EINVAL},
		{"size 4097", (uintptr_t)good, PAGE + 1, -EINVAL},
		{"size 2^63", (uintptr_t)good, 1ull << 63, -EINVAL},
		{"size 2^64 - 1", (uintptr_t)good, UINT64_MAX, -EINVAL},
		{"size 2^64 - 4096", (uintptr_t)good, -PAGE, -EINVAL},
		{"1 TiB and a page", (uintptr_t)good, (1ull << 40) + PAGE, -EINVAL},
		{"an odd address", (uintptr_t)good + 1, PAGE, -EINVAL},
		{"wraps to 0", -PAGE, PAGE, -EINVAL},
		{"wraps beyond 0", -PAGE, 2 * PAGE, -EINVAL},
		{"wraps by 2^63", 1ull << 63, 1ull << 63, -EINVAL},
		{"address 0", 0, PAGE, -EFAULT},
		{"the kernel's", 0xffff888000000000, PAGE, -EFAULT},
		{"not canonical", 0x0000900000000000, PAGE, -EFAULT},
		{"across user space's end", 0x00007ffffffff000, 2 * PAGE, -EFAULT},
		{"half of it not there", (uintptr_t)good, 8 * PAGE, -EFAULT},
	};
	struct peerlane_dma_map a;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		check_is(map_full(fd, ranges[i].vaddr, ranges[i].length, segments, ROOM, &a),
			 ranges[i].want, "map: %s", ranges[i].what);
		check(!pinned_pages(), "and nothing is pinned (%ld)", pinned_pages());
	}
}

static void bad_memory(int fd)
{
	uint8_t *p = memory(8 * PAGE);
	struct peerlane_dma_map a;
	int zero = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *file = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, zero, 0);

	munmap(p + 4 * PAGE, 4 * PAGE);
	bad_ranges(fd, p);
	mprotect(p, PAGE, PROT_READ);
	check_is(map_full(fd, (uintptr_t)p, PAGE, segments, ROOM, &a), -EFAULT, "map: read only");
	check_is(map_full(fd, (uintptr_t)p, 4 * PAGE, segments, ROOM, &a), -EFAULT,
		 "map: its first page is read only");
	mprotect(p, PAGE, PROT_NONE);
	check_is(map_full(fd, (uintptr_t)p, PAGE, segments, ROOM, &a), -EFAULT, "map: no access");
	check_is(map_full(fd, (uintptr_t)file, PAGE, segments, ROOM, &a), -EFAULT,
		 "map: a file that is read only");
	check(!pinned_pages(), "and nothing is pinned (%ld)", pinned_pages());
	munmap(file, PAGE);
	close(zero);
	munmap(p, 4 * PAGE);
}

static void unmapping(int fd)
{
	static const uint32_t ids[] = {0, 1, 77, 0x7fffffff, 0x80000000, UINT32_MAX};
	uint8_t *p = memory(8 * PAGE);
	uint32_t a, b, c;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		check_is(unmap(fd, ids[i]), -ENOENT, "unmap: %x was never mapped", ids[i]);
	check_is(map(fd, p, 4 * PAGE, &a), 0, "map of 4 pages");
	check_is(map(fd, p + 2 * PAGE, 4 * PAGE, &b), 0, "map of 4, of which 2 are mapped");
	check_is(map(fd, p, 4 * PAGE, &c), 0, "map of the first 4 again");
	check(a != b && b != c && a != c, "ids %u, %u, %u differ", a, b, c);
	check(pinned_pages() == 12, "each is pinned for itself (%ld)", pinned_pages());
	check_is(unmap(fd, a), 0, "unmap of the first");
	check_is(unmap(fd, a), -ENOENT, "unmap of it again");
	check(pinned_pages() == 8, "the others stay (%ld)", pinned_pages());
	munmap(p, 8 * PAGE);
	check(pinned_pages() == 8, "munmap() changes nothing (%ld)", pinned_pages());
	check_is(unmap(fd, c), 0, "unmap of the third");
	check_is(unmap(fd, c), -ENOENT, "unmap of it again");
	check(pinned_pages() == 4, "the second is left to close (%ld)", pinned_pages());
}

static void results(int fd)
{
	uint8_t *p = memory(64 * PAGE);
	struct peerlane_dma_map a;
	uint64_t sum = 0;

	check_is(map_full(fd, (uintptr_t)p, 64 * PAGE, segments, ROOM, &a), 0, "map of 64 pages");
	for (unsigned i = 0; i < a.n_segments; i++)
		sum += segments[i].len;
	check(sum == 64 * PAGE && a.n_segments >= 1 && a.n_segments <= 64 && a.page_shift >= 12,
	      "%u segments, together %llu, shift %u", a.n_segments, (unsigned long long)sum,
	      a.page_shift);
	check_is(unmap(fd, a.id), 0, "unmap");
	check_is(map_full(fd, (uintptr_t)p, 64 * PAGE, segments, 0, &a), -ENOSPC,
		 "no room for segments");
	check(a.n_segments >= 1 && a.n_segments <= 64 && !a.id, "says how many: %u", a.n_segments);
	check_is(map_full(fd, (uintptr_t)p, 64 * PAGE, segments, a.n_segments, &a), 0,
		 "room for as many");
	check_is(unmap(fd, a.id), 0, "unmap");
	check_is(map_full(fd, (uintptr_t)p, 64 * PAGE, NULL, ROOM, &a), -EFAULT, "segments to 0");
	check_is(map_full(fd, (uintptr_t)p, 64 * PAGE, (void *)0xffff888000000000, ROOM, &a),
		 -EFAULT, "segments to the kernel");
	check_is(map_full(fd, (uintptr_t)p, 64 * PAGE, (void *)-8ull, UINT32_MAX, &a), -EFAULT,
		 "segments that wrap");
	check(!pinned_pages(), "and nothing stays pinned (%ld)", pinned_pages());
	check_is(map_full(fd, (uintptr_t)p, 64 * PAGE, (void *)p, UINT32_MAX, &a), 0,
		 "segments into what is mapped");
	check_is(unmap(fd, a.id), 0, "unmap");
	munmap(p, 64 * PAGE);
}

static void huge_pages(int fd)
{
	uint8_t *p = mmap(NULL, 4 * HUGE_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	struct peerlane_dma_map a;

	if (p == MAP_FAILED) {
		skip("huge pages", "there are none");
		return;
	}
	check_is(map_full(fd, (uintptr_t)p, HUGE_PAGE, segments, ROOM, &a), 0, "map of 2 MiB");
	check(a.n_segments == 1 && segments[0].len == HUGE_PAGE && a.page_shift == 21,
	      "one segment (%u), shift %u", a.n_segments, a.page_shift);
	check_is(unmap(fd, a.id), 0, "unmap");
	check_is(map_full(fd, (uintptr_t)p, 4 * HUGE_PAGE, segments, ROOM, &a), 0, "map of 8 MiB");
	check(a.n_segments <= 4 && a.page_shift >= 21, "%u segments, shift %u", a.n_segments,
	      a.page_shift);
	munmap(p, 4 * HUGE_PAGE);
	check(pinned_pages() == 2048, "2048 pages stay pinned (%ld)", pinned_pages());
	check_is(unmap(fd, a.id), 0, "unmap");
	check(!pinned_pages(), "none any more (%ld)", pinned_pages());
}

void test_memory(void)
{
	int fd = must_open();

	bad_memory(fd);
	unmapping(fd);
	close(fd);
	fd = must_open();
	results(fd);
	huge_pages(fd);
	close(fd);
}

/* Exits with the line that went wrong. */
#define WANT(condition)                                             \
	do {                                                        \
		if (!(condition))                                   \
			return __LINE__ % 256 ? __LINE__ % 256 : 1; \
	} while (0)

static int limited(void *arg)
{
	const struct rlimit limit = {16 * PAGE, 16 * PAGE};
	int fd = *(int *)arg;
	uint8_t *p = memory(32 * PAGE);
	uint32_t a, b;

	drop_capability(CAP_IPC_LOCK);
	WANT(!setrlimit(RLIMIT_MEMLOCK, &limit));
	WANT(map(fd, p, 17 * PAGE, &a) == -ENOMEM);
	WANT(map(fd, p, 1ull << 40, &a) == -ENOMEM);
	WANT(proc_number("/proc/self/status", "VmPin:") == 0);
	WANT(map(fd, p, 10 * PAGE, &a) == 0);
	WANT(proc_number("/proc/self/status", "VmPin:") == 40);
	WANT(map(fd, p, 7 * PAGE, &b) == -ENOMEM);
	WANT(map(fd, p, 6 * PAGE, &b) == 0);
	WANT(map(fd, p, PAGE, &b) == -ENOMEM);
	WANT(unmap(fd, a) == 0);
	WANT(proc_number("/proc/self/status", "VmPin:") == 24);
	WANT(map(fd, p + 16 * PAGE, 10 * PAGE, &a) == 0);
	/* A mapping that fails halfway is not charged. */
	munmap(p + 31 * PAGE, PAGE);
	WANT(unmap(fd, a) == 0);
	WANT(map(fd, p + 24 * PAGE, 8 * PAGE, &b) == -EFAULT);
	WANT(proc_number("/proc/self/status", "VmPin:") == 24);
	return 0;
}

void test_limits(void)
{
	int fd = must_open(), ret;
	uint32_t max = info(fd).max_maps, n, id, last = 0;
	uint8_t *p = memory(PAGE);

	ret = in_child(limited, &fd);
	check(!ret, "RLIMIT_MEMLOCK holds without CAP_IPC_LOCK (line %d)", ret);
	close(fd);
	fd = must_open();
	for (n = 0; n < max && !map(fd, p, PAGE, &id); n++)
		last = id;
	check(n == max, "%u mappings of %u", n, max);
	check_is(map(fd, p, PAGE, &id), -ENOSPC, "one more");
	check(pinned_pages() == (long)max, "each pins a page (%ld)", pinned_pages());
	check_is(unmap(fd, last), 0, "one fewer");
	check_is(map(fd, p, PAGE, &id), 0, "one more");
	check(proc_number("/proc/self/status", "VmPin:") == (long)(max * PAGE / 1024),
	      "they are charged to the process (%ld kB)",
	      proc_number("/proc/self/status", "VmPin:"));
	close(fd);
	check(!proc_number("/proc/self/status", "VmPin:"), "no more after close (%ld kB)",
	      proc_number("/proc/self/status", "VmPin:"));
	munmap(p, PAGE);
}

/* 82576 datasheet 8.10 and 8.12: the first queue of each direction, one advanced descriptor each,
 * from memory to memory through the loopback of the MAC. Returns how many bytes came, 0: none. */
static unsigned loop(volatile uint32_t *bar, volatile uint64_t *page, uint64_t device, unsigned len,
		     double seconds)
{
	volatile uint64_t *tx = page, *rx = page + 64;
	double end = now() + seconds;

	memset((void *)page, 0, 1024);
	tx[0] = device + 1024;
	tx[1] = len | 3u << 20 | 1u << 29 | 1u << 27 | 1u << 25 | 1u << 24 | (uint64_t)len << 46;
	rx[0] = device + 2048;
	bar[0x100 / 4] = 0;
	bar[0x400 / 4] = 0;
	bar[0xc000 / 4] = device + 512;
	bar[0xc004 / 4] = (device + 512) >> 32;
	bar[0xc008 / 4] = 128;
	bar[0xc00c / 4] = 2 | 1u << 25;
	bar[0xc028 / 4] = 1u << 25;
	bar[0xe000 / 4] = device;
	bar[0xe004 / 4] = device >> 32;
	bar[0xe008 / 4] = 128;
	bar[0xe028 / 4] = 1u << 25;
	/* RCTL: on, all addresses, loopback, broadcasts, no checksum; TCTL: on, padding. */
	bar[0x100 / 4] = 1u << 1 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 15 | 1u << 26;
	bar[0x400 / 4] = 1u << 1 | 1u << 3;
	bar[0xc018 / 4] = 1;
	__sync_synchronize();
	bar[0xe018 / 4] = 1;
	while (!(rx[1] & 1))
		if (now() > end)
			return 0;
	return rx[1] >> 32 & 0xffff;
}

static void link_up(volatile uint32_t *bar)
{
	double end = now() + 5;

	bar[0] |= 1u << 6; /* CTRL.SLU */
	/* MDIC: writes the PHY's register 0, has it negotiate anew. */
	bar[0x20 / 4] = 0x1340 | 1u << 21 | 1u << 26;
	while (!(bar[2] & 2) && now() < end)
		usleep(1000);
}

/* What the module says are the device's addresses must be, and bus mastering what stops it. */
void test_dma(void)
{
	int fd = must_open();
	volatile uint32_t *bar = bar_map(fd);
	uint64_t len = info(fd).bar_len;
	uint8_t *page = memory(PAGE);
	struct peerlane_dma_map a;
	unsigned n;

	check_is(map_full(fd, (uintptr_t)page, PAGE, segments, ROOM, &a), 0, "map of a page");
	link_up(bar);
	for (unsigned i = 0; i < 300; i++)
		page[1024 + i] = i < 6 ? 0xff : i * 7;
	n = loop(bar, (void *)page, segments[0].address, 300, 0.3);
	check(!n, "without bus mastering nothing moves (%u)", n);
	check_is(reset(fd), 0, "reset");
	check_is(bus_master(fd, 1), 0, "bus master on");
	link_up(bar);
	n = loop(bar, (void *)page, segments[0].address, 300, 5);
	check(n == 300 && !memcmp(page + 1024, page + 2048, 300), "the device moves %u bytes", n);
	check_is(bus_master(fd, 0), 0, "bus master off");
	check_is(unmap(fd, a.id), 0, "unmap");
	munmap((void *)bar, len);
	munmap(page, PAGE);
	close(fd);
}
