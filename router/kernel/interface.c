/* SPDX-License-Identifier: BSD-2-Clause */
#include "interface.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

/* One request about interface `name`. Returns 0 or -errno. */
static int request(const char *name, unsigned long what, struct ifreq *ifr)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (sock < 0)
		return -errno;
	memset(ifr->ifr_name, 0, sizeof(ifr->ifr_name));
	strncpy(ifr->ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(sock, what, ifr) < 0)
		rc = -errno;
	close(sock);
	return rc;
}

int interface_query(const char *name, struct interface *out)
{
	struct ifreq ifr = {0};
	int rc = request(name, SIOCGIFHWADDR, &ifr);

	if (rc < 0)
		return rc;
	memcpy(out->mac, ifr.ifr_hwaddr.sa_data, sizeof(out->mac));
	rc = request(name, SIOCGIFMTU, &ifr);
	if (rc < 0)
		return rc;
	out->mtu = (unsigned)ifr.ifr_mtu;
	rc = request(name, SIOCGIFFLAGS, &ifr);
	out->up = ifr.ifr_flags & IFF_UP;
	return rc;
}

int interface_set_mac(const char *name, const uint8_t mac[6], struct pl_error *err)
{
	struct ifreq ifr = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
	int rc;

	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	rc = request(name, SIOCSIFHWADDR, &ifr);
	if (rc < 0)
		return pl_error_set(err, rc, NULL,
				    "%s: cannot set MAC %02x:%02x:%02x:%02x:%02x:%02x: %s", name,
				    mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], strerror(-rc));
	return 0;
}

int interface_set_mtu(const char *name, unsigned mtu, struct pl_error *err)
{
	struct ifreq ifr = {.ifr_mtu = (int)mtu};
	int rc = request(name, SIOCSIFMTU, &ifr);

	return rc < 0 ? pl_error_set(err, rc, "a TAP takes 68 to 65521",
				     "%s: cannot set MTU %u: %s", name, mtu, strerror(-rc))
		      : 0;
}

int interface_bring_up(const char *name, struct pl_error *err)
{
	struct ifreq ifr = {0};
	int rc = request(name, SIOCGIFFLAGS, &ifr);

	ifr.ifr_flags |= IFF_UP;
	if (rc == 0)
		rc = request(name, SIOCSIFFLAGS, &ifr);
	return rc < 0 ? pl_error_set(err, rc, NULL, "%s: cannot bring the interface up: %s", name,
				     strerror(-rc))
		      : 0;
}

/* Sends a request and takes the answer. Returns 0 or -errno, be it the kernel's. */
static int ask(struct nlmsghdr *nlh)
{
	char answer[1024] __attribute__((aligned(4)));
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc = 0;
	ssize_t n;

	if (!socket)
		return -errno;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
		rc = -errno;
	if (rc == 0) {
		n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (n < 0 || mnl_cb_run(answer, (size_t)n, 0, 0, NULL, NULL) < 0)
			rc = -errno;
	}
	mnl_socket_close(socket);
	return rc;
}

/* Begins a change of interface `ifindex`. */
static struct nlmsghdr *begin_set(void *buffer, unsigned ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_SETLINK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return nlh;
}

int interface_set_alias(unsigned ifindex, const char *alias)
{
	char buffer[512] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = begin_set(buffer, ifindex);
	size_t len = strlen(alias);

	if (len >= IFALIASZ)
		return -EINVAL;
	mnl_attr_put(nlh, IFLA_IFALIAS, len, alias);
	return ask(nlh);
}

int interface_tell_carrier(unsigned ifindex, bool up)
{
	char buffer[64] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = begin_set(buffer, ifindex);

	/* The steps from "up" and back to it that the kernel takes at another's word
	 * (net/core/rtnetlink.c set_operstate()), each with all that a change of carrier brings. In
	 * its own time it makes "down" of "dormant". */
	mnl_attr_put_u8(nlh, IFLA_OPERSTATE, up ? IF_OPER_UP : IF_OPER_DORMANT);
	return ask(nlh);
}
