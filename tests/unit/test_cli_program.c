/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's command itself, against a control socket that a real router answers. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../../router/control/request.h"
#include "../../router/control/server.h"
#include "control_world.h"

#define WORDS_MAX 16

/* Splits a command line at its spaces; two in a row make an empty word. */
static int split(char *text, char *argv[WORDS_MAX])
{
	int argc = 0;

	while (text && argc < WORDS_MAX - 1)
		argv[argc++] = strsep(&text, " ");
	argv[argc] = NULL;
	return argc;
}

static struct control_world *world;
static struct server *server;
static char socket_path[64];
static char out[8 << 20], errors[65536];

static char *answer_line(void *ctx, const char *line, size_t len)
{
	return request_answer(ctx, line, len);
}

static char *refusal_line(void *ctx, int code, const char *message, const char *remedy)
{
	(void)ctx;
	return request_refusal(code, message, remedy);
}

static void read_all(int fd, char *text, size_t size)
{
	ssize_t n;
	size_t len = 0;

	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

/* Runs the program and serves it meanwhile. Its output goes to files, so that it never waits for
 * us to read. Returns its exit status; output in `out` and `errors`. */
/* `to`: where standard output goes; NULL: to `out`. */
static int run_to(const char *to, const char *line)
{
	char path_out[] = "/tmp/test_cli_out_XXXXXX", path_err[] = "/tmp/test_cli_err_XXXXXX";
	int fd_out = to ? open(to, O_WRONLY | O_CLOEXEC) : mkstemp(path_out),
	    fd_err = mkstemp(path_err), status = -1;
	char text[512], *argv[WORDS_MAX];
	pid_t pid;

	snprintf(text, sizeof(text), "peerlane %s", line);
	split(text, argv);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fd_out, STDOUT_FILENO);
		dup2(fd_err, STDERR_FILENO);
		execv(PEERLANE, argv);
		_exit(127);
	}
	for (unsigned i = 0; i < 2000 && waitpid(pid, &status, WNOHANG) == 0; i++) {
		struct pollfd fd = {.fd = server_fd(server), .events = POLLIN};

		if (poll(&fd, 1, 10) > 0)
			server_run(server);
	}
	out[0] = '\0';
	if (to) {
		close(fd_out);
	} else {
		lseek(fd_out, 0, SEEK_SET);
		read_all(fd_out, out, sizeof(out));
		unlink(path_out);
	}
	lseek(fd_err, 0, SEEK_SET);
	read_all(fd_err, errors, sizeof(errors));
	unlink(path_err);
	if (!WIFEXITED(status)) {
		kill(pid, SIGKILL);
		fail_msg("peerlane %s did not end", line);
	}
	return WEXITSTATUS(status);
}

static int run(const char *line)
{
	return run_to(NULL, line);
}

static int run_here(const char *line)
{
	char text[400];

	snprintf(text, sizeof(text), "-s %s %s", socket_path, line);
	return run(text);
}

static void has(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("no \"%s\" in:\n%s", wanted, text);
}

static void test_program_for_people(void **state)
{
	(void)state;
	assert_int_equal(0, run_here("show ports"));
	has(out, "PORT  LINK  DEVICE");
	has(out, "pl1   up    memory:memory");
	has(out, "10.0.2.1/24");
	assert_int_equal(0, run_here("show routes"));
	has(out, "203.0.113.0/24");
	has(out, "blackhole");
	has(out, "TABLE");
	has(out, "local      local  connected");
	/* In the order of addresses, IPv4 first. */
	assert_true(strstr(out, "10.0.1.0/24") < strstr(out, "10.0.1.1/32"));
	assert_true(strstr(out, "10.0.2.0/24") < strstr(out, "203.0.113.0/24"));
	assert_true(strstr(out, "203.0.113.0/24") < strstr(out, "2001:db8:1::/64"));
	assert_int_equal(0, run_here("show routes ipv6"));
	has(out, "2001:db8:1::/64");
	assert_null(strstr(out, "203.0.113.0/24"));
	assert_int_equal(0, run_here("show neighbors"));
	has(out, "10.0.2.2");
	has(out, "02:00:00:00:02:02");
	assert_int_equal(0, run_here("show nexthops"));
	has(out, "forward");
	assert_int_equal(0, run_here("show counters"));
	has(out, "bad-checksum");
	assert_int_equal(0, run_here("show limits"));
	has(out, "arp-nd             5000      256");
	has(out, "ARP and neighbour discovery of known neighbours");
	assert_null(strstr(out, "NOW")); /* nothing was limited anywhere */
	assert_int_equal(0, run_here("show planes"));
	has(out, "plain C");
	assert_int_equal(0, run_here("show sync"));
	has(out, "last sync ago");
	has(out, "drift");
	has(out, "NOT FOLLOWED");
	has(out, "rule 100: from 10.0.1.0/24 lookup 7");
	has(out, "routes of table 7");
	assert_int_equal(0, run_here("audit"));
	world->router.confinement.capabilities = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW;
	assert_int_equal(0, run_here("show version"));
	has(out, "version");
	has(out, "net_admin, net_raw");
	assert_int_equal(0, run_here("show route 203.0.113.5"));
	has(out, "A packet to 203.0.113.5 is forwarded out of pl1 to 02:00:00:00:02:02; it matches "
		 "203.0.113.0/24 (unicast via 10.0.2.2 on pl1).");
	assert_string_equal("", errors);
}

static void test_program_in_json(void **state)
{
	static const char *const lists[] = {"ports",	"routes", "neighbors", "nexthops",
					    "counters", "planes", "limits"};
	json_t *data;

	(void)state;
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "-j show %s", lists[i]);
		assert_int_equal(0, run_here(line));
		data = json_loads(out, 0, NULL);
		assert_true(json_array_size(json_object_get(data, lists[i])) > 0);
		json_decref(data);
	}
	assert_int_equal(0, run_here("-j watch -n 1 -i 0.1"));
	data = json_loads(out, 0, NULL);
	assert_int_equal(2, json_array_size(json_object_get(data, "ports")));
	json_decref(data);
}

/* More routes than a page holds are all there, once. */
static void test_program_puts_pages_together(void **state)
{
	json_t *data;

	(void)state;
	control_world_command(world,
			      "seq 0 2499 | while read i; do echo route add 172.16.$((i / 250))."
			      "$((i % 250))/32 via 10.0.2.2; done | ip -batch -");
	assert_int_equal(0, run_here("-j show routes 172.16.0.0/12"));
	data = json_loads(out, 0, NULL);
	assert_int_equal(2500, json_array_size(json_object_get(data, "routes")));
	json_decref(data);
	control_world_command(world, "ip route flush root 172.16.0.0/12");
}

static void test_exit_statuses(void **state)
{
	json_t *answer;

	(void)state;
	/* 1: the daemon refuses */
	assert_int_equal(1, run_here("show route not-an-address"));
	assert_string_equal("", out);
	assert_string_equal("peerlane: \"not-an-address\": not an address\n"
			    "     such as 192.0.2.1 or 2001:db8::1\n",
			    errors);
	assert_int_equal(1, run_here("-j show route not-an-address"));
	answer = json_loads(out, 0, NULL);
	assert_string_equal("EINVAL", json_string_value(json_object_get(
					      json_object_get(answer, "error"), "code")));
	json_decref(answer);
	/* 2: wrong usage */
	assert_int_equal(2, run_here("show prots"));
	assert_string_equal("peerlane: \"show prots\": unknown command\n"
			    "     did you mean \"peerlane show ports\"?\n",
			    errors);
	assert_int_equal(2, run_here("-j show prots"));
	answer = json_loads(out, 0, NULL);
	assert_non_null(json_object_get(answer, "error"));
	json_decref(answer);
	/* 3: no daemon */
	assert_int_equal(3, run("-s /tmp/no-such-socket show ports"));
	assert_string_equal(
		"peerlane: /tmp/no-such-socket: cannot reach peerlaned: No such file or directory\n"
		"     is peerlaned running? systemctl status peerlaned; another socket: -s\n",
		errors);
	assert_int_equal(3, run("-j -s /tmp/no-such-socket show ports"));
	answer = json_loads(out, 0, NULL);
	assert_string_equal("ENOENT", json_string_value(json_object_get(
					      json_object_get(answer, "error"), "code")));
	json_decref(answer);
}

/* What could be a port is told with a daemon, which says what it uses, and without. */
static void test_devices(void **state)
{
	json_t *answer;

	(void)state;
	control_world_command(world, "ip link add memory type veth peer name other0");
	assert_int_equal(0, run_here("devices"));
	has(out, "afxdp:memory");
	has(out, "in use: pl0");
	has(out, "afxdp:other0");
	has(out, "Not listed: 2 "); /* the TAPs of the ports */
	assert_null(strstr(out, "not known"));
	assert_string_equal("", errors);
	assert_int_equal(0, run("-j -s /tmp/no-such-socket devices"));
	answer = json_loads(out, 0, NULL);
	assert_true(json_array_size(json_object_get(answer, "devices")) >= 2);
	has(json_string_value(json_object_get(answer, "daemon")),
	    "/tmp/no-such-socket: cannot reach peerlaned: No such file or directory");
	json_decref(answer);
	assert_int_equal(0, run("-s /tmp/no-such-socket devices"));
	has(out, "What peerlaned uses is not known: /tmp/no-such-socket: cannot reach peerlaned");
	assert_null(strstr(out, "in use"));
	control_world_command(world, "ip link del memory");
}

/* A daemon of one client, in a process of its own: reads a line before each answer. */
static pid_t answer_with(const char *path, const char *const *answers)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[1000];
	pid_t pid;
	FILE *f;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(0, bind(listener, (struct sockaddr *)&addr, sizeof(addr)));
	assert_int_equal(0, listen(listener, 1));
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		close(listener);
		return pid;
	}
	f = fdopen(accept(listener, NULL, NULL), "r+");
	for (; f && *answers && fgets(line, sizeof(line), f); answers++) {
		fseek(f, 0, SEEK_CUR); /* from reading to writing */
		fprintf(f, "%s\n", *answers);
		fflush(f);
	}
	_exit(0);
}

/* What has come of it is printed, and why no more: JSON all the same. */
static void test_listing_breaks_off(void **state)
{
	static const char *const answers[] = {
		"{\"id\":1,\"ok\":true,\"data\":{\"routes\":[{\"prefix\":\"192.0.2.0/24\"}],"
		"\"next\":7}}",
		"{\"id\":2,\"ok\":false,\"error\":{\"code\":\"EBUSY\",\"message\":\"no\","
		"\"remedy\":\"\"}}",
		NULL};
	char path[] = "/tmp/test_cli.XXXXXX", socket[64], text[100];
	json_t *answer;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(socket, sizeof(socket), "%s/socket", path);
	pid = answer_with(socket, answers);
	snprintf(text, sizeof(text), "-j -s %s show routes", socket);
	assert_int_equal(1, run(text)); /* the daemon refuses */
	answer = json_loads(out, 0, NULL);
	assert_int_equal(1, json_array_size(json_object_get(answer, "routes")));
	assert_string_equal("EBUSY", json_string_value(json_object_get(
					     json_object_get(answer, "error"), "code")));
	json_decref(answer);
	assert_int_equal(pid, waitpid(pid, NULL, 0));
	unlink(socket);
	rmdir(path);
}

/* Words that are cut short in the midst of a character are JSON all the same. */
static void test_words_are_cut_short(void **state)
{
	char refusal[600] = "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"EBUSY\",\"message\":\"";
	const char *const answers[] = {
		"{\"id\":1,\"ok\":true,\"data\":{\"routes\":[{\"prefix\":\"192.0.2.0/24\"}],"
		"\"next\":7}}",
		refusal, NULL};
	const char *const *const first_or_second[] = {answers + 1, answers};
	char path[] = "/tmp/test_cli.XXXXXX", socket[64], text[100];

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		strcat(refusal, "\xc3\xa9"); /* e with an accent */
	strcat(refusal, "\",\"remedy\":\"\"}}");
	assert_non_null(mkdtemp(path));
	snprintf(socket, sizeof(socket), "%s/socket", path);
	snprintf(text, sizeof(text), "-j -s %s show routes", socket);
	for (unsigned i = 0; i < 2; i++) {
		pid_t pid = answer_with(socket, first_or_second[i]);
		json_t *answer;

		assert_int_equal(1, run(text));
		answer = json_loads(out, 0, NULL);
		has(json_string_value(json_object_get(json_object_get(answer, "error"), "message")),
		    "???");
		json_decref(answer);
		assert_int_equal(pid, waitpid(pid, NULL, 0));
		unlink(socket);
	}
	rmdir(path);
}

static void test_full_disk_is_an_error(void **state)
{
	static const char *const lines[] = {"show ports", "-j show ports", "watch -n 1 -i 0.1",
					    "devices", "help"};

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char line[400];

		snprintf(line, sizeof(line), "-s %s %s", socket_path, lines[i]);
		assert_int_equal(4, run_to("/dev/full", line));
		has(errors, "peerlane: cannot write to standard output: No space left on device");
	}
}

static void test_watch_prints_lines(void **state)
{
	unsigned lines = 0;

	(void)state;
	assert_int_equal(0, run_here("watch -n 2 -i 0.1"));
	for (const char *c = out; *c; c++)
		lines += *c == '\n';
	assert_int_equal(6, lines); /* twice a header and two ports */
	assert_null(strchr(out, '\033'));
}

static int make_world(void **state)
{
	struct server_config config = {
		.path = socket_path,
		.group = "",
		.answer = answer_line,
		.refuse = refusal_line,
	};
	struct pl_error err;

	(void)state;
	snprintf(socket_path, sizeof(socket_path), "/tmp/test_cli_%d/sock", getpid());
	world = control_world_new();
	if (!world)
		exit(77); /* meson: skipped */
	config.ctx = &world->router;
	return server_open(&server, &config, &err);
}

static int free_world(void **state)
{
	char path[80];

	(void)state;
	server_close(server);
	control_world_free(world);
	snprintf(path, sizeof(path), "%s.lock", socket_path);
	unlink(path);
	*strrchr(socket_path, '/') = '\0';
	return rmdir(socket_path);
}

int main(void)
{
	static const struct CMUnitTest served[] = {
		cmocka_unit_test(test_program_for_people),
		cmocka_unit_test(test_program_in_json),
		cmocka_unit_test(test_program_puts_pages_together),
		cmocka_unit_test(test_exit_statuses),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_listing_breaks_off),
		cmocka_unit_test(test_words_are_cut_short),
		cmocka_unit_test(test_full_disk_is_an_error),
		cmocka_unit_test(test_watch_prints_lines),
	};

	return cmocka_run_group_tests(served, make_world, free_world);
}
