/* SPDX-License-Identifier: BSD-2-Clause */
/* A wire that is a network interface, by AF_XDP sockets on all its queues (peerlane/port.h). What arrives
 * is lent to the NIC where the kernel has put it; what the NIC sends is copied into buffers of ours.
 *
 * The port's functions ask for a control thread and planes: the emulator's thread is both. So a NIC whose
 * interface vanishes or comes back has all others wait for some ten milliseconds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <peerlane/port.h>

#include "private.h"

#define RING 1024u
#define BUF_BYTES 4096u
#define QUEUES_MAX 64u

/* Frames lent at a time, and again those being filled to be sent. */
#define SPARE 512u

#define MIN_LEN 60u

/* As long it is waited between tries to take an interface over that is back, at first and at most. */
#define RETRY_FIRST_NS 10000000u
#define RETRY_MAX_NS 1000000000u
#define RETRY_TELL_NS 160000000u /* what does not work for so long is said */

/* The interface and we. */
enum state {
	STATE_AWAY, /* there is none of that name */
	STATE_BACK, /* there is, to be taken over at retry_at_ns */
	STATE_OURS,
};

struct netdev {
	struct emu_wire wire;
	char name[IFNAMSIZ];
	struct pl_port *port;
	struct pl_pool pool;
	struct pl_queue *queues[QUEUES_MAX];
	unsigned n_queues;
	unsigned next; /* queue to be asked first */
	uint32_t lent[PL_BURST_MAX];
	unsigned n_lent;
	struct mnl_socket *netlink; /* of changes of links */
	int timer_fd;
	enum state state;
	unsigned ifindex;
	int all_fd; /* as long as it is open, the interface is promiscuous; -1 */
	bool carrier;
	uint64_t retry_at_ns, retry_ns;
	bool told;	    /* that it cannot be taken over */
	uint64_t n_dropped; /* sent by the NIC, and too long for a buffer, or none was free */
};

static struct netdev *netdev_of(struct emu_wire *wire)
{
	return (struct netdev *)wire;
}

/* ---- frames ---- */

static void give_back(struct netdev *dev)
{
	pl_pool_put(&dev->pool, dev->lent, dev->n_lent, PL_OWNER_BURST);
	dev->n_lent = 0;
}

/* What is on a wire has been padded by whoever sent it; what a veth carries has not. */
static void pad(uint8_t *data, uint16_t *len)
{
	if (*len >= MIN_LEN)
		return;
	memset(data + *len, 0, MIN_LEN - *len);
	*len = MIN_LEN;
}

static unsigned netdev_arrived(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct netdev *dev = netdev_of(wire);
	uint16_t len[PL_BURST_MAX];
	unsigned n = 0;

	if (dev->n_lent)
		give_back(dev);
	if (max > PL_BURST_MAX)
		max = PL_BURST_MAX;
	for (unsigned i = 0; i < dev->n_queues && n < max; i++) {
		struct pl_queue *q = dev->queues[dev->next];

		n += pl_queue_rx(q, dev->lent + n, len + n, max - n);
		dev->next = dev->next + 1 == dev->n_queues ? 0 : dev->next + 1;
	}
	for (unsigned i = 0; i < n; i++) {
		uint8_t *data = pl_pool_data(&dev->pool, dev->lent[i]);

		pad(data, &len[i]);
		frames[i] = (struct emu_frame){data, len[i]};
	}
	dev->n_lent = n;
	return n;
}

/* All by one queue, which keeps them in order. */
static void netdev_send(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	struct netdev *dev = netdev_of(wire);
	uint32_t room = pl_pool_frame_max(&dev->pool);
	uint32_t frame[PL_BURST_MAX];
	uint16_t len[PL_BURST_MAX];
	unsigned taken = 0;

	for (unsigned i = 0; i < n; i++) {
		if (frames[i].len > room || taken == PL_BURST_MAX ||
		    !pl_pool_get(&dev->pool, &frame[taken], 1, PL_OWNER_BURST)) {
			dev->n_dropped++;
			continue;
		}
		memcpy(pl_pool_data(&dev->pool, frame[taken]), frames[i].data, frames[i].len);
		len[taken++] = (uint16_t)frames[i].len;
	}
	pl_queue_tx(dev->queues[0], frame, len, taken);
}

static bool netdev_flush(struct emu_wire *wire)
{
	struct netdev *dev = netdev_of(wire);
	bool again = false;

	for (unsigned i = 0; i < dev->n_queues; i++)
		again |= pl_queue_flush(dev->queues[i]);
	return again;
}

static void netdev_lost(struct emu_wire *wire, uint64_t *to_nic, uint64_t *from_nic)
{
	struct netdev *dev = netdev_of(wire);

	*to_nic = 0;
	*from_nic = dev->n_dropped;
	for (unsigned i = 0; i < dev->n_queues; i++) {
		struct pl_queue *q = dev->queues[i];

		if (q->ops->refresh_stats)
			q->ops->refresh_stats(q);
		*to_nic += pl_stat_read(&q->stats.rx_dropped);
		*from_nic += pl_stat_read(&q->stats.tx_dropped);
	}
}

static bool netdev_link(struct emu_wire *wire)
{
	const struct netdev *dev = netdev_of(wire);

	return dev->state == STATE_OURS && dev->carrier;
}

/* ---- the interface goes and comes ---- */

static int watch(struct netdev *dev, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(dev->wire.event_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void hear_no_more(struct netdev *dev)
{
	if (dev->all_fd >= 0)
		close(dev->all_fd);
	dev->all_fd = -1;
}

static void let_go(struct netdev *dev)
{
	give_back(dev);
	for (unsigned i = 0; i < dev->n_queues; i++) {
		epoll_ctl(dev->wire.event_fd, EPOLL_CTL_DEL, dev->queues[i]->event_fd, NULL);
		pl_queue_leave(dev->queues[i]);
	}
	pl_port_leave(dev->port);
	for (unsigned i = 0; i < dev->n_queues; i++)
		pl_queue_collect(dev->queues[i]);
	hear_no_more(dev);
}

/* Lets frames come, whomever they are for, as on any cable: the NIC has a filter of its own. */
static int hear_all(struct netdev *dev, struct pl_error *err)
{
	struct packet_mreq all = {.mr_ifindex = (int)dev->ifindex, .mr_type = PACKET_MR_PROMISC};

	hear_no_more(dev);
	/* Protocol 0: the socket itself receives nothing (packet(7)). */
	dev->all_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (dev->all_fd < 0 ||
	    setsockopt(dev->all_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)))
		return pl_error_set(err, -errno, NULL, "%s: cannot make it receive all frames: %s",
				    dev->name, strerror(errno));
	return 0;
}

static int watch_queues(struct netdev *dev, struct pl_error *err)
{
	int rc = hear_all(dev, err);

	for (unsigned i = 0; i < dev->n_queues && !rc; i++) {
		if (watch(dev, dev->queues[i]->event_fd))
			rc = pl_error_set(err, -errno, NULL, "%s: cannot watch its socket: %s",
					  dev->name, strerror(errno));
	}
	return rc;
}

static void retry_in(struct netdev *dev, uint64_t ns)
{
	struct itimerspec timer = {.it_value = {.tv_sec = (time_t)(ns / 1000000000u),
						.tv_nsec = (long)(ns % 1000000000u)}};

	dev->retry_ns = ns;
	dev->retry_at_ns = emu_now_ns() + ns;
	timerfd_settime(dev->timer_fd, 0, &timer, NULL);
}

static void gone(struct netdev *dev)
{
	if (dev->state == STATE_OURS)
		let_go(dev);
	else if (dev->state == STATE_BACK)
		pl_port_leave(dev->port); /* what a try has taken over of it */
	dev->state = STATE_AWAY;
	dev->ifindex = 0;
	dev->carrier = false;
	dev->retry_at_ns = 0;
}

static void back(struct netdev *dev, unsigned ifindex)
{
	gone(dev);
	dev->state = STATE_BACK;
	dev->ifindex = ifindex;
	dev->retry_ns = RETRY_FIRST_NS / 2;
	dev->told = false;
}

/* Once for each interface. */
static void tell(struct netdev *dev, const struct pl_error *err)
{
	char what[sizeof(err->what) + sizeof(err->remedy) + 32];

	if (dev->told || dev->retry_ns < RETRY_TELL_NS || !dev->wire.say)
		return;
	dev->told = true;
	snprintf(what, sizeof(what), "its cable is not plugged in: %s%s%s", err->what,
		 err->remedy[0] ? "; " : "", err->remedy);
	dev->wire.say(dev->wire.say_ctx, what);
}

static void take_over(struct netdev *dev)
{
	struct pl_error err;
	int rc = pl_port_return(dev->port, &err);

	if (!rc) {
		for (unsigned i = 0; i < dev->n_queues && !rc; i++)
			rc = pl_queue_resume(dev->queues[i], &err);
		if (!rc)
			rc = watch_queues(dev, &err);
		if (rc)
			let_go(dev);
	}
	if (rc) {
		retry_in(dev, 2 * dev->retry_ns < RETRY_MAX_NS ? 2 * dev->retry_ns : RETRY_MAX_NS);
		tell(dev, &err);
		return;
	}
	dev->state = STATE_OURS;
	dev->retry_at_ns = 0;
}

/* ---- what the kernel says of links ---- */

/* Asks for all of ours, or else of the one of the name: after a loss of messages, and at first. */
static void ask(struct netdev *dev)
{
	char buffer[256] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	info->ifi_family = AF_UNSPEC;
	if (dev->ifindex)
		info->ifi_index = (int)dev->ifindex;
	else
		mnl_attr_put_strz(nlh, IFLA_IFNAME, dev->name);
	(void)mnl_socket_sendto(dev->netlink, nlh, nlh->nlmsg_len);
}

/* The interface is no more; another may be called so already. */
static void vanished(struct netdev *dev)
{
	gone(dev);
	ask(dev);
}

static int note_name(const struct nlattr *attr, void *ctx)
{
	const char **name = ctx;

	if (mnl_attr_get_type(attr) == IFLA_IFNAME && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		*name = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

static void note_link(struct netdev *dev, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const char *name = "";

	/* Bridges tell of their ports by messages of another family. */
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info) || info->ifi_family != AF_UNSPEC)
		return;
	if (nlh->nlmsg_type == RTM_DELLINK) {
		if ((unsigned)info->ifi_index == dev->ifindex)
			vanished(dev);
		return;
	}
	mnl_attr_parse(nlh, sizeof(*info), note_name, &name);
	/* The one that is ours stays it, whatever it is called by now. */
	if (dev->ifindex ? (unsigned)info->ifi_index != dev->ifindex : strcmp(name, dev->name) != 0)
		return;
	if ((unsigned)info->ifi_index != dev->ifindex)
		back(dev, (unsigned)info->ifi_index);
	dev->carrier = info->ifi_flags & IFF_LOWER_UP;
}

/* A message, or more in one. Returns its length, or 0 when there is none, or -errno. */
static int receive(struct netdev *dev, void *buffer, size_t len)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = buffer, .iov_len = len};
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	/* Other processes may write to our socket; only the kernel is believed. */
	do
		n = recvmsg(mnl_socket_get_fd(dev->netlink), &msg, 0);
	while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid != 0));
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return msg.msg_flags & MSG_TRUNC ? -ENOBUFS : (int)n;
}

/* Reads what there is, and no further. */
static void read_links(struct netdev *dev)
{
	char buffer[32768] __attribute__((aligned(4)));
	bool lost = false;

	for (;;) {
		int left = receive(dev, buffer, sizeof(buffer));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;

		if (left == -ENOBUFS && !lost) {
			lost = true;
			ask(dev);
			continue;
		}
		if (left <= 0)
			return;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
				note_link(dev, nlh);
			else if (nlh->nlmsg_type == NLMSG_ERROR && dev->state != STATE_AWAY)
				vanished(dev); /* there is none, says the answer to ask() */
		}
	}
}

static void netdev_look(struct emu_wire *wire)
{
	struct netdev *dev = netdev_of(wire);

	read_links(dev);
	if (dev->state == STATE_BACK && emu_now_ns() >= dev->retry_at_ns)
		take_over(dev);
}

/* ---- open and close ---- */

static void netdev_close(struct emu_wire *wire)
{
	struct netdev *dev = netdev_of(wire);

	if (dev->n_lent)
		give_back(dev);
	if (dev->port)
		pl_port_close(dev->port); /* and its queues */
	hear_no_more(dev);
	if (dev->pool.base)
		pl_pool_fini(&dev->pool);
	if (dev->netlink)
		mnl_socket_close(dev->netlink);
	if (dev->timer_fd >= 0)
		close(dev->timer_fd);
	if (wire->event_fd >= 0)
		close(wire->event_fd);
	free(dev);
}

static const struct emu_wire_ops netdev_ops = {
	.arrived = netdev_arrived,
	.send = netdev_send,
	.flush = netdev_flush,
	.look = netdev_look,
	.link = netdev_link,
	.lost = netdev_lost,
	.close = netdev_close,
};

static int open_netlink(struct netdev *dev)
{
	dev->netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!dev->netlink || mnl_socket_bind(dev->netlink, RTMGRP_LINK, MNL_SOCKET_AUTOPID))
		return -errno;
	return watch(dev, mnl_socket_get_fd(dev->netlink));
}

static int open_events(struct netdev *dev, struct pl_error *err)
{
	int rc;

	dev->wire.event_fd = epoll_create1(EPOLL_CLOEXEC);
	dev->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (dev->wire.event_fd < 0 || dev->timer_fd < 0)
		rc = -errno;
	else
		rc = watch(dev, dev->timer_fd);
	if (!rc)
		rc = open_netlink(dev);
	return rc ? pl_error_set(err, rc, NULL, "%s: cannot watch its link: %s", dev->name,
				 strerror(-rc))
		  : 0;
}

static int open_queues(struct netdev *dev, struct pl_error *err)
{
	uint32_t n_bufs = dev->n_queues * pl_queue_bufs(RING) + PL_BURST_MAX + SPARE;
	int rc = pl_pool_init(&dev->pool, n_bufs, BUF_BYTES, err);

	for (unsigned i = 0; i < dev->n_queues && !rc; i++)
		rc = pl_port_queue_open(dev->port, i, &dev->pool, &dev->queues[i], err);
	return rc ? rc : watch_queues(dev, err);
}

static int open_all(struct netdev *dev, uint8_t mac[6], struct pl_error *err)
{
	struct pl_port_config config = {.name = dev->name, .device = dev->name, .ring_size = RING};
	struct pl_port_caps caps;
	int rc = pl_port_probe(&config, &caps, err);

	if (rc)
		return rc;
	if (caps.max_queues > QUEUES_MAX)
		return pl_error_set(err, -EINVAL, "give it fewer: ethtool -L",
				    "%s: an emulated NIC's wire takes %u queues, but it has %u",
				    dev->name, QUEUES_MAX, caps.max_queues);
	config.n_queues = dev->n_queues = caps.max_queues;
	config.zero_copy = caps.zero_copy;
	dev->ifindex = caps.ifindex;
	memcpy(mac, caps.mac, 6);
	rc = open_events(dev, err);
	if (!rc)
		rc = pl_port_open(&dev->port, &config, err);
	if (!rc)
		rc = open_queues(dev, err);
	if (rc)
		return rc;
	dev->state = STATE_OURS;
	ask(dev);
	read_links(dev); /* the answer is there already */
	return 0;
}

int emu_wire_netdev(const char *ifname, struct emu_wire **wire, uint8_t mac[6],
		    struct pl_error *err)
{
	struct netdev *dev = calloc(1, sizeof(*dev));
	int rc;

	*wire = NULL;
	if (!dev)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", ifname);
	dev->wire = (struct emu_wire){.ops = &netdev_ops, .kind = "netdev", .event_fd = -1};
	dev->timer_fd = dev->all_fd = -1;
	snprintf(dev->name, sizeof(dev->name), "%s", ifname);
	rc = open_all(dev, mac, err);
	if (rc) {
		netdev_close(&dev->wire);
		return rc;
	}
	*wire = &dev->wire;
	return 0;
}
