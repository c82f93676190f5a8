/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror's clockwork: notifications, dumps, and when to do which. What is learnt goes to the
 * replica (replica.h).
 *
 * A synchronisation dumps one kind after the other. Meanwhile notifications wait in their socket,
 * which holds what a few seconds bring; read afterwards, they may be older than the dump, which the
 * replica is told (`overlapped`). Should the socket overflow, another synchronisation follows.
 *
 * Links and neighbours have a socket of their own, which is read again as soon as their part of the
 * dump is over: a MAC or a link must not be followed late because a million routes are read. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "rtnl.h"
#include "show.h"

#define DOUBT_MS 20	     /* from the first doubt to the dump: doubts come in swarms */
#define STORM_MS 1000	     /* at most, while routes change */
#define RETRY_MS 1000	     /* after a synchronisation that failed */
#define AUDIT_MS 300000	     /* a synchronisation without a doubt */
#define AUDIT_AGAIN_MS 10000 /* after an audit that the kernel's changes made void */
#define COMPLAIN_MS 10000    /* between two lines on notifications lost */
#define DUMP_TRIES 5	     /* of one kind, when it changed while it was dumped */
#define STALL_MS 10000	     /* a dump of which nothing is heard is given up */

/* What one mirror_run() does at most, so that links and neighbours, which it reads in between, are
 * followed within tens of milliseconds. */
#define WORK_MS 5	      /* no more of one thing is begun after this long */
#define DATAGRAMS_PER_RUN 256 /* notifications; dumps' are far longer */
#define DISCARD_RUNS 1024  /* as many notifications are passed over before a dump begins anyway */
#define CATCH_UP_RUNS 64   /* as many notifications are read before a dump's end counts */
#define COMMITS 1024	   /* prefixes between two grace periods */
#define SWEEPS 1024	   /* chains of routes between two looks at the clock */
#define FULL_MS 10000	   /* between two looks at whether the kernel's neighbour tables are full */
#define FULL_SAY_MS 300000 /* between two lines about it */
#define LIVE_MS 5	   /* what cannot be left stops to read links and neighbours */

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
#define LIVE_STAGE 4 /* from which on no dump speaks of links and neighbours */

/* What a synchronisation is at. Each is done a piece at a time, from mirror_run(). */
enum sync {
	SYNC_NONE,
	SYNC_DISCARD,  /* of what the dump will say anyway */
	SYNC_DUMP,     /* by stages */
	SYNC_CATCH_UP, /* notifications that came meanwhile */
	SYNC_SWEEP,    /* what was not mentioned goes */
};

/* What has been read from a socket, and what of it is being applied. */
struct inbox {
	struct nl_message message;
	char buffer[RTNL_BUFFER_BYTES] __attribute__((aligned(8)));
};

struct mirror {
	struct replica replica;
	struct rtnl rtnl;
	int epoll_fd, timer_fd;
	enum sync sync;
	unsigned stage;	   /* of the dump */
	unsigned tries;	   /* of this stage */
	unsigned runs;	   /* of SYNC_DISCARD or SYNC_CATCH_UP */
	bool interrupted;  /* this stage changed while it was dumped */
	bool partial;	   /* a stage stayed so: what it left out is not gone */
	bool synced;	   /* once */
	bool audit_wanted; /* asked for or void: no other synchronisation puts it off */
	bool routes6_told; /* IPv6 routes were spoken of since the dump began */
	bool pending;	   /* changes wait for replica_commit() */
	int failed;	   /* -errno of the last synchronisation */
	uint64_t run_ms;   /* when the present mirror_run() began */
	uint64_t heard_ms; /* of the dump */
	uint64_t live_ms;  /* links and neighbours last read */
	uint64_t told_ms;  /* of a route's change */
	uint64_t wish_ms;  /* since when a synchronisation is wished for, if resync_ms is set */
	uint64_t tick_ms, resync_ms, audit_ms; /* when next; resync_ms 0: not */
	uint64_t complained_ms;		       /* of notifications lost */
	struct full {
		uint64_t refused, said_ms;
	} full4, full6;	  /* the kernel's tables of neighbours */
	uint64_t full_ms; /* when next to look at them */
	struct mirror_hop explained[MIRROR_HOPS_MAX];
	/* Two: links and neighbours may be read while another message is applied, see breathe(). */
	struct inbox inbox, live_inbox;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void say(struct mirror *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct mirror *m, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (!m->replica.events.note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m->replica.events.note(m->replica.events.ctx, text);
}

static void resync_in(struct mirror *m, uint64_t delay_ms)
{
	uint64_t now = now_ms(), at = now + delay_ms;

	if (!m->resync_ms)
		m->wish_ms = now;
	if (!m->resync_ms || at < m->resync_ms)
		m->resync_ms = at;
}

static void solicit(void *ctx, unsigned ifindex, const struct ip_addr *addr, bool external)
{
	struct mirror *m = ctx;

	rtnl_use_neighbour(&m->rtnl, ifindex, addr, external);
}

static void breathe(void *ctx);

/* ---- set-up ---- */

static int watch(struct mirror *m, int op, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(m->epoll_fd, op, fd, &ev) ? -errno : 0;
}

static int watch_all(struct mirror *m)
{
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll_fd < 0)
		return -errno;
	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->timer_fd < 0)
		return -errno;
	if (watch(m, EPOLL_CTL_ADD, m->timer_fd, EPOLLIN) ||
	    watch(m, EPOLL_CTL_ADD, mnl_socket_get_fd(m->rtnl.notify), EPOLLIN) ||
	    watch(m, EPOLL_CTL_ADD, mnl_socket_get_fd(m->rtnl.live), EPOLLIN) ||
	    watch(m, EPOLL_CTL_ADD, mnl_socket_get_fd(m->rtnl.dump), EPOLLIN))
		return -errno;
	return 0;
}

struct mirror *mirror_new(struct tables *tables, const struct mirror_port *ports, unsigned n_ports,
			  const struct mirror_events *events, struct pl_error *err)
{
	struct mirror *m = calloc(1, sizeof(*m));
	int rc = -ENOMEM;

	if (!m)
		goto fail;
	m->epoll_fd = -1;
	m->timer_fd = -1;
	rc = rtnl_open(&m->rtnl, err);
	if (rc)
		goto fail_said;
	rc = watch_all(m);
	if (!rc)
		rc = replica_init(&m->replica, tables, ports, n_ports, events);
	if (rc)
		goto fail;
	m->replica.solicit = solicit;
	m->replica.solicit_ctx = m;
	m->replica.breathe = breathe;
	m->replica.breathe_ctx = m;
	return m;

fail:
	pl_error_set(err, rc, NULL, "cannot set up the netlink mirror: %s", strerror(-rc));
fail_said:
	mirror_free(m);
	errno = -rc;
	return NULL;
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	m->replica.solicit = NULL;
	m->replica.events = (struct mirror_events){0};
	replica_fini(&m->replica);
	if (m->timer_fd >= 0)
		close(m->timer_fd);
	if (m->epoll_fd >= 0)
		close(m->epoll_fd);
	rtnl_close(&m->rtnl);
	free(m);
}

int mirror_fd(const struct mirror *m)
{
	return m->epoll_fd;
}

void mirror_set_buffer(struct mirror *m, unsigned bytes)
{
	rtnl_set_buffer(&m->rtnl, bytes);
}

void mirror_set_usage(struct mirror *m, bool (*take_used)(void *ctx, uint32_t nexthop), void *ctx)
{
	m->replica.take_used = take_used;
	m->replica.take_used_ctx = ctx;
}

void mirror_stats(const struct mirror *m, struct mirror_stats *stats)
{
	*stats = m->replica.stats;
}

struct replica *mirror_replica(struct mirror *m)
{
	return &m->replica;
}

int mirror_explain(struct mirror *m, const struct ip_addr *addr, struct mirror_explanation *e)
{
	return replica_explain(&m->replica, addr, m->explained, e);
}

/* ---- notifications ---- */

static void overrun(struct mirror *m)
{
	uint64_t now = now_ms();

	m->replica.stats.overruns++;
	m->replica.audit.spoilt = true;
	m->routes6_told = true; /* who knows */
	if (!m->complained_ms || now - m->complained_ms >= COMPLAIN_MS) {
		m->complained_ms = now;
		say(m, "the kernel's notifications came faster than they were read: reading all "
		       "anew");
	}
	resync_in(m, DOUBT_MS);
}

/* A message of the kernel that we cannot read: what it said is unknown. */
static void malformed(struct mirror *m, uint16_t type)
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
				m->told_ms = now_ms();
			m->routes6_told = m->routes6_told ||
					  (in->message.kind == NL_ROUTE &&
					   in->message.route.prefix.family == AF_INET6);
		} else if (rc < 0) {
			malformed(m, nlh->nlmsg_type);
			m->replica.doubt = true;
		}
	}
}

/* Applies what a socket holds. Returns true if that was all. */
static bool read_socket(struct mirror *m, struct mnl_socket *socket, struct inbox *in)
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
			say(m, "reading the kernel's notifications: %s", strerror(-n));
			resync_in(m, RETRY_MS);
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
	read_socket(m, m->rtnl.live, &m->live_inbox);
	r->dumping = dumping;
	m->live_ms = now_ms();
}

/* See replica.h. The first dump is nobody's delay: no packet is forwarded yet. */
static void breathe(void *ctx)
{
	struct mirror *m = ctx;

	if (m->synced && now_ms() - m->live_ms >= LIVE_MS)
		read_live(m);
}

/* Routes before links: that a link is gone the kernel says last, when its routes are. */
static void read_notifications(struct mirror *m)
{
	if (!m->sync && read_socket(m, m->rtnl.notify, &m->inbox))
		m->replica.overlapped = false;
	read_live(m);
}

/* Returns true if that was all. */
static bool discard(struct mirror *m, struct mnl_socket *socket)
{
	int n = 1;

	for (unsigned i = 0; i < DATAGRAMS_PER_RUN && (n > 0 || n == -ENOBUFS); i++)
		n = rtnl_receive(socket, m->inbox.buffer, sizeof(m->inbox.buffer));
	return n == 0;
}

/* Wakes up for notifications, or not while nobody would read them. */
static void listen_for(struct mirror *m, bool all, bool live)
{
	watch(m, EPOLL_CTL_MOD, mnl_socket_get_fd(m->rtnl.notify), all ? EPOLLIN : 0);
	watch(m, EPOLL_CTL_MOD, mnl_socket_get_fd(m->rtnl.live), live ? EPOLLIN : 0);
}

/* ---- synchronisation ---- */

static bool time_left(const struct mirror *m)
{
	return now_ms() - m->run_ms < WORK_MS;
}

static void sync_fail(struct mirror *m, int code)
{
	struct replica *r = &m->replica;

	m->sync = SYNC_NONE;
	m->failed = code;
	r->dumping = false;
	r->overlapped = true;
	listen_for(m, true, true);
	say(m, "cannot read the kernel's routes (%s): trying again", strerror(-code));
	m->audit_wanted = m->audit_wanted || r->audit.running;
	r->audit.running = false;
	resync_in(m, RETRY_MS);
}

static void sync_done(struct mirror *m)
{
	struct replica *r = &m->replica;

	m->sync = SYNC_NONE;
	m->failed = 0;
	listen_for(m, true, true);
	m->pending = true;
	m->synced = true;
	r->stats.resyncs++;
	r->stats.last_sync_ms = now_ms();
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
		say(m, "the kernel's state changed all the while it was read: reading it again");
		resync_in(m, RETRY_MS);
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
	while (!done && time_left(m));
	if (!done)
		return;
	if (!m->replica.sweep.all)
		resync_in(m, RETRY_MS);
	sync_done(m);
}

/* What was said while the dump went on, as far as there is an end to it: first, so that what came
 * into being behind the dump's back is not swept away. */
static void catch_up(struct mirror *m)
{
	bool all = read_socket(m, m->rtnl.notify, &m->inbox);

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
	m->heard_ms = now_ms();
	if (m->stage == LIVE_STAGE)
		listen_for(m, false, true);
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
	listen_for(m, false, false);
	replica_mark(&m->replica);
	m->replica.dumping = true;
	stage_begin(m);
}

/* What a dump begun now will say anyway; when more comes all the while it cannot be helped. An audit
 * wants to know it. */
static void discard_old(struct mirror *m)
{
	if (!discard(m, m->rtnl.notify) && ++m->runs < DISCARD_RUNS)
		return;
	discard(m, m->rtnl.live);
	dump_begin(m);
}

static void sync_begin(struct mirror *m)
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
			malformed(m, nlh->nlmsg_type);
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
	} while (m->sync == SYNC_DUMP && time_left(m));
}

static void sync_run(struct mirror *m)
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

/* ---- running ---- */

/* An audit compares what the kernel has with what it has told us: first all that is read. */
static void audit_begin(struct mirror *m)
{
	if (!read_socket(m, m->rtnl.notify, &m->inbox) ||
	    !read_socket(m, m->rtnl.live, &m->live_inbox) ||
	    !replica_commit(&m->replica, COMMITS)) {
		m->pending = true; /* and in the next run it is tried again */
		return;
	}
	m->replica.audit = (struct audit){.running = true};
	m->audit_wanted = false;
	sync_begin(m);
}

static void audit_end(struct mirror *m)
{
	struct replica *r = &m->replica;
	const struct audit *a = &r->audit;

	r->audit.running = false;
	if (a->spoilt || r->doubt || m->resync_ms) {
		m->audit_wanted = true; /* whatever synchronisation comes first */
		m->audit_ms = now_ms() + AUDIT_AGAIN_MS;
		return;
	}
	r->stats.audits++;
	r->stats.last_audit_ms = now_ms();
	r->stats.drift += a->found;
	r->stats.mended += a->mended;
	if (a->found)
		say(m,
		    "audit: %u prefixes and next hop objects differed from the kernel's; %u were "
		    "put right",
		    a->found, a->mended);
}

static void commit(struct mirror *m)
{
	struct replica *r = &m->replica;
	uint64_t before = r->stats.route_changes + r->stats.neighbour_changes;

	/* What a link that has gone took along does not wait for a dump, which may take seconds. */
	if (m->sync)
		while (!replica_commit_stale(r, COMMITS) && time_left(m))
			;
	else if (m->pending)
		do
			m->pending = !replica_commit(r, COMMITS);
		while (m->pending && time_left(m));
	if (r->stats.route_changes + r->stats.neighbour_changes != before)
		r->stats.last_change_ms = now_ms();
	if (!m->sync && !m->pending && r->audit.running)
		audit_end(m);
}

/* Says when the kernel could not make neighbours for want of room. The tables are of the whole
 * machine: others than we may have filled them, or be those refused. */
static void look_at_full(struct mirror *m, uint8_t family, struct full *full, bool first)
{
	char v = family == AF_INET ? '4' : '6';
	uint64_t refused, now = now_ms(), more;

	if (rtnl_neighbours_refused(&m->rtnl, family, &refused))
		return;
	more = first ? 0 : refused - full->refused;
	full->refused = refused;
	m->replica.stats.neighbours_refused += more;
	if (!more || (full->said_ms && now - full->said_ms < FULL_SAY_MS))
		return;
	full->said_ms = now;
	say(m,
	    "the kernel's table of IPv%c neighbors is full: it has refused %llu within %u s, and "
	    "packets to them are lost; sysctl net.ipv%c.neigh.default.gc_thresh3 (outside of "
	    "network "
	    "namespaces) makes it larger",
	    v, (unsigned long long)more, FULL_MS / 1000, v);
}

static void look_at_tables(struct mirror *m, uint64_t now)
{
	bool first = !m->full_ms;

	m->full_ms = now + FULL_MS;
	look_at_full(m, AF_INET, &m->full4, first);
	look_at_full(m, AF_INET6, &m->full6, first);
}

static void arm_timer(struct mirror *m)
{
	uint64_t next = m->tick_ms, delay_ms, now = now_ms();
	struct itimerspec when = {0};

	if (m->resync_ms && m->resync_ms < next && !m->sync)
		next = m->resync_ms;
	if (m->audit_ms < next && !m->sync && m->synced && !m->resync_ms)
		next = m->audit_ms;
	if ((m->pending || m->replica.doubt) && !m->sync)
		next = now;
	if (m->sync && m->sync != SYNC_DUMP) /* which tells by itself when it goes on */
		next = now;
	delay_ms = next > now ? next - now : 0;
	when.it_value.tv_sec = (time_t)(delay_ms / 1000);
	when.it_value.tv_nsec = (long)(delay_ms % 1000) * 1000000 + 1;
	timerfd_settime(m->timer_fd, 0, &when, NULL);
}

/* Amid a storm of changes, as when a routing daemon moves its routes off a dead link, a dump would
 * take its time, be interrupted and repeated, while the very changes wait to be read. It waits for
 * them to pause instead: what is doubted is as a rule what leads over that link, and not used. */
static bool wait_for_lull(struct mirror *m, uint64_t now)
{
	if (now >= m->told_ms + DOUBT_MS || now >= m->wish_ms + STORM_MS)
		return false;
	m->resync_ms = m->told_ms + DOUBT_MS;
	return true;
}

static void run_timers(struct mirror *m)
{
	uint64_t now = now_ms();

	if (now >= m->tick_ms)
		m->tick_ms = replica_tick(&m->replica, now);
	m->pending = m->pending || !replica_is_committed(&m->replica);
	if (now >= m->full_ms)
		look_at_tables(m, now);
	if (m->replica.doubt && !m->sync) {
		m->replica.doubt = false;
		resync_in(m, DOUBT_MS);
	}
	if (m->sync || m->pending)
		return;
	if (m->resync_ms && now >= m->resync_ms) {
		if (!wait_for_lull(m, now))
			sync_begin(m);
	} else if (now >= m->audit_ms && m->synced && !m->resync_ms) {
		audit_begin(m);
	}
}

void mirror_set_face(struct mirror *m, unsigned port, unsigned ifindex)
{
	link_set_face(&m->replica, port, ifindex);
	arm_timer(m);
}

void mirror_set_carrier(struct mirror *m, unsigned port, bool carrier)
{
	link_set_carrier(&m->replica, port, carrier);
	m->pending = true; /* perhaps */
	arm_timer(m);
}

void mirror_audit(struct mirror *m)
{
	m->audit_wanted = true;
	m->audit_ms = 0;
	arm_timer(m);
}

void mirror_run(struct mirror *m)
{
	uint64_t expirations;

	m->run_ms = now_ms();
	(void)!read(m->timer_fd, &expirations, sizeof(expirations));
	sync_run(m);
	read_notifications(m);
	commit(m);
	run_timers(m);
	arm_timer(m);
}

int mirror_sync(struct mirror *m, struct pl_error *err)
{
	sync_begin(m);
	while (m->sync || m->pending) {
		struct pollfd pfd = {.fd = mnl_socket_get_fd(m->rtnl.dump), .events = POLLIN};

		if (m->sync == SYNC_DUMP)
			poll(&pfd, 1, 100);
		m->run_ms = now_ms();
		sync_run(m);
		commit(m);
	}
	/* What the carriers of the faces change, which the first dump has had set: all routes over them
	 * become usable. */
	do {
		m->run_ms = now_ms();
		read_notifications(m);
		commit(m);
	} while (m->pending);
	m->tick_ms = now_ms();
	arm_timer(m);
	if (m->failed)
		return pl_error_set(err, m->failed, NULL, "cannot read the kernel's routes: %s",
				    strerror(-m->failed));
	return 0;
}
