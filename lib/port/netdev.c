/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "netdev.h"

static int request(int fd, unsigned long what, const char *device, struct ifreq *ifr)
{
	if (strlen(device) >= sizeof(ifr->ifr_name))
		return -ENODEV;
	memset(ifr->ifr_name, 0, sizeof(ifr->ifr_name));
	memcpy(ifr->ifr_name, device, strlen(device));
	return ioctl(fd, what, ifr) < 0 ? -errno : 0;
}

/* Queues that both receive and transmit: the combined channels, and pairs of the separate ones
 * (veth has only those). A driver that knows no channels has one queue. */
static int query_queues(int fd, const char *device, struct netdev *dev)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (char *)&channels};
	int rc = request(fd, SIOCETHTOOL, device, &ifr);

	dev->n_queues = dev->n_rx_queues = 1;
	if (rc == -EOPNOTSUPP)
		return 0;
	if (rc)
		return rc;
	dev->n_rx_queues = channels.combined_count + channels.rx_count;
	dev->n_queues =
		channels.combined_count +
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
	rc = query_queues(fd, device, dev);
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

/* A driver may have more of them by the time it answers than when it was asked how many, if its queues have become
 * more: the kernel writes all. There is room for those of a hundred queues more. */
#define LATECOMERS 4096u

/* The names of a set, all of ETH_GSTRING_LEN bytes: ETH_SS_FEATURES, the kernel's offloads in the order of
 * the bits of ETHTOOL_GFEATURES; ETH_SS_STATS, a driver's counters in that of ETHTOOL_GSTATS. The caller frees
 * them. */
static int get_names(int fd, const char *device, enum ethtool_stringset set,
		     struct ethtool_gstrings **names)
{
	union {
		struct ethtool_sset_info info;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} sets = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << set}};
	struct ifreq ifr = {.ifr_data = (char *)&sets};
	int rc = request(fd, SIOCETHTOOL, device, &ifr);
	uint32_t count = sets.info.data[0];

	if (rc)
		return rc;
	if (!(sets.info.sset_mask & 1ull << set))
		return -EOPNOTSUPP; /* the device has no such set */
	*names = calloc(1, sizeof(**names) + ((size_t)count + LATECOMERS) * ETH_GSTRING_LEN);
	if (!*names)
		return -ENOMEM;
	(*names)->cmd = ETHTOOL_GSTRINGS;
	(*names)->string_set = set;
	(*names)->len = count;
	ifr.ifr_data = (char *)*names;
	rc = request(fd, SIOCETHTOOL, device, &ifr);
	if (rc)
		free(*names);
	return rc;
}

static const struct {
	const char *name; /* in the kernel: netdev_features_strings[] */
	unsigned strip;
} strip_features[] = {
	{"rx-vlan-hw-parse", NETDEV_STRIPS_CTAG},
	{"rx-vlan-stag-hw-parse", NETDEV_STRIPS_STAG},
};

/* Which of the offloads feature number `i` is; 0: none. */
static unsigned strip_of(const struct ethtool_gstrings *names, uint32_t i)
{
	const char *name = (const char *)names->data + (size_t)i * ETH_GSTRING_LEN;

	for (unsigned k = 0; k < sizeof(strip_features) / sizeof(strip_features[0]); k++)
		if (strncmp(name, strip_features[k].name, ETH_GSTRING_LEN) == 0)
			return strip_features[k].strip;
	return 0;
}

typedef int strip_fn(int fd, const char *device, const struct ethtool_gstrings *names,
		     unsigned *strip);

static int get_strip(int fd, const char *device, const struct ethtool_gstrings *names,
		     unsigned *strip)
{
	uint32_t blocks = (names->len + 31) / 32;
	struct ethtool_gfeatures *features;
	struct ifreq ifr;
	int rc;

	features = calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	if (!features)
		return -ENOMEM;
	features->cmd = ETHTOOL_GFEATURES;
	features->size = blocks;
	ifr.ifr_data = (char *)features;
	rc = request(fd, SIOCETHTOOL, device, &ifr);
	*strip = 0;
	for (uint32_t i = 0; !rc && i < names->len; i++)
		if (features->features[i / 32].active >> i % 32 & 1)
			*strip |= strip_of(names, i);
	free(features);
	return rc;
}

static int set_strip(int fd, const char *device, const struct ethtool_gstrings *names,
		     unsigned *strip)
{
	uint32_t blocks = (names->len + 31) / 32;
	struct ethtool_sfeatures *features;
	struct ifreq ifr;
	int rc;

	features = calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	if (!features)
		return -ENOMEM;
	features->cmd = ETHTOOL_SFEATURES;
	features->size = blocks;
	for (uint32_t i = 0; i < names->len; i++) {
		struct ethtool_set_features_block *block = &features->features[i / 32];
		unsigned which = strip_of(names, i);

		if (which)
			block->valid |= 1u << i % 32;
		if (which & *strip)
			block->requested |= 1u << i % 32;
	}
	ifr.ifr_data = (char *)features;
	rc = request(fd, SIOCETHTOOL, device, &ifr);
	free(features);
	return rc;
}

/* Opens what both ways need, and goes one of them. */
static int with_feature_names(const char *device, strip_fn *way, unsigned *strip)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_gstrings *names;
	int rc;

	if (fd < 0)
		return -errno;
	rc = get_names(fd, device, ETH_SS_FEATURES, &names);
	if (!rc) {
		rc = way(fd, device, names, strip);
		free(names);
	}
	close(fd);
	return rc;
}

int netdev_get_strip(const char *device, unsigned *strip)
{
	return with_feature_names(device, get_strip, strip);
}

int netdev_set_strip(const char *device, unsigned strip)
{
	return with_feature_names(device, set_strip, &strip);
}

/* ---- what it has counted ---- */

/* Looks for the statistics in an answer of `len` bytes. */
static int find_stats(const struct nlmsghdr *answer, size_t len, struct rtnl_link_stats64 *stats)
{
	const struct rtattr *attr;
	size_t left;

	if (len < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || answer->nlmsg_len > len)
		return -EPROTO;
	if (answer->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(answer))->error;
	if (answer->nlmsg_type != RTM_NEWSTATS)
		return -EPROTO;
	attr = (const struct rtattr *)((const uint8_t *)NLMSG_DATA(answer) +
				       NLMSG_ALIGN(sizeof(struct if_stats_msg)));
	left = answer->nlmsg_len - NLMSG_SPACE(sizeof(struct if_stats_msg));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		size_t bytes = RTA_PAYLOAD(attr);

		if (attr->rta_type != IFLA_STATS_LINK_64)
			continue;
		/* Newer kernels have more of them, older ones fewer. */
		memset(stats, 0, sizeof(*stats));
		memcpy(stats, RTA_DATA(attr), bytes < sizeof(*stats) ? bytes : sizeof(*stats));
		return 0;
	}
	return -ENODATA;
}

int netdev_stats(unsigned ifindex, struct rtnl_link_stats64 *stats)
{
	const struct {
		struct nlmsghdr header;
		struct if_stats_msg what;
	} question = {
		.header = {.nlmsg_len = sizeof(question),
			   .nlmsg_type = RTM_GETSTATS,
			   .nlmsg_flags = NLM_F_REQUEST},
		.what = {.ifindex = ifindex,
			 .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)},
	};
	union {
		struct nlmsghdr header;
		uint8_t room[1024];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;
	int rc;

	if (fd < 0)
		return -errno;
	n = send(fd, &question, sizeof(question), 0);
	if (n >= 0)
		n = recv(fd, &answer, sizeof(answer), 0);
	rc = n < 0 ? -errno : find_stats(&answer.header, (size_t)n, stats);
	close(fd);
	return rc;
}

static int get_counter(int fd, const char *device, const struct ethtool_gstrings *names, uint32_t i,
		       uint64_t *value)
{
	size_t room = (size_t)names->len + LATECOMERS;
	struct ethtool_stats *stats = calloc(1, sizeof(*stats) + room * sizeof(stats->data[0]));
	struct ifreq ifr = {.ifr_data = (char *)stats};
	int rc;

	if (!stats)
		return -ENOMEM;
	stats->cmd = ETHTOOL_GSTATS;
	stats->n_stats = names->len;
	rc = request(fd, SIOCETHTOOL, device, &ifr);
	if (!rc && stats->n_stats != names->len)
		rc = -EAGAIN; /* the names are no longer theirs */
	if (!rc)
		*value = stats->data[i];
	free(stats);
	return rc;
}

static int find_counter(int fd, const char *device, const char *name, uint64_t *value)
{
	struct ethtool_gstrings *names;
	uint32_t i = 0;
	int rc = get_names(fd, device, ETH_SS_STATS, &names);

	if (rc)
		return rc;
	while (i < names->len && strncmp((const char *)names->data + (size_t)i * ETH_GSTRING_LEN,
					 name, ETH_GSTRING_LEN) != 0)
		i++;
	rc = i < names->len ? get_counter(fd, device, names, i, value) : -ENOENT;
	free(names);
	return rc;
}

int netdev_counter(const char *device, const char *name, uint64_t *value)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = find_counter(fd, device, name, value);
	if (rc == -EAGAIN) /* there are others now */
		rc = find_counter(fd, device, name, value);
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
