/* SPDX-License-Identifier: BSD-2-Clause */
#include "pci_tree.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "PCI tree: %s: %s\n", what, strerror(errno));
	abort();
}

/* Writes root/path into `out` and makes the folders on the way. */
static void prepare(const char *root, const char *path, char out[PATH_MAX])
{
	must(snprintf(out, PATH_MAX, "%s/%s", root, path) < PATH_MAX, path);
	for (char *slash = out + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		must(mkdir(out, 0755) == 0 || errno == EEXIST, out);
		*slash = '/';
	}
}

char *pci_tree_new(void)
{
	char *root = strdup("/tmp/pci_tree_XXXXXX");

	must(root && mkdtemp(root), "folder");
	pci_tree_folder(root, "bus/pci/devices");
	return root;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void pci_tree_free(char *root)
{
	must(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, root);
	free(root);
}

void pci_tree_bytes(const char *root, const char *path, const void *bytes, size_t len)
{
	char full[PATH_MAX];
	FILE *file;

	prepare(root, path, full);
	file = fopen(full, "we");
	must(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0, full);
}

void pci_tree_text(const char *root, const char *path, const char *text)
{
	pci_tree_bytes(root, path, text, strlen(text));
}

void pci_tree_link(const char *root, const char *path, const char *target)
{
	char full[PATH_MAX];

	prepare(root, path, full);
	must(symlink(target, full) == 0, full);
}

void pci_tree_folder(const char *root, const char *path)
{
	char full[PATH_MAX];

	prepare(root, path, full);
	must(mkdir(full, 0755) == 0 || errno == EEXIST, full);
}

const char *pci_tree_path(const char *address, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "bus/pci/devices/%s/%s", address, name);
	return path;
}

/* PCI Local Bus Specification 3.0, 6.1 and 6.7; ids of capabilities: appendix H. */
void pci_tree_config(uint8_t config[256], unsigned vectors)
{
	memset(config, 0, 256);
	config[0x00] = 0x86;
	config[0x01] = 0x80;
	config[0x06] = 0x10; /* there are capabilities */
	config[0x34] = 0x40;
	config[0x40] = 0x01; /* power management */
	config[0x41] = 0x50;
	config[0x50] = 0x05; /* MSI */
	config[0x51] = 0x70;
	config[0x70] = 0x11; /* MSI-X, the last one */
	config[0x72] = (uint8_t)(vectors - 1);
	config[0x73] = (uint8_t)((vectors - 1) >> 8 | 0x80); /* enabled, which is no part of it */
}

void pci_tree_nic(const char *root, const char *address, uint16_t vendor, uint16_t device)
{
	uint8_t config[256];
	char text[16];

	pci_tree_text(root, pci_tree_path(address, "class"), "0x020000\n");
	snprintf(text, sizeof(text), "0x%04x\n", vendor);
	pci_tree_text(root, pci_tree_path(address, "vendor"), text);
	snprintf(text, sizeof(text), "0x%04x\n", device);
	pci_tree_text(root, pci_tree_path(address, "device"), text);
	pci_tree_text(root, pci_tree_path(address, "subsystem_vendor"), "0x8086\n");
	pci_tree_text(root, pci_tree_path(address, "subsystem_device"), "0x0003\n");
	pci_tree_text(root, pci_tree_path(address, "numa_node"), "1\n");
	pci_tree_text(root, pci_tree_path(address, "resource"),
		      "0x00000000f8000000 0x00000000f807ffff 0x0000000000140204\n"
		      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		      "0x000000000000e000 0x000000000000e01f 0x0000000000040101\n");
	pci_tree_link(root, pci_tree_path(address, "iommu_group"),
		      "../../../../kernel/iommu_groups/7");
	pci_tree_config(config, 64);
	pci_tree_bytes(root, pci_tree_path(address, "config"), config, sizeof(config));
}
