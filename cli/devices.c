/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices.h"

#include <arpa/inet.h>
#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <peerlane/nic.h>
#include <peerlane/pci_scan.h>

#include "accelerators.h"
#include "interfaces.h"
#include "words.h"

/* What a plane of two ports with rings of the usual size has for buffers, and then some. */
#define MEMLOCK_ENOUGH ((rlim_t)64 << 20)
#define HUGE_PAGES_ENOUGH 64u

#define COMMAND_SIZE 400

/* All that was found. */
struct found {
	struct pl_pci_function *functions;
	unsigned n_functions;
	struct interface *interfaces;
	unsigned n_interfaces;
	struct ifaddrs *addresses;
	json_t *ports; /* the daemon's; NULL */
};

/* ---- words ---- */

/* One word for a shell: names of interfaces may have nearly any character. Returns `out`. */
static const char *quoted(const char *name, char out[COMMAND_SIZE])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-.@+";
	size_t len = 0;

	if (name[0] && name[0] != '-' && name[strspn(name, plain)] == '\0') {
		snprintf(out, COMMAND_SIZE, "%s", name);
		return out;
	}
	out[len++] = '\'';
	for (; *name && len < COMMAND_SIZE - 6; name++) {
		if (*name == '\'')
			len += (size_t)sprintf(out + len, "'\\'");
		out[len++] = *name;
	}
	out[len++] = '\'';
	out[len] = '\0';
	return out;
}

static bool any_blocks(json_t *obstacles)
{
	json_t *one;
	size_t i;

	json_array_foreach(obstacles, i, one) {
		if (json_is_true(json_object_get(one, "blocks")))
			return true;
	}
	return false;
}

/* ---- what is known of an interface beside the listing ---- */

static json_t *addresses_of(const struct found *found, const char *interface)
{
	json_t *list = json_array();

	for (const struct ifaddrs *a = found->addresses; a; a = a->ifa_next) {
		const struct sockaddr *addr = a->ifa_addr;
		char text[INET6_ADDRSTRLEN];
		const void *bytes;

		if (!addr || strcmp(a->ifa_name, interface) != 0)
			continue;
		if (addr->sa_family == AF_INET)
			bytes = &((const struct sockaddr_in *)addr)->sin_addr;
		else if (addr->sa_family == AF_INET6)
			bytes = &((const struct sockaddr_in6 *)addr)->sin6_addr;
		else
			continue;
		if (inet_ntop(addr->sa_family, bytes, text, sizeof(text)))
			json_array_append_new(list, json_string(text));
	}
	return list;
}

/* An interface with addresses loses them, or rather what is sent to them. */
static void address_obstacle(json_t *obstacles, const char *interface, json_t *addresses,
			     const char *why)
{
	char remedy[2 * COMMAND_SIZE + 80], word[COMMAND_SIZE], line[200] = "";
	bool ipv6 = false;
	json_t *address;
	size_t i;

	json_array_foreach(addresses, i, address) {
		size_t len = strlen(line);

		ipv6 |= strchr(json_string_value(address), ':') != NULL;
		snprintf(line + len, sizeof(line) - len, "%s%s", i ? ", " : "",
			 json_string_value(address));
	}
	if (!line[0])
		return;
	snprintf(remedy, sizeof(remedy), "ip addr flush dev %s", quoted(interface, word));
	if (ipv6) /* or it makes itself another one */
		snprintf(remedy + strlen(remedy), sizeof(remedy) - strlen(remedy),
			 " && sysctl -w net/ipv6/conf/%s/disable_ipv6=1", word);
	obstacle(obstacles, false, remedy, "%s has addresses (%s): %s", interface, line, why);
}

/* The port that the daemon has made of it, whatever the kind; NULL: none. */
static const char *used_by(const struct found *found, const char *name)
{
	static const char *const kinds[] = {"", "afxdp:", "emu:", "pci:"};
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(found->ports, "ports"), i, port) {
		const char *device = json_string_value(json_object_get(port, "device"));
		const char *owner = json_string_value(json_object_get(port, "name"));

		for (unsigned k = 0; device && owner && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			size_t len = strlen(kinds[k]);

			if (!strncmp(device, kinds[k], len) && !strcmp(device + len, name))
				return owner;
		}
	}
	return NULL;
}

/* ---- PCI devices ---- */

/* The command depends on whose processor it is; on others than these the firmware decides. */
static const char *iommu_remedy(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_is("intel"))
		return "add intel_iommu=on to the kernel's command line (on Debian in "
		       "/etc/default/grub, then update-grub) and reboot, with VT-d on in the "
		       "firmware's settings";
	if (__builtin_cpu_is("amd"))
		return "switch the IOMMU (AMD-Vi) on in the firmware's settings; amd_iommu=off "
		       "must "
		       "not be on the kernel's command line";
#endif
	return "switch the IOMMU on in the firmware's settings";
}

/* By what it can be driven as it is bound now; NULL: not at all. */
static const char *backend_of(const struct pl_pci_function *f)
{
	if (!strcmp(f->driver, "vfio-pci") && f->iommu_group >= 0)
		return "vfio";
	return !strcmp(f->driver, "peerlane") ? "kmod" : NULL;
}

/* Others of its IOMMU group that the kernel's drivers have: vfio hands out whole groups. Only network
 * devices are known here; the rest the daemon names when it starts. */
static void group_obstacle(const struct found *found, const struct pl_pci_function *f, json_t *list)
{
	char remedy[COMMAND_SIZE];

	for (unsigned i = 0; i < found->n_functions; i++) {
		const struct pl_pci_function *other = &found->functions[i];

		if (other == f || f->iommu_group < 0 || other->iommu_group != f->iommu_group ||
		    !other->driver[0] || !strcmp(other->driver, "vfio-pci"))
			continue;
		snprintf(remedy, sizeof(remedy), "peerlane bind %s vfio, or: peerlane bind %s kmod",
			 other->address, f->address);
		obstacle(list, !strcmp(f->driver, "vfio-pci"), remedy,
			 "the IOMMU cannot keep it apart from %s, which %s has: vfio wants both",
			 other->address, other->driver);
	}
}

/* What is bound to it, if that does not hand it out. */
static void driver_obstacle(const struct pl_pci_function *f, json_t *list)
{
	char remedy[COMMAND_SIZE];

	if (backend_of(f))
		return;
	snprintf(remedy, sizeof(remedy), "peerlane bind %s", f->address);
	if (!strcmp(f->driver, "vfio-pci")) {
		snprintf(remedy + strlen(remedy), sizeof(remedy) - strlen(remedy), " kmod");
		obstacle(list, true, remedy,
			 "bound to vfio-pci, which is of no use without an IOMMU");
	} else if (f->driver[0]) {
		obstacle(list, true, remedy, "bound to the kernel's driver %s", f->driver);
	} else {
		obstacle(list, true, remedy, "bound to no driver");
	}
}

static json_t *function_obstacles(const struct found *found, const struct pl_pci_function *f)
{
	json_t *list = json_array();
	char remedy[COMMAND_SIZE];

	if (!f->bar_bytes) {
		snprintf(remedy, sizeof(remedy),
			 "echo 1 > /sys/bus/pci/devices/%s/remove && echo 1 > /sys/bus/pci/rescan",
			 f->address);
		obstacle(list, true, remedy, "its registers (BAR 0) have no address");
	}
	driver_obstacle(f, list);
	for (unsigned i = 0; i < f->n_interfaces; i++) {
		json_t *addresses = addresses_of(found, f->interfaces[i]);
		const char *user = used_by(found, f->interfaces[i]);

		if (user)
			obstacle(list, true, "take that port out of the configuration",
				 "its interface %s is that of port %s", f->interfaces[i], user);
		address_obstacle(list, f->interfaces[i], addresses,
				 "the interface goes when the driver is unbound");
		json_decref(addresses);
	}
	group_obstacle(found, f, list);
	if (f->iommu_group < 0)
		obstacle(list, false, iommu_remedy(),
			 "no IOMMU keeps it from writing anywhere in memory: vfio refuses it, and "
			 "by kmod "
			 "the daemon needs CAP_SYS_RAWIO");
	return list;
}

static json_t *one_function(const struct found *found, const struct pl_pci_function *f)
{
	json_t *obstacles = function_obstacles(found, f), *interfaces = json_array();
	const char *user = used_by(found, f->address);
	char device[40], ids[16], subsystem[16];

	snprintf(device, sizeof(device), "pci:%s", f->address);
	snprintf(ids, sizeof(ids), "%04x:%04x", f->vendor, f->device);
	snprintf(subsystem, sizeof(subsystem), "%04x:%04x", f->subsystem_vendor,
		 f->subsystem_device);
	for (unsigned i = 0; i < f->n_interfaces; i++)
		json_array_append_new(interfaces, json_text(f->interfaces[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:b, "
			 "s:o}",
			 "device", device, "kind", "pci", "model",
			 pl_nic_model(f->vendor, f->device), "ids", ids, "subsystem", subsystem,
			 "driver", text_or_null(f->driver), "interfaces", interfaces, "iommu_group",
			 f->iommu_group < 0 ? json_null() : json_integer(f->iommu_group),
			 "numa_node", f->numa_node < 0 ? json_null() : json_integer(f->numa_node),
			 "bar_bytes", (json_int_t)f->bar_bytes, "msix_vectors",
			 f->n_vectors < 0 ? json_null() : json_integer(f->n_vectors), "backend",
			 text_or_null(backend_of(f)), "used_by", text_or_null(user), "usable",
			 !any_blocks(obstacles), "obstacles", obstacles);
}

/* ---- interfaces ---- */

/* Those with hardware behind them, and those that stand for hardware in namespaces. Others (bridges,
 * VLANs, TAPs, ours among them) are made of such. */
static bool is_candidate(const struct interface *i)
{
	return !i->kind[0] || !strcmp(i->kind, "veth");
}

static json_t *interface_obstacles(const struct interface *i, json_t *addresses, bool used)
{
	char word[COMMAND_SIZE], remedy[2 * COMMAND_SIZE];
	json_t *list = json_array();

	quoted(i->name, word);
	if (used)
		return list;
	if (i->xdp_program) {
		snprintf(remedy, sizeof(remedy),
			 "end the program that has put it there, or: ip link set dev %s xdp off",
			 word);
		obstacle(list, true, remedy, "an XDP program (id %u) is on it", i->xdp_program);
	}
	if (!i->up) {
		snprintf(remedy, sizeof(remedy), "ip link set dev %s up", word);
		obstacle(list, false, remedy, "%s is down: nothing arrives there", i->name);
	}
	if (i->master[0]) {
		snprintf(remedy, sizeof(remedy), "ip link set dev %s nomaster", word);
		obstacle(list, false, remedy, "%s belongs to %s, which gets no more of it", i->name,
			 i->master);
	}
	address_obstacle(list, i->name, addresses,
			 "the kernel gets nothing there any more, a login neither");
	if (i->n_queues > 1) {
		snprintf(remedy, sizeof(remedy), "Planes=%u, or Planes=1 and: ethtool -L %s %s",
			 i->n_queues, word, i->kind[0] ? "rx 1 tx 1" : "combined 1");
		obstacle(list, false, remedy,
			 "%s receives on %u queues: for afxdp: there must be as many planes",
			 i->name, i->n_queues);
	}
	return list;
}

/* Its PCI function, if that is a network controller's; NULL: not known. */
static const struct pl_pci_function *function_of(const struct found *found, const char *interface)
{
	for (unsigned i = 0; i < found->n_functions; i++) {
		const struct pl_pci_function *f = &found->functions[i];

		for (unsigned j = 0; j < f->n_interfaces; j++)
			if (!strcmp(f->interfaces[j], interface))
				return f;
	}
	return NULL;
}

static json_t *model_of(const struct found *found, const struct interface *i)
{
	const struct pl_pci_function *f = function_of(found, i->name);
	const char *model = f ? pl_nic_model(f->vendor, f->device) : NULL;

	if (f && !model)
		return json_sprintf("%04x:%04x", f->vendor, f->device);
	return text_or_null(model);
}

static json_t *one_interface(const struct found *found, const struct interface *i)
{
	const char *user = used_by(found, i->name);
	json_t *addresses = addresses_of(found, i->name);
	json_t *obstacles = interface_obstacles(i, addresses, user != NULL);
	char afxdp[IFNAMSIZ + 8], emulated[IFNAMSIZ + 8], mac[18];
	const char *link = !i->up ? "down" : i->carrier ? "up" : "no carrier";

	snprintf(afxdp, sizeof(afxdp), "afxdp:%s", i->name);
	snprintf(emulated, sizeof(emulated), "emu:%s", i->name);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", i->mac[0], i->mac[1], i->mac[2],
		 i->mac[3], i->mac[4], i->mac[5]);
	return json_pack("{s:o, s:s, s:o, s:o, s:[o], s:s, s:s, s:i, s:i, s:o, s:s, s:o, s:o, s:b, "
			 "s:o}",
			 "device", json_text(afxdp), "kind", "afxdp", "model", model_of(found, i),
			 "driver", text_or_null(i->driver), "interfaces", json_text(i->name),
			 "link", link, "mac", mac, "mtu", (int)i->mtu, "queues", (int)i->n_queues,
			 "addresses", addresses, "backend", "AF_XDP", "emulated",
			 json_text(emulated), "used_by", text_or_null(user), "usable",
			 !any_blocks(obstacles), "obstacles", obstacles);
}

/* ---- the machine ---- */

/* A number in a file of sysfs; 0: there is none. */
static unsigned long read_count(const char *sysfs, const char *path)
{
	char full[PATH_MAX];
	unsigned long value = 0;
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", sysfs, path);
	file = fopen(full, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%lu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static void huge_page_obstacle(json_t *obstacles, unsigned long total, unsigned long available)
{
	char remedy[64];

	if (available)
		return;
	snprintf(remedy, sizeof(remedy), "sysctl -w vm.nr_hugepages=%lu",
		 total + HUGE_PAGES_ENOUGH);
	if (total)
		obstacle(obstacles, false, remedy,
			 "all %lu huge pages of 2 MB are in use: further buffers lie on ordinary "
			 "pages, which are slower to reach",
			 total);
	else
		obstacle(
			obstacles, false, remedy,
			"no huge pages of 2 MB: buffers lie on ordinary pages, which are slower to "
			"reach");
}

/* Of no interest to who could not start the daemon anyway, nor to who has no limit. */
static void memlock_obstacle(json_t *obstacles)
{
	struct rlimit limit;

	if (capng_get_caps_process() || !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) ||
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_IPC_LOCK) ||
	    getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur >= MEMLOCK_ENOUGH)
		return;
	obstacle(obstacles, false,
		 "ulimit -l unlimited; in a systemd unit: LimitMEMLOCK=infinity; or give it "
		 "CAP_IPC_LOCK",
		 "what is started here may lock %lu KiB of memory, less than planes have for "
		 "buffers",
		 (unsigned long)(limit.rlim_cur >> 10));
}

/* Whether any device has an IOMMU. */
static bool have_iommu(const char *sysfs)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool have = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups", sysfs);
	dir = opendir(path);
	while (dir && !have && (entry = readdir(dir)))
		have = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return have;
}

static json_t *machine(const char *sysfs)
{
	unsigned long total =
		read_count(sysfs, "kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	unsigned long available =
		read_count(sysfs, "kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	json_t *obstacles = json_array();

	huge_page_obstacle(obstacles, total, available);
	memlock_obstacle(obstacles);
	return json_pack("{s:b, s:I, s:I, s:o}", "iommu", have_iommu(sysfs), "huge_pages",
			 (json_int_t)total, "huge_pages_free", (json_int_t)available, "obstacles",
			 obstacles);
}

/* ---- all of it ---- */

/* Functions first. Those that our drivers do not know are there as the interfaces they have. */
static json_t *all_devices(const struct found *found, unsigned *n_others)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < found->n_functions; i++) {
		const struct pl_pci_function *f = &found->functions[i];

		if (!f->is_virtual && pl_nic_model(f->vendor, f->device))
			json_array_append_new(list, one_function(found, f));
	}
	*n_others = 0;
	for (unsigned i = 0; i < found->n_interfaces; i++) {
		if (is_candidate(&found->interfaces[i]))
			json_array_append_new(list, one_interface(found, &found->interfaces[i]));
		else
			(*n_others)++;
	}
	return list;
}

static int find(const char *sysfs, struct found *found, struct pl_error *err)
{
	int rc = pl_pci_scan(sysfs, &found->functions, &found->n_functions, err);

	if (!rc)
		rc = interfaces_list(&found->interfaces, &found->n_interfaces, err);
	if (!rc && getifaddrs(&found->addresses))
		rc = pl_error_set(err, -errno, NULL, "cannot list the interfaces' addresses: %s",
				  strerror(errno));
	return rc;
}

int devices_list(const struct devices_sources *sources, json_t **data, struct pl_error *err)
{
	struct found found = {.ports = sources->ports};
	int rc = find(sources->sysfs, &found, err);
	json_t *devices, *accelerators;
	unsigned n_others;

	if (!rc) {
		devices = all_devices(&found, &n_others);
		accelerators = accelerators_list(sources->accelerators, sources->n_accelerators,
						 sources->accelerator);
		*data = json_pack("{s:o, s:o, s:o, s:[s, s, s, s], s:i, s:o}", "devices", devices,
				  "accelerators", accelerators, "machine", machine(sources->sysfs),
				  "backends", "vfio", "kmod", "AF_XDP", "emulated",
				  "other_interfaces", (int)n_others, "daemon",
				  json_text(sources->daemon));
		if (!*data)
			rc = pl_error_set(err, -ENOMEM, NULL, "out of memory");
	}
	free(found.functions);
	free(found.interfaces);
	if (found.addresses)
		freeifaddrs(found.addresses);
	return rc;
}
