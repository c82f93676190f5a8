/* SPDX-License-Identifier: BSD-2-Clause */
/* Abuse by many threads, by many opens, and by chance. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* xorshift64*: the same numbers for the same seed everywhere. */
static uint64_t next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

struct worker {
	pthread_t thread;
	int fd;
	uint64_t state;
	double end;
	unsigned long calls, odd;
	_Atomic uint32_t *last_id; /* of any worker */
};

/* Each tries to end what another has just begun. */
static void *quarrel(void *arg)
{
	struct worker *w = arg;
	uint8_t *p = memory(16 * PAGE);
	int event = eventfd(0, EFD_NONBLOCK), ret = 0;
	uint32_t id;

	while (now() < w->end) {
		unsigned what = next(&w->state) % 16;

		if (what < 8) {
			ret = map(w->fd, p, (1 + next(&w->state) % 16) * PAGE, &id);
			/* Relaxed: any id will do. */
			atomic_store_explicit(w->last_id, id, memory_order_relaxed);
		} else if (what < 11) {
			ret = unmap(w->fd, atomic_load_explicit(w->last_id, memory_order_relaxed) +
						   next(&w->state) % 3);
			ret = ret == -ENOENT ? 0 : ret;
		} else if (what < 14) {
			ret = set_irq(w->fd, next(&w->state) % 4, what == 11 ? -1 : event);
		} else if (what < 15) {
			ret = bus_master(w->fd, next(&w->state) % 2);
		} else if (next(&w->state) % 64 == 0) {
			ret = reset(w->fd);
		}
		w->odd += ret && ret != -ENOSPC;
		w->calls++;
	}
	munmap(p, 16 * PAGE);
	close(event);
	return NULL;
}

void test_threads(void)
{
	struct worker w[3];
	_Atomic uint32_t last_id = 1;
	int fd = must_open();
	unsigned long calls = 0, odd = 0;

	for (unsigned i = 0; i < 3; i++) {
		w[i] = (struct worker){.fd = fd, .state = i + 1, .last_id = &last_id};
		w[i].end = now() + 3;
		pthread_create(&w[i].thread, NULL, quarrel, &w[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(w[i].thread, NULL);
		calls += w[i].calls;
		odd += w[i].odd;
	}
	check(!odd && calls, "3 threads, %lu calls on one file, %lu failed", calls, odd);
	close(fd);
}

/* The lowest number that no eventfd has. */
static long eventfd_id(void)
{
	int event = eventfd(0, EFD_CLOEXEC);
	char path[64];
	long id;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", event);
	id = proc_number(path, "eventfd-id:");
	close(event);
	return id;
}

static int child_maps(void *arg)
{
	uint32_t id;

	return map(*(int *)arg, memory(PAGE), PAGE, &id) != 0;
}

/* Each mapping holds on to the address space that is charged, until it ends. */
static void address_spaces(void)
{
	long before = proc_number("/proc/slabinfo", "mm_struct"), after;
	int fd = must_open();
	unsigned bad = 0;

	for (unsigned i = 0; i < 200; i++)
		bad += in_child(child_maps, &fd) != 0;
	close(fd);
	after = proc_number("/proc/slabinfo", "mm_struct");
	check(!bad && before >= 0 && after < before + 100,
	      "200 processes map: their address spaces go (%ld, were %ld)", after, before);
}

/* One round of everything; whether it went well. */
static bool cycle(uint8_t *p, size_t length)
{
	int fd = must_open(), event = eventfd(0, EFD_NONBLOCK);
	uint64_t len = info(fd).bar_len;
	volatile uint32_t *bar = bar_map(fd);
	uint32_t a, b;
	bool good;

	good = !map(fd, p, length, &a) && !map(fd, p, PAGE, &b) && !set_irq(fd, 0, event) &&
	       !set_irq(fd, 3, event) && !bus_master(fd, 1) && bar[2] != UINT32_MAX &&
	       !unmap(fd, b);
	munmap((void *)bar, len);
	close(event);
	return !close(fd) && good;
}

static unsigned interrupts_of_system(void)
{
	unsigned n = 0;
	char path[64];

	for (unsigned i = 0; i < 1024; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/irq/%u", i);
		n += !access(path, F_OK);
	}
	return n;
}

/* 1000 leaks of the smallest kind would be 8 kB at least; of a page 4 MB. Slabs and lists of free pages
 * breathe. */
#define SLAB_MAX_KB 2048
#define FREE_MAX_KB 8192

/* Makes of what there was what has gone since, in kB. A round's interrupts alone are 50 kB that wait for a grace
 * period of RCU; where a processor gets no time these take seconds. What has leaked does not come back. */
static void memory_gone(long *slab, long *free_now)
{
	const long slab_before = *slab, free_before = *free_now;
	double end = now() + 30;

	do {
		usleep(100000);
		*slab = proc_number("/proc/meminfo", "SUnreclaim:") - slab_before;
		*free_now = free_before - proc_number("/proc/meminfo", "MemFree:");
	} while ((*slab >= SLAB_MAX_KB || *free_now >= FREE_MAX_KB) && now() < end);
}

/* Most rounds go without a reset, as with a device that has none: a way of its own through open and close.
 * (Resets take a tenth of a second each, by PCI Express' rules; 1000 rounds with them are vm-cycles'.) */
void test_cycles(void)
{
	const size_t length = 64 * PAGE;
	uint8_t *p = memory(length);
	unsigned bad = 0, before, with = 20, n;
	long slab, free_now, id = eventfd_id();

	for (n = 0; n < 5; n++)
		bad += !cycle(p, length);
	before = interrupts_of_system();
	slab = proc_number("/proc/meminfo", "SUnreclaim:");
	free_now = proc_number("/proc/meminfo", "MemFree:");
	for (n = 0; n < with; n++)
		bad += !cycle(p, length);
	check_is(write_file(sysfs("reset_method"), "\n"), 0, "reset is disabled by sysfs");
	for (; n < 1000; n++)
		bad += !cycle(p, length);
	check_is(write_file(sysfs("reset_method"), "default\n"), 0, "and enabled again");
	memory_gone(&slab, &free_now);
	check(!bad, "1000 times open, map, unmap, close, %u with resets (%u failed)", with, bad);
	check(!pinned_pages(), "no page is leaked (%ld)", pinned_pages());
	check(interrupts_of_system() == before, "no interrupt is leaked (%u, were %u)",
	      interrupts_of_system(), before);
	check(slab < SLAB_MAX_KB && free_now < FREE_MAX_KB,
	      "memory: %ld kB of slab, %ld kB in all went", slab, free_now);
	check(eventfd_id() == id, "no eventfd is leaked (%ld, was %ld)", eventfd_id(), id);
	munmap(p, length);
	address_spaces();
}

struct fuzz {
	int fd;
	uint64_t state;
	uint8_t *pool; /* of memory to map and to point at */
	int events[3];
};

#define POOL (64 * PAGE)

/* A number that is likely to matter: near a border, near something that exists, or any. */
static uint64_t odd_number(struct fuzz *f)
{
	static const uint64_t some[] = {
		0,	    1,		2,	    3,		4,	    7,
		8,	    16,		24,	    32,		48,	    4095,
		4096,	    8192,	1ull << 31, UINT32_MAX, 1ull << 32, 1ull << 40,
		1ull << 47, 1ull << 63, UINT64_MAX, -PAGE,	INT32_MAX,
	};
	uint64_t r = next(&f->state);

	switch (r >> 8 & 3) {
	case 0:
		return some[(r >> 16) % (sizeof(some) / sizeof(some[0]))];
	case 1:
		return (uintptr_t)f->pool + (r >> 16) % (2 * POOL);
	case 2:
		return ((r >> 16) % 80) * ((r >> 32 & 1) ? PAGE : 1);
	default:
		return next(&f->state) >> (r >> 16) % 64;
	}
}

union arguments {
	uint32_t word[32];
	struct peerlane_dma_map map;
	struct peerlane_dmabuf_map dmabuf;
	struct peerlane_irq irq;
	struct peerlane_dma_unmap unmap;
	struct peerlane_bus_master bus_master;
	struct peerlane_info info;
};

/* A call that is right, of one kind. */
static unsigned right_call(struct fuzz *f, union arguments *a)
{
	static const unsigned cmds[] = {
		PEERLANE_DMA_MAP, PEERLANE_DMA_MAP,    PEERLANE_DMA_UNMAP, PEERLANE_DMA_UNMAP,
		PEERLANE_IRQ,	  PEERLANE_BUS_MASTER, PEERLANE_INFO,	   PEERLANE_DMABUF_MAP,
	};
	unsigned cmd = cmds[next(&f->state) % 8];
	uint64_t r = next(&f->state);

	memset(a, 0, sizeof(*a));
	a->word[0] = sizeof(a->map);
	if (cmd == PEERLANE_DMA_MAP) {
		a->map.vaddr = (uintptr_t)f->pool + r % 32 * PAGE;
		a->map.length = (1 + (r >> 8) % 32) * PAGE;
		a->map.segments = (uintptr_t)f->pool + (r >> 16) % (POOL / 2);
		a->map.n_segments = 64;
	} else if (cmd == PEERLANE_DMA_UNMAP) {
		a->unmap.id = 1 + r % 4096;
	} else if (cmd == PEERLANE_IRQ) {
		a->irq.vector = r % 12;
		a->irq.fd = (r >> 8) % 4 == 3 ? -1 : f->events[(r >> 8) % 4];
	} else if (cmd == PEERLANE_BUS_MASTER) {
		a->bus_master.on = r % 2;
	} else if (cmd == PEERLANE_DMABUF_MAP) {
		a->dmabuf.fd = f->events[0];
		a->dmabuf.event_fd = -1;
	}
	return cmd;
}

static void one(struct fuzz *f)
{
	union arguments a;
	unsigned cmd = right_call(f, &a);
	uint64_t r = next(&f->state);
	void *at = &a;

	for (unsigned n = r % 4; n; n--) {
		uint64_t number = odd_number(f);
		unsigned word = next(&f->state) % 16;

		memcpy(&a.word[word], &number, next(&f->state) % 2 ? 8 : 4);
	}
	if ((r >> 8) % 16 == 0)
		cmd = _IOC((r >> 12) % 4, PEERLANE_IOC, (r >> 16) % 16, (r >> 24) % 64);
	if ((r >> 32) % 32 == 0)
		at = (void *)(uintptr_t)odd_number(f);
	/* Resets take their time. */
	if (cmd == PEERLANE_RESET && (r >> 40) % 64)
		return;
	(void)ioctl(f->fd, cmd, at);
}

void test_fuzz(void)
{
	struct fuzz f = {.fd = must_open(), .state = fuzz_seed ? fuzz_seed : 1};
	double end = now() + fuzz_seconds;
	unsigned long n = 0, before = proc_number("/proc/self/status", "VmPin:");

	f.pool = memory(2 * POOL);
	munmap(f.pool + POOL, POOL);
	for (unsigned i = 0; i < 3; i++)
		f.events[i] = eventfd(0, EFD_NONBLOCK);
	/* A file that fills up with mappings finds no more: a new one now and then. */
	for (; now() < end; n++) {
		if (n % 20000 == 19999) {
			close(f.fd);
			f.fd = must_open();
		}
		one(&f);
	}
	check(info(f.fd).version == PEERLANE_UAPI_VERSION, "%lu ioctls by chance, seed %llu", n,
	      (unsigned long long)fuzz_seed);
	close(f.fd);
	check(proc_number("/proc/self/status", "VmPin:") == (long)before, "nothing stays charged");
	for (unsigned i = 0; i < 3; i++)
		close(f.events[i]);
	munmap(f.pool, POOL);
}
