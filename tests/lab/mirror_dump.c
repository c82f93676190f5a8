/* SPDX-License-Identifier: BSD-2-Clause */
/* The netlink mirror alone, in the namespace it is started in: for tests/lab/test_mirror.py.
 *
 *     mirror-dump [-b BYTES] FACE[:DEVICE]...
 *
 * Prints "ready MS" after the first synchronisation. Then answers, on standard output, what it
 * reads on standard input, a line for a line:
 *
 *     get ADDRESS   what a packet there gets, from the image: "forward pl0 10.0.1.2 MAC mtu 1500",
 *                   "punt local", "drop blackhole", "group [2 forward ...] [1 punt unresolved]"
 *     why ADDRESS   the kernel's route behind it: "10.0.0.0/8 unicast metric 0 table 254"
 *     list          all candidates, "10.0.0.0/8 254 unicast metric 0 hops 1" each, then "."
 *     unfollowed    "rule 100: from 10.0.0.7 lookup 10" or "12 routes of table 10" each, then "."
 *     audit         begins one; "stats" says by "audits" when it is over
 *     stats         "overruns 0 resyncs 1 routes 12 ..."
 *     hold          reads no notification until "go"
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../router/kernel/mirror.h"
#include "../../router/program/reasons.h"

#define PORTS_MAX 16

static const char *const reasons[] = {
#define X(symbol, kind, name, text) [REASON_##symbol] = name,
	REASONS(X)
#undef X
};

struct dumper {
	struct tables *tables;
	struct mirror *mirror;
	struct mirror_port ports[PORTS_MAX];
	unsigned n_ports;
	bool held;
};

static void no_readers(void)
{
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "note: %s\n", text);
}

static void device_changed(void *ctx, unsigned port, const struct mirror_device *now)
{
	(void)ctx;
	fprintf(stderr, "device_changed %u %d\n", port, now->carrier);
}

/* No packet is sent here; as if some were by every next hop, all the time. */
static bool all_used(void *ctx, uint32_t nexthop)
{
	(void)ctx;
	(void)nexthop;
	return true;
}

static void print_mac(uint64_t word)
{
	for (unsigned i = 0; i < 6; i++)
		printf("%s%02x", i ? ":" : "", (unsigned)(word >> 8 * i) & 0xff);
}

/* From the image's words, not from what the mirror says it wrote. */
static void print_nexthop(const struct dumper *d, const struct ip_addr *addr, uint32_t index)
{
	const struct tables_view *view = tables_view(d->tables);
	const struct nexthop *nh = &view->nexthops[index];
	const char *reason = reasons[NEXTHOP_REASON(nh->info)];
	uint32_t port = NEXTHOP_PORT(nh->info), found;
	uint64_t a[2] = {0, 0};

	switch (NEXTHOP_KIND(nh->info)) {
	case NEXTHOP_PUNT:
		printf("punt %s", reason);
		break;
	case NEXTHOP_DROP:
		printf("drop %s", reason);
		break;
	case NEXTHOP_FORWARD:
		printf("forward %s ", d->ports[port].name);
		print_mac(nh->dmac >> 16);
		printf(" from ");
		print_mac(nh->smac);
		printf(" mtu %u", NEXTHOP_MTU(nh->info));
		break;
	case NEXTHOP_GLEAN:
		if (addr->family == AF_INET6) {
			memcpy(a, addr->bytes, 16);
		} else {
			memcpy((char *)&a[1] + 4, addr->bytes, 4);
			memset((char *)&a[1] + 2, 0xff, 2);
		}
		found = neighbour_lookup(view, a[0], a[1], port);
		printf("glean %s mtu %u ", d->ports[port].name, NEXTHOP_MTU(nh->info));
		if (found)
			print_nexthop(d, addr, found);
		else
			printf("punt %s", reason);
		break;
	default:
		printf("group");
		for (uint64_t i = 0; i <= nh->group >> 32; i++) {
			printf(" [");
			print_nexthop(d, addr, view->slots[(uint32_t)nh->group + i]);
			printf("]");
		}
	}
}

static void get(const struct dumper *d, const char *text)
{
	struct ip_addr addr;

	if (ip_addr_parse(text, &addr))
		printf("bad address");
	else
		print_nexthop(d, &addr, tables_image_lookup(d->tables, &addr));
	printf("\n");
}

static void why(struct dumper *d, const char *text)
{
	struct mirror_explanation e;
	struct ip_addr addr;
	char prefix[PREFIX_STRLEN];

	if (ip_addr_parse(text, &addr)) {
		printf("bad address\n");
		return;
	}
	if (mirror_explain(d->mirror, &addr, &e)) {
		printf("none\n");
		return;
	}
	printf("%s %s metric %u table %u hops %u via %s\n", prefix_print(&e.route.prefix, prefix),
	       e.route.type, e.route.metric, e.route.table, e.route.n_hops, e.via.kind);
}

static bool list_route(void *ctx, const struct mirror_route *route)
{
	char prefix[PREFIX_STRLEN];

	(void)ctx;
	printf("%s %u %s metric %u hops %u\n", prefix_print(&route->prefix, prefix), route->table,
	       route->type, route->metric, route->n_hops);
	return true;
}

static bool list_unfollowed(void *ctx, const struct mirror_unfollowed *u)
{
	(void)ctx;
	if (u->routes)
		printf("%" PRIu64 " ", u->routes);
	printf("%s%s\n",
	       u->family == AF_INET    ? "IPv4 "
	       : u->family == AF_INET6 ? "IPv6 "
				       : "",
	       u->text);
	return true;
}

static void list(struct dumper *d, bool routes)
{
	uint64_t place = 0;

	if (routes)
		mirror_each_route(d->mirror, &place, list_route, NULL);
	else
		mirror_each_unfollowed(d->mirror, list_unfollowed, NULL);
	printf(".\n");
}

static void print_stats(const struct dumper *d)
{
	struct mirror_stats s;
	struct tables_stats t;

	mirror_stats(d->mirror, &s);
	tables_stats(d->tables, &t);
	printf("overruns %" PRIu64 " audits %" PRIu64 " drift %" PRIu64 " mended %" PRIu64
	       " resyncs %" PRIu64 " malformed %" PRIu64 " unsupported %" PRIu64 " changes %" PRIu64
	       " routes %u neighbours %u nexthops %u installed %u\n",
	       s.overruns, s.audits, s.drift, s.mended, s.resyncs, s.malformed, s.unsupported,
	       s.route_changes, s.routes, s.neighbours, s.nexthops, t.routes4 + t.routes6);
}

static void answer(struct dumper *d, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "get ", 4) == 0)
		get(d, line + 4);
	else if (strncmp(line, "why ", 4) == 0)
		why(d, line + 4);
	else if (strcmp(line, "list") == 0 || strcmp(line, "unfollowed") == 0)
		list(d, line[0] == 'l');
	else if (strcmp(line, "stats") == 0)
		print_stats(d);
	else if (strcmp(line, "audit") == 0) {
		mirror_audit(d->mirror);
		printf("audit\n");
	} else if (strcmp(line, "hold") == 0 || strcmp(line, "go") == 0) {
		d->held = line[0] == 'h';
		printf("%s\n", line);
	} else {
		printf("what? %s\n", line);
	}
	fflush(stdout);
}

static int add_port(struct dumper *d, char *arg)
{
	char *device = strchr(arg, ':');
	struct mirror_port *p = &d->ports[d->n_ports];

	if (d->n_ports == PORTS_MAX)
		return -1;
	if (device)
		*device++ = '\0';
	p->name = arg;
	p->face_ifindex = if_nametoindex(arg);
	p->device_ifindex = device ? if_nametoindex(device) : 0;
	if (!p->face_ifindex || (device && !p->device_ifindex)) {
		fprintf(stderr, "%s: no such interface\n", arg);
		return -1;
	}
	d->n_ports++;
	return 0;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void serve(struct dumper *d)
{
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.fd = mirror_fd(d->mirror), .events = POLLIN}};
	char line[256];

	for (;;) {
		if (poll(fds, d->held ? 1 : 2, -1) < 0 && errno != EINTR)
			return;
		if (!d->held && fds[1].revents)
			mirror_run(d->mirror);
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return;
		answer(d, line);
	}
}

int main(int argc, char **argv)
{
	struct mirror_events events = {.note = note, .device_changed = device_changed};
	struct dumper d = {0};
	struct pl_error err;
	unsigned buffer_bytes = 0;
	double start_ms;
	int opt;

	while ((opt = getopt(argc, argv, "b:")) == 'b')
		buffer_bytes = (unsigned)strtoul(optarg, NULL, 10);
	if (opt != -1)
		return 2;
	for (int i = optind; i < argc; i++)
		if (add_port(&d, argv[i]))
			return 2;
	setvbuf(stdin, NULL, _IONBF, 0);
	d.tables = tables_new(no_readers, REASON_NO_ROUTE);
	if (!d.tables) {
		perror("tables_new");
		return 1;
	}
	d.mirror = mirror_new(d.tables, d.ports, d.n_ports, &events, &err);
	if (d.mirror && buffer_bytes)
		mirror_set_buffer(d.mirror, buffer_bytes);
	if (d.mirror)
		mirror_set_usage(d.mirror, all_used, NULL);
	start_ms = now_ms();
	if (!d.mirror || mirror_sync(d.mirror, &err)) {
		fprintf(stderr, "%s\n%s\n", err.what, err.remedy);
		return 1;
	}
	printf("ready %.1f\n", now_ms() - start_ms);
	fflush(stdout);
	serve(&d);
	mirror_free(d.mirror);
	tables_free(d.tables);
	return 0;
}
