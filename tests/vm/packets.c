/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a command that has another PCI device's memory (barmem.c) for its packets:
 *
 *   vm-packets MIB COMMAND...
 *
 * So much of it is exported as a dma-buf, which the command inherits and finds by PEERLANE_PACKETS_FD. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "barmem.h"

#define NODE "/dev/peerlane-barmem"

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct barmem_export export = {0};
	char number[16];
	int node, fd;

	if (argc < 3)
		return 2;
	export.length = strtoull(argv[1], NULL, 10) << 20;
	node = open(NODE, O_RDWR | O_CLOEXEC);
	if (node < 0 || ioctl(node, BARMEM_EXPORT, &export))
		return fail(NODE);
	fd = dup(export.fd); /* which is not closed by what follows */
	close(export.fd);
	snprintf(number, sizeof(number), "%d", fd);
	if (fd < 0 || setenv("PEERLANE_PACKETS_FD", number, 1))
		return fail("dup");
	execvp(argv[2], argv + 2);
	return fail(argv[2]);
}
