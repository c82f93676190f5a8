/* SPDX-License-Identifier: BSD-2-Clause */
#include "../frame.h"
#include "bench.h"

#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "../../router/tables/tables.h"

#define BUFFER_BYTES 2048u

static const uint8_t macs[N_NICS][6] = {{0x02, 0, 0, 0, 0, 0x01}, {0x02, 0, 0, 0, 0, 0x02}};

static void *checked(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

void figures_add(struct figures *f, double value)
{
	f->value[f->n++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void figures_sort(struct figures *f)
{
	qsort(f->value, f->n, sizeof(*f->value), by_value);
}

void pin(int core)
{
	cpu_set_t set;

	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on core %d: %s", core, strerror(errno));
}

/* ---- traffic ---- */

void world_frame(uint8_t *frame, unsigned i, uint32_t len)
{
	const uint8_t to[4] = {198, (uint8_t)(18 + (i >> 16 & 1)), (uint8_t)(i >> 8), (uint8_t)i};

	memset(frame, 0, len);
	memcpy(frame, macs[0], 6);
	memcpy(frame + 6, (uint8_t[]){0x02, 0, 0, 0, 2, 1}, 6);
	frame_udp4(frame, len, 64, to);
}

void world_traffic(struct world *w, unsigned n, uint32_t len)
{
	size_t room = (len + 63) & ~(size_t)63;

	free(w->frames);
	free(w->bytes);
	w->frames = checked(calloc(n, sizeof(*w->frames)));
	w->bytes = checked(aligned_alloc(64, n * room));
	for (unsigned i = 0; i < n; i++) {
		world_frame(w->bytes + i * room, i * 40503, len);
		w->frames[i] = (struct emu_frame){w->bytes + i * room, len};
	}
}

/* One route, out of the second NIC. */
static void make_program(struct world *w)
{
	struct nexthop_spec spec = {
		.kind = NEXTHOP_FORWARD,
		.mtu = 1500,
		.port = 1,
		.dmac = {0x02, 0, 0, 0, 1, 1},
	};
	struct prefix to;
	uint32_t nexthop;

	w->tables = checked(tables_new(pl_plane_synchronize, REASON_NO_ROUTE));
	for (uint16_t i = 0; i < N_NICS; i++)
		tables_port_set(w->tables, i, macs[i], true);
	memcpy(spec.smac, macs[1], 6);
	prefix_parse("198.18.0.0/15", &to);
	if (tables_nexthop_new(w->tables, &spec, &nexthop) ||
	    tables_route_set(w->tables, &to, nexthop))
		die("cannot set a route");
	tables_settle(w->tables);
	if (cpu_processor_init(&w->program, w->tables, cpu_isa_best()))
		die("no packet program");
}

static void transmit_all(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_TX, 1);
}

/* ---- NICs ---- */

static void illegal_use(void *ctx, const char *nic, const char *what)
{
	(void)ctx;
	die("%s (emulated): %s", nic, what);
}

static void open_nic(struct world *w, const struct options *o, unsigned i)
{
	static const char *const names[] = {"in", "out"};
	struct emu_nic_config config = {.name = names[i], .model = EMU_82599, .wire = w->wires[i]};
	struct pl_nic_config nic = {
		.name = names[i], .n_queues = 1, .ring_size = o->ring, .mtu = 1500};
	struct pl_error err;

	memcpy(config.mac, macs[i], 6);
	if (emu_add(w->emu, &config, &w->pci[i], &err) ||
	    pl_nic_open(&w->nics[i], w->pci[i], &nic, &err) ||
	    pl_nic_queue_open(w->nics[i], 0, &w->plane.pool, &w->queues[i], &err))
		die("%s", err.what);
}

/* Starts both, and waits for their links. */
static void start_nics(struct world *w)
{
	struct pl_nic_link link = {0};
	struct pl_error err;
	double until = now_s() + 10;

	if (emu_start(w->emu, -1, &err))
		die("%s", err.what);
	for (unsigned i = 0; i < N_NICS; i++)
		if (pl_nic_start(w->nics[i], &err))
			die("%s", err.what);
	for (unsigned i = 0; i < N_NICS; i++)
		while (pl_nic_link(w->nics[i], &link) || !link.up)
			if (now_s() > until)
				die("no link");
	emu_stop(w->emu);
}

struct world *world_open(const struct options *o, struct emu_wire *const *wires)
{
	struct world *w = checked(aligned_alloc(_Alignof(struct world), sizeof(*w)));
	uint32_t buffers = N_NICS * pl_queue_bufs(o->ring) + PL_BURST_MAX;
	struct pl_error err;

	memset(w, 0, sizeof(*w));
	w->plane.cpu = o->plane_core;
	if (o->remote
		    ? pl_pool_init_remote(&w->plane.pool, o->remote, o->n_host, BUFFER_BYTES, &err)
		    : pl_pool_init(&w->plane.pool, buffers, BUFFER_BYTES, &err))
		die("%s", err.what);
	w->emu = checked(emu_new(illegal_use, NULL));
	world_traffic(w, o->frames, FRAME_BYTES);
	make_program(w);
	for (unsigned i = 0; i < N_NICS; i++) {
		w->wires[i] = checked(wires ? wires[i] : emu_wire_memory(NULL, NULL));
		open_nic(w, o, i);
		w->plane.ports[i].wire = w->queues[i];
	}
	w->plane.n_ports = N_NICS;
	w->answer = pl_immediate_processor(&w->immediate, transmit_all, NULL);
	w->plane.processor = w->answer;
	if (pl_plane_init(&w->plane, &err))
		die("%s", err.what);
	start_nics(w);
	return w;
}

void world_close(struct world *w)
{
	for (unsigned i = 0; i < N_NICS; i++) {
		pl_nic_stop(w->nics[i]);
		pl_queue_close(w->queues[i]);
		pl_nic_close(w->nics[i]);
		pl_pci_close(w->pci[i]);
	}
	emu_free(w->emu);
	if (pl_pool_free(&w->plane.pool) != w->plane.pool.n_bufs)
		die("%u buffers leaked", w->plane.pool.n_bufs - pl_pool_free(&w->plane.pool));
	pl_plane_fini(&w->plane);
	cpu_processor_fini(&w->program);
	tables_free(w->tables);
	pl_pool_fini(&w->plane.pool);
	free(w->frames);
	free(w->bytes);
	free(w);
}
