/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP ports on veth devices: what cannot be, and what is said about it. Needs root; skipped
 * without. */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <xdp/xsk.h>

#include <cmocka.h>

#include "afxdp_lab.h"

static int probe(const char *device, unsigned n_queues, struct pl_error *err)
{
	struct pl_port_config config = config_of(device);
	struct pl_port_caps caps;

	config.n_queues = n_queues;
	return pl_port_probe(&config, &caps, err);
}

static void test_probe(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port_caps caps;
	struct pl_error err = {0};
	struct pl_port *port;

	(void)state;
	assert_int_equal(pl_port_probe(&config, &caps, &err), 0);
	assert_int_equal(caps.mtu, 1500);
	assert_int_equal(caps.max_queues, 1);
	assert_int_equal(caps.ifindex, if_nametoindex("r0"));
	assert_false(caps.zero_copy); /* veth cannot */
	config.attach = PL_ATTACH_GENERIC;
	assert_int_equal(pl_port_probe(&config, &caps, &err), 0);
	assert_false(caps.zero_copy); /* nor can any device */
	config.attach = PL_ATTACH_AUTO;
	assert_int_equal(caps.mac[0] & 1, 0);
	expect_error(probe("nonesuch", 1, &err), -ENODEV, &err, "nonesuch", "ip link");
	expect_error(probe("a-name-too-long-for-linux", 1, &err), -ENODEV, &err, "too-long", "");
	expect_error(probe("lo", 1, &err), -EPROTOTYPE, &err, "not an Ethernet", "Ethernet");
	expect_error(probe("r0", 3, &err), -EINVAL, &err, "r0 has 1 queues", "ethtool -L r0");
	sh("ethtool -L r0 rx 2 tx 2");
	assert_int_equal(probe("r0", 2, &err), 0);
	expect_error(probe("r0", 1, &err), -EINVAL, &err,
		     "r0 has 2 queues, but 1 plane:", "Planes=2, or: ethtool -L r0 combined 1");
	assert_int_equal(pl_port_open(&port, &config, &err), -EINVAL);
	sh("ethtool -L r0 rx 2 tx 1");
	expect_error(probe("r0", 1, &err), -EINVAL, &err,
		     "r0 has 2 queues, but 1 plane:", "use ethtool -L r0");
	sh("ethtool -L r0 rx 1 tx 1");
}

static void test_mtu_does_not_fit(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port *port;
	struct pl_pool pool;
	struct pl_queue *queue;
	struct pl_error err = {0};

	(void)state;
	sh("ip link set r0 mtu 9000");
	expect_error(pl_port_open(&port, &config, &err), -EMSGSIZE, &err, "MTU 9000", "mtu 3820");
	assert_null(port);
	sh("ip link set r0 mtu 3000");
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	assert_int_equal(pl_pool_init(&pool, 2048, 2048, &err), 0);
	expect_error(pl_port_queue_open(port, 0, &pool, &queue, &err), -EMSGSIZE, &err, "MTU 3000",
		     "4096");
	sh("ip link set r0 mtu 1500");
	assert_int_equal(pl_port_queue_open(port, 0, &pool, &queue, &err), 0);
	assert_int_equal(pl_port_set_mtu(port, 1400, &err), 0);
	assert_int_equal(pl_port_set_mtu(port, 1772, &err), 0);
	expect_error(pl_port_set_mtu(port, 1773, &err), -EMSGSIZE, &err, "MTU 1773", "mtu 1772");
	assert_int_equal(pl_port_set_mtu(port, 1500, &err), 0);
	pl_queue_close(queue);
	pl_pool_fini(&pool);
	pl_port_close(port);
}

/* The kernel receives, and by copying. */
static void test_accelerators_memory(void **state)
{
	const struct pl_remote remote = {
		.len_bytes = PL_REMOTE_GRAIN, .page_bytes = 4096, .dmabuf_fd = -1};
	struct pl_port_config config = config_of("r0");
	struct pl_port *port;
	struct pl_pool pool;
	struct pl_queue *queue;
	struct pl_error err = {0};

	(void)state;
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	assert_int_equal(pl_pool_init_remote(&pool, &remote, 2048, 2048, &err), 0);
	expect_error(pl_port_queue_open(port, 0, &pool, &queue, &err), -EOPNOTSUPP, &err,
		     "AF_XDP cannot receive into an accelerator's memory", "peerlane bind");
	assert_int_equal(pl_pool_free(&pool), pool.n_bufs);
	pl_port_close(port);
	pl_pool_fini(&pool);
}

static void test_device_taken(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port *port, *other;
	struct pl_error err = {0};

	(void)state;
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	expect_error(pl_port_open(&other, &config, &err), -EBUSY, &err, "another XDP program",
		     "xdp off");
	assert_null(other);
	pl_port_close(port);
}

/* Another's socket on r0's queue 0, made without us. */
struct foreign {
	struct pl_pool pool;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
};

static void foreign_open(struct foreign *f)
{
	const struct xsk_socket_config config = {
		.rx_size = 64,
		.tx_size = 64,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY,
	};
	struct pl_error err;
	int rc = -EBUSY;

	assert_int_equal(pl_pool_init(&f->pool, 64, 4096, &err), 0);
	/* A former owner may hold the queue for some milliseconds; a bind that failed needs a UMEM
	 * of its own. */
	for (unsigned i = 0; i < 200 && rc == -EBUSY; i++, usleep(5000)) {
		assert_int_equal(xsk_umem__create(&f->umem, f->pool.base, 64 * 4096, &f->fill,
						  &f->comp, NULL),
				 0);
		rc = xsk_socket__create(&f->socket, "r0", 0, f->umem, &f->rx, &f->tx, &config);
		if (rc)
			xsk_umem__delete(f->umem);
	}
	assert_int_equal(rc, 0);
}

static void test_queue_taken(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct foreign foreign;
	struct pl_port *port;
	struct pl_queue *queue, *second;
	struct pl_pool pool;
	struct pl_error err = {0};

	(void)state;
	foreign_open(&foreign);
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	assert_int_equal(pl_pool_init(&pool, 2048, 2048, &err), 0);
	expect_error(pl_port_queue_open(port, 0, &pool, &queue, &err), -EBUSY, &err, "r0 queue 0",
		     "ss --xdp");
	assert_null(queue);
	assert_int_equal(pool.n_free, pool.n_bufs);
	xsk_socket__delete(foreign.socket);
	xsk_umem__delete(foreign.umem);
	assert_int_equal(pl_port_queue_open(port, 0, &pool, &queue, &err), 0);
	assert_int_equal(pl_port_queue_open(port, 0, &pool, &second, &err), -EINVAL);
	pl_queue_close(queue);
	pl_port_close(port);
	pl_pool_fini(&foreign.pool);
	pl_pool_fini(&pool);
}

/* A driver that takes no XDP program, be it for what else is on, be it none ever, as here. */
static void test_driver_refuses(void **state)
{
	struct pl_port_config config = config_of("br0");
	struct pl_port *port;
	struct pl_error err;

	(void)state;
	sh("ip link add br0 type bridge && ip link set br0 up");
	config.attach = PL_ATTACH_NATIVE;
	expect_error(pl_port_open(&port, &config, &err), -EOPNOTSUPP, &err,
		     "the driver of br0 refuses an XDP program", "ethtool -K br0 lro off");
	assert_non_null(strstr(err.remedy, "Attach=generic)"));
	sh("ip link del br0");
}

static void test_ring_size(void **state)
{
	static const unsigned bad[] = {0, 32, 100, 8192};
	struct pl_port *port;
	struct pl_error err = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pl_port_config config = config_of("r0");

		config.ring_size = bad[i];
		expect_error(pl_port_open(&port, &config, &err), -EINVAL, &err, "descriptors",
			     "power of two");
	}
}

static void test_accept_mac(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 99};
	struct pl_port_config config = config_of("r0");
	struct pl_port *port;
	struct pl_error err = {0};

	(void)state;
	assert_int_equal(pl_port_open(&port, &config, &err), 0);
	assert_int_equal(pl_port_accept_mac(port, mac, &err), 0);
	sh("ip -d link show dev r0 | grep -q 'allmulti 1'");
	assert_int_equal(pl_port_accept_mac(port, mac, &err), 0);
	pl_port_close(port);
	sh("ip -d link show dev r0 | grep -q 'allmulti 0'");
}

/* Runs `body` in a child, since what it gives up cannot be had again. */
static void in_child(void (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		body();
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void child_expect(bool condition, const struct pl_error *err)
{
	if (condition)
		return;
	fprintf(stderr, "unexpected: \"%s\" (\"%s\")\n", err->what, err->remedy);
	_exit(1);
}

static void probe_without_privileges(void)
{
	struct pl_error err = {0};

	child_expect(setresuid(65534, 65534, 65534) == 0, &err);
	child_expect(probe("r0", 1, &err) == -EPERM && strstr(err.what, "not permitted") &&
			     strstr(err.remedy, "CAP_NET_RAW"),
		     &err);
}

static void drop_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		_exit(2);
	data[capability / 32].effective &= ~(1u << capability % 32);
	data[capability / 32].permitted &= ~(1u << capability % 32);
	if (syscall(SYS_capset, &header, data))
		_exit(3);
}

static void open_without_locked_memory(void)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	struct pl_port_config config = config_of("r0");
	struct pl_error err = {0};
	struct pl_port *port;
	struct pl_pool pool;
	struct pl_queue *queue;

	child_expect(pl_port_open(&port, &config, &err) == 0, &err);
	child_expect(pl_pool_init(&pool, 2048, 2048, &err) == 0, &err);
	drop_capability(CAP_IPC_LOCK);
	child_expect(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, &err);
	child_expect(pl_port_queue_open(port, 0, &pool, &queue, &err) == -ENOBUFS &&
			     strstr(err.what, "4096 kB") && strstr(err.remedy, "LimitMEMLOCK"),
		     &err);
}

static void test_missing_privileges(void **state)
{
	(void)state;
	in_child(probe_without_privileges);
	in_child(open_without_locked_memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_mtu_does_not_fit),
		cmocka_unit_test(test_accelerators_memory),
		cmocka_unit_test(test_device_taken),
		cmocka_unit_test(test_queue_taken),
		cmocka_unit_test(test_driver_refuses),
		cmocka_unit_test(test_ring_size),
		cmocka_unit_test(test_accept_mac),
		cmocka_unit_test(test_missing_privileges),
	};
	int skip = afxdp_lab_enter();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
