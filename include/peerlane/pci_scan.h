/* SPDX-License-Identifier: BSD-2-Clause */
/* What network devices are on the PCI bus, and what holds them: read from sysfs, nothing is opened or
 * changed. Needs no privilege, but for the number of MSI-X vectors. */
#ifndef PEERLANE_PCI_SCAN_H
#define PEERLANE_PCI_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>

#define PL_PCI_INTERFACES_MAX 4u

/* A PCI function of class 02, network controller. */
struct pl_pci_function {
	char address[24]; /* "0000:03:00.0" */
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem_device; /* 0: not told */
	uint32_t class;				     /* 0x020000: Ethernet */
	bool is_virtual;			     /* of SR-IOV: a function of another one */
	char driver[32];			     /* that is bound to it; "": none */
	/* Network interfaces that the driver has made, as far as they are in sysfs's network
	 * namespace; further ones are left out. */
	char interfaces[PL_PCI_INTERFACES_MAX][16];
	unsigned n_interfaces;
	int iommu_group;    /* -1: none, no IOMMU is between it and memory */
	int numa_node;	    /* -1: not told */
	uint64_t bar_bytes; /* size of BAR 0, if it is memory; 0: it has none, or no address */
	int n_vectors;	    /* MSI-X; 0: it has no MSI-X; -1: not to be read */
};

/* Lists them, in the order of their addresses. `sysfs` is where sysfs is mounted ("/sys"). A function
 * that goes away meanwhile is left out, and so is one whose class or ids cannot be read; what else
 * cannot be read counts as not there.
 *
 * Returns 0 and an array that the caller frees, or -errno with `err` filled. No PCI bus at all is none
 * found. Any thread. */
int pl_pci_scan(const char *sysfs, struct pl_pci_function **functions, unsigned *n,
		struct pl_error *err);

#endif
