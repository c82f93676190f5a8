/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes: as text, and compared. */
#include <errno.h>

#include "tables_help.h"

static void prefixes_in_text(void **state)
{
	static const char *const good[] = {"0.0.0.0/0", "192.0.2.0/24",	 "192.0.2.1/32",
					   "::/0",	"2001:db8::/32", "2001:db8::1/128",
					   "8000::/1",	"10.128.0.0/9",	 "fe80::/10"};
	static const char *const bad[] = {"",
					  "192.0.2.0/33",
					  "192.0.2.0/",
					  "192.0.2.0/-1",
					  "192.0.2.0/+8",
					  "192.0.2/24",
					  "192.0.2.1/24",
					  "192.0.2.0/08",
					  "192.0.2.0/ 24",
					  "192.0.2.0/24 ",
					  "2001:db8::/129",
					  "2001:db8::1/64",
					  "::g/64",
					  "/24",
					  "192.0.2.0/4294967320",
					  "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1"};
	struct prefix p = {0}, q;
	struct ip_addr a;
	char text[PREFIX_STRLEN];
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		p = prefix_of(good[i]);
		assert_string_equal(prefix_print(&p, text), good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		q = p;
		assert_int_equal(prefix_parse(bad[i], &q), -EINVAL);
		assert_memory_equal(&p, &q, sizeof(p));
	}
	p = prefix_of("192.0.2.7");
	assert_string_equal(prefix_print(&p, text), "192.0.2.7/32");
	p = prefix_of("2001:db8::7");
	assert_string_equal(prefix_print(&p, text), "2001:db8::7/128");
	a = addr_of("2001:db8::7");
	assert_string_equal(ip_addr_print(&a, text), "2001:db8::7");
	assert_int_equal(ip_addr_parse("192.0.2.256", &a), -EINVAL);
	assert_int_equal(ip_addr_parse("192.0.2.1/32", &a), -EINVAL);
}

static void prefixes_compared(void **state)
{
	struct prefix p = prefix_of("10.0.0.0/8"), q = prefix_of("10.255.0.0/16"), made;
	struct prefix six = prefix_of("a00::/8"); /* the same bits */
	uint8_t bytes[] = {10, 255, 129, 77};

	(void)state;
	assert_true(prefix_covers(&p, &q));
	assert_true(prefix_covers(&p, &p));
	assert_false(prefix_covers(&q, &p));
	assert_false(prefix_covers(&p, &six));
	assert_false(prefix_equal(&p, &six));
	assert_true(prefix_hash(&p) != prefix_hash(&six));
	q = prefix_of("11.0.0.0/16");
	assert_false(prefix_covers(&p, &q));
	p = prefix_of("0.0.0.0/0");
	assert_true(prefix_covers(&p, &q));
	made = prefix_make(AF_INET, bytes, 17);
	p = prefix_of("10.255.128.0/17");
	assert_true(prefix_equal(&made, &p));
	assert_true(prefix_hash(&made) == prefix_hash(&p));
	made = prefix_make(AF_INET, bytes, 32);
	p = prefix_of("10.255.129.77/32");
	assert_true(prefix_equal(&made, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_in_text),
		cmocka_unit_test(prefixes_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
