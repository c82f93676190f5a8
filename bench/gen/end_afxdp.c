/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue of a network interface, by libpeerlane's AF_XDP port. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <peerlane/port.h>

#include "end.h"
#include "frame.h"

#define RING 2048u
#define SHORT (RING / 4) /* several of the driver's turns */

struct afxdp {
	struct gen_end end;
	char device[IF_NAMESIZE];
	struct pl_pool pool;
	struct pl_port *port;
	struct pl_queue *queue;
	int asking; /* a socket, for questions about the interface */
	int ifindex;
	uint32_t sending[GEN_BURST], received[GEN_BURST];
	unsigned n_received;
};

static struct afxdp *afxdp_of(struct gen_end *end)
{
	return (struct afxdp *)end;
}

/* How many frames the queue has room for. Of the pool's buffers its RX side holds RING, but for those that it has not
 * made good yet, at most SHORT; what is left beyond these is less than what its TX side may still hold. */
static unsigned room(const struct afxdp *a)
{
	return a->pool.n_free > SHORT ? a->pool.n_free - SHORT : 0;
}

/* The queue takes what is reserved, or has lost it with the device: it is never asked to take more than it can hold. */
static unsigned afxdp_reserve(struct gen_end *end, struct gen_frame *frames, unsigned n)
{
	struct afxdp *a = afxdp_of(end);

	if (room(a) < n)
		(void)pl_queue_flush(a->queue);
	n = pl_pool_get(&a->pool, a->sending, n < room(a) ? n : room(a), PL_OWNER_BURST);
	for (unsigned i = 0; i < n; i++)
		frames[i].data = pl_pool_data(&a->pool, a->sending[i]);
	return n;
}

static void afxdp_commit(struct gen_end *end, const struct gen_frame *frames, unsigned n)
{
	struct afxdp *a = afxdp_of(end);
	uint16_t len[GEN_BURST];

	if (!n)
		return;
	for (unsigned i = 0; i < n; i++)
		len[i] = (uint16_t)frames[i].len;
	pl_queue_tx(a->queue, a->sending, len, n);
}

static unsigned afxdp_receive(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	struct afxdp *a = afxdp_of(end);
	uint16_t len[GEN_BURST];

	a->n_received = pl_queue_rx(a->queue, a->received, len, max);
	for (unsigned i = 0; i < a->n_received; i++)
		frames[i] = (struct gen_frame){pl_pool_data(&a->pool, a->received[i]), len[i]};
	return a->n_received;
}

static void afxdp_release(struct gen_end *end)
{
	struct afxdp *a = afxdp_of(end);

	pl_pool_put(&a->pool, a->received, a->n_received, PL_OWNER_BURST);
	a->n_received = 0;
}

static int afxdp_accept_mac(struct gen_end *end, const uint8_t mac[6], struct pl_error *err)
{
	return pl_port_accept_mac(afxdp_of(end)->port, mac, err);
}

static void afxdp_flush(struct gen_end *end)
{
	(void)pl_queue_flush(afxdp_of(end)->queue);
}

static void afxdp_counters(struct gen_end *end, struct gen_end_counters *counters)
{
	struct afxdp *a = afxdp_of(end);

	if (a->queue->ops->refresh_stats)
		a->queue->ops->refresh_stats(a->queue);
	counters->refused = pl_stat_read(&a->queue->stats.tx_dropped);
	counters->missed = pl_stat_read(&a->queue->stats.rx_dropped) + pl_port_rx_lost(a->port);
}

static enum gen_link afxdp_link(struct gen_end *end)
{
	struct afxdp *a = afxdp_of(end);
	struct ethtool_value carrier = {.cmd = ETHTOOL_GLINK};
	struct ifreq request = {0};

	memcpy(request.ifr_name, a->device, sizeof(request.ifr_name));
	if (ioctl(a->asking, SIOCGIFINDEX, &request) || request.ifr_ifindex != a->ifindex)
		return GEN_LINK_GONE;
	/* The carrier, as the driver has it: the interface's flags may follow a second later. */
	request.ifr_data = (void *)&carrier;
	if (ioctl(a->asking, SIOCETHTOOL, &request) == 0)
		return carrier.data ? GEN_LINK_UP : GEN_LINK_DOWN;
	/* A driver that does not say. */
	if (ioctl(a->asking, SIOCGIFFLAGS, &request))
		return GEN_LINK_GONE;
	return request.ifr_flags & IFF_UP && request.ifr_flags & IFF_RUNNING ? GEN_LINK_UP
									     : GEN_LINK_DOWN;
}

static void afxdp_close(struct gen_end *end)
{
	struct afxdp *a = afxdp_of(end);

	pl_port_close(a->port);
	pl_pool_fini(&a->pool);
	if (a->asking >= 0)
		close(a->asking);
	free(a);
}

static const struct gen_end_ops afxdp_ops = {
	.reserve = afxdp_reserve,
	.commit = afxdp_commit,
	.receive = afxdp_receive,
	.release = afxdp_release,
	.accept_mac = afxdp_accept_mac,
	.flush = afxdp_flush,
	.counters = afxdp_counters,
	.link = afxdp_link,
	.close = afxdp_close,
};

/* Splits "eth0:1" into interface and queue; `named`: whether there is one. */
static int split(const char *text, char device[IF_NAMESIZE], unsigned *queue, bool *named,
		 struct pl_error *err)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	char rest;

	*queue = 0;
	*named = colon;
	if (len == 0 || len >= IF_NAMESIZE ||
	    (colon && sscanf(colon + 1, "%4u%c", queue, &rest) != 1))
		return pl_error_set(err, -EINVAL, "use afxdp:INTERFACE[:QUEUE], as in afxdp:eth0:1",
				    "\"afxdp:%s\" names no queue of an interface", text);
	memcpy(device, text, len);
	device[len] = '\0';
	return 0;
}

static int open_port(struct afxdp *a, unsigned queue, unsigned size_max, struct pl_error *err)
{
	struct pl_port_config config = {
		.name = a->device,
		.device = a->device,
		.ring_size = RING,
	};
	struct pl_port_info info;
	struct pl_port_caps caps;
	int rc = pl_port_probe(&config, &caps, err);

	if (rc)
		return rc;
	if (queue >= caps.max_queues)
		return pl_error_set(err, -EINVAL, NULL, "%s: has no queue %u, but %u in all",
				    a->device, queue, caps.max_queues);
	if (size_max > caps.mtu + ETHER_HDR_LEN + GEN_FCS)
		return pl_error_set(
			err, -EMSGSIZE, "raise it (ip link set mtu), or use shorter frames",
			"%s: its MTU of %u is too small for frames of %u bytes (with FCS)",
			a->device, caps.mtu, size_max);
	a->end.queues = config.n_queues = caps.max_queues;
	config.zero_copy = caps.zero_copy;
	memcpy(a->end.host.mac, caps.mac, 6);
	rc = pl_port_open(&a->port, &config, err);
	if (!rc)
		rc = pl_port_queue_open(a->port, queue, &a->pool, &a->queue, err);
	if (!rc) {
		pl_port_info(a->port, &info);
		a->ifindex = (int)info.ifindex;
		rc = pl_port_start(a->port, err);
	}
	if (!rc)
		rc = pl_port_accept_mac(a->port, caps.mac, err);
	return rc;
}

int gen_end_afxdp(const char *device, unsigned size_max, struct gen_end **end, struct pl_error *err)
{
	struct afxdp *a = calloc(1, sizeof(*a));
	unsigned queue;
	bool named = false;
	int rc;

	if (!a)
		return pl_error_set(err, -ENOMEM, NULL, "no memory");
	a->asking = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = a->asking < 0 ? pl_error_set(err, -errno, NULL, "no socket: %s", strerror(errno))
			   : split(device, a->device, &queue, &named, err);
	/* Buffers that hold what the interface may receive, which only its MTU bounds. */
	if (!rc)
		rc = pl_pool_init(&a->pool, pl_queue_bufs(RING), 4096, err);
	if (!rc && size_max - GEN_FCS > pl_pool_frame_max(&a->pool))
		rc = pl_error_set(err, -EMSGSIZE, "use shorter frames",
				  "%s: AF_XDP sends frames of at most %u bytes (with FCS)",
				  a->device, pl_pool_frame_max(&a->pool) + GEN_FCS);
	if (!rc)
		rc = open_port(a, queue, size_max, err);
	if (rc) {
		afxdp_close(&a->end);
		return rc;
	}
	a->end.ops = &afxdp_ops;
	if (named)
		a->end.queues = 1;
	a->end.size_max = pl_pool_frame_max(&a->pool) + GEN_FCS;
	*end = &a->end;
	return 0;
}
