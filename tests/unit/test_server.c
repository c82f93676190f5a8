/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: hostile and slow clients, and who may connect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>

#include "../../router/control/request.h"
#include "../../router/control/server.h"
#include "control_world.h"

static struct control_world *world;

static char *answer_line(void *ctx, const char *line, size_t len)
{
	return request_answer(ctx, line, len);
}

static char *refusal_line(void *ctx, int code, const char *message, const char *remedy)
{
	(void)ctx;
	return request_refusal(code, message, remedy);
}

static char socket_path[64];

static struct server_config server_config(void)
{
	return (struct server_config){
		.path = socket_path,
		.group = "",
		.answer = answer_line,
		.refuse = refusal_line,
		.ctx = &world->router,
	};
}

static struct server *open_server(void)
{
	struct server_config config = server_config();
	struct server *server;
	struct pl_error err;

	if (server_open(&server, &config, &err))
		fail_msg("%s", err.what);
	return server;
}

/* A client whose socket does not block. */
static int connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, socket_path);
	assert_int_equal(0, connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static void run_server(struct server *server, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++)
		server_run(server);
}

/* Reads lines until there are no more, and runs the server in between. Returns how many; the last
 * one in `last`. */
static unsigned read_lines(struct server *server, int fd, char *last, size_t size)
{
	static char buf[1 << 20];
	unsigned lines = 0, idle = 0;
	size_t len = 0;

	while (idle < 5) {
		ssize_t n;
		char *newline;

		run_server(server, 3);
		n = recv(fd, buf + len, sizeof(buf) - len, 0);
		if (n <= 0) {
			idle++;
			continue;
		}
		idle = 0;
		len += (size_t)n;
		while ((newline = memchr(buf, '\n', len))) {
			size_t taken = (size_t)(newline - buf) + 1;

			snprintf(last, size, "%.*s", (int)taken - 1, buf);
			memmove(buf, buf + taken, len - taken);
			len -= taken;
			lines++;
		}
	}
	return lines;
}

static bool closed_by_server(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static void test_line_in_pieces(void **state)
{
	static const char line[] = "{\"id\":5,\"command\":\"show version\"}\n";
	struct server *server = open_server();
	char last[65536] = "";
	int fd = connect_client();

	(void)state;
	run_server(server, 2);
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		assert_int_equal(1, send(fd, line + i, 1, 0));
		run_server(server, 1);
	}
	assert_int_equal(1, read_lines(server, fd, last, sizeof(last)));
	assert_non_null(strstr(last, "\"id\":5"));
	/* Two in one piece, and empty lines between. */
	assert_true(send(fd, "\n{\"id\":6}\n\n\r\n{\"id\":8}\n", 23, 0) > 0);
	assert_int_equal(3, read_lines(server, fd, last, sizeof(last)));
	assert_non_null(strstr(last, "\"id\":8"));
	close(fd);
	run_server(server, 3);
	assert_int_equal(0, server_clients(server));
	server_close(server);
}

static void test_too_long_line(void **state)
{
	struct server *server = open_server();
	char last[65536] = "", block[4096];
	int fd = connect_client();
	size_t sent = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	for (unsigned i = 0; i < 100 && sent < 2 * SERVER_LINE_MAX; i++) {
		ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		run_server(server, 2);
	}
	assert_int_equal(1, read_lines(server, fd, last, sizeof(last)));
	assert_non_null(strstr(last, "\"EMSGSIZE\""));
	assert_int_equal(0, server_clients(server));
	close(fd);
	server_close(server);
}

/* The last line of a client that sends no more is a request, newline or not. */
static void test_half_closed(void **state)
{
	struct server *server = open_server();
	char last[65536] = "";
	int fd = connect_client();

	(void)state;
	assert_true(send(fd, "{\"id\":1}\n{\"id\":2}", 17, 0) > 0);
	shutdown(fd, SHUT_WR);
	assert_int_equal(2, read_lines(server, fd, last, sizeof(last)));
	assert_non_null(strstr(last, "\"id\":2"));
	assert_true(closed_by_server(fd));
	assert_int_equal(0, server_clients(server));
	close(fd);
	server_close(server);
}

/* A client that does not read holds up nobody, is answered no further, and gets all in the end. */
static void test_slow_reader(void **state)
{
	static const char line[] = "{\"id\":1,\"command\":\"show counters\"}\n";
	struct server *server = open_server();
	int slow = connect_client(), other;
	char last[65536] = "";
	unsigned asked = 0, answered;
	int small = 4096;

	(void)state;
	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	/* Asks until the socket is full: the server has stopped reading. */
	for (unsigned idle = 0; idle < 50;) {
		ssize_t n = send(slow, line, sizeof(line) - 1, MSG_NOSIGNAL);

		if (n < 0)
			idle++;
		else
			asked++;
		if (n >= 0)
			assert_int_equal(sizeof(line) - 1, n);
		run_server(server, 1);
		assert_true(asked < 1000000);
	}
	other = connect_client();
	assert_true(send(other, line, sizeof(line) - 1, 0) > 0);
	assert_int_equal(1, read_lines(server, other, last, sizeof(last)));
	answered = read_lines(server, slow, last, sizeof(last));
	assert_int_equal(asked, answered);
	close(slow);
	close(other);
	server_close(server);
}

static void test_disconnect_mid_answer(void **state)
{
	static const char line[] = "{\"id\":1,\"command\":\"show counters\"}\n";
	struct server *server = open_server();
	char byte;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		int fd = connect_client();

		for (unsigned j = 0; j < 100; j++)
			if (send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0)
				break;
		run_server(server, 5);
		if (i % 2)
			assert_int_equal(1, recv(fd, &byte, 1, 0));
		close(fd);
		run_server(server, 5);
	}
	run_server(server, 5);
	assert_int_equal(0, server_clients(server));
	server_close(server);
}

static void test_too_many_clients(void **state)
{
	struct server *server = open_server();
	int fds[SERVER_CLIENTS_MAX + 1];
	char last[65536] = "";

	(void)state;
	for (unsigned i = 0; i <= SERVER_CLIENTS_MAX; i++) {
		fds[i] = connect_client();
		run_server(server, 2);
	}
	assert_int_equal(SERVER_CLIENTS_MAX, server_clients(server));
	assert_int_equal(1, read_lines(server, fds[SERVER_CLIENTS_MAX], last, sizeof(last)));
	assert_non_null(strstr(last, "too many clients"));
	assert_true(closed_by_server(fds[SERVER_CLIENTS_MAX]));
	/* One goes, the next is welcome. */
	close(fds[0]);
	run_server(server, 2);
	close(fds[SERVER_CLIENTS_MAX]);
	fds[0] = connect_client();
	assert_true(send(fds[0], "{\"id\":3}\n", 9, 0) > 0);
	assert_int_equal(1, read_lines(server, fds[0], last, sizeof(last)));
	assert_non_null(strstr(last, "\"id\":3"));
	for (unsigned i = 0; i < SERVER_CLIENTS_MAX; i++)
		close(fds[i]);
	server_close(server);
}

/* Who cannot be let in is told why, and the server does not go on being woken for it. */
static void test_no_descriptors(void **state)
{
	struct server *server = open_server();
	struct rlimit before, none;
	char last[65536] = "";
	int fds[2], first_free;

	(void)state;
	fds[0] = connect_client();
	fds[1] = connect_client();
	first_free = dup(0);
	close(first_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){(rlim_t)first_free, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	run_server(server, 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(1, read_lines(server, fds[i], last, sizeof(last)));
		assert_non_null(strstr(last, "no descriptor for another client"));
		assert_true(closed_by_server(fds[i]));
		close(fds[i]);
	}
	/* Later ones are welcome. */
	fds[0] = connect_client();
	assert_true(send(fds[0], "{\"id\":4}\n", 9, 0) > 0);
	assert_int_equal(1, read_lines(server, fds[0], last, sizeof(last)));
	assert_non_null(strstr(last, "\"id\":4"));
	close(fds[0]);
	server_close(server);
}

static void test_garbage(void **state)
{
	struct server *server = open_server();
	char last[65536] = "";
	unsigned seed = 12345;
	int fd = connect_client();

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t bytes[64];

		for (unsigned j = 0; j < sizeof(bytes); j++)
			bytes[j] = (uint8_t)(rand_r(&seed) >> 7);
		if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			break;
		run_server(server, 1);
		recv(fd, last, sizeof(last), 0);
	}
	close(fd);
	run_server(server, 5);
	fd = connect_client();
	assert_true(send(fd, "{\"id\":9}\n", 9, 0) > 0);
	assert_int_equal(1, read_lines(server, fd, last, sizeof(last)));
	assert_non_null(strstr(last, "\"id\":9"));
	close(fd);
	server_close(server);
}

static void test_socket_file(void **state)
{
	struct server_config config = server_config();
	struct server *first = open_server(), *second;
	struct pl_error err;
	struct stat st;
	char pid[64];
	int fd;

	(void)state;
	assert_int_equal(0, stat(socket_path, &st));
	assert_int_equal(0600, st.st_mode & 0777);
	assert_int_equal(-EBUSY, server_open(&second, &config, &err));
	snprintf(pid, sizeof(pid), "kill %d", getpid());
	assert_non_null(strstr(err.what, "another peerlaned"));
	assert_non_null(strstr(err.remedy, pid));
	assert_int_equal(0, stat(socket_path, &st));
	server_close(first);
	assert_int_equal(-1, stat(socket_path, &st));

	/* A socket that a dead daemon left is replaced. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, socket_path);
	assert_int_equal(0, bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	server_close(open_server());

	/* A file that is no socket is not touched. */
	fd = open(socket_path, O_CREAT | O_WRONLY | O_EXCL, 0600);
	close(fd);
	assert_int_equal(-EEXIST, server_open(&second, &config, &err));
	assert_int_equal(0, stat(socket_path, &st));
	unlink(socket_path);

	config.group = "no-such-group";
	assert_int_equal(-ENOENT, server_open(&second, &config, &err));
	assert_string_equal("ControlGroup=no-such-group: no such group", err.what);
	assert_int_equal(-1, stat(socket_path, &st));

	config.group = "daemon"; /* Debian's base-passwd has it */
	assert_int_equal(0, server_open(&second, &config, &err));
	assert_int_equal(0, stat(socket_path, &st));
	assert_int_equal(0660, st.st_mode & 0777);
	assert_int_equal(0, st.st_uid);
	assert_int_equal(getgrnam("daemon")->gr_gid, st.st_gid);
	server_close(second);

	config.path = "/tmp/no/such/folder/s";
	config.group = "";
	assert_int_not_equal(0, server_open(&second, &config, &err));
	assert_non_null(strstr(err.what, "/tmp/no/such"));
}

static int make_world(void **state)
{
	(void)state;
	snprintf(socket_path, sizeof(socket_path), "/tmp/test_server_%d/sock", getpid());
	world = control_world_new();
	if (!world)
		exit(77); /* meson: skipped */
	return 0;
}

static int free_world(void **state)
{
	char path[80];

	(void)state;
	control_world_free(world);
	snprintf(path, sizeof(path), "%s.lock", socket_path);
	unlink(path);
	*strrchr(socket_path, '/') = '\0';
	return rmdir(socket_path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_in_pieces),
		cmocka_unit_test(test_too_long_line),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_disconnect_mid_answer),
		cmocka_unit_test(test_too_many_clients),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_socket_file),
	};

	return cmocka_run_group_tests(tests, make_world, free_world);
}
