/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio by groups: devices that the IOMMU cannot keep apart form a group, which is opened as a whole and
 * put into a container, whose table of addresses it then has. Documentation/driver-api/vfio.rst of the
 * kernel.
 *
 * A group can be opened once only, so that the ports of this process that lie in one share it. */
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

#include "sysfs.h"

struct group {
	struct vfio_space space;
	struct group *next;
	unsigned n_devices; /* that are open */
	char number[16];
	int fd, container;
};

static struct group *groups; /* that are open */

/* ---- addresses ---- */

static int group_map(struct vfio_space *space, void *base, uint64_t len, uint64_t address)
{
	const struct group *group = (const struct group *)space;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)base,
		.iova = address,
		.size = len,
	};

	return ioctl(group->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static void group_unmap(struct vfio_space *space, uint64_t address, uint64_t len)
{
	const struct group *group = (const struct group *)space;
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = address,
		.size = len,
	};

	(void)ioctl(group->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

/* Finds a capability of the answer; NULL: it has none. */
static const struct vfio_info_cap_header *capability(const struct vfio_iommu_type1_info *info,
						     uint16_t id)
{
	uint32_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	while (at && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
		const struct vfio_info_cap_header *header =
			(const void *)((const uint8_t *)info + at);

		if (header->id == id)
			return header;
		if (header->next <= at)
			break;
		at = header->next;
	}
	return NULL;
}

/* What every IOMMU translates, and is no window for interrupts: for kernels before 5.4. */
static int init_iova_blindly(struct iova *iova)
{
	static const struct iova_range ranges[] = {
		{(uint64_t)16 << 20, 0xfebfffff},
		{(uint64_t)4 << 30, ((uint64_t)1 << 39) - 1},
	};

	return iova_init(iova, ranges, 2);
}

static int init_iova(struct iova *iova, const struct vfio_iommu_type1_info *info)
{
	const struct vfio_iommu_type1_info_cap_iova_range *ranges =
		(const void *)capability(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	struct iova_range *allowed;
	int rc;

	if (!ranges)
		return init_iova_blindly(iova);
	if ((const uint8_t *)&ranges->iova_ranges[ranges->nr_iovas] >
	    (const uint8_t *)info + info->argsz)
		return -EIO;
	allowed = calloc(ranges->nr_iovas + 1, sizeof(*allowed));
	if (!allowed)
		return -ENOMEM;
	for (unsigned i = 0; i < ranges->nr_iovas; i++)
		allowed[i] = (struct iova_range){ranges->iova_ranges[i].start,
						 ranges->iova_ranges[i].end};
	rc = iova_init(iova, allowed, ranges->nr_iovas);
	free(allowed);
	return rc;
}

/* Asks which addresses are translated. */
static int ask_iova(struct group *group)
{
	struct vfio_iommu_type1_info *info, first = {.argsz = sizeof(first)};
	int rc;

	if (ioctl(group->container, VFIO_IOMMU_GET_INFO, &first))
		return -errno;
	if (first.argsz < sizeof(first))
		return init_iova_blindly(&group->space.iova);
	info = calloc(1, first.argsz);
	if (!info)
		return -ENOMEM;
	info->argsz = first.argsz;
	rc = ioctl(group->container, VFIO_IOMMU_GET_INFO, info) ? -errno : 0;
	if (!rc)
		rc = init_iova(&group->space.iova, info);
	free(info);
	return rc;
}

/* ---- opening ---- */

int vfio_cannot_open(const char *address, const char *path, int rc, struct pl_error *err)
{
	char remedy[160];

	if (rc == -EACCES || rc == -EPERM) {
		snprintf(remedy, sizeof(remedy),
			 "run as root, or give this user the file: chown USER %.60s", path);
		return pl_error_set(err, -EACCES, remedy, "%s: may not open %s: %s", address, path,
				    strerror(-rc));
	}
	if (rc == -ENOENT)
		return pl_error_set(err, rc, "modprobe vfio-pci", "%s: there is no %s", address,
				    path);
	if (rc == -EBUSY)
		return pl_error_set(err, rc, "end the process that has it",
				    "%s: it is in use: %s is open already", address, path);
	return pl_error_set(err, rc, NULL, "%s: cannot open %s: %s", address, path, strerror(-rc));
}

static int open_file(const struct pci_paths *paths, const char *name, const char *address,
		     struct pl_error *err)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", paths->dev, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : vfio_cannot_open(address, path, -errno, err);
}

/* Which device of the group has a driver that is not for user space: "0000:03:00.1 (bound to igb)".
 * Bridges' drivers do no DMA of their own, and the kernel lets them be. */
static void find_blocker(const char *sysfs, const char *number, char *out, size_t size)
{
	static const char *const harmless[] = {"", PCI_DRIVER_VFIO, "pci-stub", "pcieport"};
	char path[PATH_MAX], driver[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(out, size, "another device of it");
	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%s/devices", sysfs, number);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		int folder = pci_is_address(entry->d_name) ? pci_sysfs_folder(sysfs, entry->d_name)
							   : -1;
		bool blocks = folder >= 0;

		if (folder < 0)
			continue;
		(void)pci_sysfs_link(folder, "driver", driver, sizeof(driver));
		close(folder);
		for (unsigned i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
			blocks &= strcmp(driver, harmless[i]) != 0;
		if (!blocks)
			continue;
		snprintf(out, size, "%.20s, bound to %.40s,", entry->d_name, driver);
		break;
	}
	if (dir)
		closedir(dir);
}

static int check_viable(const struct pci_paths *paths, const struct group *group,
			const char *address, struct pl_error *err)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char blocker[100];

	if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status))
		return pl_error_set(err, -errno, NULL, "%s: IOMMU group %s: no status: %s", address,
				    group->number, strerror(errno));
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	find_blocker(paths->sysfs, group->number, blocker, sizeof(blocker));
	return pl_error_set(err, -EBUSY,
			    "bind that one to vfio, too, or to no driver; or move the card to "
			    "another slot; or: peerlane bind DEVICE kmod",
			    "%s: the IOMMU cannot keep it apart from the others of group %s, and "
			    "%s is the kernel's",
			    address, group->number, blocker);
}

static int set_iommu(const struct group *group, const char *address, struct pl_error *err)
{
	int rc = 0;

	if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &group->container))
		return pl_error_set(err, -errno, NULL,
				    "%s: IOMMU group %s cannot be put into a container: %s",
				    address, group->number, strerror(errno));
	if (ioctl(group->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		rc = -errno;
	if (rc == -EPERM)
		return pl_error_set(err, rc,
				    "switch interrupt remapping on in the firmware's settings; or, "
				    "unsafe: modprobe vfio_iommu_type1 allow_unsafe_interrupts=1",
				    "%s: its interrupts are not remapped, so that it could raise "
				    "any of the machine's: the kernel refuses",
				    address);
	if (rc == -ENODEV)
		return pl_error_set(err, rc, "modprobe vfio_iommu_type1",
				    "%s: the kernel has no driver of vfio for its IOMMU", address);
	if (rc)
		return pl_error_set(err, rc, NULL, "%s: cannot use its IOMMU: %s", address,
				    strerror(-rc));
	return 0;
}

static void group_free(struct group *group)
{
	if (group->fd >= 0)
		close(group->fd);
	if (group->container >= 0)
		close(group->container);
	iova_fini(&group->space.iova);
	free(group);
}

static void group_close(struct vfio_space *space)
{
	struct group *group = (struct group *)space, **at = &groups;

	if (--group->n_devices)
		return;
	while (*at != group)
		at = &(*at)->next;
	*at = group->next;
	group_free(group);
}

/* Without an IOMMU there is a group all the same, if the kernel was told to: "noiommu-0". What vfio does
 * not do there is to say which addresses memory has for the device. */
static int refuse_no_iommu(const char *address, struct pl_error *err)
{
	char remedy[120];

	snprintf(remedy, sizeof(remedy),
		 "switch the IOMMU on (see peerlane devices), or: peerlane bind %s kmod", address);
	return pl_error_set(err, -EOPNOTSUPP, remedy,
			    "%s: it has no IOMMU, and vfio then gives a device no addresses of "
			    "memory",
			    address);
}

static int open_group(const struct pci_paths *paths, const char *number, const char *address,
		      struct group *group, struct pl_error *err)
{
	char name[40];
	int rc;

	snprintf(group->number, sizeof(group->number), "%.15s", number);
	group->container = open_file(paths, "vfio/vfio", address, err);
	if (group->container < 0)
		return group->container;
	snprintf(name, sizeof(name), "vfio/%.15s", number);
	group->fd = open_file(paths, name, address, err);
	if (group->fd < 0)
		return group->fd;
	rc = check_viable(paths, group, address, err);
	if (!rc)
		rc = set_iommu(group, address, err);
	if (rc)
		return rc;
	rc = ask_iova(group);
	return rc ? pl_error_set(err, rc, NULL, "%s: no addresses of its IOMMU: %s", address,
				 strerror(-rc))
		  : 0;
}

/* One that is open already, or a new one. NULL: `rc` says why. */
static struct group *find_group(const struct pci_paths *paths, const char *number,
				const char *address, int *rc, struct pl_error *err)
{
	struct group *group;

	for (group = groups; group; group = group->next)
		if (!strcmp(group->number, number))
			return group;
	group = calloc(1, sizeof(*group));
	if (!group) {
		*rc = pl_error_set(err, -ENOMEM, NULL, "%s: no memory", address);
		return NULL;
	}
	group->fd = group->container = -1;
	group->space = (struct vfio_space){
		.map = group_map,
		.unmap = group_unmap,
		.close = group_close,
	};
	*rc = open_group(paths, number, address, group, err);
	if (*rc) {
		group_free(group);
		return NULL;
	}
	group->next = groups;
	groups = group;
	return group;
}

int vfio_group_open(const struct pci_paths *paths, int folder, const char *address,
		    struct vfio_space **space, struct pl_error *err)
{
	char number[16], path[PATH_MAX];
	struct group *group;
	int fd, rc;

	if (!pci_sysfs_link(folder, "iommu_group", number, sizeof(number)))
		return refuse_no_iommu(address, err);
	snprintf(path, sizeof(path), "%s/vfio/noiommu-%s", paths->dev, number);
	if (access(path, F_OK) == 0)
		return refuse_no_iommu(address, err);
	group = find_group(paths, number, address, &rc, err);
	if (!group)
		return rc;
	group->n_devices++;
	fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, address);
	if (fd < 0) {
		rc = pl_error_set(err, -errno, NULL, "%s: vfio-pci does not open it: %s", address,
				  strerror(errno));
		group_close(&group->space);
		return rc;
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	*space = &group->space;
	return fd;
}
