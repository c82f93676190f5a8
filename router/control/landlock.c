/* SPDX-License-Identifier: BSD-2-Clause */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.2, version 3; not yet in the headers of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define PROGRAMS (READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define DEVICE (READ | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
/* What there is to allow of a file that is no folder. */
#define OF_A_FILE                                                     \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
/* All that version 1 knows: executing, reading, writing, making and removing. */
#define ALL_OF_1 (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

/* What is regulated: everything that the running kernel can, but ioctl() on devices (version 5),
 * which seccomp has an eye on. Whatever is regulated and not allowed below is refused. */
static uint64_t handled(int version)
{
	uint64_t set = ALL_OF_1;

	if (version >= 2)
		set |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		set |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return set;
}

/* A rule is of the file that is there. procfs makes its files anew when memory is short, but those that are open. */
static bool made_anew(const char *path)
{
	return !strncmp(path, "/proc/", strlen("/proc/"));
}

/* Allows `access` to a file, as far as it goes, or to all beneath a folder. What the kernel might make anew stays open
 * until the process ends. Returns 0 or -errno. */
static int allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	struct stat st;
	int rc = 0;

	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno; /* nothing there, nothing to allow */
	if (fstat(rule.parent_fd, &st) || !S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_A_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		rc = -errno;
	if (rc || !made_anew(path))
		close(rule.parent_fd);
	return rc;
}

struct rule {
	const char *path;
	uint64_t access;
};

static int allow_all(int ruleset, const struct rule *rules, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = allow(ruleset, rules[i].path, rules[i].access);
	return rc;
}

/* Allows `access` to the folder of a socket, which is removed at the end. */
static int allow_folder(int ruleset, const char *socket, uint64_t access)
{
	char folder[128];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", socket);
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0'; /* of "/socket" it is "/" */
	return allow(ruleset, folder, access | LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

static int allow_needed(int ruleset, const char *const *sockets, unsigned n)
{
	const struct rule needed[] = {
		{"/proc", READ},
		/* Of processors and memory, for the C library; not the registers of other devices. */
		{"/sys/devices/system", READ},
		{"/proc/sys/net", LANDLOCK_ACCESS_FS_WRITE_FILE},
		{"/dev/net/tun", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE},
	};
	int rc = allow_all(ruleset, needed, COUNT(needed));

	for (unsigned i = 0; i < n && !rc; i++)
		rc = allow_folder(ruleset, sockets[i], i == 0 ? READ : 0);
	return rc;
}

/* Those of NVIDIA are one for each card, and a few more. Its driver does not start if it cannot name its threads by
 * /proc/self/task/.../comm, and as these files are yet to come all is allowed that is beneath: what the process's own
 * files in /proc let a user do who has no capabilities. */
static int allow_nvidia(int ruleset, uint64_t all)
{
	glob_t found;
	int rc = glob("/dev/nvidia*", 0, NULL, &found);

	if (rc)
		return rc == GLOB_NOMATCH ? 0 : -ENOMEM;
	rc = allow(ruleset, "/proc/self/task", WRITE & all);
	for (size_t i = 0; i < found.gl_pathc && !rc; i++)
		rc = allow(ruleset, found.gl_pathv[i], DEVICE);
	globfree(&found);
	return rc;
}

static int allow_driver(int ruleset, const char *cache, uint64_t all)
{
	const char *vendors = getenv("OCL_ICD_VENDORS"); /* where OpenCL's drivers are listed */
	const struct rule needed[] = {
		{"/usr", PROGRAMS},
		{"/bin", PROGRAMS},
		{"/lib", PROGRAMS},
		{"/lib64", PROGRAMS},
		{"/opt", PROGRAMS},
		{"/etc/OpenCL", READ},
		{"/etc/nvidia", READ},
		{"/etc/ld.so.cache", READ},
		{vendors ? vendors : "/etc/OpenCL", READ},
		{"/proc", READ},
		{"/sys", READ},
		{"/dev/null", DEVICE},
		{"/dev/kfd", DEVICE},
		{"/dev/dri", DEVICE},
		{"/dev/udmabuf", DEVICE}, /* exports main memory as an accelerator's */
		{cache, all},
	};
	int rc = allow_all(ruleset, needed, COUNT(needed));

	return rc ? rc : allow_nvidia(ruleset, all);
}

/* ---- confining ---- */

/* The kernel's version; 0: it has none, or it is switched off; or -errno. */
static int kernel_version(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0UL, LANDLOCK_CREATE_RULESET_VERSION);

	if (version >= 0)
		return (int)version;
	return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
}

/* A descriptor or -errno. */
static int new_ruleset(int version)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = handled(version)};
	long ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0UL);

	return ruleset < 0 ? -errno : (int)ruleset;
}

/* Puts the ruleset into force unless `rc` says that it is not complete. */
static int enforce(int ruleset, int rc)
{
	if (!rc && syscall(SYS_landlock_restrict_self, ruleset, 0UL))
		rc = -errno;
	close(ruleset);
	return rc;
}

int landlock_confine(const char *const *sockets, unsigned n)
{
	int version = kernel_version(), ruleset, rc;

	if (version <= 0)
		return version;
	ruleset = new_ruleset(version);
	if (ruleset < 0)
		return ruleset;
	rc = enforce(ruleset, allow_needed(ruleset, sockets, n));
	return rc ? rc : version;
}

int landlock_confine_driver(const char *cache)
{
	int version = kernel_version(), ruleset, rc;

	if (version < 0)
		return version;
	if (version < 2) /* it lets no file be moved from one folder to another */
		return 0;
	ruleset = new_ruleset(version);
	if (ruleset < 0)
		return ruleset;
	rc = enforce(ruleset, allow_driver(ruleset, cache, handled(version)));
	return rc ? rc : version;
}
