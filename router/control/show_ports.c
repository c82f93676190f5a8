/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports, planes and counters. Planes write the counters while they are read here. */
#include "show.h"

#include <cap-ng.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <peerlane/nic.h>

#include "devices.h"
#include <emu/emu.h>

#ifndef PL_VERSION
#error "the build names the version"
#endif

static json_t *counter(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* ---- ports ---- */

/* What passed between the port's TAP and us. */
static json_t *face_counters(const struct router *router, unsigned port)
{
	const struct face *face = router->ports[port].face;
	const struct face_stats *stats;
	uint64_t full = 0;

	if (!face)
		return json_null();
	stats = face_stats(face);
	for (unsigned i = 0; i < router->n_planes; i++) {
		const struct pl_queue *queue = router->planes[i].ports[port].face;

		if (queue)
			full += pl_stat_read(&queue->stats.tx_dropped);
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "to_kernel",
			 counter(pl_stat_read(&stats->to_kernel)), "from_kernel",
			 counter(pl_stat_read(&stats->from_kernel)), "to_kernel_full",
			 counter(full), "from_kernel_full",
			 counter(pl_stat_read(&stats->ring_full)), "write_failed",
			 counter(pl_stat_read(&stats->write_failed)), "too_long",
			 counter(pl_stat_read(&stats->too_long)));
}

static json_t *addresses(const struct mirror_link *link)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < link->n_addrs; i++) {
		char text[PREFIX_STRLEN];

		json_array_append_new(list, json_string(prefix_print(&link->addrs[i], text)));
	}
	return list;
}

static const char *link_state(const struct router_port *port)
{
	if (port->gone)
		return "gone";
	return port->carrier ? "up" : "down";
}

/* What the device itself has counted; null where it is the kernel's to say. */
static json_t *device_counters(const struct router_port *port)
{
	struct pl_nic_counter counters[PL_NIC_COUNTERS_MAX];
	json_t *object;
	unsigned n;

	if (!port->pci || !port->port)
		return json_null();
	object = json_object();
	n = pl_port_counters(port->port, counters);
	for (unsigned i = 0; i < n; i++)
		json_object_set_new(object, counters[i].name, counter(counters[i].value));
	return object;
}

/* Bytes by what they are. */
static json_t *dma_bytes(const uint64_t bytes[EMU_DMA_KINDS])
{
	return json_pack("{s:o, s:o, s:o}", "packets_host", counter(bytes[EMU_DMA_HOST]),
			 "packets_accelerator", counter(bytes[EMU_DMA_REMOTE]), "descriptors",
			 counter(bytes[EMU_DMA_DESCRIPTORS]));
}

static json_t *emulator(const struct router_port *port)
{
	struct emu_stats stats;

	if (!devices_emu_stats(port, &stats))
		return json_null();
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "illegal_uses", counter(stats.illegal),
		"dma_faults", counter(stats.dma_faults), "interrupts", counter(stats.interrupts),
		"cable_lost_to_nic", counter(stats.wire_lost_to_nic), "cable_lost_from_nic",
		counter(stats.wire_lost_from_nic), "dma_read", dma_bytes(stats.dma_bytes_read),
		"dma_written", dma_bytes(stats.dma_bytes_written));
}

/* Adds what there is to say of a NIC that we drive ourselves; of others null. */
static void add_nic(json_t *object, const struct router_port *port)
{
	const struct pl_port_info *info = &port->info;
	const struct pl_port_state *state = &port->state;

	json_object_set_new(object, "driver",
			    info->driver ? json_string(info->driver) : json_null());
	json_object_set_new(object, "model",
			    info->model ? json_sprintf("%s (%s)", info->model, info->backend)
					: json_null());
	json_object_set_new(object, "speed_mbps",
			    port->carrier && state->mbps ? json_integer(state->mbps) : json_null());
	json_object_set_new(object, "media",
			    port->carrier && state->media ? json_string(state->media)
							  : json_null());
	json_object_set_new(object, "device_counters", device_counters(port));
	json_object_set_new(object, "emulator", emulator(port));
}

static json_t *one_port(const struct router *router, unsigned index)
{
	const struct router_port *port = &router->ports[index];
	struct pl_queue_stats sum = {0};
	struct mirror_link link = {0};
	json_t *object;

	mirror_port_link(router->mirror, index, &link);
	for (unsigned i = 0; i < router->n_planes; i++)
		if (router->planes[i].ports[index].wire)
			show_sum_stats(&sum, &router->planes[i].ports[index].wire->stats);
	if (port->port)
		pl_stat_add(&sum.rx_dropped, pl_port_rx_lost(port->port));
	object = json_pack(
		"{s:s, s:s, s:s, s:s?, s:s?, s:i, s:i, s:o, s:i, s:s, s:s, s:b, s:i, s:i, s:o, "
		"s:o, s:o}",
		"name", port->name, "kind", port->info.kind ? port->info.kind : "memory", "device",
		port->device, "attach", port->info.attach, "copy", port->info.copy, "queues",
		(int)port->info.n_queues, "ring_size", (int)port->info.ring_size, "mac",
		show_mac(port->mac), "mtu", (int)port->mtu, "link", link_state(port), "admin",
		link.admin_up ? "up" : "down", "lost", port->face && face_lost(port->face),
		"ifindex", (int)(port->face ? face_ifindex(port->face) : 0), "device_ifindex",
		(int)port->info.ifindex, "addresses", addresses(&link), "counters",
		show_queue_stats(&sum), "face", face_counters(router, index));
	if (object)
		add_nic(object, port);
	return object;
}

json_t *show_ports(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	json_t *list = json_array();

	(void)args;
	for (unsigned i = 0; i < router->n_ports; i++)
		json_array_append_new(list, one_port(router, i));
	return show_or_fail(json_pack("{s:o, s:s, s:o}", "ports", list, "mode", show_mode(router),
				      "time_ms", counter(router_now_ms())),
			    code, err);
}

/* ---- planes ---- */

static json_t *plane_ports(const struct router *router, const struct pl_plane *plane)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < plane->n_ports; i++) {
		json_t *stats;

		if (!plane->ports[i].wire)
			continue;
		stats = show_queue_stats(&plane->ports[i].wire->stats);
		json_object_set_new(stats, "port", json_string(router->ports[i].name));
		json_array_append_new(list, stats);
	}
	return list;
}

static json_t *one_plane(const struct router *router, const struct pl_plane *plane)
{
	const struct pl_plane_stats *stats = &plane->stats;

	return json_pack(
		"{s:i, s:i, s:s, s:b, s:o, s:o, s:o, s:o, s:{s:i, s:i, s:i, s:b, s:i}, s:o}",
		"plane", (int)plane->index, "core", plane->cpu, "isa", cpu_isa_name(router->isa),
		"busy_poll", plane->busy_poll, "turns", counter(pl_stat_read(&stats->turns)),
		"working_turns", counter(pl_stat_read(&stats->working_turns)), "sleeps",
		counter(pl_stat_read(&stats->sleeps)), "cpu_ns",
		counter(pl_stat_read(&stats->cpu_ns)), "pool", "buffers", (int)plane->pool.n_bufs,
		"free", (int)pl_stat_read(&stats->pool_free), "buffer_bytes",
		(int)plane->pool.buf_bytes, "huge_pages", plane->pool.region.page_bytes >= 2u << 20,
		"of_accelerator", (int)plane->pool.n_remote, "ports", plane_ports(router, plane));
}

json_t *show_planes(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	json_t *list = json_array();

	(void)args;
	for (unsigned i = 0; i < router->n_planes; i++)
		json_array_append_new(list, one_plane(router, &router->planes[i]));
	return show_or_fail(json_pack("{s:o, s:s, s:o}", "planes", list, "mode", show_mode(router),
				      "time_ms", counter(router_now_ms())),
			    code, err);
}

/* ---- counters ---- */

/* One counter of every plane, and their sum; `stat` picks it. */
static json_t *per_plane(const struct router *router, const char *name, const char *kind,
			 const char *text,
			 const pl_stat *(*stat)(const struct pl_plane *, unsigned), unsigned reason)
{
	json_t *list = json_array();
	uint64_t total = 0;

	for (unsigned i = 0; i < router->n_planes; i++) {
		uint64_t n = pl_stat_read(stat(&router->planes[i], reason));

		total += n;
		json_array_append_new(list, counter(n));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", name, "kind", kind, "text", text,
			 "total", counter(total), "planes", list);
}

static const pl_stat *reason_stat(const struct pl_plane *plane, unsigned reason)
{
	return reason_kind(reason) == PL_VERDICT_PUNT ? &plane->stats.punt[reason]
						      : &plane->stats.drop[reason];
}

static const pl_stat *bad_port_stat(const struct pl_plane *plane, unsigned reason)
{
	(void)reason;
	return &plane->stats.bad_port;
}

json_t *show_counters(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	json_t *list = json_array();

	(void)args;
	for (unsigned i = 0; i < REASON_COUNT; i++)
		json_array_append_new(list,
				      per_plane(router, reason_name(i),
						reason_kind(i) == PL_VERDICT_PUNT ? "punt" : "drop",
						reason_text(i), reason_stat, i));
	json_array_append_new(list, per_plane(router, "bad-port", "drop",
					      "verdict named a port that is not there",
					      bad_port_stat, 0));
	return show_or_fail(json_pack("{s:o}", "counters", list), code, err);
}

/* ---- the rest ---- */

static json_t *show_confinement(const struct confinement *c)
{
	static const char *const seccomp[] = {
		[CONFIG_SECCOMP_NO] = "no",
		[CONFIG_SECCOMP_LOG] = "log",
		[CONFIG_SECCOMP_YES] = "yes",
	};
	json_t *names = json_array();

	for (unsigned i = 0; i < 64; i++)
		if (c->capabilities >> i & 1)
			json_array_append_new(names, json_string(capng_capability_to_name(i)));
	return json_pack("{s:o, s:s, s:i}", "capabilities", names, "seccomp", seccomp[c->seccomp],
			 "landlock", (int)c->landlock);
}

json_t *show_version(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	(void)args;
	return show_or_fail(json_pack("{s:s, s:i, s:I, s:o}", "version", PL_VERSION, "pid",
				      (int)getpid(), "uptime_ms",
				      (json_int_t)(router_now_ms() - router->started_ms),
				      "confinement", show_confinement(&router->confinement)),
			    code, err);
}
