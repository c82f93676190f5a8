/* SPDX-License-Identifier: BSD-2-Clause */
/* A port's queues stay what they are to the planes (peerlane/port.h); what comes and goes are the
 * sockets, the program's attachment and the TAP underneath. What is slow, closing and binding, is
 * done here while planes run; what they must do themselves takes them microseconds. */
#include "reopen.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "follow.h"
#include "keep.h"
#include "warnings.h"

#define RETRY_FIRST_MS 10u
#define RETRY_MAX_MS 1000u
#define RETRY_TELL_MS 160u /* what does not work for so long is said */
#define NIC_PAUSE 10u	   /* times as long as a try took no further one is made */

/* ---- when ---- */

static void retry_now(struct retry *retry)
{
	*retry = (struct retry){.at_ms = router_now_ms(), .told = retry->told};
}

/* It did not work. What `err` says is said, once. The next time is `least_ms` away at least. */
static void retry_later(const struct router *router, struct retry *retry,
			const struct pl_error *err, unsigned least_ms)
{
	retry->delay_ms = retry->delay_ms ? 2 * retry->delay_ms : RETRY_FIRST_MS;
	if (retry->delay_ms > RETRY_MAX_MS)
		retry->delay_ms = RETRY_MAX_MS;
	if (retry->delay_ms < least_ms)
		retry->delay_ms = least_ms;
	retry->at_ms = router_now_ms() + retry->delay_ms;
	if (retry->told || retry->delay_ms < RETRY_TELL_MS)
		return;
	retry->told = true;
	log_error(router->log, LOG_LEVEL_WARNING, err);
}

static bool is_due(const struct retry *retry)
{
	return retry->at_ms && retry->at_ms <= router_now_ms();
}

/* ---- devices ---- */

struct change {
	unsigned port;
	int rc;
	struct pl_error err;
};

static void plane_leaves(struct pl_plane *plane, void *ctx)
{
	struct pl_queue *wire = plane->ports[((struct change *)ctx)->port].wire;

	pl_plane_unwatch(plane, wire);
	pl_queue_leave(wire);
}

static void plane_collects(struct pl_plane *plane, void *ctx)
{
	pl_queue_collect(plane->ports[((struct change *)ctx)->port].wire);
}

static void plane_resumes(struct pl_plane *plane, void *ctx)
{
	struct change *change = ctx;
	struct pl_queue *wire = plane->ports[change->port].wire;

	change->rc = pl_queue_resume(wire, &change->err);
	if (!change->rc)
		change->rc = pl_plane_watch(plane, wire);
}

static void on_planes(struct router *router, void (*fn)(struct pl_plane *plane, void *ctx),
		      struct change *change)
{
	for (unsigned i = 0; i < router->n_planes && !change->rc; i++)
		pl_plane_run(&router->planes[i], fn, change);
}

static void let_go(struct router *router, unsigned index)
{
	struct change change = {.port = index};

	on_planes(router, plane_leaves, &change);
	pl_port_leave(router->ports[index].port);
	on_planes(router, plane_collects, &change);
}

void reopen_lost(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];

	if (!port->lost)
		log_warning(router->log,
			    "%s: %s is gone; it is taken over again when it is back: the port "
			    "forwards nothing until then",
			    port->name, port->device);
	port->device_retry.told = false;
	if (port->port)
		let_go(router, index);
}

void reopen_soon(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];

	port->device_retry.at_ms = 0;
	if (port->device_there)
		retry_now(&port->device_retry);
	else if (port->port)
		/* What has been taken over of it, if a try got half way: the kernel has detached it,
		 * and the next device may have the same number. */
		pl_port_leave(port->port);
}

/* Takes the device over. Returns 0 or -errno with `err` filled. */
static int take_over(struct router *router, unsigned index, struct pl_error *err)
{
	struct router_port *port = &router->ports[index];
	struct change change = {.port = index};
	int rc = pl_port_return(port->port, err);

	if (!rc)
		rc = pl_port_accept_mac(port->port, port->mac, err);
	if (rc)
		return rc;
	on_planes(router, plane_resumes, &change);
	if (!change.rc)
		return 0;
	*err = change.err;
	let_go(router, index);
	return change.rc;
}

static void try_device(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];
	uint64_t begin_ms = router_now_ms();
	struct pl_error err = {.remedy = ""};

	if (!port->port || take_over(router, index, &err)) {
		uint64_t took_ms = router_now_ms() - begin_ms;

		/* A NIC that does not do a step of its start is waited for, half a second at most, while
		 * all else waits too. */
		retry_later(router, &port->device_retry, &err,
			    port->pci ? NIC_PAUSE * (unsigned)took_ms : 0);
		return;
	}
	port->device_retry = (struct retry){0};
	port->gone = false;
	pl_port_info(port->port, &port->info);
	if (port->pci)
		log_info(router->log, "%s: %s is back", port->name, port->device);
	else
		log_info(router->log, "%s: %s is back: %s XDP, %s", port->name, port->device,
			 port->info.attach, port->info.copy);
	warn_device_addresses(router, index);
	follow_device(router, index);
}

/* ---- TAPs ---- */

static void notice_lost_face(struct router *router, struct router_port *port)
{
	if (port->lost_told || !face_lost(port->face))
		return;
	port->lost_told = true;
	log_warning(router->log,
		    "%s: somebody has deleted the TAP interface, and with it its addresses and "
		    "routes; it is made again",
		    port->name);
	port->face_retry.told = false;
	retry_now(&port->face_retry);
}

static void try_face(struct router *router, unsigned index)
{
	struct router_port *port = &router->ports[index];
	struct face_config config = {.name = port->name, .mtu = port->mtu};
	struct pl_error err;

	memcpy(config.mac, port->mac, sizeof(config.mac));
	if (face_revive(port->face, &config, port->carrier, &err)) {
		retry_later(router, &port->face_retry, &err, 0);
		return;
	}
	/* Again until it is in use, for it may be deleted before. */
	port->face_retry = (struct retry){.at_ms = router_now_ms() + RETRY_FIRST_MS};
	mirror_set_face(router->mirror, index, face_ifindex(port->face));
	cleanup_mark(face_ifindex(port->face));
}

/* The TAP that was made again is in use now. */
static void face_is_back(const struct router *router, struct router_port *port)
{
	port->lost_told = false;
	port->face_retry = (struct retry){0};
	/* As it is by now. It fails if the TAP is gone again, which will be noticed. */
	(void)face_set_carrier(port->face, port->carrier);
	keep_tap(port);
	log_info(router->log, "%s: the TAP is there again: give it its addresses", port->name);
}

/* ---- running ---- */

static void shorten(int *wait_ms, const struct retry *retry)
{
	uint64_t now = router_now_ms();
	uint64_t left = retry->at_ms > now ? retry->at_ms - now : 0;

	if (retry->at_ms && left < (uint64_t)*wait_ms)
		*wait_ms = (int)left;
}

int reopen_run(struct router *router, int max_ms)
{
	int wait_ms = max_ms;

	for (unsigned i = 0; i < router->n_ports; i++) {
		struct router_port *port = &router->ports[i];

		if (is_due(&port->device_retry))
			try_device(router, i);
		if (port->lost_told && !face_lost(port->face))
			face_is_back(router, port);
		notice_lost_face(router, port);
		if (is_due(&port->face_retry))
			try_face(router, i);
		shorten(&wait_ms, &port->device_retry);
		shorten(&wait_ms, &port->face_retry);
	}
	return wait_ms;
}
