/* SPDX-License-Identifier: BSD-2-Clause */
#include "bar.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A mapping. The handler of a signal reads it. */
struct bar {
	_Atomic uintptr_t base; /* 0: unused. Written last, read first */
	size_t len_bytes;
	int ones_fd; /* a file of as many bytes, all ones */
};

static struct bar bars[PCI_BARS_MAX];
static struct sigaction other_action; /* for a SIGBUS elsewhere */

/* The one that an address lies in; NULL. */
static struct bar *find(uintptr_t address)
{
	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		/* Acquire: pairs with the release of pci_bar_map(). */
		uintptr_t base = atomic_load_explicit(&bars[i].base, memory_order_acquire);

		if (base && address >= base && address - base < bars[i].len_bytes)
			return &bars[i];
	}
	return NULL;
}

/* In one step for who reads meanwhile: there is either the device or the file. The system call itself: a
 * handler of a signal may make it, and to a thread sanitizer it is not a write that others race with. */
static int pull_out(const struct bar *bar)
{
	uintptr_t base = atomic_load_explicit(&bar->base, memory_order_relaxed);

	/* Of an int on the stack syscall() would read as many bytes again. */
	return syscall(SYS_mmap, base, bar->len_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_FIXED, bar->ones_fd, 0L) == -1
		       ? -errno
		       : 0;
}

/* What would have become of a signal that is not ours. A default action is taken when the handler returns:
 * until then the signal waits, and the instruction that raised it has not gone on. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	bool by_kernel = info->si_code > 0; /* such a one is not ignored */

	if (other_action.sa_flags & SA_SIGINFO) {
		other_action.sa_sigaction(number, info, context);
	} else if (other_action.sa_handler == SIG_DFL ||
		   (other_action.sa_handler == SIG_IGN && by_kernel)) {
		signal(number, SIG_DFL);
		raise(number);
	} else if (other_action.sa_handler != SIG_IGN) {
		other_action.sa_handler(number);
	}
}

/* Returning repeats the instruction, on the file's ones. */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
	/* Where a signal that a process sent would say who it was there is no address. */
	const struct bar *bar = info->si_code > 0 ? find((uintptr_t)info->si_addr) : NULL;
	int code = errno;

	if (!bar || pull_out(bar))
		pass_on(number, info, context);
	errno = code;
}

static int install_handler(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO}, now;

	if (sigaction(SIGBUS, NULL, &now))
		return -errno;
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_sigbus)
		return 0;
	other_action = now;
	sigfillset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) ? -errno : 0;
}

/* Returns the descriptor or -errno. */
static int make_ones(size_t len_bytes)
{
	int fd = memfd_create("registers of a device that is gone", MFD_CLOEXEC);
	uint8_t ones[4096];
	int rc = 0;

	if (fd < 0)
		return -errno;
	memset(ones, 0xff, sizeof(ones));
	for (size_t at = 0; at < len_bytes && !rc; at += sizeof(ones)) {
		ssize_t n = pwrite(fd, ones, sizeof(ones), (off_t)at);

		if (n != (ssize_t)sizeof(ones))
			rc = n < 0 ? -errno : -ENOSPC;
	}
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

int pci_bar_map(int fd, uint64_t offset, size_t len_bytes, volatile uint8_t **result)
{
	struct bar *bar = NULL;
	int rc = install_handler();
	void *base;

	for (unsigned i = 0; i < PCI_BARS_MAX && !bar; i++)
		if (!atomic_load_explicit(&bars[i].base, memory_order_relaxed))
			bar = &bars[i];
	if (rc || !bar)
		return rc ? rc : -ENOSPC;
	rc = make_ones(len_bytes);
	if (rc < 0)
		return rc;
	base = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (base == MAP_FAILED) {
		int code = errno;

		close(rc);
		return -code;
	}
	bar->len_bytes = len_bytes;
	bar->ones_fd = rc;
	/* Release: what the handler reads is there when it sees the base. */
	atomic_store_explicit(&bar->base, (uintptr_t)base, memory_order_release);
	*result = base;
	return 0;
}

int pci_bar_pull_out(volatile uint8_t *bar)
{
	return pull_out(find((uintptr_t)bar));
}

void pci_bar_unmap(volatile uint8_t *address)
{
	struct bar *bar = address ? find((uintptr_t)address) : NULL;

	if (!bar)
		return;
	/* Relaxed: nobody uses it, so no signal comes from there. */
	atomic_store_explicit(&bar->base, 0, memory_order_relaxed);
	munmap((void *)(uintptr_t)address, bar->len_bytes);
	close(bar->ones_fd);
}
