/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read out of a device's configuration space and of sysfs's words for it. */
#ifndef PEERLANE_PCI_CONFIG_H
#define PEERLANE_PCI_CONFIG_H

#include <stddef.h>
#include <stdint.h>

/* Finds a capability in the first `len` bytes of a configuration space. Returns its offset; 0: there is
 * none; -1: the list leads beyond what was read, or is none. */
int pci_config_capability(const uint8_t *config, size_t len, uint8_t id);

/* How many MSI-X vectors there are, 1 to 2048; 0 and -1 as above. */
int pci_config_vectors(const uint8_t *config, size_t len);

/* The size of the first BAR in the text of a sysfs file "resource", if that is memory; else 0. */
uint64_t pci_resource_bytes(const char *text);

#endif
