/* SPDX-License-Identifier: BSD-2-Clause */
/* Packet sockets on the devices that lead to the routers' ports.
 *
 * How it is known that a router is done: an echo request to the router itself goes where all that
 * is left to a kernel goes, behind the frames that came before it on its port. When it is answered
 * on every port, all frames have been dealt with, but what they made may wait in queues of other
 * ports; behind which the answers to a second round of requests come. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../bench/net/options.h"
#include "differ.h"

#define BATCH 64u
#define BUFFER_BYTES (64 << 20)
#define PROBE_LEN 60u
#define PROBE_AGAIN_MS 200
#define PROBES_MAX 50u
#define PORT_FRAME_MAX (14 + 4 + PORT_MTU) /* with a VLAN tag */
#define SEND_TRIES 100u

static const uint8_t magic[8] = "differ?";

struct links {
	int fd[TWINS][PORTS];
	uint32_t probe;		     /* number of the last round */
	bool answered[TWINS][PORTS]; /* that round's */
	unsigned refused[TWINS];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	uint8_t data[BATCH][FRAME_MAX];
	uint8_t control[BATCH][64];
};

static int open_device(const char *name)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1, size = BUFFER_BYTES;

	if (fd < 0)
		die("no packet socket: %s", strerror(errno));
	addr.sll_ifindex = (int)if_nametoindex(name);
	promiscuous.mr_ifindex = addr.sll_ifindex;
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)))
		die("%s: cannot open it for raw packets: %s", name, strerror(errno));
	return fd;
}

struct links *links_open(const struct device_names *names)
{
	struct links *links = calloc(1, sizeof(*links));

	if (!links)
		die("no memory");
	for (unsigned twin = 0; twin < TWINS; twin++)
		for (unsigned port = 0; port < PORTS; port++)
			links->fd[twin][port] = open_device(names->of[twin][port]);
	return links;
}

void links_close(struct links *links)
{
	for (unsigned twin = 0; twin < TWINS; twin++)
		for (unsigned port = 0; port < PORTS; port++)
			close(links->fd[twin][port]);
	free(links);
}

unsigned links_refused(const struct links *links, enum twin twin)
{
	return links->refused[twin];
}

/* Sends the batch that msgs and iov hold. A frame that the device refuses is left out: it is longer
 * than the router's port takes, or too short, and the other router's device says the same. */
static void send_batch(struct links *links, unsigned twin, unsigned port, unsigned n)
{
	int fd = links->fd[twin][port];
	unsigned sent = 0, tries = 0;

	while (sent < n) {
		int rc = sendmmsg(fd, links->msgs + sent, n - sent, 0);
		bool full = rc < 0 && errno == ENOBUFS &&
			    links->iov[sent].iov_len <= PORT_FRAME_MAX;

		if (rc > 0) {
			sent += (unsigned)rc;
			tries = 0;
		} else if (full && tries++ < SEND_TRIES) {
			sched_yield(); /* the router's queue is full */
		} else if (errno == ENOBUFS || errno == EMSGSIZE || errno == EINVAL) {
			sent++;
			tries = 0;
			links->refused[twin]++;
		} else {
			die("cannot send: %s", strerror(errno));
		}
	}
}

static void send_frames(struct links *links, unsigned twin, unsigned port,
			const struct frame *frames, unsigned n)
{
	unsigned filled = 0;

	for (unsigned i = 0; i < n; i++) {
		if (frames[i].port != port)
			continue;
		links->iov[filled] = (struct iovec){(void *)frames[i].bytes, frames[i].len};
		links->msgs[filled].msg_hdr =
			(struct msghdr){.msg_iov = &links->iov[filled], .msg_iovlen = 1};
		if (++filled == BATCH) {
			send_batch(links, twin, port, filled);
			filled = 0;
		}
	}
	send_batch(links, twin, port, filled);
}

/* An echo request from the port's host to the router. */
static void send_probe(struct links *links, unsigned twin, unsigned port)
{
	uint8_t last = (uint8_t)(port + 1);
	uint8_t frame[PROBE_LEN] = {2, 0, 0, 0, last, 1, 2, 0, 0, 0, last, 2, 0x08, 0x00};
	uint8_t *ip = frame + 14, *icmp = ip + 20;

	ip[0] = 0x45;
	put16(ip + 2, PROBE_LEN - 14);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, (uint8_t[]){10, 0, last, 2, 10, 0, last, 1}, 8);
	put16(ip + 10, checksum_fold(checksum_add(0, ip, 20)));
	icmp[0] = 8;
	memcpy(icmp + 8, magic, sizeof(magic));
	put32(icmp + 16, links->probe);
	put16(icmp + 2, checksum_fold(checksum_add(0, icmp, PROBE_LEN - 34)));
	links->iov[0] = (struct iovec){frame, sizeof(frame)};
	links->msgs[0].msg_hdr = (struct msghdr){.msg_iov = links->iov, .msg_iovlen = 1};
	send_batch(links, twin, port, 1);
}

/* True if the frame answers a probe, of whichever round. */
static bool take_answer(struct links *links, unsigned twin, unsigned port, const uint8_t *frame,
			unsigned len)
{
	if (len != PROBE_LEN || frame[14] != 0x45 || frame[23] != 1 || frame[34] != 0 ||
	    memcmp(frame + 42, magic, sizeof(magic)) != 0)
		return false;
	if (get32(frame + 50) == links->probe)
		links->answered[twin][port] = true;
	return true;
}

/* The kernel takes a VLAN tag out of the frame before we see it: where it was, or 0 bytes. */
static unsigned vlan_tag(struct msghdr *msg, uint8_t tag[4])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const struct tpacket_auxdata *aux = (void *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    !(aux->tp_status & TP_STATUS_VLAN_VALID))
			continue;
		put16(tag, aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : 0x8100);
		put16(tag + 2, aux->tp_vlan_tci);
		return 4;
	}
	return 0;
}

static void take_output(struct outputs *out, unsigned port, const uint8_t *data, unsigned len,
			const uint8_t *tag, unsigned tag_len)
{
	struct output *o = &out->at[out->n];

	if (out->n == OUTPUTS_MAX) {
		out->overflow = true;
		return;
	}
	out->n++;
	o->port = port;
	o->len = len + tag_len;
	o->left_over = false;
	memcpy(o->bytes, data, 12);
	memcpy(o->bytes + 12, tag, tag_len);
	memcpy(o->bytes + 12 + tag_len, data + 12, len - 12);
}

/* Takes what there is on one device. */
static void receive(struct links *links, unsigned twin, unsigned port, struct outputs *out)
{
	int n;

	do {
		for (unsigned i = 0; i < BATCH; i++) {
			links->iov[i] = (struct iovec){links->data[i], FRAME_MAX - 4};
			links->msgs[i].msg_hdr =
				(struct msghdr){.msg_iov = &links->iov[i],
						.msg_iovlen = 1,
						.msg_control = links->control[i],
						.msg_controllen = sizeof(links->control[i])};
		}
		n = recvmmsg(links->fd[twin][port], links->msgs, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0 && errno != EAGAIN)
			die("cannot receive: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			unsigned len = links->msgs[i].msg_len;
			uint8_t tag[4];
			unsigned tag_len = vlan_tag(&links->msgs[i].msg_hdr, tag);

			if (len >= 12 && !take_answer(links, twin, port, links->data[i], len))
				take_output(&out[twin], port, links->data[i], len, tag, tag_len);
		}
	} while (n == (int)BATCH);
}

static bool all_answered(const struct links *links)
{
	for (unsigned twin = 0; twin < TWINS; twin++)
		for (unsigned port = 0; port < PORTS; port++)
			if (!links->answered[twin][port])
				return false;
	return true;
}

static void probe_missing(struct links *links)
{
	for (unsigned twin = 0; twin < TWINS; twin++)
		for (unsigned port = 0; port < PORTS; port++)
			if (!links->answered[twin][port])
				send_probe(links, twin, port);
}

/* Receives until every port of both routers has answered a probe. */
static void await_round(struct links *links, struct outputs out[TWINS])
{
	struct pollfd fds[TWINS * PORTS];

	memset(links->answered, 0, sizeof(links->answered));
	links->probe++;
	for (unsigned i = 0; i < TWINS * PORTS; i++)
		fds[i] = (struct pollfd){.fd = links->fd[i / PORTS][i % PORTS], .events = POLLIN};
	for (unsigned probes = 0; !all_answered(links);) {
		if (probes++ == PROBES_MAX)
			die("a router does not answer pings any more");
		probe_missing(links);
		while (!all_answered(links) && poll(fds, TWINS * PORTS, PROBE_AGAIN_MS) > 0)
			for (unsigned i = 0; i < TWINS * PORTS; i++)
				if (fds[i].revents)
					receive(links, i / PORTS, i % PORTS, out);
	}
}

void links_exchange(struct links *links, const struct frame *frames, unsigned n,
		    struct outputs out[TWINS])
{
	for (unsigned twin = 0; twin < TWINS; twin++) {
		out[twin].n = 0;
		out[twin].overflow = false;
	}
	for (unsigned port = 0; port < PORTS; port++)
		for (unsigned twin = 0; twin < TWINS; twin++)
			send_frames(links, twin, port, frames, n);
	await_round(links, out);
	await_round(links, out);
}
