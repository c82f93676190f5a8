/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror's clockwork: set-up, and when to do what. What it does is elsewhere (mirror_private.h). */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "mirror_private.h"
#include "show.h"

#define STORM_MS 1000	     /* a synchronisation waits at most, while routes change */
#define AUDIT_AGAIN_MS 10000 /* after an audit that the kernel's changes made void */
#define COMMITS 1024	     /* prefixes between two grace periods */
#define FULL_MS 10000	   /* between two looks at whether the kernel's neighbour tables are full */
#define FULL_SAY_MS 300000 /* between two lines about it */

void mirror_say(struct mirror *m, const char *fmt, ...)
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

void mirror_resync_in(struct mirror *m, uint64_t delay_ms)
{
	uint64_t now = mirror_now_ms(), at = now + delay_ms;

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

/* ---- set-up ---- */

int mirror_watch(struct mirror *m, int op, int fd, uint32_t events)
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
	if (mirror_watch(m, EPOLL_CTL_ADD, m->timer_fd, EPOLLIN) ||
	    mirror_watch(m, EPOLL_CTL_ADD, mnl_socket_get_fd(m->rtnl.notify), EPOLLIN) ||
	    mirror_watch(m, EPOLL_CTL_ADD, mnl_socket_get_fd(m->rtnl.live), EPOLLIN) ||
	    mirror_watch(m, EPOLL_CTL_ADD, mnl_socket_get_fd(m->rtnl.dump), EPOLLIN))
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
	m->replica.breathe = mirror_breathe;
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

/* ---- running ---- */

/* An audit compares what the kernel has with what it has told us: first all that is read. */
static void audit_begin(struct mirror *m)
{
	if (!mirror_read(m, m->rtnl.notify, &m->inbox) ||
	    !mirror_read(m, m->rtnl.live, &m->live_inbox) ||
	    !replica_commit(&m->replica, COMMITS)) {
		m->pending = true; /* and in the next run it is tried again */
		return;
	}
	m->replica.audit = (struct audit){.running = true};
	m->audit_wanted = false;
	mirror_sync_begin(m);
}

static void audit_end(struct mirror *m)
{
	struct replica *r = &m->replica;
	const struct audit *a = &r->audit;

	r->audit.running = false;
	if (a->spoilt || r->doubt || m->resync_ms) {
		m->audit_wanted = true; /* whatever synchronisation comes first */
		m->audit_ms = mirror_now_ms() + AUDIT_AGAIN_MS;
		return;
	}
	r->stats.audits++;
	r->stats.last_audit_ms = mirror_now_ms();
	r->stats.drift += a->found;
	r->stats.mended += a->mended;
	if (a->found)
		mirror_say(m,
			   "audit: %u prefixes and next hop objects differed from the kernel's; %u "
			   "were "
			   "put right",
			   a->found, a->mended);
}

static void commit(struct mirror *m)
{
	struct replica *r = &m->replica;
	uint64_t before = r->stats.route_changes + r->stats.neighbour_changes;

	/* What a link that has gone took along does not wait for a dump, which may take seconds. */
	if (m->sync)
		while (!replica_commit_stale(r, COMMITS) && mirror_time_left(m))
			;
	else if (m->pending)
		do
			m->pending = !replica_commit(r, COMMITS);
		while (m->pending && mirror_time_left(m));
	if (r->stats.route_changes + r->stats.neighbour_changes != before)
		r->stats.last_change_ms = mirror_now_ms();
	if (!m->sync && !m->pending && r->audit.running)
		audit_end(m);
}

/* Says when the kernel could not make neighbours for want of room. The tables are of the whole
 * machine: others than we may have filled them, or be those refused. */
static void look_at_full(struct mirror *m, uint8_t family, struct full *full, bool first)
{
	char v = family == AF_INET ? '4' : '6';
	uint64_t refused, now = mirror_now_ms(), more;

	if (rtnl_neighbours_refused(&m->rtnl, family, &refused))
		return;
	more = first ? 0 : refused - full->refused;
	full->refused = refused;
	m->replica.stats.neighbours_refused += more;
	if (!more || (full->said_ms && now - full->said_ms < FULL_SAY_MS))
		return;
	full->said_ms = now;
	mirror_say(
		m,
		"the kernel's table of IPv%c neighbors is full: it has refused %llu within %u s, "
		"and "
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
	uint64_t next = m->tick_ms, delay_ms, now = mirror_now_ms();
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
	uint64_t now = mirror_now_ms();

	if (now >= m->tick_ms)
		m->tick_ms = replica_tick(&m->replica, now);
	m->pending = m->pending || !replica_is_committed(&m->replica);
	if (now >= m->full_ms)
		look_at_tables(m, now);
	if (m->replica.doubt && !m->sync) {
		m->replica.doubt = false;
		mirror_resync_in(m, DOUBT_MS);
	}
	if (m->sync || m->pending)
		return;
	if (m->resync_ms && now >= m->resync_ms) {
		if (!wait_for_lull(m, now))
			mirror_sync_begin(m);
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

	m->run_ms = mirror_now_ms();
	(void)!read(m->timer_fd, &expirations, sizeof(expirations));
	mirror_sync_run(m);
	mirror_read_notifications(m);
	commit(m);
	run_timers(m);
	arm_timer(m);
}

int mirror_sync(struct mirror *m, struct pl_error *err)
{
	mirror_sync_begin(m);
	while (m->sync || m->pending) {
		struct pollfd pfd = {.fd = mnl_socket_get_fd(m->rtnl.dump), .events = POLLIN};

		if (m->sync == SYNC_DUMP)
			poll(&pfd, 1, 100);
		m->run_ms = mirror_now_ms();
		mirror_sync_run(m);
		commit(m);
	}
	/* What the carriers of the faces change, which the first dump has had set: all routes over them
	 * become usable. */
	do {
		m->run_ms = mirror_now_ms();
		mirror_read_notifications(m);
		commit(m);
	} while (m->pending);
	m->tick_ms = mirror_now_ms();
	arm_timer(m);
	if (m->failed)
		return pl_error_set(err, m->failed, NULL, "cannot read the kernel's routes: %s",
				    strerror(-m->failed));
	return 0;
}
