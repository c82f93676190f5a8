/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of faces: making and ending it. Control thread. */
#include "face.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "face_private.h"
#include "forwarding.h"
#include "interface.h"
#include "tap.h"

struct faces *faces_new(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	struct faces *set = calloc(1, sizeof(*set));
	int rc;

	if (!set)
		return NULL;
	set->bell.fd = -1;
	set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = set->epoll_fd < 0 ? -errno : bell_init(&set->bell);
	if (rc == 0 && epoll_ctl(set->epoll_fd, EPOLL_CTL_ADD, set->bell.fd, &event) < 0)
		rc = -errno;
	if (rc < 0) {
		faces_free(set, true);
		errno = -rc;
		return NULL;
	}
	return set;
}

static bool usable_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, 6) != 0;
}

/* Gives the attached TAP its MAC, MTU and administrative state; see face_open(). */
static int adopt(struct face *face, const struct face_config *config, struct pl_error *err)
{
	struct face_start *start = &face->start;
	struct interface now;
	int rc = interface_query(face->name, &now);

	if (rc < 0)
		return pl_error_set(err, rc, NULL, "%s: cannot ask for its properties: %s",
				    face->name, strerror(-rc));
	if (start->created || !usable_mac(now.mac)) {
		rc = interface_set_mac(face->name, config->mac, err);
		memcpy(now.mac, config->mac, 6);
	}
	if (rc == 0 && now.mtu != config->mtu)
		rc = interface_set_mtu(face->name, config->mtu, err);
	if (rc == 0)
		rc = forwarding_enable(face->name, &start->everywhere, err);
	if (rc == 0 && start->created)
		rc = interface_bring_up(face->name, err);
	start->up = start->created || now.up;
	memcpy(start->mac, now.mac, 6);
	return rc;
}

/* Makes the attached TAP a port's, and adds it to the poll set. */
static int set_up(struct face *face, const struct face_config *config, struct pl_error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = face};
	int rc = adopt(face, config, err);

	if (rc < 0)
		return rc;
	face->ifindex = if_nametoindex(face->name);
	if (!face->ifindex)
		return pl_error_set(err, -errno, NULL, "%s: its TAP interface vanished: %s",
				    face->name, strerror(errno));
	if (epoll_ctl(face->set->epoll_fd, EPOLL_CTL_ADD, face->fd, &event) < 0)
		return pl_error_set(err, -errno, NULL, "%s: cannot poll its TAP: %s", face->name,
				    strerror(errno));
	/* Last: a TAP that we made and could not set up goes away with its descriptor. */
	rc = tap_set_persistent(face->fd, true);
	if (rc < 0)
		return pl_error_set(err, rc, NULL, "%s: cannot make its TAP persistent: %s",
				    face->name, strerror(-rc));
	return 0;
}

static void face_free(struct face *face, bool keep)
{
	if (face->queues)
		for (unsigned plane = 0; plane < face->n_planes; plane++)
			face_queue_free(face->queues[plane]);
	free(face->queues);
	if (face->next_fd >= 0)
		close(face->next_fd);
	if (face->fd >= 0) {
		if (!keep)
			tap_set_persistent(face->fd, false);
		close(face->fd); /* takes the carrier off, unless another holds the descriptor */
	}
	free(face);
}

/* Returns the descriptor that was kept, if it is of any use, else one of tap_attach(). */
static int attach(const struct face_config *config, bool *created, struct pl_error *err)
{
	if (config->kept_fd > 0) {
		*created = false;
		if (tap_is(config->kept_fd, config->name))
			return config->kept_fd;
		close(config->kept_fd);
	}
	return tap_attach(config->name, created, err);
}

int face_open(struct faces *set, const struct face_config *config, struct face **out,
	      struct pl_error *err)
{
	struct face *face;
	int rc;

	if (set->n == PL_PORTS_MAX || config->n_planes == 0 || set->running)
		return pl_error_set(err, -EINVAL, NULL, "%s: cannot have port %u with %u planes",
				    config->name, set->n + 1, config->n_planes);
	face = calloc(1, sizeof(*face));
	if (!face)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", config->name);
	face->fd = -1;
	face->next_fd = -1;
	face->set = set;
	face->n_planes = config->n_planes;
	face->home_plane = set->n % config->n_planes;
	face->queues = calloc(face->n_planes, sizeof(*face->queues));
	if (!face->queues) {
		rc = pl_error_set(err, -ENOMEM, NULL, "%s: no memory", config->name);
		goto fail;
	}
	rc = attach(config, &face->start.created, err);
	if (rc < 0)
		goto fail;
	face->fd = rc;
	strncpy(face->name, config->name, sizeof(face->name) - 1);
	rc = set_up(face, config, err);
	if (rc < 0)
		goto fail;
	set->faces[set->n++] = face;
	*out = face;
	return 0;
fail:
	face_free(face, true);
	return rc;
}

int face_revive(struct face *face, const struct face_config *config, bool carrier,
		struct pl_error *err)
{
	unsigned ifindex = 0;
	int fd, rc;

	if (atomic_load_explicit(&face->next_fd, memory_order_relaxed) >= 0)
		return 0; /* the thread is about to go on with it */
	fd = tap_attach(face->name, &face->start.created, err);
	if (fd < 0)
		return fd;
	rc = adopt(face, config, err);
	if (!rc) {
		ifindex = if_nametoindex(face->name);
		rc = ifindex ? tap_set_persistent(fd, true) : -errno;
		if (!rc)
			rc = tap_set_carrier(fd, carrier);
		if (rc)
			pl_error_set(err, rc, NULL, "%s: cannot set its new TAP up: %s", face->name,
				     strerror(-rc));
	}
	if (rc) {
		close(fd);
		return rc;
	}
	face->ifindex = ifindex;
	atomic_store_explicit(&face->next_fd, fd, memory_order_release);
	bell_ring(&face->set->bell);
	return 0;
}

unsigned face_ifindex(const struct face *face)
{
	return face->ifindex;
}

int face_fd(const struct face *face)
{
	return face->fd;
}

const struct face_start *face_start(const struct face *face)
{
	return &face->start;
}

bool face_lost(const struct face *face)
{
	return atomic_load_explicit(&face->lost, memory_order_relaxed);
}

struct pl_queue *face_queue(struct face *face, unsigned plane, struct pl_pool *pool)
{
	struct face_queue *fq;

	if (plane >= face->n_planes || face->queues[plane]) {
		errno = plane >= face->n_planes ? EINVAL : EEXIST;
		return NULL;
	}
	fq = face_queue_new(face, pool, plane == face->home_plane);
	face->queues[plane] = fq;
	return fq ? &fq->queue : NULL;
}

int face_set_carrier(struct face *face, bool up)
{
	int rc = tap_set_carrier(face->fd, up);

	return rc ? rc : interface_tell_carrier(face->ifindex, up);
}

int face_query(const struct face *face, uint8_t mac[6], unsigned *mtu)
{
	struct interface now;
	int rc = interface_query(face->name, &now);

	if (rc < 0)
		return rc;
	memcpy(mac, now.mac, 6);
	*mtu = now.mtu;
	return 0;
}

int face_set_mac(struct face *face, const uint8_t mac[6], struct pl_error *err)
{
	return interface_set_mac(face->name, mac, err);
}

int face_set_mtu(struct face *face, unsigned mtu, struct pl_error *err)
{
	return interface_set_mtu(face->name, mtu, err);
}

const struct face_stats *face_stats(const struct face *face)
{
	return &face->stats;
}

void faces_on_thread(struct faces *set, void (*fn)(void *ctx), void *ctx)
{
	set->on_thread = fn;
	set->on_thread_ctx = ctx;
}

int faces_start(struct faces *set, struct pl_error *err)
{
	sigset_t all, old;
	int rc;

	/* Signals are the main thread's: the new one inherits this mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_store_explicit(&set->stop, false, memory_order_relaxed);
	rc = pthread_create(&set->thread, NULL, faces_thread, set);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return pl_error_set(err, -rc, NULL, "cannot start the thread of the TAPs: %s",
				    strerror(rc));
	set->running = true;
	return 0;
}

void faces_stop(struct faces *set)
{
	if (!set->running)
		return;
	/* Relaxed: the bell orders it. */
	atomic_store_explicit(&set->stop, true, memory_order_relaxed);
	bell_ring(&set->bell);
	pthread_join(set->thread, NULL);
	set->running = false;
}

void faces_free(struct faces *set, bool keep)
{
	if (!set)
		return;
	for (unsigned i = 0; i < set->n; i++)
		face_free(set->faces[i], keep);
	bell_fini(&set->bell);
	if (set->epoll_fd >= 0)
		close(set->epoll_fd);
	free(set);
}
