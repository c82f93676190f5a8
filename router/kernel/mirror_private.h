/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the mirror share; control thread only.
 *
 *     mirror.c         set-up; when to synchronise, commit and audit
 *     mirror_notify.c  notifications
 *     mirror_sync.c    dumps, and what comes before and after them
 *
 * What is learnt goes to the replica (replica.h).
 *
 * A synchronisation dumps one kind after the other. Meanwhile notifications wait in their socket,
 * which holds what a few seconds bring; read afterwards, they may be older than the dump, which the
 * replica is told (`overlapped`). Should the socket overflow, another synchronisation follows.
 *
 * Links and neighbours have a socket of their own, which is read again as soon as their part of the
 * dump is over: a MAC or a link must not be followed late because a million routes are read. */
#ifndef PEERLANE_KERNEL_MIRROR_PRIVATE_H
#define PEERLANE_KERNEL_MIRROR_PRIVATE_H

#include <time.h>

#include "replica.h"
#include "rtnl.h"

#define DOUBT_MS 20   /* from the first doubt to the dump: doubts come in swarms */
#define RETRY_MS 1000 /* after a synchronisation that failed */

/* What one mirror_run() does at most, so that links and neighbours, which it reads in between, are
 * followed within tens of milliseconds: no more of one thing is begun after this long. */
#define WORK_MS 5

#define LIVE_STAGE 4 /* of a dump: from which on it does not speak of links and neighbours */

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
	/* Two: links and neighbours may be read while another message is applied, see mirror_breathe(). */
	struct inbox inbox, live_inbox;
};

static inline uint64_t mirror_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Whether this mirror_run() may begin something more. */
static inline bool mirror_time_left(const struct mirror *m)
{
	return mirror_now_ms() - m->run_ms < WORK_MS;
}

/* A sentence for the log (mirror_events.note). */
void mirror_say(struct mirror *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Has a synchronisation begin after so long, or sooner if one is wished for already. */
void mirror_resync_in(struct mirror *m, uint64_t delay_ms);

/* epoll_ctl() on the mirror's own. Returns 0 or -errno. */
int mirror_watch(struct mirror *m, int op, int fd, uint32_t events);

/* ---- notifications ---- */

/* Applies what a socket holds. Returns true if that was all; a socket that cannot be read has another
 * synchronisation follow. */
bool mirror_read(struct mirror *m, struct mnl_socket *socket, struct inbox *in);

/* Those that may be read in the present state (mirror.sync). */
void mirror_read_notifications(struct mirror *m);

/* Throws away what a socket holds. Returns true if that was all. */
bool mirror_discard(struct mirror *m, struct mnl_socket *socket);

/* Wakes up for notifications, or not while nobody would read them. */
void mirror_listen(struct mirror *m, bool all, bool live);

/* A message of the kernel that we cannot read: what it said is unknown. */
void mirror_malformed(struct mirror *m, uint16_t type);

/* See replica.breathe; `ctx` is the struct mirror. */
void mirror_breathe(void *ctx);

/* ---- synchronisation ---- */

/* Begins one; mirror_sync_run() does a piece of it, until mirror.sync is SYNC_NONE again. A failure is in
 * mirror.failed, has been said, and has another one follow. */
void mirror_sync_begin(struct mirror *m);
void mirror_sync_run(struct mirror *m);

#endif
