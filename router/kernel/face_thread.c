/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread that stands between planes and TAPs: it alone reads and writes the TAPs. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "face_private.h"

/* Frames moved at a time per plane and TAP, in each direction: what bounds how long the others
 * wait (some 2 us a frame), while the looks at epoll and bell stay a small part of the work. */
#define BATCH 32u

/* Takes the TAP out of the poll set: it would report an error forever. */
static void lose(struct face *face)
{
	if (atomic_exchange_explicit(&face->lost, true, memory_order_relaxed))
		return;
	epoll_ctl(face->set->epoll_fd, EPOLL_CTL_DEL, face->fd, NULL);
}

/* A lost TAP that has been made again. */
static bool has_successor(struct face *face)
{
	return atomic_load_explicit(&face->lost, memory_order_relaxed) &&
	       atomic_load_explicit(&face->next_fd, memory_order_relaxed) >= 0;
}

/* Goes on with a TAP that was made anew: under the number that the lost one had, which the control
 * thread uses, too. */
static void succeed(struct face *face)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = face};
	int fd = atomic_exchange_explicit(&face->next_fd, -1, memory_order_acquire);

	if (dup3(fd, face->fd, O_CLOEXEC) >= 0 &&
	    epoll_ctl(face->set->epoll_fd, EPOLL_CTL_ADD, face->fd, &event) == 0)
		atomic_store_explicit(&face->lost, false, memory_order_relaxed);
	close(fd);
}

/* Writes a batch of what one plane punted. The kernel takes a frame or refuses it, at once: a
 * refusal (EIO: interface down, ENOMEM, EAGAIN: too much unread by a local socket) is counted and
 * not retried, as a wire would lose it. Returns how many were taken off the ring. */
static unsigned write_batch(struct face *face, struct face_queue *fq)
{
	unsigned n = spsc_peek(&fq->to_kernel, BATCH);
	unsigned written = 0;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		const struct spsc_slot *slot = spsc_peeked(&fq->to_kernel, i);

		if (write(face->fd, slot->data, slot->len_bytes) == (ssize_t)slot->len_bytes)
			written++;
		else if (errno == EBADFD)
			lose(face);
	}
	spsc_release(&fq->to_kernel, n);
	pl_stat_add(&face->stats.to_kernel, written);
	pl_stat_add(&face->stats.write_failed, n - written);
	return n;
}

/* Reads one frame into the ring of the home plane `fq` (may be NULL). Returns 0 or -errno: -EAGAIN
 * when there is none. */
static int read_frame(struct face *face, struct face_queue *fq)
{
	struct spsc *ring = fq ? &fq->from_kernel : NULL;
	struct spsc_slot *slot;
	uint8_t rest;
	ssize_t len;

	if (!ring || !spsc_reserve(ring, 1)) {
		/* A read into a shorter buffer takes the frame and discards what does not fit. */
		if (read(face->fd, &rest, 1) < 0)
			return -errno;
		pl_stat_add(&face->stats.from_kernel, 1);
		pl_stat_add(&face->stats.ring_full, 1);
		return 0;
	}
	slot = spsc_reserved(ring, 0);
	len = read(face->fd, slot->data, ring->capacity_bytes);
	if (len < 0)
		return -errno;
	pl_stat_add(&face->stats.from_kernel, 1);
	if ((size_t)len == ring->capacity_bytes) {
		pl_stat_add(&face->stats.too_long, 1);
		return 0;
	}
	slot->len_bytes = (uint32_t)len;
	spsc_submit(ring, 1);
	return 0;
}

/* Reads batches of what the kernel sends out of the port: as many as write_round() writes at most,
 * for to each frame there may be an answer, and the TAP's own queue is short. */
static void read_batch(struct face *face)
{
	struct face_queue *fq = face->queues[face->home_plane];
	int rc = 0;

	for (unsigned i = 0; i < BATCH * face->n_planes && rc == 0; i++)
		rc = read_frame(face, fq);
	if (fq)
		bell_ring(&fq->bell);
	if (rc == -EBADFD)
		lose(face);
}

/* Writes at most one batch per plane and TAP. Returns how many frames left the rings. */
static unsigned write_round(struct faces *set)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < set->n; i++) {
		struct face *face = set->faces[i];

		if (has_successor(face))
			succeed(face);
		for (unsigned plane = 0; plane < face->n_planes; plane++)
			if (face->queues[plane])
				moved += write_batch(face, face->queues[plane]);
	}
	return moved;
}

static bool anything_to_do(struct faces *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		struct face *face = set->faces[i];

		if (has_successor(face))
			return true;
		for (unsigned plane = 0; plane < face->n_planes; plane++)
			if (face->queues[plane] && spsc_peek(&face->queues[plane]->to_kernel, 1))
				return true;
	}
	return false;
}

/* Waits for TAPs that have something, or for the bell; not at all unless `may_sleep` and the rings
 * are empty. Returns the number of events. */
static int wait_for_events(struct faces *set, struct epoll_event *events, bool may_sleep)
{
	bool sleep = false;
	int n;

	if (may_sleep) {
		bell_want(&set->bell);
		/* Relaxed: ordered by the bell, like the rings. */
		sleep = !anything_to_do(set) &&
			!atomic_load_explicit(&set->stop, memory_order_relaxed);
	}
	n = epoll_wait(set->epoll_fd, events, PL_PORTS_MAX + 1, sleep ? -1 : 0);
	if (may_sleep)
		bell_unwant(&set->bell);
	return n;
}

void *faces_thread(void *arg)
{
	struct epoll_event events[PL_PORTS_MAX + 1];
	struct faces *set = arg;

	/* By the thread itself: to name another one is to write to a file. */
	pthread_setname_np(pthread_self(), "faces");
	if (set->on_thread)
		set->on_thread(set->on_thread_ctx);
	while (!atomic_load_explicit(&set->stop, memory_order_relaxed)) {
		unsigned moved = write_round(set);
		int n = wait_for_events(set, events, moved == 0);

		for (int i = 0; i < n; i++) {
			struct face *face = events[i].data.ptr;

			if (face)
				read_batch(face);
			else
				bell_clear(&set->bell);
		}
	}
	return NULL;
}
