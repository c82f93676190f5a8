/* SPDX-License-Identifier: BSD-2-Clause */
/* Handing a NIC over and back, in a tree like sysfs's behind which a small kernel answers what is written:
 * the steps, what refuses, and that a step which fails leaves everything as it was. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../cli/bind.h"
#include "../../cli/lifeline.h"
#include "pci_tree.h"

#define NIC "0000:03:00.0"

/* ---- a kernel ---- */

static struct kernel {
	char *root;
	unsigned writes;
	unsigned fail_at; /* this write, from 1; 0: none */
	int fail_with;
	bool refuses;	/* the new driver's probe fails */
	char known[64]; /* to whom the NIC's ids are known, after an override; "": nobody */
} kernel;

static const char *nic_path(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", kernel.root, pci_tree_path(NIC, name));
	return path;
}

static const char *driver(void)
{
	static char target[PATH_MAX];
	ssize_t len = readlink(nic_path("driver"), target, sizeof(target) - 1);

	target[len > 0 ? len : 0] = '\0';
	return len > 0 ? strrchr(target, '/') + 1 : "";
}

static const char * override(void)
{
	static char line[64];
	FILE *file = fopen(nic_path("driver_override"), "re");

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, "(null)") != 0 ? line : "";
}

static bool is_loaded(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", kernel.root, name);
	return access(path, F_OK) == 0;
}

static bool matches(const char *name)
{
	return override()[0] ? !strcmp(override(), name) : !strcmp(kernel.known, name);
}

static void take(const char *name)
{
	char target[128];

	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", name);
	if (!kernel.refuses || (strcmp(name, "vfio-pci") != 0 && strcmp(name, "peerlane") != 0))
		pci_tree_link(kernel.root, pci_tree_path(NIC, "driver"), target);
}

static int bind_or_unbind(const char *path, const char *line)
{
	char name[64], file[16];

	assert_int_equal(2, sscanf(path, "drivers/%63[^/]/%15s", name, file));
	assert_string_equal(NIC, line);
	if (!is_loaded(name))
		return -ENOENT;
	if (!strcmp(file, "unbind"))
		return strcmp(driver(), name) != 0 ? -ENODEV : -unlink(nic_path("driver"));
	assert_string_equal("bind", file);
	if (driver()[0] || !matches(name))
		return -ENODEV;
	take(name);
	return 0;
}

static char state_folder[PATH_MAX];

/* Whether another run would have to wait. */
static bool is_locked(void)
{
	char path[PATH_MAX + 8];
	bool locked;
	int fd;

	snprintf(path, sizeof(path), "%s/lock", state_folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return locked;
}

static bool is_remembered(void)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/" NIC, state_folder);
	return access(path, F_OK) == 0;
}

/* What the bus of the kernel does. */
static int kernel_write(void *ctx, const char *path, const char *line)
{
	const char *in_bus = path + strlen(kernel.root) + strlen("/bus/pci/");

	(void)ctx;
	assert_true(is_locked());
	if (++kernel.writes == kernel.fail_at)
		return kernel.fail_with;
	if (!strcmp(path, nic_path("driver_override"))) {
		assert_int_equal('\n', line[strlen(line) - 1]);
		pci_tree_text(kernel.root, pci_tree_path(NIC, "driver_override"),
			      line[0] == '\n' ? "(null)\n" : line);
		return 0;
	}
	if (strcmp(in_bus, "drivers_probe") != 0)
		return bind_or_unbind(in_bus, line);
	assert_string_equal(NIC, line);
	if (!driver()[0] && override()[0] && is_loaded(override()))
		take(override());
	else if (!driver()[0] && !override()[0] && kernel.known[0] && is_loaded(kernel.known))
		take(kernel.known);
	return 0;
}

/* ---- helpers ---- */

static json_t *data;
static struct pl_error err;

static struct bind_world world(void)
{
	return (struct bind_world){
		.sysfs = kernel.root,
		.proc = kernel.root, /* its net/ and numbers are not in sysfs */
		.state = state_folder,
		.write = kernel_write,
	};
}

static int do_bind(const char *device, const char *backend, bool force)
{
	struct bind_world w = world();

	json_decref(data);
	data = NULL;
	kernel.writes = 0;
	return bind_device(&w, device, backend, force, &data, &err);
}

static int do_unbind(void)
{
	struct bind_world w = world();

	int rc;

	json_decref(data);
	data = NULL;
	kernel.writes = 0;
	rc = unbind_device(&w, NIC, false, &data, &err);
	assert_false(is_locked());
	return rc;
}

static const char *said(const char *key)
{
	const char *value = json_string_value(json_object_get(data, key));

	return value ? value : "";
}

static void expect_refusal(int code, int rc, const char *what, const char *remedy)
{
	assert_int_equal(code, rc);
	if (!strstr(err.what, what) || !strstr(err.remedy, remedy))
		fail_msg("\"%s\" and \"%s\", not \"%s\" and \"%s\"", err.what, err.remedy, what,
			 remedy);
}

/* A NIC that igb has, with an interface. */
static int begin(void **state)
{
	(void)state;
	kernel = (struct kernel){.root = pci_tree_new(), .known = "igb"};
	snprintf(state_folder, sizeof(state_folder), "%s/state", kernel.root);
	pci_tree_nic(kernel.root, NIC, 0x8086, 0x10c9);
	pci_tree_text(kernel.root, pci_tree_path(NIC, "driver_override"), "(null)\n");
	pci_tree_folder(kernel.root, pci_tree_path(NIC, "net/lo"));
	pci_tree_folder(kernel.root, "class/net/lo");
	pci_tree_folder(kernel.root, "bus/pci/drivers/igb");
	pci_tree_folder(kernel.root, "bus/pci/drivers/vfio-pci");
	pci_tree_folder(kernel.root, "bus/pci/drivers/peerlane");
	take("igb");
	return unsetenv("SSH_CONNECTION");
}

static int end(void **state)
{
	(void)state;
	pci_tree_free(kernel.root);
	json_decref(data);
	data = NULL;
	return 0;
}

/* ---- there and back ---- */

static void test_there_and_back(void **state)
{
	(void)state;
	assert_int_equal(0, do_bind(NIC, NULL, false));
	assert_string_equal("vfio-pci", driver());
	assert_string_equal("vfio-pci", override());
	assert_string_equal("pci:" NIC, said("device"));
	assert_string_equal("82576", said("model"));
	assert_string_equal("vfio-pci", said("driver"));
	assert_string_equal("igb", said("former_driver"));
	assert_true(json_is_true(json_object_get(data, "changed")));
	/* A second time there is nothing to do. */
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	assert_int_equal(0, kernel.writes);
	assert_true(json_is_false(json_object_get(data, "changed")));
	/* From one to the other: the first driver is still known. */
	assert_int_equal(0, do_bind("03:00.0", "kmod", false));
	assert_string_equal("peerlane", driver());
	/* The kernel would find another one by itself. */
	strcpy(kernel.known, "igb");
	assert_int_equal(0, do_unbind());
	assert_string_equal("igb", driver());
	assert_string_equal("", override());
	assert_string_equal("igb", said("driver"));
	assert_false(is_remembered());
	assert_int_equal(0, do_unbind());
	assert_int_equal(0, kernel.writes);
}

/* By its interface; without an IOMMU it is our module; one that no driver had gets none it did not have. */
static void test_choices(void **state)
{
	(void)state;
	assert_int_equal(0, unlink(nic_path("iommu_group")));
	expect_refusal(-EOPNOTSUPP, do_bind("lo", "vfio", false), NIC ": it has no IOMMU",
		       "peerlane bind " NIC " kmod");
	assert_int_equal(0, do_bind("lo", NULL, false));
	assert_string_equal("peerlane", driver());
	assert_non_null(strstr(said("note"), "no IOMMU"));
	assert_int_equal(0, do_unbind());
	assert_int_equal(0, unlink(nic_path("driver")));
	kernel.known[0] = '\0';
	assert_int_equal(0, do_bind("pci:" NIC, NULL, false));
	assert_string_equal("", said("former_driver"));
	assert_int_equal(0, do_unbind());
	assert_string_equal("", driver());
	assert_non_null(strstr(said("note"), "no driver for it"));
}

/* The driver that had it has been unloaded: it says so, and a later try succeeds. */
static void test_driver_unloaded(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(0, do_bind(NIC, "kmod", false));
	snprintf(path, sizeof(path), "%s/bus/pci/drivers/igb", kernel.root);
	assert_int_equal(0, rmdir(path));
	assert_int_equal(0, do_unbind());
	assert_string_equal("", driver());
	assert_non_null(strstr(said("note"), "modprobe igb"));
	pci_tree_folder(kernel.root, "bus/pci/drivers/igb");
	assert_int_equal(0, do_unbind());
	assert_string_equal("igb", driver());
	/* Our module knows the ids, too, and the kernel asks it first. */
	strcpy(kernel.known, "peerlane");
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	assert_int_equal(0, rmdir(path));
	assert_int_equal(0, do_unbind());
	assert_string_equal("peerlane", driver());
	assert_non_null(strstr(said("note"), "no other driver"));
}

/* ---- failures ---- */

/* Whichever step fails, everything is as before. */
static void test_every_step_of_bind(void **state)
{
	unsigned n;

	(void)state;
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	n = kernel.writes;
	assert_int_equal(3, n);
	assert_int_equal(0, do_unbind());
	for (unsigned i = 1; i <= n; i++) {
		kernel.fail_at = i;
		kernel.fail_with = i == 1 ? -EACCES : -EIO;
		expect_refusal(kernel.fail_with, do_bind(NIC, "vfio", false), NIC ": cannot ",
			       i == 1 ? "run it as root" : "");
		assert_string_equal("igb", driver());
		assert_string_equal("", override());
		assert_null(data);
		assert_false(is_remembered());
	}
	kernel.fail_at = 0;
	kernel.refuses = true;
	expect_refusal(-EIO, do_bind(NIC, "vfio", false), "vfio-pci has refused it", "");
	assert_non_null(strstr(err.what, "it is igb's, as before"));
	assert_string_equal("igb", driver());
	assert_string_equal("", override());
	/* And if it cannot be given back either, that is said. */
	kernel.fail_at = 5; /* override, unbind, probe; override, bind */
	kernel.fail_with = -ENODEV;
	expect_refusal(-EIO, do_bind(NIC, "vfio", false), "nor could it be given back", "");
}

static void test_every_step_of_unbind(void **state)
{
	(void)state;
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	for (unsigned i = 1; i <= 2; i++) {
		kernel.fail_at = i;
		kernel.fail_with = -EACCES;
		expect_refusal(-EACCES, do_unbind(), NIC ": cannot ", "run it as root");
		assert_string_equal("vfio-pci", driver());
		assert_string_equal("vfio-pci", override());
	}
	/* Who had it does not take it back: the kernel is asked for another. */
	kernel.fail_at = 3;
	assert_int_equal(0, do_unbind());
	assert_string_equal("igb", driver());
}

static void test_what_there_is_not(void **state)
{
	char path[PATH_MAX];

	(void)state;
	expect_refusal(-ENODEV, do_bind("eth77", NULL, false), "eth77: no network device",
		       "peerlane devices");
	snprintf(path, sizeof(path), "%s/bus/pci/drivers/peerlane", kernel.root);
	assert_int_equal(0, rmdir(path));
	expect_refusal(-ENOENT, do_bind(NIC, "kmod", false), "the module peerlane is not loaded",
		       "modprobe peerlane");
	pci_tree_nic(kernel.root, "0000:04:00.0", 0x15b3, 0x1017);
	expect_refusal(-ENODEV, do_bind("04:00.0", NULL, false), "15b3:1017", "peerlane devices");
	pci_tree_link(kernel.root, pci_tree_path(NIC, "physfn"), "../0000:02:00.0");
	expect_refusal(-ENODEV, do_bind(NIC, NULL, false), "no driver for", "");
	assert_int_equal(0, kernel.writes);
}

/* ---- what the machine needs ---- */

static void expect_protected(const char *what)
{
	expect_refusal(-EBUSY, do_bind(NIC, "vfio", false), what, "--force");
	assert_int_equal(0, kernel.writes);
	assert_string_equal("igb", driver());
}

static void test_default_route(void **state)
{
	(void)state;
	pci_tree_text(kernel.root, "net/route",
		      "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n"
		      "lo\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n"
		      "eth9\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n");
	pci_tree_text(kernel.root, "net/ipv6_route",
		      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		      "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n");
	assert_int_equal(0, do_bind(NIC, "vfio", false)); /* none of these is one */
	assert_int_equal(0, do_unbind());
	pci_tree_text(kernel.root, "net/route",
		      "lo\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n");
	expect_protected("lo carries the default route");
	assert_int_equal(0, do_bind(NIC, "vfio", true));
	assert_int_equal(0, do_unbind());
	pci_tree_text(kernel.root, "net/route", "");
	pci_tree_text(kernel.root, "net/ipv6_route",
		      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		      "fe800000000000000000000000000001 00000400 00000001 00000000 00450003 lo\n");
	expect_protected("lo carries the default route");
	/* Through a bond and a VLAN on that. */
	pci_tree_text(kernel.root, "net/ipv6_route", "");
	pci_tree_text(kernel.root, "net/route",
		      "bond0.7\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n");
	pci_tree_folder(kernel.root, "class/net/lo/upper_bond0");
	pci_tree_folder(kernel.root, "class/net/bond0/upper_bond0.7");
	expect_protected("lo carries the default route, itself or below another interface");
}

/* Whichever of them it is that has the route. */
static void test_many_interfaces(void **state)
{
	char path[64];

	(void)state;
	for (unsigned i = 1; i <= 200; i++) {
		snprintf(path, sizeof(path), "class/net/lo/upper_lo.%u", i);
		pci_tree_folder(kernel.root, path);
	}
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	assert_int_equal(0, do_unbind());
	for (unsigned i = 1; i <= 200; i++) {
		char route[80];

		snprintf(route, sizeof(route),
			 "lo.%u\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n", i);
		pci_tree_text(kernel.root, "net/route", route);
		expect_protected("lo carries the default route");
	}
	pci_tree_text(kernel.root, "net/route", "");
	for (unsigned i = 201; i <= 300; i++) {
		snprintf(path, sizeof(path), "class/net/lo/upper_lo.%u", i);
		pci_tree_folder(kernel.root, path);
	}
	expect_protected("lo carries more interfaces than are looked through");
}

static void test_ssh(void **state)
{
	char path[64];
	static const char parent[] = "A=B\0SSH_CONNECTION=127.0.0.9 4000 127.0.0.1 2222";

	(void)state;
	setenv("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.1 22", 1);
	assert_int_equal(0, do_bind(NIC, "vfio", false)); /* that is elsewhere */
	assert_int_equal(0, do_unbind());
	setenv("SSH_CONNECTION", "127.0.0.1 50000 127.0.0.1 22", 1);
	expect_protected("lo carries an ssh session");
	setenv("SSH_CONNECTION", "garbage", 1);
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	assert_int_equal(0, do_unbind());
	unsetenv("SSH_CONNECTION");
	/* Another one's session, in the kernel's list. Listening and closed ones are none. */
	pci_tree_text(kernel.root, "net/tcp",
		      "  sl  local_address rem_address   st tx_queue rx_queue\n"
		      "   0: 0100007F:0016 00000000:0000 0A 00000000:00000000\n"
		      "   1: 0100007F:0016 0100007F:C350 06 00000000:00000000\n"
		      "   2: 0100007F:0050 0100007F:C351 01 00000000:00000000\n"
		      "   3: 010200C0:0016 020200C0:C351 01 00000000:00000000\n");
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	assert_int_equal(0, do_unbind());
	pci_tree_text(kernel.root, "net/tcp6",
		      "   0: 0000000000000000FFFF00000100007F:0016 "
		      "0000000000000000FFFF00000100007F:C350 01 00000000:00000000\n");
	expect_protected("lo carries an ssh session");
	pci_tree_text(kernel.root, "net/tcp6", "");
	/* sudo has taken the variable out of our environment, but not out of our parent's. */
	snprintf(path, sizeof(path), "%d/stat", (int)getpid());
	pci_tree_text(kernel.root, path, "5 (a) b) S 77 5 5");
	pci_tree_bytes(kernel.root, "77/environ", parent, sizeof(parent));
	expect_protected("lo carries an ssh session");
}

static void test_ports(void **state)
{
	struct bind_world w = world();
	static const char *const devices[] = {"pci:0000:03:00.0", "lo", "emu:lo"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		w.ports =
			json_pack("{s:[{s:s, s:s}]}", "ports", "name", "pl3", "device", devices[i]);
		expect_refusal(-EBUSY, bind_device(&w, NIC, "vfio", false, &data, &err),
			       "it is port pl3 of the daemon", "--force");
		json_decref(w.ports);
	}
	assert_int_equal(0, do_bind(NIC, "vfio", false));
	w.ports = json_pack("{s:[{s:s, s:s}]}", "ports", "name", "pl3", "device", "pci:" NIC);
	expect_refusal(-EBUSY, unbind_device(&w, NIC, false, &data, &err),
		       "it is port pl3 of the daemon", "--force");
	json_decref(data);
	assert_int_equal(0, unbind_device(&w, NIC, true, &data, &err));
	assert_string_equal("igb", driver());
	json_decref(w.ports);
}

/* A daemon that runs and does not say what it uses may use it. */
static void test_daemon_is_silent(void **state)
{
	struct bind_world w = world();

	(void)state;
	w.unknown = "peerlaned did not answer in 10 s";
	expect_refusal(-EBUSY, bind_device(&w, NIC, "vfio", false, &data, &err),
		       "not known: peerlaned did not answer in 10 s", "--force");
	assert_int_equal(0, bind_device(&w, NIC, "vfio", true, &data, &err));
	expect_refusal(-EBUSY, unbind_device(&w, NIC, false, &data, &err), "not known", "--force");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, begin, end),
		cmocka_unit_test_setup_teardown(test_choices, begin, end),
		cmocka_unit_test_setup_teardown(test_driver_unloaded, begin, end),
		cmocka_unit_test_setup_teardown(test_every_step_of_bind, begin, end),
		cmocka_unit_test_setup_teardown(test_every_step_of_unbind, begin, end),
		cmocka_unit_test_setup_teardown(test_what_there_is_not, begin, end),
		cmocka_unit_test_setup_teardown(test_default_route, begin, end),
		cmocka_unit_test_setup_teardown(test_many_interfaces, begin, end),
		cmocka_unit_test_setup_teardown(test_ssh, begin, end),
		cmocka_unit_test_setup_teardown(test_ports, begin, end),
		cmocka_unit_test_setup_teardown(test_daemon_is_silent, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
