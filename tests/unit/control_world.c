/* SPDX-License-Identifier: BSD-2-Clause */
#include "control_world.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../router/control/devices.h"
#include "../../router/control/follow.h"
#include "../../router/control/punt_limits.h"
#include "../../router/control/reopen.h"

#define PORTS CONTROL_WORLD_PORTS

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test world: %s: %s\n", what, strerror(errno));
	abort();
}

/* A user namespace of our own gives the rights that an ordinary user lacks. */
static bool enter_namespace(void)
{
	char map[32];
	unsigned uid = getuid();
	FILE *file;

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	file = fopen("/proc/self/uid_map", "we");
	if (!file)
		return false;
	fputs(map, file);
	return fclose(file) == 0;
}

static void run_mirror(struct control_world *w)
{
	struct pollfd fd = {.fd = mirror_fd(w->router.mirror), .events = POLLIN};

	while (poll(&fd, 1, 200) > 0)
		mirror_run(w->router.mirror);
}

void control_world_command(struct control_world *w, const char *command)
{
	must(system(command) == 0, command);
	run_mirror(w);
}

static void make_memory_wire(struct control_world *w, unsigned index)
{
	struct router_port *port = &w->router.ports[index];

	port->device = "memory";
	port->info = (struct pl_port_info){.kind = "memory", .n_queues = 1};
	port->carrier = true;
	w->router.planes[0].ports[index].wire =
		pl_mem_queue_new(&w->router.planes[0].pool, false, NULL, NULL);
	must(w->router.planes[0].ports[index].wire, "queues");
	must(face_set_carrier(port->face, true) == 0, "carrier");
}

static void on_sent(void *ctx, const struct emu_frame *frames, unsigned n)
{
	struct control_world_sent *sent = ctx;

	must(frames[n - 1].len <= sizeof(sent->frame), "frame sent");
	memcpy(sent->frame, frames[n - 1].data, frames[n - 1].len);
	sent->len = frames[n - 1].len;
	sent->n += n;
}

/* As devices.c and open_port() of startup.c do it, but for the wire. */
static void make_nic(struct control_world *w, unsigned index)
{
	static const char *const names[PORTS] = {"mem0", "mem1"};
	static const char *const devices[PORTS] = {"emu:mem0", "emu:mem1"};
	struct router_port *port = &w->router.ports[index];
	struct emu_nic_config nic = {.name = names[index], .model = EMU_82599};
	struct pl_port_config config = {.name = port->name,
					.device = devices[index],
					.n_queues = 1,
					.ring_size = 64,
					.mtu = port->mtu};
	struct pl_error err = {.what = "no error"};

	port->device = devices[index];
	memcpy(nic.mac, port->mac, 6);
	nic.wire = w->wires[index] = emu_wire_memory(on_sent, &w->sent[index]);
	must(nic.wire, "wire");
	must(!emu_add(w->router.emu, &nic, &config.pci, &err), err.what);
	port->pci = config.pci;
	must(!pl_port_probe(&config, &port->caps, &err), err.what);
	must(!pl_port_open(&port->port, &config, &err), err.what);
	must(!pl_port_queue_open(port->port, 0, &w->router.planes[0].pool,
				 &w->router.planes[0].ports[index].wire, &err),
	     err.what);
	must(!pl_port_start(port->port, &err), err.what);
	must(!pl_port_accept_mac(port->port, port->mac, &err), err.what);
	pl_port_info(port->port, &port->info);
}

static bool make_port(struct control_world *w, unsigned index)
{
	static const char *const names[PORTS] = {"pl0", "pl1"};
	struct router_port *port = &w->router.ports[index];
	struct pl_plane_port *queues = &w->router.planes[0].ports[index];
	struct face_config config = {
		.name = names[index],
		.mac = {0x02, 0, 0, 0, 0, (uint8_t)index},
		.mtu = 1500,
		.n_planes = 1,
	};
	struct pl_error err;

	port->name = names[index];
	port->mtu = config.mtu;
	memcpy(port->mac, config.mac, 6);
	if (face_open(w->router.faces, &config, &port->face, &err)) {
		fprintf(stderr, "test world: %s\n", err.what);
		return false;
	}
	queues->face = face_queue(port->face, 0, &w->router.planes[0].pool);
	must(queues->face, "queues");
	if (w->router.emu)
		make_nic(w, index);
	else
		make_memory_wire(w, index);
	return true;
}

static void on_report(void *ctx, const char *nic, const char *what)
{
	(void)ctx;
	fprintf(stderr, "test world: emulated %s: %s\n", nic, what);
}

static void make_router(struct control_world *w, bool nics)
{
	struct router *r = &w->router;
	struct pl_error err;

	config_init(&w->config);
	w->log = (struct log){.out = open_memstream(&w->said, &w->said_bytes)};
	must(w->log.out, "log");
	r->config = &w->config;
	r->log = &w->log;
	r->n_ports = PORTS;
	r->buf_bytes = nics ? 16384 : 2048;
	r->isa = CPU_ISA_PLAIN;
	r->started_ms = router_now_ms();
	r->planes = aligned_alloc(_Alignof(struct pl_plane), sizeof(*r->planes));
	must(r->planes, "planes");
	memset(r->planes, 0, sizeof(*r->planes));
	r->n_planes = 1;
	r->planes[0].cpu = -1;
	r->planes[0].n_ports = PORTS;
	must(!pl_pool_init(&r->planes[0].pool, nics ? 512 : 4096, r->buf_bytes, &err), "pool");
	r->tables = tables_new(pl_plane_synchronize, REASON_NO_ROUTE);
	must(r->tables, "tables");
	must(!cpu_processor_init(&r->planes[0].processor, r->tables, r->isa), "processor");
	must(!cpu_processor_init(&r->probe, r->tables, CPU_ISA_PLAIN), "processor");
	must(!limits_init(r), "limits");
	cpu_processor_limit(&r->planes[0].processor, r->police[0]);
	r->faces = faces_new();
	must(r->faces, "faces");
	r->emu = nics ? emu_new(on_report, NULL) : NULL;
	must(r->emu || !nics, "emulator");
}

static void start_mirror(struct control_world *w)
{
	struct mirror_events events = follow_events(&w->router);
	struct mirror_port ports[PORTS];
	struct pl_error err;

	for (unsigned i = 0; i < PORTS; i++)
		ports[i] = (struct mirror_port){
			.name = w->router.ports[i].name,
			.face_ifindex = face_ifindex(w->router.ports[i].face),
		};
	w->router.mirror = mirror_new(w->router.tables, ports, PORTS, &events, &err);
	must(w->router.mirror, "mirror");
	follow_states(&w->router);
	must(!mirror_sync(w->router.mirror, &err), "mirror");
	must(!pl_plane_init(&w->router.planes[0], &err), "plane");
}

void control_world_run(struct control_world *w)
{
	struct pl_plane *plane = &w->router.planes[0];
	struct pollfd mirror = {.fd = mirror_fd(w->router.mirror), .events = POLLIN};
	unsigned moved;

	do {
		moved = emu_turn(w->router.emu);
		pl_plane_enter();
		moved += pl_plane_turn(plane);
		pl_plane_leave();
	} while (moved);
	for (unsigned i = 0; i < PORTS; i++) {
		struct pollfd event = {.fd = pl_port_event_fd(w->router.ports[i].port),
				       .events = POLLIN};

		if (poll(&event, 1, 0) == 1)
			follow_states(&w->router);
	}
	follow_run(&w->router, router_now_ms());
	reopen_run(&w->router, 1000);
	if (poll(&mirror, 1, 1) == 1)
		mirror_run(w->router.mirror);
	fflush(w->log.out);
}

unsigned control_world_arrive(struct control_world *w, unsigned port, const uint8_t *frame,
			      uint32_t len)
{
	const struct pl_queue *wire = w->router.planes[0].ports[port].wire;
	uint64_t before = pl_stat_read(&wire->stats.rx_packets);
	struct emu_frame arrived = {.data = frame, .len = len};

	emu_wire_memory_feed(w->wires[port], &arrived, 1, false);
	for (unsigned i = 0; i < 10; i++)
		control_world_run(w);
	/* One that is not there or has no link has left it on the wire. */
	emu_wire_memory_feed(w->wires[port], NULL, 0, false);
	emu_turn(w->router.emu);
	return (unsigned)(pl_stat_read(&wire->stats.rx_packets) - before);
}

static struct control_world *make_world(bool nics)
{
	struct control_world *w;

	if (!enter_namespace()) {
		fprintf(stderr, "test world: no network namespace of our own: %s\n",
			strerror(errno));
		return NULL;
	}
	w = calloc(1, sizeof(*w));
	must(w, "memory");
	make_router(w, nics);
	for (unsigned i = 0; i < PORTS; i++)
		if (!make_port(w, i))
			return NULL;
	must(!system("ip link set lo up && "
		     "ip addr add 10.0.1.1/24 dev pl0 && ip addr add 10.0.2.1/24 dev pl1 && "
		     "ip addr add 2001:db8:1::1/64 dev pl0 nodad && "
		     "ip addr add 2001:db8:2::1/64 dev pl1 nodad && "
		     "ip neigh add 10.0.2.2 lladdr 02:00:00:00:02:02 dev pl1 nud permanent && "
		     "ip route add 203.0.113.0/24 via 10.0.2.2 && "
		     "ip route add blackhole 198.51.100.0/24 && "
		     "ip route add 192.0.2.0/24 via 10.0.2.2 table 7 && "
		     "ip rule add from 10.0.1.0/24 lookup 7 pref 100"),
	     "ip");
	start_mirror(w);
	run_mirror(w);
	return w;
}

struct control_world *control_world_new(void)
{
	return make_world(false);
}

struct control_world *control_world_new_nics(void)
{
	return make_world(true);
}

void control_world_receive(struct control_world *w, unsigned port, const uint8_t *frame,
			   uint16_t len, unsigned n)
{
	struct pl_mem_frame *frames = calloc(n, sizeof(*frames));
	struct pl_plane *plane = &w->router.planes[0];

	must(frames, "memory");
	for (unsigned i = 0; i < n; i++)
		frames[i] = (struct pl_mem_frame){.data = frame, .len = len};
	must(!pl_mem_queue_feed(plane->ports[port].wire, frames, n), "frames");
	pl_plane_enter();
	for (unsigned done = 0; done < n;)
		done += pl_plane_turn(plane);
	pl_plane_leave();
	free(frames);
}

void control_world_free(struct control_world *w)
{
	struct router *r = &w->router;

	mirror_free(r->mirror);
	pl_plane_fini(&r->planes[0]);
	for (unsigned i = 0; i < PORTS; i++) {
		pl_queue_close(r->planes[0].ports[i].wire);
		pl_port_close(r->ports[i].port);
	}
	devices_close(r);
	faces_free(r->faces, false);
	cpu_processor_fini(&r->planes[0].processor);
	limits_fini(r);
	cpu_processor_fini(&r->probe);
	pl_pool_fini(&r->planes[0].pool);
	tables_free(r->tables);
	free(r->planes);
	fclose(w->log.out);
	free(w->said);
	free(w);
}
