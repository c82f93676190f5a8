/* SPDX-License-Identifier: BSD-2-Clause */
/* --cleanup, in a network namespace of its own, where interfaces come and go while they are listed: the
 * kernel marks such a list, as is done here to the first ones. Skips without root. */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "../../router/control/cleanup.h"

static unsigned disturbed; /* lists from now on */

ssize_t __real_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	ssize_t n = __real_mnl_socket_recvfrom(socket, buffer, size);
	struct nlmsghdr *nlh = buffer;

	if (n > 0 && nlh->nlmsg_flags & NLM_F_MULTI && disturbed) {
		disturbed--;
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
	}
	return n;
}

static void note(void *ctx, const char *what)
{
	char *removed = ctx;

	strcat(strcat(removed, what), " ");
}

static int clean_up(char *removed, struct pl_error *err)
{
	struct config config;

	config_init(&config);
	snprintf(config.control_socket, sizeof(config.control_socket), "/tmp/test_cleanup_%d",
		 getpid());
	removed[0] = '\0';
	return cleanup_run(&config, note, removed, err);
}

static void make_taps(void)
{
	assert_int_equal(0, system("ip tuntap add dev px0 mode tap && "
				   "ip link set px0 alias \"" CLEANUP_ALIAS "\" && "
				   "ip tuntap add dev foreign mode tap"));
}

static void test_interrupted_list(void **state)
{
	struct pl_error err = {.what = "no error"};
	char removed[200];

	(void)state;
	make_taps();
	disturbed = 3;
	if (clean_up(removed, &err))
		fail_msg("%s", err.what);
	assert_string_equal("px0 ", removed);
	assert_int_equal(0, disturbed);
	assert_int_equal(0, if_nametoindex("px0"));
	assert_int_not_equal(0, if_nametoindex("foreign"));
	assert_int_equal(0, system("ip link del foreign"));
}

/* It is given up some time, and then nothing has been removed. */
static void test_never_at_rest(void **state)
{
	struct pl_error err = {.what = "no error"};
	char removed[200];

	(void)state;
	make_taps();
	disturbed = 1000000;
	assert_int_equal(-EINTR, clean_up(removed, &err));
	assert_non_null(strstr(err.what, "cannot list the interfaces"));
	assert_string_equal("", removed);
	disturbed = 0;
	assert_int_equal(0, clean_up(removed, &err));
	assert_string_equal("px0 ", removed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interrupted_list),
		cmocka_unit_test(test_never_at_rest),
	};

	if (unshare(CLONE_NEWNET)) {
		printf("SKIP: needs a network namespace of its own: %s\n", strerror(errno));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
