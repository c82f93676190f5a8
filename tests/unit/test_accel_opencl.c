/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenCL accelerators, on the first device there is: with PoCL, the CPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote_help.h"

#define LANES 2u

/* accel_echo.c */
extern const char accel_echo_opencl[];

/* Never looks for a burst. With a context it waits until the word there is 0. */
static const char lazy[] = "__kernel void program_run(__global ulong *mailbox, ulong launch)\n"
			   "{\n"
			   "	volatile __global ulong *wait = (__global ulong *)mailbox[16];\n"
			   "	while (*wait)\n"
			   "		;\n"
			   "}\n";
_Static_assert(offsetof(struct mailbox, context) == 16 * 8, "the context is the 16th word");

static struct echo_lane lanes[LANES];

static struct pl_accel_config config_of(enum pl_accel_launch launch, const char *text)
{
	return (struct pl_accel_config){
		.kind = PL_ACCEL_OPENCL,
		.launch = launch,
		.n_lanes = LANES,
		.program.opencl = text,
	};
}

static void open_as(enum pl_accel_launch launch, const char *text)
{
	struct pl_accel_config config = config_of(launch, text);

	alarm(100); /* a test that hangs is to fail */
	echo_open_as(lanes, &config);
}

static void run(void)
{
	struct pl_error err;

	if (pl_accel_run(lanes[0].accel, &err))
		fail_msg("%s", err.what);
}

static void give_up(void)
{
	struct pl_burst *burst;

	for (unsigned i = 0; i < LANES; i++)
		while ((burst = pl_accel_abandon(lanes[i].accel, i)))
			pl_pool_put(&lanes[i].pool, burst->frame, burst->n, PL_OWNER_BURST);
}

/* ---- bursts ---- */

static void *plane_main(void *arg)
{
	struct echo_lane *lane = arg;
	unsigned seed = lane->index + 1;

	while (lane->completed < 1000) {
		while (lane->submitted < 1000 && echo_submit(lane, (uint32_t)rand_r(&seed) % 40)) {
			run();
			if (rand_r(&seed) % 8 == 0)
				pl_accel_rest(lane->accel);
		}
		if (echo_complete(lane) < 0)
			sched_yield();
	}
	return NULL;
}

/* Two planes launch, submit and tell to rest at the same time: every burst comes back, once and in order. */
static void check_order(enum pl_accel_launch launch)
{
	pthread_t threads[LANES];

	open_as(launch, accel_echo_opencl);
	for (unsigned i = 0; i < LANES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, plane_main, &lanes[i]), 0);
	for (unsigned i = 0; i < LANES; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	echo_close(lanes, LANES);
}

static void test_persistent(void **state)
{
	(void)state;
	check_order(PL_ACCEL_PERSISTENT);
}

static void test_burst(void **state)
{
	(void)state;
	check_order(PL_ACCEL_BURST);
}

/* ---- memory ---- */

static void check_updates(enum pl_accel_launch launch)
{
	struct pl_accel_memory memory;
	struct pl_accel *accel;
	uint16_t words[512], got[512];
	struct pl_error err;

	open_as(launch, accel_echo_opencl);
	accel = lanes[0].accel;
	assert_int_equal(pl_accel_alloc(accel, PL_ACCEL_DEVICE, 1 << 20, &memory, &err), 0);
	for (uint32_t n = 0; n < 3000; n++) {
		uint64_t to = memory.device + n % 1000 * sizeof(words);

		for (unsigned i = 0; i < 512; i++)
			words[i] = (uint16_t)(n * 3 + i);
		while (!pl_accel_update(accel, to, words, sizeof(words), 2u << n % 3)) {
			run();
			sched_yield();
		}
	}
	run();
	while (pl_accel_updates_applied(accel) < pl_accel_updates_posted(accel))
		sched_yield();
	for (unsigned n = 0; n < 1001; n++) {
		uint64_t from = memory.device + n * sizeof(words);

		assert_int_equal(pl_accel_read(accel, got, from, sizeof(got), &err), 0);
		for (unsigned i = 0; i < 512; i++)
			assert_int_equal(got[i], n < 1000 ? (uint16_t)((n + 2000) * 3 + i) : 0);
	}
	pl_accel_free(accel, &memory);
	echo_close(lanes, LANES);
}

static void test_updates(void **state)
{
	(void)state;
	check_updates(PL_ACCEL_PERSISTENT);
	check_updates(PL_ACCEL_BURST);
}

/* ---- faults ---- */

static void test_quits(void **state)
{
	struct pl_error err;
	uint64_t none = 0;

	(void)state;
	open_as(PL_ACCEL_PERSISTENT, lazy);
	pl_accel_set_context(lanes[0].accel, (uintptr_t)&none);
	assert_true(echo_submit(&lanes[0], 5));
	run();
	while (pl_accel_ended(lanes[0].accel, &err) == 0)
		usleep(20);
	assert_int_equal(pl_accel_ended(lanes[0].accel, &err), -EIO);
	assert_non_null(strstr(err.what, "the program ended"));
	give_up();
	echo_close(lanes, LANES);
}

static void test_hang(void **state)
{
	static volatile uint64_t hangs;

	(void)state;
	hangs = 1;
	open_as(PL_ACCEL_BURST, lazy);
	pl_accel_set_context(lanes[0].accel, (uintptr_t)&hangs);
	assert_true(echo_submit(&lanes[0], 5));
	run();
	usleep(10000);
	assert_int_equal(pl_accel_ended(lanes[0].accel, NULL), 0);
	assert_int_equal(pl_accel_close(lanes[0].accel, 20), -ETIMEDOUT);
	hangs = 0;
	while (pl_accel_ended(lanes[0].accel, NULL) == 0)
		usleep(20);
	give_up();
	echo_close(lanes, LANES);
}

static void refuse(struct pl_accel_config config, int code, const char *why)
{
	struct pl_accel *accel;
	struct pl_error err;

	assert_int_equal(pl_accel_open(&accel, &config, &err), code);
	assert_null(accel);
	if (!strstr(err.what, why))
		fail_msg("\"%s\" does not say \"%s\"", err.what, why);
}

static void test_refused(void **state)
{
	struct pl_accel_config config = config_of(PL_ACCEL_BURST, accel_echo_opencl);

	(void)state;
	config.index = 99;
	refuse(config, -ENODEV, "no device 99");
	config = config_of(PL_ACCEL_BURST, NULL);
	refuse(config, -ENOTSUP, "not made for it");
	/* The compiler's first error is told. */
	config.program.opencl =
		"__kernel void program_run(__global int *a, ulong b) { *a = nonsense; }";
	refuse(config, -ENOTSUP, "nonsense");
	config.program.opencl = "__kernel void other(__global int *a, ulong b) { *a = 1; }";
	refuse(config, -EIO, "program_run");
	config = config_of(PL_ACCEL_BURST, accel_echo_opencl);
	config.n_workers = 3;
	refuse(config, -EINVAL, "3 workers");
}

static struct pl_accel_info scan(void)
{
	struct pl_accel_info infos[32];
	unsigned n = pl_accel_scan(infos, 32);

	for (unsigned i = 0; i < n; i++)
		if (infos[i].kind == PL_ACCEL_OPENCL)
			return infos[i];
	fail_msg("nothing is said of OpenCL");
	abort();
}

static void on_signal(int number)
{
	(void)number;
}

/* And drivers leave handlers of signals as they were. */
static void test_scan(void **state)
{
	struct sigaction action = {.sa_handler = on_signal}, now;
	struct pl_accel_info info;

	(void)state;
	assert_int_equal(sigaction(SIGTERM, &action, NULL), 0);
	info = scan();
	assert_int_equal(sigaction(SIGTERM, NULL, &now), 0);
	assert_ptr_equal(now.sa_handler, on_signal);
	assert_int_equal(info.index, 0);
	assert_int_equal(info.unusable, 0);
	assert_string_not_equal(info.name, "");
	assert_string_not_equal(info.driver, "");
}

/* ---- where drivers are missing, or not as usual: each in a process of its own ---- */

/* The loader that is not there. */
static bool no_loader;
void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);

void *__wrap_dlopen(const char *name, int flags)
{
	return __real_dlopen(no_loader ? "libNoSuchThing.so.1" : name, flags);
}

static void in_missing(void **state)
{
	struct pl_accel_info info = scan();

	(void)state;
	assert_int_equal(info.index, UINT_MAX);
	assert_int_equal(info.unusable, -ENODEV);
	assert_non_null(strstr(info.why.what, "no driver (ICD) in /nonexistent"));
	assert_non_null(strstr(info.why.remedy, "pocl-opencl-icd"));
	refuse(config_of(PL_ACCEL_BURST, accel_echo_opencl), -ENODEV, "/nonexistent");
	no_loader = true;
	refuse(config_of(PL_ACCEL_BURST, accel_echo_opencl), -ENODEV, "no loader: libNoSuchThing");
}

/* A device that runs a kernel in the thread that starts it. */
static void in_basic(void **state)
{
	struct pl_accel_info info = scan();

	(void)state;
	assert_int_equal(info.unusable, 0);
	assert_int_equal(info.no_persistent, -ENOTSUP);
	refuse(config_of(PL_ACCEL_PERSISTENT, accel_echo_opencl), -ENOTSUP,
	       "not seen by a program");
	test_burst(state);
}

static void in_homeless(void **state)
{
	char cache[PATH_MAX];
	struct stat st;

	test_scan(state);
	snprintf(cache, sizeof(cache), "%s", getenv("POCL_CACHE_DIR"));
	assert_true(stat(cache, &st) == 0 && (st.st_mode & 0777) == 0700);
}

static void in_cacheless(void **state)
{
	(void)state;
	refuse(config_of(PL_ACCEL_BURST, accel_echo_opencl), -EIO, "cannot write to /proc/nowhere");
}

static const struct elsewhere {
	const char *name, *unset[2], *environment;
	CMUnitTestFunction test;
} elsewhere[] = {
	{"missing", {NULL}, "OCL_ICD_VENDORS=/nonexistent", in_missing},
	{"basic", {NULL}, "POCL_DEVICES=basic", in_basic},
	{"homeless", {"POCL_CACHE_DIR"}, "HOME=/proc/nowhere", in_homeless},
	{"cacheless", {NULL}, "POCL_CACHE_DIR=/proc/nowhere", in_cacheless},
	/* A cache of its own, so that it must link. */
	{"pathless", {"POCL_CACHE_DIR", "PATH"}, "HOME=/proc/nowhere", in_homeless},
};
#define N_ELSEWHERE (sizeof(elsewhere) / sizeof(elsewhere[0]))

static void test_elsewhere(void **state)
{
	for (unsigned i = 0; i < N_ELSEWHERE; i++) {
		pid_t pid = fork();
		int status;

		(void)state;
		assert_true(pid >= 0);
		if (!pid) {
			for (unsigned j = 0; j < 2 && elsewhere[i].unset[j]; j++)
				unsetenv(elsewhere[i].unset[j]);
			putenv((char *)elsewhere[i].environment);
			execl("/proc/self/exe", "test_accel_opencl", elsewhere[i].name, NULL);
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status)
			fail_msg("%s: %x", elsewhere[i].name, status);
	}
}

static void test_remote(void **state)
{
	struct pl_accel_packets packets;
	struct pl_error err;

	(void)state;
	remote_check_device((struct pl_accel_config){.kind = PL_ACCEL_OPENCL,
						     .program.opencl = accel_echo_opencl});
	assert_int_equal(pl_accel_packets_new(&packets, PL_ACCEL_OPENCL, 99, 4096, &err), -ENODEV);
	assert_non_null(strstr(err.what, "no device 99"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elsewhere),  cmocka_unit_test(test_scan),
		cmocka_unit_test(test_persistent), cmocka_unit_test(test_burst),
		cmocka_unit_test(test_updates),	   cmocka_unit_test(test_quits),
		cmocka_unit_test(test_hang),	   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_remote),
	};

	for (unsigned i = 0; argc > 1 && i < N_ELSEWHERE; i++) {
		const struct CMUnitTest one[] = {
			{elsewhere[i].name, elsewhere[i].test, NULL, NULL, NULL}};

		if (strcmp(argv[1], elsewhere[i].name) == 0)
			return cmocka_run_group_tests(one, NULL, NULL);
	}
	if (scan().unusable == -ENODEV) {
		printf("skipped: %s\n", scan().why.what);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
