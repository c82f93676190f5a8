/* SPDX-License-Identifier: BSD-2-Clause */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.2, version 3; not yet in the headers of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All that version 1 knows: executing, reading, writing, making and removing. */
#define ALL_OF_1 (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

/* What is regulated: everything that the running kernel can, but ioctl() on devices (version 5),
 * which seccomp has an eye on. Whatever is regulated and not allowed below is refused. */
static uint64_t handled(long version)
{
	uint64_t set = ALL_OF_1;

	if (version >= 2)
		set |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		set |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return set;
}

/* Allows `access` to a file, or to all beneath a folder. Returns 0 or -errno. */
static int allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	int rc = 0;

	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno; /* nothing there, nothing to allow */
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		rc = -errno;
	close(rule.parent_fd);
	return rc;
}

static int allow_needed(int ruleset, const char *control_socket)
{
	char folder[128];
	const struct {
		const char *path;
		uint64_t access;
	} needed[] = {
		{folder, READ | LANDLOCK_ACCESS_FS_REMOVE_FILE}, /* the socket, at the end */
		{"/proc", READ},
		/* Of processors and memory, for the C library; not the registers of other devices. */
		{"/sys/devices/system", READ},
		{"/proc/sys/net", LANDLOCK_ACCESS_FS_WRITE_FILE},
		{"/dev/net/tun", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE},
	};
	char *slash;
	int rc = 0;

	snprintf(folder, sizeof(folder), "%s", control_socket);
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0'; /* of "/socket" it is "/" */
	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]) && !rc; i++)
		rc = allow(ruleset, needed[i].path, needed[i].access);
	return rc;
}

int landlock_confine(const char *control_socket)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0UL, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = {.handled_access_fs = handled(version)};
	int ruleset, rc;

	if (version < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0UL);
	if (ruleset < 0)
		return -errno;
	rc = allow_needed(ruleset, control_socket);
	if (!rc && syscall(SYS_landlock_restrict_self, ruleset, 0UL))
		rc = -errno;
	close(ruleset);
	return rc ? rc : (int)version;
}
