/* SPDX-License-Identifier: BSD-2-Clause */
/* The forwarding loop alone: nanoseconds per packet of a plane between in-memory ports, without
 * I/O. Every packet is copied into a buffer as a NIC's DMA would, goes through the whole packet
 * program with all its checks, is sorted by verdict and handed to the port it leaves by.
 *
 * Beside it runs the same loop with a processor that only answers "transmit", so that the packet
 * program's own share shows. All cases are run in turns, many times over, since machines are
 * shared: the least and the median of the turns are worth something, a single one is not. */
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <peerlane/plane.h>

#include "../router/program/cpu.h"
#include "../router/tables/tables.h"
#include "net/options.h"

#define FRAME_BYTES 64u
#define POOL_BUFFERS 4096u
#define BUFFER_BYTES 2048u
#define N_PORTS 5u /* packets come in on 0 and leave by the others */
#define N_NEXTHOPS 16u
#define MANY_ROUTES 100000u
#define V6_ALLOCATIONS 4096u
#define REPETITIONS_MAX 1000u
#define CASES_MAX 32u

struct options {
	unsigned long long repetitions, ms, frames;
	int core;
	bool json;
	enum cpu_isa isa_first, isa_last;
};

/* What is fed: frames on end in one piece of memory, each with its own destination. */
struct traffic {
	struct pl_mem_frame *list;
	uint8_t *bytes;
	unsigned n;
};

/* One line of the result. */
struct measured {
	const char *name;
	int family;
	unsigned routes; /* 0: the processor only answers "transmit" */
	struct pl_processor processor;
	struct traffic *traffic;
	const char *isa;
	double ns[REPETITIONS_MAX];
};

struct bench {
	struct options options;
	struct tables *one, *many;
	uint32_t one_nexthop;
	uint32_t nexthops[N_NEXTHOPS];
	struct prefix *routes4, *routes6;
	struct traffic one4, one6, many4, many6;
	struct pl_plane plane;
	struct pl_immediate answer;
	struct police *police; /* as the daemon has it; nothing here is punted */
	struct measured cases[CASES_MAX];
	unsigned n_cases;
};

static uint64_t random_state = 42;

/* SplitMix64: the same routes and destinations every time. */
static uint64_t random64(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static void random_bytes(uint8_t *p, unsigned n)
{
	while (n--)
		*p++ = (uint8_t)random64();
}

static void *checked(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

static const uint8_t port_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

/* ---- routes ---- */

/* IPv4 prefix lengths as routing tables have them: most are /24, hardly one is longer. */
static uint8_t random_length4(void)
{
	uint64_t r = random64() % 100;

	return (uint8_t)(r < 60 ? 24 : r < 82 ? 22 + r % 2 : r < 94 ? 19 + r % 3 : 16 + r % 3);
}

static struct prefix random_route4(void)
{
	uint8_t addr[4];

	do
		random_bytes(addr, 4);
	while (addr[0] == 0 || addr[0] == 127 || addr[0] >= 224);
	return prefix_make(AF_INET, addr, random_length4());
}

/* IPv6: /32 to /48 within allocations of /32, as registries give them out. */
static struct prefix random_route6(const uint8_t (*allocations)[4])
{
	static const uint8_t lengths[] = {32, 36, 40, 44, 48, 48, 48, 48};
	uint8_t addr[16] = {0};

	memcpy(addr, allocations[random64() % V6_ALLOCATIONS], 4);
	random_bytes(addr + 4, 4);
	return prefix_make(AF_INET6, addr, lengths[random64() % sizeof(lengths)]);
}

static void set_route(struct tables *t, const struct prefix *p, uint32_t nexthop)
{
	int rc = tables_route_set(t, p, nexthop);

	if (rc)
		die("cannot set a route: %s", strerror(-rc));
}

static struct tables *new_tables(void)
{
	struct tables *t = checked(tables_new(pl_plane_synchronize, REASON_NO_ROUTE));

	for (uint16_t i = 0; i < N_PORTS; i++)
		tables_port_set(t, i, port_mac, true);
	return t;
}

static uint32_t new_nexthop(struct tables *t, unsigned i)
{
	struct nexthop_spec spec = {
		.kind = NEXTHOP_FORWARD,
		.mtu = 1500,
		.port = (uint16_t)(1 + i % (N_PORTS - 1)),
		.dmac = {0x02, 0, 0, 0, 1, (uint8_t)i},
		.smac = {0x02, 0, 0, 0, 0, 0x01},
	};
	uint32_t index;
	int rc = tables_nexthop_new(t, &spec, &index);

	if (rc)
		die("cannot make a next hop: %s", strerror(-rc));
	return index;
}

static void make_one(struct bench *b)
{
	struct prefix p;

	b->one = new_tables();
	b->one_nexthop = new_nexthop(b->one, 0);
	prefix_parse("198.18.0.0/15", &p);
	set_route(b->one, &p, b->one_nexthop);
	prefix_parse("2001:db8::/32", &p);
	set_route(b->one, &p, b->one_nexthop);
}

static void make_many(struct bench *b)
{
	uint8_t(*allocations)[4] = checked(calloc(V6_ALLOCATIONS, 4));

	b->many = new_tables();
	for (unsigned i = 0; i < N_NEXTHOPS; i++)
		b->nexthops[i] = new_nexthop(b->many, i);
	b->routes4 = checked(calloc(MANY_ROUTES, sizeof(*b->routes4)));
	b->routes6 = checked(calloc(MANY_ROUTES, sizeof(*b->routes6)));
	for (unsigned i = 0; i < V6_ALLOCATIONS; i++) {
		random_bytes(allocations[i], 4);
		allocations[i][0] = (uint8_t)(0x20 | (allocations[i][0] & 0x1f));
	}
	for (unsigned i = 0; i < MANY_ROUTES; i++) {
		b->routes4[i] = random_route4();
		b->routes6[i] = random_route6((const uint8_t(*)[4])allocations);
		set_route(b->many, &b->routes4[i], b->nexthops[random64() % N_NEXTHOPS]);
		set_route(b->many, &b->routes6[i], b->nexthops[random64() % N_NEXTHOPS]);
	}
	tables_settle(b->many);
	free(allocations);
}

/* ---- traffic ---- */

/* An address in `p`, its bits behind the prefix random. */
static void random_in_prefix(const struct prefix *p, uint8_t *addr, unsigned n)
{
	random_bytes(addr, n);
	memcpy(addr, p->bytes, p->len / 8);
	if (p->len % 8) {
		uint8_t host = (uint8_t)(0xff >> p->len % 8);

		addr[p->len / 8] = p->bytes[p->len / 8] | (addr[p->len / 8] & host);
	}
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void make_frame4(uint8_t *frame, const struct prefix *to)
{
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;

	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, FRAME_BYTES - 14);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, (uint8_t[]){198, 51, 100, 1}, 4);
	random_in_prefix(to, ip + 16, 4);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
	put16(ip + 22, 9); /* discard */
	put16(ip + 24, FRAME_BYTES - 34);
}

static void make_frame6(uint8_t *frame, const struct prefix *to)
{
	uint8_t *ip = frame + 14;

	put16(frame + 12, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, FRAME_BYTES - 54);
	ip[6] = 17;
	ip[7] = 64;
	memcpy(ip + 8, (uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1}, 16);
	random_in_prefix(to, ip + 24, 16);
	put16(ip + 42, 9);
	put16(ip + 44, FRAME_BYTES - 54);
}

/* `n` frames to addresses in prefixes drawn from `routes`. */
static void make_traffic(struct traffic *t, unsigned n, const struct prefix *routes,
			 unsigned n_routes)
{
	t->n = n;
	t->list = checked(calloc(n, sizeof(*t->list)));
	t->bytes = checked(aligned_alloc(64, (size_t)n * FRAME_BYTES));
	memset(t->bytes, 0, (size_t)n * FRAME_BYTES);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = t->bytes + (size_t)i * FRAME_BYTES;
		const struct prefix *to = &routes[random64() % n_routes];

		memcpy(frame, port_mac, 6);
		memcpy(frame + 6, (uint8_t[]){0x02, 0, 0, 0, 2, 1}, 6);
		if (to->family == AF_INET)
			make_frame4(frame, to);
		else
			make_frame6(frame, to);
		t->list[i] = (struct pl_mem_frame){frame, FRAME_BYTES};
	}
}

static void free_traffic(struct traffic *t)
{
	free(t->list);
	free(t->bytes);
}

static void make_all_traffic(struct bench *b)
{
	unsigned n = (unsigned)b->options.frames;
	struct prefix p;

	prefix_parse("198.18.0.0/15", &p);
	make_traffic(&b->one4, n, &p, 1);
	prefix_parse("2001:db8::/32", &p);
	make_traffic(&b->one6, n, &p, 1);
	make_traffic(&b->many4, n, b->routes4, MANY_ROUTES);
	make_traffic(&b->many6, n, b->routes6, MANY_ROUTES);
}

/* ---- the loop ---- */

/* Touches nothing but the verdicts: what is left is receiving and transmitting. */
static void answer_transmit(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_TX, 1);
}

static void make_plane(struct bench *b)
{
	struct pl_plane *plane = &b->plane;
	struct pl_error err;

	plane->cpu = -1;
	plane->processor = pl_immediate_processor(&b->answer, answer_transmit, NULL);
	if (pl_pool_init(&plane->pool, POOL_BUFFERS, BUFFER_BYTES, &err))
		die("%s", err.what);
	for (unsigned i = 0; i < N_PORTS; i++)
		plane->ports[i].wire = checked(pl_mem_queue_new(&plane->pool, true, NULL, NULL));
	plane->n_ports = N_PORTS;
	if (pl_plane_init(plane, &err))
		die("%s", err.what);
}

static uint64_t sent_packets(const struct bench *b)
{
	uint64_t sent = 0;

	for (unsigned i = 0; i < N_PORTS; i++)
		sent += pl_stat_read(&b->plane.ports[i].wire->stats.tx_packets);
	return sent;
}

/* Runs one case for about `ms`; returns ns per packet. Dies if a single packet was not sent: the
 * bench would be measuring something else than forwarding. */
static double run_case(struct bench *b, struct measured *m, unsigned ms)
{
	uint64_t sent = sent_packets(b), taken = 0;
	double start, now, end;
	unsigned skip;

	b->plane.processor = m->processor;
	/* Each time from another of the frames on, so that short runs are not about the same few. */
	skip = (unsigned)(random64() % (m->traffic->n / 2 + 1));
	pl_mem_queue_feed(b->plane.ports[0].wire, m->traffic->list + skip, m->traffic->n - skip);
	for (unsigned i = 0; i < 16; i++) /* warm up */
		pl_plane_turn(&b->plane);
	sent = sent_packets(b);
	start = now_s();
	end = start + ms / 1e3;
	do {
		for (unsigned i = 0; i < 64; i++)
			taken += pl_plane_turn(&b->plane);
		now = now_s();
	} while (now < end);
	if (sent_packets(b) - sent != taken)
		die("%s: %llu packets taken, %llu sent", m->name, (unsigned long long)taken,
		    (unsigned long long)(sent_packets(b) - sent));
	return (now - start) * 1e9 / (double)taken;
}

static void add_case(struct bench *b, const char *name, int family, unsigned routes,
		     struct traffic *traffic, const struct tables *tables, enum cpu_isa isa)
{
	struct measured *m = &b->cases[b->n_cases++];

	m->name = name;
	m->family = family;
	m->routes = routes;
	m->traffic = traffic;
	m->isa = tables ? cpu_isa_name(isa) : "";
	m->processor = b->plane.processor;
	if (tables && cpu_processor_init(&m->processor, tables, isa))
		die("%s: no processor for %s", name, m->isa);
	if (tables)
		cpu_processor_limit(&m->processor, b->police);
}

static void make_cases(struct bench *b)
{
	uint32_t rates[LIMIT_COUNT];

	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		rates[i] = limit_default(i);
	b->police = checked(police_new(N_PORTS, rates, 0, NULL));
	add_case(b, "rx+tx alone", AF_INET, 0, &b->one4, NULL, 0);
	for (enum cpu_isa isa = b->options.isa_first; isa <= b->options.isa_last; isa++) {
		add_case(b, "IPv4, 1 route", AF_INET, 1, &b->one4, b->one, isa);
		add_case(b, "IPv4, 100,000 routes", AF_INET, MANY_ROUTES, &b->many4, b->many, isa);
		add_case(b, "IPv6, 1 route", AF_INET6, 1, &b->one6, b->one, isa);
		add_case(b, "IPv6, 100,000 routes", AF_INET6, MANY_ROUTES, &b->many6, b->many, isa);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run_cases(struct bench *b)
{
	unsigned n = (unsigned)b->options.repetitions;

	pl_plane_enter();
	for (unsigned r = 0; r < n; r++)
		for (unsigned i = 0; i < b->n_cases; i++)
			b->cases[i].ns[r] = run_case(b, &b->cases[i], (unsigned)b->options.ms);
	pl_plane_leave();
	for (unsigned i = 0; i < b->n_cases; i++)
		qsort(b->cases[i].ns, n, sizeof(double), by_value);
}

/* ---- results ---- */

static void print_table(const struct bench *b)
{
	unsigned n = (unsigned)b->options.repetitions;
	double alone = b->cases[0].ns[n / 2];

	printf("%u-byte frames, %llu different ones per case, %u repetitions of %llu ms\n",
	       FRAME_BYTES, b->options.frames, n, b->options.ms);
	printf("%-22s %-8s %8s %8s %8s %9s %10s\n", "", "", "min ns", "median", "max", "program",
	       "Mpps");
	for (unsigned i = 0; i < b->n_cases; i++) {
		const struct measured *m = &b->cases[i];

		printf("%-22s %-8s %8.2f %8.2f %8.2f %9.2f %10.1f\n", m->name, m->isa, m->ns[0],
		       m->ns[n / 2], m->ns[n - 1], m->ns[n / 2] - alone, 1e3 / m->ns[n / 2]);
	}
}

static void print_json(const struct bench *b)
{
	unsigned n = (unsigned)b->options.repetitions;

	printf("{\"frame_bytes\": %u, \"frames\": %llu, \"repetitions\": %u, \"ms\": %llu,\n"
	       " \"cases\": [\n",
	       FRAME_BYTES, b->options.frames, n, b->options.ms);
	for (unsigned i = 0; i < b->n_cases; i++) {
		const struct measured *m = &b->cases[i];

		printf("  {\"name\": \"%s\", \"family\": %d, \"routes\": %u, \"isa\": \"%s\", "
		       "\"ns_min\": %.3f, \"ns_median\": %.3f, \"ns_max\": %.3f, "
		       "\"mpps_median\": %.3f}%s\n",
		       m->name, m->family == AF_INET ? 4 : 6, m->routes, m->isa, m->ns[0],
		       m->ns[n / 2], m->ns[n - 1], 1e3 / m->ns[n / 2],
		       i + 1 < b->n_cases ? "," : "");
	}
	printf("]}\n");
}

static const char usage[] =
	"usage: loop [-j] [-a] [-c CORE] [-r REPETITIONS] [-t MS] [-n FRAMES]\n"
	"  -j  JSON\n"
	"  -a  every instruction set that this processor has, not only the best\n"
	"  -c  core to run on\n"
	"  -r  times that every case is run (11)\n"
	"  -t  milliseconds for each time (50)\n"
	"  -n  different frames per case, each to its own random destination (1048576)\n";

static void read_options(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){.repetitions = 11, .ms = 50, .frames = 1 << 20, .core = -1};
	o->isa_first = o->isa_last = cpu_isa_best();
	while ((c = getopt(argc, argv, "jac:r:t:n:h")) != -1) {
		if (c == 'j')
			o->json = true;
		else if (c == 'a')
			o->isa_first = CPU_ISA_PLAIN;
		else if (c == 'c')
			o->core = (int)number("-c", optarg, 0, CPU_SETSIZE - 1);
		else if (c == 'r')
			o->repetitions = number("-r", optarg, 1, REPETITIONS_MAX);
		else if (c == 't')
			o->ms = number("-t", optarg, 1, 100000);
		else if (c == 'n')
			o->frames = number("-n", optarg, 1, 1 << 24);
		else
			die("%s", usage);
	}
}

static void pin(int core)
{
	cpu_set_t set;

	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on core %d: %s", core, strerror(errno));
}

int main(int argc, char **argv)
{
	struct bench *b = checked(aligned_alloc(_Alignof(struct bench), sizeof(*b)));

	memset(b, 0, sizeof(*b));
	read_options(&b->options, argc, argv);
	pin(b->options.core);
	make_one(b);
	make_many(b);
	make_all_traffic(b);
	make_plane(b);
	make_cases(b);
	run_cases(b);
	if (b->options.json)
		print_json(b);
	else
		print_table(b);

	for (unsigned i = 0; i < b->n_cases; i++)
		if (b->cases[i].routes)
			cpu_processor_fini(&b->cases[i].processor);
	police_free(b->police);
	pl_plane_fini(&b->plane);
	for (unsigned i = 0; i < N_PORTS; i++)
		pl_queue_close(b->plane.ports[i].wire);
	pl_pool_fini(&b->plane.pool);
	free_traffic(&b->one4);
	free_traffic(&b->one6);
	free_traffic(&b->many4);
	free_traffic(&b->many6);
	free(b->routes4);
	free(b->routes6);
	tables_free(b->one);
	tables_free(b->many);
	free(b);
	return 0;
}
