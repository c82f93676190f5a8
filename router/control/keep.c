/* SPDX-License-Identifier: BSD-2-Clause */
#include "keep.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "../kernel/tap.h"

int keep_find(const char *name)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names), fd = 0;

	for (int i = 0; i < n; i++) {
		int kept = SD_LISTEN_FDS_START + i;

		/* Of several, those of TAPs that are no more are of no use, and are in the way. */
		if (!strcmp(names[i], name)) {
			if (!fd && tap_is(kept, name))
				fd = kept;
			else
				close(kept);
		}
		free(names[i]);
	}
	free(names);
	return fd;
}

static void forget(const char *name)
{
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

static bool is_of_a_port(const struct router *router, const char *name)
{
	for (unsigned i = 0; i < router->n_ports; i++)
		if (!strcmp(router->ports[i].name, name))
			return true;
	return false;
}

void keep_end(const struct router *router)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names);

	for (int i = 0; i < n; i++) {
		if (!is_of_a_port(router, names[i])) {
			forget(names[i]);
			close(SD_LISTEN_FDS_START + i);
		}
		free(names[i]);
	}
	free(names);
}

void keep_tap(const struct router_port *port)
{
	char text[64];
	int fd = face_fd(port->face);

	forget(port->name);
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", port->name);
	sd_pid_notify_with_fds(0, 0, text, &fd, 1);
}
