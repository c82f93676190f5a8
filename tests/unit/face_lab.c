/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "face_lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

const uint8_t lab_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 0x02};

bool lab_enter(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		printf("SKIP: needs a network namespace of its own: %s (run as root)\n",
		       strerror(errno));
		return false;
	}
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		printf("SKIP: needs /dev/net/tun: %s\n", strerror(errno));
		return false;
	}
	if (lab_sysctl("ipv6/conf/default/disable_ipv6") >= 0)
		lab_sysctl_set("ipv6/conf/default/disable_ipv6", 1);
	lab_set_up("lo", true);
	return true;
}

int lab_sysctl(const char *key)
{
	char path[128], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", key);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

void lab_sysctl_set(const char *key, int value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", key);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "%d", value) > 0);
	close(fd);
}

struct ifreq lab_ioctl(const char *name, unsigned long request, struct ifreq ifr)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(sock, request, &ifr) < 0)
		fail_msg("%s: ioctl %lx: %s", name, request, strerror(errno));
	close(sock);
	return ifr;
}

bool lab_carrier(const char *name)
{
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};

	lab_ioctl(name, SIOCETHTOOL, (struct ifreq){.ifr_data = (void *)&link});
	return link.data;
}

static short flags_of(const char *name)
{
	return lab_ioctl(name, SIOCGIFFLAGS, (struct ifreq){0}).ifr_flags;
}

bool lab_up(const char *name)
{
	return flags_of(name) & IFF_UP;
}

void lab_set_up(const char *name, bool up)
{
	short flags = flags_of(name);

	flags = (short)(up ? flags | IFF_UP : flags & ~IFF_UP);
	lab_ioctl(name, SIOCSIFFLAGS, (struct ifreq){.ifr_flags = flags});
}

void lab_set_mtu(const char *name, int mtu)
{
	lab_ioctl(name, SIOCSIFMTU, (struct ifreq){.ifr_mtu = mtu});
}

void lab_set_address(const char *name, const char *addr)
{
	struct ifreq ifr = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&ifr.ifr_addr;

	in->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, addr, &in->sin_addr), 1);
	lab_ioctl(name, SIOCSIFADDR, ifr);
	assert_int_equal(inet_pton(AF_INET, "255.255.255.0", &in->sin_addr), 1);
	lab_ioctl(name, SIOCSIFNETMASK, ifr);
}

void lab_delete(const char *name)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;
	ssize_t len;

	nlh->nlmsg_type = RTM_DELLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)if_nametoindex(name);
	assert_non_null(nl);
	assert_true(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(mnl_cb_run(buf, (size_t)len, 0, mnl_socket_get_portid(nl), NULL, NULL),
			 MNL_CB_STOP);
	mnl_socket_close(nl);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static int take_operstate(const struct nlmsghdr *nlh, void *to)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh,
			  sizeof(struct ifinfomsg)) if (mnl_attr_get_type(attr) == IFLA_OPERSTATE) *
		(uint8_t *)to = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

/* RFC 2863's operational state, IF_OPER_*. */
static uint8_t operstate_of(const char *name)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;
	uint8_t state = IF_OPER_UNKNOWN;
	ssize_t len;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)if_nametoindex(name);
	assert_non_null(nl);
	assert_true(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	assert_true(len > 0);
	assert_true(mnl_cb_run(buf, (size_t)len, 0, mnl_socket_get_portid(nl), take_operstate,
			       &state) >= MNL_CB_STOP);
	mnl_socket_close(nl);
	return state;
}

void lab_wait_running(const char *name)
{
	uint64_t deadline_ms = now_ms() + LAB_PATIENCE_MS;

	/* IFF_RUNNING would not do: it is set, too, while the state of a new interface is not known
	 * yet, and until then what is sent out of it is lost. */
	while (operstate_of(name) != IF_OPER_UP) {
		assert_true(now_ms() < deadline_ms);
		nap();
	}
	/* The state shows before the queueing discipline works. Both change under the kernel's
	 * configuration lock, which this request takes too. */
	lab_set_up(name, true);
}

void lab_wait_stat(const pl_stat *stat, uint64_t value)
{
	uint64_t deadline_ms = now_ms() + LAB_PATIENCE_MS;

	while (pl_stat_read(stat) < value && now_ms() < deadline_ms)
		nap();
	assert_int_equal(pl_stat_read(stat), value);
}

int lab_packet_socket(unsigned ifindex)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(LAB_ETHERTYPE),
		.sll_ifindex = (int)ifindex,
	};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(LAB_ETHERTYPE));

	assert_true(fd >= 0);
	/* All that a ring holds may come before the test reads any. */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){4 << 20}, sizeof(int)),
			 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	/* What the test itself sends must not come back as received. */
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int){1}, sizeof(int)),
			 0);
	return fd;
}

void lab_face_open(struct lab_face *lab, bool start)
{
	struct face_config config = {.name = "t0", .mtu = 1500, .n_planes = LAB_PLANES};
	struct pl_error err = {0};

	memcpy(config.mac, lab_mac, sizeof(config.mac));
	lab->set = faces_new();
	assert_non_null(lab->set);
	if (face_open(lab->set, &config, &lab->face, &err) < 0)
		fail_msg("%s (%s)", err.what, err.remedy);
	for (unsigned i = 0; i < LAB_PLANES; i++) {
		assert_int_equal(pl_pool_init(&lab->pool[i], LAB_BUFS, 2048, &err), 0);
		lab->queue[i] = face_queue(lab->face, i, &lab->pool[i]);
		assert_non_null(lab->queue[i]);
	}
	assert_int_equal(face_set_carrier(lab->face, true), 0);
	lab_wait_running("t0");
	lab->packet_fd = lab_packet_socket(face_ifindex(lab->face));
	if (start && faces_start(lab->set, &err) < 0)
		fail_msg("%s", err.what);
}

void lab_face_close(struct lab_face *lab)
{
	close(lab->packet_fd);
	faces_stop(lab->set);
	faces_free(lab->set, false);
	for (unsigned i = 0; i < LAB_PLANES; i++) {
		assert_int_equal(lab->pool[i].n_free, LAB_BUFS);
		pl_pool_fini(&lab->pool[i]);
	}
}

void lab_frame_make(uint8_t *data, uint16_t len, uint32_t number)
{
	memcpy(data, lab_mac, 6);
	memcpy(data + 6, peer_mac, 6);
	data[12] = LAB_ETHERTYPE >> 8;
	data[13] = LAB_ETHERTYPE & 0xff;
	memcpy(data + 14, &number, 4);
	memset(data + 18, (uint8_t)(number * 7 + 1), len - 18u);
}

bool lab_frame_is(const uint8_t *data, uint16_t len, uint32_t number)
{
	uint8_t expected[65536];

	lab_frame_make(expected, len, number);
	return memcmp(data, expected, len) == 0;
}

void lab_kernel_sends(struct lab_face *lab, uint16_t len, uint32_t number)
{
	uint8_t data[65536];

	lab_frame_make(data, len, number);
	if (send(lab->packet_fd, data, len, 0) != len)
		fail_msg("send: %s", strerror(errno));
}

void lab_plane_punts(struct lab_face *lab, unsigned plane, uint16_t len, uint32_t number,
		     unsigned n)
{
	uint32_t frame[PL_BURST_MAX];
	uint16_t lens[PL_BURST_MAX];

	assert_int_equal(pl_pool_get(&lab->pool[plane], frame, n, PL_OWNER_BURST), n);
	for (unsigned i = 0; i < n; i++) {
		lens[i] = len;
		lab_frame_make(pl_pool_data(&lab->pool[plane], frame[i]), len, number + i);
	}
	pl_queue_tx(lab->queue[plane], frame, lens, n);
	assert_false(pl_queue_flush(lab->queue[plane]));
}

bool lab_readable(const struct pl_queue *q)
{
	struct pollfd fd = {.fd = q->event_fd, .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

void lab_wait_readable(const struct pl_queue *q)
{
	struct pollfd fd = {.fd = q->event_fd, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, LAB_PATIENCE_MS), 1);
}

unsigned lab_plane_takes(struct lab_face *lab, unsigned plane, uint32_t *frame, uint16_t *len,
			 unsigned max)
{
	struct pollfd fd = {.fd = lab->queue[plane]->event_fd, .events = POLLIN};
	unsigned n;

	while ((n = pl_queue_rx(lab->queue[plane], frame, len, max)) == 0)
		if (poll(&fd, 1, LAB_PATIENCE_MS) != 1)
			fail_msg("plane %u not woken within %d ms", plane, LAB_PATIENCE_MS);
	return n;
}
