/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether throughput grows with the planes: what one forwards on a core of its own, and several on as many cores
 * at the same time, over the same tables. Each has a pool and memory ports of its own, as the daemon's have; so
 * what they share is the tables, and what the machine's cores share: caches, memory, perhaps more.
 *
 * The planes are threads as the daemon starts them, looked at from outside: what they have sent between two
 * looks. One and all take turns; the ratio is of neighbours in time. The one is each of them in turn, since
 * cores are not alike while others use the machine, too. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

#define TOO_FEW_CORES 77 /* for meson: skipped */

#define WARM_UP_TURNS 64u
#define START_S 10.0

#define N_CASES 4u

enum { ONE, ALL, RATIO, SERIES };

struct planes_case {
	char name[32];
	int family;
	const struct tables *tables;
	const struct routed *to;
	double series[SERIES][REPETITIONS_MAX]; /* Mpps, Mpps, ratio of the two */
};

struct planes {
	struct options options;
	struct input input;
	unsigned n;
	struct pl_plane *plane; /* n of them */
	struct police *police[PLANES_MAX];
	int cores[PLANES_MAX];
	double machine[SERIES][REPETITIONS_MAX]; /* as a case's, of arithmetic alone */
	struct planes_case cases[N_CASES];
};

/* ---- planes ---- */

static void make_planes(struct planes *p, const cpu_set_t *cores)
{
	int core = -1;

	p->plane = checked(aligned_alloc(_Alignof(struct pl_plane), p->n * sizeof(*p->plane)));
	for (unsigned i = 0; i < p->n; i++) {
		do
			core++;
		while (!CPU_ISSET((unsigned)core, cores));
		plane_make(&p->plane[i]);
		p->plane[i].index = i;
		p->plane[i].cpu = p->cores[i] = core;
		p->plane[i].busy_poll = true;
		p->police[i] = make_police();
	}
}

static void start(struct planes *p, unsigned i, const struct planes_case *c)
{
	struct pl_plane *plane = &p->plane[i];
	struct pl_error err;

	if (cpu_processor_init(&plane->processor, c->tables, p->options.isa_last))
		die("%s: no packet program", c->name);
	cpu_processor_limit(&plane->processor, p->police[i]);
	if (pl_plane_init(plane, &err))
		die("%s", err.what);
	plane_feed(plane, &c->to->traffic);
	if (pl_plane_start(plane, &err))
		die("%s", err.what);
}

static uint64_t turns(const struct pl_plane *plane)
{
	return pl_stat_read(&plane->stats.turns);
}

/* Ends the program if a single packet was not sent: this would be about something else than forwarding. */
static void stop(struct pl_plane *plane, const struct planes_case *c, uint64_t received,
		 uint64_t sent)
{
	pl_plane_stop(plane);
	received = pl_stat_read(&plane->ports[0].wire->stats.rx_packets) - received;
	sent = plane_sent(plane) - sent;
	if (received != sent)
		die("%s: %llu packets received, %llu sent", c->name, (unsigned long long)received,
		    (unsigned long long)sent);
	pl_plane_fini(plane);
	cpu_processor_fini(&plane->processor);
}

/* What planes `first` to `first` + `n` - 1 forward together at the same time, in Mpps. */
static double run(struct planes *p, const struct planes_case *c, unsigned first, unsigned n)
{
	uint64_t received[PLANES_MAX], sent[PLANES_MAX], began[PLANES_MAX], looked = 0;
	double start_s = now_s(), end_s;

	for (unsigned i = first; i < first + n; i++) {
		received[i] = pl_stat_read(&p->plane[i].ports[0].wire->stats.rx_packets);
		sent[i] = plane_sent(&p->plane[i]);
		began[i] = turns(&p->plane[i]);
		start(p, i, c);
	}
	for (unsigned i = first; i < first + n; i++)
		while (turns(&p->plane[i]) - began[i] < WARM_UP_TURNS) {
			if (now_s() - start_s > START_S)
				die("plane %u gets no turns on core %d", i, p->plane[i].cpu);
			usleep(100);
		}
	start_s = now_s();
	for (unsigned i = first; i < first + n; i++)
		looked -= plane_sent(&p->plane[i]);
	usleep((useconds_t)p->options.ms * 1000);
	end_s = now_s();
	for (unsigned i = first; i < first + n; i++)
		looked += plane_sent(&p->plane[i]);
	for (unsigned i = first; i < first + n; i++)
		stop(&p->plane[i], c, received[i], sent[i]);
	return (double)looked / (end_s - start_s) / 1e6;
}

/* ---- cases ---- */

static void add_case(struct planes *p, unsigned i, const struct tables *tables,
		     const struct routed *to)
{
	struct planes_case *c = &p->cases[i];

	c->family = to->routes[0].family;
	c->tables = tables;
	c->to = to;
	snprintf(c->name, sizeof(c->name), "IPv%d, %u route%s", c->family == AF_INET ? 4 : 6, to->n,
		 to->n == 1 ? "" : "s");
}

static void run_cases(struct planes *p)
{
	unsigned n = (unsigned)p->options.repetitions;

	add_case(p, 0, p->input.one, &p->input.one4);
	add_case(p, 1, p->input.many, &p->input.many4);
	add_case(p, 2, p->input.one, &p->input.one6);
	add_case(p, 3, p->input.many, &p->input.many6);
	for (unsigned r = 0; r < n; r++) {
		p->machine[ONE][r] = cores_measure(&p->cores[r % p->n], 1, p->options.ms);
		p->machine[ALL][r] = cores_measure(p->cores, p->n, p->options.ms);
		p->machine[RATIO][r] = p->machine[ALL][r] / p->machine[ONE][r];
		for (unsigned i = 0; i < N_CASES; i++) {
			struct planes_case *c = &p->cases[i];

			c->series[ONE][r] = run(p, c, r % p->n, 1);
			c->series[ALL][r] = run(p, c, 0, p->n);
			c->series[RATIO][r] = c->series[ALL][r] / c->series[ONE][r];
		}
	}
	for (unsigned s = 0; s < SERIES; s++) {
		qsort(p->machine[s], n, sizeof(double), by_value);
		for (unsigned i = 0; i < N_CASES; i++)
			qsort(p->cases[i].series[s], n, sizeof(double), by_value);
	}
}

/* ---- results ---- */

static void print_row(const struct planes *p, const char *name,
		      const double (*series)[REPETITIONS_MAX])
{
	unsigned n = (unsigned)p->options.repetitions;

	printf("%-22s", name);
	for (unsigned s = 0; s < SERIES; s++)
		printf("  %6.2f/%6.2f/%6.2f", series[s][0], series[s][n / 2], series[s][n - 1]);
	printf("\n");
}

static void print_table(const struct planes *p)
{
	printf("%u-byte frames, %llu different ones per case, %llu repetitions of %llu ms, %s; "
	       "Mpps of one plane, of %u at the same time, and the ratio: min/median/max\n",
	       FRAME_BYTES, p->options.frames, p->options.repetitions, p->options.ms,
	       cpu_isa_name(p->options.isa_last), p->n);
	for (unsigned i = 0; i < N_CASES; i++)
		print_row(p, p->cases[i].name, p->cases[i].series);
	printf("no packets, but arithmetic, in millions of multiplications a second: what these "
	       "cores give\n");
	print_row(p, "arithmetic alone", p->machine);
}

static void print_series(const struct planes *p, const double (*series)[REPETITIONS_MAX],
			 const char *const names[SERIES])
{
	unsigned n = (unsigned)p->options.repetitions;

	for (unsigned s = 0; s < SERIES; s++)
		printf("%s\"%s\": {\"min\": %.3f, \"median\": %.3f, \"max\": %.3f}", s ? ", " : "",
		       names[s], series[s][0], series[s][n / 2], series[s][n - 1]);
}

static void print_json(const struct planes *p)
{
	static const char *const mpps[SERIES] = {"one_mpps", "all_mpps", "ratio"};
	static const char *const rates[SERIES] = {"one_per_us", "all_per_us", "ratio"};

	printf("{\"frame_bytes\": %u, \"frames\": %llu, \"repetitions\": %llu, \"ms\": %llu, "
	       "\"isa\": \"%s\",\n"
	       " \"planes\": %u, \"cores\": [",
	       FRAME_BYTES, p->options.frames, p->options.repetitions, p->options.ms,
	       cpu_isa_name(p->options.isa_last), p->n);
	for (unsigned i = 0; i < p->n; i++)
		printf("%s%d", i ? ", " : "", p->cores[i]);
	printf("],\n \"arithmetic\": {");
	print_series(p, p->machine, rates);
	printf("},\n \"cases\": [\n");
	for (unsigned i = 0; i < N_CASES; i++) {
		const struct planes_case *c = &p->cases[i];

		printf("  {\"name\": \"%s\", \"family\": %d, \"routes\": %u, ", c->name,
		       c->family == AF_INET ? 4 : 6, c->to->n);
		print_series(p, c->series, mpps);
		printf("}%s\n", i + 1 < N_CASES ? "," : "");
	}
	printf("]}\n");
}

/* ---- all of it ---- */

int planes_measure(const struct options *options)
{
	struct planes *p;
	cpu_set_t cores;

	if (sched_getaffinity(0, sizeof(cores), &cores))
		die("cannot tell what cores there are: %s", strerror(errno));
	if ((unsigned)CPU_COUNT(&cores) < options->planes) {
		fprintf(stderr, "%llu planes want as many cores; this process may run on %d\n",
			options->planes, CPU_COUNT(&cores));
		return TOO_FEW_CORES;
	}
	p = checked(calloc(1, sizeof(*p)));
	p->options = *options;
	p->n = (unsigned)options->planes;
	input_make(&p->input, options);
	make_planes(p, &cores);
	run_cases(p);
	if (options->json)
		print_json(p);
	else
		print_table(p);
	for (unsigned i = 0; i < p->n; i++) {
		police_free(p->police[i]);
		plane_free(&p->plane[i]);
	}
	free(p->plane);
	input_free(&p->input);
	free(p);
	return 0;
}
