/* SPDX-License-Identifier: BSD-2-Clause */
/* What peerlane.ko must withstand, for a virtual machine (it may take the kernel down):
 *
 *   abuse ADDRESS [-m PEERLANE.KO] [-s FUZZ-SECONDS] [-r FUZZ-SEED] [-t TEST]...
 *
 * ADDRESS is an 82576 (QEMU's igb) that is bound to peerlane. Root is needed; huge pages of 2 MiB
 * are used where there are some. A line for each check, PASS, FAIL or SKIP; at the end how many.
 * Exits with 0 where nothing failed, and the kernel had nothing to say about it either. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <unistd.h>

const char *address, *module;
char node[80];
unsigned fuzz_seconds = 5;
uint64_t fuzz_seed = 1;

/* In this order: what takes the device away comes last. */
static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{"file", test_file},	   {"arguments", test_arguments}, {"bar", test_bar},
	{"sharing", test_sharing}, {"memory", test_memory},	  {"limits", test_limits},
	{"dma", test_dma},	   {"dmabuf", test_dmabuf},	  {"irq", test_irq},
	{"threads", test_threads}, {"cycles", test_cycles},	  {"fuzz", test_fuzz},
	{"errors", test_errors},   {"unbind", test_unbind},	  {"rmmod", test_rmmod},
};

#define N_TESTS (sizeof(tests) / sizeof(tests[0]))

/* What the kernel says when something is wrong with it. Out-of-tree modules taint, and may. */
static const char *const complaints[] = {
	"BUG",
	"WARNING",
	"Call Trace",
	"Oops",
	"general protection",
	"Bad page",
	"bad page",
	"poison",
	"Poison",
	"Redzone",
	"Object already",
	"lockdep",
	"INFO: task",
	"stall",
	"scheduling while atomic",
	"nobody cared",
	"DMAR: [",
	"DMAR: DRHD",
	"use-after-free",
	"refcount_t",
	"Slab cache still",
	"objects remaining",
	"sysfs: cannot create",
	"UBSAN",
	"not reset",
};

#define N_COMPLAINTS (sizeof(complaints) / sizeof(complaints[0]))

static void mark_log(void)
{
	int fd = open("/dev/kmsg", O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, "abuse: begin\n", 13);
		close(fd);
	}
}

static void test_log(void)
{
	static char log[1 << 20];
	int n = klogctl(3, log, sizeof(log) - 1); /* SYSLOG_ACTION_READ_ALL */
	char *begin, *line;
	unsigned found = 0;

	log[n > 0 ? n : 0] = 0;
	begin = strstr(log, "abuse: begin");
	if (!check(begin, "the kernel's log goes back to the beginning"))
		return;
	for (line = strtok(begin, "\n"); line; line = strtok(NULL, "\n"))
		for (size_t i = 0; i < N_COMPLAINTS; i++)
			if (strstr(line, complaints[i])) {
				printf("# %s\n", line);
				found++;
				break;
			}
	check(!found, "the kernel has nothing to complain of (%u lines)", found);
}

static bool wanted(const char *name, char *const *only, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, only[i]))
			return true;
	return !n;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: abuse ADDRESS [-m PEERLANE.KO] [-s SECONDS] [-r SEED] [-t TEST]...\n");
	exit(2);
}

extern unsigned n_passed, n_failed, n_skipped;

int main(int argc, char **argv)
{
	char *only[N_TESTS];
	int n_only = 0, opt;

	while ((opt = getopt(argc, argv, "m:s:r:t:")) != -1) {
		if (opt == 'm')
			module = optarg;
		else if (opt == 's')
			fuzz_seconds = atoi(optarg);
		else if (opt == 'r')
			fuzz_seed = strtoull(optarg, NULL, 0);
		else if (opt == 't' && n_only < (int)N_TESTS)
			only[n_only++] = optarg;
		else
			usage();
	}
	if (optind + 1 != argc)
		usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	address = argv[optind];
	snprintf(node, sizeof(node), "/dev/peerlane/%s", address);
	mark_log();
	for (size_t i = 0; i < N_TESTS; i++) {
		double begin = now();

		if (!wanted(tests[i].name, only, n_only))
			continue;
		printf("# %s\n", tests[i].name);
		tests[i].run();
		check(!pinned_pages(), "%s: no page is pinned afterwards (%ld)", tests[i].name,
		      pinned_pages());
		check(!irq_lines(), "%s: no interrupt is left (%ld)", tests[i].name, irq_lines());
		printf("# %s: %.1f s\n", tests[i].name, now() - begin);
	}
	test_log();
	printf("%u passed, %u failed, %u skipped\n", n_passed, n_failed, n_skipped);
	return n_failed ? 1 : 0;
}
