/* SPDX-License-Identifier: BSD-2-Clause */
#include "lifeline.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERFACES_MAX 256u
#define ANCESTORS_MAX 32u
#define SSH_PORT 22u
#define TCP_ESTABLISHED 1u /* as /proc/net/tcp has it */

/* An interface and those made of it. */
struct interfaces {
	char name[INTERFACES_MAX][IF_NAMESIZE];
	unsigned n;
	bool more; /* than there is room for */
};

/* An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d. */
struct address {
	struct in6_addr bytes;
};

/* ---- interfaces ---- */

static void add_interface(struct interfaces *all, const char *name)
{
	for (unsigned i = 0; i < all->n; i++)
		if (!strcmp(all->name[i], name))
			return;
	if (all->n < INTERFACES_MAX && strlen(name) < IF_NAMESIZE)
		strcpy(all->name[all->n++], name);
	else
		all->more = true;
}

static void find_interfaces(const char *sysfs, const char *name, struct interfaces *all)
{
	static const char upper[] = "upper_";

	*all = (struct interfaces){.n = 0};
	add_interface(all, name);
	for (unsigned i = 0; i < all->n; i++) { /* it grows */
		char path[PATH_MAX];
		struct dirent *entry;
		DIR *dir;

		snprintf(path, sizeof(path), "%s/class/net/%s", sysfs, all->name[i]);
		dir = opendir(path);
		while (dir && (entry = readdir(dir)))
			if (!strncmp(entry->d_name, upper, strlen(upper)))
				add_interface(all, entry->d_name + strlen(upper));
		if (dir)
			closedir(dir);
	}
}

static bool is_among(const struct interfaces *all, const char *name)
{
	for (unsigned i = 0; i < all->n; i++)
		if (!strcmp(all->name[i], name))
			return true;
	return false;
}

static FILE *open_proc(const char *proc, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	return fopen(path, "re");
}

/* ---- the default route ---- */

static bool has_ipv4_default(const char *proc, const struct interfaces *all)
{
	FILE *file = open_proc(proc, "net/route");
	char line[256], name[IF_NAMESIZE];
	unsigned long to, mask;
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%15s %lx %*s %*s %*s %*s %*s %lx", name, &to, &mask) == 3 &&
			!to && !mask && is_among(all, name);
	if (file)
		fclose(file);
	return found;
}

/* Without routes whose metric is the highest there is: they stand for "none". */
static bool has_ipv6_default(const char *proc, const struct interfaces *all)
{
	FILE *file = open_proc(proc, "net/ipv6_route");
	char line[256], to[33], name[IF_NAMESIZE];
	unsigned long prefix, metric;
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%32s %lx %*s %*s %*s %lx %*s %*s %*s %15s", to, &prefix,
			       &metric, name) == 4 &&
			!prefix && metric != 0xffffffff && strspn(to, "0") == 32 &&
			is_among(all, name);
	if (file)
		fclose(file);
	return found;
}

/* ---- ssh ---- */

static bool read_address(const char *text, struct address *out)
{
	char mapped[INET6_ADDRSTRLEN + 8];

	if (inet_pton(AF_INET6, text, &out->bytes) == 1)
		return true;
	snprintf(mapped, sizeof(mapped), "::ffff:%.20s", text);
	return inet_pton(AF_INET6, mapped, &out->bytes) == 1;
}

static bool of_sockaddr(const struct sockaddr *from, struct address *out)
{
	char text[INET_ADDRSTRLEN];

	if (from && from->sa_family == AF_INET6)
		out->bytes = ((const struct sockaddr_in6 *)from)->sin6_addr;
	else if (from && from->sa_family == AF_INET)
		return inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, text,
				 sizeof(text)) &&
		       read_address(text, out);
	return from && from->sa_family == AF_INET6;
}

static bool is_local_to(const struct interfaces *all, const struct ifaddrs *addresses,
			const struct address *wanted)
{
	for (const struct ifaddrs *a = addresses; a; a = a->ifa_next) {
		struct address address;

		if (is_among(all, a->ifa_name) && of_sockaddr(a->ifa_addr, &address) &&
		    !memcmp(&address, wanted, sizeof(address)))
			return true;
	}
	return false;
}

/* Reads "client port server port" of the variable that sshd sets: the server's. */
static bool read_connection(const char *text, struct address *address, unsigned *port)
{
	char server[INET6_ADDRSTRLEN];

	if (sscanf(text, "%*s %*s %45s %u", server, port) != 2)
		return false;
	server[strcspn(server, "%")] = '\0'; /* the scope of a link-local one */
	return read_address(server, address);
}

/* Finds the variable in the environment that a process began with. */
static bool connection_of(const char *proc, long pid, struct address *address, unsigned *port)
{
	static const char name[] = "SSH_CONNECTION=";
	char path[40], *line = NULL;
	bool found = false;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%ld/environ", pid);
	file = open_proc(proc, path);
	while (file && !found && getdelim(&line, &room, '\0', file) > 0)
		found = !strncmp(line, name, strlen(name)) &&
			read_connection(line + strlen(name), address, port);
	if (file)
		fclose(file);
	free(line);
	return found;
}

/* The parent's number; 0: there is none. */
static long parent_of(const char *proc, long pid)
{
	char path[40], line[512];
	const char *behind;
	long parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%ld/stat", pid);
	file = open_proc(proc, path);
	/* The command in parentheses may have any character. */
	if (file && fgets(line, sizeof(line), file) && (behind = strrchr(line, ')')) &&
	    sscanf(behind + 1, " %*c %ld", &parent) != 1)
		parent = 0;
	if (file)
		fclose(file);
	return parent;
}

/* The session that this is run in. sudo takes the variable away: an ancestor has it still. */
static bool find_session(const char *proc, struct address *address, unsigned *port)
{
	const char *own = getenv("SSH_CONNECTION");
	long pid = getpid();

	if (own && read_connection(own, address, port))
		return true;
	for (unsigned i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (connection_of(proc, pid, address, port))
			return true;
		pid = parent_of(proc, pid);
	}
	return false;
}

/* The kernel prints addresses as words of 32 bits in the machine's order. */
static bool read_words(const char *hex, struct address *out)
{
	uint32_t word[4] = {0, 0, htonl(0xffff), 0};
	unsigned n = (unsigned)strlen(hex) / 8;

	if (n != 1 && n != 4)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (sscanf(hex + 8 * (size_t)i, "%8x", &word[4 - n + i]) != 1)
			return false;
	memcpy(&out->bytes, word, sizeof(out->bytes));
	return true;
}

/* Whether a connection to a port is established with an address of the interfaces. */
static bool any_connection(const char *proc, const char *table, unsigned port,
			   const struct interfaces *all, const struct ifaddrs *addresses)
{
	FILE *file = open_proc(proc, table);
	char line[256], hex[33];
	unsigned local_port, state;
	struct address local;
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, " %*[0-9]: %32[0-9A-F]:%x %*s %x", hex, &local_port, &state) ==
				3 &&
			local_port == port && state == TCP_ESTABLISHED && read_words(hex, &local) &&
			is_local_to(all, addresses, &local);
	if (file)
		fclose(file);
	return found;
}

static bool has_ssh(const char *proc, const struct interfaces *all)
{
	unsigned port = SSH_PORT;
	struct ifaddrs *addresses;
	struct address session;
	bool found;

	if (getifaddrs(&addresses))
		return false;
	found = find_session(proc, &session, &port) && is_local_to(all, addresses, &session);
	for (unsigned i = 0; i < 2 && !found; i++)
		found = any_connection(proc, i ? "net/tcp6" : "net/tcp", port, all, addresses) ||
			any_connection(proc, i ? "net/tcp6" : "net/tcp", SSH_PORT, all, addresses);
	freeifaddrs(addresses);
	return found;
}

bool lifeline_is(const char *sysfs, const char *proc, const char *interface, char *why, size_t size)
{
	struct interfaces all;
	const char *what = NULL;

	find_interfaces(sysfs, interface, &all);
	if (has_ssh(proc, &all))
		what = "an ssh session";
	else if (has_ipv4_default(proc, &all) || has_ipv6_default(proc, &all))
		what = "the default route";
	else if (all.more) /* what cannot be seen may be it */
		what = "more interfaces than are looked through";
	if (what)
		snprintf(why, size, "%s carries %s%s", interface, what,
			 all.n > 1 ? ", itself or below another interface" : "");
	return what;
}
