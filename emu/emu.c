/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread that plays all NICs. While there is work it goes round without system calls; when
 * there has been none for a while it sleeps, until a wire has something, a driver writes a tail or a
 * register, or what a NIC has put off is due.
 *
 * Drivers wake it by one word, `wanted`, and an eventfd. A driver publishes (stores a tail, release) and
 * swaps 0 into the word; if that gives 1 it writes to the eventfd. The thread swaps 1 into it, looks once
 * more, and then sleeps. The swaps have one order. If the driver's is first, the thread's reads what it
 * wrote, is acquire to its release, and the look that follows sees the tail. If the thread's is first,
 * the driver finds the 1, and the sleep ends. Between sleeps `wanted` is 0, and ringing costs the swap.
 *
 * Event descriptors are watched for edges: a wire whose frames cannot be taken (no descriptors) stays
 * readable, and is no reason to stay awake. So nothing is lost, each sleep comes after a round that has
 * taken all there was and could be taken. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

/* So long without work it goes on, before it sleeps; and it does not sleep for less. A sleep and its end
 * take about half as long. */
#define IDLE_NS 50000u

/* Rounds in which nothing moved, before others are let have the core. */
#define VAIN_PER_YIELD 8u

/* Frames that come one by one, but in less time than a round takes, leave no round in vain: so after so long others are
 * let have the core all the same, for they may be who processes them, and the rings would fill first. Not while many
 * frames wait: those are served best by large batches. */
#define YIELD_NS 30000u

/* A wire that does not say when it has something is looked at that often. */
#define POLL_NS 1000000u

/* And what comes beside frames, links going and coming, while it is awake. */
#define LOOK_NS 1000000u

/* Others that wait for a lock have it before the next round; not for ever, if they are not let run. */
#define YIELDS_MAX 1000u

struct emu *emu_new(void (*report)(void *ctx, const char *nic, const char *what), void *ctx)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct emu *emu = calloc(1, sizeof(*emu));

	if (!emu)
		return NULL;
	emu->report = report;
	emu->report_ctx = ctx;
	pthread_mutex_init(&emu->lock, NULL);
	emu->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	emu->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (emu->bell_fd < 0 || emu->epoll_fd < 0 ||
	    epoll_ctl(emu->epoll_fd, EPOLL_CTL_ADD, emu->bell_fd, &event)) {
		int code = errno;

		emu_free(emu);
		errno = code;
		return NULL;
	}
	return emu;
}

void emu_free(struct emu *emu)
{
	if (!emu)
		return;
	emu_stop(emu);
	if (emu->bell_fd >= 0)
		close(emu->bell_fd);
	if (emu->epoll_fd >= 0)
		close(emu->epoll_fd);
	pthread_mutex_destroy(&emu->lock);
	free(emu);
}

/* ---- the NICs ---- */

/* For those who seldom want the list. */
static void lock_list(struct emu *emu)
{
	atomic_fetch_add_explicit(&emu->waiting, 1, memory_order_relaxed);
	pthread_mutex_lock(&emu->lock);
	atomic_fetch_sub_explicit(&emu->waiting, 1, memory_order_relaxed);
}

int emu_attach(struct emu *emu, struct emu_nic *nic)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int rc;

	if (emu->n_nics == EMU_NICS_MAX)
		return -ENOSPC;
	if (nic->wire && nic->wire->event_fd >= 0 &&
	    epoll_ctl(emu->epoll_fd, EPOLL_CTL_ADD, nic->wire->event_fd, &event))
		return -errno;
	rc = emu_engine_open(nic);
	if (rc) {
		if (nic->wire && nic->wire->event_fd >= 0)
			epoll_ctl(emu->epoll_fd, EPOLL_CTL_DEL, nic->wire->event_fd, NULL);
		return rc;
	}
	lock_list(emu);
	emu->nics[emu->n_nics++] = nic;
	pthread_mutex_unlock(&emu->lock);
	return 0;
}

void emu_detach(struct emu *emu, struct emu_nic *nic)
{
	lock_list(emu);
	for (unsigned i = 0; i < emu->n_nics; i++)
		if (emu->nics[i] == nic)
			emu->nics[i--] = emu->nics[--emu->n_nics];
	pthread_mutex_unlock(&emu->lock);
	if (nic->wire && nic->wire->event_fd >= 0)
		epoll_ctl(emu->epoll_fd, EPOLL_CTL_DEL, nic->wire->event_fd, NULL);
	emu_engine_close(nic);
	if (nic->wire)
		nic->wire->ops->close(nic->wire);
	nic->wire = NULL;
}

/* ---- rounds ---- */

/* A mutex goes to whoever comes first when it is given back, which would be us. */
static void take(pthread_mutex_t *lock, atomic_uint *waiting)
{
	for (unsigned i = 0;
	     i < YIELDS_MAX && atomic_load_explicit(waiting, memory_order_relaxed) > 0; i++)
		sched_yield();
	pthread_mutex_lock(lock);
}

struct round {
	uint64_t now_ns;
	bool look;	  /* at what comes beside frames */
	uint64_t next_ns; /* when something will be due */
	unsigned moved;
	bool starved; /* a NIC, whose driver is behind */
};

static void due(struct round *round, uint64_t at_ns)
{
	if (at_ns < round->next_ns)
		round->next_ns = at_ns;
}

static void look_at_link(struct emu_nic *nic)
{
	bool link = nic->wire && nic->wire->ops->link(nic->wire);

	if (link == nic->wire_link)
		return;
	nic->wire_link = link;
	nic->model->link_event(nic);
}

static void turn_nic(struct emu_nic *nic, struct round *round)
{
	struct emu_wire *wire = nic->wire;

	take(&nic->lock, &nic->waiting);
	if (round->look && wire && wire->ops->look)
		wire->ops->look(wire);
	look_at_link(nic);
	if (nic->faults[EMU_FAULT_REMOVED]) {
		pthread_mutex_unlock(&nic->lock);
		return;
	}
	due(round, nic->model->tick(nic, round->now_ns));
	if (nic->engine->shadow)
		emu_shadow_turn(nic);
	nic->engine->starved = false;
	round->moved += emu_rx(nic);
	round->starved |= nic->engine->starved;
	round->moved += emu_tx(nic);
	if (wire && wire->ops->flush && wire->ops->flush(wire))
		due(round, round->now_ns);
	if (wire && wire->event_fd < 0)
		due(round, round->now_ns + POLL_NS);
	pthread_mutex_unlock(&nic->lock);
}

static struct round turn(struct emu *emu, bool look)
{
	struct round round = {.now_ns = emu_now_ns(), .look = look, .next_ns = UINT64_MAX};

	if (round.now_ns - emu->looked_ns >= LOOK_NS)
		round.look = true;
	if (round.look)
		emu->looked_ns = round.now_ns;
	take(&emu->lock, &emu->waiting);
	for (unsigned i = 0; i < emu->n_nics; i++)
		turn_nic(emu->nics[i], &round);
	pthread_mutex_unlock(&emu->lock);
	return round;
}

unsigned emu_turn(struct emu *emu)
{
	return turn(emu, true).moved;
}

/* ---- the thread ---- */

void emu_wake(struct emu *emu)
{
	uint64_t one = 1;
	ssize_t written;

	/* Release: the tail or the decoded state is before it. Pairs with the swaps of sleep_on(). */
	if (!atomic_exchange_explicit(&emu->wanted, 0, memory_order_acq_rel))
		return;
	/* Fails only if the counter would overflow; nobody writes that often. */
	written = write(emu->bell_fd, &one, sizeof(one));
	(void)written;
}

static bool is_stopped(struct emu *emu)
{
	/* Acquire: pairs with emu_stop(). */
	return atomic_load_explicit(&emu->stop, memory_order_acquire);
}

/* Waits for an event, or `next_ns`. */
static void wait_until(struct emu *emu, uint64_t next_ns)
{
	struct epoll_event events[EMU_NICS_MAX + 1];
	struct pollfd pollfd = {.fd = emu->epoll_fd, .events = POLLIN};
	int timeout_ms = -1;

	if (next_ns != UINT64_MAX) {
		uint64_t now_ns = emu_now_ns();
		uint64_t left = next_ns > now_ns ? next_ns - now_ns : 0;
		struct timespec timeout = {(time_t)(left / 1000000000u),
					   (long)(left % 1000000000u)};

		ppoll(&pollfd, 1, &timeout, NULL);
		timeout_ms = 0;
	}
	/* Takes the edges off, too. */
	epoll_wait(emu->epoll_fd, events, EMU_NICS_MAX + 1, timeout_ms);
}

/* Sleeps unless something comes up. */
static void sleep_on(struct emu *emu)
{
	struct round round;

	atomic_exchange_explicit(&emu->wanted, 1, memory_order_acq_rel);
	round = turn(emu, true);
	if (!round.moved && !is_stopped(emu) && round.next_ns > round.now_ns + IDLE_NS)
		wait_until(emu, round.next_ns);
	/* A swap too: a plain store would hide a driver's swap from our next one. */
	atomic_exchange_explicit(&emu->wanted, 0, memory_order_acq_rel);
}

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void *run(void *arg)
{
	struct emu *emu = arg;
	uint64_t busy_ns = 0; /* when it last was */
	uint64_t yielded_ns = 0;
	unsigned in_vain = 0;

	prctl(PR_SET_NAME, "emulator");
	while (!is_stopped(emu)) {
		/* The first round after a sleep looks at everything. */
		struct round round = turn(emu, !busy_ns);

		if (round.moved || !busy_ns)
			busy_ns = round.now_ns;
		if (round.now_ns - busy_ns < IDLE_NS) {
			/* Who is waited for may be waiting for this core. */
			if (round.starved ||
			    (round.moved < EMU_BATCH && round.now_ns - yielded_ns >= YIELD_NS) ||
			    (!round.moved && ++in_vain % VAIN_PER_YIELD == 0)) {
				sched_yield();
				yielded_ns = emu_now_ns();
			} else if (!round.moved) {
				relax();
			}
		} else {
			sleep_on(emu);
			busy_ns = 0;
		}
	}
	return NULL;
}

static int start_thread(struct emu *emu, int cpu)
{
	pthread_attr_t attr;
	sigset_t all, before;
	cpu_set_t cpus;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return -rc;
	if (cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		rc = pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	sigfillset(&all); /* they are for the thread that runs the program */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!rc)
		rc = pthread_create(&emu->thread, &attr, run, emu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}

int emu_start(struct emu *emu, int cpu, struct pl_error *err)
{
	int rc;

	atomic_store_explicit(&emu->stop, false, memory_order_relaxed);
	rc = start_thread(emu, cpu);
	if (rc && cpu >= 0)
		return pl_error_set(err, rc, "see: taskset -pc $$",
				    "emulated NICs: cannot start their thread on CPU %d: %s", cpu,
				    strerror(-rc));
	if (rc)
		return pl_error_set(err, rc, NULL, "emulated NICs: cannot start their thread: %s",
				    strerror(-rc));
	emu->started = true;
	return 0;
}

void emu_stop(struct emu *emu)
{
	if (!emu->started)
		return;
	/* Release: what was done before is there for the thread's last round. */
	atomic_store_explicit(&emu->stop, true, memory_order_release);
	emu_wake(emu);
	pthread_join(emu->thread, NULL);
	emu->started = false;
}
