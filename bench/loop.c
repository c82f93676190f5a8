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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loop.h"
#include "routes/routes.h"

#define POOL_BUFFERS 4096u
#define BUFFER_BYTES 2048u
#define CASES_MAX 32u

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
	struct input input;
	struct pl_plane plane;
	struct pl_immediate answer;
	struct police *police;
	struct measured cases[CASES_MAX];
	unsigned n_cases;
};

/* ---- the loop ---- */

/* Touches nothing but the verdicts: what is left is receiving and transmitting. */
static void answer_transmit(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_TX, 1);
}

void plane_make(struct pl_plane *plane)
{
	struct pl_error err;

	memset(plane, 0, sizeof(*plane));
	plane->cpu = -1;
	if (pl_pool_init(&plane->pool, POOL_BUFFERS, BUFFER_BYTES, &err))
		die("%s", err.what);
	for (unsigned i = 0; i < N_PORTS; i++)
		plane->ports[i].wire = checked(pl_mem_queue_new(&plane->pool, true, NULL, NULL));
	plane->n_ports = N_PORTS;
}

void plane_free(struct pl_plane *plane)
{
	if (plane->pool.n_free != plane->pool.n_bufs)
		die("%u buffers leaked", plane->pool.n_bufs - plane->pool.n_free);
	pl_plane_fini(plane);
	for (unsigned i = 0; i < N_PORTS; i++)
		pl_queue_close(plane->ports[i].wire);
	pl_pool_fini(&plane->pool);
}

void plane_feed(struct pl_plane *plane, const struct traffic *traffic)
{
	/* Each time from another of the frames on, so that short runs are not about the same few. */
	unsigned skip = (unsigned)(random64() % (traffic->n / 2 + 1));

	pl_mem_queue_feed(plane->ports[0].wire, traffic->list + skip, traffic->n - skip);
}

uint64_t plane_sent(const struct pl_plane *plane)
{
	uint64_t sent = 0;

	for (unsigned i = 0; i < N_PORTS; i++)
		sent += pl_stat_read(&plane->ports[i].wire->stats.tx_packets);
	return sent;
}

struct police *make_police(void)
{
	uint32_t rates[LIMIT_COUNT];

	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		rates[i] = limit_default(i);
	return checked(police_new(N_PORTS, rates, 0, NULL));
}

/* Runs one case for about `ms`; returns ns per packet. Dies if a single packet was not sent: the
 * bench would be measuring something else than forwarding. */
static double run_case(struct bench *b, struct measured *m, unsigned ms)
{
	uint64_t sent = plane_sent(&b->plane), taken = 0;
	double start, now, end;

	b->plane.processor = m->processor;
	plane_feed(&b->plane, m->traffic);
	for (unsigned i = 0; i < 16; i++) /* warm up */
		pl_plane_turn(&b->plane);
	sent = plane_sent(&b->plane);
	start = now_s();
	end = start + ms / 1e3;
	do {
		for (unsigned i = 0; i < 64; i++)
			taken += pl_plane_turn(&b->plane);
		now = now_s();
	} while (now < end);
	if (plane_sent(&b->plane) - sent != taken)
		die("%s: %llu packets taken, %llu sent", m->name, (unsigned long long)taken,
		    (unsigned long long)(plane_sent(&b->plane) - sent));
	return (now - start) * 1e9 / (double)taken;
}

static void make_plane(struct bench *b)
{
	struct pl_error err;

	plane_make(&b->plane);
	b->plane.processor = pl_immediate_processor(&b->answer, answer_transmit, NULL);
	if (pl_plane_init(&b->plane, &err))
		die("%s", err.what);
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
	struct input *in = &b->input;

	b->police = make_police();
	add_case(b, "rx+tx alone", AF_INET, 0, &in->one4.traffic, NULL, 0);
	for (enum cpu_isa isa = b->options.isa_first; isa <= b->options.isa_last; isa++) {
		add_case(b, "IPv4, 1 route", AF_INET, 1, &in->one4.traffic, in->one, isa);
		add_case(b, "IPv4, 100,000 routes", AF_INET, MANY_ROUTES, &in->many4.traffic,
			 in->many, isa);
		add_case(b, "IPv6, 1 route", AF_INET6, 1, &in->one6.traffic, in->one, isa);
		add_case(b, "IPv6, 100,000 routes", AF_INET6, MANY_ROUTES, &in->many6.traffic,
			 in->many, isa);
	}
}

int by_value(const void *a, const void *b)
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

/* ---- all of it ---- */

/* The cases one after the other, in turns, on one core. */
static void measure(const struct options *options)
{
	struct bench *b = checked(aligned_alloc(_Alignof(struct bench), sizeof(*b)));

	memset(b, 0, sizeof(*b));
	b->options = *options;
	input_make(&b->input, options);
	make_plane(b);
	make_cases(b);
	run_cases(b);
	if (options->json)
		print_json(b);
	else
		print_table(b);

	for (unsigned i = 0; i < b->n_cases; i++)
		if (b->cases[i].routes)
			cpu_processor_fini(&b->cases[i].processor);
	police_free(b->police);
	plane_free(&b->plane);
	input_free(&b->input);
	free(b);
}

static const char usage[] =
	"usage: loop [-j] [-a] [-c CORE] [-r REPETITIONS] [-t MS] [-n FRAMES]\n"
	"       loop --planes N [--v4 ROUTES] [--v6 ROUTES] [-j] [-r REPETITIONS] [-t MS] [-n "
	"FRAMES]\n"
	"  -j  JSON\n"
	"  -a  every instruction set that this processor has, not only the best\n"
	"  -c  core to run on\n"
	"  -r  times that every case is run (11)\n"
	"  -t  milliseconds for each time (50)\n"
	"  -n  different frames per case, each to its own random destination (1048576)\n"
	"  --planes  what one plane forwards, and so many on as many cores at the same time\n"
	"  --v4, --v6  routes of their full tables (901899, 160147)\n";

enum { PLANES = 256, V4, V6 };

static const struct option long_options[] = {
	{"planes", required_argument, NULL, PLANES},
	{"v4", required_argument, NULL, V4},
	{"v6", required_argument, NULL, V6},
	{0},
};

static void read_options(struct options *o, int argc, char **argv)
{
	bool full = false;
	int c;

	*o = (struct options){.repetitions = 11,
			      .ms = 50,
			      .frames = 1 << 20,
			      .core = -1,
			      .v4 = ROUTES_FULL4,
			      .v6 = ROUTES_FULL6};
	o->isa_first = o->isa_last = cpu_isa_best();
	while ((c = getopt_long(argc, argv, "jac:r:t:n:h", long_options, NULL)) != -1) {
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
		else if (c == PLANES)
			o->planes = number("--planes", optarg, 2, PLANES_MAX);
		else if (c == V4)
			o->v4 = number("--v4", optarg, 1, ROUTES_FULL4), full = true;
		else if (c == V6)
			o->v6 = number("--v6", optarg, 1, ROUTES_FULL6), full = true;
		else
			die("%s", usage);
	}
	if (optind < argc || (full && !o->planes) ||
	    (o->planes && (o->core >= 0 || o->isa_first != o->isa_last)))
		die("%s", usage);
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
	struct options options;

	read_options(&options, argc, argv);
	pin(options.core);
	if (options.planes)
		return planes_measure(&options);
	measure(&options);
	return 0;
}
