/* SPDX-License-Identifier: BSD-2-Clause */
/* Abuse of dma-bufs: with udmabuf, where the kernel has it, and with the exporter of the tests. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exporter.h"

#define ROOM 128

static struct peerlane_segment segments[ROOM];

static int map_buf(int fd, int buf, uint32_t flags, int event, struct peerlane_dmabuf_map *out)
{
	*out = (struct peerlane_dmabuf_map){
		.argsz = sizeof(*out),
		.flags = flags,
		.fd = buf,
		.event_fd = event,
		.segments = (uintptr_t)segments,
		.n_segments = ROOM,
	};
	return call(fd, PEERLANE_DMABUF_MAP, out);
}

static void bad_descriptors(int fd)
{
	const uint32_t movable = PEERLANE_DMABUF_MOVABLE;
	int event = eventfd(0, EFD_NONBLOCK), root = open("/", O_RDONLY | O_CLOEXEC);
	struct peerlane_dmabuf_map a;

	check_is(map_buf(fd, -1, 0, -1, &a), -EBADF, "dma-buf: descriptor -1");
	check_is(map_buf(fd, INT32_MIN, 0, -1, &a), -EBADF, "dma-buf: descriptor -2^31");
	check_is(map_buf(fd, 999, 0, -1, &a), -EBADF, "dma-buf: a descriptor that is not open");
	check_is(map_buf(fd, event, 0, -1, &a), -EINVAL, "dma-buf: an eventfd");
	check_is(map_buf(fd, root, 0, -1, &a), -EINVAL, "dma-buf: a folder");
	check_is(map_buf(fd, fd, 0, -1, &a), -EINVAL, "dma-buf: the device");
	check_is(map_buf(fd, event, PEERLANE_DMABUF_PIN, -1, &a), -EINVAL,
		 "dma-buf: pinned, not movable");
	check_is(map_buf(fd, event, 0, event, &a), -EINVAL, "dma-buf: an event, not movable");
	check_is(map_buf(fd, event, movable, -2, &a), -EINVAL, "dma-buf: event -2");
	close(root);
	close(event);
}

static uint64_t total(const struct peerlane_dmabuf_map *a)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < a->n_segments; i++)
		sum += segments[i].len;
	return sum;
}

static int export(int exporter, unsigned n_pages)
{
	struct exporter_export e = {.n_pages = n_pages};

	return ioctl(exporter, EXPORTER_EXPORT, &e) ? -errno : e.fd;
}

static unsigned maps(int exporter)
{
	return ioctl(exporter, EXPORTER_COUNT) & 0xffff;
}

static unsigned pins(int exporter)
{
	return ioctl(exporter, EXPORTER_COUNT) >> 16;
}

static void fixed(int fd, int exporter)
{
	int buf = export(exporter, 32), event = eventfd(0, EFD_NONBLOCK);
	struct peerlane_dmabuf_map a, b;

	check_is(map_buf(fd, buf, 0, -1, &a), 0, "dma-buf of 32 pages");
	check(a.length == 32 * PAGE && total(&a) == a.length && a.n_segments <= 32 && a.id,
	      "%u segments, together %llu, shift %u", a.n_segments, (unsigned long long)total(&a),
	      a.page_shift);
	check(maps(exporter) == 1, "it is mapped once (%u)", maps(exporter));
	check_is(map_buf(fd, buf, 0, -1, &b), 0, "the same again");
	check(a.id != b.id, "ids %u, %u", a.id, b.id);
	check_is(unmap(fd, a.id), 0, "unmap");
	check_is(unmap(fd, a.id), -ENOENT, "unmap again");
	check(maps(exporter) == 1, "one is left (%u)", maps(exporter));
	bus_master(fd, 1);
	ioctl(exporter, EXPORTER_MOVE);
	check(command_register() & 4 && maps(exporter) == 1, "a move does not concern it");
	check_is(map_buf(fd, buf, PEERLANE_DMABUF_MOVABLE, fd, &a), -EINVAL,
		 "dma-buf: an event that is none");
	a = (struct peerlane_dmabuf_map){.argsz = sizeof(a), .fd = buf, .event_fd = -1};
	check_is(call(fd, PEERLANE_DMABUF_MAP, &a), -ENOSPC, "no room for segments");
	check(a.n_segments && !a.id, "says how many: %u", a.n_segments);
	check_is(call(fd, PEERLANE_DMABUF_MAP, &a), -EFAULT, "segments to 0");
	check(maps(exporter) == 1, "nothing more is mapped (%u)", maps(exporter));
	close(buf);
	check(maps(exporter) == 1, "the mapping outlives the descriptor");
	close(event);
}

static void moved(int fd, int exporter)
{
	const uint32_t movable = PEERLANE_DMABUF_MOVABLE;
	int buf = export(exporter, 8), event = eventfd(0, EFD_NONBLOCK);
	struct peerlane_dmabuf_map a, b;
	unsigned others;

	check_is(map_buf(fd, buf, movable, event, &a), 0, "dma-buf that may move");
	check(total(&a) == 8 * PAGE, "segments");
	others = pins(exporter);
	check_is(map_buf(fd, buf, movable | PEERLANE_DMABUF_PIN, -1, &b), 0, "and pinned");
	check(pins(exporter) > others, "the exporter was asked to (%u)", pins(exporter));
	check_is(bus_master(fd, 1), 0, "bus master on");
	ioctl(exporter, EXPORTER_MOVE);
	check(!(command_register() & 4), "it moves: bus mastering is off");
	check(event_wait(event, 1000) == 1, "the user hears of it");
	check(!maps(exporter), "it is mapped no more (%u)", maps(exporter));
	check(info(fd).features & PEERLANE_FEATURE_REVOKED, "info tells");
	check_is(bus_master(fd, 1), -ESTALE, "bus master on");
	ioctl(exporter, EXPORTER_MOVE);
	check(!event_wait(event, 0), "it moves again: of no concern");
	check_is(unmap(fd, a.id), 0, "unmap");
	check_is(unmap(fd, a.id), -ENOENT, "unmap again");
	check_is(bus_master(fd, 1), -ESTALE, "bus master on");
	check_is(reset(fd), 0, "reset");
	check_is(bus_master(fd, 1), 0, "bus master on");
	check_is(map_buf(fd, buf, movable, -1, &a), 0, "the buffer at its new place");
	ioctl(exporter, EXPORTER_MOVE);
	close(event);
	close(buf);
}

struct mover {
	int exporter;
	atomic_bool stop;
	unsigned long n;
};

static void *move(void *arg)
{
	struct mover *m = arg;

	/* Relaxed: only to end; the join orders the rest. */
	for (; !atomic_load_explicit(&m->stop, memory_order_relaxed); m->n++)
		ioctl(m->exporter, EXPORTER_MOVE);
	return NULL;
}

static void moves_all_the_while(int fd, int exporter)
{
	struct mover m = {.exporter = exporter};
	int buf = export(exporter, 8), event = eventfd(0, EFD_NONBLOCK);
	unsigned long n = 0, odd = 0, stale = 0;
	struct peerlane_dmabuf_map a;
	pthread_t thread;
	double end = now() + 2;

	pthread_create(&thread, NULL, move, &m);
	for (; now() < end; n++) {
		int ret;

		odd += map_buf(fd, buf, PEERLANE_DMABUF_MOVABLE | n % 2, event, &a) != 0;
		odd += total(&a) != 8 * PAGE;
		ret = bus_master(fd, 1);
		stale += ret == -ESTALE;
		odd += ret && ret != -ESTALE;
		if (n % 8)
			odd += unmap(fd, a.id) != 0;
		if (stale % 64 == 63)
			odd += reset(fd) != 0;
	}
	atomic_store_explicit(&m.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	check(!odd && n, "%lu mappings while the buffer moves %lu times (%lu stale, %lu odd)", n,
	      m.n, stale, odd);
	check_is(reset(fd), 0, "reset");
	close(event);
	close(buf);
}

static void exported(void)
{
	int exporter = open("/dev/peerlane-exporter", O_RDWR | O_CLOEXEC), fd;

	if (exporter < 0) {
		skip("dma-buf of the tests' exporter", "its module is not loaded");
		return;
	}
	fd = must_open();
	fixed(fd, exporter);
	close(fd);
	check(!maps(exporter), "close ends it (%u)", maps(exporter));
	fd = must_open();
	moved(fd, exporter);
	check_is(bus_master(fd, 1), -ESTALE, "it moved: bus master on");
	close(fd);
	check(!maps(exporter) && !pins(exporter), "close ends them (%u, %u)", maps(exporter),
	      pins(exporter));
	fd = must_open();
	check_is(bus_master(fd, 1), 0, "a new user is not concerned");
	moves_all_the_while(fd, exporter);
	close(fd);
	check(!maps(exporter) && !pins(exporter), "close ends them (%u, %u)", maps(exporter),
	      pins(exporter));
	close(exporter);
}

static void from_udmabuf(int fd)
{
	int memfd = memfd_create("abuse", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), buf;
	struct udmabuf_create create = {.memfd = memfd, .flags = UDMABUF_FLAGS_CLOEXEC};
	struct peerlane_dmabuf_map a;

	if (device < 0) {
		skip("dma-buf of udmabuf", "this kernel has none (/dev/udmabuf)");
		close(memfd);
		return;
	}
	create.size = 64 * PAGE;
	if (ftruncate(memfd, create.size) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		check(false, "memfd: %d", errno);
	buf = ioctl(device, UDMABUF_CREATE, &create);
	check(buf >= 0, "udmabuf of 64 pages (%d)", buf);
	check_is(map_buf(fd, buf, 0, -1, &a), 0, "map of it");
	check(total(&a) == create.size, "%u segments, together %llu", a.n_segments,
	      (unsigned long long)total(&a));
	check_is(unmap(fd, a.id), 0, "unmap");
	check_is(map_buf(fd, buf, PEERLANE_DMABUF_MOVABLE, -1, &a), 0, "map of it, movable");
	close(buf);
	close(device);
	close(memfd);
}

void test_dmabuf(void)
{
	int fd = must_open();

	bad_descriptors(fd);
	from_udmabuf(fd);
	close(fd);
	exported();
}
