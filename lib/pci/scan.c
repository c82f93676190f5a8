/* SPDX-License-Identifier: BSD-2-Clause */
/* sysfs: Documentation/ABI/testing/sysfs-bus-pci of the kernel has what the files mean. */
#include <peerlane/pci_scan.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#define CLASS_NETWORK 0x02 /* base class, the upper byte of three */

/* ---- files ---- */

/* Reads a file of a device's folder, up to `size` bytes. Returns how many, or -1. */
static ssize_t read_bytes(int folder, const char *name, void *out, size_t size)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while (len < size && (n = read(fd, (char *)out + len, size - len)) != 0) {
		if (n < 0 && errno != EINTR) {
			close(fd);
			return -1;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return (ssize_t)len;
}

/* Reads one as text. Returns false, and "", if there is none. */
static bool read_text(int folder, const char *name, char *out, size_t size)
{
	ssize_t len = read_bytes(folder, name, out, size - 1);

	out[len > 0 ? len : 0] = '\0';
	return len > 0;
}

/* Reads a number that is all there is in the file. */
static bool read_number(int folder, const char *name, int base, long *out)
{
	char text[32], *end;

	if (!read_text(folder, name, text, sizeof(text)))
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

/* The last part of what a link leads to; false, and "", if there is no such link. */
static bool read_link(int folder, const char *name, char *out, size_t size)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(folder, name, target, sizeof(target) - 1);
	const char *last;

	out[0] = '\0';
	if (len <= 0)
		return false;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (!*last || strlen(last) >= size)
		return false;
	strcpy(out, last);
	return true;
}

/* ---- a function ---- */

/* "0000:03:00.0": domain (longer behind some bridges), bus, device, function. */
static bool is_address(const char *name)
{
	static const char form[] = "xx:xx.x"; /* behind the domain's colon */
	size_t domain = strspn(name, "0123456789abcdef");
	const char *rest = name + domain;

	if (domain < 4 || domain > 8 || *rest++ != ':' || strlen(rest) != sizeof(form) - 1)
		return false;
	for (unsigned i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)rest[i]) : rest[i] != form[i])
			return false;
	return true;
}

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

	if (!read_link(folder, "iommu_group", name, sizeof(name)))
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
	f->is_virtual = read_link(folder, "physfn", target, sizeof(target));
	(void)read_link(folder, "driver", f->driver, sizeof(f->driver));
	f->iommu_group = read_iommu_group(folder);
	if (read_number(folder, "numa_node", 10, &value) && value >= 0 && value <= INT_MAX)
		f->numa_node = (int)value;
	if (read_text(folder, "resource", text, sizeof(text)))
		f->bar_bytes = pci_resource_bytes(text);
	len = read_bytes(folder, "config", config, sizeof(config));
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

		if (!is_address(entry->d_name))
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
