/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of PCI network devices, out of trees like sysfs's: ordinary ones and odd ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <peerlane/nic.h>
#include <peerlane/pci_scan.h>

#include "../../lib/pci/config.h"
#include "pci_tree.h"

#define ADDRESS "0000:03:00.0"

static struct pl_pci_function *found;
static unsigned n_found;

static void scan(const char *root)
{
	struct pl_error err = {"", ""};

	free(found);
	if (pl_pci_scan(root, &found, &n_found, &err))
		fail_msg("%s", err.what);
}

static int make_tree(void **state)
{
	*state = pci_tree_new();
	return 0;
}

static int free_tree(void **state)
{
	pci_tree_free(*state);
	free(found);
	found = NULL;
	return 0;
}

/* ---- ordinary ones ---- */

static void test_all_is_told(void **state)
{
	pci_tree_nic(*state, ADDRESS, 0x8086, 0x10fb);
	pci_tree_link(*state, pci_tree_path(ADDRESS, "driver"), "../../../bus/pci/drivers/ixgbe");
	pci_tree_folder(*state, pci_tree_path(ADDRESS, "net/eth2"));
	scan(*state);
	assert_int_equal(1, n_found);
	assert_string_equal(ADDRESS, found->address);
	assert_int_equal(0x8086, found->vendor);
	assert_int_equal(0x10fb, found->device);
	assert_int_equal(0x8086, found->subsystem_vendor);
	assert_int_equal(0x0003, found->subsystem_device);
	assert_int_equal(0x020000, found->class);
	assert_false(found->is_virtual);
	assert_string_equal("ixgbe", found->driver);
	assert_int_equal(1, found->n_interfaces);
	assert_string_equal("eth2", found->interfaces[0]);
	assert_int_equal(7, found->iommu_group);
	assert_int_equal(1, found->numa_node);
	assert_int_equal(512 << 10, found->bar_bytes);
	assert_int_equal(64, found->n_vectors);
}

/* Two functions of one card, and cards in other domains, in the order of addresses. */
static void test_order(void **state)
{
	static const char *const addresses[] = {"10000:e1:00.0", "0000:03:00.1", "0000:03:00.0",
						"0001:01:00.0", "0000:0a:1f.7"};
	static const char *const sorted[] = {"0000:03:00.0", "0000:03:00.1", "0000:0a:1f.7",
					     "0001:01:00.0", "10000:e1:00.0"};

	/* As the kernel has it, links. */
	pci_tree_folder(*state, "devices/pci0000:00");
	pci_tree_link(*state, "bus/pci/devices/0000:0a:1f.7", "../../../devices/pci0000:00");
	for (unsigned i = 0; i < 5; i++)
		pci_tree_nic(*state, addresses[i], 0x8086, 0x1521);
	scan(*state);
	assert_int_equal(5, n_found);
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(sorted[i], found[i].address);
}

/* Bridges and disks are not listed, network controllers of any subclass are. */
static void test_classes(void **state)
{
	static const char *const classes[] = {"0x060400\n", "0x010802\n", "0x028000\n", "0x02\n",
					      "0x2020000\n"};
	char address[] = "0000:00:00.0";

	for (unsigned i = 0; i < 5; i++) {
		address[6] = (char)('1' + i);
		pci_tree_nic(*state, address, 0x8086, 0x10fb);
		pci_tree_text(*state, pci_tree_path(address, "class"), classes[i]);
	}
	scan(*state);
	assert_int_equal(1, n_found);
	assert_int_equal(0x028000, found->class);
}

static void test_virtual_function(void **state)
{
	pci_tree_nic(*state, "0000:03:10.0", 0x8086, 0x10ed);
	pci_tree_link(*state, pci_tree_path("0000:03:10.0", "physfn"), "../0000:03:00.0");
	scan(*state);
	assert_int_equal(1, n_found);
	assert_true(found->is_virtual);
	assert_null(pl_nic_model(found->vendor, found->device));
}

static void test_several_interfaces(void **state)
{
	char path[64];

	pci_tree_nic(*state, ADDRESS, 0x15b3, 0x1003);
	for (unsigned i = 0; i < PL_PCI_INTERFACES_MAX + 3; i++) {
		snprintf(path, sizeof(path), "net/eth%u", i);
		pci_tree_folder(*state, pci_tree_path(ADDRESS, path));
	}
	/* A name longer than names of interfaces are. */
	pci_tree_folder(*state, pci_tree_path(ADDRESS, "net/interface0123456"));
	scan(*state);
	assert_int_equal(PL_PCI_INTERFACES_MAX, found->n_interfaces);
	for (unsigned i = 0; i < PL_PCI_INTERFACES_MAX; i++)
		assert_memory_equal("eth", found->interfaces[i], 3);
}

/* ---- odd ones ---- */

static void test_no_bus(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/nothing", (char *)*state);
	scan(path);
	assert_int_equal(0, n_found);
	assert_null(found);
	scan(*state); /* one without devices */
	assert_int_equal(0, n_found);
}

/* A file in place of the folder is an error that names it. */
static void test_not_a_bus(void **state)
{
	struct pl_error err = {"", ""};
	char path[64];

	snprintf(path, sizeof(path), "%s/x", (char *)*state);
	pci_tree_text(*state, "x/bus/pci/devices", "");
	assert_int_equal(-ENOTDIR, pl_pci_scan(path, &found, &n_found, &err));
	assert_null(found);
	assert_int_equal(0, n_found);
	assert_non_null(strstr(err.what, "/x/bus/pci/devices: cannot list it: Not a directory"));
}

/* Only what makes a device known is needed. */
static void test_hardly_any_files(void **state)
{
	pci_tree_text(*state, pci_tree_path(ADDRESS, "class"), "0x020000");
	pci_tree_text(*state, pci_tree_path(ADDRESS, "vendor"), "0x8086");
	pci_tree_text(*state, pci_tree_path(ADDRESS, "device"), "0x10c9");
	scan(*state);
	assert_int_equal(1, n_found);
	assert_int_equal(0, found->subsystem_vendor);
	assert_string_equal("", found->driver);
	assert_int_equal(0, found->n_interfaces);
	assert_int_equal(-1, found->iommu_group);
	assert_int_equal(-1, found->numa_node);
	assert_int_equal(0, found->bar_bytes);
	assert_int_equal(-1, found->n_vectors);
}

/* Without class or ids there is none; a folder's name that is no address is none either. */
static void test_left_out(void **state)
{
	static const char *const needed[] = {"class", "vendor", "device"};
	static const char *const names[] = {"0000:03:00",    "000:03:00.0",    "0000:03:00.0.1",
					    "0000-03:00.0",  "0000:03:00.x",   "000000000:03:00.0",
					    "0000:03:00.00", "pci0000:03:00.0"};
	char path[512];

	for (unsigned i = 0; i < 3; i++) {
		char address[] = "0000:00:00.0";

		address[6] = (char)('1' + i);
		pci_tree_nic(*state, address, 0x8086, 0x10fb);
		snprintf(path, sizeof(path), "%s/%s", (char *)*state,
			 pci_tree_path(address, needed[i]));
		assert_int_equal(0, unlink(path));
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		pci_tree_nic(*state, names[i], 0x8086, 0x10fb);
	pci_tree_text(*state, "bus/pci/devices/0000:07:00.0", "a file, not a folder");
	pci_tree_link(*state, "bus/pci/devices/0000:08:00.0", "../../../devices/gone");
	scan(*state);
	assert_int_equal(0, n_found);
}

static void test_garbage_in_files(void **state)
{
	static const struct {
		const char *file, *text;
	} garbage[] = {
		{"subsystem_vendor", "0x18086\n"},
		{"subsystem_device", "-1\n"},
		{"numa_node", "one\n"},
		{"resource", "0x0 memory\n"},
		{"config", "\x86\x80"},
	};
	char path[512];

	pci_tree_nic(*state, ADDRESS, 0x8086, 0x10fb);
	for (unsigned i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		pci_tree_text(*state, pci_tree_path(ADDRESS, garbage[i].file), garbage[i].text);
	snprintf(path, sizeof(path), "%s/%s", (char *)*state,
		 pci_tree_path(ADDRESS, "iommu_group"));
	unlink(path);
	pci_tree_link(*state, pci_tree_path(ADDRESS, "iommu_group"), "iommu_groups/7x");
	pci_tree_link(*state, pci_tree_path(ADDRESS, "driver"),
		      "drivers/a-name-much-longer-than-the-names-of-drivers");
	scan(*state);
	assert_int_equal(1, n_found);
	assert_int_equal(0, found->subsystem_vendor);
	assert_int_equal(0, found->subsystem_device);
	assert_int_equal(-1, found->numa_node);
	assert_int_equal(0, found->bar_bytes);
	assert_int_equal(-1, found->n_vectors);
	assert_int_equal(-1, found->iommu_group);
	assert_string_equal("", found->driver);
	/* And in those that are needed. */
	pci_tree_text(*state, pci_tree_path(ADDRESS, "vendor"), "0x8086 0x10fb\n");
	scan(*state);
	assert_int_equal(0, n_found);
	pci_tree_text(*state, pci_tree_path(ADDRESS, "vendor"), "");
	scan(*state);
	assert_int_equal(0, n_found);
	pci_tree_text(*state, pci_tree_path(ADDRESS, "vendor"), "0x8086\n");
	pci_tree_bytes(*state, pci_tree_path(ADDRESS, "device"), "\0\0\0\0", 4);
	scan(*state);
	assert_int_equal(0, n_found);
}

/* What an ordinary user may not read is not known, and no reason to give up: of the configuration space
 * the kernel shows him the header alone. */
static void test_unreadable(void **state)
{
	uint8_t config[256];
	char path[512];

	pci_tree_nic(*state, ADDRESS, 0x8086, 0x10fb);
	pci_tree_config(config, 64);
	pci_tree_bytes(*state, pci_tree_path(ADDRESS, "config"), config, 64);
	scan(*state);
	assert_int_equal(-1, found->n_vectors);
	snprintf(path, sizeof(path), "%s/%s", (char *)*state, pci_tree_path(ADDRESS, "config"));
	assert_int_equal(0, chmod(path, 0));
	snprintf(path, sizeof(path), "%s/%s", (char *)*state, pci_tree_path(ADDRESS, "resource"));
	assert_int_equal(0, chmod(path, 0));
	assert_int_equal(0, chmod(*state, 0755));
	if (getuid() == 0) { /* whom modes do not hold */
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			if (setresuid(65534, 65534, 65534))
				_exit(2);
			scan(*state);
			_exit(n_found == 1 && found->n_vectors == -1 && found->bar_bytes == 0 ? 0
											      : 1);
		}
		assert_int_equal(pid, waitpid(pid, &status, 0));
		assert_true(WIFEXITED(status));
		assert_int_equal(0, WEXITSTATUS(status));
		return;
	}
	scan(*state);
	assert_int_equal(1, n_found);
	assert_int_equal(-1, found->n_vectors);
	assert_int_equal(0, found->bar_bytes);
}

/* ---- one that comes and goes ---- */

static atomic_bool stop;

/* Takes the device apart as the kernel does, file by file, and puts it back. */
static void *plug(void *root)
{
	static const char *const files[] = {"config", "class", "vendor", "device", "iommu_group"};
	char from[512], to[512];

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		for (unsigned back = 0; back < 2; back++) {
			for (unsigned i = 0; i < 5; i++) {
				snprintf(from, sizeof(from), "%s/%s", (char *)root,
					 pci_tree_path(ADDRESS, files[i]));
				snprintf(to, sizeof(to), "%s/away/%s", (char *)root, files[i]);
				if (back ? rename(to, from) : rename(from, to))
					return root;
			}
		}
	}
	return NULL;
}

/* Whatever is caught of it is right: there with its ids, or not there. The other one always is. */
static void test_vanishes_meanwhile(void **state)
{
	unsigned times_there = 0, times_gone = 0;
	pthread_t thread;
	void *failed;

	pci_tree_nic(*state, ADDRESS, 0x8086, 0x10fb);
	pci_tree_nic(*state, "0000:04:00.0", 0x8086, 0x1533);
	pci_tree_folder(*state, "away");
	atomic_store_explicit(&stop, false, memory_order_relaxed);
	assert_int_equal(0, pthread_create(&thread, NULL, plug, *state));
	for (unsigned i = 0; i < 100000 && (i < 200 || !times_there || !times_gone); i++) {
		scan(*state);
		assert_true(n_found == 1 || n_found == 2);
		times_there += n_found == 2;
		times_gone += n_found == 1;
		assert_string_equal("0000:04:00.0", found[n_found - 1].address);
		if (n_found == 2) {
			assert_string_equal(ADDRESS, found[0].address);
			assert_int_equal(0x10fb, found[0].device);
		}
	}
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	assert_int_equal(0, pthread_join(thread, &failed));
	assert_null(failed);
	assert_true(times_there && times_gone);
}

/* ---- configuration space, resources ---- */

static void test_capabilities(void **state)
{
	uint8_t config[256];

	(void)state;
	pci_tree_config(config, 2048);
	assert_int_equal(2048, pci_config_vectors(config, sizeof(config)));
	assert_int_equal(0x50, pci_config_capability(config, sizeof(config), 0x05));
	assert_int_equal(0, pci_config_capability(config, sizeof(config), 0x10));
	pci_tree_config(config, 1);
	assert_int_equal(1, pci_config_vectors(config, sizeof(config)));
	/* MSI-X that nobody can have read. */
	assert_int_equal(-1, pci_config_vectors(config, 64));
	assert_int_equal(-1, pci_config_vectors(config, 0x73));
	assert_int_equal(1, pci_config_vectors(config, 0x74));
	assert_int_equal(-1, pci_config_vectors(config, 0));
	/* The lower two bits of pointers are reserved. */
	config[0x34] |= 3;
	config[0x51] |= 3;
	assert_int_equal(1, pci_config_vectors(config, sizeof(config)));
	config[0x06] = 0; /* no list, whatever the pointer says */
	assert_int_equal(0, pci_config_vectors(config, sizeof(config)));
}

static void test_wrong_capabilities(void **state)
{
	uint8_t config[256];

	(void)state;
	pci_tree_config(config, 8);
	config[0x51] = 0x40; /* in a circle, before MSI-X */
	assert_int_equal(-1, pci_config_vectors(config, sizeof(config)));
	config[0x51] = 0x20; /* into the header */
	assert_int_equal(-1, pci_config_vectors(config, sizeof(config)));
	config[0x51] = 0; /* the end */
	assert_int_equal(0, pci_config_vectors(config, sizeof(config)));
	memset(config, 0xff, sizeof(config)); /* a device that does not answer */
	assert_int_equal(-1, pci_config_vectors(config, sizeof(config)));
}

/* As long as a list can be: a capability every four bytes. */
static void test_longest_list(void **state)
{
	uint8_t config[256] = {[0x06] = 0x10, [0x34] = 0x40};

	(void)state;
	for (unsigned at = 0x40; at < 256; at += 4) {
		config[at] = 0x09;
		config[at + 1] = (uint8_t)(at + 4);
	}
	assert_int_equal(0, pci_config_vectors(config, sizeof(config)));
	config[252] = 0x11;
	config[254] = 17 - 1;
	assert_int_equal(17, pci_config_vectors(config, sizeof(config)));
}

static void test_resources(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0x00000000f8000000 0x00000000f807ffff 0x0000000000140204\n", 512 << 10},
		{"0x0000380000000000 0x00003800000fffff 0x000000000014220c\n", 1 << 20},
		{"0x000000000000e000 0x000000000000e01f 0x0000000000040101\n", 0}, /* ports */
		{"0x0000000000000000 0x0000000000000000 0x0000000000000000\n", 0},
		{"0x0000000000000000 0xffffffffffffffff 0x0000000000000200\n", 0},
		{"0x00000000f8000000 0x00000000f7ffffff 0x0000000000040200\n", 0},
		{"0xf8000000 0xf807ffff", 0},
		{"0x1f8000000000000000 0x1f8000000000000fff 0x200\n", 0},
		{"", 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cases[i].bytes, pci_resource_bytes(cases[i].text));
}

/* ---- models ---- */

static void test_models(void **state)
{
	(void)state;
	assert_string_equal("82599ES", pl_nic_model(0x8086, 0x10fb));
	assert_string_equal("X540-AT2", pl_nic_model(0x8086, 0x1528));
	assert_string_equal("82576", pl_nic_model(0x8086, 0x10c9));
	assert_null(pl_nic_model(0x8086, 0x1572)); /* X710 */
	assert_null(pl_nic_model(0x14e4, 0x10fb)); /* another vendor's */
}

/* Whether a line of the text has both. */
static bool line_has(const char *text, const char *one, const char *other)
{
	for (const char *at = text; (at = strstr(at, one)); at++) {
		const char *end = strchr(at, '\n'), *second = strstr(at, other);

		if (second && end && second < end)
			return true;
	}
	return false;
}

/* docs/hardware.md has each device that a driver knows, with its model, and no others. */
static void test_models_are_documented(void **state)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/hardware.md", "re");
	static char page[65536];
	char *table, *end;
	unsigned known = 0, listed = 0;

	(void)state;
	assert_non_null(file);
	assert_in_range(fread(page, 1, sizeof(page), file), 1, sizeof(page) - 1);
	fclose(file);
	table = strstr(page, "\n## NICs\n");
	assert_non_null(table);
	end = strstr(table + 1, "\n## ");
	assert_non_null(end);
	*end = '\0';
	for (unsigned device = 0; device <= UINT16_MAX; device++) {
		const char *model = pl_nic_model(PL_PCI_VENDOR_INTEL, (uint16_t)device);
		char id[16];

		if (!model)
			continue;
		known++;
		snprintf(id, sizeof(id), "`8086:%04x`", device);
		if (!line_has(table, id, model))
			fail_msg("docs/hardware.md lacks %s, %s", id, model);
	}
	for (const char *at = table; (at = strstr(at, "`8086:")); at++)
		listed++;
	assert_true(known > 0);
	assert_int_equal(known, listed);
}

int main(void)
{
	static const struct CMUnitTest trees[] = {
		cmocka_unit_test_setup_teardown(test_all_is_told, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_order, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_classes, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_virtual_function, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_several_interfaces, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_no_bus, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_not_a_bus, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_hardly_any_files, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_left_out, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_garbage_in_files, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_unreadable, make_tree, free_tree),
		cmocka_unit_test_setup_teardown(test_vanishes_meanwhile, make_tree, free_tree),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_wrong_capabilities),
		cmocka_unit_test(test_longest_list),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_models_are_documented),
	};

	return cmocka_run_group_tests(trees, NULL, NULL);
}
