/* SPDX-License-Identifier: BSD-2-Clause */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <peerlane/socket.h>

/* A client that has not read for this long makes room when others wait. */
#define STALLED_MS 10000
/* Requests of one client in one go, so that nobody starves the rest. */
#define REQUESTS_PER_RUN 16
#define EVENTS_PER_RUN 16
/* No more is begun after this long: an answer may take some 10 ms, and the kernel's news wait. */
#define RUN_MS 5

struct client {
	struct client *next, **link;
	int fd;
	char *in; /* SERVER_LINE_MAX bytes: the start of the next request */
	size_t in_len;
	char *out; /* the answer being sent; NULL: none */
	size_t out_len, out_sent;
	int64_t progress_ms; /* when it last read something of the answer */
	bool eof;	     /* sends no more */
	bool last;	     /* to be dropped after this answer */
};

struct server {
	struct server_config config;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int lock_fd, listen_fd, epoll_fd;
	int spare_fd; /* given up to turn somebody away when there are no descriptors; -1: none */
	bool bound;
	struct client *clients;
	unsigned n_clients;
	int64_t until_ms; /* of this run */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- clients ---- */

static void drop(struct server *s, struct client *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	s->n_clients--;
	/* Not left to close(): a child between fork() and exec() may hold the socket too. */
	epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

/* Waits for what the client can do next: read its answer, or send a request. */
static void watch(struct server *s, struct client *c, int op)
{
	struct epoll_event event = {
		.events = c->out ? EPOLLOUT : EPOLLIN,
		.data.ptr = c,
	};

	epoll_ctl(s->epoll_fd, op, c->fd, &event);
}

/* Makes `line` (freed here, NULL: out of memory) the answer being sent. */
static bool answer(struct client *c, char *line)
{
	if (!line)
		return false;
	c->out = line;
	c->out_len = strlen(line) + 1;
	line[c->out_len - 1] = '\n'; /* the terminator's place; the length is known */
	c->out_sent = 0;
	c->progress_ms = now_ms();
	return true;
}

/* Sends what the socket takes. Returns false when the client is gone. */
static bool send_answer(struct client *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_sent += (size_t)n;
		c->progress_ms = now_ms();
	}
	free(c->out);
	c->out = NULL;
	return true;
}

/* Answers the request that the buffer begins with, if all of it is there. *done: there was none.
 * Returns false when the client is to be dropped. */
static bool next_request(struct server *s, struct client *c, bool *done)
{
	char *newline = memchr(c->in, '\n', c->in_len);
	size_t len, taken;

	*done = false;
	if (!newline && c->in_len == SERVER_LINE_MAX) {
		c->last = true;
		return answer(c, s->config.refuse(s->config.ctx, EMSGSIZE,
						  "the request is longer than 64 KiB",
						  "one request is one line"));
	}
	if (!newline && !(c->eof && c->in_len)) {
		*done = true;
		return true;
	}
	len = newline ? (size_t)(newline - c->in) : c->in_len;
	taken = newline ? len + 1 : len;
	if (len > 0 && !answer(c, s->config.answer(s->config.ctx, c->in, len)))
		return false;
	memmove(c->in, c->in + taken, c->in_len - taken);
	c->in_len -= taken;
	return true;
}

/* Answers what is buffered, as far as the client reads along. Returns false to drop it. */
static bool serve(struct server *s, struct client *c)
{
	bool done = false;

	for (unsigned i = 0; i < REQUESTS_PER_RUN && !done && (!i || now_ms() < s->until_ms); i++) {
		if (c->out && !send_answer(c))
			return false;
		if (c->out) /* goes on when it has read */
			return true;
		if (c->last || !next_request(s, c, &done))
			return false;
	}
	return done ? !c->eof : true;
}

/* Reads once what there is. Returns false when the client is gone. */
static bool receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, SERVER_LINE_MAX - c->in_len, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		c->eof = true;
	c->in_len += (size_t)n;
	return true;
}

static void client_ready(struct server *s, struct client *c, uint32_t events)
{
	bool keep = true;

	/* With an answer under way only its room is waited for; a hangup then shows in send(). */
	if (!c->out && c->in_len < SERVER_LINE_MAX && !c->eof)
		keep = receive(c);
	if (keep && events & EPOLLERR)
		keep = false;
	if (!keep || !serve(s, c)) {
		drop(s, c);
		return;
	}
	/* More requests than one go allows: woken again at once, by room to write or by EPOLLIN
	 * for what is unread. What is buffered already has neither, so wait for room. */
	watch(s, c, EPOLL_CTL_MOD);
	if (!c->out && (c->eof || memchr(c->in, '\n', c->in_len))) {
		struct epoll_event again = {.events = EPOLLOUT, .data.ptr = c};

		epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &again);
	}
}

/* ---- those who come in ---- */

/* Drops the client that has been stalled longest, if one has for long. Returns if it did. */
static bool make_room(struct server *s)
{
	struct client *stalled = NULL;
	int64_t since = now_ms() - STALLED_MS;

	for (struct client *c = s->clients; c; c = c->next) {
		if (c->out && c->progress_ms < since) {
			since = c->progress_ms;
			stalled = c;
		}
	}
	if (stalled)
		drop(s, stalled);
	return stalled;
}

static void refuse(struct server *s, int fd, int code, const char *message, const char *remedy)
{
	char *line = s->config.refuse(s->config.ctx, code, message, remedy);

	/* A fresh socket has room for it; if not, closing says enough. */
	if (line) {
		size_t len = strlen(line);

		line[len] = '\n';
		if (send(fd, line, len + 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			errno = 0;
	}
	free(line);
	close(fd);
}

int server_adopt(struct server *s, int fd)
{
	struct client *c;

	if (s->n_clients == SERVER_CLIENTS_MAX && !make_room(s)) {
		refuse(s, fd, EUSERS, "too many clients",
		       "close another peerlane command, such as a forgotten watch");
		return -EUSERS;
	}
	c = calloc(1, sizeof(*c));
	if (c)
		c->in = malloc(SERVER_LINE_MAX);
	if (!c || !c->in) {
		free(c);
		close(fd);
		return -ENOMEM;
	}
	c->fd = fd;
	c->next = s->clients;
	c->link = &s->clients;
	if (c->next)
		c->next->link = &c->next;
	s->clients = c;
	s->n_clients++;
	watch(s, c, EPOLL_CTL_ADD);
	return 0;
}

/* Who waits to be let in and cannot be would wake us for ever. */
static void turn_away(struct server *s)
{
	int fd;

	close(s->spare_fd);
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		refuse(s, fd, EMFILE, "the router has no descriptor for another client",
		       "raise LimitNOFILE= of its service");
	s->spare_fd = fcntl(s->listen_fd, F_DUPFD_CLOEXEC, 0);
}

static void accept_client(struct server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		server_adopt(s, fd);
	else if ((errno == EMFILE || errno == ENFILE) && s->spare_fd >= 0)
		turn_away(s);
}

void server_run(struct server *s)
{
	struct epoll_event event;

	s->until_ms = now_ms() + RUN_MS;
	/* One at a time: who has been served goes to the end of the kernel's queue. */
	for (unsigned i = 0; i < EVENTS_PER_RUN && (!i || now_ms() < s->until_ms); i++) {
		if (epoll_wait(s->epoll_fd, &event, 1, 0) <= 0)
			return;
		if (event.data.ptr)
			client_ready(s, event.data.ptr, event.events);
		else
			accept_client(s);
	}
}

int server_fd(const struct server *s)
{
	return s->epoll_fd;
}

unsigned server_clients(const struct server *s)
{
	return s->n_clients;
}

/* ---- the socket ---- */

int server_make_folder(const char *path, struct pl_error *err)
{
	char folder[sizeof(((struct server *)0)->path)];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	if (mkdir(folder, 0755) && errno != EEXIST)
		return pl_error_set(err, -errno,
				    "make the folder, or choose another ControlSocket=",
				    "%s: cannot make the folder: %s", folder, strerror(errno));
	return 0;
}

/* Another has the lock. Returns -EBUSY with `err` filled. */
static int locked_out(const struct server *s, struct pl_error *err)
{
	char remedy[160], holder[32] = "";
	ssize_t n = read(s->lock_fd, holder, sizeof(holder) - 1);

	holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
	snprintf(remedy, sizeof(remedy), "stop it (kill %s), or choose another ControlSocket=",
		 holder[0] ? holder : "its process");
	return pl_error_set(err, -EBUSY, remedy, "%s: another peerlaned uses it", s->path);
}

/* Keeps other daemons off the socket for as long as this process lives. */
static int take_lock(struct server *s, struct pl_error *err)
{
	char path[sizeof(s->path) + 8], holder[32];
	int n;

	snprintf(path, sizeof(path), "%s.lock", s->path);
again:
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return pl_error_set(err, -errno,
				    errno == EACCES
					    ? "run as root, or choose another ControlSocket="
					    : "choose another ControlSocket=",
				    "%s: cannot open the lock: %s", path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return locked_out(s, err);
	if (!pl_socket_is_file(s->lock_fd, path)) {
		close(s->lock_fd);
		goto again;
	}
	n = snprintf(holder, sizeof(holder), "%d\n", getpid());
	/* Only a help for who reads it: the lock holds without. */
	if (ftruncate(s->lock_fd, 0) || pwrite(s->lock_fd, holder, (size_t)n, 0) < 0)
		errno = 0;
	return 0;
}

/* Before listen(): nobody can have connected. Not chown(), which follows a symbolic link that the
 * owner of the folder, if it is not us, may have put there. */
static int grant_group(const struct server *s, struct pl_error *err)
{
	struct group *group;

	if (!s->config.group[0])
		return 0;
	errno = 0;
	group = getgrnam(s->config.group);
	if (!group)
		return pl_error_set(err, errno ? -errno : -ENOENT,
				    "groupadd it, or correct the name",
				    "ControlGroup=%s: no such group", s->config.group);
	if (lchown(s->path, (uid_t)-1, group->gr_gid))
		return pl_error_set(err, -errno, "start with CAP_CHOWN too",
				    "%s: cannot give it to group %s: %s", s->path, s->config.group,
				    strerror(errno));
	return 0;
}

static int listen_at(struct server *s, struct pl_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	mode_t mask;
	int rc;

	memcpy(address.sun_path, s->path, strlen(s->path));
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->spare_fd = fcntl(s->listen_fd, F_DUPFD_CLOEXEC, 0);
	if (s->epoll_fd < 0 || s->listen_fd < 0 || s->spare_fd < 0)
		return pl_error_set(err, -errno, NULL, "%s: cannot make the socket: %s", s->path,
				    strerror(errno));
	/* Mode 0600, or 0660, from the first moment. */
	mask = umask(s->config.group[0] ? 0117 : 0177);
	rc = bind(s->listen_fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	s->bound = !rc;
	if (!rc)
		rc = grant_group(s, err);
	else
		return pl_error_set(err, rc, NULL, "%s: cannot bind the socket: %s", s->path,
				    strerror(-rc));
	if (rc)
		return rc;
	if (listen(s->listen_fd, 16) || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &event))
		return pl_error_set(err, -errno, NULL, "%s: cannot listen: %s", s->path,
				    strerror(errno));
	return 0;
}

/* A server that has nothing yet. NULL with `err` filled. */
static struct server *server_new(const struct server_config *config, struct pl_error *err)
{
	struct server *s;

	if (strlen(config->path) >= sizeof(s->path)) {
		pl_error_set(err, -ENAMETOOLONG, "choose a shorter path",
			     "%s: longer than the kernel takes for a socket", config->path);
		errno = ENAMETOOLONG;
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		pl_error_set(err, -ENOMEM, NULL, "control socket: out of memory");
		errno = ENOMEM;
		return NULL;
	}
	s->config = *config;
	strcpy(s->path, config->path);
	s->lock_fd = s->listen_fd = s->epoll_fd = s->spare_fd = -1;
	return s;
}

int server_claim(struct server **server, const char *path, struct pl_error *err)
{
	const struct server_config config = {.path = path};
	char lock[sizeof((*server)->path) + 8];
	int rc;

	*server = NULL;
	snprintf(lock, sizeof(lock), "%.*s.lock", (int)sizeof((*server)->path), path);
	if (access(path, F_OK) && access(lock, F_OK))
		return 0; /* nobody has ever been there */
	*server = server_new(&config, err);
	if (!*server)
		return -errno;
	rc = take_lock(*server, err);
	if (rc) {
		server_close(*server);
		*server = NULL;
	}
	return rc;
}

bool server_clear(struct server *s)
{
	char lock[sizeof(s->path) + 8];
	struct pl_error ignored;
	bool socket;

	if (!s)
		return false;
	socket = access(s->path, F_OK) == 0 && pl_socket_remove_stale(s->path, "", &ignored) == 0;
	snprintf(lock, sizeof(lock), "%s.lock", s->path);
	unlink(lock);
	server_close(s);
	return socket;
}

int server_open(struct server **server, const struct server_config *config, struct pl_error *err)
{
	struct server *s = server_new(config, err);
	int rc;

	if (!s)
		return -errno;
	rc = server_make_folder(s->path, err);
	if (!rc)
		rc = take_lock(s, err);
	if (!rc)
		rc = pl_socket_remove_stale(s->path, "choose another ControlSocket=", err);
	if (!rc)
		rc = listen_at(s, err);
	if (rc)
		server_close(s);
	else
		*server = s;
	return rc;
}

void server_close(struct server *s)
{
	if (!s)
		return;
	while (s->clients)
		drop(s, s->clients);
	if (s->bound)
		unlink(s->path);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	if (s->spare_fd >= 0)
		close(s->spare_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd); /* releases the lock */
	free(s);
}
