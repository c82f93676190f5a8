/* SPDX-License-Identifier: BSD-2-Clause */
/* Abuse of the file: opening, arguments, BAR 0, and sharing among processes. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* All ioctls there are, with arguments that are fine but for what a test changes. */
static const struct {
	const char *name;
	unsigned cmd;
	unsigned size;
	int reserved; /* where a reserved word is; -1: there is none */
} ioctls[] = {
	{"info", PEERLANE_INFO, sizeof(struct peerlane_info), -1},
	{"bus master", PEERLANE_BUS_MASTER, sizeof(struct peerlane_bus_master),
	 offsetof(struct peerlane_bus_master, reserved)},
	{"irq", PEERLANE_IRQ, sizeof(struct peerlane_irq), -1},
	{"map", PEERLANE_DMA_MAP, sizeof(struct peerlane_dma_map),
	 offsetof(struct peerlane_dma_map, reserved)},
	{"unmap", PEERLANE_DMA_UNMAP, sizeof(struct peerlane_dma_unmap),
	 offsetof(struct peerlane_dma_unmap, reserved)},
	{"dma-buf", PEERLANE_DMABUF_MAP, sizeof(struct peerlane_dmabuf_map),
	 offsetof(struct peerlane_dmabuf_map, reserved)},
	{"reset", PEERLANE_RESET, sizeof(struct peerlane_reset), -1},
};

#define N_IOCTLS (sizeof(ioctls) / sizeof(ioctls[0]))

static int open_without_rawio(void *arg)
{
	int fd;

	(void)arg;
	drop_capability(CAP_SYS_RAWIO);
	fd = try_open(O_RDWR);
	return fd < 0 ? -fd : 0;
}

void test_file(void)
{
	int fd = must_open();
	struct peerlane_info i = info(fd);
	char byte = 0;

	check_is(try_open(O_RDWR), -EBUSY, "a second open");
	check(i.version == PEERLANE_UAPI_VERSION && i.argsz == sizeof(i), "version %u", i.version);
	check(i.vendor == (unsigned)proc_number(sysfs("vendor"), "") &&
		      i.device == (unsigned)proc_number(sysfs("device"), ""),
	      "ids %04x:%04x are those of sysfs", i.vendor, i.device);
	check(i.bar_len && i.bar_len % PAGE == 0, "BAR 0 of %llu bytes",
	      (unsigned long long)i.bar_len);
	check(i.n_vectors > 2, "%u vectors", i.n_vectors);
	printf("# features %x: %s, %s\n", i.features,
	       i.features & PEERLANE_FEATURE_RESET ? "can be reset" : "cannot be reset",
	       i.features & PEERLANE_FEATURE_IOMMU ? "behind an IOMMU" : "without an IOMMU");
	check(read(fd, &byte, 1) < 0 && errno == EINVAL, "read() is refused");
	check(write(fd, &byte, 1) < 0 && errno == EINVAL, "write() is refused");
	check(lseek(fd, 0, SEEK_SET) < 0 && errno == ESPIPE, "lseek() is refused");
	close(fd);
	check_is(try_open(O_RDONLY), -EACCES, "open for reading only");
	check_is(try_open(O_WRONLY), -EACCES, "open for writing only");
	check_is(-in_child(open_without_rawio, NULL),
		 i.features & PEERLANE_FEATURE_IOMMU ? 0 : -EPERM, "open without CAP_SYS_RAWIO");
	fd = must_open();
	close(fd);
}

static void unknown_ioctls(int fd)
{
	struct peerlane_info a = {.argsz = sizeof(a)};
	unsigned wrong = 0;

	for (unsigned nr = PEERLANE_RESET - PEERLANE_INFO + 1; nr < 256; nr++)
		wrong += call(fd, _IO(PEERLANE_IOC, nr), &a) != -ENOTTY;
	for (unsigned dir = 1; dir < 4; dir++)
		for (unsigned nr = 0; nr < 8; nr++)
			wrong += call(fd, _IOC(dir, PEERLANE_IOC, nr, sizeof(a)), &a) != -ENOTTY;
	for (unsigned type = 1; type < 256; type++)
		if (type != PEERLANE_IOC && type != 'T' && type != 'f')
			wrong += call(fd, _IO(type, 0xf3), &a) != -ENOTTY;
	check(!wrong, "unknown ioctls (%u wrong)", wrong);
}

/* A page whose neighbour is not there: the structure reaches into it. */
static void sizes(int fd, unsigned k, uint8_t *page)
{
	uint32_t size = ioctls[k].size;
	unsigned cmd = ioctls[k].cmd, wrong = 0;
	uint8_t *end = page + PAGE;
	uint32_t *a = (uint32_t *)page;

	for (uint32_t s = 0; s < size; s++) {
		memset(page, 0, PAGE);
		*a = s;
		wrong += call(fd, cmd, a) != -EINVAL;
	}
	check(!wrong, "%s: argsz too small", ioctls[k].name);
	memset(page, 0, PAGE);
	*a = PAGE;
	page[PAGE - 1] = 1;
	check_is(call(fd, cmd, a), -E2BIG, "%s: unknown members", ioctls[k].name);
	*a = PAGE + 1;
	check_is(call(fd, cmd, a), -E2BIG, "%s: argsz of more than a page", ioctls[k].name);
	*a = UINT32_MAX;
	check_is(call(fd, cmd, a), -E2BIG, "%s: argsz of 4 GiB", ioctls[k].name);
	memset(page, 0, PAGE);
	memcpy(end - 4, &size, 4);
	check_is(call(fd, cmd, end - 4), -EFAULT, "%s: half a structure", ioctls[k].name);
	check_is(call(fd, cmd, NULL), -EFAULT, "%s: no structure", ioctls[k].name);
	check_is(call(fd, cmd, (void *)0xffff888000000000), -EFAULT, "%s: the kernel's memory",
		 ioctls[k].name);
	check_is(call(fd, cmd, end), -EFAULT, "%s: no memory", ioctls[k].name);
}

static void flags(int fd, unsigned k)
{
	uint32_t a[16], known = 0;
	unsigned wrong = 0;

	if (ioctls[k].cmd == PEERLANE_DMABUF_MAP)
		known = PEERLANE_DMABUF_MOVABLE | PEERLANE_DMABUF_PIN;
	for (unsigned bit = 0; bit < 32; bit++) {
		if (known >> bit & 1)
			continue;
		memset(a, 0, sizeof(a));
		a[0] = ioctls[k].size;
		a[1] = 1u << bit;
		wrong += call(fd, ioctls[k].cmd, a) != -EINVAL;
	}
	check(!wrong, "%s: unknown flags (%u wrong)", ioctls[k].name, wrong);
	for (unsigned bit = 0; ioctls[k].reserved >= 0 && bit < 32; bit++) {
		memset(a, 0, sizeof(a));
		a[0] = ioctls[k].size;
		a[ioctls[k].reserved / 4] = 1u << bit;
		wrong += call(fd, ioctls[k].cmd, a) != -EINVAL;
	}
	check(!wrong, "%s: reserved is not zero (%u wrong)", ioctls[k].name, wrong);
}

void test_arguments(void)
{
	int fd = must_open();
	uint8_t *page = memory(2 * PAGE);
	struct peerlane_info *a = (void *)page;

	munmap(page + PAGE, PAGE);
	unknown_ioctls(fd);
	for (unsigned k = 0; k < N_IOCTLS; k++) {
		sizes(fd, k, page);
		flags(fd, k);
	}
	memset(page, 0, PAGE);
	a->argsz = PAGE;
	check_is(call(fd, PEERLANE_INFO, a), 0, "info: a later version's structure");
	mprotect(page, PAGE, PROT_READ);
	check_is(call(fd, PEERLANE_INFO, a), -EFAULT, "info: into memory that is read only");
	check_is(bus_master(fd, 2), -EINVAL, "bus master: 2");
	check_is(bus_master(fd, UINT32_MAX), -EINVAL, "bus master: 2^32 - 1");
	munmap(page, PAGE);
	close(fd);
}

/* By the kernel before the module is asked, or by that. */
#define REFUSED 1

static bool mmap_is(int fd, uint64_t length, uint64_t offset, int prot, int flags, int want)
{
	void *p = mmap(NULL, length, prot, flags, fd, offset);
	int got = p == MAP_FAILED ? -errno : 0;

	if (p != MAP_FAILED)
		munmap(p, length);
	if (want == REFUSED)
		return check(got < 0, "mmap of %llx at %llx is refused (%d)",
			     (unsigned long long)length, (unsigned long long)offset, -got);
	return check_is(got, want, "mmap of %llx at %llx, prot %d, flags %d",
			(unsigned long long)length, (unsigned long long)offset, prot, flags);
}

static void windows(int fd, uint64_t len)
{
	const int rw = PROT_READ | PROT_WRITE;

	mmap_is(fd, len, 0, rw, MAP_SHARED, 0);
	mmap_is(fd, PAGE, len - PAGE, rw, MAP_SHARED, 0);
	mmap_is(fd, 1, 0, rw, MAP_SHARED, 0);
	mmap_is(fd, len + PAGE, 0, rw, MAP_SHARED, -EINVAL);
	mmap_is(fd, len + 1, 0, rw, MAP_SHARED, -EINVAL);
	mmap_is(fd, PAGE, len, rw, MAP_SHARED, -EINVAL);
	mmap_is(fd, 2 * PAGE, len - PAGE, rw, MAP_SHARED, -EINVAL);
	mmap_is(fd, len, PAGE, rw, MAP_SHARED, -EINVAL);
	mmap_is(fd, 1ull << 40, 0, rw, MAP_SHARED, -EINVAL);
	mmap_is(fd, PAGE, 1ull << 62, rw, MAP_SHARED, -EINVAL);
	mmap_is(fd, PAGE, 1ull << 63, rw, MAP_SHARED, REFUSED);
	mmap_is(fd, PAGE, -PAGE, rw, MAP_SHARED, REFUSED);
	mmap_is(fd, 2 * PAGE, -PAGE, rw, MAP_SHARED, REFUSED);
	mmap_is(fd, PAGE, 0, rw, MAP_PRIVATE, -EINVAL);
	mmap_is(fd, PAGE, 0, PROT_READ | PROT_EXEC, MAP_SHARED, -EINVAL);
}

struct toucher {
	volatile uint32_t *bar;
	atomic_bool stop;
	unsigned long n;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;

	/* Relaxed: only to end; the join orders the rest. */
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		(void)t->bar[2];
		t->bar[0xc000 / 4] = 0x1000;
		t->n++;
	}
	return NULL;
}

/* Registers are read and written all the while. */
static void resets_while_touched(int fd, volatile uint32_t *bar)
{
	struct toucher t = {.bar = bar};
	pthread_t thread;
	unsigned bad = 0;

	pthread_create(&thread, NULL, touch, &t);
	for (unsigned i = 0; i < 5; i++)
		bad += reset(fd) != 0;
	atomic_store_explicit(&t.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	check(!bad && t.n, "resets while a thread reads registers, %lu times", t.n);
}

void test_bar(void)
{
	int fd = must_open();
	uint64_t len = info(fd).bar_len;
	volatile uint32_t *bar = bar_map(fd);
	struct peerlane_segment segment[64];
	struct peerlane_dma_map a;
	void *page = memory(PAGE);

	windows(fd, len);
	check(bar[2] != UINT32_MAX, "STATUS %08x", bar[2]);
	bar[0xc000 / 4] = 0x12000; /* RDBAL */
	check(bar[0xc000 / 4] == 0x12000, "a register keeps what is written");
	check_is(bus_master(fd, 1), 0, "bus master on");
	check(command_register() & 4, "COMMAND has it (%04x)", command_register());
	check_is(reset(fd), 0, "reset");
	check(bar[0xc000 / 4] == 0, "reset clears the register (%08x)", bar[0xc000 / 4]);
	check(!(command_register() & 4), "bus mastering is off after a reset");
	resets_while_touched(fd, bar);
	check(mprotect((void *)bar, PAGE, PROT_READ | PROT_EXEC) && errno == EACCES,
	      "registers are never executable");
	check(mremap((void *)bar, len, 2 * len, MREMAP_MAYMOVE) == MAP_FAILED, "nor grow");
	check_is(map_full(fd, (uintptr_t)bar, PAGE, segment, 64, &a), -EFAULT,
		 "registers are not memory to map for DMA");
	/* Arguments in registers: whatever they say, each call returns. */
	for (unsigned k = 0; k < N_IOCTLS; k++)
		(void)call(fd, ioctls[k].cmd, (void *)(bar + 0x5400 / 4));
	check_is(map_full(fd, (uintptr_t)page, PAGE, (void *)(bar + 0x5400 / 4), 1, &a), 0,
		 "segments into registers");
	munmap((void *)bar, len);
	bus_master(fd, 1);
	close(fd);
	check(!(command_register() & 4), "bus mastering is off after close");
}

static int child_maps(void *arg)
{
	int fd = *(int *)arg;
	uint32_t id;

	return map(fd, memory(4 * PAGE), 4 * PAGE, &id) ? 0 : (int)id;
}

static int child_holds(void *arg)
{
	int fd = *(int *)arg;

	close(fd);
	return try_open(O_RDWR) == -EBUSY ? 0 : 1;
}

static void killed_child(void)
{
	int pipe_fd[2];
	char byte;
	pid_t pid;

	if (pipe(pipe_fd))
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int fd = must_open(), event = eventfd(0, 0);
		volatile uint32_t *bar = bar_map(fd);
		uint32_t id;

		map(fd, memory(1 << 20), 1 << 20, &id);
		for (unsigned v = 0; v < 4; v++)
			set_irq(fd, v, event);
		bus_master(fd, 1);
		irq_arm(bar, 4);
		(void)!write(pipe_fd[1], "", 1);
		for (;;)
			irq_fire(bar, 1);
	}
	(void)!read(pipe_fd[0], &byte, 1);
	usleep(100000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	check(!(command_register() & 4), "a process is killed: bus mastering is off");
	check(!pinned_pages(), "nothing stays pinned");
	check(!irq_lines(), "no interrupt stays");
}

void test_sharing(void)
{
	int fd = must_open(), other, id;
	uint64_t len = info(fd).bar_len;
	void *bar;

	other = dup(fd);
	close(fd);
	check_is(try_open(O_RDWR), -EBUSY, "a duplicate keeps it open");
	check(info(other).version == PEERLANE_UAPI_VERSION, "and works");
	bar = (void *)bar_map(other);
	close(other);
	check_is(try_open(O_RDWR), -EBUSY, "so does a mapping");
	check(((volatile uint32_t *)bar)[2] != UINT32_MAX, "and works");
	munmap(bar, len);

	fd = must_open();
	check(!in_child(child_holds, &fd),
	      "a child closes its descriptor: the parent keeps it open");
	check(info(fd).version == PEERLANE_UAPI_VERSION, "and it works");
	id = in_child(child_maps, &fd);
	check(id > 0 && pinned_pages() == 4, "memory of a child outlives it (%ld pages)",
	      pinned_pages());
	check_is(unmap(fd, id), 0, "the parent unmaps it");
	check_is(unmap(fd, id), -ENOENT, "once");
	id = in_child(child_maps, &fd);
	close(fd);
	check(id > 0 && !pinned_pages(), "or by closing");
	killed_child();
}
