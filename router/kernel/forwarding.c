/* SPDX-License-Identifier: BSD-2-Clause */
#include "forwarding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONF4 "/proc/sys/net/ipv4/conf"
#define CONF6 "/proc/sys/net/ipv6/conf"

static void conf_path(char path[PATH_MAX], const char *conf, const char *dev, const char *key)
{
	snprintf(path, PATH_MAX, "%s/%s/%s", conf, dev, key);
}

/* The first character of a switch, or -errno. */
static int conf_read(const char *conf, const char *dev, const char *key)
{
	char path[PATH_MAX], c;
	int fd, rc;

	conf_path(path, conf, dev, key);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = read(fd, &c, 1) == 1 ? c : -EIO;
	close(fd);
	return rc;
}

static int conf_write(const char *conf, const char *dev, const char *key, char value,
		      struct pl_error *err)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	conf_path(path, conf, dev, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &value, 1) != 1)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return pl_error_set(err, rc,
				    rc == -EROFS ? "run where /proc/sys is writable"
						 : "run as root, or with CAP_NET_ADMIN",
				    "%s: cannot set %s to %c: %s", dev, path, value, strerror(-rc));
	return 0;
}

int forwarding_enable6_all(bool *changed, struct pl_error *err)
{
	const struct dirent *entry;
	DIR *dir;
	int rc = 0;

	*changed = conf_read(CONF6, "all", "forwarding") == '0';
	if (!*changed)
		return 0;
	dir = opendir(CONF6);
	if (!dir)
		return pl_error_set(err, -errno, NULL, "cannot list %s: %s", CONF6,
				    strerror(errno));
	while (rc == 0 && (entry = readdir(dir))) {
		const char *dev = entry->d_name;

		if (dev[0] != '.' && strcmp(dev, "all") != 0 && strcmp(dev, "default") != 0 &&
		    conf_read(CONF6, dev, "forwarding") == '0' &&
		    conf_read(CONF6, dev, "accept_ra") == '1')
			rc = conf_write(CONF6, dev, "accept_ra", '2', err);
	}
	closedir(dir);
	if (rc == 0)
		rc = conf_write(CONF6, "all", "forwarding", '1', err);
	return rc;
}

/* Both switches of one family. */
static int enable(const char *conf, const char *name, struct pl_error *err)
{
	int rc = conf_write(conf, name, "forwarding", '1', err);

	return rc < 0 ? rc : conf_write(conf, name, "ignore_routes_with_linkdown", '1', err);
}

int forwarding_enable(const char *name, bool *everywhere, struct pl_error *err)
{
	int rc = enable(CONF4, name, err);

	*everywhere = false;
	if (rc == 0)
		rc = conf_write(CONF4, name, "accept_redirects", '0', err);
	if (rc < 0 || conf_read(CONF6, name, "forwarding") == -ENOENT)
		return rc;
	rc = enable(CONF6, name, err);
	if (rc < 0)
		return rc;
	if (conf_read(CONF6, name, "force_forwarding") == -ENOENT)
		return forwarding_enable6_all(everywhere, err);
	return conf_write(CONF6, name, "force_forwarding", '1', err);
}
