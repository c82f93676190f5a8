/* SPDX-License-Identifier: BSD-2-Clause */
/* What an interface has lost for want of buffers, which its AF_XDP port tells as its own. A veth loses nothing
 * so; the counters are therefore made up here, and that real ones are read is looked at apart. Needs root; skipped
 * without. */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_link.h>

#include <cmocka.h>

#include "../../lib/port/netdev.h"
#include "afxdp_lab.h"

/* What the device is said to have counted. */
static struct device {
	int rc;
	struct rtnl_link_stats64 stats;
	bool has_counter;
	uint64_t counter;
} made_up;

int __wrap_netdev_stats(unsigned ifindex, struct rtnl_link_stats64 *stats);
int __real_netdev_stats(unsigned ifindex, struct rtnl_link_stats64 *stats);
int __wrap_netdev_counter(const char *device, const char *name, uint64_t *value);
int __real_netdev_counter(const char *device, const char *name, uint64_t *value);

int __wrap_netdev_stats(unsigned ifindex, struct rtnl_link_stats64 *stats)
{
	assert_int_equal(if_nametoindex("r0"), ifindex);
	*stats = made_up.stats;
	return made_up.rc;
}

int __wrap_netdev_counter(const char *device, const char *name, uint64_t *value)
{
	assert_string_equal("r0", device);
	assert_string_equal("rx_no_dma_resources", name);
	if (made_up.has_counter)
		*value = made_up.counter;
	return made_up.has_counter ? 0 : -ENOENT;
}

static void test_statistics(void **state)
{
	struct rtnl_link_stats64 before, after;
	int fd = host_open("a0");

	(void)state;
	assert_int_equal(0, __real_netdev_stats(if_nametoindex("r0"), &before));
	for (unsigned i = 0; i < 10; i++)
		send_frame(fd, i, 100);
	close(fd);
	for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
		assert_int_equal(0, __real_netdev_stats(if_nametoindex("r0"), &after));
		if (after.rx_packets >= before.rx_packets + 10)
			break;
		usleep(1000);
	}
	assert_true(after.rx_packets >= before.rx_packets + 10);
	assert_int_equal(0, after.rx_missed_errors);
	assert_int_equal(-ENODEV, __real_netdev_stats(99999, &after));
}

static void test_driver_counter(void **state)
{
	uint64_t value = 0;

	(void)state;
	assert_int_equal(0, __real_netdev_counter("r0", "peer_ifindex", &value));
	assert_int_equal(if_nametoindex("a0"), value);
	assert_int_equal(-ENOENT, __real_netdev_counter("r0", "nosuch", &value));
	assert_int_equal(-EOPNOTSUPP, __real_netdev_counter("lo", "peer_ifindex", &value));
	assert_int_equal(-ENODEV, __real_netdev_counter("nosuch", "peer_ifindex", &value));
}

static void test_lost_since_the_start(void **state)
{
	struct pl_port_config config = config_of("r0");
	struct pl_port *port;
	struct pl_error err;

	(void)state;
	made_up = (struct device){.stats = {.rx_missed_errors = 100, .rx_over_errors = 7}};
	if (pl_port_open(&port, &config, &err))
		fail_msg("%s", err.what);
	assert_int_equal(0, pl_port_rx_lost(port));
	made_up.stats.rx_missed_errors += 3;
	made_up.stats.rx_dropped += 1000; /* XDP's own are among them, which sockets count */
	assert_int_equal(3, pl_port_rx_lost(port));
	/* The same ones, as some drivers have them. */
	made_up.stats.rx_over_errors += 2;
	made_up.stats.rx_fifo_errors = made_up.stats.rx_over_errors;
	assert_int_equal(5, pl_port_rx_lost(port));
	made_up.has_counter = true;
	made_up.counter = 4;
	assert_int_equal(9, pl_port_rx_lost(port));
	made_up.rc = -EPERM;
	assert_int_equal(9, pl_port_rx_lost(port));
	/* The driver has begun anew. */
	made_up = (struct device){0};
	assert_int_equal(9, pl_port_rx_lost(port));
	made_up.stats.rx_missed_errors = 1;
	assert_int_equal(10, pl_port_rx_lost(port));
	/* Away, and another one back. */
	pl_port_leave(port);
	made_up.stats.rx_missed_errors = 1000;
	assert_int_equal(10, pl_port_rx_lost(port));
	if (pl_port_return(port, &err))
		fail_msg("%s", err.what);
	assert_int_equal(10, pl_port_rx_lost(port));
	made_up.stats.rx_missed_errors++;
	assert_int_equal(11, pl_port_rx_lost(port));
	pl_port_close(port);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_driver_counter),
		cmocka_unit_test(test_lost_since_the_start),
	};
	int rc = afxdp_lab_enter();

	return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
