/* SPDX-License-Identifier: BSD-2-Clause */
/* Which buffers and which copy mode ports get, by what their devices can do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../router/control/buffers.h"

static struct {
	struct config config;
	struct router router;
	struct pl_error err;
} s;

static void begin(void)
{
	memset(&s, 0, sizeof(s));
	config_init(&s.config);
	s.router.config = &s.config;
}

static struct router_port *add(enum config_kind kind, unsigned mtu)
{
	unsigned index = s.router.n_ports++;
	struct router_port *port = &s.router.ports[index];

	s.config.n_ports = s.router.n_ports;
	s.config.ports[index].kind = kind;
	s.config.ports[index].zero_copy = true;
	port->name = "pl0";
	port->device = "eth0";
	port->mtu = mtu;
	return port;
}

static void add_afxdp(unsigned mtu, bool zero_copy)
{
	add(CONFIG_AFXDP, mtu)->caps = (struct pl_port_caps){
		.mtu_max = 3820, .buf_sizes = 2048 | 4096, .ifindex = 7, .zero_copy = zero_copy};
}

static void add_nic(unsigned mtu)
{
	add(CONFIG_PCI, mtu)->caps = (struct pl_port_caps){
		.mtu_max = 9000, .buf_sizes = 2048 | 4096 | 16384, .zero_copy = true};
}

static void expect(uint32_t buf_bytes, bool zero_copy)
{
	if (buffers_choose(&s.router, &s.err))
		fail_msg("%s", s.err.what);
	assert_int_equal(buf_bytes, s.router.buf_bytes);
	assert_int_equal(zero_copy, s.router.zero_copy);
}

static void expect_refused(const char *what, const char *remedy)
{
	assert_int_equal(-EMSGSIZE, buffers_choose(&s.router, &s.err));
	if (!strstr(s.err.what, what) || strcmp(s.err.remedy, remedy) != 0)
		fail_msg("\"%s\" (\"%s\")", s.err.what, s.err.remedy);
}

static void test_copy(void **state)
{
	(void)state;
	begin();
	add_afxdp(1500, false);
	add_afxdp(1500, true); /* which then copies, too */
	expect(2048, false);
	assert_int_equal(1772, router_mtu_max(&s.router, &s.router.ports[1]));
	add_afxdp(3820, true);
	expect(4096, false);
	s.router.ports[2].mtu = 3821;
	expect_refused("MTU 3821, the longest that buffers hold is 3820",
		       "ip link set eth0 mtu 3820");
}

/* A device that is told the length of buffers in whole KB has room for any frame that may come: with an
 * Ethernet header, a VLAN tag and FCS. The kernel keeps 256 bytes and our 2 in front of it. */
static void test_zero_copy_in_whole_kb(void **state)
{
	(void)state;
	for (unsigned mtu = 68; mtu <= 3050; mtu++) {
		begin();
		add_afxdp(68, true);
		add_afxdp(mtu, true);
		expect(mtu <= 1002 ? 2048 : 4096, true);
		assert_true(mtu + 14 + 4 + 4 <= (s.router.buf_bytes - 258) / 1024 * 1024);
	}
	assert_int_equal(3050, router_mtu_max(&s.router, &s.router.ports[1]));
}

static void test_zero_copy_too_long(void **state)
{
	(void)state;
	begin();
	add_afxdp(1500, true);
	add_afxdp(3051, true);
	expect_refused("MTU 3051, the longest that buffers hold is 3050 in zero-copy mode",
		       "ip link set eth0 mtu 3050, or ZeroCopy=no");
	/* No other buffers would do, of which the operator would be told else. */
	assert_int_equal(3050, s.router.ports[1].caps.mtu_max);
	begin();
	add_afxdp(1500, true);
	add_afxdp(3051, true);
	s.config.ports[1].zero_copy = false;
	expect(4096, false);
	assert_int_equal(3820, s.router.ports[1].caps.mtu_max);
}

/* Our own drivers limit frames themselves, to what fits behind where a frame starts. */
static void test_nics(void **state)
{
	(void)state;
	begin();
	add_nic(1500);
	expect(2048, true);
	s.router.ports[0].mtu = 9000;
	expect(16384, true);
	begin();
	add_nic(3820);
	add_afxdp(1500, true);
	expect(4096, true);
	assert_int_equal(3820, router_mtu_max(&s.router, &s.router.ports[0]));
	assert_int_equal(3050, router_mtu_max(&s.router, &s.router.ports[1]));
	s.router.ports[0].mtu = 3821;
	expect_refused("MTU 3821, the longest that buffers hold is 3820",
		       "MTU=3820 in [Port pl0], or no afxdp: ports beside it");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_zero_copy_in_whole_kb),
		cmocka_unit_test(test_zero_copy_too_long),
		cmocka_unit_test(test_nics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
