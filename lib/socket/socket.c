/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <peerlane/socket.h>

bool pl_socket_is_file(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 &&
	       opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

int pl_socket_check(const char *path, const char *other, struct pl_error *err)
{
	char remedy[96];
	struct stat st;

	if (lstat(path, &st) || S_ISSOCK(st.st_mode))
		return 0;
	snprintf(remedy, sizeof(remedy), "remove it, or %s", other);
	return pl_error_set(err, -EEXIST, remedy, "%s: exists and is not a socket", path);
}

int pl_socket_remove_stale(const char *path, const char *other, struct pl_error *err)
{
	int rc = pl_socket_check(path, other, err);

	if (rc)
		return rc;
	if (unlink(path) && errno != ENOENT)
		return pl_error_set(err, -errno, NULL, "%s: cannot replace the old socket: %s",
				    path, strerror(errno));
	return 0;
}
