/* SPDX-License-Identifier: BSD-2-Clause */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>

#include <peerlane/holder.h>

#define RUN_AS_ROOT "run as root, or with CAP_NET_ADMIN"

static struct ifreq request(const char *name)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return ifr;
}

/* What the kernel would refuse, and '%', with which it would make up a name of its own. */
static bool name_valid(const char *name)
{
	size_t len = strnlen(name, IFNAMSIZ);

	return len > 0 && len < IFNAMSIZ && !strpbrk(name, "/:% \t\n\v\f\r") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Asks which driver an interface has: "tun" with bus "tap" for a TAP. Returns 0 or -errno. */
static int driver_of(const char *name, struct ethtool_drvinfo *info)
{
	struct ifreq ifr = request(name);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (sock < 0)
		return -errno;
	memset(info, 0, sizeof(*info));
	info->cmd = ETHTOOL_GDRVINFO;
	ifr.ifr_data = (void *)info;
	if (ioctl(sock, SIOCETHTOOL, &ifr) < 0)
		rc = -errno;
	close(sock);
	return rc;
}

/* TAP `name` is another's. Returns -EBUSY with `err` filled. */
static int held(const char *name, struct pl_error *err)
{
	char line[32], remedy[sizeof(err->remedy)];
	const char *const lines[] = {line, NULL};
	int pid;

	snprintf(line, sizeof(line), "iff:\t%s", name);
	pid = pl_find_holder(lines);
	if (!pid)
		return pl_error_set(
			err, -EBUSY, "stop it first, or give the port another name",
			"%s: another process holds this TAP interface: is a second daemon running?",
			name);
	if (pid == 1)
		return pl_error_set(
			err, -EBUSY, "systemctl stop peerlaned, or give the port another name",
			"%s: the service manager keeps this TAP interface for peerlaned", name);
	snprintf(remedy, sizeof(remedy), "stop it first (kill %d), or give the port another name",
		 pid);
	return pl_error_set(err, -EBUSY, remedy,
			    "%s: process %d holds this TAP interface: is a second daemon running?",
			    name, pid);
}

/* Explains why TUNSETIFF failed with `code`. */
static int refused(const char *name, int code, struct pl_error *err)
{
	struct ethtool_drvinfo info;
	char remedy[sizeof(err->remedy)];

	if (code == EPERM)
		return pl_error_set(err, -EPERM, RUN_AS_ROOT,
				    "%s: cannot attach to its TAP interface: %s", name,
				    strerror(code));
	if (!if_nametoindex(name))
		return pl_error_set(err, -code, NULL, "%s: cannot create a TAP interface: %s", name,
				    strerror(code));
	if (driver_of(name, &info) < 0 || strcmp(info.driver, "tun") != 0 ||
	    strcmp(info.bus_info, "tap") != 0)
		return pl_error_set(err, -EBUSY,
				    "give the port another name, or rename that interface",
				    "%s: an interface of this name exists and is not a TAP", name);
	if (code == EBUSY)
		return held(name, err);
	snprintf(remedy, sizeof(remedy), "if nothing needs it: ip link delete %s", name);
	return pl_error_set(err, -EBUSY, remedy,
			    "%s: a TAP interface of this name exists and is of another make "
			    "(multi-queue?): %s",
			    name, strerror(code));
}

int tap_attach(const char *name, bool *created, struct pl_error *err)
{
	struct ifreq ifr;
	int fd, rc;

	if (!name_valid(name))
		return pl_error_set(err, -EINVAL, "use 1 to 15 letters and digits",
				    "\"%s\": no interface can have this name", name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return pl_error_set(err, -errno,
				    errno == EACCES || errno == EPERM ? RUN_AS_ROOT
								      : "modprobe tun",
				    "%s: cannot open /dev/net/tun: %s", name, strerror(errno));

	*created = !if_nametoindex(name);
	ifr = request(name);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_NO_CARRIER;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		rc = refused(name, errno, err);
		goto fail;
	}
	/* Without an owner, whoever may open /dev/net/tun could attach to it between two runs of
	 * ours, and be the router. */
	if (ioctl(fd, TUNSETOWNER, 0UL) < 0) {
		rc = pl_error_set(err, -errno, NULL, "%s: cannot make root its TAP's owner: %s",
				  name, strerror(errno));
		goto fail;
	}
	/* Kernels before 6.2 do not know IFF_NO_CARRIER. */
	rc = tap_set_carrier(fd, false);
	if (rc < 0) {
		pl_error_set(err, rc, NULL, "%s: cannot take the carrier off: %s", name,
			     strerror(-rc));
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return rc;
}

bool tap_is(int fd, const char *name)
{
	struct ifreq ifr = request("");

	return ioctl(fd, TUNGETIFF, &ifr) == 0 && ifr.ifr_flags & IFF_TAP &&
	       strncmp(ifr.ifr_name, name, IFNAMSIZ) == 0 && if_nametoindex(name);
}

int tap_set_persistent(int fd, bool persistent)
{
	return ioctl(fd, TUNSETPERSIST, persistent ? 1UL : 0UL) < 0 ? -errno : 0;
}

int tap_set_carrier(int fd, bool up)
{
	int carrier = up;

	return ioctl(fd, TUNSETCARRIER, &carrier) < 0 ? -errno : 0;
}
