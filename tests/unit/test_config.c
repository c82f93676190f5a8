/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration's file: what is accepted, and that every error names its place and the way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../router/control/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ACCELERATOR_REMEDY \
	"use Accelerator=auto, or one that peerlane devices shows, such as Accelerator=cuda:0"

/* Reads and finishes `text` on a machine with cores 0 to 7. */
static int read_text(struct config *config, const char *text, struct pl_error *err)
{
	cpu_set_t allowed;
	int rc;

	CPU_ZERO(&allowed);
	for (int i = 0; i <= 7; i++)
		CPU_SET(i, &allowed);
	config_init(config);
	rc = config_read_text(config, "f.conf", text, strlen(text), err);
	return rc ? rc : config_finish(config, &allowed, err);
}

static void test_everything_set(void **state)
{
	struct config c;
	struct pl_error err;

	(void)state;
	assert_int_equal(0, read_text(&c,
				      "# remark\n"
				      "[Router]\n"
				      "Mode=nic-cpu-gpu\n"
				      "Accelerator=opencl:2\n"
				      "Launch=burst\n"
				      "Planes = 3\n"
				      "Cores=1-2,4 ; inline remark\n"
				      "BusyPoll=Yes\n"
				      "ControlSocket=/run/x.sock\n"
				      "ControlGroup=adm\r\n"
				      "RingSize=4096\n"
				      "Seccomp=log\n"
				      "\n"
				      "  [Port pl0]\n"
				      "  Device=afxdp:eth1\n"
				      "Attach=generic\n"
				      "ZeroCopy=no\n"
				      "[Port wan]\n"
				      "Device=afxdp:eth2.100",
				      &err));
	assert_int_equal(CONFIG_NIC_CPU_GPU, c.mode);
	assert_false(c.accelerator.any);
	assert_int_equal(PL_ACCEL_OPENCL, c.accelerator.kind);
	assert_int_equal(2, c.accelerator.index);
	assert_int_equal(PL_ACCEL_BURST, c.launch);
	assert_int_equal(3, c.planes);
	assert_int_equal(3, c.n_cores);
	assert_int_equal(1, c.cores[0]);
	assert_int_equal(2, c.cores[1]);
	assert_int_equal(4, c.cores[2]);
	assert_true(c.busy_poll);
	assert_string_equal("/run/x.sock", c.control_socket);
	assert_string_equal("adm", c.control_group);
	assert_int_equal(4096, c.ring_size);
	assert_int_equal(CONFIG_SECCOMP_LOG, c.seccomp);
	assert_int_equal(2, c.n_ports);
	assert_string_equal("pl0", c.ports[0].name);
	assert_string_equal("eth1", c.ports[0].device);
	assert_int_equal(PL_ATTACH_GENERIC, c.ports[0].attach);
	assert_false(c.ports[0].zero_copy);
	assert_string_equal("wan", c.ports[1].name);
	assert_string_equal("eth2.100", c.ports[1].device);
	assert_int_equal(PL_ATTACH_AUTO, c.ports[1].attach);
	assert_true(c.ports[1].zero_copy);
}

static void test_defaults(void **state)
{
	struct config c;
	struct pl_error err;
	cpu_set_t allowed;

	(void)state;
	assert_int_equal(0, read_text(&c, "[Port pl0]\nDevice=afxdp:eth1\n", &err));
	assert_int_equal(1, c.planes);
	assert_int_equal(1, c.n_cores);
	assert_int_equal(7, c.cores[0]);
	assert_int_equal(CONFIG_NIC_CPU, c.mode);
	assert_true(c.accelerator.any);
	assert_int_equal(PL_ACCEL_PERSISTENT, c.launch);
	assert_string_equal("", c.launch_at);
	assert_false(c.busy_poll);
	assert_string_equal("/run/peerlane/control.sock", c.control_socket);
	assert_string_equal("", c.control_group);
	assert_int_equal(2048, c.ring_size);
	assert_int_equal(CONFIG_SECCOMP_YES, c.seccomp);

	/* Highest-numbered of those allowed, in ascending order. */
	CPU_ZERO(&allowed);
	CPU_SET(2, &allowed);
	CPU_SET(5, &allowed);
	CPU_SET(9, &allowed);
	config_init(&c);
	c.planes = 2;
	c.n_ports = 1;
	strcpy(c.ports[0].name, "pl0");
	strcpy(c.ports[0].device, "eth0");
	assert_int_equal(0, config_finish(&c, &allowed, &err));
	assert_int_equal(5, c.cores[0]);
	assert_int_equal(9, c.cores[1]);
}

static void test_accelerators(void **state)
{
	static const struct {
		const char *value;
		bool any;
		enum pl_accel_kind kind;
		unsigned index;
	} cases[] = {
		{"auto", true, 0, 0},
		{"cuda", false, PL_ACCEL_CUDA, 0},
		{"cuda:3", false, PL_ACCEL_CUDA, 3},
		{"opencl:0", false, PL_ACCEL_OPENCL, 0},
		{"host", false, PL_ACCEL_HOST, 0},
	};
	struct config c;
	struct pl_error err;
	char text[160];

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text),
			 "[Router]\nMode=nic-cpu-gpu\nAccelerator=%s\n[Port p]\nDevice=afxdp:e\n",
			 cases[i].value);
		assert_int_equal(0, read_text(&c, text, &err));
		assert_int_equal(cases[i].any, c.accelerator.any);
		assert_int_equal(cases[i].kind, c.accelerator.kind);
		assert_int_equal(cases[i].index, c.accelerator.index);
		assert_int_equal(PL_ACCEL_PERSISTENT, c.launch);
	}
	/* Switched off without its other lines being taken out. */
	assert_int_equal(0, read_text(&c,
				      "[Router]\nMode=nic-cpu\nAccelerator=cuda\nLaunch=burst\n"
				      "[Port p]\nDevice=afxdp:e\n",
				      &err));
	assert_int_equal(CONFIG_NIC_CPU, c.mode);
}

static void test_modes(void **state)
{
	static const struct {
		const char *name;
		enum config_mode mode;
		bool accelerated, remote;
	} cases[] = {
		{"nic-cpu", CONFIG_NIC_CPU, false, false},
		{"nic-cpu-gpu", CONFIG_NIC_CPU_GPU, true, false},
		{"nic-gpu", CONFIG_NIC_GPU, true, true},
	};
	struct config c;
	struct pl_error err;
	char text[160];

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text),
			 "[Router]\nMode=%s\n[Port p]\nDevice=emu:e\n[Port q]\n"
			 "Device=pci:0000:03:00.0\n",
			 cases[i].name);
		if (read_text(&c, text, &err))
			fail_msg("%s", err.what);
		assert_int_equal(cases[i].mode, c.mode);
		assert_string_equal(cases[i].name, config_mode(&c)->name);
		assert_int_equal(cases[i].accelerated, config_mode(&c)->accelerated);
		assert_int_equal(cases[i].remote, config_mode(&c)->remote);
	}
}

static void test_limits(void **state)
{
	static const char text[] = "[PuntLimits]\nArpNd=1\nTcp=no\nLocal=OFF\nOther=10000000\n"
				   "[Port pl0]\nDevice=afxdp:eth1\n";
	struct config c;
	struct pl_error err;

	(void)state;
	assert_int_equal(0, read_text(&c, "[Port pl0]\nDevice=afxdp:eth1\n", &err));
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		assert_in_range(c.limits[i], 1, LIMIT_RATE_MAX);
	assert_int_equal(1000, c.limits[LIMIT_TTL]);
	assert_int_equal(0, read_text(&c, text, &err));
	assert_int_equal(1, c.limits[LIMIT_ARP_ND]);
	assert_int_equal(LIMIT_NONE, c.limits[LIMIT_TCP]);
	assert_int_equal(LIMIT_NONE, c.limits[LIMIT_LOCAL]);
	assert_int_equal(LIMIT_RATE_MAX, c.limits[LIMIT_OTHER]);
	assert_int_equal(1000, c.limits[LIMIT_TTL]);
}

static void test_devices(void **state)
{
	struct config c;
	struct pl_error err;

	(void)state;
	assert_int_equal(0, read_text(&c,
				      "[Port pl0]\nDevice=afxdp:eth1\n"
				      "[Port pl1]\nDevice=pci:0000:03:00.1\nMTU=9000\n"
				      "InterruptModeration=0\nFlowControl=yes\nBackend=kmod\n"
				      "[Port pl2]\nDevice=pci:AF:1f.7\n"
				      "[Port pl3]\nCapture=/tmp/x.pcap\nMTU=68\n"
				      "Device=emu:fifteen-letters\n"
				      "[Port pl4]\nDevice=emu:a\nWire=/run/pl4.wire\n",
				      &err));
	assert_int_equal(CONFIG_AFXDP, c.ports[0].kind);
	assert_string_equal("eth1", c.ports[0].interface);
	assert_int_equal(CONFIG_PCI, c.ports[1].kind);
	assert_string_equal("pci:0000:03:00.1", c.ports[1].device);
	assert_string_equal("", c.ports[1].interface);
	assert_int_equal(9000, c.ports[1].mtu);
	assert_int_equal(0, c.ports[1].moderation_us);
	assert_true(c.ports[1].flow_control);
	assert_int_equal(PL_PCI_KMOD, c.ports[1].backend);
	assert_int_equal(PL_PCI_AUTO, c.ports[2].backend);
	assert_string_equal("pci:0000:af:1f.7", c.ports[2].device);
	assert_int_equal(0, c.ports[2].mtu);
	assert_int_equal(CONFIG_MODERATION_DEFAULT_US, c.ports[2].moderation_us);
	assert_false(c.ports[2].flow_control);
	assert_int_equal(CONFIG_EMU, c.ports[3].kind);
	assert_string_equal("emu:fifteen-letters", c.ports[3].device);
	assert_string_equal("fifteen-letters", c.ports[3].interface);
	assert_string_equal("/tmp/x.pcap", c.ports[3].capture);
	assert_string_equal("", c.ports[3].wire);
	/* No interface: only a name. */
	assert_string_equal("emu:a", c.ports[4].device);
	assert_string_equal("", c.ports[4].interface);
	assert_string_equal("/run/pl4.wire", c.ports[4].wire);
}

/* Text, the whole error, the whole remedy. */
static const struct {
	const char *text, *what, *remedy;
} errors[] = {
	{"[Router]\nPlanse=2\n", "f.conf:2: [Router] Planse=: unknown key",
	 "did you mean Planes=?"},
	{"[Router]\nplanes=2\n", "f.conf:2: [Router] planes=: unknown key",
	 "did you mean Planes=?"},
	{"[Router]\nColour=2\n", "f.conf:2: [Router] Colour=: unknown key",
	 "[Router] has: Mode, Accelerator, Launch, Planes, Cores, BusyPoll, ControlSocket, "
	 "ControlGroup, RingSize, "
	 "Seccomp"},
	{"[Router]\nDevice=afxdp:eth1\n", "f.conf:2: [Router] Device=: unknown key",
	 "[Router] has: Mode, Accelerator, Launch, Planes, Cores, BusyPoll, ControlSocket, "
	 "ControlGroup, RingSize, "
	 "Seccomp"},
	{"[Port pl0]\nDevices=afxdp:eth1\n", "f.conf:2: [Port pl0] Devices=: unknown key",
	 "did you mean Device=?"},
	{"[Routr]\n", "f.conf:1: [Routr]: unknown section", "did you mean [Router]?"},
	{"\n\n[Prot pl0]\n", "f.conf:3: [Prot pl0]: unknown section", "did you mean [Port NAME]?"},
	{"[Firewall]\n", "f.conf:1: [Firewall]: unknown section",
	 "there are [Router], [PuntLimits] and [Port NAME]"},
	{"[Port]\nDevice=afxdp:eth1\n", "f.conf:1: [Port]: has no name",
	 "name the port as its TAP interface shall be called: [Port pl0]"},
	{"[PuntLimit]\n", "f.conf:1: [PuntLimit]: unknown section", "did you mean [PuntLimits]?"},
	{"[PuntLimits]\nTtl=0\n",
	 "f.conf:2: [PuntLimits] Ttl=0: would keep all of them from the kernel",
	 "use packets a second from 1 to 10000000, or Ttl=no for no limit"},
	{"[PuntLimits]\nTtl=10000001\n", "f.conf:2: [PuntLimits] Ttl=10000001: out of range",
	 "use packets a second from 1 to 10000000, or Ttl=no for no limit"},
	{"[PuntLimits]\nArpNdNew=5k\n",
	 "f.conf:2: [PuntLimits] ArpNdNew=5k: neither a number nor no",
	 "use packets a second from 1 to 10000000, or ArpNdNew=no for no limit"},
	{"[PuntLimits]\nMtu=yes\n", "f.conf:2: [PuntLimits] Mtu=yes: neither a number nor no",
	 "use packets a second from 1 to 10000000, or Mtu=no for no limit"},
	{"[PuntLimits]\nMtu=1\nMtu=2\n", "f.conf:3: [PuntLimits] Mtu=2: given a second time",
	 "keep one of the lines"},
	{"[PuntLimits]\nPlanes=1\n", "f.conf:2: [PuntLimits] Planes=: unknown key",
	 "[PuntLimits] has: ArpNd, ArpNdNew, Routing, RoutingNew, Tcp, Local, Ttl, Mtu, NoRoute, "
	 "Unresolved, Other"},
	{"[Router]\nTtl=1\n", "f.conf:2: [Router] Ttl=: unknown key",
	 "[Router] has: Mode, Accelerator, Launch, Planes, Cores, BusyPoll, ControlSocket, "
	 "ControlGroup, RingSize, "
	 "Seccomp"},
	{"[Router\nPlanes=1\n", "f.conf:1: [Router: not a section header",
	 "write [Router], [PuntLimits] or [Port NAME]"},
	{"[Router] Planes=1\n", "f.conf:1: [Router]: something follows the section header",
	 "put what follows on a line of its own"},
	{"Planes=1\n", "f.conf:1: Planes=1: in no section", "write [Router] above it"},
	{"[Router]\nPlanes 1\n", "f.conf:2: neither a [Section] nor Key=Value",
	 "write Key=Value, or # in front of a remark"},
	{"[Router]\nPlanes=\n", "f.conf:2: [Router] Planes=: has no value",
	 "give a value, or leave the line out"},
	{"[Router]\nPlanes=1\nPlanes=2\n", "f.conf:3: [Router] Planes=2: given a second time",
	 "keep one of the lines"},
	{"[Router]\nPlanes=1\n[Router]\nPlanes=2\n",
	 "f.conf:4: [Router] Planes=2: given a second time", "keep one of the lines"},
	{"[Port pl0]\nDevice=afxdp:a\nDevice=afxdp:b\n",
	 "f.conf:3: [Port pl0] Device=afxdp:b: given a second time", "keep one of the lines"},
	{"[Router]\nMode=cpu\n", "f.conf:2: [Router] Mode=cpu: no such mode",
	 "use Mode=nic-cpu, Mode=nic-cpu-gpu or Mode=nic-gpu"},
	{"[Router]\nMode=nic-gpu2\n", "f.conf:2: [Router] Mode=nic-gpu2: no such mode",
	 "use Mode=nic-cpu, Mode=nic-cpu-gpu or Mode=nic-gpu"},
	/* Into an accelerator's memory not every port receives; beside those that do, others are not served. */
	{"[Router]\nMode=nic-gpu\n[Port pl0]\nDevice=emu:eth0\n[Port pl1]\nDevice=afxdp:eth1\n",
	 "f.conf:6: [Port pl1] Device=afxdp:eth1: Mode=nic-gpu is for NICs that Peerlane drives: "
	 "AF_XDP receives into main memory alone",
	 "Device=pci: and the NIC's address (see: peerlane devices), Device=emu:eth1, or "
	 "Mode=nic-cpu-gpu"},
	{"[Router]\nMode=nic-gpu\n[Port pl0]\nDevice=pci:0000:03:00.0\nBackend=vfio\n",
	 "f.conf:4: [Port pl0] Device=pci:0000:03:00.0: Mode=nic-gpu is for NICs by the module "
	 "peerlane: "
	 "by vfio they cannot be given addresses of an accelerator's memory",
	 "peerlane bind pci:0000:03:00.0 kmod, and Backend=kmod; or Mode=nic-cpu-gpu"},
	{"[Router]\nAccelerator=gpu\n",
	 "f.conf:2: [Router] Accelerator=gpu: no such kind of accelerator", ACCELERATOR_REMEDY},
	{"[Router]\nAccelerator=cud\n",
	 "f.conf:2: [Router] Accelerator=cud: no such kind of accelerator", ACCELERATOR_REMEDY},
	{"[Router]\nAccelerator=auto:0\n",
	 "f.conf:2: [Router] Accelerator=auto:0: no such kind of accelerator", ACCELERATOR_REMEDY},
	{"[Router]\nAccelerator=cuda:\n",
	 "f.conf:2: [Router] Accelerator=cuda:: what is behind the colon is not the number of one",
	 ACCELERATOR_REMEDY},
	{"[Router]\nAccelerator=opencl:-1\n",
	 "f.conf:2: [Router] Accelerator=opencl:-1: what is behind the colon is not the number of "
	 "one",
	 ACCELERATOR_REMEDY},
	{"[Router]\nAccelerator=cuda:0x\n",
	 "f.conf:2: [Router] Accelerator=cuda:0x: what is behind the colon is not the number of "
	 "one",
	 ACCELERATOR_REMEDY},
	{"[Router]\nLaunch=always\n", "f.conf:2: [Router] Launch=always: no such way to launch",
	 "use Launch=persistent or Launch=burst"},
	{"[Router]\nAccelerator=cuda\n[Port pl0]\nDevice=afxdp:eth1\n",
	 "f.conf:2: [Router] Accelerator=cuda: is for Mode=nic-cpu-gpu and Mode=nic-gpu",
	 "add Mode=nic-cpu-gpu or Mode=nic-gpu, or leave it out"},
	{"[Router]\nPlanes=1\nLaunch=burst\n[Port pl0]\nDevice=afxdp:eth1\n",
	 "f.conf:3: [Router] Launch=burst: is for Mode=nic-cpu-gpu and Mode=nic-gpu",
	 "add Mode=nic-cpu-gpu or Mode=nic-gpu, or leave it out"},
	{"[Router]\nPlanes=two\n", "f.conf:2: [Router] Planes=two: not a number",
	 "use a whole number from 1 to 64, such as Planes=1"},
	{"[Router]\nPlanes=-1\n", "f.conf:2: [Router] Planes=-1: not a number",
	 "use a whole number from 1 to 64, such as Planes=1"},
	{"[Router]\nPlanes=2x\n", "f.conf:2: [Router] Planes=2x: not a number",
	 "use a whole number from 1 to 64, such as Planes=1"},
	{"[Router]\nPlanes=0\n", "f.conf:2: [Router] Planes=0: out of range",
	 "use a whole number from 1 to 64, such as Planes=1"},
	{"[Router]\nPlanes=65\n", "f.conf:2: [Router] Planes=65: out of range",
	 "use a whole number from 1 to 64, such as Planes=1"},
	{"[Router]\nPlanes=99999999999999999999\n",
	 "f.conf:2: [Router] Planes=99999999999999999999: not a number",
	 "use a whole number from 1 to 64, such as Planes=1"},
	{"[Router]\nCores=1,,2\n", "f.conf:2: [Router] Cores=1,,2: not a list of cores",
	 "use core numbers and ranges, one core per plane, such as Cores=1-2,4"},
	{"[Router]\nCores=3-1\n", "f.conf:2: [Router] Cores=3-1: a range that runs backwards",
	 "use core numbers and ranges, one core per plane, such as Cores=1-2,4"},
	{"[Router]\nCores=1,0-1\n", "f.conf:2: [Router] Cores=1,0-1: a core is named twice",
	 "use core numbers and ranges, one core per plane, such as Cores=1-2,4"},
	{"[Router]\nCores=5000\n", "f.conf:2: [Router] Cores=5000: no machine has that core",
	 "use core numbers and ranges, one core per plane, such as Cores=1-2,4"},
	{"[Router]\nCores=0-64\n",
	 "f.conf:2: [Router] Cores=0-64: more cores than there can be planes",
	 "use core numbers and ranges, one core per plane, such as Cores=1-2,4"},
	{"[Router]\nBusyPoll=maybe\n", "f.conf:2: [Router] BusyPoll=maybe: neither yes nor no",
	 "use BusyPoll=yes or BusyPoll=no"},
	{"[Router]\nControlSocket=x.sock\n",
	 "f.conf:2: [Router] ControlSocket=x.sock: not an absolute path",
	 "use an absolute path of at most 107 characters, such as /run/peerlane/control.sock"},
	{"[Router]\nControlSocket=/run/\n",
	 "f.conf:2: [Router] ControlSocket=/run/: names a folder, not a socket",
	 "use an absolute path of at most 107 characters, such as /run/peerlane/control.sock"},
	{"[Router]\nControlGroup=a-name-that-is-longer-than-32-characters\n",
	 "f.conf:2: [Router] ControlGroup=a-name-that-is-longer-than-32-characters: too long for "
	 "a group's name",
	 "use the name of a group, such as ControlGroup=adm"},
	{"[Router]\nRingSize=1000\n", "f.conf:2: [Router] RingSize=1000: not a power of two",
	 "use a power of two from 64 to 4096, such as RingSize=2048"},
	{"[Router]\nRingSize=32\n", "f.conf:2: [Router] RingSize=32: out of range",
	 "use a power of two from 64 to 4096, such as RingSize=2048"},
	{"[Router]\nRingSize=8192\n", "f.conf:2: [Router] RingSize=8192: out of range",
	 "use a power of two from 64 to 4096, such as RingSize=2048"},
	{"[Router]\nRingSize=big\n", "f.conf:2: [Router] RingSize=big: not a number",
	 "use a power of two from 64 to 4096, such as RingSize=2048"},
	{"[Router]\nSeccomp=kill\n", "f.conf:2: [Router] Seccomp=kill: neither yes, log nor no",
	 "use Seccomp=yes, log or no"},
	{"[Port sixteen-letters-]\nDevice=afxdp:eth1\n",
	 "f.conf:1: [Port sixteen-letters-]: longer than the 15 characters an interface's name can "
	 "have",
	 "name the port as its TAP interface shall be called, such as pl0"},
	{"[Port a/b]\n",
	 "f.conf:1: [Port a/b]: has a character that an interface's name cannot have",
	 "name the port as its TAP interface shall be called, such as pl0"},
	{"[Port a b]\n",
	 "f.conf:1: [Port a b]: has a character that an interface's name cannot have",
	 "name the port as its TAP interface shall be called, such as pl0"},
	{"[Port ..]\n", "f.conf:1: [Port ..]: not a name the kernel takes for an interface",
	 "name the port as its TAP interface shall be called, such as pl0"},
	{"[Port ]\n", "f.conf:1: [Port ]: no name",
	 "name the port as its TAP interface shall be called, such as pl0"},
	{"[Port pl0]\nDevice=afxdp:eth1\n[Port pl0]\nDevice=afxdp:eth2\n",
	 "f.conf:3: [Port pl0]: there is a port pl0 already (f.conf:1: [Port pl0])",
	 "give every port a name of its own"},
	{"[Port pl0]\nDevice=eth1\n",
	 "f.conf:2: [Port pl0] Device=eth1: does not say what kind of device it is",
	 "did you mean Device=afxdp:eth1?"},
	{"[Port pl0]\nDevice=dpdk:eth1\n",
	 "f.conf:2: [Port pl0] Device=dpdk:eth1: no such kind of device",
	 "use afxdp: and a network interface, such as Device=afxdp:eth1, or pci: and an address, "
	 "or "
	 "emu: and a network interface"},
	{"[Port pl0]\nDevice=afxdp:\n", "f.conf:2: [Port pl0] Device=afxdp:: no name",
	 "use afxdp: and a network interface, such as Device=afxdp:eth1, or pci: and an address, "
	 "or "
	 "emu: and a network interface"},
	{"[Port pl0]\nDevice=emu:\n", "f.conf:2: [Port pl0] Device=emu:: no name",
	 "use afxdp: and a network interface, such as Device=afxdp:eth1, or pci: and an address, "
	 "or "
	 "emu: and a network interface"},
	{"[Port pl0]\nDevice=pci:eth1\n", "f.conf:2: [Port pl0] Device=pci:eth1: no PCI address",
	 "use the address that peerlane devices shows, such as Device=pci:0000:03:00.0"},
	{"[Port pl0]\nDevice=pci:0000:03:20.0\n",
	 "f.conf:2: [Port pl0] Device=pci:0000:03:20.0: no PCI address",
	 "use the address that peerlane devices shows, such as Device=pci:0000:03:00.0"},
	{"[Port pl0]\nDevice=pci:0000:03:00.8\n",
	 "f.conf:2: [Port pl0] Device=pci:0000:03:00.8: no PCI address",
	 "use the address that peerlane devices shows, such as Device=pci:0000:03:00.0"},
	{"[Port pl0]\nDevice=pci:03:00.0x\n",
	 "f.conf:2: [Port pl0] Device=pci:03:00.0x: no PCI address",
	 "use the address that peerlane devices shows, such as Device=pci:0000:03:00.0"},
	{"[Port pl0]\nMTU=67\n", "f.conf:2: [Port pl0] MTU=67: out of range",
	 "use bytes from 68 to 9000, such as MTU=1500"},
	{"[Port pl0]\nMTU=9001\n", "f.conf:2: [Port pl0] MTU=9001: out of range",
	 "use bytes from 68 to 9000, such as MTU=1500"},
	{"[Port pl0]\nMTU=1.5k\n", "f.conf:2: [Port pl0] MTU=1.5k: not a number",
	 "use bytes from 68 to 9000, such as MTU=1500"},
	{"[Port pl0]\nInterruptModeration=1001\n",
	 "f.conf:2: [Port pl0] InterruptModeration=1001: out of range",
	 "use microseconds from 0 to 1000, such as InterruptModeration=20"},
	{"[Port pl0]\nFlowControl=auto\n",
	 "f.conf:2: [Port pl0] FlowControl=auto: neither yes nor no",
	 "use FlowControl=yes or FlowControl=no"},
	{"[Port pl0]\nCapture=a.pcap\n",
	 "f.conf:2: [Port pl0] Capture=a.pcap: not an absolute path",
	 "use an absolute path of at most 255 characters, such as /tmp/eth1.pcap"},
	{"[Port pl0]\nAttach=genric\n", "f.conf:2: [Port pl0] Attach=genric: no such way to attach",
	 "did you mean Attach=generic?"},
	{"[Port pl0]\nAttach=offload\n",
	 "f.conf:2: [Port pl0] Attach=offload: no such way to attach",
	 "use Attach=auto, native or generic"},
	{"[Port pl0]\nZeroCopy=yes\n",
	 "f.conf:2: [Port pl0] ZeroCopy=yes: cannot be forced: whether it works is for the driver "
	 "to say",
	 "use ZeroCopy=auto (where the driver can) or ZeroCopy=no"},
	{"[Port pl0]\nZeroCopy=x\n", "f.conf:2: [Port pl0] ZeroCopy=x: neither auto nor no",
	 "use ZeroCopy=auto (where the driver can) or ZeroCopy=no"},
	/* of the whole */
	{"[Router]\nPlanes=1\n", "f.conf: no ports",
	 "add [Port pl0] with Device=afxdp:eth1, or --port pl0=afxdp:eth1"},
	{"", "f.conf: no ports", "add [Port pl0] with Device=afxdp:eth1, or --port pl0=afxdp:eth1"},
	{"\n[Port pl0]\n", "f.conf:2: [Port pl0] Device=: missing",
	 "add a line such as Device=afxdp:eth1"},
	{"[Port pl0]\nDevice=afxdp:e\n[Port pl1]\nDevice=afxdp:e\n",
	 "f.conf:3: [Port pl1] Device=afxdp:e: is port pl0's already",
	 "give every port a device of its own"},
	{"[Port pl0]\nDevice=afxdp:e\n[Port pl1]\nDevice=emu:e\n",
	 "f.conf:3: [Port pl1] Device=emu:e: is port pl0's already",
	 "give every port a device of its own"},
	{"[Port pl0]\nDevice=pci:03:00.0\n[Port pl1]\nDevice=pci:0000:03:00.0\n",
	 "f.conf:3: [Port pl1] Device=pci:0000:03:00.0: is port pl0's already",
	 "give every port a device of its own"},
	{"[Port eth1]\nDevice=emu:eth1\n",
	 "f.conf:1: [Port eth1]: eth1 is the name of a device that is taken over",
	 "name the port for its TAP interface, such as pl0"},
	{"[Port pl0]\nBackend=uio\n", "f.conf:2: [Port pl0] Backend=uio: no such way to a device",
	 "use Backend=auto (as what the device is bound to has it), vfio or kmod"},
	{"[Port pl0]\nDevice=emu:e\nBackend=vfio\n",
	 "f.conf:1: [Port pl0] Backend=: is not for emu: devices",
	 "leave it out: only pci: devices have any"},
	{"[Port pl0]\nDevice=afxdp:e\nMTU=1400\n",
	 "f.conf:1: [Port pl0] MTU=: is not for afxdp: devices",
	 "leave it out: the port takes the MTU of its device"},
	{"[Port pl0]\nFlowControl=no\nDevice=afxdp:e\n",
	 "f.conf:1: [Port pl0] FlowControl=: is not for afxdp: devices",
	 "leave it out, and see ethtool -A for that of the device"},
	{"[Port pl0]\nDevice=afxdp:e\nInterruptModeration=0\n",
	 "f.conf:1: [Port pl0] InterruptModeration=: is not for afxdp: devices",
	 "leave it out, and see ethtool -C for that of the device"},
	{"[Port pl0]\nDevice=pci:03:00.0\nCapture=/tmp/a\n",
	 "f.conf:1: [Port pl0] Capture=: is not for pci: devices", "leave it out, and see tcpdump"},
	{"[Port pl0]\nDevice=afxdp:e\nWire=/run/w\n",
	 "f.conf:1: [Port pl0] Wire=: is not for afxdp: devices",
	 "leave it out: the port's wire is that of its device"},
	{"[Port pl0]\nDevice=pci:03:00.0\nWire=/run/w\n",
	 "f.conf:1: [Port pl0] Wire=: is not for pci: devices",
	 "leave it out: the port's wire is that of its device"},
	{"[Port pl0]\nDevice=emu:e\nWire=run/w\n",
	 "f.conf:3: [Port pl0] Wire=run/w: not an absolute path",
	 "use an absolute path of at most 99 characters, such as /run/peerlane/pl0.wire"},
	{"[Port pl0]\nDevice=emu:e\nWire=/run/\n",
	 "f.conf:3: [Port pl0] Wire=/run/: names a folder, not a socket",
	 "use an absolute path of at most 99 characters, such as /run/peerlane/pl0.wire"},
	{"[Port pl0]\nDevice=emu:e\nWire=/run/w\n[Port pl1]\nDevice=emu:f\nWire=/run/w\n",
	 "f.conf:4: [Port pl1] Wire=/run/w: is port pl0's already",
	 "give every port a wire of its own"},
	{"[Port pl0]\nDevice=emu:e\nAttach=native\n",
	 "f.conf:1: [Port pl0] Attach=: is not for emu: devices",
	 "leave it out: there is no XDP program"},
	{"[Port pl0]\nDevice=pci:03:00.0\nZeroCopy=no\n",
	 "f.conf:1: [Port pl0] ZeroCopy=: is not for pci: devices",
	 "leave it out: nothing is ever copied"},
	{"[Port eth1]\nDevice=afxdp:eth1\n",
	 "f.conf:1: [Port eth1]: eth1 is the name of a device that is taken over",
	 "name the port for its TAP interface, such as pl0"},
	{"[Port eth2]\nDevice=afxdp:eth1\n[Port b]\nDevice=afxdp:eth2\n",
	 "f.conf:1: [Port eth2]: eth2 is the name of a device that is taken over",
	 "name the port for its TAP interface, such as pl0"},
	{"[Router]\nPlanes=3\nCores=1-2\n[Port p]\nDevice=afxdp:e\n",
	 "f.conf:3: [Router] Cores=1-2: 2 cores for Planes=3", "use Planes=2, or name 3"},
	{"[Router]\nPlanes=2\nCores=7-8\n[Port p]\nDevice=afxdp:e\n",
	 "f.conf:3: [Router] Cores=7-8: this process may not run on core 8",
	 "use cores out of 0-7"},
	{"[Router]\nPlanes=9\n[Port p]\nDevice=afxdp:e\n",
	 "f.conf:2: [Router] Planes=9: this process may run on 8 cores",
	 "use Planes=8, or let it run on more cores"},
};

static void test_errors_name_place_and_remedy(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(errors); i++) {
		struct config c;
		struct pl_error err = {"no error", ""};

		if (read_text(&c, errors[i].text, &err) == 0)
			fail_msg("accepted: %s", errors[i].text);
		assert_string_equal(errors[i].what, err.what);
		assert_string_equal(errors[i].remedy, err.remedy);
	}
}

static void test_first_error_wins(void **state)
{
	struct config c;
	struct pl_error err;

	(void)state;
	assert_int_equal(-22, read_text(&c, "[Router]\nnonsense\nPlanes=x\n", &err));
	assert_string_equal("f.conf:2: neither a [Section] nor Key=Value", err.what);
	assert_int_equal(-22, read_text(&c, "[Router]\nPlanes=x\nnonsense\n", &err));
	assert_string_equal("f.conf:2: [Router] Planes=x: not a number", err.what);
}

static void test_odd_bytes(void **state)
{
	static const char nul[] = "[Router]\nPlanes=1\0\n";
	static const char mark[] = "\xef\xbb\xbf[Router]\nPlanes=2\n";
	struct config c;
	struct pl_error err;
	char longer[400];

	(void)state;
	config_init(&c);
	assert_int_equal(-22, config_read_text(&c, "f", nul, sizeof(nul) - 1, &err));
	assert_string_equal("f:2: has a NUL byte", err.what);

	config_init(&c);
	assert_int_equal(0, config_read_text(&c, "f", mark, sizeof(mark) - 1, &err));
	assert_int_equal(2, c.planes);

	/* A line longer than inih holds must not be cut in two without a word. */
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "[Router]\nPlanes=", 16);
	config_init(&c);
	assert_int_equal(-22, config_read_text(&c, "f", longer, sizeof(longer), &err));
	assert_string_equal("f:2: longer than 199 characters", err.what);

	/* A remark may be long. */
	longer[9] = '#';
	config_init(&c);
	assert_int_equal(0, config_read_text(&c, "f", longer, sizeof(longer), &err));
}

static void test_too_many_ports(void **state)
{
	char text[PL_PORTS_MAX * 40 + 100] = "";
	struct config c;
	struct pl_error err;

	(void)state;
	for (unsigned i = 0; i <= PL_PORTS_MAX; i++)
		sprintf(text + strlen(text), "[Port p%u]\nDevice=afxdp:e%u\n", i, i);
	assert_int_equal(-22, read_text(&c, text, &err));
	assert_string_equal("f.conf:65: [Port p32]: more than 32 ports", err.what);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_set),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_accelerators),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_errors_name_place_and_remedy),
		cmocka_unit_test(test_first_error_wins),
		cmocka_unit_test(test_odd_bytes),
		cmocka_unit_test(test_too_many_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
