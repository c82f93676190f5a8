/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane's thread: turns while there is work, sleeps on the queues' events when there is none. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <urcu/urcu-qsbr.h>

#include "private.h"

/* Turns without a packet before the plane sleeps. Going to sleep and waking up costs two system
 * calls and a pass through the scheduler, far more than the next packet of a stream is away. */
#define IDLE_TURNS 64u

/* While a queue has work that no event announces, sleep at most this long. */
#define PENDING_SLEEP_MS 1

/* All that a plane watches may have something at a time: its queues, and what ends its sleep. One call
 * takes it all, or what is left would end the next sleeps at once. */
#define EVENTS_MAX (2 * PL_PORTS_MAX + 1)

/* Slow counters are brought up to date this often while packets move. */
#define STATS_INTERVAL_MS 1000u

#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN
#endif
#endif

#ifdef HAVE_TSAN
#include <sanitizer/tsan_interface.h>

/* liburcu is not built for ThreadSanitizer, which therefore does not see that a grace period
 * orders what planes read before it against what the writer does after it. This stands for it. */
static char grace_period;
#define tsan_reader_leaves() __tsan_release(&grace_period)
#define tsan_writer_waited() __tsan_acquire(&grace_period)
#else
#define tsan_reader_leaves() ((void)0)
#define tsan_writer_waited() ((void)0)
#endif

void pl_plane_enter(void)
{
	urcu_qsbr_register_thread();
}

void pl_plane_leave(void)
{
	tsan_reader_leaves();
	urcu_qsbr_unregister_thread();
}

void plane_quiescent(void)
{
	tsan_reader_leaves();
	urcu_qsbr_quiescent_state();
}

void pl_plane_synchronize(void)
{
	urcu_qsbr_synchronize_rcu();
	tsan_writer_waited();
}

void plane_wait(const struct pl_plane *plane)
{
	const struct pl_plane_private *priv = plane->priv;

	if (plane->processor.shares_cores && priv->under_way && !priv->worked)
		sched_yield();
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void refresh_queue(struct pl_queue *q)
{
	if (q && q->ops->refresh_stats)
		q->ops->refresh_stats(q);
}

/* Brings up to date what costs system calls, about once a second. */
static void refresh_stats(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;
	uint64_t now_ms = clock_ns(CLOCK_MONOTONIC_COARSE) / 1000000u;

	if (!priv->stats_old || now_ms - priv->stats_at_ms < STATS_INTERVAL_MS)
		return;
	priv->stats_at_ms = now_ms;
	priv->stats_old = false;
	for (unsigned i = 0; i < plane->n_ports; i++) {
		refresh_queue(plane->ports[i].wire);
		refresh_queue(plane->ports[i].face);
	}
	atomic_store_explicit(&plane->stats.cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID),
			      memory_order_relaxed); /* as pl_stat_add() */
}

static bool arm_queue(struct pl_queue *q)
{
	return !q || !q->ops->arm || q->ops->arm(q);
}

/* Asks for interrupts where they must be asked for. Returns false if packets are there: then the plane must
 * not sleep.
 *
 * No packet is left behind by a plane that sleeps. A queue without arm() is readable for as long as
 * it has one. Of the others, a packet that comes before arm() has looked at the ring is seen by it. One that
 * comes later has the device signal the queue's descriptor, at once or, if that was before arm() was done,
 * when it is. A signal is kept by epoll until epoll_wait() returns it, whether it comes before or
 * during that call; and after a call that returned something the rings are looked at again before the next.
 * What this costs is a sleep that ends at once: when another queue had us go on, and one that was
 * armed already signalled what has been taken meanwhile. */
static bool arm_queues(struct pl_plane *plane)
{
	for (unsigned i = 0; i < plane->n_ports; i++)
		if (!arm_queue(plane->ports[i].wire) || !arm_queue(plane->ports[i].face))
			return false;
	return true;
}

/* Sleeps until a queue has something, the plane is to stop, or a time-out that is due anyway.
 * Meanwhile the plane counts as one that holds no reference, so writers need not wait for it. */
static void sleep_for_events(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;
	int timeout_ms = priv->pending	   ? PENDING_SLEEP_MS
			 : priv->stats_old ? (int)STATS_INTERVAL_MS
					   : -1;
	struct epoll_event events[EVENTS_MAX];

	pl_stat_add(&plane->stats.sleeps, 1);
	tsan_reader_leaves();
	urcu_qsbr_thread_offline();
	epoll_wait(priv->epoll_fd, events, EVENTS_MAX, timeout_ms);
	urcu_qsbr_thread_online();
}

/* What pl_plane_run() wants. */
static void run_wanted(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;
	eventfd_t ignored;

	eventfd_read(priv->wake_fd, &ignored);
	pl_plane_drain(plane);
	priv->run(plane, priv->run_ctx);
	priv->stats_old = true;
	atomic_fetch_and_explicit(&priv->wanted, ~WANT_RUN,
				  memory_order_relaxed); /* sem_post() orders */
	sem_post(&priv->ran);
}

static void *plane_main(void *arg)
{
	struct pl_plane *plane = arg;
	struct pl_plane_private *priv = plane->priv;
	bool may_sleep = !plane->busy_poll && !priv->must_poll;
	unsigned idle_turns = 0;
	char name[16];

	/* By the thread itself: to name another one is to write to a file. */
	snprintf(name, sizeof(name), "plane%u", plane->index);
	pthread_setname_np(pthread_self(), name);
	if (plane->on_thread)
		plane->on_thread(plane->on_thread_ctx);
	pl_plane_enter();
	for (;;) {
		/* Acquire: what is to be run was stored before. */
		unsigned wanted = atomic_load_explicit(&priv->wanted, memory_order_acquire);

		if (wanted & WANT_RUN)
			run_wanted(plane);
		if (wanted & WANT_STOP)
			break;
		pl_plane_turn(plane);
		plane_wait(plane);
		if (priv->worked || priv->under_way) {
			idle_turns = 0;
			priv->stats_old = true;
		} else if (may_sleep && ++idle_turns >= IDLE_TURNS) {
			if (arm_queues(plane))
				sleep_for_events(plane);
			idle_turns = 0;
		} else if (!may_sleep) {
			priv->stats_old = true; /* idle or not, it uses its core */
		}
		refresh_stats(plane);
	}
	pl_plane_drain(plane);
	pl_plane_leave();
	return NULL;
}

/* Starts the thread with all signals blocked: they are for the thread that runs the program. But for
 * SIGBUS, which is for the thread that causes it: by touching a device that is gone (pl_pci_open()). */
static int create_thread(struct pl_plane *plane, const pthread_attr_t *attr)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&plane->priv->thread, attr, plane_main, plane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

int pl_plane_start(struct pl_plane *plane, struct pl_error *err)
{
	struct pl_plane_private *priv = plane->priv;
	pthread_attr_t attr;
	int rc;

	if (priv->started)
		return pl_error_set(err, -EALREADY, NULL, "plane %u: runs already", plane->index);
	pthread_attr_init(&attr);
	if (plane->cpu >= 0) {
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		CPU_SET((unsigned)plane->cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	atomic_store_explicit(&priv->wanted, 0, memory_order_relaxed); /* before the thread is */
	rc = create_thread(plane, &attr);
	pthread_attr_destroy(&attr);
	if (rc == -EINVAL && plane->cpu >= 0)
		return pl_error_set(err, rc,
				    "use fewer planes, or name cores that are there (nproc)",
				    "plane %u: cannot run on core %d: no such core, or not ours",
				    plane->index, plane->cpu);
	if (rc)
		return pl_error_set(err, rc, NULL, "plane %u: cannot start its thread: %s",
				    plane->index, strerror(-rc));
	priv->started = true;
	return 0;
}

void pl_plane_stop(struct pl_plane *plane)
{
	struct pl_plane_private *priv = plane->priv;
	eventfd_t ignored;

	if (!priv || !priv->started)
		return;
	/* Relaxed: pthread_join() orders everything that we look at afterwards. */
	atomic_fetch_or_explicit(&priv->wanted, WANT_STOP, memory_order_relaxed);
	eventfd_write(priv->wake_fd, 1);
	pthread_join(priv->thread, NULL);
	eventfd_read(priv->wake_fd, &ignored);
	priv->started = false;
}

void pl_plane_run(struct pl_plane *plane, void (*fn)(struct pl_plane *plane, void *ctx), void *ctx)
{
	struct pl_plane_private *priv = plane->priv;

	if (!priv || !priv->started) {
		fn(plane, ctx);
		return;
	}
	priv->run = fn;
	priv->run_ctx = ctx;
	/* In this order: once the plane sees the wish, the event is there for it to take, and none
	 * comes later that nobody would. Until it does, the event keeps it awake. */
	eventfd_write(priv->wake_fd, 1);
	/* Release: pairs with the plane's load. */
	atomic_fetch_or_explicit(&priv->wanted, WANT_RUN, memory_order_release);
	while (sem_wait(&priv->ran) && errno == EINTR)
		;
}
