/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of dpdk.c where DPDK is not there. */
#include "fib.h"

const char *dpdk_start(int core, const struct table_routes *v4, const struct table_routes *v6)
{
	(void)core;
	(void)v4;
	(void)v6;
	return "not built in: install libdpdk-dev, then meson setup --reconfigure";
}

const struct contestant_kind *dpdk_contestants(uint8_t family)
{
	static const struct contestant_kind none[] = {{0}};

	(void)family;
	return none;
}
