/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator of routing tables: what it makes is like a real table. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../bench/routes/routes.h"
#include "tables_help.h"

/* What `routes --stats` says of a default-free table of January 2024 (901,899 IPv4 and 160,147 IPv6
 * prefixes), as far as it decides about the size of tries and how deep lookups go. */
struct expected {
	unsigned value; /* a length, or how many cover one */
	uint32_t count;
};

static const struct expected lengths4[] = {
	{8, 16},     {12, 299},	  {16, 13490},	{17, 8235},  {18, 13798},  {19, 24870},
	{20, 42611}, {21, 50750}, {22, 108623}, {23, 96510}, {24, 537698}, {32, 886},
};
static const struct expected lengths6[] = {
	{20, 16},   {28, 193},	 {29, 4371},  {32, 22548},
	{36, 5996}, {40, 13418}, {44, 14365}, {48, 75488},
};
static const struct expected depths4[] = {{0, 444690}, {1, 323522}, {2, 97358}, {3, 26178}};
static const struct expected depths6[] = {{0, 69056}, {1, 60401}, {2, 24200}, {3, 5506}};

/* Ranges with longer prefixes inside: blocks. */
static const struct expected occupied4[] = {
	{8, 215}, {12, 2928}, {16, 25398}, {20, 140640}, {22, 248380}, {24, 451},
};
static const struct expected occupied6[] = {
	{20, 610}, {24, 7224}, {28, 18708}, {32, 10906}, {40, 19078}, {48, 104},
};

#define SIBLINGS4 632476u
#define SIBLINGS6 92142u

static void check_count(const char *what, unsigned value, uint32_t got, uint32_t want,
			unsigned percent)
{
	/* What there are few of is a matter of luck. */
	uint32_t slack = want * (uint64_t)percent / 100 + 30;

	if (got > want + slack || got + slack < want)
		fail_msg("%s %u: %u, real %u", what, value, got, want);
}

#define CHECK(what, field, table, percent)                                   \
	for (unsigned i_ = 0; i_ < sizeof(table) / sizeof((table)[0]); i_++) \
	check_count(what, (table)[i_].value, (field)[(table)[i_].value], (table)[i_].count, percent)

static void full_table_is_like_a_real_one(void **state)
{
	static struct routes_stats s;
	struct routes r;

	(void)state;
	assert_int_equal(routes_generate(&r, 1, ROUTES_FULL4, ROUTES_FULL6), 0);
	assert_int_equal(routes_stats(&r, AF_INET, &s), 0);
	assert_int_equal(s.n, ROUTES_FULL4);
	assert_int_equal(s.duplicates, 0);
	CHECK("IPv4 length", s.length, lengths4, 20);
	CHECK("IPv4 covered by", s.depth, depths4, 15);
	CHECK("IPv4 occupied", s.occupied, occupied4, 10);
	check_count("IPv4 siblings", 0, s.siblings, SIBLINGS4, 10);
	assert_int_equal(routes_stats(&r, AF_INET6, &s), 0);
	assert_int_equal(s.n, ROUTES_FULL6);
	assert_int_equal(s.duplicates, 0);
	CHECK("IPv6 length", s.length, lengths6, 35);
	CHECK("IPv6 covered by", s.depth, depths6, 40);
	CHECK("IPv6 occupied", s.occupied, occupied6, 10);
	check_count("IPv6 siblings", 0, s.siblings, SIBLINGS6, 10);
	routes_free(&r);
}

static bool forbidden(const struct prefix *p)
{
	static const char *const never[] = {"0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8",
					    "224.0.0.0/3"};
	struct prefix all6 = prefix_of("2000::/3");
	unsigned i;

	if (p->family == AF_INET6)
		return !prefix_covers(&all6, p);
	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		struct prefix n = prefix_of(never[i]);

		if (prefix_covers(&n, p))
			return true;
	}
	return false;
}

/* Well-formed, none twice, none in space that nobody has; a small table nests like a full one. */
static void small_tables(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 10, 1000, 20000};
	static struct routes_stats s;
	struct routes r;
	uint32_t i, j;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(routes_generate(&r, i, sizes[i], sizes[i] / 2), 0);
		assert_int_equal(r.n4, sizes[i]);
		assert_int_equal(r.n6, sizes[i] / 2);
		for (j = 0; j < r.n4 + r.n6; j++) {
			const struct prefix *p = &r.list[j];
			struct prefix made = prefix_make(p->family, p->bytes, p->len);

			assert_true(prefix_equal(p, &made));
			assert_int_equal(p->family, j < r.n4 ? AF_INET : AF_INET6);
			assert_false(forbidden(p));
		}
		assert_int_equal(routes_stats(&r, AF_INET, &s), 0);
		assert_int_equal(s.n, sizes[i]);
		/* Half of a real table's are not covered; here, some covers are cut off. */
		if (sizes[i] == 20000)
			check_count("covered by", 0, s.depth[0], 9861, 30);
		routes_free(&r);
	}
	assert_int_equal(routes_generate(&r, 1, ROUTES_FULL4 + 1, 0), -EINVAL);
	assert_int_equal(routes_generate(&r, 1, 0, ROUTES_FULL6 + 1), -EINVAL);
}

static void same_seed_same_table(void **state)
{
	struct routes a, b, c;
	size_t bytes = 3000 * sizeof(*a.list);

	(void)state;
	assert_int_equal(routes_generate(&a, 5, 2000, 1000), 0);
	assert_int_equal(routes_generate(&b, 5, 2000, 1000), 0);
	assert_int_equal(routes_generate(&c, 6, 2000, 1000), 0);
	assert_memory_equal(a.list, b.list, bytes);
	assert_true(memcmp(a.list, c.list, bytes));
	routes_shuffle(&a, 7);
	assert_true(memcmp(a.list, b.list, bytes));
	routes_shuffle(&b, 7);
	assert_memory_equal(a.list, b.list, bytes);
	/* Families stay apart, and a prefix's next hop is its own wherever it is. */
	assert_int_equal(a.list[1999].family, AF_INET);
	assert_int_equal(a.list[2000].family, AF_INET6);
	assert_int_equal(routes_nexthop(&a.list[9], 3, 255), routes_nexthop(&b.list[9], 3, 255));
	routes_free(&a);
	routes_free(&b);
	routes_free(&c);
}

static void nexthops_are_spread(void **state)
{
	uint32_t count[16] = {0}, i;
	struct routes r;

	(void)state;
	assert_int_equal(routes_generate(&r, 1, 16000, 0), 0);
	for (i = 0; i < r.n4; i++)
		count[routes_nexthop(&r.list[i], 1, 16)]++;
	for (i = 0; i < 16; i++)
		check_count("next hop", i, count[i], 1000, 15);
	routes_free(&r);
}

/* ---- statistics and reading ---- */

static int read_text(const char *text, struct routes *r, char error[ROUTES_ERROR_MAX])
{
	char path[] = "/tmp/test_routes.XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = routes_read(r, path, error);
	unlink(path);
	return err;
}

static void statistics_of_a_known_table(void **state)
{
	static struct routes_stats s;
	char error[ROUTES_ERROR_MAX];
	struct routes r;

	(void)state;
	assert_int_equal(read_text("192.0.2.0/24\n192.0.3.0/24\n192.0.4.0/24\n192.0.2.0/24\n"
				   "192.0.0.0/16\n192.0.2.0/25\n192.0.2.128/25\n0.0.0.0/0\n",
				   &r, error),
			 0);
	assert_int_equal(routes_stats(&r, AF_INET, &s), 0);
	routes_free(&r);
	assert_int_equal(s.n, 7);
	assert_int_equal(s.duplicates, 1);
	assert_int_equal(s.length[24], 3);
	assert_int_equal(s.depth[0], 1); /* the default */
	assert_int_equal(s.depth[1], 1);
	assert_int_equal(s.depth[2], 3);
	assert_int_equal(s.depth[3], 2);
	assert_int_equal(s.occupied[0], 1);
	assert_int_equal(s.occupied[23], 2);
	assert_int_equal(s.occupied[24], 1);
	assert_int_equal(s.occupied[25], 0);
	assert_int_equal(s.siblings, 4); /* 2 and 3; both /25 */
	assert_int_equal(s.run[0], 2);	 /* the default, the /16 */
	assert_int_equal(s.run[1], 2);	 /* 2 to 4; both /25 */
}

static void reads_what_people_write(void **state)
{
	char error[ROUTES_ERROR_MAX], text[PREFIX_STRLEN];
	struct routes r;

	(void)state;
	assert_int_equal(read_text("# a table\r\n2001:db8::/32\r\n\r\n  192.0.2.0/24\t# one\r\n"
				   "10.0.0.0/8",
				   &r, error),
			 0);
	assert_int_equal(r.n4, 2);
	assert_int_equal(r.n6, 1);
	assert_string_equal(prefix_print(&r.list[0], text), "192.0.2.0/24");
	assert_string_equal(prefix_print(&r.list[1], text), "10.0.0.0/8");
	assert_string_equal(prefix_print(&r.list[2], text), "2001:db8::/32");
	routes_free(&r);
	assert_int_equal(read_text("", &r, error), 0);
	assert_int_equal(r.n4 + r.n6, 0);
	routes_free(&r);
}

static void says_what_is_wrong_and_where(void **state)
{
	char error[ROUTES_ERROR_MAX];
	struct routes r;

	(void)state;
	assert_int_equal(read_text("192.0.2.0/24\n\n192.0.2.1/24\n", &r, error), -EINVAL);
	assert_non_null(strstr(error, ":3: \"192.0.2.1/24\""));
	assert_int_equal(read_text("192.0.2.0/24 via 10.0.0.1\n", &r, error), -EINVAL);
	assert_non_null(strstr(error, ":1: "));
	assert_int_equal(routes_read(&r, "/nonexistent/table", error), -ENOENT);
	assert_string_equal(error, "/nonexistent/table: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_table_is_like_a_real_one),
		cmocka_unit_test(small_tables),
		cmocka_unit_test(same_seed_same_table),
		cmocka_unit_test(nexthops_are_spread),
		cmocka_unit_test(statistics_of_a_known_table),
		cmocka_unit_test(reads_what_people_write),
		cmocka_unit_test(says_what_is_wrong_and_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
