/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices of one IOMMU group, whose table of addresses they share; vfio is played here in ioctl()'s place. The real
 * one is for tests in a virtual machine, whose NICs have a group each. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../../lib/pci/open.h"
#include "pci_tree.h"

#define NICS 2u
#define BAR_BYTES ((size_t)512 << 10)
#define CONFIG_BYTES 4096u
#define REGION_BYTES ((size_t)2 << 20)
#define MAPPINGS_MAX 4u

static const char *const addresses[NICS] = {"0000:03:00.0", "0000:03:00.1"};

/* The table of addresses. */
static struct {
	struct vfio_iommu_type1_dma_map mapped[MAPPINGS_MAX];
	unsigned n;
} table;

static int map(const struct vfio_iommu_type1_dma_map *map)
{
	assert_true(table.n < MAPPINGS_MAX);
	for (unsigned i = 0; i < table.n; i++)
		if (map->iova < table.mapped[i].iova + table.mapped[i].size &&
		    table.mapped[i].iova < map->iova + map->size)
			return -EEXIST;
	table.mapped[table.n++] = *map;
	return 0;
}

static int unmap(const struct vfio_iommu_type1_dma_unmap *unmap)
{
	for (unsigned i = 0; i < table.n; i++) {
		if (table.mapped[i].iova != unmap->iova)
			continue;
		assert_int_equal(table.mapped[i].size, unmap->size);
		table.mapped[i] = table.mapped[--table.n];
		return 0;
	}
	fail_msg("0x%llx is not mapped", (unsigned long long)unmap->iova);
	return -ENOENT;
}

static bool is_mapped(uint64_t address)
{
	for (unsigned i = 0; i < table.n; i++)
		if (table.mapped[i].iova == address)
			return true;
	return false;
}

/* A device's file: BAR 0, then configuration space. */
static int device_file(void)
{
	const uint8_t ids[4] = {0x86, 0x80, 0xc9, 0x10};
	int fd = memfd_create("device", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(0, ftruncate(fd, BAR_BYTES + CONFIG_BYTES));
	assert_int_equal(sizeof(ids), pwrite(fd, ids, sizeof(ids), BAR_BYTES));
	return fd;
}

static int tell_region(struct vfio_region_info *info)
{
	bool is_bar = info->index == VFIO_PCI_BAR0_REGION_INDEX;

	info->offset = is_bar ? 0 : BAR_BYTES;
	info->size = is_bar ? BAR_BYTES : CONFIG_BYTES;
	info->flags = is_bar ? VFIO_REGION_INFO_FLAG_MMAP : 0;
	return 0;
}

static int answer(unsigned long number, void *argument)
{
	switch (number) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)argument)->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return device_file();
	case VFIO_DEVICE_GET_REGION_INFO:
		return tell_region(argument);
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)argument)->count = 10;
		return 0;
	case VFIO_IOMMU_MAP_DMA:
		return map(argument);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap(argument);
	default: /* what has nothing to be told */
		return 0;
	}
}

int __wrap_ioctl(int fd, unsigned long number, void *argument);
int __wrap_ioctl(int fd, unsigned long number, void *argument)
{
	int rc = answer(number, argument);

	(void)fd;
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

/* ---- devices bound to it ---- */

static char *root;
static struct pl_pci *pci[NICS];
static struct pl_dma dma[NICS];
static uint8_t *memory;

static struct pl_pci *open_nic(unsigned i)
{
	char dev[PATH_MAX];
	const struct pci_paths paths = {.sysfs = root, .dev = dev};
	struct pl_error err;

	snprintf(dev, sizeof(dev), "%s/dev", root);
	if (pci_open_at(&pci[i], &paths, addresses[i], PL_PCI_VFIO, &err))
		fail_msg("%s", err.what);
	return pci[i];
}

static void map_for(unsigned i)
{
	struct pl_error err;

	if (pl_pci_dma_map(pci[i], memory, REGION_BYTES, REGION_BYTES, &dma[i], &err))
		fail_msg("%s", err.what);
}

static int begin(void **state)
{
	(void)state;
	root = pci_tree_new();
	for (unsigned i = 0; i < NICS; i++) {
		pci_tree_nic(root, addresses[i], 0x8086, 0x10c9);
		pci_tree_link(root, pci_tree_path(addresses[i], "driver"),
			      "../../../bus/pci/drivers/vfio-pci");
	}
	pci_tree_text(root, "dev/vfio/vfio", "");
	pci_tree_text(root, "dev/vfio/7", "");
	memory = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_true(memory != MAP_FAILED);
	table.n = 0;
	for (unsigned i = 0; i < NICS; i++) {
		open_nic(i);
		map_for(i);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NICS; i++) {
		pl_pci_dma_unmap(pci[i], &dma[i]);
		pl_pci_close(pci[i]);
	}
	assert_int_equal(0, table.n);
	munmap(memory, REGION_BYTES);
	pci_tree_free(root);
	return 0;
}

static void test_each_has_its_own(void **state)
{
	const struct pci_paths paths = {.sysfs = root, .dev = root};
	struct pl_error err;
	struct pl_pci *again;

	(void)state;
	assert_int_equal(-EBUSY, pci_open_at(&again, &paths, addresses[0], PL_PCI_VFIO, &err));
	assert_int_equal(2, table.n);
	assert_true(pl_dma_address(&dma[0], 0) != pl_dma_address(&dma[1], 0));
	pl_pci_dma_unmap(pci[0], &dma[0]);
	assert_int_equal(1, table.n);
	assert_true(is_mapped(pl_dma_address(&dma[1], 0)));
}

/* What the one that is given back to the kernel had goes with it; the other's stays. */
static void test_one_is_given_back(void **state)
{
	uint64_t first = pl_dma_address(&dma[0], 0);

	(void)state;
	pl_pci_release(pci[0]);
	assert_int_equal(1, table.n);
	assert_true(is_mapped(pl_dma_address(&dma[1], 0)));
	pl_pci_dma_unmap(pci[0], &dma[0]);
	assert_int_equal(1, table.n);
	pl_pci_close(pci[0]);
	open_nic(0);
	map_for(0);
	assert_int_equal(first, pl_dma_address(&dma[0], 0)); /* which is free again */
}

/* The last one ends what it had before it lets go of the table. */
static void test_all_are_given_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NICS; i++)
		pl_pci_release(pci[i]);
	assert_int_equal(0, table.n);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_has_its_own, begin, end),
		cmocka_unit_test_setup_teardown(test_one_is_given_back, begin, end),
		cmocka_unit_test_setup_teardown(test_all_are_given_back, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
