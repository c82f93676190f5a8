/* SPDX-License-Identifier: BSD-2-Clause */
#include "warnings.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define HUGE_PAGE_BYTES (2u << 20)

static long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long n = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%ld", &n) != 1)
		n = 0;
	fclose(file);
	return n;
}

void warn_ordinary_pages(const struct router *router)
{
	static const char dir[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
	unsigned without = 0;
	long needed = 0, total, unused;
	struct pl_error err;
	char path[96], remedy[128];

	for (unsigned i = 0; i < router->n_planes; i++) {
		const struct pl_region *region = &router->planes[i].pool.region;

		/* Behind another part's addresses a region has ordinary pages in any case, and little passes it. */
		if (region->page_bytes >= HUGE_PAGE_BYTES || router->planes[i].pool.n_remote)
			continue;
		without++;
		needed += (long)((region->len_bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES);
	}
	if (!without)
		return;
	snprintf(path, sizeof(path), "%snr_hugepages", dir);
	total = read_number(path);
	snprintf(path, sizeof(path), "%sfree_hugepages", dir);
	unused = read_number(path);
	/* What is free now was too little, yet counts towards what is needed. */
	snprintf(remedy, sizeof(remedy), "sysctl vm.nr_hugepages=%ld, then restart peerlaned",
		 total - unused + needed);
	pl_error_set(&err, 0, remedy,
		     "%u of %u planes have their buffers on ordinary pages, for want of %ld pages "
		     "of 2 MB: packets cost more TLB misses and copies in the kernel",
		     without, router->n_planes, needed);
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

/* The address as text if it is one that traffic comes for: no link-local IPv6. NULL else. */
static const char *address_of(const struct ifaddrs *entry, char text[INET6_ADDRSTRLEN])
{
	if (!entry->ifa_addr)
		return NULL;
	if (entry->ifa_addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)entry->ifa_addr;

		return inet_ntop(AF_INET, &in->sin_addr, text, INET6_ADDRSTRLEN);
	}
	if (entry->ifa_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)entry->ifa_addr;

		if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
			return NULL;
		return inet_ntop(AF_INET6, &in6->sin6_addr, text, INET6_ADDRSTRLEN);
	}
	return NULL;
}

void warn_device_addresses(const struct router *router, unsigned index)
{
	const struct router_port *port = &router->ports[index];
	struct ifaddrs *list;
	struct pl_error err;
	char text[INET6_ADDRSTRLEN], remedy[160];

	if (!port->interface || getifaddrs(&list))
		return;
	for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
		if (strcmp(entry->ifa_name, port->interface) != 0 || !address_of(entry, text))
			continue;
		snprintf(remedy, sizeof(remedy),
			 "move it: ip address flush dev %s, then add it to %s", port->interface,
			 port->name);
		pl_error_set(
			&err, 0, remedy,
			"%s: %s has the address %s, but the kernel sees no more traffic for it",
			port->name, port->interface, text);
		log_error(router->log, LOG_LEVEL_WARNING, &err);
	}
	freeifaddrs(list);
}

void warn_unserved_queues(const struct router *router, unsigned index)
{
	const struct router_port *port = &router->ports[index];
	unsigned n = router->n_planes;
	struct pl_error err;
	char remedy[160];

	if (port->caps.max_queues <= n)
		return;
	snprintf(remedy, sizeof(remedy), "ethtool -L %s combined %u (veth: rx %u tx %u)",
		 port->device, n, n, n);
	pl_error_set(&err, 0, remedy,
		     "%s: %s has %u queues, but there %s %u plane%s: what arrives on the others "
		     "goes to the kernel, as if it were not a port",
		     port->name, port->device, port->caps.max_queues, n == 1 ? "is" : "are", n,
		     n == 1 ? "" : "s");
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

void warn_accelerator(const struct router *router)
{
	const struct pl_accel_info *info = &router->accelerator;
	struct pl_error err;

	if (!info->is_cpu)
		return;
	pl_error_set(&err, 0, "Mode=nic-cpu forwards more with the same cores",
		     "accelerator: %s:%u is made of this machine's own cores: what it takes of "
		     "them, planes lack",
		     pl_accel_kind_name(info->kind), info->index);
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

void warn_tap_down(const struct router *router, const struct router_port *port)
{
	struct pl_error err;
	char remedy[64];

	if (face_start(port->face)->up)
		return;
	snprintf(remedy, sizeof(remedy), "ip link set %s up", port->name);
	pl_error_set(&err, 0, remedy, "%s: the TAP is down, as it was left: nothing is forwarded",
		     port->name);
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}
