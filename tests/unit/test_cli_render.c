/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operator's command prints for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../cli/render.h"
#include "../../cli/table.h"

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

static void says_all(const char *text, const char *const *says, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!strstr(text, says[i]))
			fail_msg("lacks \"%s\":\n%s", says[i], text);
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
	says_all(text, says, sizeof(says) / sizeof(says[0]));
	assert_null(strstr(text, "rx_packets")); /* what is zero is left out */
	free(text);
	/* Without any NIC there is nothing of them. */
	text = rendered(ACTION_PORTS, "{\"ports\":[{\"name\":\"pl1\",\"kind\":\"afxdp\"}]}");
	assert_null(strstr(text, "DRIVER"));
	free(text);
}

/* One that has failed, as an operator sees it; and none. */
static void test_accelerator(void **state)
{
	static const char *const says[] = {
		"opencl:0     some GPU  1.2     8.00 GB  persistent       16  failed\n",
		"    12      345          67     8       3       2       1\n",
		"1.50 MB       2       99   4.00 kB\n",
		"last fault: it hangs\n      reset it\n",
		"the CPU forwards; it is tried again in 2.5 s\n",
		"packets lie in main memory\n",
	};
	char *text = rendered(
		ACTION_ACCELERATOR,
		"{\"mode\":\"nic-cpu-gpu\",\"accelerator\":{\"accelerator\":\"opencl:0\","
		"\"name\":\"some GPU\",\"driver\":\"1.2\",\"memory_bytes\":8000000000,"
		"\"launch\":\"persistent\",\"workers\":16,\"state\":\"failed\","
		"\"at_rest\":false,\"bursts\":12,\"packets\":345,\"cpu_packets\":67,"
		"\"lost_packets\":8,\"wakes\":3,\"opens\":2,\"faults\":1,\"table_bytes\":1500000,"
		"\"fills\":2,\"updates\":99,\"update_bytes\":4000,\"retry_in_ms\":2500,"
		"\"fault\":{\"message\":\"it hangs\",\"remedy\":\"reset it\"}}}");

	(void)state;
	says_all(text, says, sizeof(says) / sizeof(says[0]));
	free(text);
	text = rendered(ACTION_ACCELERATOR, "{\"mode\":\"nic-cpu\",\"accelerator\":null}");
	assert_string_equal("none: Mode=nic-cpu, the planes' cores process packets\n", text);
	free(text);
	/* With packets in its memory nobody stands in for it. */
	text = rendered(
		ACTION_ACCELERATOR,
		"{\"mode\":\"nic-gpu\",\"accelerator\":{\"accelerator\":\"cuda:0\","
		"\"state\":\"failed\",\"retry_in_ms\":2500,\"fault\":{\"message\":\"it hangs\"},"
		"\"packet_memory\":{\"bytes\":46137344,\"place\":\"device\"}}}");
	assert_non_null(strstr(text, "packets lie in 46.1 MB of the accelerator's own memory\n"));
	assert_non_null(strstr(text, "packets are dropped; it is tried again in 2.5 s\n"));
	free(text);
	/* Ready and at rest, without memory of its own or a fault. */
	text = rendered(ACTION_ACCELERATOR,
			"{\"mode\":\"nic-cpu-gpu\",\"accelerator\":{\"accelerator\":\"host:0\","
			"\"state\":\"ready\",\"at_rest\":true,\"fault\":null}}");
	assert_non_null(strstr(text, "the host's"));
	assert_non_null(strstr(text, "ready, at rest\n"));
	assert_null(strstr(text, "fault:"));
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_is_sorted),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_nics),
		cmocka_unit_test(test_accelerator),
		cmocka_unit_test(test_answers_of_another_daemon),
		cmocka_unit_test(test_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
