/* SPDX-License-Identifier: BSD-2-Clause */
/* How pl_pci_open() finds the way to a device. */
#ifndef PEERLANE_PCI_OPEN_H
#define PEERLANE_PCI_OPEN_H

#include <peerlane/pci.h>

#define PCI_DRIVER_VFIO "vfio-pci"
#define PCI_DRIVER_KMOD "peerlane"

/* An MSI-X vector for each of 16 queues, one for the rest, and then some: the kernel has so many for
 * all devices together, and they are taken when the device is opened. */
#define PCI_VECTORS_MAX 32u
#define PCI_VECTORS_MIN 2u

/* Where things are. */
struct pci_paths {
	const char *sysfs; /* "/sys" */
	const char *dev;   /* "/dev" */
};

/* pl_pci_open() with these paths. */
int pci_open_at(struct pl_pci **pci, const struct pci_paths *paths, const char *address,
		enum pl_pci_backend backend, struct pl_error *err);

/* What is left of it for each backend. The device is bound to it; `folder` is its folder in sysfs. */
int pci_vfio_open(struct pl_pci **pci, const struct pci_paths *paths, int folder,
		  const char *address, struct pl_error *err);
int pci_kmod_open(struct pl_pci **pci, const struct pci_paths *paths, int folder,
		  const char *address, struct pl_error *err);

#endif
