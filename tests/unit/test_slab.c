/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for objects of one size: each its own, zeroed, and given back to the system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../router/kernel/slab.h"

#define N 200000u
#define SIZE 90u

static unsigned char *objects[N];

/* Of the process, in bytes. */
static long address_space(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld", &pages), 1);
	fclose(f);
	return pages * 4096;
}

static void take(struct slab *s, unsigned i)
{
	static const unsigned char zeroes[SIZE];

	objects[i] = slab_take(s);
	assert_non_null(objects[i]);
	assert_int_equal((uintptr_t)objects[i] % 8, 0);
	assert_memory_equal(objects[i], zeroes, SIZE);
	memset(objects[i], (int)(i % 251), SIZE);
}

static void give(struct slab *s, unsigned i)
{
	for (unsigned b = 0; b < SIZE; b++)
		assert_int_equal(objects[i][b], i % 251);
	slab_give(s, objects[i]);
	objects[i] = NULL;
}

static void test_comes_and_goes(void **state)
{
	struct slab s;
	long before;

	(void)state;
	slab_init(&s, SIZE);
	before = address_space();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < N; i++)
			if (!objects[i])
				take(&s, i);
		assert_true(address_space() - before >= (long)(N * SIZE));
		/* Every other one and back, then all but a few in a row. */
		for (unsigned i = 0; i < N; i += 2)
			give(&s, i);
		for (unsigned i = 0; i < N; i += 2)
			take(&s, i);
		assert_true(address_space() - before <= (long)(N * (SIZE + 6) * 11 / 10));
		for (unsigned i = 10; i < N; i++)
			give(&s, i);
		assert_true(address_space() - before <= 3l << 20);
	}
	slab_fini(&s);
	memset(objects, 0, sizeof(objects));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
