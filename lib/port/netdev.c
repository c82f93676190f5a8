/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>

#include "netdev.h"

static int request(int fd, unsigned long what, const char *device, struct ifreq *ifr)
{
	if (strlen(device) >= sizeof(ifr->ifr_name))
		return -ENODEV;
	memset(ifr->ifr_name, 0, sizeof(ifr->ifr_name));
	memcpy(ifr->ifr_name, device, strlen(device));
	return ioctl(fd, what, ifr) ? -errno : 0;
}

/* Queues that both receive and transmit: the combined channels, and pairs of the separate ones
 * (veth has only those). A driver that knows no channels has one queue. */
static int query_queues(int fd, const char *device, unsigned *n_queues)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (char *)&channels};
	int rc = request(fd, SIOCETHTOOL, device, &ifr);

	*n_queues = 1;
	if (rc == -EOPNOTSUPP)
		return 0;
	if (rc)
		return rc;
	*n_queues = channels.combined_count +
		    (channels.rx_count < channels.tx_count ? channels.rx_count : channels.tx_count);
	return 0;
}

int netdev_query(const char *device, struct netdev *dev)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	int rc;

	if (fd < 0)
		return -errno;
	rc = request(fd, SIOCGIFHWADDR, device, &ifr);
	if (rc)
		goto out;
	rc = -EPROTOTYPE;
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		goto out;
	memcpy(dev->mac, ifr.ifr_hwaddr.sa_data, sizeof(dev->mac));
	rc = request(fd, SIOCGIFINDEX, device, &ifr);
	if (rc)
		goto out;
	dev->ifindex = (unsigned)ifr.ifr_ifindex;
	rc = request(fd, SIOCGIFMTU, device, &ifr);
	if (rc)
		goto out;
	dev->mtu = (unsigned)ifr.ifr_mtu;
	rc = query_queues(fd, device, &dev->n_queues);
out:
	close(fd);
	return rc;
}

int netdev_set_mtu(const char *device, unsigned mtu)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_mtu = (int)mtu};
	int rc;

	if (fd < 0)
		return -errno;
	rc = request(fd, SIOCSIFMTU, device, &ifr);
	close(fd);
	return rc;
}

static int add_membership(int fd, unsigned ifindex, unsigned short type, const uint8_t *mac)
{
	struct packet_mreq mreq = {.mr_ifindex = (int)ifindex, .mr_type = type};

	if (mac) {
		mreq.mr_alen = 6;
		memcpy(mreq.mr_address, mac, 6);
	}
	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) ? -errno : 0;
}

int netdev_open_filter(unsigned ifindex, const uint8_t mac[6])
{
	/* Protocol 0: the socket itself receives nothing (packet(7)). */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = add_membership(fd, ifindex, PACKET_MR_ALLMULTI, NULL);
	if (!rc)
		rc = add_membership(fd, ifindex, PACKET_MR_UNICAST, mac);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}
