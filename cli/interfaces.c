/* SPDX-License-Identifier: BSD-2-Clause */
#include "interfaces.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a listing that was disturbed. */
#define TRIES 10

struct listing {
	struct interface *list;
	unsigned n;
};

/* ---- what netlink tells (rtnetlink(7)) ---- */

static void copy_text(char *out, size_t size, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return;
	if (strlen(mnl_attr_get_str(attr)) < size)
		strcpy(out, mnl_attr_get_str(attr));
}

static bool get_u32(const struct nlattr *attr, uint32_t *out)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return false;
	*out = mnl_attr_get_u32(attr);
	return true;
}

static void read_kind(struct interface *i, const struct nlattr *info)
{
	const struct nlattr *attr;

	if (mnl_attr_validate(info, MNL_TYPE_NESTED) < 0)
		return;
	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			copy_text(i->kind, sizeof(i->kind), attr);
	}
}

/* In one mode IFLA_XDP_PROG_ID has the program's id; attached in several, each has its own. */
static void read_xdp(struct interface *i, const struct nlattr *xdp)
{
	const struct nlattr *attr;

	if (mnl_attr_validate(xdp, MNL_TYPE_NESTED) < 0)
		return;
	mnl_attr_for_each_nested(attr, xdp)
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_XDP_PROG_ID:
		case IFLA_XDP_DRV_PROG_ID:
		case IFLA_XDP_SKB_PROG_ID:
		case IFLA_XDP_HW_PROG_ID:
			(void)get_u32(attr, &i->xdp_program);
			break;
		}
	}
}

static void read_attribute(struct interface *i, const struct nlattr *attr)
{
	uint32_t value;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		copy_text(i->name, sizeof(i->name), attr);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == sizeof(i->mac))
			memcpy(i->mac, mnl_attr_get_payload(attr), sizeof(i->mac));
		break;
	case IFLA_MTU:
		(void)get_u32(attr, &i->mtu);
		break;
	case IFLA_MASTER:
		if (get_u32(attr, &value) && !if_indextoname(value, i->master))
			i->master[0] = '\0'; /* it has just gone */
		break;
	case IFLA_LINKINFO:
		read_kind(i, attr);
		break;
	case IFLA_XDP:
		read_xdp(i, attr);
		break;
	}
}

static int read_link(const struct nlmsghdr *message, void *ctx)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct listing *l = ctx;
	struct interface i = {0}, *grown;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK || info->ifi_type != ARPHRD_ETHER)
		return MNL_CB_OK;
	i.up = info->ifi_flags & IFF_UP;
	i.carrier = info->ifi_flags & IFF_LOWER_UP;
	mnl_attr_for_each(attr, message, sizeof(*info)) read_attribute(&i, attr);
	if (!i.name[0])
		return MNL_CB_OK;
	grown = reallocarray(l->list, l->n + 1, sizeof(i));
	if (!grown) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	l->list = grown;
	grown[l->n++] = i;
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *netlink, struct listing *l)
{
	char buf[32768];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;
	int rc;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = 1;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t len = mnl_socket_recvfrom(netlink, buf, sizeof(buf));

		if (len < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)len, 1, mnl_socket_get_portid(netlink), read_link, l);
	} while (rc == MNL_CB_OK);
	return rc < 0 ? -errno : 0;
}

/* One try. -EINTR: interfaces came or went meanwhile. */
static int list_links(struct listing *l)
{
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc;

	*l = (struct listing){0};
	if (!netlink)
		return -errno;
	rc = dump(netlink, l);
	mnl_socket_close(netlink);
	if (rc) {
		free(l->list);
		*l = (struct listing){0};
	}
	return rc;
}

/* ---- what ethtool tells ---- */

static int ethtool(int fd, const char *name, void *command)
{
	struct ifreq ifr = {.ifr_data = command};

	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	return ioctl(fd, SIOCETHTOOL, &ifr);
}

/* A driver that knows no channels has one queue. */
static void ask_driver(int fd, struct interface *i)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (!ethtool(fd, i->name, &driver))
		memcpy(i->driver, driver.driver, strnlen(driver.driver, sizeof(i->driver) - 1));
	if (!ethtool(fd, i->name, &channels))
		i->n_queues = channels.combined_count + channels.rx_count;
	else if (errno == EOPNOTSUPP)
		i->n_queues = 1;
}

int interfaces_list(struct interface **list, unsigned *n, struct pl_error *err)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : -EINTR;
	struct listing l = {0};

	for (unsigned i = 0; rc == -EINTR && i < TRIES; i++)
		rc = list_links(&l);
	for (unsigned i = 0; i < l.n; i++)
		ask_driver(fd, &l.list[i]);
	if (fd >= 0)
		close(fd);
	*list = l.list;
	*n = l.n;
	if (rc)
		return pl_error_set(err, rc, NULL, "cannot list the network interfaces: %s",
				    strerror(-rc));
	return 0;
}
