/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's notifications, from the sockets to the replica. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "mirror_private.h"

#define COMPLAIN_MS 10000     /* between two lines on notifications lost */
#define DATAGRAMS_PER_RUN 256 /* notifications; dumps' are far longer */
#define LIVE_MS 5	      /* what cannot be left stops to read links and neighbours */

static void overrun(struct mirror *m)
{
	uint64_t now = mirror_now_ms();

	m->replica.stats.overruns++;
	m->replica.audit.spoilt = true;
	m->routes6_told = true; /* who knows */
	if (!m->complained_ms || now - m->complained_ms >= COMPLAIN_MS) {
		m->complained_ms = now;
		mirror_say(
			m,
			"the kernel's notifications came faster than they were read: reading all "
			"anew");
	}
	mirror_resync_in(m, DOUBT_MS);
}

void mirror_malformed(struct mirror *m, uint16_t type)
{
	m->replica.stats.malformed++;
	replica_note(&m->replica, NOTE_MALFORMED,
		     "a message of the kernel (type %u) could not be read, and is counted as "
		     "malformed",
		     type);
}

static void apply_notifications(struct mirror *m, struct inbox *in, int len)
{
	const struct nlmsghdr *nlh = (const void *)in->buffer;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		int rc = nl_parse(nlh, &in->message);

		if (rc > 0) {
			replica_apply(&m->replica, &in->message);
			m->pending = true;
			if (in->message.kind == NL_ROUTE)
				m->told_ms = mirror_now_ms();
			m->routes6_told = m->routes6_told ||
					  (in->message.kind == NL_ROUTE &&
					   in->message.route.prefix.family == AF_INET6);
		} else if (rc < 0) {
			mirror_malformed(m, nlh->nlmsg_type);
			m->replica.doubt = true;
		}
	}
}

bool mirror_read(struct mirror *m, struct mnl_socket *socket, struct inbox *in)
{
	for (unsigned i = 0; i < DATAGRAMS_PER_RUN; i++) {
		int n = rtnl_receive(socket, in->buffer, sizeof(in->buffer));

		if (n == 0)
			return true;
		if (n == -ENOBUFS) {
			overrun(m);
			continue;
		}
		if (n < 0) {
			mirror_say(m, "reading the kernel's notifications: %s", strerror(-n));
			mirror_resync_in(m, RETRY_MS);
			return false;
		}
		apply_notifications(m, in, n);
	}
	return false;
}

/* Amid a dump too, if it has left links and neighbours behind. */
static void read_live(struct mirror *m)
{
	struct replica *r = &m->replica;
	bool dumping = r->dumping;

	if (m->sync == SYNC_DUMP && m->stage < LIVE_STAGE)
		return;
	r->dumping = false;
	mirror_read(m, m->rtnl.live, &m->live_inbox);
	r->dumping = dumping;
	m->live_ms = mirror_now_ms();
}

/* The first dump is nobody's delay: no packet is forwarded yet. */
void mirror_breathe(void *ctx)
{
	struct mirror *m = ctx;

	if (m->synced && mirror_now_ms() - m->live_ms >= LIVE_MS)
		read_live(m);
}

/* Routes before links: that a link is gone the kernel says last, when its routes are. */
void mirror_read_notifications(struct mirror *m)
{
	if (!m->sync && mirror_read(m, m->rtnl.notify, &m->inbox))
		m->replica.overlapped = false;
	read_live(m);
}

bool mirror_discard(struct mirror *m, struct mnl_socket *socket)
{
	int n = 1;

	for (unsigned i = 0; i < DATAGRAMS_PER_RUN && (n > 0 || n == -ENOBUFS); i++)
		n = rtnl_receive(socket, m->inbox.buffer, sizeof(m->inbox.buffer));
	return n == 0;
}

void mirror_listen(struct mirror *m, bool all, bool live)
{
	mirror_watch(m, EPOLL_CTL_MOD, mnl_socket_get_fd(m->rtnl.notify), all ? EPOLLIN : 0);
	mirror_watch(m, EPOLL_CTL_MOD, mnl_socket_get_fd(m->rtnl.live), live ? EPOLLIN : 0);
}
