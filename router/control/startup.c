/* SPDX-License-Identifier: BSD-2-Clause */
#include "startup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../offload/offload.h"
#include "accelerator.h"
#include "buffers.h"
#include "cleanup.h"
#include "devices.h"
#include "follow.h"
#include "keep.h"
#include "punt_limits.h"
#include "warnings.h"

#define MTU_USUAL 1500u

uint64_t router_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- what the devices can do ---- */

static struct pl_port_config port_config(const struct router *router, unsigned index)
{
	const struct config *config = router->config;

	return (struct pl_port_config){
		.name = config->ports[index].name,
		.device = config->ports[index].device,
		.n_queues = config->planes,
		.ring_size = config->ring_size,
		.pci = router->ports[index].pci,
		.attach = config->ports[index].attach,
		.zero_copy = router->zero_copy,
		.mtu = router->ports[index].mtu,
		.moderation_us = config->ports[index].moderation_us,
		.flow_control = config->ports[index].flow_control,
	};
}

/* Puts in front of an error where the operator asked for the device. */
static int at_device(const struct config_port *port, int rc, struct pl_error *err)
{
	struct pl_error plain = *err;

	return pl_error_set(err, rc, plain.remedy, "%.120s: %s", port->device_at, plain.what);
}

int router_probe(struct router *router, struct pl_error *err)
{
	const struct config *config = router->config;
	int rc;

	router->n_ports = config->n_ports;
	router->isa = cpu_isa_best();
	for (unsigned i = 0; i < config->n_ports; i++) {
		struct router_port *port = &router->ports[i];
		struct pl_port_config asked = port_config(router, i);

		asked.zero_copy = config->ports[i].zero_copy;
		asked.mtu = config->ports[i].mtu ? config->ports[i].mtu : MTU_USUAL;
		port->name = config->ports[i].name;
		port->device = config->ports[i].device;
		port->interface = config->ports[i].interface[0] ? config->ports[i].interface : NULL;
		if (config->ports[i].kind == CONFIG_AFXDP)
			rc = pl_port_probe(&asked, &port->caps, err);
		else
			rc = devices_probe(config, &config->ports[i], &asked, &port->caps, err);
		if (rc)
			return at_device(&config->ports[i], rc, err);
		memcpy(port->mac, port->caps.mac, sizeof(port->mac));
		memcpy(port->device_mac, port->caps.mac, sizeof(port->device_mac));
		port->mtu = port->caps.mtu;
		port->device_mtu = port->caps.mtu;
	}
	rc = buffers_choose(router, err);
	/* Last: what is quickly found wrong is not to wait for a driver. */
	if (!rc)
		rc = accelerator_probe(router, err);
	return rc ? rc : buffers_probe(router, err);
}

/* ---- the steps ---- */

static int make_planes(struct router *router, struct pl_error *err)
{
	const struct config *config = router->config;

	router->planes =
		aligned_alloc(_Alignof(struct pl_plane), config->planes * sizeof(*router->planes));
	if (!router->planes)
		return pl_error_set(err, -ENOMEM, NULL, "planes: out of memory");
	memset(router->planes, 0, config->planes * sizeof(*router->planes));
	router->n_planes = config->planes;
	for (unsigned i = 0; i < config->planes; i++) {
		struct pl_plane *plane = &router->planes[i];

		plane->index = i;
		plane->cpu = config->cores[i];
		plane->busy_poll = config->busy_poll;
		plane->n_ports = config->n_ports;
	}
	return buffers_init(router, err);
}

static int make_tables(struct router *router, struct pl_error *err)
{
	int rc = 0;

	router->tables = tables_new(pl_plane_synchronize, REASON_NO_ROUTE);
	if (!router->tables)
		return pl_error_set(err, -errno,
				    "free some memory; if addresses are limited, not memory, raise "
				    "LimitAS= or ulimit -v",
				    "tables: %s", strerror(errno));
	rc = limits_init(router);
	if (!rc)
		rc = cpu_processor_init(&router->probe, router->tables, CPU_ISA_PLAIN);
	return rc ? pl_error_set(err, rc, NULL, "packet program: %s", strerror(-rc)) : 0;
}

/* The planes' own cores, or the accelerator. */
static int make_processors(struct router *router, struct pl_error *err)
{
	int rc = 0;

	if (config_mode(router->config)->accelerated)
		return accelerator_open(router, err);
	for (unsigned i = 0; i < router->n_planes && !rc; i++) {
		struct pl_processor *processor = &router->planes[i].processor;

		rc = cpu_processor_init(processor, router->tables, router->isa);
		if (!rc)
			cpu_processor_limit(processor, router->police[i]);
	}
	return rc ? pl_error_set(err, rc, NULL, "packet program: %s", strerror(-rc)) : 0;
}

/* Takes over what the TAP had, and says what is not as an operator might expect. */
static void adopt_face(const struct router *router, struct router_port *port)
{
	const struct face_start *start = face_start(port->face);
	const uint8_t *m = start->mac;
	int rc = cleanup_mark(face_ifindex(port->face));

	if (rc)
		log_warning(router->log,
			    "%s: cannot mark the TAP as ours: %s; --cleanup finds it by the "
			    "configuration only",
			    port->name, strerror(-rc));
	if (start->everywhere)
		log_info(router->log,
			 "kernel: net.ipv6.conf.all.forwarding=1, which this kernel needs to route "
			 "IPv6; interfaces with accept_ra=1 now have accept_ra=2");
	if (memcmp(port->mac, m, 6) != 0)
		log_info(router->log, "%s: the TAP keeps its MAC, %02x:%02x:%02x:%02x:%02x:%02x",
			 port->name, m[0], m[1], m[2], m[3], m[4], m[5]);
	memcpy(port->mac, m, sizeof(port->mac));
	warn_tap_down(router, port);
}

static int make_faces(struct router *router, struct pl_error *err)
{
	router->faces = faces_new();
	if (!router->faces)
		return pl_error_set(err, -errno, NULL, "TAP interfaces: %s", strerror(errno));
	for (unsigned i = 0; i < router->n_ports; i++) {
		struct router_port *port = &router->ports[i];
		struct face_config config = {
			.name = port->name,
			.mtu = port->mtu,
			.n_planes = router->n_planes,
			.kept_fd = keep_find(port->name),
		};
		int rc;

		port->kept = config.kept_fd;
		memcpy(config.mac, port->mac, sizeof(config.mac));
		rc = face_open(router->faces, &config, &port->face, err);
		if (rc)
			return rc;
		adopt_face(router, port);
		for (unsigned j = 0; j < router->n_planes; j++) {
			struct pl_plane *plane = &router->planes[j];

			plane->ports[i].face = face_queue(port->face, j, &plane->pool);
			if (!plane->ports[i].face)
				return pl_error_set(err, -errno, NULL, "%s: queue of the TAP: %s",
						    port->name, strerror(errno));
			police_set_room(router->police[j], i, face_queue_room,
					plane->ports[i].face);
		}
	}
	keep_end(router);
	return 0;
}

/* "native XDP, copy" of AF_XDP, "82599ES (emulated)" of a NIC. */
static const char *describe(const struct pl_port_info *info, char *out, size_t size)
{
	if (info->model)
		snprintf(out, size, "%s (%s)", info->model, info->backend);
	else
		snprintf(out, size, "%s XDP, %s", info->attach, info->copy);
	return out;
}

static int open_port(struct router *router, unsigned index, struct pl_error *err)
{
	struct router_port *port = &router->ports[index];
	struct pl_port_config config = port_config(router, index);
	char what[64];
	int rc;

	warn_device_addresses(router, index);
	if (!port->pci)
		warn_unserved_queues(router, index);
	rc = pl_port_open(&port->port, &config, err);
	for (unsigned i = 0; i < router->n_planes && !rc; i++)
		rc = pl_port_queue_open(port->port, i, &router->planes[i].pool,
					&router->planes[i].ports[index].wire, err);
	if (!rc)
		rc = pl_port_start(port->port, err);
	if (!rc)
		rc = pl_port_accept_mac(port->port, port->mac, err);
	if (rc)
		return rc;
	pl_port_info(port->port, &port->info);
	log_info(router->log,
		 "%s: %s %s, %s, %u queue%s of %u, "
		 "MAC %02x:%02x:%02x:%02x:%02x:%02x, MTU %u",
		 port->name, port->info.driver ? port->info.driver : port->info.kind, port->device,
		 describe(&port->info, what, sizeof(what)), port->info.n_queues,
		 port->info.n_queues == 1 ? "" : "s", port->info.ring_size, port->mac[0],
		 port->mac[1], port->mac[2], port->mac[3], port->mac[4], port->mac[5], port->mtu);
	return 0;
}

static int open_ports(struct router *router, struct pl_error *err)
{
	int rc = devices_open(router, err);

	for (unsigned i = 0; i < router->n_ports && !rc; i++)
		rc = open_port(router, i, err);
	return rc;
}

static bool take_used(void *ctx, uint32_t nexthop)
{
	const struct router *router = ctx;
	bool used = false;

	if (router->offload)
		return offload_take_used(router->offload, nexthop);
	for (unsigned i = 0; i < router->n_planes; i++)
		used |= cpu_processor_take_used(&router->planes[i].processor, nexthop);
	return used;
}

static int sync_mirror(struct router *router, struct pl_error *err)
{
	struct mirror_events events = follow_events(router);
	struct mirror_port ports[PL_PORTS_MAX];
	struct mirror_stats stats;
	int rc;

	for (unsigned i = 0; i < router->n_ports; i++)
		ports[i] = (struct mirror_port){
			.name = router->ports[i].name,
			.device = router->ports[i].pci ? NULL : router->ports[i].device,
			.face_ifindex = face_ifindex(router->ports[i].face),
			.device_ifindex = router->ports[i].caps.ifindex,
		};
	router->mirror = mirror_new(router->tables, ports, router->n_ports, &events, err);
	if (!router->mirror)
		return -errno;
	follow_states(router);
	mirror_set_usage(router->mirror, take_used, router);
	rc = mirror_sync(router->mirror, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < router->n_ports; i++)
		if (router->ports[i].gone)
			return pl_error_set(err, -ENODEV, "start again", "%s: %s has just vanished",
					    router->ports[i].name, router->ports[i].device);
	mirror_stats(router->mirror, &stats);
	log_info(router->log, "kernel: mirrored %u routes, %u neighbors", stats.routes,
		 stats.neighbours);
	return 0;
}

/* From here on nothing more is needed, and threads inherit it. */
static int confine(struct router *router, struct pl_error *err)
{
	int rc = privileges_confine(&router->confinement, router->config, router->log, err);

	faces_on_thread(router->faces, privileges_confine_worker, &router->confinement);
	for (unsigned i = 0; i < router->n_planes; i++) {
		router->planes[i].on_thread = privileges_confine_worker;
		router->planes[i].on_thread_ctx = &router->confinement;
	}
	return rc;
}

static int start_planes(struct router *router, struct pl_error *err)
{
	char buffers[96];
	int rc = 0;

	for (unsigned i = 0; i < router->n_planes && !rc; i++)
		rc = pl_plane_init(&router->planes[i], err);
	if (!rc)
		rc = devices_start(router, err);
	if (!rc)
		rc = faces_start(router->faces, err);
	for (unsigned i = 0; i < router->n_planes && !rc; i++) {
		rc = pl_plane_start(&router->planes[i], err);
		if (!rc)
			log_info(router->log, "plane %u: core %d, %s, %s%s", i,
				 router->planes[i].cpu, cpu_isa_name(router->isa),
				 buffers_describe(router, &router->planes[i].pool, buffers,
						  sizeof(buffers)),
				 router->planes[i].busy_poll ? ", busy" : "");
	}
	return rc;
}

int router_start(struct router *router, struct pl_error *err)
{
	static int (*const steps[])(struct router *, struct pl_error *) = {
		make_planes, make_tables,	make_processors, make_faces,   open_ports,
		sync_mirror, accelerator_start, confine,	 start_planes,
	};

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int rc = steps[i](router, err);

		if (rc) {
			router_stop(router);
			return rc;
		}
	}
	for (unsigned i = 0; i < router->n_ports; i++)
		keep_tap(&router->ports[i]);
	router->started_ms = router_now_ms();
	return 0;
}

/* ---- the way back ---- */

static void close_ports(struct router *router)
{
	struct pl_port *ports[PL_PORTS_MAX];

	for (unsigned i = 0; i < router->n_ports; i++) {
		ports[i] = router->ports[i].port;
		router->ports[i].port = NULL;
	}
	pl_ports_close(ports, router->n_ports);
}

/* A start that failed leaves no TAP that was not there before; but one that was taken over, with
 * the operator's addresses on it, stays, and so then do the others. */
static bool keep_taps(const struct router *router)
{
	bool taken_over = false;

	for (unsigned i = 0; i < router->n_ports; i++)
		taken_over |= router->ports[i].face && !face_start(router->ports[i].face)->created;
	return taken_over || router->started_ms;
}

/* Processors, planes, buffers and tables: all that an accelerator that does not end, or its thread, may still use. */
static void free_memory(struct router *router)
{
	bool cpu = !router->offload, idle = accelerator_free(router);

	for (unsigned i = 0; i < router->n_planes && cpu; i++)
		cpu_processor_fini(&router->planes[i].processor);
	if (idle) {
		buffers_fini(router);
		free(router->planes);
	}
	limits_fini(router);
	cpu_processor_fini(&router->probe);
	if (router->tables && idle)
		tables_free(router->tables);
}

void router_stop(struct router *router)
{
	/* First: with many routes it takes a while, and the planes forward meanwhile. */
	if (router->mirror)
		mirror_free(router->mirror);
	for (unsigned i = 0; i < router->n_planes; i++)
		pl_plane_stop(&router->planes[i]);
	accelerator_stop(router);
	if (router->faces)
		faces_stop(router->faces);
	for (unsigned i = 0; i < router->n_planes; i++)
		pl_plane_fini(&router->planes[i]);
	close_ports(router);
	devices_close(router);
	faces_free(router->faces, keep_taps(router));
	for (unsigned i = 0; i < router->n_ports; i++)
		router->ports[i].face = NULL;
	free_memory(router);
	privileges_free(&router->confinement);
	router->planes = NULL;
	router->n_planes = 0;
	router->mirror = NULL;
	router->faces = NULL;
	router->tables = NULL;
}

/* ---- --check ---- */

static unsigned longest_mtu(const struct router *router)
{
	unsigned longest = 0;

	for (unsigned i = 0; i < router->n_ports; i++) {
		unsigned max = router_mtu_max(router, &router->ports[i]);

		longest = max > longest ? max : longest;
	}
	return longest;
}

void router_print(const struct router *router, FILE *out)
{
	const struct config *config = router->config;

	accelerator_print(router, out);
	fprintf(out, "planes: %u, on core%s", config->planes, config->planes == 1 ? "" : "s");
	for (unsigned i = 0; i < config->planes; i++)
		fprintf(out, "%s %d", i ? "," : "", config->cores[i]);
	fprintf(out, "; %s; %s\n", cpu_isa_name(router->isa),
		config->busy_poll ? "never asleep" : "asleep while there is nothing to do");
	fputs("buffers: ", out);
	buffers_print(router, out);
	fprintf(out, ", MTU up to %u\n", longest_mtu(router));
	fprintf(out, "control socket: %s\n", config->control_socket);
	for (unsigned i = 0; i < router->n_ports; i++) {
		const struct router_port *port = &router->ports[i];
		char how[64];

		if (port->caps.model)
			snprintf(how, sizeof(how), "%s (%s)", port->caps.model, port->caps.backend);
		else
			snprintf(how, sizeof(how), "%s",
				 port_config(router, i).zero_copy ? "zero-copy" : "copy");
		fprintf(out,
			"port %s: %s (of up to %u queues), MAC %02x:%02x:%02x:%02x:%02x:%02x, "
			"MTU %u, %s\n",
			port->name, port->device, port->caps.max_queues, port->mac[0], port->mac[1],
			port->mac[2], port->mac[3], port->mac[4], port->mac[5], port->mtu, how);
	}
}
