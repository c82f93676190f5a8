/* SPDX-License-Identifier: BSD-2-Clause */
/* An accelerator's memory by way of the kernel module, which is played here in ioctl()'s place: what it is asked, what
 * becomes of segments, which failure is told how. The module itself is for tests in a virtual machine. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../kmod/peerlane.h"
#include "../../lib/pci/open.h"
#include "pci_tree.h"

#define NIC "0000:03:00.0"
#define BAR_BYTES (512u << 10)
#define BUF_FD 77
#define SEGMENTS 100u /* more than there is room for at the first try */
#define SEGMENT_BYTES ((uint64_t)64 << 10)

/* The module. */
static struct {
	uint32_t features;
	int map_rc; /* what a try to map gives */
	uint32_t n_segments;
	unsigned mapped;
	uint32_t unmapped_id;
} module;

/* Every other one lies lower than the one before, and none is next to its neighbour. */
static uint64_t segment_at(uint32_t i)
{
	return 0x800000000 + (uint64_t)(i ^ 1) * 2 * SEGMENT_BYTES;
}

static int map_dmabuf(struct peerlane_dmabuf_map *a)
{
	struct peerlane_segment *segment = (void *)(uintptr_t)a->segments;
	uint32_t room = a->n_segments;

	assert_int_equal(a->argsz, sizeof(*a));
	assert_int_equal(a->flags, PEERLANE_DMABUF_MOVABLE | PEERLANE_DMABUF_PIN);
	assert_int_equal(a->fd, BUF_FD);
	assert_int_equal(a->event_fd, -1);
	if (module.map_rc)
		return module.map_rc;
	a->n_segments = module.n_segments;
	if (room < module.n_segments)
		return -ENOSPC;
	for (uint32_t i = 0; i < module.n_segments; i++)
		segment[i] = (struct peerlane_segment){segment_at(i), SEGMENT_BYTES};
	a->length = module.n_segments * SEGMENT_BYTES;
	a->page_shift = 16;
	a->id = 5;
	module.mapped++;
	return 0;
}

static int answer(unsigned long number, void *argument)
{
	struct peerlane_info *info = argument;

	switch (number) {
	case PEERLANE_INFO:
		info->version = PEERLANE_UAPI_VERSION;
		info->features = module.features;
		info->bar_len = BAR_BYTES;
		info->n_vectors = 10;
		return 0;
	case PEERLANE_DMABUF_MAP:
		return map_dmabuf(argument);
	case PEERLANE_DMA_UNMAP:
		module.mapped--;
		module.unmapped_id = ((struct peerlane_dma_unmap *)argument)->id;
		return 0;
	case PEERLANE_BUS_MASTER:
		return 0;
	default:
		return -ENOTTY;
	}
}

int __wrap_ioctl(int fd, unsigned long number, void *argument);
int __wrap_ioctl(int fd, unsigned long number, void *argument)
{
	int rc = answer(number, argument);

	(void)fd;
	if (rc)
		errno = -rc;
	return rc ? -1 : 0;
}

/* ---- a device bound to it ---- */

static char *root;
static struct pl_pci *pci;
static struct pl_remote remote;

static int begin(void **state)
{
	char dev[PATH_MAX], path[PATH_MAX];
	struct pci_paths paths = {.dev = dev};
	struct pl_error err;

	(void)state;
	paths.sysfs = root = pci_tree_new();
	snprintf(dev, sizeof(dev), "%s/dev", root);
	pci_tree_nic(root, NIC, 0x8086, 0x10c9);
	pci_tree_link(root, pci_tree_path(NIC, "driver"), "../../../bus/pci/drivers/peerlane");
	pci_tree_text(root, "dev/peerlane/" NIC, "");
	snprintf(path, sizeof(path), "%s/dev/peerlane/" NIC, root);
	assert_int_equal(truncate(path, BAR_BYTES), 0);
	memset(&module, 0, sizeof(module));
	module.features = PEERLANE_FEATURE_RESET;
	module.n_segments = SEGMENTS;
	remote = (struct pl_remote){
		.len_bytes = 3 * PL_REMOTE_GRAIN, .page_bytes = 65536, .dmabuf_fd = BUF_FD};
	if (pci_open_at(&pci, &paths, NIC, PL_PCI_KMOD, &err))
		fail_msg("%s", err.what);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pl_pci_close(pci);
	pci_tree_free(root);
	assert_int_equal(module.mapped, 0);
	return 0;
}

static void refused(int rc, const char *what, const char *remedy)
{
	struct pl_error err = {"", ""};
	struct pl_dma dma = {0};

	assert_int_equal(pl_pci_dma_import(pci, &remote, &dma, &err), rc);
	if (strncmp(err.what, NIC ": ", strlen(NIC ": ")) != 0 || !strstr(err.what, what) ||
	    !strstr(err.remedy, remedy))
		fail_msg("\"%s\" and \"%s\", not \"%s\" and \"%s\"", err.what, err.remedy, what,
			 remedy);
	assert_int_equal(module.mapped, 0);
}

static void test_segments(void **state)
{
	struct pl_error err;
	struct pl_dma dma;

	(void)state;
	assert_int_equal(pl_pci_dma_import(pci, &remote, &dma, &err), 0);
	assert_int_equal(module.mapped, 1);
	assert_null(dma.base);
	assert_int_equal(dma.shift, 16);
	assert_int_equal(dma.n, SEGMENTS);
	assert_int_equal(dma.len_bytes, SEGMENTS * SEGMENT_BYTES);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		assert_int_equal(pl_dma_address(&dma, i * SEGMENT_BYTES), segment_at(i));
		assert_int_equal(pl_dma_address(&dma, i * SEGMENT_BYTES + 2050),
				 segment_at(i) + 2050);
	}
	pl_pci_dma_unmap(pci, &dma);
	assert_int_equal(module.unmapped_id, 5);
}

/* Whichever link is missing has its name. */
static void test_refused(void **state)
{
	(void)state;
	remote.dmabuf_fd = -1;
	remote.no_dmabuf = "the driver is not the open one";
	refused(-EOPNOTSUPP, "is for no other device: the driver is not the open one",
		"peerlane devices");
	remote.dmabuf_remedy = "install the open one";
	refused(-EOPNOTSUPP, "is for no other device: the driver is not the open one",
		"install the open one");
	remote.dmabuf_fd = BUF_FD;
	module.map_rc = -EREMOTEIO;
	refused(-EREMOTEIO, "do not reach each other on the bus: Remote I/O error",
		"below one PCIe switch");
	module.features |= PEERLANE_FEATURE_IOMMU;
	refused(-EREMOTEIO, "an IOMMU translates its addresses", "iommu=pt");
	module.map_rc = -ENOMEM;
	refused(-ENOMEM, "window through which others see it (BAR1)", "Resizable BAR");
	module.features = 0;
	module.map_rc = -EOPNOTSUPP;
	refused(-EOPNOTSUPP, "it cannot be reset", "FLReset+");
	module.map_rc = -EBADF;
	refused(-EBADF, "cannot be mapped for it: Bad file descriptor", "");
	module.map_rc = 0;
	module.n_segments = 95; /* 96 are needed */
	refused(-EINVAL, "6225920 bytes are exported, not 6291456", "");
	assert_int_equal(module.unmapped_id, 5); /* what was too short */
}

/* Its owner moves it: the device has addresses of what is elsewhere now. */
static void test_moved(void **state)
{
	struct pl_error err;
	struct pl_dma dma;

	(void)state;
	assert_int_equal(pl_pci_dma_import(pci, &remote, &dma, &err), 0);
	assert_false(pl_pci_lost(pci));
	module.features |= PEERLANE_FEATURE_REVOKED;
	assert_true(pl_pci_lost(pci));
	assert_int_equal(pl_pci_read(pci, 8), UINT32_MAX);
	module.features &= ~PEERLANE_FEATURE_REVOKED;
	assert_true(pl_pci_lost(pci)); /* for good */
	pl_pci_dma_unmap(pci, &dma);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_segments, begin, end),
		cmocka_unit_test_setup_teardown(test_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_moved, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
