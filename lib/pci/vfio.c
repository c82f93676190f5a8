/* SPDX-License-Identifier: BSD-2-Clause */
/* A device bound to vfio-pci: registers, configuration space and interrupts are regions and indexes of
 * its file, memory is mapped in its IOMMU's table of addresses. linux/vfio.h of the kernel. */
#include "vfio.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bar.h"

/* Memory that the device reaches, behind the address that everybody sees. */
struct mapping {
	struct mapping *next; /* of the device's */
	uint64_t len_bytes;
	uint64_t address;
};

struct vfio {
	struct pl_pci pci;
	struct vfio_space *space; /* NULL: not any more */
	struct mapping *mappings; /* in it, which others may share */
	int fd;			  /* -1: not any more */
	int wanted_fd;		  /* readable: the kernel wants the device back */
	uint64_t config;	  /* where configuration space begins in `fd` */
	bool lost;
	struct vfio *next;
};

static struct vfio *devices; /* that are open */

static struct vfio *vfio_of(struct pl_pci *pci)
{
	return (struct vfio *)pci;
}

/* ---- configuration space ---- */

static int vfio_config_read(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t *value)
{
	const struct vfio *vfio = vfio_of(pci);
	uint8_t raw[4] = {0};
	ssize_t n;

	if (vfio->fd < 0)
		return -ENODEV;
	n = pread(vfio->fd, raw, bytes, (off_t)(vfio->config + offset));
	if (n != (ssize_t)bytes)
		return n < 0 ? -errno : -EIO;
	*value = raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
	return 0;
}

static int vfio_config_write(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t value)
{
	const struct vfio *vfio = vfio_of(pci);
	const uint8_t raw[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
				(uint8_t)(value >> 24)};
	ssize_t n;

	if (vfio->fd < 0)
		return -ENODEV;
	n = pwrite(vfio->fd, raw, bytes, (off_t)(vfio->config + offset));
	if (n != (ssize_t)bytes)
		return n < 0 ? -errno : -EIO;
	return 0;
}

/* PCI Local Bus Specification 3.0, 6.2.2. Memory stays enabled: else its registers would not answer. */
static int vfio_bus_master(struct pl_pci *pci, bool on)
{
	uint32_t command = 0;
	int rc = vfio_config_read(pci, PCI_COMMAND, 2, &command);

	if (rc)
		return rc;
	command |= PCI_COMMAND_MEMORY;
	command = on ? command | PCI_COMMAND_MASTER : command & ~(uint32_t)PCI_COMMAND_MASTER;
	return vfio_config_write(pci, PCI_COMMAND, 2, command);
}

/* ---- interrupts ---- */

/* Has `n` vectors from `first` on of an index signal eventfds. Returns 0; -errno; or, for MSI-X, how
 * many of the vectors can be had at all. */
static int set_irqs(const struct vfio *vfio, unsigned index, unsigned first, unsigned n,
		    const int32_t *fds)
{
	union {
		struct vfio_irq_set set;
		uint8_t room[sizeof(struct vfio_irq_set) + PCI_VECTORS_MAX * sizeof(int32_t)];
	} u = {.set = {
		       .argsz = (uint32_t)(sizeof(u.set) + n * sizeof(*fds)),
		       .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		       .index = index,
		       .start = first,
		       .count = n,
	       }};
	int rc;

	memcpy(u.set.data, fds, n * sizeof(*fds));
	rc = ioctl(vfio->fd, VFIO_DEVICE_SET_IRQS, &u.set);
	return rc < 0 ? -errno : rc;
}

static int vfio_irq(struct pl_pci *pci, unsigned vector, int event_fd)
{
	const int32_t fd = event_fd;

	if (vector >= pci->n_vectors)
		return -EINVAL;
	if (vfio_of(pci)->fd < 0)
		return -ENODEV;
	return set_irqs(vfio_of(pci), VFIO_PCI_MSIX_IRQ_INDEX, vector, 1, &fd);
}

/* Takes the vectors, as many as are of use and can be had, with nothing to signal yet: later ones could
 * be added on newer kernels alone. */
static int take_vectors(struct vfio *vfio, struct pl_error *err)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX};
	int32_t none[PCI_VECTORS_MAX];
	unsigned n;
	int rc;

	if (ioctl(vfio->fd, VFIO_DEVICE_GET_IRQ_INFO, &info))
		return pl_error_set(err, -errno, NULL, "%s: cannot ask for its interrupts: %s",
				    vfio->pci.name, strerror(errno));
	n = info.count < PCI_VECTORS_MAX ? info.count : PCI_VECTORS_MAX;
	memset(none, -1, sizeof(none));
	rc = 1;
	while (n >= PCI_VECTORS_MIN &&
	       (rc = set_irqs(vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, n, none)) > 0)
		n = (unsigned)rc < n ? (unsigned)rc : n - 1;
	if (rc > 0)
		return pl_error_set(err, -EOPNOTSUPP, NULL,
				    "%s: it has %u MSI-X vectors, of which %u can be had: one for "
				    "a queue and one for the rest are needed",
				    vfio->pci.name, info.count, n);
	vfio->pci.n_vectors = n;
	return rc ? pl_error_set(err, rc, NULL, "%s: cannot have its MSI-X vectors: %s",
				 vfio->pci.name, strerror(-rc))
		  : 0;
}

/* Kernels before 4.1 do not ask for devices. */
static void be_asked(const struct vfio *vfio)
{
	const int32_t fd = vfio->wanted_fd;

	(void)set_irqs(vfio, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &fd);
}

/* ---- memory ---- */

static struct mapping *mapping_of(const struct pl_dma *dma)
{
	return (void *)((char *)(uintptr_t)dma->address - offsetof(struct mapping, address));
}

static int map(struct vfio *vfio, void *base, size_t page_bytes, struct mapping *mapping)
{
	struct vfio_space *space = vfio->space;
	int rc;

	if (!space)
		return -ENODEV;
	rc = iova_take(&space->iova, mapping->len_bytes, page_bytes, &mapping->address);
	if (rc)
		return rc;
	rc = space->map(space, base, mapping->len_bytes, mapping->address);
	if (rc) {
		iova_give(&space->iova, mapping->address);
		return rc;
	}
	mapping->next = vfio->mappings;
	vfio->mappings = mapping;
	return 0;
}

/* Does nothing to one that is ended already. */
static void end_mapping(struct vfio *vfio, const struct mapping *mapping)
{
	struct mapping **at = &vfio->mappings;

	while (*at && *at != mapping)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = mapping->next;
	vfio->space->unmap(vfio->space, mapping->address, mapping->len_bytes);
	iova_give(&vfio->space->iova, mapping->address);
}

/* The region lies in one piece for the device, wherever its pages are. */
static int vfio_dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
			struct pl_dma *dma)
{
	struct mapping *mapping = calloc(1, sizeof(*mapping));
	unsigned shift = 0;
	int rc;

	if (!mapping)
		return -ENOMEM;
	mapping->len_bytes = len_bytes;
	rc = map(vfio_of(pci), base, page_bytes, mapping);
	if (rc) {
		free(mapping);
		return rc;
	}
	while (len_bytes > (uint64_t)1 << shift)
		shift++;
	*dma = (struct pl_dma){
		.address = &mapping->address,
		.shift = shift,
		.n = 1,
		.base = base,
		.len_bytes = len_bytes,
	};
	return 0;
}

static void vfio_dma_unmap(struct pl_pci *pci, struct pl_dma *dma)
{
	struct mapping *mapping = mapping_of(dma);

	end_mapping(vfio_of(pci), mapping);
	free(mapping);
}

/* ---- the end ---- */

static bool vfio_lost(struct pl_pci *pci)
{
	struct vfio *vfio = vfio_of(pci);
	eventfd_t times;

	if (!vfio->lost && eventfd_read(vfio->wanted_fd, &times) == 0)
		vfio->lost = true;
	return vfio->lost;
}

/* Nobody resets the device after that if it is for a driver of the kernel that it is given back: vfio does
 * when the file is closed, but cannot while an unbind is under way. */
static void vfio_release(struct pl_pci *pci)
{
	struct vfio *vfio = vfio_of(pci);

	if (vfio->fd >= 0) {
		(void)vfio_bus_master(pci, false);
		if (pci->bar)
			(void)pci_bar_pull_out(pci->bar); /* or it would hold the file */
		close(vfio->fd);
	}
	vfio->fd = -1;
	/* Others of its group may go on using the table. Who has asked for a mapping still has it to free. */
	while (vfio->mappings)
		end_mapping(vfio, vfio->mappings);
	if (vfio->space)
		vfio->space->close(vfio->space);
	vfio->space = NULL;
}

static void vfio_close(struct pl_pci *pci)
{
	struct vfio *vfio = vfio_of(pci);

	for (struct vfio **at = &devices; *at; at = &(*at)->next) {
		if (*at == vfio) {
			*at = vfio->next;
			break;
		}
	}
	vfio_release(pci);
	pci_bar_unmap(pci->bar);
	if (vfio->wanted_fd >= 0)
		close(vfio->wanted_fd);
	free(vfio);
}

static const struct pl_pci_ops vfio_ops = {
	.backend = "vfio",
	.config_read = vfio_config_read,
	.config_write = vfio_config_write,
	.bus_master = vfio_bus_master,
	.irq = vfio_irq,
	.dma_map = vfio_dma_map,
	.dma_unmap = vfio_dma_unmap,
	.lost = vfio_lost,
	.release = vfio_release,
	.close = vfio_close,
};

/* ---- the beginning ---- */

static int get_region(const struct vfio *vfio, unsigned index, struct vfio_region_info *info,
		      struct pl_error *err)
{
	*info = (struct vfio_region_info){.argsz = sizeof(*info), .index = index};
	if (ioctl(vfio->fd, VFIO_DEVICE_GET_REGION_INFO, info))
		return pl_error_set(
			err, -errno, NULL, "%s: cannot ask for its %s: %s", vfio->pci.name,
			index == VFIO_PCI_CONFIG_REGION_INDEX ? "configuration space" : "registers",
			strerror(errno));
	return 0;
}

/* What its former user left is gone after that. One that cannot be reset by the bus has a reset of its
 * own, which its driver (lib/nic) does in any case. */
static int reset(const struct vfio *vfio, struct pl_error *err)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};

	if (ioctl(vfio->fd, VFIO_DEVICE_GET_INFO, &info))
		return pl_error_set(err, -errno, NULL, "%s: cannot ask vfio-pci what it is: %s",
				    vfio->pci.name, strerror(errno));
	if (info.flags & VFIO_DEVICE_FLAGS_RESET && ioctl(vfio->fd, VFIO_DEVICE_RESET) &&
	    errno != ENOTTY)
		return pl_error_set(err, -errno, NULL, "%s: cannot be reset: %s", vfio->pci.name,
				    strerror(errno));
	return 0;
}

static int read_ids(struct vfio *vfio, struct pl_error *err)
{
	uint32_t ids = 0;
	int rc = vfio_config_read(&vfio->pci, PCI_VENDOR_ID, 4, &ids);

	if (!rc)
		rc = vfio_bus_master(&vfio->pci, false); /* which enables memory */
	if (rc)
		return pl_error_set(err, rc, NULL, "%s: cannot reach its configuration space: %s",
				    vfio->pci.name, strerror(-rc));
	vfio->pci.vendor = (uint16_t)ids;
	vfio->pci.device = (uint16_t)(ids >> 16);
	return 0;
}

static int map_registers(struct vfio *vfio, struct pl_error *err)
{
	struct vfio_region_info bar;
	int rc = get_region(vfio, VFIO_PCI_BAR0_REGION_INDEX, &bar, err);

	if (rc)
		return rc;
	if (!bar.size || !(bar.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return pl_error_set(err, -EOPNOTSUPP,
				    "see what stands in the way: peerlane devices",
				    "%s: its registers (BAR 0, %llu bytes) cannot be mapped",
				    vfio->pci.name, (unsigned long long)bar.size);
	rc = pci_bar_map(vfio->fd, bar.offset, bar.size, &vfio->pci.bar);
	vfio->pci.bar_bytes = bar.size;
	return rc ? pl_error_set(err, rc, NULL, "%s: cannot map its registers: %s", vfio->pci.name,
				 strerror(-rc))
		  : 0;
}

static int set_up(struct vfio *vfio, struct pl_error *err)
{
	struct vfio_region_info config;
	int rc = reset(vfio, err);

	if (!rc)
		rc = get_region(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config, err);
	if (rc)
		return rc;
	vfio->config = config.offset;
	rc = read_ids(vfio, err);
	if (!rc)
		rc = map_registers(vfio, err);
	if (!rc)
		rc = take_vectors(vfio, err);
	if (!rc)
		be_asked(vfio);
	return rc;
}

/* vfio gives a process as many files of a device as it asks for, and they share what they set up. */
static bool is_open(const char *address)
{
	for (const struct vfio *vfio = devices; vfio; vfio = vfio->next)
		if (vfio->fd >= 0 && !strcmp(vfio->pci.name, address))
			return true;
	return false;
}

int pci_vfio_open(struct pl_pci **pci, const struct pci_paths *paths, int folder,
		  const char *address, struct pl_error *err)
{
	struct vfio *vfio;
	int rc;

	if (is_open(address))
		return pl_error_set(err, -EBUSY, NULL, "%s: this process has it open already",
				    address);
	vfio = calloc(1, sizeof(*vfio));
	if (!vfio)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", address);
	vfio->fd = -1;
	vfio->pci.ops = &vfio_ops;
	snprintf(vfio->pci.name, sizeof(vfio->pci.name), "%s", address);
	vfio->wanted_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vfio->wanted_fd < 0) {
		rc = pl_error_set(err, -errno, "raise LimitNOFILE= (ulimit -n)",
				  "%s: cannot make an event descriptor: %s", address,
				  strerror(errno));
	} else if (vfio_iommufd_only(paths, folder)) {
		rc = vfio->fd = vfio_iommufd_open(paths, folder, address, &vfio->space, err);
	} else {
		rc = vfio->fd = vfio_group_open(paths, folder, address, &vfio->space, err);
	}
	if (rc >= 0)
		rc = set_up(vfio, err);
	if (rc < 0) {
		vfio_close(&vfio->pci);
		return rc;
	}
	pl_pci_init(&vfio->pci);
	vfio->next = devices;
	devices = vfio;
	*pci = &vfio->pci;
	return 0;
}
