/* SPDX-License-Identifier: BSD-2-Clause */
#include "interface.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

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
