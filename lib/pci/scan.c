/* SPDX-License-Identifier: BSD-2-Clause */
/* sysfs: Documentation/ABI/testing/sysfs-bus-pci of the kernel has what the files mean. */
#include <peerlane/pci_scan.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "sysfs.h"

#define CLASS_NETWORK 0x02 /* base class, the upper byte of three */

/* ---- files ---- */

/* Reads a number that is all there is in the file. */
static bool read_number(int folder, const char *name, int base, long *out)
{
	char text[32], *end;

	if (!pci_sysfs_text(folder, name, text, sizeof(text)))
		return false;
	errno = 0;
	*out = strtol(text, &end, base);
	return end != text && !errno && (*end == '\0' || !strcmp(end, "\n"));
}

static bool read_id(int folder, const char *name, uint16_t *out)
{
	long value;

	if (!read_number(folder, name, 16, &value) || value < 0 || value > UINT16_MAX)
		return false;
	*out = (uint16_t)value;
	return true;
}

/* ---- a function ---- */

static void read_interfaces(int folder, struct pl_pci_function *f)
{
	int fd = openat(folder, "net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while (f->n_interfaces < PL_PCI_INTERFACES_MAX && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    len >= sizeof(f->interfaces[0]))
			continue;
		memcpy(f->interfaces[f->n_interfaces++], entry->d_name, len + 1);
	}
	closedir(dir);
}

static int read_iommu_group(int folder)
{
	char name[16], *end;
	long group;

	if (!pci_sysfs_link(folder, "iommu_group", name, sizeof(name)))
		return -1;
	group = strtol(name, &end, 10);
	return *end || group < 0 || group > INT_MAX ? -1 : (int)group;
}

/* Returns whether it is one that we list. */
static bool read_function(int folder, const char *address, struct pl_pci_function *f)
{
	char text[512], target[24];
	uint8_t config[256];
	ssize_t len;
	long value;

	*f = (struct pl_pci_function){.numa_node = -1};
	strcpy(f->address, address);
	if (!read_number(folder, "class", 16, &value) || value >> 16 != CLASS_NETWORK)
		return false;
	f->class = (uint32_t)value;
	if (!read_id(folder, "vendor", &f->vendor) || !read_id(folder, "device", &f->device))
		return false;
	(void)read_id(folder, "subsystem_vendor", &f->subsystem_vendor);
	(void)read_id(folder, "subsystem_device", &f->subsystem_device);
	f->is_virtual = pci_sysfs_link(folder, "physfn", target, sizeof(target));
	(void)pci_sysfs_link(folder, "driver", f->driver, sizeof(f->driver));
	f->iommu_group = read_iommu_group(folder);
	if (read_number(folder, "numa_node", 10, &value) && value >= 0 && value <= INT_MAX)
		f->numa_node = (int)value;
	if (pci_sysfs_text(folder, "resource", text, sizeof(text)))
		f->bar_bytes = pci_resource_bytes(text);
	len = pci_sysfs_bytes(folder, "config", config, sizeof(config));
	f->n_vectors = len < 0 ? -1 : pci_config_vectors(config, (size_t)len);
	read_interfaces(folder, f);
	return true;
}

/* ---- all of them ---- */

/* Longer domains are greater ones. */
static int compare(const void *a, const void *b)
{
	const struct pl_pci_function *f = a, *g = b;
	size_t len_f = strlen(f->address), len_g = strlen(g->address);

	return len_f != len_g ? (len_f > len_g) - (len_f < len_g) : strcmp(f->address, g->address);
}

static int add(struct pl_pci_function **functions, unsigned *n, const struct pl_pci_function *f)
{
	struct pl_pci_function *grown = reallocarray(*functions, *n + 1, sizeof(*f));

	if (!grown)
		return -ENOMEM;
	*functions = grown;
	grown[(*n)++] = *f;
	return 0;
}

static int scan(DIR *devices, struct pl_pci_function **functions, unsigned *n)
{
	struct dirent *entry;
	int rc = 0;

	while (!rc && (errno = 0, entry = readdir(devices))) {
		struct pl_pci_function f;
		int folder;

		if (!pci_is_address(entry->d_name))
			continue;
		folder = openat(dirfd(devices), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (folder < 0)
			continue; /* it has just gone */
		if (read_function(folder, entry->d_name, &f))
			rc = add(functions, n, &f);
		close(folder);
	}
	return rc ? rc : -errno;
}

int pl_pci_scan(const char *sysfs, struct pl_pci_function **functions, unsigned *n,
		struct pl_error *err)
{
	char path[PATH_MAX];
	DIR *devices;
	int rc;

	*functions = NULL;
	*n = 0;
	snprintf(path, sizeof(path), "%s/bus/pci/devices", sysfs);
	devices = opendir(path);
	if (!devices && errno == ENOENT)
		return 0;
	if (!devices)
		return pl_error_set(err, -errno, NULL, "%s: cannot list it: %s", path,
				    strerror(errno));
	rc = scan(devices, functions, n);
	closedir(devices);
	if (rc) {
		free(*functions);
		*functions = NULL;
		*n = 0;
		return pl_error_set(err, rc, NULL, "%s: cannot list it: %s", path, strerror(-rc));
	}
	if (*n)
		qsort(*functions, *n, sizeof(**functions), compare);
	return 0;
}
