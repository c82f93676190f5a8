/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <peerlane/holder.h>

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at += len)
		if ((at == text || at[-1] == '\n') && (at[len] == '\n' || at[len] == '\0'))
			return true;
	return false;
}

static bool fd_has(int folder, const char *fd, const char *const *lines)
{
	char text[1024];
	int file = openat(folder, fd, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (file < 0)
		return false;
	n = read(file, text, sizeof(text) - 1);
	close(file);
	text[n > 0 ? n : 0] = '\0';
	for (; *lines; lines++)
		if (!has_line(text, *lines))
			return false;
	return true;
}

static bool in_our_namespace(int proc, const char *pid)
{
	char path[48], ours[64] = "", theirs[64] = "";

	snprintf(path, sizeof(path), "%.20s/ns/net", pid);
	return readlinkat(proc, path, theirs, sizeof(theirs) - 1) > 0 &&
	       readlink("/proc/self/ns/net", ours, sizeof(ours) - 1) > 0 && !strcmp(ours, theirs);
}

static bool process_has(int proc, const char *pid, const char *const *lines)
{
	char path[48];
	struct dirent *entry;
	bool found = false;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%.20s/fdinfo", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && fd_has(dirfd(dir), entry->d_name, lines);
	closedir(dir);
	return found;
}

int pl_find_holder(const char *const *lines)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int pid = 0;

	if (!proc)
		return 0;
	/* A service manager (1) keeps descriptors for others: it is not the one that uses them. */
	while (pid <= 1 && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    in_our_namespace(dirfd(proc), entry->d_name) &&
		    process_has(dirfd(proc), entry->d_name, lines))
			pid = atoi(entry->d_name);
	closedir(proc);
	return pid;
}
