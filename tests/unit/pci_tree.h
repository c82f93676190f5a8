/* SPDX-License-Identifier: BSD-2-Clause */
/* sysfs as far as it shows PCI devices, made in a temporary folder. */
#ifndef TESTS_UNIT_PCI_TREE_H
#define TESTS_UNIT_PCI_TREE_H

#include <stddef.h>
#include <stdint.h>

/* Makes the folder with an empty bus/pci/devices, or one without even that. Returns its path, which
 * pci_tree_free() frees with all that is in it. */
char *pci_tree_new(void);
void pci_tree_free(char *root);

/* A file with these bytes, and a link; folders on the way are made. */
void pci_tree_bytes(const char *root, const char *path, const void *bytes, size_t len);
void pci_tree_text(const char *root, const char *path, const char *text);
void pci_tree_link(const char *root, const char *path, const char *target);
void pci_tree_folder(const char *root, const char *path);

/* An Ethernet controller as the kernel shows it: class, ids (subsystem 8086:0003), BAR 0 of 512 KiB,
 * a configuration space with 64 MSI-X vectors, IOMMU group 7, NUMA node 1, no driver. */
void pci_tree_nic(const char *root, const char *address, uint16_t vendor, uint16_t device);

/* A configuration space whose capabilities are power management, MSI, and MSI-X with `vectors`. */
void pci_tree_config(uint8_t config[256], unsigned vectors);

/* The path of a device's file; valid until the next call. */
const char *pci_tree_path(const char *address, const char *name);

#endif
