/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes what the flood sends off a device, counted and checked for order in the driver (sink.bpf.c).
 *
 * Prints the counters as a line of JSON whenever a line comes in on stdin; ends with its input,
 * which also detaches the program. */
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "wire.h"

/* Generated from the BPF program; needs the types above. */
#include "sink.skel.h"

static void print_counters(const struct sink_bpf *bpf)
{
	struct sink_counters sum = {0};

	for (unsigned i = 0; i < SINK_CPUS_MAX; i++) {
		const volatile struct sink_counters *c = &bpf->bss->counters[i];

		sum.packets += c->packets;
		sum.bytes += c->bytes;
		sum.repeated += c->repeated;
		sum.late += c->late;
	}
	printf("{\"time_s\": %.6f, \"packets\": %llu, \"bytes\": %llu, \"repeated\": %llu, "
	       "\"late\": %llu}\n",
	       now_s(), sum.packets, sum.bytes, sum.repeated, sum.late);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sink_bpf *bpf;
	struct bpf_link *link;
	unsigned ifindex;
	char line[64];

	if (argc != 2)
		die("usage: sink DEVICE");
	ifindex = if_nametoindex(argv[1]);
	if (!ifindex)
		die("%s: %s", argv[1], strerror(errno));
	bpf = sink_bpf__open_and_load();
	if (!bpf)
		die("cannot load the BPF program: %s", strerror(errno));
	link = bpf_program__attach_xdp(bpf->progs.sink, ifindex);
	if (!link)
		die("%s: cannot attach: %s", argv[1], strerror(errno));
	print_counters(bpf);
	while (fgets(line, sizeof(line), stdin))
		print_counters(bpf);
	bpf_link__destroy(link);
	sink_bpf__destroy(bpf);
	return EXIT_SUCCESS;
}
