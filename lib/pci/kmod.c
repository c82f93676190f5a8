/* SPDX-License-Identifier: BSD-2-Clause */
/* A device bound to our kernel module, by its file in /dev/peerlane (kmod/peerlane.h). The file's end,
 * however it comes, ends all DMA and resets the device. */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../kmod/peerlane.h"
#include "bar.h"

/* The first version that has all that is used here. */
#define VERSION_MIN 1u

struct kmod {
	struct pl_pci pci;
	int fd;	       /* -1: not any more */
	int config_fd; /* -1: not to be had */
	bool lost;
};

/* What a region of memory is to the module, behind the addresses that everybody sees. */
struct mapping {
	uint32_t id;
	uint64_t address[];
};

static struct kmod *kmod_of(struct pl_pci *pci)
{
	return (struct kmod *)pci;
}

static int call(const struct kmod *kmod, unsigned long number, void *argument)
{
	if (kmod->fd < 0)
		return -ENODEV;
	return ioctl(kmod->fd, number, argument) ? -errno : 0;
}

/* ---- configuration space: sysfs has it, and it is read alone ---- */

static int kmod_config_read(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t *value)
{
	const struct kmod *kmod = kmod_of(pci);
	uint8_t raw[4] = {0};
	ssize_t n;

	if (kmod->config_fd < 0)
		return -EACCES;
	n = pread(kmod->config_fd, raw, bytes, offset);
	if (n != (ssize_t)bytes)
		return n < 0 ? -errno : -EACCES; /* beyond what this user may see */
	*value = raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
	return 0;
}

/* Sysfs filters nothing: who writes there moves registers and goes round the module. */
static int kmod_config_write(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t value)
{
	(void)pci;
	(void)offset;
	(void)bytes;
	(void)value;
	return -EACCES;
}

/* ---- what the module does ---- */

static int kmod_bus_master(struct pl_pci *pci, bool on)
{
	struct peerlane_bus_master argument = {.argsz = sizeof(argument), .on = on};

	return call(kmod_of(pci), PEERLANE_BUS_MASTER, &argument);
}

static int kmod_irq(struct pl_pci *pci, unsigned vector, int event_fd)
{
	struct peerlane_irq argument = {
		.argsz = sizeof(argument),
		.vector = vector,
		.fd = event_fd,
	};

	if (vector >= pci->n_vectors)
		return -EINVAL;
	return call(kmod_of(pci), PEERLANE_IRQ, &argument);
}

/* A request to map something, of either kind: they have these in common. */
struct request {
	unsigned long number;
	void *argument;
	__u64 *segments;
	__u32 *n_segments, *id, *page_shift;
};

/* Asks for room for as many segments as there are, as soon as it is known how many. Returns 0 and them, for the
 * caller to free, or -errno. */
static int map_segments(const struct kmod *kmod, const struct request *request,
			struct peerlane_segment **segments)
{
	uint32_t room = 64;
	int rc;

	*segments = NULL;
	do {
		free(*segments);
		*segments = calloc(room, sizeof(**segments));
		if (!*segments)
			return -ENOMEM;
		*request->segments = (uintptr_t)*segments;
		*request->n_segments = room;
		rc = call(kmod, request->number, request->argument);
		if (rc != -ENOSPC || *request->n_segments <= room)
			break;
		room = *request->n_segments;
	} while (true);
	if (rc) {
		free(*segments);
		*segments = NULL;
	}
	return rc;
}

static void unmap(const struct kmod *kmod, uint32_t id)
{
	struct peerlane_dma_unmap argument = {.argsz = sizeof(argument), .id = id};

	(void)call(kmod, PEERLANE_DMA_UNMAP, &argument);
}

/* Cuts segments into pieces of one size. None is divided by a piece's end: so says page_shift. */
static void cut(const struct peerlane_segment *segments, uint32_t n_segments, unsigned shift,
		uint64_t *address, unsigned n)
{
	uint64_t before = 0; /* bytes of the region in former segments */
	uint32_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t offset = (uint64_t)i << shift;

		while (at + 1 < n_segments && offset - before >= segments[at].len)
			before += segments[at++].len;
		address[i] = segments[at].address + (offset - before);
	}
}

/* `len_bytes`: the request's, known when it is answered. */
static int map(struct pl_pci *pci, const struct request *request, const __u64 *len_bytes,
	       struct pl_dma *dma)
{
	struct peerlane_segment *segments;
	struct mapping *mapping;
	unsigned n, shift;
	int rc = map_segments(kmod_of(pci), request, &segments);

	if (rc)
		return rc;
	shift = *request->page_shift;
	n = (unsigned)((*len_bytes - 1) >> shift) + 1;
	mapping = malloc(sizeof(*mapping) + n * sizeof(mapping->address[0]));
	if (mapping) {
		mapping->id = *request->id;
		cut(segments, *request->n_segments, shift, mapping->address, n);
		*dma = (struct pl_dma){
			.address = mapping->address,
			.shift = shift,
			.n = n,
			.len_bytes = *len_bytes,
		};
	} else {
		unmap(kmod_of(pci), *request->id);
		rc = -ENOMEM;
	}
	free(segments);
	return rc;
}

static int kmod_dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
			struct pl_dma *dma)
{
	struct peerlane_dma_map a = {
		.argsz = sizeof(a),
		.vaddr = (uintptr_t)base,
		.length = len_bytes,
	};
	int rc = map(pci,
		     &(struct request){PEERLANE_DMA_MAP, &a, &a.segments, &a.n_segments, &a.id,
				       &a.page_shift},
		     &a.length, dma);

	(void)page_bytes; /* the module knows better */
	if (!rc)
		dma->base = base;
	return rc;
}

/* Says which link of the chain is missing, as far as the module's answer tells, and what mends it. */
static int cannot_import(const struct kmod *kmod, int rc, struct pl_error *err)
{
	static const char what[] = "%s: the accelerator's memory cannot be mapped for it: %s: %s";
	struct peerlane_info info = {.argsz = sizeof(info)};
	const char *name = kmod->pci.name;

	/* So the kernel also calls a failure of the owner's driver that gives no other reason. */
	if (rc == -ENOMEM || rc == -ENOSPC)
		return pl_error_set(
			err, rc,
			"switch on Resizable BAR (above 4G decoding) in the firmware, see: "
			"nvidia-smi -q -d MEMORY; or a smaller RingSize=, fewer Planes=",
			what, name,
			"too little is free of the window through which others see it "
			"(BAR1), or of the kernel's memory",
			strerror(-rc));
	if (rc == -ENODEV || rc == -EIO || rc == -EBADF || call(kmod, PEERLANE_INFO, &info))
		return pl_error_set(err, rc, NULL,
				    "%s: the accelerator's memory cannot be mapped for it: %s",
				    name, strerror(-rc));
	if (!(info.features & PEERLANE_FEATURE_RESET))
		return pl_error_set(err, rc, "use a NIC that can be (lspci -vv: FLReset+)", what,
				    name,
				    "it cannot be reset, which would end its DMA if that memory "
				    "had to move",
				    strerror(-rc));
	if (info.features & PEERLANE_FEATURE_IOMMU)
		return pl_error_set(err, rc, "boot with iommu=pt, or switch the IOMMU off", what,
				    name, "an IOMMU translates its addresses", strerror(-rc));
	return pl_error_set(err, rc, "put both cards below one PCIe switch or root port (lspci -t)",
			    what, name, "the two do not reach each other on the bus",
			    strerror(-rc));
}

/* As one that may move, for only so may it stay where peers alone reach it; but it is asked not to. */
static int kmod_dma_import(struct pl_pci *pci, const struct pl_remote *remote, struct pl_dma *dma,
			   struct pl_error *err)
{
	struct peerlane_dmabuf_map a = {
		.argsz = sizeof(a),
		.flags = PEERLANE_DMABUF_MOVABLE | PEERLANE_DMABUF_PIN,
		.fd = remote->dmabuf_fd,
		.event_fd = -1, /* kmod_lost() sees it */
	};
	int rc;

	if (remote->dmabuf_fd < 0)
		return pl_error_set(err, -EOPNOTSUPP,
				    remote->dmabuf_remedy ? remote->dmabuf_remedy
							  : "see: peerlane devices",
				    "%s: the accelerator's memory is for no other device: %s",
				    pci->name, remote->no_dmabuf);
	rc = map(pci,
		 &(struct request){PEERLANE_DMABUF_MAP, &a, &a.segments, &a.n_segments, &a.id,
				   &a.page_shift},
		 &a.length, dma);
	if (rc)
		return cannot_import(kmod_of(pci), rc, err);
	if (dma->len_bytes >= remote->len_bytes)
		return 0;
	pl_pci_dma_unmap(pci, dma);
	return pl_error_set(err, -EINVAL, NULL,
			    "%s: of the accelerator's memory %zu bytes are exported, not %zu",
			    pci->name, (size_t)a.length, remote->len_bytes);
}

static void kmod_dma_unmap(struct pl_pci *pci, struct pl_dma *dma)
{
	struct mapping *mapping =
		(void *)((char *)(uintptr_t)dma->address - offsetof(struct mapping, address));

	/* Without its file it is unmapped already. */
	if (kmod_of(pci)->fd >= 0)
		unmap(kmod_of(pci), mapping->id);
	free(mapping);
}

/* ---- the end ---- */

/* The module lets go of a device at once, and its file then knows only this answer. So it is with an
 * error of the device or its link from which the kernel recovers. A device that had addresses of memory
 * which has moved does no DMA any more before it is opened anew. */
static bool kmod_lost(struct pl_pci *pci)
{
	struct kmod *kmod = kmod_of(pci);
	struct peerlane_info info = {.argsz = sizeof(info)};
	int rc = kmod->lost ? 0 : call(kmod, PEERLANE_INFO, &info);

	if (rc != -ENODEV && rc != -EIO && !(info.features & PEERLANE_FEATURE_REVOKED))
		return kmod->lost;
	kmod->lost = true;
	(void)pci_bar_pull_out(pci->bar);
	return true;
}

static void kmod_release(struct pl_pci *pci)
{
	struct kmod *kmod = kmod_of(pci);

	if (kmod->fd >= 0)
		close(kmod->fd);
	if (kmod->config_fd >= 0)
		close(kmod->config_fd);
	kmod->fd = kmod->config_fd = -1;
}

static void kmod_close(struct pl_pci *pci)
{
	pci_bar_unmap(pci->bar);
	kmod_release(pci);
	free(kmod_of(pci));
}

static const struct pl_pci_ops kmod_ops = {
	.backend = "kmod",
	.config_read = kmod_config_read,
	.config_write = kmod_config_write,
	.bus_master = kmod_bus_master,
	.irq = kmod_irq,
	.dma_map = kmod_dma_map,
	.dma_import = kmod_dma_import,
	.dma_unmap = kmod_dma_unmap,
	.lost = kmod_lost,
	.release = kmod_release,
	.close = kmod_close,
};

/* ---- the beginning ---- */

static int cannot_open(const char *address, const char *path, int rc, struct pl_error *err)
{
	char remedy[160];

	switch (rc) {
	case -EBUSY:
		return pl_error_set(err, rc, "end the process that has it",
				    "%s: it is in use: %s is open already", address, path);
	case -EPERM:
		return pl_error_set(
			err, rc,
			"run with CAP_SYS_RAWIO, or switch the IOMMU on: see peerlane "
			"devices",
			"%s: no IOMMU keeps it, and it alone, to what is mapped for it, so that "
			"the kernel wants CAP_SYS_RAWIO of who opens it, and no lockdown",
			address);
	case -EACCES:
		snprintf(remedy, sizeof(remedy),
			 "run as root, or as a member of the group of %.60s", path);
		return pl_error_set(err, rc, remedy, "%s: may not open %s: %s", address, path,
				    strerror(-rc));
	case -ENOENT:
		return pl_error_set(err, rc, "modprobe -r peerlane && modprobe peerlane",
				    "%s: it is bound to peerlane, but there is no %s", address,
				    path);
	default:
		return pl_error_set(err, rc, NULL, "%s: cannot open %s: %s", address, path,
				    strerror(-rc));
	}
}

static int ask(struct kmod *kmod, struct peerlane_info *info, struct pl_error *err)
{
	int rc;

	*info = (struct peerlane_info){.argsz = sizeof(*info)};
	rc = call(kmod, PEERLANE_INFO, info);
	if (rc == -ENOTTY || rc == -EINVAL || (!rc && info->version < VERSION_MIN))
		return pl_error_set(
			err, -EOPNOTSUPP,
			"install the module of this version, then: modprobe -r peerlane "
			"&& modprobe peerlane",
			"%s: the module peerlane is too old: its interface has version "
			"%u, %u is needed",
			kmod->pci.name, rc ? 0 : info->version, VERSION_MIN);
	if (rc)
		return pl_error_set(err, rc, NULL, "%s: cannot ask the module what it is: %s",
				    kmod->pci.name, strerror(-rc));
	if (info->n_vectors < PCI_VECTORS_MIN)
		return pl_error_set(err, -EOPNOTSUPP, NULL,
				    "%s: it has %u MSI-X vectors: one for a queue and one for the "
				    "rest are needed",
				    kmod->pci.name, info->n_vectors);
	return 0;
}

static int set_up(struct kmod *kmod, int folder, struct pl_error *err)
{
	struct peerlane_info info;
	int rc = ask(kmod, &info, err);

	if (rc)
		return rc;
	kmod->pci.vendor = info.vendor;
	kmod->pci.device = info.device;
	kmod->pci.n_vectors = info.n_vectors;
	kmod->pci.bar_bytes = info.bar_len;
	rc = pci_bar_map(kmod->fd, 0, info.bar_len, &kmod->pci.bar);
	if (rc)
		return pl_error_set(err, rc, "see what stands in the way: peerlane devices",
				    "%s: its registers (BAR 0, %llu bytes) cannot be mapped: %s",
				    kmod->pci.name, (unsigned long long)info.bar_len,
				    strerror(-rc));
	/* Not needed to work: only an 82599 is asked there, whether it is done with the bus. */
	kmod->config_fd = openat(folder, "config", O_RDONLY | O_CLOEXEC);
	return 0;
}

int pci_kmod_open(struct pl_pci **pci, const struct pci_paths *paths, int folder,
		  const char *address, struct pl_error *err)
{
	struct kmod *kmod = calloc(1, sizeof(*kmod));
	char path[PATH_MAX];
	int rc;

	if (!kmod)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", address);
	kmod->config_fd = -1;
	kmod->pci.ops = &kmod_ops;
	snprintf(kmod->pci.name, sizeof(kmod->pci.name), "%s", address);
	snprintf(path, sizeof(path), "%s/peerlane/%s", paths->dev, address);
	kmod->fd = open(path, O_RDWR | O_CLOEXEC);
	rc = kmod->fd < 0 ? cannot_open(address, path, -errno, err) : set_up(kmod, folder, err);
	if (rc) {
		kmod_close(&kmod->pci);
		return rc;
	}
	pl_pci_init(&kmod->pci);
	*pci = &kmod->pci;
	return 0;
}
