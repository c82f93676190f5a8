/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio by iommufd: each device is a file, and tables of addresses are objects of /dev/iommu.
 * Documentation/userspace-api/iommufd.rst of the kernel; from 6.6 on.
 *
 * Used only where the kernel has no groups: those are in every kernel that Peerlane runs on unless
 * somebody left them out, and what they do is the same. */
#include "vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/iommufd.h and linux/vfio.h of later kernels than the headers this may be built with: numbers
 * and layouts as they are there. */
#define IOMMUFD_IOAS_ALLOC _IO(';', 0x81)
#define IOMMUFD_IOAS_IOVA_RANGES _IO(';', 0x84)
#define IOMMUFD_IOAS_MAP _IO(';', 0x85)
#define IOMMUFD_IOAS_UNMAP _IO(';', 0x86)
#define VFIO_BIND_IOMMUFD _IO(';', 118)
#define VFIO_ATTACH_IOMMUFD _IO(';', 119)

#define MAP_FIXED_ADDRESS 1u
#define MAP_WRITABLE 2u
#define MAP_READABLE 4u

struct ioas_alloc {
	uint32_t size, flags, ioas;
};
struct ioas_range {
	uint64_t first, last;
};
struct ioas_ranges {
	uint32_t size, ioas, n, reserved;
	uint64_t array, align;
};
struct ioas_map {
	uint32_t size, flags, ioas, reserved;
	uint64_t base, len, address;
};
struct ioas_unmap {
	uint32_t size, ioas;
	uint64_t address, len;
};
struct bind_iommufd {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t device;
};
struct attach_iommufd {
	uint32_t argsz, flags, ioas;
};

_Static_assert(sizeof(struct ioas_alloc) == 12 && sizeof(struct ioas_ranges) == 32 &&
		       sizeof(struct ioas_map) == 40 && sizeof(struct ioas_unmap) == 24 &&
		       sizeof(struct bind_iommufd) == 16 && sizeof(struct attach_iommufd) == 12,
	       "as the kernel has them");

#define RANGES_MAX 64u

struct iommufd {
	struct vfio_space space;
	int fd;
	uint32_t ioas;
};

static int iommufd_map(struct vfio_space *space, void *base, uint64_t len, uint64_t address)
{
	const struct iommufd *iommufd = (const struct iommufd *)space;
	struct ioas_map map = {
		.size = sizeof(map),
		.flags = MAP_FIXED_ADDRESS | MAP_WRITABLE | MAP_READABLE,
		.ioas = iommufd->ioas,
		.base = (uintptr_t)base,
		.len = len,
		.address = address,
	};

	return ioctl(iommufd->fd, IOMMUFD_IOAS_MAP, &map) ? -errno : 0;
}

static void iommufd_unmap(struct vfio_space *space, uint64_t address, uint64_t len)
{
	const struct iommufd *iommufd = (const struct iommufd *)space;
	struct ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas = iommufd->ioas,
		.address = address,
		.len = len,
	};

	(void)ioctl(iommufd->fd, IOMMUFD_IOAS_UNMAP, &unmap);
}

static void iommufd_close(struct vfio_space *space)
{
	struct iommufd *iommufd = (struct iommufd *)space;

	if (iommufd->fd >= 0)
		close(iommufd->fd);
	iova_fini(&space->iova);
	free(iommufd);
}

/* The name of the device's file; "": it has none. */
static void find_name(int folder, char *out, size_t size)
{
	int fd = openat(folder, "vfio-dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	out[0] = '\0';
	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(out, size, "vfio/devices/%.20s", entry->d_name);
	if (dir)
		closedir(dir);
}

bool vfio_iommufd_only(const struct pci_paths *paths, int folder)
{
	char name[48], path[PATH_MAX];

	/* Made by vfio itself, for groups alone. */
	snprintf(path, sizeof(path), "%s/vfio/vfio", paths->dev);
	find_name(folder, name, sizeof(name));
	return name[0] && access(path, F_OK) && errno == ENOENT;
}

/* What the devices attached to it allow. */
static int ask_iova(struct iommufd *iommufd)
{
	struct ioas_range ranges[RANGES_MAX];
	struct iova_range allowed[RANGES_MAX];
	struct ioas_ranges ask = {
		.size = sizeof(ask),
		.ioas = iommufd->ioas,
		.n = RANGES_MAX,
		.array = (uintptr_t)ranges,
	};

	/* EMSGSIZE: there are more, which can be done without. */
	if (ioctl(iommufd->fd, IOMMUFD_IOAS_IOVA_RANGES, &ask) && errno != EMSGSIZE)
		return -errno;
	if (ask.n > RANGES_MAX)
		ask.n = RANGES_MAX;
	for (unsigned i = 0; i < ask.n; i++)
		allowed[i] = (struct iova_range){ranges[i].first, ranges[i].last};
	return iova_init(&iommufd->space.iova, allowed, ask.n);
}

/* Each step needs the one before. Returns 0, or -errno with `step` saying which one failed. */
static int attach(struct iommufd *iommufd, int device, const char **step)
{
	struct bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd->fd};
	struct ioas_alloc alloc = {.size = sizeof(alloc)};
	struct attach_iommufd attach = {.argsz = sizeof(attach)};

	*step = "cannot be bound to /dev/iommu";
	if (ioctl(device, VFIO_BIND_IOMMUFD, &bind))
		return -errno;
	*step = "/dev/iommu makes no table of addresses";
	if (ioctl(iommufd->fd, IOMMUFD_IOAS_ALLOC, &alloc))
		return -errno;
	iommufd->ioas = attach.ioas = alloc.ioas;
	*step = "cannot be attached to its IOMMU";
	if (ioctl(device, VFIO_ATTACH_IOMMUFD, &attach))
		return -errno;
	*step = "no addresses of its IOMMU";
	return ask_iova(iommufd);
}

int vfio_iommufd_open(const struct pci_paths *paths, int folder, const char *address,
		      struct vfio_space **space, struct pl_error *err)
{
	struct iommufd *iommufd = calloc(1, sizeof(*iommufd));
	char name[48], path[PATH_MAX];
	const char *step;
	int device, rc;

	if (!iommufd)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", address);
	iommufd->space = (struct vfio_space){
		.map = iommufd_map,
		.unmap = iommufd_unmap,
		.close = iommufd_close,
	};
	snprintf(path, sizeof(path), "%s/iommu", paths->dev);
	iommufd->fd = open(path, O_RDWR | O_CLOEXEC);
	if (iommufd->fd < 0) {
		rc = vfio_cannot_open(address, path, -errno, err);
		iommufd_close(&iommufd->space);
		return rc;
	}
	find_name(folder, name, sizeof(name));
	snprintf(path, sizeof(path), "%s/%s", paths->dev, name);
	device = open(path, O_RDWR | O_CLOEXEC);
	rc = device < 0 ? vfio_cannot_open(address, path, -errno, err) : 0;
	if (!rc) {
		rc = attach(iommufd, device, &step);
		if (rc)
			pl_error_set(err, rc,
				     rc == -EPERM ? "switch interrupt remapping on in the "
						    "firmware's settings"
						  : NULL,
				     "%s: %s: %s", address, step, strerror(-rc));
	}
	if (rc) {
		if (device >= 0)
			close(device);
		iommufd_close(&iommufd->space);
		return rc;
	}
	*space = &iommufd->space;
	return device;
}
