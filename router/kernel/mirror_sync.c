/* SPDX-License-Identifier: BSD-2-Clause */
/* One synchronisation, from what is discarded before its dump to the sweep after it. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "mirror_private.h"

#define AUDIT_MS 300000	  /* to a synchronisation without a doubt */
#define DUMP_TRIES 5	  /* of one kind, when it changed while it was dumped */
#define STALL_MS 10000	  /* a dump of which nothing is heard is given up */
#define DISCARD_RUNS 1024 /* as many notifications are passed over before a dump begins anyway */
#define CATCH_UP_RUNS 64  /* as many notifications are read before a dump's end counts */
#define SWEEPS 1024	  /* chains of routes between two looks at the clock */

/* Kinds in an order in which each finds what it refers to. */
static const struct {
	uint16_t type;
	uint8_t family;
} stages[] = {
	{RTM_GETLINK, AF_UNSPEC}, {RTM_GETADDR, AF_UNSPEC},    {RTM_GETNEIGH, AF_INET},
	{RTM_GETNEIGH, AF_INET6}, {RTM_GETNEXTHOP, AF_UNSPEC}, {RTM_GETROUTE, AF_INET},
	{RTM_GETROUTE, AF_INET6}, {RTM_GETRULE, AF_INET},      {RTM_GETRULE, AF_INET6},
};
#define N_STAGES (sizeof(stages) / sizeof(stages[0]))

static void sync_fail(struct mirror *m, int code)
{
	struct replica *r = &m->replica;

	m->sync = SYNC_NONE;
	m->failed = code;
	r->dumping = false;
	r->overlapped = true;
	mirror_listen(m, true, true);
	mirror_say(m, "cannot read the kernel's routes (%s): trying again", strerror(-code));
	m->audit_wanted = m->audit_wanted || r->audit.running;
	r->audit.running = false;
	mirror_resync_in(m, RETRY_MS);
}

static void sync_done(struct mirror *m)
{
	struct replica *r = &m->replica;

	m->sync = SYNC_NONE;
	m->failed = 0;
	mirror_listen(m, true, true);
	m->pending = true;
	m->synced = true;
	r->stats.resyncs++;
	r->stats.last_sync_ms = mirror_now_ms();
	if (!m->audit_wanted)
		m->audit_ms = r->stats.last_sync_ms + AUDIT_MS;
}

/* Takes away what the dump did not mention, if its word is good enough. */
static void sweep_begin(struct mirror *m, bool caught_up)
{
	struct replica *r = &m->replica;

	r->audit.spoilt = r->audit.spoilt || m->partial;
	if (m->partial) {
		/* Nothing is taken away on the word of a dump that may have skipped it. */
		mirror_say(
			m,
			"the kernel's state changed all the while it was read: reading it again");
		mirror_resync_in(m, RETRY_MS);
		sync_done(m);
		return;
	}
	m->sync = SYNC_SWEEP;
	replica_sweep_begin(r, !caught_up || m->routes6_told);
}

static void sweep(struct mirror *m)
{
	bool done;

	do
		done = replica_sweep(&m->replica, SWEEPS);
	while (!done && mirror_time_left(m));
	if (!done)
		return;
	if (!m->replica.sweep.all)
		mirror_resync_in(m, RETRY_MS);
	sync_done(m);
}

/* What was said while the dump went on, as far as there is an end to it: first, so that what came
 * into being behind the dump's back is not swept away. */
static void catch_up(struct mirror *m)
{
	bool all = mirror_read(m, m->rtnl.notify, &m->inbox);

	if (all || ++m->runs == CATCH_UP_RUNS)
		sweep_begin(m, all);
}

static void dump_done(struct mirror *m)
{
	m->sync = SYNC_CATCH_UP;
	m->runs = 0;
	m->replica.dumping = false;
	m->replica.overlapped = true;
}

static void stage_begin(struct mirror *m)
{
	int rc;

	m->interrupted = false;
	m->heard_ms = mirror_now_ms();
	if (m->stage == LIVE_STAGE)
		mirror_listen(m, false, true);
	rc = rtnl_dump(&m->rtnl, stages[m->stage].type, stages[m->stage].family);
	if (rc)
		sync_fail(m, rc);
}

static void dump_begin(struct mirror *m)
{
	m->sync = SYNC_DUMP;
	m->replica.doubt = false;
	m->partial = false;
	m->stage = 0;
	m->tries = 0;
	m->routes6_told = false;
	mirror_listen(m, false, false);
	replica_mark(&m->replica);
	m->replica.dumping = true;
	stage_begin(m);
}

/* What a dump begun now will say anyway; when more comes all the while it cannot be helped. An audit
 * wants to know it. */
static void discard_old(struct mirror *m)
{
	if (!mirror_discard(m, m->rtnl.notify) && ++m->runs < DISCARD_RUNS)
		return;
	mirror_discard(m, m->rtnl.live);
	dump_begin(m);
}

void mirror_sync_begin(struct mirror *m)
{
	m->resync_ms = 0;
	m->runs = 0;
	if (m->replica.audit.running)
		dump_begin(m);
	else
		m->sync = SYNC_DISCARD;
}

static void stage_done(struct mirror *m)
{
	if (m->interrupted && ++m->tries < DUMP_TRIES) {
		stage_begin(m);
		return;
	}
	m->partial = m->partial || m->interrupted;
	m->tries = 0;
	if (++m->stage < N_STAGES)
		stage_begin(m);
	else
		dump_done(m);
}

/* The end of a dump, or the kernel's refusal: what it does not have (IPv6, next hop objects) is
 * empty. */
static void stage_ended(struct mirror *m, int code)
{
	if (code == -EINTR || code == -EBUSY) {
		m->interrupted = true;
		code = 0;
	}
	if (code == 0 || code == -EOPNOTSUPP || code == -ENOENT || code == -EAFNOSUPPORT)
		stage_done(m);
	else
		sync_fail(m, code);
}

static int error_of(const struct nlmsghdr *nlh)
{
	int code = 0;

	/* NLMSG_DONE carries an int, NLMSG_ERROR begins with one. */
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code;
}

static void apply_dump(struct mirror *m, int len)
{
	const struct nlmsghdr *nlh = (const void *)m->inbox.buffer;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		int rc;

		if (nlh->nlmsg_seq != m->rtnl.dump_seq)
			continue; /* of a dump that was given up */
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			m->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
			stage_ended(m, error_of(nlh));
			return;
		}
		rc = nl_parse(nlh, &m->inbox.message);
		if (rc > 0)
			replica_apply(&m->replica, &m->inbox.message);
		else if (rc < 0)
			mirror_malformed(m, nlh->nlmsg_type);
	}
}

static void read_dump(struct mirror *m)
{
	do {
		int n = rtnl_receive(m->rtnl.dump, m->inbox.buffer, sizeof(m->inbox.buffer));

		if (n == 0 && m->run_ms - m->heard_ms > STALL_MS)
			n = -ETIMEDOUT;
		if (n == 0)
			return;
		m->heard_ms = m->run_ms;
		if (n < 0)
			sync_fail(m, n);
		else
			apply_dump(m, n);
	} while (m->sync == SYNC_DUMP && mirror_time_left(m));
}

void mirror_sync_run(struct mirror *m)
{
	switch (m->sync) {
	case SYNC_NONE:
		break;
	case SYNC_DISCARD:
		discard_old(m);
		break;
	case SYNC_DUMP:
		read_dump(m);
		break;
	case SYNC_CATCH_UP:
		catch_up(m);
		break;
	case SYNC_SWEEP:
		sweep(m);
		break;
	}
}
