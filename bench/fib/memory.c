/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages: those that keys lie on, those that DPDK needs, and which ones a table got. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../net/options.h"
#include "fib.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB"
#define TRIES 3 /* of reserving pages: others give theirs back meanwhile */

static long reserved_before = -1;
static int lock_fd = -1;
static sigset_t signals_before;

static size_t whole_pages(size_t bytes)
{
	return (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

/* Reserves more, and cuts off what lies before and behind the aligned part. */
void *pages_new(size_t bytes)
{
	size_t whole = whole_pages(bytes), before;
	uint8_t *base, *start;

	base = mmap(NULL, whole + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (base == MAP_FAILED)
		die("no memory for %zu bytes of keys: try a smaller --keys", bytes);
	before = -(uintptr_t)base & (HUGE_PAGE - 1);
	start = base + before;
	if (before)
		munmap(base, before);
	munmap(start + whole, HUGE_PAGE - before);
	madvise(start, whole, MADV_HUGEPAGE); /* if the kernel has none, it goes without */
	return start;
}

void pages_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, whole_pages(bytes));
}

static bool read_long(const char *path, long *value)
{
	FILE *f = fopen(path, "re");
	bool done;

	if (!f)
		return false;
	done = fscanf(f, "%ld", value) == 1;
	fclose(f);
	return done;
}

static bool write_long(const char *path, long value)
{
	FILE *f = fopen(path, "we");
	bool done;

	if (!f)
		return false;
	done = fprintf(f, "%ld\n", value) > 0;
	return fclose(f) == 0 && done;
}

/* Others of us that start at the same time would take the pages that we count on. */
static void lock(void)
{
	lock_fd = open(POOL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock_fd >= 0)
		flock(lock_fd, LOCK_EX);
}

static bool reserve(long n)
{
	long all, surplus, free_pages;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		if (!read_long(POOL "/nr_hugepages", &all) ||
		    !read_long(POOL "/surplus_hugepages", &surplus) ||
		    !read_long(POOL "/free_hugepages", &free_pages))
			return false;
		if (free_pages >= n)
			return true;
		if (reserved_before < 0)
			reserved_before = all - surplus;
		if (!write_long(POOL "/nr_hugepages", all + n - free_pages))
			return false;
	}
	return false;
}

/* That which asks to end waits until the pages are unreserved. */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &signals_before);
}

bool pages_reserve(unsigned n)
{
	bool enough;

	hold_signals();
	lock();
	enough = reserve(n);
	if (!enough)
		pages_unreserve();
	return enough;
}

/* Pages in use become surplus when fewer are to be reserved: the kernel takes each of them back
 * when its user lets go of it. So however this program ends, nothing is left behind, unless it is
 * killed (SIGKILL) in the second for which they are reserved. */
void pages_unreserve(void)
{
	if (reserved_before >= 0 && !write_long(POOL "/nr_hugepages", reserved_before))
		fprintf(stderr, "cannot set %s/nr_hugepages back to %ld\n", POOL, reserved_before);
	reserved_before = -1;
	if (lock_fd >= 0)
		close(lock_fd);
	lock_fd = -1;
	sigprocmask(SIG_SETMASK, &signals_before, NULL);
}

/* The value of a line "NAME:  123 kB" if it has that name. */
static bool field(const char *line, const char *name, unsigned long *kb)
{
	size_t len = strlen(name);

	return !strncmp(line, name, len) && line[len] == ':' &&
	       sscanf(line + len + 1, "%lu", kb) == 1;
}

void pages_describe(const void *p, char text[64])
{
	unsigned long from, to, rss = 0, huge = 0, page = 0;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false;
	char line[512];

	snprintf(text, 64, "unknown");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			if (inside)
				break;
			inside = from <= (uintptr_t)p && (uintptr_t)p < to;
		} else if (inside && !field(line, "Rss", &rss) &&
			   !field(line, "AnonHugePages", &huge)) {
			field(line, "KernelPageSize", &page);
		}
	}
	fclose(f);
	if (page >= HUGE_PAGE >> 10)
		snprintf(text, 64, "%lu MiB reserved", page >> 10);
	else if (huge)
		snprintf(text, 64, "2 MiB transparent, %.0f %% of %.0f MiB",
			 100.0 * (double)huge / (double)rss, (double)rss / 1024);
	else if (page)
		snprintf(text, 64, "%lu KiB", page);
}
