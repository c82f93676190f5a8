/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers.h"

#include <errno.h>
#include <stdio.h>

#include "../offload/offload.h"
#include "accelerator.h"
#include "devices.h"
#include "warnings.h"

/* Bytes of a frame beyond its MTU: Ethernet header and a VLAN tag. */
#define FRAME_OVERHEAD 18u

/* ---- of what size ---- */

static bool is_zero_copy(const struct router *router, const struct router_port *port)
{
	return router->zero_copy && port->caps.ifindex;
}

unsigned router_mtu_max(const struct router *router, const struct router_port *port)
{
	unsigned max = is_zero_copy(router, port)
			       ? pl_port_afxdp_mtu_max(router->buf_bytes, true)
			       : router->buf_bytes - PL_FRAME_OFFSET - FRAME_OVERHEAD;

	return port->caps.mtu_max && port->caps.mtu_max < max ? port->caps.mtu_max : max;
}

/* Takes from what a device could do in copy mode what it cannot do without. */
static void limit_zero_copy(const struct router *router, struct router_port *port)
{
	uint32_t longest = 1u << (31 - __builtin_clz(port->caps.buf_sizes));
	unsigned max = pl_port_afxdp_mtu_max(longest, true);

	if (is_zero_copy(router, port) && max < port->caps.mtu_max)
		port->caps.mtu_max = max;
}

/* What an operator can do about a port whose MTU is longer than buffers hold. */
static int mtu_too_long(const struct router *router, const struct router_port *port,
			struct pl_error *err)
{
	bool is_nic = router->config->ports[port - router->ports].kind != CONFIG_AFXDP;
	unsigned max = router_mtu_max(router, port);
	char remedy[sizeof(err->remedy)];

	if (is_nic)
		snprintf(remedy, sizeof(remedy), "MTU=%u in [Port %s]%s", max, port->name,
			 max < port->caps.mtu_max ? ", or no afxdp: ports beside it" : "");
	else
		snprintf(remedy, sizeof(remedy), "ip link set %s mtu %u%s", port->device, max,
			 is_zero_copy(router, port) ? ", or ZeroCopy=no" : "");
	return pl_error_set(err, -EMSGSIZE, remedy,
			    "%s: %s has MTU %u, the longest that buffers hold is %u%s", port->name,
			    port->device, port->mtu, max,
			    is_zero_copy(router, port) ? " in zero-copy mode" : "");
}

/* One whose MTU does not fit the buffers; NULL: all do. */
static const struct router_port *too_long(const struct router *router)
{
	for (unsigned i = 0; i < router->n_ports; i++)
		if (router->ports[i].mtu > router_mtu_max(router, &router->ports[i]))
			return &router->ports[i];
	return NULL;
}

int buffers_choose(struct router *router, struct pl_error *err)
{
	static const uint32_t sizes[] = {2048, 4096, 16384};
	uint32_t usable = UINT32_MAX;

	/* One UMEM carries all ports of a plane, so it is zero-copy for all or for none. */
	router->zero_copy = true;
	for (unsigned i = 0; i < router->n_ports; i++) {
		usable &= router->ports[i].caps.buf_sizes;
		router->zero_copy &= router->config->ports[i].zero_copy &&
				     router->ports[i].caps.zero_copy;
	}
	for (unsigned i = 0; i < router->n_ports; i++)
		limit_zero_copy(router, &router->ports[i]);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (!(usable & sizes[i]))
			continue;
		router->buf_bytes = sizes[i];
		if (!too_long(router))
			return 0;
	}
	return mtu_too_long(router, too_long(router), err);
}

/* ---- how many, and where ---- */

/* Of one plane. */
struct plan {
	uint32_t host;	 /* buffers in main memory */
	uint32_t remote; /* in the accelerator's */
	size_t remote_bytes;
};

/* What all rings can hold at once, two bursts (one in hand, one that a face gives), those that an
 * accelerator has, and some for the pool never to run dry at the edge. */
static uint32_t for_all(const struct config *config)
{
	return config->n_ports * pl_queue_bufs(config->ring_size) + 3 * PL_BURST_MAX +
	       accelerator_packets(config);
}

/* What the kernel sends can fill all TX rings; the accelerator is lent a buffer for each packet that it may punt;
 * and three bursts: what it has punted, what takes the place of that, and what a face gives. */
static uint32_t for_kernel(const struct config *config)
{
	return config->n_ports * config->ring_size + OFFLOAD_LENT_BUFS + 3 * PL_BURST_MAX;
}

static struct plan plan(const struct router *router)
{
	const struct config *config = router->config;
	size_t bytes = (size_t)for_all(config) * router->buf_bytes;

	if (!config_mode(config)->remote)
		return (struct plan){.host = for_all(config)};
	bytes = (bytes + PL_REMOTE_GRAIN - 1) / PL_REMOTE_GRAIN * PL_REMOTE_GRAIN;
	return (struct plan){
		.host = for_kernel(config),
		.remote = (uint32_t)(bytes / router->buf_bytes),
		.remote_bytes = bytes,
	};
}

static unsigned long long mib(size_t bytes)
{
	return (unsigned long long)(bytes + (1 << 20) - 1) >> 20;
}

/* A packet is an offset of 32 bits among its plane's buffers. */
static int check_size(const struct router *router, struct pl_error *err)
{
	struct plan p = plan(router);
	unsigned long long all = mib(p.remote_bytes) + mib((size_t)p.host * router->buf_bytes);
	bool jumbo = router->buf_bytes > 2048;

	if (all + 2 * (PL_REMOTE_GRAIN >> 20) < 4096)
		return 0;
	return pl_error_set(
		err, -EINVAL,
		jumbo ? "use a smaller RingSize=, fewer ports, or MTUs that buffers of 2048 bytes "
			"hold (in zero-copy mode up to 1002)"
		      : "use a smaller RingSize=, or fewer ports",
		"buffers: for %u ports with rings of %u descriptors each plane needs %llu MiB, as "
		"buffers of %u bytes; it can have less than 4 GiB",
		router->config->n_ports, router->config->ring_size, all, router->buf_bytes);
}

int buffers_probe(struct router *router, struct pl_error *err)
{
	int rc = check_size(router, err);

	if (rc || !config_mode(router->config)->remote)
		return rc;
	rc = accelerator_packets_new(router, 1, PL_REMOTE_GRAIN, err);
	for (unsigned i = 0; i < router->n_ports && !rc; i++)
		rc = devices_try_memory(&router->config->ports[i], &router->packets[0].remote, err);
	accelerator_packets_free(router);
	return rc;
}

int buffers_init(struct router *router, struct pl_error *err)
{
	struct plan p = plan(router);
	int rc = 0;

	if (p.remote)
		rc = accelerator_packets_new(router, router->n_planes, p.remote_bytes, err);
	for (unsigned i = 0; i < router->n_planes && !rc; i++) {
		struct pl_pool *pool = &router->planes[i].pool;

		if (p.remote)
			rc = pl_pool_init_remote(pool, &router->packets[i].remote, p.host,
						 router->buf_bytes, err);
		else
			rc = pl_pool_init(pool, p.host, router->buf_bytes, err);
	}
	if (!rc)
		warn_ordinary_pages(router);
	return rc;
}

void buffers_fini(struct router *router)
{
	for (unsigned i = 0; i < router->n_planes; i++)
		pl_pool_fini(&router->planes[i].pool);
	accelerator_packets_free(router);
}

void buffers_print(const struct router *router, FILE *out)
{
	struct plan p = plan(router);
	unsigned long long host = mib((size_t)p.host * router->buf_bytes);

	if (p.remote)
		fprintf(out,
			"%u of %u bytes for each plane in the accelerator's memory (%llu MiB), and "
			"%u in main memory (%llu MiB)",
			p.remote, router->buf_bytes, mib(p.remote_bytes), p.host, host);
	else
		fprintf(out, "%u of %u bytes for each plane (%llu MiB)", p.host, router->buf_bytes,
			host);
}

const char *buffers_describe(const struct router *router, const struct pl_pool *pool, char *out,
			     size_t size)
{
	if (pool->n_remote)
		snprintf(out, size,
			 "%u buffers of %u bytes in the accelerator's memory, %u in main memory",
			 pool->n_remote, router->buf_bytes, pool->n_bufs - pool->n_remote);
	else
		snprintf(out, size, "%u buffers of %u bytes", pool->n_bufs, router->buf_bytes);
	return out;
}
