/* SPDX-License-Identifier: BSD-2-Clause */
/* Which way to a device there is: what it is bound to says it. */
#include "open.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"

static int not_bound(const char *address, const char *driver, enum pl_pci_backend wanted,
		     struct pl_error *err)
{
	const char *to = wanted == PL_PCI_VFIO ? " vfio" : wanted == PL_PCI_KMOD ? " kmod" : "";
	char remedy[80];

	snprintf(remedy, sizeof(remedy), "peerlane bind %s%s", address, to);
	if (!driver[0])
		return pl_error_set(err, -ENXIO, remedy, "%s: no driver is bound to it%s", address,
				    wanted == PL_PCI_AUTO ? ": neither vfio-pci nor peerlane" : "");
	return pl_error_set(err, -ENXIO, remedy, "%s: it is bound to %s, not to %s", address,
			    driver,
			    wanted == PL_PCI_VFIO   ? PCI_DRIVER_VFIO
			    : wanted == PL_PCI_KMOD ? PCI_DRIVER_KMOD
						    : PCI_DRIVER_VFIO " or " PCI_DRIVER_KMOD);
}

int pci_open_at(struct pl_pci **pci, const struct pci_paths *paths, const char *address,
		enum pl_pci_backend wanted, struct pl_error *err)
{
	char driver[64];
	int folder = pci_is_address(address) ? pci_sysfs_folder(paths->sysfs, address) : -ENODEV;
	int rc;

	*pci = NULL;
	if (folder == -ENOENT || folder == -ENODEV)
		return pl_error_set(err, -ENODEV, "see what there is: peerlane devices",
				    "%s: there is no such device on the PCI bus", address);
	if (folder < 0)
		return pl_error_set(err, folder, NULL, "%s: cannot look at it in %s: %s", address,
				    paths->sysfs, strerror(-folder));
	(void)pci_sysfs_link(folder, "driver", driver, sizeof(driver));
	if (!strcmp(driver, PCI_DRIVER_VFIO) && wanted != PL_PCI_KMOD)
		rc = pci_vfio_open(pci, paths, folder, address, err);
	else if (!strcmp(driver, PCI_DRIVER_KMOD) && wanted != PL_PCI_VFIO)
		rc = pci_kmod_open(pci, paths, folder, address, err);
	else
		rc = not_bound(address, driver, wanted, err);
	close(folder);
	return rc;
}

int pl_pci_open(struct pl_pci **pci, const char *address, enum pl_pci_backend backend,
		struct pl_error *err)
{
	static const struct pci_paths paths = {.sysfs = "/sys", .dev = "/dev"};

	return pci_open_at(pci, &paths, address, backend, err);
}
