/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver of Intel NICs costs, on emulated ones: an 82599 whose registers, descriptors and interrupts
 * are those of the datasheet, and whose DMA is the work of a processor. No NIC takes part, and none of these
 * figures is one of a NIC's. */
#include <getopt.h>
#include <string.h>

#include "bench.h"

struct results {
	struct forward program, answer;
	struct cost driver[2], plane[2]; /* all on one core; apart */
	struct wakeup wakeup;
};

static const char usage[] =
	"usage: nic [-jq] [-c PLANE_CORE] [-e EMULATOR_CORE] [-r REPETITIONS] [-t MS] [-n FRAMES]\n"
	"           [-d DESCRIPTORS] [-w WAKEUPS]\n"
	"  -j  JSON\n"
	"  -q  quick: whether it works, not how fast it is\n"
	"  -c  core of the plane (1)\n"
	"  -e  core of the emulator (0)\n"
	"  -r  times that everything is measured, in turns (11)\n"
	"  -t  milliseconds for each time (200)\n"
	"  -n  different frames (16384)\n"
	"  -d  descriptors in each ring (1024)\n"
	"  -w  frames that wake the plane (2000; 0: none)\n";

/* Wherever the scheduler puts it. */
static void be_quick(struct options *o)
{
	o->repetitions = 1;
	o->ms = 20;
	o->wakeups = 20;
	o->plane_core = o->emu_core = -1;
}

static void read_options(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){.repetitions = 11,
			      .ms = 200,
			      .frames = 16384,
			      .ring = 1024,
			      .wakeups = 2000,
			      .plane_core = 1};
	while ((c = getopt(argc, argv, "jqc:e:r:t:n:d:w:h")) != -1) {
		if (c == 'j')
			o->json = true;
		else if (c == 'q')
			be_quick(o);
		else if (c == 'c')
			o->plane_core = (int)number("-c", optarg, 0, CPU_SETSIZE - 1);
		else if (c == 'e')
			o->emu_core = (int)number("-e", optarg, 0, CPU_SETSIZE - 1);
		else if (c == 'r')
			o->repetitions = (unsigned)number("-r", optarg, 1, REPETITIONS_MAX);
		else if (c == 't')
			o->ms = (unsigned)number("-t", optarg, 1, 100000);
		else if (c == 'n')
			o->frames = (unsigned)number("-n", optarg, 1, 1 << 24);
		else if (c == 'd')
			o->ring = (unsigned)power_of_two("-d", optarg, PL_NIC_RING_MAX);
		else if (c == 'w')
			o->wakeups = (unsigned)number("-w", optarg, 0, WAKEUPS_MAX);
		else
			die("%s", usage);
	}
}

static void measure(const struct options *o, struct results *r)
{
	struct world *w = world_open(o, NULL);

	for (unsigned i = 0; i < o->repetitions; i++) {
		forward_measure(w, o, &w->program, &r->program);
		forward_measure(w, o, &w->answer, &r->answer);
		for (unsigned apart = 0; apart < 2; apart++) {
			cost_measure(w, o, NULL, apart, &r->driver[apart]);
			cost_measure(w, o, &w->program, apart, &r->plane[apart]);
		}
	}
	world_close(w);
	if (o->wakeups)
		wakeup_measure(o, &r->wakeup);
	for (unsigned i = 0; i < 2; i++) {
		struct forward *f = i ? &r->answer : &r->program;

		figures_sort(&f->mpps);
		figures_sort(&f->plane_idle);
		figures_sort(&f->emu_idle);
		figures_sort(&f->burst);
		figures_sort(&r->driver[i].ours);
		figures_sort(&r->driver[i].emulator);
		figures_sort(&r->plane[i].ours);
	}
}

/* ---- results ---- */

static double percentile(const double *sorted, unsigned n, unsigned percent)
{
	return sorted[(unsigned long long)(n - 1) * percent / 100];
}

static void print_forward(const char *name, const struct forward *f)
{
	printf("%-24s %8.2f %8.2f %8.2f %11.0f %% %9.0f %% %10.0f\n", name, f->mpps.value[0],
	       figures_median(&f->mpps), f->mpps.value[f->mpps.n - 1],
	       100 * figures_median(&f->plane_idle), 100 * figures_median(&f->emu_idle),
	       figures_median(&f->burst));
	if (f->disturbed)
		printf("%24s others had a share of a core in %u of %u repetitions\n", "",
		       f->disturbed, f->mpps.n);
}

static void print_cost(const char *name, const struct figures *f)
{
	printf("%-44s %8.2f %8.2f %8.2f\n", name, f->value[0], figures_median(f),
	       f->value[f->n - 1]);
}

static void print_wakeup(const char *name, const double *us, unsigned n)
{
	printf("%-44s %8.1f %8.1f %8.1f\n", name, us[0], us[n / 2], percentile(us, n, 99));
}

static void print_table(const struct options *o, const struct results *r)
{
	printf("emulated 82599, 64-byte frames (with FCS), rings of %u, %u repetitions of %u "
	       "ms\n\n",
	       o->ring, o->repetitions, o->ms);
	printf("%-24s %8s %8s %8s %13s %11s %10s\n", "one plane forwards, Mpps", "min", "median",
	       "max", "plane idle", "emu idle", "per turn");
	print_forward("the packet program", &r->program);
	print_forward("answering \"transmit\"", &r->answer);
	printf("\n%-44s %8s %8s %8s\n", "ns per packet", "min", "median", "max");
	print_cost("driver, RX and TX; all on one core", &r->driver[0].ours);
	print_cost("driver, RX and TX; emulator on the other", &r->driver[1].ours);
	print_cost("plane with the packet program; one core", &r->plane[0].ours);
	print_cost("plane with the packet program; the other", &r->plane[1].ours);
	print_cost("emulator, in and out; one core", &r->driver[0].emulator);
	print_cost("emulator, in and out; driver on the other", &r->driver[1].emulator);
	if (!o->wakeups)
		return;
	printf("\n%-44s %8s %8s %8s\n", "us until a sleeping plane has a frame", "min", "median",
	       "99 %");
	print_wakeup("from the NIC's taking it on", r->wakeup.from_nic, r->wakeup.n);
	print_wakeup("from the wire, the emulator asleep, too", r->wakeup.from_wire, r->wakeup.n);
}

static void print_figures(const char *name, const struct figures *f)
{
	printf("  \"%s\": {\"min\": %.3f, \"median\": %.3f, \"max\": %.3f},\n", name, f->value[0],
	       figures_median(f), f->value[f->n - 1]);
}

static void print_us(const char *name, const double *us, unsigned n)
{
	printf("  \"%s\": {\"min\": %.3f, \"median\": %.3f, \"p99\": %.3f},\n", name, us[0],
	       us[n / 2], percentile(us, n, 99));
}

static void print_json(const struct options *o, const struct results *r)
{
	printf("{\n");
	print_figures("forward_program_mpps", &r->program.mpps);
	print_figures("forward_program_plane_idle", &r->program.plane_idle);
	print_figures("forward_program_emulator_idle", &r->program.emu_idle);
	print_figures("forward_answer_mpps", &r->answer.mpps);
	print_figures("driver_ns", &r->driver[0].ours);
	print_figures("driver_apart_ns", &r->driver[1].ours);
	print_figures("plane_ns", &r->plane[0].ours);
	print_figures("plane_apart_ns", &r->plane[1].ours);
	print_figures("emulator_ns", &r->driver[0].emulator);
	print_figures("emulator_apart_ns", &r->driver[1].emulator);
	if (o->wakeups) {
		print_us("wakeup_from_nic_us", r->wakeup.from_nic, r->wakeup.n);
		print_us("wakeup_from_wire_us", r->wakeup.from_wire, r->wakeup.n);
	}
	printf("  \"device\": \"emulated 82599\", \"frame_bytes\": 64, \"ring\": %u, "
	       "\"repetitions\": %u, \"ms\": %u, \"disturbed\": %u\n}\n",
	       o->ring, o->repetitions, o->ms, r->program.disturbed + r->answer.disturbed);
}

int main(int argc, char **argv)
{
	static struct results r;
	struct options o;

	read_options(&o, argc, argv);
	measure(&o, &r);
	if (o.json)
		print_json(&o, &r);
	else
		print_table(&o, &r);
	free(r.wakeup.from_wire);
	free(r.wakeup.from_nic);
	return EXIT_SUCCESS;
}
