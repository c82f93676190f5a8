/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the abuse test share. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

unsigned n_passed, n_failed, n_skipped;

static void count(bool good)
{
	if (good)
		n_passed++;
	else
		n_failed++;
}

bool check(bool good, const char *what, ...)
{
	va_list args;

	count(good);
	va_start(args, what);
	printf(good ? "PASS " : "FAIL ");
	vprintf(what, args);
	printf("\n");
	va_end(args);
	return good;
}

bool check_is(int got, int want, const char *what, ...)
{
	va_list args;

	count(got == want);
	va_start(args, what);
	printf(got == want ? "PASS " : "FAIL ");
	vprintf(what, args);
	printf(": %s", got ? strerrorname_np(-got) : "0");
	if (got != want)
		printf(", not %s", want ? strerrorname_np(-want) : "0");
	printf("\n");
	va_end(args);
	return got == want;
}

void skip(const char *what, const char *why)
{
	n_skipped++;
	printf("SKIP %s: %s\n", what, why);
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

int try_open(int flags)
{
	int fd = open(node, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int must_open(void)
{
	int fd = try_open(O_RDWR);

	if (fd < 0) {
		printf("FAIL %s: %s\n", node, strerror(-fd));
		exit(1);
	}
	return fd;
}

int open_wait(void)
{
	double end = now() + 30;
	int fd;

	while ((fd = try_open(O_RDWR)) < 0 && now() < end)
		usleep(10000);
	return fd;
}

int map_full(int fd, uint64_t vaddr, uint64_t length, struct peerlane_segment *segments,
	     uint32_t room, struct peerlane_dma_map *out)
{
	*out = (struct peerlane_dma_map){
		.argsz = sizeof(*out),
		.vaddr = vaddr,
		.length = length,
		.segments = (uintptr_t)segments,
		.n_segments = room,
	};
	return call(fd, PEERLANE_DMA_MAP, out);
}

int map(int fd, const void *at, uint64_t length, uint32_t *id)
{
	static __thread struct peerlane_segment segments[512];
	struct peerlane_dma_map a;
	int ret = map_full(fd, (uintptr_t)at, length, segments, 512, &a);

	*id = ret ? 0 : a.id;
	return ret;
}

int unmap(int fd, uint32_t id)
{
	struct peerlane_dma_unmap a = {.argsz = sizeof(a), .id = id};

	return call(fd, PEERLANE_DMA_UNMAP, &a);
}

int set_irq(int fd, uint32_t vector, int event)
{
	struct peerlane_irq a = {.argsz = sizeof(a), .vector = vector, .fd = event};

	return call(fd, PEERLANE_IRQ, &a);
}

int bus_master(int fd, uint32_t on)
{
	struct peerlane_bus_master a = {.argsz = sizeof(a), .on = on};

	return call(fd, PEERLANE_BUS_MASTER, &a);
}

int reset(int fd)
{
	struct peerlane_reset a = {.argsz = sizeof(a)};

	return call(fd, PEERLANE_RESET, &a);
}

struct peerlane_info info(int fd)
{
	struct peerlane_info a = {.argsz = sizeof(a)};
	int ret = call(fd, PEERLANE_INFO, &a);

	if (ret) {
		printf("FAIL info: %s\n", strerror(-ret));
		exit(1);
	}
	return a;
}

void *memory(size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED) {
		printf("FAIL no memory\n");
		exit(1);
	}
	return p;
}

volatile uint32_t *bar_map(int fd)
{
	void *p = mmap(NULL, info(fd).bar_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		printf("FAIL mmap of BAR 0: %s\n", strerror(errno));
		exit(1);
	}
	return p;
}

/* 82576 datasheet 8.8: GPIE with Multiple_MSIX and PBA support; EIAC and EIMS for the vectors. */
void irq_arm(volatile uint32_t *bar, unsigned n)
{
	bar[0x1514 / 4] = 1u << 4 | 1u << 31;
	bar[0x152c / 4] = (1u << n) - 1;
	bar[0x1524 / 4] = (1u << n) - 1;
}

/* EICS sets the cause. EIAC cleared the mask with the last one: EIMS. */
void irq_fire(volatile uint32_t *bar, unsigned vector)
{
	bar[0x1524 / 4] = 1u << vector;
	bar[0x1520 / 4] = 1u << vector;
}

uint64_t event_wait(int event, int timeout_ms)
{
	struct pollfd p = {.fd = event, .events = POLLIN};
	uint64_t n = 0;

	if (poll(&p, 1, timeout_ms) != 1 || read(event, &n, sizeof(n)) != sizeof(n))
		return 0;
	return n;
}

long proc_number(const char *path, const char *key)
{
	char line[256];
	FILE *f = fopen(path, "r");
	long number = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key))) {
			number = strtol(line + strlen(key), NULL, 0);
			break;
		}
	fclose(f);
	return number;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

const char *sysfs(const char *name)
{
	static __thread char path[4][128];
	static __thread unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "/sys/bus/pci/devices/%s/%s", address, name);
	return p;
}

uint16_t command_register(void)
{
	uint16_t command = 0xffff;
	int fd = open(sysfs("config"), O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (pread(fd, &command, 2, 4) != 2)
			command = 0xffff;
		close(fd);
	}
	return command;
}

/* Each processor counts for itself; reading this file adds it up. */
long pinned_pages(void)
{
	proc_number("/proc/sys/vm/stat_refresh", "");
	return proc_number("/proc/vmstat", "nr_foll_pin_acquired ") -
	       proc_number("/proc/vmstat", "nr_foll_pin_released ");
}

unsigned long irq_count(unsigned vector)
{
	char line[512], name[16];
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long n = 0;

	snprintf(name, sizeof(name), "-%u\n", vector);
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strchr(line, ':'), *end;

		if (!at || !strstr(line, "peerlane-") || !strstr(line, name))
			continue;
		for (at++;; at = end) { /* one for each processor, then words */
			unsigned long on_one = strtoul(at, &end, 10);

			if (end == at || *end != ' ')
				break;
			n += on_one;
		}
	}
	if (f)
		fclose(f);
	return n;
}

long irq_lines(void)
{
	char line[512];
	FILE *f = fopen("/proc/interrupts", "r");
	long n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "peerlane-") != NULL;
	if (f)
		fclose(f);
	return n;
}

int in_child(int (*body)(void *), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(body(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void drop_capability(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		_exit(99);
	data[capability / 32].effective &= ~(1u << capability % 32);
	if (syscall(SYS_capset, &header, data))
		_exit(99);
}

static __thread sigjmp_buf sigbus_jump;

static void on_sigbus(int signal)
{
	siglongjmp(sigbus_jump, signal);
}

bool raises_sigbus(volatile uint32_t *p)
{
	struct sigaction action = {.sa_handler = on_sigbus}, old;
	bool raised;

	sigaction(SIGBUS, &action, &old);
	raised = sigsetjmp(sigbus_jump, 1) != 0;
	if (!raised)
		(void)*p;
	sigaction(SIGBUS, &old, NULL);
	return raised;
}
