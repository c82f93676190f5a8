/* SPDX-License-Identifier: BSD-2-Clause */
/* The control protocol: what it shows of a real router, and what it makes of bad requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../router/control/punt_limits.h"
#include "../../router/control/request.h"
#include "control_world.h"

static struct control_world *world;

/* ---- asking ---- */

static json_t *ask_bytes(const char *line, size_t len)
{
	char *text = request_answer(&world->router, line, len);
	json_error_t error;
	json_t *answer;

	assert_non_null(text);
	assert_null(strchr(text, '\n')); /* an answer is one line */
	answer = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!answer)
		fail_msg("not JSON: %s in %s", error.text, text);
	free(text);
	return answer;
}

static json_t *ask(const char *line)
{
	return ask_bytes(line, strlen(line));
}

/* The data of a command's answer; to be freed. */
static json_t *data_of(const char *command)
{
	char line[256];
	json_t *answer, *data;

	snprintf(line, sizeof(line), "{\"id\":7,%s}", command);
	answer = ask(line);
	if (!json_is_true(json_object_get(answer, "ok")))
		fail_msg("%s: %s", line, json_dumps(answer, 0));
	assert_int_equal(7, json_integer_value(json_object_get(answer, "id")));
	data = json_incref(json_object_get(answer, "data"));
	json_decref(answer);
	return data;
}

static const char *text(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "(none)";
}

static json_int_t number(json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

/* The row of a list in which `key` is `value`. */
static json_t *row(json_t *data, const char *list, const char *key, const char *value)
{
	json_t *found;
	size_t i;

	json_array_foreach(json_object_get(data, list), i, found) {
		if (!strcmp(text(found, key), value))
			return found;
	}
	fail_msg("no %s=%s among the %s", key, value, list);
	return NULL;
}

/* ---- what is shown ---- */

static void test_ports(void **state)
{
	json_t *data = data_of("\"command\":\"show ports\"");
	json_t *port = row(data, "ports", "name", "pl1"), *addr;
	bool found4 = false, found6 = false;
	size_t i;

	(void)state;
	assert_int_equal(2, json_array_size(json_object_get(data, "ports")));
	assert_string_equal("02:00:00:00:00:01", text(port, "mac"));
	assert_string_equal("up", text(port, "link"));
	assert_string_equal("up", text(port, "admin"));
	assert_int_equal(1500, number(port, "mtu"));
	json_array_foreach(json_object_get(port, "addresses"), i, addr) {
		found4 |= !strcmp(json_string_value(addr), "10.0.2.1/24");
		found6 |= !strcmp(json_string_value(addr), "2001:db8:2::1/64");
	}
	assert_true(found4 && found6);
	json_decref(data);
}

static void test_route_to_an_address(void **state)
{
	static const struct {
		const char *address, *verdict, *reason, *prefix, *port, *dmac;
	} cases[] = {
		{"203.0.113.9", "forward", NULL, "203.0.113.0/24", "pl1", "02:00:00:00:02:02"},
		{"10.0.2.2", "forward", NULL, "10.0.2.0/24", "pl1", "02:00:00:00:02:02"},
		{"10.0.2.3", "punt", "unresolved", "10.0.2.0/24", NULL, NULL},
		{"198.51.100.1", "drop", "blackhole", "198.51.100.0/24", NULL, NULL},
		{"10.0.1.1", "punt", "local", "10.0.1.1/32", NULL, NULL},
		{"8.8.8.8", "punt", "no-route", NULL, NULL, NULL},
		{"2001:db8:2::9", "punt", "unresolved", "2001:db8:2::/64", NULL, NULL},
		{"2001:db8:ffff::1", "punt", "no-route", NULL, NULL, NULL},
		{"224.0.0.5", "punt", "multicast", NULL, NULL, NULL},
		{"127.0.0.1", "drop", "bad-destination", "127.0.0.1/32", NULL, NULL},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char command[128];
		json_t *data;

		snprintf(command, sizeof(command),
			 "\"command\":\"show route\",\"args\":{\"address\":\"%s\"}",
			 cases[i].address);
		data = data_of(command);
		assert_string_equal(cases[i].address, text(data, "address"));
		assert_string_equal(cases[i].verdict, text(data, "verdict"));
		assert_string_equal(cases[i].reason ? cases[i].reason : "(none)",
				    text(data, "reason"));
		assert_string_equal(cases[i].prefix ? cases[i].prefix : "(none)",
				    text(json_object_get(data, "route"), "prefix"));
		assert_string_equal(cases[i].port ? cases[i].port : "(none)", text(data, "port"));
		assert_string_equal(cases[i].dmac ? cases[i].dmac : "(none)", text(data, "dmac"));
		assert_non_null(strstr(text(data, "text"), cases[i].address));
		json_decref(data);
	}
}

static void test_routes_and_filters(void **state)
{
	json_t *all = data_of("\"command\":\"show routes\"");
	json_t *ipv6 = data_of("\"command\":\"show routes\",\"args\":{\"family\":\"ipv6\"}");
	json_t *within =
		data_of("\"command\":\"show routes\",\"args\":{\"prefix\":\"10.0.0.0/8\"}");
	json_t *route = row(all, "routes", "prefix", "203.0.113.0/24"), *hop, *one;
	size_t i;

	(void)state;
	assert_string_equal("unicast", text(route, "type"));
	assert_int_equal(254, number(route, "table"));
	assert_true(json_is_true(json_object_get(route, "installed")));
	hop = json_array_get(json_object_get(route, "hops"), 0);
	assert_string_equal("10.0.2.2", text(hop, "gateway"));
	assert_string_equal("pl1", text(hop, "port"));
	row(all, "routes", "prefix", "2001:db8:1::/64");

	row(ipv6, "routes", "prefix", "2001:db8:1::/64");
	json_array_foreach(json_object_get(ipv6, "routes"), i, one)
		assert_non_null(strchr(text(one, "prefix"), ':'));
	row(within, "routes", "prefix", "10.0.2.0/24");
	json_array_foreach(json_object_get(within, "routes"), i, one)
		assert_int_equal(0, strncmp(text(one, "prefix"), "10.", 3));
	json_decref(all);
	json_decref(ipv6);
	json_decref(within);
}

/* The kernel takes any bytes for an interface's name, and JSON only UTF-8. */
static void test_device_name_of_any_bytes(void **state)
{
	json_t *data, *route;

	(void)state;
	control_world_command(
		world, "ip link add name \"$(printf 'k\\366ln')\" type veth peer name far && "
		       "ip link set \"$(printf 'k\\366ln')\" up && ip link set far up && "
		       "ip route add 100.64.0.0/10 dev \"$(printf 'k\\366ln')\"");
	data = data_of("\"command\":\"show routes\",\"args\":{\"prefix\":\"100.64.0.0/10\"}");
	route = row(data, "routes", "prefix", "100.64.0.0/10");
	assert_string_equal("k?ln",
			    text(json_array_get(json_object_get(route, "hops"), 0), "device"));
	json_decref(data);
	data = data_of("\"command\":\"show route\",\"args\":{\"address\":\"100.64.0.1\"}");
	assert_non_null(strstr(text(data, "text"), " on k?ln"));
	json_decref(data);
	control_world_command(world,
			      "ip link set far name \"$(printf 'k\\303\\266ln')\" && "
			      "ip route replace 100.64.0.0/10 dev \"$(printf 'k\\303\\266ln')\"");
	data = data_of("\"command\":\"show route\",\"args\":{\"address\":\"100.64.0.1\"}");
	assert_non_null(strstr(text(data, "text"), " on k\303\266ln"));
	json_decref(data);
	control_world_command(world, "ip link del \"$(printf 'k\\366ln')\"");
	control_world_command(world, "ip link add name \"$(printf 'br\\374cke')\" type bridge && "
				     "ip link set pl0 master \"$(printf 'br\\374cke')\"");
	data = data_of("\"command\":\"show sync\"");
	row(data, "unfollowed", "what", "pl0 belongs to br?cke");
	json_decref(data);
	control_world_command(world, "ip link del \"$(printf 'br\\374cke')\"");
}

static void test_neighbours_and_nexthops(void **state)
{
	json_t *data = data_of("\"command\":\"show neighbors\"");
	json_t *found = row(data, "neighbors", "address", "10.0.2.2");

	(void)state;
	assert_string_equal("02:00:00:00:02:02", text(found, "mac"));
	assert_string_equal("PERMANENT", text(found, "state"));
	assert_string_equal("pl1", text(found, "port"));
	json_decref(data);
	data = data_of("\"command\":\"show nexthops\"");
	found = row(data, "nexthops", "dmac", "02:00:00:00:02:02");
	assert_string_equal("forward", text(found, "kind"));
	assert_string_equal("02:00:00:00:00:01", text(found, "smac"));
	json_decref(data);
}

static void test_counters(void **state)
{
	static const uint8_t not_ours[60] = {0x02, 0, 0, 0, 0x77, 0x77, 0x02, [12] = 0x08};
	json_t *before = data_of("\"command\":\"show counters\""), *after, *port;
	json_int_t dropped = number(row(before, "counters", "name", "not-our-mac"), "total");
	json_t *c;
	size_t i;

	(void)state;
	assert_int_equal(REASON_COUNT + 1, json_array_size(json_object_get(before, "counters")));
	control_world_receive(world, 0, not_ours, sizeof(not_ours), 5);
	after = data_of("\"command\":\"show counters\"");
	json_array_foreach(json_object_get(after, "counters"), i, c) {
		json_t *same = row(before, "counters", "name", text(c, "name"));
		bool is_it = !strcmp(text(c, "name"), "not-our-mac");

		assert_int_equal(number(same, "total") + (is_it ? 5 : 0), number(c, "total"));
		assert_int_equal(number(c, "total"), json_integer_value(json_array_get(
							     json_object_get(c, "planes"), 0)));
	}
	assert_int_equal(dropped + 5,
			 number(row(after, "counters", "name", "not-our-mac"), "total"));
	json_decref(before);
	json_decref(after);

	before = data_of("\"command\":\"show ports\"");
	port = json_object_get(row(before, "ports", "name", "pl0"), "counters");
	assert_true(number(port, "rx_packets") >= 5);
	assert_int_equal(60 * number(port, "rx_packets"), number(port, "rx_bytes"));
	json_decref(before);
}

/* What the log was told since the last call. */
static char *logged(void)
{
	static char text[4096];

	rewind(world->log.out);
	text[fread(text, 1, sizeof(text) - 1, world->log.out)] = '\0';
	rewind(world->log.out);
	assert_int_equal(ftruncate(fileno(world->log.out), 0), 0);
	return text;
}

/* Packets without a route, far more at once than the limit lets through: counted, shown, and logged
 * once when it begins and once when it has ended. */
static void test_limits(void **state)
{
	/* 10.0.1.77 sends to 192.0.2.1. */
	static const uint8_t lost[60] = {0x02, 0,    0,	   0, 0, 0,  2,	  0, 0, 0, 0,  9,
					 0x08, 0,    0x45, 0, 0, 46, 0,	  0, 0, 0, 64, 17,
					 0xad, 0x71, 10,   0, 1, 77, 192, 0, 2, 1};
	json_t *before = data_of("\"command\":\"show limits\""), *after, *limit, *port;
	FILE *null = world->log.out;
	uint64_t now_ms = 1000000;

	(void)state;
	limit = row(before, "limits", "class", "no-route");
	assert_int_equal(1000, number(limit, "rate"));
	assert_int_equal(16, number(limit, "burst"));
	world->log.out = tmpfile();
	assert_non_null(world->log.out);
	limits_follow(&world->router, now_ms);
	assert_string_equal("", logged());
	control_world_receive(world, 0, lost, sizeof(lost), 200);
	limits_follow(&world->router, now_ms + 999); /* looks once a second */
	assert_string_equal("", logged());
	limits_follow(&world->router, now_ms += 1000);
	assert_string_equal(
		"peerlaned: warning: pl0: packets for the kernel reach the limit "
		"no-route of 1000 a second (no route, or one that refuses): what is "
		"beyond is dropped\n"
		"     see: peerlane show limits; NoRoute= in [PuntLimits] sets how many "
		"pass\n",
		logged());
	after = data_of("\"command\":\"show limits\"");
	limit = row(after, "limits", "class", "no-route");
	assert_int_equal(200, number(limit, "passed") + number(limit, "dropped"));
	/* One source: half of the bucket is not for it, or a token at a time. */
	assert_in_range(number(limit, "passed"), 8, 150);
	port = row(limit, "ports", "port", "pl0");
	assert_int_equal(number(limit, "dropped"), number(port, "dropped"));
	assert_true(json_is_true(json_object_get(port, "reached")));
	assert_false(json_is_true(json_object_get(row(limit, "ports", "port", "pl1"), "reached")));
	json_decref(before);
	before = data_of("\"command\":\"show counters\"");
	assert_int_equal(number(limit, "dropped"),
			 number(row(before, "counters", "name", "limit-no-route"), "total"));
	control_world_receive(world, 0, lost, sizeof(lost), 200);
	limits_follow(&world->router, now_ms += 5000);
	limits_follow(&world->router, now_ms += LIMITS_QUIET_MS - 1000);
	assert_string_equal("", logged()); /* it goes on */
	limits_follow(&world->router, now_ms += 1000);
	assert_non_null(strstr(logged(), "pl0: limit no-route no longer reached: "));
	fclose(world->log.out);
	world->log.out = null;
	json_decref(before);
	json_decref(after);
}

static void test_planes_sync_version(void **state)
{
	json_t *data = data_of("\"command\":\"show planes\"");
	json_t *plane = json_array_get(json_object_get(data, "planes"), 0);
	json_t *pool = json_object_get(plane, "pool");

	(void)state;
	assert_int_equal(4096, number(pool, "buffers"));
	/* A memory queue keeps none between turns. */
	assert_int_equal(4096, number(pool, "free"));
	assert_int_equal(2, json_array_size(json_object_get(plane, "ports")));
	json_decref(data);
	data = data_of("\"command\":\"show sync\"");
	assert_true(number(data, "routes") >= 10);
	assert_true(number(json_object_get(data, "tables"), "routes4") >= 4);
	json_decref(data);
	data = data_of("\"command\":\"show version\"");
	assert_int_equal(getpid(), number(data, "pid"));
	/* This process has not confined itself. */
	assert_string_equal("no", text(json_object_get(data, "confinement"), "seccomp"));
	assert_int_equal(0, number(json_object_get(data, "confinement"), "landlock"));
	json_decref(data);
}

/* A listing longer than a page comes whole and without repetition by following "next". */
static void test_pages(void **state)
{
	static const unsigned wanted = 3000;
	bool seen[3000] = {false};
	unsigned n_seen = 0, pages = 0;
	json_int_t after = 0;
	bool more = true;

	(void)state;
	control_world_command(world,
			      "seq 0 2999 | while read i; do echo route add 172.16.$((i / 250))."
			      "$((i % 250))/32 via 10.0.2.2; done | ip -batch -");
	while (more) {
		char command[160];
		json_t *data, *one;
		size_t i;

		snprintf(command, sizeof(command),
			 "\"command\":\"show routes\",\"args\":{\"prefix\":\"172.16.0.0/12\","
			 "\"after\":%" JSON_INTEGER_FORMAT "}",
			 after);
		data = data_of(command);
		json_array_foreach(json_object_get(data, "routes"), i, one) {
			unsigned a, b;

			assert_int_equal(2, sscanf(text(one, "prefix"), "172.16.%u.%u/32", &a, &b));
			assert_true(a * 250 + b < wanted);
			assert_false(seen[a * 250 + b]);
			seen[a * 250 + b] = true;
			n_seen++;
		}
		more = json_is_integer(json_object_get(data, "next"));
		after = json_integer_value(json_object_get(data, "next"));
		pages++;
		json_decref(data);
	}
	assert_int_equal(wanted, n_seen);
	assert_true(pages > 1);
	control_world_command(world, "ip route flush root 172.16.0.0/12");
}

/* ---- the description ---- */

static char description[65536];

/* Every key of `value`, at any depth, is in docs/protocol.md in code quotes. */
static void check_described(json_t *value)
{
	json_t *inner;
	const char *key;
	size_t i;

	json_object_foreach(value, key, inner) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "`%s`", key);
		if (!strstr(description, quoted))
			fail_msg("docs/protocol.md lacks %s", quoted);
		check_described(inner);
	}
	json_array_foreach(value, i, inner) {
		check_described(inner);
	}
}

static void test_protocol_is_described(void **state)
{
	static const char *const commands[] = {
		"show ports",  "show routes", "show neighbors", "show nexthops", "show counters",
		"show limits", "show planes", "show sync",	"show version",	 "audit",
	};
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol.md", "r");
	char line[128];
	json_t *data;

	(void)state;
	assert_non_null(file);
	assert_true(fread(description, 1, sizeof(description) - 1, file) > 0);
	fclose(file);
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(line, sizeof(line), "\n## %s\n", commands[i]);
		assert_non_null(strstr(description, line));
		snprintf(line, sizeof(line), "\"command\":\"%s\"", commands[i]);
		data = data_of(line);
		check_described(data);
		json_decref(data);
	}
	data = data_of("\"command\":\"show route\",\"args\":{\"address\":\"203.0.113.1\"}");
	check_described(data);
	json_decref(data);
}

/* ---- bad requests ---- */

static void test_bad_requests(void **state)
{
	static const struct {
		const char *line, *code, *message;
	} cases[] = {
		{"", "EINVAL", "not JSON"},
		{"hello", "EINVAL", "not JSON"},
		{"{\"id\":1", "EINVAL", "not JSON"},
		{"[]", "EINVAL", "not an object"},
		{"{}", "EINVAL", "no \"command\""},
		{"{\"command\":3}", "EINVAL", "no \"command\""},
		{"{\"command\":\"show prots\"}", "EINVAL", "unknown command"},
		{"{\"command\":\"show ports\",\"command\":\"x\"}", "EINVAL", "not JSON"},
		{"{\"command\":\"show ports\",\"args\":[]}", "EINVAL", "not an object"},
		{"{\"command\":\"show ports\",\"args\":{\"x\":1}}", "EINVAL", "no argument \"x\""},
		{"{\"command\":\"show ports\",\"flags\":1}", "EINVAL", "unknown key"},
		{"{\"command\":\"show route\"}", "EINVAL", "not an address"},
		{"{\"command\":\"show route\",\"args\":{\"address\":\"10.0.0.0/8\"}}", "EINVAL",
		 "not an address"},
		{"{\"command\":\"show route\",\"args\":{\"address\":7}}", "EINVAL",
		 "not an address"},
		{"{\"command\":\"show routes\",\"args\":{\"family\":\"ipx\"}}", "EINVAL",
		 "neither ipv4 nor ipv6"},
		{"{\"command\":\"show routes\",\"args\":{\"prefix\":\"10.0.0.0/40\"}}", "EINVAL",
		 "not a prefix"},
		{"{\"command\":\"show routes\",\"args\":{\"prefix\":\"10.0.2.1/24\"}}", "EINVAL",
		 "host bits are set behind the first 24"},
		{"{\"command\":\"show routes\",\"args\":{\"family\":\"ipv6\","
		 "\"prefix\":\"10.0.2.0/24\"}}",
		 "EINVAL", "not an IPv6 prefix"},
		{"{\"command\":\"show routes\",\"args\":{\"after\":-1}}", "EINVAL", "not a place"},
		{"{\"command\":\"show routes\",\"args\":{\"after\":\"x\"}}", "EINVAL",
		 "not a place"},
		{"{\"id\":\"\xff\",\"command\":\"show ports\"}", "EINVAL", "not JSON"},
		{"{\"command\":\"show \xc3\xa4\xc3\xb6\"}", "EINVAL", "unknown command"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *answer = ask(cases[i].line), *error = json_object_get(answer, "error");

		assert_true(json_is_false(json_object_get(answer, "ok")));
		assert_string_equal(cases[i].code, text(error, "code"));
		if (!strstr(text(error, "message"), cases[i].message))
			fail_msg("%s: says \"%s\"", cases[i].line, text(error, "message"));
		assert_true(text(error, "remedy")[0]);
		json_decref(answer);
	}
}

static void test_suggestion_and_id(void **state)
{
	json_t *answer = ask("{\"id\":\"a\",\"command\":\"show prots\"}");

	(void)state;
	assert_string_equal("a", text(answer, "id"));
	assert_string_equal("did you mean \"show ports\"?",
			    text(json_object_get(answer, "error"), "remedy"));
	json_decref(answer);
	answer = ask("{\"command\":\"show routes\",\"args\":{\"prefix\":\"10.0.2.1/24\"}}");
	assert_string_equal("did you mean 10.0.2.0/24?",
			    text(json_object_get(answer, "error"), "remedy"));
	json_decref(answer);
	answer = ask("{\"command\":\"show version\"}");
	assert_true(json_is_null(json_object_get(answer, "id")));
	json_decref(answer);
}

static void test_nul_and_depth(void **state)
{
	static const char nul[] = "{\"command\":\"show\0 ports\"}";
	char *deep = malloc(60000);
	json_t *answer;

	(void)state;
	answer = ask_bytes(nul, sizeof(nul) - 1);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	json_decref(answer);
	memset(deep, '[', 60000);
	answer = ask_bytes(deep, 60000);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	json_decref(answer);
	free(deep);
}

static int make_world(void **state)
{
	(void)state;
	world = control_world_new();
	if (!world)
		exit(77); /* meson: skipped */
	return 0;
}

static int free_world(void **state)
{
	(void)state;
	control_world_free(world);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_route_to_an_address),
		cmocka_unit_test(test_routes_and_filters),
		cmocka_unit_test(test_device_name_of_any_bytes),
		cmocka_unit_test(test_neighbours_and_nexthops),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_planes_sync_version),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_protocol_is_described),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_suggestion_and_id),
		cmocka_unit_test(test_nul_and_depth),
	};

	return cmocka_run_group_tests(tests, make_world, free_world);
}
