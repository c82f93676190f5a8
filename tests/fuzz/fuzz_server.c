/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: bytes of several clients, cut and interleaved in any way, and clients that do
 * not read, stop sending or go away. Every line has its answer, in order, and nobody gets another's.
 *
 * The input is a list of commands, a byte each: the client in its upper bits, what it does in the
 * lower ones. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../router/control/server.h"
#include "fuzz.h"

#define CLIENTS 4u
#define BYTES_MAX (1u << 20) /* of one client */

struct bytes {
	char *at;
	size_t len;
};

struct peer {
	int fd;	   /* -1: not connected */
	bool half; /* sends no more */
	struct bytes sent, got;
};

static struct server *server;
static struct peer peers[CLIENTS];
static char folder[] = "/tmp/peerlane-fuzz-XXXXXX";

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void add(struct bytes *b, const char *bytes, size_t len)
{
	must(b->len + len <= BYTES_MAX + SERVER_LINE_MAX);
	memcpy(b->at + b->len, bytes, len);
	b->len += len;
}

/* What the model and the server both answer: the line's length, and a sum of it; long ones by long
 * answers, so that they do not fit into a socket at once. */
static char *answer(void *ctx, const char *line, size_t len)
{
	size_t size = len > 1000 ? 8 * len : 64;
	char *text = malloc(size + 1);
	unsigned sum = 0;
	int n;

	(void)ctx;
	must(text && len > 0 && len <= SERVER_LINE_MAX && !memchr(line, '\n', len));
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + (unsigned char)line[i];
	n = snprintf(text, size, "%zu %u", len, sum);
	if (len > 1000) {
		memset(text + n, '.', size - (size_t)n);
		text[size] = '\0';
	}
	return text;
}

static char *refuse(void *ctx, int code, const char *message, const char *remedy)
{
	(void)ctx;
	(void)remedy;
	must(code == EMSGSIZE && message[0]);
	return strdup("too long");
}

static void remove_folder(void)
{
	char lock[sizeof(folder) + 16];

	server_close(server);
	snprintf(lock, sizeof(lock), "%s/s.lock", folder);
	unlink(lock);
	rmdir(folder);
}

static void start(void)
{
	char path[sizeof(folder) + 8];
	struct server_config config = {
		.path = path, .group = "", .answer = answer, .refuse = refuse};
	struct pl_error err;

	must(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	must(!server_open(&server, &config, &err));
	atexit(remove_folder);
	for (unsigned i = 0; i < CLIENTS; i++) {
		peers[i].fd = -1;
		peers[i].sent.at = malloc(BYTES_MAX + SERVER_LINE_MAX);
		must(peers[i].sent.at != NULL);
	}
}

/* ---- what clients do ---- */

static void connect_peer(struct peer *p)
{
	int fds[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	must(!server_adopt(server, fds[1]));
	p->fd = fds[0];
	p->half = false;
	p->sent.len = p->got.len = 0;
}

static void peer_send(struct peer *p, const char *bytes, size_t len)
{
	ssize_t n;

	if (p->half || p->sent.len + len > BYTES_MAX)
		return;
	n = send(p->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		add(&p->sent, bytes, (size_t)n);
	else if (n < 0 && errno != EAGAIN)
		p->half = true;
}

static void peer_send_run(struct peer *p, size_t len)
{
	static char run[SERVER_LINE_MAX];

	memset(run, 'x', sizeof(run));
	peer_send(p, run, len < sizeof(run) ? len : sizeof(run));
}

/* Returns whether there was anything, or the end. */
static bool peer_read(struct peer *p, size_t max)
{
	char bytes[4096];
	ssize_t n = recv(p->fd, bytes, max < sizeof(bytes) ? max : sizeof(bytes), MSG_DONTWAIT);

	if (n <= 0)
		return false;
	p->got.at = realloc(p->got.at, p->got.len + (size_t)n);
	must(p->got.at != NULL);
	memcpy(p->got.at + p->got.len, bytes, (size_t)n);
	p->got.len += (size_t)n;
	return true;
}

/* ---- what they must have got ---- */

/* Takes `line` off the front of what is left of the answers. */
static void expect(const struct peer *p, size_t *at, char *line)
{
	size_t len = strlen(line);

	must(p->got.len - *at >= len + 1 && memcmp(p->got.at + *at, line, len) == 0 &&
	     p->got.at[*at + len] == '\n');
	*at += len + 1;
	free(line);
}

static void check(const struct peer *p)
{
	const char *line = p->sent.at, *end = line + p->sent.len;
	size_t at = 0;

	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((newline ? newline : end) - line);

		if (len >= SERVER_LINE_MAX) {
			expect(p, &at, strdup("too long"));
			break;
		}
		if (len > 0)
			expect(p, &at, answer(NULL, line, len));
		line += len + 1;
	}
	must(at == p->got.len);
}

/* The client sends no more and reads all. */
static void drain(struct peer *p)
{
	unsigned idle = 0;

	shutdown(p->fd, SHUT_WR);
	while (idle < 3) {
		server_run(server);
		idle = peer_read(p, SIZE_MAX) ? 0 : idle + 1;
	}
	check(p);
	close(p->fd);
	p->fd = -1;
}

static void command(struct fuzz_input *in)
{
	uint8_t what = fuzz_u8(in);
	struct peer *p = &peers[what >> 6];
	size_t n;

	if (p->fd < 0)
		connect_peer(p);
	switch (what % 8) {
	case 0:
	case 1: /* bytes of the input */
		n = fuzz_u8(in);
		if (n > (size_t)(in->end - in->at))
			n = (size_t)(in->end - in->at);
		peer_send(p, (const char *)in->at, n);
		in->at += n;
		break;
	case 2:
		peer_send(p, "\n", 1);
		break;
	case 3: /* many */
		peer_send_run(p, fuzz_u16(in) + (what & 8 ? 1u : 0u));
		break;
	case 4:
		peer_read(p, fuzz_u16(in));
		break;
	case 5:
		server_run(server);
		break;
	case 6:
		shutdown(p->fd, SHUT_WR);
		p->half = true;
		break;
	default:
		if (what & 8) {
			drain(p);
		} else { /* goes away */
			close(p->fd);
			p->fd = -1;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};

	if (!server)
		start();
	while (in.at < in.end)
		command(&in);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (peers[i].fd >= 0)
			drain(&peers[i]);
	while (server_clients(server))
		server_run(server);
	return 0;
}
