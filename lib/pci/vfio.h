/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways to a device of vfio, which differ in how it is opened and in who keeps the IOMMU's table
 * of addresses: a group and a container, or iommufd. The device itself (vfio.c) is the same. */
#ifndef PEERLANE_PCI_VFIO_H
#define PEERLANE_PCI_VFIO_H

#include <stdbool.h>

#include "iova.h"
#include "open.h"

/* The addresses that one device or several see. Control thread. */
struct vfio_space {
	int (*map)(struct vfio_space *space, void *base, uint64_t len, uint64_t address);
	void (*unmap)(struct vfio_space *space, uint64_t address, uint64_t len);
	void (*close)(struct vfio_space *space); /* the device's descriptor is closed */
	struct iova iova;
};

/* Both: return the device's descriptor and its space, or -errno with `err` filled. */
int vfio_group_open(const struct pci_paths *paths, int folder, const char *address,
		    struct vfio_space **space, struct pl_error *err);
int vfio_iommufd_open(const struct pci_paths *paths, int folder, const char *address,
		      struct vfio_space **space, struct pl_error *err);

/* Whether the second way is there, and the first is not: a kernel without CONFIG_VFIO_GROUP. */
bool vfio_iommufd_only(const struct pci_paths *paths, int folder);

/* Says why a file of /dev cannot be opened, and what helps. `rc` is -errno. */
int vfio_cannot_open(const char *address, const char *path, int rc, struct pl_error *err);

#endif
