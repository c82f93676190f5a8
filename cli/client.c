/* SPDX-License-Identifier: BSD-2-Clause */
#include "client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "answer.h"

/* How long the daemon may take: it answers from memory, but may be at a resynchronisation. */
#define ANSWER_TIMEOUT_S 10
/* An answer longer than this is none of ours. */
#define ANSWER_MAX (256u << 20)

int client_open(struct client *client, const char *path, struct pl_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	const char *remedy = "is peerlaned running? systemctl status peerlaned; another socket: -s";
	int code;

	*client = (struct client){.fd = -1};
	if (strlen(path) >= sizeof(address.sun_path))
		return pl_error_set(err, -ENAMETOOLONG, NULL, "%.60s...: too long for a socket",
				    path);
	strcpy(address.sun_path, path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd >= 0 &&
	    !setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) &&
	    !setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) &&
	    !connect(client->fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	code = errno;
	if (code == EACCES || code == EPERM)
		remedy = "run as root, or as a member of the group that ControlGroup= names";
	client_close(client);
	return pl_error_set(err, -code, remedy, "%s: cannot reach peerlaned: %s", path,
			    strerror(code));
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->in);
	*client = (struct client){.fd = -1};
}

/* ---- lines ---- */

static int lost(int code, struct pl_error *err)
{
	if (code == EAGAIN)
		return pl_error_set(err, -ETIMEDOUT, "see its log: journalctl -u peerlaned",
				    "peerlaned did not answer in %d s", ANSWER_TIMEOUT_S);
	return pl_error_set(err, -code, "see its log: journalctl -u peerlaned",
			    "lost the connection to peerlaned: %s", strerror(code));
}

static int send_line(struct client *client, const char *line, struct pl_error *err)
{
	size_t len = strlen(line), sent = 0;

	while (sent < len) {
		ssize_t n = send(client->fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return lost(errno, err);
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Makes room for more of an answer. */
static int grow(struct client *client, struct pl_error *err)
{
	size_t room = client->room ? client->room * 2 : 65536;
	char *in;

	if (client->in_len < client->room)
		return 0;
	if (room > ANSWER_MAX)
		return pl_error_set(err, -EMSGSIZE, "is it peerlaned's socket?",
				    "an answer without end");
	in = realloc(client->in, room);
	if (!in)
		return pl_error_set(err, -ENOMEM, NULL, "out of memory");
	client->in = in;
	client->room = room;
	return 0;
}

/* Waits for a line. Returns its length, newline included, or -errno. It lies at client->in. */
static ssize_t receive_line(struct client *client, struct pl_error *err)
{
	size_t looked = 0;

	for (;;) {
		char *newline = memchr(client->in ? client->in + looked : "", '\n',
				       client->in_len - looked);
		ssize_t n;
		int rc;

		if (newline)
			return newline - client->in + 1;
		looked = client->in_len;
		rc = grow(client, err);
		if (rc)
			return rc;
		n = recv(client->fd, client->in + client->in_len, client->room - client->in_len, 0);
		if (n == 0)
			return lost(ECONNRESET, err);
		if (n < 0 && errno != EINTR)
			return lost(errno, err);
		client->in_len += n > 0 ? (size_t)n : 0;
	}
}

/* ---- requests ---- */

/* Takes an answer apart. Returns 0 with *data, -EREMOTEIO or -EPROTO. */
static int read_answer(struct client *client, json_t *answer, json_t **data, struct pl_error *err)
{
	json_t *error = json_object_get(answer, "error");

	if (json_is_true(json_object_get(answer, "ok"))) {
		*data = json_incref(json_object_get(answer, "data"));
		return 0;
	}
	if (!error)
		return pl_error_set(err, -EPROTO, "is it peerlaned's socket, of this version?",
				    "an answer that is none");
	snprintf(client->code, sizeof(client->code), "%s", text(error, "code"));
	return pl_error_set(err, -EREMOTEIO, text(error, "remedy"), "%s", text(error, "message"));
}

static int send_request(struct client *client, const char *command, json_t *args,
			struct pl_error *err)
{
	json_t *request = json_pack("{s:I, s:s, s:O*}", "id", (json_int_t)++client->id, "command",
				    command, "args", args);
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int rc;

	json_decref(request);
	if (!line)
		return pl_error_set(err, -EINVAL, NULL, "cannot be put into a request");
	rc = send_line(client, line, err);
	if (!rc)
		rc = send_line(client, "\n", err);
	free(line);
	return rc;
}

static int receive_answer(struct client *client, json_t **data, struct pl_error *err)
{
	ssize_t len = receive_line(client, err);
	json_t *answer;
	int rc;

	if (len < 0)
		return (int)len;
	answer = json_loadb(client->in, (size_t)len, 0, NULL);
	client->in_len -= (size_t)len;
	memmove(client->in, client->in + len, client->in_len);
	rc = read_answer(client, answer, data, err);
	json_decref(answer);
	return rc;
}

int client_ask(struct client *client, const char *command, json_t *args, json_t **data,
	       struct pl_error *err)
{
	int rc = send_request(client, command, args, err);

	return rc ? rc : receive_answer(client, data, err);
}

int client_ask_pages(struct client *client, const char *command, json_t *args, const char *list,
		     void (*page)(void *ctx, json_t *rows), void *ctx, struct pl_error *err)
{
	json_t *asked = args ? json_deep_copy(args) : json_object();
	int rc = send_request(client, command, asked, err);
	bool more = true;

	while (!rc && more) {
		json_t *data = NULL, *next;

		rc = receive_answer(client, &data, err);
		if (rc)
			break;
		next = json_object_get(data, "next");
		more = json_is_integer(next);
		if (more) {
			json_object_set(asked, "after", next);
			rc = send_request(client, command, asked, err);
		}
		page(ctx, json_object_get(data, list));
		json_decref(data);
	}
	json_decref(asked);
	return rc;
}
