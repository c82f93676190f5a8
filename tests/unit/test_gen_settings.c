/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator's command line, its destinations, and the host that it plays. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../bench/gen/frame.h"
#include "../../bench/gen/settings.h"
#include "../../bench/gen/stream.h"

static struct gen_settings s;

/* Splits at blanks. */
static int parse(char *text, struct pl_error *err)
{
	char *argv[64], *save = NULL;
	int argc = 0;

	*err = (struct pl_error){0};
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return gen_settings_parse(&s, argc, argv, err);
}

static void must_parse(char *text)
{
	struct pl_error err;

	if (parse(text, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
}

#define ACCEPT(text)         \
	char words[] = text; \
	must_parse(words)

static void a_whole_line(void **state)
{
	ACCEPT("--tx afxdp:eth0 --address 10.0.1.2/24 --gateway 10.0.1.1 --destinations "
	       "198.51.100.0/24 --destinations 192.0.2.1-192.0.2.9 --mac 02:00:00:00:00:05 "
	       "--rx=afxdp:eth1 "
	       "--address=10.0.2.2 --gateway-mac 02:00:00:00:00:06 --size 64,128,1518 --flows 1000 "
	       "--rate 2.5Mpps --duration 500ms --warmup 2 --core 1 --loss-max 0.1% --json - "
	       "--quiet --port 4000 --ttl 3 --line-rate 25G");
	(void)state;
	assert_int_equal(s.n_ends, 2);
	assert_string_equal(s.ends[0].name, "afxdp:eth0");
	assert_true(s.ends[0].tx && !s.ends[0].rx && !s.ends[1].tx && s.ends[1].rx);
	assert_int_equal(s.ends[0].destinations.n, 2);
	assert_true(s.ends[0].has_mac && s.ends[0].mac[5] == 5);
	assert_true(!s.ends[0].has_gateway_mac && s.ends[1].gateway_mac[5] == 6);
	assert_true(s.ends[0].has_gateway[GEN_V4] && !s.ends[0].has_gateway[GEN_V6]);
	assert_int_equal(s.ends[1].address[GEN_V4][2], 2);
	assert_int_equal(s.n_sizes, 3);
	assert_int_equal(s.sizes[2], 1518);
	assert_int_equal(s.flows, 1000);
	assert_int_equal(s.rate.kind, GEN_RATE_PPS);
	assert_true(s.rate.value == 2.5e6 && s.rate.line_bps == 25e9 && s.rate.bounded);
	assert_int_equal(s.duration_ns, 500000000);
	assert_int_equal(s.warmup_ns, 2000000000);
	assert_int_equal(s.core, 1);
	assert_true(s.judges_loss && s.loss_max == 0.1 && s.quiet && !s.strict);
	assert_int_equal(s.port, 4000);
	assert_int_equal(s.ttl, 3);
	gen_settings_free(&s);
}

static void what_is_not_said(void **state)
{
	ACCEPT("--tx afxdp:eth0 --address 2001:db8::2 --gateway 2001:db8::1 --rx afxdp:eth1 "
	       "--address "
	       "2001:db8:1::2/64");
	(void)state;
	/* To the other end, in frames that hold the record, for ten seconds. */
	assert_int_equal(s.ends[0].destinations.n, 1);
	assert_memory_equal(s.ends[0].destinations.list[0].first, s.ends[1].address[GEN_V6], 16);
	assert_int_equal(s.n_sizes, 1);
	assert_int_equal(s.sizes[0], GEN_SIZE_MIN6);
	assert_int_equal(s.duration_ns, 10000000000);
	assert_true(s.rate.kind == GEN_RATE_MAX && !s.rate.bounded);
	assert_int_equal(s.core, -1);
	gen_settings_free(&s);
}

static void imix_is_seven_four_one(void **state)
{
	unsigned n[3] = {0};
	ACCEPT("--tx loop --rx loop --imix");
	(void)state;
	for (unsigned i = 0; i < s.n_sizes; i++)
		n[s.sizes[i] == 64 ? 0 : s.sizes[i] == 570 ? 1 : 2]++;
	assert_true(n[0] == 7 && n[1] == 4 && n[2] == 1);
	gen_settings_free(&s);
}

/* An end that is named twice is one; what follows is about it. */
static void both_ways(void **state)
{
	ACCEPT("--tx afxdp:a --address 10.0.1.2 --gateway 10.0.1.1 --destinations 10.0.2.2 --rx "
	       "afxdp:b --address 10.0.2.2 --rx afxdp:a --tx afxdp:b --gateway 10.0.2.1 "
	       "--destinations 10.0.1.2");
	(void)state;
	assert_int_equal(s.n_ends, 2);
	assert_true(s.ends[0].tx && s.ends[0].rx && s.ends[1].tx && s.ends[1].rx);
	assert_string_equal(s.ends[0].name, "afxdp:a");
	assert_true(s.ends[1].has_gateway[GEN_V4]);
	gen_settings_free(&s);
}

static void bad_lines_are_refused_with_what_is_right(void **state)
{
	static const struct {
		const char *line, *what, *remedy;
	} cases[] = {
		{"", "neither --tx nor --rx", "--help"},
		{"--tx", "value (END) is missing", ""},
		{"--tx loop --rx loop --json --quiet", "value (FILE) is missing", ""},
		{"--tx loop --destinations 192.0.2.1 --loss-max 1", "sends and receives", "--rx"},
		{"--tx loop --rx loop --rat 5", "\"--rat\" is no option", "--rate"},
		{"loop", "\"loop\" is no option", "--help"},
		{"--strict=yes --rx loop", "--strict takes no value", ""},
		{"--address 10.0.0.1 --tx loop", "--address: of which end?", "before"},
		{"--tx loop --rx loop --rate 5q", "\"5q\" is no rate", "2.5Mpps"},
		{"--tx loop --rx loop --rate 0", "no rate", "max"},
		{"--tx loop --rx loop --rate -5", "no rate", "max"},
		{"--tx loop --rx loop --rate 1e3", "no rate", "max"},
		{"--tx loop --rx loop --rate inf", "no rate", "max"},
		{"--tx loop --rx loop --size 63", "from 64 to 9018", ""},
		{"--tx loop --rx loop --size 64,", "\"\" is no number", ""},
		{"--tx loop --rx loop --size 64 --imix", "sets the sizes", "one of them"},
		{"--tx loop --address 2001:db8::1 --rx loop --size 64", "IPv6 frames of 64", "84"},
		{"--tx loop --rx loop --flows 1000001", "from 1 to 1000000", ""},
		{"--tx loop --rx loop --duration 5d", "no time", "500ms"},
		{"--tx loop --rx loop --duration 0", "no time", "500ms"},
		{"--tx loop --rx loop --loss-max 101", "no percentage", "0.1%"},
		{"--tx loop --mac 03:00:00:00:00:00", "no unicast MAC", "02:"},
		{"--tx loop --mac zz", "no unicast MAC", "02:"},
		{"--tx loop --address 10.0.0.0.1", "no IP address", "192.0.2.2/24"},
		{"--tx loop --address 10.0.0.1/33", "no IP address", "192.0.2.2/24"},
		{"--tx loop --address 10.0.0.1 --address 10.0.0.2", "a second one", "one for each"},
		{"--tx loop --destinations 224.0.0.1", "nothing a router forwards", "unicast"},
		{"--tx loop --destinations /nonexistent", "no file that can be read", "prefix"},
		{"--tx loop --destinations 10.0.0.9-10.0.0.1", "no destination", "range"},
		{"--tx loop --destinations 10.0.0.1/24", "no destination", "range"},
		{"--tx afxdp:a --rx afxdp:b", "where it is to send to", "--destinations"},
		{"--tx afxdp:a --destinations 192.0.2.1", "no IPv4 address and gateway",
		 "--gateway"},
		{"--tx afxdp:a --address 10.0.0.1 --destinations 192.0.2.1", "no IPv4 address and",
		 "--gateway-mac"},
		{"--tx afxdp:a --address 10.0.0.1 --gateway 10.0.0.2 --destinations 2001:db8::1",
		 "no destination is of a family", "--gateway"},
		{"--rx loop --count 5", "no end sends", "--duration"},
		{"--rx loop --warmup 1", "--warmup: is of frames sent", "sender"},
		{"--tx loop --rx afxdp:b --destinations 192.0.2.1",
		 "afxdp:b: --destinations is of an end that sends", "--tx END"},
		{"--tx loop --rx afxdp:b --sources 2001:db8::1",
		 "afxdp:b: --sources is of an end that sends", "--tx END"},
		{"--tx loop --rx afxdp:b --gateway 192.0.2.1", "has an IPv4 gateway", "--address"},
		{"--tx loop --rx afxdp:b --address 192.0.2.2 --gateway 2001:db8::1",
		 "has an IPv6 gateway", "--address"},
		{"--tx loop --rx loop --per-flow", "--per-flow: is of the JSON", "--json"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *line = strdup(cases[i].line);
		struct pl_error err;

		if (parse(line, &err) != -EINVAL)
			fail_msg("accepted: %s", cases[i].line);
		if (!strstr(err.what, cases[i].what) || !strstr(err.remedy, cases[i].remedy))
			fail_msg("%s: %s (%s)", cases[i].line, err.what, err.remedy);
		gen_settings_free(&s);
		free(line);
	}
}

/* ---- destinations ---- */

static void addresses_are_of_their_prefixes(void **state)
{
	struct gen_targets t = {0};
	uint64_t random = 1;
	uint8_t family, a[16];
	struct pl_error err;
	unsigned seen = 0;

	(void)state;
	assert_int_equal(gen_targets_add(&t, "198.18.0.0/30", &err), 0);
	assert_int_equal(gen_targets_add(&t, "10.255.255.254-11.0.0.1", &err), 0);
	assert_int_equal(gen_targets_add(&t, "2001:db8::/33", &err), 0);
	assert_int_equal(gen_targets_add(&t, "192.0.2.7", &err), 0);
	for (uint32_t i = 0; i < 4000; i++) {
		gen_targets_draw(&t, i, 4000, &random, &family, a);
		assert_int_equal(family, i % 4 == 2 ? AF_INET6 : AF_INET);
		if (i % 4 == 0) {
			assert_memory_equal(a, ((uint8_t[]){198, 18, 0}), 3);
			assert_true(a[3] == 1 || a[3] == 2); /* the others are the network's */
		} else if (i % 4 == 1) {
			uint32_t v = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 |
				     (uint32_t)a[2] << 8 | a[3];

			assert_true(v >= 0x0afffffe && v <= 0x0b000001);
			seen |= 1u << (v - 0x0afffffe);
		} else if (i % 4 == 2) {
			assert_memory_equal(a, ((uint8_t[]){0x20, 1, 0xd, 0xb8}), 4);
			assert_true(a[4] < 0x80);
		} else {
			assert_memory_equal(a, ((uint8_t[]){192, 0, 2, 7}), 4);
		}
	}
	assert_int_equal(seen, 0xf);
	/* Nor loopback or multicast, where a prefix has that besides. */
	gen_targets_fini(&t);
	assert_int_equal(gen_targets_add(&t, "126.0.0.0/7", &err), 0);
	assert_int_equal(gen_targets_add(&t, "192.0.0.0/2", &err), 0);
	assert_int_equal(gen_targets_add(&t, "223.255.255.255-224.0.0.9", &err), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		gen_targets_draw(&t, i, 3000, &random, &family, a);
		assert_true(a[0] < 224 && a[0] != 127);
	}
	gen_targets_fini(&t);
	assert_int_equal(gen_targets_add(&t, "2001:db8::/33", &err), 0);
	assert_int_equal(gen_targets_add(&t, "192.0.2.7", &err), 0);
	gen_targets_drop(&t, AF_INET);
	assert_true(t.n == 1 && gen_targets_has(&t, AF_INET6) && !gen_targets_has(&t, AF_INET));
	gen_targets_fini(&t);
}

/* Sources of both families: each flow has one of its destination's. */
static void sources_are_of_their_destinations_family(void **state)
{
	char line[] = "--tx loop --address 10.0.0.1 --address 2001:db8::1 --destinations 192.0.2.1 "
		      "--destinations 2001:db8::2 --sources 198.51.100.7 --sources 2001:db8:1::7 "
		      "--flows 4 --warmup 0 --drain 0";
	static struct gen_filler filler;
	struct gen_stream stream;
	struct gen_end *end;
	struct pl_error err;

	(void)state;
	must_parse(line);
	assert_int_equal(s.ends[0].sources[GEN_V4].n, 1);
	assert_int_equal(s.ends[0].sources[GEN_V6].n, 1);
	assert_int_equal(gen_end_open("loop", 128, &end, &err), 0);
	assert_int_equal(gen_stream_init(&stream, end,
					 &(struct gen_stream_config){
						 .destinations = &s.ends[0].destinations,
						 .sources = s.ends[0].sources,
						 .n_flows = 4,
						 .sizes = s.sizes,
						 .n_sizes = s.n_sizes,
						 .rate = s.rate,
					 },
					 &filler, &err),
			 0);
	for (unsigned i = 0; i < 4; i++) {
		const struct gen_flow_tx *flow = &stream.flows[i];

		if (flow->family == AF_INET)
			assert_memory_equal(flow->source, ((uint8_t[]){198, 51, 100, 7}), 4);
		else
			assert_memory_equal(flow->source, ((uint8_t[]){0x20, 1, 0xd, 0xb8, 0, 1}),
					    6);
	}
	gen_stream_fini(&stream);
	gen_end_close(end);
	gen_settings_free(&s);
}

static void files_of_prefixes(void **state)
{
	char path[] = "/tmp/peerlane-gen-XXXXXX";
	int fd = mkstemp(path);
	static const char good[] =
		"# a table\n198.51.100.0/24\n\n  2001:db8::/32  # v6\n224.0.0.0/4\n";
	struct gen_targets t = {0};
	struct pl_error err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, good, sizeof(good) - 1), sizeof(good) - 1);
	assert_int_equal(gen_targets_add(&t, path, &err), 0);
	assert_int_equal(t.n, 2); /* multicast is left out */
	assert_int_equal(write(fd, "oops\n", 5), 5);
	assert_int_equal(gen_targets_add(&t, path, &err), -EINVAL);
	assert_non_null(strstr(err.what, "line 6"));
	/* Lines may be long. */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(dprintf(fd, "198.51.100.0/24 #%0999d\n", 0), 17 + 999 + 1);
	t.n = 0;
	assert_int_equal(gen_targets_add(&t, path, &err), 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(gen_targets_add(&t, "/tmp", &err), -EISDIR);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(gen_targets_add(&t, path, &err), -EINVAL);
	assert_non_null(strstr(err.what, "has no destination"));
	gen_targets_fini(&t);
	close(fd);
	unlink(path);
}

/* ---- the host ---- */

static struct gen_host host_of(unsigned last)
{
	struct gen_host h = {
		.mac = {2, 0, 0, 0, 0, (uint8_t)last},
		.has = {true, true},
		.address = {{10, 0, 0, (uint8_t)last}, {0x20, 1, 0xd, 0xb8, [15] = (uint8_t)last}},
		.has_gateway = {true, true},
		.gateway = {{10, 0, 0, 1}, {0x20, 1, 0xd, 0xb8, [15] = 1}},
	};

	return h;
}

/* Two hosts, of which one is the other's gateway, find each other. */
static void hosts_resolve_each_other(void **state)
{
	struct gen_host host = host_of(2), gateway = host_of(1), other = host_of(3);
	uint8_t ask[GEN_HOST_FRAME_MAX], answer[GEN_HOST_FRAME_MAX], none[GEN_HOST_FRAME_MAX];

	(void)state;
	for (enum gen_family f = 0; f < GEN_FAMILIES; f++) {
		unsigned asked = gen_host_ask(&host, f, ask), answered;

		assert_int_equal(asked, f == GEN_V4 ? 60 : 86);
		assert_int_equal(gen_host_take(&other, ask, asked, none), 0);
		answered = gen_host_take(&gateway, ask, asked, answer);
		assert_int_equal(answered, asked);
		assert_memory_equal(answer, host.mac, 6);
		assert_false(host.resolved[f]);
		assert_int_equal(gen_host_take(&host, answer, answered, none), 0);
		assert_true(host.resolved[f]);
		assert_memory_equal(host.gateway_mac[f], gateway.mac, 6);
		/* Not from a host that is no gateway, nor cut short. */
		host.resolved[f] = false;
		for (unsigned cut = 0; cut < (f == GEN_V4 ? 42 : 86); cut++)
			(void)gen_host_take(&host, answer, cut, none);
		assert_false(host.resolved[f]);
	}
	/* One whose checksum is wrong is none. */
	(void)gen_host_ask(&host, GEN_V6, ask);
	ask[60] ^= 1;
	assert_int_equal(gen_host_take(&gateway, ask, 86, none), 0);
}

/* Duplicate address detection asks from no address, and is answered to all (RFC 4861 7.2.4). */
static void who_has_no_address_is_answered(void **state)
{
	struct gen_host asks = host_of(9), h = host_of(1);
	uint8_t ask[GEN_HOST_FRAME_MAX], answer[GEN_HOST_FRAME_MAX];

	(void)state;
	memset(asks.address[GEN_V6], 0, 16);
	(void)gen_host_ask(&asks, GEN_V6, ask);
	assert_int_equal(gen_host_take(&h, ask, 86, answer), 86);
	assert_memory_equal(answer, ((uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);
	assert_int_equal(answer[58], 0x20); /* override, not solicited */
}

/* The manual page knows every option that the help has, which is written from the table. */
static void the_manual_has_every_option(void **state)
{
	static char page[65536], help[8192];
	FILE *file = fopen(SOURCE_ROOT "/docs/man/peerlane-gen.1.scd", "r");
	FILE *out = fmemopen(help, sizeof(help), "w");
	unsigned n = 0;
	char *save = NULL;

	(void)state;
	assert_non_null(file);
	assert_true(fread(page, 1, sizeof(page) - 1, file) > 0);
	fclose(file);
	gen_settings_help(out);
	fclose(out);
	for (char *line = strtok_r(help, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[32], entry[48];

		if (sscanf(line, "  --%31[a-z-]", name) != 1)
			continue;
		n++;
		snprintf(entry, sizeof(entry), "*--%s*", name);
		if (!strstr(page, entry))
			fail_msg("peerlane-gen(1) lacks %s", entry);
	}
	assert_true(n > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_line),
		cmocka_unit_test(what_is_not_said),
		cmocka_unit_test(imix_is_seven_four_one),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(bad_lines_are_refused_with_what_is_right),
		cmocka_unit_test(addresses_are_of_their_prefixes),
		cmocka_unit_test(sources_are_of_their_destinations_family),
		cmocka_unit_test(files_of_prefixes),
		cmocka_unit_test(hosts_resolve_each_other),
		cmocka_unit_test(who_has_no_address_is_answered),
		cmocka_unit_test(the_manual_has_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
