/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror's hash table: what it holds, that it grows and shrinks in small steps, and the walk that
 * pauses while it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../router/kernel/hash.h"

#define N 20000u

struct item {
	struct hash_node node;
	bool there;
	unsigned met;
};

static struct item items[N];
static struct hash table;

/* Every 16th has the hash of the one before it. */
static uint64_t hash_of(unsigned i)
{
	if (i % 16 == 15)
		i--;
	return hash_bytes(1, &i, sizeof(i));
}

static void add(unsigned i)
{
	hash_add(&table, &items[i].node, hash_of(i));
	items[i].there = true;
}

static void del(unsigned i)
{
	hash_del(&table, &items[i].node);
	items[i].there = false;
}

static bool found(unsigned i)
{
	struct hash_node *node = hash_find(&table, hash_of(i));

	while (node && node != &items[i].node)
		node = hash_find_next(node);
	return node;
}

static void check_all(void)
{
	struct hash_node *node = NULL;
	size_t there = 0, met = 0;

	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(found(i), items[i].there);
		there += items[i].there;
		items[i].met = 0;
	}
	assert_int_equal(table.count, there);
	while ((node = hash_walk(&table, node))) {
		struct item *item = CONTAINER(node, struct item, node);

		assert_true(item->there);
		assert_int_equal(item->met++, 0);
		met++;
	}
	assert_int_equal(met, there);
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++)
		items[i] = (struct item){0};
	return hash_init(&table);
}

static int teardown(void **state)
{
	(void)state;
	hash_fini(&table);
	return 0;
}

static void test_grows_by_a_bucket_at_a_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++) {
		size_t before = table.n;

		add(i);
		assert_true(table.n - before <= 1);
		assert_true(table.n >= table.count);
		if ((i & (i - 1)) == 0)
			check_all();
	}
	check_all();
}

static void test_shrinks_and_keeps_what_is_there(void **state)
{
	size_t large;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		add(i);
	large = table.n;
	hash_trim(&table);
	assert_int_equal(table.n, large);
	for (unsigned i = 0; i < N; i++)
		if (i % 100)
			del(i);
	for (unsigned i = 0; i < 20; i++)
		hash_trim(&table);
	assert_true(table.n <= 8 * table.count);
	assert_true(table.room < 4 * table.n);
	check_all();
	for (unsigned i = 0; i < N; i++)
		if (i % 100)
			add(i);
	check_all();
}

/* Goes on with a walk for some chains. */
static uint64_t visit(uint64_t place, unsigned chains)
{
	while (chains-- && place < HASH_PLACE_END) {
		uint64_t from = place;
		struct hash_node *node = hash_visit(&table, &place);

		assert_true(place > from);
		for (; node; node = node->next)
			if (!hash_is_before(node, from))
				CONTAINER(node, struct item, node)->met++;
	}
	return place;
}

/* Nodes 0 to 99 stay; the others come and go while the walk pauses, by ten and by thousands. */
static void test_paused_walk_meets_what_stays_once(void **state)
{
	uint64_t place;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add(i);
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < N; i++)
			items[i].met = 0;
		place = visit(0, 1 + round % 7);
		for (unsigned turn = 0; place < HASH_PLACE_END; turn++) {
			unsigned many = round % 2 ? N : 110;

			for (unsigned i = 100; i < many && turn % 16 == 3; i++)
				add(i);
			for (unsigned i = 100; i < many && turn % 16 == 9; i++)
				if (items[i].there)
					del(i);
			hash_trim(&table);
			place = visit(place, 1 + (turn + round) % 50);
		}
		for (unsigned i = 0; i < N; i++) {
			if (i < 100)
				assert_int_equal(items[i].met, 1);
			else
				assert_true(items[i].met <= 8);
			if (i >= 100 && items[i].there)
				del(i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grows_by_a_bucket_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shrinks_and_keeps_what_is_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_paused_walk_meets_what_stays_once, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
