/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for packets of devices that share the host's addresses: it is the host's, in a file that has no name, so
 * that it can stand for itself where NICs' addresses are made: the kernel's udmabuf makes a dma-buf of it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>
#include <linux/udmabuf.h>

#include "../memory/region.h"
#include "private.h"

#define UDMABUF "/dev/udmabuf"
#define UDMABUF_LIMIT "/sys/module/udmabuf/parameters/size_limit_mb"
#define GIVEN "PEERLANE_PACKETS_FD"
#define NO_UDMABUF "the kernel has no " UDMABUF
#define LOAD_UDMABUF "modprobe udmabuf"

struct packets {
	int file; /* -1: it is PEERLANE_PACKETS_FD's */
	char no_dmabuf[160];
};

/* Whether somebody has the memory of PEERLANE_PACKETS_FD. */
static _Atomic bool given_taken;

void accel_packets_of_host_judge(struct pl_accel_info *info)
{
	if (getenv(GIVEN) || access(UDMABUF, R_OK | W_OK) == 0)
		return;
	info->no_dmabuf = errno == ENOENT ? NO_UDMABUF : UDMABUF " cannot be opened";
	info->dmabuf_remedy = errno == ENOENT ? LOAD_UDMABUF : "run this as root";
}

/* ---- memory of our own ---- */

/* A file of `len_bytes`, mapped and populated. Returns it or -errno. */
static int make_file(unsigned flags, size_t page_bytes, struct pl_remote *remote, size_t len_bytes)
{
	int file = memfd_create("peerlane-packets", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	void *at = MAP_FAILED;
	int rc = 0;

	if (file < 0)
		return -errno;
	/* What udmabuf wants: that no page of it can be taken away. */
	if (ftruncate(file, (off_t)len_bytes) < 0 || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) < 0 ||
	    (at = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED)
		rc = -errno;
	if (!rc && page_bytes < PL_REMOTE_GRAIN)
		(void)madvise(at, len_bytes, MADV_HUGEPAGE); /* a hint, as for regions */
	if (!rc)
		rc = region_populate(at, len_bytes, page_bytes);
	if (rc) {
		if (at != MAP_FAILED)
			munmap(at, len_bytes);
		close(file);
		return rc;
	}
	remote->emulated = at;
	remote->len_bytes = len_bytes;
	remote->page_bytes = page_bytes;
	return file;
}

/* What udmabuf takes at most, in MiB; 0: cannot be told. */
static unsigned long udmabuf_limit(void)
{
	FILE *file = fopen(UDMABUF_LIMIT, "re");
	unsigned long mib = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu", &mib) != 1)
		mib = 0;
	fclose(file);
	return mib;
}

static void export(struct packets *p, struct pl_remote *remote)
{
	struct udmabuf_create create = {.memfd = (uint32_t)p->file,
					.flags = UDMABUF_FLAGS_CLOEXEC,
					.size = remote->len_bytes};
	unsigned long limit = udmabuf_limit();
	int device = open(UDMABUF, O_RDWR | O_CLOEXEC);

	if (device < 0 && errno == ENOENT) {
		snprintf(p->no_dmabuf, sizeof(p->no_dmabuf), NO_UDMABUF);
		remote->dmabuf_remedy = LOAD_UDMABUF;
	} else if (device < 0)
		snprintf(p->no_dmabuf, sizeof(p->no_dmabuf), UDMABUF " cannot be opened: %m");
	if (device < 0)
		return;
	remote->dmabuf_fd = ioctl(device, UDMABUF_CREATE, &create);
	if (remote->dmabuf_fd < 0 && errno == EINVAL && limit && remote->len_bytes >> 20 > limit) {
		snprintf(p->no_dmabuf, sizeof(p->no_dmabuf),
			 "the kernel's udmabuf takes no more than %lu MiB", limit);
		remote->dmabuf_remedy = "raise " UDMABUF_LIMIT;
	} else if (remote->dmabuf_fd < 0)
		snprintf(p->no_dmabuf, sizeof(p->no_dmabuf), "the kernel's udmabuf refuses it: %m");
	close(device);
}

/* ---- a dma-buf that was given ---- */

static int give_up(const char *why, struct pl_error *err)
{
	atomic_store_explicit(&given_taken, false, memory_order_release);
	return pl_error_set(err, -EINVAL,
			    "have it be the number of an inherited dma-buf's "
			    "descriptor, or unset it",
			    "cannot use the memory that " GIVEN "=%s names: %s", getenv(GIVEN),
			    why);
}

static int take_given(struct pl_remote *remote, size_t len_bytes, struct pl_error *err)
{
	const char *text = getenv(GIVEN);
	char *end;
	unsigned long fd = strtoul(text, &end, 10);
	off_t size;
	void *at;

	/* Acquire and release: who takes it next sees it as it was left. */
	if (atomic_exchange_explicit(&given_taken, true, memory_order_acquire))
		return pl_error_set(err, -ENOMEM, "use one plane",
				    "the memory that " GIVEN "=%s names is in use already", text);
	if (end == text || *end || fd > INT_MAX)
		return give_up("no number", err);
	size = lseek((int)fd, 0, SEEK_END);
	if (size < 0)
		return give_up(strerror(errno), err);
	size -= size % (off_t)PL_REMOTE_GRAIN;
	if ((size_t)size < len_bytes) {
		give_up("it is too small", NULL);
		return pl_error_set(err, -ENOMEM, "use smaller rings",
				    "the memory that " GIVEN "=%s names is of %lld MiB, and %zu "
				    "are needed",
				    text, (long long)size >> 20, len_bytes >> 20);
	}
	at = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
	if (at == MAP_FAILED)
		return give_up(strerror(errno), err);
	remote->emulated = at;
	remote->len_bytes = (size_t)size;
	remote->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	remote->dmabuf_fd = (int)fd; /* which stays the process's */
	return 0;
}

/* ---- either ---- */

static int make(struct packets *p, struct pl_remote *remote, const char *name, size_t len_bytes,
		struct pl_error *err)
{
	if (getenv(GIVEN))
		return take_given(remote, len_bytes, err);
	p->file = make_file(MFD_HUGETLB | MFD_HUGE_2MB, PL_REMOTE_GRAIN, remote, len_bytes);
	if (p->file < 0)
		p->file = make_file(0, (size_t)sysconf(_SC_PAGESIZE), remote, len_bytes);
	if (p->file < 0)
		return pl_error_set(err, -ENOMEM, "free some memory, or use smaller rings",
				    "%s: cannot map %zu MiB of memory for packets: %s", name,
				    len_bytes >> 20, strerror(-p->file));
	export(p, remote);
	return 0;
}

int accel_packets_of_host(struct pl_accel_packets *packets, const char *name, size_t len_bytes,
			  struct pl_error *err)
{
	struct pl_remote *remote = &packets->remote;
	struct packets *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return pl_error_set(err, -ENOMEM, NULL, "%s: out of memory", name);
	p->file = -1;
	remote->dmabuf_fd = -1;
	rc = make(p, remote, name, len_bytes, err);
	if (rc) {
		free(p);
		return rc;
	}
	remote->device = (uintptr_t)remote->emulated;
	remote->no_dmabuf = remote->dmabuf_fd < 0 ? p->no_dmabuf : NULL;
	packets->handle = p;
	return 0;
}

void accel_packets_of_host_free(struct pl_accel_packets *packets)
{
	struct packets *p = packets->handle;

	munmap(packets->remote.emulated, packets->remote.len_bytes);
	if (p->file < 0) {
		atomic_store_explicit(&given_taken, false, memory_order_release);
	} else {
		if (packets->remote.dmabuf_fd >= 0)
			close(packets->remote.dmabuf_fd);
		close(p->file);
	}
	free(p);
}
