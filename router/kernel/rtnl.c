/* SPDX-License-Identifier: BSD-2-Clause */
#include "rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Room for about 80,000 route notifications before any is lost: a routing daemon moves a full table
 * faster than it can be followed while both are short of a processor. Taken only as it fills. */
#define NOTIFY_BUFFER_BYTES (64u * 1024 * 1024)

static int set_option(struct mnl_socket *socket, int option)
{
	int on = 1;

	return mnl_socket_setsockopt(socket, option, &on, sizeof(on));
}

static struct mnl_socket *open_one(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (!socket)
		return NULL;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

static int subscribe(struct mnl_socket *socket, const int *groups, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			return -errno;
	}
	return 0;
}

static int subscribe_all(struct rtnl *s)
{
	static const int live[] = {RTNLGRP_LINK, RTNLGRP_NEIGH};
	static const int rest[] = {
		RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_NEXTHOP,     RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE,
	};
	int rc = subscribe(s->live, live, sizeof(live) / sizeof(live[0]));

	return rc ? rc : subscribe(s->notify, rest, sizeof(rest) / sizeof(rest[0]));
}

int rtnl_open(struct rtnl *s, struct pl_error *err)
{
	int rc;

	*s = (struct rtnl){.dump_seq = (uint32_t)time(NULL)};
	s->notify = open_one();
	s->live = s->notify ? open_one() : NULL;
	s->dump = s->live ? open_one() : NULL;
	s->ask = s->dump ? open_one() : NULL;
	if (!s->ask) {
		rc = -errno;
		rtnl_close(s);
		return pl_error_set(err, rc,
				    "a kernel with CONFIG_NET is needed, and a sandbox "
				    "that lets AF_NETLINK sockets through",
				    "cannot open a netlink socket: %s", strerror(-rc));
	}
	rtnl_set_buffer(s, NOTIFY_BUFFER_BYTES);
	/* Since Linux 4.20: requests with unknown fields are refused, not misread. */
	set_option(s->dump, NETLINK_GET_STRICT_CHK);
	rc = subscribe_all(s);
	if (rc) {
		rtnl_close(s);
		return pl_error_set(err, rc, "Linux 5.3 or later is needed",
				    "cannot subscribe to the kernel's routes: %s", strerror(-rc));
	}
	return 0;
}

void rtnl_close(struct rtnl *s)
{
	if (s->notify)
		mnl_socket_close(s->notify);
	if (s->live)
		mnl_socket_close(s->live);
	if (s->dump)
		mnl_socket_close(s->dump);
	if (s->ask)
		mnl_socket_close(s->ask);
	*s = (struct rtnl){0};
}

static void set_buffer(struct mnl_socket *socket, int bytes)
{
	int fd = mnl_socket_get_fd(socket);

	/* The second is limited by net.core.rmem_max but needs no privilege. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void rtnl_set_buffer(struct rtnl *s, unsigned bytes)
{
	set_buffer(s->notify, (int)bytes);
	set_buffer(s->live, (int)bytes);
}

/* The header that strict checking wants for each type of dump, all but the family zero. */
static size_t dump_header_bytes(uint16_t type)
{
	switch (type) {
	case RTM_GETLINK:
		return sizeof(struct ifinfomsg);
	case RTM_GETADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_GETNEIGH:
		return sizeof(struct ndmsg);
	case RTM_GETNEXTHOP:
		return 8; /* struct nhmsg */
	default:
		return sizeof(struct rtmsg); /* RTM_GETROUTE, RTM_GETRULE: of the same size */
	}
}

int rtnl_dump(struct rtnl *s, uint16_t type, uint8_t family)
{
	char buffer[64] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	uint8_t *header;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++s->dump_seq;
	header = mnl_nlmsg_put_extra_header(nlh, dump_header_bytes(type));
	header[0] = family; /* the first byte of all of them */
	return mnl_socket_sendto(s->dump, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

int rtnl_receive(struct mnl_socket *socket, void *buffer, size_t len)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = buffer, .iov_len = len};
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	for (;;) {
		n = recvmsg(mnl_socket_get_fd(socket), &msg, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (msg.msg_flags & MSG_TRUNC)
			return -ENOBUFS; /* as good as lost */
		if (from.nl_pid == 0 && n)
			return (int)n;
		/* Another process may write to our socket; only the kernel is believed. */
	}
}

/* Whether the kernel has the neighbour as one that stays whatever happens (nud permanent, noarp). */
static bool neighbour_is_fixed(struct rtnl *s, unsigned ifindex, const struct ip_addr *addr)
{
	char buffer[1024] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	int n;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ndm->ndm_family = addr->family;
	ndm->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, addr->family == AF_INET ? 4 : 16, addr->bytes);
	if (mnl_socket_sendto(s->ask, nlh, nlh->nlmsg_len) < 0)
		return false;
	n = rtnl_receive(s->ask, buffer, sizeof(buffer)); /* which comes at once */
	nlh = (struct nlmsghdr *)buffer;
	if (n <= 0 || !mnl_nlmsg_ok(nlh, n) || nlh->nlmsg_type != RTM_NEWNEIGH ||
	    nlh->nlmsg_len < mnl_nlmsg_size(sizeof(*ndm)))
		return false;
	ndm = mnl_nlmsg_get_payload(nlh);
	return ndm->ndm_state & (NUD_PERMANENT | NUD_NOARP);
}

static void drain(struct mnl_socket *socket)
{
	char buffer[4096];

	while (recv(mnl_socket_get_fd(socket), buffer, sizeof(buffer), 0) > 0 || errno == ENOBUFS)
		errno = 0;
}

void rtnl_use_neighbour(struct rtnl *s, unsigned ifindex, const struct ip_addr *addr, bool external)
{
	char buffer[128] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ndmsg *ndm;

	/* NTF_USE makes a permanent neighbour an ordinary one, without a MAC. We may not have heard
	 * yet that it is one: neighbours and routes come by different sockets. */
	if (neighbour_is_fixed(s, ifindex, addr))
		return;
	nlh->nlmsg_type = RTM_NEWNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = addr->family;
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = NUD_NONE;
	ndm->ndm_flags = (uint8_t)(NTF_USE | (external ? NTF_EXT_LEARNED : 0));
	mnl_attr_put(nlh, NDA_DST, addr->family == AF_INET ? 4 : 16, addr->bytes);
	mnl_socket_sendto(s->ask, nlh, nlh->nlmsg_len);
	drain(s->ask); /* refusals, which come at once */
}

/* Adds up what the tables in a part of the answer say. Returns false at its end. */
static bool add_refused(const struct nlmsghdr *nlh, int len, uint64_t *refused)
{
	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		const struct nlattr *attr;
		struct ndt_stats stats;

		if (nlh->nlmsg_type != RTM_NEWNEIGHTBL)
			return false;
		mnl_attr_for_each(attr, nlh, sizeof(struct ndtmsg))
		{
			if (mnl_attr_get_type(attr) != NDTA_STATS ||
			    mnl_attr_get_payload_len(attr) < sizeof(stats))
				continue;
			memcpy(&stats, mnl_attr_get_payload(attr), sizeof(stats));
			*refused += stats.ndts_table_fulls;
		}
	}
	return true;
}

int rtnl_neighbours_refused(struct rtnl *s, uint8_t family, uint64_t *refused)
{
	char buffer[RTNL_BUFFER_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ndtmsg *ndtm;
	int n;

	nlh->nlmsg_type = RTM_GETNEIGHTBL;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ndtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndtm));
	ndtm->ndtm_family = family;
	if (mnl_socket_sendto(s->ask, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	*refused = 0;
	/* The kernel goes on with a dump whenever a part of it is taken. */
	do
		n = rtnl_receive(s->ask, buffer, sizeof(buffer));
	while (n > 0 && add_refused((const void *)buffer, n, refused));
	drain(s->ask);
	return n < 0 ? n : 0;
}
