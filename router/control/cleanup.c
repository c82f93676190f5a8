/* SPDX-License-Identifier: BSD-2-Clause */
#include "cleanup.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../kernel/interface.h"
#include "../kernel/tap.h"
#include "server.h"

#define REQUEST_BYTES 64
#define NAMES_MAX 256u
#define LIST_TRIES 20u

struct names {
	char name[NAMES_MAX][CONFIG_NAME_SIZE];
	unsigned n;
};

int cleanup_mark(unsigned ifindex)
{
	return interface_set_alias(ifindex, CLEANUP_ALIAS);
}

/* ---- clean-up ---- */

static void add_name(struct names *names, const char *name)
{
	for (unsigned i = 0; i < names->n; i++)
		if (!strcmp(names->name[i], name))
			return;
	if (names->n < NAMES_MAX)
		snprintf(names->name[names->n++], CONFIG_NAME_SIZE, "%s", name);
}

/* One link of the dump. The signature is libmnl's. */
static int add_marked(const struct nlmsghdr *message, void *ctx)
{
	const char *name = NULL, *alias = NULL;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == IFLA_IFALIAS &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			alias = mnl_attr_get_str(attr);
	}
	if (name && alias && !strcmp(alias, CLEANUP_ALIAS))
		add_name(ctx, name);
	return MNL_CB_OK;
}

/* Has the kernel list all links, and hands each to `fn`. Returns 0 or -errno: -EINTR if one has come or gone
 * meanwhile, and another may be left out for that. */
static int list_links(mnl_cb_t fn, void *ctx)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	size_t size = 32768; /* what the kernel fills at most in a dump */
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char *answer = malloc(size);
	int rc = -1;

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg)); /* zeroed: all */
	if (!socket || !answer || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		goto out;
	do {
		ssize_t n = mnl_socket_recvfrom(socket, answer, size);

		rc = n < 0 ? -1
			   : mnl_cb_run(answer, (size_t)n, request->nlmsg_seq,
					mnl_socket_get_portid(socket), fn, ctx);
	} while (rc > MNL_CB_STOP);
out:
	rc = rc < 0 ? -errno : 0;
	free(answer);
	if (socket)
		mnl_socket_close(socket);
	return rc;
}

/* Adds all that bear the mark. Returns 0 or -errno. */
static int add_all_marked(struct names *names)
{
	int rc = -EINTR;

	for (unsigned i = 0; i < LIST_TRIES && rc == -EINTR; i++)
		rc = list_links(add_marked, names);
	return rc;
}

/* TAPs that are about to be removed. */
struct taps {
	const char *name[NAMES_MAX];
	int fd[NAMES_MAX];
	unsigned n;
};

/* Attaches to all of them that there are, or to none: as long as one is in use, nothing goes. */
static int attach_all(const struct names *names, struct taps *taps, struct pl_error *err)
{
	for (unsigned i = 0; i < names->n; i++) {
		bool created;
		int fd;

		if (!if_nametoindex(names->name[i]))
			continue;
		fd = tap_attach(names->name[i], &created, err);
		if (fd < 0) {
			while (taps->n > 0)
				close(taps->fd[--taps->n]);
			return fd;
		}
		taps->name[taps->n] = names->name[i];
		taps->fd[taps->n++] = fd;
	}
	return 0;
}

/* Has the kernel remove them. Of those that it does not, `err` names the last. */
static int remove_all(struct taps *taps, cleanup_fn *removed, void *ctx, struct pl_error *err)
{
	int failed = 0;

	for (unsigned i = 0; i < taps->n; i++) {
		int rc = tap_set_persistent(taps->fd[i], false);

		close(taps->fd[i]); /* now it goes */
		if (rc)
			failed = pl_error_set(err, rc, NULL, "%s: cannot be removed: %s",
					      taps->name[i], strerror(-rc));
		else
			removed(ctx, taps->name[i]);
	}
	return failed;
}

static int remove_taps(const struct config *config, cleanup_fn *removed, void *ctx,
		       struct pl_error *err)
{
	struct names names = {.n = 0};
	struct taps taps = {.n = 0};
	int rc;

	for (unsigned i = 0; i < config->n_ports; i++)
		add_name(&names, config->ports[i].name);
	rc = add_all_marked(&names);
	if (rc)
		return pl_error_set(
			err, rc,
			rc == -EINTR ? "try again: interfaces came and went all the while" : NULL,
			"cannot list the interfaces: %s", strerror(-rc));
	rc = attach_all(&names, &taps, err);
	return rc ? rc : remove_all(&taps, removed, ctx, err);
}

int cleanup_run(const struct config *config, cleanup_fn *removed, void *ctx, struct pl_error *err)
{
	struct server *server;
	int rc = server_claim(&server, config->control_socket, err);

	if (rc)
		return rc;
	rc = remove_taps(config, removed, ctx, err);
	if (rc)
		server_close(server);
	else if (server_clear(server))
		removed(ctx, config->control_socket);
	return rc;
}
