/* SPDX-License-Identifier: BSD-2-Clause */
/* Faces as interfaces: made, taken over, refused, left behind, removed. Needs root; works in a
 * network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "face_lab.h"
#include "forwarding.h"

static const struct face_config config = {
	.name = "t0",
	.mac = {0x02, 0, 0, 0, 0, 0x01},
	.mtu = 1400,
	.n_planes = 1,
};

/* Opens one face in a set of its own. */
static struct faces *open_one(const struct face_config *c, struct face **face)
{
	struct faces *set = faces_new();
	struct pl_error err = {0};

	assert_non_null(set);
	if (face_open(set, c, face, &err) < 0)
		fail_msg("%s (%s)", err.what, err.remedy);
	return set;
}

/* Expects face_open() to fail with `code` and words on what and remedy, and to leave nothing. */
static void refused(const struct face_config *c, int code, const char *what, const char *remedy)
{
	struct faces *set = faces_new();
	struct face *face = NULL;
	struct pl_error err = {0};

	assert_non_null(set);
	assert_int_equal(face_open(set, c, &face, &err), code);
	assert_null(face);
	if (!strstr(err.what, what) || !strstr(err.what, c->name))
		fail_msg("\"%s\" says nothing of \"%s\"", err.what, what);
	if (!strstr(err.remedy, remedy))
		fail_msg("\"%s\" says nothing of \"%s\"", err.remedy, remedy);
	faces_free(set, false);
}

static int tun_device(const char *name, short flags)
{
	struct ifreq ifr = {.ifr_flags = flags};
	int fd = open("/dev/net/tun", O_RDWR);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static void assert_mac_mtu(const uint8_t mac[6], int mtu)
{
	struct ifreq ifr = lab_ioctl("t0", SIOCGIFHWADDR, (struct ifreq){0});

	assert_memory_equal(ifr.ifr_hwaddr.sa_data, mac, 6);
	assert_int_equal(lab_ioctl("t0", SIOCGIFMTU, (struct ifreq){0}).ifr_mtu, mtu);
}

static void test_created_as_configured(void **state)
{
	struct face *face;
	struct faces *set = open_one(&config, &face);

	(void)state;
	assert_true(face_start(face)->created);
	assert_int_equal(face_ifindex(face), if_nametoindex("t0"));
	assert_mac_mtu(config.mac, 1400);
	assert_true(lab_up("t0"));
	assert_int_equal(lab_sysctl("ipv4/conf/t0/forwarding"), 1);
	assert_int_equal(lab_sysctl("ipv4/conf/t0/ignore_routes_with_linkdown"), 1);
	assert_int_equal(lab_sysctl("ipv4/conf/t0/accept_redirects"), 0);
	if (lab_sysctl("ipv6/conf/t0/forwarding") >= 0) {
		assert_int_equal(lab_sysctl("ipv6/conf/t0/forwarding"), 1);
		assert_int_equal(lab_sysctl("ipv6/conf/t0/ignore_routes_with_linkdown"), 1);
		assert_true(lab_sysctl("ipv6/conf/t0/force_forwarding") == 1 ||
			    lab_sysctl("ipv6/conf/all/forwarding") == 1);
	}
	assert_int_equal(lab_sysctl("ipv4/conf/lo/forwarding"), 0);
	faces_free(set, false);
	assert_int_equal(if_nametoindex("t0"), 0);
}

static void test_carrier_follows(void **state)
{
	struct face *face;
	struct faces *set = open_one(&config, &face);

	(void)state;
	assert_false(lab_carrier("t0"));
	assert_int_equal(face_set_carrier(face, true), 0);
	assert_true(lab_carrier("t0"));
	assert_int_equal(face_set_carrier(face, false), 0);
	assert_false(lab_carrier("t0"));
	faces_free(set, false);
}

/* A socket that hears of links. */
static struct mnl_socket *listen_to_links(void)
{
	struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);

	assert_non_null(socket);
	assert_int_equal(mnl_socket_bind(socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID), 0);
	return socket;
}

/* Whether news come within a moment that an interface has (not) a carrier. */
static bool hear_carrier(struct mnl_socket *socket, unsigned ifindex, bool carrier)
{
	struct pollfd pfd = {.fd = mnl_socket_get_fd(socket), .events = POLLIN};
	char buffer[16384] __attribute__((aligned(4)));

	while (poll(&pfd, 1, 500) > 0) {
		int len = (int)mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		const struct nlmsghdr *nlh = (const void *)buffer;

		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

			if (ifi->ifi_index == (int)ifindex &&
			    !!(ifi->ifi_flags & IFF_RUNNING) == carrier)
				return true;
		}
	}
	return false;
}

/* The kernel is in no hurry with the second carrier that goes within a second; routing daemons
 * are. */
static void test_each_carrier_is_told_at_once(void **state)
{
	struct face_config other = config;
	struct pl_error err = {0};
	struct face *faces[2];
	struct faces *set = open_one(&config, &faces[0]);
	struct mnl_socket *news;

	(void)state;
	other.name = "t1";
	assert_int_equal(face_open(set, &other, &faces[1], &err), 0);
	news = listen_to_links();
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(face_set_carrier(faces[i], true), 0);
			assert_true(hear_carrier(news, face_ifindex(faces[i]), true));
		}
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(face_set_carrier(faces[i], false), 0);
			assert_true(hear_carrier(news, face_ifindex(faces[i]), false));
		}
	}
	mnl_socket_close(news);
	faces_free(set, false);
}

static void test_persists_and_is_taken_over(void **state)
{
	struct face *face;
	struct faces *set = open_one(&config, &face);
	unsigned ifindex = face_ifindex(face);
	struct ifreq ifr;

	(void)state;
	lab_set_address("t0", "192.0.2.1");
	face_set_carrier(face, true);
	faces_free(set, true);
	assert_int_equal(if_nametoindex("t0"), ifindex);
	assert_false(lab_carrier("t0"));
	lab_set_mtu("t0", 9000);

	set = open_one(&config, &face);
	assert_false(face_start(face)->created);
	assert_int_equal(face_ifindex(face), ifindex);
	assert_mac_mtu(config.mac, 1400);
	assert_false(lab_carrier("t0"));
	ifr = lab_ioctl("t0", SIOCGIFADDR, (struct ifreq){0});
	assert_int_equal(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr,
			 inet_addr("192.0.2.1"));
	faces_free(set, false);
	assert_int_equal(if_nametoindex("t0"), 0);
}

/* What an operator gave the TAP is still there in the next run. */
static void test_taken_over_as_it_was(void **state)
{
	static const uint8_t other[6] = {0x02, 0, 0, 0, 0, 0x99};
	struct face *face;
	struct faces *set;
	struct ifreq ifr = {.ifr_hwaddr.sa_family = 1};

	(void)state;
	faces_free(open_one(&config, &face), true);
	memcpy(ifr.ifr_hwaddr.sa_data, other, 6);
	lab_ioctl("t0", SIOCSIFHWADDR, ifr);
	lab_set_up("t0", false);
	set = open_one(&config, &face);
	assert_memory_equal(face_start(face)->mac, other, 6);
	assert_false(face_start(face)->up);
	faces_free(set, true);
	assert_mac_mtu(other, 1400);
	assert_false(lab_up("t0"));

	lab_set_up("t0", true);
	faces_free(open_one(&config, &face), false);
}

/* A daemon that is killed runs none of our code. */
static void test_survives_a_crash(void **state)
{
	struct face *face;
	struct faces *set;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		open_one(&config, &face);
		face_set_carrier(face, true);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_not_equal(if_nametoindex("t0"), 0);
	assert_false(lab_carrier("t0"));
	set = open_one(&config, &face);
	assert_false(face_start(face)->created);
	faces_free(set, false);
}

static void test_held_by_another(void **state)
{
	char stop[32];
	struct face *face;
	struct faces *set = open_one(&config, &face);

	(void)state;
	snprintf(stop, sizeof(stop), "kill %d", getpid());
	refused(&config, -EBUSY, "holds this TAP interface", stop);
	assert_int_equal(if_nametoindex("t0"), face_ifindex(face));
	faces_free(set, false);
}

static void test_name_of_something_else(void **state)
{
	struct face_config lo = config;
	int tun = tun_device("t0", IFF_TUN | IFF_NO_PI);

	(void)state;
	refused(&config, -EBUSY, "not a TAP", "another name");
	close(tun);
	tun = tun_device("t0", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
	refused(&config, -EBUSY, "of another make", "ip link delete t0");
	close(tun);
	lo.name = "lo";
	refused(&lo, -EBUSY, "not a TAP", "another name");
}

static void test_names_no_interface_has(void **state)
{
	static const char *const names[] = {"",	   "t/0", "t%d", "t 0",
					    "t:0", ".",	  "..",	 "sixteen-letters0"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct face_config bad = config;

		bad.name = names[i];
		refused(&bad, -EINVAL, "no interface can have this name", "letters");
	}
}

/* An MTU that no TAP takes: by then the TAP exists. */
static void test_failure_leaves_nothing(void **state)
{
	struct face_config bad = config;
	struct face *face;
	struct faces *set;

	(void)state;
	bad.mtu = 70000;
	refused(&bad, -EINVAL, "MTU 70000", "65521");
	assert_int_equal(if_nametoindex("t0"), 0);

	/* But one that was there before stays. */
	faces_free(open_one(&config, &face), true);
	refused(&bad, -EINVAL, "MTU 70000", "65521");
	assert_int_not_equal(if_nametoindex("t0"), 0);
	set = open_one(&config, &face);
	faces_free(set, false);
}

static void test_without_privilege(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		/* Where no udev runs, others may not even open it. */
		refused(&config, access("/dev/net/tun", R_OK | W_OK) ? -EACCES : -EPERM, "t0",
			"CAP_NET_ADMIN");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Nor may others attach to the TAP that waits for the next run, whoever had made it. */
static void test_waits_for_root_alone(void **state)
{
	struct ifreq ifr = {.ifr_name = "t0", .ifr_flags = IFF_TAP | IFF_NO_PI};
	struct face *face;
	int status, fd;
	pid_t pid;

	(void)state;
	fd = tun_device("t0", IFF_TAP | IFF_NO_PI);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1UL), 0);
	close(fd);
	faces_free(open_one(&config, &face), true);
	fd = open("/dev/net/tun", O_RDWR);
	assert_true(fd >= 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		if (ioctl(fd, TUNSETIFF, &ifr) == 0)
			_exit(3);
		_exit(errno == EPERM ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fd);
	faces_free(open_one(&config, &face), false);
}

static void test_queues_once_per_plane(void **state)
{
	struct face *face;
	struct faces *set = open_one(&config, &face);
	struct pl_pool pool;

	(void)state;
	assert_int_equal(pl_pool_init(&pool, 64, 2048, NULL), 0);
	assert_non_null(face_queue(face, 0, &pool));
	assert_null(face_queue(face, 0, &pool));
	assert_int_equal(errno, EEXIST);
	assert_null(face_queue(face, 1, &pool));
	assert_int_equal(errno, EINVAL);
	faces_free(set, false);
	pl_pool_fini(&pool);
}

/* What older kernels need. An interface that listens to router advertisements goes on listening;
 * one that was told not to stays deaf; where forwarding was on, nothing changes. */
static void test_ipv6_forwarding_everywhere(void **state)
{
	int listens = tun_device("listens", IFF_TAP | IFF_NO_PI);
	int deaf = tun_device("deaf", IFF_TAP | IFF_NO_PI);
	struct pl_error err = {0};
	bool changed;

	(void)state;
	if (lab_sysctl("ipv6/conf/all/forwarding") < 0)
		skip();
	lab_sysctl_set("ipv6/conf/all/forwarding", 0);
	lab_sysctl_set("ipv6/conf/listens/accept_ra", 1);
	lab_sysctl_set("ipv6/conf/deaf/accept_ra", 0);
	assert_int_equal(forwarding_enable6_all(&changed, &err), 0);
	assert_true(changed);
	assert_int_equal(lab_sysctl("ipv6/conf/all/forwarding"), 1);
	assert_int_equal(lab_sysctl("ipv6/conf/listens/accept_ra"), 2);
	assert_int_equal(lab_sysctl("ipv6/conf/deaf/accept_ra"), 0);

	lab_sysctl_set("ipv6/conf/listens/accept_ra", 1);
	assert_int_equal(forwarding_enable6_all(&changed, &err), 0);
	assert_false(changed);
	assert_int_equal(lab_sysctl("ipv6/conf/listens/accept_ra"), 1);
	close(listens);
	close(deaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_created_as_configured),
		cmocka_unit_test(test_carrier_follows),
		cmocka_unit_test(test_each_carrier_is_told_at_once),
		cmocka_unit_test(test_persists_and_is_taken_over),
		cmocka_unit_test(test_taken_over_as_it_was),
		cmocka_unit_test(test_survives_a_crash),
		cmocka_unit_test(test_held_by_another),
		cmocka_unit_test(test_name_of_something_else),
		cmocka_unit_test(test_names_no_interface_has),
		cmocka_unit_test(test_failure_leaves_nothing),
		cmocka_unit_test(test_without_privilege),
		cmocka_unit_test(test_waits_for_root_alone),
		cmocka_unit_test(test_queues_once_per_plane),
		cmocka_unit_test(test_ipv6_forwarding_everywhere),
	};

	if (!lab_enter())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
