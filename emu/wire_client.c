/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire_ring.h"

/* The NIC's side answers when its thread looks; a machine may be busy. */
#define ANSWER_MS 5000

struct wire_client {
	int socket_fd;
	struct wire_memory *memory; /* NULL: not mapped */
	struct wire_hello hello;
	struct wire_producer to_nic;
	struct wire_consumer from_nic;
	bool gone; /* the NIC's side */
};

/* ---- frames ---- */

uint8_t *wire_client_reserve(struct wire_client *client, uint32_t len)
{
	return wire_producer_reserve(&client->to_nic, len);
}

void wire_client_publish(struct wire_client *client)
{
	if (wire_producer_publish(&client->to_nic))
		wire_ring_bell(client->socket_fd);
}

unsigned wire_client_send(struct wire_client *client, const struct emu_frame *frames, unsigned n)
{
	unsigned sent = 0;

	for (; sent < n; sent++) {
		uint8_t *to = wire_client_reserve(client, frames[sent].len);

		if (!to)
			break;
		memcpy(to, frames[sent].data, frames[sent].len);
	}
	wire_client_publish(client);
	return sent;
}

unsigned wire_client_receive(struct wire_client *client, struct emu_frame *frames, unsigned max)
{
	wire_consumer_release(&client->from_nic);
	return wire_consumer_take(&client->from_nic, frames, max);
}

uint64_t wire_client_missed(const struct wire_client *client)
{
	return atomic_load_explicit(&client->memory->from_nic.missed, memory_order_relaxed);
}

/* ---- sleep and link ---- */

bool wire_client_sleep(struct wire_client *client)
{
	return !client->gone && wire_consumer_sleep(&client->from_nic);
}

void wire_client_woken(struct wire_client *client)
{
	if (!client->gone && !wire_hear_bell(client->socket_fd))
		client->gone = true;
}

int wire_client_fd(const struct wire_client *client)
{
	return client->socket_fd;
}

bool wire_client_link(struct wire_client *client)
{
	wire_client_woken(client);
	return !client->gone && !wire_is_broken(&client->to_nic.broken) &&
	       !wire_is_broken(&client->from_nic.broken);
}

void wire_client_mac(const struct wire_client *client, uint8_t mac[6])
{
	memcpy(mac, client->hello.mac, 6);
}

/* ---- join and leave ---- */

static int connect_to(struct wire_client *client, const char *path, struct pl_error *err)
{
	const struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return pl_error_set(err, -ENAMETOOLONG, NULL,
				    "%.80s...: longer than the kernel takes for a socket", path);
	strcpy(address.sun_path, path);
	client->socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client->socket_fd < 0)
		return pl_error_set(err, -errno, NULL, "%s: socket: %s", path, strerror(errno));
	/* For connecting, and for the answer. */
	if (setsockopt(client->socket_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(client->socket_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(client->socket_fd, (struct sockaddr *)&address, sizeof(address)))
		return pl_error_set(err, -errno,
				    errno == EPROTOTYPE ? "it is the socket of something else"
				    : errno == EACCES
					    ? "run this as the user that the router runs as"
					    : "is a router running, with Wire= of that path?",
				    "%s: cannot join the wire: %s", path, strerror(errno));
	return 0;
}

/* Receives a descriptor of the memory, or -errno. */
static int receive_hello(struct wire_client *client)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = &client->hello, .iov_len = sizeof(client->hello)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int))}; /* with padding there is room for two */
	const struct cmsghdr *cmsg;
	ssize_t n;
	int fd = -1;

	do
		n = recvmsg(client->socket_fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EBUSY : errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (n == 0)
		return -EBUSY;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (fd >= 0 && n == sizeof(client->hello) && client->hello.bytes == WIRE_BYTES &&
	    !memcmp(client->hello.magic, WIRE_MAGIC, sizeof(client->hello.magic)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -EPROTO;
}

/* Memory that nobody can take away under our feet. */
static int map_memory(struct wire_client *client, int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int sealed = fcntl(fd, F_GET_SEALS); /* -1: of a kind that cannot be */
	struct stat st;
	void *memory;

	if (fstat(fd, &st) || st.st_size != (off_t)WIRE_BYTES || sealed < 0 ||
	    (sealed & seals) != seals)
		return -EPROTO;
	memory = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	client->memory = memory;
	wire_producer_init(&client->to_nic, &client->memory->to_nic);
	wire_consumer_init(&client->from_nic, &client->memory->from_nic);
	return 0;
}

static int join(struct wire_client *client, const char *path, struct pl_error *err)
{
	int rc = connect_to(client, path, err), fd;

	if (rc)
		return rc;
	fd = receive_hello(client);
	rc = fd < 0 ? fd : map_memory(client, fd);
	if (fd >= 0)
		close(fd);
	if (rc == -EBUSY)
		return pl_error_set(err, rc, "end the other program, or use another wire",
				    "%s: the wire has another program at its end", path);
	if (rc == -EPROTO)
		return pl_error_set(err, rc, "use programs of the same version",
				    "%s: what listens there is no wire as this program knows it",
				    path);
	return rc ? pl_error_set(err, rc, NULL, "%s: cannot join the wire: %s", path, strerror(-rc))
		  : 0;
}

int wire_client_join(const char *path, struct wire_client **client, struct pl_error *err)
{
	struct wire_client *new = calloc(1, sizeof(*new));
	int rc;

	*client = NULL;
	if (!new)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", path);
	new->socket_fd = -1;
	rc = join(new, path, err);
	if (rc)
		wire_client_leave(new);
	else
		*client = new;
	return rc;
}

void wire_client_leave(struct wire_client *client)
{
	if (!client)
		return;
	if (client->socket_fd >= 0)
		close(client->socket_fd);
	if (client->memory)
		munmap(client->memory, WIRE_BYTES);
	free(client);
}
