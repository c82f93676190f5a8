/* SPDX-License-Identifier: BSD-2-Clause */
/* The listing of what could be a port: PCI devices out of a tree like sysfs's, interfaces of a network
 * namespace of its own. Where a command is to remove an obstacle, it is run, and must have done so. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../../cli/devices.h"
#include "../../cli/render.h"
#include "pci_tree.h"

#define NIC "0000:03:00.0"

static char *root;    /* of sysfs */
static json_t *ports; /* what the daemon says */
static json_t *data;  /* the last listing */

/* ---- helpers ---- */

static const struct pl_accel_info *accelerators;
static unsigned n_accelerators;

static void list(void)
{
	struct devices_sources sources = {.sysfs = root,
					  .ports = ports,
					  .daemon = "running",
					  .accelerators = accelerators,
					  .n_accelerators = n_accelerators};
	struct pl_error err = {"", ""};

	json_decref(data);
	data = NULL;
	if (devices_list(&sources, &data, &err))
		fail_msg("%s", err.what);
	assert_non_null(data);
}

static void command(const char *line)
{
	if (system(line) != 0)
		fail_msg("failed: %s", line);
}

/* Of the last listing. NULL: it is not listed. */
static json_t *device(const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(data, "devices"), i, one) {
		if (!strcmp(json_string_value(json_object_get(one, "device")), name))
			return one;
	}
	return NULL;
}

static const char *text(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static json_int_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* The obstacle whose text has `what` in it; NULL: there is none. */
static json_t *obstacle(json_t *of, const char *what)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(of, "obstacles"), i, one) {
		if (strstr(text(one, "what"), what))
			return one;
	}
	return NULL;
}

static size_t n_obstacles(json_t *of)
{
	return json_array_size(json_object_get(of, "obstacles"));
}

static bool blocks(json_t *one)
{
	return json_is_true(json_object_get(one, "blocks"));
}

/* Runs the remedy of an obstacle that there must be, after which it must be gone. */
static void removes(const char *name, const char *what)
{
	json_t *one;
	char line[1000];

	list();
	one = obstacle(device(name), what);
	if (!one)
		fail_msg("%s: no obstacle \"%s\"", name, what);
	snprintf(line, sizeof(line), "(%s) >/dev/null", text(one, "remedy"));
	command(line);
	list();
	if (obstacle(device(name), what))
		fail_msg("%s: still \"%s\" after: %s", name, what, line);
}

static char *printed(void)
{
	char *all = NULL;
	size_t len;
	FILE *out = open_memstream(&all, &len);

	assert_non_null(out);
	render(ACTION_DEVICES, data, out);
	fclose(out);
	return all;
}

static void huge_pages(const char *total, const char *available)
{
	pci_tree_text(root, "kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", total);
	pci_tree_text(root, "kernel/mm/hugepages/hugepages-2048kB/free_hugepages", available);
}

/* A tree with huge pages and without devices; interfaces of the tests before are gone. */
static int begin(void **state)
{
	(void)state;
	root = pci_tree_new();
	huge_pages("64\n", "64\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_decref(data);
	json_decref(ports);
	data = ports = NULL;
	pci_tree_free(root);
	return system("for dev in /proc/sys/net/ipv4/conf/e*; do ip link del \"${dev##*/}\"; done "
		      "2>/dev/null; true");
}

/* ---- PCI devices ---- */

static void test_nic(void **state)
{
	json_t *nic;

	(void)state;
	pci_tree_nic(root, NIC, 0x8086, 0x10fb);
	list();
	nic = device("pci:" NIC);
	assert_non_null(nic);
	assert_int_equal(1, json_array_size(json_object_get(data, "devices")));
	assert_string_equal("pci", text(nic, "kind"));
	assert_string_equal("82599ES", text(nic, "model"));
	assert_string_equal("8086:10fb", text(nic, "ids"));
	assert_string_equal("8086:0003", text(nic, "subsystem"));
	assert_true(json_is_null(json_object_get(nic, "driver")));
	assert_int_equal(7, number(nic, "iommu_group"));
	assert_int_equal(1, number(nic, "numa_node"));
	assert_int_equal(512 << 10, number(nic, "bar_bytes"));
	assert_int_equal(64, number(nic, "msix_vectors"));
	assert_true(json_is_null(json_object_get(nic, "backend")));
	assert_true(json_is_null(json_object_get(nic, "used_by")));
	/* Nothing else is in its way, but that is enough. */
	assert_int_equal(1, n_obstacles(nic));
	assert_true(blocks(obstacle(nic, "bound to no driver")));
	assert_string_equal("peerlane bind " NIC,
			    text(obstacle(nic, "bound to no driver"), "remedy"));
	assert_true(json_is_false(json_object_get(nic, "usable")));
}

static void test_bound_nic(void **state)
{
	json_t *nic, *one;
	char path[128];

	(void)state;
	command("ip link add e2 type veth && ip addr add 192.0.2.9/24 dev e2");
	pci_tree_nic(root, NIC, 0x8086, 0x1528);
	pci_tree_link(root, pci_tree_path(NIC, "driver"), "../../../bus/pci/drivers/ixgbe");
	pci_tree_folder(root, pci_tree_path(NIC, "net/e2"));
	snprintf(path, sizeof(path), "%s/%s", root, pci_tree_path(NIC, "iommu_group"));
	assert_int_equal(0, unlink(path));
	list();
	nic = device("pci:" NIC);
	assert_string_equal("X540-AT2", text(nic, "model"));
	assert_string_equal("ixgbe", text(nic, "driver"));
	assert_int_equal(3, n_obstacles(nic));
	one = obstacle(nic, "bound to the kernel's driver ixgbe");
	assert_true(blocks(one));
	assert_string_equal("peerlane bind 0000:03:00.0", text(one, "remedy"));
	one = obstacle(nic, "e2 has addresses (192.0.2.9): the interface goes");
	assert_false(blocks(one));
	assert_string_equal("ip addr flush dev e2", text(one, "remedy"));
	one = obstacle(nic, "no IOMMU");
	assert_false(blocks(one));
	assert_non_null(strcasestr(text(one, "remedy"), "iommu"));
	assert_true(json_is_null(json_object_get(nic, "iommu_group")));
	assert_true(json_is_false(json_object_get(json_object_get(data, "machine"), "iommu")));
	/* And the interface is a device of its own, of that model. */
	assert_string_equal("X540-AT2", text(device("afxdp:e2"), "model"));
	/* Which the daemon may have already. */
	ports = json_pack("{s:[{s:s, s:s}]}", "ports", "name", "pl5", "device", "e2");
	list();
	assert_true(blocks(obstacle(device("pci:" NIC), "its interface e2 is that of port pl5")));
}

/* By which way one can be driven is what it is bound to. */
static void test_handed_over(void **state)
{
	char path[128];
	json_t *nic;

	(void)state;
	pci_tree_nic(root, NIC, 0x8086, 0x10c9);
	pci_tree_link(root, pci_tree_path(NIC, "driver"), "../../../bus/pci/drivers/vfio-pci");
	list();
	nic = device("pci:" NIC);
	assert_string_equal("vfio", text(nic, "backend"));
	assert_true(json_is_true(json_object_get(nic, "usable")));
	assert_int_equal(0, n_obstacles(nic));
	/* Another one of its IOMMU group that the kernel has. */
	pci_tree_nic(root, "0000:03:00.1", 0x8086, 0x10c9);
	pci_tree_link(root, pci_tree_path("0000:03:00.1", "driver"), "../../bus/pci/drivers/igb");
	list();
	nic = device("pci:" NIC);
	assert_true(blocks(obstacle(nic, "cannot keep it apart from 0000:03:00.1, which igb has")));
	assert_true(json_is_false(json_object_get(nic, "usable")));
	/* Without an IOMMU that way is none. */
	snprintf(path, sizeof(path), "%s/%s", root, pci_tree_path(NIC, "iommu_group"));
	assert_int_equal(0, unlink(path));
	list();
	nic = device("pci:" NIC);
	assert_true(json_is_null(json_object_get(nic, "backend")));
	assert_string_equal("peerlane bind " NIC " kmod",
			    text(obstacle(nic, "no use without an IOMMU"), "remedy"));
	/* The other is. */
	snprintf(path, sizeof(path), "%s/%s", root, pci_tree_path(NIC, "driver"));
	assert_int_equal(0, unlink(path));
	pci_tree_link(root, pci_tree_path(NIC, "driver"), "../../../bus/pci/drivers/peerlane");
	list();
	nic = device("pci:" NIC);
	assert_string_equal("kmod", text(nic, "backend"));
	assert_true(json_is_true(json_object_get(nic, "usable")));
	assert_int_equal(1, n_obstacles(nic));
	assert_non_null(obstacle(nic, "no IOMMU"));
}

/* Neither virtual functions, nor what our drivers do not know; an interface of the latter says its ids. */
static void test_others(void **state)
{
	(void)state;
	command("ip link add e3 type veth");
	pci_tree_nic(root, "0000:03:10.0", 0x8086, 0x10fb);
	pci_tree_link(root, pci_tree_path("0000:03:10.0", "physfn"), "../0000:03:00.0");
	pci_tree_nic(root, "0000:04:00.0", 0x15b3, 0x1017);
	pci_tree_folder(root, pci_tree_path("0000:04:00.0", "net/e3"));
	pci_tree_nic(root, "0000:05:00.0", 0x8086, 0x10c9);
	pci_tree_text(root, pci_tree_path("0000:05:00.0", "resource"), "0x0 0x0 0x0\n");
	pci_tree_folder(root, "kernel/iommu_groups/7");
	list();
	assert_null(device("pci:0000:03:10.0"));
	assert_null(device("pci:0000:04:00.0"));
	assert_string_equal("15b3:1017", text(device("afxdp:e3"), "model"));
	assert_true(blocks(obstacle(device("pci:0000:05:00.0"), "BAR 0")));
	assert_true(json_is_true(json_object_get(json_object_get(data, "machine"), "iommu")));
}

/* ---- interfaces ---- */

static void test_interface(void **state)
{
	json_t *one;

	(void)state;
	command("ip link add e1 address 02:00:00:00:00:07 mtu 1400 type veth peer name e2");
	command("for dev in e1 e2; do sysctl -qw net.ipv6.conf.$dev.disable_ipv6=1; "
		"ip link set $dev up; done");
	list();
	one = device("afxdp:e1");
	assert_string_equal("afxdp", text(one, "kind"));
	assert_string_equal("veth", text(one, "driver"));
	assert_string_equal("up", text(one, "link"));
	assert_string_equal("02:00:00:00:00:07", text(one, "mac"));
	assert_int_equal(1400, number(one, "mtu"));
	assert_int_equal(1, number(one, "queues"));
	assert_string_equal("AF_XDP", text(one, "backend"));
	assert_string_equal("emu:e1", text(one, "emulated"));
	assert_int_equal(0, n_obstacles(one));
	assert_true(json_is_true(json_object_get(one, "usable")));
	command("ip link set e2 down");
	list();
	assert_string_equal("no carrier", text(device("afxdp:e1"), "link"));
	assert_string_equal("down", text(device("afxdp:e2"), "link"));
	assert_int_equal(0, n_obstacles(device("afxdp:e1")));
}

static void test_commands_remove_obstacles(void **state)
{
	(void)state;
	command("ip link add e1 numrxqueues 4 numtxqueues 4 type veth peer name e2 numrxqueues 4 "
		"numtxqueues 4 && ip link add e0 type bridge && ip link set e1 master e0");
	command("ethtool -L e1 rx 4 tx 4 && ethtool -L e2 rx 4 tx 4");
	removes("afxdp:e1", "e1 is down");
	removes("afxdp:e1", "e1 belongs to e0");
	removes("afxdp:e2", "e2 is down");
	command("ip addr add 192.0.2.1/24 dev e1 && ip addr add 2001:db8::1/64 dev e1 nodad && "
		"ip addr add 192.0.2.77/32 dev e1");
	removes("afxdp:e1", "e1 has addresses (192.0.2.1, 192.0.2.77, 2001:db8::1");
	assert_int_equal(0, json_array_size(json_object_get(device("afxdp:e1"), "addresses")));
	assert_string_equal("Planes=4, or Planes=1 and: ethtool -L e1 rx 1 tx 1",
			    text(obstacle(device("afxdp:e1"), "receives on 4 queues"), "remedy"));
	command("ethtool -L e1 rx 1 tx 1");
	list();
	assert_int_equal(0, n_obstacles(device("afxdp:e1")));
	/* Never was it impossible, and the bridge itself is none. */
	assert_null(device("afxdp:e0"));
	assert_int_equal(1, number(data, "other_interfaces"));
}

/* Puts a program that passes everything on an interface. Returns its id; 0: not allowed here. */
static uint32_t attach_xdp(const char *interface, int *fd)
{
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	*fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);
	if (*fd < 0)
		return 0;
	assert_int_equal(0, bpf_obj_get_info_by_fd(*fd, &info, &len));
	assert_int_equal(0, bpf_xdp_attach((int)if_nametoindex(interface), *fd,
					   XDP_FLAGS_UPDATE_IF_NOEXIST, NULL));
	return info.id;
}

static void test_xdp_program(void **state)
{
	char what[80];
	uint32_t id;
	json_t *one;
	int fd;

	(void)state;
	command("ip link add e1 type veth peer name e2");
	id = attach_xdp("e1", &fd);
	if (!id) {
		print_message("SKIP: no XDP program may be loaded here\n");
		skip();
	}
	snprintf(what, sizeof(what), "an XDP program (id %u) is on it", id);
	list();
	one = obstacle(device("afxdp:e1"), what);
	assert_true(blocks(one));
	assert_non_null(strstr(text(one, "remedy"), "ip link set dev e1 xdp off"));
	assert_true(json_is_false(json_object_get(device("afxdp:e1"), "usable")));
	assert_null(obstacle(device("afxdp:e2"), "XDP"));
	/* Not if it is the daemon's. */
	ports = json_pack("{s:[{s:s, s:s}]}", "ports", "name", "pl3", "device", "e1");
	list();
	assert_int_equal(0, n_obstacles(device("afxdp:e1")));
	assert_string_equal("pl3", text(device("afxdp:e1"), "used_by"));
	command("ip link set dev e1 xdp off");
	close(fd);
}

/* Whatever the daemon calls them. */
static void test_in_use(void **state)
{
	(void)state;
	command("ip link add e1 type veth peer name e2; ip link add e3 type veth peer name e33");
	pci_tree_nic(root, NIC, 0x8086, 0x10fb);
	ports = json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s}, n]}", "ports", "name",
			  "pl0", "device", "e1", "name", "pl1", "device", "emu:e3", "name", "pl2",
			  "device", "pci:" NIC, "name", "pl4");
	list();
	assert_string_equal("pl0", text(device("afxdp:e1"), "used_by"));
	assert_string_equal("pl1", text(device("afxdp:e3"), "used_by"));
	assert_string_equal("pl2", text(device("pci:" NIC), "used_by"));
	assert_string_equal("", text(device("afxdp:e2"), "used_by"));
	assert_string_equal("", text(device("afxdp:e33"), "used_by"));
}

/* What would be more than a name to a shell or a terminal. */
static void test_odd_names(void **state)
{
	char *all;

	(void)state;
	command("ip link add 'e;exit' type veth && ip link add \"e'\\$(id)\" type veth && ip link "
		"add 'e*' type veth");
	removes("afxdp:e;exit", "is down");
	removes("afxdp:e'$(id)", "is down");
	removes("afxdp:e*", "is down");
	command("ip link add \"$(printf 'e\\033[2J\\377')\" type veth");
	list();
	assert_non_null(device("afxdp:e?[2J?"));
	all = printed();
	assert_null(strchr(all, '\033'));
	free(all);
}

/* ---- the machine ---- */

static void test_huge_pages(void **state)
{
	json_t *one;

	(void)state;
	list();
	assert_int_equal(0, n_obstacles(json_object_get(data, "machine")));
	assert_int_equal(64, number(json_object_get(data, "machine"), "huge_pages"));
	huge_pages("0\n", "0\n");
	list();
	one = obstacle(json_object_get(data, "machine"), "no huge pages of 2 MB");
	assert_string_equal("sysctl -w vm.nr_hugepages=64", text(one, "remedy"));
	assert_false(blocks(one));
	huge_pages("20\n", "0\n");
	list();
	one = obstacle(json_object_get(data, "machine"), "all 20 huge pages of 2 MB are in use");
	assert_string_equal("sysctl -w vm.nr_hugepages=84", text(one, "remedy"));
	huge_pages("many\n", "some\n");
	list();
	assert_non_null(obstacle(json_object_get(data, "machine"), "no huge pages of 2 MB"));
}

/* In a process of its own, which gives up what the daemon need not have: whether there is the obstacle
 * then. -1: that cannot be tried here. */
static int memlock_obstacle(rlim_t limit, bool admin, bool ipc_lock)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit both = {limit, limit};
		json_t *one;

		capng_get_caps_process();
		if (!ipc_lock)
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_IPC_LOCK);
		if (!admin)
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_NET_ADMIN);
		if (setrlimit(RLIMIT_MEMLOCK, &both) || capng_apply(CAPNG_SELECT_CAPS))
			_exit(3);
		list();
		one = obstacle(json_object_get(data, "machine"), "may lock 1024 KiB");
		if (one && (blocks(one) || !strstr(text(one, "remedy"), "ulimit -l")))
			_exit(4);
		_exit(one ? 1 : 0);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_locked_memory(void **state)
{
	(void)state;
	assert_int_equal(1, memlock_obstacle(1 << 20, true, false));
	assert_int_equal(0, memlock_obstacle(1 << 20, true, true));
	assert_int_equal(0, memlock_obstacle(1 << 20, false, false));
}

/* ---- the description ---- */

/* Every key of `value`, at any depth, is in docs/protocol.md in code quotes. */
static void check_described(const char *description, json_t *value)
{
	json_t *inner;
	const char *key;
	size_t i;

	json_object_foreach(value, key, inner) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "`%s`", key);
		if (!strstr(description, quoted))
			fail_msg("docs/protocol.md lacks %s", quoted);
		check_described(description, inner);
	}
	json_array_foreach(value, i, inner) {
		check_described(description, inner);
	}
}

static void test_described(void **state)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol.md", "re");
	static char description[131072];
	const char *section;

	(void)state;
	assert_non_null(file);
	assert_in_range(fread(description, 1, sizeof(description), file), 1,
			sizeof(description) - 1);
	fclose(file);
	section = strstr(description, "\n## What is no request: devices\n");
	assert_non_null(section);
	command("ip link add e1 type veth");
	huge_pages("0\n", "0\n");
	pci_tree_nic(root, NIC, 0x8086, 0x10fb);
	list();
	check_described(section, data);
}

/* ---- for people ---- */

static void test_printed(void **state)
{
	char *all;

	(void)state;
	command("ip link add e1 type veth peer name e2 && ip link set e1 up");
	pci_tree_nic(root, NIC, 0x8086, 0x10fb);
	pci_tree_link(root, pci_tree_path(NIC, "driver"), "../../../bus/pci/drivers/ixgbe");
	pci_tree_folder(root, pci_tree_path(NIC, "net/enp3s0f0"));
	ports = json_pack("{s:[{s:s, s:s}]}", "ports", "name", "pl0", "device", "e2");
	list();
	all = printed();
	assert_non_null(strstr(
		all, "DEVICE            MODEL    DRIVER  INTERFACE  LINK        BACKEND  STATE\n"
		     "pci:0000:03:00.0  82599ES  ixgbe   enp3s0f0   -           none     not "
		     "usable, see "
		     "below\n"));
	assert_non_null(strstr(all, "\nafxdp:e1          -        veth    e1         no carrier  "
				    "AF_XDP   usable\n"));
	assert_non_null(strstr(all, "\nafxdp:e2          -        veth    e2         down        "
				    "AF_XDP   in use: pl0\n"));
	assert_non_null(strstr(all, "\npci:0000:03:00.0:\n"
				    "  ! bound to the kernel's driver ixgbe\n"
				    "      peerlane bind 0000:03:00.0\n\n"));
	assert_non_null(strstr(all, "\nDevice=emu:IFNAME in place of afxdp:IFNAME puts an emulated "
				    "82599 in front of the interface.\n"));
	assert_null(strstr(all, "not known"));
	free(all);
}

/* Of each accelerator which modes it can serve, and why not the others. */
static void test_modes(void **state)
{
	static const struct pl_accel_info all[] = {
		{.kind = PL_ACCEL_CUDA, .name = "good", .driver = "1"},
		{.kind = PL_ACCEL_CUDA,
		 .index = 1,
		 .name = "poor",
		 .driver = "1",
		 .no_packets = -95,
		 .why_no_packets = {"cuda:1: exports nothing", "open modules"}},
		{.kind = PL_ACCEL_CUDA,
		 .index = 2,
		 .name = "old",
		 .driver = "1",
		 .unusable = -95,
		 .why = {"cuda:2: too old", "another"}},
		{.kind = PL_ACCEL_HOST,
		 .name = "host",
		 .driver = "threads",
		 .no_dmabuf = "there is no udmabuf",
		 .dmabuf_remedy = "modprobe udmabuf"},
	};
	static const struct {
		bool cpu_gpu, gpu;
		const char *why;
		size_t n_obstacles;
	} wanted[] = {
		{true, true, "", 0},
		{true, false, "cuda:1: exports nothing", 1},
		{false, false, "cuda:2: too old", 1},
		{true, true, "", 1},
	};
	json_t *one;
	char *text_of;
	size_t i;

	(void)state;
	accelerators = all;
	n_accelerators = 4;
	list();
	json_array_foreach(json_object_get(data, "accelerators"), i, one) {
		json_t *list_of = json_object_get(one, "modes");
		json_t *first = json_array_get(list_of, 0), *second = json_array_get(list_of, 1);

		assert_string_equal("nic-cpu-gpu", text(first, "mode"));
		assert_string_equal("nic-gpu", text(second, "mode"));
		assert_int_equal(wanted[i].cpu_gpu, json_is_true(json_object_get(first, "usable")));
		assert_int_equal(wanted[i].gpu, json_is_true(json_object_get(second, "usable")));
		assert_string_equal(wanted[i].why, text(second, "why"));
		assert_int_equal(wanted[i].n_obstacles, n_obstacles(one));
	}
	assert_int_equal(4, i);
	one = json_array_get(
		json_object_get(json_array_get(json_object_get(data, "accelerators"), 3),
				"obstacles"),
		0);
	assert_string_equal("modprobe udmabuf", text(one, "remedy"));
	text_of = printed();
	assert_non_null(strstr(text_of, "nic-cpu-gpu, nic-gpu  usable\n"));
	assert_non_null(strstr(text_of, "  - not for Mode=nic-gpu: cuda:1: exports nothing\n"
					"      open modules\n"));
	assert_non_null(strstr(text_of,
			       "  - Mode=nic-gpu is not for NICs on the bus (pci:): there is no "
			       "udmabuf\n      modprobe udmabuf\n"));
	free(text_of);
	accelerators = NULL;
	n_accelerators = 0;
}

/* A machine without anything. */
static void test_nothing(void **state)
{
	char *all;

	(void)state;
	list();
	all = printed();
	assert_string_equal("DEVICE  MODEL  DRIVER  INTERFACE  LINK  BACKEND  STATE\n\n", all);
	free(all);
}

/* A network namespace of our own, as root or in a user namespace. */
static bool enter_namespace(void)
{
	char map[32];
	unsigned uid = getuid();
	FILE *file;

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	file = fopen("/proc/self/uid_map", "we");
	if (!file)
		return false;
	fputs(map, file);
	return fclose(file) == 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nic, begin, end),
		cmocka_unit_test_setup_teardown(test_bound_nic, begin, end),
		cmocka_unit_test_setup_teardown(test_handed_over, begin, end),
		cmocka_unit_test_setup_teardown(test_others, begin, end),
		cmocka_unit_test_setup_teardown(test_interface, begin, end),
		cmocka_unit_test_setup_teardown(test_commands_remove_obstacles, begin, end),
		cmocka_unit_test_setup_teardown(test_xdp_program, begin, end),
		cmocka_unit_test_setup_teardown(test_in_use, begin, end),
		cmocka_unit_test_setup_teardown(test_odd_names, begin, end),
		cmocka_unit_test_setup_teardown(test_huge_pages, begin, end),
		cmocka_unit_test_setup_teardown(test_locked_memory, begin, end),
		cmocka_unit_test_setup_teardown(test_described, begin, end),
		cmocka_unit_test_setup_teardown(test_printed, begin, end),
		cmocka_unit_test_setup_teardown(test_modes, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing, begin, end),
	};

	if (!enter_namespace()) {
		printf("SKIP: no network namespaces here: %s\n", strerror(errno));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
