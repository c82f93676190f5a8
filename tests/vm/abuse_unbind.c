/* SPDX-License-Identifier: BSD-2-Clause */
/* Abuse of the device's and the module's end. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRIVER "/sys/bus/pci/drivers/peerlane"

static int unbind(void)
{
	return write_file(DRIVER "/unbind", address);
}

/* A device that came anew has no driver_override. */
static int bind_again(void)
{
	int ret = write_file(sysfs("driver_override"), "peerlane");

	return ret ? ret : write_file("/sys/bus/pci/drivers_probe", address);
}

/* An open file with all that it can have. */
struct busy {
	int fd, event;
	uint64_t len;
	volatile uint32_t *bar;
	uint32_t id;
};

static struct busy make_busy(void)
{
	struct busy b = {.fd = open_wait(), .event = eventfd(0, EFD_NONBLOCK)};

	b.len = info(b.fd).bar_len;
	b.bar = bar_map(b.fd);
	if (map(b.fd, memory(64 * PAGE), 64 * PAGE, &b.id))
		check(false, "map");
	for (unsigned v = 0; v < 4; v++)
		set_irq(b.fd, v, b.event);
	bus_master(b.fd, 1);
	(void)b.bar[2]; /* pages that were touched are to go, too */
	irq_arm(b.bar, 4);
	irq_fire(b.bar, 1);
	check(event_wait(b.event, 5000) >= 1, "an open file with interrupts, memory, registers");
	return b;
}

static void expect_gone(struct busy *b, const char *how)
{
	struct peerlane_info i = {.argsz = sizeof(i)};
	uint32_t id;
	void *p;

	check_is(call(b->fd, PEERLANE_INFO, &i), -ENODEV, "%s: info", how);
	check_is(bus_master(b->fd, 1), -ENODEV, "%s: bus master", how);
	check_is(set_irq(b->fd, 0, b->event), -ENODEV, "%s: irq", how);
	check_is(set_irq(b->fd, 1, -1), -ENODEV, "%s: irq, none", how);
	p = memory(PAGE);
	check_is(map(b->fd, p, PAGE, &id), -ENODEV, "%s: map", how);
	munmap(p, PAGE);
	check_is(unmap(b->fd, b->id), -ENODEV, "%s: unmap", how);
	check_is(reset(b->fd), -ENODEV, "%s: reset", how);
	check(raises_sigbus(b->bar + 2) && raises_sigbus(b->bar + 0x1514 / 4) &&
		      raises_sigbus(b->bar + 0xc000 / 4),
	      "%s: registers raise SIGBUS", how);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, b->fd, 0);
	check(p == MAP_FAILED || raises_sigbus(p), "%s: in a new mapping too", how);
	if (p != MAP_FAILED)
		munmap(p, PAGE);
	check(!pinned_pages() && !irq_lines(), "%s: nothing is pinned (%ld), no interrupt (%ld)",
	      how, pinned_pages(), irq_lines());
}

static void end_busy(struct busy *b)
{
	munmap((void *)b->bar, b->len);
	close(b->fd);
	close(b->event);
}

static void unbind_open(void)
{
	struct busy b = make_busy();
	int fd;

	check_is(unbind(), 0, "unbind while open");
	check(access(node, F_OK), "%s is gone", node);
	check(!(command_register() & 4), "bus mastering is off");
	expect_gone(&b, "unbound");
	check_is(bind_again(), 0, "bind again");
	fd = open_wait();
	check(fd >= 0, "open, with the former file still open (%d)", fd);
	check(info(fd).version == PEERLANE_UAPI_VERSION, "it works");
	expect_gone(&b, "bound again");
	end_busy(&b);
	check_is(bus_master(fd, 1), 0, "the new file outlives the former");
	close(fd);
}

static void rescan(void)
{
	double end = now() + 10;

	check_is(write_file("/sys/bus/pci/rescan", "1"), 0, "the device comes back");
	while (access(sysfs("vendor"), F_OK) && now() < end)
		usleep(10000);
	check_is(bind_again(), 0, "bind again");
}

static void unplug_open(void)
{
	struct busy b = make_busy();
	int fd;

	check_is(write_file(sysfs("remove"), "1"), 0, "the device is removed while open");
	expect_gone(&b, "removed");
	rescan();
	end_busy(&b);
	fd = open_wait();
	check(fd >= 0 && info(fd).version == PEERLANE_UAPI_VERSION, "it works");
	close(fd);
}

struct stuck {
	int fd;
	void *page;
	int ret;
};

static void *map_stuck(void *arg)
{
	struct stuck *s = arg;
	struct peerlane_dma_map a;
	void *p = memory(PAGE);

	s->ret = map_full(s->fd, (uintptr_t)p, PAGE, s->page, 1, &a);
	munmap(p, PAGE);
	return NULL;
}

/* The segments go to a page that its owner does not deliver before the device has gone. */
static void unbind_with_page_missing(void)
{
	int fault = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register registration = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	struct uffdio_zeropage zero = {};
	struct stuck s = {.fd = open_wait()};
	struct pollfd p = {.fd = fault, .events = POLLIN};
	struct uffd_msg message;
	pthread_t thread;

	s.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	registration.range.start = (uintptr_t)s.page;
	registration.range.len = PAGE;
	if (fault < 0 || ioctl(fault, UFFDIO_API, &api) ||
	    ioctl(fault, UFFDIO_REGISTER, &registration)) {
		skip("unbind while a page is missing", "no userfaultfd");
		close(s.fd);
		return;
	}
	pthread_create(&thread, NULL, map_stuck, &s);
	check(poll(&p, 1, 10000) == 1 && read(fault, &message, sizeof(message)) == sizeof(message),
	      "a map waits for a page (%d)", s.ret);
	check_is(unbind(), 0, "unbind meanwhile");
	zero.range = registration.range;
	check(!ioctl(fault, UFFDIO_ZEROPAGE, &zero), "the page comes");
	pthread_join(thread, NULL);
	check_is(s.ret, 0, "the map ends, as it was made");
	close(fault);
	munmap(s.page, PAGE);
	check(!pinned_pages(), "nothing is pinned any more (%ld)", pinned_pages());
	close(s.fd);
	check_is(bind_again(), 0, "bind again");
}

/* Opens, uses and closes for as long as it lives; what fails fails. */
static int user(void *arg)
{
	uint8_t *p = memory(16 * PAGE);
	int event = eventfd(0, EFD_NONBLOCK);

	(void)arg;
	for (;;) {
		int fd = try_open(O_RDWR);
		uint32_t id;

		if (fd < 0) {
			usleep(1000);
			continue;
		}
		for (unsigned i = 0; i < 50; i++) {
			map(fd, p, 16 * PAGE, &id);
			set_irq(fd, i % 4, event);
			bus_master(fd, 1);
			unmap(fd, id);
		}
		close(fd);
	}
	return 0;
}

static void races(void)
{
	pid_t pids[2];
	unsigned n, bad = 0;
	int fd;

	fflush(stdout);
	for (unsigned i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(user(NULL));
	}
	for (n = 0; n < 15; n++) {
		usleep(150000 + n * 7000);
		bad += unbind() != 0;
		bad += bind_again() != 0;
	}
	for (unsigned i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	check(!bad, "%u times unbound while two processes open and use it (%u failed)", n, bad);
	fd = open_wait();
	check(fd >= 0 && info(fd).version == PEERLANE_UAPI_VERSION, "it works (%d)", fd);
	close(fd);
}

/* The administrator resets the device behind the user's back. */
static void reset_by_sysfs(void)
{
	struct busy b = make_busy();

	check_is(write_file(sysfs("reset"), "1"), 0, "a reset by sysfs while open");
	check(b.bar[2] != UINT32_MAX, "registers are there");
	check_is(unmap(b.fd, b.id), 0, "unmap");
	check_is(reset(b.fd), 0, "reset");
	end_busy(&b);
}

/* What PCI Express' error reporting would have come from the device; aer_inject of the kernel's. */
static int inject(uint32_t uncorrectable)
{
	struct {
		uint8_t bus, slot, function;
		uint32_t uncorrectable, correctable, header[4], domain;
	} error = {.uncorrectable = uncorrectable, .header = {1, 2, 3, 4}};
	unsigned domain, bus, slot, function;
	int fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		ret = -EINVAL;
	error.domain = domain;
	error.bus = bus;
	error.slot = slot;
	error.function = function;
	if (!ret && write(fd, &error, sizeof(error)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Errors of the link. QEMU's ports do not come back from the reset that ends a fatal one, so what would follow
 * such a recovery is not seen here. */
void test_errors(void)
{
	struct peerlane_info i = {.argsz = sizeof(i)};
	struct busy b;

	if (access("/dev/aer_inject", F_OK)) {
		skip("errors of PCI Express", "no /dev/aer_inject");
		return;
	}
	b = make_busy();
	event_wait(b.event, 0);
	check_is(inject(0x1000), 0, "a poisoned packet, which is not fatal");
	usleep(500000);
	check(!event_wait(b.event, 0) && command_register() & 4, "the device goes on");
	check_is(call(b.fd, PEERLANE_INFO, &i), 0, "info");
	check_is(inject(0x40000), 0, "a malformed packet, which is fatal");
	check(event_wait(b.event, 20000), "who waits for an interrupt is woken");
	check_is(call(b.fd, PEERLANE_INFO, &i), -EIO, "info");
	check_is(bus_master(b.fd, 1), -EIO, "bus master");
	check(!(command_register() & 4), "bus mastering is off");
	/* The kernel resets the port meanwhile, and leaves a device without addresses. */
	sleep(3);
	end_busy(&b);
	check_is(write_file(sysfs("remove"), "1"), 0, "the device is removed");
	rescan();
	b = make_busy();
	end_busy(&b);
}

void test_unbind(void)
{
	reset_by_sysfs();
	unbind_open();
	unbind_with_page_missing();
	unplug_open();
	races();
}

static int load(void)
{
	int fd = open(module, O_RDONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		ret = -errno;
	close(fd);
	return ret;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "peerlane", O_NONBLOCK) ? -errno : 0;
}

void test_rmmod(void)
{
	struct busy b;
	unsigned bad = 0;
	int fd;

	if (!module) {
		skip("rmmod", "no module was given (-m)");
		return;
	}
	b = make_busy();
	check_is(unload(), -EWOULDBLOCK, "rmmod while open");
	check_is(unbind(), 0, "unbind");
	check_is(unload(), -EWOULDBLOCK, "rmmod while unbound, and open");
	expect_gone(&b, "unbound");
	end_busy(&b);
	check_is(unload(), 0, "rmmod after close");
	check(access(DRIVER, F_OK), "the driver is gone");
	for (unsigned i = 0; i < 5; i++) {
		bad += load() != 0 || bind_again() != 0;
		fd = open_wait();
		bad += fd < 0;
		close(fd);
		bad += unload() != 0;
	}
	check(!bad, "5 times insmod, bind, open, close, rmmod (%u failed)", bad);
	check_is(load(), 0, "insmod");
	check_is(bind_again(), 0, "bind");
	fd = open_wait();
	check(fd >= 0 && info(fd).version == PEERLANE_UAPI_VERSION, "it works (%d)", fd);
	close(fd);
}
