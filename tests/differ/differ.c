/* SPDX-License-Identifier: BSD-2-Clause */
/* Feeds frames to both routers, window by window, and reports what differs.
 *
 * A window whose outputs differ is sent again frame by frame. A difference counts if it shows each
 * time one frame is sent alone, or each time the window is; what does not come back was the doing
 * of load or of a moment (a neighbour that one router had learned of before the other) and is only
 * told and counted. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../bench/net/options.h"
#include "differ.h"

#define REPEATS 3u
#define REPORTS_MAX 100u
#define SEQUENCE_PRINTED 8u /* frames up to which a sequence is printed in full */

struct options {
	struct device_names names;
	uint64_t seed, first, count;
	unsigned window;
	double seconds, progress_s;
	unsigned reports; /* give up after so many */
	bool print;	  /* say what becomes of every frame */
	bool padded;	  /* frames have the length that they have on a wire */
};

static const char usage[] =
	"usage: differ --kernel DEV,DEV,DEV --peerlane DEV,DEV,DEV [--seed N] [--first N]\n"
	"              [--count N] [--seconds S] [--window N] [--progress S] [--reports N] "
	"[--print]\n"
	"              [--padded]\n"
	"The devices lead to the routers' ports. Sends frames FIRST to FIRST + COUNT - 1 of the "
	"seed, or\n"
	"as many as the seconds allow. Exits with 1 if there was a difference. --print sends one "
	"frame\n"
	"at a time and says what came of it. --padded: as on a wire, frames have 60 bytes at "
	"least,\n"
	"and what comes out may be padded with zeros.";

static const struct option option_table[] = {
	{"kernel", required_argument, NULL, 'k'},  {"peerlane", required_argument, NULL, 'p'},
	{"seed", required_argument, NULL, 's'},	   {"first", required_argument, NULL, 'f'},
	{"count", required_argument, NULL, 'c'},   {"seconds", required_argument, NULL, 't'},
	{"window", required_argument, NULL, 'w'},  {"progress", required_argument, NULL, 'g'},
	{"reports", required_argument, NULL, 'r'}, {"print", no_argument, NULL, 'v'},
	{"padded", no_argument, NULL, 'P'},	   {0},
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void set_devices(const char *name[PORTS], char *list)
{
	for (unsigned port = 0; port < PORTS; port++) {
		name[port] = strsep(&list, ",");
		if (!name[port])
			die("%u devices are needed", PORTS);
	}
}

static struct options parse_options(int argc, char **argv)
{
	struct options o = {.seed = 1, .window = WINDOW_MAX, .progress_s = 60, .reports = 10};
	int letter;

	while ((letter = getopt_long(argc, argv, "", option_table, NULL)) != -1) {
		switch (letter) {
		case 'k':
			set_devices(o.names.of[KERNEL], optarg);
			break;
		case 'p':
			set_devices(o.names.of[PEERLANE], optarg);
			break;
		case 's':
			o.seed = number("seed", optarg, 0, UINT64_MAX);
			break;
		case 'f':
			o.first = number("first", optarg, 0, UINT64_MAX / 2);
			break;
		case 'c':
			o.count = number("count", optarg, 1, UINT64_MAX / 2);
			break;
		case 't':
			o.seconds = (double)number("seconds", optarg, 1, 1000000);
			break;
		case 'w':
			o.window = (unsigned)number("window", optarg, 1, WINDOW_MAX);
			break;
		case 'g':
			o.progress_s = (double)number("progress", optarg, 1, 1000000);
			break;
		case 'r':
			o.reports = (unsigned)number("reports", optarg, 1, REPORTS_MAX);
			break;
		case 'v':
			o.print = true;
			break;
		case 'P':
			o.padded = true;
			break;
		default:
			die("%s", usage);
		}
	}
	if (optind != argc || !o.names.of[KERNEL][0] || !o.names.of[PEERLANE][0] ||
	    (!o.count && o.seconds == 0))
		die("%s", usage);
	return o;
}

struct differ {
	struct options options;
	struct links *links;
	struct outputs out[TWINS];
	struct frame window[WINDOW_MAX];
	double begin, told;
	uint64_t done, outputs; /* frames sent; outputs compared */
	uint64_t differences;	/* that came back */
	uint64_t passing;	/* windows that differed once only */
	uint64_t accepted[ACCEPTED_COUNT];
};

/* As what is too short for Ethernet is padded by who sends it. */
static void pad(struct frame *frame)
{
	if (frame->len >= PADDED_LEN)
		return;
	memset(frame->bytes + frame->len, 0, PADDED_LEN - frame->len);
	frame->len = PADDED_LEN;
}

static struct verdict exchange(struct differ *d, const struct frame *frames, unsigned n)
{
	links_exchange(d->links, frames, n, d->out);
	for (unsigned twin = 0; twin < TWINS; twin++) {
		if (d->out[twin].overflow)
			die("more than %u frames came out of %u", OUTPUTS_MAX, n);
		if (d->options.padded)
			strip_padding(&d->out[twin]);
		normalise(&d->out[twin]);
	}
	return compare(d->out, frames, n);
}

static bool differs(struct verdict verdict)
{
	return verdict.unexplained || verdict.order;
}

/* ---- the report ---- */

static void print_outputs(const struct differ *d, bool left_over_only)
{
	static const char *const who[TWINS] = {"kernel", "peerlane"};

	for (unsigned twin = 0; twin < TWINS; twin++) {
		unsigned printed = 0;

		for (unsigned i = 0; i < d->out[twin].n; i++) {
			const struct output *o = &d->out[twin].at[i];

			if (left_over_only && !o->left_over)
				continue;
			printf("  %s, port %u%s: ", who[twin], o->port + 1,
			       o->left_over ? ", only there" : "");
			describe(stdout, o->bytes, o->len);
			printf("\n    ");
			hex(stdout, o->bytes, o->len);
			printf("\n");
			printed++;
		}
		if (!printed && !left_over_only)
			printf("  %s: nothing\n", who[twin]);
	}
}

static void print_frame(const struct frame *frame)
{
	printf("  frame %lu, into port %u: ", frame->number, frame->port + 1);
	describe(stdout, frame->bytes, frame->len);
	printf("\n    ");
	hex(stdout, frame->bytes, frame->len);
	printf("\n");
}

static void report(struct differ *d, const struct frame *frames, unsigned n)
{
	d->differences++;
	if (n == 1)
		printf("DIFFERENCE\n");
	else
		printf("DIFFERENCE in a sequence of %u frames, none of which differs alone\n", n);
	for (unsigned i = 0; i < n && n <= SEQUENCE_PRINTED; i++)
		print_frame(&frames[i]);
	print_outputs(d, n > SEQUENCE_PRINTED);
	printf("  again: --seed %lu --first %lu%s --count %u%s\n", d->options.seed, frames->number,
	       d->options.padded ? " --padded" : "", n, n == 1 ? " --print" : "");
	fflush(stdout);
}

/* ---- replay ---- */

/* The kernel limits the errors it sends to one host by time (a token a second): one second more and
 * both have a token again. */
static void refill(void)
{
	nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 200000000}, NULL);
}

/* Whether the frames differ each time they are sent. The last outputs stay in d->out. */
static bool comes_back(struct differ *d, const struct frame *frames, unsigned n)
{
	for (unsigned i = 0; i < REPEATS; i++) {
		if (i)
			refill();
		if (!differs(exchange(d, frames, n)))
			return false;
	}
	return true;
}

/* The shortest run of frames that differs, found by leaving out halves. */
static void narrow(struct differ *d, const struct frame **frames, unsigned *n)
{
	while (*n > 1) {
		unsigned half = *n / 2;

		if (differs(exchange(d, *frames, half))) {
			*n = half;
		} else if (differs(exchange(d, *frames + half, *n - half))) {
			*frames += half;
			*n -= half;
		} else {
			return;
		}
	}
}

/* Of the outputs just compared, one of those left over, in a line. */
static void print_passing(const struct differ *d, const struct verdict *verdict, uint64_t first)
{
	const struct output *o = NULL;

	for (unsigned twin = 0; twin < TWINS; twin++)
		for (unsigned i = 0; i < d->out[twin].n && !o; i++)
			if (d->out[twin].at[i].left_over)
				o = &d->out[twin].at[i];
	printf("once: frames from %lu: %u left over%s", first, verdict->unexplained,
	       verdict->order ? ", order" : "");
	if (o) {
		printf(", among them one of port %u: ", o->port + 1);
		describe(stdout, o->bytes, o->len);
	}
	printf("\n");
	fflush(stdout);
}

static void replay(struct differ *d, const struct frame *frames, unsigned n)
{
	uint64_t before = d->differences;

	for (unsigned i = 0; i < n && !stopped && d->differences < d->options.reports; i++)
		if (differs(exchange(d, frames + i, 1)) && comes_back(d, frames + i, 1))
			report(d, frames + i, 1);
	if (d->differences > before || stopped)
		return;
	if (!comes_back(d, frames, n)) {
		d->passing++;
		return;
	}
	narrow(d, &frames, &n);
	if (comes_back(d, frames, n))
		report(d, frames, n);
	else
		d->passing++;
}

/* ---- windows ---- */

static void count(struct differ *d, const struct verdict *verdict, unsigned n)
{
	d->done += n;
	for (unsigned twin = 0; twin < TWINS; twin++)
		d->outputs += d->out[twin].n;
	for (unsigned a = 0; a < ACCEPTED_COUNT; a++)
		d->accepted[a] += verdict->accepted[a];
}

static void run_window(struct differ *d, uint64_t first, unsigned n)
{
	struct verdict verdict;

	for (unsigned i = 0; i < n; i++) {
		generate(&d->window[i], d->options.seed, first + i);
		if (d->options.padded)
			pad(&d->window[i]);
	}
	verdict = exchange(d, d->window, n);
	count(d, &verdict, n);
	if (d->options.print) {
		print_frame(d->window);
		print_outputs(d, false);
	}
	if (differs(verdict)) {
		print_passing(d, &verdict, first);
		replay(d, d->window, n);
	}
}

static void tell(const struct differ *d, bool end)
{
	double seconds = now_s() - d->begin;

	printf("%s: seed %lu, frames %lu to %lu, %lu outputs, %.0f s, %.0f frames/s: "
	       "%lu differences, %lu passing",
	       end ? "result" : "so far", d->options.seed, d->options.first,
	       d->options.first + d->done - (d->done > 0), d->outputs, seconds,
	       (double)d->done / seconds, d->differences, d->passing);
	for (unsigned a = 1; a < ACCEPTED_COUNT; a++)
		printf(", %s %lu", accepted_name(a), d->accepted[a]);
	printf("\n");
	fflush(stdout);
}

static void run(struct differ *d)
{
	const struct options *o = &d->options;
	unsigned window = o->print ? 1 : o->window;

	d->begin = d->told = now_s();
	while (!stopped && d->differences < o->reports && (!o->count || d->done < o->count)) {
		uint64_t left = o->count ? o->count - d->done : window;

		if (o->seconds > 0 && now_s() - d->begin > o->seconds)
			break;
		run_window(d, o->first + d->done, left < window ? (unsigned)left : window);
		if (now_s() - d->told > o->progress_s) {
			d->told = now_s();
			tell(d, false);
		}
	}
	tell(d, true);
}

/* A frame that one router never got proves nothing of the other. */
static bool refusals_differ(const struct links *links)
{
	unsigned kernel = links_refused(links, KERNEL), peerlane = links_refused(links, PEERLANE);

	if (kernel != peerlane)
		printf("DIFFERENCE\n  the kernel's devices refused %u frames, peerlane's %u\n",
		       kernel, peerlane);
	return kernel != peerlane;
}

/* All we send to the kernel's router it does on our core, one frame after the other: on two cores
 * it could change their order. */
static void stay_on_this_core(void)
{
	cpu_set_t cores;

	CPU_ZERO(&cores);
	CPU_SET((size_t)sched_getcpu(), &cores);
	if (sched_setaffinity(0, sizeof(cores), &cores))
		die("cannot stay on a core: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct differ *d = calloc(1, sizeof(*d));
	bool failed;

	if (!d)
		die("no memory");
	d->options = parse_options(argc, argv);
	for (unsigned twin = 0; twin < TWINS; twin++) {
		d->out[twin].at = calloc(OUTPUTS_MAX, sizeof(struct output));
		if (!d->out[twin].at)
			die("no memory");
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	stay_on_this_core();
	d->links = links_open(&d->options.names);
	run(d);
	failed = refusals_differ(d->links) || d->differences > 0;
	links_close(d->links);
	for (unsigned twin = 0; twin < TWINS; twin++)
		free(d->out[twin].at);
	free(d);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
