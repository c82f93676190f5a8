/* SPDX-License-Identifier: BSD-2-Clause */
/* Accelerators, measured: the program alone, one burst's way there and back, throughput over the host's
 * buffers, what a plane's core pays, and what idleness costs. Of each device that is there or that is asked for;
 * every figure is printed with the device that it was measured on. */
#include <getopt.h>
#include <sched.h>
#include <string.h>

#include "bench.h"

static const struct option long_options[] = {
	{"devices", required_argument, NULL, 'd'},
	{"only", required_argument, NULL, 'o'},
	{"repetitions", required_argument, NULL, 'r'},
	{"ms", required_argument, NULL, 't'},
	{"samples", required_argument, NULL, 's'},
	{"lanes", required_argument, NULL, 'l'},
	{"v4", required_argument, NULL, '4'},
	{"v6", required_argument, NULL, '6'},
	{"changes", required_argument, NULL, 'u'},
	{"kpps", required_argument, NULL, 'p'},
	{"core", required_argument, NULL, 'c'},
	{"seed", required_argument, NULL, 'x'},
	{"json", required_argument, NULL, 'j'},
	{"quick", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static const char usage[] =
	"usage: accel [OPTION]...\n"
	"  --devices LIST     of these kinds or devices: cpu,cuda,opencl:1,host (all that are "
	"there)\n"
	"  --only LIST        of program,latency,throughput,plane,nic,rest (all)\n"
	"  --repetitions N    times that everything is measured, in turns (5)\n"
	"  --ms MS            milliseconds of each measurement (100)\n"
	"  --samples N        bursts whose way is timed, each time (2000)\n"
	"  --lanes N          that the program alone is measured with (8 on a CPU, 64 on others)\n"
	"  --v4 N, --v6 N     routes to generate (a full table)\n"
	"  --changes N        of the tables a second; 0: none (100000)\n"
	"  --kpps N           pace of bursts among others, if the device can, in 1000 packets a "
	"second\n"
	"                     (14880)\n"
	"  --core N           of the thread that submits; others get the others (the last "
	"allowed)\n"
	"  --seed N           of everything that is random (1)\n"
	"  --json FILE        write everything that was measured\n"
	"  --quick            small tables and few turns: to see that it works\n";

static void set_quick(struct settings *o)
{
	o->quick = true;
	o->repetitions = 1;
	o->ms = 10;
	o->samples = 100;
	o->n4 = 20000;
	o->n6 = 5000;
	o->changes = 20000;
}

/* "program,rest" */
static void set_parts(struct settings *o)
{
	char *copy = checked(strdup(o->only)), *rest = copy, *name;

	while ((name = strsep(&rest, ","))) {
		enum part p = 0;

		while (p < PARTS && strcmp(name, part_names[p]))
			p++;
		if (p == PARTS)
			die("--only: no measurement is called \"%s\"; try: accel --help", name);
		o->parts[p] = true;
	}
	free(copy);
}

static void set_option(struct settings *o, int c)
{
	switch (c) {
	case 'd':
		o->devices = optarg;
		break;
	case 'o':
		o->only = optarg;
		break;
	case 'r':
		o->repetitions = number("--repetitions", optarg, 1, SERIES_MAX);
		break;
	case 't':
		o->ms = number("--ms", optarg, 1, 60000);
		break;
	case 's':
		o->samples = number("--samples", optarg, 1, 1000000);
		break;
	case 'l':
		o->lanes = number("--lanes", optarg, 1, MAILBOX_LANES_MAX);
		break;
	case '4':
		o->n4 = number("--v4", optarg, 1, ROUTES_FULL4);
		break;
	case '6':
		o->n6 = number("--v6", optarg, 1, ROUTES_FULL6);
		break;
	case 'u':
		o->changes = number("--changes", optarg, 0, 10000000);
		break;
	case 'p':
		o->mpps = (double)number("--kpps", optarg, 1, 10000000) / 1e3;
		break;
	case 'c':
		o->core = number("--core", optarg, 0, CPU_SETSIZE - 1);
		break;
	case 'x':
		o->seed = number("--seed", optarg, 0, 1ull << 32);
		break;
	case 'j':
		o->json = optarg;
		break;
	case 'q':
		break;
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	default:
		die("try: accel --help");
	}
}

static void read_options(struct settings *o, int argc, char **argv)
{
	int c;

	*o = (struct settings){
		.repetitions = 5,
		.ms = 100,
		.samples = 2000,
		.n4 = ROUTES_FULL4,
		.n6 = ROUTES_FULL6,
		.changes = 100000,
		.seed = 1,
		.core = CORE_ANY,
		.mpps = LINE_RATE_10G,
	};
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--quick")) /* a default: other options change it */
			set_quick(o);
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		set_option(o, c);
	if (optind < argc)
		die("\"%s\": no such argument; try: accel --help", argv[optind]);
	if (o->only)
		set_parts(o);
	else
		memset(o->parts, true, sizeof(o->parts));
}

/* ---- cores ---- */

/* The last core that is allowed is the submitter's, unless another was asked for; the others are the
 * accelerator's. With one core alone, or to see that it works, nobody is bound. */
static void choose_cores(struct bench *b)
{
	cpu_set_t *all = &b->elsewhere;

	if (sched_getaffinity(0, sizeof(*all), all))
		die("cannot tell the cores: %s", strerror(errno));
	b->core = -1;
	if (b->settings.quick || CPU_COUNT(all) < 2)
		return;
	if (b->settings.core == CORE_ANY)
		for (int i = 0; i < CPU_SETSIZE; i++)
			b->core = CPU_ISSET(i, all) ? i : b->core;
	else
		b->core = (int)b->settings.core;
	CPU_ZERO(&b->here);
	CPU_SET(b->core, &b->here);
	CPU_CLR(b->core, all);
}

static void bind_to(const struct bench *b, const cpu_set_t *set)
{
	if (b->core >= 0 && sched_setaffinity(0, sizeof(*set), set))
		die("cannot run on the cores wanted: %s", strerror(errno));
}

void threads_elsewhere(const struct bench *b)
{
	bind_to(b, &b->elsewhere);
}

void thread_here(const struct bench *b)
{
	bind_to(b, &b->here);
}

/* ---- devices ---- */

/* Whether `name` ("host", "opencl:1") is in the list; a kind stands for all its devices. */
static bool wanted(const char *list, const char *kind, unsigned index)
{
	char name[32], *copy, *rest, *one;
	bool found = false;

	if (!list)
		return true;
	snprintf(name, sizeof(name), "%s:%u", kind, index);
	rest = copy = checked(strdup(list));
	while ((one = strsep(&rest, ",")))
		found |= !strcmp(one, kind) || !strcmp(one, name);
	free(copy);
	return found;
}

static struct device *add_device(struct bench *b)
{
	struct device *d = &b->devices[b->n_devices++];

	if (b->n_devices == DEVICES_MAX)
		die("more than %u devices: name some with --devices", DEVICES_MAX - 1);
	return d;
}

/* What measured it is said in plain words. */
static void name_device(struct device *d)
{
	const struct pl_accel_info *i = &d->info;
	const char *what = "";

	if (i->kind == PL_ACCEL_HOST)
		what = ": threads of this processor that stand in for an accelerator";
	else if (!i->memory_bytes)
		what = ": a CPU, no GPU";
	snprintf(d->label, sizeof(d->label), "%s:%u: %s (%s)%s%s%s", pl_accel_kind_name(i->kind),
		 i->index, i->name, i->driver, what,
		 i->no_persistent ? "; no persistent program: " : "",
		 i->no_persistent ? i->why.what : "");
}

static void find_devices(struct bench *b)
{
	struct pl_accel_info infos[DEVICES_MAX];
	const char *list = b->settings.devices;
	unsigned n = pl_accel_scan(infos, DEVICES_MAX);

	if (wanted(list, "cpu", 0)) {
		struct device *d = add_device(b);

		d->cpu = true;
		snprintf(d->label, sizeof(d->label),
			 "cpu: nic-cpu's own program on the submitting core (%s), for comparison",
			 cpu_isa_name(cpu_isa_best()));
	}
	for (unsigned i = 0; i < n; i++) {
		const char *kind = pl_accel_kind_name(infos[i].kind);

		if (infos[i].unusable && wanted(list, kind, infos[i].index))
			printf("%s: not measured: %s\n", kind, infos[i].why.what);
		if (infos[i].unusable || !wanted(list, kind, infos[i].index))
			continue;
		struct device *d = add_device(b);

		d->info = infos[i];
		name_device(d);
	}
	if (!b->n_devices)
		die("--devices: none of these is there");
}

enum pl_accel_launch device_launch(const struct device *d)
{
	return d->info.no_persistent ? PL_ACCEL_BURST : PL_ACCEL_PERSISTENT;
}

/* ---- all of it ---- */

static void measure(struct bench *b)
{
	static void (*const measurements[PARTS])(struct bench * b, struct device * d) = {
		program_measure, latency_measure, throughput_measure,
		plane_measure,	 nic_measure,	  rest_measure};

	for (unsigned r = 0; r < b->settings.repetitions; r++)
		for (enum part p = 0; p < PARTS; p++)
			for (unsigned i = 0; i < b->n_devices; i++)
				if (b->settings.parts[p] && !(b->devices[i].cpu && p))
					measurements[p](b, &b->devices[i]);
}

int main(int argc, char **argv)
{
	struct bench *b = checked(calloc(1, sizeof(*b)));

	read_options(&b->settings, argc, argv);
	choose_cores(b);
	threads_elsewhere(b);
	find_devices(b);
	thread_here(b);
	bench_make(b, program_frames(b));
	measure(b);
	for (unsigned i = 0; i < b->n_devices; i++)
		report_print(b, &b->devices[i]);
	if (b->settings.json)
		report_json(b, argc, argv);
	bench_free(b);
	free(b);
	return EXIT_SUCCESS;
}
