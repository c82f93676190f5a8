/* SPDX-License-Identifier: BSD-2-Clause */
/* What moves emulated NICs' packets to and from a GPU's memory, over a stand-in for NVIDIA's driver (cuda_stand_in.h):
 * each piece gets where it belongs and nothing else is touched, faults are told and got over. The program that moves
 * them is the GPU's own source, compiled for the host: what a GPU makes of it is not shown by this. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../lib/accel/cuda_copier.h"
#include "cuda_stand_in.h"

#define MEMORY_BYTES PL_REMOTE_GRAIN
#define WORD 16u

static struct cuda_stand_in *gpu, fresh;
static struct cuda_api api;
static uint8_t *memory, *wanted; /* the GPU's, and what it is to be */
static uint8_t *staging, *wanted_staging;
static struct pl_remote remote;
static struct cuda_copier *copier;
static uint64_t moved_to, moved_from;

static int setup(void **state)
{
	struct pl_error err;

	(void)state;
	*gpu = fresh;
	assert_int_equal(cuda_api_load(&api, &err), 0);
	memory = aligned_alloc(4096, MEMORY_BYTES);
	wanted = malloc(MEMORY_BYTES);
	wanted_staging = malloc(PL_REMOTE_STAGING);
	remote = (struct pl_remote){.len_bytes = MEMORY_BYTES,
				    .device = (uint64_t)(uintptr_t)memory};
	moved_to = moved_from = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	free(wanted);
	free(wanted_staging);
	return 0;
}

static void copier_open(void)
{
	struct pl_error err;

	if (cuda_copier_new(&copier, &api, 0, &remote, &err))
		fail_msg("%s", err.what);
	staging = cuda_copier_staging(copier);
}

static void copier_close(void)
{
	cuda_copier_free(copier);
	assert_int_equal(gpu->contexts, 0);
	assert_int_equal(gpu->allocations, 0);
}

/* A multiple of 8. */
static void fill(uint8_t *bytes, size_t n)
{
	static uint64_t word = 1;

	for (size_t i = 0; i < n; i += 8) {
		word = word * 6364136223846793005u + 1442695040888963407u;
		memcpy(bytes + i, &word, 8);
	}
}

/* Pieces of all lengths, one after the other, some words apart, in a random half of the directions. Those that are
 * written to the GPU's memory lie in the order of the staging memory, too. Returns how many. */
static unsigned make_pieces(struct pl_remote_copy *pieces, unsigned n, uint32_t longest)
{
	size_t here = 0, there = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t inside = (uint32_t)rand() % WORD, len = 1 + (uint32_t)rand() % longest;
		size_t room = (inside + len + WORD - 1) / WORD * WORD;

		if (here + room > PL_REMOTE_STAGING || there + room + 64 > MEMORY_BYTES)
			return i;
		pieces[i] = (struct pl_remote_copy){.staging = staging + here + inside,
						    .offset = (uint32_t)there + inside,
						    .len_bytes = len,
						    .write = rand() % 2};
		here += room;
		there += room + (size_t)(rand() % 4) * WORD;
	}
	return n;
}

/* Does to the copies what is to become of the originals: whole words. */
static void expect(const struct pl_remote_copy *pieces, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct pl_remote_copy *p = &pieces[i];
		uint32_t before = p->offset % WORD;
		size_t bytes = (before + p->len_bytes + WORD - 1) / WORD * WORD;
		uint8_t *gpus = wanted + p->offset - before;
		uint8_t *hosts = wanted_staging + (p->staging - staging) - before;

		memcpy(p->write ? gpus : hosts, p->write ? hosts : gpus, bytes);
		*(p->write ? &moved_to : &moved_from) += bytes;
		moved_to += WORD;
	}
}

static void move_some(unsigned n, uint32_t longest)
{
	static struct pl_remote_copy pieces[PL_REMOTE_COPIES_MAX];

	fill(memory, MEMORY_BYTES);
	fill(staging, PL_REMOTE_STAGING);
	memcpy(wanted, memory, MEMORY_BYTES);
	memcpy(wanted_staging, staging, PL_REMOTE_STAGING);
	n = make_pieces(pieces, n, longest);
	expect(pieces, n);
	assert_int_equal(cuda_copier_copy(copier, pieces, n), 0);
	assert_memory_equal(memory, wanted, MEMORY_BYTES);
	assert_memory_equal(staging, wanted_staging, PL_REMOTE_STAGING);
}

static void test_pieces(void **state)
{
	static const unsigned numbers[] = {1, 2, 31, 63, 64, 255, 256, 1023, 1024};
	static const uint32_t longest[] = {1, 60, 64, 240, 300, 1518, 15872};
	struct pl_accel_moved moved;
	unsigned batches = 0;

	(void)state;
	copier_open();
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		for (unsigned k = 0; k < sizeof(longest) / sizeof(longest[0]); k++, batches++)
			move_some(numbers[i], longest[k]);
	cuda_copier_moved(copier, &moved);
	assert_int_equal(moved.batches, batches);
	assert_int_equal(moved.bytes_to, moved_to);
	assert_int_equal(moved.bytes_from, moved_from);
	assert_int_equal(gpu->copies, batches + 1);
	copier_close();
}

/* What is in no memory of its. */
static void refuse_piece(uint32_t offset, size_t at, uint32_t len)
{
	struct pl_remote_copy piece = {staging + at, offset, len, true};
	unsigned before = gpu->copies;

	assert_int_equal(cuda_copier_copy(copier, &piece, 1), -EIO);
	assert_int_equal(gpu->copies, before);
}

static void test_outside(void **state)
{
	(void)state;
	copier_open();
	refuse_piece(MEMORY_BYTES - 16, 0, 17);
	refuse_piece(MEMORY_BYTES, 0, 1);
	refuse_piece(0, PL_REMOTE_STAGING - 16, 17);
	refuse_piece(0, PL_REMOTE_STAGING, 1);
	refuse_piece(0, (size_t)-16, 1);
	refuse_piece(2, 4, 1); /* not at the same place in a word */
	refuse_piece(0, 0, 0);
	move_some(100, 60);
	copier_close();
}

/* A program that stays: it has the device's context, too, and nothing waits for it. */
static void stay(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	const struct timespec pause = {.tv_nsec = 100000};

	while (PL_POLL64(&mailbox->rests[worker].launch) < launch)
		nanosleep(&pause, NULL);
}

static struct pl_accel *accel_open(void)
{
	struct pl_accel_config config = {
		.kind = PL_ACCEL_CUDA,
		.n_lanes = 1,
		.n_workers = 1,
		.program.ptx = "//\n.version 6.3\n.target sm_75\n.visible .entry program_run(\n",
	};
	struct pl_accel *accel;
	struct pl_error err;

	gpu->program = stay;
	if (pl_accel_open(&accel, &config, &err) || pl_accel_run(accel, &err))
		fail_msg("%s", err.what);
	return accel;
}

static void test_beside_program(void **state)
{
	struct pl_accel *accel;

	(void)state;
	copier_open();
	gpu->waits = 0; /* for its first launch */
	accel = accel_open();
	assert_int_equal(gpu->running, 1);
	for (unsigned i = 0; i < 20; i++)
		move_some(200, 200);
	assert_int_equal(gpu->running, 1);
	assert_int_equal(gpu->waits, 0);
	pl_accel_rest(accel);
	assert_int_equal(pl_accel_close(accel, 10000), 0);
	move_some(200, 200);
	copier_close();
}

/* A fault of the program's is one of its context: nothing is moved until the next one is there. */
static void test_fault(void **state)
{
	struct pl_remote_copy piece = {.len_bytes = 60};
	struct pl_accel *accel;
	struct pl_error err;

	(void)state;
	copier_open();
	piece.staging = staging;
	for (unsigned i = 0; i < 3; i++) {
		accel = accel_open();
		move_some(10, 60);
		gpu->fault(CUDA_ERROR_ILLEGAL_ADDRESS);
		assert_int_equal(cuda_copier_copy(copier, &piece, 1), -EIO);
		assert_int_equal(pl_accel_ended(accel, &err), -EIO);
		cuda_copier_lose(copier);
		assert_int_equal(cuda_copier_copy(copier, &piece, 1), -EIO);
		assert_int_equal(pl_accel_close(accel, 10000), 0);
		assert_int_equal(cuda_copier_copy(copier, &piece, 1), -EIO);
		assert_int_equal(cuda_copier_find(copier, &err), 0);
		assert_ptr_equal(cuda_copier_staging(copier), staging);
		move_some(1000, 60);
		assert_int_equal(cuda_copier_find(copier, &err), 0);
		move_some(1000, 60);
	}
	copier_close();
}

/* A batch that does not end: it is waited for, but not for ever, and the next one not at all. */
static void test_late(void **state)
{
	struct pl_remote_copy piece = {.len_bytes = 60};
	time_t start;

	(void)state;
	copier_open();
	piece.staging = staging;
	atomic_store(&gpu->hang, true);
	assert_int_equal(cuda_copier_copy(copier, &piece, 1), -EIO);
	start = time(NULL);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(cuda_copier_copy(copier, &piece, 1), -EIO);
	assert_in_range(time(NULL) - start, 0, 50); /* seconds */
	/* When it has ended, what has been put into the staging memory meanwhile may be overwritten. */
	atomic_store(&gpu->hang, false);
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	assert_int_equal(cuda_copier_copy(copier, &piece, 1), -EIO);
	while (cuda_copier_copy(copier, &piece, 1))
		;
	move_some(100, 60);
	copier_close();
}

/* Each call of the driver fails, one after the other: it is said, and nothing is left. */
static void test_no_setup(void **state)
{
	static const char *const calls[] = {
		"cuDevicePrimaryCtxRetain",	"cuCtxSetCurrent", "cuModuleLoadDataEx",
		"cuModuleGetFunction",		"cuStreamCreate",  "cuMemHostRegister_v2",
		"cuMemHostGetDevicePointer_v2", "cuLaunchKernel",  "cuStreamSynchronize",
	};
	struct pl_error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		gpu->fail = calls[i];
		gpu->fail_result = CUDA_ERROR_OUT_OF_MEMORY;
		gpu->after = 0;
		err.what[0] = '\0';
		assert_int_equal(cuda_copier_new(&copier, &api, 0, &remote, &err), -ENOMEM);
		assert_non_null(strstr(err.what, "CUDA_ERROR_OUT_OF_MEMORY"));
		gpu->fail = NULL;
		assert_int_equal(gpu->contexts, 0);
		assert_int_equal(gpu->allocations, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beside_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_setup, setup, teardown),
	};
	void *library = dlopen("libcuda.so.1", RTLD_NOW);
	cuda_stand_in_fn *stand_in;

	/* NVIDIA's own driver, say: this is not for it. */
	if (!library || !dlsym(library, "cuda_stand_in")) {
		puts("SKIP: LD_LIBRARY_PATH does not lead to the stand-in for libcuda.so.1");
		return 77;
	}
	*(void **)&stand_in = dlsym(library, "cuda_stand_in");
	gpu = stand_in();
	fresh = *gpu;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
