/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of a device's folder in sysfs. */
#ifndef PEERLANE_PCI_SYSFS_H
#define PEERLANE_PCI_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* "0000:03:00.0": domain (longer behind some bridges), bus, device, function. */
bool pci_is_address(const char *name);

/* Opens a device's folder. Returns the descriptor, or -errno. */
int pci_sysfs_folder(const char *sysfs, const char *address);

/* Reads a file of the folder, up to `size` bytes. Returns how many, or -1. */
ssize_t pci_sysfs_bytes(int folder, const char *name, void *out, size_t size);

/* Reads one as text. Returns false, and "", if there is none. */
bool pci_sysfs_text(int folder, const char *name, char *out, size_t size);

/* The last part of what a link leads to; false, and "", if there is no such link. */
bool pci_sysfs_link(int folder, const char *name, char *out, size_t size);

#endif
