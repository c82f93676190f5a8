/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions and pools; with -Downership=true also that each wrong hand-over of a buffer aborts. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <peerlane/memory.h>

#define N_BUFS 300u

static void test_error_formats_and_truncates(void **state)
{
	struct pl_error err;
	char longer[400];

	(void)state;
	assert_int_equal(pl_error_set(&err, -ENODEV, "do %s", "%s: no such device", "eth9"),
			 -ENODEV);
	assert_string_equal(err.what, "eth9: no such device");
	assert_string_equal(err.remedy, "do %s"); /* not a format */
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	assert_int_equal(pl_error_set(&err, -EIO, NULL, "%s", longer), -EIO);
	assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
	assert_string_equal(err.remedy, "");
	assert_int_equal(pl_error_set(NULL, -EIO, NULL, "x"), -EIO);
}

static long huge_pages(const char *which)
{
	char path[128];
	long n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", which);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &n) != 1)
		n = 0;
	if (file)
		fclose(file);
	return n;
}

/* Pages of the process that are in memory, by /proc/self/statm. */
static long resident_pages(void)
{
	long total, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
	fclose(file);
	return resident;
}

static void test_region(void **state)
{
	struct pl_region region;
	struct pl_error err;
	bool may_be_huge = huge_pages("free_hugepages") + huge_pages("nr_overcommit_hugepages") > 0;
	long before = resident_pages();
	size_t len = 3 * 1000 * 1000;

	(void)state;
	assert_int_equal(pl_region_alloc(&region, len, &err), 0);
	assert_true(region.len_bytes >= len);
	assert_int_equal(region.len_bytes % region.page_bytes, 0);
	assert_int_equal((uintptr_t)region.base % region.page_bytes, 0);
	if (!may_be_huge) {
		/* The fallback: visible, and populated all the same. */
		assert_int_equal(region.page_bytes, sysconf(_SC_PAGESIZE));
		assert_true(resident_pages() - before >= (long)(len / region.page_bytes));
	}
	memset(region.base, 0xa5, region.len_bytes);
	pl_region_free(&region);
	assert_null(region.base);
	pl_region_free(&region); /* accepts a zeroed one */
}

static void test_region_refuses(void **state)
{
	struct pl_region region;
	struct pl_error err;

	(void)state;
	assert_int_equal(pl_region_alloc(&region, 0, &err), -EINVAL);
	assert_int_equal(pl_region_alloc(&region, (size_t)1 << 32, &err), -EINVAL);
	assert_non_null(strstr(err.what, "4294967296"));
	assert_null(region.base);
}

static void pool_make(struct pl_pool *pool, uint32_t n_bufs)
{
	struct pl_error err;

	assert_int_equal(pl_pool_init(pool, n_bufs, 2048, &err), 0);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void test_pool_hands_out_each_buffer_once(void **state)
{
	struct pl_pool pool;
	uint32_t frames[N_BUFS + 1];

	(void)state;
	pool_make(&pool, N_BUFS);
	assert_int_equal(pl_pool_frame_max(&pool), 2048 - 258);
	assert_int_equal(pl_pool_get(&pool, frames, 100, PL_OWNER_BURST), 100);
	assert_int_equal(pl_pool_get(&pool, frames + 100, N_BUFS, PL_OWNER_BURST), N_BUFS - 100);
	assert_int_equal(pl_pool_get(&pool, frames + N_BUFS, 1, PL_OWNER_BURST), 0);
	qsort(frames, N_BUFS, sizeof(frames[0]), compare_u32);
	for (uint32_t i = 0; i < N_BUFS; i++) {
		assert_int_equal(frames[i], i * 2048 + PL_FRAME_OFFSET);
		memset(pl_pool_data(&pool, frames[i]), (int)i, pl_pool_frame_max(&pool));
	}
	/* Given back from anywhere inside, they come out at the same place again. */
	for (uint32_t i = 0; i < N_BUFS; i++)
		frames[i] += i;
	pl_pool_put(&pool, frames, N_BUFS, PL_OWNER_BURST);
	assert_int_equal(pool.n_free, N_BUFS);
	assert_int_equal(pl_pool_get(&pool, frames, N_BUFS, PL_OWNER_BURST), N_BUFS);
	for (uint32_t i = 0; i < N_BUFS; i++)
		assert_int_equal(frames[i] % 2048, PL_FRAME_OFFSET);
	pl_pool_reset(&pool);
	assert_int_equal(pool.n_free, N_BUFS);
	pl_pool_fini(&pool);
}

static void test_pool_refuses(void **state)
{
	struct pl_pool pool;
	struct pl_error err;

	(void)state;
	assert_int_equal(pl_pool_init(&pool, 0, 2048, &err), -EINVAL);
	assert_int_equal(pl_pool_init(&pool, 10, 1024, &err), -EINVAL);
	assert_int_equal(pl_pool_init(&pool, 10, 8192, &err), -EINVAL);
	assert_non_null(strstr(err.remedy, "2048, 4096 or 16384"));
	assert_int_equal(pl_pool_init(&pool, 10, 16384, &err), 0);
	assert_int_equal(pl_pool_frame_max(&pool), 16384 - 258);
	pl_pool_fini(&pool);
	assert_int_equal(pl_pool_init(&pool, 1u << 20, 4096, &err), -EINVAL); /* 4 GiB */
	assert_null(pool.stack);
	pl_pool_fini(&pool);
}

/* ---- pools of two parts ---- */

#define N_REMOTE ((uint32_t)(PL_REMOTE_GRAIN / 2048))

static const struct pl_remote remote = {
	.len_bytes = PL_REMOTE_GRAIN, .page_bytes = 4096, .dmabuf_fd = -1};

static void parts_make(struct pl_pool *pool)
{
	struct pl_error err;

	assert_int_equal(pl_pool_init_remote(pool, &remote, N_BUFS, 2048, &err), 0);
}

/* Each part's buffers come out once, from its own getter, and go back to where they belong, whatever the order. */
static void test_parts_keep_apart(void **state)
{
	static uint32_t frames[N_REMOTE + N_BUFS + 1];
	uint32_t *own = frames + N_REMOTE;
	struct pl_pool pool;

	(void)state;
	parts_make(&pool);
	assert_int_equal(pool.n_bufs, N_REMOTE + N_BUFS);
	assert_ptr_equal(pool.region.base, pool.base + PL_REMOTE_GRAIN);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(pl_pool_free(&pool), N_REMOTE + N_BUFS);
		assert_int_equal(pl_pool_get_rx(&pool, frames, N_REMOTE + 1, PL_OWNER_RX_RING),
				 N_REMOTE);
		assert_int_equal(pl_pool_get_rx(&pool, own, 1, PL_OWNER_RX_RING), 0);
		assert_int_equal(pl_pool_free(&pool), N_BUFS);
		assert_int_equal(pl_pool_get(&pool, own, N_BUFS + 1, PL_OWNER_RX_RING), N_BUFS);
		assert_int_equal(pl_pool_free(&pool), 0);
		qsort(frames, N_REMOTE, sizeof(frames[0]), compare_u32);
		qsort(own, N_BUFS, sizeof(frames[0]), compare_u32);
		for (uint32_t i = 0; i < N_REMOTE + N_BUFS; i++) {
			assert_int_equal(frames[i], i * 2048 + PL_FRAME_OFFSET);
			assert_int_equal(pl_pool_is_remote(&pool, frames[i]), i < N_REMOTE);
		}
		for (uint32_t i = 0; i < N_BUFS; i++)
			memset(pl_pool_data(&pool, own[i]), (int)i, pl_pool_frame_max(&pool));
		/* Mixed, from anywhere inside. */
		for (uint32_t i = 0; i < N_BUFS; i++) {
			uint32_t mixed[2] = {frames[i] + i, own[i] - i % PL_FRAME_OFFSET};

			pl_pool_put(&pool, mixed, 2, PL_OWNER_RX_RING);
			assert_int_equal(pool.n_free, i + 1);
			assert_int_equal(pool.n_remote_free, i + 1);
		}
		pl_pool_put(&pool, frames + N_BUFS, N_REMOTE - N_BUFS, PL_OWNER_RX_RING);
	}
	assert_int_equal(pl_pool_get_rx(&pool, frames, 5, PL_OWNER_BURST), 5);
	assert_int_equal(pl_pool_get(&pool, own, 7, PL_OWNER_BURST), 7);
	pl_pool_reset(&pool);
	assert_int_equal(pool.n_remote_free, N_REMOTE);
	assert_int_equal(pool.n_free, N_BUFS);
	pl_pool_fini(&pool);
}

/* Runs of one part go there in their order, from anywhere inside, and with one of the other among them. */
static void test_parts_in_runs(void **state)
{
	uint32_t far[N_BUFS], own[N_BUFS], put[N_BUFS + 1], got[N_BUFS];
	struct pl_pool pool;

	(void)state;
	parts_make(&pool);
	assert_int_equal(pl_pool_get_rx(&pool, far, N_BUFS, PL_OWNER_BURST), N_BUFS);
	assert_int_equal(pl_pool_get(&pool, own, N_BUFS, PL_OWNER_BURST), N_BUFS);
	for (uint32_t i = 0; i < N_BUFS; i++)
		put[i] = far[i] + i;
	pl_pool_put(&pool, put, N_BUFS, PL_OWNER_BURST);
	assert_int_equal(pool.n_remote_free, N_REMOTE);
	assert_int_equal(pool.n_free, 0);
	for (uint32_t i = 0; i < N_BUFS; i++)
		put[i] = own[i] + i;
	pl_pool_put(&pool, put, N_BUFS, PL_OWNER_BURST);
	assert_int_equal(pool.n_remote_free, N_REMOTE);
	assert_int_equal(pool.n_free, N_BUFS);
	assert_int_equal(pl_pool_get_rx(&pool, got, N_BUFS, PL_OWNER_BURST), N_BUFS);
	assert_memory_equal(got, far, sizeof(got));
	assert_int_equal(pl_pool_get(&pool, got, N_BUFS, PL_OWNER_BURST), N_BUFS);
	assert_memory_equal(got, own, sizeof(got));
	memcpy(put, far, sizeof(far));
	put[N_BUFS] = own[0];
	pl_pool_put(&pool, put, N_BUFS + 1, PL_OWNER_BURST);
	assert_int_equal(pool.n_remote_free, N_REMOTE);
	assert_int_equal(pool.n_free, 1);
	assert_int_equal(pl_pool_get_rx(&pool, got, N_BUFS, PL_OWNER_BURST), N_BUFS);
	assert_memory_equal(got, far, sizeof(got));
	assert_int_equal(pl_pool_get(&pool, got, 1, PL_OWNER_BURST), 1);
	assert_int_equal(got[0], own[0]);
	pl_pool_fini(&pool);
}

/* A pool without a first part gives devices what it has. */
static void test_one_part_receives(void **state)
{
	struct pl_pool pool;
	uint32_t frame;

	(void)state;
	pool_make(&pool, 2);
	assert_int_equal(pl_pool_get_rx(&pool, &frame, 1, PL_OWNER_RX_RING), 1);
	assert_false(pl_pool_is_remote(&pool, frame));
	*pl_pool_data(&pool, frame) = 1;
	assert_int_equal(pl_pool_free(&pool), 1);
	pl_pool_put(&pool, &frame, 1, PL_OWNER_RX_RING);
	pl_pool_fini(&pool);
}

/* In a child. Returns the signal that it died of, or 0. */
static int dies_of(uint8_t *at, bool write)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		volatile uint8_t *byte = at;

		signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would exit */
		if (write)
			*byte = 1;
		else
			(void)*byte;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_touch_is_death(void **state)
{
	struct pl_pool pool;
	uint8_t *first, *behind;

	(void)state;
	parts_make(&pool);
	first = pool.base;
	behind = first + PL_REMOTE_GRAIN;
	for (unsigned write = 0; write < 2; write++) {
		assert_int_equal(dies_of(first, write), SIGSEGV);
		assert_int_equal(dies_of(first + PL_REMOTE_GRAIN / 2 + 777, write), SIGSEGV);
		assert_int_equal(dies_of(behind - 1, write), SIGSEGV);
		assert_int_equal(dies_of(behind, write), 0);
		assert_int_equal(dies_of(behind + N_BUFS * 2048 - 1, write), 0);
	}
	pl_pool_fini(&pool);
	/* All of it is given back. */
	assert_int_equal(madvise(first, PL_REMOTE_GRAIN, MADV_NORMAL), -1);
	assert_int_equal(errno, ENOMEM);
}

static void test_parts_refuse(void **state)
{
	struct pl_remote other = remote;
	struct pl_pool pool;
	struct pl_error err = {"", ""};

	(void)state;
	other.len_bytes = PL_REMOTE_GRAIN + 4096;
	assert_int_equal(pl_pool_init_remote(&pool, &other, 1, 2048, &err), -EINVAL);
	assert_non_null(strstr(err.what, "2101248 bytes of an accelerator's memory"));
	other.len_bytes = 0;
	assert_int_equal(pl_pool_init_remote(&pool, &other, 1, 2048, &err), -EINVAL);
	assert_int_equal(pl_pool_init_remote(&pool, &remote, 0, 2048, &err), -EINVAL);
	assert_int_equal(pl_pool_init_remote(&pool, &remote, 1, 1000, &err), -EINVAL);
	/* Offsets have 32 bits, for both parts together. */
	other.len_bytes = ((size_t)1 << 32) - PL_REMOTE_GRAIN;
	assert_int_equal(pl_pool_init_remote(&pool, &other, N_REMOTE, 2048, &err), -EINVAL);
	assert_non_null(strstr(err.what, "4294967296 bytes"));
	other.len_bytes = (size_t)1 << 40;
	assert_int_equal(pl_pool_init_remote(&pool, &other, 1, 2048, &err), -EINVAL);
	assert_null(pool.base);
	pl_pool_fini(&pool);
}

#ifdef PL_DEBUG_OWNERSHIP
/* Runs `crime` in a child: it must abort, and name buffer 7 as it does. */
static void must_abort(void (*crime)(struct pl_pool *pool, uint32_t frame))
{
	struct pl_pool pool;
	char message[256] = "";
	int pipe_fd[2];
	int status;
	pid_t child;

	pool_make(&pool, 8);
	assert_int_equal(pipe(pipe_fd), 0);
	child = fork();
	if (child == 0) {
		uint32_t frame; /* the last of the stack: buffer 7 */

		signal(SIGABRT, SIG_DFL);
		dup2(pipe_fd[1], STDERR_FILENO);
		pl_pool_get(&pool, &frame, 1, PL_OWNER_BURST);
		crime(&pool, frame);
		_exit(0);
	}
	close(pipe_fd[1]);
	assert_true(read(pipe_fd[0], message, sizeof(message) - 1) >= 0);
	close(pipe_fd[0]);
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(message, "buffer 7"));
	pl_pool_fini(&pool);
}

static void put_twice(struct pl_pool *pool, uint32_t frame)
{
	pl_pool_put(pool, &frame, 1, PL_OWNER_BURST);
	pl_pool_put(pool, &frame, 1, PL_OWNER_BURST);
}

static void put_while_sending(struct pl_pool *pool, uint32_t frame)
{
	pl_pool_move(pool, &frame, 1, PL_OWNER_BURST, PL_OWNER_TX_RING);
	pl_pool_put(pool, &frame, 1, PL_OWNER_BURST);
}

static void send_twice(struct pl_pool *pool, uint32_t frame)
{
	pl_pool_move(pool, &frame, 1, PL_OWNER_BURST, PL_OWNER_TX_RING);
	pl_pool_move(pool, &frame, 1, PL_OWNER_BURST, PL_OWNER_TX_RING);
}

/* Of a pool's first part, whose buffers nobody could look at: they are kept account of all the same. */
static void remote_put_twice(struct pl_pool *pool, uint32_t frame)
{
	struct pl_pool parts;

	(void)pool, (void)frame;
	parts_make(&parts);
	for (unsigned i = 0; i < 8; i++) /* no more than buffer 7 */
		parts.remote_stack[i] = (7 - i) * 2048 + PL_FRAME_OFFSET;
	parts.n_remote_free = 1;
	pl_pool_get_rx(&parts, &frame, 1, PL_OWNER_BURST);
	pl_pool_put(&parts, &frame, 1, PL_OWNER_BURST);
	pl_pool_put(&parts, &frame, 1, PL_OWNER_BURST);
}

static void one_in_two_places(struct pl_pool *pool, uint32_t frame)
{
	uint32_t twice[2] = {frame, frame + 64};

	pl_pool_put(pool, twice, 2, PL_OWNER_BURST);
}

static void test_wrong_hand_overs_abort(void **state)
{
	(void)state;
	must_abort(put_twice);
	must_abort(put_while_sending);
	must_abort(send_twice);
	must_abort(one_in_two_places);
	must_abort(remote_put_twice);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_formats_and_truncates),
		cmocka_unit_test(test_region),
		cmocka_unit_test(test_region_refuses),
		cmocka_unit_test(test_pool_hands_out_each_buffer_once),
		cmocka_unit_test(test_pool_refuses),
		cmocka_unit_test(test_parts_keep_apart),
		cmocka_unit_test(test_parts_in_runs),
		cmocka_unit_test(test_one_part_receives),
		cmocka_unit_test(test_touch_is_death),
		cmocka_unit_test(test_parts_refuse),
#ifdef PL_DEBUG_OWNERSHIP
		cmocka_unit_test(test_wrong_hand_overs_abort),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
