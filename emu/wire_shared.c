/* SPDX-License-Identifier: BSD-2-Clause */
/* A wire that is memory shared with another process (wire_ring.h), which comes by a socket and goes with
 * it. What arrives is copied before the NIC sees it: the other side may change what it has sent at any
 * time, but not what is parsed here.
 *
 * Whoever comes gets memory of its own: one that has been unplugged may keep its mapping, and write there
 * for ever. What the first one gets is had when the wire is opened.
 * Bells are messages on the socket, not eventfds: who has one of those can have another's write() to it
 * wait. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <peerlane/socket.h>

#include "engine.h"
#include "wire_ring.h"

/* Frames that have arrived. Few of these pages are touched unless frames are long. */
#define LENT_BYTES (EMU_BATCH * WIRE_FRAME_MAX)

#define OTHER_PATH "use another path"

/* Who may wait to be let in. The kernel keeps one more than it is told. */
#define BACKLOG 4
#define KNOCKS_MAX (BACKLOG + 1)

struct shared {
	struct emu_wire wire;
	struct sockaddr_un address;
	char lock_path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8];
	int lock_fd, listen_fd, peer_fd; /* -1: none */
	int memory_fd;
	bool shown; /* somebody has had the memory */
	bool bound;
	struct wire_memory *memory;
	struct wire_hello hello;
	struct wire_consumer to_nic;
	struct wire_producer from_nic;
	bool quiet;	      /* nothing has been taken since the last look */
	bool asked;	      /* to be woken */
	uint8_t *lent;	      /* LENT_BYTES */
	uint64_t n_wrong;     /* peers that wrote what made no sense */
	uint64_t n_not_taken; /* sent by the NIC, and no room */
};

_Static_assert(WIRE_FRAME_MAX >= EMU_FRAME_MAX, "whatever a NIC sends fits");

static struct shared *shared_of(struct emu_wire *wire)
{
	return (struct shared *)wire;
}

/* ---- the peer goes and comes ---- */

static int watch(struct shared *shared, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

	return epoll_ctl(shared->wire.event_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void unplug(struct shared *shared)
{
	if (shared->peer_fd >= 0)
		close(shared->peer_fd); /* of which the epoll loses sight */
	shared->peer_fd = -1;
}

static void check_peer(struct shared *shared)
{
	if (shared->peer_fd < 0 ||
	    (!wire_is_broken(&shared->to_nic.broken) && !wire_is_broken(&shared->from_nic.broken)))
		return;
	unplug(shared);
	shared->n_wrong++;
	if (shared->wire.say)
		shared->wire.say(shared->wire.say_ctx,
				 "its cable is unplugged: what is at the other end wrote positions "
				 "or lengths that make no sense");
}

static void drop_memory(struct shared *shared)
{
	if (shared->memory)
		munmap(shared->memory, WIRE_BYTES);
	if (shared->memory_fd >= 0)
		close(shared->memory_fd);
}

static int send_hello(const struct shared *shared, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {.iov_base = (void *)&shared->hello, .iov_len = sizeof(shared->hello)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &shared->memory_fd, sizeof(shared->memory_fd));
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Memory that can be neither cut nor grown, and is all there from the start; in place of what there was. */
static int renew_memory(struct shared *shared)
{
	int fd = memfd_create("wire", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *memory = MAP_FAILED;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, WIRE_BYTES) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ||
	    (memory = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			   0)) == MAP_FAILED)
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	drop_memory(shared);
	shared->memory_fd = fd;
	shared->memory = memory;
	shared->shown = false;
	return 0;
}

/* A second one is turned away: it sees the socket close. So is one for whom there is no memory, which is said. */
static void welcome(struct shared *shared, int fd)
{
	if (shared->peer_fd >= 0) {
		close(fd);
		return;
	}
	if (shared->shown && renew_memory(shared)) {
		if (shared->wire.say)
			shared->wire.say(shared->wire.say_ctx,
					 "there is no memory for what wants to join its cable");
		close(fd);
		return;
	}
	shared->shown = true;
	wire_consumer_init(&shared->to_nic, &shared->memory->to_nic);
	wire_producer_init(&shared->from_nic, &shared->memory->from_nic);
	if (watch(shared, fd) || send_hello(shared, fd)) {
		close(fd);
		return;
	}
	shared->peer_fd = fd;
}

/* All that have knocked so far: we are not told again of those. Who comes meanwhile has us look again. */
static void open_door(struct shared *shared)
{
	for (unsigned i = 0; i < KNOCKS_MAX; i++) {
		int fd = accept4(shared->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		welcome(shared, fd);
	}
}

/* One that goes makes room for one that comes. That it has gone may be hidden behind bells, of which not
 * all are read at a time. */
static void look_around(struct shared *shared)
{
	struct epoll_event events[2];
	int n = epoll_wait(shared->wire.event_fd, events, 2, 0);
	bool knocked = false;

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == shared->listen_fd)
			knocked = true;
		else if (events[i].events & (EPOLLHUP | EPOLLRDHUP) ||
			 !wire_hear_bell(shared->peer_fd))
			unplug(shared);
	}
	if (knocked)
		open_door(shared);
}

/* While frames come nobody need ring. */
static void shared_look(struct emu_wire *wire)
{
	struct shared *shared = shared_of(wire);

	look_around(shared);
	shared->asked = shared->peer_fd >= 0 && shared->quiet &&
			wire_consumer_sleep(&shared->to_nic);
	shared->quiet = true;
}

/* Awake until a look has found that nothing comes. */
static bool shared_flush(struct emu_wire *wire)
{
	const struct shared *shared = shared_of(wire);

	return shared->peer_fd >= 0 && !shared->asked;
}

static bool shared_link(struct emu_wire *wire)
{
	return shared_of(wire)->peer_fd >= 0;
}

/* ---- frames ---- */

static unsigned shared_arrived(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct shared *shared = shared_of(wire);
	uint8_t *to = shared->lent;
	unsigned n;

	if (shared->peer_fd < 0)
		return 0;
	n = wire_consumer_take(&shared->to_nic, frames, max < EMU_BATCH ? max : EMU_BATCH);
	for (unsigned i = 0; i < n; i++) {
		emu_copy(to, frames[i].data, frames[i].len);
		frames[i].data = to;
		to += (frames[i].len + WIRE_UNIT - 1) & ~(WIRE_UNIT - 1);
	}
	wire_consumer_release(&shared->to_nic);
	check_peer(shared);
	if (n)
		shared->quiet = shared->asked = false;
	return n;
}

static void shared_send(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	struct shared *shared = shared_of(wire);

	if (shared->peer_fd < 0) {
		shared->n_not_taken += n;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		uint8_t *to = wire_producer_reserve(&shared->from_nic, frames[i].len);

		if (to) {
			emu_copy(to, frames[i].data, frames[i].len);
			continue;
		}
		shared->n_not_taken++;
		wire_producer_miss(&shared->from_nic);
	}
	if (wire_producer_publish(&shared->from_nic))
		wire_ring_bell(shared->peer_fd);
	check_peer(shared);
}

static void shared_lost(struct emu_wire *wire, uint64_t *to_nic, uint64_t *from_nic)
{
	const struct shared *shared = shared_of(wire);

	*to_nic = shared->n_wrong;
	*from_nic = shared->n_not_taken;
}

/* ---- open and close ---- */

static void shared_close(struct emu_wire *wire)
{
	struct shared *shared = shared_of(wire);

	unplug(shared);
	if (shared->bound)
		unlink(shared->address.sun_path);
	if (shared->listen_fd >= 0)
		close(shared->listen_fd);
	drop_memory(shared);
	if (wire->event_fd >= 0)
		close(wire->event_fd);
	if (shared->lock_fd >= 0) {
		unlink(shared->lock_path);
		close(shared->lock_fd); /* last: until then the path is ours */
	}
	free(shared->lent);
	free(shared);
}

static const struct emu_wire_ops shared_ops = {
	.arrived = shared_arrived,
	.send = shared_send,
	.flush = shared_flush,
	.look = shared_look,
	.link = shared_link,
	.lost = shared_lost,
	.close = shared_close,
};

/* Fills in what depends on the path alone. */
static int set_path(struct shared *shared, const char *path, struct pl_error *err)
{
	if (strlen(path) >= sizeof(shared->address.sun_path))
		return pl_error_set(err, -ENAMETOOLONG, "use a shorter path",
				    "%.80s...: longer than the kernel takes for a socket", path);
	shared->address.sun_family = AF_UNIX;
	strcpy(shared->address.sun_path, path);
	snprintf(shared->lock_path, sizeof(shared->lock_path), "%s.lock", path);
	return 0;
}

static int no_lock(const struct shared *shared, int rc, struct pl_error *err)
{
	return pl_error_set(err, rc, "make the folder, or " OTHER_PATH,
			    "%s: cannot open the wire's lock: %s", shared->lock_path,
			    strerror(-rc));
}

/* Whether the lock's file could be opened, or made: it is not. */
static int check_lock(const struct shared *shared, struct pl_error *err)
{
	char folder[sizeof(shared->address.sun_path)];
	int fd = open(shared->lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *slash;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != ENOENT)
		return no_lock(shared, -errno, err);
	strcpy(folder, shared->address.sun_path);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = 0;
	else
		strcpy(folder, ".");
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS))
		return no_lock(shared, -errno, err);
	return 0;
}

/* Keeps other routers off the path for as long as this one lives. */
static int take_lock(struct shared *shared, struct pl_error *err)
{
	int fd;

	for (;;) {
		fd = open(shared->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return no_lock(shared, -errno, err);
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			close(fd);
			return pl_error_set(err, -EBUSY, "give every port a wire of its own",
					    "%s: another NIC has this wire",
					    shared->address.sun_path);
		}
		if (pl_socket_is_file(fd, shared->lock_path))
			break;
		close(fd);
	}
	shared->lock_fd = fd;
	return 0;
}

static int listen_at(struct shared *shared)
{
	const struct sockaddr *address = (const struct sockaddr *)&shared->address;

	shared->wire.event_fd = epoll_create1(EPOLL_CLOEXEC);
	shared->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (shared->wire.event_fd < 0 || shared->listen_fd < 0)
		return -errno;
	/* The file gets the socket's mode: nobody but us, from the first moment. */
	if (fchmod(shared->listen_fd, 0600) ||
	    bind(shared->listen_fd, address, sizeof(shared->address)))
		return -errno;
	shared->bound = true;
	if (listen(shared->listen_fd, BACKLOG))
		return -errno;
	return watch(shared, shared->listen_fd);
}

static int open_all(struct shared *shared, const char *path, struct pl_error *err)
{
	int rc = set_path(shared, path, err);

	if (!rc)
		rc = take_lock(shared, err);
	if (!rc)
		rc = pl_socket_remove_stale(path, OTHER_PATH, err);
	if (rc)
		return rc;
	shared->lent = malloc(LENT_BYTES);
	rc = shared->lent ? renew_memory(shared) : -ENOMEM;
	if (!rc)
		rc = listen_at(shared);
	return rc ? pl_error_set(err, rc, NULL, "%s: cannot offer the wire: %s", path,
				 strerror(-rc))
		  : 0;
}

int emu_wire_shared_check(const char *path, struct pl_error *err)
{
	struct shared shared;
	int rc = set_path(&shared, path, err);

	if (!rc)
		rc = check_lock(&shared, err);
	return rc ? rc : pl_socket_check(path, OTHER_PATH, err);
}

void emu_wire_shared_mac(const char *path, uint8_t mac[6])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (const char *c = path; *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	mac[0] = 0x02; /* locally administered */
	for (unsigned i = 1; i < 6; i++, hash >>= 8)
		mac[i] = (uint8_t)hash;
}

int emu_wire_shared(const char *path, struct emu_wire **wire, uint8_t mac[6], struct pl_error *err)
{
	struct shared *shared = calloc(1, sizeof(*shared));
	int rc;

	*wire = NULL;
	if (!shared)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", path);
	shared->wire = (struct emu_wire){.ops = &shared_ops, .kind = "shared", .event_fd = -1};
	shared->lock_fd = shared->listen_fd = shared->peer_fd = shared->memory_fd = -1;
	rc = open_all(shared, path, err);
	if (rc) {
		shared_close(&shared->wire);
		return rc;
	}
	emu_wire_shared_mac(path, mac);
	shared->hello = (struct wire_hello){.magic = WIRE_MAGIC, .bytes = WIRE_BYTES};
	memcpy(shared->hello.mac, mac, 6);
	*wire = &shared->wire;
	return 0;
}
