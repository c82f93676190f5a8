/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens a device, maps memory for it, has it signal, and lets go again, over and over:
 *
 *   vm-cycles ADDRESS COUNT
 *
 * Every other time memory is left mapped and interrupts on for the end of the file to undo. In the end the
 * process must have as much memory pinned and locked, and as many files open, as in the beginning. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <peerlane/memory.h>
#include <peerlane/pci.h>

#define SMALL_BYTES (64u * 4096)

static int fail(const char *what, const struct pl_error *err)
{
	printf("%s: %s\n%s\n", what, err->what, err->remedy);
	return -1;
}

/* Interrupts and DMA of an open device; undone, or not. */
static int use(struct pl_pci *pci, struct pl_region *huge, void *small, int event_fd, bool undo)
{
	struct pl_dma at_huge, at_small;
	struct pl_error err = {0};

	for (unsigned vector = 0; vector < 3; vector++)
		if (pl_pci_irq(pci, vector, event_fd, &err))
			return fail("irq", &err);
	if (pl_pci_dma_map(pci, huge->base, huge->len_bytes, huge->page_bytes, &at_huge, &err))
		return fail("map", &err);
	if (pl_pci_dma_map(pci, small, SMALL_BYTES, 4096, &at_small, &err))
		return fail("map of small pages", &err);
	if (pl_pci_bus_master(pci, true, &err))
		return fail("bus master", &err);
	if (!undo)
		return 0;
	if (pl_pci_bus_master(pci, false, &err))
		return fail("bus master", &err);
	pl_pci_dma_unmap(pci, &at_small);
	pl_pci_dma_unmap(pci, &at_huge);
	for (unsigned vector = 0; vector < 3; vector++)
		if (pl_pci_irq(pci, vector, -1, &err))
			return fail("irq", &err);
	return 0;
}

static int cycle(const char *address, int event_fd, bool undo)
{
	struct pl_pci *pci;
	struct pl_region huge;
	struct pl_error err = {0};
	void *small;
	int rc;

	if (pl_pci_open(&pci, address, PL_PCI_AUTO, &err))
		return fail(address, &err);
	if (pl_region_alloc(&huge, 1, &err))
		return fail("memory", &err);
	small = mmap(NULL, SMALL_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	rc = small == MAP_FAILED ? -1 : use(pci, &huge, small, event_fd, undo);
	pl_pci_close(pci);
	munmap(small, SMALL_BYTES);
	pl_region_free(&huge);
	return rc;
}

/* What the process is charged with, in kB, and what it has open. */
struct holding {
	long pinned, locked, files;
};

static struct holding holding(void)
{
	struct holding h = {0};
	FILE *status = fopen("/proc/self/status", "re");
	DIR *files = opendir("/proc/self/fd");
	char line[128];

	while (status && fgets(line, sizeof(line), status)) {
		(void)sscanf(line, "VmPin: %ld", &h.pinned);
		(void)sscanf(line, "VmLck: %ld", &h.locked);
	}
	while (files && readdir(files))
		h.files++;
	if (status)
		fclose(status);
	if (files)
		closedir(files);
	return h;
}

int main(int argc, char **argv)
{
	struct holding before, after;
	int count = argc == 3 ? atoi(argv[2]) : 0, event_fd = eventfd(0, EFD_CLOEXEC);

	if (count <= 0 || event_fd < 0) {
		fprintf(stderr, "usage: vm-cycles ADDRESS COUNT\n");
		return 2;
	}
	before = holding();
	for (int i = 0; i < count; i++)
		if (cycle(argv[1], event_fd, i % 2 == 0))
			return 1;
	after = holding();
	printf("%d cycles; %+ld kB pinned, %+ld kB locked, %+ld files\n", count,
	       after.pinned - before.pinned, after.locked - before.locked,
	       after.files - before.files);
	return memcmp(&before, &after, sizeof(before)) ? 1 : 0;
}
