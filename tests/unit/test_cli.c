/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's command: its grammar, its tables, and the program itself against a control socket
 * that a real router answers. */
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

#include "../../cli/grammar.h"
#include "../../cli/render.h"
#include "../../cli/table.h"
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

/* ---- grammar ---- */

static int parse(struct invocation *inv, const char *line, struct pl_error *err)
{
	static char text[256];
	char *argv[WORDS_MAX];
	int argc;

	snprintf(text, sizeof(text), "peerlane%s%s", line[0] ? " " : "", line);
	argc = split(text, argv);
	return grammar_parse(inv, argc, argv, err);
}

static void test_commands_parse(void **state)
{
	static const struct {
		const char *line;
		enum action action;
		const char *arg0, *arg1;
		bool json;
		const char *socket;
	} cases[] = {
		{"show ports", ACTION_PORTS, NULL, NULL, false, "/run/peerlane/control.sock"},
		{"-j show ports", ACTION_PORTS, NULL, NULL, true, "/run/peerlane/control.sock"},
		{"show ports --json -s /x", ACTION_PORTS, NULL, NULL, true, "/x"},
		{"--socket=/x show routes", ACTION_ROUTES, NULL, NULL, false, "/x"},
		{"show routes ipv6 -js/x", ACTION_ROUTES, "ipv6", NULL, true, "/x"},
		{"show routes 10.0.0.0/8", ACTION_ROUTES, NULL, "10.0.0.0/8", false,
		 "/run/peerlane/control.sock"},
		{"show routes ipv4 10.0.0.0/8", ACTION_ROUTES, "ipv4", "10.0.0.0/8", false,
		 "/run/peerlane/control.sock"},
		{"show route 192.0.2.1", ACTION_ROUTE, "192.0.2.1", NULL, false,
		 "/run/peerlane/control.sock"},
		{"cleanup -j", ACTION_CLEANUP, NULL, NULL, true, "/run/peerlane/control.sock"},
		{"devices", ACTION_DEVICES, NULL, NULL, false, "/run/peerlane/control.sock"},
		{"help", ACTION_HELP, NULL, NULL, false, "/run/peerlane/control.sock"},
		{"show nothing -h", ACTION_HELP, NULL, NULL, false, "/run/peerlane/control.sock"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct invocation inv;
		struct pl_error err;

		if (parse(&inv, cases[i].line, &err))
			fail_msg("%s: %s", cases[i].line, err.what);
		assert_int_equal(cases[i].action, inv.command->action);
		assert_int_equal(cases[i].json, inv.json);
		assert_string_equal(cases[i].socket, inv.socket);
		assert_string_equal(cases[i].arg0 ? cases[i].arg0 : "",
				    inv.args[0] ? inv.args[0] : "");
		assert_string_equal(cases[i].arg1 ? cases[i].arg1 : "",
				    inv.args[1] ? inv.args[1] : "");
	}
}

static void test_watch_parses(void **state)
{
	struct invocation inv;
	struct pl_error err;

	(void)state;
	assert_int_equal(0, parse(&inv, "watch -i 0.5 -n3", &err));
	assert_int_equal(ACTION_WATCH, inv.command->action);
	assert_true(inv.interval_s > 0.49 && inv.interval_s < 0.51);
	assert_int_equal(3, inv.count);
	assert_int_equal(0, parse(&inv, "watch", &err));
	assert_int_equal(0, inv.count);
}

static void test_wrong_usage(void **state)
{
	static const struct {
		const char *line, *what, *remedy;
	} cases[] = {
		{"", "no command", "see peerlane help"},
		{"show", "\"show\": unknown command",
		 "show what? ports, routes, neighbors, ... see peerlane help"},
		{"show port", "\"show port\": unknown command",
		 "did you mean \"peerlane show ports\"?"},
		{"show neighbours", "\"show neighbours\": unknown command",
		 "did you mean \"peerlane show neighbors\"?"},
		{"reload", "\"reload\": unknown command", "see peerlane help"},
		{"show route", "show route: needs ADDRESS", "see peerlane help"},
		{"show ports pl0", "show ports: does not know what to do with \"pl0\"",
		 "see peerlane help"},
		{"show routes ipv4 1.0.0.0/8 x", "show routes: does not know what to do with \"x\"",
		 "see peerlane help"},
		{"--jsno show ports", "--jsno: unknown option", "did you mean --json?"},
		{"-z show ports", "-z: unknown option", "see peerlane help"},
		{"-zj show ports", "-z: unknown option", "see peerlane help"},
		{"show ports -jz", "-z: unknown option", "see peerlane help"},
		{"--json=yes show ports", "--json=yes: takes no value", "see peerlane help"},
		{"show ports -s", "-s: needs a value", "see peerlane help"},
		{"show ports -js", "-s: needs a value", "see peerlane help"},
		{"show ports --socket", "--socket: needs a value", "see peerlane help"},
		{"show ports -n 3", "show ports: has an option that is for watch", "leave it out"},
		{"devices --force", "devices: has an option that is for bind, unbind",
		 "leave it out"},
		{"watch -f -n 1", "there are options for bind, unbind and for watch",
		 "leave one of them out"},
		{"bind", "bind: needs DEVICE", "see peerlane help"},
		{"bind eth1 uio", "bind: does not know what to do with \"uio\"",
		 "see peerlane help"},
		{"watch -i 0", "--interval 0: not a time", "use 0.1 to 3600 seconds"},
		{"watch -i x", "--interval x: not a time", "use 0.1 to 3600 seconds"},
		{"watch -i nan", "--interval nan: not a time", "use 0.1 to 3600 seconds"},
		{"watch -n 0", "--count 0: not a number", "use a whole number from 1"},
		{"watch -n -1", "--count -1: not a number", "use a whole number from 1"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct invocation inv;
		struct pl_error err = {"no error", ""};

		if (parse(&inv, cases[i].line, &err) == 0)
			fail_msg("accepted: %s", cases[i].line);
		assert_string_equal(cases[i].what, err.what);
		assert_string_equal(cases[i].remedy, err.remedy);
	}
}

/* Every word that completion offers leads, word by word, to a command that parses. */
static void test_completion(void **state)
{
	static const struct {
		const char *typed, *offered;
	} cases[] = {
		{"", "show\naudit\nwatch\ncleanup\ndevices\nbind\nunbind\nhelp\n"},
		{"s", "show\n"},
		{"show ", "ports\nroutes\nroute\nneighbors\nnexthops\ncounters\nlimits\nplanes\nsyn"
			  "c\nversion\n"},
		{"show ne", "neighbors\nnexthops\n"},
		{"-j -s /x show p", "ports\nplanes\n"},
		{"--socket=/x show p", "ports\nplanes\n"},
		{"-s show", ""},
		{"show routes ", "ipv4\nipv6\n"},
		{"show routes ipv6 ", ""},
		{"show ports ", ""},
		{"show --j", "--json\n"},
		{"nonsense ", ""},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char typed[64], offered[512] = "", *argv[WORDS_MAX];
		FILE *out = fmemopen(offered, sizeof(offered), "w");

		snprintf(typed, sizeof(typed), "%s", cases[i].typed);
		grammar_complete(out, split(typed, argv), argv);
		fclose(out);
		if (strcmp(cases[i].offered, offered) != 0)
			fail_msg("\"%s\" offers: %s", cases[i].typed, offered);
	}
}

/* The manual page and the help know every command and option. */
static void test_manual_has_every_command(void **state)
{
	static char page[65536], help[8192];
	FILE *file = fopen(SOURCE_ROOT "/docs/man/peerlane.1.scd", "r");
	FILE *out = fmemopen(help, sizeof(help), "w");
	char word[64];

	(void)state;
	assert_non_null(file);
	assert_true(fread(page, 1, sizeof(page) - 1, file) > 0);
	fclose(file);
	grammar_help(out);
	fclose(out);
	for (unsigned i = 0; i < grammar_n_commands; i++) {
		snprintf(word, sizeof(word), "*%s*", grammar_commands[i].words);
		if (!strstr(page, word))
			fail_msg("peerlane(1) lacks %s", word);
		assert_non_null(strstr(help, grammar_commands[i].words));
	}
	for (unsigned i = 0; i < grammar_n_options; i++) {
		snprintf(word, sizeof(word), "*-%c*, *--%s*", grammar_options[i].letter,
			 grammar_options[i].name);
		if (!strstr(page, word))
			fail_msg("peerlane(1) lacks %s", word);
	}
}

/* ---- tables ---- */

static void test_table(void **state)
{
	static const char *const headers[] = {"NAME", ">COUNT", "NOTE"};
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	struct table t;

	(void)state;
	table_begin(&t, headers, 3);
	table_cell(&t, "pl0");
	table_cellf(&t, "%d", 7);
	table_cell(&t, "");
	table_cell(&t, "a-longer-name");
	table_cellf(&t, "%d", 1234567);
	table_cell(&t, "esc\033[2Jape");
	assert_int_equal(3, table_print(&t, 2, out));
	fclose(out);
	assert_string_equal("  NAME             COUNT  NOTE\n"
			    "  pl0                  7\n"
			    "  a-longer-name  1234567  esc?[2Jape\n",
			    text);
	table_end(&t);
}

/* By their keys, those alike in the order in which they came; and one that is not complete is left
 * out. */
static void test_table_is_sorted(void **state)
{
	static const char *const headers[] = {"NAME", ">KEY"};
	static const unsigned char keys[] = {7, 3, 9, 3, 7};
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	struct table t;

	(void)state;
	table_begin(&t, headers, 2);
	for (unsigned i = 0; i < sizeof(keys); i++) {
		unsigned char key[TABLE_KEY_BYTES] = {[3] = keys[i]};

		table_key(&t, key);
		table_cellf(&t, "row%u", i);
		table_cellf(&t, "%u", keys[i]);
	}
	table_sort(&t);
	table_cell(&t, "half");
	assert_int_equal(6, table_print(&t, 0, out));
	fclose(out);
	assert_string_equal("NAME  KEY\n"
			    "row1    3\n"
			    "row3    3\n"
			    "row0    7\n"
			    "row4    7\n"
			    "row2    9\n",
			    text);
	table_end(&t);
}

static void test_units(void **state)
{
	static const struct {
		double number;
		const char *unit, *text;
	} numbers[] = {
		{0, "pps", "0 pps"},	     {999, "B", "999 B"},
		{1000, "B", "1.00 kB"},	     {9994, "B", "9.99 kB"},
		{9996, "B", "10.0 kB"},	     {12345, "B", "12.3 kB"},
		{123456, "B", "123 kB"},     {999499, "B", "999 kB"},
		{999501, "B", "1.00 MB"},    {1.88e6, "pps", "1.88 Mpps"},
		{9.5e9, "b/s", "9.50 Gb/s"}, {18446744073709551615.0, "B", "18.4 EB"},
	};
	static const struct {
		uint64_t ms;
		const char *text;
	} times[] = {
		{0, "0 ms"},	       {999, "999 ms"},	     {1000, "1.0 s"},
		{59999, "59.9 s"},     {61000, "1 min 1 s"}, {3661000, "1 h 1 min"},
		{90000000, "1 d 1 h"},
	};
	char buf[UNIT_SIZE];

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_string_equal(numbers[i].text,
				    unit_print(numbers[i].number, numbers[i].unit, buf));
	for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_string_equal(times[i].text, unit_time(times[i].ms, buf));
}

static char *rendered(enum action action, const char *json)
{
	json_t *data = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(data);
	assert_non_null(out);
	render(action, data, out);
	fclose(out);
	json_decref(data);
	return text;
}

/* What a NIC has beside other ports, and that an emulated one is called that. */
static void test_nics(void **state)
{
	static const char *const says[] = {
		"pl0   up    emu:eth1    02:00:00:00:00:01  9000  -       -",
		"pl1   up    afxdp:eth2  02:00:00:00:00:02  1500  native  copy",
		"pl0   ixgbe   82599ES (emulated)  10000 Mb/s  10GBASE-SR\n",
		"pl0   rx_crc_errors       7\n",
		"pl0: its driver has done 3 things that no real device would stand",
		("pl0: the emulated NIC's cable has lost 5 frames on their way in, 0 on their way "
		 "out\n"),
	};
	char *text = rendered(ACTION_PORTS, "{\"ports\":[{\"name\":\"pl0\",\"kind\":\"nic\","
					    "\"device\":\"emu:eth1\",\"attach\":null,"
					    "\"copy\":null,\"queues\":1,\"mac\":\"02:00:00:00:00:"
					    "01\",\"mtu\":9000,\"link\":\"up\","
					    "\"admin\":\"up\",\"driver\":\"ixgbe\",\"model\":"
					    "\"82599ES (emulated)\",\"speed_mbps\":"
					    "10000,\"media\":\"10GBASE-SR\",\"device_counters\":{"
					    "\"rx_packets\":0,\"rx_crc_errors\":7},"
					    "\"emulator\":{\"illegal_uses\":3,"
					    "\"cable_lost_to_nic\":5,\"cable_lost_from_nic\":0}},"
					    "{\"name\":\"pl1\",\"kind\":\"afxdp\",\"device\":"
					    "\"eth2\",\"attach\":\"native\",\"copy\":"
					    "\"copy\",\"queues\":1,\"mac\":\"02:00:00:00:00:02\","
					    "\"mtu\":1500,\"link\":\"up\",\"admin\":"
					    "\"up\",\"driver\":null,\"model\":null,\"device_"
					    "counters\":null,\"emulator\":null}]}");

	(void)state;
	for (unsigned i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (!strstr(text, says[i]))
			fail_msg("lacks \"%s\":\n%s", says[i], text);
	assert_null(strstr(text, "rx_packets")); /* what is zero is left out */
	free(text);
	/* Without any NIC there is nothing of them. */
	text = rendered(ACTION_PORTS, "{\"ports\":[{\"name\":\"pl1\",\"kind\":\"afxdp\"}]}");
	assert_null(strstr(text, "DRIVER"));
	free(text);
}

/* Numbers at the ends of their range, members without end, nulls, and what a terminal obeys. */
static void test_answers_of_another_daemon(void **state)
{
	static const struct {
		enum action action;
		const char *json, *says;
	} cases[] = {
		{ACTION_NEXTHOPS,
		 "{\"nexthops\":[{\"members\":["
		 "{\"nexthop\":-9223372036854775807,\"weight\":-9223372036854775807},"
		 "{\"nexthop\":-9223372036854775807,\"weight\":-9223372036854775807},"
		 "{\"nexthop\":-9223372036854775807,\"weight\":-9223372036854775807},"
		 "{\"nexthop\":-9223372036854775807,\"weight\":-9223372036854775807},"
		 "{\"nexthop\":1,\"weight\":1}]}]}",
		 "x-9223372036854775807, ..."},
		{ACTION_ROUTES,
		 "{\"routes\":[{\"prefix\":\"10.0.0.0/-2147483648\"},"
		 "{\"prefix\":\"10.0.0.0/2147483647\"}]}",
		 "10.0.0.0/2147483647"},
		{ACTION_PORTS,
		 "{\"ports\":[{\"addresses\":[1,null],\"face\":{"
		 "\"to_kernel_full\":9223372036854775807,\"from_kernel_full\":5}}]}",
		 "? ?"},
		{ACTION_DEVICES,
		 "{\"devices\":[{\"interfaces\":[1,null],\"obstacles\":[7,{\"what\":\"a\\u001b["
		 "2J\"}]}]}",
		 "  - a?[2J\n"},
		{ACTION_ROUTE, "{\"text\":\"a\\u001b[2Jb\\u009b\"}", "a?[2Jb??\n"},
	};
	json_t *from = json_pack("{s:{s:I}}", "counters", "rx_packets", (json_int_t)INT64_MIN);
	json_t *to = json_pack("{s:{s:I}}", "counters", "rx_packets", (json_int_t)INT64_MAX);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = rendered(cases[i].action, cases[i].json);

		assert_non_null(strstr(text, cases[i].says));
		free(text);
	}
	assert_true(rates_between(from, to, 1).rx_packets > 1.8e19);
	json_decref(from);
	json_decref(to);
}

static void test_rates(void **state)
{
	static const char from[] = "{\"counters\":{\"rx_packets\":100,\"rx_bytes\":1000,"
				   "\"rx_dropped\":1,\"tx_packets\":500,\"tx_bytes\":0,"
				   "\"tx_dropped\":2},\"face\":{\"to_kernel\":10}}";
	static const char to[] = "{\"counters\":{\"rx_packets\":300,\"rx_bytes\":2000,"
				 "\"rx_dropped\":5,\"tx_packets\":40,\"tx_bytes\":0,"
				 "\"tx_dropped\":8},\"face\":{\"to_kernel\":30}}";
	json_t *a = json_loads(from, 0, NULL), *b = json_loads(to, 0, NULL);
	struct port_rates r = rates_between(a, b, 2);

	(void)state;
	assert_true(r.rx_packets == 100);
	assert_true(r.rx_bits == 4000);
	assert_true(r.tx_packets == 20); /* went back: a new daemon, counted from zero */
	assert_true(r.lost == 5);
	assert_true(r.punted == 10);
	r = rates_between(a, b, 0);
	assert_true(r.rx_packets == 0);
	json_decref(a);
	json_decref(b);
}

/* ---- the program against a control socket ---- */

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
	static const struct CMUnitTest alone[] = {
		cmocka_unit_test(test_commands_parse),
		cmocka_unit_test(test_watch_parses),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_manual_has_every_command),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_is_sorted),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_nics),
		cmocka_unit_test(test_answers_of_another_daemon),
		cmocka_unit_test(test_rates),
	};
	static const struct CMUnitTest served[] = {
		cmocka_unit_test(test_program_for_people),
		cmocka_unit_test(test_program_in_json),
		cmocka_unit_test(test_program_puts_pages_together),
		cmocka_unit_test(test_exit_statuses),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_listing_breaks_off),
		cmocka_unit_test(test_full_disk_is_an_error),
		cmocka_unit_test(test_watch_prints_lines),
	};
	int failed = cmocka_run_group_tests(alone, NULL, NULL);

	return failed ? failed : cmocka_run_group_tests(served, make_world, free_world);
}
