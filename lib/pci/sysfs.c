/* SPDX-License-Identifier: BSD-2-Clause */
#include "sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

ssize_t pci_sysfs_bytes(int folder, const char *name, void *out, size_t size)
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

bool pci_sysfs_text(int folder, const char *name, char *out, size_t size)
{
	ssize_t len = pci_sysfs_bytes(folder, name, out, size - 1);

	out[len > 0 ? len : 0] = '\0';
	return len > 0;
}

bool pci_sysfs_link(int folder, const char *name, char *out, size_t size)
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

bool pci_is_address(const char *name)
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

int pci_sysfs_folder(const char *sysfs, const char *address)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, address);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
