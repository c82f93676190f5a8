/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of settings, and how the value of each is read. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "suggest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct config_mode_traits config_modes[CONFIG_MODES] = {
	[CONFIG_NIC_CPU] = {.name = "nic-cpu"},
	[CONFIG_NIC_CPU_GPU] = {.name = "nic-cpu-gpu",
				.accelerated = true,
				.without = "the CPU forwards"},
	[CONFIG_NIC_GPU] = {.name = "nic-gpu",
			    .accelerated = true,
			    .remote = true,
			    .without = "packets are dropped"},
};

/* Reads a whole decimal number. Returns false for anything else, signs and spaces included. */
static bool read_number(const char *text, const char **end, unsigned long *number)
{
	char *stop;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*number = strtoul(text, &stop, 10);
	*end = stop;
	return errno == 0;
}

static const char *set_mode(struct config *config, struct config_port *port, const char *value,
			    char *remedy, size_t remedy_size)
{
	(void)port;
	snprintf(remedy, remedy_size, "use Mode=nic-cpu, Mode=nic-cpu-gpu or Mode=nic-gpu");
	for (unsigned mode = 0; mode < CONFIG_MODES; mode++) {
		if (strcmp(value, config_modes[mode].name) != 0)
			continue;
		config->mode = (enum config_mode)mode;
		return NULL;
	}
	return "no such mode";
}

/* "auto", or a kind and perhaps the number of one of them: "opencl", "cuda:1". */
static const char *set_accelerator(struct config *config, struct config_port *port,
				   const char *value, char *remedy, size_t remedy_size)
{
	size_t kind_len = strcspn(value, ":");
	unsigned long index = 0;
	const char *end;

	(void)port;
	snprintf(remedy, remedy_size,
		 "use Accelerator=auto, or one that peerlane devices shows, such as "
		 "Accelerator=cuda:0");
	config->accelerator = (struct config_accelerator){.any = !strcmp(value, "auto")};
	if (config->accelerator.any)
		return NULL;
	for (unsigned kind = 0; kind < PL_ACCEL_KINDS; kind++) {
		const char *name = pl_accel_kind_name(kind);

		if (strlen(name) != kind_len || strncmp(value, name, kind_len) != 0)
			continue;
		if (value[kind_len] &&
		    (!read_number(value + kind_len + 1, &end, &index) || *end || index > 255))
			return "what is behind the colon is not the number of one";
		config->accelerator.kind = kind;
		config->accelerator.index = (unsigned)index;
		return NULL;
	}
	return "no such kind of accelerator";
}

static const char *set_launch(struct config *config, struct config_port *port, const char *value,
			      char *remedy, size_t remedy_size)
{
	(void)port;
	snprintf(remedy, remedy_size, "use Launch=persistent or Launch=burst");
	if (!strcmp(value, "persistent"))
		config->launch = PL_ACCEL_PERSISTENT;
	else if (!strcmp(value, "burst"))
		config->launch = PL_ACCEL_BURST;
	else
		return "no such way to launch";
	return NULL;
}

static const char *set_planes(struct config *config, struct config_port *port, const char *value,
			      char *remedy, size_t remedy_size)
{
	unsigned long number;
	const char *end;

	(void)port;
	snprintf(remedy, remedy_size, "use a whole number from 1 to %u, such as Planes=1",
		 CONFIG_PLANES_MAX);
	if (!read_number(value, &end, &number) || *end)
		return "not a number";
	if (number < 1 || number > CONFIG_PLANES_MAX)
		return "out of range";
	config->planes = (unsigned)number;
	return NULL;
}

/* Appends cores `first` to `last`. Returns NULL or what is wrong with them. */
static const char *add_cores(struct config *config, unsigned long first, unsigned long last)
{
	if (last < first)
		return "a range that runs backwards";
	if (last >= CPU_SETSIZE)
		return "no machine has that core";
	for (unsigned long core = first; core <= last; core++) {
		for (unsigned i = 0; i < config->n_cores; i++)
			if (config->cores[i] == (int)core)
				return "a core is named twice";
		if (config->n_cores == CONFIG_PLANES_MAX)
			return "more cores than there can be planes";
		config->cores[config->n_cores++] = (int)core;
	}
	return NULL;
}

static const char *set_cores(struct config *config, struct config_port *port, const char *value,
			     char *remedy, size_t remedy_size)
{
	const char *at = value;

	(void)port;
	snprintf(remedy, remedy_size,
		 "use core numbers and ranges, one core per plane, such as Cores=1-2,4");
	config->n_cores = 0;
	for (;;) {
		unsigned long first, last;
		const char *wrong;

		if (!read_number(at, &at, &first))
			return "not a list of cores";
		last = first;
		if (*at == '-' && !read_number(at + 1, &at, &last))
			return "not a list of cores";
		wrong = add_cores(config, first, last);
		if (wrong)
			return wrong;
		if (*at == '\0')
			return NULL;
		if (*at++ != ',')
			return "not a list of cores";
	}
}

/* Reads yes or no in systemd's spellings. Returns false for anything else. */
static bool read_boolean(const char *text, bool *value)
{
	static const char *const yes[] = {"yes", "y", "true", "t", "on", "1"};
	static const char *const no[] = {"no", "n", "false", "f", "off", "0"};

	for (unsigned i = 0; i < COUNT(yes); i++) {
		if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
			*value = !strcasecmp(text, yes[i]);
			return true;
		}
	}
	return false;
}

static const char *set_busy_poll(struct config *config, struct config_port *port, const char *value,
				 char *remedy, size_t remedy_size)
{
	(void)port;
	snprintf(remedy, remedy_size, "use BusyPoll=yes or BusyPoll=no");
	return read_boolean(value, &config->busy_poll) ? NULL : "neither yes nor no";
}

static const char *set_control_socket(struct config *config, struct config_port *port,
				      const char *value, char *remedy, size_t remedy_size)
{
	(void)port;
	snprintf(remedy, remedy_size, "use an absolute path of at most %zu characters, such as %s",
		 sizeof(config->control_socket) - 1, CONTROL_SOCKET_DEFAULT);
	if (value[0] != '/')
		return "not an absolute path";
	if (strlen(value) >= sizeof(config->control_socket))
		return "longer than the kernel takes for a socket";
	if (value[strlen(value) - 1] == '/')
		return "names a folder, not a socket";
	strcpy(config->control_socket, value);
	return NULL;
}

static const char *set_control_group(struct config *config, struct config_port *port,
				     const char *value, char *remedy, size_t remedy_size)
{
	(void)port;
	snprintf(remedy, remedy_size, "use the name of a group, such as ControlGroup=adm");
	if (value[0] == '\0')
		return "no name";
	if (strlen(value) >= sizeof(config->control_group))
		return "too long for a group's name";
	strcpy(config->control_group, value);
	return NULL;
}

static const char *set_ring_size(struct config *config, struct config_port *port, const char *value,
				 char *remedy, size_t remedy_size)
{
	unsigned long number;
	const char *end;

	(void)port;
	snprintf(remedy, remedy_size, "use a power of two from 64 to 4096, such as RingSize=%u",
		 CONFIG_RING_DEFAULT);
	if (!read_number(value, &end, &number) || *end)
		return "not a number";
	if (number < 64 || number > 4096)
		return "out of range";
	if (number & (number - 1))
		return "not a power of two";
	config->ring_size = (unsigned)number;
	return NULL;
}

static const char *set_seccomp(struct config *config, struct config_port *port, const char *value,
			       char *remedy, size_t remedy_size)
{
	bool on;

	(void)port;
	snprintf(remedy, remedy_size, "use Seccomp=yes, log or no");
	if (!strcmp(value, "log")) {
		config->seccomp = CONFIG_SECCOMP_LOG;
		return NULL;
	}
	if (!read_boolean(value, &on))
		return "neither yes, log nor no";
	config->seccomp = on ? CONFIG_SECCOMP_YES : CONFIG_SECCOMP_NO;
	return NULL;
}

const char *config_name_fault(const char *name)
{
	if (name[0] == '\0')
		return "no name";
	if (strlen(name) >= CONFIG_NAME_SIZE)
		return "longer than the 15 characters an interface's name can have";
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return "not a name the kernel takes for an interface";
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/' || *c == ':' || *c == '%')
			return "has a character that an interface's name cannot have";
	return NULL;
}

/* "0000:03:00.0", as lspci -D says it; without the domain it is 0000. */
static bool read_pci_address(const char *text, char *out, size_t size)
{
	unsigned domain = 0, bus, slot, function;
	int end = -1;

	if (strlen(text) == 7)
		sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end);
	else if (strlen(text) == 12)
		sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end);
	if (end < 0 || text[end] || strspn(text, "0123456789abcdefABCDEF:.") != strlen(text) ||
	    slot > 0x1f || function > 7)
		return false;
	snprintf(out, size, "pci:%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

static const char *set_pci(struct config_port *port, const char *value, char *remedy,
			   size_t remedy_size)
{
	port->kind = CONFIG_PCI;
	snprintf(remedy, remedy_size,
		 "use the address that peerlane devices shows, such as Device=pci:0000:03:00.0");
	return read_pci_address(value, port->device, sizeof(port->device)) ? NULL
									   : "no PCI address";
}

static const char *set_device(struct config *config, struct config_port *port, const char *value,
			      char *remedy, size_t remedy_size)
{
	static const char *const kinds[] = {
		[CONFIG_AFXDP] = "afxdp:", [CONFIG_PCI] = "pci:", [CONFIG_EMU] = "emu:"};
	const char *fault;
	unsigned kind = 0;

	(void)config;
	snprintf(remedy, remedy_size,
		 "use afxdp: and a network interface, such as Device=afxdp:eth1, or pci: and an "
		 "address, or emu: and a network interface");
	while (kind < COUNT(kinds) && strncmp(value, kinds[kind], strlen(kinds[kind])) != 0)
		kind++;
	if (kind == COUNT(kinds)) {
		if (!strchr(value, ':') && !config_name_fault(value))
			snprintf(remedy, remedy_size, "did you mean Device=afxdp:%s?", value);
		return strchr(value, ':') ? "no such kind of device"
					  : "does not say what kind of device it is";
	}
	value += strlen(kinds[kind]);
	if (kind == CONFIG_PCI)
		return set_pci(port, value, remedy, remedy_size);
	fault = config_name_fault(value);
	if (fault)
		return fault;
	port->kind = kind;
	strcpy(port->interface, value);
	snprintf(port->device, sizeof(port->device), "%s%.15s", kind == CONFIG_EMU ? "emu:" : "",
		 value);
	return NULL;
}

static const char *set_backend(struct config *config, struct config_port *port, const char *value,
			       char *remedy, size_t remedy_size)
{
	static const char *const words[] = {
		[PL_PCI_AUTO] = "auto",
		[PL_PCI_VFIO] = "vfio",
		[PL_PCI_KMOD] = "kmod",
	};

	(void)config;
	for (unsigned i = 0; i < COUNT(words); i++) {
		if (!strcmp(value, words[i])) {
			port->backend = (enum pl_pci_backend)i;
			return NULL;
		}
	}
	snprintf(remedy, remedy_size,
		 "use Backend=auto (as what the device is bound to has it), vfio or kmod");
	return "no such way to a device";
}

static const char *set_mtu(struct config *config, struct config_port *port, const char *value,
			   char *remedy, size_t remedy_size)
{
	unsigned long number;
	const char *end;

	(void)config;
	snprintf(remedy, remedy_size, "use bytes from %u to %u, such as MTU=1500", CONFIG_MTU_MIN,
		 CONFIG_MTU_MAX);
	if (!read_number(value, &end, &number) || *end)
		return "not a number";
	if (number < CONFIG_MTU_MIN || number > CONFIG_MTU_MAX)
		return "out of range";
	port->mtu = (unsigned)number;
	return NULL;
}

static const char *set_moderation(struct config *config, struct config_port *port,
				  const char *value, char *remedy, size_t remedy_size)
{
	unsigned long number;
	const char *end;

	(void)config;
	snprintf(remedy, remedy_size,
		 "use microseconds from 0 to %u, such as InterruptModeration=%u",
		 CONFIG_MODERATION_MAX_US, CONFIG_MODERATION_DEFAULT_US);
	if (!read_number(value, &end, &number) || *end)
		return "not a number";
	if (number > CONFIG_MODERATION_MAX_US)
		return "out of range";
	port->moderation_us = (unsigned)number;
	return NULL;
}

static const char *set_flow_control(struct config *config, struct config_port *port,
				    const char *value, char *remedy, size_t remedy_size)
{
	(void)config;
	snprintf(remedy, remedy_size, "use FlowControl=yes or FlowControl=no");
	return read_boolean(value, &port->flow_control) ? NULL : "neither yes nor no";
}

static const char *set_capture(struct config *config, struct config_port *port, const char *value,
			       char *remedy, size_t remedy_size)
{
	(void)config;
	snprintf(remedy, remedy_size,
		 "use an absolute path of at most %zu characters, such as /tmp/eth1.pcap",
		 sizeof(port->capture) - 1);
	if (value[0] != '/')
		return "not an absolute path";
	if (strlen(value) >= sizeof(port->capture))
		return "too long";
	strcpy(port->capture, value);
	return NULL;
}

static const char *set_wire(struct config *config, struct config_port *port, const char *value,
			    char *remedy, size_t remedy_size)
{
	(void)config;
	snprintf(remedy, remedy_size,
		 "use an absolute path of at most %zu characters, such as /run/peerlane/pl0.wire",
		 sizeof(port->wire) - 1);
	if (value[0] != '/')
		return "not an absolute path";
	if (strlen(value) >= sizeof(port->wire))
		return "longer than the kernel takes for a socket";
	if (value[strlen(value) - 1] == '/')
		return "names a folder, not a socket";
	strcpy(port->wire, value);
	return NULL;
}

static const char *set_attach(struct config *config, struct config_port *port, const char *value,
			      char *remedy, size_t remedy_size)
{
	static const char *const words[] = {
		[PL_ATTACH_AUTO] = "auto",
		[PL_ATTACH_NATIVE] = "native",
		[PL_ATTACH_GENERIC] = "generic",
	};
	const char *meant;

	(void)config;
	for (unsigned i = 0; i < COUNT(words); i++) {
		if (!strcmp(value, words[i])) {
			port->attach = (enum pl_attach)i;
			return NULL;
		}
	}
	meant = suggest_nearest(value, words, COUNT(words));
	if (meant)
		snprintf(remedy, remedy_size, "did you mean Attach=%s?", meant);
	else
		snprintf(remedy, remedy_size, "use Attach=auto, native or generic");
	return "no such way to attach";
}

static const char *set_zero_copy(struct config *config, struct config_port *port, const char *value,
				 char *remedy, size_t remedy_size)
{
	(void)config;
	snprintf(remedy, remedy_size, "use ZeroCopy=auto (where the driver can) or ZeroCopy=no");
	if (!strcmp(value, "auto")) {
		port->zero_copy = true;
		return NULL;
	}
	if (!read_boolean(value, &port->zero_copy))
		return "neither auto nor no";
	return port->zero_copy ? "cannot be forced: whether it works is for the driver to say"
			       : NULL;
}

static const char *set_limit(struct config *config, enum limit_class class, const char *key,
			     const char *value, char *remedy, size_t remedy_size)
{
	unsigned long number;
	const char *end;

	snprintf(remedy, remedy_size, "use packets a second from 1 to %u, or %s=no for no limit",
		 LIMIT_RATE_MAX, key);
	if (!strcasecmp(value, "no") || !strcasecmp(value, "off")) {
		config->limits[class] = LIMIT_NONE;
		return NULL;
	}
	if (!read_number(value, &end, &number) || *end)
		return "neither a number nor no";
	if (number == 0)
		return "would keep all of them from the kernel";
	if (number > LIMIT_RATE_MAX)
		return "out of range";
	config->limits[class] = (uint32_t)number;
	return NULL;
}

/* The setter of each class: the table's do not learn which key they are for. */
#define X(symbol, name, key, rate, depth, text)                                                \
	static const char *set_limit_##symbol(struct config *config, struct config_port *port, \
					      const char *value, char *remedy, size_t size)    \
	{                                                                                      \
		(void)port;                                                                    \
		return set_limit(config, LIMIT_##symbol, key, value, remedy, size);            \
	}
LIMITS(X)
#undef X

#define TEXT_OF(number) #number

/* clang-format off */
const struct config_setting config_settings[] = {
	{"Router", "Mode", "mode", "MODE",
	 "who processes packets: nic-cpu, the planes' cores (the default); nic-cpu-gpu, an accelerator; nic-gpu, "
	 "an accelerator, in whose own memory NICs put them", set_mode},
	{"Router", "Accelerator", "accelerator", "auto|cuda[:N]|opencl[:N]|host",
	 "nic-cpu-gpu, nic-gpu: which one; auto: the first usable of CUDA, then of OpenCL (default auto)",
	 set_accelerator},
	{"Router", "Launch", "launch", "persistent|burst",
	 "nic-cpu-gpu, nic-gpu: its program runs all the time, or is launched for each burst (default persistent)",
	 set_launch},
	{"Router", "Planes", "planes", "N",
	 "how many cores forward, 1 to 64; every port needs as many queues (default 1)", set_planes},
	{"Router", "Cores", "cores", "LIST",
	 "one core per plane, such as 1-2,4 (default: the highest-numbered ones)", set_cores},
	{"Router", "BusyPoll", "busy-poll", NULL,
	 "never sleep: lowest latency for a core at 100 % (default no)", set_busy_poll},
	{"Router", "ControlSocket", "control-socket", "PATH",
	 "where peerlane(1) reaches the daemon (default " CONTROL_SOCKET_DEFAULT ")",
	 set_control_socket},
	{"Router", "ControlGroup", "control-group", "GROUP",
	 "group whose members may use the control socket (default: root only)", set_control_group},
	{"Router", "RingSize", "ring-size", "N",
	 "descriptors per ring, a power of two from 64 to 4096 (default 2048)", set_ring_size},
	{"Router", "Seccomp", "seccomp", "yes|log|no",
	 "refuse system calls that a running router has no need for, or only log them (default yes)",
	 set_seccomp},
#define X(symbol, name, key, rate, depth, text) \
	{"PuntLimits", key, NULL, "PPS|no", text " (default " TEXT_OF(rate) ")", set_limit_##symbol},
	LIMITS(X)
#undef X
	{"Port", "Device", NULL, "afxdp:IFNAME|pci:ADDRESS|emu:IFNAME",
	 "a network interface that the port takes over by AF_XDP; a NIC that it drives itself; an "
	 "emulated NIC whose wire is a network interface, unless it has Wire=", set_device},
	{"Port", "Attach", NULL, "auto|native|generic",
	 "afxdp: where the XDP program runs: in the driver, else in the kernel's generic path "
	 "(default auto)", set_attach},
	{"Port", "ZeroCopy", NULL, "auto|no",
	 "afxdp: whether the driver may receive straight into our buffers (default auto)",
	 set_zero_copy},
	{"Port", "Backend", NULL, "auto|vfio|kmod",
	 "pci: the way to the device, which must be bound to it (default auto: what it is bound to)",
	 set_backend},
	{"Port", "MTU", NULL, "BYTES",
	 "pci, emu: of the port at the start, 68 to 9000 (default 1500; emu: the interface's)", set_mtu},
	{"Port", "InterruptModeration", NULL, "MICROSECONDS",
	 "pci, emu: least time between two interrupts of a queue, 0 to 1000 (default 20)",
	 set_moderation},
	{"Port", "FlowControl", NULL, "yes|no",
	 "pci, emu: send and obey pause frames (default no)", set_flow_control},
	{"Port", "Capture", NULL, "PATH",
	 "emu: write what passes the emulated NIC's wire to this file, as tcpdump does (default: no)",
	 set_capture},
	{"Port", "Wire", NULL, "PATH",
	 "emu: the wire is memory shared with a program that joins by this socket (default: it is the "
	 "interface)", set_wire},
};
/* clang-format on */
const unsigned config_n_settings = COUNT(config_settings);
_Static_assert(COUNT(config_settings) <= 64, "each has a bit in the sets of those seen");
