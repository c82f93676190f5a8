/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts of the router whose ports are NICs that we drive ourselves: what is refused, and that whatever
 * fails leaves nothing behind. Needs root; skipped without. */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <cmocka.h>

#include "../../router/control/startup.h"

/* ---- a machine with two interfaces, in a namespace that ends with the process ---- */

static void sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int enter(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET)) {
		printf("SKIP: needs root\n");
		return 77; /* meson: skipped */
	}
	sh("ip link add a0 type veth peer name r0 && ip link add b0 type veth peer name r1 && "
	   "for d in a0 b0 r0 r1; do ip link set $d up || exit 1; done && "
	   "ethtool -K a0 gro on txvlan off && ethtool -K b0 gro on txvlan off");
	return 0;
}

/* Id of the XDP program on the interface; 0: none. */
static uint32_t program_on(const char *device)
{
	uint32_t id = 0;

	assert_int_equal(0, bpf_xdp_query_id((int)if_nametoindex(device), 0, &id));
	return id;
}

/* `rc` is `want`, and the error's text and remedy hold these words. */
static void expect_error(int rc, int want, const struct pl_error *err, const char *what,
			 const char *remedy)
{
	assert_int_equal(want, rc);
	if (!strstr(err->what, what) || !strstr(err->remedy, remedy))
		fail_msg("\"%s\" (\"%s\") lacks \"%s\" or \"%s\"", err->what, err->remedy, what,
			 remedy);
}

/* ---- a router of a configuration ---- */

static struct start {
	struct config config;
	struct log log;
	char *said;
	size_t said_bytes;
	struct router router;
	struct pl_error err;
} s;

static void begin(const char *ports)
{
	char text[512];
	cpu_set_t allowed;

	memset(&s, 0, sizeof(s));
	s.log.out = open_memstream(&s.said, &s.said_bytes);
	assert_non_null(s.log.out);
	config_init(&s.config);
	snprintf(text, sizeof(text), "[Router]\nRingSize=64\nSeccomp=no\n%s", ports);
	assert_int_equal(0, sched_getaffinity(0, sizeof(allowed), &allowed));
	if (config_read_text(&s.config, "f", text, strlen(text), &s.err) ||
	    config_finish(&s.config, &allowed, &s.err))
		fail_msg("%s", s.err.what);
	s.router.config = &s.config;
	s.router.log = &s.log;
}

static void end(void)
{
	router_stop(&s.router);
	fclose(s.log.out);
	free(s.said);
}

static bool said(const char *text)
{
	fflush(s.log.out);
	return strstr(s.said, text) != NULL;
}

static unsigned count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Nothing is left of a router but, when it has run, its TAPs. */
static void expect_nothing_left(unsigned open_before)
{
	assert_int_equal(0, program_on("r0"));
	assert_int_equal(0, program_on("r1"));
	assert_int_equal(0, if_nametoindex("pl0"));
	assert_int_equal(0, if_nametoindex("pl1"));
	assert_int_equal(open_before, count_open());
}

/* ---- tests ---- */

static void test_no_such_device(void **state)
{
	unsigned open_before = count_open();

	(void)state;
	begin("[Port pl0]\nDevice=emu:r0\n[Port pl1]\nDevice=pci:ff:1f.7\n");
	expect_error(
		router_probe(&s.router, &s.err), -ENODEV, &s.err,
		"f:7: [Port pl1] Device=pci:ff:1f.7: pl1: 0000:ff:1f.7: there is no such device on "
		"the PCI bus",
		"peerlane devices");
	end();
	expect_nothing_left(open_before);
}

static void test_what_is_asked(void **state)
{
	unsigned open_before = count_open();

	(void)state;
	begin("[Port pl0]\nDevice=emu:r0\nMTU=9000\n");
	expect_error(router_probe(&s.router, &s.err), -EMSGSIZE, &s.err, "MTU 9000",
		     "MTU=3820 in [Port pl0]");
	end();
	begin("[Port pl0]\nDevice=emu:nosuch\n");
	expect_error(router_probe(&s.router, &s.err), -ENODEV, &s.err, "no such device: nosuch",
		     "ip link show");
	end();
	/* The interface's MTU, or the one that is asked for. */
	sh("ip link set r0 mtu 1300");
	begin("[Port pl0]\nDevice=emu:r0\n[Port pl1]\nDevice=emu:r1\nMTU=2000\n");
	if (router_probe(&s.router, &s.err))
		fail_msg("%s", s.err.what);
	sh("ip link set r0 mtu 1500");
	assert_int_equal(1300, s.router.ports[0].mtu);
	assert_int_equal(2000, s.router.ports[1].mtu);
	assert_int_equal(4096, s.router.buf_bytes);
	assert_string_equal("82599ES", s.router.ports[0].caps.model);
	end();
	expect_nothing_left(open_before);
}

static void test_starts_that_fail(void **state)
{
	static const char *const both = "[Port pl0]\nDevice=emu:r0\n[Port pl1]\nDevice=emu:r1\n";
	unsigned open_before = count_open();

	(void)state;
	/* The second NIC's wire has gone since it was asked. */
	begin(both);
	assert_int_equal(0, router_probe(&s.router, &s.err));
	sh("ip link set r1 name elsewhere");
	expect_error(router_start(&s.router, &s.err), -ENODEV, &s.err, "r1", "");
	sh("ip link set elsewhere name r1 && ip link set r1 up");
	end();
	expect_nothing_left(open_before);
	/* A file that cannot be written. */
	begin("[Port pl0]\nDevice=emu:r0\nCapture=/proc/none\n");
	assert_int_equal(0, router_probe(&s.router, &s.err));
	expect_error(router_start(&s.router, &s.err), -ENOENT, &s.err, "/proc/none", "");
	end();
	expect_nothing_left(open_before);
}

/* The child is confined from then on. */
static int run_router(const char *ports, const char *must_say)
{
	begin(ports);
	if (router_probe(&s.router, &s.err) || router_start(&s.router, &s.err)) {
		fprintf(stderr, "%s\n", s.err.what);
		return 1;
	}
	if (!said(must_say)) {
		fprintf(stderr, "does not say \"%s\":\n%s", must_say, s.said);
		return 1;
	}
	s.router.started_ms = 0; /* so that the TAPs go as well */
	end();
	return 0;
}

static void expect_runs(const char *ports, const char *must_say)
{
	unsigned open_before = count_open();
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(run_router(ports, must_say));
	assert_int_equal(child, waitpid(child, &status, 0));
	assert_true(WIFEXITED(status));
	assert_int_equal(0, WEXITSTATUS(status));
	expect_nothing_left(open_before);
}

static void test_starts_and_stops(void **state)
{
	char capture[] = "/tmp/test_control_start_XXXXXX", ports[256];
	uint32_t magic = 0;
	int fd = mkstemp(capture);

	(void)state;
	assert_true(fd >= 0);
	snprintf(ports, sizeof(ports),
		 "[Port pl0]\nDevice=emu:r0\nCapture=%s\n[Port "
		 "pl1]\nDevice=emu:r1\nFlowControl=yes\n",
		 capture);
	expect_runs(ports, "pl0: ixgbe emu:r0, 82599ES (emulated), 1 queue of 64");
	assert_int_equal(sizeof(magic), read(fd, &magic, sizeof(magic)));
	assert_int_equal(0xa1b23c4d, magic); /* pcap, nanoseconds */
	close(fd);
	unlink(capture);
	expect_runs("[Port pl0]\nDevice=afxdp:r0\n[Port pl1]\nDevice=emu:r1\n",
		    "pl1: ixgbe emu:r1, 82599ES (emulated), 1 queue of 64");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_such_device),
		cmocka_unit_test(test_what_is_asked),
		cmocka_unit_test(test_starts_that_fail),
		cmocka_unit_test(test_starts_and_stops),
	};
	int rc = enter();

	return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
