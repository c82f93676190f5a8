/* SPDX-License-Identifier: BSD-2-Clause */
/* What a shared wire carries (emu/wire_shared.c): the NIC's side on one core, called as the emulator calls
 * it, the far end on another. No NIC takes part: this bounds what one, or a generator, can do by it. */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <emu/wire_client.h>

#include "bench.h"

#define BURST 64u
#define LEN_MAX 9014u

/* Measured in turns. */
enum { TO_NIC, FROM_NIC, BOTH, WAYS };

static const char *const names[WAYS] = {
	"to the NIC",
	"from the NIC",
	"to the NIC and back",
};

static const char usage[] =
	"usage: wire [-jq] [-c CORE] [-e NIC_CORE] [-r REPETITIONS] [-t MS] [-l BYTES]\n"
	"  -j  JSON\n"
	"  -q  quick: whether it works, not how fast it is\n"
	"  -c  core of the far end (1)\n"
	"  -e  core of the NIC's side (0)\n"
	"  -r  times that everything is measured, in turns (11)\n"
	"  -t  milliseconds for each time (200)\n"
	"  -l  bytes of a frame on the wire, FCS and all: 64 to 9018 (64)\n";

struct choice {
	unsigned repetitions, ms, len;
	int core, nic_core;
	bool json;
};

static struct emu_frame frames[BURST];
static uint8_t bytes[BURST][LEN_MAX];

/* ---- the NIC's side ---- */

struct nic_side {
	struct emu_wire *wire;
	int core;
	atomic_int way;
	atomic_bool stop;
};

static void *play_nic(void *arg)
{
	struct nic_side *side = arg;
	struct emu_wire *wire = side->wire;
	struct emu_frame got[BURST];
	double looked = 0;

	pin(side->core);
	while (!atomic_load_explicit(&side->stop, memory_order_relaxed)) {
		int way = atomic_load_explicit(&side->way, memory_order_relaxed);
		unsigned n = wire->ops->arrived(wire, got, BURST);

		if (way == FROM_NIC)
			wire->ops->send(wire, frames, BURST);
		else if (way == BOTH && n)
			wire->ops->send(wire, got, n);
		/* As often as the emulator. */
		if (now_s() - looked < 0.001)
			continue;
		looked = now_s();
		wire->ops->look(wire);
	}
	return NULL;
}

/* ---- the far end ---- */

/* Returns how many frames passed. */
static uint64_t turn(struct wire_client *client, int way)
{
	struct emu_frame got[BURST];
	unsigned sent = 0, received = 0;

	if (way != FROM_NIC)
		sent = wire_client_send(client, frames, BURST);
	if (way != TO_NIC)
		received = wire_client_receive(client, got, BURST);
	return way == TO_NIC ? sent : received;
}

/* Frames a second, in millions. */
static double measure(struct wire_client *client, struct nic_side *side, int way, unsigned ms)
{
	double start, end, now;
	uint64_t n = 0;

	atomic_store_explicit(&side->way, way, memory_order_relaxed);
	end = now_s() + ms / 5000.0;
	do
		turn(client, way);
	while (now_s() < end);
	start = now_s();
	end = start + ms / 1000.0;
	do {
		for (unsigned i = 0; i < 16; i++)
			n += turn(client, way);
		now = now_s();
	} while (now < end);
	if (!wire_client_link(client))
		die("the link has gone");
	return (double)n / (now - start) / 1e6;
}

static void run(const struct choice *o, struct figures results[WAYS])
{
	char folder[] = "/tmp/bench-wire-XXXXXX", path[64];
	struct nic_side side = {.core = o->nic_core};
	struct wire_client *client;
	struct pl_error err;
	pthread_t thread;
	uint8_t mac[6];

	if (!mkdtemp(folder))
		die("%s: %s", folder, strerror(errno));
	snprintf(path, sizeof(path), "%s/wire", folder);
	if (emu_wire_shared(path, &side.wire, mac, &err))
		die("%s", err.what);
	for (unsigned i = 0; i < BURST; i++) {
		memset(bytes[i], (int)i, sizeof(bytes[i]));
		frames[i] = (struct emu_frame){bytes[i], o->len - 4};
	}
	if (pthread_create(&thread, NULL, play_nic, &side))
		die("cannot start a thread");
	if (wire_client_join(path, &client, &err))
		die("%s", err.what);
	pin(o->core);
	for (unsigned i = 0; i < o->repetitions; i++)
		for (int way = 0; way < WAYS; way++)
			figures_add(&results[way], measure(client, &side, way, o->ms));
	atomic_store_explicit(&side.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	wire_client_leave(client);
	side.wire->ops->close(side.wire);
	rmdir(folder);
}

/* ---- options and results ---- */

static void read_choice(struct choice *o, int argc, char **argv)
{
	int c;

	*o = (struct choice){.repetitions = 11, .ms = 200, .len = 64, .core = 1};
	while ((c = getopt(argc, argv, "jqc:e:r:t:l:h")) != -1) {
		if (c == 'j') {
			o->json = true;
		} else if (c == 'q') {
			o->repetitions = 1;
			o->ms = 20;
			o->core = o->nic_core = -1;
		} else if (c == 'c') {
			o->core = (int)number("-c", optarg, 0, CPU_SETSIZE - 1);
		} else if (c == 'e') {
			o->nic_core = (int)number("-e", optarg, 0, CPU_SETSIZE - 1);
		} else if (c == 'r') {
			o->repetitions = (unsigned)number("-r", optarg, 1, REPETITIONS_MAX);
		} else if (c == 't') {
			o->ms = (unsigned)number("-t", optarg, 1, 100000);
		} else if (c == 'l') {
			o->len = (unsigned)number("-l", optarg, 64, LEN_MAX + 4);
		} else {
			die("%s", usage);
		}
	}
}

static void print(const struct choice *o, struct figures results[WAYS])
{
	if (o->json)
		printf("{\"frame_bytes\": %u, \"repetitions\": %u, \"ms\": %u", o->len,
		       o->repetitions, o->ms);
	else
		printf("shared wire, %u-byte frames (with FCS), %u repetitions of %u ms\n\n"
		       "%-24s %8s %8s %8s\n",
		       o->len, o->repetitions, o->ms, "Mpps", "min", "median", "max");
	for (unsigned way = 0; way < WAYS; way++) {
		struct figures *f = &results[way];

		figures_sort(f);
		if (o->json)
			printf(", \"%s\": {\"min\": %.2f, \"median\": %.2f, \"max\": %.2f}",
			       names[way], f->value[0], figures_median(f), f->value[f->n - 1]);
		else
			printf("%-24s %8.2f %8.2f %8.2f\n", names[way], f->value[0],
			       figures_median(f), f->value[f->n - 1]);
	}
	puts(o->json ? "}" : "");
}

int main(int argc, char **argv)
{
	static struct figures results[WAYS];
	struct choice o;

	read_choice(&o, argc, argv);
	run(&o, results);
	print(&o, results);
	return EXIT_SUCCESS;
}
